"""What was deleted, gone from the files too: it lingers where a page, or a row's place in one, has not been used again.

* SQLite writes over what gallring deletes, but not pages that others gave up before (an event that was delivered), nor
  what stays behind in a page that was split. So the file is made anew, the queues' file too.
* PostgreSQL keeps a deleted row until its vacuum, and its bytes until the place is used again. `VACUUM FULL` makes the
  tables anew; everybody waits for it, a partition at a time.

Neither reaches copies: backups, WAL archives and replicas are the runbook's (`docs/runbooks/gallring.md`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gateway.sqlite import File, translated
from gateway.store.place import PostgresPlace

TABLES = (
    "evidence", "records", "trail", "contents", "quarantine", "refusals", "reviews", "review_persons", "shieldings",
    "dispatches", "protections", "outbox", "dead_letters", "holds",
)  # fmt: skip
"""Those from which something about a person is deleted, or has been."""


def files(paths: Sequence[Path]) -> bool:
    """Make the files of an embedded store anew; tell whether nothing that was deleted is left in them or beside them.

    Raises UnavailableError, IntegrityError.
    """
    clean = True
    for path in paths:
        file = File(path)
        try:
            with translated():
                clean = file.remake() and clean
        finally:
            file.close()
    return clean


def tables(place: PostgresPlace, *, full: bool) -> None:
    """Vacuum the tables, as the owner; `full` makes them anew. Raises UnavailableError."""
    session = place.open()
    try:
        with session.translated():
            for table in TABLES:
                session.execute(f"VACUUM {'(FULL) ' if full else ''}{table}")
    finally:
        session.close()
