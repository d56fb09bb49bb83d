"""The auditors' listener: the questions by REST, for those whose certificates are known one by one.

    GET  /audit/questions          which there are, what each tells and what it does not
    POST /audit/questions/Q1       asked: {"purpose", "case", "parameters", "about", "limit", "after"}
    GET  /audit/openapi.json       this, for tools; made of the questions
    GET  /health/live              the process turns its loop

Persons, cases and consents stand in the body (`about`) and nowhere else; nothing of a body is logged. What is refused
here is refused before it is written down as a reading; from there `ask` (`wiring/auditors.py`) goes on. Only
application/json is taken, which no foreign web page can make a browser send unasked (Fetch Standard, "CORS-safelisted
request-header"). Failures are problem details (RFC 9457) that say who must act.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import orjson
from starlette.applications import Starlette
from starlette.routing import Route

from gateway import codes, inquiries, logs
from gateway.audit.reading import GIVEN, Purpose, unfit
from gateway.codes import Code
from gateway.config.doors import Reader
from gateway.errors import ContractError, GatewayError, IntegrityError, MalformedError, UnavailableError, UntrustedError
from gateway.logs import Happened
from gateway.soap.fault import HTTP
from gateway.transport import body, problem
from gateway.transport.desk import give, since
from gateway.transport.health import Live
from gateway.transport.pace import Pace, PaceError
from gateway.transport.reply import Receive, Reply, Scope, Send
from gateway.transport.strangers import Strangers

LIMIT: Final = 512 * 1024
"""Bytes of a question: some thousand persons with room."""
LONGEST: Final = 1000
"""Characters of a text."""
_POOL = 4
_QUEUED = 32
"""Questions that may wait for the pool."""
_JSON: Final = "application/json"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Who may ask, and how often; a reload makes new ones and swaps them whole."""

    readers: Mapping[str, Reader]
    """By the fingerprint of the certificate."""
    rate: int
    """Questions in a minute for each."""
    body_timeout: float
    """Seconds."""


