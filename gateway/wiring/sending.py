"""The way out, assembled: commands come in, the dispatcher walks them, the courier calls.

Rules are swapped whole, as an intake's are: revocation lists and our certificates are read again when their files
change, everything else with a new configuration.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from gateway import logs
from gateway.broker.entrance import Entrance
from gateway.config import Configuration, Queue
from gateway.dispatch import Signed
from gateway.errors import ConfigError, GatewayError, IntegrityError, UnavailableError
from gateway.logs import Happened
from gateway.outbound.commands import Agreed
from gateway.outbound.dispatcher import Dispatcher
from gateway.outbound.rules import Rules
from gateway.outbound.walk import Walk
from gateway.partners import Endpoint
from gateway.ports import Clock
from gateway.store.dispatches import StoredDispatches
from gateway.store.lease import Lease
from gateway.store.place import Duty, Place
from gateway.store.protections import StoredProtections
from gateway.wiring import drivers
from gateway.wiring.drivers import Broker, place
from gateway.wiring.governing import govern
from gateway.wiring.relying import rely
from gateway.wiring.rules import Random, each, outward

if TYPE_CHECKING:
    from gateway.transport.courier import HttpCourier

PATIENCE = 20.0
"""Seconds that attempts under way get when we stop. What has no answer then is lost at the next start, and resent."""
RENEWAL = 60.0
"""Seconds between two looks at revocation lists and certificates."""
SILENT = 30.0
"""Seconds without a look into the store after which the dispatcher stands still: twice its longest pause."""


def sends(configuration: Configuration) -> bool:
    """Tell whether anybody can be reached: else there is nothing to dispatch, and no command is taken either."""
    return any(partner.endpoint or partner.mailbox for partner in configuration.partners.values())


class Sending:
    """Dispatcher, entrance and courier, in threads of their own."""

    def __init__(  # noqa: PLR0913  # settings, each by its name
        self,
        configuration: Configuration,
        *,
        clock: Clock,
        holder: str,
        chance: Callable[[], float],
        alarm: Callable[[IntegrityError], None],
        committed: Callable[[], None] = lambda: None,
        random: Random = os.urandom,
    ) -> None:
        """Open store, broker and courier. Raises ConfigError, IntegrityError, UnavailableError.

        Args:
            configuration: What is to be sent where.
            clock: UTC.
            holder: Names this process and no other, ever.
            chance: 0 up to 1, for the jitter.
            alarm: Told when our own records disagree; other troubles are in the log.
            committed: Called after a commit that left events in the outbox.
            random: For keys and salts.
        """
        self._configuration = configuration
        self._clock = clock
        self._chance = chance
        self._alarm = alarm
        self._random = random
        self._closing = ExitStack()
        self._ending = threading.Event()
        self._renewing = threading.Thread(target=self._renew, name="sending", daemon=True)
        try:
            where = place(configuration, Duty.DISPATCHER)
            self._place = where
            self._protections = StoredProtections(where)
            self._rules, self._courier = self._opened()
            self._govern(configuration, self._rules)
            self._rely(self._rules)
            store = StoredDispatches(where, clock=clock, learned=self._protections.refresh, committed=committed)
            self._closing.callback(store.close)
            self.dispatcher = self._dispatcher(where, store, holder)
            self.entrance = self._entrance(store)
        except BaseException:
            self._closing.close()
            raise

    def start(self) -> None:
        """Begin."""
        self.dispatcher.start()
        self.entrance.start()
        self._renewing.start()

    def healthy(self) -> bool:
        """Tell whether the dispatcher looks into the store."""
        return self.dispatcher.silent() < SILENT

    def renew(self) -> None:
        """Read revocation lists, anchors, keys and certificates again where a file has changed.

        Raises ConfigError, UnavailableError; the old ones stay.
        """
        each(self._renew_trust, self._renew_signers, self._renew_courier)

    def reload(self, configuration: Configuration) -> None:
        """Go by a new configuration from the next transition on. Raises ConfigError, UnavailableError: the old stays.

        What was opened (store, queues, how many workers) stays until a restart; so do the WSDLs of contracts.
        """
        rules = outward(configuration, self._protections, random=self._random)
        self._courier.reload(configuration)
        self._govern(configuration, rules)
        self._rely(rules)
        self._configuration, self._rules = configuration, rules
        self.dispatcher.renew(Walk(rules, self._courier), configuration.partners)

    def close(self) -> None:
        """Take no more commands, begin nothing more, and wait a while for what is under way."""
        self._ending.set()
        if self._renewing.ident is not None:
            self._renewing.join()
        self._closing.close()

    def _govern(self, configuration: Configuration, rules: Rules) -> None:
        govern(configuration, self._place, clock=self._clock, seals=rules.sealer, random=self._random)

    def _rely(self, rules: Rules) -> None:
        rely(self._place, rules.trust, rules.signers, clock=self._clock)

    def _renew_trust(self) -> None:
        trust = self._rules.trust.refresh()
        if trust is not self._rules.trust:
            self._rely(replace(self._rules, trust=trust))
            self._walk_by(replace(self._rules, trust=trust))
            logs.tell(Happened.REVOCATION_READ)

    def _renew_signers(self) -> None:
        signers = self._rules.signers.refresh()
        if signers is not self._rules.signers:
            self._rely(replace(self._rules, signers=signers))
            self._walk_by(replace(self._rules, signers=signers))
            logs.tell(Happened.KEYS_READ)

    def _renew_courier(self) -> None:
        if self._courier.renew():
            logs.tell(Happened.KEYS_READ)

    def _walk_by(self, rules: Rules) -> None:
        self._rules = rules
        self.dispatcher.renew(Walk(rules, self._courier), self._configuration.partners)

    def _opened(self) -> tuple[Rules, HttpCourier]:
        """Open what rules and courier need."""
        self._closing.callback(self._protections.close)
        rules = outward(self._configuration, self._protections, random=self._random)
        courier = drivers.courier(self._configuration, rules.contracts, judge=self._judged, clock=self._clock)
        self._closing.callback(courier.close)
        return rules, courier

    def _dispatcher(self, where: Place, store: StoredDispatches, holder: str) -> Dispatcher:
        lease = Lease(where, "dispatcher", holder=holder, clock=self._clock)
        self._closing.callback(given_back, lease)
        made = Dispatcher(
            store,
            self._courier,
            Walk(self._rules, self._courier),
            self._configuration.partners,
            lease=lease.hold,
            clock=self._clock,
            random=self._chance,
            workers=self._configuration.gateway.sending.workers,
            alarm=self._told,
        )
        self._closing.callback(made.stop, PATIENCE)
        return made

    def _entrance(self, store: StoredDispatches) -> Entrance:
        broker = Broker(self._configuration, clock=self._clock, alarm=self._told)
        self._closing.callback(broker.close)
        made = Entrance(
            broker.consumer(_commands(self._configuration), name="dispatcher"),
            store,
            agreed=self._agreed,
            sealer=self._rules.sealer,
            random=self._chance,
            taken=self.dispatcher.wake,
            alarm=self._told,
        )
        self._closing.callback(made.stop)
        return made

    def _judged(self, peer: bytes, signed: Signed, endpoint: Endpoint, at: datetime) -> None:
        """Raise UntrustedError or UnavailableError unless the far side's certificate is the recipient's."""
        queued, rules = signed.composed.queued, self._rules
        rules.trust.judge_server(
            peer,
            partner=queued.recipient.partner,
            organisation=rules.recipient(queued),
            anchors=endpoint.anchors,
            at=at,
        )

    def _agreed(self) -> Agreed:
        read = self._configuration
        return Agreed(askers=read.askers, partners=read.partners, outgoing=self._rules.contracts.outgoing)

    def _told(self, error: GatewayError) -> None:
        if isinstance(error, IntegrityError):
            self._alarm(error)
        else:
            logs.tell(Happened.DISPATCHER_TROUBLE, code=error.code.name, detail=error.detail)

    def _renew(self) -> None:
        while not self._ending.wait(RENEWAL):
            try:
                self.renew()
            except ConfigError as error:
                logs.tell(Happened.RELOAD_REFUSED, detail=error.detail)
            except UnavailableError as error:  # what would be judged by is not kept: the next round tries again
                logs.fault(error)


def _commands(configuration: Configuration) -> Queue:
    name = configuration.gateway.sending.commands
    for queue in configuration.queues:
        if queue.name == name:
            return queue
    raise ConfigError(f"sending.commands: {name}: accepted are {', '.join(one.name for one in configuration.queues)}")


def given_back(lease: Lease) -> None:
    """Let the next process have it at once."""
    with suppress(UnavailableError):  # else it runs out by itself
        lease.release()
    lease.close()
