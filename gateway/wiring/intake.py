"""An intake: a front with its rules, and a journal behind it. Each process that receives has one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from starlette.applications import Starlette

from gateway import logs
from gateway.config import Configuration
from gateway.errors import ConfigError, IntegrityError, UnavailableError
from gateway.inbound.path import Rules
from gateway.logs import Happened
from gateway.outbound.rules import Rules as Outward
from gateway.ports import Clock
from gateway.store import guard, partitions
from gateway.store.journal import StoredJournal
from gateway.store.log import READINGS
from gateway.store.mailbox import StoredMailboxes
from gateway.store.place import Duty
from gateway.store.protections import StoredProtections
from gateway.store.published import Published
from gateway.store.readings import ReadingViews
from gateway.store.views import Views
from gateway.store.witnessed import Witnessed
from gateway.transport import api, app, log, mailbox, server, tls
from gateway.transport.desk import Desk
from gateway.transport.front import Front, Terms
from gateway.transport.metrics import Readings
from gateway.trust.certificates import Inventory
from gateway.wiring.drivers import place, witnessed_readings
from gateway.wiring.governing import govern
from gateway.wiring.relying import rely
from gateway.wiring.rules import Random, agreed, beside, checkpoint_key, each, rules

STUCK = 5.0
"""Seconds after which a commit that is not answered means that nothing is accepted: a standby that is gone, a disk that
stands still. Even a busy store answers in tenths of a second."""
OPENED = ("listen", "store", "audit")
"""Tables of `gateway.toml` that listener, journal and log were opened by: what asks for them must go on with those."""
RENEWAL = 60.0
"""Seconds between two looks at the files of revocation lists, keys and certificates."""


class Intake:
    """A front with all it needs, and a journal behind it."""

    def __init__(self, configuration: Configuration, *, clock: Clock, random: Random = os.urandom) -> None:
        """Open the store and read every file that the configuration names. Raises ConfigError, IntegrityError."""
        store = configuration.gateway.store
        where = self._place = place(configuration, Duty.FRONT)
        self._opened = self.configuration = configuration
        self._clock = clock
        self._random = random
        self.committed: Callable[[], None] = lambda: None
        """Called after each commit that left events; the relay's push where it is in this process."""
        self.reloaded: Callable[[Configuration], None] = lambda _configuration: None
        """Called with each new configuration; where the way out is in this process, it goes by it too."""
        self._views = Views(where)
        self._read = ReadingViews(where)
        self.protections = StoredProtections(where)
        self.journal = StoredJournal(
            where,
            clock=clock,
            group=store.group,
            backlog=store.backlog,
            gather=store.gather,
            learned=self.protections.refresh,
            committed=self._push,
        )
        terms = Terms.build(configuration, rules(configuration, self.protections, random=random))
        self._govern(configuration, terms)
        self._rely(terms.rules)
        self.front = Front(terms=terms, journal=self.journal, clock=clock)
        self.mailboxes = StoredMailboxes(where, clock=clock, committed=self._push)
        self.desk = Desk(self.front, self.mailboxes, self.journal, rules=self._outward, clock=clock)
        key = checkpoint_key(configuration)
        self._witnessed = Witnessed(where, key, agreed(configuration.gateway.audit.witnesses, key))
        self._published = Published(where, self._witnessed.shown)
        self.log = log.Log(self.front, self._published.read)
        self._overseen = witnessed_readings(configuration, where, key)
        self._published_readings = Published(where, self._overseen.shown, log=READINGS)
        self.log_of_readings = log.Log(self.front, self._published_readings.read)
        logs_ = log.routes(self.log, self.log_of_readings)
        more = (mailbox.route(self.desk), *api.routes(self.desk, configuration.gateway.schemas), *logs_)
        self.app: Starlette = app.make(self.front, self.checks, self.readings, *more)
        self._inventory = Inventory(configuration)
        self.context = context(configuration)

    def checks(self) -> Mapping[str, bool]:
        """Tell whether messages can be accepted and proven now (`transport.health`)."""
        gateway, now = self.configuration.gateway, self._clock.now()
        _, oldest = self._views.unsigned(now)
        _, read = self._read.unsigned(now)
        file = self.configuration.services.postgresql is None
        return {
            "journal": self.journal.waiting() < gateway.store.backlog
            and self.journal.stuck() < STUCK
            and (not file or os.access(gateway.store.path, os.W_OK)),
            "log": oldest <= gateway.audit.maximum_merge_delay,
            "readings": read <= gateway.audit.maximum_merge_delay,
            "revocation": self.front.terms.rules.trust.fresh(now),
            "partitions": file or partitions.ahead(self._place) != 0,
        }

    def readings(self) -> Readings:
        """Return what watchers draw curves of (`transport.metrics`)."""
        unsigned, oldest = self._views.unsigned(self._clock.now())
        _, read = self._read.unsigned(self._clock.now())
        standing = self._witnessed.standing(self._clock.now())
        overseen = self._overseen.standing(self._clock.now())
        gallring, looked = self._views.gallring(self._clock.now())
        return Readings(
            certificates=self._inventory.read(),
            checks=self.checks(),
            waiting=self.journal.waiting(),
            leaves=self._views.length(),
            unsigned=unsigned,
            unsigned_seconds=oldest.total_seconds(),
            reading_unsigned_seconds=read.total_seconds(),
            quorum_seconds=max((one.waiting.total_seconds() for one in (standing, overseen) if one), default=0.0),
            behind={name: standing.size - size for name, size in standing.last.items()} if standing else {},
            unstamped_seconds=self._unstamped(),
            reviews=self._views.reviewed(self._clock.now()),
            answered=self._views.unsettled(self._clock.now()),
            orphaned=self._views.orphaned(self._clock.now()),
            gallring={one.key.removeprefix("rule "): (0, 0, 0, 0.0) for one in self._opened.retention} | gallring,
            gallring_looked=looked,
        )

    def _unstamped(self) -> float:
        if not self._opened.gateway.audit.stamps.authority:
            return 0.0
        return self._witnessed.unstamped(self._clock.now()).total_seconds()

    def renew(self) -> None:
        """Read revocation lists, anchors, keys and certificates again if a file has changed; keep up with the log.

        Raises ConfigError or UnavailableError, and the old ones stay; IntegrityError where the log is not the one this
        machine knew.
        """
        each(self._renew_trust, self._renew_signers, self._renew_context)
        if self.configuration.services.postgresql is not None:  # several machines, each a guard of the same log
            guard.renew_all(self._place, checkpoint_key(self.configuration))

    def reload(self, configuration: Configuration) -> None:
        """Judge by a new configuration from now on. Raises ConfigError, UnavailableError; the old one stays.

        What is open is kept until a restart, and the log names it at every reload until then: `OPENED` of the gateway,
        and `services`. Two things of it are new at once: our own certificate with its key, which are read into the
        listener that is there, and `queues`, by which events are routed; those for a new queue wait for the restart.
        """
        opened, new = self._opened, configuration
        kept = {name: getattr(opened.gateway, name) for name in OPENED}
        restart = [name for name, value in kept.items() if getattr(new.gateway, name) != value]
        restart += [name for name in ("queues", "services") if getattr(new, name) != getattr(opened, name)]
        gateway = new.gateway.model_copy(update=kept)
        configuration = new.model_copy(update={"gateway": gateway, "services": opened.services})
        terms = Terms.build(configuration, rules(configuration, self.protections, random=self._random))
        self.context.reload(new.gateway.listen, new.partners.values())
        self._govern(configuration, terms)
        self._rely(terms.rules)
        self.configuration, self.front.terms = configuration, terms
        self._inventory = Inventory(new)
        self.reloaded(configuration)
        logs.tell(Happened.RELOADED, policy=configuration.policy, restart=" ".join(restart) or None)

    def server(self) -> server.Server:
        """Return the server for this front; it is not running."""
        return server.Server(self.app, self.front, listen=self.configuration.gateway.listen, context=self.context)

    def _renew_trust(self) -> None:
        rules_ = self.front.terms.rules
        trust = rules_.trust.refresh()
        if trust is not rules_.trust:
            self._rely(replace(rules_, trust=trust))
            self.front.terms = replace(self.front.terms, rules=replace(rules_, trust=trust))
            logs.tell(Happened.REVOCATION_READ)

    def _renew_signers(self) -> None:
        rules_ = self.front.terms.rules
        signers = rules_.signers.refresh()
        if signers is not rules_.signers:
            self._rely(replace(rules_, signers=signers))
            self.front.terms = replace(self.front.terms, rules=replace(rules_, signers=signers))
            logs.tell(Happened.KEYS_READ)

    def _renew_context(self) -> None:
        if self.context.renew():
            logs.tell(Happened.KEYS_READ)

    def _govern(self, configuration: Configuration, terms: Terms) -> None:
        govern(configuration, self._place, clock=self._clock, seals=terms.rules.sealer, random=self._random)

    def _rely(self, rules_: Rules) -> None:
        rely(self._place, rules_.trust, rules_.signers, clock=self._clock)

    def _outward(self) -> Outward:
        return beside(self.configuration, self.front.terms.rules)

    def _push(self) -> None:
        self.committed()

    def close(self) -> None:
        """Commit what was taken in, then stop. The server must have ended."""
        self.front.close()
        self.desk.close()
        self.log.close()
        self._published.close()
        self.log_of_readings.close()
        self._published_readings.close()
        self.mailboxes.close()
        self.journal.close()
        self.protections.close()


