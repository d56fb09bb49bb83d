"""What a certificate may be used for: KeyUsage, EKU and basicConstraints, required again on leaf and CAs.

cryptography's verifier can be told to demand what the web demands, which organisation certificates do not keep (they
often lack subjectAltName), or to permit all extensions; then it no longer looks at usage at all. So the rules are here:

    leaf      not a CA (RFC 5280 section 4.2.1.9); KeyUsage there and as the role needs (4.2.1.3); EKU as the role
              needs (4.2.1.12)
    every CA  basicConstraints cA and KeyUsage keyCertSign there; an EKU, if there, must pass the role's purpose on
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import TypeVar, assert_never

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy

from gateway import codes
from gateway.errors import UntrustedError


class Role(StrEnum):
    """What a certificate is used for."""

    PEER = "peer"
    """Client in TLS: needs KeyUsage digitalSignature, and EKU clientAuth by name."""
    SIGNER = "signer"
    """Signs messages: needs KeyUsage digitalSignature or contentCommitment. An EKU need not be there; where it is, the
    certificate may be used for nothing else, so one of clientAuth, emailProtection, documentSigning or any must be in
    it. A certificate that is only for servers, time stamps or code signs no messages."""
    SERVER = "server"
    """Server in TLS, where we call: needs KeyUsage digitalSignature, and EKU serverAuth by name."""


_DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")
"""id-kp-documentSigning (RFC 9336)."""
_ANY = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
_PEER = frozenset({ExtendedKeyUsageOID.CLIENT_AUTH})
_SERVER = frozenset({ExtendedKeyUsageOID.SERVER_AUTH})
_SIGNER = frozenset({ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.EMAIL_PROTECTION, _DOCUMENT_SIGNING, _ANY})


def check(certificate: x509.Certificate, role: Role) -> None:
    """Check that a leaf may be used in a role.

    Raises:
        UntrustedError: CERT_USAGE; detail names the extension.
    """
    extensions = certificate.extensions
    constraints = _found(extensions, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        raise UntrustedError(codes.CERT_USAGE, "basicConstraints: a CA's certificate")
    usage = _found(extensions, x509.KeyUsage)
    if usage is None or not _permits(usage, role):
        raise UntrustedError(codes.CERT_USAGE, "keyUsage")
    purposes = _found(extensions, x509.ExtendedKeyUsage)
    match role:
        case Role.PEER:
            purposeful = purposes is not None and not _PEER.isdisjoint(purposes)
        case Role.SIGNER:
            purposeful = purposes is None or not _SIGNER.isdisjoint(purposes)
        case Role.SERVER:
            purposeful = purposes is not None and not _SERVER.isdisjoint(purposes)
        case _:
            assert_never(role)
    if not purposeful:
        raise UntrustedError(codes.CERT_USAGE, "extendedKeyUsage")


_PASSED_ON = {Role.PEER: _PEER | {_ANY}, Role.SIGNER: _SIGNER, Role.SERVER: _SERVER | {_ANY}}


def issuing(role: Role) -> ExtensionPolicy:
    """Return what every CA on the path must have, for the verifier."""
    purposes = _PASSED_ON[role]
    either = Criticality.AGNOSTIC
    policy = ExtensionPolicy.permit_all().require_present(x509.BasicConstraints, either, _is_authority)
    policy = policy.require_present(x509.KeyUsage, either, _signs_certificates)
    return policy.may_be_present(x509.ExtendedKeyUsage, either, _passing_on(purposes))


_T = TypeVar("_T", bound=x509.ExtensionType)


def _found(extensions: x509.Extensions, kind: type[_T]) -> _T | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _permits(usage: x509.KeyUsage, role: Role) -> bool:
    return usage.digital_signature or (role is Role.SIGNER and usage.content_commitment)


# Validators refuse a candidate by raising; the verifier then tries the next, and tells VerificationError in the end.


def _is_authority(_: Policy, __: x509.Certificate, found: x509.BasicConstraints) -> None:
    if not found.ca:
        raise UntrustedError(codes.CERT_CHAIN, "a CA's basicConstraints")


def _signs_certificates(_: Policy, __: x509.Certificate, found: x509.KeyUsage) -> None:
    if not found.key_cert_sign:
        raise UntrustedError(codes.CERT_CHAIN, "a CA's keyUsage")


def _passing_on(
    purposes: AbstractSet[ObjectIdentifier],
) -> Callable[[Policy, x509.Certificate, x509.ExtendedKeyUsage | None], None]:
    def validate(_: Policy, __: x509.Certificate, found: x509.ExtendedKeyUsage | None) -> None:
        if found is not None and purposes.isdisjoint(found):
            raise UntrustedError(codes.CERT_CHAIN, "a CA's extendedKeyUsage")

    return validate
