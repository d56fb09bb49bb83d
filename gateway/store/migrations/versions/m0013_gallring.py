"""What has been destroyed by which rule, what may not be, and who may destroy it on PostgreSQL."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_GALLRA = """
CREATE FUNCTION gateway_gallra(which bigint, numbers bigint[])
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET jit = off AS $$
DECLARE
    what text;
    wanted bigint := cardinality(numbers);
    ripe bigint;
    places bigint[];
    whose text[];
BEGIN
    -- Only what this very transaction has written down, with its leaf.
    SELECT g.data INTO what FROM gallringar g WHERE g.id = which AND g.count = wanted
        AND g.xmin::text = (pg_current_xact_id()::text::numeric % 4294967296)::text;
    IF NOT FOUND OR EXISTS (SELECT 1 FROM gallrade d WHERE d.gallring = which) THEN
        RAISE EXCEPTION 'destruction % is not one of this transaction', which;
    END IF;
    EXECUTE format('SELECT count(*) FROM %I WHERE number = ANY ($1) AND held IS NULL', 'gallring_' || what)
        INTO ripe USING numbers;
    IF ripe <> wanted THEN
        RAISE EXCEPTION 'of % to be destroyed only % may be', wanted, ripe;
    END IF;
    CASE what
    WHEN 'evidence' THEN
        UPDATE evidence SET sealed = '' WHERE message = ANY (numbers);
    WHEN 'record' THEN
        places := numbers;
    WHEN 'content' THEN
        WITH gone AS (
            DELETE FROM contents WHERE dispatch = ANY (numbers) AND length(sealed) > 0
            RETURNING dispatch, step, name, key_id, wrapped_key
        )
        INSERT INTO contents (dispatch, step, name, key_id, wrapped_key, sealed)
            SELECT g.dispatch, g.step, g.name, g.key_id, g.wrapped_key, '' FROM gone g
            JOIN timeline t ON t.dispatch = g.dispatch AND t.step = g.step WHERE t.first_leaf IS NOT NULL;
    WHEN 'dispatch' THEN
        SELECT array_agg(p) INTO places FROM timeline t,
            LATERAL generate_series(t.first_leaf, t.first_leaf + t.leaf_count - 1) p
            WHERE t.dispatch = ANY (numbers) AND t.first_leaf IS NOT NULL;
        DELETE FROM contents WHERE dispatch = ANY (numbers);
        UPDATE dispatches SET pseudonym = NULL WHERE id = ANY (numbers);
    WHEN 'review' THEN
        SELECT array_agg(outcome) INTO places FROM reviews WHERE id = ANY (numbers);
        DELETE FROM review_persons WHERE review = ANY (numbers);
        UPDATE reviews SET key_id = NULL, wrapped_key = NULL WHERE id = ANY (numbers);
    WHEN 'shielding' THEN
        places := numbers;
        UPDATE shieldings SET wrapped_key = NULL WHERE position = ANY (numbers);
    WHEN 'refusal', 'quarantine' THEN
        SELECT array_agg(position) INTO places FROM refusals WHERE id = ANY (numbers);
        DELETE FROM quarantine WHERE refusal = ANY (numbers);
        UPDATE refusals SET wrapped_key = NULL WHERE id = ANY (numbers);
    END CASE;
    IF places IS NOT NULL THEN
        SELECT array_agg(DISTINCT pseudonym) INTO whose FROM records
            WHERE position = ANY (places) AND pseudonym IS NOT NULL;
        DELETE FROM trail WHERE position = ANY (places);
        DELETE FROM records WHERE position = ANY (places);
        DELETE FROM evidence e USING leaves l, messages m
            WHERE what = 'record' AND l.position = ANY (places) AND m.id = l.message AND e.message = m.id
            AND NOT EXISTS (SELECT 1 FROM records r
                WHERE r.position >= m.first_leaf AND r.position < m.first_leaf + m.leaf_count);
        DELETE FROM protections p WHERE p.person = ANY (whose) AND p.rank <= 1
            AND p.revision < (SELECT max(revision) FROM protections)
            AND NOT EXISTS (SELECT 1 FROM records r WHERE r.pseudonym = p.person);
    END IF;
    INSERT INTO gallrade (data, first, last, gallring)
        SELECT what, min(n), max(n), which FROM (
            SELECT n, n - row_number() OVER (ORDER BY n) AS stretch FROM unnest(numbers) n
        ) s GROUP BY stretch;
    RETURN wanted;
