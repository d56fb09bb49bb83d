"""Events that the relay holds back, for whoever shields them (`inbound.shielding.Shieldings`).

The event's new body, the leaf that says what was withheld and its record's key are one commit, under the journal's
turn. An event that was settled or shielded meanwhile is not there any more, and then nothing is written. What was there
before is written over, as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.database import Session, Turn, written
from gateway.inbound.shielding import Done, Held
from gateway.message import Event, EventId, Pseudonym
from gateway.store.entries import Group
from gateway.store.gallring import overwriting
from gateway.store.place import Place, PostgresPlace
from gateway.store.rows import read_persons, written_persons
from gateway.store.sessions import Sessions

_HELD = "SELECT id, event, type, partition, queues, body, related FROM held_events ORDER BY id LIMIT ?"
_SHIELD = "UPDATE outbox SET body = ?, related = ?, held = false WHERE id = ? AND event = ? AND held RETURNING id"
_KEY = "INSERT INTO shieldings (position, event, at, key_id, wrapped_key) VALUES (?, ?, ?, ?, ?)"


class StoredShieldings:
    """Acts as the releaser. Shared between threads."""

    def __init__(
        self,
        place: Place,
        *,
        committed: Callable[[], None] = lambda: None,
        faults: Callable[[str], None] = lambda _point: None,
    ) -> None:
        """Open the store. Raises IntegrityError if it is not there, UnavailableError.

        Args:
            place: The store.
            committed: Called after a commit that let an event go.
            faults: Told each point (`shielded`, each table, `commit`, `committed`); tests fail there.
        """
        self._place = place
        self._sessions = Sessions(place)
        self._committed = committed
        self._fault = faults

    def held(self, *, limit: int) -> list[Held]:
        """Return what is held back (`Shieldings`). Raises UnavailableError."""
        with self._sessions.lent() as session, session.reading():
            rows = session.execute(_HELD, (limit,)).fetchall()
        return [
            Held(
                number=number,
                event=Event(
                    id=EventId(event),
                    type=kind,
                    partition=Pseudonym(partition),
                    queues=tuple(queues.split()),
                    body=bytes(body),
                    related=read_persons(related),
                ),
            )
            for number, event, kind, partition, queues, body, related in rows
        ]

    def write(self, done: Done) -> bool:
        """Commit it (`Shieldings`). Raises UnavailableError."""
        with self._sessions.lent() as session, overwriting(self._place, session):
            with session.writing(Turn.JOURNAL):
                if not self._shielded(session, done):
                    return False
                self._fault("shielded")
                if done.leaf is not None and done.sealed is not None:
                    group = Group(session, done.at, [])
                    place = group.rows.position
                    group.rows.log((done.leaf,), done.sealed.records)
                    group.write(self._fault)
                    key = (place, done.event, written(done.at), done.sealed.key_id, done.sealed.wrapped_key)
                    session.execute(_KEY, key)
                    self._fault("shieldings")
                self._fault("commit")
            self._fault("committed")
        self._committed()
        return True

    def close(self) -> None:
        """Close the connections."""
        self._sessions.close()

    def _shielded(self, session: Session, done: Done) -> bool:
        related = written_persons(done.related)
        if isinstance(self._place, PostgresPlace):
            (found,) = session.execute(
                "SELECT gateway_shield(?, ?, ?, ?)", (done.number, done.event, done.body, related)
            ).fetchone()
            return bool(found)
        return bool(session.execute(_SHIELD, (done.body, related, done.number, done.event)).fetchall())
