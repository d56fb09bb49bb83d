"""What our own systems command meanwhile: drawn from a seed before anything is given, and what must come of it.

Questions to Navet and Arbetsförmedlingen, summonses to one recipient or several, notifications to an a-kassa; some of
them such that the law stops them. Each recipient has a fate: what its far side will do, and so how its dispatch may end
whatever else goes wrong meanwhile. A far side that refuses, or answers what is of no use, goes on doing so: an answer
that is lost on the way is given again.

Commands come by the queue, by `gateway send` and `gateway ask`, or both ways at once, which is one command.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from gateway.cli.demo import errands
from gateway.cli.demo.errands import MOTE, UNDERRATTELSE, Data
from gateway.cli.demo.farsides import ACTS
from gateway.cli.demo.farsides.table import Greeting
from gateway.cli.demo.persons import PERSONNUMMER
from gateway.consumer import asking
from gateway.dispatch import DispatchId
from gateway.outbound import commands
from gateway.outbound.states import Happening, State

_T = TypeVar("_T")

NAVET, AF, EMPLOYER, AKASSA = "skatteverket", "arbetsformedlingen", "arbetsgivare-b", "akassa"
"""Whom we call."""
READER, NEVER = "arbetsgivare-a", "kommun-b"
"""Who asks its mailbox, and who never does."""
CASEWORK, REHABILITATION, CONTROL = "handlaggning.aktivitetsstod", "rehabilitering", "kontroll"
"""Askers, as in `config/askers.toml`."""
STUBBORN = 100
"""How often a far side that refuses does so: more often than anybody asks."""


class Fate(StrEnum):
    """What becomes of one recipient's dispatch."""

    ANSWERED = "answered in the end"
    REFUSED = "refused"
    SPOILT = "answered uselessly"
    READ = "fetched from the mailbox"
    UNREAD = "left in the mailbox"
    DENIED = "stopped by law"


ENDS: Mapping[Fate, frozenset[State]] = {
    Fate.ANSWERED: frozenset({State.DELIVERED}),
    # After an attempt that may have happened, nobody knows which one a refusal is about.
    Fate.REFUSED: frozenset({State.REFUSED, State.UNRESOLVED}),
    Fate.SPOILT: frozenset({State.UNUSABLE}),
    Fate.READ: frozenset({State.DELIVERED}),
    Fate.UNREAD: frozenset({State.EXPIRED}),
    Fate.DENIED: frozenset({State.DENIED}),
}
"""How it may end."""


class Way(StrEnum):
    """How a command is given."""

    QUEUE = "queue"
    CLI = "command line"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One recipient."""

    place: str
    fate: Fate
    script: tuple[str, ...] = ()
    """What its far side does each time (`farsides.ACTS`); in the end it is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One command."""

    name: str
    asker: str
    verb: str
    """`send` or `ask`."""
    what: str
    """`navet`, `af`, `summons`, `notification`, and what is unlawful of those."""
    person: str = field(repr=False)
    legs: tuple[Leg, ...]
    ways: tuple[Way, ...]

    def data(self, now: datetime, organisations: Mapping[str, tuple[str, str | None]]) -> Data:
        """Return what is commanded; `organisations` has each place's sort of partner and number."""
        to = [organisations[leg.place] for leg in self.legs]
        only = to[0][1] or ""
        made: Mapping[str, Callable[[], Data]] = {
            "navet": lambda: errands.navet(self.person, now),
            "af": lambda: errands.ersattningsstod(self.person, now),
            "summons": lambda: errands.summons(self.person, now, to),
            "summons without consent": lambda: errands.summons(self.person, now, to) | {"consent": None},
            "summons that tells how ill": lambda: errands.diagnosed(self.person, now, only),
            "notification": lambda: errands.notification(self.person, now, only),
            "notification without reasons": lambda: errands.notification(self.person, now, only, suspicion=None),
        }
        return made[self.what]()

    def dispatches(self, now: datetime, organisations: Mapping[str, tuple[str, str | None]]) -> Sequence[DispatchId]:
        """Return the id of each leg's dispatch, which does not depend on when it is given."""
        command = commands.reread(asking.composed(self.asker, self.name, self.data(now, organisations), now))
        return [one.dispatch for one in commands.queue(command)]


