"""The partners that the gateway calls: a far side for each on loopback, and a configuration that tells where they are.

The configuration is the one that was delivered, but for two things, written beside the play's other files: where the
partners are, and limits and pauses that are short enough to watch. Region, kommun and a-kassa have an address here
instead of a mailbox, so that there is something to see. An employer and a kommun have none: one asks its mailbox, and
one never does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from gateway.cli.demo import errands
from gateway.cli.demo.farsides import Door, FarSide, Keys, Register
from gateway.cli.demo.farsides.books import Books
from gateway.cli.demo.farsides.keys import agency, client, numbered, organisation
from gateway.cli.demo.mail import Way
from gateway.cli.demo.persons import PERSONNUMMER, PROTECTED
from gateway.config import Configuration
from gateway.errors import ConfigError
from gateway.message import OrganisationNumber
from gateway.trust import pki

UNKNOWN = PERSONNUMMER[-2]
"""Nobody knows this one."""
GREETINGS = ("not_for_this_host", "hung_up", "other_organisation")
"""What employer B's server does first: about TLS, so it is a matter of its connections and not of a message."""
READER, NEVER = "arbetsgivare-c", "kommun-b"
"""Who asks its mailbox, and who never does."""
_UNREAD = 3
"""Seconds after which what a kommun has not read is no longer its to fetch, and the asker is told."""
_LIMITS: Mapping[str, object] = {
    "connect_timeout": 10,
    "read_timeout": 1.5,
    "total_timeout": 3,
    "concurrent": 4,
    "first_pause": 0.05,
    "longest_pause": 0.5,
    "breaker_failures": 1000,
}
_MAILBOX = re.compile(r"^\[mailbox\]$", re.MULTILINE)
_ABROAD = re.compile(r"^\[\[endpoint\]\]\n.*\Z", re.MULTILINE | re.DOTALL)
_MOVED = re.compile(r"^(schemas|law|queues|askers|partners|rules) = .*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One partner that is called."""

    partner: str
    """Its file."""
    contracts: tuple[str, ...]
    organisation: bool
    """Whether it is one of a class, named by its organisation number."""
    side: FarSide = field(repr=False)
    limits: Mapping[str, object] = field(default_factory=lambda: _LIMITS, repr=False)

    def endpoint(self) -> str:
        """Return its `[[endpoint]]`."""
        lines = ["", "[[endpoint]]", f"address = {json.dumps(self.side.address)}"]
        lines += [f"contracts = {json.dumps(self.contracts)}"]
        if self.organisation:
            lines += [f"organisation = {json.dumps(self.side.keys.organisation)}"]
        lines += [f"{name} = {json.dumps(value)}" for name, value in self.limits.items()]
        if errands.NAVET in self.contracts:
            lines += ["[endpoint.settings]", 'bestallning = "00000079-FO01-0001"']
        return "\n".join([*lines, ""])


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One partner with a mailbox and no address."""

    partner: str
    organisation: OrganisationNumber
    books: Books = field(default_factory=Books, repr=False)
    ways: dict[str, Way] = field(default_factory=dict, repr=False)
    """Dispatch -> how it fetches that; it never fetches any other."""

    @property
    def done(self) -> bool:
        """Whether it has read all that it means to."""
        return self.ways.keys() <= self.books.processed().keys()


class Country:
    """All of them. Their ports are open from the beginning; they answer within `open`."""

    def __init__(self, read: Configuration, data: Path, demo: pki.Demo, *, now: datetime) -> None:
        """Make keys and far sides. `data` has the PKI already."""
        door = Door(data, read.gateway.organisation, read.gateway.schemas)
        keys = _keys(demo, now)
        register = Register(unknown=frozenset({UNKNOWN}), protected=frozenset({PROTECTED}))
        asked = {
            "skatteverket": (errands.NAVET,),
            "arbetsformedlingen": (errands.ERSATTNINGSSTOD, errands.MOTE, errands.UNDERRATTELSE),
        }
        told = {"akassa": (errands.UNDERRATTELSE,)}
        self.places: dict[str, Place] = {}
        for name, mine in keys.items():
            other = keys[_OTHER[name]]
            script = GREETINGS if name == "arbetsgivare-b" else ()
            side = FarSide(door, mine, other=other, script=script, register=register)
            self.places[name] = Place(
                partner=name.removesuffix("-a").removesuffix("-b"),
                contracts=(asked | told).get(name, (errands.MOTE,)),
                organisation=name not in asked,
                side=side,
            )
        self.boxes = {
            READER: Box(partner="arbetsgivare", organisation=_READERS_NUMBER),
            NEVER: Box(partner="kommun", organisation=numbered("212000", 2)),
        }

    def side(self, name: str) -> FarSide:
        """Return a partner's far side."""
        return self.places[name].side

    def books(self, name: str) -> Books:
        """Return a partner's books."""
        return self.boxes[name].books if name in self.boxes else self.side(name).books

    def all_books(self) -> list[Books]:
        """Return everybody's books."""
        return [self.books(name) for name in (*self.places, *self.boxes)]

    def partner(self, name: str) -> str:
        """Return what a command calls its sort of partner."""
        return self.boxes[name].partner if name in self.boxes else self.places[name].partner

    def organisation(self, name: str) -> OrganisationNumber | None:
        """Return what a command calls one of a class by; None for a named agency."""
        if name in self.boxes:
            return self.boxes[name].organisation
        place = self.places[name]
        return place.side.keys.organisation if place.organisation else None

    def write(self, config: Path, read: Configuration, folder: Path) -> Path:
        """Write the configuration below `folder`; return its `gateway.toml`. Raises ConfigError.

        Args:
            config: The delivered `gateway.toml`.
            read: What it says.
            folder: A new folder.
        """
        return written(config, read, folder, list(self.places.values()), unread={self.boxes[NEVER].partner: _UNREAD})

    @contextmanager
    def open(self) -> Iterator[None]:
        """Let the gateway in."""
        with ExitStack() as closing:
            for place in self.places.values():
                closing.enter_context(place.side)
            yield


def written(
    config: Path, read: Configuration, folder: Path, places: Sequence[Place], *, unread: Mapping[str, int]
) -> Path:
    """Write a delivered configuration below `folder`, with other partners to call; return its `gateway.toml`.

    Args:
        config: The delivered `gateway.toml`.
        read: What it says.
        folder: A new folder.
        places: The partners that are called: these and no others.
        unread: Partner's file -> seconds after which what it has not fetched is given up.

    Raises:
        ConfigError: it cannot be read.
    """
    (folder / "partners").mkdir(parents=True)
    gateway = read.gateway
    paths = {"schemas": gateway.schemas, "law": gateway.law, "queues": gateway.queues, "askers": gateway.askers}
    if gateway.gallring.rules is not None:
        paths["rules"] = gateway.gallring.rules
    moved = {name: str(path) for name, path in paths.items()} | {"partners": "partners"}
    text = _MOVED.sub(lambda found: f"{found[1]} = {json.dumps(moved[found[1]])}", _read(config))
    (folder / "gateway.toml").write_text(text, encoding="utf-8")
    for name in read.partners:
        text = _ABROAD.sub("", _read(gateway.partners / f"{name}.toml"))
        if name in unread:
            text = _MAILBOX.sub(f"[mailbox]\nunread = {unread[name]}", text)
        text += "".join(place.endpoint() for place in places if place.partner == name)
        (folder / "partners" / f"{name}.toml").write_text(text, encoding="utf-8")
    return folder / "gateway.toml"


_READERS_NUMBER = numbered("559", 1)


def reader(demo: pki.Demo, *, now: datetime) -> pki.Client:
    """Issue to the employer that has a mailbox only."""
    return client(demo, READER, "Arbetsgivare C AB", _READERS_NUMBER, now=now)


_OTHER = {
    "skatteverket": "arbetsformedlingen",
    "arbetsformedlingen": "skatteverket",
    "arbetsgivare-a": "arbetsgivare-b",
    "arbetsgivare-b": "arbetsgivare-a",
    "region": "kommun",
    "kommun": "region",
    "akassa": "arbetsgivare-a",
}
"""Who signs, and whose certificate is shown, when a far side takes another's."""


def _keys(demo: pki.Demo, now: datetime) -> dict[str, Keys]:
    clients = ("skatteverket", "arbetsformedlingen", "arbetsgivare-a", "arbetsgivare-b")
    issued = {
        "region": ("Region Demo", "232100"),
        "kommun": ("Demo kommun", "212000"),
        "akassa": ("Demo a-kassa", "802000"),
    }
    return {name: agency(demo, name, now=now) for name in clients} | {
        name: organisation(demo, written, numbered(prefix, 1), now=now) for name, (written, prefix) in issued.items()
    }


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
