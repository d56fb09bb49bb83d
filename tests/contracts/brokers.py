"""Brokers under test, each with the queues of `builders.QUEUES`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random

from gateway.broker.embedded import EmbeddedBroker
from gateway.broker.rabbitmq.connection import State
from gateway.broker.rabbitmq.consumer import RabbitConsumer
from gateway.broker.rabbitmq.dead_letters import RabbitDeadLetters
from gateway.broker.rabbitmq.publisher import RabbitPublisher
from gateway.message import Event
from gateway.ports import Consumer, DeadLetters, Delivery, Publication, Publisher
from gateway.services import RabbitMQ
from gateway.wiring import SystemClock
from tests import builders
from tests.memory import MemoryBroker

LEASE = timedelta(seconds=30)
LONG = 10.0
"""Seconds for an answer that must come."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A broker with the queues of `builders.QUEUES`, under test."""

    publisher: Publisher
    consumer: Callable[[str], Consumer]
    dead_letters: Callable[[], DeadLetters]
    patience: float = 0.0
    """Seconds after which what has not come is not there."""

    def publish(self, events: Sequence[Event]) -> list[Publication]:
        return list(self.publisher.submit(events).result(LONG))


def of(broker: MemoryBroker | EmbeddedBroker) -> Subject:
    return Subject(publisher=broker, consumer=broker.consumer, dead_letters=broker.dead_letters)


@contextmanager
def opened(kind: str, folder: Path, clock: builders.Clock) -> Iterator[Subject]:
    """Make a broker: `memory` or `embedded`."""
    if kind == "memory":
        yield of(MemoryBroker(builders.QUEUES, clock=clock, lease=LEASE))
        return
    embedded = EmbeddedBroker(builders.queues(folder), builders.QUEUES, clock=clock, lease=LEASE)
    yield of(embedded)
    embedded.close()


def given(consumer: Consumer, count: int) -> list[Delivery]:
    """Take so many, which must come."""
    found: list[Delivery] = []
    while len(found) < count and (more := consumer.take(limit=count - len(found), wait=LONG)):
        found += more
    assert len(found) == count, f"{len(found)} came, not {count}"
    return found


def lent(broker: Subject, consumer: Consumer, count: int) -> list[Delivery]:
    """Take so many, and find that there are no more now."""
    found = given(consumer, count)
    assert not consumer.take(limit=10, wait=broker.patience)
    return found


def names(deliveries: Sequence[Delivery]) -> list[str]:
    return [delivery.event for delivery in deliveries]


@contextmanager
def rabbitmq(settings: RabbitMQ) -> Iterator[Subject]:
    """A virtual host of a real RabbitMQ."""
    random = Random(1).random  # noqa: S311  # jitter
    with ExitStack() as closing:

        def kept(made):
            closing.callback(made.close)
            return made

        def consumer(name: str) -> Consumer:
            (queue,) = (one for one in builders.QUEUES if one.name == name)
            return kept(RabbitConsumer(settings, queue, name="test", random=random, clock=SystemClock()))

        ready = threading.Event()
        publisher = RabbitPublisher(
            settings,
            builders.QUEUES,
            random=random,
            told=lambda state, _: ready.set() if state is State.READY else None,
        )
        kept(publisher)
        assert ready.wait(LONG), "no connection"
        yield Subject(
            publisher=publisher,
            consumer=consumer,
            dead_letters=lambda: kept(RabbitDeadLetters(settings, builders.QUEUES, random=random, clock=SystemClock())),
            patience=0.5,
        )
