"""Events in, from the real broker: each person's in order, each until it is acknowledged or buried."""

from __future__ import annotations

import threading
import time

import pytest

from gateway.broker.rabbitmq import topology
from gateway.broker.rabbitmq.connection import State
from gateway.errors import ConfigError
from ops.soak.proxy import Proxy
from tests.builders import FIRST, QUEUES, SECOND, event
from tests.integration.rabbit import SOON, collecting, consuming, eventually, letters, publishing, ready, taken

pytestmark = pytest.mark.services


@pytest.fixture
def settings(virtual_host):
    return virtual_host(QUEUES)


@pytest.fixture
def proxy(servers):
    with Proxy(("127.0.0.1", servers.rabbitmq.amqps)) as made:
        yield made


@pytest.fixture
def behind(servers, proxy):
    with servers.virtual_host(QUEUES, port=proxy.port) as made:
        yield made


@pytest.fixture
def straight(servers, behind):
    return behind.model_copy(update={"hosts": (f"127.0.0.1:{servers.rabbitmq.amqps}",)})


def publish(settings, *events) -> None:
    with publishing(settings) as publisher:
        answers = publisher.submit(list(events)).result(SOON)
        assert set(answers) == {"confirmed"}, answers


def persons(count: int, each: int, queue: str = FIRST) -> list:
    return [event(f"{p}:{n}", partition=f"person-{p}", queues=(queue,)) for n in range(each) for p in range(count)]


def test_one_persons_events_are_lent_one_at_a_time_and_in_order(settings):
    publish(settings, *persons(10, 5))
    order: dict[str, list[int]] = {}
    with consuming(settings) as consumer:
        while sum(map(len, order.values())) < 50:
            deliveries = consumer.take(limit=20, wait=1)
            lent = [one.event.split(":") for one in deliveries]
            assert len({person for person, _ in lent}) == len(lent)
            for person, number in lent:
                order.setdefault(person, []).append(int(number))
            assert all(consumer.ack(deliveries))
    assert set(map(tuple, order.values())) == {tuple(range(5))}


def test_nothing_there_is_waited_for_and_then_nothing(settings):
    with consuming(settings) as consumer:
        assert consumer.take(limit=5) == []
        started = time.monotonic()
        assert consumer.take(limit=5, wait=0.3) == []
        assert 0.25 < time.monotonic() - started < 2


def test_who_waits_is_woken_by_the_first(settings):
    with consuming(settings) as consumer, publishing(settings) as publisher:
        publisher.submit([event("a")])
        started = time.monotonic()
        assert [one.event for one in consumer.take(limit=5, wait=10)] == ["a"]
        assert time.monotonic() - started < 5


def test_an_event_is_acknowledged_once(settings):
    publish(settings, event("a"))
    with consuming(settings) as consumer:
        (delivery,) = taken(consumer, 1)
        assert consumer.ack([delivery, delivery]) == [True, False]
        assert consumer.ack([delivery]) == [False]
        assert not consumer.reject(delivery, reason="after all")
    assert ready(settings)[FIRST] == 0


def test_acknowledged_out_of_order_only_those_are_forgotten(settings):
    publish(settings, *[event(f"e{n}", partition=f"p{n}") for n in range(20)])
    with consuming(settings) as consumer:
        deliveries = sorted(taken(consumer, 20), key=lambda one: int(one.event[1:]))
        assert all(consumer.ack(deliveries[1::2]))
    with consuming(settings) as consumer:
        again = {one.event for one in taken(consumer, 10)}
        assert again == {f"e{n}" for n in range(0, 20, 2)}
        assert consumer.take(limit=1, wait=0.2) == []


def test_what_was_lent_when_the_connection_was_lost_comes_again_and_its_old_answer_counts_no_more(behind, proxy):
    publish(behind, event("a"))
    with consuming(behind) as consumer:
        (first,) = taken(consumer, 1)
        proxy.cut()
        (second,) = taken(consumer, 1)
        assert (second.event, second.attempt) == ("a", 2)
        assert consumer.ack([first]) == [False]
        assert not consumer.reject(first, reason="late")
        assert consumer.ack([second]) == [True]


