"""What was meant to be disclosed and has no end: for whoever watches, and is shown no other dispatch."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_OPEN = "'composed', 'sending', 'waiting', 'uncertain', 'resending', 'deposited', 'fetched'"
ORPHANS = (
    "SELECT id, dispatch, state, changed_at, "  # noqa: S608  # our own words
    "CASE WHEN state IN ('sending', 'resending') THEN changed_at ELSE expires END AS late_from "
    f"FROM dispatches WHERE intent IS NOT NULL AND state IN ({_OPEN})"
)


def upgrade() -> None:
    """Add the view."""
    # A barrier: nobody's own function in a question sees a row that the view does not show.
    barrier = "" if op.get_bind().dialect.name == "sqlite" else "WITH (security_barrier) "
    op.execute(f"CREATE VIEW orphan_intents {barrier}AS {ORPHANS}")