END $$
"""
"""Destroys one class of data, of things that nothing holds, and writes down what: nobody who serves may delete."""
_RELEASE = """
CREATE FUNCTION gateway_forget_hold(which bigint)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE holds SET pseudonym = NULL
        WHERE id = which AND EXISTS (SELECT 1 FROM hold_steps s WHERE s.hold = which AND s.action = 'release');
    RETURN FOUND;
END $$
"""
"""Whose a released hold was is kept no longer."""
_TWO = """
CREATE FUNCTION gateway_released_by_two() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.action = 'release' AND NOT EXISTS (SELECT 1 FROM hold_steps s WHERE s.hold = NEW.hold
        AND s.step = NEW.step - 1 AND s.action = 'ask' AND s."by" <> NEW."by") THEN
        RAISE EXCEPTION 'a hold that one wants released, another releases' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""


_STANDING = (
    "CREATE VIEW standing_holds AS SELECT h.id AS id, h.kind AS kind, h.number AS number, h.pseudonym AS pseudonym, "
    "h.partner AS partner, h.first AS first, h.beyond AS beyond FROM holds h WHERE NOT EXISTS "
    "(SELECT 1 FROM hold_steps s WHERE s.hold = h.id AND s.action = 'release')"
)
"""Legal holds that nobody has released."""

_ABOUT = "EXISTS (SELECT 1 FROM {table} o WHERE o.partition = {person})"
_AMONG = (
    "EXISTS (SELECT 1 FROM records w WHERE w.position >= {first} AND w.position < {first} + {leaves} AND "
    "(SELECT count(*) FROM {table} o WHERE o.partition = w.pseudonym) > 0)"
)
"""Counted, so that PostgreSQL looks each person up, and does not join all records with all that waits."""
_UNSETTLED = "EXISTS (SELECT 1 FROM reviews q WHERE q.{} = {} AND q.state IN ('open', 'asked', 'answered'))"
_WITHIN = "{at} >= coalesce(h.first, '') AND {at} < coalesce(h.beyond, '9')"


def _hold(at: str, partner: str, persons: str, *, kind: str, number: str) -> str:
    within = _WITHIN.format(at=at)
    return (
        f"EXISTS (SELECT 1 FROM standing_holds h WHERE (h.kind = '{kind}' AND h.number = {number}) "  # noqa: S608  # our own words
        f"OR (h.kind = 'partner' AND h.partner = {partner} AND {within}) OR (h.kind = 'period' AND {within}) "
        f"OR (h.kind = 'person' AND {within} AND h.pseudonym IN ({persons})))"
    )


