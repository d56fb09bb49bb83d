"""The trail held to the sealed records, and made again from them (`gateway audit trail check|rebuild`).

A leaf's trail is a function of its record, so whoever may open records can tell whether a row says what its record
says, and can make the rows of a log that is older than its trail. Leaves are gone through in the order of the log. What
one seal spans (a message, a refusal, a step of a dispatch, a review, what governs) is opened once, and each record is
proven to be the one that its entry commits to before it is believed.

A record that gallring has destroyed has no trail, and none is made: a row that outlived its record is told of.
Rebuilding only adds what is not there. It may be stopped and begun again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import orjson

from gateway.audit import leaf
from gateway.audit import trail as trailing
from gateway.database import Row, Session, Turn, written
from gateway.errors import IntegrityError
from gateway.message import LeafHash, Sealed
from gateway.ports import Clock
from gateway.store import trails
from gateway.store.place import Place
from gateway.trail import Trail

_LEAF = "SELECT message, refusal, dispatch, entry FROM leaves WHERE position = ?"
_END = "SELECT coalesce(max(position), -1) FROM leaves"
_MESSAGE = """
    SELECT m.first_leaf, m.leaf_count, e.key_id, e.wrapped_key, e.sealed, length(e.sealed) = 0
    FROM messages m LEFT JOIN evidence e ON e.message = m.id WHERE m.id = ?
"""
_REFUSAL = """
    SELECT f.position, 1, f.key_id, f.wrapped_key, q.sealed, NULL
    FROM refusals f LEFT JOIN quarantine q ON q.refusal = f.id WHERE f.id = ?
"""
_STEP = """
    SELECT t.first_leaf, t.leaf_count, c.key_id, c.wrapped_key, c.sealed, c.name <> '' AND length(c.sealed) = 0
    FROM timeline t LEFT JOIN contents c ON c.dispatch = t.dispatch AND c.step = t.step
    WHERE t.dispatch = ? AND t.first_leaf <= ? ORDER BY t.first_leaf DESC LIMIT 1
"""
_ALONE = (
    *(
        f"SELECT position, 1, key_id, wrapped_key, NULL, NULL FROM {table} WHERE position = ?"  # noqa: S608  # our own
        for table in ("registers", "declarations", "shieldings", "gallringar", "hold_steps")
    ),
    "SELECT outcome, 1, key_id, wrapped_key, NULL, NULL FROM reviews WHERE outcome = ? AND kind <> 'dispatch'",
)
"""Leaves with a key of their own."""
_SPAN = """
    SELECT l.position, l.hash, l.entry, r.sealed FROM leaves l LEFT JOIN records r ON r.position = l.position
    WHERE l.position >= ? AND l.position < ? ORDER BY l.position
