"""Logs that grow and fork at will, and witnesses that answer over real sockets: for whoever tests either side."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.audit import checkpoint, note, tree
from gateway.audit.checkpoint import Checkpoint
from gateway.witness import server
from gateway.witness.add import Witness
from gateway.witness.state import Folder
from tests import builders


class Log:
    """A log in memory that signs what it is told to."""

    def __init__(self, name: str = builders.ORIGIN, size: int = 0, *, salt: str = "") -> None:
        """`salt` makes another log of the same name: a fork."""
        self.signer = builders.signer(name)
        self._salt = salt
        self._leaves: list[bytes] = []
        self.grow(size)

    @property
    def key(self) -> note.Key:
        return self.signer.key

    @property
    def size(self) -> int:
        return len(self._leaves)

    def grow(self, count: int, *, salt: str | None = None) -> Self:
        salt = self._salt if salt is None else salt
        for number in range(self.size, self.size + count):
            self._leaves.append(tree.leaf_hash(f"{salt}{number}".encode()))
        return self

    def nodes(self, level: int, index: int) -> bytes:
        parts = self._leaves[index << level : (index + 1) << level]
        while len(parts) > 1:
            parts = [tree.node_hash(*parts[at : at + 2]) for at in range(0, len(parts), 2)]
        return parts[0]

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        size = self.size if size is None else size
        return Checkpoint(origin=self.key.name, size=size, root=tree.root(size, self.nodes))

    def signed(self, size: int | None = None) -> bytes:
        return checkpoint.sign(self.checkpoint(size), self.signer)

    def asks(self, old: int, size: int | None = None) -> bytes:
        """The body of an add-checkpoint: the newest checkpoint, or that of `size`, from `old` leaves on."""
        size = self.size if size is None else size
        proof = tree.consistency(old, size, self.nodes) if old <= size else ()
        return body(old, proof, self.signed(size))


def body(old: int | str, proof: tuple[bytes, ...], signed: bytes) -> bytes:
    lines = "".join(f"{b64encode(step).decode()}\n" for step in proof)
    return f"old {old}\n{lines}\n".encode() + signed


def folder(path: Path, *logs: Log, name: str = "witness.example/w1") -> Folder:
    """A new witness that knows these logs."""
    made = Folder(path)
    made.make(name)
    for log in logs:
        made.add(log.key)
    return made


class Served:
    """A witness's server, in a thread with a loop of its own."""

    def __init__(self, witness: Witness, **more: object) -> None:
        self.alarms: list[Exception] = []
        self._server = server.Server(witness, alarm=self.alarms.append, **more)
        self._bound = server.bind("127.0.0.1", 0)
        self.port = self._bound.getsockname()[1]
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def begun(self) -> bool:
        """Whether every connection that is open has begun to ask."""
        return bool(self._server._open) and not self._server._idle

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    async def _run(self) -> None:
        self._stop, self._loop = asyncio.Event(), asyncio.get_running_loop()
        self._started.set()
        with closing(self._bound):
            await self._server.serve(self._bound, self._stop)


@contextmanager
def serving(path: Path, *logs: Log, name: str = "witness.example/w1", now=lambda: builders.NOON) -> Iterator[Served]:
    """A new witness that knows these logs, and answers."""
    with Served(Witness(folder(path, *logs, name=name), now=now)) as served:
        yield served


def post(port: int, data: bytes, path: str = "/add-checkpoint", method: str = "POST") -> tuple[int, str, bytes]:
    """Ask as any HTTP client would; return status, content type and body."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request(method, path, data)
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read()


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
