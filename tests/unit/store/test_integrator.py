from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from gateway.audit import checkpoint, tree
from gateway.errors import IntegrityError, UnavailableError
from gateway.sqlite import OperationalError
from gateway.store import guard
from gateway.store import integrator as module
from gateway.store.log import StoredLog
from gateway.store.views import Views
from tests import builders

KEY = builders.signer().key
POINTS = ("anchor", "last", "sign", "tiles", "commit", "committed", "anchored")


def accept(store, clock, first: int, count: int, records: int = 1) -> None:
    journal = builders.journal(store, clock)
    futures = [journal.accept(builders.ready(f"urn:uuid:{n}", records=records)) for n in range(first, first + count)]
    for future in futures:
        future.result()
    journal.close()


def anchored(store) -> int:
    return checkpoint.verify(store.anchor.read_bytes(), KEY).size


@pytest.fixture
def integrator(store, clock):
    one = builders.integrator(store, clock)
    yield one
    one.stop()


def test_nothing_new_is_not_signed_again(store, clock, integrator):
    assert integrator.step() is None
    accept(store, clock, 0, 1)
    assert integrator.step().size == 1
    assert integrator.step() is None
    assert Views(store).counts()["checkpoints"] == 2


@pytest.mark.parametrize("steps", [(1,), (255, 1, 1), (3, 253, 300), (600,), (1, 1, 1, 509, 7)])
def test_the_tree_is_right_however_the_leaves_came(store, clock, integrator, steps):
    journal = builders.journal(store, clock)
    total = 0
    for count in steps:
        leaves = [journal.refuse(builders.refusal(b"<%d/>" % n)) for n in range(total, total + count)]
        for future in leaves:
            future.result()
        total += count
        grown = integrator.step()
        assert grown.size == total == anchored(store)
        assert checkpoint.verify(Views(store).checkpoint(), KEY) == grown
    journal.close()
    report = Views(store).verify_log(KEY)
    assert (report.size, report.checkpoints, report.pending) == (total, len(steps) + 1, 0)


def test_another_integrator_goes_on_where_one_stopped(store, clock):
    for n in range(0, 600, 150):
        accept(store, clock, n, 1, records=150)
        assert builders.integrate(store, clock).size == n + 150
    Views(store).verify_log(KEY)


def test_two_integrators_take_turns_by_lease_and_never_contradict_each_other(store, clock):
    ttl = timedelta(seconds=10)
    one, another = (builders.integrator(store, clock, holder=name, ttl=ttl) for name in ("one", "another"))
    accept(store, clock, 0, 2)
    assert one.step().size == 2
    accept(store, clock, 2, 2)
    assert another.step() is None
    clock.pass_(ttl)
    assert another.step().size == 4
    accept(store, clock, 4, 2)
    assert one.step() is None
    clock.pass_(ttl)
    assert one.step().size == 6
    one.stop()
    another.stop()
    Views(store).verify_log(KEY)


def test_a_holder_that_was_overtaken_inside_a_step_writes_nothing(store, clock):
    ttl = timedelta(seconds=10)
    another = builders.integrator(store, clock, holder="another", ttl=ttl)

    def overtaken(point: str) -> None:
        if point == "sign":
            clock.pass_(ttl)
            assert another.step().size == 3

    one = builders.integrator(store, clock, holder="one", ttl=ttl, faults=overtaken)
    accept(store, clock, 0, 3)
    assert one.step() is None
    one.stop()
    another.stop()
    assert Views(store).verify_log(KEY).checkpoints == 2


@pytest.mark.parametrize("point", ["anchor", "last"])
def test_a_holder_that_is_overtaken_while_it_takes_up_the_tree_raises_no_alarm(store, clock, point):
    ttl = timedelta(seconds=10)
    another = builders.integrator(store, clock, holder="another", ttl=ttl)

    def overtaken(at: str) -> None:
        if at == point:
            clock.pass_(ttl)
            assert another.step().size == 5

    accept(store, clock, 0, 3)
    assert builders.integrate(store, clock).size == 3
    accept(store, clock, 3, 2)
    one = builders.integrator(store, clock, holder="one", ttl=ttl, faults=overtaken)
    assert one.step() is None
    accept(store, clock, 5, 1)
    assert another.step().size == 6
    one.stop()
    another.stop()
    assert anchored(store) == 6
    Views(store).verify_log(KEY)


@pytest.mark.parametrize("point", POINTS)
def test_a_step_that_fails_anywhere_is_made_good_by_the_next(store, clock, point):
    failing = [True]

    def fault(at: str) -> None:
        if at == point and failing:
            failing.clear()
            raise OperationalError

    accept(store, clock, 0, 1, records=300)
    one = builders.integrator(store, clock, faults=fault)
    with pytest.raises(UnavailableError):
        one.step()
    persisted = point in ("committed", "anchored")
    assert Views(store).counts()["checkpoints"] == 1 + persisted
    assert guard.check(store, KEY).size == 300 * persisted
    one.step()
    assert anchored(store) == 300
    accept(store, clock, 1, 1)
    assert one.step().size == anchored(store) == 301
    one.stop()
    assert Views(store).verify_log(KEY).pending == 0


