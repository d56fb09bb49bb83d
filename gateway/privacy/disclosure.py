"""Why may this go out? Our own questions and messages are disclosures: a question tells that the person has a case.

JO 2031-2015 criticised questions on the wrong basis and for too long a period. So whoever asks names the basis, for
each recipient, and it is checked, never searched for: a basis that happened to fit would make any question lawful.

First, who of ours: a system that may use this contract (`config/askers.toml`). Then the gates of `gates`, as they are
asked on the way out: this module makes a request of one recipient's part of a command, and a decision of what the gates
say. It compares no law and no purpose itself.

The days of the event are those that are asked about, all of them: a period that reaches over a change of law is judged
by both texts. Without a period it is the first day of what the case is about. What is forbidden among the fields that
all recipients share is taken away, because another recipient may have it; meant for this very one it denies (an
employer gets no diagnosis). Surplus is taken away and reported.

Protected identity. Fields that locate are withheld of whoever is protected, and of whoever is not known not to be: what
has gone out cannot be taken back, so unknown is treated as protected. Free text may locate too, so then a person reads
it whatever has been decided for the flow. A question to the folkbokföring is how the unknown becomes known; it has
nothing that locates, so it goes. The recipient is never told of the mark: not as a field (`outward`), and what it gets
differs by absence alone.

The same law, command and knowledge give the same decision. Nothing is read, and nothing is filled in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from gateway import endings
from gateway.config.law import SENT, Direction
from gateway.dispatch import Citation, Command, Interaction, Permitted, Queued
from gateway.errors import PurposeError
from gateway.message import Decision, Outcome, Protection, Value, Withheld
from gateway.privacy import engine, protected, referral
from gateway.privacy.law import Law, cited
from gateway.privacy.reasons import Reason
from gateway.privacy.request import Actor, CaseProof, Consent, Party, Request
from gateway.privacy.rule import InForce, Rule
from gateway.privacy.setting import NOTHING, Setting, Way, divided, says
from gateway.review import NOTHING as UNANSWERED
from gateway.review import Answered
from gateway.swedish import swedish_day

_DIRECTIONS = {Interaction.ASK: Direction.FK_QUESTION, Interaction.SEND: Direction.FK_PUSH}


class Stopped(PurposeError):  # noqa: N818  # what becomes of a dispatch, and no fault of anybody's
    """It does not go: denied, or left to a person. The detail names reason codes, nothing out of the command."""

    def __init__(self, decision: Decision) -> None:
        """`decision` is DENY or REFER."""
        code = endings.REFERRED if decision.outcome is Outcome.REFER else endings.DENIED
        super().__init__(code, ", ".join(decision.reasons))
        self.decision = decision


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meant:
    """A dispatch, the version of the basis that it names, and what is known of the person."""

    queued: Queued
    kind: str
    rule: Rule
    fields: Mapping[str, Value]
    """What is common to all recipients, and what is only for this one."""
    protection: Protection
    answered: Answered

    def decided(
        self,
        outcome: Outcome,
        reasons: tuple[str, ...],
        *,
        on: InForce | None = None,
        granted: Mapping[str, Value] | None = None,
        withheld: tuple[Withheld, ...] = (),
    ) -> Decision:
        """Return a decision. It names the basis only if it is of the register: an unknown name may be anything."""
        return Decision(
            record=self.queued.recipient.position,
            kind=self.kind,
            person=self.queued.command.person,
            outcome=outcome,
            quarantined=False,
            reasons=reasons,
            basis=self.rule.basis or None,
            lagrum=() if on is None else on.versions,
            fields=granted or {},
            withheld=withheld,
            protection=self.protection,
            learned=None,
            stated_at=0,
            labels=self.rule.labels if outcome is Outcome.PERMIT else None,
            answered=self.answered,
        )


def permit(  # noqa: PLR0913  # each a fact from another room
    queued: Queued,
    law: Law,
    known: protected.Known,
    *,
    partner_type: str,
    kind: str,
    at: datetime,
    answered: Answered = UNANSWERED,
) -> Permitted:
    """Judge what one recipient is to get.

    Args:
        queued: One recipient's part of a command.
        law: Bases, paragraphs and askers.
        known: What the folkbokföring has told us of a person.
        partner_type: Of the recipient, as in its file.
        kind: The information type that goes out by the command's contract.
        at: When it is decided.
        answered: What people have said yes to: set aside, and nothing else is.

    Raises:
        Stopped: DENY or REFER, with the whole decision.
    """
    command, today, (first, last) = queued.command, swedish_day(at), _days(queued.command)
    meant = _Meant(
        queued=queued,
        kind=kind,
        rule=_rule(law, queued.recipient.basis, first, today),
        fields={**command.fields, **queued.recipient.fields},
        protection=known(command.person),
        answered=answered,
    )
    reason = _asker(command, law)
    if reason is not None:
        raise Stopped(meant.decided(Outcome.DENY, (reason,)))
    in_force = meant.rule.paragraphs.on(first, last, today)
    setting = Setting(
        way=Way.OUT,
        today=today,
        in_force=in_force,
        strict=engine.strict(law),
        rules=law.rules,
        words=law.words,
        hides=protected.withholds(meant.protection, (), lambda _: meant.protection),
        answered=referral.holds(
            answered, meant.rule.basis, meant.protection, () if in_force is None else in_force.versions
        ),
    )
    outcome, reasons = engine.outcome(engine.walk(_request(meant, law, partner_type, first), meant.rule, setting))
    if outcome is not Outcome.PERMIT:
        raise Stopped(meant.decided(outcome, reasons, on=setting.in_force))
    return _released(meant, setting, law, first, answered)


def _days(command: Command) -> tuple[date, date]:
    """Return the first and the last day of the event."""
    period = command.period
    return (period.first, period.last) if period is not None else (command.case.period.first,) * 2


def _rule(law: Law, basis: str, event: date, today: date) -> Rule:
    """Return the version of the basis, if it is one for what the dispatcher carries."""
    rule = engine.named(law, basis, event, today)
    return rule if rule.direction in SENT and rule.contract is not None else NOTHING


def _asker(command: Command, law: Law) -> Reason | None:
    asker = law.askers.get(command.asker)
    if asker is None:
        return Reason.ASKER_UNKNOWN
    allowed = command.contract in asker.contracts and command.contract in law.interactions
    return None if allowed else Reason.CONTRACT_NOT_FOR_ASKER


def _request(meant: _Meant, law: Law, partner_type: str, event: date) -> Request:
    """Make a request of a command: its case proves itself, and what the contract settles is None."""
    command, recipient = meant.queued.command, meant.queued.recipient
    case, consent = command.case, command.consent
    return Request(
        id=command.id,
        direction=_DIRECTIONS[law.interactions[command.contract]],
        channel=None,
        partner=Party(organisation=recipient.organisation or "", type=partner_type, system="", proved=None),
        actor=Actor(
            id=command.asker, role="", unit="", automated=True, mandate=frozenset(law.askers[command.asker].purposes)
        ),
        purpose=command.purpose,
        lagrum=None,
        basis=recipient.basis,
        case=case.reference,
        proof=CaseProof(open=True, case=case.reference, subject=command.person.number, capacity="", period=case.period),
        benefit=case.benefit,
        subject=command.person.number,
        subject_role=None,
        event=event,
        period=command.period,
        fields=frozenset(meant.fields),
        trigger=None,
        provenance=None,
        protection=meant.protection,
        environment=None,
        audit_ready=None,
        suspicion=command.suspicion,
        consent=None
        if consent is None or not says(consent.reference)
        else Consent(reference=consent.reference, scope=consent.recipients, until=consent.until),
        contract=command.contract,
        kind=meant.kind,
        shared=frozenset(command.fields.keys() - recipient.fields.keys()),
        silent=frozenset(name for name, value in meant.fields.items() if not says(value)),
    )


def _released(meant: _Meant, setting: Setting, law: Law, event: date, answered: Answered) -> Permitted:
    """Return what goes: the fields that the basis names, less those that protection withholds.

    Where people were asked about a field that must be there and that protection withholds, their yes lets it go; and of
    what may go they may have let only some fields pass.
    """
    rule = meant.rule
    granted, less = divided(meant.fields, rule, setting.hides)
    if setting.hides in setting.answered:
        granted += [name for name, reason in less if reason is setting.hides and name in rule.required]
        less = [(name, reason) for name, reason in less if name not in granted]
    granted, less = referral.passing(answered, granted, less)
    if answered.fields is not None and not rule.required.issubset(granted):
        raise Stopped(meant.decided(Outcome.DENY, (Reason.FIELD_REQUIRED,), on=setting.in_force))
    withheld = tuple(Withheld(field=name, reason=reason) for name, reason in less)
    return Permitted(
        queued=meant.queued,
        decision=meant.decided(
            Outcome.PERMIT,
            tuple(dict.fromkeys(item.reason for item in withheld)),
            on=setting.in_force,
            granted={name: meant.fields[name] for name in granted},
            withheld=withheld,
        ),
        citation=Citation(purpose=meant.rule.purpose_text or "", lagrum=cited(meant.rule, event, setting.today)),
        policy=law.policy,
    )
