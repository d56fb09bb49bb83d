"""The ports kept in memory: small enough to be believed, and held to the same suites as the real drivers."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway import codes
from gateway.config import Queue
from gateway.errors import ConflictError, UnavailableError
from gateway.message import Accepted, Event, EventId, Learned, Protection, Pseudonym, Ready, Refusal
from gateway.ports import Clock, Delivery, Publication
from gateway.store.entries import RANK


class MemoryJournal:
    """`ports.Journal`, and what it leaves behind: `outbox` and `protections` are the other two ports."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open = True
        self.accepted: dict[tuple[str, str, str], Accepted] = {}
        self.refused: list[Refusal] = []
        self.outbox = MemoryOutbox()
        self.protections = MemoryProtections()

    def accept(self, ready: Ready) -> Future[Accepted]:
        self._must_be_open()
        source = ready.provenance
        key = (source.partner, source.organisation, source.message_id)
        future: Future[Accepted] = Future()
        first = self.accepted.get(key)
        if first is None:
            self.accepted[key] = Accepted(
                provenance=source,
                accepted_at=self._clock.now(),
                outcomes=ready.outcomes,
                leaves=tuple(leaf.hash for leaf in ready.leaves),
                repeated=False,
            )
            self.outbox.events += ready.events
            for one in ready.learned:
                self.protections.learn(one)
            future.set_result(self.accepted[key])
        elif first.provenance.digest != source.digest:
            future.set_exception(ConflictError(codes.CONFLICT))
        else:
            spoken = replace(first.provenance, version=source.version)
            future.set_result(replace(first, provenance=spoken, repeated=True))
        return future

    def refuse(self, refusal: Refusal) -> Future[None]:
        self._must_be_open()
        self.refused.append(refusal)
        future: Future[None] = Future()
        future.set_result(None)
        return future

    def close(self) -> None:
        self._open = False

    def _must_be_open(self) -> None:
        if not self._open:
            raise UnavailableError(codes.DRAINING)


class MemoryOutbox:
    """`ports.Outbox`."""

    def __init__(self, events: Sequence[Event] = ()) -> None:
        self.events = list(events)

    def pending(self, limit: int) -> Sequence[Event]:
        return self.events[:limit]

    def settle(self, events: Sequence[EventId]) -> None:
        self.events = [event for event in self.events if event.id not in set(events)]


class MemoryProtections:
    """`ports.Protections`."""

    def __init__(self) -> None:
        self._known: dict[Pseudonym, Learned] = {}

    def status(self, person: Pseudonym) -> Protection:
        known = self._known.get(person)
        return known.protection if known else Protection.UNKNOWN

    def learn(self, news: Learned) -> None:
        old = self._known.get(news.person)
        if old is None:
            self._known[news.person] = news
        elif RANK[news.protection] > RANK[old.protection] or news.stated_at > old.stated_at:
            self._known[news.person] = replace(news, stated_at=max(news.stated_at, old.stated_at))


@dataclass
class _Place:
    tag: int
    event: Event
    attempt: int = 0
    ends: datetime | None = None


@dataclass
class _Queue:
    limit: int
    places: list[_Place] = field(default_factory=list)
    seen: set[EventId] = field(default_factory=set)
    dead: list[tuple[EventId, str]] = field(default_factory=list)


class MemoryBroker:
    """`ports.Broker`. `answer` decides what becomes of an event, so that a relay can be failed in every way."""

    def __init__(self, queues: Sequence[Queue], *, clock: Clock, lease: timedelta = timedelta(seconds=60)) -> None:
        self._clock = clock
        self._lease = lease
        self._tag = 0
        self.queues = {queue.name: _Queue(queue.delivery_limit) for queue in queues}
        self.order: list[EventId] = []
        self.answer = lambda _event: Publication.CONFIRMED
        """CONFIRMED persists; UNKNOWN persists too when `persists` says so."""
        self.persists = lambda answer: answer is Publication.CONFIRMED

    def publish(self, events: Sequence[Event]) -> Sequence[Publication]:
        answers = []
        for event in events:
            known = event.queues and all(name in self.queues for name in event.queues)
            answer = self.answer(event) if known else Publication.RETURNED
            if known and self.persists(answer):
                self._put(event)
            answers.append(answer)
        return answers

    def take(self, queue: str, *, limit: int) -> Sequence[Delivery]:
        place, now = self.queues[queue], self._clock.now()
        for one in [one for one in place.places if one.ends is not None and one.ends <= now]:
            self._give_back(place, one, "lease")
        lent: list[Delivery] = []
        persons = set()
        for one in place.places:
            if one.event.partition not in persons and one.ends is None and len(lent) < limit:
                one.attempt, one.ends = one.attempt + 1, now + self._lease
                lent.append(
                    Delivery(
                        queue=queue,
                        tag=one.tag,
                        event=one.event.id,
                        body=one.event.body,
                        attempt=one.attempt,
                        lease_ends=one.ends,
                    )
                )
            persons.add(one.event.partition)
        return lent

    def ack(self, delivery: Delivery) -> bool:
        place, one = self._loan(delivery)
        if one is not None:
            place.places.remove(one)
        return one is not None

    def reject(self, delivery: Delivery, *, reason: str) -> bool:
        place, one = self._loan(delivery)
        if one is not None:
            self._give_back(place, one, reason)
        return one is not None

    def _put(self, event: Event) -> None:
        for name in event.queues:
            if event.id not in self.queues[name].seen:
                self.queues[name].seen.add(event.id)
                self._tag += 1
                self.queues[name].places.append(_Place(self._tag, event))
                self.order.append(event.id)

    def _loan(self, delivery: Delivery) -> tuple[_Queue, _Place | None]:
        place = self.queues[delivery.queue]
        found = [one for one in place.places if (one.tag, one.attempt) == (delivery.tag, delivery.attempt)]
        return place, found[0] if found else None

    def _give_back(self, place: _Queue, one: _Place, reason: str) -> None:
        one.ends = None
        if one.attempt > place.limit:
            place.places.remove(one)
            place.dead.append((one.event.id, reason))
