"""What came in: messages, refusals, the events they became, and what was held back of those."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from gateway.store.schema.metadata import ID, INSTANT, METADATA, number

messages = Table(
    "messages",
    METADATA,
    number("id"),
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
    number("message", ForeignKey("messages.id")),
    Column("key_id", String, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False, comment="destroying it is gallring"),
    Column("sealed", LargeBinary, nullable=False),
    postgresql_partition_by="RANGE (message)",
)
"""The exact bytes received, sealed."""

refusals = Table(
    "refusals",
    METADATA,
    number("id"),
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
    number("refusal", ForeignKey("refusals.id")),
    Column("sealed", LargeBinary, nullable=False),
)
"""The exact bytes of messages with data that may not come this way, sealed apart, for whoever must look."""

outbox = Table(
    "outbox",
    METADATA,
    number("id"),
    Column("message", ID, nullable=False),
    Column("event", String, nullable=False),
    Column("type", String, nullable=False),
    Column("partition", String, nullable=False),
    Column("queues", Text, nullable=False, comment="names, separated by spaces"),
    Column("body", LargeBinary, nullable=False),
    Column("replay_of", ID, comment="the dead letter it was, and"),
    Column("replay_reason", Text, comment="why it goes out again"),
    Column("dispatch", ID, comment="what it tells the end or the answer of; no message then"),
    Column("related", Text, comment="pseudonyms of whom else it names, separated by spaces; NULL: nobody knows"),
    Column(
        "held", Boolean(create_constraint=False), nullable=False, server_default=false(),
        comment="whether it may not go as it is",
    ),
    Index("ix_outbox_partition", "partition", "id"),
    Index("ix_outbox_held", "id", sqlite_where=text("held"), postgresql_where=text("held")),
)  # fmt: skip
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

dead_letters = Table(
    "dead_letters",
    METADATA,
    number("id"),
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
    Column("related", Text, comment="pseudonyms of whom else it names; NULL: nobody knows, or it is judged"),
    UniqueConstraint("queue", "event", "replay_of", name="uq_dead_letters_event"),
    Index("ix_dead_letters_state", "state"),
    Index("ix_dead_letters_partition", "partition"),
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

shieldings = Table(
    "shieldings",
    METADATA,
    number("position", ForeignKey("leaves.position")),
    Column("event", String, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("key_id", String, nullable=False),
    Column("wrapped_key", LargeBinary, comment="NULL after gallring"),
)
"""What was held back of an event after it was decided: the leaf that says so, and its record's key."""
