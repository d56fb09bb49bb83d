"""Registers of law that were judged by, whole; what queues were declared to serve; what is judged again at a fetch."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_DEPOSITED = (
    "AS SELECT l.position AS position, r.sealed AS sealed FROM leaves l JOIN records r ON r.position = l.position "
    "JOIN dispatches d ON d.id = l.dispatch WHERE d.state IN ('deposited', 'fetched')"
)
_TABLES = ("registers", "declarations")


def upgrade() -> None:
    """Add the tables, and forbid to change them."""
    op.create_table(
        "registers",
        sa.Column("policy", sa.String(64), nullable=False),
        sa.Column(
            "predecessor",
            sa.String(64),
            nullable=True,
            comment="what was taken into use before it; NULL for the first",
        ),
        sa.Column("taken_at", sa.String(27), nullable=False),
        sa.Column("archive", sa.LargeBinary, nullable=False, comment="every file of law: a .tar.gz"),
        *_sealed(),
        sa.PrimaryKeyConstraint("policy", name="pk_registers"),
        sa.ForeignKeyConstraint(["position"], ["leaves.position"], name="fk_registers_position"),
    )
    op.create_table(
        "declarations",
        sa.Column("id", _ID, nullable=False, autoincrement=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("by", sa.String, nullable=False, comment="user, machine and process"),
        sa.Column("queues", sa.Text, nullable=False, comment="JSON: all queues, with what they serve from then on"),
        *_sealed(),
        sa.PrimaryKeyConstraint("id", name="pk_declarations"),
        sa.ForeignKeyConstraint(["position"], ["leaves.position"], name="fk_declarations_position"),
    )
    for table in _TABLES:
        _insert_only(table)
    # A barrier: nobody's own function in a question sees a row that the view does not show.
    barrier = "" if op.get_bind().dialect.name == "sqlite" else "WITH (security_barrier) "
    op.execute(f"CREATE VIEW deposit_records {barrier}{_DEPOSITED}")


def _sealed() -> list[Any]:
    return [
        sa.Column("position", _ID, nullable=False, autoincrement=False),
        sa.Column("key_id", sa.String, nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
    ]


def _insert_only(table: str) -> None:
    verbs = (("UPDATE", "changed"), ("DELETE", "deleted"))
    if op.get_bind().dialect.name == "sqlite":
        for verb, word in verbs:
            op.execute(
                f"CREATE TRIGGER {table}_{word}_never BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} are never {word}'); END"
            )
        return
    for verb, word in verbs:
        op.execute(
            f"CREATE TRIGGER {table}_{word}_never BEFORE {verb} ON {table} FOR EACH ROW "
            f"EXECUTE FUNCTION gateway_never('{table} are never {word}')"
        )
    op.execute(
        f"CREATE TRIGGER {table}_emptied_never BEFORE TRUNCATE ON {table} "
        f"EXECUTE FUNCTION gateway_never('{table} are never emptied')"
    )
