"""The log as anybody may have it: checkpoint, tiles and entries by their paths (C2SP tlog-tiles).

Only what a checkpoint covers is published, and that never changes: a partial tile is the beginning of the fuller one
that is stored, so every width up to that is answered. Each question is one or two short selects of one row each, or
256 for entries, in a transaction of its own, so that writers do not wait.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.audit import static, tiles
from gateway.database import Session
from gateway.errors import IntegrityError
from gateway.store.log import AUDIT, Log, Signed, StoredLog, check
from gateway.store.place import Place
from gateway.store.sessions import Sessions


class Published:
    """May be asked by several threads at once."""

    def __init__(self, place: Place, shown: Callable[[Session], Signed] | None = None, *, log: Log = AUDIT) -> None:
        """Open one of the store's logs; `shown` gives the checkpoint, without it the last is given.

        Raises IntegrityError if none is there, UnavailableError.
        """
        self._sessions = Sessions(place)
        self._shown = shown or (lambda session: StoredLog(session, log).last())
        self._which = log
        self._size = 0
        """Of a checkpoint that was seen: the log does not shrink."""

    def read(self, path: str) -> bytes | None:
        """Return what is at a path below the log's prefix; None for what there is not, or not yet.

        Raises:
            UnavailableError: the store does not answer now.
            IntegrityError: what was signed for is not there, or not as it was.
        """
        if path == static.CHECKPOINT:
            with self._sessions.lent() as session:
                return self._shown(session).note
        asked = tiles.asked(path)
        if asked is None:
            return None
        with self._sessions.lent() as session:
            return self._found(session, asked)

    def close(self) -> None:
        """Close what is open. May be called twice."""
        self._sessions.close()

    def _found(self, session: Session, asked: tiles.Asked) -> bytes | None:
        log = StoredLog(session, self._which)
        if not asked.within(self._size):
            self._size = log.last().size
            if not asked.within(self._size):
                return None
        if asked.level is None:
            return tiles.bundle(entry for _, entry in bundled(log, asked.number, asked.width))
        hashes = log.tile(asked.level, asked.number)[: asked.width * tiles.HASH]
        if len(hashes) != asked.width * tiles.HASH:
            raise IntegrityError(f"tile {asked.level}/{asked.number} is too short")
        return hashes


def bundled(log: StoredLog, number: int, width: int) -> list[tuple[bytes, bytes]]:
    """Return (hash, entry) of the first `width` leaves of an entry bundle. Raises IntegrityError."""
    first = number * tiles.WIDTH
    leaves = log.leaves(first, width)
    if len(leaves) != width:
        raise IntegrityError(f"leaf {first + len(leaves)} is not there")
    for expected, (position, stored, entry) in enumerate(leaves, start=first):
        check(expected, position, stored, entry)
    return [(stored, entry) for _, stored, entry in leaves]
