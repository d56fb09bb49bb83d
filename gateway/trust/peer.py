"""Who is at the other end of the TLS connection: a partner at its own address, or a stranger.

TLS has proven that the peer holds the key of its certificate. Whose that is, and whether it still holds, is judged here
again for every message, since a connection may live longer than a certificate:

1. There is a certificate                                               PEER_MISSING
2. It is the partner's whose address was called (before the `/`)        else, in this order:
   - it is another partner's                                            PEER_CONTRACT
   - it stands under the partner's roots, but names no organisation     PEER_ORGANISATION
   - it stands there, but has expired, was revoked, or may not be
     used as a TLS client                                               PEER_CERTIFICATE
   - nobody here knows it                                               PEER_UNKNOWN

Every refusal here is of a stranger: it is counted, and never grows the log.

Where we are the one who calls, the far side is a TLS server: `answering` judges its certificate again in the same way,
and its answer then walks on as any message does. Whoever signs it must be the very organisation that was called.
"""

from __future__ import annotations

from datetime import datetime

from gateway import codes
from gateway.dispatch import Reply
from gateway.errors import UnavailableError, UntrustedError
from gateway.message import Admitted, ContractId, Fingerprint, OrganisationNumber, PartnerId, Received
from gateway.partners import Endpoint
from gateway.trust import decoding, subject
from gateway.trust.chain import Role, Trust

_NOT_NOW = (codes.CERT_EXPIRED, codes.CERT_NOT_YET_VALID, codes.CERT_REVOKED, codes.CERT_USAGE)


def admit(received: Received, trust: Trust) -> Admitted:
    """Admit a peer to the address it called.

    Raises:
        UntrustedError: one of the PEER codes.
        UnavailableError: REVOCATION_UNAVAILABLE, our revocation list is missing or too old.
    """
    # 1. There is a certificate.
    if received.peer is None:
        raise UntrustedError(codes.PEER_MISSING)
    # 2. It is the addressed partner's.
    partner = PartnerId(received.contract.partition("/")[0])
    try:
        identity = trust.judge(received.peer, partner=partner, role=Role.PEER, at=received.at)
    except UntrustedError as refusal:
        raise _stranger(received.peer, partner, received.at, trust, refusal) from None
    return Admitted(
        received=received, partner=identity.partner, organisation=identity.organisation, peer=identity.fingerprint
    )


def answering(  # noqa: PLR0913  # the answer, whom we called, and what it is judged by
    reply: Reply,
    *,
    contract: ContractId,
    partner: PartnerId,
    organisation: OrganisationNumber,
    endpoint: Endpoint,
    trust: Trust,
) -> Admitted:
    """Admit what came back from an endpoint that we called.

    Args:
        reply: The HTTP answer.
        contract: What the answer is read by.
        partner: Whose endpoint was called.
        organisation: Who was called there.
        endpoint: Where.
        trust: Who stands under which roots.

    Raises:
        UntrustedError: one of the CERT codes.
        UnavailableError: REVOCATION_UNAVAILABLE, our revocation list is missing or too old.
    """
    identity = trust.judge_server(
        reply.peer, partner=partner, organisation=organisation, anchors=endpoint.anchors, at=reply.at
    )
    received = Received(
        body=reply.body, content_type=reply.content_type, contract=contract, peer=reply.peer, at=reply.at
    )
    return Admitted(received=received, partner=partner, organisation=organisation, peer=identity.fingerprint)


def kept(  # noqa: PLR0913  # the facts that were kept
    body: bytes,
    *,
    contract: ContractId,
    partner: PartnerId,
    organisation: OrganisationNumber,
    peer: Fingerprint,
    at: datetime,
) -> Admitted:
    """Return what was admitted when it came, out of the store: who sent it was judged then, and is not judged again.

    Args:
        body: The exact bytes, out of their seal.
        contract: The address it came to.
        partner: Who sent it.
        organisation: The same by number.
        peer: Its certificate, as it was written down.
        at: When it came.
    """
    received = Received(body=body, content_type="", contract=contract, peer=None, at=at)
    return Admitted(received=received, partner=partner, organisation=organisation, peer=peer)


def _stranger(der: bytes, called: PartnerId, at: datetime, trust: Trust, refusal: UntrustedError) -> UntrustedError:
    """Return why this certificate is not admitted at this address, for the one who has to mend it."""
    # Classes stand under the same roots: an employer's certificate could as well be a kommun's.
    owners = [other for other in trust.partners if other != called and _belongs(der, other, at, trust)]
    if owners:
        return UntrustedError(codes.PEER_CONTRACT, f"a certificate of {' or '.join(owners)}")
    if refusal.code is codes.CERT_SUBJECT and not _names_organisation(der):
        return UntrustedError(codes.PEER_ORGANISATION, refusal.detail)
    code = codes.PEER_CERTIFICATE if refusal.code in _NOT_NOW else codes.PEER_UNKNOWN
    return UntrustedError(code, f"{refusal.code.name} {refusal.detail}".rstrip())


def _belongs(der: bytes, partner: PartnerId, at: datetime, trust: Trust) -> bool:
    try:
        trust.judge(der, partner=partner, role=Role.PEER, at=at)
    except (UntrustedError, UnavailableError):
        # That another partner's list is too old must not turn this stranger's refusal into a fault of ours.
        return False
    return True


def _names_organisation(der: bytes) -> bool:
    try:
        subject.organisation(decoding.read(der))
    except UntrustedError:
        return False
    return True
