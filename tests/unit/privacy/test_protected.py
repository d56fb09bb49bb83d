"""A protected person must not be found through us."""

import pytest

from gateway.message import Outcome, Protection
from gateway.privacy import purpose
from gateway.privacy.reasons import Reason
from tests.unit.privacy.statute import OTHER, PERSON, UNPROTECTED, basis, known, law, record, valid
from tests.unit.privacy.test_purpose import judged

MARKED = (Protection.SEKRETESSMARKERING, Protection.SKYDDAD_FOLKBOKFORING)
LOCATING = {"belopp": 1, "arbetsgivare": "5560269986"}
JUDGE = law(basis(), basis("F-1", kind="folkbokforing", fields=["belopp", "arbetsgivare", "adress"]))


def withheld(decision):
    return {item.field: item.reason for item in decision.withheld}


@pytest.mark.parametrize("status", MARKED)
def test_locating_fields_of_a_person_known_to_be_protected_are_withheld(status):
    decision = judged(record(fields=LOCATING), JUDGE, known(everyone=status))
    assert withheld(decision) == {"arbetsgivare": Reason.PROTECTED_IDENTITY}
    assert decision.fields == {"belopp": 1}
    assert decision.protection is status
    assert decision.outcome is Outcome.PERMIT


def test_locating_fields_pass_when_the_folkbokforing_has_said_there_is_no_protection():
    decision = judged(record(fields=LOCATING), JUDGE, UNPROTECTED)
    assert withheld(decision) == {}
    assert decision.protection is Protection.NONE


def test_unknown_protection_is_treated_as_protection():
    decision = judged(record(fields=LOCATING), JUDGE, known())
    assert withheld(decision) == {"arbetsgivare": Reason.PROTECTION_UNKNOWN}
    assert decision.protection is Protection.UNKNOWN


@pytest.mark.parametrize("mark", MARKED)
@pytest.mark.parametrize("status", list(Protection))
def test_a_mark_in_the_message_is_believed_whatever_we_know(mark, status):
    decision = judged(record(fields=LOCATING, protection=mark), JUDGE, known(everyone=status))
    assert withheld(decision) == {"arbetsgivare": Reason.PROTECTED_IDENTITY}


@pytest.mark.parametrize("status", [*MARKED, Protection.UNKNOWN])
def test_no_partner_but_the_folkbokforing_can_lift_a_protection(status):
    decision = judged(record(fields=LOCATING, protection=Protection.NONE), JUDGE, known(everyone=status))
    assert decision.protection is status
    assert "arbetsgivare" in withheld(decision)
    assert decision.learned is None


def test_the_worse_of_two_marks_holds():
    weaker = record(fields=LOCATING, protection=Protection.SEKRETESSMARKERING)
    decision = judged(weaker, JUDGE, known(everyone=Protection.SKYDDAD_FOLKBOKFORING))
    assert decision.protection is Protection.SKYDDAD_FOLKBOKFORING


def notice(stated, **more):
    given = {"kind": "folkbokforing", "fields": {"adress": "x"}, "protection": stated, "stated_at": 20260301120000}
    return record(**(given | more))


@pytest.mark.parametrize("stated", [Protection.NONE, *MARKED])
def test_the_folkbokforings_own_statement_settles_what_was_unknown_and_is_learned(stated):
    decision = judged(notice(stated), JUDGE, known())
    assert (decision.protection, decision.learned) == (stated, stated)
    assert decision.stated_at == 20260301120000
    assert ("adress" in decision.fields) == (stated is Protection.NONE)


@pytest.mark.parametrize("stated", MARKED)
def test_the_folkbokforing_sets_protection_at_once(stated):
    decision = judged(notice(stated), JUDGE, UNPROTECTED)
    assert (decision.protection, decision.fields) == (stated, {})


@pytest.mark.parametrize("status", MARKED)
def test_the_folkbokforing_lifts_protection_by_being_learned_so_a_late_notice_gives_no_address_away(status):
    decision = judged(notice(Protection.NONE), JUDGE, known(everyone=status))
    assert (decision.protection, decision.learned) == (status, Protection.NONE)
    assert withheld(decision) == {"adress": Reason.PROTECTED_IDENTITY}


