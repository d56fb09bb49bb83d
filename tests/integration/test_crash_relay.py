"""The power goes at every point between outbox and acknowledgement: every event once by its id, in order per person."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.broker.embedded import LEASE, EmbeddedBroker
from gateway.broker.relay import Relay
from gateway.store.outbox import StoredOutbox
from gateway.store.place import SqlitePlace
from gateway.store.views import Views
from tests import builders
from tests.builders import FIRST, SECOND
from tests.integration.killed import Axe, Child

MESSAGES = 10


@pytest.fixture
def folder(tmp_path):
    """A store whose outbox holds some persons' events, several each, and empty queues."""
    store = builders.store(tmp_path)
    builders.queues(tmp_path)
    journal = builders.journal(store, builders.Clock())
    for n in range(MESSAGES):
        journal.accept(builders.ready(f"urn:uuid:{n}", records=2, queues=(FIRST, SECOND))).result()
    journal.close()
    return tmp_path


def opened(folder, clock, faults=lambda _point: None) -> EmbeddedBroker:
    return EmbeddedBroker(folder / "queues.db", builders.QUEUES, clock=clock, faults=faults)


def relay_all(folder, faults=lambda _point: None) -> None:
    clock = builders.Clock()
    outbox, broker = StoredOutbox(SqlitePlace(folder), clock=clock), opened(folder, clock, faults)
    relay = Relay(outbox, broker, lease=lambda: True, random=lambda: 0.5, batch=6, faults=faults)
    while relay.step().settled:
        pass
    outbox.close()
    broker.close()


def consume(broker, queue: str, seen: list[str]) -> None:
    """Take and acknowledge until there is no more."""
    while deliveries := broker.take(queue, limit=3):
        for delivery in deliveries:
            seen.append(delivery.event)
            broker.ack([delivery])


def check(folder, seen: dict[str, list[str]]) -> None:
    """Relay the rest; then every queue must have given every event once, each person's in order."""
    relay_all(folder)
    clock = builders.Clock(builders.NOON + 2 * LEASE)
    broker = opened(folder, clock)
    for queue, events in seen.items():
        consume(broker, queue, events)
        assert sorted(events) == sorted(f"skatteverket-urn:uuid:{n}-{r}" for n in range(MESSAGES) for r in (1, 2))
        for record in ("1", "2"):  # in every message the same two persons
            mine = [event for event in events if event.endswith(record)]
            assert mine == sorted(mine)
    assert all(one.ready == one.unacked == one.dead == 0 for one in broker.depths())
    broker.close()
    assert Views(SqlitePlace(folder)).counts()["outbox"] == 0


@pytest.mark.parametrize("consumed", [False, True])
@pytest.mark.parametrize("nth", [1, 3])
@pytest.mark.parametrize("point", ["publish", "put", "confirmed", "published", "settled"])
def test_a_relay_killed_at_a_point_delivers_every_event_once(folder, point, nth, consumed):
    """`consumed`: what had arrived was taken and acknowledged before the next relay came."""
    ended = Child(lambda _tell: relay_all(folder, Axe(point, nth))).end()
    assert ended.killed
    seen: dict[str, list[str]] = {FIRST: [], SECOND: []}
    if consumed:
        broker = opened(folder, builders.Clock())
        for queue, events in seen.items():
            consume(broker, queue, events)
        broker.close()
    check(folder, seen)


@pytest.mark.parametrize("nth", [1, 4])
@pytest.mark.parametrize("point", ["lend", "acknowledge"])
def test_a_consumer_killed_at_a_point_gets_its_event_again(folder, point, nth):
    """What it had acknowledged is gone; what it was lent comes again, with the next attempt, when the lease ends."""
    relay_all(folder)

    def run(tell) -> None:
        broker = opened(folder, builders.Clock(), Axe(point, nth))
        while deliveries := broker.take(FIRST, limit=1):
            broker.ack(deliveries)
            tell(deliveries[0].event)

    ended = Child(run).end()
    assert ended.killed
    assert len(ended.told) == nth - 1
    check(folder, {FIRST: list(ended.told), SECOND: []})


def test_a_lent_event_comes_again_with_the_next_attempt_after_a_kill(folder):
    relay_all(folder)

    def run(tell) -> None:
        broker = opened(folder, builders.Clock())
        (delivery,) = broker.take(FIRST, limit=1)
        tell((delivery.event, delivery.attempt))

    ((event, attempt),) = Child(run).end().told
    clock = builders.Clock()
    broker = opened(folder, clock)
    assert event not in [one.event for one in broker.take(FIRST, limit=9)]
    clock.pass_(LEASE + timedelta(seconds=1))
    again = next(one for one in broker.take(FIRST, limit=9) if one.event == event)
    assert (attempt, again.attempt) == (1, 2)
    broker.close()
