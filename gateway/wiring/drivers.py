"""The drivers behind the ports: SQLite or PostgreSQL, the embedded queues or RabbitMQ, as `data/services.toml` says."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING

from gateway import codes
from gateway.adapters.registry import Registry
from gateway.audit import note
from gateway.audit.checkpoint import Checkpoint
from gateway.broker import schedule
from gateway.broker.depth import Depth
from gateway.broker.embedded import DATABASE, EmbeddedBroker
from gateway.broker.rabbitmq.connection import State
from gateway.broker.rabbitmq.consumer import RabbitConsumer
from gateway.broker.rabbitmq.dead_letters import RabbitDeadLetters
from gateway.broker.rabbitmq.publisher import RabbitPublisher
from gateway.config import Configuration, Queue
from gateway.errors import ConfigError, GatewayError, IntegrityError, UnavailableError
from gateway.message import Protection, Pseudonym
from gateway.ports import Clock, Consumer, DeadLetters, Publisher
from gateway.privacy.referral import Referrals
from gateway.store import create, guard
from gateway.store.dead_letters import StoredDeadLetters
from gateway.store.log import READINGS
from gateway.store.place import Duty, Place, placed
from gateway.store.readings import Readings
from gateway.store.reviews import StoredReviews
from gateway.store.views import Views
from gateway.store.witnessed import Witnessed
from gateway.trust.files import secret
from gateway.wiring.rules import agreed, checkpoint_key, checkpoint_signer, rules, sealer

if TYPE_CHECKING:
    from gateway.transport.courier import HttpCourier, Judge


def _nobody(_error: GatewayError) -> None:
    pass


def place(configuration: Configuration, duty: Duty) -> Place:
    """Return where this installation's store is, on behalf of a duty."""
    return placed(configuration.services, configuration.gateway.store.path, duty)


def create_store(configuration: Configuration, clock: Clock) -> Checkpoint:
    """Make a new store with an empty signed log, and the embedded broker's file if there is no other broker.

    Returns the first checkpoint. Raises ConfigError, UnavailableError, and IntegrityError where any of it is there.
    """
    signer = checkpoint_signer(configuration)
    queues = None if configuration.services.rabbitmq else _file(configuration)
    if queues is not None and queues.exists():
        raise IntegrityError(f"{queues} is there already, and is never overwritten")
    rules(configuration, _Unknown())  # what cannot be served must not be begun
    made = create.create(place(configuration, Duty.OWNER), signer=signer, at=clock.now())
    if queues is not None:
        schedule.create(queues)
    return made


class _Unknown:
    def status(self, person: Pseudonym) -> Protection:
        del person
        return Protection.UNKNOWN


def guarded(configuration: Configuration) -> None:
    """Refuse to start on a log, or a log of readings, that is absent, shorter or other than it was.

    Raises IntegrityError, ConfigError.
    """
    guard.check_all(place(configuration, Duty.FRONT), checkpoint_key(configuration))


def views(configuration: Configuration, duty: Duty = Duty.OPERATOR) -> Views:
    """Open what can be asked of the store. Raises IntegrityError where no store is there."""
    return Views(place(configuration, duty))


def readings(configuration: Configuration, duty: Duty = Duty.AUDITOR) -> Readings:
    """Open the way into the log of readings: whoever reads the log is written down there, and then answered.

    Raises ConfigError (the sealing key), IntegrityError where no store is there.
    """
    return Readings(place(configuration, duty), sealer=sealer(configuration.gateway.keys), random=os.urandom)


def upgraded(configuration: Configuration, where: Place, clock: Clock) -> None:
    """Bring a store to this program's schema, with an empty log of readings where it is older than that.

    Raises ConfigError, UnavailableError, and IntegrityError where that log has lost a half.
    """
    where.upgrade()
    create.complete(where, signer=checkpoint_signer(configuration), at=clock.now())


def witnessed(configuration: Configuration, duty: Duty = Duty.OPERATOR) -> Witnessed:
    """Open what others have signed for. Raises ConfigError (key, policy)."""
    key = checkpoint_key(configuration)
    return Witnessed(place(configuration, duty), key, agreed(configuration.gateway.audit.witnesses, key))


def witnessed_readings(configuration: Configuration, where: Place, key: note.Key) -> Witnessed:
    """Open what others have signed for of the log of readings. Raises ConfigError (policy).

    `key` is the audit log's.
    """
    witnesses = configuration.gateway.audit.witnesses
    policy = agreed(witnesses, key) if witnesses.readings else None
    return Witnessed(where, READINGS.key(key), policy, READINGS)


def dead_letters(configuration: Configuration, clock: Clock, duty: Duty = Duty.OPERATOR) -> StoredDeadLetters:
    """Open the dead letters that have come home. Raises IntegrityError where no store is there."""
    postgresql = configuration.services.postgresql
    return StoredDeadLetters(
        place(configuration, duty),
        clock=clock,
        role="" if postgresql is None else str(getattr(postgresql.roles, duty.value)),
        queues=[queue.name for queue in configuration.queues],
    )


