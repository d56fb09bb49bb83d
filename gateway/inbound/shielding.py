"""An event that the relay holds back, shielded: what goes in its place, and the leaf that says what was withheld.

Pure. The relay has no key and may not add to the log; whoever does this holds both keys, and sees no event but those
that are held back. What goes out then is what the log says: the leaf and the event's new body are one commit, and the
relay looks once more before it sends.

Whom an event names beside its own person stands with it from its composing. A dead letter that came home from a broker
has lost that: then every number of a person in its fields is one.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import orjson

from gateway.adapters import persons
from gateway.audit import leaf, shielded
from gateway.events import compose, shielding
from gateway.inbound.path import Judging
from gateway.message import Event, Leaf, NumberKind, Person, Protection, Pseudonym, Sealed

_CENTURIES = ("19", "20")
"""Of ten digits: both may be meant, so both are asked about."""
_TWELVE, _TEN = 12, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An event that is held back, and its place in the outbox."""

    number: int
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What is committed of one."""

    number: int
    event: str
    """Its id."""
    body: bytes = field(repr=False)
    related: tuple[Pseudonym, ...]
    at: datetime
    leaf: Leaf | None = field(default=None, repr=False)
    """None where it may go as it is after all: then there is nothing to tell."""
    sealed: Sealed | None = field(default=None, repr=False)


class Shieldings(Protocol):
    """The store's side. Raises UnavailableError, and then nothing is done."""

    def held(self, *, limit: int) -> list[Held]:
        """Return what is held back, the oldest first."""
        ...

    def write(self, done: Done) -> bool:
        """Commit it. False where the event is held back no more."""
        ...


def settle(held: Held, rules: Judging, hiding: shielding.Hiding, at: datetime) -> Done:
    """Return an event as it may go now, and the leaf of what is withheld."""
    event = held.event
    said = _said(event.body)
    related = event.related
    if related is None:
        own = event.partition
        related = tuple(one for one in dict.fromkeys(map(rules.pseudonyms.of, _named(said))) if one != own)
    beside = Protection.NONE
    for person in related:
        known = rules.protections.status(person)
        beside = known if known in shielding.PROTECTED else beside
    found = shielding.shielded(event, rules.protections.status(event.partition), beside, hiding)
    if found is None:
        return Done(number=held.number, event=event.id, body=event.body, related=related, at=at)
    entry = _leaf(event, found, rules, at)
    sealed = rules.sealer.seal(b"", [entry])
    return Done(number=held.number, event=event.id, body=found.body, related=related, at=at, leaf=entry, sealed=sealed)


def _leaf(event: Event, found: shielding.Shielded, rules: Judging, at: datetime) -> Leaf:
    said, now = found.said, _said(found.body)
    data = said.get("data")
    return shielded.settled(
        shielded.Outcome(
            event=event.id,
            about=_hash(said.get("auditleaf")),
            contract=_contract(said.get("source")),
            information=_text(data.get("kind")) if isinstance(data, dict) else None,
            basis=_text(said.get("basis")),
            lagrum=_words(said.get("lagrum")),
            purposes=_words(said.get("purposes")),
            protection=_text(now.get("protection")),
            withheld=found.withheld,
            at=at,
        ),
        person=_whose(data),
        policy=rules.law.policy,
        pseudonym=event.partition,
        salt=rules.random(leaf.SALT),
    )


def _said(body: bytes) -> Mapping[str, object]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:  # nobody promised what a broker gave up
        return {}
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _words(value: object) -> tuple[str, ...]:
    return tuple((_text(value) or "").split())


def _contract(source: object) -> str | None:
    text = _text(source)
    return None if text is None else text.removeprefix(f"{compose.URN}:").replace(":", "/")


def _hash(written: object) -> str | None:
    try:
        return b64decode(_text(written) or "", validate=True).hex() or None
    except Error:
        return None


def _whose(data: object) -> Person | None:
    person = data.get("person") if isinstance(data, dict) else None
    number = _text(person.get("id")) if isinstance(person, dict) else None
    return None if number is None else persons.read(number)


def _named(said: Mapping[str, object]) -> Iterator[Person]:
    """Yield everybody whose number stands in the fields of an event."""
    data = said.get("data")
    yield from _numbers(data.get("fields") if isinstance(data, dict) else None)


def _numbers(value: object) -> Iterator[Person]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _numbers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _numbers(inner)
    elif isinstance(value, str):
        digits = "".join(filter(str.isdecimal, value))
        written = (value, digits) if len(digits) == _TWELVE else (value,)
        if len(digits) == _TEN:
            written = (*written, *(century + digits for century in _CENTURIES))
        yield from (one for one in map(persons.read, written) if one.kind is not NumberKind.OTHER)
