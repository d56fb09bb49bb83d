"""Labels: what may be done with data, sticking to it from the basis to the last queue.

A law that lets data in often says for what: Skatteverket's absence records may serve the control of two benefits and
nothing else (lag (2024:1300) 1 §). That must still be known when the data has left the gateway, so a label travels in
every event. Who joins two pieces of data must keep to both labels, which `intersect` computes; the law knows no way to
add labels up (SFB 114 kap. 8-11 §§).
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.config import Basis, Queue
from gateway.errors import IntegrityError
from gateway.message import Labels


def of(basis: Basis) -> Labels:
    """Return the labels of everything that passes on this basis."""
    return Labels(
        purposes=frozenset(basis.purposes),
        benefits=None if basis.benefits is None else frozenset(basis.benefits),
        retention=basis.retention,
        no_onward=basis.no_onward,
    )


def read(attributes: Mapping[str, object]) -> Labels:
    """Return the labels that an event carries in its attributes (`events.compose`).

    Raises IntegrityError where one is missing or is no label: what may be done with the data is then not known.
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
    )


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
    )


def may_serve(queue: Queue, labels: Labels) -> bool:
    """Say whether data with these labels may be put on this queue (`Queue.may_serve` says why)."""
    return queue.may_serve(labels.purposes, labels.benefits)
