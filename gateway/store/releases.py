"""What people decided of what came in, for whoever carries it out (`inbound.releasing.Releases`).

One review is settled in one transaction, under the journal's turn: its step, its leaf, the event, what was learned,
what is asked next, and of a quarantined message all that an accepted one has. **Before the commit nothing has happened;
after it everything has.** Who settles follows on the step that was read, so that two who settle one do it once; and a
message that was accepted meanwhile is found again, so that a released one is never there twice.

The record of a review's leaf is sealed under a key of its own, which stands with the review. What is destroyed of a
quarantined message is written over, as everywhere (`gallring`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from gateway.database import Row, Session, Turn, written
from gateway.errors import IntegrityError
from gateway.inbound.reading import Waiting
from gateway.inbound.releasing import Done
from gateway.message import LeafHash, Protection, Provenance, Sealed
from gateway.review import TRANSITIONS, Kind, State
from gateway.store import waiting
from gateway.store.entries import Group, read_provenance
from gateway.store.gallring import overwriting
from gateway.store.place import Place, PostgresPlace
from gateway.store.rows import OUTBOX, RANK, Into, insert
from gateway.store.sessions import Sessions
from gateway.store.waiting import Moved, Waits

_FACTS = """
    SELECT r.id, r.step, r.kind, r.state, r.record, r.partner, r.organisation, r.contract, r.basis, r.reasons, r.role,
           r.laws, r.lagrum, r.answer, r.fields, r.message, r.refusal, l.hash, r.dispatch, d.dispatch
    FROM reviews r JOIN leaves l ON l.position = r.leaf LEFT JOIN dispatches d ON d.id = r.dispatch
"""
_ANSWERED = f"{_FACTS} WHERE r.state = 'answered' AND r.kind <> 'dispatch' ORDER BY r.changed_at, r.id LIMIT ?"
_EXPIRED = (
    f"{_FACTS} WHERE r.state IN ('open', 'asked') AND r.kind <> 'dispatch' AND r.expires_at <= ? "
    "ORDER BY r.expires_at, r.id LIMIT ?"
)
_MESSAGE = (
    "SELECT partner, organisation, message_id, digest, contract, soap, action, signer, created, received_at, "
    "first_leaf, leaf_count FROM messages WHERE id = ?"
)
_LEAVES = "SELECT entry, hash FROM leaves WHERE position >= ? AND position < ? ORDER BY position"
_RECORDS = "SELECT sealed FROM review_records WHERE position >= ? AND position < ? ORDER BY position"
_COMMAND = """
    SELECT c.key_id, c.wrapped_key, c.sealed FROM reviews r JOIN review_contents c ON c.dispatch = r.dispatch
    WHERE r.id = ? AND c.name = 'command'
"""
_ANSWER = """
    SELECT c.key_id, c.wrapped_key, c.sealed, t.first_leaf, t.leaf_count
    FROM timeline t LEFT JOIN review_contents c ON c.dispatch = t.dispatch AND c.step = t.step AND c.name = 'answer'
    WHERE t.dispatch = ? AND t.happening = 'answer'
