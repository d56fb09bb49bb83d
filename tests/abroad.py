"""An installation that sends and asks, and partners' far sides for it: real sockets, real certificates, a real store.

    abroad = Abroad(folder)
    lost = abroad.summon("dropped", "stale")      an employer whose far side does this, and a summons to it
    asked = abroad.ask_navet("slow")              Navet does this with this question
    with abroad.sending() as sent:                store, dispatcher, courier, relay, queues: all as `gateway serve` has
        sent.settle()                             every dispatch has ended
        sent.of(lost).state, sent.entry(lost).processed, sent.outcomes(lost)

Everything is given before `sending`, for the configuration tells where the far sides are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from gateway import config, consumer, wiring
from gateway.audit.note import Key
from gateway.cli.demo import errands
from gateway.cli.demo.farsides import ACTS, Door, FarSide, Keys, Register
from gateway.cli.demo.farsides.books import Entry
from gateway.cli.demo.farsides.keys import agency, numbered, organisation
from gateway.cli.demo.farsides.table import Greeting
from gateway.cli.demo.ledger import GOVERNING
from gateway.config import Configuration
from gateway.consumer import asking
from gateway.dispatch import DispatchId
from gateway.errors import GatewayError
from gateway.message import ContractId, PartnerId
from gateway.outbound import commands, states
from gateway.partners import Endpoint
from gateway.store.dispatch_views import Dispatch, DispatchViews, Happened
from gateway.trust import pki
from gateway.trust.issuing import KeyKind
from gateway.wiring.background import Background, Role
from tests.builders import NUMBERS

ROOT = Path(__file__).resolve().parents[1]
NAVET, AF, MOTE = errands.NAVET, errands.ERSATTNINGSSTOD, errands.MOTE
LAZY = frozenset({"slow", "slow_unprocessed", "dripping", "dripping_unprocessed"})
"""What makes the gateway wait for a limit. Only far sides that do it have short ones."""
QUICK = {"read_timeout": timedelta(seconds=1.5), "total_timeout": timedelta(seconds=3)}
WITHIN = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A command, not given yet."""

    asker: str
    name: str
    data: dict[str, Any] = field(repr=False)
    dispatch: DispatchId
    side: FarSide


