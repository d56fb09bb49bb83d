"""What a person must decide: reviews, what was done to them, and who may read what waits."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add tables, views and function."""
    _reviews()
    _steps()
    _views()
    _triggers()
    if op.get_bind().dialect.name != "sqlite":
        op.execute(_EMPTY)
        op.execute("REVOKE ALL ON FUNCTION gateway_empty_quarantine(bigint, text, bytea, bytea) FROM PUBLIC")


def _text(
    name: str, length: int | None = None, *, nullable: bool = False, comment: str | None = None
) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=nullable, comment=comment)


def _number(name: str, *, nullable: bool = False, comment: str | None = None) -> sa.Column[int]:
    return sa.Column(name, _ID, nullable=nullable, autoincrement=False, comment=comment)


def _whole(
    name: str, *, nullable: bool = False, default: str | None = None, comment: str | None = None
) -> sa.Column[int]:
    server = None if default is None else sa.text(default)
    return sa.Column(name, sa.Integer, nullable=nullable, server_default=server, autoincrement=False, comment=comment)


def _truth(name: str, comment: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(create_constraint=False), nullable=False, comment=comment)


def _reviews() -> None:
    op.create_table(
        "reviews",
        _number("id"),
        _text("kind", comment="record, answer, quarantine or dispatch"),
        _number("message", nullable=True, comment="what waits: a record of this message, or"),
        _number("refusal", nullable=True, comment="this refusal's sealed bytes, or"),
        _number("dispatch", nullable=True, comment="this dispatch, or a record of its answer"),
        _whole("record", nullable=True, comment="its position"),
        _text("partner"),
        _text("organisation", 10),
        _text("contract"),
        _text("information"),
        _text("basis", nullable=True),
        _text("lagrum", comment="what it was judged by: id@version, separated by spaces"),
        _text("policy", 64),
        _text("reasons", comment="the question: codes, separated by spaces"),
        _text("role", comment="who answers"),
        _truth("four_eyes", "a yes takes two people"),
        _truth("balancing", "a yes names a written balancing of interests"),
        _text("laws", comment="why that role: ids, separated by spaces"),
        _text("opened_at", 27),
        _text("expires_at", 27),
        _number("leaf", comment="the one that says that it waits"),
        sa.Column("state", sa.String, nullable=False, server_default=sa.text("'open'")),
        _whole("step", default="0", comment="the last of its steps"),
        _text("answer", nullable=True, comment="what was asked for or answered"),
        _text("fields", nullable=True, comment="those that may pass, separated by spaces; NULL: all that may by law"),
        _text("changed_at", 27),
        _number("outcome", nullable=True, comment="the leaf that says what came of it"),
        _text("key_id", nullable=True),
        sa.Column(
            "wrapped_key", sa.LargeBinary, nullable=True, comment="of that leaf's record, where nothing else has it"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_reviews"),
        sa.ForeignKeyConstraint(["message"], ["messages.id"], name="fk_reviews_message"),
        sa.ForeignKeyConstraint(["refusal"], ["refusals.id"], name="fk_reviews_refusal"),
        sa.ForeignKeyConstraint(["dispatch"], ["dispatches.id"], name="fk_reviews_dispatch"),
        sa.ForeignKeyConstraint(["leaf"], ["leaves.position"], name="fk_reviews_leaf"),
    )
    op.create_index("ix_reviews_state", "reviews", ["state", "expires_at"])
    for column in ("message", "refusal", "dispatch", "outcome"):
        only = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"ix_reviews_{column}", "reviews", [column], sqlite_where=only, postgresql_where=only)


def _steps() -> None:
    op.create_table(
        "review_steps",
        _number("review"),
        _whole("step", comment="from 1, for each review"),
        _text("action"),
        _text("after"),
        _text("by", comment="empty where it was the gateway"),
        _text("role", comment="as whom: the one that answers; empty where it was the gateway"),
        _text("account", comment="the database's, where it has roles"),
        _text("answer", nullable=True),
        _text("fields", nullable=True),
        _text("reason"),
        _text("note", nullable=True, comment="the reference of a written balancing"),
        _text("at", 27),
        sa.PrimaryKeyConstraint("review", "step", name="pk_review_steps"),
        sa.ForeignKeyConstraint(["review"], ["reviews.id"], name="fk_review_steps_review"),
    )


