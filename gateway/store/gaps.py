"""What is missing: the log is held to the facts, and the facts to themselves, a stretch of numbers at a time.

Positions, and the numbers of messages, refusals, commands and dispatches, are given one after the other while a turn is
held, so a number that is not there is a row that is gone. What was cut off at the end has no number after it: there the
leaves tell, which name their owner, and the checkpoints, which say how long the log was.

Each check goes through one kind of number, and looks at a stretch of it by itself. So memory is bounded, a transaction
is short, and whoever asks may stop and go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from gateway.database import Session, written

STRETCH: Final = 50_000
"""Numbers that are looked at at once."""


Passed = Callable[[str, int, int], None]
"""Is told which check has come to what number, of how many."""


class Kind(StrEnum):
    """What can be missing, or wrong."""

    LEAF_MISSING = "leaf missing"
    LEAF_UNOWNED = "leaf unowned"
    LOG_SHORT = "log shorter than its checkpoint"
    TRAIL_MISSING = "trail missing"
    MESSAGE_MISSING = "message missing"
    MESSAGE_LEAF = "leaf missing of message"
    CLOCK = "clock went back"
    REFUSAL_MISSING = "refusals missing"
    REFUSAL_LEAF = "leaf missing of refusal"
    COMMAND_MISSING = "commands missing"
    DISPATCH_MISSING = "dispatches missing"
    DISPATCH_STEP = "step missing of dispatch"
    DISPATCH_STATE = "dispatch stands elsewhere"
    DISPATCH_LEAF = "leaf missing of dispatch"
    INTENT = "intent without end"
    UNDELIVERED = "event undelivered"
    DEAD = "event dead"
    RECEIPT_UNREADABLE = "receipt unreadable"
    RECEIPT_FOREIGN = "receipt not ours"
    RECEIPT_LEAF = "receipt of a leaf that the log has not"
    RECEIPT_MESSAGE = "receipt of a message that is not here"
    RECEIPT_DIGEST = "receipt of another content"
    RECEIPT_LEAVES = "receipt of other leaves"
    RECEIPT_FACT = "receipt says otherwise"
    RECEIPT_TREE = "receipt's leaf is not in the tree"
    RECEIPT_NONE = "no receipt at the partner"
    ANSWER_NONE = "no receipt of the partner's"
    ANSWER_WRONG = "partner's receipt does not hold"


LOOSE: Final = frozenset(
    {
        Kind.CLOCK, Kind.INTENT, Kind.UNDELIVERED, Kind.DEAD, Kind.RECEIPT_UNREADABLE, Kind.RECEIPT_FOREIGN,
        Kind.RECEIPT_NONE, Kind.ANSWER_NONE,
    }
)  # fmt: skip
"""What somebody must look after or explain. All others say that what was kept is gone or changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One thing that is missing."""

    kind: Kind
    number: int | None
    """Of what it is about: a position, or the number of a message, a dispatch, an event."""
    at: str | None = None
    detail: str = ""

    @property
    def grave(self) -> bool:
        """Whether our own records disagree, or a promise is broken."""
        return self.kind not in LOOSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Goes through one kind of number."""

    name: str
    end: str
    """The last number, as SQL."""
    find: Callable[[Session, int, int, str], Iterator[Gap]]
    """What is wrong with the numbers from one to before another; what is younger than a time may be on its way."""


def since(now: datetime, hours: int) -> str:
    """Return the time that what is on its way must be younger than."""
    return written(now - timedelta(hours=hours))


def _leaves(session: Session, first: int, beyond: int, _old: str) -> Iterator[Gap]:
    """Leaves that are not there, are told of by nothing, or have a record and no trail."""
    rows = session.execute(
        "SELECT l.position, CASE WHEN m.id IS NULL AND r.id IS NULL AND d.id IS NULL THEN 1 ELSE 0 END, "
        "CASE WHEN f.id IS NULL THEN 1 ELSE 0 END, coalesce(l.message, l.refusal, l.dispatch) "
        "FROM leaves l LEFT JOIN trail t ON t.position = l.position "
        "LEFT JOIN flows f ON f.id = t.flow LEFT JOIN messages m ON m.id = l.message "
        "LEFT JOIN refusals r ON r.id = l.refusal LEFT JOIN dispatches d ON d.id = l.dispatch "
        "WHERE l.position >= ? AND l.position < ? ORDER BY l.position",
        (first, beyond),
    ).fetchall()
    alone = _told_alone(session, first, beyond)
    expected = first
    for position, unowned, untold, owner in rows:
        yield from _holes(Kind.LEAF_MISSING, expected, position, "a position of the log without its leaf")
        expected = position + 1
        if unowned and (owner is not None or position not in alone):
            yield Gap(kind=Kind.LEAF_UNOWNED, number=position, detail="a leaf that nothing tells of")
        if untold and _kept(session, position):
            detail = "a leaf whose record is there, and its trail is not"
            yield Gap(kind=Kind.TRAIL_MISSING, number=position, detail=detail)
    yield from _holes(Kind.LEAF_MISSING, expected, beyond, "a position of the log without its leaf")


