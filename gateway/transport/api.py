"""The mailbox by REST: `/api/v1/mailbox`, for partners without SOAP tools of their own (`schemas/api/mailbox.v1.json`).

    GET  /api/v1/mailbox                          what waits: JSON, signed beside it (`trust/jws.py`)
    GET  /api/v1/mailbox/<id>                     the very envelope that was laid there, signed in itself
    PUT  /api/v1/mailbox/<id>/acknowledgement     the partner's signed AcknowledgeMessage; the answer is signed too
    GET  /api/v1/openapi.json                     this, for tools

The client certificate tells whose mailbox it is; ids are the only thing in an address, and stand for no person. GET
changes nothing but that the message now counts as fetched, which is safe to repeat. Errors are problem details
(RFC 9457) with the codes and texts that SOAP faults have, and unsigned as they are.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

import orjson
from starlette.routing import Route

from gateway import codes, logs
from gateway.adapters.forsakringskassan import brevlada
from gateway.adapters.forsakringskassan.brevlada import MOST, Listing, Told, Waiting
from gateway.codes import Code, Mender, Step
from gateway.dispatch import DispatchId
from gateway.errors import ConfigError, ContractError, GatewayError, MalformedError
from gateway.message import PartnerId
from gateway.outbound import pull
from gateway.outbound.rules import Rules
from gateway.soap.fault import HTTP
from gateway.transport import body
from gateway.transport.desk import LIMIT, Admissions, Desk, Refused, give, told, unavailable
from gateway.transport.problem import told as tell
from gateway.transport.reply import Receive, Reply, Scope, Send
from gateway.trust import jws
from gateway.trust.receipt import LIFETIME
from gateway.trust.signing import instant

ADDRESS: Final = "/api/v1/mailbox"
DOCUMENT: Final = "api/mailbox.v1.json"
"""OpenAPI 3.1, below `schemas/`."""
SIGNATURE: Final = b"x-jws-signature"
_ANYONE: Final = brevlada.address(PartnerId("-"))
"""Whose mailbox is meant, the certificate tells."""
_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_LIMIT: Final = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)


class _Done(NamedTuple):
    reply: Reply
    told: Told


@dataclass(frozen=True, slots=True)
class _Resource:
    """One address. Answers (ASGI); nothing but cancellation escapes."""

    desk: Desk
    method: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        try:
            answer = await self._answer(scope, receive)
        except GatewayError as error:
            unavailable(error)
            # The only body is that of PUT: where it may not be read, the connection must not be used again.
            answer = problem(error.code, method=self.method, close=scope["method"] != "GET")
        except Exception as error:  # noqa: BLE001  # the last resort
            logs.fault(error)
            answer = problem(codes.INTERNAL, method=self.method, close=True)
        if answer is not None:
            await give(answer, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Reply | None:
        self.desk.opened(scope)
        if scope["method"] != self.method:
            raise MalformedError(codes.METHOD)
        content, content_type = b"", ""
        if self.method == "PUT":
            head = body.head(scope["headers"], limit=LIMIT)
            whole = await body.read(receive, limit=LIMIT, seconds=self.desk.front.terms.body_timeout)
            if whole is None:
                return None
            content, content_type = whole, head.content_type
        started = time.perf_counter()
        received = self.desk.received(scope, _ANYONE, content, content_type)
        done = await self.desk.walk(
            received, pull.certified, lambda admitted, rules: self._walked(scope, admitted, rules)
        )
        if isinstance(done, Refused):
            return problem(done.code, method=self.method, reference=done.reference)
        told(done.told, started)
        return done.reply

    def _walked(self, scope: Scope, admitted: Admissions, rules: Rules) -> _Done:
        raise NotImplementedError


class Messages(_Resource):
    """`GET /api/v1/mailbox`."""

    def _walked(self, scope: Scope, admitted: Admissions, rules: Rules) -> _Done:
        asked = _listing(scope["query_string"])
        page = pull.waiting(admitted, asked, rules, self.desk.mailboxes)
        last = page.messages[-1].id if page.more else None
        text = orjson.dumps(
            {
                "at": instant(admitted[0].received.at),
                "mailboxes": [{"partner": one.partner, "organisation": one.organisation} for one in admitted],
                "messages": [_message(one) for one in page.messages],
                "next": None if last is None else f"{ADDRESS}?after={_uuid(last)}&limit={asked.limit}",
            }
        )
        now = self.desk.clock.now()
        signature = jws.detached(text, rules.signers.of(admitted[0].partner, now, now + LIFETIME))
        headers = ((SIGNATURE, signature.encode("ascii")),)
        return _Done(Reply(status=200, content_type="application/json", body=text, headers=headers), page)


class Message(_Resource):
    """`GET /api/v1/mailbox/<id>`."""

    def _walked(self, scope: Scope, admitted: Admissions, rules: Rules) -> _Done:
        fetched = pull.fetch(admitted, _dispatch(scope), rules, self.desk.mailboxes)
        found = Reply(status=200, content_type=fetched.content_type, body=fetched.envelope)
        return _Done(found, fetched)


class Acknowledgement(_Resource):
    """`PUT /api/v1/mailbox/<id>/acknowledgement`."""

    def _walked(self, scope: Scope, admitted: Admissions, rules: Rules) -> _Done:
        made = pull.acknowledge(admitted, _dispatch(scope), rules, self.desk.mailboxes, self.desk.clock.now())
        answer = Reply(status=200, content_type=made.content_type, body=made.envelope)
        return _Done(answer, made.told)


class Document:
    """`GET /api/v1/openapi.json`."""

    def __init__(self, text: bytes) -> None:
        self._text = text

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the document (ASGI)."""
        if scope["method"] == "GET":
            return await give(Reply(status=200, content_type="application/json", body=self._text), receive, send)
        return await give(problem(codes.METHOD, method="GET", close=True), receive, send)


