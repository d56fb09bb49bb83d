"""A foreign client builds itself from the WSDL we serve, and its own message goes all the way."""

from datetime import UTC, datetime, timedelta

import pytest
import zeep
from lxml import etree
from zeep.transports import Transport

from gateway.trust.signing import SigningKey, sign_element
from tests import payloads
from tests.integration.stage import FAULT, code

CONTRACTS = {
    "skatteverket/folkbokforing": "skatteverket",
    "skatteverket/arbetsgivardeklaration": "skatteverket",
    "arbetsformedlingen/ersattningsstod": "arbetsformedlingen",
    "arbetsgivare/sjukanmalan": "arbetsgivare-a",
}


class Signing:
    """Our signature as a zeep plugin."""

    def __init__(self, material):
        self.key = SigningKey(key=material.key, certificate=material.der)

    def apply(self, envelope, headers):
        now = datetime.now(UTC)
        sign_element(envelope, key=self.key, created=now, expires=now + timedelta(minutes=5))
        return envelope, headers

    def verify(self, envelope):
        """The receipt's signature has tests of its own."""


@pytest.mark.parametrize("contract", CONTRACTS)
def test_zeep_builds_a_client_from_the_address(stand, contract):
    with stand.stage.session(CONTRACTS[contract]) as session:
        client = zeep.Client(f"{stand.address(contract)}?wsdl", transport=Transport(session=session))
        (service,) = client.wsdl.services.values()
        addresses = {port.binding_options["address"] for port in service.ports.values()}
        assert addresses == {stand.address(contract)}


def test_a_message_that_zeep_built_from_our_schema_is_accepted(stand):
    contract = "arbetsgivare/sjukanmalan"
    with stand.stage.session("arbetsgivare-a") as session:
        material = stand.stage.demo.clients["arbetsgivare-a"].sign
        client = zeep.Client(
            f"{stand.address(contract)}?wsdl", transport=Transport(session=session), wsse=Signing(material)
        )
        payload = etree.fromstring(payloads.sjukanmalan(signer=material))
        found = {etree.QName(element).localname: element.text for element in payload.iter()}
        answer = client.service.SkickaAnmalanFranArbetsgivare(
            anmalanfranarbetsgivare={"_value_1": payloads.base64.b64decode(found["anmalanfranarbetsgivare"])},
            underskrift=[
                {
                    "signaturtyp": found["signaturtyp"],
                    "signatur": {"_value_1": payloads.base64.b64decode(found["signatur"])},
                    "ocspresponse": {"_value_1": b"0\x00"},
                    "signaturdatum": found["signaturdatum"],
                }
            ],
        )
    assert "tx-id" in str(answer).replace("_", "-")


def test_zeep_sees_our_fault_as_a_fault(stand):
    contract = "arbetsgivare/sjukanmalan"
    with stand.stage.session("arbetsgivare-a") as session:
        client = zeep.Client(f"{stand.address(contract)}?wsdl", transport=Transport(session=session))
        underskrift = {
            "signaturtyp": "ANORDNARE",
            "signatur": b"x",
            "ocspresponse": b"x",
            "signaturdatum": "2026-01-15",
        }
        with pytest.raises(zeep.exceptions.Fault) as caught:
            client.service.SkickaAnmalanFranArbetsgivare(anmalanfranarbetsgivare=b"x", underskrift=[underskrift])
    assert caught.value.detail.findtext(f".//{FAULT}Code") == "GW-SIG-MISSING"


@pytest.mark.parametrize("contract", CONTRACTS)
def test_every_schema_a_wsdl_leads_to_is_served_where_it_says(stand, contract):
    with stand.stage.session(CONTRACTS[contract]) as session:
        waiting, seen = [f"{stand.address(contract)}?wsdl"], set()
        while waiting:
            address = waiting.pop()
            if address in seen:
                continue
            seen.add(address)
            answer = session.get(address)
            assert answer.status_code == 200
            assert answer.headers["Content-Type"] == "text/xml; charset=utf-8"
            for element in etree.fromstring(answer.content).iter("{*}import", "{*}include"):
                waiting += [place] if (place := element.get("schemaLocation")) else []
    assert len(seen) > 1


@pytest.mark.parametrize(
    "path",
    [
        "/schemas/../config/gateway.toml",
        "/schemas/%2e%2e/config/gateway.toml",
        "/schemas//etc/passwd",
        "/schemas/",
        "/schemas/skatteverket/folkbokforing.wsdl",
        "/soap/skatteverket/folkbokforing?xsd=../../config/gateway.toml",
        "/soap/skatteverket/folkbokforing?xsd=arbetsgivare/sjukanmalan.xsd",
        "/soap/skatteverket/folkbokforing?xsd=",
    ],
)
def test_nothing_else_is_served(stand, path):
    with stand.stage.session() as session:
        answer = session.get(stand.server.origin + path)
    assert answer.status_code == 404
    assert code(answer.content) == "GW-HTTP-PATH"


def test_a_schema_is_only_read(stand):
    with stand.stage.session() as session:
        answer = session.post(f"{stand.server.origin}/schemas/receipt.xsd", data=b"x")
    assert answer.status_code == 405
    assert code(answer.content) == "GW-HTTP-METHOD"
