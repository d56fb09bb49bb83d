"""What the rules of gallring say is to be destroyed, found and destroyed: a few things in one transaction, with a leaf.

    find       page by page, outside any turn, what is old enough and by which rule (`privacy.retention`)
    1. number  the turn `JOURNAL` is held, and the lease is asked for once more
    2. ask     which of them are still there and still held by nothing: the database's own words (`ripe.py`)
    3. log     the leaf that tells of it, its record under a key of its own, and the row that names the rule
    4. destroy data key, salt, hidden record, trail, whose it was; and write down what, as stretches of numbers

**Before the commit nothing is gone; after it everything is, and the log says so.** Killed anywhere it goes on where it
was: what is gone is not found again. Two who do it at once destroy once: the second finds nothing in step 2.

On PostgreSQL step 4 is a function (`gateway_gallra`), which destroys only what this transaction has written down and
what nothing holds; the role of gallring may delete nothing itself, and reads nothing that is sealed. On SQLite the rows
are written over, and `scrub` then makes the files anew, because pages that were given up before still hold what lay in
them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.audit.gallring import ORDER, Destroyed
from gateway.config.retention import DataClass, Rule
from gateway.database import Row, Session, Turn, chunks, instant, written
from gateway.message import Leaf, Sealed
from gateway.ports import Clock
from gateway.privacy.retention import Retention
from gateway.store import erasing
from gateway.store.gallring import overwriting
from gateway.store.lease import held
from gateway.store.place import Place, PostgresPlace
from gateway.store.rows import LEAVES, NUMBERS, RECORDS, Added, Into, insert
from gateway.store.sessions import Sessions

BATCH = 100
"""Things destroyed in one transaction: some milliseconds in which nobody is accepted."""
WINDOW = 2000
"""Numbers looked at in one question. A stretch of them, and no LIMIT: how it is found then is nothing that a planner
could get wrong."""
LEASE = "gallring"
_MONTH = 28
"""Days of the shortest: what is younger than so many of them cannot be due."""
_LAST: Mapping[DataClass, str] = {
    DataClass.EVIDENCE: "SELECT max(id) FROM messages WHERE accepted_at <= ?",
    DataClass.RECORD: "SELECT max(first_leaf + leaf_count) FROM messages WHERE accepted_at <= ?",
    **dict.fromkeys((DataClass.CONTENT, DataClass.DISPATCH), "SELECT max(id) FROM dispatches WHERE changed_at <= ?"),
    DataClass.REVIEW: "SELECT max(id) FROM reviews WHERE changed_at <= ?",
    DataClass.SHIELDING: "SELECT max(s.position) FROM shieldings s JOIN trail t ON t.position = s.position "
    "WHERE t.at <= ?",
    **dict.fromkeys((DataClass.REFUSAL, DataClass.QUARANTINE), "SELECT max(id) FROM refusals WHERE at <= ?"),
}
"""The last number that may be old enough."""
_FIND = """
    SELECT number, at, contract, first, leaves FROM gallring_{} WHERE number > ? AND number <= ? AND at <= ?
    ORDER BY number
