"""uvicorn in this process: bound once, started and stopped by us.

uvicorn's own start leaves the TLS handshake 60 s and its end 30 s, and its own stop kills the process with the signal
it got, so that no program can exit 0 after a drain. `Server` does the three differently and leaves the rest alone:

1. Start: listen with bounded handshakes, then call `started`.
2. Stop (`stop`, or SIGTERM and SIGINT in the main thread): first tell the front that it drains, then no new
   connections, then wait for what is in flight, `drain_timeout` at most; then cut what is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Protocol, Self

import uvicorn

from gateway import codes
from gateway.config import Listen
from gateway.errors import ConfigError, UnavailableError
from gateway.transport.protocol import Patience, Refused, patient, soap

App = Callable[..., object]


class Draining(Protocol):
    """What is told when the server drains: `Front`, or whatever else answers at a listener."""

    draining: bool


BACKLOG = 1024
_TURNS = 100
"""Hundredths of a second for cut connections to be gone before the loop is closed."""
_FAREWELL = 1.0
"""Seconds to write what is left and for the peer's close_notify (RFC 8446 section 6.1)."""


def bind(listen: Listen) -> socket.socket:
    """Return a listening socket. Raises ConfigError where the address is not ours or is taken."""
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((listen.host, listen.port))
        made.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        made.close()
        raise ConfigError(f"listen.host, listen.port: {listen.host}:{listen.port}: {error}") from None
    made.setblocking(False)
    return made


class Server(uvicorn.Server):
    """One event loop that serves one front on one socket."""

    def __init__(
        self, app: App, front: Draining, *, listen: Listen, context: ssl.SSLContext, refused: Refused = soap
    ) -> None:
        """Make a server that does not run yet.

        Args:
            app: The whole ASGI application.
            front: Is told when the server drains.
            listen: Limits and times.
            context: TLS.
            refused: What is answered to what never became a request.
        """
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http=patient(Patience.of(listen), refused),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=listen.idle_timeout.total_seconds(),  # type: ignore[arg-type]  # only ever waited for
            timeout_graceful_shutdown=listen.drain_timeout.total_seconds(),  # type: ignore[arg-type]  # likewise
            ssl_context_factory=lambda _config, _default: context,
        )
        super().__init__(config)
        self._front = front
        self._handshake = listen.header_timeout.total_seconds()
        self.on_started: Callable[[], None] = lambda: None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on the sockets that were bound before."""
        await self.lifespan.startup()
        loop = asyncio.get_running_loop()
        self.servers = [
            await loop.create_server(
                self._connection,
                sock=bound,
                ssl=self.config.ssl,
                backlog=BACKLOG,
                ssl_handshake_timeout=self._handshake,
                ssl_shutdown_timeout=_FAREWELL,
            )
            for bound in sockets or []
        ]
        self.started = True
        self.on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then stop."""
        self._front.draining = True
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for _ in range(_TURNS):
            if self.server_state.connections:
                await asyncio.sleep(0.01)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGTERM and SIGINT in the main thread, and give them back; never raise them again."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._signalled) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, former in before.items():
                signal.signal(number, former)

    def stop(self) -> None:
        """Begin to drain. From any thread."""
        self.should_exit = True

    def _signalled(self, _number: int, _frame: FrameType | None) -> None:
        self.stop()

    def _connection(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]  # uvicorn's constructor
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


class Running:
    """A server in a thread of this process, from `with` to its end: for tests, the demo and measurements.

    The port is the system's choice where the configuration says 0.
    """

    def __init__(self, server: Server, bound: socket.socket) -> None:
        """Nothing runs until `with`."""
        self.server = server
        self._bound = bound
        self.host, self.port = bound.getsockname()[:2]
        self._started = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="front")

    @property
    def origin(self) -> str:
        """Where it listens: `https://127.0.0.1:40001`."""
        return f"https://{self.host}:{self.port}"

    def __enter__(self) -> Self:
        self.server.on_started = self._started.set
        self._thread.start()
        self._started.wait()
        if self._failed is not None:
            raise UnavailableError(codes.INTERNAL, f"the server did not start: {type(self._failed).__name__}")
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Drain and stop; returns when nothing runs any more."""
        self.server.stop()
        self._thread.join()

    def _run(self) -> None:
        try:
            self.server.run(sockets=[self._bound])
        except BaseException as error:  # noqa: BLE001  # told to the thread that waits
            self._failed = error
        finally:
            self._started.set()
            self._bound.close()
