"""Somebody is protected before, while or after people decide: who looks and answers is judged by what is known now."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.privacy.referral import Referrals
from gateway.review import Action, Answer, State
from tests import payloads
from tests.paths.test_reviews import FOLK, MARKED, forbidden, free_text, pending
from tests.reviewing import PROTECTING, Desk

PERMIT, RELEASE, DESTROY = Answer.PERMIT, Answer.RELEASE, Answer.DESTROY
OMBUD, OWNER = ("dataskyddsombud",), ("informationsagare",)
THOSE = (PROTECTING,)
LIFTED = payloads.folkbokforing(changed="20260112120000")


@pytest.fixture
def desk(world):
    world.rules = replace(world.rules, referrals=Referrals(world.configuration.reviews))
    made = Desk(world)
    yield made
    made.close()


def mark(world):
    world.send(FOLK, MARKED)
    return pending(world)


def both(desk, number, answer, roles):
    """Two people of these roles answer."""
    verdict = desk.do(number, Action.ANSWER, answer=answer, roles=roles, by="cia")
    assert verdict.state is State.ASKED, verdict.refused
    return desk.do(number, Action.APPROVE, roles=roles, by="dan")


def hidden(event):
    return "arbetsgivare" not in event["data"]["fields"] and event["protection"] == "sekretessmarkering"


def test_a_quarantined_message_about_somebody_who_is_protected_is_for_those_who_handle_that(world, desk):
    known = mark(world)
    forbidden(world)
    review = desk.one()
    assert (review.reasons, review.role) == (("QUARANTINE", "PERSON_PROTECTED"), PROTECTING)
    for action in (Action.READ, Action.ANSWER):
        assert "is not of that role" in desk.do(review.id, action, answer=RELEASE, roles=OMBUD).refused
    assert both(desk, review.id, RELEASE, THOSE).state is State.ANSWERED
    assert desk.settle() == 1
    assert desk.reviews.review(review.id).state is State.RELEASED
    assert hidden(pending(world)[len(known)])


def test_a_quarantined_message_about_nobody_protected_is_the_ombuds(world, desk):
    forbidden(world)
    review = desk.one()
    assert (review.reasons, review.role) == (("QUARANTINE",), "dataskyddsombud")
    assert not desk.do(review.id, Action.READ, roles=OMBUD).refused
    assert desk.do(review.id, Action.READ, roles=THOSE).refused


def test_marked_after_it_was_opened_it_has_moved_and_the_first_role_neither_sees_nor_answers_it(world, desk):
    forbidden(world)
    number = desk.one().id
    assert not desk.do(number, Action.READ, roles=OMBUD).refused
    known = mark(world)
    review = desk.one()
    assert (review.role, review.four_eyes) == (PROTECTING, True)
    assert [one.role for one in desk.reviews.counts()] == [PROTECTING]
    assert desk.reviews.reviews(role="dataskyddsombud") == []
    assert [one.id for one in desk.reviews.reviews(role=PROTECTING)] == [number]
    for action in (Action.READ, Action.ANSWER, Action.WITHDRAW):
        assert "is not of that role" in desk.do(number, action, answer=RELEASE, roles=OMBUD).refused
    assert both(desk, number, RELEASE, THOSE).state is State.ANSWERED
    assert desk.settle() == 1
    assert desk.reviews.review(number).state is State.RELEASED, "who answered knew, and two did: it is not asked twice"
    assert desk.leaf(number)["role"] == PROTECTING
    assert hidden(pending(world)[len(known)])


def test_marked_between_the_ask_and_the_approval_the_ask_is_none(world, desk):
    forbidden(world)
    number = desk.one().id
    assert desk.do(number, Action.ANSWER, answer=RELEASE, roles=OMBUD).state is State.ASKED
    mark(world)
    assert "is not of that role" in desk.do(number, Action.APPROVE, by="bo", roles=OMBUD).refused
    assert "before anybody knew" in desk.do(number, Action.APPROVE, by="bo", roles=(*OMBUD, *THOSE)).refused
    assert desk.do(number, Action.WITHDRAW, by="bo", roles=THOSE).state is State.OPEN
    assert both(desk, number, DESTROY, THOSE).state is State.ANSWERED
    assert desk.settle() == 1
    assert world.views.counts()["quarantine"] == 0


def test_marked_between_the_approval_and_the_release_it_is_asked_anew_and_nothing_passes(world, desk):
    forbidden(world)
    first = desk.one().id
    assert both(desk, first, RELEASE, OMBUD).state is State.ANSWERED
    known = mark(world)
    assert desk.settle() == 1
    assert pending(world) == known
    assert desk.reviews.review(first).state is State.OVERTAKEN
    second = desk.one()
    assert (second.reasons, second.role) == (("PERSON_PROTECTED", "QUARANTINE"), PROTECTING)
    assert desk.leaf(first)["left"] == ["PERSON_PROTECTED", "QUARANTINE"]
    assert both(desk, second.id, RELEASE, THOSE).state is State.ANSWERED
    assert desk.settle() == 1
    assert hidden(pending(world)[len(known)])


def test_marked_after_the_release_the_event_that_waits_is_shielded_and_nothing_else_happens(world, desk):
    forbidden(world)
    desk.answer(desk.one().id, RELEASE)
    assert desk.settle() == 1
    (event,) = pending(world)
    mark(world)
    assert pending(world)[0] == event
    assert desk.open() == []


def test_a_record_whose_person_is_marked_moves_and_one_answer_of_two_is_enough(world, desk):
    free_text(world)
    number = desk.one().id
    assert desk.one().role == "informationsagare"
    known = mark(world)
    assert "is not of that role" in desk.do(number, Action.READ, roles=OWNER).refused
    assert "is not of that role" in desk.do(number, Action.ANSWER, answer=PERMIT, roles=OWNER).refused
    assert both(desk, number, PERMIT, THOSE).state is State.ANSWERED
    assert desk.settle() == 1
    assert desk.reviews.review(number).state is State.PERMITTED
    assert hidden(pending(world)[len(known)])


def test_one_of_both_roles_may_not_let_it_pass_alone(world, desk):
    free_text(world)
    number = desk.one().id
    mark(world)
    assert desk.do(number, Action.ANSWER, answer=PERMIT, roles=(*OWNER, *THOSE)).state is State.ASKED
    assert "another person must" in desk.do(number, Action.APPROVE, roles=(*OWNER, *THOSE)).refused


def test_lifted_again_it_is_the_first_roles_and_what_the_others_asked_for_is_none(world, desk):
    forbidden(world)
    number = desk.one().id
    mark(world)
    assert desk.do(number, Action.ANSWER, answer=RELEASE, roles=THOSE, by="cia").state is State.ASKED
    world.send(FOLK, LIFTED)
    assert desk.one().role == "dataskyddsombud"
    assert desk.do(number, Action.APPROVE, roles=OMBUD, by="bo").refused
    assert desk.do(number, Action.WITHDRAW, roles=OMBUD, by="bo").state is State.OPEN
    assert both(desk, number, RELEASE, OMBUD).state is State.ANSWERED
    assert desk.settle() == 1
    assert desk.reviews.review(number).state is State.RELEASED


def test_marked_and_lifted_while_the_answer_waits_to_be_carried_out_it_holds(world, desk):
    forbidden(world)
    number = desk.one().id
    assert both(desk, number, RELEASE, OMBUD).state is State.ANSWERED
    mark(world)
    world.send(FOLK, LIFTED)
    assert desk.settle() == 1
    assert desk.reviews.review(number).state is State.RELEASED


def test_whom_it_was_about_is_forgotten_with_its_end(world, desk):
    forbidden(world)
    session = desk.reviews._sessions  # to look at rows, not to change them
    number = desk.one().id

    def persons():
        with session.lent() as one, one.reading():
            return one.execute("SELECT review FROM review_persons").fetchall()

    assert persons() == [(number,)]
    desk.answer(number, RELEASE)
    assert desk.settle() == 1
    assert persons() == []
