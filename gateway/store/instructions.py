"""What people ask of the way out: something done with a dispatch, or a partner left alone for a while.

An operator changes no dispatch. What is wanted is written down, with who wants it and why, and the dispatcher carries
it out by a step like any other (`outbound.ports.Instructions`): so the leaf and the news to whoever asked are committed
with it. It is refused here at once where it cannot be, and by the dispatcher where it could not be any more.

A pause holds from the next look of the dispatcher. It stops what would be sent; what expires meanwhile is still told.
Instructions and pauses are never changed or deleted: who did what, and why, stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.database import Session, Turn, written
from gateway.dispatch import DispatchId
from gateway.message import PartnerId
from gateway.outbound import states
from gateway.outbound.states import Happening, State
from gateway.ports import Clock
from gateway.store import triage
from gateway.store.dispatches import ASKED
from gateway.store.place import Place
from gateway.store.sessions import Sessions

_STANDS = "SELECT id, state FROM dispatches WHERE dispatch = ?"
_OPEN = "SELECT happening, by FROM instructions WHERE settled_at IS NULL AND dispatch = ?"
_ASK = "INSERT INTO instructions (id, dispatch, happening, by, role, reason, at) VALUES (?, ?, ?, ?, ?, ?, ?)"
_LAST = "SELECT paused FROM pauses WHERE partner = ? ORDER BY id DESC LIMIT 1"
_PAUSE = "INSERT INTO pauses (id, partner, paused, by, role, reason, at) VALUES (?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of asking."""

    state: State | None
    """Where the dispatch stands; None where there is no such dispatch."""
    refused: str = ""
    """Why nothing was written down; empty where it was."""


class StoredInstructions:
    """Acts as the operator. Shared between threads."""

    def __init__(
        self, place: Place, *, clock: Clock, role: str = "", faults: Callable[[str], None] = lambda _point: None
    ) -> None:
        """Open the store. Raises IntegrityError if it is not there, UnavailableError.

        Args:
            place: The store.
            clock: Gives the times.
            role: As whom the database knows this program, to be written beside who asks.
            faults: Told each point (`instructions`, `pauses`, `commit`, `committed`); tests fail there.
        """
        self._sessions = Sessions(place)
        self._clock = clock
        self._role = role
        self._fault = faults

    def ask(self, dispatch: DispatchId, happening: Happening, *, by: str, reason: str) -> Verdict:
        """Ask for WITHDRAW, CONFIRM, DISPROVE, or BEGIN: another attempt now. Raises UnavailableError."""
        with self._sessions.lent() as session:
            with session.writing(Turn.DISPATCHES):
                row = session.execute(_STANDS, (dispatch,)).fetchone()
                state = None if row is None else State(row[1])
                wrong = _unfit(by, reason) or _impossible(state, happening)
                if row is not None and not wrong:
                    wrong = _asked(session, row[0])
                if wrong:
                    return Verdict(state=state, refused=wrong)
                now = written(self._clock.now())
                number = _next(session, "instructions")
                session.execute(_ASK, (number, row[0], happening.value, by.strip(), self._role, reason.strip(), now))
                self._fault("instructions")
                self._fault("commit")
            self._fault("committed")
        return Verdict(state=state)

    def pause(self, partner: PartnerId, *, by: str, reason: str) -> str:
        """Send nothing to a partner from now on; return why that was refused, empty where it was not.

        Raises UnavailableError.
        """
        return self._switch(partner, paused=True, by=by, reason=reason)

    def resume(self, partner: PartnerId, *, by: str, reason: str) -> str:
        """Let sending to a partner go on; return why that was refused, empty where it was not."""
        return self._switch(partner, paused=False, by=by, reason=reason)

    def close(self) -> None:
        """Close the connections."""
        self._sessions.close()

    def _switch(self, partner: PartnerId, *, paused: bool, by: str, reason: str) -> str:
        if wrong := _unfit(by, reason):
            return wrong
        with self._sessions.lent() as session:
            with session.writing(Turn.DISPATCHES):
                last = session.execute(_LAST, (partner,)).fetchone()
                if bool(last and last[0]) is paused:
                    return f"{partner} is {'paused already' if paused else 'not paused'}"
                now = written(self._clock.now())
                row = (_next(session, "pauses"), partner, paused, by.strip(), self._role, reason.strip(), now)
                session.execute(_PAUSE, row)
                self._fault("pauses")
                self._fault("commit")
            self._fault("committed")
        return ""


def _unfit(by: str, reason: str) -> str:
    return triage.unfit(reason) if by.strip() else "somebody must answer for it"


def _impossible(state: State | None, happening: Happening) -> str:
    """Tell why this cannot be asked of a dispatch that stands so; empty where it can."""
    if happening not in ASKED:
        return f"nobody may ask for {happening}"
    if state is None:
        return "there is no such dispatch"
    if (state, happening) in states.TRANSITIONS:
        return ""
    if state in states.IN_FLIGHT:
        return "an attempt is under way: ask again when it has ended"
    return f"a dispatch that is {state} cannot {happening}"


def _asked(session: Session, number: int) -> str:
    row = session.execute(_OPEN, (number,)).fetchone()
    return "" if row is None else f"{row[1]} has asked for {row[0]} already, and it is not carried out yet"


def _next(session: Session, table: str) -> int:
    (number,) = session.execute(f"SELECT coalesce(max(id), 0) + 1 FROM {table}").fetchone()  # noqa: S608  # our own words
    return int(number)
