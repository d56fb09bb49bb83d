"""PostgreSQL: one connection as a `database.Session`, opened again when it was lost.

* `writing` takes its turn in the transaction (`pg_advisory_xact_lock`): whoever is next sees everything that the one
  before committed, so numbers given by `max() + 1` have no gaps and no doubles, whatever the number of processes.
* A connection that breaks is thrown away and made again at the next use, never inside a transaction. What only reads or
  begins is then tried once more, for a server that came back, or another that took over, is no reason to turn a message
  away. Several hosts may be named; writers go to the one that can be written (`target_session_attrs`).
* A commit that gets no answer may have happened. That is UnavailableError all the same: whoever asks again takes the
  turn after it has ended, and finds what was committed.
* A commit whose wait for a standby was cut short is answered by a mere warning. Here it is an error: what is receipted
  must survive the server.
* Nothing waits for ever: connecting, locks, statements, an idle transaction and a silent network all have limits of the
  server's or the kernel's; and a server that stands still, or waits for a standby that is gone, is given up by us.
  Whoever verifies or replays may take the time it takes, but no question may (`limited`).
* Many rows go in by COPY: one statement a table, and binary.

Errors are told by class and SQLSTATE, never by the server's text, which quotes values.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg import conninfo, errors, pq
from psycopg.abc import PQGen

from gateway import codes
from gateway.database import CHUNK, Row, TooLongError, Turn, chunks, places
from gateway.errors import ConfigError, IntegrityError, UnavailableError

LOCKS = 0x67617465
"""The class of our advisory locks: `gate`, so that no other program of this database has the same."""
TURNS = {turn: number for number, turn in enumerate(Turn, start=1)}
FEW = 4
"""So many rows go in by INSERT: COPY takes one round trip more."""
FETCH = 2000
"""Rows of a stream held at once: of leaves about a megabyte."""

Error = psycopg.Error
_T = TypeVar("_T")
_COMMIT = b"SELECT pg_logical_emit_message(true, 'gateway', '') WHERE pg_current_xact_id_if_assigned() IS NULL; COMMIT"
"""A transaction that wrote nothing waits for no standby. But it may have read another's commit whose own wait was cut
short: on this disk, and on no other. So it writes a mark, and waits until the standby has that and all before it."""
_LISTED = "= ANY(ARRAY(SELECT json_array_elements_text(?::json){}))"
"""A list as one value: the driver dumps and binds each value of a statement by itself, at several microseconds each."""
_DAMAGED = ("XX001", "XX002")
_NOT_ROWS = (errors.InsufficientPrivilege, errors.UndefinedTable, errors.UndefinedColumn)
_OWN = (psycopg.IntegrityError, psycopg.DataError, psycopg.ProgrammingError, psycopg.NotSupportedError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to connect, as whom, and how long to wait for what."""

    dsn: str
    """libpq keywords, without user and password."""
    user: str
    passfile: Path | None
    name: str
    """`application_name`: who this is in the server's lists."""
    connect_timeout: timedelta
    """For each host."""
    lock_timeout: timedelta
    statement_timeout: timedelta | None
    idle_timeout: timedelta
    """Of a transaction whose process hangs."""
    question_timeout: timedelta
    """For a statement of a question (`limited`), where others may take their time."""
    search_path: str | None = None
    by_key: bool = False
    """Whether everything is looked up by an index. Then the planner is told so: a plan made while a table was empty
    reads it whole, and is kept while the table grows."""
    alone: bool = False
    """Whether each statement is the work of one process, as it stands. Helpers would take the processors from those who
    serve, and starting them, and compiling, takes longer than most questions do."""

    def answer_limit(self) -> float | None:
        """Return how many seconds to wait for an answer: longer than the server may take by its own limits."""
        if self.statement_timeout is None:
            return None
        return (self.statement_timeout + self.lock_timeout).total_seconds()

    def question_limit(self) -> float:
        """Return the same for a statement of a question."""
        return (self.question_timeout + self.lock_timeout).total_seconds()

    def conninfo(self) -> str:
        """Return all this in libpq's words. Raises ConfigError."""
        try:
            given = conninfo.conninfo_to_dict(self.dsn)
        except Error:
            raise ConfigError("services.toml: postgresql.dsn: libpq cannot read it") from None
        settings: dict[str, Any] = {
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
            **given,
            "user": self.user,
            "application_name": self.name,
            "client_encoding": "UTF8",
            "connect_timeout": max(1, round(self.connect_timeout.total_seconds())),
            # Also for whoever only reads: what a standby tells may be shorter than an anchor that this machine knows.
            "target_session_attrs": "read-write",
            "options": " ".join([str(given.get("options") or ""), *self._options()]).strip(),
        }
        if self.passfile is not None:
            settings["passfile"] = str(self.passfile)
        return conninfo.make_conninfo("", **settings)

    def _options(self) -> Iterator[str]:
        for name, limit in (
            ("lock_timeout", self.lock_timeout),
            ("statement_timeout", self.statement_timeout or timedelta(0)),
            ("idle_in_transaction_session_timeout", self.idle_timeout),
        ):
            yield f"-c {name}={round(limit.total_seconds() * 1000)}"
        # The server, too, must find out that we are gone: we may hold a turn.
        yield "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3"
        if self.search_path is not None:
            yield f"-c search_path={self.search_path}"
        if self.by_key:
            yield "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
        if self.alone:
            yield "-c max_parallel_workers_per_gather=0 -c jit=off"


