from datetime import date

import pytest

from gateway import codes
from gateway.errors import ContractError
from gateway.message import NumberKind
from tests.unit.adapters import bare

C = "skatteverket/arbetsgivardeklaration/"
PAYEE = '<agd:BetalningsmottagarId faltkod="215">199512262388</agd:BetalningsmottagarId>'


def refused(case: str, *changes: tuple[str, str]) -> ContractError:
    with pytest.raises(ContractError) as caught:
        bare.read(C + case, *changes)
    return caught.value


def content(case: str, *changes: tuple[str, str]) -> str:
    error = refused(case, *changes)
    assert error.code is codes.CONTRACT_CONTENT
    return error.detail


def test_an_individuppgift_becomes_an_income_record_and_the_totals_become_none() -> None:
    first, second = bare.read(C + "inkomst")
    assert (first.kind, first.position, second.position) == ("inkomst", 1, 2)
    assert first.person.number == "199512262388"
    assert first.period_from == date(2025, 12, 1)
    assert first.protection is None
    assert first.fields == {
        "arbetsgivare": "5560269986",
        "period": "2025-12",
        "specifikationsnummer": 1,
        "kontantErsattningUlagAG": 28500,
        "skatteplBilformanUlagAG": 2500,
        "avdrPrelSkatt": 9300,
        "bilersattning": True,
    }


def test_a_franvarouppgift_becomes_an_absence_record_about_its_period() -> None:
    records = bare.read(C + "franvaro")
    assert {record.kind for record in records} == {"franvaro"}
    assert [record.fields["franvaroDatum"][-2:] for record in records] == ["01", "02", "03", "04"]
    assert {record.period_from for record in records} == {date(2025, 12, 1)}
    extents = [
        tuple(record.fields.get(name) for name in ("franvaroTyp", "franvaroProcent", "franvaroTimmar"))
        for record in records
    ]
    assert extents == [
        ("TILLFALLIG_FORALDRAPENNING", "100.00", None),
        ("TILLFALLIG_FORALDRAPENNING", None, "4.50"),
        ("FORALDRAPENNING", "50", None),
        ("FORALDRAPENNING", None, "8.00"),
    ]
    assert records[0].fields["franvaroDatum"] == "2025-12-01"
    assert records[0].fields["arbetsgivare"] == "5560269986"


def test_income_and_absence_of_one_person_are_two_records() -> None:
    assert [(r.position, r.kind) for r in bare.read(C + "inkomst-och-franvaro")] == [(1, "inkomst"), (2, "franvaro")]


def test_employer_workplace_and_the_payees_address_are_locating() -> None:
    kinds = bare.contracts()["skatteverket/arbetsgivardeklaration"].kinds  # type: ignore[index]
    assert {name for name, spec in kinds["inkomst"].items() if spec.locating} == {
        *("arbetsgivare", "arbetsplatsensGatuadress", "arbetsplatsensOrt", "landskodPostort"),
        *("gatuadress", "gatuadress2", "friAdress", "postnummer", "postort"),
    }
    assert {name for name, spec in kinds["franvaro"].items() if spec.locating} == {"arbetsgivare"}
    record = bare.one(C + "arbetsplats")
    assert record.fields["arbetsplatsensOrt"] == record.fields["postort"] == "PROVSTAD"


@pytest.mark.parametrize("case", ["bom", "utf16"])
def test_prefix_encoding_and_byte_order_mark_do_not_matter(case: str) -> None:
    (record,) = bare.offline((bare.GOLDEN / f"{C}{case}.xml").read_bytes())
    assert record.fields["kontantErsattningUlagAG"] == 25350


def test_a_comment_in_a_value_cuts_it_not_short() -> None:
    record = bare.one(C + "kommentarer")
    assert record.person.number == "199012192390"
    assert record.fields["kontantErsattningUlagAG"] == 28500
    assert record.fields["avdrPrelSkatt"] == 9300
    assert record.fields["specifikationsnummer"] == 5


def test_unknown_fields_are_told_by_name_and_kept_out() -> None:
    income, absence = bare.read(C + "framtida-falt")
    assert income.extensions == ("NyttFalt", "AnnuEttNyttFalt")
    assert absence.extensions == ("FranvaroNyttFalt",)
    assert "17" not in str(income.fields)


