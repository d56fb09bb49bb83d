"""A log as it is stored: leaves, tiles and checkpoints, read through one connection.

There are two, of the same form, and the same code keeps both: the audit log, and that of who has read it
(`readings.py`). Each has its own tables, origin, key name, integrator's lease and anchor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway import codes
from gateway.audit import note, proof, reading, tiles, tree
from gateway.database import Session
from gateway.errors import IntegrityError, UnavailableError
from gateway.store import leaf_index
from gateway.store.place import ANCHOR, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """Which log."""

    name: str
    suffix: str
    """What its origin has more than `[audit] origin`."""
    leaves: str
    """The names of its tables."""
    tiles: str
    index: str
    checkpoints: str
    lease: str
    """Of whoever integrates it."""
    anchor: str
    """The name of the file with its last checkpoint, beside the store."""

    def anchored(self, place: Place) -> Path:
        """Return where its checkpoint outside the database is."""
        return place.anchor.with_name(self.anchor)

    def key(self, key: note.Key) -> note.Key:
        """Return its public key, given the audit log's: the same by its own name, which is its origin (C2SP)."""
        return note.Key(key.name + self.suffix, key.public) if self.suffix else key

    def signer(self, signer: note.Signer) -> note.Signer:
        """Return what signs its checkpoints, given what signs the audit log's."""
        return signer.named(signer.key.name + self.suffix) if self.suffix else signer


