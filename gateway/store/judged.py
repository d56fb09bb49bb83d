"""What was judged since a day, leaf by leaf, with the hidden records opened: for whoever holds the sealing key.

A record is sealed under the key of its message, or of its dispatch's step, so it is read together with that. On
PostgreSQL nobody who serves may read sealed records; this is done as the owner, by people, and only reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import orjson

from gateway.audit import leaf
from gateway.database import Row, Session, instant, written
from gateway.errors import IntegrityError
from gateway.message import LeafHash, Sealed
from gateway.store.place import Place

_MESSAGES = """
    SELECT m.id, m.accepted_at, m.first_leaf, m.leaf_count, e.key_id, e.wrapped_key, e.sealed
    FROM messages m LEFT JOIN evidence e ON e.message = m.id WHERE m.accepted_at >= ? ORDER BY m.id
"""
_STEPS = """
    SELECT t.dispatch, t.at, t.first_leaf, t.leaf_count, c.key_id, c.wrapped_key, c.sealed, t.step, c.name
    FROM timeline t LEFT JOIN contents c ON c.dispatch = t.dispatch AND c.step = t.step
    WHERE t.at >= ? AND t.first_leaf IS NOT NULL ORDER BY t.dispatch, t.step
"""
_REFUSALS = "SELECT at, code, position FROM refusals WHERE at >= ? AND step = 'purpose' ORDER BY id"
_LEAVES = "SELECT l.position, l.hash, l.entry, r.sealed FROM leaves l LEFT JOIN records r ON r.position = l.position "
_SPAN = f"{_LEAVES} WHERE l.position >= ? AND l.position < ? ORDER BY l.position"
DECIDING = frozenset({leaf.Kind.DECISION, leaf.Kind.INTENT})
"""Kinds of leaves that say what the law came to."""
GONE = "its record has been destroyed (gallring)"
WHOLE = "its message was refused whole, and then no record is decided by itself"


class Opened(Protocol):
    """What comes out of a seal (`trust.sealing.Opened`)."""

    @property
    def records(self) -> Sequence[tuple[bytes, bytes]]:
        """Salt and hidden record of each leaf."""
        ...


Open = Callable[[Sealed, Sequence[LeafHash]], Opened]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One decision of the log."""

    position: int
    at: datetime
    policy: str | None
    """As its entry names it."""
    record: dict[str, Any] | None
    """The hidden record; None where there is none, and then `missing` says why."""
    missing: str = ""


def since(place: Place, at: datetime, opener: Open) -> Iterator[Judged]:
    """Yield every decision since a time: of messages, of what went out, and of messages that the law refused whole.

    Args:
        place: The store, on behalf of the owner.
        at: From then on.
        opener: Opens what is sealed (`Sealer.open`).

    Raises:
        IntegrityError: a record is not the one that its leaf commits to.
        UnavailableError: the store does not answer.
    """
    session = place.open()
    try:
        with session.translated(), session.reading():
            for row in session.execute(_MESSAGES, (written(at),)).fetchall():
                yield from _opened(session, row, opener)
            for row in session.execute(_STEPS, (written(at),)).fetchall():
                yield from _opened(session, row, opener)
            for moment, _, position in session.execute(_REFUSALS, (written(at),)).fetchall():
                yield Judged(position=position, at=instant(moment), policy=None, record=None, missing=WHOLE)
    finally:
        session.close()


def _opened(session: Session, row: Row, opener: Open) -> Iterator[Judged]:
    at, first, count = instant(row[1]), row[2], row[3]
    leaves = session.execute(_SPAN, (first, first + count)).fetchall()
    kinds = {position: orjson.loads(entry) for position, _, entry, _ in leaves}
    if not any(one["kind"] in DECIDING for one in kinds.values()):
        return
    whole = row[4] is not None and all(sealed is not None for *_, sealed in leaves)
    records: list[tuple[bytes, bytes] | None] = [None] * len(leaves)
    if whole:
        sealed = Sealed(
            key_id=row[4],
            wrapped_key=bytes(row[5]),
            evidence=bytes(row[6]),
            records=tuple(bytes(sealed) for *_, sealed in leaves),
        )
        records = [*opener(sealed, [LeafHash(bytes(hash_)) for _, hash_, _, _ in leaves]).records]
    for (position, _, entry, _), record in zip(leaves, records, strict=True):
        said = kinds[position]
        if said["kind"] not in DECIDING:
            continue
        if record is None:
            yield Judged(position=position, at=at, policy=said.get("policy"), record=None, missing=GONE)
            continue
        leaf.check(bytes(entry), salt=record[0], record=record[1])
        yield Judged(position=position, at=at, policy=said.get("policy"), record=_read(record[1]))


def _read(record: bytes) -> dict[str, Any]:
    found = orjson.loads(record)
    if not isinstance(found, dict):
        raise IntegrityError("a hidden record is none")
    return found