@pytest.mark.parametrize("status", MARKED)
@pytest.mark.parametrize("turned", [False, True])
def test_protection_stated_in_a_message_holds_for_all_its_records_in_any_order(status, turned):
    marked, spouse = notice(status, position=1), notice(Protection.NONE, position=2, person=OTHER, related=(PERSON,))
    records = (spouse, marked) if turned else (marked, spouse)
    decisions = {one.record: one for one in purpose.permit(valid(*records), JUDGE, known()).decisions}
    assert withheld(decisions[1]) == {"adress": Reason.PROTECTED_IDENTITY}
    assert withheld(decisions[2]) == {"adress": Reason.PROTECTED_RELATED}


def test_the_worst_of_a_messages_statements_about_one_person_holds():
    records = (notice(Protection.NONE, position=1), notice(MARKED[0], position=2), notice(MARKED[1], position=3))
    decisions = purpose.permit(valid(*records), JUDGE, known()).decisions
    assert {one.protection for one in decisions} == {Protection.SKYDDAD_FOLKBOKFORING}
    assert not any(one.fields for one in decisions)


def test_nobody_else_makes_protection_known_within_a_message():
    marked, other = (
        record(1, protection=MARKED[0]),
        notice(Protection.NONE, position=2, person=OTHER, related=(PERSON,)),
    )
    decisions = purpose.permit(valid(marked, other), JUDGE, UNPROTECTED).decisions
    assert withheld(decisions[1]) == {}


@pytest.mark.parametrize("stated", [None, Protection.UNKNOWN])
def test_a_folkbokforing_that_does_not_say_teaches_nothing_and_lifts_nothing(stated):
    own = record(kind="folkbokforing", fields={"adress": "x"}, protection=stated, stated_at=20260301120000)
    decision = judged(own, JUDGE, known(everyone=Protection.SEKRETESSMARKERING))
    assert decision.protection is Protection.SEKRETESSMARKERING
    assert (decision.learned, decision.stated_at) == (None, 0)
    assert judged(own, JUDGE, known()).protection is Protection.UNKNOWN


def test_a_record_that_does_not_pass_still_raises_protection():
    own = record(
        kind="folkbokforing",
        fields={"fritext": "x"},
        protection=Protection.SEKRETESSMARKERING,
        stated_at=20260301120000,
    )
    decision = judged(own, JUDGE, known())
    assert decision.outcome is Outcome.REFER
    assert (decision.learned, decision.stated_at) == (Protection.SEKRETESSMARKERING, 20260301120000)


def test_a_record_that_does_not_pass_lifts_no_protection():
    own = record(kind="folkbokforing", fields={"fritext": "x"}, protection=Protection.NONE, stated_at=20260301120000)
    decision = judged(own, JUDGE, known())
    assert decision.outcome is Outcome.REFER
    assert (decision.learned, decision.stated_at) == (None, 0)


@pytest.mark.parametrize("status", MARKED)
def test_another_person_in_the_record_who_is_protected_hides_the_locating_fields_too(status):
    both = known(**{f"p{PERSON.number}": Protection.NONE, f"p{OTHER.number}": status})
    decision = judged(record(fields=LOCATING, related=(OTHER,)), JUDGE, both)
    assert withheld(decision) == {"arbetsgivare": Reason.PROTECTED_RELATED}
    assert decision.protection is Protection.NONE


def test_another_person_whom_nobody_has_asked_about_hides_nothing():
    one = known(**{f"p{PERSON.number}": Protection.NONE})
    assert withheld(judged(record(fields=LOCATING, related=(OTHER,)), JUDGE, one)) == {}


def test_a_locating_field_is_withheld_with_all_that_is_nested_in_it():
    nested = record(kind="folkbokforing", fields={"adress": ({"gata": "x", "ort": "y"},)}, protection=MARKED[0])
    assert judged(nested, JUDGE).fields == {}


def test_a_field_the_basis_does_not_name_says_so_also_under_protection():
    decision = judged(record(fields={"adress": "x"}), JUDGE, known(everyone=MARKED[0]))
    assert withheld(decision) == {"adress": Reason.FIELD_NOT_IN_BASIS}
