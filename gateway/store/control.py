"""The recurring control as it is kept: a month is drawn from once, and what was drawn is looked at by people.

    draw ──▶ case ──mark──▶ mark, mark again, …          the last mark counts, and all of them stay

Leaves are drawn by lot (`audit.control`), beside them what the auditors' questions find (`findings`), of each no more
than people can look through: where there is more, lots decide there too. Nothing of it is ever changed. What is kept
says nothing of whom it was about, so that it needs no gallring and survives everybody else's.

The auditor draws and marks, and reads the trail, nothing that is sealed. Each step is a reading, written down before it
is made (`cli.control`): its number is kept here, so that whoever oversees the readers can hold the two together. A seed
stands in the log of readings before anybody knows what it draws.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from gateway.audit import control
from gateway.audit.control import LARGEST, Lowest, Outcome, Stratum, lot
from gateway.database import Row, Turn, instant, written
from gateway.errors import IntegrityError
from gateway.ports import Clock
from gateway.store import drawn, findings, questions
from gateway.store.drawn import DRAW, Case, Draw, Mark, Verdict, Wanted
from gateway.store.findings import OWN, Finding, Own
from gateway.store.place import Place
from gateway.store.triage import unfit

SETTLED = timedelta(hours=1)
"""So long after its end a month may be drawn from: what was on its way to the log has come."""
_KINDS = "('decision', 'intent', 'review')"
"""Of leaves that tell of an access to somebody's data, or of one that was asked for."""
_DRAWS = f"SELECT {DRAW} FROM control_draws ORDER BY month"  # noqa: S608  # our own names


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    why: str
    position: int | None
    facts: str
    officials: tuple[str, ...]


