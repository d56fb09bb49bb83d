"""What the way out asks of outside: small promises, kept by drivers that only `wiring` constructs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from gateway.adapters.forsakringskassan.brevlada import Acknowledged, Page
from gateway.dispatch import AskerId, Broken, Command, CommandId, DispatchId, Queued, Reply, Signed
from gateway.message import (
    ContractId,
    Digest,
    Event,
    Leaf,
    LeafHash,
    Learned,
    OrganisationNumber,
    PartnerId,
    Pseudonym,
    Sealed,
)
from gateway.outbound.states import Happening, State
from gateway.partners import Endpoint
from gateway.review import NOTHING, Action, Answered, Opening, Said
from gateway.review import State as Stands


class Courier(Protocol):
    """The way to partners: bodies from their WSDL, and one HTTP exchange at a time. Shared between threads."""

    def body(self, contract: ContractId, arguments: Mapping[str, object]) -> bytes:
        """Return the one child of `soap:Body`, in exclusive canonical form, as the contract's WSDL has it.

        Raises IntegrityError where the arguments do not keep the schema: our contract module is wrong.
        """
        ...

    def send(self, signed: Signed, endpoint: Endpoint) -> Reply | Broken:
        """Make one attempt. Never raises for the far side or the network, and never logs a body."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A sealed command, payload, envelope or answer of one dispatch, and the leaf hashes it is bound to."""

    name: str
    """`command`, `payload`, `envelope` or `answer`."""
    sealed: Sealed = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The review that a dispatch waits for."""

    number: int
    reasons: tuple[str, ...]
    """The question."""
    role: str
    laws: tuple[str, ...]
    leaf: LeafHash
    """Of the leaf that says that it waits."""
    said: Said | None
    """What people answered, once they have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A dispatch as the store holds it."""

    id: DispatchId
    number: int
    """Grows with every dispatch."""
    command: CommandId
    asker: AskerId
    contract: ContractId
    partner: PartnerId
    organisation: OrganisationNumber | None
    position: int
    """Of the recipient in the command."""
    state: State
    step: int
    """Of its timeline; what is written must follow on it."""
    attempts: int
    due: datetime
    expires: datetime
    first_failure: str | None
    """Code of the first attempt that failed: a late one never masks it."""
    contents: Mapping[str, Sealed] = field(repr=False)
    """By name: what is sealed and still there."""
    intent: tuple[int, Leaf] | None = field(default=None, repr=False)
    """Position in the log, and entry and hash (salt and record empty), of the intent."""
    asked: Asked | None = None
    """What waits for a person, while it is REFERRED."""
    answered: Answered = NOTHING
    """What people have said yes to: set aside whenever it is judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One transition, and all that is committed with it. Made by `outbound`, pure, and written by `store`."""

    dispatch: DispatchId
    follows: int
    """The step this one comes after: if another has been written meanwhile, this one is not."""
    happening: Happening
    before: State
    after: State
    at: datetime
    due: datetime | None = None
    """When to look at it again; None where nothing is due."""
    code: str | None = None
    """Of `endings` or `codes`."""
    partner_code: str | None = None
    by: str | None = None
    """The person or system that did it, where it was not the gateway."""
    reason: str | None = None
    """Theirs. Holds no personal data."""
    digest: Digest | None = None
    """Of the payload, at COMPOSE; of the answer's bytes, at ANSWER."""
    pseudonym: Pseudonym | None = None
    leaves: tuple[Leaf, ...] = field(default=(), repr=False)
    """The first is the dispatch's own; the others are of an answer's records."""
    records: Sealed | None = field(default=None, repr=False)
    """Seals the leaves' hidden records, in their order, and the evidence if there is any."""
    content: str | None = None
    """What `records.evidence` is: `payload`, `envelope` or `answer`."""
    events: tuple[Event, ...] = field(default=(), repr=False)
    """For the outbox."""
    learned: tuple[Learned, ...] = field(default=(), repr=False)
    opens: tuple[Opening, ...] = ()
    """What waits for a person from now on: the dispatch, at REFER; records of its answer, at ANSWER."""
    settles: tuple[int, Action, Stands] | None = None
    """The review that this step ends: its number, what happens to it and where it stands then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a command that came in."""

    command: CommandId
    dispatches: tuple[DispatchId, ...]
    repeated: bool
    """True when the same command had come before: nothing more is done."""


