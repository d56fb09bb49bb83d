"""One thread owns one connection at a time, and nothing else touches it. `Link` is that thread.

pika's objects are not safe between threads: a shared one corrupts its write buffer. So:

* The thread runs one `ioloop`; connection, channel and timers are used in its callbacks only, which is asserted.
* Others hand over work: a bounded deque, and one wake-up that drains it, never one callback for each message.
* A `Duty` (publishing, lending) is told when a connection is there, when it is lost, and when the broker stops reading.
  It builds its channel anew each time and says `ready`. Whatever goes wrong with a channel or a deadline, it says
  `rebuild`: there is one way to mend things, a new connection.
* Connecting again never happens inside an error callback, where pika's state is stale: a timer does it, with a new
  connection object, hosts in an order of chance, after a pause (`backoff`).
* `stop` has a deadline. A broker in an alarm does not read our Close, and one behind a black hole answers nothing; then
  the connection is abandoned. The broker gives back what was lent, and what was not confirmed is UNKNOWN.

From 1.5 pika has a thread-safe `Connection` with a thread of its own; it can take the place of this module, because no
duty sees more than a channel.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from functools import partial
from typing import Generic, Protocol, TypeVar

import pika
from pika.adapters.select_connection import IOLoop
from pika.channel import Channel
from pika.exceptions import ConnectionOpenAborted

from gateway import logs
from gateway.broker import backoff
from gateway.broker.rabbitmq import login
from gateway.errors import IntegrityError
from gateway.logs import Happened
from gateway.services import Login, RabbitMQ

STEADY = 5.0
"""Seconds that a connection must have worked before its end counts as a first failure again."""
BACKLOG = 10_000
"""Pieces of work that may wait for the thread: beyond it the caller is told at once."""
_PRECONDITION_FAILED = 406
_NAMED = {"delivery acknowledgement": "ack_timeout", "message size": "message_size"}
_LAST = 0.5
"""Seconds that an abandoned connection has to let go of its socket, and a stopped thread to end."""


class State(StrEnum):
    """How a link stands."""

    CONNECTING = "connecting"
    READY = "ready"
    BLOCKED = "blocked"
    """The broker has an alarm (memory, disk) and does not read."""
    STOPPED = "stopped"


class Duty(Protocol):
    """What a link is for. All calls come in the link's thread."""

    def build(self, channel: Channel) -> None:
        """Declare and subscribe on a new channel, then call `Link.ready`."""
        ...

    def lost(self) -> None:
        """The channel is no more: what was on its way is unknown, what was lent comes again."""
        ...

    def hold(self, *, held: bool) -> None:
        """The broker has stopped reading (memory, disk), or reads again."""
        ...

    def finish(self) -> bool:
        """Asked when the link stops, and again a little later: True once there is nothing left to wait for."""
        ...


_Duty = TypeVar("_Duty", bound=Duty)


