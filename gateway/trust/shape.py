"""The shape of the one signature that is taken: where everything stands, and what it may be.

The fixed profile of WSS 1.1.1 and its X.509 token profile. Nothing is searched for: every element is looked for in its
one place, and what is not in the list is refused. So there is no second reading of a message to be wrapped in.

    Envelope
      Header
        MessageID, To, Action (at most one each), ReplyTo, From, RelatesTo   in WS-Addressing of 2005 or 2004
        Security                                                             exactly one, for us
          BinarySecurityToken, Timestamp, Signature                          exactly one each, in any order
      Body

    Signature: SignedInfo (exclusive C14N, method, 2 to 8 References), SignatureValue, KeyInfo
    Reference: `#id` of an element above, one exclusive C14N transform, SHA-256
    KeyInfo:   SecurityTokenReference to the BinarySecurityToken by `#id`

InclusiveNamespaces is honoured where it stands: other stacks write it and sign what it says.

SignedInfo is read out of the canonical bytes that were signed, where these are the plainest that the profile knows: one
expression is then the whole shape. All other SignedInfo is walked, element by element, and either taken or refused with
what is wrong; a test holds the two readings to each other.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from lxml.etree import _Element

from gateway import codes
from gateway.codes import Code
from gateway.errors import UntrustedError
from gateway.message import Parsed
from gateway.soap import envelope, names, xml

REFERENCES: Final = 8
"""Most References: Body, Timestamp, token and the addressing headers of one message."""
PREFIXES: Final = 32
"""Most tokens in one PrefixList."""

CERTIFICATE: Final = 16_384
"""Most characters of base64 in the token: ten times a usual certificate."""

_METHODS: Final = frozenset({names.RSA_SHA256, names.ECDSA_SHA256, names.ED25519})
_SINGLE: Final = frozenset({"MessageID", "To", "Action"})
_SECURITY: Final = {names.TOKEN, names.TIMESTAMP, names.SIGNATURE}
_SIGNATURE: Final = [f"{{{names.DS}}}{name}" for name in ("SignedInfo", "SignatureValue", "KeyInfo")]
_METHOD_TAGS: Final = [f"{{{names.DS}}}{name}" for name in ("CanonicalizationMethod", "SignatureMethod")]
_REFERENCE: Final = f"{{{names.DS}}}Reference"
_REFERENCE_PARTS: Final = [f"{{{names.DS}}}{name}" for name in ("Transforms", "DigestMethod", "DigestValue")]
_TRANSFORM: Final = f"{{{names.DS}}}Transform"
_INCLUSIVE: Final = f"{{{names.EXCLUSIVE_C14N}}}InclusiveNamespaces"
_EXCLUSIVE: Final = [("Algorithm", names.EXCLUSIVE_C14N)]
_SHA256: Final = [("Algorithm", names.SHA256)]
_MARK: Final = "(?(p)(?P=p):)"
_PLAIN_REFERENCE: Final = (
    f'<{_MARK}Reference URI="#[^"&]+"><{_MARK}Transforms><{_MARK}Transform Algorithm="{names.EXCLUSIVE_C14N}">'
    f'</{_MARK}Transform></{_MARK}Transforms><{_MARK}DigestMethod Algorithm="{names.SHA256}"></{_MARK}DigestMethod>'
    f"<{_MARK}DigestValue>[A-Za-z0-9+/]{{43}}=</{_MARK}DigestValue></{_MARK}Reference>"
)
_PLAIN: Final = re.compile(
    (
        f'<(?:(?P<p>[A-Za-z][A-Za-z0-9]*):)?SignedInfo xmlns(?(p):(?P=p))="{names.DS}">'
        f'<{_MARK}CanonicalizationMethod Algorithm="{names.EXCLUSIVE_C14N}"></{_MARK}CanonicalizationMethod>'
        f'<{_MARK}SignatureMethod Algorithm="(?P<method>[^"&]+)"></{_MARK}SignatureMethod>'
        f"(?:{_PLAIN_REFERENCE}){{1,{REFERENCES}}}</{_MARK}SignedInfo>"
    ).encode()
)
_PLAIN_PARTS: Final = re.compile(rb'URI="([^"]+)".*?DigestValue>([^<]+)<')
_SPACE: Final = re.compile("[ \\t\\r\\n]+")
_PREFIX: Final = re.compile(r"#default|[^\W\d][\w.-]*")
_ID_KEY: Final = frozenset({"Id"})
_ALGORITHM_KEY: Final = frozenset({"Algorithm"})
_REFERENCE_KEYS: Final = frozenset({"URI", "Id"})
_WSU_KEY: Final = frozenset({names.ID})
_TOKEN_KEYS: Final = frozenset({names.ID, "ValueType", "EncodingType"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One digested element, in one of the allowed places."""

    target: _Element
    prefixes: Sequence[str] | None
    digest: str
    """Base64, as it is written; compared as text, so that a digest has one form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A message whose signature has the right shape; nothing about it is proven yet. Made by `read`."""

    body: _Element = field(repr=False)
    timestamp: _Element = field(repr=False)
    addressing: dict[str, _Element] = field(repr=False)
    """MessageID, To and Action, where present."""
    certificate: bytes = field(repr=False)
    """DER, as the token holds it."""
    info: bytes = field(repr=False)
    """SignedInfo in the canonical form that it names: what was signed."""
    method: str
    """The signature algorithm's address."""
    references: tuple[Reference, ...] = field(repr=False)
    value: bytes = field(repr=False)


