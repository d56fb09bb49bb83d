"""An event held longer than the broker's `consumer_timeout`, on a broker where that is seconds, not 30 minutes.

The broker looks at every channel's oldest unacknowledged delivery once in a `channel_tick_interval`, and closes the
channel where that is overdue. What is in hand counts from when the broker sent it, not from when somebody took it.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterator

import pytest

from gateway import consumer as consumer_kit
from gateway import logs
from gateway.broker.rabbitmq.connection import State
from gateway.consumer import Inbox, Incoming
from gateway.ports import Delivery
from gateway.services import RabbitMQ
from tests.builders import FIRST, QUEUES, SECOND, event
from tests.integration.rabbit import SOON, consuming, eventually, publishing, ready, set_to, taken
from tests.services import Found
from tests.unit.consumer import letters

pytestmark = pytest.mark.services

TIMEOUT = 2.0
"""Seconds that the broker allows here."""
TICK = 0.5
"""Seconds between two of its looks."""


@pytest.fixture(scope="module")
def impatient(own_rabbitmq: Found) -> Iterator[Found]:
    with set_to(own_rabbitmq, consumer_timeout=int(TIMEOUT * 1000), channel_tick_interval=int(TICK * 1000)):
        yield own_rabbitmq


@pytest.fixture
def settings(impatient: Found) -> Iterator[RabbitMQ]:
    with impatient.virtual_host(QUEUES) as made:
        yield made


def publish(settings: RabbitMQ, *events) -> None:
    with publishing(settings) as publisher:
        for one in events:
            assert publisher.submit([one]).result(SOON) == ["confirmed"]


def lines(stream, happened: str) -> list[dict]:
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [line for line in found if line["event"] == happened]


class Told:
    """What a link told of itself."""

    def __init__(self) -> None:
        self.lost: list[str] = []
        self.ended = threading.Event()
        """Set when the connection was lost for the first time."""

    def __call__(self, state: State, why: str) -> None:
        if state is State.CONNECTING:
            self.lost.append(why)
            self.ended.set()


def test_an_event_held_too_long_comes_again_with_the_attempt_counted_in_order_and_the_operator_is_told(settings):
    told = Told()
    publish(settings, *[event(f"{person}{n}", partition=person) for n in range(3) for person in "ab"])
    with logs.captured() as stream, consuming(settings, told=told) as consumer:
        held = taken(consumer, 2)
        assert {(one.event, one.attempt) for one in held} == {("a0", 1), ("b0", 1)}
        assert told.ended.wait(SOON)
        assert consumer.ack(held) == [False, False]
        assert not consumer.reject(held[0], reason="late")
        again: list[Delivery] = []
        while len(again) < 6:
            some = taken(consumer, 1)
            assert consumer.ack(some) == [True]
            again += some
        assert consumer.take(limit=1, wait=0.2) == []
    for person in "ab":
        assert [one.event for one in again if one.event[0] == person] == [f"{person}{n}" for n in range(3)]
    assert {one.attempt for one in again} == {2}  # the followers were in hand too
    assert told.lost == ["ack_timeout"]
    assert [(line["link"], line["why"]) for line in lines(stream, "broker.lost")] == [
        (f"gw-consumer.{FIRST}", "ack_timeout")
    ]
    eventually(lambda: ready(settings) == {FIRST: 0, SECOND: 0, "gw.dlq": 0})


def test_events_acknowledged_in_time_in_whatever_order_disturb_nothing(settings):
    told, until, seen = Told(), time.monotonic() + 4 * TIMEOUT, 0
    with publishing(settings) as publisher, logs.captured() as stream, consuming(settings, told=told) as consumer:
        while time.monotonic() < until:
            wave = [event(f"{seen + n}", partition=f"p{n}") for n in range(5)]
            assert publisher.submit(wave).result(SOON) == ["confirmed"] * 5
            held = taken(consumer, 5)
            assert {one.attempt for one in held} == {1}
            time.sleep(TIMEOUT / 5)  # the work on them
            assert consumer.ack(held[::-2]) == [True] * 3  # the last first
            assert consumer.ack(held[1::2]) == [True] * 2
            seen += 5
    assert seen >= 5 * 5
    assert not told.lost
    assert not lines(stream, "broker.lost")
    eventually(lambda: ready(settings)[FIRST] == 0)


@pytest.mark.parametrize(("prefetch", "disturbed"), [(100, True), (1, False)])
def test_what_waits_in_hand_counts_too_so_slow_work_wants_a_small_prefetch(settings, prefetch, disturbed):
    told, seen = Told(), set()
    publish(settings, *[event(f"a{n}", partition="a") for n in range(8)])
    with consuming(settings.model_copy(update={"prefetch": prefetch}), told=told) as consumer:
        for _ in range(8):  # each well within the time, all of them beyond it
            held = taken(consumer, 1)
            time.sleep(TIMEOUT / 4)
            if not consumer.ack(held)[0]:
                break
            seen.update(one.event for one in held)
        while len(seen) < 8:  # quicker now: nothing was lost
            some = taken(consumer, 1)
            assert consumer.ack(some) == [True]
            seen.update(one.event for one in some)
    assert bool(told.lost) is disturbed
    assert set(told.lost) <= {"ack_timeout"}


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(":memory:", check_same_thread=False)) as made:
        made.execute(consumer_kit.CREATE)
        yield made


def test_an_inbox_goes_on_by_itself_and_does_each_event_once_in_order(impatient, database):
    numbers, told, handled = range(6), Told(), []
    with impatient.virtual_host([letters.QUEUE]) as settings:
        with publishing(settings, [letters.QUEUE]) as publisher:
            for n in numbers:
                assert publisher.submit([letters.event(n, person=n % 2)]).result(SOON) == ["confirmed"]
        with (
            logs.captured() as stream,
            consuming(settings, letters.QUEUE, told=told) as port,
            Inbox(port, letters.QUEUE, purpose=letters.PURPOSE) as inbox,
        ):

            def handle(one: Incoming) -> None:
                handled.append((one.subject, one.data["fields"]["n"], one.attempt))
                if len(handled) == 1:
                    assert told.ended.wait(SOON)  # works until the broker has lost its patience

            inbox.run(handle, database=database, stop=lambda: len(handled) == len(numbers) and done(settings))
    assert told.lost == ["ack_timeout"]
    assert sorted(n for _, n, _ in handled) == list(numbers)
    for person in {person for person, _, _ in handled}:
        mine = [n for one, n, _ in handled if one == person]
        assert mine == sorted(mine)
    late = {line["reference"] for line in lines(stream, "event.late")}
    assert letters.event(handled[0][1]).id.partition("-")[0] in late
    assert {attempt for _, _, attempt in handled} == {1, 2}
    assert not lines(stream, "event.failed")


def done(settings: RabbitMQ) -> bool:
    return ready(settings, [letters.QUEUE]) == {letters.QUEUE.name: 0, "gw.dlq": 0}
