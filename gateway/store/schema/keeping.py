"""What was destroyed by which rule, and what may not be."""

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
)

from gateway.store.schema.metadata import ID, INSTANT, METADATA, number

gallringar = Table(
    "gallringar",
    METADATA,
    number("id"),
    Column("rule", String, nullable=False, comment="id and first day of the rule"),
    Column("data", String, nullable=False, comment="the class of data"),
    Column("count", Integer, nullable=False, comment="how many were destroyed"),
    Column("by", String, nullable=False, comment="user, machine and process"),
    Column("at", INSTANT, nullable=False),
    Column("position", ID, ForeignKey("leaves.position"), nullable=False),
    Column("key_id", String, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    Index("ix_gallringar_at", "at"),
)
"""Destructions, each of one transaction and by one rule, with the leaf that tells of it."""

gallrade = Table(
    "gallrade",
    METADATA,
    Column("data", String, nullable=False),
    Column("first", ID, nullable=False, comment="of the numbers that were destroyed, and"),
    Column("last", ID, nullable=False, comment="the last: all between are gone too"),
    Column("gallring", ID, ForeignKey("gallringar.id"), nullable=False),
    PrimaryKeyConstraint("data", "first"),
)
"""What was destroyed: messages, leaves (`record`), dispatches, reviews or refusals, as the class of data says."""

gallring_due = Table(
    "gallring_due",
    METADATA,
    Column("rule", String, primary_key=True, comment="id and first day"),
    Column("data", String, nullable=False),
    Column("destroys", Boolean(create_constraint=False), nullable=False, comment="false: not verified, and refused"),
    Column("ripe", BigInteger, nullable=False, comment="due, and held by nothing"),
    Column("held", BigInteger, nullable=False, comment="due, and held"),
    Column("oldest", INSTANT, comment="when the first that is ripe was due"),
    Column("at", INSTANT, nullable=False, comment="when it was looked at"),
)
"""What each rule had come to when somebody last looked: a watcher's figures, no record."""

holds = Table(
    "holds",
    METADATA,
    number("id"),
    Column("kind", String, nullable=False, comment="message, dispatch, refusal, person, partner or period"),
    Column("number", ID, comment="of the message, dispatch or refusal"),
    Column("pseudonym", String, comment="whose; NULL again when it is released"),
    Column("partner", String),
    Column("first", INSTANT, comment="only what came or ended then or later, and"),
    Column("beyond", INSTANT, comment="before this"),
)
"""What may not be destroyed, whatever its rule: it stands until somebody has asked for its release and another agreed.
What was done to it, by whom and why, are its steps."""

hold_steps = Table(
    "hold_steps",
    METADATA,
    Column("hold", ID, ForeignKey("holds.id"), nullable=False),
    Column("step", Integer, nullable=False, comment="from 1, for each hold"),
    Column("action", String, nullable=False, comment="hold, ask, withdraw or release"),
    Column("by", String, nullable=False),
    Column("role", String, nullable=False, comment="the database's, where it has roles"),
    Column("reason", String, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("position", ID, ForeignKey("leaves.position"), comment="of the leaf that tells of it, where one does"),
    Column("key_id", String),
    Column("wrapped_key", LargeBinary),
    PrimaryKeyConstraint("hold", "step"),
)
"""Who holds what, why, and who let it go."""
