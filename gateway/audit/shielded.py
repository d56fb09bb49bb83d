"""The leaf of what was withheld after the decision: somebody was protected between that and the moment an event went.

The leaf of the decision says what passed then. This one says what passed of it in the end: names of fields, never
values. It is about the event's person, names the event, and points to the leaf of the decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.audit import leaf
from gateway.message import EventId, Leaf, Person, Pseudonym, Withheld


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of an event that waited."""

    event: EventId
    about: str | None
    """The hash of the decision's leaf, hexadecimal; None where the event names none."""
    contract: str | None
    information: str | None
    basis: str | None
    lagrum: tuple[str, ...]
    purposes: tuple[str, ...]
    protection: str | None
    """The person's, as the event says from now on."""
    withheld: Sequence[Withheld]
    """What was taken out."""
    at: datetime


def settled(outcome: Outcome, *, person: Person | None, policy: str, pseudonym: Pseudonym, salt: bytes) -> Leaf:
    """Make the leaf.

    Args:
        outcome: What became of the event.
        person: Whose it is; None where the event names nobody.
        policy: Hex SHA-256 of the law of the day.
        pseudonym: The person's, as the event has it.
        salt: `leaf.SALT` fresh random bytes.
    """
    record = {
        "about": outcome.about,
        "at": leaf.utc(outcome.at),
        "basis": outcome.basis,
        "contract": outcome.contract,
        "information": outcome.information,
        "kind": "shielded",
        "lagrum": outcome.lagrum,
        "person": None if person is None else leaf.person(person),
        "policy": policy,
        "protection": outcome.protection,
        "purposes": outcome.purposes,
        "reference": outcome.event,
        "v": leaf.VERSION,
        "withheld": [{"field": one.field, "reason": one.reason} for one in outcome.withheld],
    }
    return leaf.committed(leaf.Kind.SHIELDED, record, policy=policy, pseudonym=pseudonym, salt=salt)
