"""The cases of `tests/cases/purpose/`, put together: a case's request is its common one with its own changes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any

from gateway.privacy.law import Law
from tests.unit.privacy.statute import agreed, delivered

HERE = Path(__file__).parent / "purpose"


@dataclass(frozen=True)
class Case:
    """One case, whole."""

    name: str
    rule: str
    source: str
    request: Mapping[str, Any]
    at: datetime
    """Noon of the day that the case is decided on."""
    expected: Mapping[str, Any]


def load(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return one table over another, at every depth."""
    both = {**below, **above}
    for name in below.keys() & above.keys():
        if isinstance(below[name], Mapping) and isinstance(above[name], Mapping):
            both[name] = merged(below[name], above[name])
    return both


def common(name: str) -> dict[str, Any]:
    table = load(HERE / "gemensamt" / f"{name}.toml")
    return merged(common(table["extends"]), table) if "extends" in table else table


def whole(path: Path) -> Case:
    case = load(path)
    table = merged(common(case["extends"]), case)
    request = table["request"]
    for name in case.get("without", ()):
        *places, last = name.split(".")
        inner = request
        for place in places:
            inner = inner[place]
        del inner[last]
    return Case(
        name=path.stem,
        rule=case["rule"],
        source=case["source"],
        request=request,
        at=noon(table["at"]),
        expected=case["expected"],
    )


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


@cache
def cases() -> tuple[Case, ...]:
    """Every case that is a request, in order of its name."""
    return tuple(whole(path) for path in sorted(HERE.glob("*.toml")) if "extends" in load(path))


@cache
def law() -> Law:
    """The delivered register, compiled as the gateway does."""
    registry = agreed()
    return Law.build(delivered(), registry.kinds(), registry.outgoing)
