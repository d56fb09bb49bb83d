"""Connections cut, servers stopped, standing still or taken over: nothing is lost, nothing is there twice."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from gateway.database import Turn
from gateway.errors import UnavailableError
from gateway.store.place import Duty
from gateway.store.views import Views
from ops.dev.servers import lifecycle
from tests import builders
from tests.integration.killed import Child
from tests.integration.wire import Cut, wired

pytestmark = pytest.mark.services
KEY = builders.signer().key
QUICK = {
    "lock_timeout": timedelta(milliseconds=300),
    "statement_timeout": timedelta(seconds=1),
    "idle_timeout": timedelta(seconds=1),
    "connect_timeout": timedelta(seconds=1),
}


@pytest.fixture
def place(stored):
    return stored


@pytest.fixture
def quick(place):
    """The same store, asked by somebody of little patience."""
    return replace(place, settings=place.settings.model_copy(update=QUICK))


def front(place, **more):
    return builders.journal(place.acting(Duty.FRONT), builders.Clock(), **more)


def accept(journal, n: int = 0):
    return journal.accept(builders.ready(f"urn:uuid:{n}", records=2)).result(30)


def held(place) -> list[str]:
    """What is there, the log verified."""
    builders.integrate(place, builders.Clock())
    views = Views(place)
    views.verify_log(KEY)
    return sorted(one.message_id for one in views.messages(limit=1000))


def terminate(servers, place, application: str) -> int:
    name = place.settings.dsn.rpartition("dbname=")[2]
    with servers.superuser() as connection:
        found = connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND application_name = %s",
            (name, application),
        ).fetchall()
    return len(found)


@pytest.mark.parametrize("point", ["begin", "messages", "leaves", "outbox", "commit"])
def test_a_connection_that_is_killed_before_the_commit_has_done_nothing_and_the_next_works(servers, place, point):
    killed = []

    def fault(at: str) -> None:
        if at == point and not killed:
            killed.append(terminate(servers, place, "gateway front"))

    journal = front(place, faults=fault)
    with pytest.raises(UnavailableError):
        accept(journal)
    assert killed == [1]
    assert held(place) == []
    assert not accept(journal).repeated
    journal.close()
    assert held(place) == ["urn:uuid:0"]


@pytest.mark.parametrize(("where", "happened"), [(Cut.BEFORE, False), (Cut.AFTER, True)])
def test_a_commit_without_an_answer_may_have_happened_and_resending_is_safe_either_way(
    servers, tmp_path, where, happened
):
    with (
        wired(servers.postgresql.port) as wire,
        servers.database(port=wire.port) as settings,
    ):
        place = builders.database(settings, tmp_path)
        journal = front(place)
        accept(journal, 0)
        wire.cut = where
        with pytest.raises(UnavailableError):
            accept(journal, 1)
        assert wire.cuts == 1
        again = accept(journal, 1)
        assert again.repeated is happened
        assert again.leaves == builders.hashes(builders.ready("urn:uuid:1", records=2))
        journal.close()
        assert held(place) == ["urn:uuid:0", "urn:uuid:1"]
        assert Views(place).counts()["outbox"] == 4


def test_a_connection_that_is_killed_between_two_messages_is_not_even_noticed(servers, place):
    journal = front(place)
    accept(journal, 0)
    assert terminate(servers, place, "gateway front") == 1
    assert not accept(journal, 1).repeated
    journal.close()
    assert held(place) == ["urn:uuid:0", "urn:uuid:1"]


def test_a_read_whose_connection_was_killed_is_made_again(servers, place):
    session = place.acting(Duty.FRONT).open()
    session.execute("SELECT count(*) FROM messages")
    assert terminate(servers, place, "gateway front") == 1
    assert session.execute("SELECT count(*) FROM messages").fetchone() == (0,)
    session.close()


def test_a_transaction_whose_connection_was_killed_is_never_continued_on_another(servers, place):
    session = place.acting(Duty.INTEGRATOR).open()
    with pytest.raises(psycopg.OperationalError), session.writing(Turn.LEASES):  # noqa: PT012  # all of it is the case
        session.execute("INSERT INTO leases VALUES ('a', 'b', 'c')")
        terminate(servers, place, "gateway integrator")
        for _ in range(2):  # whoever swallows the error gets it again
            with pytest.raises(psycopg.OperationalError):
                session.execute("INSERT INTO leases VALUES ('d', 'e', 'f')")
    assert session.execute("SELECT count(*) FROM leases").fetchone() == (0,)
    session.close()


def test_whoever_waits_too_long_for_a_turn_is_told_and_may_come_again(place, quick):
    other = place.open()
    journal = front(quick)
    with other.writing(Turn.JOURNAL):
        with pytest.raises(UnavailableError, match="LockNotAvailable"):
            accept(journal)
        with other_turn(quick, Turn.OUTBOX), other_turn(quick, Turn.LOG):
            pass  # nobody else waits
    assert not accept(journal).repeated
    journal.close()
    other.close()


@contextmanager
def other_turn(place, turn: Turn):
    session = place.open()
    with session.writing(turn):
        yield
    session.close()


def test_a_process_that_hangs_with_a_turn_loses_it(quick):
    hanging, journal = quick.acting(Duty.FRONT).open(), front(_patient(quick))
    ended = psycopg.errors.IdleInTransactionSessionTimeout
    with pytest.raises(ended), hanging.writing(Turn.JOURNAL):  # noqa: PT012  # as above
        accept(journal)  # waits until the server has ended the hanging transaction
        hanging.execute("SELECT 1")
    journal.close()
    hanging.close()
    assert held(quick) == ["urn:uuid:0"]


def _patient(place):
    return replace(place, settings=place.settings.model_copy(update={"lock_timeout": timedelta(seconds=20)}))


def test_a_statement_that_takes_too_long_is_ended(quick):
    session = quick.acting(Duty.FRONT).open()
    with pytest.raises(UnavailableError, match="QueryCanceled"), session.translated():
        session.execute("SELECT pg_sleep(30)")
    assert session.execute("SELECT 1").fetchone() == (1,)
    session.close()


def test_what_the_server_says_is_told_by_class_and_state_and_never_by_value(place):
    session = place.open()
    with pytest.raises(UnavailableError) as caught, session.translated():
        session.execute("SELECT ?::integer", ("19121212-1212",))
    assert caught.value.detail == "InvalidTextRepresentation 22P02"
    wrong = replace(place, settings=place.settings.model_copy(update={"dsn": "host=127.0.0.1 port=1 dbname=secret"}))
    lost = wrong.open()
    with pytest.raises(UnavailableError) as caught, lost.translated():
        lost.execute("SELECT 1")
    assert caught.value.detail == "OperationalError"
    session.close()


@pytest.fixture
def own(own_postgresql, tmp_path):
    """A store on a server of this test's own."""
    with own_postgresql.database() as settings:
        place = builders.database(settings, tmp_path)
        yield own_postgresql, replace(place, settings=place.settings.model_copy(update=QUICK))


