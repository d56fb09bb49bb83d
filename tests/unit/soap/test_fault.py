"""Faults: both versions, status, texts, typed detail, and the schema they keep."""

from pathlib import Path

import pytest
from lxml import etree

from gateway import codes
from gateway.codes import Code, Mender
from gateway.message import SoapVersion
from gateway.soap import fault, xml

ROOT = Path(__file__).parents[3]
S11, S12 = SoapVersion.SOAP_11, SoapVersion.SOAP_12
TYPED = "{urn:shs:emottagning:SkickaAnmalanFranArbetsgivare:1}XmlValidationError"
CATALOGUE = codes.catalogue()


def made(code: codes.Code, version: SoapVersion = S11, **options) -> fault.Fault:
    return fault.fault(code, version=version, **({"message_id": None, "reference": None} | options))


def tree(a_fault: fault.Fault) -> etree._Element:
    return etree.fromstring(a_fault.body)


def own(a_fault: fault.Fault) -> etree._Element:
    return next(tree(a_fault).iter(f"{{{fault.NAMESPACE}}}Fault"))


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(ROOT / "schemas/fault.xsd"))


@pytest.mark.parametrize("code", CATALOGUE, ids=lambda code: code.name)
@pytest.mark.parametrize("version", list(SoapVersion), ids=["1.1", "1.2"])
def test_every_code_gives_a_canonical_fault_that_keeps_the_schema(code, version, schema):
    a_fault = made(code, version, message_id="urn:a&<b>", reference="R-1", detail=TYPED)
    assert xml.canonical(tree(a_fault)) == a_fault.body
    assert schema.validate(own(a_fault)), schema.error_log
    values = {etree.QName(child).localname: child.text for child in own(a_fault)}
    assert values == {
        "Code": code.name,
        "Step": code.step,
        "Mender": code.mender,
        "Resend": "true" if code.resend else "false",
        "MessageId": "urn:a&<b>",
        "Reference": "R-1",
        "TextSv": code.swedish,
        "TextEn": code.english,
    }


def test_what_is_not_known_is_left_out(schema):
    element = own(made(codes.XML_SYNTAX))
    assert schema.validate(element)
    assert not [child for child in element if etree.QName(child).localname in ("MessageId", "Reference")]


def test_characters_that_xml_does_not_have_cannot_break_the_fault():
    assert own(made(codes.CONFLICT, message_id="a\0b\ud800"))[4].text == "a\ufffdb\ufffd"


@pytest.mark.parametrize(
    ("code", "name_11", "name_12"),
    [
        (codes.XML_SYNTAX, "Client", "Sender"),
        (codes.STORE_UNAVAILABLE, "Server", "Receiver"),
        (codes.SOAP_VERSION, "VersionMismatch", "VersionMismatch"),
        (codes.SOAP_MUST_UNDERSTAND, "MustUnderstand", "MustUnderstand"),
    ],
)
def test_soap_says_whose_fault_it_is(code, name_11, name_12):
    assert tree(made(code)).findtext(".//faultcode") == f"soap:{name_11}"
    assert tree(made(code, S12)).findtext(f".//{{{S12}}}Value") == f"soap:{name_12}"


def test_soap_11_speaks_swedish_and_soap_12_both():
    string = tree(made(codes.XML_SYNTAX)).find(".//faultstring")
    assert (string.text, string.get("{http://www.w3.org/XML/1998/namespace}lang")) == (codes.XML_SYNTAX.swedish, "sv")
    texts = [text.text for text in tree(made(codes.XML_SYNTAX, S12)).iter(f"{{{S12}}}Text")]
    assert texts == [codes.XML_SYNTAX.swedish, codes.XML_SYNTAX.english]


@pytest.mark.parametrize(
    ("code", "status_11", "status_12"),
    [
        (codes.SIG_DIGEST, 500, 400),
        (codes.SOAP_VERSION, 500, 500),
        (codes.SOAP_MUST_UNDERSTAND, 500, 500),
        (codes.CONFLICT, 500, 400),
        (codes.STORE_UNAVAILABLE, 503, 503),
        (codes.REVOCATION_UNAVAILABLE, 503, 503),
        (codes.METHOD, 405, 405),
        (codes.PATH, 404, 404),
        (codes.CONTENT_TYPE, 415, 415),
        (codes.TOO_LARGE, 413, 413),
        (codes.SLOW, 408, 408),
        (codes.EMPTY, 400, 400),
        (codes.PEER_UNKNOWN, 403, 403),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_status(code, status_11, status_12):
    assert (made(code).status, made(code, S12).status) == (status_11, status_12)


@pytest.mark.parametrize("code", CATALOGUE, ids=lambda code: code.name)
def test_only_what_may_be_resent_answers_503(code):
    for version in SoapVersion:
        assert (made(code, version).status == 503) == (code.mender is Mender.GATEWAY)
        assert made(code, version).status >= 400


def test_the_content_type_is_that_of_the_version():
    assert made(codes.PATH).content_type == "text/xml; charset=utf-8"
    assert made(codes.PATH, S12).content_type == "application/soap+xml; charset=utf-8"


@pytest.mark.parametrize(("version", "path"), [(S11, ".//detail"), (S12, f".//{{{S12}}}Detail")])
def test_the_contracts_own_element_stands_first_in_the_detail(version, path):
    typed, ours = tree(made(codes.CONTRACT_PAYLOAD, version, detail=TYPED)).find(path)
    assert typed.tag == TYPED
    (message,) = typed
    assert message.tag == TYPED.replace("XmlValidationError", "message")
    assert message.text.startswith(codes.CONTRACT_PAYLOAD.name)
    assert ours.tag == f"{{{fault.NAMESPACE}}}Fault"


def test_the_schema_knows_every_step_and_mender_that_a_partner_is_told():
    text = (ROOT / "schemas/fault.xsd").read_text()
    told = [code for code in vars(codes).values() if isinstance(code, Code)]
    assert len(told) > 40
    assert all(f'value="{value}"' in text for code in told for value in (code.step, code.mender))
