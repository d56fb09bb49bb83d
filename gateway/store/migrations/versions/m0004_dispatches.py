"""The way out: commands, dispatches with their timelines and sealed contents, mailboxes, instructions and pauses."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add columns and tables."""
    op.add_column("leaves", sa.Column("dispatch", _ID, nullable=True, comment="the dispatch"))
    said = "what it tells the end or the answer of; no message then"
    op.add_column("outbox", sa.Column("dispatch", _ID, nullable=True, comment=said))
    _dispatches()
    _timeline()
    _deposits()
    _instructions()
    view = (
        "AS SELECT l.position AS position, l.dispatch AS dispatch, r.sealed AS sealed "
        "FROM leaves l JOIN records r ON r.position = l.position WHERE l.dispatch IS NOT NULL"
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"CREATE VIEW dispatch_records {view}")
    else:
        # A barrier: nobody's own function in a question sees a row that the view does not show.
        op.execute(f"CREATE VIEW dispatch_records WITH (security_barrier) {view}")
        op.execute("COMMENT ON COLUMN leaves.refusal IS 'the refusal, or'")
        op.execute("ALTER TABLE contents ALTER COLUMN sealed SET STORAGE EXTERNAL")
    _triggers()


def _text(
    name: str, length: int | None = None, *, nullable: bool = False, comment: str | None = None
) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=nullable, comment=comment)


def _bytes(name: str, *, comment: str | None = None) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=False, comment=comment)


def _number(name: str, *, nullable: bool = False, comment: str | None = None) -> sa.Column[int]:
    return sa.Column(name, _ID, nullable=nullable, autoincrement=False, comment=comment)


def _whole(
    name: str, *, nullable: bool = False, default: str | None = None, comment: str | None = None
) -> sa.Column[int]:
    server = None if default is None else sa.text(default)
    return sa.Column(name, sa.Integer, nullable=nullable, server_default=server, autoincrement=False, comment=comment)


def _index(name: str, table: str, columns: list[str], only: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(only), postgresql_where=sa.text(only))


def _dispatches() -> None:
    op.create_table(
        "commands",
        _number("id"),
        _text("asker"),
        _text("command"),
        _text("digest", 64),
        _text("contract"),
        _text("at", 27, comment="when its asker made it"),
        _text("expires", 27),
        _text("taken_at", 27),
        sa.PrimaryKeyConstraint("id", name="pk_commands"),
        sa.UniqueConstraint("asker", "command", name="uq_commands_identity"),
    )
    lane = "partner, organisation and contract, separated by spaces"
    due = "when to judge or try it; NULL where nothing is to be tried"
    over = "when its time is out, whatever holds it; NULL in flight and at the end"
    op.create_table(
        "dispatches",
        _number("id"),
        _text("dispatch", comment="the MessageID of every attempt"),
        _number("command"),
        _whole("position", comment="of the recipient in the command"),
        _text("contract"),
        _text("partner"),
        _text("organisation", 10, comment="which of a class of partners; empty for an agency"),
        _text("lane", comment=lane),
        _text("expires", 27),
        _text("pseudonym", nullable=True, comment="whose, once it is decided; NULL again after gallring"),
        sa.Column("state", sa.String, nullable=False, server_default=sa.text("'queued'")),
        _whole("step", default="0", comment="the last of its timeline"),
        _whole("attempts", default="0"),
        _text("due", 27, nullable=True, comment=due),
        _text("over_at", 27, nullable=True, comment=over),
        _text("first_failure", nullable=True),
        _number("intent", nullable=True, comment="the leaf that says we mean to disclose it"),
        _text("changed_at", 27, comment="when the last step was"),
        sa.PrimaryKeyConstraint("id", name="pk_dispatches"),
        sa.UniqueConstraint("dispatch", name="uq_dispatches_dispatch"),
        sa.UniqueConstraint("command", "position", name="uq_dispatches_recipient"),
        sa.ForeignKeyConstraint(["command"], ["commands.id"], name="fk_dispatches_command"),
    )
    _index("ix_dispatches_due", "dispatches", ["state", "lane", "due", "id"], "due IS NOT NULL")
    _index("ix_dispatches_over", "dispatches", ["over_at", "id"], "over_at IS NOT NULL")
    op.create_index("ix_dispatches_state", "dispatches", ["state", "partner"])


