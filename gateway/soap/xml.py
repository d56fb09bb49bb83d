"""Bytes to a tree and back, without believing anything: the only parser of what comes from outside.

`parse` does, in this order:

1. One encoding is found, and everything that names one must agree: byte order mark, the charset of the Content-Type and
   the XML declaration. RFC 7303 section 3 ranks them; where they disagree the message is refused instead, because
   sender and receiver could read two different messages out of the same bytes. Python decodes, strictly, and libxml2
   is handed UTF-8 and told so: it never chooses.
2. A DOCTYPE is refused before libxml2 sees it (SOAP 1.1 section 3; SOAP 1.2 part 1 section 5): no DTD, no entities.
3. libxml2 parses with its own limits on. Comments are left out of the tree: exclusive C14N without comments leaves them
   out of what was digested, so no later step can be made to stop short at one.
4. Processing instructions inside the root element are refused (SOAP 1.2 part 1 section 5).
5. Limits. Bytes bound elements, attributes and characters from above, so a small message pays for one XPath.

An XMLParser locks itself while it works, so every thread has its own.
"""

from __future__ import annotations

import codecs
import io
import re
import threading
from collections.abc import Sequence
from typing import Final

from lxml import etree
from lxml.etree import _Element

from gateway import codes
from gateway.config import Limits
from gateway.errors import MalformedError

PREFIXES: Final = 256
"""Distinct prefixes in a message. C14N is quadratic in those in scope: 40 000 cost seconds, 256 nothing."""

_NAMES: Final = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "iso-8859-1": "iso-8859-1",
    "iso8859-1": "iso-8859-1",
    "latin1": "iso-8859-1",
    "us-ascii": "ascii",
    "ascii": "ascii",
}
_PLAIN: Final = frozenset({"utf-8", "UTF-8"})
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UTF32: Final = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_DECLARATION: Final = re.compile(
    rb"""<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:"1\.0"|'1\.0')"""
    rb"""(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*["']([A-Za-z][A-Za-z0-9._-]{0,40})["'])?"""
    rb"""(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*["'](?:yes|no)["'])?[ \t\r\n]*\?>"""
)
_SPACE: Final = re.compile(rb"[ \t\r\n]*")
_SKIPPED: Final = ((b"<!--", b"-->"), (b"<?", b"?>"))
"""What may stand before a DOCTYPE (XML 1.0 section 2.8, production 22): comments and processing instructions."""
_PREFIX: Final = re.compile(rb"xmlns:([^\s=]+)")
_LIMIT_ERRORS: Final = frozenset(
    {etree.ErrorTypes.ERR_RESOURCE_LIMIT, etree.ErrorTypes.ERR_NAME_TOO_LONG, etree.ErrorTypes.ERR_ENTITY_LOOP}
)
_IN_USE: Final = 4
"""Most limits whose XPaths are kept: an envelope's, and those of what contracts carry inside."""


class _Checks:
    """The XPaths of some limits."""

    def __init__(self, limits: Limits) -> None:
        longest = limits.text
        self.limits = limits
        self.too_deep = etree.XPath("boolean(" + "/*" * (limits.depth + 1) + ")")
        self.too_many = etree.XPath(f"count(//*) > {limits.elements}")
        self.too_busy = etree.XPath(f"count(//@*) + $declarations > {limits.attributes}")
        self.too_wide = etree.XPath(f"boolean(/descendant::*/@*[{limits.element_attributes + 1}])")
        self.too_long = etree.XPath(
            f"boolean(//text()[string-length() > {longest}] | //@*[string-length() > {longest}])"
        )


