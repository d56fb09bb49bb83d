"""What only one process does for a store at a time: relay with collector, integrator, dispatcher and releaser.

Each holds a lease, so that any number of machines may run a background and one works. On PostgreSQL each has its own
role (`gateway serve --role relay`, `--role integrator`, `--role dispatcher`); in one process they are threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection
from contextlib import ExitStack
from enum import StrEnum
from random import SystemRandom

from gateway import logs
from gateway.broker.collector import Collector
from gateway.broker.relay import Relay
from gateway.broker.shielded import ShieldedPublisher
from gateway.config import Configuration
from gateway.errors import ConfigError, GatewayError, IntegrityError
from gateway.message import Sealed
from gateway.outbound import mailbox
from gateway.outbound.ports import Held
from gateway.ports import Clock
from gateway.store import gallring, partitions
from gateway.store.dead_letters import StoredDeadLetters
from gateway.store.integrator import Integrator
from gateway.store.lease import Lease
from gateway.store.log import AUDIT, LOGS, READINGS, Log
from gateway.store.outbox import StoredOutbox
from gateway.store.place import Duty
from gateway.store.protections import StoredProtections
from gateway.trust.sealing import Sealer
from gateway.wiring.drivers import Broker, place
from gateway.wiring.gallring import Gallring
from gateway.wiring.releasing import Releasing
from gateway.wiring.rules import agreed, checkpoint_key, checkpoint_signer, hiding, sealer
from gateway.wiring.sending import Sending, given_back, sends
from gateway.wiring.stamping import Stamping
from gateway.wiring.witnessing import Witnessing

Alarm = Callable[[IntegrityError], None]
"""Called, from any thread, when our own records disagree: the program must stop."""


class Role(StrEnum):
    """What a process does."""

    FRONT = "front"
    """Receives."""
    RELAY = "relay"
    """Moves events from the outbox to the queues, and brings dead letters home."""
    INTEGRATOR = "integrator"
    """Takes leaves into the log and signs for it."""
    DISPATCHER = "dispatcher"
    """Takes commands, and calls partners."""
    RELEASER = "releaser"
    """Carries out what people decide of what came in."""
    GALLRING = "gallring"
    """Destroys what has been kept long enough."""
    AUDITOR = "auditor"
    """Answers auditors, at a listener of its own."""
    TRANSPARENCY = "transparency"
    """Answers citizens' portals, likewise."""


DOORS = frozenset({Role.AUDITOR, Role.TRANSPARENCY})
"""Each is a process by itself, as who asks the log must not be who operates it."""
EVERYTHING = frozenset(Role) - DOORS
HOUR, SOON = 3600.0, 60.0
"""Seconds between two looks at the partitions, and after a look that failed: one partition lasts for days."""


class Upkeep:
    """What the store needs now and then, by looking every `HOUR`.

    On PostgreSQL partitions are kept ahead. What was kept long enough in mailboxes is emptied.
    """

    def __init__(self, look: Callable[[], int], *, name: str, alarm: Callable[[GatewayError], None]) -> None:
        """`look` does what is to be done, and tells how much it was. Nothing is opened until then."""
        self._look = look
        self._alarm = alarm
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Look at once, and then every hour."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def step(self) -> int:
        """Look once; return how much there was to do. Raises UnavailableError, IntegrityError."""
        return self._look()

    def _run(self) -> None:
        while not self._stopping.is_set():
            wait = HOUR
            try:
                self.step()
            except GatewayError as error:
                self._alarm(error)
                wait = SOON
            self._stopping.wait(wait)


