"""Deny by default, and for the right reason."""

from datetime import UTC, date, datetime

import pytest

from gateway import codes
from gateway.errors import PurposeError
from gateway.message import Outcome, Protection
from gateway.privacy import purpose
from gateway.privacy.reasons import Reason
from gateway.swedish import swedish_day
from tests.unit.privacy.statute import UNPROTECTED, basis, known, lagrum, law, record, valid


def judged(record_, law_, status=UNPROTECTED, **where):
    """Return the one decision, also where the message is refused for it."""
    message = valid(record_, **where)
    setting = purpose.Setting(
        contract=message.provenance.contract,
        partner_type=law_.partner_types.get(message.provenance.partner),
        day=swedish_day(message.provenance.received_at),
    )
    return purpose.decide(record_, setting, law_, status)


def refusal(message, law_, status=UNPROTECTED):
    with pytest.raises(PurposeError) as caught:
        purpose.permit(message, law_, status)
    return caught.value


def test_a_record_that_a_basis_covers_is_permitted_with_its_labels():
    decision = judged(record(), law(basis(benefits=["sjukpenning"])))
    assert decision.outcome is Outcome.PERMIT
    assert decision.reasons == ()
    assert decision.fields == {"belopp": 100, "period": "2026-01"}
    assert decision.basis == "B-1"
    assert decision.lagrum == ("L-1@1", "SFB-114-8-3@2024:13")
    assert decision.labels.purposes == {"fk:Arendehandlaggning"}
    assert decision.labels.benefits == {"sjukpenning"}
    assert decision.labels.no_onward


def test_a_kind_without_any_basis_is_denied():
    decision = judged(record(), law())
    assert decision.outcome is Outcome.DENY
    assert decision.reasons == (Reason.NO_BASIS,)
    assert (decision.fields, decision.labels, decision.quarantined) == ({}, None, False)


def test_a_kind_that_the_law_has_never_heard_of_is_denied():
    assert judged(record(kind="okand"), law(basis())).reasons == (Reason.NO_BASIS,)


def test_a_basis_for_another_contract_does_not_help():
    assert judged(record(), law(basis()), contract="skatteverket/annat").reasons == (Reason.NO_BASIS,)


def test_a_partner_of_another_type_or_of_none_is_denied():
    assert judged(record(), law(basis()), partner="arbetsgivare").reasons == (Reason.PARTNER_TYPE_MISMATCH,)


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (datetime(2024, 2, 29, 22, 59, 59, tzinfo=UTC), Reason.BASIS_NOT_YET_VALID),
        (datetime(2024, 2, 29, 23, 0, 0, tzinfo=UTC), None),
        (datetime(2026, 6, 30, 21, 59, 59, tzinfo=UTC), None),
        (datetime(2026, 6, 30, 22, 0, 0, tzinfo=UTC), Reason.BASIS_EXPIRED),
    ],
)
def test_a_basis_begins_and_ends_at_midnight_in_sweden(at, reason):
    decision = judged(record(), law(basis(giltig_tom=date(2026, 6, 30))), at=at)
    assert decision.reasons == (() if reason is None else (reason,))


def test_a_paragraph_not_in_force_on_the_datas_own_day_denies():
    rows = [lagrum(giltig_fom=date(2026, 1, 1))]
    assert judged(record(period_from=date(2025, 12, 31)), law(basis(), rows=rows)).reasons == ("LAGRUM_NOT_IN_FORCE",)
    assert judged(record(period_from=date(2026, 1, 1)), law(basis(), rows=rows)).outcome is Outcome.PERMIT


def test_a_paragraph_about_disclosure_follows_the_day_of_the_decision_however_old_the_data():
    rows = [lagrum(giltig_fom=date(2026, 3, 2), day="decision")]
    old = record(period_from=date(1985, 1, 1))
    assert judged(old, law(basis(), rows=rows)).outcome is Outcome.PERMIT
    assert judged(old, law(basis(), rows=rows), at=datetime(2026, 3, 1, 12, tzinfo=UTC)).reasons == (
        Reason.LAGRUM_NOT_IN_FORCE,
    )