def _timeline() -> None:
    op.create_table(
        "timeline",
        _number("dispatch"),
        _whole("step", comment="from 1, for each dispatch"),
        _text("happening"),
        _text("before"),
        _text("after"),
        _text("at", 27),
        _text("due", 27, nullable=True, comment="when it was to be looked at again"),
        _text("code", nullable=True),
        _text("partner_code", nullable=True, comment="the partner's own"),
        _text("by", nullable=True, comment="who did it, where it was not the gateway"),
        _text("reason", nullable=True),
        _text("digest", 64, nullable=True),
        _number("first_leaf", nullable=True, comment="its leaves stand together in the log"),
        _whole("leaf_count"),
        sa.PrimaryKeyConstraint("dispatch", "step", name="pk_timeline"),
        sa.ForeignKeyConstraint(["dispatch"], ["dispatches.id"], name="fk_timeline_dispatch"),
    )
    op.create_table(
        "contents",
        _number("dispatch"),
        _whole("step", comment="of the timeline; 0 for the command"),
        _text("name", comment="command, payload, envelope, answer; empty: only hidden records"),
        _text("key_id"),
        _bytes("wrapped_key", comment="destroying it is gallring"),
        _bytes("sealed"),
        sa.PrimaryKeyConstraint("dispatch", "step", name="pk_contents"),
        sa.ForeignKeyConstraint(["dispatch"], ["dispatches.id"], name="fk_contents_dispatch"),
    )


def _deposits() -> None:
    op.create_table(
        "deposits",
        _number("dispatch"),
        _text("partner"),
        _text("organisation", 10),
        _text("contract"),
        _text("deposited_at", 27),
        _text("fetched_at", 27, nullable=True, comment="the first time"),
        _text("acknowledged_at", 27, nullable=True),
        _text("closed_at", 27, nullable=True, comment="from then on it is not theirs to fetch"),
        _text("kept_until", 27, nullable=True, comment="then its envelope is destroyed"),
        sa.PrimaryKeyConstraint("dispatch", name="pk_deposits"),
        sa.ForeignKeyConstraint(["dispatch"], ["dispatches.id"], name="fk_deposits_dispatch"),
    )
    _index("ix_deposits_waiting", "deposits", ["partner", "organisation", "dispatch"], "closed_at IS NULL")
    _index("ix_deposits_kept", "deposits", ["kept_until"], "kept_until IS NOT NULL")


