"""The log as it is stored: leaves, tiles and checkpoints, read through one connection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.audit import tiles, tree
from gateway.database import Session
from gateway.errors import IntegrityError


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A checkpoint as it is stored: `note` is the truth, size and root are its index."""

    size: int
    root: bytes
    note: bytes


class StoredLog:
    """Belongs to one thread. Raises the driver's errors: whoever holds the transaction translates them."""

    def __init__(self, session: Session) -> None:
        """`session` is of the store."""
        self._session = session

    def last(self) -> Signed:
        """Return the last checkpoint. Raises IntegrityError: a log has one from its first moment."""
        row = self._session.execute("SELECT size, root, note FROM checkpoints ORDER BY size DESC LIMIT 1").fetchone()
        if row is None:
            raise IntegrityError("the log has no checkpoint at all")
        return Signed(size=row[0], root=row[1], note=row[2])

    def length(self) -> int:
        """Return how many leaves there are, signed for or not."""
        return int(self._session.execute("SELECT coalesce(max(position), -1) + 1 FROM leaves").fetchone()[0])

    def leaves(self, first: int, limit: int) -> list[tuple[int, bytes, bytes]]:
        """Return (position, hash, entry) of the leaves from `first` on."""
        rows: list[tuple[int, bytes, bytes]] = self._session.execute(
            "SELECT position, hash, entry FROM leaves WHERE position >= ? ORDER BY position LIMIT ?", (first, limit)
        ).fetchall()
        return rows

    def entries(self) -> Iterator[bytes]:
        """Yield every entry from the first, having checked that positions have no gaps and hashes are the entries'."""
        for expected, (position, stored, entry) in enumerate(
            self._session.stream("SELECT position, hash, entry FROM leaves ORDER BY position")
        ):
            check(expected, position, stored, entry)
            yield entry

    def checkpoints(self) -> Iterator[bytes]:
        """Yield every signed note, smallest first."""
        for (note,) in self._session.stream("SELECT note FROM checkpoints ORDER BY size"):
            yield note

    def check_owners(self) -> None:
        """Prove that messages, refusals, dispatches' steps, reviews and what governs, side by side, cover the log once.

        Raises IntegrityError.
        """
        expected = 0
        for first, count in self._session.stream(
            "SELECT first_leaf, leaf_count FROM messages UNION ALL SELECT position, 1 FROM refusals UNION ALL "
            "SELECT first_leaf, leaf_count FROM timeline WHERE first_leaf IS NOT NULL UNION ALL "
            "SELECT position, 1 FROM registers UNION ALL SELECT position, 1 FROM declarations UNION ALL "
            "SELECT outcome, 1 FROM reviews WHERE outcome IS NOT NULL AND kind <> 'dispatch' ORDER BY 1, 2"
        ):
            if first != expected:
                raise IntegrityError(f"leaf {min(first, expected)} is told of by no message, or by two")
            expected += count
        if self.length() != expected:
            raise IntegrityError(f"the messages tell of {expected} leaves, the log has {self.length()}")

    def tile(self, level: int, number: int) -> bytes:
        """Return a tile's hashes. Raises IntegrityError if it is not there."""
        row = self._session.execute(
            "SELECT hashes FROM tiles WHERE level = ? AND number = ?", (level, number)
        ).fetchone()
        if row is None:
            raise IntegrityError(f"tile {level}/{number} is not there")
        return bytes(row[0])

    def position(self, leaf: bytes) -> int | None:
        """Return where the leaf of this hash stands; None if nowhere. The tiles are searched, the newest first."""
        last = self.last().size
        row = self._session.execute(
            "SELECT position FROM leaves WHERE position >= ? AND hash = ?", (last, leaf)
        ).fetchone()
        if row is not None:
            return int(row[0])
        found = self._session.instr.format("hashes")
        for number, hashes in self._session.execute(
            f"SELECT number, hashes FROM tiles WHERE level = 0 AND {found} > 0 ORDER BY number DESC",  # noqa: S608
            (leaf,),
        ):
            hashes_of = tiles.split(hashes)
            if leaf in hashes_of:
                return int(number) * tiles.WIDTH + hashes_of.index(leaf)
        return None

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
