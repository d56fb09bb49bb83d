"""The first schema. Steps are frozen: this one says in its own words what `store.schema` said when it was made."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TRIGGERS = """
CREATE TRIGGER messages_changed_never BEFORE UPDATE ON messages
    BEGIN SELECT RAISE(ABORT, 'messages are never changed'); END
CREATE TRIGGER messages_deleted_never BEFORE DELETE ON messages
    BEGIN SELECT RAISE(ABORT, 'messages are never deleted'); END
CREATE TRIGGER leaves_changed_never BEFORE UPDATE ON leaves
    BEGIN SELECT RAISE(ABORT, 'leaves are never changed'); END
CREATE TRIGGER leaves_deleted_never BEFORE DELETE ON leaves
    BEGIN SELECT RAISE(ABORT, 'leaves are never deleted'); END
CREATE TRIGGER checkpoints_changed_never BEFORE UPDATE ON checkpoints
    BEGIN SELECT RAISE(ABORT, 'checkpoints are never changed'); END
CREATE TRIGGER checkpoints_deleted_never BEFORE DELETE ON checkpoints
    BEGIN SELECT RAISE(ABORT, 'checkpoints are never deleted'); END
CREATE TRIGGER refusals_changed_never BEFORE UPDATE OF id, partner, contract, code, step, detail, at, quarantined,
    position ON refusals BEGIN SELECT RAISE(ABORT, 'refusals are never changed'); END
CREATE TRIGGER refusals_deleted_never BEFORE DELETE ON refusals
    BEGIN SELECT RAISE(ABORT, 'refusals are never deleted'); END
CREATE TRIGGER records_changed_never BEFORE UPDATE ON records
    BEGIN SELECT RAISE(ABORT, 'records are deleted, never changed'); END
CREATE TRIGGER tiles_only_grow BEFORE UPDATE ON tiles WHEN NEW.level <> OLD.level OR NEW.number <> OLD.number
    OR substr(NEW.hashes, 1, length(OLD.hashes)) <> OLD.hashes BEGIN SELECT RAISE(ABORT, 'tiles only grow'); END
CREATE TRIGGER tiles_deleted_never BEFORE DELETE ON tiles
    BEGIN SELECT RAISE(ABORT, 'tiles are never deleted'); END
"""


def upgrade() -> None:
    """Make everything."""
    _messages()
    _log()
    _refusals()
    _going_out()
    if op.get_bind().dialect.name == "sqlite":
        for trigger in _TRIGGERS.split("CREATE TRIGGER")[1:]:
            op.execute("CREATE TRIGGER " + " ".join(trigger.split()))


def _text(name: str, length: int | None = None, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=nullable)


def _bytes(name: str, length: int | None = None, *, nullable: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(length), nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, _ID, nullable=nullable)


def _messages() -> None:
    op.create_table(
        "messages",
        _number("id"),
        _text("partner"),
        _text("organisation", 10),
        _text("message_id"),
        _text("digest", 64),
        _text("contract"),
        _text("soap"),
        _text("action", nullable=True),
        _text("signer", 64),
        _text("created", 27),
        _text("received_at", 27),
        _text("accepted_at", 27),
        _text("policy", 64),
        sa.Column("outcomes", sa.Text, nullable=False),
        _number("first_leaf"),
        sa.Column("leaf_count", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
        sa.UniqueConstraint("partner", "organisation", "message_id", name="uq_messages_identity"),
    )
    op.create_table(
        "evidence",
        _number("message"),
        _text("key_id"),
        _bytes("wrapped_key"),
        _bytes("sealed"),
        sa.PrimaryKeyConstraint("message", name="pk_evidence"),
        sa.ForeignKeyConstraint(["message"], ["messages.id"], name="fk_evidence_message"),
    )


def _log() -> None:
    op.create_table(
        "leaves",
        _number("position"),
        _bytes("hash", 32),
        _bytes("entry"),
        _number("message", nullable=True),
        _number("refusal", nullable=True),
        sa.PrimaryKeyConstraint("position", name="pk_leaves"),
    )
    op.create_table(
        "records",
        _number("position"),
        _text("pseudonym", nullable=True),
        _bytes("sealed"),
        sa.PrimaryKeyConstraint("position", name="pk_records"),
        sa.ForeignKeyConstraint(["position"], ["leaves.position"], name="fk_records_position"),
    )
    op.create_index("ix_records_pseudonym", "records", ["pseudonym"])
    op.create_table(
        "tiles",
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        _bytes("hashes"),
        sa.PrimaryKeyConstraint("level", "number", name="pk_tiles"),
    )
    op.create_table(
        "checkpoints",
        _number("size"),
        _bytes("root", 32),
        _bytes("note"),
        _text("at", 27),
        sa.PrimaryKeyConstraint("size", name="pk_checkpoints"),
    )


def _refusals() -> None:
    op.create_table(
        "refusals",
        _number("id"),
        _text("partner"),
        _text("contract"),
        _text("code"),
        _text("step"),
        sa.Column("detail", sa.Text, nullable=False),
        _text("at", 27),
        sa.Column("quarantined", sa.Boolean(create_constraint=False), nullable=False),
        _number("position"),
        _text("key_id"),
        _bytes("wrapped_key", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_refusals"),
        sa.ForeignKeyConstraint(["position"], ["leaves.position"], name="fk_refusals_position"),
    )
    op.create_table(
        "quarantine",
        _number("refusal"),
        _bytes("sealed"),
        sa.PrimaryKeyConstraint("refusal", name="pk_quarantine"),
        sa.ForeignKeyConstraint(["refusal"], ["refusals.id"], name="fk_quarantine_refusal"),
    )


def _going_out() -> None:
    op.create_table(
        "outbox",
        _number("id"),
        _number("message"),
        _text("event"),
        _text("type"),
        _text("partition"),
        sa.Column("queues", sa.Text, nullable=False),
        _bytes("body"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_table(
        "protections",
        _text("person"),
        _text("protection"),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("stated_at", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("person", name="pk_protections"),
    )
    op.create_index("ix_protections_revision", "protections", ["revision"])
    op.create_table(
        "leases",
        _text("name"),
        _text("holder"),
        _text("until", 27),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
