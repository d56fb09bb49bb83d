"""Has each day's last checkpoint stamped by an authority (RFC 3161), and keeps what it says. Nothing waits for it.

One process does it, by lease, beside the integrator. A step, every minute:

1. Find the oldest day that has ended and is not stamped.
2. Send the digest of its last checkpoint, with a nonce. The authority learns nothing but that.
3. Believe the answer only if its authority, nonce, digest and time are right (`audit.stamp`).
4. Keep the whole answer.

What fails is tried again, after twice as long each time. A day whose stamp is later than `maximum_delay` is told as
late, at every attempt that fails.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from cryptography import x509

from gateway import backoff, logs
from gateway.audit import note, stamp
from gateway.config import Stamps
from gateway.errors import ConfigError, DeliveryError, GatewayError, IntegrityError, UnavailableError
from gateway.logs import Happened
from gateway.ports import Clock
from gateway.store.lease import Lease
from gateway.store.log import AUDIT, Log
from gateway.store.place import Place
from gateway.store.stamps import Due, StoredStamps
from gateway.transport.posting import Link

INTERVAL: Final = 60.0
FIRST: Final = 60.0
LONGEST: Final = 1800.0
"""Seconds between attempts that fail."""
SKEW: Final = timedelta(minutes=5)
"""How far an authority's clock may be from ours."""
_ASKED: Final = "application/timestamp-query"
_ANSWERED: Final = "application/timestamp-reply"


def believed(settings: Stamps) -> Sequence[x509.Certificate]:
    """Return the certificates that stamps are believed by. Raises ConfigError."""
    if settings.anchors is None:
        raise ConfigError("audit.stamps.anchors: not there; it names the certificates that time stamps are believed by")
    try:
        found = stamp.anchors(settings.anchors.read_bytes())
    except OSError as error:
        raise ConfigError(f"audit.stamps.anchors: {settings.anchors}: {error.strerror}") from None
    except ConfigError as error:
        raise ConfigError(f"audit.stamps.anchors: {settings.anchors}: {error.detail}") from None
    if not any(one.issuer == one.subject for one in found):
        raise ConfigError(f"audit.stamps.anchors: {settings.anchors}: has no root certificate")
    return found


class Stamping:
    """`start` makes a thread of it; `step` does one round, for tests."""

    def __init__(  # noqa: PLR0913  # settings, each by its name
        self,
        place: Place,
        settings: Stamps,
        *,
        key: note.Key,
        clock: Clock,
        holder: str,
        chance: Callable[[], float],
        alarm: Callable[[GatewayError], None] = lambda _error: None,
        log: Log = AUDIT,
    ) -> None:
        """Open the store. Raises IntegrityError, UnavailableError, ConfigError.

        Args:
            place: The store, on behalf of the integrator.
            settings: `[audit.stamps]`.
            key: The log's, by the name of its origin.
            clock: UTC.
            holder: Names this process and no other.
            chance: Gives 0 up to 1.
            alarm: Told every error of the thread.
            log: Which log.
        """
        self._settings = settings
        self._believed = believed(settings)
        self._link = Link(settings.authority, timeout=settings.timeout.total_seconds())
        self._origin = key.name
        self._clock = clock
        self._chance = chance
        self._alarm = alarm
        self._session = place.open()
        self._stamps = StoredStamps(self._session, key.name, log)
        self._lease = Lease(place, f"stamps {log.lease}", holder=holder, clock=clock)
        self._failures = 0
        self._rests: datetime | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stamping", daemon=True)

    def start(self) -> None:
        """Go on stepping in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, give the lease back and close the connections."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        try:
            self._lease.release()
        except UnavailableError as error:
            self._alarm(error)
        self._link.close()
        self._lease.close()
        self._session.close()

    def step(self) -> Due | None:
        """Have one day stamped; return which, None where none was.

        Raises UnavailableError, IntegrityError: our own store's. What the authority does wrong is told, never raised.
        """
        now = self._clock.now()
        if self._rests is not None and now < self._rests:
            return None
        with self._session.translated():
            # 1. The day.
            due = self._stamps.due(now) if self._lease.hold() else None
        if due is None:
            return None
        try:
            # 2. and 3. Asked, and believed.
            found, answer = self._stamped(due)
        except (DeliveryError, IntegrityError) as error:
            self._failed(due, error.detail)
            return None
        # 4. Kept.
        with self._session.translated():
            self._stamps.add(due, found, answer, self._clock.now())
        self._failures, self._rests = 0, None
        logs.tell(Happened.STAMP_MADE, origin=self._origin, size=due.checkpoint.size, day=due.day.isoformat())
        return due

    def _stamped(self, due: Due) -> tuple[stamp.Stamp, bytes]:
        request = stamp.request(due.checkpoint.note)
        answer = self._link.post("", request.body, _ASKED)
        if answer.status != HTTPStatus.OK or answer.content_type.partition(";")[0].strip() != _ANSWERED:
            raise IntegrityError(f"status {answer.status}, and no {_ANSWERED}")
        found = stamp.verify(answer.body, due.checkpoint.note, self._believed, nonce=request.nonce)
        if abs(found.time - self._clock.now()) > SKEW:
            raise IntegrityError(f"the authority's clock differs from ours by more than {SKEW}")
        return found, answer.body

    def _failed(self, due: Due, detail: str) -> None:
        self._failures += 1
        now = self._clock.now()
        pause = backoff.pause(self._failures, self._chance, first=FIRST, longest=LONGEST)
        self._rests = now + timedelta(seconds=pause)
        late = int(max(timedelta(0), due.late(now) - self._settings.maximum_delay).total_seconds())
        logs.tell(
            Happened.STAMP_FAILED,
            origin=self._origin, size=due.checkpoint.size, day=due.day.isoformat(), detail=detail, late=late,
        )  # fmt: skip

    def _run(self) -> None:
        wait = 0.0
        while not self._stopping.wait(wait):
            try:
                wait = 0.0 if self.step() is not None else INTERVAL
            except IntegrityError as error:
                self._alarm(error)
                return
            except GatewayError as error:
                self._alarm(error)
                wait = INTERVAL
