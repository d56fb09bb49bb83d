"""Why may this go out? Our own questions and messages are disclosures: a question tells that the person has a case.

JO 2031-2015 criticised questions on the wrong basis and for too long a period. So whoever asks names the basis, for
each recipient, and it is checked, never searched for: a basis that happened to fit would make any question lawful. The
gates, in this order; the first that fails decides:

1. asker and purpose: a system of ours that may use this contract, for a purpose of the closed list that is for this
   direction (`purposes.ASKING`, `TELLING`) and for this asker;
2. basis: there by that name, for this contract and kind of information (that its direction is the contract's is held at
   start, as are its approvals), valid on the Swedish day of the decision, and for this purpose;
3. paragraphs: every one of them in force on the day that is its own. The event's days are those that are asked about,
   all of them: a period that reaches over a change of law is judged by both texts. Without a period it is the first day
   of what the case is about;
4. recipient: of the type that the basis is about;
5. need: a case, on a benefit of the closed list, which is one of the basis' benefits if it names any;
6. consent, where the basis rests on it: for this type of recipient, on the day of the decision;
7. suspicion, where the basis wants it: the reference to its written reasons;
8. fields: all of them the contract's; those that are required are there and say something;
9. period: within what the case is about, and no longer than the basis allows. Never cut: who asks must know what was
   asked;
10. category: nothing forbidden is meant for this very recipient (an employer gets no diagnosis). What is forbidden
    among the fields that all recipients share is taken away, because another recipient may have it;
11. what is left: fields that the basis names, less those that protection withholds. Surplus is taken away and reported.
    Where nothing is left to say, or to ask for, nothing goes.

Then what only a person may decide (REFER), all that applies: a required field that protection withholds; free text,
unless the basis' standing decision covers it, which it says by not naming free text as `referred`; other categories
that the basis leaves to a person; a paragraph that weighs interests, without a standing decision.

Protected identity. Fields that locate are withheld of whoever is protected, and of whoever is not known not to be: what
has gone out cannot be taken back, so unknown is treated as protected. Free text may locate too, so then a person reads
it whatever has been decided for the flow. A question to the folkbokföring is how the unknown becomes known; it has
nothing that locates, so it goes. The recipient is never told of the mark: not as a field (`outward`), and what it gets
differs by absence alone.

The same law, command and knowledge give the same decision. Nothing is read, and nothing is filled in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from gateway import endings
from gateway.dispatch import Citation, Command, Interaction, Permitted, Queued
from gateway.errors import PurposeError
from gateway.message import Decision, Labels, Outcome, Protection, Value, Withheld
from gateway.privacy import protected, purposes
from gateway.privacy.law import Disclosure, InForce, Law
from gateway.privacy.reasons import Reason
from gateway.swedish import swedish_day

_FOR = {Interaction.ASK: purposes.ASKING, Interaction.SEND: purposes.TELLING}
_BENEFITS = frozenset(purposes.Benefit)


class Stopped(PurposeError):  # noqa: N818  # what becomes of a dispatch, and no fault of anybody's
    """It does not go: denied, or left to a person. The detail names reason codes, nothing out of the command."""

    def __init__(self, decision: Decision) -> None:
        """`decision` is DENY or REFER."""
        code = endings.REFERRED if decision.outcome is Outcome.REFER else endings.DENIED
        super().__init__(code, ", ".join(decision.reasons))
        self.decision = decision


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meant:
    """A dispatch, and all that it is judged by."""

    queued: Queued
    by: Disclosure
    partner_type: str
    kind: str
    today: date
    """The Swedish day of the decision."""
    fields: Mapping[str, Value]
    """What is common to all recipients, and what is only for this one."""
    protection: Protection

    @property
    def command(self) -> Command:
        return self.queued.command

    @property
    def days(self) -> tuple[date, date]:
        """First and last day of the event."""
        period = self.command.period
        return (period.first, period.last) if period is not None else (self.command.case.period.first,) * 2

    def in_force(self) -> InForce | None:
        by_event = self.by.rule.by_event.through(*self.days)
        by_decision = self.by.rule.by_decision.on(self.today)
        return None if by_event is None or by_decision is None else by_event.also(by_decision)


def permit(  # noqa: PLR0913  # each a fact from another room
    queued: Queued, law: Law, known: protected.Known, *, partner_type: str, kind: str, at: datetime
) -> Permitted:
    """Judge what one recipient is to get.

    Args:
        queued: One recipient's part of a command.
        law: Bases, paragraphs and askers.
        known: What the folkbokföring has told us of a person.
        partner_type: Of the recipient, as in its file.
        kind: The information type that goes out by the command's contract.
        at: When it is decided.

    Raises:
        Stopped: DENY or REFER, with the whole decision.
    """
    command, recipient = queued.command, queued.recipient
    by = law.disclosures.get(recipient.basis)
    protection = known(command.person)
    reason = next(_asker(command, law), Reason.BASIS_UNKNOWN if by is None else None)
    if by is None or reason is not None:
        raise Stopped(_decision(queued, kind, protection, Outcome.DENY, (reason or Reason.BASIS_UNKNOWN,)))
    meant = _Meant(
        queued=queued,
        by=by,
        partner_type=partner_type,
        kind=kind,
        today=swedish_day(at),
        fields={**command.fields, **recipient.fields},
        protection=protection,
    )
    in_force = meant.in_force()
    reason = next(_denies(meant, in_force), None)
    if in_force is None or reason is not None:
        reasons = (reason or Reason.LAGRUM_NOT_IN_FORCE,)
        raise Stopped(_decision(queued, kind, protection, Outcome.DENY, reasons, by=by))
    return _released(meant, in_force, law)


def _released(meant: _Meant, in_force: InForce, law: Law) -> Permitted:
    """Return what may go, or raise Stopped where nothing is left, or where a person must decide."""
    fields, withheld = _divided(meant)
    reasons: tuple[str, ...] = tuple(dict.fromkeys(_to_a_person(meant, fields, withheld, in_force)))
    outcome = Outcome.REFER if reasons else Outcome.PERMIT
    if not any(map(_says, fields.values())):
        outcome, reasons = Outcome.DENY, (Reason.NOTHING_LEFT,)
    if outcome is not Outcome.PERMIT:
        raise Stopped(_decision(meant.queued, meant.kind, meant.protection, outcome, reasons, by=meant.by, on=in_force))
    first, _ = meant.days
    return Permitted(
        queued=meant.queued,
        decision=_decision(
            meant.queued,
            meant.kind,
            meant.protection,
            Outcome.PERMIT,
            tuple(dict.fromkeys(item.reason for item in withheld)),
            by=meant.by,
            on=in_force,
            fields=fields,
            withheld=withheld,
        ),
        citation=Citation(purpose=meant.by.outbound.purpose_text, lagrum=meant.by.cited(first, meant.today)),
        policy=law.policy,
    )


def _asker(command: Command, law: Law) -> Iterator[Reason]:
    asker, interaction = law.askers.get(command.asker), law.interactions.get(command.contract)
    if asker is None:  # 1
        yield Reason.ASKER_UNKNOWN
    elif command.contract not in asker.contracts or interaction is None:
        yield Reason.CONTRACT_NOT_FOR_ASKER
    elif command.purpose not in set(purposes.Purpose):
        yield Reason.PURPOSE_UNKNOWN
    elif command.purpose not in _FOR[interaction]:
        yield Reason.PURPOSE_NOT_FOR_DIRECTION
    elif command.purpose not in asker.purposes:
        yield Reason.PURPOSE_NOT_FOR_ASKER


def _denies(meant: _Meant, in_force: InForce | None) -> Iterator[Reason]:
    yield from _basis(meant)  # 2
    if in_force is None:  # 3
        yield Reason.LAGRUM_NOT_IN_FORCE
    if meant.by.rule.partner_type != meant.partner_type:  # 4
        yield Reason.PARTNER_TYPE_MISMATCH
    yield from _need(meant)  # 5
    yield from _consent(meant)  # 6
    if meant.by.outbound.suspicion and not _says(meant.command.suspicion):  # 7
        yield Reason.SUSPICION_MISSING
    if not meant.by.declared.issuperset(meant.fields):  # 8
        yield Reason.FIELD_UNKNOWN
    if not all(_says(meant.fields.get(name)) for name in meant.by.required):
        yield Reason.FIELD_REQUIRED
    yield from _period(meant)  # 9
    if not meant.by.rule.forbidden_fields.isdisjoint(meant.queued.recipient.fields):  # 10
        yield Reason.FORBIDDEN_CATEGORY


def _basis(meant: _Meant) -> Iterator[Reason]:
    by, rule = meant.by, meant.by.rule
    if (by.contract, by.kind) != (meant.command.contract, meant.kind):
        yield Reason.BASIS_OTHER_CONTENT
    if meant.today < rule.valid_from:
        yield Reason.BASIS_NOT_YET_VALID
    if meant.today > rule.valid_until:
        yield Reason.BASIS_EXPIRED
    if meant.command.purpose not in rule.labels.purposes:
        yield Reason.PURPOSE_NOT_IN_BASIS


def _need(meant: _Meant) -> Iterator[Reason]:
    case, benefits = meant.command.case, meant.by.rule.labels.benefits
    if not _says(case.reference):
        yield Reason.CASE_MISSING
    if case.benefit not in _BENEFITS:
        yield Reason.BENEFIT_UNKNOWN
    if benefits is not None and case.benefit not in benefits:
        yield Reason.BENEFIT_NOT_IN_BASIS


def _consent(meant: _Meant) -> Iterator[Reason]:
    consent = meant.command.consent
    if not meant.by.outbound.consent:
        return
    if consent is None or not _says(consent.reference):
        yield Reason.CONSENT_MISSING
    elif meant.partner_type not in consent.recipients:
        yield Reason.CONSENT_OTHER_RECIPIENT
    elif consent.until < meant.today:
        yield Reason.CONSENT_EXPIRED


def _period(meant: _Meant) -> Iterator[Reason]:
    period, case, longest = meant.command.period, meant.command.case.period, meant.by.outbound.longest_period
    if period is None:
        if longest is not None:
            yield Reason.PERIOD_MISSING
        return
    if period.last < period.first or not period.within(case):
        yield Reason.PERIOD_OUTSIDE_CASE
    if longest is not None and (period.last - period.first).days + 1 > longest:
        yield Reason.PERIOD_TOO_LONG


def _divided(meant: _Meant) -> tuple[dict[str, Value], tuple[Withheld, ...]]:
    """Return the fields that may go, and those that may not, each with its reason."""
    rule, hides = meant.by.rule, protected.withholds(meant.protection, (), lambda _: meant.protection)
    granted: dict[str, Value] = {}
    withheld: list[Withheld] = []
    for name, value in meant.fields.items():
        if name in rule.forbidden_fields:
            withheld.append(Withheld(field=name, reason=Reason.FORBIDDEN_CATEGORY))
        elif name not in rule.fields:
            withheld.append(Withheld(field=name, reason=Reason.FIELD_NOT_IN_BASIS))
        elif hides is not None and name in meant.by.locating:
            withheld.append(Withheld(field=name, reason=hides))
        else:
            granted[name] = value
    return granted, tuple(withheld)


def _to_a_person(
    meant: _Meant, fields: Mapping[str, Value], withheld: tuple[Withheld, ...], in_force: InForce
) -> Iterator[Reason]:
    for item in withheld:
        if item.field in meant.by.required:
            yield Reason(item.reason)
    hides = meant.protection is not Protection.NONE
    said = {name for name, value in fields.items() if _says(value)}
    referred = meant.by.rule.referred.keys() & said
    if (meant.by.free_text & said) and (hides or meant.by.free_text & referred):
        yield Reason.FREE_TEXT
    if referred - meant.by.free_text:
        yield Reason.REFERRED_CATEGORY
    if in_force.open_test:
        yield Reason.BALANCING_TEST_OPEN


def _says(value: Value) -> bool:
    """Say whether a value says anything: a text with a letter or a digit, a number, a truth value, a row that does."""
    match value:
        case None:
            return False
        case str():
            return any(character.isalnum() for character in value)
        case tuple():
            return any(_says(inner) for row in value for inner in row.values())
        case _:
            return True


def _decision(  # noqa: PLR0913  # a decision's own parts
    queued: Queued,
    kind: str,
    protection: Protection,
    outcome: Outcome,
    reasons: tuple[str, ...],
    *,
    by: Disclosure | None = None,
    on: InForce | None = None,
    fields: Mapping[str, Value] | None = None,
    withheld: tuple[Withheld, ...] = (),
) -> Decision:
    """Return a decision. It names the basis only if it is of the register: an unknown name may be anything."""
    labels: Labels | None = by.rule.labels if by is not None and outcome is Outcome.PERMIT else None
    return Decision(
        record=queued.recipient.position,
        kind=kind,
        person=queued.command.person,
        outcome=outcome,
        quarantined=False,
        reasons=reasons,
        basis=None if by is None else by.rule.basis,
        lagrum=() if on is None else on.versions,
        fields=fields or {},
        withheld=withheld,
        protection=protection,
        learned=None,
        stated_at=0,
        labels=labels,
    )
