"""Every change to the gates is noticed by a case, or by a table of their own tests. What is not, is equivalent."""

from __future__ import annotations

import importlib
import itertools
import types
from collections.abc import Callable, Iterator

import pytest

from tests import mutants
from tests.cases import test_purpose

TESTED = (
    "cases.test_edges",
    "unit.privacy.test_gates",
    "unit.privacy.test_engine",
    "unit.privacy.test_compatibility",
    "unit.privacy.test_purpose",
    "unit.privacy.test_disclosure",
)
"""Of `tests`: run without pytest, hundreds of times."""
EQUIVALENT: dict[str, str] = {
    "setting.passing: <= becomes < #1": "where all that is asked is named, the long way comes to the same as the short",
    "grounds.module: 1000 becomes 1001 #1": "three digits are never 1000",
    "grounds.official: 4 becomes 5 #1": "a text is before the years that it begins with only where those are",
    "contents._is_subject: returns nothing #2": "nothing is as false as False",
    "engine.named: or becomes and #1": "versions do not overlap: the one that counts is the latest that had begun",
    "engine._absent: True becomes False #1": "the values are got by the very names",
    "engine._judged: True becomes False #1": "both are made of GATES",
    "engine._id: 'utf-8' becomes another #1": "Python reads `utf-8~` as the same name",
}
"""Mutants that no test can tell from the original, and why."""

Check = Callable[[], object]


def checks() -> list[Check]:
    """Every row of every table, and every case, which takes longer."""
    found: list[Check] = []
    for name in TESTED:
        found += _calls(importlib.import_module(f"tests.{name}"))
    found += [
        lambda name=name: test_purpose.test_the_register_answers_as_the_case_says(name) for name in test_purpose.CASES
    ]
    return found


def _calls(module: types.ModuleType) -> Iterator[Check]:
    """Yield what a module's tests do, row by row; but for those that only pytest can run."""
    for name, function in vars(module).items():
        if not name.startswith("test_") or hasattr(function, "hypothesis"):
            continue
        marks = [mark for mark in getattr(function, "pytestmark", ()) if mark.name == "parametrize"]
        needed = set(function.__code__.co_varnames[: function.__code__.co_argcount])
        for chosen in itertools.product(*(_rows(*mark.args) for mark in marks)):
            given = {key: value for row in chosen for key, value in row.items()}
            fixtures = {key: _fixture(module, key) for key in needed - given.keys()}
            if None not in fixtures.values():
                made = {key: fixture() for key, fixture in fixtures.items() if fixture is not None}
                yield lambda function=function, given=given | made: function(**given)


def _fixture(module: types.ModuleType, name: str) -> Callable[[], object] | None:
    """Return a fixture's own function, if it is the module's and asks for nothing itself."""
    wrapped = getattr(vars(module).get(name), "_get_wrapped_function", None)
    function = wrapped() if wrapped is not None else None
    return function if function is not None and function.__code__.co_argcount == 0 else None


def _rows(names: object, values: object) -> list[dict[str, object]]:
    listed = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    made = []
    for value in values:
        row = value.values if isinstance(value, type(pytest.param())) else value
        row = row if len(listed) > 1 or isinstance(value, type(pytest.param())) else (row,)
        made.append(dict(zip(listed, row, strict=True)))
    return made


def reaching(every: list[Check]) -> dict[str, list[Check]]:
    """Return by function, `grounds.valid`, the checks that call it: no other can tell its mutants from it.

    Those that call little else come first.
    """
    found: dict[str, list[Check]] = {name: [] for name in mutants.functions()}
    called = [(check, mutants.called(check)) for check in every]
    for check, names in sorted(called, key=lambda one: len(one[1])):
        for name in names:
            found[name].append(check)
    return found


def survivors(module: str, every: list[Check], reached: dict[str, list[Check]]) -> list[str]:
    """Return the names of the mutants of a module that no check notices."""
    with mutants.executed(module, mutants.compiled(module)):
        # Executed once more a module has new objects; checks that hold on to the old ones notice that, and no mutant.
        above = [check for check in every if not _fails(check)]
    left = []
    for mutant in mutants.mutants(module):
        asked = above if mutant.function is None else reached[f"{module}.{mutant.function}"]
        try:
            with mutants.living(mutant):
                killer = next((check for check in asked if _fails(check)), None)
        except mutants.StillbornError:
            continue
        if killer is None:
            left.append(mutant.name)
        else:  # what kills one kills its neighbours
            asked.remove(killer)
            asked.insert(0, killer)
    return left


def _fails(check: Check) -> bool:
    try:
        check()
    except (Exception, pytest.fail.Exception):  # noqa: BLE001  # however it breaks, it has noticed
        return True
    return False


@pytest.fixture(scope="module")
def all_checks() -> list[Check]:
    return checks()


@pytest.fixture(scope="module")
def reached(all_checks) -> dict[str, list[Check]]:
    return reaching(all_checks)


def test_the_checks_hold_for_what_is_not_changed(all_checks):
    assert [check for check in all_checks if _fails(check)] == []


@pytest.mark.parametrize("module", mutants.MODULES)
def test_every_mutant_is_killed_or_named_as_equivalent(module, all_checks, reached):
    named = {name for name in EQUIVALENT if name.startswith(f"{module}.")}
    assert set(survivors(module, all_checks, reached)) == named


def test_every_equivalent_mutant_is_still_there_and_says_why():
    there = {mutant.name for module in mutants.MODULES for mutant in mutants.mutants(module)}
    assert there >= EQUIVALENT.keys()
    assert all(EQUIVALENT.values())
