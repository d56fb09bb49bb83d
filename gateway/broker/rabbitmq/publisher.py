"""`ports.Publisher` on RabbitMQ: pipelined publisher confirms, with a window.

1. `submit` says which publishes an event needs: one for each of its queues, to the person's partition. An event that
   names a queue which the configuration does not have is RETURNED, one above `ports.EVENT_LIMIT` TOO_LARGE; neither is
   sent. A broker whose own limit is lower (`max_message_size`) says so when it is broken, and closes the channel: then
   that limit holds on the next connection, and what was lost with the channel is sent once more.
2. In the link's thread publishes go out in order while fewer than `window` wait for their confirm. The rest stays in
   its own submit's list: no other buffer grows, and the caller, who waits for the answer, is the back-pressure.
3. Each publish is confirmed (ack, often many at once), nacked (a full queue: `reject-publish`) or, mandatory and
   without a queue, returned. Return has no tag but comes before its ack: it is found by message id and routing key.
4. An event's answer is the worst of its publishes: UNKNOWN, REFUSED, RETURNED, CONFIRMED. Only when every one of its
   queues has it, the outbox may forget it; after any other answer all of them get it again, under the same id.

No connection, a broker in an alarm, a lost connection, a confirm that does not come within `CONFIRM`: UNKNOWN, at once.
Nothing is kept here for a better day: the outbox does that.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import islice
from typing import Literal

import pika
from pika.channel import Channel
from pika.frame import Method
from pika.spec import Basic

from gateway.broker.rabbitmq import outside, topology
from gateway.broker.rabbitmq.connection import Link, State
from gateway.broker.rabbitmq.frames import Publishes
from gateway.config import Queue
from gateway.errors import ConfigError, GatewayError
from gateway.message import Event
from gateway.ports import EVENT_LIMIT, Publication
from gateway.services import RabbitMQ

CONFIRM = 30.0
"""Seconds within which the broker must confirm; then the connection is given up. A quorum needs milliseconds."""
_TICKS = 6
"""How often in that time it is looked whether the oldest is overdue: it is noticed a sixth late at most."""
_EXCHANGES = {"publisher": topology.EXCHANGE, "asker": topology.COMMANDS}
_UNKNOWN, _TOO_LARGE, _REFUSED, _RETURNED, _CONFIRMED = range(5)
_ANSWERS = (
    Publication.UNKNOWN,
    Publication.TOO_LARGE,
    Publication.REFUSED,
    Publication.RETURNED,
    Publication.CONFIRMED,
)
"""From the worst to the best."""
_LIMIT = re.compile(r"message size \d+ is larger than configured max size (\d{1,18})")
"""How RabbitMQ tells its `max_message_size`, in bytes of the body; it tells it in no other way."""


class Parcel:
    """One publish on its way."""

    __slots__ = ("batch", "body", "index", "key", "properties", "returned")

    def __init__(self, batch: Batch, index: int, key: str, properties: pika.BasicProperties, body: bytes) -> None:
        """`index` is the event's place in the batch."""
        self.batch = batch
        self.index = index
        self.key = key
        self.properties = properties
        self.body = body
        self.returned = False


class Batch:
    """One submit: its answers, and how many of its publishes are still without one."""

    __slots__ = ("future", "left", "worst")

    def __init__(self, events: int) -> None:
        """Every event is CONFIRMED until something worse is known."""
        self.future: Future[Sequence[Publication]] = Future()
        self.future.set_running_or_notify_cancel()  # a caller that cancels would leave nobody to tell
        self.worst = [_CONFIRMED] * events
        self.left = 0

    def settle(self, index: int, answer: int) -> None:
        """One of the event's publishes has its answer."""
        self.worst[index] = min(self.worst[index], answer)
        self.left -= 1
        if not self.left:
            self.done()

    def done(self) -> None:
        """Every publish has its answer."""
        self.future.set_result([_ANSWERS[worst] for worst in self.worst])


