"""A country in memory: partners with certificates, a gateway on a real store and real queues, a clock, and a crash.

    world = World(folder)
    answer = world.send("skatteverket/folkbokforing", payload)      a receipt, or why not
    world.resend(answer)                                            the same bytes again
    world.travel(minutes=10); world.revoke("skatteverket-sign")     time and trust change
    world.crash_at("committed"); world.send(...); world.restart()   nobody was told, and everything was kept
    world.relay(); world.integrate(); world.consume()               what the background would do
    world.check()                                                   every invariant, after any step

The gateway is built from the repository's configuration, schemas and law. Nothing in it is replaced: the clock and
randomness are those it asks for anyway, and a crash is an exception at a point that the drivers name. A crash drops
every object without closing it, and opens the files again.
"""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswerError
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit import note
from gateway.broker import schedule
from gateway.broker.embedded import DATABASE as QUEUES
from gateway.broker.embedded import EmbeddedBroker
from gateway.broker.relay import Relay
from gateway.config import Configuration
from gateway.errors import ConflictError, GatewayError, UnavailableError
from gateway.inbound import path
from gateway.message import Accepted, ContractId, Event, Ready, Receipt, Received
from gateway.privacy import law
from gateway.store import create, guard
from gateway.store.integrator import Integrator
from gateway.store.journal import StoredJournal
from gateway.store.outbox import StoredOutbox
from gateway.store.place import SqlitePlace
from gateway.store.protections import StoredProtections
from gateway.store.views import Views
from tests import authorities, forge, invariants, payloads, rules
from tests.attacks.catalogue import NOW, Scene, Sent
from tests.forge import Recipe

PATIENCE = 5.0
"""Seconds to wait for an answer that must come. A crash answers by the thread's end, not by this."""


class CrashError(BaseException):
    """The power went. Not an Exception: nothing in the gateway may catch it."""


class Clock:
    """Stands still until told otherwise."""

    def __init__(self, now: datetime) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the sender of a message knows afterwards: a receipt, an error, or nothing at all."""

    sent: Sent
    receipt: Receipt | None = None
    accepted: Accepted | None = None
    error: GatewayError | None = None

    @property
    def code(self) -> str | None:
        return None if self.error is None else self.error.code.name

    @property
    def outcomes(self) -> list[str]:
        assert self.accepted is not None, self.code or "no answer"
        return [one.outcome for one in self.accepted.outcomes]


@dataclass(slots=True, kw_only=True)
class Ledger:
    """What the world remembers, to hold the gateway to."""

    answers: list[Answer] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)
    """All bodies ever sent."""
    ready: dict[tuple[str, str, str], list[Ready]] = field(default_factory=dict)
    """Identity -> every preparation of it."""
    consumed: list[tuple[str, str, bytes]] = field(default_factory=list)
    """(queue, event id, body) acknowledged by a consumer."""
    refused: int = 0
    """Refusals that were answered, so must be in the log."""
    lost: int = 0
    """Messages whose fate nobody was told."""
    names: set[str] = field(default_factory=set)
    """Person numbers and names that were sent."""


@lru_cache(maxsize=1)
def _founded() -> authorities.Authorities:
    """Everybody's certificates: made once, since no world changes them (revocation is a world's own)."""
    return authorities.with_bad_ones(NOW, life=timedelta(days=365))


@lru_cache(maxsize=1)
def _secrets() -> tuple[Ed25519PrivateKey, object]:
    return Ed25519PrivateKey.generate(), rules.signers(rules.receipt_credential(NOW))


agreed = lru_cache(maxsize=1)(rules.contracts)


@lru_cache(maxsize=1)
def _law() -> law.Law:
    """The repository's: it is the same to every world, wherever its folder is."""
    return law.Law.build(rules.configuration(Path("nowhere")), agreed().kinds(), agreed().outgoing)