AUDIT = Log(
    name="log",
    suffix="",
    leaves="leaves",
    tiles="tiles",
    index="leaf_index",
    checkpoints="checkpoints",
    lease="integrator",
    anchor=ANCHOR,
)
READINGS = Log(
    name="log of readings",
    suffix=reading.SUFFIX,
    leaves="reading_leaves",
    tiles="reading_tiles",
    index="reading_leaf_index",
    checkpoints="reading_checkpoints",
    lease="readings",
    anchor="readings.checkpoint",
)
LOGS = (AUDIT, READINGS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A checkpoint as it is stored: `note` is the truth, size and root are its index."""

    size: int
    root: bytes
    note: bytes


class StoredLog:
    """Belongs to one thread. Raises the driver's errors: whoever holds the transaction translates them."""

    def __init__(self, session: Session, log: Log = AUDIT) -> None:
        """`session` is of the store."""
        self._session = session
        self._log = log

    def last(self) -> Signed:
        """Return the last checkpoint. Raises IntegrityError: a log has one from its first moment."""
        row = self._session.execute(
            f"SELECT size, root, note FROM {self._log.checkpoints} ORDER BY size DESC LIMIT 1"  # noqa: S608  # our own name
        ).fetchone()
        if row is None:
            raise IntegrityError(f"the {self._log.name} has no checkpoint at all")
        return Signed(size=row[0], root=row[1], note=row[2])

    def step(self, after: int, most: int) -> Signed:
        """Return the longest checkpoint that is at most `most` leaves longer than `after`, else the next longer one.

        Raises IntegrityError if there is none.
        """
        query = f"SELECT size, root, note FROM {self._log.checkpoints} WHERE size > ? "  # noqa: S608  # our own name
        row = (
            self._session.execute(query + "AND size <= ? ORDER BY size DESC LIMIT 1", (after, after + most)).fetchone()
            or self._session.execute(query + "ORDER BY size LIMIT 1", (after,)).fetchone()
        )
        if row is not None:
            return Signed(size=row[0], root=row[1], note=row[2])
        raise IntegrityError(f"no checkpoint was signed after {after} leaves")

    def length(self) -> int:
        """Return how many leaves there are, signed for or not."""
        query = f"SELECT coalesce(max(position), -1) + 1 FROM {self._log.leaves}"  # noqa: S608  # our own name
        return int(self._session.execute(query).fetchone()[0])

    def leaves(self, first: int, limit: int) -> list[tuple[int, bytes, bytes]]:
        """Return (position, hash, entry) of the leaves from `first` on."""
        rows: list[tuple[int, bytes, bytes]] = self._session.execute(
            f"SELECT position, hash, entry FROM {self._log.leaves} WHERE position >= ? ORDER BY position LIMIT ?",  # noqa: S608
            (first, limit),
        ).fetchall()
        return rows

    def entries(self) -> Iterator[bytes]:
        """Yield every entry from the first, having checked that positions have no gaps and hashes are the entries'."""
        for expected, (position, stored, entry) in enumerate(
            self._session.stream(f"SELECT position, hash, entry FROM {self._log.leaves} ORDER BY position")  # noqa: S608
        ):
            check(expected, position, stored, entry)
            yield entry

    def checkpoints(self) -> Iterator[bytes]:
        """Yield every signed note, smallest first."""
        for (signed,) in self._session.stream(f"SELECT note FROM {self._log.checkpoints} ORDER BY size"):  # noqa: S608
            yield signed

    def check_owners(self) -> None:
        """Prove that messages, refusals, dispatches' steps, reviews, what governs and what was shielded cover it once.

        Of the audit log only. Raises IntegrityError.
        """
        expected = 0
        for first, count in self._session.stream(
            "SELECT first_leaf, leaf_count FROM messages UNION ALL SELECT position, 1 FROM refusals UNION ALL "
            "SELECT first_leaf, leaf_count FROM timeline WHERE first_leaf IS NOT NULL UNION ALL "
            "SELECT position, 1 FROM registers UNION ALL SELECT position, 1 FROM declarations UNION ALL "
            "SELECT position, 1 FROM gallringar UNION ALL SELECT position, 1 FROM shieldings UNION ALL "
            "SELECT position, 1 FROM hold_steps WHERE position IS NOT NULL "
            "UNION ALL SELECT outcome, 1 FROM reviews WHERE outcome IS NOT NULL AND kind <> 'dispatch' ORDER BY 1, 2"
        ):
            if first != expected:
                raise IntegrityError(f"leaf {min(first, expected)} is told of by no message, or by two")
            expected += count
        if self.length() != expected:
            raise IntegrityError(f"the messages tell of {expected} leaves, the log has {self.length()}")

    def tile(self, level: int, number: int) -> bytes:
        """Return a tile's hashes. Raises IntegrityError if it is not there."""
        row = self._session.execute(
            f"SELECT hashes FROM {self._log.tiles} WHERE level = ? AND number = ?",  # noqa: S608  # our own name
            (level, number),
        ).fetchone()
        if row is None:
            raise IntegrityError(f"tile {level}/{number} is not there")
        return bytes(row[0])

    def position(self, leaf: bytes) -> int | None:
        """Return where the leaf of this hash stands; None if nowhere.

        Asked of the leaves that are not signed for, of the index, and of the tiles: those that no full run of the index
        has, then all others. So that there is no such leaf is never the index's word.
        """
        last = self.last().size
        row = self._session.execute(
            f"SELECT position FROM {self._log.leaves} WHERE position >= ? AND hash = ?",  # noqa: S608  # our own name
            (last, leaf),
        ).fetchone()
        if row is not None:
            return int(row[0])
        for position in leaf_index.LeafIndex(self._session, self._log).candidates(leaf):
            number, at = divmod(position, tiles.WIDTH)
            if position < last and tiles.split(self.tile(0, number))[at] == leaf:
                return position
        tail = last // leaf_index.RUN * leaf_index.RUN // tiles.WIDTH
        found = self._searched(leaf, tail, last // tiles.WIDTH + 1)
        return self._searched(leaf, 0, tail) if found is None else found

    def _searched(self, leaf: bytes, first: int, beyond: int) -> int | None:
        """Return where a leaf stands in some of the tiles; None if nowhere."""
        found = self._session.instr.format("hashes")
        for number, hashes in self._session.execute(
            f"SELECT number, hashes FROM {self._log.tiles} "  # noqa: S608  # our own name
            f"WHERE level = 0 AND number >= ? AND number < ? AND {found} > 0",
            (first, beyond, leaf),
        ):
            hashes_of = tiles.split(hashes)
            if leaf in hashes_of:
                return int(number) * tiles.WIDTH + hashes_of.index(leaf)
        return None

    def proven(self, position: int) -> proof.Proof:
        """Return the proof that the log holds the leaf at a position that it has.

        Raises UnavailableError when no checkpoint covers it yet: ask again within the merge delay.
        """
        last = self.last()
        if position >= last.size:
            raise UnavailableError(codes.STORE_UNAVAILABLE, f"leaf {position} is not signed for yet")
        path = tree.inclusion(position, last.size, self.nodes())
        return proof.Proof(index=position, path=path, checkpoint=last.note)

    def nodes(self) -> tree.Nodes:
        """Return the hashes of complete subtrees, from the tiles; each tile is read once."""
        held: dict[tuple[int, int], bytes] = {}

        def read(level: int, number: int) -> bytes:
            if (level, number) not in held:
                held[level, number] = self.tile(level, number)
            return held[level, number]

        return tiles.nodes(read)


def check(expected: int, position: int, stored: bytes, entry: bytes) -> None:
    """Prove that a leaf stands where it must and has its entry's hash. Raises IntegrityError."""
    if position != expected:
        raise IntegrityError(f"leaf {expected} is not there")
    if tree.leaf_hash(entry) != stored:
        raise IntegrityError(f"leaf {position} does not have its entry's hash")
