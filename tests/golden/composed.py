"""What each golden parcel is composed to: `<case>.parcel.json` beside `<case>.body`, by zeep, from the delivered WSDLs.

Run `python -m tests.golden.composed` to write the bodies anew after a change that is meant, and read the difference: it
is what partners will get. A parcel is what a contract may know: all but what is withheld.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime
from functools import cache
from pathlib import Path

from gateway.adapters import persons, registry
from gateway.dispatch import Citation, DispatchId, Parcel, Period
from gateway.message import ContractId, OrganisationNumber
from gateway.transport.bodies import Bodies

HERE = Path(__file__).parent
SCHEMAS = HERE.parents[1] / "schemas"
CASES = sorted(HERE.rglob("*.parcel.json"))
ID = "urn:uuid:6f1d7a52-61c5-5a0e-9e0b-5f0a3c8f7d11"


@cache
def agreed() -> tuple[registry.Registry, Bodies]:
    """Return contracts as delivered, and what composes by them."""
    contracts = registry.Registry.load(SCHEMAS)
    return contracts, Bodies(SCHEMAS, contracts.outgoing.values())


def contract(case: Path) -> ContractId:
    return ContractId(case.parent.relative_to(HERE).as_posix())


def parcel(case: Path) -> Parcel:
    """Read a golden parcel."""
    told = json.loads(case.read_text(encoding="utf-8"))
    period = told.get("period")
    return Parcel(
        dispatch=DispatchId(ID),
        person=persons.read(told["person"]),
        fields={name: tuple(value) if isinstance(value, list) else value for name, value in told["fields"].items()},
        period=None if period is None else Period(**{name: date.fromisoformat(day) for name, day in period.items()}),
        citation=Citation(**told["citation"]),
        sender=OrganisationNumber("2021005521"),
        reference=ID,
        made=datetime.fromisoformat(told.get("made", "2026-01-10T09:30:00Z")),
        settings=told.get("settings", {}),
    )


def composed(id_: ContractId, made: Parcel) -> bytes:
    """Compose, and hold to the schema: what the way out does. Raises ContractError."""
    contracts, bodies = agreed()
    payload = bodies.body(id_, contracts.outgoing[id_].compose(made))
    registry.hold(payload, id_, contracts)
    return payload


def but(made: Parcel, **fields: object) -> Parcel:
    """Return the parcel with some fields changed; None takes one away."""
    return replace(made, fields={name: value for name, value in {**made.fields, **fields}.items() if value is not None})


def one(name: str) -> Parcel:
    """Return a golden parcel by `<partner>/<contract>/<case>`."""
    return parcel(HERE / f"{name}.parcel.json")


def written(case: Path) -> Path:
    """Return where the case's body stands."""
    return case.with_name(case.name.replace(".parcel.json", ".body"))


if __name__ == "__main__":
    for each in CASES:
        written(each).write_bytes(composed(contract(each), parcel(each)) + b"\n")
