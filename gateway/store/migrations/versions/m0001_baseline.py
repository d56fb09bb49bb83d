"""The first schema. Steps are frozen: this one says in its own words what `store.schema` said when it was made."""

import sqlalchemy as sa
from alembic import context, op

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


_NEVER = """
CREATE FUNCTION gateway_never() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END $$
"""
"""Stops mistakes and ordinary access, also the owner's; not whoever drops a trigger: the signed tree shows that."""
_AHEAD = r"""
CREATE FUNCTION gateway_add_partition(parent text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    bounds text[];
    width bigint;
    first bigint;
    named text;
    key text := CASE parent WHEN 'evidence' THEN 'message' WHEN 'leaves' THEN 'position' WHEN 'records' THEN 'position'
        END;
BEGIN
    IF key IS NULL THEN
        RAISE EXCEPTION 'only evidence, leaves and records have partitions';
    END IF;
    -- Nobody numbers meanwhile: attaching locks what the journal's transaction locks, in another order.
    PERFORM pg_advisory_xact_lock(1734440037, 1);
    SELECT regexp_match(pg_get_expr(c.relpartbound, c.oid), $x$FROM \('(\d+)'\) TO \('(\d+)'\)$x$) INTO bounds
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = parent::regclass
        ORDER BY (regexp_match(pg_get_expr(c.relpartbound, c.oid), $x$TO \('(\d+)'\)$x$))[1]::bigint DESC LIMIT 1;
    first := bounds[2]::bigint;
    width := first - bounds[1]::bigint;
    named := parent || '_' || lpad(first::text, 12, '0');
    -- Made apart and attached: CREATE TABLE … PARTITION OF would wait for every reader, and everybody for it.
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', named, parent);
    EXECUTE format('ALTER TABLE %I ADD CONSTRAINT bounds CHECK (%I >= %s AND %I < %s)', named, key, first, key,
        first + width);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', parent, named, first,
        first + width);
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT bounds', named);
    PERFORM gateway_guard_partition(named, parent);
    RETURN first + width;
END $$
"""
_GUARD = """
CREATE FUNCTION gateway_guard_partition(named text, parent text) RETURNS void LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
    -- Triggers on rows are the parent's; those on statements are not.
    IF parent <> 'evidence' THEN
        EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %I EXECUTE FUNCTION gateway_never(%L)',
            named || '_emptied_never', named, parent || ' are never emptied');
    END IF;
END $$
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
    else:
        _functions()
        _triggers()
        for column in ("evidence.sealed", "records.sealed", "quarantine.sealed", "tiles.hashes"):
            table, _, name = column.partition(".")  # what is sealed or hashed does not get smaller
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {name} SET STORAGE EXTERNAL")
        _partitions(int(context.config.attributes["width"]))


def _functions() -> None:
    for function in (_NEVER, _GUARD, _AHEAD):
        op.execute(function)
    for name in ("gateway_add_partition(text)", "gateway_guard_partition(text, text)"):
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")


def _triggers() -> None:
    for table, verb, word in (
        *((table, "UPDATE", "changed") for table in ("messages", "leaves", "checkpoints")),
        *((table, "DELETE", "deleted") for table in ("messages", "leaves", "checkpoints", "refusals", "tiles")),
        ("records", "UPDATE", "changed"),
        ("refusals", "UPDATE OF id, partner, contract, code, step, detail, at, quarantined, position", "changed"),
    ):
        op.execute(
            f"CREATE TRIGGER {table}_{word}_never BEFORE {verb} ON {table} FOR EACH ROW "
            f"EXECUTE FUNCTION gateway_never('{table} are never {word}')"
        )
    op.execute(
        "CREATE TRIGGER tiles_only_grow BEFORE UPDATE ON tiles FOR EACH ROW WHEN (NEW.level <> OLD.level OR "
        "NEW.number <> OLD.number OR substr(NEW.hashes, 1, length(OLD.hashes)) <> OLD.hashes) "
        "EXECUTE FUNCTION gateway_never('tiles only grow')"
    )
    for table in ("messages", "leaves", "checkpoints", "refusals", "records", "tiles"):
        op.execute(
            f"CREATE TRIGGER {table}_emptied_never BEFORE TRUNCATE ON {table} "
            f"EXECUTE FUNCTION gateway_never('{table} are never emptied')"
        )


def _partitions(width: int) -> None:
    """Divide the log by number, which grows with the time of the commit: three stretches, the first of them in use."""
    for parent in ("leaves", "records", "evidence"):
        first = f"{parent}_{0:012}"
        op.execute(f"CREATE TABLE {first} PARTITION OF {parent} FOR VALUES FROM (0) TO ({width})")
        op.execute(f"SELECT gateway_guard_partition('{first}', '{parent}')")
        for _ in range(2):
            op.execute(f"SELECT gateway_add_partition('{parent}')")


def _text(
    name: str, length: int | None = None, *, nullable: bool = False, comment: str | None = None
) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=nullable, comment=comment)


def _bytes(
    name: str, length: int | None = None, *, nullable: bool = False, comment: str | None = None
) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(length), nullable=nullable, comment=comment)


def _number(name: str, *, nullable: bool = False, comment: str | None = None) -> sa.Column[int]:
    return sa.Column(name, _ID, nullable=nullable, autoincrement=False, comment=comment)


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
        sa.Column("outcomes", sa.Text, nullable=False, comment="JSON: [[position, outcome, code], …]"),
        _number("first_leaf", comment="its leaves stand together in the log"),
        sa.Column("leaf_count", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
        sa.UniqueConstraint("partner", "organisation", "message_id", name="uq_messages_identity"),
    )
    op.create_table(
        "evidence",
        _number("message"),
        _text("key_id"),
        _bytes("wrapped_key", comment="destroying it is gallring"),
        _bytes("sealed"),
        sa.PrimaryKeyConstraint("message", name="pk_evidence"),
        sa.ForeignKeyConstraint(["message"], ["messages.id"], name="fk_evidence_message"),
        postgresql_partition_by="RANGE (message)",
    )


def _log() -> None:
    op.create_table(
        "leaves",
        _number("position"),
        _bytes("hash", 32),
        _bytes("entry"),
        _number("message", nullable=True, comment="the accepted message it tells of, or"),
        _number("refusal", nullable=True, comment="the refusal"),
        sa.PrimaryKeyConstraint("position", name="pk_leaves"),
        postgresql_partition_by="RANGE (position)",
    )
    op.create_table(
        "records",
        _number("position"),
        _text("pseudonym", nullable=True, comment="whose; a refusal is nobody's"),
        _bytes("sealed", comment="salt and hidden record"),
        sa.PrimaryKeyConstraint("position", name="pk_records"),
        sa.ForeignKeyConstraint(["position"], ["leaves.position"], name="fk_records_position"),
        postgresql_partition_by="RANGE (position)",
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
        _text("contract", comment="what the address named"),
        _text("code"),
        _text("step"),
        sa.Column("detail", sa.Text, nullable=False),
        _text("at", 27),
        sa.Column("quarantined", sa.Boolean(create_constraint=False), nullable=False),
        _number("position"),
        _text("key_id"),
        _bytes("wrapped_key", nullable=True, comment="NULL after gallring"),
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
        sa.Column("queues", sa.Text, nullable=False, comment="names, separated by spaces"),
        _bytes("body"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_table(
        "protections",
        _text("person"),
        _text("protection"),
        sa.Column("rank", sa.Integer, nullable=False, comment="how much it hides: 0 nothing"),
        sa.Column("stated_at", sa.BigInteger, nullable=False, comment="YYYYMMDDhhmmss"),
        sa.Column("revision", sa.BigInteger, nullable=False, comment="grows with every change: what to read again"),
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
