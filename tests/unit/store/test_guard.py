from __future__ import annotations

import shutil
from contextlib import contextmanager

import pytest

from gateway.errors import IntegrityError
from gateway.sqlite import File
from gateway.store import guard
from gateway.store.place import DATABASE, SqlitePlace
from tests import builders

KEY = builders.signer().key


def grow(store, clock, first: int, count: int) -> None:
    journal = builders.journal(store, clock)
    for n in range(first, first + count):
        journal.accept(builders.ready(f"urn:uuid:{n}")).result()
    journal.close()
    builders.integrate(store, clock)


def test_a_new_store_and_a_grown_one_are_served(store, clock):
    assert guard.check(store, KEY).size == 0
    grow(store, clock, 0, 3)
    assert guard.check(store, KEY).size == 3


def test_leaves_that_no_checkpoint_covers_yet_are_no_fault(store, clock):
    grow(store, clock, 0, 3)
    journal = builders.journal(store, clock)
    journal.accept(builders.ready("urn:uuid:new")).result()
    journal.close()
    assert guard.check(store, KEY).size == 3


def test_an_absent_store_is_not_served(tmp_path):
    with pytest.raises(IntegrityError):
        guard.check(SqlitePlace(tmp_path), KEY)


def test_an_older_copy_of_the_database_is_noticed(store, clock, tmp_path):
    grow(store, clock, 0, 3)
    shutil.copytree(store.folder, tmp_path / "backup")
    grow(store, clock, 3, 2)
    shutil.copy(tmp_path / "backup" / DATABASE, store.database)
    with pytest.raises(IntegrityError, match="signed at 5 leaves and has 3: this is an older copy"):
        guard.check(store, KEY)


def test_a_log_that_grows_while_it_is_looked_at_is_no_older_copy(store, clock):
    class Grows(File):
        """Sees one moment; then an integrator signs, and writes the anchor."""

        @contextmanager
        def reading(self):
            with super().reading() as connection:
                connection.execute("SELECT count(*) FROM checkpoints").fetchone()
                assert builders.integrate(store, clock).size == 4
                yield connection

    class Growing(SqlitePlace):
        def open(self):
            return Grows(self.database)

    grow(store, clock, 0, 3)
    journal = builders.journal(store, clock)
    journal.accept(builders.ready("urn:uuid:new")).result()
    journal.close()
    assert guard.check(Growing(store.folder), KEY).size == 3
    assert guard.check(store, KEY).size == 4


def test_an_older_anchor_is_no_fault(store, clock, tmp_path):
    grow(store, clock, 0, 3)
    old = store.anchor.read_bytes()
    grow(store, clock, 3, 2)
    store.anchor.write_bytes(old)
    assert guard.check(store, KEY).size == 5


def test_a_log_made_anew_beside_the_old_anchor_is_noticed(store, clock, tmp_path):
    grow(store, clock, 0, 3)
    other = builders.store(tmp_path / "other")
    grow(other, clock, 10, 4)
    shutil.copy(other.database, store.database)
    with pytest.raises(IntegrityError, match="root signed for 3 leaves"):
        guard.check(store, KEY)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DELETE FROM leaves WHERE position = 4", "has 4 leaves, but 5 were signed"),
        ("DELETE FROM checkpoints", "no checkpoint at all"),
        ("UPDATE checkpoints SET note = x'00'", "note"),
        ("UPDATE checkpoints SET size = 4 WHERE size = 5", "stored for 4 leaves is one for 5"),
        ("UPDATE tiles SET hashes = zeroblob(length(hashes))", "stored tree does not have the root"),
        ("UPDATE tiles SET hashes = substr(hashes, 33)", "too short"),
        ("DELETE FROM tiles", "tile 0/0 is not there"),
        ("UPDATE alembic_version SET version_num = '0000'", "schema is 0000"),
        ("DROP TABLE alembic_version", "schema is unknown"),
    ],
)
def test_a_database_that_disagrees_with_itself_is_not_served(store, clock, file, statement, told):
    grow(store, clock, 0, 5)
    builders.forge(file, statement)
    with pytest.raises(IntegrityError, match=told):
        guard.check(store, KEY)


def test_a_missing_or_forged_anchor_is_noticed(store):
    store.anchor.write_bytes(b"forged")
    with pytest.raises(IntegrityError):
        guard.check(store, KEY)
    store.anchor.unlink()
    with pytest.raises(IntegrityError, match=r"gateway\.checkpoint is not there"):
        guard.check(store, KEY)


def test_another_key_is_another_log(store):
    with pytest.raises(IntegrityError):
        guard.check(store, builders.signer("other.example").key)