def routes(desk: Desk, schemas: Path) -> Sequence[Route]:
    """Put the endpoints at their addresses. Raises ConfigError where their document below `schemas/` is missing."""
    try:
        document = (schemas / DOCUMENT).read_bytes()
    except OSError as error:
        raise ConfigError(f"{schemas / DOCUMENT}: cannot be read: {error.strerror}") from None
    return (
        Route(ADDRESS, endpoint=Messages(desk, "GET")),
        Route(f"{ADDRESS}/{{id}}", endpoint=Message(desk, "GET")),
        Route(f"{ADDRESS}/{{id}}/acknowledgement", endpoint=Acknowledgement(desk, "PUT")),
        Route("/api/v1/openapi.json", endpoint=Document(document)),
    )


def problem(code: Code, *, method: str, reference: str | None = None, close: bool = False) -> Reply:
    """Return problem details (RFC 9457) that tell a code, with the headers that HTTP asks for.

    Args:
        code: What is wrong.
        method: The one that the address takes.
        reference: What to quote when calling us.
        close: True where the connection must not be used again.
    """
    return tell(code, _status(code), allow=method, reference=reference, close=close)


def _status(code: Code) -> int:
    if code.mender is Mender.GATEWAY:
        return HTTPStatus.SERVICE_UNAVAILABLE
    if code is codes.MAILBOX_UNKNOWN:
        return HTTPStatus.NOT_FOUND
    match code.step:
        case Step.MAILBOX:
            return HTTPStatus.CONFLICT
        case Step.ADMIT | Step.VERIFY:
            return HTTPStatus.FORBIDDEN
        case _:
            return HTTP.get(code, HTTPStatus.BAD_REQUEST)


def _listing(query: bytes) -> Listing:
    """Return what is asked for. Raises ContractError."""
    asked = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    after, limit = asked.get("after"), asked.get("limit", str(MOST))
    if asked.keys() - {"after", "limit"} or not _LIMIT.fullmatch(limit) or int(limit) > MOST:
        raise ContractError(codes.CONTRACT_SCHEMA, f"taken here: after, and limit from 1 to {MOST}")
    return Listing(after=None if after is None else _named(after), limit=int(limit))


def _dispatch(scope: Scope) -> DispatchId:
    return _named(scope["path_params"]["id"])


def _named(uuid: str) -> DispatchId:
    """Return the dispatch that an address names. Raises ContractError: what cannot be an id is as unknown as one."""
    if not _ID.fullmatch(uuid):
        raise ContractError(codes.MAILBOX_UNKNOWN)
    return DispatchId(f"urn:uuid:{uuid}")


def _uuid(dispatch: DispatchId) -> str:
    return dispatch.removeprefix("urn:uuid:")


def _message(one: Waiting) -> dict[str, str | None]:
    return {
        "id": _uuid(one.id),
        "contract": one.contract,
        "depositedAt": instant(one.deposited_at),
        "expiresAt": instant(one.expires_at),
        "fetchedAt": None if one.fetched_at is None else instant(one.fetched_at),
        "href": f"{ADDRESS}/{_uuid(one.id)}",
    }
