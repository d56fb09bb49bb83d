"""The citizens' portals' listener: the Estonian Data Tracker's protocol, version 2 (e-gov/AJ).

    GET  /v2/findUsage     who has got what about a person: userCode, periodStart, periodEnd, offset, limit
    POST /v2/findUsage     ours: the same parameters as a form, so that no number stands in an address
    GET  /v2/usagePeriod   from when the log can be asked
    GET  /v2/heartbeat     whether it can be asked now

The protocol has the person's number in the query of an address. We take it because a portal that speaks the protocol
sends it; nothing here logs an address, quotes one or puts it into an answer, and a portal can do without: by POST, or
by X-Road-UserId alone when a person asks about himself or herself. Somebody else's usages (userCode is not
X-Road-UserId) are told only to a portal that is configured to have judged the representation.

Who comes in, and how failures are told, is every door's (`door.py`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import orjson
from starlette.routing import Route

from gateway import inquiries, logs
from gateway.adapters import persons
from gateway.audit.reading import unfit
from gateway.config.doors import Portal
from gateway.errors import ContractError, GatewayError, UntrustedError
from gateway.logs import Happened
from gateway.message import NumberKind, Person
from gateway.transport import door
from gateway.transport.desk import since
from gateway.transport.door import Terms, Words
from gateway.transport.reply import Receive, Reply, Scope

LIMIT: Final = 4096
"""Bytes of a form."""
USAGES: Final = 1000
"""Usages that are told where nothing else is asked for."""
LARGEST: Final = 10_000
_SWEDEN: Final = ZoneInfo("Europe/Stockholm")
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


Finding = Callable[[Find], Found]
"""Writes the reading down, then answers; in a thread. Raises UnavailableError, IntegrityError, ConfigError."""
Period = Callable[[], Mapping[str, object]]
"""Tells from when the log can be asked; in a thread. Raises UnavailableError, IntegrityError."""


class Desk(door.Desk[Portal]):
    """Answers at the listener."""

    accepted, limit = "application/x-www-form-urlencoded", LIMIT
    nowhere = Words(
        "No such address: /v2/findUsage, /v2/usagePeriod and /v2/heartbeat are taken.",
        "Adressen finns inte: /v2/findUsage, /v2/usagePeriod och /v2/heartbeat tas emot.",
    )

    def __init__(self, terms: Terms[Portal], *, find: Finding, period: Period) -> None:
        """Make what answers."""
        super().__init__(terms)
        self._found, self._told = find, period

    def routes(self) -> Sequence[Route]:
        """Return the endpoints."""
        return (
            self.at("/v2/findUsage", self._find, "GET", "POST"),
            self.at("/v2/usagePeriod", self._period, "GET"),
            self.at("/v2/heartbeat", self._heartbeat, "GET"),
        )

    async def _find(self, portal: Portal, scope: Scope, receive: Receive) -> Reply | None:
        given = scope["query_string"]
        if scope["method"] == "POST":
            whole = await self.read(scope, receive)
            if whole is None:
                return None
            if given:
                raise ContractError(inquiries.USAGE_WRONG)
            given = whole
        started = time.perf_counter()
        found = await self.pool.run(partial(self._found, read(portal, scope, given)))
        logs.tell(Happened.QUESTION_ANSWERED, question="findUsage", records=found.usages, ms=since(started))
        return _answer(found.content)

    async def _period(self, _portal: Portal, _scope: Scope, _receive: Receive) -> Reply | None:
        return _answer(await self.pool.run(self._told))

    async def _heartbeat(self, _portal: Portal, _scope: Scope, _receive: Receive) -> Reply | None:
        try:
            await self.pool.run(self._told)
        except GatewayError as error:
            door.told(error)
            return _answer({"status": "FAIL", "message": "Loggen kan inte svara just nu."})
        return _answer({"status": "OK", "message": "Loggen kan svara."})


def _answer(content: Mapping[str, object]) -> Reply:
    return door.answered(orjson.dumps(content))


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
