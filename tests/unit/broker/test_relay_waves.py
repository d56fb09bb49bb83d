"""How the relay keeps several waves on their way, and still each person's events in order."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from gateway.broker import relay as module
from gateway.broker.relay import BATCH, DEPTH, Relay, Tally
from gateway.ports import Publication
from tests.builders import FIRST, SECOND, event
from tests.memory import MemoryOutbox

CONFIRMED, RETURNED, REFUSED, _, UNKNOWN, _ = Publication


class Publisher:
    """Answers when it is told to, and remembers what was on its way together."""

    def __init__(self, answer=lambda _event: CONFIRMED, *, behind: int = DEPTH - 1) -> None:
        self._answer = answer
        self._behind = behind
        self._open: list[tuple[list, Future]] = []
        self.waves: list[list[str]] = []
        self.most = 0

    def submit(self, events) -> Future:
        future: Future = Future()
        on_the_way = [one.partition for wave, _ in self._open for one in wave]
        assert not set(on_the_way) & {one.partition for one in events}, "a person has two events on the way"
        assert len({one.partition for one in events}) == len(events)
        self.waves.append([one.id for one in events])
        self._open.append((list(events), future))
        self.most = max(self.most, len(self._open))
        while len(self._open) > self._behind:
            self.answer_oldest()
        return future

    def answer_oldest(self) -> None:
        events, future = self._open.pop(0)
        future.set_result([self._answer(one) for one in events])

    def close(self) -> None:
        while self._open:
            self.answer_oldest()


class Patient(Publisher):
    """Answers the oldest wave only when somebody waits for it."""

    def submit(self, events) -> Future:
        future = super().submit(events)
        wait = future.result

        def result(timeout=None):
            while not future.done():
                self.answer_oldest()
            return wait(timeout)

        future.result = result  # type: ignore[method-assign]
        return future


def relay(outbox, publisher, **more) -> Relay:
    return Relay(outbox, publisher, **{"lease": lambda: True, "random": lambda: 0.5, **more})


def many(count: int) -> list:
    return [event(f"e{n:05}", partition=f"p{n}") for n in range(count)]


def test_waves_of_different_persons_are_on_their_way_together():
    outbox, publisher = MemoryOutbox(many(4 * BATCH)), Patient(behind=DEPTH)
    assert relay(outbox, publisher).step() == Tally(settled=4 * BATCH)
    assert publisher.most == DEPTH
    assert [len(wave) for wave in publisher.waves] == [BATCH] * 4
    assert outbox.events == []


def test_a_persons_next_event_goes_only_when_the_one_before_is_confirmed():
    events = [event(f"a{n}", partition="a") for n in range(5)]
    outbox, publisher = MemoryOutbox(events), Patient(behind=DEPTH)
    assert relay(outbox, publisher).step() == Tally(settled=5)
    assert publisher.waves == [["a0"], ["a1"], ["a2"], ["a3"], ["a4"]]
    assert publisher.most == 1


@pytest.mark.parametrize("answer", [REFUSED, RETURNED])
def test_a_queue_that_takes_nothing_is_not_asked_again_in_this_step_and_others_go_on(answer):
    full = [event(f"f{n:04}", partition=f"f{n}", queues=(FIRST,)) for n in range(3 * BATCH)]
    other = [event(f"o{n}", partition=f"o{n}", queues=(SECOND,)) for n in range(BATCH)]
    outbox = MemoryOutbox([*full, *other])
    publisher = Patient(lambda one: answer if one.queues == (FIRST,) else CONFIRMED, behind=DEPTH)
    relay(outbox, publisher).step()
    assert outbox.events == full
    asked = sum(one.startswith("f") for wave in publisher.waves for one in wave)
    assert asked <= DEPTH * BATCH


def test_a_queue_that_takes_some_is_asked_for_everybody():
    events = [event(f"e{n:04}", partition=f"p{n}") for n in range(2 * BATCH)]
    outbox = MemoryOutbox(events)
    publisher = Patient(lambda one: REFUSED if one.id.endswith("7") else CONFIRMED, behind=DEPTH)
    assert relay(outbox, publisher).step() == Tally(settled=2 * BATCH * 9 // 10, refused=2 * BATCH // 10)
    assert {one.id[-1] for one in outbox.events} == {"7"}


def test_what_is_for_a_refusing_queue_holds_back_that_persons_later_events_for_other_queues():
    outbox = MemoryOutbox([
        *(event(f"f{n}", partition=f"f{n}") for n in range(BATCH)),
        *(event(f"g{n}", partition=f"f{n}", queues=(SECOND,)) for n in range(BATCH)),
    ])  # fmt: skip
    publisher = Patient(lambda one: REFUSED if one.queues == (FIRST,) else CONFIRMED, behind=1)
    assert relay(outbox, publisher).step() == Tally(refused=BATCH)
    assert publisher.waves == [[f"f{n}" for n in range(BATCH)]]


def test_when_the_broker_is_away_the_outbox_is_not_read_to_its_end():
    reads = []

    class Counted(MemoryOutbox):
        def pending(self, limit, *, beyond=0, overtaking=False):
            reads.extend([] if overtaking else [beyond])
            return super().pending(limit, beyond=beyond, overtaking=overtaking)

    outbox = Counted(many(20 * BATCH))
    assert relay(outbox, Patient(lambda _one: UNKNOWN, behind=DEPTH)).step() == Tally(failed=DEPTH * BATCH)
    assert len(reads) <= DEPTH + 2
    assert len(outbox.events) == 20 * BATCH


def test_what_comes_while_it_drains_is_relayed_in_the_same_step():
    outbox, late = MemoryOutbox(many(2 * BATCH)), [event(f"late{n}", partition=f"p{n}") for n in range(10)]

    class Busy(Patient):
        def submit(self, events):
            outbox.add(late[:5])
            del late[:5]
            return super().submit(events)

    assert relay(outbox, Busy(behind=DEPTH)).step() == Tally(settled=2 * BATCH + 10)
    assert outbox.events == []


def test_losing_the_lease_in_the_middle_ends_the_step_and_settles_what_arrived():
    reads = []

    class Counted(MemoryOutbox):
        def pending(self, limit, *, beyond=0, overtaking=False):
            reads.extend([] if overtaking else [beyond])
            return super().pending(limit, beyond=beyond, overtaking=overtaking)

    outbox, publisher = Counted(many(5 * BATCH)), Patient(behind=DEPTH)
    assert relay(outbox, publisher, lease=lambda: len(reads) < 2).step() == Tally(settled=2 * BATCH)
    assert len(outbox.events) == 3 * BATCH


def test_stopping_does_not_wait_for_ever_for_an_answer_that_never_comes(monkeypatch):
    monkeypatch.setattr(module, "IDLE", 0.01)
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    outbox = MemoryOutbox(many(3))
    one = relay(outbox, Publisher(behind=99))
    one.start()
    one.stop()
    assert not one._thread.is_alive()
    assert len(outbox.events) == 3
