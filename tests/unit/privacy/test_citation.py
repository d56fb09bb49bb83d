"""A paragraph is the same however it is written, and never another."""

import pytest

from gateway.privacy import citation
from tests.unit.privacy.statute import delivered, lagrum


@pytest.mark.parametrize(
    "text",
    [
        "110 kap. 31 § socialförsäkringsbalken",
        "110 kap. 31 § socialförsäkringsbalken (2010:110)",
        "SFB 110 kap. 31 §",
        "110 kap 31§  SFB",
        "Socialförsäkringsbalken (2010:110), 110 Kap. 31 §",
    ],
)
def test_one_paragraph_in_many_spellings_is_one(text):
    assert citation.normal(text) == "2010:110 110:31"


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("9 kap. 1 § förordning (2017:819) om ersättning till deltagare", "2017:819 9:1"),
        ("11 kap. 11 a § socialtjänstlagen (2001:453)", "2001:453 11:11a"),
        ("12 § lagen (1991:1047) om sjuklön", "1991:1047 -:12"),
        ("110 kap. 31 § och 110 kap. 34 § SFB", "2010:110 110:31 110:34"),
    ],
)
def test_act_chapter_and_paragraph_tell_citations_apart(text, normal):
    assert citation.normal(text) == normal


@pytest.mark.parametrize(
    "text",
    ["31 §", "110 kap. SFB", "110 kap. 31 § SFB och 9 kap. 1 § förordningen (2017:819)", "Handläggning av ärende", ""],
)
def test_what_is_no_single_acts_citation_stays_text(text):
    assert citation.normal(text) == " ".join(text.casefold().split())


def test_words_are_compared_without_regard_to_case_and_space():
    assert citation.normal("  Handläggning  av\tÄRENDE ") == "handläggning av ärende"


@pytest.mark.parametrize(
    ("row", "written"),
    [
        ({"kapitel": "9"}, "9 kap. 1 § förordningen (2017:819) om prov"),
        ({"paragraf": "31 a", "kapitel": "110"}, "110 kap. 31 a § förordningen (2017:819) om prov"),
        ({"paragraf": "7", "stycke": 4}, "7 § fjärde stycket förordningen (2017:819) om prov"),
        ({"paragraf": "8", "punkt": 3}, "8 § 3 förordningen (2017:819) om prov"),
        ({"stycke": 1, "punkt": 2}, "1 § första stycket 2 förordningen (2017:819) om prov"),
        ({"stycke": 11}, "1 § 11 st. förordningen (2017:819) om prov"),
    ],
)
def test_what_we_cite_is_written_as_lawyers_write_it_and_read_as_what_it_is(row, written):
    paragraph = lagrum(forfattning="förordningen (2017:819) om prov", **row)
    assert citation.written(paragraph) == written
    assert citation.normal(written) == citation.names(paragraph)


@pytest.mark.parametrize("row", delivered().lagrum, ids=lambda row: f"{row.id}@{row.version}")
def test_every_paragraph_of_the_register_is_read_again_as_itself(row):
    assert citation.normal(citation.written(row)) == citation.names(row)


def test_what_we_cite_to_arbetsformedlingen_is_what_we_accept_back():
    (row,) = (row for row in delivered().lagrum if row.id == "F-2017-819-9-1")
    (accepts,) = (basis.cited for basis in delivered().bases if basis.id == "AF-ERSATTNING-01")
    assert citation.normal(citation.written(row)) in map(citation.normal, accepts)
