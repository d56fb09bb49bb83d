"""What all tables have in common: where they are gathered, how constraints are named, what a number and a time are."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Integer, MetaData, String

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)
ID = BigInteger().with_variant(Integer, "sqlite")
"""SQLite's rowid must be called INTEGER."""
INSTANT = String(27)


def number(name: str, *constraints: Any) -> Column[int]:  # noqa: ANN401  # SQLAlchemy's own schema items
    """Return a primary key that the program numbers."""
    return Column(name, ID, *constraints, primary_key=True, autoincrement=False)
