"""Cases drawn for the recurring control, and what their reviews found."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TABLES = ("control_draws", "control_cases", "control_officials", "control_marks")
_OWN = 'EXISTS (SELECT 1 FROM control_officials o WHERE o.case_id = NEW.case_id AND o.official = NEW."by")'
_SAID = "nobody reviews their own doing"
_REVIEWED = f"""
CREATE FUNCTION gateway_reviewed_by_others() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF {_OWN} THEN
        RAISE EXCEPTION '{_SAID}' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""


def _text(name: str, comment: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.String, nullable=False, comment=comment)


def _month() -> sa.Column[str]:
    return sa.Column("month", sa.String(7), nullable=False)


def _at(name: str, comment: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.String(27), nullable=False, comment=comment)


def _number(name: str, *, nullable: bool = False, comment: str | None = None) -> sa.Column[int]:
    return sa.Column(name, _ID, nullable=nullable, autoincrement=False, comment=comment)


def upgrade() -> None:
    """Add tables and what keeps them as they were written."""
    _drawn()
    _marked()
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table in _TABLES:
        for verb, word in (("UPDATE", "changed"), ("DELETE", "deleted")):
            _trigger(f"{table}_{word}_never", f"{verb} ON {table}", f"{table} are never {word}", sqlite=sqlite)
        if not sqlite:
            op.execute(
                f"CREATE TRIGGER {table}_emptied_never BEFORE TRUNCATE ON {table} "
                f"EXECUTE FUNCTION gateway_never('{table} are never emptied')"
            )
    name = "control_marks_by_others"
    if sqlite:
        op.execute(
            f"CREATE TRIGGER {name} BEFORE INSERT ON control_marks WHEN {_OWN} "
            f"BEGIN SELECT RAISE(ABORT, '{_SAID}'); END"
        )
        return
    op.execute(_REVIEWED)
    op.execute("REVOKE ALL ON FUNCTION gateway_reviewed_by_others() FROM PUBLIC")
    op.execute(
        f"CREATE TRIGGER {name} BEFORE INSERT ON control_marks FOR EACH ROW "
        "EXECUTE FUNCTION gateway_reviewed_by_others()"
    )


def _trigger(name: str, what: str, said: str, *, sqlite: bool) -> None:
    if sqlite:
        op.execute(f"CREATE TRIGGER {name} BEFORE {what} BEGIN SELECT RAISE(ABORT, '{said}'); END")
    else:
        op.execute(f"CREATE TRIGGER {name} BEFORE {what} FOR EACH ROW EXECUTE FUNCTION gateway_never('{said}')")


def _drawn() -> None:
    op.create_table(
        "control_draws",
        _month(),
        sa.Column("seed", sa.String(64), nullable=False, comment="hexadecimal"),
        sa.Column(
            "given", sa.Boolean(create_constraint=False), nullable=False, comment="by a person, who could choose it"
        ),
        sa.Column("size", sa.Integer, nullable=False, comment="to be drawn of each stratum"),
        sa.Column("most", sa.Integer, nullable=False, comment="to be taken of what each question finds"),
        _number("length", comment="of the log then: no later leaf was drawn from"),
        sa.Column("urns", sa.Text, nullable=False, comment="JSON: how many there were of each stratum and question"),
        _text("by"),
        _at("at"),
        _at("due", "when all of it should have been reviewed"),
        _number("reading", comment="where the log of readings tells of it"),
        sa.PrimaryKeyConstraint("month", name="pk_control_draws"),
    )
    op.create_table(
        "control_cases",
        _number("id"),
        _month(),
        _text("why", "officials, systems, or a question"),
        sa.Column("lot", sa.String(64), nullable=False),
        _number("position", nullable=True, comment="of the leaf; NULL: it is about more than one, or none"),
        sa.Column(
            "facts", sa.Text, nullable=False, comment="JSON: what the trail then told, without whom it was about"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_control_cases"),
        sa.ForeignKeyConstraint(["month"], ["control_draws.month"], name="fk_control_cases_month"),
    )
    op.create_index("ix_control_cases_month", "control_cases", ["month"])


def _marked() -> None:
    op.create_table(
        "control_officials",
        _number("case_id"),
        _text("official"),
        sa.PrimaryKeyConstraint("case_id", "official", name="pk_control_officials"),
        sa.ForeignKeyConstraint(["case_id"], ["control_cases.id"], name="fk_control_officials_case_id"),
    )
    op.create_table(
        "control_marks",
        _number("case_id"),
        sa.Column(
            "step", sa.Integer, nullable=False, autoincrement=False, comment="from 1, for each case; the last counts"
        ),
        _text("outcome"),
        _text("by"),
        _text("reason"),
        _at("at"),
        _number("reading", comment="where the log of readings tells of it"),
        sa.PrimaryKeyConstraint("case_id", "step", name="pk_control_marks"),
        sa.ForeignKeyConstraint(["case_id"], ["control_cases.id"], name="fk_control_marks_case_id"),
    )
