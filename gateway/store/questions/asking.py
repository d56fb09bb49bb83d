"""How the trail is asked: conditions put together, in the one order that finds few rows first.

Nearly every question is one of two: what happened to these persons, or what happened by flows like this. A person's
leaves are found by pseudonym. Flows are few, so the flows that fit are found first, and then their leaves by the index
that has flow, time and position, and nothing else. Only the rows of the page are read whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.database import Row
from gateway.store.questions.question import Answer, Asked, Key, Page, Parameter, Shape, Value, WrongQuestion

SINCE = Parameter(name="since", help="Från och med denna tid.", shape=Shape.MOMENT)
UNTIL = Parameter(name="until", help="Före denna tid.", shape=Shape.MOMENT)
PERIOD = (SINCE, UNTIL)
BATCH = 2_000
READ = 40_000
"""Rows that are looked at for one page, where the database cannot tell which ones fit."""
FIRST: Key = ("", -1)
"""Before every time and position."""
DISCLOSED = (
    "(f.kind = 'intent' OR (f.outcome = 'PERMIT' AND (f.kind = 'decision' OR (f.kind = 'review' "
    "AND f.waited IN ('record', 'answer')))))"
)
"""Flows by which something about a person went out, or came in and was let through."""
RELEASED = (
    "(SELECT e.released FROM leaves l JOIN timeline s ON s.dispatch = l.dispatch JOIN trail x ON x.position = "
    "s.first_leaf JOIN flows e ON e.id = x.flow WHERE l.position = t.position AND e.kind = 'end' LIMIT 1)"
)
"""Of what went out: whether the recipient has it. It may still be on its way: then nothing is said."""
WHOSE = "(SELECT r.pseudonym FROM records r WHERE r.position = t.position)"


@dataclass(slots=True)
class Terms:
    """Conditions that all hold, with their values."""

    words: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, word: str, *values: Any) -> Terms:  # noqa: ANN401  # values of rows
        """Add one."""
        self.words.append(word)
        self.values += values
        return self

    def also(self, other: Terms) -> Terms:
        """Add another's."""
        self.words += other.words
        self.values += other.values
        return self

    def equal(self, asked: Asked, **columns: str) -> Terms:
        """Add for each parameter that was given, that its column is it."""
        for name, column in columns.items():
            if (given := asked.given.get(name)) is not None:
                self.add(f"{column} = ?", given)
        return self

    def within(self, asked: Asked, column: str = "t.at") -> Terms:
        """Add the period."""
        if (since := asked.text("since")) is not None:
            self.add(f"{column} >= ?", since)
        if (until := asked.text("until")) is not None:
            self.add(f"{column} < ?", until)
        return self

    @property
    def sql(self) -> str:
        """Return them as words."""
        return " AND ".join(self.words) or "1 = 1"


def by_flow(asked: Asked, columns: str, flows: Terms, rows: Terms | None = None) -> Answer:
    """Answer by flows, as `flow_rows`."""
    return paged(asked, flow_rows(asked, columns, flows, rows), keys=2)


def flow_rows(asked: Asked, columns: str, flows: Terms, rows: Terms | None = None) -> Sequence[Row]:
    """Return rows by flows, one more than the page: first those flows, then their leaves in order of time.

    Args:
        asked: The asking.
        columns: Of `t` (trail) and `f` (flows).
        flows: Of `f`.
        rows: Of `t`, beside the period.
    """
    rows = (rows or Terms()).within(asked)
    at, position = asked.page.after or FIRST
    picked = (
        f"SELECT t.position AS position, t.at AS at FROM trail t "  # noqa: S608  # our own words
        f"WHERE t.flow IN (SELECT f.id FROM flows f WHERE {flows.sql}) AND {rows.sql} AND (t.at, "
        f"t.position) > (?, ?) "
        "ORDER BY t.at, t.position LIMIT ?"
    )
    values = (*flows.values, *rows.values, at, position, asked.page.limit + 1)
    return _read(asked, picked, columns, values)


