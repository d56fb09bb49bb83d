"""Dead letters, recorded once and judged by people (`ports.Registrar`, and what `triage.py` allows).

A letter is a fact and, until it is judged, the event itself. Every step of judging it is a row in `triage` that nobody
can change: who, as which role, when and why.

* A retry changes state and puts the event into the outbox in one transaction: it is never lost, and never done twice.
  It is a new message that says which letter it was and why it goes (`message.Replay`). If it dies again it is a new
  letter, which names the one before.
* A group is what failed alike: the hash of queue, type and reason, without the numbers and ids in it.

Letters are numbered under the turn `LETTERS`, outbox rows under `JOURNAL`; two who judge one letter meet at its row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.database import Row, Session, Turn, instant, written
from gateway.logs import redacted
from gateway.message import EventId, Protection
from gateway.ports import Clock, DeadLetter
from gateway.store import triage
from gateway.store.place import Place
from gateway.store.rows import written_persons
from gateway.store.triage import Action, Standing, State, Verdict

CHUNK = 100
"""Letters judged in one transaction: each body may be large, and the journal waits meanwhile."""
_MOST, _LARGEST = 2**31 - 1, 2**63 - 1
_RECORDED = (
    "queue, event, type, partition, attempts, reason, fingerprint, since, at, recorded_at, replay_of, body, related"
)
_KNOWN = """
    WITH wanted (q, e, r) AS (VALUES {values})
    SELECT q, e, r FROM wanted {join} dead_letters ON queue = q AND event = e AND replay_of = r
"""
_FACTS = "id, queue, event, type, attempts, reason, fingerprint, since, at, recorded_at, replay_of"
_STANDING = """
    SELECT l.id, l.queue, l.event, l.type, l.attempts, l.reason, l.fingerprint, l.since, l.at, l.recorded_at,
           l.replay_of, a.by AS asker, a.at AS asked, a.role AS asked_role, a.reason AS asked_reason,
           CASE WHEN l.state = 'asked' AND a.at <= ? THEN 'open' ELSE l.state END AS stands
    FROM dead_letters l LEFT JOIN triage a ON l.state = 'asked' AND a.letter = l.id AND a.action = 'ask' AND a.step =
        (SELECT max(step) FROM triage b WHERE b.letter = l.id AND b.action = 'ask')
"""
_ASKED = "stands, asker, asked, asked_role, asked_reason"
"""Letters as they stand: an ask that has lapsed is none, also before anybody writes that down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A dead letter's facts."""

    id: int
    queue: str
    event: EventId
    type: str
    attempts: int
    reason: str
    group: str
    since: datetime
    at: datetime
    """When it died."""
    recorded_at: datetime
    replay_of: int | None
    """The letter before, if it was sent again and died again."""
    state: State
    asked_by: str | None
    """Who wants it discarded, while it is ASKED."""
    asked_at: datetime | None
    asked_reason: str | None
    fingerprint: str | None
    """What names that ask: who approves it says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Open letters that failed alike."""

    group: str
    queue: str
    type: str
    reason: str
    """One of theirs: they may differ in numbers and ids."""
    count: int
    first: datetime
    last: datetime
    example: int
    """The newest letter's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One row of `triage`."""

    letter: int
    action: Action
    by: str
    role: str
    """The database's, where it has roles."""
    reason: str
    at: datetime


Shown = Callable[[bytes, Protection, Protection], bytes]
"""From a body, and what is known of its person and of whom else it names, to what may be shown."""