_WAITS = "EXISTS (SELECT 1 FROM reviews r WHERE r.{} = {} AND r.state IN ('open', 'asked', 'answered'))"
_OF_RECORDS = " OR ".join(
    f"(l.{one} IS NOT NULL AND {_WAITS.format(one, f'l.{one}')})" for one in ("message", "refusal", "dispatch")
)
VIEWS = {
    "review_evidence": (
        "SELECT e.message AS message, e.key_id AS key_id, e.wrapped_key AS wrapped_key, "  # noqa: S608  # our own words
        "e.sealed AS sealed FROM evidence e WHERE " + _WAITS.format("message", "e.message")
    ),
    "review_quarantine": (
        "SELECT q.refusal AS refusal, f.key_id AS key_id, f.wrapped_key AS wrapped_key, "  # noqa: S608  # our own words
        "q.sealed AS sealed FROM quarantine q JOIN refusals f ON f.id = q.refusal WHERE "
        + _WAITS.format("refusal", "f.id")
    ),
    "review_contents": (
        "SELECT c.dispatch AS dispatch, c.step AS step, c.name AS name, c.key_id AS key_id, "  # noqa: S608  # our own words
        "c.wrapped_key AS wrapped_key, c.sealed AS sealed FROM contents c WHERE c.name IN ('command', 'answer') AND "
        + _WAITS.format("dispatch", "c.dispatch")
    ),
    "review_records": (
        "SELECT l.position AS position, s.sealed AS sealed FROM leaves l "  # noqa: S608  # our own words
        "JOIN records s ON s.position = l.position WHERE " + _OF_RECORDS
    ),
}
"""What is sealed of that which waits, and of nothing else: for whoever answers, and who carries it out."""


def _views() -> None:
    # A barrier: nobody's own function in a question sees a row that the view does not show.
    barrier = "" if op.get_bind().dialect.name == "sqlite" else "WITH (security_barrier) "
    for name, select in VIEWS.items():
        op.execute(f"CREATE VIEW {name} {barrier}AS {select}")


_FIXED = (
    "id, kind, message, refusal, dispatch, record, partner, organisation, contract, information, basis, lagrum, "
    "policy, reasons, role, four_eyes, balancing, laws, opened_at, expires_at, leaf"
)
_RULES = (
    ("review_steps_changed_never", "UPDATE ON review_steps", "", "review_steps are never changed"),
    ("review_steps_deleted_never", "DELETE ON review_steps", "", "review_steps are never deleted"),
    ("reviews_changed_never", f"UPDATE OF {_FIXED} ON reviews", "", "reviews are answered, never changed"),
    ("reviews_deleted_never", "DELETE ON reviews", "", "reviews are never deleted"),
    (
        "reviews_step_by_step",
        "UPDATE ON reviews",
        "NEW.step <> OLD.step + 1 AND (NEW.step <> OLD.step OR NEW.state <> OLD.state)",
        "a review is never elsewhere than its steps say",
    ),
    (
        "reviews_end_once",
        "UPDATE OF state ON reviews",
        "NEW.state <> OLD.state AND OLD.state NOT IN ('open', 'asked', 'answered')",
        "a review that has ended is never answered again",
    ),
    (
        "reviews_answered_by_people",
        "UPDATE OF state ON reviews",
        (
            "NEW.state <> OLD.state AND NEW.state IN ('permitted', 'released', 'destroyed') "
            "AND (OLD.state <> 'answered' OR OLD.answer IS NULL OR OLD.answer <> CASE NEW.state "
            "WHEN 'permitted' THEN 'permit' "
            "WHEN 'released' THEN 'release' ELSE 'destroy' END)"
        ),
        "nothing passes that nobody has answered",
    ),
    (
        "reviews_answered_by_two",
        "UPDATE OF state ON reviews",
        (
            "NEW.state = 'answered' AND OLD.state NOT IN ('asked', 'answered') AND (NEW.kind = 'quarantine' "
            "OR (NEW.four_eyes AND (NEW.answer IS NULL OR NEW.answer <> 'deny')))"
        ),
        "what takes two people is not answered by one",
    ),
    (
        "reviews_answer_stands",
        "UPDATE ON reviews",
        (
            "OLD.state IN ('asked', 'answered') AND NEW.state <> 'open' "
            "AND (NEW.answer IS DISTINCT FROM OLD.answer OR NEW.fields IS DISTINCT FROM OLD.fields)"
        ),
        "what one has asked for, another approves or not",
    ),
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
    for table in ("reviews", "review_steps"):
        op.execute(
            f"CREATE TRIGGER {table}_emptied_never BEFORE TRUNCATE ON {table} "
            f"EXECUTE FUNCTION gateway_never('{table} are never emptied')"
        )


_EMPTY = """
CREATE FUNCTION gateway_empty_quarantine(number bigint, key text, wrapped bytea, record bytea)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    place bigint;
BEGIN
    PERFORM 1 FROM reviews WHERE refusal = number AND kind = 'quarantine' AND state = 'answered'
        AND answer IN ('release', 'destroy') FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'nobody has answered what becomes of refusal %', number;
    END IF;
    DELETE FROM quarantine WHERE refusal = number;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT position INTO place FROM refusals WHERE id = number;
    DELETE FROM records WHERE position = place;
    UPDATE refusals SET key_id = key, wrapped_key = wrapped WHERE id = number;
    INSERT INTO records (position, pseudonym, sealed) VALUES (place, NULL, record);
    RETURN true;
END $$
"""
"""The bytes go, with their key; the record of the refusal stays, under a new one. Only after two people's answer."""
