from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import codes
from gateway.broker import backoff
from gateway.broker import relay as module
from gateway.broker.relay import Relay, Tally
from gateway.errors import ConfigError, UnavailableError
from gateway.ports import Publication
from tests import builders
from tests.builders import event
from tests.memory import MemoryBroker, MemoryOutbox

CONFIRMED, RETURNED, REFUSED, TOO_LARGE, UNKNOWN, HELD = Publication
EVENTS = [event(f"{person}{n}", partition=person) for n in range(3) for person in "abc"]


@pytest.fixture
def broker():
    return MemoryBroker(builders.QUEUES, clock=builders.Clock())


def relay(outbox, broker, **more) -> Relay:
    return Relay(outbox, broker, **{"lease": lambda: True, "random": lambda: 0.5, **more})


def in_order(broker, person: str) -> list[str]:
    return [one for one in broker.order if one[0] == person]


def test_everything_pending_is_published_and_settled(broker):
    outbox = MemoryOutbox(EVENTS)
    assert relay(outbox, broker).step() == Tally(settled=9)
    assert outbox.events == []
    assert sorted(broker.order) == sorted(one.id for one in EVENTS)
    assert relay(outbox, broker).step() == Tally()


def test_who_has_no_lease_relays_nothing(broker):
    outbox = MemoryOutbox(EVENTS)
    assert relay(outbox, broker, lease=lambda: False).step() == Tally()
    assert (len(outbox.events), broker.order) == (9, [])


@pytest.mark.parametrize("answer", [UNKNOWN, REFUSED, RETURNED])
def test_only_confirmed_settles(broker, answer):
    outbox = MemoryOutbox(EVENTS)
    broker.answer = lambda one: answer if one.id == "a1" else CONFIRMED
    tally = relay(outbox, broker).step()
    assert [one.id for one in outbox.events] == ["a1", "a2"]
    assert (tally.settled, tally.returned + tally.refused + tally.failed) == (7, 1)
    broker.answer = lambda _one: CONFIRMED
    relay(outbox, broker).step()
    assert (outbox.events, in_order(broker, "a")) == ([], ["a0", "a1", "a2"])


def test_what_is_held_is_marked_and_not_tried_again_until_it_is_shielded_and_holds_back_its_person_alone(broker):
    outbox = MemoryOutbox(EVENTS)
    tried = []

    def answer(one):
        tried.append(one.id)
        return HELD if one.id == "a1" else CONFIRMED

    broker.answer = answer
    tally = relay(outbox, broker).step()
    assert (tally.settled, tally.held, tally.failed, tally.refused) == (7, 1, 0, 0)
    assert [(row.event.id, row.held) for row in outbox.rows] == [("a1", True), ("a2", False)]
    assert relay(outbox, broker).step() == Tally()
    assert tried.count("a1") == 1
    outbox.rows = [replace(row, held=False) for row in outbox.rows]
    broker.answer = lambda _one: CONFIRMED
    assert relay(outbox, broker).step().settled == 2
    assert in_order(broker, "a")[-2:] == ["a1", "a2"]


@pytest.mark.parametrize("persists", [True, False])
def test_an_unknown_publication_is_published_again_under_the_same_id_and_stays_one(broker, persists):
    outbox = MemoryOutbox(EVENTS)
    broker.answer = lambda one: UNKNOWN if one.id == "b0" else CONFIRMED
    broker.persists = lambda answer: answer is CONFIRMED or persists
    relay(outbox, broker).step()
    assert [one.id for one in outbox.events] == ["b0", "b1", "b2"]
    broker.answer = lambda _one: CONFIRMED
    relay(outbox, broker).step()
    assert in_order(broker, "b") == ["b0", "b1", "b2"]
    assert len(broker.order) == 9


@given(st.randoms(use_true_random=False), st.lists(st.sampled_from("abcd"), max_size=40), st.booleans())
def test_one_persons_events_stay_in_order_whatever_the_broker_answers(chance, persons, persists):
    events = [event(f"{person}{n:02}", partition=person) for n, person in enumerate(persons)]
    outbox, broker = MemoryOutbox(events), MemoryBroker(builders.QUEUES, clock=builders.Clock())
    broker.answer = lambda _one: chance.choice([CONFIRMED, CONFIRMED, UNKNOWN, REFUSED])
    broker.persists = lambda answer: answer is CONFIRMED or (answer is UNKNOWN and persists)
    one = relay(outbox, broker, batch=7)
    for _ in range(400):
        one.step()
    assert outbox.events == []
    assert sorted(broker.order) == sorted(event.id for event in events)
    for person in "abcd":
        assert in_order(broker, person) == sorted(in_order(broker, person))


