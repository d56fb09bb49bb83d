"""An intake: a front with its rules, and a journal behind it. Each process that receives has one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from ssl import SSLContext

from starlette.applications import Starlette

from gateway import logs
from gateway.config import Configuration
from gateway.errors import ConfigError, IntegrityError, UnavailableError
from gateway.logs import Happened
from gateway.ports import Clock
from gateway.store import guard, partitions
from gateway.store.journal import StoredJournal
from gateway.store.place import Duty
from gateway.store.protections import StoredProtections
from gateway.store.views import Views
from gateway.transport import app, server, tls
from gateway.transport.front import Front, Terms
from gateway.wiring.drivers import place
from gateway.wiring.rules import Random, checkpoint_key, rules, secret

STUCK = 5.0
"""Seconds after which a commit that is not answered means that nothing is accepted: a standby that is gone, a disk that
stands still. Even a busy store answers in tenths of a second."""
RENEWAL = 60.0
"""Seconds between two looks at the revocation lists' files. Lists are renewed every few hours."""


class Intake:
    """A front with all it needs, and a journal behind it."""

    def __init__(self, configuration: Configuration, *, clock: Clock, random: Random = os.urandom) -> None:
        """Open the store and read every file that the configuration names. Raises ConfigError, IntegrityError."""
        store = configuration.gateway.store
        where = self._place = place(configuration, Duty.FRONT)
        self.configuration = configuration
        self._clock = clock
        self._random = random
        self.committed: Callable[[], None] = lambda: None
        """Called after each commit that left events; the relay's push where it is in this process."""
        self._views = Views(where)
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
        self.front = Front(terms=terms, journal=self.journal, clock=clock)
        self.app: Starlette = app.make(self.front, self.checks)
        self.context = context(configuration)

    def checks(self) -> Mapping[str, bool]:
        """Tell whether messages can be accepted and proven now (`transport.health`)."""
        gateway, now = self.configuration.gateway, self._clock.now()
        _, oldest = self._views.unsigned(now)
        file = self.configuration.services.postgresql is None
        return {
            "journal": self.journal.waiting() < gateway.store.backlog
            and self.journal.stuck() < STUCK
            and (not file or os.access(gateway.store.path, os.W_OK)),
            "log": oldest <= gateway.audit.maximum_merge_delay,
            "revocation": self.front.terms.rules.trust.fresh(now),
            "partitions": file or partitions.ahead(self._place) != 0,
        }

    def renew(self) -> None:
        """Read revocation lists and anchors again if a file has changed; keep up with the log.

        Raises ConfigError, and the old ones stay; IntegrityError where the log is not the one this machine knew.
        """
        terms = self.front.terms
        trust = terms.rules.trust.refresh()
        if trust is not terms.rules.trust:
            self.front.terms = replace(terms, rules=replace(terms.rules, trust=trust))
            logs.tell(Happened.REVOCATION_READ)
        if self.configuration.services.postgresql is not None:  # several machines, each a guard of the same log
            guard.renew(self._place, checkpoint_key(self.configuration))

    def reload(self, configuration: Configuration) -> None:
        """Judge by a new configuration from now on. Raises ConfigError; the old one stays.

        Where it listens, where it stores, which queues and which servers there are stays until a restart.
        """
        terms = Terms.build(configuration, rules(configuration, self.protections, random=self._random))
        tls.identify(self.context, configuration.gateway.listen)
        tls.admit(self.context, configuration.partners.values())
        before, after = self.configuration.gateway, configuration.gateway
        restart = [name for name in ("listen", "store", "audit") if getattr(before, name) != getattr(after, name)]
        opened = self.configuration
        restart += [name for name in ("queues", "services") if getattr(opened, name) != getattr(configuration, name)]
        # Where the store is stays what was opened: all that asks `services` must go on with it.
        configuration = configuration.model_copy(update={"services": opened.services})
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

    def __init__(
        self,
        intake: Intake,
        load: Callable[[], Configuration],
        *,
        alarm: Callable[[IntegrityError], None] = lambda _error: None,
    ) -> None:
        """`load` reads the configuration again; `alarm` is told when the log is not the one this machine knew."""
        self._intake = intake
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
                self._intake.reload(self._load())
            else:
                self._intake.renew()
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
