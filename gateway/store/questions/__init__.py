"""The twenty questions that auditors ask, by name: `ask` answers one, a page at a time, each in less than a second.

    disclosures   what was disclosed about whom                      Q1 Q3 Q8 Q11 Q18
    officials     what officials and systems did                     Q2 Q4 Q6 Q10 Q12
    patterns      what many leaves show together                     Q5 Q7 Q20
    grounds       by what law it went                                Q9 Q13 Q19
    completeness  what is missing                                    Q14
    handling      gallring, incidents, and who has read the log      Q15 Q16 Q17

They read the trail (`gateway.trail`) and the facts, on behalf of the auditor; nothing that is sealed, but for the
readings, which are the overseer's (Q17). A store whose trail is not whole answers none of them: half an answer about
who got what would be taken for a whole one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from gateway import codes, inquiries
from gateway.database import Session, TooLongError, instant, written
from gateway.errors import ContractError, UnavailableError
from gateway.store import tracing
from gateway.store.place import Duty
from gateway.store.questions import completeness, disclosures, grounds, handling, officials, patterns
from gateway.store.questions.question import (
    LARGEST,
    MOST,
    About,
    Answer,
    Asked,
    Key,
    Page,
    Parameter,
    Question,
    Shape,
    Subject,
    Value,
    WrongQuestion,
    mark,
    marked,
)
from gateway.trust.sealing import Sealer

__all__ = [
    "QUESTIONS", "About", "Answer", "Key", "Page", "Parameter", "Question", "Shape", "Subject", "Value",
    "WrongQuestion", "ask", "fits", "mark", "marked",
]  # fmt: skip

_ALL = (
    *disclosures.QUESTIONS, *officials.QUESTIONS, *patterns.QUESTIONS, *grounds.QUESTIONS, *completeness.QUESTIONS,
    *handling.QUESTIONS,
)  # fmt: skip
QUESTIONS: Mapping[str, Question] = {one.id: one for one in sorted(_ALL, key=lambda one: int(one.id[1:]))}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
Given = Mapping[str, str | int | datetime | Sequence[str] | None]


def ask(  # noqa: PLR0913  # what an asking is
    session: Session,
    question: Question,
    given: Given,
    *,
    page: Page,
    now: datetime,
    subjects: Sequence[str] = (),
    sealer: Sealer | None = None,
) -> Answer:
    """Answer a question: a page of rows as its `columns`.

    Args:
        session: Of a store opened on behalf of the question's `duty`; inside `reading`.
        question: Of `QUESTIONS`.
        given: By parameter. A moment is aware.
        page: Which part.
        now: The time.
        subjects: Pseudonyms, or keyed hashes of cases or consents, as the question is `about`.
        sealer: Opens readings, for the overseer.

    Raises:
        WrongQuestion: what was given does not fit.
        ContractError: it takes longer than a question may; whoever asks makes it narrower.
        UnavailableError: the trail is not whole; whoever owns the store makes it so.
    """
    try:
        with session.limited():
            if question.duty is Duty.AUDITOR:
                whole(session)
            found = fits(question, given, page=page, subjects=subjects)
            if question.duty is Duty.OVERSEER and sealer is None:
                raise WrongQuestion(f"{question.id} opens readings, and needs the key that seals them")
            asked = Asked(
                session=session,
                page=page,
                now=now,
                given=found,
                subjects=tuple(subjects),
                sealer=sealer,
            )
            return question.answer(asked)
    except TooLongError as error:
        raise ContractError(inquiries.QUESTION_LONG) from error


def fits(
    question: Question, given: Given, *, page: Page, subjects: Sequence[str] = ()
) -> dict[str, str | int | tuple[str, ...] | None]:
    """Return what was given as the question has it, defaults and all. Raises WrongQuestion where it does not fit."""
    if not 1 <= page.limit <= LARGEST:
        raise WrongQuestion(f"a page has 1 to {LARGEST} rows")
    _about(question, subjects)
    return _given(question, given)


def whole(session: Session) -> None:
    """Prove that every leaf has the trail it must have. Raises UnavailableError."""
    if (gap := tracing.gap(session)) is not None:
        raise UnavailableError(
            codes.STORE_UNAVAILABLE, f"{tracing.told(gap)}: no answer would be whole; {tracing.MEND}"
        )


def _about(question: Question, subjects: Sequence[str]) -> None:
    about = question.about
    if about is None:
        if subjects:
            raise WrongQuestion(f"{question.id} is about nobody")
        return
    if about.required and not subjects:
        raise WrongQuestion(f"{question.id} needs a {about.subject}")
    if len(subjects) > (MOST if about.several else 1):
        raise WrongQuestion(f"{question.id} takes {f'at most {MOST}' if about.several else 'one'}")


def _given(question: Question, given: Given) -> dict[str, str | int | tuple[str, ...] | None]:
    known = {one.name: one for one in question.parameters}
    if unknown := sorted(given.keys() - known):
        raise WrongQuestion(f"{question.id} has no {', '.join(unknown)}")
    found: dict[str, str | int | tuple[str, ...] | None] = {}
    for name, parameter in known.items():
        value = given.get(name)
        if value is None:
            if parameter.required:
                raise WrongQuestion(f"{question.id} needs {name}")
            found[name] = parameter.default
            continue
        found[name] = _shaped(parameter, value)
    return found


def _shaped(parameter: Parameter, value: object) -> str | int | tuple[str, ...]:
    match parameter.shape, value:
        case Shape.MOMENT, datetime() if value.tzinfo is not None:
            return written(value)
        case Shape.MOMENT, str() if _MOMENT.fullmatch(value):
            return written(instant(value))
        case Shape.WHOLE, int() if 0 <= value < 2**31 and not isinstance(value, bool):
            return value
        case Shape.TEXT, str():
            return value
        case Shape.NAMES, list() | tuple() if all(isinstance(one, str) for one in value):
            return tuple(value)
        case _:
            raise WrongQuestion(f"{parameter.name} is not a {parameter.shape}")
