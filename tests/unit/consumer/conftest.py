"""A queue with real CloudEvents on it, over the broker in memory and the embedded one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest

from gateway import logs
from gateway.broker.embedded import EmbeddedBroker
from gateway.consumer import Inbox
from gateway.message import Event
from gateway.ports import Publication
from tests import builders
from tests.memory import MemoryBroker
from tests.unit.consumer.letters import PURPOSE, QUEUE

LEASE = timedelta(seconds=60)


@dataclass
class Scene:
    broker: MemoryBroker | EmbeddedBroker
    clock: builders.Clock
    pauses: list[float]

    def publish(self, *events: Event) -> None:
        answers = self.broker.submit(list(events)).result(10)
        assert set(answers) <= {Publication.CONFIRMED}

    def inbox(self, *, purpose: str = PURPOSE, **more) -> Inbox:
        return Inbox(
            self.broker.consumer(QUEUE.name),
            QUEUE,
            purpose=purpose,
            clock=self.clock,
            sleep=self.pauses.append,
            **more,
        )

    def dead(self) -> list[tuple[str, str, int]]:
        """Return every dead letter: event, reason, attempts."""
        return [(one.event, one.reason, one.attempts) for one in self.broker.dead_letters().take(limit=100)]

    def left(self) -> list[str]:
        """Return what a consumer that comes after a long while would be lent."""
        self.clock.pass_(2 * LEASE)
        return [one.event for one in self.broker.consumer(QUEUE.name).take(limit=100)]


@pytest.fixture(params=["memory", "embedded"])
def scene(request, tmp_path):
    clock = builders.Clock()
    if request.param == "memory":
        yield Scene(MemoryBroker([QUEUE], clock=clock, lease=LEASE), clock, [])
        return
    broker = EmbeddedBroker(builders.queues(tmp_path), [QUEUE], clock=clock, lease=LEASE)
    yield Scene(broker, clock, [])
    broker.close()


@pytest.fixture(autouse=True)
def told():
    """Every log line, strictly."""
    with logs.captured() as stream:
        yield stream
