"""What a courier needs to be tried: authorities, our certificate on disk, an endpoint, and a signed message to send."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway import config
from gateway.adapters.registry import Registry
from gateway.config import Configuration
from gateway.dispatch import (
    AskerId,
    Broken,
    Case,
    Citation,
    Command,
    CommandId,
    Composed,
    DispatchId,
    Parcel,
    Period,
    Queued,
    Recipient,
    Reply,
    Signed,
)
from gateway.message import (
    ContractId,
    Digest,
    Leaf,
    LeafHash,
    MessageId,
    NumberKind,
    OrganisationNumber,
    PartnerId,
    Person,
    Pseudonym,
    Sealed,
    SoapVersion,
)
from gateway.partners import Endpoint
from gateway.transport.bodies import Bodies
from gateway.transport.courier import HttpCourier
from gateway.trust.issuing import Issued
from tests.authorities import Authorities
from tests.builders import NUMBERS, Clock
from tests.farside import FarSide, Script, written
from tests.rules import ROOT

PARTNER = PartnerId("arbetsformedlingen")
CONTRACT = ContractId("arbetsformedlingen/ersattningsstod")
ENVELOPE = b"<soap:Envelope>what is said of a person</soap:Envelope>"
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
QUICK: dict[str, Any] = {"connect_timeout": 5, "read_timeout": 5, "total_timeout": 10}


def anybody(peer: bytes, signed: Any, endpoint: Endpoint, at: datetime) -> None:
    """Take every certificate that TLS took: whose it is, `test_courier_tls` and the far sides ask."""


def bodies() -> Bodies:
    """Return the bodies of the repository's own contracts that the courier's tests send."""
    return Bodies(ROOT / "schemas", [Registry.load(ROOT / "schemas").outgoing[CONTRACT]])


def signed(
    envelope: bytes = ENVELOPE,
    *,
    partner: PartnerId = PARTNER,
    contract: ContractId = CONTRACT,
    version: SoapVersion = SoapVersion.SOAP_11,
    content_type: str = "text/xml; charset=utf-8",
) -> Signed:
    """Return a message as `outbound.path` hands it over; only what the courier reads is as it would be."""
    dispatch = DispatchId("urn:uuid:5d0f2a53-9b6a-5b8b-8a52-3b0a7a0b6a11")
    day = Period(first=date(2026, 11, 1), last=date(2026, 11, 30))
    person = Person(number=NUMBERS[0], kind=NumberKind.PERSONNUMMER, check_digit_valid=True)
    recipient = Recipient(position=1, partner=partner, organisation=None, basis="a", fields={})
    command = Command(
        id=CommandId("c-1"), asker=AskerId("rehabilitering"), contract=contract, purpose="handlaggning",
        case=Case(reference="r", benefit="b", period=day), person=person, period=day, fields={},
        recipients=(recipient,), consent=None, suspicion=None, at=AT, expires=AT + timedelta(days=1),
    )  # fmt: skip
    parcel = Parcel(
        dispatch=dispatch, person=person, fields={}, period=day, citation=Citation(purpose="p", lagrum="l"),
        sender=OrganisationNumber("2021005521"), reference="r", made=AT,
    )  # fmt: skip
    composed = Composed(
        queued=Queued(dispatch=dispatch, command=command, recipient=recipient), parcel=parcel, payload=b"<a></a>",
        digest=Digest("00" * 32), version=version, action="urn:a",
        intent=Leaf(entry=b"{}", hash=LeafHash(bytes(32)), salt=b"", record=b"", pseudonym=None),
        sealed=Sealed(key_id="k", wrapped_key=b"", evidence=b"", records=()), pseudonym=Pseudonym("p"),
    )  # fmt: skip
    return Signed(
        composed=composed, to="https://a.example/", envelope=envelope, content_type=content_type,
        message_id=MessageId(dispatch),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Country:
    """Authorities and our certificate, written where a configuration finds them."""

    authorities: Authorities
    client: Issued
    server: Issued
    """The partner's, for loopback."""
    folder: Path
    bodies: Bodies
    read: Configuration
    """The repository's, with this folder as its data."""

    @classmethod
    def found(cls, folder: Path, zeeps: Bodies) -> Country:
        """Found it in a folder."""
        authorities = Authorities.make(datetime.now(UTC))
        country = cls(
            authorities=authorities,
            client=authorities.client(),
            server=authorities.server(PARTNER),
            folder=folder,
            bodies=zeeps,
            read=config.load(ROOT / "config" / "gateway.toml", data=folder),
        )
        authorities.write(folder)
        country.show(country.client)
        return country

    def moved(self, folder: Path) -> Country:
        """Return the same with files of its own, which a test may change."""
        moved = replace(self, folder=folder, read=config.load(ROOT / "config" / "gateway.toml", data=folder))
        self.authorities.write(folder)
        moved.show(self.client)
        return moved

    def show(self, client: Issued) -> None:
        """Let us call with another certificate."""
        (self.folder / "keys").mkdir(exist_ok=True)
        written(self.folder / "keys", "client", client)

    def configuration(self, *endpoints: Endpoint) -> Configuration:
        """Return the repository's configuration with these endpoints of the one partner."""
        partners = {name: one.model_copy(update={"endpoint": ()}) for name, one in self.read.partners.items()}
        partners[PARTNER] = partners[PARTNER].model_copy(update={"endpoint": endpoints})
        return self.read.model_copy(update={"partners": partners})

    def courier(self, *endpoints: Endpoint, **how: Any) -> HttpCourier:
        """Return a courier to these endpoints."""
        return HttpCourier(self.configuration(*endpoints), self.bodies, **{"clock": Clock(AT), "judge": anybody, **how})

    def far(self, script: Script, *, credential: Issued | None = None, **how: Any) -> FarSide:
        """Return the partner's server: it believes the agencies' authority."""
        trusts = how.pop("trusts", [self.authorities.roots["agencies"]])
        return FarSide(credential or self.server, trusts=trusts, script=script, **how)

    @contextmanager
    def calling(self, far: FarSide, **settings: Any) -> Iterator[Call]:
        """Start the far side, and call it with a courier of its own."""
        with far:
            where = endpoint(far.address, **settings)
            courier = self.courier(where)
            try:
                yield Call(courier=courier, endpoint=where, far=far)
            finally:
                courier.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A courier, where it sends, and who is there."""

    courier: HttpCourier
    endpoint: Endpoint
    far: FarSide

    def send(self, envelope: bytes = ENVELOPE, **how: Any) -> Reply | Broken:
        return self.courier.send(signed(envelope, **how), self.endpoint)


def endpoint(address: str, **settings: Any) -> Endpoint:
    """Return an endpoint with short limits; the settings are others of its own."""
    return Endpoint(address=address, contracts=(CONTRACT,), **{**QUICK, **settings})
