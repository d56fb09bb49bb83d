"""The matrix of what data may be used for, by where it comes from: SFB 114 kap. 8-11 §§, row by row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.message import Outcome
from gateway.privacy import compatibility, purposes
from gateway.privacy.compatibility import COPIES, MATRIX
from gateway.privacy.purposes import Purpose
from gateway.privacy.reasons import Reason
from gateway.privacy.request import DataProvenance
from tests.unit.privacy.statute import basis, law

P = Purpose
P1, P2, P3 = P.UNDERLAG_RATTIGHET_SKYLDIGHET, P.INFORMATION, P.ARENDEHANDLAGGNING
P4, P5, P6, P7 = P.KONTROLL, P.PLANERING, P.STYRNING_UPPFOLJNING, P.STATISTIK
P9, P10 = P.UTLAMNANDE_FORFATTNING, P.ANNAT_FORENLIGT
PRIMARY = [P1, P2, P3, P4, P5, P6, P7]


@pytest.fixture(scope="module")
def rules():
    made = law(
        basis("ARENDE", purposes=[P1, P3, P4]),
        basis("LOCKED", purposes=[P4], benefits=["foraldrapenning", "tillfallig_foraldrapenning"]),
        basis("BENEFITS", purposes=[P3, P4], benefits=["sjukpenning", "sgi"]),
    ).rules
    arende = made["ARENDE"]
    project = (replace(arende[0], basis="ISF", partner_types=frozenset({"isf"})),)
    consent = (replace(arende[0], basis="CONSENT", consent=True, purposes=frozenset({P3})),)
    narrowed = (arende[0], replace(arende[0], benefits=frozenset({"sjukpenning"})))
    return {**made, "ISF": project, "CONSENT": consent, "NARROWED": narrowed}


def origin(source="ARENDE", collected=P3, ever=()):
    return DataProvenance(collected_for=collected, processed_for=frozenset(ever), basis=source)


def judged(rules, from_, purpose, benefit="sjukpenning", *, health=False, sensitive=False):
    return compatibility.judge(from_, purpose, benefit, health=health, sensitive=sensitive, rules=rules)


def denied(reason):
    return Outcome.DENY, reason


@pytest.mark.parametrize("collected", [P1, P2, P3])
@pytest.mark.parametrize("purpose", [*PRIMARY, P9])
def test_what_was_collected_for_8_1_to_3_may_serve_all_primary_purposes_and_be_handed_out(rules, collected, purpose):
    assert judged(rules, origin(collected=collected), purpose) is None


@pytest.mark.parametrize("purpose", [P4, P5, P6, P7, P10])
@pytest.mark.parametrize(("ever", "may"), [((P1,), True), ((P2,), True), ((P3,), True), ((P4,), False), ((), False)])
def test_health_serves_control_planning_and_statistics_only_if_it_ever_served_8_1_to_3(rules, purpose, ever, may):
    found = judged(rules, origin(collected=P4, ever=ever), purpose, health=True)
    if not may:
        assert found == denied(Reason.HEALTH_PROVENANCE)
    else:
        assert found == ((Outcome.REFER, Reason.COMPATIBILITY_OPEN) if purpose is P10 else None)


@pytest.mark.parametrize("purpose", [P1, P2, P3, P9])
def test_health_serves_8_1_to_3_and_9_wherever_it_comes_from(rules, purpose):
    assert judged(rules, origin(collected=P4), purpose, health=True) is None


@pytest.mark.parametrize(
    ("purpose", "may"),
    [(P1, True), (P3, True), (P9, True), (P2, False), (P4, False), (P5, False), (P6, False), (P7, False), (P10, False)],
)
def test_other_sensitive_data_handles_cases_and_is_handed_out_and_nothing_else(rules, purpose, may):
    assert judged(rules, origin(), purpose, sensitive=True) == (None if may else denied(Reason.SENSITIVE_PURPOSE))


@pytest.mark.parametrize("health", [False, True])
def test_another_purpose_is_weighed_by_a_person_and_never_permitted(rules, health):
    found = judged(rules, origin(), P10, health=health)
    assert found == (Outcome.REFER, Reason.COMPATIBILITY_OPEN)


@pytest.mark.parametrize("copy", [*sorted(COPIES), P7])
@pytest.mark.parametrize("purpose", [one for one in P if one is not P7])
def test_a_copy_for_statistics_says_nothing_of_anybody(rules, copy, purpose):
    assert judged(rules, origin(collected=copy, ever=[P3]), purpose) == denied(Reason.STATISTICS_ONLY)
    assert judged(rules, origin(collected=copy), P7) is None


@pytest.mark.parametrize("benefit", ["foraldrapenning", "tillfallig_foraldrapenning"])
def test_absence_serves_the_control_of_foraldrapenningsformaner(rules, benefit):
    assert judged(rules, origin("LOCKED", P4), P4, benefit) is None


@pytest.mark.parametrize("benefit", ["sjukpenning", None])
def test_absence_serves_the_control_of_nothing_else(rules, benefit):
    assert judged(rules, origin("LOCKED", P4), P4, benefit) == denied(Reason.BENEFIT_LOCK)


@pytest.mark.parametrize("purpose", [P1, P2, P3, P5, P6, P7, P9])
def test_no_later_processing_opens_a_purpose_lock(rules, purpose):
    claimed = origin("LOCKED", P3, PRIMARY)
    assert judged(rules, claimed, purpose, "foraldrapenning") == denied(Reason.PURPOSE_LOCK)


def test_another_use_of_locked_data_is_a_lawyers_and_never_a_machines(rules):
    assert judged(rules, origin("LOCKED", P4), P10) == (Outcome.REFER, Reason.COMPATIBILITY_OPEN)


@pytest.mark.parametrize(
    ("benefit", "may"), [("sjukpenning", True), ("sgi", True), ("bostadsbidrag", False), (None, False)]
)
def test_what_the_law_lets_in_for_some_benefits_serves_cases_on_them(rules, benefit, may):
    assert judged(rules, origin("BENEFITS"), P3, benefit) == (None if may else denied(Reason.BENEFIT_LOCK))
    assert judged(rules, origin("BENEFITS"), P9, benefit) is None, "whose case it is there the disclosing basis says"


@pytest.mark.parametrize(("purpose", "may"), [(P3, True), (P4, False), (P9, False), (P10, False)])
def test_what_came_by_consent_serves_what_was_consented_to(rules, purpose, may):
    assert judged(rules, origin("CONSENT"), purpose) == (None if may else denied(Reason.CONSENT_SCOPE))


@pytest.mark.parametrize("purpose", [P3, P9, P10])
def test_what_is_for_one_project_is_for_nothing_else(rules, purpose):
    assert judged(rules, origin("ISF"), purpose) == denied(Reason.PURPOSE_LOCK)


def test_what_one_version_of_the_source_locked_stays_locked(rules):
    assert judged(rules, origin("NARROWED"), P3, "bostadsbidrag") == denied(Reason.BENEFIT_LOCK)
    assert judged(rules, origin("NARROWED"), P3, "sjukpenning") is None


@pytest.mark.parametrize(
    "from_", [origin("NOBODY"), origin(collected="övrigt"), origin(ever=[P3, "fk:Annat"]), origin(collected="")]
)
def test_data_whose_origin_is_not_known_serves_nothing(rules, from_):
    assert judged(rules, from_, P3) == denied(Reason.PROVENANCE_UNKNOWN)


@pytest.mark.parametrize("purpose", ["övrigt", "", "fk:Kontroll "])
def test_a_purpose_outside_the_closed_list_is_served_by_nothing(rules, purpose):
    assert judged(rules, origin(), purpose) == denied(Reason.PURPOSE_UNKNOWN)


def test_every_row_cites_the_law_it_follows_from():
    for row in MATRIX:
        assert any(mark in (row.__doc__ or "") for mark in ("§", "Lag ("))


def test_no_denial_is_lifted_by_an_assessment_that_comes_before_it():
    """A row that refers ends the walk: only locks that a person may weigh stand after it."""
    after = MATRIX[MATRIX.index(compatibility.assessed) + 1 :]
    assert after == (compatibility.purpose_lock, compatibility.benefit_lock)


def test_everything_of_the_closed_list_is_judged(rules):
    for purpose in Purpose:
        for health in (False, True):
            for sensitive in (False, True):
                found = judged(rules, origin(), purpose, health=health, sensitive=sensitive)
                assert found is None or found[0] in {Outcome.DENY, Outcome.REFER}
    assert {P1, P2, P3} == purposes.HEALTH