def _instructions() -> None:
    op.create_table(
        "instructions",
        _number("id"),
        _number("dispatch"),
        _text("happening"),
        _text("by"),
        _text("role", comment="the database's, where it has roles"),
        _text("reason"),
        _text("at", 27),
        _whole("step", nullable=True, comment="the one that carried it out, or"),
        _text("refused", nullable=True, comment="why it could not be"),
        _text("settled_at", 27, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_instructions"),
        sa.ForeignKeyConstraint(["dispatch"], ["dispatches.id"], name="fk_instructions_dispatch"),
    )
    _index("ix_instructions_open", "instructions", ["id", "dispatch"], "settled_at IS NULL")
    op.create_table(
        "pauses",
        _number("id"),
        _text("partner"),
        sa.Column("paused", sa.Boolean(create_constraint=False), nullable=False, comment="false: sending goes on"),
        _text("by"),
        _text("role"),
        _text("reason"),
        _text("at", 27),
        sa.PrimaryKeyConstraint("id", name="pk_pauses"),
    )
    op.create_index("ix_pauses_partner", "pauses", ["partner", "id"])


_STANDS = (
    "(OLD.intent IS NOT NULL AND NEW.intent IS DISTINCT FROM OLD.intent) "
    "OR (OLD.first_failure IS NOT NULL AND NEW.first_failure IS DISTINCT FROM OLD.first_failure) "
    "OR (OLD.pseudonym IS NOT NULL AND NEW.pseudonym IS NOT NULL AND NEW.pseudonym <> OLD.pseudonym)"
)
_ENDED = (
    "NEW.state <> OLD.state AND OLD.state IN ('delivered', 'denied', 'refused', 'unusable', 'expired', 'withdrawn')"
)
_RULES = (
    ("commands_changed_never", "UPDATE ON commands", "", "commands are never changed"),
    ("commands_deleted_never", "DELETE ON commands", "", "commands are never deleted"),
    ("timeline_changed_never", "UPDATE ON timeline", "", "timeline are never changed"),
    ("timeline_deleted_never", "DELETE ON timeline", "", "timeline are never deleted"),
    ("pauses_changed_never", "UPDATE ON pauses", "", "pauses are never changed"),
    ("pauses_deleted_never", "DELETE ON pauses", "", "pauses are never deleted"),
    (
        "dispatches_changed_never",
        "UPDATE OF id, dispatch, command, position, contract, partner, organisation, lane, expires ON dispatches",
        "",
        "dispatches are walked, never changed",
    ),
    (
        "dispatches_step_by_step",
        "UPDATE ON dispatches",
        "NEW.step <> OLD.step + 1 AND (NEW.step <> OLD.step OR NEW.state <> OLD.state OR NEW.attempts <> OLD.attempts)",
        "a dispatch is never elsewhere than its timeline says",
    ),
    (
        "dispatches_first_stands",
        "UPDATE ON dispatches",
        _STANDS,
        "intent, person and first failure of a dispatch are never changed",
    ),
    (
        "dispatches_end_once",
        "UPDATE OF state ON dispatches",
        _ENDED,
        "a dispatch that has ended is never walked again",
    ),
    ("dispatches_deleted_never", "DELETE ON dispatches", "", "dispatches are never deleted"),
    ("contents_changed_never", "UPDATE ON contents", "", "contents are deleted, never changed"),
    (
        "deposits_changed_never",
        "UPDATE OF dispatch, partner, organisation, contract, deposited_at ON deposits",
        "",
        "deposits are fetched, never changed",
    ),
    ("deposits_deleted_never", "DELETE ON deposits", "", "deposits are never deleted"),
    (
        "instructions_changed_never",
        "UPDATE OF id, dispatch, happening, by, role, reason, at ON instructions",
        "",
        "instructions are settled, never changed",
    ),
    (
        "instructions_settled_once",
        "UPDATE ON instructions",
        "OLD.settled_at IS NOT NULL",
        "an instruction is never settled twice",
    ),
    ("instructions_deleted_never", "DELETE ON instructions", "", "instructions are never deleted"),
)
"""Name, what it comes before, when, and what is said: the same on both."""


def _triggers() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name, what, when, said in _RULES:
            only = f"WHEN {when} " if when else ""
            op.execute(f"CREATE TRIGGER {name} BEFORE {what} {only}BEGIN SELECT RAISE(ABORT, '{said}'); END")
        return
    for name, what, when, said in _RULES:
        only = f"WHEN ({when}) " if when else ""
        op.execute(f"CREATE TRIGGER {name} BEFORE {what} FOR EACH ROW {only}EXECUTE FUNCTION gateway_never('{said}')")
    for table in ("commands", "dispatches", "timeline", "contents", "deposits", "instructions", "pauses"):
        op.execute(
            f"CREATE TRIGGER {table}_emptied_never BEFORE TRUNCATE ON {table} "
            f"EXECUTE FUNCTION gateway_never('{table} are never emptied')"
        )
