"""What is told of each leaf without opening it: the trail that auditors ask.

What is in the log already has none: it is under seal, and no step of a schema opens seals. It is written down which
leaves those are, and nothing is answered before `gateway audit trail rebuild` has made theirs.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_LISTS = ("purposes", "lagrum", "reasons", "granted", "withheld")
_FLOW = (
    "kind", "direction", "partner", "contract", "information", "interaction", "asker", "purposes", "basis", "lagrum",
    "policy", "outcome", "reasons", "granted", "withheld", "protection", "code", "state", "released", "waited", "role",
    "answer",
)  # fmt: skip
_AHEAD = r"""
CREATE OR REPLACE FUNCTION gateway_add_partition(parent text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    bounds text[];
    width bigint;
    first bigint;
    named text;
    key text := CASE parent WHEN 'evidence' THEN 'message' WHEN 'leaves' THEN 'position' WHEN 'records' THEN 'position'
        WHEN 'trail' THEN 'position' END;
BEGIN
    IF key IS NULL THEN
        RAISE EXCEPTION 'only evidence, leaves, records and trail have partitions';
    END IF;
    -- Nobody numbers meanwhile: attaching locks what the journal's transaction locks, in another order.
    PERFORM pg_advisory_xact_lock(1734440037, 1);
    SELECT regexp_match(pg_get_expr(c.relpartbound, c.oid), $x$FROM \('(\d+)'\) TO \('(\d+)'\)$x$) INTO bounds
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = parent::regclass
        ORDER BY (regexp_match(pg_get_expr(c.relpartbound, c.oid), $x$TO \('(\d+)'\)$x$))[1]::bigint DESC LIMIT 1;
    first := bounds[2]::bigint;
    width := first - bounds[1]::bigint;
    named := parent || '_' || lpad(first::text, 12, '0');
    -- Made apart and attached: CREATE TABLE … PARTITION OF would wait for every reader, and everybody for it.
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', named, parent);
    EXECUTE format('ALTER TABLE %I ADD CONSTRAINT bounds CHECK (%I >= %s AND %I < %s)', named, key, first, key,
        first + width);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', parent, named, first,
        first + width);
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT bounds', named);
    PERFORM gateway_guard_partition(named, parent);
    RETURN first + width;
END $$
"""
_STRETCHES = r"""
    SELECT (bounds.found)[1]::bigint, (bounds.found)[2]::bigint
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid,
        LATERAL (SELECT regexp_match(pg_get_expr(c.relpartbound, c.oid), $x$FROM \('(\d+)'\) TO \('(\d+)'\)$x$)
            AS found) AS bounds
    WHERE i.inhparent = 'leaves'::regclass ORDER BY 1
"""


def upgrade() -> None:
    """Add the tables, and say which leaves have no trail."""
    _tables()
    _triggers()
    if op.get_bind().dialect.name != "sqlite":
        op.execute(_AHEAD)
        for first, beyond in op.get_bind().exec_driver_sql(_STRETCHES).fetchall():
            named = f"trail_{first:012}"
            op.execute(f"CREATE TABLE {named} PARTITION OF trail FOR VALUES FROM ({first}) TO ({beyond})")
            op.execute(f"SELECT gateway_guard_partition('{named}', 'trail')")
    op.execute(
        "INSERT INTO trail_gaps (first, last) SELECT 0, max(position) FROM leaves HAVING max(position) IS NOT NULL"
    )


def _tables() -> None:
    op.create_table(
        "flows",
        sa.Column("id", _ID, nullable=False, autoincrement=False),
        *(sa.Column(name, sa.String, nullable=name not in {"kind", *_LISTS}) for name in _FLOW),
        sa.Column("noted", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("consented", sa.Boolean(create_constraint=False), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_flows"),
    )
    op.create_table(
        "trail",
        sa.Column("position", _ID, nullable=False, autoincrement=False),
        sa.Column(
            "flow",
            _ID,
            nullable=False,
            autoincrement=False,
            comment="no foreign key: it would lock the flow's one row at every commit",
        ),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("organisation", sa.String, nullable=True),
        sa.Column("reference", sa.String, nullable=True, comment="the message's id, or the dispatch's"),
        sa.Column("record", sa.Integer, nullable=True, autoincrement=False),
        sa.Column("by", sa.String, nullable=True, comment="the official, or the process"),
        sa.Column("second", sa.String, nullable=True, comment="the official who agreed"),
        sa.Column("case_key", sa.String(32), nullable=True, comment="keyed hash"),
        sa.Column("consent_key", sa.String(32), nullable=True, comment="keyed hash"),
        sa.Column("consent_until", sa.String(10), nullable=True),
        sa.PrimaryKeyConstraint("position", name="pk_trail"),
        sa.ForeignKeyConstraint(["position"], ["leaves.position"], name="fk_trail_position"),
        postgresql_partition_by="RANGE (position)",
    )
    op.create_index("ix_trail_flow", "trail", ["flow", "at", "position"])
    for column in ("case_key", "by"):
        only = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"ix_trail_{column}", "trail", [column], sqlite_where=only, postgresql_where=only)
    op.create_table(
        "trail_gaps",
        sa.Column("first", _ID, nullable=False, autoincrement=False),
        sa.Column("last", _ID, nullable=False, autoincrement=False),
        sa.Column("filled_at", sa.String(27), nullable=True, comment="NULL: these leaves may have no trail yet"),
        sa.PrimaryKeyConstraint("first", name="pk_trail_gaps"),
    )


def _triggers() -> None:
    for table, verb, word, said in (
        ("flows", "UPDATE", "changed", "flows are never changed"),
        ("flows", "DELETE", "deleted", "flows are never deleted"),
        ("trail", "UPDATE", "changed", "trail are deleted, never changed"),
        ("trail_gaps", "DELETE", "deleted", "trail_gaps are never deleted"),
    ):
        named = f"CREATE TRIGGER {table}_{word}_never BEFORE {verb} ON {table} "
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"{named}BEGIN SELECT RAISE(ABORT, '{said}'); END")
        else:
            op.execute(f"{named}FOR EACH ROW EXECUTE FUNCTION gateway_never('{said}')")
    if op.get_bind().dialect.name == "sqlite":
        return
    for table in ("flows", "trail", "trail_gaps"):
        op.execute(
            f"CREATE TRIGGER {table}_emptied_never BEFORE TRUNCATE ON {table} "
            f"EXECUTE FUNCTION gateway_never('{table} are never emptied')"
        )
