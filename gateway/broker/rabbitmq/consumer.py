"""`ports.Consumer` on RabbitMQ: one queue of the configuration, over all its partitions.

* `take` lends each person's events one at a time and in order (`order.py`). The loan lasts as long as the connection;
  give an answer in good time all the same: after 30 minutes (`consumer_timeout`) the broker closes the channel and
  gives everything in hand again, one attempt further. The time runs from when the broker sent an event, not from when
  it was taken, so up to `prefetch` events must be done within it: aim at 15 minutes for them all. Slower work wants a
  smaller `prefetch`, or belongs in the consumer's own database. The log says `ack_timeout`.
* `reject` keeps the event in hand and lends it again, in its old place, one attempt further. It is not requeued: with
  a single active consumer nobody else could have it, and the broker would put it behind its followers.
* Past the queue's delivery limit, or not `again`, it is buried: published to `gw.dlx` with the reason in a header, over
  a second connection (an alarm blocks connections that publish, and must not stop acknowledgements), and acknowledged
  once that is confirmed. Dying in between leaves both, letter and event. What cannot be buried stays in hand.
* The broker's own delivery limit is for consumers that die: it counts lost connections. What it gives up goes to
  `gw.dlx` too.

`attempt` counts what came back because a connection was lost, lent or not (RabbitMQ counts so), and what was rejected
here since.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial

import pika

from gateway.broker.rabbitmq import outside, topology
from gateway.broker.rabbitmq.connection import Link, State
from gateway.broker.rabbitmq.lending import Held, Lending
from gateway.broker.rabbitmq.publisher import Batch, Parcel, Window
from gateway.config import Queue
from gateway.errors import GatewayError
from gateway.message import EventId
from gateway.ports import Clock, Delivery, Publication
from gateway.services import RabbitMQ

BURY = 10.0
"""Seconds within which a dead letter must be confirmed; else the event stays in hand."""


class RabbitConsumer:
    """Connects at once and goes on trying until it is closed. May be used from any thread."""

    def __init__(  # noqa: PLR0913  # settings, each by its name
        self,
        settings: RabbitMQ,
        queue: Queue,
        *,
        random: Callable[[], float],
        clock: Clock,
        name: str = "",
        alarm: Callable[[GatewayError], None] = lambda _error: None,
        told: Callable[[State, str], None] = lambda _state, _why: None,
        bury: float = BURY,
    ) -> None:
        """Raises ConfigError when the account's files do not fit.

        Args:
            settings: `services.toml`.
            queue: As configured.
            random: 0 up to 1.
            clock: Says when an event died.
            name: Who it is and for which purpose, for those who watch the broker's connections.
            alarm: Told what only an operator can mend.
            told: Told every change of the connection's state, and why.
            bury: Seconds within which a dead letter must be confirmed.
        """
        self._settings = settings
        self._queue = queue
        self._random = random
        self._clock = clock
        self._bury = bury

        def lending(link: Link[Lending]) -> Lending:
            queues = topology.partitions(queue)
            return Lending(link, queues=queues, prefetch=settings.prefetch, line=_person, alarm=alarm)

        shown = f"gw-consumer.{queue.name} {name}".strip()
        self._link = Link(settings, "consumer", lending, name=shown, random=random, told=told)
        self._lending = self._link.duty
        self._grave: _Grave | None = None
        self._digging = threading.Lock()

    @property
    def state(self) -> State:
        """How the connection stands."""
        return self._link.state

    def take(self, *, limit: int, wait: float = 0.0) -> Sequence[Delivery]:
        """Lend up to `limit` events, oldest first (`ports.Consumer`). Nothing while there is no connection."""
        return [self._delivery(held) for held in self._lending.take(limit, wait)]

    def ack(self, deliveries: Sequence[Delivery]) -> Sequence[bool]:
        """Forget events on this queue (`ports.Consumer`)."""
        return self._lending.ack([delivery.tag for delivery in deliveries])

    def reject(self, delivery: Delivery, *, reason: str, again: bool = True) -> bool:
        """Lend it again, or bury it (`ports.Consumer`)."""
        held = self._lending.lent(delivery.tag)
        if held is None:
            return False
        if again and held.attempt <= self._queue.delivery_limit:
            return self._lending.again(delivery.tag)
        if self._buried(held, reason):
            return self._lending.ack([delivery.tag])[0]
        return self._lending.again(delivery.tag)

    def close(self) -> None:
        """Give back what is lent."""
        self._lending.end()
        self._link.stop()
        with self._digging:
            if self._grave is not None:
                self._grave.link.stop()

    def _delivery(self, held: Held) -> Delivery:
        headers = held.properties.headers or {}
        return Delivery(
            queue=self._queue.name,
            tag=held.tag,
            event=EventId(str(headers.get(outside.ID) or held.properties.message_id or "")),
            body=held.body,
            attempt=held.attempt,
            lease_ends=None,
            headers={
                name: str(headers[name]) for name in (outside.REPLAY_OF, outside.REPLAY_REASON) if name in headers
            },
        )

    def _buried(self, held: Held, reason: str) -> bool:
        with self._digging:
            if self._grave is None:
                self._grave = _Grave(self._settings, self._queue, random=self._random, confirm=self._bury)
        return self._grave.bury(held, reason, self._clock.now().isoformat(), self._bury)


def _person(held: Held) -> str:
    """Return whose event it is; one that does not say is nobody's, and waits for none."""
    subject = (held.properties.headers or {}).get(outside.SUBJECT)
    return str(subject) if subject else f"{held.queue}#{held.number}"


class _Grave:
    """The second connection, made when the first event is buried."""

    def __init__(self, settings: RabbitMQ, queue: Queue, *, random: Callable[[], float], confirm: float) -> None:
        """Publish to `gw.dlx` as the consumer's account."""
        self._ready = threading.Event()

        def window(link: Link[Window]) -> Window:
            return Window(link, exchange=topology.DEAD_EXCHANGE, size=settings.window, confirm=confirm)

        name = f"gw-consumer.{queue.name}.dead"
        self.link = Link(settings, "consumer", window, name=name, random=random, told=self._told)
        self._window = self.link.duty

    def _told(self, state: State, _why: str) -> None:
        if state is State.CONNECTING:
            self._ready.clear()
        else:
            self._ready.set()

    def bury(self, held: Held, reason: str, at: str, wait: float) -> bool:
        """Publish the event as a dead letter; False if that was not confirmed within `wait` seconds, twice at most."""
        if not self._ready.wait(wait):
            return False
        batch = Batch(1)
        batch.left = 1
        before = held.properties
        headers = {
            **(before.headers or {}),
            outside.REASON: reason,
            outside.QUEUE: topology.logical(held.queue),
            outside.ATTEMPTS: str(held.attempt),
            outside.DIED_AT: at,
        }
        properties = pika.BasicProperties(
            content_type=before.content_type,
            headers=headers,
            delivery_mode=2,
            message_id=before.message_id,
            timestamp=before.timestamp,
        )
        parcel = Parcel(batch, 0, held.queue.removeprefix(topology.PREFIX), properties, held.body)
        if not self.link.hand_over(partial(self._window.put, [parcel])):
            return False
        try:
            return batch.future.result(wait) == [Publication.CONFIRMED]
        except TimeoutError:
            return False
