"""The demonstration's own books: what must come of each message, what came of it, and what is there in the end.

What must be is counted from the cases alone. What is seen is counted from answers, from events that were really taken
off the queues, and from a log recomputed from its entries.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import orjson
import requests
from cryptography import x509

from gateway import codes, wiring
from gateway.audit import proof
from gateway.cli.demo.answers import Receipted, WrongAnswerError, read
from gateway.cli.demo.cases import QUEUES, Case, Outcome
from gateway.cli.demo.persons import PERSONNUMMER, PROTECTED, SAMORDNINGSNUMMER
from gateway.cli.demo.reconcile import Count
from gateway.cli.demo.stage import Stage
from gateway.errors import GatewayError, UnavailableError
from gateway.message import LeafHash
from gateway.ports import Consumer
from gateway.store.views import Views

LOCATING = frozenset(
    {
        "arbetsgivare",
        "fastighetsbeteckning",
        "folkbokforingsadress",
        "kommun",
        "kontaktperson",
        "lagenhet",
        "lan",
        "sarskildPostadress",
        "utlandsadress",
    }
)
"""Fields that tell where a person may be found, of those that the bases name (OSL 21 kap. 3 §)."""
Event = Mapping[str, object]
"""A CloudEvent, as it came off a queue."""
_STEPS = {code.name: code.step.value for code in codes.catalogue()}
_BATCH = 500
_PATIENCE = 60.0
"""Seconds for relay and integrator to come to rest: they need one or two."""
_PAUSE = 0.1
_QUIET, _LOOK = 2.0, 0.02
"""Seconds without an event after which a broker that delivers by itself has no more; between two looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One message and what came of it."""

    case: Case
    outcome: Outcome | None
    """None: an answer that is neither receipt nor fault of the gateway's."""
    code: str | None = None
    step: str | None = None
    receipt: Receipted | None = field(default=None, repr=False)

    @property
    def as_expected(self) -> bool:
        """True where outcome, code and step are those that must be."""
        if (self.outcome, self.code) != (self.case.outcome, self.case.code):
            return False
        if self.receipt is not None and self.receipt.contract != self.case.contract:
            return False
        return self.code is None or self.step == _STEPS[self.code]


