"""The leaf of what people decided of what waited for them.

It says what was asked, who answered in which role, by which paragraph and why, what the law then said, and what passed:
names of fields, never values. It points to the leaf that said that it waits. Who answered is an official acting as one:
named here, under seal, as the steps of triage are (OSL 10 kap.; what officials do is not secret from whoever audits).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from gateway.audit import leaf
from gateway.message import Decision, Leaf, LeafHash, Person, Pseudonym
from gateway.review import Kind, Said, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a review."""

    number: int
    kind: Kind
    state: State
    """Where it ended."""
    asked: tuple[str, ...]
    """The questions."""
    role: str
    laws: tuple[str, ...]
    """Ids of the paragraphs that leave it to that role."""
    said: Said | None
    """None where nobody answered."""
    partner: str
    organisation: str
    contract: str
    record: int | None
    reference: str
    """What waited: the message's id, the dispatch's, or the hash of the refusal's leaf."""
    about: LeafHash
    """The leaf that said that it waits."""
    at: datetime
    decision: Decision | None = field(default=None, repr=False)
    """What the law said when it was asked again; None where it was not."""
    left: tuple[str, ...] = ()
    """Questions that are new: another review has them."""


def settled(outcome: Outcome, *, person: Person | None, policy: str, pseudonym: Pseudonym | None, salt: bytes) -> Leaf:
    """Make the leaf of what became of a review.

    Args:
        outcome: What became of it.
        person: Whose it is; None for a whole message.
        policy: Hex SHA-256 of the law of the day.
        pseudonym: The person's.
        salt: `leaf.SALT` fresh random bytes.
    """
    said, decision = outcome.said, outcome.decision
    record = {
        "about": outcome.about.hex(),
        "answer": None if said is None else said.answer.value,
        "answered": None if said is None else leaf.utc(said.at),
        "asked": outcome.asked,
        "basis": None if decision is None else decision.basis,
        "by": None if said is None else said.by,
        "contract": outcome.contract,
        "fields": None if said is None or said.fields is None else sorted(said.fields),
        "granted": [] if decision is None else sorted(decision.fields),
        "information": None if decision is None else decision.kind,
        "judged": None if decision is None else leaf.judged(decision.facts, decision.answered),
        "kind": "review",
        "lagrum": () if decision is None else decision.lagrum,
        "laws": outcome.laws,
        "left": outcome.left,
        "note": None if said is None else said.note,
        "organisation": outcome.organisation,
        "outcome": None if decision is None else decision.outcome.value,
        "partner": outcome.partner,
        "person": None if person is None else leaf.person(person),
        "policy": policy,
        "protection": None if decision is None else decision.protection.value,
        "reason": None if said is None else said.reason,
        "reasons": () if decision is None else decision.reasons,
        "record": outcome.record,
        "reference": outcome.reference,
        "review": outcome.number,
        "role": outcome.role,
        "second": None if said is None else said.second,
        "settled": leaf.utc(outcome.at),
        "state": outcome.state.value,
        "v": leaf.VERSION,
        "waited": outcome.kind.value,
        "withheld": [] if decision is None else leaf.withheld(decision),
    }
    return leaf.committed(leaf.Kind.REVIEW, record, policy=policy, pseudonym=pseudonym, salt=salt)
