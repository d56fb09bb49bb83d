"""A consuming system: two such processes share one database, and handle each event once.

They use the consumer kit as FK's own systems do: one inbox for each queue, the purpose declared, mark and work in one
transaction. The work is a row in `handled`, written without any look at what is there: an event that was handled twice
would stand there twice.

One event in `POISON` can never be handled and dies at once; one in `FLAKY` fails the first two times. Which, its id
says. A dead letter that was sent again is handled.

What our own systems are told of what they commanded is kept as it came.

    python -m ops.soak.consumer CONFIG DATA DATABASE POISON FLAKY
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as sqlite

from gateway import consumer, logs
from gateway.cli import exits
from gateway.config import Configuration, Queue, load
from gateway.consumer import Incoming, PoisonError
from gateway.errors import GatewayError, UnavailableError
from gateway.events.compose import OUTCOME
from ops.soak import traces

CREATE = """
CREATE TABLE handled (
    n INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, queue TEXT NOT NULL, subject TEXT NOT NULL,
    digest TEXT NOT NULL, replay_of INTEGER, attempt INTEGER NOT NULL, process INTEGER NOT NULL
);
CREATE TABLE told (n INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, raw BLOB NOT NULL);
CREATE TABLE again (event TEXT NOT NULL, queue TEXT NOT NULL, attempt INTEGER NOT NULL, known INTEGER NOT NULL);
"""
_PATIENCE = 120.0
"""Seconds to wait for the database: the other process may have been stopped in the middle of a transaction."""
_PAUSE = 0.5
_FAILURES = 2
_DRAIN = 10.0
"""Seconds for a thread to finish the event in hand."""


class UnfitError(PoisonError):
    """This system will never take such an event."""


class HiccupError(Exception):
    """It would have worked a moment later."""


def create(database: Path) -> None:
    """Make the consuming system's database."""
    with closing(sqlite.connect(str(database))) as connection:
        connection.executescript(f"PRAGMA journal_mode=WAL; {CREATE}; {consumer.CREATE};")


def handled(database: Path) -> int:
    """Return how many events have been handled so far."""
    with closing(sqlite.connect(str(database))) as connection:
        return int(connection.execute("SELECT count(*) FROM handled").fetchone()[0])


def poisoned(event: str, one_in: int) -> bool:
    """Say whether an event is one that can never be handled."""
    return bool(one_in) and int(event[:8], 16) % one_in == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What all queues of this process share."""

    configuration: Configuration
    database: Path
    poison: int
    flaky: int
    ended: threading.Event


def work(queue: Queue, terms: Terms) -> None:
    """Handle a queue's events until it is told to end. Raises GatewayError."""
    purpose = queue.purposes[0]
    with closing(sqlite.connect(str(terms.database), timeout=_PATIENCE, isolation_level="IMMEDIATE")) as connection:
        connection.execute("PRAGMA synchronous=NORMAL")  # survives the process' death; the machine does not die here
        while not terms.ended.is_set():
            try:
                with consumer.connect(terms.configuration, queue=queue.name, purpose=purpose, name="soak") as inbox:
                    while not terms.ended.is_set():
                        _take(inbox, connection, terms)
            except UnavailableError:
                terms.ended.wait(_PAUSE)


def _take(inbox: consumer.Inbox, connection: Any, terms: Terms) -> None:  # noqa: ANN401  # the driver has no types
    try:
        for event in inbox.events(stop=terms.ended.is_set):
            with event.handling(connection) as new:
                _handle(connection, event, new=new, poison=terms.poison, flaky=terms.flaky)
    except UnavailableError:
        terms.ended.wait(_PAUSE)


def _handle(connection: Any, event: Incoming, *, new: bool, poison: int, flaky: int) -> None:  # noqa: ANN401  # as above
    if event.attempt > 1 or not new:
        connection.execute("INSERT INTO again VALUES (?, ?, ?, ?)", (event.id, event.queue, event.attempt, not new))
    if not new:
        return
    if event.replay_of is None and poisoned(event.id, poison):
        raise UnfitError
    if flaky and int(event.id.replace("-", "")[8:16], 16) % flaky == 0 and event.attempt <= _FAILURES:
        raise HiccupError
    digest = hashlib.sha256(event.raw).hexdigest()
    connection.execute(
        "INSERT INTO handled (event, queue, subject, digest, replay_of, attempt, process) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (event.id, event.queue, event.subject, digest, event.replay_of, event.attempt, os.getpid()),
    )
    if event.type == OUTCOME:
        connection.execute("INSERT INTO told (event, raw) VALUES (?, ?)", (event.id, event.raw))


def main(config: Path, data: Path, database: Path, poison: int, flaky: int) -> int:
    """Handle every queue's events, each in a thread of its own, until SIGTERM; return the exit code."""
    logs.configure()
    traces.keep()
    ended = threading.Event()
    failed: list[GatewayError] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    terms = Terms(
        configuration=load(config, data=data),
        database=database,
        poison=poison,
        flaky=flaky,
        ended=ended,
    )

    def run(queue: Queue) -> None:
        try:
            work(queue, terms)
        except GatewayError as error:
            logs.fault(error)
            failed.append(error)
        finally:
            ended.set()

    threads = [
        threading.Thread(target=run, args=(queue,), name=queue.name, daemon=True)
        for queue in terms.configuration.queues
        if queue.name != terms.configuration.gateway.sending.commands  # the gateway's own to read
    ]
    for thread in threads:
        thread.start()
    ended.wait()
    for thread in threads:
        thread.join(_DRAIN)
    return exits.of(failed[0]) if failed else 0


if __name__ == "__main__":
    _config, _data, _database, _poison, _flaky = sys.argv[1:]
    sys.exit(main(Path(_config), Path(_data), Path(_database), int(_poison), int(_flaky)))
