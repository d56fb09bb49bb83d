"""The law as data, validated and indexed: what may pass is in `config/law/`, and nothing of it is in code.

`Law.build` reads every row once and refuses what a lawyer, a reviewer or the law itself would refuse (`register`,
`outward`). What is left is rules: every version of every basis, compiled, by the basis' id. A request names its basis
and finds it by that; the way in has its bases by (contract, kind), in the order of the files. Nothing is searched.

Two days matter, and every row says which is its own (`day`). Rules about the disclosure and the processing are those in
force when we decide. Rules that begin with a period (lag (2024:1300), transitional rule 2: from the period January
2025) are those in force on the first day the data is about. Bases have versions as paragraphs have, and their `day`
says in the same way which one counts. Days are Swedish days: law changes at midnight in Sweden, which is 23:00 or 22:00
UTC.

A row that nobody has read is in the rule all the same, marked: whether it may decide is asked when something is judged
(`gates`), as a demonstration may show what production must leave to a person.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, partial, reduce

from gateway.config import Asker, Configuration
from gateway.config.law import Basis, InformationField, Lagrum
from gateway.dispatch import AskerId, Interaction
from gateway.message import Category, ContractId, PartnerId
from gateway.privacy import citation, labels, obligations, outward, register
from gateway.privacy.rows import Agreements, Fields, Kinds, Lagrums, Rows, in_force, relied_on
from gateway.privacy.rule import SPECIAL, InForce, Rule
from gateway.privacy.words import Words


class Timeline:
    """Which versions of some paragraphs are in force on a day: all of them, or nothing. Immutable."""

    __slots__ = ("answers", "starts")

    def __init__(self, ids: Iterable[str], lagrum: Lagrums, *, decided: bool) -> None:
        """`decided`: a standing decision has answered the balancing tests of these paragraphs."""
        chosen = [lagrum[id_] for id_ in ids]
        starts = {date.min}
        for versions in chosen:
            for row in versions:
                starts.add(row.giltig_fom)
                if row.giltig_tom is not None and row.giltig_tom < date.max:
                    starts.add(row.giltig_tom + timedelta(days=1))
        self.starts = sorted(starts)
        self.answers = [self._from(day, chosen, decided=decided) for day in self.starts]

    @staticmethod
    def _from(day: date, chosen: list[tuple[Lagrum, ...]], *, decided: bool) -> InForce | None:
        rows = [next((row for row in versions if in_force(row, day)), None) for versions in chosen]
        found = [row for row in rows if row is not None]
        if len(found) < len(rows):
            return None
        return InForce(
            versions=tuple(f"{row.id}@{row.version}" for row in found),
            open_test=not decided and any(row.test != "none" for row in found),
            unread=any(not row.verified for row in found),
            excluded=frozenset(secrecy for row in found for secrecy in row.secrecy_excluded),
        )

    def on(self, day: date) -> InForce | None:
        """Return what is in force on a day; None if any paragraph has no version then."""
        return self.answers[bisect_right(self.starts, day) - 1]

    def through(self, first: date, last: date) -> InForce | None:
        """Return every version that is in force on some day of these; None if any paragraph has none on any of them."""
        begins, ends = bisect_right(self.starts, first) - 1, bisect_right(self.starts, last)
        return reduce(_together, self.answers[begins : max(ends, begins + 1)])


class Paragraphs:
    """All that a basis relies on, each paragraph by the day that is its own. Immutable."""

    __slots__ = ("_together", "by_decision", "by_event")

    def __init__(self, lagrum: Lagrums, ids: Iterable[str], *, decided: bool) -> None:
        """`decided`: as of `Timeline`."""
        by_day: dict[str, list[str]] = {"event": [], "decision": []}
        for id_ in ids:
            by_day[lagrum[id_][0].day].append(id_)
        self.by_event = Timeline(by_day["event"], lagrum, decided=decided)
        self.by_decision = Timeline(by_day["decision"], lagrum, decided=decided)
        self._together = [
            [_together(event, decision) for decision in self.by_decision.answers] for event in self.by_event.answers
        ]

    def on(self, first: date, last: date, today: date) -> InForce | None:
        """Return what is in force: by the days of the event, on all of them, and by the day of the decision."""
        begins, ends = bisect_right(self.by_event.starts, first), bisect_right(self.by_event.starts, last)
        if ends > begins:
            return _together(self.by_event.through(first, last), self.by_decision.on(today))
        return self._together[begins - 1][bisect_right(self.by_decision.starts, today) - 1]


def _together(one: InForce | None, other: InForce | None) -> InForce | None:
    return None if one is None or other is None else one.also(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of information in one contract that comes in: what its fields are, and why they may pass."""

    rules: tuple[Rule, ...]
    """Every version of every basis, in the files' order of bases. Never added together: each is judged by itself."""
    locating: frozenset[str]
    special_fields: frozenset[str]
    """Fields of a special category: they quarantine where no rule is left to judge by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """Everything `privacy` judges by. Immutable, made by `build`."""

    policy: str
    """Hex SHA-256 of the law files: which law decided."""
    environment: str
    """Of this installation: `production`, `test` or `demo`."""
    rules: Mapping[str, tuple[Rule, ...]]
    """Basis -> its versions, oldest first; bases in the files' order."""
    kinds: Mapping[tuple[ContractId, str], Kind]
    """What comes in: contract and kind of information -> why it may."""
    partner_types: Mapping[PartnerId, str]
    words: Words
    interactions: Mapping[ContractId, Interaction]
    """What goes out by each contract: a question or a message."""
    askers: Mapping[AskerId, Asker]
    test_numbers: frozenset[str] = frozenset()
    """Official test numbers: whom alone a test may be about."""

    def version(self, basis: str, event: date | None, decision: date) -> Rule | None:
        """Return the version of a basis that counts: by the first day of the event, or by the day of the decision.

        None where no basis has that id, none of its versions holds on its day, or that day is not known.
        """
        for rule in self.rules.get(basis, ()):
            day = event if rule.by_event_day else decision
            if day is not None and rule.valid_from <= day <= rule.valid_until:
                return rule
        return None

    @classmethod
    def build(cls, configuration: Configuration, kinds: Kinds, agreements: Agreements | None = None) -> Law:
        """Validate the rows against each other and against the contracts' kinds, and index them.

        Args:
            configuration: Rows, partners, queues and askers.
            kinds: What every contract can tell, in and out.
            agreements: The contracts that go out; None where nothing does, and then no basis and no asker may say so.

        Raises:
            ConfigError: names file, row and key, what is wrong and what to do.
        """
        agreements = agreements or {}
        rows = Rows.of(configuration, kinds, agreements)
        register.check(rows)
        outward.check(rows)
        paragraphs = cache(partial(Paragraphs, rows.lagrum))
        about = {(basis.contract, basis.kind): basis for basis in configuration.bases}
        fields = {kind: _Sorted(rows.fields(basis)) for kind, basis in about.items()}
        rules = {
            id_: tuple(_rule(one, rows, fields[one.contract, one.kind], paragraphs) for one in versions)
            for id_, versions in rows.bases.items()
        }
        return cls(
            policy=configuration.policy,
            environment=configuration.gateway.environment,
            rules=rules,
            kinds=dict(_kinds(rules, rows)),
            partner_types={partner.id: partner.partner_type for partner in configuration.partners.values()},
            words=Words(configuration.categories),
            interactions={contract: agreed.interaction for contract, agreed in agreements.items()},
            askers=configuration.askers,
            test_numbers=configuration.test_numbers,
        )


