"""How long to wait after failures in a row (`gateway.backoff`), when the broker is who fails."""

from __future__ import annotations

from collections.abc import Callable

from gateway import backoff

FIRST, LONGEST = 0.1, 30.0
"""Seconds after the first failure, and at most."""


def pause(failures: int, random: Callable[[], float]) -> float:
    """Return the seconds to wait after so many failures in a row, from 1. `random` gives 0 up to 1."""
    return backoff.pause(failures, random, first=FIRST, longest=LONGEST)
