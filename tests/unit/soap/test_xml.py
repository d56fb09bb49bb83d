"""Hardened parsing: one encoding, no DTD, limits, no instructions; and the canonical form."""

import codecs
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from gateway import codes
from gateway.config import Limits
from gateway.errors import MalformedError
from gateway.soap import xml

LIMITS = Limits()
TEXT = "Räksmörgås å"
SECONDS = 2.0
"""What any refusal may take on a slow machine: those here take milliseconds."""


def declared(encoding: str | None) -> str:
    declaration = "" if encoding is None else f'<?xml version="1.0" encoding="{encoding}"?>'
    return f"{declaration}<a>{TEXT}</a>"


def refused(data: bytes, charset: str | None = None, limits: Limits = LIMITS) -> codes.Code:
    started = time.perf_counter()
    with pytest.raises(MalformedError) as caught:
        xml.parse(data, limits, charset)
    assert time.perf_counter() - started < SECONDS
    return caught.value.code


# --- encodings ---


@pytest.mark.parametrize(
    ("data", "charset"),
    [
        (declared(None).encode(), None),
        (declared(None).encode(), "UTF-8"),
        (declared("utf-8").encode(), None),
        (declared("UTF-8").encode(), "utf-8"),
        (codecs.BOM_UTF8 + declared(None).encode(), None),
        (codecs.BOM_UTF8 + declared("utf-8").encode(), "utf-8"),
        (declared("iso-8859-1").encode("latin-1"), None),
        (declared("ISO-8859-1").encode("latin-1"), "iso-8859-1"),
        (declared(None).encode("latin-1"), "iso-8859-1"),
        (declared("utf-16").encode("utf-16-le"), None),
        (declared("utf-16").encode("utf-16-be"), None),
        (declared("utf-16le").encode("utf-16-le"), "utf-16"),
        (declared(None).encode("utf-16-be"), "utf-16be"),
        (codecs.BOM_UTF16_LE + declared("utf-16").encode("utf-16-le"), "utf-16"),
        (codecs.BOM_UTF16_BE + declared(None).encode("utf-16-be"), None),
    ],
)
def test_every_encoding_in_use_gives_the_same_text(data, charset):
    assert xml.parse(data, LIMITS, charset).text == TEXT


def test_us_ascii_is_taken_and_held_to_be_ascii():
    assert xml.parse(b'<?xml version="1.0" encoding="us-ascii"?><a>a</a>', LIMITS).text == "a"
    assert refused(declared("us-ascii").encode()) is codes.XML_ENCODING


@pytest.mark.parametrize(
    ("data", "charset"),
    [
        (declared("iso-8859-1").encode("latin-1"), "utf-8"),
        (declared("utf-8").encode(), "iso-8859-1"),
        (codecs.BOM_UTF8 + declared("iso-8859-1").encode(), None),
        (codecs.BOM_UTF8 + declared(None).encode(), "iso-8859-1"),
        (codecs.BOM_UTF16_LE + declared("utf-8").encode("utf-16-le"), None),
        (codecs.BOM_UTF16_LE + declared("utf-16be").encode("utf-16-le"), None),
        (codecs.BOM_UTF16_LE + declared(None).encode("utf-16-le"), "utf-8"),
        (declared("utf-16").encode(), None),
        (declared(None).encode(), "utf-16"),
    ],
)
def test_an_encoding_that_contradicts_another_is_refused(data, charset):
    assert refused(data, charset) is codes.XML_ENCODING


@pytest.mark.parametrize("name", ["windows-1252", "utf-7", "utf-32", "ebcdic-cp-us", "x"])
def test_an_encoding_that_is_not_taken_is_refused(name):
    assert refused(b'<?xml version="1.0" encoding="%b"?><a/>' % name.encode()) is codes.XML_ENCODING
    assert refused(b"<a/>", name) is codes.XML_ENCODING


@pytest.mark.parametrize(
    "data",
    [
        b"<a>\xff</a>",
        b"\x89PNG",
        b"<a>\xc0\xbcb></a>",
        b"<a>\xed\xa0\x80</a>",
        b"<a>\xf4\x90\x80\x80</a>",
        codecs.BOM_UTF32_LE + "<a/>".encode("utf-32-le"),
        codecs.BOM_UTF32_BE + "<a/>".encode("utf-32-be"),
        "<a/>".encode("utf-16-le"),
        codecs.BOM_UTF16_LE + b"<\0a\0/\0>",
        codecs.BOM_UTF16_LE + "<a>".encode("utf-16-le") + b"\x00\xd8" + "</a>".encode("utf-16-le"),
    ],
)
def test_bytes_that_are_not_in_their_encoding_are_refused(data):
    assert refused(data) is codes.XML_ENCODING


# --- document type ---

DOCTYPE = '<!DOCTYPE a [<!ENTITY x "y">]>'


