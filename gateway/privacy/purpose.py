"""Why may this pass? Each record is judged by each basis for its kind: PERMIT, DENY or REFER, and denied by default.

The gates are those of `gates`, as they are asked on the way in: this module makes a request of a record, and a decision
of what the gates say. It compares nothing itself.

Of each basis the version that counts on the day that is its own is asked, and no other (`engine.named`). The best
outcome of any one basis holds, the earliest in the file among equals. Two bases are never added together, so a field
passes only if the basis that decided names it; and taking a basis away can never turn DENY into PERMIT. Then the
fields: those the basis names, less those that protection withholds (`protected`).

Everything a gate needs must be there. What is missing (a citation, a period's paragraph, a protection status) is never
filled in: it denies or withholds. An answer to a question of ours has what the question had: its case's benefit,
consent and suspicion. A message that comes by itself has none of them.

What becomes of the message: any forbidden category refuses it whole (PURPOSE_QUARANTINED), unless some basis lets the
record in. All records denied refuse it (PURPOSE_DENIED). Otherwise it is accepted, record by record. A record that is
REFERred gives no event: it lies sealed with its leaf until a person has decided, and a message of nothing but such
records is accepted too, because it came as agreed and may not be lost while it waits. A message without records (a
notice that nobody changed) has nothing to deny.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache, partial

from gateway import codes
from gateway.config.law import Direction
from gateway.dispatch import Answered, Command
from gateway.errors import PurposeError
from gateway.message import (
    Category,
    ContractId,
    Decision,
    Facts,
    Outcome,
    Permitted,
    Protection,
    Record,
    Valid,
    Withheld,
)
from gateway.privacy import engine, protected, referral
from gateway.privacy.law import Kind, Law
from gateway.privacy.reasons import Reason
from gateway.privacy.request import Consent, Party, Request
from gateway.privacy.rule import SPECIAL, InForce, Rule
from gateway.privacy.setting import Setting as Judging
from gateway.privacy.setting import Way, divided, says
from gateway.review import NOTHING as UNANSWERED
from gateway.review import RELEASED
from gateway.review import Answered as Answers
from gateway.swedish import swedish_day

_TOLD = 10
"""Records named in an error's detail: an operator sees the pattern, and the log stays readable."""
_NOTHING: frozenset[Category] = frozenset()
_UNHEARD = Kind(rules=(), locating=frozenset(), special_fields=frozenset())


class Coarse(StrEnum):
    """What a sender may be told of one record."""

    OK = "OK"
    """Taken in. Says nothing of what was withheld to protect somebody."""
    OK_REDUCED = "OK-REDUCED"
    """Taken in, less fields that no basis lets us have: stop sending them."""
    REFERRED = "REFERRED"
    """Waits for a person here."""
    DENIED = "DENIED"
    """No basis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What every record of a message is judged in."""

    contract: ContractId
    partner_type: str | None
    """None where the partner has none: then every basis denies."""
    day: date
    """The Swedish day of the decision."""
    answers: Command | None = None
    """What it answers, where we asked."""
    answered: Answers = UNANSWERED
    """What people have said yes to, of one record."""
    released: bool = False
    """True where people let a quarantined message in, without what may not come: that is then no reason against it."""


@dataclass(frozen=True, slots=True)
class _Stop:
    """Why a record does not pass by one basis, or by any."""

    outcome: Outcome
    """DENY or REFER."""
    basis: str | None
    reasons: tuple[Reason, ...]
    lagrum: tuple[str, ...] = ()


def permit(valid: Valid | Answered, law: Law, known: protected.Known) -> Permitted:
    """Judge every record of a message, or of an answer; `known` tells what the folkbokföring has said of a person.

    Raises:
        PurposeError: PURPOSE_QUARANTINED where a record carries a forbidden category; PURPOSE_DENIED where there are
            records and all are denied. The detail names positions and reason codes, nothing out of the message.
    """
    setting = _of(valid, law, valid.provenance.received_at)
    known = protected.within(valid.records, known)
    facts = _facts(setting, came=valid.provenance.received_at)
    decisions = tuple([
        replace(decide(record, setting, law, known), facts=facts(record)) for record in valid.records
    ])  # fmt: skip
    hold(decisions)
    return Permitted(provenance=valid.provenance, decisions=decisions, policy=law.policy, evidence=valid.evidence)


def again(  # noqa: PLR0913  # the record, what is known, and what people answered
    valid: Valid,
    law: Law,
    known: protected.Known,
    *,
    record: int | None,
    answered: Answers,
    at: datetime,
    asked: Command | None = None,
) -> Permitted:
    """Judge one record of a message once more, by the law of now: what people have answered is set aside, nothing else.

    Args:
        valid: The message.
        law: That of now.
        known: What is known of persons now.
        record: The record's position.
        answered: What people said yes to.
        at: When.
        asked: What it answers, where we asked.
    """
    released = RELEASED in answered.reasons
    setting = replace(_of(valid, law, at), answered=answered, answers=asked, released=released)
    known = protected.within(valid.records, known)
    facts = _facts(setting, came=valid.provenance.received_at)
    decisions = tuple([
        replace(decide(one, setting, law, known), facts=facts(one), answered=answered)
        for one in valid.records if one.position == record
    ])  # fmt: skip
    return Permitted(provenance=valid.provenance, decisions=decisions, policy=law.policy, evidence=valid.evidence)


