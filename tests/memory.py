"""The ports kept in memory: small enough to be believed, and held to the same suites as the real drivers."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway import codes
from gateway.config import Queue
from gateway.errors import ConflictError, UnavailableError
from gateway.message import Accepted, Event, EventId, Learned, Protection, Pseudonym, Ready, Refusal, Replay, Sign
from gateway.ports import EVENT_LIMIT, Clock, DeadLetter, Delivery, Pending, Publication
from gateway.store.rows import RANK


class MemoryJournal:
    """`ports.Journal`, and what it leaves behind: `outbox` and `protections` are the other two ports."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open = True
        self.accepted: dict[tuple[str, str, str], Accepted] = {}
        self.refused: list[Refusal] = []
        self.signs: list[Sign] = []
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
            self.outbox.add(ready.events)
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

    def keep(self, sign: Sign) -> None:
        self.signs.append(sign)

    def close(self) -> None:
        self._open = False

    def _must_be_open(self) -> None:
        if not self._open:
            raise UnavailableError(codes.DRAINING)


class MemoryOutbox:
    """`ports.Outbox`."""

    def __init__(self, events: Sequence[Event] = ()) -> None:
        self.rows: list[Pending] = []
        self.buried: list[tuple[EventId, str]] = []
        self.add(events)

    @property
    def events(self) -> list[Event]:
        return [row.event for row in self.rows]

    def add(self, events: Sequence[Event]) -> None:
        first = self.rows[-1].number + 1 if self.rows else 1
        self.rows += [Pending(number=number, event=event) for number, event in enumerate(events, start=first)]

    def pending(self, limit: int, *, beyond: int = 0, overtaking: bool = False) -> Sequence[Pending]:
        first: dict[Pseudonym, int] = {}
        for row in self.rows:
            first.setdefault(row.event.partition, row.number)
        found = [row for row in self.rows if row.number > beyond][:limit]
        return [row for row in found if not overtaking or first[row.event.partition] == row.number]

    def newest(self) -> int:
        return self.rows[-1].number if self.rows else 0

    def bury(self, dead: Sequence[Pending], *, reason: str) -> None:
        self.buried += [(one.event.id, reason) for one in dead]
        self.settle(dead)

    def hold(self, events: Sequence[Pending]) -> None:
        held = {(row.number, row.event.id) for row in events}
        self.rows = [replace(row, held=True) if (row.number, row.event.id) in held else row for row in self.rows]

    def settle(self, confirmed: Sequence[Pending]) -> None:
        gone = {(row.number, row.event.id) for row in confirmed}
        self.rows = [row for row in self.rows if (row.number, row.event.id) not in gone]


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
    since: datetime
    attempt: int = 0
    ends: datetime | None = None


@dataclass
class _Queue:
    limit: int
    places: list[_Place] = field(default_factory=list)
    seen: set[tuple[EventId, Replay | None]] = field(default_factory=set)


class MemoryBroker:
    """`ports.Publisher`, and by `consumer` and `dead_letters` the other two roles of a broker.

    `answer` decides what becomes of an event, so that a relay can be failed in every way.
    """

    def __init__(self, queues: Sequence[Queue], *, clock: Clock, lease: timedelta = timedelta(seconds=60)) -> None:
        self.clock = clock
        self.lease = lease
        self._tag = 0
        self.queues = {queue.name: _Queue(queue.delivery_limit) for queue in queues}
        self.dead: list[DeadLetter] = []
        self.order: list[EventId] = []
        self.answer = lambda _event: Publication.CONFIRMED
        """CONFIRMED persists; UNKNOWN persists too when `persists` says so."""
        self.persists = lambda answer: answer is Publication.CONFIRMED

    def submit(self, events: Sequence[Event]) -> Future[Sequence[Publication]]:
        answers = []
        for event in events:
            known = event.queues and all(name in self.queues for name in event.queues)
            answer = self.answer(event) if known else Publication.RETURNED
            if len(event.body) > EVENT_LIMIT:
                answer = Publication.TOO_LARGE
            if known and self.persists(answer):
                self._put(event)
            answers.append(answer)
        future: Future[Sequence[Publication]] = Future()
        future.set_result(answers)
        return future

    def consumer(self, queue: str) -> MemoryConsumer:
        return MemoryConsumer(self, queue)

    def dead_letters(self) -> MemoryDeadLetters:
        return MemoryDeadLetters(self)

    def close(self) -> None:
        pass

    def _put(self, event: Event) -> None:
        for name in event.queues:
            if (event.id, event.replay) not in self.queues[name].seen:
                self.queues[name].seen.add((event.id, event.replay))
                self._tag += 1
                self.queues[name].places.append(_Place(self._tag, event, self.clock.now()))
                self.order.append(event.id)


