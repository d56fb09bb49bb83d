"""The citizens' portals' listener: the Estonian Data Tracker's protocol, version 2 (e-gov/AJ).

    GET  /v2/findUsage     who has got what about a person: userCode, periodStart, periodEnd, offset, limit
    POST /v2/findUsage     ours: the same parameters as a form, so that no number stands in an address
    GET  /v2/usagePeriod   from when the log can be asked
    GET  /v2/heartbeat     whether it can be asked now

The protocol has the person's number in the query of an address. We take it because a portal that speaks the protocol
sends it; nothing here logs an address, quotes one or puts it into an answer, and a portal can do without: by POST, or
by X-Road-UserId alone when a person asks about himself or herself. Somebody else's usages (userCode is not
X-Road-UserId) are told only to a portal that is configured to have judged the representation.

Failures are problem details (RFC 9457) with the codes of this gateway, and quote nothing of what was asked.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Final, NamedTuple, TypeVar
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import orjson
from starlette.applications import Starlette
from starlette.routing import Route

from gateway import codes, inquiries, logs
from gateway.adapters import persons
from gateway.audit.reading import unfit
from gateway.codes import Code
from gateway.config.doors import Portal
from gateway.errors import ContractError, GatewayError, IntegrityError, MalformedError, UnavailableError, UntrustedError
from gateway.logs import Happened
from gateway.message import NumberKind, Person
from gateway.soap.fault import HTTP
from gateway.transport import body, problem
from gateway.transport.desk import give, since
from gateway.transport.pace import Pace, PaceError
from gateway.transport.reply import Receive, Reply, Scope, Send
from gateway.transport.strangers import Strangers

_T = TypeVar("_T")

LIMIT: Final = 4096
"""Bytes of a form."""
USAGES: Final = 1000
"""Usages that are told where nothing else is asked for."""
LARGEST: Final = 10_000
_POOL = 4
_QUEUED = 32
_SWEDEN: Final = ZoneInfo("Europe/Stockholm")
_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"
_CODE: Final = re.compile(r"(?:SE)?((?:18|19|20)[0-9]{10})", re.ASCII)
"""A person as X-Road writes one, country first; without it too."""
_WHOLE: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_KNOWN: Final = frozenset({"userCode", "periodStart", "periodEnd", "offset", "limit"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Find:
    """One question, well formed."""

    portal: Portal
    asker: Person = field(repr=False)
    """Who asks, as the portal has identified them."""
    about: Person = field(repr=False)
    case: str
    """What the reading is written down under: the portal's own id of the request, where it has one."""
    start: datetime | None
    end: datetime | None
    offset: int
    limit: int

    @property
    def delegated(self) -> bool:
        """Whether somebody asks for somebody else."""
        return self.asker.number != self.about.number


class Found(NamedTuple):
    """What is answered."""

    content: Mapping[str, object]
    usages: int


class Usages:
    """What the listener asks; called in threads."""

    def find(self, find: Find) -> Found:
        """Write the reading down, then answer. Raises UnavailableError, IntegrityError, ConfigError."""
        raise NotImplementedError

    def period(self) -> Mapping[str, object]:
        """Return from when the log can be asked. Raises UnavailableError, IntegrityError."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Who may ask; a reload makes new ones and swaps them whole."""

    portals: Mapping[str, Portal]
    """By the fingerprint of the certificate."""
    rate: int
    body_timeout: float


