"""What a person is asked: from a decision that nobody but a person can make, the review that is opened.

The question is the decision's reasons, and whether the person is protected: that is a question of its own, for those
who handle protected identities. The rows of `config/law/reviews.toml` say who answers. Where several meet, the row that
stands first names the role; two people, a written balancing and the shortest time hold if any row says so. A reason
without a row is never left unasked: then the strictest holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway import review
from gateway.config.law import Review
from gateway.message import Decision, Person, Protection
from gateway.privacy.reasons import Reason
from gateway.review import Answered, Concerned, Kind, Opening

STRICTEST: Final = Review(
    reason="ANY",
    role="jurist",
    four_eyes=True,
    balancing=False,
    days=14,
    lagrum=("SFB-114-9-1",),
    question_sv="Får detta passera?",
    question_en="May this pass?",
)
"""Of what no row speaks about."""
_PROTECTED: Final = frozenset({Protection.SEKRETESSMARKERING, Protection.SKYDDAD_FOLKBOKFORING})


def questions(decision: Decision) -> tuple[str, ...]:
    """Return what a person must answer before this may pass."""
    return asked(decision.reasons, decision.protection)


def asked(reasons: Iterable[str], protection: Protection) -> tuple[str, ...]:
    """Return the questions that these reasons are about a person who is so protected; none where there are none."""
    found = tuple(dict.fromkeys(str(one) for one in reasons))
    return (*found, review.PROTECTED) if found and protection in _PROTECTED else found


def concerned(
    record: int, person: Person, related: Iterable[Person], named: Callable[[Person], str]
) -> tuple[Concerned, ...]:
    """Return whom a record is about and whom it names, by their pseudonyms."""
    own = named(person)
    others = dict.fromkeys(named(one) for one in related)
    return (
        Concerned(record=record, person=own, own=True),
        *(Concerned(record=record, person=one, own=False) for one in others if one != own),
    )


def holds(answered: Answered, basis: str, protection: Protection, lagrum: tuple[str, ...]) -> frozenset[str]:
    """Return the reasons that people's answers set aside, on a basis and now that the person is so protected.

    What was answered about another basis, or about other paragraphs of it (`lagrum`, `id@version`), or before anybody
    knew that the person is protected, was an answer to another question.
    """
    if answered.lagrum not in {None, lagrum} or answered.basis != basis:
        return frozenset()
    if protection in _PROTECTED and review.PROTECTED not in answered.reasons:
        return frozenset()
    return answered.reasons


def left(answered: Answered, decision: Decision) -> tuple[str, ...]:
    """Return the questions of a decision that nobody has answered; an answer that does not hold is none (`holds`)."""
    held = holds(answered, decision.basis or "", decision.protection, decision.lagrum)
    return tuple(one for one in questions(decision) if one not in held)


def passing(
    answered: Answered, granted: list[str], withheld: list[tuple[str, Reason]]
) -> tuple[list[str], list[tuple[str, Reason]]]:
    """Return what passes and what does not, when people have let only some of it pass."""
    if answered.fields is None:
        return granted, withheld
    kept = [(name, Reason.FIELD_NOT_RELEASED) for name in granted if not answered.passes(name)]
    return [name for name in granted if answered.passes(name)], [*withheld, *kept]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where what waits came from, or goes, and what it was judged by."""

    partner: str
    organisation: str
    contract: str
    information: str = ""
    basis: str | None = None
    lagrum: tuple[str, ...] = ()
    policy: str


@dataclass(frozen=True, slots=True)
class Referrals:
    """Who answers what. Immutable."""

    rows: tuple[Review, ...] = ()

    def opening(  # noqa: PLR0913  # what is asked, of what, and until when
        self,
        kind: Kind,
        reasons: Sequence[str],
        origin: Origin,
        at: datetime,
        *,
        leaf: int = 0,
        record: int | None = None,
        until: datetime | None = None,
        persons: tuple[Concerned, ...] = (),
    ) -> Opening:
        """Return the review that is opened.

        Args:
            kind: What waits.
            reasons: The questions (`questions`); at least one.
            origin: Where it came from, or goes.
            at: When.
            leaf: Which of the leaves committed with it says that it waits.
            record: Its position, where it is a record.
            until: When it must have been answered, whatever the rows say: a command's own time.
            persons: Everybody it is about (`concerned`).
        """
        rows = self.of(reasons)
        expires = at + timedelta(days=min(row.days for row in rows))
        return Opening(
            kind=kind,
            leaf=leaf,
            record=record,
            partner=origin.partner,
            organisation=origin.organisation,
            contract=origin.contract,
            information=origin.information,
            basis=origin.basis,
            lagrum=origin.lagrum,
            policy=origin.policy,
            reasons=tuple(reasons),
            role=rows[0].role,
            four_eyes=kind is Kind.QUARANTINE or any(row.four_eyes for row in rows),
            balancing=any(row.balancing for row in rows),
            laws=tuple(dict.fromkeys(id_ for row in rows for id_ in row.lagrum)),
            opened_at=at,
            expires_at=expires if until is None else min(expires, until),
            persons=persons,
        )

    def protected(self) -> str:
        """Return the role that answers where a person is protected."""
        return self.of((review.PROTECTED,))[0].role

    def of(self, reasons: Iterable[str]) -> list[Review]:
        """Return the rows that answer these reasons, in the file's order; what none is about, last."""
        wanted = set(reasons)
        found = [row for row in self.rows if row.reason in wanted]
        return found if {row.reason for row in found} == wanted and found else [*found, STRICTEST]

    def questions(self) -> Mapping[str, Review]:
        """Return the rows by reason: the questions in words."""
        return {row.reason: row for row in self.rows}


STRICT: Final = Referrals()
"""Where nobody has said who answers what: every question gets the strictest."""


def of_record(decision: Decision, origin: Origin) -> Origin:
    """Return an origin with what one record is, and what it was judged by."""
    return Origin(
        partner=origin.partner,
        organisation=origin.organisation,
        contract=origin.contract,
        information=decision.kind,
        basis=decision.basis,
        lagrum=decision.lagrum,
        policy=origin.policy,
    )
