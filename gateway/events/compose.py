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
    collectedfor, everprocessedfor    the purposes it was collected for, and is or was processed for (SFB 114 kap. 11 §)
    messageref   what all events of one message share
    commandid    the command that was answered, where one of our own systems had asked

Canonical means RFC 8785 for the values that a field can hold: keys sorted, no white space, integers within ±(2^53-1),
no floats. The same record of the same message gives the same id on every attempt, so a consumer can drop repeats.

Where an event may go is settled at start: a basis whose data no queue may have is a fault in the configuration, not a
message that waits for ever. What one of our own systems asked for goes to that system's queue and nowhere else: the
others did not need it. On the queue of commands we put nothing at all.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

import orjson

from gateway import codes
from gateway.config import Asker, Configuration, Queue
from gateway.config.law import Basis
from gateway.dispatch import AskerId, DispatchId, Queued
from gateway.errors import ConfigError, ContractError, IntegrityError
from gateway.message import (
    ContractId,
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


COMMAND = event_type("kommando")
"""The type of what our own systems put on the queue of commands."""
OUTCOME = event_type("utfall")
"""The type of what they are told when a dispatch has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What all events of one basis share."""

    type: str
    queues: tuple[str, ...]
    attributes: Mapping[str, str]


class Answered(Protocol):
    """What must be known here of a contract that goes out (`adapters.outgoing.Outgoing`)."""

    @property
    def answer(self) -> ContractId | None:
        """The contract that answers are read by; None where a receipt comes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What passes between the gateway and our own systems that send and ask."""

    commands: str
    """The queue that they put commands on."""
    askers: Mapping[AskerId, Asker]
    answers: Mapping[ContractId, ContractId]
    """Contract by which something is asked -> contract by which the answer is read."""
    received: frozenset[ContractId]
    """Contracts by which partners send us something by themselves; any other is for answers only."""

    @classmethod
    def of(cls, configuration: Configuration, agreements: Mapping[ContractId, Answered]) -> Own:
        """Return it, as a configuration and the contracts that go out have it."""
        return cls(
            commands=configuration.gateway.sending.commands,
            askers=configuration.askers,
            answers={contract: agreed.answer for contract, agreed in agreements.items() if agreed.answer is not None},
            received=frozenset(
                contract for partner in configuration.partners.values() for contract in partner.contracts
            ),
        )

    def answered(self, asker: Asker, bases: Iterable[Basis]) -> tuple[Basis, ...]:
        """Return the bases by which an asker's answers come in."""
        contracts = {self.answers[contract] for contract in asker.contracts if contract in self.answers}
        return tuple(basis for basis in bases if basis.inward and basis.contract in contracts)


Serves = Callable[[Queue, Basis], bool]
"""Says whether a queue may have what a basis lets in (`privacy.labels.serving`)."""


def labelled(queue: Queue, basis: Basis) -> bool:
    """Say whether a queue may have what a basis lets in, as far as the labels alone can say."""
    return queue.may_serve(frozenset(basis.purposes), None if basis.benefits is None else frozenset(basis.benefits))


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """Basis -> route. Immutable, made by `build`."""

    by_basis: Mapping[str, Route]
    by_asker: Mapping[AskerId, Mapping[str, Route]]
    """The same for what our own systems were answered."""

    @classmethod
    def build(
        cls, queues: Iterable[Queue], bases: Iterable[Basis], own: Own | None = None, *, serves: Serves = labelled
    ) -> Routes:
        """Settle where each basis' events go: to every queue of their type that may have them, as `serves` says.

        Queues that an asker names are for what it is answered, and for outcomes; the queue of commands is for commands.
        Neither gets anything else. Without `own` there are none of them.

        Raises:
            ConfigError: a basis whose events no queue may have, a queue of an unknown type or without any data, an
                asker's queue that lacks a type of what it is answered, or two queues of one name.
        """
        queues, bases = tuple(queues), tuple(basis for basis in bases if basis.inward and basis.carried)
        _check_names(queues)
        by_asker = {} if own is None else _for_askers(own, queues, bases, serves)
        special = set() if own is None else {own.commands, *(asker.queue for asker in own.askers.values())}
        others = tuple(queue for queue in queues if queue.name not in special)
        received = tuple(basis for basis in bases if own is None or basis.contract in own.received)
        for queue in others:
            _check_types(queue, {event_type(basis.kind) for basis in received})
        by_basis: dict[str, Route] = {}
        for basis in received:
            by_basis[basis.id] = _route(basis, _served(basis, others, serves), by_basis.get(basis.id))
        fed = {name for route in by_basis.values() for name in route.queues}
        for queue in others:
            if queue.name not in fed:
                raise ConfigError(f"queue {queue.name}: no basis lets it have anything: purposes or benefits too wide")
        return cls(by_basis=by_basis, by_asker=by_asker)

    def answering(self, asker: AskerId) -> Routes:
        """Return the routes of what an asker is answered: to its own queue alone. Raises IntegrityError."""
        if asker not in self.by_asker:
            raise IntegrityError("an answer for an asker that these routes do not know")
        return Routes(by_basis=self.by_asker[asker], by_asker={})


def _check_names(queues: tuple[Queue, ...]) -> None:
    seen: set[str] = set()
    for queue in queues:
        if queue.name in seen:
            raise ConfigError(f"queue {queue.name}: name is used twice")
        seen.add(queue.name)


def _check_types(queue: Queue, accepted: set[str]) -> None:
    for type_ in queue.types:
        if type_ not in accepted:
            raise ConfigError(f"queue {queue.name}: types: unknown {type_}; accepted: {', '.join(sorted(accepted))}")


def _for_askers(
    own: Own, queues: tuple[Queue, ...], bases: tuple[Basis, ...], serves: Serves
) -> dict[AskerId, dict[str, Route]]:
    """Return where each asker's answers go, when the queues for them and for commands are as they must be."""
    named = {queue.name: queue for queue in queues}
    if own.askers:
        if own.commands not in named:
            raise ConfigError(f"sending.commands: unknown {own.commands}; accepted: {', '.join(sorted(named))}")
        _check_types(named[own.commands], {COMMAND})
    needed: dict[str, set[str]] = {}
    for asker in own.askers.values():
        if asker.queue not in named or asker.queue == own.commands:
            others = named.keys() - {own.commands}
            raise ConfigError(f"asker {asker.id}: queue: unknown {asker.queue}; accepted: {', '.join(sorted(others))}")
        types = needed.setdefault(asker.queue, {OUTCOME})
        types.update(event_type(basis.kind) for basis in own.answered(asker, bases))
    for name, types in needed.items():
        _check_types(named[name], types)
        if missing := types.difference(named[name].types):
            raise ConfigError(f"queue {name}: types: its askers get {', '.join(sorted(missing))} too")
    for asker in own.askers.values():
        for basis in own.answered(asker, bases):
            if not serves(named[asker.queue], basis):
                raise ConfigError(
                    f"asker {asker.id}: queue {asker.queue}: may not have what basis {basis.id} lets in: its purposes "
                    "or benefits are other than the data may serve"
                )
    return {
        asker.id: {basis.id: _route(basis, (asker.queue,), None) for basis in own.answered(asker, bases)}
        for asker in own.askers.values()
    }


def _served(basis: Basis, queues: tuple[Queue, ...], serves: Serves) -> tuple[str, ...]:
    type_ = event_type(basis.kind)
    served = tuple(queue.name for queue in queues if type_ in queue.types and serves(queue, basis))
    if not served:
        what = "any benefits" if basis.benefits is None else f"benefits among {', '.join(sorted(basis.benefits))}"
        raise ConfigError(
            f"basis {basis.id}: no queue may have its events: needs a queue of type {type_} with "
            f"purposes among {', '.join(sorted(basis.purposes))} and {what}"
        )
    return served


def source(basis: Basis) -> str:
    """Return the source of what a basis lets in: its contract. Raises ConfigError where none carries it."""
    if basis.contract is None:
        raise ConfigError(f"basis {basis.id}: no contract carries it, so it gives no events")
    return f"{URN}:{basis.contract.replace('/', ':')}"


def _route(basis: Basis, served: tuple[str, ...], other: Route | None) -> Route:
    """Return the route of a version of a basis; with that of its `other` versions, only where all of them may go."""
    type_, from_ = event_type(basis.kind), source(basis)
    queues = served if other is None else tuple(name for name in served if name in other.queues)
    if not queues:
        raise ConfigError(f"basis {basis.id}: no queue may have the events of all its versions")
    return Route(
        type=type_,
        queues=queues,
        attributes={
            "specversion": "1.0",
            "type": type_,
            "source": from_,
            "datacontenttype": "application/json",
            "dataschema": f"{from_}:{basis.kind}:v1",
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


def answer_ref(dispatch: DispatchId) -> str:
    """Return what all events of the answer to one question share.

    It follows from the question: a partner may give two answers of the same content no ids of their own.
    """
    return hashlib.sha256(f"answer\0{dispatch}".encode()).hexdigest()


def event(  # noqa: PLR0913  # the record, its leaf, and where it goes
    permitted: Permitted,
    decision: Decision,
    *,
    pseudonym: Pseudonym,
    leaf: LeafHash,
    routes: Routes,
    asked: Queued | None = None,
    related: tuple[Pseudonym, ...] = (),
) -> Event:
    """Compose the event of one permitted record; `asked` is the question it answers, if one was asked.

    `related` are those whom it names beside its person.

    Raises:
        IntegrityError: the decision is no PERMIT, or of a basis that these routes do not know.
        ContractError: CONTRACT_CONTENT where a number is outside ±(2^53-1), which no canonical JSON can hold.
    """
    route = routes.by_basis.get(decision.basis or "")
    if decision.outcome is not Outcome.PERMIT or decision.labels is None or route is None:
        raise IntegrityError(f"record {decision.record}: {decision.outcome} on basis {decision.basis} gives no event")
    provenance = permitted.provenance
    ref = message_ref(provenance) if asked is None else answer_ref(asked.dispatch)
    id_ = EventId(f"{ref}-{decision.record}")
    attributes: dict[str, object] = {
        **route.attributes,
        **_labels(decision.labels),
        "id": id_,
        "messageref": ref,
        "time": written(provenance.received_at),
        "subject": pseudonym,
        "lagrum": " ".join(decision.lagrum),
        "protection": decision.protection,
        "auditleaf": b64encode(leaf).decode("ascii"),
        "data": _data(decision),
    }
    if asked is not None:
        attributes["commandid"] = asked.command.id
    try:
        body = orjson.dumps(attributes, option=_CANONICAL)
    except orjson.JSONEncodeError:
        raise ContractError(codes.CONTRACT_CONTENT, f"record {decision.record}: a number beyond 2^53-1") from None
    return Event(id=id_, type=route.type, partition=pseudonym, queues=route.queues, body=body, related=related)


@lru_cache(maxsize=1024)
def _labels(labels: Labels) -> Mapping[str, str | bool]:
    attributes: dict[str, str | bool] = {
        "purposes": " ".join(sorted(labels.purposes)),
        "retention": labels.retention,
        "noonward": labels.no_onward,
        "collectedfor": " ".join(sorted(labels.collected_for)),
        "everprocessedfor": " ".join(sorted(labels.processed_for)),
    }
    if labels.benefits is not None:
        attributes["benefits"] = " ".join(sorted(labels.benefits))
    return attributes


def written(at: datetime) -> str:
    """Return a time as events write one: UTC, in milliseconds."""
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
