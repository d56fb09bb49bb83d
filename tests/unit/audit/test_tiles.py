from __future__ import annotations

import pytest

from gateway.audit import tiles, tree
from gateway.errors import IntegrityError


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (tiles.Tile(level=0, number=0, width=256), "tile/0/000"),
        (tiles.Tile(level=0, number=999, width=256), "tile/0/999"),
        (tiles.Tile(level=1, number=1234067, width=256), "tile/1/x001/x234/067"),
        (tiles.Tile(level=2, number=273, width=112), "tile/2/273.p/112"),
        (tiles.Tile(level=0, number=1000, width=1), "tile/0/x001/000.p/1"),
    ],
)
def test_a_tile_has_the_path_of_the_specification(tile, path):
    assert tile.path() == path


def test_an_entry_bundle_has_the_path_of_the_specification():
    assert tiles.entries_path(1234067, 256) == "tile/entries/x001/x234/067"
    assert tiles.entries_path(3, 7) == "tile/entries/003.p/7"


def test_a_tree_of_70000_leaves_is_cut_as_the_specification_says():
    paths = [tile.path() for tile in tiles.tiles(70_000)]
    assert len(paths) == 274 + 2 + 1
    assert paths[273] == "tile/0/273.p/112"
    assert paths[274:] == ["tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"]


def test_the_empty_tree_has_no_tile():
    assert list(tiles.tiles(0)) == []


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 600, 65_537])
def test_every_complete_subtree_is_found_in_the_tiles(size):
    stored, expected = {}, {}
    frontier = tree.Frontier()
    for index in range(size):
        for level, node in enumerate(frontier.append(tree.leaf_hash(b"%d" % index))):
            expected[level, index >> level] = node
            if level % 8 == 0:
                key = (level // 8, (index >> level) // 256)
                stored[key] = stored.get(key, b"") + node
    nodes = tiles.nodes(lambda level, number: stored[level, number])
    chosen = list(expected) if size < 1000 else [key for key in expected if key[0] > 6 or key[1] % 1000 == 7]
    assert {key: nodes(*key) for key in chosen} == {key: expected[key] for key in chosen}
    assert tree.root(size, nodes) == frontier.root()


def test_a_tile_that_is_too_short_is_noticed():
    nodes = tiles.nodes(lambda _level, _number: b"x" * 64)
    with pytest.raises(IntegrityError, match="tile 0/0 is too short"):
        nodes(2, 0)


def test_hashes_that_are_not_whole_are_refused():
    for data in (b"x" * 33, b"x" * 32 * 257):
        with pytest.raises(IntegrityError):
            tiles.split(data)


def test_entries_come_out_of_a_bundle_as_they_went_in():
    entries = [b"", b"one", b"\x00" * 65_535]
    assert tiles.bundle(entries)[:7] == b"\x00\x00\x00\x03one"
    assert tiles.unbundle(tiles.bundle(entries)) == entries
    assert tiles.unbundle(b"") == []


def test_a_bundle_that_is_cut_is_refused():
    whole = tiles.bundle([b"one", b"two"])
    for length in (1, 4, 6, 8, 9):
        with pytest.raises(IntegrityError):
            tiles.unbundle(whole[:length])


def test_an_entry_too_large_for_its_length_is_refused():
    with pytest.raises(IntegrityError):
        tiles.bundle([b"x" * 65_536])
