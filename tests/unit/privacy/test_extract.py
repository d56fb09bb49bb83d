"""A registerutdrag, rule by rule: what one person is told, and what nobody is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.config import load
from gateway.errors import ConfigError
from gateway.message import Protection
from gateway.privacy import extract_page
from gateway.privacy.exemptions import Exemptions
from gateway.privacy.extract import Disclosed, Refused, extract
from gateway.privacy.retention import later

CONFIG = Path(__file__).parents[3] / "config" / "gateway.toml"
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
THEN = datetime(2026, 3, 10, 12, tzinfo=UTC)
ONE = Disclosed(
    at=THEN, direction="out", interaction="send", partner="arbetsformedlingen", organisation="2021002114",
    contract="arbetsformedlingen/mote", information="kallelse", granted=("tid", "motesPlats"),
    purposes=("fk:Arendehandlaggning",), lagrum=("L-2018-218-5-1@2018:218",), basis="UT-AF-1", released="yes",
    reference="urn:uuid:1", leaf="a1" * 16,
)  # fmt: skip
HELD = replace(ONE, basis="UT-UBM-2023-456-9", reference="urn:uuid:2", leaf="b2" * 16)
EMPLOYER = replace(ONE, partner="arbetsgivare", organisation="5560269986", reference="urn:uuid:3", leaf="c3" * 16)


@pytest.fixture(scope="module")
def configuration():
    return load(CONFIG)


def made(configuration, *disclosed, refused=(), protection=Protection.NONE, now=NOW, **period):
    return extract(disclosed, refused, configuration, protection=protection, now=now, **period)


def forms(extract_):
    page, text = (write(extract_, case="K 1") for write in (extract_page.page, extract_page.text))
    return page, text, str(extract_page.document(extract_, case="K 1"))


def test_a_recipient_is_named_with_time_purpose_law_and_kinds_of_data_in_swedish(configuration):
    (entry,) = made(configuration, ONE).entries
    assert (entry.counterpart, entry.organisation) == (configuration.partners["arbetsformedlingen"].name, "2021002114")
    assert entry.purposes == ("Handläggning av ärenden (SFB 114 kap. 8 § 3)",)
    assert entry.lagrum[0].startswith("5 kap. 1 § ")
    assert entry.lagrum[0].endswith("lagen (2018:218) med kompletterande bestämmelser till EU:s dataskyddsförordning")
    assert entry.fields == ("tid", "motes plats")
    for form in forms(made(configuration, ONE)):
        for word in (
            entry.counterpart,
            "Handläggning av ärenden",
            "5 kap. 1 §",
            "kallelse",
            "motes plats",
            entry.reference,
        ):
            assert word in form
    page, text, _ = forms(made(configuration, ONE))
    assert "2026-03-10 13:00" in page
    assert "2026-03-10 13:00" in text


def test_attempts_and_records_of_one_message_are_one_entry(configuration):
    again = replace(ONE, at=THEN + timedelta(hours=1), granted=("tid", "plats"), released="unknown", leaf="d4" * 16)
    (entry,) = made(configuration, again, ONE).entries
    assert (entry.at, entry.reference, entry.fields) == (THEN, ONE.leaf, ("tid", "motes plats", "plats"))
    assert entry.arrival == "Kom fram"


@pytest.mark.parametrize(
    "change",
    [
        {"reference": "urn:uuid:9"},
        {"direction": "in"},
        {"information": "annat"},
        {"organisation": "2120000142"},
        {"partner": "skatteverket"},
    ],
)
def test_what_is_another_disclosure_is_another_entry(configuration, change):
    assert len(made(configuration, ONE, replace(ONE, **change)).entries) == 2


def test_leaves_without_a_reference_are_never_taken_for_one_another(configuration):
    nameless = replace(ONE, reference=None)
    assert len(made(configuration, nameless, replace(nameless, leaf="e5" * 16)).entries) == 2


@pytest.mark.parametrize(("released", "told"), [("yes", "Kom fram"), ("unknown", "inte säkert"), (None, "Pågår")])
def test_whether_it_arrived_is_told_and_never_made_up(configuration, released, told):
    assert told in made(configuration, replace(ONE, released=released)).entries[0].arrival


def test_the_newest_is_first_and_directions_are_told_apart(configuration):
    came = replace(ONE, direction="in", interaction=None, released=None, at=THEN + timedelta(days=1), leaf="f6" * 16)
    asked = replace(ONE, interaction="ask", at=THEN + timedelta(days=2), reference="urn:uuid:4", leaf="f7" * 16)
    extract_ = made(configuration, ONE, came, asked)
    assert [one.at for one in extract_.entries] == sorted((one.at for one in extract_.entries), reverse=True)
    assert [one.what.split()[1] for one in extract_.entries] == ["frågade", "tog", "lämnade"]
    assert [len(extract_.of(way)) for way in ("out", "in")] == [2, 1]
    assert extract_.of("in")[0].arrival == ""


def test_what_the_register_holds_back_is_in_no_form_and_in_no_count(configuration):
    extract_ = made(configuration, ONE, HELD, refused=[Refused(at=THEN, basis="UT-UBM-2023-456-9")])
    assert [one.reference for one in extract_.entries] == [ONE.leaf]
    assert extract_.refused == 0
    assert extract_.held == {"UTDRAG-UBM": 1}
    for form in forms(extract_):
        assert HELD.leaf not in form
        assert "UTDRAG-UBM" not in form
    assert forms(extract_) == forms(made(configuration, ONE))


def test_what_was_held_back_is_shown_to_the_moment_that_its_time_has_passed_and_says_why(configuration):
    ends = later(THEN, 12)
    assert made(configuration, HELD, now=ends - timedelta(microseconds=1)).entries == ()
    extract_ = made(configuration, HELD, now=ends)
    assert (extract_.held, len(extract_.entries)) == ({}, 1)
    for form in forms(extract_):
        assert "fördjupad granskning" in form
        assert "2027-03-10" in form
        assert "5 kap. 1 §" in form


def test_a_refusal_is_counted_where_the_register_says_so_and_once_its_time_has_passed(configuration):
    refused = [Refused(at=THEN, basis=None), Refused(at=THEN, basis="UT-UBM-2023-456-9")]
    assert made(configuration, refused=refused).refused == 1
    assert made(configuration, refused=refused, now=later(THEN, 12)).refused == 2
    silent = configuration.model_copy(update={"extracts": configuration.extracts.model_copy(update={"refused": False})})
    assert made(silent, refused=refused).refused is None
    assert "Nekat" not in extract_page.text(made(silent, refused=refused), case="K 1")


@pytest.mark.parametrize("protection", [one for one in Protection if one is not Protection.NONE])
def test_whoever_is_or_may_be_protected_is_not_told_what_tells_a_place(configuration, protection):
    extract_ = made(configuration, ONE, EMPLOYER, protection=protection)
    assert {one.organisation for one in extract_.entries} == {"2021002114", None}
    for form in forms(extract_):
        assert "5560269986" not in form
        assert "kan röja en plats" in form
        assert "2021002114" in form


def test_whoever_is_known_not_to_be_protected_is_told_which_employer_it_was(configuration):
    (entry,) = made(configuration, EMPLOYER).entries
    assert entry.organisation == "5560269986"


def test_a_partner_that_no_file_names_any_more_is_told_by_its_id_and_not_to_the_protected(configuration):
    gone = replace(ONE, partner="nedlagd")
    assert made(configuration, gone).entries[0].counterpart == "nedlagd"
    assert "nedlagd" not in made(configuration, gone, protection=Protection.UNKNOWN).entries[0].counterpart


def test_a_sole_traders_number_is_a_persons_and_is_shown_nowhere(configuration):
    extract_ = made(configuration, replace(EMPLOYER, organisation="8202252386"))
    assert "enskild näringsidkare" in extract_.entries[0].counterpart
    for form in forms(extract_):
        assert "8202252386" not in form


def test_law_purpose_and_names_that_no_register_has_any_more_are_told_as_they_stand(configuration):
    (entry,) = made(configuration, replace(ONE, lagrum=("GAMMAL@1",), purposes=("fk:Gammalt",))).entries
    assert (entry.lagrum, entry.purposes) == (("GAMMAL@1",), ("fk:Gammalt",))


def test_the_page_is_whole_without_anything_else_and_escapes_what_it_is_told(configuration):
    page = extract_page.page(made(configuration, replace(ONE, information="<script>")), case="<b>&")
    assert page.startswith('<!DOCTYPE html>\n<html lang="sv">')
    assert page.count("<h1>") == 1
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;" in page
    for fetched in ("http:", "https:", "src=", "@import", "url("):
        assert fetched not in page
    assert 'href="#fragor"' in page
    assert 'id="fragor"' in page


def test_an_empty_extract_says_so_and_how_to_go_on(configuration):
    for form in forms(made(configuration))[:2]:
        assert form.count("Inget är antecknat.") == 2
    for form in forms(made(configuration)):
        assert "artikel 16" in form


def test_the_days_that_it_is_about_are_told(configuration):
    text = extract_page.text(made(configuration, since=THEN, until=NOW), case="K 1")
    assert "Tid: 2026-03-10 till 2026-11-27" in text
    assert "Tid: från början till 2026-11-27" in extract_page.text(made(configuration), case="K 1")


def test_without_rows_that_say_what_is_held_back_there_is_no_extract(configuration):
    silent = configuration.model_copy(update={"extracts": None})
    with pytest.raises(ConfigError, match=r"registerutdrag\.toml"):
        made(silent, ONE)


def test_production_gives_no_extract_by_a_period_that_nobody_has_decided(configuration):
    gateway = configuration.gateway.model_copy(update={"environment": "production"})
    production = configuration.model_copy(update={"gateway": gateway})
    with pytest.raises(ConfigError, match="UTDRAG-BROTTSBEK"):
        Exemptions.of(production)
    decided = [one.model_copy(update={"verified": True}) for one in configuration.extracts.exemptions]
    extracts = configuration.extracts.model_copy(update={"exemptions": tuple(decided)})
    Exemptions.of(production.model_copy(update={"extracts": extracts}))


def test_what_is_to_be_hidden_and_no_row_says_until_when_stops_the_extract(configuration):
    none = configuration.extracts.model_copy(update={"exemptions": ()})
    with pytest.raises(ConfigError, match="UT-UBM-2023-456-9"):
        made(configuration.model_copy(update={"extracts": none}), HELD)
