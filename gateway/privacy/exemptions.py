"""What a registerutdrag holds back for a time: which disclosures, until when, by which paragraph.

The right of access gives way where the person may not know (GDPR art. 15.4 and 23; lag (2018:218) 5 kap. 1 §). It gives
way by a row of the register and by nothing else, and never for good: a row names paragraphs, and months that are
counted from the disclosure. When they have passed the disclosure is shown, with what it was held back for. All the time
it stands in the log, and auditors see it.

Checked at start-up, with file and row as everywhere: bases and paragraphs exist; a basis that says `hide_from_
transparency_until` has a row that says until when, and no other basis has one; no basis has two at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import combinations
from typing import Self

from gateway.config import Configuration
from gateway.config.law import Basis, Exemption, Obligation
from gateway.errors import ConfigError
from gateway.privacy.retention import later
from gateway.privacy.rows import Rows, in_force
from gateway.swedish import swedish_day

_HIDES = Obligation.HIDE_FROM_TRANSPARENCY_UNTIL
FILE = "registerutdrag.toml"


def check(rows: Rows) -> None:
    """Check the rows against paragraphs and bases. Raises ConfigError.

    A register without the file is one that was judged by before there was any: it is left alone, and gives no extracts.
    """
    extracts = rows.configuration.extracts
    if extracts is None:
        return
    for one in extracts.exemptions:
        rows.known(one, "lagrum", one.lagrum, rows.lagrum)
        rows.known(one, "bases", one.bases, {id_ for id_, found in rows.bases.items() if any(map(_hides, found))})
        if one.giltig_tom is not None and one.giltig_tom < one.giltig_fom:
            raise rows.wrong(one, "giltig_tom", "is before giltig_fom", "write the last day that it holds, or none")
    for one, other in combinations(extracts.exemptions, 2):
        if (both := set(one.bases) & set(other.bases)) and _meet(one, other):
            what = f"{rows.place(other)} holds back {', '.join(sorted(both))} too"
            raise rows.wrong(one, "bases", what, "end one of them, or take the basis out of it")
    for basis in filter(_hides, rows.configuration.bases):
        _check_told(basis, extracts.exemptions, rows)


def _check_told(basis: Basis, exemptions: Sequence[Exemption], rows: Rows) -> None:
    first, last = basis.giltig_fom, basis.giltig_tom or date.max
    for day in (first, last):
        if not any(basis.id in one.bases and _holds(one, day) for one in exemptions):
            until = "today and on" if day == date.max else str(day)
            what = f"{_HIDES} is said, and no [[undantag]] of {FILE} says until when ({until})"
            raise rows.wrong(basis, "obligations", what, "add the basis to one, or take the obligation away")


@dataclass(frozen=True, slots=True)
class Held:
    """Why a disclosure is held back, or was."""

    rule: Exemption
    until: datetime
    """The moment from which it is shown."""


class Exemptions:
    """The rows, ready to be asked."""

    def __init__(self, rules: Mapping[str, tuple[Exemption, ...]], hiding: Mapping[str, tuple[Basis, ...]]) -> None:
        """Take rules by basis, and the versions of bases that hide."""
        self._rules = rules
        self._hiding = hiding

    @classmethod
    def of(cls, configuration: Configuration) -> Self:
        """Return those of a register.

        Raises ConfigError: the register does not say, or, in production, says what nobody has decided.
        """
        if configuration.extracts is None:
            raise ConfigError(f"{configuration.gateway.law / FILE}: is not there: no extract is given without it")
        rules: dict[str, tuple[Exemption, ...]] = {}
        for one in configuration.extracts.exemptions:
            if not one.verified and configuration.gateway.environment == "production":
                raise ConfigError(f"{one.key}: verified: its months rest on no decision: have them decided, then true")
            for basis in one.bases:
                rules[basis] = (*rules.get(basis, ()), one)
        hiding: dict[str, tuple[Basis, ...]] = {}
        for row in filter(_hides, configuration.bases):
            hiding[row.id] = (*hiding.get(row.id, ()), row)
        return cls(rules, hiding)

    def holding(self, basis: str | None, at: datetime) -> Held | None:
        """Return what holds back a disclosure by a basis at a time; None where nothing ever did.

        Raises ConfigError: it is to be hidden, and no row says until when.
        """
        day = swedish_day(at)
        for one in self._rules.get(basis or "", ()):
            if _holds(one, day):
                return Held(one, later(at, one.months))
        if any(in_force(row, day) for row in self._hiding.get(basis or "", ())):
            raise ConfigError(f"{FILE}: no [[undantag]] says until when {basis} was to be hidden on {day}: add one")
        return None


def _hides(basis: Basis) -> bool:
    return _HIDES in basis.obligations


def _holds(one: Exemption, day: date) -> bool:
    return one.giltig_fom <= day and (one.giltig_tom is None or day <= one.giltig_tom)


def _meet(one: Exemption, other: Exemption) -> bool:
    return (other.giltig_tom is None or one.giltig_fom <= other.giltig_tom) and (
        one.giltig_tom is None or other.giltig_fom <= one.giltig_tom
    )
