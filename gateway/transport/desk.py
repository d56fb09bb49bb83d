"""Where partners' mailboxes are served, whichever way they are asked: `mailbox.py` by SOAP, `api.py` by REST.

One request is walked (`outbound/pull.py`) in a bounded pool of threads: it reads and writes the store, which a message
that comes in leaves to the journal. A refusal is committed before it is told, as everywhere: who looks for other
people's mail stands in the log. Rules are taken once for a request, so a reload never falls into the middle of one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from gateway import codes, logs
from gateway.adapters.forsakringskassan import brevlada
from gateway.adapters.forsakringskassan.brevlada import Acknowledged, Fetched, Told
from gateway.codes import Code
from gateway.errors import GatewayError, IntegrityError, RejectedError, UnavailableError, UntrustedError
from gateway.inbound import path
from gateway.logs import Happened
from gateway.message import Admitted, ContractId, Received
from gateway.outbound.ports import Mailboxes
from gateway.outbound.rules import Rules
from gateway.ports import Clock, Journal
from gateway.transport import body, reply
from gateway.transport.front import Front
from gateway.transport.pool import Pool
from gateway.transport.reply import Receive, Reply, Scope, Send
from gateway.transport.strangers import Strangers

_T = TypeVar("_T")
Admissions = tuple[Admitted, ...]
"""As whom a peer is admitted: at least one."""
Admit = Callable[[Received, Rules], Admissions]

LIMIT = 64 * 1024
"""Bytes of a request: some times the largest that there is, a signed acknowledgement."""
QUEUED = 64
"""Requests that may wait for the pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """What was refused after its peer was known: committed."""

    code: Code
    reference: str
    """The first half of the refusal's leaf hash."""


class Desk:
    """One for each front."""

    def __init__(
        self, front: Front, mailboxes: Mailboxes, journal: Journal, *, rules: Callable[[], Rules], clock: Clock
    ) -> None:
        """`rules` gives those that hold now."""
        self.front = front
        self.mailboxes = mailboxes
        self.clock = clock
        self.rules = rules
        self._journal = journal
        self._strangers = Strangers()
        self.pool = Pool("mailbox", bound=QUEUED, of="mailboxes")

    def close(self) -> None:
        """Stop the pool. No request may be running."""
        self.pool.close()

    def opened(self, scope: Scope) -> None:
        """Raise UnavailableError where nothing new is taken."""
        if self.front.draining:
            raise UnavailableError(codes.DRAINING)
        if scope["extensions"].get("gateway.crowded"):
            raise UnavailableError(codes.OVERLOADED, "connections")

    def received(self, scope: Scope, contract: ContractId, content: bytes = b"", content_type: str = "") -> Received:
        """Return a request as the path wants it."""
        return Received(
            body=content,
            content_type=content_type,
            contract=contract,
            peer=scope["extensions"]["tls"]["client_cert_der"],
            at=self.clock.now(),
        )

    async def walk(self, received: Received, admit: Admit, work: Callable[[Admissions, Rules], _T]) -> _T | Refused:
        """Admit the peer and do the work of one request, in the pool.

        Raises:
            UntrustedError: a stranger's; it is counted.
            UnavailableError: ours; the same request may be sent again.
        """
        try:
            return await self.pool.run(partial(self._walked, received, admit, work))
        except UntrustedError as stranger:
            self._strangers.add(stranger.code)
            raise

    def _walked(self, received: Received, admit: Admit, work: Callable[[Admissions, Rules], _T]) -> _T | Refused:
        started, rules = time.perf_counter(), self.rules()
        admitted = admit(received, rules)
        try:
            return work(admitted, rules)
        except RejectedError as error:
            refusal = path.refuse(admitted[0].received, error, self.front.terms.rules)
        self._journal.refuse(refusal).result()
        code, reference = refusal.error.code, refusal.leaf.hash.hex()[:32]
        logs.tell(
            Happened.MESSAGE_REFUSED,
            partner=refusal.partner,
            contract=refusal.contract,
            code=code.name,
            step=code.step.value,
            reference=reference,
            ms=since(started),
        )
        return Refused(code=code, reference=reference)


def told(answered: Told, started: float) -> None:
    """Tell the log what was fetched or acknowledged: which message, never whose."""
    match answered:
        case Fetched():
            happened = Happened.MAILBOX_FETCHED
        case Acknowledged():
            happened = Happened.MAILBOX_ACKNOWLEDGED
        case _:
            return
    logs.tell(
        happened,
        partner=answered.partner,
        contract=brevlada.address(answered.partner),
        reference=answered.id.removeprefix("urn:uuid:").replace("-", ""),
        ms=since(started),
    )


def unavailable(error: GatewayError) -> None:
    """Tell the log of what is ours."""
    if isinstance(error, IntegrityError):
        logs.integrity(error)
    elif isinstance(error, UnavailableError):
        logs.tell(Happened.MESSAGE_UNAVAILABLE, code=error.code.name, step=error.code.step.value)


async def give(answer: Reply, receive: Receive, send: Send) -> None:
    """Send an answer; where the request's rest must not be taken for the next one, read it first and close."""
    await reply.send(answer, send, more=answer.close)
    if answer.close:
        await body.discard(receive)
        await reply.finish(send)


def since(started: float) -> float:
    """Return the milliseconds since then."""
    return round((time.perf_counter() - started) * 1000, 2)
