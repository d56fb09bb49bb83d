"""The audit log and the log of who has read it; what is known of leaves unopened, who else vouches, what governs."""

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
    text,
)

from gateway.store.schema.metadata import ID, INSTANT, METADATA, number

leaves = Table(
    "leaves",
    METADATA,
    number("position"),
    Column("hash", LargeBinary(32), nullable=False),
    Column("entry", LargeBinary, nullable=False),
    Column("message", ID, comment="the accepted message it tells of, or"),
    Column("refusal", ID, comment="the refusal, or"),
    Column("dispatch", ID, comment="the dispatch"),
    postgresql_partition_by="RANGE (position)",
)
"""The log. No index on the hash: it would touch a random page a leaf (`leaf_index`)."""

records = Table(
    "records",
    METADATA,
    number("position", ForeignKey("leaves.position")),
    Column("pseudonym", String, comment="whose; a refusal is nobody's"),
    Column("sealed", LargeBinary, nullable=False, comment="salt and hidden record"),
    Index("ix_records_pseudonym", "pseudonym"),
    postgresql_partition_by="RANGE (position)",
)
"""What each leaf commits to, sealed under its message's data key."""

tiles = Table(
    "tiles",
    METADATA,
    Column("level", Integer, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("hashes", LargeBinary, nullable=False),
    PrimaryKeyConstraint("level", "number"),
)
"""The tree (C2SP tlog-tiles)."""

leaf_index = Table(
    "leaf_index",
    METADATA,
    Column("bucket", Integer, nullable=False, autoincrement=False, comment="the hash's first byte"),
    Column("run", ID, nullable=False, autoincrement=False),
    Column("heads", LargeBinary, nullable=False),
    PrimaryKeyConstraint("bucket", "run"),
    sqlite_with_rowid=False,
)
"""Where leaves stand, by their hashes (`gateway.store.leaf_index`): made from the tiles, and made again if lost."""

checkpoints = Table(
    "checkpoints",
    METADATA,
    number("size"),
    Column("root", LargeBinary(32), nullable=False),
    Column("note", LargeBinary, nullable=False),
    Column("at", INSTANT, nullable=False),
)
"""Every size the log was signed at."""

flows = Table(
    "flows",
    METADATA,
    number("id"),
    *(
        Column(_one, String, nullable=_one not in {"kind", "purposes", "lagrum", "reasons", "granted", "withheld"})
        for _one in (
            "kind", "direction", "partner", "contract", "information", "interaction", "asker", "purposes", "basis",
            "lagrum", "policy", "outcome", "reasons", "granted", "withheld", "protection", "code", "state", "released",
            "waited", "role", "answer",
        )
    ),
    Column("noted", Boolean(create_constraint=False), nullable=False),
    Column("consented", Boolean(create_constraint=False), nullable=False),
)  # fmt: skip
"""What many leaves have in common (`gateway.trail.Flow`): numbered by its content, about nobody."""

trail = Table(
    "trail",
    METADATA,
    number("position", ForeignKey("leaves.position")),
    Column("flow", ID, nullable=False, comment="no foreign key: it would lock the flow's one row at every commit"),
    Column("at", INSTANT, nullable=False),
    Column("organisation", String),
    Column("reference", String, comment="the message's id, or the dispatch's"),
    Column("record", Integer),
    Column("by", String, comment="the official, or the process"),
    Column("second", String, comment="the official who agreed"),
    Column("case_key", String(32), comment="keyed hash"),
    Column("consent_key", String(32), comment="keyed hash"),
    Column("consent_until", String(10)),
    Index("ix_trail_flow", "flow", "at", "position"),
    *(
        Index(
            f"ix_trail_{_one}", _one,
            sqlite_where=text(f"{_one} IS NOT NULL"), postgresql_where=text(f"{_one} IS NOT NULL"),
        )
        for _one in ("case_key", "by")
    ),
    postgresql_partition_by="RANGE (position)",
)  # fmt: skip
"""What may be known of each leaf unopened; a function of its record, so it can be made again (`gateway.trail`)."""

trail_gaps = Table(
    "trail_gaps",
    METADATA,
    number("first"),
    Column("last", ID, nullable=False),
    Column("filled_at", INSTANT, comment="NULL: these leaves may have no trail yet"),
)
"""Leaves that were in the log before it had a trail."""

reading_leaves = Table(
    "reading_leaves",
    METADATA,
    number("position"),
    Column("hash", LargeBinary(32), nullable=False),
    Column("entry", LargeBinary, nullable=False),
    Column("at", INSTANT, nullable=False),
)
"""The log of who has read the log: positions without gaps, in the order of commits."""

reading_records = Table(
    "reading_records",
    METADATA,
    number("position", ForeignKey("reading_leaves.position")),
    Column("account", String, nullable=False, comment="the database's, where it has roles"),
    Column("key_id", String, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False, comment="salt and hidden record"),
)
"""What each of its leaves commits to, sealed: who read what, why, in which case. No gallring: nobody deletes it."""

reading_tiles = Table(
    "reading_tiles",
    METADATA,
    Column("level", Integer, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("hashes", LargeBinary, nullable=False),
    PrimaryKeyConstraint("level", "number"),
)
"""Its tree."""

reading_leaf_index = Table(
    "reading_leaf_index",
    METADATA,
    Column("bucket", Integer, nullable=False, autoincrement=False, comment="the hash's first byte"),
    Column("run", ID, nullable=False, autoincrement=False),
    Column("heads", LargeBinary, nullable=False),
    PrimaryKeyConstraint("bucket", "run"),
    sqlite_with_rowid=False,
)
"""Where its leaves stand, by their hashes."""

reading_checkpoints = Table(
    "reading_checkpoints",
    METADATA,
    number("size"),
    Column("root", LargeBinary(32), nullable=False),
    Column("note", LargeBinary, nullable=False),
    Column("at", INSTANT, nullable=False),
)
"""Every size it was signed at."""

cosignatures = Table(
    "cosignatures",
    METADATA,
    Column("origin", String, nullable=False, comment="of which log"),
    Column("size", ID, nullable=False, autoincrement=False, comment="of which of its checkpoints"),
    Column("witness", String, nullable=False, comment="its vkey"),
    Column("time", BigInteger, nullable=False, comment="seconds since 1970, by the witness's clock"),
    Column("line", String, nullable=False, comment="the signature line of the note"),
    Column("at", INSTANT, nullable=False),
    PrimaryKeyConstraint("origin", "size", "witness"),
    Index("ix_cosignatures_witness", "origin", "witness", "size"),
)
"""What witnesses have cosigned, of any log here (C2SP tlog-cosignature)."""

stamps = Table(
    "stamps",
    METADATA,
    Column("origin", String, nullable=False, comment="of which log"),
    Column("day", String(10), nullable=False, comment="whose last checkpoint it is"),
    Column("size", ID, nullable=False, autoincrement=False, comment="that checkpoint's"),
    Column("time", INSTANT, nullable=False, comment="by the authority's clock"),
    Column("token", LargeBinary, nullable=False, comment="the whole answer (RFC 3161 TimeStampResp), DER"),
    Column("at", INSTANT, nullable=False),
    PrimaryKeyConstraint("origin", "day"),
)
"""When a time-stamping authority saw each day's last checkpoint."""

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
    number("id"),
    Column("at", INSTANT, nullable=False),
    Column("by", String, nullable=False, comment="user, machine and process"),
    Column("queues", Text, nullable=False, comment="JSON: all queues, with what they serve from then on"),
    Column("position", ID, ForeignKey("leaves.position"), nullable=False),
    Column("key_id", String, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
)
"""What the queues were declared to serve: the last row holds."""

leases = Table(
    "leases",
    METADATA,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("until", INSTANT, nullable=False),
)
"""Who does what only one may do."""
