"""Which fault comes when: drawn from a seed, so that a run can be repeated.

Faults are dealt from a shuffled deck that holds every kind once, one of each group on top; when it is empty it is
shuffled anew. So every kind happens, in an order that nobody chose. Answers and acknowledgements are lost first of all:
that needs traffic, and later another fault might have stopped it. Of each group's first ones a server's comes last, for
on a machine in use it may be long until it is up again, and what else works on it waits. Two that work on one server or
link never overlap, because neither could say what it did; all others do.

A plan is followed for as long as messages flow, if it does not end before. Times are seconds from the first fault. What
really happened, and when, is in the report; the plan is the same for a seed on any machine.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Group(StrEnum):
    """What is disturbed."""

    PROCESS = "process"
    SERVER = "server"
    NETWORK = "network"
    ANSWERS = "answers"
    ACKNOWLEDGEMENTS = "acknowledgements"
    LIMIT = "limit"
    DISK = "disk"
    CLOCK = "clock"


class Kind(StrEnum):
    """Everything that is done."""

    FRONT_WORKER_KILL = "front worker killed"
    FRONT_WORKER_PAUSE = "front worker stopped for a while"
    FRONT_KILL = "front parent killed"
    FRONT_PAUSE = "front parent stopped for a while"
    FRONT_DRAIN = "front told to stop"
    RELAY_KILL = "relay killed"
    RELAY_PAUSE = "relay stopped for a while"
    RELAY_DRAIN = "relay told to stop"
    INTEGRATOR_KILL = "integrator killed"
    INTEGRATOR_PAUSE = "integrator stopped for a while"
    DISPATCHER_KILL = "dispatcher killed"
    DISPATCHER_PAUSE = "dispatcher stopped for a while"
    DISPATCHER_DRAIN = "dispatcher told to stop"
    CONSUMER_KILL = "consumer killed"
    CONSUMER_PAUSE = "consumer stopped for a while"
    CONSUMER_DRAIN = "consumer told to stop"
    BROKER_KILL = "broker killed"
    BROKER_STOP = "broker stopped in order"
    BROKER_PAUSE = "broker stopped for a while"
    DATABASE_KILL = "database killed"
    DATABASE_STOP = "database stopped in order"
    DATABASE_PAUSE = "database stopped for a while"
    SLOW = "link slow"
    THROTTLE = "link throttled"
    CUT = "link cut"
    RESET = "link reset"
    HALF_CLOSE = "link half closed"
    BLACK_HOLE = "link a black hole"
    REFUSE = "link refused"
    ANSWERS_LOST = "answers lost"
    ACKNOWLEDGEMENTS_LOST = "acknowledgements lost"
    MEMORY_ALARM = "broker's memory alarm"
    DISK_ALARM = "broker's disk alarm"
    QUEUE_FULL = "queues full"
    STORE_FULL = "store's disk full"
    CLOCK_FORWARD = "clock jumped forward"
    CLOCK_BACK = "clock jumped back"


GROUPS: dict[Group, tuple[Kind, ...]] = {
    Group.PROCESS: tuple(Kind)[:16],
    Group.SERVER: tuple(Kind)[16:22],
    Group.NETWORK: tuple(Kind)[22:29],
    Group.ANSWERS: (Kind.ANSWERS_LOST,),
    Group.ACKNOWLEDGEMENTS: (Kind.ACKNOWLEDGEMENTS_LOST,),
    Group.LIMIT: tuple(Kind)[31:34],
    Group.DISK: (Kind.STORE_FULL,),
    Group.CLOCK: (Kind.CLOCK_FORWARD, Kind.CLOCK_BACK),
}
_BROKER = {*GROUPS[Group.LIMIT], Kind.BROKER_KILL, Kind.BROKER_STOP, Kind.BROKER_PAUSE}
_DATABASE = {Kind.STORE_FULL, Kind.DATABASE_KILL, Kind.DATABASE_STOP, Kind.DATABASE_PAUSE}
_MOMENTARY = {kind for kind in GROUPS[Group.PROCESS] if not kind.name.endswith("_PAUSE")} | {
    Kind.ANSWERS_LOST,
    Kind.ACKNOWLEDGEMENTS_LOST,
}
_BREAKING = {Kind.CUT, Kind.RESET, Kind.HALF_CLOSE}
LOST: dict[Kind, str] = {Kind.ANSWERS_LOST: "sender-front", Kind.ACKNOWLEDGEMENTS_LOST: "consumer-broker"}
"""What tells one side that the other has done its work, and on which link it is lost."""
_BEFORE = (0.4, 1.2)
"""Seconds that a link is slow before it breaks."""
CLOCKS = ("front", "relay", "integrator", "dispatcher")
"""Whose clock can jump."""


def group(kind: Kind) -> Group:
    """Return the group a kind belongs to."""
    return next(name for name, kinds in GROUPS.items() if kind in kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How dense and how long faults are, in seconds: least and most."""

    gap: tuple[float, float] = (1.0, 4.0)
    """From the beginning of one fault to that of the next."""
    seconds: tuple[float, float] = (1.0, 8.0)
    long: tuple[float, float] = (20.0, 45.0)
    """How long some last: beyond heartbeats and timeouts, so that both sides give each other up."""
    share: float = 0.15
    """Of faults that are long."""
    most: int | None = None
    """How many there are in all; None: as many as there is time for."""


