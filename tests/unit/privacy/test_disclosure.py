"""Each gate of the way out, both ways: what it stops, and what it lets through. Denied by default."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from gateway import endings
from gateway.dispatch import Case, Interaction, Period
from gateway.errors import PurposeError
from gateway.message import Outcome, Protection, Withheld
from gateway.privacy import disclosure, labels
from gateway.privacy.reasons import Reason
from tests.unit.privacy import going
from tests.unit.privacy.going import CASE, MESSAGE, QUESTION, basis, command, consent, law, permit, question, stopped

PLAIN = law(basis())
ASKED = law(question(longest_period=31))


def asks(**changes):
    return command(**({"contract": QUESTION, "period": going.period()} | changes))


def denied(command_, law_, **more):
    """Return the one reason that denies; nothing passes, and nothing sticks."""
    decision = stopped(command_, law_, **more)
    assert decision.outcome is Outcome.DENY
    assert (decision.fields, decision.withheld, decision.labels, decision.quarantined) == ({}, (), None, False)
    (reason,) = decision.reasons
    return reason


def referred(command_, law_, **more):
    decision = stopped(command_, law_, **more)
    assert decision.outcome is Outcome.REFER
    assert (decision.fields, decision.withheld, decision.labels) == ({}, (), None)
    return decision.reasons


def test_what_every_gate_lets_through_goes_with_its_basis_paragraphs_and_labels():
    permitted = permit(command(), PLAIN)
    decision = permitted.decision
    assert (decision.outcome, decision.record, decision.kind) == (Outcome.PERMIT, 1, "brev")
    assert (decision.basis, decision.lagrum) == ("OUT-1", ("L-2@1", "SFB-114-8-3@2024:13"))
    assert decision.fields == {"belopp": 100, "period": "2026-01"}
    assert (decision.reasons, decision.withheld) == ((), ())
    assert decision.labels == labels.of(basis())
    assert permitted.policy == PLAIN.policy
    assert permitted.queued.command.person == decision.person


def test_what_is_stopped_carries_its_decision_and_says_reasons_only():
    with pytest.raises(PurposeError) as caught:
        permit(command(purpose="fk:Kontroll", named="Åsa"), PLAIN)
    assert caught.value.code is endings.DENIED
    assert caught.value.detail == "PURPOSE_NOT_FOR_DIRECTION"
    with pytest.raises(disclosure.Stopped) as caught:
        permit(command(fields={"fritext": "Åsa"}), law(basis(fields=["fritext"])))
    assert (caught.value.code, caught.value.detail) == (endings.REFERRED, "FREE_TEXT")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"asker": "annan"}, Reason.ASKER_UNKNOWN),
        ({"contract": going.CONTRACT}, Reason.CONTRACT_NOT_FOR_ASKER),
        ({"purpose": ""}, Reason.PURPOSE_UNKNOWN),
        ({"purpose": "fk:Ovrigt"}, Reason.PURPOSE_UNKNOWN),
        ({"purpose": "fk:AnnatForenligt"}, Reason.PURPOSE_NOT_FOR_DIRECTION),
        ({"purpose": "fk:Kontroll"}, Reason.PURPOSE_NOT_FOR_DIRECTION),
        ({"purpose": "fk:UnderlagRattighetSkyldighet"}, Reason.PURPOSE_NOT_FOR_ASKER),
        ({"purpose": "fk:UtlamnandeForfattning"}, Reason.PURPOSE_NOT_IN_BASIS),
        ({"named": ""}, Reason.BASIS_UNKNOWN),
        ({"named": "IN-1"}, Reason.BASIS_UNKNOWN),
        ({"contract": QUESTION}, Reason.BASIS_OTHER_CONTENT),
        ({"case": replace(CASE, reference=" ")}, Reason.CASE_MISSING),
        ({"case": replace(CASE, benefit="")}, Reason.BENEFIT_UNKNOWN),
        ({"case": replace(CASE, benefit="barnbidraget")}, Reason.BENEFIT_UNKNOWN),
        ({"fields": {"belopp": 1, "Åsa Svensson": 1}}, Reason.FIELD_UNKNOWN),
        ({"fields": {}}, Reason.NOTHING_LEFT),
        ({"fields": {"telefon": "1"}}, Reason.NOTHING_LEFT),
        ({"fields": {"belopp": None, "period": " -\u200b"}}, Reason.NOTHING_LEFT),
        ({"period": going.period(date(2024, 12, 31))}, Reason.PERIOD_OUTSIDE_CASE),
    ],
)
def test_a_gate_that_is_not_passed_denies_by_its_own_reason(change, reason):
    assert denied(command(**change), PLAIN) == reason


def test_a_question_may_be_for_what_a_message_may_not_and_the_other_way_round():
    checks = question(purposes=["fk:Kontroll"])
    assert permit(asks(purpose="fk:Kontroll"), law(checks)).decision.outcome is Outcome.PERMIT
    assert denied(asks(purpose="fk:UtlamnandeForfattning"), law(checks)) == Reason.PURPOSE_NOT_FOR_DIRECTION
    hands_out = basis(purposes=["fk:UtlamnandeForfattning"])
    assert permit(command(purpose="fk:UtlamnandeForfattning"), law(hands_out)).decision.outcome is Outcome.PERMIT


def test_the_kind_of_information_must_be_that_of_the_basis():
    assert denied(command(), PLAIN, kind="annat") == Reason.BASIS_OTHER_CONTENT


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"giltig_fom": date(2026, 3, 3)}, Reason.BASIS_NOT_YET_VALID),
        ({"giltig_tom": date(2026, 3, 1)}, Reason.BASIS_EXPIRED),
        ({"lagrum": ["L-4"]}, Reason.LAGRUM_NOT_IN_FORCE),
        ({"partner_types": ["skatteverket"], "benefits": ["bostadsbidrag"]}, Reason.BENEFIT_NOT_IN_BASIS),
        ({"consent": True}, Reason.CONSENT_MISSING),
        ({"suspicion": True}, Reason.SUSPICION_MISSING),
        ({"required": ["arbetsgivare"]}, Reason.FIELD_REQUIRED),
        ({"longest_period": 5}, Reason.PERIOD_MISSING),
    ],
)
def test_a_basis_that_wants_more_denies_what_lacks_it(changes, reason):
    rows = [row.model_copy(update={"forfattning": "lagen (2020:9) om prov"}) for row in going.ROWS]
    assert denied(command(), law(basis(**changes), rows=rows)) == reason


@pytest.mark.parametrize("day", [date(2026, 3, 1), date(2026, 3, 2)])
def test_a_basis_holds_on_its_first_and_its_last_day_in_sweden(day):
    narrow = law(basis(giltig_fom=date(2026, 3, 1), giltig_tom=date(2026, 3, 2)))
    assert permit(command(), narrow, at=going.noon(day)).decision.outcome is Outcome.PERMIT
    assert denied(command(), narrow, at=datetime(2026, 3, 2, 23, tzinfo=UTC)) == Reason.BASIS_EXPIRED
    assert permit(command(), narrow, at=datetime(2026, 2, 28, 23, tzinfo=UTC)).decision.outcome is Outcome.PERMIT


def test_the_first_gate_that_fails_decides():
    everything = law(basis(giltig_tom=date(2024, 12, 31), benefits=["bostadsbidrag"], consent=True))
    assert denied(command(), everything) == Reason.BASIS_EXPIRED
    assert denied(command(named="x", asker="y"), everything) == Reason.ASKER_UNKNOWN


def test_the_recipient_must_be_of_the_type_that_the_basis_is_about():
    assert denied(command(), PLAIN, partner_type="arbetsgivare") == Reason.PARTNER_TYPE_MISMATCH


def test_a_case_on_one_of_the_basis_benefits_passes():
    locked = law(basis(benefits=["bostadsbidrag", "sjukpenning"]))
    assert permit(command(), locked).decision.labels.benefits == {"bostadsbidrag", "sjukpenning"}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (None, Reason.CONSENT_MISSING),
        (consent(reference=" "), Reason.CONSENT_MISSING),
        (consent("arbetsgivare"), Reason.CONSENT_OTHER_RECIPIENT),
        (consent(until=date(2026, 3, 1)), Reason.CONSENT_EXPIRED),
    ],
)
def test_a_consent_that_is_not_there_or_not_for_this_denies(given, reason):
    assert denied(command(consent=given), law(basis(consent=True))) == reason


def test_a_consent_holds_on_its_last_day_for_those_it_names():
    wants = law(basis(consent=True))
    assert permit(command(consent=consent("skatteverket", "region")), wants).decision.outcome is Outcome.PERMIT


@pytest.mark.parametrize("given", [None, "", " ", "-"])
def test_a_suspicion_without_a_reference_is_none(given):
    assert denied(command(suspicion=given), law(basis(suspicion=True))) == Reason.SUSPICION_MISSING


def test_a_suspicion_with_its_reference_passes():
    assert permit(command(suspicion="PM-1"), law(basis(suspicion=True))).decision.basis == "OUT-1"


@pytest.mark.parametrize("value", [None, "", " \n", "\u200b\u00ad", "...", (), ({"kod": None}, {"kod": "-"}), ({},)])
def test_a_required_field_that_says_nothing_is_missing(value):
    wants = law(basis(required=["arbetsgivare"]))
    assert denied(command(own={"arbetsgivare": value}), wants) == Reason.FIELD_REQUIRED


@pytest.mark.parametrize("value", ["x", 0, False, ({"kod": None}, {"kod": "A"})])
def test_a_required_field_that_says_something_is_there(value):
    wants = law(basis(required=["arbetsgivare"]))
    assert permit(command(own={"arbetsgivare": value}), wants).decision.fields["arbetsgivare"] == value


def test_what_the_contract_cannot_do_without_is_required_too():
    agreed = {**going.AGREED, MESSAGE: going.Agreed(Interaction.SEND, "brev", frozenset({"arbetsgivare"}))}
    assert denied(command(), law(basis(), agreed=agreed)) == Reason.FIELD_REQUIRED


@pytest.mark.parametrize(
    ("first", "last", "reason"),
    [
        (date(2024, 12, 31), date(2025, 1, 5), Reason.PERIOD_OUTSIDE_CASE),
        (date(2026, 3, 31), date(2026, 4, 1), Reason.PERIOD_OUTSIDE_CASE),
        (date(2026, 1, 2), date(2026, 1, 1), Reason.PERIOD_OUTSIDE_CASE),
        (date(2016, 1, 1), date(2026, 1, 1), Reason.PERIOD_OUTSIDE_CASE),
        (date(2026, 1, 1), date(2026, 2, 1), Reason.PERIOD_TOO_LONG),
    ],
)
def test_a_period_outside_the_case_or_too_long_is_denied_and_never_cut(first, last, reason):
    assert denied(asks(period=going.period(first, last)), ASKED) == reason


def test_a_period_may_fill_the_case_and_the_longest_time():
    assert permit(asks(period=going.period(date(2026, 3, 1), date(2026, 3, 31))), ASKED).decision.basis == "OUT-1"
    assert denied(asks(period=None), ASKED) == Reason.PERIOD_MISSING


def test_a_case_that_ends_before_it_begins_holds_no_period():
    backwards = replace(CASE, period=Period(first=date(2026, 3, 1), last=date(2026, 1, 1)))
    assert denied(asks(case=backwards), ASKED) == Reason.PERIOD_OUTSIDE_CASE


BALANCED = law(question(lagrum=["L-1"]))


def test_the_first_day_asked_about_picks_the_text_of_law():
    before = permit(asks(period=going.period(date(2025, 11, 29), date(2025, 11, 30))), BALANCED)
    assert "L-1@1" in before.decision.lagrum
    on = going.period(date(2025, 12, 1), date(2025, 12, 1))
    assert referred(asks(period=on), BALANCED) == (Reason.BALANCING_TEST_OPEN,)


def test_a_period_that_reaches_over_a_change_of_law_is_judged_by_both_texts():
    over = going.period(date(2025, 11, 30), date(2025, 12, 1))
    decision = stopped(asks(period=over), BALANCED)
    assert (decision.outcome, decision.reasons) == (Outcome.REFER, (Reason.BALANCING_TEST_OPEN,))
    assert decision.lagrum[:2] == ("L-1@1", "L-1@2")
    late = [row.model_copy(update={"forfattning": "lagen (2020:3) om prov"}) for row in going.ROWS]
    begins = law(question(lagrum=["L-3"]), rows=late)
    assert denied(asks(period=going.period(date(2025, 6, 30), date(2025, 7, 2))), begins) == Reason.LAGRUM_NOT_IN_FORCE
    assert permit(asks(period=going.period(date(2025, 7, 1), date(2025, 7, 2))), begins).decision.basis == "OUT-1"


def test_without_a_period_the_first_day_of_the_case_picks_the_text():
    told = law(basis(lagrum=["L-1"]))
    assert "L-1@1" in permit(command(), told).decision.lagrum
    later = Case(reference="A-1", benefit="sjukpenning", period=going.period(date(2025, 12, 1)))
    assert referred(command(case=later), told) == (Reason.BALANCING_TEST_OPEN,)


def test_a_standing_decision_answers_the_weighing():
    decided = law(question(lagrum=["L-1"], standing_decision="Dnr 1"))
    assert permit(asks(), decided).decision.outcome is Outcome.PERMIT


def test_surplus_is_taken_away_and_reported():
    decision = permit(command(fields={"belopp": 1, "telefon": "hemlig", "adress": "hemlig"}), PLAIN).decision
    assert decision.fields == {"belopp": 1}
    assert decision.reasons == (Reason.FIELD_NOT_IN_BASIS,)
    assert [item.field for item in decision.withheld] == ["telefon", "adress"]


def test_what_only_this_recipient_gets_stands_over_what_all_get():
    assert permit(command(own={"belopp": 7}), PLAIN).decision.fields == {"belopp": 7, "period": "2026-01"}


HARSH = law(
    basis(partner_types=["arbetsgivare"], forbidden=["halsa", "kanslig", "brott"]),
    partner_types=("arbetsgivare", "skatteverket"),
)


@pytest.mark.parametrize("name", ["diagnos", "medlem", "brottet"])
def test_a_diagnosis_meant_for_the_employer_stops_all_and_one_that_others_may_have_is_taken_away(name):
    meant = command(own={name: "F32"})
    assert denied(meant, HARSH, partner_type="arbetsgivare") == Reason.FORBIDDEN_CATEGORY
    common = command(fields={"belopp": 1, name: "F32"})
    decision = permit(common, HARSH, partner_type="arbetsgivare").decision
    assert decision.fields == {"belopp": 1}
    assert decision.withheld == (Withheld(field=name, reason=Reason.FORBIDDEN_CATEGORY),)


LOCATED = {"belopp": 1, "arbetsgivare": "Bolaget"}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (Protection.UNKNOWN, Reason.PROTECTION_UNKNOWN),
        (Protection.SEKRETESSMARKERING, Reason.PROTECTED_IDENTITY),
        (Protection.SKYDDAD_FOLKBOKFORING, Reason.PROTECTED_IDENTITY),
    ],
)
def test_what_locates_is_withheld_of_the_protected_and_of_whom_we_know_nothing(status, reason):
    decision = permit(command(fields=LOCATED), PLAIN, status=status).decision
    assert decision.fields == {"belopp": 1}
    assert decision.withheld == (Withheld(field="arbetsgivare", reason=reason),)
    assert decision.protection is status


def test_what_locates_goes_when_the_folkbokforing_has_said_no_protection():
    assert permit(command(fields=LOCATED), PLAIN, status=Protection.NONE).decision.fields == LOCATED


def test_the_mark_itself_is_nowhere_in_what_goes():
    permitted = permit(command(fields=LOCATED), PLAIN, status=Protection.SEKRETESSMARKERING)
    told = f"{permitted.decision.fields}{permitted.citation}"
    assert "sekretess" not in told
    assert "skydd" not in told.lower()


def test_a_question_that_holds_nothing_that_locates_goes_about_somebody_of_whom_we_know_nothing():
    assert permit(asks(), ASKED, status=Protection.UNKNOWN).decision.withheld == ()


def test_nothing_left_but_what_locates_is_denied():
    assert denied(command(fields={"arbetsgivare": "x"}), PLAIN, status=Protection.UNKNOWN) == Reason.NOTHING_LEFT


@pytest.mark.parametrize("status", [Protection.UNKNOWN, Protection.SEKRETESSMARKERING])
def test_a_required_field_that_protection_withholds_leaves_it_to_a_person(status):
    wants = law(basis(required=["arbetsgivare"]))
    (reason,) = referred(command(fields=LOCATED), wants, status=status)
    assert reason in {Reason.PROTECTED_IDENTITY, Reason.PROTECTION_UNKNOWN}


FREE = {"belopp": 1, "fritext": "Se bilaga"}


def test_free_text_waits_for_a_person_unless_a_standing_decision_covers_it():
    named = ["belopp", "fritext"]
    assert referred(command(fields=FREE), law(basis(fields=named))) == (Reason.FREE_TEXT,)
    both = law(basis(fields=named, standing_decision="Dnr 1"))
    assert referred(command(fields=FREE), both) == (Reason.FREE_TEXT,)
    covered = law(basis(fields=named, referred=[], standing_decision="Dnr 1"))
    assert permit(command(fields=FREE), covered).decision.fields == FREE


@pytest.mark.parametrize("status", [Protection.UNKNOWN, Protection.SKYDDAD_FOLKBOKFORING])
def test_free_text_about_somebody_who_may_be_protected_waits_whatever_is_decided(status):
    covered = law(basis(fields=["belopp", "fritext"], referred=[], standing_decision="Dnr 1"))
    assert referred(command(fields=FREE), covered, status=status) == (Reason.FREE_TEXT,)


def test_free_text_that_says_nothing_or_that_the_basis_does_not_name_does_not_wait():
    named = law(basis(fields=["belopp", "fritext"]))
    assert permit(command(fields={"belopp": 1, "fritext": " "}), named).decision.outcome is Outcome.PERMIT
    assert permit(command(fields=FREE), PLAIN).decision.fields == {"belopp": 1}


def test_another_category_that_the_basis_leaves_to_a_person_waits():
    left = law(basis(fields=["belopp", "telefon"], referred=["fritext", "kontakt"]))
    assert referred(command(fields={"belopp": 1, "telefon": "1"}), left) == (Reason.REFERRED_CATEGORY,)


def test_all_that_a_person_must_look_at_is_told_at_once():
    everything = law(basis(fields=["belopp", "fritext", "telefon"], lagrum=["L-1"], referred=["fritext", "kontakt"]))
    later = Case(reference="A-1", benefit="sjukpenning", period=going.period(date(2025, 12, 1)))
    both = command(fields={**FREE, "telefon": "1"}, case=later)
    assert referred(both, everything) == (
        Reason.FREE_TEXT,
        Reason.REFERRED_CATEGORY,
        Reason.BALANCING_TEST_OPEN,
    )


def test_denied_stands_over_left_to_a_person():
    weighed = law(question(lagrum=["L-1"]))
    assert denied(asks(fields={"telefon": "1"}), weighed) == Reason.NOTHING_LEFT


def test_what_the_partner_is_told_is_written_from_the_basis_and_the_register():
    citation = permit(command(), PLAIN).citation
    assert citation.purpose == "Prövning av prov"
    assert citation.lagrum == "7 kap. 2 a § lagen (2020:2) om prov"


def test_the_paragraph_cited_is_the_version_of_its_own_day():
    rows = (
        going.lagrum("L-6", "1", forfattning="lagen (2019:1) om prov", giltig_tom=date(2025, 12, 31)),
        going.lagrum("L-6", "2", forfattning="lagen (2025:1) om prov", giltig_fom=date(2026, 1, 1)),
        *going.ROWS,
    )
    moved = law(basis(lagrum=["L-6"]), rows=rows)
    assert permit(command(), moved).citation.lagrum == "1 § lagen (2019:1) om prov"
    new = Case(reference="A-1", benefit="sjukpenning", period=going.period())
    assert permit(command(case=new), moved).citation.lagrum == "1 § lagen (2025:1) om prov"


def test_a_name_that_is_not_of_the_register_is_in_no_decision():
    decision = stopped(command(named="198202252386"), PLAIN)
    assert decision.basis is None
