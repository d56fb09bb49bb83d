"""How a queue stands, told the same way of every broker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """One logical queue, all its partitions together."""

    queue: str
    ready: int
    """Events that nobody has been lent, also those behind an older event of the same person."""
    unacked: int | None
    """Events that a consumer has been lent; None where the broker was asked in a way that does not tell."""
    consumers: int | None = None
    """Who is connected to it now; None where the broker does not know its consumers."""
    dead: int | None = None
    """Dead letters of it that are not recorded in the store yet; None where the broker does not tell them apart."""
    oldest: datetime | None = None
    """Since when the oldest event is there; None where there is none, or the broker does not tell."""
    declared: bool = True
    """False for a queue that the configuration no longer has: it keeps its events and is given no more."""
