"""The law as data, validated and indexed: what may pass is in `config/law/`, and nothing of it is in code.

`Law.build` reads every row once and refuses what a lawyer, a reviewer or the law itself would refuse: an unknown
purpose, paragraph, contract, kind or field; two versions of a paragraph on the same day; a basis approved by its author
or by fewer than two; health data collected for a purpose that may not have it (SFB 114 kap. 11 §). What is left is a
table, (contract, kind) -> rules in the file's order, that `purpose.permit` walks without looking anything up twice.
Bases for what goes out are a table of their own, by id: the asker names one, and `disclosure.permit` checks that one.

Two days matter, and every paragraph says which is its own (`Lagrum.day`). Rules about the disclosure and the
processing are those in force when we decide. Rules that begin with a period (lag (2024:1300), transitional rule 2: from
the period January 2025) are those in force on the first day the data is about. A basis itself is valid or not on the
day we decide. Days are Swedish days: law changes at midnight in Sweden, which is 23:00 or 22:00 UTC.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from gateway.config import Asker, Basis, Configuration, Lagrum, Outbound
from gateway.dispatch import AskerId, Interaction
from gateway.message import Category, ContractId, FieldSpec, Labels, PartnerId
from gateway.privacy import citation, labels, outward, register
from gateway.privacy.register import Agreements
from gateway.privacy.words import Words

Kinds = Mapping[ContractId, Mapping[str, Mapping[str, FieldSpec]]]
"""Contract -> kind of information -> field -> what it is, as the contracts declare them."""

SPECIAL = frozenset({Category.HALSA, Category.KANSLIG, Category.BROTT})
"""GDPR art. 9 and 10: forbidden wherever no basis says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """The paragraphs of a basis that are in force together, and whether one leaves a balancing to a person."""

    versions: tuple[str, ...]
    """`id@version`, in the order of the basis."""
    open_test: bool

    def also(self, other: InForce) -> InForce:
        """Return both together."""
        if not other.versions:
            return self
        if not self.versions:
            return other
        return InForce(
            versions=tuple(dict.fromkeys(self.versions + other.versions)), open_test=self.open_test or other.open_test
        )


