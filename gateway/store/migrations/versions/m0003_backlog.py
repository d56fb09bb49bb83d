"""Whose events stand in the outbox, so that a person's first is found without reading it all."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add an index."""
    op.create_index("ix_outbox_partition", "outbox", ["partition", "id"])