_GROUPS = f"""
    SELECT fingerprint, queue, type, min(reason), count(*), min(at), max(at), max(id)
    FROM ({_STANDING}) d WHERE stands = 'open' {{more}}
    GROUP BY fingerprint, queue, type ORDER BY count(*) DESC, fingerprint
"""  # noqa: S608  # our own words
_LOCK = """
    UPDATE dead_letters SET state = state WHERE id = ? RETURNING state, queue, event, type, partition, body, related
"""
"""Reads a letter and holds it: who else judges it waits, and then finds it as we leave it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Act:
    """What somebody does now."""

    action: Action
    by: str
    reason: str = ""
    at: datetime
    seen: Collection[str] = ()

    def wrong(self) -> str:
        """Tell why it is refused whatever the letter; empty where it is not."""
        if not self.by:
            return "somebody must answer for it"
        return triage.unfit(self.reason) if self.action in triage.REASONED else ""


class StoredDeadLetters:
    """One connection to them. Belongs to one thread."""

    def __init__(
        self,
        place: Place,
        *,
        clock: Clock,
        role: str = "",
        queues: Collection[str] | None = None,
        faults: Callable[[str], None] = lambda _point: None,
    ) -> None:
        """Open the store.

        Args:
            place: The store. Raises IntegrityError if none is there, UnavailableError.
            clock: Gives the times, and tells when an ask lapses.
            role: As whom the database knows this program, to be written beside who acts.
            queues: Those that the configuration has: to others nothing is sent again. None: to all.
            faults: Told each point of a transaction (`record`, `state`, `outbox`, `commit`, `committed`); tests fail
                there.
        """
        self._session = place.open()
        self._clock = clock
        self._role = role
        self._queues = queues
        self._fault = faults

    def record(self, letters: Sequence[DeadLetter]) -> int:
        """Record letters and return how many were new (`ports.Registrar`). Raises UnavailableError: none is."""
        if not letters:
            return 0
        with self._session.translated(), self._session.writing(Turn.LETTERS):
            new = add(self._session, letters, self._clock.now())
            self._fault("record")
        return new

    def retry(self, letters: Collection[int], *, reason: str, by: str) -> Sequence[Verdict]:
        """Send open letters again, each to its queue and with the reason. Raises UnavailableError."""
        return self._judge(letters, self._act(Action.RETRY, by, reason), turn=Turn.JOURNAL)

    def ask_discard(self, letters: Collection[int], *, reason: str, by: str) -> Sequence[Verdict]:
        """Ask another person to discard open letters. Raises UnavailableError."""
        return self._judge(letters, self._act(Action.ASK, by, reason))

    def approve_discard(self, letters: Collection[int], *, by: str, seen: Collection[str]) -> Sequence[Verdict]:
        """Destroy the bodies of letters that another person has asked to discard. Raises UnavailableError.

        `seen`: the fingerprints of the asks that are approved, and no other.
        """
        return self._judge(letters, replace(self._act(Action.APPROVE, by), seen=seen))

    def withdraw(self, letters: Collection[int], *, by: str) -> Sequence[Verdict]:
        """Take back an ask: one's own, or another's whom one will not approve. Raises UnavailableError."""
        return self._judge(letters, self._act(Action.WITHDRAW, by))

    def read(self, letters: Collection[int], *, purpose: str, by: str, shown: Shown) -> Mapping[int, bytes]:
        """Return the bodies of letters that are not judged yet, and write down who read them for which purpose.

        `shown` makes of each body, by what is known now of those whom it is about, what may be shown of it.
        Raises UnavailableError.
        """
        bodies: dict[int, bytes] = {}
        self._judge(letters, self._act(Action.READ, by, purpose), bodies=bodies)
        return {number: shown(body, *self._known(number)) for number, body in bodies.items()}

    def letters(
        self, *, queue: str | None = None, state: State | None = None, group: str | None = None, limit: int = 100
    ) -> Sequence[Letter]:
        """Return letters, the newest first. Raises UnavailableError."""
        wanted = {"queue = ?": queue, "stands = ?": state and state.value, "fingerprint = ?": group}
        given = {condition: value for condition, value in wanted.items() if value is not None}
        where = f"WHERE {' AND '.join(given)}" if given else ""
        sql = f"SELECT {_FACTS}, {_ASKED} FROM ({_STANDING}) d {where} ORDER BY id DESC LIMIT ?"  # noqa: S608  # our own words
        return [_letter(row) for row in self._all(sql, (self._lapsed(), *given.values(), limit))]

    def letter(self, number: int) -> Letter | None:
        """Return one letter; None if there is none. Raises UnavailableError."""
        sql = f"SELECT {_FACTS}, {_ASKED} FROM ({_STANDING}) d WHERE id = ?"  # noqa: S608  # our own words
        rows = self._all(sql, (self._lapsed(), number))
        return _letter(rows[0]) if rows else None

    def history(self, number: int) -> Sequence[Step]:
        """Return what was done to a letter, the oldest first. Raises UnavailableError."""
        rows = self._all(
            "SELECT letter, action, by, role, reason, at FROM triage WHERE letter = ? ORDER BY step", (number,)
        )
        return [
            Step(letter=row[0], action=Action(row[1]), by=row[2], role=row[3], reason=row[4], at=instant(row[5]))
            for row in rows
        ]

    def groups(self, *, queue: str | None = None) -> Sequence[Group]:
        """Return the open letters, by what they failed of, the largest group first. Raises UnavailableError."""
        more, values = ("AND queue = ?", [queue]) if queue is not None else ("", [])
        rows = self._all(_GROUPS.format(more=more), (self._lapsed(), *values))
        return [
            Group(group=row[0], queue=row[1], type=row[2], reason=row[3], count=row[4], first=instant(row[5]),
                  last=instant(row[6]), example=row[7])
            for row in rows
        ]  # fmt: skip

    def counts(self) -> Mapping[tuple[str, State], int]:
        """Return how many letters of each queue stand where. Raises UnavailableError."""
        rows = self._all(
            f"SELECT queue, stands, count(*) FROM ({_STANDING}) d GROUP BY queue, stands",  # noqa: S608  # our own words
            (self._lapsed(),),
        )
        return {(queue, State(state)): count for queue, state, count in rows}

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _known(self, number: int) -> tuple[Protection, Protection]:
        """Return what is known now of whose a letter is, and of whom else it names; of one that is judged, nothing."""
        rows = self._all("SELECT protection, beside FROM letter_protections WHERE letter = ?", (number,))
        own, beside = rows[0] if rows else (Protection.UNKNOWN, Protection.UNKNOWN)
        return Protection(own), Protection(beside)

    def _judge(
        self, letters: Collection[int], act: _Act, *, turn: Turn = Turn.LETTERS, bodies: dict[int, bytes] | None = None
    ) -> list[Verdict]:
        """Judge letters, `CHUNK` in a transaction, in the order of their numbers so that two never embrace."""
        wanted = sorted(set(letters))
        if wrong := act.wrong():
            return [Verdict(letter=one, state=None, refused=wrong) for one in wanted]
        verdicts: list[Verdict] = []
        for start in range(0, len(wanted), CHUNK):
            with self._session.translated(), self._session.writing(turn):
                done = [self._one(number, act, bodies) for number in wanted[start : start + CHUNK]]
                self._fault("commit")
            self._fault("committed")
            verdicts += done
        return verdicts

    def _one(self, number: int, act: _Act, bodies: dict[int, bytes] | None) -> Verdict:
        """Judge one letter, inside a transaction."""
        found = self._session.execute(_LOCK, (number,)).fetchall()
        if not found:
            return Verdict(letter=number, state=None, refused="there is no such letter")
        row = found[0]
        standing = self._standing(number, State(row[0]))
        if standing.lapsed(act.at):
            self._step(number, State.OPEN, _Act(action=Action.LAPSE, by="", at=act.at))
            standing = Standing(state=State.OPEN, asked_by=None, asked_at=None)
        following = triage.after(standing, act.action, act.by, act.seen)
        if act.action is Action.RETRY and self._queues is not None and row[1] not in self._queues:
            following = f"queue {row[1]} is not configured"
        if not isinstance(following, State):
            return Verdict(letter=number, state=standing.state, refused=following)
        if bodies is not None:
            bodies[number] = bytes(row[5])
        self._step(number, following, act)
        self._fault("state")
        if act.action is Action.RETRY:
            self._send(number, row, act.reason)
            self._fault("outbox")
        return Verdict(letter=number, state=following)

    def _standing(self, number: int, state: State) -> Standing:
        if state is not State.ASKED:
            return Standing(state=state, asked_by=None, asked_at=None)
        ((by, role, reason, at),) = self._session.execute(
            "SELECT by, role, reason, at FROM triage WHERE letter = ? AND action = 'ask' ORDER BY step DESC LIMIT 1",
            (number,),
        ).fetchall()
        asked = triage.asked(by, role, reason, at)
        return Standing(state=state, asked_by=by, asked_at=instant(at), asked=asked)

    def _step(self, number: int, following: State, act: _Act) -> None:
        """Write down what is done, and do it: a judged letter has no body and is nobody's any more."""
        if following in triage.JUDGED:
            self._session.execute(
                "UPDATE dead_letters SET state = ?, partition = '', body = ?, related = NULL WHERE id = ?",
                (following.value, b"", number),
            )
        else:
            self._session.execute("UPDATE dead_letters SET state = ? WHERE id = ?", (following.value, number))
        ((last,),) = self._session.execute(
            "SELECT coalesce(max(step), 0) FROM triage WHERE letter = ?", (number,)
        ).fetchall()
        row = (number, last + 1, act.action.value, act.by, self._role, act.reason, written(act.at))
        self._session.insert("triage", "letter, step, action, by, role, reason, at", [row])

    def _send(self, number: int, row: Row, reason: str) -> None:
        """Put the letter's event into the outbox, for its one queue. No message is named: the letter is."""
        _, queue, event, kind, partition, body, related = row
        ((last,),) = self._session.execute("SELECT coalesce(max(id), 0) FROM outbox").fetchall()
        self._session.insert(
            "outbox",
            "id, message, event, type, partition, queues, body, replay_of, replay_reason, related",
            [(last + 1, 0, event, kind, partition, queue, bytes(body), number, reason, related)],
        )

    def _act(self, action: Action, by: str, reason: str = "") -> _Act:
        return _Act(action=action, by=by.strip(), reason=reason.strip(), at=self._clock.now())

    def _all(self, sql: str, values: Sequence[object]) -> list[Row]:
        with self._session.translated():
            return list(self._session.execute(sql, values).fetchall())

    def _lapsed(self) -> str:
        """Return the time at which an ask has lapsed now."""
        return written(self._clock.now() - triage.ASK_LASTS)


