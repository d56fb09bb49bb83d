"""A whole request that the register permits, made from one of its own rows: what people start from, and change.

Everything in it is what the row asks for: a purpose, its partner type, its fields, a condition that is met. What
would leave it to a person (free text, what secrecy covers) is left out where the row can do without. The person is one
of Skatteverket's official test numbers, so it is a request in test and about nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from gateway.config.law import INWARD, Condition, Direction, SubjectRole
from gateway.message import Category, Outcome
from gateway.privacy import engine, purposes, reading
from gateway.privacy.law import Law
from gateway.privacy.parties import PartnerType
from gateway.privacy.rule import InForce, Rule
from gateway.swedish import swedish_day

PERSON: Final = "189001019802"
"""One of Skatteverket's official test numbers."""
OTHER: Final = "5560269986"
"""Stands for an organisation in tests: as in the demonstration."""
_OURS: Final = frozenset(Direction) - {Direction.PARTNER_QUESTION, Direction.FK_ANSWER}
"""Directions where the case is one of ours, so that its benefit is too."""
_CASE: Final = "EXEMPEL-1"


def permitted(law: Law, direction: Direction, at: datetime) -> Mapping[str, Any] | None:
    """Return a request of this direction that `engine.decide` permits; None where the register permits none.

    Args:
        law: The register.
        direction: Which way the information goes.
        at: When it would be decided.
    """
    for versions in law.rules.values():
        for rule in reversed(versions):
            request = of(rule, at) if rule.direction is direction else None
            if request is not None and outcome(request, law, at) is Outcome.PERMIT:
                return request
    return None


def by(law: Law, basis: str, at: datetime) -> Mapping[str, Any] | None:
    """Return a request on this very basis, permitted or left to a person; None where it holds on no such day.

    Args:
        law: The register.
        basis: One of its bases.
        at: When it would be decided.
    """
    requests = (of(rule, at) for rule in reversed(law.rules.get(basis, ())))
    return next((one for one in requests if one is not None), None)


def outcome(request: Mapping[str, Any], law: Law, at: datetime) -> Outcome:
    """Return what the register says of a request."""
    return Outcome(engine.decide(reading.read(request, law.words), law, at).outcome)


def of(rule: Rule, at: datetime) -> dict[str, Any] | None:
    """Return a request for all that a row lets through; None where it holds on no day just before that of `at`."""
    today = swedish_day(at)
    event = _event(rule, today)
    in_force = rule.paragraphs.on(event, event, today)
    if not rule.valid_from <= (event if rule.by_event_day else today) <= rule.valid_until or in_force is None:
        return None
    condition = next(iter(rule.any_of), Condition())
    role, benefit = _role(rule, condition), _benefit(rule, condition)
    subject = OTHER if role is SubjectRole.JURIDISK else PERSON
    last = event + timedelta(days=min(27, (rule.longest_period or 28) - 1))
    request: dict[str, Any] = {
        "requestId": "exempel-0001",
        "direction": rule.direction.value,
        "channelType": min(rule.channels),
        "partner": _partner(rule),
        "actor": _actor(rule),
        "purpose": _purpose(rule),
        "lagrum": _cited(rule, in_force),
        "basisId": rule.basis,
        "caseRef": _CASE,
        "caseProof": {
            "open": True,
            "caseRef": _CASE,
            "subject": subject,
            "capacity": role.value,
            "period": {
                "fom": (event - timedelta(days=180)).isoformat(),
                "tom": (last + timedelta(days=180)).isoformat(),
            },
        },
        "benefit": benefit,
        "subject": {"pid": subject, "role": role.value},
        "eventDate": event.isoformat(),
        "period": {"fom": event.isoformat(), "tom": last.isoformat()},
        "fieldsRequested": sorted(_fields(rule, in_force)),
        "trigger": min(rule.triggers),
        "dataProvenance": [],
        "sidStatus": "none",
        "environment": "test",
        "auditReady": True,
    }
    if rule.suspicion or condition.suspicion:
        request["suspicionRef"] = "EXEMPEL-PM-1"
    if rule.consent:
        until = (today + timedelta(days=90)).isoformat()
        request["consentRef"] = {"ref": "EXEMPEL-S-1", "scope": sorted(rule.partner_types), "validTo": until}
    return request


def _event(rule: Rule, today: date) -> date:
    """Return a day of last month, or the last on which the row held."""
    last_month = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    return max(last_month, rule.valid_from) if rule.by_event_day else last_month


def _actor(rule: Rule) -> dict[str, str]:
    """Return an official; the registered for what only the registered may see."""
    if rule.partner_types == {PartnerType.ENSKILD} and rule.direction not in INWARD:
        return {"id": PERSON, "role": "registrerad", "unit": "mina-sidor"}
    return {"id": "handlaggare-17", "role": "handlaggare", "unit": "enhet-1"}


def _partner(rule: Rule) -> dict[str, Any]:
    return {
        "orgNr": OTHER,
        "type": min(rule.partner_types),
        "system": "partnerns-system",
        "authN": {"orgNr": OTHER, "signature": True},
    }


def _purpose(rule: Rule) -> str:
    allowed = purposes.BY_DIRECTION[rule.direction]
    return next((purpose.value for purpose in purposes.Purpose if purpose in rule.purposes & allowed), "")


def _cited(rule: Rule, in_force: InForce) -> dict[str, str]:
    named = (version.split("@", 1) for version in in_force.versions)
    id_, version = next((parts for parts in named if parts[0] in rule.lagrum), ("", ""))
    return {"id": id_, "version": version}


def _role(rule: Rule, condition: Condition) -> SubjectRole:
    allowed = rule.subject_roles & frozenset(condition.subject_roles or SubjectRole)
    return next((role for role in SubjectRole if role in allowed), SubjectRole.FORSAKRAD)


def _benefit(rule: Rule, condition: Condition) -> str:
    everyone: frozenset[str] = frozenset(purposes.Benefit)
    allowed = (rule.benefits or everyone) & frozenset(condition.benefits or everyone)
    ours = purposes.Benefit.SJUKPENNING if rule.direction in _OURS else purposes.Benefit.EKONOMISKT_BISTAND
    return ours.value if ours in allowed else next(iter(sorted(allowed)), "")


def _fields(rule: Rule, in_force: InForce) -> frozenset[str]:
    left = {name for name, category in rule.referred.items() if category in Category}
    covered = {name for name, secrecy in rule.secrecy.items() if secrecy in in_force.excluded}
    return (rule.fields - left - rule.forbidden_fields - covered) | rule.required
