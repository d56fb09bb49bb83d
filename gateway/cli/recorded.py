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
    from gateway.store.dispatch_views import DispatchViews
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
    from gateway.wiring.unsealing import Unsealing  # noqa: PLC0415  # drivers

    found = Unsealing(views, sealer).leaf(position)
    return None if found is None or found.record is None else _told(_read(found.record))


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
