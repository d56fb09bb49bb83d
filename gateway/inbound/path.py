"""The straight line a message walks in. Each step takes the previous form and returns the next.

Everything before the commit is here, synchronous and without IO. What happens around it:

1. transport makes `Received` and calls `prepare`.
2. `prepare` gives `Ready`, or a `Refusal` once the peer is known. A stranger raises: strangers must not grow the log.
3. The journal commits either. Before that nothing has happened; after it the message is ours.
4. `answer` signs the receipt. It is never sent before the commit.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from gateway import codes
from gateway.adapters import registry
from gateway.audit import leaf
from gateway.config import Limits
from gateway.errors import PurposeError, RejectedError
from gateway.events import compose
from gateway.message import (
    Accepted,
    Admitted,
    Decision,
    Event,
    Leaf,
    Learned,
    Outcome,
    Permitted,
    Person,
    Protection,
    Provenance,
    Pseudonym,
    Ready,
    Receipt,
    Received,
    RecordOutcome,
    Refusal,
    Valid,
)
from gateway.ports import Protections
from gateway.privacy import law, protected, purpose, referral
from gateway.review import PROTECTED, QUARANTINE, RELEASED, Kind, Opening
from gateway.soap import envelope
from gateway.trust import chain, keys, peer, pseudonym, receipt, sealing, signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """What a message is judged by whose sender is proven. Immutable: a reload makes a new one and swaps it whole."""

    limits: Limits
    contracts: registry.Registry
    law: law.Law
    routes: compose.Routes
    protections: Protections
    pseudonyms: pseudonym.Pseudonyms
    sealer: sealing.Sealer
    random: Callable[[int], bytes]
    referrals: referral.Referrals = referral.STRICT
    """Who answers what only a person may."""

    def known(self, named: pseudonym.Named) -> Callable[[Person], Protection]:
        """Return what tells what we know of a person's protected identity."""
        return lambda person: self.protections.status(named.of(person))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules(Judging):
    """All that the path judges by: who a sender is, and what we answer with."""

    trust: chain.Trust
    signers: keys.Signers


def prepare(received: Received, rules: Rules) -> Ready | Refusal:
    """Walk from bytes to what the journal commits.

    Raises UntrustedError where the peer is no partner of ours (to be counted, not logged) and UnavailableError where we
    cannot judge for now. Every other refusal is returned, with its leaf.
    """
    admitted = peer.admit(received, rules.trust)
    named = pseudonym.Named(rules.pseudonyms)
    provenance: Provenance | None = None
    valid: Valid | None = None
    try:
        parsed = envelope.parse(admitted, rules.limits)
        verified = signature.verify(parsed, rules.trust, rules.limits)
        provenance = verified.provenance
        valid = registry.validate(verified, rules.contracts)
        permitted = purpose.permit(valid, rules.law, rules.known(named))
        return _ready(permitted, rules, named)
    except RejectedError as error:
        asked = None
        if valid is not None and provenance is not None and error.code is codes.PURPOSE_QUARANTINED:
            asked = _quarantine(valid, admitted, rules, named)
        return _refusal(admitted, error, rules, provenance, asked)


def refuse(received: Received, error: RejectedError, rules: Rules) -> Refusal:
    """Compose the refusal of a message that only the commit could refuse (ConflictError)."""
    return _refusal(peer.admit(received, rules.trust), error, rules)


def answer(accepted: Accepted, rules: Rules, now: datetime) -> Receipt:
    """Sign the receipt of what has been committed, in the contract's own answer.

    Raises UnavailableError where the key is on a token that does not answer: resending gives the receipt then.
    """
    contract = rules.contracts[accepted.provenance.contract]
    return receipt.sign(accepted, rules.signers, wrap=contract.answer, now=now)


def released(valid: Valid, rules: Judging, at: datetime) -> Ready:
    """Walk the rest of the way with a quarantined message that people let in. Raises PurposeError: no basis even so."""
    named = pseudonym.Named(rules.pseudonyms)
    return _ready(purpose.release(valid, rules.law, rules.known(named), at), rules, named, beside=(RELEASED,))


