"""What a leaf of the log tells, for a person who may know: the decision in the names of `answers.answer`.

The record is sealed. It is opened with the installation's own key, proved to be the one that the log's entry commits
to, and only then read; whoever runs this holds both key and store, as for any sealed thing here, and has said why
before (`reading`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson

from gateway.audit import leaf
from gateway.errors import IntegrityError

if TYPE_CHECKING:
    from gateway.config import Configuration
    from gateway.message import Sealed
    from gateway.store.dispatch_views import DispatchViews
    from gateway.store.views import Entry
    from gateway.trust.sealing import Sealer


@contextmanager
def opened(configuration: Configuration) -> Iterator[DispatchViews]:
    """Open the store as its archivist, who reads what is sealed; who does is written down before (`cli.reading`)."""
    from gateway import wiring  # noqa: PLC0415  # drivers
    from gateway.store.dispatch_views import DispatchViews  # noqa: PLC0415

    views = DispatchViews(wiring.place(configuration, wiring.Duty.ARCHIVIST))
    try:
        yield views
    finally:
        views.close()


def answer(views: DispatchViews, sealer: Sealer, position: int) -> Mapping[str, Any] | None:
    """Return the decision that a leaf records.

    None where the log has no such leaf, its record has been destroyed (gallring), or it tells of something else than a
    decision.

    Raises:
        IntegrityError: the record cannot be opened, or is not the one that the entry commits to.
    """
    entry = views.at(position)
    found = None if entry is None else _sealed(views, entry)
    if entry is None or found is None:
        return None
    sealed, entries = found
    records = sealer.open(sealed, [one.hash for one in entries]).records
    salt, record = records[[one.position for one in entries].index(position)]
    if not record:
        return None
    leaf.check(entry.entry, salt=salt, record=record)
    return _told(_read(record))


def _sealed(views: DispatchViews, entry: Entry) -> tuple[Sealed, list[Entry]] | None:
    """Return the seal that holds the leaf's record, and the leaves that it spans; None after gallring."""
    if entry.message is not None:
        sealed = views.sealed_message(entry.message)
        return None if sealed is None else (sealed, list(views.leaves(entry.message)))
    if entry.refusal is not None:
        sealed = views.sealed_refusal(entry.refusal)
        return None if sealed is None else (sealed, list(views.refused_leaves(entry.refusal)))
    dispatch = None if entry.dispatch is None else views.of_number(entry.dispatch)
    for step in () if dispatch is None else views.sealed(dispatch):
        if any(one.position == entry.position for one in step.leaves):
            return step.sealed, list(step.leaves)
    reviewed = views.sealed_review(entry.position)
    return None if reviewed is None else (reviewed, [entry])


def _read(record: bytes) -> Mapping[str, Any]:
    read = orjson.loads(record)
    if not isinstance(read, dict):
        raise IntegrityError("a record of the log is no table")
    return read


def _told(record: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return a record of a decision, of what we meant to disclose or what people decided, in the answer's names."""
    kind = record.get("kind")
    if kind not in {leaf.Kind.DECISION, leaf.Kind.INTENT, leaf.Kind.REVIEW}:
        return None
    if kind == leaf.Kind.REVIEW and record["outcome"] is None:  # the law was not asked again
        return None
    period = record.get("period")
    return {
        "decision": record.get("outcome", "PERMIT"),  # an intent is only made of what was permitted
        "reasonCodes": record.get("reasons", []),
        "fieldsGranted": record.get("granted", []),
        "fieldsWithheld": record.get("withheld", []),
        "obligations": record.get("obligations", []),
        "policySetHash": record.get("policy"),
        "lagrumVersions": record.get("lagrum", []),
        "basisId": record.get("basis"),
        "quarantined": record.get("quarantined", False),
        "asked": {
            "partnerType": record.get("partner"),
            "purpose": record.get("purpose"),
            "period": {"fom": period.get("first"), "tom": period.get("last")} if isinstance(period, dict) else None,
        },
    }
