"""Dispatches as the way out wants them (`outbound.ports.Held`): rows put together, for a few at a time.

What is sealed is read by the dispatcher's duty alone, but for what a partner fetches (`mailbox.py`). A step's seal
spans its content and the hidden records of its leaves, so those are read too, by way of a view that shows no others
(`dispatch_records`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from gateway.database import Row, Session, instant
from gateway.dispatch import AskerId, CommandId, DispatchId
from gateway.message import ContractId, Leaf, LeafHash, OrganisationNumber, PartnerId, Pseudonym, Sealed
from gateway.outbound.ports import Held
from gateway.outbound.states import State

_HELD = """
    WITH wanted (n) AS (VALUES {values})
    SELECT d.id, d.dispatch, c.command, c.asker, d.contract, d.partner, d.organisation, d.position, d.state, d.step,
           d.attempts, coalesce(d.due, d.over_at, d.changed_at), d.expires, d.first_failure, d.intent, d.pseudonym
    FROM wanted {join} dispatches d ON d.id = n {join} commands c ON c.id = d.command
"""
_CONTENTS = """
    WITH wanted (n) AS (VALUES {values})
    SELECT dispatch, step, name, key_id, wrapped_key, sealed FROM wanted {join} contents ON dispatch = n
"""
_STEPS = """
    WITH wanted (d, s) AS (VALUES {values})
    SELECT dispatch, step, first_leaf, leaf_count FROM wanted {join} timeline ON dispatch = d AND step = s
    WHERE first_leaf IS NOT NULL
"""
_RECORDS = """
    WITH wanted (p) AS (VALUES {values})
    SELECT position, sealed FROM wanted {join} dispatch_records ON position = p
"""
_LEAVES = """
    WITH wanted (p) AS (VALUES {values})
    SELECT position, entry, hash FROM wanted {join} leaves ON position = p
"""

Step = tuple[int, int]
"""Numbers of a dispatch and of a step of it."""


def read(session: Session, numbers: Sequence[int], *, names: Collection[str] | None = None) -> list[Held]:
    """Return the dispatches of these numbers, in this order; of their contents only those of these names, if any."""
    keys = [(number,) for number in numbers]
    rows = {row[0]: row for row in session.match(_HELD, keys)}
    contents = _contents(session, keys, names)
    intents = [(row[14],) for row in rows.values() if row[14] is not None]
    leaves = {row[0]: row for row in session.match(_LEAVES, intents)}
    return [
        _held(rows[number], contents.get(number, {}), leaves.get(rows[number][14]))
        for number in numbers
        if number in rows
    ]


def sealed(session: Session, steps: Sequence[Row]) -> dict[Step, Sealed]:
    """Return what steps keep under seal, with their leaves' records.

    Args:
        session: Inside `reading`.
        steps: Of `contents`: dispatch, step, name, key_id, wrapped_key, sealed.
    """
    spans = {
        (dispatch, step): range(first, first + count)
        for dispatch, step, first, count in session.match(_STEPS, [(row[0], row[1]) for row in steps])
    }
    wanted = [(position,) for span in spans.values() for position in span]
    records: dict[int, bytes] = dict(session.match(_RECORDS, wanted))
    return {
        (row[0], row[1]): Sealed(
            key_id=row[3],
            wrapped_key=row[4],
            evidence=row[5],
            records=tuple(records[one] for one in spans.get((row[0], row[1]), ()) if one in records),
        )
        for row in steps
    }


def _contents(
    session: Session, keys: Sequence[Row], names: Collection[str] | None
) -> Mapping[int, Mapping[str, Sealed]]:
    """Return what is sealed, by dispatch and name; of two with one name the later."""
    rows = sorted(session.match(_CONTENTS, keys), key=lambda row: (row[0], row[1]))
    named = [row for row in rows if row[2] and (names is None or row[2] in names)]
    found = sealed(session, named)
    contents: dict[int, dict[str, Sealed]] = defaultdict(dict)
    for row in named:
        contents[row[0]][row[2]] = found[row[0], row[1]]
    return contents


def _held(row: Row, contents: Mapping[str, Sealed], intent: Row | None) -> Held:
    pseudonym = None if row[15] is None else Pseudonym(row[15])
    return Held(
        id=DispatchId(row[1]),
        number=row[0],
        command=CommandId(row[2]),
        asker=AskerId(row[3]),
        contract=ContractId(row[4]),
        partner=PartnerId(row[5]),
        organisation=OrganisationNumber(row[6]) if row[6] else None,
        position=row[7],
        state=State(row[8]),
        step=row[9],
        attempts=row[10],
        due=instant(row[11]),
        expires=instant(row[12]),
        first_failure=row[13],
        contents=contents,
        intent=None if intent is None else (intent[0], _leaf(intent, pseudonym)),
    )


def _leaf(row: Row, pseudonym: Pseudonym | None) -> Leaf:
    return Leaf(entry=row[1], hash=LeafHash(row[2]), salt=b"", record=b"", pseudonym=pseudonym)
