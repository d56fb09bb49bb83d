"""What is signed and sent is what is read: parse after build is the identity, for our signing and for another's."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.config import Limits
from gateway.message import Admitted, ContractId, Fingerprint, OrganisationNumber, PartnerId, Received, SoapVersion
from gateway.soap import envelope, xml
from gateway.trust import signature, signing
from tests import forge
from tests.attacks.catalogue import NOW
from tests.effort import effort

LETTERS = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")
TEXTS = st.text(alphabet=st.one_of(LETTERS, st.sampled_from("&<>\"'\t\n\r ]")), max_size=40)
NAMES = st.from_regex(r"[A-Za-z_åÄ][A-Za-z0-9_.-]{0,8}", fullmatch=True).filter(lambda name: name.lower()[:3] != "xml")
SPACES = st.sampled_from(("", "urn:a", "urn:b", "http://c/d?e=f#g"))
IDS = st.from_regex(r"urn:[!#-;=?-~]{1,100}", fullmatch=True)
LIMITS = Limits()


def elements():
    """Draw an element as it is after parsing: a tree built by hand can hold what no document can."""
    return _built().map(lambda node: etree.fromstring(etree.tostring(node, encoding="utf-8")))


@st.composite
def _built(draw, depth=3):
    """Draw an element with names, namespaces, attributes, text, tails and children of every kind."""
    space = draw(SPACES)
    node = etree.Element(etree.QName(space or None, draw(NAMES)), nsmap=draw(_bindings(space)))
    node.text = draw(TEXTS)
    for name, value in draw(st.dictionaries(NAMES, TEXTS, max_size=3)).items():
        node.set(etree.QName(draw(SPACES) or None, name), value)
    if depth:
        for child in draw(st.lists(_built(depth - 1), max_size=3)):
            child.tail = draw(TEXTS)
            node.append(child)
    return node


def _bindings(space):
    if not space:
        return st.just({})
    return st.sampled_from(({}, {None: space}, {"p": space}, {"p": space, "q": "urn:unused"}))


def _verified(land, data: bytes, version: str):
    _, by = land
    received = Received(
        body=data,
        content_type=forge.content_type(version),
        contract=ContractId("skatteverket/folkbokforing"),
        peer=None,
        at=NOW,
    )
    admitted = Admitted(
        received=received,
        partner=PartnerId("skatteverket"),
        organisation=OrganisationNumber("2021005448"),
        peer=Fingerprint("-"),
    )
    return signature.verify(envelope.parse(admitted, LIMITS), by.trust, LIMITS)


def _same(one: etree._Element, other: etree._Element) -> bool:
    pairs = list(zip(one.iter(), other.iter(), strict=True))
    return all(
        (a.tag, a.text or "", dict(a.attrib)) == (b.tag, b.text or "", dict(b.attrib))
        and (a is one or (a.tail or "") == (b.tail or ""))
        for a, b in pairs
    )


@effort(80)
@given(node=elements(), message_id=st.none() | IDS, to=st.none() | TEXTS, action=st.none() | TEXTS)
def test_what_we_sign_is_read_as_it_was(land, node, message_id, to, action):
    scene, _ = land
    credential = scene.signer("skatteverket")
    text = forge.canonical(node).decode()
    if "xmlns:soap=" in text or "xmlns:wsu=" in text:
        return
    for version in SoapVersion:
        data = signing.sign(
            text,
            key=signing.SigningKey(key=credential.key, certificate=credential.der),
            version=version,
            created=NOW,
            expires=NOW + timedelta(minutes=5),
            message_id=message_id,
            to=to,
            action=action,
        )
        verified = _verified(land, data, version)
        source = verified.provenance
        assert _same(verified.payload, etree.fromstring(text.encode()))
        assert source.digest == hashlib.sha256(text.encode()).hexdigest()
        assert source.message_id == (message_id or f"urn:sha256:{source.digest}")
        assert source.action == (None if action is None else action.strip(" \t\r\n"))
        assert source.created == NOW
        assert verified.evidence == data


@effort(80)
@given(node=elements())
def test_what_another_stack_signs_is_read_as_it_was_and_has_one_digest(land, node):
    """The digest is of the payload alone: prefixes and declarations around it do not make it another message."""
    scene, _ = land
    text = etree.tostring(node, encoding="unicode")
    expected = hashlib.sha256(forge.canonical(etree.fromstring(text.encode()))).hexdigest()
    recipe = scene.recipe(payload=text)
    plain = forge.signed(recipe).bytes()
    unsigned = etree.tostring(forge.build(recipe).root, encoding="unicode")
    around = unsigned.replace("<soap:Envelope ", '<soap:Envelope xmlns:p="urn:other" xmlns:q="urn:a" ', 1)
    for data in (plain, forge.sign(forge.opened(around), scene.signer("skatteverket")).bytes()):
        verified = _verified(land, data, forge.SOAP_11)
        assert verified.provenance.digest == expected
        assert _same(verified.payload, etree.fromstring(text.encode()))


@effort(100)
@given(node=elements())
def test_reading_the_canonical_form_again_loses_nothing(node):
    once = xml.canonical(node)
    assert xml.canonical(xml.reparse(once)) == once
    assert _same(xml.reparse(once), etree.fromstring(once))


@effort(200)
@given(st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1)))  # noqa: DTZ001  # made aware below
def test_a_time_that_we_write_is_the_time_that_others_read(at):
    at = at.replace(tzinfo=UTC)
    assert abs(datetime.fromisoformat(signing.instant(at)) - at) < timedelta(milliseconds=1)
