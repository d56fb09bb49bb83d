"""From the outbox to the broker: at least once, under the same event id, and one person's events in commit order.

A step walks through the outbox once, from its oldest event to its end:

1. Be the one relay, by lease: asked again before every read.
2. Read the next unconfirmed events, `BATCH` at a time.
3. Submit in waves, `DEPTH` of them on their way at once. Of one person at most one event is on its way: the broker may
   confirm it and lose the next, so the next goes only when the one before it is CONFIRMED.
4. Settle what was CONFIRMED, while the next waves are on their way. RETURNED, REFUSED and UNKNOWN stay in the outbox,
   and hold back that person's later events until the next step; so does a queue that refuses hold back what else is for
   it, and nobody else. When nothing of a wave arrives because the broker is away, the step ends: there is no sense in
   reading on.

Dying between 3 and 4 publishes again; the broker, or the consumer, knows the event by its id.

Failing backs off, doubling up to `LONGEST`, with jitter so that many relays do not come back in step.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYetError
from dataclasses import dataclass

from gateway.errors import ConfigError, GatewayError
from gateway.message import Pseudonym
from gateway.ports import Outbox, Pending, Publication, Publisher

BATCH = 500
"""Events read at once, and most in a wave: enough that a durable transaction on each side is shared by many."""
DEPTH = 3
"""Waves on their way at once: one is being settled, one confirmed, one written."""
IDLE = 0.2
"""Seconds between looks when nobody wakes us: another process's messages wait this long."""
FIRST, LONGEST = 0.1, 30.0
"""Seconds to wait after the first failure, and at most."""
PATIENCE = 5.0
"""Seconds that a wave on its way gets when the relay is told to stop; what is then unanswered is sent again."""


_CONFIRMED = Publication.CONFIRMED


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of the events of a step."""

    settled: int = 0
    returned: int = 0
    """No such queue: a matter of configuration, not of the broker's health."""
    refused: int = 0
    """The broker would not take them now: a full queue."""
    failed: int = 0
    """Nobody knows."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            settled=self.settled + other.settled,
            returned=self.returned + other.returned,
            refused=self.refused + other.refused,
            failed=self.failed + other.failed,
        )

    @classmethod
    def of(cls, answers: Sequence[Publication]) -> Tally:
        """Count the broker's answers."""
        return cls(
            settled=answers.count(_CONFIRMED),
            returned=answers.count(Publication.RETURNED),
            refused=answers.count(Publication.REFUSED),
            failed=answers.count(Publication.UNKNOWN),
        )


class _Walk:
    """One way through the outbox: what was read and is not sent, who is on the way, and who is held back."""

    def __init__(self) -> None:
        self.beyond = 0
        self.waiting: list[Pending] = []
        self.sent: deque[tuple[list[Pending], Future[Sequence[Publication]]]] = deque()
        self._busy: set[Pseudonym] = set()
        self._held: set[Pseudonym] = set()
        self._shut: set[str] = set()
        """Queues of which a wave said no and none said yes: not asked again in this walk."""

    def wave(self) -> list[Pending]:
        """Take what may go now: the first waiting event of everybody who has none on the way and is not held back."""
        seen = set(self._busy)
        wave: list[Pending] = []
        later: list[Pending] = []
        for pending in self.waiting:
            event = pending.event
            person = event.partition
            if person in self._held:
                continue
            if self._shut and not self._shut.isdisjoint(event.queues):
                self._held.add(person)
            elif person in seen or len(wave) == BATCH:
                seen.add(person)
                later.append(pending)
            else:
                seen.add(person)
                wave.append(pending)
        self.waiting = later
        self._busy |= {pending.event.partition for pending in wave}
        return wave

    def answered(self, wave: Sequence[Pending], answers: Sequence[Publication]) -> list[Pending]:
        """Write down what the broker said; return what it CONFIRMED."""
        confirmed: list[Pending] = []
        taking: set[str] = set()
        refusing: set[str] = set()
        for pending, answer in zip(wave, answers, strict=True):
            event = pending.event
            self._busy.discard(event.partition)
            if answer is _CONFIRMED:
                confirmed.append(pending)
                taking.update(event.queues)
                continue
            self._held.add(event.partition)
            if answer is not Publication.UNKNOWN and len(event.queues) == 1:
                refusing.update(event.queues)
        self._shut |= refusing - taking
        return confirmed


