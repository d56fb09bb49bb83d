"""Signing by the same fixed profile that `trust/signature.py` verifies: receipts, and what our own clients send.

`sign` writes the envelope as text. Every part that is signed is written in its exclusive canonical form, with all its
namespace declarations on itself, so the text is digested as it stands and nothing is parsed or canonicalised: a third
of the cost, and the rule "canonical by construction" is held by a test that canonicalises and compares.

`sign_element` does the same to an envelope somebody else has built.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from lxml import etree
from lxml.etree import _Element

from gateway import codes
from gateway.errors import ConfigError, MalformedError
from gateway.message import Fingerprint, SoapVersion
from gateway.soap import envelope as soap
from gateway.soap import names, xml

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey


class Remote(Protocol):
    """A private key that signs where it is, and is never here: on a token (`pkcs11`). Shared between threads."""

    @property
    def method(self) -> str:
        """The signature algorithm's address."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Return the signature value in the form that XMLDSig gives it. Raises UnavailableError."""
        ...


_PKCS1: Final = PKCS1v15()
_SHA256: Final = SHA256()
_ECDSA: Final = ECDSA(SHA256())
_RSA_BITS: Final = 2048

# What every signature repeats, composed once.
_INFO: Final = (
    f'<ds:SignedInfo xmlns:ds="{names.DS}"><ds:CanonicalizationMethod Algorithm="{names.EXCLUSIVE_C14N}">'
    '</ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="'
)
_SIGNATURE: Final = f'<ds:Signature xmlns:ds="{names.DS}">'
_KEY_INFO: Final = (
    f'<ds:KeyInfo><wsse:SecurityTokenReference><wsse:Reference URI="#Token" ValueType="{names.X509V3}">'
    "</wsse:Reference></wsse:SecurityTokenReference></ds:KeyInfo></ds:Signature></wsse:Security>"
)
_DIGESTED: Final = (
    f'"><ds:Transforms><ds:Transform Algorithm="{names.EXCLUSIVE_C14N}"></ds:Transform></ds:Transforms>'
    f'<ds:DigestMethod Algorithm="{names.SHA256}"></ds:DigestMethod><ds:DigestValue>'
)
_HEADING: Final = f' xmlns:wsa="{names.WSA}" xmlns:wsu="{names.WSU}" wsu:Id="'
_TIMESTAMP: Final = f'<wsu:Timestamp xmlns:wsu="{names.WSU}" wsu:Id="Timestamp"><wsu:Created>'
_BODY: Final = f'" xmlns:wsu="{names.WSU}" wsu:Id="Body">'


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A private key, and the certificate that tells whose it is.

    Raises ConfigError where the profile would refuse the key: RSA below 2048 bits, a curve other than P-256.
    """

    key: PrivateKey | Remote = field(repr=False)
    certificate: bytes = field(repr=False)
    """DER."""
    method: str = field(init=False)
    """The signature algorithm's address."""
    token: str = field(init=False, repr=False)
    """The BinarySecurityToken element."""
    fingerprint: Fingerprint = field(init=False)
    """SHA-256 of the certificate."""

    def __post_init__(self) -> None:
        """Compose once what every signature repeats."""
        content = b2a_base64(self.certificate, newline=False).decode("ascii")
        object.__setattr__(self, "fingerprint", Fingerprint(sha256(self.certificate).hexdigest()))
        object.__setattr__(
            self, "method", method(self.key.public_key()) if isinstance(self.key, PrivateKey) else self.key.method
        )
        object.__setattr__(
            self,
            "token",
            f'<wsse:BinarySecurityToken xmlns:wsse="{names.WSSE}" xmlns:wsu="{names.WSU}" EncodingType="{names.BASE64}"'
            f' ValueType="{names.X509V3}" wsu:Id="Token">{content}</wsse:BinarySecurityToken>',
        )

    @property
    def remote(self) -> bool:
        """Whether signing waits for somebody else."""
        return not isinstance(self.key, PrivateKey)

    def sign(self, data: bytes) -> bytes:
        """Return the signature value in the form that XMLDSig gives it. Raises UnavailableError where it is remote."""
        match self.key:
            case EllipticCurvePrivateKey():
                r, s = decode_dss_signature(self.key.sign(data, _ECDSA))
                return r.to_bytes(32) + s.to_bytes(32)
            case RSAPrivateKey():
                return self.key.sign(data, _PKCS1, _SHA256)
            case _:
                return self.key.sign(data)


def instant(time: datetime) -> str:
    """Return an aware time as xs:dateTime in UTC, in milliseconds."""
    utc = time if time.tzinfo is UTC else time.astimezone(UTC)
    # Half the cost of isoformat, which asks the zone for its offset.
    return "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ" % (  # noqa: UP031  # and of an f-string
        utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond // 1000,
    )  # fmt: skip


