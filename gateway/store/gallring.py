"""What is sealed of a dispatch, destroyed: content, hidden records, keys, and whose it was (SFB 114 kap. 15 §).

Its facts stay: that it was, where it went, when, how it ended, and its leaves, which are proven as before. Acts as the
owner: nobody who serves may destroy anything of the log.

What has lain in a mailbox is emptied by itself (`empty`), when it has been kept as long as was agreed: command, payload
and envelope go with their keys, and nothing can tell any more what the message said. The log's record of it stays until
it is destroyed too: that we disclosed something, to whom and why must be told for longer (SFB 114 kap.; C-154/21).
It was sealed with the payload, and is sealed anew. On PostgreSQL the dispatcher may do just this, by a function.

What is deleted is written over: on SQLite at once, in the file and in the log beside it, which elsewhere is left to the
next time that a page is used; on PostgreSQL by its vacuum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from gateway.database import Session, Turn, written
from gateway.dispatch import DispatchId
from gateway.message import Sealed
from gateway.outbound import states
from gateway.outbound.ports import Held
from gateway.outbound.states import State
from gateway.store import held
from gateway.store.place import Place, PostgresPlace
from gateway.store.sessions import Sessions

_OVERDUE = "SELECT dispatch FROM deposits WHERE kept_until <= ? ORDER BY kept_until LIMIT 1"


def destroy(place: Place, dispatch: DispatchId) -> str:
    """Destroy what is sealed of one dispatch; return why that was refused, empty where it is done, now or before.

    Only of what has ended for good: until then its content may have to be sent again, or a person may ask for it.
    Raises UnavailableError.
    """
    sessions = Sessions(place)
    try:
        with sessions.lent() as session, overwriting(place, session), session.writing(Turn.JOURNAL):
            row = session.execute("SELECT id, state FROM dispatches WHERE dispatch = ?", (dispatch,)).fetchone()
            if row is None:
                return "there is no such dispatch"
            if State(row[1]) not in states.FINAL:
                return f"it is {row[1]}, and has not ended for good"
            number = (row[0],)
            if session.execute("SELECT 1 FROM outbox WHERE dispatch = ? LIMIT 1", number).fetchone():
                return "its events are not delivered yet"
            for first, count in session.execute(
                "SELECT first_leaf, leaf_count FROM timeline WHERE dispatch = ? AND first_leaf IS NOT NULL", number
            ).fetchall():
                session.execute("DELETE FROM records WHERE position >= ? AND position < ?", (first, first + count))
            session.execute("DELETE FROM contents WHERE dispatch = ?", number)
            session.execute("UPDATE dispatches SET pseudonym = NULL WHERE id = ?", number)
    finally:
        sessions.close()
    return ""


def empty(place: Place, at: datetime, reseal: Callable[[Held], Sealed]) -> int:
    """Destroy the content of what has lain in mailboxes and been kept long enough; return of how many.

    Args:
        place: The store, on behalf of the dispatcher or the owner.
        at: The time.
        reseal: Seals the record of the intent without the payload (`outbound.mailbox.emptied`).

    Raises:
        UnavailableError: what is not done is done the next time.
        IntegrityError: a seal is broken.
    """
    sessions, moment, count = Sessions(place), written(at), 0
    by = _by_function if isinstance(place, PostgresPlace) else _by_hand
    try:
        with sessions.lent() as session, overwriting(place, session):
            # Each in a transaction of its own, and found in it: another process may be doing it too.
            while True:
                with session.writing(Turn.JOURNAL):
                    row = session.execute(_OVERDUE, (moment,)).fetchone()
                    if row is None:
                        return count
                    (one,) = held.read(session, [row[0]], names=("payload",))
                    by(session, row[0], moment, one, reseal(one) if "payload" in one.contents else None)
                count += 1
    finally:
        sessions.close()


@contextmanager
def overwriting(place: Place, session: Session) -> Iterator[None]:
    """Have SQLite write over what is deleted inside; the log beside the file is emptied at the end, if nobody reads."""
    if isinstance(place, PostgresPlace):
        yield
        return
    session.execute("PRAGMA secure_delete=ON")
    before = session.execute("SELECT total_changes()").fetchone()
    yield
    if session.execute("SELECT total_changes()").fetchone() != before:
        session.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _by_function(session: Session, number: int, moment: str, one: Held, new: Sealed | None) -> None:
    del one
    sealed = (None, None, None) if new is None else (new.key_id, new.wrapped_key, new.records[0])
    session.execute("SELECT gateway_empty_deposit(?, ?, ?, ?, ?)", (number, moment, *sealed))


def _by_hand(session: Session, number: int, moment: str, one: Held, new: Sealed | None) -> None:
    """Do on SQLite what the function does."""
    session.execute("DELETE FROM contents WHERE dispatch = ? AND name IN ('command', 'envelope')", (number,))
    if new is not None and one.intent is not None:
        position, intent = one.intent
        (step,) = session.execute(
            "DELETE FROM contents WHERE dispatch = ? AND name = 'payload' RETURNING step", (number,)
        ).fetchone()
        session.execute(
            "INSERT INTO contents (dispatch, step, name, key_id, wrapped_key, sealed) VALUES (?, ?, '', ?, ?, ?)",
            (number, step, new.key_id, new.wrapped_key, b""),
        )
        session.execute("DELETE FROM records WHERE position = ?", (position,))
        session.execute(
            "INSERT INTO records (position, pseudonym, sealed) VALUES (?, ?, ?)",
            (position, intent.pseudonym, new.records[0]),
        )
    session.execute("UPDATE deposits SET kept_until = NULL, emptied_at = ? WHERE dispatch = ?", (moment, number))
