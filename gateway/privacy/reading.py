"""A request for a decision, read from a table.

`read` makes a `Request` of a table (`tables.parse` makes one of a file). The names are those of `inputs.REQUEST`.
Content is never an error here: what is missing or malformed becomes a name in `Request.missing` or `Request.invalid`,
and the gates deny. Only what cannot be read as a request at all is refused: no table, or names that no request has.
Such an error names file, key and what is accepted, never a value.

`fingerprint` is what a case proof may be bound to (`caseProof.requestHash`), so that a proof made for one request
cannot carry another. It is the hex SHA-256 of this, as JSON in UTF-8 with keys in order, lists sorted and without
spaces (RFC 8785 on what is used of JSON here: no floats):

    what whoever needs the information says: requestId, direction, channelType, partner{orgNr, type, system}, actor or
    processId, purpose, lagrum, basisId, caseRef, benefit, subject, eventDate, period, fieldsRequested, trigger,
    suspicionRef, consentRef, environment, selection, intendedUse

in the form they are compared in: numbers without hyphen, days as YYYY-MM-DD, what was not given as null. Not the case
proof itself, and nothing that the gateway adds: what was proved, protection, provenance, the state of the log. It is
made over a person's number, so it is a pseudonym of a request and must be handled as one: it is in no answer and no
log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from hashlib import sha256
from typing import Any, Final

from gateway.dispatch import Period
from gateway.errors import ConfigError
from gateway.message import Category
from gateway.privacy import inputs
from gateway.privacy.inputs import Found
from gateway.privacy.request import (
    Actor,
    CaseProof,
    Cited,
    Consent,
    DataProvenance,
    Party,
    Request,
    Selection,
)
from gateway.privacy.words import Words

_NO_REFERENCE: Final = frozenset({"none", "null", "nil", "false", "no", "n/a", "nej", "ingen", "inget", "saknas"})
"""Said where there is nothing to refer to: no suspicion has been written down."""
_UNBOUND: Final = frozenset({"none", "ingen"})
"""Said of an actor whom nothing binds to the subject."""
_SHOWN: Final = 10
"""Unknown names in one error: whoever wrote them sees the pattern."""


def _table(value: object, source: str) -> Mapping[Any, object]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{source}: a request is one table; accepted keys: {', '.join(inputs.REQUEST.inputs)}")
    return value


def read(data: object, words: Words | None = None, *, source: str = "request") -> Request:
    """Make a request of a table, as `json` or `tomllib` gives it.

    Args:
        data: Names as in `inputs.REQUEST`.
        words: What the names in `given` give away; without it a request that has such names is malformed.
        source: The file's name, for errors.

    Raises:
        ConfigError: no table, or names that are not accepted where they stand. Nothing that is given is quoted.
    """
    found = Found()
    values = inputs.walk(inputs.REQUEST, _table(data, source), found)
    if found.unknown:
        raise ConfigError(_unknown(source, found))
    actor = _actor(values, found)
    return Request(
        id=values.get("requestId"),
        direction=values.get("direction"),
        channel=values.get("channelType"),
        partner=_party(values.get("partner", {})),
        actor=actor,
        purpose=values.get("purpose"),
        lagrum=_cited(values.get("lagrum")),
        basis=values.get("basisId"),
        case=values.get("caseRef"),
        proof=_proof(values.get("caseProof", {}), found),
        benefit=values.get("benefit"),
        subject=values.get("subject", {}).get("pid"),
        subject_role=values.get("subject", {}).get("role"),
        event=values.get("eventDate"),
        period=_period(values.get("period"), found, "period"),
        fields=values.get("fieldsRequested"),
        trigger=values.get("trigger"),
        provenance=_provenance(values.get("dataProvenance")),
        protection=values.get("sidStatus"),
        environment=values.get("environment"),
        audit_ready=values.get("auditReady"),
        suspicion=_reference(values.get("suspicionRef")),
        consent=_consent(values.get("consentRef")),
        selection=_selection(values.get("selection")),
        use=values.get("intendedUse"),
        recent_subjects=values.get("recentSubjects", 0),
        given=_given(values.get("given", frozenset()), words, found),
        missing=tuple(found.missing),
        invalid=tuple(found.invalid),
    )


def _unknown(source: str, found: Found) -> str:
    """Return one error for all: each place once, with what is accepted there."""
    places: dict[tuple[str, ...], list[str]] = {}
    for name, accepted in found.unknown[:_SHOWN]:
        places.setdefault(accepted, []).append(name)
    told = [f"unknown key {', '.join(dict.fromkeys(names))}; accepted: {', '.join(of)}" for of, names in places.items()]
    rest = len(found.unknown) - _SHOWN
    return f"{source}: " + "; ".join(told) + (f"; and {rest} more unknown keys" if rest > 0 else "")


def _cited(values: Mapping[str, str] | None) -> Cited | None:
    return Cited(**values) if values is not None and {"id", "version"} <= values.keys() else None


def _reference(value: str | None) -> str | None:
    return None if value is None or value.strip().casefold() in _NO_REFERENCE else value


def _party(values: Mapping[str, Any]) -> Party | None:
    evidence = values.get("authN", {})
    if not {"orgNr", "type", "system"} <= values.keys():
        return None
    return Party(
        organisation=values["orgNr"],
        type=values["type"],
        system=values["system"],
        proved=evidence.get("orgNr") if evidence.get("signature") is True else None,
    )


def _actor(values: Mapping[str, Any], found: Found) -> Actor | None:
    """Return who acts: a person, or an automated process. Both is nobody, and so is neither."""
    person, process = values.get("actor"), values.get("processId")
    if "automated" in found.invalid:
        return None
    if values.get("automated") is True:
        if person is not None:
            found.invalid.append("actor")
        if process is None and "processId" not in found.invalid:
            found.missing.append("processId")
        return None if process is None else Actor(id=process, role="", unit="", automated=True)
    if process is not None:
        found.invalid.append("processId")
    if person is None and "actor" not in found.invalid:
        found.missing.append("actor")
    if person is None or not {"id", "role", "unit"} <= person.keys():
        return None
    relation = person.get("relation")
    bound = None if relation is None or relation.casefold() in _UNBOUND else relation
    return Actor(id=person["id"], role=person["role"], unit=person["unit"], automated=False, relation=bound)


def _proof(values: Mapping[str, Any], found: Found) -> CaseProof | None:
    period = _period(values.get("period"), found, "caseProof.period")
    if period is None or not {"open", "caseRef", "subject", "capacity"} <= values.keys():
        return None
    return CaseProof(
        open=values["open"],
        case=values["caseRef"],
        subject=values["subject"],
        capacity=values["capacity"],
        period=period,
        request=values.get("requestHash"),
        purpose=values.get("purpose"),
        organisation=values.get("orgNr"),
    )


def _period(values: Mapping[str, date] | None, found: Found, name: str) -> Period | None:
    if values is None or not {"fom", "tom"} <= values.keys():
        return None
    if values["tom"] < values["fom"]:
        found.invalid.append(name)
        return None
    return Period(first=values["fom"], last=values["tom"])


def _consent(values: Mapping[str, Any] | None) -> Consent | None:
    if values is None or not {"scope", "validTo"} <= values.keys():
        return None
    return Consent(reference=values.get("ref", ""), scope=values["scope"], until=values["validTo"])


def _provenance(rows: Sequence[Mapping[str, Any]] | None) -> tuple[DataProvenance, ...] | None:
    if rows is None or not all({"collectedFor", "sourceBasis"} <= row.keys() for row in rows):
        return None
    if not all("everProcessedFor" in row for row in rows):
        return None
    return tuple(
        DataProvenance(
            collected_for=row["collectedFor"],
            processed_for=row["everProcessedFor"],
            basis=row["sourceBasis"],
            gallras=row.get("gallras"),
        )
        for row in rows
    )


def _selection(values: Mapping[str, Any] | None) -> Selection | None:
    if values is None or not {"by", "subjects"} <= values.keys():
        return None
    return Selection(
        by=values["by"],
        subjects=values["subjects"],
        concerns_benefit=values.get("concernsBenefit", False),
        use=values.get("use"),
    )


def _given(names: frozenset[str], words: Words | None, found: Found) -> dict[str, Category]:
    """Return what the names give away. The names themselves end here: they may be anything."""
    if names and words is None:
        found.invalid.append("given")
        return {}
    return {category.value: category for category in words.categories(names)} if words is not None else {}


def schema() -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of a request: the very table that it is read by."""
    person = {"required": ["actor"], "properties": {"automated": {"const": False}, "processId": False}}
    process = {
        "required": ["automated", "processId"],
        "properties": {"automated": {"const": True}, "actor": False},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A request for a decision: may this pass, for this purpose, on this basis?",
        **inputs.schema(inputs.REQUEST),
        "oneOf": [person, process],
    }


