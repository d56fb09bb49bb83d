"""A new store: made once by `gateway init`, whole or not at all, and never over an old one.

1. Refuse if database or anchor is there: a lost half must be restored, not made anew.
2. Build schema and the signed checkpoint of each empty log. A log never starts from nothing: from here on there is
   always a signed size that it must not fall below. On SQLite under another name, on PostgreSQL in one transaction.
3. Give it its name, or commit; then write the anchors, the audit log's last.

A store that is older than a log is given that log, empty (`complete`): once, at the step that brings its tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import sqlalchemy

from gateway.audit import checkpoint, note, tree
from gateway.database import Row, Turn, written
from gateway.errors import IntegrityError
from gateway.sqlite import File, translated
from gateway.store import anchor, schema
from gateway.store.log import LOGS, READINGS, Log, StoredLog
from gateway.store.place import Place, PostgresPlace, SqlitePlace, upgrade_file

_CHECKPOINT = "size, root, note, at"


def create(place: Place, *, signer: note.Signer, at: datetime) -> checkpoint.Checkpoint:
    """Make a store and its anchors, and return the empty audit log's checkpoint.

    Args:
        place: Where; the folder is made if it is not there, a database of PostgreSQL must be.
        signer: `[keys] checkpoint`, by the name of `[audit] origin`.
        at: Now.

    Raises:
        IntegrityError: A store, or half of one, is there.
        UnavailableError: The disk or the server does not take it.
    """
    # 1. Never over an old one.
    if place.there() or any(log.anchored(place).exists() for log in LOGS):
        raise IntegrityError("a store, or half of one, is there already, and is never overwritten")
    signed = {log: _empty(log, signer) for log in LOGS}
    with translated():
        place.anchor.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # 2. Built, and 3. given its name.
    first = [(log, (0, tree.EMPTY, text, written(at))) for log, text in signed.items()]
    match place:
        case SqlitePlace():
            _file(place, first)
        case PostgresPlace():
            _database(place, first)
        case _:
            raise IntegrityError(f"{type(place).__name__} is no place that a store can be made at")
    for log in reversed(LOGS):
        anchor.write(log.anchored(place), signed[log])
    return checkpoint.Checkpoint(origin=signer.key.name, size=0, root=tree.EMPTY)


def complete(place: Place, *, signer: note.Signer, at: datetime, log: Log = READINGS) -> bool:
    """Give a store that is older than a log that log, empty and signed; return whether it had none.

    What is there already is not looked at (`guard.check` does). But an empty log without its anchor, which a crash
    leaves here, is given that.

    Args:
        place: The store, at the schema this program knows; acts as the owner.
        signer: `[keys] checkpoint`, by the name of `[audit] origin`.
        at: Now.
        log: Which.

    Raises:
        IntegrityError: The log has leaves or an anchor and no checkpoint: that is a lost half, to be restored.
        UnavailableError: Disk or server do not take it.
    """
    signed, where = _empty(log, signer), log.anchored(place)
    session = place.open()
    try:
        with session.translated(), session.writing(Turn.LOG):
            length = StoredLog(session, log).length()
            row = session.execute(f"SELECT max(size) FROM {log.checkpoints}").fetchone()  # noqa: S608  # our own name
            if new := row[0] is None:
                if length or where.exists():
                    raise IntegrityError(f"the {log.name} has no checkpoint at all, and was not empty: restore it")
                session.insert(log.checkpoints, _CHECKPOINT, [(0, tree.EMPTY, signed, written(at))])
    finally:
        session.close()
    if not length and not row[0] and not where.exists():
        anchor.write(where, signed)
    return new


def _empty(log: Log, signer: note.Signer) -> bytes:
    own = log.signer(signer)
    return checkpoint.sign(checkpoint.Checkpoint(origin=own.key.name, size=0, root=tree.EMPTY), own)


def _file(place: SqlitePlace, first: Sequence[tuple[Log, Row]]) -> None:
    new = place.database.with_name(f"{place.database.name}.new")
    with translated():
        _remove(new)
        file = File(new, create=True)
        try:
            upgrade_file(new)
            with file.writing(Turn.LOG):
                for log, row in first:
                    file.insert(log.checkpoints, _CHECKPOINT, [row])
        finally:
            file.close()
        # A link never replaces.
        try:
            place.database.hardlink_to(new)
        except FileExistsError:
            raise IntegrityError(f"{place.database.name} is there already, and is never overwritten") from None
        _remove(new)


def _database(place: PostgresPlace, first: Sequence[tuple[Log, Row]]) -> None:
    with place.changing() as connection:
        place.make(connection)
        for log, (size, root, signed, at) in first:
            table = schema.METADATA.tables[log.checkpoints]
            connection.execute(sqlalchemy.insert(table).values(size=size, root=root, note=signed, at=at))


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", ".lock"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
