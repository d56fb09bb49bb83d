"""One TLS connection to a partner: how it comes about, and one exchange at a time, with what is certain kept apart.

Certain (PostponedError) is only that nothing was sent: OpenSSL was never given a byte of the request, or the very first
write failed at once. Then at most a piece of one record has left, and nobody can read a piece of a record, which is
authenticated as a whole (RFC 8446 section 5.2). What OpenSSL took may have arrived, and from there on only an answer
tells (UncertainError).

In TLS 1.3 our handshake ends before the far side has judged our certificate: its refusal would meet us when the request
is gone, and look like any lost answer. So a new connection waits a moment for the far side's word: an alert, or a
session ticket, which a server that asks for a certificate cannot send before it has it (RFC 8446 section 4.6.1). A
server that gives no tickets costs this moment per connection. An alert that comes after the first write is not certain
any more, whatever it says.

Reading and writing go side by side: a far side may answer before it has read everything, and then stop reading. Every
wait is bounded by the time without a byte either way and by the time for all; names are looked up in a thread, as the
system's resolver knows no limit.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from gateway import endings
from gateway.errors import PostponedError, UncertainError
from gateway.transport.answer import Answer

Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]
Resolve = Callable[[str, int], Sequence[Address]]
"""Host and port to addresses, in order of preference. Raises OSError."""

SETTLE: Final = 0.3
"""Seconds to wait for the far side's word on our certificate: a round trip, some ten milliseconds within Sweden."""
_RECORD: Final = 16384
"""Bytes in a TLS record at most, so that each write is one record."""
_UNSENT: Final = "nothing was sent"


def resolve(host: str, port: int) -> Sequence[Address]:
    """Ask the system for a host's addresses. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]  # type: ignore[misc]  # bytes: Python without IPv6


def dial(  # noqa: PLR0913  # whom, as whom, how long, and how names become addresses
    host: str,
    port: int,
    context: ssl.SSLContext,
    *,
    timeout: float,
    settle: float = SETTLE,
    resolve: Resolve = resolve,
) -> Connection:
    """Connect within `timeout` seconds for all of it: name, TCP, TLS. Raises PostponedError: UNREACHABLE, UNTRUSTED."""
    until = time.monotonic() + timeout
    line = _connected(_looked_up(host, port, resolve, until), until)
    try:
        link = context.wrap_socket(line, server_hostname=host, do_handshake_on_connect=False)
    except BaseException:
        line.close()
        raise
    try:
        _shake_hands(link, until, settle)
        return Connection(link)
    except BaseException:
        link.close()
        raise


class Connection:
    """An open connection. Belongs to one thread at a time."""

    def __init__(self, link: ssl.SSLSocket) -> None:
        """Take over a link whose handshake is done."""
        self.peer = link.getpeercert(binary_form=True) or b""
        """The far side's certificate in DER."""
        self.used = time.monotonic()
        """When it was last known to be well."""
        self._link = link
        link.settimeout(0)

    def alive(self) -> bool:
        """Tell whether the far side has neither ended the connection nor spoken unasked, as far as is known here."""
        try:
            self._link.recv(1)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return True
        except OSError:
            return False
        return False

    def exchange(self, request: bytes, answer: Answer, *, silence: float, total: float) -> bool:
        """Send a request and read its answer; return whether another may follow here.

        Args:
            request: Head and body.
            answer: Fed until it is complete.
            silence: Seconds without a byte either way at most.
            total: Seconds for all of it at most.

        Raises:
            PostponedError: UNREACHABLE, nothing was sent.
            UncertainError: LOST or TOO_LARGE, something was.
        """
        ours = _Exchange(self._link, request, answer)
        now = time.monotonic()
        until, quiet = now + total, now + silence
        moved = 0
        while not ours.step():
            now = time.monotonic()
            if ours.moved > moved:
                moved, quiet = ours.moved, now + silence
            left = min(until, quiet) - now
            if left <= 0:
                raise ours.ended(f"no answer within {total:g} s" if until <= now else f"{silence:g} s of silence")
            _wait(self._link, left, writing=ours.writing)
        self.used = time.monotonic()
        return answer.reusable and ours.written

    def close(self) -> None:
        """Tell the far side, if that goes without waiting, and close."""
        with contextlib.suppress(OSError, ValueError):
            self._link.unwrap()
        self._link.close()

    def drop(self) -> None:
        """Close at once: something is wrong with it."""
        self._link.close()


