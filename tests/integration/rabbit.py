"""What the tests with a real RabbitMQ share: drivers with short deadlines, a patient wait, a look at the queues."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from gateway.broker.rabbitmq.connection import State
from gateway.broker.rabbitmq.consumer import RabbitConsumer
from gateway.broker.rabbitmq.dead_letters import RabbitDeadLetters
from gateway.broker.rabbitmq.depths import depths
from gateway.broker.rabbitmq.publisher import RabbitPublisher
from gateway.config import Queue
from gateway.ports import DeadLetter, Delivery
from gateway.services import RabbitMQ
from ops.dev.servers import rabbitmq
from tests.builders import QUEUES
from tests.services import Found

SOON = 20.0
"""Seconds within which anything that is to happen has happened, on a slow machine too."""


class Now:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def eventually(holds: Callable[[], object], within: float = SOON) -> None:
    """Look again and again until it holds."""
    until = time.monotonic() + within
    while not holds():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


@contextmanager
def set_to(broker: Found, **changed: int) -> Iterator[None]:
    """Give one's own broker other settings, for channels that are opened from now on; afterwards those it had."""

    def told(name: str, value: int) -> int:
        # 4.x reads some settings once, when it starts, and keeps them as persistent terms.
        change = f"application:set_env(rabbit, {name}, {value}), persistent_term:put({name}, {value})"
        ask = f"{{ok, Old}} = application:get_env(rabbit, {name}), {change}, Old."
        return int(rabbitmq.control(broker.disturbed(), broker.rabbitmq, "eval", ask))

    before = {name: told(name, value) for name, value in changed.items()}
    try:
        yield
    finally:
        for name, value in before.items():
            told(name, value)


def chance() -> Callable[[], float]:
    return random.Random(7).random  # noqa: S311  # jitter


@contextmanager
def publishing(
    settings: RabbitMQ, queues: Sequence[Queue] = QUEUES, *, wait: bool = True, **more
) -> Iterator[RabbitPublisher]:
    made = RabbitPublisher(settings, queues, random=chance(), **more)
    try:
        if wait:
            eventually(lambda: made.state is State.READY)
        yield made
    finally:
        made.close()


@contextmanager
def consuming(settings: RabbitMQ, queue: Queue = QUEUES[0], *, wait: bool = True, **more) -> Iterator[RabbitConsumer]:
    made = RabbitConsumer(settings, queue, random=chance(), clock=Now(), **more)
    try:
        if wait:
            eventually(lambda: made.state is State.READY)
        yield made
    finally:
        made.close()


@contextmanager
def collecting(settings: RabbitMQ, queues: Sequence[Queue] = QUEUES, **more) -> Iterator[RabbitDeadLetters]:
    made = RabbitDeadLetters(settings, queues, random=chance(), clock=Now(), **more)
    try:
        yield made
    finally:
        made.close()


def taken(consumer: RabbitConsumer, count: int, within: float = SOON) -> list[Delivery]:
    """Take exactly so many, however they come."""
    found: list[Delivery] = []
    until = time.monotonic() + within
    while len(found) < count:
        assert time.monotonic() < until, f"{len(found)} of {count} came"
        found += consumer.take(limit=count - len(found), wait=0.2)
    return found


def drained(consumer: RabbitConsumer, wanted: set[str], within: float = SOON) -> set[str]:
    """Take and acknowledge until all of these have come, and return what came."""
    seen: set[str] = set()
    until = time.monotonic() + within
    while not seen >= wanted:
        assert time.monotonic() < until, f"{len(wanted - seen)} of {len(wanted)} did not come"
        deliveries = consumer.take(limit=100, wait=0.2)
        seen |= {one.event for one in deliveries}
        consumer.ack(deliveries)
    return seen


def letters(source: RabbitDeadLetters, count: int, within: float = SOON) -> list[DeadLetter]:
    found: list[DeadLetter] = []
    until = time.monotonic() + within
    while len(found) < count:
        assert time.monotonic() < until, f"{len(found)} of {count} came"
        found += source.take(limit=count - len(found), wait=0.2)
    return found


def ready(settings: RabbitMQ, queues: Sequence[Queue] = QUEUES) -> dict[str, int]:
    """How many events are on each queue and nobody's, asked over AMQP: exact at this moment."""
    asked = settings.model_copy(update={"management": None})
    return {depth.queue: depth.ready for depth in depths(asked, queues)}
