"""Each rule about what went out can fail: nothing that a soak must notice passes it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from gateway.outbound.states import Happening, State
from ops.soak.disclosed import Moved, numbers, reconcile
from ops.soak.errands import AF, ENDS, Fate, Way
from ops.soak.givers import Given
from ops.soak.reconcile import Letter
from tests.unit.soak.outgoing import ANSWERS, LIVES, good, handled, kept, other, seen, spoiled, told

TAKEN, ENDED, TIMELINE, OUTCOME = "every command", "every dispatch", "every timeline", "every asker"
ANSWER, ONCE, AGREED = "every event of an answer", "every message that a partner processed", "every end"
CONTENT, DENIED = "every content that came to a partner", "everything that the law stops"
RECEIPT, INTENT, DOOR = "everything delivered", "every intent to disclose", "every message of ours"


def without(found, name):
    return [one for one in found if getattr(one, "dispatch", getattr(one, "id", None)) != name]


def test_good_books_keep_every_rule_and_every_rule_looks_at_something():
    checks = reconcile(good())
    assert [(check.name, check.wrong) for check in checks if not check.holds] == []
    assert all(check.counted for check in checks)
    assert len(checks) == 12


def test_every_fate_and_every_end_is_in_the_good_books():
    books = good()
    assert {one.leg.fate for one in books.meant} == set(Fate)
    assert {one.state for one in books.kept} == {end for ends in ENDS.values() for end in ends}


# --- commands ---------------------------------------------------------------------------------------------------------


def test_a_command_that_is_not_kept_is_noticed():
    found = spoiled(lambda books: replace(books, kept=without(books.kept, "refused")))
    assert found[TAKEN] == ["command-refused: refused is kept 0 times"]


def test_a_command_that_is_kept_twice_is_noticed():
    found = spoiled(lambda books: replace(books, kept=[*books.kept, kept("asked")]))
    assert found[TAKEN] == ["command-asked: asked is kept 2 times"]


def test_a_dispatch_that_nobody_commanded_is_noticed():
    found = spoiled(lambda books: replace(books, meant=without(books.meant, "unread")))
    assert found[TAKEN] == ["unread: nobody commanded it"]


def test_a_command_that_was_never_told_to_be_taken_is_noticed():
    def change(books):
        return replace(books, given=[replace(one, taken=one.name != "command-read") for one in books.given])

    assert spoiled(change) == {TAKEN: ["command-read: was never taken"]}


def test_a_command_given_both_ways_need_be_told_to_be_taken_once():
    more = Given(name="command-read", way=Way.CLI, times=3)
    assert spoiled(lambda books: replace(books, given=[*books.given, more])) == {}


def test_a_command_that_was_turned_away_is_noticed():
    more = Given(name="command-read", way=Way.CLI, times=1, taken=True, odd=["exit code 3"])
    found = spoiled(lambda books: replace(books, given=[*books.given, more]))
    assert found == {TAKEN: ["command-read by command line: exit code 3"]}


# --- ends -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [state for state in State if state is not State.DELIVERED])
def test_whatever_is_answered_in_the_end_and_ends_or_rests_otherwise_is_noticed(state):
    found = spoiled(lambda books: other(books, "asked", state=state))
    assert f"asked (summons, answered in the end): is {state}, None" in found[ENDED]


def test_unresolved_after_a_refusal_without_a_doubt_before_it_is_noticed():
    def change(books):
        steps = tuple(step for step in kept("unresolved").steps if step.happening is not Happening.LOSE)
        return other(books, "unresolved", steps=steps)

    assert "unresolved: is unresolved without a reason" in spoiled(change)[ENDED]


def test_unresolved_without_a_code_is_noticed():
    found = spoiled(lambda books: other(books, "unresolved", code=None))
    assert "unresolved: is unresolved without a reason" in found[ENDED]


def test_a_step_that_the_table_does_not_know_is_noticed():
    wild = Moved(before=State.DELIVERED, happening=Happening.BEGIN, after=State.SENDING)

    def change(books):
        return other(books, "asked", steps=(*kept("asked").steps, wild))

    assert spoiled(change)[TIMELINE] == [
        "asked: begin from delivered to sending",
        "asked: is delivered, and its timeline ends with sending",
    ]


def test_a_step_that_is_missing_is_noticed():
    found = spoiled(lambda books: other(books, "asked", steps=(*kept("asked").steps[:1], kept("asked").steps[2])))
    assert found == {TIMELINE: ["asked: answer from sending to delivered"]}


# --- outcomes and answers ---------------------------------------------------------------------------------------------


def outcomes(books, change):
    return replace(books, told=change(books.told))


def test_an_asker_that_is_not_told_is_noticed():
    found = spoiled(lambda books: outcomes(books, lambda all_: without(all_, "unread")))
    assert found[OUTCOME] == ["unread: 0 outcomes"]


def test_an_asker_that_is_told_twice_is_noticed():
    found = spoiled(lambda books: outcomes(books, lambda all_: [*all_, told("unread")]))
    assert found == {OUTCOME: ["unread: 2 outcomes"]}


def test_an_outcome_of_nothing_is_noticed():
    stray = replace(told("unread"), dispatch="stray")
    found = spoiled(lambda books: outcomes(books, lambda all_: [*all_, stray]))
    assert found == {OUTCOME: ["stray: an outcome of nothing"]}


@pytest.mark.parametrize(
    "change", [{"state": "expired"}, {"code": "GW-OTHER"}, {"attempts": 7}, {"first_failure": "GW-FAR-LOST"}]
)
def test_an_asker_that_is_told_something_else_is_noticed(change):
    def spoil(books):
        return outcomes(books, lambda all_: [replace(one, **change) if one.dispatch == "lost" else one for one in all_])

    assert len(spoiled(spoil)[OUTCOME]) == 1


def test_an_answer_that_is_lost_is_noticed():
    found = spoiled(lambda books: replace(books, handled=books.handled[1:]))
    assert found == {ANSWER: ["asked-event: handled 0 times"]}


def test_an_answer_that_is_handled_twice_is_noticed():
    found = spoiled(lambda books: replace(books, handled=[*books.handled, handled("asked-event")]))
    assert found == {ANSWER: ["asked-event: handled 2 times"]}


def test_an_answer_that_comes_after_its_outcome_is_noticed_and_may_where_it_had_died():
    def change(books):
        first, second, *rest = books.handled
        return replace(books, handled=[second, first, *rest])

    assert spoiled(change) == {ANSWER: ["asked-event: handled after its outcome"]}
    letter = Letter(id=1, event="asked-event", queue=ANSWERS, state="replayed")
    assert spoiled(lambda books: replace(change(books), letters=[letter])) == {}


def test_an_answer_that_no_outcome_names_is_noticed():
    found = spoiled(lambda books: replace(books, handled=[*books.handled, handled("stray")]))
    assert found == {ANSWER: ["stray: handled, and no outcome names it"]}


# --- partners ---------------------------------------------------------------------------------------------------------


def test_a_message_that_was_processed_twice_is_noticed():
    found = spoiled(lambda books: seen(books, "lost", processed=2))
    assert found == {ONCE: ["lost: processed 2 times, 1 contents"]}


def test_a_message_that_comes_twice_and_is_processed_once_is_right():
    assert spoiled(lambda books: seen(books, "lost", seen=5)) == {}


def test_two_contents_under_one_id_are_noticed():
    found = spoiled(lambda books: seen(books, "lost", digests=frozenset({"content-lost", "other"})))
    assert found[ONCE] == ["lost: processed 1 times, 2 contents"]
    assert CONTENT in found


def test_another_content_than_the_permitted_one_is_noticed():
    found = spoiled(lambda books: seen(books, "lost", digests=frozenset({"other"})))
    assert found == {CONTENT: [f"lost: came to {AF} with what was not permitted"]}


def test_a_message_that_came_to_another_partner_is_noticed():
    found = spoiled(lambda books: seen(books, "asked", AF))
    assert found[ONCE] == ["asked: came to skatteverket, arbetsformedlingen"]


def test_a_message_of_nobodys_is_noticed():
    found = spoiled(lambda books: seen(books, "stray", AF))
    assert found == {
        ONCE: ["stray: came to arbetsformedlingen"],
        CONTENT: ["stray: came to arbetsformedlingen with what was not permitted"],
    }


@pytest.mark.parametrize("name", ["asked", "lost", "spoilt", "read"])
def test_what_we_call_delivered_and_no_partner_processed_is_noticed(name):
    found = spoiled(lambda books: seen(books, name, processed=0))
    assert found == {AGREED: [f"{name}: is {kept(name).state}, and no partner has processed it"]}


@pytest.mark.parametrize("name", ["refused", "unread"])
def test_what_we_call_refused_or_expired_and_a_partner_processed_is_noticed(name):
    found = spoiled(lambda books: seen(books, name, None if name == "refused" else AF, processed=1))
    assert found[AGREED] == [f"{name}: is {kept(name).state}, and a partner has processed it"]


def test_what_nobody_can_know_may_have_been_processed():
    assert spoiled(lambda books: seen(books, "unresolved", processed=1)) == {}


def test_what_the_law_stops_and_a_partner_has_is_noticed():
    found = spoiled(lambda books: seen(books, "denied", processed=0))
    assert found[DENIED] == ["denied (summons): came to akassa"]


@pytest.mark.parametrize(
    "change",
    [
        {"attempts": 1},
        {"leaves": Counter({"intent": 1, "end": 1})},
        {"leaves": Counter()},
        {"steps": kept("asked").steps},
        {"steps": kept("unread").steps},
    ],
    ids=str,
)
def test_what_the_law_stops_and_went_further_is_noticed(change):
    found = spoiled(lambda books: other(books, "denied", **change))
    assert found[DENIED] == ["denied (summons): went further than a decision"]


def test_a_receipt_that_is_not_proven_is_noticed_where_something_was_delivered_and_nowhere_else():
    assert spoiled(lambda books: other(books, "lost", receipt="0 answers are sealed")) == {
        RECEIPT: ["lost: 0 answers are sealed"]
    }
    assert spoiled(lambda books: other(books, "unread", receipt="0 answers are sealed")) == {}


@pytest.mark.parametrize("leaves", [{"intent": 1}, {"intent": 1, "end": 2}, {"end": 1}, {}], ids=str)
def test_an_intent_without_an_end_an_end_without_an_intent_and_content_without_either_are_noticed(leaves):
    found = spoiled(lambda books: other(books, "spoilt", leaves=Counter(leaves)))
    assert found == {INTENT: [f"spoilt: {leaves.get('intent', 0)} intents, {leaves.get('end', 0)} ends"]}


def test_what_a_door_refuses_for_another_reason_than_its_time_is_noticed():
    found = spoiled(lambda books: replace(books, turned_away={AF: ("GW-SIG-VALUE",)}))
    assert found == {DOOR: [f"{AF}: refused at the door with GW-SIG-VALUE"]}


def test_an_answer_of_the_mailbox_that_must_not_be_is_noticed():
    found = spoiled(lambda books: replace(books, odd=["another message was fetched"]))
    assert found == {DOOR: ["mailbox: another message was fetched"]}


def test_the_numbers_are_those_of_the_books():
    counted = numbers(good(), {"REST": 1})
    assert counted["commands"] == len(LIVES)
    assert (counted["attempts at partners"], counted["attempts that may have happened"]) == (7, 2)
    assert counted["messages that came to a partner again"] == 1
    assert counted["dispatches delivered"] == 3
    assert counted["fetched by REST"] == 1
