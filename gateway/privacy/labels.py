"""Labels: what may be done with data, and where it comes from, sticking to it from the basis to the last queue.

A law that lets data in often says for what: Skatteverket's absence records may serve the control of two benefits and
nothing else (lag (2024:1300) 1 §). That must still be known when the data has left the gateway, so labels travel in
every event. Who joins two pieces of data must keep to both labels, which `intersect` computes; the law knows no way
to add labels up (SFB 114 kap. 8-11 §§).

Beside what it may be used for, data carries what it was collected for, what it is or was processed for, and the bases
that let it in. Joined data has each of these so that nothing may be done with the whole that may not be done with
every part of it:

* Purposes that it was collected or processed for: what all parts were. 11 § lets data on health serve control,
  planning, follow-up and statistics only where it is or was processed to handle somebody's case, to inform or as its
  ground (8 § 1-3). It says so of the data, not of the file that it stands in: a diagnosis collected for control alone
  does not become case material by being put beside one that is. The union would make it so; the intersection cannot.
  It may be too narrow, where one part was processed for 8 § 1 and the other for 8 § 3; whoever needs them then keeps
  them apart.
* Bases: those of all parts, so that every lock holds.

What is done with joined data is processing too: `processed` writes it down, for a purpose that the labels allow. So
the whole may in time have been processed for more than its parts had, and truly so, but never for what a label
forbids.

An event goes to a queue only where each purpose that the queue serves is among the data's own, and is compatible with
where the data comes from, for every benefit that the queue handles (`compatibility`, `serving`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from gateway.config import Queue
from gateway.config.law import Basis
from gateway.errors import IntegrityError
from gateway.message import Labels
from gateway.privacy import compatibility
from gateway.privacy.purposes import Purpose
from gateway.privacy.request import DataProvenance
from gateway.privacy.rule import Rule

NOTHING: Final = Labels(purposes=frozenset(), benefits=frozenset(), retention="", no_onward=True)
"""Of data that no basis let in: nothing may be done with it."""


def of(basis: Basis) -> Labels:
    """Return the labels of everything that passes on this basis."""
    collected = frozenset(basis.purposes)
    return Labels(
        purposes=collected,
        benefits=None if basis.benefits is None else frozenset(basis.benefits),
        retention=basis.retention,
        no_onward=basis.no_onward,
        collected_for=collected,
        processed_for=collected,
        bases=frozenset({basis.id}),
    )


def read(attributes: Mapping[str, object]) -> Labels:
    """Return the labels that an event carries in its attributes (`events.compose`).

    Events of an earlier version do not tell where their data comes from: then nothing is known of it.

    Raises IntegrityError where a label is missing or is none: what may be done with the data is then not known.
    """
    purposes, benefits, retention = (attributes.get(name) for name in ("purposes", "benefits", "retention"))
    no_onward = attributes.get("noonward")
    if not (isinstance(purposes, str) and isinstance(retention, str) and isinstance(no_onward, bool)):
        raise IntegrityError("an event without labels")
    if benefits is not None and not isinstance(benefits, str):
        raise IntegrityError("an event whose benefits are no text")
    return Labels(
        purposes=frozenset(purposes.split()),
        benefits=None if benefits is None else frozenset(benefits.split()),
        retention=retention,
        no_onward=no_onward,
        collected_for=_several(attributes, "collectedfor"),
        processed_for=_several(attributes, "everprocessedfor"),
        bases=_several(attributes, "basis"),
    )


def _several(attributes: Mapping[str, object], name: str) -> frozenset[str]:
    found = attributes.get(name, "")
    if not isinstance(found, str):
        raise IntegrityError(f"an event whose {name} is no text")
    return frozenset(found.split())


def intersect(one: Labels, other: Labels) -> Labels:
    """Return the labels of data made by joining data with these two: never wider than either.

    Both gallring rules hold, so both are kept, in order of name. Associative, commutative and idempotent.
    """
    if one.benefits is None or other.benefits is None:
        benefits = one.benefits if other.benefits is None else other.benefits
    else:
        benefits = one.benefits & other.benefits
    rules = {rule for label in (one, other) for rule in label.retention.split("; ")}
    return Labels(
        purposes=one.purposes & other.purposes,
        benefits=benefits,
        retention="; ".join(sorted(rules)),
        no_onward=one.no_onward or other.no_onward,
        collected_for=one.collected_for & other.collected_for,
        processed_for=one.processed_for & other.processed_for,
        bases=one.bases | other.bases,
    )


def processed(labels: Labels, purpose: str) -> Labels:
    """Return the labels of data that has been processed for a purpose; it is written down, and opens nothing else.

    Raises IntegrityError where the labels do not allow the purpose: then it must not have been.
    """
    if purpose not in labels.purposes:
        raise IntegrityError(f"data was processed for {purpose}, which its labels do not allow")
    return replace(labels, processed_for=labels.processed_for | {purpose})


def provenance(labels: Labels) -> tuple[DataProvenance, ...]:
    """Return where data with these labels comes from, one row a basis, as `compatibility.judge` asks it."""
    collected = labels.collected_for - {Purpose.STATISTIK} or labels.collected_for
    return tuple(
        DataProvenance(collected_for=min(collected, default=""), processed_for=labels.processed_for, basis=basis)
        for basis in sorted(labels.bases)
    )


def may_serve(queue: Queue, labels: Labels) -> bool:
    """Say whether data with these labels may be put on this queue, as far as the labels say (`Queue.may_serve`)."""
    return queue.may_serve(labels.purposes, labels.benefits)


Rules = Mapping[str, tuple[Rule, ...]]
"""Every basis of the register, by id, with its versions (`Law.rules`)."""


def serving(rules: Rules) -> Callable[[Queue, Basis], bool]:
    """Return what says whether a queue may have what a basis lets in: by its labels, and by where it comes from."""
    return lambda queue, basis: _serves(queue, of(basis), rules)


def _serves(queue: Queue, labels: Labels, rules: Rules) -> bool:
    if not may_serve(queue, labels):
        return False
    passing = [(rule, rule.fields) for id_ in labels.bases for rule in rules.get(id_, ())]
    health = any(not rule.health_fields.isdisjoint(fields) for rule, fields in passing)
    sensitive = any(not rule.sensitive_fields.isdisjoint(fields) for rule, fields in passing)
    return all(
        compatibility.judge(origin, purpose, benefit, health=health, sensitive=sensitive, rules=rules) is None
        for origin in provenance(labels)
        for purpose in queue.purposes
        for benefit in queue.benefits or (None,)
    )
