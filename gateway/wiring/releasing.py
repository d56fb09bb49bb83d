"""What people decided of what came in is carried out: by one process for a store, by lease.

A look: hold the lease; carry out what is answered, the oldest first; say no for what nobody answered in time. Each is
one transaction, found anew at the next look if it did not happen, and found settled if it did. The rules are those of
the way in, swapped whole at a reload; people's roles are not known here, only what they wrote.

The same process shields events that the relay holds back (`inbound.shielding`), because it has the keys and may add to
the log: the relay has and may neither.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from gateway import backoff, endings, logs
from gateway.config import Configuration, Queue
from gateway.dispatch import AskerId, DispatchId, Queued
from gateway.errors import ConflictError, ContractError, GatewayError, IntegrityError, UnavailableError
from gateway.events.compose import Routes
from gateway.events.shielding import Hiding
from gateway.inbound import path, reading, releasing, shielding
from gateway.inbound.reading import Waiting
from gateway.inbound.releasing import Answers, Releases
from gateway.inbound.shielding import Shieldings
from gateway.logs import Happened
from gateway.message import Decision, Valid
from gateway.outbound import answers
from gateway.outbound import path as outward
from gateway.ports import Clock
from gateway.store.lease import Lease
from gateway.store.place import Duty
from gateway.store.protections import StoredProtections
from gateway.store.releases import StoredReleases
from gateway.store.shieldings import StoredShieldings
from gateway.wiring.drivers import place
from gateway.wiring.governing import govern
from gateway.wiring.rules import Random, hiding, judging
from gateway.wiring.sending import given_back

LOOK = 1.0
"""Seconds between two looks: a person waits for it, and an empty look is two index reads."""
FEW = 50
"""Reviews in one look: what is sealed of each is in memory at once."""
FIRST, LONGEST = 1.0, 60.0


class Releaser:
    """Carries out, by one set of rules. `step` does one look, for tests."""

    def __init__(
        self,
        releases: Releases,
        rules_: Callable[[], path.Judging],
        queues: Callable[[], Mapping[AskerId, Queue]],
        *,
        lease: Callable[[], bool],
        clock: Clock,
    ) -> None:
        """`rules_` and `queues` (each asker's) give those that hold now; `lease` takes or keeps the lease."""
        self._answers = Answers(read=answer, serves=_serving(queues))
        self._releases = releases
        self._rules = rules_
        self._lease = lease
        self._clock = clock

    def step(self) -> int:
        """Do one look; return how many reviews were settled.

        What cannot be settled, for a reason that nobody expected, stops no other; it is raised when they are done.
        Raises UnavailableError, IntegrityError.
        """
        if not self._lease():
            return 0
        answered = self._releases.answered(limit=FEW)
        overdue = self._releases.expired(self._clock.now(), limit=FEW)
        return self._settled([*answered, *overdue])

    def _settled(self, found: Sequence[Waiting]) -> int:
        settled, trouble = 0, None
        for waiting in found:
            try:
                settled += self._one(waiting)
            except (IntegrityError, UnavailableError):  # about all of them: the store is away, or is not what it was
                raise
            except Exception as error:  # noqa: BLE001  # of this one: the others' people wait too
                trouble = error
        if trouble is not None:
            raise trouble
        return settled

    def _one(self, waiting: Waiting) -> bool:
        rules_, at = self._rules(), self._clock.now()
        done = releasing.settle(waiting, rules_, at, self._answers)
        try:
            written = self._releases.write(done)
        except ConflictError:
            done = releasing.conflicting(waiting, rules_, at)
            written = self._releases.write(done)
        if written:
            logs.tell(Happened.REVIEW_SETTLED, review=waiting.number, kind=waiting.kind.value, state=done.after.value)
        return written


class Shielder:
    """Shields what the relay holds back. `step` does one look, for tests."""

    def __init__(
        self,
        shieldings: Shieldings,
        rules_: Callable[[], path.Judging],
        hiding_: Callable[[], Hiding],
        *,
        lease: Callable[[], bool],
        clock: Clock,
    ) -> None:
        """`rules_` and `hiding_` give those that hold now; `lease` takes or keeps the lease."""
        self._shieldings = shieldings
        self._rules = rules_
        self._hiding = hiding_
        self._lease = lease
        self._clock = clock

    def step(self) -> int:
        """Do one look; return how many events may go now. Raises UnavailableError."""
        if not self._lease():
            return 0
        gone = 0
        for held in self._shieldings.held(limit=FEW):
            done = shielding.settle(held, self._rules(), self._hiding(), self._clock.now())
            if self._shieldings.write(done):
                gone += 1
                if done.leaf is not None:
                    logs.tell(Happened.EVENT_SHIELDED, type=held.event.type)
        return gone


def answer(waiting: Waiting, by: reading.Reads) -> tuple[Valid, Queued]:
    """Read a partner's answer to our question again, and what it answers."""
    body, records = reading.opened(waiting, by.sealer)
    place = next(n for n, (_, hash_) in enumerate(waiting.leaves) if hash_ == waiting.about)
    if waiting.command is None:
        raise IntegrityError(f"review {waiting.number}: the command that asked is gone")
    queued = answers.asked(by.sealer.open(waiting.command, ()).evidence, DispatchId(waiting.reference))
    return answers.reread(body, records[place][1], queued, by), queued


def _serving(queues: Callable[[], Mapping[AskerId, Queue]]) -> Callable[[Queued, Routes, Decision], None]:
    def serves(queued: Queued, routes: Routes, decision: Decision) -> None:
        queue = queues().get(queued.command.asker)
        if queue is None:
            raise ContractError(endings.COMMAND_ASKER, "the asker or its queue is no more")
        outward.serves(queue, routes, decision)

    return serves


def queues(configuration: Configuration) -> dict[AskerId, Queue]:
    """Return each asker's queue."""
    named = {queue.name: queue for queue in configuration.queues}
    return {asker.id: named[asker.queue] for asker in configuration.askers.values() if asker.queue in named}


class Releasing:
    """A releaser in a thread of its own, with all that it needs."""

    def __init__(  # noqa: PLR0913  # settings, each by its name
        self,
        configuration: Configuration,
        *,
        clock: Clock,
        holder: str,
        chance: Callable[[], float],
        alarm: Callable[[GatewayError], None],
        committed: Callable[[], None] = lambda: None,
        random: Random = os.urandom,
    ) -> None:
        """Open the store. Raises ConfigError, IntegrityError, UnavailableError; `chance` is as `Sending` has it."""
        self._clock = clock
        self._chance = chance
        self._alarm = alarm
        self._random = random
        self._closing = ExitStack()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="releaser", daemon=True)
        try:
            where = self._place = place(configuration, Duty.RELEASER)
            self._protections = StoredProtections(where)
            self._closing.callback(self._protections.close)
            self._rules, self._queues = self._read(configuration), queues(configuration)
            self._hiding = hiding(configuration)
            store = StoredReleases(where, learned=self._protections.refresh, committed=committed)
            self._closing.callback(store.close)
            lease = Lease(where, "releaser", holder=holder, clock=clock)
            self._closing.callback(given_back, lease)
            self.releaser = Releaser(store, lambda: self._rules, lambda: self._queues, lease=lease.hold, clock=clock)
            shieldings = StoredShieldings(where, committed=committed)
            self._closing.callback(shieldings.close)
            self.shielder = Shielder(
                shieldings, lambda: self._rules, lambda: self._hiding, lease=lease.hold, clock=clock
            )
        except BaseException:
            self._closing.close()
            raise

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def reload(self, configuration: Configuration) -> None:
        """Judge by a new configuration from the next look on. Raises ConfigError, UnavailableError: the old stays."""
        self._rules, self._queues = self._read(configuration), queues(configuration)
        self._hiding = hiding(configuration)

    def close(self) -> None:
        """End, after what it is doing."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._closing.close()

    def _read(self, configuration: Configuration) -> path.Judging:
        made = judging(configuration, self._protections, random=self._random)
        govern(configuration, self._place, clock=self._clock, seals=made.sealer, random=self._random)
        return made

    def _run(self) -> None:
        failures = 0
        wait = 0.0
        while not self._stopping.wait(wait):
            try:
                more = self.shielder.step() + self.releaser.step()
            except IntegrityError as error:
                self._alarm(error)
                return
            except Exception as error:  # noqa: BLE001  # the thread must live on, and tell what nobody expected
                failures += 1
                if isinstance(error, GatewayError):
                    self._alarm(error)
                else:
                    logs.fault(error)
                wait = backoff.pause(failures, self._chance, first=FIRST, longest=LONGEST)
            else:
                failures, wait = 0, 0.0 if more else LOOK
