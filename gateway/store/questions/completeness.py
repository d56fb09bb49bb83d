"""What is missing: Q14. The log is held to the facts, and the facts to themselves, a stretch of numbers at a time.

Positions, and the numbers of messages, refusals and commands, are given one after the other while a turn is held, so
a number that is not there is a row that is gone. A page looks at one stretch: it may find nothing and still not be the
last, so the answer says where to ask on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Final

from gateway.database import Session, written
from gateway.outbound import states
from gateway.store.questions.question import Answer, Asked, Parameter, Question, Shape, Value

STRETCH: Final = 50_000
"""Numbers that are looked at for one page."""
Found = tuple[Value, ...]
_ALONE: Final = (
    "SELECT position FROM registers UNION ALL SELECT position FROM declarations UNION ALL SELECT outcome "
    "FROM reviews "
    "WHERE outcome IS NOT NULL UNION ALL SELECT position FROM gallringar UNION ALL SELECT position FROM shieldings "
    "UNION ALL SELECT position FROM hold_steps WHERE position IS NOT NULL"
)
"""Leaves that are told of by what has one leaf of its own."""


def _gaps(asked: Asked) -> Answer:
    stage, number, gap = asked.page.after or (0, 0, "")
    checks, stage, first = _checks(asked), int(stage), int(number)
    end = int(asked.session.execute(_ENDS[stage]).fetchone()[0])
    beyond = min(first + STRETCH, end + 1)
    rows = sorted(checks[stage](asked.session, first, beyond), key=_key) if first <= end else []
    rows = [row for row in rows if _key(row) > (first, str(gap))]
    if len(rows) > asked.page.limit:
        rows = rows[: asked.page.limit]
        return Answer(rows=rows, more=(stage, *_key(rows[-1])))
    if beyond <= end:
        return Answer(rows=rows, more=(stage, beyond, ""))
    return Answer(rows=rows, more=(stage + 1, 0, "") if stage + 1 < len(checks) else None)


def _key(row: Found) -> tuple[int, str]:
    gap, number, *_ = row
    return int(number or 0), str(gap)


Check = Callable[[Session, int, int], Iterator[Found]]
_ENDS: Final = (
    "SELECT coalesce(max(position), -1) FROM leaves",
    "SELECT coalesce(max(id), -1) FROM messages",
    "SELECT coalesce(max(id), -1) FROM refusals",
    "SELECT coalesce(max(id), -1) FROM commands",
    "SELECT coalesce(max(id), -1) FROM dispatches",
    "SELECT coalesce(max(id), -1) FROM outbox",
)
"""The last number of what each check goes through."""


def _checks(asked: Asked) -> Sequence[Check]:
    old = written(asked.now - timedelta(hours=asked.whole("hours")))
    return (
        _leaves,
        _messages,
        lambda session, first, beyond: _numbers(session, "refusals", first, beyond),
        lambda session, first, beyond: _numbers(session, "commands", first, beyond),
        lambda session, first, beyond: _intents(session, first, beyond, old),
        lambda session, first, beyond: _undelivered(session, first, beyond, old),
    )


def _leaves(session: Session, first: int, beyond: int) -> Iterator[Found]:
    """Leaves that are not there, are told of by nothing, or have a record and no trail."""
    rows = session.execute(
        "SELECT l.position, CASE WHEN l.message IS NULL AND l.refusal IS NULL AND l.dispatch IS NULL THEN 1 "
        "ELSE 0 END, "
        "CASE WHEN f.id IS NULL THEN 1 ELSE 0 END FROM leaves l LEFT JOIN trail t ON t.position = l.position "
        "LEFT JOIN flows f ON f.id = t.flow "
        "WHERE l.position >= ? AND l.position < ? ORDER BY l.position",
        (first, beyond),
    ).fetchall()
    alone = _told_alone(session, first, beyond)
    expected = first
    for position, unowned, untold in rows:
        for missing in range(expected, position):
            yield "leaf missing", missing, None, "a position of the log without its leaf"
        expected = position + 1
        if unowned and position not in alone:
            yield "leaf unowned", position, None, "a leaf that nothing tells of"
        if untold and _kept(session, position):
            yield "trail missing", position, None, "a leaf whose record is there, and its trail is not"
    for missing in range(expected, beyond):
        yield "leaf missing", missing, None, "a position of the log without its leaf"


def _told_alone(session: Session, first: int, beyond: int) -> set[int]:
    sql = f"SELECT position FROM ({_ALONE}) a WHERE position >= ? AND position < ?"  # noqa: S608  # our own words
    return {row[0] for row in session.execute(sql, (first, beyond))}


def _kept(session: Session, position: int) -> bool:
    return session.execute("SELECT position FROM records WHERE position = ?", (position,)).fetchone() is not None


def _messages(session: Session, first: int, beyond: int) -> Iterator[Found]:
    """Messages that are gone, were accepted before the one before them, or have lost a leaf."""
    rows = session.execute(
        "SELECT m.id, m.accepted_at, m.leaf_count, (SELECT count(*) FROM leaves l WHERE l.position >= "
        "m.first_leaf AND "
        "l.position < m.first_leaf + m.leaf_count AND l.message = m.id) FROM messages m WHERE m.id >= ? AND m.id < ? "
        "ORDER BY m.id",
        (first, beyond),
    ).fetchall()
    row = session.execute("SELECT accepted_at FROM messages WHERE id < ? ORDER BY id DESC LIMIT 1", (first,)).fetchone()
    expected, before = max(first, 1), "" if row is None else row[0]
    for number, at, leaves, there in rows:
        for missing in range(expected, number):
            yield "message missing", missing, None, "a number that was given to no message that is here"
        expected = number + 1
        if at < before:
            yield "clock went back", number, at, f"the message before was accepted {before}"
        before = at
        if there != leaves:
            yield "leaf missing of message", number, at, f"{there} of {leaves} leaves"
    for missing in range(expected, beyond):
        yield "message missing", missing, None, "a number that was given to no message that is here"


def _numbers(session: Session, table: str, first: int, beyond: int) -> Iterator[Found]:
    first = max(first, 1)
    rows = session.execute(f"SELECT id FROM {table} WHERE id >= ? AND id < ?", (first, beyond))  # noqa: S608  # our own
    for missing in sorted(set(range(first, beyond)) - {row[0] for row in rows}):
        yield f"{table} missing", missing, None, "a number that was given to nothing that is here"


def _intents(session: Session, first: int, beyond: int, old: str) -> Iterator[Found]:
    """What was meant to be disclosed, and of which nobody has said for long what became of it."""
    ended = ", ".join("?" * len(states.ENDED))
    rows = session.execute(
        "SELECT id, changed_at, state, dispatch FROM dispatches WHERE id >= ? AND id < ? AND intent IS NOT NULL "  # noqa: S608
        f"AND state NOT IN ({ended}) AND changed_at < ? ORDER BY id",
        (first, beyond, *sorted(states.ENDED), old),
    ).fetchall()
    for number, at, state, dispatch in rows:
        yield "intent without end", number, at, f"{dispatch} is {state}"


def _undelivered(session: Session, first: int, beyond: int, old: str) -> Iterator[Found]:
    """Events that no broker has confirmed for long."""
    rows = session.execute(
        "SELECT o.id, m.accepted_at, o.event FROM outbox o JOIN messages m ON m.id = o.message "
        "WHERE o.id >= ? AND o.id < ? AND m.accepted_at < ? ORDER BY o.id",
        (first, beyond, old),
    ).fetchall()
    for number, at, event in rows:
        yield "event undelivered", number, at, str(event)


QUESTIONS = (
    Question(
        id="Q14",
        title="Luckor",
        tells="Positioner i loggen utan löv, löv som inget berättar om, löv utan spår, meddelanden, avvisningar och "
        "kommandon vars nummer fattas, meddelanden som förlorat löv, tid som gått baklänges, avsikter utan slut och "
        "händelser som ingen kö tagit emot.",
        silent="Partners numrerar inte det de sänder. Ett meddelande som aldrig skrevs här syns bara i "
        "partnerns egna "
        "kvitton: stäm av mot dem. Att loggen inte är omskriven prövar `gateway audit verify` och vittnena.",
        columns=("gap", "number", "at", "detail"),
        parameters=(Parameter(name="hours", help="Hur länge något får vara på väg.", shape=Shape.WHOLE, default=24),),
        answer=_gaps,
    ),
)
