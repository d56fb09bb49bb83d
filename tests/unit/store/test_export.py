"""An export is at every moment the whole log up to its checkpoint, and goes on from what it was."""

from __future__ import annotations

import fcntl
import os
import shutil
from itertools import count
from pathlib import Path

import pytest

from gateway.audit import static, tiles
from gateway.cli import exported
from gateway.errors import ConfigError, IntegrityError, UnavailableError
from gateway.store import export
from gateway.store.log import READINGS, Signed
from gateway.store.published import Published
from tests import builders

KEY = builders.signer().key


NUMBERS = count()


def grow(store, clock, *counts: int) -> None:
    """A checkpoint after each so many leaves."""
    journal = builders.journal(store, clock)
    for records in counts:
        journal.accept(builders.ready(f"urn:uuid:{next(NUMBERS)}", records=records)).result()
        builders.integrate(store, clock)
    journal.close()


def verified(folder: Path) -> int:
    return static.verify(exported.folder(folder), KEY).checkpoint.size


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_an_empty_log_is_exported_and_goes_on(store, clock, tmp_path):
    made = export.export(store, tmp_path / "out", KEY)
    assert (made.before, made.checkpoint.size, made.files) == (0, 0, 0)
    assert list(files(tmp_path / "out")) == ["checkpoint"]
    assert verified(tmp_path / "out") == 0
    grow(store, clock, 3)
    assert export.export(store, tmp_path / "out", KEY).checkpoint.size == verified(tmp_path / "out") == 3


def test_an_export_that_grew_has_the_files_of_one_made_at_once(store, clock, tmp_path):
    for records in (1, 100, 155, 1, 300, 256, 7):
        grow(store, clock, records)
        made = export.export(store, tmp_path / "grown", KEY)
        assert verified(tmp_path / "grown") == made.checkpoint.size
    export.export(store, tmp_path / "new", KEY)
    grown, new = files(tmp_path / "grown"), files(tmp_path / "new")
    older = {path for path in grown if path not in new}
    assert {path: grown[path] for path in new} == new
    # Partial tiles of checkpoints that were published stay for as long as there is no full one.
    assert {path.partition(".p/")[0] for path in older} == {"tile/1/000", "tile/0/003", "tile/entries/003"}
    assert not [path for path in grown if path.endswith(export.NEW)]


def test_a_second_export_writes_only_what_is_new(store, clock, tmp_path):
    grow(store, clock, 600)
    export.export(store, tmp_path / "out", KEY)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert export.export(store, tmp_path / "out", KEY).files == 0
    grow(store, clock, 1)
    made = export.export(store, tmp_path / "out", KEY)
    assert (made.before, made.checkpoint.size, made.files) == (600, 601, 2)
    kept = {path for path, at in before.items() if path.exists() and path.stat().st_mtime_ns == at}
    assert {path.name for path in before.keys() - kept} == {"checkpoint"}


def test_what_is_exported_is_what_is_published(store, clock, tmp_path):
    grow(store, clock, 300, 300)
    export.export(store, tmp_path / "out", KEY)
    published = Published(store)
    for path, data in files(tmp_path / "out").items():
        assert published.read(path) == data
    assert static.verify(published.read, KEY).checkpoint.size == 600
    published.close()


def test_only_what_a_checkpoint_covers_is_published_and_every_width_of_it(store, clock):
    grow(store, clock, 300)
    journal = builders.journal(store, clock)
    journal.accept(builders.ready("urn:uuid:later", records=300)).result()
    published = Published(store)
    whole = {kind: published.read(f"tile/{kind}/001.p/44") for kind in ("0", "entries")}
    for width in range(1, 45):
        assert published.read(f"tile/0/001.p/{width}") == (whole["0"] or b"")[: width * 32]
        part = tiles.unbundle(published.read(f"tile/entries/001.p/{width}") or b"")
        assert part == tiles.unbundle(whole["entries"] or b"")[:width]
    for path in ("tile/0/001.p/45", "tile/entries/001.p/45", "tile/0/001", "tile/entries/002.p/1", "tile/1/000.p/2"):
        assert published.read(path) is None
    builders.integrate(store, clock)
    assert len(published.read("tile/entries/001") or b"") > len(whole["entries"] or b"")
    assert published.read("tile/0/001.p/44") == whole["0"]
    for path in ("", "checkpoint/", "../checkpoint", "tile/0/0", "tile/3/000.p/1", "tile/0/001.p/256"):
        assert published.read(path) is None
    journal.close()
    published.close()


def test_a_long_export_goes_by_the_checkpoints_that_were_signed(store, clock, tmp_path):
    grow(store, clock, *[100] * 6)
    seen: list[int] = []

    def watch(point: str) -> None:
        if point == "checkpoint":
            seen.append(verified(tmp_path / "out"))

    made = export.export(store, tmp_path / "out", KEY, step=250, faults=watch)
    assert seen == [200, 400, 600]
    assert made.checkpoint.size == 600
    seen.clear()
    export.export(store, tmp_path / "small", KEY, step=1, faults=lambda _: None)
    assert verified(tmp_path / "small") == 600


class GoneError(Exception):
    """As if the disk went away."""


