"""A person's number written anywhere in a message, also where no number belongs, is never told in a refusal.

Details go to operators, audit and logs. Names of elements, attributes, ids, addresses and parameters are chosen by the
sender, so they may hold anything.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from lxml import etree

from gateway.errors import GatewayError
from gateway.inbound import path
from gateway.message import ContractId, Ready, Received
from tests import forge, payloads
from tests.attacks.catalogue import NOW

NUMBER = payloads.PERSONS[1]
CONTRACTS = (
    "skatteverket/folkbokforing",
    "skatteverket/arbetsgivardeklaration",
    "arbetsformedlingen/ersattningsstod",
    "arbetsgivare/sjukanmalan",
)


def _planted(text: str) -> Iterator[str]:
    """Yield the document with the number planted in each place of it, once."""
    size = len(list(etree.fromstring(text.encode()).iter()))
    for place in range(size):
        for plant in (_tag, _namespace, _attribute, _attribute_name, _text, _child, _values):
            root = etree.fromstring(text.encode())
            node = list(root.iter())[place]
            if plant(node) is not False:
                yield etree.tostring(root, encoding="unicode")


def _tag(node: etree._Element) -> None:
    node.tag = etree.QName(etree.QName(node).namespace, f"x{NUMBER}")


def _namespace(node: etree._Element) -> None:
    node.tag = etree.QName(f"urn:{NUMBER}", etree.QName(node).localname)


def _attribute(node: etree._Element) -> None:
    node.set("Id", NUMBER)


def _attribute_name(node: etree._Element) -> None:
    node.set(f"x{NUMBER}", "1")


def _text(node: etree._Element) -> None:
    node.text = NUMBER


def _child(node: etree._Element) -> None:
    etree.SubElement(node, f"{{urn:{NUMBER}}}x{NUMBER}").text = NUMBER


def _values(node: etree._Element) -> bool:
    for name in node.attrib:
        node.set(name, f"{NUMBER}")
    return bool(node.attrib)


def _refused(land, body: bytes, contract: str, content_type: str = "text/xml") -> list[str]:
    scene, by = land
    peer = scene.credentials[f"{contract.partition('/')[0]}-tls"].der
    received = Received(body=body, content_type=content_type, contract=ContractId(contract), peer=peer, at=NOW)
    try:
        result = path.prepare(received, by)
    except GatewayError as error:
        return [str(error), error.detail]
    if isinstance(result, Ready):
        return [repr(result), *(repr(one) for one in result.leaves), *(leaf.entry.decode() for leaf in result.leaves)]
    refusal = result
    return [str(refusal.error), refusal.error.detail, repr(refusal), refusal.leaf.entry.decode(),
            refusal.leaf.record.decode()]  # fmt: skip


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_number_anywhere_in_an_envelope_is_not_told(land, contract):
    scene, _ = land
    text = etree.tostring(scene.signed(contract).root, encoding="unicode")
    for spoilt in _planted(text):
        for told in _refused(land, spoilt.encode(), contract):
            assert NUMBER not in told


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_number_anywhere_in_a_signed_payload_is_not_told(land, contract):
    scene, _ = land
    for spoilt in _planted(scene.recipe(contract).payload):
        for told in _refused(land, scene.signed(contract, payload=spoilt).bytes(), contract):
            assert NUMBER not in told


def test_a_number_anywhere_in_a_signed_notice_is_not_told(land):
    scene, _ = land
    contract = "arbetsgivare/sjukanmalan"
    for spoilt in _planted(payloads.anmalan().partition("\n")[2]):
        payload = payloads.sjukanmalan(signer=scene.signer("arbetsgivare"), inside=spoilt.encode())
        for told in _refused(land, scene.signed(contract, payload=payload).bytes(), contract):
            assert NUMBER not in told


@pytest.mark.parametrize(
    "content_type",
    [NUMBER, f"text/{NUMBER}", f"text/xml; charset={NUMBER}", f'text/xml; {NUMBER}="1"', f"multipart/{NUMBER}"],
)
def test_a_number_in_a_content_type_is_not_told(land, content_type):
    scene, _ = land
    for told in _refused(land, scene.signed().bytes(), CONTRACTS[0], content_type):
        assert NUMBER not in told


def test_a_number_in_what_is_no_xml_is_not_told(land):
    for body in (
        f'<?xml version="1.0" encoding="x{NUMBER}"?><x/>',
        f"<x{NUMBER}>",
        f"<x>&x{NUMBER};</x>",
        f"<x y{NUMBER}='1' y{NUMBER}='2'/>",
        f"<p{NUMBER}:x/>",
        f"<!DOCTYPE x{NUMBER}><x/>",
        f"<x><?y{NUMBER} z?></x>",
        f"{NUMBER}",
        f"<x>{NUMBER}</y>",
    ):
        for told in _refused(land, body.encode(), CONTRACTS[0]):
            assert NUMBER not in told


def test_a_number_in_a_certificate_is_not_told(land):
    scene, _ = land
    envelope = forge.build(scene.recipe())
    for text in (NUMBER, base64.b64encode(NUMBER.encode()).decode()):
        envelope.token.text = text
        for told in _refused(land, forge.sign(envelope, scene.signer("skatteverket")).bytes(), CONTRACTS[0]):
            assert NUMBER not in told
        envelope.security.remove(envelope.signature)
