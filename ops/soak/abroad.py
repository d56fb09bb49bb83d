"""The partners that are sent to and asked: far sides that misbehave, and two that have a mailbox only.

They are here, in the soak's own process, and never fail by themselves: what they have in their books is true. Between
the dispatchers and each stands a proxy; the configuration that everybody runs by tells where that is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509

from gateway.cli.demo.country import Place, written
from gateway.cli.demo.errands import ERSATTNINGSSTOD, MOTE, NAVET, UNDERRATTELSE
from gateway.cli.demo.farsides import Door, FarSide
from gateway.cli.demo.farsides.books import Books
from gateway.cli.demo.farsides.keys import agency, numbered, organisation
from gateway.config import Configuration
from gateway.dispatch import DispatchId
from gateway.trust import pki
from ops.soak import errands
from ops.soak.errands import Errand, Leg

UNREAD = 5
"""Seconds after which what a kommun has not fetched is given up."""
LIMITS: Mapping[str, object] = {
    "connect_timeout": 5,
    "read_timeout": 2,
    "total_timeout": 4,
    "concurrent": 4,
    "first_pause": 0.1,
    "longest_pause": 2,
    "breaker_failures": 6,
    "breaker_rest": 1,
}
"""Short enough to watch; the circuit opens and closes."""
_CONTRACTS = {
    errands.NAVET: (NAVET,),
    errands.AF: (ERSATTNINGSSTOD, MOTE, UNDERRATTELSE),
    errands.EMPLOYER: (MOTE,),
    errands.AKASSA: (UNDERRATTELSE,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """One dispatch that must be, and what must come of it."""

    dispatch: DispatchId
    errand: Errand
    leg: Leg


@dataclass(slots=True)
class Abroad:
    """All partners of one soak; they answer from `open` on."""

    demo: pki.Demo
    places: dict[str, Place] = field(default_factory=dict)
    reader: Books = field(default_factory=Books)
    """Of the one that asks its mailbox."""
    meant: list[Meant] = field(default_factory=list)
    organisations: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    """Place -> sort of partner, and organisation number."""

    @classmethod
    def make(cls, demo: pki.Demo, read: Configuration, data: Path, *, now: datetime) -> Abroad:
        """Make keys and far sides. `data` has the PKI already."""
        door = Door(data, read.gateway.organisation, read.gateway.schemas)
        keys = {name: agency(demo, name, now=now) for name in (errands.NAVET, errands.AF, errands.EMPLOYER)}
        keys[errands.AKASSA] = organisation(demo, "Demo a-kassa", numbered("802000", 1), now=now)
        made = cls(demo)
        for name, mine in keys.items():
            other = keys[errands.AF if name == errands.NAVET else errands.NAVET]
            one_of_many = name in {errands.EMPLOYER, errands.AKASSA}
            partner = name.removesuffix("-b")
            side = FarSide(door, mine, other=other)
            made.places[name] = Place(
                partner=partner, contracts=_CONTRACTS[name], organisation=one_of_many, side=side, limits=LIMITS
            )
            made.organisations[name] = (partner, mine.organisation if one_of_many else None)
        made.organisations[errands.READER] = ("arbetsgivare", demo.clients[errands.READER].organisation)
        made.organisations[errands.NEVER] = ("kommun", numbered("212000", 2))
        return made

    def plan(self, wanted: Sequence[Errand], now: datetime) -> None:
        """Tell the far sides what they will do."""
        for errand in wanted:
            ids = errand.dispatches(now, self.organisations)
            for dispatch, leg in zip(ids, errand.legs, strict=True):
                self.meant.append(Meant(dispatch=dispatch, errand=errand, leg=leg))
                if leg.place in self.places:
                    self.places[leg.place].side.plan(dispatch, leg.script)

    def connect(self, link: Callable[[str, int], int], closing: ExitStack) -> None:
        """Let the gateway in, each through a link; `link` takes name and port, and returns the port to be reached by.

        They are closed with `closing`.
        """
        for name, place in self.places.items():
            place.side.behind(link(f"dispatcher-{name}", place.side.port))
            closing.enter_context(place.side)

    def write(self, config: Path, read: Configuration, folder: Path) -> Path:
        """Write the configuration that tells where they are; return its `gateway.toml`."""
        return written(config, read, folder, list(self.places.values()), unread={"kommun": UNREAD})

    def books(self) -> Mapping[str, Books]:
        """Return everybody's books, by place."""
        return {name: place.side.books for name, place in self.places.items()} | {errands.READER: self.reader}

    def signer(self, place: str) -> x509.Certificate:
        """Return the certificate that a place's receipts and answers are signed with."""
        if place == errands.READER:
            return self.demo.clients[place].sign.certificate
        return self.places[place].side.keys.sign.certificate
