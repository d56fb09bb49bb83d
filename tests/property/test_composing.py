"""Whatever an asker writes in a command: it is composed and keeps its schema, or refused as the asker's doing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import endings
from gateway.dispatch import Parcel
from gateway.errors import ContractError
from gateway.message import Rows, Shape
from tests.effort import effort
from tests.golden.composed import CASES, agreed, composed, contract, parcel

CONTRACTS, _ = agreed()
WORDS = (
    "FYSISKT",
    "DIGITALT",
    "PROGNOS",
    "ARBETSTIDER",
    "INKOMST",
    "ANNAT",
    "FOLKBOKFORING",
    "https://x.example/",
    "1.50",
)
TEXT = st.one_of(
    st.sampled_from(WORDS), st.text(max_size=30), st.text(alphabet="<&>]\"'\r\n\t\x00\x85\ud800\uffff", max_size=9)
)
DAYS = st.one_of(st.dates().map(str), st.text(max_size=10))
MOMENTS = st.one_of(st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat(timespec="seconds")), TEXT)
SHAPED = {
    Shape.TEXT: TEXT,
    Shape.WHOLE: st.integers(),
    Shape.TRUTH: st.booleans(),
    Shape.DAY: DAYS,
    Shape.MOMENT: MOMENTS,
}
ANY = st.one_of(st.none(), st.booleans(), st.integers(), TEXT, st.just(()))


def values(shape: Shape | Rows) -> st.SearchStrategy[object]:
    if isinstance(shape, Shape):
        return SHAPED[shape]
    row = st.fixed_dictionaries({}, optional={name: st.one_of(values(inner), ANY) for name, inner in shape.items()})
    return st.lists(row, max_size=4).map(tuple)


def parcels(case) -> st.SearchStrategy[Parcel]:
    going, made = CONTRACTS.outgoing[contract(case)], parcel(case)
    declared = going.kinds[going.kind]
    some = {name: st.one_of(values(spec.shape), values(spec.shape), ANY) for name, spec in declared.items()}
    # Mostly one change to what is right: several wrong things hide each other.
    changes: st.SearchStrategy[Mapping[str, object]] = st.sampled_from(sorted(some)).flatmap(
        lambda name: st.fixed_dictionaries({name: some[name]})
    ) | st.fixed_dictionaries({}, optional=some)
    return changes.map(lambda new: replace(made, fields={**made.fields, **new}))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.partition(".")[0])
@effort(25)
@given(data=st.data())
def test_a_command_is_composed_or_refused_and_nothing_else(case, data) -> None:
    made = data.draw(parcels(case))
    try:
        payload = composed(contract(case), made)
    except ContractError as error:
        assert error.code is endings.COMMAND_FORMAT  # noqa: PT017  # either is right, nothing else is
        return
    assert payload.startswith(b"<ns0:")
