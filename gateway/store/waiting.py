"""Reviews as rows: opened in the transaction that commits what waits, and moved one step at a time.

A review is numbered under the turn `JOURNAL`, which whoever adds leaves holds. Its steps are rows that nobody changes;
the review says where they have led. Whoever moves one holds its row, so two who answer at once meet there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from gateway.database import Row, Session, instant, written
from gateway.review import FINAL, Action, Answer, Kind, Opening, Said, Standing, State, fingerprint
from gateway.store.rows import Into

OPENED = (
    "id, kind, message, refusal, dispatch, record, partner, organisation, contract, information, basis, lagrum, "
    "policy, reasons, role, four_eyes, balancing, laws, opened_at, expires_at, leaf, changed_at"
)
STEP = "review, step, action, after, by, role, account, answer, fields, reason, note, at"
_LOCK = """
    UPDATE reviews SET state = state WHERE id = ?
    RETURNING kind, state, role, four_eyes, balancing, reasons, expires_at, step, answer, fields, dispatch
"""
"""Reads a review and holds it: who else moves it waits, and then finds it as we leave it."""
_SAID = """
    SELECT action, by, reason, note, at, role, step, answer, fields FROM review_steps
    WHERE review = ? AND action IN ('answer', 'ask', 'approve') ORDER BY step DESC LIMIT 2
"""
PERSONS = "review, record, person, own"


class Waits(NamedTuple):
    """A review to be opened, and the rows that it is about."""

    opening: Opening
    leaf: int
    """Position of the leaf that says that it waits."""
    message: int | None = None
    refusal: int | None = None
    dispatch: int | None = None


class Moved(NamedTuple):
    """One step of a review, as it is written."""

    action: Action
    after: State
    at: datetime
    by: str = ""
    role: str = ""
    account: str = ""
    reason: str = ""
    note: str | None = None


class Locked(NamedTuple):
    """A review that this transaction holds."""

    number: int
    standing: Standing
    step: int
    answer: Answer | None
    fields: str | None
    dispatch: int | None


def opened(session: Session, waits: Sequence[Waits], *, like: int | None = None) -> tuple[Into, ...]:
    """Return the rows of new reviews, numbered, and of the persons that they are about. The turn `JOURNAL` is held.

    `like`: they are about the persons of this other review, which has not ended yet.
    """
    if not waits:
        return ()
    (first,) = session.execute("SELECT coalesce(max(id), 0) + 1 FROM reviews").fetchone()
    numbered = list(enumerate(waits, start=first))
    known: list[Row] = []
    if like is not None:
        known = session.execute("SELECT record, person, own FROM review_persons WHERE review = ?", (like,)).fetchall()
    persons = {
        (number, record, person): own
        for number, each in numbered
        for record, person, own in (*known, *each.opening.persons)
    }
    return (
        Into("reviews", OPENED, [_row(number, one) for number, one in numbered]),
        Into("review_persons", PERSONS, [(*key, bool(own)) for key, own in persons.items()]),
    )


def _row(number: int, waits: Waits) -> Row:
    one = waits.opening
    at = written(one.opened_at)
    return (
        number, one.kind.value, waits.message, waits.refusal, waits.dispatch, one.record, one.partner, one.organisation,
        one.contract, one.information, one.basis, " ".join(one.lagrum), one.policy, " ".join(one.reasons), one.role,
        one.four_eyes, one.balancing, " ".join(one.laws), at, written(one.expires_at), waits.leaf, at,
    )  # fmt: skip


def lock(session: Session, number: int) -> Locked | None:
    """Hold a review until the commit, and return it; None if there is none."""
    rows = session.execute(_LOCK, (number,)).fetchall()
    if not rows:
        return None
    kind, state, role, four_eyes, balancing, reasons, expires_at, step, answer, fields, dispatch = rows[0]
    asked_by, asked_at, asked, asked_role = None, None, None, None
    if state == State.ASKED:
        ((_, asked_by, reason, note, at, asked_role, asked_in, *what), *_) = session.execute(
            _SAID, (number,)
        ).fetchall()
        asked_at = instant(at)
        asked = fingerprint(number, asked_in, *what, asked_by, asked_role, reason, note)
    standing = Standing(
        kind=Kind(kind),
        state=State(state),
        role=role,
        four_eyes=bool(four_eyes),
        balancing=bool(balancing),
        reasons=tuple(reasons.split()),
        expires_at=instant(expires_at),
        asked_by=asked_by,
        asked_at=asked_at,
        asked=asked,
        asked_role=asked_role,
    )
    return Locked(number, standing, step, None if answer is None else Answer(answer), fields, dispatch)


def move(session: Session, held: Locked, moved: Moved, *, outcome: Row = (None, None, None)) -> None:
    """Write one step, and where it leads; `outcome` is its leaf's position, key id and wrapped key.

    With its end it is forgotten here whom it was about: its leaf knows.
    """
    if moved.after in FINAL:
        session.execute("DELETE FROM review_persons WHERE review = ?", (held.number,))
    session.execute(
        "UPDATE reviews SET state = ?, step = ?, changed_at = ?, outcome = ?, key_id = ?, wrapped_key = ? WHERE id = ?",
        (moved.after.value, held.step + 1, written(moved.at), *outcome, held.number),
    )
    _add(session, held, moved)


def answer(session: Session, held: Locked, moved: Moved) -> None:
    """Write a person's step: what was answered is `held.answer` and `held.fields`."""
    session.execute(
        "UPDATE reviews SET state = ?, step = ?, changed_at = ?, answer = ?, fields = ? WHERE id = ?",
        (
            moved.after.value, held.step + 1, written(moved.at),
            None if held.answer is None else held.answer.value, held.fields, held.number,
        ),
    )  # fmt: skip
    _add(session, held, moved)


def _add(session: Session, held: Locked, moved: Moved) -> None:
    row = (
        held.number, held.step + 1, moved.action.value, moved.after.value, moved.by, moved.role, moved.account,
        None if held.answer is None else held.answer.value, held.fields, moved.reason, moved.note, written(moved.at),
    )  # fmt: skip
    session.insert("review_steps", STEP, [row])


def said(session: Session, number: int, answer: str | None, fields: str | None) -> Said | None:
    """Return what people answered, if they have."""
    rows = session.execute(_SAID, (number,)).fetchall()
    if answer is None or not rows:
        return None
    # The last is the approval of the one before, or it took but one.
    first = rows[1] if rows[0][0] == Action.APPROVE else rows[0]
    return Said(
        answer=Answer(answer),
        by=first[1],
        second=rows[0][1] if rows[0][0] == Action.APPROVE else None,
        reason=first[2],
        note=first[3],
        fields=None if fields is None else frozenset(fields.split()),
        at=instant(rows[0][4]),
        role=first[5],
    )
