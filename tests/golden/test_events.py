"""Every golden message becomes exactly the events beside it."""

import json

import pytest

from tests.golden.events import CASES, HERE, rules, text, written

PERSONAL = ("DOLDA", "Hemliga", "98765")
"""What stands in golden messages about protected persons only."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.relative_to(HERE).with_suffix("").as_posix())
def test_a_message_becomes_the_events_beside_it(case):
    assert written(case).is_file(), "write it with `python -m tests.golden.events`, and read it"
    assert text(case) == written(case).read_text(encoding="utf-8")


def test_no_golden_event_is_without_its_message():
    assert {path.with_suffix("").with_suffix(".xml") for path in HERE.rglob("*.event.json")} == set(CASES)


def test_every_contract_has_golden_messages_and_every_kind_an_event():
    contracts, _, _ = rules()
    told = [json.loads(written(case).read_text(encoding="utf-8")) for case in CASES]
    kinds = {item["event"]["data"]["kind"] for one in told for item in one.get("events", ())}
    assert kinds == {kind for contract in contracts.values() for kind in contract.kinds}


def test_no_golden_event_tells_where_a_protected_person_is():
    for path in HERE.rglob("*.event.json"):
        assert not [word for word in PERSONAL if word in path.read_text(encoding="utf-8")], path
