"""A new store: made once by `gateway init`, whole or not at all, and never over an old one.

1. Refuse if database or anchor is there: a lost half must be restored, not made anew.
2. Build the database under another name: schema, and the signed checkpoint of the empty log. The log never starts from
   nothing: from here on there is always a signed size that it must not fall below.
3. Give it its name, then write the anchor.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, event

from gateway.audit import checkpoint, note, tree
from gateway.errors import IntegrityError
from gateway.sqlite import DRIVER, SETTINGS, File, translated, written
from gateway.store import anchor

DATABASE = "gateway.db"
ANCHOR = "gateway.checkpoint"
REVISION = "0001"
"""The schema this program knows: the last step in `migrations/versions`."""


def create(folder: Path, *, signer: note.Signer, at: datetime) -> checkpoint.Checkpoint:
    """Make `gateway.db` and `gateway.checkpoint` in `folder`, and return the empty log's checkpoint.

    Args:
        folder: `[store] path`; made if it is not there.
        signer: `[keys] checkpoint`, by the name of `[audit] origin`.
        at: Now.

    Raises:
        IntegrityError: A store, or half of one, is there.
        UnavailableError: The disk does not take it.
    """
    database, beside = folder / DATABASE, folder / ANCHOR
    # 1. Never over an old one.
    for path in (database, beside):
        if path.exists():
            raise IntegrityError(f"{path.name} is there already, and is never overwritten")
    # 2. Built under another name.
    empty = checkpoint.Checkpoint(origin=signer.key.name, size=0, root=tree.EMPTY)
    signed = checkpoint.sign(empty, signer)
    new = folder / f"{DATABASE}.new"
    with translated():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _remove(new)
        file = File(new, create=True)
        try:
            upgrade(new)
            with file.writing():
                file.insert("checkpoints", "size, root, note, at", [(0, empty.root, signed, written(at))])
        finally:
            file.close()
        # 3. Its name: a link never replaces.
        try:
            database.hardlink_to(new)
        except FileExistsError:
            raise IntegrityError(f"{database.name} is there already, and is never overwritten") from None
        _remove(new)
        anchor.write(beside, signed)
    return empty


def upgrade(path: Path, revision: str = "head") -> None:
    """Bring the file to a schema by the steps in `migrations/`."""

    def run(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    _with_engine(path, run)


def _with_engine(path: Path, run: Callable[[Connection], None]) -> None:
    engine = create_engine(f"sqlite:///{path}", module=DRIVER)

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, _record: object) -> None:  # noqa: ANN401  # the driver has no types
        for setting in SETTINGS:
            connection.execute(setting)

    try:
        with engine.begin() as connection:
            run(connection)
    finally:
        engine.dispose()


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", ".lock"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
