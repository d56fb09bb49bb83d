"""The mailbox address: `POST /soap/<partner>/brevlada` for SOAP 1.1 and 1.2, and its contract by `GET ...?wsdl`.

A partner that has no mailbox has no such address. Faults look as those of the message address do, and are unsigned as
they are; whatever is not the asker's own is GW-MAILBOX-UNKNOWN, whether it exists or not.
"""

from __future__ import annotations

import time

from starlette.routing import Route

from gateway import codes, logs
from gateway.adapters.forsakringskassan import brevlada
from gateway.errors import GatewayError, MalformedError
from gateway.message import ContractId, PartnerId
from gateway.outbound import pull
from gateway.transport import body, description, reply
from gateway.transport.desk import LIMIT, Desk, Refused, give, told, unavailable
from gateway.transport.reply import Receive, Reply, Scope, Send, Told


class Mailbox:
    """The SOAP endpoint."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI). Nothing but cancellation escapes."""
        version = body.asked(scope["headers"])
        try:
            answer = await self._answer(scope, receive)
        except GatewayError as error:
            unavailable(error)
            answer = reply.refusal(error.code, version, close=error.code is not codes.EMPTY)
        except Exception as error:  # noqa: BLE001  # the last resort: a sender always gets a fault
            logs.fault(error)
            answer = reply.refusal(codes.INTERNAL, version, close=True)
        if answer is not None:
            await give(answer, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Reply | None:
        self._desk.opened(scope)
        terms = self._desk.front.terms
        contract = brevlada.address(PartnerId(scope["path_params"]["partner"]))
        if not terms.descriptions.has(contract):
            raise MalformedError(codes.PATH)
        if scope["method"] != "POST":
            return self._described(scope, contract)
        head = body.head(scope["headers"], limit=LIMIT)
        whole = await body.read(receive, limit=LIMIT, seconds=terms.body_timeout)
        if whole is None:
            return None
        started = time.perf_counter()
        received = self._desk.received(scope, contract, whole, head.content_type)
        mailboxes, clock = self._desk.mailboxes, self._desk.clock
        try:
            done = await self._desk.walk(
                received,
                pull.addressed,
                lambda admitted, rules: pull.answer(admitted, rules, mailboxes, clock.now()),
            )
        except GatewayError as error:  # the request is read: the connection may go on
            unavailable(error)
            return reply.refusal(error.code, head.version)
        if isinstance(done, Refused):
            return reply.refusal(done.code, head.version, Told(reference=done.reference))
        told(done.told, started)
        return Reply(status=200, content_type=done.content_type, body=done.envelope)

    def _described(self, scope: Scope, contract: ContractId) -> Reply:
        if scope["method"] != "GET":
            raise MalformedError(codes.METHOD)
        descriptions = self._desk.front.terms.descriptions
        found = descriptions.find(contract, scope["query_string"], description.origin(scope))
        if found is None:
            raise MalformedError(codes.METHOD, "GET without ?wsdl or ?xsd")
        return description.answer(found)


def route(desk: Desk) -> Route:
    """Put the endpoint at its address."""
    return Route(f"/soap/{{partner}}/{brevlada.NAME}", endpoint=Mailbox(desk))
