"""Durable queues without a broker to install: `ports.Broker` on `queues.db`, with the semantics of quorum queues.

* Every call is one durable transaction. What `publish` CONFIRMED survives the power going.
* An event is lent, not given. Until it is acknowledged it comes back when its lease ends.
* `delivery_limit` counts redeliveries, as RabbitMQ's `delivery-limit` does: with 3, an event is delivered four times,
  and the fourth failure makes it a dead letter, with reason and time. An ended lease is a failure like a rejection.
* A dead letter does not hold up the person's later events: consumers order by the event's own time if they must.
* Several processes may work on one file. Each call waits its turn (`sqlite.File.writing`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from gateway.broker import schedule
from gateway.config import Queue
from gateway.errors import ConfigError, UnavailableError
from gateway.message import Event, EventId
from gateway.ports import Clock, Delivery, Publication
from gateway.sqlite import File, Row, instant, translated

DATABASE = "queues.db"
LEASE = timedelta(seconds=60)
"""Long enough for a consumer to write what it got into its own database, short enough to be noticed when it died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How a queue stands."""

    queue: str
    ready: int
    waiting: int
    """Behind an older event of the same person."""
    lent: int
    dead: int
    """Dead letters that nobody has sent again."""
    oldest: datetime | None
    """Since when the oldest undelivered event is there."""
    declared: bool
    """False for a queue that the configuration no longer has: it keeps its events and is given no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An event on a queue, looked at without lending it."""

    queue: str
    tag: int
    event: EventId
    type: str
    state: str
    """`ready`, `waiting` or `lent`."""
    attempt: int
    """How often it has been lent."""
    since: datetime
    lease_ends: datetime | None
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event that failed too often."""

    id: int
    queue: str
    event: EventId
    type: str
    attempts: int
    reason: str
    since: datetime
    at: datetime
    replayed_at: datetime | None
    body: bytes


