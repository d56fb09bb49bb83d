"""The straight line a dispatch walks in. Each step takes the previous form and returns the next.

Everything between the courier's calls is here, synchronous and without IO. What happens around it:

1. The dispatcher has taken a `Queued` out of the store. `permit` and `compose` give `Composed`, or raise what stops it.
2. The store commits it with the leaf of the intent. Before that no byte leaves; after it content and id stand for good.
3. For each attempt `sign` makes an envelope, the courier sends it, and `read` judges what came back: `Answered`, or one
   of the errors that `outcome` lays out. Another attempt, perhaps after a crash, begins with `recompose`.
4. `deliver` makes of a verified answer all that is committed with it. Every other end is `ended`'s.

An answer is judged by the steps that a message is judged by that comes in by itself, with two more: it must be signed
that it answers this very message, and signed by the very organisation that was called.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final

from gateway import codes, endings, review
from gateway.adapters import registry
from gateway.adapters.outgoing import Outgoing
from gateway.audit import intent, leaf
from gateway.config import Queue
from gateway.dispatch import Answered, Broken, Composed, Delivered, Parcel, Permitted, Queued, Reply, Signed
from gateway.errors import (
    ContractError,
    IntegrityError,
    MalformedError,
    PurposeError,
    UnavailableError,
    UncertainError,
    UntrustedError,
)
from gateway.events import compose as events
from gateway.message import Admitted, Decision, Digest, Event, Learned, MessageId, Outcome, Parsed, Record, Verified
from gateway.outbound import ending, outcome, reviewing
from gateway.outbound.ending import End, Ended, ended
from gateway.outbound.ports import Courier, Held
from gateway.outbound.rules import Rules
from gateway.partners import Endpoint, Mailbox
from gateway.privacy import disclosure, purpose
from gateway.soap import envelope, names, xml
from gateway.soap.fault import MEDIA
from gateway.trust import acknowledgement, peer, pseudonym, receipt, signature, signing

__all__ = ["End", "Ended", "Rules", "compose", "deliver", "ended", "permit", "read", "recompose", "serves", "sign"]

MAILBOX: Final = "urn:forsakringskassan:utbyte:brevlada:"
"""`wsa:To` of what a partner fetches: this and its id."""


def permit(queued: Queued, rules: Rules, at: datetime, *, answered: review.Answered = review.NOTHING) -> Permitted:
    """Judge what this recipient may have; `answered` is what people have said yes to.

    Raises:
        disclosure.Stopped: DENY or REFER, with the whole decision.
        ContractError: GW-COMMAND-RECIPIENT, contract or partner are no more what they were when the command came.
    """
    named = pseudonym.Named(rules.pseudonyms)
    return disclosure.permit(
        queued,
        rules.law,
        rules.known(named),
        partner_type=rules.partner(queued).partner_type,
        kind=rules.going(queued).kind,
        at=at,
        answered=answered,
    )


def compose(permitted: Permitted, courier: Courier, rules: Rules, at: datetime) -> Composed:
    """Fix the content, and compose the leaf that says that we mean to disclose it.

    Raises:
        ContractError: GW-COMMAND-FORMAT, the contract has no place for what the asker wants said; GW-COMMAND-RECIPIENT.
        IntegrityError: the contract module or the courier are wrong.
    """
    queued = permitted.queued
    going = rules.going(queued)
    parcel = Parcel(
        dispatch=queued.dispatch,
        person=permitted.decision.person,
        fields=permitted.decision.fields,
        period=queued.command.period,
        citation=permitted.citation,
        sender=rules.organisation,
        reference=queued.dispatch,
        made=at,
        settings=_settings(queued, rules),
    )
    payload = courier.body(going.id, going.compose(parcel))
    registry.hold(payload, going.id, rules.contracts)
    if xml.canonical(xml.reparse(payload)) != payload:
        raise IntegrityError(f"a body of {going.id} is not in exclusive canonical form")
    digest, person = _digest(payload), rules.pseudonyms.of(permitted.decision.person)
    meant = intent.intended(
        permitted,
        interaction=going.interaction,
        organisation=rules.recipient(queued),
        action=going.action,
        digest=digest,
        at=at,
        pseudonym=person,
        keyed=rules.keyed(queued),
        salt=rules.random(leaf.SALT),
    )
    return Composed(
        queued=queued,
        parcel=parcel,
        payload=payload,
        digest=digest,
        version=going.soap,
        action=going.action,
        intent=meant,
        sealed=rules.sealer.seal(payload, [meant]),
        pseudonym=person,
    )


def recompose(queued: Queued, held: Held, rules: Rules) -> Composed:
    """Return what `compose` made, out of the store: the same id and content, to the byte.

    Raises:
        IntegrityError: it is not there, or not what the intent in the log speaks of.
        ContractError: GW-COMMAND-RECIPIENT, as `permit`.
    """
    sealed = held.contents.get("payload")
    if sealed is None or held.intent is None:
        raise IntegrityError(f"dispatch {held.id}: its payload or its intent is gone")
    entry = held.intent[1]
    opened = rules.sealer.open(sealed, [entry.hash])
    ((salt, record),) = opened.records
    person = rules.pseudonyms.of(queued.command.person)
    meant = leaf.opened(entry.entry, salt=salt, record=record, pseudonym=person)
    said, digest = intent.read(record), _digest(opened.evidence)
    if {said.dispatch, queued.dispatch} != {held.id} or said.digest != digest or meant.hash != entry.hash:
        raise IntegrityError(f"dispatch {held.id}: its payload is not the one that its intent speaks of")
    going, fields = rules.going(queued), {**queued.command.fields, **queued.recipient.fields}
    parcel = Parcel(
        dispatch=queued.dispatch,
        person=queued.command.person,
        fields={name: fields[name] for name in said.granted if name in fields},
        period=queued.command.period,
        citation=said.citation,
        sender=rules.organisation,
        reference=queued.dispatch,
        made=said.composed,
        settings=_settings(queued, rules),
    )
    return Composed(
        queued=queued,
        parcel=parcel,
        payload=opened.evidence,
        digest=digest,
        version=going.soap,
        action=said.action,
        intent=meant,
        sealed=sealed,
        pseudonym=person,
    )


def sign(composed: Composed, to: Endpoint | Mailbox, rules: Rules, at: datetime) -> Signed:
    """Sign one attempt: a fresh Timestamp over the same id and content.

    What waits in a mailbox says itself that it may be old: it expires when the mailbox gives it up.
    """
    partner = composed.queued.recipient.partner
    address = to.address if isinstance(to, Endpoint) else f"{MAILBOX}{partner}"
    message_id = MessageId(composed.queued.dispatch)
    expires = at + (receipt.LIFETIME if isinstance(to, Endpoint) else to.unread)
    envelope_ = signing.sign(
        composed.payload.decode(),
        key=rules.signers.of(partner, at, expires),
        version=composed.version,
        created=at,
        expires=expires,
        message_id=message_id,
        to=address,
        action=composed.action or None,
    )
    return Signed(
        composed=composed,
        to=address,
        envelope=envelope_,
        content_type=MEDIA[composed.version],
        message_id=message_id,
    )


def read(signed: Signed, reply: Reply | Broken, rules: Rules) -> Answered:
    """Judge what an attempt came to.

    1. A connection that broke, by how it broke.
    2. The far side's TLS certificate holds now, revocation included: else nothing it says does.
    3. The HTTP status, what is no envelope, and faults (`outcome`).
    4. The signature, by the procedure for what comes in: this partner, this organisation, fresh.
    5. It is signed that it answers this message, and nothing else is.
    6. The contract: the partner's receipt for this content, or an answer that keeps its schema and fits the question.
    7. What it says happened.

    Raises:
        PostponedError, UncertainError, RefusedError: as `outcome` lays out.
        ContractError: it is genuine, and breaks the contract.
    """
    # 1. The connection.
    if isinstance(reply, Broken):
        raise outcome.broken(reply)
    going, place = _called(signed, rules)
    try:
        admitted = _admitted(signed, reply, going, place, rules)  # 2
        parsed = _parsed(admitted, reply.status, going, rules)  # 3
        verified = signature.verify(parsed, rules.trust, rules.limits)  # 4
    except (UntrustedError, UnavailableError, MalformedError) as error:
        raise UncertainError(endings.UNPROVEN, f"{error.code.name} {error.detail}".rstrip()) from None
    # 5. RelatesTo.
    relates_to = verified.provenance.relates_to
    if relates_to is None:
        raise UncertainError(endings.UNPROVEN, "no one RelatesTo that is signed")
    if relates_to != signed.message_id:
        raise UncertainError(endings.OTHER, "RelatesTo")
    answered = _understood(signed, verified, going, rules)  # 6
    # 7. What it says.
    failed = outcome.by_result(answered.result)
    if failed is not None:
        raise failed
    return answered


def deliver(answered: Answered, held: Held, rules: Rules, at: datetime) -> Delivered:
    """Make of an answer all that is committed with it: leaves, sealed evidence and events.

    Args:
        answered: The answer.
        held: The dispatch, this attempt counted.
        rules: What the answer's records are judged by: the bases for what comes in.
        at: When it ended.

    Raises:
        PurposeError: we may not receive it, or the asker's queue may not serve what it says.
        ContractError: a number that no event can hold.
    """
    queued, named = answered.signed.composed.queued, pseudonym.Named(rules.pseudonyms)
    permitted = purpose.permit(answered, rules.law, rules.known(named))
    queue, routes = rules.queue(queued), rules.routes.answering(queued.command.asker)
    leaves, told, learned = [ending.delivered(answered, held, rules, at)], list[Event](), list[Learned]()
    for decision in permitted.decisions:
        person = named.of(decision.person)
        entry = leaf.decided(permitted, decision, pseudonym=person, salt=rules.random(leaf.SALT))
        leaves.append(entry)
        if decision.outcome is Outcome.PERMIT:
            serves(queue, routes, decision)
            told.append(
                events.event(
                    permitted,
                    decision,
                    pseudonym=person,
                    leaf=entry.hash,
                    routes=routes,
                    asked=queued,
                    related=tuple([named.of(one) for one in decision.related]),
                )
            )
        if decision.learned is not None:
            learned.append(Learned(person=person, protection=decision.learned, stated_at=decision.stated_at))
    answers = [one.id for one in told]
    told.append(ending.told(answered, held, rules, at, decisions=permitted.decisions, events=answers))
    return Delivered(
        answered=answered,
        decisions=permitted.decisions,
        leaves=tuple(leaves),
        sealed=rules.sealer.seal(answered.evidence, leaves),
        events=tuple(told),
        learned=tuple(learned),
        reviews=tuple(reviewing.of_answer(permitted, rules, at)),
    )


def _settings(queued: Queued, rules: Rules) -> dict[str, str]:
    place = rules.place(queued)
    return {**place.settings} if isinstance(place, Endpoint) else {}


def _digest(payload: bytes) -> Digest:
    """Return the digest that a receipt quotes: of what stands inside Body, in exclusive canonical form."""
    return Digest(hashlib.sha256(payload).hexdigest())


def _called(signed: Signed, rules: Rules) -> tuple[Outgoing, Endpoint]:
    """Return by which contract and where we called: what has been changed meanwhile can prove nothing any more."""
    queued = signed.composed.queued
    try:
        going, place = rules.going(queued), rules.place(queued)
    except ContractError as error:
        raise UncertainError(endings.UNPROVEN, error.detail) from None
    if not isinstance(place, Endpoint) or place.address != signed.to:
        raise UncertainError(endings.UNPROVEN, "the endpoint was changed while it was called")
    return going, place


def _admitted(signed: Signed, reply: Reply, going: Outgoing, place: Endpoint, rules: Rules) -> Admitted:
    """Hold the far side's certificate to the endpoint that was called."""
    queued = signed.composed.queued
    return peer.answering(
        reply,
        contract=going.answer or going.id,
        partner=queued.recipient.partner,
        organisation=rules.recipient(queued),
        endpoint=place,
        trust=rules.trust,
    )


