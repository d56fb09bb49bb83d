"""Recorded decisions judged again by another register: which would be different, before that register goes live.

Only the sealed record of a decision's leaf is read: names of fields, never values, and what else the gates were told
(`judged`). The very code judges that judged then (`purpose.decide`, `disclosure.permit`), so nothing of the law is said
twice. Where a record does not tell what a gate asks for, it is not replayed, and why is counted; nothing is filled in:

* records of an earlier version, which do not tell the day of the event or what fields there were;
* a message that was refused whole: its records were never written;
* a basis that its asker named and that the register did not have: unknown names are not written down;
* a field that locates, would pass now and did not then: whether another person in it is protected is not recorded.

What people had said yes to is one of the inputs, and holds under the new register as it would there (`referral.holds`):
about the same basis, by the same paragraphs. Where the new register asks something else the yes answers nothing, and
the difference names it (`Replayed.answered`). A person's no, and none in time, are not the law's and not replayed.

And each is first judged once more by the register that it was judged by (`store.registers`). Only if that gives the
decision that was made is the answer of the other register worth anything; else something decided that no record holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from gateway.dispatch import AskerId, Case, Command, CommandId, Consent, DispatchId, Period, Queued, Recipient
from gateway.message import (
    ContractId,
    Decision,
    Labels,
    NumberKind,
    OrganisationNumber,
    Outcome,
    PartnerId,
    Person,
    Protection,
    Record,
    Value,
)
from gateway.privacy import disclosure, purpose
from gateway.privacy.law import Law
from gateway.privacy.reasons import Reason
from gateway.review import NOTHING, Answered
from gateway.swedish import swedish_day

_SHIELDED = frozenset({Reason.PROTECTED_IDENTITY, Reason.PROTECTION_UNKNOWN, Reason.PROTECTED_RELATED})
_NOBODY = Person(number="", kind=NumberKind.OTHER, check_digit_valid=False)


class Lacking(Exception):  # noqa: N818  # no fault: what cannot be replayed, and why
    """The record does not tell what a gate asks for. The text says what; it holds nothing out of the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a decision came to."""

    outcome: Outcome
    basis: str | None
    reasons: frozenset[str]
    """Why not; empty for PERMIT, whose fields tell all."""
    granted: frozenset[str]
    lagrum: frozenset[str]
    labels: Labels | None
    """What binds it, where it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One decision, then and now."""

    then: Said
    now: Said
    answered: Answered = NOTHING
    """What people had said yes to: an input, as what came is."""

    def differs(self) -> tuple[str, ...]:
        """Return in what: names of `Said`; none where it is the same."""
        names = ("outcome", "granted", "reasons", "basis", "lagrum", "labels")
        return tuple(name for name in names if getattr(self.then, name) != getattr(self.now, name))


def replay(record: Mapping[str, Any], then: Law, now: Law) -> Replayed:
    """Judge a recorded decision again.

    Args:
        record: The hidden record of a leaf, of the kind decision, intent, or review with what the law then said.
        then: The register that it names, compiled.
        now: The register to try.

    Raises:
        Lacking: It cannot be replayed, and why.
    """
    outward = record.get("direction") == "out" or record.get("kind") == "intent"
    judge = _outward if outward else _inward
    first = judge(record, then)
    recorded = _recorded(record, first.labels)
    if replace(first, labels=recorded.labels) != recorded:
        raise Lacking("its own register does not give this decision again: something decided that the record lacks")
    again = judge(record, now)
    _hold(record, recorded, again, now)
    return Replayed(then=replace(recorded, labels=first.labels), now=again, answered=_answered(_told(record)))


def _recorded(record: Mapping[str, Any], labels: Labels | None) -> Said:
    outcome = Outcome(record.get("outcome", Outcome.PERMIT))
    permitted = outcome is Outcome.PERMIT
    return Said(
        outcome=outcome,
        basis=record["basis"],
        reasons=frozenset() if permitted else frozenset(record["reasons"]),
        granted=frozenset(record.get("granted", ())),
        lagrum=frozenset(record["lagrum"]),
        labels=labels,
    )


def _said(decision: Decision) -> Said:
    permitted = decision.outcome is Outcome.PERMIT
    return Said(
        outcome=decision.outcome,
        basis=decision.basis,
        reasons=frozenset() if permitted else frozenset(map(str, decision.reasons)),
        granted=frozenset(decision.fields),
        lagrum=frozenset(decision.lagrum),
        labels=decision.labels,
    )


def _told(record: Mapping[str, Any]) -> Mapping[str, Any]:
    judged = record.get("judged")
    if not isinstance(judged, Mapping):
        raise Lacking("it is of an earlier version, whose records do not tell what was judged by")
    return judged


def _answered(judged: Mapping[str, Any]) -> Answered:
    """Return what people had said yes to. Records of before it was told have none."""
    said = judged.get("answered")
    if said is None:
        return NOTHING
    return Answered(
        reasons=frozenset(said["reasons"]),
        fields=None if said["fields"] is None else frozenset(said["fields"]),
        basis=said["basis"],
        lagrum=None if said["lagrum"] is None else tuple(said["lagrum"]),
    )


def _decided(record: Mapping[str, Any], judged: Mapping[str, Any]) -> date:
    """Return the Swedish day whose law counted."""
    if judged.get("decided") is not None:
        return date.fromisoformat(judged["decided"])
    return swedish_day(_instant(record["settled" if record["kind"] == "review" else "received"]))


def _inward(record: Mapping[str, Any], law: Law) -> Said:
    judged = _told(record)
    fields: dict[str, Value] = dict.fromkeys(judged["fields"])
    one = Record(
        position=record["record"],
        kind=record["information"],
        person=_NOBODY,
        fields=fields,
        period_from=date.fromisoformat(judged["event"]),
        cited=tuple(judged["cited"]),
        extensions=tuple(judged["unknown"]),
    )
    setting = purpose.Setting(
        contract=ContractId(record["contract"]),
        partner_type=law.partner_types.get(PartnerId(record["partner"])),
        day=_decided(record, judged),
        answers=_asked(record, judged) if judged["answers"] else None,
        answered=_answered(judged),
        released=judged.get("released", False),
    )
    protection = Protection(record["protection"])
    decision = purpose.decide(one, setting, law, lambda _: protection)
    shielded = {item["field"]: item["reason"] for item in record["withheld"] if item["reason"] in _SHIELDED}
    return _said(replace(decision, fields={name: None for name in decision.fields if name not in shielded}))


def _asked(record: Mapping[str, Any], judged: Mapping[str, Any]) -> Command:
    """Return as much of our question as the gates of an answer ask of it."""
    day = date.fromisoformat(judged["event"])
    return _command(
        record, judged, person=_NOBODY, case=Case(reference="", benefit=judged["benefit"], period=_days(day, day)),
        suspicion="recorded" if judged["suspicion"] else None,
        at=_instant(record["settled" if record["kind"] == "review" else "received"]),
    )  # fmt: skip


def _outward(record: Mapping[str, Any], law: Law) -> Said:
    judged = _told(record)
    if record["basis"] is None:
        raise Lacking("the basis that was named is not in its register, and such a name is not written down")
    at = _instant(record["decided" if "decided" in record else "composed"])
    silent, own = frozenset(judged["silent"]), frozenset(judged["own"])
    case = Case(reference=record["case"], benefit=judged["benefit"], period=_period(judged["case_period"]))
    values: dict[str, Value] = {name: None if name in silent else "x" for name in judged["fields"]}
    to = Recipient(
        position=record["record"],
        partner=PartnerId(record["partner"]),
        organisation=OrganisationNumber(record["organisation"] or ""),
        basis=record["basis"],
        fields={name: value for name, value in values.items() if name in own},
    )
    command = _command(record, judged, person=_NOBODY, case=case, suspicion=record["suspicion"], at=at, to=to)
    shared = {name: value for name, value in values.items() if name not in own}
    queued = Queued(dispatch=DispatchId(record["dispatch"]), command=replace(command, fields=shared), recipient=to)
    protection = Protection(record["protection"])
    partner_type = law.partner_types.get(to.partner)
    if partner_type is None:
        raise Lacking("its recipient is no partner any more")
    try:
        decision = disclosure.permit(
            queued, law, lambda _: protection, partner_type=partner_type, kind=record["information"], at=at,
            answered=_answered(judged),
        ).decision  # fmt: skip
    except disclosure.Stopped as stopped:
        decision = stopped.decision
    return _said(decision)


def _command(  # noqa: PLR0913  # a command's own parts
    record: Mapping[str, Any],
    judged: Mapping[str, Any],
    *,
    person: Person,
    case: Case,
    suspicion: str | None,
    at: datetime,
    to: Recipient | None = None,
) -> Command:
    consent = judged["consent"]
    return Command(
        id=CommandId(record.get("command", "")),
        asker=AskerId(record.get("asker", "")),
        contract=ContractId(record["contract"]),
        purpose=record.get("purpose", ""),
        case=case,
        person=person,
        period=_period(record["period"]) if record.get("period") else None,
        fields={},
        recipients=() if to is None else (to,),
        consent=None
        if consent is None
        else Consent(
            reference=record.get("consent") or "recorded",
            recipients=frozenset(consent["recipients"]),
            until=date.fromisoformat(consent["until"]),
        ),
        suspicion=suspicion,
        at=at,
        expires=at,
    )


def _hold(record: Mapping[str, Any], then: Said, again: Said, law: Law) -> None:
    """Refuse an answer that rests on what the record does not tell: whether somebody else in it is protected."""
    new = again.granted - then.granted
    locating = {name for versions in law.rules.values() for rule in versions for name in rule.locating & new}
    if locating and record.get("kind") != "intent" and record.get("direction") != "out":
        raise Lacking("a field that locates would pass, and it is not recorded whether another person is protected")


def _instant(written: str) -> datetime:
    return datetime.fromisoformat(written)


def _days(first: date, last: date) -> Period:
    return Period(first=first, last=last)


def _period(written: Mapping[str, str]) -> Period:
    return _days(date.fromisoformat(written["first"]), date.fromisoformat(written["last"]))