class Lane(NamedTuple):
    """Where a dispatch goes: what is slow or shut for one of these is so for none of the others."""

    partner: PartnerId
    organisation: OrganisationNumber | None
    contract: ContractId


class Dispatches(Protocol):
    """The store's side of the way out. Durable once a method returns; raises UnavailableError, and then nothing is.

    Shared between threads.
    """

    def take(self, command: Command, queued: Sequence[Queued], sealed: Sequence[Sealed], digest: Digest) -> Taken:
        """Keep a command, one dispatch a recipient. Same asker, id and digest: repeated; other digest: ConflictError.

        `sealed` is the command for each dispatch, so that each can be destroyed by itself.
        """
        ...

    def due(
        self, at: datetime, *, limit: int, busy: Collection[DispatchId], shut: Collection[Lane] = ()
    ) -> Sequence[Held]:
        """Return what is due, the longest overdue first, but nothing of a paused partner, nor what is busy.

        Of the lanes that are `shut` only what is queued: it is judged and composed, so that whoever asked is told of a
        no at once, and it keeps nobody else's place. What has expired is due too, whatever its state, pause and lane;
        not what is in flight.
        """
        ...

    def write(self, step: Step) -> bool:
        """Commit one transition with its leaves, contents and events. False where another came in between."""
        ...

    def interrupted(self) -> Sequence[Held]:
        """Return every dispatch whose attempt had begun when the last dispatcher ended."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """What a person wants done with a dispatch: written down by `store`, carried out by the dispatcher.

    It is carried out by a `Step` with the same happening, by and reason, and is settled in that step's transaction.
    """

    number: int
    """Grows with every instruction."""
    dispatch: DispatchId
    happening: Happening
    """WITHDRAW, CONFIRM or DISPROVE; BEGIN for another attempt now, before it is due. PERMIT or DENY where a review has
    been answered."""
    by: str
    reason: str
    at: datetime


class Instructions(Protocol):
    """The dispatcher's side of what operators ask for. The same object as `Dispatches`; raises UnavailableError."""

    def instructed(self, *, limit: int, busy: Collection[DispatchId]) -> Sequence[tuple[Instruction, Held]]:
        """Return what is not carried out yet, oldest first, with the dispatch as it stands; nothing of what is busy.

        Not what is in flight: whether it may be done is seen when the attempt has ended.
        """
        ...

    def refuse(self, instruction: Instruction, *, reason: str, at: datetime) -> None:
        """Write down that it cannot be carried out, and why: it has ended meanwhile, say."""
        ...


class Box(NamedTuple):
    """Whose mailbox. A class of partners has one for each organisation."""

    partner: PartnerId
    organisation: OrganisationNumber | None
    """None for a named agency."""


class Mailboxes(Protocol):
    """The store's side of what partners fetch. Shared between threads; raises UnavailableError: asking again finds out.

    Whatever is in none of `boxes` is not there: whether another has it makes no difference (GW-MAILBOX-UNKNOWN).
    """

    def waiting(  # noqa: PLR0913  # what is asked for, and who may still have it
        self,
        boxes: Sequence[Box],
        at: datetime,
        *,
        limit: int,
        after: DispatchId | None = None,
        stopped: Callable[[Held], Step | None],
        known: Callable[[Pseudonym | None], Hashable],
    ) -> Page:
        """Return what may be fetched, oldest first. Raises ContractError: UNKNOWN, there is no such `after`.

        What nobody has fetched is judged by `stopped`; what may not go any more is withdrawn, and not listed. `known`
        tells all that it is judged by, but for the dispatch itself: it need not be judged again by the same.
        """
        ...

    def fetch(self, boxes: Sequence[Box], dispatch: DispatchId, at: datetime, take: Callable[[Held], Step]) -> Held:
        """Write the step that `take` makes, and return the dispatch with its sealed `envelope`. Again is the same.

        Raises ContractError: UNKNOWN, it is not there, its time is out, or it is acknowledged.
        """
        ...

    def acknowledge(
        self,
        boxes: Sequence[Box],
        dispatch: DispatchId,
        digest: Digest,
        end: Callable[[Held], Step],
        *,
        stopped: Callable[[Held], Step | None],
    ) -> Acknowledged:
        """Write the step that `end` makes of a dispatch with its sealed `command`. Again is the first one's facts.

        Raises ContractError: UNKNOWN as `fetch`, and where `stopped` withdraws it; UNFETCHED; DIGEST, it is not that of
        what was fetched.
        """
        ...
