"""The embedded broker's tables, and the steps on them that keep order: always inside the caller's transaction.

One row in `deliveries` is one event on one queue. Of one person's events on a queue only the oldest is in play, so they
are handled one at a time and in order:

    waiting  an older event of the same person is still on the queue
    ready    may be lent                 <- published, given back, or its lease ended
    lent     until acknowledged, given back, or the lease ends
    (gone)   acknowledged, or moved to `dead_letters`; then the person's next waiting event becomes ready

`published` remembers what each queue was given, for a while beyond its acknowledgement: a relay that died before it
could settle publishes again, and that must stay one event.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from gateway.errors import IntegrityError
from gateway.message import Event
from gateway.sqlite import File, Row, translated, written

VERSION = 1
REMEMBERED = timedelta(days=7)
"""How long an event id is known on a queue: far longer than any relay is down without somebody looking."""
_TABLES = """
CREATE TABLE queues (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, delivery_limit INTEGER NOT NULL);
CREATE TABLE published (
    queue INTEGER NOT NULL REFERENCES queues, event TEXT NOT NULL, day TEXT NOT NULL,
    PRIMARY KEY (queue, event)
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
    id INTEGER PRIMARY KEY AUTOINCREMENT, queue INTEGER NOT NULL REFERENCES queues, event TEXT NOT NULL,
    type TEXT NOT NULL, partition TEXT NOT NULL, body BLOB NOT NULL, attempts INTEGER NOT NULL, reason TEXT NOT NULL,
    since TEXT NOT NULL, at TEXT NOT NULL, replayed_at TEXT
);
CREATE INDEX ix_dead_letters_queue ON dead_letters (queue, id);
"""
_EXISTING = "WITH w (q, e) AS (VALUES {values}) SELECT q, e FROM w CROSS JOIN published ON queue = q AND event = e"
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
    """Refuse a file of another make. Raises IntegrityError."""
    found = file.connection.execute("PRAGMA user_version").fetchone()[0]
    if found != VERSION:
        raise IntegrityError(f"queues.db is of version {found}, not {VERSION}")


def put(file: File, queues: dict[str, int], events: Sequence[Event], now: datetime) -> None:
    """Put each event on all its queues, unless it was given to them before."""
    wanted = {(queues[name], event.id): event for event in events for name in event.queues}
    for queue, known in file.match(_EXISTING, list(wanted)):
        del wanted[queue, known]
    if not wanted:
        return
    busy = set(file.match(_BUSY, list({(queue, event.partition) for (queue, _), event in wanted.items()})))
    day, since = now.date().isoformat(), written(now)
    rows: list[Row] = []
    for (queue, _), event in wanted.items():
        key = (queue, event.partition)
        rows.append((queue, event.id, event.type, *key[1:], event.body, "waiting" if key in busy else "ready", since))
        busy.add(key)
    file.insert("published", "queue, event, day", [(queue, known, day) for queue, known in wanted])
    file.insert("deliveries", "queue, event, type, partition, body, state, since", rows)


def forget(file: File, now: datetime) -> None:
    """Forget event ids that nobody will publish again, some thousand at a time."""
    file.connection.execute(
        "DELETE FROM published WHERE (queue, event) IN "
        "(SELECT queue, event FROM published WHERE day < ? ORDER BY day LIMIT 5000)",
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


def give_back(file: File, tag: int, reason: str, now: datetime) -> None:
    """Make a lent event ready again in its old place, or a dead letter past the queue's delivery limit."""
    row = file.connection.execute(
        "SELECT attempt > delivery_limit, queue, partition FROM deliveries JOIN queues ON queues.id = queue "
        "WHERE tag = ?",
        (tag,),
    ).fetchone()
    if not row[0]:
        file.connection.execute("UPDATE deliveries SET state = 'ready', lease_ends = NULL WHERE tag = ?", (tag,))
        return
    file.connection.execute(
        "INSERT INTO dead_letters (queue, event, type, partition, body, attempts, reason, since, at) "
        "SELECT queue, event, type, partition, body, attempt, ?, since, ? FROM deliveries WHERE tag = ?",
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


def replay(file: File, letter: int, reason: str, now: datetime) -> int | None:
    """Put a dead letter on its queue again, as a new delivery; None if there is no such letter."""
    row = file.connection.execute(
        "SELECT queue, event, type, partition, body FROM dead_letters WHERE id = ? AND replayed_at IS NULL", (letter,)
    ).fetchone()
    if row is None:
        return None
    state = "waiting" if file.match(_BUSY, [(row[0], row[3])]) else "ready"
    cursor = file.connection.execute(
        "INSERT INTO deliveries (queue, event, type, partition, body, state, since, replay_of, replay_reason) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*row, state, written(now), letter, reason),
    )
    file.connection.execute("UPDATE dead_letters SET replayed_at = ? WHERE id = ?", (written(now), letter))
    return int(cursor.lastrowid)
