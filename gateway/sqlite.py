"""The embedded database files: opened one way, written by one transaction at a time.

* `pysqlite3` brings its own SQLite: before 3.51.3 a checkpoint racing a commit in WAL mode can lose data, and Debian 12
  has 3.40.1. `File` refuses a vulnerable library.
* WAL with `synchronous=FULL`: a commit is on disk when it returns.
* Writers, of several threads or processes, wait for each other in `flock`, where the kernel wakes the next one at once.
  SQLite's own busy handler sleeps and retries instead, which stalls a second writing process for hundreds of
  milliseconds. So whoever writes goes through `writing`.
* Many rows go in by one statement. Every statement lets go of the interpreter and must win it back from the threads
  that parse and sign; with a statement a row a group of messages waits hundreds of times instead of ten.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from types import ModuleType, NoneType
from typing import Any

from pysqlite3 import dbapi2

from gateway import codes
from gateway.database import Row, TooLongError, Turn, chunks, places
from gateway.errors import IntegrityError, UnavailableError

SAFE = (3, 51, 3)
"""First SQLite without the WAL-reset fault (sqlite.org/wal.html#walresetbug)."""
SETTINGS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA recursive_triggers=ON",  # else REPLACE would delete rows behind the triggers' back
    "PRAGMA secure_delete=FAST",  # what is deleted is overwritten where the page is written anyway
    "PRAGMA cache_size=-65536",  # KiB: random ids touch every page of their index
    "PRAGMA wal_autocheckpoint=2000",  # pages, 8 MB: copying them back stalls one commit in hundreds
)

DRIVER: ModuleType = dbapi2
Error = dbapi2.Error
OperationalError = dbapi2.OperationalError
OwnFault = (dbapi2.IntegrityError, dbapi2.InterfaceError, dbapi2.DataError, dbapi2.ProgrammingError)
"""What the values of a row, not disk or file, are to blame for."""

PATIENCE = 15.0
"""Seconds that a question may take: as long as a statement may on PostgreSQL, unless it is told otherwise."""
_STEPS = 100_000
"""Of SQLite's machine, some milliseconds' work, after which it is looked whether the time is up."""
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