def learned(decision: Decision, person: Pseudonym) -> tuple[Learned, ...]:
    """Return what a decision lets us know of protected identity."""
    if decision.learned is None:
        return ()
    return (Learned(person=person, protection=decision.learned, stated_at=decision.stated_at),)


def _ready(permitted: Permitted, rules: Judging, named: pseudonym.Named, *, beside: tuple[str, ...] = ()) -> Ready:
    leaves: list[Leaf] = []
    events: list[Event] = []
    known: list[Learned] = []
    for decision in permitted.decisions:
        pseudonym_ = named.of(decision.person)
        entry = leaf.decided(permitted, decision, pseudonym=pseudonym_, salt=rules.random(leaf.SALT))
        leaves.append(entry)
        if decision.outcome is Outcome.PERMIT:
            events.append(
                compose.event(
                    permitted,
                    decision,
                    pseudonym=pseudonym_,
                    leaf=entry.hash,
                    routes=rules.routes,
                    related=tuple([named.of(one) for one in decision.related]),
                )
            )
        known += learned(decision, pseudonym_)
    return Ready(
        provenance=permitted.provenance,
        policy=permitted.policy,
        outcomes=tuple([_outcome(decision) for decision in permitted.decisions]),
        leaves=tuple(leaves),
        sealed=rules.sealer.seal(permitted.evidence, leaves),
        events=tuple(events),
        learned=tuple(known),
        reviews=tuple(_waiting(permitted, rules, named, beside)),
    )


def _waiting(
    permitted: Permitted, rules: Judging, named: pseudonym.Named, beside: tuple[str, ...]
) -> Iterator[Opening]:
    """Yield what a person is asked of each record that is REFERred; `beside` is asked, or told, of all of them."""
    source = permitted.provenance
    origin = referral.Origin(
        partner=source.partner, organisation=source.organisation, contract=source.contract, policy=permitted.policy
    )
    for place, decision in enumerate(permitted.decisions):
        if decision.outcome is Outcome.REFER:
            yield rules.referrals.opening(
                Kind.RECORD,
                (*referral.questions(decision), *beside),
                referral.of_record(decision, origin),
                source.received_at,
                leaf=place,
                record=decision.record,
                persons=referral.concerned(decision.record, decision.person, decision.related, named.of),
            )


def _outcome(decision: Decision) -> RecordOutcome:
    return RecordOutcome(position=decision.record, outcome=decision.outcome, code=purpose.coarse(decision))


def _refusal(
    admitted: Admitted,
    error: RejectedError,
    rules: Rules,
    provenance: Provenance | None = None,
    asked: Opening | None = None,
) -> Refusal:
    quarantined = isinstance(error, PurposeError) and error.code is codes.PURPOSE_QUARANTINED
    entry = leaf.refused(admitted, error, policy=rules.law.policy, salt=rules.random(leaf.SALT))
    evidence = admitted.received.body if quarantined else b""
    return Refusal(
        partner=admitted.partner,
        contract=admitted.received.contract,
        error=error,
        at=admitted.received.at,
        leaf=entry,
        sealed=rules.sealer.seal(evidence, [entry]),
        quarantined=quarantined,
        review=asked if quarantined else None,
        provenance=provenance if quarantined else None,
    )


def _quarantine(valid: Valid, admitted: Admitted, rules: Rules, named: pseudonym.Named) -> Opening:
    """Ask what becomes of a message with what may not come this way; and of whom, where somebody is protected."""
    received = admitted.received
    asked = (QUARANTINE, PROTECTED) if protected.anybody(valid.records, rules.known(named)) else (QUARANTINE,)
    origin = referral.Origin(
        partner=admitted.partner,
        organisation=admitted.organisation,
        contract=received.contract,
        policy=rules.law.policy,
    )
    persons = itertools.chain.from_iterable(
        referral.concerned(one.position, one.person, one.related, named.of) for one in valid.records
    )
    return rules.referrals.opening(Kind.QUARANTINE, asked, origin, received.at, persons=tuple(persons))
