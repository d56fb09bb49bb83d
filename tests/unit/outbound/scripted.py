"""A dispatcher in a small world: a store in memory, a walk of short steps, and partners that do as they are told.

Each partner remembers every message that it processed, by id, as a real one does; what comes back is another matter.
"""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from uuid import NAMESPACE_OID, uuid5

import orjson
import pytest

from gateway import codes, endings, logs
from gateway.dispatch import Break, Broken, Reply
from gateway.errors import GatewayError
from gateway.message import Leaf, LeafHash, Sealed
from gateway.outbound import states
from gateway.outbound.dispatcher import Dispatcher
from gateway.outbound.ports import Held, Step
from gateway.outbound.states import Happening, State
from gateway.partners import Endpoint, Mailbox, Partner, Trust
from tests.builders import NOON, POLICY, Clock
from tests.dispatches import MemoryDispatches
from tests.world import CrashError

LIFE = timedelta(hours=6)
SEALED = Sealed(key_id="k", wrapped_key=b"", evidence=b"", records=())


@dataclass(frozen=True)
class Way:
    """What a partner does with one attempt."""

    processed: bool
    says: str
    """`yes no bad busy fault`, or how the connection breaks."""
    retry_after: timedelta | None = None


YES, SILENT = Way(True, "yes"), Way(True, Break.LOST)
ENDS = {
    Happening.ANSWER: Way(True, "yes"),
    Happening.REFUSE: Way(False, "no"),
    Happening.SPOIL: Way(True, "bad"),
    Happening.POSTPONE: Way(False, "busy"),
    Happening.LOSE: Way(False, Break.LOST),
}
SAID = {
    b"yes": (Happening.ANSWER, None),
    b"no": (Happening.REFUSE, endings.REFUSED),
    b"bad": (Happening.SPOIL, endings.UNUSABLE),
    b"busy": (Happening.POSTPONE, endings.BUSY),
    b"fault": (Happening.LOSE, endings.FAULT),
}
BROKEN = {
    Break.UNREACHABLE: (Happening.POSTPONE, endings.UNREACHABLE),
    Break.UNTRUSTED: (Happening.POSTPONE, endings.UNTRUSTED),
    Break.LOST: (Happening.LOSE, endings.LOST),
    Break.TOO_LARGE: (Happening.LOSE, endings.TOO_LARGE),
}


@dataclass
class FarSides:
    """`outbound.ports.Courier`: all partners, and what each does with its next attempts."""

    world: World
    script: dict[str, list[Way | Callable[[], Way]]] = field(default_factory=dict)
    """By partner; when it is used up, everything is processed and answered."""
    always: dict[str, Way | Callable[[], Way]] = field(default_factory=dict)
    attempts: list[tuple[str, str, str]] = field(default_factory=list)
    """Partner, id, digest: every message whose first byte arrived or may have."""
    processed: dict[str, str] = field(default_factory=dict)
    """By id: what the partner did, once."""
    under_way: int = 0
    most: dict[str, int] = field(default_factory=dict)

    def send(self, signed: object, endpoint: Endpoint) -> Reply | Broken:  # noqa: ARG002  # the port's
        held = signed.held
        partner = held.partner
        self.world.must_be_begun(held.id)
        ways = self.script.get(partner) or [self.always.get(partner, YES)]
        way = ways.pop(0)
        self._count(partner, +1)
        try:
            way = way() if callable(way) else way
        finally:
            self._count(partner, -1)
        at = self.world.clock.now()
        if way.says in (Break.UNREACHABLE, Break.UNTRUSTED):
            return Broken(how=way.says, detail="", at=at)
        self.attempts.append((partner, signed.message_id, signed.digest))
        if way.processed and self.processed.setdefault(signed.message_id, signed.digest) != signed.digest:
            self.world.broken.append(f"{held.id}: another content under the same id")
        if isinstance(way.says, Break):
            return Broken(how=way.says, detail="", at=at)
        return Reply(status=200, content_type="", body=way.says.encode(), peer=b"", at=at, retry_after=way.retry_after)

    def body(self, contract: object, arguments: object) -> bytes:
        raise NotImplementedError

    def _count(self, partner: str, more: int) -> None:
        with self.world.door:
            now = self.most.setdefault(f"{partner} now", 0) + more
            self.most[f"{partner} now"] = now
            self.most[partner] = max(self.most.get(partner, 0), now)
            self.under_way += more
            self.most["all"] = max(self.most.get("all", 0), self.under_way)


def leaf(*words: object) -> Leaf:
    entry = " ".join(map(str, words)).encode()
    return Leaf(entry=entry, hash=LeafHash(hashlib.sha256(entry).digest()), salt=b"", record=b"", pseudonym=None)


