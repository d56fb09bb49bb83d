"""What is kept. `migrations/` brings a database to this; tests hold the two together, on SQLite and on PostgreSQL.

Types are those that both have: whole numbers, text, bytes. A time is text, UTC, 27 characters
(`2026-11-20T18:52:00.123456Z`), so that it sorts, and reads the same for an auditor with nothing but `sqlite3`.

Two halves, kept apart for the sake of gallring:

* facts that stay and name no person: `messages`, `refusals`, `leaves`, `tiles`, `checkpoints`; of the way out
  `commands`, `dispatches`, `timeline`; of what it all goes by `registers`, `declarations`. Triggers (`triggers.py`)
  forbid changing or deleting them.
* what gallring destroys: `evidence`, `records`, `quarantine`, `contents`, the wrapped keys. Sealed; without them the
  facts remain true and provable.

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
    text,
)

from gateway.store.shown import SHOWN
from gateway.store.triggers import TRIGGERS

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
    Column("refusal", ID, comment="the refusal, or"),
    Column("dispatch", ID, comment="the dispatch"),
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
    Column("dispatch", ID, comment="what it tells the end or the answer of; no message then"),
    Index("ix_outbox_partition", "partition", "id"),
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

commands = Table(
    "commands",
    METADATA,
    _id("id"),
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
    _id("id"),
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
    _id("dispatch", ForeignKey("dispatches.id")),
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
    _id("id"),
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
    _id("id"),
    Column("partner", String, nullable=False),
    Column("paused", Boolean(create_constraint=False), nullable=False, comment="false: sending goes on"),
    Column("by", String, nullable=False),
    Column("role", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("at", INSTANT, nullable=False),
    Index("ix_pauses_partner", "partner", "id"),
)
"""Who stopped sending to a partner and who let it go on: a partner's last row holds."""

registers = Table(
    "registers",
    METADATA,
    Column("policy", String(64), primary_key=True),
    Column("predecessor", String(64), comment="what was taken into use before it; NULL for the first"),
    Column("taken_at", INSTANT, nullable=False),
    Column("archive", LargeBinary, nullable=False, comment="every file of law: a .tar.gz"),
    Column("position", ID, ForeignKey("leaves.position"), nullable=False),
    Column("key_id", String, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
)
"""Every register of law that anything was judged by, whole. No gallring: decisions that name it are read for ever."""

declarations = Table(
    "declarations",
    METADATA,
    _id("id"),
    Column("at", INSTANT, nullable=False),
    Column("by", String, nullable=False, comment="user, machine and process"),
    Column("queues", Text, nullable=False, comment="JSON: all queues, with what they serve from then on"),
    Column("position", ID, ForeignKey("leaves.position"), nullable=False),
    Column("key_id", String, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
)
"""What the queues were declared to serve: the last row holds."""

reviews = Table(
    "reviews",
    METADATA,
    _id("id"),
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

for _sql in (*TRIGGERS, *SHOWN):
    event.listen(METADATA, "after_create", DDL(_sql).execute_if(dialect="sqlite"))  # type: ignore[no-untyped-call]
