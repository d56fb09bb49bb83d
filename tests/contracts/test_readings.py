"""Who reads the log is written down before, in a log of its own: on both databases, by those whose duty it is."""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from functools import partial

import pytest

from gateway.audit import checkpoint, proof, tree
from gateway.errors import IntegrityError, UnavailableError
from gateway.sqlite import OperationalError
from gateway.store import create, guard
from gateway.store import readings as module
from gateway.store.log import AUDIT, LOGS, READINGS, StoredLog
from gateway.store.place import Duty, SqlitePlace
from gateway.store.readings import ReadingViews
from gateway.store.views import Views
from gateway.trust.sealing import Sealer
from tests import builders

KEY = builders.signer().key
OWN = READINGS.key(KEY)
POINTS = ("sign", "tiles", "commit", "committed", "anchored")
TABLES = ("reading_records", "reading_leaves", "reading_tiles", "reading_checkpoints")
READERS = (Duty.AUDITOR, Duty.ARCHIVIST, Duty.REVIEWER, Duty.OVERSEER)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def store(request, tmp_path):
    return builders.store(tmp_path) if request.param == "sqlite" else request.getfixturevalue("stored")


@pytest.fixture
def clock():
    return builders.Clock()


def read(store, *questions, duty=Duty.AUDITOR, **more) -> list[int]:
    log = builders.readings(store.acting(duty), **more)
    try:
        return [log.read(builders.reading(one)) for one in questions]
    finally:
        log.close()


def seen(store) -> ReadingViews:
    return ReadingViews(store.acting(Duty.OVERSEER))


def integrate(store, clock, log=READINGS):
    return builders.integrate(store.acting(Duty.INTEGRATOR), clock, log)


def test_every_reading_has_the_next_place_and_says_who_why_and_what(store):
    assert read(store, "Q1", "Q2") == [0, 1]
    assert read(store, "Q3", duty=Duty.ARCHIVIST) == [2]
    kept = list(seen(store).newest())
    assert [one.position for one in kept] == [2, 1, 0]
    assert [one.opened(builders.SEALER) for one in kept] == [builders.reading(one) for one in ("Q3", "Q2", "Q1")]
    accounts = {one.account for one in kept}
    assert accounts == ({""} if isinstance(store, SqlitePlace) else {"gateway_auditor", "gateway_archivist"})


def test_a_reading_adds_nothing_to_the_audit_log_and_a_message_nothing_to_that_of_readings(store, clock):
    journal = builders.journal(store.acting(Duty.FRONT), clock)
    read(store, "Q1")
    journal.accept(builders.ready()).result()
    journal.close()
    views = Views(store.acting(Duty.OPERATOR))
    assert (views.length(), seen(store).length()) == (1, 1)
    views.close()


