"""What waits for a person, as it is shown to one who may answer it: named fields, read as they were when they came.

Of a quarantined message what may not come is told by name only. Whoever looks needs the sealing key and the database's
reviewer, and nothing else of the gateway's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.adapters.registry import Registry
from gateway.config import Configuration, Limits
from gateway.errors import IntegrityError
from gateway.inbound import reading
from gateway.message import Person, Record, Value
from gateway.outbound import commands
from gateway.privacy.law import Law
from gateway.review import Kind
from gateway.store.place import Duty
from gateway.store.releases import StoredReleases
from gateway.store.reviews import Review
from gateway.trust.sealing import Sealer
from gateway.wiring.drivers import place
from gateway.wiring.releasing import answer
from gateway.wiring.rules import sealer


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One person's part of what waits."""

    record: int | None
    information: str
    person: Person
    fields: Mapping[str, Value]
    forbidden: Sequence[str] = ()
    """Names of what may not come this way, without what it says; of elements that no contract knows, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reads:
    limits: Limits
    contracts: Registry
    sealer: Sealer


def content(configuration: Configuration, review: Review) -> Sequence[Shown]:
    """Return what a review is about. Write down first who looks (`StoredReviews.do`, READ).

    Raises ConfigError (the sealing key), IntegrityError, RejectedError (its contract does not take it any more),
    UnavailableError.
    """
    gateway = configuration.gateway
    by = _Reads(limits=gateway.limits, contracts=Registry.load(gateway.schemas), sealer=sealer(gateway.keys))
    releases = StoredReleases(place(configuration, Duty.REVIEWER))
    try:
        if review.kind is Kind.DISPATCH:
            return [_of_dispatch(releases, review, by)]
        waiting = releases.get(review.id)
        if waiting is None:
            raise IntegrityError(f"review {review.id}: what waits is gone")
        if review.kind is Kind.QUARANTINE:
            law = Law.build(configuration, by.contracts.kinds(), by.contracts.outgoing)
            valid = reading.message(waiting, by)
            return [_less(one, review, law) for one in valid.records]
        valid = answer(waiting, by)[0] if review.kind is Kind.ANSWER else reading.record(waiting, by)
        return [_whole(one) for one in valid.records if one.position == review.record]
    finally:
        releases.close()


def _of_dispatch(releases: StoredReleases, review: Review, by: _Reads) -> Shown:
    sealed = releases.command(review.id)
    if sealed is None:
        raise IntegrityError(f"review {review.id}: what waits is gone")
    command = commands.reread(by.sealer.open(sealed, ()).evidence)
    (queued,) = (one for one in commands.queue(command) if one.dispatch == review.dispatch)
    return Shown(
        record=None,
        information=review.information,
        person=command.person,
        fields={**command.fields, **queued.recipient.fields},
    )


def _whole(record: Record) -> Shown:
    return Shown(
        record=record.position,
        information=record.kind,
        person=record.person,
        fields=record.fields,
        forbidden=record.extensions,
    )


def _less(record: Record, review: Review, law: Law) -> Shown:
    """Return a quarantined record, with what some basis names and none forbids."""
    kind = next(
        (one for (contract, name), one in law.kinds.items() if (contract, name) == (review.contract, record.kind)), None
    )
    rules = () if kind is None else kind.rules
    named = {name for rule in rules for name in rule.fields - rule.forbidden_fields}
    return Shown(
        record=record.position,
        information=record.kind,
        person=record.person,
        fields={name: value for name, value in record.fields.items() if name in named},
        forbidden=(*(name for name in record.fields if name not in named), *record.extensions),
    )