_WHAT = {
    "navet": 0.2,
    "af": 0.2,
    "summons": 0.3,
    "notification": 0.15,
    "summons without consent": 0.05,
    "summons that tells how ill": 0.05,
    "notification without reasons": 0.05,
}
_ASKER = {"navet": CASEWORK, "af": CASEWORK, "summons": REHABILITATION, "notification": CONTROL}
_ONLY = {
    "navet": NAVET, "af": AF, "summons that tells how ill": EMPLOYER, "notification": AKASSA,
    "notification without reasons": AKASSA,
}  # fmt: skip
_CONTRACTS = {NAVET: errands.NAVET, AKASSA: UNDERRATTELSE}
_WAYS: Mapping[tuple[Way, ...], float] = {(Way.QUEUE,): 0.75, (Way.CLI,): 0.15, tuple(Way): 0.1}
_FATES = {Fate.ANSWERED: 0.8, Fate.REFUSED: 0.12, Fate.SPOILT: 0.08}
_LENGTHS = (0, 0, 1, 1, 2)
"""Of the scripts of those who answer in the end."""
_FIRST: Sequence[tuple[str, tuple[Way, ...], Fate | None]] = (
    ("navet", (Way.QUEUE,), None),
    ("summons", (Way.CLI,), None),
    ("af", (Way.QUEUE, Way.CLI), Fate.REFUSED),
    ("summons without consent", (Way.QUEUE,), None),
    ("notification", (Way.QUEUE,), Fate.SPOILT),
)
"""Those that come first, so that a short run has all of it."""


def drawn(count: int, seed: int) -> Iterator[Errand]:
    """Yield so many commands; the same seed gives the same."""
    chance = random.Random(f"errands {seed}")  # noqa: S311  # errands, not a secret
    for number in range(count):
        first = _FIRST[number] if number < len(_FIRST) else None
        what, ways, fate = first or (_pick(chance, _WHAT), _pick(chance, _WAYS), None)
        person = chance.choice(PERSONNUMMER)
        sort = what.partition(" ")[0]
        legs = tuple(_legs(chance, what, fate, everybody=first is not None))
        yield Errand(
            name=f"soak-{number:05}",
            asker=_ASKER[sort],
            verb="ask" if what in {"navet", "af"} else "send",
            what=what,
            person=person,
            legs=legs,
            ways=ways,
        )


def _legs(chance: random.Random, what: str, fate: Fate | None, *, everybody: bool) -> Iterator[Leg]:
    all_ = (AF, EMPLOYER, READER, NEVER)
    if what in _ONLY:
        places: Sequence[str] = [_ONLY[what]]
    elif what == "summons":
        places = all_ if everybody else chance.sample(all_, chance.choices((1, 2, 3, 4), (5, 3, 1, 1))[0])
    else:
        places = [chance.choice((AF, EMPLOYER, READER))]
    for place in places:
        if what not in {"navet", "af", "summons", "notification"}:
            yield Leg(place=place, fate=Fate.DENIED)
        elif place in {READER, NEVER}:
            yield Leg(place=place, fate=Fate.READ if place == READER else Fate.UNREAD)
        else:
            yield _called(chance, place, what, fate)


def _called(chance: random.Random, place: str, what: str, fate: Fate | None) -> Leg:
    contract = _CONTRACTS.get(place, errands.ERSATTNINGSSTOD if what == "af" else MOTE)
    fate = fate or _pick(chance, _FATES)
    first = [chance.choice(doubtful(contract)) for _ in range(chance.choice(_LENGTHS))]
    last = {
        Fate.REFUSED: lambda: [chance.choice(final(contract, Happening.REFUSE))] * STUBBORN,
        Fate.SPOILT: lambda: [chance.choice(final(contract, Happening.SPOIL))] * STUBBORN,
    }.get(fate, list[str])()
    return Leg(place=place, fate=fate, script=(*first, *last))


def doubtful(contract: str) -> list[str]:
    """Return the acts after which the same id is sent again."""
    return [*final(contract, Happening.POSTPONE), *final(contract, Happening.LOSE)]


def final(contract: str, happening: Happening) -> list[str]:
    """Return the acts that a far side can do with a message of a contract, and what must then happen."""
    return [
        name
        for name, act in ACTS.items()
        if act.happening is happening and act.suits(contract) and act.greeting is Greeting.RIGHT
    ]


def _pick(chance: random.Random, shares: Mapping[_T, float]) -> _T:
    return chance.choices(list(shares), list(shares.values()))[0]