def test_readings_at_once_are_all_written_without_a_gap(store):
    shared = builders.readings(store.acting(Duty.AUDITOR))
    places, own = [], [builders.readings(store.acting(duty)) for duty in READERS]

    def many(log) -> None:
        places.extend(log.read(builders.reading(f"Q{n}")) for n in range(6))

    threads = [threading.Thread(target=many, args=(log,)) for log in (*own, shared, shared)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    for log in (*own, shared):
        log.close()
    assert sorted(places) == list(range(36))
    assert [one.position for one in seen(store).newest()] == list(range(35, -1, -1))


@pytest.mark.parametrize("point", ["leaf", "commit"])
def test_what_fails_before_the_commit_is_not_written_and_is_not_answered(store, point):
    def fault(at: str) -> None:
        if at == point:
            raise UnavailableError(builders.codes.STORE_UNAVAILABLE, "test")

    with pytest.raises(UnavailableError):
        read(store, "Q1", faults=fault)
    assert seen(store).length() == 0
    assert read(store, "Q1") == [0]


def test_what_fails_after_the_commit_is_written_and_is_not_answered(store):
    def fault(at: str) -> None:
        if at == "committed":
            raise UnavailableError(builders.codes.STORE_UNAVAILABLE, "test")

    with pytest.raises(UnavailableError):
        read(store, "Q1", faults=fault)
    assert [one.opened(builders.SEALER).question for one in seen(store).newest()] == ["Q1"]
    assert read(store, "Q1") == [1]


def test_a_reading_without_a_case_is_not_written(store):
    log = builders.readings(store.acting(Duty.AUDITOR))
    with pytest.raises(IntegrityError, match="a case is needed"):
        log.read(builders.reading(case=" "))
    log.close()
    assert seen(store).length() == 0


def test_many_readings_are_gone_through_page_by_page(store, monkeypatch):
    monkeypatch.setattr(module, "PAGE", 3)
    read(store, *(f"Q{n}" for n in range(7)))
    views = seen(store)
    assert [one.position for one in views.newest()] == list(range(6, -1, -1))
    assert [one.position for one in views.newest(before=3)] == [2, 1, 0]
    assert views.at(4).opened(builders.SEALER).question == "Q4"
    assert views.at(7) is None


def test_both_logs_grow_side_by_side_each_under_its_own_name(store, clock):
    read(store, *(["Q1"] * 300))
    journal = builders.journal(store.acting(Duty.FRONT), clock)
    journal.accept(builders.ready(records=3)).result()
    journal.close()
    assert (integrate(store, clock).size, integrate(store, clock, AUDIT).size) == (300, 3)
    assert checkpoint.verify(READINGS.anchored(store).read_bytes(), OWN).origin == builders.ORIGIN + "/readings"
    assert checkpoint.verify(AUDIT.anchored(store).read_bytes(), KEY).size == 3
    with pytest.raises(IntegrityError):
        checkpoint.verify(READINGS.anchored(store).read_bytes(), KEY)
    report = seen(store).verify(KEY, builders.SEALER)
    assert (report.size, report.pending, report.tiles) == (300, 0, 3)
    assert Views(store).verify_log(KEY).size == 3


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.lease)
def test_a_step_for_one_log_that_fails_anywhere_is_made_good_by_the_next_and_leaves_the_other_alone(
    store, clock, log, point
):
    failing = [True]

    def fault(at: str) -> None:
        if at == point and failing:
            failing.clear()
            raise (
                OperationalError
                if isinstance(store, SqlitePlace)
                else UnavailableError(builders.codes.STORE_UNAVAILABLE, "test")
            )

    (other,) = (one for one in LOGS if one is not log)
    read(store, "Q1", "Q2")
    journal = builders.journal(store.acting(Duty.FRONT), clock)
    journal.accept(builders.ready(records=2)).result()
    journal.close()
    one = builders.integrator(store.acting(Duty.INTEGRATOR), clock, log=log, faults=fault)
    with pytest.raises(UnavailableError):
        one.step()
    assert guard.check(store, KEY, log).size == 2 * (point in {"committed", "anchored"})
    assert integrate(store, clock, other).size == 2
    one.step()
    one.stop()
    for each in LOGS:
        assert guard.check(store, KEY, each).size == 2
        assert checkpoint.verify(each.anchored(store).read_bytes(), each.key(KEY)).size == 2
    assert seen(store).verify(KEY).size == Views(store).verify_log(KEY).size == 2


def test_each_log_has_a_lease_of_its_own(store, clock):
    integrator = store.acting(Duty.INTEGRATOR)
    one = builders.integrator(integrator, clock, holder="one", log=AUDIT)
    two = builders.integrator(integrator, clock, holder="two", log=READINGS)
    three = builders.integrator(integrator, clock, holder="three", log=READINGS)
    read(store, "Q1")
    assert one.step() is None
    assert two.step().size == 1
    read(store, "Q1")
    assert three.step() is None
    for each in (one, two, three):
        each.stop()


