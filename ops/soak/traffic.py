"""What is sent: drawn from a seed before anything is sent, and what must come of it.

First every person's folkbokföring, one after another and before any fault, so that everybody's protection is known and
events do not depend on who was asked when. Then right messages of four contracts from three partners, with a share of
wrong ones among them, each wrong in a way of its own, and of repetitions: the same bytes later, the same bytes twice at
the same moment.

Payloads are made once for each person and contract, in exclusive canonical form; a number in them makes each unlike the
others. So a message costs its sender little more than its signature.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gateway.cli.demo import payloads
from gateway.cli.demo.persons import PERSONNUMMER
from gateway.message import OrganisationNumber, SoapVersion
from gateway.trust.issuing import Issued
from gateway.trust.signing import SigningKey, sign


class Contract(StrEnum):
    """The four addresses."""

    FOLKBOKFORING = "skatteverket/folkbokforing"
    AGI = "skatteverket/arbetsgivardeklaration"
    AF = "arbetsformedlingen/ersattningsstod"
    SJUKANMALAN = "arbetsgivare/sjukanmalan"


CLIENTS: Mapping[Contract, tuple[str, str]] = {
    Contract.FOLKBOKFORING: ("skatteverket", "2021005448"),
    Contract.AGI: ("skatteverket", "2021005448"),
    Contract.AF: ("arbetsformedlingen", "2021002114"),
    Contract.SJUKANMALAN: ("arbetsgivare-a", "5560269986"),
}
"""Whose certificates, and the organisation they name."""
_EMPLOYER = OrganisationNumber("5560269986")
WARM = len(PERSONNUMMER)
"""So many come first: everybody's folkbokföring."""
LIFETIME = timedelta(minutes=5)
_LOOK_BACK = 300
"""Messages back that a repetition may reach: its original must still be fresh."""


class Kind(StrEnum):
    """What a message is, and so what must come of it."""

    RIGHT = "right"
    TWIN = "the same bytes twice at once"
    REPEATED = "the same bytes again"
    CHANGED = "the same id, other content"
    TAMPERED = "content changed after signing"
    FORGED = "signature value changed"
    UNLAWFUL = "unknown purpose"


CODES: Mapping[Kind, str] = {
    Kind.CHANGED: "GW-CONFLICT-DIGEST",
    Kind.TAMPERED: "GW-SIG-DIGEST",
    Kind.FORGED: "GW-SIG-VALUE",
    Kind.UNLAWFUL: "GW-PURPOSE-DENIED",
}
"""What a wrong message must be refused with."""
_SHARES = {
    Kind.TWIN: 0.02, Kind.REPEATED: 0.03, Kind.CHANGED: 0.02, Kind.TAMPERED: 0.015, Kind.FORGED: 0.015,
    Kind.UNLAWFUL: 0.02,
}  # fmt: skip
_CONTRACTS = {Contract.AF: 0.55, Contract.AGI: 0.3, Contract.FOLKBOKFORING: 0.1, Contract.SJUKANMALAN: 0.05}


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One message to be sent."""

    number: int
    kind: Kind
    contract: Contract
    persons: tuple[int, ...]
    """Places in `PERSONNUMMER`."""
    message_id: str
    of: int | None = None
    """The message it repeats or contradicts."""


def intents(messages: int, seed: int) -> Iterator[Intent]:
    """Yield so many messages, and before them one of each person's folkbokföring, which does not count."""
    chance = random.Random(seed)  # noqa: S311  # traffic, not a secret
    for number in range(WARM):
        yield _made(chance, number, Kind.RIGHT, Contract.FOLKBOKFORING, (number,))
    right: list[Intent] = []
    for number in range(WARM, WARM + messages):
        kind = _drawn(chance, {**_SHARES, Kind.RIGHT: 1 - sum(_SHARES.values())})
        old = chance.choice(right[-_LOOK_BACK:]) if right else None
        if kind in {Kind.REPEATED, Kind.CHANGED}:
            if old is not None and (kind is Kind.REPEATED or old.contract is Contract.AF):
                yield Intent(number=number, kind=kind, contract=old.contract, persons=old.persons,
                             message_id=old.message_id, of=old.number)  # fmt: skip
                continue
            kind = Kind.RIGHT  # nothing is there that is fit for it
        contract = _fit(kind, _drawn(chance, _CONTRACTS))
        count = 2 if contract in {Contract.AGI, Contract.FOLKBOKFORING} else 1
        made = _made(chance, number, kind, contract, tuple(chance.sample(range(WARM), count)))
        if kind in {Kind.RIGHT, Kind.TWIN}:
            right.append(made)
            del right[:-_LOOK_BACK]
        yield made