class _Local(threading.local):
    """One parser, and the XPaths of the limits in use, per thread: both lock themselves while they work."""

    def __init__(self) -> None:
        self.parser = etree.XMLParser(
            encoding="utf-8",
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            collect_ids=False,
        )
        # lxml hands libxml2 only those tokens of a PrefixList that are in the thread's dictionary of names, and
        # "#default" never is. A tag filter puts it there; the test that compares with xmlsec would miss it.
        for _ in etree.iterparse(io.BytesIO(b"<a/>"), tag="#default"):
            pass
        self._checks: list[_Checks] = []

    def checks(self, limits: Limits) -> _Checks:
        """Return the XPaths of these limits, compiled once for each of the few that are in use."""
        for checks in self._checks:
            if checks.limits is limits:
                return checks
        checks = _Checks(limits)
        self._checks = [checks, *self._checks[: _IN_USE - 1]]
        return checks


_local = _Local()


def parse(data: bytes, limits: Limits, charset: str | None = None) -> _Element:
    """Return the root element of hostile `data`.

    Args:
        data: The bytes as received.
        limits: What a message may be.
        charset: The charset parameter of the Content-Type, if there was one.

    Raises:
        MalformedError: XML_ENCODING, XML_DTD, XML_SYNTAX, XML_LIMIT or XML_INSTRUCTION.
    """
    text = _utf8(data, charset)
    _refuse_doctype(text)
    root = _parsed(text)
    # Not by XPath: libxml2 compares every instruction with all before it, and 64 KiB of them took a third of a second.
    if text.find(b"<?", 1) >= 0 and next(root.iter(etree.ProcessingInstruction), None) is not None:
        raise MalformedError(codes.XML_INSTRUCTION)
    _keep(text, root, limits)
    return root


def canonical(element: _Element, prefixes: Sequence[str] | None = None) -> bytes:
    """Return Exclusive XML Canonicalization 1.0 of the element, without comments.

    `prefixes` is the InclusiveNamespaces PrefixList, `#default` included. Raises MalformedError where the standard has
    no canonical form: a relative namespace address (C14N 1.0 section 1.3).
    """
    try:
        return etree.tostring(
            element, method="c14n", exclusive=True, with_comments=False, inclusive_ns_prefixes=prefixes
        )
    except etree.LxmlError:
        raise MalformedError(codes.XML_SYNTAX, "the content has no canonical form") from None


def reparse(canonical: bytes) -> _Element:
    """Parse bytes that `canonical` returned. Raises MalformedError(XML_SYNTAX)."""
    return _parsed(canonical)


def escape(text: str) -> str:
    """Return text as canonical XML content: also safe where it holds characters that XML does not have."""
    text = _ILLEGAL.sub("\ufffd", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")


def escape_attribute(text: str) -> str:
    """Return text as a canonical attribute value, to stand between double quotes."""
    text = _ILLEGAL.sub("\ufffd", text).replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return text.replace("\t", "&#x9;").replace("\n", "&#xA;").replace("\r", "&#xD;")


_ILLEGAL: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _utf8(data: bytes, charset: str | None) -> bytes:
    """Return the message in UTF-8 without mark, having made sure that it was in the encoding all say it is in."""
    if data[:1] == b"<" and data[1:2] not in (b"?", b"\0") and (not charset or charset in _PLAIN):
        return _recoded(data, "utf-8")  # as nearly all come: neither mark nor declaration, and nothing else is said
    said = [_named(charset)] if charset else []
    data, found = _unmarked(data)
    if found is None and data[:2] in (b"<\0", b"\0<"):
        found = "utf-16-le" if data[:1] == b"<" else "utf-16-be"
        if not said and data[2:4] not in (b"?\0", b"\0?"):
            raise MalformedError(codes.XML_ENCODING, "UTF-16 with neither byte order mark, charset nor declaration")
    head = data
    if found is not None and found != "utf-8":
        head = data = _recoded(data, found)
    declared = _declared(head)
    if declared is not None:
        said.append(_named(declared))
    chosen = found or (said[0] if said else "utf-8")
    for name in said:
        if name != chosen and not (name == "utf-16" and chosen.startswith("utf-16-")):
            raise MalformedError(codes.XML_ENCODING, f"both {chosen} and {name} are said")
    if not chosen.startswith("utf-16"):
        return _recoded(data, chosen)
    if found is None:
        raise MalformedError(codes.XML_ENCODING, "not utf-16")
    return data


def _unmarked(data: bytes) -> tuple[bytes, str | None]:
    if data.startswith(_UTF32):
        raise MalformedError(codes.XML_ENCODING, "UTF-32")
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :], name
    return data, None