@pytest.mark.parametrize(
    "prolog",
    [
        "",
        " \r\n\t",
        '<?xml version="1.0"?>',
        "<!-- a comment - with > and <!DOC in it -->",
        "<?target ??><!---->",
        "<!-- -- -->",  # not well-formed either: a DOCTYPE after it is refused as one
        '<?xml version="1.0"?>\n<!-- long ' + "x" * 100_000 + "-->",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_doctype_is_refused_wherever_xml_allows_it(prolog, encoding):
    assert refused(f"{prolog}{DOCTYPE}<a>&x;</a>".encode(encoding)) is codes.XML_DTD


@pytest.mark.parametrize(
    "text",
    [
        "<!-- <!DOCTYPE a> --><a>1</a>",
        "<a><![CDATA[<!DOCTYPE a>]]></a>",
        "<a><!-- <!DOCTYPE a> --></a>",
        "<?p <!DOCTYPE a> ?><a/>",
        "<a/><!-- <!DOCTYPE a> -->",
    ],
)
def test_the_word_doctype_in_content_is_no_doctype(text):
    assert xml.parse(text.encode(), LIMITS).tag == "a"


@pytest.mark.parametrize(
    "text",
    ["<a/><!DOCTYPE a>", "<a><!DOCTYPE a></a>", "<!doctype a><a/>", "x<!DOCTYPE a>"],
)
def test_a_doctype_where_xml_has_none_is_a_syntax_error(text):
    assert refused(text.encode()) is codes.XML_SYNTAX


def test_entity_bombs_are_refused_before_they_are_read():
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    assert refused(f'<!DOCTYPE a [<!ENTITY l0 "lol">{laughs}]><a>&l9;</a>'.encode()) is codes.XML_DTD
    assert refused(f'<!DOCTYPE a [<!ENTITY x "{"x" * 50_000}">]><a>{"&x;" * 50_000}</a>'.encode()) is codes.XML_DTD
    assert refused(b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>') is codes.XML_DTD


# --- syntax ---


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"  ",
        b"<a>",
        b"<a></b>",
        b"<a/><b/>",
        b"<p:a/>",
        b"<a>&x;</a>",
        b"<a b='1' b='2'/>",
        b"<a>\0</a>",
        b"<a>&#0;</a>",
        b" <?xml version='1.0'?><a/>",
        b"<?xml version='1.1'?><a/>",
        b"<?xml encoding='utf-8'?><a/>",
    ],
)
def test_what_is_not_well_formed_is_refused_without_being_quoted(data):
    with pytest.raises(MalformedError) as caught:
        xml.parse(data, LIMITS)
    assert caught.value.code is codes.XML_SYNTAX
    assert caught.value.detail.startswith("line 1")


def test_a_syntax_error_tells_line_and_column():
    with pytest.raises(MalformedError, match="line 3 column 5"):
        xml.parse(b"<a>\n<secret>\n</x>\n</a>", LIMITS)


# --- limits ---

SMALL = Limits(depth=8, elements=100, attributes=100, element_attributes=8, text=1024)


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        ("<a>" * 8 + "</a>" * 8, "<a>" * 9 + "</a>" * 9),
        (f"<a>{'<b/>' * 99}</a>", f"<a>{'<b/>' * 100}</a>"),
        ("<a>" + "<b c='1' d='2'/>" * 50 + "</a>", "<a>" + "<b c='1' d='2'/>" * 51 + "</a>"),
        ("<a b='' c='' d='' e='' f='' g='' h='' i=''/>", "<a b='' c='' d='' e='' f='' g='' h='' i='' j=''/>"),
        (f"<a>{'x' * 1024}</a>", f"<a>{'x' * 1025}</a>"),
        (f"<a b='{'x' * 1024}'/>", f"<a b='{'x' * 1025}'/>"),
        (f"<a>{'å' * 1024}</a>", f"<a>{'å' * 1025}</a>"),
    ],
    ids=["depth", "elements", "attributes", "attributes of one element", "text", "attribute value", "characters"],
)
def test_a_limit_holds_to_the_last_one(within, beyond):
    assert xml.parse(within.encode(), SMALL).tag == "a"
    assert refused(beyond.encode(), limits=SMALL) is codes.XML_LIMIT


def test_limits_hold_side_by_side_and_one_after_another():
    many = [Limits(depth=depth) for depth in range(8, 16)]
    for limits in [*many, *reversed(many), *many]:
        xml.parse(b"<a>" * limits.depth + b"</a>" * limits.depth, limits)
        assert refused(b"<a>" * (limits.depth + 1) + b"</a>" * (limits.depth + 1), limits=limits) is codes.XML_LIMIT


@pytest.mark.parametrize(
    "data",
    [
        b"<a>" * 250_000,
        b"<a>" * 200 + b"</a>" * 200,
        b"<a " + b" ".join(b"a%d=''" % n for n in range(100_000)) + b"/>",
        b"<a>" + b"<b c='1'/>" * 30_000 + b"</a>",
        b"<a>" + b"<b/>" * 150_000 + b"</a>",
        b"<a " + b" ".join(b"xmlns:p%d='u:%d'" % (n, n) for n in range(40_000)) + b"><b/></a>",
        b"<a>" + b"<b xmlns='u:1'/>" * 30_000 + b"</a>",
        b"<" + b"a" * 100_000 + b"/>",
        b"<a>" + b"x" * 11_000_000 + b"</a>",
    ],
    ids=["deep", "deep and closed", "wide", "attributes", "elements", "prefixes", "declarations", "name", "text"],
)
def test_a_message_made_to_be_costly_is_refused_at_once(data):
    assert refused(data) is codes.XML_LIMIT


