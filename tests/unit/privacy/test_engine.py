"""The order of the gates, what stands over what, and what a verdict says. Denied by default."""

import re
from dataclasses import fields, replace
from datetime import UTC, date, datetime

import pytest

from gateway.config.law import Channel, Direction, Obligation, SubjectRole
from gateway.message import Category, Outcome, Protection
from gateway.privacy import engine, reading
from gateway.privacy.gates import GATES
from gateway.privacy.reasons import Reason
from gateway.privacy.request import Cited, Request
from tests.unit.privacy import laid
from tests.unit.privacy.laid import LAW, SUBJECT, actor, basis, law, origin, party, period, proof, request
from tests.unit.privacy.statute import TODAY, lagrum


def decide(request_, law_=LAW, at=TODAY):
    return engine.decide(request_, law_, at)


def denied(request_, law_=LAW, at=TODAY):
    """Return the reasons that deny; nothing passes, and nothing must be kept."""
    verdict = decide(request_, law_, at)
    assert verdict.outcome is Outcome.DENY
    assert (verdict.granted, verdict.obligations) == (frozenset(), ())
    return verdict.reasons


def referred(request_, law_=LAW, at=TODAY):
    verdict = decide(request_, law_, at)
    assert verdict.outcome is Outcome.REFER
    assert verdict.granted == frozenset()
    return verdict.reasons


def results(verdict):
    return {judged.gate: judged.result for judged in verdict.gates}


def test_what_every_gate_lets_through_is_permitted_with_its_fields_law_and_obligations():
    verdict = decide(request())
    assert (verdict.outcome, verdict.reasons, verdict.withheld) == (Outcome.PERMIT, (), {})
    assert verdict.granted == {"saldo", "rantor"}
    assert (verdict.basis, verdict.policy, verdict.decided_at) == ("B-1", LAW.policy, TODAY)
    assert verdict.lagrum == ("L-1@2", "SFB-114-8-3@2024:13", "SFB-114-8-4@2024:13")
    assert Obligation.LOG_BEFORE_RELEASE in verdict.obligations
    assert not verdict.quarantined
    assert results(verdict) == {
        f"{gate.number} {gate.name}": "-" if gate.number in {9, 12} else "pass" for gate in GATES
    }


def test_gates_that_have_something_to_ask_about_say_so():
    asked = request(provenance=(origin(),), recent_subjects=1)
    assert set(results(decide(asked)).values()) == {"pass"}
    assert results(decide(replace(asked, actor=actor(automated=True))))["14 actor"] == "-"


def everything_wrong():
    """Return a request that every gate that denies would deny, and every gate that refers would refer."""
    return request(
        audit_ready=False,
        partner=party(proved="2021000555", type="arbetsgivare"),
        purpose="övrigt",
        basis="B-0",
        channel=Channel.DIRECT_ACCESS,
        proof=proof(open=False, subject="189001119800"),
        protection=Protection.UNKNOWN,
        given={"halsa": Category.HALSA},
        provenance=(origin(collected_for="statistik"),),
        fields=["skonummer"],
        period=period(last=date(2030, 1, 1)),
        actor=actor(relation="own"),
        use="decision_proposal",
        subject="198202252386",
    )


MENDED = (
    (Reason.AUDIT_UNAVAILABLE, {"audit_ready": True}),
    (Reason.PARTNER_MISMATCH, {"partner": party(type="arbetsgivare")}),
    (Reason.PRODUCTION_IDENTITY_IN_TEST, {"subject": SUBJECT}),
    (Reason.PURPOSE_UNKNOWN, {"purpose": "fk:Arendehandlaggning"}),
    (Reason.BASIS_UNKNOWN, {"basis": "B-1"}),
    (Reason.PARTNER_TYPE_MISMATCH, {"partner": party()}),
    (Reason.CHANNEL_NOT_IN_BASIS, {"channel": Channel.REQUEST_REPLY}),
    (Reason.NO_OPEN_CASE, {"proof": proof(subject="189001119800")}),
    (Reason.CASE_OTHER_SUBJECT, {"proof": proof()}),
    (Reason.FORBIDDEN_CATEGORY, {"given": {}}),
    (Reason.STATISTICS_ONLY, {"provenance": ()}),
    (Reason.FIELD_UNKNOWN, {"fields": frozenset({"telefon"})}),
    (Reason.NOTHING_LEFT, {"fields": frozenset({"saldo"})}),
    (Reason.PERIOD_OUTSIDE_CASE, {"period": period()}),
    (Reason.OWN_CASE, {"actor": actor(relation="relative")}),
    (Reason.DECISION_PROPOSAL, {"use": None}),
)
"""In the order of the gates: what a request that is wrong in everything is denied for, and what mends just that."""