class EmbeddedBroker:
    """May be used from any thread: calls take turns."""

    def __init__(
        self,
        path: Path,
        queues: Sequence[Queue],
        *,
        clock: Clock,
        lease: timedelta = LEASE,
        faults: Callable[[str], None] = lambda _point: None,
    ) -> None:
        """Open `queues.db` and declare the configured queues; others in the file are kept.

        Args:
            path: `queues.db`. Raises IntegrityError if it is not there (`schedule.create` makes it), UnavailableError
                if it cannot be written.
            queues: As configured.
            clock: Tells when leases end.
            lease: How long an event is lent.
            faults: Told each point of a call (`put`, `confirmed`, `lend`, `acknowledge`); tests fail there.
        """
        self._file = File(path)
        self._clock = clock
        self._lease = lease
        self._fault = faults
        self._turn = threading.Lock()
        with translated():
            schedule.check(self._file)
            with self._file.writing() as connection:
                connection.executemany(
                    "INSERT INTO queues (name, delivery_limit) VALUES (?, ?) "
                    "ON CONFLICT (name) DO UPDATE SET delivery_limit = excluded.delivery_limit",
                    [(queue.name, queue.delivery_limit) for queue in queues],
                )
            self._all: Mapping[str, int] = dict(
                self._file.connection.execute("SELECT name, id FROM queues ORDER BY name").fetchall()
            )
        self._declared = {queue.name: self._all[queue.name] for queue in queues}
        self._cleaned = ""

    def publish(self, events: Sequence[Event]) -> Sequence[Publication]:
        """Put each event on all its queues, in one transaction (`ports.Broker`).

        RETURNED: one of its queues is not declared, and it was put on none. UNKNOWN, for all: the disk did not answer;
        publish again.
        """
        answers = [
            Publication.CONFIRMED
            if event.queues and self._declared.keys() >= set(event.queues)
            else Publication.RETURNED
            for event in events
        ]
        going = [event for event, answer in zip(events, answers, strict=True) if answer is Publication.CONFIRMED]
        if going:
            try:
                with self._turn, translated(), self._file.writing():
                    now = self._clock.now()
                    schedule.put(self._file, self._declared, going, now)
                    self._clean(now)
                    self._fault("put")
                self._fault("confirmed")
            except UnavailableError:
                return [Publication.UNKNOWN] * len(events)
        return answers

    def take(self, queue: str, *, limit: int) -> Sequence[Delivery]:
        """Lend up to `limit` events (`ports.Broker`). Raises ConfigError for a queue that is not, UnavailableError."""
        number = self._number(queue)
        with self._turn, translated():
            now = self._clock.now()
            if not self._anything(number, now):
                return []
            ends = now + self._lease
            with self._file.writing():
                for tag in schedule.expired(self._file, number, now):
                    schedule.give_back(self._file, tag, "the lease ended without an answer", now)
                rows = schedule.lend(self._file, number, limit, ends)
                self._fault("lend")
        return [
            Delivery(queue=queue, tag=tag, event=EventId(event), body=body, attempt=attempt, lease_ends=ends,
                     headers=_headers(replay_of, reason))
            for tag, event, body, attempt, replay_of, reason in rows
        ]  # fmt: skip

    def ack(self, delivery: Delivery) -> bool:
        """Forget the event on this queue (`ports.Broker`). Raises UnavailableError."""
        return self.ack_all([delivery])[0]

    def ack_all(self, deliveries: Sequence[Delivery]) -> Sequence[bool]:
        """Acknowledge many in one transaction, each as `ack` would. Raises UnavailableError, and then none is."""
        with self._turn, translated(), self._file.writing() as connection:
            freed: list[tuple[int, str]] = []
            answers = []
            for delivery in deliveries:
                row = self._loan(delivery)
                answers.append(row is not None)
                if row is not None:
                    connection.execute("DELETE FROM deliveries WHERE tag = ?", (delivery.tag,))
                    freed.append(row)
            schedule.promote(self._file, freed)
            self._fault("acknowledge")
        return answers

    def reject(self, delivery: Delivery, *, reason: str) -> bool:
        """Give it back for another attempt, or let it die past the limit (`ports.Broker`). Raises UnavailableError."""
        with self._turn, translated(), self._file.writing():
            if self._loan(delivery) is None:
                return False
            schedule.give_back(self._file, delivery.tag, reason, self._clock.now())
            return True

    def loan(self, queue: str, tag: int) -> Delivery | None:
        """Return a delivery that is lent now, for whoever took it in another process; None if it is not lent."""
        number = self._number(queue)
        with self._turn, translated():
            row = self._file.connection.execute(
                "SELECT event, body, attempt, lease_ends, replay_of, replay_reason FROM deliveries "
                "WHERE queue = ? AND tag = ? AND state = 'lent'",
                (number, tag),
            ).fetchone()
        if row is None:
            return None
        return Delivery(queue=queue, tag=tag, event=EventId(row[0]), body=row[1], attempt=row[2],
                        lease_ends=instant(row[3]), headers=_headers(row[4], row[5]))  # fmt: skip

    def peek(self, queue: str, *, limit: int = 20) -> Sequence[Waiting]:
        """Return the oldest events of a queue without lending them."""
        number = self._number(queue)
        with self._turn, translated():
            rows = self._file.connection.execute(
                "SELECT tag, event, type, state, attempt, since, lease_ends, body FROM deliveries "
                "WHERE queue = ? ORDER BY tag LIMIT ?",
                (number, limit),
            ).fetchall()
        return [
            Waiting(queue=queue, tag=row[0], event=EventId(row[1]), type=row[2], state=row[3], attempt=row[4],
                    since=instant(row[5]), lease_ends=instant(row[6]) if row[6] else None, body=row[7])
            for row in rows
        ]  # fmt: skip

    def depths(self) -> Sequence[Depth]:
        """Return how every queue stands, by name."""
        with self._turn, translated(), self._file.reading() as connection:
            states = {
                (queue, state): count
                for queue, state, count in connection.execute(
                    "SELECT queue, state, count(*) FROM deliveries GROUP BY queue, state"
                )
            }
            dead = dict(
                connection.execute(
                    "SELECT queue, count(*) FROM dead_letters WHERE replayed_at IS NULL GROUP BY queue"
                ).fetchall()
            )
            oldest = dict(connection.execute("SELECT queue, min(since) FROM deliveries GROUP BY queue").fetchall())
        return [
            Depth(queue=name, ready=states.get((number, "ready"), 0), waiting=states.get((number, "waiting"), 0),
                  lent=states.get((number, "lent"), 0), dead=dead.get(number, 0),
                  oldest=instant(oldest[number]) if number in oldest else None, declared=name in self._declared)
            for name, number in self._all.items()
        ]  # fmt: skip

    def dead(self, queue: str, *, limit: int = 100) -> Sequence[DeadLetter]:
        """Return a queue's dead letters, the newest first, those sent again too."""
        number = self._number(queue)
        with self._turn, translated():
            rows = self._file.connection.execute(
                "SELECT id, event, type, attempts, reason, since, at, replayed_at, body FROM dead_letters "
                "WHERE queue = ? ORDER BY id DESC LIMIT ?",
                (number, limit),
            ).fetchall()
        return [_letter(queue, row) for row in rows]

    def retry(self, letter: int, *, reason: str) -> int:
        """Put a dead letter on its queue again as a new delivery that says so, and return its tag.

        The event keeps its id, so a consumer that had it after all sees that. Raises ConfigError if there is no such
        dead letter or it was sent again already, UnavailableError.
        """
        with self._turn, translated(), self._file.writing():
            tag = schedule.replay(self._file, letter, reason, self._clock.now())
        if tag is None:
            raise ConfigError(f"dead letter {letter}: is not there, or was sent again already")
        return tag

    def close(self) -> None:
        """Close the file."""
        with self._turn:
            self._file.close()

    def _number(self, queue: str) -> int:
        if queue not in self._all:
            raise ConfigError(f"queue {queue}: is not one of {', '.join(self._all)}")
        return self._all[queue]

    def _anything(self, queue: int, now: datetime) -> bool:
        """Tell whether there is something to lend, without taking the write lock: consumers ask all the time."""
        ready = self._file.connection.execute(
            "SELECT 1 FROM deliveries WHERE queue = ? AND state = 'ready' LIMIT 1", (queue,)
        ).fetchone()
        return ready is not None or bool(schedule.expired(self._file, queue, now))

    def _loan(self, delivery: Delivery) -> tuple[int, str] | None:
        """Return (queue, partition) of a delivery that was not lent again since."""
        row: tuple[int, str] | None = self._file.connection.execute(
            "SELECT queue, partition FROM deliveries WHERE tag = ? AND event = ? AND attempt = ?",
            (delivery.tag, delivery.event, delivery.attempt),
        ).fetchone()
        return row

    def _clean(self, now: datetime) -> None:
        hour = now.isoformat(timespec="hours")
        if hour != self._cleaned:
            schedule.forget(self._file, now)
            self._cleaned = hour


def _headers(replay_of: int | None, reason: str | None) -> Mapping[str, str]:
    return {} if replay_of is None else {"x-gw-replay-of": str(replay_of), "x-gw-replay-reason": reason or ""}


def _letter(queue: str, row: Row) -> DeadLetter:
    return DeadLetter(id=row[0], queue=queue, event=EventId(row[1]), type=row[2], attempts=row[3], reason=row[4],
                      since=instant(row[5]), at=instant(row[6]), replayed_at=instant(row[7]) if row[7] else None,
                      body=row[8])  # fmt: skip
