"""One person's events one at a time: what is in hand, and which of it may be lent. Pure.

A partition gives events in order, and many at once. Each person's stand in a line; only the first of a line may be
lent, and the next only when the first is done (acknowledged, or dead). One that failed stays first in its line and in
its old place among all lines. So the broker's own order is never touched: it would put a requeued event behind
followers that are in hand already, and after a lost connection give them out in that wrong order.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import Generic, TypeVar

from gateway.errors import IntegrityError

T = TypeVar("T")


class Order(Generic[T]):
    """Lines of things, each line lent one at a time. Not safe between threads."""

    def __init__(self, most: int) -> None:
        """Hold at most `most`: what the broker was asked to give."""
        self._most = most
        self._lines: dict[str, deque[tuple[int, T]]] = {}
        self._ready: list[tuple[int, str]] = []
        """A heap: where the first of each line came in, and the line, unless it is lent."""
        self._came = 0
        self._held = 0

    def __len__(self) -> int:
        return self._held

    @property
    def ready(self) -> int:
        """How many may be lent now."""
        return len(self._ready)

    def add(self, line: str, thing: T) -> None:
        """Put one at the end of its line. Raises IntegrityError beyond `most`: nobody asked for so many."""
        if self._held >= self._most:
            raise IntegrityError(f"more than {self._most} deliveries came without an acknowledgement")
        self._held += 1
        self._came += 1
        waiting = self._lines.get(line)
        if waiting is None:
            self._lines[line] = deque([(self._came, thing)])
            heapq.heappush(self._ready, (self._came, line))
        else:
            waiting.append((self._came, thing))

    def lend(self, limit: int) -> list[tuple[str, T]]:
        """Return up to `limit`, those that came first, each with its line."""
        lent: list[tuple[str, T]] = []
        while self._ready and len(lent) < limit:
            _, line = heapq.heappop(self._ready)
            lent.append((line, self._lines[line][0][1]))
        return lent

    def done(self, line: str) -> None:
        """The lent one is no more; the next of its line may be lent."""
        waiting = self._lines[line]
        waiting.popleft()
        self._held -= 1
        if waiting:
            self.again(line)
        else:
            del self._lines[line]

    def again(self, line: str) -> None:
        """The first of the line may be lent (again)."""
        heapq.heappush(self._ready, (self._lines[line][0][0], line))

    def clear(self) -> None:
        """Forget everything: the broker gives it again."""
        self._lines.clear()
        self._ready.clear()
        self._held = 0
