"""Signing: canonical by construction, by every kind of key, believed by our own verifier and by xmlsec."""

from datetime import datetime, timedelta, timezone

import pytest
import xmlsec
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.errors import ConfigError, MalformedError
from gateway.message import SoapVersion
from gateway.soap import names, xml
from gateway.trust import pki, signing
from gateway.trust.signing import SigningKey
from tests import forge
from tests.unit.trust.office import PAYLOAD, Office

KINDS = (pki.KeyKind.RSA_2048, pki.KeyKind.P256, pki.KeyKind.ED25519)
AWKWARD = "urn:a&b<c>\"d'\r\n\té"
LIFETIME = timedelta(minutes=5)


@pytest.fixture(scope="module")
def office(country, trust) -> Office:
    return Office(country=country, trust=trust, now=country.now)


def key_of(office: Office, kind: pki.KeyKind = pki.KeyKind.P256) -> SigningKey:
    credential = office.credential(kind)
    return SigningKey(key=credential.key, certificate=credential.der)


def signed(office: Office, payload: str = PAYLOAD, kind: pki.KeyKind = pki.KeyKind.P256, **options) -> bytes:
    usual = {"version": SoapVersion.SOAP_11, "created": office.now, "expires": office.now + LIFETIME}
    return signing.sign(payload, key=key_of(office, kind), **(usual | options))


def pieces(data: bytes) -> list[etree._Element]:
    """Return every element of a signed envelope that has to be canonical as it stands."""
    root = etree.fromstring(data)
    info = next(root.iter(f"{{{names.DS}}}SignedInfo"))
    return [info, *(element for element in root.iter() if element.get(names.ID))]


@pytest.mark.parametrize("version", list(SoapVersion))
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_signed_is_verified_with_every_kind_of_key(office, version, kind):
    data = signed(office, kind=kind, version=version, message_id="urn:uuid:1", to="urn:to", action="urn:a&b")
    made = office.verify(data).provenance
    assert (made.message_id, made.action, made.version) == ("urn:uuid:1", "urn:a&b", version)
    assert made.created == office.now


def test_headers_that_are_not_given_are_not_there(office):
    root = etree.fromstring(signed(office))
    assert [block.tag for block in root[0]] == [names.SECURITY]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(), value=st.text(max_size=20))
def test_every_signed_part_stands_in_its_canonical_form(office, text, value):
    payload = f'<a b="{xml.escape_attribute(value)}">{xml.escape(text)}</a>'
    data = signed(office, payload, message_id=text, to=value, action=AWKWARD, relates_to=text + value)
    parts = pieces(data)
    assert len(parts) == 8
    for part in parts:
        assert xml.canonical(part) in data


@pytest.mark.parametrize("namespace", ["urn:x", SoapVersion.SOAP_11, names.WSU])
@pytest.mark.parametrize("prefix", ["soap", "wsu"])
def test_a_payload_may_have_the_envelopes_own_prefixes(office, prefix, namespace):
    data = signed(office, f'<{prefix}:a xmlns:{prefix}="{namespace}"></{prefix}:a>')
    assert office.verify(data).payload.tag == f"{{{namespace}}}a"


def test_times_are_written_in_utc_whatever_zone_they_come_in():
    time = datetime(2026, 1, 1, 13, 0, 0, 123999, tzinfo=timezone(timedelta(hours=1)))
    assert signing.instant(time) == "2026-01-01T12:00:00.123Z"


@pytest.mark.parametrize(
    "key",
    [rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP384R1())],  # noqa: S505  # to be refused
    ids=["RSA-1024", "P-384"],
)
def test_a_key_that_nobody_may_trust_is_not_used(key):
    with pytest.raises(ConfigError, match="P-256"):
        SigningKey(key=key, certificate=b"")


def test_a_key_does_not_show_itself(office):
    assert "rivate" not in repr(key_of(office))


# --- an envelope that somebody else has built ---


def built(version: str = forge.SOAP_11, header: str = "<h:x xmlns:h='urn:h'/>") -> etree._Element:
    wsa = f"<w:MessageID xmlns:w='{names.WSA}'>urn:uuid:2</w:MessageID><w:To xmlns:w='{names.WSA}'>urn:to</w:To>"
    header = f"<e:Header>{header}{wsa}</e:Header>" if header else ""
    return etree.fromstring(f"<e:Envelope xmlns:e='{version}'>{header}<e:Body>{PAYLOAD}</e:Body></e:Envelope>")


@pytest.mark.parametrize("version", list(SoapVersion))
@pytest.mark.parametrize("kind", KINDS)
def test_an_envelope_is_signed_in_place(office, version, kind):
    envelope = built(version)
    signing.sign_element(envelope, key=key_of(office, kind), created=office.now, expires=office.now + LIFETIME)
    verified = office.verify(etree.tostring(envelope))
    assert verified.provenance.message_id == "urn:uuid:2"
    assert verified.payload[0].text == "värde"


def test_an_envelope_without_a_header_is_given_one(office):
    envelope = built(header="")
    signing.sign_element(envelope, key=key_of(office), created=office.now, expires=office.now + LIFETIME)
    assert office.verify(etree.tostring(envelope)).provenance.message_id.startswith("urn:sha256:")


def test_ids_that_are_there_are_kept(office):
    envelope = built()
    envelope[1].set(names.ID, "mine")
    signing.sign_element(envelope, key=key_of(office), created=office.now, expires=office.now + LIFETIME)
    assert envelope[1].get(names.ID) == "mine"
    assert office.verify(etree.tostring(envelope))


def test_an_envelope_is_not_signed_twice(office):
    envelope = built()
    signing.sign_element(envelope, key=key_of(office), created=office.now, expires=office.now + LIFETIME)
    with pytest.raises(MalformedError, match="signed already"):
        signing.sign_element(envelope, key=key_of(office), created=office.now, expires=office.now + LIFETIME)


@pytest.mark.parametrize("text", ["<a/>", "<a xmlns='urn:x'/>"])
def test_what_is_no_envelope_is_not_signed(office, text):
    with pytest.raises(MalformedError):
        signing.sign_element(
            etree.fromstring(text), key=key_of(office), created=office.now, expires=office.now + LIFETIME
        )


# --- a foreign verifier ---


@pytest.mark.parametrize("kind", [pki.KeyKind.RSA_2048, pki.KeyKind.P256])
def test_xmlsec_believes_the_signature_and_nothing_changed(office, kind):
    data = signed(office, kind=kind, message_id="urn:uuid:1", action="urn:å", relates_to=AWKWARD)
    believed(data, office.credential(kind))
    with pytest.raises(xmlsec.VerificationError):
        believed(data.replace("värde".encode(), b"v\xc3\xa4rdet"), office.credential(kind))


def believed(data: bytes, credential: pki.Issued) -> None:
    root = etree.fromstring(data)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(credential.pem, xmlsec.KeyFormat.CERT_PEM)
    for element in root.iter():
        if element.get(names.ID):
            context.register_id(element, "Id", names.WSU)
    context.verify(next(root.iter(names.SIGNATURE)))
