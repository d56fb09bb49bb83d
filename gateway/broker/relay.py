"""From the outbox to the broker: at least once, under the same event id, and one person's events in commit order.

A step walks through the outbox once (`walk.py`), from its oldest event to its end, and what is committed meanwhile goes
beside it:

1. Be the one relay, by lease: asked again before every read.
2. Read the next unconfirmed events, `BATCH` at a time.
3. Submit in waves, `DEPTH` of them on their way at once, one of which begins with what is new. Of one person at most
   one event is on its way: the broker may confirm it and lose the next, so the next goes only when the one before it is
   CONFIRMED.
4. Settle what was CONFIRMED, while the next waves are on their way. RETURNED, REFUSED, UNKNOWN and HELD stay in the
   outbox, and hold back that person's later events until the next step; so does a queue that refuses hold back what
   else is for it, and nobody else. What is HELD is marked, and not sent before it is shielded. What is TOO_LARGE is
   made a dead letter in place of its row, and holds back nobody. When nothing of a wave arrives because the broker is
   away, the step ends: there is no sense in reading on.

Dying between 3 and 4 publishes again; the broker, or the consumer, knows the event by its id.

Failing backs off (`backoff`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYetError
from dataclasses import dataclass

from gateway import logs
from gateway.broker import backoff
from gateway.broker.walk import Walk
from gateway.errors import ConfigError, GatewayError
from gateway.logs import Happened
from gateway.ports import Outbox, Pending, Publication, Publisher

BATCH = 500
"""Events read at once, and most in a wave: enough that a durable transaction on each side is shared by many."""
DEPTH = 3
"""Waves on their way at once: one is being settled, one confirmed, one written."""
IDLE = 0.2
"""Seconds between looks when nobody wakes us: another process's messages wait this long."""
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
    buried: int = 0
    """The broker never takes them: dead letters now."""
    held: int = 0
    """They may not go as they are: whoever shields them is waited for."""
    failed: int = 0
    """Nobody knows."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            settled=self.settled + other.settled,
            returned=self.returned + other.returned,
            refused=self.refused + other.refused,
            buried=self.buried + other.buried,
            held=self.held + other.held,
            failed=self.failed + other.failed,
        )

    @classmethod
    def of(cls, answers: Sequence[Publication]) -> Tally:
        """Count the broker's answers."""
        return cls(
            settled=answers.count(_CONFIRMED),
            returned=answers.count(Publication.RETURNED),
            refused=answers.count(Publication.REFUSED),
            buried=answers.count(Publication.TOO_LARGE),
            held=answers.count(Publication.HELD),
            failed=answers.count(Publication.UNKNOWN),
        )


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
        overtaking: bool = True,
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
            overtaking: Whether new events overtake a backlog; strictly the oldest first is for comparing only.
            alarm: Told every error of the thread, which goes on.
            faults: Told each point of a step (`publish`, `published`, `settled`); tests fail there.
        """
        self._outbox = outbox
        self._publisher = publisher
        self._lease = lease
        self._random = random
        self._batch = batch
        self._overtaking = overtaking
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
        walk = Walk(self._outbox, batch=self._batch, may_read=self._may_read, overtaking=self._overtaking)
        tally = Tally()
        while True:
            # 1, 2. The one relay; what comes next.
            walk.read()
            # 3. A wave.
            if len(walk.sent) < DEPTH and not self._stopping.is_set() and (wave := walk.wave()):
                self._fault("publish")
                walk.sent.append((wave, self._publisher.submit([pending.event for pending in wave])))
            # 4. What was CONFIRMED.
            elif walk.sent:
                answers = self._settle(walk)
                tally += answers
                if answers.failed and not answers.settled:
                    walk.give_up()
            elif not walk.reading or self._stopping.is_set():
                return tally

    def _may_read(self) -> bool:
        """Tell whether this is the relay still."""
        return not self._stopping.is_set() and self._lease()

    def _settle(self, walk: Walk) -> Tally:
        """Wait for the oldest wave's answers, and forget what arrived."""
        wave, future = walk.sent.popleft()
        answers = self._answers(wave, future)
        self._fault("published")
        confirmed = walk.answered(wave, answers)
        if confirmed:
            self._outbox.settle(confirmed)
        held = [one for one, answer in zip(wave, answers, strict=True) if answer is Publication.HELD]
        if held:
            self._outbox.hold(held)
            logs.tell(Happened.EVENTS_HELD, count=len(held))
        self._fault("settled")
        dead = [one for one, answer in zip(wave, answers, strict=True) if answer is Publication.TOO_LARGE]
        if dead:
            self._outbox.bury(dead, reason=Publication.TOO_LARGE.value)
            logs.tell(Happened.LETTERS_RECORDED, count=len(dead))
            self._alarm(ConfigError(f"{len(dead)} events are larger than the broker takes, and are dead letters"))
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
                # New events must not wake us: the broker needs rest.
                self._stopping.wait(backoff.pause(failures, self._random))
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
