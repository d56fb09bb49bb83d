"""What was judged by is kept before anything is judged by it: on SQLite and PostgreSQL, by those whose duty it is."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from datetime import timedelta
from functools import partial

import orjson
import pytest

from gateway.audit import governing, leaf
from gateway.audit.governing import Declared
from gateway.config import archive, register
from gateway.errors import IntegrityError, UnavailableError
from gateway.store import registers
from gateway.store.place import Duty
from gateway.store.views import Views
from gateway.trust.sealing import Sealer
from tests import builders
from tests.builders import NOON

SALT = bytes(leaf.SALT)
ONE = {"lagrum/sfb.toml": b"x = 1\n", "bases/a.toml": b"y = 2\n"}
TWO = {**ONE, "bases/a.toml": b"y = 3\n"}
QUEUES = {
    "kontroll": Declared(types=("t.v1",), purposes=("fk:Kontroll",), benefits=("sjukpenning",)),
    "handlaggning": Declared(types=("t.v1",), purposes=("fk:Arendehandlaggning",), benefits=()),
}
WIDER = {**QUEUES, "kontroll": replace(QUEUES["kontroll"], benefits=("foraldrapenning", "sjukpenning"))}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def place(request, tmp_path):
    if request.param == "sqlite":
        return builders.store(tmp_path / "store")
    return request.getfixturevalue("stored").acting(Duty.FRONT)


def keep(place, law, *, seen=None, **more):
    policy = register.policy(law)

    def make(before):
        if seen is not None:
            seen.append(before)
        predecessor, files = before or (None, {})
        changes = archive.changes(files, law)
        made = governing.taken(law, changes, policy=policy, predecessor=predecessor, by="test", at=NOON, salt=SALT)
        return made, Sealer("key", bytes(32), os.urandom).seal(b"", [made])

    return registers.keep(place, law, policy, NOON, make, **more)


def declare(place, queues, *, seen=None, **more):
    def make(before):
        if seen is not None:
            seen.append(before)
        made = governing.declared(before, queues, policy="a" * 64, by="test", at=NOON, salt=SALT)
        return made, Sealer("key", bytes(32), os.urandom).seal(b"", [made])

    return registers.declare(place, queues, NOON, "test", make, **more)


def log(place):
    views = Views(place.acting(Duty.OPERATOR))
    try:
        return views.length(), views.verify_log(builders.signer().key)
    finally:
        views.close()


def test_a_register_is_kept_once_and_comes_back_byte_for_byte(place):
    seen = []
    assert keep(place, ONE, seen=seen)
    assert not keep(place, ONE)
    assert keep(place, TWO, seen=seen)
    assert not keep(place, ONE), "a register that is taken into use again is no new one"
    assert seen == [None, (register.policy(ONE), ONE)]
    assert registers.read(place, register.policy(ONE)) == ONE
    assert registers.read(place, register.policy(TWO)) == TWO
    assert registers.read(place, "0" * 64) is None
    assert [(one.policy, one.predecessor, one.position) for one in registers.taken(place)] == [
        (register.policy(ONE), None, 0),
        (register.policy(TWO), register.policy(ONE), 1),
    ]


@pytest.mark.parametrize("duty", [Duty.OPERATOR, Duty.AUDITOR])
def test_whoever_reads_decisions_reads_what_they_were_made_by(place, duty):
    keep(place, ONE)
    assert registers.read(place.acting(duty), register.policy(ONE)) == ONE
    assert len(registers.taken(place.acting(duty))) == 1


def test_what_the_queues_serve_is_written_when_it_changes_and_only_then(place):
    seen = []
    assert declare(place, QUEUES, seen=seen)
    assert not declare(place, dict(reversed(QUEUES.items())))
    assert declare(place, WIDER, seen=seen)
    assert declare(place, QUEUES, seen=seen), "a return is a change too"
    assert seen == [{}, QUEUES, WIDER]


def test_the_leaf_of_a_change_names_the_queues_that_changed_and_no_other():
    made = governing.declared(QUEUES, WIDER, policy="a" * 64, by="anna@here:1", at=NOON, salt=SALT)
    record = orjson.loads(made.record)
    assert orjson.loads(made.entry)["kind"] == "declaration"
    assert (record["by"], [one["queue"] for one in record["queues"]]) == ("anna@here:1", ["kontroll"])
    (one,) = record["queues"]
    assert one["before"]["benefits"] == ["sjukpenning"]
    assert one["after"]["benefits"] == ["foraldrapenning", "sjukpenning"]
    gone = orjson.loads(governing.declared(QUEUES, {}, policy="a" * 64, by="", at=NOON, salt=SALT).record)
    assert [one["after"] for one in gone["queues"]] == [None, None]


def test_every_leaf_has_its_row_and_every_row_its_leaf(place):
    keep(place, ONE)
    declare(place, QUEUES)
    clock = builders.Clock()
    journal = builders.journal(place, clock)
    journal.accept(builders.ready(records=2)).result()
    journal.close()
    keep(place, TWO)
    builders.integrate(place.acting(Duty.INTEGRATOR), clock)
    length, report = log(place)
    assert (length, report.size, report.pending) == (5, 5, 0)


def test_how_long_a_leaf_has_waited_for_its_signature_is_known_for_these_too(place):
    keep(place, ONE)
    views = Views(place.acting(Duty.OPERATOR))
    waiting, since = views.unsigned(builders.NOON + timedelta(seconds=5))
    views.close()
    assert (waiting, since.total_seconds()) == (1, 5)


@pytest.mark.parametrize(
    ("point", "kept"),
    [("leaves", False), ("records", False), ("registers", False), ("commit", False), ("committed", True)],
)
def test_a_register_is_whole_or_not_there_and_trying_again_is_right_either_way(place, point, kept):
    def fail(at):
        if at == point:
            raise OSError(point)

    with pytest.raises(UnavailableError):
        keep(place, ONE, faults=fail)
    assert (registers.read(place, register.policy(ONE)) == ONE) is kept
    assert keep(place, ONE) is not kept
    assert log(place)[0] == 1


@pytest.mark.parametrize(("point", "kept"), [("declarations", False), ("commit", False), ("committed", True)])
def test_a_declaration_is_whole_or_not_there(place, point, kept):
    def fail(at):
        if at == point:
            raise OSError(point)

    with pytest.raises(UnavailableError):
        declare(place, QUEUES, faults=fail)
    assert declare(place, QUEUES) is not kept
    assert log(place)[0] == 1


def test_files_that_are_not_those_of_the_hash_are_not_kept(place):
    with pytest.raises(IntegrityError):
        registers.keep(place, ONE, register.policy(TWO), NOON, partial(pytest.fail, "no leaf is made"))
    assert registers.taken(place) == []


def test_of_many_that_start_at_once_one_writes_and_all_find_it(place):
    new, ready = [], threading.Barrier(6)

    def start():
        ready.wait()
        new.append(keep(place, ONE))
        new.append(declare(place, QUEUES))

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(new), sum(new)) == (12, 2)
    assert log(place)[0] == 2
