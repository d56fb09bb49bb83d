"""Elements to named values: what all readers do with a child, written once.

A table says what a contract knows: Clark name of a child -> field and how its text is read. What the table does not
have is an extension: its local name is told, its value never.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from gateway import codes
from gateway.errors import ContractError
from gateway.message import Category, FieldSpec, Rows, Shape, Value

if TYPE_CHECKING:
    from lxml.etree import _Element

Table = Mapping[str, tuple[str, Callable[[str], Value]]]
"""Clark name -> field name, and its reading. A reading that gives None leaves the field out."""


def local(element: _Element) -> str:
    """Return the element's name without namespace."""
    return str(element.tag).rpartition("}")[2]


def text(element: _Element) -> str:
    """Return the element's own text without space around it. Comments are gone before a payload comes here."""
    return (element.text or "").strip()


def truth(written: str) -> bool:
    """Read an `xs:boolean`: `true`, `1`, `false` or `0`."""
    return written in {"true", "1"}


def whole(written: str) -> int:
    """Read an `xs:integer`. Raises ContractError (CONTRACT_CONTENT) where the zeros before it make it absurdly long."""
    try:
        return int(written)
    except ValueError:
        raise ContractError(codes.CONTRACT_CONTENT, "a number is too long") from None


_SHAPES: Mapping[Callable[[str], Value], Shape] = {truth: Shape.TRUTH, whole: Shape.WHOLE}
"""What readings make, where it is not text."""


def parts(element: _Element | None) -> dict[str, _Element]:
    """Return the children by name: one pass, where the schema lets each stand once. No element has no children."""
    return {} if element is None else {str(child.tag): child for child in element}


def within(element: _Element | None, table: Table) -> dict[str, Value]:
    """Read the children that the table knows and that hold something (an `xsi:nil` child does not)."""
    return {} if element is None else held(parts(element), table)


def held(children: Mapping[str, _Element], table: Table) -> dict[str, Value]:
    """Read of some children those that the table knows and that hold something."""
    fields: dict[str, Value] = {}
    for tag, child in children.items():
        known = table.get(tag)
        if known is not None and (written := (child.text or "").strip()):
            value = known[1](written)
            if value is not None:
                fields[known[0]] = value
    return fields


def need(parent: _Element, tag: str) -> _Element:
    """Return the first child of that name. Raises ContractError (CONTRACT_CONTENT): missing."""
    for child in parent:
        if child.tag == tag:
            return child
    raise ContractError(codes.CONTRACT_CONTENT, f"{local(parent)}: {tag.rpartition('}')[2]} is missing")


def names(element: _Element) -> Iterator[str]:
    """Return the local names of an unknown element and of everything in it."""
    return (local(inner) for inner in element.iter("*"))


def specs(
    category: Category, *fields: str, locating: bool = False, shape: Shape | Rows = Shape.TEXT
) -> dict[str, FieldSpec]:
    """Declare several fields of one category and shape."""
    return dict.fromkeys(fields, FieldSpec(category=category, locating=locating, shape=shape))


def rows(*tables: Table, **more: Shape) -> Rows:
    """Declare what the rows of a field may hold: the tables' names, shaped as they are read, and `more`."""
    shapes = {name: _SHAPES.get(reading, Shape.TEXT) for table in tables for name, reading in table.values()}
    return shapes | more
