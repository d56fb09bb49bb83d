"""The table of reviews, and who may do what: pure."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway import review
from gateway.review import ENDS, FINAL, TRANSITIONS, Action, Answer, Answered, Kind, Standing, State, after
from tests.builders import NOON
from tests.reviewing import act

S, A = State, Action
PEOPLE = {A.READ, A.ANSWER, A.ASK, A.APPROVE, A.WITHDRAW}


def standing(state: State = S.OPEN, **more) -> Standing:
    given = {
        "kind": Kind.RECORD,
        "state": state,
        "role": "jurist",
        "four_eyes": False,
        "balancing": False,
        "reasons": ("FREE_TEXT",),
        "expires_at": NOON + timedelta(days=14),
        "asked_by": "anna" if state is S.ASKED else None,
        "asked_at": NOON if state is S.ASKED else None,
        "asked": "f1" if state is S.ASKED else None,
        "asked_role": "jurist" if state is S.ASKED else None,
    }
    return Standing(**{**given, **more})


def reached(start: State, *, without: set[Action]) -> set[State]:
    found, new = {start}, [start]
    while new:
        here = new.pop()
        for (state, action), to in TRANSITIONS.items():
            if state is here and action not in without and to not in found:
                found.add(to)
                new.append(to)
    return found


def test_every_state_is_reached_and_every_one_can_end():
    assert reached(S.OPEN, without=set()) == set(State)
    for state in State:
        assert reached(state, without=set()) & FINAL


def test_without_people_nothing_passes_from_any_state_that_waits():
    for state in review.WAITING:
        assert reached(state, without=PEOPLE) <= {state, S.OPEN, S.EXPIRED, S.OVERTAKEN}


def test_nothing_happens_to_what_has_ended():
    assert {S.PERMITTED, S.DENIED, S.RELEASED, S.DESTROYED, S.EXPIRED, S.OVERTAKEN} == FINAL
    for state in FINAL:
        for action in (A.READ, A.ANSWER, A.APPROVE, A.WITHDRAW):
            assert isinstance(after(standing(state), act(action, NOON, answer=Answer.PERMIT)), str)


def test_a_no_never_becomes_a_yes():
    assert not ENDS[Answer.DENY] & {A.PERMIT, A.RELEASE, A.DESTROY}
    assert not ENDS[Answer.PERMIT] & {A.RELEASE, A.DESTROY}


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("answer", Answer)
def test_only_what_fits_the_kind_is_an_answer(kind, answer):
    found = after(standing(kind=kind), act(A.ANSWER, NOON, answer=answer))
    assert isinstance(found, str) == (answer not in review.answers(kind))


@pytest.mark.parametrize("action", [A.READ, A.ANSWER, A.APPROVE, A.WITHDRAW])
@pytest.mark.parametrize("state", [S.OPEN, S.ASKED])
def test_only_the_named_role_does_anything(action, state):
    found = after(standing(state), act(action, NOON, answer=Answer.PERMIT, roles=("chef",), by="bo"))
    assert isinstance(found, str)
    assert "not of that role" in found


@pytest.mark.parametrize(
    ("kind", "four_eyes", "answer", "two"),
    [
        (Kind.RECORD, False, Answer.PERMIT, False),
        (Kind.RECORD, True, Answer.PERMIT, True),
        (Kind.RECORD, True, Answer.DENY, False),
        (Kind.DISPATCH, True, Answer.PERMIT, True),
        (Kind.QUARANTINE, False, Answer.RELEASE, True),
        (Kind.QUARANTINE, False, Answer.DESTROY, True),
    ],
)
def test_two_people_where_it_lets_something_pass_or_destroys_and_the_law_wants_two(kind, four_eyes, answer, two):
    found = after(standing(kind=kind, four_eyes=four_eyes), act(A.ANSWER, NOON, answer=answer))
    assert found == ((A.ASK, S.ASKED) if two else (A.ANSWER, S.ANSWERED))


def test_another_person_approves_and_anybody_of_the_role_withdraws():
    assert isinstance(after(standing(S.ASKED), act(A.APPROVE, NOON, by="anna", seen=("f1",))), str)
    assert after(standing(S.ASKED), act(A.APPROVE, NOON, by="bo", seen=("f1",))) == (A.APPROVE, S.ANSWERED)
    for by in ("anna", "bo"):
        assert after(standing(S.ASKED), act(A.WITHDRAW, NOON, by=by)) == (A.WITHDRAW, S.OPEN)


@pytest.mark.parametrize("seen", [(), ("f2",), ("",)])
def test_nobody_approves_an_answer_that_he_does_not_name(seen):
    assert after(standing(S.ASKED), act(A.APPROVE, NOON, by="bo", seen=seen)) == review.OTHER
    assert after(standing(S.ASKED, asked=None), act(A.APPROVE, NOON, by="bo", seen=("f1",))) == review.OTHER


def test_a_fingerprint_names_all_that_an_answer_says_and_where_it_stands():
    said = [3, 1, "permit", "a b", "anna", "jurist", "reason", None]
    prints = {review.fingerprint(*said)}
    for place, other in enumerate([4, 2, "deny", "a", "bo", "ombud", "another", "note"]):
        prints.add(review.fingerprint(*said[:place], other, *said[place + 1 :]))
    assert len(prints) == len(said) + 1
    assert review.fingerprint("a b", "c") != review.fingerprint("a", "b c")
    assert all(len(one) == 16 for one in prints)


def test_a_review_that_has_moved_is_for_the_other_role_alone_and_takes_two():
    moved = standing().moved("skyddade-personuppgifter")
    assert "is not of that role" in after(moved, act(A.READ, NOON, roles=("jurist",)))
    assert after(moved, act(A.ANSWER, NOON, answer=Answer.PERMIT)) == (A.ASK, S.ASKED)
    asked = standing(S.ASKED).moved("skyddade-personuppgifter")
    assert "before anybody knew" in after(asked, act(A.APPROVE, NOON, by="bo", seen=("f1",)))
    assert after(asked, act(A.WITHDRAW, NOON, by="bo")) == (A.WITHDRAW, S.OPEN)


def test_what_is_over_is_answered_by_nobody():
    late = act(A.ANSWER, NOON + timedelta(days=14), answer=Answer.PERMIT)
    assert "time is out" in after(standing(), late)


def test_answers_add_up_by_question_and_narrow_by_field():
    one = Answered(reasons=frozenset({"A"}), fields=frozenset({"x", "y"}), basis="B")
    two = Answered(reasons=frozenset({"B"}), fields=frozenset({"y", "z"}), basis="B")
    assert one.also(two) == Answered(reasons=frozenset({"A", "B"}), fields=frozenset({"y"}), basis="B")
    assert review.NOTHING.also(one) == one
