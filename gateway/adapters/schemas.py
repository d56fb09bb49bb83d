"""XSDs compiled from memory: neither disk nor network can change what was agreed while the gateway runs."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import PurePosixPath

from lxml import etree

from gateway.errors import ConfigError

_XSD = "{http://www.w3.org/2001/XMLSchema}"
_LOADING = tuple(_XSD + name for name in ("import", "include", "redefine"))
_COMPILING = threading.Lock()
_TRIES = 5
"""libxml2's loader is the process': lxml sets it for each compilation and each parse, and sets it back after it. So
another thread's may take ours away in the middle, and then an import is not found. Compilations wait for each other;
for what parses meanwhile, a schema that fails is tried again. One that is wrong is wrong each time."""
_MEMORY = "memory:/"
"""Where the schemas stand for libxml2: an address that nothing but our resolver answers."""


class _FromMemory(etree.Resolver):
    """Answers libxml2 from the schemas that were read, and with nothing at all for any other address."""

    def __init__(self, sources: Mapping[str, bytes]) -> None:
        self._sources = sources

    def resolve(self, system_url: str, public_id: str, context: object) -> object:  # type: ignore[override]  # stubs
        del public_id
        text = self._sources.get(system_url.removeprefix(_MEMORY), b"")
        return self.resolve_string(text, context, base_url=system_url)


def compiled(path: str, sources: Mapping[str, bytes]) -> etree.XMLSchema:
    """Compile the XSD at `path` of `sources`, with what it names. Raises ConfigError, which names the file."""
    _closed(path, sources, set())
    parser = etree.XMLParser(no_network=True, resolve_entities=False, load_dtd=False)
    parser.resolvers.add(_FromMemory(sources))
    for _ in range(_TRIES):
        try:
            with _COMPILING:
                return etree.XMLSchema(etree.fromstring(sources[path], parser, base_url=_MEMORY + path))
        except etree.LxmlError as error:
            wrong = error
    raise ConfigError(f"schemas/{path}: {wrong}") from None


def _closed(path: str, sources: Mapping[str, bytes], seen: set[str]) -> None:
    """Check that a schema names only files we have: libxml2 would pass over a missing one with a warning."""
    if path in seen:
        return
    seen.add(path)
    if path not in sources:
        raise ConfigError(f"schemas/{path}: no such file")
    try:
        root = etree.fromstring(sources[path], etree.XMLParser(no_network=True, resolve_entities=False))
    except etree.XMLSyntaxError as error:
        raise ConfigError(f"schemas/{path}: {error}") from None
    for element in root.iterchildren(*_LOADING):
        location = element.get("schemaLocation")
        if location is not None:
            _closed(_joined(path, location), sources, seen)


def _joined(path: str, location: str) -> str:
    parts: list[str] = []
    for part in (PurePosixPath(path).parent / location).parts:
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)
