"""The record of processing: every flow of the register is in it, for people and for machines."""

from __future__ import annotations

import json
import re
from datetime import date
from itertools import pairwise

import pytest
from lxml import etree, html

from gateway.privacy import article30, article30_page
from gateway.privacy.purposes import Purpose
from gateway.privacy.rows import Rows
from tests.unit.privacy.statute import agreed, basis, configuration, delivered, kinds, lagrum

DAY = date(2026, 3, 2)


@pytest.fixture(scope="module")
def record():
    return article30.processes(Rows.of(delivered(), kinds(), agreed().outgoing))


@pytest.fixture(scope="module")
def text(record):
    return article30_page.page(record, delivered(), DAY)


@pytest.fixture(scope="module")
def page(text):
    return html.document_fromstring(text)


@pytest.fixture(scope="module")
def linked(record):
    return article30.linked(record, delivered(), DAY)


def test_every_version_of_every_basis_is_a_process(record):
    assert [one.basis for one in record] == sorted(
        delivered().bases, key=lambda row: [one.basis.key for one in record].index(row.key)
    )
    assert len(record) == len(delivered().bases)


def test_the_page_is_whole_html_in_swedish_with_one_title(text, page):
    etree.fromstring(re.sub(r"<!DOCTYPE html>\n|<meta[^>]*>", "", text))  # every element is closed
    assert page.get("lang") == "sv"
    assert len(page.xpath("//h1")) == 1
    assert page.xpath("string(//title)").strip() == page.xpath("string(//h1)").strip()
    assert len(page.xpath("//main")) == 1


def test_no_heading_skips_a_level(page):
    levels = [int(one.tag[1]) for one in page.xpath("//h1|//h2|//h3|//h4|//h5|//h6")]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_tables_have_captions_and_every_header_says_of_what_it_is_one(page):
    tables = page.xpath("//table")
    assert tables
    for table in tables:
        assert table.xpath("string(caption)").strip()
        assert table.xpath(".//th")
        assert not table.xpath(".//th[not(@scope='col' or @scope='row')]")
        assert all(len(row.xpath("./th[@scope='row']")) == 1 for row in table.xpath(".//tbody/tr"))


def test_it_needs_no_script_and_fetches_nothing(page, text):
    assert not page.xpath("//script|//link|//img|//iframe|//*[@src]|//*[@onclick]")
    assert not re.search(r"url\(|@import|https?:", text)


def test_every_link_leads_to_a_heading_of_the_page_and_no_id_is_used_twice(page):
    ids = page.xpath("//@id")
    assert len(ids) == len(set(ids))
    assert {href.removeprefix("#") for href in page.xpath("//a/@href")} <= set(ids)
    assert set(page.xpath("//@aria-labelledby")) <= set(ids)


def test_nothing_is_told_by_colour_alone(page):
    """Whether a row has been read is told in words; no element has a colour of its own."""
    assert not page.xpath("//*[@style or @color or @bgcolor]")
    assert {cell.text for cell in page.xpath("//tbody/tr/td[5]")} <= {"ja", "nej"}


def test_every_flow_is_on_the_page_with_all_that_article_30_asks_for(page, record):
    sections: dict[str, list] = {}
    for section in page.xpath("//section[@aria-labelledby]"):
        sections.setdefault(section.get("aria-labelledby"), []).append(section)
    for one in record:
        for type_ in one.basis.partner_types:
            anchor = f"{one.basis.id}-{one.basis.giltig_fom}-{type_}".replace(":", "-")
            (section,) = sections[anchor]
            told = {dt.text: [dd.text for dd in _after(dt)] for dt in section.xpath(".//dt")}
            assert told["Ändamål"] == [article30.PURPOSES[Purpose(purpose)] for purpose in one.basis.purposes]
            assert told["Uppgifter"] == list(one.basis.fields)
            assert told["Källa" if one.inward else "Mottagare"] == list(one.basis.partner_types)
            assert told["Gallring"] == [one.basis.retention]
            assert told["Godkänd av"] == list(one.basis.approved_by)
            assert told["Lagrum"]
            assert told["Kategorier av uppgifter"]


def _after(dt):
    for following in dt.itersiblings():
        if following.tag != "dd":
            return
        yield following


def test_what_stands_in_the_register_cannot_become_markup():
    row = basis(author="<script>alert(1)</script>", approved_by=["b & c", "d"])
    made = article30.processes(Rows.of(configuration(bases=[row]), {row.contract: kinds_of()}, {}))
    text = article30_page.page(made, configuration(), DAY)
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def kinds_of():
    from tests.unit.privacy.statute import FIELDS  # noqa: PLC0415

    return {"prov": FIELDS}


def test_the_linked_record_says_the_same_in_the_words_of_dpv(linked, record):
    graph = {one["@id"]: one for one in linked["@graph"]}
    flows = [one for one in graph.values() if one["@type"] == "dpv:Process"]
    assert len(flows) == len(record)
    for one, flow in zip(record, flows, strict=True):
        assert flow["dct:identifier"] == one.basis.id
        assert [purpose["@id"] for purpose in flow["dpv:hasPurpose"]] == list(one.basis.purposes)
        assert all(ref["@id"] in graph for ref in flow["dpv:hasPurpose"])
        assert flow["dpv:hasLegalBasis"][0]["@id"].startswith("eu-gdpr:A6-1-")
        assert all(ref["@id"] in graph for ref in flow["dpv:hasLegalBasis"][1:])
        assert len(flow["dpv:hasPersonalData"]) == len(one.basis.fields)
        assert ("dpv:hasDataSource" in flow) is one.inward
        assert flow["dpv:hasStorageCondition"]["dct:title"] == one.basis.retention
        assert flow["fk:godkandAv"] == list(one.basis.approved_by)


def test_every_purpose_of_ours_stands_under_one_of_dpvs(linked):
    purposes = [one for one in linked["@graph"] if "skos:Concept" in one["@type"]]
    assert purposes
    assert all(one["@id"].startswith("fk:") and one["skos:broader"]["@id"].startswith("dpv:") for one in purposes)


def test_every_prefix_is_explained_in_the_document_itself(linked):
    context = linked["@context"]
    assert isinstance(context, dict), "a context that is fetched is none"
    written = json.dumps(linked, ensure_ascii=False)
    assert {name.split(":")[0] for name in re.findall(r'"([a-z-]+:[A-Za-z][\w:@.-]*)"', written)} <= {*context, "urn"}


def test_a_paragraph_has_the_shape_of_our_own_rules_metadata():
    row = lagrum("SFB-110-33", "2025:937", kapitel="110", paragraf="33", stycke=1, punkt=2)
    assert article30.rule_metadata(row) == {
        "id": "SFB-110-33",
        "version": "2025:937",
        "giltigFom": "2020-01-01",
        "giltigTom": None,
        "forfattning": "lagen om prov",
        "kapitel": "110",
        "paragraf": "33",
        "stycke": 1,
        "punkt": 2,
    }