def by_row(asked: Asked, columns: str, terms: Terms, *, source: str = "trail t") -> Answer:
    """Answer by going through all rows in turn: for what no index knows; `source` says which rows.

    Much quicker than by flows where nearly all flows fit and nearly no row does.
    """
    join, at = asked.session.join, asked.page.after or FIRST
    terms = terms.within(asked)
    picked = (
        f"SELECT t.position AS position, t.at AS at FROM {source} {join} flows f ON f.id = t.flow "  # noqa: S608
        f"WHERE {terms.sql} AND (t.at, t.position) > (?, ?) ORDER BY t.at, t.position LIMIT ?"
    )
    return paged(asked, _read(asked, picked, columns, (*terms.values, *at, asked.page.limit + 1)), keys=2)


def by_person(asked: Asked, columns: str, terms: Terms) -> Answer:
    """Answer about the persons that were given: conditions are of `t` (trail) and `f` (flows)."""
    join, at = asked.session.join, asked.page.after or FIRST
    terms = terms.within(asked)
    picked = (
        f"SELECT t.position AS position, t.at AS at FROM records r {join} trail t ON t.position = r.position "  # noqa: S608
        f"{join} flows f ON f.id = t.flow WHERE r.pseudonym IN ({places(asked.subjects)}) AND {terms.sql} "
        "AND (t.at, t.position) > (?, ?) ORDER BY t.at, t.position LIMIT ?"
    )
    values = (*asked.subjects, *terms.values, *at, asked.page.limit + 1)
    return paged(asked, _read(asked, picked, columns, values), keys=2)


def _read(asked: Asked, picked: str, columns: str, values: Sequence[Any]) -> Sequence[Row]:
    join = asked.session.join
    sql = (
        f"WITH picked (position, at) AS ({picked}) SELECT t.at, t.position, {columns} FROM picked k "  # noqa: S608
        f"{join} trail t ON t.position = k.position {join} flows f ON f.id = t.flow ORDER BY t.at, t.position"
    )
    return asked.session.execute(sql, values).fetchall()


def filtered(
    asked: Asked, fetch: Callable[[Asked], Sequence[Row]], keep: Callable[[Row], bool], *, keys: int
) -> Answer:
    """Answer with those rows that only the program can tell; `fetch` returns rows in order of their keys.

    It looks at so many at most, and says then where to ask on.
    """
    found: list[tuple[Value, ...]] = []
    after, read = asked.page.after, 0
    while read < READ:
        rows = fetch(replace(asked, page=Page(limit=BATCH, after=after)))
        for row in rows[:BATCH]:
            read, after = read + 1, tuple(row[:keys])
            if keep(row):
                found.append(tuple(row[keys:]))
                if len(found) == asked.page.limit:
                    return Answer(rows=found, more=after)
        if len(rows) <= BATCH:
            return Answer(rows=found, more=None)
    return Answer(rows=found, more=after)


def paged(asked: Asked, rows: Sequence[Row], *, keys: int, told: Callable[[Row], Sequence[Value]] = tuple) -> Answer:
    """Make a page of rows of which one too many was asked for; the first `keys` columns are their key."""
    page = rows[: asked.page.limit]
    more = tuple(page[-1][:keys]) if len(rows) > asked.page.limit else None
    return Answer(rows=[tuple(told(row[keys:])) for row in page], more=more)


def sorted_page(asked: Asked, rows: Sequence[tuple[Key, tuple[Value, ...]]]) -> Answer:
    """Make a page of all rows there are, each with its key: of summaries, which are few."""
    after = asked.page.after
    rest = sorted((key, row) for key, row in rows if after is None or key > after)
    page = rest[: asked.page.limit]
    return Answer(rows=[row for _, row in page], more=page[-1][0] if len(rest) > asked.page.limit else None)


def places(values: Sequence[object]) -> str:
    """Return places for values. Raises WrongQuestion: a question about nobody."""
    if not values:
        raise WrongQuestion("nobody was given")
    return ", ".join("?" * len(values))
