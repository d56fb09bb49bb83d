"""One thread owns one connection at a time, and nothing else touches it. `Link` is that thread.

pika's objects are not safe between threads: a shared one corrupts its write buffer. So:

* The thread runs one `ioloop`; connection, channel and timers are used in its callbacks only, which is asserted.
* Others hand over work: a bounded deque, and one wake-up that drains it, never one callback for each message.
* A `Duty` (publishing, lending) is told when a connection is there, when it is lost, and when the broker stops reading.
  It builds its channel anew each time and says `ready`. Whatever goes wrong with a channel or a deadline, it says
  `rebuild`: there is one way to mend things, a new connection.
* Connecting again never happens inside an error callback, where pika's state is stale: a timer does it, with a new
  connection object, hosts in an order of chance, after a pause that doubles and has jitter in it.
* `stop` has a deadline. A broker in an alarm does not read our Close, and one behind a black hole answers nothing; then
  the connection is abandoned. The broker gives back what was lent, and what was not confirmed is UNKNOWN.

From 1.5 pika has a thread-safe `Connection` with a thread of its own; it can take the place of this module, because no
duty sees more than a channel.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from functools import partial
from typing import Protocol

import pika
from pika.adapters.select_connection import IOLoop
from pika.channel import Channel
from pika.exceptions import ConnectionOpenAborted

from gateway import logs
from gateway.errors import IntegrityError
from gateway.logs import Happened

FIRST, LONGEST = 0.1, 30.0
"""Seconds to wait after the first failure, and at most. Half of it is fixed, half of it chance."""
STEADY = 5.0
"""Seconds that a connection must have worked before its end counts as a first failure again."""
BACKLOG = 10_000
"""Pieces of work that may wait for the thread: beyond it the caller is told at once."""
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


class Link:
    """A connection that is rebuilt until it is stopped."""

    def __init__(
        self,
        hosts: Sequence[pika.ConnectionParameters],
        duty: Callable[[Link], Duty],
        *,
        random: Callable[[], float],
        close_timeout: float,
        told: Callable[[State, str], None] = lambda _state, _why: None,
    ) -> None:
        """Begin at once, in a thread of its own.

        Args:
            hosts: From `login.parameters`.
            duty: Makes the duty of this link.
            random: 0 up to 1: order of hosts and jitter.
            close_timeout: Seconds that `stop` may take in all, short of `_LAST`.
            told: Told every change of state and why, in the link's thread; must not block.
        """
        # The first word: what follows it is for those who watch the broker, and is no name.
        self.name = str((hosts[0].client_properties or {}).get("connection_name", "gateway")).split(" ")[0]
        self._hosts = hosts
        self._random = random
        self._close_timeout = close_timeout
        self._setup_timeout = hosts[0].stack_timeout or 0.0
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
        self._duty = duty(self)
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
        self._duty.lost()
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
        self._duty.build(channel)

    def _channel_closed(self, channel: Channel, reason: BaseException) -> None:
        if self._current(channel.connection) and not self._stopping:
            # Not now: pika is in the middle of closing it.
            self._loop.call_later(0, partial(self._replace, channel.connection, word(reason)))

    def _replace(self, connection: object, why: str) -> None:
        if self._current(connection):
            self.rebuild(why)

    def _blocked(self, connection: object) -> None:
        if self._current(connection):
            self._duty.hold(held=True)
            self._tell(State.BLOCKED)

    def _unblocked(self, connection: object) -> None:
        if self._current(connection):
            self._duty.hold(held=False)
            self._tell(State.READY)

    def _closed(self, connection: object, reason: BaseException) -> None:
        if not self._current(connection):
            return
        self._connection = None
        self._lost(word(reason))

    def _lost(self, why: str) -> None:
        for name in list(self._timers):
            self.never(name)
        self._duty.lost()
        if self._stopping:
            self._loop.stop()
            return
        self._failures += 1
        self._tell(State.CONNECTING, why)
        self._loop.call_later(self._pause(), self._connect)

    def _pause(self) -> float:
        doubled = FIRST if self._round else FIRST * 2.0 ** min(self._failures - 1, 20)
        return min(LONGEST, doubled) * (0.5 + self._random() / 2)

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
        if self._duty.finish():
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
    """Return the class of what ended a connection; the text may name anything."""
    code = getattr(reason, "reply_code", None)
    return f"{type(reason).__name__}{'' if code is None else f'.{code}'}"
