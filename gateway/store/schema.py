"""What is kept. `migrations/` brings a database to this; tests hold the two together, on SQLite and on PostgreSQL.

Types are those that both have: whole numbers, text, bytes. A time is text, UTC, 27 characters
(`2026-11-20T18:52:00.123456Z`), so that it sorts, and reads the same for an auditor with nothing but `sqlite3`.

Two halves, kept apart for the sake of gallring:

* facts that stay and name no person: `messages`, `refusals`, `leaves`, `tiles`, `checkpoints`. Triggers forbid changing
  or deleting them.
* what gallring destroys: `evidence`, `records`, `quarantine`, the wrapped keys. Sealed; without them the facts remain
  true and provable.

A leaf's `position` is given in the accepting transaction, while its turn is held: 0, 1, 2 … without gaps. So the order
of the log is decided at the commit, and the integrator only follows it. PostgreSQL divides the largest tables by it
(`partitions.py`).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
)

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

ID = BigInteger().with_variant(Integer, "sqlite")
"""SQLite's rowid must be called INTEGER."""
INSTANT = String(27)


def _id(name: str, *constraints: Any) -> Column[int]:  # noqa: ANN401  # SQLAlchemy's own schema items
    return Column(name, ID, *constraints, primary_key=True, autoincrement=False)


