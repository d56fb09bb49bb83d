"""How often each may ask: a bucket of tokens for each name, filled steadily (as RFC 2698 meters one rate).

Whoever asks takes a token; who finds none is told in how many seconds there is one. Names are those of a closed
configuration, so buckets are as many as those. Belongs to one event loop.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

SECONDS = 60.0


class Pace:
    """So many in a minute for each, and as many at once."""

    def __init__(self, minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`minute` is how many; `clock` tells seconds."""
        self._most = float(minute)
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}
        """Name -> tokens, and when there were so many."""

    def wait(self, name: str) -> int:
        """Take a token; return 0, or in how many whole seconds there is one."""
        now = self._clock()
        tokens, since = self._left.get(name, (self._most, now))
        tokens = min(self._most, tokens + (now - since) * self._most / SECONDS)
        if tokens < 1.0:
            self._left[name] = (tokens, now)
            return math.ceil((1.0 - tokens) * SECONDS / self._most)
        self._left[name] = (tokens - 1.0, now)
        return 0
