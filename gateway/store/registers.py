"""What the gateway judged by, kept: every register of law whole, and what the queues were declared to serve.

Whoever judges calls `keep` and `declare` before it judges anything by a register or routes anything by a declaration,
and goes on only when they have returned. So no decision names a register that is not here: if it cannot be kept,
nothing is judged by it. Each is written with its leaf in one transaction, under the journal's turn, as everything is
that adds to the log; what is there already is only looked at. Many processes may start at once: one writes, and the
others find it.

What is kept is read again each time and held to its hash: a register that the store has lost or changed is
IntegrityError, and nothing is judged until a person has looked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from gateway.audit.governing import Declared
from gateway.config import archive
from gateway.database import Row, Session, Turn, instant, written
from gateway.errors import IntegrityError
from gateway.message import Leaf, Sealed
from gateway.store.place import Place
from gateway.store.rows import LEAVES, NUMBERS, RECORDS, Added, Into, insert

_LAST = "SELECT policy, archive FROM registers ORDER BY position DESC LIMIT 1"
_ALL = "SELECT policy, predecessor, taken_at, position FROM registers ORDER BY position"
_REGISTER = "policy, predecessor, taken_at, archive, position, key_id, wrapped_key"
_DECLARED = "SELECT queues FROM declarations ORDER BY id DESC LIMIT 1"
_DECLARATION = "id, at, by, queues, position, key_id, wrapped_key"

Predecessor = tuple[str, Mapping[str, bytes]] | None
"""Hash and files of the register that was taken into use last; None: there was none."""
Made = tuple[Leaf, Sealed]
"""A leaf, and its record under a key of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A register that was judged by."""

    policy: str
    predecessor: str | None
    taken_at: datetime
    """When it was taken into use for the first time."""
    position: int
    """Of its leaf."""


def keep(  # noqa: PLR0913  # settings, each by its name
    place: Place,
    law: Mapping[str, bytes],
    policy: str,
    at: datetime,
    make: Callable[[Predecessor], Made],
    *,
    faults: Callable[[str], None] = lambda _point: None,
) -> bool:
    """Keep a register for good, and tell whether it is new here.

    Args:
        place: The store, on behalf of whoever judges.
        law: Its files.
        policy: Its hash.
        at: Now.
        make: Makes its leaf, beside the register before it.
        faults: Told each point of a write (each table, `commit`, `committed`); tests fail there.

    Raises:
        IntegrityError: The files are not those of the hash, or what is kept is another register.
        UnavailableError: It is not kept.
    """
    packed = archive.packed(law)
    archive.unpacked(packed, policy)
    session = place.open()
    try:
        with session.translated():
            if _kept(session, policy):
                return False
            with session.writing(Turn.JOURNAL):
                if _kept(session, policy):
                    return False
                last = session.execute(_LAST).fetchone()
                before = None if last is None else (last[0], archive.unpacked(bytes(last[1]), last[0]))
                leaf, sealed = make(before)
                row = (policy, None if before is None else before[0], written(at), packed)
                _add(session, "registers", _REGISTER, row, leaf, sealed, faults)
                faults("commit")
            faults("committed")
            return True
    finally:
        session.close()


def read(place: Place, policy: str) -> dict[str, bytes] | None:
    """Return the files of a register that was judged by, byte for byte; None where none of this hash was.

    Raises IntegrityError where what is kept does not have the hash, UnavailableError.
    """
    session = place.open()
    try:
        with session.translated():
            return _found(session, policy)
    finally:
        session.close()


def taken(place: Place) -> Sequence[Taken]:
    """Return every register that was judged by, in the order that they were taken into use. Raises UnavailableError."""
    session = place.open()
    try:
        with session.translated():
            rows = session.execute(_ALL).fetchall()
    finally:
        session.close()
    return [
        Taken(policy=policy, predecessor=predecessor, taken_at=instant(at), position=position)
        for policy, predecessor, at, position in rows
    ]


def declare(  # noqa: PLR0913  # settings, each by its name
    place: Place,
    queues: Mapping[str, Declared],
    at: datetime,
    by: str,
    make: Callable[[Mapping[str, Declared]], Made],
    *,
    faults: Callable[[str], None] = lambda _point: None,
) -> bool:
    """Write down what the queues serve from now on, and tell whether anything has changed.

    Args:
        place: The store, on behalf of whoever routes.
        queues: By name.
        at: Now.
        by: User, machine and process.
        make: Makes the leaf of the change, beside what was declared last.
        faults: As for `keep`.

    Raises:
        UnavailableError: It is not written.
    """
    session = place.open()
    try:
        with session.translated():
            if _declared(session) == queues:
                return False
            with session.writing(Turn.JOURNAL):
                before = _declared(session)
                if before == queues:
                    return False
                leaf, sealed = make(before or {})
                (number,) = session.execute("SELECT coalesce(max(id), 0) + 1 FROM declarations").fetchone()
                row = (number, written(at), by, _text(queues))
                _add(session, "declarations", _DECLARATION, row, leaf, sealed, faults)
                faults("commit")
            faults("committed")
            return True
    finally:
        session.close()


def _kept(session: Session, policy: str) -> bool:
    return _found(session, policy) is not None


def _found(session: Session, policy: str) -> dict[str, bytes] | None:
    row = session.execute("SELECT archive FROM registers WHERE policy = ?", (policy,)).fetchone()
    return None if row is None else archive.unpacked(bytes(row[0]), policy)


def _declared(session: Session) -> Mapping[str, Declared] | None:
    row = session.execute(_DECLARED).fetchone()
    if row is None:
        return None
    try:
        return {
            name: Declared(**{key: tuple(values) for key, values in one.items()})
            for name, one in orjson.loads(row[0]).items()
        }
    except (orjson.JSONDecodeError, AttributeError, TypeError):
        raise IntegrityError("what the queues were declared to serve cannot be read") from None


def _text(queues: Mapping[str, Declared]) -> str:
    return orjson.dumps(queues, option=orjson.OPT_SORT_KEYS).decode()


def _add(  # noqa: PLR0913, PLR0917  # a row, and the leaf that tells of it
    session: Session,
    table: str,
    columns: str,
    row: Row,
    leaf: Leaf,
    sealed: Sealed,
    faults: Callable[[str], None],
) -> None:
    """Insert a row with its leaf, inside the turn; the row's last three columns are the leaf's place and its key."""
    added = Added(*session.execute(f"SELECT {NUMBERS}").fetchone())
    whole = (*row, added.position, sealed.key_id, sealed.wrapped_key)
    added.log((leaf,), sealed.records)
    parts = (
        Into("leaves", LEAVES, added.leaves),
        Into("records", RECORDS, added.records),
        *added.traced(),
        Into(table, columns, [whole]),
    )
    insert(session, parts, faults)
