"""A partner asks its mailbox: one request, one answer, both signed (`adapters/forsakringskassan/brevlada`).

A request walks the way of a message that comes in, by the same code, as far as `Verified`: a TLS peer we know, an
envelope within limits, signed by the same organisation, fresh. What it then sees is its own mailbox and no other: whose
that is, is told by its certificate, never by what it asks.

Nothing is remembered of requests, since all of them may be repeated: a list is read anew, fetching again is fetching
again (and written down), and acknowledging again gives the first acknowledgement. A request that somebody else repeats
within its five minutes must come over a TLS connection of the very organisation that signed it, and the answer goes to
nobody else.

Over REST a partner is known by TLS alone, until it acknowledges: that is always the signed request, since it is the
partner's receipt. Classes of partners stand under the same roots and a kommun is an employer too, so one certificate
may open several mailboxes; they are then read as one.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256

from gateway import codes
from gateway.adapters.forsakringskassan import brevlada
from gateway.adapters.forsakringskassan.brevlada import Acknowledging, Fetched, Fetching, Listing, Page, Request, Told
from gateway.dispatch import DispatchId
from gateway.errors import ConfigError, ContractError, IntegrityError, UnavailableError, UntrustedError
from gateway.message import Admitted, Pseudonym, Received, Verified
from gateway.outbound import mailbox
from gateway.outbound.ports import Box, Held, Mailboxes, Step
from gateway.outbound.rules import Rules
from gateway.outbound.states import State
from gateway.outbound.walk import still
from gateway.partners import Mailbox
from gateway.soap import envelope
from gateway.soap.fault import MEDIA
from gateway.swedish import swedish_day
from gateway.trust import peer, signature, signing
from gateway.trust.receipt import LIFETIME


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back: a signed envelope."""

    envelope: bytes = field(repr=False)
    content_type: str
    told: Told


def addressed(received: Received, rules: Rules) -> tuple[Admitted, ...]:
    """Admit a TLS peer to the mailbox that the address names. Raises as `trust.peer.admit`."""
    return (peer.admit(received, rules.trust),)


def answer(admitted: Sequence[Admitted], rules: Rules, mailboxes: Mailboxes, now: datetime) -> Answer:
    """Answer what came to a partner's mailbox.

    Args:
        admitted: Who sent it, and the request.
        rules: What is judged by.
        mailboxes: The store.
        now: The time of answering, for the answer's Timestamp.

    Raises:
        RejectedError: the sender's doing.
        UnavailableError: ours; the same request may be sent again.
    """
    verified = _verified(admitted[0], rules)
    request = brevlada.read(verified, rules.contracts)
    return _answered(request, verified, admitted, rules, mailboxes, now)


def certified(received: Received, rules: Rules) -> tuple[Admitted, ...]:
    """Return as whom the certificate of a TLS peer opens mailboxes: one or more of them.

    Args:
        received: The request; what its contract says does not matter.
        rules: What is judged by.

    Raises:
        UntrustedError: PEER_MISSING, PEER_CERTIFICATE or PEER_UNKNOWN.
        UnavailableError: a revocation list of ours is missing or too old.
    """
    known: list[Admitted] = []
    refusal = UntrustedError(codes.PEER_UNKNOWN)
    for partner in rules.partners.values():
        if partner.mailbox is None:
            continue
        try:
            known.append(peer.admit(replace(received, contract=brevlada.address(partner.id)), rules.trust))
        except UntrustedError as error:
            # Whose certificate it could have been is nobody's business; that it has expired its owner must know.
            if error.code in {codes.PEER_MISSING, codes.PEER_CERTIFICATE, codes.PEER_ORGANISATION}:
                refusal = error
    if not known:
        raise refusal
    return tuple(known)


def waiting(admitted: Sequence[Admitted], asked: Listing, rules: Rules, mailboxes: Mailboxes) -> Page:
    """Return what waits for a peer. Raises ContractError: GW-MAILBOX-UNKNOWN; UnavailableError."""
    at = admitted[0].received.at
    return _listed([_box(one, rules) for one in admitted], asked, at, rules, mailboxes)


def fetch(admitted: Sequence[Admitted], dispatch: DispatchId, rules: Rules, mailboxes: Mailboxes) -> Fetched:
    """Return what a peer fetches. Raises ContractError: GW-MAILBOX-UNKNOWN; UnavailableError."""
    return _fetched(dispatch, [_box(one, rules) for one in admitted], admitted[0].received.at, rules, mailboxes)


