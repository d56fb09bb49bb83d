"""The power goes at every point of a dead letter's life: recorded once, sent again wholly or not at all, never lost."""

from __future__ import annotations

import pytest

from gateway.broker.collector import Collector
from gateway.broker.embedded import LEASE, EmbeddedBroker
from gateway.broker.relay import Relay
from gateway.store.dead_letters import StoredDeadLetters
from gateway.store.outbox import StoredOutbox
from gateway.store.triage import State
from tests import builders
from tests.builders import FIRST, event
from tests.integration.killed import Axe, Child

LETTERS = 5


@pytest.fixture
def store(tmp_path):
    """A store, and beside it a broker on which some events died."""
    place = builders.store(tmp_path)
    kill_some(place)
    return place


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def anywhere(request, tmp_path):
    """The same, on each database."""
    place = builders.store(tmp_path) if request.param == "sqlite" else request.getfixturevalue("stored")
    kill_some(place)
    return place


def kill_some(place) -> None:
    builders.queues(place.folder)
    broker = opened(place)
    broker.submit([event(str(n), partition=str(n)) for n in range(LETTERS)]).result(0)
    for one in broker.take(FIRST, limit=LETTERS):
        broker.reject(one, reason="broken", again=False)
    broker.close()


def opened(place, clock=None, faults=lambda _point: None) -> EmbeddedBroker:
    return EmbeddedBroker(place.folder / "queues.db", builders.QUEUES, clock=clock or builders.Clock(), faults=faults)


def collect(place, faults=lambda _point: None, clock=None) -> None:
    """Bring two letters at a time home, as another process does."""
    clock = clock or builders.Clock()
    broker, letters = opened(place, clock, faults), StoredDeadLetters(place, clock=clock, faults=faults)
    collector = Collector(broker.dead_letters(), letters, random=lambda: 0.5, batch=2, faults=faults)
    while collector.step():
        pass
    letters.close()
    broker.close()


def later() -> builders.Clock:
    """A clock by which every loan of before has ended."""
    return builders.Clock(builders.NOON + 2 * LEASE)


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("point", ["lend_dead", "taken", "record", "recorded", "bury", "acknowledged"])
def test_a_collector_killed_at_a_point_loses_no_letter_and_records_none_twice(store, point, nth):
    ended = Child(lambda _tell: collect(store, Axe(point, nth))).end()
    assert ended.killed
    collect(store, clock=later())
    collect(store, clock=later())
    letters = StoredDeadLetters(store, clock=later())
    assert sorted(one.event for one in letters.letters()) == [str(n) for n in range(LETTERS)]
    letters.close()
    broker = opened(store, later())
    assert sum(one.dead or 0 for one in broker.depths()) == 0
    broker.close()


@pytest.mark.parametrize(("point", "durable"), [("state", 0), ("outbox", 0), ("commit", 0), ("committed", 2)])
def test_a_retry_killed_at_a_point_is_in_state_and_outbox_or_in_neither(anywhere, point, durable):
    collect(anywhere)

    def retry(tell) -> None:
        letters = StoredDeadLetters(anywhere, clock=later(), faults=Axe(point))
        tell([one.refused for one in letters.retry([1, 2], reason="mended", by="anna")])

    ended = Child(retry).end()
    assert (ended.killed, ended.told) == (True, [])
    letters, outbox = StoredDeadLetters(anywhere, clock=later()), StoredOutbox(anywhere, clock=later())
    replayed = [one.id for one in letters.letters(state=State.REPLAYED)]
    assert len(replayed) == durable
    assert sorted(replayed) == [one.event.replay.letter for one in outbox.pending(9)]
    assert sorted(one.id for one in letters.letters() if letters.history(one.id)) == sorted(replayed)
    # Whoever is told nothing tries again: every event goes out once.
    letters.retry([1, 2], reason="mended", by="anna")
    assert [one.event.replay.letter for one in outbox.pending(9)] == [1, 2]
    letters.close()
    outbox.close()


@pytest.mark.parametrize("point", ["publish", "put", "confirmed", "published", "settled"])
def test_a_relay_killed_with_a_replay_in_hand_delivers_it_once(store, point):
    collect(store)
    letters = StoredDeadLetters(store, clock=later())
    letters.retry([1, 2, 3], reason="mended", by="anna")
    letters.close()

    def relay(_tell, faults=lambda _point: None) -> None:
        outbox, broker = StoredOutbox(store, clock=later()), opened(store, later(), faults)
        Relay(outbox, broker, lease=lambda: True, random=lambda: 0.5, faults=faults).step()
        outbox.close()
        broker.close()

    assert Child(lambda tell: relay(tell, Axe(point))).end().killed
    relay(None)
    broker = opened(store, later())
    taken = broker.take(FIRST, limit=99)
    assert sorted((one.event, one.headers["x-gw-replay-of"]) for one in taken) == [("0", "1"), ("1", "2"), ("2", "3")]
    broker.close()
