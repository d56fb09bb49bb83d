"""A partner's TLS server that does what it is told to, byte by byte, and says what it got.

    with FarSide(credential, trusts=[ca], script=answers()) as far:
        ...
        assert far.requests == [...]

A script is called with each `Line` in a thread of its own, after the handshake. `far.requests` holds every request that
was read whole: what a far side must be taken to have processed, whatever it then said.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

from gateway.trust.issuing import Issued

Script = Callable[["Line"], None]
PATIENCE = 20.0
"""Seconds after which a far side gives up: a test that waits so long has failed."""


class Line:
    """One connection, as the far side sees it."""

    def __init__(self, far: FarSide, link: ssl.SSLSocket) -> None:
        self.far = far
        self.link = link
        self.number = 0
        """Requests read whole on this connection."""
        self._buffer = b""

    def request(self) -> bytes | None:
        """Read a whole request; None where the connection ended before."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                return None
        head, _, body = self._buffer.partition(b"\r\n\r\n")
        (length,) = (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        while len(body) < length:
            if not self._more():
                return None
            body = self._buffer.partition(b"\r\n\r\n")[2]
        whole = head + b"\r\n\r\n" + body[:length]
        self._buffer = body[length:]
        self.number += 1
        self.far.requests.append(whole)
        return whole

    def some(self, size: int) -> None:
        """Read at least so many bytes of a request, and no more than comes with them."""
        while len(self._buffer) < size and self._more():
            pass

    def raw(self, data: bytes) -> None:
        self.link.sendall(data)

    def answer(self, body: bytes = b"<a/>", *, status: int = 200, headers: Sequence[str] = ()) -> None:
        """Answer whole, with a Content-Length."""
        lines = [f"HTTP/1.1 {status} Said", "Content-Type: text/xml; charset=utf-8", f"Content-Length: {len(body)}"]
        self.raw("\r\n".join([*lines, *headers, "", ""]).encode() + body)

    def finish(self) -> None:
        """Close as TLS wants it: close_notify, then FIN."""
        with contextlib.suppress(OSError):
            self.link.settimeout(0)
            self.link.unwrap()
        self.link.close()

    def vanish(self) -> None:
        """Close without a word of TLS."""
        self.link.close()

    def reset(self) -> None:
        """Send RST; what was written and not yet read by the other side may be lost with it."""
        self.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.link.close()

    def hold(self, seconds: float = PATIENCE) -> bool:
        """Do nothing until the far side is closed, or for so long; tell whether it is."""
        return self.far.closing.wait(seconds)

    def _more(self) -> bool:
        try:
            data = self.link.recv(65536)
        except ssl.SSLEOFError:
            self.far.torn += 1
            return False
        except OSError:
            return False
        self._buffer += data
        return bool(data)


class FarSide:
    """Listens on a loopback port of its own from `with` to its end."""

    def __init__(
        self,
        credential: Issued,
        *,
        trusts: Sequence[Issued],
        script: Script,
        tune: Callable[[ssl.SSLContext], None] = lambda _context: None,
        host: str = "127.0.0.1",
    ) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        """Accepted, whether TLS came about or not."""
        self.torn = 0
        """Connections that ended without a word of TLS while a request was awaited."""
        self.clients: list[bytes] = []
        """The certificate of each client that TLS let in, in DER."""
        self.refused: list[str] = []
        """Why TLS did not come about."""
        self.ended = threading.Semaphore(0)
        """Released once for each connection that is over."""
        self.closing = threading.Event()
        self.script = script
        self.context = served(credential, trusts)
        tune(self.context)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listening = socket.create_server((host, 0), family=family)
        self.port = int(self._listening.getsockname()[1])
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, name="far side")]

    @property
    def address(self) -> str:
        return f"https://localhost:{self.port}/tjanst/v1"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        # A listening socket that is shut down wakes whoever accepts.
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._threads[0].join()
        for line in self._open:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._listening.accept()
                line.settimeout(PATIENCE)
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections += 1
                self._open.append(line)
                thread = threading.Thread(target=self._serve, args=(line,), name="far side's line")
                self._threads.append(thread)
                thread.start()

    def _serve(self, line: socket.socket) -> None:
        try:
            link = self.context.wrap_socket(line, server_side=True, suppress_ragged_eofs=False)
        except OSError as error:
            self.refused.append(getattr(error, "reason", None) or type(error).__name__)
            line.close()
        else:
            self._open.append(link)
            self.clients.append(link.getpeercert(binary_form=True) or b"")
            with contextlib.suppress(OSError):  # the other side may end it at any time
                self.script(Line(self, link))
            link.close()
        self.ended.release()


