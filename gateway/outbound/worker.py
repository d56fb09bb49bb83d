"""What is done with one dispatch that was taken: one transition, written, whatever goes wrong.

An attempt:

1. Judge once more what is not with anybody yet: since it was composed a person may have become protected, a consent or
   a basis have ended. Sign: fresh time, the same id and content.
2. Hold the lease still, and write BEGIN: **before it no byte leaves; after it the attempt is never forgotten.**
3. Send, judge what came back, and write that. A store that is away is asked again until it takes it: the partner's
   answer is not thrown away for that. If we die first, the attempt is lost at the next start.

Every write follows on the step that was read, so what a person or another dispatcher did meanwhile wins, and two
dispatchers cannot both begin one attempt.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from gateway import backoff, codes, endings, logs
from gateway.codes import Code
from gateway.dispatch import Broken, DispatchId, Reply, Signed
from gateway.errors import GatewayError, UnavailableError
from gateway.logs import Happened
from gateway.outbound import pacing, states
from gateway.outbound.lanes import lane
from gateway.outbound.ports import Courier, Dispatches, Held, Instruction, Instructions, Step
from gateway.outbound.states import Happening, State
from gateway.outbound.troubles import Troubles
from gateway.partners import Endpoint, Mailbox
from gateway.ports import Clock

FIRST, LONGEST = 0.2, 15.0
"""Seconds between two tries of a store that is away."""
STORE = "store"
"""Who suffers when the store is away."""


class Store(Dispatches, Instructions, Protocol):
    """The store's side of the way out, with what people want done."""


class Walk(Protocol):
    """What becomes of one dispatch, as a step to be written: `outbound.walk`. Pure, but for bodies from the courier."""

    def judge(self, held: Held, at: datetime) -> Step:
        """Permit and compose what is queued, what people have answered set aside: COMPOSE, REFER or DENY."""
        ...

    def still(self, held: Held, at: datetime) -> Step | None:
        """Judge once more what is not with anybody yet: WITHDRAW where it may not go any more, else None."""
        ...

    def sign(self, held: Held, endpoint: Endpoint, at: datetime) -> Signed:
        """Sign for one attempt."""
        ...

    def settle(self, held: Held, signed: Signed, came: Reply | Broken) -> Step:
        """Judge what came back: ANSWER, REFUSE, SPOIL, POSTPONE or LOSE."""
        ...

    def deposit(self, held: Held, mailbox: Mailbox, at: datetime) -> Step:
        """Sign and seal for the partner's mailbox: DEPOSIT."""
        ...

    def end(  # noqa: PLR0913  # what happened, and who did it
        self,
        held: Held,
        happening: Happening,
        code: Code | None,
        at: datetime,
        *,
        by: str | None = None,
        reason: str | None = None,
    ) -> Step:
        """Return a transition without an answer, with all that an end has if it is one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One transition to be made."""

    held: Held
    way: Endpoint | Mailbox | None
    """Where it goes now; None where nothing is sent."""
    wanted: Instruction | None = None
    """By whom, and what, where a person wants it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What a job tells of an endpoint."""

    happening: Happening | None
    """None where no attempt was made."""
    at: datetime
    not_before: datetime | None = None
    """Until when the partner asked to be left alone."""


