"""The demo's arithmetic can fail: every number that is changed breaks a rule."""

import dataclasses

import pytest
from click.testing import CliRunner

from gateway.adapters.registry import Registry
from gateway.cli import main
from gateway.cli.demo import cases, ledger, persons
from gateway.cli.demo.cases import Case, Outcome, Passed
from gateway.cli.demo.reconcile import Count, reconcile
from gateway.config import load
from gateway.events.compose import Own, Routes, event_type
from gateway.message import ContractId
from tests.unit.cli.conftest import CONFIG

PERSON = persons.PERSONNUMMER[0]


def case(outcome: Outcome, **facts: object) -> Case:
    return Case(
        what="a message", partner="skatteverket", contract=cases.AGI, send=lambda: None, outcome=outcome, **facts
    )


PLAYED = (
    case(
        Outcome.ACCEPTED,
        passed=(Passed(kind="inkomst", person=PERSON), Passed(kind="franvaro", person=persons.PROTECTED)),
        stopped=1,
    ),
    case(Outcome.ACCEPTED, passed=(Passed(kind="folkbokforing", person=PERSON),)),
    case(Outcome.REPEATED),
    case(Outcome.REFUSED, code="GW-SIG-DIGEST"),
    case(Outcome.REFUSED, code="GW-SIG-DIGEST"),
    case(Outcome.REFUSED, code="GW-PEER-CONTRACT", stranger=True),
    case(Outcome.TURNED_AWAY, stranger=True),
)
EXPECTED = ledger.expected(PLAYED)


def holds(seen: Count) -> bool:
    return all(rule.holds for rule in reconcile(EXPECTED, seen))


def test_the_expected_numbers_come_from_what_was_sent():
    assert (
        Count(
            sent=7,
            accepted=2,
            repeated=1,
            refused={"GW-SIG-DIGEST": 2, "GW-PEER-CONTRACT": 1},
            turned_away=1,
            astray=0,
            receipts=3,
            same_facts=1,
            events={
                "handlaggning.inkomst": 1,
                "kontroll.inkomst": 1,
                "kontroll.foraldrapenning": 1,
                "handlaggning.folkbokforing": 1,
            },
            event_ids=3,
            undelivered=0,
            protected=1,
            located=0,
            leaves=6 + 2,  # and the register and the queues that it all went by
            promised=4,
            proven=4,
            checkpoints=1,
            exposed=0,
        )
        == EXPECTED
    )


def test_the_same_numbers_reconcile():
    assert holds(EXPECTED)


@pytest.mark.parametrize("by", [1, -1])
@pytest.mark.parametrize(
    "name", [field.name for field in dataclasses.fields(Count) if field.name not in {"refused", "events"}]
)
def test_every_number_that_is_off_by_one_breaks_a_rule(name, by):
    assert not holds(dataclasses.replace(EXPECTED, **{name: getattr(EXPECTED, name) + by}))


@pytest.mark.parametrize("name", ["refused", "events"])
def test_every_code_and_queue_counts_by_itself(name):
    right = dict(getattr(EXPECTED, name))
    for key, count in right.items():
        assert not holds(dataclasses.replace(EXPECTED, **{name: {**right, key: count + 1}}))
        assert not holds(dataclasses.replace(EXPECTED, **{name: {k: v for k, v in right.items() if k != key}}))
    assert not holds(dataclasses.replace(EXPECTED, **{name: {**right, "another": 1}}))


def test_a_refusal_moved_to_another_code_breaks_a_rule_though_the_sum_is_right():
    assert not holds(
        dataclasses.replace(EXPECTED, refused={"GW-SIG-DIGEST": 1, "GW-SIG-VALUE": 1, "GW-PEER-CONTRACT": 1})
    )


def test_a_person_s_number_in_the_log_is_found_in_ten_digits_or_twelve():
    assert ledger.exposed(b'{"event":"message.accepted"}') == 0
    assert ledger.exposed(f"x{PERSON}y".encode()) == 1
    assert ledger.exposed(f"x{PERSON[2:]}y".encode()) == 1


def test_the_queues_the_demo_expects_are_those_that_the_law_and_the_queues_give():
    configuration = load(CONFIG)
    registry = Registry.load(configuration.gateway.schemas)
    routes = Routes.build(configuration.queues, configuration.bases, Own.of(configuration, registry.outgoing))
    given: dict[str, set[str]] = {}
    for basis in configuration.bases:
        if basis.id in routes.by_basis and basis.id != "AF-ALLMAN-01":  # its records wait for a person
            given.setdefault(event_type(basis.kind), set()).update(routes.by_basis[basis.id].queues)
    assert {event_type(kind): set(queues) for kind, queues in cases.QUEUES.items()} == given


def test_every_locating_field_that_a_basis_names_is_looked_for(demo):
    configuration = load(CONFIG)
    registry = Registry.load(configuration.gateway.schemas)
    locating = {
        name
        for basis in configuration.bases
        for name in basis.fields
        if basis.inward and basis.carried and registry[ContractId(basis.contract)].kinds[basis.kind][name].locating
    }
    assert locating <= ledger.LOCATING


@pytest.mark.parametrize("option", [["--messages", "0"], ["--messages", "many"]])
def test_wrong_use_of_the_demo_exits_2(option):
    assert CliRunner().invoke(main, ["demo", *option]).exit_code == 2