class Abroad:
    """Far sides and commands, collected; nothing runs yet."""

    def __init__(self, folder: Path, *, services: str | None = None, workers: int = 16) -> None:
        """Make PKI and configuration below `folder`; `services` is the text of `services.toml`."""
        self.now = datetime.now(UTC)
        self.folder = folder
        self.demo = pki.make(folder, now=self.now, kind=KeyKind.P256)
        if services is not None:
            (folder / "services.toml").write_text(services)
        read = config.load(ROOT / "config" / "gateway.toml", data=folder)
        sending = read.gateway.sending.model_copy(update={"workers": workers})
        self._read = read.model_copy(update={"gateway": read.gateway.model_copy(update={"sending": sending})})
        self.door = Door(folder, read.gateway.organisation, ROOT / "schemas")
        self._endpoints: dict[PartnerId, list[Endpoint]] = {}
        self._agencies: dict[ContractId, FarSide] = {}
        self.given: dict[DispatchId, Given] = {}
        self.sides: list[FarSide] = []

    # --- what is to be sent -------------------------------------------------------------------------------------------

    def summon(self, *script: str, register: Register | None = None) -> DispatchId:
        """Have an employer of its own summoned, whose far side follows the script."""
        keys = organisation(self.demo, f"Arbetsgivare {len(self.sides)} AB", self._number(), now=self.now)
        side = self._side(keys, keys_of(self.demo, "arbetsgivare-b", self.now), script, register)
        self._reach(
            "arbetsgivare", side, MOTE, organisation=keys.organisation, limits=QUICK if {*script} & LAZY else {}
        )
        data = errands.summons(NUMBERS[0], self.now, [("arbetsgivare", keys.organisation)])
        return self._give("rehabilitering", data, side)

    def ask_navet(self, *script: str, person: str = NUMBERS[0], register: Register | None = None) -> DispatchId:
        """Have Navet asked; it follows the script for this question."""
        side = self._agency(
            "skatteverket", "arbetsformedlingen", NAVET, register, {"bestallning": "00000079-FO01-0001"}
        )
        given = self._give("handlaggning.aktivitetsstod", errands.navet(person, self.now), side)
        side.plan(given, script)
        return given

    def ask_af(self, *script: str, person: str = NUMBERS[0], register: Register | None = None) -> DispatchId:
        """Have Arbetsförmedlingen asked; it follows the script for this question."""
        side = self._agency("arbetsformedlingen", "skatteverket", AF, register, {})
        given = self._give("handlaggning.aktivitetsstod", errands.ersattningsstod(person, self.now), side)
        side.plan(given, script)
        return given

    def send(self, contract: str, *script: str) -> DispatchId:
        """Have a message of a contract sent to a far side that follows the script."""
        return {NAVET: self.ask_navet, AF: self.ask_af, MOTE: self.summon}[ContractId(contract)](*script)

    def _number(self) -> str:
        return numbered("559", len(self.sides))

    def _agency(
        self, name: str, other: str, contract: ContractId, register: Register | None, settings: dict[str, str]
    ) -> FarSide:
        if contract not in self._agencies:
            side = self._side(keys_of(self.demo, name, self.now), keys_of(self.demo, other, self.now), (), register)
            self._reach(name, side, contract, settings=settings, limits=QUICK)
            self._agencies[contract] = side
        return self._agencies[contract]

    def _side(self, keys: Keys, other: Keys, script: Sequence[str], register: Register | None) -> FarSide:
        side = FarSide(self.door, keys, other=other, script=script, register=register)
        self.sides.append(side)
        return side

    def _reach(self, partner: str, side: FarSide, contract: ContractId, *, limits: dict[str, Any], **more: Any) -> None:
        made = Endpoint(
            address=side.address,
            contracts=(contract,),
            connect_timeout=timedelta(seconds=20),
            first_pause=timedelta(milliseconds=20),
            longest_pause=timedelta(milliseconds=100),
            breaker_failures=1_000_000,
            concurrent=8,
            **({"read_timeout": timedelta(seconds=30), "total_timeout": timedelta(seconds=60)} | limits | more),
        )
        self._endpoints.setdefault(PartnerId(partner), []).append(made)

    def _give(self, asker: str, data: dict[str, Any], side: FarSide) -> DispatchId:
        name = f"k-{len(self.given)}"
        (queued,) = commands.queue(commands.reread(asking.composed(asker, name, data, self.now)))
        self.given[queued.dispatch] = Given(asker=asker, name=name, data=data, dispatch=queued.dispatch, side=side)
        return queued.dispatch

    # --- sending ------------------------------------------------------------------------------------------------------

    def configuration(self) -> Configuration:
        """Return the repository's configuration, with the far sides' addresses."""
        partners = {}
        for name, partner in self._read.partners.items():
            ours = self._endpoints.get(name, [])
            taken = {contract for one in ours for contract in one.contracts}
            kept = [one for one in partner.endpoint if taken.isdisjoint(one.contracts)]
            partners[name] = partner.model_copy(update={"endpoint": (*ours, *kept)})
        return self._read.model_copy(update={"partners": partners})

    @contextmanager
    def sending(self, *, give: bool = True) -> Iterator[Sent]:
        """Open the far sides, run what sends, and give every command."""
        configuration = self.configuration()
        alarms: list[GatewayError] = []
        with ExitStack() as closing:
            if configuration.services.postgresql is None:
                wiring.create_store(configuration, wiring.SystemClock())
            for side in self.sides:
                closing.enter_context(side)
            background = Background(
                configuration,
                clock=wiring.SystemClock(),
                alarm=alarms.append,
                roles={Role.RELAY, Role.INTEGRATOR, Role.DISPATCHER},
            )
            closing.callback(background.close)
            sent = Sent(self, configuration, alarms, closing)
            sent.background = background
            background.start()
            if give:
                sent.give(*self.given)
            yield sent


