"""Mailboxes in the store (`outbound.ports.Mailboxes`): what partners list, fetch and acknowledge.

The front writes these steps itself, by the same transaction as the dispatcher's (`dispatches.py`): one commit says that
a partner has acknowledged, with the leaf of the end and the news for whoever asked, and only then is it answered. Were
the dispatcher to carry it out later, as it does what operators ask, the partner's proof would be of something that is
not in the log yet, and its time could run out in between. What the front may do on PostgreSQL for this is narrowed row
by row (`grants.py`): FETCH and ACKNOWLEDGE of what lies in a mailbox, and nothing of any other dispatch.

Two who ask at once, or an operator and a partner, are told apart by the step that theirs follows on: one is written,
and the other looks again at what then is. A dispatch that is in none of the asker's own mailboxes is found by no
statement here, whether it exists or not.

What nobody has fetched is judged once more whenever its partner asks. What may not go any more is withdrawn before
anything is answered, and no list, fetch or acknowledgement tells it from what was never there.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from gateway import codes
from gateway.adapters.forsakringskassan.brevlada import Acknowledged, Page, Waiting
from gateway.database import Row, Session, instant, written
from gateway.dispatch import DispatchId
from gateway.errors import ContractError, IntegrityError, UnavailableError
from gateway.message import ContractId, Digest, LeafHash, PartnerId, Pseudonym
from gateway.outbound.ports import Box, Held, Step
from gateway.outbound.states import Happening
from gateway.ports import Clock
from gateway.store import held
from gateway.store.dispatches import StoredDispatches
from gateway.store.place import Place
from gateway.store.sessions import Sessions

TRIES = 8
"""How often a step is made anew because another came in between. Whoever loses so often may ask again."""

MANY = 10_000
"""Dispatches of which it is remembered that they might go."""
_JUDGED = ("command", "payload", "envelope")
"""What must be opened to judge once more what lies there, and to hand it out."""

_WAITING = """
    SELECT m.dispatch, d.dispatch, m.contract, m.deposited_at, d.over_at, m.fetched_at, d.pseudonym
    FROM deposits m JOIN dispatches d ON d.id = m.dispatch
    WHERE m.partner = ? AND m.organisation = ? AND m.closed_at IS NULL AND m.dispatch > ? AND d.over_at > ?
    ORDER BY m.dispatch LIMIT ?
"""
_THEIRS = """
    SELECT m.dispatch, m.acknowledged_at, m.closed_at, m.fetched_at
    FROM dispatches d JOIN deposits m ON m.dispatch = d.id
    WHERE d.dispatch = ? AND m.partner = ? AND m.organisation = ?
      AND (m.closed_at IS NULL OR m.acknowledged_at IS NOT NULL)
"""
"""What was withdrawn, or is out of its time, is found no more than what was never there."""
_DIGEST = "SELECT digest FROM timeline WHERE dispatch = ? AND happening = ?"
_LEAF = """
    SELECT l.hash FROM timeline t JOIN leaves l ON l.position = t.first_leaf WHERE t.dispatch = ? AND t.happening = ?
