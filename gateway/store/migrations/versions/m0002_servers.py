"""Replays in the outbox, and dead letters with what was decided of them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add columns and tables."""
    _replays()
    _letters()


def _replays() -> None:
    op.add_column("outbox", sa.Column("replay_of", _ID, nullable=True, comment="the dead letter it was, and"))
    op.add_column("outbox", sa.Column("replay_reason", sa.Text, nullable=True, comment="why it goes out again"))


_LETTER_TRIGGERS = """
CREATE TRIGGER triage_changed_never BEFORE UPDATE ON triage
    BEGIN SELECT RAISE(ABORT, 'triage are never changed'); END
CREATE TRIGGER triage_deleted_never BEFORE DELETE ON triage
    BEGIN SELECT RAISE(ABORT, 'triage are never deleted'); END
CREATE TRIGGER dead_letters_changed_never BEFORE UPDATE OF id, queue, event, type, attempts, reason,
    fingerprint, since, at, recorded_at, replay_of ON dead_letters
    BEGIN SELECT RAISE(ABORT, 'dead letters are judged, never changed'); END
CREATE TRIGGER dead_letters_emptied_only BEFORE UPDATE OF body, partition ON dead_letters
    WHEN length(NEW.body) > 0 OR length(NEW.partition) > 0
    BEGIN SELECT RAISE(ABORT, 'whose a dead letter is and its body are destroyed, never changed'); END
CREATE TRIGGER dead_letters_judged_once BEFORE UPDATE OF state ON dead_letters
    WHEN OLD.state IN ('replayed', 'discarded') AND NEW.state <> OLD.state
    BEGIN SELECT RAISE(ABORT, 'a dead letter is never judged twice'); END
CREATE TRIGGER dead_letters_deleted_never BEFORE DELETE ON dead_letters
    BEGIN SELECT RAISE(ABORT, 'dead letters are never deleted'); END
"""
_EACH = "FOR EACH ROW"
_LETTER_RULES = (
    ("triage_changed_never", "UPDATE", _EACH, "triage are never changed"),
    ("triage_deleted_never", "DELETE", _EACH, "triage are never deleted"),
    ("triage_emptied_never", "TRUNCATE", "", "triage are never emptied"),
    (
        "dead_letters_changed_never",
        "UPDATE OF id, queue, event, type, attempts, reason, fingerprint, since, at, recorded_at, replay_of",
        _EACH,
        "dead letters are judged, never changed",
    ),
    (
        "dead_letters_emptied_only",
        "UPDATE OF body, partition",
        f"{_EACH} WHEN (length(NEW.body) > 0 OR length(NEW.partition) > 0)",
        "whose a dead letter is and its body are destroyed, never changed",
    ),
    (
        "dead_letters_judged_once",
        "UPDATE OF state",
        f"{_EACH} WHEN (OLD.state IN ('replayed', 'discarded') AND NEW.state <> OLD.state)",
        "a dead letter is never judged twice",
    ),
    ("dead_letters_deleted_never", "DELETE", _EACH, "dead letters are never deleted"),
    ("dead_letters_emptied_never", "TRUNCATE", "", "dead letters are never emptied"),
)
"""The same on PostgreSQL."""


_COMMENTS = {
    "queue": "where it died",
    "partition": "whose; empty once it is judged",
    "fingerprint": "what failed alike",
    "at": "when it died",
    "replay_of": "the letter before; 0 where there is none",
    "body": "empty once it is judged",
}


def _letters() -> None:
    texts = ("queue", "event", "type", "partition")
    op.create_table(
        "dead_letters",
        sa.Column("id", _ID, nullable=False),
        *(sa.Column(name, sa.String, nullable=False, comment=_COMMENTS.get(name)) for name in texts),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("fingerprint", sa.String(16), nullable=False, comment=_COMMENTS["fingerprint"]),
        *(
            sa.Column(name, sa.String(27), nullable=False, comment=_COMMENTS.get(name))
            for name in ("since", "at", "recorded_at")
        ),
        sa.Column("replay_of", _ID, nullable=False, comment=_COMMENTS["replay_of"]),
        sa.Column("body", sa.LargeBinary, nullable=False, comment=_COMMENTS["body"]),
        sa.Column("state", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dead_letters"),
        sa.UniqueConstraint("queue", "event", "replay_of", name="uq_dead_letters_event"),
    )
    op.create_index("ix_dead_letters_state", "dead_letters", ["state"])
    op.create_table(
        "triage",
        sa.Column("letter", _ID, nullable=False),
        sa.Column("step", sa.Integer, nullable=False, comment="from 1, for each letter"),
        *(sa.Column(name, sa.String, nullable=False) for name in ("action", "by")),
        sa.Column("role", sa.String, nullable=False, comment="the database's, where it has roles"),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("letter", "step", name="pk_triage"),
        sa.ForeignKeyConstraint(["letter"], ["dead_letters.id"], name="fk_triage_letter"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for trigger in _LETTER_TRIGGERS.split("CREATE TRIGGER")[1:]:
            op.execute("CREATE TRIGGER " + " ".join(trigger.split()))
        return
    for name, when, row, said in _LETTER_RULES:
        table = "triage" if name.startswith("triage") else "dead_letters"
        op.execute(f"CREATE TRIGGER {name} BEFORE {when} ON {table} {row} EXECUTE FUNCTION gateway_never('{said}')")
