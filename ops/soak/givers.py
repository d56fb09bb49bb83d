"""Our own systems: they give commands, by the queue and by the command line, and do not give up.

Each way has a thread of its own. How far they are follows the sender, and twice as fast: when half of the messages are
done all commands are given, and faults fall on all that comes after.
A command that nobody knows the fate of is given again, under the same id with the same content: it is the same one.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import orjson

from gateway import consumer
from gateway.cli.demo.errands import Data
from gateway.cli.exits import Exit
from gateway.config import load
from gateway.consumer import Commands
from gateway.errors import GatewayError, UnavailableError
from ops.dev.servers.state import ROOT
from ops.soak.errands import Errand, Way

_LOOK = 0.1
_PAUSE = 0.5
"""Seconds before a command is given again."""
_SHARE = 0.5
"""Of the messages, in which all commands are given."""
_TIMEOUT = 60.0
"""Seconds for one `gateway send`: a database that is paused is waited for."""


@dataclass(slots=True, kw_only=True)
class Given:
    """What is known of the giving of one command, one way."""

    name: str
    way: Way
    times: int = 0
    """How often it was tried."""
    taken: bool = False
    """True once it was told to be durably there."""
    odd: list[str] = field(default_factory=list)
    """What must not have been answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What both ways share."""

    config: Path
    data: Path
    """The askers' own view of the servers."""
    organisations: Mapping[str, tuple[str, str | None]]
    share: Callable[[], float]
    """How much of the messages is done, 0 to 1."""
    failed: Callable[[str], None]


class Givers:
    """Both ways; `start`, and `join` when nothing goes wrong any more."""

    def __init__(self, wanted: Sequence[Errand], terms: Terms) -> None:
        """Nothing is given before `start`."""
        self._wanted = wanted
        self._terms = terms
        self._made: dict[str, Data] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._hurried = threading.Event()
        self.given: list[Given] = []
        self._threads = [threading.Thread(target=self._run, args=(way,), name=way, daemon=True) for way in Way]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Give what is left, and wait until all is given."""
        self._hurried.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def stop(self) -> None:
        """Give no more."""
        self._ended.set()
        self.join()

    def _run(self, way: Way) -> None:
        try:
            with ExitStack() as closing:
                give = _Queue(self._terms, closing).give if way is Way.QUEUE else _Cli(self._terms).give
                for number, errand in enumerate(self._wanted):
                    self._wait(number / len(self._wanted) * _SHARE)
                    if way in errand.ways and not self._ended.is_set():
                        self._insist(errand, way, give)
        except Exception as error:  # noqa: BLE001  # whatever it is, the soak is not one any more
            self._terms.failed(f"commands by {way}: {error!r}")

    def _wait(self, share: float) -> None:
        while not self._hurried.is_set() and not self._ended.is_set() and self._terms.share() <= share:
            time.sleep(_LOOK)

    def _insist(self, errand: Errand, way: Way, give: Callable[[Errand, Data, Given], bool]) -> None:
        with self._lock:  # both ways give the same
            if errand.name not in self._made:
                self._made[errand.name] = errand.data(datetime.now(UTC), self._terms.organisations)
            made = Given(name=errand.name, way=way)
            self.given.append(made)
        while not made.taken and not self._ended.is_set():
            made.times += 1
            made.taken = give(errand, self._made[errand.name], made)
            if not made.taken:
                self._ended.wait(_PAUSE)


class _Queue:
    """The askers' kit."""

    def __init__(self, terms: Terms, closing: ExitStack) -> None:
        self._configuration = load(terms.config, data=terms.data)
        self._open: dict[str, Commands] = {}
        self._closing = closing

    def give(self, errand: Errand, data: Data, made: Given) -> bool:
        try:
            if errand.asker not in self._open:
                mouth = consumer.commands(self._configuration, asker=errand.asker)
                self._open[errand.asker] = self._closing.enter_context(mouth)
            self._open[errand.asker].give(errand.name, data)
        except UnavailableError:
            return False
        except GatewayError as error:
            made.odd.append(f"{error.code.name}: {error.detail}")
        return True


class _Cli:
    """`gateway send` and `gateway ask`."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms

    def give(self, errand: Errand, data: Data, made: Given) -> bool:
        command = [sys.executable, "-m", "gateway.cli", errand.verb, "-", "--as", errand.asker, "--id", errand.name]
        where = ["--config", str(self._terms.config), "--data", str(self._terms.data), "--json"]
        try:
            done = subprocess.run(
                [*command, *where],
                input=orjson.dumps(data),
                cwd=ROOT,
                capture_output=True,
                timeout=_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        if done.returncode == Exit.UNAVAILABLE:
            return False
        # 1 says that a dispatch has ended already, and otherwise than well: it was taken.
        if done.returncode not in {Exit.OK, Exit.REFUSED} or not done.stdout:
            said = (done.stdout + done.stderr)[-300:].decode(errors="replace")
            made.odd.append(f"exit code {done.returncode}: {said}")
        return True
