"""From the outbox to the broker: at least once, under the same event id, and one person's events in commit order.

A step:

1. Be the one relay, by lease.
2. Read the oldest unconfirmed events.
3. Publish in waves, each with at most one event of a person. The broker may confirm one and lose another; a person's
   next event goes only when the one before it is CONFIRMED.
4. Settle what was CONFIRMED. RETURNED, REFUSED and UNKNOWN stay in the outbox, and hold back that person's events only.

Dying between 3 and 4 publishes again; the broker, or the consumer, knows the event by its id.

Failing backs off, doubling up to `LONGEST`, with jitter so that many relays do not come back in step.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.errors import ConfigError, GatewayError
from gateway.message import Event, Pseudonym
from gateway.ports import Broker, Outbox, Publication

BATCH = 500
"""Events read at once: enough that a durable transaction on each side is shared by many."""
IDLE = 0.2
"""Seconds between looks when nobody wakes us: another process's messages wait this long."""
FIRST, LONGEST = 0.1, 30.0
"""Seconds to wait after the first failure, and at most."""


_CONFIRMED = Publication.CONFIRMED


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of the events of a step."""

    settled: int = 0
    returned: int = 0
    """No such queue: a matter of configuration, not of the broker's health."""
    failed: int = 0
    """Refused, or nobody knows."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            settled=self.settled + other.settled,
            returned=self.returned + other.returned,
            failed=self.failed + other.failed,
        )

    @classmethod
    def of(cls, answers: Sequence[Publication]) -> Tally:
        """Count the broker's answers."""
        settled, returned = answers.count(_CONFIRMED), answers.count(Publication.RETURNED)
        return cls(settled=settled, returned=returned, failed=len(answers) - settled - returned)


class Relay:
    """`start` makes a thread of it; `step` does one round, for tests."""

    def __init__(  # noqa: PLR0913  # settings, each by its name
        self,
        outbox: Outbox,
        broker: Broker,
        *,
        lease: Callable[[], bool],
        random: Callable[[], float],
        batch: int = BATCH,
        alarm: Callable[[GatewayError], None] = lambda _error: None,
        faults: Callable[[str], None] = lambda _point: None,
    ) -> None:
        """Nothing is opened here; outbox and broker belong to the relay's thread until `stop` returns.

        Args:
            outbox: Where events come from.
            broker: Where they go.
            lease: Takes or keeps the relay's lease; False while another process has it.
            random: 0 up to 1, for the jitter.
            batch: Events read at once.
            alarm: Told every error of the thread, which goes on.
            faults: Told each point of a step (`publish`, `published`, `settled`); tests fail there.
        """
        self._outbox = outbox
        self._broker = broker
        self._lease = lease
        self._random = random
        self._batch = batch
        self._alarm = alarm
        self._fault = faults
        self._stuck = 0
        """Events at the head of the outbox that would not go: looked past, so that they stop nobody else."""
        self._awake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def start(self) -> None:
        """Go on relaying in a thread of its own."""
        self._thread.start()

    def wake(self) -> None:
        """Say that there are new events. From any thread."""
        self._awake.set()

    def stop(self) -> None:
        """End the thread after the wave it is in; the rest stays in the outbox."""
        self._stopping.set()
        self._awake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def step(self) -> Tally:
        """Relay one batch. Raises UnavailableError when the outbox cannot be read or settled."""
        # 1. The one relay.
        if not self._lease():
            return Tally()
        # 2. The oldest.
        pending = events = self._outbox.pending(self._batch + self._stuck)
        held: set[Pseudonym] = set()
        tally = Tally()
        while events and not self._stopping.is_set():
            # 3. A wave.
            wave, events = _wave(events)
            self._fault("publish")
            answers = self._broker.publish(wave)
            self._fault("published")
            # 4. What was CONFIRMED.
            tally += Tally.of(answers)
            held |= {one.partition for one, answer in zip(wave, answers, strict=True) if answer is not _CONFIRMED}
            self._outbox.settle([one.id for one, answer in zip(wave, answers, strict=True) if answer is _CONFIRMED])
            self._fault("settled")
            events = [event for event in events if event.partition not in held]
        self._stuck = min(len(pending) - tally.settled, self._batch * 10)
        return tally

    def _run(self) -> None:
        failures, returned = 0, 0
        while not self._stopping.is_set():
            tally = self._attempt()
            if tally.returned > returned:
                self._alarm(ConfigError(f"{tally.returned} events name queues that the broker does not have"))
            returned = tally.returned
            if tally.failed:
                failures += 1
                self._stopping.wait(self._pause(failures))  # new events must not wake us: the broker needs rest
            elif tally.returned or not tally.settled:
                self._awake.wait(IDLE)
            if not tally.failed:
                failures = 0
            self._awake.clear()

    def _attempt(self) -> Tally:
        try:
            return self.step()
        except GatewayError as error:
            self._alarm(error)
            return Tally(failed=1)

    def _pause(self, failures: int) -> float:
        """Return seconds to wait after so many failures in a row: half of it fixed, half of it chance."""
        return min(LONGEST, FIRST * 2.0 ** min(failures - 1, 20)) * (0.5 + self._random() / 2)


def _wave(events: Sequence[Event]) -> tuple[list[Event], list[Event]]:
    """Split into the first event of every person, and what is left for later waves. Nobody here is held back."""
    seen: set[Pseudonym] = set()
    wave, rest = [], []
    for event in events:
        if event.partition not in seen:
            seen.add(event.partition)
            wave.append(event)
        else:
            rest.append(event)
    return wave, rest
