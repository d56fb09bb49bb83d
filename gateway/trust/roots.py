"""Under which CAs one partner's certificates stand, and the path from a certificate up to them.

The TLS server of an endpoint may stand under CAs of its own (`[[endpoint]] anchors`), often those of the web. They
vouch for that server and for nothing else: whoever they issue to, signs no message.

The path is built and verified by cryptography (RFC 5280 section 6.1: signatures, names, validity, path length, name
constraints, unknown critical extensions); `usage` says what it must have on the way. SHA-1 and small keys are refused
by the verifier too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from gateway import codes
from gateway.errors import ConfigError, UntrustedError
from gateway.partners import Partner, Subject
from gateway.trust import decoding, usage
from gateway.trust.revocation import Revocations

MINIMUM_RSA = 2048
"""Bits of a CA's key: the floor of the signature profile holds for those who vouch for the signers too."""
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_PEM = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class Roots:
    """One partner's anchors, the CAs below them, their revocation lists and the pinned subject."""

    anchors: Store = field(repr=False)
    intermediates: list[x509.Certificate] = field(repr=False)
    revocations: Revocations = field(repr=False)
    subject: Subject | None
    """None for a class of partners: any organisation under the anchors."""

    @classmethod
    def build(cls, partner: Partner) -> Roots:
        """Read what `trust` of `config/partners/<id>.toml` names.

        Raises:
            ConfigError: a file cannot be read, holds what is not a CA, or lists are required and none is named.
        """
        trust = partner.trust
        anchors, intermediates = _all(trust.anchors), _all(trust.intermediates)
        return cls(
            anchors=Store(anchors),
            intermediates=intermediates,
            revocations=_revocations(partner, [*anchors, *intermediates]),
            subject=trust.subject,
        )

    @classmethod
    def serving(cls, partner: Partner) -> dict[frozenset[Path], Roots]:
        """Read the anchors of those endpoints that have their own: files -> what their servers stand under.

        Raises:
            ConfigError: as `build`.
        """
        own = {frozenset(endpoint.anchors): endpoint.anchors for endpoint in partner.endpoint if endpoint.anchors}
        if not own:
            return {}
        intermediates = _all(partner.trust.intermediates)
        revocations = _revocations(partner, [*_all(partner.trust.anchors), *intermediates])
        return {
            files: cls(anchors=Store(_all(paths)), intermediates=intermediates, revocations=revocations, subject=None)
            for files, paths in own.items()
        }

    def path(self, certificate: x509.Certificate, role: usage.Role, at: datetime) -> Sequence[x509.Certificate]:
        """Return the verified path at a time, leaf first and anchor last.

        Raises:
            UntrustedError: CERT_EXPIRED or CERT_NOT_YET_VALID, there is a path at another time; CERT_USAGE, a critical
                extension nobody here understands (RFC 5280 section 4.2); else CERT_CHAIN.
        """
        try:
            return self._verified(certificate, role, at)
        except VerificationError:
            # The verifier's text quotes names out of the certificate, and names may be persons': it stays here.
            raise UntrustedError(self._fault(certificate, role, at)) from None

    def _verified(self, certificate: x509.Certificate, role: usage.Role, at: datetime) -> list[x509.Certificate]:
        builder = PolicyBuilder().store(self.anchors).time(at)
        builder = builder.extension_policies(ca_policy=usage.issuing(role), ee_policy=ExtensionPolicy.permit_all())
        return builder.build_client_verifier().verify(certificate, self.intermediates).chain

    def _fault(self, certificate: x509.Certificate, role: usage.Role, at: datetime) -> codes.Code:
        since, until = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if at > until and self._stands(certificate, role, until):
            return codes.CERT_EXPIRED
        if at < since and self._stands(certificate, role, since):
            return codes.CERT_NOT_YET_VALID
        if any(item.critical and isinstance(item.value, x509.UnrecognizedExtension) for item in certificate.extensions):
            return codes.CERT_USAGE
        return codes.CERT_CHAIN

    def _stands(self, certificate: x509.Certificate, role: usage.Role, at: datetime) -> bool:
        try:
            self._verified(certificate, role, at)
        except VerificationError:
            return False
        return True


def files(partner: Partner) -> tuple[Path, ...]:
    """Return every file that `Roots.build` and `Roots.serving` read."""
    own = [path for endpoint in partner.endpoint for path in endpoint.anchors]
    return (*partner.trust.anchors, *partner.trust.intermediates, *partner.trust.revocation, *own)


def _revocations(partner: Partner, authorities: list[x509.Certificate]) -> Revocations:
    """Read the partner's lists, which its endpoints' own CAs may have signed too."""
    trust = partner.trust
    if trust.revocation_required and not trust.revocation:
        raise ConfigError(f"partner {partner.id}: trust.revocation: lists are required, and none is named")
    own = [certificate for endpoint in partner.endpoint for certificate in _all(endpoint.anchors)]
    return Revocations.build(trust.revocation, [*authorities, *own], required=trust.revocation_required)


def _all(paths: Sequence[Path]) -> list[x509.Certificate]:
    return [certificate for path in paths for certificate in _read(path)]


def _read(path: Path) -> list[x509.Certificate]:
    try:
        data = path.read_bytes()
        found = x509.load_pem_x509_certificates(data) if _PEM in data else [x509.load_der_x509_certificate(data)]
        for certificate in found:
            decoding.decode(certificate)
            _check_authority(certificate, path)
        return found
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except decoding.UNREADABLE:
        raise ConfigError(f"{path}: is not a certificate in PEM or DER") from None


def _check_authority(certificate: x509.Certificate, path: Path) -> None:
    """An end-entity certificate among the anchors would vouch for itself without any check of the path."""
    try:
        authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        authority = False
    if not authority:
        raise ConfigError(f"{path}: holds a certificate that is not a CA's (basicConstraints cA)")
    key = certificate.public_key()
    strong = (isinstance(key, rsa.RSAPublicKey) and key.key_size >= MINIMUM_RSA) or (
        isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES)
    )
    if not strong:
        raise ConfigError(f"{path}: a CA's key must be RSA of {MINIMUM_RSA} bits or more, P-256, P-384 or P-521")
