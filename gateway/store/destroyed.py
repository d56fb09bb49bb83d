"""What has been destroyed by rule, as auditors and operators ask; and what is gone that no rule explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.audit.gallring import Stretch
from gateway.database import instant
from gateway.store.place import Place

_RULED = "EXISTS (SELECT 1 FROM gallrade g WHERE g.data = '{}' AND {} BETWEEN g.first AND g.last)"
_MISSING = "LEFT JOIN records r ON r.position = {} WHERE r.position IS NULL"
_UNEXPLAINED: Mapping[str, str] = {
    "evidence": "messages m LEFT JOIN evidence e ON e.message = m.id WHERE coalesce(length(e.sealed), 0) = 0 "
    f"AND NOT {_RULED.format('evidence', 'm.id')}",
    "record": f"leaves l {_MISSING.format('l.position')} AND l.message IS NOT NULL "
    f"AND NOT {_RULED.format('record', 'l.position')}",
    "dispatch": f"leaves l {_MISSING.format('l.position')} AND l.dispatch IS NOT NULL "
    f"AND NOT {_RULED.format('dispatch', 'l.dispatch')}",
    "refusal": f"refusals f {_MISSING.format('f.position')} "
    f"AND NOT {_RULED.format('refusal', 'f.id')} AND NOT {_RULED.format('quarantine', 'f.id')}",
    "review": f"reviews v {_MISSING.format('v.outcome')} AND v.outcome IS NOT NULL AND v.kind <> 'dispatch' "
    f"AND NOT {_RULED.format('review', 'v.id')}",
    "shielding": f"shieldings s {_MISSING.format('s.position')} AND NOT {_RULED.format('shielding', 's.position')}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One destruction."""

    number: int
    rule: str
    """Its id and first day."""
    data: str
    count: int
    by: str
    at: datetime
    position: int
    """Of the leaf that tells of it."""
    gone: tuple[Stretch, ...]
    """The numbers of what is gone."""


def history(place: Place, *, limit: int) -> Sequence[Done]:
    """Return what was destroyed, the newest first. Raises UnavailableError."""
    session = place.open()
    try:
        with session.translated(), session.reading():
            rows = session.execute(
                "SELECT id, rule, data, count, by, at, position FROM gallringar ORDER BY id DESC LIMIT ?", (limit,)
            ).fetchall()
            gone: dict[int, list[Stretch]] = {}
            oldest = rows[-1][0] if rows else 0
            for which, first, last in session.execute(
                "SELECT gallring, first, last FROM gallrade WHERE gallring >= ? ORDER BY gallring, first", (oldest,)
            ).fetchall():
                gone.setdefault(which, []).append((first, last))
    finally:
        session.close()
    return [
        Done(
            number=number,
            rule=rule,
            data=data,
            count=count,
            by=by,
            at=instant(at),
            position=position,
            gone=tuple(gone.get(number, ())),
        )
        for number, rule, data, count, by, at, position in rows
    ]


def unexplained(place: Place) -> Mapping[str, int]:
    """Return what is not there, or emptied, though no rule has destroyed it: how many, by class of data. As the owner.

    Empty is well. What is destroyed by a decision, or when it has lain in a mailbox long enough, keeps its record. It
    does not see that content of a dispatch is gone, as much of that is never kept. Raises UnavailableError.
    """
    session = place.open()
    try:
        with session.translated(), session.reading():
            found = {
                data: session.execute(f"SELECT count(*) FROM {rows}").fetchone()[0]  # noqa: S608  # our own words
                for data, rows in _UNEXPLAINED.items()
            }
    finally:
        session.close()
    return {data: count for data, count in found.items() if count}