"""
_ASKED = "SELECT key_id, wrapped_key, sealed FROM review_contents WHERE dispatch = ? AND name = 'command'"


class StoredReleases:
    """Acts as the releaser. Shared between threads."""

    def __init__(
        self,
        place: Place,
        *,
        learned: Callable[[], None] = lambda: None,
        committed: Callable[[], None] = lambda: None,
        faults: Callable[[str], None] = lambda _point: None,
    ) -> None:
        """Open the store. Raises IntegrityError if it is not there, UnavailableError.

        Args:
            place: The store.
            learned: Called after a commit that changed what is known of protected identity.
            committed: Called after a commit that left events in the outbox.
            faults: Told each point of the way (each table, `emptied`, `commit`, `committed`); tests fail there.
        """
        self._place = place
        self._sessions = Sessions(place)
        self._learned = learned
        self._committed = committed
        self._fault = faults

    def answered(self, *, limit: int) -> Sequence[Waiting]:
        """Return what people have answered and is not carried out (`Releases`). Raises UnavailableError."""
        with self._sessions.lent() as session, session.reading():
            return [_waiting(session, row) for row in session.execute(_ANSWERED, (limit,)).fetchall()]

    def expired(self, at: datetime, *, limit: int) -> Sequence[Waiting]:
        """Return what nobody has answered in time (`Releases`). Raises UnavailableError."""
        with self._sessions.lent() as session, session.reading():
            return [_waiting(session, row) for row in session.execute(_EXPIRED, (written(at), limit)).fetchall()]

    def get(self, number: int) -> Waiting | None:
        """Return one review as it stands, whatever that is; None if there is none of what came in."""
        with self._sessions.lent() as session, session.reading():
            row = session.execute(f"{_FACTS} WHERE r.id = ? AND r.kind <> 'dispatch'", (number,)).fetchone()
            return None if row is None else _waiting(session, row)

    def protections(self, number: int) -> Mapping[tuple[int, bool], Protection]:
        """Return what is known now of those whom a review is about: by record, and whether it is its own person."""
        found: dict[tuple[int, bool], Protection] = {}
        with self._sessions.lent() as session, session.reading():
            rows = session.execute(
                "SELECT record, own, protection FROM review_protections WHERE review = ?", (number,)
            ).fetchall()
        for record, own, protection in rows:
            key, said = (record, bool(own)), Protection(protection)
            found[key] = max(found.get(key, said), said, key=RANK.__getitem__)
        return found

    def command(self, number: int) -> Sealed | None:
        """Return the sealed command of the dispatch that a review is about; None where it is gone."""
        with self._sessions.lent() as session, session.reading():
            row = session.execute(_COMMAND, (number,)).fetchone()
            return None if row is None else _sealed(session, row, (0, 0))

    def write(self, done: Done) -> bool:
        """Commit what came of one review (`Releases`).

        Raises ConflictError where another message has the id of the one that is released, UnavailableError.
        """
        with self._sessions.lent() as session, overwriting(self._place, session):
            with session.writing(Turn.JOURNAL):
                group = Group(session, done.at, [] if done.ready is None else [done.ready.provenance])
                if not self._settled(session, done, group):
                    return False
                self._fault("commit")
            self._fault("committed")
        if group.rows.learned:
            self._learned()
        if group.rows.outbox or done.events:
            self._committed()
        return True

    def close(self) -> None:
        """Close the connections. Calls are turned away from now on."""
        self._sessions.close()

    def _settled(self, session: Session, done: Done, group: Group) -> bool:
        held = waiting.lock(session, done.review)
        if (
            held is None
            or held.step != done.follows
            or TRANSITIONS.get((held.standing.state, done.action)) != done.after
        ):
            return False
        number = held.number
        about = session.execute("SELECT message, refusal, dispatch FROM reviews WHERE id = ?", (number,)).fetchone()
        # What was sealed apart goes first: it may only while the review is answered.
        if done.rest is not None:
            self._empty(session, about[1], done.rest)
            self._fault("emptied")
        if done.ready is not None:
            group.accept(done.ready)
        rows = group.rows
        place = rows.position
        rows.log((done.leaf,), done.sealed.records)
        rows.send(done.events, message=about[0] or 0)
        rows.learn(done.learned)
        answering: list[Row] = []
        if about[2] is not None:  # of an answer: its events are the dispatch's
            answering, rows.outbox = [(*row, about[2]) for row in rows.outbox], []
        group.write(self._fault)
        insert(session, [Into("outbox", f"{OUTBOX}, dispatch", answering)], self._fault)
        anew = waiting.opened(session, [Waits(one, place, *about) for one in done.opens], like=number)
        moved = Moved(done.action, done.after, done.at)
        waiting.move(session, held, moved, outcome=(place, done.sealed.key_id, done.sealed.wrapped_key))
        self._fault("review_steps")
        insert(session, anew, self._fault)
        return True

    def _empty(self, session: Session, refusal: int, rest: Sealed) -> None:
        """Destroy quarantined bytes and their key; the refusal's record stays, under a new one."""
        (record,) = rest.records
        if isinstance(self._place, PostgresPlace):
            session.execute(
                "SELECT gateway_empty_quarantine(?, ?, ?, ?)", (refusal, rest.key_id, rest.wrapped_key, record)
            )
            return
        (place,) = session.execute("SELECT position FROM refusals WHERE id = ?", (refusal,)).fetchone()
        session.execute("DELETE FROM quarantine WHERE refusal = ?", (refusal,))
        session.execute("DELETE FROM records WHERE position = ?", (place,))
        session.execute(
            "UPDATE refusals SET key_id = ?, wrapped_key = ? WHERE id = ?", (rest.key_id, rest.wrapped_key, refusal)
        )
        session.execute("INSERT INTO records (position, pseudonym, sealed) VALUES (?, NULL, ?)", (place, record))