QUICK = Pace(gap=(1.0, 2.0), seconds=(0.5, 2.5), share=0.0, most=24)
"""For a run of about a minute: every group, none of them long. They end, for on a machine that has much else to do
nothing would come up again before it is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One fault."""

    number: int
    kind: Kind
    at: float
    """Seconds from the first."""
    seconds: float
    """How long it lasts; 0 where it is over at once."""
    target: str
    """What it works on; no two of one target overlap by plan."""
    first: bool
    """Whether it is the first of its group: that one is not left out."""
    size: float
    """0 up to 1, for whatever the kind has to choose: how slow, which worker, how far a clock jumps."""


def plan(seed: int, kinds: Sequence[Kind], links: Sequence[str], pace: Pace) -> Iterator[Planned]:
    """Yield faults in order of their time: without end, or as many as the pace says.

    Args:
        seed: The same seed, kinds, links and pace give the same plan.
        kinds: Those that can happen in this installation.
        links: The names of what can be cut.
        pace: How dense and how long.
    """
    chance = random.Random(seed)  # noqa: S311  # a plan, not a secret
    free: dict[str, float] = {}
    seen: set[Group] = set()
    now, number = 0.0, 0
    while True:
        for kind in _deck(kinds, chance):
            target = _target(kind, links, chance)
            span = pace.long if chance.random() < pace.share else pace.seconds
            span = _BEFORE if kind in _BREAKING else span
            seconds = 0.0 if kind in _MOMENTARY else round(chance.uniform(*span), 2)
            now = round(max(now, free.get(target, 0.0)), 2)
            free[target] = round(now + seconds, 2)
            size = round(chance.random(), 4)
            first = group(kind) not in seen
            yield Planned(number=number, kind=kind, at=now, seconds=seconds, target=target, first=first, size=size)
            seen.add(group(kind))
            number += 1
            if number == pace.most:
                return
            now += chance.uniform(*pace.gap)


def _deck(kinds: Sequence[Kind], chance: random.Random) -> list[Kind]:
    """Return every kind once: first one of each group, so that a short run has seen them all."""
    deck = list(kinds)
    chance.shuffle(deck)
    groups = {group(kind): kind for kind in deck}
    first = sorted(groups.values(), key=lambda kind: (kind not in LOST, kind in GROUPS[Group.SERVER]))
    return [*first, *(kind for kind in deck if kind not in first)]


def _target(kind: Kind, links: Sequence[str], chance: random.Random) -> str:
    if kind in GROUPS[Group.NETWORK]:
        return f"link {chance.choice(list(links))}"
    if kind in LOST:
        return f"link {LOST[kind]}"
    if kind in GROUPS[Group.CLOCK]:
        return f"clock {chance.choice(CLOCKS)}"
    if kind in _BROKER:
        return "broker"
    if kind in _DATABASE:
        return "database"
    return kind.name.partition("_")[0].lower()
