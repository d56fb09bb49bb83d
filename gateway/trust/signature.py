"""Verification: what of a message is proven, by whom, and when. The one thing this gateway may not get wrong.

The fixed profile is in `trust/shape.py` and `trust/signed_info.py`. The procedure, cheapest refusal first, and each
step only over what the steps before it have let through:

1. Shape: every part stands in its one place, and every Reference points to one of them.
2. Digests: the exclusive canonical form of each referenced element has the SHA-256 that SignedInfo says. The bytes that
   were digested are kept; nothing else of the message is read from here on.
3. Signer: the certificate holds for this partner at this time (`trust/chain.py`), and its key is strong and fits the
   algorithm.
4. Signature: the key signed the canonical form of SignedInfo, and so every digest in it.
5. Same sender: signer and TLS peer are the same partner and the same organisation.
6. Read again: Timestamp, MessageID, Action and the payload are read from the digested bytes. What was not signed can
   not be reached from them, and no parser can have seen anything else in them than the digest did. The first three are
   nearly always so plain that an expression over canonical bytes is a whole proof of what they say; anything else is
   parsed, with the same result.
7. Freshness, judged at the time of arrival.
8. Identity: the digest is of the canonical payload alone, so that signing again with a new Timestamp, other ids or
   another prefix for SOAP is still the same message.

References: WSS 1.1.1 sections 6, 8, 10 and 12; XMLDSig section 3.2; Exclusive C14N 1.0.
"""

from __future__ import annotations

import hashlib
import re
from binascii import b2a_base64
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from lxml.etree import _Element

from gateway import codes
from gateway.config import Limits
from gateway.errors import UntrustedError
from gateway.message import Digest, Fingerprint, MessageId, Parsed, Provenance, Verified
from gateway.soap import names, xml
from gateway.trust import chain, decoding, shape
from gateway.trust.signed_info import Reference

RSA_BITS: Final = (2048, 8192)
"""NIST SP 800-57 part 1: 2048 is the least until 2030. Above 8192 verification itself is an attack."""

_P256_BYTES: Final = 32
_PKCS1: Final = PKCS1v15()
_SHA256: Final = SHA256()
_ECDSA: Final = ECDSA(SHA256())
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]00:00)", re.ASCII)
_MESSAGE_ID: Final = re.compile(r"[!#-;=?-~]{1,256}")
"""An IRI made a URI (WS-Addressing 1.0 section 3.1): printable ASCII without quotation mark and angle brackets."""
_REPLY: Final = f"{names.WSA}/reply"
"""What a RelatesTo is that does not say (WS-Addressing 1.0 section 3.2)."""
_START: Final = re.compile(rb'<[^ >]+((?: [^ =]+="[^"]*")*)>')
_LEAF: Final = re.compile(rb'<[^ >]+(?: [^ =]+="[^"]*")*>([^<&]*)</[^<>]+>')
"""A canonical element with nothing but plain text in it: markup and escapes have `<` and `&`."""
_TIMESTAMP: Final = re.compile(
    rb'<(?:(?P<p>[^ :>]+):)?Timestamp(?: [^ =]+="[^"]*")*>'
    rb"<(?(p)(?P=p):)Created>(?P<created>[^<&\s]*)</(?(p)(?P=p):)Created>"
    rb"<(?(p)(?P=p):)Expires>(?P<expires>[^<&\s]*)</(?(p)(?P=p):)Expires></(?(p)(?P=p):)Timestamp>"
)
"""A canonical Timestamp as nearly all write it. The prefix of the element is that of its children, none of which can
bind it anew, so all three are in one namespace."""
_DECLARED: Final = re.compile(rb' xmlns:([^=]+)="')


def verify(parsed: Parsed, trust: chain.Trust, limits: Limits) -> Verified:
    """Return only what was signed, by this partner, fresh.

    Args:
        parsed: The envelope.
        trust: Who may sign.
        limits: Clock skew and message age.

    Raises:
        UntrustedError: SIG_*, CERT_*, SIGNER_PEER or TIME_*.
        UnavailableError: REVOCATION_UNAVAILABLE.
    """
    admitted = parsed.admitted
    received = admitted.received
    form = shape.read(parsed)  # 1
    digested = _digested(form.info.references)  # 2
    identity = trust.judge(form.certificate, partner=admitted.partner, role=chain.Role.SIGNER, at=received.at)  # 3
    _signed(identity.public_key, form)  # 3, 4
    if (identity.partner, identity.organisation) != (admitted.partner, admitted.organisation):  # 5
        raise UntrustedError(codes.SIGNER_PEER)
    created, expires = _times(digested[form.timestamp])  # 6
    _fresh(created, expires, received.at, limits)  # 7
    return _read(parsed, form, digested, created, identity.fingerprint)  # 6, 8


