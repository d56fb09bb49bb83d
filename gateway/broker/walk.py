"""One way through the outbox: what may go now, of the backlog and of what comes meanwhile.

The backlog is what stood in the outbox when the walk began. It goes oldest first. Where it is longer than one read, as
after an outage of the broker, what is committed meanwhile does not wait behind it:

* New events have a lane of their own: one wave on its way at a time begins with them, and the backlog fills it up. So
  they have one of the relay's waves at most, and the backlog has the others.
* A new event overtakes only events of other persons: it goes when its person has nothing earlier in the outbox. What is
  on its way, held back or not read yet is in the outbox still, so the store answers that.
* The walk ends with the backlog, however much is new: the next begins with what was held back, and has what is left of
  the new events as its backlog.

Of what came since the walk began, the last events are looked at every time, and those before them a stretch at a time,
in turn: thousands may be waiting for persons in the backlog. Numbers at the outbox's end are given again when what had
them is settled, so no place among new events is kept for good.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from gateway.message import Pseudonym
from gateway.ports import Backlog, Pending, Publication

_QUEUES_NO = (Publication.RETURNED, Publication.REFUSED)
"""What says something of the queue, and not only of the event."""


class Walk:
    """What was read and is not sent, who is on the way, and who is held back."""

    def __init__(self, outbox: Backlog, *, batch: int, may_read: Callable[[], bool], overtaking: bool) -> None:
        """Nothing is read yet.

        Args:
            outbox: Where events come from.
            batch: Events read at once, and most in a wave.
            may_read: Asked before every read; False ends the reading.
            overtaking: Whether new events have their lane.
        """
        self._outbox = outbox
        self._batch = batch
        self._may_read = may_read
        self._overtaking = overtaking
        self.reading = True
        """Whether there may be more of the backlog than was read."""
        self.sent: deque[tuple[list[Pending], Future[Sequence[Publication]]]] = deque()
        """The waves on their way, oldest first."""
        self._waiting: list[Pending] = []
        self._read_to = 0
        self._end: int | None = None
        """The backlog's last number, if it is longer than one read."""
        self._turn = 0
        """Where the next stretch of new events that are not the last ones begins."""
        self._new_on_the_way = False
        self._busy: set[Pseudonym] = set()
        self._held: set[Pseudonym] = set()
        self._shut: set[str] = set()
        """Queues of which a wave said no and none said yes: not asked again in this walk."""

    def read(self) -> None:
        """Read on in the backlog, unless enough is waiting."""
        if not self.reading or len(self._waiting) >= self._batch:
            return
        self.reading = self._may_read()
        if not self.reading:
            return
        found = self._outbox.pending(self._batch, beyond=self._read_to)
        self.reading = len(found) == self._batch
        if self.reading and self._overtaking and self._end is None:
            self._end = self._turn = self._outbox.newest()
        if self._end is not None and found and found[-1].number >= self._end:
            found = [pending for pending in found if pending.number <= self._end]
            self.reading = False
        self._waiting += found
        if found:
            self._read_to = found[-1].number

    def wave(self) -> list[Pending]:
        """Take what may go now: new events, then the first waiting one of everybody who has none on the way."""
        wave = self._new()
        self._new_on_the_way = self._new_on_the_way or bool(wave)
        self._busy.update(pending.event.partition for pending in wave)
        seen = set(self._busy)
        later: list[Pending] = []
        for pending in self._waiting:
            if self._holds(pending):
                continue
            person = pending.event.partition
            (later if person in seen or len(wave) == self._batch else wave).append(pending)
            seen.add(person)
        self._waiting = later
        self._busy.update(pending.event.partition for pending in wave)
        return wave

    def answered(self, wave: Sequence[Pending], answers: Sequence[Publication]) -> list[Pending]:
        """Write down what the broker said; return what it CONFIRMED."""
        confirmed: list[Pending] = []
        taking: set[str] = set()
        refusing: set[str] = set()
        for pending, answer in zip(wave, answers, strict=True):
            event = pending.event
            self._busy.discard(event.partition)
            if answer is Publication.CONFIRMED:
                confirmed.append(pending)
                taking.update(event.queues)
                continue
            if answer is Publication.TOO_LARGE:
                continue  # it is buried before the next wave, and nobody waits for it
            self._held.add(event.partition)
            if answer in _QUEUES_NO and len(event.queues) == 1:
                refusing.update(event.queues)
        self._shut |= refusing - taking
        if self._end is not None and wave[0].number > self._end:
            self._new_on_the_way = False
        return confirmed

    def give_up(self) -> None:
        """Take nothing more; what is on its way is still to be answered."""
        self.reading, self._waiting, self._end = False, [], None

    def _new(self) -> list[Pending]:
        """Ask for new events while anything of the backlog is left and none of them is on the way."""
        left = self.reading or self._waiting or self.sent
        if self._end is None or self._new_on_the_way or not left or not self._may_read():
            return []
        newest = self._outbox.newest()
        if newest <= self._end:
            return []
        last = max(self._end, newest - self._batch)
        found = [*self._outbox.pending(self._batch, beyond=last, overtaking=True), *self._stretch(last)]
        return [pending for pending in found if not self._holds(pending)][: self._batch]

    def _stretch(self, last: int) -> list[Pending]:
        """Look at the next stretch of new events up to a number; after the last, at the first again."""
        if self._end is None or self._end == last:
            return []
        begin = self._turn if self._turn < last else self._end
        self._turn = begin + self._batch
        found = self._outbox.pending(self._batch, beyond=begin, overtaking=True)
        return [pending for pending in found if pending.number <= last]

    def _holds(self, pending: Pending) -> bool:
        """Tell whether an event is held back, and with it every later one of its person."""
        event = pending.event
        if event.partition in self._held:
            return True
        if pending.held:  # until somebody has looked: what is changed meanwhile is never on its way
            self._held.add(event.partition)
            return True
        if self._shut and not self._shut.isdisjoint(event.queues):
            self._held.add(event.partition)
            return True
        return False
