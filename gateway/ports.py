"""What the paths ask of outside: small promises, kept by drivers that only `wiring.py` constructs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from gateway.message import Accepted, Event, EventId, Protection, Pseudonym, Ready, Refusal


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

    def refuse(self, refusal: Refusal) -> Future[None]:
        """Commit the refusal's leaf, and its sealed bytes when quarantined. Raises UnavailableError."""
        ...

    def close(self) -> None:
        """Commit what was taken in, then stop."""
        ...


class Protections(Protocol):
    """What is known of persons' protected identity. Answers from memory."""

    def status(self, person: Pseudonym) -> Protection:
        """Return the last status the folkbokföring gave; UNKNOWN if it gave none."""
        ...


class Publication(StrEnum):
    """What the broker said of one event: only CONFIRMED lets the outbox forget it."""

    CONFIRMED = "confirmed"
    RETURNED = "returned"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Outbox(Protocol):
    """Committed events that no broker has confirmed yet."""

    def pending(self, limit: int) -> Sequence[Event]:
        """Return the oldest unconfirmed events, in commit order."""
        ...

    def settle(self, events: Sequence[EventId]) -> None:
        """Forget events that the broker CONFIRMED."""
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
    lease_ends: datetime
    headers: Mapping[str, str] = field(default_factory=dict)
    """`x-gw-replay-of` and `x-gw-replay-reason` on a dead letter that an operator sent again."""


class Broker(Protocol):
    """Durable queues with leases, a delivery limit and dead letters."""

    def publish(self, events: Sequence[Event]) -> Sequence[Publication]:
        """Put each event on all its queues. The same event id twice on one queue stays one."""
        ...

    def take(self, queue: str, *, limit: int) -> Sequence[Delivery]:
        """Lend up to `limit` events, oldest first, one person's events one at a time and in order."""
        ...

    def ack(self, delivery: Delivery) -> bool:
        """Forget the event on this queue. False if the lease had ended and it was lent again."""
        ...

    def reject(self, delivery: Delivery, *, reason: str) -> bool:
        """Give it back for another attempt; past the queue's delivery limit it becomes a dead letter."""
        ...