class File:
    """One connection to one database file, a `database.Session`. Belongs to one thread at a time."""

    join = "CROSS JOIN"
    instr = "instr({}, ?)"
    among = "IN (SELECT value FROM json_each(?))"

    def __init__(self, path: Path, *, create: bool = False) -> None:
        """Open `path`; only `create` makes a new file, and it never touches one that is there.

        Raises IntegrityError if the file is not there, or is when it should not be; UnavailableError if it cannot be
        opened.
        """
        self.patience = PATIENCE
        if dbapi2.sqlite_version_info < SAFE:
            raise IntegrityError(
                f"SQLite {dbapi2.sqlite_version} can lose data in WAL mode; install the locked pysqlite3"
            )
        with translated():
            if create:
                _make(path)
            elif not path.is_file():
                raise IntegrityError(
                    f"{path.name} is not there; `gateway init` makes a new store, a lost one must be restored"
                )
            self.connection: Any = _connected(path)
            self._lock = os.open(path.with_suffix(path.suffix + ".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Any:  # noqa: ANN401  # the driver has no types
        """Run one statement; outside `writing` and `reading` it is a transaction by itself."""
        return self.connection.execute(sql, values)

    def stream(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        """Yield the rows of a select: SQLite finds them as they are asked for."""
        return iter(self.connection.execute(sql, values))

    @contextmanager
    def writing(self, turn: Turn = Turn.JOURNAL) -> Iterator[Any]:
        """Hold the one write transaction of this file: committed at the end of the block, rolled back if it raises.

        A file has one turn, whatever its name.
        """
        del turn
        if self._lock < 0:
            raise dbapi2.ProgrammingError("the file is closed")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                # A commit that fails (disk full) leaves the transaction open, so it is rolled back like the rest.
                self.connection.commit()
            except BaseException:
                with suppress(Error):  # the first error is the one to tell
                    self.connection.rollback()
                raise
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """Hold one moment of the file still for several selects; writers go on."""
        self.connection.execute("BEGIN")
        try:
            yield self.connection
        finally:
            self.connection.rollback()

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Give up a statement once the whole block has taken `patience` seconds."""
        over = time.monotonic() + self.patience
        self.connection.set_progress_handler(lambda: time.monotonic() > over, _STEPS)
        try:
            yield
        except OperationalError as error:
            if getattr(error, "sqlite_errorname", None) != "SQLITE_INTERRUPT":
                raise
            raise TooLongError from error
        finally:
            self.connection.set_progress_handler(None, _STEPS)

    def remake(self) -> bool:
        """Write the whole file anew, so that no page holds what was deleted; False: the log beside it still may.

        Everybody waits meanwhile, some seconds a gigabyte. The log is emptied unless somebody reads just then.
        """
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            self.connection.execute("VACUUM")
            (busy, *_) = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)
        return not busy

    def insert(self, table: str, columns: str, rows: Sequence[Row], then: str = "") -> None:
        """Insert rows, many to a statement: `columns` are separated by commas, `then` is an ON CONFLICT clause.

        All three are our own words, never anybody's text.
        """
        for part in chunks(rows):
            sql = f"INSERT INTO {table} ({columns}) VALUES {places(len(part), len(part[0]))} {then}"  # noqa: S608
            self.connection.execute(sql, list(chain.from_iterable(part)))

    def match(self, sql: str, keys: Sequence[Row]) -> list[Row]:
        """Run what belongs to any of `keys`: `sql` has `{values}` where they stand as rows of a table, and `{join}`."""
        found: list[Row] = []
        for part in chunks(keys):
            whole = sql.format(values=places(len(part), len(part[0])), join=self.join)
            found += self.connection.execute(whole, list(chain.from_iterable(part))).fetchall()
        return found

    def listed(self, sql: str, keys: Sequence[Row]) -> list[Row]:
        """Run what joins nothing: `sql` has `{0}` for "is one of the first of each of `keys`", `{1}` for the second."""
        found: list[Row] = []
        for part in chunks(keys):
            word = f"IN ({', '.join('?' * len(part))})"
            whole = sql.format(*[word] * len(part[0]))
            found += self.connection.execute(whole, list(chain.from_iterable(zip(*part, strict=True)))).fetchall()
        return found

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn what SQLite and the disk say into our errors."""
        with translated():
            yield

    def translation(self, error: BaseException) -> UnavailableError | IntegrityError | None:
        """Return our error for what SQLite or the disk said; None for another."""
        return translation(error) if isinstance(error, (Error, OSError)) else None

    def own_fault(self, error: BaseException) -> bool:
        """Tell whether the values of a row are to blame."""
        return isinstance(error, OwnFault)

    def close(self) -> None:
        """Close the connection and the lock. May be called twice; using the file afterwards is an Error."""
        self.connection.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


@contextmanager
def translated() -> Iterator[None]:
    """Turn what SQLite and the disk say into UnavailableError: nothing has happened, and it is safe to try again.

    A file that is damaged is IntegrityError: trying again does not mend it.
    """
    try:
        yield
    except (Error, OSError) as error:
        raise translation(error) from error


def translation(error: BaseException) -> UnavailableError | IntegrityError:
    """Return our error for what SQLite or the disk said."""
    name = str(getattr(error, "sqlite_errorname", None) or type(error).__name__)
    if name.startswith(_DAMAGED):
        return IntegrityError(f"a database file is damaged ({name}): restore it, and let a person look first")
    return UnavailableError(codes.STORE_UNAVAILABLE, name)


def _connected(path: Path) -> Any:  # noqa: ANN401  # the driver has no types
    # Of these two the driver asks at every value who could adapt it, and has nobody: 1 µs a value. So they adapt
    # themselves, to themselves. The registry is the driver's own and the same for all, so saying it again is nothing.
    dbapi2.register_adapter(bytes, bytes)
    dbapi2.register_adapter(NoneType, _itself)
    connection = dbapi2.connect(str(path), isolation_level=None, check_same_thread=False, timeout=10)
    try:
        for setting in SETTINGS:
            connection.execute(setting)
    except BaseException:
        connection.close()
        raise
    return connection


def _itself(value: None) -> None:
    return value


def _make(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        raise IntegrityError(f"{path.name} is there already, and is never overwritten") from None
