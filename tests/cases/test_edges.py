"""What no single request shows: the engine's own edges, and what the tables of the gates take for granted."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date, timedelta

import pytest

from gateway.config.law import Channel, Direction, SubjectRole
from gateway.dispatch import Period
from gateway.message import Outcome
from gateway.privacy import compatibility, engine, grounds, reading, setting
from gateway.privacy.engine import Found
from gateway.privacy.purposes import Purpose
from gateway.privacy.reasons import Reason
from gateway.privacy.request import DataProvenance, Request
from gateway.privacy.setting import NOTHING, Setting, Way
from tests.builders import NUMBERS
from tests.cases.requests import cases, law
from tests.unit.privacy import laid

BANK = "01-bank-sjukpenning-tvilling"
NAMES = {
    "id": "requestId",
    "direction": "direction",
    "channel": "channelType",
    "partner": "partner",
    "actor": "actor",
    "purpose": "purpose",
    "lagrum": "lagrum",
    "basis": "basisId",
    "case": "caseRef",
    "proof": "caseProof",
    "benefit": "benefit",
    "subject": "subject.pid",
    "subject_role": "subject.role",
    "event": "eventDate",
    "period": "period",
    "fields": "fieldsRequested",
    "trigger": "trigger",
    "provenance": "dataProvenance",
    "protection": "sidStatus",
    "environment": "environment",
    "audit_ready": "auditReady",
}


def asked(name: str = BANK) -> tuple[Request, object]:
    (case,) = [case for case in cases() if case.name == name]
    return reading.read(case.request, law().words), case.at


@pytest.mark.parametrize("field", NAMES)
def test_a_request_that_nobody_read_from_a_file_must_be_whole_too(field):
    request, at = asked()
    more = DataProvenance(collected_for="fk:Kontroll", processed_for=frozenset(), basis="SKV-AGI-INKOMST-01")
    request = replace(request, provenance=(more,))
    verdict = engine.decide(replace(request, **{field: None}), law(), at)
    assert (verdict.outcome, verdict.reasons) == (Outcome.DENY, (Reason.INPUT_MISSING,))
    assert verdict.missing == (NAMES[field],)
    assert [gate.gate for gate in verdict.gates] == ["inputs"]


def test_an_empty_text_is_missing_and_an_empty_provenance_is_none():
    request, at = asked()
    assert engine.decide(replace(request, case=""), law(), at).missing == ("caseRef",)
    assert engine.decide(replace(request, provenance=()), law(), at).outcome is Outcome.PERMIT
    assert engine.decide(replace(request, audit_ready=False), law(), at).reasons == (Reason.AUDIT_UNAVAILABLE,)
    assert engine.decide(replace(request, fields=frozenset()), law(), at).reasons == (Reason.NOTHING_LEFT,)


def test_what_reading_has_told_of_is_not_told_twice():
    request, at = asked()
    half = replace(request, lagrum=None, event=None, missing=("lagrum.version",), invalid=("eventDate",))
    verdict = engine.decide(half, law(), at)
    assert (verdict.missing, verdict.invalid) == (("lagrum.version",), ("eventDate",))
    assert verdict.reasons == (Reason.INPUT_MISSING, Reason.INPUT_INVALID)


def test_the_id_is_a_hash_of_what_was_asked_less_every_number():
    request, at = asked()
    verdict = engine.decide(request, replace(law(), policy="ab" * 32), at)
    written = (
        f"{'ab' * 32}\n2026-03-02\nprov-2026-03-02-0001\nfk_question\nrequest_reply\n5560269986\n"
        "fk:Arendehandlaggning\n"
        "SFB-110-33@2025:937\nFK-BANK-110-33\nDNR-1\nbostadsbidrag\n2026-01-01\n2026-01-01/2026-01-31\n"
        "konto.period konto.saldo"
    )
    assert verdict.decision == hashlib.sha256(written.encode()).hexdigest()
    assert request.subject is not None
    assert request.subject not in written


def test_what_is_malformed_is_told_of_though_nothing_is_missing():
    request, at = asked()
    verdict = engine.decide(replace(request, invalid=("consentRef.validTo",)), law(), at)
    assert (verdict.reasons, verdict.missing) == ((Reason.INPUT_INVALID,), ())
    assert verdict.invalid == ("consentRef.validTo",)


@pytest.mark.parametrize(("name", "last"), [(BANK, 15), ("28-narstaende", 15), ("28-eget-arende", 14)])
def test_every_gate_is_told_of_up_to_the_one_that_denied(name, last):
    request, at = asked(name)
    told = engine.decide(request, law(), at).gates
    assert [gate.gate.partition(" ")[0] for gate in told] == [str(number) for number in range(last + 1)]


def test_a_lone_surrogate_in_a_reference_breaks_no_id():
    request, at = asked()
    assert engine.decide(replace(request, case="\ud800"), law(), at).outcome is Outcome.DENY


def test_a_part_that_is_not_there_is_written_in_the_id_as_such():
    request, at = asked()
    ids = {
        engine.decide(replace(request, **{name: None}), law(), at).decision
        for name in ("partner", "lagrum", "period", "fields")
    }
    assert len(ids) == 4


def test_what_comes_early_is_still_held_to_have_come():
    (case,) = [case for case in cases() if case.name == "06-csn-halsa-fast-annat-ocksa-brister"]
    verdict = engine.decide(reading.read(case.request, law().words), law(), case.at)
    assert [(gate.gate, gate.result) for gate in verdict.gates] == [
        ("0 audit", "pass"),
        ("1 partner", "deny"),
        ("8 category", "deny"),
    ]


def test_a_forbidden_category_at_its_own_gate_is_found_once():
    rule = laid.rule(forbidden_fields=frozenset({"sjukdom"}), direction=Direction.INBOUND_ANSWER)
    request = laid.request(direction=Direction.INBOUND_ANSWER, fields=frozenset({"sjukdom"}))
    found = [one for one in engine.walk(request, rule, laid.setting(way=Way.IN)) if one.gate == 8]
    assert found == [Found(8, Outcome.DENY, Reason.FORBIDDEN_CATEGORY)]


def test_a_forbidden_field_passes_nowhere_though_a_basis_should_name_it():
    rule = replace(laid.rule(), fields=frozenset({"sjukdom", "saldo"}), forbidden_fields=frozenset({"sjukdom"}))
    both = ["saldo", "sjukdom"]
    assert setting.divided(both, rule, None) == (["saldo"], [("sjukdom", Reason.FORBIDDEN_CATEGORY)])
    assert setting.passing(laid.request(fields=frozenset(both)), rule, laid.setting()) == {"saldo"}


def test_all_versions_of_a_source_bind_what_came_by_it():
    plain, isf = laid.rule(), replace(laid.rule(), partner_types=frozenset({"isf"}))
    consented = replace(laid.rule(), consent=True, purposes=frozenset({"fk:Planering"}))

    def judged(*versions: object) -> object:
        origin = DataProvenance(collected_for="fk:Arendehandlaggning", processed_for=frozenset(), basis="B-1")
        return compatibility.judge(
            origin, "fk:Arendehandlaggning", "sjukpenning", health=False, sensitive=False, rules={"B-1": versions}
        )

    assert judged(plain) is None
    assert judged(plain, isf) == judged(isf, plain) == (Outcome.DENY, Reason.PURPOSE_LOCK)
    assert judged(plain, consented) == judged(consented, plain) == (Outcome.DENY, Reason.CONSENT_SCOPE)


def test_data_may_have_been_processed_for_everything_that_there_is():
    everything = frozenset(Purpose) | {"statistik", "forskning", "arkiv"}
    origin = DataProvenance(collected_for="fk:Arendehandlaggning", processed_for=everything, basis="B-1")
    said = compatibility.judge(
        origin, "fk:Arendehandlaggning", "sjukpenning", health=False, sensitive=False, rules={"B-1": (laid.rule(),)}
    )
    assert said is None


@pytest.mark.parametrize(
    ("actor_id", "subject", "own"),
    [
        ("handlaggare-vid-enhet-17", NUMBERS[0], False),
        (NUMBERS[0], NUMBERS[0], True),
        (f"{NUMBERS[0][:8]}-{NUMBERS[0][8:]}", NUMBERS[0], True),
        ("5560269986", "5560269986", True),
        ("h-17", NUMBERS[0], False),
    ],
)
def test_whoever_has_the_subjects_number_for_an_id_is_the_subject(actor_id, subject, own):
    request, at = asked()
    assert request.actor is not None
    assert request.proof is not None
    role = SubjectRole.JURIDISK if len(subject) == 10 else SubjectRole.FORSAKRAD
    theirs = replace(
        request,
        actor=replace(request.actor, id=actor_id),
        subject=subject,
        subject_role=role,
        suspicion="PM-1",
        proof=replace(request.proof, subject=subject, capacity=role),
        environment="prod",
    )
    assert (Reason.OWN_CASE in engine.decide(theirs, law(), at).reasons) is own


def test_an_answer_sets_aside_the_question_and_never_a_denial():
    request, at = asked("28-narstaende")
    rule = engine.named(law(), request.basis, request.event, at.date())
    in_force = rule.paragraphs.on(request.event, request.event, at.date())

    def walk(request: Request, *answered: Reason) -> list[Found]:
        here = Setting(
            way=Way.ASKED,
            today=at.date(),
            in_force=in_force,
            strict=False,
            rules=law().rules,
            words=law().words,
            answered=frozenset(answered),
        )
        return engine.walk(request, rule, here)

    said = Found(14, Outcome.REFER, Reason.CONFLICT_OF_INTEREST)
    assert walk(request) == [said]
    assert walk(request, Reason.CONFLICT_OF_INTEREST) == []
    assert walk(request, Reason.FREE_TEXT) == [said]
    denied = replace(request, audit_ready=False)
    assert walk(denied, Reason.AUDIT_UNAVAILABLE) == [Found(0, Outcome.DENY, Reason.AUDIT_UNAVAILABLE)]


def test_the_version_that_is_named_when_none_counts_is_the_latest_that_had_begun():
    changes = date(2025, 12, 1)
    of_bank = law().rules["FK-BANK-110-33"]
    assert engine.named(law(), "FK-BANK-110-33", None, changes) is of_bank[1]
    assert engine.named(law(), "FK-BANK-110-33", None, changes - timedelta(days=1)) is of_bank[0]
    assert engine.named(law(), "FK-BANK-110-33", changes, date(2020, 1, 1)) is of_bank[1]
    assert engine.named(law(), "FK-BANK-110-33", date(1999, 1, 1), changes) is of_bank[0]
    assert engine.named(law(), "UT-MYNDIGHET-10-15A", None, date(2020, 1, 1)).basis == "UT-MYNDIGHET-10-15A"
    assert engine.named(law(), "INGEN", None, changes) is NOTHING
    assert engine.named(law(), None, None, changes) is NOTHING


def test_nothing_asks_for_everything_and_lets_nothing_through():
    assert setting.NOTHING.consent
    assert setting.NOTHING.suspicion
    assert not setting.NOTHING.standing
    assert not setting.NOTHING.verified
    assert not setting.NOTHING.by_event_day
    assert setting.NOTHING.longest_period == 0
    assert setting.NOTHING.labels.no_onward
    assert setting.NOTHING.valid_from > setting.NOTHING.valid_until
    assert (setting.NOTHING.benefits, setting.NOTHING.cited) == (frozenset(), frozenset())
    nothing = setting.NOTHING.paragraphs
    assert nothing.on(date.min, date.max, date(2026, 1, 1)) is None
    assert nothing.by_event.on(date(2026, 1, 1)) is nothing.by_decision.through(date.min, date.max) is None


@pytest.mark.parametrize(
    ("value", "speaks"),
    [
        (None, False),
        ("", False),
        (" -- ", False),
        ("a", True),
        ("7", True),
        (0, True),
        (False, True),
        ((), False),
        (({"a": None}, {"b": " "}), False),
        (({"a": None}, {"b": "x"}), True),
        (({"a": "x"}, {"b": None}), True),
    ],
)
def test_a_value_speaks_or_is_silent(value, speaks):
    assert setting.says(value) is speaks


def test_where_there_is_no_proof_none_is_held_against_a_request():
    assert grounds.proof_of_this_request(laid.request(proof=None), laid.rule(), laid.setting()) is None


def test_a_proof_that_is_bound_to_nothing_is_not_held_against_a_request():
    request, at = asked("36-bevis-for-samma-begaran")
    assert request.proof is not None
    unbound = replace(request, proof=replace(request.proof, request=None))
    assert engine.decide(unbound, law(), at).outcome is Outcome.PERMIT
    assert engine.decide(replace(request, proof=replace(request.proof, request="")), law(), at).reasons == (
        Reason.PROOF_OTHER_REQUEST,
    )


def test_the_first_piece_of_data_that_denies_decides_and_one_that_is_weighed_does_not_hide_it():
    request, at = asked("25-uppgift-ur-arende")
    fine = DataProvenance(
        collected_for="fk:Arendehandlaggning",
        processed_for=frozenset({"fk:Arendehandlaggning"}),
        basis="SKV-AGI-INKOMST-01",
    )
    copied = replace(fine, collected_for="forskning")
    for order in ((fine, copied), (copied, fine)):
        verdict = engine.decide(replace(request, provenance=order), law(), at)
        assert verdict.reasons == (Reason.STATISTICS_ONLY,)


@pytest.mark.parametrize("number", ["1910010198123", "19100101981", "19100101981x", "191001019x12"])
def test_what_is_not_twelve_digits_is_of_no_series(number):
    assert grounds.official("191001019812", frozenset())
    assert not grounds.official(number, frozenset())


def test_a_period_of_one_day_and_a_channel_of_its_own_are_in_the_answer_of_one_basis():
    request, at = asked()
    one = replace(request, period=Period(first=date(2026, 1, 1), last=date(2026, 1, 1)))
    assert engine.decide(one, law(), at).outcome is Outcome.PERMIT
    assert engine.decide(replace(request, channel=Channel.BATCH), law(), at).reasons == (Reason.CHANNEL_NOT_IN_BASIS,)
