"""The only place that constructs drivers: a configuration becomes a gateway that runs.

A gateway has two halves, because one may run in several processes and the other must not:

    Intake        a front with its rules, the journal, what is known of protected identity     each worker has one
    Background    the integrator, and the relay from the outbox to the broker                  one for each store

With one worker both are in one process; with more, the parent has the background and the workers the intakes. `Keeper`
renews an intake's rules: revocation lists when their files change, everything on SIGHUP. New rules are built beside the
old and swapped whole; if they cannot be built, the old ones stay and the log says why.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom
from ssl import SSLContext

from starlette.applications import Starlette

from gateway import logs
from gateway.adapters.registry import Registry
from gateway.audit import note
from gateway.audit.checkpoint import Checkpoint
from gateway.broker import schedule
from gateway.broker.embedded import DATABASE, EmbeddedBroker
from gateway.broker.relay import Relay
from gateway.config import Configuration, Keys
from gateway.errors import ConfigError, GatewayError, IntegrityError, UnavailableError
from gateway.events.compose import Routes
from gateway.inbound.path import Rules
from gateway.logs import Happened
from gateway.message import Protection, Pseudonym
from gateway.ports import Clock, Protections
from gateway.privacy.law import Law
from gateway.store import create, guard
from gateway.store.integrator import Integrator
from gateway.store.journal import SqliteJournal
from gateway.store.lease import Lease
from gateway.store.outbox import StoredOutbox
from gateway.store.protections import StoredProtections
from gateway.store.views import Views
from gateway.transport import app, server, tls
from gateway.transport.front import Front, Terms
from gateway.trust.chain import Trust
from gateway.trust.pseudonym import Pseudonyms
from gateway.trust.receipt import Signers
from gateway.trust.sealing import Sealer

RENEWAL = 60.0
"""Seconds between two looks at the revocation lists' files. Lists are renewed every few hours."""
Random = Callable[[int], bytes]
Alarm = Callable[[IntegrityError], None]
"""Called, from any thread, when our own records disagree: the program must stop."""


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        """Return it, aware, in UTC."""
        return datetime.now(UTC)


def secret(path: Path, key: str) -> bytes:
    """Read a private file. Raises ConfigError where it cannot be read, or everybody may."""
    try:
        if path.stat().st_mode & stat.S_IRWXO:
            raise ConfigError(f"{key}: {path}: every user of this machine may use it; chmod o= {path}")
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{key}: {path}: cannot be read: {error.strerror}") from None


def checkpoint_signer(configuration: Configuration) -> note.Signer:
    """Return what signs checkpoints. Raises ConfigError."""
    gateway = configuration.gateway
    return note.Signer.from_pem(gateway.audit.origin, secret(gateway.keys.checkpoint, "keys.checkpoint"))


def sealer(keys: Keys, random: Random = os.urandom) -> Sealer:
    """Return what seals evidence; the key's own hash tells which key it was. Raises ConfigError."""
    key = secret(keys.sealing, "keys.sealing")
    return Sealer(hashlib.sha256(b"gateway/sealing-key-id\0" + key).hexdigest()[:16], key, random)


def rules(configuration: Configuration, protections: Protections, *, random: Random = os.urandom) -> Rules:
    """Build all that the path judges by. Raises ConfigError, which names file and key."""
    gateway, keys = configuration.gateway, configuration.gateway.keys
    for key in ("receipt", "receipt_rsa"):
        path = getattr(keys, key)
        if path is not None:
            secret(path, f"keys.{key}")
    contracts = Registry.load(gateway.schemas)
    for partner in configuration.partners.values():
        for contract in partner.contracts:
            if contract not in contracts:
                raise ConfigError(f"partner {partner.id}: contracts: {contract}: accepted are {', '.join(contracts)}")
    return Rules(
        limits=gateway.limits,
        trust=Trust.build(configuration.partners),
        contracts=contracts,
        law=Law.build(configuration, contracts.kinds()),
        routes=Routes.build(configuration.queues, configuration.bases),
        protections=protections,
        pseudonyms=Pseudonyms(secret(keys.pseudonym, "keys.pseudonym")),
        sealer=sealer(keys, random),
        signers=Signers.build(keys, configuration.partners),
        random=random,
    )


