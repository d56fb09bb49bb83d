"""Events out, on the real broker: every event has the answer that is true."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from gateway.broker.rabbitmq import topology
from gateway.broker.rabbitmq.connection import State
from gateway.message import Replay
from gateway.ports import EVENT_LIMIT, Publication
from ops.soak.proxy import Proxy
from tests.builders import FIRST, QUEUES, SECOND, event
from tests.integration.rabbit import SOON, consuming, drained, eventually, publishing, ready, taken

pytestmark = pytest.mark.services

CONFIRMED, RETURNED = Publication.CONFIRMED, Publication.RETURNED
REFUSED, UNKNOWN = Publication.REFUSED, Publication.UNKNOWN


@pytest.fixture
def settings(virtual_host):
    return virtual_host(QUEUES)


@pytest.fixture
def proxy(servers):
    with Proxy(("127.0.0.1", servers.rabbitmq.amqps)) as made:
        yield made


@pytest.fixture
def behind(servers, proxy):
    """Settings whose connections go through the proxy."""
    with servers.virtual_host(QUEUES, port=proxy.port) as made:
        yield made


@pytest.fixture
def straight(servers, behind):
    """The same virtual host without the proxy."""
    return behind.model_copy(update={"hosts": (f"127.0.0.1:{servers.rabbitmq.amqps}",)})


def some(count: int, start: int = 0, **more) -> list:
    return [event(f"e{n}", partition=f"p{n}", **more) for n in range(start, start + count)]


def test_a_confirmed_event_is_on_all_its_queues(settings):
    with publishing(settings) as publisher:
        events = [event("a", queues=(FIRST, SECOND)), event("b", partition="q")]
        assert publisher.submit(events).result(SOON) == [CONFIRMED, CONFIRMED]
    assert ready(settings) == {FIRST: 2, SECOND: 1, "gw.dlq": 0}


def test_an_event_arrives_as_it_was_with_its_outside(settings):
    one = event("a", body=b"exact \x00 bytes", replay=Replay(letter=3, reason="mended"))
    with publishing(settings) as publisher, consuming(settings) as consumer:
        publisher.submit([one]).result(SOON)
        (delivery,) = taken(consumer, 1)
    assert (delivery.queue, delivery.event, delivery.body, delivery.attempt) == (FIRST, "a", b"exact \x00 bytes", 1)
    assert delivery.lease_ends is None
    assert delivery.headers == {"x-gw-replay-of": "3", "x-gw-replay-reason": "mended"}


def test_answers_come_in_the_events_order_whatever_they_are(settings):
    events = [
        event("a"),
        event("b", partition="q", queues=("no.such",)),
        event("c", partition="r", body=b"x" * (EVENT_LIMIT + 1)),
        event("d", partition="s", queues=()),
        event("e", partition="t", queues=(FIRST, "no.such")),
        event("f", partition="u"),
    ]
    with publishing(settings) as publisher:
        answers = publisher.submit(events).result(SOON)
    assert answers == [CONFIRMED, RETURNED, Publication.TOO_LARGE, RETURNED, RETURNED, CONFIRMED]
    assert ready(settings)[FIRST] == 2


def test_nothing_to_publish_is_answered_at_once_even_without_a_broker(settings):
    with publishing(settings.model_copy(update={"hosts": ("127.0.0.1:1",)}), wait=False) as publisher:
        assert publisher.submit([]).result(0) == []


def test_an_event_of_the_largest_size_goes(settings):
    with publishing(settings) as publisher:
        assert publisher.submit([event("a", body=b"x" * EVENT_LIMIT)]).result(SOON) == [CONFIRMED]


@pytest.mark.parametrize("window", [1, 7, 512])
def test_more_than_the_window_goes_through_it_and_in_order(settings, window):
    with publishing(settings.model_copy(update={"window": window})) as publisher:
        events = [event(f"e{n}", partition="one") for n in range(200)]
        assert Counter(publisher.submit(events).result(SOON)) == {CONFIRMED: 200}
    with consuming(settings) as consumer:
        order = []
        while len(order) < 200:
            deliveries = taken(consumer, 1)
            order += [one.event for one in deliveries]
            assert all(consumer.ack(deliveries))
    assert order == [f"e{n}" for n in range(200)]


def test_an_event_whose_queue_is_bound_no_more_comes_back_and_the_others_are_confirmed(servers, settings):
    def unbind(queue):
        for key in topology.routing_keys(queue):
            servers.management.call(
                "DELETE", "bindings", settings.virtual_host, "e", "gw.in", "q", topology.PREFIX + key, key
            )

    unbind(QUEUES[1])
    events = [
        event("a", queues=(SECOND,)),
        event("b", partition="q", queues=(FIRST, SECOND)),
        event("c", partition="r"),
        event("a", queues=(SECOND,)),
    ]
    with publishing(settings) as publisher:
        assert publisher.submit(events).result(SOON) == [RETURNED, RETURNED, CONFIRMED, RETURNED]
        assert publisher.submit([event("d")]).result(SOON) == [CONFIRMED]


def test_a_full_queue_refuses_and_takes_again_when_there_is_room(servers, settings):
    full = topology.policy(8) | {"max-length": 5}
    body = {"pattern": r"^gw\.q\.", "apply-to": "queues", "priority": 50, "definition": full}
    servers.management.call("PUT", "policies", settings.virtual_host, "full", body=body)
    with publishing(settings) as publisher:
        answers: Counter[Publication] = Counter()
        # One by one: the policy comes a little later, and the queue says that it is full a little after it is.
        for n in range(200):
            answers.update(publisher.submit([event(f"e{n}", partition="one")]).result(SOON))
            if answers[REFUSED] == 3:
                break
        assert set(answers) == {CONFIRMED, REFUSED}
        assert answers[CONFIRMED] == ready(settings)[FIRST] >= 5
        with consuming(settings) as consumer:
            for _ in range(answers[CONFIRMED]):
                assert all(consumer.ack(taken(consumer, 1)))
        eventually(lambda: publisher.submit([event("again", partition="one")]).result(SOON) == [CONFIRMED])


def test_without_a_broker_the_answer_is_unknown_at_once(settings):
    with publishing(settings.model_copy(update={"hosts": ("127.0.0.1:1",)}), wait=False) as publisher:
        started = time.monotonic()
        assert publisher.submit(some(3)).result(1) == [UNKNOWN] * 3
        assert time.monotonic() - started < 0.5


def test_of_several_hosts_one_that_lives_is_found(servers, settings):
    hosts = ("127.0.0.1:1", "127.0.0.1:2", *settings.hosts)
    with publishing(settings.model_copy(update={"hosts": hosts})) as publisher:
        assert publisher.submit(some(1)).result(SOON) == [CONFIRMED]


def test_a_cut_in_the_middle_of_a_window_leaves_exactly_the_unconfirmed_unknown(behind, straight, proxy):
    body = b"x" * 20_000
    with publishing(behind, queues=QUEUES) as publisher:
        first = publisher.submit(some(5))
        assert first.result(SOON) == [CONFIRMED] * 5
        proxy.throttle(2_000_000)
        second = publisher.submit(some(500, 100, body=body))
        eventually(lambda: ready(straight)[FIRST] > 50)
        proxy.cut()
        answers = Counter(second.result(SOON))
        assert set(answers) == {CONFIRMED, UNKNOWN}
        assert answers[CONFIRMED] + answers[UNKNOWN] == 500
        proxy.heal()
        eventually(lambda: publisher.state is State.READY)
        # What is CONFIRMED is there. Of the UNKNOWN some are, some are not: each is published again.
        there = ready(straight)[FIRST] - 5
        assert answers[CONFIRMED] <= there <= 500
        unknown = [one for one, answer in zip(some(500, 100), second.result(), strict=True) if answer is UNKNOWN]
        assert Counter(publisher.submit(unknown).result(SOON)) == {CONFIRMED: len(unknown)}
    with consuming(straight) as consumer:
        everything = {one.id for one in (*some(5), *some(500, 100))}
        assert drained(consumer, everything) == everything


def test_unknown_although_it_happened(behind, straight, proxy):
    with publishing(behind) as publisher:
        proxy.slow(0.5)
        answer = publisher.submit([event("a")])
        eventually(lambda: ready(straight)[FIRST] == 1)
        proxy.cut()
        assert answer.result(SOON) == [UNKNOWN]
    assert ready(straight)[FIRST] == 1


def test_unknown_and_it_did_not_happen(behind, straight, proxy):
    with publishing(behind) as publisher:
        proxy.black_hole()
        answer = publisher.submit([event("a")])
        proxy.reset()
        assert answer.result(SOON) == [UNKNOWN]
    assert ready(straight)[FIRST] == 0


def test_a_confirm_that_does_not_come_is_unknown_within_its_deadline_and_the_connection_is_built_anew(behind, proxy):
    told = []
    with publishing(behind, confirm=1.0, told=lambda state, why: told.append((state, why))) as publisher:
        proxy.black_hole()
        started = time.monotonic()
        assert publisher.submit(some(3)).result(SOON) == [UNKNOWN] * 3
        assert 0.9 < time.monotonic() - started < 5
        eventually(lambda: (State.CONNECTING, "confirm") in told)
        proxy.heal()
        eventually(lambda: publisher.state is State.READY)
        assert publisher.submit(some(1)).result(SOON) == [CONFIRMED]


def test_a_confirm_that_is_slow_but_comes_keeps_the_connection(behind, proxy):
    with publishing(behind, confirm=3.0) as publisher:
        proxy.slow(0.4)
        for n in range(6):
            assert publisher.submit(some(1, n)).result(SOON) == [CONFIRMED]
        assert proxy.accepted == 1


def test_closing_waits_for_what_is_on_its_way(behind, proxy):
    publisher_ = None
    with publishing(behind) as publisher:
        proxy.slow(0.2)
        publisher_ = publisher.submit(some(10))
        publisher.close()
        assert publisher_.result(0) == [CONFIRMED] * 10


def test_closing_into_a_black_hole_ends_within_its_deadline_and_all_is_unknown(behind, proxy):
    with publishing(behind.model_copy(update={"close_timeout": behind.close_timeout / 5})) as publisher:
        proxy.black_hole()
        answer = publisher.submit(some(10))
        started = time.monotonic()
        publisher.close()
        assert time.monotonic() - started < 2.5
        assert answer.result(0) == [UNKNOWN] * 10
        assert publisher.submit(some(1)).result(0) == [UNKNOWN]
        proxy.heal()


def test_closing_while_it_connects_ends(behind, proxy):
    proxy.black_hole()
    with publishing(behind, wait=False) as publisher:
        eventually(lambda: proxy.accepted)
        started = time.monotonic()
        publisher.close()
        assert time.monotonic() - started < behind.close_timeout.total_seconds() + 1.5
    proxy.heal()


def test_closing_twice_is_closing_once(settings):
    with publishing(settings) as publisher:
        publisher.close()
        publisher.close()
        assert publisher.state is State.STOPPED
