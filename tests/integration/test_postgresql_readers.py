"""Who may add to the log of readings, and who may read it: tried as each role, on the real server, both ways."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from gateway import postgresql
from gateway.database import Turn
from gateway.errors import UnavailableError
from gateway.store import guard
from gateway.store.log import READINGS
from gateway.store.migrations.versions import m0011_readings
from gateway.store.place import Duty
from gateway.store.readings import ReadingViews
from tests import builders
from tests.integration.test_postgresql_roles import may

pytestmark = pytest.mark.services
KEY = builders.signer().key
DUTIES = tuple(duty for duty in Duty if duty is not Duty.OWNER)
READERS = {Duty.AUDITOR, Duty.ARCHIVIST, Duty.REVIEWER, Duty.OVERSEER}
TABLES = ("reading_leaves", "reading_records", "reading_tiles", "reading_checkpoints")
ADD = (
    "SELECT public.gateway_log_reading(sha256('\\x00ab'::bytea), '\\xab'::bytea, 'key', '\\x01'::bytea, '\\x02'::bytea)"
)


@pytest.fixture(scope="module")
def kept(servers, tmp_path_factory):
    """A store with three readings, signed for; its tests undo what they try."""
    with servers.database() as settings:
        place = builders.database(settings, tmp_path_factory.mktemp("kept"))
        for duty in (Duty.AUDITOR, Duty.ARCHIVIST, Duty.REVIEWER):
            read(place, duty)
        builders.integrate(place.acting(Duty.INTEGRATOR), builders.Clock(), READINGS)
        yield place


def read(place, duty: Duty) -> int:
    log = builders.readings(place.acting(duty))
    try:
        return log.read(builders.reading(f"as {duty}"))
    finally:
        log.close()


def able(place, statement: str) -> set[str]:
    """By whom a statement may be run."""
    found = set()
    for duty in DUTIES:
        session = place.acting(duty).open()
        try:
            if may(session, statement):
                found.add(duty.value)
        finally:
            session.close()
    return found


MATRIX = [
    (ADD, "auditor archivist reviewer overseer"),
    ("INSERT INTO public.reading_leaves VALUES (9, '', '', '')", ""),
    ("INSERT INTO public.reading_records VALUES (0, '', '', '', '')", ""),
    ("INSERT INTO public.reading_tiles VALUES (5, 5, '')", "integrator"),
    ("INSERT INTO public.reading_leaf_index VALUES (0, 0, '')", "integrator"),
    ("UPDATE public.reading_leaf_index SET run = 3", ""),
    ("DELETE FROM public.reading_leaf_index", ""),
    ("TRUNCATE public.reading_leaf_index", ""),
    ("SELECT heads FROM public.reading_leaf_index", "integrator overseer"),
    ("INSERT INTO public.leaf_index VALUES (0, 0, '')", "integrator"),
    ("UPDATE public.leaf_index SET run = 3", ""),
    ("DELETE FROM public.leaf_index", ""),
    ("TRUNCATE public.leaf_index", ""),
    ("SELECT heads FROM public.leaf_index", "front integrator operator archivist"),
    ("SELECT heads FROM auditor.leaf_index", "auditor"),
    ("INSERT INTO public.reading_checkpoints VALUES (9, '', '', '')", "integrator"),
    ("UPDATE public.reading_tiles SET hashes = hashes || '\\x00'::bytea", "integrator"),
    ("UPDATE public.reading_leaves SET entry = ''", ""),
    ("UPDATE public.reading_leaves SET at = ''", ""),
    ("UPDATE public.reading_records SET account = ''", ""),
    ("UPDATE public.reading_checkpoints SET note = ''", ""),
    *((f"{verb} public.{table}", "") for verb in ("DELETE FROM", "TRUNCATE") for table in TABLES),
    ("SELECT sealed FROM public.reading_records", "overseer"),
    ("SELECT wrapped_key FROM public.reading_records", "overseer"),
    ("SELECT account FROM public.reading_records", "overseer"),
    ("SELECT position FROM public.reading_records", "overseer"),
    ("SELECT entry FROM public.reading_leaves", "front integrator overseer"),
    ("SELECT hash FROM public.reading_leaves", "front integrator overseer"),
    ("SELECT at FROM public.reading_leaves", "front integrator overseer"),
    ("SELECT position FROM public.reading_leaves", "front integrator overseer"),
    ("SELECT note FROM public.reading_checkpoints", "front integrator overseer"),
    ("SELECT hashes FROM public.reading_tiles", "front integrator overseer"),
    ("SELECT position FROM auditor.reading_leaves", "auditor"),
    ("SELECT entry FROM auditor.reading_leaves", ""),
    ("SELECT at FROM auditor.reading_leaves", ""),
    ("SELECT sealed FROM auditor.reading_records", ""),
    ("SELECT note FROM auditor.reading_checkpoints", "auditor"),
]


@pytest.mark.parametrize(("statement", "allowed"), MATRIX)
def test_readers_add_and_the_overseer_alone_reads_and_nobody_changes_or_deletes(kept, statement, allowed):
    try:
        found = able(kept, statement)
    except psycopg.errors.UndefinedColumn:
        found = set()
    assert found == set(allowed.split())


@pytest.mark.parametrize("table", ["leaves", "records", "messages", "trail", "evidence", "reviews", "dispatches"])
def test_the_overseer_reads_nothing_of_what_was_read(kept, table):
    session = kept.acting(Duty.OVERSEER).open()
    assert not may(session, f"SELECT 1 FROM public.{table}")  # noqa: S608
    session.close()


@pytest.mark.parametrize("duty", sorted(READERS))
def test_readers_are_written_down_each_as_their_own_account_at_the_servers_time(stored, duty):
    before = datetime.now(UTC) - timedelta(minutes=1)
    assert read(stored, duty) == 0
    kept = ReadingViews(stored.acting(Duty.OVERSEER)).at(0)
    assert kept.account == f"gateway_{duty}"
    assert before < kept.at < before + timedelta(minutes=2)
    assert kept.opened(builders.SEALER) == builders.reading(f"as {duty}")


@pytest.mark.parametrize("duty", sorted(set(DUTIES) - READERS))
def test_whoever_is_no_reader_is_not_written_down_and_so_not_answered(stored, duty):
    log = builders.readings(stored.acting(duty))
    with pytest.raises(UnavailableError, match="InsufficientPrivilege"):
        log.read(builders.reading())
    log.close()
    assert ReadingViews(stored.acting(Duty.OVERSEER)).length() == 0


@pytest.mark.parametrize("duty", sorted(set(DUTIES) - {Duty.OVERSEER}))
def test_nobody_but_the_overseer_is_told_of_readings(kept, duty):
    views = ReadingViews(kept.acting(duty))
    for ask in (lambda: views.at(0), lambda: next(views.newest()), lambda: views.verify(KEY)):
        with pytest.raises(UnavailableError, match=r"InsufficientPrivilege|UndefinedTable|UndefinedColumn"):
            ask()


def test_the_overseer_verifies_and_proves_the_log_of_readings(kept):
    overseer = kept.acting(Duty.OVERSEER)
    assert guard.check(overseer, KEY, READINGS).size == 3
    views = ReadingViews(overseer)
    assert views.verify(KEY, builders.SEALER).size == 3
    assert views.proof(2).index == 2


@pytest.mark.parametrize("duty", [Duty.FRONT, Duty.AUDITOR])
def test_whoever_serves_or_keeps_an_anchor_guards_the_log_of_readings_too(kept, duty):
    guard.check_all(kept.acting(duty), KEY)
    assert [one.size for one in guard.keep_all(kept.acting(duty), KEY)] == [0, 3]


@pytest.mark.parametrize(
    "call",
    [
        ADD.replace("\\x00ab", "\\x00ac"),
        ADD.replace("sha256('\\x00ab'::bytea)", "NULL"),
        ADD.replace("'\\xab'", "NULL"),
        ADD.replace("'\\x02'::bytea", "NULL"),
        ADD.replace("'\\x01'::bytea", "NULL"),
        ADD.replace("'\\x02'::bytea", "decode(repeat('00', 65536), 'hex')"),
        ADD.replace("'\\x01'::bytea", "decode(repeat('00', 256), 'hex')"),
    ],
)
def test_a_reader_cannot_add_what_would_stop_the_integrator(kept, call):
    session = kept.acting(Duty.AUDITOR).open()
    with (
        pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.NotNullViolation)),
        session.writing(Turn.READINGS),
    ):
        session.execute(call)
    session.close()


def test_the_function_takes_the_turn_that_the_program_takes():
    assert postgresql.TURNS[Turn.READINGS] == m0011_readings.TURN
    assert postgresql.LOCKS == 1734440037


def test_a_reader_who_calls_the_function_without_the_turn_waits_for_who_holds_it(kept):
    auditor, archivist = (kept.acting(duty).open() for duty in (Duty.AUDITOR, Duty.ARCHIVIST))
    auditor.execute("SET lock_timeout = '200ms'")
    with archivist.writing(Turn.READINGS):
        with pytest.raises(psycopg.errors.LockNotAvailable):
            auditor.execute(ADD)
        archivist.execute("SELECT 1")
    auditor.close()
    archivist.close()


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {} CASCADE", "UPDATE {} SET {}"])
def test_not_even_the_owner_changes_or_deletes_a_reading(kept, table, statement):
    column = {"reading_leaves": "entry", "reading_records": "sealed", "reading_tiles": "hashes"}.get(table, "note")
    session = kept.open()
    with (
        pytest.raises(psycopg.errors.RestrictViolation, match=r"never|only grow"),
        session.writing(Turn.READINGS),
    ):
        session.execute(statement.format(table, f"{column} = '\\x00'::bytea"))
    session.close()


def test_reading_keeps_no_message_waiting(kept):
    """While a reader holds its turn, the front numbers on."""
    auditor = kept.acting(Duty.AUDITOR).open()
    journal = builders.journal(kept.acting(Duty.FRONT), builders.Clock())
    with auditor.writing(Turn.READINGS):
        assert journal.accept(builders.ready("urn:uuid:beside")).result(10)
    journal.close()
    auditor.close()
