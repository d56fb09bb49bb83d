"""Bytes that a parser may choke on, or read otherwise than the sender's.

Most are unsigned on purpose where the parser must stop them: nothing may depend on a signature that was never reached.
Where two readers could differ (encodings, comments, CDATA), the message is signed and what is read is compared.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable

from lxml import etree

from gateway import codes
from tests import forge
from tests.attacks.catalogue import Scene, Sent, accepted, add, rejected

ALIEN = "urn:example:alien"


def _text(scene: Scene) -> str:
    return scene.signed().bytes(declaration=False).decode()


def _doctype(subset: str, use: str = "", *, system: str = "") -> Callable[[Scene], bytes]:
    def make(scene: Scene) -> bytes:
        internal = f" [{subset}]" if subset else ""
        text = _text(scene).replace("Testgatan", f"Testgatan{use}")
        return f'<?xml version="1.0"?>\n<!DOCTYPE soap:Envelope{system}{internal}>\n{text}'.encode()

    return make


_LAUGHS = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))

for _name, _make, _told in (
    ("billion-laughs", _doctype(_LAUGHS, "&a9;"), "Entities that grow tenfold nine times (billion laughs)"),
    ("quadratic-blowup", _doctype(f'<!ENTITY a "{"a" * 20_000}">', "&a;" * 2_000), "One long entity, used often"),
    ("xxe-file", _doctype('<!ENTITY x SYSTEM "file:///etc/passwd">', "&x;"), "An external entity that reads a file"),
    ("xxe-http", _doctype('<!ENTITY x SYSTEM "http://127.0.0.1:9/x">', "&x;"), "An external entity that calls out"),
    (
        "xxe-parameter",
        _doctype('<!ENTITY % x SYSTEM "http://127.0.0.1:9/x.dtd"> %x;'),
        "A parameter entity that loads declarations from outside",
    ),
    ("xxe-public", _doctype('<!ENTITY x PUBLIC "-//X//X" "file:///etc/passwd">', "&x;"), "A public external entity"),
    ("doctype-external", _doctype("", system=' SYSTEM "http://127.0.0.1:9/x.dtd"'), "An external DTD"),
    ("doctype-empty", _doctype(""), "A DOCTYPE with nothing in it"),
    ("doctype-attlist", _doctype("<!ATTLIST soap:Body Id ID #IMPLIED>"), "A DTD that makes attributes into ids"),
    ("doctype-default", _doctype('<!ATTLIST soap:Body lang CDATA "sv">'), "A DTD that adds attributes by default"),
    ("doctype-notation", _doctype('<!NOTATION x SYSTEM "file:///bin/sh">'), "A DTD with a notation"),
):
    add(_name, codes.XML_DTD, f"{_told}.", _make)


@rejected(codes.XML_DTD, "A DOCTYPE in UTF-16: a search of the bytes for it would not find it.")
def doctype_in_utf_16(scene: Scene) -> Sent:
    body = _doctype('<!ENTITY x SYSTEM "file:///etc/passwd">', "&x;")(scene).decode()
    body = body.replace('<?xml version="1.0"?>', '<?xml version="1.0" encoding="UTF-16"?>')
    return Sent(body=body.encode("utf-16"), content_type="text/xml")


@rejected(codes.XML_DTD, "A DOCTYPE after a comment that is longer than any peek at the start.")
def doctype_after_comment(scene: Scene) -> bytes:
    return b"<!--" + b" " * 5_000 + b"-->" + _doctype("")(scene).partition(b"?>")[2]


@rejected(codes.XML_SYNTAX, "A DOCTYPE after the first element.")
def doctype_after_root(scene: Scene) -> bytes:
    return scene.signed().bytes() + b"<!DOCTYPE x>"


@rejected(codes.XML_SYNTAX, "A DOCTYPE written small, which XML does not know.")
def doctype_lower_case(scene: Scene) -> bytes:
    return b"<!doctype soap:Envelope>" + scene.signed().bytes(declaration=False)


@rejected(codes.XML_SYNTAX, "An entity that was never declared.")
def entity_undeclared(scene: Scene) -> bytes:
    return _text(scene).replace("Testgatan", "Testgatan&nbsp;").encode()


# --- size -------------------------------------------------------------------------------------------------------------


def _in_header(content: str) -> Callable[[Scene], bytes]:
    return lambda scene: _text(scene).replace("</soap:Header>", f"{content}</soap:Header>").encode()


def _many(pattern: str, count: int) -> str:
    return f"<a {' '.join(pattern.format(n, n) for n in range(count))}/>"


for _name, _content, _told in (
    ("depth-250", "<a>" * 250 + "</a>" * 250, "250 elements inside one another"),
    ("depth-50000", "<a>" * 50_000 + "</a>" * 50_000, "50 000 elements inside one another"),
    ("attributes-100000", _many("a{}='1'", 100_000), "one element with 100 000 attributes"),
    ("attributes-1000", _many("a{}='1'", 1_000), "one element with 1 000 attributes"),
    ("attributes-spread", "<a b='1' c='2' d='3'/>" * 30_000, "90 000 attributes on 30 000 elements"),
    ("elements-200000", "<a/>" * 200_000, "200 000 elements"),
    ("namespaces-5000", _many("xmlns:n{}='urn:{}'", 5_000), "5 000 namespaces"),
    ("text-3-million", f"<a>{'a' * 3_000_000}</a>", "one text of three million characters"),
    ("attribute-3-million", f"<a b='{'a' * 3_000_000}'/>", "one attribute of three million characters"),
    ("name-200000", f"<{'a' * 200_000}/>", "a name of 200 000 characters"),
):
    add(_name, codes.XML_LIMIT, f"An unknown header holds {_told}.", _in_header(_content), stored=False)

# --- encodings --------------------------------------------------------------------------------------------------------


def _encoded(encoding: str, declared: str | None, content_type: str = "text/xml") -> Callable[[Scene], Sent]:
    def make(scene: Scene) -> Sent:
        declaration = "" if declared is None else f'<?xml version="1.0" encoding="{declared}"?>'
        return Sent(body=(declaration + _text(scene)).encode(encoding), content_type=content_type)

    return make


for _name, _make, _told in (
    ("utf-8-mark", _encoded("utf-8-sig", "UTF-8"), "UTF-8 with a byte order mark"),
    ("utf-8-mark-undeclared", _encoded("utf-8-sig", None), "UTF-8 with a byte order mark and no declaration"),
    ("utf-8-undeclared", _encoded("utf-8", None), "UTF-8 and nothing says so"),
    ("utf-16-mark", _encoded("utf-16", "UTF-16"), "UTF-16 with a byte order mark"),
    ("utf-16-be-declared", _encoded("utf-16-be", "UTF-16BE"), "UTF-16BE by declaration, without a mark"),
    ("utf-16-charset", _encoded("utf-16", None, "text/xml; charset=utf-16"), "UTF-16 by mark and Content-Type"),
    ("iso-8859-1", _encoded("iso-8859-1", "ISO-8859-1"), "ISO-8859-1 by declaration"),
    (
        "iso-8859-1-charset",
        _encoded("iso-8859-1", None, 'text/xml; charset="ISO-8859-1"'),
        "ISO-8859-1 by Content-Type",
    ),
):
    add(f"encoding-{_name}", None, f"The message is {_told}.", _make)

for _name, _make, _told in (
    ("utf-7", _encoded("utf-7", "UTF-7"), "UTF-7, in which < can hide"),
    ("utf-32", _encoded("utf-32", "UTF-32"), "UTF-32"),
    ("utf-32-be", _encoded("utf-32-be", "ISO-10646-UCS-4"), "UCS-4 without a mark"),
    ("ebcdic", _encoded("cp500", "EBCDIC-CP-BE"), "EBCDIC"),
    ("windows-1252", _encoded("cp1252", "windows-1252"), "windows-1252"),
    ("shift-jis", _encoded("utf-8", "Shift_JIS"), "declared to be Shift_JIS"),
    ("unknown", _encoded("utf-8", "x-none"), "declared to be in an encoding that does not exist"),
    (
        "mark-against-declaration",
        _encoded("utf-8-sig", "ISO-8859-1"),
        "UTF-8 by its mark and ISO-8859-1 by declaration",
    ),
    ("utf-16-declared-only", _encoded("utf-8", "UTF-16"), "declared UTF-16 and is not"),
    ("utf-8-declared-only", _encoded("utf-16", "UTF-8"), "declared UTF-8 and is UTF-16"),
    (
        "charset-against-declaration",
        _encoded("utf-8", "UTF-8", "text/xml; charset=iso-8859-1"),
        "UTF-8 by declaration and ISO-8859-1 by Content-Type: two readers would read two messages",
    ),
    ("utf-16-unmarked", _encoded("utf-16-le", None), "UTF-16 and nothing says so"),
):
    add(f"encoding-{_name}", codes.XML_ENCODING, f"The message is {_told}.", _make)


def _spliced(raw: bytes) -> Callable[[Scene], bytes]:
    return lambda scene: scene.signed().bytes().replace(b"Testgatan", b"Testgatan" + raw)


for _name, _raw, _told in (
    ("invalid", b"\xff\xfe", "bytes that UTF-8 never has"),
    ("overlong", b"\xc0\xbc", "an overlong <"),
    ("surrogate", b"\xed\xa0\x80", "half a surrogate pair"),
    ("cut", b"\xc3<", "half a character"),
    ("beyond", b"\xf4\x90\x80\x80", "a character beyond Unicode"),
    ("latin-1", b"\xe5", "a character in ISO-8859-1"),
):
    add(f"utf-8-{_name}", codes.XML_ENCODING, f"In the text stands {_told}.", _spliced(_raw))

for _name, _raw, _told in (
    ("nul", b"\0", "a NUL byte"),
    ("control", b"\x08", "a control character"),
    ("reference-nul", b"&#0;", "a reference to NUL"),
    ("reference-surrogate", b"&#xD800;", "a reference to half a surrogate pair"),
    ("reference-beyond", b"&#x110000;", "a reference beyond Unicode"),
    ("noncharacter", b"\xef\xbf\xbf", "the character U+FFFF"),
    ("ampersand", b"&", "a bare ampersand"),
    ("cdata-end", b"]]>", "the end of a CDATA section that never began"),
):
    add(f"character-{_name}", codes.XML_SYNTAX, f"In the text stands {_told}.", _spliced(_raw))

# --- not a document ---------------------------------------------------------------------------------------------------

for _name, _make, _told in (
    ("truncated", lambda scene: scene.signed().bytes()[:-20], "The message is cut short"),
    ("trailing-garbage", lambda scene: scene.signed().bytes() + b"garbage", "Something follows the message"),
    ("two-roots", lambda scene: scene.signed().bytes() + b"<x/>", "Another element follows the message"),
    ("blank", lambda _: b" \n ", "The message is white space"),
    ("json", lambda _: b'{"Envelope": {}}', "The message is JSON"),
    ("gzip", lambda scene: gzip.compress(scene.signed().bytes(), mtime=0), "The message is compressed, unannounced"),
    ("xml-1.1", lambda scene: b'<?xml version="1.1"?>' + _text(scene).encode(), "The message is XML 1.1"),
    ("blank-before-declaration", lambda scene: b"\n" + scene.signed().bytes(), "White space before the declaration"),
    ("unbound-prefix", lambda scene: _text(scene).replace("<wsa:To", "<xyz:To").encode(), "A prefix is bound nowhere"),
    (
        "attribute-twice",
        lambda scene: _text(scene).replace("<soap:Header>", '<soap:Header a="1" a="2">').encode(),
        "An attribute stands twice on one element",
    ),
    (
        "attribute-twice-by-namespace",
        lambda scene: (
            _text(scene)
            .replace("<soap:Header>", '<soap:Header xmlns:p="urn:p" xmlns:q="urn:p" p:a="1" q:a="2">')
            .encode()
        ),
        "An attribute stands twice on one element, under two prefixes of one namespace",
    ),
    (
        "xml-prefix-rebound",
        lambda scene: _text(scene).replace("<soap:Header>", '<soap:Header xmlns:xml="urn:p">').encode(),
        "The prefix xml is bound to another namespace",
    ),
):
    _code = codes.XML_ENCODING if _name == "gzip" else codes.XML_SYNTAX
    add(_name, _code, f"{_told}.", _make)


@rejected(
    codes.XML_SYNTAX, "A relative namespace address in what is signed, which has no canonical form (C14N 1.0, 1.3)."
)
def namespace_relative(scene: Scene) -> bytes:
    return _text(scene).replace("<Navetavisering", '<Navetavisering xmlns:r="../relative"').encode()


def _spliced_namespace(scene: Scene, address: str) -> bytes:
    """Put a namespace into the signed payload, as text: not every parser would build such a tree."""
    text = scene.signed(payload='<Navetavisering xmlns:r="urn:placeholder" r:a=""/>').bytes().decode()
    return text.replace("urn:placeholder", address).encode()


for _name, _address, _told in (
    ("quote", "urn:a&quot; evil=&quot;b", "a quotation mark, which would end it in the canonical form"),
    ("markup", "urn:a&lt;b/&gt;", "markup, which would be an element in the canonical form"),
):
    add(
        f"namespace-with-{_name}",
        codes.XML_SYNTAX,
        f"A namespace address in what is signed has {_told}.",
        lambda scene, address=_address: _spliced_namespace(scene, address),
    )

add(
    "namespace-with-ampersand",
    codes.XML_SYNTAX,
    "A signed namespace address has an ampersand, which libxml2 does not escape: its canonical form is no XML.",
    lambda scene: scene.signed(payload='<Navetavisering xmlns:r="urn:a?b=c&amp;d" r:a=""/>').bytes(),
)

# --- instructions, comments, CDATA ------------------------------------------------------------------------------------

for _name, _where in {
    "body": ("<Navetavisering", "<?x y?><Navetavisering"),
    "payload": ("Testgatan", "Test<?x y?>gatan"),
    "header": ("<wsa:MessageID", "<?x y?><wsa:MessageID"),
    "message-id": ("urn:uuid:", "urn:<?x y?>uuid:"),
    "envelope": ("<soap:Body", "<?x y?><soap:Body"),
}.items():
    add(
        f"instruction-in-{_name}",
        codes.XML_INSTRUCTION,
        f"A processing instruction in {_name}.",
        lambda scene, where=_where: _text(scene).replace(*where, 1).encode(),
    )


@accepted("A processing instruction before the envelope says how browsers should show it; nothing here looks.")
def instruction_before_envelope(scene: Scene) -> bytes:
    return b'<?xml-stylesheet href="http://attacker.example/x.xsl"?>' + scene.signed().bytes(declaration=False)


def _commented(old: str, new: str) -> Callable[[Scene], bytes]:
    return lambda scene: _text(scene).replace(old, new).encode()


# What canonicalisation drops can be put in by anybody on the way, and must change nothing that is read.
for _name, _make, _told in (
    ("person-number", _commented("<PersonNr>1990", "<PersonNr>19<!-- x -->90"), "in the middle of a person's number"),
    ("person-number-first", _commented("<PersonNr>1990", "<PersonNr><!-- x -->1990"), "before a person's number"),
    ("text", _commented("Testgatan", "Test<!-- x -->gatan"), "in the middle of an address"),
    ("message-id", _commented("urn:uuid:", "urn:uu<!-- x -->id:"), "in MessageID: cut short, a replay would look new"),
    ("created", _commented("Created>2026-01-15", "Created>2026<!-- x -->-01-15"), "in the middle of Created"),
    ("digest", _commented("DigestValue>", "DigestValue><!-- x -->"), "around DigestValue"),
    ("payload-root", _commented("<Navetavisering", "<!-- x --><Navetavisering"), "beside the one child of Body"),
    ("around-envelope", lambda scene: b"<!-- a -->" + _text(scene).encode() + b"<!-- b -->", "around the envelope"),
    ("in-header", _commented("<soap:Header>", "<soap:Header><!-- x -->"), "in the Header"),
):
    add(f"comment-{_name}", None, f"A comment was put {_told}; the content is the same.", _make)

add(
    "cdata-person-number",
    None,
    "A person's number partly in CDATA; the content is the same.",
    _commented("<PersonNr>1990", "<PersonNr><![CDATA[19]]>90"),
)
add(
    "references-for-characters",
    None,
    "Characters written by reference; the content is the same.",
    _commented("Testgatan", "&#84;est&#x67;atan"),
)


def _value_commented(scene: Scene) -> bytes:
    envelope = scene.signed()
    value = next(envelope.signature.iter(f"{{{forge.DS}}}SignatureValue"))
    comment = etree.Comment("x")
    value.text, comment.tail = value.text[:30], value.text[30:]
    value.append(comment)
    return envelope.bytes()


add(
    "comment-signature-value",
    None,
    "A comment in SignatureValue; the content is the same.",
    _value_commented,
)


@rejected(codes.SIG_DIGEST, "What looked like a comment when it was signed has become content.")
def comment_turned_content(scene: Scene) -> bytes:
    text = forge.signed(scene.recipe(payload=scene.recipe().payload.replace("Testgatan", "Test<!--gatan-->"))).bytes()
    return text.replace(b"<!--", b"").replace(b"-->", b"")


# --- namespaces -------------------------------------------------------------------------------------------------------


@rejected(codes.SIG_DIGEST, "The payload, which has no namespace, was put under a default namespace.")
def default_namespace_added(scene: Scene) -> bytes:
    return _text(scene).replace("<soap:Envelope ", f'<soap:Envelope xmlns="{ALIEN}" ').encode()


@rejected(
    codes.CONTRACT_SCHEMA, "A type's prefix is bound outside what is signed: whoever carries the message chooses it."
)
def type_prefix_outside_signature(scene: Scene) -> bytes:
    payload = scene.recipe().payload.replace(
        "<Folkbokforingsposter>",
        '<Folkbokforingsposter xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="t:AnyType">',
    )
    text = etree.tostring(forge.build(scene.recipe(payload=payload)).root, encoding="unicode")
    bound = text.replace("<soap:Envelope ", f'<soap:Envelope xmlns:t="{ALIEN}" ')
    return forge.sign(forge.opened(bound), scene.signer("skatteverket")).bytes()


@accepted("Namespaces that nobody uses were declared on the envelope.")
def unused_namespaces(scene: Scene) -> bytes:
    return _text(scene).replace("<soap:Envelope ", '<soap:Envelope xmlns:a="urn:a" xmlns:b="urn:b" ').encode()


@accepted("The same prefix is bound anew on the way down, to something else.")
def prefix_rebound(scene: Scene) -> bytes:
    extra = f'<soap:Thing xmlns:soap="{ALIEN}"><soap:Body/></soap:Thing>'
    return _text(scene).replace("</soap:Header>", f"{extra}</soap:Header>").encode()
