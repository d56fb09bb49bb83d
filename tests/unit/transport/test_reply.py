"""Every fault a sender meets looks the same, over HTTP too."""

import pytest
from lxml import etree

from gateway import codes
from gateway.message import SoapVersion
from gateway.transport import reply

FAULT = "{urn:forsakringskassan:utbyte:fault:1}"


@pytest.mark.parametrize("version", SoapVersion)
@pytest.mark.parametrize("code", codes.catalogue(), ids=lambda code: code.name)
def test_every_code_becomes_a_fault_in_both_versions(code, version):
    answer = reply.refusal(code, version, reply.Told(message_id="urn:uuid:1", reference="ab"))
    root = etree.fromstring(answer.body)
    assert root.tag == f"{{{version}}}Envelope"
    assert root.findtext(f".//{FAULT}Code") == code.name
    assert root.findtext(f".//{FAULT}MessageId") == "urn:uuid:1"
    assert root.findtext(f".//{FAULT}Reference") == "ab"
    assert answer.status >= 400


def test_what_is_ours_and_temporary_says_when_to_come_back():
    head = reply.refusal(codes.OVERLOADED, SoapVersion.SOAP_11).head()
    assert (b"retry-after", reply.RETRY_AFTER) in head


def test_what_is_final_does_not():
    head = reply.refusal(codes.SIG_DIGEST, SoapVersion.SOAP_11).head()
    assert not [name for name, _ in head if name == b"retry-after"]


def test_a_wrong_method_says_the_right_ones():
    answer = reply.refusal(codes.METHOD, SoapVersion.SOAP_11)
    assert answer.status == 405
    assert (b"allow", b"GET, POST") in answer.head()


def test_a_contracts_own_fault_stands_in_the_detail():
    told = reply.Told(typed="{urn:x}XmlValidationError")
    root = etree.fromstring(reply.refusal(codes.CONTRACT_SCHEMA, SoapVersion.SOAP_11, told).body)
    assert root.find(".//detail/{urn:x}XmlValidationError/{urn:x}message") is not None


def test_a_raw_answer_is_a_whole_http_response():
    text = reply.raw(reply.refusal(codes.SLOW, SoapVersion.SOAP_11, close=True))
    head, _, body = text.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"connection: close" in head
    assert f"content-length: {len(body)}".encode() in head
