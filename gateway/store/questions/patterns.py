"""What many leaves show together: Q5, Q7, Q20."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, timedelta
from typing import Final

from gateway.database import Row, Session, instant, written
from gateway.store.questions.asking import BATCH, FIRST, PERIOD, READ, Terms, paged, sorted_page
from gateway.store.questions.question import Answer, Asked, Key, Parameter, Question, Shape, Value, WrongQuestion

_DAY: Final = 10
_LENGTHS: Final = {"hour": 13, "day": _DAY}
"""Characters of a time that are its hour, and its day."""
_WHO: Final = "coalesce(f.asker, f.partner || ' ' || coalesce(f.contract, ''))"
_BEYOND: Final = 2**62
"""After every position."""
_FEW: Final = 2_000
"""Persons who are given to the database by name."""
STRETCH = 200_000
"""Leaves that are counted for one page."""


def _repeated(asked: Asked) -> Answer:
    join, least = asked.session.join, asked.whole("least")
    often = _often(asked.session, least)
    if often is None:
        return Answer(rows=[], more=None)
    terms = often.add("f.kind = 'intent'").equal(asked, asker="f.asker").within(asked)
    grouped = (
        "SELECT count(*) AS times, max(t.position) AS last, r.pseudonym AS whose, f.asker AS asker, "  # noqa: S608
        "min(t.at) AS first, max(t.at) AS latest, count(DISTINCT t.case_key) AS cases "
        f"FROM records r {join} trail t ON t.position = r.position {join} flows f ON f.id = t.flow WHERE {terms.sql} "
        "GROUP BY r.pseudonym, f.asker HAVING count(*) >= ?"
    )
    times, last = asked.page.after or (2**62, 2**62)
    rows = asked.session.execute(
        "SELECT g.times, g.last, g.whose, g.asker, g.times, g.cases, g.first, g.latest "  # noqa: S608
        f"FROM ({grouped}) g WHERE (g.times, g.last) < (?, ?) ORDER BY g.times DESC, g.last DESC LIMIT ?",
        (*terms.values, least, times, last, asked.page.limit + 1),
    ).fetchall()
    return paged(asked, rows, keys=2)


def _often(session: Session, least: int) -> Terms | None:
    """Return what holds for the records of those who were asked about so often, whoever asked; None for nobody.

    They are found first, and given by name while they are few: a database that must guess how many they are takes them
    for many, and goes through the whole log.
    """
    often = (
        "SELECT d.pseudonym FROM dispatches d WHERE d.intent IS NOT NULL AND d.pseudonym IS NOT NULL "
        "GROUP BY d.pseudonym HAVING count(*) >= ?"
    )
    persons = [row[0] for row in session.execute(f"{often} LIMIT ?", (least, _FEW + 1)).fetchall()]
    if not persons:
        return None
    if len(persons) > _FEW:
        return Terms().add(f"r.pseudonym IN ({often})", least)
    return Terms().add(f"r.pseudonym {session.among}", json.dumps(persons))


def _tried_again(asked: Asked) -> Answer:
    """Answer a stretch of denials at a time: those, and then what was sent about the same persons in the same time."""
    within = timedelta(minutes=asked.whole("minutes"))
    after, read, found = asked.page.after or (*FIRST, -1), 0, list[tuple[Value, ...]]()
    while read < READ:
        denied = _denied(asked, after)
        for key, row in _permitted(asked, denied, within):
            if key > after:
                found.append(row)
                if len(found) == asked.page.limit:
                    return Answer(rows=found, more=key)
        if len(denied) < BATCH:
            return Answer(rows=found, more=None)
        read, after = read + len(denied), (denied[-1][0], denied[-1][1], _BEYOND)
    return Answer(rows=found, more=after)


def _denied(asked: Asked, after: Key) -> Sequence[Row]:
    """Return denials in turn, with the one that the last page ended at: it may have been tried again many times."""
    join = asked.session.join
    terms = Terms().within(asked, "d.at")
    return asked.session.execute(
        "WITH picked (position, at) AS (SELECT d.position, d.at FROM trail d "  # noqa: S608
        "WHERE d.flow IN (SELECT f.id FROM flows f WHERE f.kind = 'decision' AND f.direction = 'out' AND "
        f"f.outcome = 'DENY') AND {terms.sql} AND (d.at, d.position) >= (?, ?) ORDER BY d.at, d.position LIMIT ?) "
        "SELECT t.at, t.position, r.pseudonym, f.asker, f.reasons, f.purposes, coalesce(t.case_key, '') "
        f"FROM picked k {join} trail t ON t.position = k.position {join} records r ON r.position = k.position "
        f"{join} flows f ON f.id = t.flow ORDER BY t.at, t.position",
        (*terms.values, *after[:2], BATCH),
    ).fetchall()


def _permitted(asked: Asked, denied: Sequence[Row], within: timedelta) -> Iterator[tuple[Key, tuple[Value, ...]]]:
    """Yield each denial with each disclosure about the same person that came soon after it otherwise, in turn."""
    if not denied:
        return
    sent = _sent(asked, denied, written(instant(denied[-1][0]) + within))
    for at, position, whose, asker, reasons, purposes, case in denied:
        last = written(instant(at) + within)
        for then, number, other, other_case, partner, reference in sent.get(whose, ()):
            if number > position and at <= then <= last and (other, other_case) != (purposes, case):
                changed = int(other_case != case)
                yield (
                    (at, position, number),
                    (at, then, whose, asker, reasons, purposes, other, changed, partner, reference),
                )


def _sent(asked: Asked, denied: Sequence[Row], last: str) -> Mapping[str, Sequence[Row]]:
    """Return what was sent about those who were denied, from the first denial to the last and what follows soon."""
    join, persons = asked.session.join, sorted({row[2] for row in denied})
    first = min(row[1] for row in denied)
    newest = _newest_intent(asked.session, denied[0][0], last)
    found: dict[str, list[Row]] = defaultdict(list)
    if newest is None:
        return found
    rows = asked.session.execute(
        "SELECT s.pseudonym, p.at, p.position, f.purposes, coalesce(p.case_key, ''), f.partner, p.reference "  # noqa: S608
        f"FROM records s {join} trail p ON p.position = s.position {join} flows f ON f.id = p.flow "
        f"WHERE s.pseudonym {asked.session.among} AND s.position > ? AND s.position <= ? AND f.kind = 'intent' "
        "AND p.at >= ? AND p.at <= ? ORDER BY p.position",
        (json.dumps(persons), first, newest, denied[0][0], last),
    ).fetchall()
    for row in rows:
        found[row[0]].append(row[1:])
    return found


def _newest_intent(session: Session, since: str, until: str) -> int | None:
    """Return the highest position of what was sent in a time, so that no record beyond it is looked at."""
    row = session.execute(
        "SELECT max(t.position) FROM trail t WHERE t.flow IN (SELECT f.id FROM flows f WHERE f.kind = 'intent') "
        "AND t.at >= ? AND t.at <= ?",
        (since, until),
    ).fetchone()
    return None if row[0] is None else int(row[0])


def _bulk(asked: Asked) -> Answer:
    """Answer a stretch of whole hours or days at a time, with about so many leaves in it."""
    least, length = asked.whole("least"), _LENGTHS.get(asked.text("per") or "")
    if length is None:
        raise WrongQuestion("per is hour or day")
    span = str(asked.page.after[0]) if asked.page.after else ""
    end = _beyond(asked.session, max(span, (asked.text("since") or "")[:length]), length)
    terms = Terms().within(asked).add("t.at >= ?", span)
    if end is not None:
        terms.add("t.at < ?", end)
    rows = asked.session.execute(
        f"SELECT g.span, {_WHO}, f.direction, sum(g.times) FROM (SELECT t.flow AS flow, "  # noqa: S608
        f"substr(t.at, 1, {length}) AS span, count(*) AS times FROM trail t "
        "WHERE t.flow IN (SELECT h.id FROM flows h WHERE h.kind IN ('intent', 'decision')) "
        f"AND {terms.sql} GROUP BY t.flow, substr(t.at, 1, {length})) g JOIN flows f ON f.id = g.flow "
        f"GROUP BY g.span, {_WHO}, f.direction HAVING sum(g.times) >= ?",
        (*terms.values, least),
    ).fetchall()
    found = [((str(one[0]), str(one[1])), (one[1], one[2], one[0], int(one[3]))) for one in rows]
    answer = sorted_page(asked, found)
    return answer if answer.more is not None or end is None else Answer(rows=answer.rows, more=(end, ""))


def _beyond(session: Session, span: str, length: int) -> str | None:
    """Return with which hour or day the next stretch begins, after about `STRETCH` leaves; None: there is no more.

    Positions go with time, nearly: good enough to cut by, as the cut is a time.
    """
    low, high = 0, int(session.execute("SELECT coalesce(max(position), -1) + 1 FROM trail").fetchone()[0])
    last = high
    while low < high:
        middle = (low + high) // 2
        if (_at(session, middle) or "") < span:
            low = middle + 1
        else:
            high = middle
    at = None if low + STRETCH >= last else _at(session, low + STRETCH)
    if at is None:
        return None
    begins = span or (_at(session, low) or "")[:length]
    return at[:length] if at[:length] > begins else _next(begins, length)


def _at(session: Session, position: int) -> str | None:
    """Return when the next leaf was that has a trail."""
    row = session.execute("SELECT at FROM trail WHERE position >= ? ORDER BY position LIMIT 1", (position,)).fetchone()
    return None if row is None else str(row[0])


def _next(span: str, length: int) -> str:
    """Return the hour or day after one."""
    step = timedelta(days=1) if length == _DAY else timedelta(hours=1)
    return written(instant(span).replace(tzinfo=UTC) + step)[:length]


QUESTIONS = (
    Question(
        id="Q5",
        title="Upprepade sökningar på samma person",
        tells="Personer (pseudonym) som ett av våra system frågat om eller sänt om minst så många gånger, i "
        "hur många ärenden, "
        "första och sista gången (JO 370-1999: 24 gånger på en person).",
        silent="Att något upprepats säger inte att det var fel. Vilken handläggare som satt bakom vet systemet.",
        columns=("person", "asker", "times", "cases", "first", "last"),
        parameters=(
            Parameter(name="least", help="Minsta antal.", shape=Shape.WHOLE, default=10),
            Parameter(name="asker", help="Bara detta system."),
            *PERIOD,
        ),
        answer=_repeated,
    ),
    Question(
        id="Q7",
        title="Nekad, och tillåten strax därpå med annat ändamål eller ärende",
        tells="Varje par: ett utskick om en person som rätten nekade, och ett som tilläts om samma person "
        "inom så många "
        "minuter, med ett annat ändamål eller ett annat ärende.",
        silent="Inte om ändringen var en rättelse eller ett kringgående: det bedömer en människa.",
        columns=(
            "denied", "permitted", "person", "asker", "reasons", "purpose_before", "purpose_after",
            "other_case", "partner",
            "reference",
        ),
        parameters=(
            Parameter(name="minutes", help="Längst tid emellan.", shape=Shape.WHOLE, default=60),
            *PERIOD,
        ),
        answer=_tried_again,
    ),
    Question(
        id="Q20",
        title="Många personer på kort tid",
        tells="System som sänt eller frågat, och partners som sänt, minst så många gånger inom en timme "
        "(eller dygn), UTC: "
        "det som i verkan är massuttag.",
        silent="Räknar poster, en person kan vara flera. Vad som är många beror på verksamheten: sätt "
        "gränsen därefter.",
        columns=("who", "direction", "span", "times"),
        parameters=(
            Parameter(name="least", help="Minsta antal.", shape=Shape.WHOLE, default=1000),
            Parameter(name="per", help="hour eller day.", default="hour"),
            *PERIOD,
        ),
        answer=_bulk,
    ),
)  # fmt: skip