class _Exchange:
    """What has become of one request."""

    def __init__(self, link: ssl.SSLSocket, request: bytes, answer: Answer) -> None:
        self._link = link
        self._rest = memoryview(request)
        self._answer = answer
        self._sent = False
        self._refused = ""
        self.moved = 0
        """Bytes, either way."""

    @property
    def written(self) -> bool:
        """Whether the whole request has been."""
        return not self._rest

    @property
    def writing(self) -> bool:
        """Whether there is something left to write, and somebody who takes it."""
        return not self.written and not self._refused

    def step(self) -> bool:
        """Write and read what goes without waiting; tell whether the answer is complete."""
        self._write()
        return self._read()

    def ended(self, detail: str) -> PostponedError | UncertainError:
        """Return the error of an exchange that ends here."""
        if self._sent:
            return UncertainError(endings.LOST, detail)
        return PostponedError(endings.UNREACHABLE, f"{_UNSENT}: {detail}")

    def _write(self) -> None:
        try:
            while self.writing:
                written = self._link.send(self._rest[:_RECORD])
                self._sent = True
                self.moved += written
                self._rest = self._rest[written:]
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self._sent = True  # a piece of a record: nobody can read it yet, but OpenSSL has it
        except OSError as error:
            if not self._sent:
                raise self.ended(reason(error)) from None
            self._refused = reason(error)  # an answer may have come before

    def _read(self) -> bool:
        while not self._answer.complete:
            try:
                data = self._link.recv(_RECORD)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                if self._refused:
                    raise self.ended(self._refused) from None
                return False
            except OSError as error:
                raise self.ended(reason(error)) from None
            if data:
                self.moved += len(data)
                self._answer.feed(data)
            else:
                self._answer.end()
        return True


def reason(error: OSError) -> str:
    """Return what kind of failure it was, without a word of the far side's."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLEOFError):
        return "the far side ended the connection"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or 'failed'}"
    if isinstance(error, TimeoutError):
        return "took too long"
    if isinstance(error, socket.gaierror):
        return "the host's name is not known"
    return errno.errorcode.get(error.errno or 0, type(error).__name__)


def _looked_up(host: str, port: int, resolve: Resolve, until: float) -> Sequence[Address]:
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return _asked(host, port, resolve, until)
    return [(socket.AF_INET if version == 4 else socket.AF_INET6, (host, port))]  # noqa: PLR2004  # IP versions


def _asked(host: str, port: int, resolve: Resolve, until: float) -> Sequence[Address]:
    found: list[Sequence[Address]] = []
    failed: list[OSError] = []

    def ask() -> None:
        try:
            found.append(resolve(host, port))
        except OSError as error:
            failed.append(error)

    asking = threading.Thread(target=ask, name="resolve", daemon=True)
    asking.start()
    asking.join(max(0.0, until - time.monotonic()))
    if found:
        return found[0]
    raise _unreachable(f"name: {reason(failed[0]) if failed else 'took too long'}")


def _connected(addresses: Sequence[Address], until: float) -> socket.socket:
    """Try one address after the other, each for its share of the time that is left."""
    why = "the host has no address"
    for number, (family, address) in enumerate(addresses):
        left = until - time.monotonic()
        if left <= 0:
            why = "took too long"
            break
        line = socket.socket(family, socket.SOCK_STREAM)
        try:
            line.settimeout(left / (len(addresses) - number))
            line.connect(address)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            line.close()
            why = reason(error)
        except BaseException:
            line.close()
            raise
        else:
            return line
    raise _unreachable(why)


def _shake_hands(link: ssl.SSLSocket, until: float, settle: float) -> None:
    try:
        link.settimeout(max(0.001, until - time.monotonic()))
        link.do_handshake()
    except (ssl.SSLEOFError, ssl.SSLSyscallError, ssl.SSLZeroReturnError) as error:
        raise _unreachable(f"TLS: {reason(error)}") from None
    except ssl.SSLError as error:
        raise _untrusted(reason(error)) from None
    except OSError as error:
        raise _unreachable(f"TLS: {reason(error)}") from None
    if link.version() == "TLSv1.3":
        _settle(link, min(until, time.monotonic() + settle))


def _settle(link: ssl.SSLSocket, until: float) -> None:
    """Wait for the far side's word on our certificate. Raises PostponedError where it is no, said or by leaving."""
    link.settimeout(0)
    _wait(link, max(0.0, until - time.monotonic()), writing=False)
    try:
        spoken = link.recv(1)
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return  # a ticket, or silence
    except OSError as error:
        raise _untrusted(f"after our certificate: {reason(error)}") from None
    if spoken:
        raise _unreachable("the far side spoke unasked")
    raise _untrusted("after our certificate: the far side ended the connection")


def _wait(link: ssl.SSLSocket, seconds: float, *, writing: bool) -> None:
    """Wait until something can be read, or written."""
    waiting = select.poll()
    waiting.register(link, select.POLLIN | (select.POLLOUT if writing else 0))
    waiting.poll(seconds * 1000)


def _untrusted(detail: str) -> PostponedError:
    return PostponedError(endings.UNTRUSTED, detail)


def _unreachable(detail: str) -> PostponedError:
    return PostponedError(endings.UNREACHABLE, detail)