def reread(parsed: Parsed) -> Verified:
    """Return what was verified when it came, out of the store.

    Digests and signature are held to the bytes again, with the key of the certificate in them. Who that certificate is
    of, that it held, and that the message was fresh was judged then, by the clock and the lists of then.

    Raises:
        UntrustedError: SIG_*: these are not the bytes that were verified.
    """
    form = shape.read(parsed)
    digested = _digested(form.info.references)
    _signed(decoding.read(form.certificate).public_key(), form)
    created, _ = _times(digested[form.timestamp])
    return _read(parsed, form, digested, created, Fingerprint(hashlib.sha256(form.certificate).hexdigest()))


def _read(
    parsed: Parsed, form: shape.Shape, digested: dict[_Element, bytes], created: datetime, signer: Fingerprint
) -> Verified:
    """Return what was signed, and nothing else."""
    admitted = parsed.admitted
    received = admitted.received
    message_id, action = _said(form, digested)
    prefixes = next(reference.prefixes for reference in form.info.references if reference.target is form.body)
    content = _content(digested[form.body], prefixes)
    digest = Digest(hashlib.sha256(content).hexdigest())
    return Verified(
        provenance=Provenance(
            partner=admitted.partner,
            organisation=admitted.organisation,
            contract=received.contract,
            message_id=message_id or MessageId(f"urn:sha256:{digest}"),
            digest=digest,
            version=parsed.version,
            action=action,
            signer=signer,
            created=created,
            received_at=received.at,
            relates_to=_relation(form.relating, digested) if form.relating else None,
        ),
        payload=xml.reparse(content),
        certificate=form.certificate,
        evidence=received.body,
    )


def _digested(references: Sequence[Reference]) -> dict[_Element, bytes]:
    """Return the canonical bytes of each referenced element, having held them to their digests (XMLDSig 3.2.1)."""
    digested = {}
    for number, reference in enumerate(references, start=1):
        canonical = xml.canonical(reference.target, reference.prefixes)
        if b2a_base64(hashlib.sha256(canonical).digest(), newline=False) != reference.digest:
            raise UntrustedError(codes.SIG_DIGEST, f"reference {number}")
        digested[reference.target] = canonical
    return digested


def _signed(key: CertificatePublicKeyTypes, form: shape.Shape) -> None:
    """Hold the signature value to SignedInfo (XMLDSig 3.2.2), with a key that fits the algorithm."""
    hold(form.value, form.info.canonical, method=form.info.method, key=key)


def hold(value: bytes, data: bytes, *, method: str, key: CertificatePublicKeyTypes) -> None:
    """Hold a signature value to what was signed. Raises UntrustedError: SIG_KEY, SIG_VALUE.

    Args:
        value: In the form that XMLDSig gives it.
        data: What was signed, canonical.
        method: The algorithm's address.
        key: Which must fit the algorithm.
    """
    try:
        match method, key:
            case names.RSA_SHA256, RSAPublicKey():
                if not RSA_BITS[0] <= key.key_size <= RSA_BITS[1]:
                    raise UntrustedError(codes.SIG_KEY, f"RSA of {key.key_size} bits")
                key.verify(value, data, _PKCS1, _SHA256)
            case names.ECDSA_SHA256, EllipticCurvePublicKey(curve=SECP256R1()):
                key.verify(_dss(value), data, _ECDSA)
            case names.ED25519, Ed25519PublicKey():
                key.verify(value, data)
            case _:
                raise UntrustedError(codes.SIG_KEY, "the key does not fit the algorithm")
    except InvalidSignature:
        raise UntrustedError(codes.SIG_VALUE) from None


def _dss(value: bytes) -> bytes:
    """Return r and s, which XMLDSig writes side by side (RFC 4050 section 3.3, XMLDSig 1.1 section 6.4.3), as DER."""
    if len(value) != 2 * _P256_BYTES:
        raise UntrustedError(codes.SIG_VALUE, "not r and s of 32 bytes each")
    return encode_dss_signature(int.from_bytes(value[:_P256_BYTES]), int.from_bytes(value[_P256_BYTES:]))


