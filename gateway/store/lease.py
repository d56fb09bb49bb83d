"""One of many processes does a thing: the one that holds the lease, for as long as it renews it.

A holder that dies is followed after `ttl`. A holder that was only slow may find that another has taken over, so whoever
writes on the strength of a lease asks `held` again inside its own transaction.

Clocks may be wrong. Two that differ by less than `ttl` do not matter. A lease with more than twice `ttl` to go was
written by a clock that is not ours: it counts as ended, or a holder whose clock was an hour ahead and that died would
stop everybody for an hour.
"""

from __future__ import annotations

from datetime import timedelta

from gateway.database import Session, Turn, instant, written
from gateway.ports import Clock
from gateway.store.place import Place

TTL = timedelta(seconds=10)
"""Far beyond any pause of a living process here (8 MB of WAL copied back, a busy disk), and short to wait for."""


class Lease:
    """A row in `leases`. Belongs to one thread."""

    def __init__(  # noqa: PLR0913  # settings, each by its name
        self,
        place: Place,
        name: str,
        *,
        holder: str,
        clock: Clock,
        ttl: timedelta = TTL,
        turn: Turn = Turn.LEASES,
    ) -> None:
        """Open the store.

        Args:
            place: The store.
            name: Of what only one may do.
            holder: Names this process and no other, ever: two of the same name would both hold.
            clock: Tells when a lease ends.
            ttl: How long it lasts unless it is renewed.
            turn: Under which it is taken. Whoever asks `held` in a transaction has that transaction's turn here, so
                that nobody takes the lease between the question and the commit.
        """
        self._session = place.open()
        self._name = name
        self._holder = holder
        self._clock = clock
        self._ttl = ttl
        self._turn = turn

    def hold(self) -> bool:
        """Take or keep the lease; False while another holds it. Raises UnavailableError."""
        with self._session.translated():
            # Most calls find that nothing need be written: no lock, no disk.
            holder, left = self._seen()
            if self._runs(left) and holder != self._holder:
                return False
            if self._ttl / 2 < left <= self._ttl:
                return True
            with self._session.writing(self._turn):
                return self._take()

    def release(self) -> None:
        """Give it back at once, so that the next need not wait. Raises UnavailableError."""
        with self._session.translated(), self._session.writing(self._turn):
            self._session.execute("DELETE FROM leases WHERE name = ? AND holder = ?", (self._name, self._holder))

    def close(self) -> None:
        """Close the connection; the lease runs out by itself."""
        self._session.close()

    def _seen(self) -> tuple[str | None, timedelta]:
        """Return who holds it, and for how long still."""
        row = self._session.execute("SELECT holder, until FROM leases WHERE name = ?", (self._name,)).fetchone()
        return (row[0], instant(row[1]) - self._clock.now()) if row else (None, timedelta(0))

    def _runs(self, left: timedelta) -> bool:
        return timedelta(0) < left <= 2 * self._ttl

    def _take(self) -> bool:
        holder, left = self._seen()
        if self._runs(left) and holder != self._holder:
            return False
        self._session.execute(
            "INSERT INTO leases (name, holder, until) VALUES (?, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until",
            (self._name, self._holder, written(self._clock.now() + self._ttl)),
        )
        return True


def held(session: Session, name: str, holder: str) -> bool:
    """Tell, inside the caller's transaction, whether `holder` is still the one."""
    return bool(session.execute("SELECT 1 FROM leases WHERE name = ? AND holder = ?", (name, holder)).fetchone())
