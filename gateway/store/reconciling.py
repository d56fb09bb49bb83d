"""Everything that the store knows of itself, gone through from end to end: each gap by name.

A stretch is a transaction of its own (`gaps`), so nobody waits for it and nothing is held; what is written meanwhile
stands after the end that each check was given when it began, or is whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from gateway.database import Session
from gateway.store import gaps
from gateway.store.gaps import CHECKS, STRETCH, Gap, Passed


def gone_through(session: Session, *, now: datetime, hours: int, passed: Passed) -> Iterator[Gap]:
    """Yield every gap.

    Args:
        session: Of the store, on behalf of the auditor.
        now: The time.
        hours: How long something may be on its way.
        passed: Is told how it goes on.

    Raises:
        UnavailableError: The store cannot be read now.
        IntegrityError: The store is damaged.
    """
    old = gaps.since(now, hours)
    for check in CHECKS:
        with session.translated():
            (end,) = session.execute(check.end).fetchone()
        for first in range(0, end + 1, STRETCH):
            beyond = min(first + STRETCH, end + 1)
            # A stretch may be all holes: they are told one by one, and none is kept.
            with session.translated(), session.reading():
                yield from check.find(session, first, beyond, old)
            passed(check.name, beyond, end + 1)
