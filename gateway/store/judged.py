"""What was judged since a day, leaf by leaf, with the hidden records opened: for whoever holds the sealing key.

A record is sealed under the key of its message, of its dispatch's step or of its review, so it is read together with
that, some at a time. On PostgreSQL nobody who serves may read sealed records; this is done as the archivist, by people,
who have said why (`cli.reading`), and only reads.
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
    SELECT m.accepted_at, m.first_leaf, m.leaf_count, e.key_id, e.wrapped_key, e.sealed, m.id
    FROM messages m LEFT JOIN evidence e ON e.message = m.id
    WHERE m.accepted_at >= ? AND m.id > ? ORDER BY m.id LIMIT ?
"""
_STEPS = """
    SELECT t.at, t.first_leaf, t.leaf_count, c.key_id, c.wrapped_key, CASE WHEN c.name <> '' THEN c.sealed END,
        t.dispatch, t.step
    FROM timeline t LEFT JOIN contents c ON c.dispatch = t.dispatch AND c.step = t.step
    WHERE t.at >= ? AND (t.dispatch, t.step) > (?, ?) AND t.first_leaf IS NOT NULL ORDER BY t.dispatch, t.step LIMIT ?
"""
_REVIEWS = """
    SELECT r.changed_at, r.outcome, 1, r.key_id, r.wrapped_key, NULL, r.outcome
    FROM reviews r WHERE r.kind <> 'dispatch' AND r.changed_at >= ? AND r.outcome > ? ORDER BY r.outcome LIMIT ?
"""
_REFUSALS = "SELECT at, code, position FROM refusals WHERE at >= ? AND step = 'purpose' ORDER BY id"
_LEAVES = "SELECT l.position, l.hash, l.entry, r.sealed FROM leaves l LEFT JOIN records r ON r.position = l.position "
_SPAN = f"{_LEAVES} WHERE l.position >= ? AND l.position < ? ORDER BY l.position"
_KEY = 6
"""Where a row's key begins."""
_FEW = 200
"""Of what is sealed, in memory at once."""
DECIDING = frozenset({leaf.Kind.DECISION, leaf.Kind.INTENT, leaf.Kind.REVIEW})
"""Kinds of leaves that say what the law came to; of reviews those that had it judged again."""
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
        place: The store, on behalf of the archivist.
        at: From then on.
        opener: Opens what is sealed (`Sealer.open`).

    Raises:
        IntegrityError: a record is not the one that its leaf commits to.
        UnavailableError: the store does not answer.
    """
    session = place.open()
    try:
        with session.translated(), session.reading():
            for query in (_MESSAGES, _STEPS, _REVIEWS):
                for row in _each(session, query, written(at)):
                    yield from _opened(session, row, opener)
            for moment, _, position in session.execute(_REFUSALS, (written(at),)).fetchall():
                yield Judged(position=position, at=instant(moment), policy=None, record=None, missing=WHOLE)
    finally:
        session.close()


def _each(session: Session, query: str, at: str) -> Iterator[Row]:
    """Yield the rows of a query, some at a time: what follows their six facts is their key, and their order."""
    after: Row | None = None
    while True:
        key = (-1,) * (query.count("?") - 2) if after is None else after[_KEY:]
        rows = session.execute(query, (at, *key, _FEW)).fetchall()
        if not rows:
            return
        yield from rows
        after = rows[-1]


def _opened(session: Session, row: Row, opener: Open) -> Iterator[Judged]:
    moment, first, count, key_id, wrapped_key, evidence, *_ = row
    at = instant(moment)
    leaves = session.execute(_SPAN, (first, first + count)).fetchall()
    kinds = {position: orjson.loads(entry) for position, _, entry, _ in leaves}
    if not any(one["kind"] in DECIDING for one in kinds.values()):
        return
    emptied = evidence is not None and not evidence  # NULL: there never was any
    whole = wrapped_key is not None and (emptied or all(sealed is not None for *_, sealed in leaves))
    records: list[tuple[bytes, bytes] | None] = [None] * len(leaves)
    if whole:
        sealed = Sealed(
            key_id=key_id,
            wrapped_key=bytes(wrapped_key),
            evidence=bytes(evidence or b""),
            emptied=emptied,
            records=tuple(bytes(sealed or b"") for *_, sealed in leaves),
        )
        opened = opener(sealed, [LeafHash(bytes(hash_)) for _, hash_, _, _ in leaves]).records
        records = [one if one[1] else None for one in opened]
    for (position, _, entry, _), record in zip(leaves, records, strict=True):
        said = kinds[position]
        if said["kind"] not in DECIDING:
            continue
        if record is None:
            yield Judged(position=position, at=at, policy=said.get("policy"), record=None, missing=GONE)
            continue
        leaf.check(bytes(entry), salt=record[0], record=record[1])
        told = _read(record[1])
        if said["kind"] == leaf.Kind.REVIEW and told["outcome"] is None:
            continue  # a person's no, or none in time: not the law's
        yield Judged(position=position, at=at, policy=said.get("policy"), record=told)


def _read(record: bytes) -> dict[str, Any]:
    found = orjson.loads(record)
    if not isinstance(found, dict):
        raise IntegrityError("a hidden record is none")
    return found
