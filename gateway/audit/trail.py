"""A leaf's trail, made of its hidden record: one function, so that whoever opens the record can make it again.

    kind          at          names                                         what of it is told
    decision      received    partner, contract, basis, lagrum, purposes    outcome, reasons, names of fields
      of ours     decided     and the asker, the case
    refusal       received    partner, address                              code
    intent        composed    as a decision of ours                         names of the fields that leave
    end           ended       partner, contract, asker                      state, code, whether it was released
    review        settled     partner, contract, role, officials            answer, what the law then said
    register      taken       who runs the process                          policy
    declaration   declared    the same
    other kinds   at          by, code, partner, contract, policy, where the record has them

What is left out on purpose: the person, values, the partner's or anybody's own words (details, reasons and notes of
people), digests, and periods. Case and consent are told by a keyed hash that whoever makes the leaf gives; a record
that has them and comes without is no trail, so that none is silently lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.errors import IntegrityError
from gateway.trail import Flow, Trail

__all__ = ["Flow", "Trail", "of"]

Record = Mapping[str, Any]
_MOVES = frozenset({"decision", "refusal", "intent", "end", "review"})
"""Kinds that tell of what goes a way."""
_MOMENT = {
    "refusal": "received",
    "intent": "composed",
    "end": "ended",
    "review": "settled",
    "register": "taken",
    "declaration": "declared",
}
"""Which key has the time; `at` of kinds that are not here, and of decisions `received`, or `decided` of our own."""


def of(record: Record, *, case: str | None = None, consent: str | None = None) -> Trail:
    """Return the trail of a leaf.

    Args:
        record: The hidden record, as it was composed or as it was read out of the seal.
        case: The keyed hash of the case that the record names.
        consent: The keyed hash of the consent that it names.

    Raises:
        IntegrityError: it is no record of this log's, or it names a case or a consent whose hash was not given.
    """
    try:
        _named(record, case, consent)
        return Trail(
            flow=_flow(record),
            at=_at(record),
            organisation=record.get("organisation"),
            reference=record.get("message_id") or record.get("dispatch") or record.get("reference"),
            record=record.get("record"),
            by=record.get("by"),
            second=record.get("second"),
            case=case,
            consent=consent,
            consent_until=_until(record),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise IntegrityError("the record is not one that a trail can be made of") from None


def _named(record: Record, case: str | None, consent: str | None) -> None:
    for name, key in (("case", case), ("consent", consent)):
        if (record.get(name) is None) != (key is None):
            raise IntegrityError(f"a record's {name} and its keyed hash go together")


def _flow(record: Record) -> Flow:
    kind, ours = record["kind"], _ours(record)
    refused = kind == "refusal"
    return Flow(
        kind=kind,
        direction=("out" if ours else "in") if kind in _MOVES else None,
        partner=record.get("partner"),
        contract=record["address"] if refused else record.get("contract"),
        information=record.get("information"),
        interaction=record.get("interaction"),
        asker=record.get("asker"),
        purposes=_purposes(record),
        basis=record.get("basis"),
        lagrum=tuple(record.get("lagrum") or ()),
        policy=record.get("policy"),
        outcome="PERMIT" if kind == "intent" else record.get("outcome"),  # an intent is made of nothing else
        reasons=tuple(record.get("reasons") or ()),
        granted=tuple(record.get("granted") or ()),
        withheld=tuple(_withheld(record.get("withheld") or ())),
        protection=record.get("protection"),
        code=record.get("code"),
        state=record.get("state"),
        released=record.get("released"),
        waited=record.get("waited"),
        role=record.get("role"),
        answer=record.get("answer") if kind == "review" else None,  # of an end it is a digest
        noted=record.get("note") is not None,
        consented=record.get("consent") is not None or _until(record) is not None,
    )


def _ours(record: Record) -> bool:
    """Tell whether it is about what we send or ask."""
    return "dispatch" in record or record.get("waited") == "dispatch"


def _at(record: Record) -> datetime:
    kind = record["kind"]
    ours = "decided" if record.get("direction") == "out" else "received"
    said = record[ours if kind == "decision" else _MOMENT.get(kind, "at")]
    at = said if isinstance(said, datetime) else datetime.fromisoformat(said)
    if at.tzinfo is None:
        raise IntegrityError("a record has a time without a zone")
    return at.astimezone(UTC)


def _purposes(record: Record) -> tuple[str, ...]:
    one = record.get("purpose")
    return tuple(record.get("purposes") or ()) if one is None else (one,)


def _withheld(withheld: Iterable[Mapping[str, str]]) -> Iterable[str]:
    return (f"{one['field']}={one['reason']}" for one in withheld)


def _until(record: Record) -> str | None:
    """Return the last day of the consent that it was judged by."""
    consent = (record.get("judged") or {}).get("consent")
    return None if consent is None else str(consent["until"])