class Worker:
    """Makes transitions. Shared between threads."""

    def __init__(  # noqa: PLR0913  # settings, each by its name
        self,
        store: Store,
        courier: Courier,
        walk: Walk,
        *,
        leads: Callable[[], bool],
        clock: Clock,
        random: Callable[[], float],
        troubles: Troubles,
        alarm: Callable[[GatewayError], None],
        faults: Callable[[str], None],
    ) -> None:
        """`leads` says whether this is the one dispatcher still; the rest is as `Dispatcher` has it."""
        self.walk = walk
        """By which rules: swapped whole."""
        self.ended = threading.Event()
        """Set when nobody waits any longer for what is under way."""
        self._store = store
        self._courier = courier
        self._leads = leads
        self._clock = clock
        self._random = random
        self._troubles = troubles
        self._alarm = alarm
        self._fault = faults

    def do(self, job: Job) -> Attempt:
        """Make one transition. Raises UnavailableError, ConfigError, IntegrityError."""
        held, at = job.held, self._clock.now()
        if isinstance(job.way, Endpoint) and not pacing.over(held, at):  # it may have waited for its turn
            return self._attempt(job, job.way, at)
        self._write(self._plain(job, at))
        return Attempt(happening=None, at=at)

    def lose(self, held: Held, way: Endpoint | Mailbox | None) -> None:
        """Say of an attempt that nobody is at any more that it may have happened. Raises UnavailableError."""
        at = self._clock.now()
        due = self._again(way, held, at) if isinstance(way, Endpoint) else at
        self._write(replace(self.walk.end(held, Happening.LOSE, endings.LOST, at), due=due))

    def _plain(self, job: Job, at: datetime) -> Step:
        """Return a transition in which nothing is sent."""
        held, wanted = job.held, job.wanted
        if wanted is not None and wanted.happening is not Happening.BEGIN:
            code = _CODES.get((held.state, wanted.happening))
            return self.walk.end(held, wanted.happening, code, at, by=wanted.by, reason=wanted.reason)
        if held.state is State.REFERRED and at < held.expires:
            return self.walk.end(held, Happening.DENY, endings.REVIEW_EXPIRED, at)
        if pacing.over(held, at):
            return self.walk.end(held, Happening.EXPIRE, pacing.expiry(held.state), at)
        if isinstance(job.way, Mailbox):
            return self._stopped(held, at) or self.walk.deposit(held, job.way, at)
        return self.walk.judge(held, at)

    def _attempt(self, job: Job, endpoint: Endpoint, at: datetime) -> Attempt:
        """Make one attempt, unless it is not ours to begin, or may not go any more."""
        # 1. It may still go. Fresh time and signature.
        if (stopped := self._stopped(job.held, at)) is not None:
            self._write(stopped)
            return Attempt(happening=None, at=at)
        signed = self.walk.sign(job.held, endpoint, at)
        # 2. Ours still, and begun.
        begun = self._begin(job, at) if self._leads() else None
        if begun is None:
            return Attempt(happening=None, at=at)
        # 3. What came of it.
        self._fault("send")
        came = self._courier.send(signed, endpoint)
        self._fault("sent")
        wait = came.retry_after if isinstance(came, Reply) else None
        step = self._settled(begun, signed, came)
        if step.happening in pacing.FAILED:
            step = replace(step, due=self._again(endpoint, begun, step.at, wait))
        self._told_of_attempt(begun, step, began=at)
        self._insist(step)
        rest = pacing.asked(wait)
        return Attempt(happening=step.happening, at=step.at, not_before=step.at + rest if rest else None)

    def _stopped(self, held: Held, at: datetime) -> Step | None:
        return self.walk.still(held, at) if held.state in states.UNSENT else None

    def _begin(self, job: Job, at: datetime) -> Held | None:
        """Write BEGIN; return what is then held, or None where something else has happened to it."""
        held, wanted = job.held, job.wanted
        after = states.after(held.state, Happening.BEGIN)
        step = Step(
            dispatch=held.id,
            follows=held.step,
            happening=Happening.BEGIN,
            before=held.state,
            after=after,
            at=at,
            by=None if wanted is None else wanted.by,
            reason=None if wanted is None else wanted.reason,
        )
        begun = replace(held, state=after, step=held.step + 1, attempts=held.attempts + 1)
        try:
            return begun if self._write(step) else None
        except UnavailableError as error:
            # It may be written all the same. Nothing was sent, so this attempt has certainly not happened.
            now = self._clock.now()
            self._insist(replace(self.walk.end(begun, Happening.POSTPONE, error.code, now), due=now))
            raise

    def _settled(self, begun: Held, signed: Signed, came: Reply | Broken) -> Step:
        """Judge what came back. If we cannot, the attempt may have happened all the same."""
        try:
            return self.walk.settle(begun, signed, came)
        except Exception as error:  # noqa: BLE001  # the attempt must have an end, whatever is wrong with us
            trouble = ours(error)
            self.trouble((type(trouble), trouble.code.name, trouble.detail), begun.id, trouble)
            return self.walk.end(begun, Happening.LOSE, trouble.code, came.at)

    def _again(self, endpoint: Endpoint, held: Held, at: datetime, wait: timedelta | None = None) -> datetime:
        return pacing.again(endpoint, at=at, attempts=max(held.attempts, 1), random=self._random, retry_after=wait)

    # --- writing ------------------------------------------------------------------------------------------------------

    def _write(self, step: Step) -> bool:
        self._fault(step.happening)
        done = self._store.write(step)
        self._fault(f"{step.happening}!")
        if done:
            _told_of_end(step)
        return done

    def _insist(self, step: Step) -> None:
        """Write a step, however long the store is away. Raises UnavailableError once nobody waits any longer."""
        failures = 0
        while True:
            try:
                self._write(step)
            except UnavailableError as error:
                failures += 1
                self.trouble(STORE, STORE, error)
                if self.ended.wait(backoff.pause(failures, self._random, first=FIRST, longest=LONGEST)):
                    raise
            else:
                return

    # --- telling ------------------------------------------------------------------------------------------------------

    def trouble(self, kind: object, who: object, error: GatewayError) -> None:
        """Alarm the operator, if this kind of trouble is new."""
        if self._troubles.new(kind, who):
            self._alarm(error)

    def _told_of_attempt(self, begun: Held, step: Step, *, began: datetime) -> None:
        where = {"partner": begun.partner, "contract": begun.contract, "code": step.code}
        logs.tell(
            Happened.DISPATCH_ATTEMPTED,
            **where,
            reference=reference(begun.id),
            attempt=begun.attempts,
            state=step.after.value,
            ms=round((step.at - began).total_seconds() * 1000),
        )
        if step.happening not in pacing.FAILED:
            self._troubles.over(lane(begun))
        elif self._troubles.new((lane(begun), step.code), lane(begun)):
            logs.tell(Happened.PARTNER_FAILING, **where)


_CODES = {
    **{(state, Happening.WITHDRAW): endings.WITHDRAWN for state in State},
    (State.UNRESOLVED, Happening.DISPROVE): endings.EXPIRED,
    (State.REFERRED, Happening.DENY): endings.REVIEW_DENIED,
}
"""Why, where a person has decided."""


def reference(dispatch: DispatchId) -> str:
    """Return what a log line calls a dispatch: the digits of its id."""
    return dispatch.removeprefix("urn:uuid:").replace("-", "")


def ours(error: Exception) -> GatewayError:
    """Return an error of this project's for any; one that nobody expected is told by type and place."""
    if isinstance(error, GatewayError):
        return error
    logs.fault(error)
    return UnavailableError(codes.INTERNAL, f"{type(error).__name__} at {logs.place(error)}")


def _told_of_end(step: Step) -> None:
    if step.after in states.ENDED or step.after is State.REFERRED:
        logs.tell(Happened.DISPATCH_ENDED, reference=reference(step.dispatch), state=step.after.value, code=step.code)
