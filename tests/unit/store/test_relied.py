"""What certificates were judged by is kept before it judges, once, and found again by partner and time."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

import pytest

from gateway.errors import IntegrityError, UnavailableError
from gateway.message import Fingerprint, PartnerId
from gateway.store import relied
from tests import builders

SKATTEVERKET, KOMMUN = PartnerId("skatteverket"), PartnerId("kommun")
NOON, HOUR = builders.NOON, timedelta(hours=1)


def count(store, table: str) -> int:
    session = store.open()
    found = session.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608  # our own words
    session.close()
    return found


def test_each_file_is_kept_once_and_a_partner_s_lists_only_when_they_are_others(store):
    assert relied.keep(store, NOON, {SKATTEVERKET: [b"one"], KOMMUN: [b"one"]}, [b"certificate"])
    assert not relied.keep(store, NOON + HOUR, {SKATTEVERKET: [b"one"], KOMMUN: [b"one"]}, [b"certificate"])
    assert (count(store, "trust_files"), count(store, "trust_reads")) == (2, 2)
    assert relied.keep(store, NOON + 2 * HOUR, {SKATTEVERKET: [b"two", b"one"], KOMMUN: [b"one"]})
    assert (count(store, "trust_files"), count(store, "trust_reads")) == (3, 3)
    assert not relied.keep(store, NOON + 3 * HOUR, {SKATTEVERKET: [b"one", b"two"]})
    assert relied.keep(store, NOON + 4 * HOUR, {SKATTEVERKET: [b"one"]})  # one is taken away again
    assert (count(store, "trust_files"), count(store, "trust_reads")) == (3, 4)


def test_what_was_in_force_is_found_by_partner_and_time(store):
    for hours, lists in enumerate(([b"one"], [b"two"], [])):
        relied.keep(store, NOON + hours * HOUR, {SKATTEVERKET: lists})

    def at(hours: float) -> list[list[bytes]]:
        return [list(one.lists) for one in relied.in_force(store, SKATTEVERKET, NOON + hours * HOUR)]

    assert at(-0.01) == []  # nobody wrote it down then
    assert at(0.5) == [[b"one"]]
    assert at(1.5) == [[b"two"]]
    assert at(2.5) == [[]]  # none was configured
    assert relied.in_force(store, KOMMUN, NOON + HOUR) == []


def test_while_processes_may_differ_both_are_found_and_not_a_moment_longer(store):
    relied.keep(store, NOON, {SKATTEVERKET: [b"one"]})
    relied.keep(store, NOON + HOUR, {SKATTEVERKET: [b"two"]})

    def lists(after: timedelta) -> list[bytes]:
        return [one.lists[0] for one in relied.in_force(store, SKATTEVERKET, NOON + HOUR + after)]

    assert lists(timedelta(0)) == [b"two", b"one"]
    assert lists(relied.SETTLING - timedelta(microseconds=1)) == [b"two", b"one"]
    assert lists(relied.SETTLING) == [b"two"]


def test_a_certificate_of_ours_is_found_by_its_fingerprint(store):
    relied.keep(store, NOON, {}, [b"certificate"])
    name = Fingerprint(sha256(b"certificate").hexdigest())
    assert relied.certificate(store, name) == b"certificate"
    with pytest.raises(IntegrityError, match="is not there"):
        relied.certificate(store, Fingerprint("0" * 64))


def test_a_list_that_was_changed_in_the_store_is_not_believed(store):
    relied.keep(store, NOON, {SKATTEVERKET: [b"one"]})
    session = store.open()
    session.execute("DROP TRIGGER trust_files_changed_never")
    session.execute("UPDATE trust_files SET content = x'00'")
    session.close()
    with pytest.raises(IntegrityError, match="another file"):
        relied.in_force(store, SKATTEVERKET, NOON)


def test_what_cannot_be_kept_is_told_and_nothing_of_it_is_there(store):
    session = store.open()
    session.execute("CREATE TRIGGER full BEFORE INSERT ON trust_reads BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    session.close()
    with pytest.raises(UnavailableError):
        relied.keep(store, NOON, {SKATTEVERKET: [b"one"]})
    assert (count(store, "trust_files"), count(store, "trust_reads")) == (0, 0)