def test_more_leaves_than_a_batch_are_integrated_in_several_checkpoints(store, clock, integrator, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 100)
    accept(store, clock, 0, 1, records=250)
    assert [integrator.step().size for _ in range(3)] == [100, 200, 250]
    Views(store).verify_log(KEY)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE leaves SET hash = zeroblob(32) WHERE position = 3", "leaf 3 does not have its entry's hash"),
        ("UPDATE leaves SET entry = x'00' WHERE position = 3", "leaf 3 does not have its entry's hash"),
        ("UPDATE leaves SET position = 9 WHERE position = 3", "leaf 3 is not there"),
        ("UPDATE tiles SET hashes = zeroblob(length(hashes))", "stored tree does not have the root"),
        ("UPDATE tiles SET hashes = CAST(hashes || zeroblob(32) AS BLOB)", "is not of 2 hashes"),
        ("DELETE FROM tiles", "tile 0/0 is not there"),
        ("UPDATE checkpoints SET size = 1 WHERE size = 2", "stored for 1 leaves is one for 2"),
        ("DELETE FROM checkpoints WHERE size = 2", "signed at 2 leaves and has 0"),
        ("DELETE FROM checkpoints", "no checkpoint at all"),
    ],
)
def test_it_goes_not_on_when_stored_things_disagree(store, clock, file, statement, told):
    accept(store, clock, 0, 2)
    builders.integrate(store, clock)
    accept(store, clock, 2, 3)
    builders.forge(file, statement)
    before = file.execute("SELECT count(*) FROM checkpoints").fetchone()
    with pytest.raises(IntegrityError, match=told):
        builders.integrate(store, clock)
    assert file.execute("SELECT count(*) FROM checkpoints").fetchone() == before


def test_as_a_thread_it_signs_about_every_interval_and_once_more_when_stopped(store, clock):
    signed = threading.Event()
    one = builders.integrator(
        store,
        clock,
        interval=timedelta(milliseconds=5),
        faults=lambda point: signed.set() if point == "anchored" else None,
    )
    one.start()
    accept(store, clock, 0, 2)
    assert signed.wait(10)
    accept(store, clock, 2, 2)
    one.stop()
    assert anchored(store) == 4


def test_as_a_thread_it_stops_and_tells_when_stored_things_disagree(store, clock, file):
    accept(store, clock, 0, 2)
    builders.forge(file, "UPDATE leaves SET hash = zeroblob(32)")
    told = threading.Event()
    errors = []

    def alarm(error) -> None:
        errors.append(error)
        told.set()

    one = builders.integrator(store, clock, interval=timedelta(milliseconds=1), alarm=alarm)
    one.start()
    assert told.wait(10)
    one._thread.join(10)
    assert not one._thread.is_alive()
    one.stop()
    assert [type(error) for error in errors] == [IntegrityError]


def test_as_a_thread_it_tells_of_a_sick_disk_and_goes_on(store, clock):
    told, signed = threading.Event(), threading.Event()

    def fault(point: str) -> None:
        if point == "sign" and not told.is_set():
            raise OperationalError
        if point == "anchored":
            signed.set()

    accept(store, clock, 0, 2)
    one = builders.integrator(
        store, clock, interval=timedelta(milliseconds=1), faults=fault, alarm=lambda _error: told.set()
    )
    one.start()
    assert signed.wait(10)
    one.stop()
    assert told.is_set()


def test_a_leaf_is_found_by_its_hash_wherever_it_stands(store, clock, file):
    accept(store, clock, 0, 2, records=300)
    builders.integrate(store, clock)
    accept(store, clock, 2, 1)
    log = StoredLog(file)
    for position in (0, 255, 256, 599, 600):
        (stored,) = file.execute("SELECT hash FROM leaves WHERE position = ?", (position,)).fetchone()
        assert log.position(stored) == position
    assert log.position(b"x" * 32) is None
    across = log.tile(0, 0)[16:48]
    assert log.position(across) is None


def test_stored_checkpoints_are_consistent_with_each_other(store, clock, file):
    sizes = []
    for n in range(7):
        accept(store, clock, n, 1, records=n * 40 + 1)
        sizes.append(builders.integrate(store, clock))
    nodes = StoredLog(file).nodes()
    for old in sizes:
        for new in sizes:
            if old.size <= new.size:
                path = tree.consistency(old.size, new.size, nodes)
                tree.verify_consistency(old.size, new.size, old.root, new.root, path)