def cited(rule: Rule, event: date, decision: date) -> str:
    """Return the paragraph of a rule as it is written to the partner, by the version of its own day (`Lagrum.day`)."""
    day = event if rule.cites[0].day == "event" else decision
    return citation.written(next((row for row in rule.cites if in_force(row, day)), rule.cites[-1]))


def _kinds(rules: Mapping[str, tuple[Rule, ...]], rows: Rows) -> Iterator[tuple[tuple[ContractId, str], Kind]]:
    inward: dict[tuple[ContractId, str], list[Rule]] = {}
    for id_, (first, *_) in rows.bases.items():
        if first.inward and first.contract is not None:
            inward.setdefault((first.contract, first.kind), []).extend(rules[id_])
    for contract, by_kind in rows.kinds.items():
        for kind, fields in by_kind.items():
            yield (
                (contract, kind),
                Kind(
                    rules=tuple(inward.get((contract, kind), ())),
                    locating=frozenset(name for name, spec in fields.items() if spec.locating),
                    special_fields=_of(fields, SPECIAL),
                ),
            )


def _of(fields: Fields, categories: Iterable[Category]) -> frozenset[str]:
    chosen = frozenset(categories)
    return frozenset(name for name, spec in fields.items() if spec.category in chosen)


class _Sorted:
    """The fields of one kind, by what they are: found once for all the bases that are about it."""

    __slots__ = ("category", "declared", "health", "locating", "secrecy", "sensitive", "special", "text")

    def __init__(self, fields: Fields) -> None:
        self.category = {name: spec.category for name, spec in fields.items()}
        self.declared = frozenset(fields)
        self.locating = frozenset(name for name, spec in fields.items() if spec.locating)
        self.secrecy = _secrecy(fields)
        self.special, self.health = _of(fields, SPECIAL), _of(fields, {Category.HALSA})
        self.sensitive, self.text = _of(fields, {Category.KANSLIG}), _of(fields, {Category.FRITEXT})


