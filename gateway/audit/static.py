"""A log as static files (C2SP tlog-tiles), computed again from its entries: a folder, a mirror, or the log itself.

Nothing of ours is believed but the log's public key. Files are asked for by their paths below the log's prefix, one
after the other, and none is kept: memory does not grow with the log.

1. The checkpoint has the log's signature, and what a policy asks of witnesses. Checkpoints kept from earlier, and those
   of proofs, have the log's too, and none is longer.
2. Every entry is hashed and appended; each stored tile must hold the hashes just computed.
3. The root must be the one that was signed; at the size of each earlier checkpoint it must be that one's.
4. Each proof is of the leaf that stands there.

What is wrong is named. A tile and an entry that disagree do not say which of the two was changed: the root that was
signed does. So the first disagreement is remembered, and judged at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from gateway.audit import checkpoint, note, tiles, tree
from gateway.audit.policy import Log, Policy
from gateway.audit.proof import Proof
from gateway.errors import IntegrityError

CHECKPOINT = "checkpoint"
"""Path of the signed note."""
Read = Callable[[str], bytes | None]
"""Path below the prefix -> what is there; None for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found whole."""

    checkpoint: checkpoint.Checkpoint
    tiles: int
    """Compared; entry bundles are not counted."""
    earlier: int
    """Checkpoints that the log was shown to go on from."""
    proofs: int
    cosigned: tuple[str, ...] = ()
    """Witnesses, by their names in the policy, that cosigned the checkpoint."""


def verify(  # noqa: PLR0913  # settings, each by its name
    read: Read,
    key: note.Key,
    *,
    earlier: Sequence[bytes] = (),
    proofs: Sequence[Proof] = (),
    policy: Policy | None = None,
    passed: Callable[[int], None] = lambda _leaves: None,
) -> Report:
    """Compute the log again and compare. Raises IntegrityError, which names what disagrees.

    Args:
        read: The files. What it raises goes through.
        key: The log's public key.
        earlier: Signed notes that were kept; the log must begin with what they promise.
        proofs: Each must be of this log, and of the leaf that stands at its index.
        policy: What the checkpoint must have besides: this log among those believed, and the quorum of witnesses.
        passed: Told how many leaves were computed, a bundle at a time.
    """
    # 1. Checkpoints.
    signed = read(CHECKPOINT)
    if signed is None:
        raise IntegrityError("there is no checkpoint: this is no log")
    last = _signed(signed, key, "checkpoint")
    cosigned = () if policy is None else _cosigned(signed, key, policy)
    former = [_signed(one, key, "an earlier checkpoint") for one in earlier]
    promised = _promised(last, [*former, *(_signed(one.checkpoint, key, "a proof's checkpoint") for one in proofs)])
    # 2. Entries and tiles.
    walk = _Walk(read=read, size=last.size, roots=promised, leaves={one.index: b"" for one in proofs})
    walk.run(passed)
    # 3. Roots.
    walk.judge(last)
    # 4. Proofs.
    for one in proofs:
        found = checkpoint.verify(one.checkpoint, key)
        if one.index >= found.size:
            raise IntegrityError(f"a proof is of leaf {one.index}, under a checkpoint of {found.size} leaves")
        tree.verify_inclusion(walk.leaves[one.index], one.index, found.size, one.path, found.root)
    return Report(checkpoint=last, tiles=walk.compared, earlier=len(former), proofs=len(proofs), cosigned=cosigned)


def _signed(signed: bytes, key: note.Key, what: str) -> checkpoint.Checkpoint:
    try:
        return checkpoint.verify(signed, key)
    except IntegrityError as error:
        raise IntegrityError(f"{what}: {error.detail}") from None


def _cosigned(signed: bytes, key: note.Key, policy: Policy) -> tuple[str, ...]:
    """Return who cosigned, having proven that the policy is met; one that names no log is about this one."""
    replace(policy, logs=policy.logs or (Log(key=key),)).verify(signed)
    return policy.cosigned(signed)


def _promised(last: checkpoint.Checkpoint, former: Sequence[checkpoint.Checkpoint]) -> dict[int, bytes]:
    """Return every root that was signed, by size."""
    promised = {last.size: last.root}
    for one in former:
        if one.size > last.size:
            raise IntegrityError(f"the log was signed at {one.size} leaves and has {last.size}: leaves are gone")
        if promised.setdefault(one.size, one.root) != one.root:
            raise IntegrityError(
                f"two checkpoints of {one.size} leaves are signed, with different roots: the log is forked; keep both"
            )
    return promised


@dataclass(slots=True, kw_only=True)
class _Walk:
    """From the first entry to the last, with the tiles that are being filled."""

    read: Read
    size: int
    roots: dict[int, bytes]
    """Promised, by size."""
    leaves: dict[int, bytes]
    """Those that proofs are about: their hashes, once they are known."""
    compared: int = 0
    wrong: tuple[str, str] | None = None
    """The first disagreement, told twice: if the leaves were changed; if the tile was."""
    forked: int | None = None
    """The first size at which the root is not the one promised."""
    frontier: tree.Frontier = field(default_factory=tree.Frontier)
    filling: list[bytearray] = field(default_factory=list)
    """Per level from 1: hashes of the tile that is not full."""

    def run(self, passed: Callable[[int], None]) -> None:
        self._promise()
        for number in range(-(-self.size // tiles.WIDTH)):
            width = min(tiles.WIDTH, self.size - number * tiles.WIDTH)
            self._bundle(number, width)
            passed(number * tiles.WIDTH + width)
        for level, hashes in enumerate(self.filling, start=1):
            if hashes:
                self._compare(level, (self.size >> (tiles.HEIGHT * level)) // tiles.WIDTH, bytes(hashes))

    def judge(self, last: checkpoint.Checkpoint) -> None:
        """Tell what was changed, now that the root is known."""
        right = self.frontier.root() == last.root
        if self.wrong is not None:
            raise IntegrityError(self.wrong[1] if right else self.wrong[0])
        if not right:
            raise IntegrityError(
                f"entries and tiles agree, but their root is not the one signed for {last.size} leaves: "
                "they are of another log, or all were changed"
            )
        if self.forked is not None:
            raise IntegrityError(
                f"the log does not begin with the {self.forked} leaves that an earlier checkpoint promised: "
                "it is forked; keep both checkpoints"
            )

    def _bundle(self, number: int, width: int) -> None:
        first = number * tiles.WIDTH
        path, data, count = self._either(lambda count: tiles.entries_path(number, count), width)
        try:
            entries = tiles.unbundle(data)
        except IntegrityError as error:
            raise IntegrityError(f"{path}: {error.detail}") from None
        if len(entries) > count:
            raise IntegrityError(f"{path} has {len(entries)} entries, not {count}")
        computed = [tree.leaf_hash(entry) for entry in entries[:width]]
        stored = self._tile(0, number, width)
        if computed != stored:
            self._differ(first, number, computed, stored)
        if len(entries) < count:
            raise IntegrityError(self.wrong[0] if self.wrong else f"{path} has {len(entries)} entries, not {count}")
        for leaf in computed:
            if self.frontier.size in self.leaves:
                self.leaves[self.frontier.size] = leaf
            self._fill(self.frontier.append(leaf))
            self._promise()

    def _differ(self, first: int, number: int, computed: Sequence[bytes], stored: Sequence[bytes]) -> None:
        if self.wrong is not None:
            return
        same = next((at for at, (one, other) in enumerate(zip(computed, stored, strict=False)) if one != other), None)
        at = len(computed) if same is None else same
        where = f"leaf {first + at}"
        if at == len(computed):
            leaves = f"{where} is not there: the entry bundle of tile 0/{number} has {at} entries, not {len(stored)}"
        elif computed[at] in stored:
            other = first + stored.index(computed[at])
            leaves = f"{where} is not the one that was signed for: leaf {other}'s entry stands there"
        else:
            leaves = f"{where} is not the one that was signed for: its hash is not that in tile 0/{number}"
        self.wrong = (
            leaves,
            f"tile 0/{number} does not hold the hash of {where}: the tile was changed, the leaf was not",
        )

    def _fill(self, completed: Sequence[bytes]) -> None:
        for level, node in enumerate(completed[tiles.HEIGHT :: tiles.HEIGHT], start=1):
            if level > len(self.filling):
                self.filling.append(bytearray())
            hashes = self.filling[level - 1]
            hashes += node
            if len(hashes) == tiles.WIDTH * tiles.HASH:
                self._compare(level, (self.frontier.size >> (tiles.HEIGHT * level)) // tiles.WIDTH - 1, bytes(hashes))
                hashes.clear()

    def _compare(self, level: int, number: int, hashes: bytes) -> None:
        computed = tiles.split(hashes)
        stored = self._tile(level, number, len(computed))
        if computed == stored or self.wrong is not None:
            return
        at = next(at for at, (one, other) in enumerate(zip(computed, stored, strict=True)) if one != other)
        span = 1 << (tiles.HEIGHT * level)
        first = (number * tiles.WIDTH + at) * span
        leaves = f"leaves {first} to {first + span - 1}"
        self.wrong = (
            f"{leaves} are not those that were signed for: tile {level}/{number} has another hash of them",
            f"tile {level}/{number} does not hold the hash of {leaves}: the tile was changed, the leaves were not",
        )

    def _tile(self, level: int, number: int, width: int) -> list[bytes]:
        path, data, count = self._either(
            lambda count: tiles.Tile(level=level, number=number, width=count).path(), width
        )
        if len(data) != count * tiles.HASH:
            raise IntegrityError(f"{path}: {len(data)} bytes are not {count} hashes")
        self.compared += 1
        return tiles.split(data)[:width]

    def _either(self, path: Callable[[int], str], width: int) -> tuple[str, bytes, int]:
        """Return a file and its width, or the full one that a partial one has become since the checkpoint."""
        for count in dict.fromkeys((width, tiles.WIDTH)):
            data = self.read(path(count))
            if data is not None:
                return path(count), data, count
        raise IntegrityError(f"{path(width)} is not there")

    def _promise(self) -> None:
        size = self.frontier.size
        expected = self.roots.get(size)
        if expected is not None and size != self.size and self.forked is None and self.frontier.root() != expected:
            self.forked = size
