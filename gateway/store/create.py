"""A new store: made once by `gateway init`, whole or not at all, and never over an old one.

1. Refuse if database or anchor is there: a lost half must be restored, not made anew.
2. Build schema and the signed checkpoint of the empty log. The log never starts from nothing: from here on there is
   always a signed size that it must not fall below. On SQLite under another name, on PostgreSQL in one transaction.
3. Give it its name, or commit; then write the anchor.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import sqlalchemy

from gateway.audit import checkpoint, note, tree
from gateway.database import Turn, written
from gateway.errors import IntegrityError
from gateway.sqlite import File, translated
from gateway.store import anchor, schema
from gateway.store.place import Place, PostgresPlace, SqlitePlace, upgrade_file


def create(place: Place, *, signer: note.Signer, at: datetime) -> checkpoint.Checkpoint:
    """Make a store and its anchor, and return the empty log's checkpoint.

    Args:
        place: Where; the folder is made if it is not there, a database of PostgreSQL must be.
        signer: `[keys] checkpoint`, by the name of `[audit] origin`.
        at: Now.

    Raises:
        IntegrityError: A store, or half of one, is there.
        UnavailableError: The disk or the server does not take it.
    """
    # 1. Never over an old one.
    if place.there():
        raise IntegrityError("a store, or half of one, is there already, and is never overwritten")
    empty = checkpoint.Checkpoint(origin=signer.key.name, size=0, root=tree.EMPTY)
    signed = checkpoint.sign(empty, signer)
    with translated():
        place.anchor.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # 2. Built, and 3. given its name.
    first = (0, empty.root, signed, written(at))
    match place:
        case SqlitePlace():
            _file(place, first)
        case PostgresPlace():
            _database(place, first)
        case _:
            raise IntegrityError(f"{type(place).__name__} is no place that a store can be made at")
    anchor.write(place.anchor, signed)
    return empty


def _file(place: SqlitePlace, first: tuple[int, bytes, bytes, str]) -> None:
    new = place.database.with_name(f"{place.database.name}.new")
    with translated():
        _remove(new)
        file = File(new, create=True)
        try:
            upgrade_file(new)
            with file.writing(Turn.LOG):
                file.insert("checkpoints", "size, root, note, at", [first])
        finally:
            file.close()
        # A link never replaces.
        try:
            place.database.hardlink_to(new)
        except FileExistsError:
            raise IntegrityError(f"{place.database.name} is there already, and is never overwritten") from None
        _remove(new)


def _database(place: PostgresPlace, first: tuple[int, bytes, bytes, str]) -> None:
    size, root, signed, at = first
    with place.changing() as connection:
        place.make(connection)
        connection.execute(sqlalchemy.insert(schema.checkpoints).values(size=size, root=root, note=signed, at=at))


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", ".lock"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
