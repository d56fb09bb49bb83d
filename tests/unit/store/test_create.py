from __future__ import annotations

import pytest

from gateway.audit import checkpoint, tree
from gateway.errors import IntegrityError, UnavailableError
from gateway.store import create
from gateway.store.log import READINGS
from gateway.store.place import ANCHOR, DATABASE, SqlitePlace
from gateway.store.views import Views
from tests import builders


def make(folder):
    return create.create(SqlitePlace(folder), signer=builders.signer(), at=builders.NOON)


def test_a_new_store_has_the_signed_checkpoint_of_the_empty_log_twice(tmp_path):
    made = make(tmp_path / "new")
    assert (made.size, made.root) == (0, tree.EMPTY)
    inside = Views(SqlitePlace(tmp_path / "new")).checkpoint()
    assert inside == (tmp_path / "new" / ANCHOR).read_bytes()
    assert checkpoint.verify(inside, builders.signer().key) == made


def test_only_its_owner_reads_the_store_and_nothing_half_made_is_left(tmp_path):
    make(tmp_path / "new")
    assert {path.name for path in (tmp_path / "new").iterdir()} == {DATABASE, ANCHOR, READINGS.anchor}
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0
    assert (tmp_path / "new" / DATABASE).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", [DATABASE, ANCHOR])
def test_a_store_or_half_of_one_is_never_overwritten(tmp_path, name):
    make(tmp_path)
    kept = (tmp_path / name).read_bytes()
    other = ANCHOR if name == DATABASE else DATABASE
    (tmp_path / other).unlink()
    with pytest.raises(IntegrityError, match="never overwritten"):
        make(tmp_path)
    assert (tmp_path / name).read_bytes() == kept


def test_what_an_interrupted_making_left_is_made_again(tmp_path):
    (tmp_path / f"{DATABASE}.new").write_bytes(b"half")
    make(tmp_path)
    assert Views(SqlitePlace(tmp_path)).counts()["checkpoints"] == 1


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UnavailableError):
        make(tmp_path / "file" / "store")


def test_opening_a_store_that_is_not_there_does_not_make_one(tmp_path):
    with pytest.raises(IntegrityError, match="gateway init"):
        SqlitePlace(tmp_path).open()
    with pytest.raises(IntegrityError):
        Views(SqlitePlace(tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_database_is_told(tmp_path):
    (tmp_path / DATABASE).write_bytes(b"no database" * 1000)
    with pytest.raises(IntegrityError):
        SqlitePlace(tmp_path).open()
