"""Why may this pass? Each record is judged by each basis for its kind: PERMIT, DENY or REFER, and denied by default.

The gates, tried in this order for each basis (the numbers are the order; the first that fails decides):

1. category: a forbidden kind of data has come, as a known field or given away by an unknown element's name. It comes
   first because having received it is already processing: the whole message is stopped and sealed apart;
2. partner: the basis is about this type of partner;
3. basis: valid on the day of the decision;
4. cited: what the partner itself cites is there and is what the basis accepts;
5. paragraphs: every one of them has a version in force on the day that is its own;
6. balancing: a paragraph that weighs interests needs a standing decision, else a person decides (REFER);
7. a person first: free text, and other kinds of data the basis leaves to a person (REFER).

The best outcome of any one basis holds, the earliest in the file among equals. Two bases are never added together, so a
field passes only if the basis that decided names it; and taking a basis away can never turn DENY into PERMIT. Then the
fields: those the basis names, less those that protection withholds (`protected`).

Everything a gate needs must be there. What is missing (a citation, a period's paragraph, a protection status) is never
filled in: it denies or withholds.

What becomes of the message: any forbidden category refuses it whole (PURPOSE_QUARANTINED). All records denied refuse it
(PURPOSE_DENIED). Otherwise it is accepted, record by record. A record that is REFERred gives no event: it lies sealed
with its leaf until a person has decided, and a message of nothing but such records is accepted too, because it came as
agreed and may not be lost while it waits. A message without records (a notice that nobody changed) has nothing to deny.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from gateway import codes
from gateway.dispatch import Answered
from gateway.errors import PurposeError
from gateway.message import (
    Category,
    ContractId,
    Decision,
    Outcome,
    Permitted,
    Record,
    Valid,
    Value,
    Withheld,
)
from gateway.privacy import citation, protected
from gateway.privacy.law import SPECIAL, InForce, Kind, Law, Rule
from gateway.privacy.reasons import Reason
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
    setting = Setting(
        contract=valid.provenance.contract,
        partner_type=law.partner_types.get(valid.provenance.partner),
        day=swedish_day(valid.provenance.received_at),
    )
    known = protected.within(valid.records, known)
    decisions = tuple([decide(record, setting, law, known) for record in valid.records])
    hold(decisions)
    return Permitted(provenance=valid.provenance, decisions=decisions, policy=law.policy, evidence=valid.evidence)


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
    stops: list[_Stop] = []
    for rule in kind.rules:
        judged = _judge(rule, record, setting, gives_away)
        if isinstance(judged, InForce):
            return _permitted(rule, judged.versions, record, kind, known)
        stops.append(judged)
    return _stopped(_best(stops, kind, record, gives_away), record, known)


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


def _judge(rule: Rule, record: Record, setting: Setting, gives_away: frozenset[Category]) -> InForce | _Stop:
    """Try the gates in order; return the paragraphs that let the record pass, or why it stops."""
    reason = _denies(rule, record, setting, gives_away)
    if reason is not None:
        return _Stop(Outcome.DENY, rule.basis, (reason,))
    by_event, by_decision = rule.by_event.on(record.period_from), rule.by_decision.on(setting.day)
    if by_event is None or by_decision is None:  # 5
        return _Stop(Outcome.DENY, rule.basis, (Reason.LAGRUM_NOT_IN_FORCE,))
    in_force = by_event.also(by_decision)
    reasons = list(_to_a_person(rule, record)) if rule.referred else []  # 7
    if in_force.open_test:  # 6
        reasons.insert(0, Reason.BALANCING_TEST_OPEN)
    if reasons:
        return _Stop(Outcome.REFER, rule.basis, tuple(reasons), in_force.versions)
    return in_force


def _denies(rule: Rule, record: Record, setting: Setting, gives_away: frozenset[Category]) -> Reason | None:
    if not rule.forbidden_fields.isdisjoint(record.fields) or not rule.forbidden.isdisjoint(gives_away):  # 1
        return Reason.FORBIDDEN_CATEGORY
    if rule.partner_type != setting.partner_type:  # 2
        return Reason.PARTNER_TYPE_MISMATCH
    if setting.day < rule.valid_from:  # 3
        return Reason.BASIS_NOT_YET_VALID
    if setting.day > rule.valid_until:
        return Reason.BASIS_EXPIRED
    if rule.cited is not None and not _cites(rule.cited, record.cited):  # 4
        return Reason.CITED_BASIS_MISMATCH
    return None


def _best(stops: list[_Stop], kind: Kind, record: Record, gives_away: frozenset[Category]) -> _Stop:
    """Return the first REFER, else one DENY with every basis' reason."""
    for stop in stops:
        if stop.outcome is Outcome.REFER:
            return stop
    if not stops:
        special = not kind.special_fields.isdisjoint(record.fields) or not SPECIAL.isdisjoint(gives_away)
        return _Stop(Outcome.DENY, None, (Reason.NO_BASIS, *((Reason.FORBIDDEN_CATEGORY,) if special else ())))
    reasons = tuple(dict.fromkeys(reason for stop in stops for reason in stop.reasons))
    return _Stop(Outcome.DENY, stops[0].basis if len(stops) == 1 else None, reasons)


def _cites(accepted: frozenset[str], cited: tuple[str, ...]) -> bool:
    return bool(cited) and all(citation.normal(text) in accepted for text in cited)


def _to_a_person(rule: Rule, record: Record) -> Iterator[Reason]:
    categories = {rule.referred[name] for name in record.fields if name in rule.referred}
    if Category.FRITEXT in categories:
        yield Reason.FREE_TEXT
    if categories - {Category.FRITEXT}:
        yield Reason.REFERRED_CATEGORY


def _permitted(rule: Rule, lagrum: tuple[str, ...], record: Record, kind: Kind, known: protected.Known) -> Decision:
    """Let the fields through that the basis names, less those that protection withholds."""
    protection = protected.status(record, known)
    hides = None
    if not kind.locating.isdisjoint(record.fields):
        hides = protected.withholds(protection, record.related, known)
    granted: dict[str, Value] = {}
    withheld: list[Withheld] = []
    for name, value in record.fields.items():
        if name not in rule.fields:
            # Before protection, so that what the sender may be told does not depend on the person (`coarse`).
            withheld.append(Withheld(field=name, reason=Reason.FIELD_NOT_IN_BASIS))
        elif hides is not None and name in kind.locating:
            withheld.append(Withheld(field=name, reason=hides))
        else:
            granted[name] = value
    learned = protected.stated_by_source(record)
    return Decision(
        record=record.position,
        kind=record.kind,
        person=record.person,
        outcome=Outcome.PERMIT,
        quarantined=False,
        reasons=tuple(dict.fromkeys(item.reason for item in withheld)) if withheld else (),
        basis=rule.basis,
        lagrum=lagrum,
        fields=granted,
        withheld=tuple(withheld),
        protection=protection,
        learned=learned,
        stated_at=0 if learned is None else record.stated_at,
        labels=rule.labels,
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
    )


def _detail(decisions: Sequence[Decision]) -> str:
    told = [f"record {decision.record}: {', '.join(decision.reasons)}" for decision in decisions[:_TOLD]]
    rest = len(decisions) - len(told)
    return "; ".join(told) + (f"; and {rest} more" if rest else "")
