"""Purpose and law in cases that a lawyer can read: `tests/cases/purpose/*.toml`, judged by the delivered register."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway import review
from gateway.config.law import Direction
from gateway.errors import ConfigError
from gateway.message import Outcome
from gateway.privacy import answers, engine, examples, explain, gates, inputs, reading
from gateway.privacy.law import Law
from gateway.privacy.reasons import Reason
from tests.cases.requests import HERE, Case, cases, common, law, load, noon
from tests.unit.privacy.statute import agreed, delivered

CASES = {case.name: case for case in cases()}
LOADED = {path.stem: load(path) for path in sorted(HERE.glob("*.toml")) if "basis" in load(path)}
EXPECTED = {
    "decision",
    "reasons",
    "gate",
    "lagrum",
    "granted",
    "withheld",
    "quarantined",
    "missing",
    "invalid",
    "coarse",
}


def decide(case: Case) -> dict:
    request = reading.read(case.request, law().words, source=case.name)
    return answers.answer(engine.decide(request, law(), case.at), request)


def denying(answer: dict) -> int | str | None:
    """The number of the gate that denied, or else of the first that left it to a person."""
    for result in ("deny", "refer"):
        for gate in answer["gates"]:
            if gate["result"] == result:
                number = gate["gate"].partition(" ")[0]
                return int(number) if number.isdecimal() else number
    return None


@pytest.mark.parametrize("name", CASES)
def test_the_register_answers_as_the_case_says(name):
    case = CASES[name]
    answer, expected = decide(case), case.expected
    found = {
        "decision": answer["decision"],
        "reasons": answer["reasonCodes"],
        "gate": denying(answer),
        "lagrum": expected.get("lagrum") if expected.get("lagrum") in answer["lagrumVersions"] else None,
        "granted": answer["fieldsGranted"],
        "withheld": {row["field"]: row["reason"] for row in answer["fieldsWithheld"]},
        "quarantined": answer["quarantined"],
        "missing": answer["inputsMissing"],
        "invalid": answer["inputsInvalid"],
        "coarse": answer["coarse"],
    }
    assert {key: found[key] for key in expected} == expected, case.rule


@pytest.mark.parametrize("name", CASES)
def test_the_same_request_has_the_same_answer_and_names_nobody(name):
    answer = decide(CASES[name])
    assert answer == decide(CASES[name])
    assert CASES[name].request.get("subject", {}).get("pid", "-") not in json.dumps(answer)
    for language in explain.LANGUAGES:
        told = "\n".join(explain.paragraphs(answer, language))
        assert not re.search(r"\d{8}-?\d{4}\b(?![0-9a-f])", told.replace(answer["decisionId"], ""))


def mandatory(table: inputs.Table, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every input that must be there, at every depth; rows of lists have their own tests."""
    for name, wanted in table.inputs.items():
        if wanted.mandatory:
            yield (*path, name)
        if isinstance(wanted.of, inputs.Table) and not wanted.of.many:
            yield from mandatory(wanted.of, (*path, name))


def without(request: Mapping, path: tuple[str, ...]) -> dict:
    name, *rest = path
    if not rest:
        return {key: value for key, value in request.items() if key != name}
    return {**request, name: without(request[name], tuple(rest))}


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.expected["decision"] == "PERMIT"])
def test_a_permitted_request_is_not_permitted_with_any_mandatory_input_gone(name):
    case = CASES[name]
    for path in mandatory(inputs.REQUEST):
        if path[0] not in case.request:
            continue
        answer = decide(replace(case, request=without(case.request, path)))
        assert (answer["reasonCodes"], answer["inputsMissing"]) == (["INPUT_MISSING"], [".".join(path)])


def test_every_request_of_the_forty_two_has_a_case_and_a_near_miss():
    numbers = [int(name[:2]) for name in (*CASES, *LOADED)]
    assert set(range(1, 43)) <= set(numbers)
    one_is_enough = {32}  # the log: what mends it is not another request
    assert [number for number in range(1, 43) if numbers.count(number) < 2 and number not in one_is_enough] == []


def test_there_are_forty_cases_that_are_permitted_or_nearly():
    permitted = [case for case in CASES.values() if case.expected["decision"] == "PERMIT"]
    assert len(permitted) >= 40
    assert len(CASES) >= 42 + 40


