"""Which contracts there are, and the steps that hold a message to its own.

A contract is found by its folder: every module of `adapters/<partner>/` with a `CONTRACT` (what comes in) or an
`OUTGOING` (what goes out) or both is one, and nothing lists them. Schemas are read once into memory and compiled from
there. An XMLSchema keeps its errors in itself and does not scale over threads, so every thread has its own (a few
milliseconds, once).

libxml2's messages quote the value that broke a rule. Only line, names and rule go on from here, never the message.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from lxml import etree

from gateway import codes, endings
from gateway.adapters import found
from gateway.adapters.contract import Contract, Occasion, Sender
from gateway.adapters.outgoing import Outgoing
from gateway.adapters.schemas import compiled
from gateway.codes import Code
from gateway.dispatch import Interaction
from gateway.errors import ConfigError, ContractError, MalformedError
from gateway.message import ContractId, FieldSpec, Record, Valid, Verified
from gateway.partners import Partner
from gateway.soap import xml

if TYPE_CHECKING:
    from lxml.etree import _Element

_MOST = 5_000
"""Elements beside each other. lxml finds the path of every error by counting siblings, so a message that is wrong in
each of 45,000 records took 3 s to refuse; with 5,000 it is a quarter of one."""
_DECLARED = re.compile(rb'\bname="([^"]+)"')


class Registry(Mapping[ContractId, Contract]):
    """Every contract by id, with its schema compiled. Made by `load`.

    The mapping itself is of what comes in; what goes out is `outgoing`.
    """

    def __init__(
        self,
        contracts: Mapping[ContractId, Contract],
        sources: Mapping[str, bytes],
        outgoing: Mapping[ContractId, Outgoing] | None = None,
    ) -> None:
        """Take contracts, and the XSDs they need by path below `schemas/`."""
        self._contracts = contracts
        self.outgoing: Mapping[ContractId, Outgoing] = outgoing or {}
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
        agreed = list(found.agreements())
        contracts = {one.id: one for one in agreed if isinstance(one, Contract)}
        outgoing = {one.id: one for one in agreed if isinstance(one, Outgoing)}
        registry = cls(contracts, sources, outgoing)
        for one in agreed:
            wsdl = one.wsdl if isinstance(one, Outgoing) else str(PurePosixPath(one.schema).with_suffix(".wsdl"))
            if not (schemas / wsdl).is_file():
                raise ConfigError(f"{schemas}: {one.id} has no WSDL {wsdl}")
            registry.schema(one)
        for going in outgoing.values():
            found.check(going, contracts)
        return registry

    def __getitem__(self, contract: ContractId) -> Contract:
        return self._contracts[contract]

    def __iter__(self) -> Iterator[ContractId]:
        return iter(self._contracts)

    def __len__(self) -> int:
        return len(self._contracts)

    def kinds(self) -> dict[ContractId, Mapping[str, Mapping[str, FieldSpec]]]:
        """Return what every contract can tell, in and out: information type -> field -> what it is."""
        kinds = {contract.id: contract.kinds for contract in self._contracts.values()}
        return kinds | {going.id: {**kinds.get(going.id, {}), **going.kinds} for going in self.outgoing.values()}

    def agree(self, partner: Partner) -> None:
        """Hold a partner's file to the contracts: what it may send, where it is reached for what, and their settings.

        Raises ConfigError, which names the key and what is accepted.
        """
        where = f"partner {partner.id}"
        sent = [one.id for one in self._contracts.values() if not one.solicited]
        _known(f"{where}: contracts", partner.contracts, sent)
        for number, endpoint in enumerate(partner.endpoint, start=1):
            key = f"{where}: [[endpoint]] {number}"
            _known(f"{key}: contracts", endpoint.contracts, self.outgoing)
            _settings(key, [self.outgoing[contract] for contract in endpoint.contracts], endpoint.settings)
        if partner.mailbox is not None:
            key = f"{where}: [mailbox]: contracts"
            _known(key, partner.mailbox.contracts, [*self.outgoing])
            for contract in partner.mailbox.contracts:
                if self.outgoing[contract].interaction is Interaction.ASK:
                    raise ConfigError(f"{key}: {contract} is a question: a mailbox cannot answer")

    def schema(self, contract: Contract | Outgoing) -> etree.XMLSchema:
        """Return this thread's compiled schema of a contract. Raises ConfigError where it cannot be compiled."""
        return self._compiled(contract.schema)

    def keep(self, path: str, element: _Element) -> None:
        """Hold an element to the schema at a path below `schemas/`. Raises ContractError: CONTRACT_SCHEMA."""
        _keeps(self._compiled(path), self.declared, codes.CONTRACT_SCHEMA, element)

    def _compiled(self, path: str) -> etree.XMLSchema:
        own: dict[str, etree.XMLSchema] = self._local.__dict__
        schema = own.get(path)
        if schema is None:
            schema = own[path] = compiled(path, self._sources)
        return schema


