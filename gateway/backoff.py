"""How long to wait after failures in a row: twice as long each time, up to a limit, with chance in it.

Half of a pause is fixed, so that what is away gets its rest; half is chance, so that many who lost the same server do
not come back in step.
"""

from __future__ import annotations

from collections.abc import Callable

_DOUBLINGS = 20
"""More make no difference, and a day of failures must not overflow a float."""


def pause(failures: int, random: Callable[[], float], *, first: float, longest: float) -> float:
    """Return the seconds to wait after so many failures in a row, from 1.

    Args:
        failures: How many.
        random: Gives 0 up to 1.
        first: Seconds at most after the first failure.
        longest: Seconds at most.
    """
    doubled = first * 2.0 ** min(failures - 1, _DOUBLINGS)
    return min(longest, doubled) * (0.5 + random() / 2)
