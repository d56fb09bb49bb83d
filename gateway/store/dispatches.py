"""Dispatches in the store (`outbound.ports.Dispatches`, and `Instructions` for the same dispatcher).

A dispatch is a row that says where it stands, and a timeline that nobody can change and that says how it came there. A
step is one transaction:

1. Look up the dispatch, and number: leaves and events go on where the store does, under the journal's turn.
2. Move the row, if it still stands at the step that this one follows. If it does not, another came in between, and
   nothing is written; or it was this very step, and its commit had no answer: then it is written already.
3. Add timeline, leaves and records, content, mailbox, events and what was learned, and settle what a person asked for.
4. Commit. **Before it nothing has happened; after it everything has.**

What is due is found by indexes that hold only what somebody must look at, neither what has ended nor what is in flight:
one of what is to be judged or tried, by lane, so that however much waits in one that is shut, the others are found
beside it; and one of what has no more time, whatever holds it up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain

from gateway import endings, review
from gateway.database import Row, Session, Turn, instant, written
from gateway.dispatch import Command, CommandId, DispatchId, Queued
from gateway.errors import ConflictError, IntegrityError
from gateway.message import Digest, Sealed
from gateway.outbound import states
from gateway.outbound.ports import Held, Instruction, Lane, Step, Taken
from gateway.outbound.states import Happening, State
from gateway.ports import Clock
from gateway.postgresql import FEW
from gateway.store import held, waiting
from gateway.store.place import Place
from gateway.store.rows import LEARN, LEARNED, LEAVES, NUMBERS, OUTBOX, RECORDS, Added, Into, insert
from gateway.store.sessions import Sessions
from gateway.store.waiting import Moved, Waits

MAILBOX = frozenset({State.DEPOSITED, State.FETCHED})
"""Their time is out when the mailbox has kept them long enough: neither pause nor lane is about these."""
TIMED = MAILBOX | {State.REFERRED}
"""Those, and what waits for people: they are over when they are due."""
WRITTEN = 27
"""Characters of a time as it stands in our tables."""
TERMS = 100
"""Selects in one statement, of the 500 that SQLite takes."""
FAILED = frozenset({Happening.POSTPONE, Happening.LOSE, Happening.REFUSE, Happening.SPOIL})
ASKED = frozenset({Happening.BEGIN, Happening.WITHDRAW, Happening.CONFIRM, Happening.DISPROVE})
"""What a person may want done."""
ORDERED = ASKED | {Happening.PERMIT, Happening.DENY}
"""What may be among the instructions: those two by an answered review alone."""

_KNOWN = "SELECT id, digest FROM commands WHERE asker = ? AND command = ?"
_TAKEN = "SELECT dispatch FROM dispatches WHERE command = ? ORDER BY position"
_NEXT = "SELECT (SELECT coalesce(max(id), 0) + 1 FROM commands), (SELECT coalesce(max(id), 0) + 1 FROM dispatches)"
_COMMAND = "id, asker, command, digest, contract, at, expires, taken_at"
_DISPATCH = "id, dispatch, command, position, contract, partner, organisation, lane, expires, due, over_at, changed_at"
_CONTENT = "dispatch, step, name, key_id, wrapped_key, sealed"
_STEP = (
    "dispatch, step, happening, before, after, at, due, code, partner_code, by, reason, digest, first_leaf, leaf_count"
)
_STANDS = "SELECT id, expires, over_at, partner, organisation, contract FROM dispatches WHERE dispatch = ?"
_THERE = "SELECT 1 FROM dispatches WHERE id = ? AND step = ?"
_MOVE = """
    UPDATE dispatches SET state = ?, step = ?, attempts = attempts + ?, due = ?, over_at = ?,
        first_failure = coalesce(first_failure, ?), pseudonym = coalesce(pseudonym, ?), intent = coalesce(intent, ?),
        changed_at = ?
    WHERE id = ? AND step = ? AND state = ? RETURNING id
