"""Which logs a witness knows, and the last checkpoint it cosigned of each: one JSON file, replaced whole.

    {"vkey": "witness.example/w1+…",
     "logs": {"<origin>": {"keys": ["<vkey>"], "size": 17, "root": "<base64>", "checkpoint": "<the signed note>"}}}

The promise is that two inconsistent checkpoints are never cosigned, whatever dies when. So the file is on disk before
a cosignature leaves (`changing` ends), and a new file is whole before it takes the old one's place. Where the file is
gone the witness does not start: it would believe any log at all. For the same reason a copy of yesterday must never be
put back; the gateway says how far the witness had come.

What a log asked for and was refused is kept beside it: with the checkpoint that is remembered it may prove a fork.

A lock beside the file is held while it is changed: requests, threads, a second process and `gateway witness add` take
turns, and each reads what the one before wrote.
"""

from __future__ import annotations

import fcntl
import json
import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway import codes
from gateway.audit import cosignature, note, tree
from gateway.errors import ConfigError, GatewayError, IntegrityError, UnavailableError

FORKS: Final = 100
"""Checkpoints that were refused and are kept: one is enough to prove a fork, and a disk is not to be filled."""
KEY: Final = "witness.key"
STATE: Final = "witness.json"
_LOCK: Final = "witness.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a witness knows of one log."""

    keys: tuple[note.Key, ...]
    """Any of them may sign; more than one while a log changes its key."""
    size: int = 0
    """Leaves of the last checkpoint that was cosigned; 0 where none was."""
    root: bytes = tree.EMPTY
    checkpoint: str = ""
    """It, as the log signed it: proof against a log that says something else later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that a witness remembers."""

    key: cosignature.Key
    logs: dict[str, Known] = field(default_factory=dict)
    """By origin."""

    def having(self, origin: str, known: Known) -> State:
        """Return the state in which a log stands so."""
        return replace(self, logs={**self.logs, origin: known})


class Folder:
    """Where key and state are. May be used by any thread."""

    def __init__(self, path: Path, *, faults: Callable[[str], None] = lambda _point: None) -> None:
        """`faults` is told each point of a change (`written`, `replaced`); tests fail there."""
        self.path = path
        self._fault = faults

    def make(self, name: str) -> State:
        """Make a key and a state that knows no log. Raises IntegrityError where either is there, ConfigError."""
        if (self.path / STATE).exists() or (self.path / KEY).exists():
            raise IntegrityError(f"{self.path}: a witness is there already, and is never overwritten")
        private = Ed25519PrivateKey.generate()
        state = State(key=cosignature.Signer(name, private).key)
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with _translated():
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._replace(KEY, pem)
            self._replace(STATE, _written(state))
        return state

    def read(self) -> State:
        """Return what is remembered. Raises IntegrityError where it is gone or damaged, UnavailableError."""
        try:
            with _translated():
                data = (self.path / STATE).read_bytes()
        except FileNotFoundError:
            raise IntegrityError(
                f"{self.path / STATE} is not there: what was cosigned cannot be told. A new witness, with a new name "
                "and key, is made by gateway witness init; never put an old copy back"
            ) from None
        return _read(data, str(self.path / STATE))

    def signer(self) -> cosignature.Signer:
        """Return what cosigns. Raises ConfigError, IntegrityError where the key is not the one that began."""
        state, file = self.read(), self.path / KEY
        try:
            if file.stat().st_mode & 0o077:
                raise ConfigError(f"{file}: others than its owner may use it; chmod go= {file}")
            signer = cosignature.Signer.from_pem(state.key.name, file.read_bytes())
        except OSError as error:
            raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
        if signer.key != state.key:
            raise IntegrityError(f"{file} is not the key {state.key}, by which this witness has cosigned")
        return signer

    def add(self, key: note.Key) -> Known:
        """Know a log from now on, or another key of one that is known. Raises IntegrityError, UnavailableError."""
        with self.changing() as change:
            known = change.state.logs.get(key.name, Known(keys=()))
            if key not in known.keys:
                known = replace(known, keys=(*known.keys, key))
                change.to(change.state.having(key.name, known))
        return known

    def keep(self, signed: bytes) -> None:
        """Keep a checkpoint that was refused, `FORKS` at most: proof of what a log signed. Raises UnavailableError."""
        name = f"fork-{sha256(signed).hexdigest()[:16]}.checkpoint"
        with self.changing(), _translated():
            if not (self.path / name).exists() and len(list(self.path.glob("fork-*.checkpoint"))) < FORKS:
                self._replace(name, signed)

    @contextmanager
    def changing(self) -> Iterator[Change]:
        """Hold the lock: read what is there, and put something else in its place with `Change.to`."""
        with _translated():
            lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with _translated():
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield Change(self.read(), self._keep)
        finally:
            os.close(lock)

    def _keep(self, state: State) -> None:
        with _translated():
            self._replace(STATE, _written(state))

    def _replace(self, name: str, data: bytes) -> None:
        """Replace a file: at every moment, and after any crash, there is a whole one."""
        new = self.path / f"{name}.new"
        with open(new, "wb", opener=_private) as file:  # Path.open takes no opener
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        self._fault("written")
        new.replace(self.path / name)
        folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._fault("replaced")


@dataclass(slots=True)
class Change:
    """What is remembered while nobody else can change it."""

    state: State
    _keep: Callable[[State], None]

    def to(self, state: State) -> None:
        """Have it durably so. Raises UnavailableError: then it may be either."""
        self._keep(state)
        self.state = state


def _private(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_CLOEXEC, 0o600)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnavailableError(codes.STORE_UNAVAILABLE, f"the witness's state: {error.strerror}") from None


def _written(state: State) -> bytes:
    logs = {
        origin: {
            "keys": [str(key) for key in known.keys],
            "size": known.size,
            "root": b64encode(known.root).decode(),
            "checkpoint": known.checkpoint,
        }
        for origin, known in state.logs.items()
    }
    return json.dumps({"vkey": str(state.key), "logs": logs}, ensure_ascii=False, indent=1).encode() + b"\n"


def _read(data: bytes, where: str) -> State:
    try:
        found: Any = json.loads(data)
        logs = {origin: _known(origin, one) for origin, one in found["logs"].items()}
        return State(key=cosignature.Key.parse(found["vkey"]), logs=logs)
    except (ValueError, KeyError, TypeError, AttributeError, GatewayError):
        raise IntegrityError(f"{where} is damaged: what was cosigned cannot be told") from None


def _known(origin: str, found: Any) -> Known:  # noqa: ANN401  # JSON
    keys = tuple(note.Key.parse(one) for one in found["keys"])
    size, root = found["size"], b64decode(found["root"], validate=True)
    if not isinstance(size, int) or size < 0 or len(root) != len(tree.EMPTY) or any(key.name != origin for key in keys):
        raise IntegrityError(f"{origin}: not as it was written")
    return Known(keys=keys, size=size, root=root, checkpoint=found["checkpoint"])