def _fit(kind: Kind, contract: Contract) -> Contract:
    match kind:
        case Kind.UNLAWFUL:
            return Contract.AF
        case Kind.TAMPERED:
            return Contract.AGI
        case _:
            return contract


_T = TypeVar("_T")


def _drawn(chance: random.Random, shares: Mapping[_T, float]) -> _T:
    return chance.choices(list(shares), list(shares.values()))[0]


def _made(chance: random.Random, number: int, kind: Kind, contract: Contract, persons: tuple[int, ...]) -> Intent:
    name = f"urn:uuid:{uuid.UUID(int=chance.getrandbits(128), version=4)}"
    return Intent(number=number, kind=kind, contract=contract, persons=persons, message_id=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pens:
    """The partners' signing keys, and what they write about."""

    keys: Mapping[str, SigningKey]
    """By client."""
    employer: Issued = field(repr=False)
    """Signs notices of sickness inside the message too."""
    calendar: payloads.Calendar
    _templates: dict[tuple[Contract, bool, tuple[int, ...]], str] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, data: Path, calendar: payloads.Calendar) -> Pens:
        """Read the keys below `data/clients`."""
        issued = {name: _issued(data / "clients" / name) for name, _ in CLIENTS.values()}
        keys = {name: SigningKey(key=one.key, certificate=one.der) for name, one in issued.items()}
        return cls(keys=keys, employer=issued["arbetsgivare-a"], calendar=calendar)

    def sign(self, intent: Intent, at: datetime) -> bytes:
        """Return the message's bytes, made at a time."""
        body = sign(
            self._payload(intent),
            key=self.keys[CLIENTS[intent.contract][0]],
            version=SoapVersion.SOAP_11,
            created=at,
            expires=at + LIFETIME,
            message_id=intent.message_id,
        )
        match intent.kind:
            case Kind.TAMPERED:
                return body.replace(b'faltkod="011">2', b'faltkod="011">9', 1)
            case Kind.FORGED:
                return _forged(body)
            case _:
                return body

    def _payload(self, intent: Intent) -> str:
        key = (intent.contract, intent.kind is Kind.UNLAWFUL, intent.persons)
        text = self._templates.get(key)
        if text is None:
            text = self._templates[key] = payloads.canonical(self._written(intent))
        # What repeats a message says what that said; what contradicts it says something of its own.
        number = intent.number if intent.of is None or intent.kind is Kind.CHANGED else intent.of
        match intent.contract:
            case Contract.AF:
                return text.replace("S-MARK", f"S-{number:08}")
            case Contract.AGI:
                return text.replace(">25350<", f">{200_000 + number % 99_999}<")
            case Contract.FOLKBOKFORING:
                return text.replace("Ekvägen 1<", f"Ekvägen {number + 2}<")
            case Contract.SJUKANMALAN:
                return text

    def _written(self, intent: Intent) -> str:
        people = [PERSONNUMMER[place] for place in intent.persons]
        match intent.contract:
            case Contract.AF:
                syfte = "Forskning" if intent.kind is Kind.UNLAWFUL else payloads.SYFTE
                return payloads.ersattningsstod(people[0], "S-MARK", self.calendar, syfte=syfte)
            case Contract.AGI:
                return payloads.arbetsgivardeklaration(
                    _EMPLOYER, self.calendar, incomes=people[:1], absences=people[1:]
                )
            case Contract.FOLKBOKFORING:
                return payloads.folkbokforing(people, self.calendar)
            case Contract.SJUKANMALAN:
                return payloads.sjukanmalan(people[0], _EMPLOYER, self.calendar, signer=self.employer)


def _forged(body: bytes) -> bytes:
    at = body.index(b"<ds:SignatureValue>") + len(b"<ds:SignatureValue>")
    flipped = b"B" if body[at : at + 1] == b"A" else b"A"
    return body[:at] + flipped + body[at + 1 :]


def _issued(folder: Path) -> Issued:
    certificate = x509.load_pem_x509_certificate((folder / "sign.pem").read_bytes())
    key = serialization.load_pem_private_key((folder / "sign.key").read_bytes(), None)
    return Issued(certificate=certificate, key=key)  # type: ignore[arg-type]  # made by our own PKI