def test_other_limits_are_used_at_once():
    data = b"<a>" * 10 + b"</a>" * 10
    assert xml.parse(data, LIMITS).tag == "a"
    assert refused(data, limits=SMALL) is codes.XML_LIMIT
    assert xml.parse(data, LIMITS).tag == "a"


# --- instructions and comments ---


@pytest.mark.parametrize("text", ["<a><?p q?></a>", "<a><b>x<?p?></b></a>", '<?xml version="1.0"?><a x=">"><?p?></a>'])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_processing_instruction_inside_the_root_is_refused(text, encoding):
    assert refused(text.encode(encoding)) is codes.XML_INSTRUCTION


@pytest.mark.parametrize(
    "text",
    ["<?p q?><a/>", "<a/><?p q?>", "<a>?&lt;?</a>", "<a><![CDATA[<?p?>]]></a>", "<a><!--<?p?>--></a>", "<a b='?'/>"],
)
def test_what_stands_outside_the_root_or_is_text_is_no_instruction(text):
    assert xml.parse(text.encode(), LIMITS).tag == "a"


def test_comments_never_reach_the_tree_so_text_is_whole():
    root = xml.parse(b"<!--x--><a>12<!-- y -->34<b/>5<!---->6</a>", LIMITS)
    assert (root.text, root[0].tail, len(root)) == ("1234", "56", 1)


# --- canonical form ---


def test_canonical_is_exclusive_and_without_comments():
    root = etree.fromstring(
        "<e xmlns='u:d' xmlns:q='u:q' xmlns:p='u:p'><p:b z='2' a=\"1\" ><!-- c --><c/>&#13;</p:b></e>"
    )
    assert xml.canonical(root[0]) == b'<p:b xmlns:p="u:p" a="1" z="2"><c xmlns="u:d"></c>&#xD;</p:b>'


def test_canonical_honours_a_prefix_list_with_default():
    root = etree.fromstring("<e xmlns='u:d' xmlns:q='u:q'><p:b xmlns:p='u:p' t='q:x'/></e>")
    assert xml.canonical(root[0], ["q", "#default"]) == b'<p:b xmlns="u:d" xmlns:p="u:p" xmlns:q="u:q" t="q:x"></p:b>'


def test_a_relative_namespace_has_no_canonical_form():
    with pytest.raises(MalformedError) as caught:
        xml.canonical(etree.fromstring("<a xmlns='relative'/>"))
    assert caught.value.code is codes.XML_SYNTAX


def in_xml(character: str) -> bool:
    """XML 1.0 production 2."""
    point = ord(character)
    return character in "\t\n\r" or 0x20 <= point <= 0xD7FF or 0xE000 <= point <= 0xFFFD or point > 0xFFFF


@given(st.text())
@example("a\rb&<>\"'\t\n\0\ud800\uffff")
def test_escaped_text_is_canonical_and_reads_back(text):
    kept = "".join(character if in_xml(character) else "\ufffd" for character in text)
    made = f'<a b="{xml.escape_attribute(text)}">{xml.escape(text)}</a>'.encode()
    root = xml.reparse(made)
    assert (root.text or "", root.get("b")) == (kept, kept)
    assert xml.canonical(root) == made


# --- nothing else escapes ---


@given(st.binary(max_size=300), st.sampled_from([None, "utf-8", "utf-16", "iso-8859-1", "nonsense", "\0"]))
@example(b"<?xml version='1.0' encoding='utf-8\xff'?>", None)
def test_no_bytes_raise_anything_but_our_errors(data, charset):
    try:
        xml.parse(data, LIMITS, charset)
    except MalformedError as error:
        assert error.code.name.startswith("GW-XML-")  # noqa: PT017  # most examples do raise, not all


PIECES = ("<a>", "</a>", "<!--", "-->", "<!DOCTYPE a", "[", "]>", "<?p", "?>", "<![CDATA[", "]]>", " ", "x", "<a/>")


@given(st.lists(st.sampled_from(PIECES)))
def test_a_document_type_never_gets_past_the_scan(pieces):
    try:
        root = xml.parse("".join(pieces).encode(), LIMITS)
    except MalformedError:
        return
    assert root.getroottree().docinfo.internalDTD is None


def test_threads_parse_side_by_side():
    data = f"<a>{'<b>x</b>' * 100}</a>".encode()
    with ThreadPoolExecutor(4) as pool:
        roots = list(pool.map(lambda _: xml.parse(data, LIMITS), range(40)))
    assert {len(root) for root in roots} == {100}
