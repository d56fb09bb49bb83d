"""After an outage: what is new does not wait for the backlog, the backlog drains, and each person's order holds."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.broker.relay import DEPTH, Relay, Tally
from gateway.message import Event
from gateway.ports import Publication
from tests import builders
from tests.builders import FIRST, SECOND, event
from tests.effort import effort
from tests.memory import MemoryBroker, MemoryOutbox

CONFIRMED, RETURNED, REFUSED, _, UNKNOWN, _ = Publication
BATCH = 10
LONG = 20 * BATCH


class Broker:
    """Answers a wave only when somebody waits for it; while one is submitted, new events may come."""

    def __init__(self, outbox: MemoryOutbox, *, comes: Callable[[int], list[Event]] = lambda _wave: []) -> None:
        """`comes` is told how many waves were submitted before, and says what is committed now."""
        self._outbox = outbox
        self._comes = comes
        self.answer: Callable[[Event], Publication] = lambda _event: CONFIRMED
        self._open: list[tuple[list[Event], Future]] = []
        self.waves: list[list[str]] = []
        self.arrived: list[str] = []
        self.new: set[str] = set()

    def submit(self, events) -> Future:
        on_the_way = [one for wave, _ in self._open for one in wave]
        persons = [one.partition for one in (*on_the_way, *events)]
        assert len(persons) == len(set(persons)), "a person has two events on the way"
        with_new = [wave for wave in (*(wave for wave, _ in self._open), events) if {one.id for one in wave} & self.new]
        assert len(with_new) <= 1, "the backlog has its waves"
        assert len(events) <= BATCH
        come = self._comes(len(self.waves))
        self._outbox.add(come)
        self.new |= {one.id for one in come}
        self.waves.append([one.id for one in events])
        future: Future = Future()
        self._open.append((list(events), future))
        wait = future.result

        def result(timeout=None):
            while not future.done():
                self._answer_oldest()
            return wait(timeout)

        future.result = result  # type: ignore[method-assign]
        return future

    def _answer_oldest(self) -> None:
        events, future = self._open.pop(0)
        answers = [self.answer(one) for one in events]
        self.arrived += [one.id for one, answer in zip(events, answers, strict=True) if answer is CONFIRMED]
        future.set_result(answers)

    def close(self) -> None:
        raise AssertionError("the relay does not close it")

    def wave_of(self, name: str) -> int:
        (found,) = [number for number, wave in enumerate(self.waves) if name in wave]
        return found


def backlog(count: int = LONG, **more) -> list[Event]:
    return [event(f"old{n:03}", partition=f"p{n}", **more) for n in range(count)]


def new(name: str, person: str | None = None, **more) -> Event:
    return event(name, partition=person or f"of {name}", **more)


def relay(outbox, broker, **more) -> Relay:
    return Relay(outbox, broker, **{"lease": lambda: True, "random": lambda: 0.5, "batch": BATCH, **more})


@pytest.mark.parametrize("overtaking", [True, False])
def test_a_new_event_of_another_person_overtakes_the_backlog(overtaking):
    outbox = MemoryOutbox(backlog())
    broker = Broker(outbox, comes=lambda wave: [new("new")] if wave == 2 else [])
    assert relay(outbox, broker, overtaking=overtaking).step() == Tally(settled=LONG + 1)
    assert broker.wave_of("new") == (3 if overtaking else LONG // BATCH)
    assert len(broker.waves) == LONG // BATCH + 1
    assert [one for one in broker.arrived if one != "new"] == [one.id for one in backlog()]


@pytest.mark.parametrize("place", [0, 7, BATCH, LONG // 2, LONG - 1])
def test_a_new_event_of_a_person_in_the_backlog_waits_for_him_and_for_nobody_else(place):
    outbox = MemoryOutbox(backlog())
    broker = Broker(outbox, comes=lambda wave: [new("new", f"p{place}")] if wave == 0 else [])
    while relay(outbox, broker).step().settled:
        pass
    before = broker.wave_of(f"old{place:03}")
    assert before < broker.wave_of("new") <= before + DEPTH + 1
    assert outbox.events == []


def test_several_new_events_of_one_person_follow_each_other_past_the_backlog():
    outbox = MemoryOutbox(backlog())
    broker = Broker(outbox, comes=lambda wave: [new(f"new{n}", "q") for n in range(4)] if wave == 0 else [])
    relay(outbox, broker).step()
    waves = [broker.wave_of(f"new{n}") for n in range(4)]
    assert waves == [1, 1 + DEPTH, 1 + 2 * DEPTH, 1 + 3 * DEPTH]


def test_the_backlog_drains_whatever_the_number_of_new_events_and_then_the_step_ends():
    outbox = MemoryOutbox(backlog())
    broker = Broker(outbox, comes=lambda wave: [new(f"new{wave:03}-{n:02}") for n in range(3 * BATCH)])
    tally = relay(outbox, broker).step()
    assert not [one for one in outbox.events if one.id.startswith("old")]
    assert LONG < tally.settled <= LONG * DEPTH // (DEPTH - 1) + DEPTH * BATCH
    came = [one for one in broker.arrived if one.startswith("new")]
    assert came == sorted(came)
    assert len(came) >= LONG // DEPTH


def test_an_outbox_of_one_read_is_not_asked_for_what_is_new():
    class Short(MemoryOutbox):
        def newest(self):
            raise AssertionError

        def pending(self, limit, *, beyond=0, overtaking=False):
            assert not overtaking
            return super().pending(limit, beyond=beyond)

    outbox = Short(backlog(BATCH - 1))
    broker = Broker(outbox, comes=lambda wave: [new("new")] if wave == 0 else [])
    one = relay(outbox, broker)
    assert (one.step(), one.step()) == (Tally(settled=BATCH - 1), Tally(settled=1))


@pytest.mark.parametrize("answer", [REFUSED, RETURNED])
def test_new_events_for_a_queue_that_takes_nothing_hold_up_no_other_new_ones(answer):
    outbox = MemoryOutbox(backlog(queues=(SECOND,)))
    broker = Broker(
        outbox,
        comes=lambda wave: [
            new(f"new{wave:03}", queues=(SECOND,)),
            *(new(f"full{wave:03}-{n}", queues=(FIRST,)) for n in range(2)),
        ],
    )
    broker.answer = lambda one: answer if one.queues == (FIRST,) else CONFIRMED
    relay(outbox, broker).step()
    came = [one for one in broker.arrived if one.startswith("new")]
    assert set(came) >= {f"new{wave:03}" for wave in range(LONG // BATCH - DEPTH)}
    assert sum(one.startswith("full") for wave in broker.waves for one in wave) <= BATCH
    assert not [one for one in outbox.events if one.id.startswith("old")]
    stuck = [one.id for one in outbox.events if one.id.startswith("full")]
    broker.answer = lambda _one: CONFIRMED
    broker._comes = lambda _wave: []
    broker.new.clear()
    while relay(outbox, broker).step().settled:
        pass
    assert [one for one in broker.arrived if one.startswith("full")] == stuck


def test_new_events_that_wait_for_the_backlog_hold_up_no_others_however_many_they_are():
    outbox = MemoryOutbox(backlog())
    broker = Broker(
        outbox,
        comes=lambda wave: [
            new(f"new{wave:03}"),
            *(new(f"late{wave:03}-{n}", f"p{LONG - 1 - (2 * wave + n) % 40}") for n in range(2)),
            *(new(f"soon{n:02}", f"p{n}") for n in range(4 * BATCH) if wave == 0),
        ],
    )
    relay(outbox, broker).step()
    for wave in range(LONG // BATCH - DEPTH):
        assert broker.wave_of(f"new{wave:03}") <= wave + 2 * DEPTH
    before_the_end = broker.arrived[: broker.arrived.index(f"old{LONG - 1:03}")]
    assert sum(one.startswith("soon") for one in before_the_end) >= BATCH
    broker._comes = lambda _wave: []
    broker.new.clear()
    while relay(outbox, broker).step().settled:
        pass
    assert outbox.events == []


@pytest.mark.parametrize("answer", [UNKNOWN, REFUSED, RETURNED])
def test_a_new_event_that_is_not_confirmed_holds_back_its_person_and_goes_first_in_the_next_step(answer):
    outbox = MemoryOutbox(backlog())
    broker = Broker(outbox, comes=lambda wave: [new(f"new{n}", "q") for n in range(3)] if wave == 0 else [])
    broker.answer = lambda one: answer if one.id == "new0" else CONFIRMED
    one = relay(outbox, broker)
    tally = one.step()
    assert (tally.settled, tally.failed + tally.refused + tally.returned) == (LONG, 1)
    assert [one.id for one in outbox.events] == ["new0", "new1", "new2"]
    broker.answer = lambda _one: CONFIRMED
    one.step()
    assert broker.arrived[-3:] == ["new0", "new1", "new2"]


@pytest.mark.parametrize("answer", [UNKNOWN, REFUSED, RETURNED])
def test_what_is_held_back_in_the_backlog_holds_back_the_new_events_of_its_person(answer):
    outbox = MemoryOutbox(backlog())
    broker = Broker(outbox, comes=lambda wave: [new("new", "p3"), new("other")] if wave == 0 else [])
    broker.answer = lambda one: answer if one.id == "old003" else CONFIRMED
    relay(outbox, broker).step()
    assert [one.id for one in outbox.events] == ["old003", "new"]
    assert "other" in broker.arrived
    broker.answer = lambda _one: CONFIRMED
    relay(outbox, broker).step()
    assert broker.arrived[-2:] == ["old003", "new"]


def test_when_the_broker_is_away_new_events_are_not_tried_either():
    outbox = MemoryOutbox(backlog())
    broker = Broker(outbox, comes=lambda wave: [new(f"new{wave}")])
    broker.answer = lambda _one: UNKNOWN
    relay(outbox, broker).step()
    assert len(broker.waves) == DEPTH
    assert broker.arrived == []


def test_who_loses_the_lease_asks_for_nothing_new():
    asked = []

    class Counted(MemoryOutbox):
        def pending(self, limit, *, beyond=0, overtaking=False):
            asked.extend([len(broker.waves)] if overtaking else [])
            return super().pending(limit, beyond=beyond, overtaking=overtaking)

    outbox = Counted(backlog())
    broker = Broker(outbox, comes=lambda wave: [new(f"new{wave}")])
    relay(outbox, broker, lease=lambda: len(broker.waves) < 4).step()
    assert asked
    assert max(asked) < 4
    assert not [one for one in outbox.events if one.id in broker.arrived]


def test_a_number_that_is_given_again_is_not_missed():
    """New events are settled at once, so the next ones get the same numbers."""
    outbox = MemoryOutbox(backlog())
    numbers = []

    def comes(wave: int) -> list[Event]:
        if wave % (2 * DEPTH):
            return []
        numbers.append(outbox.newest() + 1)
        return [new(f"new{wave:02}")]

    broker = Broker(outbox, comes=comes)
    relay(outbox, broker).step()
    assert set(numbers) == {LONG + 1}
    came = [one for one in broker.arrived if one.startswith("new")]
    assert len(came) == len(numbers) > DEPTH
    assert [broker.wave_of(one) for one in came] == [int(one[3:]) + 1 for one in came]


class DiedError(BaseException):
    """The power went."""


@pytest.mark.parametrize("point", ["publish", "published", "settled"])
@pytest.mark.parametrize("nth", [2, 4, 7])
def test_dying_at_a_point_while_new_events_overtake_delivers_every_event_once_and_in_order(point, nth):
    passed = []

    def die(here: str) -> None:
        passed.append(here)
        if here == point and passed.count(point) == nth:
            raise DiedError

    class Coming(MemoryBroker):
        def submit(self, events):
            if coming:
                outbox.add(coming[:3])
                del coming[:3]
            return super().submit(events)

    coming = [new(f"new{n:02}", f"p{5 * n}" if n % 2 else f"q{n % 4}") for n in range(30)]
    every = [*backlog(), *coming]
    outbox, broker = MemoryOutbox(backlog()), Coming(builders.QUEUES, clock=builders.Clock())
    with pytest.raises(DiedError):
        relay(outbox, broker, faults=die).step()
    while relay(outbox, broker).step().settled:
        pass
    assert outbox.events == []
    in_order_and_once(every, broker.order)


def in_order_and_once(committed: list[Event], order: list[str]) -> None:
    """Compare what arrived with what was committed, person by person."""
    assert sorted(order) == sorted(one.id for one in committed)
    places = {name: place for place, name in enumerate(order)}
    last: dict[str, int] = {}
    for one in committed:
        assert places[one.id] > last.get(one.partition, -1), (one.id, order)
        last[one.partition] = places[one.id]


@effort(60)
@given(
    chance=st.randoms(use_true_random=False),
    long=st.integers(0, 60),
    persons=st.integers(1, 40),
    batch=st.integers(1, 9),
    persists=st.booleans(),
    dies=st.booleans(),
)
def test_every_event_arrives_once_and_in_its_persons_order_whatever_happens(  # noqa: PLR0917  # hypothesis' own
    chance, long, persons, batch, persists, dies
):
    def some(count: int, start: int) -> list[Event]:
        return [
            event(
                f"e{n:04}",
                partition=f"p{chance.randrange(persons)}",
                queues=chance.choice([(FIRST,), (SECOND,), (FIRST, SECOND)]),
            )
            for n in range(start, start + count)
        ]

    def come() -> None:
        if len(committed) < 150 and chance.random() < 0.5:
            more = some(chance.randrange(1, 6), len(committed))
            committed.extend(more)
            outbox.add(more)

    def fault(_point: str) -> None:
        come()
        if dies and len(committed) < 150 and chance.random() < 0.05:
            raise DiedError

    committed = some(long, 0)
    outbox, broker = MemoryOutbox(committed), MemoryBroker(builders.QUEUES, clock=builders.Clock())
    broker.answer = lambda _one: chance.choice([CONFIRMED] * 6 + [UNKNOWN, REFUSED])
    broker.persists = lambda answer: answer is CONFIRMED or (answer is UNKNOWN and persists)
    for _ in range(30):
        with suppress(DiedError):
            relay(outbox, broker, batch=batch, faults=fault).step()
    broker.answer = lambda _one: CONFIRMED
    while relay(outbox, broker, batch=batch).step().settled:
        pass
    assert outbox.events == []
    for name, queue in broker.queues.items():
        in_order_and_once([one for one in committed if name in one.queues], [place.event.id for place in queue.places])
