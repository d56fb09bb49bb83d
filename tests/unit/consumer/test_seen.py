"""Work and mark are one: whatever fails between them, the event's work is done once."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from pysqlite3 import dbapi2

from gateway.consumer import CREATE, forget, once
from gateway.consumer.seen import commits_by_itself
from gateway.errors import ConfigError
from gateway.message import Replay
from tests.builders import NOON
from tests.unit.consumer.letters import QUEUE, event


@dataclass(frozen=True)
class Known:
    id: str
    queue: str = "q"
    replay_of: int | None = None


class Disturbed(Exception):  # noqa: N818  # a test's own
    pass


@pytest.fixture(params=[sqlite3, dbapi2], ids=["sqlite3", "pysqlite3"])
def database(request, tmp_path):
    connection = request.param.connect(tmp_path / "own.db")
    connection.execute(CREATE)
    connection.execute("CREATE TABLE work (n INTEGER)")
    connection.commit()
    yield connection
    connection.close()


def work(database) -> list[int]:
    return [row[0] for row in database.execute("SELECT n FROM work ORDER BY rowid")]


def marks(database) -> list[tuple]:
    return list(database.execute("SELECT event, queue, replay FROM gateway_seen ORDER BY event, queue, replay"))


def consume(scene, database, *, spoil=lambda _one: None, replays: bool = False) -> list[bool]:
    """Do the work of everything that is there; return for each event whether it was new."""
    found = []
    with scene.inbox() as inbox:
        for one in inbox.events(idle=0):
            with one.handling(database, replays=replays) as new:
                found.append(new)
                if new:
                    database.execute("INSERT INTO work VALUES (?)", (one.data["fields"]["n"],))
                spoil(one)
    return found


def test_an_event_is_marked_once(database):
    assert once(database, Known("a"))
    assert not once(database, Known("a"))
    assert once(database, Known("b"))
    assert once(database, Known("a", queue="other"))
    database.commit()
    assert marks(database) == [("a", "other", 0), ("a", "q", 0), ("b", "q", 0)]


def test_a_mark_goes_with_the_transaction(database):
    assert once(database, Known("a"))
    database.rollback()
    assert once(database, Known("a"))


def test_a_replay_is_new_only_if_the_event_was_never_handled(database):
    assert once(database, Known("a", replay_of=3))
    assert not once(database, Known("a"))
    assert not once(database, Known("a", replay_of=4))
    database.commit()
    assert marks(database) == [("a", "q", 0)]


def test_a_consumer_may_ask_to_handle_every_replay_once(database):
    assert once(database, Known("a"), replays=True)
    assert once(database, Known("a", replay_of=4), replays=True)
    assert not once(database, Known("a", replay_of=4), replays=True)
    assert once(database, Known("a", replay_of=5), replays=True)


def test_two_that_handle_one_event_at_the_same_moment_cannot_both_mark_it(tmp_path):
    first, second = (sqlite3.connect(tmp_path / "own.db", timeout=0) for _ in range(2))
    first.execute(CREATE)
    first.commit()
    assert once(first, Known("a"))
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        once(second, Known("a"))
    second.rollback()
    first.commit()
    assert not once(second, Known("a"))
    first.close()
    second.close()


def test_a_connection_that_commits_by_itself_is_refused_before_anything_is_written(tmp_path):
    connection = sqlite3.connect(tmp_path / "own.db", isolation_level=None)
    connection.execute(CREATE)
    with pytest.raises(ConfigError, match="autocommit"):
        once(connection, Known("a"))
    assert marks(connection) == []
    connection.execute("BEGIN")
    assert once(connection, Known("a"))
    connection.close()


class Status(int):
    pass


@pytest.mark.parametrize(("autocommit", "status", "commits"), [(True, 0, True), (True, 2, False), (False, 0, False)])
def test_libpqs_own_status_tells_whether_a_connection_commits_by_itself(autocommit, status, commits):
    class Info:
        transaction_status = status

    class Connection:
        info = Info()

    Connection.autocommit = autocommit
    assert commits_by_itself(Connection()) is commits


@pytest.mark.parametrize("style", ["qmark", "numeric", "named"])
def test_values_are_written_as_the_driver_wants_them(database, style):
    assert once(database, Known("a"), paramstyle=style)
    assert not once(database, Known("a"), paramstyle=style)
    forget(database, older=datetime.now(UTC) + timedelta(days=1), paramstyle=style)
    assert once(database, Known("a"), paramstyle=style)


def test_a_driver_that_does_not_tell_how_is_asked_for():
    class Strange:
        def cursor(self):
            raise AssertionError

    with pytest.raises(ConfigError, match="paramstyle, one of qmark"):
        once(Strange(), Known("a"))


def test_old_marks_are_forgotten_and_newer_ones_kept(database):
    for name, at in (("old", NOON - timedelta(days=1)), ("edge", NOON), ("new", NOON + timedelta(days=1))):
        once(database, Known(name), at=at)
    forget(database, older=NOON)
    assert [row[0] for row in marks(database)] == ["edge", "new"]


# --- through handling -------------------------------------------------------------------------------------------------


def test_work_and_mark_are_committed_before_the_acknowledgement(scene, database):
    scene.publish(event(1), event(2, person=1))
    assert consume(scene, database) == [True, True]
    database.rollback()
    assert work(database) == [1, 2]
    assert len(marks(database)) == 2
    assert scene.left() == []


def test_an_event_that_comes_again_after_the_commit_is_acknowledged_and_not_worked_on(scene, database):
    scene.publish(event(1))
    one = next(scene.inbox().events(idle=0))
    assert once(database, one)
    database.execute("INSERT INTO work VALUES (1)")
    database.commit()  # and here the process dies: nothing was acknowledged
    scene.clock.pass_(timedelta(seconds=61))
    assert consume(scene, database) == [False]
    assert work(database) == [1]
    assert scene.left() == []


def test_work_that_fails_is_undone_with_its_mark_and_done_on_the_next_attempt(scene, database):
    scene.publish(event(1))

    def spoil(one):
        if one.attempt == 1:
            raise Disturbed

    assert consume(scene, database, spoil=spoil) == [True]
    assert (work(database), marks(database)) == ([], [])
    scene.clock.pass_(timedelta(seconds=61))
    assert consume(scene, database, spoil=spoil) == [True]
    assert work(database) == [1]


def test_a_program_that_is_stopped_within_leaves_nothing_behind(scene, database):
    scene.publish(event(1))

    def spoil(_one):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume(scene, database, spoil=spoil)
    assert (work(database), marks(database)) == ([], [])
    scene.clock.pass_(timedelta(seconds=61))
    assert consume(scene, database) == [True]


class Unsure(sqlite3.Connection):
    """The next commit fails; whether it happened, `happens` says."""

    failures = 0
    happens = False

    def commit(self):
        if self.failures:
            self.failures -= 1
            if self.happens:
                super().commit()
            raise Disturbed
        super().commit()


@pytest.mark.parametrize(("happens", "then"), [(True, [False]), (False, [True])])
def test_a_commit_that_fails_is_a_failed_attempt_and_the_next_one_knows_whether_it_happened(
    scene, tmp_path, happens, then
):
    database = sqlite3.connect(tmp_path / "own.db", factory=Unsure)
    database.execute(CREATE)
    database.execute("CREATE TABLE work (n INTEGER)")
    database.commit()
    scene.publish(event(1))
    database.failures, database.happens = 1, happens
    assert consume(scene, database) == [True]
    scene.clock.pass_(timedelta(seconds=61))
    assert consume(scene, database) == then
    assert work(database) == [1]
    assert scene.left() == []
    database.close()


def test_another_consumer_that_marked_it_meanwhile_makes_this_one_undo_its_work(scene, database):
    scene.publish(event(1))

    def spoil(one):
        if one.attempt == 1:  # its lease ended, and another consumer was quicker
            database.rollback()
            assert once(database, one)
            database.commit()
            database.execute("INSERT INTO work VALUES (1)")

    assert consume(scene, database, spoil=spoil) == [True]
    assert work(database) == []
    scene.clock.pass_(timedelta(seconds=61))
    assert consume(scene, database) == [False]


def test_a_database_that_is_away_or_has_no_table_stops_the_program_and_is_no_failure_of_the_event(scene, tmp_path):
    scene.publish(event(1))
    database = sqlite3.connect(tmp_path / "own.db")
    with pytest.raises(sqlite3.OperationalError, match="gateway_seen"):
        consume(scene, database)
    database.close()
    with pytest.raises(sqlite3.ProgrammingError):
        consume(scene, database)
    assert scene.dead() == []
    assert scene.left() == [event(1).id]


def test_a_program_that_mends_its_database_goes_on_with_the_same_event_and_attempt(scene, database):
    scene.publish(event(1), event(2))
    inbox = scene.inbox()
    lost = sqlite3.connect(":memory:")
    for connection, trouble in ((lost, True), (database, False)):
        seen = []
        try:
            for one in inbox.events(idle=0):
                with one.handling(connection):
                    seen.append((one.data["fields"]["n"], one.attempt))
        except sqlite3.OperationalError:
            assert trouble
    lost.close()
    assert seen == [(1, 1), (2, 1)]


def test_a_loop_with_a_database_handles_each_event_once(scene, database):
    scene.publish(event(1), event(2, person=1))
    with scene.inbox() as inbox:
        one = next(inbox.events(idle=0))
        assert once(database, one)
        database.commit()
    seen: list[int] = []
    with scene.inbox() as inbox:
        inbox.run(lambda one: seen.append(one.data["fields"]["n"]), database=database, stop=lambda: bool(seen))
    assert seen == [2]
    assert scene.left() == []


def test_a_database_that_commits_by_itself_stops_the_program(scene, tmp_path):
    scene.publish(event(1))
    database = sqlite3.connect(tmp_path / "own.db", isolation_level=None)
    database.execute(CREATE)
    database.execute("CREATE TABLE work (n INTEGER)")
    with pytest.raises(ConfigError):
        consume(scene, database)
    database.close()
    assert scene.left() == [event(1).id]


def test_a_dead_letter_sent_again_is_worked_on_only_if_it_never_was(scene, database):
    scene.publish(event(1), event(2, person=1))
    assert consume(scene, database) == [True, True]
    for number, person, letter in ((1, 0, 7), (3, 2, 8)):
        scene.publish(replace(event(number, person=person), replay=Replay(letter=letter, reason="rättat")))
    assert consume(scene, database) == [False, True]
    assert work(database) == [1, 2, 3]


def test_a_consumer_may_handle_a_dead_letter_again_on_purpose(scene, database):
    scene.publish(event(1))
    assert consume(scene, database, replays=True) == [True]
    scene.publish(replace(event(1), replay=Replay(letter=7, reason="rättat")))
    assert consume(scene, database, replays=True) == [True]
    assert [row[1:] for row in marks(database)] == [(QUEUE.name, 0), (QUEUE.name, 7)]