class Window:
    """The duty: publishes that wait, and those that wait for their confirm. Belongs to the link's thread."""

    def __init__(
        self,
        link: Link[Window],
        *,
        exchange: str,
        size: int,
        confirm: float,
        alarm: Callable[[GatewayError], None] = lambda _error: None,
    ) -> None:
        """Publish to `exchange`, at most `size` unconfirmed, each for at most `confirm` seconds; `alarm` as below."""
        self.limit = EVENT_LIMIT
        """Bytes that the broker takes, as far as is known. Read in any thread."""
        self._link = link
        self._alarm = alarm
        self._learned: int | None = None
        """The limit that the lost channel told of."""
        self._exchange = exchange
        self._size = size
        self._tick = confirm / _TICKS
        self._channel: Channel | None = None
        self._publishes: Publishes | None = None
        self._held = False
        self._waiting: deque[Parcel] = deque()
        self._unconfirmed: dict[int, Parcel] = {}
        self._tag = 0
        self._marks: deque[int] = deque(maxlen=_TICKS)
        """The last tag at each of the latest ticks."""

    def put(self, parcels: Sequence[Parcel]) -> None:
        """Send these when there is room; UNKNOWN at once where there is no broker that reads."""
        if self._channel is None or not self._channel.is_open or self._held:
            self._forget(parcels)
            return
        self._waiting.extend(parcels)
        self._fill()

    def _fill(self) -> None:
        self._link.own()
        channel, publishes, waiting, unconfirmed = self._channel, self._publishes, self._waiting, self._unconfirmed
        if channel is None or publishes is None or not channel.is_open or self._held:
            return  # closed by the broker a moment ago: `lost` comes next
        for _ in range(min(len(waiting), self._size - len(unconfirmed))):
            parcel = waiting.popleft()
            self._tag += 1
            unconfirmed[self._tag] = parcel
            publishes.add(parcel.key, parcel.properties, parcel.body)
        publishes.write()

    # What the link tells.

    def build(self, channel: Channel) -> None:
        """Ask for confirms, and look whether the exchange is there."""
        # Kept for one connection: a broker that was mended takes more on the one after it.
        self.limit, self._learned = EVENT_LIMIT if self._learned is None else self._learned, None
        channel.add_on_return_callback(self._returned)
        channel.add_on_close_callback(self._closed)
        channel.exchange_declare(
            self._exchange,
            passive=True,
            callback=lambda _frame: channel.confirm_delivery(self._answered, partial(self._built, channel)),
        )

    def _closed(self, _channel: Channel, reason: BaseException) -> None:
        told = _LIMIT.search(str(getattr(reason, "reply_text", "")))
        if told:
            self._learned = min(EVENT_LIMIT, int(told[1]))
            self._alarm(ConfigError(f"rabbitmq.conf: max_message_size: {told[1]}, and events have up to {EVENT_LIMIT}"))

    def _built(self, channel: Channel, _frame: object) -> None:
        self._channel = channel
        self._publishes = Publishes(channel, self._exchange)
        self._tag = 0
        self._marks.clear()
        self._link.later("confirm", self._tick, self._look)
        self._link.ready()

    def hold(self, *, held: bool) -> None:
        """What is under way may still be confirmed; what was not written yet is not buffered for it."""
        self._held = held
        if held:
            self._forget(self._waiting)
            self._waiting.clear()

    def lost(self) -> None:
        """What was not confirmed is UNKNOWN, whether it was written or not."""
        self._channel = self._publishes = None
        self._held = False
        unknown = [*self._unconfirmed.values(), *self._waiting]
        self._unconfirmed.clear()
        self._waiting.clear()
        self._forget(unknown)

    def finish(self) -> bool:
        """Nothing is waited for any more."""
        return self._channel is None or not (self._waiting or self._unconfirmed)

    def _forget(self, parcels: Sequence[Parcel] | deque[Parcel]) -> None:
        for parcel in parcels:
            parcel.batch.settle(parcel.index, _UNKNOWN)

    # What the broker says.

    def _answered(self, frame: Method[Basic.Ack | Basic.Nack]) -> None:
        method = frame.method
        answer = _CONFIRMED if isinstance(method, Basic.Ack) else _REFUSED
        tag, unconfirmed = method.delivery_tag, self._unconfirmed
        if not method.multiple:
            parcels = [unconfirmed.pop(tag, None)]
        elif tag:
            tags = [one for one in islice(unconfirmed, tag - next(iter(unconfirmed), tag) + 1) if one <= tag]
            parcels = [unconfirmed.pop(one) for one in tags]
        else:  # AMQP: all there are
            parcels = list(unconfirmed.values())
            unconfirmed.clear()
        for parcel in parcels:
            if parcel is not None:
                parcel.batch.settle(parcel.index, _RETURNED if parcel.returned and answer else answer)
        if self._waiting and len(unconfirmed) <= self._size // 2:
            self._fill()

    def _returned(
        self, _channel: Channel, method: Basic.Return, properties: pika.BasicProperties, _body: bytes
    ) -> None:
        for parcel in self._unconfirmed.values():
            same = parcel.key == method.routing_key and parcel.properties.message_id == properties.message_id
            if same and not parcel.returned:
                parcel.returned = True
                return

    def _look(self) -> None:
        """Give the connection up if the oldest publish was there a whole `confirm` ago."""
        oldest = next(iter(self._unconfirmed), None)
        if oldest is not None and len(self._marks) == _TICKS and oldest <= self._marks[0]:
            self._link.rebuild("confirm")
            return
        self._marks.append(self._tag)
        self._link.later("confirm", self._tick, self._look)


