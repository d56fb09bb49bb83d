"""A whole log, computed again from its entries: nothing that is stored about the tree is believed.

1. Every checkpoint has the log's signature, and they grow.
2. Each entry is hashed and appended; where a checkpoint was signed, the root must be the one it says. So all
   checkpoints are consistent with each other, and with the entries.
3. A log shorter than its last checkpoint has lost entries.
4. Each stored tile must hold the hashes just computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.audit import checkpoint, note, tiles, tree
from gateway.errors import IntegrityError

Read = Callable[[int, int], bytes]
"""(level, number) -> a tile's hashes as stored. Raises IntegrityError for a tile that is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found whole."""

    size: int
    """Leaves under the last checkpoint."""
    root: bytes
    checkpoints: int
    tiles: int
    pending: int
    """Entries after the last checkpoint: promised, not yet signed for."""


def log(entries: Iterable[bytes], checkpoints: Iterable[bytes], key: note.Key, *, read: Read | None = None) -> Report:
    """Compute the log again and compare. Raises IntegrityError, which names what disagrees.

    Args:
        entries: All entries, from the first.
        checkpoints: Signed notes, smallest first; at least one.
        key: The log's public key.
        read: Its tiles, if they are to be compared.
    """
    # 1. Checkpoints, in order.
    promised = _promised(checkpoints, key)
    last = max(promised)
    # 2. Entries, as they came.
    frontier, compare = tree.Frontier(), _Tiles(read)
    pending = 0
    _agree(promised, frontier)
    for entry in entries:
        if frontier.size == last:
            pending += 1
            continue
        compare.add(frontier.append(tree.leaf_hash(entry)))
        _agree(promised, frontier)
    # 3. The end.
    if frontier.size < last:
        raise IntegrityError(f"the log has {frontier.size} entries, but a checkpoint of {last} was signed")
    # 4. The tiles that are not full.
    compare.finish()
    return Report(size=last, root=promised[last], checkpoints=len(promised), tiles=compare.count, pending=pending)


def _promised(checkpoints: Iterable[bytes], key: note.Key) -> dict[int, bytes]:
    promised: dict[int, bytes] = {}
    last = -1
    for signed in checkpoints:
        found = checkpoint.verify(signed, key)
        if found.size <= last:
            raise IntegrityError(f"the checkpoint of {found.size} leaves comes after one of {last}")
        promised[found.size] = found.root
        last = found.size
    if not promised:
        raise IntegrityError("the log has no checkpoint at all")
    return promised


def _agree(promised: dict[int, bytes], frontier: tree.Frontier) -> None:
    expected = promised.get(frontier.size)
    if expected is not None and expected != frontier.root():
        raise IntegrityError(f"the entries do not have the root of the checkpoint of {frontier.size} leaves")


class _Tiles:
    """Cuts the tree into tiles as it grows, and compares each with the stored one."""

    def __init__(self, read: Read | None) -> None:
        self.count = 0
        self._read = read
        self._open: list[tuple[int, bytearray]] = []
        """Per level: number of the tile being filled, and its hashes so far."""

    def add(self, completed: list[bytes]) -> None:
        for level, node in enumerate(completed[:: tiles.HEIGHT]):
            if level == len(self._open):
                self._open.append((0, bytearray()))
            number, hashes = self._open[level]
            hashes += node
            if len(hashes) == tiles.WIDTH * tiles.HASH:
                self._compare(level, number, hashes)
                self._open[level] = (number + 1, bytearray())

    def finish(self) -> None:
        for level, (number, hashes) in enumerate(self._open):
            if hashes:
                self._compare(level, number, hashes)

    def _compare(self, level: int, number: int, hashes: bytearray) -> None:
        if self._read is None:
            return
        if self._read(level, number) != bytes(hashes):
            raise IntegrityError(f"tile {level}/{number} does not hold the hashes of its entries")
        self.count += 1