def fingerprint(request: Request) -> str:
    """Return the hex SHA-256 of what is asked (this module's docstring), for `caseProof.requestHash`."""
    partner, actor, cited, consent = request.partner, request.actor, request.lagrum, request.consent
    asked = {
        "actor": actor and {"automated": actor.automated, "id": actor.id, "role": actor.role, "unit": actor.unit},
        "basisId": request.basis,
        "benefit": request.benefit,
        "caseRef": request.case,
        "channelType": request.channel,
        "consentRef": consent
        and {"ref": consent.reference, "scope": sorted(consent.scope), "validTo": consent.until.isoformat()},
        "direction": request.direction,
        "environment": request.environment,
        "eventDate": request.event and request.event.isoformat(),
        "fieldsRequested": None if request.fields is None else sorted(request.fields),
        "intendedUse": request.use,
        "lagrum": cited and {"id": cited.id, "version": cited.version},
        "partner": partner and {"orgNr": partner.organisation, "system": partner.system, "type": partner.type},
        "period": request.period and days(request.period),
        "purpose": request.purpose,
        "requestId": request.id,
        "selection": request.selection and _selected(request.selection),
        "subject": {"pid": request.subject, "role": request.subject_role},
        "suspicionRef": request.suspicion,
        "trigger": request.trigger,
    }
    written = json.dumps(asked, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return sha256(written.encode()).hexdigest()


def days(period: Period) -> dict[str, str]:
    """Return a period as it is written."""
    return {"fom": period.first.isoformat(), "tom": period.last.isoformat()}


def _selected(selection: Selection) -> dict[str, object]:
    return {
        "by": sorted(selection.by),
        "concernsBenefit": selection.concerns_benefit,
        "subjects": selection.subjects,
        "use": selection.use,
    }
