"""What is in hand of some queues, on one channel: the duty of consumers and of the dead letters' source.

The broker gives up to `prefetch` deliveries for each queue; they wait in an `Order` until somebody takes them, and the
broker is given their acknowledgements when what was made of them is durable. Callers and the link's thread meet under
one lock, for moments.

* A delivery's tag here is our own number, never used twice: the broker's begin anew with each channel. When the channel
  is lost everything in hand is given up at once, and acknowledgements of it answer False.
* The broker may end a subscription by itself (queue gone, leader moved, 4.3: time out). The channel would live on and
  nothing would ever come; so the connection is built anew.
* An acknowledgement that covers the oldest deliveries goes as one (`multiple`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice

import pika
from pika.channel import Channel
from pika.spec import Basic

from gateway.broker.rabbitmq.connection import Link
from gateway.broker.rabbitmq.order import Order
from gateway.errors import ConfigError, GatewayError

GATHER = 0.001
"""Seconds that whoever waits in `take` is left waiting for company: waking for each delivery costs more than it."""
_NOT_FOUND = 404


class Held:
    """One delivery in hand."""

    __slots__ = ("attempt", "body", "line", "number", "properties", "queue", "tag")

    def __init__(self, queue: str, number: int, properties: pika.BasicProperties, body: bytes) -> None:
        """`queue` is the broker's name of it, `number` the broker's tag."""
        self.queue = queue
        self.number = number
        self.properties = properties
        self.body = body
        # Absent on the first delivery; counts what came back, by a lost connection too.
        came_back = (properties.headers or {}).get("x-delivery-count")
        self.attempt = came_back + 1 if isinstance(came_back, int) else 1
        self.line = ""
        self.tag = 0
        """Ours, once it is lent."""


class Lending:
    """Deliveries in hand. `build`, `lost`, `hold`, `finish` are the link's; the rest is called from any thread."""

    def __init__(
        self,
        link: Link[Lending],
        *,
        queues: Sequence[str],
        prefetch: int,
        line: Callable[[Held], str],
        alarm: Callable[[GatewayError], None],
    ) -> None:
        """Subscribe to `queues`, by the broker's names.

        Args:
            link: Whose duty this is.
            queues: All must be there, or nothing is lent and `alarm` is told.
            prefetch: Most deliveries in hand, over all queues; at least one of each.
            line: Which deliveries are lent one at a time.
            alarm: Told what only an operator can mend.
        """
        self._link = link
        self._queues = queues
        self._each = max(1, prefetch // len(queues))
        self._line = line
        self._alarm = alarm
        self._changed = threading.Condition()
        self._channel: Channel | None = None
        self._order: Order[Held] = Order(self._each * len(queues))
        self._lent: dict[int, Held] = {}
        self._unsettled: dict[int, None] = {}
        """The broker's tags, oldest first."""
        self._tag = 0
        self._telling = False
        self._closed = False

    def take(self, limit: int, wait: float) -> list[Held]:
        """Lend up to `limit`; wait so many seconds for the first."""
        with self._changed:
            if not self._order.ready and wait > 0:
                self._changed.wait_for(lambda: self._order.ready or self._closed, wait)
            lent = []
            for line, held in self._order.lend(limit):
                self._tag += 1
                held.tag, held.line = self._tag, line
                self._lent[self._tag] = held
                lent.append(held)
            return lent

    def ack(self, tags: Sequence[int]) -> list[bool]:
        """Acknowledge what is lent; False for each that is lent no more."""
        with self._changed:
            known = {tag: held for tag in tags if (held := self._lent.get(tag)) is not None}
            if known and not self._settle([held.number for held in known.values()]):
                known = {}
            for tag, held in known.items():
                del self._lent[tag]
                self._order.done(held.line)
            if known and self._order.ready:
                self._changed.notify_all()
            return [tag in known and known.pop(tag) is not None for tag in tags]

    def lent(self, tag: int) -> Held | None:
        """Return what is lent under this tag; None if it is lent no more."""
        with self._changed:
            return self._lent.get(tag)

    def again(self, tag: int) -> bool:
        """Take back what was lent, to be lent again, once more tried. False if it is lent no more."""
        with self._changed:
            held = self._lent.pop(tag, None)
            if held is None:
                return False
            held.attempt += 1
            self._order.again(held.line)
            self._changed.notify_all()
            return True

    def end(self) -> None:
        """Lend nothing more: who waits in `take` comes back."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _settle(self, numbers: list[int]) -> bool:
        channel = self._channel
        if channel is None:
            return False
        whole = len(numbers) > 1 and set(islice(self._unsettled, len(numbers))) == set(numbers)
        if not self._link.hand_over(partial(self._acknowledge, channel, numbers, whole=whole)):
            return False
        for number in numbers:
            del self._unsettled[number]
        return True

    # From here on in the link's thread.

    def _acknowledge(self, on: Channel, numbers: Sequence[int], *, whole: bool) -> None:
        self._link.own()
        channel = self._channel
        if channel is None or channel is not on or not channel.is_open:
            return  # lost in between: the broker gives them again
        if whole:
            channel.basic_ack(max(numbers), multiple=True)
            return
        for number in numbers:
            channel.basic_ack(number)

    def build(self, channel: Channel) -> None:
        """Look whether the queues are there, and subscribe to each."""
        with self._changed:
            self._channel = channel
        channel.add_on_cancel_callback(lambda _frame: self._link.rebuild("cancelled"))
        channel.add_on_close_callback(self._refused)
        for queue in self._queues:
            channel.queue_declare(queue, passive=True, callback=lambda _frame: None)
        # For each consumer, not for the channel: 4.3 denies the latter.
        channel.basic_qos(prefetch_count=self._each, callback=lambda _frame: None)
        for queue in self._queues:
            last = queue == self._queues[-1]
            channel.basic_consume(
                queue,
                partial(self._came, queue),
                auto_ack=False,
                callback=(lambda _frame: self._link.ready()) if last else None,
            )

    def _refused(self, _channel: Channel, reason: BaseException) -> None:
        if getattr(reason, "reply_code", None) == _NOT_FOUND:
            missing = f"one of {self._queues[0]} … {self._queues[-1]}" if len(self._queues) > 1 else self._queues[0]
            self._alarm(ConfigError(f"the broker does not have {missing}: see gateway broker check"))

    def _came(
        self, queue: str, channel: Channel, method: Basic.Deliver, properties: pika.BasicProperties, body: bytes
    ) -> None:
        with self._changed:
            if channel is not self._channel:
                return
            held = Held(queue, method.delivery_tag, properties, body)
            self._unsettled[held.number] = None
            self._order.add(self._line(held), held)
        if not self._telling:
            self._telling = True
            self._link.later("gather", GATHER, self._tell)

    def _tell(self) -> None:
        self._telling = False
        with self._changed:
            self._changed.notify_all()

    def hold(self, *, held: bool) -> None:
        """Nothing is published here: an alarm stops no acknowledgement."""

    def lost(self) -> None:
        """Give everything in hand up."""
        self._telling = False
        with self._changed:
            self._channel = None
            self._order.clear()
            self._lent.clear()
            self._unsettled.clear()

    def finish(self) -> bool:
        """What was acknowledged has been handed over before: there is nothing to wait for."""
        return True