def test_while_the_server_is_down_messages_are_turned_away_quickly_and_taken_when_it_is_back(own):
    found, place = own
    journal = front(place)
    accept(journal, 0)
    lifecycle.down(found.disturbed(), "postgresql", kill=True)
    try:
        began = time.monotonic()
        for _ in range(3):
            with pytest.raises(UnavailableError):
                accept(journal, 1)
        with pytest.raises(UnavailableError):
            Views(place).counts()
        assert time.monotonic() - began < 3
    finally:
        lifecycle.up(found.disturbed(), "postgresql")
    assert not accept(journal, 1).repeated
    journal.close()
    assert held(place) == ["urn:uuid:0", "urn:uuid:1"]


def test_a_server_that_stands_still_is_given_up_and_what_it_did_is_found_later(own):
    found, place = own
    journal = front(place)
    accept(journal, 0)
    lifecycle.pause(found.disturbed(), "postgresql")
    try:
        began = time.monotonic()
        with pytest.raises(UnavailableError):
            accept(journal, 1)
        assert time.monotonic() - began < 10
    finally:
        lifecycle.resume(found.disturbed(), "postgresql")
    accept(journal, 1)
    journal.close()
    assert held(place) == ["urn:uuid:0", "urn:uuid:1"]


def test_a_commit_that_did_not_wait_for_its_standby_is_no_commit_that_is_receipted(own):
    found, place = own
    journal = front(
        replace(place, settings=place.settings.model_copy(update={"statement_timeout": timedelta(seconds=20)}))
    )
    accept(journal, 0)
    with found.superuser() as connection, _missing_standby(connection):
        future = journal.accept(builders.ready("urn:uuid:1", records=2))
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        while not (rows := connection.execute(waiting).fetchall()):
            assert not future.done()
            time.sleep(0.01)
        connection.execute("SELECT pg_cancel_backend(%s)", rows[0])
        with pytest.raises(UnavailableError):
            future.result(30)
    assert accept(journal, 1).repeated
    journal.close()
    assert held(place) == ["urn:uuid:0", "urn:uuid:1"]


def test_a_commit_whose_standby_never_answers_is_given_up_and_found_later(own):
    found, place = own
    journal = front(place)
    accept(journal, 0)
    with found.superuser() as connection, _missing_standby(connection):
        with pytest.raises(UnavailableError):
            accept(journal, 1)
        with pytest.raises(UnavailableError, match="LockNotAvailable"):  # that one still has the turn
            accept(journal, 1)
    assert accept(_wait_for(journal), 1).repeated
    journal.close()
    assert held(place) == ["urn:uuid:0", "urn:uuid:1"]


