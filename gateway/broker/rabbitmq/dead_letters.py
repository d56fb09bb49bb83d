"""`ports.DeadLetters` on RabbitMQ: what lies on `gw.dlq`, told alike whoever gave it up.

* A consumer says why in `x-gw-reason`, with queue, attempts and time beside it (`consumer.py`).
* The broker says in `x-death` (an array of tables, the latest first): reason, queue, time. It does not keep how often
  it was delivered, so for `delivery_limit` the attempts are one more than the queue's policy allows.
* From 4.0 an `x-death` that a publisher wrote is ignored, and none is written here.

A letter is personal data and must come home whatever it looks like: one that cannot be read is given with the reason
`unreadable` and an id made of its bytes, so that the same one is never recorded twice and never comes round for ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.broker.rabbitmq import outside, topology
from gateway.broker.rabbitmq.connection import Link, State
from gateway.broker.rabbitmq.lending import Held, Lending
from gateway.config import Queue
from gateway.errors import GatewayError
from gateway.message import EventId, Pseudonym
from gateway.ports import Clock, DeadLetter
from gateway.services import RabbitMQ

UNREADABLE = "unreadable"
DELIVERY_LIMIT = "delivery_limit"
_NOBODY = Pseudonym("")


class RabbitDeadLetters:
    """Connects at once and goes on trying until it is closed. May be used from any thread."""

    def __init__(  # noqa: PLR0913  # settings, each by its name
        self,
        settings: RabbitMQ,
        queues: Sequence[Queue],
        *,
        random: Callable[[], float],
        clock: Clock,
        alarm: Callable[[GatewayError], None] = lambda _error: None,
        told: Callable[[State, str], None] = lambda _state, _why: None,
    ) -> None:
        """Raises ConfigError when the account's files do not fit.

        Args:
            settings: `services.toml`.
            queues: As configured.
            random: 0 up to 1.
            clock: Says when a letter came, if it does not say when it died.
            alarm: Told what only an operator can mend.
            told: Told every change of the connection's state, and why.
        """
        self._limits = {queue.name: topology.broker_limit(queue) for queue in queues}
        self._clock = clock

        def lending(link: Link[Lending]) -> Lending:
            return Lending(link, queues=[topology.DEAD_QUEUE], prefetch=settings.prefetch, line=_alone, alarm=alarm)

        self._link = Link(settings, "collector", lending, name="gw-collector", random=random, told=told)
        self._lending = self._link.duty

    @property
    def state(self) -> State:
        """How the connection stands."""
        return self._link.state

    def take(self, *, limit: int, wait: float = 0.0) -> Sequence[DeadLetter]:
        """Lend up to `limit` letters (`ports.DeadLetters`). Nothing while there is no connection."""
        return [read(held, self._limits, self._clock.now()) for held in self._lending.take(limit, wait)]

    def ack(self, letters: Sequence[DeadLetter]) -> None:
        """Forget letters that have been recorded (`ports.DeadLetters`); those of a lost connection come again."""
        self._lending.ack([letter.tag for letter in letters])

    def close(self) -> None:
        """Give back what is lent."""
        self._lending.end()
        self._link.stop()


def _alone(held: Held) -> str:
    return str(held.number)


def read(held: Held, limits: Mapping[str, int], now: datetime) -> DeadLetter:
    """Return the letter that a delivery of `gw.dlq` is; whatever cannot be read makes it `unreadable`.

    Args:
        held: The delivery.
        limits: How many redeliveries the broker allows, by queue.
        now: Aware, UTC.
    """
    headers: Mapping[str, Any] = held.properties.headers or {}
    queue, reason, at, attempts = _death(headers, limits)
    event, kind, person = (_text(headers.get(name)) for name in (outside.ID, outside.TYPE, outside.SUBJECT))
    replay_of = _text(headers.get(outside.REPLAY_OF))
    readable = bool(queue and reason and event and kind and person and (not replay_of or replay_of.isdecimal()))
    at = at or now
    return DeadLetter(
        tag=held.tag,
        queue=queue or "unknown",
        event=EventId(event or f"{UNREADABLE}-{hashlib.sha256(held.body).hexdigest()[:32]}"),
        type=kind or "unknown",
        partition=Pseudonym(person) if person else _NOBODY,
        attempts=attempts,
        reason=reason if readable and reason else UNREADABLE,
        since=_instant(held.properties.timestamp) or at,
        at=at,
        replay_of=int(replay_of) if replay_of and replay_of.isdecimal() else None,
        body=held.body,
    )


def _death(
    headers: Mapping[str, Any], limits: Mapping[str, int]
) -> tuple[str | None, str | None, datetime | None, int]:
    """Return where it died, why, when, and after how many attempts."""
    if outside.REASON in headers:
        attempts = _text(headers.get(outside.ATTEMPTS)) or ""
        return (
            _text(headers.get(outside.QUEUE)),
            _text(headers[outside.REASON]),
            _instant(headers.get(outside.DIED_AT)),
            int(attempts) if attempts.isdecimal() else 1,
        )
    deaths = headers.get("x-death")
    death = deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}
    name, reason = _text(death.get("queue")), _text(death.get("reason"))
    queue = topology.logical(name) if name else None
    attempts_made = limits.get(queue or "", 0) + 1 if reason == DELIVERY_LIMIT else 1
    return queue, reason, _instant(death.get("time")), attempts_made


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    return value if isinstance(value, str) and value else None


def _instant(value: object) -> datetime | None:
    """Return an AMQP timestamp, seconds since 1970 or ISO 8601 as an aware time; None for anything else."""
    try:
        if isinstance(value, int):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
    except (ValueError, OverflowError, OSError):
        return None
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo is not None else None