class Sent:
    """What is being sent, and what became of it."""

    background: Background
    """What sends."""

    def __init__(self, abroad: Abroad, read: Configuration, alarms: list[GatewayError], closing: ExitStack) -> None:
        self.abroad = abroad
        self.configuration = read
        self.alarms = alarms
        self.views = DispatchViews(wiring.place(read, wiring.Duty.OPERATOR))
        closing.callback(self.views.close)
        self._events: dict[str, list[dict[str, Any]]] = {}

    def give(self, *dispatches: DispatchId) -> None:
        """Put their commands on the queue."""
        given = [self.abroad.given[one] for one in dispatches]
        for asker in {one.asker for one in given}:
            with consumer.commands(self.configuration, asker=asker) as mouth:
                for one in given:
                    if one.asker == asker:
                        mouth.give(one.name, one.data)

    def settle(self, *dispatches: DispatchId) -> None:
        """Wait until these, or all, have ended, are told of, and signed for."""
        wanted = dispatches or tuple(self.abroad.given)
        end = time.monotonic() + WITHIN
        while not self._settled(wanted):
            assert time.monotonic() < end, [self.of(one) for one in wanted if not self._ended(one)][:3]
            time.sleep(0.05)

    def _settled(self, wanted: Sequence[DispatchId]) -> bool:
        ended = {one.id for one in self.views.dispatches(limit=100_000) if one.state in states.ENDED}
        if not ended.issuperset(wanted) or self.views.counts()["outbox"]:
            return False
        return self.views.unsigned(datetime.now(UTC))[0] == 0

    def _ended(self, dispatch: DispatchId) -> bool:
        found = self.views.dispatch(dispatch)
        return found is not None and found.state in states.ENDED

    def of(self, dispatch: DispatchId) -> Dispatch:
        found = self.views.dispatch(dispatch)
        assert found is not None, f"{dispatch} was never taken"
        return found

    def timeline(self, dispatch: DispatchId) -> Sequence[Happened]:
        return self.views.timeline(dispatch)

    def entry(self, dispatch: DispatchId) -> Entry:
        """Return what its far side has in its books of it."""
        return self.abroad.given[dispatch].side.books.of(dispatch)

    def leaves(self, dispatch: DispatchId) -> list[dict[str, Any]]:
        """Return the entries of its leaves, in order of the log."""
        return [orjson.loads(one.entry) for one in self.views.dispatch_leaves(dispatch)]

    def verified(self) -> int:
        """Compute the log again, and return how many leaves it has of dispatches."""
        key = Key(self.configuration.gateway.audit.origin, self.abroad.demo.checkpoint.public_key().public_bytes_raw())
        return self.views.verify_log(key).size - GOVERNING

    def events(self, queue: str) -> list[dict[str, Any]]:
        """Return all events of a queue, taken off it once."""
        if queue not in self._events:
            broker = wiring.Broker(self.configuration, clock=wiring.SystemClock())
            try:
                (wanted,) = (one for one in self.configuration.queues if one.name == queue)
                source = broker.consumer(wanted, name="test")
                found = self._events[queue] = []
                while lent := source.take(limit=500, wait=0.0 if self.configuration.services.rabbitmq is None else 2.0):
                    found += [orjson.loads(one.body) for one in lent]
                    source.ack(lent)
                source.close()
            finally:
                broker.close()
        return self._events[queue]

    def outcomes(self, dispatch: DispatchId) -> list[dict[str, Any]]:
        """Return what its asker was told of its ends."""
        queue = self.configuration.askers[self.abroad.given[dispatch].asker].queue
        return [
            one["data"]
            for one in self.events(queue)
            if one["type"].endswith(".utfall.v1") and one["dispatchid"] == dispatch
        ]


def keys_of(demo: pki.Demo, name: str, now: datetime) -> Keys:
    return agency(demo, name, now=now)


def greets(script: Sequence[str]) -> bool:
    """Tell whether a script is about TLS: then it needs a far side of its own."""
    return any(ACTS[name].greeting is not Greeting.RIGHT for name in script)
