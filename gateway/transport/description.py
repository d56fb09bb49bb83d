"""The contracts as a partner's tools read them: WSDL and the schemas it names, with the addresses they were asked at.

`GET /soap/<partner>/<contract>?wsdl` gives the WSDL; it says that its schemas are below `/schemas/`, in the same
folders as on disk, so that what a schema says of another's place holds too. `?xsd=<path>` gives the same.

Only these files are served: the WSDL beside a contract's schema, and every schema that a WSDL names, directly or
through another schema. The names are found once, when the configuration is read; a sender can name one of
them and nothing else, and no path is ever made from what a sender wrote.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote

from gateway import codes
from gateway.config import Limits
from gateway.errors import ConfigError, MalformedError
from gateway.message import ContractId
from gateway.soap import wsdl, xml
from gateway.transport.reply import Reply, Scope

_SCHEMA: Final = "{http://www.w3.org/2001/XMLSchema}"
_NAMING: Final = (f"{_SCHEMA}import", f"{_SCHEMA}include", f"{_SCHEMA}redefine")
_PATH: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*/)*[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Description:
    wsdl: bytes
    folder: str
    """Where it stands below `schemas/`."""
    schemas: frozenset[str]
    """What it names, directly or not, by path below `schemas/`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptions:
    """Every contract's files, read once."""

    _contracts: Mapping[ContractId, _Description]
    _schemas: Mapping[str, bytes]
    """By path below `schemas/`."""

    @classmethod
    def build(cls, folder: Path, schemas: Mapping[ContractId, str], limits: Limits) -> Descriptions:
        """Read the WSDL beside each contract's schema, and all the schemas it names.

        Args:
            folder: `schemas/`.
            schemas: each contract's XSD below the folder.
            limits: for the parser.

        Raises:
            ConfigError: a file is missing, is no XML, or names a schema outside the folder.
        """
        files: dict[str, bytes] = {}
        contracts = {contract: _read(folder, schema, files, limits) for contract, schema in schemas.items()}
        return cls(_contracts=contracts, _schemas=files)

    def has(self, contract: ContractId) -> bool:
        """Tell whether there is such a contract."""
        return contract in self._contracts

    def find(self, contract: ContractId, query: bytes, origin: str) -> bytes | None:
        """Return what `?wsdl` or `?xsd=<path>` asks for, with addresses under `origin`; None for any other query.

        Raises:
            MalformedError: GW-HTTP-PATH, the contract has no such schema.
        """
        key, _, value = query.decode("latin-1").partition("&")[0].partition("=")
        found = self._contracts[contract]
        if key.lower() == "wsdl":
            service = f"{origin}/soap/{contract}"
            return wsdl.located(found.wsdl, service=service, schemas=f"{origin}/schemas/{found.folder}/")
        if key.lower() == "xsd":
            name = unquote(value)
            return self.schema(name if name in found.schemas else "", origin)
        return None

    def schema(self, path: str, origin: str) -> bytes:
        """Return the schema at a path below `schemas/`. Raises MalformedError: GW-HTTP-PATH, no contract names it."""
        if path not in self._schemas:
            raise MalformedError(codes.PATH, "no such schema")
        folder = f"{origin}/schemas/{posixpath.dirname(path)}/"
        return wsdl.located(self._schemas[path], service=origin, schemas=folder)


def origin(scope: Scope) -> str:
    """Return `https://host:port` as the sender reached us, if that is a host at all; else as we know ourselves."""
    for name, value in scope["headers"]:
        if name == b"host" and _HOST.fullmatch(host := value.decode("latin-1")):
            return f"https://{host}"
    address, port = scope["server"]
    return f"https://[{address}]:{port}" if ":" in address else f"https://{address}:{port}"


def answer(text: bytes) -> Reply:
    """Return the answer that carries a WSDL or schema."""
    return Reply(status=200, content_type="text/xml; charset=utf-8", body=text)


def _read(folder: Path, schema: str, files: dict[str, bytes], limits: Limits) -> _Description:
    """Read a contract's WSDL, and into `files` what it names."""
    top = str(PurePosixPath(schema).with_suffix(".wsdl"))
    text = _text(folder / top)
    names: set[str] = set()
    waiting = list(_named(top, text, limits))
    while waiting:
        name = waiting.pop()
        if name not in names:
            names.add(name)
            if name not in files:
                files[name] = _text(folder / name)
            waiting += _named(name, files[name], limits)
    return _Description(wsdl=text, folder=posixpath.dirname(top), schemas=frozenset(names))


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def _named(path: str, text: bytes, limits: Limits) -> Iterator[str]:
    """Yield the paths of the files that a WSDL or schema names."""
    try:
        root = xml.parse(text, limits)
    except MalformedError as error:
        raise ConfigError(f"{path}: is no XML: {error.detail or error.code.english}") from None
    for element in root.iter(*_NAMING):
        location = element.get("schemaLocation")
        if location is None:
            continue
        found = posixpath.normpath(posixpath.join(posixpath.dirname(path), location))
        if not _PATH.fullmatch(found):
            raise ConfigError(f"{path}: schemaLocation: {location}: only a relative path within schemas/ is accepted")
        yield found
