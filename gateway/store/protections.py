"""What the folkbokföring last said of protected identity, answered from memory (`ports.Protections`).

The table is written by the journal, in the transaction that accepts the message which said so. Here is a copy of it:

* read whole when opened,
* refreshed by the journal of this process after each commit that changed it, before that message is even receipted,
* refreshed before an answer when the last refresh is more than a second old: so long may another process's news take.

It fails closed: a person of whom nothing was said is UNKNOWN, and when the copy cannot be refreshed everybody is.
Memory: about 250 bytes a person.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from gateway.errors import GatewayError
from gateway.message import Protection, Pseudonym
from gateway.store.place import Place

WINDOW = 1.0
"""Seconds for which the copy is believed. No longer than the integrator's interval: nothing else here waits less."""


class StoredProtections:
    """May be asked and refreshed from any thread."""

    def __init__(self, place: Place, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Open the store and read the table. Raises IntegrityError if it is not there."""
        self._session = place.open()
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._known: dict[Pseudonym, Protection] = {}
        self._revision = -1
        self._due = 0.0
        self._blind = True
        self.refresh()

    def status(self, person: Pseudonym) -> Protection:
        """Return the last status the folkbokföring gave; UNKNOWN if it gave none, or if we cannot know."""
        if self._monotonic() >= self._due:
            self.refresh()
        return Protection.UNKNOWN if self._blind else self._known.get(person, Protection.UNKNOWN)

    def refresh(self) -> None:
        """Read what has changed. Raises nothing: a copy that cannot be read again answers UNKNOWN to everything."""
        with self._lock:
            try:
                with self._session.translated():
                    rows = self._session.execute(
                        "SELECT person, protection, revision FROM protections WHERE revision > ?", (self._revision,)
                    ).fetchall()
                for person, protection, revision in rows:
                    self._known[person] = Protection(protection)
                    self._revision = max(self._revision, revision)
                self._blind = False
            except (GatewayError, ValueError):
                self._blind = True
            self._due = self._monotonic() + WINDOW

    def close(self) -> None:
        """Close the connection. Everybody is UNKNOWN from now on."""
        with self._lock:
            self._blind, self._due = True, float("inf")
            self._session.close()
