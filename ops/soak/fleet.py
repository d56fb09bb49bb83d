"""Everything that takes part: private servers, a gateway in its real roles, consumers, and bad networks between them.

    sender ─o─ front (2 workers) ─o─ database ─o─ relays (2) ─o─ broker ─o─ consumers (2)
    reader ─o─                        o   o                      o  o
              releaser ─o─  integrators   dispatchers (2) ─o─────┘  o
                                          o o o o                   askers ─o─ database
                                          partners (4)

Of relays, integrators and dispatchers one works and one waits for its lease. Each o is a proxy of its own. So each role
has a `services.toml` of its own, in a data folder whose other parts are the same for all. What the reconciliation and
the operators ask goes to the servers directly (`configuration`).

All below one folder; it is removed in the end, with the servers.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self

from gateway import config, wiring
from gateway.audit.note import Key
from gateway.config import Configuration
from gateway.trust import pki
from gateway.trust.issuing import KeyKind
from ops.dev.servers import lifecycle, processes, rabbitmq, settings, state
from ops.dev.servers.management import Management
from ops.dev.servers.state import ROOT
from ops.soak import consumer, errands
from ops.soak.abroad import Abroad
from ops.soak.disk import Disk
from ops.soak.proxy import Proxy
from ops.soak.units import Unit

CONFIG = ROOT / "config" / "gateway.toml"
EACH: Mapping[str, int] = {"front": 1, "relay": 2, "integrator": 2, "dispatcher": 2, "releaser": 1, "consumer": 2}
"""How many processes each role has; the front's one has two workers."""
ASKER = "asker"
"""Whoever gives commands: no process of the gateway's, but with a view of the servers of its own."""
_HEARTBEAT = 10
"""Seconds; the least that is allowed, so that a half-open connection is noticed while the soak runs."""
_DISK = 1536 * 1024 * 1024
_EACH = 64 * 1024
"""Bytes of disk for each message: its own, its evidence's and its leaves', twice over, and PostgreSQL's log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be set up."""

    store: Literal["postgresql", "sqlite"]
    broker: Literal["rabbitmq", "embedded"]
    messages: int
    commands: int
    seed: int
    poison: int
    """One event in so many can never be handled; 0 for none."""
    flaky: int
    """One in so many fails twice first."""

    @property
    def servers(self) -> tuple[lifecycle.Name, ...]:
        """The servers that it needs."""
        names = {"postgresql": self.store, "rabbitmq": self.broker}
        return tuple(name for name in lifecycle.NAMES if names[name] == name)