def test_the_names_inside_an_unknown_element_are_told_too() -> None:
    income, _ = bare.read(C + "framtida-falt", ('faltkod="999">17<', 'faltkod="999"><agd:Diagnoskod/><'))
    assert income.extensions[:2] == ("NyttFalt", "Diagnoskod")


def test_a_known_name_in_a_foreign_namespace_is_unknown() -> None:
    income, _ = bare.read(
        C + "framtida-falt",
        ('<agd:NyttFalt faltkod="999">17</agd:NyttFalt>', '<x:Borttag xmlns:x="urn:x">1</x:Borttag>'),
    )
    assert income.extensions[0] == "Borttag"
    assert "borttag" not in income.fields


def test_a_removal_holds_its_key_only() -> None:
    income, absence = bare.read(C + "borttag")
    assert income.fields["borttag"] is True
    assert set(income.fields) == {"arbetsgivare", "period", "specifikationsnummer", "borttag"}
    assert absence.fields["franvaroBorttag"] is True
    removal = '<agd:Borttag faltkod="205">1</agd:Borttag>'
    amount = '<agd:AvdrPrelSkatt faltkod="001">1</agd:AvdrPrelSkatt>'
    assert "removal (205)" in content("borttag", (removal, removal + amount))


def test_a_cross_that_is_not_set_removes_nothing() -> None:
    removal = '<agd:Borttag faltkod="205">1</agd:Borttag>'
    amount = '<agd:AvdrPrelSkatt faltkod="001">1</agd:AvdrPrelSkatt>'
    income, _ = bare.read(C + "borttag", (removal, removal.replace(">1<", ">0<") + amount))
    assert income.fields["borttag"] is False


def test_a_payee_with_an_organisation_number_is_no_person_and_leaves_a_gap() -> None:
    record = bare.one(C + "organisation-som-mottagare")
    assert (record.position, record.person.kind) == (2, NumberKind.SAMORDNINGSNUMMER)


def test_a_declaration_about_organisations_only_is_about_nobody() -> None:
    assert "about a person" in content("organisation-som-mottagare", ("196000872389", "165566778899"))
    assert "about a person" in content("franvaro", ("199703112384", "165566778899"), ("200712252386", "165566778899"))


def test_a_payee_without_swedish_number_goes_on_as_another_kind() -> None:
    payee = '<agd:BetalningsmottagarId faltkod="215">199001011234</agd:BetalningsmottagarId>'
    income = bare.one(C + "kontrollsiffra", (payee, '<agd:AnnatId faltkod="224">AB-1</agd:AnnatId>'))
    assert (income.person.number, income.person.kind) == ("AB-1", NumberKind.OTHER)


@pytest.mark.parametrize("payees", ["", PAYEE + '<agd:AnnatId faltkod="224">AB-1</agd:AnnatId>'])
def test_a_payee_has_exactly_one_identity(payees: str) -> None:
    group = "<agd:BetalningsmottagareIDChoice>"
    empty = '<agd:NyttFalt faltkod="999"/>'
    assert content("inkomst-och-franvaro", (group, group + empty), (PAYEE, payees)) == (
        "IU 1: the payee must have exactly one identity"
    )


def test_a_failed_check_digit_is_flagged_not_refused() -> None:
    assert bare.one(C + "kontrollsiffra").person.check_digit_valid is False


@pytest.mark.parametrize("written", ["001", "1", "+1", "9999999999"])
def test_a_specifikationsnummer_is_a_number_however_written(written: str) -> None:
    (record, *_) = bare.read(C + "inkomst", ('"570">001<', f'"570">{written}<'))
    assert record.fields["specifikationsnummer"] == int(written)


@pytest.mark.parametrize("written", ["0", "10000000000", "-1", "1.0", ""])
def test_a_specifikationsnummer_out_of_range_is_refused(written: str) -> None:
    assert refused("inkomst", ('"570">001<', f'"570">{written}<')).code is codes.CONTRACT_SCHEMA


