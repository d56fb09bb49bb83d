from __future__ import annotations

import re
import tracemalloc
from base64 import b64encode
from pathlib import Path

import pytest

from gateway.audit import checkpoint, note, proof, static, tiles, tree
from gateway.cli import exported
from gateway.errors import IntegrityError
from tests import builders, mirrors


def verified(folder: Path, *, earlier=(), proofs=()) -> static.Report:
    return static.verify(exported.folder(folder), mirrors.KEY, earlier=earlier, proofs=proofs)


def proven(leaves: list[bytes], index: int, size: int | None = None) -> proof.Proof:
    hashes = [tree.leaf_hash(entry) for entry in leaves[:size]]

    def node(level: int, at: int) -> bytes:
        frontier = tree.Frontier()
        for leaf in hashes[at << level : (at + 1) << level]:
            frontier.append(leaf)
        return frontier.root()

    path = tree.inclusion(index, len(hashes), node)
    return proof.Proof(index=index, path=path, checkpoint=mirrors.signed(leaves, size))


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 600])
def test_a_log_of_any_size_is_found_whole(tmp_path, size):
    report = verified(mirrors.write(tmp_path, mirrors.entries(size)))
    assert (report.checkpoint.size, report.tiles) == (size, len(list(tiles.tiles(size))))


def test_a_log_of_three_levels_is_found_whole_and_its_highest_tile_is_compared(tmp_path):
    mirrors.write(tmp_path, mirrors.entries(65_800))
    assert verified(tmp_path).tiles == len(list(tiles.tiles(65_800)))
    mirrors._flipped("tile/2/000.p/1", 0)(tmp_path)
    with pytest.raises(IntegrityError, match=r"tile 2/0 does not hold the hash of leaves 0 to 65535: the tile was"):
        verified(tmp_path)


@pytest.mark.parametrize("name", mirrors.WHOLE)
def test_what_may_be_so_is_whole(tmp_path, name):
    change, earlier = mirrors.WHOLE[name]
    change(mirrors.write(tmp_path / "log", mirrors.GOOD))
    report = verified(tmp_path / "log", earlier=earlier)
    assert (report.checkpoint.size, report.earlier) == (600, len(earlier))


@pytest.mark.parametrize("bad", mirrors.BAD, ids=lambda bad: bad.name)
def test_what_is_wrong_is_caught_and_named(tmp_path, bad):
    bad.do(mirrors.write(tmp_path / "log", mirrors.GOOD))
    with pytest.raises(IntegrityError) as caught:
        verified(tmp_path / "log", earlier=bad.earlier)
    assert re.search(bad.named, caught.value.detail), caught.value.detail


def test_each_proof_must_be_of_the_leaf_that_stands_there(tmp_path):
    mirrors.write(tmp_path, mirrors.GOOD)
    proofs = [proven(mirrors.GOOD, 0), proven(mirrors.GOOD, 599), proven(mirrors.GOOD, 17, 300)]
    assert verified(tmp_path, proofs=proofs).proofs == 3
    for wrong in (
        proof.Proof(index=1, path=proofs[0].path, checkpoint=proofs[0].checkpoint),
        proof.Proof(index=600, path=proofs[0].path, checkpoint=proofs[0].checkpoint),
        proof.Proof(index=400, path=proofs[2].path, checkpoint=proofs[2].checkpoint),
    ):
        with pytest.raises(IntegrityError, match="leaf"):
            verified(tmp_path, proofs=[proofs[0], wrong])


def test_a_proof_of_another_history_shows_the_fork(tmp_path):
    mirrors.write(tmp_path, mirrors.GOOD)
    with pytest.raises(IntegrityError, match="300 leaves that an earlier checkpoint promised: it is forked"):
        verified(tmp_path, proofs=[proven(mirrors.CHANGED, 17, 300)])
    with pytest.raises(IntegrityError, match="a proof's checkpoint: the note is not signed"):
        verified(tmp_path, proofs=[proof.Proof(index=0, path=(), checkpoint=mirrors.OTHER.sign("x\n"))])


def test_progress_is_told_a_bundle_at_a_time(tmp_path):
    told: list[int] = []
    mirrors.write(tmp_path, mirrors.GOOD)
    static.verify(exported.folder(tmp_path), mirrors.KEY, passed=told.append)
    assert told == [256, 512, 600]