def _rule(basis: Basis, rows: Rows, fields: _Sorted, paragraphs: Callable[..., Paragraphs]) -> Rule:
    category, lagrum = fields.category, rows.lagrum
    decided = basis.standing_decision is not None
    agreed = rows.agreements.get(basis.contract) if basis.contract is not None and not basis.inward else None
    return Rule(
        basis=basis.id,
        direction=basis.direction,
        partner_types=frozenset(basis.partner_types),
        contract=basis.contract,
        kind=basis.kind,
        by_event_day=basis.day == "event",
        valid_from=basis.giltig_fom,
        valid_until=basis.giltig_tom or date.max,
        declared=fields.declared,
        fields=frozenset(basis.fields),
        required=frozenset(basis.required) | (frozenset() if agreed is None else agreed.mandatory),
        forbidden=frozenset(basis.forbidden),
        forbidden_fields=frozenset(name for name, found in category.items() if found in basis.forbidden),
        special_fields=fields.special,
        health_fields=fields.health,
        sensitive_fields=fields.sensitive,
        referred={name: found for name, found in category.items() if found in basis.referred},
        locating=fields.locating,
        free_text=fields.text,
        secrecy=fields.secrecy,
        cited=None if basis.cited is None else frozenset(map(citation.normal, basis.cited)),
        lagrum=frozenset(basis.lagrum),
        purposes=frozenset(basis.purposes),
        benefits=None if basis.benefits is None else frozenset(basis.benefits),
        subject_roles=frozenset(basis.subject_roles),
        any_of=basis.any_of,
        triggers=frozenset(basis.triggers),
        channels=frozenset(basis.channels),
        consent=basis.consent,
        suspicion=basis.suspicion,
        longest_period=basis.longest_period,
        standing=decided,
        verified=basis.verified,
        obligations=obligations.of(basis, rows.cited(basis), {category[name] for name in basis.fields}),
        purpose_text=basis.purpose_text,
        cites=lagrum[basis.lagrum[0]],
        paragraphs=paragraphs(relied_on(basis, lagrum), decided=decided),
        labels=labels.of(basis),
    )


def _secrecy(fields: Fields) -> dict[str, str]:
    """Return field -> the secrecy that covers it. Contracts name none: what they carry is FK's own or for FK."""
    found = ((name, spec.secrecy) for name, spec in fields.items() if isinstance(spec, InformationField))
    return {name: secrecy for name, secrecy in found if secrecy is not None}
