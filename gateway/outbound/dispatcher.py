"""One dispatcher walks what is due: takes it from the store, has one transition made of it (`worker`), looks again.

A look:

1. Be the one dispatcher, by lease. Whoever has just become it finds the attempts of the one before: they are lost, that
   is, they may have happened.
2. What people want done comes first; what cannot be done any more is refused. Who wants another attempt now gets it,
   whatever pause or circuit there is: that is what it is for.
3. Ask the store for what is due and may go (`lanes`), the longest overdue first, as much as there are free places.
4. Each goes to a thread of the pool, which makes one transition of it. What is then due is found by the next look.

Only GatewayErrors are expected. Any other error is ours: the dispatch is put aside for a while, the others go on, and
an attempt that was under way may have happened. Of each kind of trouble the operator is told once, until it is over.
Where our own records disagree nothing more is begun.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from queue import SimpleQueue

from gateway import backoff, logs
from gateway.dispatch import DispatchId
from gateway.errors import ConfigError, GatewayError, IntegrityError
from gateway.logs import Happened
from gateway.message import PartnerId
from gateway.outbound import pacing, states
from gateway.outbound.lanes import Lanes, lane
from gateway.outbound.pacing import Standing
from gateway.outbound.ports import Courier, Held, Instruction, Lane
from gateway.outbound.states import Happening, State
from gateway.outbound.troubles import Troubles
from gateway.outbound.worker import FIRST, LONGEST, STORE, Attempt, Job, Store, Walk, Worker, ours
from gateway.partners import Endpoint, Partner
from gateway.ports import Clock

IDLE = 0.5
"""Seconds between looks when nobody wakes us: a pause that ends, another process's command."""
ASIDE = timedelta(seconds=30)
"""How long a dispatch is left alone that we could not even begin."""