class RabbitPublisher:
    """Connects at once and goes on trying until it is closed. `submit` may be called from any thread."""

    def __init__(  # noqa: PLR0913  # settings, each by its name
        self,
        settings: RabbitMQ,
        queues: Sequence[Queue],
        *,
        random: Callable[[], float],
        account: Literal["publisher", "asker"] = "publisher",
        alarm: Callable[[GatewayError], None] = lambda _error: None,
        told: Callable[[State, str], None] = lambda _state, _why: None,
        now: Callable[[], float] = time.time,
        confirm: float = CONFIRM,
    ) -> None:
        """Raises ConfigError when the account's files do not fit.

        Args:
            settings: `services.toml`.
            queues: As configured.
            random: 0 up to 1.
            account: As whom: the asker's way leads to the queue of commands only.
            alarm: Told that the broker's own limit is lower than ours.
            told: Told every change of the connection's state, and why.
            now: Seconds since 1970, to say when an event was put on its queue.
            confirm: Seconds within which the broker must confirm.
        """
        self._keys: Mapping[str, tuple[str, ...]] = {queue.name: topology.routing_keys(queue) for queue in queues}
        self._now = now

        def window(link: Link[Window]) -> Window:
            return Window(link, exchange=_EXCHANGES[account], size=settings.window, confirm=confirm, alarm=alarm)

        self._link = Link(settings, account, window, name=f"gw-{account}", random=random, told=told)
        self._window = self._link.duty

    @property
    def state(self) -> State:
        """How the connection stands."""
        return self._link.state

    def submit(self, events: Sequence[Event]) -> Future[Sequence[Publication]]:
        """Put each event on all its queues (`ports.Publisher`)."""
        batch = Batch(len(events))
        parcels: list[Parcel] = []
        seconds = int(self._now())
        for index, event in enumerate(events):
            keys = self._addressed(event)
            if len(event.body) > self._window.limit:
                batch.worst[index] = _TOO_LARGE
            elif not keys:
                batch.worst[index] = _RETURNED
            else:
                properties = outside.of(event, seconds)
                parcels += [Parcel(batch, index, key, properties, event.body) for key in keys]
        batch.left = len(parcels)
        if not parcels:
            batch.done()
        elif not self._link.hand_over(partial(self._window.put, parcels)):
            for parcel in parcels:
                batch.settle(parcel.index, _UNKNOWN)
        return batch.future

    def close(self) -> None:
        """Wait a little for what is on its way; what is then unconfirmed is UNKNOWN."""
        self._link.stop()

    def _addressed(self, event: Event) -> list[str]:
        """Return the event's routing keys; none if one of its queues is not configured."""
        keys = []
        for name in event.queues:
            of_queue = self._keys.get(name)
            if of_queue is None:
                return []
            keys.append(of_queue[topology.partition_of(event.partition, len(of_queue))])
        return keys
