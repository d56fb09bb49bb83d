"""The straight line a message walks in. Each step takes the previous form and returns the next.

Everything before the commit is here, synchronous and without IO. What happens around it:

1. transport makes `Received` and calls `prepare`.
2. `prepare` gives `Ready`, or a `Refusal` once the peer is known. A stranger raises: strangers must not grow the log.
3. The journal commits either. Before that nothing has happened; after it the message is ours.
4. `answer` signs the receipt. It is never sent before the commit.
"""

from __future__ import annotations

from collections.abc import Callable
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
    Ready,
    Receipt,
    Received,
    RecordOutcome,
    Refusal,
)
from gateway.ports import Protections
from gateway.privacy import law, purpose
from gateway.soap import envelope
from gateway.trust import chain, keys, peer, pseudonym, receipt, sealing, signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All that the path judges by. Immutable: a reload makes a new one and swaps it whole."""

    limits: Limits
    trust: chain.Trust
    contracts: registry.Registry
    law: law.Law
    routes: compose.Routes
    protections: Protections
    pseudonyms: pseudonym.Pseudonyms
    sealer: sealing.Sealer
    signers: keys.Signers
    random: Callable[[int], bytes]

    def known(self, named: pseudonym.Named) -> Callable[[Person], Protection]:
        """Return what tells what we know of a person's protected identity."""
        return lambda person: self.protections.status(named.of(person))


def prepare(received: Received, rules: Rules) -> Ready | Refusal:
    """Walk from bytes to what the journal commits.

    Raises UntrustedError where the peer is no partner of ours (to be counted, not logged) and UnavailableError where we
    cannot judge for now. Every other refusal is returned, with its leaf.
    """
    admitted = peer.admit(received, rules.trust)
    named = pseudonym.Named(rules.pseudonyms)
    try:
        parsed = envelope.parse(admitted, rules.limits)
        verified = signature.verify(parsed, rules.trust, rules.limits)
        valid = registry.validate(verified, rules.contracts)
        permitted = purpose.permit(valid, rules.law, rules.known(named))
        return _ready(permitted, rules, named)
    except RejectedError as error:
        return _refusal(admitted, error, rules)


def refuse(received: Received, error: RejectedError, rules: Rules) -> Refusal:
    """Compose the refusal of a message that only the commit could refuse (ConflictError)."""
    return _refusal(peer.admit(received, rules.trust), error, rules)


def answer(accepted: Accepted, rules: Rules, now: datetime) -> Receipt:
    """Sign the receipt of what has been committed, in the contract's own answer.

    Raises UnavailableError where the key is on a token that does not answer: resending gives the receipt then.
    """
    contract = rules.contracts[accepted.provenance.contract]
    return receipt.sign(accepted, rules.signers, wrap=contract.answer, now=now)


def _ready(permitted: Permitted, rules: Rules, named: pseudonym.Named) -> Ready:
    leaves: list[Leaf] = []
    events: list[Event] = []
    learned: list[Learned] = []
    for decision in permitted.decisions:
        pseudonym_ = named.of(decision.person)
        entry = leaf.decided(permitted, decision, pseudonym=pseudonym_, salt=rules.random(leaf.SALT))
        leaves.append(entry)
        if decision.outcome is Outcome.PERMIT:
            events.append(
                compose.event(permitted, decision, pseudonym=pseudonym_, leaf=entry.hash, routes=rules.routes)
            )
        if decision.learned is not None:
            learned.append(Learned(person=pseudonym_, protection=decision.learned, stated_at=decision.stated_at))
    return Ready(
        provenance=permitted.provenance,
        policy=permitted.policy,
        outcomes=tuple([_outcome(decision) for decision in permitted.decisions]),
        leaves=tuple(leaves),
        sealed=rules.sealer.seal(permitted.evidence, leaves),
        events=tuple(events),
        learned=tuple(learned),
    )


def _outcome(decision: Decision) -> RecordOutcome:
    return RecordOutcome(position=decision.record, outcome=decision.outcome, code=purpose.coarse(decision))


def _refusal(admitted: Admitted, error: RejectedError, rules: Rules) -> Refusal:
    quarantined = isinstance(error, PurposeError) and error.code is codes.PURPOSE_QUARANTINED
    entry = leaf.refused(admitted, error, salt=rules.random(leaf.SALT))
    evidence = admitted.received.body if quarantined else b""
    return Refusal(
        partner=admitted.partner,
        contract=admitted.received.contract,
        error=error,
        at=admitted.received.at,
        leaf=entry,
        sealed=rules.sealer.seal(evidence, [entry]),
        quarantined=quarantined,
    )
