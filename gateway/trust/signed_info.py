"""SignedInfo: which elements a signature digested, and how. Read once, out of what was signed.

    SignedInfo   CanonicalizationMethod (exclusive C14N), SignatureMethod, 2 to 10 References
    Reference    `#id` of an element in one of the given places, one exclusive C14N transform, SHA-256

A canonical form is unique. So where the canonical SignedInfo is the plainest that the profile knows, one expression
over its bytes is the whole shape (`_PLAIN`), at a fifth of the cost. Everything else is walked, element by element, and
taken or refused with what is wrong: attributes and space that XMLDSig allows, and InclusiveNamespaces, which other
stacks write and sign what it says. A test holds the two readings to each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from lxml.etree import _Element

from gateway import codes
from gateway.codes import Code
from gateway.errors import UntrustedError
from gateway.soap import names, xml

REFERENCES: Final = 10
"""Most References: Body, Timestamp, token and the addressing headers of one message."""
PREFIXES: Final = 32
"""Most tokens in one PrefixList."""

_METHODS: Final = frozenset({names.RSA_SHA256, names.ECDSA_SHA256, names.ED25519})
_METHOD_TAGS: Final = [f"{{{names.DS}}}{name}" for name in ("CanonicalizationMethod", "SignatureMethod")]
_REFERENCE: Final = f"{{{names.DS}}}Reference"
_REFERENCE_PARTS: Final = [f"{{{names.DS}}}{name}" for name in ("Transforms", "DigestMethod", "DigestValue")]
_TRANSFORM: Final = f"{{{names.DS}}}Transform"
_INCLUSIVE: Final = f"{{{names.EXCLUSIVE_C14N}}}InclusiveNamespaces"
_EXCLUSIVE: Final = [("Algorithm", names.EXCLUSIVE_C14N)]
_SHA256: Final = [("Algorithm", names.SHA256)]
_SPACE: Final = re.compile("[ \\t\\r\\n]+")
_PREFIX: Final = re.compile(r"#default|[^\W\d][\w.-]*")
_ID_KEY: Final = frozenset({"Id"})
_REFERENCE_KEYS: Final = frozenset({"URI", "Id"})

_DS: Final = "(?(p)(?P=p):)"
"""The one prefix that SignedInfo declares, or none: nothing inside it declares another."""
_PLAIN_REFERENCE: Final = (
    f'<{_DS}Reference URI="#[A-Za-z0-9_.:-]+"><{_DS}Transforms><{_DS}Transform Algorithm="{names.EXCLUSIVE_C14N}">'
    f'</{_DS}Transform></{_DS}Transforms><{_DS}DigestMethod Algorithm="{names.SHA256}"></{_DS}DigestMethod>'
    f"<{_DS}DigestValue>[A-Za-z0-9+/]{{43}}=</{_DS}DigestValue></{_DS}Reference>"
)
_PLAIN: Final = re.compile(
    (
        f'<(?:(?P<p>[A-Za-z][A-Za-z0-9]*):)?SignedInfo xmlns(?(p):(?P=p))="{names.DS}">'
        f'<{_DS}CanonicalizationMethod Algorithm="{names.EXCLUSIVE_C14N}"></{_DS}CanonicalizationMethod>'
        f'<{_DS}SignatureMethod Algorithm="(?P<method>{"|".join(map(re.escape, sorted(_METHODS)))})">'
        f"</{_DS}SignatureMethod>(?:{_PLAIN_REFERENCE}){{1,{REFERENCES}}}</{_DS}SignedInfo>"
    ).encode()
)
_URI: Final = re.compile(rb'URI="([^"]+)"')
_DIGEST: Final = re.compile(rb"DigestValue>([^<]+)</")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One digested element, in one of the allowed places."""

    target: _Element
    prefixes: Sequence[str] | None
    digest: bytes
    """Base64, as it is written; compared as text, so that a digest has one form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedInfo:
    """What was signed, and what it says was digested. Made by `read`."""

    canonical: bytes = field(repr=False)
    """In the canonical form that it names itself."""
    method: str
    """The signature algorithm's address."""
    references: tuple[Reference, ...] = field(repr=False)


def read(info: _Element, places: Mapping[str, _Element]) -> SignedInfo:
    """Read a SignedInfo whose References may point to these places (`#id` -> element), and to each once.

    Raises:
        UntrustedError: SIG_STRUCTURE, SIG_ALGORITHM, SIG_TRANSFORM or SIG_REFERENCE.
        MalformedError: XML_SYNTAX, it has no canonical form.
    """
    canonical = xml.canonical(info)
    plain = _PLAIN.fullmatch(canonical)
    if plain is None:
        return _walked(info, dict(places))
    left = dict(places)
    pairs = zip(_URI.findall(canonical), _DIGEST.findall(canonical), strict=True)
    references = [
        Reference(target=_taken(uri.decode(), left, number), prefixes=None, digest=digest)
        for number, (uri, digest) in enumerate(pairs, start=1)
    ]
    return SignedInfo(canonical=canonical, method=plain["method"].decode(), references=tuple(references))


def _taken(uri: str, left: dict[str, _Element], number: int) -> _Element:
    """Take a Reference's target from those `left`: none may be pointed to twice."""
    target = left.pop(uri, None)
    if target is None:
        raise UntrustedError(codes.SIG_REFERENCE, f"reference {number}")
    return target


def _walked(info: _Element, left: dict[str, _Element]) -> SignedInfo:
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
    references = tuple([_reference(child, left, number) for number, child in enumerate(children[2:], start=1)])
    canonical = xml.canonical(info, _prefixes(children[0], codes.SIG_ALGORITHM))
    return SignedInfo(canonical=canonical, method=method, references=references)


def _reference(reference: _Element, left: dict[str, _Element], number: int) -> Reference:
    target = _taken(reference.get("URI", ""), left, number)
    if not _REFERENCE_KEYS.issuperset(reference.keys()):
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
    # White space may stand anywhere in base64 (XSD part 2, 3.2.16).
    digest = b"".join((value.text or "").encode().split())
    return Reference(target=target, prefixes=_prefixes(transform, codes.SIG_TRANSFORM), digest=digest)


def _prefixes(element: _Element, code: Code) -> Sequence[str] | None:
    """Return the PrefixList of Exclusive C14N section 3, None where there is none."""
    if not len(element):
        return None
    inclusive = element[0]
    if len(element) > 1 or inclusive.tag != _INCLUSIVE or inclusive.keys() != ["PrefixList"] or len(inclusive):
        raise UntrustedError(code, "InclusiveNamespaces")
    prefixes = _SPACE.sub(" ", inclusive.get("PrefixList", "")).strip(" ").split(" ")
    if prefixes == [""]:
        return None
    if len(prefixes) > PREFIXES or not all(map(_PREFIX.fullmatch, prefixes)):
        raise UntrustedError(code, "PrefixList")
    return prefixes
