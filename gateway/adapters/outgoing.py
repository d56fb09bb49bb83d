"""What a contract is on its way out: what may be told or asked, how it is composed, and how the answer is understood.

A contract that goes out is one module in `adapters/<partner>/` with an `OUTGOING`, an XSD and a WSDL, and rows in
`config/`; beside a `CONTRACT` where the same contract is read as well. Fields are declared as they are for what comes
in, so that a basis names them and `privacy.disclosure` can withhold them one by one. `compose` gets what is left, and
nothing else. What goes out keeps its XSD, like what comes in: `registry.hold`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from gateway import endings
from gateway.dispatch import Finding, Interaction, Parcel, Result
from gateway.errors import ContractError
from gateway.message import ContractId, FieldSpec, NumberKind, Rows, Shape, SoapVersion, Value
from gateway.trust import receipt

if TYPE_CHECKING:
    from lxml.etree import _Element

Arguments = dict[str, object]
"""What zeep builds the body from: children by local name, several of one name as a list."""


def _done(payload: _Element, parcel: Parcel) -> Result:
    del payload, parcel
    return Result(finding=Finding.DONE)


def _untyped(detail: _Element | None, faultcode: str, status: int) -> Result | None:
    del detail, faultcode, status
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """An agreement on what we send or ask."""

    id: ContractId
    version: str
    interaction: Interaction
    schema: str
    """XSD below `schemas/`: it judges what we compose."""
    wsdl: str
    """WSDL below `schemas/`, of the partner's service: zeep composes by it."""
    operation: str
    """Of the WSDL."""
    root: str
    """Clark name of the one child of `soap:Body`."""
    action: str
    """The signed `wsa:Action`. The HTTP header SOAPAction is the WSDL's: the empty string with every partner so far."""
    reply: str = receipt.ACTION
    """The signed `wsa:Action` of an answer, if it has one at all."""
    soap: SoapVersion = SoapVersion.SOAP_11
    kind: str
    """The information type that bases name for what goes out."""
    kinds: Mapping[str, Mapping[str, FieldSpec]]
    """Information type -> field name -> what it is. `arguments` uses no other names."""
    mandatory: frozenset[str] = frozenset()
    """Fields without which there is no message."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What an `[[endpoint]]` of this contract must say in its `settings`: name -> pattern of the whole value."""
    arguments: Callable[[Parcel], Arguments]
    """Composes the body. Raises ContractError (GW-COMMAND-FORMAT) where the contract has no place for what it gets."""
    result: Callable[[_Element, Parcel], Result] = _done
    """What a verified answer that keeps its schema says. Raises ContractError where it is not the answer to this."""
    fault: Callable[[_Element | None, str, int], Result | None] = _untyped
    """What the partner's typed fault says: its `detail`, the local name of its code (`Client`), the HTTP status. None
    where there is nothing typed in it. Faults are not always signed: the code is kept, nothing is learned from it."""
    answer: ContractId | None = None
    """The contract that an answer is read by; None where the answer is a receipt (`schemas/receipt.xsd`)."""

    def compose(self, parcel: Parcel) -> Arguments:
        """Return the arguments of `operation`. Raises ContractError as `keeps` and `arguments` do."""
        self.keeps(parcel.fields)
        return self.arguments(parcel)

    def keeps(self, fields: Mapping[str, Value]) -> None:
        """Hold fields to what the contract declares: name, shape, and that none is missing.

        Raises ContractError (GW-COMMAND-FORMAT): the asker's doing. The detail names fields and rules, never values.
        """
        declared = self.kinds[self.kind]
        for name, value in fields.items():
            spec = declared.get(name)
            if spec is None:
                raise wrong("a field", f"is not of the contract; accepted are {', '.join(declared)}")
            if value is not None and not _shaped(value, spec.shape):
                raise wrong(name, f"is not {_asked(spec.shape)}")
        for name in sorted(self.mandatory):
            if fields.get(name) is None:
                raise wrong(name, "is missing, or may not be disclosed, and there is no message without it")