@pytest.mark.parametrize(
    ("field", "where"),
    [
        ('<agd:RedovisningsPeriod faltkod="006">202512</agd:RedovisningsPeriod>', "RedovisningsPeriod"),
        ('<agd:AgRegistreradId faltkod="201">165560269986</agd:AgRegistreradId>', "AgRegistreradId"),
        ('<agd:FranvaroDatum faltkod="821">2025-12-08</agd:FranvaroDatum>', "FranvaroDatum"),
        (PAYEE, "BetalningsmottagarId"),
        (
            '<agd:FranvaroSpecifikationsnummer faltkod="822">1</agd:FranvaroSpecifikationsnummer>',
            "FranvaroSpecifikationsnummer",
        ),
        ('<agd:FranvaroTyp faltkod="823">TILLFALLIG_FORALDRAPENNING</agd:FranvaroTyp>', "FranvaroTyp"),
    ],
)
def test_a_franvarouppgift_must_have_its_fields_once_each(field: str, where: str) -> None:
    payload = bare.text(C + "inkomst-och-franvaro")
    head, tail = payload.split("<agd:Franvarouppgift>")
    assert field in tail
    with pytest.raises(ContractError, match=f"Franvarouppgift 2: {where} is missing"):
        bare.offline(f"{head}<agd:Franvarouppgift>{tail.replace(field, '')}")
    with pytest.raises(ContractError, match=f"Franvarouppgift 2: {where} stands twice"):
        bare.offline(f"{head}<agd:Franvarouppgift>{tail.replace(field, field + field)}")


@pytest.mark.parametrize(
    ("field", "where"),
    [
        ('<agd:RedovisningsPeriod faltkod="006">202512</agd:RedovisningsPeriod>', "RedovisningsPeriod"),
        ('<agd:AgRegistreradId faltkod="201">165560269986</agd:AgRegistreradId>', "AgRegistreradId"),
        ('<agd:Specifikationsnummer faltkod="570">001</agd:Specifikationsnummer>', "Specifikationsnummer"),
    ],
)
def test_an_individuppgift_must_have_its_fields_once_each(field: str, where: str) -> None:
    payload = bare.text(C + "inkomst-och-franvaro")
    head, tail = payload.split("<agd:IU>")
    kept = '<agd:NyttFalt faltkod="999"/>'
    with pytest.raises(ContractError, match=f"IU 1: {where} is missing"):
        bare.offline(f"{head}<agd:IU>{tail.replace(field, kept, 1)}")
    with pytest.raises(ContractError, match=f"IU 1: {where} stands twice"):
        bare.offline(f"{head}<agd:IU>{tail.replace(field, field + field, 1)}")


TYP = '<agd:FranvaroTyp faltkod="823">TILLFALLIG_FORALDRAPENNING</agd:FranvaroTyp>'
HOURS = '<agd:FranvaroTimmarTFP faltkod="825">3</agd:FranvaroTimmarTFP>'
PERCENT = '<agd:FranvaroProcentTFP faltkod="824">50</agd:FranvaroProcentTFP>'


@pytest.mark.parametrize(
    ("extent", "told"),
    [
        ("", "exactly one of percent and hours"),
        (HOURS + PERCENT, "exactly one of percent and hours"),
        ('<agd:FranvaroTimmarFP faltkod="827">3</agd:FranvaroTimmarFP>', "does not belong to the type"),
        ('<agd:FranvaroProcentFP faltkod="826">3</agd:FranvaroProcentFP>', "does not belong to the type"),
    ],
)
def test_an_absence_has_one_extent_of_its_own_type(extent: str, told: str) -> None:
    assert told in content("inkomst-och-franvaro", (HOURS, extent))


def test_the_type_may_stand_in_a_group() -> None:
    changed = (TYP, f"<agd:FranvaroChoice>{TYP}</agd:FranvaroChoice>")
    _, absence = bare.read(C + "inkomst-och-franvaro", changed)
    assert absence.fields["franvaroTyp"] == "TILLFALLIG_FORALDRAPENNING"
    assert absence.extensions == ()


