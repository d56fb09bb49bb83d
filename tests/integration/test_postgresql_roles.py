"""Each role may do its duty and nothing else: tried as that role, on the real server, both ways."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from gateway.database import Turn
from gateway.errors import UnavailableError
from gateway.outbound.states import Happening, State
from gateway.services import PostgreSQL
from gateway.store import guard, partitions
from gateway.store.dispatch_views import DispatchViews
from gateway.store.dispatches import StoredDispatches
from gateway.store.gallring import destroy
from gateway.store.instructions import StoredInstructions
from gateway.store.lease import Lease
from gateway.store.outbox import StoredOutbox
from gateway.store.place import Duty, PostgresPlace
from gateway.store.protections import StoredProtections
from gateway.store.views import Views
from tests import builders, steps

pytestmark = pytest.mark.services
KEY = builders.signer().key
NEWS = (builders.learned(builders.Protection.SEKRETESSMARKERING, 1),)
SERVING = (Duty.FRONT, Duty.RELAY, Duty.INTEGRATOR, Duty.DISPATCHER, Duty.OPERATOR, Duty.AUDITOR)
LOG = ("messages", "refusals", "leaves", "tiles", "checkpoints", "records", "evidence", "quarantine")
SENT = ("commands", "dispatches", "timeline", "contents", "deposits", "instructions", "pauses")
H = Happening


def made(settings: PostgreSQL, folder: Path) -> PostgresPlace:
    """A store in which every table has something, put there by the roles whose duty it is."""
    place, clock = builders.database(settings, folder), builders.Clock()
    front = place.acting(Duty.FRONT)
    journal = builders.journal(front, clock)
    for n in range(2):
        journal.accept(builders.ready(f"urn:uuid:{n}", records=2, learned=NEWS)).result()
    journal.refuse(builders.refusal(quarantined=True)).result()
    journal.close()
    sent(place, clock)
    assert builders.integrate(place.acting(Duty.INTEGRATOR), clock).size == 9
    return place


def sent(place: PostgresPlace, clock: builders.Clock) -> None:
    """One dispatch delivered and one that waits, with what an operator had written down."""
    operator, dispatcher = StoredDispatches(place.acting(Duty.OPERATOR), clock=clock), _dispatches(place, clock)
    for name in ("c1", "c2"):
        operator.take(*steps.parts(steps.command(name)))
    first, second = dispatcher.due(builders.NOON, limit=9, busy=[])
    for happening in (H.COMPOSE, H.BEGIN, H.ANSWER):
        assert dispatcher.write(steps.step(first, happening))
        first = dispatcher.get(first.id)
    asked = StoredInstructions(place.acting(Duty.OPERATOR), clock=clock, role="gateway_operator")
    assert not asked.ask(second.id, H.WITHDRAW, by="anna", reason="ärendet är avslutat").refused
    assert asked.pause(second.partner, by="anna", reason="fel adress") == ""
    for one in (operator, dispatcher, asked):
        one.close()


def _dispatches(place: PostgresPlace, clock: builders.Clock) -> StoredDispatches:
    return StoredDispatches(place.acting(Duty.DISPATCHER), clock=clock)


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
    assert guard.check(front, KEY).size == 9
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
    outbox, lease = (
        StoredOutbox(relay, clock=builders.Clock()),
        Lease(relay, "relay", holder="one", clock=builders.Clock()),
    )
    assert lease.hold()
    outbox.settle(outbox.pending(3))
    assert len(outbox.pending(100)) == 2
    lease.release()
    lease.close()
    outbox.close()


def test_the_integrator_does_its_duty_as_the_integrator(place):
    journal = builders.journal(place.acting(Duty.FRONT), builders.Clock())
    journal.accept(builders.ready("urn:uuid:new", records=300)).result()
    journal.close()
    integrator = place.acting(Duty.INTEGRATOR)
    assert builders.integrate(integrator, builders.Clock()).size == 309
    assert partitions.keep(integrator, wanted=3) == 4
    assert partitions.ahead(integrator) == 3


def test_the_dispatcher_does_its_duty_as_the_dispatcher(place):
    clock = builders.Clock()
    dispatches, lease = (
        _dispatches(place, clock),
        Lease(place.acting(Duty.DISPATCHER), "dispatcher", holder="one", clock=clock),
    )
    assert lease.hold()
    assert not dispatches.take(*steps.parts(steps.command("c3", "skatteverket"))).repeated
    (held,) = dispatches.due(clock.now(), limit=9, busy=[])
    for happening in (H.COMPOSE, H.DEPOSIT, H.FETCH, H.ACKNOWLEDGE):
        assert dispatches.write(steps.step(held, happening, learned=NEWS))
        held = dispatches.get(held.id)
    assert (held.state, set(held.contents)) == (State.DELIVERED, {"command", "payload", "envelope"})
    assert not dispatches.take(*steps.parts(steps.command("c4", "skatteverket"))).repeated
    (asking,) = dispatches.due(clock.now(), limit=9, busy=[])
    for happening in (H.COMPOSE, H.BEGIN):
        assert dispatches.write(steps.step(asking, happening))
        asking = dispatches.get(asking.id)
    answer = steps.step(asking, H.ANSWER, **steps.whole("answer", 9, "answer"))
    assert dispatches.write(replace(answer, events=tuple(builders.event(f"answer {n}") for n in range(7))))
    ((instruction, withdrawn),) = dispatches.instructed(limit=9, busy=[])
    assert dispatches.write(steps.step(withdrawn, instruction.happening, by=instruction.by, reason=instruction.reason))
    assert dispatches.instructed(limit=9, busy=[]) == []
    protections = StoredProtections(place.acting(Duty.DISPATCHER))
    assert protections.status(builders.pseudonym(builders.NUMBERS[0])) is builders.Protection.SEKRETESSMARKERING
    protections.close()
    lease.release()
    lease.close()
    dispatches.close()


def test_the_operator_gives_commands_asks_and_pauses_and_moves_nothing(place):
    clock = builders.Clock()
    operator = StoredDispatches(place.acting(Duty.OPERATOR), clock=clock)
    made = steps.parts(steps.command("c1"))
    assert operator.take(*made).repeated
    many = [steps.recipient(n, partner="arbetsgivare", organisation=f"556000000{n}") for n in range(1, 8)]
    assert len(operator.take(*steps.parts(steps.command("c9", recipients=many))).dispatches) == 7
    step = steps.made(made[1][0].dispatch, 3, State.QUEUED, H.WITHDRAW)
    with pytest.raises(UnavailableError, match="InsufficientPrivilege"):
        operator.write(step)
    with pytest.raises(UnavailableError, match="InsufficientPrivilege"):
        operator.get(made[1][0].dispatch)
    operator.close()
    asked = StoredInstructions(place.acting(Duty.OPERATOR), clock=clock)
    assert asked.resume("arbetsformedlingen", by="anna", reason="ny adress") == ""
    asked.close()


@pytest.mark.parametrize("duty", [Duty.OPERATOR, Duty.AUDITOR])
def test_of_the_way_out_operators_and_auditors_see_everything_but_what_is_sealed(place, duty):
    views = DispatchViews(place.acting(duty))
    newest, oldest = views.dispatches()
    assert [one.state for one in (oldest, newest)] == [State.DELIVERED, State.QUEUED]
    assert [one.happening for one in views.timeline(oldest.id)] == [H.COMPOSE, H.BEGIN, H.ANSWER]
    assert views.dispatch_counts() == {"arbetsformedlingen": {State.DELIVERED: 1, State.QUEUED: 1}}
    assert [one.by for one in views.paused()] == [one.by for one in views.instructions(unsettled=True)] == ["anna"]
    leaves = views.dispatch_leaves(oldest.id)
    assert [one.dispatch for one in leaves] == [oldest.number] * 4
    assert [views.proof(one.hash).index for one in leaves] == [one.position for one in leaves]
    assert views.overdue(builders.NOON) == (0, None)
    with pytest.raises(UnavailableError, match=r"InsufficientPrivilege|UndefinedTable|UndefinedColumn"):
        views.sealed(oldest.id)
    views.close()


def test_the_owner_opens_and_destroys_what_is_sealed_of_a_dispatch(place):
    views = DispatchViews(place)
    _, delivered = views.dispatches()
    assert [one.name for one in views.sealed(delivered.id)] == ["command", "payload", "answer"]
    relay = StoredOutbox(place.acting(Duty.RELAY), clock=builders.Clock())
    relay.settle(relay.pending(100))
    relay.close()
    for duty in set(SERVING) - {Duty.OWNER, Duty.FRONT}:
        with pytest.raises(UnavailableError, match=r"InsufficientPrivilege|UndefinedTable|UndefinedColumn"):
            destroy(place.acting(duty), delivered.id)
    # The front sees only what lies in a mailbox, and this does not.
    assert destroy(place.acting(Duty.FRONT), delivered.id) == "there is no such dispatch"
    assert len(views.sealed(delivered.id)) == 3
    assert destroy(place, delivered.id) == ""
    assert views.sealed(delivered.id) == []
    assert views.verify_log(KEY).size == 9
    views.close()


@pytest.mark.parametrize("session", [Duty.DISPATCHER], indirect=True)
def test_the_dispatcher_reads_hidden_records_of_dispatches_and_of_nothing_that_came_in(session, kept):
    owner = kept.open()
    ((records,), (mine,)) = owner.execute(
        "SELECT count(*) FROM records UNION ALL SELECT count(*) FROM leaves WHERE dispatch IS NOT NULL"
    ).fetchall()
    owner.close()
    assert (records, mine) == (9, 4)
    assert session.execute("SELECT count(*) FROM dispatch_records").fetchone() == (4,)
    assert not may(session, "SELECT sealed FROM public.records")


@pytest.mark.parametrize("duty", [Duty.OPERATOR, Duty.AUDITOR])
def test_operators_and_auditors_ask_everything_but_what_is_sealed(place, duty):
    views = Views(place.acting(duty))
    assert guard.check(place.acting(duty), KEY).size == 9
    counts = views.counts()
    assert (counts["messages"], counts["refusals"], counts["quarantine"], counts["outbox"]) == (2, 1, 1, 5)
    (first,) = views.messages(message_id=builders.MessageId("urn:uuid:0"))
    assert first.undelivered == 2
    (refused,) = views.refusals()
    assert refused.quarantined
    (entry, _) = views.leaves(first.number)
    assert views.proof(entry.hash).index == entry.position == views.leaf(entry.hash).position
    assert views.history(builders.ready("urn:uuid:0", records=2).leaves[0].pseudonym)
    assert views.verify_log(KEY).size == 9
    for ask in (lambda: views.sealed_message(first.number), lambda: views.sealed_refusal(refused.number)):
        with pytest.raises(UnavailableError, match=r"InsufficientPrivilege|UndefinedTable|UndefinedColumn"):
            ask()


def test_the_owner_opens_what_is_sealed(place):
    assert Views(place).sealed_message(1).records
    assert Views(place).sealed_refusal(1).evidence == b"sealed quarantine"


@pytest.mark.parametrize("session", SERVING, indirect=True)
@pytest.mark.parametrize("table", [*LOG, *SENT])
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


_NEW = (
    "INSERT INTO public.dispatches (id, dispatch, command, position, contract, partner, organisation, lane, expires,"
    " changed_at{}) VALUES (9, 'd', 1, 9, 'k', 'p', '', 'p  k', '', ''{})"
)
_ASK = (
    "INSERT INTO public.instructions (id, dispatch, happening, by, role, reason, at{})"
    " VALUES (9, 2, 'x', 'anna', '', 'x', ''{})"
)
_FETCH = (
    "INSERT INTO public.timeline (dispatch, step, happening, before, after, at, leaf_count)"
    " VALUES (2, 1, 'fetch', 'queued', 'fetched', '', 0)"
)
MATRIX = [
    (
        "INSERT INTO public.messages SELECT 9, 'p', 'o', 'm', 'd', 'c', 's', NULL, 'x', '', '', '', '', '', 0, 0",
        "front",
    ),
    ("INSERT INTO public.leaves (position, hash, entry) VALUES (900, '', '')", "front dispatcher"),
    ("INSERT INTO public.records (position, sealed) VALUES (900, '')", "front dispatcher"),
    ("INSERT INTO public.quarantine (refusal, sealed) VALUES (900, '')", "front"),
    ("INSERT INTO public.evidence (message, key_id, wrapped_key, sealed) VALUES (9, '', '', '')", "front"),
    ("INSERT INTO public.protections VALUES ('p', 'none', 0, 0, 99)", "front dispatcher"),
    ("UPDATE public.protections SET revision = 99", "front dispatcher"),
    ("SELECT person FROM public.protections", "front dispatcher relay"),
    ("SELECT digest FROM public.messages", "front integrator operator"),
    ("SELECT wrapped_key FROM public.refusals", ""),
    ("SELECT code FROM public.refusals", "front integrator operator"),
    ("SELECT pseudonym FROM public.records", "operator"),
    (
        "INSERT INTO public.outbox (id, message, event, type, partition, queues, body) SELECT 9, 1, '', '', '', '', ''",
        "front dispatcher operator",
    ),
    ("SELECT id FROM public.outbox", "front relay dispatcher operator"),
    ("SELECT body FROM public.outbox", "relay"),
    ("DELETE FROM public.outbox", "relay"),
    ("UPDATE public.outbox SET queues = ''", ""),
    ("INSERT INTO public.leases VALUES ('x', 'y', '')", "relay integrator dispatcher"),
    ("SELECT holder FROM public.leases", "relay integrator dispatcher operator"),
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
    ("INSERT INTO public.commands VALUES (9, 'a', 'c', 'd', 'k', '', '', '')", "dispatcher operator"),
    (_NEW.format("", ""), "dispatcher operator"),
    (_NEW.format(", due, over_at", ", '', ''"), "dispatcher operator"),
    (_NEW.format(", state", ", 'delivered'"), ""),
    (_NEW.format(", step", ", 7"), ""),
    ("SELECT state FROM public.dispatches", "front dispatcher operator"),
    ("UPDATE public.dispatches SET state = 'expired', step = step + 1 WHERE id = 2", "front dispatcher"),
    ("UPDATE public.dispatches SET expires = 'x'", ""),
    ("UPDATE public.dispatches SET partner = 'x'", ""),
    (
        "INSERT INTO public.timeline VALUES (2, 1, '', '', '', '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0)",
        "dispatcher",
    ),
    ("SELECT first_leaf FROM public.timeline", "front dispatcher operator"),
    ("SELECT code, reason FROM public.timeline", "front dispatcher operator"),
    ("UPDATE public.timeline SET code = 'x'", ""),
    ("INSERT INTO public.contents VALUES (2, 9, 'x', '', '', '')", "dispatcher operator"),
    ("SELECT name FROM public.contents", "front dispatcher operator"),
    ("SELECT sealed FROM public.contents", "front dispatcher"),
    ("SELECT wrapped_key FROM public.contents", "front dispatcher"),
    ("UPDATE public.contents SET sealed = ''", ""),
    ("SELECT sealed FROM public.dispatch_records", "dispatcher"),
    ("INSERT INTO public.deposits VALUES (1, 'p', '', 'k', '')", "dispatcher"),
    ("UPDATE public.deposits SET partner = 'x'", ""),
    ("SELECT closed_at FROM public.deposits", "front dispatcher operator"),
    (_ASK.format("", ""), "operator"),
    (_ASK.format(", settled_at", ", 'now'"), ""),
    ("UPDATE public.instructions SET refused = 'x', settled_at = 'now'", "dispatcher"),
    ("UPDATE public.instructions SET by = 'x'", ""),
    ("INSERT INTO public.pauses VALUES (9, 'p', true, 'anna', '', 'x', '')", "operator"),
    ("SELECT partner FROM public.pauses", "dispatcher operator"),
    ("UPDATE public.pauses SET paused = false", ""),
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


@pytest.mark.parametrize("session", [Duty.FRONT], indirect=True)
def test_of_what_lies_in_no_mailbox_the_front_sees_and_moves_nothing(session):
    for table in ("dispatches", "contents", "deposits"):
        assert session.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table  # noqa: S608
    with session.writing(Turn.JOURNAL):
        assert session.execute("UPDATE dispatches SET state = 'expired', step = step + 1").rowcount == 0
    for statement in (
        "INSERT INTO contents VALUES (2, 9, 'command', '', '', '')",
        _FETCH,
    ):
        assert not may(session, statement), statement


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
        *SENT,
    ):
        assert may(session, f"SELECT count(*) FROM {table}"), table  # noqa: S608
        assert not may(session, f"SELECT count(*) FROM public.{table}"), table  # noqa: S608
        assert not may(session, f"DELETE FROM {table}"), table  # noqa: S608
    for column in ("sealed", "wrapped_key", "key_id", "body", "person"):
        found = session.execute("SELECT table_name FROM information_schema.columns WHERE column_name = ?", (column,))
        assert found.fetchall() == [], column