def test_no_law_before_the_purposes_were_law():
    early = judged(record(), law(basis(giltig_fom=date(2020, 1, 1))), at=datetime(2024, 2, 14, 12, tzinfo=UTC))
    assert early.reasons == (Reason.LAGRUM_NOT_IN_FORCE,)


def test_a_gap_between_two_versions_denies_inside_the_gap_only():
    rows = [lagrum(giltig_tom=date(2025, 6, 30)), lagrum(version="2", giltig_fom=date(2025, 7, 2))]
    judge = law(basis(), rows=rows)
    days = {day: judged(record(period_from=date(2025, *day)), judge).lagrum[:1] for day in ((6, 30), (7, 1), (7, 2))}
    assert days == {(6, 30): ("L-1@1",), (7, 1): (), (7, 2): ("L-1@2",)}


def versions(*, before=(), after=()):
    """Return a basis in two versions, the change in the middle of February."""
    return (
        basis(giltig_tom=date(2026, 2, 14), **dict(before)),
        basis(giltig_fom=date(2026, 2, 15), **dict(after)),
    )


def test_what_an_ended_version_forbade_is_no_reason_where_the_next_one_holds():
    strict, open_ = {"forbidden": ["halsa"]}, {"fields": ["belopp"], "referred": ["halsa"]}
    one = record(fields={"belopp": 1, "diagnos": "x"})
    decision = judged(one, law(*versions(before=strict.items(), after=open_.items())))
    assert (decision.outcome, decision.quarantined) == (Outcome.REFER, False)
    denied = {"cited": ["1 §"]}
    decision = judged(one, law(*versions(before=strict.items(), after=denied.items())))
    assert (decision.outcome, decision.quarantined) == (Outcome.DENY, False)
    assert decision.reasons == (Reason.CITED_BASIS_MISMATCH,)


def test_what_the_version_that_counts_forbids_stops_it_whatever_the_other_one_let_in():
    strict, open_ = {"forbidden": ["halsa"]}, {"fields": ["belopp", "diagnos"]}
    one = record(fields={"belopp": 1, "diagnos": "x"})
    decision = judged(one, law(*versions(before=open_.items(), after=strict.items())))
    assert (decision.outcome, decision.quarantined) == (Outcome.DENY, True)


def test_where_every_version_has_ended_the_last_one_says_what_is_wrong_and_what_it_forbids():
    old = basis(giltig_tom=date(2025, 12, 31), forbidden=["halsa"])
    one = record(fields={"belopp": 1, "diagnos": "x"})
    decision = judged(one, law(old))
    assert decision.reasons == (Reason.BASIS_EXPIRED, Reason.FORBIDDEN_CATEGORY)
    assert decision.quarantined


def test_an_open_balancing_test_refers_and_a_standing_decision_answers_it():
    rows = [lagrum(test="overvagande_skal")]
    decision = judged(record(), law(basis(), rows=rows))
    assert (decision.outcome, decision.reasons) == (Outcome.REFER, (Reason.BALANCING_TEST_OPEN,))
    assert (decision.fields, decision.labels) == ({}, None)
    assert decision.lagrum[0] == "L-1@1"
    answered = law(basis(standing_decision="Dnr 2025/1"), rows=rows)
    assert judged(record(), answered).outcome is Outcome.PERMIT


@pytest.mark.parametrize("day", ["event", "decision"])
def test_a_balancing_test_of_either_day_is_open_until_answered(day):
    rows = [lagrum(), lagrum("L-2", test="men", day=day)]
    both = {"lagrum": ["L-1", "L-2"]}
    assert judged(record(), law(basis(**both), rows=rows)).reasons == (Reason.BALANCING_TEST_OPEN,)
    assert judged(record(), law(basis(**both, standing_decision="Dnr 1"), rows=rows)).outcome is Outcome.PERMIT


