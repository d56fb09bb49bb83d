"""What waits for a person, as it is shown to one who may answer it: named fields, read as they were when they came.

Of a quarantined message what may not come is told by name only. Of whoever is protected by now no more is shown than
`privacy.showing` lets whoever looks see. Whoever looks needs the sealing key and the database's reviewer, and nothing
else of the gateway's: the store tells of those whom it is about whether they are protected.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.adapters.registry import Registry
from gateway.config import Configuration, Limits
from gateway.errors import IntegrityError
from gateway.inbound import reading
from gateway.message import FieldSpec, Person, Protection, Record, Valid, Value, Withheld
from gateway.outbound import commands
from gateway.privacy import protected, showing
from gateway.privacy.law import Law
from gateway.privacy.referral import Referrals
from gateway.privacy.showing import Seen
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
    person: Person | None = field(repr=False)
    """None where whoever looks may not know."""
    fields: Mapping[str, Value] = field(repr=False)
    forbidden: Sequence[str] = ()
    """Names of what may not come this way, without what it says; of elements that no contract knows, too."""
    withheld: Sequence[Withheld] = ()
    """What whoever looks may not see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reads:
    limits: Limits
    contracts: Registry
    sealer: Sealer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """Who looks, and what is known now of those whom it is about."""

    entitled: bool
    known: Mapping[tuple[int, bool], Protection]
    contracts: Registry

    def shown(self, record: Record, records: Sequence[Record], kinds: Mapping[str, Mapping[str, FieldSpec]]) -> Seen:
        known = protected.said(records, showing.known_of(self.known, record.position, record.person))
        return showing.seen(
            record.person,
            record.related,
            record.fields,
            known=known,
            specs=kinds.get(record.kind, {}),
            entitled=self.entitled,
        )


def content(configuration: Configuration, review: Review, roles: Collection[str]) -> Sequence[Shown]:
    """Return what a review is about, as far as somebody of these roles may see it now.

    Write down first who looks (`StoredReviews.do`, READ).

    Raises ConfigError (the sealing key), IntegrityError, RejectedError (its contract does not take it any more),
    UnavailableError.
    """
    gateway = configuration.gateway
    by = _Reads(limits=gateway.limits, contracts=Registry.load(gateway.schemas), sealer=sealer(gateway.keys))
    releases = StoredReleases(place(configuration, Duty.REVIEWER))
    try:
        entitled = Referrals(configuration.reviews).protected() in roles
        look = _Look(entitled=entitled, known=releases.protections(review.id), contracts=by.contracts)
        if review.kind is Kind.DISPATCH:
            return [_of_dispatch(releases, review, by, look)]
        waiting = releases.get(review.id)
        if waiting is None:
            raise IntegrityError(f"review {review.id}: what waits is gone")
        if review.kind is Kind.QUARANTINE:
            law = Law.build(configuration, by.contracts.kinds(), by.contracts.outgoing)
            valid = reading.message(waiting, by)
            return [_less(one, review, law, _seen(valid, one, look)) for one in valid.records]
        valid = answer(waiting, by)[0] if review.kind is Kind.ANSWER else reading.record(waiting, by)
        return [_whole(one, _seen(valid, one, look)) for one in valid.records if one.position == review.record]
    finally:
        releases.close()


def _seen(valid: Valid, record: Record, look: _Look) -> Seen:
    kinds = look.contracts.kinds().get(valid.provenance.contract, {})
    return look.shown(record, valid.records, kinds)


def _of_dispatch(releases: StoredReleases, review: Review, by: _Reads, look: _Look) -> Shown:
    sealed = releases.command(review.id)
    if sealed is None:
        raise IntegrityError(f"review {review.id}: what waits is gone")
    command = commands.reread(by.sealer.open(sealed, ()).evidence)
    (queued,) = (one for one in commands.queue(command) if one.dispatch == review.dispatch)
    going = look.contracts.outgoing.get(command.contract)
    seen = showing.seen(
        command.person,
        (),
        {**command.fields, **queued.recipient.fields},
        known=showing.known_of(look.known, 0, command.person),
        specs={} if going is None else going.kinds.get(review.information, {}),
        entitled=look.entitled,
    )
    return Shown(
        record=None,
        information=review.information,
        person=seen.person,
        fields=seen.fields,
        withheld=seen.withheld,
    )


def _whole(record: Record, seen: Seen) -> Shown:
    return Shown(
        record=record.position,
        information=record.kind,
        person=seen.person,
        fields=seen.fields,
        forbidden=record.extensions,
        withheld=seen.withheld,
    )


def _less(record: Record, review: Review, law: Law, seen: Seen) -> Shown:
    """Return a quarantined record, with what some basis names and none forbids."""
    kind = next(
        (one for (contract, name), one in law.kinds.items() if (contract, name) == (review.contract, record.kind)), None
    )
    rules = () if kind is None else kind.rules
    named = {name for rule in rules for name in rule.fields - rule.forbidden_fields}
    return Shown(
        record=record.position,
        information=record.kind,
        person=seen.person,
        fields={name: value for name, value in seen.fields.items() if name in named},
        forbidden=(*(name for name in record.fields if name not in named), *record.extensions),
        withheld=tuple(one for one in seen.withheld if one.field in named),
    )
