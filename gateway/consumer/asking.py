"""For FK's own systems: have something sent or asked, and be told what became of it.

    with consumer.commands(load(path), asker="rehabilitering") as commands:
        commands.give("k-4711", {"contract": "skatteverket/personpost", …})

What `give` takes is the `data` of a command (`schemas/events/kommando.v1.json`). It is read by the gateway's own rules
before it goes out, so what is wrong is told at once, by place and rule. When `give` returns, the command is durably on
the queue; when it raises UnavailableError nobody knows, and giving the same again under the same id is always safe.

What becomes of it comes on the asker's queue (`config/askers.toml`): the answer's events, and for each recipient one
outcome (`utfall.v1`). An `Inbox` receives them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import orjson

from gateway import codes
from gateway.config import Configuration
from gateway.dispatch import AskerId, CommandId
from gateway.errors import ConfigError, UnavailableError
from gateway.message import Event, EventId, Pseudonym
from gateway.ports import Publication, Publisher

if TYPE_CHECKING:
    from gateway.outbound.commands import Agreed

PATIENCE = 10.0
"""Seconds within which the broker must be reached."""
ANSWER = 35.0
"""Seconds within which it must say what it did: a little more than a publisher waits for its confirm."""


def connect(configuration: Configuration, *, asker: str) -> Commands:
    """Connect to this installation's queue of commands, on RabbitMQ or embedded as `data/services.toml` says.

    Args:
        configuration: As `gateway.config.load` gives it.
        asker: Who gives commands: one of `config/askers.toml`.

    Raises:
        ConfigError: no such asker, or no account for it.
        UnavailableError: the broker is away.
    """
    from gateway import wiring  # noqa: PLC0415  # the drivers: only whoever connects needs them
    from gateway.adapters.registry import Registry  # noqa: PLC0415  # as above
    from gateway.outbound.commands import Agreed  # noqa: PLC0415  # as above

    contracts = Registry.load(configuration.gateway.schemas)
    agreed = Agreed(askers=configuration.askers, partners=configuration.partners, outgoing=contracts.outgoing)
    if AskerId(asker) not in agreed.askers:
        raise ConfigError(f"asker {asker}: is not one of {', '.join(agreed.askers)}")
    broker = wiring.Broker(configuration, clock=wiring.SystemClock())
    try:
        publisher = broker.commands(wait=PATIENCE)
    except BaseException:
        broker.close()
        raise
    return Commands(
        publisher,
        agreed,
        asker=AskerId(asker),
        queue=configuration.gateway.sending.commands,
        now=lambda: datetime.now(UTC),
        closing=broker.close,
    )


def composed(asker: str, command: str, data: Mapping[str, Any], at: datetime) -> bytes:
    """Return the CloudEvent of a command, unread."""
    from gateway.outbound.commands import SOURCE, TYPE  # noqa: PLC0415  # XML and keys: only whoever gives commands

    whole = {
        "specversion": "1.0",
        "type": TYPE,
        "source": f"{SOURCE}{asker}",
        "id": command,
        "time": at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": data,
    }
    return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)


class Commands:
    """The way onto the queue of commands. Close it, or use it in a `with`. May be used from any thread."""

    def __init__(  # noqa: PLR0913  # settings, each by its name
        self,
        publisher: Publisher,
        agreed: Agreed,
        *,
        asker: AskerId,
        queue: str,
        now: Callable[[], datetime],
        closing: Callable[[], None] = lambda: None,
    ) -> None:
        """`connect` makes one; by hand: over any publisher to `queue`. `closing` is called last."""
        self._publisher = publisher
        self._agreed = agreed
        self._asker = asker
        self._queue = queue
        self._now = now
        self._closing = closing

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Disconnect."""
        self._closing()

    def give(self, command: str, data: Mapping[str, Any]) -> CommandId:
        """Put a command on the queue, and return when it is durably there.

        Args:
            command: Its id, unique for this asker; the same id is the same command. Holds nothing about a person.
            data: As `schemas/events/kommando.v1.json` says under `data`.

        Raises:
            ContractError: GW-COMMAND-FORMAT, -ASKER or -RECIPIENT: nothing was put anywhere. The detail says where.
            ConfigError: the broker has no queue for commands.
            UnavailableError: not known to be there. Give the same again.
        """
        from gateway.outbound import commands  # noqa: PLC0415  # as above

        body = composed(self._asker, command, data, self._now())
        read, digest = commands.read(body, self._agreed)
        # Of the content too: a broker that forgets repeats must not take another content for one.
        name = sha256(f"{self._asker}\0{read.id}\0{digest}".encode()).hexdigest()
        event = Event(
            id=EventId(f"{name}-1"),
            type=commands.TYPE,
            partition=Pseudonym(name[:32]),
            queues=(self._queue,),
            body=body,
        )
        try:
            (answer,) = self._publisher.submit([event]).result(ANSWER)
        except TimeoutError:
            answer = Publication.UNKNOWN
        match answer:
            case Publication.CONFIRMED:
                return read.id
            case Publication.RETURNED:
                raise ConfigError(f"queue {self._queue}: the broker does not have it")
            case _:
                raise UnavailableError(codes.STORE_UNAVAILABLE, f"the broker said {answer}: give the command again")
