"""Time stamps of each day's last checkpoint (RFC 3161): what is to be stamped, and what was.

A day is one of UTC, as all times here. One on which the log did not grow has no checkpoint of its own and needs none.
After an outage the days that were missed are stamped one by one, the oldest first: late, and saying so by their time,
but the row of days has no hole. Of a store older than this only the last day that has ended is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from gateway.audit.stamp import Stamp
from gateway.database import Session, Turn, instant, written
from gateway.errors import IntegrityError
from gateway.store.log import AUDIT, Log, Signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What is to be stamped."""

    day: date
    checkpoint: Signed
    """The last that was signed on that day."""

    def late(self, now: datetime) -> timedelta:
        """Return how long ago the day ended."""
        return now - _begin(self.day + timedelta(days=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamped:
    """What was stamped."""

    day: date
    size: int
    time: datetime
    """By the authority's clock."""
    token: bytes
    """The authority's whole answer, DER."""
    note: bytes
    """The checkpoint that it is a stamp of, as the log signed it."""


class StoredStamps:
    """Belongs to one thread. Raises the driver's errors: whoever holds the transaction translates them."""

    def __init__(self, session: Session, origin: str, log: Log = AUDIT) -> None:
        """`session` is of the store; `origin` is the log's own, `log` its tables."""
        self._session = session
        self._origin = origin
        self._log = log

    def due(self, now: datetime) -> Due | None:
        """Return the oldest day that has ended and is not stamped; None where there is none."""
        row = self._session.execute(
            "SELECT day, size FROM stamps WHERE origin = ? ORDER BY day DESC LIMIT 1", (self._origin,)
        ).fetchone()
        today = now.astimezone(UTC).date()
        if row is None:
            return self._last(-1, today)
        following = self._session.execute(
            f"SELECT at FROM {self._log.checkpoints} WHERE size > ? ORDER BY size LIMIT 1",  # noqa: S608  # our own name
            (row[1],),
        ).fetchone()
        if following is None:
            return None
        # By a clock that was set back a day may go on after its stamp: that goes with the next.
        day = max(instant(following[0]).date(), date.fromisoformat(row[0]) + timedelta(days=1))
        return self._last(row[1], day + timedelta(days=1)) if day < today else None

    def add(self, due: Due, stamp: Stamp, answer: bytes, at: datetime) -> None:
        """Keep a stamp; one that is there already stays as it is."""
        row = (self._origin, due.day.isoformat(), due.checkpoint.size, written(stamp.time), answer, written(at))
        with self._session.writing(Turn.LOG):
            self._session.insert(
                "stamps", "origin, day, size, time, token, at", [row], "ON CONFLICT (origin, day) DO NOTHING"
            )

    def all(self) -> Sequence[Stamped]:
        """Return what was stamped, the first day first. Raises IntegrityError where a checkpoint is gone."""
        rows = self._session.execute(
            f"SELECT s.day, s.size, s.time, s.token, c.note FROM stamps s LEFT JOIN {self._log.checkpoints} c "  # noqa: S608
            "ON c.size = s.size WHERE s.origin = ? ORDER BY s.day",
            (self._origin,),
        ).fetchall()
        return [self._stamped(*row) for row in rows]

    def _stamped(self, day: str, size: int, time: str, token: bytes, note: bytes | None) -> Stamped:
        if note is None:
            raise IntegrityError(f"the checkpoint of {size} leaves, which was stamped for {day}, is not there")
        return Stamped(day=date.fromisoformat(day), size=size, time=instant(time), token=bytes(token), note=bytes(note))

    def _last(self, after: int, end: date) -> Due | None:
        """Return the last checkpoint before a day's beginning, of those beyond a size."""
        row = self._session.execute(
            f"SELECT size, root, note, at FROM {self._log.checkpoints} WHERE size > ? AND at < ? "  # noqa: S608
            "ORDER BY size DESC LIMIT 1",
            (after, written(_begin(end))),
        ).fetchone()
        if row is None:
            return None
        signed = Signed(size=row[0], root=bytes(row[1]), note=bytes(row[2]))
        return Due(day=end - timedelta(days=1) if after >= 0 else instant(row[3]).date(), checkpoint=signed)


def _begin(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
