"""One leaf of the audit log: a hidden record, and a public entry that commits to it.

The record says, for one person, who sent what on which legal basis and what was decided. It names fields, never their
values. It is sealed; the log itself only holds

    commitment = HMAC-SHA256(salt, record)        entry = {"commitment":…,"kind":…,"policy":…,"v":1}
    hash = SHA-256(0x00 || entry)                 RFC 6962 section 2.1

The salt is random per entry. Without it nobody can try all person numbers against the commitment, or tell that two
entries are about one person. Destroying record and salt (gallring) leaves the tree and every proof intact.

The event's id is not in the record: sender, message id and position, which are, derive it. What we disclose ourselves
is in `intent`.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

import orjson

from gateway.audit import trail
from gateway.errors import IntegrityError, RejectedError
from gateway.message import Admitted, Decision, Facts, Leaf, LeafHash, NumberKind, Permitted, Person, Pseudonym
from gateway.review import NOTHING, Answered

SALT = 32
"""Bytes of random salt per entry: as long as the hash, so that it hides as much as HMAC-SHA256 can."""
VERSION = 1
"""Of both record and entry."""
LARGEST = 65_535
"""Bytes of an entry: C2SP tlog-tiles counts them in 16 bits."""


class Kind(StrEnum):
    """What a leaf tells of."""

    DECISION = "decision"
    REFUSAL = "refusal"
    INTENT = "intent"
    END = "end"
    REGISTER = "register"
    """A register of law is taken into use (`governing`)."""
    DECLARATION = "declaration"
    """What queues serve has changed (`governing`)."""
    REVIEW = "review"
    """A person has decided, or nobody has in time (`review`)."""
    GALLRAD = "gallrad"
    """What is sealed has been destroyed by a rule (`gallring`)."""
    HOLD = "hold"
    """What may not be destroyed, or may again (`gallring`)."""
    SHIELDED = "shielded"
    """Something was withheld after the decision: somebody is protected since (`shielded`)."""
    READING = "reading"
    """Somebody reads the log; in a log of its own (`reading`)."""


def decided(permitted: Permitted, decision: Decision, *, pseudonym: Pseudonym, salt: bytes) -> Leaf:
    """Make the leaf of one record's decision, whatever its outcome.

    Args:
        permitted: The message the record came in.
        decision: What was decided of the record.
        pseudonym: The person's, to find the sealed record by.
        salt: `SALT` fresh random bytes.
    """
    source, labels = permitted.provenance, decision.labels
    record = {  # keys in order, which is what makes it canonical
        "action": source.action,
        "basis": decision.basis,
        "benefits": sorted(labels.benefits) if labels and labels.benefits is not None else None,
        "contract": source.contract,
        "created": utc(source.created),
        "digest": source.digest,
        "granted": sorted(decision.fields),
        "information": decision.kind,
        "judged": judged(decision.facts, decision.answered),
        "kind": "decision",
        "lagrum": decision.lagrum,
        "message_id": source.message_id,
        "no_onward": labels.no_onward if labels else None,
        "organisation": source.organisation,
        "outcome": decision.outcome.value,
        "partner": source.partner,
        "person": person(decision.person),
        "policy": permitted.policy,
        "protection": decision.protection.value,
        "purposes": sorted(labels.purposes) if labels else [],
        "quarantined": decision.quarantined,
        "reasons": decision.reasons,
        "received": utc(source.received_at),
        "record": decision.record,
        "retention": labels.retention if labels else None,
        "signer": source.signer,
        "v": VERSION,
        "withheld": withheld(decision),
    }
    return committed(Kind.DECISION, record, policy=permitted.policy, pseudonym=pseudonym, salt=salt)


def refused(admitted: Admitted, error: RejectedError, *, policy: str, salt: bytes) -> Leaf:
    """Make the leaf of a message that was refused as a whole.

    Nothing in the message is proven, so the record names only what TLS proved, the address, and the received bytes by
    their SHA-256.

    Args:
        admitted: The message, from a peer we know.
        error: Why it was refused.
        policy: Hex SHA-256 of the law that held then, whether or not it was the law that refused.
        salt: `SALT` fresh random bytes.
    """
    received = admitted.received
    record = {
        "address": received.contract,
        "bytes": sha256(received.body).hexdigest(),
        "code": error.code.name,
        "detail": error.detail,
        "kind": "refusal",
        "organisation": admitted.organisation,
        "partner": admitted.partner,
        "peer": admitted.peer,
        "policy": policy,
        "received": utc(received.at),
        "size": len(received.body),
        "step": error.code.step.value,
        "v": VERSION,
    }
    return committed(Kind.REFUSAL, record, policy=policy, pseudonym=None, salt=salt)


def whose(record: bytes) -> Person | None:
    """Return whom an opened record is about; None where it is about nobody. Raises IntegrityError where it is none."""
    try:
        said = orjson.loads(record)["person"]
        if said is None:
            return None
        return Person(number=said["number"], kind=NumberKind(said["kind"]), check_digit_valid=True)
    except (ValueError, KeyError, TypeError):
        raise IntegrityError("the record names no person as records do") from None


def opened(entry: bytes, *, salt: bytes, record: bytes, pseudonym: Pseudonym | None) -> Leaf:
    """Return a leaf whole again, with its record out of the seal. Raises IntegrityError as `check` does."""
    check(entry, salt=salt, record=record)
    return Leaf(entry=entry, hash=_hash(entry), salt=salt, record=record, pseudonym=pseudonym)


def check(entry: bytes, *, salt: bytes, record: bytes) -> None:
    """Prove that `entry` is the one that commits to the opened `record`. Raises IntegrityError."""
    try:
        commitment = orjson.loads(entry)["commitment"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise IntegrityError("the entry is not one of this log's") from None
    if not isinstance(commitment, str) or not hmac.compare_digest(commitment.encode(), _commitment(salt, record)):
        raise IntegrityError("the record is not the one its entry commits to")


def committed(  # noqa: PLR0913  # what a leaf is made of
    kind: Kind,
    record: Mapping[str, Any],
    *,
    policy: str | None,
    pseudonym: Pseudonym | None,
    salt: bytes,
    case: str | None = None,
    consent: str | None = None,
) -> Leaf:
    """Return the leaf of a record whose keys are in order, at every depth: for the modules of this package.

    `case` and `consent` are the keyed hashes of those that the record names, for its trail.
    """
    if len(salt) != SALT:
        raise IntegrityError(f"a salt must be {SALT} bytes, not {len(salt)}")
    # RFC 8785 on what we use of JSON: ASCII keys written in order, no floats, no spaces, shortest escapes.
    hidden = orjson.dumps(record, option=orjson.OPT_UTC_Z)
    public = {"commitment": _commitment(salt, hidden).decode(), "kind": kind.value}
    entry = orjson.dumps({**public, "v": VERSION} if policy is None else {**public, "policy": policy, "v": VERSION})
    if len(entry) > LARGEST:
        raise IntegrityError(f"an entry of {len(entry)} bytes is larger than {LARGEST}")
    return Leaf(
        entry=entry,
        hash=_hash(entry),
        salt=salt,
        record=hidden,
        pseudonym=pseudonym,
        trail=None if kind is Kind.READING else trail.of(record, case=case, consent=consent),
    )


def judged(facts: Facts | None, answers: Answered) -> dict[str, object] | None:
    """Return what the gates were told, as `privacy.replaying` reads it."""
    if facts is None:
        return None
    consent = facts.consent
    return {
        "answered": answered(answers),
        "answers": facts.answers,
        "benefit": facts.benefit,
        "cited": facts.cited,
        "consent": None if consent is None else {"recipients": consent[0], "until": consent[1].isoformat()},
        "decided": None if facts.decided is None else facts.decided.isoformat(),
        "event": facts.event.isoformat(),
        "fields": facts.fields,
        "released": facts.released,
        "suspicion": facts.suspicion,
        "unknown": facts.unknown,
    }


def answered(answers: Answered) -> dict[str, object] | None:
    """Return what people had said yes to, as records write it; None where that is nothing."""
    if answers == NOTHING:
        return None
    return {
        "basis": answers.basis,
        "fields": None if answers.fields is None else sorted(answers.fields),
        "lagrum": answers.lagrum,
        "reasons": sorted(answers.reasons),
    }


def _hash(entry: bytes) -> LeafHash:
    return LeafHash(sha256(b"\x00" + entry).digest())


def person(person: Person) -> dict[str, str]:
    """Return a person as records write one."""
    return {"kind": person.kind.value, "number": person.number}


def withheld(decision: Decision) -> list[dict[str, str]]:
    """Return what was withheld as records write it."""
    return [{"field": one.field, "reason": one.reason} for one in decision.withheld]


def _commitment(salt: bytes, record: bytes) -> bytes:
    return b64encode(hmac.digest(salt, record, "sha256"))


def utc(at: datetime) -> datetime:
    """Return a time as records write it."""
    return at if at.tzinfo is UTC else at.astimezone(UTC)
