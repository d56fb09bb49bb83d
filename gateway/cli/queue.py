"""`gateway queue …`: how the queues stand, what is on the embedded broker's, and (`letters.py`) their dead letters.

A queue's events are personal data for the purposes it declares (`config/queues.toml`). So a look shows ids, types and
ages; `peek --bodies` asks for one of those purposes first, and `take` is for the queue's own consumer. What is taken is
lent, and comes back unless it is acknowledged before its lease ends.

With RabbitMQ, `list` and dead letters work alike; its queues are consumed (`gateway consume`), never looked into.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from gateway.cli import exits, letters, options, output

if TYPE_CHECKING:
    from gateway.broker.embedded import EmbeddedBroker
    from gateway.config import Configuration, Queue

_NUMBER = click.IntRange(1, 2**63 - 1)
_MOST = 1000
_NOT_HERE = (
    "the queues are on RabbitMQ. `gateway consume QUEUE` receives their events; nobody looks into a queue that has one "
    "active consumer at a time (405 RESOURCE_LOCKED)."
)


@contextmanager
def _opened(config: Path, data: Path | None) -> Iterator[tuple[Configuration, EmbeddedBroker]]:
    """Open the embedded broker; with another one the command is used wrongly."""
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.config import load  # noqa: PLC0415

    configuration = load(config, data=data)
    if configuration.services.broker != "embedded":
        raise click.UsageError(_NOT_HERE)
    broker = wiring.queues(configuration, wiring.SystemClock())
    try:
        yield configuration, broker
    finally:
        broker.close()


def _declared(configuration: Configuration, name: str) -> Queue:
    for queue in configuration.queues:
        if queue.name == name:
            return queue
    names = ", ".join(queue.name for queue in configuration.queues)
    raise click.BadParameter(f"there are: {names}", param_hint="QUEUE")


def _age(since: datetime | None) -> str:
    return "-" if since is None else str(timedelta(seconds=int((datetime.now(UTC) - since).total_seconds())))


@click.group(name="queue", help="See and drain the queues; judge their dead letters.")
def command() -> None:
    """Hold the queue commands."""


for _one in letters.COMMANDS:
    command.add_command(_one)


@command.command("list")
@options.config
@options.data
@options.as_json
def list_(config: Path, data: Path | None, *, as_json: bool) -> None:
    """Show every queue: what is ready and what is lent, dead letters to judge, oldest age, and what it may serve."""
    found = _standing(config, data)
    if as_json:
        output.document(found)
        return
    rows = [
        (
            str(one["queue"]) if one["declared"] else f"{one['queue']} (no longer configured)",
            *(str(one[key]) if one[key] is not None else "-" for key in ("ready", "unacked", "consumers", "dead")),
            _age(datetime.fromisoformat(str(one["oldest"])) if one["oldest"] else None),
            ", ".join(map(str, one["purposes"])) or "-",  # type: ignore[arg-type]  # a list of names
        )
        for one in found
    ]
    columns = ("queue", "ready", "unacked", "consumers", "dead", "oldest", "purposes")
    output.results().print(output.table("Queues", columns, rows, right=(1, 2, 3, 4, 5)))


def _standing(config: Path, data: Path | None) -> list[dict[str, output.Json]]:
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.config import load  # noqa: PLC0415

    configuration, clock = load(config, data=data), wiring.SystemClock()
    broker = wiring.Broker(configuration, clock=clock)
    try:
        depths = broker.depths()
    finally:
        broker.close()
    home = wiring.dead_letters(configuration, clock)
    try:
        waiting = letters.waiting(home)
    finally:
        home.close()
    declared = {queue.name: queue for queue in configuration.queues}
    return [
        {
            "queue": depth.queue,
            "ready": depth.ready,
            "unacked": depth.unacked,
            "consumers": depth.consumers,
            "dead": (depth.dead or 0) + waiting.get(depth.queue, 0),
            "oldest": depth.oldest.isoformat() if depth.oldest else None,
            "purposes": list(declared[depth.queue].purposes) if depth.queue in declared else [],
            "benefits": list(declared[depth.queue].benefits) if depth.queue in declared else [],
            "declared": depth.declared,
        }
        for depth in depths
    ]


@command.command("peek")
@click.argument("queue", metavar="QUEUE")
@click.option("-n", "--limit", type=click.IntRange(1, _MOST), default=20, show_default=True)
@click.option("--bodies", "show", is_flag=True, help="Show the events themselves; needs --purpose.")
@click.option("--purpose", help="What you look for: one of the purposes the queue serves.")
@options.config
@options.data
@options.as_json
def peek(
    queue: str, limit: int, purpose: str | None, config: Path, data: Path | None, *, show: bool, as_json: bool
) -> None:
    """Look at the oldest events of QUEUE without lending them."""
    with _opened(config, data) as (configuration, broker):
        declared = _declared(configuration, queue)
        if show and purpose not in declared.purposes:
            wanted = ", ".join(declared.purposes)
            raise click.UsageError(f"--bodies needs --purpose, one that the queue serves: {wanted}")
        found: list[dict[str, output.Json]] = []
        for one in broker.peek(queue, limit=limit):
            line: dict[str, output.Json] = {
                "tag": one.tag,
                "event": one.event,
                "type": one.type,
                "state": one.state,
                "attempt": one.attempt,
                "since": one.since.isoformat(timespec="seconds"),
            }
            found.append({**line, "body": orjson.loads(one.body)} if show else line)
    if as_json or show:
        for line in found:
            output.document(line)
        return
    columns = tuple(found[0]) if found else ("tag",)
    rows = [tuple(str(value) for value in one.values()) for one in found]
    output.results().print(output.table(f"{queue}: {len(found)} events", columns, rows))


@command.command("take")
@click.argument("queue", metavar="QUEUE")
@click.option("-n", "--limit", type=click.IntRange(1, _MOST), default=1, show_default=True)
@options.config
@options.data
@options.as_json
def take(queue: str, limit: int, config: Path, data: Path | None, *, as_json: bool) -> None:  # noqa: ARG001  # always JSON
    """Lend up to N events of QUEUE and write them as JSON lines; acknowledge each with `queue ack QUEUE TAG`.

    One person's events are lent one at a time, in order. Nothing lent: the exit code is 1.
    """
    with _opened(config, data) as (configuration, broker):
        _declared(configuration, queue)
        taken = broker.take(queue, limit=limit)
    for one in taken:
        output.document(
            {
                "queue": one.queue,
                "tag": one.tag,
                "event": one.event,
                "attempt": one.attempt,
                "lease_ends": one.lease_ends.isoformat() if one.lease_ends else None,
                "headers": dict(one.headers),
                "body": orjson.loads(one.body),
            }
        )
    if not taken:
        output.progress().print(f"{queue}: nothing to lend now")
        click.get_current_context().exit(exits.Exit.REFUSED)


@command.command("ack")
@click.argument("queue", metavar="QUEUE")
@click.argument("tags", metavar="TAG...", nargs=-1, required=True, type=_NUMBER)
@options.config
@options.data
@options.as_json
def ack(queue: str, tags: tuple[int, ...], config: Path, data: Path | None, *, as_json: bool) -> None:
    """Forget lent events of QUEUE, by the tags `take` gave. One that is lent no more: the exit code is 1."""
    with _opened(config, data) as (configuration, broker):
        _declared(configuration, queue)
        loans = {tag: broker.loan(queue, tag) for tag in tags}
        lent = [loan for loan in loans.values() if loan is not None]
        gone = {loan.tag for loan, ok in zip(lent, broker.ack(lent), strict=True) if ok}
    if as_json:
        output.document([{"queue": queue, "tag": tag, "acknowledged": tag in gone} for tag in loans])
    else:
        for tag in loans:
            said = "acknowledged" if tag in gone else "is not lent: nothing was done"
            output.results().print(f"{queue} {tag}: {said}")
    click.get_current_context().exit(exits.Exit.OK if gone == set(loans) else exits.Exit.REFUSED)
