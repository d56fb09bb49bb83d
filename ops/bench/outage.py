"""`make bench-outage`: the broker was away for an hour at 100 events a second. What does a new event wait for then?

On each store, with real servers, and messages accepted at a steady rate in a process of their own:

1. With a short outbox: what accepting takes, and how long an event needs from its commit to CONFIRMED. How fast a short
   outbox drains, in the same run.
2. The backlog is committed through the journal. Fill time, size.
3. It drains, strictly the oldest first; then again, with new events beside it. How fast, and 1 again meanwhile.

Half of the events that come meanwhile are of persons of whom nothing is in the outbox, half of persons who may well be
in the backlog, and must then wait for it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import secrets
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path

from gateway import config, wiring
from gateway.broker.rabbitmq.publisher import RabbitPublisher
from gateway.broker.relay import Relay
from gateway.message import Accepted, Event, EventId, Pseudonym, Ready
from gateway.ports import Publication, Publisher
from gateway.services import Services
from gateway.store.journal import StoredJournal
from gateway.store.outbox import StoredOutbox
from gateway.store.place import DATABASE, Duty
from gateway.store.protections import StoredProtections
from ops.bench import relaying
from ops.bench.relaying import QUEUE
from ops.bench.report import Report
from tests import builders
from tests.services import Found

ROOT = Path(__file__).parents[2]
EVENTS, RATE = 360_000, 100
SHORT, CALM = 20_000, 30.0
"""Events of a short outbox; seconds of accepting with nothing in the way."""
A_MESSAGE, UNDER_WAY = 200, 16
"""Events in a message of the backlog, and such messages in the journal at once."""
BODY, EVIDENCE = 2_000, 6_000
"""Bytes of an event, and of a message that comes meanwhile."""
_NEW = "new"


@dataclass(slots=True)
class Timed:
    """A publisher that writes down when new events were CONFIRMED, and counts the others."""

    publisher: Publisher
    new: dict[str, float] = field(default_factory=dict)
    others: int = 0

    def submit(self, events: Sequence[Event]) -> Future[Sequence[Publication]]:
        """Publish (`ports.Publisher`)."""
        future = self.publisher.submit(events)
        future.add_done_callback(lambda done: self._answered(events, done.result()))
        return future

    def _answered(self, events: Sequence[Event], answers: Sequence[Publication]) -> None:
        now = time.monotonic()
        for event, answer in zip(events, answers, strict=True):
            if answer is Publication.CONFIRMED:
                if event.id.startswith(_NEW):
                    self.new[event.id] = now
                else:
                    self.others += 1

    def close(self) -> None:
        """Close the publisher."""
        self.publisher.close()


@dataclass(frozen=True, slots=True)
class Come:
    """A message that was accepted meanwhile: its one event, and when it was due, and committed."""

    event: str
    due: float
    committed: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="ops.bench.outage", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=EVENTS, help="in the backlog")
    parser.add_argument("--rate", type=int, default=RATE, help="messages a second meanwhile, of an event each")
    parser.add_argument("--store", choices=["sqlite", "postgresql"], action="append", help="only this one")
    asked = parser.parse_args()
    report = Report()
    with relaying.servers() as found:
        for store in asked.store or ["sqlite", "postgresql"]:
            with found.virtual_host([QUEUE]) as rabbitmq, found.database() as postgresql:
                services = Services(rabbitmq=rabbitmq, postgresql=postgresql if store == "postgresql" else None)
                with tempfile.TemporaryDirectory() as name:
                    configuration = relaying.made(Path(name), services)
                    measure(report, store, configuration, found, asked.events, asked.rate)
            report.write(ROOT / "build/bench-outage.json")
            report.show()


def measure(  # noqa: PLR0913, PLR0917  # what the command says
    report: Report, store: str, configuration: config.Configuration, found: Found, events: int, rate: int
) -> None:
    """Measure one store; `ratio` is against the short outbox of the same run."""
    persons = [secrets.token_hex(16) for _ in range(max(1, events // 2))]
    calm = _calm(configuration, persons, rate)
    accepts = _waits(report, f"{store}, short outbox", *calm)
    _fill(configuration, persons, SHORT)
    short, _, _ = _drained(configuration, persons, SHORT, rate=0, overtaking=True)
    report.add(f"{store}, short outbox: drains", short, "events/s", 1.0)
    for overtaking, name in ((False, "oldest first"), (True, "new beside it")):
        relaying.empty(found, configuration)
        begun = time.monotonic()
        _fill(configuration, persons, events)
        report.add(f"{store}, {name}: backlog committed in", time.monotonic() - begun, "s")
        for what, size in _sizes(configuration).items():
            report.add(f"{store}, {name}: {what}", size / 1e6, "MB")
        drain, come, timed = _drained(configuration, persons, events, rate=rate, overtaking=overtaking)
        report.add(f"{store}, {name}: drains", drain, "events/s", drain / short)
        _waits(report, f"{store}, {name}", come, timed, base=accepts)
    relaying.empty(found, configuration)


def _waits(report: Report, name: str, come: Sequence[Come], timed: Timed, *, base: float | None = None) -> float:
    """Report how long new events needed to be CONFIRMED, and messages to be accepted; return p99 of that, in ms."""
    for kind, said in (("other", "new event"), ("known", "known person's")):
        waits = sorted(timed.new[one.event] - one.committed for one in come if one.event.startswith(f"{_NEW}-{kind}"))
        report.add(f"{name}: {said}, median", statistics.median(waits) * 1e3, "ms")
        report.add(f"{name}: {said}, p99", _share(waits, 0.99) * 1e3, "ms")
        report.add(f"{name}: {said}, max", waits[-1] * 1e3, "ms")
    accepts = sorted(one.committed - one.due for one in come)
    accept = _share(accepts, 0.99) * 1e3
    report.add(f"{name}: accepting, median", statistics.median(accepts) * 1e3, "ms")
    report.add(f"{name}: accepting, p99", accept, "ms", accept / base if base else 1.0)
    report.add(f"{name}: accepting, max", accepts[-1] * 1e3, "ms")
    return accept


def _share(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _calm(configuration: config.Configuration, persons: Sequence[str], rate: int) -> tuple[list[Come], Timed]:
    """Accept for a while with nothing in the way, and relay."""
    with _relaying(configuration, overtaking=True) as (relay, timed):
        relay.start()
        with _accepting(configuration, persons, rate) as stop:
            time.sleep(CALM)
            come = stop()
        _until(lambda: all(one.event in timed.new for one in come))
    return come, timed


def _drained(
    configuration: config.Configuration, persons: Sequence[str], events: int, *, rate: int, overtaking: bool
) -> tuple[float, list[Come], Timed]:
    """Drain the backlog while messages are accepted; return events a second."""
    with _relaying(configuration, overtaking=overtaking) as (relay, timed):
        begun = time.monotonic()
        relay.start()
        with _accepting(configuration, persons, rate) as stop:
            _until(lambda: timed.others >= events)
            drain = (timed.others + len(timed.new)) / (time.monotonic() - begun)
            come = stop()
        _until(lambda: all(one.event in timed.new for one in come))
    return drain, come, timed


@contextmanager
def _relaying(configuration: config.Configuration, *, overtaking: bool) -> Iterator[tuple[Relay, Timed]]:
    assert configuration.services.rabbitmq is not None  # noqa: S101  # set above
    outbox = StoredOutbox(wiring.place(configuration, Duty.RELAY), clock=wiring.SystemClock())
    timed = Timed(RabbitPublisher(configuration.services.rabbitmq, [QUEUE], random=lambda: 0.5))
    relay = Relay(outbox, timed, lease=lambda: True, random=lambda: 0.5, overtaking=overtaking)
    try:
        yield relay, timed
    finally:
        relay.stop()
        timed.close()
        outbox.close()


def _until(holds: Callable[[], bool]) -> None:
    while not holds():
        time.sleep(0.01)


def _sizes(configuration: config.Configuration) -> dict[str, int]:
    if configuration.services.postgresql is None:
        folder = configuration.gateway.store.path
        return {"gateway.db, with its WAL": sum(one.stat().st_size for one in folder.glob(f"{DATABASE}*"))}
    session = wiring.place(configuration, Duty.OWNER).open()
    try:
        return {
            "outbox": session.execute("SELECT pg_total_relation_size('outbox')").fetchone()[0],
            "outbox, index by person": session.execute("SELECT pg_relation_size('ix_outbox_partition')").fetchone()[0],
        }
    finally:
        session.close()


@contextmanager
def _journal(configuration: config.Configuration) -> Iterator[StoredJournal]:
    where = wiring.place(configuration, Duty.FRONT)
    protections = StoredProtections(where)
    journal = StoredJournal(where, clock=wiring.SystemClock(), learned=protections.refresh, gather=timedelta(0))
    try:
        yield journal
    finally:
        journal.close()
        protections.close()


def _fill(configuration: config.Configuration, persons: Sequence[str], events: int) -> None:
    """Commit so many events of these persons, drawn at random, through the journal."""
    body = secrets.token_bytes(BODY // 2).hex().encode()
    under_way: list[Future[Accepted]] = []
    with _journal(configuration) as journal:
        for first in range(0, events, A_MESSAGE):
            made = tuple(
                _event(f"old-{secrets.token_hex(8)}-{n}", random.choice(persons), body)  # noqa: S311  # no secret
                for n in range(first, min(first + A_MESSAGE, events))
            )
            under_way.append(journal.accept(_message(made)))
            if len(under_way) == UNDER_WAY:
                under_way.pop(0).result()
        for future in under_way:
            future.result()


def _message(events: tuple[Event, ...]) -> Ready:
    ready = builders.ready(f"urn:uuid:{secrets.token_hex(16)}", evidence=secrets.token_bytes(EVIDENCE))
    return replace(ready, events=events)


def _event(name: str, person: str, body: bytes) -> Event:
    return Event(id=EventId(name), type="bench", partition=Pseudonym(person), queues=(QUEUE.name,), body=body)


@contextmanager
def _accepting(
    configuration: config.Configuration, persons: Sequence[str], rate: int
) -> Iterator[Callable[[], list[Come]]]:
    """Accept messages in another process until the function that this yields is called; it returns them."""
    if not rate:
        yield list
        return
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_accept, args=(configuration, list(persons), rate, theirs))
    process.start()
    theirs.close()
    ours.recv()  # it accepts

    def stop() -> list[Come]:
        ours.send(None)
        come: list[Come] = ours.recv()
        return come

    try:
        yield stop
    finally:
        ours.close()
        process.join()


def _accept(configuration: config.Configuration, persons: list[str], rate: int, told: Connection) -> None:
    """Accept at a steady rate: a message is due at its time, whether the one before is committed or not."""
    body = secrets.token_bytes(BODY // 2).hex().encode()
    come: list[Come] = []
    lock = threading.Lock()

    def committed(name: str, due: float, future: Future[Accepted]) -> None:
        future.result()
        with lock:
            come.append(Come(name, due, time.monotonic()))

    with _journal(configuration) as journal:
        told.send(None)
        begun, number = time.monotonic(), 0
        while not told.poll(max(0.0, begun + number / rate - time.monotonic())):
            due = begun + number / rate
            known = number % 2
            person = random.choice(persons) if known else secrets.token_hex(16)  # noqa: S311  # no secret
            name = f"{_NEW}-{'known' if known else 'other'}-{secrets.token_hex(8)}"
            future = journal.accept(_message((_event(name, person, body),)))
            future.add_done_callback(lambda done, name=name, due=due: committed(name, due, done))  # type: ignore[misc]
            number += 1
    told.send(come)


if __name__ == "__main__":
    main()