"""
_COLUMNS = ", ".join(
    [*(f't."{one}"' for one in trails.TRAIL.split(", ")), *(f"f.{one}" for one in trails.FLOW.split(", "))]
)
_STORED = f"SELECT {_COLUMNS} FROM trail t JOIN flows f ON f.id = t.flow WHERE t.position = ?"  # noqa: S608  # our own names
MEND = "the store's owner runs `gateway audit trail rebuild`"
BATCH = 500
"""Leaves in one transaction."""


class Opened(Protocol):
    """What comes out of a seal (`trust.sealing.Opened`)."""

    @property
    def records(self) -> Sequence[tuple[bytes, bytes]]:
        """Salt and hidden record of each leaf."""
        ...


Open = Callable[[Sealed, Sequence[LeafHash]], Opened]


class Names(Protocol):
    """Keyed hashes (`trust.pseudonym.Pseudonyms`)."""

    def case(self, reference: str) -> str: ...  # noqa: D102
    def consent(self, reference: str) -> str: ...  # noqa: D102


class Found(NamedTuple):
    """One leaf, and what its trail must be."""

    position: int
    wanted: Trail | None
    """None where its record cannot be opened."""
    kept: bool
    """Whether the record is there, opened or not."""


@dataclass(slots=True)
class Report:
    """What a check found, or a rebuilding made."""

    leaves: int = 0
    destroyed: int = 0
    """Records that are gone."""
    unopened: int = 0
    """Records that are there, and cannot be opened: others under the same key are gone."""
    made: int = 0
    missing: list[int] = field(default_factory=list)
    """Positions that have a record and no trail."""
    differing: list[int] = field(default_factory=list)
    """Positions whose trail is not what the record says."""
    surplus: list[int] = field(default_factory=list)
    """Positions with a trail that outlived their record."""

    @property
    def whole(self) -> bool:
        """Tell whether every trail says what its record says, and none is missing."""
        return not (self.missing or self.differing or self.surplus)


def gap(session: Session) -> tuple[int, int] | None:
    """Return the first and last leaf of what is older than the trail and has none yet."""
    row = session.execute("SELECT min(first), max(last) FROM trail_gaps WHERE filled_at IS NULL").fetchone()
    return None if row[0] is None else (int(row[0]), int(row[1]))


def told(gap_: tuple[int, int]) -> str:
    """Say what is missing."""
    return f"leaves {gap_[0]} to {gap_[1]} are older than the trail"


def check(place: Place, opener: Open, names: Names) -> Report:
    """Compare every trail with its record.

    Args:
        place: The store, on behalf of the owner.
        opener: Opens what is sealed (`Sealer.open`).
        names: Keys of cases and consents.

    Raises:
        IntegrityError: a record is not the one that its leaf commits to.
        UnavailableError: the store does not answer.
    """
    report, session = Report(), place.open()
    try:
        with session.translated(), session.reading():
            for found in _each(session, 0, session.execute(_END).fetchone()[0], opener, names):
                report.leaves += 1
                row = session.execute(_STORED, (found.position,)).fetchone()
                _compare(report, found, row)
    finally:
        session.close()
    return report


def rebuild(
    place: Place, opener: Open, names: Names, clock: Clock, *, told: Callable[[int], None] = lambda _leaves: None
) -> Report:
    """Make the trail of every leaf that is from before it; return how many were made.

    Args:
        place: The store, on behalf of the owner.
        opener: Opens what is sealed.
        names: Keys of cases and consents.
        clock: When it is whole.
        told: Told how many leaves have been gone through.

    Raises:
        IntegrityError: a record is not the one that its leaf commits to; nothing is made of it.
        UnavailableError: the store does not answer. Begin again: what was made is kept.
    """
    report, session = Report(), place.open()
    try:
        with session.translated():
            for first, last in session.execute("SELECT first, last FROM trail_gaps WHERE filled_at IS NULL").fetchall():
                at = first
                while at <= last:
                    at = _filled(session, at, last, report, (opener, names))
                    told(report.leaves)
                with session.writing(Turn.JOURNAL):
                    session.execute(
                        "UPDATE trail_gaps SET filled_at = ? WHERE first = ?", (written(clock.now()), first)
                    )
    finally:
        session.close()
    return report


def _filled(session: Session, first: int, last: int, report: Report, by: tuple[Open, Names]) -> int:
    """Make the trail of some leaves in one transaction; return which comes next."""
    with session.writing(Turn.JOURNAL):
        rows: list[Row] = []
        flows: dict[int, Row] = {}
        at = first
        for position, wanted, kept in _each(session, first, min(last, first + BATCH - 1), *by):
            report.leaves, at = report.leaves + 1, position + 1
            if wanted is None:
                report.destroyed += not kept
                report.unopened += kept
                continue
            if session.execute("SELECT 1 FROM trail WHERE position = ?", (position,)).fetchone() is None:
                flows[wanted.flow.number] = trails.flow_row(wanted.flow)
                rows.append(trails.row(position, wanted))
        session.insert("flows", trails.FLOW, list(flows.values()), trails.KNOWN)
        session.insert("trail", trails.TRAIL, rows)
        report.made += len(rows)
    return at


def _compare(report: Report, found: Found, row: Sequence[Any] | None) -> None:
    if not found.kept:
        report.destroyed += 1
        if row is not None:
            report.surplus.append(found.position)
        return
    report.unopened += found.wanted is None
    if row is None:
        report.missing.append(found.position)
        return
    if found.wanted is None:
        return
    columns = len(trails.TRAIL.split(", "))
    if trails.read(row[:columns], row[columns:]) != found.wanted:
        report.differing.append(found.position)


def _each(session: Session, first: int, last: int, opener: Open, names: Names) -> Iterator[Found]:
    """Yield leaf by leaf what its trail must be; the last span may go on beyond `last`."""
    at = first
    while at <= last:
        row = session.execute(_LEAF, (at,)).fetchone()
        if row is None:
            raise IntegrityError(f"leaf {at} is not there")
        span = _span(session, at, row)
        begin, count = (at, 1) if span is None else (span[0], span[1])
        for position, record, kept in _opened(session, begin, count, None if span is None else span[2:], opener):
            if position >= at:
                yield Found(position, None if record is None else wanted(record, names), kept)
        at = begin + count


def _span(session: Session, position: int, row: Row) -> Row | None:
    """Return what one seal spans: first leaf, count, key id, wrapped key, content, whether that was destroyed."""
    message, refusal, dispatch, _ = row
    if message is not None:
        found = session.execute(_MESSAGE, (message,)).fetchone()
    elif refusal is not None:
        found = session.execute(_REFUSAL, (refusal,)).fetchone()
    elif dispatch is not None:
        found = session.execute(_STEP, (dispatch, position)).fetchone()
    else:
        alone = (session.execute(query, (position,)).fetchone() for query in _ALONE)
        found = next((one for one in alone if one is not None), None)
    return None if found is None or not found[0] <= position < found[0] + found[1] else tuple(found)


def _opened(
    session: Session, first: int, count: int, seal: Row | None, opener: Open
) -> Iterator[tuple[int, Mapping[str, Any] | None, bool]]:
    leaves = session.execute(_SPAN, (first, first + count)).fetchall()
    key_id, wrapped_key, content, emptied = seal or (None, None, None, None)
    if wrapped_key is None or not (emptied or all(sealed is not None for *_, sealed in leaves)):
        yield from ((position, None, sealed is not None) for position, _, _, sealed in leaves)
        return
    sealed = Sealed(
        key_id=key_id,
        wrapped_key=bytes(wrapped_key),
        evidence=bytes(content or b""),
        records=tuple(bytes(sealed or b"") for *_, sealed in leaves),
        emptied=bool(emptied),
    )
    opened = opener(sealed, [LeafHash(bytes(hash_)) for _, hash_, _, _ in leaves]).records
    for (position, _, entry, _), (salt, record) in zip(leaves, opened, strict=True):
        if not record:
            yield position, None, False
            continue
        leaf.check(bytes(entry), salt=salt, record=record)
        yield position, orjson.loads(record), True


def wanted(record: Mapping[str, Any], names: Names) -> Trail:
    """Return the trail of an opened record. Raises IntegrityError."""
    case, consent = record.get("case"), record.get("consent")
    return trailing.of(
        record,
        case=None if case is None else names.case(case),
        consent=None if consent is None else names.consent(consent),
    )
