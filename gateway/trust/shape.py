"""The shape of the one signature that is taken: where everything stands, and what it may be.

The fixed profile of WSS 1.1.1 and its X.509 token profile. Nothing is searched for: every element is looked for in its
one place, and what is not in the list is refused. So there is no second reading of a message to be wrapped in.

    Envelope
      Header
        MessageID, To, Action (at most one each), ReplyTo, From, RelatesTo,
        FaultTo, in WS-Addressing of 2005 or 2004
        Security                                                             exactly one, for us
          BinarySecurityToken, Timestamp, Signature                          exactly one each, in any order
      Body

    Signature: SignedInfo (`trust/signed_info.py`), SignatureValue, KeyInfo
    KeyInfo:   SecurityTokenReference to the BinarySecurityToken by `#id`
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from lxml.etree import _Element

from gateway import codes
from gateway.codes import Code
from gateway.errors import UntrustedError
from gateway.message import Parsed
from gateway.soap import envelope, names
from gateway.trust import signed_info
from gateway.trust.signed_info import Reference, SignedInfo

CERTIFICATE: Final = 16_384
"""Most characters of base64 in the token: ten times a usual certificate."""

_SINGLE: Final = frozenset({"MessageID", "To", "Action"})
_SECURITY: Final = {names.TOKEN, names.TIMESTAMP, names.SIGNATURE}
_SIGNATURE: Final = [f"{{{names.DS}}}{name}" for name in ("SignedInfo", "SignatureValue", "KeyInfo")]
_ID_KEY: Final = frozenset({"Id"})
_WSU_KEY: Final = frozenset({names.ID})
_TOKEN_KEYS: Final = frozenset({names.ID, "ValueType", "EncodingType"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A message whose signature has the right shape; nothing about it is proven yet. Made by `read`."""

    body: _Element = field(repr=False)
    timestamp: _Element = field(repr=False)
    addressing: dict[str, _Element] = field(repr=False)
    """MessageID, To and Action, where present."""
    relating: list[_Element] = field(repr=False)
    """Every RelatesTo, whether or not it is covered."""
    certificate: bytes = field(repr=False)
    """DER, as the token holds it."""
    info: SignedInfo = field(repr=False)
    value: bytes = field(repr=False)


def read(parsed: Parsed) -> Shape:
    """Find every part in its place. Raises UntrustedError(SIG_*)."""
    # 1. Header: one Security, and the addressing headers.
    header = envelope.header_of(parsed.root, parsed.version)
    if header is None:
        raise UntrustedError(codes.SIG_MISSING, "no Header")
    securities, addressing, relating, targets = _headers(header)
    if len(securities) != 1:
        raise UntrustedError(
            codes.SIG_STRUCTURE if securities else codes.SIG_MISSING, f"{len(securities)} Security headers"
        )
    if not envelope.for_us(securities[0], parsed.version):
        raise UntrustedError(codes.SIG_STRUCTURE, "Security is for another actor")
    # 2. Security: token, Timestamp and Signature.
    token, timestamp, signature = _security(securities[0])
    body = envelope.body_of(parsed.root)
    places = _places((body, timestamp, token, *targets))
    # 3. Signature: SignedInfo, SignatureValue and KeyInfo.
    signed, value, key_info = _signature(signature)
    _points_to(key_info, token)
    info = signed_info.read(signed, places)
    # 4. Body, Timestamp and the addressing headers that we act on are covered.
    _covered((body, timestamp, *addressing.values()), info.references)
    return Shape(
        body=body,
        timestamp=timestamp,
        addressing=addressing,
        relating=relating,
        certificate=_token(token),
        info=info,
        value=_decoded(_packed(value), codes.SIG_VALUE),
    )


def _headers(header: _Element) -> tuple[list[_Element], dict[str, _Element], list[_Element], list[_Element]]:
    """Return Security, the headers that there may be one of, RelatesTo, and every addressing header."""
    securities: list[_Element] = []
    single: dict[str, _Element] = {}
    relating: list[_Element] = []
    targets: list[_Element] = []
    for block in header:
        tag = block.tag
        if tag == names.SECURITY:
            securities.append(block)
        elif (name := names.ADDRESSING.get(tag)) is not None:
            targets.append(block)
            if name in _SINGLE:
                if single.setdefault(name, block) is not block:
                    raise UntrustedError(codes.SIG_ADDRESSING, f"more than one {name}")
            elif name == "RelatesTo":
                relating.append(block)
    return securities, single, relating, targets