messages = Table(
    "messages",
    METADATA,
    _id("id"),
    Column("partner", String, nullable=False),
    Column("organisation", String(10), nullable=False),
    Column("message_id", String, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("contract", String, nullable=False),
    Column("soap", String, nullable=False),
    Column("action", String),
    Column("signer", String(64), nullable=False),
    Column("created", INSTANT, nullable=False),
    Column("received_at", INSTANT, nullable=False),
    Column("accepted_at", INSTANT, nullable=False),
    Column("policy", String(64), nullable=False),
    Column("outcomes", Text, nullable=False, comment="JSON: [[position, outcome, code], …]"),
    Column("first_leaf", ID, nullable=False, comment="its leaves stand together in the log"),
    Column("leaf_count", Integer, nullable=False),
    UniqueConstraint("partner", "organisation", "message_id", name="uq_messages_identity"),
)
"""Accepted messages: the memory that makes a repeated one the same."""

evidence = Table(
    "evidence",
    METADATA,
    _id("message", ForeignKey("messages.id")),
    Column("key_id", String, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False, comment="destroying it is gallring"),
    Column("sealed", LargeBinary, nullable=False),
    postgresql_partition_by="RANGE (message)",
)
"""The exact bytes received, sealed."""

leaves = Table(
    "leaves",
    METADATA,
    _id("position"),
    Column("hash", LargeBinary(32), nullable=False),
    Column("entry", LargeBinary, nullable=False),
    Column("message", ID, comment="the accepted message it tells of, or"),
    Column("refusal", ID, comment="the refusal"),
    postgresql_partition_by="RANGE (position)",
)
"""The log. No index on the hash: it would touch a random page a leaf, and the tiles are searched fast enough."""

records = Table(
    "records",
    METADATA,
    _id("position", ForeignKey("leaves.position")),
    Column("pseudonym", String, comment="whose; a refusal is nobody's"),
    Column("sealed", LargeBinary, nullable=False, comment="salt and hidden record"),
    Index("ix_records_pseudonym", "pseudonym"),
    postgresql_partition_by="RANGE (position)",
)
"""What each leaf commits to, sealed under its message's data key."""

refusals = Table(
    "refusals",
    METADATA,
    _id("id"),
    Column("partner", String, nullable=False),
    Column("contract", String, nullable=False, comment="what the address named"),
    Column("code", String, nullable=False),
    Column("step", String, nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("quarantined", Boolean(create_constraint=False), nullable=False),
    Column("position", ID, ForeignKey("leaves.position"), nullable=False),
    Column("key_id", String, nullable=False),
    Column("wrapped_key", LargeBinary, comment="NULL after gallring"),
)
"""Messages refused after their peer was known."""

quarantine = Table(
    "quarantine",
    METADATA,
    _id("refusal", ForeignKey("refusals.id")),
    Column("sealed", LargeBinary, nullable=False),
)
"""The exact bytes of messages with data that may not come this way, sealed apart, for whoever must look."""

outbox = Table(
    "outbox",
    METADATA,
    _id("id"),
    Column("message", ID, nullable=False),
    Column("event", String, nullable=False),
    Column("type", String, nullable=False),
    Column("partition", String, nullable=False),
    Column("queues", Text, nullable=False, comment="names, separated by spaces"),
    Column("body", LargeBinary, nullable=False),
    Column("replay_of", ID, comment="the dead letter it was, and"),
    Column("replay_reason", Text, comment="why it goes out again"),
)
"""Events that no broker has confirmed yet, in commit order."""

protections = Table(
    "protections",
    METADATA,
    Column("person", String, primary_key=True),
    Column("protection", String, nullable=False),
    Column("rank", Integer, nullable=False, comment="how much it hides: 0 nothing"),
    Column("stated_at", BigInteger, nullable=False, comment="YYYYMMDDhhmmss"),
    Column("revision", BigInteger, nullable=False, comment="grows with every change: what to read again"),
    Index("ix_protections_revision", "revision"),
)
"""What the folkbokföring last said of persons' protected identity."""

tiles = Table(
    "tiles",
    METADATA,
    Column("level", Integer, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("hashes", LargeBinary, nullable=False),
    PrimaryKeyConstraint("level", "number"),
)
"""The tree (C2SP tlog-tiles)."""

checkpoints = Table(
    "checkpoints",
    METADATA,
    _id("size"),
    Column("root", LargeBinary(32), nullable=False),
    Column("note", LargeBinary, nullable=False),
    Column("at", INSTANT, nullable=False),
)
"""Every size the log was signed at."""

dead_letters = Table(
    "dead_letters",
    METADATA,
    _id("id"),
    Column("queue", String, nullable=False, comment="where it died"),
    Column("event", String, nullable=False),
    Column("type", String, nullable=False),
    Column("partition", String, nullable=False, comment="whose; empty once it is judged"),
    Column("attempts", Integer, nullable=False),
    Column("reason", String, nullable=False),
    Column("fingerprint", String(16), nullable=False, comment="what failed alike"),
    Column("since", INSTANT, nullable=False),
    Column("at", INSTANT, nullable=False, comment="when it died"),
    Column("recorded_at", INSTANT, nullable=False),
    Column("replay_of", ID, nullable=False, comment="the letter before; 0 where there is none"),
    Column("body", LargeBinary, nullable=False, comment="empty once it is judged"),
    Column("state", String, nullable=False),
    UniqueConstraint("queue", "event", "replay_of", name="uq_dead_letters_event"),
    Index("ix_dead_letters_state", "state"),
)
"""Events that their consumers could not take, until somebody judges them; the facts stay."""

triage = Table(
    "triage",
    METADATA,
    Column("letter", ID, ForeignKey("dead_letters.id"), nullable=False),
    Column("step", Integer, nullable=False, comment="from 1, for each letter"),
    Column("action", String, nullable=False),
    Column("by", String, nullable=False),
    Column("role", String, nullable=False, comment="the database's, where it has roles"),
    Column("reason", String, nullable=False),
    Column("at", INSTANT, nullable=False),
    PrimaryKeyConstraint("letter", "step"),
)
"""What was done to dead letters, and who answers for it."""

leases = Table(
    "leases",
    METADATA,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("until", INSTANT, nullable=False),
)
"""Who does what only one may do."""

INSERT_ONLY = ("messages", "leaves", "checkpoints", "triage")
TRIGGERS = (
    *(
        f"CREATE TRIGGER {table}_{word}_never BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} are never {word}'); END"
        for table in INSERT_ONLY
        for verb, word in (("UPDATE", "changed"), ("DELETE", "deleted"))
    ),
    """CREATE TRIGGER refusals_changed_never BEFORE UPDATE OF id, partner, contract, code, step, detail, at,
    quarantined, position ON refusals BEGIN SELECT RAISE(ABORT, 'refusals are never changed'); END""",
    """CREATE TRIGGER refusals_deleted_never BEFORE DELETE ON refusals
    BEGIN SELECT RAISE(ABORT, 'refusals are never deleted'); END""",
    """CREATE TRIGGER records_changed_never BEFORE UPDATE ON records
    BEGIN SELECT RAISE(ABORT, 'records are deleted, never changed'); END""",
    """CREATE TRIGGER tiles_only_grow BEFORE UPDATE ON tiles WHEN NEW.level <> OLD.level OR NEW.number <> OLD.number
    OR substr(NEW.hashes, 1, length(OLD.hashes)) <> OLD.hashes BEGIN SELECT RAISE(ABORT, 'tiles only grow'); END""",
    """CREATE TRIGGER tiles_deleted_never BEFORE DELETE ON tiles
    BEGIN SELECT RAISE(ABORT, 'tiles are never deleted'); END""",
    """CREATE TRIGGER dead_letters_changed_never BEFORE UPDATE OF id, queue, event, type, attempts, reason,
    fingerprint, since, at, recorded_at, replay_of ON dead_letters
    BEGIN SELECT RAISE(ABORT, 'dead letters are judged, never changed'); END""",
    """CREATE TRIGGER dead_letters_emptied_only BEFORE UPDATE OF body, partition ON dead_letters
    WHEN length(NEW.body) > 0 OR length(NEW.partition) > 0
    BEGIN SELECT RAISE(ABORT, 'whose a dead letter is and its body are destroyed, never changed'); END""",
    """CREATE TRIGGER dead_letters_judged_once BEFORE UPDATE OF state ON dead_letters
    WHEN OLD.state IN ('replayed', 'discarded') AND NEW.state <> OLD.state
    BEGIN SELECT RAISE(ABORT, 'a dead letter is never judged twice'); END""",
    """CREATE TRIGGER dead_letters_deleted_never BEFORE DELETE ON dead_letters
    BEGIN SELECT RAISE(ABORT, 'dead letters are never deleted'); END""",
)
"""For SQLite; the steps have PostgreSQL's. They stop mistakes and ordinary access, not whoever can write the file, or
owns the database: the signed tree shows those."""

for _sql in TRIGGERS:
    event.listen(METADATA, "after_create", DDL(_sql).execute_if(dialect="sqlite"))  # type: ignore[no-untyped-call]
