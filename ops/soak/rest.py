"""Comes to rest: after the last answer everything must be delivered, signed for, and every dead letter judged.

Judging is what operators do: of every four letters one is discarded, which takes two people, and three are sent again.
What dies again is judged again. What tells an asker how something ended is never discarded, and a dispatch that would
be tried again much later, because a clock was wrong, is tried now. Rest is reached when nothing changes any more, by
itself; a time limit only tells that it never came.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import datetime, timedelta

from gateway import wiring
from gateway.errors import UnavailableError
from gateway.outbound.states import ENDED, Happening, State
from gateway.store import triage
from gateway.store.dead_letters import StoredDeadLetters
from gateway.store.dispatch_views import DispatchViews
from gateway.store.instructions import StoredInstructions
from gateway.store.views import Views
from ops.dev.servers.management import ManagementError
from ops.dev.servers.state import VIRTUAL_HOST
from ops.soak.fleet import Fleet

WITHIN = 300.0
"""Seconds without any progress after which it is given up: longer than the longest back-off and lease."""
_LOOK = 0.5
_QUIET = 3
"""Looks in a row at which nothing was left."""
_EVERY = 4
_LATE = timedelta(seconds=5)
"""Longer than any endpoint's pause here."""
_MANY = 100_000


def settle(fleet: Fleet) -> Mapping[str, int]:
    """Wait until nothing is left, judging dead letters as they come home; return what is left.

    What the servers cannot say yet counts as left: they may still be starting.
    """
    with ExitStack() as stack:
        clock = wiring.SystemClock()
        views = DispatchViews(wiring.place(fleet.configuration, wiring.Duty.OPERATOR))
        stack.callback(views.close)
        letters = wiring.dead_letters(fleet.configuration, clock)
        stack.callback(letters.close)
        instructions = StoredInstructions(wiring.place(fleet.configuration, wiring.Duty.OPERATOR), clock=clock)
        stack.callback(instructions.close)
        kept = frozenset(asker.queue for asker in fleet.configuration.askers.values())
        changed, quiet, before = time.monotonic(), 0, {"servers": 1}
        while quiet < _QUIET and time.monotonic() - changed < WITHIN and not fleet.failed.is_set():
            time.sleep(_LOOK)
            try:
                left = _left(views, fleet)
                left["letters"] = _judge(letters, kept)
                left["dispatches"] = _hasten(views, instructions, clock.now())
            except UnavailableError:
                left = {"servers": 1}
            if left != before:
                changed, before = time.monotonic(), left
            quiet = 0 if any(left.values()) else quiet + 1
        return before


def _hasten(views: DispatchViews, instructions: StoredInstructions, at: datetime) -> int:
    """Have another attempt made of what waits too long; return how many dispatches have not ended."""
    open_ = sum(
        count for counts in views.dispatch_counts().values() for state, count in counts.items() if state not in ENDED
    )
    for state in (State.WAITING, State.UNCERTAIN) if open_ else ():
        for one in views.dispatches(state=state, limit=_MANY):
            if one.due is not None and one.due - at > _LATE:
                instructions.ask(one.id, Happening.BEGIN, by="anna", reason="soak: its clock was wrong")
    return open_


def _left(views: Views, fleet: Fleet) -> dict[str, int]:
    left = {"outbox": views.counts()["outbox"], "unsigned leaves": views.unsigned(wiring.SystemClock().now())[0]}
    return left | _queued(fleet)


def _queued(fleet: Fleet) -> dict[str, int]:
    """Return what lies on each queue, lent or not, and as dead letters: asked of the broker itself."""
    if fleet.wanted.broker == "rabbitmq":
        try:
            rows = fleet.management.call("GET", "queues", VIRTUAL_HOST)
        except (OSError, http.client.HTTPException, ManagementError):
            return {"broker": 1}
        return {f"queue {row['name']}": row.get("messages", 1) for row in rows}
    with closing(wiring.Broker(fleet.configuration, clock=wiring.SystemClock())) as broker:
        return {f"queue {one.queue}": one.ready + (one.unacked or 0) + (one.dead or 0) for one in broker.depths()}


def _judge(letters: StoredDeadLetters, kept: frozenset[str]) -> int:
    """Judge every open letter, and discard none of the queues that are `kept`; return how many there were."""
    waiting = letters.letters(state=triage.State.OPEN, limit=_MANY)
    gone = [one.id for one in waiting if one.id % _EVERY == 0 and one.queue not in kept]
    again = [one.id for one in waiting if one.id not in gone]
    if gone:
        letters.ask_discard(gone, reason="soak: nobody needs it", by="anna")
        asks = {one.fingerprint for one in letters.letters(state=triage.State.ASKED, limit=_MANY) if one.id in gone}
        letters.approve_discard(gone, by="bo", seen={one for one in asks if one is not None})
    if again:
        letters.retry(again, reason="soak: mended", by="anna")
    asked: Sequence[object] = letters.letters(state=triage.State.ASKED, limit=_MANY)
    return len(waiting) + len(asked)