def _waiting(session: Session, row: Row) -> Waiting:
    (
        number, step, kind, state, record, partner, organisation, contract, basis, reasons, role, laws, lagrum,
        answer, fields, message, refusal, about, dispatch, named,
    ) = row  # fmt: skip
    match Kind(kind):
        case Kind.RECORD:
            provenance, leaves, sealed = _message(session, message)
            reference, command = provenance.message_id if provenance is not None else "", None
        case Kind.ANSWER:
            provenance, reference = None, named
            leaves, sealed, command = _answer(session, dispatch)
        case _:
            provenance, (leaves, sealed) = None, _refusal(session, refusal)
            reference, command = bytes(about).hex(), None
    stands = State(state)
    return Waiting(
        number=number,
        step=step,
        kind=Kind(kind),
        state=stands,
        record=record,
        partner=partner,
        organisation=organisation,
        contract=contract,
        basis=basis,
        lagrum=tuple(lagrum.split()),
        reasons=tuple(reasons.split()),
        role=role,
        laws=tuple(laws.split()),
        said=waiting.said(session, number, answer, fields) if stands is State.ANSWERED else None,
        about=LeafHash(bytes(about)),
        reference=reference,
        provenance=provenance,
        leaves=leaves,
        sealed=sealed,
        command=command,
    )


Leaves = tuple[tuple[bytes, LeafHash], ...]


def _message(session: Session, message: int) -> tuple[Provenance | None, Leaves, Sealed | None]:
    row = session.execute(_MESSAGE, (message,)).fetchone()
    if row is None:
        raise IntegrityError("a review is about a message that is not here")
    span = (row[10], row[10] + row[11])
    apart = session.execute(
        "SELECT key_id, wrapped_key, sealed FROM review_evidence WHERE message = ?", (message,)
    ).fetchone()
    return read_provenance(row), _leaves(session, span), _sealed(session, apart, span)


def _refusal(session: Session, refusal: int) -> tuple[Leaves, Sealed | None]:
    (place,) = session.execute("SELECT position FROM refusals WHERE id = ?", (refusal,)).fetchone()
    span = (place, place + 1)
    apart = session.execute(
        "SELECT key_id, wrapped_key, sealed FROM review_quarantine WHERE refusal = ?", (refusal,)
    ).fetchone()
    return _leaves(session, span), _sealed(session, apart, span)


def _answer(session: Session, dispatch: int) -> tuple[Leaves, Sealed | None, Sealed | None]:
    """Return what is sealed of a partner's answer, and of the command that asked."""
    *apart, first, count = session.execute(_ANSWER, (dispatch,)).fetchone()
    span = (first, first + count)
    asked = session.execute(_ASKED, (dispatch,)).fetchone()
    return _leaves(session, span), _sealed(session, tuple(apart), span), _sealed(session, asked, (0, 0))


def _leaves(session: Session, span: tuple[int, int]) -> Leaves:
    return tuple((bytes(entry), LeafHash(bytes(hash_))) for entry, hash_ in session.execute(_LEAVES, span).fetchall())


def _sealed(session: Session, row: Row | None, span: tuple[int, int]) -> Sealed | None:
    if row is None or row[1] is None:
        return None
    records = tuple(bytes(one) for (one,) in session.execute(_RECORDS, span).fetchall())
    return Sealed(key_id=row[0], wrapped_key=bytes(row[1]), evidence=bytes(row[2]), records=records)
