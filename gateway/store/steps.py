"""The steps in `migrations/`, run by Alembic on a connection and in a transaction of the caller's.

Alembic is imported when a step is to be run: every process opens a store, and few make or upgrade one.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

REVISION = "0018"
"""The schema this program knows: the last step in `migrations/versions`."""
WIDTH = 10_000_000
"""Numbers in one partition of a new store on PostgreSQL: of leaves some 5 GB; a day of 100 messages a second."""


def run(connection: Connection, revision: str = "head", *, width: int = WIDTH) -> None:
    """Bring the database behind `connection` to a schema; `width` is that of the first partitions, on PostgreSQL."""
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    config.attributes["width"] = width
    command.upgrade(config, revision)
