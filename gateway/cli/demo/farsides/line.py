"""A partner's TLS server on loopback, down to its bytes: whoever wants to misbehave must have these in hand.

Client certificates are required, under the authorities that the partner believes. Each connection has a thread of its
own; everything ends when the server is closed, whoever is in the middle of what.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.trust.issuing import Issued

PATIENCE = 30.0
"""Seconds after which a connection is given up on which nothing happens: the gateway's own limits are shorter."""
_READ = 65536
_LENGTH = b"content-length:"


class Line:
    """One connection, as the far side sees it."""

    def __init__(self, link: ssl.SSLSocket, closing: threading.Event) -> None:
        """Take over a link whose handshake is done."""
        self._link = link
        self._closing = closing
        self._buffer = b""
        self.peer = link.getpeercert(binary_form=True)
        """The caller's certificate in DER, as TLS verified it."""

    def request(self) -> tuple[bytes, bytes] | None:
        """Read a whole request: head and body. None where the connection ended before."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                return None
        head, _, body = self._buffer.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(_LENGTH)]
        length = int(lengths[0].removeprefix(_LENGTH)) if lengths else 0
        while len(body) < length:
            if not self._more():
                return None
            body = self._buffer.partition(b"\r\n\r\n")[2]
        self._buffer = body[length:]
        return head, body[:length]

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._link.sendall(data)

    def until_gone(self) -> None:
        """Say nothing until the other side has hung up."""
        while self._more():
            pass

    def drip(self, data: bytes, pause: float) -> None:
        """Send one byte at a time, so many seconds apart, until the other side has hung up."""
        for byte in data:
            if self._closing.wait(pause):
                return
            self.write(bytes([byte]))

    def close(self) -> None:
        """Hang up."""
        self._link.close()

    def reset(self) -> None:
        """Send RST: what was written and not read yet may be lost with it."""
        self._link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._link.close()

    def _more(self) -> bool:
        data = b""
        with contextlib.suppress(OSError):
            data = self._link.recv(_READ)
        self._buffer += data
        return bool(data)


Welcome = tuple[ssl.SSLContext, Callable[[Line], None]]
"""What TLS is made with, and what is called with the connection that TLS let in: it ends when that returns."""


class Listening:
    """A port of its own, from the beginning to `close`."""

    def __init__(self, greet: Callable[[], Welcome | None]) -> None:
        """Listen at once; nobody is let in before `start`. `greet` is asked once for each connection, in order.

        None hangs up at once.
        """
        self._greet = greet
        self._closing = threading.Event()
        self._door = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, name=f"far-side-{self.port}", daemon=True)
        self._threads: set[threading.Thread] = set()

    def start(self) -> None:
        """Let people in."""
        self._thread.start()

    def close(self) -> None:
        """End everything, and wait until it has ended."""
        self._closing.set()
        with contextlib.suppress(OSError):  # whoever accepts wakes up
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        if self._thread.ident is not None:
            self._thread.join()
        with self._door:
            left, threads = list(self._open), list(self._threads)
        for line in left:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self._closing.is_set():
                plain, _ = self._listening.accept()
                plain.settimeout(PATIENCE)
                welcome = self._greet()
                if welcome is None:
                    plain.close()
                    continue
                thread = threading.Thread(target=self._serve, args=(plain, *welcome), daemon=True)
                with self._door:
                    self._open.add(plain)
                    self._threads.add(thread)
                thread.start()

    def _serve(self, plain: socket.socket, context: ssl.SSLContext, talk: Callable[[Line], None]) -> None:
        opened: socket.socket = plain
        try:
            with contextlib.suppress(OSError):  # the other side may refuse us, or hang up at any time
                opened = link = context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False)
                with self._door:
                    self._open.discard(plain)
                    self._open.add(link)
                talk(Line(link, self._closing))
        finally:
            opened.close()
            with self._door:
                self._open.discard(opened)
                self._open.discard(plain)
                self._threads.discard(threading.current_thread())


def context(credential: Issued, trusts: Sequence[Issued]) -> ssl.SSLContext:
    """Return a server's context: this certificate, and client certificates under these authorities."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    with tempfile.TemporaryDirectory(prefix="far-side-") as folder:  # the library takes files only
        certificate, key = Path(folder) / "server.pem", Path(folder) / "server.key"
        certificate.write_bytes(credential.chain_pem)
        key.touch(mode=0o600)
        key.write_bytes(credential.key_pem)
        made.load_cert_chain(certificate, key)
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_verify_locations(cadata="".join(one.pem.decode() for one in trusts))
    return made