def release(valid: Valid, law: Law, known: protected.Known, at: datetime) -> Permitted:
    """Judge a quarantined message that people let in, by the law of now: of each record, only what a basis names.

    Raises:
        PurposeError: PURPOSE_DENIED where all records are denied even so.
    """
    setting = replace(_of(valid, law, at), released=True)
    known = protected.within(valid.records, known)
    facts = _facts(setting, came=valid.provenance.received_at)
    decisions = tuple([replace(decide(one, setting, law, known), facts=facts(one)) for one in valid.records])
    hold(decisions)
    return Permitted(provenance=valid.provenance, decisions=decisions, policy=law.policy, evidence=valid.evidence)


def _of(valid: Valid | Answered, law: Law, at: datetime) -> Setting:
    return Setting(
        contract=valid.provenance.contract,
        partner_type=law.partner_types.get(valid.provenance.partner),
        day=swedish_day(at),
        answers=valid.signed.composed.queued.command if isinstance(valid, Answered) else None,
    )


def _facts(setting: Setting, *, came: datetime) -> Callable[[Record], Facts]:
    """Return what says what a record was judged by: its leaf keeps it, to try later registers on (`replaying`)."""
    asked = setting.answers
    consent = None if asked is None else asked.consent
    held = consent if consent is not None and says(consent.reference) else None
    said = partial(
        Facts,
        answers=asked is not None,
        benefit=None if asked is None else asked.case.benefit,
        consent=None if held is None else (tuple(sorted(held.recipients)), held.until),
        suspicion=asked is not None and asked.suspicion is not None,
        decided=None if setting.day == swedish_day(came) else setting.day,
        released=setting.released,
    )
    return lambda record: said(
        event=record.period_from,
        fields=tuple(sorted(record.fields)),
        cited=record.cited,
        unknown=record.extensions,
    )


def hold(decisions: Sequence[Decision]) -> None:
    """Refuse the message that these decisions refuse as a whole.

    Raises:
        PurposeError: as `permit`.
    """
    quarantined = [decision for decision in decisions if decision.quarantined]
    if quarantined:
        raise PurposeError(codes.PURPOSE_QUARANTINED, _detail(quarantined))
    if decisions and all(decision.outcome is Outcome.DENY for decision in decisions):
        raise PurposeError(codes.PURPOSE_DENIED, _detail(decisions))


def decide(record: Record, setting: Setting, law: Law, known: protected.Known) -> Decision:
    """Judge one record by every basis for its kind; the best outcome holds."""
    kind = law.kinds.get((setting.contract, record.kind), _UNHEARD)
    gives_away = law.words.categories(record.extensions) if record.extensions else _NOTHING
    request = _request(record, setting, gives_away)
    strict = engine.strict(law)
    stops: list[_Stop] = []
    asked = setting.answered is not UNANSWERED
    protection = protected.status(record, known) if asked else Protection.UNKNOWN
    for rule in _counting(kind, record.period_from, setting.day, law):
        in_force = rule.paragraphs.on(record.period_from, record.period_from, setting.day)
        judging = Judging(
            way=Way.IN,
            today=setting.day,
            in_force=in_force,
            strict=strict,
            rules=law.rules,
            words=law.words,
            answered=referral.holds(setting.answered, rule.basis, protection, _versions(in_force))
            if asked
            else frozenset(),
        )
        found = engine.walk(_named(request, rule) if setting.released else request, rule, judging)
        if not found and in_force is not None:
            return _permitted(rule, in_force, record, kind, known, answered=setting.answered)
        outcome, reasons = engine.outcome(found)
        referred = in_force.versions if in_force is not None and outcome is Outcome.REFER else ()
        stops.append(_Stop(outcome, rule.basis, reasons, referred))
    stopped = _stopped(_best(stops, kind, record, gives_away), record, known)
    return replace(stopped, quarantined=False) if setting.released else stopped


def _counting(kind: Kind, event: date, today: date, law: Law) -> Iterator[Rule]:
    """Yield of every basis for the kind the version that counts, in the files' order.

    Where none holds, it is the one that gate 4 says so of. What another version forbids is no reason today.
    """
    last = ""
    for rule in kind.rules:  # the versions of a basis stand together
        if rule.basis != last:
            last = rule.basis
            yield engine.named(law, last, event, today)


def _versions(in_force: InForce | None) -> tuple[str, ...]:
    return () if in_force is None else in_force.versions


def _named(request: Request, rule: Rule) -> Request:
    """Return a request for what the basis names alone: what may not come is no part of what is released."""
    return replace(request, fields=(request.fields or frozenset()) & (rule.fields - rule.forbidden_fields), given={})


