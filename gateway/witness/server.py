"""HTTP/1.1 for one request, `POST /add-checkpoint`, within limits: strangers may connect.

Connections are kept alive, as tlog-witness asks for. What a stranger can hold is bounded: of more connections than
`MOST` the one goes that has been without a request the longest, a request has `PATIENCE` from its first byte to its
last however it trickles, and no more bytes than a checkpoint can need. TLS is a proxy's matter: what is asked and
answered is signed, and no secret.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import httptools

from gateway import logs
from gateway.errors import ConfigError, GatewayError, IntegrityError
from gateway.witness.add import LARGEST, Answer, Witness, failed

PATH: Final = b"/add-checkpoint"
MOST: Final = 64
"""Connections: a witness has a few logs, each of which has a few machines."""
PATIENCE: Final = 10.0
IDLE: Final = 75.0
"""Seconds a connection is kept without a request."""
_HEAD: Final = 16 * 1024
_CHUNK: Final = 64 * 1024


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises ConfigError where the address is not ours or is taken."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise ConfigError(f"--listen {host}:{port}: {error}") from None


@dataclass(slots=True)
class _Request:
    """What has come of one request."""

    path: bytes = b""
    method: bytes = b""
    body: bytearray = field(default_factory=bytearray)
    keep: bool = False


class _Requests:
    """A connection's bytes as requests. Raises httptools' errors for what is not HTTP."""

    def __init__(self) -> None:
        self.complete: list[_Request] = []
        self.begun = 0
        """Bytes of the request that is not complete."""
        self._request = _Request()
        self._parser = httptools.HttpRequestParser(self)

    def feed(self, data: bytes) -> None:
        self.begun += len(data)
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._request = _Request()

    def on_url(self, url: bytes) -> None:
        self._request.path += url

    def on_body(self, body: bytes) -> None:
        self._request.body += body

    def on_message_complete(self) -> None:
        self._request.method = self._parser.get_method()
        self._request.keep = self._parser.should_keep_alive()
        self.complete.append(self._request)
        self.begun = 0


class Server:
    """Answers for a witness on a socket."""

    def __init__(
        self,
        witness: Witness,
        *,
        patience: float = PATIENCE,
        most: int = MOST,
        alarm: Callable[[IntegrityError], None] = lambda _error: None,
    ) -> None:
        """`alarm` is told when what the witness remembers is gone or damaged: it must stop."""
        self._witness = witness
        self._patience = patience
        self._most = most
        self._alarm = alarm
        self._open: set[asyncio.Task[None]] = set()
        self._idle: dict[asyncio.Task[None], None] = {}
        """Those without a request, the longest first."""

    async def serve(self, bound: socket.socket, stop: asyncio.Event) -> None:
        """Answer until `stop` is set; then what is being answered is answered, and the connections are closed."""
        server = await asyncio.start_server(self._connected, sock=bound, limit=_CHUNK)
        await stop.wait()
        server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or not self._room():
            writer.close()
            return
        self._open.add(task)
        try:
            await self._converse(reader, writer)
        except (TimeoutError, OSError, asyncio.CancelledError):
            pass  # the far side took too long, or is gone; or we stop
        except Exception as error:  # noqa: BLE001  # one connection's trouble is not the next one's
            logs.fault(error)
        finally:
            self._open.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _room(self) -> bool:
        """Make room for one more, if one can go that nobody asks by."""
        if len(self._open) < self._most:
            return True
        if not self._idle:
            return False
        longest = next(iter(self._idle))
        del self._idle[longest]
        self._open.discard(longest)
        longest.cancel()
        return True

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests = _Requests()
        while True:
            refused = await self._received(reader, requests)
            while requests.complete:
                request = requests.complete.pop(0)
                await self._send(writer, await self._answered(request), keep=request.keep)
                if not request.keep:
                    return
            if refused is not None:
                if refused.status:
                    await self._send(writer, refused, keep=False)
                return

    async def _received(self, reader: asyncio.StreamReader, requests: _Requests) -> Answer | None:
        """Read until there is a request. Return an answer where there can be none; its status is 0 at the end."""
        task = asyncio.current_task()
        if task is not None:
            self._idle[task] = None
        try:
            async with asyncio.timeout(IDLE):
                data = await reader.read(_CHUNK)
        finally:
            self._idle.pop(task, None)  # type: ignore[arg-type]  # None is nobody
        async with asyncio.timeout(self._patience):
            while data:
                try:
                    requests.feed(data)
                except httptools.HttpParserError:
                    return Answer(status=400, body="this is not HTTP/1.1\n")
                if requests.complete:
                    return None
                if requests.begun > LARGEST + _HEAD:
                    return Answer(status=413, body=f"a request has at most {LARGEST} bytes\n")
                data = await reader.read(_CHUNK)
        return Answer(status=0, body="")

    async def _answered(self, request: _Request) -> Answer:
        if request.path.partition(b"?")[0] != PATH:
            return Answer(status=404, body="there is POST /add-checkpoint, and nothing else\n")
        if request.method != b"POST":
            return Answer(status=405, body="there is POST, and nothing else\n")
        try:
            # Begun is done: whoever goes away, and whoever stops us, finds it cosigned or not, never in between.
            return await asyncio.shield(asyncio.to_thread(self._witness.add, bytes(request.body)))
        except GatewayError as error:
            if isinstance(error, IntegrityError):
                self._alarm(error)
            return failed(error)

    async def _send(self, writer: asyncio.StreamWriter, answer: Answer, *, keep: bool) -> None:
        body = answer.body.encode()
        allow = "Allow: POST\r\n" if answer.status == HTTPStatus.METHOD_NOT_ALLOWED else ""
        head = (
            f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\nContent-Type: {answer.content_type}\r\n"
            f"Content-Length: {len(body)}\r\n{allow}Connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        async with asyncio.timeout(self._patience):
            await writer.drain()
