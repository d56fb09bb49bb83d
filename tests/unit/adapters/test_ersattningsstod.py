from datetime import date

import pytest

from gateway import codes
from gateway.errors import ContractError
from gateway.message import NumberKind, Protection
from tests.unit.adapters import bare

C = "arbetsformedlingen/ersattningsstod/"
MARKED = "<er:Sekretessmarkering>false</er:Sekretessmarkering>"
LAST = "<er:StatusSokandeinformationKodText>Frågan har behandlats normalt.</er:StatusSokandeinformationKodText>"


def refused(case: str, *changes: tuple[str, str]) -> ContractError:
    with pytest.raises(ContractError) as caught:
        bare.read(C + case, *changes)
    return caught.value


def test_an_answer_becomes_one_record_with_its_decisions() -> None:
    record = bare.one(C + "aktivitetsstod")
    assert (record.kind, record.position) == ("ersattningsbeslut", 1)
    assert record.person.number == "199205143028"
    assert record.period_from == date(2025, 12, 1)
    assert record.stated_at == 0
    assert record.fields == {
        "referensnummer": "REF-0001",
        "fragaFrom": "2025-12-01",
        "fragaTom": "2026-01-09",
        "fornamn": "Elsa",
        "efternamn": "Exempelsson",
        "arbetssokande": True,
        "arbetssokandeSKAT": "Deltar i program",
        "arbetssokandeRegistrerad": "2016-11-18",
        "arbetssokandeOmfattning": 75,
        "aktivitetsrapportMeddelande": "Aktivitetsrapport inlämnad",
        "aktivitetsrapportSenast": "2025-12-14",
        "akassetillhorighet": "Exempelkassan",
        "statuskod": 0,
        "statustext": "Frågan har behandlats normalt.",
        "beslut": (
            {"typ": "Aktivitetsstöd", "omfattning": 100, "from": "2025-12-01", "tom": "2026-02-28"},
            {"typ": "Aktivitetsstöd", "omfattning": 50, "from": "2026-03-01", "tom": "2026-05-31"},
        ),
    }


def test_what_the_partner_cites_is_handed_on_and_who_asked_is_not() -> None:
    record = bare.one(C + "aktivitetsstod")
    assert record.cited == (
        "Handläggning av ärende om aktivitetsstöd",
        "9 kap. 1 § förordningen (2017:819)",
        "9 kap. 1 § förordningen (2017:819)",
    )
    assert "FK0001" not in str(record)
    assert "2021005521" not in str(record)


def test_an_empty_citation_passes_the_schema_and_is_handed_on_empty() -> None:
    record = bare.one(C + "annat-syfte", (">Marknadsföring<", "><"), (">ingen<", "><"))
    assert record.cited == ("", "", "")


@pytest.mark.parametrize(
    ("marking", "protection"),
    [
        (MARKED, Protection.NONE),
        (MARKED.replace("false", "0"), Protection.NONE),
        (MARKED.replace("false", "true"), Protection.SEKRETESSMARKERING),
        (MARKED.replace("false", " 1 "), Protection.SEKRETESSMARKERING),
        ("", None),
    ],
)
def test_a_marking_is_true_or_false_and_its_absence_says_nothing(marking: str, protection: Protection | None) -> None:
    assert bare.one(C + "aktivitetsstod", (MARKED, marking)).protection is protection


def test_the_activity_report_may_be_missing() -> None:
    fields = bare.one(C + "utan-markering").fields
    assert fields["arbetssokande"] is True
    assert "aktivitetsrapportSenast" not in fields


def test_an_answer_without_decisions_has_none() -> None:
    assert "beslut" not in bare.one(C + "utan-beslut").fields


def test_extension_elements_are_told_by_name_and_kept_out() -> None:
    record = bare.one(C + "tillagg")
    assert record.extensions == ("Sparningsid", "Kanal", "Insats", "Insatskod", "Dagar")
    assert "abc" not in str(record.fields)
    assert record.fields["beslut"] == bare.one(C + "utan-markering").fields["beslut"]


def test_an_extension_about_health_is_told_by_name() -> None:
    record = bare.one(C + "tillagg-om-halsa")
    assert record.extensions == ("Diagnoskod",)
    assert "X00" not in str(record)