@pytest.mark.parametrize("point", ["file", "files", "checkpoint", "removed"])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_an_export_that_fails_anywhere_is_whole_and_goes_on(store, clock, tmp_path, point, nth):
    grow(store, clock, 250)
    export.export(store, tmp_path / "out", KEY)
    grow(store, clock, 100, 100, 100)
    left = [nth]

    def fail(at: str) -> None:
        left[0] -= at == point
        if not left[0]:
            raise GoneError

    with pytest.raises(GoneError):
        export.export(store, tmp_path / "out", KEY, step=100, faults=fail)
    done = nth if point in {"checkpoint", "removed"} else nth - 1 if point == "files" else 0
    assert verified(tmp_path / "out") == 250 + 100 * done
    assert export.export(store, tmp_path / "out", KEY).checkpoint.size == verified(tmp_path / "out") == 550


def test_an_export_never_shrinks(store, clock, tmp_path):
    grow(store, clock, 300)
    shutil.copytree(store.folder, tmp_path / "old")
    grow(store, clock, 10)
    export.export(store, tmp_path / "out", KEY)
    before = files(tmp_path / "out")
    with pytest.raises(IntegrityError, match="the export has 310 leaves, the store 300: this is an older copy"):
        export.export(type(store)(tmp_path / "old"), tmp_path / "out", KEY)
    assert files(tmp_path / "out") == before


def test_an_export_is_never_turned_to_another_history(store, clock, tmp_path):
    grow(store, clock, 300)
    export.export(store, tmp_path / "out", KEY)
    before = files(tmp_path / "out")
    other = builders.store(tmp_path / "fork")
    grow(other, clock, 400)
    with pytest.raises(IntegrityError, match="does not go on from the 300 leaves of the export: it is forked"):
        export.export(other, tmp_path / "out", KEY)
    assert files(tmp_path / "out") == before
    with pytest.raises(IntegrityError, match="not signed by any key we know"):
        export.export(store, tmp_path / "out", builders.signer("other.example").key)
    assert files(tmp_path / "out") == before


def test_a_folder_of_something_else_is_left_alone(store, tmp_path):
    (tmp_path / "letter").write_text("dear")
    with pytest.raises(ConfigError, match="give a folder of its own"):
        export.export(store, tmp_path, KEY)
    assert "checkpoint" not in files(tmp_path)


def test_one_export_at_a_time_writes_a_folder(store, tmp_path):
    (tmp_path / "out").mkdir()
    held = os.open(tmp_path / "out", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(UnavailableError, match="another export is writing it"):
        export.export(store, tmp_path / "out", KEY)
    os.close(held)
    assert export.export(store, tmp_path / "out", KEY).checkpoint.size == 0


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE leaves SET entry = X'7b7d' WHERE position = 270", "leaf 270 does not have its entry's hash"),
        ("DELETE FROM leaves WHERE position = 270", "leaf 555 is not there|leaf 270 is not there"),
        ("UPDATE tiles SET hashes = zeroblob(length(hashes)) WHERE level = 0 AND number = 1", "tile 0/1 does not hold"),
        ("UPDATE tiles SET hashes = zeroblob(length(hashes)) WHERE level = 1", "tile 1/0 does not hold"),
        ("DELETE FROM tiles WHERE level = 1", "tile 1/0 is not there"),
    ],
)
def test_what_does_not_agree_is_not_exported(store, clock, file, tmp_path, *, statement, named):
    grow(store, clock, 555)
    builders.forge(file, statement)
    with pytest.raises(IntegrityError, match=named):
        export.export(store, tmp_path / "out", KEY)
    assert "checkpoint" not in files(tmp_path / "out")


def test_a_disk_that_takes_nothing_is_told_and_the_export_stays_whole(store, clock, tmp_path):
    grow(store, clock, 300)
    export.export(store, tmp_path / "out", KEY)
    grow(store, clock, 300)
    (tmp_path / "out" / "tile" / "0" / "001").mkdir()  # stands where the full tile is to be
    with pytest.raises(UnavailableError):
        export.export(store, tmp_path / "out", KEY)
    assert verified(tmp_path / "out") == 300
    (tmp_path / "out" / "tile" / "0" / "001").rmdir()
    assert export.export(store, tmp_path / "out", KEY).checkpoint.size == verified(tmp_path / "out") == 600


def test_the_checkpoint_that_is_shown_is_exported_with_what_witnesses_signed(store, clock, tmp_path):
    witness = builders.signer("witness.example").sign("x\n").split(b"\n\n")[1]
    grow(store, clock, 300, 10)

    def shown(size: int, more: bytes = b""):
        def find(session) -> Signed:
            row = session.execute("SELECT size, root, note FROM checkpoints WHERE size = ?", (size,)).fetchone()
            return Signed(size=row[0], root=row[1], note=bytes(row[2]) + more)

        return find

    folder = tmp_path / "out"
    for size, more, reached in ((300, b"", 300), (300, witness, 300), (310, witness, 310), (300, witness, 310)):
        made = export.export(store, folder, KEY, shown=shown(size, more))
        assert made.checkpoint.size == verified(folder) == reached  # a quorum that lags does not shorten it
        assert (folder / "checkpoint").read_bytes().endswith(more)


def test_the_log_of_readings_is_exported_by_its_own_key(store, tmp_path):
    made = export.export(store, tmp_path / "out", KEY, log=READINGS)
    assert (made.checkpoint.origin, made.checkpoint.size) == (READINGS.key(KEY).name, 0)
