"""Issuing certificates and revocation lists, right or wrong in one way only. For demo, tests and bench.

A `Profile` has every knob that a check of `chain` turns on; `issue` makes a real certificate of it, `crl` a real list.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
Random = Callable[[int], bytes]

CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH

_YEAR = timedelta(days=365)
_LIST_LIFE = timedelta(days=30)
_SLACK = timedelta(hours=1)
"""How long before `now` everything begins to hold: clocks differ."""


class KeyKind(StrEnum):
    """What keys the signature profile takes."""

    RSA_2048 = "rsa-2048"
    P256 = "p-256"
    ED25519 = "ed25519"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A private key and the certificate of its public key."""

    key: PrivateKey = field(repr=False)
    certificate: x509.Certificate
    issuers: tuple[x509.Certificate, ...] = ()
    """What stands between the certificate and its anchor, nearest first; without the anchor."""

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        """The certificate in PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def chain_pem(self) -> bytes:
        """The certificate and its issuers in PEM, as TLS sends them."""
        return self.pem + b"".join(issuer.public_bytes(Encoding.PEM) for issuer in self.issuers)

    @property
    def key_pem(self) -> bytes:
        """The private key in PEM (PKCS #8), not encrypted."""
        return self.key.private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a certificate shall say. The defaults make a right TLS client certificate."""

    common_name: str = "Demo"
    organisation: str | None = None
    serial_numbers: tuple[str, ...] = ()
    """Subject serialNumber attributes, as written: real certificates have exactly one."""
    kind: KeyKind = KeyKind.RSA_2048
    key: PrivateKey | None = field(default=None, repr=False)
    """A key to use again, instead of a new one of `kind`."""
    not_before: datetime | None = None
    """None: an hour before `now`."""
    not_after: datetime | None = None
    """None: a year after `now`."""
    key_usage: frozenset[str] | None = frozenset({"digital_signature"})
    """Names of RFC 5280 section 4.2.1.3 bits, as in `x509.KeyUsage`; None leaves the extension out."""
    extended_key_usage: tuple[x509.ObjectIdentifier, ...] | None = (CLIENT_AUTH,)
    """None leaves the extension out."""
    authority: bool | None = False
    """basicConstraints cA; None leaves the extension out."""
    path_length: int | None = None
    names: tuple[str, ...] = ()
    """DNS names and IP addresses for subjectAltName; none leaves the extension out."""
    extra: tuple[tuple[x509.ExtensionType, bool], ...] = ()
    """Further extensions, with criticality."""


SIGNER = Profile(key_usage=frozenset({"digital_signature", "content_commitment"}), extended_key_usage=None)
"""A right signing certificate: KeyUsage digitalSignature and nonRepudiation, no EKU."""
AUTHORITY = Profile(
    kind=KeyKind.P256,
    key_usage=frozenset({"key_cert_sign", "crl_sign"}),
    extended_key_usage=None,
    authority=True,
)
"""A right CA certificate."""


def new_key(kind: KeyKind) -> PrivateKey:
    """Return a new private key. RSA-2048 takes some 30 ms, the others nothing."""
    match kind:
        case KeyKind.RSA_2048:
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case KeyKind.P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyKind.ED25519:
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            assert_never(kind)


def issue(ca: Issued | None, profile: Profile, *, now: datetime, random: Random = os.urandom) -> Issued:
    """Issue a certificate, right or wrong as the profile says.

    Args:
        ca: who signs; None makes a self-signed certificate.
        profile: what it shall say.
        now: aware; the validity is counted from here where the profile does not say.
        random: where the serial number comes from (RFC 5280 section 4.1.2.2: at most 20 octets).

    Returns:
        The certificate, its key, and the issuers between it and the anchor.
    """
    key = profile.key or new_key(profile.kind)
    name = _name(profile)
    builder = x509.CertificateBuilder(
        subject_name=name,
        issuer_name=ca.certificate.subject if ca else name,
        public_key=key.public_key(),
        serial_number=int.from_bytes(random(16), "big") | 1,
        not_valid_before=profile.not_before or now - _SLACK,
        not_valid_after=profile.not_after or now + _YEAR,
    )
    for extension, critical in _extensions(profile, key, ca):
        builder = builder.add_extension(extension, critical)
    signing = ca.key if ca else key
    issuers = (ca.certificate, *ca.issuers) if ca and ca.certificate.subject != ca.certificate.issuer else ()
    return Issued(key=key, certificate=builder.sign(signing, _digest(signing)), issuers=issuers)


def crl(
    ca: Issued,
    *,
    now: datetime,
    revoked: Sequence[x509.Certificate] = (),
    next_update: datetime | None = None,
    extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> bytes:
    """Return a revocation list in PEM, signed by `ca`, that holds from an hour before `now` for thirty days."""
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=ca.certificate.subject, last_update=now - _SLACK, next_update=next_update or now + _LIST_LIFE
    )
    for certificate in revoked:
        entry = x509.RevokedCertificateBuilder(certificate.serial_number, now - _SLACK)
        builder = builder.add_revoked_certificate(entry.build())
    for extension, critical in (
        (x509.CRLNumber(int(now.timestamp())), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(_public(ca)), False),
        *extra,
    ):
        builder = builder.add_extension(extension, critical)
    return builder.sign(ca.key, _digest(ca.key)).public_bytes(Encoding.PEM)


def _name(profile: Profile) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COUNTRY_NAME, "SE")]
    if profile.organisation is not None:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, profile.organisation))
    attributes += [x509.NameAttribute(NameOID.SERIAL_NUMBER, number) for number in profile.serial_numbers]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, profile.common_name)])


_BITS = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def _extensions(profile: Profile, key: PrivateKey, ca: Issued | None) -> list[tuple[x509.ExtensionType, bool]]:
    found: list[tuple[x509.ExtensionType, bool]] = [
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(_public(ca) if ca else key.public_key()), False),
    ]
    if profile.authority is not None:
        found.append((x509.BasicConstraints(ca=profile.authority, path_length=profile.path_length), True))
    if profile.key_usage is not None:
        found.append((x509.KeyUsage(**{bit: bit in profile.key_usage for bit in _BITS}), True))
    if profile.extended_key_usage is not None:
        found.append((x509.ExtendedKeyUsage(profile.extended_key_usage), False))
    if profile.names:
        found.append((x509.SubjectAlternativeName([_general(name) for name in profile.names]), False))
    return [*found, *profile.extra]


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _public(issued: Issued) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey:
    return issued.key.public_key()


def _digest(key: PrivateKey) -> hashes.SHA256 | None:
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
