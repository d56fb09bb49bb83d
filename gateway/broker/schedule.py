"""The embedded broker's tables, and the steps on them that keep order: always inside the caller's transaction.

One row in `deliveries` is one event on one queue. Of one person's events on a queue only the oldest is in play, so they
are handled one at a time and in order:

    waiting  an older event of the same person is still on the queue
    ready    may be lent                 <- published, given back, or its lease ended
    lent     until acknowledged, given back, or the lease ends
    (gone)   acknowledged, or moved to `dead_letters`; then the person's next waiting event becomes ready

`published` remembers what each queue was given, for a while beyond its acknowledgement: a relay that died before it
could settle publishes again, and that must stay one event. A dead letter that is sent again is a new message: it has
the event's id, and is known by the letter's number too.

`dead_letters` is a queue of its own, from which they are fetched home to the store: lent, then acknowledged.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from gateway.database import Row, written
from gateway.errors import IntegrityError
from gateway.message import Event
from gateway.sqlite import File, translated

VERSION = 2
REMEMBERED = timedelta(days=7)
"""How long an event id is known on a queue: far longer than any relay is down without somebody looking."""
_TABLES = """
CREATE TABLE queues (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, delivery_limit INTEGER NOT NULL);
CREATE TABLE published (
    queue INTEGER NOT NULL REFERENCES queues, event TEXT NOT NULL, letter INTEGER NOT NULL, day TEXT NOT NULL,
    PRIMARY KEY (queue, event, letter)
) WITHOUT ROWID;
CREATE INDEX ix_published_day ON published (day);
CREATE TABLE deliveries (
    tag INTEGER PRIMARY KEY AUTOINCREMENT, queue INTEGER NOT NULL REFERENCES queues, event TEXT NOT NULL,
    type TEXT NOT NULL, partition TEXT NOT NULL, body BLOB NOT NULL, state TEXT NOT NULL, since TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0, lease_ends TEXT, replay_of INTEGER, replay_reason TEXT
);
CREATE INDEX ix_deliveries_state ON deliveries (queue, state, tag);
CREATE INDEX ix_deliveries_partition ON deliveries (queue, partition, tag);
CREATE TABLE dead_letters (
    tag INTEGER PRIMARY KEY AUTOINCREMENT, queue INTEGER NOT NULL REFERENCES queues, event TEXT NOT NULL,
    type TEXT NOT NULL, partition TEXT NOT NULL, body BLOB NOT NULL, attempts INTEGER NOT NULL, reason TEXT NOT NULL,
    since TEXT NOT NULL, at TEXT NOT NULL, replay_of INTEGER, lease_ends TEXT
);
"""
_FROM_1 = """
ALTER TABLE published RENAME TO before;
CREATE TABLE published (
    queue INTEGER NOT NULL REFERENCES queues, event TEXT NOT NULL, letter INTEGER NOT NULL, day TEXT NOT NULL,
    PRIMARY KEY (queue, event, letter)
) WITHOUT ROWID;
INSERT INTO published SELECT queue, event, 0, day FROM before;
DROP TABLE before;
CREATE INDEX ix_published_day ON published (day);
ALTER TABLE dead_letters RENAME TO before;
DROP INDEX ix_dead_letters_queue;
CREATE TABLE dead_letters (
    tag INTEGER PRIMARY KEY AUTOINCREMENT, queue INTEGER NOT NULL REFERENCES queues, event TEXT NOT NULL,
    type TEXT NOT NULL, partition TEXT NOT NULL, body BLOB NOT NULL, attempts INTEGER NOT NULL, reason TEXT NOT NULL,
    since TEXT NOT NULL, at TEXT NOT NULL, replay_of INTEGER, lease_ends TEXT
);
INSERT INTO dead_letters
    SELECT id, queue, event, type, partition, body, attempts, reason, since, at, NULL, NULL FROM before
    WHERE replayed_at IS NULL;
DROP TABLE before;
"""
"""Version 1 kept dead letters for good, also those that had been sent again: their bodies have gone on."""
_EXISTING = """
    WITH w (q, e, l) AS (VALUES {values})
    SELECT q, e, l FROM w CROSS JOIN published ON queue = q AND event = e AND letter = l
"""
_BUSY = """
    WITH w (q, p) AS (VALUES {values})
    SELECT q, p FROM w WHERE EXISTS (SELECT 1 FROM deliveries WHERE queue = q AND partition = p)