class Ledger:
    """Sends cases, and writes down what comes of them."""

    def __init__(self, certificate: x509.Certificate) -> None:
        """`certificate` is the one receipts must be signed with."""
        self.lines: list[Line] = []
        self._certificate = certificate
        self._first: dict[tuple[str, str], Receipted] = {}
        """(Partner, message id) -> the first receipt."""

    def play(self, case: Case) -> Line:
        """Send one message and write down what came of it."""
        line = self._line(case)
        self.lines.append(line)
        return line

    def _line(self, case: Case) -> Line:
        try:
            found = read(case.send(), self._certificate)
        except requests.ConnectionError:
            return Line(case=case, outcome=Outcome.TURNED_AWAY)
        except WrongAnswerError as error:
            return Line(case=case, outcome=None, code=error.detail)
        if not isinstance(found, Receipted):
            return Line(case=case, outcome=Outcome.REFUSED, code=found.code, step=found.step)
        name = (case.partner, found.message_id)
        before = self._first.setdefault(name, found)
        outcome = Outcome.ACCEPTED if before is found else Outcome.REPEATED
        return Line(case=case, outcome=outcome, receipt=found)

    @property
    def receipts(self) -> Sequence[Receipted]:
        """Every receipt, in order."""
        return [line.receipt for line in self.lines if line.receipt is not None]

    @property
    def promised(self) -> frozenset[bytes]:
        """Every leaf hash that a receipt promises."""
        return frozenset(leaf for receipt in self.receipts for leaf in receipt.leaves)

    def same_facts(self) -> int:
        """Count the repetitions that say what the first receipt said."""
        return sum(
            line.receipt is not None
            and line.outcome is Outcome.REPEATED
            and line.receipt.facts == self._first[line.case.partner, line.receipt.message_id].facts
            for line in self.lines
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What was taken off the queues."""

    events: Mapping[str, Sequence[Event]] = field(repr=False)
    """Queue -> CloudEvents."""
    left: int
    """Events that are still in the outbox, on a queue, lent or dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """What the audit log proved."""

    size: int
    root: bytes
    proven: int
    verified: bool
    fault: str = ""


GOVERNING = 2
"""Leaves of what a first start puts on record before it judges: the register of law, and what the queues serve."""


def expected(cases: Iterable[Case]) -> Count:
    """Count what must be: from what was sent, and from nothing that the gateway says."""
    played = list(cases)
    accepted = [case for case in played if case.outcome is Outcome.ACCEPTED]
    repeated = sum(case.outcome is Outcome.REPEATED for case in played)
    passed = [record for case in accepted for record in case.passed]
    leaves = sum(case.leaves for case in accepted)
    return Count(
        sent=len(played),
        accepted=len(accepted),
        repeated=repeated,
        refused=Counter(case.code for case in played if case.outcome is Outcome.REFUSED and case.code),
        turned_away=sum(case.outcome is Outcome.TURNED_AWAY for case in played),
        astray=0,
        receipts=len(accepted) + repeated,
        same_facts=repeated,
        events=Counter(queue for record in passed for queue in QUEUES[record.kind]),
        event_ids=len(passed),
        undelivered=0,
        protected=sum(record.person == PROTECTED for record in passed),
        located=0,
        leaves=sum(case.leaves for case in played) + GOVERNING,
        promised=leaves,
        proven=leaves,
        checkpoints=1,
        exposed=0,
    )


def seen(ledger: Ledger, drained: Drained, logged: Logged, log: bytes) -> Count:
    """Count what was."""
    outcomes = Counter(line.outcome for line in ledger.lines)
    events = {str(one["id"]): one for queue in drained.events.values() for one in queue}
    protected = [one for one in events.values() if _person(one) == PROTECTED]
    return Count(
        sent=len(ledger.lines),
        accepted=outcomes[Outcome.ACCEPTED],
        repeated=outcomes[Outcome.REPEATED],
        refused=Counter(line.code for line in ledger.lines if line.outcome is Outcome.REFUSED and line.code),
        turned_away=outcomes[Outcome.TURNED_AWAY],
        astray=sum(not line.as_expected for line in ledger.lines),
        receipts=len(ledger.receipts),
        same_facts=ledger.same_facts(),
        events={name: len(found) for name, found in drained.events.items() if found},
        event_ids=len(events),
        undelivered=drained.left,
        protected=len(protected),
        located=sum(not LOCATING.isdisjoint(_data(one).get("fields", {})) for one in protected),
        leaves=logged.size,
        promised=len(ledger.promised),
        proven=logged.proven,
        checkpoints=int(logged.verified),
        exposed=exposed(log),
    )


def _data(event: Event) -> Mapping[str, dict[str, object]]:
    data = event.get("data")
    return data if isinstance(data, dict) else {}


def _person(event: Event) -> object:
    return _data(event).get("person", {}).get("id")


def exposed(log: bytes) -> int:
    """Count the persons of this play whose number, in ten digits or twelve, stands in the server's log."""
    return sum(number[2:].encode() in log for number in (*PERSONNUMMER, *SAMORDNINGSNUMMER, PROTECTED))


def drain(stage: Stage) -> Drained:
    """Wait for the relay, then take and acknowledge everything on every queue. Raises UnavailableError."""
    clock = wiring.SystemClock()
    with ExitStack() as closing:
        views = wiring.views(stage.configuration)
        closing.callback(views.close)
        letters = wiring.dead_letters(stage.configuration, clock)
        closing.callback(letters.close)
        broker = wiring.Broker(stage.configuration, clock=clock)
        closing.callback(broker.close)
        _until(lambda: views.counts()["outbox"] == 0, "the relay did not empty the outbox")
        consumers = {queue.name: broker.consumer(queue, name="demo") for queue in stage.configuration.queues}
        quiet = 0.0 if stage.configuration.services.rabbitmq is None else _QUIET
        events = _taken(consumers, quiet)
        for consumer in consumers.values():  # what they were lent and did not acknowledge goes back, and is counted
            consumer.close()
        left = sum(depth.ready + (depth.unacked or 0) + (depth.dead or 0) for depth in broker.depths(exact=True))
        return Drained(events=events, left=left + views.counts()["outbox"] + sum(letters.counts().values()))


def _taken(consumers: Mapping[str, Consumer], quiet: float) -> Mapping[str, Sequence[Event]]:
    """Take until nothing has come on any queue for so many seconds: one person's events come one at a time."""
    found: dict[str, list[Event]] = {name: [] for name in consumers}
    last = time.monotonic()
    while True:
        before = last
        for name, consumer in consumers.items():
            if lent := consumer.take(limit=_BATCH):
                found[name] += [orjson.loads(one.body) for one in lent]
                consumer.ack(lent)
                last = time.monotonic()
        if last == before:
            if time.monotonic() - last >= quiet:
                return found
            time.sleep(_LOOK)


def audit(stage: Stage, promised: frozenset[bytes]) -> Logged:
    """Wait for the integrator; recompute the log; prove every promised leaf under the last signed checkpoint."""
    views = wiring.views(stage.configuration)
    clock = wiring.SystemClock()
    try:
        _until(lambda: views.unsigned(clock.now())[0] == 0, "the integrator did not sign for every leaf")
        report = views.verify_log(stage.key)
        proven = sum(_proven(views, stage, LeafHash(leaf)) for leaf in promised)
        return Logged(size=report.size, root=report.root, proven=proven, verified=True)
    except UnavailableError:
        raise
    except GatewayError as error:
        return Logged(size=0, root=hashlib.sha256().digest(), proven=0, verified=False, fault=error.detail)
    finally:
        views.close()


def _proven(views: Views, stage: Stage, leaf: LeafHash) -> bool:
    found = views.proof(leaf)
    if found is None:
        return False
    proof.verify(found, leaf, stage.key)  # raises where it does not prove it
    return True


def _until(done: Callable[[], bool], fault: str) -> None:
    """Look until it is so, or `_PATIENCE` is over: then UnavailableError."""
    deadline = time.monotonic() + _PATIENCE
    while not done():
        if time.monotonic() > deadline:
            raise UnavailableError(codes.INTERNAL, fault)
        time.sleep(_PAUSE)
