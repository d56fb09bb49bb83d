"""What the auditors' questions find strange in a month, as cases for the recurring control.

    Q3   stopped: no case, none open, another     Q11  protected persons, and something passed
    Q5   the same person again and again          Q12  people let it through
    Q6   out of hours                             Q19  consent that had ended
    Q7   denied, and then permitted               Q20  many in an hour
    Q10  people said yes, and no balancing noted  Q4   own and relatives', of whom a list was given

The questions are asked as any auditor asks them, and no other way. Of what they tell, everything is kept but whom it
was about: a finding names its leaf, which gallring may take, and those officials whose doing it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gateway.database import Session
from gateway.message import Pseudonym
from gateway.store import questions
from gateway.store.questions import Page, Question, Value

_ASKED: Final[Mapping[str, Mapping[str, Any]]] = {
    "Q3": {}, "Q5": {}, "Q6": {}, "Q7": {}, "Q10": {"missing": 1}, "Q11": {}, "Q12": {}, "Q19": {}, "Q20": {},
}  # fmt: skip
"""Which questions, with what beside the month. All else is the question's own default."""
OWN: Final = "Q4"
"""Asked for each official of whom a list of persons was given."""
RULES: Final = (*_ASKED, OWN)
_PERSON: Final = "person"
_LEFT_OUT: Final = frozenset({_PERSON, "by", "second"})
_PAGE: Final = 1000
_OFFICIALS: Final = """
    SELECT t."by" FROM trail t WHERE t.position = ?
    UNION SELECT t.second FROM trail t WHERE t.position = ?
    UNION SELECT s."by" FROM review_steps s JOIN reviews r ON r.id = s.review WHERE r.outcome = ? OR r.leaf = ?
    UNION SELECT i."by" FROM leaves l JOIN instructions i ON i.dispatch = l.dispatch WHERE l.position = ?
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One strange thing."""

    rule: str
    """The question."""
    position: int | None
    """Of its leaf; None where it is about more than one, or none."""
    facts: str
    """JSON, keys in order: what the question told, without whom it was about and whose doing it was."""
    officials: tuple[str, ...]

    @property
    def name(self) -> str:
        """What its lot is drawn by."""
        return f"{self.rule} {self.position} {self.facts} {' '.join(self.officials)}"


Own = Mapping[str, Sequence[Pseudonym]]
"""By official: their own number's pseudonym, and those of who is close to them."""


def found(session: Session, since: datetime, until: datetime, *, now: datetime, own: Own) -> Iterator[Finding]:
    """Yield what all the questions find in a period. `session` is the auditor's, inside `reading`.

    Raises UnavailableError where the trail is not whole.
    """
    period = {"since": since, "until": until}
    for rule, more in _ASKED.items():
        question = questions.QUESTIONS[rule]
        for row in _rows(session, question, {**period, **more}, now):
            yield _finding(session, question, row)
    question = questions.QUESTIONS[OWN]
    for official, persons in own.items():
        for row in _rows(session, question, {**period, "official": official}, now, persons):
            yield _finding(session, question, row)


def officials(session: Session, position: int) -> tuple[str, ...]:
    """Return whose doing a leaf is, by name: who answered, agreed, asked for more, or gave an order about it."""
    rows = session.execute(_OFFICIALS, (position,) * 5).fetchall()
    return tuple(sorted({row[0] for row in rows if row[0]}))


def _rows(
    session: Session, question: Question, given: questions.Given, now: datetime, subjects: Sequence[str] = ()
) -> Iterator[Mapping[str, Value]]:
    after = None
    while True:
        page = Page(limit=_PAGE, after=after)
        answer = questions.ask(session, question, given, page=page, now=now, subjects=subjects)
        yield from (dict(zip(question.columns, row, strict=True)) for row in answer.rows)
        if answer.more is None:
            return
        after = answer.more


def _finding(session: Session, question: Question, row: Mapping[str, Value]) -> Finding:
    whose = {str(row[name]) for name in ("by", "second") if row.get(name)}
    position = _position(session, row)
    if position is not None:
        whose |= set(officials(session, position))
    if "review" in row:
        steps = session.execute('SELECT s."by" FROM review_steps s WHERE s.review = ?', (row["review"],)).fetchall()
        whose |= {one[0] for one in steps}
    facts = {name: _same(value) for name, value in row.items() if name not in _LEFT_OUT and value is not None}
    return Finding(
        rule=question.id,
        position=position,
        facts=json.dumps(facts, ensure_ascii=False, sort_keys=True),
        officials=tuple(sorted(whose)),
    )


def _position(session: Session, row: Mapping[str, Value]) -> int | None:
    """Return the leaf that a row is about, the last of several; None where it is about none."""
    if "review" in row:
        asked = "SELECT coalesce(r.outcome, r.leaf) FROM reviews r WHERE r.id = ?"
        return _whole(session.execute(asked, (row["review"],)).fetchone())
    at = row.get("permitted") or row.get("at") or ("times" in row and row.get("last"))
    reference, person = row.get("reference") or row.get("about"), row.get(_PERSON)
    if not at or not (reference or person):
        return None
    terms, values = ["t.flow IN (SELECT f.id FROM flows f)", "t.at = ?"], [at]
    if reference:
        terms.append("t.reference = ?")
        values.append(reference)
    if person:
        terms.append("EXISTS (SELECT 1 FROM records r WHERE r.position = t.position AND r.pseudonym = ?)")
        values.append(person)
    return _whole(
        session.execute(f"SELECT max(t.position) FROM trail t WHERE {' AND '.join(terms)}", values).fetchone()  # noqa: S608  # our own words
    )


def _same(value: Value) -> Value:
    """Return a value as both databases would tell it, so that a store that moves gives the same lots."""
    return int(value) if isinstance(value, bool) else value


def _whole(row: Sequence[Any] | None) -> int | None:
    return None if row is None or row[0] is None else int(row[0])
