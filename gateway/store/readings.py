"""Who reads the log, written down before they are answered: the way into the log of readings.

`Readings.read` returns when the reading is durable, and not before; then, and only then, the answer may be let out. Its
leaf stands in a log of its own, with tables, tree, origin and anchor of its own (`log.READINGS`), integrated by the
same code as the audit log. Positions are given under a turn of its own: 0, 1, 2 … without gaps, whatever the number of
readers, and none of them keeps a message waiting.

Each reading is sealed under a data key of its own. Nobody deletes one: it must be told for as long as the log is asked.

On PostgreSQL a reader may call one function (m0011), which numbers and inserts, and nothing more: neither the auditor
nor the archivist sees that anybody else has read anything, though both add to it. The function writes which of the
database's accounts called it, and when by the server's clock. On SQLite whoever reads the file may write it, and this
module does what the function does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.audit import leaf, note, proof, reading, verify
from gateway.audit.reading import Reading
from gateway.database import Row, Session, Turn, instant, written
from gateway.errors import IntegrityError
from gateway.message import Leaf, LeafHash, Sealed
from gateway.store.log import READINGS, StoredLog
from gateway.store.place import Place, PostgresPlace
from gateway.store.sessions import Sessions
from gateway.trust.sealing import Sealer

_KEPT = (
    "SELECT l.position, l.hash, l.entry, l.at, r.account, r.key_id, r.wrapped_key, r.sealed FROM reading_leaves l "
    "LEFT JOIN reading_records r ON r.position = l.position "
)
PAGE = 500
"""Readings that are held in memory at once."""


class Readings:
    """Belongs to as many threads as want it: each has a connection for as long as it writes."""

    def __init__(
        self,
        place: Place,
        *,
        sealer: Sealer,
        random: Callable[[int], bytes],
        faults: Callable[[str], None] = lambda _point: None,
    ) -> None:
        """Open the store.

        Args:
            place: The store, on behalf of whoever reads. Raises IntegrityError if none is there.
            sealer: Seals what was read.
            random: For the salts.
            faults: Told each point of a write (`leaf`, `commit`, `committed`); tests fail there.
        """
        self._add = _by_function if isinstance(place, PostgresPlace) else _by_hand
        self._sessions = Sessions(place)
        self._sealer = sealer
        self._random = random
        self._fault = faults

    def read(self, reading_: Reading) -> int:
        """Write a reading down, and return its position once it is durable. Until then nothing may be answered.

        Raises:
            UnavailableError: It is not known to be written; nothing may be answered. Reading again writes another.
            IntegrityError: It is no reading, or the store cannot hold it.
        """
        made = reading.read(reading_, salt=self._random(leaf.SALT))
        sealed = self._sealer.seal(b"", (made,))
        with self._sessions.lent() as session:
            with session.writing(Turn.READINGS):
                position = self._add(session, made, sealed, written(reading_.at), self._fault)
                self._fault("commit")
            self._fault("committed")
        return position

    def close(self) -> None:
        """Close the connections. May be called twice."""
        self._sessions.close()


def _by_function(session: Session, made: Leaf, sealed: Sealed, at: str, fault: Callable[[str], None]) -> int:
    del at  # the server's own time stands there; the reader's is under seal
    (record,) = sealed.records
    # With its schema: the auditor's search path has another.
    row = session.execute(
        "SELECT public.gateway_log_reading(?, ?, ?, ?, ?)",
        (made.hash, made.entry, sealed.key_id, sealed.wrapped_key, record),
    ).fetchone()
    fault("leaf")
    return int(row[0])


def _by_hand(session: Session, made: Leaf, sealed: Sealed, at: str, fault: Callable[[str], None]) -> int:
    (record,) = sealed.records
    position = StoredLog(session, READINGS).length()
    session.insert("reading_leaves", "position, hash, entry, at", [(position, made.hash, made.entry, at)])
    fault("leaf")
    session.insert(
        "reading_records",
        "position, account, key_id, wrapped_key, sealed",
        [(position, "", sealed.key_id, sealed.wrapped_key, record)],
    )
    return position


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A reading as it is kept: its leaf, and its record under seal."""

    position: int
    hash: LeafHash
    entry: bytes
    at: datetime
    account: str | None
    """The database's, where it has roles; None where the record is not there."""
    sealed: Sealed | None = field(repr=False)
    """None where it is not there: nothing of ours takes one away."""

    def opened(self, sealer: Sealer) -> Reading:
        """Open the record, prove that it is the one its leaf commits to, and return the reading.

        Raises IntegrityError.
        """
        if self.sealed is None:
            raise IntegrityError(f"the record of reading {self.position} is not there")
        ((salt, record),) = sealer.open(self.sealed, (self.hash,)).records
        leaf.check(self.entry, salt=salt, record=record)
        return reading.told(record)


