"""Committed events on their way to the broker (`ports.Outbox` on the store).

A row is written in the accepting transaction and deleted when the broker has CONFIRMED the event: whatever happens
between, the event is sent again under the same id. What no broker will ever take becomes a dead letter in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from gateway.database import Row, Turn
from gateway.message import Event, EventId, Pseudonym, Replay
from gateway.ports import Clock, DeadLetter, Pending
from gateway.store import dead_letters
from gateway.store.place import Place
from gateway.store.rows import read_persons

_PENDING = """
    SELECT id, event, type, partition, queues, body, replay_of, replay_reason, related, held FROM outbox WHERE id > ?
    ORDER BY id LIMIT ?
"""
_OVERTAKING = """
    SELECT * FROM (
        SELECT id, event, type, partition, queues, body, replay_of, replay_reason, related, held FROM outbox
        WHERE id > ? ORDER BY id LIMIT ?
    ) o WHERE NOT EXISTS (SELECT 1 FROM outbox earlier WHERE earlier.partition = o.partition AND earlier.id < o.id)
    ORDER BY id
"""
# Two lists, and no join: whatever a planner thinks of a table that is empty now and holds an outage's events tomorrow,
# it finds the rows by their numbers. Event and letter are compared too: a row's number may have been given again since
# another process settled it, and even to a replay of the same event. The two together are never given again.
_HOLD = "UPDATE outbox SET held = true WHERE id {0} AND event || ' ' || coalesce(replay_of, 0) {1}"
_SETTLE = "DELETE FROM outbox WHERE id {0} AND event || ' ' || coalesce(replay_of, 0) {1}"


class StoredOutbox:
    """Belongs to one thread: the relay's."""

    def __init__(self, place: Place, *, clock: Clock, faults: Callable[[str], None] = lambda _point: None) -> None:
        """Open the store. Raises IntegrityError if it is not there.

        Args:
            place: The store.
            clock: Says when an event died.
            faults: Told each point of a burial (`recorded`, `forgotten`, `buried`); tests fail there.
        """
        self._session = place.open()
        self._clock = clock
        self._fault = faults

    def pending(self, limit: int, *, beyond: int = 0, overtaking: bool = False) -> Sequence[Pending]:
        """Return the oldest unconfirmed events beyond a number (`ports.Outbox`). Raises UnavailableError."""
        with self._session.translated():
            rows = self._session.execute(_OVERTAKING if overtaking else _PENDING, (beyond, limit)).fetchall()
        return [_pending(row) for row in rows]

    def newest(self) -> int:
        """Return the highest number; 0 where there is no event. Raises UnavailableError."""
        with self._session.translated():
            ((number,),) = self._session.execute("SELECT coalesce(max(id), 0) FROM outbox").fetchall()
        return int(number)

    def hold(self, events: Sequence[Pending]) -> None:
        """Mark events that may not go as they are (`ports.Outbox`). Raises UnavailableError: none is."""
        rows = [(one.number, f"{one.event.id} {_letter(one.event)}") for one in events if not one.held]
        if rows:
            with self._session.translated(), self._session.writing(Turn.OUTBOX):
                self._session.listed(_HOLD, rows)

    def settle(self, confirmed: Sequence[Pending]) -> None:
        """Forget events that the broker CONFIRMED. Raises UnavailableError: then some may be sent again."""
        if not confirmed:
            return
        with self._session.translated(), self._session.writing(Turn.OUTBOX):
            self._forget(confirmed)

    def bury(self, dead: Sequence[Pending], *, reason: str) -> None:
        """Make dead letters of events, in place of their rows (`ports.Outbox`). Raises UnavailableError: none is."""
        now = self._clock.now()
        letters = [letter for one in dead for letter in _letters(one.event, reason, now)]
        with self._session.translated(), self._session.writing(Turn.LETTERS):
            dead_letters.add(self._session, letters, now)
            self._fault("recorded")
            self._forget(dead)
            self._fault("forgotten")
        self._fault("buried")

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _forget(self, events: Sequence[Pending]) -> None:
        self._session.listed(_SETTLE, [(one.number, f"{one.event.id} {_letter(one.event)}") for one in events])


def _letter(event: Event) -> int:
    return 0 if event.replay is None else event.replay.letter


def _letters(event: Event, reason: str, now: datetime) -> list[DeadLetter]:
    """Return a letter for each queue: each has its own consumer, and is judged by itself. None was delivered."""
    return [
        DeadLetter(
            tag=0, queue=queue, event=event.id, type=event.type, partition=event.partition, attempts=0, reason=reason,
            since=now, at=now, replay_of=None if event.replay is None else event.replay.letter, body=event.body,
            related=event.related,
        )
        for queue in event.queues or ("unknown",)
    ]  # fmt: skip


def _pending(row: Row) -> Pending:
    number, event, kind, partition, queues, body, letter, reason, related, held = row
    return Pending(
        number=number,
        held=bool(held),
        event=Event(
            id=EventId(event),
            type=kind,
            partition=Pseudonym(partition),
            queues=tuple(queues.split()),
            body=body,
            replay=None if letter is None else Replay(letter=letter, reason=reason),
            related=read_persons(related),
        ),
    )
