"""What follows by itself from a basis: who is told, what is logged, what is removed, and who may decide."""

from __future__ import annotations

import pytest

from gateway.config.law import Direction, Obligation
from gateway.message import Category
from gateway.privacy import obligations
from gateway.privacy.obligations import of
from tests.unit.privacy import statute

O = Obligation  # noqa: E741  # as the rows name them
INWARD = [Direction.INBOUND_PUSH, Direction.INBOUND_ANSWER]
OUTWARD = [Direction.FK_ANSWER, Direction.FK_PUSH, Direction.FK_QUESTION, Direction.PARTNER_QUESTION]


def basis(direction=Direction.INBOUND_ANSWER, **changes):
    return statute.basis(direction=direction, **changes)


def row(kind="obligation", **changes):
    return statute.lagrum(kind=kind, **changes)


@pytest.mark.parametrize("direction", OUTWARD)
def test_every_disclosure_is_logged_before_and_names_its_recipient(direction):
    assert {O.LOG_BEFORE_RELEASE, O.LOG_RECIPIENT_NAMED} <= set(of(basis(direction), [row()]))


@pytest.mark.parametrize("direction", INWARD)
def test_what_comes_to_us_is_no_disclosure(direction):
    assert not {O.LOG_BEFORE_RELEASE, O.LOG_RECIPIENT_NAMED} & set(of(basis(direction), [row()]))


@pytest.mark.parametrize("direction", Direction)
def test_everything_is_removed_by_its_rule(direction):
    assert O.GALLRA_BY in of(basis(direction), [row()])


@pytest.mark.parametrize("no_onward", [True, False])
def test_onward_is_forbidden_where_the_basis_says_so(no_onward):
    assert (O.NO_ONWARD in of(basis(no_onward=no_onward), [row()])) is no_onward


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        (["obligation"], False),
        (["access_right"], False),
        (["international"], False),
        (["obligation", "purpose", "restriction"], False),
        (["permission"], True),
        (["consent"], True),
        (["obligation", "permission"], True),
        (["purpose"], True),
        ([], True),
    ],
)
def test_the_person_is_told_unless_the_law_lays_the_transfer_down(kinds, told):
    assert (O.INFORM_SUBJECT_ART14 in of(basis(), [row(kind) for kind in kinds])) is told


@pytest.mark.parametrize("direction", OUTWARD)
def test_whoever_gets_the_data_informs_by_itself(direction):
    assert O.INFORM_SUBJECT_ART14 not in of(basis(direction), [row("permission")])


@pytest.mark.parametrize(
    ("purposes", "shown"),
    [
        (["fk:Arendehandlaggning"], True),
        (["fk:UnderlagRattighetSkyldighet"], True),
        (["fk:Kontroll"], True),
        (["fk:Planering", "fk:Statistik"], False),
        (["fk:Planering", "fk:Kontroll"], True),
    ],
)
def test_data_from_somebody_else_is_shown_before_it_bears_on_a_case(purposes, shown):
    assert (O.KOMMUNICERING_BEFORE_DECISION in of(basis(purposes=purposes), [row()])) is shown


@pytest.mark.parametrize("own", sorted(obligations.THE_PERSON))
def test_what_the_person_says_comes_from_nobody_else(own):
    found = of(basis(partner_types=[own]), [row("permission")])
    assert not {O.INFORM_SUBJECT_ART14, O.KOMMUNICERING_BEFORE_DECISION} & set(found)
    both = of(basis(partner_types=[own, "bank"]), [row("permission")])
    assert {O.INFORM_SUBJECT_ART14, O.KOMMUNICERING_BEFORE_DECISION} <= set(both)


@pytest.mark.parametrize("category", Category)
def test_sensitive_data_and_free_text_never_decide_by_themselves(category):
    sensitive = {Category.HALSA, Category.KANSLIG, Category.BROTT, Category.FRITEXT}
    found = of(basis(), [row()], [Category.EKONOMI, category])
    assert (O.NO_AUTOMATED_DECISION in found) is (category in sensitive)


@pytest.mark.parametrize(
    ("test", "standing", "noted"),
    [("none", None, False), ("overvagande_skal", None, True), ("overvagande_skal", "B-1", False), ("men", None, True)],
)
def test_a_weighing_that_a_person_makes_is_written_down(test, standing, noted):
    found = of(basis(standing_decision=standing), [row(), row(id_="L-2", test=test)])
    assert (O.RECORD_BALANCING_NOTE in found) is noted


def test_a_basis_own_obligations_are_there_too_in_the_vocabularys_order():
    found = of(basis(Direction.FK_PUSH, obligations=["four_eyes", "tell_subject_of_question"]), [row()])
    assert {O.FOUR_EYES, O.TELL_SUBJECT_OF_QUESTION} <= set(found)
    assert list(found) == [obligation for obligation in Obligation if obligation in found]


def test_the_delivered_register_obliges_whoever_acts_on_it():
    for versions in statute.delivered_law().rules.values():
        for rule in versions:
            outward = rule.direction not in INWARD
            assert (O.LOG_BEFORE_RELEASE in rule.obligations) is outward
            assert O.GALLRA_BY in rule.obligations
