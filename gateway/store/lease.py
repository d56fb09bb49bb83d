"""One of many processes does a thing: the one that holds the lease, for as long as it renews it.

A holder that dies is followed after `ttl`. A holder that was only slow may find that another has taken over, so whoever
writes on the strength of a lease asks `held` again inside its own transaction.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from gateway.ports import Clock
from gateway.sqlite import File, instant, translated, written

TTL = timedelta(seconds=10)
"""Far beyond any pause of a living process here (8 MB of WAL copied back, a busy disk), and short to wait for."""


class Lease:
    """A row in `leases`. Belongs to one thread."""

    def __init__(self, path: Path, name: str, *, holder: str, clock: Clock, ttl: timedelta = TTL) -> None:
        """`holder` names this process and no other, ever: two of the same name would both hold."""
        self._file = File(path)
        self._name = name
        self._holder = holder
        self._clock = clock
        self._ttl = ttl

    def hold(self) -> bool:
        """Take or keep the lease; False while another holds it. Raises UnavailableError."""
        with translated():
            # Most calls find that nothing need be written: no lock, no disk.
            holder, left = self._seen()
            if left > timedelta(0) and holder != self._holder:
                return False
            if left > self._ttl / 2:
                return True
            with self._file.writing():
                return self._take()

    def release(self) -> None:
        """Give it back at once, so that the next need not wait. Raises UnavailableError."""
        with translated(), self._file.writing() as connection:
            connection.execute("DELETE FROM leases WHERE name = ? AND holder = ?", (self._name, self._holder))

    def close(self) -> None:
        """Close the file; the lease runs out by itself."""
        self._file.close()

    def _seen(self) -> tuple[str | None, timedelta]:
        """Return who holds it, and for how long still."""
        row = self._file.connection.execute("SELECT holder, until FROM leases WHERE name = ?", (self._name,)).fetchone()
        return (row[0], instant(row[1]) - self._clock.now()) if row else (None, timedelta(0))

    def _take(self) -> bool:
        holder, left = self._seen()
        if left > timedelta(0) and holder != self._holder:
            return False
        self._file.connection.execute(
            "INSERT INTO leases (name, holder, until) VALUES (?, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until",
            (self._name, self._holder, written(self._clock.now() + self._ttl)),
        )
        return True


def held(file: File, name: str, holder: str) -> bool:
    """Tell, inside the caller's transaction, whether `holder` is still the one."""
    return bool(
        file.connection.execute("SELECT 1 FROM leases WHERE name = ? AND holder = ?", (name, holder)).fetchone()
    )
