"""The keys we sign with: read from files, credentials or a token, and changed while the gateway runs.

A signing key that is to be followed by another has its successor beside it in `[keys]`. From then on both are ready,
and for each signature it is decided which signs, by the time alone:

    before `begins`                          the present key
    from `begins` on                         its successor
    where the present certificate would end
    before what is signed does               its successor, whatever `begins` says
    before the successor's own holds         the present key

Partners verify by the authority they trust, and the certificate comes with every signature, so nothing has to be
changed at theirs and old signatures hold on. `refresh` reads the files again where one has changed. A pair that does
not fit, because only one of its two files has been changed so far, is refused whole, and the former stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from gateway.config import Keys, Next
from gateway.errors import ConfigError, UnavailableError
from gateway.message import PartnerId
from gateway.partners import Partner
from gateway.soap import names
from gateway.sources import Token
from gateway.trust import files, signing
from gateway.trust.pkcs11 import TokenKey
from gateway.trust.signing import PrivateKey, SigningKey

_TRIED = b"does this key belong to its certificate?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Successor:
    """The key that takes over from another."""

    key: SigningKey
    begins: datetime
    """As configured."""
    since: datetime
    """Its certificate's notBefore."""
    former: datetime
    """The other certificate's notAfter."""

    def signs(self, at: datetime, until: datetime) -> bool:
        """Tell whether it signs at a time what is to hold until another."""
        return at >= self.since and (at >= self.begins or until > self.former)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signers:
    """Our signing keys, and who gets which. Shared between threads; never changes."""

    p256: SigningKey
    rsa: SigningKey | None = None
    rsa_partners: frozenset[PartnerId] = frozenset()
    next_p256: Successor | None = None
    next_rsa: Successor | None = None
    remote: bool = field(init=False)
    """Whether signing may wait for somebody else: a token."""
    _read: tuple[Keys, Mapping[PartnerId, Partner]] | None = field(default=None, repr=False)
    """What it was built from; None where it was not built from files."""
    _stamps: Mapping[Path, files.Stamp] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Refuse to start with a partner that no key could answer, or keys in each other's place."""
        p256, rsa = _both(self.p256, self.next_p256), _both(self.rsa, self.next_rsa)
        object.__setattr__(self, "remote", any(key.remote for key in (*p256, *rsa)))
        if any(key.method != names.ECDSA_SHA256 for key in p256):
            raise ConfigError("keys.receipt, keys.receipt_next: is not a P-256 key")
        if any(key.method != names.RSA_SHA256 for key in rsa):
            raise ConfigError("keys.receipt_rsa, keys.receipt_rsa_next: is not an RSA key")
        if self.rsa_partners and self.rsa is None:
            raise ConfigError(f'keys.receipt_rsa: needed by receipt = "rsa" of {", ".join(sorted(self.rsa_partners))}')

    @classmethod
    def build(cls, keys: Keys, partners: Mapping[PartnerId, Partner]) -> Signers:
        """Read keys and certificates, and try them. Raises ConfigError, which names the file or the token."""
        if (keys.receipt_rsa is None) != (keys.receipt_rsa_certificate is None):
            raise ConfigError("keys.receipt_rsa and keys.receipt_rsa_certificate: need each other")
        if keys.receipt_rsa is None and keys.receipt_rsa_next is not None:
            raise ConfigError("keys.receipt_rsa_next: follows on keys.receipt_rsa, which is not there")
        stamps = files.stamps(read(keys))
        p256, ends = _pair(keys.receipt, keys.receipt_certificate, "keys.receipt")
        next_p256 = _successor(keys.receipt_next, ends, "keys.receipt_next")
        rsa = next_rsa = None
        if keys.receipt_rsa is not None and keys.receipt_rsa_certificate is not None:
            rsa, ends = _pair(keys.receipt_rsa, keys.receipt_rsa_certificate, "keys.receipt_rsa")
            next_rsa = _successor(keys.receipt_rsa_next, ends, "keys.receipt_rsa_next")
        return cls(
            p256=p256,
            rsa=rsa,
            rsa_partners=frozenset(partner.id for partner in partners.values() if partner.receipt == "rsa"),
            next_p256=next_p256,
            next_rsa=next_rsa,
            _read=(keys, partners),
            _stamps=stamps,
        )

    def refresh(self) -> Signers:
        """Return self when no file has changed, else new ones. Raises ConfigError, and the former hold on."""
        if self._read is None or files.same(self._stamps):
            return self
        return Signers.build(*self._read)

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """Return those of all that sign now or will, DER."""
        keys = (*_both(self.p256, self.next_p256), *_both(self.rsa, self.next_rsa))
        return tuple(key.certificate for key in keys)

    def of(self, partner: PartnerId, at: datetime, until: datetime) -> SigningKey:
        """Return the key that this partner can verify.

        Args:
            partner: Who verifies.
            at: When it is signed, aware.
            until: How long what is signed holds, aware.
        """
        key, following = self.p256, self.next_p256
        if self.rsa is not None and partner in self.rsa_partners:
            key, following = self.rsa, self.next_rsa
        return following.key if following is not None and following.signs(at, until) else key


