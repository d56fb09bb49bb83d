"""What waits for a person, and what was decided."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    text,
)

from gateway.store.schema.metadata import ID, INSTANT, METADATA, number

reviews = Table(
    "reviews",
    METADATA,
    number("id"),
    Column("kind", String, nullable=False, comment="record, answer, quarantine or dispatch"),
    Column("message", ID, ForeignKey("messages.id"), comment="what waits: a record of this message, or"),
    Column("refusal", ID, ForeignKey("refusals.id"), comment="this refusal's sealed bytes, or"),
    Column("dispatch", ID, ForeignKey("dispatches.id"), comment="this dispatch, or a record of its answer"),
    Column("record", Integer, comment="its position"),
    Column("partner", String, nullable=False),
    Column("organisation", String(10), nullable=False),
    Column("contract", String, nullable=False),
    Column("information", String, nullable=False),
    Column("basis", String),
    Column("lagrum", String, nullable=False, comment="what it was judged by: id@version, separated by spaces"),
    Column("policy", String(64), nullable=False),
    Column("reasons", String, nullable=False, comment="the question: codes, separated by spaces"),
    Column("role", String, nullable=False, comment="who answers"),
    Column("four_eyes", Boolean(create_constraint=False), nullable=False, comment="a yes takes two people"),
    Column(
        "balancing", Boolean(create_constraint=False), nullable=False,
        comment="a yes names a written balancing of interests",
    ),
    Column("laws", String, nullable=False, comment="why that role: ids, separated by spaces"),
    Column("opened_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("leaf", ID, ForeignKey("leaves.position"), nullable=False, comment="the one that says that it waits"),
    Column("state", String, nullable=False, server_default=text("'open'")),
    Column("step", Integer, nullable=False, server_default=text("0"), comment="the last of its steps"),
    Column("answer", String, comment="what was asked for or answered"),
    Column("fields", String, comment="those that may pass, separated by spaces; NULL: all that may by law"),
    Column("changed_at", INSTANT, nullable=False),
    Column("outcome", ID, comment="the leaf that says what came of it"),
    Column("key_id", String),
    Column("wrapped_key", LargeBinary, comment="of that leaf's record, where nothing else has it"),
    Index("ix_reviews_state", "state", "expires_at"),
    *(
        Index(
            f"ix_reviews_{_one}", _one,
            sqlite_where=text(f"{_one} IS NOT NULL"), postgresql_where=text(f"{_one} IS NOT NULL"),
        )
        for _one in ("message", "refusal", "dispatch", "outcome")
    ),
)  # fmt: skip
"""What waits for a person, and where it stands."""

review_steps = Table(
    "review_steps",
    METADATA,
    Column("review", ID, ForeignKey("reviews.id"), nullable=False),
    Column("step", Integer, nullable=False, comment="from 1, for each review"),
    Column("action", String, nullable=False),
    Column("after", String, nullable=False),
    Column("by", String, nullable=False, comment="empty where it was the gateway"),
    Column("role", String, nullable=False, comment="as whom: the one that answers; empty where it was the gateway"),
    Column("account", String, nullable=False, comment="the database's, where it has roles"),
    Column("answer", String),
    Column("fields", String),
    Column("reason", String, nullable=False),
    Column("note", String, comment="the reference of a written balancing"),
    Column("at", INSTANT, nullable=False),
    PrimaryKeyConstraint("review", "step"),
)
"""What was done to reviews, and who answers for it."""

review_persons = Table(
    "review_persons",
    METADATA,
    Column("review", ID, ForeignKey("reviews.id"), nullable=False),
    Column("record", Integer, nullable=False, comment="its position; 0 where it is no record"),
    Column("person", String, nullable=False, comment="the pseudonym"),
    Column(
        "own", Boolean(create_constraint=False), nullable=False, comment="whether it is theirs; else it names them"
    ),
    PrimaryKeyConstraint("review", "record", "person"),
)  # fmt: skip
"""Whom what waits is about, until it waits no more: whether somebody is protected is asked at every look."""
