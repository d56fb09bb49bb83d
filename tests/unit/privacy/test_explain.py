"""A decision in words: every reason says why, by which paragraph, and who must act, and tells no partner anything."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.law import Obligation
from gateway.errors import ConfigError
from gateway.message import Outcome
from gateway.privacy import explain, gates, inputs, reasons
from gateway.privacy.reasons import Reason
from gateway.privacy.wording import OBLIGATIONS, WHO, WORDING, Who
from tests.builders import NUMBERS
from tests.effort import effort

CITES = re.compile(r"§|GDPR art\.|HFD|JO \d|C-\d+/\d+")
SELF = {Who.ASKER, Who.REGISTER, Who.OPERATION, Who.PARTNER}
"""Those who can mend it by themselves: enough to say what is wrong. What the law forbids, or a person weighs, cites."""


def _referred() -> set[str]:
    source = Path(reasons.__file__).read_text(encoding="utf-8")
    return set(re.findall(r'^    (\w+) = "\w+"\n    """REFER', source, re.MULTILINE))


REFERRED = _referred()


def answer(**more: object) -> dict:
    return {
        "decision": "DENY",
        "reasonCodes": ["NO_OPEN_CASE"],
        "fieldsGranted": [],
        "fieldsWithheld": [],
        "obligations": [],
        "policySetHash": "ab" * 32,
        "lagrumVersions": ["SFB-110-33@2025:937"],
        "decisionId": "cd" * 32,
        "basisId": "FK-BANK-01",
        "quarantined": False,
        "coarse": "DENIED",
        "gates": [
            {"gate": "5 match", "result": "pass", "reasons": []},
            {"gate": "6 case", "result": "deny", "reasons": ["NO_OPEN_CASE"]},
        ],
        "inputsMissing": [],
        "inputsInvalid": [],
        **more,
    }


def test_every_reason_has_words_in_both_languages():
    assert set(WORDING) == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_cites_or_says_what_is_wrong_and_names_who_acts(reason):
    wording = WORDING[reason]
    for text in (wording.swedish, wording.english):
        assert text.endswith((".", "§§).", "§)."))
        assert CITES.search(text) or wording.who in SELF, text
    for does in (wording.do_swedish, wording.do_english):
        assert does
        assert not does.endswith(".")
    assert wording.who in WHO
    assert wording.swedish != wording.english
    assert wording.do_swedish != wording.do_english


@pytest.mark.parametrize("reason", sorted(REFERRED))
def test_what_is_left_to_a_person_is_not_mended_by_asking_anew(reason):
    assert WORDING[reason].who in {Who.PERSON, Who.OPERATION, Who.REGISTER}


def test_there_are_reasons_that_refer():
    assert {"BALANCING_TEST_OPEN", "LAW_UNVERIFIED", "FREE_TEXT"} <= REFERRED


def test_every_obligation_and_every_gate_has_words():
    assert set(OBLIGATIONS) == set(Obligation)
    assert set(explain.GATES) == {str(gate.number) for gate in gates.GATES} | {"inputs"}


@pytest.mark.parametrize("language", explain.LANGUAGES)
@pytest.mark.parametrize("reason", Reason)
def test_the_first_paragraph_says_what_was_decided_why_and_who_acts(reason, language):
    first = explain.paragraphs(answer(reasonCodes=[reason.value], gates=[]), language)[0]
    wording, at = WORDING[reason], explain.LANGUAGES.index(language)
    assert first.startswith(("Nekat. ", "Denied. ")[at])
    assert (wording.swedish, wording.english)[at] in first
    assert first.endswith(f"{WHO[wording.who][at]} {(wording.do_swedish, wording.do_english)[at]}.")


def test_a_denial_tells_gate_and_what_to_do():
    told = explain.paragraphs(answer(), "sv")
    assert "Grind 6 (ärendet) stoppade. Den som behöver uppgifterna har inget öppet ärende (HFD 2015:61)." in told
    assert "Vad som kan göras: Den som begärde uppgifterna visar att ett ärende är öppet." in told
    assert told[-1] == f"Beslutets id: {'cd' * 32}."
    assert "grunden FK-BANK-01" in told[-2]
    assert "SFB-110-33@2025:937" in told[-2]


def test_what_is_referred_tells_every_gate_that_asks_for_a_person():
    told = explain.paragraphs(
        answer(
            decision="REFER",
            reasonCodes=["FREE_TEXT", "BALANCING_TEST_OPEN"],
            gates=[
                {"gate": "8 category", "result": "refer", "reasons": ["FREE_TEXT"]},
                {"gate": "13 weighing", "result": "refer", "reasons": ["BALANCING_TEST_OPEN"]},
            ],
        ),
        "en",
    )
    assert told[0].startswith("Left to a person. ")
    assert any(text.startswith("Gate 8 (categories and secrecy) leaves it to a person. Free text") for text in told)
    assert any(text.startswith("Gate 13 (weighing) leaves it to a person. The paragraph demands") for text in told)


