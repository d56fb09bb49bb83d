"""A log that is absent, shorter, or other than it was, is not served.

Asked at every start, before anything is received:

1. The database is there, at the schema this program knows.
2. Its last checkpoint has our signature.
3. It holds every leaf that the checkpoint counts, and the tiles give the root that was signed.
4. The anchor beside it is there, signed by us, not longer than the log, and the log begins with it.

`audit.verify` computes everything from the entries; here it is the tiles, so that a start takes milliseconds.
"""

from __future__ import annotations

from pathlib import Path

from gateway.audit import checkpoint, note, tree
from gateway.errors import IntegrityError
from gateway.sqlite import File, translated
from gateway.store import anchor, create
from gateway.store.log import StoredLog


def check(folder: Path, key: note.Key) -> checkpoint.Checkpoint:
    """Return the last checkpoint of the store in `folder`, if all is as it was left.

    Args:
        folder: `[store] path`.
        key: The public half of `[keys] checkpoint`, by the name of `[audit] origin`.

    Raises:
        IntegrityError: The log is absent, shorter or another; names what disagrees.
        UnavailableError: The disk does not answer.
    """
    # 1. Database and schema.
    file = File(folder / create.DATABASE)
    try:
        with translated(), file.reading():
            _schema(file)
            log = StoredLog(file)
            # 2. Our signature.
            stored = log.last()
            last = checkpoint.verify(stored.note, key)
            # 3. All leaves, under that root.
            if (last.size, last.root) != (stored.size, stored.root):
                raise IntegrityError(f"the checkpoint stored for {stored.size} leaves is one for {last.size}")
            if log.length() < last.size:
                raise IntegrityError(f"the log has {log.length()} leaves, but {last.size} were signed for")
            _root(log, last)
            # 4. The anchor.
            anchored = checkpoint.verify(anchor.read(folder / create.ANCHOR), key)
            if anchored.size > last.size:
                raise IntegrityError(
                    f"the log was signed at {anchored.size} leaves and has {last.size}: this is an older copy"
                )
            _root(log, anchored)
            return last
    finally:
        file.close()


def _schema(file: File) -> None:
    row = file.connection.execute(
        "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
    ).fetchone()
    found = file.connection.execute("SELECT version_num FROM alembic_version").fetchone() if row[0] else None
    if found != (create.REVISION,):
        raise IntegrityError(f"the store's schema is {found[0] if found else 'unknown'}, not {create.REVISION}")


def _root(log: StoredLog, promised: checkpoint.Checkpoint) -> None:
    if tree.root(promised.size, log.nodes()) != promised.root:
        raise IntegrityError(f"the stored tree does not have the root signed for {promised.size} leaves")
