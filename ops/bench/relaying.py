"""The relay against raw pika, in one run: from a full outbox to quorum queues, every event confirmed.

Both sides publish the same number of persistent, mandatory 2 KB messages through the same TLS connection settings, with
the same window, to the same partitions, in turn. Raw is what pika's own `basic_publish` can do with a message that is
ready in memory. The relay also reads every event out of the store and forgets it there; that it may be the faster one
all the same is because it puts its frames together itself (`gateway/broker/rabbitmq/frames.py`).
"""

from __future__ import annotations

import secrets
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pika
from pika.adapters.select_connection import SelectConnection

from gateway import config, wiring
from gateway.broker.rabbitmq import login, topology
from gateway.broker.rabbitmq.publisher import RabbitPublisher
from gateway.broker.relay import Relay
from gateway.broker.shielded import ShieldedPublisher
from gateway.config import Queue
from gateway.database import Session, Turn
from gateway.services import Services
from gateway.store.outbox import StoredOutbox
from gateway.store.place import Duty
from gateway.store.protections import StoredProtections
from gateway.trust import pki
from ops.bench.report import Report
from ops.dev.servers import lifecycle
from tests.services import Found

ROOT = Path(__file__).parents[2]
EVENTS, ROUNDS, BODY = 20_000, 5, 2_000
QUEUE = Queue(name="bench.relay", types=("bench",), purposes=("bench",))


def measure(report: Report) -> None:
    """Measure raw pika, and the relay on both stores; `ratio` is against raw."""
    with servers() as found, found.virtual_host([QUEUE]) as rabbitmq, found.database() as postgresql:
        for store, services in (
            ("sqlite", Services(rabbitmq=rabbitmq)),
            ("postgresql", Services(rabbitmq=rabbitmq, postgresql=postgresql)),
        ):
            with tempfile.TemporaryDirectory() as name:
                _compare(report, store, made(Path(name), services), found)


def _compare(report: Report, store: str, configuration: config.Configuration, found: Found) -> None:
    raw, relayed = [], []
    with _relay(configuration) as relay:
        for number in range(1 + ROUNDS):
            raw_rate = _raw(configuration)
            empty(found, configuration)
            _fill(configuration)
            relay_rate = _timed(lambda: _relayed(relay))
            empty(found, configuration)
            if number:  # the first finds nothing warm
                raw.append(raw_rate)
                relayed.append(relay_rate)
    ratio = statistics.median(ours / theirs for ours, theirs in zip(relayed, raw, strict=True))
    report.add(f"raw pika, pipelined ({store} run)", statistics.median(raw), "events/s", 1.0)
    report.add(f"relay from {store}", statistics.median(relayed), "events/s", ratio)


@contextmanager
def servers() -> Iterator[Found]:
    """Use the servers that run, if both do, else servers of our own."""
    found = Found.look()
    if set(lifecycle.running(found.folder)) == set(lifecycle.NAMES):
        yield found
        return
    folder = Path(tempfile.mkdtemp(prefix="gateway-bench-"))
    lifecycle.start(folder)
    try:
        yield Found(folder=folder)
    finally:
        lifecycle.stop(folder)


def made(data: Path, services: Services) -> config.Configuration:
    """Make keys and a new store, and return the delivered configuration with these services."""
    pki.make(data, now=datetime.now(UTC))
    delivered = config.load(ROOT / "config/gateway.toml", data=data)
    configuration = delivered.model_copy(update={"services": services})
    wiring.create_store(configuration, wiring.SystemClock())
    return configuration


