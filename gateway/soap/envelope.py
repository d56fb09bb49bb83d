"""A SOAP envelope within limits, and nothing believed yet: SOAP 1.1 section 4, SOAP 1.2 part 1 section 5.

1. The Content-Type names the SOAP version and perhaps the charset.
2. `soap.xml` parses the bytes.
3. The root is the Envelope of that version: an optional Header first, then exactly one Body, and nothing else.
4. Body holds exactly one element, and no text beside it.
5. Ids are unique. What counts as an id: `wsu:Id` (WSS 1.1.1 section 4), `xml:id`, and the `Id` and `ID` of XMLDSig,
   XMLEnc and SAML. A plain `id` is business data in contracts in use (a RIV-TA delsvar repeats it), and no signature
   here can point to one.
6. No header that must be understood is left unread: only WS-Security and WS-Addressing are understood.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, cast

from lxml import etree
from lxml.etree import _Element

from gateway import codes
from gateway.config import Limits
from gateway.errors import MalformedError
from gateway.message import Admitted, Parsed, SoapVersion
from gateway.soap import names, xml

_MEDIA: Final = {"text/xml": SoapVersion.SOAP_11, "application/soap+xml": SoapVersion.SOAP_12}
_ENVELOPES: Final = {f"{{{version}}}Envelope": version for version in SoapVersion}
_HEADER: Final = {version: f"{{{version}}}Header" for version in SoapVersion}
_BODY: Final = {version: f"{{{version}}}Body" for version in SoapVersion}
_UNDERSTOOD: Final = tuple(f"{{{namespace}}}" for namespace in (names.WSSE, names.WSA, names.WSA_2004))
_MUST: Final = {version: f"{{{version}}}mustUnderstand" for version in SoapVersion}
_FOR: Final = {
    SoapVersion.SOAP_11: f"{{{SoapVersion.SOAP_11}}}actor",
    SoapVersion.SOAP_12: f"{{{SoapVersion.SOAP_12}}}role",
}
_OURS: Final = frozenset(
    {
        None,
        "",
        "http://schemas.xmlsoap.org/soap/actor/next",
        "http://www.w3.org/2003/05/soap-envelope/role/next",
        "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver",
    }
)
_PARAMETER: Final = re.compile(r""";\s*charset\s*=\s*(?:"([^"]*)"|([^\s;"]+))""", re.IGNORECASE)


class _Local(threading.local):
    def __init__(self) -> None:
        self.ids = etree.XPath(
            "//*/@wsu:Id | //*/@xml:id | //*/@Id | //*/@ID", namespaces={"wsu": names.WSU}, smart_strings=False
        )


_local = _Local()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An envelope within limits, from nobody in particular."""

    version: SoapVersion
    root: _Element = field(repr=False)


def parse(admitted: Admitted, limits: Limits) -> Parsed:
    """Open the envelope that an admitted peer sent. Raises MalformedError."""
    received = admitted.received
    opened = open_offline(received.body, received.content_type, limits)
    return Parsed(admitted=admitted, version=opened.version, root=opened.root)


def reopen(admitted: Admitted, limits: Limits) -> Parsed:
    """Open the envelope of a message that was kept; it says its version itself. Raises MalformedError."""
    opened = open_offline(admitted.received.body, None, limits)
    return Parsed(admitted=admitted, version=opened.version, root=opened.root)


def open_offline(data: bytes, content_type: str | None, limits: Limits) -> Opened:
    """Open an envelope by the procedure above; without a `content_type` the envelope itself says its version.

    Raises:
        MalformedError: CONTENT_TYPE, MULTIPART, any XML_ code or any SOAP_ code.
    """
    expected, charset = (None, None) if content_type is None else _media(content_type)
    root = xml.parse(data, limits, charset)
    version = version_of(root)
    if expected not in (None, version):
        raise MalformedError(codes.SOAP_VERSION, "envelope and Content-Type")
    header, body = _parts(root, version)
    _one_child(body)
    _unique_ids(root)
    if header is not None:
        _understood(header, version)
    return Opened(version=version, root=root)


def version_of(root: _Element) -> SoapVersion:
    """Return the version of an envelope. Raises MalformedError where it is none, or of a version that is not taken."""
    version = _ENVELOPES.get(root.tag)
    if version is None:
        unknown = names.local(root) == "Envelope"
        raise MalformedError(codes.SOAP_VERSION if unknown else codes.SOAP_ENVELOPE, "the root element")
    return version


def header_of(root: _Element, version: SoapVersion) -> _Element | None:
    """Return the Header of an opened envelope, if it has one."""
    first = root[0]
    return first if first.tag == _HEADER[version] else None


def body_of(root: _Element) -> _Element:
    """Return the Body of an opened envelope."""
    return root[-1]


def for_us(header: _Element, version: SoapVersion) -> bool:
    """Return whether a header block is meant for us: SOAP 1.1 section 4.2.2, SOAP 1.2 part 1 section 2.2."""
    return header.get(_FOR[version]) in _OURS


@lru_cache(maxsize=64)
def _media(content_type: str) -> tuple[SoapVersion, str | None]:
    kind = content_type.partition(";")[0].strip().lower()
    if kind.startswith("multipart/"):
        raise MalformedError(codes.MULTIPART)
    version = _MEDIA.get(kind)
    if version is None:
        raise MalformedError(codes.CONTENT_TYPE)
    charsets = {(quoted or plain).lower() for quoted, plain in _PARAMETER.findall(content_type)}
    if len(charsets) > 1:
        raise MalformedError(codes.XML_ENCODING, "two charsets in the Content-Type")
    return version, next(iter(charsets), None)


def _parts(root: _Element, version: SoapVersion) -> tuple[_Element | None, _Element]:
    """Return Header, if any, and Body."""
    children = list(root)
    _no_text(root, children, codes.SOAP_ENVELOPE)
    tags = [child.tag for child in children]
    if tags == [_HEADER[version], _BODY[version]]:
        return children[0], children[1]
    if tags == [_BODY[version]]:
        return None, children[0]
    raise MalformedError(codes.SOAP_ENVELOPE, f"{len(tags)} children of Envelope")


def _one_child(body: _Element) -> None:
    children = list(body)
    if len(children) != 1:
        raise MalformedError(codes.SOAP_BODY, f"{len(children)} children of Body")
    _no_text(body, children, codes.SOAP_BODY)


def _no_text(element: _Element, children: Sequence[_Element], code: codes.Code) -> None:
    texts = [element.text]
    texts += [child.tail for child in children]
    for text in texts:
        if text and text.strip(" \t\r\n"):
            raise MalformedError(code, "text between elements")


def _unique_ids(root: _Element) -> None:
    ids = cast("list[str]", _local.ids(root))
    if len(ids) != len(set(ids)):
        raise MalformedError(codes.XML_DUPLICATE_ID)


def _understood(header: _Element, version: SoapVersion) -> None:
    must = _MUST[version]
    for block in header:
        # Anything but a plain false counts as true: WS-I BP R1013 lets no other value be read as "may be skipped".
        said = block.get(must)
        if said is None or said.strip() in ("0", "false") or not for_us(block, version):
            continue
        if not block.tag.startswith(_UNDERSTOOD):
            raise MalformedError(codes.SOAP_MUST_UNDERSTAND)