def served(credential: Issued, trusts: Sequence[Issued]) -> ssl.SSLContext:
    """Return a server's context that wants client certificates under these authorities."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        paths = written(Path(folder), "server", credential)
        made.load_cert_chain(*paths)
    made.verify_mode = ssl.CERT_REQUIRED
    made.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    made.load_verify_locations(cadata="".join(one.pem.decode() for one in trusts))
    return made


def written(folder: Path, name: str, credential: Issued) -> tuple[Path, Path]:
    """Write certificate with chain, and key; return their paths."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_bytes(credential.chain_pem)
    key.write_bytes(credential.key_pem)
    key.chmod(0o600)
    return certificate, key


def answering(body: bytes = b"<a/>", **how: object) -> Script:
    """Answer every request on a connection."""

    def script(line: Line) -> None:
        while line.request() is not None:
            line.answer(body, **how)  # type: ignore[arg-type]

    return script


class Held:
    """A line between us and a far side that holds back our side of the handshake until more than that has come.

    So in TLS 1.3 the far side judges our certificate after we have written the request, not before.
    """

    def __init__(self, port: int) -> None:
        self._far = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._carry, name="held line")

    @contextlib.contextmanager
    def running(self) -> Iterator[str]:
        """Carry one connection; yields the address to call."""
        self._thread.start()
        try:
            yield f"https://localhost:{self.port}/tjanst/v1"
        finally:
            with contextlib.suppress(OSError):
                self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
            self._thread.join()

    def _carry(self) -> None:
        with contextlib.suppress(OSError):
            ours, _ = self._listening.accept()
            theirs = socket.create_connection(("127.0.0.1", self._far))
            with ours, theirs:
                back = threading.Thread(target=_copied, args=(theirs, ours))
                back.start()
                theirs.sendall(ours.recv(65536))  # ClientHello
                held = ours.recv(65536)  # certificate, signature, Finished: one flight
                held += ours.recv(65536)  # the request, or nothing
                theirs.sendall(held)
                back.join()


def _copied(source: socket.socket, to: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            to.sendall(data)
    with contextlib.suppress(OSError):
        to.shutdown(socket.SHUT_WR)


class Cut:
    """A line that breaks once so many bytes have gone one way or the other. What passed before still arrives."""

    def __init__(self, port: int, *, up: int, down: int, how: str) -> None:
        """`how` our end learns of it: `reset`, `close` or `silence`."""
        self._far = port
        self._left = {"up": up, "down": down}
        self._how = how
        self._cut = threading.Event()
        self._over = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, name="cut line")

    @contextlib.contextmanager
    def running(self) -> Iterator[str]:
        """Carry connections, each until the bytes are used up; yields the address to call."""
        self._thread.start()
        try:
            yield f"https://localhost:{self.port}/tjanst/v1"
        finally:
            self._over.set()
            with contextlib.suppress(OSError):
                self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
            self._thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._carry(self._listening.accept()[0])

    def _carry(self, ours: socket.socket) -> None:
        theirs = socket.create_connection(("127.0.0.1", self._far))
        ways = [
            threading.Thread(target=self._copy, args=(ours, theirs, "up")),
            threading.Thread(target=self._copy, args=(theirs, ours, "down")),
        ]
        for way in ways:
            way.start()
        while not self._cut.wait(0.01) and not self._over.is_set() and all(way.is_alive() for way in ways):
            pass
        with contextlib.suppress(OSError):
            theirs.shutdown(socket.SHUT_WR)  # it reads what has passed
        if self._cut.is_set() and self._how == "silence":
            self._over.wait(PATIENCE)
        if self._how == "reset":
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for end in (ours, theirs):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RD)
        for way in ways:
            way.join()
        ours.close()
        theirs.close()

    def _copy(self, source: socket.socket, to: socket.socket, way: str) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self._cut.is_set():
                    return
                passing = data[: self._left[way]]
                self._left[way] -= len(passing)
                to.sendall(passing)
                if len(passing) < len(data):
                    self._cut.set()
                    return
