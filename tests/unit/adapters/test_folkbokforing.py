from datetime import date

import pytest

from gateway import codes
from gateway.errors import ContractError
from gateway.message import NumberKind, Protection
from tests.unit.adapters import bare

C = "skatteverket/folkbokforing/"
MARKED = "      <Sekretessmarkering>N</Sekretessmarkering>\n"


def refused(case: str, *changes: tuple[str, str]) -> ContractError:
    with pytest.raises(ContractError) as caught:
        bare.read(C + case, *changes)
    return caught.value


def test_a_post_becomes_named_fields() -> None:
    record = bare.one(C + "flyttning")
    assert record.kind == "folkbokforing"
    assert record.person.number == "198001022394"
    assert record.period_from == bare.ON
    assert record.stated_at == 20260109143000
    assert record.cited == record.extensions == ()
    assert record.fields == {
        "arendetyp": "Flyttning",
        "tilltalsnamnsmarkering": 10,
        "fornamn": "Elsa",
        "fornamnStyrkt": True,
        "efternamn": "Exempelsson",
        "folkbokforingsdatum": "2026-01-08",
        "lan": "01",
        "kommun": "80",
        "forsamling": "07",
        "fastighetsbeteckning": "PROVET 1:2",
        "fiktivtNummer": 0,
        "folkbokforingstyp": "FB",
        "folkbokforingsadress": (
            {"utdelningsadress2": "Provgatan 12 LGH 1101", "postnummer": "02145", "postort": "PROVSTAD"},
        ),
        "riksnycklar": (
            {"fastighetsId": "0000000001", "adressplatsId": "00000000000002", "lagenhetsId": "00000000000003"},
        ),
        "civilstand": "G",
        "civilstandsdatum": "2019-06-15",
        "fodelselan": "01",
        "fodelseforsamling": "PROVE",
        "relationer": (
            {"nummer": "197610292380", "relationstyp": "M", "from": "2019-06-15"},
            {"nummer": "202511030000", "relationstyp": "B", "fornamn": "Ebba", "status": "NY"},
        ),
        "medborgarskap": ({"land": "SE", "landStyrkt": True},),
    }


def test_everything_that_tells_where_a_person_is_is_marked_locating_and_names_are_not() -> None:
    fields = bare.contracts()["skatteverket/folkbokforing"].kinds["folkbokforing"]  # type: ignore[index]
    assert {name for name, spec in fields.items() if spec.locating} == {
        *("lan", "kommun", "forsamling", "fastighetsbeteckning", "trappuppgang", "lagenhet"),
        *("folkbokforingsadress", "riksnycklar", "sarskildPostadress", "utlandsadress"),
        *("historikAdress", "historikFolkbokforing", "utvandringsland"),
    }


def test_every_other_individual_is_related_once() -> None:
    numbers = [person.number for person in bare.one(C + "flyttning").related]
    assert numbers == ["197610292380", "202511030000"]
    again = bare.one(
        C + "flyttning", ("<FodelsetidNr>202511030000</FodelsetidNr>", "<PersonNr>197610292380</PersonNr>")
    )
    assert [person.number for person in again.related] == ["197610292380"]


def test_a_relation_without_a_number_is_kept_and_relates_nobody() -> None:
    record = bare.one(C + "flyttning", ("<FodelsetidNr>202511030000</FodelsetidNr>", "<FodelsetidNr>0</FodelsetidNr>"))
    assert [person.number for person in record.related] == ["197610292380"]
    assert record.fields["relationer"][1] == {"relationstyp": "B", "fornamn": "Ebba", "status": "NY"}  # type: ignore[index]


