"""The leaves of what we disclose ourselves: what was decided, that we mean to, and what became of it.

A message or a question of ours has two leaves. The intent is durable before a byte leaves; it names what may leave, to
whom and why. The end tells what became of it and points to the intent, whose hash it quotes. An intent without an end
is an alarm. What is denied, or waits for a person, has the one leaf of its decision, and no intent.

Like every leaf each is about one person, sealed, and committed to by a salted hash (`leaf`). Fields are named, never
their values. The recipient is an organisation by its number: who has got data must be told by name (C-154/21).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

import orjson

from gateway.audit import leaf
from gateway.dispatch import Citation, DispatchId, Interaction, Period, Permitted, Queued, Result
from gateway.errors import IntegrityError
from gateway.message import Decision, Digest, Leaf, LeafHash, MessageId, OrganisationNumber, Pseudonym, says
from gateway.review import Answered

Keyed = tuple[str, str | None]
"""Keyed hashes of a command's case, and of its consent where it has one (`trust.pseudonym.Pseudonyms.keyed`)."""


def decided(  # noqa: PLR0913  # each is a fact of the leaf
    queued: Queued,
    decision: Decision,
    *,
    organisation: OrganisationNumber | None,
    policy: str,
    at: datetime,
    pseudonym: Pseudonym,
    keyed: Keyed,
    salt: bytes,
) -> Leaf:
    """Make the leaf of what does not go out: DENY, or REFER until a person has decided.

    Args:
        queued: What one recipient was to get.
        decision: What was decided of it.
        organisation: The recipient's; None where the configuration knows it no more.
        policy: Hex SHA-256 of the law that decided.
        at: When.
        pseudonym: The person's.
        keyed: Hashes of case and consent.
        salt: `leaf.SALT` fresh random bytes.
    """
    command = queued.command
    record = {
        "asker": command.asker,
        "basis": decision.basis,
        "case": command.case.reference,
        "command": command.id,
        "consent": command.consent.reference if command.consent else None,
        "contract": command.contract,
        "decided": leaf.utc(at),
        "direction": "out",
        "dispatch": queued.dispatch,
        "information": decision.kind,
        "judged": _judged(queued, decision.answered),
        "kind": "decision",
        "lagrum": decision.lagrum,
        "organisation": organisation,
        "outcome": decision.outcome.value,
        "partner": queued.recipient.partner,
        "period": _period(command.period),
        "person": leaf.person(decision.person),
        "policy": policy,
        "protection": decision.protection.value,
        "purpose": command.purpose,
        "reasons": decision.reasons,
        "record": decision.record,
        "suspicion": command.suspicion,
        "v": leaf.VERSION,
        "withheld": leaf.withheld(decision),
    }
    case, consent = keyed
    return leaf.committed(
        leaf.Kind.DECISION, record, policy=policy, pseudonym=pseudonym, salt=salt, case=case, consent=consent
    )


def intended(  # noqa: PLR0913  # each is a fact of the leaf
    permitted: Permitted,
    *,
    interaction: Interaction,
    organisation: OrganisationNumber,
    action: str,
    digest: Digest,
    at: datetime,
    pseudonym: Pseudonym,
    keyed: Keyed,
    salt: bytes,
) -> Leaf:
    """Make the leaf that says that we mean to disclose: durable before a byte leaves.

    Args:
        permitted: What the recipient may have.
        interaction: Whether it is told or asked.
        organisation: The recipient's own: who has got it must be told by name (C-154/21).
        action: `wsa:Action` of the message.
        digest: Of the content that will leave.
        at: When it was composed.
        pseudonym: The person's.
        keyed: Hashes of case and consent.
        salt: `leaf.SALT` fresh random bytes.
    """
    command, decision = permitted.queued.command, permitted.decision
    record = {
        "action": action,
        "asker": command.asker,
        "basis": decision.basis,
        "case": command.case.reference,
        "cited": {"lagrum": permitted.citation.lagrum, "purpose": permitted.citation.purpose},
        "command": command.id,
        "composed": leaf.utc(at),
        "consent": command.consent.reference if command.consent else None,
        "contract": command.contract,
        "digest": digest,
        "dispatch": permitted.queued.dispatch,
        "granted": sorted(decision.fields),
        "information": decision.kind,
        "interaction": interaction.value,
        "judged": _judged(permitted.queued, decision.answered),
        "kind": "intent",
        "lagrum": decision.lagrum,
        "organisation": organisation,
        "partner": permitted.queued.recipient.partner,
        "period": _period(command.period),
        "person": leaf.person(decision.person),
        "policy": permitted.policy,
        "protection": decision.protection.value,
        "purpose": command.purpose,
        "reasons": decision.reasons,
        "record": decision.record,
        "suspicion": command.suspicion,
        "v": leaf.VERSION,
        "withheld": leaf.withheld(decision),
    }
    case, consent = keyed
    return leaf.committed(
        leaf.Kind.INTENT, record, policy=permitted.policy, pseudonym=pseudonym, salt=salt, case=case, consent=consent
    )


