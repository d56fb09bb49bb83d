"""Mailboxes that are emptied: when that was, and who may do it on PostgreSQL."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_EMPTY = """
CREATE FUNCTION gateway_empty_deposit(number bigint, moment text, key text, wrapped bytea, record bytea)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    place bigint;
    stood integer;
    whose text;
BEGIN
    PERFORM 1 FROM deposits WHERE dispatch = number AND kept_until <= moment FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM contents WHERE dispatch = number AND name IN ('command', 'envelope');
    IF key IS NOT NULL THEN
        DELETE FROM contents WHERE dispatch = number AND name = 'payload' RETURNING step INTO stood;
        SELECT intent INTO place FROM dispatches WHERE id = number;
        DELETE FROM records WHERE position = place RETURNING pseudonym INTO whose;
        IF stood IS NULL OR place IS NULL THEN
            RAISE EXCEPTION 'dispatch % has no payload with the record of an intent', number;
        END IF;
        INSERT INTO contents (dispatch, step, name, key_id, wrapped_key, sealed)
            VALUES (number, stood, '', key, wrapped, '');
        INSERT INTO records (position, pseudonym, sealed) VALUES (place, whose, record);
    END IF;
    UPDATE deposits SET kept_until = NULL, emptied_at = moment WHERE dispatch = number;
    RETURN true;
END $$
"""
"""The content goes, with its key; the record of the intent stays, under a new one. Nobody who serves may delete."""


def upgrade() -> None:
    """Add the column and the function."""
    op.add_column("deposits", sa.Column("emptied_at", sa.String(27), nullable=True, comment="when that was"))
    if op.get_bind().dialect.name != "sqlite":
        kept = "then its content is destroyed; NULL once it is"
        op.execute(f"COMMENT ON COLUMN deposits.kept_until IS '{kept}'")
        op.execute(_EMPTY)
        op.execute("REVOKE ALL ON FUNCTION gateway_empty_deposit(bigint, text, text, bytea, bytea) FROM PUBLIC")
