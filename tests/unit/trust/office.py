"""A partner's office: writes honest messages, and bends one thing in them before or after signing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache

import pytest
from lxml import etree

from gateway.codes import Code
from gateway.config import Limits
from gateway.errors import GatewayError, RejectedError
from gateway.message import Admitted, ContractId, Fingerprint, OrganisationNumber, Parsed, PartnerId, Received, Verified
from gateway.soap import envelope
from gateway.trust import pki, signature
from gateway.trust.chain import Trust
from tests import forge

LIMITS = Limits()
PAYLOAD = '<p:Post xmlns:p="urn:test:post"><p:Rad kod="1">värde</p:Rad></p:Post>'
SKATTEVERKET = OrganisationNumber("2021005448")


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Skatteverket's, with a certificate of every kind of key."""

    country: object
    trust: Trust
    now: datetime

    def credential(self, kind: pki.KeyKind | None = None, **changes: object) -> pki.Issued:
        """Return the signing certificate, or another of the same office."""
        if kind is None and not changes:
            return self.country.demo.clients["skatteverket"].sign
        return _issued(self.country, kind or pki.KeyKind.P256, tuple(sorted(changes.items())))

    def recipe(self, **changes: object) -> forge.Recipe:
        """Return how an honest message is made."""
        made = forge.Recipe(
            payload=PAYLOAD, credential=self.credential(), now=self.now, message_id="urn:uuid:1", to=None
        )
        return replace(made, **changes)

    def signed(
        self,
        *,
        parts: Sequence[str] = forge.PARTS,
        options: dict[str, object] | None = None,
        before: Callable[[forge.Envelope], object] | None = None,
        after: Callable[[forge.Envelope], object] | None = None,
        bend: Callable[[etree._Element], object] | None = None,
        **changes: object,
    ) -> bytes:
        """Return a message; `before` and `after` bend the tree around the signing, `bend` SignedInfo."""
        recipe = self.recipe(**changes)
        made = forge.build(recipe)
        if before is not None:
            before(made)
        refs = forge.references(made, parts, **(options or {}))
        forge.sign(made, recipe.credential, refs=refs, bend=bend)
        if after is not None:
            after(made)
        return made.bytes()

    def parsed(self, data: bytes, *, at: datetime | None = None, organisation: str = SKATTEVERKET) -> Parsed:
        version = forge.SOAP_11 if forge.SOAP_11.encode() in data else forge.SOAP_12
        received = Received(
            body=data,
            content_type=forge.content_type(version),
            contract=ContractId("skatteverket/x"),
            peer=b"",
            at=at or self.now,
        )
        admitted = Admitted(
            received=received,
            partner=PartnerId("skatteverket"),
            organisation=OrganisationNumber(organisation),
            peer=Fingerprint("0" * 64),
        )
        return envelope.parse(admitted, LIMITS)

    def verify(self, data: bytes, **options: object) -> Verified:
        return signature.verify(self.parsed(data, **options), self.trust, LIMITS)

    def refused(self, data: bytes, **options: object) -> Code:
        """Return why the message is refused."""
        with pytest.raises(RejectedError) as caught:
            self.verify(data, **options)
        return caught.value.code

    def outcome(self, data: bytes) -> Verified | GatewayError:
        try:
            return self.verify(data)
        except GatewayError as error:
            return error


@cache
def _issued(country: object, kind: pki.KeyKind, changes: tuple[tuple[str, object], ...]) -> pki.Issued:
    profile = replace(
        pki.SIGNER, kind=kind, serial_numbers=("162021005448",), organisation="Skatteverket", **dict(changes)
    )
    return pki.issue(country.demo.agencies, profile, now=country.now)