def _recoded(data: bytes, encoding: str) -> bytes:
    if encoding == "utf-8" and data.isascii():
        return data
    try:
        text = data.decode(encoding)
        return data if encoding == "utf-8" else text.encode()
    except UnicodeError:
        raise MalformedError(codes.XML_ENCODING, f"not {encoding}") from None


def _named(name: str) -> str:
    known = _NAMES.get(name.lower())
    if known is None:
        raise MalformedError(codes.XML_ENCODING, "an encoding that is not taken")
    return known


def _declared(head: bytes) -> str | None:
    """Return the encoding that the XML declaration names, None where it names none or is absent."""
    if head[:5] != b"<?xml" or head[5:6] not in (b" ", b"\t", b"\r", b"\n"):
        return None
    match = _DECLARATION.match(head)
    if match is None:
        raise MalformedError(codes.XML_SYNTAX, "line 1: the XML declaration")
    return None if match[1] is None else match[1].decode("ascii")


def _refuse_doctype(text: bytes) -> None:
    if b"!" not in text or b"<!DOCTYPE" not in text:
        return
    end = _prolog(text)
    if text.startswith(b"<!DOCTYPE", end):
        raise MalformedError(codes.XML_DTD)
    # Where no element begins the prolog is broken, and what libxml2 would make of it is not worth knowing.
    if not text.startswith(b"<", end) or text.startswith((b"<!", b"<?"), end):
        raise MalformedError(codes.XML_SYNTAX, "before the first element")


def _prolog(text: bytes) -> int:
    """Return where space, comments and processing instructions end. Each byte is looked at once."""
    at = 0
    while True:
        space = _SPACE.match(text, at)
        at = space.end() if space else at
        for opening, closing in _SKIPPED:
            if text.startswith(opening, at):
                end = text.find(closing, at + len(opening))
                if end < 0:
                    return at
                at = end + len(closing)
                break
        else:
            return at


def _parsed(text: bytes) -> _Element:
    try:
        return etree.fromstring(text, _local.parser)
    except etree.XMLSyntaxError as error:
        limit = error.code in _LIMIT_ERRORS  # type: ignore[attr-defined]  # the stubs leave it out
        code = codes.XML_LIMIT if limit else codes.XML_SYNTAX
        line, column = error.position
        raise MalformedError(code, f"line {line} column {column}") from None


def _keep(text: bytes, root: _Element, limits: Limits) -> None:
    """Hold the message to its limits; what the number of bytes already excludes is not counted."""
    checks, size = _local.checks(limits), len(text)
    if checks.too_deep(root):
        raise MalformedError(codes.XML_LIMIT, f"deeper than {limits.depth} elements")
    if size > limits.elements and text.count(b"<") > limits.elements and checks.too_many(root):
        raise MalformedError(codes.XML_LIMIT, f"more than {limits.elements} elements")
    assignments = text.count(b"=")
    if assignments > limits.element_attributes and checks.too_wide(root):
        raise MalformedError(codes.XML_LIMIT, f"an element with more than {limits.element_attributes} attributes")
    if assignments > min(PREFIXES, limits.attributes):
        _keep_attributes(text, root, checks)
    if size > limits.text and checks.too_long(root):
        raise MalformedError(codes.XML_LIMIT, f"a text of more than {limits.text} characters")


def _keep_attributes(text: bytes, root: _Element, checks: _Checks) -> None:
    limits = checks.limits
    declarations = text.count(b"xmlns")
    if len(set(_PREFIX.findall(text))) > PREFIXES:
        raise MalformedError(codes.XML_LIMIT, f"more than {PREFIXES} namespace prefixes")
    if text.count(b"=") > limits.attributes and checks.too_busy(root, declarations=declarations):
        raise MalformedError(codes.XML_LIMIT, f"more than {limits.attributes} attributes")
