"""The power goes anywhere in an export: the folder is a whole log all the time, and the next export goes on."""

from __future__ import annotations

import pytest

from gateway.audit import static
from gateway.cli import exported
from gateway.store import export
from tests import builders
from tests.integration.killed import Axe, Child

KEY = builders.signer().key


def grow(store, first: int, count: int) -> None:
    clock = builders.Clock()
    journal = builders.journal(store, clock)
    for n in range(first, first + count):
        journal.accept(builders.ready(f"urn:uuid:{n}", records=100)).result()
        builders.integrate(store, clock)
    journal.close()


def verified(folder) -> int:
    return static.verify(exported.folder(folder), KEY).checkpoint.size


@pytest.mark.parametrize("nth", [1, 2, 5])
@pytest.mark.parametrize("point", ["file", "files", "checkpoint", "removed"])
def test_killed_at_a_point_the_folder_is_whole_and_the_next_export_goes_on(tmp_path, point, nth):
    store, folder = builders.store(tmp_path / "store"), tmp_path / "out"
    grow(store, 0, 2)
    export.export(store, folder, KEY)
    grow(store, 2, 5)
    ended = Child(lambda _tell: export.export(store, folder, KEY, step=100, faults=Axe(point, nth)) and None).end()
    assert ended.killed
    done = {"file": 0, "files": nth - 1, "checkpoint": nth, "removed": nth}[point]
    assert verified(folder) == 200 + 100 * done if point != "file" else verified(folder) in {200, 300}
    assert export.export(store, folder, KEY).checkpoint.size == verified(folder) == 700


@pytest.mark.parametrize("point", ["file", "files"])
def test_a_first_export_that_is_killed_has_no_checkpoint_and_is_gone_on_with(tmp_path, point):
    store, folder = builders.store(tmp_path / "store"), tmp_path / "out"
    grow(store, 0, 3)
    assert Child(lambda _tell: export.export(store, folder, KEY, faults=Axe(point)) and None).end().killed
    assert not (folder / "checkpoint").exists()
    assert export.export(store, folder, KEY).checkpoint.size == verified(folder) == 300


def test_an_export_that_nobody_kills_tells_its_size(tmp_path):
    store = builders.store(tmp_path / "store")
    grow(store, 0, 1)
    child = Child(lambda tell: tell(export.export(store, tmp_path / "out", KEY, faults=Axe("never")).checkpoint.size))
    ended = child.end()
    assert (ended.killed, ended.told) == (False, [100])
