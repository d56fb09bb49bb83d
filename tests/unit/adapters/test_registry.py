import shutil
import threading
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from lxml import etree

from gateway import codes
from gateway.adapters import registry
from gateway.adapters.registry import Registry
from gateway.config import Limits
from gateway.errors import ConfigError, ContractError, MalformedError
from gateway.message import Category, ContractId
from gateway.soap import xml
from tests.unit.adapters import bare

PERSONNUMMER = "198001022394"
CASES = sorted(path.relative_to(bare.GOLDEN).with_suffix("").as_posix() for path in bare.GOLDEN.glob("*/*/*.xml"))


def detail(caught: pytest.ExceptionInfo[ContractError]) -> str:
    assert PERSONNUMMER not in str(caught.value)
    return caught.value.detail


def sent() -> bare.Sent:
    return bare.Sent("skatteverket/folkbokforing", bare.text("skatteverket/folkbokforing/flyttning"))


def test_the_contracts_are_found_by_their_folders() -> None:
    assert set(bare.contracts()) == {
        "arbetsformedlingen/ersattningsstod",
        "arbetsgivare/sjukanmalan",
        "skatteverket/arbetsgivardeklaration",
        "skatteverket/folkbokforing",
        "skatteverket/personpost",
    }
    assert len(bare.contracts()) == 5
    assert set(bare.contracts().outgoing) == {
        "arbetsformedlingen/ersattningsstod",
        "forsakringskassan/avstamningsmote",
        "forsakringskassan/underrattelse",
        "skatteverket/personpost",
    }


def test_every_field_has_a_category_and_every_contract_an_action() -> None:
    assert all(one.actions for one in bare.contracts().values())
    assert all(one.action for one in bare.contracts().outgoing.values())
    for kinds in bare.contracts().kinds().values():
        for fields in kinds.values():
            assert fields
            assert all(isinstance(spec.category, Category) for spec in fields.values())


@pytest.mark.parametrize("case", CASES)
def test_every_sample_is_accepted_and_yields_declared_fields_only(case: str) -> None:
    payload = xml.parse((bare.GOLDEN / f"{case}.xml").read_bytes(), Limits())
    contract, records = registry.read_offline(payload, bare.contracts(), on=bare.ON)
    assert case.startswith(contract.id)
    assert records or contract.solicited
    for record in records:
        assert set(record.fields) <= set(contract.kinds[record.kind])
        assert record.fields


def test_a_signed_message_becomes_valid_with_its_contracts_version() -> None:
    valid = sent().validate()
    assert valid.version == "1"
    assert len(valid.records) == 1
    assert valid.records[0].person.number == PERSONNUMMER
    assert valid.evidence == sent().payload.encode()


def test_an_address_without_contract_is_refused() -> None:
    with pytest.raises(ContractError) as caught:
        sent().but(contract="skatteverket/nagotannat").validate()
    assert caught.value.code is codes.CONTRACT_UNKNOWN


def test_a_root_element_of_another_contract_is_refused() -> None:
    with pytest.raises(ContractError) as caught:
        sent().but(contract="skatteverket/arbetsgivardeklaration").validate()
    assert caught.value.code is codes.CONTRACT_UNKNOWN


def test_a_root_element_with_the_right_name_in_a_foreign_namespace_is_refused() -> None:
    payload = sent().payload.replace("<Navetavisering ", '<Navetavisering xmlns="urn:annat" ')
    with pytest.raises(ContractError) as caught:
        sent().but(payload=payload).validate()
    assert caught.value.code is codes.CONTRACT_UNKNOWN


def test_a_signed_action_must_be_the_contracts() -> None:
    (action,) = bare.contracts()[ContractId("skatteverket/folkbokforing")].actions
    assert sent().but(action=action).validate().records
    with pytest.raises(ContractError) as caught:
        sent().but(action=action + "2").validate()
    assert caught.value.code is codes.CONTRACT_ACTION


