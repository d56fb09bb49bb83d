"""When the next attempt is made, and whether an endpoint takes one now. Pure: time and chance are passed in.

    again      one dispatch's own pause, doubling with jitter; later where the partner asked for that (Retry-After,
               RFC 9110 section 10.2.3), within bounds; never inside a maintenance window
    Circuit    one endpoint's health, told by its last attempts alone: so an operator's command tells it from the store
    closed     the partner's announced maintenance, by the clock in Sweden
    over       time is out: for the command, or in the partner's mailbox

A circuit is closed (attempts go), open (nobody is sent there), and after its rest half open: one attempt goes, and what
becomes of it decides for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gateway import backoff, endings
from gateway.codes import Code
from gateway.outbound.ports import Held
from gateway.outbound.states import Happening, State
from gateway.partners import Endpoint, Maintenance
from gateway.swedish import shown, swedish_time

PATIENCE = timedelta(hours=1)
"""The longest Retry-After that is believed: a slip of the pen there must not silence us for a week."""
FAILED = frozenset({Happening.POSTPONE, Happening.LOSE})
"""Ends of an attempt that speak against the endpoint. A refusal speaks of the message: the endpoint is well."""
ATTEMPT_ENDS = FAILED | {Happening.ANSWER, Happening.REFUSE, Happening.SPOIL}

_TIMED = frozenset({State.REFERRED, State.DEPOSITED, State.FETCHED})
"""They wait no longer than they are due: for people to answer, or for a partner to fetch."""
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Standing(StrEnum):
    """Whether an endpoint is thought to be well."""

    CLOSED = "closed"
    """Attempts go."""
    OPEN = "open"
    """It rests."""
    HALF_OPEN = "half_open"
    """One attempt may go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """What an endpoint's last attempts tell."""

    failures: int = 0
    """In a row."""
    last: datetime | None = None
    """When the last of them ended."""

    def after(self, happening: Happening, at: datetime) -> Circuit:
        """Return the circuit after an attempt that ended so; anything else changes nothing."""
        if happening in FAILED:
            return Circuit(failures=self.failures + 1, last=at)
        return Circuit() if happening in ATTEMPT_ENDS else self

    def stands(self, endpoint: Endpoint, at: datetime) -> Standing:
        """Return what it says about an endpoint now."""
        until = self.rests_until(endpoint)
        if until is None:
            return Standing.CLOSED
        # A clock that was set back must not make a rest longer than it is.
        over = at >= until or (self.last is not None and at < self.last - endpoint.breaker_rest)
        return Standing.HALF_OPEN if over else Standing.OPEN

    def rests_until(self, endpoint: Endpoint) -> datetime | None:
        """Return when one attempt may go; None where nothing keeps it."""
        if self.last is None or self.failures < endpoint.breaker_failures:
            return None
        return self.last + endpoint.breaker_rest

    @classmethod
    def told(cls, ends: Iterable[tuple[Happening, datetime]]) -> Circuit:
        """Return the circuit that a timeline tells of, the oldest end first."""
        circuit = cls()
        for happening, at in ends:
            circuit = circuit.after(happening, at)
        return circuit


def again(
    endpoint: Endpoint,
    *,
    at: datetime,
    attempts: int,
    random: Callable[[], float],
    retry_after: timedelta | None = None,
) -> datetime:
    """Return when a dispatch is tried again, after an attempt that ended at `at`.

    Args:
        endpoint: Where it goes.
        at: UTC.
        attempts: How many have been made, this one with them.
        random: Gives 0 up to 1.
        retry_after: What the partner asked for; believed up to `PATIENCE`. A shorter one than our own pause makes
            nothing quicker: many who are told the same would come back in step.
    """
    own = backoff.pause(
        attempts,
        random,
        first=endpoint.first_pause.total_seconds(),
        longest=endpoint.longest_pause.total_seconds(),
    )
    due = at + max(timedelta(seconds=own), asked(retry_after))
    return closed(endpoint.maintenance, due) or due


def asked(retry_after: timedelta | None) -> timedelta:
    """Return how long a partner may make us wait, of what it asked for."""
    return min(max(retry_after or timedelta(0), timedelta(0)), PATIENCE)


def closed(windows: Iterable[Maintenance], at: datetime) -> datetime | None:
    """Return when a service that is in maintenance opens again, UTC; None where it is open.

    Windows that touch are one. Where the windows leave no gap, the end of the first week's is returned: it is asked
    again then.
    """
    windows = tuple(windows)
    until = None
    for _ in range(len(_DAYS) * len(windows)):
        ends = [end for begin, end in _around(windows, until or at) if begin <= (until or at) < end]
        if not ends:
            break
        until = max(ends)
    return until


def over(held: Held, at: datetime) -> bool:
    """Tell whether time is out for a dispatch: nothing is begun any more, and whoever asked is told."""
    return at >= held.expires or (held.state in _TIMED and at >= held.due)


def expiry(state: State) -> Code:
    """Return what it means that time is out in a state."""
    match state:
        case State.DEPOSITED:
            return endings.UNREAD
        case State.FETCHED | State.UNCERTAIN:
            return endings.UNRESOLVED
        case _:
            return endings.EXPIRED


def _around(windows: Iterable[Maintenance], at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield each window that begins on the Swedish day of `at` or on the day before."""
    today = swedish_time(at).date()
    for window in windows:
        for day in (today - timedelta(days=1), today):
            if _DAYS[day.weekday()] in window.days:
                last = day if window.begins < window.ends else day + timedelta(days=1)
                yield shown(datetime.combine(day, window.begins))[0], shown(datetime.combine(last, window.ends))[1]
