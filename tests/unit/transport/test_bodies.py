"""zeep builds bodies from the files in `schemas/` alone, and nothing of what it is given gets out in an error."""

import logging
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import zeep
from lxml import etree

from gateway import logs
from gateway.adapters.outgoing import Outgoing
from gateway.adapters.registry import Registry
from gateway.errors import ConfigError, IntegrityError
from gateway.message import ContractId, SoapVersion
from gateway.transport import bodies as module
from gateway.transport.bodies import Bodies
from tests.golden.composed import CASES, SCHEMAS, composed, contract, parcel
from tests.rules import ROOT

STOD = ContractId("arbetsformedlingen/ersattningsstod")
WSDL = "arbetsformedlingen/ersattningsstod-fraga.wsdl"
PERSON = "189001019802"
QUESTION = {
    "OrganisationsnummerForIngivare": "2021005521",
    "NamnPaIngivare": "Försäkringskassan",
    "KontonamnForHandlaggare": "k",
    "Referensnummer": "r-1",
    "From": "2026-01-01",
    "Tom": "2026-01-31",
    "SyfteMedFraga": "s",
    "LagParagraf": "9 kap. 1 §",
    "IdentitetsbeteckningFysiskPerson": PERSON,
}


@pytest.fixture(scope="module")
def going() -> Outgoing:
    return Registry.load(SCHEMAS).outgoing[STOD]


@pytest.fixture(scope="module")
def bodies(going) -> Bodies:
    return Bodies(SCHEMAS, [going])


@pytest.fixture
def schemas(tmp_path):
    """A copy of the schemas, to be spoiled."""
    return shutil.copytree(ROOT / "schemas", tmp_path / "schemas")


def changed(schemas, old: str, new: str) -> None:
    path = schemas / WSDL
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