class Link(Generic[_Duty]):
    """A connection that is rebuilt until it is stopped, and its `duty`."""

    def __init__(  # noqa: PLR0913  # settings, each by its name
        self,
        settings: RabbitMQ,
        account: Login,
        duty: Callable[[Link[_Duty]], _Duty],
        *,
        name: str,
        random: Callable[[], float],
        told: Callable[[State, str], None] = lambda _state, _why: None,
    ) -> None:
        """Begin at once, in a thread of its own. Raises ConfigError when the account's files do not fit.

        Args:
            settings: `services.toml`; `stop` takes at most its `close_timeout`, short of `_LAST`.
            account: As whom.
            duty: Makes the duty of this link.
            name: What operators see on the broker; its first word is what our own log calls it.
            random: 0 up to 1: order of hosts and jitter.
            told: Told every change of state and why, in the link's thread; must not block.
        """
        self.name = name.split(" ", maxsplit=1)[0]
        self._hosts = login.parameters(settings, settings.accounts.of(account), name)
        self._random = random
        self._close_timeout = settings.close_timeout.total_seconds()
        self._setup_timeout = self._hosts[0].stack_timeout or 0.0
        self._told = told
        self._lock = threading.Lock()
        self._work: deque[Callable[[], None]] = deque()
        self._woken = False
        self._stopping = False
        self.state = State.CONNECTING
        self._loop = IOLoop()
        self._connection: pika.SelectConnection | None = None
        self._round: list[pika.ConnectionParameters] = []
        self._failures = 0
        self._timers: dict[str, object] = {}
        self.duty = duty(self)
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def hand_over(self, work: Callable[[], None]) -> bool:
        """Have `work` done in the link's thread, soon. From any thread. False: it stopped, or too much is waiting."""
        with self._lock:
            if self._stopping or len(self._work) >= BACKLOG:
                return False
            self._put(work)
        return True

    def stop(self) -> None:
        """Let the duty finish, close and end; after `close_timeout` the connection is abandoned. Never hangs."""
        with self._lock:
            if not self._stopping:
                self._stopping = True
                self._put(self._stop)
        if threading.current_thread() is not self._thread:
            self._thread.join(self._close_timeout + 2 * _LAST)

    def _put(self, work: Callable[[], None]) -> None:
        self._work.append(work)
        if not self._woken:
            self._woken = True
            self._loop.add_callback_threadsafe(self._drain)

    # From here on everything happens in the link's thread.

    def own(self) -> None:
        """Raise IntegrityError in any thread but the link's."""
        if threading.current_thread() is not self._thread:
            raise IntegrityError(f"{self.name}: a connection was touched outside its thread")

    def later(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        """Call after so many seconds unless the timer of that name is set again, or the connection is lost."""
        self.own()
        self.never(name)
        self._timers[name] = self._loop.call_later(seconds, call)

    def never(self, name: str) -> None:
        """Forget a timer."""
        timer = self._timers.pop(name, None)
        if timer is not None:
            self._loop.remove_timeout(timer)

    def ready(self) -> None:
        """Say that the duty's channel is set up."""
        self.own()
        self._round = []
        self.never("setup")
        self.later("steady", STEADY, self._steady)
        self._tell(State.READY)

    def rebuild(self, why: str) -> None:
        """Give the connection up and make a new one. `why` is one word."""
        self.own()
        connection, self._connection = self._connection, None
        if connection is None:
            return
        abandon(connection)
        self._lost(why)

    def _run(self) -> None:
        self._connect()
        while True:
            try:
                self._loop.start()
            except Exception as error:  # noqa: BLE001  # whatever a callback raises, the thread goes on with a new loop
                logs.fault(error)
                self._renew()
            else:
                break
        with self._lock:
            self._stopping = True
        self.duty.lost()
        self._drain()
        self._loop.close()
        self._tell(State.STOPPED)

    def _renew(self) -> None:
        """Start over after a fault: the loop may have been left in the middle of anything."""
        connection, self._connection = self._connection, None
        old = self._loop
        if connection is not None:
            abandon(connection)
            with suppress(Exception):
                old.call_later(0, old.stop)
                old.start()
        with self._lock:
            self._loop = IOLoop()
            self._woken = bool(self._work)
        self._timers.clear()
        old.close()
        self._loop.add_callback_threadsafe(self._drain)
        self._lost("fault")

    def _drain(self) -> None:
        self.own()
        with self._lock:
            self._woken = False
            waiting = len(self._work)
        for _ in range(waiting):
            self._work.popleft()()  # taken out first: what raises is not done again

    def _connect(self) -> None:
        if self._stopping:
            return
        if not self._round:
            self._round = sorted(self._hosts, key=lambda _host: self._random())
        self._connection = pika.SelectConnection(
            self._round.pop(),
            on_open_callback=self._opened,
            on_open_error_callback=self._closed,
            on_close_callback=self._closed,
            custom_ioloop=self._loop,
        )

    def _current(self, connection: object) -> bool:
        """Say whether a callback is about the connection there is, not one that was given up."""
        return connection is self._connection

    def _opened(self, connection: pika.SelectConnection) -> None:
        if not self._current(connection):
            return
        connection.add_on_connection_blocked_callback(lambda one, _frame: self._blocked(one))
        connection.add_on_connection_unblocked_callback(lambda one, _frame: self._unblocked(one))
        if self._stopping:
            self._close()
            return
        self.later("setup", self._setup_timeout, lambda: self.rebuild("setup"))
        connection.channel(on_open_callback=self._channel)

    def _channel(self, channel: Channel) -> None:
        channel.add_on_close_callback(self._channel_closed)
        self.duty.build(channel)

    def _channel_closed(self, channel: Channel, reason: BaseException) -> None:
        if self._current(channel.connection) and not self._stopping:
            # Not now: pika is in the middle of closing it.
            self._loop.call_later(0, partial(self._replace, channel.connection, word(reason)))

    def _replace(self, connection: object, why: str) -> None:
        if self._current(connection):
            self.rebuild(why)

    def _blocked(self, connection: object) -> None:
        if self._current(connection):
            self.duty.hold(held=True)
            self._tell(State.BLOCKED)

    def _unblocked(self, connection: object) -> None:
        if self._current(connection):
            self.duty.hold(held=False)
            self._tell(State.READY)

    def _closed(self, connection: object, reason: BaseException) -> None:
        if not self._current(connection):
            return
        self._connection = None
        self._lost(word(reason))

    def _lost(self, why: str) -> None:
        for name in list(self._timers):
            self.never(name)
        self.duty.lost()
        if self._stopping:
            self._loop.stop()
            return
        self._failures += 1
        self._tell(State.CONNECTING, why)
        others = bool(self._round)  # hosts that were not asked yet: soon
        self._loop.call_later(backoff.pause(1 if others else self._failures, self._random), self._connect)

    def _steady(self) -> None:
        self._failures = 0

    def _tell(self, state: State, why: str = "") -> None:
        if state is self.state and state is not State.CONNECTING:
            return
        self.state = state
        match state:
            case State.CONNECTING:
                logs.tell(Happened.BROKER_LOST, link=self.name, why=why)
            case State.READY:
                logs.tell(Happened.BROKER_READY, link=self.name)
            case State.BLOCKED:
                logs.tell(Happened.BROKER_BLOCKED, link=self.name)
            case State.STOPPED:
                pass
        self._told(state, why)

    def _stop(self) -> None:
        if self._connection is None:
            self._loop.stop()
            return
        self._loop.call_later(self._close_timeout, self._give_up)
        self._finish()

    def _finish(self) -> None:
        if self._connection is None:
            return
        if self.duty.finish():
            self._close()
        else:
            self._loop.call_later(0.01, self._finish)

    def _close(self) -> None:
        with suppress(pika.exceptions.AMQPError):
            if self._connection is not None and not self._connection.is_closing:
                self._connection.close()

    def _give_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            abandon(connection)
        self._loop.call_later(_LAST / 5, self._loop.stop)


def abandon(connection: pika.SelectConnection) -> None:
    """Let go of the socket without a word to the broker.

    pika has no public way: `close` waits for an answer that will not come.
    """
    with suppress(Exception):
        connection._terminate_stream(ConnectionOpenAborted("given up"))  # noqa: SLF001


def word(reason: BaseException) -> str:
    """Return what ended a connection: its class and the broker's code, never its text, which may name anything.

    The broker's 406 means many things, and only its text tells which. Two have a word of their own, because people must
    act: `ack_timeout`, a consumer held a delivery longer than the broker's `consumer_timeout`; `message_size`, the
    broker's `max_message_size` is lower than `ports.EVENT_LIMIT`.
    """
    code = getattr(reason, "reply_code", None)
    if code == _PRECONDITION_FAILED:
        text = str(getattr(reason, "reply_text", ""))
        for begins, named in _NAMED.items():
            if begins in text:
                return named
    return f"{type(reason).__name__}{'' if code is None else f'.{code}'}"