def coarse(decision: Decision) -> str:
    """Return what the sender may be told of this record.

    It depends on the message and the law alone, never on the person: a field withheld for protection gives the same
    answer as a field let through, so no answer tells an employer that an employee is protected (OSL 21 kap. 3 §).
    """
    match decision.outcome:
        case Outcome.DENY:
            return Coarse.DENIED
        case Outcome.REFER:
            return Coarse.REFERRED
        case Outcome.PERMIT:
            return Coarse.OK_REDUCED if Reason.FIELD_NOT_IN_BASIS in decision.reasons else Coarse.OK


def _request(record: Record, setting: Setting, gives_away: frozenset[Category]) -> Request:
    """Make a request of a record: what a message can say, and what our question said where it answers one."""
    fields = frozenset(record.fields)
    request = _arrived(setting.partner_type, record.period_from, fields, gives_away, record.cited)
    if setting.answers is None:
        return request
    asked, consent = setting.answers, setting.answers.consent
    return replace(
        request,
        direction=Direction.INBOUND_ANSWER,
        benefit=asked.case.benefit,
        suspicion=asked.suspicion,
        consent=None
        if consent is None or not says(consent.reference)
        else Consent(reference=consent.reference, scope=consent.recipients, until=consent.until),
    )


@lru_cache(maxsize=1024)
def _arrived(
    partner_type: str | None,
    event: date,
    fields: frozenset[str],
    gives_away: frozenset[Category],
    quoted: tuple[str, ...],
) -> Request:
    """Return the request that every such record makes: nothing of a person is in it, so most records share a few."""
    return Request(
        id=None,
        direction=Direction.INBOUND_PUSH,
        channel=None,
        partner=None if partner_type is None else Party(organisation="", type=partner_type, system="", proved=None),
        actor=None,
        purpose=None,
        lagrum=None,
        basis=None,
        case=None,
        proof=None,
        benefit=None,
        subject=None,
        subject_role=None,
        event=event,
        period=None,
        fields=fields,
        trigger=None,
        provenance=None,
        protection=None,
        environment=None,
        audit_ready=None,
        given={category.value: category for category in gives_away},
        quoted=quoted,
    )


def _best(stops: list[_Stop], kind: Kind, record: Record, gives_away: frozenset[Category]) -> _Stop:
    """Return the first REFER, else one DENY with every basis' reason."""
    for stop in stops:
        if stop.outcome is Outcome.REFER:
            return stop
    if not stops:
        special = not kind.special_fields.isdisjoint(record.fields) or not SPECIAL.isdisjoint(gives_away)
        return _Stop(Outcome.DENY, None, (Reason.NO_BASIS, *((Reason.FORBIDDEN_CATEGORY,) if special else ())))
    reasons = tuple(dict.fromkeys(reason for stop in stops for reason in stop.reasons))
    named = {stop.basis for stop in stops}
    return _Stop(Outcome.DENY, stops[0].basis if len(named) == 1 else None, reasons)


def _permitted(  # noqa: PLR0913  # the record, the basis, and what people have let pass
    rule: Rule, in_force: InForce, record: Record, kind: Kind, known: protected.Known, *, answered: Answers
) -> Decision:
    """Let the fields through that the basis names, less those that protection or people withhold."""
    protection = protected.status(record, known)
    hides = None
    if not kind.locating.isdisjoint(record.fields):
        hides = protected.withholds(protection, record.related, known)
    granted, less = referral.passing(answered, *divided(record.fields, rule, hides))
    withheld = tuple([Withheld(field=name, reason=reason) for name, reason in less])
    learned = protected.stated_by_source(record)
    return Decision(
        record=record.position,
        kind=record.kind,
        person=record.person,
        outcome=Outcome.PERMIT,
        quarantined=False,
        reasons=tuple(dict.fromkeys(item.reason for item in withheld)) if withheld else (),
        basis=rule.basis,
        lagrum=in_force.versions,
        fields={name: record.fields[name] for name in granted} if withheld else record.fields,
        withheld=withheld,
        protection=protection,
        learned=learned,
        stated_at=0 if learned is None else record.stated_at,
        labels=rule.labels,
        related=record.related,
    )


def _stopped(stop: _Stop, record: Record, known: protected.Known) -> Decision:
    """Let nothing through. A protection it states is still learned; what may not be used may not lift one."""
    learned = protected.raised_by_source(record)
    return Decision(
        record=record.position,
        kind=record.kind,
        person=record.person,
        outcome=stop.outcome,
        quarantined=Reason.FORBIDDEN_CATEGORY in stop.reasons,
        reasons=stop.reasons,
        basis=stop.basis,
        lagrum=stop.lagrum,
        fields={},
        withheld=(),
        protection=protected.status(record, known),
        learned=learned,
        stated_at=0 if learned is None else record.stated_at,
        labels=None,
        related=record.related,
    )


def _detail(decisions: Sequence[Decision]) -> str:
    told = [f"record {decision.record}: {', '.join(decision.reasons)}" for decision in decisions[:_TOLD]]
    rest = len(decisions) - len(told)
    return "; ".join(told) + (f"; and {rest} more" if rest else "")