"""


Stops = Callable[[Held], Step | None]
"""Judges what nobody has fetched: the step that withdraws it; None where it may still go."""


def _nothing(_held: Held) -> Step | None:
    """Judge nothing."""
    return None


class StoredMailboxes:
    """Keeps the promises of `outbound.ports.Mailboxes` on the store. Shared between threads."""

    def __init__(
        self,
        place: Place,
        *,
        clock: Clock,
        committed: Callable[[], None] = lambda: None,
        faults: Callable[[str], None] = lambda _point: None,
    ) -> None:
        """Open the store. Raises IntegrityError if it is not there, UnavailableError.

        Args:
            place: The store, on behalf of the front.
            clock: UTC.
            committed: Called after a commit that left events in the outbox.
            faults: Told each point of a write, as `StoredDispatches`; tests fail there.
        """
        self._sessions = Sessions(place)
        self._dispatches = StoredDispatches(place, clock=clock, committed=committed, faults=faults)
        self._well: dict[int, Hashable] = {}
        """What was listed, and by what knowledge it might go: not judged again by the same for another list."""

    def waiting(  # noqa: PLR0913  # what is asked for, and who may still have it
        self,
        boxes: Sequence[Box],
        at: datetime,
        *,
        limit: int,
        after: DispatchId | None = None,
        stopped: Stops = _nothing,
        known: Callable[[Pseudonym | None], Hashable] = lambda _person: None,
    ) -> Page:
        """Return what may be fetched, oldest first (`outbound.ports.Mailboxes`)."""
        for _ in range(TRIES):
            with self._sessions.lent() as session, session.reading():
                last = None if after is None else _theirs(session, boxes, after)
                rows = _rows(session, boxes, at, limit=limit, beyond=0 if last is None else last.number)
                news = {row[0]: known(row[6]) for row in rows[:limit] if row[5] is None}
                unread = [number for number, now in news.items() if now is None or self._well.get(number) != now]
                if last is not None and not last.fetched:
                    unread.append(last.number)
                found = held.read(session, unread, names=_JUDGED, deposited=True) if stopped is not _nothing else ()
            gone = [step for step in map(stopped, found) if step is not None]
            if not gone:
                self._remember(news)
                return Page(messages=tuple(_waiting(row) for row in rows[:limit]), more=len(rows) > limit)
            for step in gone:
                self._dispatches.write(step)
        raise UnavailableError(codes.STORE_UNAVAILABLE, "others write the same dispatches")

    def _remember(self, judged: Mapping[int, Hashable]) -> None:
        if len(self._well) > MANY:
            self._well = {}
        self._well |= judged

    def fetch(self, boxes: Sequence[Box], dispatch: DispatchId, at: datetime, take: Callable[[Held], Step]) -> Held:
        """Write that it is fetched, and return it with its sealed envelope (`outbound.ports.Mailboxes`)."""
        for _ in range(TRIES):
            with self._sessions.lent() as session, session.reading():
                found = _theirs(session, boxes, dispatch)
                if found.closed:
                    raise ContractError(codes.MAILBOX_UNKNOWN)
                (one,) = held.read(session, [found.number], names=_JUDGED, deposited=True)
            if at >= min(one.due, one.expires):
                raise ContractError(codes.MAILBOX_UNKNOWN)
            step = take(one)
            if self._dispatches.write(step):
                if step.happening is Happening.WITHDRAW:  # it may not go any more: there is nothing for anybody
                    raise ContractError(codes.MAILBOX_UNKNOWN)
                return one
        raise UnavailableError(codes.STORE_UNAVAILABLE, "others write the same dispatch")

    def acknowledge(
        self,
        boxes: Sequence[Box],
        dispatch: DispatchId,
        digest: Digest,
        end: Callable[[Held], Step],
        *,
        stopped: Stops = _nothing,
    ) -> Acknowledged:
        """Write that the partner has it, and return the facts of that (`outbound.ports.Mailboxes`)."""
        for _ in range(TRIES):
            with self._sessions.lent() as session, session.reading():
                found = _theirs(session, boxes, dispatch)
                unread = found.acknowledged is None and not found.fetched
                names = _JUDGED if unread else ("command",)
                (one,) = held.read(session, [found.number], names=names, deposited=unread)
            if unread:
                step = stopped(one)
                if step is None:
                    raise ContractError(codes.MAILBOX_UNFETCHED)
                self._dispatches.write(step)
                continue
            with self._sessions.lent() as session, session.reading():
                if session.execute(_DIGEST, (found.number, Happening.COMPOSE.value)).fetchone() != (digest,):
                    raise ContractError(codes.MAILBOX_DIGEST)
                if found.acknowledged is not None:
                    leaf = session.execute(_LEAF, (found.number, Happening.ACKNOWLEDGE.value)).fetchone()
                    return _acknowledged(found.partner, dispatch, digest, found.acknowledged, leaf)
            self._dispatches.write(end(one))  # what is then there, this one or another's, is read again
        raise UnavailableError(codes.STORE_UNAVAILABLE, "others write the same dispatch")

    def close(self) -> None:
        """Close the connections. Calls are turned away from now on."""
        self._sessions.close()
        self._dispatches.close()


def _rows(session: Session, boxes: Sequence[Box], at: datetime, *, limit: int, beyond: int) -> list[Row]:
    """Return what waits beyond a number, and one more than may be told, if there are so many."""
    rows = [row for box in boxes for row in session.execute(_WAITING, (*_names(box), beyond, written(at), limit + 1))]
    rows.sort()
    return rows


class _Found(NamedTuple):
    partner: PartnerId
    number: int
    acknowledged: str | None
    """When."""
    closed: bool
    fetched: bool


def _theirs(session: Session, boxes: Sequence[Box], dispatch: DispatchId) -> _Found:
    """Return the deposit of one of these mailboxes. Raises ContractError."""
    for box in boxes:
        row = session.execute(_THEIRS, (dispatch, *_names(box))).fetchone()
        if row is not None:
            return _Found(box.partner, row[0], row[1], row[2] is not None, row[3] is not None)
    raise ContractError(codes.MAILBOX_UNKNOWN)


def _names(box: Box) -> tuple[str, str]:
    return box.partner, box.organisation or ""


def _waiting(row: Row) -> Waiting:
    return Waiting(
        id=DispatchId(row[1]),
        contract=ContractId(row[2]),
        deposited_at=instant(row[3]),
        expires_at=instant(row[4]),
        fetched_at=None if row[5] is None else instant(row[5]),
    )


def _acknowledged(partner: PartnerId, dispatch: DispatchId, digest: Digest, at: str, leaf: Row | None) -> Acknowledged:
    if leaf is None:
        raise IntegrityError(f"dispatch {dispatch}: is acknowledged without a leaf")
    return Acknowledged(partner=partner, id=dispatch, digest=digest, at=instant(at), leaf=LeafHash(bytes(leaf[0])))
