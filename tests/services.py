"""Real servers for tests: each gets a database or a virtual host of its own, on servers that others use too.

The servers are started before pytest, by `make test` or `ops/dev/services start`; where none runs, a test that wants
one fails and says so. A test that stops, kills or pauses a server wants its own: `own`, some ten seconds for RabbitMQ
and one for PostgreSQL.

Fixtures (`tests/conftest.py`): `servers` is `Found`; `database` a new empty database, `stored` one with an empty
store; `virtual_host` makes one;
`own_rabbitmq` and `own_postgresql` are servers that nobody else uses.
"""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
from psycopg import sql

from gateway.broker.rabbitmq import topology
from gateway.config import Queue
from gateway.services import Account, Accounts, PostgreSQL, RabbitMQ
from ops.dev.servers import lifecycle, postgresql, rabbitmq, state
from ops.dev.servers.management import Management
from ops.dev.servers.processes import Process

_OWN = "gateway-own-"
ASK = "ops/dev/services start"
_Server = TypeVar("_Server", state.RabbitMQ, state.PostgreSQL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Servers that run, in a folder of `ops/dev/services`."""

    folder: Path
    owned: bool = False
    """Whether they are this test's alone; only then may they be disturbed."""

    @classmethod
    def look(cls) -> Found:
        """Return the servers in `GATEWAY_SERVICES`, else in the default folder."""
        return cls(folder=Path(os.environ.get("GATEWAY_SERVICES") or state.default_folder()))

    def has(self, name: lifecycle.Name) -> bool:
        """Tell whether a server runs."""
        return name in lifecycle.running(self.folder)

    @property
    def rabbitmq(self) -> state.RabbitMQ:
        """The node: its ports and process."""
        return self._running("rabbitmq", state.read(self.folder).rabbitmq)

    @property
    def postgresql(self) -> state.PostgreSQL:
        """The cluster: its port and process."""
        return self._running("postgresql", state.read(self.folder).postgresql)

    def _running(self, name: lifecycle.Name, found: _Server | None) -> _Server:
        if found is None or not found.process.alive:
            pytest.fail(f"{name} does not run in {self.folder}: {ASK}", pytrace=False)
        return found

    @property
    def management(self) -> Management:
        """RabbitMQ's management interface, as administrator."""
        node = self.rabbitmq
        return Management(port=node.management, user=node.admin, password=self.password(node.admin))

    def password(self, account: str) -> str:
        """Return the password of one of RabbitMQ's accounts."""
        return (self.folder / "secrets" / f"{account}.password").read_text()

    def superuser(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """Return an autocommit connection to PostgreSQL as superuser."""
        return postgresql.connect(self.folder, self.postgresql.port, database=database)

    def disturbed(self) -> Path:
        """Return the folder for `lifecycle.down`, `up`, `restart`, `pause`, `resume`. Fails for servers of all."""
        if not self.owned:
            pytest.fail("other tests use these servers: disturb your own (own_rabbitmq, own_postgresql)", pytrace=False)
        return self.folder

    def cloned(self, template: str, make: Callable[[PostgreSQL], None]) -> PostgreSQL:
        """Return a new database that is as `make` makes an empty one; it makes the first, and the rest are copies.

        It is not dropped: that costs a checkpoint of the whole server for each. `sweep` does it, some hours later.
        """
        name = _named()
        with self.superuser() as connection:
            connection.execute("SELECT pg_advisory_lock(1)")  # until this connection ends: one makes the first
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (template,)).fetchone()
            if found is None:
                half = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(f"{template}_new"))
                connection.execute(half)
                postgresql.create_database(connection, f"{template}_new")
                make(self._at(f"{template}_new"))
                renamed = sql.SQL("ALTER DATABASE {} RENAME TO {}")
                connection.execute(renamed.format(sql.Identifier(f"{template}_new"), sql.Identifier(template)))
            postgresql.create_database(connection, name, template=template)
        return self._at(name)

    def sweep(self, *, older: float = 2 * 3600) -> None:
        """Drop copies that are older than so many seconds, as their tests have ended, and make roles that lack."""
        with self.superuser() as connection:
            postgresql.complete(self.folder, connection)
            rows = connection.execute("SELECT datname FROM pg_database WHERE datname ~ '^test_[0-9a-f]+_'").fetchall()
            for (name,) in rows:
                if time.time() - int(str(name).split("_")[1], 16) > older:
                    connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(str(name))))

    def _at(self, name: str, port: int | None = None) -> PostgreSQL:
        return PostgreSQL(
            dsn=f"host=127.0.0.1 port={port or self.postgresql.port} dbname={name}",
            passfile=self.folder / "secrets" / "pgpass",
        )

    @contextmanager
    def database(self, *, port: int | None = None) -> Iterator[PostgreSQL]:
        """Make an empty database that belongs to `gateway_owner`; afterwards nobody is connected. `sweep` drops it.

        `port`: where to connect to, if that is not the server itself but a proxy before it.
        """
        name = _named()
        with self.superuser() as connection:
            postgresql.create_database(connection, name)
        try:
            yield self._at(name, port)
        finally:
            with self.superuser() as connection:
                ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
                connection.execute(ended, (name,))

    @contextmanager
    def virtual_host(self, queues: Sequence[Queue], *, port: int | None = None) -> Iterator[RabbitMQ]:
        """Make a virtual host with the topology of these queues and least privilege, and delete it afterwards.

        `port`: of a proxy before the listener with TLS, if connections shall go through one.
        """
        name = f"test-{secrets.token_hex(8)}"
        definitions: dict[str, Any] = topology.definitions(queues, name)
        rights = {"user": self.rabbitmq.admin, "vhost": name, **rabbitmq.EVERYTHING}
        body = {**definitions, "users": [], "permissions": [*definitions["permissions"], rights]}
        self.management.call("POST", "definitions", body=body)
        try:
            yield self._reached(name, port)
        finally:
            self.management.call("DELETE", "vhosts", name)

    def _reached(self, virtual_host: str, port: int | None) -> RabbitMQ:
        pki, node = self.folder / "pki", self.rabbitmq
        accounts = {
            duty: Account(certificate=pki / f"gw-{duty}.pem", key=pki / f"gw-{duty}.key")
            for duty in state.ACCOUNTS
            if duty != "monitor"
        }
        monitor = Account(user="gw-monitor", password_file=self.folder / "secrets" / "gw-monitor.password")
        return RabbitMQ(
            hosts=(f"127.0.0.1:{port or node.amqps}",),
            virtual_host=virtual_host,
            authority=pki / "authority.pem",
            server_name="localhost",
            management=f"https://127.0.0.1:{node.management_tls}",
            accounts=Accounts(**accounts, monitor=monitor),
        )


def _named() -> str:
    return f"test_{int(time.time()):x}_{secrets.token_hex(6)}"


@contextmanager
def own(*names: lifecycle.Name) -> Iterator[Found]:
    """Start servers that nobody else uses, and stop them afterwards."""
    _sweep()
    us = Process.of(os.getpid())
    assert us is not None
    # Not pytest's folder: only its owner may enter it, and PostgreSQL runs as another where we are root.
    folder = Path(tempfile.mkdtemp(prefix=f"{_OWN}{us.pid}-{us.started}-"))
    lifecycle.start(folder, names)
    try:
        yield Found(folder=folder, owned=True)
    finally:
        lifecycle.stop(folder)


def _sweep() -> None:
    """Stop what tests left that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_OWN}*-*-*"):
        pid, started = folder.name.removeprefix(_OWN).split("-")[:2]
        ours = folder.is_dir() and folder.stat().st_uid == os.getuid()
        if ours and not Process(pid=int(pid), started=int(started)).alive:
            lifecycle.stop(folder)
