"""SFB 110 kap. 31-33 §§ on both sides of 2025-12-01 (lag (2025:937)): the same question, two days, two answers."""

from datetime import date

import pytest

from gateway.config.law import SubjectRole
from tests.unit.privacy.statute import delivered_law

LAST_DAY, FIRST_DAY = date(2025, 11, 30), date(2025, 12, 1)
"""Of SFB 110 kap. 31-33 §§ as they were, and as lag (2025:937) made them."""
THREE = ("aldreforsorjningsstod", "bostadsbidrag", "bostadstillagg")
FORSAKRAD, ANNAN, JURIDISK = SubjectRole.FORSAKRAD, SubjectRole.ANNAN_FYSISK, SubjectRole.JURIDISK


def version(id_, event):
    return delivered_law().version(id_, event, date(2026, 3, 2))


CHANGED = [
    *("BANK-110-33", "AG-110-31A", "AG-110-31A-ARBETSSKADA", "FORSAKRING-110-31C", "ASSISTANS-110-31B"),
    *("MYNDIGHET-110-31", "KFM-110-31", "PM-110-31", "REGION-110-31"),
]


@pytest.mark.parametrize("flow", CHANGED)
@pytest.mark.parametrize("way", ["IN", "FK"])
def test_what_changed_on_the_first_of_december_2025_has_a_version_on_each_side(way, flow):
    before, after = version(f"{way}-{flow}", LAST_DAY), version(f"{way}-{flow}", FIRST_DAY)
    assert before.valid_until == LAST_DAY
    assert after.valid_from == FIRST_DAY
    assert before.paragraphs.by_event.on(LAST_DAY).versions != after.paragraphs.by_event.on(FIRST_DAY).versions
    assert {found.split("@")[1] for found in after.paragraphs.by_event.on(FIRST_DAY).versions} == {"2025:937"}
    assert "2025:937" not in {found.split("@")[1] for found in before.paragraphs.by_event.on(LAST_DAY).versions}


@pytest.mark.parametrize("way", ["IN", "FK"])
def test_a_bank_answers_in_three_kinds_of_case_before_and_on_suspicion_too_after(way):
    before, after = version(f"{way}-BANK-110-33", LAST_DAY), version(f"{way}-BANK-110-33", FIRST_DAY)
    assert [(one.benefits, one.suspicion) for one in before.any_of] == [(THREE, False)]
    assert [(one.benefits, one.subject_roles, one.suspicion) for one in after.any_of] == [
        (THREE, (FORSAKRAD,), False),
        (None, None, True),
    ]
    assert before.subject_roles == {FORSAKRAD, ANNAN}
    assert after.subject_roles == {FORSAKRAD, ANNAN, JURIDISK}


@pytest.mark.parametrize(
    ("flow", "without_suspicion"),
    [
        ("AG-110-31A", (FORSAKRAD,)),
        ("FORSAKRING-110-31C", (FORSAKRAD, JURIDISK)),
        ("ASSISTANS-110-31B", (FORSAKRAD, JURIDISK)),
    ],
)
def test_a_private_holder_tells_of_another_person_only_on_suspicion_from_december_2025(flow, without_suspicion):
    assert version(f"FK-{flow}", LAST_DAY).any_of == ()
    after = version(f"FK-{flow}", FIRST_DAY)
    assert [(one.subject_roles, one.suspicion) for one in after.any_of] == [(without_suspicion, False), (None, True)]
    assert ANNAN in after.subject_roles


def test_a_business_partner_is_asked_of_nobody_before_and_never_of_a_person():
    assert version("FK-AFFARSPARTNER-110-31D", LAST_DAY) is None
    after = version("FK-AFFARSPARTNER-110-31D", FIRST_DAY)
    assert after.subject_roles == {JURIDISK}
    assert after.any_of == ()
    assert not after.suspicion


def test_authorities_weigh_secrecy_from_december_2025_and_not_before():
    for flow in ("MYNDIGHET-110-31", "KFM-110-31", "PM-110-31", "REGION-110-31"):
        assert not version(f"IN-{flow}", LAST_DAY).paragraphs.by_event.on(LAST_DAY).open_test
        assert version(f"IN-{flow}", FIRST_DAY).paragraphs.by_event.on(FIRST_DAY).open_test


@pytest.mark.parametrize(("asker", "after"), [("SKV", {FORSAKRAD}), ("DOMSTOL", {FORSAKRAD}), ("PM", set(SubjectRole))])
def test_skatteverket_and_courts_are_told_of_the_insured_alone_from_december_2025(asker, after):
    assert version(f"FRAGA-{asker}-110-31", LAST_DAY).subject_roles == {FORSAKRAD, ANNAN}
    assert version(f"FRAGA-{asker}-110-31", FIRST_DAY).subject_roles == after
