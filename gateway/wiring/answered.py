"""Partners' answers to what we sent, out of their seals, verified again: is what we keep still a proof?

1. It is there, unless a rule has destroyed it.
2. Its bytes are those whose digest stands in the timeline.
3. Its signature holds, by the certificate in it. Whose that is, and that it held, was judged when it came.
4. A receipt is about our message and its content; an acknowledgement from a mailbox too; an answer to a question of
   ours refers to the question.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256

from gateway import codes
from gateway.adapters.forsakringskassan import brevlada
from gateway.adapters.registry import Registry
from gateway.config import Configuration
from gateway.errors import ContractError, GatewayError
from gateway.message import Digest, Fingerprint, Verified
from gateway.outbound.states import Happening
from gateway.soap import envelope
from gateway.store import answers
from gateway.store.answers import Kept
from gateway.store.dispatch_views import DispatchViews
from gateway.store.gaps import Gap, Kind, Passed
from gateway.store.place import Duty
from gateway.trust import acknowledgement, peer, signature
from gateway.trust.sealing import Sealer
from gateway.wiring.drivers import place
from gateway.wiring.rules import sealer


def verified(
    configuration: Configuration,
    *,
    partner: str | None,
    between: tuple[datetime | None, datetime | None],
    passed: Passed,
) -> Iterator[Gap]:
    """Yield what is wrong with the answers that are kept.

    Args:
        configuration: The installation's.
        partner: Whose; None: everybody's.
        between: From when to before when they came; None: ever.
        passed: Is told how it goes on.

    Raises:
        ConfigError: The sealing key cannot be read.
        UnavailableError, IntegrityError: As the store raises them.
    """
    where, key = place(configuration, Duty.ARCHIVIST), sealer(configuration.gateway.keys)
    contracts = Registry.load(configuration.gateway.schemas)
    session, views = where.open(), DispatchViews(where)
    try:
        for kept in answers.kept(session, partner=partner, between=between, passed=passed):
            yield from _one(kept, views, key, configuration, contracts)
    finally:
        views.close()
        session.close()


def _one(
    kept: Kept, views: DispatchViews, key: Sealer, configuration: Configuration, contracts: Registry
) -> Iterator[Gap]:
    try:
        body = _opened(kept, views, key)
        if not body:
            if not kept.destroyed:
                yield _gap(Kind.ANSWER_NONE, kept, "it is not kept")
            return
        if sha256(body).hexdigest() != kept.digest:
            yield _gap(Kind.ANSWER_WRONG, kept, "it is not the one that came")
            return
        admitted = peer.kept(
            body,
            contract=kept.contract,
            partner=kept.partner,
            organisation=kept.organisation,
            peer=Fingerprint(""),
            at=kept.at,
        )
        _about(kept, signature.reread(envelope.reopen(admitted, configuration.gateway.limits)), contracts)
    except GatewayError as error:
        yield _gap(Kind.ANSWER_WRONG, kept, f"{error.code.name} {error.detail}".rstrip())


def _opened(kept: Kept, views: DispatchViews, key: Sealer) -> bytes:
    """Return the exact bytes; none where they are not kept. Raises IntegrityError where the seal is broken."""
    for one in views.sealed(kept.dispatch):
        if one.step == kept.step and one.name == "answer":
            return key.open(one.sealed, [entry.hash for entry in one.leaves]).evidence
    return b""


def _about(kept: Kept, verified: Verified, contracts: Registry) -> None:
    """Hold an answer to what it must be about. Raises ContractError, UncertainError."""
    digest = Digest(kept.content or "")
    if kept.happening is Happening.ACKNOWLEDGE:
        request = brevlada.read(verified, contracts)
        if not isinstance(request, brevlada.Acknowledging) or (request.id, request.digest) != (kept.dispatch, digest):
            raise ContractError(codes.CONTRACT_CONTENT, "acknowledges something else")
    elif verified.payload.tag == acknowledgement.ROOT or _receipted(kept, contracts):
        acknowledgement.read(verified.payload, message_id=kept.dispatch, digest=digest)
    elif str(verified.provenance.relates_to or kept.dispatch) != kept.dispatch:
        raise ContractError(codes.CONTRACT_CONTENT, "answers something else")


def _receipted(kept: Kept, contracts: Registry) -> bool:
    """Tell whether the contract is answered by a receipt, and by nothing else; one that is no more tells nothing."""
    going = contracts.outgoing.get(kept.contract)
    return going is not None and going.answer is None


def _gap(kind: Kind, kept: Kept, detail: str) -> Gap:
    at = kept.at.isoformat()
    return Gap(kind=kind, number=kept.number, at=at, detail=f"{kept.dispatch} step {kept.step}: {detail}")
