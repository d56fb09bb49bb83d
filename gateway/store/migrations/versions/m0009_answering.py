"""Who carries out does not answer, and who answers carries nothing out: on PostgreSQL the database holds them to it."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_PEOPLE = "'read', 'answer', 'ask', 'approve', 'withdraw', 'lapse'"
_WAITING = "'open', 'asked', 'answered'"
_ANSWERS = "has_column_privilege('public.reviews', 'answer', 'UPDATE')"
_SETTLES = "has_column_privilege('public.reviews', 'outcome', 'UPDATE')"
_OPERATES = "has_column_privilege('public.pauses', 'partner', 'INSERT')"
_RULES = (
    (
        "reviews_answered_by_reviewers",
        "UPDATE OF state ON reviews",
        f"NEW.state <> OLD.state AND NEW.state IN ({_WAITING}) AND NOT {_ANSWERS}",
        "who carries out does not answer",
    ),
    (
        "reviews_settled_by_the_gateway",
        "UPDATE OF state ON reviews",
        f"NEW.state <> OLD.state AND NEW.state NOT IN ({_WAITING}) AND NOT {_SETTLES}",
        "who answers carries nothing out",
    ),
    (
        "review_steps_answered_by_reviewers",
        "INSERT ON review_steps",
        f"NEW.action IN ({_PEOPLE}) AND NOT {_ANSWERS}",
        "who carries out does not answer",
    ),
    (
        "review_steps_settled_by_the_gateway",
        "INSERT ON review_steps",
        f"NEW.action NOT IN ({_PEOPLE}) AND NOT {_SETTLES}",
        "who answers carries nothing out",
    ),
    (
        "instructions_of_reviewers",
        "INSERT ON instructions",
        f"NEW.happening IN ('permit', 'deny') AND NOT {_ANSWERS}",
        "what waits for a person is answered by a reviewer",
    ),
    (
        "instructions_of_operators",
        "INSERT ON instructions",
        f"NEW.happening NOT IN ('permit', 'deny') AND NOT {_OPERATES}",
        "a reviewer answers, and orders nothing else",
    ),
)
"""Name, what it comes before, when, and what is said."""


def upgrade() -> None:
    """Add triggers that ask which columns whoever writes may change: both may move a review, each its own part."""
    if op.get_bind().dialect.name == "sqlite":  # no roles
        return
    for name, what, when, said in _RULES:
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {what} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION gateway_never('{said}')"
        )