def read(parsed: Parsed) -> Shape:
    """Find every part in its place. Raises UntrustedError(SIG_*)."""
    # 1. Header: one Security, and the addressing headers.
    header = envelope.header_of(parsed.root, parsed.version)
    if header is None:
        raise UntrustedError(codes.SIG_MISSING, "no Header")
    securities, addressing, targets = _headers(header)
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
    if all(child.tag != _SIGNATURE[-1] for child in signature):
        raise UntrustedError(codes.SIG_KEY_INFO, "no KeyInfo")
    signed, value, key_info = _parts(signature, _SIGNATURE, _ID_KEY, codes.SIG_STRUCTURE)
    _points_to(key_info, token)
    info = xml.canonical(signed)
    plain = _PLAIN.fullmatch(info)
    if plain is not None and (method := plain["method"].decode()) in _METHODS:
        references = _plain_references(info, places)
    else:
        info, method, references = _signed_info(signed, places)
    # 4. Body, Timestamp and the addressing headers that we act on are covered.
    _covered((body, timestamp, *addressing.values()), references)
    return Shape(
        body=body,
        timestamp=timestamp,
        addressing=addressing,
        certificate=_token(token),
        info=info,
        method=method,
        references=references,
        value=_decoded(_packed(value), codes.SIG_VALUE),
    )


def _headers(header: _Element) -> tuple[list[_Element], dict[str, _Element], list[_Element]]:
    securities: list[_Element] = []
    single: dict[str, _Element] = {}
    targets: list[_Element] = []
    for block in header:
        tag = block.tag
        if tag == names.SECURITY:
            securities.append(block)
        elif (name := names.ADDRESSING.get(tag)) is not None:
            targets.append(block)
            if name in _SINGLE and single.setdefault(name, block) is not block:
                raise UntrustedError(codes.SIG_ADDRESSING, f"more than one {name}")
    return securities, single, targets


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


def _parts(element: _Element, tags: Sequence[str], keys: frozenset[str], code: Code) -> list[_Element]:
    """Return the children, which must be exactly these, of an element that has no attributes but these."""
    children = list(element)
    if [child.tag for child in children] != tags or not keys.issuperset(element.keys()):
        raise UntrustedError(code, "content of a signature element")
    return children


def _points_to(key_info: _Element, token: _Element) -> None:
    """KeyInfo is a direct reference to the token: X.509 token profile 1.1.1 section 3.2.1."""
    (reference,) = _parts(key_info, [names.TOKEN_REFERENCE], _ID_KEY, codes.SIG_KEY_INFO)
    (pointer,) = _parts(reference, [names.TOKEN_POINTER], _WSU_KEY, codes.SIG_KEY_INFO)
    name = token.get(names.ID)
    if (
        not name
        or len(pointer)
        or sorted(pointer.keys()) != ["URI", "ValueType"]
        or pointer.get("URI") != f"#{name}"
        or pointer.get("ValueType") != names.X509V3
    ):
        raise UntrustedError(codes.SIG_KEY_INFO)


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