class World:
    """The country, and one gateway in it."""

    def __init__(self, folder: Path, *, template: Path | None = None, seed: int = 0, now: datetime = NOW) -> None:
        """Found everything below `folder`; `template` is the store of an untouched world, to be copied."""
        self.folder = folder
        self.clock = Clock(now)
        self.chance = random.Random(seed)  # noqa: S311  # to be repeated, not to be secret
        founded = _founded()
        self.authorities = replace(founded, credentials=dict(founded.credentials), revoked=list(founded.revoked))
        self.authorities.write(folder, at=now)
        self.configuration: Configuration = rules.configuration(folder)
        self.store = self.configuration.gateway.store.path
        self.signer = note.Signer(self.configuration.gateway.audit.origin, _secrets()[0])
        self.ledger = Ledger()
        self._crash_at: str | None = None
        self._fail_at: str | None = None
        self._found(template)
        self.open()

    def _found(self, template: Path | None) -> None:
        if template is not None:
            shutil.copytree(template, self.store)
            return
        create.create(SqlitePlace(self.store), signer=self.signer, at=self.clock.now())
        schedule.create(self.store / QUEUES)

    # --- the gateway --------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Start the gateway, as it starts: the log is checked first."""
        guard.check(SqlitePlace(self.store), self.signer.key)
        place = SqlitePlace(self.store)
        self.protections = StoredProtections(place)
        self.rules = rules.build(
            self.configuration,
            random=self.chance.randbytes,
            receipts=_secrets()[1],  # type: ignore[arg-type]
            protections=self.protections,
            agreed=agreed(),
            judged_by=_law(),
        )
        self.journal = StoredJournal(
            place, clock=self.clock, learned=self.protections.refresh, faults=self._fault, group=8
        )
        self.broker = EmbeddedBroker(self.store / QUEUES, self.configuration.queues, clock=self.clock)
        self.outbox = StoredOutbox(place, clock=self.clock)
        self._relay = Relay(self.outbox, self.broker, lease=lambda: True, random=self.chance.random, faults=self._fault)
        self._integrator = Integrator(
            place,
            signer=self.signer,
            clock=self.clock,
            holder=f"world-{self.chance.random()}",
            ttl=timedelta(0),
            faults=self._fault,
        )
        self.views = Views(place)

    def close(self) -> None:
        """Stop as one should."""
        self.journal.close()
        self._integrator.stop()
        self.outbox.close()
        self.broker.close()
        self.protections.close()
        self.views.close()

    def crash_at(self, point: str) -> None:
        """Let the power go the next time a driver comes to this point."""
        self._crash_at = point

    def fail_at(self, point: str) -> None:
        """Let the disk fail the next time a driver comes to this point."""
        self._fail_at = point

    def _fault(self, point: str) -> None:
        if point == self._crash_at:
            self._crash_at = None
            raise CrashError(point)
        if point == self._fail_at:
            self._fail_at = None
            raise OSError(5, "the disk failed")

    def restart(self) -> None:
        """Drop everything as it is, and open the files again."""
        self._crash_at = self._fail_at = None
        self.open()

    # --- partners -----------------------------------------------------------------------------------------------------

    @property
    def scene(self) -> Scene:
        return Scene(credentials=self.authorities.credentials, now=self.clock.now())

    def recipe(self, contract: str, payload: str | None = None, **changes: object) -> Recipe:
        """Return the recipe of an honest message, with an id of its own."""
        base = {"message_id": UUID(bytes=self.chance.randbytes(16)).urn}
        if payload is not None:
            base["payload"] = payload
        return self.scene.recipe(contract, **(base | changes))

    def compose(self, contract: str, payload: str | None = None, *, peer: str | None = None, **changes: object) -> Sent:
        """Sign a message now, without sending it."""
        recipe = self.recipe(contract, payload, **changes)
        return Sent(
            body=forge.signed(recipe).bytes(),
            contract=contract,
            content_type=forge.content_type(recipe.version),
            peer=peer,
        )

    def send(self, contract: str, payload: str | None = None, **changes: object) -> Answer:
        """Sign a message now and send it."""
        return self.deliver(self.compose(contract, payload, **changes))  # type: ignore[arg-type]

    def resend(self, answer: Answer) -> Answer:
        """Send the same bytes again."""
        return self.deliver(answer.sent)

    def tamper(self, sent: Sent, old: bytes, new: bytes) -> Answer:
        """Change a message on its way."""
        assert old in sent.body
        return self.deliver(replace(sent, body=sent.body.replace(old, new)))

    def deliver(self, sent: Sent) -> Answer:
        """Hand bytes to the gateway, as its front does, and wait for the answer."""
        self._remember(sent)
        received = self._received(sent)
        try:
            answer = self._settled(sent, path.prepare(received, self.rules))
        except ConflictError as conflict:
            answer = self._settled(sent, path.refuse(received, conflict, self.rules))
        except GatewayError as error:
            answer = Answer(sent=sent, error=error)
        self.ledger.answers.append(answer)
        return answer

    def _received(self, sent: Sent) -> Received:
        peer = sent.peer or f"{sent.contract.partition('/')[0]}-tls"
        return Received(
            body=sent.body,
            content_type=sent.content_type,
            contract=ContractId(sent.contract),
            peer=None if peer == "none" else self.authorities.credentials[peer].der,
            at=self.clock.now(),
        )

    def _settled(self, sent: Sent, form: path.Ready | path.Refusal) -> Answer:
        if not isinstance(form, Ready):
            refused = self._result(self.journal.refuse(form))
            if refused is _NOTHING:
                return Answer(sent=sent)
            if isinstance(refused, Accepted):  # people have let the same in
                receipt = path.answer(refused, self.rules, self.clock.now())
                return Answer(sent=sent, receipt=receipt, accepted=refused)
            self.ledger.refused += 1
            return Answer(sent=sent, error=form.error)
        source = form.provenance
        self.ledger.ready.setdefault((source.partner, source.organisation, source.message_id), []).append(form)
        accepted = self._result(self.journal.accept(form))
        if not isinstance(accepted, Accepted):
            return Answer(sent=sent)
        receipt = path.answer(accepted, self.rules, self.clock.now())
        return Answer(sent=sent, receipt=receipt, accepted=accepted)

    def _result(self, future: Future[Accepted] | Future[Accepted | None]) -> object:
        """Wait for the journal; a crash ends its thread, and then nobody ever answers."""
        writer = self.journal._writer
        while True:
            try:
                return future.result(timeout=0.02)
            except NoAnswerError:
                if not writer.is_alive() and not future.done():
                    self.ledger.lost += 1
                    return _NOTHING

    def _remember(self, sent: Sent) -> None:
        self.ledger.received.append(sent.body)
        for person in (*payloads.PERSONS, payloads.SAMORDNING):
            self.ledger.names |= {person, person[2:], f"{person[:8]}-{person[8:]}", f"{person[2:8]}-{person[8:]}"}
        self.ledger.names |= {"Testsson", "Testgatan"}

    # --- time and trust -----------------------------------------------------------------------------------------------

    def travel(self, **time: float) -> None:
        """Let time pass: `days=1`, `minutes=10`."""
        self.clock.time += timedelta(**time)

    def revoke(self, name: str) -> None:
        """Revoke a certificate; the gateway reads the new list."""
        self.authorities.revoke(self.authorities.credentials[name])
        self.renew_lists()

    def renew_lists(self, until: datetime | None = None) -> None:
        """Let the authorities publish their lists anew, and the gateway read them."""
        self.authorities.write(self.folder, at=self.clock.now(), lists_until=until)
        self.rules = replace(self.rules, trust=self.rules.trust.build(self.configuration.partners))

    # --- the background -----------------------------------------------------------------------------------------------

    def relay(self) -> int:
        """Bring committed events to the queues; return how many were settled."""
        settled = 0
        while (tally := self._relay.step()).settled:
            settled += tally.settled
        return settled

    def integrate(self) -> None:
        """Sign for everything that is in the log."""
        while self._integrator.step() is not None:
            pass

    def consume(self, queue: str | None = None, *, limit: int = 1000) -> list[dict[str, Any]]:
        """Take and acknowledge what lies on a queue, or on all; return the events."""
        taken = []
        for name in [queue] if queue else [one.name for one in self.configuration.queues]:
            while deliveries := self.broker.take(name, limit=limit):
                for delivery in deliveries:
                    assert all(self.broker.ack([delivery]))
                    self.ledger.consumed.append((name, delivery.event, delivery.body))
                    taken.append(event_of(delivery.body))
        return taken

    def pending(self) -> list[Event]:
        """Return what is in the outbox."""
        return [one.event for one in self.outbox.pending(100_000)]

    def check(self) -> None:
        """Hold everything that is durable to everything that was said."""
        invariants.check(self)


_NOTHING = object()


def event_of(body: bytes) -> dict[str, Any]:
    """Read an event."""
    return orjson.loads(body)  # type: ignore[no-any-return]


@contextmanager
def crashes_are_expected() -> Iterator[None]:
    """Let threads die of a crash in silence; anything else that kills one is still heard."""
    before = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not CrashError:
            before(args)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


__all__ = ["Answer", "Clock", "CrashError", "Sent", "UnavailableError", "World", "crashes_are_expected", "event_of"]
