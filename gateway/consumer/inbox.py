"""A queue as its consumer sees it: events one after the other, and one policy for what fails.

**Purpose.** Whoever connects says what for, and the queue must serve that purpose (`config/queues.toml`). Each event is
asked too: its own labels must allow the purpose and, where they lock it to benefits, those that the queue is for. It
was routed by the same rules; an event that breaks them is never shown to the consumer: a dead letter, with an alarm.

**Failure.** When handling an event raises:

1. `PoisonError`: a dead letter at once.
2. Anything else: the event waits here for 1, 2, 4 … at most 30 seconds, still lent, and is then given back for another
   attempt. The person's later events wait behind it; other persons' go on.
3. Beyond the queue's `delivery_limit`: a dead letter.

What operators see is the exception's class, never its text, which may quote the event. The consumer's own `failed` gets
the exception itself.

A consumer whose own database is away would in two minutes make dead letters of everything. So `events` asks `ready`
before it takes anything: while that says no, nothing is taken and no attempt is used.

Nothing here is threaded: an inbox belongs to one thread. A second one on the same queue shares the work on the embedded
broker, and on RabbitMQ stands by to take over: there each partition has one active consumer, for the sake of order.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from gateway import logs
from gateway.config import Configuration, Queue
from gateway.consumer import incoming
from gateway.consumer.incoming import Incoming, PoisonError
from gateway.consumer.seen import Connection
from gateway.errors import ConfigError, GatewayError, UnavailableError
from gateway.logs import Happened
from gateway.ports import Clock, Consumer, Delivery

BATCH = 20
"""Most events taken at once: few enough that the last one's lease (embedded: 60 s) outlives the others' handling."""
LOOK = 1.0
"""Seconds between two looks at `stop` while nothing comes."""
PATIENCE = 10.0
"""Seconds within which a broker must be reached when a consumer connects; afterwards it is waited for."""
LONGEST = 30.0
"""Seconds that a failed event waits at most."""
_MARGIN = timedelta(seconds=5)
"""A failed event is given back so long before its lease ends at the latest: an ended lease would hide the reason."""


def never() -> bool:
    """Say no: the default of `stop`."""
    return False


def always() -> bool:
    """Say yes: the default of `ready`."""
    return True


def backoff(failures: int) -> float:
    """Return how many seconds to wait after so many failures: 1, 2, 4, 8, 16, then 30."""
    return float(min(2 ** min(failures - 1, 10), LONGEST))


class _SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """A failed event that waits for its next attempt."""

    delivery: Delivery
    reason: str
    until: datetime


def connect(
    configuration: Configuration,
    *,
    queue: str,
    purpose: str,
    name: str | None = None,
    failed: Callable[[Incoming, Exception], None] | None = None,
) -> Inbox:
    """Connect to a queue of this installation, on RabbitMQ or embedded as `data/services.toml` says.

    Args:
        configuration: As `gateway.config.load` gives it.
        queue: Its name in `config/queues.toml`.
        purpose: What the events will be used for: one of the queue's purposes.
        name: The system's name, as the broker's operators see it; default host and process.
        failed: Told each failure, with the exception; for the consumer's own log.

    Raises:
        ConfigError: no such queue, or it does not serve the purpose; the accepted ones are named.
        UnavailableError: the broker is away.
    """
    declared = {one.name: one for one in configuration.queues}
    if queue not in declared:
        raise ConfigError(f"queue {queue}: is not one of {', '.join(declared)}")
    check_purpose(declared[queue], purpose)
    from gateway import wiring  # noqa: PLC0415  # the drivers: only whoever connects needs them

    troubles: deque[GatewayError] = deque()
    broker = wiring.Broker(configuration, clock=_SystemClock(), alarm=troubles.append)
    known_as = f"{name or f'{os.uname().nodename}:{os.getpid()}'}:{purpose}"
    try:
        port = broker.consumer(declared[queue], name=known_as, wait=PATIENCE)
    except UnavailableError as error:
        broker.close()
        raise (troubles[0] if troubles else error) from None
    except BaseException:
        broker.close()
        raise
    return Inbox(port, declared[queue], purpose=purpose, failed=failed, closing=broker.close, troubles=troubles)


def check_purpose(queue: Queue, purpose: str) -> None:
    """Raise ConfigError, which names the accepted ones, unless the queue serves the purpose (SFB 114 kap. 8 §)."""
    if purpose not in queue.purposes:
        raise ConfigError(f"queue {queue.name}: does not serve {purpose}; accepted: {', '.join(queue.purposes)}")


class Inbox:
    """One queue, for one purpose, in one thread. Close it, or use it in a `with`: what is lent goes back."""

    def __init__(  # noqa: PLR0913  # settings, each by its name
        self,
        port: Consumer,
        queue: Queue,
        *,
        purpose: str,
        clock: Clock | None = None,
        sleep: Callable[[float], None] = time.sleep,
        failed: Callable[[Incoming, Exception], None] | None = None,
        closing: Callable[[], None] | None = None,
        troubles: deque[GatewayError] | None = None,
    ) -> None:
        """`connect` makes one; by hand: over any `ports.Consumer` of `queue`. Raises ConfigError for the purpose.

        `clock` tells when failed events may go back, `sleep` waits where no event can, `closing` is called last.
        What the driver's threads put in `troubles` only an operator can mend: `events` raises it.
        """
        check_purpose(queue, purpose)
        self.queue = queue
        self.purpose = purpose
        self._port = port
        self._clock = clock or _SystemClock()
        self._sleep = sleep
        self._told = failed
        self._closing = closing
        self._troubles = deque() if troubles is None else troubles
        self._waiting: list[_Waiting] = []
        self._hand: deque[Delivery] = deque()
        """Taken, and not shown to the consumer yet."""
        self._handed: Incoming | None = None
        """Shown, and not handled yet."""

    def __enter__(self) -> Self:
        """Return the inbox."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Give back what is lent, and disconnect. May be called twice."""
        self._waiting.clear()
        self._hand.clear()
        self._handed = None
        try:
            self._port.close()
        finally:
            closing, self._closing = self._closing, None
            if closing is not None:
                closing()

    def events(
        self,
        *,
        stop: Callable[[], bool] = never,
        ready: Callable[[], bool] = always,
        idle: float | None = None,
    ) -> Iterator[Incoming]:
        """Give the queue's events; each must be taken through its `handling` before the next is asked for.

        Args:
            stop: Asked between events and about every second; true ends it.
            ready: Asked before anything is taken; false waits, longer and longer, up to 30 seconds.
            idle: End when nothing has come for so many seconds; None: wait for ever.

        Raises:
            UnavailableError: the broker is away. The same call may be made again.
            ConfigError: the broker does not have the queue, or another trouble that an operator must mend; or wrong
                use, an event that did not go through its `handling`.
        """
        if self._handed is not None:  # its turn was broken off: its turn again
            self._hand.appendleft(self._handed.delivery)
            self._handed = None
        left, refused = idle, 0
        while not stop():
            if self._troubles:
                raise self._troubles.popleft()
            self._return_due()
            if not self._hand and not ready():
                refused += 1
                self._pause(backoff(refused), stop)
                continue
            refused = 0
            if not self._hand:
                wait = self._patience(left)
                self._hand.extend(self._port.take(limit=BATCH, wait=wait))
                if self._hand or left is None:
                    left = idle
                elif (left := left - wait) <= 0:
                    return
            yield from self._in_hand(stop)

    def _in_hand(self, stop: Callable[[], bool]) -> Iterator[Incoming]:
        while self._hand and not stop():
            self._return_due()  # a batch may take longer than a failed event's time
            event = self._opened(self._hand.popleft())
            if event is not None:
                self._handed = event
                yield event
                if self._handed is not None:
                    raise ConfigError("an event was asked for before the last one went through its `handling`")

    def run(
        self,
        handle: Callable[[Incoming], None],
        *,
        database: Connection | None = None,
        stop: Callable[[], bool] = never,
        ready: Callable[[], bool] = always,
    ) -> None:
        """Handle events until `stop`; with a database each once. `Incoming.handling` and `events` say the rest.

        A broker that goes away is waited for, longer and longer, up to 30 seconds.
        """
        failures = 0
        while not stop():
            try:
                for event in self.events(stop=stop, ready=ready):
                    with event.handling(database) as new:
                        if new:
                            handle(event)
                    failures = 0
            except UnavailableError as error:
                failures += 1
                logs.tell(Happened.INBOX_WAITS, queue=self.queue.name, code=error.code.name, attempt=failures)
                self._pause(backoff(failures), stop)

    def handled(self, event: Incoming) -> None:
        """Acknowledge an event (`Incoming.handling` does). Raises UnavailableError: then it comes again.

        Where the loan had ended it comes again too, and the log says so: handling took longer than the lease.
        """
        self._take_back(event)
        if not all(self._port.ack([event.delivery])):
            logs.tell(Happened.EVENT_LATE, queue=self.queue.name, reference=_reference(event.delivery))

    def failed(self, event: Incoming, error: Exception) -> None:
        """Let an attempt fail (`Incoming.handling` does), as this module's own text says."""
        self._take_back(event)
        reason = type(error).__name__
        final = isinstance(error, PoisonError) or event.attempt > self.queue.delivery_limit
        logs.tell(
            Happened.EVENT_FAILED,
            queue=self.queue.name,
            reference=_reference(event.delivery),
            error=reason,
            attempt=event.attempt,
            final=final,
        )
        if final:
            self._port.reject(event.delivery, reason=reason, again=False)
        else:
            until = self._clock.now() + timedelta(seconds=backoff(event.attempt))
            ends = event.delivery.lease_ends
            until = until if ends is None else min(until, ends - _MARGIN)
            self._waiting.append(_Waiting(delivery=event.delivery, reason=reason, until=until))
        if self._told is not None:
            self._told(event, error)

    def _take_back(self, event: Incoming) -> None:
        if self._handed is not event:
            raise ConfigError("an event is handled once, while it is its turn")
        self._handed = None

    def _opened(self, delivery: Delivery) -> Incoming | None:
        """Return the event; None for what the consumer may not see, and for a loan that ended while it waited here."""
        if delivery.lease_ends is not None and delivery.lease_ends <= self._clock.now():
            return None
        try:
            event = incoming.parse(delivery, self)
        except PoisonError:
            self._bury(delivery, "unreadable")
            return None
        if event.type not in self.queue.types:
            self._bury(delivery, "type")
            return None
        if self.purpose not in event.labels.purposes:
            self._bury(delivery, "purpose")
            return None
        if not self.queue.may_serve(frozenset(self.queue.purposes), event.labels.benefits):
            self._bury(delivery, "benefits")
            return None
        return event

    def _bury(self, delivery: Delivery, reason: str) -> None:
        logs.tell(Happened.EVENT_BURIED, queue=self.queue.name, reference=_reference(delivery), reason=reason)
        self._port.reject(delivery, reason=reason, again=False)

    def _return_due(self) -> None:
        now = self._clock.now()
        due = [one for one in self._waiting if one.until <= now]
        self._waiting = [one for one in self._waiting if one.until > now]
        for one in due:
            self._port.reject(one.delivery, reason=one.reason, again=True)

    def _patience(self, left: float | None) -> float:
        """Return how many seconds to wait for an event: not beyond the next failed event's time."""
        now = self._clock.now()
        times = [(one.until - now).total_seconds() for one in self._waiting]
        return max(0.0, min([LOOK, *times, *([] if left is None else [left])]))

    def _pause(self, seconds: float, stop: Callable[[], bool]) -> None:
        while seconds > 0 and not stop():
            self._sleep(min(seconds, LOOK))
            seconds -= LOOK


def _reference(delivery: Delivery) -> str:
    """Return what an event shares with its message in the logs."""
    return delivery.event.partition("-")[0]
