"""Which certificates have been revoked: lists read once, held as sets of serial numbers (RFC 5280 section 5).

Only complete lists are taken: one that covers a part of a CA's certificates or reasons (issuingDistributionPoint), that
only amends another (deltaCRLIndicator), or that has any other critical extension, would let a revoked certificate pass
where we read it as the whole. Such a file is a fault of configuration and found at start.

What is listed is refused, whatever the date of the entry and however old the list: a message is minutes old at most,
and a certificate that was revoked stays so. What is not listed passes only while the list is fresh.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway import codes
from gateway.errors import ConfigError, UnavailableError, UntrustedError
from gateway.trust.decoding import UNREADABLE

_PEM_END = b"-----END X509 CRL-----"
_DIGESTS = (hashes.SHA256, hashes.SHA384, hashes.SHA512)

_EVER = datetime.min.replace(tzinfo=UTC)
_FOREVER = datetime.max.replace(tzinfo=UTC)

Window = tuple[datetime, datetime]
"""From the first to before the second."""
Authority = tuple[bytes, bytes]
"""A CA is its name and its key: it may have several certificates."""


def authority(certificate: x509.Certificate) -> Authority:
    """Return name and key of a CA."""
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return certificate.subject.public_bytes(), key


@dataclass(frozen=True, slots=True, kw_only=True)
class _List:
    since: datetime
    until: datetime
    serials: frozenset[int] = field(repr=False)
    content: bytes = field(repr=False)
    """DER."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocations:
    """Every list that holds for one partner, by the CA that signed it."""

    _lists: Mapping[Authority, tuple[_List, ...]]
    """Newest first."""
    _required: bool

    @classmethod
    def build(cls, files: Sequence[Path], authorities: Sequence[x509.Certificate], *, required: bool) -> Revocations:
        """Read lists, each PEM (one or more) or DER, and verify who signed them.

        Args:
            files: what `trust.revocation` names.
            authorities: the partner's anchors and intermediates: only they may sign a list (RFC 5280 section 6.3.3 f).
            required: whether a certificate may pass when its issuer has no fresh list.

        Raises:
            ConfigError: a file cannot be read, or has a list that is not complete or that no authority signed.
        """
        found: dict[Authority, list[_List]] = {}
        for path in files:
            for crl in lists(path):
                complete = _complete(crl, path)
                found.setdefault(_signer(crl, authorities, path), []).append(complete)
        newest = {key: tuple(sorted(lists, key=lambda item: item.since, reverse=True)) for key, lists in found.items()}
        return cls(_lists=newest, _required=required)

    @property
    def contents(self) -> tuple[bytes, ...]:
        """Return every list, DER."""
        return tuple(one.content for lists in self._lists.values() for one in lists)

    def fresh(self, at: datetime) -> bool:
        """Tell whether the list that speaks for each CA at that time is fresh, where lists are required."""
        speaking = [_newest(lists, at) for lists in self._lists.values()]
        return not self._required or all(one is not None and at <= one.until for one in speaking)

    def check(self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> Window:
        """Check one certificate against its issuer's newest list at a time.

        Returns:
            For how long the answer cannot turn.

        Raises:
            UntrustedError: CERT_REVOKED, it is listed.
            UnavailableError: REVOCATION_UNAVAILABLE, a list is required and none is fresh (hard fail).
        """
        lists = self._lists.get(authority(issuer), ())
        superseded = min((item.since for item in lists if item.since > at), default=_FOREVER)
        newest = _newest(lists, at)
        name = issuer.subject.rfc4514_string()
        if newest is not None and certificate.serial_number in newest.serials:
            raise UntrustedError(codes.CERT_REVOKED, f"listed by {name}")
        if newest is not None and at <= newest.until:
            return newest.since, min(newest.until, superseded)
        if self._required:
            state = "past its nextUpdate" if newest else "missing"
            raise UnavailableError(codes.REVOCATION_UNAVAILABLE, f"the revocation list of {name} is {state}")
        return newest.until if newest else _EVER, superseded


def _newest(lists: Sequence[_List], at: datetime) -> _List | None:
    return next((item for item in lists if item.since <= at), None)


def lists(path: Path) -> Iterator[x509.CertificateRevocationList]:
    """Read a file of lists, PEM (one or more) or DER. Raises ConfigError."""
    try:
        data = path.read_bytes()
        if _PEM_END not in data:
            yield x509.load_der_x509_crl(data)
            return
        for block in data.split(_PEM_END)[:-1]:
            yield x509.load_pem_x509_crl(block + _PEM_END)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UNREADABLE:
        raise ConfigError(f"{path}: is not a revocation list in PEM or DER") from None


def _complete(crl: x509.CertificateRevocationList, path: Path) -> _List:
    try:
        # Decoded only when asked for, as in `decoding`.
        _ = crl.issuer, crl.last_update_utc, crl.next_update_utc, crl.signature_hash_algorithm
        partial = [
            extension.oid.dotted_string
            for extension in crl.extensions
            if extension.critical or isinstance(extension.value, x509.IssuingDistributionPoint | x509.DeltaCRLIndicator)
        ]
        serials = frozenset(entry.serial_number for entry in crl)
    except UNREADABLE:
        raise ConfigError(f"{path}: the list is malformed") from None
    if partial:
        raise ConfigError(f"{path}: only complete lists are taken; this one has extension {partial[0]}")
    if crl.next_update_utc is None:
        raise ConfigError(f"{path}: the list has no nextUpdate (RFC 5280 section 5.1.2.5)")
    return _List(
        since=crl.last_update_utc,
        until=crl.next_update_utc,
        serials=serials,
        content=crl.public_bytes(Encoding.DER),
    )


def _signer(crl: x509.CertificateRevocationList, authorities: Sequence[x509.Certificate], path: Path) -> Authority:
    for candidate in authorities:
        if candidate.subject == crl.issuer and _may_sign(candidate) and _signed(crl, candidate):
            return authority(candidate)
    raise ConfigError(f"{path}: the list is not signed by any of the anchors and intermediates beside it")


def _may_sign(candidate: x509.Certificate) -> bool:
    try:
        return candidate.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return False


def _signed(crl: x509.CertificateRevocationList, candidate: x509.Certificate) -> bool:
    key = candidate.public_key()
    if not isinstance(
        key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
    ):
        return False
    try:
        weak = crl.signature_hash_algorithm is not None and not isinstance(crl.signature_hash_algorithm, _DIGESTS)
        return not weak and crl.is_signature_valid(key)
    except UNREADABLE:
        return False
