"""The broker is away while thousands of events are committed, and comes back while more are: none is lost or starved.

What is new is compared with the backlog by position, in the order in which the broker confirmed, and not by seconds.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import Future
from dataclasses import replace

import pytest

from gateway.broker.relay import DEPTH, Relay
from gateway.message import Event
from gateway.ports import Publication
from gateway.store.outbox import StoredOutbox
from gateway.store.place import Duty
from gateway.store.views import Views
from ops.soak.proxy import Proxy
from tests import builders
from tests.builders import FIRST, QUEUES, event
from tests.integration.rabbit import chance, consuming, eventually, publishing

pytestmark = pytest.mark.services

BACKLOG, PERSONS = 12_000, 5_000
A_MESSAGE = 200
BATCH = 200
SOON = 2 * (DEPTH + 1) * BATCH
"""Events that may be confirmed between a new event's commit and its own confirmation: those of the waves on their way
when it is committed, with new events of their own, then those of the waves that go with it and before it, and as many
again as there is no telling when the test looked."""
LONG = 120.0


class Recorded:
    """A publisher that writes down in which order events were confirmed, and what nobody knew."""

    def __init__(self, publisher) -> None:
        self._publisher = publisher
        self.confirmed: list[str] = []
        self.unknown: set[str] = set()
        self.regained = 0
        """How many had been confirmed when something was unknown for the last time."""

    def submit(self, events) -> Future:
        future = self._publisher.submit(events)
        future.add_done_callback(lambda done: self._answered(events, done.result()))
        return future

    def _answered(self, events, answers) -> None:
        for one, answer in zip(events, answers, strict=True):
            if answer is Publication.CONFIRMED:
                self.confirmed.append(one.id)
            else:
                assert answer is Publication.UNKNOWN
                self.unknown.add(one.id)
                self.regained = len(self.confirmed)

    def close(self) -> None:
        self._publisher.close()


class Books:
    """Commits events through the journal, and remembers each person's in order."""

    def __init__(self, place) -> None:
        self._journal = builders.journal(place, builders.Clock())
        self._messages = 0
        self.persons: dict[str, list[str]] = {}
        self.events = 0

    def commit(self, persons: list[str]) -> list[str]:
        """Accept one message with an event of each of these, and return the events' names."""
        events: list[Event] = []
        for person in persons:
            self.events += 1
            events.append(event(f"e{self.events:06}", partition=person))
            self.persons.setdefault(person, []).append(events[-1].id)
        self._messages += 1
        self._journal.accept(replace(builders.ready(f"urn:uuid:{self._messages}"), events=tuple(events))).result()
        return [one.id for one in events]

    def close(self) -> None:
        self._journal.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    return builders.store(tmp_path) if request.param == "sqlite" else request.getfixturevalue("stored")


@pytest.fixture
def books(place):
    made = Books(place.acting(Duty.FRONT))
    yield made
    made.close()


@pytest.fixture
def proxy(servers):
    with Proxy(("127.0.0.1", servers.rabbitmq.amqps)) as made:
        yield made


@pytest.fixture
def behind(servers, proxy):
    with servers.virtual_host(QUEUES, port=proxy.port) as made:
        yield made


@pytest.mark.parametrize("cut", [False, True], ids=["back for good", "lost again in the middle"])
def test_an_outage_loses_nothing_and_its_backlog_holds_up_no_new_events(place, books, proxy, behind, cut):
    outbox = StoredOutbox(place.acting(Duty.RELAY), clock=builders.Clock())
    failed = threading.Event()
    proxy.refuse()
    with publishing(behind, wait=False) as plain:
        publisher = Recorded(plain)
        relay = Relay(outbox, publisher, lease=lambda: True, random=chance(), batch=BATCH,
                      faults=lambda point: failed.set() if point == "settled" else None)  # fmt: skip
        relay.start()
        grown(books)
        assert failed.wait(LONG)
        assert publisher.confirmed == []
        assert Views(place).counts()["outbox"] == BACKLOG
        proxy.heal()
        came = steadily(books, publisher, proxy if cut else None)
        eventually(lambda: Views(place).counts()["outbox"] == 0, within=LONG)
        relay.stop()
    outbox.close()
    assert (publisher.regained > 0) == cut
    waited(publisher, came)
    arrived = everything(behind, books)
    again = Counter(arrived)
    assert sorted(again) == sorted(name for names in books.persons.values() for name in names)
    twice = {name for name, times in again.items() if times > 1}
    assert twice <= (publisher.unknown if cut else set())
    first = {name: place for place, name in reversed([*enumerate(arrived)])}
    for names in books.persons.values():
        assert sorted(names, key=first.__getitem__) == names


def grown(books: Books) -> None:
    """Fill the outbox through the journal, many events a message, each person's all over it."""
    choose = random.Random(3)  # noqa: S311  # the same each time
    for _ in range(BACKLOG // A_MESSAGE):
        books.commit([f"p{choose.randrange(PERSONS)}" for _ in range(A_MESSAGE)])


def steadily(books: Books, publisher: Recorded, proxy: Proxy | None) -> dict[str, int]:
    """Commit while the backlog drains: of new persons, and of persons in it; cut the connection once.

    Returns:
        For the new persons' events, how many of all events had been confirmed when each was committed.
    """
    rest, number = threading.Event(), 0
    came: dict[str, int] = {}
    while len(publisher.confirmed) < BACKLOG * 9 // 10:
        before = len(publisher.confirmed)
        new, _ = books.commit([f"new {number}", f"p{number}"])
        if before:
            came[new] = before
        if proxy is not None and before > BACKLOG // 3:
            proxy.cut()
            proxy = None
        number += 1
        assert number < 100 * LONG
        rest.wait(0.01)
    return came


def waited(publisher: Recorded, came: dict[str, int]) -> None:
    """Compare where new events stand, among all that were confirmed, with where they were committed.

    What was committed before the step that drains began is its backlog; whoever has seen one of the step's events
    confirmed came after that.
    """
    place = {name: number for number, name in enumerate(publisher.confirmed)}
    behind = [place[name] - before for name, before in came.items() if before > publisher.regained]
    assert len(behind) > 20
    assert max(behind) <= SOON < BACKLOG // 5


def everything(settings, books: Books) -> list[str]:
    """Take and acknowledge until all that was committed has come and nothing more does."""
    arrived: list[str] = []
    missing = {name for names in books.persons.values() for name in names}
    with consuming(settings) as consumer:
        while deliveries := consumer.take(limit=500, wait=2.0 if not missing else LONG):
            arrived += [one.event for one in deliveries]
            missing.difference_update(one.event for one in deliveries)
            assert all(one.queue == FIRST for one in deliveries)
            assert all(consumer.ack(deliveries))
    return arrived