_ALONE: Final = (
    "SELECT position FROM registers UNION ALL SELECT position FROM declarations UNION ALL SELECT outcome "
    "FROM reviews "
    "WHERE outcome IS NOT NULL UNION ALL SELECT position FROM gallringar UNION ALL SELECT position FROM shieldings "
    "UNION ALL SELECT position FROM hold_steps WHERE position IS NOT NULL"
)
"""Leaves that are told of by what has one leaf of its own."""


def _told_alone(session: Session, first: int, beyond: int) -> set[int]:
    sql = f"SELECT position FROM ({_ALONE}) a WHERE position >= ? AND position < ?"  # noqa: S608  # our own words
    return {row[0] for row in session.execute(sql, (first, beyond))}


def _kept(session: Session, position: int) -> bool:
    return session.execute("SELECT position FROM records WHERE position = ?", (position,)).fetchone() is not None


def _holes(kind: Kind, first: int, beyond: int, detail: str) -> Iterator[Gap]:
    for missing in range(first, beyond):
        yield Gap(kind=kind, number=missing, detail=detail)


def _signed(session: Session, _first: int, _beyond: int, _old: str) -> Iterator[Gap]:
    """Whether the log is as long as it was when it was last signed: what was cut off its end."""
    size, length = session.execute(
        "SELECT (SELECT coalesce(max(size), 0) FROM checkpoints), (SELECT coalesce(max(position), -1) + 1 FROM leaves)"
    ).fetchone()
    if size > length:
        yield Gap(kind=Kind.LOG_SHORT, number=length, detail=f"{size} leaves were signed for, {length} are there")


def _messages(session: Session, first: int, beyond: int, _old: str) -> Iterator[Gap]:
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
        yield from _holes(Kind.MESSAGE_MISSING, expected, number, _GIVEN.format("message"))
        expected = number + 1
        if at < before:
            yield Gap(kind=Kind.CLOCK, number=number, at=at, detail=f"the message before was accepted {before}")
        before = at
        if there != leaves:
            yield Gap(kind=Kind.MESSAGE_LEAF, number=number, at=at, detail=f"{there} of {leaves} leaves")
    yield from _holes(Kind.MESSAGE_MISSING, expected, beyond, _GIVEN.format("message"))


_GIVEN: Final = "a number that was given to no {} that is here"


def _numbers(session: Session, kind: Kind, table: str, first: int, beyond: int) -> Iterator[Gap]:
    first = max(first, 1)
    rows = session.execute(f"SELECT id FROM {table} WHERE id >= ? AND id < ?", (first, beyond))  # noqa: S608  # our own
    for missing in sorted(set(range(first, beyond)) - {row[0] for row in rows}):
        yield Gap(kind=kind, number=missing, detail=_GIVEN.format("row"))


def _refusals(session: Session, first: int, beyond: int, _old: str) -> Iterator[Gap]:
    """Refusals that are gone, or have lost their leaf."""
    yield from _numbers(session, Kind.REFUSAL_MISSING, "refusals", first, beyond)
    rows = session.execute(
        "SELECT r.id, r.at, r.position FROM refusals r LEFT JOIN leaves l ON l.position = r.position "
        "WHERE r.id >= ? AND r.id < ? AND (l.refusal IS NULL OR l.refusal <> r.id) ORDER BY r.id",
        (first, beyond),
    ).fetchall()
    for number, at, position in rows:
        yield Gap(kind=Kind.REFUSAL_LEAF, number=number, at=at, detail=f"leaf {position} does not tell of it")


def _commands(session: Session, first: int, beyond: int, _old: str) -> Iterator[Gap]:
    return _numbers(session, Kind.COMMAND_MISSING, "commands", first, beyond)


