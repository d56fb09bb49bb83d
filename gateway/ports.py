"""What the paths ask of outside: small promises, kept by drivers that only `wiring.py` constructs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from gateway.message import Accepted, Event, EventId, Protection, Pseudonym, Ready, Refusal, Sign


class Clock(Protocol):
    """Time is passed in, so that tests may travel."""

    def now(self) -> datetime:
        """Return the time, aware, in UTC."""
        ...


class Journal(Protocol):
    """The one commit point. Durable means: survives the power going, once the future has a result.

    Many messages share a transaction; the order of two futures' results says nothing. After `close` every call raises
    UnavailableError.
    """

    def accept(self, ready: Ready) -> Future[Accepted]:
        """Commit message, evidence, leaves and outbox together, or nothing.

        The same sender, id and digest gives the first acceptance again (`repeated`). Other digest: ConflictError.
        Not written: UnavailableError, and nothing has happened.
        """
        ...

    def refuse(self, refusal: Refusal) -> Future[Accepted | None]:
        """Commit the refusal's leaf, and its sealed bytes when quarantined. Raises UnavailableError.

        A quarantined message that people have let in before is accepted already: its first acceptance is given again
        (`repeated`), and nothing is committed.
        """
        ...

    def keep(self, sign: Sign) -> None:
        """Write that a receipt was signed, with a later commit. Never raises, never waits; a crash may lose it."""
        ...

    def close(self) -> None:
        """Commit what was taken in, then stop."""
        ...


class Protections(Protocol):
    """What is known of persons' protected identity. Answers from memory."""

    def status(self, person: Pseudonym) -> Protection:
        """Return the last status the folkbokföring gave; UNKNOWN if it gave none."""
        ...


EVENT_LIMIT = 1024 * 1024
"""Bytes of one event's body that every broker takes, and no more: a queue of such is slow for everybody on it."""


class Publication(StrEnum):
    """What the broker said of one event: only CONFIRMED lets the outbox forget it."""

    CONFIRMED = "confirmed"
    RETURNED = "returned"
    """No such queue."""
    REFUSED = "refused"
    """Not now: a full queue."""
    TOO_LARGE = "too_large"
    """Never: it is on no queue, and `Outbox.bury` ends it."""
    UNKNOWN = "unknown"
    HELD = "held"
    """Not as it is: somebody in it is protected since, or nobody knows. No broker says this; `Outbox.hold`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An event in the outbox, and its place in commit order."""

    number: int
    """Above all that were in the outbox at its commit. Those at the end are given again when they are settled."""
    event: Event
    held: bool = False
    """Whether it is held back already."""


class Backlog(Protocol):
    """Committed events that no broker has confirmed yet, to be read."""

    def pending(self, limit: int, *, beyond: int = 0, overtaking: bool = False) -> Sequence[Pending]:
        """Return the oldest unconfirmed events with a number above `beyond`, in commit order.

        `overtaking` then leaves out those whose person has an earlier one anywhere in the outbox: the others may go
        first. So it may return fewer though there are more beyond them.
        """
        ...

    def newest(self) -> int:
        """Return the highest number; 0 where there is no event."""
        ...


class Outbox(Backlog, Protocol):
    """The same, and what becomes of them."""

    def hold(self, events: Sequence[Pending]) -> None:
        """Mark events that may not go as they are, for whoever shields them. Raises UnavailableError: none is."""
        ...

    def settle(self, confirmed: Sequence[Pending]) -> None:
        """Forget events that the broker CONFIRMED."""
        ...

    def bury(self, dead: Sequence[Pending], *, reason: str) -> None:
        """Make events that the broker never takes dead letters, one for each of their queues, in place of sending them.

        Both or neither: no event is lost, and none is both. `reason` is a class of failure.
        """
        ...


class Publisher(Protocol):
    """The way onto the queues."""

    def submit(self, events: Sequence[Event]) -> Future[Sequence[Publication]]:
        """Put each event on all its queues; the answers come in the events' order.

        Never blocks for the broker and never raises for it: a broker that is away answers UNKNOWN. Events of one person
        may be in one call only once: one may be confirmed and the next lost.
        """
        ...

    def close(self) -> None:
        """Wait a little for what is on its way; what is then unconfirmed is UNKNOWN."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event lent to a consumer until it is acknowledged, rejected or its lease ends."""

    queue: str
    tag: int
    event: EventId
    body: bytes
    attempt: int
    """From 1; counts leases that ended without an acknowledgement too."""
    lease_ends: datetime | None
    """None where the loan lasts as long as the connection."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """`x-gw-replay-of` and `x-gw-replay-reason` on a dead letter that an operator sent again."""


class Consumer(Protocol):
    """One queue, for one purpose: events of one person are lent one at a time and in order."""

    def take(self, *, limit: int, wait: float = 0.0) -> Sequence[Delivery]:
        """Lend up to `limit` events, oldest first; wait so many seconds for the first."""
        ...

    def ack(self, deliveries: Sequence[Delivery]) -> Sequence[bool]:
        """Forget events on this queue. False where the loan had ended and the event was lent again."""
        ...

    def reject(self, delivery: Delivery, *, reason: str, again: bool = True) -> bool:
        """Give it back for another attempt; past the queue's delivery limit, or not `again`, it becomes a dead letter.

        `reason` is a class of failure and never text out of an event: it is shown to operators.
        """
        ...

    def close(self) -> None:
        """Give back what is lent."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event that its consumer could not take, as the broker gives it up."""

    tag: int
    queue: str
    """Where it died."""
    event: EventId
    type: str
    partition: Pseudonym
    attempts: int
    reason: str
    """A class of failure: `delivery_limit`, `lease_ended`, or what the consumer said."""
    since: datetime
    """When it was put on the queue, as far as the broker tells."""
    at: datetime
    """When it died, likewise."""
    replay_of: int | None
    """The letter it was a replay of, if it died again."""
    body: bytes = field(repr=False)
    related: tuple[Pseudonym, ...] | None = None
    """Whom else it names, where that is known: no broker tells."""


class DeadLetters(Protocol):
    """What the broker has given up, until it is recorded elsewhere: triage never browses the broker."""

    def take(self, *, limit: int, wait: float = 0.0) -> Sequence[DeadLetter]:
        """Lend up to `limit` letters; those not acknowledged come again."""
        ...

    def ack(self, letters: Sequence[DeadLetter]) -> None:
        """Forget letters that have been recorded durably."""
        ...

    def close(self) -> None:
        """Give back what is lent."""
        ...


class Registrar(Protocol):
    """Where dead letters are kept for triage."""

    def record(self, letters: Sequence[DeadLetter]) -> int:
        """Record letters durably and return how many were new: a letter recorded before is the same letter."""
        ...
