"""A TCP proxy on loopback that is a bad network when told to be.

    with Proxy(("127.0.0.1", 5671)) as proxy:
        ...connect to proxy.port...
        proxy.black_hole()
        proxy.heal()

Until `heal`, for connections that are there and those that come: `slow` (latency with jitter), `throttle`, `black_hole`
(connections are accepted and nothing passes; sockets stay half-open), `withhold` (nothing passes to one side; the other
direction goes on) and `refuse` (nobody listens). Once, for connections that are there: `cut` (both ends see the other
close), `reset` (both get an RST), `half_close` (one end sees the other finish, the other direction goes on). Each of
`connections` can be told the same by itself.

What an application loses behind it, it has lost itself: see `wire.py`. The proxy has a thread with a loop of its own;
a call returns when it has taken effect.
"""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar

from ops.soak.wire import Link, Side, Sky, Weather

__all__ = ["Connection", "Proxy", "Side", "Weather"]

_WITHIN = 10.0
"""Seconds a call may take; beyond it the proxy itself is broken."""
_BACKLOG = 128

_T = TypeVar("_T")


class _Faults(ABC):
    """What can be done to a connection, or to all."""

    def slow(self, seconds: float, *, jitter: float = 0.0) -> None:
        """Hold every byte back so long in each direction, and up to `jitter` seconds more."""
        self._turn(lambda weather: replace(weather, latency=seconds, jitter=jitter))

    def throttle(self, rate: int) -> None:
        """Let so many bytes a second pass in each direction."""
        self._turn(lambda weather: replace(weather, rate=rate))

    def black_hole(self) -> None:
        """Let nothing pass, neither bytes nor an end, and tell nobody."""
        self._turn(lambda weather: replace(weather, flowing=False))

    def withhold(self, towards: Side) -> None:
        """Let nothing pass to one side, neither bytes nor an end, and tell nobody; the other direction goes on."""
        self._turn(lambda weather: replace(weather, withheld=towards))

    def heal(self) -> None:
        """Be a good network. What was held back passes; what was closed stays closed."""
        self._turn(lambda _: Weather())

    def cut(self) -> None:
        """Close both ends in order: each sees the other finish. What was on its way is lost."""
        self._each(lambda link: link.end(reset=False))

    def reset(self) -> None:
        """Close both ends by RST."""
        self._each(lambda link: link.end(reset=True))

    def half_close(self, towards: Side) -> None:
        """Let one side see the other finish; the other direction goes on."""
        self._each(lambda link: link.half_close(towards))

    @abstractmethod
    def _turn(self, change: Callable[[Weather], Weather]) -> None: ...

    @abstractmethod
    def _each(self, fault: Callable[[Link], Awaitable[None]]) -> None: ...


class Proxy(_Faults):
    """Listens on a free loopback port and connects each client to the target."""

    def __init__(self, target: tuple[str, int], *, chance: random.Random | None = None) -> None:
        """Prepare one; `with` starts it. `chance` seeds the jitter."""
        self.target = target
        """May be changed: it holds for connections that come."""
        self._chance = chance or random.Random()  # noqa: S311  # weather, not a secret
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._weather = Weather()
        self._links: dict[asyncio.Task[None], Link] = {}
        self._accepting: asyncio.Task[None] | None = None
        self.accepted = 0
        """Connections, so far."""
        self._passed = dict.fromkeys(Side, 0)
        """By connections that are no more."""
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_WITHIN)
        self._loop.close()

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Those that are there, the oldest first."""

        async def found() -> tuple[Connection, ...]:
            return tuple(Connection(self, link) for link in self._links.values())

        return self._do(found())

    def passed(self, towards: Side) -> int:
        """Return how many bytes have been passed on to this side, by all connections so far."""

        async def counted() -> int:
            return self._passed[towards] + sum(link.passed(towards) for link in self._links.values())

        return self._do(counted())

    def refuse(self) -> None:
        """Listen no more: who connects is refused. Connections that are there go on."""
        self._do(self._deafen())

    def heal(self) -> None:
        """Be a good network, and listen."""
        super().heal()
        self._do(self._listen())

    def _turn(self, change: Callable[[Weather], Weather]) -> None:
        async def turn() -> None:
            self._weather = change(self._weather)
            for link in self._links.values():
                link.sky.turn(change(link.sky.now))

        self._do(turn())

    def _each(self, fault: Callable[[Link], Awaitable[None]]) -> None:
        async def each() -> None:
            await asyncio.gather(*(fault(link) for link in tuple(self._links.values())))

        self._do(each())

    def _do(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_WITHIN)

    async def _listen(self) -> None:
        if self._accepting is not None:
            return
        listener = socket.create_server(("127.0.0.1", self.port), backlog=_BACKLOG)
        listener.setblocking(False)
        self.port = listener.getsockname()[1]
        self._accepting = asyncio.ensure_future(self._accept(listener))

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with listener:
            while True:
                client, _ = await loop.sock_accept(listener)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.accepted += 1
                link = Link(client, self.target, Sky(self._weather), self._chance)
                self._links[link.task] = link
                link.task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        link = self._links.pop(task)
        for side in Side:
            self._passed[side] += link.passed(side)

    async def _deafen(self) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
            self._accepting = None

    async def _close(self) -> None:
        await self._deafen()
        await asyncio.gather(*(link.end(reset=False) for link in tuple(self._links.values())))


class Connection(_Faults):
    """One connection, to be told by itself."""

    def __init__(self, proxy: Proxy, link: Link) -> None:
        self._proxy, self._link = proxy, link

    @property
    def alive(self) -> bool:
        """Whether it is still open at one end."""
        return not self._link.task.done()

    def passed(self, towards: Side) -> int:
        """Return how many bytes have been passed on to this side."""
        return self._link.passed(towards)

    def _turn(self, change: Callable[[Weather], Weather]) -> None:
        async def turn() -> None:
            self._link.sky.turn(change(self._link.sky.now))

        self._proxy._do(turn())  # noqa: SLF001  # the proxy's own

    def _each(self, fault: Callable[[Link], Awaitable[None]]) -> None:
        async def each() -> None:
            await fault(self._link)

        self._proxy._do(each())  # noqa: SLF001  # the proxy's own
