"""The auditors' listener: the questions by REST, for those whose certificates are known one by one.

    GET  /audit/questions          which there are, what each tells and what it does not
    POST /audit/questions/Q1       asked: {"purpose", "case", "parameters", "about", "limit", "after"}
    GET  /audit/openapi.json       this, for tools; made of the questions
    GET  /health/live              the process turns its loop

Who comes in, and how failures are told, is every door's (`door.py`). Persons, cases and consents stand in the body
(`about`) and nowhere else; nothing of a body is logged. What is refused here is refused before it is written down as a
reading; from there `ask` (`wiring/auditors.py`) goes on. Only application/json is taken, which no foreign web page can
make a browser send unasked (Fetch Standard, "CORS-safelisted request-header").
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import orjson
from starlette.routing import Route

from gateway import inquiries, logs
from gateway.audit.reading import GIVEN, Purpose, unfit
from gateway.codes import Code
from gateway.config.doors import Reader
from gateway.errors import ContractError
from gateway.logs import Happened
from gateway.transport import door
from gateway.transport.desk import since
from gateway.transport.door import Terms, Words
from gateway.transport.reply import Receive, Reply, Scope

LIMIT: Final = 512 * 1024
"""Bytes of a question: some thousand persons with room."""
LONGEST: Final = 1000
"""Characters of a text."""
_KEYS: Final = frozenset({"purpose", "case", "parameters", "about", "limit", "after"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question as it came, well formed; whether it fits is not known yet."""

    reader: Reader
    question: str
    purpose: Purpose
    case: str
    parameters: Mapping[str, Any] = field(repr=False)
    about: Sequence[str] = field(repr=False)
    """Persons, cases or consents: their own numbers and names."""
    limit: int
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is answered."""

    content: bytes = field(repr=False)
    """JSON."""
    rows: int


Asking = Callable[[Ask], Told]
"""Writes the reading down, then answers; in a thread.

Raises ContractError (QUESTION_WRONG, PATH), UntrustedError (READER_DUTY), UnavailableError, IntegrityError."""


class Desk(door.Desk[Reader]):
    """Answers at the listener."""

    accepted, limit = door.JSON, LIMIT
    nowhere = Words(
        "No such address or question: GET /audit/questions tells which there are.",
        "Adressen eller frågan finns inte: GET /audit/questions säger vilka som finns.",
    )

    def __init__(self, terms: Terms[Reader], *, ask: Asking, listing: bytes, document: bytes) -> None:
        """Make what answers; `listing` and `document` are served as they are."""
        super().__init__(terms)
        self._ask = ask
        self._listing, self._document = listing, document

    def routes(self) -> Sequence[Route]:
        """Return the endpoints."""
        return (
            self.at("/audit/questions", self._listed, "GET"),
            self.at("/audit/questions/{question}", self._asked, "POST"),
            self.at("/audit/openapi.json", self._documented, "GET"),
        )

    def words(self, code: Code, detail: str) -> Words:
        """Tell also what is wrong with a question."""
        if code is inquiries.QUESTION_WRONG and detail:
            return Words(english=f"The question is wrongly put: {detail}.")
        return super().words(code, detail)

    async def _listed(self, _reader: Reader, _scope: Scope, _receive: Receive) -> Reply | None:
        return door.answered(self._listing)

    async def _documented(self, _reader: Reader, _scope: Scope, _receive: Receive) -> Reply | None:
        return door.answered(self._document)

    async def _asked(self, reader: Reader, scope: Scope, receive: Receive) -> Reply | None:
        whole = await self.read(scope, receive)
        if whole is None:
            return None
        started = time.perf_counter()
        asked = read(whole, reader, scope["path_params"]["question"])
        told = await self.pool.run(partial(self._ask, asked))
        logs.tell(Happened.QUESTION_ANSWERED, question=asked.question, records=told.rows, ms=since(started))
        return door.answered(told.content)


def read(whole: bytes, reader: Reader, question: str) -> Ask:
    """Read a question. Raises ContractError: QUESTION_WRONG, READING_UNJUSTIFIED."""
    try:
        given = orjson.loads(whole)
    except orjson.JSONDecodeError:
        raise _wrong("it is no JSON") from None
    if not isinstance(given, dict) or given.keys() - _KEYS:
        raise _wrong(f"taken here: {', '.join(sorted(_KEYS))}")
    purpose, case = given.get("purpose"), given.get("case")
    if purpose not in [one.value for one in GIVEN] or not isinstance(case, str) or unfit(case):
        raise ContractError(inquiries.READING_UNJUSTIFIED)
    parameters, about, limit, after = (given.get(key) for key in ("parameters", "about", "limit", "after"))
    return Ask(
        reader=reader,
        question=question,
        purpose=Purpose(purpose),
        case=case.strip(),
        parameters=_parameters({} if parameters is None else parameters),
        about=_texts("about", [] if about is None else about),
        limit=_limit(100 if limit is None else limit),
        after=None if after is None else _text("after", after),
    )


def _parameters(found: object) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise _wrong("parameters are an object")
    return {name: _parameter(value) for name, value in found.items() if value is not None}


def _parameter(value: object) -> object:
    match value:
        case str():
            return _text("a parameter", value)
        case list():
            return tuple(_texts("a parameter", value))
        case int() if not isinstance(value, bool):
            return value
        case _:
            raise _wrong("a parameter is a text, a whole number or a list of texts")


def _texts(name: str, found: object) -> Sequence[str]:
    if not isinstance(found, list):
        raise _wrong(f"{name} is a list of texts")
    return [_text(name, one) for one in found]


def _text(name: str, found: object) -> str:
    if not isinstance(found, str) or len(found) > LONGEST or not found.isprintable():
        raise _wrong(f"{name} is a text of one line and at most {LONGEST} characters")
    return found


def _limit(found: object) -> int:
    if not isinstance(found, int) or isinstance(found, bool):
        raise _wrong("limit is a whole number")
    return found


def _wrong(detail: str) -> ContractError:
    return ContractError(inquiries.QUESTION_WRONG, detail)