def _security(security: _Element) -> tuple[_Element, _Element, _Element]:
    children = {child.tag: child for child in security}
    if names.SIGNATURE not in children:
        raise UntrustedError(codes.SIG_MISSING, "no Signature")
    if len(security) != len(_SECURITY) or children.keys() != _SECURITY:
        raise UntrustedError(codes.SIG_STRUCTURE, "children of Security")
    return children[names.TOKEN], children[names.TIMESTAMP], children[names.SIGNATURE]


def _places(elements: Sequence[_Element]) -> dict[str, _Element]:
    """Return `#id` -> element for the elements that a Reference may point to."""
    places: dict[str, _Element] = {}
    for element in elements:
        name = element.get(names.ID)
        if name and places.setdefault(f"#{name}", element) is not element:
            raise UntrustedError(codes.SIG_REFERENCE, "an id on two elements")
    return places


def _signature(signature: _Element) -> list[_Element]:
    """Return SignedInfo, SignatureValue and KeyInfo."""
    children = list(signature)
    tags = [child.tag for child in children]
    if _SIGNATURE[-1] not in tags:
        raise UntrustedError(codes.SIG_KEY_INFO, "no KeyInfo")
    if tags != _SIGNATURE or not _ID_KEY.issuperset(signature.keys()):
        raise UntrustedError(codes.SIG_STRUCTURE, "content of Signature")
    return children


def _points_to(key_info: _Element, token: _Element) -> None:
    """KeyInfo is a direct reference to the token: X.509 token profile 1.1.1 section 3.2.1."""
    pointer = _only(_only(key_info, names.TOKEN_REFERENCE, _ID_KEY), names.TOKEN_POINTER, _WSU_KEY)
    name = token.get(names.ID)
    if not name or len(pointer) or sorted(pointer.items()) != [("URI", f"#{name}"), ("ValueType", names.X509V3)]:
        raise UntrustedError(codes.SIG_KEY_INFO)


def _only(element: _Element, tag: str, keys: frozenset[str]) -> _Element:
    """Return the one child, of that name, of an element that has no attributes but these."""
    if len(element) != 1 or element[0].tag != tag or not keys.issuperset(element.keys()):
        raise UntrustedError(codes.SIG_KEY_INFO, "content of KeyInfo")
    return element[0]


def _token(token: _Element) -> bytes:
    """Return the certificate; EncodingType is Base64Binary also where it is left out (WSS 1.1.1 section 6.2)."""
    if (
        not _TOKEN_KEYS.issuperset(token.keys())
        or token.get("ValueType") != names.X509V3
        or token.get("EncodingType", names.BASE64) != names.BASE64
    ):
        raise UntrustedError(codes.SIG_STRUCTURE, "BinarySecurityToken is not an X509v3 in Base64Binary")
    text = _packed(token)
    if len(text) > CERTIFICATE:
        raise UntrustedError(codes.CERT_FORMAT, f"more than {CERTIFICATE} characters")
    return _certificate(text)


def _covered(required: Sequence[_Element], references: Sequence[Reference]) -> None:
    targets = [reference.target for reference in references]
    for element in required:
        if element not in targets:
            raise UntrustedError(codes.SIG_COVERAGE, names.local(element))


def _packed(element: _Element) -> str:
    """Return base64 content without the white space that may stand anywhere in it (XSD part 2, 3.2.16)."""
    text = "" if len(element) else element.text or ""
    # In ASCII, `split` knows no white space that XML does not; what is not ASCII is not base64 anyway.
    return "".join(text.split()) if text.isascii() else text


def _decoded(text: str, code: Code) -> bytes:
    try:
        content = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise UntrustedError(code, "not base64") from None
    # RFC 4648 section 3.5: bits behind the padding could be anything to a decoder, so one value would have many forms.
    if binascii.b2a_base64(content, newline=False) != text.encode("ascii"):
        raise UntrustedError(code, "not canonical base64")
    return content


@lru_cache(maxsize=1024)
def _certificate(text: str) -> bytes:
    """Return the certificate of a token; the same ones come again and again."""
    return _decoded(text, codes.CERT_FORMAT)