def _waits(first: str, leaves: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return what tells of undelivered events and unjudged letters about the persons of a span of leaves."""
    events, letters = (_AMONG.format(table=one, first=first, leaves=leaves) for one in ("outbox", "dead_letters"))
    return ("undelivered", events), ("letter", letters)


def _waits_of(person: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return the same of one person."""
    events, letters = (_ABOUT.format(table=one, person=person) for one in ("outbox", "dead_letters"))
    return ("undelivered", events), ("letter", letters)


def _persons(first: str, leaves: str) -> str:
    return f"SELECT w.pseudonym FROM records w WHERE w.position >= {first} AND w.position < {first} + {leaves}"  # noqa: S608  # our own words


def _case(*reasons: tuple[str, str]) -> str:
    return "CASE " + " ".join(f"WHEN {when} THEN '{reason}'" for reason, when in reasons) + " END"


def _view(data: str, columns: str, held: str, rows: str) -> str:
    return f"CREATE VIEW gallring_{data} AS SELECT {columns}, {held} AS held FROM {rows}"  # noqa: S608  # our own words


def _evidence() -> str:
    persons = _persons("m.first_leaf", "m.leaf_count")
    held = _case(
        ("hold", _hold("m.accepted_at", "m.partner", persons, kind="message", number="m.id")),
        ("review", _UNSETTLED.format("message", "m.id")),
        *_waits("m.first_leaf", "m.leaf_count"),
    )
    columns = (
        "m.id AS number, m.accepted_at AS at, m.contract AS contract, m.first_leaf AS first, m.leaf_count AS leaves"
    )
    return _view("evidence", columns, held, "evidence e JOIN messages m ON m.id = e.message WHERE length(e.sealed) > 0")


def _record() -> str:
    held = _case(
        ("hold", _hold("m.accepted_at", "m.partner", "r.pseudonym", kind="message", number="m.id")),
        ("review", _UNSETTLED.format("message", "m.id")),
        *_waits_of("r.pseudonym"),
        ("evidence", "EXISTS (SELECT 1 FROM evidence e WHERE e.message = m.id AND length(e.sealed) > 0)"),
    )
    columns = "r.position AS number, m.accepted_at AS at, m.contract AS contract, r.position AS first, 1 AS leaves"
    return _view(
        "record", columns, held,
        "records r JOIN leaves l ON l.position = r.position JOIN messages m ON m.id = l.message",
    )  # fmt: skip


_ENDED = "d.state IN ('delivered', 'denied', 'refused', 'unusable', 'expired', 'withdrawn')"
_SEALED = "EXISTS (SELECT 1 FROM contents c WHERE c.dispatch = d.id AND length(c.sealed) > 0)"


def _dispatched(data: str, having: str, *more: tuple[str, str]) -> str:
    held = _case(
        ("hold", _hold("d.changed_at", "d.partner", "d.pseudonym", kind="dispatch", number="d.id")),
        ("review", _UNSETTLED.format("dispatch", "d.id")),
        *_waits_of("d.pseudonym"),
        ("undelivered", "EXISTS (SELECT 1 FROM outbox o WHERE o.dispatch = d.id)"),
        ("instruction", "EXISTS (SELECT 1 FROM instructions i WHERE i.dispatch = d.id AND i.settled_at IS NULL)"),
        ("mailbox", "EXISTS (SELECT 1 FROM deposits b WHERE b.dispatch = d.id AND b.kept_until IS NOT NULL)"),
        *more,
    )
    # A dispatch's leaves stand in several places: what decided it is found by its intent, or by its contract.
    columns = (
        "d.id AS number, d.changed_at AS at, d.contract AS contract, coalesce(d.intent, 0) AS first, "
        "CASE WHEN d.intent IS NULL THEN 0 ELSE 1 END AS leaves"
    )
    return _view(data, columns, held, f"dispatches d WHERE {_ENDED} AND {having}")


def _review() -> str:
    persons = _persons("r.outcome", "1")
    held = _case(
        ("hold", _hold("r.changed_at", "r.partner", persons, kind="message", number="r.message")),
        ("hold", _hold("r.changed_at", "r.partner", persons, kind="dispatch", number="r.dispatch")),
        *_waits("r.outcome", "1"),
    )
    columns = "r.id AS number, r.changed_at AS at, r.contract AS contract, r.outcome AS first, 1 AS leaves"
    return _view("review", columns, held, "reviews r WHERE r.wrapped_key IS NOT NULL AND r.outcome IS NOT NULL")


def _refused(data: str, having: str) -> str:
    held = _case(
        ("hold", _hold("f.at", "f.partner", "SELECT NULL", kind="refusal", number="f.id")),
        ("review", _UNSETTLED.format("refusal", "f.id")),
    )
    columns = "f.id AS number, f.at AS at, f.contract AS contract, f.position AS first, 1 AS leaves"
    rows = (
        f"refusals f WHERE f.wrapped_key IS NOT NULL AND {having} (SELECT 1 FROM quarantine q WHERE q.refusal = f.id)"  # noqa: S608  # our own words
    )
    return _view(data, columns, held, rows)


_RIPE = (
    _STANDING,
    _evidence(),
    _record(),
    _dispatched("content", _SEALED),
    _dispatched(
        "dispatch",
        "(d.pseudonym IS NOT NULL OR EXISTS (SELECT 1 FROM contents c WHERE c.dispatch = d.id))",
        ("evidence", _SEALED),
    ),
    _review(),
    _refused("refusal", "NOT EXISTS"),
    _refused("quarantine", "EXISTS"),
)
VIEWS = tuple(tuple(one.removeprefix("CREATE VIEW ").split(" AS ", 1)) for one in _RIPE)
"""Names, and what they select."""


def upgrade() -> None:
    """Add tables, views and functions."""
    op.create_index("ix_dead_letters_partition", "dead_letters", ["partition"])
    _gallringar()
    _holds()
    # A barrier: nobody's own function in a question sees a row that the view does not show.
    barrier = "" if op.get_bind().dialect.name == "sqlite" else "WITH (security_barrier) "
    for name, select in VIEWS:
        op.execute(f"CREATE VIEW {name} {barrier}AS {select}")
    _triggers()
    if op.get_bind().dialect.name != "sqlite":
        for function in (_GALLRA, _RELEASE):
            op.execute(function)
        for name in ("gateway_gallra(bigint, bigint[])", "gateway_forget_hold(bigint)"):
            op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")


def _text(name: str, *, nullable: bool = False, comment: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.String, nullable=nullable, comment=comment)


def _at(name: str, *, nullable: bool = False, comment: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.String(27), nullable=nullable, comment=comment)


def _number(name: str, *, nullable: bool = False, comment: str | None = None) -> sa.Column[int]:
    return sa.Column(name, _ID, nullable=nullable, autoincrement=False, comment=comment)


def _sealed(*, nullable: bool, comment: str | None = None) -> list[Any]:
    return [
        _number("position", nullable=nullable, comment=comment),
        _text("key_id", nullable=nullable),
        sa.Column("wrapped_key", sa.LargeBinary, nullable=nullable),
    ]


def _gallringar() -> None:
    op.create_table(
        "gallringar",
        _number("id"),
        _text("rule", comment="id and first day of the rule"),
        _text("data", comment="the class of data"),
        sa.Column("count", sa.Integer, nullable=False, comment="how many were destroyed"),
        _text("by", comment="user, machine and process"),
        _at("at"),
        *_sealed(nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_gallringar"),
        sa.ForeignKeyConstraint(["position"], ["leaves.position"], name="fk_gallringar_position"),
    )
    op.create_index("ix_gallringar_at", "gallringar", ["at"])
    op.create_table(
        "gallrade",
        _text("data"),
        _number("first", comment="of the numbers that were destroyed, and"),
        _number("last", comment="the last: all between are gone too"),
        _number("gallring"),
        sa.PrimaryKeyConstraint("data", "first", name="pk_gallrade"),
        sa.ForeignKeyConstraint(["gallring"], ["gallringar.id"], name="fk_gallrade_gallring"),
    )
    op.create_table(
        "gallring_due",
        _text("rule", comment="id and first day"),
        _text("data"),
        sa.Column(
            "destroys",
            sa.Boolean(create_constraint=False),
            nullable=False,
            comment="false: not verified, and refused",
        ),
        sa.Column("ripe", sa.BigInteger, nullable=False, comment="due, and held by nothing"),
        sa.Column("held", sa.BigInteger, nullable=False, comment="due, and held"),
        _at("oldest", nullable=True, comment="when the first that is ripe was due"),
        _at("at", comment="when it was looked at"),
        sa.PrimaryKeyConstraint("rule", name="pk_gallring_due"),
    )


def _holds() -> None:
    op.create_table(
        "holds",
        _number("id"),
        _text("kind", comment="message, dispatch, refusal, person, partner or period"),
        _number("number", nullable=True, comment="of the message, dispatch or refusal"),
        _text("pseudonym", nullable=True, comment="whose; NULL again when it is released"),
        _text("partner", nullable=True),
        _at("first", nullable=True, comment="only what came or ended then or later, and"),
        _at("beyond", nullable=True, comment="before this"),
        sa.PrimaryKeyConstraint("id", name="pk_holds"),
    )
    op.create_table(
        "hold_steps",
        _number("hold"),
        sa.Column("step", sa.Integer, nullable=False, autoincrement=False, comment="from 1, for each hold"),
        _text("action", comment="hold, ask, withdraw or release"),
        _text("by"),
        _text("role", comment="the database's, where it has roles"),
        _text("reason"),
        _at("at"),
        *_sealed(nullable=True, comment="of the leaf that tells of it, where one does"),
        sa.PrimaryKeyConstraint("hold", "step", name="pk_hold_steps"),
        sa.ForeignKeyConstraint(["hold"], ["holds.id"], name="fk_hold_steps_hold"),
        sa.ForeignKeyConstraint(["position"], ["leaves.position"], name="fk_hold_steps_position"),
    )


_INSERT_ONLY = ("gallringar", "gallrade", "hold_steps")
_CHANGED = (
    "NEW.id <> OLD.id OR NEW.kind <> OLD.kind OR NEW.number IS DISTINCT FROM OLD.number "
    "OR NEW.partner IS DISTINCT FROM OLD.partner OR NEW.first IS DISTINCT FROM OLD.first "
    "OR NEW.beyond IS DISTINCT FROM OLD.beyond OR NEW.pseudonym IS NOT NULL"
)
_BY_TWO = (
    "NEW.action = 'release' AND NOT EXISTS (SELECT 1 FROM hold_steps s WHERE s.hold = NEW.hold "
    'AND s.step = NEW.step - 1 AND s.action = \'ask\' AND s."by" <> NEW."by")'
)
_SAID = "a hold that one wants released, another releases"
_RULES = (
    *(
        (f"{table}_{word}_never", f"{verb} ON {table}", "", f"{table} are never {word}")
        for table in _INSERT_ONLY
        for verb, word in (("UPDATE", "changed"), ("DELETE", "deleted"))
    ),
    ("holds_changed_never", "UPDATE ON holds", _CHANGED, "holds are released, never changed"),
    ("holds_deleted_never", "DELETE ON holds", "", "holds are never deleted"),
)
"""Name, what it comes before, when, and what is said: the same on both."""


def _triggers() -> None:
    if op.get_bind().dialect.name == "sqlite":
        two = ("hold_steps_released_by_two", "INSERT ON hold_steps", _BY_TWO, _SAID)
        for name, what, when, said in (*_RULES, two):
            only = f"WHEN {when} " if when else ""
            op.execute(f"CREATE TRIGGER {name} BEFORE {what} {only}BEGIN SELECT RAISE(ABORT, '{said}'); END")
        return
    for name, what, when, said in _RULES:
        only = f"WHEN ({when}) " if when else ""
        op.execute(f"CREATE TRIGGER {name} BEFORE {what} FOR EACH ROW {only}EXECUTE FUNCTION gateway_never('{said}')")
    for table in (*_INSERT_ONLY, "holds"):
        op.execute(
            f"CREATE TRIGGER {table}_emptied_never BEFORE TRUNCATE ON {table} "
            f"EXECUTE FUNCTION gateway_never('{table} are never emptied')"
        )
    op.execute(_TWO)
    op.execute(
        "CREATE TRIGGER hold_steps_released_by_two BEFORE INSERT ON hold_steps FOR EACH ROW "
        "EXECUTE FUNCTION gateway_released_by_two()"
    )