def create_store(configuration: Configuration, clock: Clock) -> Checkpoint:
    """Make a new store with an empty signed log, and the embedded broker's file; return the first checkpoint.

    Raises ConfigError, and IntegrityError where any of it is there already.
    """
    folder = configuration.gateway.store.path
    for name in (create.DATABASE, create.ANCHOR, DATABASE):
        if (folder / name).exists():
            raise IntegrityError(f"{folder / name} is there already, and is never overwritten")
    signer = checkpoint_signer(configuration)
    rules(configuration, _Unknown())  # what cannot be served must not be begun
    made = create.create(folder, signer=signer, at=clock.now())
    schedule.create(folder / DATABASE)
    return made


class _Unknown:
    def status(self, person: Pseudonym) -> Protection:
        del person
        return Protection.UNKNOWN


def guarded(configuration: Configuration) -> None:
    """Refuse to start on a log that is absent, shorter or other than it was. Raises IntegrityError, ConfigError."""
    guard.check(configuration.gateway.store.path, checkpoint_signer(configuration).key)


def queues(configuration: Configuration, clock: Clock) -> EmbeddedBroker:
    """Open the queues alone, beside a gateway that may be running. Raises IntegrityError, UnavailableError."""
    return EmbeddedBroker(configuration.gateway.store.path / DATABASE, configuration.queues, clock=clock)


def views(configuration: Configuration) -> Views:
    """Open what can be asked of the store. Raises IntegrityError where no store is there."""
    return Views(configuration.gateway.store.path)


class Background:
    """The integrator and the relay, in threads of their own."""

    def __init__(self, configuration: Configuration, *, clock: Clock, alarm: Alarm) -> None:
        """Open the store and the broker. Raises ConfigError, IntegrityError."""
        gateway = configuration.gateway
        folder = gateway.store.path
        holder = f"{os.uname().nodename}:{os.getpid()}:{os.urandom(8).hex()}"  # never another's again
        self._alarm = alarm
        self.broker = EmbeddedBroker(folder / DATABASE, configuration.queues, clock=clock)
        self.outbox = StoredOutbox(folder / create.DATABASE)
        self._lease = Lease(folder / create.DATABASE, "relay", holder=holder, clock=clock)
        self.relay = Relay(
            self.outbox, self.broker, lease=self._lease.hold, random=SystemRandom().random, alarm=self._told
        )
        self.integrator = Integrator(
            folder,
            signer=checkpoint_signer(configuration),
            clock=clock,
            holder=holder,
            interval=gateway.audit.interval,
            alarm=self._told,
        )

    def start(self) -> None:
        """Begin to integrate and to relay."""
        self.integrator.start()
        self.relay.start()

    def close(self) -> None:
        """Sign for what is in the log, then stop; what is not relayed stays in the outbox."""
        self.relay.stop()
        with suppress(UnavailableError):  # else it runs out by itself
            self._lease.release()
        self._lease.close()
        self.integrator.stop()
        self.outbox.close()
        self.broker.close()

    def _told(self, error: GatewayError) -> None:
        if isinstance(error, IntegrityError):
            logs.integrity(error)
            self._alarm(error)
        else:
            logs.fault(error)


