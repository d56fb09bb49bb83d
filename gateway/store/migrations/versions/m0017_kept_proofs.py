"""Our receipts' signatures, and the revocation lists and certificates that were judged and signed by."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TABLES = ("trust_files", "trust_reads", "receipts")


def upgrade() -> None:
    """Add the tables, and forbid to change them."""
    op.create_table(
        "trust_files",
        sa.Column("fingerprint", sa.String(64), nullable=False, comment="SHA-256 of the content"),
        sa.Column("kind", sa.String, nullable=False, comment="crl or certificate"),
        sa.Column("at", sa.String(27), nullable=False, comment="when it was read first"),
        sa.Column("content", sa.LargeBinary, nullable=False, comment="DER"),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_trust_files"),
    )
    op.create_table(
        "trust_reads",
        sa.Column("partner", sa.String, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("lists", sa.Text, nullable=False, comment="fingerprints, separated by spaces; empty: none"),
        sa.PrimaryKeyConstraint("partner", "at", name="pk_trust_reads"),
    )
    op.create_table(
        "receipts",
        sa.Column("message", _ID, nullable=False, autoincrement=False),
        sa.Column("at", sa.String(27), nullable=False, comment="when it was signed"),
        sa.Column("certificate", sa.String(64), nullable=False, comment="fingerprint of whose key signed"),
        sa.Column("signature", sa.LargeBinary, nullable=False, comment="as XMLDSig writes it, decoded"),
        sa.PrimaryKeyConstraint("message", name="pk_receipts"),
        sa.ForeignKeyConstraint(["message"], ["messages.id"], name="fk_receipts_message"),
    )
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table in _TABLES:
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
