"""The clock in Sweden, computed: a machine without time zone data must be right too.

Förordning (2001:127) om sommartid; directive 2000/84/EC, art. 2-3: summer time begins and ends at 01:00 UTC on the last
Sunday of March and of October.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

_CET, _CEST = timedelta(hours=1), timedelta(hours=2)


def swedish_time(at: datetime) -> datetime:
    """Return what the clock in Sweden shows then, without a zone."""
    return _moved(at).replace(tzinfo=None)


def swedish_day(at: datetime) -> date:
    """Return the day in Sweden: a basis must not live an hour too long."""
    return _moved(at).date()


def _moved(at: datetime) -> datetime:
    """Return the moment at which the clock in UTC shows what the clock in Sweden shows then."""
    utc = at.astimezone(UTC)
    begins, ends = _summer(utc.year)
    return utc + (_CEST if begins <= utc < ends else _CET)


def shown(clock: datetime) -> tuple[datetime, datetime]:
    """Return the first and the last moment, UTC, at which the clock in Sweden shows this; `clock` has no zone.

    They differ in the hour of October that comes twice. In the hour of March that there is not, both are the moment at
    which the clock leaps over it.
    """
    found = [utc for offset in (_CEST, _CET) if swedish_time(utc := (clock - offset).replace(tzinfo=UTC)) == clock] or [
        _summer(clock.year)[0]
    ]
    return found[0], found[-1]


@lru_cache(maxsize=64)
def _summer(year: int) -> tuple[datetime, datetime]:
    def last_sunday(month: int) -> datetime:
        end = datetime(year, month, 31, 1, tzinfo=UTC)
        return end - timedelta(days=(end.weekday() + 1) % 7)

    return last_sunday(3), last_sunday(10)