def read(keys: Keys) -> Iterator[Path]:
    """Return every file that `Signers.build` reads."""
    following = [one for one in (keys.receipt_next, keys.receipt_rsa_next) if one is not None]
    sources = [keys.receipt, keys.receipt_rsa, *(one.key for one in following)]
    certificates = [keys.receipt_certificate, keys.receipt_rsa_certificate, *(one.certificate for one in following)]
    for source in (*sources, *certificates):
        path = source.pin if isinstance(source, Token) else source
        if path is not None:
            yield path


def _both(key: SigningKey | None, following: Successor | None) -> list[SigningKey]:
    found = [key, None if following is None else following.key]
    return [one for one in found if one is not None]


def _successor(following: Next | None, former: datetime, name: str) -> Successor | None:
    """Read a successor. Raises ConfigError where it could never take over."""
    if following is None:
        return None
    key, ends = _pair(following.key, following.certificate, f"{name}.key")
    since = x509.load_der_x509_certificate(key.certificate).not_valid_before_utc
    if ends <= max(following.begins, since):
        raise ConfigError(f"{name}.begins: {following.certificate} has ended by then")
    return Successor(key=key, begins=following.begins, since=since, former=former)


def _pair(source: Path | Token, certificate_file: Path, name: str) -> tuple[SigningKey, datetime]:
    """Return a key with its certificate, and when that ends. Raises ConfigError where they do not belong together."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        public, ends = certificate.public_key(), certificate.not_valid_after_utc
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{certificate_file}: is not a certificate in PEM: {type(error).__name__}") from None
    der = certificate.public_bytes(Encoding.DER)
    if isinstance(source, Token):
        return SigningKey(key=_on_token(source, certificate_file, public, name), certificate=der), ends
    key = _private(source, name)
    if key.public_key() != public:
        raise ConfigError(f"{certificate_file}: is not the certificate of {source}")
    try:
        return SigningKey(key=key, certificate=der), ends
    except ConfigError:
        raise ConfigError(f"{source}: is not RSA of 2048 bits or more, P-256 or Ed25519") from None


def _private(path: Path, name: str) -> PrivateKey:
    data = files.secret(path, name)
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path}: is not an unencrypted private key in PEM: {type(error).__name__}") from None
    if not isinstance(key, PrivateKey):
        raise ConfigError(f"{path}: is not an RSA, P-256 or Ed25519 key")
    return key


def _on_token(source: Token, certificate_file: Path, public: object, name: str) -> TokenKey:
    """Return a key on a token, once it has signed what its certificate verifies. Raises ConfigError."""
    try:
        key = TokenKey(source, signing.method(public))
        value = key.sign(_TRIED)
    except (ConfigError, UnavailableError) as error:
        raise ConfigError(f"{name}: {error.detail}") from None
    try:
        match public:
            case RSAPublicKey():
                public.verify(value, _TRIED, PKCS1v15(), SHA256())
            case EllipticCurvePublicKey():
                r, s = value[:32], value[32:]
                public.verify(encode_dss_signature(int.from_bytes(r), int.from_bytes(s)), _TRIED, ECDSA(SHA256()))
    except InvalidSignature:
        raise ConfigError(f"{certificate_file}: is not the certificate of {source}") from None
    return key
