"""The message address: `POST /soap/<partner>/<contract>` for SOAP 1.1 and 1.2, and its contract by `GET ...?wsdl`.

One request:

1. The address is found among the configured contracts, headers are judged, the body is read within its limits.
2. `path.prepare` runs right here for a small body, since a thread costs more than it takes, and in a bounded pool for a
   large one, so that it does not hold up the others.
3. The journal's future is awaited. Before it has a result nothing is answered; a request that is cancelled meanwhile
   (a drain that took too long) is answered nothing at all, and the commit goes its way: resending the message then
   gives its first receipt.
   The receipt is signed right here too, but where the key is on a token: then in a thread, within `SIGNING` seconds.
4. A refusal is committed before its fault is sent. If it cannot be, the fault says "unavailable": what we cannot write
   down we do not decide.

A stranger, whose certificate is under some partner's anchors but no partner's own, is counted and told so. Whatever
nobody thought of becomes GW-UNAVAILABLE-INTERNAL and a log line of its type and place. What a reload may replace is
in `Terms`, swapped whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from gateway import codes, logs
from gateway.adapters.forsakringskassan import brevlada
from gateway.config import Configuration
from gateway.errors import ConflictError, GatewayError, IntegrityError, MalformedError, UnavailableError, UntrustedError
from gateway.inbound import path
from gateway.logs import Happened
from gateway.message import Accepted, ContractId, Ready, Receipt, Received, Refusal, SoapVersion
from gateway.ports import Clock, Journal
from gateway.transport import body, description, reply
from gateway.transport.description import Descriptions
from gateway.transport.pool import Pool
from gateway.transport.reply import Receive, Reply, Scope, Send, Told
from gateway.transport.strangers import Strangers

_T = TypeVar("_T")

INLINE = 64 * 1024
"""Bytes: 1 ms of work, 9 at worst, and the size of the reads that the HTTP server makes anyway."""
SIGNING = 10.0
"""Seconds that a token may take for a receipt, its queue included."""
_QUEUED = 64
"""Large messages that may wait for the pool; each holds its body in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Everything the front judges by. Immutable: a reload makes a new one and swaps it whole."""

    rules: path.Rules
    limits: Mapping[ContractId, int]
    """Bytes of body for each contract that a partner has: these are the addresses."""
    body_timeout: float
    """Seconds."""
    descriptions: Descriptions

    @classmethod
    def build(cls, configuration: Configuration, rules: path.Rules) -> Terms:
        """Take what the front needs from the configuration. Raises ConfigError where a WSDL is missing."""
        gateway = configuration.gateway
        limits = {
            contract: partner.body_limits.get(contract, gateway.limits.body)
            for partner in configuration.partners.values()
            for contract in partner.contracts
        }
        return cls(
            rules=rules,
            limits=limits,
            body_timeout=gateway.listen.body_timeout.total_seconds(),
            descriptions=Descriptions.build(
                gateway.schemas,
                {contract: rules.contracts[contract].schema for contract in limits}
                | {brevlada.address(one.id): brevlada.SCHEMA for one in configuration.partners.values() if one.mailbox},
                gateway.limits,
            ),
        )


class Front:
    """The endpoint. One for each event loop."""

    def __init__(self, *, terms: Terms, journal: Journal, clock: Clock) -> None:
        """Nothing runs until the first request."""
        self.terms = terms
        self.draining = False
        """True once the server stops: what is in flight is finished, what is new is sent elsewhere."""
        self._journal = journal
        self._clock = clock
        self._strangers = Strangers()
        self._pool = Pool("prepare", bound=_QUEUED, of="large messages")
        self._token = ThreadPoolExecutor(1, thread_name_prefix="token")  # a module's calls are made one at a time

    def close(self) -> None:
        """Stop the pools. No request may be running; what a token has not answered is not waited for."""
        self._pool.close()
        self._token.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI). Nothing but cancellation escapes."""
        try:
            answer = await self._answer(scope, receive)
        except GatewayError as error:
            # A body that is not wholly read must not be waited for, nor its rest be taken for the next request.
            answer = self._unheard(error, body.asked(scope["headers"]), close=error.code is not codes.EMPTY)
        except Exception as error:  # noqa: BLE001  # the last resort: a sender always gets a fault
            logs.fault(error)
            answer = reply.refusal(codes.INTERNAL, body.asked(scope["headers"]), close=True)
        if answer is None:
            return
        await reply.send(answer, send, more=answer.close)
        if answer.close:
            await body.discard(receive)
            await reply.finish(send)

    async def _answer(self, scope: Scope, receive: Receive) -> Reply | None:
        if self.draining:
            raise UnavailableError(codes.DRAINING)
        extensions = scope["extensions"]
        if extensions.get("gateway.crowded"):
            raise UnavailableError(codes.OVERLOADED, "connections")
        terms = self.terms
        parameters = scope["path_params"]
        contract = ContractId(f"{parameters['partner']}/{parameters['contract']}")
        limit = terms.limits.get(contract)
        if limit is None:
            raise MalformedError(codes.PATH)
        if scope["method"] != "POST":
            return self._described(scope, contract, terms)
        head = body.head(scope["headers"], limit=limit)
        whole = await body.read(receive, limit=limit, seconds=terms.body_timeout)
        if whole is None:
            return None
        received = Received(
            body=whole,
            content_type=head.content_type,
            contract=contract,
            peer=extensions["tls"]["client_cert_der"],
            at=self._clock.now(),
        )
        return await self._walked(received, head.version, terms.rules)

    async def _walked(self, received: Received, version: SoapVersion, rules: path.Rules) -> Reply:
        started = time.perf_counter()
        try:
            ready = await self._prepared(received, rules)
        except UntrustedError as stranger:
            self._strangers.add(stranger.code)
            return reply.refusal(stranger.code, version)
        except GatewayError as error:
            return self._unheard(error, version)
        if isinstance(ready, Refusal):
            return await self._refused(ready, version, rules, started)
        message_id = ready.provenance.message_id
        try:
            accepted = await _committed(self._journal.accept(ready))
            return await self._receipted(accepted, rules, started)
        except ConflictError as conflict:
            refusal = path.refuse(received, conflict, rules)
            return await self._refused(refusal, version, rules, started, message_id)
        except GatewayError as error:
            return self._unheard(error, version, message_id=message_id)

    async def _receipted(self, accepted: Accepted, rules: path.Rules, started: float) -> Reply:
        receipt = await self._receipt(accepted, rules)
        self._journal.keep(receipt.sign)
        _tell_accepted(accepted, started)
        return Reply(status=200, content_type=receipt.content_type, body=receipt.envelope)

    async def _receipt(self, accepted: Accepted, rules: path.Rules) -> Receipt:
        """Sign what was committed. Raises UnavailableError where a token does not: the message is ours all the same."""
        now = self._clock.now()
        if not rules.signers.remote:
            return path.answer(accepted, rules, now)
        signing = asyncio.get_running_loop().run_in_executor(self._token, path.answer, accepted, rules, now)
        try:
            return await asyncio.wait_for(signing, SIGNING)
        except TimeoutError:
            raise UnavailableError(codes.KEY_UNAVAILABLE, f"no signature within {SIGNING:g} s") from None

    async def _prepared(self, received: Received, rules: path.Rules) -> Ready | Refusal:
        if len(received.body) <= INLINE:
            return path.prepare(received, rules)
        return await self._pool.run(partial(path.prepare, received, rules))

    async def _refused(
        self, refusal: Refusal, version: SoapVersion, rules: path.Rules, started: float, message_id: str | None = None
    ) -> Reply:
        try:
            accepted = await _committed(self._journal.refuse(refusal))
            if accepted is not None:  # people have let the same message in
                return await self._receipted(accepted, rules, started)
        except GatewayError as error:
            return self._unheard(error, version, message_id=message_id)
        code, reference = refusal.error.code, refusal.leaf.hash.hex()[:32]
        logs.tell(
            Happened.MESSAGE_REFUSED,
            partner=refusal.partner,
            contract=refusal.contract,
            code=code.name,
            step=code.step.value,
            reference=reference,
            ms=_since(started),
        )
        typed = rules.contracts[refusal.contract].faults.get(code.name)
        return reply.refusal(code, version, Told(message_id=message_id, reference=reference, typed=typed))

    def _unheard(
        self, error: GatewayError, version: SoapVersion, *, message_id: str | None = None, close: bool = False
    ) -> Reply:
        """Answer what was never a decision on a message: not a request we take, or we cannot decide for now."""
        code = error.code
        if isinstance(error, IntegrityError):
            logs.integrity(error)
        elif isinstance(error, UnavailableError):
            logs.tell(Happened.MESSAGE_UNAVAILABLE, code=code.name, step=code.step.value)
        return reply.refusal(code, version, Told(message_id=message_id), close=close)

    def _described(self, scope: Scope, contract: ContractId, terms: Terms) -> Reply:
        if scope["method"] != "GET":
            raise MalformedError(codes.METHOD)
        found = terms.descriptions.find(contract, scope["query_string"], description.origin(scope))
        if found is None:
            raise MalformedError(codes.METHOD, "GET without ?wsdl or ?xsd")
        return description.answer(found)


async def _committed(future: Future[_T]) -> _T:
    """Await the journal, without handing it a cancellation: what was given to it may be committed already.

    `asyncio.wrap_future` would hand it on, and `shield` around it costs twice as much as this.
    """
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[_T] = loop.create_future()

    def told(done: Future[_T]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, waiter, done)

    future.add_done_callback(told)
    return await waiter


def _settle(waiter: asyncio.Future[_T], done: Future[_T]) -> None:
    if waiter.done():
        return
    error = done.exception()
    if error is None:
        waiter.set_result(done.result())
    else:
        waiter.set_exception(error)


def _tell_accepted(accepted: Accepted, started: float) -> None:
    logs.tell(
        Happened.MESSAGE_REPEATED if accepted.repeated else Happened.MESSAGE_ACCEPTED,
        partner=accepted.provenance.partner,
        contract=accepted.provenance.contract,
        reference=accepted.leaves[0].hex()[:32] if accepted.leaves else None,
        records=len(accepted.outcomes),
        ms=_since(started),
    )


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)
