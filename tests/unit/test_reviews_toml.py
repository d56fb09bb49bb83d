"""Who answers what, as data: the delivered rows, what is refused, and how several reasons meet."""

from __future__ import annotations

import re
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from gateway import review
from gateway.config import load, register
from gateway.errors import ConfigError
from gateway.message import Protection
from gateway.privacy import referral
from gateway.privacy.reasons import Reason
from gateway.privacy.referral import Origin, Referrals
from gateway.review import Kind
from gateway.transport.metrics import Readings, written
from tests.builders import NOON, POLICY

ROOT = Path(__file__).parents[2]
LAW = ROOT / "config" / "law"
PARAGRAPHS = ("SFB-110-14@1",)
ORIGIN = Origin(partner="arbetsgivare", organisation="5560000001", contract="a/b", policy=POLICY)


@pytest.fixture(scope="module")
def delivered():
    return register.read(LAW)


@pytest.fixture
def law(tmp_path):
    """A copy of the register, to change."""
    shutil.copytree(LAW, tmp_path / "law")
    return tmp_path / "law"


def test_every_reason_that_leaves_it_to_a_person_has_a_row(delivered):
    source = (ROOT / "gateway" / "privacy" / "reasons.py").read_text()
    refer = set(re.findall(r'    (\w+) = "\w+"\n    """REFER', source))
    assert refer >= {Reason.FREE_TEXT, Reason.BALANCING_TEST_OPEN, Reason.LAW_UNVERIFIED}
    withheld = {Reason.PROTECTED_IDENTITY, Reason.PROTECTION_UNKNOWN, Reason.PROTECTED_RELATED}
    own = {review.PROTECTED, review.QUARANTINE, review.RELEASED, review.EXPIRED}
    assert {row.reason for row in delivered.reviews} == refer | withheld | own


def test_every_row_names_paragraphs_of_the_register_and_a_role_that_somebody_can_have(delivered):
    known = {row.id for row in delivered.lagrum}
    assert {id_ for row in delivered.reviews for id_ in row.lagrum} <= known
    assert {row.role for row in delivered.reviews} == set(load(ROOT / "config" / "gateway.toml").gateway.reviewers)


def test_protected_people_are_for_their_own_group_and_two_of_it_whatever_else_is_asked(delivered):
    referrals = Referrals(delivered.reviews)
    for reason in {row.reason for row in delivered.reviews} - {review.PROTECTED}:
        opened = referrals.opening(Kind.RECORD, (reason, review.PROTECTED), ORIGIN, NOON)
        assert (opened.role, opened.four_eyes) == ("skyddade-personuppgifter", True)


def test_a_yes_to_what_weighs_interests_names_the_balancing(delivered):
    opened = Referrals(delivered.reviews).opening(Kind.DISPATCH, ("BALANCING_TEST_OPEN", "FREE_TEXT"), ORIGIN, NOON)
    assert opened.balancing
    assert opened.role == "jurist", "the row that stands first"
    assert set(opened.laws) == {"L-2008-206-2", "OSL-10-2"}


def test_the_shortest_time_holds_and_never_beyond_a_commands_own(delivered):
    referrals = Referrals(delivered.reviews)
    opened = referrals.opening(Kind.DISPATCH, ("PROTECTED_IDENTITY", "FREE_TEXT"), ORIGIN, NOON)
    assert opened.expires_at == NOON + timedelta(days=7)
    until = NOON + timedelta(hours=2)
    assert referrals.opening(Kind.DISPATCH, ("FREE_TEXT",), ORIGIN, NOON, until=until).expires_at == until


@pytest.mark.parametrize("rows", ["none", "delivered"])
def test_a_reason_without_a_row_gets_the_strictest_answer_and_never_none(rows, delivered):
    referrals = Referrals(delivered.reviews if rows == "delivered" else ())
    opened = referrals.opening(Kind.RECORD, ("A_NEW_REASON",), ORIGIN, NOON)
    assert (opened.role, opened.four_eyes) == ("jurist", True)


def test_the_question_of_a_protected_person_is_asked_beside_the_reasons():
    assert referral.asked(("FREE_TEXT",), Protection.NONE) == ("FREE_TEXT",)
    assert referral.asked(("FREE_TEXT",), Protection.SKYDDAD_FOLKBOKFORING) == ("FREE_TEXT", review.PROTECTED)
    assert referral.asked((), Protection.SKYDDAD_FOLKBOKFORING) == ()


def test_an_answer_about_another_basis_or_an_unprotected_person_sets_nothing_aside():
    answered = review.Answered(reasons=frozenset({"FREE_TEXT"}), basis="A", lagrum=PARAGRAPHS)
    assert referral.holds(answered, "A", Protection.NONE, PARAGRAPHS) == {"FREE_TEXT"}
    assert referral.holds(answered, "B", Protection.NONE, PARAGRAPHS) == frozenset()
    assert referral.holds(answered, "A", Protection.NONE, ("SFB-110-14@2",)) == frozenset(), "another text"
    assert referral.holds(answered, "A", Protection.SEKRETESSMARKERING, PARAGRAPHS) == frozenset()


def test_two_rows_of_one_reason_are_refused(law):
    path = law / "reviews.toml"
    path.write_text(path.read_text() + path.read_text())
    with pytest.raises(ConfigError, match="PERSON_PROTECTED is used twice"):
        register.read(law)


def test_a_key_that_there_is_not_is_refused_with_those_that_there_are(law):
    path = law / "reviews.toml"
    path.write_text(path.read_text().replace("days = 7", "days = 7\ndayz = 7", 1))
    with pytest.raises(ConfigError, match=r"reviews\.toml.*dayz.*accepted keys: reason, role"):
        register.read(law)


def test_who_answers_is_part_of_the_law_that_decided(law):
    before = register.read(law).policy
    path = law / "reviews.toml"
    path.write_text(path.read_text().replace("days = 7", "days = 8", 1))
    assert register.read(law).policy != before


def test_what_waits_for_people_is_a_curve_by_role_and_kind():
    readings = Readings(
        certificates=(), checks={}, waiting=0, leaves=0, unsigned=0, unsigned_seconds=0.0,
        reviews={("jurist", "dispatch"): (3, 7200.0)}, answered={"quarantine": (2, 60.0)},
    )  # fmt: skip
    text = written(readings).decode()
    assert 'gateway_reviews_waiting{kind="dispatch",role="jurist"} 3.0' in text
    assert 'gateway_reviews_waiting_seconds{kind="dispatch",role="jurist"} 7200.0' in text
    assert 'gateway_reviews_answered{kind="quarantine"} 2.0' in text
    assert 'gateway_reviews_answered_seconds{kind="quarantine"} 60.0' in text