def _said(form: shape.Shape, digested: dict[_Element, bytes]) -> tuple[MessageId | None, str | None]:
    """Return MessageID and Action out of the digested bytes."""
    said = {name: _text(digested[header]) for name, header in form.addressing.items()}
    message_id = said.get("MessageID")
    if message_id is not None and not _MESSAGE_ID.fullmatch(message_id):
        raise UntrustedError(codes.SIG_ADDRESSING, "MessageID")
    return None if message_id is None else MessageId(message_id), said.get("Action")


def _relation(relating: Sequence[_Element], digested: dict[_Element, bytes]) -> MessageId | None:
    """Return what a message says it answers (WS-Addressing 1.0 section 3.2), if it was signed and is but one thing.

    Nothing that comes in is judged by it, so nothing is refused for it; whoever waits for an answer needs it.
    """
    if len(relating) > 1 or relating[0] not in digested:
        return None
    element = xml.reparse(digested[relating[0]])
    text = (element.text or "").strip(" \t\r\n")
    if len(element) or element.get("RelationshipType", _REPLY) != _REPLY or not _MESSAGE_ID.fullmatch(text):
        return None
    return MessageId(text)


def _text(header: bytes) -> str:
    """Return the text of a canonical header block; where it holds escapes or more, what a parser reads in it."""
    plain = _LEAF.fullmatch(header)
    return _walked_text(header) if plain is None else plain[1].decode().strip(" \t\r\n")


def _walked_text(header: bytes) -> str:
    element = xml.reparse(header)
    if len(element):
        raise UntrustedError(codes.SIG_ADDRESSING, "an addressing header with elements in it")
    return (element.text or "").strip(" \t\r\n")


def _fresh(created: datetime, expires: datetime, at: datetime, limits: Limits) -> None:
    """Judge by the time of arrival. A clock may be wrong by the skew, either way: it is added to every limit."""
    if created > expires:
        raise UntrustedError(codes.TIME_FORMAT, "Expires is before Created")
    if created - at > limits.clock_skew:
        raise UntrustedError(codes.TIME_FUTURE)
    if at - created > limits.message_age + limits.clock_skew:
        raise UntrustedError(codes.TIME_STALE, "Created")
    if at - expires > limits.clock_skew:
        raise UntrustedError(codes.TIME_STALE, "Expires")


def _times(timestamp: bytes) -> tuple[datetime, datetime]:
    """Return Created and Expires of a canonical Timestamp; where it is not the plainest, as a parser reads it."""
    plain = _TIMESTAMP.fullmatch(timestamp)
    if plain is None:
        return _walked_times(timestamp)
    return _time(plain["created"].decode(), "Created"), _time(plain["expires"].decode(), "Expires")


def _walked_times(timestamp: bytes) -> tuple[datetime, datetime]:
    element = xml.reparse(timestamp)
    children = list(element)
    texts = (element.text, *(child.tail for child in children))
    if [child.tag for child in children] != [names.CREATED, names.EXPIRES] or "".join(filter(None, texts)).strip(
        " \t\r\n"
    ):
        raise UntrustedError(codes.TIME_FORMAT, "content of Timestamp")
    created, expires = (
        _time("" if len(child) or child.keys() else (child.text or "").strip(" \t\r\n"), names.local(child))
        for child in children
    )
    return created, expires


def _time(text: str, where: str) -> datetime:
    """Return an xs:dateTime in UTC (WSS 1.1.1 section 10); digits after the microseconds are dropped."""
    if not _TIME.fullmatch(text):
        raise UntrustedError(codes.TIME_FORMAT, where)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise UntrustedError(codes.TIME_FORMAT, where) from None


def _content(body: bytes, prefixes: Sequence[str] | None) -> bytes:
    """Return the exclusive canonical form of the one element inside the canonical Body.

    It stands there byte for byte, unless it relies on a declaration that the Body's start tag has made; then it is
    parsed and canonicalised by itself. Both give the same bytes for the same payload. A PrefixList is kept: what it
    lists was signed because names inside text or attributes (`xsi:type`) may need it.
    """
    start = _START.match(body)
    if start is None:
        raise UntrustedError(codes.SIG_STRUCTURE, "Body")
    begin, end = body.index(b"<", start.end()), body.rindex(b"<")
    content = body[begin : body.rindex(b">", begin, end) + 1]
    if prefixes or b' xmlns="' in start[1]:
        return xml.canonical(xml.reparse(body)[0], prefixes)
    for prefix in _DECLARED.findall(start[1]):
        if prefix + b":" in content:
            return xml.canonical(xml.reparse(body)[0])
    return content