"""
"""Holds the row until the commit: whoever moves it too waits, and then finds it moved."""
_STATES = ", ".join(f"('{state}')" for state in sorted(states.DUE))
_HEAD = "(SELECT d.due || d.lane FROM dispatches d WHERE d.due IS NOT NULL AND {} ORDER BY d.lane, d.due LIMIT 1)"
_HEADS = f"""
    WITH RECURSIVE wanted (state) AS (VALUES {_STATES}), heads (state, head) AS (
        SELECT w.state, {_HEAD.format("d.state = w.state")} FROM wanted w
        UNION ALL
        SELECT h.state, {_HEAD.format(f"d.state = h.state AND d.lane > substr(h.head, {WRITTEN + 1})")}
        FROM heads h WHERE h.head IS NOT NULL
    )
    SELECT state, head FROM heads WHERE head IS NOT NULL
"""  # noqa: S608  # our own words
"""The first of each lane, by state, its time before its lane: one step in the index for each, whatever stands behind.
"""
_LINE = "SELECT due, id FROM dispatches WHERE state = ? AND lane = ? AND due <= ? ORDER BY due, id LIMIT ?"
_OVER = "SELECT over_at, id FROM dispatches WHERE over_at <= ? ORDER BY over_at, id LIMIT ?"
_NUMBERS = """
    WITH wanted (named) AS (VALUES {values})
    SELECT id FROM wanted {join} dispatches ON dispatch = named
"""
_PAUSED = """
    SELECT partner FROM pauses p WHERE paused
    AND NOT EXISTS (SELECT 1 FROM pauses later WHERE later.partner = p.partner AND later.id > p.id)
"""
_IN_FLIGHT = ", ".join(f"'{state}'" for state in sorted(states.IN_FLIGHT))
_INTERRUPTED = f"SELECT id FROM dispatches WHERE state IN ({_IN_FLIGHT}) ORDER BY id"  # noqa: S608  # our own words
_INSTRUCTED = f"""
    SELECT i.id, d.id, d.dispatch, i.happening, i.by, i.reason, i.at
    FROM instructions i JOIN dispatches d ON d.id = i.dispatch
    WHERE i.settled_at IS NULL AND d.state NOT IN ({_IN_FLIGHT}) ORDER BY i.id LIMIT ?