def acknowledge(
    admitted: Sequence[Admitted], dispatch: DispatchId, rules: Rules, mailboxes: Mailboxes, now: datetime
) -> Answer:
    """Answer a signed acknowledgement that came to the address of one message.

    Raises RejectedError, UnavailableError, as `answer`; CONTRACT_CONTENT where it is not about the address's message.
    """
    verified = _verified(admitted[0], rules)
    request = brevlada.read(verified, rules.contracts)
    if not isinstance(request, Acknowledging):
        raise ContractError(codes.CONTRACT_UNKNOWN, "taken here: AcknowledgeMessage")
    if request.id != dispatch:
        raise ContractError(codes.CONTRACT_CONTENT, "Id is not the address's")
    return _answered(request, verified, admitted, rules, mailboxes, now)


def _verified(admitted: Admitted, rules: Rules) -> Verified:
    return signature.verify(envelope.parse(admitted, rules.limits), rules.trust, rules.limits)


def _box(admitted: Admitted, rules: Rules) -> Box:
    one_of_many = rules.partners[admitted.partner].kind == "class"
    return Box(admitted.partner, admitted.organisation if one_of_many else None)


def _carried_out(
    request: Request, verified: Verified, boxes: Sequence[Box], rules: Rules, mailboxes: Mailboxes
) -> Told:
    at = verified.provenance.received_at
    match request:
        case Listing():
            return _listed(boxes, request, at, rules, mailboxes)
        case Fetching():
            return _fetched(request.id, boxes, at, rules, mailboxes)
        case Acknowledging():

            def end(held: Held) -> Step:
                retention = _mailbox(held, rules).retention
                return mailbox.acknowledge(held, verified.evidence, rules, at, retention=retention)

            return mailboxes.acknowledge(
                boxes, request.id, request.digest, end, stopped=lambda found: _stopped(found, rules, at)
            )


def _listed(boxes: Sequence[Box], asked: Listing, at: datetime, rules: Rules, mailboxes: Mailboxes) -> Page:
    day = swedish_day(at)

    def known(person: Pseudonym | None) -> Hashable:
        if person is None:
            return None
        return rules.law.policy, id(rules.law), day, rules.protections.status(person)

    return mailboxes.waiting(
        boxes, at, limit=asked.limit, after=asked.after, stopped=lambda found: _stopped(found, rules, at), known=known
    )


def _fetched(dispatch: DispatchId, boxes: Sequence[Box], at: datetime, rules: Rules, mailboxes: Mailboxes) -> Fetched:
    held = mailboxes.fetch(boxes, dispatch, at, lambda found: _taken(found, rules, at))
    sealed = held.contents.get("envelope")
    if sealed is None:
        raise IntegrityError(f"dispatch {held.id}: its envelope is gone")
    laid = rules.sealer.open(sealed, ()).evidence
    version = envelope.open_offline(laid, None, rules.limits).version
    return Fetched(partner=held.partner, id=held.id, content_type=MEDIA[version], envelope=laid)


def _taken(held: Held, rules: Rules, at: datetime) -> Step:
    """Return the step of a fetch: what nobody has fetched yet is judged once more, and withdrawn if it may not go."""
    stopped = _stopped(held, rules, at) if held.state is State.DEPOSITED else None
    return stopped or mailbox.fetch(held, at)


def _stopped(held: Held, rules: Rules, at: datetime) -> Step | None:
    """Return the step that withdraws what may not go any more; None where it may.

    Whoever is protected since it was laid there, or has taken consent back, is not told of by it (OSL 21 kap. 3 §).
    The partner hears what it hears of any id that is not there, however it asks; whoever asked hears why.
    """
    try:
        return still(held, rules, at)
    except ConfigError as error:  # whoever asked cannot be told now
        raise UnavailableError(codes.INTERNAL, error.detail) from None


def _mailbox(held: Held, rules: Rules) -> Mailbox:
    """Return the settings of the mailbox it lies in."""
    found = rules.partners[held.partner].mailbox
    if found is None:
        raise IntegrityError(f"partner {held.partner}: is admitted to a mailbox that it does not have")
    return found


def _answered(  # noqa: PLR0913, PLR0917  # what was asked, by whom, and what it is answered by
    request: Request,
    verified: Verified,
    admitted: Sequence[Admitted],
    rules: Rules,
    mailboxes: Mailboxes,
    now: datetime,
) -> Answer:
    provenance = verified.provenance
    told = _carried_out(request, verified, [_box(one, rules) for one in admitted], rules, mailboxes)
    payload, action = brevlada.answer(told)
    own = sha256(f"{provenance.partner} {provenance.organisation} {provenance.message_id} {now.timestamp()}".encode())
    expires = now + LIFETIME
    signed = signing.sign(
        payload,
        key=rules.signers.of(provenance.partner if isinstance(told, Page) else told.partner, now, expires),
        version=provenance.version,
        created=now,
        expires=expires,
        message_id=f"{brevlada.NAMESPACE}:{own.hexdigest()}",
        action=action,
        relates_to=provenance.message_id,
    )
    return Answer(envelope=signed, content_type=MEDIA[provenance.version], told=told)
