"""What operators and auditors ask of the store: read only, one method a question.

Rows come back as small frozen forms; sealed things stay sealed (`trust.sealing` opens them, for those who hold the
key).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select
from sqlalchemy.exc import DBAPIError

from gateway import codes
from gateway.audit import note, tree, verify
from gateway.audit.checkpoint import Checkpoint
from gateway.audit.policy import Policy
from gateway.audit.proof import Proof
from gateway.database import Session, instant
from gateway.errors import UnavailableError
from gateway.message import LeafHash, MessageId, Pseudonym, RecordOutcome, Sealed
from gateway.review import WAITING, State
from gateway.store import gaps, schema
from gateway.store.cosignatures import StoredCosignatures
from gateway.store.entries import read_outcomes
from gateway.store.log import StoredLog
from gateway.store.place import Place

_Row = Row[*tuple[Any, ...]]
_Query = Select[*tuple[Any, ...]]
_REFUSED = [schema.refusals.c[one] for one in ("id", "partner", "contract", "code", "step", "detail", "at")]
_REFUSED += [schema.refusals.c.quarantined, schema.refusals.c.position]
_APART = (
    (schema.registers, schema.registers.c.position),
    (schema.declarations, schema.declarations.c.position),
    (schema.reviews, schema.reviews.c.outcome),
    (schema.gallringar, schema.gallringar.c.position),
    (schema.hold_steps, schema.hold_steps.c.position),
    (schema.shieldings, schema.shieldings.c.position),
)
"""Tables whose rows have a leaf with a seal of its own, and where each says which."""
_ORPHANED = timedelta(hours=1)
"""How late the end of an intent may be before that is an alarm."""
_COUNTED = ("messages", "refusals", "quarantine", "leaves", "outbox", "protections", "checkpoints")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An accepted message."""

    number: int
    partner: str
    organisation: str
    message_id: str
    digest: str
    contract: str
    signer: str
    created: datetime
    received_at: datetime
    accepted_at: datetime
    policy: str
    outcomes: tuple[RecordOutcome, ...]
    first_leaf: int
    leaf_count: int
    undelivered: int
    """Its events that the broker has not confirmed yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A refused message."""

    number: int
    partner: str
    contract: str
    code: str
    step: str
    detail: str
    at: datetime
    quarantined: bool
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A leaf of the log, and what it tells of."""

    position: int
    hash: LeafHash
    entry: bytes
    message: int | None
    refusal: int | None
    dispatch: int | None


class Views:
    """Opens the store for each question, so it may be kept by any thread and holds nothing up.

    Every question names the columns it wants: an auditor's database shows some, and not the others.
    """

    def __init__(self, place: Place) -> None:
        """Raises IntegrityError if no store is there."""
        self._place = place
        self._engine = place.engine()

    def counts(self) -> Mapping[str, int]:
        """Return how many rows each table of interest has."""
        with self._reading() as connection:
            return {
                name: connection.scalar(select(func.count()).select_from(schema.METADATA.tables[name])) or 0
                for name in _COUNTED
            }

    def messages(self, *, message_id: MessageId | None = None, limit: int = 100) -> Sequence[Message]:
        """Return accepted messages, the newest first; several senders may have used one id."""
        table = schema.messages
        query = select(table).order_by(table.c.id.desc()).limit(limit)
        if message_id is not None:
            query = query.where(table.c.message_id == message_id)
        rows = self._all(query)
        mine = schema.outbox.c.message
        waiting = select(mine, func.count()).where(mine.in_([row.id for row in rows])).group_by(mine)
        undelivered = {row[0]: row[1] for row in self._all(waiting)}
        return [_message(row, undelivered.get(row.id, 0)) for row in rows]

    def numbers(self, message_id: MessageId) -> Sequence[int]:
        """Return the numbers of the accepted messages with this id: several senders may have used it."""
        table = schema.messages.c
        return [row.id for row in self._all(select(table.id).where(table.message_id == message_id).order_by(table.id))]

    def message(self, number: int) -> Message | None:
        """Return an accepted message by its number in the store; `undelivered` is not looked at."""
        row = self._one(select(schema.messages).where(schema.messages.c.id == number))
        return None if row is None else _message(row, 0)

    def refusals(self, *, code: str | None = None, limit: int = 100) -> Sequence[Refused]:
        """Return refused messages, the newest first."""
        table = schema.refusals
        query = select(*_REFUSED).order_by(table.c.id.desc()).limit(limit)
        if code is not None:
            query = query.where(table.c.code == code)
        return [
            Refused(
                number=row.id,
                partner=row.partner,
                contract=row.contract,
                code=row.code,
                step=row.step,
                detail=row.detail,
                at=instant(row.at),
                quarantined=row.quarantined,
                position=row.position,
            )
            for row in self._all(query)
        ]

    def refused_by_code(self) -> Mapping[str, int]:
        """Return how many messages were refused, by code."""
        table = schema.refusals
        query = select(table.c.code, func.count()).group_by(table.c.code).order_by(table.c.code)
        return {row[0]: row[1] for row in self._all(query)}

    def leaf(self, leaf: LeafHash) -> Entry | None:
        """Return the leaf with this hash, as a receipt quotes it."""
        with self._log() as log:
            position = log.position(leaf)
        return None if position is None else self._entries(schema.leaves.c.position == position)[0]

    def at(self, position: int) -> Entry | None:
        """Return the leaf with this number in the log, from 0."""
        return next(iter(self._entries(schema.leaves.c.position == position)), None)

    def leaves(self, message: int) -> Sequence[Entry]:
        """Return the leaves of an accepted message, in order of its records."""
        table = schema.messages
        row = self._one(select(table.c.first_leaf, table.c.leaf_count).where(table.c.id == message))
        first, count = (row.first_leaf, row.leaf_count) if row else (0, 0)
        return self._entries(schema.leaves.c.position.between(first, first + count - 1))

    def history(self, person: Pseudonym) -> Sequence[Entry]:
        """Return every leaf about one person, the oldest first: who gave what about them, and what was decided."""
        mine = select(schema.records.c.position).where(schema.records.c.pseudonym == person)
        return self._entries(schema.leaves.c.position.in_(mine))

    def of_case(self, case: str) -> Sequence[int]:
        """Return the positions of every leaf of one case of ours, by the keyed hash of its reference."""
        table = schema.trail.c
        return [row.position for row in self._all(select(table.position).where(table.case_key == case))]

    def refused_leaves(self, refusal: int) -> Sequence[Entry]:
        """Return the leaves of a refusal."""
        return self._entries(schema.leaves.c.refusal == refusal)

    def sealed_message(self, message: int) -> Sealed | None:
        """Return evidence and records of an accepted message; None after gallring."""
        table = schema.evidence
        row = self._one(select(table).where(table.c.message == message))
        if row is None:
            return None
        emptied = not row.sealed and self._gallrad(message)
        return self._sealed(
            row.key_id, row.wrapped_key, row.sealed, schema.leaves.c.message == message, emptied=emptied
        )

    def _gallrad(self, message: int) -> bool:
        """Tell whether a rule has destroyed a message's bytes: what is empty without one is not believed."""
        table = schema.gallrade.c
        mine = (table.data == "evidence") & (table.first <= message) & (table.last >= message)
        return self._one(select(table.gallring).where(mine)) is not None

    def sealed_refusal(self, refusal: int) -> Sealed | None:
        """Return the record of a refusal, and its evidence if it was quarantined; None after gallring."""
        table, apart = schema.refusals, schema.quarantine
        row = self._one(
            select(table.c.key_id, table.c.wrapped_key, apart.c.sealed)
            .outerjoin_from(table, apart)
            .where(table.c.id == refusal)
        )
        if row is None or row.wrapped_key is None:
            return None
        return self._sealed(row.key_id, row.wrapped_key, row.sealed or b"", schema.leaves.c.refusal == refusal)

    def sealed_review(self, position: int) -> Sealed | None:
        """Return the record of the leaf that says what people decided of what came in; None where that is no such."""
        table = schema.reviews.c
        row = self._one(select(table.key_id, table.wrapped_key).where(table.outcome == position))
        if row is None or row.wrapped_key is None:
            return None
        return self._sealed(row.key_id, row.wrapped_key, b"", schema.leaves.c.position == position)

    def sealed_apart(self, position: int) -> Sealed | None:
        """Return the record of a leaf that has a seal of its own: of what governs, was reviewed, destroyed or held."""
        for table, at in _APART:
            row = self._one(select(table.c.key_id, table.c.wrapped_key).where(at == position))
            if row is not None and row.wrapped_key is not None:
                return self._sealed(row.key_id, row.wrapped_key, b"", schema.leaves.c.position == position)
        return None

    def checkpoint(self) -> bytes:
        """Return the last signed checkpoint. Raises IntegrityError if there is none."""
        with self._log() as log:
            return log.last().note

    def unsigned(self, now: datetime) -> tuple[int, timedelta]:
        """Return how many leaves no checkpoint covers yet, and how long the oldest has waited."""
        with self._log() as log:
            last, length = log.last().size, log.length()
        tables = (schema.leaves, schema.messages, schema.refusals, schema.timeline, schema.registers)
        leaves, messages, refusals, steps, registers = (table.c for table in tables)
        declarations, reviews = schema.declarations.c, schema.reviews.c
        destroyed, held, shielded = schema.gallringar.c, schema.hold_steps.c, schema.shieldings.c
        step = (steps.dispatch == leaves.dispatch) & (steps.first_leaf <= leaves.position)
        query = (
            select(
                func.coalesce(
                    messages.accepted_at,
                    refusals.at,
                    steps.at,
                    registers.taken_at,
                    declarations.at,
                    reviews.changed_at,
                    destroyed.at,
                    held.at,
                    shielded.at,
                )
            )
            .select_from(schema.leaves)
            .outerjoin(schema.messages, messages.id == leaves.message)
            .outerjoin(schema.refusals, refusals.id == leaves.refusal)
            .outerjoin(schema.timeline, step & (leaves.position < steps.first_leaf + steps.leaf_count))
            .outerjoin(schema.registers, registers.position == leaves.position)
            .outerjoin(schema.declarations, declarations.position == leaves.position)
            .outerjoin(schema.reviews, reviews.outcome == leaves.position)
            .outerjoin(schema.gallringar, destroyed.position == leaves.position)
            .outerjoin(schema.hold_steps, held.position == leaves.position)
            .outerjoin(schema.shieldings, shielded.position == leaves.position)
            .where(leaves.position == last)
        )
        row = self._one(query)
        return length - last, (now - instant(row[0])) if row and row[0] else timedelta(0)

    def reviewed(self, now: datetime) -> dict[tuple[str, str], tuple[int, float]]:
        """Return what waits for people, by role and kind: how many, and for how many seconds the oldest has waited."""
        table = schema.reviews.c
        query = (
            select(table.role, table.kind, func.count(), func.min(table.opened_at))
            .where(table.state.in_(sorted(WAITING)))
            .group_by(table.role, table.kind)
        )
        return {
            (role, kind): (count, (now - instant(oldest)).total_seconds())
            for role, kind, count, oldest in self._all(query)
        }

    def unsettled(self, now: datetime) -> dict[str, tuple[int, float]]:
        """Return what people have answered and nobody has carried out, by kind: how many, and the oldest's seconds."""
        table = schema.reviews.c
        query = (
            select(table.kind, func.count(), func.min(table.changed_at))
            .where(table.state == State.ANSWERED)
            .group_by(table.kind)
        )
        return {kind: (count, (now - instant(oldest)).total_seconds()) for kind, count, oldest in self._all(query)}

    def orphaned(self, now: datetime) -> int:
        """Return how many intents to disclose have no end, an hour after they should have had one."""
        with self._session() as session:
            return gaps.orphans(session, now - _ORPHANED)

    def gallring(self, now: datetime) -> tuple[dict[str, tuple[int, int, int, float]], float | None]:
        """Return what each rule of gallring had come to when somebody last looked, and how many seconds ago that was.

        By rule: how many were due, held, and refused, and for how many seconds the first has been due. None: nobody
        has looked.
        """
        rows = self._all(select(schema.gallring_due))
        looked = max((instant(row.at) for row in rows), default=None)
        found = {
            row.rule: (
                row.ripe if row.destroys else 0,
                row.held,
                0 if row.destroys else row.ripe,
                0.0 if row.oldest is None else (now - instant(row.oldest)).total_seconds(),
            )
            for row in rows
        }
        return found, None if looked is None else (now - looked).total_seconds()

    def length(self) -> int:
        """Return how many leaves the log has, signed for or not."""
        with self._log() as log:
            return log.length()

    def proof(self, leaf: LeafHash, policy: Policy | None = None) -> Proof | None:
        """Return the proof that the log holds a leaf; None if it has none of this hash, which is searched for.

        Raises as `proof_at` does.
        """
        found = self.leaf(leaf)
        return None if found is None else self.proof_at(found.position, policy)

    def proof_at(self, position: int, policy: Policy | None = None) -> Proof:
        """Return the proof that the log holds its leaf at `position`.

        It stands on the newest checkpoint that has the quorum of `policy`, where one that covers the leaf has; else on
        the newest. Whatever witnesses have cosigned of it comes with it.

        Raises UnavailableError where no checkpoint covers it yet: ask again within the merge delay.
        """
        with self._session() as session:
            log = StoredLog(session)
            last = log.last()
            if position >= last.size:
                raise UnavailableError(codes.STORE_UNAVAILABLE, f"leaf {position} is not signed for yet")
            origin = last.note.partition(b"\n")[0].decode()
            shown = StoredCosignatures(session, origin).shown(policy, least=position + 1)
            path = tree.inclusion(position, shown.size, log.nodes())
            return Proof(index=position, path=path, checkpoint=shown.note)

    def consistency(self, first: int) -> tuple[Checkpoint, tuple[bytes, ...]]:
        """Return the last checkpoint (unverified) and the proof that it only adds to the log of `first` leaves."""
        with self._log() as log:
            last = log.last()
            path = tree.consistency(first, last.size, log.nodes())
            origin = last.note.partition(b"\n")[0].decode()
            return Checkpoint(origin=origin, size=last.size, root=last.root), path

    def verify_log(self, key: note.Key) -> verify.Report:
        """Compute the whole log again from its entries and compare everything. Raises IntegrityError.

        Beyond what `audit.verify` does: positions without gaps, hashes, and every leaf told of by exactly one message,
        refusal or step of a dispatch, so that nothing happened without its leaf and no leaf has lost what it tells of.
        """
        with self._log() as log:
            report = verify.log(log.entries(), log.checkpoints(), key, read=log.tile)
            log.check_owners()
            return report

    def close(self) -> None:
        """Let go of the engine."""
        self._engine.dispose()

    def _entries(self, condition: ColumnElement[bool]) -> list[Entry]:
        table = schema.leaves
        return [
            Entry(
                position=row.position,
                hash=LeafHash(row.hash),
                entry=row.entry,
                message=row.message,
                refusal=row.refusal,
                dispatch=row.dispatch,
            )
            for row in self._all(select(table).where(condition).order_by(table.c.position))
        ]

    def _sealed(
        self, key_id: str, wrapped_key: bytes, evidence: bytes, leaves: ColumnElement[bool], *, emptied: bool = False
    ) -> Sealed:
        query = (
            select(schema.records.c.sealed)
            .outerjoin_from(schema.leaves, schema.records)
            .where(leaves)
            .order_by(schema.leaves.c.position)
        )
        records = tuple(row.sealed or b"" for row in self._all(query))
        return Sealed(key_id=key_id, wrapped_key=wrapped_key, evidence=evidence, records=records, emptied=emptied)

    def _all(self, query: _Query) -> Sequence[_Row]:
        with self._reading() as connection:
            return connection.execute(query).all()

    def _one(self, query: _Query) -> _Row | None:
        with self._reading() as connection:
            return connection.execute(query).first()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            raise UnavailableError(codes.STORE_UNAVAILABLE, type(error.orig).__name__) from error

    @contextmanager
    def _log(self) -> Iterator[StoredLog]:
        with self._session() as session:
            yield StoredLog(session)

    @contextmanager
    def _session(self) -> Iterator[Session]:
        session = self._place.open()
        try:
            with session.translated(), session.reading():
                yield session
        finally:
            session.close()


def _message(row: _Row, undelivered: int) -> Message:
    return Message(
        number=row.id,
        partner=row.partner,
        organisation=row.organisation,
        message_id=row.message_id,
        digest=row.digest,
        contract=row.contract,
        signer=row.signer,
        created=instant(row.created),
        received_at=instant(row.received_at),
        accepted_at=instant(row.accepted_at),
        policy=row.policy,
        outcomes=read_outcomes(row.outcomes),
        first_leaf=row.first_leaf,
        leaf_count=row.leaf_count,
        undelivered=undelivered,
    )
