"""The WSDLs beside the schemas: what a partner's own tool builds from them must be what the contract takes."""

import pytest
import zeep
from lxml import etree

from gateway.adapters.contract import Contract
from gateway.message import ContractId
from tests.unit.adapters import bare

WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
SOAP_ACTIONS = {
    "skatteverket/folkbokforing": "",
    "skatteverket/arbetsgivardeklaration": "",
    "arbetsformedlingen/ersattningsstod": "",
    "arbetsgivare/sjukanmalan": (
        "urn:shs:emottagning:SkickaAnmalanFranArbetsgivareResponder:1:SkickaAnmalanFranArbetsgivare"
    ),
}


def contract(name: str) -> Contract:
    return bare.contracts()[ContractId(name)]


def client(name: str) -> zeep.Client:
    return zeep.Client(str(bare.SCHEMAS / f"{name}.wsdl"))


def operations(built: zeep.Client) -> list:
    (service,) = built.wsdl.services.values()
    return [operation for port in service.ports.values() for operation in port.binding.all().values()]


@pytest.mark.parametrize("name", SOAP_ACTIONS)
def test_zeep_builds_a_client_with_soap_11_and_12_from_local_files(name: str) -> None:
    both = operations(client(name))
    assert [type(operation.binding).__name__ for operation in both] == ["Soap11Binding", "Soap12Binding"]
    for operation in both:
        assert operation.style == "document"
        assert operation.soapaction == SOAP_ACTIONS[name]
        assert {operation.abstract.wsa_action} == contract(name).actions
        assert operation.input.body.qname.text == contract(name).root
        assert "Fault" in operation.faults


@pytest.mark.parametrize("name", SOAP_ACTIONS)
def test_the_answer_is_the_receipt_or_the_contracts_own_element(name: str) -> None:
    (first, _) = operations(client(name))
    own = "{urn:shs:emottagning:SkickaAnmalanFranArbetsgivare:1}SkickaAnmalanFranArbetsgivareResponse"
    receipt = "{urn:forsakringskassan:utbyte:receipt:1}Receipt"
    assert first.output.body.qname.text == (own if name == "arbetsgivare/sjukanmalan" else receipt)


@pytest.mark.parametrize("name", SOAP_ACTIONS)
def test_every_schema_a_wsdl_names_is_a_relative_file_beside_it(name: str) -> None:
    root = etree.parse(str(bare.SCHEMAS / f"{name}.wsdl")).getroot()
    places = [element.get("schemaLocation") for element in root.iter("{http://www.w3.org/2001/XMLSchema}*")]
    named = [place for place in places if place]
    assert len(named) == 3
    for place in named:
        assert ":" not in place
        assert (bare.SCHEMAS / name).parent.joinpath(place).is_file()


def built(name: str, *arguments: object, **values: object) -> etree._Element:
    """Return the one child of Body in the message that zeep would send."""
    made = client(name)
    (operation, _) = operations(made)
    envelope = made.create_message(made.service, operation.name, *arguments, **values)
    (payload,) = envelope.find("{http://schemas.xmlsoap.org/soap/envelope/}Body")
    return payload


def test_what_zeep_builds_for_folkbokforing_is_taken() -> None:
    post = {
        "Sekretessmarkering": "N",
        "Arendeuppgift": {"andringstidpunkt": 20260109143000},
        "Personpost": {
            "PersonId": {"PersonNr": 198001022394},
            "Namn": {"Fornamn": {"_value_1": "Elsa"}},
            "Folkbokforing": {"Folkbokforingsdatum": 20030200},
        },
    }
    payload = built("skatteverket/folkbokforing", Folkbokforingsposter={"Folkbokforingspost": [post]})
    (record,) = bare.offline(etree.tostring(payload))
    assert record.person.number == "198001022394"
    assert record.fields["folkbokforingsdatum"] == "2003-02"


def test_what_zeep_builds_for_ersattningsstod_is_taken() -> None:
    fraga = {
        "OrganisationsnummerForIngivare": "2021005521",
        "NamnPaIngivare": "Försäkringskassan",
        "KontonamnForHandlaggare": "FK0001",
        "Referensnummer": "REF-0001",
        "From": "2025-12-01",
        "Tom": "2026-01-09",
        "SyfteMedFraga": "syfte",
        "LagParagraf": "lag",
        "IdentitetsbeteckningFysiskPerson": "199205143028",
    }
    svar = {
        "Schemaversion": "4.0",
        "Referensnummer": "REF-0001",
        "LagParagraf": "lag",
        "IdentitetsbeteckningFysiskPerson": "199205143028",
        "Sekretessmarkering": True,
        "StatusSokandeinformationKod": 0,
        "StatusSokandeinformationKodText": "ok",
    }
    payload = built("arbetsformedlingen/ersattningsstod", Fraga=fraga, Svar=svar)
    (record,) = bare.offline(etree.tostring(payload))
    assert record.cited == ("syfte", "lag", "lag")


def test_what_zeep_builds_for_sjukanmalan_is_taken() -> None:
    source = etree.fromstring(bare.text("arbetsgivare/sjukanmalan/anmalan").encode())
    exact = zeep.xsd.Base64Binary().pythonvalue("".join(str(source[0].text).split()))
    payload = built(
        "arbetsgivare/sjukanmalan",
        anmalanfranarbetsgivare={"_value_1": exact},
        underskrift=[
            {
                "signaturtyp": "ANORDNARE",
                "signatur": {"_value_1": b"offline"},
                "ocspresponse": {"_value_1": b"\x30\x00"},
                "signaturdatum": "2025-12-29",
            }
        ],
    )
    (record,) = bare.offline(etree.tostring(payload))
    assert record.person.number == "199903192392"


def test_what_zeep_builds_for_arbetsgivardeklaration_is_taken() -> None:
    source = etree.fromstring(bare.text("skatteverket/arbetsgivardeklaration/inkomst").encode())
    uppgifter = [next(blankett.iter("{*}IU", "{*}HU")) for blankett in source.iter("{*}Blankett")]
    contact = {"Namn": "Tove Teknik", "Telefon": "08-46500433", "Epostadress": "tove@example.se"}
    payload = built(
        "skatteverket/arbetsgivardeklaration",
        omrade="Arbetsgivardeklaration",
        Avsandare={
            "Programnamn": "Löneprogrammet",
            "Organisationsnummer": "165560269986",
            "TekniskKontaktperson": contact,
            "Skapad": "2026-01-09T07:42:25",
        },
        Blankettgemensamt={"Arbetsgivare": {"AgRegistreradId": "165560269986"}},
        Blankett=[
            {
                "Arendeinformation": {"Arendeagare": "165560269986", "Period": "202512"},
                "Blankettinnehall": {etree.QName(uppgift).localname: {"_value_1": list(uppgift)}},
            }
            for uppgift in uppgifter
        ],
    )
    assert [record.fields["avdrPrelSkatt"] for record in bare.offline(etree.tostring(payload))] == [9300, 7590]
