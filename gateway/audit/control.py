"""The recurring control: which leaves of a month somebody must look at, and what may be said of each.

Access to personal data shall be limited to what each needs, and "kontrolleras och följas upp regelbundet" (SFB 114 kap.
13 §; förordning 2024:14 2 and 3 §§ demand routines for it). A month is drawn from once, when it has ended.
Whoever draws chooses how many; which ones is chosen by a *seed*:

    lot(leaf) = SHA-256("gateway/control" ‖ seed ‖ what names the leaf)          the lowest lots are drawn

A lot is the leaf's own, whatever else is in the log. So anybody with the seed and the right to read can draw again and
must get the same; and when some leaves have been destroyed, those that are left still show that no lower lot was passed
over. The seed comes out of the system's randomness. One that was given by a person is told to be: it can be chosen.

Leaves are drawn in two *strata*, as many of each: what officials answered, which is little, and what systems did,
which is nearly everything. Beside them stand the cases that the auditors' questions find strange (`store.control`).
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Generic, TypeVar
from zoneinfo import ZoneInfo

from gateway.errors import IntegrityError

SEED: Final = 32
"""Bytes of a seed."""
LARGEST: Final = 1000
"""Leaves of a stratum that may be drawn: more is no sample that people look through."""
_SWEDEN: Final = ZoneInfo("Europe/Stockholm")
_MONTH: Final = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")
_SEED: Final = re.compile(r"[0-9a-fA-F]{64}")
_DECEMBER: Final = 12
Drawn = TypeVar("Drawn")


class Stratum(StrEnum):
    """Whose doing a leaf is."""

    OFFICIALS = "officials"
    SYSTEMS = "systems"


class Outcome(StrEnum):
    """What a reviewer found. There is no other."""

    UTAN_ANMARKNING = "utan-anmarkning"
    """It was needed, and as it should be."""
    FORKLARAD = "forklarad"
    """It looked strange; the reason says why it was right."""
    BRIST = "brist"
    """It was allowed, but a routine, a permission or a rule must change."""
    INCIDENT = "incident"
    """It was not allowed, or is suspected: taken on as an incident (GDPR art. 33, brottsbalken 4 kap. 9 c §)."""
    EJ_BEDOMBAR = "ej-bedombar"
    """What it takes to judge it is not there any more."""


def period(month: str) -> tuple[datetime, datetime]:
    """Return when a month, `2026-10`, begins and when it has ended, in Sweden; aware, UTC. Raises IntegrityError."""
    read = _MONTH.fullmatch(month)
    if read is None:
        raise IntegrityError("a month is like 2026-10")
    year, number = int(read[1]), int(read[2])
    first = datetime(year, number, 1, tzinfo=_SWEDEN)
    beyond = datetime(year + number // _DECEMBER, number % _DECEMBER + 1, 1, tzinfo=_SWEDEN)
    return first.astimezone(UTC), beyond.astimezone(UTC)


def seeded(written: str) -> bytes:
    """Return a seed as it is written, 64 hexadecimal digits. Raises IntegrityError."""
    if not _SEED.fullmatch(written):
        raise IntegrityError(f"a seed is {SEED} bytes, written with {2 * SEED} hexadecimal digits")
    return bytes.fromhex(written)


def lot(seed: bytes, name: str) -> str:
    """Return the lot of what has this name: 64 hexadecimal digits, lower is drawn first."""
    return hashlib.sha256(b"gateway/control\0" + seed + name.encode()).hexdigest()


class Lowest(Generic[Drawn]):
    """The lowest lots of any number of things, holding no more than it keeps."""

    def __init__(self, size: int) -> None:
        """Keep `size` of them."""
        self._size = size
        self._held: list[tuple[int, int, Drawn]] = []
        self.seen = 0
        """How many there were to draw from."""

    def add(self, lot_: str, drawn: Drawn) -> None:
        """Put one in the urn."""
        self.seen += 1
        one = (-int(lot_, 16), -self.seen, drawn)
        if len(self._held) < self._size:
            heapq.heappush(self._held, one)
        elif self._held and one > self._held[0]:
            heapq.heapreplace(self._held, one)

    def drawn(self) -> list[tuple[str, Drawn]]:
        """Return what was drawn with its lot, the lowest first."""
        return [(f"{-value:064x}", drawn) for value, _, drawn in sorted(self._held, key=lambda one: (-one[0], -one[1]))]


def passed_over(drawn: Iterable[str], now: Iterable[str], size: int) -> tuple[set[str], set[str]]:
    """Compare what was drawn once with what is drawn now, by lots.

    Returns:
        Lots that were passed over then, which no honest drawing does; and lots that are not there now, which is as it
        should be where what they stood for has been destroyed.
    """
    then, again = set(drawn), set(now)
    highest = max(then) if len(then) >= size and then else "g"  # beyond every digit: all there were, were drawn
    return {one for one in again - then if one <= highest}, then - again
