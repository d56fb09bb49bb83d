"""The archivist opens what is sealed and changes nothing: tried as that role, on the real server, both ways."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest

from gateway.audit import checkpoint, tree
from gateway.errors import IntegrityError, UnavailableError
from gateway.store import judged, vouching
from gateway.store.dispatch_views import DispatchViews
from gateway.store.place import Duty
from gateway.wiring.unsealing import Unsealing
from tests import builders
from tests.integration.test_postgresql_roles import LOG, SENT, made, may

pytestmark = pytest.mark.services
PROVING = ("trust_files", "trust_reads", "receipts")
READ = (
    *(*LOG, *SENT, *PROVING),
    *("dispatch_records", "reviews", "review_steps", "registers", "declarations", "alembic_version"),
)
OTHERS = ("outbox", "dead_letters", "leases", "triage", "protections")
WRITES = (
    "DELETE FROM {}",
    "TRUNCATE {}",
    "UPDATE {} SET {} = {}",
    "INSERT INTO {} DEFAULT VALUES",
)
COLUMN = {
    "leaves": "entry", "checkpoints": "note", "messages": "partner", "refusals": "partner", "tiles": "hashes",
    "records": "sealed", "evidence": "sealed", "quarantine": "sealed", "commands": "asker", "dispatches": "state",
    "timeline": "step", "contents": "sealed", "deposits": "partner", "instructions": "reason", "pauses": "reason",
    "reviews": "state", "review_steps": "step", "registers": "policy", "declarations": "queues",
    "trust_files": "kind", "trust_reads": "lists", "receipts": "at",
}  # fmt: skip


@pytest.fixture(scope="module")
def kept(servers, tmp_path_factory):
    """A store for tests that undo what they try."""
    with servers.database() as settings:
        yield made(settings, tmp_path_factory.mktemp("kept"))


@pytest.fixture
def session(kept):
    opened = kept.acting(Duty.ARCHIVIST).open()
    yield opened
    opened.close()


@pytest.mark.parametrize("table", READ)
def test_the_archivist_reads_all_that_the_log_is_about(session, table):
    assert may(session, f"TABLE {table} LIMIT 1")


@pytest.mark.parametrize("table", OTHERS)
def test_the_archivist_reads_nothing_that_the_log_is_not_about(session, table):
    assert not may(session, f"TABLE {table} LIMIT 1")


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("table", COLUMN)
def test_the_archivist_writes_nothing_that_it_reads(session, table, write):
    column = COLUMN[table]
    assert not may(session, write.format(table, column, column))


ADDED = {
    "trust_files": ("fingerprint, kind, at, content", "'a', 'crl', '', ''"),
    "trust_reads": ("partner, at, lists", "'a', '', ''"),
    "receipts": ("message, at, certificate, signature", "1, '', '', ''"),
}
ADDING = {Duty.FRONT: PROVING, Duty.DISPATCHER: ("trust_files", "trust_reads")}


@pytest.mark.parametrize("duty", [Duty.FRONT, Duty.DISPATCHER, Duty.RELAY, Duty.RELEASER, Duty.OPERATOR, Duty.GALLRING])
def test_what_signatures_are_judged_by_is_added_by_whoever_judges_and_read_back_by_nobody_who_serves(kept, duty):
    serving = kept.acting(duty).open()
    try:
        for table, (columns, values) in ADDED.items():
            adding = f"INSERT INTO {table} ({columns}) VALUES ({values}) ON CONFLICT DO NOTHING"  # noqa: S608  # our own words
            assert may(serving, adding) == (table in ADDING.get(duty, ())), table
            assert not may(serving, f"DELETE FROM {table}")  # noqa: S608  # as above
            assert not may(serving, f"UPDATE {table} SET at = ''")  # noqa: S608  # as above
        assert not may(serving, "SELECT content FROM trust_files")
        assert not may(serving, "SELECT signature FROM receipts")
    finally:
        serving.close()


def test_the_archivist_changes_no_schema_and_runs_nothing_that_destroys(session):
    for statement in (
        "CREATE TABLE mine (n int)",
        "ALTER TABLE leaves DISABLE TRIGGER ALL",
        "SELECT gateway_empty_deposit(1, '', '', NULL, NULL)",
        "SELECT gateway_empty_quarantine(1, '', NULL, NULL)",
        "SELECT gateway_add_partition('x')",
    ):
        assert not may(session, statement), statement


def test_as_the_archivist_everything_that_is_sealed_is_found_as_the_owner_finds_it(kept):
    owner, archivist = (DispatchViews(kept.acting(duty)) for duty in (Duty.OWNER, Duty.ARCHIVIST))
    for message in (1, 2):
        assert archivist.sealed_message(message) == owner.sealed_message(message)
    assert archivist.sealed_refusal(1) == owner.sealed_refusal(1)
    for dispatch in owner.dispatches():
        assert archivist.sealed(dispatch.id) == owner.sealed(dispatch.id)
    owner.close()
    archivist.close()


def test_decisions_are_read_as_the_archivist_and_as_nobody_who_serves(kept):
    def opener(sealed, hashes):
        assert len(sealed.records) == len(hashes)
        return SimpleNamespace(records=[(b"", b"{}")] * len(hashes))

    since = builders.NOON - timedelta(days=1)
    with pytest.raises(IntegrityError, match="entry commits to"):  # found and opened; it is no real record
        list(judged.since(kept.acting(Duty.ARCHIVIST), since, opener))
    for duty in (Duty.FRONT, Duty.RELAY, Duty.INTEGRATOR, Duty.DISPATCHER, Duty.OPERATOR, Duty.AUDITOR):
        with pytest.raises(UnavailableError, match=r"InsufficientPrivilege|UndefinedTable|UndefinedColumn"):
            list(judged.since(kept.acting(duty), since, opener))


def test_evidence_is_found_and_proven_as_the_archivist(kept):
    def opener(sealed, hashes):
        assert len(sealed.records) == len(hashes)
        return SimpleNamespace(evidence=b"", records=[(b"", b"{}")] * len(hashes))

    archivist, key = kept.acting(Duty.ARCHIVIST), builders.signer().key
    proven = vouching.vouched(archivist, key, None, [0, 4, 8])
    signed = checkpoint.verify(proven.checkpoint, key)
    views = DispatchViews(archivist)
    try:
        assert views.numbers("urn:uuid:1") == [2]
        assert views.of_case("0" * 32) == []
        for index, path in proven.paths.items():
            tree.verify_inclusion(views.at(index).hash, index, signed.size, path, signed.root)
            with pytest.raises(IntegrityError, match="entry commits to"):  # found and opened; it is no real record
                Unsealing(views, SimpleNamespace(open=opener)).leaf(index)
        assert Unsealing(views, SimpleNamespace(open=opener)).leaf(9) is None
    finally:
        views.close()
    for duty in (Duty.OPERATOR, Duty.AUDITOR, Duty.FRONT):
        views = DispatchViews(kept.acting(duty))
        with pytest.raises(UnavailableError, match=r"InsufficientPrivilege|UndefinedTable|UndefinedColumn"):
            Unsealing(views, SimpleNamespace(open=opener)).leaf(0)
        views.close()
