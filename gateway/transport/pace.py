"""How often each may ask: a bucket of tokens for each name, filled steadily (as RFC 2698 meters one rate).

Whoever asks takes a token; who finds none is told in how many seconds there is one. How many there may be is said at
each asking, so a reload changes it at once. Names are those of a closed configuration, so buckets are as many as those.
Belongs to one event loop.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from gateway import inquiries
from gateway.errors import UntrustedError

SECONDS = 60.0


class PaceError(UntrustedError):
    """Somebody asks too often."""

    def __init__(self, seconds: int) -> None:
        """`seconds` is how long to wait."""
        super().__init__(inquiries.READER_PACE)
        self.seconds = seconds


class Pace:
    """So many in a minute for each, and as many at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds."""
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}
        """Name -> tokens, and when there were so many."""

    def take(self, name: str, minute: int) -> None:
        """Take a token of `minute`. Raises PaceError, with the whole seconds until there is one."""
        now = self._clock()
        tokens, since = self._left.get(name, (float(minute), now))
        tokens = min(float(minute), tokens + (now - since) * minute / SECONDS)
        if tokens < 1.0:
            self._left[name] = (tokens, now)
            raise PaceError(math.ceil((1.0 - tokens) * SECONDS / minute))
        self._left[name] = (tokens - 1.0, now)
