"""Where a leaf stands, by its hash.

Rows are made from the tiles and are never changed; deleting them loses nothing, for they are made again. PostgreSQL
lets the owner alone do that.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the tables, empty: the integrator fills them."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table in ("leaf_index", "reading_leaf_index"):
        op.create_table(
            table,
            sa.Column("bucket", sa.Integer, nullable=False, autoincrement=False, comment="the hash's first byte"),
            sa.Column("run", _ID, nullable=False, autoincrement=False),
            sa.Column("heads", sa.LargeBinary, nullable=False),
            sa.PrimaryKeyConstraint("bucket", "run", name=f"pk_{table}"),
            sqlite_with_rowid=False,
        )
        said = f"{table} is made again, never changed"
        what = f"BEGIN SELECT RAISE(ABORT, '{said}'); END" if sqlite else f"EXECUTE FUNCTION gateway_never('{said}')"
        row = "" if sqlite else "FOR EACH ROW "
        op.execute(f"CREATE TRIGGER {table}_changed_never BEFORE UPDATE ON {table} {row}{what}")
