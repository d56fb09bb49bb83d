"""What a question of law is asked in, what it may say, and what the questions share. `gates` is the order of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from enum import StrEnum
from typing import Final, NamedTuple

from gateway.config.law import Direction
from gateway.message import Outcome, says
from gateway.privacy import labels
from gateway.privacy.reasons import Reason
from gateway.privacy.request import Request
from gateway.privacy.rule import SPECIAL, InForce, Rule
from gateway.privacy.words import Words

__all__ = [
    "DENY", "NOTHING", "PERMIT", "REFER", "Finding", "Question", "Setting", "Way", "divided", "fields", "meant",
    "passing", "says",
]  # fmt: skip

Finding = tuple[Outcome, Reason] | None
"""Why it may not pass, or not without a person; None: nothing to say against it."""

DENY, REFER, PERMIT = Outcome.DENY, Outcome.REFER, Outcome.PERMIT


class Way(StrEnum):
    """Who asks. What is asked on each way, and why, is told in `gates`."""

    IN = "in"
    OUT = "out"
    ASKED = "asked"


class Setting(NamedTuple):
    """What a request is judged in, beside the rule. A tuple: one is made for every record and basis."""

    way: Way
    today: date
    """The Swedish day of the decision."""
    in_force: InForce | None
    """The rule's paragraphs, each by its own day; None where one has no version then."""
    strict: bool
    """Outside demo and test: nothing rests on law that nobody has read."""
    rules: Mapping[str, tuple[Rule, ...]]
    """Every basis, for what data may be used that came by it."""
    words: Words
    hides: Reason | None = None
    """Why what locates is withheld; None where it is not."""
    fingerprint: str | None = None
    """The request's own (`reading.fingerprint`), where its case proof is bound to one."""
    test_numbers: frozenset[str] = frozenset()
    """Official test numbers, where a request may be about a test."""
    answered: frozenset[str] = frozenset()
    """REFERs that a person has answered yes to (`gateway.review`): not raised again. A DENY is never set aside."""


Question = Callable[[Request, Rule, Setting], Finding]
"""One function, one question. Pure: nothing else is read."""


def divided(names: Iterable[str], rule: Rule, hides: Reason | None) -> tuple[list[str], list[tuple[str, Reason]]]:
    """Return the fields that may pass, and those that may not with their reasons; both in the order given.

    What the basis does not name comes before protection, so that what a partner is told never depends on the person.
    """
    names = tuple(names)
    if hides is None and rule.fields.issuperset(names) and rule.forbidden_fields.isdisjoint(names):
        return list(names), []
    granted: list[str] = []
    withheld: list[tuple[str, Reason]] = []
    for name in names:
        if name in rule.forbidden_fields:
            withheld.append((name, Reason.FORBIDDEN_CATEGORY))
        elif name not in rule.fields:
            withheld.append((name, Reason.FIELD_NOT_IN_BASIS))
        elif hides is not None and name in rule.locating:
            withheld.append((name, hides))
        else:
            granted.append(name)
    return granted, withheld


def fields(request: Request) -> frozenset[str]:
    """Return the fields asked for or sent; none where none are named."""
    return request.fields or frozenset()


def meant(request: Request) -> frozenset[str]:
    """Return the fields that are for this partner alone."""
    return fields(request) - request.shared if request.shared else fields(request)


def passing(request: Request, rule: Rule, setting: Setting) -> frozenset[str]:
    """Return the fields that would pass and say something."""
    asked = fields(request)
    if setting.hides is not None or not asked <= rule.fields or not rule.forbidden_fields.isdisjoint(asked):
        asked = frozenset(divided(asked, rule, setting.hides)[0])
    return asked - request.silent if request.silent else asked


class _Never:
    """No paragraph, on any day."""

    starts = (date.min,)

    def on(self, *_days: date) -> InForce | None:
        return None

    through = on

    @property
    def by_event(self) -> _Never:
        return self

    by_decision = by_event


NOTHING: Final = Rule(
    basis="",
    direction=Direction.INBOUND_PUSH,
    partner_types=frozenset(),
    contract=None,
    kind="",
    by_event_day=False,
    valid_from=date.max,
    valid_until=date.min,
    declared=frozenset(),
    fields=frozenset(),
    required=frozenset(),
    forbidden=SPECIAL,
    forbidden_fields=frozenset(),
    special_fields=frozenset(),
    health_fields=frozenset(),
    sensitive_fields=frozenset(),
    referred={},
    locating=frozenset(),
    free_text=frozenset(),
    secrecy={},
    cited=frozenset(),
    lagrum=frozenset(),
    purposes=frozenset(),
    benefits=frozenset(),
    subject_roles=frozenset(),
    any_of=(),
    triggers=frozenset(),
    channels=frozenset(),
    consent=True,
    suspicion=True,
    longest_period=0,
    standing=False,
    verified=False,
    obligations=(),
    purpose_text=None,
    cites=(),
    paragraphs=_Never(),
    labels=labels.NOTHING,
)
"""The rule of a basis that is not in the register: it lets nothing through, and forbids what is special."""
