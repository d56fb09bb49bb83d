"""What others sign for: cosignatures of checkpoints, and time stamps."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the tables, and forbid to change them."""
    op.create_table(
        "cosignatures",
        sa.Column("origin", sa.String, nullable=False, comment="of which log"),
        sa.Column("size", _ID, nullable=False, autoincrement=False, comment="of which of its checkpoints"),
        sa.Column("witness", sa.String, nullable=False, comment="its vkey"),
        sa.Column("time", sa.BigInteger, nullable=False, comment="seconds since 1970, by the witness's clock"),
        sa.Column("line", sa.String, nullable=False, comment="the signature line of the note"),
        sa.Column("at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("origin", "size", "witness", name="pk_cosignatures"),
    )
    op.create_index("ix_cosignatures_witness", "cosignatures", ["origin", "witness", "size"])
    op.create_table(
        "stamps",
        sa.Column("origin", sa.String, nullable=False, comment="of which log"),
        sa.Column("day", sa.String(10), nullable=False, comment="whose last checkpoint it is"),
        sa.Column("size", _ID, nullable=False, autoincrement=False, comment="that checkpoint's"),
        sa.Column("time", sa.String(27), nullable=False, comment="by the authority's clock"),
        sa.Column("token", sa.LargeBinary, nullable=False, comment="the whole answer (RFC 3161 TimeStampResp), DER"),
        sa.Column("at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("origin", "day", name="pk_stamps"),
    )
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table in ("cosignatures", "stamps"):
        for verb, word in (("UPDATE", "changed"), ("DELETE", "deleted")):
            said = f"{table} are never {word}"
            what = (
                f"BEGIN SELECT RAISE(ABORT, '{said}'); END" if sqlite else f"EXECUTE FUNCTION gateway_never('{said}')"
            )
            row = "" if sqlite else "FOR EACH ROW "
            op.execute(f"CREATE TRIGGER {table}_{word}_never BEFORE {verb} ON {table} {row}{what}")
        if not sqlite:
            op.execute(
                f"CREATE TRIGGER {table}_emptied_never BEFORE TRUNCATE ON {table} "
                f"EXECUTE FUNCTION gateway_never('{table} are never emptied')"
            )
