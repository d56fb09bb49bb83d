"""Beyond what `tests/contracts/test_journal.py` holds every driver to: the copy in memory, and how old it may be."""

from __future__ import annotations

import pytest

from gateway.errors import IntegrityError
from gateway.message import Protection
from gateway.store.place import SqlitePlace
from gateway.store.protections import WINDOW, StoredProtections
from tests import builders

HIDDEN = Protection.SEKRETESSMARKERING
PERSON = builders.pseudonym(builders.NUMBERS[0])


class Ticks:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticks():
    return Ticks()


@pytest.fixture
def protections(store, ticks):
    opened = StoredProtections(store, monotonic=ticks)
    yield opened
    opened.close()


def learn(store, clock, protection: Protection, stated_at: int) -> None:
    """As another process does it: nobody here is told."""
    journal = builders.journal(store, clock)
    news = (builders.learned(protection, stated_at),)
    journal.accept(builders.ready(f"urn:uuid:{protection}{stated_at}", learned=news)).result()
    journal.close()


def test_what_another_process_learned_is_known_within_the_window(store, clock, ticks, protections):
    learn(store, clock, HIDDEN, 1)
    assert protections.status(PERSON) is Protection.UNKNOWN
    ticks.now += WINDOW
    assert protections.status(PERSON) is HIDDEN
    learn(store, clock, Protection.NONE, 2)
    assert protections.status(PERSON) is HIDDEN
    ticks.now += WINDOW
    assert protections.status(PERSON) is Protection.NONE


def test_what_this_process_learned_is_known_when_it_is_told(store, clock, protections):
    learn(store, clock, HIDDEN, 1)
    protections.refresh()
    assert protections.status(PERSON) is HIDDEN


def test_what_was_known_is_known_after_a_restart(store, clock):
    learn(store, clock, HIDDEN, 1)
    opened = StoredProtections(store)
    assert opened.status(PERSON) is HIDDEN
    opened.close()


def test_when_the_copy_cannot_be_refreshed_everybody_is_unknown_until_it_can(store, clock, ticks, protections, file):
    learn(store, clock, Protection.NONE, 1)
    protections.refresh()
    assert protections.status(PERSON) is Protection.NONE
    file.execute("ALTER TABLE protections RENAME TO elsewhere")
    assert protections.status(PERSON) is Protection.NONE
    ticks.now += WINDOW
    assert protections.status(PERSON) is Protection.UNKNOWN
    file.execute("ALTER TABLE elsewhere RENAME TO protections")
    assert protections.status(PERSON) is Protection.UNKNOWN
    ticks.now += WINDOW
    assert protections.status(PERSON) is Protection.NONE


def test_a_status_nobody_knows_makes_everybody_unknown(store, ticks, protections, file):
    with file.writing() as connection:
        connection.execute("INSERT INTO protections VALUES ('p', 'nonsense', 1, 1, 1)")
    ticks.now += WINDOW
    assert protections.status(PERSON) is Protection.UNKNOWN


def test_after_close_everybody_is_unknown(store, clock, ticks):
    learn(store, clock, Protection.NONE, 1)
    opened = StoredProtections(store, monotonic=ticks)
    opened.close()
    ticks.now += 10 * WINDOW
    assert opened.status(PERSON) is Protection.UNKNOWN


def test_no_store_is_made_where_none_is(tmp_path):
    with pytest.raises(IntegrityError):
        StoredProtections(SqlitePlace(tmp_path))
