"""SOAP 1.1 and 1.2 envelopes: version, shape, ids and headers that must be understood."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import codes
from gateway.config import Limits
from gateway.errors import MalformedError
from gateway.message import Admitted, ContractId, Fingerprint, OrganisationNumber, PartnerId, Received, SoapVersion
from gateway.soap import envelope, names

LIMITS = Limits()
S11, S12 = SoapVersion.SOAP_11, SoapVersion.SOAP_12
TYPES = {S11: "text/xml; charset=utf-8", S12: 'application/soap+xml; charset=utf-8; action="urn:a"'}
ACTOR_NEXT = 's:actor="http://schemas.xmlsoap.org/soap/actor/next"'


def written(header: str = "", body: str = "<s:Body><p/></s:Body>", version: SoapVersion = S11) -> bytes:
    return f'<s:Envelope xmlns:s="{version}" xmlns:wsu="{names.WSU}">{header}{body}</s:Envelope>'.encode()


def opened(data: bytes, content_type: str | None = "text/xml") -> envelope.Opened:
    return envelope.open_offline(data, content_type, LIMITS)


def refused(data: bytes, content_type: str | None = "text/xml") -> codes.Code:
    with pytest.raises(MalformedError) as caught:
        opened(data, content_type)
    return caught.value.code


def test_parse_gives_the_form_of_what_an_admitted_peer_sent():
    received = Received(
        body=written(version=S12),
        content_type=TYPES[S12],
        contract=ContractId("skatteverket/x"),
        peer=None,
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    admitted = Admitted(
        received=received,
        partner=PartnerId("skatteverket"),
        organisation=OrganisationNumber("2021005448"),
        peer=Fingerprint(""),
    )
    parsed = envelope.parse(admitted, LIMITS)
    assert (parsed.version, parsed.admitted) == (S12, admitted)
    assert envelope.body_of(parsed.root)[0].tag == "p"


# --- version and Content-Type ---


@pytest.mark.parametrize("version", list(SoapVersion))
def test_both_versions_are_opened_with_their_own_content_type_or_none(version):
    assert opened(written(version=version), TYPES[version]).version is version
    assert opened(written(version=version), None).version is version


def test_a_version_that_contradicts_the_content_type_is_refused():
    assert refused(written(version=S12), TYPES[S11]) is codes.SOAP_VERSION
    assert refused(written(version=S11), TYPES[S12]) is codes.SOAP_VERSION


def test_an_envelope_of_an_unknown_version_is_refused_as_such():
    data = written().replace(S11.encode(), b"http://www.w3.org/2001/12/soap-envelope")
    assert refused(data) is codes.SOAP_VERSION
    assert refused(b"<Envelope/>") is codes.SOAP_VERSION


@pytest.mark.parametrize("root", [b"<html/>", b"<x:Body xmlns:x='http://schemas.xmlsoap.org/soap/envelope/'/>"])
def test_what_is_no_envelope_is_refused(root):
    assert refused(root) is codes.SOAP_ENVELOPE


@pytest.mark.parametrize(
    ("content_type", "code"),
    [
        ("", codes.CONTENT_TYPE),
        ("application/json", codes.CONTENT_TYPE),
        ("text/xmlx", codes.CONTENT_TYPE),
        ("multipart/related; type=text/xml; boundary=x", codes.MULTIPART),
        ("Multipart/Related", codes.MULTIPART),
        ("text/xml; charset=koi8-r", codes.XML_ENCODING),
        ("text/xml; charset=utf-16", codes.XML_ENCODING),
        ("text/xml; charset=utf-8; charset=iso-8859-1", codes.XML_ENCODING),
    ],
)
def test_a_wrong_content_type_is_refused(content_type, code):
    assert refused(written(), content_type) is code


@pytest.mark.parametrize(
    "content_type",
    ["TEXT/XML", "text/xml;charset=UTF-8", 'text/xml ; Charset = "utf-8"', "text/xml; x=1; charset=utf8"],
)
def test_a_content_type_may_be_written_as_http_allows(content_type):
    assert opened(written(), content_type).version is S11


def test_the_charset_of_the_content_type_decides_where_the_xml_says_nothing():
    data = written(body="<s:Body><p>å</p></s:Body>").decode().encode("latin-1")
    assert opened(data, "text/xml; charset=iso-8859-1").root[-1][0].text == "å"


# --- shape ---


@pytest.mark.parametrize(
    "data",
    [
        written("<s:Header/>"),
        written("<s:Header></s:Header>\n "),
        written("<!-- c --><s:Header/><!-- c -->", "<s:Body><!-- c -->\n<p/>\n<!-- c --></s:Body><!-- c -->\n"),
        written(body="<s:Body wsu:Id='b' x='1'><p/></s:Body>"),
    ],
)
def test_space_and_comments_between_the_parts_are_nothing(data):
    assert opened(data).root[-1].tag == f"{{{S11}}}Body"


@pytest.mark.parametrize(
    "data",
    [
        written(body=""),
        written("<s:Header/>", ""),
        written("<s:Header/><s:Header/>"),
        written(body="<s:Body><p/></s:Body><s:Body><p/></s:Body>"),
        written("", "<s:Body><p/></s:Body><s:Header/>"),
        written("<x/>"),
        written(body="<s:Body><p/></s:Body><x/>"),
        written(body="<Body><p/></Body>"),
        written("text"),
        written("<s:Header/>text"),
        written(body="<s:Body><p/></s:Body><![CDATA[x]]>"),
        written().replace(b"<s:Body>", b"<b:Body xmlns:b='%b'>" % S12.encode()).replace(b"</s:B", b"</b:B"),
    ],
)
def test_an_envelope_with_anything_else_in_it_is_refused(data):
    assert refused(data) is codes.SOAP_ENVELOPE


@pytest.mark.parametrize("content", ["", " ", "<!-- c -->", "<p/><p/>", "x<p/>", "<p/>x", "text", "<p/><![CDATA[x]]>"])
def test_a_body_without_exactly_one_element_is_refused(content):
    assert refused(written(body=f"<s:Body>{content}</s:Body>")) is codes.SOAP_BODY


def test_an_instruction_in_the_body_is_refused():
    assert refused(written(body="<s:Body><p/><?x?></s:Body>")) is codes.XML_INSTRUCTION


# --- ids ---


@pytest.mark.parametrize("first", ["wsu:Id", "Id", "ID", "xml:id"])
@pytest.mark.parametrize("second", ["wsu:Id", "Id", "ID", "xml:id"])
def test_an_id_on_two_elements_is_refused_however_it_is_written(first, second):
    body = f"<s:Body><p {first}='%s'><q {second}='x'/></p></s:Body>"
    assert refused(written(body=body % "x")) is codes.XML_DUPLICATE_ID
    assert opened(written(body=body % "y")).version is S11


def test_a_plain_id_is_business_data_and_may_be_repeated():
    assert opened(written(body="<s:Body><p id='1.1'><q id='1.1'/></p></s:Body>")).version is S11


# --- mustUnderstand ---


def headed(block: str, version: SoapVersion = S11) -> bytes:
    return written(f"<s:Header>{block}</s:Header>", version=version)


@pytest.mark.parametrize("value", ["1", "true", " 1 ", "", "2", "TRUE"])
@pytest.mark.parametrize("where", ["", ACTOR_NEXT, 's:actor=""'])
def test_a_header_that_must_be_understood_and_is_not_is_refused(value, where):
    assert refused(headed(f'<x s:mustUnderstand="{value}" {where}/>')) is codes.SOAP_MUST_UNDERSTAND


@pytest.mark.parametrize(
    "block",
    [
        "<x/>",
        '<x s:mustUnderstand="0"/>',
        '<x s:mustUnderstand="false"/>',
        '<x mustUnderstand="1"/>',
        '<x s:mustUnderstand="1" s:actor="urn:somebody:else"/>',
        f'<w:Security xmlns:w="{names.WSSE}" s:mustUnderstand="1"/>',
        f'<a:Action xmlns:a="{names.WSA}" s:mustUnderstand="1">x</a:Action>',
        f'<a:To xmlns:a="{names.WSA_2004}" s:mustUnderstand="1">x</a:To>',
    ],
)
def test_a_header_that_is_understood_or_need_not_be_is_passed_by(block):
    assert opened(headed(block)).version is S11


def test_soap_12_has_roles():
    block = '<x s:mustUnderstand="true" s:role="http://www.w3.org/2003/05/soap-envelope/role/%s"/>'
    assert refused(headed(block % "ultimateReceiver", S12), TYPES[S12]) is codes.SOAP_MUST_UNDERSTAND
    assert refused(headed(block % "next", S12), TYPES[S12]) is codes.SOAP_MUST_UNDERSTAND
    assert opened(headed(block % "none", S12), TYPES[S12]).version is S12


# --- nothing else escapes ---


@given(st.binary(max_size=200), st.one_of(st.none(), st.text(max_size=40), st.sampled_from(list(TYPES.values()))))
def test_no_bytes_raise_anything_but_our_errors(data, content_type):
    with pytest.raises(MalformedError):
        opened(data, content_type)


PIECES = (
    "s:Envelope",
    "s:Header",
    "s:Body",
    "x",
    "/s:Envelope",
    "/s:Header",
    "/s:Body",
    "/x",
    "s:Body wsu:Id='a'",
    "?p?",
)


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_no_arrangement_of_parts_opens_but_the_right_one(pieces):
    data = written("".join(f"<{piece}>" for piece in pieces), "")
    try:
        root = opened(data).root
    except MalformedError:
        return
    assert [child.tag for child in root if child.tag != f"{{{S11}}}Header"] == [f"{{{S11}}}Body"]
    assert len(root[-1]) == 1
