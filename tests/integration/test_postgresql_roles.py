"""Each role may do its duty and nothing else: tried as that role, on the real server, both ways."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from gateway.database import Turn
from gateway.errors import UnavailableError
from gateway.services import PostgreSQL
from gateway.store import guard, partitions
from gateway.store.lease import Lease
from gateway.store.outbox import StoredOutbox
from gateway.store.place import Duty, PostgresPlace
from gateway.store.protections import StoredProtections
from gateway.store.views import Views
from tests import builders

pytestmark = pytest.mark.services
KEY = builders.signer().key
NEWS = (builders.learned(builders.Protection.SEKRETESSMARKERING, 1),)
SERVING = (Duty.FRONT, Duty.RELAY, Duty.INTEGRATOR, Duty.OPERATOR, Duty.AUDITOR)
LOG = ("messages", "refusals", "leaves", "tiles", "checkpoints", "records", "evidence", "quarantine")


def made(settings: PostgreSQL, folder: Path) -> PostgresPlace:
    """A store in which every table has something, put there by the roles whose duty it is."""
    place, clock = builders.database(settings, folder), builders.Clock()
    front = place.acting(Duty.FRONT)
    journal = builders.journal(front, clock)
    for n in range(2):
        journal.accept(builders.ready(f"urn:uuid:{n}", records=2, learned=NEWS)).result()
    journal.refuse(builders.refusal(quarantined=True)).result()
    journal.close()
    assert builders.integrate(place.acting(Duty.INTEGRATOR), clock).size == 5
    return place


@pytest.fixture
def place(database, tmp_path):
    return made(database, tmp_path)


@pytest.fixture(scope="module")
def kept(servers, tmp_path_factory):
    """A store for tests that undo what they try."""
    with servers.database() as settings:
        yield made(settings, tmp_path_factory.mktemp("kept"))


@pytest.fixture
def session(request, kept):
    opened = kept.acting(request.param).open()
    yield opened
    opened.close()


def may(session, statement: str) -> bool:
    """Try a statement, and undo it."""

    class Undone(Exception):  # noqa: N818  # no error
        pass

    def done() -> None:
        raise Undone

    try:
        with session.writing(Turn.JOURNAL):
            session.execute(statement)
            done()
    except Undone:
        return True
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return False


def test_the_front_does_its_duty_as_the_front(place):
    front, clock = place.acting(Duty.FRONT), builders.Clock()
    assert guard.check(front, KEY).size == 5
    journal, protections = builders.journal(front, clock), StoredProtections(front)
    assert journal.accept(builders.ready("urn:uuid:0", records=2, learned=NEWS)).result().repeated
    assert not journal.accept(builders.ready("urn:uuid:new", learned=NEWS)).result().repeated
    journal.close()
    assert protections.status(builders.pseudonym(builders.NUMBERS[0])) is builders.Protection.SEKRETESSMARKERING
    protections.close()
    assert Views(front).unsigned(clock.now()) == (1, timedelta(0))
    assert partitions.ahead(front) == 2


def test_the_relay_does_its_duty_as_the_relay(place):
    relay = place.acting(Duty.RELAY)
    outbox, lease = StoredOutbox(relay), Lease(relay, "relay", holder="one", clock=builders.Clock())
    assert lease.hold()
    outbox.settle(outbox.pending(3))
    assert len(outbox.pending(100)) == 1
    lease.release()
    lease.close()
    outbox.close()


def test_the_integrator_does_its_duty_as_the_integrator(place):
    journal = builders.journal(place.acting(Duty.FRONT), builders.Clock())
    journal.accept(builders.ready("urn:uuid:new", records=300)).result()
    journal.close()
    integrator = place.acting(Duty.INTEGRATOR)
    assert builders.integrate(integrator, builders.Clock()).size == 305
    assert partitions.keep(integrator, wanted=3) == 3
    assert partitions.ahead(integrator) == 3


@pytest.mark.parametrize("duty", [Duty.OPERATOR, Duty.AUDITOR])
def test_operators_and_auditors_ask_everything_but_what_is_sealed(place, duty):
    views = Views(place.acting(duty))
    assert guard.check(place.acting(duty), KEY).size == 5
    counts = views.counts()
    assert (counts["messages"], counts["refusals"], counts["quarantine"], counts["outbox"]) == (2, 1, 1, 4)
    (first,) = views.messages(message_id=builders.MessageId("urn:uuid:0"))
    assert first.undelivered == 2
    (refused,) = views.refusals()
    assert refused.quarantined
    (entry, _) = views.leaves(first.number)
    assert views.proof(entry.hash).index == entry.position == views.leaf(entry.hash).position
    assert views.history(builders.ready("urn:uuid:0", records=2).leaves[0].pseudonym)
    assert views.verify_log(KEY).size == 5
    for ask in (lambda: views.sealed_message(first.number), lambda: views.sealed_refusal(refused.number)):
        with pytest.raises(UnavailableError, match=r"InsufficientPrivilege|UndefinedTable|UndefinedColumn"):
            ask()


def test_the_owner_opens_what_is_sealed(place):
    assert Views(place).sealed_message(1).records
    assert Views(place).sealed_refusal(1).evidence == b"sealed quarantine"


@pytest.mark.parametrize("session", SERVING, indirect=True)
@pytest.mark.parametrize("table", LOG)
def test_nobody_who_serves_deletes_or_empties_anything_of_the_log(session, table):
    assert not may(session, f"DELETE FROM public.{table}")  # noqa: S608
    assert not may(session, f"TRUNCATE public.{table} CASCADE")


@pytest.mark.parametrize("session", SERVING, indirect=True)
@pytest.mark.parametrize(
    "change",
    [
        "messages SET digest = 'x'",
        "refusals SET wrapped_key = NULL",
        "leaves SET entry = ''",
        "checkpoints SET note = ''",
        "records SET sealed = ''",
        "evidence SET wrapped_key = ''",
        "quarantine SET sealed = ''",
        "alembic_version SET version_num = '9'",
    ],
)
def test_nobody_who_serves_changes_anything_of_the_log(session, change):
    assert not may(session, f"UPDATE public.{change}")


@pytest.mark.parametrize("session", SERVING, indirect=True)
def test_nobody_who_serves_changes_the_schema(session):
    for statement in (
        "CREATE TABLE public.mine (a integer)",
        "DROP TABLE public.leaves CASCADE",
        "ALTER TABLE public.leaves DISABLE TRIGGER ALL",
        "DROP TRIGGER leaves_deleted_never ON public.leaves",
        "CREATE TEMPORARY TABLE mine (a integer)",
        "ALTER TABLE public.leaves DETACH PARTITION public.leaves_000000000000",
        "DROP TABLE public.leaves_000000000000",
        "CREATE SCHEMA mine",
        "DROP SCHEMA auditor CASCADE",
        "SELECT public.gateway_guard_partition('x', 'leaves')",
    ):
        assert not may(session, statement), statement


@pytest.mark.parametrize("session", SERVING, indirect=True)
@pytest.mark.parametrize("column", ["evidence.sealed", "evidence.wrapped_key", "records.sealed", "quarantine.sealed"])
def test_nobody_who_serves_reads_what_is_sealed(session, column):
    table, _, name = column.partition(".")
    assert not may(session, f"SELECT {name} FROM public.{table}")  # noqa: S608


MATRIX = [
    (
        "INSERT INTO public.messages SELECT 9, 'p', 'o', 'm', 'd', 'c', 's', NULL, 'x', '', '', '', '', '', 0, 0",
        "front",
    ),
    ("INSERT INTO public.leaves (position, hash, entry) VALUES (900, '', '')", "front"),
    ("INSERT INTO public.quarantine (refusal, sealed) VALUES (900, '')", "front"),
    ("INSERT INTO public.evidence (message, key_id, wrapped_key, sealed) VALUES (9, '', '', '')", "front"),
    ("INSERT INTO public.protections VALUES ('p', 'none', 0, 0, 99)", "front"),
    ("UPDATE public.protections SET revision = 99", "front"),
    ("SELECT person FROM public.protections", "front"),
    ("SELECT digest FROM public.messages", "front integrator operator"),
    ("SELECT wrapped_key FROM public.refusals", ""),
    ("SELECT code FROM public.refusals", "front integrator operator"),
    ("SELECT pseudonym FROM public.records", "operator"),
    (
        "INSERT INTO public.outbox (id, message, event, type, partition, queues, body) SELECT 9, 1, '', '', '', '', ''",
        "front operator",
    ),
    ("SELECT id FROM public.outbox", "front relay operator"),
    ("SELECT body FROM public.outbox", "relay"),
    ("DELETE FROM public.outbox", "relay"),
    ("UPDATE public.outbox SET queues = ''", ""),
    ("INSERT INTO public.leases VALUES ('x', 'y', '')", "relay integrator"),
    ("SELECT holder FROM public.leases", "relay integrator operator"),
    ("UPDATE public.tiles SET hashes = hashes || '\\x00'::bytea", "integrator"),
    ("INSERT INTO public.tiles VALUES (5, 5, '')", "integrator"),
    ("INSERT INTO public.checkpoints VALUES (9, '', '', '')", "integrator"),
    ("SELECT public.gateway_add_partition('leaves')", "integrator"),
    (
        "INSERT INTO public.dead_letters VALUES (9, 'q', 'e', 't', 'p', 1, 'r', 'f', '', '', '', 0, '', 'open')",
        "relay",
    ),
    ("SELECT body FROM public.dead_letters", "relay operator"),
    ("UPDATE public.dead_letters SET state = 'asked'", "operator"),
    ("DELETE FROM public.dead_letters", ""),
    ("INSERT INTO public.triage VALUES (1, 1, 'a', 'b', 'r', '', '')", "operator"),
    ("UPDATE public.triage SET by = 'x'", ""),
    ("DELETE FROM public.triage", ""),
]


@pytest.mark.parametrize(("statement", "allowed"), MATRIX)
def test_a_statement_is_for_those_whose_duty_it_is_and_nobody_else(kept, statement, allowed):
    able = set()
    for duty in SERVING:
        session = kept.acting(duty).open()
        try:
            if may(session, statement):
                able.add(duty.value)
        except psycopg.IntegrityError:  # it was allowed, and only the row was wrong
            able.add(duty.value)
        finally:
            session.close()
    assert able == set(allowed.split())


@pytest.mark.parametrize("session", [Duty.AUDITOR], indirect=True)
def test_the_auditor_reads_views_and_nothing_beside_them(session):
    for table in (
        "messages",
        "refusals",
        "leaves",
        "tiles",
        "checkpoints",
        "records",
        "outbox",
        "dead_letters",
        "triage",
    ):
        assert may(session, f"SELECT count(*) FROM {table}"), table  # noqa: S608
        assert not may(session, f"SELECT count(*) FROM public.{table}"), table  # noqa: S608
        assert not may(session, f"DELETE FROM {table}"), table  # noqa: S608
    for column in ("sealed", "wrapped_key", "key_id", "body", "person"):
        found = session.execute("SELECT table_name FROM information_schema.columns WHERE column_name = ?", (column,))
        assert found.fetchall() == [], column