class Desk:
    """Answers at the listener. One for each event loop."""

    def __init__(self, *, terms: Terms, usages: Usages, clock: Callable[[], float] = time.monotonic) -> None:
        """Make what answers; `clock` tells seconds."""
        self.terms = terms
        self.draining = False
        self._usages = usages
        self._pace = Pace(clock)
        self._strangers = Strangers()
        self._pool = ThreadPoolExecutor(_POOL, thread_name_prefix="usage")
        self._queued = 0

    def close(self) -> None:
        """Stop the pool. No request may be running."""
        self._pool.shutdown(wait=True)

    def app(self) -> Starlette:
        """Put the endpoints at their addresses."""
        made = Starlette(
            routes=[
                Route("/v2/findUsage", endpoint=_Endpoint(self, ("GET", "POST"), self._find)),
                Route("/v2/usagePeriod", endpoint=_Endpoint(self, ("GET",), self._period)),
                Route("/v2/heartbeat", endpoint=_Endpoint(self, ("GET",), self._heartbeat)),
            ]
        )
        made.router.redirect_slashes = False
        made.router.default = _Endpoint(self, ("GET", "POST"), _nowhere)
        return made

    def admitted(self, scope: Scope, methods: Sequence[str]) -> Portal:
        """Return who asks. Raises UntrustedError, MalformedError, UnavailableError."""
        if self.draining:
            raise UnavailableError(codes.DRAINING)
        if scope["extensions"].get("gateway.crowded"):
            raise UnavailableError(codes.OVERLOADED, "connections")
        der = scope["extensions"]["tls"]["client_cert_der"]
        portal = None if der is None else self.terms.portals.get(hashlib.sha256(der).hexdigest())
        if portal is None:
            self._strangers.add(inquiries.READER_UNKNOWN)
            raise UntrustedError(inquiries.READER_UNKNOWN)
        self._pace.take(portal.id, self.terms.rate)
        if scope["method"] not in methods:
            raise MalformedError(codes.METHOD)
        return portal

    async def _find(self, portal: Portal, scope: Scope, receive: Receive) -> Reply | None:
        given = scope["query_string"]
        if scope["method"] == "POST":
            body.media(scope["headers"], limit=LIMIT, accepted=_FORM)
            whole = await body.read(receive, limit=LIMIT, seconds=self.terms.body_timeout)
            if whole is None:
                return None
            if given:
                raise ContractError(inquiries.USAGE_WRONG)
            given = whole
        started = time.perf_counter()
        found = await self._pooled(partial(self._usages.find, read(portal, scope, given)))
        logs.tell(Happened.QUESTION_ANSWERED, question="findUsage", records=found.usages, ms=since(started))
        return _answer(found.content)

    async def _period(self, _portal: Portal, _scope: Scope, _receive: Receive) -> Reply | None:
        return _answer(await self._pooled(self._usages.period))

    async def _heartbeat(self, _portal: Portal, _scope: Scope, _receive: Receive) -> Reply | None:
        try:
            await self._pooled(self._usages.period)
        except GatewayError as error:
            logs.tell(Happened.QUESTION_REFUSED, code=error.code.name, step=error.code.step.value)
            return _answer({"status": "FAIL", "message": "Loggen kan inte svara just nu."})
        return _answer({"status": "OK", "message": "Loggen kan svara."})

    async def _pooled(self, work: Callable[[], _T]) -> _T:
        if self._queued >= _QUEUED:
            raise UnavailableError(codes.OVERLOADED, "usages")
        self._queued += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._queued -= 1


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """One address. Answers (ASGI); nothing but cancellation escapes."""

    desk: Desk
    methods: Sequence[str]
    answer: Callable[[Portal, Scope, Receive], Awaitable[Reply | None]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        try:
            answer = await self.answer(self.desk.admitted(scope, self.methods), scope, receive)
        except GatewayError as error:
            # A body that is not read must not be taken for the next request.
            answer = failed(error, self.methods, close=scope["method"] != "GET")
        except Exception as error:  # noqa: BLE001  # the last resort: whoever asks always gets an answer
            logs.fault(error)
            answer = failed(UnavailableError(codes.INTERNAL), self.methods, close=True)
        if answer is not None:
            await give(answer, receive, send)


async def _nowhere(_portal: Portal, _scope: Scope, _receive: Receive) -> Reply | None:
    raise MalformedError(codes.PATH)


def _answer(content: Mapping[str, object]) -> Reply:
    return Reply(status=200, content_type=_JSON, body=orjson.dumps(content))


def read(portal: Portal, scope: Scope, given: bytes) -> Find:
    """Read a question out of its headers and its parameters, however they came.

    Raises ContractError (USAGE_PERSON, USAGE_WRONG) and UntrustedError (USAGE_DELEGATED); neither quotes anything.
    """
    asker = _person(_header(scope, b"x-road-userid"))
    parameters = _parameters(given)
    about = _person(parameters["userCode"]) if "userCode" in parameters else asker
    start, end = (_moment(parameters.get(name)) for name in ("periodStart", "periodEnd"))
    if start is not None and end is not None and end < start:
        raise ContractError(inquiries.USAGE_WRONG)
    find = Find(
        portal=portal,
        asker=asker,
        about=about,
        case=_case(portal, _header(scope, b"x-road-id")),
        start=start,
        end=end,
        offset=_whole(parameters.get("offset"), 0, least=0, most=10**9),
        limit=_whole(parameters.get("limit"), USAGES, least=1, most=LARGEST),
    )
    if find.delegated and not portal.delegated:
        raise UntrustedError(inquiries.USAGE_DELEGATED)
    return find


def _header(scope: Scope, name: bytes) -> str | None:
    """Return a header that may stand once. Raises ContractError."""
    values = [value for key, value in scope["headers"] if key == name]
    if len(values) > 1:
        raise ContractError(inquiries.USAGE_WRONG)
    return values[0].decode("latin-1").strip() if values else None


def _parameters(given: bytes) -> Mapping[str, str]:
    """Return the parameters of this protocol; others are those of a later version of it. Raises ContractError."""
    try:
        pairs = parse_qsl(given.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=32)
    except ValueError:
        raise ContractError(inquiries.USAGE_WRONG) from None
    found = [(name, value) for name, value in pairs if name in _KNOWN]
    if len(dict(found)) < len(found):
        raise ContractError(inquiries.USAGE_WRONG)
    return dict(found)


def _person(written: str | None) -> Person:
    match = None if written is None else _CODE.fullmatch(written)
    person = None if match is None else persons.read(match[1])
    if person is None or person.kind is NumberKind.OTHER:
        raise ContractError(inquiries.USAGE_PERSON)
    return person


def _moment(written: str | None) -> datetime | None:
    """Return a time; without a zone it is Swedish. Raises ContractError."""
    if written is None:
        return None
    try:
        at = datetime.fromisoformat(written)
        return (at if at.tzinfo else at.replace(tzinfo=_SWEDEN)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ContractError(inquiries.USAGE_WRONG) from None


def _whole(written: str | None, otherwise: int, *, least: int, most: int) -> int:
    if written is None:
        return otherwise
    if _WHOLE.fullmatch(written) is None or not least <= int(written) <= most:
        raise ContractError(inquiries.USAGE_WRONG)
    return int(written)


def _case(portal: Portal, id_: str | None) -> str:
    """Return the portal's own id of the request, if it may stand in a reading; else that it asked."""
    return id_ if id_ and not unfit(id_) else f"findUsage {portal.id}"


def failed(error: GatewayError, methods: Sequence[str], *, close: bool) -> Reply:
    """Return what is told of a failure, and tell the log of it: its code, never what was asked."""
    code, retry, title, detail = error.code, 0, "", ""
    match error:
        case PaceError():
            status, retry = HTTPStatus.TOO_MANY_REQUESTS, error.seconds
        case UntrustedError():
            status = HTTPStatus.FORBIDDEN
        case MalformedError() | ContractError():
            status = HTTPStatus(HTTP.get(code, HTTPStatus.BAD_REQUEST))
        case _:
            if isinstance(error, IntegrityError):
                logs.integrity(error)
            status, title, detail = HTTPStatus.SERVICE_UNAVAILABLE, *_OURS
    if not isinstance(error, IntegrityError) and code is not inquiries.READER_UNKNOWN:  # strangers are counted
        logs.tell(Happened.QUESTION_REFUSED, code=code.name, step=code.step.value)
    return problem.told(code, status, allow=", ".join(methods), title=title, detail=detail, retry=retry, close=close)


_OURS: Final = (
    "The log cannot answer now, and nothing was let out. Ask again.",
    "Loggen kan inte svara just nu, och inget har lämnats ut. Fråga igen.",
)


def refused(code: Code) -> Reply:
    """Return what is answered to what never became a request."""
    return problem.told(code, HTTPStatus(HTTP.get(code, HTTPStatus.BAD_REQUEST)), close=True)
