"""Each rule of the reconciliation can fail: nothing that a soak must notice passes it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from ops.soak.reconcile import Letter, Refused, reconcile
from ops.soak.traffic import Kind
from tests.unit.soak.books import OTHER, QUEUE, good, handled, line, spoiled

EVENT = "every event of a receipted message"
ORDER = "every person's events on a queue"


def swap(lines, number, **changes):
    return [replace(one, **changes) if one.number == number else one for one in lines]


def test_good_books_keep_every_rule_and_every_rule_looks_at_something():
    checks = reconcile(good())
    assert [check.name for check in checks if not check.holds] == []
    assert all(check.counted for check in checks)


def test_a_lost_event_is_noticed():
    found = spoiled(lambda books: replace(books, handled=books.handled[1:]))
    assert found == {EVENT: [f"urn:uuid:1: event1-1 on {QUEUE}: 0 times, not 1"]}


def test_an_event_lost_on_one_of_two_queues_is_noticed():
    found = spoiled(lambda books: replace(books, handled=[one for one in books.handled if one.queue != OTHER]))
    assert found == {EVENT: [f"urn:uuid:1: event1-1 on {OTHER}: 0 times, not 1"]}


def test_a_doubled_event_is_noticed():
    found = spoiled(lambda books: replace(books, handled=[*books.handled, handled(4)]))
    assert found[EVENT] == [f"urn:uuid:4: event4-1 on {QUEUE}: 2 times, not 1"]


def test_an_event_of_nobody_is_noticed():
    found = spoiled(lambda books: replace(books, handled=[*books.handled, handled(9)]))
    assert found[EVENT] == [f"event9-1 on {QUEUE}: handled, and no receipted message has it"]


def test_a_discarded_event_that_was_handled_all_the_same_is_noticed():
    found = spoiled(lambda books: replace(books, handled=[*books.handled, handled(2)]))
    assert found == {EVENT: [f"urn:uuid:2: event2-1 on {QUEUE}: 1 times, not 0"]}


def test_a_swapped_order_is_noticed():
    def change(books):
        first, second = handled(1), replace(handled(3), subject="person-1")
        rest = [one for one in books.handled if one.event not in {"event1-1", "event3-1"} or one.queue == OTHER]
        return replace(books, handled=[second, first, *rest], letters=books.letters[1:], poisoned=lambda _: False)

    found = spoiled(change)
    assert found == {ORDER: [f"event1-1 on {QUEUE}: after event3-1, which was accepted later"]}


def test_what_was_sent_again_by_an_operator_may_come_out_of_order():
    books = good()
    late = [replace(handled(1), subject="person-0"), *books.handled[1:2], handled(4)]
    dead = Letter(id=3, event="event1-1", queue=QUEUE, state="replayed")
    checks = reconcile(
        replace(books, handled=[handled(4), late[1], late[0], handled(3, replay_of=1)], letters=[*books.letters, dead])
    )
    assert [check.name for check in checks if not check.holds] == []


def test_another_body_is_noticed():
    found = spoiled(lambda books: replace(books, handled=[replace(books.handled[0], digest="x"), *books.handled[1:]]))
    assert found == {"every event handled": [f"event1-1 on {QUEUE}: another body"]}


def test_a_receipt_without_a_message_is_noticed():
    found = spoiled(lambda books: replace(books, stored=books.stored[1:]))
    assert found["every receipt"] == ["urn:uuid:1: a receipt without a message"] * 2


@pytest.mark.parametrize("change", [{"digest": "other"}, {"leaves": ("other",)}])
def test_a_receipt_that_says_something_else_than_the_store_is_noticed(change):
    found = spoiled(lambda books: replace(books, stored=[replace(books.stored[0], **change), *books.stored[1:]]))
    assert found["every receipt"] == ["urn:uuid:1: the receipt says another digest or other leaves"] * 2


def test_another_messages_receipt_is_noticed():
    found = spoiled(lambda books: replace(books, lines=swap(books.lines, 3, receipts=line(4).receipts)))
    assert found["every receipt"] == ["urn:uuid:3: the receipt is of urn:uuid:4"]


def test_a_message_without_a_receipt_is_stated():
    found = spoiled(lambda books: replace(books, lines=swap(books.lines, 3, receipts=[])))
    assert found["every stored message"] == ["urn:uuid:3: stored, and its sender got no receipt in the end"]
    assert "every message" in found


def test_a_message_that_nobody_sent_is_noticed():
    found = spoiled(lambda books: replace(books, lines=[one for one in books.lines if one.number != 3]))
    assert found["every stored message"] == ["urn:uuid:3: stored, and nobody sent it"]


def test_a_message_that_was_stored_twice_is_noticed():
    twice = replace(good().stored[2], number=7)
    found = spoiled(lambda books: replace(books, stored=[*books.stored, twice]))
    assert found["every stored message"] == ["urn:uuid:3: stored twice"]


def test_a_repetition_with_other_facts_is_noticed():
    def change(books):
        return replace(books, lines=swap(books.lines, 5, receipts=[("urn:uuid:1", "digest-1", "DENY", ("leaf-1",))]))

    assert spoiled(change) == {"every repetition": ["urn:uuid:1: the repetition says something else"]}


def test_twins_that_differ_are_noticed():
    first = line(2, Kind.TWIN).receipts[0]

    def change(books):
        return replace(books, lines=swap(books.lines, 2, receipts=[first, (*first[:2], "DENY", first[3])]))

    assert "every repetition" in spoiled(change)


def test_a_missing_leaf_is_noticed():
    found = spoiled(lambda books: replace(books, proven=books.proven - {"leaf-2"}))
    assert found == {"every promised leaf": ["urn:uuid:2: leaf leaf-2… is not proven"]}


def test_a_log_that_does_not_compute_is_noticed():
    found = spoiled(lambda books: replace(books, verified="GW-INTEGRITY: leaf 3 is not there"))
    assert found == {"the whole log": ["GW-INTEGRITY: leaf 3 is not there"]}


def test_a_refusal_without_a_leaf_is_noticed():
    found = spoiled(lambda books: replace(books, refused=books.refused[:1]))
    assert list(found) == ["every refusal that was answered"]


def test_a_time_refusal_without_a_leaf_is_noticed():
    found = spoiled(lambda books: replace(books, refused=books.refused[1:]))
    assert list(found) == ["every refusal that was answered"]


@pytest.mark.parametrize("change", [{"code": "GW-SIG-DIGEST"}, {"content": "bytes-4"}])
def test_a_refusal_leaf_of_something_else_is_noticed(change):
    found = spoiled(lambda books: replace(books, refused=[books.refused[0], replace(books.refused[1], **change)]))
    assert "every refusal that was answered" in found


def test_more_refusal_leaves_than_were_sent_are_noticed():
    more = Refused(code="GW-SIG-VALUE", leaf="d" * 64, content="bytes-6")
    found = spoiled(lambda books: replace(books, refused=[*books.refused, more]))
    assert found == {"every refusal leaf": ["bytes bytes-6…: 2 refusal leaves, sent 1 times"]}


def test_an_unanswered_refusal_may_have_a_leaf_for_each_attempt():
    more = Refused(code="GW-SIG-VALUE", leaf="d" * 64, content="bytes-6")

    def change(books):
        lines = swap(books.lines, 6, sent=Counter({"bytes-6": 2}), silent=1)
        return replace(books, refused=[*books.refused, more], lines=lines)

    assert spoiled(change) == {}


def test_a_wrong_message_with_a_receipt_is_noticed():
    found = spoiled(lambda books: replace(books, lines=swap(books.lines, 6, code=None, receipts=line(6).receipts)))
    assert found["every message"][0].startswith("urn:uuid:6 (signature value changed): code None, 1 receipts")


def test_another_code_is_noticed():
    found = spoiled(lambda books: replace(books, lines=swap(books.lines, 6, code="GW-SIG-DIGEST")))
    assert "every message" in found


def test_an_answer_that_is_none_is_noticed():
    found = spoiled(lambda books: replace(books, lines=swap(books.lines, 3, odd=["HTTP 200 without XML"])))
    assert list(found) == ["every message"]


def test_a_message_accepted_before_one_whose_receipt_came_first_is_noticed():
    found = spoiled(lambda books: replace(books, lines=swap(books.lines, 1, began=9.0, ended=9.5)))
    assert found == {"every person's messages": ["urn:uuid:1: sent after a receipt, and accepted before that message"]}


def test_an_event_that_should_have_died_and_has_no_letter_is_noticed():
    found = spoiled(lambda books: replace(books, letters=books.letters[1:], handled=[*books.handled[:3], handled(3)]))
    assert found["every event that no consumer can take"] == [f"urn:uuid:3: event3-1 on {QUEUE}: no dead letter"]


def test_a_letter_that_nobody_judged_is_noticed():
    open_ = replace(good().letters[0], state="open")
    found = spoiled(lambda books: replace(books, letters=[open_, books.letters[1]]))
    assert found == {"every event that no consumer can take": [f"letter 1: event3-1 on {QUEUE} is open"]}


def test_a_replay_of_another_letter_is_noticed():
    found = spoiled(lambda books: replace(books, handled=[*books.handled[:3], handled(3, replay_of=2)]))
    assert list(found) == ["every event that was sent again"]


def test_what_is_left_is_noticed():
    found = spoiled(lambda books: replace(books, left={"outbox": 2, QUEUE: 0}))
    assert found == {"nothing left in outbox, queues and dead letters": ["outbox: 2"]}
