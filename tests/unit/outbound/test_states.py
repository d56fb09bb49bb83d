"""The table of a dispatch's life: whole, without dead ends, and with uncertain as a state that only proof leaves."""

from pathlib import Path

import pytest

from gateway.errors import IntegrityError
from gateway.outbound import guide, states
from gateway.outbound.states import DUE, ENDED, FINAL, IN_FLIGHT, TRANSITIONS, UNDISCLOSED, Happening, State

ROOT = Path(__file__).parents[3]
S, H = State, Happening
PERSONS = {H.CONFIRM, H.DISPROVE, H.WITHDRAW, H.PERMIT}
"""What only a person does."""
MAYBE_DISCLOSED = {S.SENDING, S.UNCERTAIN, S.RESENDING, S.UNRESOLVED, S.FETCHED}


def reached(start: State, *, without: set[Happening] = frozenset()) -> set[State]:
    """Return every state that can follow, itself with it."""
    found, new = {start}, [start]
    while new:
        here = new.pop()
        for (state, happening), after in TRANSITIONS.items():
            if state is here and happening not in without and after not in found:
                found.add(after)
                new.append(after)
    return found


def test_every_state_is_reached_from_the_first():
    assert reached(states.BEGIN) == set(State)


@pytest.mark.parametrize("state", State)
def test_every_state_can_come_to_an_end(state):
    assert reached(state) & FINAL


@pytest.mark.parametrize("state", sorted(set(State) - FINAL - {S.UNRESOLVED}))
def test_no_machine_waits_for_a_person_for_ever(state):
    assert reached(state, without=PERSONS) & ENDED


def test_nothing_happens_to_what_is_final():
    assert {S.DELIVERED, S.DENIED, S.WITHDRAWN, S.EXPIRED, S.REFUSED, S.UNUSABLE} == FINAL
    for state in FINAL:
        for happening in Happening:
            with pytest.raises(IntegrityError):
                states.after(state, happening)


def test_everything_that_can_happen_happens_somewhere():
    assert {happening for _, happening in TRANSITIONS} == set(Happening)


def test_unresolved_ends_for_the_machine_and_only_a_person_goes_on():
    assert {S.UNRESOLVED} == ENDED - FINAL
    assert {happening for state, happening in TRANSITIONS if state is S.UNRESOLVED} == {H.CONFIRM, H.DISPROVE}


def test_what_is_due_can_go_on_and_what_is_ended_or_under_way_is_not_due():
    assert not DUE & (ENDED | IN_FLIGHT)
    assert {state for state, happening in TRANSITIONS if happening is H.BEGIN} == DUE - {S.QUEUED}
    assert {after for (_, happening), after in TRANSITIONS.items() if happening is H.BEGIN} == IN_FLIGHT


def test_every_attempt_can_end_in_every_way():
    for state in IN_FLIGHT:
        ends = {happening for one, happening in TRANSITIONS if one is state}
        assert ends == {H.ANSWER, H.REFUSE, H.SPOIL, H.POSTPONE, H.LOSE}


@pytest.mark.parametrize("state", [S.UNCERTAIN, S.RESENDING])
def test_after_uncertain_nobody_but_a_person_says_that_it_has_not_happened(state):
    assert reached(state, without=PERSONS) == {S.UNCERTAIN, S.RESENDING, S.DELIVERED, S.UNUSABLE, S.UNRESOLVED}


@pytest.mark.parametrize("state", sorted(UNDISCLOSED))
def test_nothing_was_disclosed_means_that_no_attempt_is_in_doubt(state):
    before = {(one, happening) for (one, happening), after in TRANSITIONS.items() if after is state}
    doubted = {(one, happening) for one, happening in before if one in MAYBE_DISCLOSED}
    assert {happening for _, happening in doubted} <= {H.DISPROVE}


def test_waiting_has_certainly_not_happened():
    before = {(one, happening) for (one, happening), after in TRANSITIONS.items() if after is S.WAITING}
    assert before == {(S.SENDING, H.POSTPONE), (S.UNCERTAIN, H.DISPROVE)}


def test_no_attempt_begins_before_the_intent_is_written():
    composed = {after for (_, happening), after in TRANSITIONS.items() if happening is H.COMPOSE}
    assert composed == {S.COMPOSED}
    assert S.SENDING not in reached(states.BEGIN, without={H.COMPOSE})
    assert S.DEPOSITED not in reached(states.BEGIN, without={H.COMPOSE})


def test_what_a_person_must_decide_is_never_released_by_itself():
    assert reached(S.REFERRED, without={H.PERMIT}) == {S.REFERRED, S.DENIED, S.EXPIRED, S.WITHDRAWN}
    assert {after for (state, happening), after in TRANSITIONS.items() if happening is H.PERMIT} == {S.QUEUED}
    assert {state for state, happening in TRANSITIONS if happening is H.PERMIT} == {S.REFERRED}


def test_whoever_asked_can_withdraw_until_an_attempt_may_have_happened():
    assert {state for state, happening in TRANSITIONS if happening is H.WITHDRAW} == {
        S.QUEUED, S.REFERRED, S.COMPOSED, S.WAITING, S.DEPOSITED,
    }  # fmt: skip


def test_time_runs_out_wherever_a_dispatch_can_wait():
    waiting = set(State) - ENDED - IN_FLIGHT
    assert {state for state, happening in TRANSITIONS if happening is H.EXPIRE} == waiting


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("happening", Happening)
def test_after_says_what_the_table_says(state, happening):
    if (state, happening) in TRANSITIONS:
        assert states.after(state, happening) is TRANSITIONS[state, happening]
    else:
        with pytest.raises(IntegrityError, match=f"{state} cannot {happening}"):
            states.after(state, happening)


def test_the_drawing_shows_every_arrow_once():
    lines = list(states.drawn())
    assert lines[0] == "stateDiagram-v2"
    arrows = [line.strip() for line in lines[1:]]
    assert len(arrows) == len(set(arrows)) == 1 + len(TRANSITIONS) + len(FINAL)
    for (state, happening), after in TRANSITIONS.items():
        assert f"{state} --> {after}: {happening}" in arrows


def test_every_state_and_happening_is_explained():
    page = guide.page()
    assert set(guide.SWEDISH) == set(State)
    for name in (*State, *Happening):
        assert f"| `{name}` |" in page
    assert all(sentence.endswith(".") for sentence in guide.SWEDISH.values())


def test_the_guide_is_as_it_is_made():
    assert (ROOT / "docs" / "states.md").read_text() == guide.page(), "ops/dev/states"


@pytest.mark.parametrize("state", State)
def test_the_guide_says_that_nothing_was_disclosed_only_where_that_is_certain(state):
    certain = UNDISCLOSED | {S.QUEUED}
    said = "inget har lämnats ut" in guide.SWEDISH[state] or "innan något lämnades ut" in guide.SWEDISH[state]
    assert said == (state in certain)
