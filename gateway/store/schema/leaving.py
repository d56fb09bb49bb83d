"""What goes out: commands, dispatches, and what happened to them."""

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
    UniqueConstraint,
    text,
)

from gateway.store.schema.metadata import ID, INSTANT, METADATA, number

commands = Table(
    "commands",
    METADATA,
    number("id"),
    Column("asker", String, nullable=False),
    Column("command", String, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("contract", String, nullable=False),
    Column("at", INSTANT, nullable=False, comment="when its asker made it"),
    Column("expires", INSTANT, nullable=False),
    Column("taken_at", INSTANT, nullable=False),
    UniqueConstraint("asker", "command", name="uq_commands_identity"),
)
"""What our own systems wanted sent or asked: the memory that makes a repeated command the same."""

dispatches = Table(
    "dispatches",
    METADATA,
    number("id"),
    Column("dispatch", String, nullable=False, comment="the MessageID of every attempt"),
    Column("command", ID, ForeignKey("commands.id"), nullable=False),
    Column("position", Integer, nullable=False, comment="of the recipient in the command"),
    Column("contract", String, nullable=False),
    Column("partner", String, nullable=False),
    Column("organisation", String(10), nullable=False, comment="which of a class of partners; empty for an agency"),
    Column("lane", String, nullable=False, comment="partner, organisation and contract, separated by spaces"),
    Column("expires", INSTANT, nullable=False),
    Column("pseudonym", String, comment="whose, once it is decided; NULL again after gallring"),
    Column("state", String, nullable=False, server_default=text("'queued'")),
    Column("step", Integer, nullable=False, server_default=text("0"), comment="the last of its timeline"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("due", INSTANT, comment="when to judge or try it; NULL where nothing is to be tried"),
    Column("over_at", INSTANT, comment="when its time is out, whatever holds it; NULL in flight and at the end"),
    Column("first_failure", String),
    Column("intent", ID, comment="the leaf that says we mean to disclose it"),
    Column("changed_at", INSTANT, nullable=False, comment="when the last step was"),
    UniqueConstraint("dispatch", name="uq_dispatches_dispatch"),
    UniqueConstraint("command", "position", name="uq_dispatches_recipient"),
    Index(
        "ix_dispatches_due", "state", "lane", "due", "id",
        sqlite_where=text("due IS NOT NULL"), postgresql_where=text("due IS NOT NULL"),
    ),
    Index(
        "ix_dispatches_over", "over_at", "id",
        sqlite_where=text("over_at IS NOT NULL"), postgresql_where=text("over_at IS NOT NULL"),
    ),
    Index("ix_dispatches_state", "state", "partner"),
)  # fmt: skip
"""What goes to one recipient, where it stands: what its timeline says, so that it need not be read for it."""

timeline = Table(
    "timeline",
    METADATA,
    Column("dispatch", ID, ForeignKey("dispatches.id"), nullable=False),
    Column("step", Integer, nullable=False, comment="from 1, for each dispatch"),
    Column("happening", String, nullable=False),
    Column("before", String, nullable=False),
    Column("after", String, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("due", INSTANT, comment="when it was to be looked at again"),
    Column("code", String),
    Column("partner_code", String, comment="the partner's own"),
    Column("by", String, comment="who did it, where it was not the gateway"),
    Column("reason", String),
    Column("digest", String(64)),
    Column("first_leaf", ID, comment="its leaves stand together in the log"),
    Column("leaf_count", Integer, nullable=False),
    PrimaryKeyConstraint("dispatch", "step"),
)
"""Everything that happened to dispatches."""

contents = Table(
    "contents",
    METADATA,
    Column("dispatch", ID, ForeignKey("dispatches.id"), nullable=False),
    Column("step", Integer, nullable=False, comment="of the timeline; 0 for the command"),
    Column("name", String, nullable=False, comment="command, payload, envelope, answer; empty: only hidden records"),
    Column("key_id", String, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False, comment="destroying it is gallring"),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("dispatch", "step"),
)
"""What a step keeps under seal, and the key that its leaves' records are sealed under too."""

deposits = Table(
    "deposits",
    METADATA,
    number("dispatch", ForeignKey("dispatches.id")),
    Column("partner", String, nullable=False),
    Column("organisation", String(10), nullable=False),
    Column("contract", String, nullable=False),
    Column("deposited_at", INSTANT, nullable=False),
    Column("fetched_at", INSTANT, comment="the first time"),
    Column("acknowledged_at", INSTANT),
    Column("closed_at", INSTANT, comment="from then on it is not theirs to fetch"),
    Column("kept_until", INSTANT, comment="then its content is destroyed; NULL once it is"),
    Column("emptied_at", INSTANT, comment="when that was"),
    Index(
        "ix_deposits_waiting", "partner", "organisation", "dispatch",
        sqlite_where=text("closed_at IS NULL"), postgresql_where=text("closed_at IS NULL"),
    ),
    Index(
        "ix_deposits_kept", "kept_until",
        sqlite_where=text("kept_until IS NOT NULL"), postgresql_where=text("kept_until IS NOT NULL"),
    ),
)  # fmt: skip
"""Mailboxes: what waits for partners that fetch. The envelopes are among the contents."""

instructions = Table(
    "instructions",
    METADATA,
    number("id"),
    Column("dispatch", ID, ForeignKey("dispatches.id"), nullable=False),
    Column("happening", String, nullable=False),
    Column("by", String, nullable=False),
    Column("role", String, nullable=False, comment="the database's, where it has roles"),
    Column("reason", String, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("step", Integer, comment="the one that carried it out, or"),
    Column("refused", String, comment="why it could not be"),
    Column("settled_at", INSTANT),
    Index(
        "ix_instructions_open", "id", "dispatch",
        sqlite_where=text("settled_at IS NULL"), postgresql_where=text("settled_at IS NULL"),
    ),
)  # fmt: skip
"""What people want done with dispatches, and what came of it."""

pauses = Table(
    "pauses",
    METADATA,
    number("id"),
    Column("partner", String, nullable=False),
    Column("paused", Boolean(create_constraint=False), nullable=False, comment="false: sending goes on"),
    Column("by", String, nullable=False),
    Column("role", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("at", INSTANT, nullable=False),
    Index("ix_pauses_partner", "partner", "id"),
)
"""Who stopped sending to a partner and who let it go on: a partner's last row holds."""
