from __future__ import annotations

import threading
from datetime import timedelta, timezone

import pytest

from gateway.database import CHUNK, instant, written
from gateway.errors import UnavailableError
from gateway.sqlite import Error, File, translated
from tests import builders


@pytest.fixture
def file(tmp_path):
    opened = File(tmp_path / "some.db", create=True)
    opened.connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
    yield opened
    opened.close()


def rows(file) -> list[int]:
    return [a for (a,) in file.connection.execute("SELECT a FROM t ORDER BY a")]


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("recursive_triggers", 1)],
)
def test_a_file_is_opened_safely(file, pragma, value):
    assert file.connection.execute(f"PRAGMA {pragma}").fetchone() == (value,)


@pytest.mark.parametrize("count", [0, 1, 2, 3, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5])
def test_any_number_of_rows_is_inserted_and_matched(file, count):
    with file.writing():
        file.insert("t", "a, b", [(n, str(n)) for n in range(count)])
    assert rows(file) == list(range(count))
    found = file.match(
        "WITH w (k) AS (VALUES {values}) SELECT a FROM w CROSS JOIN t ON a = k", [(n,) for n in rows(file)]
    )
    assert len(found) == count
    keys = [(n, str(n) if n % 2 else "another") for n in rows(file)]
    assert file.listed("SELECT a FROM t WHERE a {0} AND b {1}", keys) == [(n,) for n in range(count) if n % 2]


def test_a_block_that_raises_leaves_nothing(file):
    def half() -> None:
        with file.writing() as connection:
            connection.execute("INSERT INTO t (a) VALUES (1)")
            raise KeyError

    with pytest.raises(KeyError):
        half()
    assert rows(file) == []
    with file.writing() as connection:
        connection.execute("INSERT INTO t (a) VALUES (2)")
    assert rows(file) == [2]


def test_a_commit_that_fails_leaves_nothing_and_the_next_can_begin(file):
    file.connection.execute("CREATE TABLE child (a INTEGER REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(Error), file.writing() as connection:
        connection.execute("INSERT INTO child VALUES (7)")
    with file.writing() as connection:
        connection.execute("INSERT INTO t (a) VALUES (1)")
    assert file.connection.execute("SELECT count(*) FROM child").fetchone() == (0,)


def test_writers_of_two_connections_wait_for_each_other(tmp_path, file):
    def add() -> None:
        other = File(tmp_path / "some.db")
        for _ in range(25):
            with other.writing() as connection:
                (last,) = connection.execute("SELECT coalesce(max(a), 0) FROM t").fetchone()
                connection.execute("INSERT INTO t (a) VALUES (?)", (last + 1,))
        other.close()

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows(file) == list(range(1, 101))


def test_a_reader_sees_one_moment_while_writers_go_on(tmp_path, file):
    other = File(tmp_path / "some.db")
    with other.reading() as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
        with file.writing() as writer:
            writer.execute("INSERT INTO t (a) VALUES (1)")
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    assert rows(other) == [1]
    other.close()


def test_a_closed_file_says_so(file):
    file.close()
    file.close()
    with pytest.raises(Error), file.writing():
        pass
    with pytest.raises(UnavailableError), translated():
        file.connection.execute("SELECT 1")


def test_what_goes_wrong_is_told_by_name_and_never_by_value():
    with pytest.raises(UnavailableError) as caught, translated():
        raise OSError(28, "No space left on device", "/secret/path")
    assert caught.value.detail == "OSError"


def test_times_are_written_so_that_they_sort_and_come_back():
    swedish = timezone(timedelta(hours=1))
    times = [builders.NOON, builders.NOON.astimezone(swedish), builders.NOON.replace(microsecond=7, year=999)]
    texts = [written(time) for time in times]
    assert texts[0] == texts[1] == "2026-11-20T12:00:00.000000Z"
    assert texts[2] == "0999-11-20T12:00:00.000007Z"
    assert [instant(text) for text in texts] == times