def _plain_references(info: bytes, places: dict[str, _Element]) -> tuple[Reference, ...]:
    """Read the References of a SignedInfo that is `_PLAIN`; none may point where another has pointed."""
    left = dict(places)
    references = []
    for number, (uri, digest) in enumerate(_PLAIN_PARTS.findall(info), start=1):
        target = left.pop(uri.decode(), None)
        if target is None:
            raise UntrustedError(codes.SIG_REFERENCE, f"reference {number}")
        references.append(Reference(target=target, prefixes=None, digest=digest.decode()))
    return tuple(references)


def _signed_info(info: _Element, places: dict[str, _Element]) -> tuple[bytes, str, tuple[Reference, ...]]:
    """Walk any SignedInfo; return its canonical form, the method and the References."""
    children = list(info)
    tags = [child.tag for child in children]
    if tags[:2] != _METHOD_TAGS or set(tags[2:]) != {_REFERENCE} or not _ID_KEY.issuperset(info.keys()):
        raise UntrustedError(codes.SIG_STRUCTURE, "content of SignedInfo")
    if len(tags) - 2 > REFERENCES:
        raise UntrustedError(codes.SIG_REFERENCE, f"more than {REFERENCES} references")
    if children[0].items() != _EXCLUSIVE:
        raise UntrustedError(codes.SIG_ALGORITHM, "CanonicalizationMethod")
    method = children[1].get("Algorithm", "")
    if method not in _METHODS or len(children[1].keys()) != 1 or len(children[1]):
        raise UntrustedError(codes.SIG_ALGORITHM, "SignatureMethod")
    left = dict(places)
    references = tuple([_reference(child, left, number) for number, child in enumerate(children[2:], start=1)])
    return xml.canonical(info, _prefixes(children[0], codes.SIG_ALGORITHM)), method, references


def _reference(reference: _Element, left: dict[str, _Element], number: int) -> Reference:
    """Read one Reference, and take its target from those `left`: none may be pointed to twice."""
    target = left.pop(reference.get("URI", ""), None)
    if target is None or not _REFERENCE_KEYS.issuperset(reference.keys()):
        raise UntrustedError(codes.SIG_REFERENCE, f"reference {number}")
    parts = list(reference)
    tags = [part.tag for part in parts]
    if _REFERENCE_PARTS[0] not in tags:
        raise UntrustedError(codes.SIG_TRANSFORM, f"reference {number}")
    if tags != _REFERENCE_PARTS:
        raise UntrustedError(codes.SIG_STRUCTURE, f"content of reference {number}")
    transforms, method, value = parts
    transform = transforms[0] if len(transforms) == 1 else transforms
    if transform.tag != _TRANSFORM or transform.items() != _EXCLUSIVE or transforms.keys():
        raise UntrustedError(codes.SIG_TRANSFORM, f"reference {number}")
    if method.items() != _SHA256 or len(method):
        raise UntrustedError(codes.SIG_ALGORITHM, f"DigestMethod of reference {number}")
    if len(value) or value.keys():
        raise UntrustedError(codes.SIG_STRUCTURE, f"DigestValue of reference {number}")
    return Reference(target=target, prefixes=_prefixes(transform, codes.SIG_TRANSFORM), digest=_packed(value))


def _prefixes(element: _Element, code: Code) -> Sequence[str] | None:
    """Return the PrefixList of Exclusive C14N section 3, None where there is none."""
    if not len(element):
        return None
    (inclusive,) = _parts(element, [_INCLUSIVE], _ALGORITHM_KEY, code)
    if inclusive.keys() != ["PrefixList"] or len(inclusive):
        raise UntrustedError(code, "InclusiveNamespaces")
    prefixes = _SPACE.sub(" ", inclusive.get("PrefixList", "")).strip(" ").split(" ")
    if prefixes == [""]:
        return None
    if len(prefixes) > PREFIXES or not all(map(_PREFIX.fullmatch, prefixes)):
        raise UntrustedError(code, "PrefixList")
    return prefixes


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
    if binascii.b2a_base64(content, newline=False).decode("ascii") != text:
        raise UntrustedError(code, "not canonical base64")
    return content


@lru_cache(maxsize=1024)
def _certificate(text: str) -> bytes:
    """Return the certificate of a token; the same ones come again and again."""
    return _decoded(text, codes.CERT_FORMAT)
