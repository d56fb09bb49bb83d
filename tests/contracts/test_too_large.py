"""What no broker takes: a dead letter in place of its row in the outbox, both or neither; the rest goes on."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from gateway import codes
from gateway.broker.relay import Relay, Tally
from gateway.database import Turn
from gateway.errors import ConfigError, UnavailableError
from gateway.message import Event, Replay
from gateway.ports import EVENT_LIMIT
from gateway.store.dead_letters import StoredDeadLetters
from gateway.store.outbox import StoredOutbox
from gateway.store.place import Duty, Place
from gateway.store.triage import State
from tests import builders
from tests.builders import FIRST, SECOND, event
from tests.contracts.brokers import given
from tests.integration.killed import Axe, Child

LARGE = b"x" * (EVENT_LIMIT + 1)
POINTS = [("recorded", False), ("forgotten", False), ("buried", True)]
"""Where a burial can be broken off, and whether it happened."""


@dataclass
class Desk:
    """A store with events in its outbox, and who works on it."""

    place: Place
    clock: builders.Clock
    faults: list[str] = field(default_factory=list)
    """Points at which the disk fails, once each."""

    def __post_init__(self) -> None:
        self.outbox = StoredOutbox(self.place.acting(Duty.RELAY), clock=self.clock, faults=self._fault)
        self.operator = StoredDeadLetters(self.place.acting(Duty.OPERATOR), clock=self.clock)

    def _fault(self, point: str) -> None:
        if point in self.faults:
            self.faults.remove(point)
            raise UnavailableError(codes.STORE_UNAVAILABLE)

    def put(self, *events: Event) -> None:
        rows = [
            (number, 1, one.id, one.type, one.partition, " ".join(one.queues), one.body)
            for number, one in enumerate(events, start=1)
        ]
        session = self.place.acting(Duty.OWNER).open()
        with session.writing(Turn.JOURNAL):
            session.insert("outbox", "id, message, event, type, partition, queues, body", rows)
        session.close()

    def waiting(self) -> list[str]:
        return [one.event.id for one in self.outbox.pending(99)]

    def dead(self) -> list[tuple[str, str]]:
        return sorted((one.event, one.queue) for one in self.operator.letters(state=State.OPEN))

    def bury(self, name: str) -> None:
        self.outbox.bury([one for one in self.outbox.pending(99) if one.event.id == name], reason="too_large")

    def close(self) -> None:
        self.outbox.close()
        self.operator.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def desk(request, tmp_path, clock):
    place = builders.store(tmp_path / "store") if request.param == "sqlite" else request.getfixturevalue("stored")
    made = Desk(place, clock)
    yield made
    made.close()


def test_what_is_buried_is_a_whole_letter_for_each_of_its_queues_and_in_the_outbox_no_more(desk, clock):
    desk.put(event("a", queues=(FIRST, SECOND), partition="p7"), event("b"))
    desk.bury("a")
    assert desk.waiting() == ["b"]
    assert desk.dead() == [("a", SECOND), ("a", FIRST)]
    for letter in desk.operator.letters():
        assert (letter.type, letter.reason, letter.attempts, letter.replay_of) == ("inkomst", "too_large", 0, None)
        assert letter.since == letter.at == letter.recorded_at == clock.now()
        assert (
            desk.operator.read([letter.id], purpose="why", by="anna", shown=lambda body, *_: body)[letter.id]
            == b'{"id":"a"}'
        )


@pytest.mark.parametrize(("point", "happened"), POINTS)
def test_a_burial_that_fails_is_both_or_neither_and_is_done_once_when_it_is_tried_again(desk, point, happened):
    desk.put(event("a"), event("b"))
    desk.faults.append(point)
    with pytest.raises(UnavailableError):
        desk.bury("a")
    assert (desk.waiting(), desk.dead()) == ((["b"], [("a", FIRST)]) if happened else (["a", "b"], []))
    desk.bury("a")
    assert (desk.waiting(), desk.dead()) == (["b"], [("a", FIRST)])


@pytest.mark.parametrize(("point", "happened"), POINTS)
def test_a_burial_that_is_killed_is_both_or_neither(desk, clock, point, happened):
    desk.put(event("a"), event("b"))
    place = desk.place.acting(Duty.RELAY)

    def work(_tell) -> None:
        outbox = StoredOutbox(place, clock=clock, faults=Axe(point))
        outbox.bury(outbox.pending(1), reason="too_large")

    assert Child(work).end().killed
    assert (desk.waiting(), desk.dead()) == ((["b"], [("a", FIRST)]) if happened else (["a", "b"], []))


def test_the_persons_later_events_go_on_and_an_operator_can_end_it(desk, broker):
    alarms: list[Exception] = []
    desk.put(
        event("a0", partition="a"),
        event("a1", partition="a", body=LARGE, queues=(FIRST, SECOND)),
        event("b0", partition="b"),
        event("a2", partition="a"),
    )
    relay = Relay(desk.outbox, broker.publisher, lease=lambda: True, random=lambda: 0.5, alarm=alarms.append)
    assert relay.step() == Tally(settled=3, buried=1)
    assert desk.waiting() == []
    assert relay.step() == Tally()
    (alarm,) = alarms
    assert isinstance(alarm, ConfigError)
    assert alarm.detail == "1 events are larger than the broker takes, and are dead letters"
    assert desk.dead() == [("a1", SECOND), ("a1", FIRST)]
    consumer, order = broker.consumer(FIRST), []
    while len(order) < 3:
        lent = given(consumer, 1)
        order += [one.event for one in lent]
        assert all(consumer.ack(lent))
    assert [name for name in order if name[0] == "a"] == ["a0", "a2"]

    # Sent again it is too large still, and a letter of its own that names the one before.
    first = min(one.id for one in desk.operator.letters())
    assert not desk.operator.retry([first], reason="the limit was raised", by="anna")[0].refused
    assert relay.step() == Tally(buried=1)
    again = desk.operator.letters(state=State.OPEN)
    assert [(one.replay_of, one.reason) for one in again if one.replay_of] == [(first, "too_large")]
    assert len(alarms) == 2


def test_a_relay_that_could_not_bury_tries_again_and_nothing_overtakes(desk, broker):
    desk.put(event("a1", partition="a", body=LARGE), event("a2", partition="a"))
    desk.faults += ["recorded", "buried"]
    relay = Relay(desk.outbox, broker.publisher, lease=lambda: True, random=lambda: 0.5)
    with pytest.raises(UnavailableError):
        relay.step()
    assert (desk.waiting(), desk.dead()) == (["a1", "a2"], [])
    with pytest.raises(UnavailableError):
        relay.step()
    assert (desk.waiting(), desk.dead()) == (["a2"], [("a1", FIRST)])
    assert relay.step() == Tally(settled=1)
    assert desk.dead() == [("a1", FIRST)]


def test_a_replay_that_is_buried_names_its_letter_and_is_another_than_the_event(desk):
    desk.put(event("a"))
    desk.bury("a")
    (letter,) = desk.operator.letters()
    desk.operator.retry([letter.id], reason="mended", by="anna")
    (pending,) = desk.outbox.pending(9)
    assert pending.event.replay == Replay(letter=letter.id, reason="mended")
    desk.bury("a")
    assert desk.waiting() == []
    assert [one.replay_of for one in desk.operator.letters(state=State.OPEN)] == [letter.id]
