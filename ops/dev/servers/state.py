"""The folder of the private servers, and the file that says what runs there.

    state.json     ports, processes, and where the secrets are: all that tests need
    services.toml  the same for a gateway, in the form of `gateway/services.py`; paths are absolute
    pki/           the authority, the brokers' certificate, one certificate for each account
    secrets/       passwords, one a file; `pgpass` and `pgpass-superuser` in libpq's form
    rabbitmq/      one server: its settings, data and log
    postgresql/    the other

One folder for each checkout and user, below TMPDIR. What is in it is worth nothing: `stop` removes it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from ops.dev.servers.processes import Process, ServerError

ROOT = Path(__file__).parents[3]
VIRTUAL_HOST = DATABASE = "gateway"
ACCOUNTS = ("publisher", "consumer", "collector", "monitor", "asker")
"""Of RabbitMQ, by duty: `gw-publisher` and so on."""
ROLES = (
    "owner", "front", "relay", "integrator", "dispatcher", "reviewer", "releaser", "operator", "auditor", "archivist",
    "overseer", "gallring",
)  # fmt: skip
"""Of PostgreSQL, by duty: `gateway_owner` and so on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RabbitMQ:
    """A private node."""

    amqp: int
    amqps: int
    management: int
    """HTTP; `management_tls` is the same with TLS."""
    management_tls: int
    prometheus: int
    distribution: int
    epmd: int
    admin: str
    """An account that may do everything on every virtual host; its password is in `secrets/<admin>.password`."""
    process: Process
    """The Erlang machine itself."""
    registry: Process
    """Its private epmd."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgreSQL:
    """A private cluster."""

    port: int
    superuser: str
    """Its password is in `secrets/pgpass-superuser`."""
    process: Process
    user: str | None
    """As whom the server runs, where that is not ourselves."""


_Kind = TypeVar("_Kind", RabbitMQ, PostgreSQL)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What runs in a folder."""

    rabbitmq: RabbitMQ | None = None
    postgresql: PostgreSQL | None = None


def default_folder() -> Path:
    """Return the folder of this checkout and user."""
    mark = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
    return Path(tempfile.gettempdir()) / f"gateway-services-{os.getuid()}-{mark}"


def prepare(folder: Path) -> None:
    """Make the folder, if it is not there. One that belongs to somebody else is refused."""
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    about = folder.lstat()
    if about.st_uid != os.getuid() or folder.is_symlink() or about.st_mode & 0o022:
        raise ServerError(f"{folder} belongs to somebody else or others may write to it: give another with --folder")
    folder.chmod(0o711)
    for name in ("pki", "secrets"):
        (folder / name).mkdir(mode=0o700, exist_ok=True)


def read(folder: Path) -> State:
    """Return what was written last; nothing runs where nothing was."""
    try:
        table = json.loads((folder / "state.json").read_text())
    except FileNotFoundError:
        return State()
    return State(rabbitmq=_made(RabbitMQ, table.get("rabbitmq")), postgresql=_made(PostgreSQL, table.get("postgresql")))


def _made(kind: type[_Kind], table: dict[str, Any] | None) -> _Kind | None:
    if table is None:
        return None
    processes = {name: Process(**value) for name, value in table.items() if isinstance(value, dict)}
    return kind(**(table | processes))


def write(folder: Path, state: State) -> None:
    """Write `state.json` whole or not at all."""
    new = folder / "state.json.new"
    new.touch(mode=0o600)
    new.write_text(json.dumps(asdict(state), indent=2) + "\n")
    new.replace(folder / "state.json")


def remove(folder: Path) -> None:
    """Remove the folder and what is in it."""
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep two commands from starting or stopping the same servers at the same time."""
    path = folder.with_name(folder.name + ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _locked(path)
    try:
        yield
    finally:
        if not folder.exists():
            path.unlink()
        os.close(descriptor)


def _locked(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
        os.close(descriptor)  # the command that held it removed it
