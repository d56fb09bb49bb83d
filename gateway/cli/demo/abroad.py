"""The second half: what Försäkringskassan sends and asks itself, while far sides fail in every way they can.

1. Every errand is given as one of our own systems gives it, on the queue of commands.
2. The gateway that runs carries them out, and who has a mailbox asks it; we wait until each dispatch has ended.
3. The askers' queues are drained, the far sides' books read, and the log is proven again.

What is seen is counted from three places that know nothing of each other: the gateway's store and log, the partners'
books, and the askers' queues.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
import requests

from gateway import codes, consumer, wiring
from gateway.audit.leaf import Kind
from gateway.cli.demo import ledger
from gateway.cli.demo.answers import WrongAnswerError
from gateway.cli.demo.clients import signing_key
from gateway.cli.demo.country import READER, Country
from gateway.cli.demo.farsides.books import Entry
from gateway.cli.demo.ledger import LOCATING
from gateway.cli.demo.mail import Mailbox, Way
from gateway.cli.demo.outgoing import Errand, Leg, Outgoing
from gateway.cli.demo.persons import PROTECTED
from gateway.cli.demo.reconcile import Rule
from gateway.cli.demo.stage import Stage
from gateway.errors import ContractError, GatewayError, UnavailableError
from gateway.outbound import states
from gateway.outbound.states import State
from gateway.store.dispatch_views import Dispatch, DispatchViews

_PATIENCE = 90.0
"""Seconds for all dispatches to end: they need ten or so."""
_LOOK = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """One dispatch, and what three places say of it."""

    leg: Leg
    found: Dispatch | None
    """The gateway's store; None: it was never taken."""
    entry: Entry
    """The partner's books."""
    leaves: Counter[str]
    """Of the log, by kind."""
    told: Sequence[str]
    """States that its asker was told of."""
    answers: int
    """Events that its asker got as an answer."""

    @property
    def as_expected(self) -> bool:
        """True where it ended as was foreseen."""
        found, wanted = self.found, self.leg.foreseen
        return found is not None and (
            (found.state, found.attempts, found.code, found.partner_code, found.first_failure)
            == (wanted.state, wanted.attempts, wanted.code, wanted.partner_code, wanted.first_failure)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Abroad:
    """The whole second half."""

    walked: Sequence[Walked]
    rules: Sequence[Rule]
    size: int
    """Leaves of the log."""

    @property
    def reconciled(self) -> bool:
        """True where every rule holds."""
        return all(rule.holds for rule in self.rules)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What is read in the end, beside each dispatch's own."""

    before: int
    """Leaves before anything went out."""
    size: int
    verified: bool
    undelivered: int
    located: int
    exposed: int
    astray: int
    """Commands that were taken and should have been refused at once, or the other way."""
    processed: int
    """By all partners' books, whatever the id was."""
    refused: int
    """What the far sides turned away at their doors: everything that came was ours."""


def play(stage: Stage, *, size: int) -> Abroad:
    """Play it; `size` is how many leaves the log has before. Raises UnavailableError."""
    country = stage.country
    errands = list(Outgoing(country, datetime.now(UTC)).errands())
    astray = _given(stage, errands)
    views = DispatchViews(wiring.place(stage.configuration, wiring.Duty.OPERATOR))
    try:
        legs = [leg for errand in errands for leg in errand.legs]
        with suppress(UnavailableError), closing(_session(stage)) as session:  # what has not ended the table tells
            _until(lambda: _read(stage, session) and _ended(views, legs), "not every dispatch has ended")
        _until(lambda: views.unsigned(datetime.now(UTC))[0] == 0, "the integrator did not sign for every leaf")
        drained = ledger.drain(stage)
        events = [one for found in drained.events.values() for one in found]
        walked = [_walked(views, country, leg, events) for leg in legs]
        seen = _Seen(
            before=size,
            size=views.counts()["leaves"],
            verified=_verified(views, stage),
            undelivered=drained.left,
            located=sum(_locates(event) for event in events),
            exposed=ledger.exposed(b"".join(stage.server.lines)),
            astray=astray,
            processed=sum(sum(books.processed().values()) for books in country.all_books()),
            refused=sum(len(books.refused) for books in country.all_books()),
        )
    finally:
        views.close()
    return Abroad(walked=walked, rules=reconcile(errands, walked, seen), size=seen.size)


def _given(stage: Stage, errands: Sequence[Errand]) -> int:
    """Give every command as its asker; return how many were refused at once and should not be, or the other way."""
    astray = 0
    with ExitStack() as closing:
        askers = {
            name: closing.enter_context(consumer.commands(stage.configuration, asker=name))
            for name in sorted({errand.asker for errand in errands})
        }
        for errand in errands:
            refused = None
            try:
                for _ in range(errand.times):
                    askers[errand.asker].give(errand.name, errand.data)
            except ContractError as error:
                refused = error.code.name
            astray += refused != errand.refused
    return astray


def _session(stage: Stage) -> requests.Session:
    """Return what the employer without an address calls us with."""
    folder, session = stage.data / "clients" / READER, requests.Session()
    session.trust_env = False
    session.verify = str(stage.data / "pki" / "server-ca.pem")
    session.cert = (str(folder / "tls.pem"), str(folder / "tls.key"))
    return session


def _read(stage: Stage, session: requests.Session) -> bool:
    """Have it fetch and acknowledge what waits, as it means to; return whether that is all."""
    box = stage.country.boxes[READER]
    signer, certificate = signing_key(stage.demo.clients[READER].sign), stage.demo.receipt.certificate
    mailbox = Mailbox(box.partner, session, stage.address, signer=signer, certificate=certificate)
    for way in Way if not box.done else ():
        for name in mailbox.waiting(way):
            if box.ways.get(name) is not way:
                continue
            try:
                letter = mailbox.fetch(way, name)
                box.books.see(name, letter.digest)
                mailbox.acknowledge(way, letter)
                box.books.process(name, lambda letter=letter: letter.digest)  # type: ignore[misc]
            except WrongAnswerError as error:
                box.books.refuse(error.detail)
    return box.done


def _ended(views: DispatchViews, legs: Sequence[Leg]) -> bool:
    ended = {one.id for one in views.dispatches(limit=10 * len(legs)) if one.state in states.ENDED}
    return ended.issuperset(leg.dispatch for leg in legs)


def _walked(views: DispatchViews, country: Country, leg: Leg, events: Sequence[ledger.Event]) -> Walked:
    outcomes = [event["data"] for event in events if event.get("dispatchid") == leg.dispatch]
    told = [one for one in outcomes if isinstance(one, dict)]
    answers = {name for one in told for name in one["events"]}
    return Walked(
        leg=leg,
        found=views.dispatch(leg.dispatch),
        entry=country.books(leg.place).of(leg.dispatch),
        leaves=Counter(orjson.loads(one.entry)["kind"] for one in views.dispatch_leaves(leg.dispatch)),
        told=[str(one["state"]) for one in told],
        answers=sum(event["id"] in answers for event in events),
    )


def _verified(views: DispatchViews, stage: Stage) -> bool:
    try:
        views.verify_log(stage.key)
    except UnavailableError:
        raise
    except GatewayError:
        return False
    return True


def _locates(event: ledger.Event) -> bool:
    """Tell whether an event tells where somebody with a protected identity is."""
    data = event["data"]
    if not isinstance(data, dict) or data.get("person", {}).get("id") != PROTECTED:
        return False
    return not LOCATING.isdisjoint(data["fields"])


def reconcile(errands: Sequence[Errand], walked: Sequence[Walked], seen: _Seen) -> tuple[Rule, ...]:
    """Hold what was seen to what was foreseen, number by number."""
    legs = [leg for errand in errands for leg in errand.legs]
    meant = [leg for leg in legs if not leg.stopped]
    answers = sum(leg.answers for leg in legs)
    ours = [one for one in walked if one.found is not None and one.found.state is State.DELIVERED]
    rules = {
        "commands taken that must be refused, or refused that must be taken": (0, seen.astray),
        "dispatches, one a recipient": (len(legs), sum(one.found is not None for one in walked)),
        "ended as foreseen: state, attempts and codes": (len(legs), sum(one.as_expected for one in walked)),
        "delivered by our books": (sum(leg.foreseen.state is State.DELIVERED for leg in legs), len(ours)),
        "of those, processed once by the partner's books": (len(ours), sum(one.entry.processed == 1 for one in ours)),
        "processed by all partners' books": (
            sum(leg.foreseen.processed for leg in legs),
            seen.processed,
        ),
        "processed as foreseen, dispatch by dispatch": (
            len(legs),
            sum(one.entry.processed == one.leg.foreseen.processed for one in walked),
        ),
        "came to the partner as often as foreseen": (
            len(legs),
            sum(one.entry.seen == one.leg.foreseen.seen for one in walked),
        ),
        "ids that came with other content": (0, sum(len(one.entry.digests) > 1 for one in walked)),
        "turned away at a partner's door": (0, seen.refused),
        "intents to disclose in the log": (len(meant), sum(one.leaves[Kind.INTENT] for one in walked)),
        "of those, with one end": (
            len(meant),
            sum(one.leaves[Kind.INTENT] == one.leaves[Kind.END] == 1 for one in walked),
        ),
        "stopped by law: a decision, and no intent": (
            len(legs) - len(meant),
            sum(one.leaves == {Kind.DECISION: 1} for one in walked if one.leg.stopped),
        ),
        "leaves that were added to the log": (
            2 * len(meant) + (len(legs) - len(meant)) + answers,
            seen.size - seen.before,
        ),
        "checkpoint: signature and recomputed root agree": (1, int(seen.verified)),
        "outcomes on the askers' queues": (len(legs), sum(len(one.told) for one in walked)),
        "dispatches with exactly one outcome": (
            len(legs),
            sum(one.found is not None and list(one.told) == [one.found.state] for one in walked),
        ),
        "answers' events on the askers' queues": (answers, sum(one.answers for one in walked)),
        "of those, that tell where somebody protected is": (0, seen.located),
        "events left behind (outbox, lent, dead letters)": (0, seen.undelivered),
        "person numbers in the server's log": (0, seen.exposed),
    }
    return tuple(Rule(name=name, expected=expected, seen=found) for name, (expected, found) in rules.items())


def _until(done: Callable[[], bool], fault: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not done():
        if time.monotonic() > deadline:
            raise UnavailableError(codes.INTERNAL, fault)
        time.sleep(_LOOK)
