"""What goes out: who may send and be reached for what, what keeps its contract, and whose answer an answer is."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import zeep
from lxml import etree

from gateway import codes, endings
from gateway.adapters import found, registry
from gateway.adapters.outgoing import Outgoing, own_code
from gateway.adapters.registry import Registry
from gateway.config import Limits
from gateway.dispatch import Finding, Interaction, Parcel, Period, Result
from gateway.errors import ConfigError, ContractError, IntegrityError
from gateway.message import (
    Category,
    ContractId,
    Digest,
    FieldSpec,
    Fingerprint,
    MessageId,
    NumberKind,
    OrganisationNumber,
    PartnerId,
    Person,
    Provenance,
    SoapVersion,
    Valid,
    Verified,
)
from gateway.partners import Endpoint, Mailbox, Partner, Subject, Trust
from gateway.soap import xml
from gateway.trust import receipt
from tests.golden.composed import CASES, agreed, but, composed, contract, one, parcel
from tests.unit.adapters import bare

PERSONPOST = ContractId("skatteverket/personpost")
STOD = ContractId("arbetsformedlingen/ersattningsstod")
MOTE = ContractId("forsakringskassan/avstamningsmote")
UNDERRATTELSE = ContractId("forsakringskassan/underrattelse")
PERSON = "198001022394"
SETTINGS = {"bestallning": "00000079-FO01-0001"}
OUTGOING = sorted(bare.contracts().outgoing)


def going(id_: ContractId) -> Outgoing:
    return bare.contracts().outgoing[id_]


def refused(id_: ContractId, made: Parcel) -> str:
    """Return what is told of a parcel that cannot be composed."""
    with pytest.raises(ContractError) as caught:
        composed(id_, made)
    assert caught.value.code is endings.COMMAND_FORMAT
    assert PERSON not in str(caught.value)
    return caught.value.detail


# --- the registry -----------------------------------------------------------------------------------------------------


def test_what_goes_out_is_declared_beside_what_comes_in() -> None:
    kinds = bare.contracts().kinds()
    assert set(kinds[PERSONPOST]) == {"folkbokforing", "personpostfraga"}
    assert set(kinds[STOD]) == {"ersattningsbeslut", "ersattningsfraga"}
    assert set(kinds[MOTE]) == {"kallelse"}
    assert set(kinds[UNDERRATTELSE]) == {"underrattelse"}


@pytest.mark.parametrize(
    ("id_", "changes", "told"),
    [
        (STOD, {"kinds": {"ersattningsbeslut": {}}, "kind": "ersattningsbeslut"}, "both have ersattningsbeslut"),
        (STOD, {"answer": None}, "OUTGOING.answer: a question is answered by a contract"),
        (MOTE, {"answer": STOD}, "OUTGOING.answer: a question is answered by a contract"),
        (STOD, {"answer": ContractId("skatteverket/annat")}, "OUTGOING.answer: accepted are"),
        (MOTE, {"kind": "annat"}, "OUTGOING.kind and OUTGOING.mandatory"),
        (MOTE, {"mandatory": frozenset({"annat"})}, "OUTGOING.kind and OUTGOING.mandatory"),
    ],
)
def test_an_agreement_that_does_not_fit_is_a_configuration_error(id_, changes, told) -> None:
    found.check(going(id_), bare.contracts())
    with pytest.raises(ConfigError, match=told):
        found.check(replace(going(id_), **changes), bare.contracts())


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (
            "forsakringskassan/avstamningsmote.wsdl",
            "forsakringskassan/avstamningsmote has no WSDL forsakringskassan/avs",
        ),
        ("arbetsformedlingen/ersattningsstod-fraga.wsdl", "has no WSDL arbetsformedlingen/ersattningsstod-fraga.wsdl"),
        ("forsakringskassan/underrattelse.xsd", r"schemas/forsakringskassan/underrattelse\.xsd: no such file"),
    ],
)
def test_a_contract_that_goes_out_needs_its_files(tmp_path: Path, file: str, told: str) -> None:
    schemas = Path(shutil.copytree(bare.SCHEMAS, tmp_path / "schemas"))
    (schemas / file).unlink()
    with pytest.raises(ConfigError, match=told):
        Registry.load(schemas)


def partner(**changes: object) -> Partner:
    trust = Trust(anchors=(Path("a.pem"),), subject=Subject(organisation=OrganisationNumber("2021005448")))
    made = Partner(
        id=PartnerId("skatteverket"),
        name="Skatteverket",
        kind="agency",
        partner_type="skatteverket",
        contracts=(ContractId("skatteverket/folkbokforing"),),
        trust=trust,
        endpoint=(endpoint(),),
    )
    return made.model_copy(update=changes)


def endpoint(contract_: ContractId = PERSONPOST, **settings: str) -> Endpoint:
    own = settings or (SETTINGS if contract_ == PERSONPOST else {})
    return Endpoint(address="https://localhost:9451/", contracts=(contract_,), settings=own)


def test_a_partners_file_that_fits_the_contracts_is_taken() -> None:
    bare.contracts().agree(partner())
    bare.contracts().agree(partner(endpoint=(), mailbox=Mailbox(contracts=(MOTE, UNDERRATTELSE))))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"contracts": (PERSONPOST,)}, "contracts: skatteverket/personpost: accepted are arbetsformedlingen/"),
        ({"contracts": (MOTE,)}, "contracts: forsakringskassan/avstamningsmote: accepted are"),
        (
            {"endpoint": (endpoint(ContractId("skatteverket/folkbokforing")),)},
            "1: contracts: skatteverket/folkbokforing",
        ),
        ({"endpoint": (endpoint(MOTE), endpoint(annat="x"))}, r"2: settings\.annat: accepted here are bestallning"),
        ({"endpoint": (endpoint(MOTE, bestallning="x"),)}, r"1: settings\.bestallning: accepted here are none"),
        ({"endpoint": (endpoint(bestallning="00000079-FO01"),)}, r"1: settings\.bestallning: is needed"),
        ({"mailbox": Mailbox(contracts=(STOD,))}, "ersattningsstod is a question: a mailbox cannot answer"),
        (
            {"mailbox": Mailbox(contracts=(ContractId("skatteverket/annat"),))},
            r"\[mailbox\]: contracts: skatteverket/a",
        ),
    ],
)
def test_a_partners_file_that_does_not_fit_the_contracts_names_the_key(changes, told) -> None:
    with pytest.raises(ConfigError, match=told):
        bare.contracts().agree(partner(**changes))


def test_a_setting_that_is_left_out_is_asked_for() -> None:
    bare_of_it = Endpoint(address="https://localhost:9451/", contracts=(PERSONPOST,))
    with pytest.raises(ConfigError, match=r"settings\.bestallning: is needed by a contract, in the form"):
        bare.contracts().agree(partner(endpoint=(bare_of_it,)))


def test_an_answer_that_nobody_asked_for_is_refused() -> None:
    with pytest.raises(ContractError) as caught:
        bare.Sent("skatteverket/personpost", bare.text("skatteverket/personpost/svar")).validate()
    assert caught.value.code is codes.CONTRACT_UNKNOWN


# --- the WSDLs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id_", OUTGOING)
def test_the_wsdl_is_what_the_contract_says(id_) -> None:
    contract_ = going(id_)
    (service,) = zeep.Client(str(bare.SCHEMAS / contract_.wsdl)).wsdl.services.values()
    (port,) = service.ports.values()
    (operation,) = port.binding.all().values()
    assert type(port.binding).__name__ == "Soap11Binding"
    assert (operation.name, operation.style, operation.soapaction) == (contract_.operation, "document", "")
    assert operation.abstract.wsa_action == contract_.action
    assert operation.input.body.qname.text == contract_.root
    answer = f"{{{receipt.NAMESPACE}}}Receipt" if contract_.answer is None else bare.contracts()[contract_.answer].root
    assert operation.output.body.qname.text == answer
    root = etree.parse(str(bare.SCHEMAS / contract_.wsdl)).getroot()
    (output,) = (one_ for one_ in root.iter("{http://schemas.xmlsoap.org/wsdl/}output") if one_.get("message"))
    assert output.get("{http://www.w3.org/2007/05/addressing/metadata}Action") == contract_.reply


@pytest.mark.parametrize("id_", OUTGOING)
def test_every_schema_a_wsdl_names_is_a_relative_file(id_) -> None:
    path = bare.SCHEMAS / going(id_).wsdl
    places = [
        element.get("schemaLocation") for element in etree.parse(str(path)).getroot().iter("{*}import", "{*}include")
    ]
    assert places
    for place in places:
        assert ":" not in place
        assert (path.parent / place).is_file()


# --- composing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.partition(".")[0])
def test_no_field_but_the_contracts_own_is_taken(case) -> None:
    assert "is not of the contract" in refused(contract(case), but(parcel(case), annat="x"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.partition(".")[0])
def test_a_field_of_another_shape_is_refused_by_name(case) -> None:
    made = parcel(case)
    for name in made.fields:
        told = refused(contract(case), but(made, **{name: ({"annat": "x"},)}))
        assert told.startswith(f"{name}: is not ")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.partition(".")[0])
def test_without_a_mandatory_field_there_is_no_message(case) -> None:
    for name in going(contract(case)).mandatory:
        assert refused(contract(case), but(parcel(case), **{name: None})).startswith(f"{name}: is missing")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.partition(".")[0])
def test_a_field_that_is_none_is_as_if_it_were_not_there(case) -> None:
    made = parcel(case)
    declared = going(contract(case)).kinds[going(contract(case)).kind]
    nothing = replace(made, fields={**dict.fromkeys(declared), **made.fields})
    assert composed(contract(case), nothing) == composed(contract(case), made)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.partition(".")[0])
def test_a_person_without_a_number_of_twelve_digits_is_refused(case) -> None:
    nobody = Person(number="GD-123", kind=NumberKind.OTHER, check_digit_valid=False)
    told = refused(contract(case), replace(parcel(case), person=nobody))
    assert told == "the person: has no number of twelve digits, which the contract needs"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("meddelande", "", "meddelande: is not a text"),
        ("meddelande", " \n", "meddelande: is not a text"),
        ("meddelande", "a\x00b", "meddelande: is not a text"),
        ("meddelande", "a\x0bb", "meddelande: is not a text"),
        ("meddelande", "\ud800", "meddelande: is not a text"),
        ("meddelande", "\ufffe", "meddelande: is not a text"),
        ("meddelande", 17, "meddelande: is not a text"),
        ("arbetsformaga", True, "arbetsformaga: is not a whole"),
        ("arbetsformaga", "50", "arbetsformaga: is not a whole"),
        ("borjar", "2026-03-10T09:00", "borjar: is not a moment"),
        ("borjar", "2026-03-10 09:00+01:00", "borjar: is not a moment"),
        ("borjar", "2026-02-30T09:00Z", "borjar: is not a moment"),
        ("borjar", "2026-03-10T09:00+99:00", "borjar: is not a moment"),
        ("kontakt", (), "kontakt: is not rows of namn (text), telefon (text), epost (text)"),
        ("kontakt", ({},), "kontakt: is not rows of"),
        ("kontakt", ({"namn": None},), "kontakt: is not rows of"),
        ("forberedelser", ({"kod": ({"kod": "x"},)},), "forberedelser: is not rows of kod (text)"),
    ],
)
def test_a_value_that_is_no_such_value_is_refused(name, value, told) -> None:
    assert refused(MOTE, but(one(f"{MOTE}/arbetsformedlingen"), **{name: value})).startswith(told)


@pytest.mark.parametrize(
    "text", ["åäö ÅÄÖ é 漢 🙂", "<a>&amp;]]>\"'", "rad\tett\nrad två\r\nrad tre", "  kant  ", "\u200frtl"]
)
def test_text_comes_through_as_it_was(text) -> None:
    payload = composed(MOTE, but(one(f"{MOTE}/kommun"), meddelande=text))
    root = xml.parse(payload, Limits())
    assert root.findtext("{*}Meddelande") == text


@pytest.mark.parametrize(
    ("id_", "case", "changes", "told"),
    [
        (MOTE, "arbetsgivare", {"form": "ANNAN 198001022394"}, "line 1: Form: cvc-enumeration-valid"),
        (
            MOTE,
            "arbetsgivare",
            {"fragorTillArbetsgivaren": ({"kod": "PROGNOS"},)},
            "line 1: Fraga: cvc-enumeration-valid",
        ),
        (MOTE, "arbetsgivare", {"plats": "x" * 201}, "line 1: Plats: cvc-maxlength-valid"),
        (MOTE, "varden", {"lank": "http://mote.example/"}, "line 1: Lank: cvc-pattern-valid"),
        (MOTE, "varden", {"lank": "https://mote.example/a b"}, "line 1: Lank: cvc-pattern-valid"),
        (MOTE, "arbetsformedlingen", {"arbetsformaga": 101}, "line 1: Arbetsformaga: cvc-maxinclusive-valid"),
        (MOTE, "kommun", {"forberedelser": ({"kod": "TA_MED_UNDERLAG"},) * 11}, "forberedelser: has more than 10 rows"),
        (MOTE, "kommun", {"kontakt": ({"epost": "inte en adress"},)}, "line 1: Epost: cvc-pattern-valid"),
        (MOTE, "kommun", {"kontakt": ({"namn": "x"},) * 6}, "kontakt: has more than 5 rows"),
        (UNDERRATTELSE, "allt", {"omstandigheter": ({"kod": "BIDRAGSBROTT"},)}, "line 1: Kod: cvc-enumeration-valid"),
        (UNDERRATTELSE, "allt", {"omstandigheter": ({"from": "2026-01-01"},)}, "omstandigheter: has a row without kod"),
        (UNDERRATTELSE, "allt", {"iakttagelser": ({"kod": "FOLKBOKFORING", "belopp": "1,5"},)}, "line 1: Belopp: cvc-"),
        (
            UNDERRATTELSE,
            "allt",
            {"iakttagelser": ({"kod": "FOLKBOKFORING", "belopp": "1.555"},)},
            "line 1: Belopp: cvc-",
        ),
        (UNDERRATTELSE, "allt", {"iakttagelser": ({"kod": "FOLKBOKFORING", "belopp": "1E3"},)}, "line 1: Belopp: cvc-"),
        (UNDERRATTELSE, "allt", {"iakttagelser": ({"kod": "FOLKBOKFORING", "belopp": "NaN"},)}, "line 1: Belopp: cvc-"),
    ],
)
def test_what_no_list_and_no_length_allows_is_refused_by_the_schema(id_, case, changes, told) -> None:
    assert refused(id_, but(one(f"{id_}/{case}"), **changes)).startswith(told)


@pytest.mark.parametrize("amount", ["0", "-17", "12345.5", "12345.50", "9999999999.99"])
def test_an_amount_goes_out_as_it_was_written(amount) -> None:
    made = but(one(f"{UNDERRATTELSE}/allt"), iakttagelser=({"kod": "FOLKBOKFORING", "belopp": amount},))
    assert f"Belopp>{amount}<".encode() in composed(UNDERRATTELSE, made)


def test_hold_refuses_another_element_than_the_contracts() -> None:
    contracts, _ = agreed()
    payload = composed(MOTE, one(f"{MOTE}/kommun"))
    with pytest.raises(ContractError, match="another element"):
        registry.hold(payload, UNDERRATTELSE, contracts)


def test_zeep_refuses_arguments_that_have_no_place() -> None:
    _, bodies = agreed()
    arguments = going(MOTE).compose(one(f"{MOTE}/kommun"))
    with pytest.raises(IntegrityError):
        bodies.body(MOTE, {**arguments, "Diagnos": "F43"})


# --- kallelse ---------------------------------------------------------------------------------------------------------


def test_a_summons_has_one_part_at_most() -> None:
    made = but(one(f"{MOTE}/arbetsgivare"), fragorTillVarden=({"kod": "PROGNOS"},))
    told = refused(MOTE, made)
    assert told == "the fields: are for several sorts of recipients: TillArbetsgivaren, TillVarden"


def test_nothing_of_health_has_a_place_in_an_employers_summons() -> None:
    health = [name for name, spec in going(MOTE).kinds["kallelse"].items() if spec.category is Category.HALSA]
    assert set(health) == {"arbetsformaga", "fragorTillVarden"}
    some = {"arbetsformaga": 50, "fragorTillVarden": ({"kod": "PROGNOS"},), "fragaTillVarden": "Hur mår hon?"}
    for name, value in some.items():
        assert refused(MOTE, but(one(f"{MOTE}/arbetsgivare"), **{name: value})).startswith(
            "the fields: are for several"
        )


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("2026-07-10T07:00:00Z", "2026-07-10T09:00:00+02:00"),
        ("2026-03-10T09:00+01:00", "2026-03-10T09:00:00+01:00"),
        ("2026-03-10T03:00:00-05:00", "2026-03-10T09:00:00+01:00"),
        ("2026-03-29T00:59Z", "2026-03-29T01:59:00+01:00"),
        ("2026-03-29T01:00Z", "2026-03-29T03:00:00+02:00"),
        ("2026-10-25T00:30Z", "2026-10-25T02:30:00+02:00"),
        ("2026-10-25T01:30Z", "2026-10-25T02:30:00+01:00"),
        ("2026-12-31T23:30Z", "2027-01-01T00:30:00+01:00"),
    ],
)
def test_a_time_goes_out_in_swedish_time(written, told) -> None:
    made = but(one(f"{MOTE}/kommun"), borjar=written, slutar="2027-06-01T12:00Z")
    assert f"Borjar>{told}<".encode() in composed(MOTE, made)


def test_a_meeting_begins_after_the_summons_and_ends_after_it_began() -> None:
    made = one(f"{MOTE}/kommun")
    begins = datetime(2026, 3, 10, 8, tzinfo=UTC)
    assert composed(MOTE, replace(made, made=datetime(2026, 3, 10, 7, 59, 59, tzinfo=UTC)))
    assert refused(MOTE, replace(made, made=begins)) == "borjar: is not after the time of sending"
    assert refused(MOTE, but(made, slutar=made.fields["borjar"])) == "slutar: is not after borjar"


def test_a_digital_meeting_has_a_link() -> None:
    told = refused(MOTE, but(one(f"{MOTE}/varden"), lank=None))
    assert told == "lank: is missing, and form is DIGITALT"


def test_where_the_place_is_withheld_there_is_a_contact() -> None:
    payload = composed(MOTE, but(one(f"{MOTE}/kommun"), plats=None))
    assert b"Plats" not in payload
    assert b"Kontakt" in payload
    assert [name for name, spec in going(MOTE).kinds["kallelse"].items() if spec.locating] == ["plats"]


# --- underrättelse ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"omstandigheterText": None}, "omstandigheterText: is missing"),
        ({"periodTom": "2025-08-31"}, "period: ends before it begins"),
        ({"omstandigheter": ({"kod": "INKOMST", "tom": "2025-08-31"},)}, "omstandigheter: ends before it begins"),
        (
            {"iakttagelser": ({"kod": "FOLKBOKFORING", "from": "2025-09-02", "tom": "2025-09-01"},)},
            "iakttagelser: ends before it begins",
        ),
    ],
)
def test_an_underrattelse_says_what_it_must_and_in_order(changes, told) -> None:
    assert refused(UNDERRATTELSE, but(one(f"{UNDERRATTELSE}/allt"), **changes)).startswith(told)


def test_an_underrattelse_has_no_place_for_crime_or_health() -> None:
    specs = going(UNDERRATTELSE).kinds["underrattelse"].values()
    assert not {spec.category for spec in specs} & {Category.BROTT, Category.HALSA, Category.KANSLIG}


# --- questions --------------------------------------------------------------------------------------------------------


def test_af_is_asked_only_for_what_is_left_to_ask_for() -> None:
    payload = composed(STOD, one(f"{STOD}/bara-beslut"))
    assert b'AkasseInfo="false" ArbetssokandeInfo="false" BeslutInfo="true"' in payload
    none = but(one(f"{STOD}/bara-beslut"), inkluderaBeslut=False)
    assert refused(STOD, none) == "the fields: ask for nothing, or for nothing that may be asked for"
    assert refused(STOD, replace(none, period=None)) == "period: is missing: the question is about one"


def test_af_is_told_purpose_and_paragraph_from_the_decision_and_no_persons_account() -> None:
    made = one(f"{STOD}/allt")
    fraga = xml.parse(composed(STOD, made), Limits())[1]
    said = {etree.QName(child).localname: child.text for child in fraga}
    assert (said["SyfteMedFraga"], said["LagParagraf"]) == (made.citation.purpose, made.citation.lagrum)
    assert said["KontonamnForHandlaggare"] == "forsakringskassan-utbyte"
    assert said["Referensnummer"] == made.reference


def test_navet_is_asked_by_our_order_and_only_when_the_post_is_wanted() -> None:
    made = one(f"{PERSONPOST}/fraga")
    payload = composed(PERSONPOST, replace(made, settings={"bestallning": "00000079-FO01-0008"}))
    assert b"<ns0:OrgNr>162021005521</ns0:OrgNr><ns0:BestallningsId>00000079-FO01-0008<" in payload
    assert refused(PERSONPOST, but(made, personpost=False)) == "personpost: is false: nothing is asked for"


# --- answers ----------------------------------------------------------------------------------------------------------


def answer(id_: ContractId, text: str, action: str | None = None) -> tuple[Verified, Valid]:
    """Return an answer as `trust` would have proven it, and as it is read."""
    at = datetime(2026, 1, 15, 9, tzinfo=UTC)
    provenance = Provenance(
        partner=PartnerId(id_.partition("/")[0]),
        organisation=OrganisationNumber("2021005448"),
        contract=id_,
        message_id=MessageId("urn:uuid:2"),
        digest=Digest("0" * 64),
        version=SoapVersion.SOAP_11,
        action=action,
        signer=Fingerprint("0" * 64),
        created=at,
        received_at=at,
    )
    payload = xml.reparse(xml.canonical(xml.parse(text.encode(), Limits())))
    verified = Verified(provenance=provenance, payload=payload, certificate=b"", evidence=text.encode())
    return verified, registry.read_answer(verified, id_, bare.contracts())


def found_in(id_: ContractId, text: str, made: Parcel) -> tuple[Valid, Result]:
    verified, valid = answer(id_, text)
    return valid, going(id_).result(verified.payload, made)


def spoilt(id_: ContractId, text: str, made: Parcel) -> str:
    with pytest.raises(ContractError) as caught:
        found_in(id_, text, made)
    assert PERSON not in str(caught.value)
    return f"{caught.value.code.name} {caught.value.detail}"


def test_navets_answer_is_read_as_a_notice_is() -> None:
    valid, result = found_in(PERSONPOST, bare.text(f"{PERSONPOST}/svar"), one(f"{PERSONPOST}/fraga"))
    assert result == Result(finding=Finding.DONE)
    (record,) = valid.records
    notice = bare.one("skatteverket/folkbokforing/flyttning")
    assert record.kind == notice.kind == "folkbokforing"
    assert record.person == notice.person
    fields = {name: value for name, value in notice.fields.items() if name != "arendetyp"}
    assert record.fields == {**fields, "fodelsedatum": "1980-01-02"}
    assert valid.provenance.contract == PERSONPOST
    assert valid.version == "2"


def test_navets_empty_list_is_an_answer_about_nobody() -> None:
    valid, result = found_in(PERSONPOST, bare.text(f"{PERSONPOST}/ingen"), one(f"{PERSONPOST}/fraga"))
    assert valid.records == ()
    assert result == Result(finding=Finding.NOT_FOUND)


def test_navets_answer_about_another_person_is_no_answer() -> None:
    other = bare.text(f"{PERSONPOST}/svar", (f"<PersonNr>{PERSON}<", "<PersonNr>199903192392<"))
    told = spoilt(PERSONPOST, other, one(f"{PERSONPOST}/fraga"))
    assert told == "GW-CONTRACT-CONTENT post 1 is about another person than was asked for"


def test_navets_answer_may_have_the_number_that_the_person_has_now() -> None:
    changed = bare.text(
        f"{PERSONPOST}/svar",
        (f"<PersonNr>{PERSON}<", "<PersonNr>199903192392<"),
        ("</Fodelsedatum>", f"</Fodelsedatum><HanvisningsPersonNr>{PERSON}</HanvisningsPersonNr>"),
    )
    valid, result = found_in(PERSONPOST, changed, one(f"{PERSONPOST}/fraga"))
    assert result.finding is Finding.DONE
    assert valid.records[0].person.number == "199903192392"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("<Folkbokforingspost>", '<Folkbokforingspost xmlns="urn:annat">', "GW-CONTRACT-SCHEMA"),
        ("PersonpostXMLResponse", "PersonpostResponse", "GW-CONTRACT-UNKNOWN the answer is: {http://xmls.skatteverket"),
        ("<Personpost>", f"<p{PERSON}/><Personpost>", "GW-CONTRACT-SCHEMA"),
        (
            'andringstidpunkt="2026',
            'andringstidpunkt="2027',
            "GW-CONTRACT-CONTENT post 1: andringstidpunkt lies in the",
        ),
    ],
)
def test_navets_answer_keeps_its_schema(old, new, told) -> None:
    assert spoilt(PERSONPOST, bare.text(f"{PERSONPOST}/svar", (old, new)), one(f"{PERSONPOST}/fraga")).startswith(told)


def test_an_answers_action_is_that_of_an_answer() -> None:
    text = bare.text(f"{PERSONPOST}/svar")
    assert answer(PERSONPOST, text, going(PERSONPOST).reply)[1].records
    with pytest.raises(ContractError) as caught:
        answer(PERSONPOST, text, going(PERSONPOST).action)
    assert caught.value.code is codes.CONTRACT_ACTION


def test_what_is_sent_has_a_receipt_and_no_answer_to_read() -> None:
    with pytest.raises(ContractError, match="is answered by a receipt"):
        answer(MOTE, "<a/>")


def svar(case: str, made: Parcel, *changes: tuple[str, str]) -> str:
    return bare.text(f"{STOD}/{case}", ("REF-0001", made.reference), *changes)


def asked(case: str) -> Parcel:
    """Return the question that a golden answer is to."""
    record = bare.one(f"{STOD}/{case}")
    first, last = (date.fromisoformat(str(record.fields[name])) for name in ("fragaFrom", "fragaTom"))
    return replace(one(f"{STOD}/allt"), person=record.person, period=Period(first=first, last=last))


def test_afs_answer_is_read_by_the_contract_that_it_also_pushes_by() -> None:
    made = asked("allmant-svar")
    valid, result = found_in(STOD, svar("allmant-svar", made), made)
    assert result == Result(finding=Finding.DONE, code="0")
    assert valid.records[0].fields["referensnummer"] == made.reference


def test_afs_answer_that_holds_nothing_is_not_found() -> None:
    made = asked("utan-beslut")
    text = svar("utan-beslut", made)
    root = etree.fromstring(text.encode())
    for name in ("ArbetssokandeInfo", "BeslutInfo", "Akassetillhorighet"):
        for element in root.findall(f".//{{*}}Svar/{{*}}{name}"):
            element.getparent().remove(element)
    valid, result = found_in(STOD, etree.tostring(root, encoding="unicode"), made)
    assert result.finding is Finding.NOT_FOUND
    assert len(valid.records) == 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"person": Person(number=PERSON, kind=NumberKind.PERSONNUMMER, check_digit_valid=True)}, "another person"),
        ({"period": Period(first=date(2025, 10, 1), last=date(2025, 11, 29))}, "another period"),
        ({"period": Period(first=date(2025, 9, 30), last=date(2025, 11, 30))}, "another period"),
        ({"period": None}, "another period"),
        ({"reference": "urn:uuid:00000000-0000-5000-8000-000000000000"}, "another Referensnummer"),
    ],
)
def test_afs_answer_to_another_question_is_no_answer(changes, told) -> None:
    made = asked("allmant-svar")
    assert told in spoilt(STOD, svar("allmant-svar", made), replace(made, **changes))


@pytest.mark.parametrize("place", ["Fraga", "Svar"])
def test_afs_answer_has_our_reference_in_both_places(place) -> None:
    made = asked("allmant-svar")
    root = etree.fromstring(svar("allmant-svar", made).encode())
    root.find(f"{{*}}{place}/{{*}}Referensnummer").text = "REF-0002"
    assert "another Referensnummer" in spoilt(STOD, etree.tostring(root, encoding="unicode"), made)


# --- faults -----------------------------------------------------------------------------------------------------------

NAVET = "http://xmls.skatteverket.se/se/skatteverket/folkbokforing/na/epersondata/V1"


def fault(inner: str, faultcode: str = "Client") -> Result | None:
    detail = None if inner is None else etree.fromstring(f"<detail>{inner}</detail>")
    return going(PERSONPOST).fault(detail, faultcode, 500)


@pytest.mark.parametrize(
    ("inner", "faultcode", "result"),
    [
        ("<Fel><Felkod>1001</Felkod><Beskrivning>x</Beskrivning></Fel>", "Client", (Finding.REFUSED, "1001")),
        (f'<n:Fel xmlns:n="{NAVET}"><n:Felkod>A-1</n:Felkod></n:Fel>', "Client", (Finding.REFUSED, "A-1")),
        ("<Felkod>1001</Felkod>", "Sender", (Finding.REFUSED, "1001")),
        ("<Felkod>1001</Felkod>", "Server", (Finding.UNCLEAR, "1001")),
        ("<Felkod>1001</Felkod>", "Annan", (Finding.UNCLEAR, "1001")),
        (f"<Felkod>okänd person {PERSON}</Felkod>", "Client", None),
        ("<Felkod/>", "Client", None),
        ("<Felkod>1</Felkod><Felkod>2</Felkod>", "Client", None),
        ("<Beskrivning>x</Beskrivning>", "Client", None),
    ],
)
def test_navets_fault_is_told_by_its_code_alone(inner, faultcode, result) -> None:
    expected = None if result is None else Result(finding=result[0], code=result[1])
    assert fault(inner, faultcode) == expected


def test_a_fault_without_detail_is_not_typed() -> None:
    assert going(PERSONPOST).fault(None, "Server", 500) is None
    assert going(STOD).fault(etree.fromstring("<detail><Felkod>1</Felkod></detail>"), "Client", 500) is None


@pytest.mark.parametrize(
    ("written", "code"),
    [("1001", "1001"), (" A.b_c:d-1\n", "A.b_c:d-1"), ("två ord", None), ("x" * 65, None), ("", None), (None, None)],
)
def test_a_partners_code_is_kept_if_it_is_nothing_but_a_code(written, code) -> None:
    assert own_code(written) == code


def test_an_interaction_that_is_sent_declares_that_it_is() -> None:
    assert {id_: one_.interaction for id_, one_ in bare.contracts().outgoing.items()} == {
        STOD: Interaction.ASK,
        PERSONPOST: Interaction.ASK,
        MOTE: Interaction.SEND,
        UNDERRATTELSE: Interaction.SEND,
    }
    assert all(
        isinstance(spec, FieldSpec)
        for one_ in bare.contracts().outgoing.values()
        for spec in one_.kinds[one_.kind].values()
    )
