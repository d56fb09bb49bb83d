"""What `gateway check` judges by, on a machine where nothing is set up: law, contracts and partners' names, and no key.

A whole message is taken through the very steps of `inbound/path.py`. Two things that the steps ask for are not there on
a partner's own machine, and each is stood in for openly:

* The TLS peer: a certificate made on the spot, for the same organisation as the signer. It proves nothing, and lets the
  step compare signer and peer as always.
* The roots under which the signer must stand: the file given with `--trust`. Where none is given nobody vouches for the
  signer; then its certificate is taken as it comes, and the finding says so. What the certificate says of itself
  (validity, usage, subject) is judged either way. Revocation lists are ours, and not here.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.verification import Store
from lxml.etree import _Element

from gateway import codes
from gateway.adapters.registry import Registry
from gateway.config import Configuration, load
from gateway.errors import ConfigError, GatewayError, UntrustedError
from gateway.message import ContractId, Person, Protection, Pseudonym
from gateway.partners import Partner
from gateway.partners import Trust as TrustFiles
from gateway.privacy.law import Law
from gateway.soap import names
from gateway.trust import chain, issuing, subject
from gateway.trust.chain import Role, Trust
from gateway.trust.revocation import Revocations
from gateway.trust.roots import Roots

_NOBODY = "2021005521"
"""Försäkringskassan: stands in where the signer's certificate names no organisation; its own step then refuses that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Everything that is judged by."""

    configuration: Configuration
    registry: Registry
    law: Law

    @classmethod
    def open(cls, config: Path) -> Desk:
        """Read configuration, schemas and law; no key, no certificate, no store. Raises ConfigError."""
        configuration = load(config)
        registry = Registry.load(configuration.gateway.schemas)
        law = Law.build(configuration, registry.kinds(), registry.outgoing)
        return cls(configuration=configuration, registry=registry, law=law)

    def partner(self, contract: ContractId) -> Partner:
        """Return whose contract it is. Raises ConfigError where nobody configured has it."""
        for partner in self.configuration.partners.values():
            asked = (one for endpoint in partner.endpoint for one in endpoint.contracts)
            if contract in partner.contracts or contract in asked:
                return partner
        raise ConfigError(f"{self.configuration.gateway.partners}: no partner has the contract {contract}")

    def contract_of(self, root: _Element) -> ContractId | None:
        """Return the contract whose root element this is, None where there is none."""
        return next((contract.id for contract in self.registry.values() if contract.root == root.tag), None)


class Nobody:
    """Keeps the promise of `ports.Protections` where no store is there."""

    def status(self, _person: Pseudonym) -> Protection:
        """Return UNKNOWN: nothing is known of anybody."""
        return Protection.UNKNOWN


def unknown(_person: Person) -> Protection:
    """Say what is known here of anybody's protected identity: nothing."""
    return Protection.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A peer made on the spot, and a trust in which it and the signer are judged."""

    peer: bytes
    """DER."""
    trust: Trust


def stand(partner: Partner, signer: bytes | None, anchors: Path | None, *, at: datetime) -> Stand:
    """Make the stand-ins for one message.

    Args:
        partner: whose contract it is.
        signer: DER of the certificate in the message, if one could be found.
        anchors: the CA file under which the signer must stand; None: nobody vouches for it.
        at: when the message is judged.

    Raises:
        ConfigError: `anchors` is not a file of CA certificates.
    """
    peer = _peer(partner, signer, at)
    roots = _vouched(partner, anchors) if anchors is not None else _unvouched(partner, at)
    return Stand(peer=peer, trust=Trust(_roots={partner.id: roots}, _serving={}, _partners={}, _stamps={}))


class _Vouched(Roots):
    """Roots that hold the peer for what it is here, a stand-in, and judge the signer."""

    def path(self, certificate: x509.Certificate, role: Role, at: datetime) -> Sequence[x509.Certificate]:
        return [certificate] if role is Role.PEER else super().path(certificate, role, at)


class _Unvouched(Roots):
    """No roots at all: what a certificate says of itself is still held to the time."""

    def path(self, certificate: x509.Certificate, role: Role, at: datetime) -> Sequence[x509.Certificate]:
        if role is Role.SIGNER and at > certificate.not_valid_after_utc:
            raise UntrustedError(codes.CERT_EXPIRED)
        if role is Role.SIGNER and at < certificate.not_valid_before_utc:
            raise UntrustedError(codes.CERT_NOT_YET_VALID)
        return [certificate]


def _vouched(partner: Partner, anchors: Path) -> Roots:
    files = TrustFiles(anchors=(anchors,), subject=partner.trust.subject, revocation_required=False)
    read = Roots.build(partner.model_copy(update={"trust": files}))
    return _Vouched(
        anchors=read.anchors, intermediates=read.intermediates, revocations=read.revocations, subject=read.subject
    )


def _unvouched(partner: Partner, at: datetime) -> Roots:
    ours = issuing.issue(None, issuing.AUTHORITY, now=at).certificate
    none = Revocations.build((), [], required=False)
    return _Unvouched(anchors=Store([ours]), intermediates=[], revocations=none, subject=partner.trust.subject)


def _peer(partner: Partner, signer: bytes | None, at: datetime) -> bytes:
    pinned = partner.trust.subject
    profile = issuing.Profile(
        common_name=pinned.common_names[0] if pinned and pinned.common_names else "stand-in",
        serial_numbers=(pinned.organisation if pinned else _organisation(signer),),
        kind=issuing.KeyKind.P256,
    )
    return issuing.issue(None, profile, now=at).der


def _organisation(signer: bytes | None) -> str:
    try:
        return subject.organisation(chain.read(signer or b""))
    except GatewayError:
        return _NOBODY


def token(root: _Element) -> bytes | None:
    """Return the certificate an envelope carries, unproven: only to know whose stand-in to make."""
    found = next(root.iter(names.TOKEN), None)
    if found is None:
        return None
    try:
        return binascii.a2b_base64(re.sub(r"\s", "", found.text or ""))
    except ValueError:
        return None
