"""The stretches in which PostgreSQL keeps the large tables: by number, made ahead (ADR 0018).

`evidence` is divided by the number of its message, `leaves`, `records` and `trail` by their position. Numbers are
given in the order of commits, so a stretch of numbers is a stretch of time. There is no stretch for "everything else":
a row that falls in none is refused, the message with it, and the sender resends. So some must always be ahead. `keep`
makes them, every day from the integrator's process and by `gateway store partition`; `ahead` tells how many there are.

Making one takes the journal's turn for some milliseconds and never waits for a reader. SQLite has none of this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.database import Session, Turn
from gateway.store.place import Place, PostgresPlace

AHEAD = 2
"""Empty ones beyond the one in use: one to be filled while nobody looks, one to be safe."""
PARENTS = ("leaves", "records", "trail", "evidence")
"""In the order in which they are made: a record's leaf has its partition first, and a trail's."""

_BOUNDS = r"""
    SELECT p.relname, (bounds.found)[1]::bigint, (bounds.found)[2]::bigint
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
        JOIN pg_namespace n ON n.oid = p.relnamespace AND n.nspname = 'public',
        LATERAL (SELECT regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''(\d+)''\) TO \(''(\d+)''\)')
            AS found) AS bounds
    WHERE p.relkind = 'p' AND bounds.found IS NOT NULL ORDER BY 1, 2
"""
_LAST = "SELECT (SELECT coalesce(max(id), 0) FROM messages), (SELECT coalesce(max(position), -1) FROM leaves)"


class Bounds(NamedTuple):
    """One partition: the numbers from `first` up to, and without, `beyond`."""

    first: int
    beyond: int


def ahead(place: Place) -> int | None:
    """Return how many empty partitions are ahead, of the table with the fewest; None where there are no partitions.

    0 is an alarm: when the one in use is full, nothing can be accepted. Raises UnavailableError.
    """
    if not isinstance(place, PostgresPlace):
        return None
    session = place.open()
    try:
        with session.translated(), session.reading():
            return min(_beyond(bounds(session)[parent], number) for parent, number in _last(session).items())
    finally:
        session.close()


def keep(place: Place, *, wanted: int = AHEAD) -> int:
    """Make partitions until `wanted` are ahead in each table; return how many were made. Raises UnavailableError.

    `place` acts as integrator or owner.
    """
    if not isinstance(place, PostgresPlace):
        return 0
    session = place.open()
    try:
        with session.translated():
            return reach(session, _last(session), wanted=wanted)
    finally:
        session.close()


def reach(session: Session, numbers: Mapping[str, int], *, wanted: int = AHEAD) -> int:
    """Make partitions until `wanted` are beyond these numbers, by table; return how many were made."""
    made = 0
    for parent in filter(numbers.__contains__, PARENTS):
        # Each in a transaction of its own, and counted again in it: another process may be making them too.
        while _beyond(bounds(session)[parent], numbers[parent]) < wanted:
            with session.writing(Turn.JOURNAL):
                if _beyond(bounds(session)[parent], numbers[parent]) < wanted:
                    session.execute("SELECT gateway_add_partition(?)", (parent,))
                    made += 1
    return made


def bounds(session: Session) -> dict[str, list[Bounds]]:
    """Return every partition, by table, in order."""
    found: dict[str, list[Bounds]] = {parent: [] for parent in PARENTS}
    for parent, first, beyond in session.execute(_BOUNDS):
        found[parent].append(Bounds(first, beyond))
    return found


def _last(session: Session) -> dict[str, int]:
    message, position = session.execute(_LAST).fetchone()
    return {"evidence": message, "leaves": position, "records": position, "trail": position}


def _beyond(parts: Sequence[Bounds], number: int) -> int:
    return sum(one.first > number for one in parts)