@pytest.mark.parametrize(
    ("marking", "protection"),
    [
        (MARKED, Protection.NONE),
        ("", Protection.NONE),
        ("<Sekretessmarkering>J</Sekretessmarkering>", Protection.SEKRETESSMARKERING),
        ('<Sekretessmarkering xsi:nil="true"/>', Protection.UNKNOWN),
        ("<Sekretessmarkering/>", Protection.UNKNOWN),
        ("<Sekretessmarkering>j</Sekretessmarkering>", Protection.UNKNOWN),
        ("<Sekretessmarkering>X</Sekretessmarkering>", Protection.UNKNOWN),
        (MARKED + "<SkyddadFolkbokforing>N</SkyddadFolkbokforing>", Protection.NONE),
        (MARKED + "<SkyddadFolkbokforing>J</SkyddadFolkbokforing>", Protection.SKYDDAD_FOLKBOKFORING),
        ("<SkyddadFolkbokforing>J</SkyddadFolkbokforing>", Protection.SKYDDAD_FOLKBOKFORING),
        (
            "<Sekretessmarkering>J</Sekretessmarkering><SkyddadFolkbokforing>J</SkyddadFolkbokforing>",
            Protection.SKYDDAD_FOLKBOKFORING,
        ),
        (
            "<Sekretessmarkering>J</Sekretessmarkering><SkyddadFolkbokforing>X</SkyddadFolkbokforing>",
            Protection.SEKRETESSMARKERING,
        ),
        (MARKED + '<SkyddadFolkbokforing xsi:nil="true"/>', Protection.UNKNOWN),
    ],
)
def test_a_marking_says_j_or_n_and_anything_else_is_unknown(marking: str, protection: Protection) -> None:
    assert bare.one(C + "flyttning", (MARKED, marking)).protection is protection


def test_the_samples_with_protected_identity_are_read_as_such() -> None:
    assert bare.one(C + "sekretessmarkering").protection is Protection.SEKRETESSMARKERING
    assert bare.one(C + "skyddad-folkbokforing").protection is Protection.SKYDDAD_FOLKBOKFORING
    assert bare.one(C + "okant-skydd").protection is Protection.UNKNOWN
    assert bare.one(C + "utan-markering").protection is Protection.NONE


def test_incomplete_dates_keep_their_precision() -> None:
    fields = bare.one(C + "ofullstandiga-datum").fields
    assert fields["folkbokforingsdatum"] == "2003-02"
    assert fields["civilstandsdatum"] == "2001"
    assert fields["civilstand"] == "Ä"
    assert "invandringsdatum" not in fields
    assert fields["relationer"] == ({"nummer": "199205143028", "relationstyp": "VF", "tom": "20230231"},)


def test_many_posts_are_records_in_document_order() -> None:
    records = bare.read(C + "manga-poster")
    assert [record.position for record in records] == [1, 2, 3, 4, 5]
    assert [record.protection for record in records][2] is Protection.SEKRETESSMARKERING
    assert len({record.person.number for record in records}) == 5


def test_a_number_assigned_before_any_is_in_use_is_the_person() -> None:
    record = bare.one(C + "samordningsnummer")
    assert (record.person.number, record.person.kind) == ("196000872389", NumberKind.SAMORDNINGSNUMMER)
    assert record.fields["tilldelatNummer"] == "196000872389"


def test_a_number_referred_to_is_a_field() -> None:
    number = "</PersonId><HanvisningsPersonNr>197610292380</HanvisningsPersonNr>"
    assert bare.one(C + "utan-markering", ("</PersonId>", number)).fields["hanvisningsnummer"] == "197610292380"


def test_a_post_about_nobody_is_refused() -> None:
    error = refused("utan-markering", ("<PersonNr>198202022383</PersonNr>", '<PersonNr xsi:nil="true"/>'))
    assert (error.code, error.detail) == (codes.CONTRACT_CONTENT, "post 1: PersonId is empty")


def test_a_failed_check_digit_is_flagged_not_refused() -> None:
    assert bare.one(C + "kontrollsiffra").person.check_digit_valid is False
    assert bare.one(C + "flyttning").person.check_digit_valid is True


def test_latin_1_is_read_as_it_was_written() -> None:
    (record,) = bare.offline((bare.GOLDEN / f"{C}latin1.xml").read_bytes())
    assert (record.fields["fornamn"], record.fields["efternamn"]) == ("Åsa Märta", "Öberg")


