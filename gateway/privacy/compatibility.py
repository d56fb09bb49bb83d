"""For what data may be used, by what it was collected for and ever processed for: the matrix, as the law has it.

The rows of `MATRIX` are asked in this order; the first that finds something decides. Where none does the use is
compatible: every purpose of SFB 114 kap. 8 § is primary, so what was collected for one of 1-3 may serve them all, and
what the law says is handed out may be (9 §).

    row           where the data comes from             what it may be used for              follows from
    statistics    a copy for statistics, research or    statistics alone, nobody by himself  2018:218 4 kap. 1-3 §§
                  archive
    project       what was for one project              nothing else                         lag (2024:926)
    sensitive     other art. 9 data                     8 § 1 and 3, and 9 §                 SFB 114 kap. 11 § st. 1-2
    health        data on health                        8 § 1-3 and 9 §; 8 § 4-7 and 10 §    SFB 114 kap. 11 § st. 3
                                                        only if ever processed for 8 § 1-3
    consent       a basis that rests on consent         what it names                        SFB 30:10, F 2024:14 5 §
    assessed      any                                   10 §: a person weighs                SFB 114 kap. 10 §
    purpose lock  a basis that names none of 8 § 1-3    what it names                        lag (2024:1300) 1 §
    benefit lock  a basis that names benefits           8 §: cases on these                  2024:1300 1 §, 2001:588 7 §

That a disclosure under 9 § has a basis of its own, verified, and that the recipient's purpose is written down, other
gates ask (`gates`): here is only asked whether the data may be used at all.

Locks are in the register, not here. A basis that collects for control alone *is* a purpose lock, and one that names
benefits is a lock to them. A lock follows from the basis that let the data in, so no later processing that a request
claims opens one. All versions of that basis must allow the use: which of them let this data in is not asked, and what
was narrow once stays narrow. A source that the register does not know allows nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.message import Outcome
from gateway.privacy import purposes
from gateway.privacy.purposes import Purpose
from gateway.privacy.reasons import Reason
from gateway.privacy.request import DataProvenance
from gateway.privacy.rule import Rule

Finding = tuple[Outcome, Reason] | None
"""Why the data may not be used so; None: it may."""

COPIES = frozenset({"statistik", "forskning", "arkiv"})
"""Purposes of copies that say nothing of anybody by himself any more; `fk:Statistik` is one too."""
_CLOSED = frozenset(Purpose)
_KNOWN = COPIES | _CLOSED
_STATISTICS = COPIES | {Purpose.STATISTIK}
_FOR_SENSITIVE = purposes.SENSITIVE | purposes.HANDING_OUT
_FOR_HEALTH = purposes.HEALTH | purposes.HANDING_OUT
PROJECTS = frozenset({"isf"})
"""Types of partner that get and give data for one project (lag (2024:926))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One piece of data, and what it is to be used for."""

    collected_for: str
    ever: frozenset[str]
    """What it was collected for, and everything it is or was processed for."""
    purpose: Purpose
    benefit: str | None
    health: bool
    sensitive: bool
    versions: tuple[Rule, ...]
    """Of the basis that let it in: at least one."""


def judge(  # noqa: PLR0913  # where the data comes from, what it is for, and what it is
    origin: DataProvenance,
    purpose: str,
    benefit: str | None,
    *,
    health: bool,
    sensitive: bool,
    rules: Mapping[str, tuple[Rule, ...]],
) -> Finding:
    """Say why data of this origin may not be used for a purpose; None where it may (SFB 114 kap. 8-11 §§).

    Args:
        origin: What it was collected for, what it is or was processed for, and the basis that let it in.
        purpose: What it is to be used for, of the closed list.
        benefit: The benefit that the case is about; None where there is no case.
        health: Whether any of it is about health.
        sensitive: Whether any of it is other sensitive data (GDPR art. 9).
        rules: Every basis of the register, by id, with its versions (`Law.rules`).
    """
    if purpose not in _CLOSED:
        return Outcome.DENY, Reason.PURPOSE_UNKNOWN
    versions, ever = rules.get(origin.basis, ()), origin.processed_for | {origin.collected_for}
    if not versions or not ever <= _KNOWN:
        return Outcome.DENY, Reason.PROVENANCE_UNKNOWN
    use = Use(
        collected_for=origin.collected_for,
        ever=ever,
        purpose=Purpose(purpose),
        benefit=benefit,
        health=health,
        sensitive=sensitive,
        versions=versions,
    )
    return next((finding for row in MATRIX if (finding := row(use)) is not None), None)


def statistics(use: Use) -> Finding:
    """Lag (2018:218) 4 kap. 1-3 §§, OSL 24 kap. 8 §: such a copy is never used for a measure about somebody."""
    if use.collected_for in _STATISTICS and use.purpose is not Purpose.STATISTIK:
        return Outcome.DENY, Reason.STATISTICS_ONLY
    return None


def project(use: Use) -> Finding:
    """Lag (2024:926): what ISF has for one project is for nothing else."""
    if any(not rule.partner_types.isdisjoint(PROJECTS) for rule in use.versions):
        return Outcome.DENY, Reason.PURPOSE_LOCK
    return None


def sensitive(use: Use) -> Finding:
    """SFB 114 kap. 11 § first and second paragraphs: to handle a case, or handed out as the law says."""
    if use.sensitive and use.purpose not in _FOR_SENSITIVE:
        return Outcome.DENY, Reason.SENSITIVE_PURPOSE
    return None


def health(use: Use) -> Finding:
    """SFB 114 kap. 11 § third paragraph: for 8 § 4-7 and 10 § only what is or was processed for 8 § 1-3."""
    if not use.health or use.purpose in _FOR_HEALTH:
        return None
    return (Outcome.DENY, Reason.HEALTH_PROVENANCE) if use.ever.isdisjoint(purposes.HEALTH) else None


def consent(use: Use) -> Finding:
    """SFB 30 kap. 10 §, F (2024:14) 5 §: what the person consented to. That it still holds is another gate's."""
    if any(rule.consent and use.purpose not in rule.purposes for rule in use.versions):
        return Outcome.DENY, Reason.CONSENT_SCOPE
    return None


def assessed(use: Use) -> Finding:
    """SFB 114 kap. 10 §, GDPR art. 6.4: compatible or not, a person weighs it, for each flow; never a machine."""
    return (Outcome.REFER, Reason.COMPATIBILITY_OPEN) if use.purpose is Purpose.ANNAT_FORENLIGT else None


def purpose_lock(use: Use) -> Finding:
    """Lag (2024:1300) 1 §: what was let in for control alone is for control alone, and is not handed out either."""
    for rule in use.versions:
        if rule.purposes.isdisjoint(purposes.HEALTH) and use.purpose not in rule.purposes:
            return Outcome.DENY, Reason.PURPOSE_LOCK
    return None


def benefit_lock(use: Use) -> Finding:
    """Lag (2024:1300) 1 §, F (2001:588) 7 §: for cases on the benefits that the law names.

    It binds our own use. What is handed out is for a case of the recipient's, and its basis says which (9 §).
    """
    if use.purpose in purposes.HANDING_OUT:
        return None
    if any(rule.benefits is not None and use.benefit not in rule.benefits for rule in use.versions):
        return Outcome.DENY, Reason.BENEFIT_LOCK
    return None


MATRIX: tuple[Callable[[Use], Finding], ...] = (
    statistics,
    project,
    sensitive,
    health,
    consent,
    assessed,
    purpose_lock,
    benefit_lock,
)
"""In the order that they are asked. Every DENY that no assessment can lift comes before the one REFER."""
