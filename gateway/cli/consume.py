"""`gateway consume QUEUE --purpose P`: a queue's events as JSON lines on stdout, or one by one to a command.

Each line is the event exactly as it was composed (`schemas/events/`). An event is acknowledged when its line is written
and flushed; with `--exec`, when the command ends with 0. Any other end is a failed attempt: the event comes again after
a while, and beyond the queue's delivery limit it becomes a dead letter.

The command gets the event on stdin, and its queue, id, attempt and replay in the environment: no argument and no
variable holds anything about a person. It is started once for each event and may see an event twice; `--exec` commands
that must not repeat their work keep `GATEWAY_EVENT` with it.

SIGTERM and SIGINT drain: the event in hand is finished, what else was lent goes back.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli import exits, options

if TYPE_CHECKING:
    from gateway.consumer import Inbox, Incoming

_IDLE = 2.0
"""Seconds: a broker on another machine needs a moment before the first event is here."""


class CommandFailedError(Exception):
    """The command did not end with 0."""


@click.command(name="consume")
@click.argument("queue", metavar="QUEUE")
@click.option("--purpose", required=True, help="What the events will be used for: one the queue serves.")
@click.option("-n", "--limit", type=click.IntRange(1), help="Stop after so many events.")
@click.option("--forever", is_flag=True, help="Wait for more when the queue is empty, until SIGTERM.")
@click.option(
    "--idle", type=click.FloatRange(0), default=_IDLE, show_default=True, help="Else: stop after so many quiet seconds."
)
@click.option("--exec", "program", metavar="COMMAND", help="Run this for each event, in place of writing it.")
@options.config
@options.data
@options.as_json
def command(
    *,
    queue: str,
    purpose: str,
    limit: int | None,
    idle: float,
    program: str | None,
    config: Path,
    data: Path | None,
    forever: bool,
    as_json: bool,  # noqa: ARG001  # always JSON; errors are JSON too with it
) -> None:
    """Receive the events of QUEUE, each acknowledged when it is written (or when COMMAND ends with 0).

    Exit code 1: an event failed. It comes again, or is a dead letter.
    """
    from gateway import consumer, logs  # noqa: PLC0415  # pydantic: not needed for --help
    from gateway.config import load  # noqa: PLC0415

    words = _words(program)
    configuration = load(config, data=data)
    declared = {one.name: one for one in configuration.queues}
    if queue not in declared:
        raise click.BadParameter(f"there are: {', '.join(declared)}", param_hint="QUEUE")
    if purpose not in declared[queue].purposes:
        raise click.BadParameter(f"the queue serves: {', '.join(declared[queue].purposes)}", param_hint="--purpose")
    logs.configure()
    failures: list[str] = []
    with (
        _stopping() as stopped,
        consumer.connect(
            configuration, queue=queue, purpose=purpose, failed=lambda event, _error: failures.append(event.id)
        ) as inbox,
    ):
        _consume(inbox, _write if words is None else _Run(words), stopped, limit, None if forever else idle)
    if failures and not forever:
        click.get_current_context().exit(exits.Exit.REFUSED)


def _words(program: str | None) -> list[str] | None:
    if program is None:
        return None
    try:
        words = shlex.split(program)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--exec") from None
    if not words:
        raise click.BadParameter("names no command", param_hint="--exec")
    return words


@contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether SIGTERM or SIGINT has come."""
    seen: list[int] = []
    before = {
        number: signal.signal(number, lambda got, _frame: seen.append(got))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield lambda: bool(seen)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _consume(
    inbox: Inbox,
    handle: Callable[[Incoming], None],
    stopped: Callable[[], bool],
    limit: int | None,
    idle: float | None,
) -> None:
    """Handle events until the signal, the limit or a quiet queue. A broker that is away ends it, except for ever."""
    count = 0

    def counted(event: Incoming) -> None:
        nonlocal count
        count += 1
        handle(event)

    def enough() -> bool:
        return stopped() or (limit is not None and count >= limit)

    if idle is None:
        inbox.run(counted, stop=enough)
        return
    for event in inbox.events(stop=enough, idle=idle):
        with event.handling():
            counted(event)


def _write(event: Incoming) -> None:
    """Write the event on one line. Where nobody reads any more the program ends, and the event goes back."""
    try:
        sys.stdout.buffer.write(event.raw + b"\n")
        sys.stdout.buffer.flush()
    except OSError:
        sys.stderr.write("stdout is closed: the last event was not acknowledged\n")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is buffered has nowhere to go
        sys.exit(exits.Exit.UNAVAILABLE)


class _Run:
    """Runs a command for an event."""

    def __init__(self, words: list[str]) -> None:
        self._words = words

    def __call__(self, event: Incoming) -> None:
        facts = {
            "GATEWAY_QUEUE": event.queue,
            "GATEWAY_EVENT": event.id,
            "GATEWAY_ATTEMPT": str(event.attempt),
            "GATEWAY_REPLAY_OF": "" if event.replay_of is None else str(event.replay_of),
        }
        try:
            # A group of its own: Ctrl-C in a terminal is for us, and the command may finish.
            done = subprocess.run(  # noqa: S603  # the operator's own command, no shell
                self._words, input=event.raw + b"\n", env={**os.environ, **facts}, check=False, process_group=0
            )
        except OSError as error:
            sys.stderr.write(f"{self._words[0]}: {error.strerror}\n")
            sys.exit(exits.Exit.CONFIGURATION)
        if done.returncode != 0:
            raise CommandFailedError