@pytest.mark.parametrize(
    ("last", "smuggled", "where"),
    [
        (LAST, "<er:Sekretessmarkering>kanske</er:Sekretessmarkering>", "Svar: Sekretessmarkering"),
        (LAST, "<er:Fornamn>Annan</er:Fornamn>", "Svar: Fornamn"),
        (LAST, LAST, "Svar: StatusSokandeinformationKodText"),
        ("</er:Svar>", "<er:Svar/>", "SvarMeddelande: Svar"),
        ("</er:Svar>", "<er:Fraga/>", "SvarMeddelande: Fraga"),
        ("</er:EkonomiskaBeslut>", "<er:EkonomiskaBeslut/>", "BeslutInfo: EkonomiskaBeslut"),
        ("<er:BeslutTom>2026-05-31</er:BeslutTom>", "<er:Omfattning>0</er:Omfattning>", "Beslut: Omfattning"),
    ],
)
def test_the_contracts_own_elements_may_not_stand_among_the_extensions(last: str, smuggled: str, where: str) -> None:
    error = refused("utan-markering", (last, last + smuggled))
    assert (error.code, error.detail) == (codes.CONTRACT_CONTENT, f"{where} stands out of place")


def test_question_and_answer_must_be_about_one_person() -> None:
    payload = bare.text(C + "aktivitetsstod")
    head, tail = payload.split("<er:Svar>")
    with pytest.raises(ContractError, match="different persons") as caught:
        bare.offline(f"{head}<er:Svar>{tail.replace('199205143028', '198001022394')}")
    assert caught.value.code is codes.CONTRACT_CONTENT


def test_a_period_may_not_end_before_it_begins() -> None:
    assert bare.one(C + "aktivitetsstod", ("<er:Tom>2026-01-09<", "<er:Tom>2025-12-01<")).period_from.day == 1
    assert refused("aktivitetsstod", ("<er:Tom>2026-01-09<", "<er:Tom>2025-11-30<")).code is codes.CONTRACT_CONTENT


def test_a_day_before_our_time_is_refused_without_its_value() -> None:
    error = refused("aktivitetsstod", ("<er:From>2025-12-01<", "<er:From>-2025-12-01<"))
    assert (error.code, error.detail) == (codes.CONTRACT_CONTENT, "Fraga/From: not a day of the years 1-9999")


def test_a_samordningsnummer_is_taken_as_one() -> None:
    assert bare.one(C + "samordningsnummer").person.kind is NumberKind.SAMORDNINGSNUMMER


def test_a_comment_in_a_value_cuts_it_not_short() -> None:
    record = bare.one(C + "kommentarer")
    assert record.person.number == "199808292396"
    assert record.fields["beslut"] == (
        {"typ": "Aktivitetsstöd", "omfattning": 100, "from": "2025-12-01", "tom": "2026-05-31"},
    )


def test_a_test_question_says_so() -> None:
    first = "<er:Fraga>"
    assert bare.one(C + "utan-beslut", (first, first + "<er:Test>true</er:Test>")).fields["test"] is True
    assert "test" not in bare.one(C + "utan-beslut", (first, first + "<er:Test>false</er:Test>")).fields


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<er:IdentitetsbeteckningFysiskPerson>199205143028<", "<er:IdentitetsbeteckningFysiskPerson>9205143028<"),
        (MARKED, MARKED.replace("false", "nej")),
        ("<er:Omfattning>50<", "<er:Omfattning>halv<"),
        ("<er:LagParagraf>9 kap. 1 § förordningen (2017:819)</er:LagParagraf>", ""),
        ("AktivetetsRapportDatum", "AktivitetsRapportDatum"),
    ],
)
def test_what_the_schema_does_not_have_is_refused(old: str, new: str) -> None:
    assert refused("aktivitetsstod", (old, new)).code is codes.CONTRACT_SCHEMA


def test_an_answer_without_its_question_is_refused() -> None:
    payload = bare.text(C + "aktivitetsstod")
    start, end = payload.index("<er:Fraga>"), payload.index("</er:Fraga>") + len("</er:Fraga>")
    with pytest.raises(ContractError, match="expected Fraga") as caught:
        bare.offline(payload[:start] + payload[end:])
    assert caught.value.code is codes.CONTRACT_SCHEMA


def test_nothing_in_the_contract_is_locating() -> None:
    kinds = bare.contracts()["arbetsformedlingen/ersattningsstod"].kinds  # type: ignore[index]
    assert not any(spec.locating for spec in kinds["ersattningsbeslut"].values())