def test_an_earlier_denial_hides_every_later_one():
    strict = law(basis(forbidden=["halsa"]))
    now = everything_wrong()
    for reason, mends in MENDED:
        reasons = denied(now, strict)
        assert reasons[0] == reason
        assert set(reasons) <= {reason, Reason.FIELD_NOT_IN_BASIS}
        now = replace(now, **mends)
    assert referred(now, strict) == (Reason.PROTECTION_UNKNOWN, Reason.CONFLICT_OF_INTEREST)
    assert decide(replace(now, protection=Protection.NONE, actor=actor()), strict).outcome is Outcome.PERMIT


def test_nothing_is_asked_after_a_denial():
    verdict = decide(request(proof=proof(open=False), actor=actor(relation="own")))
    assert list(results(verdict))[-1] == "6 case"
    assert verdict.gates[-1].reasons == (Reason.NO_OPEN_CASE,)


def test_a_referral_does_not_hide_a_denial_and_is_told_with_its_gate():
    verdict = decide(request(protection=Protection.UNKNOWN, actor=actor(relation="own")))
    assert (verdict.outcome, verdict.reasons) == (Outcome.DENY, (Reason.OWN_CASE,))
    assert results(verdict)["7 protection"] == "refer"
    assert results(verdict)["14 actor"] == "deny"


def test_every_referral_is_told_at_once():
    weighs = law(basis(lagrum=["L-2"]))
    many = request(lagrum=Cited(id="L-2", version="1"), recent_subjects=400, actor=actor(relation="colleague"))
    assert referred(many, weighs) == (
        Reason.BULK_ONE_BY_ONE,
        Reason.BALANCING_TEST_OPEN,
        Reason.CONFLICT_OF_INTEREST,
    )


def test_a_referral_never_releases_by_being_asked_again():
    weighs = law(basis(lagrum=["L-2"]))
    asked = request(lagrum=Cited(id="L-2", version="1"))
    assert {referred(asked, weighs) for _ in range(5)} == {(Reason.BALANCING_TEST_OPEN,)}


def test_a_standing_decision_answers_what_is_weighed():
    decided = law(basis(lagrum=["L-2"], standing_decision="Dnr 1"))
    assert decide(request(lagrum=Cited(id="L-2", version="1")), decided).outcome is Outcome.PERMIT


@pytest.mark.parametrize("missing", sorted(engine._MANDATORY))
def test_a_mandatory_input_that_is_missing_denies_in_every_direction_and_is_named(missing):
    for direction in Direction:
        verdict = decide(replace(request(direction=direction), **{missing: None}))
        assert verdict.outcome is Outcome.DENY
        assert verdict.reasons[0] is Reason.INPUT_MISSING
        assert verdict.missing == (engine._MANDATORY[missing],)
        assert [judged.gate for judged in verdict.gates] == ["inputs"]


def test_every_input_without_a_value_of_its_own_is_mandatory():
    given = {one.name for one in fields(Request) if one.default is one.default_factory}
    assert given == set(engine._MANDATORY)


def test_what_the_reader_missed_is_told_by_its_whole_name_and_once():
    less = replace(request(), partner=None, missing=("partner.orgNr", "caseProof.period.fom"), proof=None, case=None)
    verdict = decide(less)
    assert verdict.missing == ("partner.orgNr", "caseProof.period.fom", "caseRef")


def test_what_is_no_such_thing_denies_by_its_name_also_where_the_rest_would_pass():
    verdict = decide(replace(request(), invalid=("intendedUse",)))
    assert (verdict.outcome, verdict.reasons) == (Outcome.DENY, (Reason.INPUT_INVALID,))
    assert verdict.invalid == ("intendedUse",)
    both = decide(replace(request(), period=None, invalid=("period",), missing=("caseRef",)))
    assert both.reasons == (Reason.INPUT_MISSING, Reason.INPUT_INVALID)
    assert (both.missing, both.invalid) == (("caseRef",), ("period",))


