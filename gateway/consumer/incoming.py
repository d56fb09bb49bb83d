"""One event as a consumer sees it: parsed, with its labels, and handled inside its own `with`.

    with event.handling(): …               acknowledged when the block ends, given back when it raises
    with event.handling(database) as new:  the same, and once: mark, work and commit first, then the acknowledgement

An exception ends the block and not the loop: `inbox.py` says what becomes of the event. Only what concerns the program
itself goes on out of the block: wrong use and wrong configuration (ConfigError), records that disagree
(IntegrityError), a broker that is away (UnavailableError, from the acknowledgement) and what is no `Exception`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import orjson

from gateway.consumer import seen
from gateway.errors import ConfigError, IntegrityError
from gateway.message import EventId, Labels, Pseudonym
from gateway.ports import Delivery
from gateway.privacy import labels


class PoisonError(Exception):
    """Raise it, or a subclass, where no other attempt can succeed: the event becomes a dead letter at once.

    The class' name is the reason that operators see. The text goes nowhere.
    """


class UnreadableError(PoisonError):
    """Not a CloudEvent of ours."""


class Settles(Protocol):
    """Where an event came from, and where its end is told."""

    def handled(self, event: Incoming) -> None:
        """Acknowledge it."""
        ...

    def failed(self, event: Incoming, error: Exception) -> None:
        """Give it back, or let it die."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A CloudEvent (`schemas/events/`) that is lent to this consumer."""

    id: EventId
    """The same on every delivery."""
    type: str
    subject: Pseudonym
    """The person, as a pseudonym: the same for all events of a person."""
    time: datetime
    """When the gateway received it, UTC."""
    labels: Labels
    """What may be done with the data. Data that is joined keeps what all its labels allow: `consumer.intersect`."""
    attributes: Mapping[str, Any]
    """All attributes of the CloudEvent: everything but `data`."""
    data: Mapping[str, Any] = field(repr=False)
    """About the person: `kind`, `person`, `fields`, `withheld`."""
    raw: bytes = field(repr=False)
    """The exact bytes: canonical JSON on one line."""
    queue: str
    attempt: int
    """From 1. More than 1: someone may have begun to handle it."""
    headers: Mapping[str, str]
    replay_of: int | None
    """The dead letter it was, if an operator sent it again."""
    delivery: Delivery = field(repr=False)
    inbox: Settles = field(repr=False)

    @contextmanager
    def handling(self, database: seen.Connection | None = None, *, replays: bool = False) -> Iterator[bool]:
        """Hold the event while it is handled. Gives True, or False where `database` says that it was handled before.

        1. With a database, it is asked whether the event was handled (`seen.before`; what `replays` is, `seen` tells).
        2. The block runs.
        3. The event is marked and the transaction committed; it is rolled back if the block, or this, raised.
        4. The event is acknowledged, or given back.

        Raises what the database raises in step 1: then it is the database that is in trouble, no attempt is used, and
        the event goes back when the inbox is closed.
        """
        try:
            new = database is None or not seen.before(database, self, replays=replays)
        except BaseException:
            _undo(database)
            raise
        try:
            yield new
            if database is not None:
                if new:
                    seen.mark(database, self, replays=replays)
                database.commit()
        except (ConfigError, IntegrityError):
            _undo(database)
            raise
        except Exception as error:  # noqa: BLE001  # whatever a consumer's own code raises
            _undo(database)
            self.inbox.failed(self, error)
        except BaseException:
            _undo(database)
            raise
        else:
            self.inbox.handled(self)


def _undo(database: seen.Connection | None) -> None:
    if database is not None:
        with suppress(Exception):  # a lost connection has undone it already
            database.rollback()


def parse(delivery: Delivery, inbox: Settles) -> Incoming:
    """Read a delivery. Raises UnreadableError, which never quotes it."""
    try:
        body = orjson.loads(delivery.body)
        data = body.pop("data")
        if body["specversion"] != "1.0" or body["id"] != delivery.event or not isinstance(data, dict):
            raise UnreadableError
        replay = delivery.headers.get("x-gw-replay-of")
        return Incoming(
            id=EventId(body["id"]),
            type=str(body["type"]),
            subject=Pseudonym(str(body["subject"])),
            time=datetime.fromisoformat(body["time"]),
            labels=labels.read(body),
            attributes=body,
            data=data,
            raw=delivery.body,
            queue=delivery.queue,
            attempt=delivery.attempt,
            headers=delivery.headers,
            replay_of=int(replay) if replay else None,
            delivery=delivery,
            inbox=inbox,
        )
    except (ValueError, KeyError, TypeError, AttributeError, IntegrityError):
        raise UnreadableError from None
