"""What whoever acts on a PERMIT must do: settled when the law is compiled, from the basis and its paragraphs.

A basis may name obligations of its own; these follow by themselves:

- every disclosure is logged before it is released and names its recipient (GDPR art. 15 as read in C-154/21: who had
  it, not what sort of body; SFB 114 kap. 13 §: access is followed up). Our questions are disclosures too: a question
  tells that the person has a case;
- what is kept is removed by the basis' gallring rule (SFB 114 kap. 15 §), and goes no further where the basis says so;
- data from somebody else than the person is told to the person (GDPR art. 14), unless the law expressly lays the
  transfer down (art. 14.5 c; C-201/14: an unpublished agreement is no such law). A duty, a right of access and a rule
  of Union law or a convention do; a mere permission and a consent do not;
- and it is shown to the person before a case is decided on it (kommunicering, förvaltningslagen 25 §);
- data on health, other sensitive data, data about crime and free text never decide by themselves, and nothing drafts a
  decision from them (GDPR art. 22; C-634/21);
- a weighing of interests that a person makes is written down (förvaltningslagen 27 and 32 §§).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from gateway.config.law import Basis, Lagrum, Obligation
from gateway.message import Category
from gateway.privacy.purposes import Purpose

_DECIDES: Final = frozenset({Purpose.UNDERLAG_RATTIGHET_SKYLDIGHET, Purpose.ARENDEHANDLAGGNING, Purpose.KONTROLL})
"""Purposes by which data can come to bear on a case (SFB 114 kap. 8 § 1, 3 and 4)."""
_LAYS_DOWN: Final = frozenset({"obligation", "access_right", "international"})
_RULES: Final = _LAYS_DOWN | {"permission", "consent"}
"""Paragraphs about the transfer itself; a purpose and a restriction are about the processing."""
_UNDECIDING: Final = frozenset({Category.HALSA, Category.KANSLIG, Category.BROTT, Category.FRITEXT})
THE_PERSON: Final = frozenset({"enskild", "den_enskilde", "registrerad"})
"""Types of partner that are the person: what somebody tells of themself comes from nobody else (art. 13, not 14)."""


def of(basis: Basis, rows: Iterable[Lagrum], categories: Iterable[Category] = ()) -> tuple[Obligation, ...]:
    """Return a basis' obligations in the vocabulary's order.

    Args:
        basis: One version of it.
        rows: The versions of its own paragraphs.
        categories: Of the fields that it lets through.
    """
    wanted = frozenset(basis.obligations).union(_follow(basis, tuple(rows), frozenset(categories)))
    return tuple(obligation for obligation in Obligation if obligation in wanted)


def _follow(basis: Basis, rows: tuple[Lagrum, ...], categories: frozenset[Category]) -> Iterator[Obligation]:
    if not basis.inward:
        yield Obligation.LOG_BEFORE_RELEASE
        yield Obligation.LOG_RECIPIENT_NAMED
    yield Obligation.GALLRA_BY
    if basis.no_onward:
        yield Obligation.NO_ONWARD
    if basis.inward and not THE_PERSON.issuperset(basis.partner_types):
        if not _laid_down(rows):
            yield Obligation.INFORM_SUBJECT_ART14
        if not _DECIDES.isdisjoint(basis.purposes):
            yield Obligation.KOMMUNICERING_BEFORE_DECISION
    if not _UNDECIDING.isdisjoint(categories):
        yield Obligation.NO_AUTOMATED_DECISION
    if basis.standing_decision is None and any(row.test != "none" for row in rows):
        yield Obligation.RECORD_BALANCING_NOTE


def _laid_down(rows: tuple[Lagrum, ...]) -> bool:
    """Say whether a rule lays the transfer down, and none of them merely permits it or rests on consent."""
    kinds = {row.kind for row in rows} & _RULES
    return bool(kinds) and kinds <= _LAYS_DOWN
