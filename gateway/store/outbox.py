"""Committed events on their way to the broker (`ports.Outbox` on `gateway.db`).

A row is written in the accepting transaction and deleted when the broker has CONFIRMED the event: whatever happens
between, the event is sent again under the same id.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gateway.message import Event, EventId, Pseudonym
from gateway.sqlite import File, translated

_PENDING = "SELECT id, event, type, partition, queues, body FROM outbox ORDER BY id LIMIT ?"
# The event's id is compared too: a row's number may have been given again since another process settled it.
_SETTLE = """
    WITH gone (id, event) AS (VALUES {values})
    DELETE FROM outbox
    WHERE id IN (SELECT o.id FROM gone CROSS JOIN outbox o ON o.id = gone.id AND o.event = gone.event)
"""
_FIND = "WITH gone (event) AS (VALUES {values}) SELECT id, event FROM outbox WHERE event IN (SELECT event FROM gone)"


class StoredOutbox:
    """Belongs to one thread: the relay's."""

    def __init__(self, path: Path) -> None:
        """Open `gateway.db`. Raises IntegrityError if it is not there."""
        self._file = File(path)
        self._numbers: dict[EventId, int] = {}
        """Row numbers of what `pending` returned last."""

    def pending(self, limit: int) -> Sequence[Event]:
        """Return the oldest unconfirmed events, in commit order. Raises UnavailableError."""
        with translated():
            rows = self._file.connection.execute(_PENDING, (limit,)).fetchall()
        self._numbers = {row[1]: row[0] for row in rows}
        return [
            Event(id=EventId(event), type=kind, partition=Pseudonym(partition), queues=tuple(queues.split()), body=body)
            for _, event, kind, partition, queues, body in rows
        ]

    def settle(self, events: Sequence[EventId]) -> None:
        """Forget events that the broker CONFIRMED. Raises UnavailableError, and then nothing is forgotten."""
        if not events:
            return
        with translated(), self._file.writing():
            strange = [(event,) for event in events if event not in self._numbers]
            rows = [(self._numbers[event], event) for event in events if event in self._numbers]
            if strange:
                rows += [(row[0], row[1]) for row in self._file.match(_FIND, strange)]
            self._file.match(_SETTLE, rows)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
