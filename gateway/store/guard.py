"""A log that is absent, shorter, or other than it was, is not served.

Asked at every start, before anything is received:

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
from gateway.store.log import StoredLog
from gateway.store.place import Place
from gateway.store.steps import REVISION


def check(place: Place, key: note.Key) -> checkpoint.Checkpoint:
    """Return the last checkpoint of the store, if all is as it was left.

    Args:
        place: The store.
        key: The public half of `[keys] checkpoint`, by the name of `[audit] origin`.

    Raises:
        IntegrityError: The log is absent, shorter or another; names what disagrees.
        UnavailableError: The disk does not answer.
    """
    return _checked(place, key)[0]


def _checked(place: Place, key: note.Key) -> tuple[checkpoint.Checkpoint, bytes, int]:
    """Return the last checkpoint, its note, and the anchor's size."""
    session = place.open()
    try:
        # 1. The anchor.
        anchored = checkpoint.verify(anchor.read(place.anchor), key)
        with session.translated(), session.reading():
            # 2. Database and schema.
            _schema(place, session)
            log = StoredLog(session)
            # 3. Our signature.
            stored = log.last()
            last = checkpoint.verify(stored.note, key)
            # 4. All leaves, under that root.
            if (last.size, last.root) != (stored.size, stored.root):
                raise IntegrityError(f"the checkpoint stored for {stored.size} leaves is one for {last.size}")
            if log.length() < last.size:
                raise IntegrityError(f"the log has {log.length()} leaves, but {last.size} were signed for")
            _root(log, last)
            # 5. Not shorter, and no other.
            if anchored.size > last.size:
                raise IntegrityError(
                    f"the log was signed at {anchored.size} leaves and has {last.size}: this is an older copy"
                )
            _root(log, anchored)
            return last, stored.note, anchored.size
    finally:
        session.close()


def renew(place: Place, key: note.Key) -> checkpoint.Checkpoint:
    """Check as at a start, then let this machine's anchor grow to the last checkpoint. Raises as `check` does."""
    last, signed, anchored = _checked(place, key)
    if anchored < last.size:
        anchor.write(place.anchor, signed)
    return last


def join(place: Place, key: note.Key) -> checkpoint.Checkpoint:
    """Give a machine that has none its anchor: from here on it knows how long the log was.

    What it is given it believes: compare size and root with another machine's. Raises IntegrityError where the machine
    has an anchor, or the log does not agree with itself.
    """
    if place.anchor.exists():
        raise IntegrityError(f"{place.anchor.name} is there already: this machine knows the log")
    session = place.open()
    try:
        with session.translated():
            signed = StoredLog(session).last().note
    finally:
        session.close()
    checkpoint.verify(signed, key)
    place.anchor.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    anchor.write(place.anchor, signed)
    return check(place, key)


def _schema(place: Place, session: Session) -> None:
    found = place.revision(session)
    if found != REVISION:
        mend = "; `gateway store upgrade` brings it there" if found and found < REVISION else ""
        raise IntegrityError(f"the store's schema is {found or 'unknown'}, not {REVISION}{mend}")


def _root(log: StoredLog, promised: checkpoint.Checkpoint) -> None:
    if tree.root(promised.size, log.nodes()) != promised.root:
        raise IntegrityError(f"the stored tree does not have the root signed for {promised.size} leaves")
