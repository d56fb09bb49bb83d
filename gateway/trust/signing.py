"""Signing by the same fixed profile that `trust/signature.py` verifies: receipts, and what our own clients send.

`sign` writes the envelope as text. Every part that is signed is written in its exclusive canonical form, with all its
namespace declarations on itself, so the text is digested as it stands and nothing is parsed or canonicalised: a third
of the cost, and the rule "canonical by construction" is held by a test that canonicalises and compares.

`sign_element` does the same to an envelope somebody else has built.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from lxml import etree
from lxml.etree import _Element

from gateway import codes
from gateway.errors import ConfigError, MalformedError
from gateway.message import SoapVersion
from gateway.soap import envelope as soap
from gateway.soap import names, xml

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey

_PKCS1: Final = PKCS1v15()
_SHA256: Final = SHA256()
_ECDSA: Final = ECDSA(SHA256())
_RSA_BITS: Final = 2048
_SHARED: Final = ("xmlns:soap=", "xmlns:wsu=")


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A private key, and the certificate that tells whose it is.

    Raises ConfigError where the profile would refuse the key: RSA below 2048 bits, a curve other than P-256.
    """

    key: PrivateKey = field(repr=False)
    certificate: bytes = field(repr=False)
    """DER."""
    method: str = field(init=False)
    """The signature algorithm's address."""
    token: str = field(init=False, repr=False)
    """The BinarySecurityToken element."""

    def __post_init__(self) -> None:
        """Compose once what every signature repeats."""
        content = base64.b64encode(self.certificate).decode("ascii")
        object.__setattr__(self, "method", _method(self.key))
        object.__setattr__(
            self,
            "token",
            f'<wsse:BinarySecurityToken xmlns:wsse="{names.WSSE}" xmlns:wsu="{names.WSU}" EncodingType="{names.BASE64}"'
            f' ValueType="{names.X509V3}" wsu:Id="Token">{content}</wsse:BinarySecurityToken>',
        )

    def sign(self, data: bytes) -> bytes:
        """Return the signature value in the form that XMLDSig gives it."""
        match self.key:
            case RSAPrivateKey():
                return self.key.sign(data, _PKCS1, _SHA256)
            case Ed25519PrivateKey():
                return self.key.sign(data)
            case EllipticCurvePrivateKey():
                r, s = decode_dss_signature(self.key.sign(data, _ECDSA))
                return r.to_bytes(32) + s.to_bytes(32)


def instant(time: datetime) -> str:
    """Return an aware time as xs:dateTime in UTC, in milliseconds."""
    return f"{time.astimezone(UTC).isoformat(timespec='milliseconds')[:-6]}Z"


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
    said = {"MessageID": message_id, "To": to, "Action": action, "RelatesTo": relates_to}
    headers = {name: _heading(name, text) for name, text in said.items() if text is not None}
    timestamp = _timestamp(created, expires)
    body = f'<soap:Body xmlns:soap="{version}" xmlns:wsu="{names.WSU}" wsu:Id="Body">{payload}</soap:Body>'
    if any(shared in payload for shared in _SHARED):
        # What Body has declared already is not declared again inside it, so this payload is canonical only by itself.
        body = xml.canonical(xml.reparse(body.encode())).decode()
    parts = {"Body": body, "Timestamp": timestamp, **headers}
    security = _security(key, version, timestamp, ((name, part.encode()) for name, part in parts.items()))
    return (
        f'<soap:Envelope xmlns:soap="{version}"><soap:Header>{"".join(headers.values())}{security}</soap:Header>'
        f"{body}</soap:Envelope>"
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
    parts = [("Timestamp", timestamp.encode())]
    for number, target in enumerate(targets):
        name = target.get(names.ID) or f"id-{number}"
        target.set(names.ID, name)
        parts.append((name, xml.canonical(target)))
    header.append(xml.reparse(_security(key, version, timestamp, parts).encode()))


def _method(key: PrivateKey) -> str:
    match key:
        case RSAPrivateKey() if key.key_size >= _RSA_BITS:
            return names.RSA_SHA256
        case EllipticCurvePrivateKey() if isinstance(key.curve, SECP256R1):
            return names.ECDSA_SHA256
        case Ed25519PrivateKey():
            return names.ED25519
        case _:
            raise ConfigError("the key is not RSA of 2048 bits or more, P-256 or Ed25519")


def _heading(name: str, text: str) -> str:
    start = f'<wsa:{name} xmlns:wsa="{names.WSA}" xmlns:wsu="{names.WSU}" wsu:Id="{name}">'
    return f"{start}{xml.escape(text)}</wsa:{name}>"


def _timestamp(created: datetime, expires: datetime) -> str:
    return (
        f'<wsu:Timestamp xmlns:wsu="{names.WSU}" wsu:Id="Timestamp"><wsu:Created>{instant(created)}</wsu:Created>'
        f"<wsu:Expires>{instant(expires)}</wsu:Expires></wsu:Timestamp>"
    )


def _security(key: SigningKey, version: SoapVersion, timestamp: str, parts: Iterable[tuple[str, bytes]]) -> str:
    """Return the Security header over `parts`: id and canonical bytes of each."""
    info = (
        f'<ds:SignedInfo xmlns:ds="{names.DS}"><ds:CanonicalizationMethod Algorithm="{names.EXCLUSIVE_C14N}">'
        f'</ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="{key.method}"></ds:SignatureMethod>'
        f"{''.join(_reference(name, part) for name, part in parts)}</ds:SignedInfo>"
    )
    value = base64.b64encode(key.sign(info.encode())).decode("ascii")
    return (
        f'<wsse:Security xmlns:soap="{version}" xmlns:wsse="{names.WSSE}" soap:mustUnderstand="1">'
        f'{key.token}{timestamp}<ds:Signature xmlns:ds="{names.DS}">{info}'
        f"<ds:SignatureValue>{value}</ds:SignatureValue><ds:KeyInfo><wsse:SecurityTokenReference>"
        f'<wsse:Reference URI="#Token" ValueType="{names.X509V3}">'
        "</wsse:Reference></wsse:SecurityTokenReference></ds:KeyInfo></ds:Signature></wsse:Security>"
    )


def _reference(name: str, part: bytes) -> str:
    digest = base64.b64encode(hashlib.sha256(part).digest()).decode("ascii")
    return (
        f'<ds:Reference URI="#{xml.escape_attribute(name)}"><ds:Transforms>'
        f'<ds:Transform Algorithm="{names.EXCLUSIVE_C14N}"></ds:Transform></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{names.SHA256}"></ds:DigestMethod>'
        f"<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference>"
    )