@dataclass
class ShortWalk:
    """`outbound.worker.Walk`, with leaves and events that say only whose they are."""

    world: World
    judged: Happening = Happening.COMPOSE
    forbidden: bool = False
    """What was composed may not go any more."""
    fails: Exception | None = None

    def judge(self, held: Held, at: datetime) -> Step:
        if self.fails is not None:
            raise self.fails
        if self.judged is not Happening.COMPOSE:
            return self.end(held, self.judged, endings.DENIED, at)
        return replace(
            self._step(held, Happening.COMPOSE, at),
            due=at,
            digest=hashlib.sha256(held.id.encode()).hexdigest(),
            leaves=(leaf("intent", held.id),),
            records=SEALED,
            content="payload",
        )

    def still(self, held: Held, at: datetime) -> Step | None:
        return self.end(held, Happening.WITHDRAW, endings.DENIED, at) if self.forbidden else None

    def sign(self, held: Held, endpoint: Endpoint, at: datetime) -> object:
        if self.fails is not None:
            raise self.fails
        (composed,) = [one for one in self.world.store.timelines[held.id] if one.happening is Happening.COMPOSE]
        assert "payload" in held.contents
        return SimpleNamespace(held=held, message_id=held.id, digest=composed.digest, to=endpoint.address, at=at)

    def settle(self, held: Held, signed: object, came: Reply | Broken) -> Step:  # noqa: ARG002  # the walk's
        if isinstance(came, Reply) and came.body == b"crash us":
            raise ZeroDivisionError
        happening, code = SAID[came.body] if isinstance(came, Reply) else BROKEN[came.how]
        return self.end(held, happening, code, came.at)

    def deposit(self, held: Held, mailbox: Mailbox, at: datetime) -> Step:
        return replace(
            self._step(held, Happening.DEPOSIT, at), due=at + mailbox.unread, records=SEALED, content="envelope"
        )

    def end(
        self,
        held: Held,
        happening: Happening,
        code: codes.Code | None,
        at: datetime,
        *,
        by: str | None = None,
        reason: str | None = None,
    ) -> Step:
        step = replace(self._step(held, happening, at, code), by=by, reason=reason)
        if step.after not in states.ENDED:
            return replace(step, due=at) if happening is Happening.PERMIT else step
        leaves = () if held.intent is None else (leaf("end", held.id, step.after),)
        return replace(step, leaves=leaves, events=(SimpleNamespace(dispatch=held.id, outcome=step.after),))

    def _step(self, held: Held, happening: Happening, at: datetime, code: codes.Code | None = None) -> Step:
        return Step(
            dispatch=held.id,
            follows=held.step,
            happening=happening,
            before=held.state,
            after=states.after(held.state, happening),
            at=at,
            code=None if code is None else code.name,
        )


def partner(name: str, *, mailbox: bool = False, **endpoint: object) -> Partner:
    where = Endpoint(address=f"https://{name}.example/", contracts=("fk/brev",), **endpoint)
    return Partner(
        id=name,
        name=name,
        kind="agency",
        partner_type=name,
        contracts=(),
        trust=Trust(anchors=("a.pem",), subject={"organisation": "2021002114"}),
        endpoint=() if mailbox else (where,),
        mailbox=Mailbox(contracts=("fk/brev",)) if mailbox else None,
    )


@pytest.fixture
def told() -> Iterator[Callable[[], list[dict[str, object]]]]:
    """Collect what is logged, strictly."""
    with logs.captured() as stream:
        yield lambda: [orjson.loads(line) for line in stream.getvalue().splitlines()]


