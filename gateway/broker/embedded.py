"""Durable queues without a broker to install: one file, `queues.db`, with the semantics of quorum queues.

`EmbeddedBroker` is the file, and a `ports.Publisher`. `consumer(queue)` and `dead_letters()` give the other two roles
of a broker, as small views on it.

* Every call is one durable transaction. What `submit` answers CONFIRMED survives the power going.
* An event is lent, not given. Until it is acknowledged it comes back when its lease ends.
* `delivery_limit` counts redeliveries, as RabbitMQ's `delivery-limit` does: with 3, an event is delivered four times,
  and the fourth failure makes it a dead letter, with reason and time. An ended lease is a failure like a rejection.
* A dead letter does not hold up the person's later events: consumers order by the event's own time if they must.
* Whoever waits for something looks every `LOOK`: another process may have put it there, and a file wakes nobody.
* Several processes may work on one file. Each call waits its turn (`sqlite.File.writing`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from gateway import codes
from gateway.broker import schedule
from gateway.broker.depth import Depth
from gateway.config import Queue
from gateway.database import Row, instant
from gateway.errors import ConfigError, GatewayError, UnavailableError
from gateway.logs import redacted
from gateway.message import Event, EventId, Pseudonym
from gateway.ports import EVENT_LIMIT, Clock, DeadLetter, Delivery, Publication
from gateway.sqlite import File, translated

DATABASE = "queues.db"
LEASE = timedelta(seconds=60)
"""Long enough for a consumer to write what it got into its own database, short enough to be noticed when it died."""
LOOK = 0.05
"""Seconds between two looks of whoever waits: one short read each, and no lock."""
REASON = 200
"""Characters of a rejection's reason that are kept."""