"""


def create(path: Path) -> None:
    """Make `queues.db`. Raises IntegrityError if it is there; UnavailableError if the disk does not take it."""
    file = File(path, create=True)
    try:
        with translated(), file.writing() as connection:
            for statement in filter(str.strip, _TABLES.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={VERSION}")
    finally:
        file.close()


def check(file: File) -> None:
    """Bring a file of an older version to this one, inside the caller's transaction; refuse one of another make.

    Raises IntegrityError.
    """
    found = file.connection.execute("PRAGMA user_version").fetchone()[0]
    if found == 1:
        for statement in filter(str.strip, _FROM_1.split(";")):
            file.connection.execute(statement)
        file.connection.execute(f"PRAGMA user_version={VERSION}")
    elif found != VERSION:
        raise IntegrityError(f"queues.db is of version {found}, not {VERSION}")


def put(file: File, queues: dict[str, int], events: Sequence[Event], now: datetime) -> None:
    """Put each event on all its queues, unless it was given to them before."""
    wanted = {(queues[name], event.id, _letter(event)): event for event in events for name in event.queues}
    for known in file.match(_EXISTING, list(wanted)):
        del wanted[known]
    if not wanted:
        return
    busy = set(file.match(_BUSY, list({(queue, event.partition) for (queue, *_), event in wanted.items()})))
    day, since = now.date().isoformat(), written(now)
    rows: list[Row] = []
    for (queue, *_), event in wanted.items():
        key = (queue, event.partition)
        replay = (event.replay.letter, event.replay.reason) if event.replay else (None, None)
        state = "waiting" if key in busy else "ready"
        rows.append((queue, event.id, event.type, event.partition, event.body, state, since, *replay))
        busy.add(key)
    file.insert("published", "queue, event, letter, day", [(*known, day) for known in wanted])
    file.insert("deliveries", "queue, event, type, partition, body, state, since, replay_of, replay_reason", rows)


def _letter(event: Event) -> int:
    return event.replay.letter if event.replay else 0


def forget(file: File, now: datetime) -> None:
    """Forget event ids that nobody will publish again, some thousand at a time."""
    file.connection.execute(
        "DELETE FROM published WHERE (queue, event, letter) IN "
        "(SELECT queue, event, letter FROM published WHERE day < ? ORDER BY day LIMIT 5000)",
        ((now - REMEMBERED).date().isoformat(),),
    )


def lend(file: File, queue: int, limit: int, ends: datetime) -> list[Row]:
    """Lend the oldest ready events, as (tag, event, body, attempt, replay_of, replay_reason)."""
    rows: list[Row] = file.connection.execute(
        "SELECT tag, event, body, attempt + 1, replay_of, replay_reason FROM deliveries "
        "WHERE queue = ? AND state = 'ready' ORDER BY tag LIMIT ?",
        (queue, limit),
    ).fetchall()
    if rows:
        file.match(
            "WITH w (t, e) AS (VALUES {values}) UPDATE deliveries "
            "SET state = 'lent', attempt = attempt + 1, lease_ends = e FROM w WHERE tag = t",
            [(row[0], written(ends)) for row in rows],
        )
    return rows


def expired(file: File, queue: int, now: datetime) -> list[int]:
    """Return the tags of events whose lease has ended."""
    rows = file.connection.execute(
        "SELECT tag FROM deliveries WHERE queue = ? AND state = 'lent' AND lease_ends <= ?", (queue, written(now))
    )
    return [tag for (tag,) in rows.fetchall()]


def give_back(file: File, tags: Sequence[int]) -> None:
    """Make lent events ready again, each in its old place."""
    file.match(
        "WITH w (t) AS (VALUES {values}) UPDATE deliveries SET state = 'ready', lease_ends = NULL FROM w WHERE tag = t",
        [(tag,) for tag in tags],
    )


def fail(file: File, tag: int, reason: str, now: datetime, *, again: bool = True) -> None:
    """Give a lent event back for another attempt; past the queue's delivery limit, or not `again`, let it die."""
    row = file.connection.execute(
        "SELECT attempt > delivery_limit, queue, partition FROM deliveries JOIN queues ON queues.id = queue "
        "WHERE tag = ?",
        (tag,),
    ).fetchone()
    if again and not row[0]:
        give_back(file, [tag])
        return
    file.connection.execute(
        "INSERT INTO dead_letters (queue, event, type, partition, body, attempts, reason, since, at, replay_of) "
        "SELECT queue, event, type, partition, body, attempt, ?, since, ?, replay_of FROM deliveries WHERE tag = ?",
        (reason, written(now), tag),
    )
    file.connection.execute("DELETE FROM deliveries WHERE tag = ?", (tag,))
    promote(file, [(row[1], row[2])])


def promote(file: File, freed: Sequence[tuple[int, str]]) -> None:
    """Make the next event ready for each (queue, partition) whose event in play is gone."""
    file.match(
        "WITH w (q, p) AS (VALUES {values}) UPDATE deliveries SET state = 'ready' WHERE state = 'waiting' AND tag IN "
        "(SELECT (SELECT min(tag) FROM deliveries WHERE queue = q AND partition = p) FROM w)",
        freed,
    )


def lend_dead(file: File, limit: int, now: datetime, ends: datetime) -> list[Row]:
    """Lend the oldest dead letters.

    As (tag, queue's name, event, type, partition, attempts, reason, since, at, replay_of, body).
    """
    rows: list[Row] = file.connection.execute(
        "SELECT tag, name, event, type, partition, attempts, reason, since, at, replay_of, body "
        "FROM dead_letters JOIN queues ON queues.id = queue WHERE lease_ends IS NULL OR lease_ends <= ? "
        "ORDER BY tag LIMIT ?",
        (written(now), limit),
    ).fetchall()
    if rows:
        _lease_dead(file, [(row[0], written(ends)) for row in rows])
    return rows


def return_dead(file: File, tags: Sequence[int]) -> None:
    """Take dead letters back that are not wanted now."""
    _lease_dead(file, [(tag, None) for tag in tags])


def _lease_dead(file: File, leases: Sequence[Row]) -> None:
    file.match("WITH w (t, e) AS (VALUES {values}) UPDATE dead_letters SET lease_ends = e FROM w WHERE tag = t", leases)


def bury(file: File, letters: Sequence[Row]) -> None:
    """Forget dead letters, by (tag, event)."""
    file.match(
        "WITH w (t, e) AS (VALUES {values}) DELETE FROM dead_letters WHERE (tag, event) IN (SELECT t, e FROM w)",
        letters,
    )
