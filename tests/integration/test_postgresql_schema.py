"""On PostgreSQL: the migrations make the schema, and what the log stands on is never changed, not even by its owner."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from gateway.audit import tree
from gateway.database import Turn, written
from gateway.errors import ConfigError, IntegrityError
from gateway.outbound.states import Happening
from gateway.store import create, guard, partitions, schema
from gateway.store.dispatch_views import DispatchViews
from gateway.store.dispatches import StoredDispatches
from gateway.store.instructions import StoredInstructions
from gateway.store.place import Duty, PostgresPlace
from gateway.store.steps import REVISION
from tests import builders, steps

pytestmark = pytest.mark.services
LATER = timedelta(minutes=10)


@pytest.fixture
def place(stored):
    return stored


@pytest.fixture
def owner(place):
    """The owner's own session, on a store with a message, a quarantined refusal and a checkpoint."""
    clock = builders.Clock()
    journal = builders.journal(place, clock)
    journal.accept(builders.ready()).result()
    journal.refuse(builders.refusal(quarantined=True)).result()
    journal.close()
    builders.integrate(place, clock)
    opened = place.open()
    yield opened
    opened.close()


def test_the_migrations_make_exactly_the_schema(place):
    with place.engine().connect() as connection:
        made = {one for (one,) in connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname='public'"))}
        parts = {one for one in made if one.rstrip("0123456789_") in partitions.PARENTS and one[-1].isdigit()}
        assert len(parts) == 3 * len(partitions.PARENTS)
        assert made - parts == {*schema.METADATA.tables, "alembic_version"}

        def ours(one, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:  # noqa: FBT001  # Alembic's
            if kind == "foreign_key_constraint":  # PostgreSQL says each again for every partition that is referred to
                return one.elements[0].target_fullname.split(".")[0] not in parts
            return not (kind == "table" and name in parts)

        context = MigrationContext.configure(
            connection, opts={"include_object": ours, "compare_type": True, "compare_server_default": True}
        )
        found = compare_metadata(context, schema.METADATA)
        assert not found, "\n".join(str(one)[:160] for one in found)


def test_the_large_tables_are_divided_by_their_number(place, owner):
    divided = owner.execute("SELECT relname FROM pg_class WHERE relkind = 'p' ORDER BY 1").fetchall()
    assert [name for (name,) in divided] == sorted(partitions.PARENTS)
    assert {
        name: table.dialect_options["postgresql"]["partition_by"]
        for name, table in schema.METADATA.tables.items()
        if table.dialect_options["postgresql"]["partition_by"]
    } == {
        "evidence": "RANGE (message)",
        **dict.fromkeys(("leaves", "records", "trail"), "RANGE (position)"),
    }
    assert place.revision(owner) == REVISION


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE leaves SET entry = '\\x00'::bytea",
        "UPDATE leaves SET message = 7",
        "UPDATE leaves_000000000000 SET message = 7",
        "DELETE FROM leaves",
        "DELETE FROM leaves_000000000000",
        "TRUNCATE leaves CASCADE",
        "TRUNCATE leaves_000000000000 CASCADE",
        "INSERT INTO leaves (position, hash, entry) VALUES (0, '', '') ON CONFLICT (position) DO UPDATE SET entry = ''",
        "UPDATE messages SET digest = 'x'",
        "DELETE FROM messages",
        "TRUNCATE messages CASCADE",
        "UPDATE checkpoints SET root = '\\x00'::bytea",
        "DELETE FROM checkpoints",
        "TRUNCATE checkpoints",
        "UPDATE refusals SET code = 'x'",
        "DELETE FROM refusals",
        "TRUNCATE refusals CASCADE",
        "UPDATE records SET sealed = '\\x00'::bytea",
        "TRUNCATE records",
        "UPDATE tiles SET hashes = '\\x00'::bytea",
        "UPDATE tiles SET hashes = substr(hashes, 1, 32)",
        "UPDATE tiles SET number = 7",
        "DELETE FROM tiles",
        "TRUNCATE tiles",
    ],
)
def test_what_the_log_stands_on_is_never_changed_or_deleted_even_by_its_owner(owner, statement):
    with pytest.raises(psycopg.errors.RestrictViolation, match=r"never|only grow"), owner.writing(Turn.JOURNAL):
        owner.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM evidence",
        "DELETE FROM records",
        "DELETE FROM quarantine",
        "UPDATE refusals SET wrapped_key = NULL",
        "UPDATE tiles SET hashes = hashes || '\\x00'::bytea",
    ],
)
def test_gallring_may_destroy_keys_and_sealed_rows_and_tiles_may_grow(owner, statement):
    with owner.writing(Turn.JOURNAL):
        assert owner.execute(statement).rowcount > 0


