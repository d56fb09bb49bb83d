"""What a register lets pass, flow by flow: the smallest things that two registers can be compared by.

A flow is one field of one kind of information that may pass, in one direction, between us and one type of partner, for
one purpose, in cases on one benefit, by one channel, about a person in one role, on one day. It is not yes or no: a
rule asks for suspicion or consent, leaves something to a person, binds the data. All that is a flow's `Terms`.

Two days decide (`Law`): that of the event and that of the decision. Law that nobody has read leaves to a person, as it
does outside demo and test.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import product
from typing import NamedTuple

from gateway.privacy.law import Law
from gateway.privacy.rule import InForce, Rule
from gateway.privacy.setting import NOTHING

OTHER = "*"
"""In the place of a benefit: every one that the rules at hand do not name, and no case at all. Only what is not locked
to benefits has it; the benefits that are named stand for themselves."""

Group = tuple[str, str, str | None, str]
"""Direction, type of partner, contract, kind."""
Cell = tuple[str, str, str, str, str]
"""Field, purpose, benefit, channel, role."""
Span = tuple[date, date]
"""Days, both ends included."""


class Grant(NamedTuple):
    """A rule that holds on some days, and its paragraphs then."""

    rule: Rule
    """Without its paragraphs: they have been asked, and rules that differ only there are then alike."""
    by_event: InForce
    by_decision: InForce


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms a flow passes by one basis. Every part says which way is narrower, so two can be compared."""

    decided: bool
    """By machine; else a person decides each time."""
    suspicion: bool
    """Asks for written reasons to suspect a wrong payment."""
    consent: bool
    triggers: frozenset[str]
    cited: frozenset[str] | None
    """What the partner itself must cite one of; None: nothing."""
    longest_period: int | None
    forbidden: frozenset[str]
    """Categories that must not come along."""
    required: frozenset[str]
    obligations: frozenset[str]
    marks: frozenset[str]
    """What the field is taken for: locating, on health, sensitive, covered by some secrecy. Each binds it."""
    retention: str
    no_onward: bool

    def covers(self, other: Terms) -> bool:
        """Say whether whatever passes on the other terms passes on these too, and is bound by no more here."""
        return (
            self.decided >= other.decided
            and self.suspicion <= other.suspicion
            and self.consent <= other.consent
            and self.triggers >= other.triggers
            and (self.cited is None or (other.cited is not None and self.cited >= other.cited))
            and _as_long(self.longest_period, other.longest_period)
            and self.forbidden <= other.forbidden
            and self.required <= other.required
            and self.obligations <= other.obligations
            and self.marks <= other.marks
            and self.retention == other.retention
            and self.no_onward <= other.no_onward
        )


Standing = Mapping[Cell, frozenset[tuple[Terms, str]]]
"""What passes, on which terms and by which basis."""


def grouped(law: Law) -> dict[Group, tuple[Rule, ...]]:
    """Return the rules about each kind of information between us and each type of partner."""
    groups: dict[Group, list[Rule]] = {}
    for versions in law.rules.values():
        for rule in versions:
            for type_ in rule.partner_types:
                groups.setdefault((rule.direction, type_, rule.contract, rule.kind), []).append(rule)
    return {group: tuple(rules) for group, rules in groups.items()}


def spans(rules: Iterable[Rule], *, event: bool) -> list[Span]:
    """Return the stretches of days within which these rules say the same: days of the event, or of the decision."""
    starts = {date.min}
    for rule in rules:
        starts.update((rule.paragraphs.by_event if event else rule.paragraphs.by_decision).starts)
        if rule.by_event_day is event:
            starts.add(rule.valid_from)
            if rule.valid_until < date.max:
                starts.add(rule.valid_until + timedelta(days=1))
    ordered = sorted(starts)
    return list(zip(ordered, [*(day - timedelta(days=1) for day in ordered[1:]), date.max], strict=True))


