"""What every `ports.Broker` keeps."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.broker.embedded import EmbeddedBroker
from gateway.ports import Publication
from tests import builders
from tests.builders import FIRST, SECOND, event
from tests.memory import MemoryBroker

CONFIRMED, RETURNED = Publication.CONFIRMED, Publication.RETURNED
LEASE = timedelta(seconds=30)


@pytest.fixture
def clock():
    return builders.Clock()


@pytest.fixture(params=["memory", "embedded"])
def broker(request, tmp_path, clock):
    if request.param == "memory":
        yield MemoryBroker(builders.QUEUES, clock=clock, lease=LEASE)
        return
    embedded = EmbeddedBroker(builders.queues(tmp_path), builders.QUEUES, clock=clock, lease=LEASE)
    yield embedded
    embedded.close()


def taken(broker, queue: str = FIRST, limit: int = 10) -> list[str]:
    return [delivery.event for delivery in broker.take(queue, limit=limit)]


def test_an_event_is_put_on_all_its_queues(broker):
    assert list(broker.publish([event("a", queues=(FIRST, SECOND)), event("b", partition="q")])) == [CONFIRMED] * 2
    assert taken(broker, FIRST) == ["a", "b"]
    assert taken(broker, SECOND) == ["a"]


def test_a_delivery_carries_the_event_as_it_was_published(broker, clock):
    broker.publish([event("a", body=b"exact \x00 bytes")])
    (delivery,) = broker.take(FIRST, limit=1)
    assert (delivery.queue, delivery.event, delivery.body) == (FIRST, "a", b"exact \x00 bytes")
    assert (delivery.attempt, delivery.lease_ends, delivery.headers) == (1, clock.now() + LEASE, {})


def test_the_same_event_twice_on_one_queue_stays_one(broker):
    broker.publish([event("a"), event("a")])
    assert list(broker.publish([event("a", queues=(FIRST, SECOND))])) == [CONFIRMED]
    assert taken(broker, FIRST) == ["a"]
    assert taken(broker, SECOND) == ["a"]


def test_an_event_published_again_after_it_was_acknowledged_does_not_come_back(broker):
    broker.publish([event("a")])
    (delivery,) = broker.take(FIRST, limit=1)
    assert broker.ack(delivery)
    assert list(broker.publish([event("a")])) == [CONFIRMED]
    assert taken(broker) == []


def test_an_event_for_a_queue_that_is_not_comes_back_and_is_put_nowhere(broker):
    events = [event("a", queues=(FIRST, "no.such")), event("b", partition="q"), event("c", queues=())]
    assert list(broker.publish(events)) == [RETURNED, CONFIRMED, RETURNED]
    assert taken(broker) == ["b"]


def test_nothing_to_publish_is_nothing(broker):
    assert list(broker.publish([])) == []


def test_events_are_lent_oldest_first_and_no_more_than_asked_for(broker):
    broker.publish([event(str(n), partition=str(n)) for n in range(5)])
    assert taken(broker, limit=2) == ["0", "1"]
    assert taken(broker, limit=2) == ["2", "3"]
    assert taken(broker) == ["4"]
    assert taken(broker) == []


def test_one_persons_events_are_lent_one_at_a_time_and_in_order(broker):
    broker.publish([event("a1", partition="a"), event("a2", partition="a"), event("b1", partition="b")])
    broker.publish([event("a3", partition="a")])
    order = []
    while deliveries := broker.take(FIRST, limit=10):
        persons = [delivery.event[0] for delivery in deliveries]
        assert len(persons) == len(set(persons))
        order += [delivery.event for delivery in deliveries]
        assert all(broker.ack(delivery) for delivery in deliveries)
    assert [one for one in order if one[0] == "a"] == ["a1", "a2", "a3"]
    assert sorted(order) == ["a1", "a2", "a3", "b1"]


def test_one_persons_event_on_one_queue_does_not_hold_up_another_queue(broker):
    broker.publish([event("a1", queues=(FIRST,)), event("a2", queues=(SECOND,))])
    assert taken(broker, FIRST) == ["a1"]
    assert taken(broker, SECOND) == ["a2"]


def test_a_rejected_event_comes_again_in_its_old_place_with_the_next_attempt(broker):
    broker.publish([event("a"), event("b", partition="q")])
    (delivery,) = broker.take(FIRST, limit=1)
    assert broker.reject(delivery, reason="not now")
    first, second = broker.take(FIRST, limit=2)
    assert (first.event, first.attempt) == ("a", 2)
    assert (second.event, second.attempt) == ("b", 1)


def test_an_ended_lease_lends_again_with_the_next_attempt(broker, clock):
    broker.publish([event("a")])
    (first,) = broker.take(FIRST, limit=1)
    clock.pass_(LEASE - timedelta(seconds=1))
    assert taken(broker) == []
    clock.pass_(timedelta(seconds=1))
    (second,) = broker.take(FIRST, limit=1)
    assert (second.event, second.attempt) == ("a", 2)
    assert not broker.ack(first)
    assert not broker.reject(first, reason="late")
    assert broker.ack(second)
    assert taken(broker) == []


def test_a_late_acknowledgement_counts_while_nobody_else_has_the_event(broker, clock):
    broker.publish([event("a")])
    (delivery,) = broker.take(FIRST, limit=1)
    clock.pass_(2 * LEASE)
    assert broker.ack(delivery)
    assert taken(broker) == []


def test_an_event_is_acknowledged_once(broker):
    broker.publish([event("a")])
    (delivery,) = broker.take(FIRST, limit=1)
    assert broker.ack(delivery)
    assert not broker.ack(delivery)
    assert not broker.reject(delivery, reason="after all")


@pytest.mark.parametrize("by", ["rejection", "lease"])
def test_past_the_delivery_limit_an_event_is_lent_no_more_and_the_next_of_the_person_is(broker, clock, by):
    broker.publish([event("a1", queues=(SECOND,)), event("a2", queues=(SECOND,))])
    for attempt in range(1, 4):
        (delivery,) = broker.take(SECOND, limit=10)
        assert (delivery.event, delivery.attempt) == ("a1", attempt)
        if by == "rejection":
            assert broker.reject(delivery, reason="broken")
        else:
            clock.pass_(LEASE)
    assert taken(broker, SECOND) == ["a2"]
