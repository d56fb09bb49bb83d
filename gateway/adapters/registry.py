"""Which contracts there are, and the step that holds a message to its own.

A contract is found by its folder: every module of `adapters/<partner>/` with a `CONTRACT` is one, and nothing lists
them. Schemas are read once into memory and compiled from there: neither disk nor network can change what was agreed
while the gateway runs. An XMLSchema keeps its errors in itself and does not scale over threads, so every thread has its
own (a few milliseconds, once).

libxml2's messages quote the value that broke a rule. Only line, names and rule go on from here, never the message.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import partial
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import TYPE_CHECKING

from lxml import etree

from gateway import adapters, codes
from gateway.adapters.contract import Contract, Occasion, Sender
from gateway.codes import Code
from gateway.errors import ConfigError, ContractError, MalformedError
from gateway.message import ContractId, FieldSpec, Record, Valid, Verified
from gateway.soap import xml

if TYPE_CHECKING:
    from lxml.etree import _Element

_XSD = "{http://www.w3.org/2001/XMLSchema}"
_LOADING = tuple(_XSD + name for name in ("import", "include", "redefine"))
_MOST = 5_000
"""Elements beside each other. lxml finds the path of every error by counting siblings, so a message that is wrong in
each of 45,000 records took 3 s to refuse; with 5,000 it is a quarter of one."""
_DECLARED = re.compile(rb'\bname="([^"]+)"')
_MEMORY = "memory:/"
"""Where the schemas stand for libxml2: an address that nothing but our resolver answers."""


class Registry(Mapping[ContractId, Contract]):
    """Every contract by id, with its schema compiled. Made by `load`."""

    def __init__(self, contracts: Mapping[ContractId, Contract], sources: Mapping[str, bytes]) -> None:
        """Take contracts, and the XSDs they need by path below `schemas/`."""
        self._contracts = contracts
        self._sources = sources
        self._local = threading.local()
        self.declared = frozenset(name.decode() for text in sources.values() for name in _DECLARED.findall(text))
        """Every name that a schema declares: what an error may repeat."""

    @classmethod
    def load(cls, schemas: Path) -> Registry:
        """Find the contracts and compile their schemas. Raises ConfigError, which names module or file.

        Args:
            schemas: The folder `schemas/`, with `<partner>/<contract>.xsd` and `.wsdl` in it.
        """
        sources = {
            path.relative_to(schemas).as_posix(): path.read_bytes()
            for path in sorted(schemas.rglob("*.xsd"))
            if path.is_file()
        }
        contracts = {contract.id: contract for contract in _discovered()}
        registry = cls(contracts, sources)
        for contract in contracts.values():
            if not (schemas / contract.schema).with_suffix(".wsdl").is_file():
                raise ConfigError(f"{schemas}: {contract.id} has no WSDL beside {contract.schema}")
            registry.schema(contract)
        return registry

    def __getitem__(self, contract: ContractId) -> Contract:
        return self._contracts[contract]

    def __iter__(self) -> Iterator[ContractId]:
        return iter(self._contracts)

    def __len__(self) -> int:
        return len(self._contracts)

    def kinds(self) -> dict[ContractId, Mapping[str, Mapping[str, FieldSpec]]]:
        """Return what every contract can tell: information type -> field -> what it is."""
        return {contract.id: contract.kinds for contract in self._contracts.values()}

    def schema(self, contract: Contract) -> etree.XMLSchema:
        """Return this thread's compiled schema of a contract. Raises ConfigError where it cannot be compiled."""
        compiled: dict[str, etree.XMLSchema] = self._local.__dict__
        schema = compiled.get(contract.schema)
        if schema is None:
            schema = compiled[contract.schema] = _compiled(contract.schema, self._sources)
        return schema


def validate(verified: Verified, registry: Registry) -> Valid:
    """Hold a message to the contract of its address, and read it into named fields per person.

    1. The contract of the address is one of ours and has this root element (CONTRACT_UNKNOWN).
    2. A signed wsa:Action, if any, is the contract's (CONTRACT_ACTION).
    3. The payload keeps the schema (CONTRACT_SCHEMA).
    4. It keeps the contract's other rules and speaks for its signer only; what it says is read (CONTRACT_…).
    5. It says something about someone (CONTRACT_CONTENT).

    Raises ContractError. Its detail tells lines, names and rules, never values.
    """
    provenance = verified.provenance
    contract = registry.get(provenance.contract)
    if contract is None:
        raise ContractError(codes.CONTRACT_UNKNOWN)
    if verified.payload.tag != contract.root:
        raise ContractError(codes.CONTRACT_UNKNOWN, f"taken here: {contract.root}")
    if provenance.action is not None and provenance.action not in contract.actions:
        raise ContractError(codes.CONTRACT_ACTION)
    if len(verified.evidence) > _MOST * len("<a/>") and verified.evidence.count(b"<") > _MOST:
        _narrow(verified.payload)
    records = _read(
        contract,
        verified.payload,
        registry,
        sender=Sender(organisation=provenance.organisation, certificate=verified.certificate),
        on=provenance.created.date(),
    )
    return Valid(provenance=provenance, version=contract.version, records=records, evidence=verified.evidence)