def test_secrecy_must_be_broken_by_a_paragraph_in_force_and_it_is_told():
    rows = [
        lagrum(secrecy_break="OSL-10-28"),
        lagrum("OSL-10-28", "2009:400", kind="permission", day="decision", giltig_tom=date(2026, 3, 2)),
    ]
    judge = law(basis(), rows=rows)
    assert judged(record(), judge).lagrum == ("L-1@1", "OSL-10-28@2009:400", "SFB-114-8-3@2024:13")
    late = judged(record(), judge, at=datetime(2026, 3, 3, 12, tzinfo=UTC))
    assert late.reasons == (Reason.LAGRUM_NOT_IN_FORCE,)


@pytest.mark.parametrize(
    "cited", [("1 § lagen om prov",), ("  1 §\u00a0 LAGEN\nom prov ",), ("Prövning", "1 § lagen om prov")]
)
def test_what_the_partner_cites_may_differ_in_case_and_space(cited):
    judge = law(basis(cited=["1 § lagen om prov", "prövning"]))
    assert judged(record(cited=cited), judge).outcome is Outcome.PERMIT


@pytest.mark.parametrize("cited", [(), ("",), ("2 § lagen om prov",), ("1 § lagen om prov", "Reklam")])
def test_a_citation_that_is_missing_or_not_accepted_denies(cited):
    judge = law(basis(cited=["1 § lagen om prov"]))
    assert judged(record(cited=cited), judge).reasons == (Reason.CITED_BASIS_MISMATCH,)


def test_a_known_field_of_a_forbidden_category_quarantines_the_message():
    judge = law(basis(forbidden=["halsa"]))
    tainted = record(2, fields={"belopp": 1, "diagnos": "x"})
    assert judged(tainted, judge).quarantined
    error = refusal(valid(record(1), tainted), judge)
    assert error.code is codes.PURPOSE_QUARANTINED
    assert error.detail == "record 2: FORBIDDEN_CATEGORY"


@pytest.mark.parametrize("name", ["HuvudDiagnos", "ICD10Kod", "Fackforeningsavgift"])
def test_an_unknown_element_gives_a_forbidden_category_away_by_its_name(name):
    judge = law(basis(forbidden=["halsa", "kanslig"]))
    assert refusal(valid(record(extensions=("Ny", name))), judge).code is codes.PURPOSE_QUARANTINED


def test_an_unknown_element_with_an_innocent_name_passes_unread():
    judge = law(basis(forbidden=["halsa", "kanslig"]))
    assert judged(record(extensions=("NyttFalt", "Medicdata")), judge).outcome is Outcome.PERMIT


def test_a_forbidden_category_counts_even_when_the_basis_has_ended():
    judge = law(basis(forbidden=["halsa"], giltig_tom=date(2024, 12, 31)))
    assert judged(record(fields={"diagnos": "x"}), judge).quarantined


def test_a_special_category_without_any_basis_quarantines():
    assert judged(record(fields={"diagnos": "x"}), law()).quarantined
    assert judged(record(extensions=("Diagnos",)), law()).quarantined
    assert not judged(record(extensions=("Ort",)), law()).quarantined


def test_free_text_waits_for_a_person_and_is_not_told():
    decision = judged(record(fields={"belopp": 1, "fritext": "x"}), law(basis()))
    assert (decision.outcome, decision.reasons, decision.fields) == (Outcome.REFER, (Reason.FREE_TEXT,), {})


def test_other_categories_can_be_left_to_a_person_too():
    judge = law(basis(referred=["fritext", "kontakt"]))
    both = record(fields={"adress": "x", "fritext": "y"})
    assert judged(both, judge).reasons == (Reason.FREE_TEXT, Reason.REFERRED_CATEGORY)
    assert judged(record(fields={"adress": "x"}), judge).reasons == (Reason.REFERRED_CATEGORY,)


