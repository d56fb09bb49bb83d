"""A line to PostgreSQL that can be cut at a commit: before the server hears it, or before its answer is heard."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum


class Cut(StrEnum):
    """Where the line is cut, once."""

    NOT = "not"
    BEFORE = "before"
    """The server never hears the commit."""
    AFTER = "after"
    """It commits, and nobody hears."""


class Wire:
    """Listens on a port of its own, and carries every connection to the server."""

    def __init__(self, port: int) -> None:
        self._server = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.cut = Cut.NOT
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._server))
                threading.Thread(target=self._forth, args=(client, server), daemon=True).start()
                threading.Thread(target=self._back, args=(server, client), daemon=True).start()

    def _forth(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if self.cut is not Cut.NOT and b"COMMIT" in data:
                    return self._sever(client, server, data)
                server.sendall(data)
        _closed(client, server)
        return None

    def _sever(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        where, self.cut, self.cuts = self.cut, Cut.NOT, self.cuts + 1
        # First the client's end: from here on it hears nothing.
        _closed(client)
        if where is Cut.AFTER:
            server.sendall(data + b"X\x00\x00\x00\x04")  # and Terminate: the server ends when it has committed
            return
        _closed(server)

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                with suppress(OSError):
                    client.sendall(data)
        _closed(client, server)


def _closed(*ends: socket.socket) -> None:
    for one in ends:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


@contextmanager
def wired(port: int) -> Iterator[Wire]:
    """Carry connections to the server at `port`."""
    wire = Wire(port)
    try:
        yield wire
    finally:
        wire.close()