def read_offline(
    payload: _Element, registry: Registry, *, on: date, contract: ContractId | None = None
) -> tuple[Contract, tuple[Record, ...]]:
    """Read a bare payload that nobody signed, to tell its author what would happen. Proves nothing.

    Args:
        payload: The root element; comments and processing instructions in it do not matter.
        registry: The contracts.
        on: The day to judge it by.
        contract: Which contract; without it the root element tells, and among several with one root the content.

    Raises:
        ContractError: as `validate`, except what only a sender can break.
        MalformedError: the payload has no canonical form.
    """
    payload = xml.reparse(xml.canonical(payload))
    if next(payload.iter(etree.ProcessingInstruction), None) is not None:
        raise MalformedError(codes.XML_INSTRUCTION)
    _narrow(payload)
    candidates = [one for one in registry.values() if one.root == payload.tag and contract in {None, one.id}]
    if not candidates:
        raise unknown(registry)
    chosen = next((one for one in candidates if registry.schema(one).validate(payload)), candidates[0])
    return chosen, _read(chosen, payload, registry, sender=None, on=on)


def unknown(registry: Registry) -> ContractError:
    """Return the error of a payload that no contract begins with; it tells what they begin with."""
    roots = sorted(contract.root for contract in registry.values())
    return ContractError(codes.CONTRACT_UNKNOWN, f"root elements that are taken: {', '.join(roots)}")


def _narrow(payload: _Element) -> None:
    if any(len(element) > _MOST for element in payload.iter()):
        raise ContractError(codes.CONTRACT_SCHEMA, f"more than {_MOST} elements beside each other: split the message")


def _read(
    contract: Contract, payload: _Element, registry: Registry, *, sender: Sender | None, on: date
) -> tuple[Record, ...]:
    schema = registry.schema(contract)
    _keeps(schema, registry.declared, codes.CONTRACT_SCHEMA, payload)
    inner: Callable[[_Element], None] = partial(_keeps, schema, registry.declared, codes.CONTRACT_PAYLOAD)
    records = contract.read(payload, Occasion(sender=sender, on=on, keeps=inner))
    if not records:
        raise ContractError(codes.CONTRACT_CONTENT, "nothing in it is about a person")
    return records


def _keeps(schema: etree.XMLSchema, declared: frozenset[str], code: Code, element: _Element) -> None:
    if not schema.validate(element):
        raise ContractError(code, _told(next(iter(schema.error_log)), declared))  # type: ignore[call-overload]  # stubs


_NAMED = re.compile(r"Element '(?:\{[^{}]*\})?([^'{}]+)'(?:, attribute '(?:\{[^{}]*\})?([^'{}]+)')?")
_EXPECTED = re.compile(r"(?:\{[^{}]*\})?([A-Za-z_][\w.-]*)")


def _told(entry: etree._LogEntry, declared: frozenset[str]) -> str:
    """Return where and by which rule of XSD (`cvc-…`) the content is wrong, without what it says.

    Only names that our schemas declare are repeated: any other is the sender's word, and may be a person's name.
    """
    rule = entry.type_name.removeprefix("SCHEMAV_").lower().replace("_", "-")
    found = _NAMED.match(entry.message)
    parts = [name for name in (found.groups() if found else ()) if name in declared]
    what = " attribute ".join(parts) if parts else "an element"
    expected = ""
    if entry.type == etree.ErrorTypes.SCHEMAV_ELEMENT_CONTENT:
        listed = entry.message.rpartition("Expected is")[2].partition("(")[2].rpartition(")")[0]
        wanted = [name for name in _EXPECTED.findall(listed) if name in declared]
        expected = f", expected {' or '.join(wanted)}" if wanted else ""
    return f"line {entry.line}: {what}: {rule}{expected}"


def _discovered() -> Iterator[Contract]:
    for package in pkgutil.iter_modules(adapters.__path__, f"{adapters.__name__}."):
        if package.ispkg:
            yield from _contracts(importlib.import_module(package.name))


def _contracts(partner: ModuleType) -> Iterator[Contract]:
    for module in pkgutil.iter_modules(partner.__path__, f"{partner.__name__}."):
        contract = getattr(importlib.import_module(module.name), "CONTRACT", None)
        if contract is None:
            continue
        place = "/".join(module.name.split(".")[-2:])
        if not isinstance(contract, Contract) or contract.id != place:
            raise ConfigError(f"{module.name}: CONTRACT must be a Contract with the id {place}")
        yield contract


class _FromMemory(etree.Resolver):
    """Answers libxml2 from the schemas that were read, and with nothing at all for any other address."""

    def __init__(self, sources: Mapping[str, bytes]) -> None:
        self._sources = sources

    def resolve(self, system_url: str, public_id: str, context: object) -> object:  # type: ignore[override]  # stubs
        del public_id
        text = self._sources.get(system_url.removeprefix(_MEMORY), b"")
        return self.resolve_string(text, context, base_url=system_url)


def _compiled(path: str, sources: Mapping[str, bytes]) -> etree.XMLSchema:
    _closed(path, sources, set())
    parser = etree.XMLParser(no_network=True, resolve_entities=False, load_dtd=False)
    parser.resolvers.add(_FromMemory(sources))
    try:
        return etree.XMLSchema(etree.fromstring(sources[path], parser, base_url=_MEMORY + path))
    except etree.LxmlError as error:
        raise ConfigError(f"schemas/{path}: {error}") from None


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