class Released(StrEnum):
    """Whether the recipient has it, as far as we know."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What became of a disclosure that was meant."""

    state: str
    released: Released
    code: str | None
    """Of `endings`."""
    partner_code: str | None
    attempts: int
    first_failure: str | None
    at: datetime
    answer: bytes | None = field(default=None, repr=False)
    """The exact bytes of the answer, if a genuine one came: only their hash is written."""
    answer_id: MessageId | None = None
    """The answer's message id: what leaves of its records are found by."""
    result: Result | None = None
    by: str | None = None
    """The person who settled it, where one did."""
    reason: str | None = None


def ended(  # noqa: PLR0913  # each is a fact of the leaf
    queued: Queued,
    ending: Ending,
    *,
    organisation: OrganisationNumber | None,
    intent: LeafHash,
    policy: str,
    pseudonym: Pseudonym,
    salt: bytes,
) -> Leaf:
    """Make the leaf of what became of a disclosure.

    Args:
        queued: What one recipient was to get.
        ending: What became of it.
        organisation: The recipient's; None where the configuration knows it no more.
        intent: The hash of the leaf that said that we meant to.
        policy: Hex SHA-256 of the law that held then; the intent has that which permitted it.
        pseudonym: The person's.
        salt: `leaf.SALT` fresh random bytes.
    """
    command = queued.command
    parts = () if ending.result is None else ending.result.parts
    record = {
        "answer": None if ending.answer is None else sha256(ending.answer).hexdigest(),
        "answer_id": ending.answer_id,
        "asker": command.asker,
        "attempts": ending.attempts,
        "by": ending.by,
        "code": ending.code,
        "command": command.id,
        "contract": command.contract,
        "dispatch": queued.dispatch,
        "ended": leaf.utc(ending.at),
        "first_failure": ending.first_failure,
        "intent": intent.hex(),
        "kind": "end",
        "organisation": organisation,
        "partner": queued.recipient.partner,
        "partner_code": ending.partner_code,
        "parts": [{"code": part.code, "finding": part.finding.value, "name": part.name} for part in parts],
        "person": leaf.person(command.person),
        "policy": policy,
        "reason": ending.reason,
        "released": ending.released.value,
        "result": None if ending.result is None else ending.result.finding.value,
        "state": ending.state,
        "v": leaf.VERSION,
    }
    return leaf.committed(leaf.Kind.END, record, policy=policy, pseudonym=pseudonym, salt=salt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intention:
    """What an intent's record says of the content that was fixed with it."""

    dispatch: DispatchId
    digest: Digest
    action: str
    granted: tuple[str, ...]
    citation: Citation
    composed: datetime


def read(record: bytes) -> Intention:
    """Read the record of an intent again. Raises IntegrityError where it is none."""
    try:
        said = orjson.loads(record)
        if said["kind"] != leaf.Kind.INTENT:
            raise IntegrityError("the record is not that of an intent")
        return Intention(
            dispatch=DispatchId(said["dispatch"]),
            digest=Digest(said["digest"]),
            action=said["action"],
            granted=tuple(said["granted"]),
            citation=Citation(purpose=said["cited"]["purpose"], lagrum=said["cited"]["lagrum"]),
            composed=datetime.fromisoformat(said["composed"]),
        )
    except (ValueError, KeyError, TypeError):
        raise IntegrityError("the record is not that of an intent") from None


def _judged(queued: Queued, answers: Answered) -> dict[str, object]:
    """Return what else the gates were told, as `privacy.replaying` reads it: names of fields, never values."""
    command, own = queued.command, queued.recipient.fields
    given, consent = {**command.fields, **own}, command.consent
    return {
        "answered": leaf.answered(answers),
        "benefit": command.case.benefit,
        "case_period": _period(command.case.period),
        "consent": None
        if consent is None
        else {"recipients": sorted(consent.recipients), "until": consent.until.isoformat()},
        "fields": sorted(given),
        "own": sorted(own),
        "silent": sorted(name for name, value in given.items() if not says(value)),
    }


def _period(period: Period | None) -> dict[str, str] | None:
    return None if period is None else {"first": period.first.isoformat(), "last": period.last.isoformat()}
