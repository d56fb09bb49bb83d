"""Which rule of gallring holds for what, and when it is due: pure (SFB 114 kap. 15 §; GDPR art. 5.1 e).

1. A rule that names the basis; else one that names the basis' retention class; else the one for `*`.
2. Several bases, or a basis that is not known: every rule that may hold is asked, and the one that keeps it longest
   holds. Where one of them has no rule at all, nothing is due: what nobody has ruled on is not destroyed.
3. Due is the last day of the months, by the calendar: a month after 31 January is the last of February.
4. A rule that rests on no decision that was read (`verified = false`) destroys nothing outside demo and test. What is
   due by it is told, and refused.

The day of the run picks the version of a rule: data is kept by the rules of today, not by those of when it came.
"""

from __future__ import annotations

import calendar
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from gateway.config.law import Basis
from gateway.config.retention import ANY, DataClass, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What holds for one thing."""

    rule: Rule
    at: datetime
    """From then on it is to be destroyed."""


class Retention:
    """The rules of one day, for the bases of one register."""

    def __init__(self, rules: Sequence[Rule], bases: Sequence[Basis], *, day: date, lenient: bool) -> None:
        """Take rules, and the bases whose classes they name; `lenient` in demo and test."""
        self._lenient = lenient
        self._rules = tuple(rule for rule in rules if rule.holds(day))
        # All versions of a basis: what came by an old one is kept for as long as either says.
        self._classes: dict[str, set[str]] = {}
        self._contracts: dict[str, set[str]] = {}
        for basis in bases:
            self._classes.setdefault(basis.id, set()).add(basis.retention)
            if basis.contract is not None:
                self._contracts.setdefault(basis.contract, set()).add(basis.id)

    @property
    def rules(self) -> Sequence[Rule]:
        """Those that are in force, in the file's order."""
        return self._rules

    def destroys(self, rule: Rule) -> bool:
        """Tell whether the rule may destroy anything here."""
        return rule.verified or self._lenient

    def shortest(self, data: DataClass) -> int | None:
        """Return the fewest months that any rule keeps data of a class; None where none is ever due."""
        return min((rule.months for rule in self._rules if rule.data is data), default=None)

    def due(
        self, data: DataClass, at: datetime, *, bases: Collection[str | None] = (), contract: str = ""
    ) -> Due | None:
        """Return the rule that holds, and from when the data is to be destroyed; None where there is no rule.

        Args:
            data: What it is.
            at: When it was accepted, ended, settled or refused.
            bases: What decided its records; None among them for one that had no basis. Empty: not known.
            contract: By which it came or went: where the bases are not known, any of the contract's may be.
        """
        named: Iterable[str | None] = bases or sorted(self._contracts.get(contract, ())) or (None,)
        found = [rule for basis in named for rule in self._of(data, basis)]
        if not found or None in found:
            return None
        rule = max((one for one in found if one is not None), key=lambda one: one.months)
        return Due(rule=rule, at=later(at, rule.months))

    def _of(self, data: DataClass, basis: str | None) -> Sequence[Rule | None]:
        """Return the rules for one basis: one for each class that it has had; None where a class has none."""
        mine = [rule for rule in self._rules if rule.data is data]
        if exact := [rule for rule in mine if basis in rule.bases]:
            return exact
        rest = next((rule for rule in mine if rule.retention == ANY), None)
        classes = self._classes.get(basis or "", {ANY})
        return [next((rule for rule in mine if rule.retention == one), rest) for one in sorted(classes)]


def later(at: datetime, months: int) -> datetime:
    """Return the same time so many months later; the last of the month where that has no such day."""
    utc = at.astimezone(UTC)
    year, month = divmod(utc.year * 12 + utc.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return utc.replace(year=year, month=month + 1, day=min(utc.day, last))