class World:
    """A store that stays, and one dispatcher after another that does not."""

    def __init__(self, *partners: Partner, workers: int = 8, seed: int = 0) -> None:
        self.partners = {one.id: one for one in partners or (partner("a"), partner("post", mailbox=True))}
        self.clock = Clock(NOON)
        self.store = MemoryDispatches()
        self.far = FarSides(self)
        self.walk = ShortWalk(self)
        self.door = threading.Lock()
        self.chance = random.Random(seed)  # noqa: S311  # to be repeated
        self.workers = workers
        self.alarms: list[GatewayError] = []
        self.leading = True
        self.faults: dict[str, BaseException] = {}
        """What is raised at the next visit of a point."""
        self.points: list[str] = []
        self.broken: list[str] = []
        """Promises that were seen to be broken. Not asserted at once: the dispatcher would survive that too."""
        self.open()

    def open(self) -> None:
        """A new dispatcher, as after a start."""
        self.faults.clear()
        self.dispatcher = Dispatcher(
            self.store,
            self.far,
            self.walk,
            self.partners,
            lease=lambda: self.leading,
            clock=self.clock,
            random=self.chance.random,
            workers=self.workers,
            alarm=self.alarms.append,
            faults=self._fault,
        )

    def _fault(self, point: str) -> None:
        self.points.append(point)
        if (fault := self.faults.pop(point, None)) is not None:
            raise fault

    def queue(self, partner: str = "a", *, name: str | None = None, life: timedelta = LIFE) -> str:
        """Give a command with one recipient; return its dispatch."""
        name = uuid5(NAMESPACE_OID, name or f"d{len(self.store.held)}").urn
        now = self.clock.now()
        command = SimpleNamespace(asker="rehab", id=name, contract="fk/brev", at=now, expires=now + life)
        recipient = SimpleNamespace(partner=partner, organisation=None, position=1)
        queued = SimpleNamespace(dispatch=name, recipient=recipient)
        self.store.take(command, [queued], [SEALED], POLICY)
        return name

    def bring(self, dispatch: str, state: State) -> None:
        """Walk a new dispatch to a state that a dispatcher finds it in."""
        for happening in WAYS[state]:
            held = self.store.held[dispatch]
            now = self.clock.now()
            match happening:
                case Happening.COMPOSE:
                    step = self.walk.judge(held, now)
                case Happening.DEPOSIT:
                    step = self.walk.deposit(held, self.partners[held.partner].mailbox, now)
                case _:
                    step = replace(self.walk.end(held, happening, endings.LOST, now), due=now)
            assert self.store.write(step)
        assert self.state(dispatch) is state

    def act(self, dispatch: str, happening: Happening) -> bool:
        """Do what a person does, or a partner with its mailbox."""
        return self.store.write(self.walk.end(self.store.held[dispatch], happening, None, self.clock.now()))

    def state(self, dispatch: str) -> State:
        return self.store.held[dispatch].state

    def still(self) -> None:
        """Step while anything can be done at this moment."""
        while self.dispatcher.step():
            pass

    def run(self, *, rounds: int = 400) -> None:
        """Step, letting time pass, until everything has ended."""
        for _ in range(rounds):
            self.still()
            if all(one.state in states.ENDED for one in self.store.held.values()):
                return
            self.clock.at += timedelta(minutes=5)

    def crash(self, point: str) -> None:
        """Let the power go at a point that must be come to; then start again."""
        self.faults[point] = CrashError(point)
        for _ in range(50):
            try:
                self.still()
            except CrashError:
                self.open()
                return
            self.clock.at += timedelta(minutes=5)
        message = f"nobody came to {point}"
        raise AssertionError(message)

    def must_be_begun(self, dispatch: str) -> None:
        """What is required when the first byte leaves: the intent is in the log, and BEGIN in the timeline."""
        held = self.store.held[dispatch]
        if held.intent is None or self.store.log[held.intent[0]].entry != f"intent {dispatch}".encode():
            self.broken.append(f"{dispatch}: a byte left before the intent was in the log")
        if held.state not in states.IN_FLIGHT:
            self.broken.append(f"{dispatch}: a byte left while it was {held.state}")

    def check(self) -> None:
        """Hold the whole world to what is promised."""
        assert not self.broken
        for dispatch, held in self.store.held.items():
            timeline = self.store.timelines[dispatch]
            state = states.BEGIN
            for number, step in enumerate(timeline):
                assert (step.follows, step.before) == (number, state)
                assert states.after(state, step.happening) is step.after
                state = step.after
            assert state is held.state
            sent = {(id_, digest) for _, id_, digest in self.far.attempts if id_ == dispatch}
            assert len(sent) <= 1, "one id, one content"
            intents = self._leaves("intent", dispatch)
            assert intents == (1 if any(one.happening is Happening.COMPOSE for one in timeline) else 0)
            ends = [step for step in timeline if step.after in states.ENDED]
            outcomes = [one.outcome for one in self.store.outbox if one.dispatch == dispatch]
            assert outcomes == [one.after for one in ends]
            assert self._leaves("end", dispatch) == (len(ends) if intents else 0)
            byhand = [one for one in ends if one.before is State.UNRESOLVED]
            assert len(ends) - len(byhand) <= 1, "one outcome, unless a person settles it"
            if held.state in states.UNDISCLOSED and not byhand:
                assert dispatch not in self.far.processed, "said that nothing was disclosed, and it was"
            if held.state is State.DELIVERED and not any(one.happening is Happening.CONFIRM for one in timeline):
                assert dispatch in self.far.processed or self.partners[held.partner].mailbox

    def _leaves(self, kind: str, dispatch: str) -> int:
        return sum(one.entry.decode().split()[:2] == [kind, dispatch] for one in self.store.log)


_H = Happening
WAYS: dict[State, tuple[Happening, ...]] = {
    State.QUEUED: (),
    State.REFERRED: (_H.REFER,),
    State.COMPOSED: (_H.COMPOSE,),
    State.SENDING: (_H.COMPOSE, _H.BEGIN),
    State.WAITING: (_H.COMPOSE, _H.BEGIN, _H.POSTPONE),
    State.UNCERTAIN: (_H.COMPOSE, _H.BEGIN, _H.LOSE),
    State.RESENDING: (_H.COMPOSE, _H.BEGIN, _H.LOSE, _H.BEGIN),
    State.UNRESOLVED: (_H.COMPOSE, _H.BEGIN, _H.LOSE, _H.EXPIRE),
    State.DEPOSITED: (_H.COMPOSE, _H.DEPOSIT),
    State.FETCHED: (_H.COMPOSE, _H.DEPOSIT, _H.FETCH),
}
"""How each state that is not final is come to."""