def wrong(place: str, what: str) -> ContractError:
    """Return the error of a command whose contract has no place for it. Names of fields and rules only."""
    return ContractError(endings.COMMAND_FORMAT, f"{place}: {what}")


def number(parcel: Parcel) -> str:
    """Return the person's number as contracts want it: twelve digits. Raises ContractError where it is another."""
    if parcel.person.kind is NumberKind.OTHER:
        raise wrong("the person", "has no number of twelve digits, which the contract needs")
    return parcel.person.number


_CODE: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)


def own_code(written: str | None) -> str | None:
    """Return the partner's own code if it is nothing but a code: it may go on into logs and events."""
    code = (written or "").strip()
    return code if _CODE.fullmatch(code) else None


def filled(**elements: object) -> Arguments:
    """Return the elements that there is something to say in: an optional element is left out, never empty."""
    return {name: value for name, value in elements.items() if value is not None}


def rows(
    fields: Mapping[str, Value], name: str, elements: Mapping[str, str], *, most: int, needed: str | None = None
) -> list[Arguments] | None:
    """Return a field of rows as elements; None where the field is not there. zeep must not be the first to count them.

    Args:
        fields: The parcel's.
        name: The field.
        elements: Name in a row -> local name of the element.
        most: Rows that the schema takes.
        needed: A name that every row must have.

    Raises ContractError (GW-COMMAND-FORMAT).
    """
    value = fields.get(name)
    if not isinstance(value, tuple):
        return None
    if len(value) > most:
        raise wrong(name, f"has more than {most} rows")
    if needed is not None and any(needed not in row for row in value):
        raise wrong(name, f"has a row without {needed}")
    return [{elements[key]: inner for key, inner in row.items()} for row in value]


def codes(fields: Mapping[str, Value], name: str, *, most: int = 10) -> list[object] | None:
    """Return the codes of a field whose rows have nothing but `kod`. As `rows`."""
    found = rows(fields, name, {"kod": "kod"}, most=most, needed="kod")
    return None if found is None else [row["kod"] for row in found]


_CHARACTERS: Final = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")
"""XML 1.0 section 2.2."""
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MONTH: Final = re.compile(r"\d{4}-\d{2}", re.ASCII)
_YEAR: Final = re.compile(r"\d{4}", re.ASCII)
_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})", re.ASCII)


def _shaped(value: Value, shape: Shape | Rows) -> bool:
    if not isinstance(shape, Shape):
        return isinstance(value, tuple) and bool(value) and all(_row(row, shape) for row in value)
    match shape:
        case Shape.TRUTH:
            return isinstance(value, bool)
        case Shape.WHOLE:
            return isinstance(value, int) and not isinstance(value, bool)
        case Shape.TEXT:
            return isinstance(value, str) and bool(value.strip()) and _CHARACTERS.fullmatch(value) is not None
        case _:
            return isinstance(value, str) and _dated(value, shape)


def _row(row: Mapping[str, Value], shape: Rows) -> bool:
    return bool(row) and all(name in shape and _shaped(value, shape[name]) for name, value in row.items())


def _dated(value: str, shape: Shape) -> bool:
    forms = {
        Shape.DAY: (_DAY,),
        Shape.MONTH: (_MONTH,),
        Shape.REDUCED: (_DAY, _MONTH, _YEAR),
        Shape.MOMENT: (_MOMENT,),
    }[shape]
    if not any(form.fullmatch(value) for form in forms):
        return False
    try:
        if shape is Shape.MOMENT:
            datetime.fromisoformat(value)
        else:
            date.fromisoformat(f"{value}-01-01"[: len("2026-01-31")] if len(value) < len("2026-01-31") else value)
    except ValueError:
        return False
    return True


def _asked(shape: Shape | Rows) -> str:
    if isinstance(shape, Shape):
        return f"a {shape}"
    return "rows of " + ", ".join(f"{name} ({inner})" for name, inner in shape.items())
