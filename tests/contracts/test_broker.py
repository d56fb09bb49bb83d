"""What every broker keeps: a `ports.Publisher`, and a `ports.Consumer` for each of its queues.

Below, what only brokers with leases and a memory of ids keep: the embedded one, and the one in memory.
"""

from __future__ import annotations

from datetime import timedelta

from gateway.message import Replay
from gateway.ports import EVENT_LIMIT, Delivery, Publication
from tests import builders
from tests.builders import FIRST, SECOND, event
from tests.contracts.brokers import LEASE, LONG, given, lent, names

CONFIRMED, RETURNED = Publication.CONFIRMED, Publication.RETURNED


def test_an_event_is_put_on_all_its_queues(broker):
    assert broker.publish([event("a", queues=(FIRST, SECOND)), event("b", partition="q")]) == [CONFIRMED] * 2
    assert sorted(names(lent(broker, broker.consumer(FIRST), 2))) == ["a", "b"]
    assert names(lent(broker, broker.consumer(SECOND), 1)) == ["a"]


def test_a_delivery_carries_the_event_as_it_was_published(broker):
    broker.publish([event("a", body=b"exact \x00 bytes")])
    (delivery,) = lent(broker, broker.consumer(FIRST), 1)
    assert (delivery.queue, delivery.event, delivery.body) == (FIRST, "a", b"exact \x00 bytes")
    assert (delivery.attempt, dict(delivery.headers)) == (1, {})


def test_an_event_for_a_queue_that_is_not_comes_back(broker):
    events = [event("a", queues=("no.such",)), event("b", partition="q"), event("c", partition="r", queues=())]
    assert broker.publish(events) == [RETURNED, CONFIRMED, RETURNED]
    assert names(lent(broker, broker.consumer(FIRST), 1)) == ["b"]


def test_an_event_that_is_too_large_is_on_no_queue_and_the_largest_goes(broker):
    sizes = {"a": EVENT_LIMIT, "b": EVENT_LIMIT + 1}
    events = [event(name, partition=name, body=b"x" * size) for name, size in sizes.items()]
    assert broker.publish(events) == [CONFIRMED, Publication.TOO_LARGE]
    assert names(lent(broker, broker.consumer(FIRST), 1)) == ["a"]


def test_nothing_to_publish_is_nothing(broker):
    assert broker.publish([]) == []


def test_no_more_are_lent_than_asked_for(broker):
    broker.publish([event(str(n), partition=str(n)) for n in range(5)])
    consumer = broker.consumer(FIRST)
    seen = []
    while len(seen) < 5 and (taken := consumer.take(limit=2, wait=LONG)):
        assert len(taken) <= 2
        seen += names(taken)
    assert sorted(seen) == ["0", "1", "2", "3", "4"]


def test_one_persons_events_are_lent_one_at_a_time_and_in_order(broker):
    for n in (1, 2, 3):
        broker.publish([event(f"{person}{n}", partition=person) for person in "ab"])
    consumer, order = broker.consumer(FIRST), []
    while len(order) < 6 and (taken := consumer.take(limit=10, wait=LONG)):
        persons = [name[0] for name in names(taken)]
        assert len(persons) == len(set(persons))
        order += names(taken)
        assert list(consumer.ack(taken)) == [True] * len(taken)
    assert [one for one in order if one[0] == "a"] == ["a1", "a2", "a3"]
    assert [one for one in order if one[0] == "b"] == ["b1", "b2", "b3"]


def test_one_persons_event_on_one_queue_does_not_hold_up_another_queue(broker):
    broker.publish([event("a1", queues=(FIRST,))])
    broker.publish([event("a2", queues=(SECOND,))])
    assert names(lent(broker, broker.consumer(FIRST), 1)) == ["a1"]
    assert names(lent(broker, broker.consumer(SECOND), 1)) == ["a2"]


def test_a_rejected_event_comes_again_with_the_next_attempt_before_the_persons_next(broker):
    broker.publish([event("a1")])
    broker.publish([event("a2")])
    consumer = broker.consumer(FIRST)
    (delivery,) = lent(broker, consumer, 1)
    assert consumer.reject(delivery, reason="not_now")
    (again,) = lent(broker, consumer, 1)
    assert (again.event, again.attempt) == ("a1", 2)
    assert list(consumer.ack([again])) == [True]
    assert names(lent(broker, consumer, 1)) == ["a2"]


def test_an_event_is_acknowledged_once(broker):
    broker.publish([event("a")])
    consumer = broker.consumer(FIRST)
    (delivery,) = lent(broker, consumer, 1)
    assert list(consumer.ack([delivery])) == [True]
    assert list(consumer.ack([delivery])) == [False]
    assert not consumer.reject(delivery, reason="after_all")
    assert lent(broker, consumer, 0) == []


def test_past_the_delivery_limit_an_event_is_lent_no_more_and_the_next_of_the_person_is(broker):
    for name in ("a1", "a2"):
        broker.publish([event(name, queues=(SECOND,))])
    consumer = broker.consumer(SECOND)
    for attempt in range(1, builders.QUEUES[1].delivery_limit + 2):
        (delivery,) = given(consumer, 1)
        assert (delivery.event, delivery.attempt) == ("a1", attempt)
        assert consumer.reject(delivery, reason="broken")
    assert names(lent(broker, consumer, 1)) == ["a2"]


def test_what_must_not_come_again_is_lent_no_more_and_the_next_of_the_person_is(broker):
    for name in ("a1", "a2"):
        broker.publish([event(name)])
    consumer = broker.consumer(FIRST)
    (delivery,) = lent(broker, consumer, 1)
    assert consumer.reject(delivery, reason="no_such_case", again=False)
    assert names(lent(broker, consumer, 1)) == ["a2"]


