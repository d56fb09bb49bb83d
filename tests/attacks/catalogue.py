"""What a case is: a message, why it is tried, and where and how the gateway must stop it.

A case with `code` None must be accepted. Cases are collected by decorators in the modules beside this one, `make.py` in
`tests/vectors` writes the small ones down for ever, and tests run the large ones as they are made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

from lxml import etree

from gateway.codes import Code
from gateway.trust.issuing import Issued as Credential
from tests import forge, payloads
from tests.forge import Envelope, Recipe

NOW = datetime(2026, 1, 15, 10, 0, tzinfo=UTC)
FOLKBOKFORING = "skatteverket/folkbokforing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What arrives at the door."""

    body: bytes
    content_type: str = "text/xml; charset=utf-8"
    contract: str = FOLKBOKFORING
    peer: str | None = None
    """Which TLS certificate is at the other end; None: the contract's own partner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One message and its verdict."""

    name: str
    why: str
    code: Code | None
    make: Callable[[Scene], bytes | Sent]
    stored: bool = True
    """False where the message is too large to keep."""

    @property
    def folder(self) -> str:
        return f"accepted/{self.name}" if self.code is None else f"rejected/{self.code.step}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everybody's credentials at one moment, and the recipes of honest messages."""

    credentials: Mapping[str, Credential]
    now: datetime = NOW
    seed: str = "honest"
    organisations: Mapping[str, str] = field(default_factory=lambda: payloads.ORGANISATIONS)

    def signer(self, partner: str) -> Credential:
        return self.credentials[f"{partner}-sign"]

    def recipe(self, contract: str = FOLKBOKFORING, **changes: object) -> Recipe:
        """Return how an honest partner would make a message of this contract."""
        partner = contract.partition("/")[0]
        made = Recipe(
            payload=payloads.honest(contract, self.signer),
            credential=self.signer(partner),
            now=self.now,
            message_id=f"urn:uuid:{uuid5(NAMESPACE_URL, self.seed)}",
        )
        return made.but(**changes)

    def signed(self, contract: str = FOLKBOKFORING, **changes: object) -> Envelope:
        return forge.signed(self.recipe(contract, **changes))

    def evil(self) -> str:
        """Return another payload that would pass, were it signed."""
        return payloads.folkbokforing(efternamn="Angripare")


CASES: list[Case] = []
Make = Callable[[Scene], bytes | Sent]


def add(name: str, code: Code | None, why: str, make: Make, *, stored: bool = True) -> None:
    CASES.append(Case(name=name, why=why, code=code, make=make, stored=stored))


def rejected(code: Code, why: str, *, stored: bool = True) -> Callable[[Make], Make]:
    """Collect a function as a case that must be refused with `code`; its name is the function's."""

    def collect(make: Make) -> Make:
        add(make.__name__.strip("_").replace("_", "-"), code, why, make, stored=stored)
        return make

    return collect


def accepted(why: str, *, stored: bool = True) -> Callable[[Make], Make]:
    """Collect a function as a case that must be accepted."""

    def collect(make: Make) -> Make:
        add(make.__name__.strip("_").replace("_", "-"), None, why, make, stored=stored)
        return make

    return collect


def bent_signature(scene: Scene, parts: Sequence[str] = forge.PARTS, **options: object) -> Envelope:
    """Make a signed message whose signing goes by `options` of `forge.sign`."""
    envelope = forge.build(scene.recipe())
    refs = forge.references(envelope, parts)
    return forge.sign(envelope, scene.signer("skatteverket"), refs=refs, **options)  # type: ignore[arg-type]


def find(envelope: Envelope, local: str) -> etree._Element:
    """Return the first element of that name in the signature."""
    return next(envelope.signature.iter(f"{{{forge.DS}}}{local}"))