def add(session: Session, letters: Sequence[DeadLetter], now: datetime) -> int:
    """Record letters, inside a transaction of `Turn.LETTERS`, and return how many were new."""
    wanted: dict[Row, Row] = {}
    for one in letters:
        row = _row(one, written(now))
        wanted.setdefault((row[0], row[1], row[10]), row)
    for known in session.match(_KNOWN.format(join=session.join, values="{values}"), list(wanted)):
        del wanted[tuple(known)]
    (last,) = session.execute("SELECT coalesce(max(id), 0) FROM dead_letters").fetchone()
    rows = [(number, *row, State.OPEN.value) for number, row in enumerate(wanted.values(), start=last + 1)]
    if rows:
        session.insert("dead_letters", f"id, {_RECORDED}, state", rows)
    return len(rows)


def _row(one: DeadLetter, now: str) -> Row:
    """Return a letter as it is stored. Whoever filled the broker's queue chose what is in it: none of it is believed.

    A letter that no database could take would be lent again and again, and hold up all behind it.
    """
    event, queue, kind = triage.plain(one.event), triage.plain(one.queue), triage.plain(one.type)
    if event != one.event:  # another's id may look the same when it is made plain
        event = EventId(f"unreadable-{hashlib.sha256(one.event.encode(errors='surrogatepass')).hexdigest()[:32]}")
    reason = redacted(triage.plain(one.reason))
    attempts = max(0, min(one.attempts, _MOST))
    replay_of = one.replay_of if one.replay_of is not None and 0 < one.replay_of <= _LARGEST else 0
    return (
        queue, event, kind, triage.plain(one.partition), attempts, reason, triage.group_of(queue, kind, reason),
        written(one.since), written(one.at), now, replay_of, one.body,
        written_persons(one.related),
    )  # fmt: skip


def _letter(row: Row) -> Letter:
    asked = row[11] == State.ASKED
    return Letter(id=row[0], queue=row[1], event=EventId(row[2]), type=row[3], attempts=row[4], reason=row[5],
                  group=row[6], since=instant(row[7]), at=instant(row[8]), recorded_at=instant(row[9]),
                  replay_of=row[10] or None, state=State(row[11]), asked_by=row[12] if asked else None,
                  asked_at=instant(row[13]) if asked else None, asked_reason=row[15] if asked else None,
                  fingerprint=triage.asked(row[12], row[14], row[15], row[13]) if asked else None)  # fmt: skip