def test_a_consumer_that_closes_gives_back_what_it_was_lent(broker):
    broker.publish([event("a1"), event("b1", partition="q")])
    broker.publish([event("a2")])
    first = broker.consumer(FIRST)
    (one, _) = lent(broker, first, 2)
    first.ack([one])
    first.close()
    assert sorted(names(lent(broker, broker.consumer(FIRST), 2))) == sorted({"a1", "b1"} - {one.event} | _next(one))


def _next(acknowledged: Delivery) -> set[str]:
    return {"a2"} if acknowledged.event == "a1" else set()


def test_a_replay_is_lent_although_its_event_was_before_and_says_what_it_is(broker):
    broker.publish([event("a")])
    consumer = broker.consumer(FIRST)
    consumer.ack(lent(broker, consumer, 1))
    assert broker.publish([event("a", replay=Replay(letter=7, reason="ärendet är upplagt"))]) == [CONFIRMED]
    (delivery,) = lent(broker, consumer, 1)
    assert (delivery.event, delivery.attempt, delivery.body) == ("a", 1, b'{"id":"a"}')
    assert dict(delivery.headers) == {"x-gw-replay-of": "7", "x-gw-replay-reason": "ärendet är upplagt"}


# --- with leases, and a memory of ids ---------------------------------------------------------------------------------


def test_the_same_event_twice_on_one_queue_stays_one(leased):
    leased.publish([event("a"), event("a")])
    assert leased.publish([event("a", queues=(FIRST, SECOND))]) == [CONFIRMED]
    assert names(lent(leased, leased.consumer(FIRST), 1)) == ["a"]
    assert names(lent(leased, leased.consumer(SECOND), 1)) == ["a"]


def test_an_event_published_again_after_it_was_acknowledged_does_not_come_back(leased):
    leased.publish([event("a")])
    consumer = leased.consumer(FIRST)
    consumer.ack(lent(leased, consumer, 1))
    assert leased.publish([event("a")]) == [CONFIRMED]
    assert lent(leased, consumer, 0) == []


def test_the_same_replay_twice_stays_one_and_another_letters_is_another(leased):
    consumer = leased.consumer(FIRST)
    for letter in (None, 7, 7, 8):
        leased.publish([event("a", replay=Replay(letter=letter, reason="x") if letter else None)])
    letters = []
    while taken := consumer.take(limit=9):
        letters += [one.headers.get("x-gw-replay-of") for one in taken]
        consumer.ack(taken)
    assert letters == [None, "7", "8"]


def test_an_event_with_one_queue_that_is_not_is_put_on_none(leased):
    assert leased.publish([event("a", queues=(FIRST, "no.such"))]) == [RETURNED]
    assert lent(leased, leased.consumer(FIRST), 0) == []


def test_events_are_lent_oldest_first(leased):
    leased.publish([event(str(n), partition=str(n)) for n in range(5)])
    consumer = leased.consumer(FIRST)
    assert names(consumer.take(limit=2)) == ["0", "1"]
    assert names(consumer.take(limit=2)) == ["2", "3"]
    assert names(consumer.take(limit=2)) == ["4"]


def test_a_rejected_event_comes_again_in_its_old_place(leased):
    leased.publish([event("a"), event("b", partition="q")])
    consumer = leased.consumer(FIRST)
    (delivery,) = consumer.take(limit=1)
    consumer.reject(delivery, reason="not_now")
    assert names(consumer.take(limit=2)) == ["a", "b"]


def test_an_ended_lease_lends_again_with_the_next_attempt(leased, clock):
    leased.publish([event("a")])
    consumer, other = leased.consumer(FIRST), leased.consumer(FIRST)
    (first,) = consumer.take(limit=1)
    assert first.lease_ends == clock.now() + LEASE
    clock.pass_(LEASE - timedelta(seconds=1))
    assert other.take(limit=1) == []
    clock.pass_(timedelta(seconds=1))
    (second,) = other.take(limit=1)
    assert (second.event, second.attempt) == ("a", 2)
    assert list(consumer.ack([first])) == [False]
    assert not consumer.reject(first, reason="late")
    assert not consumer.reject(first, reason="late", again=False)
    consumer.close()
    assert list(other.ack([second])) == [True]
    assert lent(leased, other, 0) == []


def test_a_late_acknowledgement_counts_while_nobody_else_has_the_event(leased, clock):
    leased.publish([event("a")])
    consumer = leased.consumer(FIRST)
    (delivery,) = consumer.take(limit=1)
    clock.pass_(2 * LEASE)
    assert list(consumer.ack([delivery])) == [True]
    assert lent(leased, consumer, 0) == []


def test_a_lease_that_ends_counts_against_the_delivery_limit(leased, clock):
    for name in ("a1", "a2"):
        leased.publish([event(name, queues=(SECOND,))])
    consumer = leased.consumer(SECOND)
    for attempt in (1, 2, 3):
        (delivery,) = consumer.take(limit=10)
        assert (delivery.event, delivery.attempt) == ("a1", attempt)
        clock.pass_(LEASE)
    assert names(consumer.take(limit=10)) == ["a2"]


def test_a_consumer_that_closes_often_kills_nothing(leased):
    leased.publish([event("a", queues=(SECOND,))])
    for attempt in range(1, 9):
        consumer = leased.consumer(SECOND)
        (delivery,) = consumer.take(limit=1)
        assert (delivery.event, delivery.attempt) == ("a", attempt)
        consumer.close()
    assert leased.dead_letters().take(limit=1) == []