def test_what_does_not_get_smaller_is_not_compressed_in_any_partition(place, owner):
    partitions.keep(place, wanted=4)
    found = owner.execute(
        "SELECT DISTINCT regexp_replace(c.relname, '_[0-9]+$', ''), attstorage::text"
        " FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid WHERE c.relkind IN ('r', 'p')"
        " AND (c.relname ~ '^(evidence|records|quarantine|contents)' AND attname = 'sealed'"
        " OR c.relname = 'tiles' AND attname = 'hashes')"
    ).fetchall()
    assert sorted(found) == [
        ("contents", "e"),
        ("evidence", "e"),
        ("quarantine", "e"),
        ("records", "e"),
        ("tiles", "e"),
    ]


def test_triggers_guard_partitions_that_are_made_later_too(place, owner):
    partitions.keep(place, wanted=4)
    (name,) = owner.execute(
        "SELECT c.relname FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid"
        " WHERE i.inhparent = 'leaves'::regclass ORDER BY 1 DESC LIMIT 1"
    ).fetchone()
    assert name == "leaves_000000004000"
    with owner.writing(Turn.JOURNAL):
        owner.execute("INSERT INTO leaves (position, hash, entry) VALUES (4500, '', '')")
    for verb, rest in (("UPDATE", "SET message = 7"), ("DELETE FROM", ""), ("TRUNCATE", "CASCADE")):
        with pytest.raises(psycopg.errors.RestrictViolation), owner.writing(Turn.JOURNAL):
            owner.execute(f"{verb} {name} {rest}")


def test_a_store_is_made_whole_or_not_at_all_and_never_over_another(database, tmp_path):
    place = PostgresPlace(settings=database, duty=Duty.OWNER, folder=tmp_path / "one")
    assert not place.there()
    (tmp_path / "file").write_bytes(b"")
    unknown = database.model_copy(update={"roles": database.roles.model_copy(update={"relay": "nobody_knows"})})
    with pytest.raises(ConfigError, match="nobody_knows: not a role"):
        builders.database(unknown, tmp_path / "one")
    assert not place.there()
    builders.database(database, tmp_path / "one")
    assert place.there()
    for folder in ("one", "another"):
        with pytest.raises(IntegrityError, match="never overwritten"):
            builders.database(database, tmp_path / folder)
    place.anchor.unlink()
    with pytest.raises(IntegrityError, match="never overwritten"):
        create.create(place, signer=builders.signer(), at=builders.NOON)


def test_an_older_schema_is_brought_forward_with_what_it_holds(database, tmp_path):
    place = PostgresPlace(settings=database, duty=Duty.OWNER, folder=tmp_path)
    place.upgrade("0001")
    session = place.open()
    with session.writing(Turn.JOURNAL):
        session.execute(
            "INSERT INTO outbox (id, message, event, type, partition, queues, body)"
            " VALUES (1, 1, 'e', 't', 'p', 'q', '')"
        )
    place.upgrade()
    place.upgrade()
    assert place.revision(session) == REVISION
    assert session.execute("SELECT event, replay_of FROM outbox").fetchall() == [("e", None)]
    session.close()


def test_a_store_from_before_the_way_out_is_brought_forward_with_its_log_and_sends(database, tmp_path):
    place, clock = PostgresPlace(settings=database, duty=Duty.OWNER, folder=tmp_path, width=100), builders.Clock()
    place.upgrade("0003")
    signed = builders.store(tmp_path / "embedded").anchor.read_bytes()
    session = place.open()
    with session.writing(Turn.LOG):
        session.insert("checkpoints", "size, root, note, at", [(0, tree.EMPTY, signed, written(builders.NOON))])
    place.anchor.write_bytes(signed)
    now = builders.store(tmp_path / "now")
    journal = builders.journal(now, clock)
    journal.accept(builders.ready(records=30)).result()
    journal.close()
    builders.carry(now, place)
    assert builders.integrate(place, clock).size == 30
    place.upgrade()
    partitions.keep(place, wanted=4)
    dispatches = StoredDispatches(place.acting(Duty.DISPATCHER), clock=clock)
    for name in (f"c{n}" for n in range(25)):
        dispatches.take(*steps.parts(steps.command(name)))
        (held,) = dispatches.due(builders.NOON, limit=9, busy=[])
        for happening in (Happening.COMPOSE, Happening.BEGIN, Happening.ANSWER):
            assert dispatches.write(steps.step(held, happening))
            held = dispatches.get(held.id)
    dispatches.close()
    assert builders.integrate(place, clock).size == 130
    assert guard.check(place, builders.signer().key).size == 130
    views = DispatchViews(place.acting(Duty.AUDITOR))
    assert views.verify_log(builders.signer().key).pending == 0
    leaves = views.dispatch_leaves(held.id)
    assert [one.position for one in leaves] == [126, 127, 128, 129]
    assert views.leaves(1)[0].dispatch is None
    views.close()
    counted = session.execute("SELECT count(*) FROM leaves_000000000100 WHERE dispatch IS NOT NULL").fetchone()
    assert counted == (30,)
    session.close()


