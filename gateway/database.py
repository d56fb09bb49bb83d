"""What the store asks of a database: one promise, kept by SQLite (`sqlite.py`) and PostgreSQL (`postgresql.py`).

The store's SQL is written once, with `?` for values. Where the two speak differently, a `Session` has the word for it.
Errors are the driver's own until `translated` makes them ours, so that a hot path pays for that only when it fails.
Every writer takes a *turn*: while one transaction holds a turn, no other can hold the same. SQLite has one turn for the
whole file; PostgreSQL has one for each name (an advisory lock that ends with the transaction), so that numbering
messages never waits for the integrator or the relay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Protocol

from gateway.errors import IntegrityError, UnavailableError

Row = tuple[Any, ...]


class Turn(StrEnum):
    """What may be written by one transaction at a time."""

    JOURNAL = "journal"
    """Numbers messages, refusals, leaves and outbox rows."""
    OUTBOX = "outbox"
    """Forgets outbox rows."""
    LOG = "log"
    """Adds tiles and checkpoints."""
    LEASES = "leases"
    LETTERS = "letters"
    """Records and judges dead letters."""
    DISPATCHES = "dispatches"
    """Numbers commands, dispatches, instructions and pauses; makes transitions that have neither leaf nor event."""
    READINGS = "readings"
    """Numbers the log of readings: nobody who reads keeps a message waiting."""
    TRUST = "trust"
    """Keeps what signatures are judged by."""
    CONTROL = "control"
    """Draws for the recurring control, and marks what was drawn."""


class TooLongError(Exception):
    """A statement was given up: it took longer than a question may (`Session.limited`)."""


class Rows(Protocol):
    """What a statement gives."""

    def fetchone(self) -> Any: ...  # noqa: ANN401, D102  # rows are as their columns are
    def fetchall(self) -> list[Any]: ...  # noqa: D102
    def __iter__(self) -> Iterator[Any]: ...


class Session(Protocol):
    """One connection. Belongs to one thread at a time. Raises the driver's errors; `translated` makes them ours."""

    join: str
    """`CROSS JOIN` where only that keeps SQLite's order of tables, `JOIN` elsewhere; takes an ON clause."""
    instr: str
    """Where a value stands in a column of bytes, from 1; 0 if nowhere: `{}` is the column."""
    among: str
    """After a column of texts: that it is one of a list, which is one value, JSON. Of some thousands; it is taken
    for a short list, so an index finds them."""

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Rows:
        """Run one statement; outside `writing` and `reading` it is a transaction by itself."""
        ...

    def stream(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        """Yield the rows of a select that may be longer than memory; inside `reading`."""
        ...

    def writing(self, turn: Turn) -> AbstractContextManager[None]:
        """Hold a turn and a transaction: committed at the end of the block, rolled back if it raises."""
        ...

    def reading(self) -> AbstractContextManager[None]:
        """Hold one moment still for several selects; writers go on."""
        ...

    def limited(self) -> AbstractContextManager[None]:
        """Give up what takes longer than a question may, for who asks must not hurt who is served; inside `reading`.

        Raises TooLongError; nothing more can be asked then in the same `reading`.
        """
        ...

    def insert(self, table: str, columns: str, rows: Sequence[Row], then: str = "") -> None:
        """Insert many rows; `then` is an ON CONFLICT clause, applied to the rows in their order."""
        ...

    def match(self, sql: str, keys: Sequence[Row]) -> list[Row]:
        """Run what belongs to any of `keys`: `sql` has `{values}` where they stand as rows of a table, and `{join}`."""
        ...

    def listed(self, sql: str, keys: Sequence[Row]) -> list[Row]:
        """Run what joins nothing: `sql` has `{0}` for "is one of the first of each of `keys`", `{1}` for the second.

        Texts and whole numbers. `match` leaves it to the planner which of two tables is gone through. Here there is
        one, found by an index, whatever the planner believes of a table that was empty when the plan was made.
        """
        ...

    def translated(self) -> AbstractContextManager[None]:
        """Turn what driver and disk raise into UnavailableError (nothing has happened, or resending is safe).

        What is damaged is IntegrityError: trying again does not mend it.
        """
        ...

    def translation(self, error: BaseException) -> UnavailableError | IntegrityError | None:
        """Return our error for one of the driver's or the disk's; None for any other."""
        ...

    def own_fault(self, error: BaseException) -> bool:
        """Tell whether the values of a row, not disk or database, are to blame."""
        ...

    def close(self) -> None:
        """Close the connection. May be called twice."""
        ...


CHUNK = 128
"""Most rows in one statement: beyond it parsing a longer statement costs what running a second one would."""


def chunks(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Cut into powers of two, so that a handful of prepared statements serves every number of rows."""
    at = 0
    while left := len(rows) - at:
        size = min(CHUNK, 1 << (left.bit_length() - 1))
        yield rows[at : at + size]
        at += size


@lru_cache(maxsize=256)
def places(rows: int, columns: int) -> str:
    """Return places for the values of so many rows: `(?, ?), (?, ?)`."""
    return ", ".join(["(" + ", ".join("?" * columns) + ")"] * rows)


def written(at: datetime) -> str:
    """Return a time as it stands in our tables: UTC, microseconds, always 27 characters, so that it sorts."""
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ" % (  # noqa: UP031  # half the cost of an f-string or isoformat
        utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond,
    )  # fmt: skip


def instant(text: str) -> datetime:
    """Return the time that `written` wrote."""
    return datetime.fromisoformat(text)