class Relay:
    """`start` makes a thread of it; `step` walks once, for tests."""

    def __init__(  # noqa: PLR0913  # settings, each by its name
        self,
        outbox: Outbox,
        publisher: Publisher,
        *,
        lease: Callable[[], bool],
        random: Callable[[], float],
        batch: int = BATCH,
        alarm: Callable[[GatewayError], None] = lambda _error: None,
        faults: Callable[[str], None] = lambda _point: None,
    ) -> None:
        """Nothing is opened here; the outbox belongs to the relay's thread until `stop` returns.

        Args:
            outbox: Where events come from.
            publisher: Where they go.
            lease: Takes or keeps the relay's lease; False while another process has it.
            random: 0 up to 1, for the jitter.
            batch: Events read at once.
            alarm: Told every error of the thread, which goes on.
            faults: Told each point of a step (`publish`, `published`, `settled`); tests fail there.
        """
        self._outbox = outbox
        self._publisher = publisher
        self._lease = lease
        self._random = random
        self._batch = batch
        self._alarm = alarm
        self._fault = faults
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
        """End the thread after the waves on their way; the rest stays in the outbox."""
        self._stopping.set()
        self._awake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def step(self) -> Tally:
        """Walk through the outbox once. Raises UnavailableError when it cannot be read or settled."""
        walk, tally, reading = _Walk(), Tally(), True
        while True:
            # 1, 2. The one relay; what comes next.
            if reading and len(walk.waiting) < self._batch:
                reading = self._read(walk)
            # 3. A wave.
            if len(walk.sent) < DEPTH and not self._stopping.is_set() and (wave := walk.wave()):
                self._fault("publish")
                walk.sent.append((wave, self._publisher.submit([pending.event for pending in wave])))
            # 4. What was CONFIRMED.
            elif walk.sent:
                answers = self._settle(walk)
                tally += answers
                if answers.failed and not answers.settled:
                    reading, walk.waiting = False, []
            elif not reading or self._stopping.is_set():
                return tally

    def _read(self, walk: _Walk) -> bool:
        """Read on; False where the outbox ends, or another process is the relay now."""
        if self._stopping.is_set() or not self._lease():
            return False
        found = self._outbox.pending(self._batch, beyond=walk.beyond)
        walk.waiting += found
        if found:
            walk.beyond = found[-1].number
        return len(found) == self._batch

    def _settle(self, walk: _Walk) -> Tally:
        """Wait for the oldest wave's answers, and forget what arrived."""
        wave, future = walk.sent.popleft()
        answers = self._answers(wave, future)
        self._fault("published")
        confirmed = walk.answered(wave, answers)
        if confirmed:
            self._outbox.settle(confirmed)
        self._fault("settled")
        return Tally.of(answers)

    def _answers(self, wave: Sequence[Pending], future: Future[Sequence[Publication]]) -> Sequence[Publication]:
        patience = PATIENCE
        while True:
            try:
                return future.result(IDLE)
            except NotYetError:
                patience -= IDLE if self._stopping.is_set() else 0
                if patience <= 0:
                    return [Publication.UNKNOWN] * len(wave)

    def _run(self) -> None:
        failures, returned = 0, 0
        while not self._stopping.is_set():
            tally = self._attempt()
            if tally.returned > returned:
                self._alarm(ConfigError(f"{tally.returned} events name queues that the broker does not have"))
            returned = tally.returned
            if tally.failed or tally.refused:
                failures += 1
                self._stopping.wait(self._pause(failures))  # new events must not wake us: the broker needs rest
            elif tally.returned or not tally.settled:
                self._awake.wait(IDLE)
            if not tally.failed and not tally.refused:
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
