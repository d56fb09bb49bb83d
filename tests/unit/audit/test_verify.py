from __future__ import annotations

import pytest

from gateway.audit import checkpoint, tree, verify
from gateway.errors import IntegrityError
from tests import builders

KEY = builders.signer().key
ENTRIES = [b"entry %d" % n for n in range(300)]


def signed(size: int, entries: list[bytes] = ENTRIES, origin: str = builders.ORIGIN) -> bytes:
    frontier = tree.Frontier()
    for entry in entries[:size]:
        frontier.append(tree.leaf_hash(entry))
    grown = checkpoint.Checkpoint(origin=origin, size=size, root=frontier.root())
    return checkpoint.sign(grown, builders.signer(origin))


def stored(size: int) -> dict[tuple[int, int], bytes]:
    frontier, tiles = tree.Frontier(), {}
    for index, entry in enumerate(ENTRIES[:size]):
        for level, node in enumerate(frontier.append(tree.leaf_hash(entry))[::8]):
            key = (level, index >> (8 * (level + 1)))
            tiles[key] = tiles.get(key, b"") + node
    return tiles


CHECKPOINTS = [signed(0), signed(1), signed(200), signed(300)]


def test_a_whole_log_is_found_whole():
    tiles = stored(300)
    report = verify.log(ENTRIES, CHECKPOINTS, KEY, read=lambda level, number: tiles[level, number])
    assert (report.size, report.checkpoints, report.tiles, report.pending) == (300, 4, 3, 0)


def test_the_empty_log_is_whole():
    report = verify.log([], [signed(0)], KEY)
    assert (report.size, report.root, report.pending) == (0, tree.EMPTY, 0)


def test_entries_after_the_last_checkpoint_are_pending():
    tiles = stored(200)
    report = verify.log(ENTRIES, CHECKPOINTS[:3], KEY, read=lambda level, number: tiles[level, number])
    assert (report.size, report.pending, report.tiles) == (200, 100, 1)


@pytest.mark.parametrize("at", [0, 100, 199, 299])
def test_a_changed_entry_is_noticed(at):
    entries = [*ENTRIES[:at], b"other", *ENTRIES[at + 1 :]]
    with pytest.raises(IntegrityError, match="do not have the root of the checkpoint"):
        verify.log(entries, CHECKPOINTS, KEY)


def test_a_removed_and_an_added_entry_are_noticed():
    for entries in (ENTRIES[:50] + ENTRIES[51:], [*ENTRIES[:50], b"more", *ENTRIES[50:]]):
        with pytest.raises(IntegrityError):
            verify.log(entries, CHECKPOINTS, KEY)


def test_a_log_shorter_than_its_last_checkpoint_is_noticed():
    with pytest.raises(IntegrityError, match="has 299 entries, but a checkpoint of 300"):
        verify.log(ENTRIES[:299], CHECKPOINTS, KEY)


def test_an_old_checkpoint_of_another_history_is_noticed():
    other = [b"other", *ENTRIES[1:]]
    with pytest.raises(IntegrityError, match="checkpoint of 200 leaves"):
        verify.log(ENTRIES, [signed(0), signed(200, other), signed(300)], KEY)


@pytest.mark.parametrize(
    "checkpoints",
    [
        pytest.param([], id="none"),
        pytest.param([signed(200), signed(1)], id="shrinking"),
        pytest.param([signed(200), signed(200)], id="repeated"),
        pytest.param([signed(300, origin="other.example")], id="another log's"),
    ],
)
def test_wrong_checkpoints_are_noticed(checkpoints):
    with pytest.raises(IntegrityError):
        verify.log(ENTRIES, checkpoints, KEY)


@pytest.mark.parametrize("tile", [(0, 0), (0, 1), (1, 0)])
def test_a_changed_tile_is_noticed(tile):
    tiles = stored(300)
    tiles[tile] = b"\x00" + tiles[tile][1:]
    with pytest.raises(IntegrityError, match=f"tile {tile[0]}/{tile[1]}"):
        verify.log(ENTRIES, CHECKPOINTS, KEY, read=lambda level, number: tiles[level, number])
