"""A broker that dies, stands still or has an alarm: nothing lost, nothing hangs, everything comes back by itself."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from gateway.broker.rabbitmq.connection import State
from gateway.ports import Publication
from ops.dev.servers import lifecycle, rabbitmq
from tests.builders import FIRST, QUEUES, event
from tests.integration.rabbit import SOON, collecting, consuming, eventually, publishing, ready, taken

pytestmark = pytest.mark.services

CONFIRMED, UNKNOWN = Publication.CONFIRMED, Publication.UNKNOWN
LONG = 90.0
"""Seconds: a node needs ten to start, and links look for it at growing intervals."""


@pytest.fixture
def settings(own_rabbitmq):
    with own_rabbitmq.virtual_host(QUEUES) as made:
        yield made


@pytest.fixture
def alarm(own_rabbitmq):
    """Raises and ends a memory alarm on the node."""

    def turn(*, on: bool) -> None:
        mark = "0.0000001" if on else "0.4"
        rabbitmq.control(own_rabbitmq.folder, own_rabbitmq.rabbitmq, "set_vm_memory_high_watermark", mark)

    yield turn
    turn(on=False)


def many(count: int, start: int = 0) -> list:
    return [event(f"e{n}", partition=f"p{n}") for n in range(start, start + count)]


def test_a_broker_that_is_stopped_and_then_killed_has_what_it_confirmed_and_everybody_comes_back(
    own_rabbitmq, settings
):
    with (
        publishing(settings) as publisher,
        consuming(settings) as consumer,
        collecting(settings) as source,
    ):
        # Stopped in order first: 3.10.8 forgets a quorum queue that is killed within seconds of being made.
        for number, kill in enumerate([False, True]):
            events, later = many(100, 1000 * number), many(10, 1000 * number + 500)
            assert Counter(publisher.submit(events).result(SOON)) == {CONFIRMED: 100}
            assert consumer.reject(taken(consumer, 1)[0], reason="schema", again=False)
            lifecycle.down(own_rabbitmq.disturbed(), "rabbitmq", kill=kill)
            eventually(lambda: publisher.state is State.CONNECTING)
            assert publisher.submit(many(5)).result(1) == [UNKNOWN] * 5
            assert consumer.take(limit=1) == []
            lifecycle.up(own_rabbitmq.folder, "rabbitmq")
            eventually(lambda: {publisher.state, consumer.state, source.state} == {State.READY}, within=LONG)
            assert Counter(publisher.submit(later).result(SOON)) == {CONFIRMED: 10}
            # What was not settled when the broker went comes once more, so the letter may be an older one.
            left, until = {one.id for one in (*events, *later)}, time.monotonic() + LONG
            while left:
                assert time.monotonic() < until, f"{len(left)} did not come"
                left -= {one.event for one in source.take(limit=10, wait=0.2)}
                deliveries = consumer.take(limit=100, wait=0.2)
                consumer.ack(deliveries)
                left -= {one.event for one in deliveries}


def test_a_broker_that_stands_still_leaves_events_unknown_and_is_found_again(own_rabbitmq, settings):
    with publishing(settings, confirm=1.0) as publisher:
        lifecycle.pause(own_rabbitmq.disturbed(), "rabbitmq")
        try:
            started = time.monotonic()
            assert publisher.submit(many(5)).result(SOON) == [UNKNOWN] * 5
            assert time.monotonic() - started < 5
            assert publisher.submit(many(5)).result(1) == [UNKNOWN] * 5
        finally:
            lifecycle.resume(own_rabbitmq.folder, "rabbitmq")
        eventually(lambda: publisher.state is State.READY, within=LONG)
        assert publisher.submit(many(5)).result(SOON) == [CONFIRMED] * 5


def test_in_an_alarm_events_are_unknown_acknowledgements_pass_and_after_it_events_go(settings, alarm):
    told = []
    with (
        publishing(settings, confirm=2.0, told=lambda state, _why: told.append(state)) as publisher,
        consuming(settings) as consumer,
    ):
        assert Counter(publisher.submit(many(20)).result(SOON)) == {CONFIRMED: 20}
        held = taken(consumer, 20)
        alarm(on=True)
        started = time.monotonic()
        assert publisher.submit(many(3, 100)).result(SOON) == [UNKNOWN] * 3
        assert time.monotonic() - started < 6
        assert State.BLOCKED in told
        # The consumer's connection publishes nothing, so the broker goes on reading it.
        assert all(consumer.ack(held))
        alarm(on=False)
        eventually(lambda: publisher.submit(many(1, 200)).result(SOON) == [CONFIRMED], within=LONG)
    with consuming(settings) as consumer:
        left = {one.event for one in consumer.take(limit=100, wait=2)}
    assert "e200" in left
    assert not left & {one.id for one in many(20)}


def test_while_the_broker_does_not_read_events_are_unknown_at_once_and_closing_keeps_its_deadline(settings, alarm):
    quick = settings.model_copy(update={"close_timeout": settings.close_timeout / 5})
    with publishing(quick) as publisher:
        alarm(on=True)
        under_way = publisher.submit(many(1))
        eventually(lambda: publisher.state is State.BLOCKED)
        assert publisher.submit(many(3, 10)).result(1) == [UNKNOWN] * 3
        assert not under_way.done()
        started = time.monotonic()
        publisher.close()
        assert time.monotonic() - started < 2.5
        assert under_way.result(0) == [UNKNOWN]


def test_an_alarm_that_ends_in_time_confirms_what_was_under_way(settings, alarm):
    with publishing(settings) as publisher:
        alarm(on=True)
        under_way = publisher.submit(many(3))
        eventually(lambda: publisher.state is State.BLOCKED)
        alarm(on=False)
        assert under_way.result(SOON) == [CONFIRMED] * 3
        assert publisher.state is State.READY
    assert ready(settings)[FIRST] == 3


def test_a_blocked_connection_is_given_up_after_its_timeout(settings, alarm):
    told = []
    short = settings.model_copy(update={"blocked_timeout": settings.blocked_timeout / 40})
    with publishing(short, told=lambda state, why: told.append((state, why))) as publisher:
        alarm(on=True)
        assert publisher.submit(many(1)).result(SOON) == [UNKNOWN]
        eventually(lambda: (State.CONNECTING, "ConnectionBlockedTimeout") in told)


def test_in_an_alarm_what_is_rejected_for_good_stays_in_hand(settings, alarm):
    with publishing(settings) as publisher, consuming(settings, bury=1.0) as consumer:
        publisher.submit(many(1)).result(SOON)
        (delivery,) = taken(consumer, 1)
        alarm(on=True)
        assert consumer.reject(delivery, reason="schema", again=False)
        (again,) = taken(consumer, 1)
        assert (again.event, again.attempt) == ("e0", 2)
        alarm(on=False)
        # What was sent in the alarm may have come all the same, or not.
        consumer.reject(again, reason="schema", again=False)
        eventually(lambda: _buried(consumer, settings), within=LONG)


def _buried(consumer, settings) -> bool:
    for one in consumer.take(limit=1, wait=0.2):
        consumer.reject(one, reason="schema", again=False)
    return ready(settings)["gw.dlq"] >= 1
