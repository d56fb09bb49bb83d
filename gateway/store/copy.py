"""An embedded store moved to PostgreSQL, and proven to be the same logs (`gateway store copy`).

1. The source is whole (`guard.check`) and nobody runs on it; from here on its one turn to write is ours.
2. The target has the schema and nothing else, or a beginning of the source that an interrupted copy left. Anything
   other is somebody's store, and is not touched.
3. Every table goes over in order of its key, many rows a transaction, from where the target ends. The checkpoints are
   last: until they are there, the target is no log that anybody would serve.
4. Proof: each of the target's logs is computed again from its entries, against every signed checkpoint; then every row
   of every table is compared with its original.
5. The anchors are written. The source stays as it is; with the anchor beside it grown, it is soon an older copy, which
   nobody serves.

Leases are not copied: they are of processes that have ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import zip_longest

from sqlalchemy import Boolean, String, Table

from gateway import codes
from gateway.audit import checkpoint, note
from gateway.database import Row, Session, Turn, instant
from gateway.errors import IntegrityError, UnavailableError
from gateway.ports import Clock
from gateway.store import anchor, guard, partitions, schema
from gateway.store.log import LOGS, READINGS, StoredLog
from gateway.store.place import PostgresPlace, SqlitePlace
from gateway.store.readings import ReadingViews
from gateway.store.views import Views

BATCH = 2000
"""Rows in one transaction."""
_LATE = (schema.reading_tiles, schema.reading_checkpoints, schema.tiles, schema.checkpoints)
TABLES: tuple[Table, ...] = (
    *(one for one in schema.METADATA.sorted_tables if one not in _LATE and one is not schema.leases),
    *_LATE,
)
"""Parents before children; what makes it a log that can be served, last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was copied, and proven."""

    last: checkpoint.Checkpoint
    checkpoints: int
    """Signed checkpoints that the target's entries were computed against."""
    rows: Mapping[str, int]
    """By table; each was compared with its original."""


def copy(  # noqa: PLR0913  # settings, each by its name
    source: SqlitePlace,
    target: PostgresPlace,
    *,
    key: note.Key,
    clock: Clock,
    told: Callable[[str, int], None] = lambda _table, _rows: None,
    faults: Callable[[str], None] = lambda _point: None,
) -> Report:
    """Copy a store, or go on where an interrupted copy stopped.

    Args:
        source: The embedded store; its gateway must have been stopped.
        target: An empty database, or one that holds a beginning of this very store; acts as the owner.
        key: The public half of `[keys] checkpoint`.
        clock: Tells whether leases have ended.
        told: Told how many rows of a table have been copied.
        faults: Told each point (a table's name after each transaction, `proof`, `anchor`); tests fail there.

    Raises:
        IntegrityError: The source does not agree with itself, or the target is another store.
        UnavailableError: A gateway still runs on one of them, or disk or server do not answer. Begin again: what was
            copied is kept.
    """
    source.upgrade()
    # 1. Whole, and nobody's but ours.
    last, *others = [guard.check(source, key, log) for log in LOGS]
    ours = source.open()
    try:
        with ours.translated(), ours.writing(Turn.JOURNAL):
            _unused(ours, clock, "the embedded store")
            # 2. to 4.
            rows = _copied(ours, target, clock, told, faults)
            faults("proof")
            proven = _proven(target, key)
            for found, expected in zip(proven[0], (last, *others), strict=True):
                if found != expected:
                    raise IntegrityError(f"the copy's last checkpoint is of {found.size} leaves, not {expected.size}")
            # 5. The anchors.
            faults("anchor")
            for log in reversed(LOGS):
                anchor.write(log.anchored(target), StoredLog(ours, log).last().note)
    finally:
        ours.close()
    guard.check_all(target, key)
    return Report(last=last, checkpoints=proven[1], rows=rows)


def _copied(
    ours: Session,
    target: PostgresPlace,
    clock: Clock,
    told: Callable[[str, int], None],
    faults: Callable[[str], None],
) -> Mapping[str, int]:
    target.upgrade()
    theirs = target.open()
    try:
        with theirs.translated():
            _unused(theirs, clock, "the database")
            for table in TABLES:
                _beginning(table, ours, theirs)
            for table in TABLES:
                _over(table, ours, theirs, told, faults)
            with theirs.reading():
                return {table.name: _same(table, ours, theirs) for table in TABLES}
    finally:
        theirs.close()


def _unused(session: Session, clock: Clock, where: str) -> None:
    for name, until in session.execute("SELECT name, until FROM leases"):
        if instant(until) > clock.now():
            raise UnavailableError(codes.STORE_UNAVAILABLE, f"a gateway runs on {where} ({name}): stop it first")