def connected(target: Target, *, read_only: bool = False) -> psycopg.Connection[Any]:
    """Return a plain connection of psycopg's, for SQLAlchemy. Raises its errors, and ConfigError."""
    connection = psycopg.connect(target.conninfo())
    try:
        _durable(connection)
        connection.commit()
        connection.read_only = read_only
    except BaseException:
        connection.close()
        raise
    return connection


class _Limited(psycopg.Connection[Any]):
    """Gives up a server that does not answer: an error then, and a connection that is of no more use."""

    limit: float | None = None
    """Seconds for each answer."""

    def wait(self, gen: PQGen[_T], interval: float = 0.1, timeout: float | None = None) -> _T:
        """Wait for an answer."""
        return super().wait(gen, interval=interval, timeout=self.limit if timeout is None else timeout)


class Connection:
    """Keeps the promises of `database.Session`. Belongs to one thread at a time."""

    join = "JOIN"
    instr = "position(? IN {})"
    among = _LISTED.format("")

    def __init__(self, target: Target) -> None:
        """Connects when first used. Raises ConfigError."""
        self._conninfo = target.conninfo()
        self._limit = target.answer_limit()
        self._question = target.question_timeout, target.question_limit()
        self._connection: _Limited | None = None
        self._within = False
        self._closed = False
        self._streams = 0
        self._types: dict[str, list[int]] = {}
        self._warned: list[str] = []

    def execute(self, sql: str, values: Sequence[Any] = ()) -> psycopg.Cursor[Any]:
        """Run one statement; outside `writing` and `reading` it is a transaction by itself."""
        query = _query(sql, values=bool(values))
        once_more = not self._within and self._connection is not None and sql.lstrip().startswith("SELECT")
        try:
            return self._using().cursor(binary=True).execute(query, values or None)
        except BaseException as error:
            if not self._within:
                self._rollback()  # nothing is open; this throws away a connection that still waits
            if not (once_more and isinstance(error, Error) and self._lost()):
                raise
        return self._using().cursor(binary=True).execute(query, values or None)

    def stream(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        """Yield the rows of a select, `FETCH` at a time, by a cursor of the server's."""
        self._streams += 1
        name = f"stream_{self._streams}"  # it ends with the transaction
        self.execute(f"DECLARE {name} NO SCROLL CURSOR FOR {sql}", values)
        while rows := self.execute(f"FETCH FORWARD {FETCH} FROM {name}").fetchall():
            yield from rows

    @contextmanager
    def writing(self, turn: Turn) -> Iterator[None]:
        """Hold a turn and a transaction: committed at the end of the block, rolled back if it raises."""
        self._begin(f"BEGIN; SELECT pg_advisory_xact_lock({LOCKS}, {TURNS[turn]})")
        try:
            yield
            self._commit()
        except BaseException as error:
            self._rollback()
            if isinstance(error, errors.ReadOnlySqlTransaction):
                self._drop()  # it follows now; another of the hosts has taken over
            raise
        finally:
            self._within = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold one moment still for several selects."""
        self._begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield
        finally:
            self._rollback()
            self._within = False

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Give up a statement after `question_timeout`: the server's limit, until the transaction ends.

        Ours is longer, for a server that stands still.
        """
        timeout, limit = self._question
        connection = self._using()
        self.execute("SELECT set_config('statement_timeout', ?, true)", (str(round(timeout.total_seconds() * 1000)),))
        connection.limit = limit
        try:
            yield
        except errors.QueryCanceled as error:
            raise TooLongError from error
        finally:
            connection.limit = self._limit

    def insert(self, table: str, columns: str, rows: Sequence[Row], then: str = "") -> None:
        """Insert rows: by COPY, or one by one where `then` says what to do about those that are there."""
        cursor = self._using().cursor()
        if not rows:
            return
        if then:
            # Each row by itself: the same key may come twice, and the second must meet the first.
            sql = f"INSERT INTO {table} ({columns}) VALUES {places(1, len(rows[0]))} {then}"  # noqa: S608
            cursor.executemany(_query(sql, values=True), rows)
        elif len(rows) <= FEW:
            sql = f"INSERT INTO {table} ({columns}) VALUES {places(len(rows), len(rows[0]))}"  # noqa: S608
            cursor.execute(_query(sql, values=True), list(chain.from_iterable(rows)))
        else:
            types = self._types_of(table, columns)
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)".encode()) as copy:
                copy.set_types(types)
                for row in rows:
                    copy.write_row(row)

    def match(self, sql: str, keys: Sequence[Row]) -> list[Row]:
        """Run what belongs to any of `keys`: `sql` has `{values}` where they stand as rows of a table, and `{join}`."""
        found: list[Row] = []
        for part in chunks(keys):
            whole = sql.format(values=places(len(part), len(part[0])), join=self.join)
            found += _rows(self.execute(whole, list(chain.from_iterable(part))))
        return found

    def listed(self, sql: str, keys: Sequence[Row]) -> list[Row]:
        """Run what joins nothing: `sql` has `{0}` for "is one of the first of each of `keys`", `{1}` for the second."""
        found: list[Row] = []
        for at in range(0, len(keys), CHUNK):
            lists = list(zip(*keys[at : at + CHUNK], strict=True))
            words = [_LISTED.format("::bigint" if isinstance(one[0], int) else "") for one in lists]
            found += _rows(self.execute(sql.format(*words), [json.dumps(one) for one in lists]))
        return found

    def translated(self) -> AbstractContextManager[None]:
        """Turn what PostgreSQL and the network say into our errors."""
        return translated()

    def translation(self, error: BaseException) -> UnavailableError | IntegrityError | None:
        """Return our error for what PostgreSQL or the network said; None for another."""
        return translation(error) if isinstance(error, (Error, OSError)) else None

    def own_fault(self, error: BaseException) -> bool:
        """Tell whether the values of a row are to blame."""
        return isinstance(error, _OWN) and not _no_partition(error) and not isinstance(error, _NOT_ROWS)

    def close(self) -> None:
        """Close the connection. May be called twice; using it afterwards is an Error."""
        self._closed = True
        self._drop()

    def _using(self) -> _Limited:
        if self._connection is None:
            if self._closed or self._within:
                raise psycopg.OperationalError("the connection is closed")
            self._connection = _Limited.connect(self._conninfo, autocommit=True)
            self._connection.limit = self._limit
            self._connection.add_notice_handler(self._notice)
            _durable(self._connection)
        return self._connection

    def _begin(self, sql: str) -> None:
        once_more = self._connection is not None
        try:
            self._start(sql)
        except Error:
            if not (once_more and self._lost()):
                raise
            self._start(sql)

    def _start(self, sql: str) -> None:
        connection = self._using()
        try:
            connection.execute(sql.encode())
        except BaseException:
            self._rollback()
            raise
        self._within = True

    def _commit(self) -> None:
        self._warned.clear()
        ended = self._using().execute(_COMMIT)
        ended.nextset()
        if ended.statusmessage != "COMMIT":
            raise psycopg.InternalError("the transaction had failed before its commit")
        if self._warned:
            raise psycopg.OperationalError("the commit was not waited for")

    def _rollback(self) -> None:
        """End the transaction, and the connection where that is not certain."""
        connection = self._connection
        if connection is None:
            return
        status = connection.info.transaction_status
        with suppress(Error):  # the first error is the one to tell
            if status in (pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR):
                connection.execute(b"ROLLBACK")
                return
        if status != pq.TransactionStatus.IDLE:
            self._drop()

    def _lost(self) -> bool:
        """Tell whether there is no connection any more."""
        return self._connection is None

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Error):
                connection.close()

    def _notice(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self._warned.append(notice.sqlstate or "")

    def _types_of(self, table: str, columns: str) -> list[int]:
        """Return the columns' types: COPY wants each value in exactly its column's."""
        key = f"{table} ({columns})"
        if key not in self._types:
            rows = self.execute(
                "SELECT attname, atttypid::integer FROM pg_attribute WHERE attrelid = ?::regclass AND attnum > 0",
                (table,),
            )
            types = dict(rows.fetchall())
            self._types[key] = [types[name.strip()] for name in columns.split(",")]
        return self._types[key]


@contextmanager
def translated() -> Iterator[None]:
    """Turn what PostgreSQL and the network say into our errors."""
    try:
        yield
    except (Error, OSError) as error:
        raise translation(error) from error


def translation(error: BaseException) -> UnavailableError | IntegrityError:
    """Return our error for what PostgreSQL or the network said."""
    state = getattr(error, "sqlstate", None)
    if state in _DAMAGED:
        return IntegrityError(f"the database is damaged ({state}): restore it, and let a person look first")
    if _no_partition(error):
        return UnavailableError(codes.STORE_UNAVAILABLE, "no partition is ahead; run `gateway store partition`")
    return UnavailableError(codes.STORE_UNAVAILABLE, " ".join(filter(None, (type(error).__name__.lstrip("_"), state))))


def _no_partition(error: BaseException) -> bool:
    return isinstance(error, errors.CheckViolation) and not error.diag.constraint_name


def _rows(cursor: psycopg.Cursor[Any]) -> list[Row]:
    return [] if cursor.description is None else cursor.fetchall()


def _durable(connection: psycopg.Connection[Any]) -> None:
    """A commit is on disk, and on the standbys that the server waits for, when it returns."""
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')"
    )


@lru_cache(maxsize=512)
def _query(sql: str, *, values: bool) -> bytes:
    """Return our SQL with psycopg's places for values; without values nothing is a place."""
    return (sql.replace("%", "%%").replace("?", "%s") if values else sql).encode()
