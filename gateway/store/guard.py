"""A log that is absent, shorter, or other than it was, is not served.

Asked at every start, before anything is received, of the audit log and of that of its readings:

1. The anchor is there and signed by us. It is read first: it is written last, so the database that is then looked at
   has all that it counts, also while an integrator runs.
2. The database is there, at the schema this program knows.
3. Its last checkpoint has our signature.
4. It holds every leaf that the checkpoint counts, and the tiles give the root that was signed.
5. The anchor is not longer than the log, and the log begins with it.

`audit.verify` computes everything from the entries; here it is the tiles, so that a start takes milliseconds.
"""

from __future__ import annotations

from gateway.audit import checkpoint, note, tree
from gateway.database import Session
from gateway.errors import IntegrityError
from gateway.store import anchor
from gateway.store.log import AUDIT, LOGS, Log, StoredLog
from gateway.store.place import Place
from gateway.store.steps import REVISION


def check(place: Place, key: note.Key, log: Log = AUDIT) -> checkpoint.Checkpoint:
    """Return the last checkpoint of a log, if all is as it was left.

    Args:
        place: The store.
        key: The public half of `[keys] checkpoint`, by the name of `[audit] origin`.
        log: Which.

    Raises:
        IntegrityError: The log is absent, shorter or another; names what disagrees.
        UnavailableError: The disk does not answer.
    """
    return _checked(place, key, log)[0]


def check_all(place: Place, key: note.Key) -> None:
    """Check every log of the store, as `check` does."""
    for log in LOGS:
        check(place, key, log)


def _checked(place: Place, key: note.Key, log: Log) -> tuple[checkpoint.Checkpoint, bytes, int]:
    """Return the last checkpoint, its note, and the anchor's size."""
    session, key = place.open(), log.key(key)
    try:
        # 1. The anchor.
        anchored = checkpoint.verify(anchor.read(log.anchored(place)), key)
        with session.translated(), session.reading():
            # 2. Database and schema.
            _schema(place, session)
            kept = StoredLog(session, log)
            # 3. Our signature.
            stored = kept.last()
            last = checkpoint.verify(stored.note, key)
            # 4. All leaves, under that root.
            if (last.size, last.root) != (stored.size, stored.root):
                raise IntegrityError(f"the checkpoint stored for {stored.size} leaves is one for {last.size}")
            if kept.length() < last.size:
                raise IntegrityError(f"the {log.name} has {kept.length()} leaves, but {last.size} were signed for")
            _root(kept, last)
            # 5. Not shorter, and no other.
            if anchored.size > last.size:
                raise IntegrityError(
                    f"the {log.name} was signed at {anchored.size} leaves and has {last.size}: this is an older copy"
                )
            _root(kept, anchored)
            return last, stored.note, anchored.size
    finally:
        session.close()


def renew(place: Place, key: note.Key, log: Log = AUDIT) -> checkpoint.Checkpoint:
    """Check as at a start, then let this machine's anchor grow to the last checkpoint. Raises as `check` does."""
    last, signed, anchored = _checked(place, key, log)
    if anchored < last.size:
        anchor.write(log.anchored(place), signed)
    return last


def renew_all(place: Place, key: note.Key) -> None:
    """Renew the anchor of every log of the store, as `renew` does."""
    for log in LOGS:
        renew(place, key, log)


def join(place: Place, key: note.Key, log: Log = AUDIT) -> checkpoint.Checkpoint:
    """Give a machine that has none its anchor: from here on it knows how long the log was.

    What it is given it believes: compare size and root with another machine's. Raises IntegrityError where the machine
    has an anchor, or the log does not agree with itself.
    """
    where = log.anchored(place)
    if where.exists():
        raise IntegrityError(f"{where.name} is there already: this machine knows the {log.name}")
    session = place.open()
    try:
        with session.translated():
            signed = StoredLog(session, log).last().note
    finally:
        session.close()
    checkpoint.verify(signed, log.key(key))
    where.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    anchor.write(where, signed)
    return check(place, key, log)


def keep_all(place: Place, key: note.Key, *, first: bool = False) -> list[checkpoint.Checkpoint]:
    """Renew the anchor of every log, the audit log's first; with `first`, give this machine those that it lacks.

    Raises as `renew` and `join` do: where it has them all, `first` is an error.
    """
    lacking = [log for log in LOGS if not log.anchored(place).exists()]
    return [
        join(place, key, log) if first and (log in lacking or not lacking) else renew(place, key, log) for log in LOGS
    ]


def _schema(place: Place, session: Session) -> None:
    found = place.revision(session)
    if found != REVISION:
        mend = "; `gateway store upgrade` brings it there" if found and found < REVISION else ""
        raise IntegrityError(f"the store's schema is {found or 'unknown'}, not {REVISION}{mend}")


def _root(log: StoredLog, promised: checkpoint.Checkpoint) -> None:
    if tree.root(promised.size, log.nodes()) != promised.root:
        raise IntegrityError(f"the stored tree does not have the root signed for {promised.size} leaves")