def sign(  # noqa: PLR0913  # each is one header; they have no other home
    payload: str,
    *,
    key: SigningKey,
    version: SoapVersion,
    created: datetime,
    expires: datetime,
    message_id: str | None = None,
    to: str | None = None,
    action: str | None = None,
    relates_to: str | None = None,
) -> bytes:
    """Return a whole signed envelope.

    Args:
        payload: The one child of Body, in exclusive canonical form.
        key: Who signs.
        version: The SOAP version.
        created: `wsu:Created`, aware.
        expires: `wsu:Expires`, aware.
        message_id: `wsa:MessageID`.
        to: `wsa:To`.
        action: `wsa:Action`.
        relates_to: `wsa:RelatesTo`.
    """
    said = (("MessageID", message_id), ("To", to), ("Action", action), ("RelatesTo", relates_to))
    headers = [
        _repeated(name, text) if name in _REPEATED else _heading(name, text) for name, text in said if text is not None
    ]
    timestamp = _timestamp(created, expires)
    body = f'<soap:Body xmlns:soap="{version}{_BODY}{payload}</soap:Body>'
    if "xmlns:soap=" in payload or "xmlns:wsu=" in payload:
        # What Body has declared already is not declared again inside it, so this payload is canonical only by itself.
        body = xml.canonical(xml.reparse(body.encode())).decode()
    references = [_reference("Body", body.encode()), _reference("Timestamp", timestamp.encode())]
    security = _security(key, version, timestamp, [*references, *(reference for _, reference in headers)])
    return (
        f'<soap:Envelope xmlns:soap="{version}"><soap:Header>{"".join([block for block, _ in headers])}{security}'
        f"</soap:Header>{body}</soap:Envelope>"
    ).encode()


def sign_element(envelope: _Element, *, key: SigningKey, created: datetime, expires: datetime) -> None:
    """Sign an envelope in place: Body and the addressing headers it has, in a new Security header.

    Elements without a `wsu:Id` are given one. Raises MalformedError where the envelope is none, or is signed already.
    """
    version = soap.version_of(envelope)
    header = soap.header_of(envelope, version)
    if header is None:
        header = etree.Element(f"{{{version}}}Header", nsmap={"soap": version})
        envelope.insert(0, header)
    if header.find(names.SECURITY) is not None:
        raise MalformedError(codes.SOAP_ENVELOPE, "is signed already")
    targets = [soap.body_of(envelope), *(block for block in header if block.tag in names.ADDRESSING)]
    timestamp = _timestamp(created, expires)
    references = [_reference("Timestamp", timestamp.encode())]
    for number, target in enumerate(targets):
        name = target.get(names.ID) or f"id-{number}"
        target.set(names.ID, name)
        references.append(_reference(name, xml.canonical(target)))
    header.append(xml.reparse(_security(key, version, timestamp, references).encode()))


def method(public: object) -> str:
    """Return the address of the algorithm that the profile uses a key with. Raises ConfigError where it uses none."""
    match public:
        case RSAPublicKey() if public.key_size >= _RSA_BITS:
            return names.RSA_SHA256
        case EllipticCurvePublicKey() if isinstance(public.curve, SECP256R1):
            return names.ECDSA_SHA256
        case Ed25519PublicKey():
            return names.ED25519
        case _:
            raise ConfigError("the key is not RSA of 2048 bits or more, P-256 or Ed25519")


_REPEATED: Final = frozenset({"To", "Action"})
"""Headers that say the same in message after message."""


@lru_cache(maxsize=256)
def _repeated(name: str, text: str) -> tuple[str, str]:
    return _heading(name, text)


def _heading(name: str, text: str) -> tuple[str, str]:
    """Return an addressing header, and the reference to it."""
    block = f'<wsa:{name}{_HEADING}{name}">{xml.escape(text)}</wsa:{name}>'
    return block, _reference(name, block.encode())


def _timestamp(created: datetime, expires: datetime) -> str:
    return f"{_TIMESTAMP}{instant(created)}</wsu:Created><wsu:Expires>{instant(expires)}</wsu:Expires></wsu:Timestamp>"


def _security(key: SigningKey, version: SoapVersion, timestamp: str, references: Sequence[str]) -> str:
    """Return the Security header over what `references` refer to."""
    info = f'{_INFO}{key.method}"></ds:SignatureMethod>{"".join(references)}</ds:SignedInfo>'
    value = b2a_base64(key.sign(info.encode()), newline=False).decode("ascii")
    return (
        f'<wsse:Security xmlns:soap="{version}" xmlns:wsse="{names.WSSE}" soap:mustUnderstand="1">'
        f"{key.token}{timestamp}{_SIGNATURE}{info}<ds:SignatureValue>{value}</ds:SignatureValue>{_KEY_INFO}"
    )


def _reference(name: str, part: bytes) -> str:
    """Return the reference to `part`, the canonical bytes of what has the id `name`."""
    digest = b2a_base64(sha256(part).digest(), newline=False).decode("ascii")
    return f"{_start(name)}{digest}</ds:DigestValue></ds:Reference>"


@lru_cache(maxsize=64)
def _start(name: str) -> str:
    return f'<ds:Reference URI="#{xml.escape_attribute(name)}{_DIGESTED}'