_T = TypeVar("_T")


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
            faults: Told each point of a call (`put`, `confirmed`, `lend`, `acknowledge`, `lend_dead`, `bury`); tests
                fail there.
        """
        self._file = File(path)
        self._clock = clock
        self._lease = lease
        self._fault = faults
        self._turn = threading.Lock()
        with translated():
            with self._file.writing() as connection:
                schedule.check(self._file)
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

    def submit(self, events: Sequence[Event]) -> Future[Sequence[Publication]]:
        """Put each event on all its queues, in one transaction; the answers are there at once (`ports.Publisher`).

        RETURNED: one of its queues is not declared, and it was put on none. TOO_LARGE: as RabbitMQ would have it, so
        that an installation may change its broker. UNKNOWN, for all: the disk did not answer;
        publish again. A damaged file makes the future raise IntegrityError.
        """
        answered: Future[Sequence[Publication]] = Future()
        try:
            answered.set_result(self._publish(events))
        except UnavailableError:
            answered.set_result([Publication.UNKNOWN] * len(events))
        except GatewayError as error:
            answered.set_exception(error)
        return answered

    def consumer(self, queue: str) -> EmbeddedConsumer:
        """Return a consumer of one queue; closing it leaves the broker open. Raises ConfigError."""
        self._number(queue)
        return EmbeddedConsumer(self, queue)

    def dead_letters(self) -> EmbeddedDeadLetters:
        """Return the source of dead letters; closing it leaves the broker open."""
        return EmbeddedDeadLetters(self)

    def take(self, queue: str, *, limit: int) -> Sequence[Delivery]:
        """Lend up to `limit` events, without waiting for any. Raises ConfigError, UnavailableError."""
        number = self._number(queue)
        with self._turn, translated():
            now = self._clock.now()
            if not self._anything(number, now):
                return []
            ends = now + self._lease
            with self._file.writing():
                for tag in schedule.expired(self._file, number, now):
                    schedule.fail(self._file, tag, "lease_ended", now)
                rows = schedule.lend(self._file, number, limit, ends)
                self._fault("lend")
        return [
            Delivery(queue=queue, tag=tag, event=EventId(event), body=body, attempt=attempt, lease_ends=ends,
                     headers=_headers(replay_of, reason))
            for tag, event, body, attempt, replay_of, reason in rows
        ]  # fmt: skip

    def ack(self, deliveries: Sequence[Delivery]) -> Sequence[bool]:
        """Forget many in one transaction; False where one was lent again since. Raises UnavailableError: none is."""
        if not deliveries:
            return []
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

    def reject(self, delivery: Delivery, *, reason: str, again: bool = True) -> bool:
        """Let an attempt fail (`ports.Consumer`). Raises UnavailableError."""
        with self._turn, translated(), self._file.writing():
            if self._loan(delivery) is None:
                return False
            schedule.fail(self._file, delivery.tag, redacted(reason)[:REASON], self._clock.now(), again=again)
            return True

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Make loans ready again before their time, without calling it a failure. Raises UnavailableError."""
        if deliveries:
            with self._turn, translated(), self._file.writing():
                schedule.give_back(self._file, [one.tag for one in deliveries if self._loan(one) is not None])

    def take_dead(self, *, limit: int) -> Sequence[DeadLetter]:
        """Lend up to `limit` dead letters of all queues, without waiting for any. Raises UnavailableError."""
        with self._turn, translated():
            now = self._clock.now()
            if self._file.connection.execute("SELECT 1 FROM dead_letters LIMIT 1").fetchone() is None:
                return []
            with self._file.writing():
                rows = schedule.lend_dead(self._file, limit, now, now + self._lease)
                self._fault("lend_dead")
        return [_letter(row) for row in rows]

    def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Forget dead letters that have been recorded elsewhere. Raises UnavailableError, and then none is."""
        if letters:
            with self._turn, translated(), self._file.writing():
                schedule.bury(self._file, [(one.tag, one.event) for one in letters])
                self._fault("bury")

    def return_dead(self, letters: Sequence[DeadLetter]) -> None:
        """Take dead letters back before their loan ends. Raises UnavailableError."""
        if letters:
            with self._turn, translated(), self._file.writing():
                schedule.return_dead(self._file, [one.tag for one in letters])

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
        """Return how every queue stands, by name. Raises UnavailableError."""
        with self._turn, translated(), self._file.reading() as connection:
            lent: dict[int, int] = {}
            ready: dict[int, int] = {}
            for queue, state, count in connection.execute(
                "SELECT queue, state, count(*) FROM deliveries GROUP BY queue, state"
            ):
                counted = lent if state == "lent" else ready
                counted[queue] = counted.get(queue, 0) + count
            dead = dict(connection.execute("SELECT queue, count(*) FROM dead_letters GROUP BY queue").fetchall())
            oldest = dict(connection.execute("SELECT queue, min(since) FROM deliveries GROUP BY queue").fetchall())
        return [
            Depth(queue=name, ready=ready.get(number, 0), unacked=lent.get(number, 0), dead=dead.get(number, 0),
                  oldest=instant(oldest[number]) if number in oldest else None, declared=name in self._declared)
            for name, number in self._all.items()
        ]  # fmt: skip

    def close(self) -> None:
        """Close the file."""
        with self._turn:
            self._file.close()

    def _publish(self, events: Sequence[Event]) -> list[Publication]:
        answers = [self._answer(event) for event in events]
        going = [event for event, answer in zip(events, answers, strict=True) if answer is Publication.CONFIRMED]
        if going:
            with self._turn, translated(), self._file.writing():
                now = self._clock.now()
                schedule.put(self._file, self._declared, going, now)
                self._clean(now)
                self._fault("put")
            self._fault("confirmed")
        return answers

    def _answer(self, event: Event) -> Publication:
        if len(event.body) > EVENT_LIMIT:
            return Publication.TOO_LARGE
        declared = event.queues and self._declared.keys() >= set(event.queues)
        return Publication.CONFIRMED if declared else Publication.RETURNED

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


class EmbeddedConsumer:
    """`ports.Consumer` of one queue. One thread uses it; any may close it, which ends its wait."""

    def __init__(self, broker: EmbeddedBroker, queue: str) -> None:
        """Made by `EmbeddedBroker.consumer`."""
        self._broker = broker
        self._queue = queue
        self._lent: dict[int, Delivery] = {}
        self._closing = threading.Event()

    def take(self, *, limit: int, wait: float = 0.0) -> Sequence[Delivery]:
        """Lend up to `limit` events, looking every `LOOK` until there is one. Raises UnavailableError."""
        lent = _patiently(lambda: self._broker.take(self._queue, limit=limit), wait, self._closing)
        self._lent |= {one.tag: one for one in lent}
        return lent

    def ack(self, deliveries: Sequence[Delivery]) -> Sequence[bool]:
        """Forget them, in one transaction (`ports.Consumer`). Raises UnavailableError, and then none is forgotten."""
        answers = self._broker.ack(deliveries)
        for one in deliveries:
            self._lent.pop(one.tag, None)
        return answers

    def reject(self, delivery: Delivery, *, reason: str, again: bool = True) -> bool:
        """Let an attempt fail (`ports.Consumer`). Raises UnavailableError."""
        answer = self._broker.reject(delivery, reason=reason, again=again)
        self._lent.pop(delivery.tag, None)
        return answer

    def close(self) -> None:
        """Give back what is lent; where that fails, the lease ends by itself. May be called twice."""
        self._closing.set()
        lent, self._lent = self._lent, {}
        with suppress(UnavailableError):
            self._broker.give_back(list(lent.values()))


class EmbeddedDeadLetters:
    """`ports.DeadLetters`. One thread uses it; any may close it, which ends its wait."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        """Made by `EmbeddedBroker.dead_letters`."""
        self._broker = broker
        self._lent: dict[int, DeadLetter] = {}
        self._closing = threading.Event()

    def take(self, *, limit: int, wait: float = 0.0) -> Sequence[DeadLetter]:
        """Lend up to `limit` letters, looking every `LOOK` until there is one. Raises UnavailableError."""
        lent = _patiently(lambda: self._broker.take_dead(limit=limit), wait, self._closing)
        self._lent |= {one.tag: one for one in lent}
        return lent

    def ack(self, letters: Sequence[DeadLetter]) -> None:
        """Forget them, in one transaction. Raises UnavailableError, and then none is forgotten."""
        self._broker.bury(letters)
        for one in letters:
            self._lent.pop(one.tag, None)

    def close(self) -> None:
        """Give back what is lent; where that fails, the lease ends by itself. May be called twice."""
        self._closing.set()
        lent, self._lent = self._lent, {}
        with suppress(UnavailableError):
            self._broker.return_dead(list(lent.values()))


def _patiently(look: Callable[[], Sequence[_T]], wait: float, closing: threading.Event) -> Sequence[_T]:
    """Look until there is something, `wait` seconds are over, or it is closed."""
    if closing.is_set():
        raise UnavailableError(codes.STORE_UNAVAILABLE, "closed")
    deadline = time.monotonic() + wait
    while not (found := look()) and (left := deadline - time.monotonic()) > 0:
        if closing.wait(min(left, LOOK)):
            break
    return found


def _headers(replay_of: int | None, reason: str | None) -> Mapping[str, str]:
    return {} if replay_of is None else {"x-gw-replay-of": str(replay_of), "x-gw-replay-reason": reason or ""}


def _letter(row: Row) -> DeadLetter:
    return DeadLetter(tag=row[0], queue=row[1], event=EventId(row[2]), type=row[3], partition=Pseudonym(row[4]),
                      attempts=row[5], reason=row[6], since=instant(row[7]), at=instant(row[8]), replay_of=row[9],
                      body=row[10])  # fmt: skip
