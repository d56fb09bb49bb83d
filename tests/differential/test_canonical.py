"""Our canonical form is what xmlsec and the xmlsec1 command digest, also where the standard's corners are."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import xmlsec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lxml import etree

from gateway.config import Limits
from gateway.soap import xml
from gateway.trust.issuing import KeyKind, new_key
from tests import forge
from tests.differential.oracles import need_command
from tests.forge import DS

KEY = new_key(KeyKind.RSA_2048)
LIMITS = Limits()
XSI = "http://www.w3.org/2001/XMLSchema-instance"

# Each is a document whose element with Id="x" is digested.
CORNERS = {
    "plain": '<a><b Id="x">text</b></a>',
    "ancestor-namespace-used": '<p:a xmlns:p="urn:p"><p:b Id="x"><p:c/></p:b></p:a>',
    "ancestor-namespace-unused": '<p:a xmlns:p="urn:p" xmlns:q="urn:q"><b Id="x"/></p:a>',
    "default-undeclared": '<a xmlns="urn:a"><b xmlns="" Id="x"><c/></b></a>',
    "default-undeclared-inside": '<a xmlns="urn:a"><b Id="x"><c xmlns=""/></b></a>',
    "default-again": '<a xmlns="urn:a"><b Id="x"><c xmlns="urn:c"><d xmlns="urn:a"/></c></b></a>',
    "prefix-rebound": '<p:a xmlns:p="urn:1"><p:b Id="x"><p:c xmlns:p="urn:2"><p:d xmlns:p="urn:1"/></p:c></p:b></p:a>',
    "prefix-repeated": '<p:b xmlns:p="urn:1" Id="x"><p:c xmlns:p="urn:1"/></p:b>',
    "two-prefixes-of-one": '<b xmlns:p="urn:1" xmlns:q="urn:1" Id="x" p:z="1" q:a="2"/>',
    "attribute-order": '<b xmlns:b="urn:a" xmlns:a="urn:b" z="1" a:z="2" b:z="3" Id="x" A="4" a="5"/>',
    "type-prefix": f'<a xmlns:t="urn:t"><b xmlns:xsi="{XSI}" xsi:type="t:x" Id="x"/></a>',
    "xml-lang-above": '<a xml:lang="sv" xml:space="preserve"><b Id="x"/></a>',
    "xml-lang-here": '<a><b xml:lang="sv" Id="x"/></a>',
    "comments": '<a><b Id="x">1<!-- c -->2<!-- d --><c/><!-- e --></b></a>',
    "cdata": '<a><b Id="x"><![CDATA[<&>"]]> tail</b></a>',
    "references": '<a><b Id="x" c="&#xA;&#9;&#xD;&quot;&lt;&gt;&amp;\'">&#xD;&#xA;&#9;&gt;&#38;&#60;</b></a>',
    "line-ends": '<a><b Id="x" c="1\r\n2\n3\t4">\r\n\r \n</b></a>',
    "letters": '<a><å Id="x" ö="ü">éñ漢𝔘\u00a0\u2028</å></a>',
    "empty": '<a><b   Id = "x"   ></b  ></a>',
    "deep": '<a><b Id="x">' + "<c xmlns='urn:c'><d xmlns=''>" * 12 + "</d></c>" * 12 + "</b></a>",
    "siblings": '<a xmlns:p="urn:p"><b Id="x"><p:c/><p:d/><e xmlns:p="urn:p" p:f=""/></b>tail</a>',
    "xmlns-xml": '<a><b xmlns:xml="http://www.w3.org/XML/1998/namespace" Id="x" xml:id="y"/></a>',
}
PREFIXES = (None, "p", "#default", "p q t #default", "nobody")


def _signed(text: str, prefixes: str | None) -> etree._Element:
    """Return the document with a signature template for the element with the id x."""
    root = etree.fromstring(text.encode())
    outer = etree.Element("outer")
    outer.append(root)
    signature = etree.SubElement(outer, f"{{{DS}}}Signature", nsmap={"ds": DS})
    info = etree.SubElement(signature, f"{{{DS}}}SignedInfo")
    etree.SubElement(info, f"{{{DS}}}CanonicalizationMethod", Algorithm=forge.EXC)
    etree.SubElement(info, f"{{{DS}}}SignatureMethod", Algorithm=forge.RSA_SHA256)
    target = root if root.get("Id") else root.find(".//*[@Id]")
    forge._refer(info, forge.Reference(element=target, uri="#x", prefixes=prefixes))
    next(info.iter(f"{{{DS}}}DigestValue")).text = None
    etree.SubElement(signature, f"{{{DS}}}SignatureValue")
    return outer


def _by_xmlsec(outer: etree._Element, folder: Path) -> bytes:
    del folder
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(_pem(), xmlsec.KeyFormat.PEM, None)
    context.register_id(outer.find(".//*[@Id='x']"), "Id")
    context.sign(outer.find(f"{{{DS}}}Signature"))
    return base64.b64decode(next(outer.iter(f"{{{DS}}}DigestValue")).text)


def _by_command(outer: etree._Element, folder: Path) -> bytes:
    key, template = folder / "key.pem", folder / "template.xml"
    key.write_bytes(_pem())
    template.write_bytes(etree.tostring(outer, encoding="utf-8"))
    name = etree.QName(outer.find(".//*[@Id='x']"))
    known = f"{name.namespace}:{name.localname}" if name.namespace else name.localname
    command = [need_command(), "--sign", "--privkey-pem", str(key), "--id-attr:Id", known, str(template)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=20)
    return base64.b64decode(next(etree.fromstring(done.stdout).iter(f"{{{DS}}}DigestValue")).text)


def _pem() -> bytes:
    return KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _agree(text: str, prefixes: str | None, stack: Callable[[etree._Element, Path], bytes], folder: Path) -> None:
    outer = _signed(text, prefixes)
    ours = xml.parse(etree.tostring(outer, encoding="utf-8"), LIMITS)
    element = ours.find(".//*[@Id='x']")
    mine = xml.canonical(element, prefixes.split() if prefixes else None)
    assert hashlib.sha256(mine).digest() == stack(outer, folder)


@pytest.mark.parametrize("prefixes", PREFIXES, ids=str)
@pytest.mark.parametrize("corner", CORNERS)
def test_xmlsec_digests_our_canonical_form(corner: str, prefixes: str | None, tmp_path: Path) -> None:
    _agree(CORNERS[corner], prefixes, _by_xmlsec, tmp_path)


@pytest.mark.parametrize("corner", CORNERS)
def test_the_xmlsec1_command_digests_our_canonical_form(corner: str, tmp_path: Path) -> None:
    need_command()
    _agree(CORNERS[corner], None, _by_command, tmp_path)


@pytest.mark.parametrize("corner", CORNERS)
def test_a_canonical_form_is_its_own_canonical_form(corner: str) -> None:
    element = xml.parse(CORNERS[corner].encode(), LIMITS)
    once = xml.canonical(element)
    assert xml.canonical(xml.reparse(once)) == once


@pytest.mark.parametrize("corner", CORNERS)
def test_what_is_read_again_is_what_was_digested(corner: str) -> None:
    """The children's text, attributes and names are the same whether read from the message or from its digest."""
    element = xml.parse(CORNERS[corner].encode(), LIMITS).find(".//*[@Id='x']")
    element = xml.parse(CORNERS[corner].encode(), LIMITS) if element is None else element
    again = xml.reparse(xml.canonical(element))
    pairs = list(zip(element.iter(), again.iter(), strict=True))
    assert pairs
    for before, after in pairs:
        assert (before.tag, before.text, dict(before.attrib)) == (after.tag, after.text, dict(after.attrib))
