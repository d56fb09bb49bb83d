"""A verdict written for whoever asked here: JSON values only, and nothing that a person is known by.

The names are agreed: decision, reasonCodes, textSv, fieldsGranted, fieldsWithheld, obligations, policySetHash,
lagrumVersions, decisionId; and beside them the gates, the basis, and `coarse`: the one word that a partner may be told.
"""

from __future__ import annotations

from typing import Any

from gateway.message import Outcome
from gateway.privacy import explain, inputs, purposes, reading
from gateway.privacy.reasons import Reason
from gateway.privacy.request import Request, Verdict
from gateway.privacy.rule import Rule


def answer(verdict: Verdict, request: Request | None = None, rule: Rule | None = None) -> dict[str, Any]:
    """Write a verdict for whoever asked here: JSON values only, and nothing that a person is known by.

    Args:
        verdict: What `engine.decide` said.
        request: What it was about; with it the answer tells under `asked` what was asked, in the register's own words,
            so that `explain` can say it.
        rule: The version of the basis that was judged by; with it the answer tells under `basisAllows` what it is for.
    """
    told: dict[str, Any] = {
        "decision": str(verdict.outcome),
        "reasonCodes": [str(reason) for reason in verdict.reasons],
        "textSv": "",
        "fieldsGranted": sorted(filter(inputs.plain, verdict.granted)),
        "fieldsWithheld": [
            {"field": name, "reason": str(reason)}
            for name, reason in sorted(verdict.withheld.items())
            if inputs.plain(name)
        ],
        "obligations": [str(obligation) for obligation in verdict.obligations],
        "policySetHash": verdict.policy,
        "lagrumVersions": list(verdict.lagrum),
        "decisionId": verdict.decision,
        "basisId": verdict.basis,
        "quarantined": verdict.quarantined,
        "coarse": coarse(verdict),
        "gates": [
            {"gate": gate.gate, "result": str(gate.result), "reasons": [str(reason) for reason in gate.reasons]}
            for gate in verdict.gates
        ],
        "inputsMissing": list(verdict.missing or (request.missing if request else ())),
        "inputsInvalid": list(verdict.invalid or (request.invalid if request else ())),
        "decidedAt": verdict.decided_at.isoformat(),
    }
    if request is not None:
        told["asked"] = _asked(request)
    if rule is not None and rule.basis:
        told["basisAllows"] = _allows(rule, verdict.lagrum)
    return told | {"textSv": explain.paragraphs(told, "sv")[0]}


def coarse(verdict: Verdict) -> str:
    """Return what the partner may be told: never a reason, and never whether somebody is protected.

    A field withheld to protect somebody is not told of: only that the basis does not name a field, which is the same
    for every person.
    """
    if verdict.outcome != Outcome.PERMIT:
        return "REFERRED" if verdict.outcome == Outcome.REFER else "DENIED"
    return "OK-REDUCED" if Reason.FIELD_NOT_IN_BASIS in verdict.withheld.values() else "OK"


def _asked(request: Request) -> dict[str, Any]:
    """Return what was asked, where it is of a closed list or looks like a name: never numbers, cases or references."""
    return {
        "direction": request.direction,
        "channelType": request.channel,
        "partnerType": _name(request.partner.type if request.partner else None),
        "automated": request.actor.automated if request.actor else None,
        "purpose": request.purpose if request.purpose in set(purposes.Purpose) else None,
        "lagrum": _name(request.lagrum.id if request.lagrum else None),
        "basisId": _name(request.basis),
        "benefit": _name(request.benefit),
        "subjectRole": request.subject_role,
        "eventDate": request.event.isoformat() if request.event else None,
        "period": reading.days(request.period) if request.period else None,
        "fieldsRequested": sorted(filter(inputs.plain, request.fields)) if request.fields is not None else None,
        "trigger": request.trigger,
    }


def _allows(rule: Rule, versions: tuple[str, ...]) -> dict[str, Any]:
    """Return what a basis is for, in the words of a request; `*` where it names none."""
    return {
        "directions": [rule.direction.value],
        "partnerTypes": sorted(rule.partner_types),
        "purposes": sorted(rule.purposes),
        "lagrum": [version for version in versions if version.partition("@")[0] in rule.lagrum],
        "benefits": "*" if rule.benefits is None else sorted(rule.benefits),
        "anyOf": [
            {
                "benefits": list(condition.benefits or ()),
                "subjectRoles": list(condition.subject_roles or ()),
                "suspicion": condition.suspicion,
            }
            for condition in rule.any_of
        ],
        "suspicion": rule.suspicion,
        "consent": rule.consent,
        "subjectRoles": sorted(rule.subject_roles),
        "triggers": sorted(rule.triggers),
        "channels": sorted(rule.channels),
        "fields": sorted(rule.fields),
    }


def _name(text: str | None) -> str | None:
    return text if text is not None and inputs.plain(text) else None
