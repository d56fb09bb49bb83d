"""Every golden parcel is composed to exactly the body beside it, and every contract that goes out has one."""

import pytest

from tests.golden.composed import CASES, HERE, agreed, composed, contract, parcel, written


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.relative_to(HERE).as_posix().partition(".")[0])
def test_a_parcel_is_composed_to_the_body_beside_it(case):
    assert written(case).is_file(), "write it with `python -m tests.golden.composed`, and read it"
    assert composed(contract(case), parcel(case)) + b"\n" == written(case).read_bytes()


def test_no_golden_body_is_without_its_parcel():
    assert set(HERE.rglob("*.body")) == {written(case) for case in CASES}


def test_every_contract_that_goes_out_has_a_golden_parcel_and_every_field_stands_in_one():
    contracts, _ = agreed()
    assert {contract(case) for case in CASES} == set(contracts.outgoing)
    for id_, going in contracts.outgoing.items():
        used = {name for case in CASES if contract(case) == id_ for name in parcel(case).fields}
        assert used == set(going.kinds[going.kind])
