"""WSDL and schemas at the address they were asked at, and no other file of ours."""

import pytest
from lxml import etree

from gateway import codes
from gateway.config import Limits
from gateway.errors import ConfigError, MalformedError
from gateway.message import ContractId
from gateway.transport import description
from gateway.transport.description import Descriptions

CONTRACT = ContractId("skatteverket/provning")
WSDL = """<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:xs="http://www.w3.org/2001/XMLSchema"
 xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"><wsdl:types><xs:schema>
 <xs:import namespace="urn:a" schemaLocation="{first}"/></xs:schema></wsdl:types>
 <wsdl:service name="s"><wsdl:port name="p" binding="b"><soap:address location="http://to.be.filled.in/"/></wsdl:port>
 </wsdl:service></wsdl:definitions>"""
FIRST = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:a">
 <xs:include schemaLocation="second.xsd"/></xs:schema>"""
SECOND = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:a">
 <xs:include schemaLocation="first.xsd"/><xs:include schemaLocation="../shared.xsd"/></xs:schema>"""
ORIGIN = "https://gateway.example:8443"


@pytest.fixture
def folder(tmp_path):
    here = tmp_path / "schemas" / "skatteverket"
    here.mkdir(parents=True)
    (here / "provning.wsdl").write_text(WSDL.format(first="first.xsd"))
    (here / "first.xsd").write_text(FIRST)
    (here / "second.xsd").write_text(SECOND)
    (tmp_path / "schemas" / "shared.xsd").write_text(FIRST.replace("second.xsd", "skatteverket/second.xsd"))
    (here / "unnamed.xsd").write_text(FIRST)
    (tmp_path / "secret.xsd").write_text(FIRST)
    return tmp_path / "schemas"


def build(folder):
    return Descriptions.build(folder, {CONTRACT: "skatteverket/provning.xsd"}, Limits())


@pytest.mark.parametrize("query", [b"wsdl", b"WSDL", b"wsdl=", b"wsdl&x=1"])
def test_the_wsdl_says_where_it_was_asked_for(folder, query):
    root = etree.fromstring(build(folder).find(CONTRACT, query, ORIGIN))
    service = f"{ORIGIN}/soap/{CONTRACT}"
    assert root.find(".//{*}address").get("location") == service
    assert root.find(".//{*}import").get("schemaLocation") == f"{ORIGIN}/schemas/skatteverket/first.xsd"


@pytest.mark.parametrize("path", ["skatteverket/first.xsd", "skatteverket/second.xsd", "shared.xsd"])
def test_schemas_named_directly_or_by_another_are_served(folder, path):
    made = build(folder)
    assert made.schema(path, ORIGIN) == made.find(CONTRACT, f"xsd={path}".encode(), ORIGIN)
    assert etree.fromstring(made.schema(path, ORIGIN)).tag.endswith("schema")


def test_a_schema_says_where_the_next_one_is(folder):
    root = etree.fromstring(build(folder).schema("skatteverket/second.xsd", ORIGIN))
    places = [element.get("schemaLocation") for element in root.iter("{*}include")]
    assert places == [f"{ORIGIN}/schemas/skatteverket/first.xsd", f"{ORIGIN}/schemas/shared.xsd"]


@pytest.mark.parametrize(
    "path",
    [
        "skatteverket/unnamed.xsd",
        "../secret.xsd",
        "..%2Fsecret.xsd",
        "skatteverket/../shared.xsd",
        "/etc/passwd",
        "skatteverket/provning.wsdl",
        "",
        "shared.xsd\x00",
    ],
)
def test_nothing_else_is_served(folder, path):
    made = build(folder)
    for ask in (lambda: made.schema(path, ORIGIN), lambda: made.find(CONTRACT, b"xsd=" + path.encode(), ORIGIN)):
        with pytest.raises(MalformedError) as caught:
            ask()
        assert caught.value.code is codes.PATH


def test_a_contract_gives_only_the_schemas_that_it_names_itself(folder):
    (folder / "skatteverket" / "ensam.wsdl").write_text(WSDL.format(first="unnamed.xsd"))
    other = ContractId("skatteverket/ensam")
    made = Descriptions.build(
        folder, {CONTRACT: "skatteverket/provning.xsd", other: "skatteverket/ensam.xsd"}, Limits()
    )
    with pytest.raises(MalformedError):
        made.find(CONTRACT, b"xsd=skatteverket/unnamed.xsd", ORIGIN)
    assert made.find(other, b"xsd=skatteverket/unnamed.xsd", ORIGIN)


@pytest.mark.parametrize("query", [b"", b"other", b"x=1&wsdl"])
def test_another_query_is_nothing(folder, query):
    assert build(folder).find(CONTRACT, query, ORIGIN) is None


@pytest.mark.parametrize("location", ["../../secret.xsd", "/etc/passwd", "http://example.org/a.xsd", "missing.xsd"])
def test_a_wsdl_that_names_what_is_not_beside_it_is_a_wrong_configuration(folder, location):
    (folder / "skatteverket" / "provning.wsdl").write_text(WSDL.format(first=location))
    with pytest.raises(ConfigError):
        build(folder)


def test_a_schema_that_is_no_xml_is_a_wrong_configuration(folder):
    (folder / "skatteverket" / "first.xsd").write_text("not xml")
    with pytest.raises(ConfigError, match=r"first\.xsd"):
        build(folder)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (b"gateway.example", "https://gateway.example"),
        (b"127.0.0.1:8443", "https://127.0.0.1:8443"),
        (b"[::1]:8443", "https://[::1]:8443"),
        (b'evil"><x', "https://10.0.0.1:443"),
        (b"a b", "https://10.0.0.1:443"),
        (b"user@host", "https://10.0.0.1:443"),
        (b"host/path", "https://10.0.0.1:443"),
    ],
)
def test_the_host_header_is_believed_only_if_it_is_a_host(host, expected):
    assert description.origin({"headers": [(b"host", host)], "server": ("10.0.0.1", 443)}) == expected


def test_without_a_host_header_we_name_ourselves():
    assert description.origin({"headers": [], "server": ("::1", 443)}) == "https://[::1]:443"
