"""Whom what waits is about, and what of it is held back after it was decided: events, reviews, dead letters."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_WAITING = "('open', 'asked', 'answered')"
_FACTS = "id, message, event, type, partition, queues, replay_of, replay_reason, dispatch"
VIEWS = {
    "review_protections": (
        "SELECT p.review AS review, p.record AS record, p.own AS own, "  # noqa: S608  # our own words
        "coalesce(t.protection, 'okand') AS protection FROM review_persons p JOIN reviews r ON r.id = p.review "
        f"LEFT JOIN protections t ON t.person = p.person WHERE r.state IN {_WAITING}"
    ),
    "letter_protections": (
        "SELECT l.id AS letter, coalesce(t.protection, 'okand') AS protection, "
        "CASE WHEN l.related IS NULL THEN 'okand' WHEN EXISTS (SELECT 1 FROM protections o WHERE o.rank >= 2 AND "
        "' ' || l.related || ' ' LIKE '% ' || o.person || ' %') THEN 'sekretessmarkering' ELSE 'ingen' END AS beside "
        "FROM dead_letters l LEFT JOIN protections t ON t.person = l.partition WHERE l.state IN ('open', 'asked')"
    ),
    "gallring_shielding": (
        "SELECT s.position AS number, t.at AS at, '' AS contract, s.position AS first, 1 AS leaves, CASE "
        "WHEN EXISTS (SELECT 1 FROM standing_holds h WHERE (h.kind = 'shielding' AND h.number = "
        "s.position) OR (h.kind = 'partner' AND h.partner = NULL AND t.at >= coalesce(h.first, '') AND "
        "t.at < coalesce(h.beyond, '9')) OR (h.kind = 'period' AND t.at >= coalesce(h.first, '') AND t.at "
        "< coalesce(h.beyond, '9')) OR (h.kind = 'person' AND t.at >= coalesce(h.first, '') AND t.at < "
        "coalesce(h.beyond, '9') AND h.pseudonym IN (SELECT w.pseudonym FROM records w WHERE w.position "
        ">= s.position AND w.position < s.position + 1))) THEN 'hold' WHEN EXISTS (SELECT 1 FROM records "
        "w WHERE w.position >= s.position AND w.position < s.position + 1 AND (SELECT count(*) FROM "
        "outbox o WHERE o.partition = w.pseudonym) > 0) THEN 'undelivered' WHEN EXISTS (SELECT 1 FROM "
        "records w WHERE w.position >= s.position AND w.position < s.position + 1 AND (SELECT count(*) "
        "FROM dead_letters o WHERE o.partition = w.pseudonym) > 0) THEN 'letter' END AS held FROM "
        "shieldings s JOIN trail t ON t.position = s.position WHERE s.wrapped_key IS NOT NULL"
    ),
    "held_events": "SELECT id, event, type, partition, queues, body, related FROM outbox WHERE held",
}
"""Protection of those whom something that waits is about, without who they are; the events that are held back."""
_SHIELD = """
CREATE FUNCTION gateway_shield(number bigint, named text, shielded bytea, others text)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE outbox SET body = shielded, related = others, held = false WHERE id = number AND event = named AND held;
    RETURN FOUND;
END $$
"""
"""An event that is held back is changed, and no other."""
_CHANGED = "an event in the outbox is sent as it is, or shielded"


def upgrade() -> None:
    """Add tables, columns, views and function; of what waits already, only whose it is is known."""
    op.create_table(
        "review_persons",
        sa.Column("review", _ID, nullable=False),
        sa.Column("record", sa.Integer, nullable=False, comment="its position; 0 where it is no record"),
        sa.Column("person", sa.String, nullable=False, comment="the pseudonym"),
        sa.Column(
            "own",
            sa.Boolean(create_constraint=False),
            nullable=False,
            comment="whether it is theirs; else it names them",
        ),
        sa.PrimaryKeyConstraint("review", "record", "person", name="pk_review_persons"),
        sa.ForeignKeyConstraint(["review"], ["reviews.id"], name="fk_review_persons_review"),
    )
    op.execute(
        "INSERT INTO review_persons (review, record, person, own) "  # noqa: S608  # our own words
        "SELECT r.id, coalesce(r.record, 0), s.pseudonym, true "
        f"FROM reviews r JOIN records s ON s.position = r.leaf WHERE s.pseudonym IS NOT NULL AND r.state IN {_WAITING}"
    )
    op.create_table(
        "shieldings",
        sa.Column("position", _ID, nullable=False, autoincrement=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("key_id", sa.String, nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary, nullable=True, comment="NULL after gallring"),
        sa.PrimaryKeyConstraint("position", name="pk_shieldings"),
        sa.ForeignKeyConstraint(["position"], ["leaves.position"], name="fk_shieldings_position"),
    )
    related = "pseudonyms of whom else it names, separated by spaces; NULL: nobody knows"
    op.add_column("outbox", sa.Column("related", sa.Text, nullable=True, comment=related))
    op.add_column(
        "outbox",
        sa.Column(
            "held",
            sa.Boolean(create_constraint=False),
            nullable=False,
            server_default=sa.false(),
            comment="whether it may not go as it is",
        ),
    )
    op.create_index("ix_outbox_held", "outbox", ["id"], sqlite_where=sa.text("held"), postgresql_where=sa.text("held"))
    op.add_column(
        "dead_letters",
        sa.Column(
            "related",
            sa.Text,
            nullable=True,
            comment="pseudonyms of whom else it names; NULL: nobody knows, or it is judged",
        ),
    )
    embedded = op.get_bind().dialect.name == "sqlite"
    # A barrier: nobody's own function in a question sees a row that the view does not show.
    barrier = "" if embedded else "WITH (security_barrier) "
    for name, select in VIEWS.items():
        op.execute(f"CREATE VIEW {name} {barrier}AS {select}")
    _triggers(embedded=embedded)
    if not embedded:
        op.execute(_SHIELD)
        op.execute("REVOKE ALL ON FUNCTION gateway_shield(bigint, text, bytea, text) FROM PUBLIC")


def _triggers(*, embedded: bool) -> None:
    for name, of, when in (
        ("changed_never", _FACTS, ""),
        ("shielded_only", "body, related", "WHEN {}NOT OLD.held{} "),
    ):
        if embedded:
            op.execute(
                f"CREATE TRIGGER outbox_{name} BEFORE UPDATE OF {of} ON outbox {when.format('', '')}"
                f"BEGIN SELECT RAISE(ABORT, '{_CHANGED}'); END"
            )
        else:
            op.execute(
                f"CREATE TRIGGER outbox_{name} BEFORE UPDATE OF {of} ON outbox FOR EACH ROW {when.format('(', ')')}"
                f"EXECUTE FUNCTION gateway_never('{_CHANGED}')"
            )
