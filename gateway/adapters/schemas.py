"""XSDs compiled from memory: neither disk nor network can change what was agreed while the gateway runs.

What a schema imports, libxml2 gets by a loader that is the whole process'. lxml sets it for each compilation and for
each parse, in whatever thread, and sets it back afterwards: in the middle of a compilation it can become another, and
then a resolver of ours is not asked. libxml2 passes over an import that it does not find, so the schema would let
through what it should refuse. So nothing is left to a resolver, and none need wait for another: every schema is laid in
a file in memory (memfd_create(2)), and each import names that file, which any loader finds.

Nothing else is ever loaded. A schema names only files that were read; it has no DOCTYPE, whose entities libxml2 would
get, and no xml:base, from which it would reckon the names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from io import FileIO
from pathlib import PurePosixPath

from lxml import etree

from gateway.errors import ConfigError

_XSD = "{http://www.w3.org/2001/XMLSchema}"
_LOADING = tuple(_XSD + name for name in ("import", "include", "redefine"))
_BASE = "{http://www.w3.org/XML/1998/namespace}base"


def compiled(path: str, sources: Mapping[str, bytes]) -> etree.XMLSchema:
    """Compile the XSD at `path` of `sources`, with what it names. Raises ConfigError, which names the file."""
    roots = dict(_closed(path, sources))
    with ExitStack() as until:
        files = {name: until.enter_context(_in_memory()) for name in roots}
        for name, root in roots.items():
            for element, named in _named(name, root):
                element.set("schemaLocation", _address(files[named]))
            files[name].write(etree.tostring(root))
        roots[path].getroottree().docinfo.URL = _address(files[path])
        try:
            return etree.XMLSchema(roots[path])
        except etree.LxmlError as error:
            raise ConfigError(f"schemas/{path}: {error}") from None


def _in_memory() -> FileIO:
    return FileIO(os.memfd_create("schema"), "wb")


def _address(file: FileIO) -> str:
    return f"/proc/self/fd/{file.fileno()}"


def _closed(path: str, sources: Mapping[str, bytes]) -> Iterator[tuple[str, etree._Element]]:
    """Yield a schema and every one that it names, by its path. Raises ConfigError where one is not ours to load."""
    seen, left = {path}, [path]
    while left:
        name = left.pop()
        root = _read(name, sources)
        yield name, root
        new = {named for _, named in _named(name, root)} - seen
        seen |= new
        left += sorted(new)


def _read(path: str, sources: Mapping[str, bytes]) -> etree._Element:
    if path not in sources:
        raise ConfigError(f"schemas/{path}: no such file")
    try:
        root = etree.fromstring(sources[path], etree.XMLParser(no_network=True, resolve_entities=False, load_dtd=False))
    except etree.XMLSyntaxError as error:
        raise ConfigError(f"schemas/{path}: {error}") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise ConfigError(f"schemas/{path}: has a DOCTYPE; take it away")
    if any(_BASE in element.attrib for element in root.iter(etree.Element)):
        raise ConfigError(f"schemas/{path}: has xml:base; take it away")
    return root


def _named(path: str, root: etree._Element) -> Iterator[tuple[etree._Element, str]]:
    """Yield each element by which a schema names another, with the other's path."""
    for element in root.iterchildren(*_LOADING):
        location = element.get("schemaLocation")
        if location is not None:
            yield element, _joined(path, location)


def _joined(path: str, location: str) -> str:
    parts: list[str] = []
    for part in (PurePosixPath(path).parent / location).parts:
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)
