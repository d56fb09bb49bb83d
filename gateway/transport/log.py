"""The log for everybody to mirror: `GET /audit/checkpoint` and `/audit/tile/…` (C2SP tlog-tiles).

That of who has read it is beside it, at `/audit/readings/…`, of the same form.

Whoever TLS lets in may read all of it, as `/health` and `/metrics`: with a client certificate under some partner's
anchors, and nobody's in particular. What is there commits to records and tells none: a salted hash, the kind of leaf,
the hash of the law. So a reader is neither judged nor logged, and a mirror may serve others without a certificate.

Tiles never change and may be cached for good, the checkpoint not at all. Entry bundles are compressed for those who ask
for it. The store is read in threads of its own, few, so that a mirror in a hurry does not hold up messages; more
questions than may wait are told to come again.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Final

from starlette.routing import Route

from gateway import codes, logs
from gateway.audit import static
from gateway.errors import GatewayError, IntegrityError, MalformedError, UnavailableError
from gateway.transport import reply
from gateway.transport.desk import give, unavailable
from gateway.transport.front import Front
from gateway.transport.reply import Receive, Reply, Scope, Send

PREFIX: Final = "/audit/"
READINGS: Final = "/audit/readings/"
"""Where the log of readings is: below the origin, as its own is below the audit log's."""
FOR_GOOD: Final = b"public, max-age=31536000, immutable"
"""A year, and RFC 8246."""
NEVER: Final = b"no-cache"
_POOL = 2
_QUEUED = 32
"""Questions that may wait for the pool."""
_LEVEL = 1
"""Of gzip: entries are base64 of hashes, which more work makes hardly smaller."""
_TEXT: Final = "text/plain; charset=utf-8"
_ALLOW: Final = ((b"allow", b"GET, HEAD"),)
_VARY: Final = (b"vary", b"accept-encoding")


class Log:
    """The endpoint. One for each log of a front."""

    def __init__(self, front: Front, read: static.Read) -> None:
        """`read` may be called by several threads at once."""
        self._front = front
        self._read = read
        self._pool = ThreadPoolExecutor(_POOL, thread_name_prefix="log")
        self._queued = 0

    def close(self) -> None:
        """Stop the pool. No request may be running."""
        self._pool.shutdown(wait=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI). Nothing but cancellation escapes."""
        try:
            answer = await self._answer(scope)
        except GatewayError as error:
            unavailable(error)
            answer = _told(error)
        except Exception as error:  # noqa: BLE001  # the last resort: a reader always gets an answer
            logs.fault(error)
            answer = _told(UnavailableError(codes.INTERNAL))
        await give(answer, receive, send)

    async def _answer(self, scope: Scope) -> Reply:
        if self._front.draining:
            raise UnavailableError(codes.DRAINING)
        if scope["extensions"].get("gateway.crowded"):
            raise UnavailableError(codes.OVERLOADED, "connections")
        if scope["method"] not in {"GET", "HEAD"}:
            raise MalformedError(codes.METHOD)
        path = scope["path_params"]["path"]
        zipped = path.startswith("tile/entries/") and _zips(scope)
        found = await self._pooled(lambda: self._found(path, zipped=zipped))
        if found is None:
            raise MalformedError(codes.PATH)
        if path == static.CHECKPOINT:
            return Reply(status=200, content_type=_TEXT, body=found, cache=NEVER)
        coded = ((b"content-encoding", b"gzip"), _VARY) if zipped else (_VARY,)
        return Reply(status=200, content_type="application/octet-stream", body=found, cache=FOR_GOOD, headers=coded)

    async def _pooled(self, work: Callable[[], bytes | None]) -> bytes | None:
        if self._queued >= _QUEUED:
            raise UnavailableError(codes.OVERLOADED, "the log")
        self._queued += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._queued -= 1

    def _found(self, path: str, *, zipped: bool) -> bytes | None:
        found = self._read(path)
        return gzip.compress(found, _LEVEL, mtime=0) if zipped and found is not None else found


def routes(log: Log, readings: Log) -> tuple[Route, Route]:
    """Put the endpoints at their addresses: that of the readings first, which lie below the other's."""
    return Route(f"{READINGS}{{path:path}}", endpoint=readings), Route(f"{PREFIX}{{path:path}}", endpoint=log)


def _zips(scope: Scope) -> bool:
    """Tell whether the reader takes gzip (RFC 9110 section 12.5.3); a weight of nought is rare and means no."""
    for name, value in scope["headers"]:
        if name == b"accept-encoding":
            for one in value.lower().split(b","):
                coding, _, weight = one.replace(b" ", b"").partition(b";")
                if coding == b"gzip":
                    return weight not in {b"q=0", b"q=0.0", b"q=0.00", b"q=0.000"}
    return False


def _told(error: GatewayError) -> Reply:
    """Say in a line what a tool can show, never the detail."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    match error:
        case MalformedError(code=codes.METHOD):
            status, line, headers = HTTPStatus.METHOD_NOT_ALLOWED, "the log is read by GET and HEAD", _ALLOW
        case MalformedError():
            status, line = HTTPStatus.NOT_FOUND, "the log has no such file, or not yet"
        case IntegrityError():
            status, line = HTTPStatus.INTERNAL_SERVER_ERROR, error.code.english
        case _:
            status, line = HTTPStatus.SERVICE_UNAVAILABLE, error.code.english
            headers = ((b"retry-after", reply.RETRY_AFTER),)
    # What is neither GET nor HEAD may have a body, which must not be taken for the next request.
    close = status is HTTPStatus.METHOD_NOT_ALLOWED
    return Reply(
        status=status, content_type=_TEXT, body=f"{error.code.name}: {line}\n".encode(), headers=headers, close=close
    )