def test_a_message_about_nobody_is_refused() -> None:
    with pytest.raises(ContractError, match="nothing in it is about a person") as caught:
        sent().but(payload="<Navetavisering><Folkbokforingsposter/></Navetavisering>").validate()
    assert caught.value.code is codes.CONTRACT_CONTENT


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (f"<PersonNr>{PERSONNUMMER}<", f"<PersonNr>{PERSONNUMMER}x<", "line 34: PersonNr: cvc-datatype-valid-1-2-1"),
        (">N</Sekretessmarkering>", ">NN</Sekretessmarkering>", "line 29: Sekretessmarkering: cvc-length-valid"),
        ("<Personpost>", "<Annat/><Personpost>", "line 33: an element: element-content, expected Personpost"),
        ('styrkt="J">Elsa', 'styrkt="198001022394">Elsa', "line 37: Fornamn attribute styrkt: cvc-enumeration-valid"),
        ("<Personpost>", "<p198001022394/><Personpost>", "line 33: an element: element-content, expected Personpost"),
        (
            "<Personpost>",
            '<a xmlns="urn:198001022394:Expected(is)"/><Personpost>',
            "line 33: an element: element-content, expected Personpost",
        ),
    ],
)
def test_a_broken_schema_rule_is_told_by_line_name_and_rule_but_never_by_value(old: str, new: str, told: str) -> None:
    with pytest.raises(ContractError) as caught:
        sent().but(payload=sent().payload.replace(old, new)).validate()
    assert caught.value.code is codes.CONTRACT_SCHEMA
    assert detail(caught) == told


def test_thousands_of_elements_beside_each_other_are_refused_before_the_schema_counts_their_errors() -> None:
    many = "<Folkbokforingspost/>" * 5001
    payload = f"<Navetavisering><Folkbokforingsposter>{many}</Folkbokforingsposter></Navetavisering>"
    with pytest.raises(ContractError, match="split the message"):
        sent().but(payload=payload).validate()
    with pytest.raises(ContractError, match="element-content"):
        sent().but(payload=payload.replace("<Folkbokforingspost/>", "", 1)).validate()


def test_the_law_of_the_day_the_message_was_made_applies_to_the_register() -> None:
    made = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)
    assert sent().but(created=made).validate().records[0].period_from == date(2026, 1, 31)


def test_every_thread_has_its_own_schema_and_keeps_it() -> None:
    contracts = bare.contracts()
    contract = contracts[ContractId("skatteverket/folkbokforing")]
    here, there = contracts.schema(contract), []
    thread = threading.Thread(target=lambda: there.extend([contracts.schema(contract), contracts.schema(contract)]))
    thread.start()
    thread.join()
    assert contracts.schema(contract) is here
    assert there[0] is there[1] is not here


def test_schemas_are_compiled_from_memory_once_they_are_read(tmp_path: Path) -> None:
    shutil.copytree(bare.SCHEMAS, tmp_path / "schemas")
    contracts = Registry.load(tmp_path / "schemas")
    shutil.rmtree(tmp_path / "schemas")
    contract = contracts[ContractId("arbetsgivare/sjukanmalan")]
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(contracts.schema(contract)))
    thread.start()
    thread.join()
    assert isinstance(found[0], etree.XMLSchema)


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    return Path(shutil.copytree(bare.SCHEMAS, tmp_path / "schemas"))


def test_a_missing_schema_is_a_configuration_error_that_names_it(schemas: Path) -> None:
    (schemas / "arbetsgivare" / "sjukanmalan.xsd").unlink()
    with pytest.raises(ConfigError, match=r"schemas/arbetsgivare/sjukanmalan\.xsd: no such file"):
        Registry.load(schemas)


def test_a_missing_imported_schema_is_a_configuration_error_that_names_it(schemas: Path) -> None:
    (schemas / "arbetsgivare" / "anmalan.xsd").unlink()
    with pytest.raises(ConfigError, match=r"schemas/arbetsgivare/anmalan\.xsd: no such file"):
        Registry.load(schemas)


