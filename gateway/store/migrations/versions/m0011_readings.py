"""Who read the log, in a log of its own: only ever added to, by a function that tells nothing of what is there.

The function takes the turn by itself, numbers, and holds the leaf's hash to its entry, so that whoever may call it can
add a reading and nothing else: not leave a gap, not stop the integrator by a wrong hash, not write as another account
or at another time.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_INSERT_ONLY = ("reading_leaves", "reading_records", "reading_checkpoints")
_SMALLER = (
    "NEW.level <> OLD.level OR NEW.number <> OLD.number OR substr(NEW.hashes, 1, length(OLD.hashes)) <> OLD.hashes"
)
_READ = """
CREATE FUNCTION gateway_log_reading(leaf bytea, said bytea, key text, wrapped bytea, record bytea)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    place bigint;
BEGIN
    IF leaf IS DISTINCT FROM sha256('\\x00'::bytea || said) OR octet_length(said) > 65535
    OR octet_length(wrapped) > 255 OR octet_length(record) > 65535 THEN
        RAISE EXCEPTION 'this is no leaf of a reading' USING ERRCODE = 'check_violation';
    END IF;
    -- Turn.READINGS: one after the other, so that there is no gap and no place is given twice.
    PERFORM pg_advisory_xact_lock(1734440037, {turn});
    SELECT coalesce(max(position), -1) + 1 INTO place FROM reading_leaves;
    INSERT INTO reading_leaves (position, hash, entry, at) VALUES (place, leaf, said,
        to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24\\:MI\\:SS.US"Z"'));
    INSERT INTO reading_records (position, account, key_id, wrapped_key, sealed)
        VALUES (place, session_user, key, wrapped, record);
    RETURN place;
END $$
"""
TURN = 7
"""`database.Turn.READINGS` on PostgreSQL; a test holds the two together."""


def upgrade() -> None:
    """Add the tables, forbid to change them, and make the way in."""
    op.create_table(
        "reading_leaves",
        sa.Column("position", _ID, nullable=False, autoincrement=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("entry", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_reading_leaves"),
    )
    op.create_table(
        "reading_records",
        sa.Column("position", _ID, nullable=False, autoincrement=False),
        sa.Column("account", sa.String, nullable=False, comment="the database's, where it has roles"),
        sa.Column("key_id", sa.String, nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False, comment="salt and hidden record"),
        sa.PrimaryKeyConstraint("position", name="pk_reading_records"),
        sa.ForeignKeyConstraint(["position"], ["reading_leaves.position"], name="fk_reading_records_position"),
    )
    op.create_table(
        "reading_tiles",
        sa.Column("level", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("number", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("hashes", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("level", "number", name="pk_reading_tiles"),
    )
    op.create_table(
        "reading_checkpoints",
        sa.Column("size", _ID, nullable=False, autoincrement=False),
        sa.Column("root", sa.LargeBinary(32), nullable=False),
        sa.Column("note", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("size", name="pk_reading_checkpoints"),
    )
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table in _INSERT_ONLY:
        _never(table, "UPDATE", "changed", sqlite=sqlite)
    for table in (*_INSERT_ONLY, "reading_tiles"):
        _never(table, "DELETE", "deleted", sqlite=sqlite)
    _only_grow(sqlite=sqlite)
    if not sqlite:
        for table in (*_INSERT_ONLY, "reading_tiles"):
            op.execute(
                f"CREATE TRIGGER {table}_emptied_never BEFORE TRUNCATE ON {table} "
                f"EXECUTE FUNCTION gateway_never('{table} are never emptied')"
            )
        op.execute("ALTER TABLE reading_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL")
        op.execute(_READ.format(turn=TURN))
        op.execute("REVOKE ALL ON FUNCTION gateway_log_reading(bytea, bytea, text, bytea, bytea) FROM PUBLIC")


def _never(table: str, verb: str, word: str, *, sqlite: bool) -> None:
    said = f"{table} are never {word}"
    what = f"BEGIN SELECT RAISE(ABORT, '{said}'); END" if sqlite else f"EXECUTE FUNCTION gateway_never('{said}')"
    row = "" if sqlite else "FOR EACH ROW "
    op.execute(f"CREATE TRIGGER {table}_{word}_never BEFORE {verb} ON {table} {row}{what}")


def _only_grow(*, sqlite: bool) -> None:
    said = "reading_tiles only grow"
    if sqlite:
        op.execute(
            f"CREATE TRIGGER reading_tiles_only_grow BEFORE UPDATE ON reading_tiles WHEN {_SMALLER} "
            f"BEGIN SELECT RAISE(ABORT, '{said}'); END"
        )
        return
    op.execute(
        f"CREATE TRIGGER reading_tiles_only_grow BEFORE UPDATE ON reading_tiles FOR EACH ROW WHEN ({_SMALLER}) "
        f"EXECUTE FUNCTION gateway_never('{said}')"
    )
