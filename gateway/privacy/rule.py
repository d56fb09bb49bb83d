"""A basis compiled: all that the gates compare with, looked up once. Made by `law`, read by `gates`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol

from gateway.config.law import Channel, Condition, Direction, Lagrum, Obligation, SubjectRole, Trigger
from gateway.message import Category, ContractId, Labels

SPECIAL: Final = frozenset({Category.HALSA, Category.KANSLIG, Category.BROTT})
"""GDPR art. 9 and 10: forbidden wherever no basis says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """The paragraphs of a basis that are in force together, and what they ask for."""

    versions: tuple[str, ...]
    """`id@version`, in the order of the basis."""
    open_test: bool
    """One weighs interests, and no standing decision has answered it."""
    unread: bool
    """One is not verified: only a person may rest on it, outside demo and test."""
    excluded: frozenset[str]
    """Secrecy that one of them does not break."""

    def also(self, other: InForce) -> InForce:
        """Return both together."""
        if not other.versions:
            return self
        if not self.versions:
            return other
        return InForce(
            versions=tuple(dict.fromkeys(self.versions + other.versions)),
            open_test=self.open_test or other.open_test,
            unread=self.unread or other.unread,
            excluded=self.excluded | other.excluded,
        )


class Timeline(Protocol):
    """Which versions of some paragraphs are in force on a day: all of them, or nothing."""

    @property
    def starts(self) -> Sequence[date]:
        """The days on which the answer may become another, in order."""
        ...

    def on(self, day: date) -> InForce | None:
        """Return what is in force on a day; None if any paragraph has no version then."""
        ...

    def through(self, first: date, last: date) -> InForce | None:
        """Return every version that is in force on some day of these; None if any paragraph has none on any of them."""
        ...


class Paragraphs(Protocol):
    """All that a basis relies on, each paragraph by the day that is its own."""

    @property
    def by_event(self) -> Timeline:
        """Those that the day of the event decides."""
        ...

    @property
    def by_decision(self) -> Timeline:
        """Those that the day of the decision decides."""
        ...

    def on(self, first: date, last: date, today: date) -> InForce | None:
        """Return what is in force: by the days of the event, on all of them, and by the day of the decision."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One version of one basis, compiled."""

    basis: str
    direction: Direction
    partner_types: frozenset[str]
    contract: ContractId | None
    kind: str
    by_event_day: bool
    """Whether the day of the event picks this version; else the day of the decision."""
    valid_from: date
    valid_until: date
    """Inclusive."""
    declared: frozenset[str]
    """Every field that the kind has."""
    fields: frozenset[str]
    """Those that may pass."""
    required: frozenset[str]
    """Without which nothing goes: the basis', and those without which its contract has no message."""
    forbidden: frozenset[Category]
    forbidden_fields: frozenset[str]
    """Fields of the kind whose category is forbidden."""
    special_fields: frozenset[str]
    """Fields of the kind that are health data, other sensitive data, or about crime (GDPR art. 9, 10)."""
    health_fields: frozenset[str]
    sensitive_fields: frozenset[str]
    """Fields of the kind that are other sensitive data (GDPR art. 9)."""
    referred: Mapping[str, Category]
    """Fields of the kind that the basis leaves to a person, whether or not it names them."""
    locating: frozenset[str]
    free_text: frozenset[str]
    secrecy: Mapping[str, str]
    """Field -> the secrecy that covers it, where a rule may exclude that."""
    cited: frozenset[str] | None
    """What a partner may cite, normalised by `citation.normal`."""
    lagrum: frozenset[str]
    """Ids that a request may name as what it rests on: the basis' own."""
    purposes: frozenset[str]
    benefits: frozenset[str] | None
    subject_roles: frozenset[SubjectRole]
    any_of: tuple[Condition, ...]
    triggers: frozenset[Trigger]
    channels: frozenset[Channel]
    consent: bool
    suspicion: bool
    longest_period: int | None
    standing: bool
    """A standing decision answers what its paragraphs weigh, and, on the way out, covers its free text."""
    verified: bool
    obligations: tuple[Obligation, ...]
    """All of them, in the vocabulary's order: the basis' own and those that follow by themselves."""
    purpose_text: str | None
    cites: tuple[Lagrum, ...]
    """The versions of the paragraph that the partner is told: the basis' first."""
    paragraphs: Paragraphs
    labels: Labels
