"""`gateway queue …`: what is on the embedded broker's queues, and the ways to drain them by hand.

A queue's events are personal data for the purposes it declares (`config/queues.toml`). So a look shows ids, types and
ages; `peek --bodies` asks for one of those purposes first, and `take` is for the queue's own consumer. What is taken is
lent, and comes back unless it is acknowledged before its lease ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from gateway.cli import exits, options, output
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from gateway.broker.embedded import EmbeddedBroker
    from gateway.config import Configuration, Queue

_NUMBER = click.IntRange(1, 2**63 - 1)
_MOST = 1000


@contextmanager
def _opened(config: Path, data: Path | None) -> Iterator[tuple[Configuration, EmbeddedBroker]]:
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.config import load  # noqa: PLC0415

    configuration = load(config, data=data)
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


@click.group(name="queue", help="See and drain the embedded broker's queues.")
def command() -> None:
    """Hold the queue commands."""


@command.command("list")
@options.config
@options.data
@options.as_json
def list_(config: Path, data: Path | None, *, as_json: bool) -> None:
    """Show every queue: depth, what is lent, dead letters, oldest age, and what it may serve."""
    with _opened(config, data) as (configuration, broker):
        depths = broker.depths()
    declared = {queue.name: queue for queue in configuration.queues}
    found: list[dict[str, output.Json]] = []
    for depth in depths:
        queue = declared.get(depth.queue)
        found.append(
            {
                "queue": depth.queue,
                "depth": depth.ready + depth.waiting,
                "lent": depth.lent,
                "dead": depth.dead,
                "oldest": depth.oldest.isoformat() if depth.oldest else None,
                "purposes": list(queue.purposes) if queue else [],
                "benefits": list(queue.benefits) if queue else [],
                "declared": depth.declared,
            }
        )
    if as_json:
        output.document(found)
        return
    rows = [
        (
            depth.queue if depth.declared else f"{depth.queue} (no longer configured)",
            str(depth.ready + depth.waiting),
            str(depth.lent),
            str(depth.dead),
            _age(depth.oldest),
            ", ".join(declared[depth.queue].purposes) if depth.queue in declared else "-",
        )
        for depth in depths
    ]
    columns = ("queue", "depth", "lent", "dead", "oldest", "purposes")
    output.results().print(output.table("Queues", columns, rows, right=(1, 2, 3, 4)))


@command.command("peek")
@click.argument("queue", metavar="QUEUE")
@click.option("-n", "--limit", type=click.IntRange(1, _MOST), default=20, show_default=True)
@click.option("--dead", is_flag=True, help="Look at the dead letters instead.")
@click.option("--bodies", "show", is_flag=True, help="Show the events themselves; needs --purpose.")
@click.option("--purpose", help="What you look for: one of the purposes the queue serves.")
@options.config
@options.data
@options.as_json
def peek(
    queue: str,
    limit: int,
    purpose: str | None,
    config: Path,
    data: Path | None,
    *,
    dead: bool,
    show: bool,
    as_json: bool,
) -> None:
    """Look at the oldest events of QUEUE without lending them."""
    with _opened(config, data) as (configuration, broker):
        declared = _declared(configuration, queue)
        if show and purpose not in declared.purposes:
            wanted = ", ".join(declared.purposes)
            raise click.UsageError(f"--bodies needs --purpose, one that the queue serves: {wanted}")
        found = _letters(broker, queue, limit, show=show) if dead else _waiting(broker, queue, limit, show=show)
    if as_json or show:
        for one in found:
            output.document(one)
        return
    columns = tuple(found[0]) if found else ("tag",)
    rows = [tuple(str(value) if value is not None else "-" for value in one.values()) for one in found]
    output.results().print(output.table(f"{queue}: {len(found)} {'dead letters' if dead else 'events'}", columns, rows))


def _waiting(broker: EmbeddedBroker, queue: str, limit: int, *, show: bool) -> list[dict[str, output.Json]]:
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
        found.append(_with_body(line, one.body, show=show))
    return found


def _letters(broker: EmbeddedBroker, queue: str, limit: int, *, show: bool) -> list[dict[str, output.Json]]:
    found: list[dict[str, output.Json]] = []
    for one in broker.dead(queue, limit=limit):
        line: dict[str, output.Json] = {
            "letter": one.id,
            "event": one.event,
            "type": one.type,
            "attempts": one.attempts,
            "reason": one.reason,
            "at": one.at.isoformat(timespec="seconds"),
            "replayed_at": one.replayed_at.isoformat(timespec="seconds") if one.replayed_at else None,
        }
        found.append(_with_body(line, one.body, show=show))
    return found


def _with_body(line: dict[str, output.Json], body: bytes, *, show: bool) -> dict[str, output.Json]:
    return {**line, "body": orjson.loads(body)} if show else line


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
                "lease_ends": one.lease_ends.isoformat(),
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
        loans = [(tag, broker.loan(queue, tag)) for tag in tags]
        done = {tag: loan is not None and broker.ack(loan) for tag, loan in loans}
    if as_json:
        output.document([{"queue": queue, "tag": tag, "acknowledged": ok} for tag, ok in done.items()])
    else:
        for tag, ok in done.items():
            output.results().print(f"{queue} {tag}: {'acknowledged' if ok else 'is not lent: nothing was done'}")
    click.get_current_context().exit(exits.Exit.OK if all(done.values()) else exits.Exit.REFUSED)


@command.command("retry")
@click.argument("letter", metavar="LETTER", type=_NUMBER)
@click.option("--reason", required=True, help="Why it should go now; follows the event. Write nothing about a person.")
@options.config
@options.data
@options.as_json
def retry(letter: int, reason: str, config: Path, data: Path | None, *, as_json: bool) -> None:
    """Put the dead letter LETTER (see `queue peek QUEUE --dead`) on its queue again."""
    if not reason.strip():
        raise click.BadParameter("must say something", param_hint="--reason")
    with _opened(config, data) as (_, broker):
        try:
            tag = broker.retry(letter, reason=reason.strip())
        except ConfigError as error:  # no such dead letter: an answer, not a wrong configuration
            output.failure(error, as_json=as_json)
            click.get_current_context().exit(exits.Exit.REFUSED)
    if as_json:
        output.document({"letter": letter, "tag": tag})
    else:
        output.results().print(f"dead letter {letter}: on its queue again, tag {tag}")
