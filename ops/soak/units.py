"""Processes kept alive as systemd would (`ops/systemd`): one that ends is started again, 3 and 5 are not.

An end with 3 (configuration) or 5 (our own records disagree) is a finding by itself: the soak is told at once. When the
main process is gone, whatever it leaves of its group is killed before it is started again (`KillMode=mixed`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import orjson

from gateway.cli.exits import Exit
from ops.dev.servers.processes import Process, children

RESTART = 1.0
"""Seconds before one is started again; systemd's unit says 5."""
_END = 60.0
_VARIABLE = frozenset({"timestamp", "time", "at", "level", "process", "lines"})
FINAL = frozenset({Exit.CONFIGURATION, Exit.INTEGRITY})


class Unit:
    """One service."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str],
        failed: Callable[[str], None],
    ) -> None:
        """Prepare it. `failed` is told, from another thread, when it ended and must not be started again."""
        self.name = name
        self.log = log
        self._command, self._environment, self._failed = list(command), environment, failed
        self.ends: Counter[int] = Counter()
        """Exit codes, negative for signals, and how often."""
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=name, daemon=True)

    def start(self) -> None:
        """Start it and keep it."""
        self._thread.start()

    def stop(self) -> None:
        """Have it end in order, and start it no more."""
        self._stopping.set()
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        deadline = time.monotonic() + _END
        while self._thread.is_alive() and time.monotonic() < deadline:
            self._thread.join(0.2)
        if self._thread.is_alive():
            self._failed(f"{self.name} does not end within {_END:.0f} s of SIGTERM")
            self.send(signal.SIGKILL)
            self._thread.join()

    @property
    def main(self) -> Process | None:
        """The main process, if it runs."""
        process = self._process
        return None if process is None or process.poll() is not None else Process.of(process.pid)

    def workers(self) -> list[Process]:
        """Return the processes that receive: the main one's children that multiprocessing spawned as such."""
        main = self.main
        return [] if main is None else [one for one in children(main) if b"--multiprocessing-fork" in _words(one)]

    def told(self, *events: str) -> Counter[str]:
        """Return what its log tells of these events, and of what is no log line (a traceback), and how often."""
        found: Counter[str] = Counter()
        for line in self.log.read_bytes().splitlines() if self.log.exists() else ():
            try:
                said = orjson.loads(line)
            except orjson.JSONDecodeError:
                found[f"(not a log line) {line[:200].decode(errors='replace')}"] += 1
                continue
            if said.get("event") in events:
                found[" ".join(f"{key}={said[key]}" for key in sorted(said) if key not in _VARIABLE)] += 1
        return found

    def send(self, number: signal.Signals) -> None:
        """Signal the main process."""
        if (main := self.main) is not None:
            main.send(number)

    def _keep(self) -> None:
        while not self._stopping.is_set():
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=dict(self._environment),
                    start_new_session=True,
                )
            code = self._process.wait()
            self._sweep(self._process.pid)
            if self._stopping.is_set() and code == 0:
                return
            self.ends[code] += 1
            if code in FINAL:
                self._failed(f"{self.name} ended with {code} ({Exit(code).name.lower()}): {tail(self.log)}")
                return
            self._stopping.wait(RESTART)

    def _sweep(self, group: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def tail(log: Path, length: int = 600) -> str:
    """Return the end of a log."""
    return log.read_bytes()[-length:].decode(errors="replace").strip()


def _words(process: Process) -> list[bytes]:
    try:
        return Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