@pytest.fixture
def sent(place, owner):
    """As `owner`, with one dispatch delivered, one in a mailbox, an instruction that is settled, and a pause."""
    clock = builders.Clock()
    dispatches, asked = StoredDispatches(place, clock=clock), StoredInstructions(place, clock=clock)
    ways = ((Happening.COMPOSE, Happening.BEGIN, Happening.LOSE), (Happening.COMPOSE, Happening.DEPOSIT))
    for number, way in enumerate(ways):
        made = steps.parts(steps.command(f"c{number}"))
        dispatches.take(*made)
        for happening in way:
            assert dispatches.write(steps.step(dispatches.get(made[1][0].dispatch), happening))
    (held,) = (one for one in dispatches.due(builders.NOON + LATER, limit=9, busy=[]) if one.attempts)
    assert not asked.ask(held.id, Happening.CONFIRM, by="anna", reason="de har den").refused
    assert dispatches.write(steps.step(held, Happening.CONFIRM, by="anna", reason="de har den"))
    assert asked.pause("skatteverket", by="anna", reason="fel") == ""
    dispatches.close()
    asked.close()
    return owner


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE commands SET digest = 'x'",
        "DELETE FROM commands",
        "TRUNCATE commands CASCADE",
        "UPDATE timeline SET code = 'x'",
        "DELETE FROM timeline",
        "TRUNCATE timeline",
        "UPDATE contents SET sealed = ''",
        "TRUNCATE contents",
        "UPDATE dispatches SET expires = 'x'",
        "UPDATE dispatches SET lane = 'x'",
        "UPDATE dispatches SET state = 'queued' WHERE id = 2",
        "UPDATE dispatches SET step = step + 2 WHERE id = 2",
        "UPDATE dispatches SET attempts = 0 WHERE id = 1",
        "UPDATE dispatches SET state = 'queued', step = step + 1 WHERE id = 1",
        "UPDATE dispatches SET first_failure = NULL WHERE id = 1",
        "UPDATE dispatches SET intent = 77 WHERE id = 1",
        "UPDATE dispatches SET pseudonym = 'x' WHERE id = 1",
        "DELETE FROM dispatches",
        "TRUNCATE dispatches CASCADE",
        "UPDATE deposits SET deposited_at = 'x'",
        "DELETE FROM deposits",
        "UPDATE instructions SET reason = 'x'",
        "UPDATE instructions SET refused = 'x'",
        "DELETE FROM instructions",
        "UPDATE pauses SET paused = false",
        "DELETE FROM pauses",
    ],
)
def test_what_happened_to_a_dispatch_is_never_changed_or_deleted_even_by_its_owner(sent, statement):
    with pytest.raises(psycopg.errors.RestrictViolation, match="never"), sent.writing(Turn.JOURNAL):
        sent.execute(statement)


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM contents", "UPDATE dispatches SET pseudonym = NULL", "UPDATE deposits SET fetched_at = 'x'"],
)
def test_gallring_and_the_next_step_of_a_dispatch_may_be(sent, statement):
    with sent.writing(Turn.JOURNAL):
        assert sent.execute(statement).rowcount > 0


@pytest.mark.parametrize(
    ("table", "statement", "told"),
    [
        ("leaves", "DELETE FROM leaves WHERE position = 1", "has 1 leaves, but 2 were signed"),
        ("checkpoints", "DELETE FROM checkpoints WHERE size > 0", "was signed at 2 leaves and has 0"),
        ("tiles", "UPDATE tiles SET hashes = decode(repeat('00', 96), 'hex')", "does not have the root"),
    ],
)
def test_what_an_owner_changes_all_the_same_is_noticed(place, owner, table, statement, told):
    with owner.writing(Turn.JOURNAL):
        for foreign in ("records", "refusals", "trail"):
            owner.execute(f"ALTER TABLE {foreign} DROP CONSTRAINT fk_{foreign}_position")
        for word in (
            f"ALTER TABLE {table} DISABLE TRIGGER USER",
            statement,
            f"ALTER TABLE {table} ENABLE TRIGGER USER",
        ):
            owner.execute(word)
    with pytest.raises(IntegrityError, match=told):
        guard.check(place, builders.signer().key)