@dataclass(slots=True)
class Fleet:
    """Use it in a `with`; the gateway runs after `start`."""

    wanted: Wanted
    folder: Path = field(init=False)
    links: dict[str, Proxy] = field(default_factory=dict, init=False)
    units: dict[str, Unit] = field(default_factory=dict, init=False)
    locks: dict[str, threading.Lock] = field(default_factory=dict, init=False)
    """By target of a fault, so that no two work on one server or link at once."""
    failures: list[str] = field(default_factory=list, init=False)
    """What must never happen, as it happened."""
    failed: threading.Event = field(default_factory=threading.Event, init=False)
    disk: Disk | None = field(default=None, init=False)
    undisked: str = field(default="", init=False)
    """Why no disk can be full here."""
    configuration: Configuration = field(init=False)
    config: Path = field(init=False)
    """Its `gateway.toml`: as delivered, but for where partners are."""
    abroad: Abroad = field(init=False)
    key: Key = field(init=False)
    port: int = field(default=0, init=False)
    _closing: ExitStack = field(default_factory=ExitStack, init=False)

    def __enter__(self) -> Self:
        try:
            self._set_up()
        except BaseException:
            self._closing.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    @property
    def services(self) -> Path:
        """The servers' folder."""
        return self.folder / "services"

    @property
    def handled(self) -> Path:
        """The consumers' database."""
        return self.folder / "handled.db"

    @property
    def management(self) -> Management:
        """RabbitMQ's management interface, as administrator."""
        node = self.node
        password = (self.services / "secrets" / f"{node.admin}.password").read_text()
        return Management(port=node.management, user=node.admin, password=password)

    @property
    def node(self) -> state.RabbitMQ:
        """The broker's node."""
        found = state.read(self.services).rabbitmq
        assert found is not None, "faults on a broker are planned where there is one"  # noqa: S101
        return found

    def control(self, *arguments: str) -> None:
        """Run `rabbitmqctl`."""
        rabbitmq.control(self.services, self.node, *arguments)

    def clock(self, unit: str) -> Path:
        """Return the file with the seconds that a process' clock is wrong."""
        return self.folder / f"clock-{unit}"

    def fail(self, what: str) -> None:
        """Note what must never happen, and have the soak end."""
        print(f"FAILED: {what}", flush=True)
        self.failures.append(what)
        self.failed.set()

    def start(self) -> None:
        """Start gateway and consumers."""
        for unit in self.units.values():
            unit.start()

    def stop(self) -> None:
        """Stop them in order: consumers last, so that nothing is left lying."""
        for unit in self.units.values():
            unit.stop()

    def _set_up(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="gateway-soak-"))
        self._closing.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.folder.chmod(0o711)  # PostgreSQL's account must reach its own
        if self.wanted.servers:
            # Registered first: a start that fails half-way is cleaned up too.
            self._closing.callback(lifecycle.stop, self.services)
            lifecycle.start(self.services, self.wanted.servers)
        data = self.folder / "data"
        demo = pki.make(data, now=datetime.now(UTC), kind=KeyKind.P256)
        now = state.read(self.services)
        (data / "services.toml").write_text(_settings(self.services, now))
        self._mount(data)
        self._abroad(demo, data)
        self.configuration = config.load(self.config, data=data)
        wiring.create_store(self.configuration, wiring.SystemClock())
        self.key = Key(self.configuration.gateway.audit.origin, demo.checkpoint.public_key().public_bytes_raw())
        consumer.create(self.handled)
        self.port = processes.free_ports(1)[0]
        self._connect(now, data)
        self._man()

    def _abroad(self, demo: pki.Demo, data: Path) -> None:
        """Let partners wait for what is sent to them, and write where they are."""
        at, read = datetime.now(UTC), config.load(CONFIG, data=data)
        chance = random.Random(self.wanted.seed + 1)  # noqa: S311  # jitter

        def link(name: str, port: int) -> int:
            self.links[name] = self._link(port, chance)
            return self.links[name].port

        self.abroad = Abroad.make(demo, read, data, now=at)
        self.abroad.plan(list(errands.drawn(self.wanted.commands, self.wanted.seed)), at)
        self.abroad.connect(link, self._closing)
        self.config = self.abroad.write(CONFIG, read, self.folder / "config")

    def _mount(self, data: Path) -> None:
        try:
            self.disk = Disk(self.folder / "disk", _DISK + _EACH * self.wanted.messages)
        except OSError as error:
            self.undisked = str(error)
            (data / "store").mkdir()
            return
        self._closing.callback(self.disk.close)
        (data / "store").mkdir()
        if self.wanted.store == "postgresql":
            lifecycle.down(self.services, "postgresql")
            self.disk.move(self.services / "postgresql" / "data")
            lifecycle.up(self.services, "postgresql")
            self._closing.callback(lifecycle.down, self.services, "postgresql", kill=True)
        else:
            self.disk.move(data / "store")

    def _connect(self, now: state.State, data: Path) -> None:
        """Put a proxy on every way, and give each role its own view of the servers."""
        chance = random.Random(self.wanted.seed)  # noqa: S311  # jitter
        self.links["sender-front"] = self._link(self.port, chance)
        self.links["reader-front"] = self._link(self.port, chance)
        for role in (*EACH, ASKER):
            seen = now
            if now.postgresql is not None and role != "consumer":
                link = self.links[f"{role}-database"] = self._link(now.postgresql.port, chance)
                seen = replace(seen, postgresql=replace(now.postgresql, port=link.port))
            if now.rabbitmq is not None and role in {"relay", "dispatcher", "consumer", ASKER}:
                link = self.links[f"{role}-broker"] = self._link(now.rabbitmq.amqps, chance)
                seen = replace(seen, rabbitmq=replace(now.rabbitmq, amqps=link.port))
            own = self.folder / role
            own.mkdir()
            for part in data.iterdir():
                if part.name != "services.toml":
                    (own / part.name).symlink_to(part)
            (own / "services.toml").write_text(_settings(self.services, seen))

    def _link(self, port: int, chance: random.Random) -> Proxy:
        return self._closing.enter_context(Proxy(("127.0.0.1", port), chance=random.Random(chance.random())))  # noqa: S311  # as above

    def _man(self) -> None:
        more = {"front": ["--workers", "2", "--port", str(self.port)]}
        for role in EACH:
            for name in names(role):
                if role == "consumer":
                    what: list[str | Path] = ["ops.soak.consumer", self.config, self.folder / role, self.handled]
                    self._unit(name, [*what, str(self.wanted.poison), str(self.wanted.flaky)])
                    continue
                self.clock(name).write_text("0")
                what = ["ops.soak.serve", self.clock(name), "--config", self.config, "--data", self.folder / role]
                self._unit(name, [*what, "--role", role, *more.get(role, [])])
        self._closing.callback(self.stop)

    def _unit(self, name: str, words: list[str | Path]) -> None:
        self.units[name] = Unit(
            name,
            [sys.executable, "-m", *words],
            log=self.folder / f"{name}.log",
            environment=os.environ | {"PYTHONPATH": str(ROOT)},
            failed=self.fail,
        )


def names(role: str) -> list[str]:
    """Return what the processes of a role are called."""
    return [role] if EACH[role] == 1 else [f"{role}-{number}" for number in range(1, EACH[role] + 1)]


def _settings(folder: Path, now: state.State) -> str:
    text = settings.text(folder, now)
    return text.replace('server_name = "localhost"\n', f'server_name = "localhost"\nheartbeat = {_HEARTBEAT}\n')