def test_memory_does_not_grow_with_the_log():
    full = b"".join(mirrors.tree.leaf_hash(b"") for _ in range(256))
    bundle = b"\x00\x00" * 256

    def peak(size: int) -> int:
        level, roots = tree.leaf_hash(b""), []
        for _ in range(3):
            roots.append(level)
            level = mirrors.top([level] * 256)

        def read(path: str) -> bytes:
            if path == "checkpoint":
                return signed
            asked = tiles.asked(path)
            assert asked is not None
            return bundle if asked.level is None else (full if not asked.level else roots[asked.level] * asked.width)

        frontier = tree.Frontier()
        for _ in range(size):
            frontier.append(roots[0])
        grown = checkpoint.Checkpoint(origin=mirrors.KEY.name, size=size, root=frontier.root())
        signed = checkpoint.sign(grown, builders.signer())
        tracemalloc.start()
        static.verify(read, mirrors.KEY)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(256 * 160) < peak(256 * 10) + 50_000


@pytest.mark.parametrize(
    ("path", "level", "number", "width"),
    [
        ("tile/0/000", 0, 0, 256),
        ("tile/63/999.p/255", 63, 999, 255),
        ("tile/1/x001/x234/067", 1, 1_234_067, 256),
        ("tile/entries/x001/000.p/1", None, 1000, 1),
        ("tile/entries/x999/x999/x999/x999/x999/999", None, 10**18 - 1, 256),
    ],
)
def test_a_path_is_read_as_it_was_written(path, level, number, width):
    assert tiles.asked(path) == tiles.Asked(level=level, number=number, width=width)
    written = (
        tiles.entries_path(number, width) if level is None else tiles.Tile(level=level, number=number, width=width)
    )
    assert (written if isinstance(written, str) else written.path()) == path


@pytest.mark.parametrize(
    "path",
    [
        "", "tile", "tile/", "tile/0", "tile/0/", "tile/0/0", "tile/0/00", "tile/0/0000", "tile/64/000", "tile/00/000",
        "tile/-1/000", "tile/0/x000/000", "tile/0/x00/001", "tile/0/001/000", "tile/0/x001/x000", "tile/0/000.p/0",
        "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/", "tile/0/000.p", "tile/0/000.p/1/", "/tile/0/000",
        "tile/0/000/", "tile//0/000", "tile/0/../0/000", "tile/entry/000", "tile/0/\u0660\u0660\u0660",
        "tile/0/000\n", "tile/0/000?x",
        "tile/entries/x001/x999/x999/x999/x999/x999/999", "checkpoint/", "tile/0/000.p/999", "tile/0/000.P/1",
    ],
)  # fmt: skip
def test_any_other_spelling_is_no_path(path):
    assert tiles.asked(path) is None


def test_a_tile_is_within_a_tree_that_fills_it():
    for path, size in (("tile/0/000.p/1", 1), ("tile/0/001", 512), ("tile/1/000.p/2", 512), ("tile/2/000.p/1", 65_536)):
        asked = tiles.asked(path)
        assert asked is not None
        assert (asked.within(size - 1), asked.within(size), asked.within(size + 1)) == (False, True, True)


def test_the_specifications_tree_of_70000_leaves_has_these_tiles_and_no_others():
    there = {tile.path() for tile in tiles.tiles(70_000)}
    for path in ("tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1", "tile/1/000"):
        assert path in there
        asked = tiles.asked(path)
        assert asked is not None
        assert asked.within(70_000)
    for path in ("tile/0/273", "tile/0/273.p/113", "tile/1/001.p/18", "tile/2/000.p/2", "tile/3/000.p/1"):
        asked = tiles.asked(path)
        assert asked is not None
        assert not asked.within(70_000)


def test_a_note_with_sixteen_other_signatures_is_a_checkpoint(tmp_path):
    mirrors.write(tmp_path, mirrors.GOOD)
    others = [note.Signer.sign(builders.signer(f"w{n}.example"), "x\n").split(b"\n\n")[1] for n in range(16)]
    mirrors.put(tmp_path, "checkpoint", (tmp_path / "checkpoint").read_bytes() + b"".join(others))
    assert b64encode(verified(tmp_path).checkpoint.root) in (tmp_path / "checkpoint").read_bytes()