def validate(verified: Verified, registry: Registry) -> Valid:
    """Hold a message to the contract of its address, and read it into named fields per person.

    1. The contract of the address is one of ours, may be sent unasked and has this root element (CONTRACT_UNKNOWN).
    2. A signed wsa:Action, if any, is the contract's (CONTRACT_ACTION).
    3. The payload keeps the schema (CONTRACT_SCHEMA).
    4. It keeps the contract's other rules and speaks for its signer only; what it says is read (CONTRACT_…).
    5. It says something about someone (CONTRACT_CONTENT).

    Raises ContractError. Its detail tells lines, names and rules, never values.
    """
    provenance = verified.provenance
    contract = registry.get(provenance.contract)
    if contract is None or contract.solicited:
        raise ContractError(codes.CONTRACT_UNKNOWN)
    if verified.payload.tag != contract.root:
        raise ContractError(codes.CONTRACT_UNKNOWN, f"taken here: {contract.root}")
    if provenance.action is not None and provenance.action not in contract.actions:
        raise ContractError(codes.CONTRACT_ACTION)
    if len(verified.evidence) > _MOST * len("<a/>") and verified.evidence.count(b"<") > _MOST:
        _narrow(verified.payload)
    records = _read(contract, verified.payload, registry, sender=_sender(verified), on=provenance.created.date())
    if not records:
        raise _nobody()
    return Valid(provenance=provenance, version=contract.version, records=records, evidence=verified.evidence)


def read_answer(verified: Verified, contract: ContractId, registry: Registry) -> Valid:
    """Hold a partner's answer to our question to its contract, and read it into named fields per person.

    As `validate`, but an answer may be about nobody (then there are no records), and its signed wsa:Action, if any, is
    that of an answer. That it answers *this* question is `Outgoing.result`'s to say, and only of what has been read.

    Args:
        verified: The answer.
        contract: What was asked by: an id of `Registry.outgoing` whose `answer` is not None.
        registry: The contracts.

    Raises ContractError. Its detail tells lines, names and rules, never values.
    """
    going = registry.outgoing[contract]
    if going.answer is None:
        raise ContractError(codes.CONTRACT_UNKNOWN, f"{contract} is answered by a receipt")
    agreed = registry[going.answer]
    provenance = verified.provenance
    if verified.payload.tag != agreed.root:
        raise ContractError(codes.CONTRACT_UNKNOWN, f"the answer is: {agreed.root}")
    if provenance.action not in {None, going.reply}:
        raise ContractError(codes.CONTRACT_ACTION)
    _narrow(verified.payload)
    records = _read(agreed, verified.payload, registry, sender=_sender(verified), on=provenance.created.date())
    return Valid(
        provenance=replace(provenance, contract=agreed.id),
        version=agreed.version,
        records=records,
        evidence=verified.evidence,
    )


def hold(payload: bytes, contract: ContractId, registry: Registry) -> None:
    """Hold what we composed, in canonical form, to its own schema before it is sealed and signed.

    Raises ContractError (GW-COMMAND-FORMAT): a code that no list has, a text that is too long. The detail names
    elements and rules, never values.
    """
    going = registry.outgoing[contract]
    element = xml.reparse(payload)
    if element.tag != going.root:
        raise ContractError(endings.COMMAND_FORMAT, "composed another element than the contract's")
    _keeps(registry.schema(going), registry.declared, endings.COMMAND_FORMAT, element)


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
    records = _read(chosen, payload, registry, sender=None, on=on)
    if not records and not chosen.solicited:
        raise _nobody()
    return chosen, records


def unknown(registry: Registry) -> ContractError:
    """Return the error of a payload that no contract begins with; it tells what they begin with."""
    roots = sorted(contract.root for contract in registry.values())
    return ContractError(codes.CONTRACT_UNKNOWN, f"root elements that are taken: {', '.join(roots)}")


def _narrow(payload: _Element) -> None:
    if any(len(element) > _MOST for element in payload.iter()):
        raise ContractError(codes.CONTRACT_SCHEMA, f"more than {_MOST} elements beside each other: split the message")


def _sender(verified: Verified) -> Sender:
    return Sender(organisation=verified.provenance.organisation, certificate=verified.certificate)


def _read(
    contract: Contract, payload: _Element, registry: Registry, *, sender: Sender | None, on: date
) -> tuple[Record, ...]:
    schema = registry.schema(contract)
    _keeps(schema, registry.declared, codes.CONTRACT_SCHEMA, payload)
    inner: Callable[[_Element], None] = partial(_keeps, schema, registry.declared, codes.CONTRACT_PAYLOAD)
    return contract.read(payload, Occasion(sender=sender, on=on, keeps=inner))


def _nobody() -> ContractError:
    return ContractError(codes.CONTRACT_CONTENT, "nothing in it is about a person")


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


def _known(key: str, named: Iterable[ContractId], accepted: Iterable[ContractId]) -> None:
    choice = sorted(accepted)
    for contract in named:
        if contract not in choice:
            raise ConfigError(f"{key}: {contract}: accepted are {', '.join(choice)}")


def _settings(key: str, agreed: Sequence[Outgoing], given: Mapping[str, str]) -> None:
    wanted = {name: pattern for going in agreed for name, pattern in going.settings.items()}
    for name in sorted(given.keys() | wanted.keys()):
        if name not in wanted:
            raise ConfigError(f"{key}: settings.{name}: accepted here are {', '.join(sorted(wanted)) or 'none'}")
        if not re.fullmatch(wanted[name], given.get(name, "")):
            raise ConfigError(f"{key}: settings.{name}: is needed by a contract, in the form {wanted[name]}")