class MemoryConsumer:
    """`ports.Consumer`. Nobody else puts anything there, so there is nothing to wait for."""

    def __init__(self, broker: MemoryBroker, queue: str) -> None:
        self._broker, self._name = broker, queue
        self._places = broker.queues[queue].places
        self._lent: dict[int, Delivery] = {}

    def take(self, *, limit: int, wait: float = 0.0) -> Sequence[Delivery]:  # noqa: ARG002  # nobody to wait for
        now = self._broker.clock.now()
        for one in [one for one in self._places if one.ends is not None and one.ends <= now]:
            self._fail(one, "lease_ended", again=True)
        lent: list[Delivery] = []
        persons = set()
        for one in self._places:
            if one.event.partition not in persons and one.ends is None and len(lent) < limit:
                one.attempt, one.ends = one.attempt + 1, now + self._broker.lease
                lent.append(self._delivery(one))
            persons.add(one.event.partition)
        self._lent |= {one.tag: one for one in lent}
        return lent

    def ack(self, deliveries: Sequence[Delivery]) -> Sequence[bool]:
        answers = []
        for delivery in deliveries:
            one = self._loan(delivery)
            answers.append(one is not None)
            if one is not None:
                self._places.remove(one)
        return answers

    def reject(self, delivery: Delivery, *, reason: str, again: bool = True) -> bool:
        one = self._loan(delivery)
        if one is not None:
            self._fail(one, reason, again=again)
        return one is not None

    def close(self) -> None:
        for delivery in self._lent.values():
            one = self._loan(delivery)
            if one is not None:
                one.ends = None
        self._lent = {}

    def _delivery(self, one: _Place) -> Delivery:
        replay = one.event.replay
        return Delivery(
            queue=self._name,
            tag=one.tag,
            event=one.event.id,
            body=one.event.body,
            attempt=one.attempt,
            lease_ends=one.ends,
            headers={"x-gw-replay-of": str(replay.letter), "x-gw-replay-reason": replay.reason} if replay else {},
        )

    def _loan(self, delivery: Delivery) -> _Place | None:
        found = [one for one in self._places if (one.tag, one.attempt) == (delivery.tag, delivery.attempt)]
        return found[0] if found else None

    def _fail(self, one: _Place, reason: str, *, again: bool) -> None:
        one.ends = None
        if again and one.attempt <= self._broker.queues[self._name].limit:
            return
        self._places.remove(one)
        event = one.event
        self._broker.dead.append(
            DeadLetter(
                tag=one.tag,
                queue=self._name,
                event=event.id,
                type=event.type,
                partition=event.partition,
                attempts=one.attempt,
                reason=reason,
                since=one.since,
                at=self._broker.clock.now(),
                replay_of=event.replay.letter if event.replay else None,
                body=event.body,
            )
        )


class MemoryDeadLetters:
    """`ports.DeadLetters`."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._dead = broker.dead
        self._lent: list[DeadLetter] = []

    def take(self, *, limit: int, wait: float = 0.0) -> Sequence[DeadLetter]:  # noqa: ARG002  # as above
        taken, self._dead[:] = self._dead[:limit], self._dead[limit:]
        self._lent += taken
        return taken

    def ack(self, letters: Sequence[DeadLetter]) -> None:
        self._lent = [one for one in self._lent if one not in letters]

    def close(self) -> None:
        self._dead[:0] = self._lent
        self._lent = []


class MemoryRegistrar:
    """`ports.Registrar`."""

    def __init__(self) -> None:
        self.letters: dict[tuple[str, EventId, int | None], DeadLetter] = {}

    def record(self, letters: Sequence[DeadLetter]) -> int:
        before = len(self.letters)
        for one in letters:
            self.letters.setdefault((one.queue, one.event, one.replay_of), one)
        return len(self.letters) - before
