"""Dispatches as the way out wants them (`outbound.ports.Held`): rows put together, for a few at a time.

What is sealed is read by the dispatcher's duty alone, but for what a partner fetches (`mailbox.py`). A step's seal
spans its content and the hidden records of its leaves, so those are read too, by way of a view that shows no others
(`dispatch_records`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from gateway.database import Row, Session, instant
from gateway.dispatch import AskerId, CommandId, DispatchId
from gateway.message import ContractId, Leaf, LeafHash, OrganisationNumber, PartnerId, Pseudonym, Sealed
from gateway.outbound import states
from gateway.outbound.ports import Asked, Held
from gateway.outbound.states import State
from gateway.review import NOTHING, Answered
from gateway.review import State as Stands
from gateway.store import waiting

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
_RECORDS = "SELECT position, sealed FROM dispatch_records WHERE position {0}"
"""By a list: PostgreSQL reads the whole of such a view where it is joined with something."""
_DEPOSITED = _RECORDS.replace("dispatch_records", "deposit_records")
"""The same where a partner fetches: the front sees no others."""
_LEAVES = """
    WITH wanted (p) AS (VALUES {values})
    SELECT position, entry, hash FROM wanted {join} leaves ON position = p
"""

_REVIEWS = """
    WITH wanted (n) AS (VALUES {values})
    SELECT r.dispatch, r.id, r.state, r.reasons, r.role, r.laws, r.answer, r.fields, l.hash, r.basis, r.lagrum
    FROM wanted {join} reviews r ON r.dispatch = n {join} leaves l ON l.position = r.leaf
    WHERE r.kind = 'dispatch' AND r.state IN ('open', 'asked', 'answered', 'permitted')
"""

Step = tuple[int, int]
"""Numbers of a dispatch and of a step of it."""


def read(
    session: Session, numbers: Sequence[int], *, names: Collection[str] | None = None, deposited: bool = False
) -> list[Held]:
    """Return the dispatches of these numbers, in this order; of their contents only those of these names, if any.

    `deposited`: they lie in mailboxes, and it is the front that asks.
    """
    keys = [(number,) for number in numbers]
    rows = {row[0]: row for row in session.match(_HELD, keys)}
    contents = _contents(session, keys, names, _DEPOSITED if deposited else _RECORDS)
    intents = [(row[14],) for row in rows.values() if row[14] is not None]
    leaves = {row[0]: row for row in session.match(_LEAVES, intents)}
    asked, answered = _reviews(session, [(number,) for number, row in rows.items() if row[8] in _REVIEWED])
    return [
        replace(
            _held(rows[number], contents.get(number, {}), leaves.get(rows[number][14])),
            asked=asked.get(number),
            answered=answered.get(number, NOTHING),
        )
        for number in numbers
        if number in rows
    ]


_REVIEWED = frozenset({State.REFERRED, State.DEPOSITED, *states.DUE})
"""States in which it matters what people have been asked, or have answered: it waits for that, or is judged by it."""


def _reviews(session: Session, keys: Sequence[Row]) -> tuple[dict[int, Asked], dict[int, Answered]]:
    """Return what dispatches wait for, and what people have said yes to."""
    asked: dict[int, Asked] = {}
    answered: dict[int, Answered] = defaultdict(lambda: NOTHING)
    for dispatch, number, state, reasons, role, laws, answer, fields, leaf, basis, lagrum in session.match(
        _REVIEWS, keys
    ):
        questions = tuple(reasons.split())
        if state == Stands.PERMITTED:
            passed = None if fields is None else frozenset(fields.split())
            yes = Answered(reasons=frozenset(questions), fields=passed, basis=basis, lagrum=tuple(lagrum.split()))
            answered[dispatch] = answered[dispatch].also(yes)
            continue
        said = waiting.said(session, number, answer, fields) if state == Stands.ANSWERED else None
        asked[dispatch] = Asked(
            number=number, reasons=questions, role=role, laws=tuple(laws.split()), leaf=LeafHash(leaf), said=said
        )
    return asked, answered


def sealed(session: Session, steps: Sequence[Row], records_of: str = _RECORDS) -> dict[Step, Sealed]:
    """Return what steps keep under seal, with their leaves' records.

    Args:
        session: Inside `reading`.
        steps: Of `contents`: dispatch, step, name, key_id, wrapped_key, sealed.
        records_of: What gives the records of leaves.
    """
    spans = {
        (dispatch, step): range(first, first + count)
        for dispatch, step, first, count in session.match(_STEPS, [(row[0], row[1]) for row in steps])
    }
    wanted = [(position,) for span in spans.values() for position in span]
    records: dict[int, bytes] = dict(session.listed(records_of, wanted)) if wanted else {}
    return {
        (row[0], row[1]): Sealed(
            key_id=row[3],
            wrapped_key=row[4],
            evidence=row[5],
            emptied=bool(row[2]) and not row[5],
            records=tuple(records[one] for one in spans.get((row[0], row[1]), ()) if one in records),
        )
        for row in steps
    }


def _contents(
    session: Session, keys: Sequence[Row], names: Collection[str] | None, records_of: str
) -> Mapping[int, Mapping[str, Sealed]]:
    """Return what is sealed, by dispatch and name; of two with one name the later."""
    rows = sorted(session.match(_CONTENTS, keys), key=lambda row: (row[0], row[1]))
    named = [row for row in rows if row[2] and (names is None or row[2] in names)]
    found = sealed(session, named, records_of)
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
