"""Committed events on their way to the broker (`ports.Outbox` on the store).

A row is written in the accepting transaction and deleted when the broker has CONFIRMED the event: whatever happens
between, the event is sent again under the same id.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.database import Row, Turn
from gateway.message import Event, EventId, Pseudonym, Replay
from gateway.ports import Pending
from gateway.store.place import Place

_PENDING = """
    SELECT id, event, type, partition, queues, body, replay_of, replay_reason FROM outbox WHERE id > ?
    ORDER BY id LIMIT ?
"""
# Event and letter are compared too: a row's number may have been given again since another process settled it, and even
# to a replay of the same event.
_SETTLE = """
    WITH gone (id, event, letter) AS (VALUES {values})
    DELETE FROM outbox
    WHERE id IN (SELECT o.id FROM gone {join} outbox o ON o.id = gone.id AND o.event = gone.event
        AND coalesce(o.replay_of, 0) = gone.letter)
"""


class StoredOutbox:
    """Belongs to one thread: the relay's."""

    def __init__(self, place: Place) -> None:
        """Open the store. Raises IntegrityError if it is not there."""
        self._session = place.open()

    def pending(self, limit: int, *, beyond: int = 0) -> Sequence[Pending]:
        """Return the oldest unconfirmed events beyond a number, in commit order. Raises UnavailableError."""
        with self._session.translated():
            rows = self._session.execute(_PENDING, (beyond, limit)).fetchall()
        return [_pending(row) for row in rows]

    def settle(self, confirmed: Sequence[Pending]) -> None:
        """Forget events that the broker CONFIRMED. Raises UnavailableError: then some may be sent again."""
        if not confirmed:
            return
        with self._session.translated(), self._session.writing(Turn.OUTBOX):
            self._session.match(_SETTLE, [(one.number, one.event.id, _letter(one.event)) for one in confirmed])

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


def _letter(event: Event) -> int:
    return 0 if event.replay is None else event.replay.letter


def _pending(row: Row) -> Pending:
    number, event, kind, partition, queues, body, letter, reason = row
    return Pending(
        number=number,
        event=Event(
            id=EventId(event),
            type=kind,
            partition=Pseudonym(partition),
            queues=tuple(queues.split()),
            body=body,
            replay=None if letter is None else Replay(letter=letter, reason=reason),
        ),
    )