def test_every_case_says_its_rule_its_source_and_what_is_expected():
    for case in CASES.values():
        assert case.rule.endswith(".")
        assert case.source
        assert {"decision", "reasons"} <= case.expected.keys() <= EXPECTED
        assert case.expected["decision"] in set(map(str, Outcome))
        assert set(case.expected["reasons"]) <= set(map(str, Reason))
        assert ("gate" in case.expected) == (case.expected["decision"] != "PERMIT")


def test_every_common_request_is_used():
    used = {load(path).get("extends") for path in HERE.glob("*.toml")}
    assert {path.stem for path in (HERE / "gemensamt").glob("*.toml")} - {"grund"} == used - {None}


@pytest.mark.parametrize("name", LOADED)
def test_a_basis_that_nobody_else_has_approved_is_not_loaded(name):
    case, configuration, registry = LOADED[name], delivered(), agreed()
    changed = tuple(
        basis.model_copy(update={key: tuple(new) if isinstance(new, list) else new for key, new in rows.items()})
        if basis.id == case["basis"]
        else basis
        for rows in [case["change"]]
        for basis in configuration.bases
    )
    with pytest.raises(ConfigError) as refused:
        Law.build(configuration.model_copy(update={"bases": changed}), registry.kinds(), registry.outgoing)
    assert case["expected"]["error"] in refused.value.detail
    assert case["basis"] in refused.value.detail


# --- What follows from the cases ------------------------------------------------------------------------------------


def test_a_change_of_law_at_midnight_in_sweden_changes_the_answer_and_nothing_else_did():
    before, after = (CASES[f"05-bank-misstanke-{when}-lagandringen"] for when in ("fore", "efter"))
    assert before.at + timedelta(days=1) == after.at
    told = [decide(case) for case in (before, after)]
    assert [answer["decision"] for answer in told] == ["DENY", "PERMIT"]
    dated = {"eventDate", "period", "lagrum"}
    assert {key for key in before.request if before.request[key] != after.request[key]} == dated


@pytest.mark.parametrize("direction", Direction)
def test_an_example_of_every_direction_is_permitted(direction):
    at = noon(common("grund")["at"])
    request = examples.permitted(law(), direction, at)
    assert request is not None
    assert request["direction"] == direction
    assert reading.read(request, law().words).missing == ()
    assert engine.decide(reading.read(request, law().words), law(), at).outcome is Outcome.PERMIT


def test_every_basis_of_the_register_lets_something_through_or_leaves_it_to_a_person():
    at, stuck = noon(common("grund")["at"]), []
    for versions in law().rules.values():
        for rule in versions:
            request = examples.of(rule, at)
            if request is None:  # it no longer holds
                assert rule.valid_until < at.date()
                continue
            verdict = engine.decide(reading.read(request, law().words), law(), at)
            if verdict.outcome is Outcome.DENY:
                stuck.append((rule.basis, verdict.reasons))
    assert stuck == []


def test_every_basis_that_has_ended_let_something_through_on_its_last_day():
    stuck = []
    for versions in law().rules.values():
        for rule in (rule for rule in versions if rule.valid_until < noon(common("grund")["at"]).date()):
            at = noon(rule.valid_until)
            request = examples.of(rule, at)
            verdict = None if request is None else engine.decide(reading.read(request, law().words), law(), at)
            if verdict is None or verdict.outcome is Outcome.DENY:
                stuck.append((rule.basis, None if verdict is None else verdict.reasons))
    assert stuck == []


# --- The guide ------------------------------------------------------------------------------------------------------

GUIDE = (HERE.parents[2] / "docs" / "andamal.md").read_text(encoding="utf-8")


def test_the_guide_goes_through_every_gate_in_order():
    rows = re.findall(r"^\| (\d+) [^|]+\|", GUIDE, re.MULTILINE)
    assert rows == [str(gate.number) for gate in gates.GATES]


def test_the_guide_names_reasons_and_inputs_that_there_are():
    codes = set(re.findall(r"`([A-Z][A-Z_]{3,})`", GUIDE)) - set(map(str, Outcome))
    assert codes - {"DENIED", "REFERRED", review.PROTECTED} <= set(map(str, Reason))
    named = set(re.findall(r"`(\w+)`", GUIDE))
    assert set(inputs.REQUEST.inputs) - named == {"automated"}  # written with its value
    assert "`automated = true`" in GUIDE