@pytest.mark.parametrize(
    ("old", "ok", "bad"), [(HOURS, "24.00", "24.01"), (HOURS, "0.01", "0"), (HOURS, "1.5", "1.555")]
)
def test_hours_are_within_a_day_and_have_two_decimals(old: str, ok: str, bad: str) -> None:
    _, absence = bare.read(C + "inkomst-och-franvaro", (old, old.replace(">3<", f">{ok}<")))
    assert absence.fields["franvaroTimmar"] == ok
    assert refused("inkomst-och-franvaro", (old, old.replace(">3<", f">{bad}<"))).code is codes.CONTRACT_SCHEMA


@pytest.mark.parametrize(("ok", "bad"), [("100.00", "100.01"), ("0.01", "0.00"), ("33.33", "-1")])
def test_percent_are_within_a_hundred(ok: str, bad: str) -> None:
    _, absence = bare.read(C + "inkomst-och-franvaro", (HOURS, PERCENT.replace(">50<", f">{ok}<")))
    assert absence.fields["franvaroProcent"] == ok
    error = refused("inkomst-och-franvaro", (HOURS, PERCENT.replace(">50<", f">{bad}<")))
    assert error.code is codes.CONTRACT_SCHEMA


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('faltkod="011"', 'faltkod="012"'),
        (' faltkod="011"', ""),
        ('"011">28500<', '"011">28500.50<'),
        ('"011">28500<', '"011">-1<'),
        ('"011">28500<', '"011">10000000000<'),
        ('"050">1<', '"050">ja<'),
        ('"215">199512262388<', '"215">9512262388<'),
        ("<agd:Period>202512<", "<agd:Period>202513<"),
        ('omrade="Arbetsgivardeklaration"', 'omrade="Kontrolluppgifter"'),
        ("<agd:IU>", "<agd:XU>"),
    ],
)
def test_what_the_schema_does_not_have_is_refused(old: str, new: str) -> None:
    changes = [(old, new)]
    if "XU" in new:
        changes.append(("</agd:IU>", "</agd:XU>"))
    assert refused("inkomst-och-franvaro", *changes).code is codes.CONTRACT_SCHEMA


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<agd:Arendeagare>165560269986<", "<agd:Arendeagare>165566778899<"),
        ("<agd:Period>202512<", "<agd:Period>202511<"),
        ("      <agd:AgRegistreradId>165560269986<", "      <agd:AgRegistreradId>165566778899<"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(old: str, new: str) -> None:
    assert content("inkomst", (old, new)) == "HU: employer or period differs inside the declaration"
    detail = content("kontrollsiffra", (old, new))
    assert detail == "IU 1: employer or period differs inside the declaration"


def test_an_absence_under_another_employer_is_refused() -> None:
    head, tail = bare.text(C + "inkomst-och-franvaro").split("<agd:Franvarouppgift>")
    with pytest.raises(ContractError, match="Franvarouppgift 2: employer differs"):
        bare.offline(f"{head}<agd:Franvarouppgift>{tail.replace('165560269986', '165566778899')}")


def test_income_is_declared_from_july_2018() -> None:
    assert bare.one(C + "kontrollsiffra", ("202512", "201807")).fields["period"] == "2018-07"
    assert "before 2018-07" in content("kontrollsiffra", ("202512", "201806"))


def test_absence_is_about_its_period_and_the_law_decides_from_which_one_it_may_come() -> None:
    before = bare.read(C + "franvaro", ("202512", "202412"))[0]
    assert before.fields["period"] == "2024-12"
    assert before.period_from == date(2024, 12, 1)
    assert bare.read(C + "franvaro", ("202512", "202501"))[0].period_from == date(2025, 1, 1)


def test_a_sole_traders_number_stays_twelve_digits() -> None:
    assert bare.one(C + "kontrollsiffra", ("165560269986", "198001022394")).fields["arbetsgivare"] == "198001022394"


def test_a_thousand_records_keep_their_order() -> None:
    payload = bare.text(C + "kontrollsiffra")
    start, end = payload.index("  <agd:Blankett>"), payload.index("</Skatteverket>")
    records = bare.offline(payload[:start] + payload[start:end] * 1000 + payload[end:])
    assert [record.position for record in records] == list(range(1, 1001))