"""
# Asked of few, and only when they are due: each looks into half a dozen tables.
_HELD = "SELECT number, held FROM gallring_{} WHERE number IN ({})"
_STILL = "SELECT number FROM gallring_{} WHERE held IS NULL AND number IN ({})"
_TRAILS = "SELECT position, flow FROM trail WHERE position {0}"
_FLOWS = "SELECT id, basis FROM flows WHERE id {0}"
_DUE = "rule, data, destroys, ripe, held, oldest, at"
_GALLRING = "id, rule, data, count, by, at, position, key_id, wrapped_key"

Made = tuple[Leaf, Sealed]
"""A leaf, and its record under a key of its own."""


class Found(NamedTuple):
    """One thing that a rule holds for."""

    number: int
    rule: Rule
    due: datetime
    held: str | None
    """Why it may not be destroyed, whatever the rule says; None where it may."""


@dataclass(slots=True)
class Tally:
    """What one rule has come to."""

    rule: Rule
    destroys: bool
    """False where the rule rests on no decision that was read, and this is no demo or test."""
    ripe: int = 0
    """Due, and held by nothing."""
    held: Counter[str] = field(default_factory=Counter)
    """Due, and held: by what, and how many."""
    oldest: datetime | None = None
    """When the first that is ripe was due."""

    def add(self, found: Found) -> None:
        """Count one that is due."""
        if found.held is not None:
            self.held[found.held] += 1
            return
        self.ripe += 1
        self.oldest = found.due if self.oldest is None else min(self.oldest, found.due)


class Destruction:
    """Destroys by rules. Shared between threads, though one is enough."""

    def __init__(  # noqa: PLR0913  # settings, each by its name
        self,
        place: Place,
        *,
        clock: Clock,
        by: str,
        make: Callable[[Destroyed], Made],
        holder: str | None = None,
        batch: int = BATCH,
        faults: Callable[[str], None] = lambda _point: None,
    ) -> None:
        """Open the store. Raises IntegrityError if it is not there, UnavailableError.

        Args:
            place: The store, on behalf of gallring.
            clock: Says what is due.
            by: User, machine and process, for the record.
            make: Makes the leaf of a destruction and seals its record.
            holder: Of the lease `LEASE`, asked for in every transaction; None where nobody holds one.
            batch: Things in one transaction.
            faults: Told each point (each table, `destroyed`, `commit`, `committed`); tests fail there.
        """
        self._place = place
        self._sessions = Sessions(place)
        self._clock = clock
        self._by = by
        self._make = make
        self._holder = holder
        self._batch = batch
        self._fault = faults

    def due(self, retention: Retention) -> Sequence[Tally]:
        """Return what each rule that is in force has come to, in the rules' order. Raises UnavailableError."""
        now = self._clock.now()
        tallies = {rule.key: Tally(rule, retention.destroys(rule)) for rule in retention.rules}
        with self._sessions.lent() as session:
            self._plainly(session)
            for data in ORDER:
                for page in self._pages(session, retention, data, now):
                    for found in page:
                        tallies[found.rule.key].add(found)
        return list(tallies.values())

    def look(self, retention: Retention) -> Sequence[Tally]:
        """Return what `due` does, and leave it for watchers (`gallring_due`). Raises UnavailableError."""
        found, now = self.due(retention), written(self._clock.now())
        rows: list[Row] = [
            (
                one.rule.key.removeprefix("rule "), one.rule.data.value, one.destroys, one.ripe, one.held.total(),
                None if one.oldest is None else written(one.oldest), now,
            )
            for one in found
        ]  # fmt: skip
        with self._sessions.lent() as session, session.writing(Turn.LEASES):
            session.execute("DELETE FROM gallring_due")
            session.insert("gallring_due", _DUE, rows)
        return found

    def run(self, retention: Retention, *, going: Callable[[], bool] = lambda: True) -> Mapping[str, int]:
        """Destroy everything that is due and may be destroyed; return how many by each rule's key.

        `going` is asked between transactions: False, and the rest is left for the next run. Raises UnavailableError:
        what is done is done, and the rest is found again.
        """
        now, count = self._clock.now(), Counter[str]()
        with self._sessions.lent() as session, overwriting(self._place, session):
            self._plainly(session)
            for data in ORDER:
                for page in self._pages(session, retention, data, now):
                    for rule, numbers in _by_rule(page, retention).items():
                        for start in range(0, len(numbers), self._batch):
                            if not going():
                                return count
                            done = self._destroy(session, rule, numbers[start : start + self._batch], now)
                            if done:
                                count[rule.key] += done
        return count

    def close(self) -> None:
        """Close the connections."""
        self._sessions.close()

    def _plainly(self, session: Session) -> None:
        """Have PostgreSQL compile none of the questions: that takes seconds, and each is asked a few times."""
        if isinstance(self._place, PostgresPlace):
            session.execute("SET jit = off")

    def _pages(
        self, session: Session, retention: Retention, data: DataClass, now: datetime
    ) -> Iterator[Sequence[Found]]:
        """Yield what is due of one class, by growing numbers."""
        months = retention.shortest(data)
        if months is None:
            return
        after, until = -1, written(now - timedelta(days=_MONTH * months))
        (last,) = session.execute(_LAST[data], (until,)).fetchone()
        while last is not None and after < last:
            window = (after, after := after + WINDOW, until)
            with session.reading():
                rows = session.execute(_FIND.format(data.value), window).fetchall()
                bases = _bases(session, rows)
                due = [one for row in rows if (one := _due(row, bases, retention, data)) is not None and one.due <= now]
                reasons = _held(session, data, [one.number for one in due])
            # What is not there any more another process has just destroyed.
            yield [one._replace(held=reasons[one.number]) for one in due if one.number in reasons]

    def _destroy(self, session: Session, rule: Rule, numbers: Sequence[int], now: datetime) -> int:
        """Destroy those that are still there and still held by nothing, and return how many those were."""
        with session.writing(Turn.JOURNAL):
            if self._holder is not None and not held(session, LEASE, self._holder):
                return 0
            left = _still(session, rule.data, numbers)
            if not left:
                return 0
            self._write(session, rule, left, now)
            self._fault("commit")
        self._fault("committed")
        return len(left)

    def _write(self, session: Session, rule: Rule, numbers: tuple[int, ...], now: datetime) -> None:
        added = Added(*session.execute(f"SELECT {NUMBERS}").fetchone())
        (number,) = session.execute("SELECT coalesce(max(id), 0) + 1 FROM gallringar").fetchone()
        what = Destroyed(number=number, rule=rule, numbers=numbers, by=self._by, at=now)
        leaf, sealed = self._make(what)
        row = (
            number, rule.key.removeprefix("rule "), rule.data.value, len(numbers), self._by, written(now),
            added.position, sealed.key_id, sealed.wrapped_key,
        )  # fmt: skip
        added.log((leaf,), sealed.records)
        parts = (
            Into("leaves", LEAVES, added.leaves),
            Into("records", RECORDS, added.records),
            *added.traced(),
            Into("gallringar", _GALLRING, [row]),
        )
        insert(session, parts, self._fault)
        if isinstance(self._place, PostgresPlace):
            session.execute("SELECT gateway_gallra(?, ?)", (number, list(numbers)))
        else:
            erasing.erase(session, number, rule.data, numbers)
        self._fault("destroyed")