class Granting:
    """The rules of one group, asked for one pair of days after another."""

    def __init__(self, rules: Iterable[Rule], benefits: frozenset[str]) -> None:
        """`benefits` are those that are told apart (`named`)."""
        self._rules = [(rule, replace(rule, paragraphs=NOTHING.paragraphs)) for rule in rules]
        self._benefits = benefits
        self._known: dict[tuple[int, ...], Standing] = {}

    def on(self, event: date, decision: date) -> list[Grant]:
        """Return the rules that hold on these days, with their paragraphs."""
        grants = []
        for rule, bare in self._rules:
            day = event if rule.by_event_day else decision
            if rule.valid_from <= day <= rule.valid_until:
                paragraphs = rule.paragraphs
                by_event, by_decision = paragraphs.by_event.on(event), paragraphs.by_decision.on(decision)
                if by_event is not None and by_decision is not None:
                    grants.append(Grant(bare, by_event, by_decision))
        return grants

    def standing(self, grants: Iterable[Grant]) -> Standing:
        """Return what passes by some of them; each set of grants is worked out once."""
        key = tuple(id(part) for grant in grants for part in grant)
        if key not in self._known:
            self._known[key] = standing(grants, self._benefits)
        return self._known[key]


def named(rules: Iterable[Rule]) -> frozenset[str]:
    """Return the benefits that any of these rules names, and `OTHER`: all that they can tell apart."""
    found = {OTHER}
    for rule in rules:
        found.update(rule.benefits or ())
        found.update(benefit for one in rule.any_of for benefit in one.benefits or ())
    return frozenset(found)


def standing(grants: Iterable[Grant], benefits: frozenset[str]) -> Standing:
    """Return what passes by some rules, cell by cell; `benefits` are those that are told apart (`named`)."""
    found: dict[Cell, set[tuple[Terms, str]]] = {}
    for rule, by_event, by_decision in grants:
        in_force = by_event.also(by_decision)
        for locked, roles, suspicion in _alternatives(rule, benefits):
            for field in rule.fields:
                if rule.secrecy.get(field) in in_force.excluded:
                    continue
                said = (_terms(rule, in_force, field, suspicion=suspicion), rule.basis)
                for cell in product((field,), rule.purposes, locked, rule.channels, roles):
                    found.setdefault(cell, set()).add(said)
    return {cell: frozenset(said) for cell, said in found.items()}


def _as_long(one: int | None, other: int | None) -> bool:
    return one is None or (other is not None and one >= other)


def _alternatives(rule: Rule, every: frozenset[str]) -> Iterator[tuple[frozenset[str], frozenset[str], bool]]:
    """Yield benefits, roles and whether suspicion is asked for: one for each condition, or for the rule alone."""
    benefits = every if rule.benefits is None else rule.benefits
    roles: frozenset[str] = frozenset(rule.subject_roles)
    if not rule.any_of:
        yield benefits, roles, rule.suspicion
    for one in rule.any_of:
        yield (
            benefits if one.benefits is None else benefits & set(one.benefits),
            roles if one.subject_roles is None else roles & set(one.subject_roles),
            rule.suspicion or one.suspicion,
        )


def _terms(rule: Rule, in_force: InForce, field: str, *, suspicion: bool) -> Terms:
    left = in_force.open_test or in_force.unread or not rule.verified or field in rule.referred
    return Terms(
        decided=not left,
        suspicion=suspicion,
        consent=rule.consent,
        triggers=frozenset(rule.triggers),
        cited=rule.cited,
        longest_period=rule.longest_period,
        forbidden=frozenset(rule.forbidden),
        required=rule.required,
        obligations=frozenset(rule.obligations),
        marks=frozenset(_marks(rule, field)),
        retention=rule.labels.retention,
        no_onward=rule.labels.no_onward,
    )


def _marks(rule: Rule, field: str) -> Iterator[str]:
    marked = {
        "locating": rule.locating,
        "health": rule.health_fields,
        "sensitive": rule.sensitive_fields,
        "special": rule.special_fields,
        "free text": rule.free_text,
    }
    yield from (mark for mark, names in marked.items() if field in names)
    if field in rule.secrecy:
        yield rule.secrecy[field]