"""  # noqa: S608  # our own words


class StoredDispatches:
    """Keeps the promises of `outbound.ports.Dispatches` and `Instructions` on the store. Shared between threads."""

    def __init__(
        self,
        place: Place,
        *,
        clock: Clock,
        learned: Callable[[], None] = lambda: None,
        committed: Callable[[], None] = lambda: None,
        faults: Callable[[str], None] = lambda _point: None,
    ) -> None:
        """Open the store. Raises IntegrityError if it is not there, UnavailableError.

        Args:
            place: The store, on behalf of the dispatcher; for `take` alone the operator will do.
            clock: Says when a command was taken.
            learned: Called after a commit that changed what is known of protected identity.
            committed: Called after a commit that left events in the outbox.
            faults: Told each point of the way (each table, `commit`, `committed`); tests fail there.
        """
        self._sessions = Sessions(place)
        self._clock = clock
        self._learned = learned
        self._committed = committed
        self._fault = faults

    def take(self, command: Command, queued: Sequence[Queued], sealed: Sequence[Sealed], digest: Digest) -> Taken:
        """Keep a command, one dispatch a recipient (`outbound.ports.Dispatches`).

        Raises ConflictError where the id came before with another digest, UnavailableError, IntegrityError.
        """
        if len(queued) != len(sealed):
            raise IntegrityError(f"{len(sealed)} sealed commands for {len(queued)} dispatches")
        with self._sessions.lent() as session:
            with session.writing(Turn.DISPATCHES):
                known = session.execute(_KNOWN, (command.asker, command.id)).fetchone()
                if known is None:
                    insert(session, self._taken(session, command, queued, sealed, digest), self._fault)
                    dispatches = tuple(one.dispatch for one in queued)
                elif known[1] != digest:
                    raise ConflictError(endings.COMMAND_CONFLICT, "the digest is not the first one's")
                else:
                    dispatches = tuple(DispatchId(one) for (one,) in session.execute(_TAKEN, (known[0],)))
                self._fault("commit")
            self._fault("committed")
        return Taken(command=CommandId(command.id), dispatches=dispatches, repeated=known is not None)

    def due(
        self, at: datetime, *, limit: int, busy: Collection[DispatchId], shut: Collection[Lane] = ()
    ) -> Sequence[Held]:
        """Return what is due, the longest overdue first (`outbound.ports.Dispatches`). Raises UnavailableError."""
        with self._sessions.lent() as session, session.reading():
            found: dict[int, str] = {}
            for when, number in self._candidates(session, written(at), limit, busy, shut):
                found.setdefault(number, when)
            first = sorted(found, key=lambda number: (found[number], number))
            return held.read(session, first[:limit])

    def interrupted(self) -> Sequence[Held]:
        """Return what is in flight (`outbound.ports.Dispatches`). Raises UnavailableError."""
        with self._sessions.lent() as session, session.reading():
            return held.read(session, [number for (number,) in session.execute(_INTERRUPTED)])

    def get(self, dispatch: DispatchId) -> Held | None:
        """Return a dispatch as it stands; None if there is none. Raises UnavailableError."""
        with self._sessions.lent() as session, session.reading():
            row = session.execute(_STANDS, (dispatch,)).fetchone()
            return None if row is None else held.read(session, [row[0]])[0]

    def write(self, step: Step) -> bool:
        """Commit one transition with all that goes with it (`outbound.ports.Dispatches`).

        False where another came in between. The same step again is True: its first commit may have had no answer.
        Raises IntegrityError where the transition is not in the table, UnavailableError.
        """
        if states.after(step.before, step.happening) is not step.after:
            raise IntegrityError(f"a dispatch that is {step.before} and can {step.happening} is not {step.after} then")
        records = () if step.records is None else step.records.records
        if len(records) != len(step.leaves):
            raise IntegrityError(f"{len(records)} sealed records for {len(step.leaves)} leaves")
        numbered = bool(step.leaves or step.events or step.learned)
        with self._sessions.lent() as session:
            with session.writing(Turn.JOURNAL if numbered else Turn.DISPATCHES):
                done = self._walked(session, step, numbered=numbered)
                self._fault("commit")
            self._fault("committed")
        if done and step.learned:
            self._learned()
        if done and step.events:
            self._committed()
        return done

    def instructed(self, *, limit: int, busy: Collection[DispatchId]) -> Sequence[tuple[Instruction, Held]]:
        """Return what people want done and is not, oldest first (`outbound.ports.Instructions`)."""
        with self._sessions.lent() as session, session.reading():
            rows = session.execute(_INSTRUCTED, (limit + len(busy),)).fetchall()
            wanted = [row for row in rows if row[2] not in busy][:limit]
            stand = {one.number: one for one in held.read(session, sorted({row[1] for row in wanted}))}
            return [(_instruction(row), stand[row[1]]) for row in wanted]

    def refuse(self, instruction: Instruction, *, reason: str, at: datetime) -> None:
        """Write down that it cannot be carried out (`outbound.ports.Instructions`). Raises UnavailableError."""
        with self._sessions.lent() as session, session.writing(Turn.DISPATCHES):
            session.execute(
                "UPDATE instructions SET refused = ?, settled_at = ? WHERE id = ? AND settled_at IS NULL",
                (reason, written(at), instruction.number),
            )

    def close(self) -> None:
        """Close the connections. Calls are turned away from now on."""
        self._sessions.close()

    def _taken(
        self,
        session: Session,
        command: Command,
        queued: Sequence[Queued],
        sealed: Sequence[Sealed],
        digest: Digest,
    ) -> Iterator[Into]:
        """Compose the rows of a new command, a few at a time.

        So none goes in by COPY, which PostgreSQL refuses where a table's rows are narrowed for somebody (`grants.py`).
        """
        number, first = session.execute(_NEXT).fetchone()
        now, expires = written(self._clock.now()), written(command.expires)
        whole = (number, command.asker, command.id, digest, command.contract, written(command.at), expires, now)
        yield Into("commands", _COMMAND, [whole])
        numbered = list(zip(range(first, first + len(queued)), queued, sealed, strict=True))
        for start in range(0, len(numbered), FEW):
            part = numbered[start : start + FEW]
            yield Into("dispatches", _DISPATCH, [_dispatch(one, to, number, expires, now) for one, to, _ in part])
            contents = [(one, 0, "command", kept.key_id, kept.wrapped_key, kept.evidence) for one, _, kept in part]
            yield Into("contents", _CONTENT, contents)

    def _candidates(
        self, session: Session, now: str, limit: int, busy: Collection[DispatchId], shut: Collection[Lane]
    ) -> Iterator[Row]:
        """Yield when what is due was due, and its number: at least the first `limit`."""
        taken = {number for (number,) in session.match(_NUMBERS, [(one,) for one in busy])}
        some = limit + len(taken)
        paused = {partner for (partner,) in session.execute(_PAUSED)}
        closed = {_lane(*one) for one in shut}
        heads = sorted(
            (head, state)
            for state, head in session.execute(_HEADS)
            if head[:WRITTEN] <= now and _may_go(head[WRITTEN:], state, paused, closed)
        )
        # Of as many lanes as are wanted in all: each has one at least.
        lines = [(state, head[WRITTEN:], now, some) for head, state in heads[:some]]
        for start in range(0, len(lines), TERMS):
            part = lines[start : start + TERMS]
            sql = " UNION ALL ".join(f"SELECT * FROM ({_LINE}) line_{n}" for n in range(len(part)))  # noqa: S608
            yield from (row for row in session.execute(sql, list(chain(*part))) if row[1] not in taken)
        yield from (row for row in session.execute(_OVER, (now, some)) if row[1] not in taken)

    def _walked(self, session: Session, step: Step, *, numbered: bool) -> bool:
        # 1. Where it stands, and where the store goes on.
        stands = session.execute(_STANDS, (step.dispatch,)).fetchone()
        if stands is None:
            raise IntegrityError(f"dispatch {step.dispatch}: is not here")
        added = Added(*session.execute(f"SELECT {NUMBERS}").fetchone()) if numbered else Added(0, 0, 0)
        settled = None
        if step.settles is not None and session.execute(_THERE, (stands[0], step.follows)).fetchone():
            # Whoever answers the review meanwhile wins: it is held from here on.
            settled = waiting.lock(session, step.settles[0])
            if settled is None or (settled.standing.state, step.settles[1]) not in review.TRANSITIONS:
                return False
        # 2. Move it.
        number, follows = stands[0], step.follows + 1
        if not session.execute(_MOVE, _moved(step, stands, added.position)).fetchall():
            return _same(session, number, step)
        self._fault("dispatches")
        # 3. All that goes with it.
        first = added.position
        insert(session, _rows(number, step, stands, added), self._fault)
        if settled is not None and step.settles is not None:
            _, action, after = step.settles
            outcome = (first, None, None) if step.leaves else (None, None, None)
            waiting.move(session, settled, Moved(action, after, step.at), outcome=outcome)
            self._fault("review_steps")
        if step.opens:
            waits = [Waits(one, first + one.leaf, dispatch=number) for one in step.opens]
            insert(session, waiting.opened(session, waits), self._fault)
        if step.before in MAILBOX or step.before is State.UNRESOLVED:
            _mailbox(session, number, step)
        if step.happening in ORDERED and not (step.before in MAILBOX and step.by is None):  # nobody ordered that
            session.execute(
                "UPDATE instructions SET step = ?, settled_at = ? "
                "WHERE settled_at IS NULL AND dispatch = ? AND happening = ?",
                (follows, written(step.at), number, step.happening.value),
            )
        return True


def _may_go(lane: str, state: str, paused: Collection[str], shut: Collection[str]) -> bool:
    return lane.partition(" ")[0] not in paused and (state == State.QUEUED or lane not in shut)


def _dispatch(number: int, queued: Queued, command: int, expires: str, now: str) -> Row:
    to = queued.recipient
    return (
        number, queued.dispatch, command, to.position, queued.command.contract, to.partner, to.organisation or "",
        _lane(to.partner, to.organisation, queued.command.contract), expires, now, expires, now,
    )  # fmt: skip


def _moved(step: Step, stands: Row, position: int) -> Row:
    failure = step.code if step.happening in FAILED else None
    intent = position if step.happening is Happening.COMPOSE and step.leaves else None
    return (
        step.after.value, step.follows + 1, int(step.happening is Happening.BEGIN),
        *_looked(step, stands[1], stands[2]), failure, step.pseudonym, intent, written(step.at),
        stands[0], step.follows, step.before.value,
    )  # fmt: skip


def _looked(step: Step, expires: str, over: str | None) -> tuple[str | None, str | None]:
    """Return when it is to be tried, and when its time is out; None for what is not.

    Args:
        step: The one that is written.
        expires: Of the command.
        over: When its time was out before this step.
    """
    if step.after in states.ENDED or step.after in states.IN_FLIGHT:
        return None, None
    if step.after in TIMED:  # fetched: no longer than it would have lain there
        return None, over or expires if step.due is None else min(written(step.due), expires)
    if step.after in states.DUE:
        return written(step.due or step.at), expires
    return None, expires


def _lane(partner: str, organisation: str | None, contract: str) -> str:
    return f"{partner} {organisation or ''} {contract}"


def _rows(number: int, step: Step, stands: Row, added: Added) -> Iterable[Into]:
    """Compose the rows of a step."""
    sealed, at = step.records, written(step.at)
    first = added.position if step.leaves else None
    added.log(step.leaves, () if sealed is None else sealed.records)
    added.send(step.events, message=0)
    added.learn(step.learned)
    timeline = (
        number, step.follows + 1, step.happening.value, step.before.value, step.after.value, at,
        None if step.due is None else written(step.due), step.code, step.partner_code, step.by, step.reason,
        step.digest, first, len(step.leaves),
    )  # fmt: skip
    contents, deposits = [], []
    if sealed is not None:
        name = step.content or ""
        contents.append((number, step.follows + 1, name, sealed.key_id, sealed.wrapped_key, sealed.evidence))
    if step.happening is Happening.DEPOSIT:
        deposits.append((number, *stands[3:6], at))
    return (
        Into("timeline", _STEP, [timeline]),
        Into("leaves", f"{LEAVES}, dispatch", [(*row, number) for row in added.leaves]),
        Into("records", RECORDS, added.records),
        *added.traced(),
        Into("contents", _CONTENT, contents),
        Into("deposits", "dispatch, partner, organisation, contract, deposited_at", deposits),
        Into("outbox", f"{OUTBOX}, dispatch", [(*row, number) for row in added.outbox]),
        Into("protections", LEARNED, added.learned, LEARN),
    )


def _mailbox(session: Session, number: int, step: Step) -> None:
    """Write down what became of a deposit, if it is one.

    What is acknowledged is kept until the step is due; of what ended for good without that, nothing more is needed.
    """
    at = written(step.at)
    match step.happening:
        case Happening.FETCH:
            session.execute("UPDATE deposits SET fetched_at = coalesce(fetched_at, ?) WHERE dispatch = ?", (at, number))
        case Happening.ACKNOWLEDGE:
            kept = at if step.due is None else written(step.due)
            session.execute(
                "UPDATE deposits SET acknowledged_at = ?, closed_at = ?, kept_until = ? WHERE dispatch = ?",
                (at, at, kept, number),
            )
        case _:
            kept_until = at if step.after in states.FINAL else None
            session.execute(
                "UPDATE deposits SET closed_at = coalesce(closed_at, ?), kept_until = ? WHERE dispatch = ?",
                (at, kept_until, number),
            )


def _same(session: Session, number: int, step: Step) -> bool:
    """Tell whether the step that came in between is this very one."""
    row = session.execute(
        f"SELECT {_STEP} FROM timeline WHERE dispatch = ? AND step = ?",  # noqa: S608  # our own words
        (number, step.follows + 1),
    ).fetchone()
    if row is None:
        return False
    hashes = session.execute(
        "SELECT hash FROM leaves WHERE position >= ? AND position < ? ORDER BY position",
        (row[12] or 0, (row[12] or 0) + row[13]),
    )
    ours = (
        step.happening.value, step.before.value, step.after.value, written(step.at),
        None if step.due is None else written(step.due), step.code, step.partner_code, step.by, step.reason,
        step.digest, [leaf.hash for leaf in step.leaves],
    )  # fmt: skip
    return (*row[2:12], [bytes(one) for (one,) in hashes]) == ours


def _instruction(row: Row) -> Instruction:
    return Instruction(
        number=row[0],
        dispatch=DispatchId(row[2]),
        happening=Happening(row[3]),
        by=row[4],
        reason=row[5],
        at=instant(row[6]),
    )
