"""The leaves of what has been destroyed by rule, and of what may not be.

Neither is about a person: a destruction is told of by the numbers of what is gone, and a hold by its kind and by whose
hand. So the leaf outlives what it tells of, and nothing has to be destroyed of it. Each record has a data key of its
own, which stands beside it (`store.destruction`, `store.holds`) and never is that of what was destroyed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.audit import leaf
from gateway.config.retention import DataClass, Rule
from gateway.message import Leaf

Stretch = tuple[int, int]
"""The first and the last of numbers without a gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destroyed:
    """What one transaction destroys, by one rule."""

    number: int
    """Of the destruction, from 1."""
    rule: Rule
    numbers: tuple[int, ...]
    """Of messages, leaves, dispatches, reviews or refusals, as the rule's class of data says; growing."""
    by: str
    """Operating system's user, machine and process."""
    at: datetime


class Holding(StrEnum):
    """What is done to a legal hold."""

    HOLD = "hold"
    RELEASE = "release"


def destroyed(what: Destroyed, *, salt: bytes) -> Leaf:
    """Make the leaf of a destruction. `salt` is `leaf.SALT` fresh random bytes."""
    rule = what.rule
    record = {
        "at": leaf.utc(what.at),
        "beslut": rule.beslut,
        "by": what.by,
        "code": rule.id,
        "count": len(what.numbers),
        "data": rule.data.value,
        "gallring": what.number,
        "gone": stretches(what.numbers),
        "kind": "gallrad",
        "lagrum": rule.lagrum,
        "months": rule.months,
        "rule": rule.key.removeprefix("rule "),
        "v": leaf.VERSION,
        "verified": rule.verified,
    }
    return leaf.committed(leaf.Kind.GALLRAD, record, policy=None, pseudonym=None, salt=salt)


def held(  # noqa: PLR0913  # each is a fact of the leaf
    number: int,
    done: Holding,
    *,
    kind: str,
    about: int | None,
    partner: str | None,
    by: str,
    second: str | None,
    reason: str,
    at: datetime,
    salt: bytes,
) -> Leaf:
    """Make the leaf of a hold that is laid or released.

    Args:
        number: Of the hold.
        done: Which of the two.
        kind: What it covers: `message`, `person`, ….
        about: The number of the message, dispatch or refusal, where it covers one.
        partner: The partner, where it covers one's.
        by: Who laid it, or asked for its release.
        second: Who agreed to the release.
        reason: Why; not about a person.
        at: When.
        salt: `leaf.SALT` fresh random bytes.
    """
    record = {
        "about": about,
        "at": leaf.utc(at),
        "by": by,
        "code": kind,
        "hold": number,
        "kind": "hold",
        "partner": partner,
        "reason": reason,
        "second": second,
        "state": done.value,
        "v": leaf.VERSION,
    }
    return leaf.committed(leaf.Kind.HOLD, record, policy=None, pseudonym=None, salt=salt)


def stretches(numbers: Sequence[int]) -> tuple[Stretch, ...]:
    """Return growing numbers as stretches without gaps."""
    found: list[Stretch] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return tuple(found)


ORDER = (
    DataClass.EVIDENCE,
    DataClass.CONTENT,
    DataClass.QUARANTINE,
    DataClass.REFUSAL,
    DataClass.SHIELDING,
    DataClass.REVIEW,
    DataClass.RECORD,
    DataClass.DISPATCH,
)
"""What is destroyed first: what the data stands in, before what tells whose it was."""
