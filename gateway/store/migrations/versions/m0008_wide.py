"""Events stand in the outbox's own rows on PostgreSQL, and not in pieces beside it."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_WIDEST = 8160
"""Bytes of a row that fill a page of 8 KB: the most that PostgreSQL takes."""


def upgrade() -> None:
    """Say how wide a row may be. What is there already stays as it is; the relay takes it away.

    PostgreSQL compresses a row of more than 2 KB, and cuts it into pieces in another table. An event has about so much
    and lives for moments. Its pieces are written, found and deleted one by one: reading and forgetting took twice the
    time.
    """
    if op.get_bind().dialect.name != "sqlite":
        op.execute(f"ALTER TABLE outbox SET (toast_tuple_target = {_WIDEST})")