def _parsed(admitted: Admitted, status: int, going: Outgoing, rules: Rules) -> Parsed:
    """Return the envelope of what may be an answer."""
    try:
        parsed = envelope.parse(admitted, rules.limits)
    except MalformedError as error:
        raise (outcome.by_status(status) or outcome.garbled(status, error)) from None
    fault = outcome.fault(envelope.body_of(parsed.root)[0], parsed.version)
    failed = outcome.by_status(status, fault)
    if failed is None and fault is not None:
        header = envelope.header_of(parsed.root, parsed.version)
        answered = header is not None and header.findtext(f"{{{names.WSA}}}Action", "").strip() == going.reply
        failed = outcome.by_fault(fault, status, going.fault, answered=answered)
    if failed is None and not outcome.succeeded(status):
        failed = outcome.unexpected(status)
    if failed is not None:
        raise failed
    return parsed


def _understood(signed: Signed, verified: Verified, going: Outgoing, rules: Rules) -> Answered:
    """Read a genuine answer by its contract. Raises ContractError; UncertainError where it is about something else."""
    composed, provenance = signed.composed, verified.provenance
    records: tuple[Record, ...] = ()
    if going.answer is None:
        if provenance.action not in {None, acknowledgement.ACTION}:
            raise ContractError(codes.CONTRACT_ACTION)
        result = acknowledgement.read(verified.payload, message_id=signed.message_id, digest=composed.digest)
    else:
        valid = registry.read_answer(verified, going.id, rules.contracts)
        records, provenance = valid.records, valid.provenance
        result = going.result(verified.payload, composed.parcel)
    return Answered(
        signed=signed,
        provenance=provenance,
        result=outcome.cleaned(result),
        records=records,
        evidence=verified.evidence,
    )


def serves(queue: Queue, routes: events.Routes, decision: Decision) -> None:
    """Hold the asker's queue to the labels: it asked, but that does not widen what it may do with the answer."""
    labels, route = decision.labels, routes.by_basis.get(decision.basis or "")
    if labels is None or route is None or not queue.may_serve(labels.purposes, labels.benefits):
        raise PurposeError(codes.PURPOSE_DENIED, f"record {decision.record}: queue {queue.name} may not serve it")
