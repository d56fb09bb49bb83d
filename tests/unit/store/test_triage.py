from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.store import triage
from gateway.store.triage import ASK_LASTS, JUDGED, LONGEST, TRANSITIONS, Action, Standing, State
from tests import builders

ANNA, BO = "anna", "bo"


def standing(state: State, asked_by: str = ANNA) -> Standing:
    asked = state is State.ASKED
    return Standing(
        state=state,
        asked_by=asked_by if asked else None,
        asked_at=builders.NOON if asked else None,
        asked=SEEN if asked else None,
    )


SEEN = triage.asked(ANNA, "", "test data", "2026-11-20T12:00:00.000000Z")


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("state", State)
def test_an_action_follows_the_table_or_is_refused_with_a_reason(state, action):
    found = triage.after(standing(state), action, BO, (SEEN,))
    expected = TRANSITIONS.get((state, action))
    assert found == expected if expected else isinstance(found, str) and not isinstance(found, State) and found


def test_what_is_judged_stays_judged():
    assert not [state for state, _ in TRANSITIONS if state in JUDGED]


def test_every_state_can_be_reached_and_every_letter_can_be_judged():
    reached, before = {State.OPEN}, None
    while reached != before:
        before = set(reached)
        reached |= {following for (state, _), following in TRANSITIONS.items() if state in before}
    assert reached == set(State)
    for state in set(State) - JUDGED:
        assert any(start is state for start, _ in TRANSITIONS)


def test_only_another_person_approves():
    assert triage.after(standing(State.ASKED), Action.APPROVE, BO, (SEEN,)) is State.DISCARDED
    assert "another person" in triage.after(standing(State.ASKED), Action.APPROVE, ANNA, (SEEN,))
    for other in ((), (SEEN[::-1],)):
        assert "not the one you name" in triage.after(standing(State.ASKED), Action.APPROVE, BO, other)


def test_an_ask_lapses_after_a_day():
    asked = standing(State.ASKED)
    assert not asked.lapsed(builders.NOON + ASK_LASTS - timedelta(microseconds=1))
    assert asked.lapsed(builders.NOON + ASK_LASTS)
    assert not standing(State.OPEN).lapsed(builders.NOON + 2 * ASK_LASTS)


@given(
    st.lists(st.tuples(st.sampled_from(sorted(set(Action) - {Action.LAPSE})), st.sampled_from([ANNA, BO])), max_size=20)
)
def test_whatever_is_tried_nobody_discards_alone_and_nothing_leaves_a_judged_state(tries):
    """The asker is whoever asked last; discarding takes two, and a letter is sent or discarded at most once."""
    now, asker, ends = State.OPEN, None, 0
    for action, by in tries:
        found = triage.after(standing(now, asker or ""), action, by, (SEEN,))
        if not isinstance(found, State):
            continue
        assert now not in JUDGED
        if found is State.DISCARDED:
            assert by != asker
        if action is Action.ASK:
            asker = by
        ends += found in JUDGED
        now = found
    assert ends <= 1


@pytest.mark.parametrize(
    ("reason", "wrong"),
    [
        ("", "needed"),
        ("  \t ", "needed"),
        ("x" * (LONGEST + 1), "at most 200"),
        ("one\nline", "one line"),
        ("nul \x00 byte", "one line"),
        (f"case of {builders.NUMBERS[0]}", "names no person"),
        (f"case of {builders.NUMBERS[0][2:8]}-{builders.NUMBERS[0][8:]}", "names no person"),
        (f"case of {builders.NUMBERS[0][:8]} {builders.NUMBERS[0][8:]}", "names no person"),
        ("ask anna@example.org", "names no person"),
        ("<data>1</data>", "names no person"),
    ],
)
def test_a_reason_that_is_not_fit_is_refused_with_why(reason, wrong):
    assert wrong in triage.unfit(reason)


@pytest.mark.parametrize("reason", ["konsumenten är lagad, ärende 4711", "  framed  ", "x" * LONGEST, "fel 2026-11-20"])
def test_a_fit_reason_is_one(reason):
    assert triage.unfit(reason) == ""


def test_failures_that_differ_in_ids_and_numbers_alone_are_one_group():
    group = triage.group_of("q", "t", "timeout after 30 s in 3f2c9a77-1111-4222-8333-abcdefabcdef")
    assert group == triage.group_of("q", "t", "Timeout  after 5 s in 00000000-0000-4000-8000-000000000000")
    assert len(group) == 16
    others = [("q2", "t", "x"), ("q", "t2", "x"), ("q", "t", "y"), ("q", "t", "x"), ("qt", "", "x")]
    assert len({triage.group_of(*one) for one in others}) == len(others)


@given(st.text(max_size=400))
def test_text_from_outside_is_stored_as_one_printable_line(text):
    kept = triage.plain(text)
    assert len(kept) <= LONGEST
    assert kept.isprintable()
    kept.encode()