def test_the_proof_of_a_reading_is_good_for_that_log_and_no_other(store, clock):
    read(store, "Q1", "Q2", "Q3")
    views = seen(store)
    with pytest.raises(UnavailableError, match="not signed for yet"):
        views.proof(1)
    integrate(store, clock)
    proven, hash_ = proof.read(proof.write(views.proof(1))), views.at(1).hash
    assert proof.verify(proven, hash_, OWN).size == 3
    with pytest.raises(IntegrityError):
        proof.verify(proven, hash_, KEY)
    with pytest.raises(IntegrityError):
        proof.verify(proven, views.at(2).hash, OWN)
    assert views.position(hash_) == 1
    assert views.proof(3) is None


def test_how_long_a_reading_waits_to_be_signed_for_is_told(store, clock):
    front = ReadingViews(store.acting(Duty.FRONT))
    assert front.unsigned(builders.NOON) == (0, timedelta(0))
    read(store, "Q1", "Q2")
    at = seen(store).at(0).at
    assert front.unsigned(at + timedelta(seconds=7)) == (2, timedelta(seconds=7))
    integrate(store, clock)
    assert front.unsigned(at + timedelta(seconds=7)) == (0, timedelta(0))


def test_another_sealing_key_opens_no_reading(store):
    read(store, "Q1")
    with pytest.raises(IntegrityError):
        seen(store).at(0).opened(Sealer("test", b"t" * 32, os.urandom))


def grown(store, clock, count: int = 5) -> None:
    read(store, *(f"Q{n}" for n in range(count)))
    integrate(store, clock)


def forge(store, *statements: str) -> None:
    """What only its owner, with triggers taken away, can do."""
    session = store.open()
    if isinstance(store, SqlitePlace):
        builders.forge(session, *statements)
    else:
        for table in TABLES:
            session.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        session.execute("ALTER TABLE reading_records DROP CONSTRAINT fk_reading_records_position")
        for one in statements:
            session.execute(one)
    session.close()


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DELETE FROM reading_leaves WHERE position = 4", "log of readings has 4 leaves, but 5 were signed"),
        ("DELETE FROM reading_checkpoints", "log of readings has no checkpoint at all"),
        ("DELETE FROM reading_checkpoints WHERE size = 5", "log of readings was signed at 5 leaves and has 0"),
        ("DELETE FROM reading_tiles", "tile 0/0 is not there"),
        ("UPDATE reading_tiles SET hashes = substr(hashes, 33)", "too short"),
    ],
)
def test_a_log_of_readings_that_is_shorter_or_other_is_not_served(store, clock, statement, told):
    grown(store, clock)
    guard.check_all(store, KEY)
    forge(store, statement)
    with pytest.raises(IntegrityError, match=told):
        guard.check_all(store, KEY)
    assert guard.check(store, KEY).size == 0, "the audit log is as it was"


def test_an_absent_anchor_of_the_log_of_readings_is_not_served(store, clock):
    grown(store, clock)
    READINGS.anchored(store).unlink()
    with pytest.raises(IntegrityError, match=r"readings\.checkpoint is not there"):
        guard.check_all(store, KEY)


def test_a_forked_log_of_readings_is_not_served(store, clock, tmp_path):
    grown(store, clock)
    other = builders.store(tmp_path / "other")
    grown(other, clock)
    READINGS.anchored(store).write_bytes(READINGS.anchored(other).read_bytes())
    with pytest.raises(IntegrityError, match="root signed for 5 leaves"):
        guard.check_all(store, KEY)
    one = builders.integrator(store.acting(Duty.INTEGRATOR), clock, log=READINGS)
    with pytest.raises(IntegrityError, match="root signed for 5 leaves"):
        one.step()
    one.stop()