def test_events_that_will_not_go_hold_up_nobody_behind_them(broker):
    stuck = [event(f"x{n}", partition=f"x{n}", queues=("no.such",)) for n in range(20)]
    outbox = MemoryOutbox([*stuck, *EVENTS])
    one = relay(outbox, broker, batch=5)
    for _ in range(10):
        one.step()
    assert outbox.events == stuck


def test_dying_between_publishing_and_settling_publishes_again_and_stays_one(broker):
    class DiedError(BaseException):
        pass

    def die(point: str) -> None:
        if point == "published":
            raise DiedError

    outbox = MemoryOutbox(EVENTS)
    with pytest.raises(DiedError):
        relay(outbox, broker, faults=die).step()
    assert (len(outbox.events), len(broker.order)) == (9, 3)
    relay(outbox, broker).step()
    assert (outbox.events, sorted(broker.order)) == ([], sorted(one.id for one in EVENTS))


class Thread:
    """A relay in its thread, and what it told."""

    def __init__(self, outbox, broker, **more) -> None:
        self.told, self.settled = [], threading.Event()
        self.alarmed = threading.Event()
        self.relay = relay(outbox, broker, alarm=self._alarm, faults=self._point, **more)
        self.relay.start()

    def _alarm(self, error) -> None:
        self.told.append(error)
        self.alarmed.set()

    def _point(self, point: str) -> None:
        if point == "settled":
            self.settled.set()


def test_a_push_makes_it_look_at_once(broker, monkeypatch):
    monkeypatch.setattr(module, "IDLE", 60.0)
    outbox = MemoryOutbox()
    thread = Thread(outbox, broker)
    outbox.add(EVENTS)
    thread.relay.wake()
    assert thread.settled.wait(10)
    thread.relay.stop()
    assert outbox.events == []


def test_without_a_push_it_looks_by_itself(broker, monkeypatch):
    monkeypatch.setattr(module, "IDLE", 0.001)
    outbox = MemoryOutbox()
    thread = Thread(outbox, broker)
    outbox.add(EVENTS)
    assert thread.settled.wait(10)
    thread.relay.stop()


def test_a_sick_store_is_told_and_tried_again(broker, monkeypatch):
    monkeypatch.setattr(backoff, "FIRST", 0.001)

    class Sick(MemoryOutbox):
        def pending(self, limit, *, beyond=0, overtaking=False):
            if not thread.alarmed.is_set():
                raise UnavailableError(codes.STORE_UNAVAILABLE)
            return super().pending(limit, beyond=beyond, overtaking=overtaking)

    thread = Thread.__new__(Thread)
    thread.__init__(Sick(EVENTS), broker)
    assert thread.settled.wait(10)
    thread.relay.stop()
    assert isinstance(thread.told[0], UnavailableError)


def test_events_for_queues_that_are_not_are_told_once_and_hold_up_nobody(broker, monkeypatch):
    monkeypatch.setattr(module, "IDLE", 0.001)
    outbox = MemoryOutbox([event("x", partition="x", queues=("no.such",)), *EVENTS])
    thread = Thread(outbox, broker)
    assert thread.alarmed.wait(10)
    thread.settled.clear()
    assert thread.settled.wait(10)
    thread.relay.stop()
    assert [one.id for one in outbox.events] == ["x"]
    assert [type(one) for one in thread.told] == [ConfigError]


def test_what_is_too_large_is_buried_with_one_alarm_and_holds_back_nobody(broker):
    outbox, alarms = MemoryOutbox(EVENTS), []
    broker.answer = lambda one: TOO_LARGE if one.id in {"a0", "b1"} else CONFIRMED
    one = relay(outbox, broker, alarm=alarms.append)
    assert one.step() == Tally(settled=7, buried=2)
    assert outbox.events == []
    assert outbox.buried == [("a0", "too_large"), ("b1", "too_large")]
    assert in_order(broker, "a") == ["a1", "a2"]
    assert in_order(broker, "b") == ["b0", "b2"]
    assert len(alarms) == 2  # each wave's
    assert all(isinstance(alarm, ConfigError) for alarm in alarms)
    assert one.step() == Tally()


def test_it_stops_in_the_middle_of_a_long_rest(broker):
    outbox = MemoryOutbox(EVENTS)
    broker.answer = lambda _one: UNKNOWN
    thread = Thread(outbox, broker, random=lambda: 1.0)
    assert thread.settled.wait(10)
    thread.relay.stop()
    assert not thread.relay._thread.is_alive()
    assert len(outbox.events) == 9


def test_a_relay_that_was_never_started_stops(broker):
    relay(MemoryOutbox(), broker).stop()