def test_a_field_the_basis_does_not_name_is_withheld_and_the_rest_passes():
    decision = judged(record(fields={"belopp": 1, "adress": "x"}), law(basis()))
    assert decision.fields == {"belopp": 1}
    assert [(item.field, item.reason) for item in decision.withheld] == [("adress", Reason.FIELD_NOT_IN_BASIS)]
    assert decision.reasons == (Reason.FIELD_NOT_IN_BASIS,)


def test_two_bases_are_never_added_together():
    judge = law(basis(fields=["belopp"]), basis("B-2", fields=["period"]))
    assert judged(record(), judge).fields == {"belopp": 100}


def test_the_best_outcome_of_any_basis_holds_and_the_first_among_equals():
    rows = [lagrum(), lagrum("L-2", test="men")]
    waits, denies, permits = (
        basis("WAITS", lagrum=["L-2"]),
        basis("DENIES", giltig_tom=date(2024, 12, 31)),
        basis("PERMITS"),
    )
    assert judged(record(), law(waits, denies, permits, rows=rows)).basis == "PERMITS"
    assert judged(record(), law(denies, waits, rows=rows)).basis == "WAITS"
    assert judged(record(), law(permits, basis("LATER"), rows=rows)).basis == "PERMITS"


def test_a_denial_by_several_bases_tells_every_reason():
    judge = law(basis(giltig_tom=date(2024, 12, 31)), basis("B-2", cited=["x"]))
    decision = judged(record(), judge)
    assert decision.reasons == (Reason.BASIS_EXPIRED, Reason.CITED_BASIS_MISMATCH)
    assert decision.basis is None


def test_a_message_whose_records_are_all_denied_is_refused_with_positions_and_reasons_only():
    error = refusal(valid(record(1), record(3)), law())
    assert error.code is codes.PURPOSE_DENIED
    assert error.detail == "record 1: NO_BASIS; record 3: NO_BASIS"


def test_the_detail_of_a_refusal_stays_short():
    error = refusal(valid(*(record(n) for n in range(1, 501))), law())
    assert error.detail.endswith("record 10: NO_BASIS; and 490 more")
    assert "198202252386" not in str(error)


def test_one_denied_record_does_not_stop_the_others():
    permitted = purpose.permit(valid(record(1), record(2, kind="okand")), law(basis()), UNPROTECTED)
    assert [decision.outcome for decision in permitted.decisions] == [Outcome.PERMIT, Outcome.DENY]
    assert permitted.policy == "0" * 64


def test_a_message_of_nothing_but_referred_records_is_accepted_to_wait():
    permitted = purpose.permit(valid(record(fields={"fritext": "x"})), law(basis()), UNPROTECTED)
    assert [decision.outcome for decision in permitted.decisions] == [Outcome.REFER]


def test_a_message_without_records_has_nothing_to_deny():
    assert purpose.permit(valid(), law(basis()), UNPROTECTED).decisions == ()


def test_what_a_sender_is_told_never_depends_on_protection():
    judge = law(basis())
    told = {
        purpose.coarse(
            judged(record(fields={"belopp": 1, "arbetsgivare": "x"}, related=()), judge, known(everyone=status))
        )
        for status in Protection
    }
    assert told == {"OK"}
    reduced = {
        purpose.coarse(judged(record(fields={"adress": "x", "arbetsgivare": "y"}), judge, known(everyone=status)))
        for status in Protection
    }
    assert reduced == {"OK-REDUCED"}


def test_a_sender_is_told_of_denial_and_of_waiting():
    assert purpose.coarse(judged(record(), law())) == "DENIED"
    assert purpose.coarse(judged(record(fields={"fritext": "x"}), law(basis()))) == "REFERRED"
