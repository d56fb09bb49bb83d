"""What a contract declares of a value is how its reader makes it: consumers' schemas rest on nothing else."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import jsonschema
import orjson
import pytest

from gateway.adapters import dates
from gateway.adapters.elements import rows, truth, whole
from gateway.errors import RejectedError
from gateway.events import schemas
from gateway.message import Shape
from tests.golden.events import CASES, HERE, rules, valid

CONTRACTS, _, _ = rules()
SHAPES = {truth: Shape.TRUTH, whole: Shape.WHOLE, dates.incomplete: Shape.REDUCED}


READ_BY = {"skatteverket/personpost": "skatteverket/folkbokforing"}
"""Contracts whose content another module reads."""


def module(contract) -> object:
    name = READ_BY.get(contract, contract)
    return importlib.import_module(f"gateway.adapters.{name.replace('/', '.')}")


def readings(contract) -> Iterator[tuple[str, object]]:
    """Yield (field, reading) of every table in a contract's module."""
    for value in vars(module(contract)).values():
        for row in value.values() if isinstance(value, dict) else ():
            if isinstance(row, tuple) and len(row) == 2 and isinstance(row[0], str) and callable(row[1]):
                yield row


def declared(contract) -> Iterator[tuple[str, Shape]]:
    """Yield (field or name in a row, shape) of everything that a contract declares."""
    for fields in CONTRACTS[contract].kinds.values():
        for name, spec in fields.items():
            if isinstance(spec.shape, Shape):
                yield name, spec.shape
            else:
                yield from spec.shape.items()


def expected(contract, reading) -> Shape:
    day = getattr(module(contract), "_day", None)
    return Shape.DAY if reading is day else SHAPES.get(reading, Shape.TEXT)


@pytest.mark.parametrize("contract", sorted(CONTRACTS))
def test_a_value_has_the_shape_that_its_reading_makes(contract):
    read = list(readings(contract))
    assert read
    for name, reading in read:
        shapes = {shape for other, shape in declared(contract) if other == name}
        assert shapes <= {expected(contract, reading)}, name


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.relative_to(HERE).with_suffix("").as_posix())
def test_every_field_of_a_golden_record_has_its_declared_shape(case):
    try:
        records = valid(case).records
    except RejectedError:
        return  # a message that is refused has no records
    for record in records:
        fields = CONTRACTS[case.parent.relative_to(HERE).as_posix()].kinds[record.kind]
        for name, value in record.fields.items():
            judge = jsonschema.Draft202012Validator(schemas.shaped(fields[name]))
            assert judge.is_valid(orjson.loads(orjson.dumps(value))), name


def test_rows_take_their_shapes_from_the_tables_and_what_is_said_beside_them_counts_more():
    first, second = {"a": ("text", str), "b": ("count", whole)}, {"c": ("yes", truth), "d": ("day", dates.incomplete)}
    assert rows(first, second, day=Shape.REDUCED, more=Shape.TEXT) == {
        "text": Shape.TEXT,
        "count": Shape.WHOLE,
        "yes": Shape.TRUTH,
        "day": Shape.REDUCED,
        "more": Shape.TEXT,
    }
