"""How a partner reads what Försäkringskassan sends: by the gateway's own code, from the other side.

1. The caller's TLS certificate is Försäkringskassan's, and the envelope is signed by Försäkringskassan, fresh, as
   `trust.peer` and `trust.signature` have it.
2. It is addressed to this very partner, and says the contract's action; both signed.
3. The payload keeps the contract's XSD.

What does not is refused, and nobody looks at what it says.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import codes
from gateway.adapters import registry
from gateway.adapters.outgoing import Outgoing
from gateway.adapters.registry import Registry
from gateway.config import Limits
from gateway.errors import ContractError, UntrustedError
from gateway.message import ContractId, OrganisationNumber, PartnerId, Provenance, Received
from gateway.partners import Partner, Subject, Trust
from gateway.soap import envelope, names, xml
from gateway.trust import chain, peer, signature

if TYPE_CHECKING:
    from lxml.etree import _Element

OURSELVES = PartnerId("forsakringskassan")
"""What partners call us in their own configuration."""
_ADDRESSED = ContractId(f"{OURSELVES}/utbyte")
"""One address for all contracts: the payload tells which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A message that is proven to be Försäkringskassan's."""

    provenance: Provenance
    """Its contract is the one that the payload is of."""
    payload: _Element = field(repr=False)
    reply: str
    """`wsa:Action` of the answer, as the contract has it."""

    @property
    def relation(self) -> str:
        """The id to answer to."""
        return self.provenance.message_id


class Door:
    """What all partners need to let Försäkringskassan in. Shared by them, and between threads."""

    def __init__(self, data: Path, organisation: OrganisationNumber, schemas: Path) -> None:
        """Read roots and contracts. Raises ConfigError.

        Args:
            data: The folder with the PKI (`trust.pki`).
            organisation: Försäkringskassan's own.
            schemas: The contracts' XSD and WSDL.
        """
        trusted = Trust(
            anchors=(data / "pki" / "agencies.pem",),
            intermediates=(data / "pki" / "intermediates.pem",),
            subject=Subject(organisation=organisation),
            revocation=(data / "pki" / "agencies.crl",),
        )
        ourselves = Partner(
            id=OURSELVES,
            name="Försäkringskassan",
            kind="agency",
            partner_type="forsakringskassan",
            contracts=(),
            trust=trusted,
        )
        self._trust = chain.Trust.build({OURSELVES: ourselves})
        self._contracts = Registry.load(schemas)
        self._limits = Limits()

    def read(self, body: bytes, content_type: str, *, certificate: bytes | None, address: str, at: datetime) -> Asked:
        """Return a message that is proven. Raises MalformedError, UntrustedError, ContractError, UnavailableError.

        Args:
            body: The HTTP body.
            content_type: As it was sent.
            certificate: The caller's, in DER.
            address: The partner's own.
            at: When it came.
        """
        # 1. Whose it is.
        received = Received(body=body, content_type=content_type, contract=_ADDRESSED, peer=certificate, at=at)
        parsed = envelope.parse(peer.admit(received, self._trust), self._limits)
        verified = signature.verify(parsed, self._trust, self._limits)
        # 2. For whom.
        header = envelope.header_of(parsed.root, parsed.version)
        to = None if header is None else header.findtext(f"{{{names.WSA}}}To")  # signed: `trust.shape` sees to it
        if to != address:
            raise UntrustedError(codes.SIG_ADDRESSING, "To is another's address")
        # 3. What it says.
        going = self._contract(verified.payload)
        if verified.provenance.action != going.action:
            raise ContractError(codes.CONTRACT_ACTION)
        registry.hold(xml.canonical(verified.payload), going.id, self._contracts)
        provenance = replace(verified.provenance, contract=going.id)
        return Asked(provenance=provenance, payload=verified.payload, reply=going.reply)

    def _contract(self, payload: _Element) -> Outgoing:
        for going in self._contracts.outgoing.values():
            if going.root == payload.tag:
                return going
        raise ContractError(codes.CONTRACT_UNKNOWN)