class ReadingViews:
    """What may be asked about readings. Opens the store for each question, so it may be kept by any thread."""

    def __init__(self, place: Place) -> None:
        """`place` acts as the overseer; for `length`, `unsigned` and `checkpoint` also as whoever serves."""
        self._place = place

    def at(self, position: int) -> Kept | None:
        """Return the reading with this number, from 0."""
        with self._reading() as session:
            row = session.execute(f"{_KEPT} WHERE l.position = ?", (position,)).fetchone()
        return None if row is None else _kept(row)

    def newest(self, *, before: int | None = None) -> Iterator[Kept]:
        """Yield readings, the newest first, or those before a position."""
        while True:
            with self._reading() as session:
                if before is None:
                    before = StoredLog(session, READINGS).length()
                rows = session.execute(
                    f"{_KEPT} WHERE l.position < ? ORDER BY l.position DESC LIMIT ?", (before, PAGE)
                ).fetchall()
            yield from map(_kept, rows)
            if len(rows) < PAGE:
                return
            before = rows[-1][0]

    def position(self, leaf_: LeafHash) -> int | None:
        """Return where the reading stands whose leaf has this hash; None if nowhere."""
        with self._log() as log:
            return log.position(leaf_)

    def proof(self, position: int) -> proof.Proof | None:
        """Return the proof that the log of readings holds one; None if it does not.

        Raises UnavailableError when it does, but no checkpoint covers it yet: ask again within the merge delay.
        """
        with self._log() as log:
            return log.proven(position) if 0 <= position < log.length() else None

    def checkpoint(self) -> bytes:
        """Return the last signed checkpoint. Raises IntegrityError if there is none."""
        with self._log() as log:
            return log.last().note

    def length(self) -> int:
        """Return how many readings there are, signed for or not."""
        with self._log() as log:
            return log.length()

    def unsigned(self, now: datetime) -> tuple[int, timedelta]:
        """Return how many readings no checkpoint covers yet, and how long the oldest has waited."""
        with self._reading() as session:
            log = StoredLog(session, READINGS)
            last, length = log.last().size, log.length()
            row = session.execute("SELECT at FROM reading_leaves WHERE position = ?", (last,)).fetchone()
        return length - last, (now - instant(row[0])) if row else timedelta(0)

    def verify(self, key: note.Key, sealer: Sealer | None = None) -> verify.Report:
        """Compute the whole log of readings again and compare everything. Raises IntegrityError.

        Args:
            key: The audit log's public key: this log's is the same by its own name.
            sealer: Opens every record too, and proves it to be the one that its leaf commits to.
        """
        with self._log() as log:
            report = verify.log(log.entries(), log.checkpoints(), READINGS.key(key), read=log.tile)
        for kept in self.newest():
            if kept.sealed is None:
                raise IntegrityError(f"the record of reading {kept.position} is not there")
            if sealer is not None:
                kept.opened(sealer)
        return report

    @contextmanager
    def _log(self) -> Iterator[StoredLog]:
        with self._reading() as session:
            yield StoredLog(session, READINGS)

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        session = self._place.open()
        try:
            with session.translated(), session.reading():
                yield session
        finally:
            session.close()


def _kept(row: Row) -> Kept:
    position, hash_, entry, at, account, key_id, wrapped_key, record = row
    sealed = (
        None
        if record is None
        else Sealed(key_id=key_id, wrapped_key=bytes(wrapped_key), evidence=b"", records=(bytes(record),))
    )
    return Kept(
        position=position,
        hash=LeafHash(bytes(hash_)),
        entry=bytes(entry),
        at=instant(at),
        account=account,
        sealed=sealed,
    )
