"""Requests as somebody writes them who has read the law and not our code: what they get, and how they may go on.

Each differs from a permitted request in one thing that a reader could easily write otherwise. What is told must name
the thing, and what would have been accepted: in the first paragraph, or where the basis says what it is for.
"""

from __future__ import annotations

import json

import pytest

from gateway.errors import ConfigError
from gateway.privacy import answers, engine, explain, reading, tables
from tests.cases.requests import cases, law, merged

(PERMITTED,) = [case for case in cases() if case.name == "01-bank-sjukpenning-tvilling"]


def decide(**changes: object) -> tuple[dict, str]:
    """Return the answer to a changed request, written and read as JSON, and all that is told of it in English."""
    body = json.dumps(merged(PERMITTED.request, changes), default=str).encode()
    request = reading.read(tables.parse(body, "request.json"), law().words, source="request.json")
    rule = engine.named(law(), request.basis, request.event, PERMITTED.at.date())
    answer = answers.answer(engine.decide(request, law(), PERMITTED.at), request, rule)
    return answer, "\n".join(explain.paragraphs(answer, "en"))


@pytest.mark.parametrize(
    ("changes", "code", "told"),
    [
        ({"partner": {"type": "bank"}}, "PARTNER_TYPE_MISMATCH", "partner kreditinstitut"),
        ({"partner": {"authN": "mTLS"}}, "INPUT_INVALID", "partner.authN must be a table with orgNr, signature"),
        ({"partner": {"authN": {"signature": "valid"}}}, "INPUT_INVALID", "partner.authN.signature must be true or"),
        (
            {"partner": {"orgNr": 5560269986}},
            "INPUT_INVALID",
            "partner.orgNr must be an organisation number, ten digits",
        ),
        ({"basisId": "IN-BANK-01"}, "BASIS_UNKNOWN", "names a basis of the register"),
        ({"direction": "question"}, "INPUT_INVALID", "direction must be one of: inbound_push, inbound_answer"),
        ({"channelType": "api"}, "INPUT_INVALID", "channelType must be one of: message, request_reply"),
        ({"channelType": "message"}, "CHANNEL_NOT_IN_BASIS", "channel request_reply"),
        ({"lagrum": "SFB-110-33@2025:937"}, "INPUT_INVALID", "lagrum must be a table with id, version"),
        ({"lagrum": {"id": "SFB 110:33"}}, "LAGRUM_NOT_IN_BASIS", "paragraph SFB-110-33@2025:937"),
        ({"lagrum": {"version": None}}, "INPUT_MISSING", "This is missing: lagrum.version."),
        ({"lagrum": {"version": "2010:110"}}, "LAGRUM_NOT_IN_FORCE", "paragraph SFB-110-33@2025:937"),
        ({"purpose": "p3"}, "PURPOSE_UNKNOWN", "fk:UnderlagRattighetSkyldighet, fk:Information, fk:Arendehandlaggning"),
        ({"purpose": "dpv:FraudPreventionAndDetection"}, "PURPOSE_UNKNOWN", "fk:Kontroll"),
        ({"purpose": "fk:Planering"}, "PURPOSE_NOT_IN_BASIS", "purpose fk:Arendehandlaggning, fk:Kontroll"),
        ({"benefit": "Bostadsbidrag"}, "BENEFIT_UNKNOWN", "names the benefit that the case is about"),
        (
            {"benefit": "sjukpenning"},
            "CONDITIONS_NOT_MET",
            "benefit aldreforsorjningsstod, bostadsbidrag, bostadstillagg",
        ),
        ({"benefit": "sjukpenning"}, "CONDITIONS_NOT_MET", "or documented suspicion (suspicionRef)"),
        ({"subject": {"pid": "890101-9802"}}, "INPUT_INVALID", "subject.pid must be a personnummer"),
        ({"subject": {"role": "insured"}}, "INPUT_INVALID", "subject.role must be one of: forsakrad, annan_fysisk"),
        ({"sidStatus": False}, "INPUT_INVALID", "sidStatus must be one of: none, sekretessmarkering"),
        ({"eventDate": "2026-01-01T00:00:00Z"}, "INPUT_INVALID", "eventDate must be a day of the calendar"),
        ({"period": {"tom": None}}, "INPUT_MISSING", "This is missing: period.tom."),
        ({"fieldsRequested": "konto.saldo"}, "INPUT_INVALID", "fieldsRequested must be a list of names of fields"),
        ({"fieldsRequested": ["saldo"]}, "FIELD_UNKNOWN", "fields identitet, konto.nummer"),
        ({"trigger": "begäran"}, "INPUT_INVALID", "trigger must be one of: on_request"),
        ({"dataProvenance": None}, "INPUT_MISSING", "This is missing: dataProvenance."),
        (
            {"dataProvenance": [{}]},
            "INPUT_MISSING",
            "dataProvenance[0].collectedFor, dataProvenance[0].everProcessedFor",
        ),
        ({"environment": "production"}, "INPUT_INVALID", "environment must be one of: prod, test"),
        ({"automated": True, "processId": "b-7"}, "INPUT_INVALID", "one of them, not both"),
        ({"auditReady": "yes"}, "INPUT_INVALID", "auditReady must be true or false"),
    ],
)
def test_what_is_written_otherwise_is_told_with_what_is_accepted(changes, code, told):
    answer, text = decide(**changes)
    assert (answer["decision"], answer["reasonCodes"]) == ("DENY", [code])
    assert told in text


@pytest.mark.parametrize(
    "changes",
    [
        {"partner": {"orgNr": "165560269986"}},
        {"subject": {"pid": "18900101-9802"}},
        {"actor": None, "automated": True, "processId": "b-7"},
        {"actor": {"relation": "none"}},
        {"sidStatus": "ingen"},
        {"suspicionRef": None},
        {"consentRef": {"scope": ["kreditinstitut"], "validTo": "2026-12-31"}},
        {"selection": {"by": ["konto.saldo"], "subjects": 1}},
        {"recentSubjects": 3},
        {"given": []},
    ],
)
def test_what_means_the_same_gets_the_same(changes):
    answer, _ = decide(**changes)
    assert answer["decision"] == "PERMIT"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"request_id": "x"}, "unknown key request_id; accepted: requestId, direction"),
        (
            {"partner": {"authN": {"certSubject": "x"}}},
            "unknown key partner.authN.certSubject; accepted: orgNr, signature",
        ),
        ({"period": {"from": "x"}}, "unknown key period.from; accepted: fom, tom"),
        ({"caseProof": {"period": {"end": "x"}}}, "unknown key caseProof.period.end; accepted: fom, tom"),
    ],
)
def test_another_name_is_refused_with_the_names_that_there_are(changes, told):
    with pytest.raises(ConfigError) as refused:
        decide(**changes)
    assert refused.value.detail.startswith(f"request.json: {told}")
