"""Headers and body of one request, within limits: nothing is read before its headers allow it.

1. Content-Encoding and Content-Type are judged from the headers alone. What the charset says must agree with the
   bytes, so `soap.xml` judges it.
2. A Content-Length over the contract's limit is refused before a byte of the body is read.
3. A body without one (chunked) is counted while it is read, and cut off at the limit.
4. The whole body must be there within the body timeout, whatever trickles in between.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from gateway import codes
from gateway.errors import MalformedError
from gateway.message import SoapVersion
from gateway.transport.reply import Receive

Headers = Iterable[tuple[bytes, bytes]]

_TYPE = re.compile(r"\s*([\w!#$&^.+-]+/[\w!#$&^.+-]+)\s*(?:;.*)?", re.ASCII | re.DOTALL)
_VERSIONS = {"text/xml": SoapVersion.SOAP_11, "application/soap+xml": SoapVersion.SOAP_12}
LINGER = 2.0
"""Seconds to read and discard what a refused sender still sends, so that it sees the fault and not a reset."""
_DISCARDED = 8 * 1024 * 1024
"""Bytes to discard at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the headers say."""

    version: SoapVersion
    content_type: str


@lru_cache(maxsize=256)
def _typed(value: str) -> SoapVersion:
    """Return the SOAP version that a Content-Type names (SOAP 1.1 section 6; RFC 3902). Raises MalformedError."""
    match = _TYPE.fullmatch(value)
    if match is None:
        raise MalformedError(codes.CONTENT_TYPE, "not a media type")
    media = match[1].lower()
    if media.startswith("multipart/") or media == "application/xop+xml":
        raise MalformedError(codes.MULTIPART)
    if media not in _VERSIONS:
        raise MalformedError(codes.CONTENT_TYPE, "another media type")
    return _VERSIONS[media]


def asked(headers: Headers) -> SoapVersion:
    """Return the SOAP version a fault should have, whatever else is wrong: 1.2 where Content-Type says so, else 1.1."""
    for name, value in headers:
        if name == b"content-type" and b"application/soap+xml" in value.lower():
            return SoapVersion.SOAP_12
    return SoapVersion.SOAP_11


def head(headers: Headers, *, limit: int) -> Head:
    """Judge the headers of a POST whose body may have `limit` bytes. Raises MalformedError (GW-HTTP-…)."""
    content_type = _framed(headers, limit)
    return Head(version=_typed(content_type), content_type=content_type)


def media(headers: Headers, *, limit: int, accepted: str) -> None:
    """Judge the headers of a POST that is no SOAP, and of this media type. Raises MalformedError (GW-HTTP-…)."""
    match = _TYPE.fullmatch(_framed(headers, limit))
    if match is None or match[1].lower() != accepted:
        raise MalformedError(codes.CONTENT_TYPE, f"not {accepted}")


def _framed(headers: Headers, limit: int) -> str:
    """Return the Content-Type of what may be read."""
    types: list[bytes] = []
    for name, value in headers:
        if name == b"content-type":
            types.append(value)
        elif name == b"content-encoding" and value.strip().lower() not in {b"", b"identity"}:
            raise MalformedError(codes.CONTENT_ENCODING)
        elif name == b"transfer-encoding" and value.strip().lower() != b"chunked":  # RFC 9112 section 6.1
            raise MalformedError(codes.CONTENT_ENCODING, "Transfer-Encoding other than chunked")
        elif name == b"content-length":  # the parser has refused what is no number, and a second one
            length = int(value)
            if length > limit:
                raise MalformedError(codes.TOO_LARGE, f"Content-Length over {limit} bytes")
            if length == 0:
                raise MalformedError(codes.EMPTY)
    if len(types) != 1:
        raise MalformedError(codes.CONTENT_TYPE, f"{len(types)} Content-Type headers")
    return types[0].decode("latin-1")


async def read(receive: Receive, *, limit: int, seconds: float) -> bytes | None:
    """Read a body of at most `limit` bytes in at most `seconds`; None where the sender went away.

    Raises MalformedError: GW-HTTP-TOO-LARGE, GW-HTTP-SLOW, GW-HTTP-EMPTY.
    """
    try:
        async with asyncio.timeout(seconds):
            body = await _whole(receive, limit)
    except TimeoutError:
        raise MalformedError(codes.SLOW, f"body not complete in {seconds:g} s") from None
    if body is not None and not body:
        raise MalformedError(codes.EMPTY)
    return body


async def _whole(receive: Receive, limit: int) -> bytes | None:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise MalformedError(codes.TOO_LARGE, f"body over {limit} bytes")
        if not message.get("more_body", False):
            return b"".join([*parts, part]) if parts else part
        parts.append(part)


async def discard(receive: Receive) -> None:
    """Read and forget what is still coming, for a short while (as RFC 9112 section 9.6 advises before closing)."""
    size = 0
    try:
        async with asyncio.timeout(LINGER):
            while size < _DISCARDED:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
                size += len(message.get("body", b""))
    except TimeoutError:
        return
