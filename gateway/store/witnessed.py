"""What others have signed for, to look at: how far the witnesses have come, which days are stamped, what is shown.

For fronts, operators and auditors; those who gather it write through `cosignatures` and `stamps`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from gateway.audit import note
from gateway.audit.policy import Policy
from gateway.database import Session
from gateway.store.cosignatures import Standing, StoredCosignatures
from gateway.store.log import AUDIT, Log, Signed
from gateway.store.place import Place
from gateway.store.stamps import Stamped, StoredStamps


class Witnessed:
    """Opens the store for each question, so it may be kept by any thread and holds nothing up."""

    def __init__(self, place: Place, key: note.Key, policy: Policy | None, log: Log = AUDIT) -> None:
        """`key` is the log's, by the name of its origin; `policy` None where nobody witnesses."""
        self._place = place
        self._key = key
        self._policy = policy
        self._log = log

    def shown(self, session: Session, least: int = 0) -> Signed:
        """Return the checkpoint that is shown, of at least so many leaves, through the caller's session."""
        return self._cosignatures(session).shown(self._policy, least)

    def standing(self, now: datetime) -> Standing | None:
        """Return how far the witnesses have come; None where nobody witnesses."""
        if self._policy is None:
            return None
        with self._session() as session:
            return self._cosignatures(session).standing(self._policy, now)

    def check(self) -> int:
        """Prove every cosignature that is kept, and return how many there are. Raises IntegrityError."""
        with self._session() as session:
            return self._cosignatures(session).check(self._key)

    def unstamped(self, now: datetime) -> timedelta:
        """Return how long ago the oldest day ended that is not stamped; nothing where each is."""
        with self._session() as session:
            due = StoredStamps(session, self._key.name, self._log).due(now)
        return timedelta(0) if due is None else due.late(now)

    def stamps(self) -> Sequence[Stamped]:
        """Return what was stamped, the first day first. Raises IntegrityError."""
        with self._session() as session:
            return StoredStamps(session, self._key.name, self._log).all()

    def _cosignatures(self, session: Session) -> StoredCosignatures:
        return StoredCosignatures(session, self._key.name, self._log)

    @contextmanager
    def _session(self) -> Iterator[Session]:
        session = self._place.open()
        try:
            with session.translated(), session.reading():
                yield session
        finally:
            session.close()
