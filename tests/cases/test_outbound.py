"""What may go out, in cases that a lawyer can read: `tests/cases/outbound/*.toml`, one rule each."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from gateway import config
from gateway.config import law as law_rows
from gateway.dispatch import (
    AskerId,
    Case,
    Command,
    CommandId,
    Consent,
    DispatchId,
    Interaction,
    Period,
    Queued,
    Recipient,
)
from gateway.message import Category, ContractId, FieldSpec, NumberKind, Outcome, PartnerId, Person, Protection
from gateway.partners import Endpoint
from gateway.privacy import disclosure
from gateway.privacy.law import Law
from tests.builders import NUMBERS
from tests.unit.privacy.statute import agreed, delivered

HERE = Path(__file__).parent / "outbound"
CASES = {path.stem: path for path in sorted(HERE.glob("*.toml")) if path.stem != "law"}
PERSON = Person(number=NUMBERS[0], kind=NumberKind.PERSONNUMMER, check_digit_valid=True)


def read(path: Path) -> dict:
    return tomllib.loads(path.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Agreed:
    """A contract of the cases alone."""

    interaction: Interaction
    kind: str
    mandatory: frozenset[str] = frozenset()
    answer: ContractId | None = None


@cache
def law() -> tuple[Law, dict]:
    """Return the delivered register with the cases' own rows, and every contract that goes out."""
    more, configuration, registry = read(HERE / "law.toml"), delivered(), agreed()
    own = {ContractId(row["id"]): Agreed(Interaction(row["interaction"]), row["kind"]) for row in more["contract"]}
    kinds = registry.kinds() | {
        ContractId(row["id"]): {
            row["kind"]: {name: FieldSpec(category=Category(value)) for name, value in row["fields"].items()}
        }
        for row in more["contract"]
    }
    some = next(iter(configuration.partners.values()))
    partners = {
        PartnerId(row["id"]): some.model_copy(
            update={
                "id": PartnerId(row["id"]),
                "partner_type": row["partner_type"],
                "endpoint": (Endpoint(address="https://localhost/", contracts=(ContractId(row["id"]),)),),
            }
        )
        for row in more["contract"]
    }
    askers = {row["id"]: config.Asker.model_validate(row) for row in more["asker"]}
    whole = configuration.model_copy(
        update={
            "partners": configuration.partners | partners,
            "lagrum": (*configuration.lagrum, *(law_rows.Lagrum.model_validate(row) for row in more["lagrum"])),
            "bases": (*configuration.bases, *(law_rows.Basis.model_validate(row) for row in more["basis"])),
            "askers": configuration.askers | askers,
        }
    )
    outward = {**registry.outgoing, **own}
    return Law.build(whole, kinds, outward), outward


def command(request: dict) -> Command:
    first, last = request["case"]
    consent = request.get("consent")
    rows = {name: tuple(value) if isinstance(value, list) else value for name, value in request["fields"].items()}
    own = {name: tuple(value) if isinstance(value, list) else value for name, value in request.get("own", {}).items()}
    return Command(
        id=CommandId("fall"),
        asker=AskerId(request["asker"]),
        contract=ContractId(request["contract"]),
        purpose=request["purpose"],
        case=Case(
            reference=request.get("reference", "A-1"),
            benefit=request["benefit"],
            period=Period(first=first, last=last),
        ),
        person=PERSON,
        period=Period(first=request["period"][0], last=request["period"][1]) if "period" in request else None,
        fields=rows,
        recipients=(
            Recipient(
                position=1,
                partner=PartnerId(request["partner_type"]),
                organisation=None,
                basis=request["basis"],
                fields=own,
            ),
        ),
        consent=consent
        and Consent(
            reference=consent["reference"], recipients=frozenset(consent["recipients"]), until=consent["until"]
        ),
        suspicion=request.get("suspicion"),
        at=request["at"],
        expires=request["at"],
    )


@pytest.mark.parametrize("name", CASES)
def test_the_register_answers_as_the_case_says(name):
    case = read(CASES[name])
    request, expected = case["request"], case["expected"]
    built, outward = law()
    asked = command(request)
    queued = Queued(dispatch=DispatchId("urn:uuid:1"), command=asked, recipient=asked.recipients[0])
    told = {}
    try:
        permitted = disclosure.permit(
            queued,
            built,
            lambda _: Protection(request["protection"]),
            partner_type=request["partner_type"],
            kind=outward[asked.contract].kind,
            at=request["at"],
        )
    except disclosure.Stopped as stopped:
        decision = stopped.decision
    else:
        decision = permitted.decision
        told["paragraph"] = permitted.citation.lagrum
        if decision.withheld:
            told["withheld"] = [item.field for item in decision.withheld]
    assert expected == {"decision": decision.outcome, "reasons": list(decision.reasons), **told}, case["rule"]


def test_every_case_says_its_rule_and_where_it_comes_from():
    for path in CASES.values():
        case = read(path)
        assert case.keys() == {"rule", "source", "request", "expected"}
        assert case["rule"].endswith(".")
        assert case["source"]


def test_the_cases_hold_permissions_denials_and_what_is_left_to_a_person():
    decisions = {read(path)["expected"]["decision"] for path in CASES.values()}
    assert decisions == set(Outcome)
