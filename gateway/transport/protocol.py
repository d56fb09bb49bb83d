"""One connection: uvicorn's HTTP/1.1 protocol, with the peer's certificate and with limits on slowness and size.

uvicorn verifies a client certificate but does not pass it on, and it waits for headers forever. Added here:

1. `scope["extensions"]["tls"]`: `client_cert_der`, `tls_version`, `cipher_suite` (the ASGI TLS extension has no name
   for DER). Read from the TLS object after the handshake; no header can set it.
2. The headers of a request must be complete within `header_timeout` of the connection or of the request's first byte,
   and within `HEADER_BYTES`. Bytes that are no request (blank lines) do not keep a connection.
3. An answer that the peer does not read is waited for `write_timeout` at most.
4. Connections over the limit get a fault; far over it, nothing.
5. When the server stops, idle connections stay `GRACE` seconds: a request that was on its way gets a fault that says it
   may be sent again, where a closed connection would say nothing.
6. What is no HTTP, or too slow, gets a SOAP fault too. What a drain had to cancel gets no answer.

Built against uvicorn 0.54.0, which is pinned: a test holds every name that is used here against it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway import codes
from gateway.config import Listen
from gateway.errors import MalformedError
from gateway.message import SoapVersion
from gateway.transport import reply

HEADER_BYTES = 32 * 1024
"""As nginx and Apache allow in their defaults, and far more than a SOAP client sends."""
GRACE = 0.5
"""Seconds: several round trips."""
FAREWELL = 0.1
"""Seconds for an idle peer's close_notify (RFC 8446 section 6.1): most clients send none until they use it again."""
_HARD = 2
"""Times the limit of connections, from where on a connection is cut without a word."""


Refused = Callable[[codes.Code], reply.Reply]
"""What is answered to what never became a request."""


def soap(code: codes.Code) -> reply.Reply:
    """Answer by a fault: who calls the front sends SOAP."""
    return reply.refusal(code, SoapVersion.SOAP_11, close=True)


class _Part(Enum):
    """What of a request is being received."""

    NOTHING = auto()
    HEADERS = auto()
    BODY = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long and how much, in seconds and connections."""

    header: float
    write: float
    connections: int

    @classmethod
    def of(cls, listen: Listen) -> Patience:
        """Take it from the configuration."""
        return cls(
            header=listen.header_timeout.total_seconds(),
            write=listen.body_timeout.total_seconds(),
            connections=listen.concurrent_connections,
        )


class Connection(HttpToolsProtocol):
    """One client's connection. A subclass sets `patience` and `refused`, since uvicorn makes the objects itself."""

    patience: Patience
    refused: Refused

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Note who it is; start the clock for its first request."""
        super().connection_made(transport)
        self._part = _Part.HEADERS
        self._read = self._size = 0
        self._clock: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None
        self._ending = False
        self._extensions = _extensions(transport.get_extra_info("ssl_object"))
        here = len(self.connections)
        if here > self.patience.connections * _HARD:
            transport.abort()
        elif here > self.patience.connections:
            self._extensions["gateway.crowded"] = True
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        self._stop_clock()
        self._stop_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; see whether a request is begun and not yet whole."""
        if self._ending:
            return
        if self._part is _Part.NOTHING:  # perhaps no request at all: then the clock runs out
            self._part = _Part.HEADERS
        if self._part is _Part.HEADERS:
            self._read += len(data)
        super().data_received(data)
        if self._part is not _Part.HEADERS:
            self._stop_clock()
        elif self._read > HEADER_BYTES:
            self._refuse(codes.HTTP_SYNTAX)
        elif self._clock is None:
            self._start_clock()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._part = _Part.HEADERS
        self.scope["extensions"] = self._extensions

    def on_url(self, url: bytes) -> None:
        """Take a piece of the address."""
        self._grow(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._grow(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Hand the request to the front; its body has a time limit of its own there."""
        if self.parser.should_upgrade():  # the parser stops at the headers, and would take the body for a request
            raise MalformedError(codes.HTTP_SYNTAX, "an upgrade")  # ends in send_400_response
        super().on_headers_complete()
        self._part = _Part.BODY
        self._read = self._size = 0

    def on_message_complete(self) -> None:
        """End a request: the next bytes are another's headers."""
        self._part = _Part.NOTHING
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._serving = cycle
        super()._start_asgi_task(cycle, _silent(app, cycle))

    def shutdown(self) -> None:
        """Stop when idle, after a grace; finish what is in flight."""
        if self._idle():
            self.loop.call_later(GRACE, self._leave)
        else:
            self.cycle.keep_alive = False

    def pause_writing(self) -> None:
        """Wait for a peer that does not read, but not forever."""
        super().pause_writing()
        if self._writing is None:
            self._writing = self.loop.call_later(self.patience.write, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the peer reads."""
        self._stop_writing()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's text, which is plain
        """Answer what is no HTTP."""
        self._refuse(codes.HTTP_SYNTAX)

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > HEADER_BYTES:
            raise MalformedError(codes.HTTP_SYNTAX, f"headers over {HEADER_BYTES} bytes")  # ends in send_400_response

    def _idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request, whatever uvicorn declares
        return cycle is None or cycle.response_complete

    def _leave(self) -> None:
        if self.transport.is_closing():
            return
        if self._idle():
            self.transport.close()
            self.loop.call_later(FAREWELL, self.transport.abort)
        else:
            self.cycle.keep_alive = False

    def _start_clock(self) -> None:
        self._clock = self.loop.call_later(self.patience.header, self._too_slow)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _stop_writing(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def _too_slow(self) -> None:
        self._clock = None
        self._refuse(codes.SLOW)

    def _refuse(self, code: codes.Code) -> None:
        self._stop_clock()
        if self.transport.is_closing():
            return
        if not self._idle() and (self.pipeline or not self.cycle.more_body):
            self._end_after_answers()
            return
        if self._may_write():
            self.transport.write(reply.raw(self.refused(code)))
        if not self._idle():  # the front waits for a body that will never be whole, and must not answer too
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()

    def _may_write(self) -> bool:
        """Tell whether a fault would be an answer to what the peer asks now, and the only one."""
        if self._idle():
            return bool(self._read)  # a silent connection asked nothing
        return not self.cycle.response_started

    def _end_after_answers(self) -> None:
        """Answer the whole requests that came before what is wrong, then end; what comes now is not looked at."""
        self._ending = True
        if self.cycle.more_body:
            self.pipeline.popleft()  # the newest: it will never be whole
        last = self.pipeline[0][0] if self.pipeline else self._serving
        last.keep_alive = False


def _extensions(tls: ssl.SSLObject | None) -> dict[str, Any]:
    """Return what the front may know of the connection; a dictionary of its own, the same for all its requests."""
    if tls is None:
        return {"tls": {"client_cert_der": None, "tls_version": None, "cipher_suite": None}}
    cipher = tls.cipher()
    return {
        "tls": {
            "client_cert_der": tls.getpeercert(binary_form=True),
            "tls_version": tls.version(),
            "cipher_suite": cipher[0] if cipher else None,
        }
    }


def _silent(app: ASGI3Application, cycle: RequestResponseCycle) -> ASGI3Application:
    """Answer a cancelled request nothing at all, where uvicorn would say 500: it may have been committed."""

    async def run(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401  # ASGI's own types are unions of all
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            cycle.disconnected = True
            cycle.transport.abort()

    return run


def patient(patience: Patience, refused: Refused = soap) -> type[Connection]:
    """Return the protocol class with these limits, and these words for what is no request."""
    return type("PatientConnection", (Connection,), {"patience": patience, "refused": staticmethod(refused)})