def _wait_for(journal):
    for _ in range(100):
        try:
            accept(journal, 1)
        except UnavailableError:
            continue
        return journal
    raise AssertionError


@contextmanager
def _missing_standby(connection):
    """Let the server wait, at every commit, for a standby that does not exist."""
    connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    connection.execute("SELECT pg_reload_conf()")
    _until(connection, "SELECT current_setting('synchronous_standby_names') = 'nobody'")
    try:
        yield
    finally:
        connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
        connection.execute("SELECT pg_reload_conf()")
        _until(connection, "SELECT current_setting('synchronous_standby_names') = ''")


def _until(connection, question: str) -> None:
    while not connection.execute(question).fetchone()[0]:
        time.sleep(0.01)


def test_writers_go_to_the_server_that_can_be_written_and_follow_when_another_takes_over(own, servers, tmp_path):
    first, place = own
    name = place.settings.dsn.rpartition("dbname=")[2]
    with servers.database() as other, servers.superuser() as theirs, first.superuser() as ours:
        # The other server has a copy of the store under the same name, as a standby would.
        mine = other.dsn.rpartition("dbname=")[2]
        builders.database(other, tmp_path / "other")
        theirs.execute(f"ALTER DATABASE {mine} RENAME TO {name}")
        try:
            passfile = tmp_path / "pgpass"
            passfile.touch(0o600)
            passfile.write_text(
                _ported(place.settings.passfile, first.postgresql.port)
                + _ported(other.passfile, servers.postgresql.port)
            )
            dead, ports = 1, f"{first.postgresql.port},{servers.postgresql.port}"
            dsn = f"host=127.0.0.1,127.0.0.1,127.0.0.1 port={dead},{ports} dbname={name}"
            both = replace(place, settings=place.settings.model_copy(update={"dsn": dsn, "passfile": passfile}))
            journal = front(both)
            accept(journal, 0)
            ours.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            ours.execute("SELECT pg_reload_conf()")
            _until(ours, "SELECT current_setting('default_transaction_read_only')::boolean")
            told: list[str] = []
            for _ in range(100):  # at most once: the server that follows now says so, and then the other is asked
                try:
                    accept(journal, 1)
                    break
                except UnavailableError as error:
                    told.append(error.detail)
            assert told in ([], ["ReadOnlySqlTransaction 25006"])
            accept(journal, 2)
            journal.close()
            there = Views(replace(place, settings=other.model_copy(update={"dsn": other.dsn.replace(mine, name)})))
            assert sorted(one.message_id for one in there.messages()) == ["urn:uuid:1", "urn:uuid:2"]
        finally:
            ours.execute("SET default_transaction_read_only = off")
            ours.execute("ALTER SYSTEM RESET default_transaction_read_only")
            ours.execute("SELECT pg_reload_conf()")
            theirs.execute(f"ALTER DATABASE {name} RENAME TO {mine}")


def _ported(passfile, port: int) -> str:
    return passfile.read_text().replace("*:*:*:", f"127.0.0.1:{port}:*:")


def test_several_processes_number_together_without_gaps_or_doubles(place):
    def work(tell) -> None:
        journal = front(place, group=4)
        futures = [journal.accept(builders.ready(f"urn:uuid:{n:02}", records=n % 3 + 1)) for n in range(40)]
        futures += [journal.refuse(builders.refusal(b"<%d/>" % n)) for n in range(10)]
        tell(sum(future.result(60).repeated for future in futures[:40]))
        journal.close()

    children = [Child(work) for _ in range(3)]
    ended = [child.end() for child in children]
    assert sum(one.told[0] for one in ended) == 2 * 40
    assert held(place) == [f"urn:uuid:{n:02}" for n in range(40)]
    counts = Views(place).counts()
    assert counts["leaves"] == sum(n % 3 + 1 for n in range(40)) + 30
    assert counts["outbox"] == sum(n % 3 + 1 for n in range(40))


def test_a_lease_is_not_taken_between_the_question_and_the_commit(servers, place):
    clock, ttl = builders.Clock(), timedelta(0)
    integrator = place.acting(Duty.INTEGRATOR)
    another = builders.integrator(integrator, clock, holder="another", ttl=ttl)
    told: list[object] = []
    taking = threading.Thread(target=lambda: told.append(another.step()))

    def fault(point: str) -> None:
        if point == "tiles":
            taking.start()
            with servers.superuser() as connection:
                _until(connection, _WAITS.format(name))

    name = place.settings.dsn.rpartition("dbname=")[2]
    journal = front(place)
    accept(journal, 0)
    journal.close()
    one = builders.integrator(integrator, clock, holder="one", ttl=ttl, faults=fault)
    assert one.step().size == 2
    taking.join(30)
    assert told == [None]
    one.stop()
    another.stop()


_WAITS = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = '{}'"