def test_a_rejected_event_comes_again_in_its_old_place_with_the_next_attempt(settings):
    publish(settings, event("a1", partition="a"), event("a2", partition="a"))
    with consuming(settings) as consumer:
        (delivery,) = taken(consumer, 1)
        assert consumer.reject(delivery, reason="not now")
        (again,) = taken(consumer, 1)
        assert (again.event, again.attempt) == ("a1", 2)
        assert not consumer.ack([delivery])[0]
        assert all(consumer.ack([again]))
        assert [one.event for one in taken(consumer, 1)] == ["a2"]


def test_a_rejected_event_keeps_its_place_when_the_connection_is_lost_then(behind, proxy):
    publish(behind, *[event(f"a{n}", partition="a") for n in range(6)])
    with consuming(behind) as consumer:
        for _ in range(2):
            (delivery,) = taken(consumer, 1)
            assert consumer.reject(delivery, reason="not now")
        proxy.cut()
        order = []
        for _ in range(6):
            deliveries = taken(consumer, 1)
            order += [one.event for one in deliveries]
            consumer.ack(deliveries)
    assert order == [f"a{n}" for n in range(6)]


def test_the_order_holds_when_another_consumer_takes_over(straight, behind, proxy):
    publish(straight, *persons(4, 10))
    with consuming(behind) as first, consuming(straight, wait=False) as second:
        seen: dict[str, list[int]] = {}

        def consume(consumer, count):
            for delivery in taken(consumer, count):
                person, number = delivery.event.split(":")
                seen.setdefault(person, []).append(int(number))
                assert consumer.ack([delivery]) == [True]

        consume(first, 4)
        assert second.take(limit=10, wait=0.3) == []  # one active consumer
        held = taken(first, 4)
        proxy.refuse()
        proxy.cut()
        for _ in range(36):
            consume(second, 1)
        assert first.ack(held) == [False] * 4
        assert set(map(tuple, seen.values())) == {tuple(range(10))}
    assert ready(straight)[FIRST] == 0


def test_past_the_delivery_limit_an_event_is_a_dead_letter_with_the_reason_and_the_next_of_the_person_is_lent(settings):
    publish(settings, event("a1", queues=(SECOND,)), event("a2", queues=(SECOND,)))
    with consuming(settings, QUEUES[1]) as consumer, collecting(settings) as source:
        for attempt in range(1, 4):
            (delivery,) = taken(consumer, 1)
            assert (delivery.event, delivery.attempt) == ("a1", attempt)
            assert source.take(limit=1) == []
            assert consumer.reject(delivery, reason=f"broken_{attempt}")
        assert [one.event for one in taken(consumer, 1)] == ["a2"]
        (letter,) = letters(source, 1)
        assert (letter.queue, letter.event, letter.type, letter.partition) == (SECOND, "a1", "inkomst", "p")
        assert (letter.reason, letter.attempts, letter.replay_of) == ("broken_3", 3, None)
        assert letter.body == b'{"id":"a1"}'
        assert letter.since <= letter.at
        source.ack([letter])
    assert ready(settings)["gw.dlq"] == 0


def test_what_shall_not_be_tried_again_is_a_dead_letter_at_once(settings):
    publish(settings, event("a"))
    with consuming(settings) as consumer, collecting(settings) as source:
        assert consumer.reject(taken(consumer, 1)[0], reason="schema", again=False)
        (letter,) = letters(source, 1)
        assert (letter.reason, letter.attempts) == ("schema", 1)
    assert ready(settings) == {FIRST: 0, SECOND: 0, "gw.dlq": 1}


def test_a_letter_that_is_not_acknowledged_comes_again(settings):
    publish(settings, event("a"))
    with consuming(settings) as consumer:
        consumer.reject(taken(consumer, 1)[0], reason="schema", again=False)
    for _ in range(3):
        with collecting(settings) as source:
            assert [one.event for one in letters(source, 1)] == ["a"]


def test_what_cannot_be_buried_stays_in_hand_and_is_lent_again(servers, settings):
    publish(settings, event("a"))
    servers.management.call("DELETE", "exchanges", settings.virtual_host, "gw.dlx")
    with consuming(settings, bury=0.5) as consumer:
        (delivery,) = taken(consumer, 1)
        assert consumer.reject(delivery, reason="schema", again=False)
        (again,) = taken(consumer, 1)
        assert (again.event, again.attempt) == ("a", 2)
    assert ready(settings)[FIRST] == 1