def test_a_permission_tells_fields_what_was_withheld_and_what_it_obliges_to():
    told = explain.paragraphs(
        answer(
            decision="PERMIT",
            reasonCodes=["FIELD_NOT_IN_BASIS"],
            fieldsGranted=["period", "saldo"],
            fieldsWithheld=[
                {"field": "diagnos", "reason": "FIELD_NOT_IN_BASIS"},
                {"field": "adress", "reason": "PROTECTED_IDENTITY"},
            ],
            obligations=["log_before_release", "no_onward"],
            gates=[],
        ),
        "sv",
    )
    assert told[0] == "Tillåtet. Fält som får passera: period, saldo. Undanhållna fält: adress, diagnos."
    (withheld,) = [text for text in told[1:] if text.startswith("Undanhållna fält")]
    assert "diagnos (Grunden nämner inte fältet" in withheld
    assert "adress (Fältet kan visa var en person med skyddade personuppgifter finns" in withheld
    assert any(text.startswith("Den som använder tillståndet ska: se till att utlämnandet är loggat") for text in told)


def test_what_is_missing_and_wrong_is_told_with_what_would_be_accepted():
    told = explain.paragraphs(
        answer(
            reasonCodes=["INPUT_MISSING", "INPUT_INVALID"],
            inputsMissing=["lagrum.version", "dataProvenance[0].sourceBasis"],
            inputsInvalid=["eventDate", "direction", "period"],
        ),
        "en",
    )[0]
    assert "This is missing: lagrum.version, dataProvenance[0].sourceBasis." in told
    assert "eventDate must be a day of the calendar, YYYY-MM-DD" in told
    assert "direction must be one of: inbound_push, inbound_answer" in told


def test_what_was_quarantined_says_who_can_let_go_of_it():
    told = explain.paragraphs(answer(reasonCodes=["FORBIDDEN_CATEGORY"], quarantined=True), "sv")[0]
    assert told.endswith("bara två personer tillsammans kan släppa eller förstöra det.")


def test_a_code_of_a_later_version_is_told_as_it_is():
    assert (
        "Kod NEW_CODE som den här versionen inte har någon text för."
        in explain.paragraphs(answer(reasonCodes=["NEW_CODE"]), "sv")[0]
    )


def test_what_was_asked_is_told_in_the_registers_words():
    told = explain.paragraphs(
        answer(
            asked={
                "direction": "fk_question",
                "purpose": "fk:Kontroll",
                "period": {"fom": "2026-01-01", "tom": "2026-01-31"},
                "fieldsRequested": ["saldo"],
                "basisId": None,
            }
        ),
        "sv",
    )
    assert (
        "Vad som begärdes: riktning fk_question; ändamål fk:Kontroll; period 2026-01-01 - 2026-01-31; fält saldo."
        in told
    )


@pytest.mark.parametrize(
    "wrong",
    [{}, {"decision": "MAYBE", "reasonCodes": []}, {"decision": "DENY"}, {"decision": ["DENY"], "reasonCodes": []}],
)
def test_what_is_no_decision_is_refused(wrong):
    with pytest.raises(ConfigError, match="no decision: give the JSON"):
        explain.paragraphs(wrong, "sv")


ALLOWS = {
    "directions": ["fk_question"],
    "partnerTypes": ["kreditinstitut"],
    "purposes": ["fk:Kontroll"],
    "lagrum": ["SFB-110-33@2025:937"],
    "benefits": "*",
    "subjectRoles": ["forsakrad"],
    "triggers": ["on_request"],
    "channels": ["request_reply"],
    "fields": ["saldo"],
}


def test_what_the_basis_is_for_is_told_where_it_was_not_met():
    denied = explain.paragraphs(answer(basisAllows=ALLOWS), "sv")
    assert (
        "Grunden FK-BANK-01 gäller: riktning fk_question; partner kreditinstitut; ändamål fk:Kontroll; lagrum "
        "SFB-110-33@2025:937; förmån alla; den det gäller forsakrad; utlösande on_request; kanal request_reply; fält "
        "saldo."
    ) in denied
    permitted = explain.paragraphs(answer(basisAllows=ALLOWS, decision="PERMIT", reasonCodes=[]), "sv")
    assert not any(text.startswith("Grunden FK-BANK-01 gäller") for text in permitted)


def test_no_way_to_a_partner_leads_past_an_explanation():
    root = Path(reasons.__file__).parents[1]
    uses = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if re.search(r"import .*\b(explain|wording)\b", path.read_text(encoding="utf-8"))
    }
    inside = {name for name in uses if name.startswith(("privacy/explain", "privacy/wording/", "cli/"))}
    assert uses - inside == {"privacy/answers.py"}


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from([NUMBERS[0], *map(str, Reason)]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@effort(150)
@given(st.lists(st.tuples(st.sampled_from(sorted(answer())), _ANYTHING), max_size=4), st.sampled_from(["sv", "en"]))
def test_an_edited_decision_never_breaks_and_no_number_gets_out(changes, language):
    edited = answer(**dict(changes))
    try:
        told = explain.paragraphs(edited, language)
    except ConfigError as refused:
        told = [str(refused)]
    assert NUMBERS[0] not in json.dumps(told)


@pytest.mark.parametrize("language", explain.LANGUAGES)
@pytest.mark.parametrize("outcome", Outcome)
def test_a_paragraph_has_no_hole_left_in_it(outcome, language):
    for reason in Reason:
        for text in explain.paragraphs(answer(decision=outcome.value, reasonCodes=[reason.value]), language):
            assert "{" not in text
            assert "  " not in text


def test_the_names_of_inputs_are_those_that_reading_has():
    assert inputs.known("caseProof.period.fom")
    assert inputs.known("partner")
    assert not inputs.known("partner.name")
    assert not inputs.known(NUMBERS[0])
    assert inputs.form("partner") is None
