"""A look at the broker over AMQP: log in, ask whether things are there, and leave.

A passive declare needs no permission beyond the virtual host, and tells how many events are ready and how many
consumers there are. One that fails closes its channel; so each thing gets a channel of its own, all at once, under one
deadline.
This runs in the caller's thread, which is then the one that owns the connection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import pika
from pika.adapters.select_connection import IOLoop
from pika.channel import Channel

from gateway.broker.rabbitmq.connection import abandon, word

WITHIN = 15.0
"""Seconds for everything, at one host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What a passive declare tells of a queue."""

    ready: int
    consumers: int


@dataclass(slots=True, kw_only=True)
class Seen:
    """What was found."""

    failed: str | None = None
    """Why nobody could log in or look, as a class; None if everything was looked at."""
    exchanges: dict[str, str | None] = field(default_factory=dict)
    """None: it is there. Else why not."""
    queues: dict[str, Count | str] = field(default_factory=dict)
    """A count: it is there. Else why not."""


def look(
    hosts: Sequence[pika.ConnectionParameters], *, exchanges: Sequence[str] = (), queues: Sequence[str] = ()
) -> Seen:
    """Look at the first host that answers."""
    seen = Seen(failed="nobody was asked")
    for host in hosts:
        seen = _Look(host, exchanges, queues).run()
        if seen.failed is None:
            break
    return seen


class _Look:
    """One connection."""

    def __init__(self, host: pika.ConnectionParameters, exchanges: Sequence[str], queues: Sequence[str]) -> None:
        self._loop = IOLoop()
        self._seen = Seen()
        self._exchanges, self._queues = exchanges, queues
        self._left = len(exchanges) + len(queues)
        self._connection = pika.SelectConnection(
            host,
            on_open_callback=self._opened,
            on_open_error_callback=self._ended,
            on_close_callback=self._ended,
            custom_ioloop=self._loop,
        )

    def run(self) -> Seen:
        self._loop.call_later(WITHIN, self._late)
        self._loop.start()
        self._loop.close()
        return self._seen

    def _opened(self, connection: pika.SelectConnection) -> None:
        if not self._left:
            connection.close()
        for name in self._exchanges:
            connection.channel(on_open_callback=partial(self._ask, name, self._exchange))
        for name in self._queues:
            connection.channel(on_open_callback=partial(self._ask, name, self._queue))

    def _ask(self, name: str, ask: Callable[[str, Channel], None], channel: Channel) -> None:
        channel.add_on_close_callback(partial(self._answered, name))
        ask(name, channel)

    def _exchange(self, name: str, channel: Channel) -> None:
        self._seen.exchanges[name] = "unanswered"

        def there(_frame: object) -> None:
            self._seen.exchanges[name] = None
            channel.close()

        channel.exchange_declare(name, passive=True, callback=there)

    def _queue(self, name: str, channel: Channel) -> None:
        self._seen.queues[name] = "unanswered"

        def there(frame: pika.frame.Method) -> None:
            self._seen.queues[name] = Count(ready=frame.method.message_count, consumers=frame.method.consumer_count)
            channel.close()

        channel.queue_declare(name, passive=True, callback=there)

    def _answered(self, name: str, _channel: Channel, reason: BaseException) -> None:
        if self._seen.queues.get(name) == "unanswered":
            self._seen.queues[name] = word(reason)
        if self._seen.exchanges.get(name) == "unanswered":
            self._seen.exchanges[name] = word(reason)
        self._left -= 1
        if not self._left and self._connection.is_open:
            self._connection.close()

    def _ended(self, _connection: object, reason: BaseException) -> None:
        if self._left or not isinstance(reason, pika.exceptions.ConnectionClosedByClient):
            self._seen.failed = self._seen.failed or word(reason)
        self._loop.stop()

    def _late(self) -> None:
        self._seen.failed = "no answer in time"
        abandon(self._connection)
        with suppress(Exception):
            self._loop.call_later(0.1, self._loop.stop)