class TestABody:
    @pytest.mark.parametrize("case", CASES, ids=lambda case: f"{contract(case)}/{case.name.partition('.')[0]}")
    def test_is_one_element_in_exclusive_canonical_form(self, case):
        made = composed(contract(case), parcel(case))
        alone = etree.tostring(etree.fromstring(made), method="c14n", exclusive=True, with_comments=False)
        assert made == alone

    def test_is_the_same_from_many_threads_at_once_on_first_use(self, going):
        def made(number):
            return fresh.body(STOD, {"Fraga": QUESTION | {"Referensnummer": f"r-{number}"}})

        fresh = Bodies(SCHEMAS, [going])
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(made, range(200)))
        assert together == [made(number) for number in range(200)]

    def test_escapes_what_would_be_markup(self, bodies):
        made = bodies.body(STOD, {"Fraga": QUESTION | {"Referensnummer": "<b>&]]>\r\n"}})
        assert b"<ns0:Referensnummer>&lt;b&gt;&amp;]]&gt;&#xD;\n</ns0:Referensnummer>" in made

    def test_has_the_soap_action_that_the_wsdl_says(self, bodies, schemas, going):
        assert bodies.soap_action(STOD) == ""
        changed(schemas, 'soapAction=""', 'soapAction="urn:a"')
        assert Bodies(schemas, [going]).soap_action(STOD) == "urn:a"


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "place"),
        [
            ({}, "FragaMeddelande.Fraga: ValidationError"),
            ({"Fraga": {**QUESTION, "From": None}}, "FragaMeddelande.Fraga.From: ValidationError"),
            ({"Fraga": QUESTION, "Annat": PERSON}, "no place for Annat: TypeError"),
            ({"Fraga": {**QUESTION, "Annat": PERSON}}, "no place for Annat: TypeError"),
            ({"Fraga": PERSON}, "FragaMeddelande.Fraga.OrganisationsnummerForIngivare: ValidationError"),
            ({"Fraga": {**QUESTION, "Referensnummer": [PERSON, PERSON]}}, "an argument: "),
            ({"Fraga": {**QUESTION, "Referensnummer": f"{PERSON}\0"}}, "an argument: ValueError"),
        ],
    )
    def test_that_have_no_place_are_told_by_element_and_never_by_value(self, bodies, arguments, place):
        with pytest.raises(IntegrityError) as caught:
            bodies.body(STOD, arguments)
        assert caught.value.detail.startswith(f"{STOD}: {place}")
        assert PERSON not in repr(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__

    def test_of_a_contract_that_does_not_go_out_are_refused(self, bodies):
        with pytest.raises(IntegrityError, match="skatteverket/folkbokforing"):
            bodies.body(ContractId("skatteverket/folkbokforing"), {})

    def test_are_never_logged(self, bodies, caplog):
        caplog.set_level(logging.DEBUG)
        with logs.captured() as lines:
            bodies.body(STOD, {"Fraga": QUESTION})
            with pytest.raises(IntegrityError):
                bodies.body(STOD, {"Fraga": {**QUESTION, "Annat": PERSON}})
        assert PERSON not in caplog.text
        assert PERSON not in lines.getvalue().decode()


class TestTheFiles:
    @pytest.mark.parametrize(
        "place",
        [
            "http://127.0.0.1:9/a.xsd",
            "https://www.w3.org/2001/xml.xsd",
            "file:///etc/hostname",
            "/etc/hostname",
            "../../outside.xsd",
            "ftp://127.0.0.1/a.xsd",
        ],
    )
    def test_that_are_not_below_schemas_are_refused(self, schemas, going, place, monkeypatch):
        (schemas.parent / "outside.xsd").write_text('<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"/>')
        called = []
        monkeypatch.setattr(socket.socket, "connect", lambda *_: called.append(1))
        changed(schemas, 'schemaLocation="ersattningsstod.xsd"', f'schemaLocation="{place}"')
        with pytest.raises(ConfigError):
            Bodies(schemas, [going])
        assert not called

    def test_that_lead_out_of_schemas_by_a_link_are_refused(self, schemas, going):
        inside, outside = schemas / "arbetsformedlingen" / "ersattningsstod.xsd", schemas.parent / "outside.xsd"
        inside.rename(outside)
        inside.symlink_to(outside)
        with pytest.raises(ConfigError, match="not below the folder"):
            Bodies(schemas, [going])

    def test_that_are_missing_are_named(self, schemas, going):
        (schemas / "arbetsformedlingen" / "ersattningsstod.xsd").unlink()
        with pytest.raises(ConfigError, match=r"ersattningsstod\.xsd: cannot be read"):
            Bodies(schemas, [going])

    @pytest.mark.parametrize(
        "text", ["", "<a>", '<!DOCTYPE a [<!ENTITY b SYSTEM "/etc/hostname">]><a>&b;</a>', "<!DOCTYPE a><a/>"]
    )
    def test_that_are_no_wsdl_are_a_wrong_configuration(self, schemas, going, text):
        (schemas / WSDL).write_text(text)
        with pytest.raises(ConfigError, match=r"ersattningsstod-fraga\.wsdl"):
            Bodies(schemas, [going])

    @pytest.mark.parametrize(
        "changes", [{"operation": "Annat"}, {"soap": SoapVersion.SOAP_12}], ids=["operation", "soap"]
    )
    def test_that_lack_the_operation_are_a_wrong_configuration(self, schemas, going, changes):
        if "soap" in changes:
            text = (schemas / WSDL).read_text()
            (schemas / WSDL).write_text(text.replace("wsdl/soap12/", "wsdl/other/"))
        with pytest.raises(ConfigError, match=r"has no operation"):
            Bodies(schemas, [replace(going, **changes)])

    def test_of_another_root_than_the_contracts_make_no_body(self, going):
        other = Bodies(SCHEMAS, [replace(going, root="{urn:a}B")])
        with pytest.raises(IntegrityError, match="has not made one"):
            other.body(STOD, {"Fraga": QUESTION})


class TestTheTransport:
    def test_fetches_and_sends_nothing(self):
        transport = module._Local(SCHEMAS)
        assert isinstance(transport, zeep.Transport)
        assert not hasattr(transport, "session")
        with pytest.raises(IntegrityError):
            transport.get("https://127.0.0.1/", {}, {})
        with pytest.raises(IntegrityError):
            transport.post("https://127.0.0.1/", b"", {})
        with pytest.raises(IntegrityError):
            transport.post_xml("https://127.0.0.1/", etree.Element("a"), {})