class Intake:
    """A front with all it needs, and a journal behind it."""

    def __init__(self, configuration: Configuration, *, clock: Clock, random: Random = os.urandom) -> None:
        """Open the store and read every file that the configuration names. Raises ConfigError, IntegrityError."""
        store = configuration.gateway.store
        database = store.path / create.DATABASE
        self.configuration = configuration
        self._clock = clock
        self._random = random
        self.committed: Callable[[], None] = lambda: None
        """Called after each commit that left events; the relay's push where it is in this process."""
        self._views = Views(store.path)
        self.protections = StoredProtections(database)
        self.journal = SqliteJournal(
            database,
            clock=clock,
            group=store.group,
            backlog=store.backlog,
            gather=store.gather,
            learned=self.protections.refresh,
            committed=self._push,
        )
        terms = Terms.build(configuration, rules(configuration, self.protections, random=random))
        self.front = Front(terms=terms, journal=self.journal, clock=clock)
        self.app: Starlette = app.make(self.front, self.checks)
        self.context = context(configuration)

    def checks(self) -> Mapping[str, bool]:
        """Tell whether messages can be accepted and proven now (`transport.health`)."""
        gateway, now = self.configuration.gateway, self._clock.now()
        _, oldest = self._views.unsigned(now)
        return {
            "journal": self.journal.waiting() < gateway.store.backlog and os.access(gateway.store.path, os.W_OK),
            "log": oldest <= gateway.audit.maximum_merge_delay,
            "revocation": self.front.terms.rules.trust.fresh(now),
        }

    def renew(self) -> None:
        """Read revocation lists and anchors again if a file has changed. Raises ConfigError; the old ones stay."""
        terms = self.front.terms
        trust = terms.rules.trust.refresh()
        if trust is not terms.rules.trust:
            self.front.terms = replace(terms, rules=replace(terms.rules, trust=trust))
            logs.tell(Happened.REVOCATION_READ)

    def reload(self, configuration: Configuration) -> None:
        """Judge by a new configuration from now on. Raises ConfigError; the old one stays.

        Where it listens, where it stores and which queues there are stays until a restart.
        """
        terms = Terms.build(configuration, rules(configuration, self.protections, random=self._random))
        tls.identify(self.context, configuration.gateway.listen)
        tls.admit(self.context, configuration.partners.values())
        before, after = self.configuration.gateway, configuration.gateway
        restart = [name for name in ("listen", "store", "audit") if getattr(before, name) != getattr(after, name)]
        restart += ["queues"] if self.configuration.queues != configuration.queues else []
        self.configuration, self.front.terms = configuration, terms
        logs.tell(Happened.RELOADED, policy=configuration.policy, restart=" ".join(restart) or None)

    def server(self) -> server.Server:
        """Return the server for this front; it is not running."""
        return server.Server(self.app, self.front, listen=self.configuration.gateway.listen, context=self.context)

    def _push(self) -> None:
        self.committed()

    def close(self) -> None:
        """Commit what was taken in, then stop. The server must have ended."""
        self.front.close()
        self.journal.close()
        self.protections.close()


def context(configuration: Configuration) -> SSLContext:
    """Return the listener's TLS context. Raises ConfigError."""
    listen = configuration.gateway.listen
    secret(listen.key, "listen.key")
    return tls.context(listen, configuration.partners.values())


class Keeper:
    """Renews an intake's rules in a thread: looks at the lists every `RENEWAL`, reads everything again when asked."""

    def __init__(self, intake: Intake, load: Callable[[], Configuration]) -> None:
        """`load` reads the configuration again. Raises ConfigError."""
        self._intake = intake
        self._load = load
        self._woken = threading.Event()
        self._asked = False
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ask(self) -> None:
        """Have everything read again, soon. May be called in a signal handler."""
        self._asked = True
        self._woken.set()

    def stop(self) -> None:
        """End, after what it is doing."""
        self._ended = True
        self._woken.set()
        self._thread.join()

    def step(self) -> None:
        """Do one round; what cannot be read is told, and the old rules stay."""
        asked, self._asked = self._asked, False
        try:
            if asked:
                self._intake.reload(self._load())
            else:
                self._intake.renew()
        except ConfigError as error:
            logs.tell(Happened.RELOAD_REFUSED, detail=error.detail)

    def _run(self) -> None:
        while not self._ended:
            self._woken.wait(RENEWAL)
            self._woken.clear()
            if not self._ended:
                self.step()


@contextmanager
def running(
    configuration: Configuration, *, clock: Clock | None = None, random: Random = os.urandom
) -> Iterator[tuple[server.Running, Intake, Background]]:
    """Run a whole gateway in this process, its server in a thread: for tests, the demo and measurements.

    The store must exist (`store.create`); a port of 0 is the system's choice. Raises ConfigError, IntegrityError.
    """
    clock = clock or SystemClock()
    guarded(configuration)
    with ExitStack() as closing:
        background = Background(configuration, clock=clock, alarm=lambda _error: None)
        closing.callback(background.close)
        intake = Intake(configuration, clock=clock, random=random)
        closing.callback(intake.close)
        intake.committed = background.relay.wake
        background.start()
        bound = server.bind(configuration.gateway.listen)
        yield closing.enter_context(server.Running(intake.server(), bound)), intake, background
