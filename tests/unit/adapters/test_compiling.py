"""Schemas are compiled rightly whatever other threads compile and parse meanwhile, and nothing but them is loaded."""

from __future__ import annotations

import http.server
import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from lxml import etree

from gateway.adapters import schemas
from gateway.adapters.registry import Registry
from gateway.errors import ConfigError

SCHEMAS = Path(__file__).parents[3] / "schemas"
XS = 'xmlns:xs="http://www.w3.org/2001/XMLSchema"'
WHOLE = f"""<xs:schema {XS} xmlns:p="urn:part" targetNamespace="urn:whole" elementFormDefault="qualified">
<xs:import namespace="urn:part" schemaLocation="%s"/>
<xs:element name="whole"><xs:complexType><xs:sequence><xs:any namespace="urn:part" processContents="lax"/>
</xs:sequence></xs:complexType></xs:element></xs:schema>"""
"""Lax: where the import is passed over, anything at all is let through."""
PART = f"""<xs:schema {XS} targetNamespace="urn:part"><xs:element name="part" type="xs:int"/></xs:schema>"""
RIGHT, WRONG = (f'<whole xmlns="urn:whole"><part xmlns="urn:part">{text}</part></whole>' for text in ("7", "seven"))
HOSTILE = (
    b"<a/>",
    b"<a>" + b"<b>x</b>" * 2_000 + b"</a>",
    b"<a><b></a>",
    b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>',
    b'<!DOCTYPE a SYSTEM "file:///nowhere/a.dtd"><a/>',
    b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>',
    b'<!DOCTYPE a [<!ENTITY % x SYSTEM "memory:/part.xsd"> %x;]><a/>',
)


class _Refused(etree.Resolver):
    def resolve(self, _system_url, _public_id, _context):
        raise OSError("nothing is loaded")


@contextmanager
def parsing(threads: int) -> Iterator[None]:
    """Have hostile documents parsed all the time, whole and piece by piece, by parsers that load and that do not."""
    over = threading.Event()

    def parse() -> None:
        while not over.is_set():
            for document in HOSTILE:
                for loads in (False, True):
                    parser = etree.XMLParser(no_network=True, resolve_entities=loads, load_dtd=loads)
                    parser.resolvers.add(_Refused())
                    with suppress(etree.LxmlError, OSError):
                        etree.fromstring(document, parser)
                    with suppress(etree.LxmlError, OSError):
                        etree.parse(io.BytesIO(document), parser)

    running = [threading.Thread(target=parse) for _ in range(threads)]
    for one in running:
        one.start()
    try:
        yield
    finally:
        over.set()
        for one in running:
            one.join()


def judged(schema: etree.XMLSchema) -> tuple[bool, bool]:
    return schema.validate(etree.fromstring(RIGHT)), schema.validate(etree.fromstring(WRONG))


def sources(location="part.xsd", part=PART, whole=WHOLE, **more):
    return {"whole.xsd": (whole % location).encode(), "part.xsd": part.encode()} | more


def test_many_compile_at_once_while_others_parse():
    with parsing(2), ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: len(Registry.load(SCHEMAS).kinds()), range(40)))) == 1


@pytest.mark.parametrize("threads", [1, 4])
def test_what_a_schema_imports_is_in_it_each_time_whatever_hostile_documents_are_parsed_meanwhile(threads):
    given = sources()
    with parsing(threads), ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: judged(schemas.compiled("whole.xsd", given)), range(400)))
    assert found == {(True, False)}


def test_what_was_read_is_compiled_though_the_files_are_gone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "part.xsd").write_text(PART.replace("xs:int", "xs:string"))
    given = {f"deep/{name}": text for name, text in sources().items()}
    assert judged(schemas.compiled("deep/whole.xsd", given)) == (True, False)


def test_schemas_that_name_each_other_are_compiled():
    circle = PART.replace("<xs:element", '<xs:import namespace="urn:whole" schemaLocation="whole.xsd"/><xs:element')
    assert judged(schemas.compiled("whole.xsd", sources(part=circle))) == (True, False)


@pytest.mark.parametrize("kind", ["include", "redefine"])
def test_what_is_included_is_in_it(kind):
    whole = f"""<xs:schema {XS}><xs:{kind} schemaLocation="part.xsd"/></xs:schema>"""
    part = PART.replace(' targetNamespace="urn:part"', "")
    schema = schemas.compiled("whole.xsd", {"whole.xsd": whole.encode(), "part.xsd": part.encode()})
    assert schema.validate(etree.fromstring("<part>7</part>"))
    assert not schema.validate(etree.fromstring("<part>seven</part>"))


class Asked(http.server.BaseHTTPRequestHandler):
    """Counts who asks."""

    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_error(404)

    def log_message(self, *_):
        pass


@pytest.fixture
def outside():
    """A server that would be asked, if anything were loaded from outside."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Asked)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def refused(given, about):
    with pytest.raises(ConfigError, match=about):
        schemas.compiled("whole.xsd", given)


@pytest.mark.parametrize("how", ["http://127.0.0.1:{port}/part.xsd", "//127.0.0.1:{port}/part.xsd"])
def test_a_schema_on_the_network_is_refused_and_not_asked_for(how, outside):
    refused(sources(how.format(port=outside.server_port)), "no such file")
    assert outside.asked == []


@pytest.mark.parametrize("how", ["{path}", "file://{path}", "../../../..{path}", "%2e%2e/part.xsd", "/proc/self/fd/0"])
def test_a_schema_outside_is_refused(how, tmp_path):
    (tmp_path / "part.xsd").write_text(PART)
    refused(sources(how.format(path=tmp_path / "part.xsd")), "no such file")


def test_xml_base_turns_no_name_elsewhere(outside):
    base = f'xml:base="http://127.0.0.1:{outside.server_port}/"'
    for text in (WHOLE.replace("<xs:schema", f"<xs:schema {base}"), WHOLE.replace("<xs:import", f"<xs:import {base}")):
        refused(sources(whole=text), "whole.xsd: has xml:base")
    refused(sources(part=PART.replace("<xs:element", f"<xs:element {base}")), "part.xsd: has xml:base")
    assert outside.asked == []


@pytest.mark.parametrize("declared", ["SYSTEM '{url}'", "[<!ENTITY x SYSTEM '{url}'>]", "[<!ENTITY x 'y'>]"])
def test_a_doctype_is_refused_and_its_entities_are_not_asked_for(declared, outside):
    url = f"http://127.0.0.1:{outside.server_port}/x"
    for name in ("whole.xsd", "part.xsd"):
        given = sources()
        given[name] = f"<!DOCTYPE xs:schema {declared.format(url=url)}>".encode() + given[name]
        refused(given, f"{name}: has a DOCTYPE")
    assert outside.asked == []


def test_a_wrong_schema_is_told_by_its_own_name():
    refused(sources(part="<xs:schema"), r"schemas/part\.xsd: ")
    refused(sources(part=PART.replace("xs:int", "xs:nothing")), r"schemas/whole\.xsd: .*nothing")


def test_no_file_is_left_open():
    before = set(Path("/proc/self/fd").iterdir())
    for _ in range(20):
        schemas.compiled("whole.xsd", sources())
    with suppress(ConfigError):
        schemas.compiled("whole.xsd", sources(part=PART.replace("xs:int", "xs:nothing")))
    assert set(Path("/proc/self/fd").iterdir()) == before