COMES = law(basis(direction="inbound_answer", forbidden=["halsa"], partner_types=["csn"]))


def comes(**changes):
    return request(**({"direction": Direction.INBOUND_ANSWER, "partner": party(type="csn")} | changes))


@pytest.mark.parametrize(
    "what",
    [{"fields": ["saldo", "sjukdom"]}, {"given": {"halsa": Category.HALSA}}],
    ids=["a field", "an unknown element"],
)
@pytest.mark.parametrize(
    ("also", "reasons"),
    [
        ({}, (Reason.FORBIDDEN_CATEGORY,)),
        ({"audit_ready": False}, (Reason.AUDIT_UNAVAILABLE, Reason.FORBIDDEN_CATEGORY)),
        ({"proof": proof(open=False)}, (Reason.NO_OPEN_CASE, Reason.FORBIDDEN_CATEGORY)),
        ({"purpose": None}, (Reason.INPUT_MISSING, Reason.FORBIDDEN_CATEGORY)),
    ],
    ids=["alone", "unlogged", "in a closed case", "without a purpose"],
)
def test_a_forbidden_category_that_has_come_quarantines_whatever_else_fails(what, also, reasons):
    verdict = decide(comes(**what, **also), COMES)
    assert (verdict.outcome, verdict.reasons, verdict.quarantined) == (Outcome.DENY, reasons, True)


def test_one_that_comes_on_no_basis_at_all_quarantines_too():
    verdict = decide(comes(basis="B-0", given={"halsa": Category.HALSA}), COMES)
    assert verdict.quarantined
    assert not decide(comes(basis="B-0", given={"kontakt": Category.KONTAKT}), COMES).quarantined


def test_one_that_is_only_asked_for_is_denied_and_quarantines_nothing():
    asks = law(basis(forbidden=["halsa"]))
    verdict = decide(request(fields=["saldo", "sjukdom"]), asks)
    assert (verdict.reasons, verdict.quarantined) == ((Reason.FORBIDDEN_CATEGORY,), False)
    assert not decide(request(fields=["sjukdom"], proof=proof(open=False)), asks).quarantined


def test_surplus_is_taken_away_and_reported_and_the_rest_passes():
    verdict = decide(request(fields=["saldo", "telefon"]))
    assert (verdict.outcome, verdict.granted) == (Outcome.PERMIT, {"saldo"})
    assert verdict.withheld == {"telefon": Reason.FIELD_NOT_IN_BASIS}
    assert verdict.reasons == (Reason.FIELD_NOT_IN_BASIS,)


def test_nothing_but_surplus_is_denied_and_says_which():
    verdict = decide(request(fields=["telefon"]))
    assert verdict.reasons == (Reason.NOTHING_LEFT, Reason.FIELD_NOT_IN_BASIS)
    assert verdict.withheld == {"telefon": Reason.FIELD_NOT_IN_BASIS}
    assert verdict.granted == frozenset()


@pytest.mark.parametrize("status", [Protection.SEKRETESSMARKERING, Protection.SKYDDAD_FOLKBOKFORING])
def test_what_locates_the_protected_is_withheld_and_the_rest_passes(status):
    verdict = decide(request(fields=["saldo", "kontor"], protection=status))
    assert (verdict.outcome, verdict.granted) == (Outcome.PERMIT, {"saldo"})
    assert verdict.withheld == {"kontor": Reason.PROTECTED_IDENTITY}
    assert decide(request(fields=["kontor"], protection=status)).reasons[0] is Reason.NOTHING_LEFT
    assert decide(request(fields=["saldo", "kontor"])).granted == {"saldo", "kontor"}


@pytest.mark.parametrize("direction", ["inbound_push", "fk_question"])
def test_nobody_knows_of_protection(direction):
    law_ = law(basis(direction=direction))
    verdict = decide(
        request(direction=Direction(direction), fields=["saldo", "kontor"], protection=Protection.UNKNOWN), law_
    )
    assert verdict.withheld == {"kontor": Reason.PROTECTION_UNKNOWN}
    assert (verdict.outcome, verdict.reasons) == (Outcome.REFER, (Reason.PROTECTION_UNKNOWN,))