def test_the_anchor_of_one_log_is_no_anchor_of_the_other(store, clock):
    grown(store, clock)
    READINGS.anchored(store).write_bytes(AUDIT.anchored(store).read_bytes())
    with pytest.raises(IntegrityError):
        guard.check_all(store, KEY)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE reading_leaves SET entry = {x} WHERE position = 2", "leaf 2 does not have its entry's hash"),
        ("DELETE FROM reading_leaves WHERE position = 2", "leaf 2 is not there"),
        ("UPDATE reading_leaves SET position = 9 WHERE position = 2", "leaf 2 is not there"),
        ("DELETE FROM reading_records WHERE position = 2", "record of reading 2 is not there"),
        ("UPDATE reading_records SET sealed = {x} WHERE position = 2", "seal of the record 1 is broken"),
        (
            "UPDATE reading_records SET sealed = (SELECT sealed FROM reading_records LIMIT 1) WHERE position = 2",
            "seal of the record 1 is broken",
        ),
    ],
)
def test_whatever_is_changed_in_the_log_of_readings_is_found_and_named(store, clock, statement, told):
    grown(store, clock)
    assert seen(store).verify(KEY, builders.SEALER).size == 5
    forge(store, statement.format(x="X'00'" if isinstance(store, SqlitePlace) else "'\\x00'::bytea"))
    with pytest.raises(IntegrityError, match=told):
        seen(store).verify(KEY, builders.SEALER)


def test_a_machine_joins_and_keeps_up_with_both_logs(store, clock, tmp_path):
    grown(store, clock)
    for log in LOGS:
        log.anchored(store).unlink()
    assert [one.size for one in guard.keep_all(store, KEY, first=True)] == [0, 5]
    grown(store, clock, 2)
    assert [one.size for one in guard.keep_all(store, KEY)] == [0, 7]
    with pytest.raises(IntegrityError, match="is there already"):
        guard.keep_all(store, KEY, first=True)
    READINGS.anchored(store).unlink()  # a machine that is older than this log
    assert [one.size for one in guard.keep_all(store, KEY, first=True)] == [0, 7]


def test_every_checkpoint_is_a_beginning_of_the_next(store, clock):
    notes = []
    for _ in range(4):
        grown(store, clock, 3)
        notes.append(seen(store).checkpoint())
    found = [checkpoint.verify(one, OWN) for one in notes]
    session = store.open()
    nodes = StoredLog(session, READINGS).nodes()
    for one in found:
        path = tree.consistency(one.size, found[-1].size, nodes)
        tree.verify_consistency(one.size, found[-1].size, one.root, found[-1].root, path)
    session.close()


# A store that is older than its log of readings.


@pytest.fixture
def older(tmp_path):
    place = builders.older(tmp_path / "older", "0009")
    place.upgrade()
    return place


complete = partial(create.complete, signer=builders.signer(), at=builders.NOON)


def test_a_store_that_is_older_is_not_served_until_it_has_its_log_of_readings(older, clock):
    with pytest.raises(IntegrityError, match=r"readings\.checkpoint is not there"):
        guard.check_all(older, KEY)
    assert complete(older)
    guard.check_all(older, KEY)
    assert not complete(older)
    grown(older, clock)
    assert not complete(older)
    guard.check_all(older, KEY)


def test_what_an_interrupted_upgrade_left_is_made_whole(older):
    complete(older)
    READINGS.anchored(older).unlink()
    assert not complete(older)
    guard.check_all(older, KEY)


def test_a_log_of_readings_that_has_lost_a_half_is_never_begun_anew(older, clock):
    complete(older)
    grown(older, clock)
    READINGS.anchored(older).unlink()
    complete(older)
    with pytest.raises(IntegrityError, match=r"readings\.checkpoint is not there"):
        guard.check_all(older, KEY)
    file = older.open()
    builders.forge(file, "DELETE FROM reading_checkpoints")
    file.close()
    with pytest.raises(IntegrityError, match="was not empty: restore it"):
        complete(older)


def test_a_log_of_readings_whose_rows_are_gone_is_not_begun_anew_beside_its_anchor(older, clock):
    complete(older)
    grown(older, clock)
    file = older.open()
    builders.forge(file, *(f"DELETE FROM {table}" for table in TABLES))  # noqa: S608
    file.close()
    with pytest.raises(IntegrityError, match="was not empty: restore it"):
        complete(older)