def _due(row: Row, bases: Mapping[int, tuple[str | None, ...]], retention: Retention, data: DataClass) -> Found | None:
    number, at, contract, first, leaves = row
    known = bases.get(first, ()) if leaves else ()
    # Where the trail of any of its leaves is not there, all that the contract may be judged by is asked.
    due = retention.due(data, instant(at), bases=known if len(known) == leaves else (), contract=contract)
    return None if due is None else Found(number, due.rule, due.at, None)


def _by_rule(page: Sequence[Found], retention: Retention) -> Mapping[Rule, list[int]]:
    ripe: dict[str, list[int]] = {}
    rules: dict[str, Rule] = {}
    for one in page:
        if one.held is None and retention.destroys(one.rule):
            ripe.setdefault(one.rule.key, []).append(one.number)
            rules[one.rule.key] = one.rule
    return {rules[key]: numbers for key, numbers in ripe.items()}


def _bases(session: Session, rows: Sequence[Row]) -> Mapping[int, tuple[str | None, ...]]:
    """Return by what the leaves of each span were decided, as their trail tells, by where the span begins."""
    wanted = [(position,) for row in rows for position in range(row[3], row[3] + row[4])]
    flows: dict[int, int] = dict(session.listed(_TRAILS, wanted))
    bases: dict[int, str | None] = dict(session.listed(_FLOWS, sorted({(flow,) for flow in flows.values()})))
    return {
        row[3]: tuple(bases[flows[one]] for one in range(row[3], row[3] + row[4]) if one in flows)
        for row in rows
        if row[4]
    }


def _held(session: Session, data: DataClass, numbers: Sequence[int]) -> Mapping[int, str | None]:
    """Return what holds each of these; those that are gone are left out."""
    found: dict[int, str | None] = {}
    for part in chunks([(number,) for number in numbers]):
        given = [number for (number,) in part]
        rows = session.execute(_HELD.format(data.value, ", ".join("?" * len(given))), given).fetchall()
        found.update(rows)
    return found


def _still(session: Session, data: DataClass, numbers: Sequence[int]) -> tuple[int, ...]:
    found = session.execute(_STILL.format(data.value, ", ".join("?" * len(numbers))), list(numbers)).fetchall()
    return tuple(sorted(number for (number,) in found))