def context(configuration: Configuration) -> tls.Listener:
    """Return the listener's TLS context. Raises ConfigError."""
    return tls.Listener(configuration.gateway.listen, configuration.partners.values())


class Renewed(Protocol):
    """What is renewed while it serves: an intake, or another listener."""

    def renew(self) -> None:
        """Read files again that have changed. Raises ConfigError, IntegrityError, UnavailableError; the old stay."""
        ...

    def reload(self, configuration: Configuration) -> None:
        """Go by a new configuration. Raises the same; the old one stays."""
        ...


class Keeper:
    """Renews what serves in a thread: looks at the lists every `RENEWAL`, reads everything again when asked."""

    def __init__(
        self,
        serving: Renewed,
        load: Callable[[], Configuration],
        *,
        alarm: Callable[[IntegrityError], None] = lambda _error: None,
    ) -> None:
        """`load` reads the configuration again; `alarm` is told when the log is not the one this machine knew."""
        self._serving = serving
        self._load = load
        self._alarm = alarm
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
                self._serving.reload(self._load())
            else:
                self._serving.renew()
        except ConfigError as error:
            logs.tell(Happened.RELOAD_REFUSED, detail=error.detail)
        except IntegrityError as error:
            logs.integrity(error)
            self._alarm(error)
        except UnavailableError as error:  # the next round looks again
            logs.fault(error)

    def _run(self) -> None:
        while not self._ended:
            self._woken.wait(RENEWAL)
            self._woken.clear()
            if not self._ended:
                self.step()