class Background:
    """Relay, collector, integrator and the way out, as far as the roles ask for them, in threads of their own."""

    def __init__(
        self, configuration: Configuration, *, clock: Clock, alarm: Alarm, roles: Collection[Role] = EVERYTHING
    ) -> None:
        """Open the store and the broker. Raises ConfigError, IntegrityError, UnavailableError."""
        self._alarm = alarm
        self._random = SystemRandom().random
        self._clock = clock
        self._holder = f"{os.uname().nodename}:{os.getpid()}:{os.urandom(8).hex()}"  # never another's again
        self._keys = configuration.gateway.keys
        self._closing = ExitStack()
        self.relay: Relay | None = None
        self.collector: Collector | None = None
        self.integrator: Integrator | None = None
        self.reading: Integrator | None = None
        """Of the log of readings."""
        self.witnessing: list[Witnessing] = []
        self.stamping: Stamping | None = None
        self.upkeep: Upkeep | None = None
        self.emptying: Upkeep | None = None
        self.sending: Sending | None = None
        self.releasing: Releasing | None = None
        self.gallring: Gallring | None = None
        try:
            if Role.INTEGRATOR in roles:
                self._integrating(configuration)
            if Role.RELAY in roles:
                self._relaying(configuration)
            if Role.DISPATCHER in roles and sends(configuration):
                self._sending(configuration)
            if Role.RELEASER in roles:
                self._releasing(configuration)
            if Role.GALLRING in roles and (configuration.gateway.gallring.enabled or set(roles) == {Role.GALLRING}):
                self._gallring(configuration)
        except BaseException:
            self._closing.close()
            raise

    def start(self) -> None:
        """Begin."""
        everything = (self.integrator, self.reading, self.upkeep, self.emptying, self.relay, self.collector)
        for one in (*everything, *self.witnessing, self.stamping, self.sending, self.releasing, self.gallring):
            if one is not None:
                one.start()

    def wake(self) -> None:
        """Say that there are new events: where the relay is in this process, it looks at once."""
        if self.relay is not None:
            self.relay.wake()

    def reload(self, configuration: Configuration) -> None:
        """Go by a new configuration where that can be done while it runs. Raises ConfigError; the old one stays."""
        self._keys = configuration.gateway.keys
        if self.sending is not None:
            self.sending.reload(configuration)
        if self.releasing is not None:
            self.releasing.reload(configuration)
        if self.gallring is not None:
            self.gallring.reload(configuration)

    def close(self) -> None:
        """Sign for what is in the log, then stop; what is not relayed stays in the outbox."""
        self._closing.close()

    def _integrating(self, configuration: Configuration) -> None:
        self.integrator = self._integrator(configuration, AUDIT)
        self.reading = self._integrator(configuration, READINGS)
        self._witnessed(configuration)
        if configuration.services.postgresql is not None:
            where = place(configuration, Duty.INTEGRATOR)
            self.upkeep = Upkeep(lambda: partitions.keep(where), name="upkeep", alarm=self._told)
            self._closing.callback(self.upkeep.stop)

    def _integrator(self, configuration: Configuration, log: Log) -> Integrator:
        made = Integrator(
            place(configuration, Duty.INTEGRATOR),
            log=log,
            signer=checkpoint_signer(configuration),
            clock=self._clock,
            holder=self._holder,
            interval=configuration.gateway.audit.interval,
            alarm=self._told,
        )
        self._closing.callback(made.stop)
        return made

    def _witnessed(self, configuration: Configuration) -> None:
        """Have others sign for the log too, as far as somebody is configured."""
        audit, where = configuration.gateway.audit, place(configuration, Duty.INTEGRATOR)
        key = checkpoint_key(configuration)
        policy = agreed(audit.witnesses, key)
        if policy is not None:
            for log in LOGS if audit.witnesses.readings else (AUDIT,):
                gathering = Witnessing(
                    where, policy, audit.witnesses, log=log,
                    key=log.key(key), clock=self._clock, holder=self._holder, chance=self._random, alarm=self._told,
                )  # fmt: skip
                self._closing.callback(gathering.stop)
                self.witnessing.append(gathering)
        if audit.stamps.authority:
            self.stamping = Stamping(
                where, audit.stamps,
                key=key, clock=self._clock, holder=self._holder, chance=self._random, alarm=self._told,
            )  # fmt: skip
            self._closing.callback(self.stamping.stop)

    def _relaying(self, configuration: Configuration) -> None:
        where = place(configuration, Duty.RELAY)
        outbox = StoredOutbox(where, clock=self._clock)
        self._closing.callback(outbox.close)
        lease = Lease(where, "relay", holder=self._holder, clock=self._clock)
        self._closing.callback(given_back, lease)
        letters = StoredDeadLetters(where, clock=self._clock)
        self._closing.callback(letters.close)
        broker = Broker(configuration, clock=self._clock, alarm=self._told)
        self._closing.callback(broker.close)
        protections = StoredProtections(where)
        self._closing.callback(protections.close)
        publisher = ShieldedPublisher(
            broker.publisher(), protections, hiding(configuration), refresh=protections.refresh
        )
        self.relay = Relay(outbox, publisher, lease=lease.hold, random=self._random, alarm=self._told)
        self.collector = Collector(broker.dead_letters(), letters, random=self._random, alarm=self._told)
        self._closing.callback(self.collector.stop)
        self._closing.callback(self.relay.stop)

    def _sending(self, configuration: Configuration) -> None:
        self.sending = Sending(
            configuration,
            clock=self._clock,
            holder=self._holder,
            chance=self._random,
            alarm=self._told,
            committed=self.wake,
        )
        self._closing.callback(self.sending.close)
        self.emptying = Upkeep(self._emptied(configuration), name="emptying", alarm=self._told)
        self._closing.callback(self.emptying.stop)

    def _releasing(self, configuration: Configuration) -> None:
        self.releasing = Releasing(
            configuration,
            clock=self._clock,
            holder=self._holder,
            chance=self._random,
            alarm=self._told,
            committed=self.wake,
        )
        self._closing.callback(self.releasing.close)

    def _gallring(self, configuration: Configuration) -> None:
        if not configuration.retention:
            raise ConfigError("gallring.rules: names no rules; without them nothing is ever due: config/retention.toml")
        self.gallring = Gallring(configuration, clock=self._clock, holder=self._holder, alarm=self._told)
        self._closing.callback(self.gallring.close)

    def _emptied(self, configuration: Configuration) -> Callable[[], int]:
        """Return what destroys the content of what was kept long enough in mailboxes."""
        where = place(configuration, Duty.DISPATCHER)

        def reseal(held: Held, seals: Sealer) -> Sealed:
            if held.intent is None:
                raise IntegrityError(f"dispatch {held.id}: its payload has no intent")
            return mailbox.emptied(held.contents["payload"], held.intent[1], seals)

        def look() -> int:
            seals = sealer(self._keys)  # the key may be another since the last look
            return gallring.empty(where, self._clock.now(), lambda held: reseal(held, seals))

        return look

    def _told(self, error: GatewayError) -> None:
        if isinstance(error, IntegrityError):
            logs.integrity(error)
            self._alarm(error)
        else:
            logs.fault(error)
