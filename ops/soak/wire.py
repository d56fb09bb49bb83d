"""One connection through the proxy: two flows, under a weather that changes while bytes are on their way.

No byte is lost, doubled or reordered while a connection lives, and none passes while the weather says so: what was
read and not yet passed on waits here, as on a sender's side of a network that is down.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

_CHUNK = 64 * 1024
_HELD = 16
"""Chunks read and not yet passed on, in each direction: a megabyte, then the sender feels it."""
_SLICE = 0.02
"""Seconds of a throttled flow that are sent at once."""
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, zero seconds: closing sends an RST."""


class Side(StrEnum):
    """An end of a connection through the proxy."""

    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What lasts. The default is a good network."""

    latency: float = 0.0
    """Seconds, in each direction."""
    jitter: float = 0.0
    """Seconds more, at most, evenly spread; the order is kept."""
    rate: int | None = None
    """Bytes a second, in each direction."""
    flowing: bool = True
    withheld: Side | None = None
    """The side that nothing is passed on to."""


class Sky:
    """The weather over one connection; those who wait under it wake when it changes."""

    def __init__(self, weather: Weather) -> None:
        self.now = weather
        self._changed = asyncio.Event()

    def turn(self, weather: Weather) -> None:
        """Change the weather."""
        self.now = weather
        self._changed.set()
        self._changed = asyncio.Event()

    async def flowing(self, towards: Side | None = None) -> None:
        """Wait while nothing passes, or nothing to this side."""
        while not self.now.flowing or (towards is not None and self.now.withheld is towards):
            await self._changed.wait()

    async def wait(self, seconds: Callable[[], float]) -> None:
        """Wait until `seconds`, asked again after each change, says that nothing is left."""
        while (left := seconds()) > 0:
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except TimeoutError:
                continue


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What one read gave. No data: the source has finished. None: it was reset."""

    data: bytes | None
    at: float
    share: float
    """Of the jitter, 0 to 1."""


class Flow:
    """One direction of a connection."""

    def __init__(
        self, source: socket.socket, sink: socket.socket, towards: Side, sky: Sky, chance: random.Random
    ) -> None:
        self._source, self._sink, self._towards, self._sky, self._chance = source, sink, towards, sky, chance
        self._held: asyncio.Queue[_Held] = asyncio.Queue(_HELD)
        self.passed = 0
        """Bytes."""

    async def run(self) -> None:
        """Pass on until the source has finished, and tell the sink so. Raises ConnectionError where one was reset."""
        reading = asyncio.ensure_future(self._read())
        try:
            await self._write()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        data: bytes | None = b"."
        while data:
            await self._sky.flowing(self._towards)
            try:
                data = await loop.sock_recv(self._source, _CHUNK)
            except OSError:
                data = None
            await self._held.put(_Held(data=data, at=loop.time(), share=self._chance.random()))

    async def _write(self) -> None:
        while True:
            held = await self._held.get()
            await self._sky.wait(lambda held=held: self._early(held))  # type: ignore[misc]
            await self._sky.flowing(self._towards)
            if held.data is None:
                raise ConnectionResetError
            if not held.data:
                self._sink.shutdown(socket.SHUT_WR)
                return
            left = held.data
            while left:
                left = left[await self._send(left) :]

    def _early(self, held: _Held) -> float:
        weather = self._sky.now
        return held.at + weather.latency + held.share * weather.jitter - asyncio.get_running_loop().time()

    async def _send(self, data: bytes) -> int:
        await self._sky.flowing(self._towards)
        rate = self._sky.now.rate
        piece = data if rate is None else data[: max(1, int(rate * _SLICE))]
        try:
            sent = self._sink.send(piece)
        except BlockingIOError:
            await self._writable()
            return 0
        self.passed += sent
        if rate is not None:
            loop = asyncio.get_running_loop()
            due = loop.time() + sent / rate
            await self._sky.wait(lambda: due - loop.time() if self._sky.now.rate else 0)
        return sent

    async def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        event = asyncio.Event()
        loop.add_writer(self._sink, event.set)
        try:
            await event.wait()
        finally:
            loop.remove_writer(self._sink)


class Link:
    """A client, the server, and what passes between them."""

    def __init__(self, client: socket.socket, target: tuple[str, int], sky: Sky, chance: random.Random) -> None:
        self.sky = sky
        self._target, self._chance = target, chance
        self._sockets = {Side.CLIENT: client}
        self._flows: dict[Side, asyncio.Task[None]] = {}
        """By who receives."""
        self._resetting = False
        self._passed: dict[Side, Flow] = {}
        self.task = asyncio.ensure_future(self._run())

    def passed(self, towards: Side) -> int:
        """Return how many bytes have been passed on to this side."""
        return self._passed[towards].passed if towards in self._passed else 0

    async def _run(self) -> None:
        try:
            await self._connect()
            client, server = self._sockets[Side.CLIENT], self._sockets[Side.SERVER]
            async with asyncio.TaskGroup() as group:
                for towards, source, sink in ((Side.SERVER, client, server), (Side.CLIENT, server, client)):
                    flow = self._passed[towards] = Flow(source, sink, towards, self.sky, self._chance)
                    self._flows[towards] = group.create_task(flow.run())
        except* OSError:
            self._resetting = True
        finally:
            for one in self._sockets.values():
                _close(one, reset=self._resetting)

    async def _connect(self) -> None:
        await self.sky.flowing()
        server = self._sockets[Side.SERVER] = socket.socket()
        server.setblocking(False)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(server, self._target)

    async def end(self, *, reset: bool) -> None:
        """Close both ends, by FIN or by RST."""
        self._resetting = reset
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def half_close(self, towards: Side) -> None:
        """Let `towards` see the other end finish; what that sends is passed on no more. The other direction goes on."""
        flow = self._flows.get(towards)
        if flow is None or flow.done():
            return
        flow.cancel()
        await asyncio.gather(flow, return_exceptions=True)
        with suppress(OSError):  # the connection ended meanwhile: then it is closed altogether
            self._sockets[towards].shutdown(socket.SHUT_WR)


def _close(one: socket.socket, *, reset: bool) -> None:
    if reset:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        one.close()
        return
    try:
        one.shutdown(socket.SHUT_WR)
        while one.recv(_CHUNK):  # closing with bytes unread would be an RST
            continue
    except OSError:
        pass
    one.close()