class Desk:
    """Answers at the listener. One for each event loop."""

    def __init__(  # what is served
        self,
        *,
        terms: Terms,
        ask: Asking,
        listing: bytes,
        document: bytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make what answers; `listing` and `document` are served as they are, `clock` tells seconds."""
        self.terms = terms
        self._pace = Pace(clock)
        self._ask = ask
        self._listing, self._document = listing, document
        self._strangers = Strangers()
        self._pool = ThreadPoolExecutor(_POOL, thread_name_prefix="ask")
        self._queued = 0
        self.draining = False

    def close(self) -> None:
        """Stop the pool. No request may be running."""
        self._pool.shutdown(wait=True)

    def app(self) -> Starlette:
        """Put the endpoints at their addresses."""
        made = Starlette(
            routes=[
                Route("/audit/questions", endpoint=_Endpoint(self, "GET", self._listed)),
                Route("/audit/questions/{question}", endpoint=_Endpoint(self, "POST", self._asked)),
                Route("/audit/openapi.json", endpoint=_Endpoint(self, "GET", self._documented)),
                Route("/health/live", endpoint=Live()),
            ]
        )
        made.router.redirect_slashes = False
        made.router.default = _Endpoint(self, "GET", _nowhere)
        return made

    def admitted(self, scope: Scope, method: str) -> Reader:
        """Return who asks, by the address's method.

        Raises UntrustedError, MalformedError, UnavailableError, and PaceError where it is too often.
        """
        if self.draining:
            raise UnavailableError(codes.DRAINING)
        if scope["extensions"].get("gateway.crowded"):
            raise UnavailableError(codes.OVERLOADED, "connections")
        der = scope["extensions"]["tls"]["client_cert_der"]
        reader = None if der is None else self.terms.readers.get(hashlib.sha256(der).hexdigest())
        if reader is None:
            self._strangers.add(inquiries.READER_UNKNOWN)
            raise UntrustedError(inquiries.READER_UNKNOWN)
        self._pace.take(reader.id, self.terms.rate)
        if scope["method"] != method:
            raise MalformedError(codes.METHOD)
        return reader

    async def _listed(self, _reader: Reader, _scope: Scope, _receive: Receive) -> Reply | None:
        return Reply(status=200, content_type=_JSON, body=self._listing)

    async def _documented(self, _reader: Reader, _scope: Scope, _receive: Receive) -> Reply | None:
        return Reply(status=200, content_type=_JSON, body=self._document)

    async def _asked(self, reader: Reader, scope: Scope, receive: Receive) -> Reply | None:
        body.media(scope["headers"], limit=LIMIT, accepted=_JSON)
        whole = await body.read(receive, limit=LIMIT, seconds=self.terms.body_timeout)
        if whole is None:
            return None
        started = time.perf_counter()
        try:
            asked = read(whole, reader, scope["path_params"]["question"])
            told = await self._pooled(asked)
        except GatewayError as error:  # the body is read: the connection may go on
            return failed(error, "POST", close=False)
        logs.tell(Happened.QUESTION_ANSWERED, question=asked.question, records=told.rows, ms=since(started))
        return Reply(status=200, content_type=_JSON, body=told.content)

    async def _pooled(self, asked: Ask) -> Told:
        if self._queued >= _QUEUED:
            raise UnavailableError(codes.OVERLOADED, "questions")
        self._queued += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._ask, asked)
        finally:
            self._queued -= 1


Answering = Callable[[Reader, Scope, Receive], Any]


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """One address. Answers (ASGI); nothing but cancellation escapes."""

    desk: Desk
    method: str
    answer: Answering

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        try:
            reader = self.desk.admitted(scope, self.method)
            answer = await self.answer(reader, scope, receive)
        except GatewayError as error:
            # A body that is not read must not be taken for the next request.
            answer = failed(error, self.method, close=scope["method"] != "GET")
        except Exception as error:  # noqa: BLE001  # the last resort: whoever asks always gets an answer
            logs.fault(error)
            answer = failed(UnavailableError(codes.INTERNAL), self.method, close=True)
        if answer is not None:
            await give(answer, receive, send)


async def _nowhere(_reader: Reader, _scope: Scope, _receive: Receive) -> Reply | None:
    raise MalformedError(codes.PATH)


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


_OTHERWISE: Final[Mapping[Code, tuple[str, str]]] = {
    codes.METHOD: ("The address takes another method: see Allow.", "Adressen tar en annan metod: se Allow."),
    codes.PATH: (
        "No such address or question: GET /audit/questions tells which there are.",
        "Adressen eller frågan finns inte: GET /audit/questions säger vilka som finns.",
    ),
    codes.CONTENT_TYPE: ("Send application/json.", "Sänd application/json."),
    codes.CONTENT_ENCODING: ("Send without Content-Encoding.", "Sänd utan Content-Encoding."),
    codes.EMPTY: ("The body is empty.", "Kroppen är tom."),
    codes.TOO_LARGE: (f"At most {LIMIT} bytes.", f"Högst {LIMIT} byte."),
    codes.SLOW: ("The question came too slowly.", "Frågan kom för långsamt."),
}
"""The words of a code where they speak of messages."""
_OURS: Final = (
    "The log cannot answer now, and what was not answered was not let out. Ask again.",
    "Loggen kan inte svara just nu, och inget har lämnats ut. Fråga igen.",
)


def failed(error: GatewayError, method: str, *, close: bool) -> Reply:
    """Return what is told of a failure, and tell the log of it: its code, never what was asked."""
    code, retry = error.code, 0
    title, detail = _OTHERWISE.get(code, ("", ""))
    match error:
        case IntegrityError():
            logs.integrity(error)
            status, (title, detail) = HTTPStatus.SERVICE_UNAVAILABLE, _OURS
        case PaceError():
            status, retry = HTTPStatus.TOO_MANY_REQUESTS, error.seconds
        case UntrustedError():
            status = HTTPStatus.FORBIDDEN
        case MalformedError() | ContractError():
            status = HTTPStatus(HTTP.get(code, HTTPStatus.BAD_REQUEST))
            if code is inquiries.QUESTION_WRONG and error.detail:
                title = f"The question is wrongly put: {error.detail}."
        case _:
            status, (title, detail) = HTTPStatus.SERVICE_UNAVAILABLE, _OURS
    if not isinstance(error, IntegrityError) and code is not inquiries.READER_UNKNOWN:  # strangers are counted
        logs.tell(Happened.QUESTION_REFUSED, code=code.name, step=code.step.value)
    return problem.told(code, status, allow=method, title=title, detail=detail, retry=retry, close=close)


def refused(code: Code) -> Reply:
    """Return what is answered to what never became a request."""
    return problem.told(code, HTTPStatus(HTTP.get(code, HTTPStatus.BAD_REQUEST)), close=True)