def test_special_notices_and_history_are_read() -> None:
    record = bare.one(C + "sarlosning")
    assert record.fields["utvandringsland"] == "NO"
    assert record.fields["utlandsadress"] == (
        {"utdelningsadress1": "1 Example Road", "utdelningsadress3": "OSLO", "land": "NORGE", "datum": "2025-12"},
    )
    assert record.fields["historikAdress"] == (
        {"utdelningsadress2": "Gamla gatan 3", "postnummer": "21100", "postort": "MALMÖ"},
    )
    assert record.fields["historikFolkbokforing"] == (
        {"folkbokforingsdatum": "2018-01-01", "lan": "12", "kommun": "80"},
    )
    assert record.fields["beslutsgrund"] == "Utflyttning enligt anmälan"
    assert record.fields["sarlosningRelationer"] == ({"nummer": "199507082387", "relationstyp": "AP"},)
    assert [person.number for person in record.related] == ["199507082387"]


def test_a_stillborn_child_is_health_data_and_its_father_is_related() -> None:
    child = (
        "<DodfottBarn><AntalBarnPerBord>1</AntalBarnPerBord><KonDodfottBarn>K</KonDodfottBarn>"
        "<FodelsetidNrFader>197610290000</FodelsetidNrFader></DodfottBarn></Relation>"
    )
    record = bare.one(C + "sarlosning", ("</Relation>", child))
    assert record.fields["dodfodda"] == ({"antalBarnPerBord": 1, "kon": "K", "nummerFader": "197610290000"},)
    assert [person.number for person in record.related] == ["199507082387", "197610290000"]
    kind = bare.contracts()["skatteverket/folkbokforing"].kinds["folkbokforing"]  # type: ignore[index]
    assert kind["dodfodda"].category.value == "halsa"


def test_a_post_without_a_time_of_change_says_so() -> None:
    assert bare.one(C + "utan-markering", (' andringstidpunkt="20260109143000"', "")).stated_at == 0


@pytest.mark.parametrize("changed", ["99999999999999", "20261332000000", "0", "-20260109143000"])
def test_a_time_of_change_that_is_no_moment_is_refused(changed: str) -> None:
    error = refused("flyttning", ("20260109143000", changed))
    assert (error.code, error.detail) == (
        codes.CONTRACT_CONTENT,
        "post 1: andringstidpunkt: not a moment YYYYMMDDhhmmss",
    )


def test_a_time_of_change_from_the_future_is_refused_a_day_ahead_is_not() -> None:
    payload = bare.text(C + "flyttning")
    assert bare.offline(payload, on=date(2026, 1, 8))[0].stated_at == 20260109143000
    with pytest.raises(ContractError, match="post 1: andringstidpunkt lies in the future"):
        bare.offline(payload, on=date(2026, 1, 7))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<PersonNr>198001022394<", "<PersonNr>19800102-2394<"),
        ("<PersonNr>198001022394<", "<PersonNr>8001022394<"),
        ("<CivilstandKod>G<", "<CivilstandKod>A<"),
        ("<PostNr>02145<", "<PostNr>021 45<"),
        ("<Postort>", "<Okant/><Postort>"),
        (MARKED, MARKED + MARKED),
        (MARKED, "<SkyddadFolkbokforing>N</SkyddadFolkbokforing>" + MARKED),
    ],
)
def test_what_the_schema_does_not_have_is_refused(old: str, new: str) -> None:
    assert refused("flyttning", (old, new)).code is codes.CONTRACT_SCHEMA


def test_an_empty_value_is_left_out() -> None:
    record = bare.one(C + "flyttning", ("<Efternamn>Exempelsson</Efternamn>", '<Efternamn xsi:nil="true"/>'))
    assert "efternamn" not in record.fields


def test_a_number_of_thousands_of_zeros_is_refused_as_content() -> None:
    error = refused("flyttning", ("<PostNr>02145<", f"<PostNr>{'0' * 5000}2145<"))
    assert error.code in {codes.CONTRACT_CONTENT, codes.CONTRACT_SCHEMA}
