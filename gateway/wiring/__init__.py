"""The only place that constructs drivers: a configuration becomes a gateway that runs.

    rules        what the path judges by, and the secrets it needs
    drivers      SQLite or PostgreSQL, embedded queues or RabbitMQ, as `data/services.toml` says
    intake       a front with its rules and its journal; `Keeper` renews the rules        each worker has one
    background   integrator, relay, collector, dispatcher, releaser: one of each works for a store, by lease
    gallring     destroys what has been kept long enough, likewise; witnessing and stamping have others sign for the log
    auditors     the auditors' listener, a process of its own; asking is a question, whoever carries it
    transparency the citizens' portals' listener, likewise; extracting is a registerutdrag, whoever asks for it
    unsealing    leaves opened, for those who have said why; evidence makes packages of them

With one worker intake and background are in one process; with more, the parent has the background and the workers the
intakes; with `--role` each may be a process, or a machine, of its own. Revocation lists, keys and certificates are read
again when their files change, everything on SIGHUP. New rules are built beside the old and swapped whole; if they
cannot be built, the old ones stay and the log says why.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from gateway.config import Configuration
from gateway.ports import Clock
from gateway.store.place import Duty
from gateway.transport import server
from gateway.wiring.auditors import Auditing
from gateway.wiring.background import DOORS, EVERYTHING, Alarm, Background, Role
from gateway.wiring.drivers import (
    Broker,
    courier,
    create_store,
    dead_letters,
    guarded,
    place,
    queues,
    readings,
    reviews,
    upgraded,
    views,
    witnessed,
    witnessed_readings,
)
from gateway.wiring.intake import Intake, Keeper, Renewed, context
from gateway.wiring.rules import (
    Random,
    SystemClock,
    agreed,
    checkpoint_key,
    checkpoint_signer,
    hiding,
    pseudonyms,
    rules,
    sealer,
)
from gateway.wiring.transparency import Transparency

__all__ = [
    "DOORS",
    "EVERYTHING",
    "Alarm",
    "Auditing",
    "Background",
    "Broker",
    "Duty",
    "Intake",
    "Keeper",
    "Random",
    "Renewed",
    "Role",
    "SystemClock",
    "Transparency",
    "agreed",
    "checkpoint_key",
    "checkpoint_signer",
    "context",
    "courier",
    "create_store",
    "dead_letters",
    "guarded",
    "hiding",
    "place",
    "pseudonyms",
    "queues",
    "readings",
    "reviews",
    "rules",
    "running",
    "sealer",
    "upgraded",
    "views",
    "witnessed",
    "witnessed_readings",
]


@contextmanager
def running(
    configuration: Configuration, *, clock: Clock | None = None, random: Random = os.urandom
) -> Iterator[tuple[server.Running, Intake, Background]]:
    """Run a whole gateway in this process, its server in a thread: for tests, the demo and measurements.

    The store must exist (`create_store`); a port of 0 is the system's choice. Raises ConfigError, IntegrityError.
    """
    clock = clock or SystemClock()
    guarded(configuration)
    with ExitStack() as closing:
        background = Background(configuration, clock=clock, alarm=lambda _error: None)
        closing.callback(background.close)
        intake = Intake(configuration, clock=clock, random=random)
        closing.callback(intake.close)
        intake.committed = background.wake
        intake.reloaded = background.reload
        background.start()
        bound = server.bind(configuration.gateway.listen)
        yield closing.enter_context(server.Running(intake.server(), bound)), intake, background
