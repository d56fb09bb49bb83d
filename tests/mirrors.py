"""Logs as static files, and everything that can be wrong with one: written by plain rules, not by what is tested."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.audit import checkpoint, note, tiles, tree
from tests import builders

KEY = builders.signer().key
OTHER = builders.signer("other.example/log")


def entries(count: int, word: str = "entry") -> list[bytes]:
    return [b"%s %d" % (word.encode(), n) for n in range(count)]


def signed(leaves: Sequence[bytes], size: int | None = None, *, signer: note.Signer | None = None) -> bytes:
    """The checkpoint of the first `size` leaves."""
    signer = signer or builders.signer()
    frontier = tree.Frontier()
    for entry in leaves[:size]:
        frontier.append(tree.leaf_hash(entry))
    grown = checkpoint.Checkpoint(origin=signer.key.name, size=frontier.size, root=frontier.root())
    return checkpoint.sign(grown, signer)


def put(folder: Path, path: str, data: bytes) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(data)


def write(folder: Path, leaves: Sequence[bytes], *, size: int | None = None) -> Path:
    """A whole log; its checkpoint may be of fewer leaves than its files are."""
    put(folder, "checkpoint", signed(leaves, size))
    bundles(folder, leaves)
    level = [tree.leaf_hash(entry) for entry in leaves]
    height = 0
    while level:
        for number in range(-(-len(level) // 256)):
            hashes = level[number * 256 : number * 256 + 256]
            put(folder, tiles.Tile(level=height, number=number, width=len(hashes)).path(), b"".join(hashes))
        whole = [level[at : at + 256] for at in range(0, len(level) - 255, 256)]
        level, height = [top(hashes) for hashes in whole], height + 1
    return folder


def bundles(folder: Path, leaves: Sequence[bytes], among: int | None = None) -> None:
    """Entry bundles of a log of `among` leaves: where leaves are too few, the last has fewer than its name says."""
    among = len(leaves) if among is None else among
    for number in range(-(-among // 256)):
        data = b"".join(
            len(one).to_bytes(2, "big") + one for one in leaves[number * 256 : min(number * 256 + 256, among)]
        )
        put(folder, tiles.entries_path(number, min(256, among - number * 256)), data)


def top(hashes: list[bytes]) -> bytes:
    while len(hashes) > 1:
        hashes = [tree.node_hash(*pair) for pair in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


SIZE = 600
GOOD = entries(SIZE)
TILES = ("tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2")
BUNDLES = ("tile/entries/000", "tile/entries/001", "tile/entries/002.p/88")
CHANGED = [*GOOD[:17], b"another", *GOOD[18:]]
_SIGNATURE = OTHER.sign("a witness's\n").split(b"\n\n")[1]


def _flipped(path: str, at: int) -> Callable[[Path], None]:
    def flip(folder: Path) -> None:
        data = bytearray((folder / path).read_bytes())
        data[at] ^= 1
        (folder / path).write_bytes(data)

    return flip


def _cut(path: str, length: int) -> Callable[[Path], None]:
    return lambda folder: (folder / path).write_bytes((folder / path).read_bytes()[:length]) and None


def _rewritten(leaves: Sequence[bytes], *paths: str) -> Callable[[Path], None]:
    """Files of another history in the place of these."""

    def rewrite(folder: Path) -> None:
        other = write(folder.with_name("other"), leaves)
        for path in paths:
            shutil.copyfile(other / path, folder / path)

    return rewrite


@dataclass(frozen=True, slots=True)
class Bad:
    """One thing that is wrong with a log of `SIZE` leaves."""

    name: str
    do: Callable[[Path], None]
    named: str
    """What the first verifier says: a pattern."""
    earlier: tuple[bytes, ...] = ()


def _nothing(_folder: Path) -> None:
    """The files are whole; what is wrong is what was promised before."""


BAD = [
    Bad("a row changed", lambda folder: bundles(folder, CHANGED), "^leaf 17 is not the one"),
    Bad("the last row changed", lambda folder: bundles(folder, [*GOOD[:-1], b"x"]), "^leaf 599 is not the one"),
    Bad("a row's length changed", _flipped("tile/entries/001", 1), "^tile/entries/001: an entry bundle is cut short$"),
    Bad(
        "a row removed, and the others moved up",
        lambda folder: bundles(folder, GOOD[:300] + GOOD[301:], SIZE),
        "^leaf 300 is not the one that was signed for: leaf 301's entry stands there$",
    ),
    Bad(
        "a row removed",
        lambda folder: put(folder, "tile/entries/001", tiles.bundle(GOOD[256:300] + GOOD[301:512])),
        "^leaf 300 is not the one that was signed for: leaf 301's entry stands there$",
    ),
    Bad(
        "the last row removed",
        lambda folder: put(folder, BUNDLES[2], tiles.bundle(GOOD[512:599])),
        "^leaf 599 is not there: the entry bundle of tile 0/2 has 87 entries, not 88$",
    ),
    Bad(
        "a row added",
        lambda folder: put(folder, BUNDLES[1], tiles.bundle([*GOOD[256:512], b"more"])),
        "^tile/entries/001 has 257 entries, not 256$",
    ),
    Bad(
        "two rows in each other's place",
        lambda folder: bundles(folder, [*GOOD[:10], GOOD[20], *GOOD[11:20], GOOD[10], *GOOD[21:]]),
        "^leaf 10 is not the one that was signed for: leaf 20's entry stands there$",
    ),
    Bad(
        "a row changed, and its tile",
        _rewritten(CHANGED, BUNDLES[0], TILES[0]),
        "^leaves 0 to 255 are not those that were signed for: tile 1/0 has another hash of them$",
    ),
    Bad(
        "a row changed, and every tile",
        _rewritten(CHANGED, *BUNDLES, *TILES),
        "^entries and tiles agree, but their root is not the one signed for 600 leaves",
    ),
    Bad(
        "all of another log but its checkpoint",
        _rewritten(entries(SIZE, "other"), *BUNDLES, *TILES),
        "^entries and tiles agree, but their root is not the one signed for 600 leaves",
    ),
    Bad(
        "a tile of another log",
        _rewritten(entries(SIZE, "other"), TILES[1]),
        "^tile 0/1 does not hold the hash of leaf 256: the tile was changed, the leaf was not$",
    ),
    Bad("a tile's last hash changed", _flipped(TILES[2], 88 * 32 - 1), "^tile 0/2 does not hold the hash of leaf 599"),
    Bad(
        "a tile above changed",
        _flipped(TILES[3], 40),
        "^tile 1/0 does not hold the hash of leaves 256 to 511: the tile was changed, the leaves were not$",
    ),
    *(Bad(f"no {path}", lambda folder, path=path: (folder / path).unlink(), f"^{path} is not there") for path in TILES),
    *(
        Bad(f"no {path}", lambda folder, path=path: (folder / path).unlink(), f"^{path} is not there")
        for path in BUNDLES
    ),
    Bad("no checkpoint", lambda folder: (folder / "checkpoint").unlink(), "no checkpoint"),
    Bad("a bundle cut short", _cut(BUNDLES[0], 1000), "^tile/entries/000: an entry bundle is cut short$"),
    Bad("an empty bundle", _cut(BUNDLES[0], 0), "^leaf 0 is not there"),
    Bad("a tile cut short", _cut(TILES[0], 8160), "^tile/0/000: 8160 bytes are not 256 hashes$"),
    Bad("a tile cut within a hash", _cut(TILES[2], 100), "^tile/0/002.p/88: 100 bytes are not 88 hashes$"),
    Bad(
        "a log cut short",
        lambda folder: [(folder / path).unlink() for path in (TILES[2], BUNDLES[2])] and None,
        "^tile/entries/002.p/88 is not there",
    ),
    Bad(
        "an older copy, whole in itself",
        lambda folder: write(folder, GOOD[:500]) and None,
        "^the log was signed at 600 leaves and has 500: leaves are gone$",
        (signed(GOOD),),
    ),
    Bad(
        "a fork after an earlier checkpoint",
        _nothing,
        "^the log does not begin with the 300 leaves that an earlier checkpoint promised: it is forked",
        (signed(GOOD, 100), signed(CHANGED, 300)),
    ),
    Bad(
        "a fork at the same size",
        _nothing,
        "^two checkpoints of 600 leaves are signed, with different roots: the log is forked",
        (signed(CHANGED),),
    ),
    Bad("an earlier checkpoint of another log", _nothing, "^an earlier checkpoint: .*not signed", (OTHER.sign("x\n"),)),
    Bad(
        "a checkpoint of another key",
        lambda folder: put(folder, "checkpoint", signed(GOOD, signer=OTHER)),
        "^checkpoint: the note is not signed by any key we know$",
    ),
    Bad(
        "our key under another log's name",
        lambda folder: put(folder, "checkpoint", builders.signer().sign(f"other.example\n{SIZE}\n{'A' * 43}=\n")),
        "^checkpoint: the checkpoint is of other.example, not of ",
    ),
    Bad(
        "a checkpoint that says more",
        lambda folder: put(folder, "checkpoint", (folder / "checkpoint").read_bytes().replace(b"\n600\n", b"\n601\n")),
        "^checkpoint: the note's signature by .* is wrong$",
    ),
    Bad("a checkpoint without a signature", _cut("checkpoint", 88), "^checkpoint: the note "),
    Bad(
        "a signature that is none",
        lambda folder: put(folder, "checkpoint", (folder / "checkpoint").read_bytes() + "— x AAAA\n".encode()),
        "^checkpoint: ",
    ),
    Bad(
        "a root that the key signed and the entries do not have",
        lambda folder: put(folder, "checkpoint", signed(CHANGED)),
        "^entries and tiles agree, but their root is not the one signed",
    ),
]


def _witnessed(folder: Path) -> None:
    put(folder, "checkpoint", (folder / "checkpoint").read_bytes() + _SIGNATURE)


def _grown(folder: Path) -> None:
    """Partial files have become full since the checkpoint, and are gone."""
    write(folder, entries(768), size=SIZE)
    for path in (TILES[2], BUNDLES[2]):
        shutil.rmtree((folder / path).parent)


WHOLE = {
    "as it was written": (_nothing, ()),
    "witnessed": (_witnessed, ()),
    "grown since its checkpoint": (_grown, ()),
    "with every checkpoint before": (_nothing, (signed(GOOD, 0), signed(GOOD, 256), signed(GOOD, 599), signed(GOOD))),
}
"""What may be so, and is whole."""
