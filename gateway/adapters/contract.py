"""What a contract is: the agreement with one partner on one kind of message, as data and one reading function.

Adding a contract is one module in `adapters/<partner>/` with a `CONTRACT`, an XSD and WSDL in `schemas/<partner>/`, and
rows in `config/`. Nothing else: the registry finds it by its folder. What goes out has an `OUTGOING` (`outgoing.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from gateway.message import ContractId, FieldSpec, OrganisationNumber, Record

if TYPE_CHECKING:
    from lxml.etree import _Element


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who proved to have sent the message: what a contract may compare its content with."""

    organisation: OrganisationNumber
    certificate: bytes
    """DER of the signer's certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What a reader may know besides the payload."""

    sender: Sender | None
    """None offline, when nothing is proven: then nothing is compared."""
    on: date
    """The day the message was made (its signed Created): the day of information that states no other."""
    keeps: Callable[[_Element], None]
    """Raises ContractError unless an element keeps the contract's schemas: for XML that a payload carries as bytes."""


def _receipt_alone(receipt: str) -> str:
    return receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """An agreement. `read` turns a payload that keeps the schema into records, or raises ContractError."""

    id: ContractId
    version: str
    root: str
    """Clark name of the one child of `soap:Body`: `{namespace}name`."""
    schema: str
    """XSD below `schemas/`: `skatteverket/folkbokforing.xsd`. The WSDL stands beside it with the same stem."""
    actions: frozenset[str]
    """Accepted values of a signed `wsa:Action`, if the message has one."""
    kinds: Mapping[str, Mapping[str, FieldSpec]]
    """Information type -> field name -> what it is. A reader yields no other names."""
    read: Callable[[_Element, Occasion], tuple[Record, ...]]
    """Payload, and the occasion it came on."""
    answer: Callable[[str], str] = _receipt_alone
    """Wraps our receipt element (canonical text) in the contract's own answer element (canonical text)."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """Code name -> Clark name of the contract's own fault detail, with one child `message` in the same namespace."""
    solicited: bool = False
    """True: comes only as the answer to a question of ours. No address takes it, and no partner may send it."""
