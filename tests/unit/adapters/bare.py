"""Payloads of `tests/golden/`, changed in one place and read: as a signed message, or offline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

from gateway.adapters import registry
from gateway.adapters.registry import Registry
from gateway.config import Limits
from gateway.message import (
    ContractId,
    Digest,
    Fingerprint,
    MessageId,
    OrganisationNumber,
    PartnerId,
    Provenance,
    Record,
    SoapVersion,
    Valid,
    Verified,
)
from gateway.soap import xml

ROOT = Path(__file__).resolve().parents[3]
SCHEMAS = ROOT / "schemas"
GOLDEN = ROOT / "tests" / "golden"
ON = date(2026, 1, 15)


@cache
def contracts() -> Registry:
    return Registry.load(SCHEMAS)


def text(case: str, *changes: tuple[str, str]) -> str:
    """Return a golden payload with each change made; a change that changes nothing is a broken test."""
    payload = (GOLDEN / f"{case}.xml").read_text(encoding="utf-8-sig")
    for old, new in changes:
        assert old in payload, f"{case}: nothing to change"
        payload = payload.replace(old, new)
    return payload


def offline(payload: str | bytes, *, on: date = ON) -> tuple[Record, ...]:
    data = payload if isinstance(payload, bytes) else payload.encode()
    return registry.read_offline(xml.parse(data, Limits()), contracts(), on=on)[1]


def read(case: str, *changes: tuple[str, str]) -> tuple[Record, ...]:
    return offline(text(case, *changes))


def one(case: str, *changes: tuple[str, str]) -> Record:
    (record,) = read(case, *changes)
    return record


@dataclass(frozen=True)
class Sent:
    """A message as `trust` would have proven it."""

    contract: str
    payload: str
    organisation: str = "2021005448"
    certificate: bytes = b""
    action: str | None = None
    created: datetime = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)

    def validate(self) -> Valid:
        data = self.payload.encode()
        verified = Verified(
            provenance=Provenance(
                partner=PartnerId(self.contract.partition("/")[0]),
                organisation=OrganisationNumber(self.organisation),
                contract=ContractId(self.contract),
                message_id=MessageId("urn:uuid:1"),
                digest=Digest("0" * 64),
                version=SoapVersion.SOAP_11,
                action=self.action,
                signer=Fingerprint("0" * 64),
                created=self.created,
                received_at=self.created,
            ),
            payload=xml.reparse(xml.canonical(xml.parse(data, Limits()))),
            certificate=self.certificate,
            evidence=data,
        )
        return registry.validate(verified, contracts())

    def but(self, **changes: object) -> Sent:
        return replace(self, **changes)  # type: ignore[arg-type]