def test_what_the_broker_gives_up_by_itself_comes_home_too(servers, behind, proxy):
    definition = topology.policy(1)
    body = {"pattern": r"^gw\.q\.", "apply-to": "queues", "priority": 50, "definition": definition}
    servers.management.call("PUT", "policies", behind.virtual_host, "strict", body=body)
    publish(behind, event("a"))
    with consuming(behind) as consumer:
        for attempt in (1, 2):
            (delivery,) = taken(consumer, 1)
            assert delivery.attempt == attempt
            proxy.cut()
        with collecting(behind) as source:
            (letter,) = letters(source, 1)
            assert (letter.queue, letter.event, letter.reason) == (FIRST, "a", "delivery_limit")
            assert letter.attempts == 8 + topology.RESTARTS + 1  # as the delivered policy would have it
            source.ack([letter])
        assert consumer.take(limit=1, wait=0.2) == []


def test_a_letter_that_cannot_be_read_is_given_once_and_can_be_forgotten(servers, settings):
    servers.management.call(
        "POST", "exchanges", settings.virtual_host, "gw.dlx", "publish",
        body={"properties": {}, "routing_key": "x", "payload": "what is this", "payload_encoding": "string"},
    )  # fmt: skip
    with collecting(settings) as source:
        (letter,) = letters(source, 1)
        assert (letter.reason, letter.body) == ("unreadable", b"what is this")
        source.ack([letter])
        assert source.take(limit=1, wait=0.2) == []
    eventually(lambda: ready(settings)["gw.dlq"] == 0)


def test_a_subscription_that_the_broker_ends_is_made_anew(servers, settings):
    alarms, told = [], []
    publish(settings, event("a"))
    with consuming(settings, alarm=alarms.append, told=lambda state, why: told.append((state, why))) as consumer:
        assert all(consumer.ack(taken(consumer, 1)))
        name = topology.partitions(QUEUES[0])[0]
        servers.management.call("DELETE", "queues", settings.virtual_host, name)
        eventually(lambda: alarms)
        assert (State.CONNECTING, "cancelled") in told
        assert isinstance(alarms[0], ConfigError)
        servers.management.call("POST", "definitions", body=topology_of(settings))
        eventually(lambda: consumer.state is State.READY)
        publish(settings, *[event(f"e{n}", partition=f"p{n}") for n in range(20)])
        assert len(taken(consumer, 20)) == 20


def topology_of(settings) -> dict:
    made = topology.definitions(QUEUES, settings.virtual_host)
    return {key: value for key, value in made.items() if key not in {"users", "permissions"}}


@pytest.mark.parametrize("prefetch", [1, 40])
def test_no_more_is_in_hand_than_was_asked_for(settings, prefetch):
    publish(settings, *[event(f"e{n}", partition=f"p{n}") for n in range(200)])
    with consuming(settings.model_copy(update={"prefetch": prefetch})) as consumer:
        most = max(prefetch, QUEUES[0].partitions)  # at least one of each partition
        held = taken(consumer, most)
        assert consumer.take(limit=200, wait=0.3) == []
        assert ready(settings)[FIRST] == 200 - most
        assert all(consumer.ack(held))
        assert len(taken(consumer, most)) == most


def test_what_was_in_hand_at_closing_is_there_for_the_next(settings):
    publish(settings, *[event(f"e{n}", partition=f"p{n}") for n in range(20)])
    with consuming(settings) as consumer:
        taken(consumer, 5)
    eventually(lambda: ready(settings)[FIRST] == 20)


def test_who_waits_comes_back_when_it_is_closed(settings):
    with consuming(settings) as consumer:
        found = []
        thread = threading.Thread(target=lambda: found.append(consumer.take(limit=1, wait=60)))
        thread.start()
        consumer.close()
        thread.join(SOON)
        assert found == [[]]


def test_a_black_hole_is_noticed_by_the_heartbeat(behind, proxy):
    with consuming(behind.model_copy(update={"heartbeat": 10})) as consumer:
        proxy.black_hole()
        eventually(lambda: consumer.state is State.CONNECTING, within=45)
        proxy.heal()
        eventually(lambda: consumer.state is State.READY, within=45)