def _dispatches(session: Session, first: int, beyond: int, old: str) -> Iterator[Gap]:
    """Dispatches that are gone, whose timeline has a hole or ends elsewhere, or that nobody has ended in time."""
    yield from _numbers(session, Kind.DISPATCH_MISSING, "dispatches", first, beyond)
    rows = session.execute(
        "SELECT d.id, d.changed_at, d.dispatch, d.state, d.step, count(t.step), max(t.step), "
        "max(CASE WHEN t.step = d.step THEN t.after END) FROM dispatches d LEFT JOIN timeline t ON t.dispatch = d.id "
        "WHERE d.id >= ? AND d.id < ? GROUP BY d.id, d.changed_at, d.dispatch, d.state, d.step ORDER BY d.id",
        (first, beyond),
    ).fetchall()
    for number, at, dispatch, state, step, count, last, after in rows:
        if count != step or (last or 0) != step:
            detail = f"{dispatch} has taken {step} steps, and {count} are there"
            yield Gap(kind=Kind.DISPATCH_STEP, number=number, at=at, detail=detail)
        elif step and after != state:
            detail = f"{dispatch} is {state}, and its last step says {after}"
            yield Gap(kind=Kind.DISPATCH_STATE, number=number, at=at, detail=detail)
    yield from _leaves_of_steps(session, first, beyond)
    yield from _intents(session, first, beyond, old)


def _leaves_of_steps(session: Session, first: int, beyond: int) -> Iterator[Gap]:
    rows = session.execute(
        "SELECT * FROM (SELECT t.dispatch AS dispatch, t.step AS step, t.at AS at, t.leaf_count AS told, "
        "(SELECT count(*) FROM leaves l WHERE l.position >= t.first_leaf AND "
        "l.position < t.first_leaf + t.leaf_count AND l.dispatch = t.dispatch) AS there FROM timeline t "
        "WHERE t.dispatch >= ? AND t.dispatch < ? AND t.first_leaf IS NOT NULL) s WHERE told <> there "
        "ORDER BY dispatch, step",
        (first, beyond),
    ).fetchall()
    for number, step, at, told, there in rows:
        detail = f"step {step}: {there} of {told} leaves"
        yield Gap(kind=Kind.DISPATCH_LEAF, number=number, at=at, detail=detail)


def _intents(session: Session, first: int, beyond: int, old: str) -> Iterator[Gap]:
    """What was meant to be disclosed, and of which nobody has said for long what became of it."""
    rows = session.execute(
        "SELECT id, changed_at, state, dispatch FROM orphan_intents WHERE id >= ? AND id < ? AND late_from < ? "
        "ORDER BY id",
        (first, beyond, old),
    ).fetchall()
    for number, at, state, dispatch in rows:
        yield Gap(kind=Kind.INTENT, number=number, at=at, detail=f"{dispatch} is {state}")


def orphans(session: Session, before: datetime) -> int:
    """Return how many intents have had no end since a time, though they should have."""
    row = session.execute("SELECT count(*) FROM orphan_intents WHERE late_from < ?", (written(before),)).fetchone()
    return int(row[0])


def _undelivered(session: Session, first: int, beyond: int, old: str) -> Iterator[Gap]:
    """Events that no broker has confirmed for long: of messages, and of what became of dispatches."""
    rows = session.execute(
        "SELECT * FROM (SELECT o.id AS id, coalesce((SELECT max(a.at) FROM triage a WHERE a.letter = o.replay_of), "
        "m.accepted_at, d.changed_at) AS at, o.event AS event FROM outbox o "
        "LEFT JOIN messages m ON m.id = o.message LEFT JOIN dispatches d ON d.id = o.dispatch "
        "WHERE o.id >= ? AND o.id < ?) w WHERE at IS NULL OR at < ? ORDER BY id",
        (first, beyond, old),
    ).fetchall()
    for number, at, event in rows:
        yield Gap(kind=Kind.UNDELIVERED, number=number, at=at, detail=str(event))


def _dead(session: Session, first: int, beyond: int, old: str) -> Iterator[Gap]:
    """Events that their consumer could not take, and of which nobody has decided for long."""
    rows = session.execute(
        "SELECT id, at, queue, event, attempts FROM dead_letters WHERE id >= ? AND id < ? AND "
        "state IN ('open', 'asked') AND at < ? ORDER BY id",
        (first, beyond, old),
    ).fetchall()
    for number, at, queue, event, attempts in rows:
        detail = f"{event} died on {queue} after {attempts} attempts"
        yield Gap(kind=Kind.DEAD, number=number, at=at, detail=detail)


def _last(table: str, column: str = "id") -> str:
    return f"SELECT coalesce(max({column}), -1) FROM {table}"  # noqa: S608  # our own words


CHECKS: Final = (
    Check(name="leaves", end=_last("leaves", "position"), find=_leaves),
    Check(name="messages", end=_last("messages"), find=_messages),
    Check(name="refusals", end=_last("refusals"), find=_refusals),
    Check(name="commands", end=_last("commands"), find=_commands),
    Check(name="dispatches", end=_last("dispatches"), find=_dispatches),
    Check(name="outbox", end=_last("outbox"), find=_undelivered),
    Check(name="dead letters", end=_last("dead_letters"), find=_dead),
    Check(name="checkpoints", end="SELECT 0", find=_signed),
)
"""In the order in which they are gone through."""