class Control:
    """One connection, on behalf of the auditor. Belongs to one thread."""

    def __init__(self, place: Place, *, clock: Clock, faults: Callable[[str], None] = lambda _point: None) -> None:
        """Open the store. Raises IntegrityError if it is not there, UnavailableError.

        Args:
            place: The store.
            clock: Gives the times.
            faults: Told each point (`draw`, `cases`, `mark`, `commit`); tests fail there.
        """
        self._session = place.open()
        self._clock = clock
        self._fault = faults

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def refused(self, wanted: Wanted) -> str:
        """Tell why nothing may be drawn; empty where it may. Raises IntegrityError for what is no month."""
        _, beyond = control.period(wanted.month)
        if self._clock.now() < beyond + SETTLED:
            return "the month is not over: it is drawn from when an hour has gone since its end"
        if not 1 <= wanted.size <= LARGEST or not 0 <= wanted.most <= LARGEST:
            return f"a drawing has 1 to {LARGEST} of each"
        with self._session.translated():
            drawn = self._session.execute("SELECT 1 FROM control_draws WHERE month = ?", (wanted.month,)).fetchone()
        return "the month is drawn from already, and that stands" if drawn else ""

    def draw(self, wanted: Wanted, *, by: str, reading: int) -> Sequence[int] | str:
        """Draw; return the new cases' numbers, or why it is refused.

        Args:
            wanted: What.
            by: Who draws.
            reading: Where the log of readings tells of it.

        Raises:
            UnavailableError: nothing is drawn; or the trail is not whole.
        """
        if refused := self.refused(wanted):
            return refused
        now = self._clock.now()
        with self._session.translated():
            with self._session.reading():
                length = self._length()
                urns, chosen = self._drawn(wanted, length)
            draw = (
                wanted.month, wanted.seed.hex(), wanted.given, wanted.size, wanted.most, length,
                json.dumps(urns, sort_keys=True), by, written(now), written(now + wanted.within), reading,
            )  # fmt: skip
            with self._session.writing(Turn.CONTROL):
                if self._session.execute("SELECT 1 FROM control_draws WHERE month = ?", (wanted.month,)).fetchone():
                    return "the month is drawn from already, and that stands"
                self._add("control_draws", DRAW, draw)
                self._fault("draw")
                numbers = self._cases(wanted.month, chosen)
                self._fault("commit")
        return numbers

    def mark(self, number: int, outcome: Outcome, *, reason: str, by: str, reading: int) -> str:
        """Write down what a reviewer found; return why it is refused. Raises UnavailableError."""
        now = self._clock.now()
        with self._session.translated():
            if refused := self.unmarkable(number, reason=reason, by=by):
                return refused
            with self._session.writing(Turn.CONTROL):
                row = self._session.execute(
                    "SELECT count(*) FROM control_marks WHERE case_id = ?", (number,)
                ).fetchone()
                columns = "case_id, step, outcome, by, reason, at, reading"
                mark = (number, row[0] + 1, outcome.value, by, reason.strip(), written(now), reading)
                self._add("control_marks", columns, mark)
                self._fault("mark")
        return ""

    def unmarkable(self, number: int, *, reason: str, by: str) -> str:
        """Tell why somebody may not mark a case, with this reason; empty where they may. Raises UnavailableError."""
        if wrong := unfit(reason):
            return wrong
        with self._session.translated():
            if not self._session.execute("SELECT 1 FROM control_cases WHERE id = ?", (number,)).fetchone():
                return "there is no such case"
        if by in self.officials(number):
            return "nobody reviews their own doing: another person does"
        return ""

    def months(self) -> Sequence[Draw]:
        """Return what was drawn, the oldest first."""
        with self._session.translated():
            rows = self._session.execute(_DRAWS).fetchall()
        return [drawn.draw(row) for row in rows]

    def cases(self, month: str) -> Sequence[Case]:
        """Return the cases of a month, in order."""
        with self._session.translated():
            rows = self._session.execute(f"{drawn.CASE} WHERE c.month = ? ORDER BY c.id", (month,)).fetchall()
        return [drawn.case(row) for row in rows]

    def case(self, number: int) -> Case | None:
        """Return a case."""
        with self._session.translated():
            row = self._session.execute(f"{drawn.CASE} WHERE c.id = ?", (number,)).fetchone()
        return None if row is None else drawn.case(row)

    def officials(self, number: int) -> Sequence[str]:
        """Return whose doing a case is."""
        sql = "SELECT official FROM control_officials WHERE case_id = ? ORDER BY official"
        with self._session.translated():
            return [row[0] for row in self._session.execute(sql, (number,)).fetchall()]

    def marks(self, number: int) -> Sequence[Mark]:
        """Return what has been said of a case, the first first."""
        sql = "SELECT step, outcome, by, reason, at, reading FROM control_marks WHERE case_id = ? ORDER BY step"
        with self._session.translated():
            rows = self._session.execute(sql, (number,)).fetchall()
        return [
            Mark(step=row[0], outcome=Outcome(row[1]), by=row[2], reason=row[3], at=instant(row[4]), reading=row[5])
            for row in rows
        ]

    def said(self, month: str) -> tuple[int, int]:
        """Return how many people have said something of a month's cases, and of how many cases more than one thing."""
        marks = "FROM control_marks m JOIN control_cases c ON c.id = m.case_id WHERE c.month = ?"
        people = f'SELECT count(DISTINCT m."by") {marks}'  # our own words
        again = f"SELECT count(*) {marks} AND m.step = 2"  # as above
        with self._session.translated():
            one, other = (self._session.execute(sql, (month,)).fetchone() for sql in (people, again))
        return int(one[0]), int(other[0])

    def verify(self, month: str, *, own: Own | None = None) -> Verdict | None:
        """Draw a month again and compare; None where it was not drawn. `own` as it was given then.

        Raises UnavailableError where the trail is not whole.
        """
        draw = {one.month: one for one in self.months()}.get(month)
        if draw is None:
            return None
        wanted = Wanted(
            month=month, seed=bytes.fromhex(draw.seed), given=draw.given, size=draw.size, most=draw.most,
            within=timedelta(0), own=own or {},
        )  # fmt: skip
        kept = self.cases(month)
        with self._session.translated(), self._session.reading():
            questions.whole(self._session)
            if self._length() < draw.length:
                raise IntegrityError(
                    f"the log was {draw.length} leaves long when {month} was drawn, and is shorter now"
                )
            again = {one.value: Lowest[int](draw.size) for one in Stratum}
            self._leaves(wanted, draw.length, again)
            same = all(again[one].seen == draw.urns.get(one) for one in again) and self._same(month, draw.length)
            urns = {one: urn.seen for one, urn in again.items()}
            now = {one: {lot_ for lot_, _ in urn.drawn()} for one, urn in again.items()}
            if same:
                for rule, found in self._found(wanted).items():
                    if rule != OWN or own is not None:
                        urns[rule], now[rule] = found.seen, {lot_ for lot_, _ in found.drawn()}
        return drawn.verdict(draw, kept, now, urns, redrawn=same)

    def _drawn(self, wanted: Wanted, length: int) -> tuple[dict[str, int], list[tuple[str, _Chosen]]]:
        """Return how many there were, and what was drawn, each with its lot."""
        questions.whole(self._session)
        leaves = {one.value: Lowest[int](wanted.size) for one in Stratum}
        self._leaves(wanted, length, leaves)
        urns, chosen = dict[str, int](), list[tuple[str, _Chosen]]()
        for why, urn in leaves.items():
            urns[why] = urn.seen
            chosen += [(lot_, self._leaf(why, position)) for lot_, position in urn.drawn()]
        for rule, found in self._found(wanted).items():
            urns[rule] = found.seen
            chosen += [(lot_, _strange(one)) for lot_, one in found.drawn()]
        return urns, chosen

    def _leaves(self, wanted: Wanted, length: int, urns: Mapping[str, Lowest[int]]) -> None:
        """Put every leaf of the month in its urn."""
        since, until = control.period(wanted.month)
        rows = self._session.stream(
            'SELECT t.position, t."by" FROM trail t WHERE t.flow IN (SELECT f.id FROM flows f WHERE f.kind IN '  # noqa: S608  # our own words
            f"{_KINDS}) AND t.at >= ? AND t.at < ? AND t.position < ?",
            (written(since), written(until), length),
        )
        for position, by in rows:
            urn = urns[Stratum.OFFICIALS if by else Stratum.SYSTEMS]
            urn.add(lot(wanted.seed, str(position)), position)

    def _found(self, wanted: Wanted) -> Mapping[str, Lowest[Finding]]:
        urns = {rule: Lowest[Finding](wanted.most) for rule in findings.RULES}
        since, until = control.period(wanted.month)
        for one in findings.found(self._session, since, until, now=self._clock.now(), own=wanted.own):
            urns[one.rule].add(lot(wanted.seed, one.name), one)
        return urns

    def _leaf(self, why: str, position: int) -> _Chosen:
        names = (
            "at",
            "kind",
            "direction",
            "partner",
            "contract",
            "information",
            "asker",
            "basis",
            "outcome",
            "state",
            "reference",
        )
        columns = ", ".join(f"{'t' if name in {'at', 'reference'} else 'f'}.{name}" for name in names)
        sql = f"SELECT {columns} FROM trail t JOIN flows f ON f.id = t.flow WHERE t.position = ?"  # noqa: S608  # our own names
        row = self._session.execute(sql, (position,)).fetchone()
        facts = {name: value for name, value in zip(names, row, strict=True) if value is not None}
        return _Chosen(
            why=why,
            position=position,
            facts=json.dumps(facts, ensure_ascii=False, sort_keys=True),
            officials=findings.officials(self._session, position),
        )

    def _cases(self, month: str, chosen: Sequence[tuple[str, _Chosen]]) -> list[int]:
        (last,) = self._session.execute("SELECT coalesce(max(id), 0) FROM control_cases").fetchone()
        numbers = list[int]()
        for number, (lot_, one) in enumerate(chosen, start=last + 1):
            row = (number, month, one.why, lot_, one.position, one.facts)
            self._add("control_cases", "id, month, why, lot, position, facts", row)
            for official in one.officials:
                self._add("control_officials", "case_id, official", (number, official))
            numbers.append(number)
        self._fault("cases")
        return numbers

    def _add(self, table: str, columns: str, row: Row) -> None:
        # One at a time: the auditor has views, and views take no COPY.
        named = ", ".join(f'"{one}"' for one in columns.split(", "))
        self._session.execute(f"INSERT INTO {table} ({named}) VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608  # our own names

    def _length(self) -> int:
        return int(self._session.execute("SELECT coalesce(max(position), -1) + 1 FROM leaves").fetchone()[0])

    def _same(self, month: str, length: int) -> bool:
        """Tell whether the questions still see what they saw: nothing of the month came later, nothing is destroyed.

        A leaf of any kind may have been what made another one strange, or what kept it from being so.
        """
        since, until = (written(one) for one in control.period(month))
        late = "SELECT 1 FROM trail t WHERE t.position >= ? AND t.at >= ? AND t.at < ? LIMIT 1"
        if self._session.execute(late, (length, since, until)).fetchone() is not None:
            return False
        left = (
            "SELECT count(*), min(t.position) FROM trail t WHERE t.position < ? AND t.position >= "
            "(SELECT min(o.position) FROM trail o WHERE o.at >= ? AND o.at < ?)"
        )
        count, first = self._session.execute(left, (length, since, until)).fetchone()
        return bool(count == length - (length if first is None else first))


def _strange(one: Finding) -> _Chosen:
    return _Chosen(why=one.rule, position=one.position, facts=one.facts, officials=one.officials)
