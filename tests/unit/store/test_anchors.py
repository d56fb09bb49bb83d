"""Every machine that keeps an anchor is a guard of the log."""

from __future__ import annotations

import shutil

import pytest

from gateway.errors import IntegrityError
from gateway.store import guard
from gateway.store.place import SqlitePlace
from tests import builders

KEY = builders.signer().key


@pytest.fixture
def here(tmp_path):
    """A store with three signed leaves, and its own anchor."""
    return grown(builders.store(tmp_path / "here"), "urn:uuid:1", 3)


def grown(place: SqlitePlace, message_id: str, records: int) -> SqlitePlace:
    journal = builders.journal(place, builders.Clock())
    journal.accept(builders.ready(message_id, records=records)).result()
    journal.close()
    builders.integrate(place, builders.Clock())
    return place


def elsewhere(here: SqlitePlace, tmp_path) -> SqlitePlace:
    """The same log seen from another machine: it has no anchor of its own yet."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    shutil.copyfile(here.database, folder / here.database.name)
    return SqlitePlace(folder)


def test_a_machine_without_an_anchor_does_not_serve(here, tmp_path):
    with pytest.raises(IntegrityError, match="is not there"):
        guard.check(elsewhere(here, tmp_path), KEY)


def test_a_machine_joins_once_and_serves_from_then_on(here, tmp_path):
    there = elsewhere(here, tmp_path)
    assert guard.join(there, KEY).size == 3
    assert guard.check(there, KEY).size == 3
    assert there.anchor.read_bytes() == here.anchor.read_bytes()
    with pytest.raises(IntegrityError, match="already"):
        guard.join(there, KEY)


def test_a_log_that_does_not_agree_with_itself_is_not_joined_under_another_key(here, tmp_path):
    there = elsewhere(here, tmp_path)
    with pytest.raises(IntegrityError):
        guard.join(there, builders.signer("another.example/log").key)
    assert not there.anchor.exists()


def test_an_anchor_grows_with_the_log_it_knows(here, tmp_path):
    there = elsewhere(here, tmp_path)
    guard.join(there, KEY)
    grown(here, "urn:uuid:2", 2)
    shutil.copyfile(here.database, there.database)
    assert guard.renew(there, KEY).size == 5
    assert there.anchor.read_bytes() == here.anchor.read_bytes()
    assert guard.renew(there, KEY).size == 5


def test_a_shorter_log_is_noticed_by_the_machine_that_knew_it_longer(here, tmp_path):
    older = here.database.read_bytes()
    there = elsewhere(here, tmp_path)
    grown(here, "urn:uuid:2", 2)
    shutil.copyfile(here.database, there.database)
    guard.join(there, KEY)
    known = there.anchor.read_bytes()
    there.database.write_bytes(older)
    with pytest.raises(IntegrityError, match="older copy"):
        guard.renew(there, KEY)
    assert there.anchor.read_bytes() == known
