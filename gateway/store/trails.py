"""The trail as it is stored: a row for each leaf, and one for each flow that many of them share (`gateway.trail`).

Lists are texts, their parts separated by spaces: they are names and codes, and have none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.database import Row, instant, written
from gateway.trail import Flow, Trail

FLOW = (
    "id, kind, direction, partner, contract, information, interaction, asker, purposes, basis, lagrum, policy, "
    "outcome, reasons, granted, withheld, protection, code, state, released, waited, role, answer, noted, consented"
)
TRAIL = "position, flow, at, organisation, reference, record, by, second, case_key, consent_key, consent_until"
_LISTS = frozenset({"purposes", "lagrum", "reasons", "granted", "withheld"})
KNOWN = "ON CONFLICT (id) DO NOTHING"
"""Of a flow that is there: the number is made of all of it, so it is the same."""


def flow_row(flow: Flow) -> Row:
    """Return a flow as `FLOW`."""
    return (
        flow.number, flow.kind, flow.direction, flow.partner, flow.contract, flow.information, flow.interaction,
        flow.asker, " ".join(flow.purposes), flow.basis, " ".join(flow.lagrum), flow.policy, flow.outcome,
        " ".join(flow.reasons), " ".join(flow.granted), " ".join(flow.withheld), flow.protection, flow.code,
        flow.state, flow.released, flow.waited, flow.role, flow.answer, flow.noted, flow.consented,
    )  # fmt: skip


def row(position: int, trail: Trail) -> Row:
    """Return a leaf's trail as `TRAIL`."""
    return (
        position, trail.flow.number, written(trail.at), trail.organisation, trail.reference, trail.record, trail.by,
        trail.second, trail.case, trail.consent, trail.consent_until,
    )  # fmt: skip


def read(trail: Sequence[Any], flow: Sequence[Any]) -> Trail:
    """Return a trail from its rows, `TRAIL` and `FLOW`."""
    said = dict(zip(TRAIL.split(", "), trail, strict=True))
    return Trail(
        flow=_flow(dict(zip(FLOW.split(", "), flow, strict=True))),
        at=instant(said["at"]),
        organisation=said["organisation"],
        reference=said["reference"],
        record=said["record"],
        by=said["by"],
        second=said["second"],
        case=said["case_key"],
        consent=said["consent_key"],
        consent_until=said["consent_until"],
    )


def _flow(said: Mapping[str, Any]) -> Flow:
    told: dict[str, Any] = {
        name: tuple(value.split()) if name in _LISTS else value for name, value in said.items() if name != "id"
    }
    return Flow(**{**told, "noted": bool(said["noted"]), "consented": bool(said["consented"])})
