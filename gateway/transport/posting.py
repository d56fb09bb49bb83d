"""One POST to somebody outside who is asked for a signature: a witness, a time-stamping authority.

Bounded in every way, for whoever answers is not ours: all of it, from connecting to the last byte, within `timeout`
seconds however it trickles, the answer within `LARGEST` bytes, no redirect followed, no proxy of the environment. Only
the lookup of a name takes as long as the system lets it. A connection is kept for the next question; one that was
closed meanwhile is opened again.

What is asked for is asked again where no answer came: every failure is a PostponedError.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gateway import endings
from gateway.errors import ConfigError, PostponedError

LARGEST: Final = 64 * 1024
"""Bytes of an answer: a dozen of the longest signatures, or a time stamp with its chain of certificates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    content_type: str
    body: bytes


class Link:
    """The way to one address. Belongs to one thread at a time."""

    def __init__(self, url: str, *, timeout: float, anchors: Path | None = None) -> None:
        """`anchors` are whom an https address is believed by; the system's where None. Raises ConfigError."""
        self._url = urlsplit(url)
        self._timeout = timeout
        self._context = None
        self._kept: http.client.HTTPConnection | None = None
        try:
            well = self._url.scheme in {"http", "https"} and bool(self._url.hostname) and self._url.port != 0
        except ValueError:
            well = False
        if not well or self._url.query or self._url.fragment or self._url.username is not None:
            raise ConfigError(f"{url} is not an address of http or https")
        if self._url.scheme == "https":
            self._context = _context(anchors)

    def post(self, path: str, body: bytes, content_type: str) -> Answer:
        """Ask once, at a path below the address, or at the address itself. Raises PostponedError."""
        with self._bounded() as until:
            try:
                if (answer := self._again(path, body, content_type)) is not None and not until.out:
                    return answer
                self.close()
                self._kept = self._opened()
                until(self._kept)
                answer = self._exchanged(self._kept, path, body, content_type)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                raise PostponedError(endings.UNREACHABLE, _reason(error)) from None
            if until.out:  # what was cut looks as if it had ended
                self.close()
                raise PostponedError(endings.UNREACHABLE, "took too long")
            return answer

    def close(self) -> None:
        """Close what is open. May be called twice."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _again(self, path: str, body: bytes, content_type: str) -> Answer | None:
        """Ask by the connection that was kept; None where there is none any more."""
        if self._kept is None:
            return None
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self._exchanged(self._kept, path, body, content_type)
        return None

    def _opened(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._context is None:
            made = http.client.HTTPConnection(host, port, timeout=self._timeout)
        else:
            made = http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._context)
        made.connect()
        return made

    def _exchanged(self, connection: http.client.HTTPConnection, path: str, body: bytes, content_type: str) -> Answer:
        where = self._url.path.rstrip("/") + path if path else self._url.path
        connection.request("POST", where or "/", body, {"Content-Type": content_type})
        with connection.getresponse() as answer:
            data, left = answer.read(LARGEST + 1), answer.length
        if len(data) > LARGEST:
            raise http.client.HTTPException(f"an answer of more than {LARGEST} bytes")
        if left:
            raise http.client.IncompleteRead(b"", left)
        if answer.will_close:
            self.close()
        return Answer(status=answer.status, content_type=answer.headers.get("Content-Type", ""), body=data)

    @contextlib.contextmanager
    def _bounded(self) -> Iterator[_Until]:
        """Have the connection cut when the time is out: a socket's own timeout begins anew with every byte."""
        until = _Until(self._timeout)
        if self._kept is not None:
            until(self._kept)
        try:
            yield until
        finally:
            until.end()


class _Until:
    """Cuts connections when the time is out."""

    def __init__(self, timeout: float) -> None:
        self._door = threading.Lock()
        self._lines: list[socket.socket] = []
        self.out = False
        """Whether it is."""
        self._timer = threading.Timer(timeout, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def __call__(self, connection: http.client.HTTPConnection) -> None:
        """Cut this one too."""
        with self._door:
            # A handle of our own: the other is closed, and its number another's, whenever the exchange ends.
            self._lines.append(socket.socket(fileno=os.dup(connection.sock.fileno())))
            if self.out:
                self._shut()

    def end(self) -> None:
        self._timer.cancel()
        with self._door:
            for line in self._lines:
                line.close()
            self._lines.clear()

    def _cut(self) -> None:
        with self._door:
            self.out = True
            self._shut()

    def _shut(self) -> None:
        for line in self._lines:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)


def _context(anchors: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if anchors is None else str(anchors))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{anchors}: is not a file of certificates: {type(error).__name__}") from None


def _reason(error: Exception) -> str:
    """Return what kind of failure it was, without a word of the far side's."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "took too long"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
