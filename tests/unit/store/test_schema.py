from __future__ import annotations

import pytest
from sqlalchemy import create_engine

from gateway.database import Turn
from gateway.sqlite import DRIVER, Error, File
from gateway.store import schema, steps
from gateway.store.place import DATABASE, SqlitePlace, upgrade_file
from gateway.store.reviews import StoredReviews
from tests import builders

_EVERYTHING = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND name <> 'alembic_version'"


def shape(rows) -> dict[tuple[str, str], str]:
    return {(kind, name): " ".join(sql.replace("\n", " ").split()) for kind, name, sql in rows}


def test_the_migrations_make_exactly_the_schema(file):
    engine = create_engine("sqlite://", module=DRIVER)
    with engine.begin() as connection:
        schema.METADATA.create_all(connection)
        declared = shape(connection.exec_driver_sql(_EVERYTHING))
    engine.dispose()
    assert shape(file.execute(_EVERYTHING)) == declared
    assert len([1 for kind, _ in declared if kind == "trigger"]) == len(schema.TRIGGERS)


def test_the_program_knows_the_last_migration(file):
    assert file.execute("SELECT version_num FROM alembic_version").fetchall() == [(steps.REVISION,)]


@pytest.fixture
def kept(store, clock, file):
    """A store with a message, a quarantined refusal and a checkpoint."""
    journal = builders.journal(store, clock)
    journal.accept(builders.ready()).result()
    journal.refuse(builders.refusal(quarantined=True)).result()
    journal.close()
    builders.integrate(store, clock)
    return file


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE leaves SET entry = x'00'",
        "UPDATE leaves SET message = 7",
        "DELETE FROM leaves",
        "REPLACE INTO leaves (position, hash, entry) VALUES (0, x'00', x'00')",
        "UPDATE messages SET digest = 'x'",
        "DELETE FROM messages",
        "UPDATE checkpoints SET root = x'00'",
        "DELETE FROM checkpoints",
        "UPDATE refusals SET code = 'x'",
        "DELETE FROM refusals",
        "UPDATE records SET sealed = x'00'",
        "UPDATE tiles SET hashes = x'00'",
        "UPDATE tiles SET hashes = substr(hashes, 1, 32)",
        "UPDATE tiles SET number = 7",
        "DELETE FROM tiles",
    ],
)
def test_what_the_log_stands_on_is_never_changed_or_deleted(kept, statement):
    with pytest.raises(Error, match=r"never|only grow"), kept.writing() as connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM evidence",
        "DELETE FROM records",
        "DELETE FROM quarantine",
        "UPDATE refusals SET wrapped_key = NULL",
    ],
)
def test_gallring_may_destroy_keys_and_sealed_rows(kept, statement):
    with kept.writing() as connection:
        assert connection.execute(statement).rowcount > 0


def test_reviews_from_before_know_whose_they_are_and_of_a_whole_message_nobody(tmp_path):
    database = tmp_path / DATABASE
    database.touch()
    upgrade_file(database, "0013")
    file, at = File(database), "2026-11-20T12:00:00.000000Z"
    with file.writing(Turn.JOURNAL):
        file.execute("PRAGMA defer_foreign_keys=ON")
        for position, pseudonym in ((0, "p0"), (1, "p1"), (2, None)):
            file.execute("INSERT INTO leaves (position, hash, entry) VALUES (?, ?, ?)", (position, b"h", b"e"))
            file.execute(
                "INSERT INTO records (position, pseudonym, sealed) VALUES (?, ?, ?)", (position, pseudonym, b"")
            )
        for number, kind, record, leaf, state in (
            (1, "record", 3, 0, "open"),
            (2, "record", 4, 1, "denied"),
            (3, "quarantine", None, 2, "open"),
        ):
            file.execute(
                "INSERT INTO reviews (id, kind, record, partner, organisation, contract, information, lagrum, policy, "
                "reasons, role, four_eyes, balancing, laws, opened_at, expires_at, leaf, state, changed_at) VALUES "
                "(?, ?, ?, 'p', '', 'c', '', '', '', 'FREE_TEXT', 'jurist', 0, 0, '', ?, ?, ?, ?, ?)",
                (number, kind, record, at, at, leaf, state, at),
            )
        file.execute(
            "INSERT INTO outbox (id, message, event, type, partition, queues, body) "
            "VALUES (1, 1, 'e', 't', 'p', 'q', 'b')"
        )
    file.close()
    upgrade_file(database)
    file = File(database)
    assert file.execute("SELECT review, record, person, own FROM review_persons").fetchall() == [(1, 3, "p0", 1)]
    assert file.execute("SELECT related, held FROM outbox").fetchall() == [(None, 0)], "nobody knows whom it names"
    file.close()
    reviews = StoredReviews(SqlitePlace(tmp_path), clock=builders.Clock(), protecting="skydd")
    assert [(one.id, one.role) for one in reviews.reviews()] == [(1, "jurist"), (3, "skydd")]
    reviews.close()
