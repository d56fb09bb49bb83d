"""A load generator that speaks mutual TLS on kept connections: signed envelopes in, answers counted.

Closed loop: each connection sends its next message when the last is answered. Open loop: messages are due at fixed
times, and latency counts from when a message was due, so that a stall is not hidden by the sender waiting politely.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Result:
    """What came back."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Accepted messages per second."""
        return self.statuses[200] / self.seconds

    def percentile(self, share: float) -> float:
        """Return the latency in seconds below which `share` of the answers came."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class _Connection(asyncio.Protocol):
    """One kept connection: one request under way at a time."""

    def __init__(self, run: _Run) -> None:
        self.run = run
        self.buffer = b""
        self.due = 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.run.ready(self)

    def send(self, due: float, request: bytes) -> None:
        self.due = due
        assert self.transport is not None  # noqa: S101  # made before it is ready
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0])
        if len(self.buffer) < end + 4 + length:
            return
        self.run.answered(self, int(head[9:12]))
        self.buffer = b""
        self.run.ready(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self.run.lost()


class _Run:
    """One load: hands messages that are due to connections that are free."""

    def __init__(self, requests: Sequence[bytes], rate: float | None) -> None:
        self.requests = deque(requests)
        self.total = len(requests)
        self.rate = rate
        self.free: deque[_Connection] = deque()
        self.due: deque[tuple[float, bytes]] = deque()
        self.result = Result()
        self.done = asyncio.get_running_loop().create_future()
        self.started = False

    def start(self) -> None:
        self.started = True
        self.began = time.perf_counter()
        if self.rate is None:
            self.due.extend((0.0, request) for request in self.requests)
            self.requests.clear()
        else:
            self._tick()
        self._match()

    def _tick(self) -> None:
        assert self.rate is not None  # noqa: S101  # open loop only
        sent = self.total - len(self.requests)
        now = time.perf_counter() - self.began
        while self.requests and sent / self.rate <= now:
            self.due.append((self.began + sent / self.rate, self.requests.popleft()))
            sent += 1
        self._match()
        if self.requests:
            asyncio.get_running_loop().call_later(0.001, self._tick)

    def _match(self) -> None:
        while self.free and self.due:
            due, request = self.due.popleft()
            self.free.popleft().send(due or time.perf_counter(), request)

    def ready(self, connection: _Connection) -> None:
        self.free.append(connection)
        if self.started:
            self._match()

    def answered(self, connection: _Connection, status: int) -> None:
        self.result.latencies.append(time.perf_counter() - connection.due)
        self.result.statuses[status] += 1
        if len(self.result.latencies) == self.total:
            self.result.seconds = time.perf_counter() - self.began
            self.done.set_result(None)

    def lost(self) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError("the server closed a connection under load"))


async def load(
    address: tuple[str, int],
    context: ssl.SSLContext,
    requests: Sequence[bytes],
    *,
    connections: int,
    rate: float | None = None,
) -> Result:
    """Send every request and return what came back. `rate` in messages per second makes it open loop."""
    loop = asyncio.get_running_loop()
    run = _Run(requests, rate)
    made = [
        await loop.create_connection(lambda: _Connection(run), *address, ssl=context, server_hostname="localhost")
        for _ in range(connections)
    ]
    run.start()
    await run.done
    for transport, _ in made:
        transport.abort()
    return run.result
