"""A whole installation of the gateway in processes of its own, started by the command line as its units start it.

The fronts, relays and integrators are `gateway serve --role …`; what is sent goes over mutual TLS, what is consumed
comes by `gateway consume`. `confined` runs each role with the capabilities, system calls and memory that its unit
allows (`sandboxed.py`).
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import requests
from lxml import etree

from gateway import config
from gateway.cli.demo.ledger import GOVERNING
from gateway.trust import pki
from gateway.trust.issuing import KeyKind
from tests import payloads
from tests.integration.stage import ROOT, Stage

PROGRAM = Path(sys.executable).with_name("gateway")
QUEUE, PURPOSE = "handlaggning.folkbokforing", "fk:Arendehandlaggning"
CONTRACT = "skatteverket/folkbokforing"
ROLES = ("front", "relay", "integrator")
_RECEIPT = "{urn:forsakringskassan:utbyte:receipt:1}"
_WITHIN = 60.0


@dataclass
class Process:
    """One `gateway serve`."""

    roles: tuple[str, ...]
    program: subprocess.Popen[bytes]
    log: Path

    def lines(self) -> list[dict[str, object]]:
        """Return what it has logged."""
        return [orjson.loads(line) for line in self.log.read_bytes().splitlines() if line.startswith(b"{")]

    def told(self, event: str) -> dict[str, object]:
        """Wait until it has logged an event; fail if it ends or takes too long."""
        end = time.monotonic() + _WITHIN
        while True:
            for line in self.lines():
                if line["event"] == event:
                    return line
            assert self.program.poll() is None, f"{self.roles} ended: {self.log.read_text()[-3000:]}"
            assert time.monotonic() < end, f"{self.roles} did not tell {event}: {self.log.read_text()[-3000:]}"
            time.sleep(0.02)

    def ready(self) -> None:
        """Wait until it works."""
        self.told("server.started" if "front" in self.roles else "roles.started")

    def kill(self) -> None:
        """End it as a power failure does."""
        self.program.kill()
        self.program.wait(10)


@dataclass
class Installation:
    """A data folder, and the processes that serve it."""

    data: Path
    demo: pki.Demo
    confined: bool = False
    processes: list[Process] = field(default_factory=list)
    sent: dict[bytes, str] = field(default_factory=dict)
    """Each message that got a receipt, and the receipt's leaf."""

    @classmethod
    def make(cls, data: Path, *, services: str | None = None, confined: bool = False) -> Installation:
        """Make keys and partners in a folder, and say where the servers are; there is no store yet."""
        made = cls(data, pki.make(data, now=datetime.now(UTC), kind=KeyKind.P256), confined=confined)
        if services is not None:
            (data / "services.toml").write_text(services)
        return made

    @property
    def environment(self) -> dict[str, str]:
        """What a shell of the gateway's account has."""
        return {
            "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "HOME": str(self.data),
            "NO_COLOR": "1",
            "GATEWAY_CONFIG": str(ROOT / "config" / "gateway.toml"),
            "GATEWAY_DATA": str(self.data),
        }

    def command(self, *arguments: str, code: int = 0) -> str:
        """Run the command line; it must end with `code`."""
        done = subprocess.run(
            [PROGRAM, *arguments], env=self.environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def asked(self) -> str:
        """Have Skatteverket asked of somebody; return the dispatch."""
        now = datetime.now(UTC)
        period = {"first": f"{now.date()}", "last": f"{now.date()}"}
        command = {
            "contract": "skatteverket/personpost",
            "purpose": "fk:Arendehandlaggning",
            "case": {"reference": "A-1", "benefit": "aktivitetsstod", "period": period},
            "person": payloads.PERSON,
            "fields": {"personpost": True},
            "recipients": [{"partner": "skatteverket", "basis": "FK-NAVET-01"}],
            "expires": (now + timedelta(hours=1)).isoformat(),
        }
        file = self.data / "command.json"
        file.write_bytes(orjson.dumps(command))
        taken = self.command("ask", str(file), "--as", "handlaggning.aktivitetsstod", "--json")
        return str(orjson.loads(taken)[0]["dispatch"])

    def dispatch(self, dispatch: str) -> Any:
        """Return where a dispatch stands, and how it came there."""
        return orjson.loads(self.command("dispatch", "show", dispatch, "--json"))

    def start(self, *roles: str, port: int = 0) -> Process:
        """Start a process with these roles; without any, with all. `Process.ready` waits until it works."""
        log = self.data / f"serve-{len(self.processes)}.log"
        words = [PROGRAM, "serve", "--port", str(port), *(word for role in roles for word in ("--role", role))]
        if self.confined:
            words = [sys.executable, ROOT / "tests" / "integration" / "sandboxed.py", filters(), sys.executable, *words]
        with log.open("wb") as output:
            program = subprocess.Popen(words, env=self.environment, stdout=output, stderr=output, cwd="/")
        process = Process(roles or ROLES, program, log)
        self.processes.append(process)
        return process

    @contextmanager
    def serving(self, *kinds: Sequence[str]) -> Iterator[list[Process]]:
        """Start a process for each group of roles; each must drain and end with 0."""
        started: list[Process] = []
        try:
            started += [self.start(*roles) for roles in kinds]
            for process in started:
                process.ready()
            yield started
            for process in started:
                process.program.send_signal(signal.SIGTERM)
            assert [process.program.wait(60) for process in started] == [0 for _ in kinds]
        finally:
            for process in started:
                process.kill()

    def stage(self) -> Stage:
        """Return what makes and signs messages."""
        return Stage(config.load(ROOT / "config" / "gateway.toml", data=self.data), self.demo, self.data)

    def messages(self, count: int) -> list[bytes]:
        """Return new signed messages, each of one event."""
        stage = self.stage()
        return [stage.message(payloads.folkbokforing()) for _ in range(count)]

    def send(self, front: Process, messages: Sequence[bytes], *, patience: float = 20.0) -> list[str | None]:
        """Send messages over one connection; return each receipt's leaf, None for 503 or after so many seconds."""
        address = front.told("server.started")["address"]
        answers: list[str | None] = []
        with self.stage().session() as session:
            for message in messages:
                leaf = _leaf(session, f"https://{address}/soap/{CONTRACT}", message, patience)
                if leaf is not None:
                    assert self.sent.setdefault(message, leaf) == leaf, "another receipt for the same message"
                answers.append(leaf)
        return answers

    def consume(self, *, idle: float = 2.0) -> list[str]:
        """Return the ids of the events that are on the queue, acknowledged."""
        lines = self.command("consume", QUEUE, "--purpose", PURPOSE, "--idle", str(idle))
        return [orjson.loads(line)["id"] for line in lines.splitlines()]

    def signed(self) -> int:
        """Prove the whole log and return how many leaves it has of messages, refusals and dispatches."""
        return max(int(orjson.loads(self.command("audit", "verify", "--json"))["size"]) - GOVERNING, 0)

    def await_signed(self, size: int) -> None:
        """Wait until so many such leaves are signed for: the anchor says so."""
        anchor = self.data / "store" / "gateway.checkpoint"
        until(lambda: int(anchor.read_bytes().splitlines()[1]) >= GOVERNING + size, f"{size} leaves signed")


def until(done, what: str, *, within: float = _WITHIN) -> None:
    """Look until it is so; fail after so many seconds."""
    end = time.monotonic() + within
    while not done():
        assert time.monotonic() < end, f"not within {within} s: {what}"
        time.sleep(0.05)


def filters() -> str:
    """Return the unit's system calls in `sandboxed.py`'s words."""
    unit = (ROOT / "ops" / "systemd" / "gateway-.service.d" / "hardening.conf").read_text()
    words: list[str] = []
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit, re.MULTILINE):
        mark = "~" if line.startswith("~") else ""
        words += [mark + name for name in line.removeprefix("~").split()]
    return " ".join(words)


def _leaf(session: requests.Session, address: str, message: bytes, patience: float) -> str | None:
    try:
        answer = session.post(address, data=message, headers={"Content-Type": "text/xml"}, timeout=patience)
    except requests.RequestException:
        return None
    if answer.status_code != 200:
        assert answer.status_code == 503, answer.text
        return None
    return etree.fromstring(answer.content).findtext(f".//{_RECEIPT}Leaf")
