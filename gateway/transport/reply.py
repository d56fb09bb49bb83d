"""What goes back: a status, headers and bytes. Every fault a sender meets is made here, so they all look the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from gateway import codes
from gateway.message import SoapVersion
from gateway.soap import fault

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

RETRY_AFTER = b"5"
"""Seconds: longer than a restart's drain of short requests, shorter than a person's patience."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    cache: bytes = b"no-store"
    """Cache-Control (RFC 9111 section 5.2.2)."""
    close: bool = False
    """True where the connection must not be used again: its next bytes may be the rest of what was refused."""

    def head(self) -> list[tuple[bytes, bytes]]:
        """Return all headers."""
        made = [
            (b"content-type", self.content_type.encode("ascii")),
            (b"content-length", b"%d" % len(self.body)),
            (b"cache-control", self.cache),
            *self.headers,
        ]
        if self.close:
            made.append((b"connection", b"close"))
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a fault may quote beside its code."""

    message_id: str | None = None
    reference: str | None = None
    """The first half of the refusal's leaf hash: what to quote when calling us."""
    typed: str | None = None
    """Clark name of the contract's own fault detail, where it has one for this code."""


_NOTHING = Told()


def refusal(code: codes.Code, version: SoapVersion, told: Told = _NOTHING, *, close: bool = False) -> Reply:
    """Make the fault that tells `code`, with the headers HTTP asks for (RFC 9110 sections 10.2.1 and 10.2.3)."""
    made = fault.fault(code, version=version, message_id=told.message_id, reference=told.reference, detail=told.typed)
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if made.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers = ((b"retry-after", RETRY_AFTER),)
    elif made.status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = ((b"allow", b"GET, POST"),)
    return Reply(status=made.status, content_type=made.content_type, body=made.body, headers=headers, close=close)


def raw(answer: Reply) -> bytes:
    """Return the whole HTTP response, for a connection that never became a request."""
    lines = [b"HTTP/1.1 %d %s" % (answer.status, HTTPStatus(answer.status).phrase.encode())]
    lines += [name + b": " + value for name, value in answer.head()]
    return b"\r\n".join([*lines, b"", answer.body])


async def send(answer: Reply, channel: Send, *, more: bool = False) -> None:
    """Send it; with `more`, leave the response open, for `finish` to end."""
    await channel({"type": "http.response.start", "status": answer.status, "headers": answer.head()})
    await channel({"type": "http.response.body", "body": answer.body, "more_body": more})


async def finish(channel: Send) -> None:
    """End a response that was left open."""
    await channel({"type": "http.response.body", "body": b"", "more_body": False})
