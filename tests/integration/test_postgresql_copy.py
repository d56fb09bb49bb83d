"""An embedded store moved to PostgreSQL is the same log, row by row; whatever interrupts the move, it goes on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.database import Turn
from gateway.errors import IntegrityError, UnavailableError
from gateway.outbound.states import Happening
from gateway.store import copy as copying
from gateway.store import create, guard, partitions, tracing
from gateway.store.dispatch_views import DispatchViews
from gateway.store.dispatches import StoredDispatches
from gateway.store.instructions import StoredInstructions
from gateway.store.lease import Lease
from gateway.store.log import READINGS
from gateway.store.place import Duty, PostgresPlace
from gateway.store.readings import ReadingViews
from gateway.store.views import Views
from tests import builders, steps
from tests.integration.killed import Axe, Child

pytestmark = pytest.mark.services
KEY = builders.signer().key
H = Happening
NEWS = (builders.learned(builders.Protection.SEKRETESSMARKERING, 1),)


@pytest.fixture
def clock():
    return builders.Clock()


@pytest.fixture
def source(tmp_path, clock):
    """A store with several tiles and checkpoints, refusals, dispatches, and leaves that no checkpoint covers yet."""
    place = builders.store(tmp_path / "store")
    send(place, clock)
    fill(place, clock)
    read(place, clock)
    return place


def fill(place, clock) -> None:
    journal = builders.journal(place, clock)
    for n in range(6):
        journal.accept(builders.ready(f"urn:uuid:{n}", records=90, learned=NEWS)).result()
        journal.refuse(builders.refusal(b"<%d/>" % n, quarantined=n % 2 == 0)).result()
        builders.integrate(place, clock)
    journal.accept(builders.ready("urn:uuid:late", records=3)).result()
    journal.close()
    clock.pass_(timedelta(hours=1))


def gap(place) -> tuple[int, int] | None:
    """The leaves that are older than the trail, as the store says."""
    session = place.open()
    try:
        return tracing.gap(session)
    finally:
        session.close()


def read(place, clock) -> None:
    """Readings of it, of which a checkpoint does not cover the last."""
    log = builders.readings(place)
    for one in ("Q1", "Q2", "Q3"):
        log.read(builders.reading(one))
    assert builders.integrate(place, clock, READINGS).size == 3
    log.read(builders.reading("Q4"))
    log.close()


WAYS = [(H.COMPOSE, H.BEGIN, H.ANSWER), (H.COMPOSE, H.DEPOSIT), (H.COMPOSE, H.BEGIN, H.LOSE), ()]
SENT = 6
"""Leaves of these: an intent each, and the three of an answer."""


def send(place, clock) -> None:
    """A dispatch that went each of the ways, with an instruction and a pause."""
    dispatches, asked = StoredDispatches(place, clock=clock), StoredInstructions(place, clock=clock)
    for number, way in enumerate(WAYS):
        made = steps.parts(steps.command(f"c{number}", "arbetsgivare", life=timedelta(days=9)))
        dispatches.take(*made)
        for happening in way:
            assert dispatches.write(steps.step(dispatches.get(made[1][0].dispatch), happening))
    assert not asked.ask(made[1][0].dispatch, H.WITHDRAW, by="anna", reason="ärendet är avslutat").refused
    assert asked.pause("skatteverket", by="anna", reason="fel adress") == ""
    dispatches.close()
    asked.close()


@pytest.fixture
def target(database, source):
    return PostgresPlace(settings=database, duty=Duty.OWNER, folder=source.folder, width=200)


@pytest.fixture(autouse=True)
def _small_transactions(monkeypatch):
    monkeypatch.setattr(copying, "BATCH", 150)


def copied(source, target, clock, **more) -> copying.Report:
    return copying.copy(source, target, key=KEY, clock=clock, **more)


def forge(place, *statements: str) -> None:
    session = place.open()
    with session.writing(Turn.JOURNAL):
        for statement in statements:
            session.execute(statement)
    session.close()


def tables(place) -> dict[str, list]:
    session = place.open()
    with session.reading():
        found = {one.name: [copying._row(one, row) for row in rows(session, one)] for one in copying.TABLES}
    session.close()
    return found


def rows(session, table) -> list:
    names, keys = ", ".join(table.columns.keys()), copying._keys(table)
    return session.execute(f"SELECT {names} FROM {table.name} ORDER BY {keys}").fetchall()  # noqa: S608


def test_the_copy_is_the_same_log_and_goes_on(source, target, clock):
    before = tables(source)
    report = copied(source, target, clock)
    assert tables(target) == before == tables(source)
    assert dict(report.rows) == {name: len(found) for name, found in before.items()}
    assert (report.last.size, report.checkpoints) == (546 + SENT, 7)
    assert guard.check(target, KEY) == report.last
    assert Views(target).verify_log(KEY).pending == 3
    journal = builders.journal(target.acting(Duty.FRONT), clock)
    assert journal.accept(builders.ready("urn:uuid:0", records=90)).result().repeated
    assert not journal.accept(builders.ready("urn:uuid:new")).result().repeated
    journal.close()
    assert builders.integrate(target.acting(Duty.INTEGRATOR), clock).size == 550 + SENT
    with pytest.raises(IntegrityError, match="this is an older copy"):
        guard.check(source, KEY)


def test_partitions_are_made_as_the_copy_grows(source, target, clock):
    copied(source, target, clock)
    session = target.open()
    assert [one.first for one in partitions.bounds(session)["leaves"]] == [0, 200, 400, 600, 800]
    session.close()
    assert partitions.ahead(target) == 2


def test_a_copy_that_is_repeated_changes_nothing(source, target, clock):
    first = copied(source, target, clock)
    before = tables(target)
    assert copied(source, target, clock) == first
    assert tables(target) == before


@pytest.mark.parametrize(
    ("point", "nth"),
    [("messages", 1), ("leaves", 1), ("leaves", 2), ("records", 3), ("checkpoints", 1), ("proof", 1), ("anchor", 1)],
)
def test_killed_anywhere_the_copy_goes_on_where_it_stopped(source, target, clock, point, nth):
    ended = Child(lambda _tell: copied(source, target, clock, faults=Axe(point, nth))).end()
    assert ended.killed
    before = tables(target)
    told = []
    report = copied(source, target, clock, told=lambda table, _rows: told.append(table))
    assert tables(target) == tables(source)
    assert guard.check(target, KEY) == report.last
    assert not {name for name in told if before[name] == tables(source)[name]}, "copied again what was there"


def test_a_copy_that_is_not_finished_is_not_served(source, target, clock):
    ended = Child(lambda _tell: copied(source, target, clock, faults=Axe("tiles"))).end()
    assert ended.killed
    with pytest.raises(IntegrityError, match="no checkpoint at all"):
        guard.check(target, KEY)


def test_a_database_with_another_store_is_not_touched(source, target, clock, tmp_path):
    builders.database(target.settings, tmp_path / "another")
    journal = builders.journal(target, clock)
    journal.accept(builders.ready("urn:uuid:theirs")).result()
    journal.close()
    before = tables(target)
    with pytest.raises(IntegrityError, match="copy into an empty database"):
        copied(source, target, clock)
    assert tables(target) == before


def test_a_copy_that_went_on_by_itself_is_not_copied_over(source, target, clock):
    copied(source, target, clock)
    journal = builders.journal(target, clock)
    journal.accept(builders.ready("urn:uuid:new")).result()
    journal.close()
    with pytest.raises(IntegrityError, match="copy into an empty database"):
        copied(source, target, clock)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE evidence SET sealed = '' WHERE message = 2", "row 2 of evidence is not"),
        ("UPDATE protections SET protection = 'none'", "protections that are not"),
        ("DELETE FROM records WHERE position = 7", "records that are not"),
        ("UPDATE outbox SET event = 'another' WHERE id = 3", "row 3 of outbox is not"),
        ("DELETE FROM checkpoints WHERE size = 97", "checkpoints that are not"),
        ("UPDATE dispatches SET state = 'delivered' WHERE id = 3", "row 3 of dispatches is not"),
        ("UPDATE timeline SET code = 'x' WHERE dispatch = 2 AND step = 1", "row 4 of timeline is not"),
        ("UPDATE contents SET sealed = '' WHERE dispatch = 1 AND step = 3", "row 3 of contents is not"),
        ("UPDATE instructions SET by = 'bo'", "instructions that are not"),
        ("UPDATE pauses SET paused = false", "pauses that are not"),
        ("UPDATE deposits SET closed_at = 'x'", "deposits that are not"),
        ("UPDATE leaves SET hash = decode(repeat('00', 32), 'hex') WHERE position = 5", "row 6 of leaves is not"),
    ],
)
def test_a_copy_that_differs_anywhere_is_noticed(source, target, clock, statement, told):
    copied(source, target, clock)
    forge(target, *_without_triggers(statement))
    with pytest.raises(IntegrityError, match=told):
        copied(source, target, clock)


def _without_triggers(statement: str) -> tuple[str, ...]:
    (table,) = {one.name for one in copying.TABLES} & set(statement.replace(",", " ").split())
    return f"ALTER TABLE {table} DISABLE TRIGGER USER", statement, f"ALTER TABLE {table} ENABLE TRIGGER USER"


def test_nothing_is_copied_while_a_gateway_runs_on_either(source, target, clock):
    lease = Lease(source, "integrator", holder="running", clock=clock)
    lease.hold()
    with pytest.raises(UnavailableError, match="a gateway runs on the embedded store"):
        copied(source, target, clock)
    lease.release()
    copied(source, target, clock)
    theirs = Lease(target, "relay", holder="running", clock=clock)
    theirs.hold()
    with pytest.raises(UnavailableError, match="a gateway runs on the database"):
        copied(source, target, clock)
    theirs.close()
    lease.close()


def test_nobody_writes_to_the_source_meanwhile(source, target, clock):
    journal = builders.journal(source, clock)
    futures = []

    def fault(point: str) -> None:
        if point == "messages" and not futures:
            futures.append(journal.accept(builders.ready("urn:uuid:meanwhile")))

    report = copied(source, target, clock, faults=fault)
    assert report.rows["messages"] == 7
    futures[0].result(10)
    journal.close()
    assert Views(target).counts()["messages"] == 7


def test_a_source_that_does_not_agree_with_itself_is_not_copied(source, target, clock):
    file = source.open()
    builders.forge(file, "DELETE FROM leaves WHERE position = 4")
    file.close()
    with pytest.raises(IntegrityError):
        copied(source, target, clock)
    with pytest.raises(IntegrityError):
        guard.check(target, KEY)


@pytest.mark.parametrize("revision", ["0001", "0003"])
def test_an_embedded_store_of_an_older_schema_is_brought_forward_first(database, clock, tmp_path, revision):
    now = builders.store(tmp_path / "now")
    fill(now, clock)
    older = builders.older(tmp_path / "older", revision)
    builders.carry(now, older)
    older.upgrade()
    assert create.complete(older, signer=builders.signer(), at=builders.NOON)
    assert builders.integrate(older, clock).size == 549
    target = PostgresPlace(settings=database, duty=Duty.OWNER, folder=older.folder, width=200)
    assert copied(older, target, clock).last.size == 549
    assert gap(target) == gap(older) == (0, 548)


def test_who_had_read_the_log_is_carried_over_and_reading_goes_on_in_the_copy(source, target, clock):
    before = [one.opened(builders.SEALER) for one in ReadingViews(source).newest()]
    kept = READINGS.anchored(source).read_bytes()
    copied(source, target, clock)
    overseer = ReadingViews(target.acting(Duty.OVERSEER))
    assert [one.opened(builders.SEALER) for one in overseer.newest()] == before
    assert (overseer.checkpoint(), READINGS.anchored(target).read_bytes()) == (kept, kept)
    report = overseer.verify(KEY, builders.SEALER)
    assert (report.size, report.pending, report.checkpoints) == (3, 1, 2)
    log = builders.readings(target.acting(Duty.AUDITOR))
    assert log.read(builders.reading("Q5")) == 4
    log.close()
    assert builders.integrate(target.acting(Duty.INTEGRATOR), clock, READINGS).size == 5
    guard.check_all(target, KEY)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM reading_leaves WHERE position >= 2",
        "DELETE FROM reading_records WHERE position = 1",
    ],
)
def test_a_source_whose_log_of_readings_does_not_agree_with_itself_is_not_copied(source, target, clock, statement):
    file = source.open()
    builders.forge(file, statement)
    file.close()
    with pytest.raises(IntegrityError, match=r"log of readings|reading 1"):
        copied(source, target, clock)


def test_what_was_sent_goes_on_in_the_copy(source, target, clock):
    copied(source, target, clock)
    dispatches = StoredDispatches(target.acting(Duty.DISPATCHER), clock=clock)
    assert dispatches.take(*steps.parts(steps.command("c0", "arbetsgivare", life=timedelta(days=9)))).repeated
    found = dispatches.due(clock.now(), limit=9, busy=[])
    assert [one.command for one in found] == ["c3", "c2", "c1"]
    queued, uncertain, _ = found
    assert dispatches.write(steps.step(queued, H.COMPOSE))
    assert dispatches.write(steps.step(uncertain, H.BEGIN))
    ((instruction, _),) = dispatches.instructed(limit=9, busy=[])
    assert instruction.by == "anna"
    dispatches.close()
    views = DispatchViews(target)
    assert views.verify_log(KEY).pending == 4
    assert [one.partner for one in views.paused()] == ["skatteverket"]
    views.close()


def test_a_connection_that_is_lost_between_two_transactions_is_made_again(source, target, clock, servers):
    lost = []

    def fault(point: str) -> None:
        if point == "records" and not lost:
            name = target.settings.dsn.rpartition("dbname=")[2]
            with servers.superuser() as connection:
                lost.extend(
                    connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
                    )
                )

    assert copied(source, target, clock, faults=fault).last.size == 546 + SENT
    assert lost
