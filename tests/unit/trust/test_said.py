"""Timestamp and addressing headers: what an expression over canonical bytes says is what a parser finds."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.errors import GatewayError
from gateway.soap import names, xml
from gateway.trust import signature
from tests.effort import effort

TIMES = (
    "2026-11-20T12:00:00Z",
    "2026-11-20T12:00:00.123Z",
    "2026-02-30T12:00:00Z",
    " 2026-11-20T12:00:00Z",
    "2026-11-20T12:00:00+00:00",
    "2026-11-20T12:00:00+01:00",
    "",
    "é",
    "&",
)
TEXTS = st.text(st.sampled_from("ab:/é&<>\"' \t\n\r]"), max_size=12)
PLAIN = (
    f'<wsu:Timestamp xmlns:wsu="{names.WSU}" wsu:Id="T"><wsu:Created>2026-11-20T12:00:00Z</wsu:Created>'
    "<wsu:Expires>2026-11-20T12:05:00Z</wsu:Expires></wsu:Timestamp>"
)


def said(read, canonical):
    try:
        return read(canonical)
    except GatewayError as error:
        return error.code, error.detail


def test_what_nearly_all_write_needs_no_parser():
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    for text in (PLAIN, PLAIN.replace("wsu:", "").replace(":wsu", "").replace(" Id=", ' p="a > b" Id=')):
        assert signature._TIMESTAMP.fullmatch(text.encode())
        assert signature._times(text.encode()) == (noon, noon.replace(minute=5))
        assert signature._walked_times(text.encode()) == (noon, noon.replace(minute=5))
    assert signature._LEAF.fullmatch(b'<a:To xmlns:a="urn:a" b="c > d">urn:to</a:To>')


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<wsu:Created>", '<wsu:Created xmlns:wsu="urn:other">'),
        ("<wsu:Created>", '<wsu:Created a="b">'),
        ("<wsu:Expires>", "text<wsu:Expires>"),
        ("<wsu:Expires>", "\n<wsu:Expires>"),
        ("<wsu:Expires>2026-11-20T12:05:00Z</wsu:Expires>", ""),
        ("<wsu:Expires>", "<wsu:Created></wsu:Created><wsu:Expires>"),
        ("T12:05:00Z<", "T12:05:00Z<wsu:x></wsu:x><"),
        ("T12:05:00Z<", "T12:05:00Z &amp;<"),
        ("wsu:Expires", "x"),
    ],
)
def test_a_timestamp_with_anything_more_less_or_else_in_it_is_parsed(old, new):
    text = PLAIN.replace(old, new).encode()
    assert not signature._TIMESTAMP.fullmatch(text)
    assert said(signature._times, text) == said(signature._walked_times, text)


@st.composite
def timestamps(draw):
    """Draw the canonical form of a Timestamp, mostly a right one."""
    prefix = draw(st.sampled_from((None, "wsu", "u", "a.b")))
    root = etree.Element(names.TIMESTAMP, nsmap={prefix: names.WSU})
    for name, value in draw(st.dictionaries(st.sampled_from((names.ID, "Id", "b")), TEXTS)).items():
        root.set(name, value)
    for tag in draw(st.just((names.CREATED, names.EXPIRES)) | st.lists(tags(), max_size=3)):
        binds = draw(st.sampled_from((None, None, None, {"o": names.WSU}, {"wsu": "urn:other"})))
        child = etree.SubElement(root, tag, nsmap=binds)
        child.text = draw(st.sampled_from(TIMES))
        child.tail = draw(st.sampled_from((None, None, None, "\n", "x")))
        if draw(st.integers(0, 9)) == 0:
            child.set("a", "b")
    return xml.canonical(root)


def tags():
    return st.sampled_from((names.CREATED, names.EXPIRES, "Created", "{urn:x}Expires", names.TIMESTAMP))


@effort(1000)
@given(timestamp=timestamps())
def test_both_readings_of_any_timestamp_agree(timestamp):
    assert said(signature._times, timestamp) == said(signature._walked_times, timestamp)


@st.composite
def headers(draw):
    """Draw the canonical form of an addressing header, perhaps with elements in it."""
    root = etree.Element(f"{{{names.WSA}}}Action", nsmap={draw(st.sampled_from((None, "wsa", "a"))): names.WSA})
    root.text = draw(TEXTS)
    for name, value in draw(st.dictionaries(st.sampled_from((names.ID, "b", "c")), TEXTS)).items():
        root.set(name, value)
    for child in draw(st.lists(st.sampled_from(("x", "{urn:x}y")), max_size=1)):
        etree.SubElement(root, child).tail = draw(TEXTS)
    return xml.canonical(root)


@effort(1000)
@given(header=headers())
def test_both_readings_of_any_header_agree(header):
    assert said(signature._text, header) == said(signature._walked_text, header)
