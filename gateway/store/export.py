"""The log written down as static files, for a web server or a disk to hand on (C2SP tlog-tiles).

A folder holds `checkpoint` and `tile/…` exactly as the front serves them below `/audit/`. The checkpoint is written
last, once everything that it counts is on the disk; so at every moment, and after any crash, the folder is a whole log.

1. One export at a time holds the folder.
2. The checkpoint that is there has the log's signature, and the log goes on from it: a folder never shrinks, and is
   never turned to another history. An empty folder is a new export; any other without a checkpoint is not ours.
3. In steps of `STEP` leaves, each to a checkpoint that was signed then: entry bundles and tiles from where the folder
   ends, each file whole under a name of its own first. What is written is computed from the entries, and must come to
   the root that was signed. An export that is interrupted goes on from the last step.
4. Partial tiles that have become full are removed: what asks for one takes the full one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway import codes
from gateway.audit import checkpoint, note, static, tiles, tree
from gateway.database import Session
from gateway.errors import ConfigError, IntegrityError, UnavailableError
from gateway.sqlite import translated
from gateway.store.log import AUDIT, Log, Signed, StoredLog
from gateway.store.place import Place
from gateway.store.published import bundled

STEP = 256 * 1024
"""Leaves between two checkpoints of a long export: some seconds of work, that an interruption costs at most."""
NEW = ".new"
"""Ending of a file that is not whole yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What the folder has come to."""

    before: int
    """Leaves that it had."""
    checkpoint: checkpoint.Checkpoint
    files: int
    """Written now, the checkpoint not counted."""


def export(  # noqa: PLR0913  # settings, each by its name
    place: Place,
    folder: Path,
    key: note.Key,
    *,
    log: Log = AUDIT,
    shown: Callable[[Session], Signed] | None = None,
    step: int = STEP,
    faults: Callable[[str], None] = lambda _point: None,
) -> Exported:
    """Bring a folder up to the last checkpoint of the store.

    Args:
        place: The store.
        folder: Is made if it is not there.
        key: The public key of the audit log.
        log: Which of the store's logs.
        shown: Gives the checkpoint to come to, with what others have signed; without it, the last.
        step: Leaves between two checkpoints.
        faults: Told each point (`file`, `files`, `checkpoint`, `removed`); tests fail there.

    Raises:
        ConfigError: The folder is not an export, or another process writes it.
        IntegrityError: The folder's checkpoint is not one of this log, or the store disagrees with itself.
        UnavailableError: Disk or store does not answer; what is there stays whole.
    """
    session = place.open()
    try:
        with translated(), _held(folder), session.translated():
            stored = StoredLog(session, log)
            made = _Export(log=stored, folder=folder, key=log.key(key), step=step, fault=faults)
            return made.run(stored.last() if shown is None else shown(session))
    finally:
        session.close()


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UnavailableError(codes.STORE_UNAVAILABLE, f"{folder}: another export is writing it") from None
    else:
        yield
    finally:
        os.close(lock)


@dataclass(slots=True, kw_only=True)
class _Export:
    log: StoredLog
    folder: Path
    key: note.Key
    step: int
    fault: Callable[[str], None]
    written: list[Path] = field(default_factory=list)
    """Files of this step, which may not be on the disk yet."""
    files: int = 0

    def run(self, last: Signed) -> Exported:
        """Grow in steps up to `last`."""
        before = self._before()
        frontier = tree.Frontier.of(before or 0, self.log.nodes())
        if last.size == (before or 0):  # no more leaves, but perhaps more signatures
            self._signed(last)
            self._finish(last)
        while frontier.size < last.size:
            target = last if last.size - frontier.size <= self.step else self.log.step(frontier.size, self.step)
            self._signed(target)
            self._grow(frontier, target)
            self._finish(target)
        reached = checkpoint.verify((self.folder / static.CHECKPOINT).read_bytes(), self.key)
        return Exported(before=before or 0, checkpoint=reached, files=self.files)

    def _signed(self, stored: Signed) -> None:
        found = checkpoint.verify(stored.note, self.key)
        if (found.size, found.root) != (stored.size, stored.root):
            raise IntegrityError(f"the checkpoint stored for {stored.size} leaves is one for {found.size}")

    def _before(self) -> int | None:
        """Return how many leaves the folder has; None for a new one. Raises as `export` does."""
        path = self.folder / static.CHECKPOINT
        if not path.exists():
            if {one.name for one in self.folder.iterdir()} - {"tile", f"{static.CHECKPOINT}{NEW}"}:
                raise ConfigError(f"{self.folder}: has files, and no checkpoint: give a folder of its own")
            return None
        found = checkpoint.verify(path.read_bytes(), self.key)
        newest = self.log.last().size
        if found.size > newest:
            raise IntegrityError(f"the export has {found.size} leaves, the store {newest}: this is an older copy")
        if tree.root(found.size, self.log.nodes()) != found.root:
            raise IntegrityError(f"the store does not go on from the {found.size} leaves of the export: it is forked")
        return found.size

    def _grow(self, frontier: tree.Frontier, target: Signed) -> None:
        """Write what `target` has more than the tree at `frontier`, and take that there."""
        edge, size = frontier.size, target.size
        tall: dict[tuple[int, int], dict[int, bytes]] = {}
        for number in range(edge // tiles.WIDTH, -(-size // tiles.WIDTH)):
            width = min(tiles.WIDTH, size - number * tiles.WIDTH)
            leaves = bundled(self.log, number, width)
            self._write(tiles.entries_path(number, width), tiles.bundle(entry for _, entry in leaves))
            self._tile(0, number, width, dict(enumerate(leaf for leaf, _ in leaves)))
            for leaf, _ in leaves[frontier.size - number * tiles.WIDTH :]:
                for level, node in enumerate(frontier.append(leaf)[tiles.HEIGHT :: tiles.HEIGHT], start=1):
                    of, at = divmod((frontier.size >> (tiles.HEIGHT * level)) - 1, tiles.WIDTH)
                    tall.setdefault((level, of), {})[at] = node
        for (level, number), hashes in tall.items():
            self._tile(level, number, max(hashes) + 1, hashes)
        if frontier.root() != target.root:
            raise IntegrityError(f"the leaves do not have the root signed for {size} of them")

    def _tile(self, level: int, number: int, width: int, computed: Mapping[int, bytes]) -> None:
        """Write a tile as it is stored, where it has the hashes that were computed now."""
        stored = self.log.tile(level, number)[: width * tiles.HASH]
        hashes = tiles.split(stored)
        if len(hashes) != width or any(hashes[at] != one for at, one in computed.items()):
            raise IntegrityError(f"tile {level}/{number} does not hold the hashes of its entries")
        self._write(tiles.Tile(level=level, number=number, width=width).path(), stored)

    def _write(self, path: str, data: bytes) -> None:
        """Put a file in its place, whole; it is on the disk once the step is finished."""
        whole = self.folder / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        new = whole.with_name(whole.name + NEW)
        new.write_bytes(data)
        new.replace(whole)
        self.written.append(whole)
        self.fault("file")

    def _finish(self, target: Signed) -> None:
        """Have the disk take every file of the step, then the checkpoint; then remove what it makes superfluous."""
        folders = {self.folder / above for one in self.written for above in one.relative_to(self.folder).parents}
        for path in (*dict.fromkeys(self.written), *folders):
            _on_disk(path)
        self.fault("files")
        full = [path.with_name(f"{path.name}.p") for path in self.written if not path.parent.name.endswith(".p")]
        self.files += len(self.written)
        self.written = []
        self._write(static.CHECKPOINT, target.note)
        for path in (self.written.pop(), self.folder):
            _on_disk(path)
        self.fault("checkpoint")
        for folder in full:
            shutil.rmtree(folder, ignore_errors=True)
        self.fault("removed")


def _on_disk(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