def _beginning(table: Table, ours: Session, theirs: Session) -> None:
    """Prove that what the target has of a table is what the source begins with; every row is compared at the end."""
    end = _end(table, theirs)
    if end is None:
        return
    known = _after(table, ours, None, 1, upto=end)
    (theirs_count,) = theirs.execute(f"SELECT count(*) FROM {table.name}").fetchone()  # noqa: S608  # our own name
    keys, places = _keys(table), _places(len(end))
    (count,) = ours.execute(f"SELECT count(*) FROM {table.name} WHERE ({keys}) <= ({places})", end).fetchone()  # noqa: S608
    if count != theirs_count or not known or known[0] != _row(table, _after(table, theirs, None, 1, upto=end)[0]):
        raise IntegrityError(
            f"the database holds {theirs_count} {table.name} that are not what this store begins with: it is another "
            "store, or one that went on after an earlier copy; copy into an empty database"
        )


def _over(
    table: Table, ours: Session, theirs: Session, told: Callable[[str, int], None], faults: Callable[[str], None]
) -> None:
    names, at, done = ", ".join(table.columns.keys()), _end(table, theirs), 0
    while rows := _after(table, ours, at, BATCH):
        at = _key(table, rows[-1])
        if table.name in partitions.PARENTS:
            partitions.reach(theirs, {table.name: at[0]})
        try:
            with theirs.writing(Turn.JOURNAL):
                theirs.insert(table.name, names, rows)
        except Exception as error:
            if theirs.own_fault(error):
                raise IntegrityError(f"{table.name} do not hold together ({type(error).__name__})") from error
            raise
        done += len(rows)
        told(table.name, done)
        faults(table.name)


def _same(table: Table, ours: Session, theirs: Session) -> int:
    """Compare every row, and return how many there are. Raises IntegrityError."""
    sql = f"SELECT {', '.join(table.columns.keys())} FROM {table.name} ORDER BY {{keys}}"  # noqa: S608  # our own names
    count = 0
    for mine, copied in zip_longest(
        ours.stream(sql.format(keys=_keys(table))), theirs.stream(sql.format(keys=_sorted(table)))
    ):
        if mine is None or copied is None or _row(table, mine) != tuple(copied):
            raise IntegrityError(f"row {count + 1} of {table.name} is not its original's copy")
        count += 1
    return count


def _proven(target: PostgresPlace, key: note.Key) -> tuple[list[checkpoint.Checkpoint], int]:
    """Compute every log of the target again; return their last checkpoints, and how many the audit log has."""
    views, read = Views(target), ReadingViews(target)
    try:
        report = views.verify_log(key)
        read.verify(key)
        last = checkpoint.verify(views.checkpoint(), key)
        return [last, checkpoint.verify(read.checkpoint(), READINGS.key(key))], report.checkpoints
    finally:
        views.close()


def _end(table: Table, session: Session) -> Row | None:
    """Return the greatest key that the target has."""
    order = ", ".join(f"{name} DESC" for name in _sorted(table).split(", "))
    row = session.execute(f"SELECT {_keys(table)} FROM {table.name} ORDER BY {order} LIMIT 1").fetchone()  # noqa: S608
    return tuple(row) if row else None


def _after(table: Table, session: Session, key: Row | None, limit: int, *, upto: Row | None = None) -> list[Row]:
    """Return rows beyond a key, in order; or, with `upto`, the one that has this key."""
    keys, words = _keys(table), "WHERE true"
    if upto is not None:
        words, key = f"WHERE ({keys}) = ({_places(len(upto))})", upto
    elif key is not None:
        words = f"WHERE ({keys}) > ({_places(len(key))})"
    names = ", ".join(table.columns.keys())
    rows = session.execute(
        f"SELECT {names} FROM {table.name} {words} ORDER BY {keys} LIMIT {limit}",  # noqa: S608  # our own names
        key or (),
    )
    return [_row(table, row) for row in rows]


def _row(table: Table, row: Row) -> Row:
    """Return a row with the types that PostgreSQL has; SQLite writes truth as a number."""
    return tuple(
        bool(value) if isinstance(column.type, Boolean) else value
        for column, value in zip(table.columns, row, strict=True)
    )


def _key(table: Table, row: Row) -> Row:
    return tuple(value for column, value in zip(table.columns, row, strict=True) if column.primary_key)


def _keys(table: Table) -> str:
    return ", ".join(column.name for column in table.primary_key)


def _sorted(table: Table) -> str:
    """Return the key as PostgreSQL must write it to have SQLite's order: texts by their bytes."""
    return ", ".join(
        f'{column.name} COLLATE "C"' if isinstance(column.type, String) else column.name for column in table.primary_key
    )


def _places(count: int) -> str:
    return ", ".join("?" * count)