class Timeline:
    """Which versions of some paragraphs are in force on a day: all of them, or nothing. Immutable."""

    __slots__ = ("_answers", "_starts")

    def __init__(self, ids: Iterable[str], rows: Mapping[str, tuple[Lagrum, ...]], *, decided: bool) -> None:
        """`decided`: a standing decision has answered the balancing tests of these paragraphs."""
        chosen = [rows[id_] for id_ in ids]
        starts = {date.min}
        for versions in chosen:
            for row in versions:
                starts.add(row.giltig_fom)
                if row.giltig_tom is not None and row.giltig_tom < date.max:
                    starts.add(row.giltig_tom + timedelta(days=1))
        self._starts = sorted(starts)
        self._answers = [self._on(day, chosen, decided=decided) for day in self._starts]

    @staticmethod
    def _on(day: date, chosen: list[tuple[Lagrum, ...]], *, decided: bool) -> InForce | None:
        rows = [next((row for row in versions if register.in_force(row, day)), None) for versions in chosen]
        found = [row for row in rows if row is not None]
        if len(found) < len(rows):
            return None
        return InForce(
            versions=tuple(f"{row.id}@{row.version}" for row in found),
            open_test=not decided and any(row.test != "none" for row in found),
        )

    def on(self, day: date) -> InForce | None:
        """Return what is in force on a day; None if any paragraph has no version then."""
        return self._answers[bisect_right(self._starts, day) - 1]

    def through(self, first: date, last: date) -> InForce | None:
        """Return every version that is in force on some day of these; None if any paragraph has none on any of them."""
        begins, ends = bisect_right(self._starts, first) - 1, bisect_right(self._starts, last)
        together = InForce(versions=(), open_test=False)
        for answer in self._answers[begins : max(ends, begins + 1)]:
            if answer is None:
                return None
            together = together.also(answer)
        return together


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One basis, compiled."""

    basis: str
    partner_type: str
    valid_from: date
    valid_until: date
    """Inclusive."""
    fields: frozenset[str]
    forbidden: frozenset[Category]
    forbidden_fields: frozenset[str]
    """Fields of the kind whose category is forbidden."""
    referred: Mapping[str, Category]
    """Fields of the kind that the basis leaves to a person, whether or not it names them."""
    cited: frozenset[str] | None
    """Normalised by `citation.normal`."""
    by_event: Timeline
    by_decision: Timeline
    labels: Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of information in one contract: what its fields are, and why they may pass."""

    rules: tuple[Rule, ...]
    """In the file's order. Never added together: each is judged by itself."""
    locating: frozenset[str]
    special_fields: frozenset[str]
    """Fields of a special category: they quarantine where no rule is left to judge by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """One basis for what goes out, compiled."""

    rule: Rule
    contract: ContractId
    kind: str
    declared: frozenset[str]
    """Every field that the contract has."""
    required: frozenset[str]
    """Fields without which it does not go: the basis', and those without which the contract has no message."""
    locating: frozenset[str]
    free_text: frozenset[str]
    outbound: Outbound
    cites: tuple[Lagrum, ...]
    """The versions of the paragraph that the partner is told: the basis' first."""

    def cited(self, event: date, decision: date) -> str:
        """Return the paragraph as it is written to the partner, by the version of its own day (`Lagrum.day`)."""
        day = event if self.cites[0].day == "event" else decision
        return citation.written(next((row for row in self.cites if register.in_force(row, day)), self.cites[-1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """Everything `privacy` judges by. Immutable, made by `build`."""

    policy: str
    """Hex SHA-256 of the law files: which law decided."""
    kinds: Mapping[tuple[ContractId, str], Kind]
    partner_types: Mapping[PartnerId, str]
    words: Words
    disclosures: Mapping[str, Disclosure]
    """Basis -> what it lets out."""
    interactions: Mapping[ContractId, Interaction]
    """What goes out by each contract: a question or a message."""
    askers: Mapping[AskerId, Asker]

    @classmethod
    def build(cls, configuration: Configuration, kinds: Kinds, agreements: Agreements | None = None) -> Law:
        """Validate the rows against each other and against the contracts' kinds, and index them.

        Args:
            configuration: Rows, partners, queues and askers.
            kinds: What every contract can tell, in and out.
            agreements: The contracts that go out; None where nothing does, and then no basis and no asker may say so.

        Raises:
            ConfigError: names the row, what is wrong and what is accepted.
        """
        agreements = agreements or {}
        rows = register.versions(configuration.lagrum)
        register.check(configuration, rows, kinds, agreements)
        outward.check(configuration, rows, kinds, agreements)
        return cls(
            policy=configuration.policy,
            kinds={
                (contract, kind): _kind(contract, kind, fields, configuration.bases, rows)
                for contract, by_kind in kinds.items()
                for kind, fields in by_kind.items()
            },
            partner_types={partner.id: partner.partner_type for partner in configuration.partners.values()},
            words=Words(configuration.categories),
            disclosures={
                basis.id: _disclosure(basis, basis.outbound, kinds, agreements, rows)
                for basis in configuration.bases
                if basis.outbound is not None
            },
            interactions={contract: agreed.interaction for contract, agreed in agreements.items()},
            askers=configuration.askers,
        )


def _kind(
    contract: ContractId,
    kind: str,
    fields: Mapping[str, FieldSpec],
    bases: tuple[Basis, ...],
    rows: Mapping[str, tuple[Lagrum, ...]],
) -> Kind:
    return Kind(
        rules=tuple(
            _rule(basis, fields, rows)
            for basis in bases
            if basis.inward and (basis.contract, basis.kind) == (contract, kind)
        ),
        locating=frozenset(name for name, spec in fields.items() if spec.locating),
        special_fields=frozenset(name for name, spec in fields.items() if spec.category in SPECIAL),
    )


def _rule(basis: Basis, fields: Mapping[str, FieldSpec], rows: Mapping[str, tuple[Lagrum, ...]]) -> Rule:
    relied = register.relied_on(basis, rows)
    decided = basis.standing_decision is not None
    forbidden = frozenset(basis.forbidden)
    return Rule(
        basis=basis.id,
        partner_type=basis.partner_type,
        valid_from=basis.giltig_fom,
        valid_until=basis.giltig_tom or date.max,
        fields=frozenset(basis.fields),
        forbidden=forbidden,
        forbidden_fields=frozenset(name for name, spec in fields.items() if spec.category in forbidden),
        referred={name: spec.category for name, spec in fields.items() if spec.category in basis.referred},
        cited=None if basis.cited is None else frozenset(map(citation.normal, basis.cited)),
        by_event=Timeline((id_ for id_ in relied if rows[id_][0].day == "event"), rows, decided=decided),
        by_decision=Timeline((id_ for id_ in relied if rows[id_][0].day == "decision"), rows, decided=decided),
        labels=labels.of(basis),
    )


def _disclosure(
    basis: Basis, outbound: Outbound, kinds: Kinds, agreements: Agreements, rows: Mapping[str, tuple[Lagrum, ...]]
) -> Disclosure:
    fields = kinds[basis.contract][basis.kind]
    return Disclosure(
        rule=_rule(basis, fields, rows),
        contract=basis.contract,
        kind=basis.kind,
        declared=frozenset(fields),
        required=frozenset(outbound.required) | agreements[basis.contract].mandatory,
        locating=frozenset(name for name, spec in fields.items() if spec.locating),
        free_text=frozenset(name for name, spec in fields.items() if spec.category is Category.FRITEXT),
        outbound=outbound,
        cites=rows[basis.lagrum[0]],
    )
