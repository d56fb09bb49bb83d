"""A question of the auditors', whoever carries it here: what it is asked with, what is written of it, and its answer.

`gateway audit ask` and the auditors' listener do the same with a question: lines that name persons, cases or consents
become keyed hashes at once (`asking`), the reading is what may be told of it (`Asking.told`), and the answer is asked
for until a page has something or there is no more (`answered`). Who asks, why, and that the reading is durable before
the answer, is theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from gateway.adapters import persons
from gateway.audit.reading import Parameter
from gateway.config import Configuration
from gateway.database import Session
from gateway.message import NumberKind, Pseudonym
from gateway.store import questions
from gateway.store.place import Duty
from gateway.store.questions import Answer, Page, Question, Subject, WrongQuestion
from gateway.trust.sealing import Sealer
from gateway.wiring.rules import pseudonyms

_SWEDEN: Final = ZoneInfo("Europe/Stockholm")
FEW: Final = 100
"""Persons or cases that a reading names each by its hash; of more it tells how many."""
Given = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One question, ready to be asked: nobody's number is in it."""

    question: Question
    given: Mapping[str, Any]
    """What was given, and what the installation gives where nothing was (`_ENDS`)."""
    subjects: tuple[str, ...] = ()
    page: Page

    def told(self) -> tuple[Mapping[str, Parameter], Pseudonym | None]:
        """Return what the log of readings is told: parameters, and whom it is about where that is one person."""
        about = "" if self.question.about is None else self.question.about.subject.value
        told: dict[str, Parameter] = {name: _said(value) for name, value in self.given.items() if name != _ENDS}
        if about == Subject.PERSON and len(self.subjects) == 1:
            return told, Pseudonym(self.subjects[0])
        if self.subjects:
            told[about] = list(self.subjects) if len(self.subjects) <= FEW else len(self.subjects)
        return told, None


def asking(
    configuration: Configuration, question: Question, given: Mapping[str, Any], lines: Iterable[str], page: Page
) -> Asking:
    """Return a question that is ready to be asked.

    Args:
        configuration: The installation's: its key of pseudonyms, its register.
        question: Of `QUESTIONS`.
        given: By parameter; a moment is aware, or a text that `moment` reads.
        lines: Persons, cases or consents, as the question is about; they go no further.
        page: Which part.

    Raises:
        WrongQuestion: what was given does not fit; no line is quoted.
        ConfigError: The key cannot be read.
    """
    moments = {one.name for one in question.parameters if one.shape is questions.Shape.MOMENT}
    read = {name: moment(name, value) if name in moments else value for name, value in given.items()}
    if question.id == "Q9" and _ENDS not in read:
        read[_ENDS] = tuple(_ends(configuration))
    subjects = tuple(_keyed(configuration, question, lines))
    made = Asking(question=question, given=read, subjects=subjects, page=page)
    questions.fits(question, read, page=page, subjects=subjects)
    return made


def moment(name: str, value: object) -> datetime:
    """Return a time, aware: without a zone it is Swedish, without a time of day the day's first moment.

    Raises WrongQuestion.
    """
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise WrongQuestion(f"{name} is no time: 2026-11-26, or 2026-11-26T08:30") from None
    return at if at.tzinfo else at.replace(tzinfo=_SWEDEN)


def answered(session: Session, asking_: Asking, *, now: datetime, sealer: Sealer | None) -> Answer:
    """Ask, and ask on while a page has nothing and is not the last.

    Args:
        session: Of a store opened on behalf of the question's duty, inside `reading`.
        asking_: The question.
        now: The time.
        sealer: Opens readings, for the overseer.

    Raises:
        WrongQuestion: what was given does not fit.
        UnavailableError: the trail is not whole.
    """
    seals = sealer if asking_.question.duty is Duty.OVERSEER else None
    page = asking_.page
    while True:
        answer = questions.ask(
            session, asking_.question, asking_.given, page=page, now=now, subjects=asking_.subjects, sealer=seals
        )
        if answer.rows or answer.more is None:
            return answer
        page = replace(page, after=answer.more)


_ENDS: Final = "ends"
"""Q9's: the last day of each basis that has one. The register knows it; nobody gave it, so no reading tells it."""


def _ends(configuration: Configuration) -> Iterator[str]:
    """Yield the last day of each basis that has one, as the register has it today."""
    last: dict[str, Any] = {}
    for basis in configuration.bases:
        if basis.id not in last or last[basis.id].giltig_fom < basis.giltig_fom:
            last[basis.id] = basis
    for name, basis in sorted(last.items()):
        if basis.giltig_tom is not None:
            yield f"{name}={basis.giltig_tom.isoformat()}"


def _keyed(configuration: Configuration, question: Question, lines: Iterable[str]) -> Iterator[str]:
    """Yield the keyed hash of each line: only those go further."""
    names = pseudonyms(configuration.gateway.keys)
    subject = None if question.about is None else question.about.subject
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text:
            continue
        match subject:
            case Subject.CASE:
                yield names.case(text)
            case Subject.CONSENT:
                yield names.consent(text)
            case _:
                person = persons.read(text)
                if person.kind is NumberKind.OTHER:
                    raise WrongQuestion(f"line {number} is no number of twelve digits")
                yield names.of(person)


def _said(value: object) -> Parameter:
    match value:
        case datetime():
            return value.isoformat()
        case Sequence() if not isinstance(value, str):
            return [str(one) for one in value]
        case int():
            return value
        case _:
            return str(value)
