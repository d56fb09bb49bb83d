"""What a permitted record becomes: one CloudEvent, in canonical JSON, and the queues it may go to.

CloudEvents 1.0, JSON format section 3 (structured mode). What may be read by anyone who handles the event (brokers,
logs, dashboards) is in the attributes; what is about the person is in `data` and nowhere else: `subject` is the keyed
pseudonym, `source` names the contract and not the employer, and the message's own id stays out, because its sender may
have put anything into it. The labels are extension attributes, so that they reach whoever reads the event and can be
intersected when data is joined:

    purposes     the purposes it may serve, by space       retention   the gallring rule
    benefits     the benefits it is locked to, if any      noonward    true: may not leave FK without a new decision
    basis        the basis that let it pass                protection  protected identity: `ingen`, `okand`, …
    lagrum       id@version of every paragraph, by space   auditleaf   the leaf's hash (base64): proves it was logged
    messageref   what all events of one message share

Canonical means RFC 8785 for the values that a field can hold: keys sorted, no white space, integers within ±(2^53-1),
no floats. The same record of the same message gives the same id on every attempt, so a consumer can drop repeats.

Where an event may go is settled at start: a basis whose data no queue may have is a fault in the configuration, not a
message that waits for ever.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

import orjson

from gateway import codes
from gateway.config import Basis, Queue
from gateway.errors import ConfigError, ContractError, IntegrityError
from gateway.message import (
    Decision,
    Event,
    EventId,
    Labels,
    LeafHash,
    Outcome,
    Permitted,
    Provenance,
    Pseudonym,
    Value,
)

TYPE = "se.forsakringskassan.utbyte"
URN = "urn:se:forsakringskassan:utbyte"
_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER


def event_type(kind: str) -> str:
    """Return the type of events of a kind of information: `se.forsakringskassan.utbyte.inkomst.v1`."""
    return f"{TYPE}.{kind}.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What all events of one basis share."""

    type: str
    queues: tuple[str, ...]
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """Basis -> route. Immutable, made by `build`."""

    by_basis: Mapping[str, Route]

    @classmethod
    def build(cls, queues: Iterable[Queue], bases: Iterable[Basis]) -> Routes:
        """Settle where each basis' events go: to every queue of their type that may serve all its labels allow.

        Raises:
            ConfigError: a basis whose events no queue may have, a queue of an unknown type or without any data, or two
                queues of one name.
        """
        queues, bases = tuple(queues), tuple(bases)
        _check_queues(queues, {event_type(basis.kind) for basis in bases})
        routes = {basis.id: _route(basis, queues) for basis in bases}
        fed = {name for route in routes.values() for name in route.queues}
        for queue in queues:
            if queue.name not in fed:
                raise ConfigError(f"queue {queue.name}: no basis lets it have anything: purposes or benefits too wide")
        return cls(by_basis=routes)


def _check_queues(queues: tuple[Queue, ...], types: set[str]) -> None:
    seen: set[str] = set()
    for queue in queues:
        if queue.name in seen:
            raise ConfigError(f"queue {queue.name}: name is used twice")
        seen.add(queue.name)
        for type_ in queue.types:
            if type_ not in types:
                raise ConfigError(f"queue {queue.name}: types: unknown {type_}; accepted: {', '.join(sorted(types))}")


def _route(basis: Basis, queues: tuple[Queue, ...]) -> Route:
    type_ = event_type(basis.kind)
    purposes = frozenset(basis.purposes)
    benefits = None if basis.benefits is None else frozenset(basis.benefits)
    served = tuple(queue.name for queue in queues if type_ in queue.types and queue.may_serve(purposes, benefits))
    if not served:
        what = "any benefits" if benefits is None else f"benefits among {', '.join(sorted(benefits))}"
        raise ConfigError(
            f"basis {basis.id}: no queue may have its events: needs a queue of type {type_} with "
            f"purposes among {', '.join(sorted(purposes))} and {what}"
        )
    source = f"{URN}:{basis.contract.replace('/', ':')}"
    return Route(
        type=type_,
        queues=served,
        attributes={
            "specversion": "1.0",
            "type": type_,
            "source": source,
            "datacontenttype": "application/json",
            "dataschema": f"{source}:{basis.kind}:v1",
            "basis": basis.id,
        },
    )


def message_ref(provenance: Provenance) -> str:
    """Return what all events of one message share: a hash of sender and message id, which are unique together.

    Partner and organisation hold no NUL, and the message id comes last: no two senders can write the same bytes.
    """
    named = f"{provenance.partner}\0{provenance.organisation}\0{provenance.message_id}"
    return hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()


def event_id(provenance: Provenance, position: int) -> EventId:
    """Return the id of the event of the record at `position`: the same on every attempt."""
    return EventId(f"{message_ref(provenance)}-{position}")


def event(permitted: Permitted, decision: Decision, *, pseudonym: Pseudonym, leaf: LeafHash, routes: Routes) -> Event:
    """Compose the event of one permitted record.

    Raises:
        IntegrityError: the decision is no PERMIT, or of a basis that these routes do not know.
        ContractError: CONTRACT_CONTENT where a number is outside ±(2^53-1), which no canonical JSON can hold.
    """
    route = routes.by_basis.get(decision.basis or "")
    if decision.outcome is not Outcome.PERMIT or decision.labels is None or route is None:
        raise IntegrityError(f"record {decision.record}: {decision.outcome} on basis {decision.basis} gives no event")
    provenance = permitted.provenance
    ref = message_ref(provenance)
    id_ = EventId(f"{ref}-{decision.record}")
    attributes: dict[str, object] = {
        **route.attributes,
        **_labels(decision.labels),
        "id": id_,
        "messageref": ref,
        "time": _time(provenance.received_at),
        "subject": pseudonym,
        "lagrum": " ".join(decision.lagrum),
        "protection": decision.protection,
        "auditleaf": b64encode(leaf).decode("ascii"),
        "data": _data(decision),
    }
    try:
        body = orjson.dumps(attributes, option=_CANONICAL)
    except orjson.JSONEncodeError:
        raise ContractError(codes.CONTRACT_CONTENT, f"record {decision.record}: a number beyond 2^53-1") from None
    return Event(id=id_, type=route.type, partition=pseudonym, queues=route.queues, body=body)


@lru_cache(maxsize=1024)
def _labels(labels: Labels) -> Mapping[str, str | bool]:
    attributes: dict[str, str | bool] = {
        "purposes": " ".join(sorted(labels.purposes)),
        "retention": labels.retention,
        "noonward": labels.no_onward,
    }
    if labels.benefits is not None:
        attributes["benefits"] = " ".join(sorted(labels.benefits))
    return attributes


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC).isoformat(timespec='milliseconds')[:-6]}Z"


def _data(decision: Decision) -> Mapping[str, object]:
    person = decision.person
    fields: Mapping[str, Value] = decision.fields
    return {
        "kind": decision.kind,
        "person": {"id": person.number, "kind": person.kind, "checkDigitValid": person.check_digit_valid},
        "fields": fields,
        "withheld": [{"field": item.field, "reason": item.reason} for item in decision.withheld],
    }