def _fill(configuration: config.Configuration) -> None:
    """Put events of as many persons into the outbox, as the journal would."""
    body = secrets.token_bytes(BODY // 2).hex().encode()
    session: Session = wiring.place(configuration, Duty.FRONT).open()
    columns = "id, message, event, type, partition, queues, body"
    with session.writing(Turn.JOURNAL):
        for first in range(0, EVENTS, 1000):
            session.insert(
                "outbox",
                columns,
                [(n + 1, 1, f"{secrets.token_hex(16)}-{n}", "bench", f"{n:032x}", QUEUE.name, body)
                 for n in range(first, first + 1000)],
            )  # fmt: skip
    session.close()


@contextmanager
def _relay(configuration: config.Configuration) -> Iterator[Relay]:
    assert configuration.services.rabbitmq is not None  # noqa: S101  # set above
    place = wiring.place(configuration, Duty.RELAY)
    outbox = StoredOutbox(place, clock=wiring.SystemClock())
    protections = StoredProtections(place)
    publisher = RabbitPublisher(configuration.services.rabbitmq, [QUEUE], random=lambda: 0.5)
    shield = ShieldedPublisher(publisher, protections, {}, refresh=protections.refresh)
    try:
        yield Relay(outbox, shield, lease=lambda: True, random=lambda: 0.5)
    finally:
        shield.close()
        protections.close()
        outbox.close()


def _relayed(relay: Relay) -> None:
    settled = 0
    while settled < EVENTS:
        settled += relay.step().settled


def _timed(work: Callable[[], None]) -> float:
    begun = time.monotonic()
    work()
    return EVENTS / (time.monotonic() - begun)


def empty(found: Found, configuration: config.Configuration) -> None:
    """Throw away what is on the queue."""
    assert configuration.services.rabbitmq is not None  # noqa: S101  # set above
    for name in topology.partitions(QUEUE):
        found.management.call("DELETE", "queues", configuration.services.rabbitmq.virtual_host, name, "contents")


class _Raw:
    """The least that pipelines with confirms: one connection, one window, one counter."""

    def __init__(self, parameters: pika.ConnectionParameters, window: int) -> None:
        self._window = window
        self._keys = topology.routing_keys(QUEUE)
        self._body = secrets.token_bytes(BODY // 2).hex().encode()
        self._sent = 0
        self._unconfirmed: dict[int, None] = {}
        self.begun = self.ended = 0.0
        self.connection = SelectConnection(
            parameters,
            on_open_callback=self._opened,
            on_close_callback=lambda connection, _reason: connection.ioloop.stop(),
        )

    def _opened(self, connection: SelectConnection) -> None:
        connection.channel(on_open_callback=self._channel)

    def _channel(self, channel: pika.channel.Channel) -> None:
        self._open = channel
        channel.confirm_delivery(self._answered, callback=lambda _frame: self._begin())

    def _begin(self) -> None:
        self.begun = time.monotonic()
        self._publish()

    def _publish(self) -> None:
        while self._sent < EVENTS and len(self._unconfirmed) < self._window:
            properties = pika.BasicProperties(delivery_mode=2, message_id=str(self._sent))
            key = self._keys[self._sent % len(self._keys)]
            self._sent += 1
            self._unconfirmed[self._sent] = None
            self._open.basic_publish(topology.EXCHANGE, key, self._body, properties, mandatory=True)

    def _answered(self, frame: pika.frame.Method) -> None:
        tag, unconfirmed = frame.method.delivery_tag, self._unconfirmed
        if frame.method.multiple:
            while unconfirmed and (first := next(iter(unconfirmed))) <= tag:
                del unconfirmed[first]
        else:
            unconfirmed.pop(tag, None)
        if self._sent == EVENTS and not unconfirmed:
            self.ended = time.monotonic()
            self.connection.close()
        elif len(unconfirmed) <= self._window // 2:
            self._publish()


def _raw(configuration: config.Configuration) -> float:
    rabbitmq = configuration.services.rabbitmq
    assert rabbitmq is not None  # noqa: S101  # set above
    raw = _Raw(login.parameters(rabbitmq, rabbitmq.accounts.of("publisher"), "bench")[0], rabbitmq.window)
    thread = threading.Thread(target=raw.connection.ioloop.start)  # as ours: not the main thread
    thread.start()
    thread.join()
    return EVENTS / (raw.ended - raw.begun)
