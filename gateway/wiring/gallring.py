"""What has been kept long enough is destroyed: by one process for a store, by lease, once a day.

A look, every hour: count what each rule has come to, for `/metrics`. In the hour that `[gallring] hour` names, and
where `enabled` says so, everything that is due is destroyed first (`store.destruction`), and an embedded store's files
are made anew. What is due by a rule that rests on no decision is told of loudly and stays.

Hold the lease, and hold it still before every transaction: the others may take over at any time, and find what is left.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import date, datetime
from pathlib import Path

from gateway import logs
from gateway.audit import gallring, leaf
from gateway.audit.gallring import Destroyed, Holding
from gateway.broker.embedded import DATABASE as QUEUES
from gateway.config import Configuration
from gateway.database import Turn
from gateway.errors import GatewayError, IntegrityError
from gateway.logs import Happened
from gateway.message import Leaf, Sealed
from gateway.ports import Clock
from gateway.privacy.retention import Retention
from gateway.store import holds as stored_holds
from gateway.store import scrub
from gateway.store.destruction import LEASE, Destruction, Tally
from gateway.store.holds import Covers, Kind, StoredHolds
from gateway.store.lease import Lease
from gateway.store.place import DATABASE, Duty
from gateway.swedish import swedish_day, swedish_time
from gateway.trust.sealing import Sealer
from gateway.wiring.drivers import place
from gateway.wiring.governing import process
from gateway.wiring.rules import Random, sealer
from gateway.wiring.sending import given_back

LOOK, SOON = 3600.0, 60.0
"""Seconds between two looks, and after one that failed."""
PRODUCTION = "production"


def retention(configuration: Configuration, day: date) -> Retention:
    """Return the rules of a day."""
    lenient = configuration.gateway.environment != PRODUCTION
    return Retention(configuration.retention, configuration.bases, day=day, lenient=lenient)


def destruction(
    configuration: Configuration,
    *,
    clock: Clock,
    holder: str | None,
    by: str | None = None,
    random: Random = os.urandom,
) -> Destruction:
    """Open what destroys. Raises ConfigError, IntegrityError, UnavailableError."""
    seals = sealer(configuration.gateway.keys)

    def make(what: Destroyed) -> tuple[Leaf, Sealed]:
        return _sealed(gallring.destroyed(what, salt=random(leaf.SALT)), seals)

    return Destruction(place(configuration, Duty.GALLRING), clock=clock, by=by or process(), make=make, holder=holder)


def holds(configuration: Configuration, clock: Clock, *, random: Random = os.urandom) -> StoredHolds:
    """Open the legal holds. Raises ConfigError, IntegrityError, UnavailableError."""
    seals = sealer(configuration.gateway.keys)
    postgresql = configuration.services.postgresql

    def make(  # noqa: PLR0913, PLR0917  # as `holds.Make` has it
        number: int, done: Holding, covers: Covers, by: str, second: str | None, reason: str, at: datetime
    ) -> tuple[Leaf, Sealed]:
        made = gallring.held(
            number,
            done,
            kind=covers.kind.value,
            about=covers.number,
            partner=covers.partner,
            by=by,
            second=second,
            reason=reason,
            at=at,
            salt=random(leaf.SALT),
        )
        return _sealed(made, seals)

    role = "" if postgresql is None else postgresql.roles.gallring
    return StoredHolds(place(configuration, Duty.GALLRING), clock=clock, make=make, role=role)


def numbered(configuration: Configuration, kind: Kind, reference: str) -> int | None:
    """Return the number of a message or a dispatch by its id; None where there is none, or several."""
    session = place(configuration, Duty.GALLRING).open()
    try:
        with session.translated():
            return stored_holds.numbered(session, kind, reference)
    finally:
        session.close()


def leased(configuration: Configuration, clock: Clock, holder: str) -> Lease:
    """Open the lease of whoever destroys: under the journal's turn, so that who has asked keeps it to the commit."""
    return Lease(place(configuration, Duty.GALLRING), LEASE, holder=holder, clock=clock, turn=Turn.JOURNAL)


def files(configuration: Configuration) -> Sequence[Path]:
    """Return the files of an embedded store; none where it is on servers."""
    services, folder = configuration.services, configuration.gateway.store.path
    store = [] if services.postgresql is not None else [folder / DATABASE]
    return store if services.rabbitmq is not None else [*store, folder / QUEUES]


def run(
    configuration: Configuration, made: Destruction, *, clock: Clock, going: Callable[[], bool] = lambda: True
) -> tuple[Mapping[str, int], bool]:
    """Destroy what is due, and make an embedded store's files anew; return how many by rule, and whether none lingers.

    Raises UnavailableError.
    """
    done = made.run(retention(configuration, swedish_day(clock.now())), going=going)
    for rule, count in done.items():
        logs.tell(Happened.GALLRAD, rule=rule.removeprefix("rule ").replace("@", ":"), count=count)
    return done, scrub.files(files(configuration)) if done else True


class Gallring:
    """Looks and destroys in a thread of its own. `step` does one look, for tests."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        clock: Clock,
        holder: str,
        alarm: Callable[[GatewayError], None],
        random: Random = os.urandom,
    ) -> None:
        """Open the store. Raises ConfigError, IntegrityError, UnavailableError."""
        self._configuration = configuration
        self._clock = clock
        self._alarm = alarm
        self._done: date | None = None
        self._lingers = False
        self._closing = ExitStack()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gallring", daemon=True)
        try:
            self._lease = leased(configuration, clock, holder)
            self._closing.callback(given_back, self._lease)
            self._made = destruction(configuration, clock=clock, holder=holder, random=random)
            self._closing.callback(self._made.close)
        except BaseException:
            self._closing.close()
            raise

    def start(self) -> None:
        """Look at once, and then every hour."""
        self._thread.start()

    def reload(self, configuration: Configuration) -> None:
        """Go by other rules from the next look on."""
        self._configuration = configuration

    def step(self) -> Sequence[Tally]:
        """Do one look; return what each rule has come to, nothing where another process does it.

        Raises UnavailableError, IntegrityError.
        """
        if not self._lease.hold():
            return ()
        configuration, now = self._configuration, self._clock.now()
        settings, today = configuration.gateway.gallring, swedish_day(now)
        if settings.enabled and swedish_time(now).hour == settings.hour and self._done != today:
            _, clean = run(configuration, self._made, clock=self._clock, going=self._going)
            self._done, self._lingers = today, not clean
        elif self._lingers:  # somebody read when the files were made anew
            self._lingers = not scrub.files(files(configuration))
        found = self._made.look(retention(configuration, today))
        for one in found:
            if one.ripe and not one.destroys:
                name = one.rule.key.removeprefix("rule ").replace("@", ":")
                logs.tell(Happened.GALLRING_REFUSED, rule=name, count=one.ripe)
        return found

    def close(self) -> None:
        """End, after the transaction that it is in."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._closing.close()

    def _going(self) -> bool:
        return not self._stopping.is_set() and self._lease.hold()

    def _run(self) -> None:
        wait = 0.0
        while not self._stopping.wait(wait):
            wait = LOOK
            try:
                self.step()
            except IntegrityError as error:
                self._alarm(error)
                return
            except Exception as error:  # noqa: BLE001  # the thread must live on, and tell what nobody expected
                wait = SOON
                if isinstance(error, GatewayError):
                    self._alarm(error)
                else:
                    logs.fault(error)


def _sealed(made: Leaf, seals: Sealer) -> tuple[Leaf, Sealed]:
    return made, seals.seal(b"", [made])