def test_free_text_about_the_protected_waits_even_under_a_standing_decision():
    free = law(basis(fields=["saldo", "bilaga"], standing_decision="Dnr 1"))
    text = request(fields=["saldo", "bilaga"])
    assert decide(text, free).outcome is Outcome.PERMIT
    assert referred(replace(text, protection=Protection.SEKRETESSMARKERING), free) == (Reason.FREE_TEXT,)


VERSIONS = law(
    basis(day="event", giltig_fom=date(2013, 7, 1), giltig_tom=date(2025, 11, 30), benefits=["bostadsbidrag"]),
    basis(
        day="event",
        giltig_fom=date(2025, 12, 1),
        any_of=[{"benefits": ["bostadsbidrag"]}, {"suspicion": True}],
    ),
)


@pytest.mark.parametrize(
    ("event", "version", "said"),
    [
        (date(2025, 11, 30), "1", (Reason.BENEFIT_NOT_IN_BASIS,)),
        (date(2025, 12, 1), "2", ()),
        (date(2013, 6, 30), "1", (Reason.BASIS_NOT_YET_VALID,)),
    ],
)
def test_the_same_request_on_two_days_is_judged_by_the_law_of_its_day(event, version, said):
    asked = request(event=event, lagrum=Cited(id="L-1", version=version), benefit="sjukpenning", suspicion="PM-1")
    assert decide(asked, VERSIONS).reasons == said


@pytest.mark.parametrize(
    ("last", "versions", "said"),
    [
        (date(2025, 11, 30), ("L-1@1",), ()),
        (date(2025, 12, 1), ("L-1@1", "L-1@2"), (Reason.PERIOD_AFTER_BASIS,)),
    ],
)
def test_an_old_event_opens_no_old_law_for_days_after_it(last, versions, said):
    """The case is on such a benefit that both texts let pass: it is the text that is not for those days."""
    asked = request(event=date(2025, 11, 30), lagrum=Cited(id="L-1", version="1"), period=period(last, last))
    verdict = decide(asked, VERSIONS)
    assert verdict.reasons == said
    assert verdict.lagrum[: len(versions)] == versions
    assert len([version for version in verdict.lagrum if version.startswith("L-1@")]) == len(versions)


def test_days_before_the_event_are_asked_about_by_the_law_of_the_event():
    asked = request(event=date(2025, 12, 1), period=period(date(2025, 11, 1), date(2025, 12, 1)))
    verdict = decide(asked, VERSIONS)
    assert (verdict.outcome, "L-1@1" in verdict.lagrum) == (Outcome.PERMIT, False)


def test_what_a_later_text_weighs_is_weighed_for_its_days_whatever_event_is_named():
    """The basis has one version and its paragraph two, of which the later weighs interests."""
    rows = (
        lagrum("L-9", "1", giltig_tom=date(2025, 11, 30)),
        lagrum("L-9", "2", giltig_fom=date(2025, 12, 1), test="synnerliga_skal"),
    )
    register = law(basis(lagrum=["L-9"]), rows=(*laid.ROWS, *rows))
    asked = request(event=date(2025, 11, 30), lagrum=Cited(id="L-9", version="1"))
    before = period(date(2025, 11, 1), date(2025, 11, 30))
    assert decide(replace(asked, period=before), register).outcome is Outcome.PERMIT
    assert referred(asked, register) == (Reason.BALANCING_TEST_OPEN,)


def test_without_suspicion_the_new_text_denies_too():
    assert denied(request(event=date(2025, 12, 1), benefit="sjukpenning"), VERSIONS) == (Reason.CONDITIONS_NOT_MET,)


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (datetime(2026, 6, 30, 21, 59, tzinfo=UTC), ()),
        (datetime(2026, 6, 30, 22, 0, tzinfo=UTC), (Reason.BASIS_EXPIRED,)),
        (datetime(2024, 2, 29, 22, 59, tzinfo=UTC), (Reason.BASIS_NOT_YET_VALID,)),
    ],
)
def test_a_basis_begins_and_ends_at_midnight_in_sweden(at, said):
    assert decide(request(), law(basis(giltig_tom=date(2026, 6, 30))), at).reasons == said


