"""Where leaves stand, by their hashes: found by the index, and right without it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.audit import tiles, tree
from gateway.database import Turn
from gateway.errors import IntegrityError, UnavailableError
from gateway.sqlite import OperationalError
from gateway.store import integrator as module
from gateway.store import leaf_index
from gateway.store.log import AUDIT, LOGS, READINGS, StoredLog
from gateway.store.views import Views
from tests import builders

RUN = 512


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(leaf_index, "RUN", RUN)


def fill(file, count: int, log=AUDIT) -> list[bytes]:
    """Add leaves that tell of nothing; return the hashes of all."""
    first = StoredLog(file, log).length()
    entries = [b"entry %d" % position for position in range(first, first + count)]
    rows = [(first + n, tree.leaf_hash(entry), entry) for n, entry in enumerate(entries)]
    columns = "position, hash, entry"
    if log is READINGS:
        rows, columns = [(*row, "2026-11-20T12:00:00.000000Z") for row in rows], f"{columns}, at"
    with file.writing(Turn.JOURNAL):
        file.insert(log.leaves, columns, rows)
    return [row[0] for row in file.execute(f"SELECT hash FROM {log.leaves} ORDER BY position")]  # noqa: S608


def runs(file, log=AUDIT) -> list[int]:
    found = file.execute(f"SELECT run FROM {log.index} WHERE bucket = 0 ORDER BY run")  # noqa: S608
    return [run for (run,) in found]


def candidates(file, leaf: bytes, log=AUDIT) -> list[int]:
    return list(leaf_index.LeafIndex(file, log).candidates(leaf))


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.name)
def test_every_leaf_of_a_full_run_is_found_by_the_index_and_every_other_without_it(store, clock, file, log):
    hashes = fill(file, 2 * RUN + 300, log)
    builders.integrate(store, clock, log)
    hashes = fill(file, 3, log)
    stored = StoredLog(file, log)
    assert runs(file, log) == [0, 1]
    assert [stored.position(leaf) for leaf in hashes] == list(range(len(hashes)))
    assert all(candidates(file, leaf, log) == [at] for at, leaf in enumerate(hashes[: 2 * RUN]))
    assert not any(candidates(file, leaf, log) for leaf in hashes[2 * RUN :])
    assert stored.position(b"x" * 32) is None


def test_a_run_is_indexed_when_it_is_full_and_not_before(store, clock, file):
    fill(file, RUN - 1)
    one = builders.integrator(store, clock)
    one.step()
    assert runs(file) == []
    fill(file, 1)
    one.step()
    assert runs(file) == [0]
    one.stop()


def test_a_log_that_is_older_than_its_index_is_indexed_some_runs_a_step_though_nothing_is_new(
    store, clock, file, monkeypatch
):
    hashes = fill(file, 5 * RUN)
    monkeypatch.setattr(leaf_index, "RUN", 1 << 14)
    builders.integrate(store, clock)
    monkeypatch.setattr(leaf_index, "RUN", RUN)
    assert [StoredLog(file).position(leaf) for leaf in hashes[::97]] == list(range(0, 5 * RUN, 97))
    one = builders.integrator(store, clock)
    for expected in ([0, 1], [0, 1, 2, 3], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]):
        assert one.step() is None
        assert runs(file) == expected
    one.stop()
    assert all(candidates(file, leaf) == [at] for at, leaf in enumerate(hashes))


@pytest.mark.parametrize("point", ["committed", "anchored", "index", "run"])
def test_a_step_that_fails_anywhere_is_made_good_by_the_next(store, clock, file, point):
    failing = [True]

    def fault(at: str) -> None:
        if at == point and failing:
            failing.clear()
            raise OperationalError

    hashes = fill(file, RUN + 7)
    one = builders.integrator(store, clock, faults=fault)
    with pytest.raises(UnavailableError):
        one.step()
    assert runs(file) == []
    assert [StoredLog(file).position(leaf) for leaf in hashes[::50]] == list(range(0, RUN + 7, 50))
    one.step()
    one.stop()
    assert runs(file) == [0]
    assert Views(store).checkpoint()


def test_a_holder_that_is_overtaken_while_it_indexes_writes_nothing_and_raises_no_alarm(store, clock, file):
    ttl = timedelta(seconds=10)
    another = builders.integrator(store, clock, holder="another", ttl=ttl)

    def overtaken(at: str) -> None:
        if at == "index":
            clock.pass_(ttl)
            another.step()

    fill(file, 3 * RUN)
    one = builders.integrator(store, clock, holder="one", ttl=ttl, faults=overtaken)
    assert one.step().size == 3 * RUN
    assert runs(file) == [0, 1]
    another.step()
    assert runs(file) == [0, 1, 2]
    one.stop()
    another.stop()


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM leaf_index",
        "DELETE FROM leaf_index WHERE run = 0",
        "DELETE FROM leaf_index WHERE bucket % 2 = 0",
        "UPDATE leaf_index SET heads = zeroblob(length(heads))",
        "UPDATE leaf_index SET heads = x''",
        "UPDATE leaf_index SET heads = CAST(x'00' || heads AS BLOB)",
        "UPDATE leaf_index SET run = run + 9",
    ],
)
def test_an_index_that_is_lost_or_damaged_never_makes_a_wrong_answer(store, clock, file, damage):
    hashes = fill(file, 2 * RUN + 9)
    builders.integrate(store, clock)
    builders.forge(file, damage)
    assert [StoredLog(file).position(leaf) for leaf in hashes[::41]] == list(range(0, 2 * RUN + 9, 41))
    assert StoredLog(file).position(b"x" * 32) is None


@pytest.mark.parametrize("lost", ["run = 0", "bucket = 77", "run = 1 AND bucket > 9"])
def test_rows_that_are_gone_are_made_again_by_the_next_start(store, clock, file, lost):
    fill(file, 2 * RUN)
    builders.integrate(store, clock)
    whole = file.execute("SELECT * FROM leaf_index ORDER BY bucket, run").fetchall()
    file.execute(f"DELETE FROM leaf_index WHERE {lost}")  # noqa: S608
    builders.integrate(store, clock)
    assert file.execute("SELECT * FROM leaf_index ORDER BY bucket, run").fetchall() == whole


def test_rows_are_never_changed(store, clock, file):
    fill(file, RUN)
    builders.integrate(store, clock)
    with pytest.raises(Exception, match="leaf_index is made again, never changed"):
        file.execute("UPDATE leaf_index SET run = 3")


def test_a_run_whose_tiles_are_not_there_stops_the_integrator(store, clock, file, monkeypatch):
    fill(file, RUN + 1)
    monkeypatch.setattr(module, "RUNS", 0)
    builders.integrate(store, clock)
    monkeypatch.setattr(module, "RUNS", 2)
    builders.forge(file, "UPDATE tiles SET hashes = substr(hashes, 33) WHERE level = 0 AND number = 0")
    with pytest.raises(IntegrityError, match="the tiles of leaves 0 to 511 are not whole"):
        builders.integrate(store, clock)


def test_a_head_is_found_only_where_one_begins():
    heads = b"\x00\x01\x02\x03\x04" + b"\x03\x04\x00\x00\x07"
    assert list(leaf_index._places(heads, b"\x03\x04\x00")) == [7]
    assert list(leaf_index._places(heads, b"\x02\x03\x04")) == []
    assert leaf_index.RUN % tiles.WIDTH == 0
