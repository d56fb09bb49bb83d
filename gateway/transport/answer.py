"""One HTTP answer out of a stream of bytes, within limits and without input or output (RFC 9112).

Framing is httptools' (llhttp, strict): two lengths, a length beside chunks, folded or unnamed headers are no answer.
What is added here:

1. Interim answers (1xx) are passed over; a switch of protocols is no answer.
2. The body is counted while it comes, whatever its Content-Length said, and is never decompressed: we ask for
   `identity`. Of a coded answer the status stands and the body is left out; where the body is the point (2xx), it is
   no answer.
3. A body byte may cost its chunk's framing and no more: headers, trailers, chunk extensions and interim answers
   without end are cut off.
4. Without length and chunks the end of the connection ends the body. TLS may not have been closed properly then, so it
   may be cut short by anybody; what is cut short is not XML, and is judged as such.

No text of the far side gets into an error.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import httptools

from gateway import endings
from gateway.errors import UncertainError

HEAD: Final = 64 * 1024
"""Bytes that are not body: headers, trailers, interim answers. Servers send some hundred."""
_FRAMING: Final = 6
"""Bytes that one byte of a body takes at most, in a chunk of its own: `1`, CRLF, the byte, CRLF."""
LONGEST: Final = timedelta(days=1)
"""Retry-After at most: whoever asks for more is asked again tomorrow."""
_SECONDS: Final = re.compile(r"\d{1,9}", re.ASCII)


class Answer:
    """Feed it until it is `complete`. Raises UncertainError for what is no answer, or too large a one."""

    def __init__(self, limit: int) -> None:
        """`limit` is in bytes of body."""
        self.complete = False
        self.status = 0
        self._limit = limit
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[bytes, list[str]] = {}
        self._parts: list[bytes] = []
        self._size = 0
        self._taken = 0
        self._headed = False
        self._kept = False
        self._surplus = False

    @property
    def content_type(self) -> str:
        """As it was sent; empty if it was not."""
        return ", ".join(self._headers.get(b"content-type", ()))

    @property
    def body(self) -> bytes:
        """Within the limit."""
        return b"".join(self._parts)

    @property
    def reusable(self) -> bool:
        """Whether another exchange may follow on the connection."""
        return self.complete and self._kept and not self._surplus and not self._to_the_end

    def retry_after(self, now: datetime) -> timedelta | None:
        """Return the Retry-After header as a length of time from `now` (RFC 9110 section 10.2.3)."""
        written = self._headers.get(b"retry-after", [""])[0].strip()
        if _SECONDS.fullmatch(written):
            return min(timedelta(seconds=int(written)), LONGEST)
        try:
            at = parsedate_to_datetime(written)
            at = at if at.tzinfo else at.replace(tzinfo=UTC)
            return min(max(at - now, timedelta(0)), LONGEST)
        except (ValueError, OverflowError):
            return None

    def feed(self, data: bytes) -> None:
        """Take what came."""
        self._taken += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, UncertainError):
                raise error.__context__ from None
            raise
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self.complete:
                raise _none("what came is not HTTP") from None
            self._surplus = True
        if not self.complete and self._taken - _FRAMING * self._size > HEAD:
            raise _none(f"more than {HEAD} bytes of headers")

    def end(self) -> None:
        """Take it that nothing more will come."""
        if not self._taken:
            raise _none("the connection ended without an answer")
        if not self._headed or not self._to_the_end:
            raise _none("the connection ended in the middle of an answer")
        self.complete = True

    @property
    def _to_the_end(self) -> bool:
        return not self._headers.keys() & {b"content-length", b"transfer-encoding"}

    # httptools calls these by name.

    def on_message_begin(self) -> None:
        """Note what comes after the answer."""
        self._surplus = self.complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; trailers are nobody's."""
        if not self._headed:
            self._headers.setdefault(name.lower(), []).append(value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """Judge the headers."""
        if self.complete:
            return
        status = int(self._parser.get_status_code())
        if status < HTTPStatus.OK:
            self._headers.clear()
            if status < HTTPStatus.CONTINUE or status == HTTPStatus.SWITCHING_PROTOCOLS:
                raise _none("what came is not an answer to a POST")
            return
        self._headed, self.status, self._kept = True, status, bool(self._parser.should_keep_alive())
        if any(code.strip().lower() != "chunked" for code in self._headers.get(b"transfer-encoding", ())):
            raise _none("the answer has a transfer coding other than chunked")
        if self._coded and status // 100 == HTTPStatus.OK // 100:
            raise _none("the answer is compressed, which was not asked for")
        if any(int(length) > self._limit for length in self._headers.get(b"content-length", ())):
            raise _large(self._limit)

    def on_body(self, data: bytes) -> None:
        """Keep a part of the body."""
        if self.complete:
            return
        self._size += len(data)
        if self._size > self._limit:
            raise _large(self._limit)
        if not self._coded:
            self._parts.append(data)

    def on_message_complete(self) -> None:
        """Be complete, unless it was an interim answer."""
        self.complete = self.complete or self._headed

    @property
    def _coded(self) -> bool:
        return any(code.strip().lower() not in {"", "identity"} for code in self._headers.get(b"content-encoding", ()))


def _none(detail: str) -> UncertainError:
    return UncertainError(endings.LOST, detail)


def _large(limit: int) -> UncertainError:
    return UncertainError(endings.TOO_LARGE, f"more than {limit} bytes")