def test_the_version_that_has_ended_is_told_and_not_the_first():
    gap = law(basis(giltig_tom=date(2025, 6, 30)), basis(giltig_fom=date(2026, 9, 1)))
    assert denied(request(), gap) == (Reason.BASIS_EXPIRED,)


@pytest.mark.parametrize(
    ("installation", "use", "subject", "outcome"),
    [
        ("test", "test", SUBJECT, Outcome.PERMIT),
        ("demo", "test", SUBJECT, Outcome.PERMIT),
        ("test", "prod", SUBJECT, Outcome.REFER),
        ("production", "prod", SUBJECT, Outcome.REFER),
        ("production", "test", SUBJECT, Outcome.REFER),
    ],
)
def test_law_that_nobody_has_read_never_permits_outside_demo_and_test(installation, use, subject, outcome):
    unread = law(basis(lagrum=["L-4"]), environment=installation)
    verdict = decide(request(lagrum=Cited(id="L-4", version="1"), environment=use, subject=subject), unread)
    assert verdict.outcome is outcome
    assert verdict.reasons == ((Reason.LAW_UNVERIFIED,) if outcome is Outcome.REFER else ())


def test_two_bases_are_never_added_together():
    both = law(basis(fields=["saldo"]), basis("B-2", fields=["rantor"]))
    assert decide(request(), both).granted == {"saldo"}
    assert decide(request(basis="B-2"), both).granted == {"rantor"}


def test_a_basis_that_would_fit_is_not_searched_for():
    assert denied(request(basis="B-9")) == (Reason.BASIS_UNKNOWN,)
    assert decide(request(basis="B-9")).basis is None


def test_a_proof_is_bound_to_the_request_it_was_made_for():
    asked = request()
    bound = replace(asked, proof=proof(request=reading.fingerprint(asked)))
    assert decide(bound).outcome is Outcome.PERMIT
    moved = replace(bound, case="A-2", proof=replace(bound.proof, case="A-2"))
    assert denied(moved) == (Reason.PROOF_OTHER_REQUEST,)
    assert denied(replace(bound, case="A-2")) == (Reason.CASE_MISMATCH,)


def test_the_decision_id_follows_from_policy_request_and_day():
    one = decide(request()).decision
    assert re.fullmatch("[0-9a-f]{64}", one)
    assert decide(request(), at=datetime(2026, 3, 2, 22, 59, tzinfo=UTC)).decision == one
    others = {
        decide(request(), at=datetime(2026, 3, 2, 23, 0, tzinfo=UTC)).decision,
        decide(request(id="q-2")).decision,
        decide(request(fields=["saldo"])).decision,
        decide(request(basis="B-9")).decision,
        decide(request(), replace(LAW, policy="1" * 64)).decision,
    }
    assert len(others | {one}) == 6


def test_no_number_is_in_a_verdict_or_follows_from_its_id():
    other = "189001119800"
    one, two = decide(request()), decide(request(subject=other, proof=proof(subject=other)))
    assert one.decision == two.decision
    assert SUBJECT not in repr(one)
    assert other not in repr(two)
    assert SUBJECT not in repr(decide(request(basis=SUBJECT, fields=[SUBJECT])))


def test_a_legal_person_is_asked_about_where_the_basis_is_about_legal_persons():
    companies = law(basis(subject_roles=["juridisk"]))
    company = request(
        subject="5560004615",
        subject_role=SubjectRole.JURIDISK,
        proof=proof(subject="5560004615", capacity="juridisk"),
    )
    assert decide(company, companies).outcome is Outcome.PERMIT
    assert denied(request(), companies) == (Reason.SUBJECT_ROLE_NOT_IN_BASIS,)


def test_the_same_law_and_request_give_the_same_verdict():
    assert decide(everything_wrong()) == decide(everything_wrong())
    assert decide(request()) == decide(request())


def test_a_paragraph_that_ended_is_told_of_by_its_own_day():
    rows = (*laid.ROWS, lagrum("L-9", "1", day="decision", giltig_tom=date(2026, 3, 1)))
    ended = law(basis(lagrum=["L-9"]), rows=rows)
    asked = request(lagrum=Cited(id="L-9", version="1"))
    assert denied(asked, ended) == (Reason.LAGRUM_NOT_IN_FORCE,)
    assert decide(asked, ended, datetime(2026, 3, 1, 12, tzinfo=UTC)).outcome is Outcome.PERMIT