class Dispatcher:
    """`start` makes threads of it; `step` does one look and all that comes of it in the caller's thread, for tests."""

    def __init__(  # noqa: PLR0913  # settings, each by its name
        self,
        store: Store,
        courier: Courier,
        walk: Walk,
        partners: Mapping[PartnerId, Partner],
        *,
        lease: Callable[[], bool],
        clock: Clock,
        random: Callable[[], float],
        workers: int,
        alarm: Callable[[GatewayError], None] = lambda _error: None,
        faults: Callable[[str], None] = lambda _point: None,
    ) -> None:
        """Nothing is opened here.

        Args:
            store: Where dispatches and instructions are.
            courier: The way to partners.
            walk: Makes steps.
            partners: Where they are and what they bear.
            lease: Takes or keeps the dispatcher's lease; False while another process has it. Asked by one thread at a
                time.
            clock: UTC.
            random: 0 up to 1, for the jitter.
            workers: Transitions at the same time.
            alarm: Told each kind of trouble of ours once, until it is over. Partners' troubles are in the log.
            faults: Told each point of the way (`compose`, `compose!`: before and after that is written; `send`,
                `sent`); tests fail there.
        """
        self._store = store
        self._lanes = Lanes(partners, places=workers)
        self._lease = lease
        self._clock = clock
        self._random = random
        self._workers = workers
        self._troubles = Troubles()
        self._worker = Worker(
            store,
            courier,
            walk,
            leads=self._leads,
            clock=clock,
            random=random,
            troubles=self._troubles,
            alarm=alarm,
            faults=faults,
        )
        self._door = threading.Lock()
        """Guards lanes, busy and aside."""
        self._asking = threading.Lock()
        """Guards the lease."""
        self._busy: set[DispatchId] = set()
        self._aside: dict[DispatchId, datetime] = {}
        self._leading = False
        self._looked = time.monotonic()
        self._awake = threading.Event()
        self._stopping = threading.Event()
        self._line: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)
        self._pool = [threading.Thread(target=self._work, name=f"dispatch-{n}", daemon=True) for n in range(workers)]

    def start(self) -> None:
        """Go on dispatching, in threads of its own."""
        for thread in (*self._pool, self._thread):
            thread.start()

    def wake(self) -> None:
        """Say that there is something new. From any thread."""
        self._awake.set()

    def renew(self, walk: Walk, partners: Mapping[PartnerId, Partner]) -> None:
        """Go by new rules and settings from the next transition on."""
        with self._door:
            self._worker.walk = walk
            self._lanes.renew(partners)
        self.wake()

    def silent(self) -> float:
        """Return for how many seconds the store has not been looked into: it is away, or we stand still."""
        return time.monotonic() - self._looked

    def stop(self, patience: float) -> None:
        """Begin nothing more; wait so many seconds for what is under way.

        What is not done then stays in flight, and is lost at the next start.
        """
        self._stopping.set()
        self._awake.set()
        for _ in self._pool:
            self._line.put(None)
        until = time.monotonic() + patience
        for thread in (self._thread, *self._pool):
            if thread.ident is not None:
                thread.join(max(0.0, until - time.monotonic()))
        self._worker.ended.set()

    def step(self) -> int:
        """Do one look and all that comes of it; return how many transitions were tried."""
        jobs = self.look()
        for job in jobs:
            self.do(job)
        return len(jobs)

    # --- looking ------------------------------------------------------------------------------------------------------

    def look(self) -> list[Job]:
        """Claim what is due and may go now. Raises UnavailableError, IntegrityError."""
        # 1. The one dispatcher.
        if not self._leads():
            self._leading = False
            return []
        if not self._leading:
            self._leading = True  # whoever leaves an attempt in doubt takes it back, and we look again
            self._recover()
        claimed: list[Job] = []
        try:
            # 2. What people want.
            for job in self._wanted():
                claimed.append(job)  # noqa: PERF402  # those before one that fails are kept
            # 3. What is due, until there is no place or nobody to take it.
            while (jobs := self._claims()) is not None:
                claimed += jobs
        except BaseException:
            self._return(claimed)
            raise
        self._looked = time.monotonic()
        self._troubles.over(STORE)
        return claimed

    def do(self, job: Job) -> None:
        """Make one transition; whatever goes wrong, the others go on."""
        attempt = Attempt(happening=None, at=self._clock.now())
        trouble: GatewayError | None = None
        try:
            attempt = self._worker.do(job)
        except Exception as error:  # noqa: BLE001  # a fault of ours in one dispatch must not end the others
            trouble = ours(error)
        held = job.held
        with self._door:
            if isinstance(job.way, Endpoint):
                self._arrived(held, job.way, attempt)
            if trouble is not None:
                self._aside[held.id] = self._clock.now() + ASIDE
            self._busy.discard(held.id)
        if trouble is None:
            self._troubles.over(held.id)
        else:
            self._leading = False  # an attempt may be left in flight: the next look finds it
            if isinstance(trouble, IntegrityError):
                self._stopping.set()
            self._worker.trouble((type(trouble), trouble.code.name, trouble.detail), held.id, trouble)
        self._awake.set()

    def _leads(self) -> bool:
        """Tell whether this is the dispatcher still."""
        with self._asking:
            return not self._stopping.is_set() and self._lease()

    def _recover(self) -> None:
        """Say of every attempt that nobody is at any more that it is lost."""
        for held in self._store.interrupted():
            with self._door:
                mine = held.id in self._busy
                way = self._lanes.reached(lane(held))
            if not mine:
                self._worker.lose(held, way)

    def _return(self, claimed: list[Job]) -> None:
        """Give up what was claimed by a look that failed: nobody will do it, and another look must find it."""
        at = self._clock.now()
        with self._door:
            for job in claimed:
                if isinstance(job.way, Endpoint):
                    self._lanes.arrive(job.held.partner, job.way, None, at)
                self._busy.discard(job.held.id)

    def _wanted(self) -> Iterator[Job]:
        """Claim what people want done; refuse what cannot be."""
        at, free, busy, _ = self._room()
        for wanted, held in self._store.instructed(limit=free, busy=busy) if free else ():
            with self._door:
                job = self._ordered(wanted, held)
            if isinstance(job, Job):
                yield job
            elif job:
                self._store.refuse(wanted, reason=job, at=at)

    def _claims(self) -> list[Job] | None:
        """Claim the next that are due; None where there is no place, or nothing that may go."""
        at, free, busy, shut = self._room()
        if not free:
            return None
        found = self._store.due(at, limit=free, busy=busy, shut=shut)
        with self._door:
            jobs = [job for held in found if (job := self._claim(held, at)) is not None]
            # What was found and may not go has shut its lane: the next question leaves that out.
            return jobs if jobs or (found and self._lanes.shut(at) != shut) else None

    def _room(self) -> tuple[datetime, int, set[DispatchId], frozenset[Lane]]:
        """Return the time, how many places are free, and who and what is to be left out."""
        at = self._clock.now()
        with self._door:
            free = 0 if self._stopping.is_set() else self._workers - len(self._busy)
            self._aside = {one: until for one, until in self._aside.items() if at < until <= at + ASIDE}
            return at, free, {*self._busy, *self._aside}, self._lanes.shut(at)

    def _claim(self, held: Held, at: datetime) -> Job | None:
        """Take a place for what is due; None where it may not go now."""
        way = None
        if held.state is not State.QUEUED and not pacing.over(held, at):
            way = self._lanes.reached(lane(held))
            if way is None:
                self._nowhere(held)
                return None
            if isinstance(way, Endpoint):
                if not self._lanes.may_go(held.partner, way, at):
                    return None
                self._lanes.depart(held.partner, way)
        self._busy.add(held.id)
        return Job(held=held, way=way)

    def _ordered(self, wanted: Instruction, held: Held) -> Job | str | None:
        """Take a place for what a person wants; return why it cannot be, or None where it cannot be yet."""
        if (held.state, wanted.happening) not in states.TRANSITIONS:
            return f"a dispatch that is {held.state} cannot {wanted.happening}"
        way = None
        if wanted.happening is Happening.BEGIN:
            way = self._lanes.reached(lane(held))
            if not isinstance(way, Endpoint):
                return "the partner has no endpoint for it"
            if not self._lanes.has_room(held.partner, way):
                return None
            self._lanes.depart(held.partner, way)
        self._busy.add(held.id)
        return Job(held=held, way=way, wanted=wanted)

    def _arrived(self, held: Held, endpoint: Endpoint, attempt: Attempt) -> None:
        stood, stands = self._lanes.arrive(
            held.partner, endpoint, attempt.happening, attempt.at, not_before=attempt.not_before
        )
        if stands is Standing.OPEN and stood is not Standing.OPEN:
            logs.tell(Happened.PARTNER_RESTING, partner=held.partner, contract=held.contract)
        elif stands is Standing.CLOSED and stood is not Standing.CLOSED:
            logs.tell(Happened.PARTNER_WELL, partner=held.partner, contract=held.contract)

    def _nowhere(self, held: Held) -> None:
        where = lane(held)
        detail = f"partner {held.partner}: no endpoint and no mailbox for {held.contract}: its dispatches wait"
        self._worker.trouble(where, where, ConfigError(detail))

    # --- threads ------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            self._awake.clear()
            try:
                for job in self.look():
                    self._line.put(job)
            except Exception as error:  # noqa: BLE001  # the thread must live on
                failures += 1
                self._leading = False
                trouble = ours(error)
                if isinstance(trouble, IntegrityError):
                    self._stopping.set()
                self._worker.trouble(STORE, STORE, trouble)
                # What is new must not wake us: the store needs rest.
                self._stopping.wait(backoff.pause(failures, self._random, first=FIRST, longest=LONGEST))
            else:
                failures = 0
                self._awake.wait(IDLE)

    def _work(self) -> None:
        while (job := self._line.get()) is not None:
            self.do(job)