def reviews(configuration: Configuration, clock: Clock, duty: Duty = Duty.OPERATOR) -> StoredReviews:
    """Open what waits for people: to look as an operator, to answer as a reviewer.

    Raises IntegrityError where no store is there.
    """
    postgresql = configuration.services.postgresql
    account = "" if postgresql is None else str(getattr(postgresql.roles, duty.value))
    protecting = Referrals(configuration.reviews).protected()
    return StoredReviews(place(configuration, duty), clock=clock, protecting=protecting, account=account)


def queues(configuration: Configuration, clock: Clock) -> EmbeddedBroker:
    """Open the embedded queues alone, beside a gateway that may be running.

    Raises ConfigError where the queues are on RabbitMQ, IntegrityError, UnavailableError.
    """
    if configuration.services.rabbitmq is not None:
        raise ConfigError("services.toml: [rabbitmq]: the queues are on RabbitMQ: use `gateway consume QUEUE`")
    return EmbeddedBroker(_file(configuration), configuration.queues, clock=clock)


def courier(configuration: Configuration, contracts: Registry, *, judge: Judge, clock: Clock) -> HttpCourier:
    """Return the way to partners, its WSDLs and certificates read. Close it. Raises ConfigError.

    Some hundred milliseconds, for zeep alone: only who sends opens it.
    """
    from gateway.transport.bodies import Bodies  # noqa: PLC0415  # zeep: for this alone
    from gateway.transport.courier import HttpCourier  # noqa: PLC0415  # as above

    gateway = configuration.gateway
    if gateway.keys.client is not None:
        secret(gateway.keys.client, "keys.client")
    bodies = Bodies(gateway.schemas, contracts.outgoing.values())
    return HttpCourier(configuration, bodies, judge=judge, clock=clock)


class Broker:
    """This installation's broker. Each role is opened when it is asked for; all are closed together."""

    def __init__(
        self, configuration: Configuration, *, clock: Clock, alarm: Callable[[GatewayError], None] = _nobody
    ) -> None:
        """`alarm` is told, from any thread, what needs an operator."""
        self._configuration = configuration
        self._settings = configuration.services.rabbitmq
        self._random = SystemRandom().random
        self._clock = clock
        self._alarm = alarm
        self._closing = ExitStack()
        self._embedded: EmbeddedBroker | None = None
        if self._settings is None:
            self._embedded = queues(configuration, clock)
            self._closing.callback(self._embedded.close)

    def publisher(self) -> Publisher:
        """Return the way onto the queues. Raises ConfigError."""
        if self._settings is None:
            return self._file
        made = RabbitPublisher(self._settings, self._configuration.queues, random=self._random, alarm=self._alarm)
        self._closing.callback(made.close)
        return made

    def commands(self, *, wait: float = 0.0) -> Publisher:
        """Return the askers' way onto the queue of commands.

        Raises ConfigError, and UnavailableError where the broker was not reached within `wait` seconds, if any.
        """
        if self._settings is None:
            return self._file
        reached = threading.Event()
        made = RabbitPublisher(
            self._settings, self._configuration.queues, random=self._random, account="asker", alarm=self._alarm,
            told=lambda state, _why: reached.set() if state is State.READY else None,
        )  # fmt: skip
        self._closing.callback(made.close)
        if wait and not reached.wait(wait):
            raise UnavailableError(codes.STORE_UNAVAILABLE, f"no broker at {', '.join(self._settings.hosts)}")
        return made

    def consumer(self, queue: Queue, *, name: str, wait: float = 0.0) -> Consumer:
        """Return a consumer of one queue, by a name that operators see.

        Raises ConfigError, and UnavailableError where the broker was not reached within `wait` seconds, if any.
        """
        if self._settings is None:
            return self._file.consumer(queue.name)
        reached = threading.Event()
        made = RabbitConsumer(
            self._settings, queue, name=name, random=self._random, clock=self._clock, alarm=self._alarm,
            told=lambda state, _why: reached.set() if state is State.READY else None,
        )  # fmt: skip
        self._closing.callback(made.close)
        if wait and not reached.wait(wait):
            raise UnavailableError(codes.STORE_UNAVAILABLE, f"no broker at {', '.join(self._settings.hosts)}")
        return made

    def dead_letters(self) -> DeadLetters:
        """Return what the broker has given up. Raises ConfigError."""
        if self._settings is None:
            lent = self._file.dead_letters()
            self._closing.callback(lent.close)
            return lent
        made = RabbitDeadLetters(
            self._settings, self._configuration.queues, random=self._random, clock=self._clock, alarm=self._alarm
        )
        self._closing.callback(made.close)
        return made

    def depths(self, *, exact: bool = False) -> Sequence[Depth]:
        """Return how every queue stands.

        RabbitMQ's management interface tells more, some seconds late; `exact` asks the broker itself, which does not
        tell what is lent. Raises UnavailableError.
        """
        if self._settings is None:
            return self._file.depths()
        from gateway.broker.rabbitmq.depths import depths  # noqa: PLC0415  # requests: for this alone

        settings = self._settings.model_copy(update={"management": None}) if exact else self._settings
        return depths(settings, self._configuration.queues)

    def close(self) -> None:
        """Close everything, the last opened first."""
        self._closing.close()

    @property
    def _file(self) -> EmbeddedBroker:
        if self._embedded is None:
            raise IntegrityError("the queues are on RabbitMQ")
        return self._embedded


def _file(configuration: Configuration) -> Path:
    return configuration.gateway.store.path / DATABASE