@pytest.mark.parametrize("location", ["http://127.0.0.1:9/x.xsd", "file:///etc/hostname", "../../outside.xsd"])
def test_a_schema_may_import_nothing_from_outside(schemas: Path, location: str) -> None:
    (schemas.parent / "outside.xsd").write_text('<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"/>')
    path = schemas / "arbetsgivare" / "sjukanmalan.xsd"
    path.write_text(path.read_text().replace('schemaLocation="anmalan.xsd"', f'schemaLocation="{location}"'))
    with pytest.raises(ConfigError, match="no such file"):
        Registry.load(schemas)


@pytest.mark.parametrize(
    "broken", ["<xs:schema", '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:x/></xs:schema>']
)
def test_a_broken_schema_is_a_configuration_error_that_names_it(schemas: Path, broken: str) -> None:
    (schemas / "skatteverket" / "folkbokforing.xsd").write_text(broken)
    with pytest.raises(ConfigError, match=r"schemas/skatteverket/folkbokforing\.xsd: "):
        Registry.load(schemas)


def test_a_contract_without_wsdl_is_a_configuration_error(schemas: Path) -> None:
    (schemas / "skatteverket" / "folkbokforing.wsdl").unlink()
    with pytest.raises(ConfigError, match="skatteverket/folkbokforing has no WSDL"):
        Registry.load(schemas)


def test_offline_a_root_element_of_no_contract_is_refused() -> None:
    with pytest.raises(ContractError) as caught:
        bare.offline("<annat/>")
    assert caught.value.code is codes.CONTRACT_UNKNOWN


def test_offline_a_named_contract_must_have_the_root_element() -> None:
    root = etree.fromstring(bare.text("skatteverket/folkbokforing/flyttning").encode())
    named = ContractId("skatteverket/folkbokforing")
    assert registry.read_offline(root, bare.contracts(), on=bare.ON, contract=named)[0].id == named
    with pytest.raises(ContractError) as caught:
        registry.read_offline(root, bare.contracts(), on=bare.ON, contract=ContractId("arbetsgivare/sjukanmalan"))
    assert caught.value.code is codes.CONTRACT_UNKNOWN


def test_offline_a_comment_in_any_parsers_tree_cuts_no_value_short() -> None:
    payload = bare.text("skatteverket/folkbokforing/kommentarer")
    root = etree.fromstring(payload.encode())  # keeps comments
    ((record,),) = (registry.read_offline(root, bare.contracts(), on=bare.ON)[1],)
    assert record.person.number == "198507102385"
    assert record.fields["fornamn"] == "Anna"
    assert record.fields["efternamn"] == "A & B"
    assert record.fields["folkbokforingsadress"] == (
        {"utdelningsadress2": "Provgatan 1", "postnummer": "12345", "postort": "PROVSTAD"},
    )


def test_offline_a_processing_instruction_in_the_payload_is_refused() -> None:
    payload = bare.text("skatteverket/folkbokforing/flyttning", ("<Personpost>", "<Personpost><?x y?>"))
    with pytest.raises(MalformedError) as caught:
        registry.read_offline(etree.fromstring(payload.encode()), bare.contracts(), on=bare.ON)
    assert caught.value.code is codes.XML_INSTRUCTION


def test_offline_the_content_tells_contracts_with_one_root_element_apart() -> None:
    contracts = bare.contracts()
    strict = contracts[ContractId("skatteverket/folkbokforing")]
    twin = replace(strict, id=ContractId("skatteverket/tvilling"), schema="arbetsgivare/anmalan.xsd")
    both = Registry(
        {twin.id: twin, strict.id: strict},
        {path.relative_to(bare.SCHEMAS).as_posix(): path.read_bytes() for path in bare.SCHEMAS.rglob("*.xsd")},
    )
    root = etree.fromstring(bare.text("skatteverket/folkbokforing/flyttning").encode())
    assert registry.read_offline(root, both, on=bare.ON)[0] is strict
