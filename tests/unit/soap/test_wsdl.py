"""WSDL as served: addresses filled in, everything else as it was."""

import pytest
from lxml import etree

from gateway.errors import ConfigError
from gateway.soap import wsdl

FILE = """<?xml version="1.0" encoding="UTF-8"?>
<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/"
    xmlns:s12="http://schemas.xmlsoap.org/wsdl/soap12/" xmlns:xs="http://www.w3.org/2001/XMLSchema"
    targetNamespace="urn:t">
  <w:import namespace="urn:x" location="other.wsdl"/>
  <w:types><xs:schema>
    <xs:import namespace="urn:a" schemaLocation="a.xsd"/>
    <xs:include schemaLocation="../receipt.xsd"/>
    <xs:import namespace="urn:b" schemaLocation="https://example.org/b.xsd"/>
    <xs:import namespace="urn:c"/>
  </xs:schema></w:types>
  <w:service name="å"><w:port><s:address location="https://localhost/"/></w:port>
  <w:port><s12:address location=""/></w:port></w:service>
</w:definitions>""".encode()
SERVICE = "https://gateway.example/soap/skatteverket/folkbokforing?a=1&b=2"


@pytest.mark.parametrize(
    "schemas", ["https://gateway.example/schemas/skatteverket", "https://gateway.example/schemas/skatteverket/"]
)
def test_every_address_is_filled_in(schemas):
    text = wsdl.located(FILE, service=SERVICE, schemas=schemas)
    root = etree.fromstring(text)
    assert [element.get("location") for element in root.iter("{*}address")] == [SERVICE, SERVICE]
    assert [
        element.get("schemaLocation") for element in root.iter("{*}import", "{*}include") if "wsdl" not in element.tag
    ] == [
        "https://gateway.example/schemas/skatteverket/a.xsd",
        "https://gateway.example/schemas/receipt.xsd",
        "https://example.org/b.xsd",
        None,
    ]
    assert root[0].get("location") == "https://gateway.example/schemas/skatteverket/other.wsdl"


def test_the_rest_is_as_it_was():
    root = etree.fromstring(wsdl.located(FILE, service=SERVICE, schemas="https://x/y"))
    assert (root.get("targetNamespace"), root.find("{*}service").get("name")) == ("urn:t", "å")


def test_a_schema_without_addresses_comes_back():
    text = wsdl.located(
        b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"/>', service=SERVICE, schemas="https://x/y"
    )
    assert etree.fromstring(text).tag == "{http://www.w3.org/2001/XMLSchema}schema"


@pytest.mark.parametrize("text", [b"", b"<a>", b"<!DOCTYPE a><a/>"])
def test_a_file_that_is_not_xml_is_a_wrong_configuration(text):
    with pytest.raises(ConfigError, match="schemas/"):
        wsdl.located(text, service=SERVICE, schemas="https://x/y")
