"""Each event once: marks in the consumer's own database, written in the transaction that does the work.

A broker delivers at least once. Between the commit of the work and the acknowledgement a process can die, and then the
event comes again. So the work and a mark that says it was done are committed together: whoever finds the mark has
nothing to do but acknowledge. No memory, no file and no other database can promise that.

The statements are plain SQL on any DB-API 2.0 connection (PEP 249). Two consumers that handle one event at the same
moment cannot both mark it: the second one's INSERT breaks the primary key, its transaction rolls back, and its next
attempt finds the mark.

A dead letter that an operator sends again (`x-gw-replay-of`) is a new message with the *same* event id. It is handled
unless the event was: what died may have been handled after all, when the acknowledgement was what failed. A consumer
that is to handle every such replay says `replays=True`; then each replay has a mark of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, Protocol

from gateway.database import written
from gateway.errors import ConfigError

CREATE = """\
CREATE TABLE gateway_seen (
    event  VARCHAR(128) NOT NULL,
    queue  VARCHAR(128) NOT NULL,
    replay BIGINT       NOT NULL,
    at     VARCHAR(32)  NOT NULL,
    PRIMARY KEY (event, queue, replay)
)"""
"""Run this once in the consumer's database. No column holds anything about a person."""


class Connection(Protocol):
    """What is asked of a DB-API connection."""

    def cursor(self) -> Any:  # noqa: ANN401  # every driver has its own
        """Return a cursor."""
        ...

    def commit(self) -> object:
        """Commit the transaction that is open."""
        ...

    def rollback(self) -> object:
        """Undo it."""
        ...


class Marked(Protocol):
    """What an event is known by."""

    @property
    def id(self) -> str:
        """Return its id: the same on every delivery."""
        ...

    @property
    def queue(self) -> str:
        """Return the queue it came from: on each queue it is another's work."""
        ...

    @property
    def replay_of(self) -> int | None:
        """Return the dead letter it was, if an operator sent it again."""
        ...


def once(
    connection: Connection,
    event: Marked,
    *,
    replays: bool = False,
    at: datetime | None = None,
    paramstyle: str | None = None,
) -> bool:
    """Mark the event in the connection's open transaction; False where it was marked before.

    Committing, after the work, is the caller's. `Incoming.handling` does all of it.

    Args:
        connection: The consumer's own. It must not commit by itself (autocommit), or the mark would stand without the
            work.
        event: What came.
        replays: Handle a dead letter that is sent again although the event was handled before.
        at: The time to write in the mark; now if None.
        paramstyle: As in PEP 249, where the driver does not tell: `qmark`, `numeric`, `named`, `format`, `pyformat`.

    Raises:
        ConfigError: the connection commits by itself, or its paramstyle cannot be told.
        The driver's own errors: there is no table, or another consumer marks the event right now.
    """
    if before(connection, event, replays=replays, paramstyle=paramstyle):
        return False
    mark(connection, event, replays=replays, at=at, paramstyle=paramstyle)
    return True


def before(connection: Connection, event: Marked, *, replays: bool = False, paramstyle: str | None = None) -> bool:
    """Say whether the event is marked already. Raises as `once` does."""
    if commits_by_itself(connection):
        raise ConfigError("gateway_seen: the connection commits by itself (autocommit): mark and work must be one")
    style = paramstyle or _style(connection)
    key: dict[str, object] = {"event": event.id, "queue": event.queue}
    if replays:
        key["replay"] = event.replay_of or 0
    where = " AND ".join(f"{name} = {sign}" for name, sign in zip(key, _marks(style, key), strict=True))
    with closing(connection.cursor()) as cursor:
        cursor.execute(f"SELECT 1 FROM gateway_seen WHERE {where}", _bound(style, key))  # noqa: S608  # our own names
        return cursor.fetchone() is not None


def mark(
    connection: Connection,
    event: Marked,
    *,
    replays: bool = False,
    at: datetime | None = None,
    paramstyle: str | None = None,
) -> None:
    """Mark the event, which must not be marked. Raises as `once` does."""
    style = paramstyle or _style(connection)
    row = {
        "event": event.id,
        "queue": event.queue,
        "replay": (event.replay_of or 0) if replays else 0,
        "at": written(at or datetime.now(UTC)),
    }
    values = ", ".join(_marks(style, row))
    with closing(connection.cursor()) as cursor:
        cursor.execute(
            f"INSERT INTO gateway_seen (event, queue, replay, at) VALUES ({values})",  # noqa: S608  # as above
            _bound(style, row),
        )


def forget(connection: Connection, *, older: datetime, paramstyle: str | None = None) -> None:
    """Delete marks from before `older`, in the connection's transaction.

    An event may come again as long as its dead letter can be sent again: keep the marks longer than that.
    """
    style = paramstyle or _style(connection)
    values = {"at": written(older)}
    with closing(connection.cursor()) as cursor:
        (value,) = _marks(style, values)
        cursor.execute(f"DELETE FROM gateway_seen WHERE at < {value}", _bound(style, values))  # noqa: S608  # as above


def commits_by_itself(connection: Connection) -> bool:
    """Say whether a statement would be committed at once, as far as the driver tells (sqlite3, psycopg, psycopg2)."""
    in_transaction = getattr(connection, "in_transaction", None)
    if in_transaction is not None:  # sqlite3; `autocommit` is -1 there where the old way rules
        legacy = getattr(connection, "isolation_level", "") is None and getattr(connection, "autocommit", -1) == -1
        return not in_transaction and (legacy or getattr(connection, "autocommit", -1) is True)
    status = getattr(getattr(connection, "info", None), "transaction_status", 0)  # 0 is libpq's IDLE
    return getattr(connection, "autocommit", False) is True and int(status) == 0


_STYLES = ("qmark", "numeric", "named", "format", "pyformat")


def _style(connection: Connection) -> str:
    for kind in type(connection).__mro__:
        module = sys.modules.get(kind.__module__.partition(".")[0])
        style = getattr(module, "paramstyle", None)
        if style in _STYLES:
            return str(style)
    raise ConfigError(f"gateway_seen: say how the driver writes values: paramstyle, one of {', '.join(_STYLES)}")


def _marks(style: str, values: Mapping[str, object]) -> list[str]:
    match style:
        case "qmark":
            return ["?"] * len(values)
        case "numeric":
            return [f":{number}" for number in range(1, len(values) + 1)]
        case "named":
            return [f":{name}" for name in values]
        case "format":
            return ["%s"] * len(values)
        case _:
            return [f"%({name})s" for name in values]


def _bound(style: str, values: Mapping[str, object]) -> Mapping[str, object] | Sequence[object]:
    return dict(values) if style in {"named", "pyformat"} else tuple(values.values())
