"""Sessions for an object that many threads share: each borrows one for as long as it needs it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from gateway import codes
from gateway.database import Session
from gateway.errors import GatewayError, IntegrityError, UnavailableError
from gateway.store.place import Place


class Sessions:
    """As many as are needed at once; they are kept for the next."""

    def __init__(self, place: Place) -> None:
        """Open the first. Raises IntegrityError if no store is there, UnavailableError."""
        self._place = place
        self._door = threading.Lock()
        self._idle: list[Session] | None = [place.open()]

    @contextmanager
    def lent(self) -> Iterator[Session]:
        """Lend a session; what the database says becomes ours.

        Raises:
            UnavailableError: Nothing has happened, or asking again finds what has.
            IntegrityError: The database cannot hold what it was given; asking again changes nothing.
        """
        session = self._one()
        try:
            yield session
        except GatewayError:
            raise
        except Exception as error:
            if session.own_fault(error) or isinstance(error, UnicodeError):
                raise IntegrityError(f"the store cannot hold what it was given ({type(error).__name__})") from error
            failure = session.translation(error)
            if failure is None:
                raise
            raise failure from error
        finally:
            self._back(session)

    def close(self) -> None:
        """Close those that nobody has; the others are closed when they come back. May be called twice."""
        with self._door:
            idle, self._idle = self._idle, None
        for session in idle or ():
            session.close()

    def _one(self) -> Session:
        with self._door:
            if self._idle is None:
                raise UnavailableError(codes.DRAINING)
            if self._idle:
                return self._idle.pop()
        return self._place.open()

    def _back(self, session: Session) -> None:
        with self._door:
            if self._idle is not None:
                self._idle.append(session)
                return
        session.close()
