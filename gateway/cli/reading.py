"""What every command has to do before it answers from the log: say why, and have it written down.

Whatever answers about a person, a case or an official, or opens a sealed record, is a *reading*. A command that reads
takes its purpose and case, and lets nothing out before the reading is durable in the log of readings:

    @command.command("explain")
    @click.argument("number", type=int)
    @reading.why()                                   # --purpose and --case, both mandatory
    @options.config
    @options.data
    @options.as_json
    def explain(*, number: int, why: reading.Why, config: Path, data: Path | None, as_json: bool) -> None:
        configuration = load(config, data=data)
        with reading.released(configuration, why, "purpose explain", {"leaf": number}, duty=Duty.ARCHIVIST):
            ...                                      # only now: open, ask, show

`released` writes first. If it cannot, the block is never entered, and the command ends as any error of its kind does:
4 where the store cannot be written, 3 where the sealing key is not there, 5 where the log of readings disagrees. If the
program dies inside the block, the log tells of a reading that nobody saw; it never lacks one that somebody did.

A command that reads only sometimes takes `@reading.why(always=False)`; then `why` may be None, and `released` refuses
it (exit code 2). Parameters hold no person's number: a person is given as `pseudonym`, and what still looks like a
number is left out. The reader is the user of the operating system (`person.me`); no option says otherwise.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from gateway.audit.reading import GIVEN, Parameter, Purpose, Reading, unfit
from gateway.cli.person import me

if TYPE_CHECKING:
    from gateway.config import Configuration
    from gateway.message import Pseudonym
    from gateway.store.place import Duty


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """What a reading is for."""

    purpose: Purpose
    case: str
    """Its reference: not empty, one line, names no person."""


def why(*, always: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what gives a command `--purpose` and `--case`, and itself both as one `why`.

    Args:
        always: Whether the command always reads. Otherwise both may be left out, and `why` is None then.
    """

    def decorated(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option(
            "--purpose",
            "reading_purpose",
            type=click.Choice([one.value for one in GIVEN]),
            required=always,
            help="What you read it for; it is written down before you are answered.",
        )
        @click.option(
            "--case",
            "reading_case",
            metavar="REFERENCE",
            required=always,
            callback=_case,
            help="The case that you read it for; it is written down. Write nothing about a person.",
        )
        @functools.wraps(command)
        def wrapped(*args: Any, reading_purpose: str | None, reading_case: str | None, **kwargs: Any) -> Any:  # noqa: ANN401  # click's
            return command(*args, why=_both(reading_purpose, reading_case), **kwargs)

        return wrapped

    return decorated


def _case(_context: click.Context, _parameter: click.Parameter, case: str | None) -> str | None:
    if case is not None and (wrong := unfit(case)):
        raise click.BadParameter(wrong)
    return None if case is None else case.strip()


def _both(purpose: str | None, case: str | None) -> Why | None:
    if purpose is None and case is None:
        return None
    if purpose is None or case is None:
        raise click.UsageError("--purpose and --case go together")
    return Why(purpose=Purpose(purpose), case=case)


@contextmanager
def released(  # what a reading is
    configuration: Configuration,
    why: Why | None,
    question: str,
    parameters: Mapping[str, Parameter] | None = None,
    *,
    pseudonym: Pseudonym | None = None,
    duty: Duty | None = None,
) -> Iterator[int]:
    """Write the reading down, durably, and only then enter the block in which it is answered; it has its position.

    Args:
        configuration: The installation's.
        why: What `why` gave the command. Raises click.UsageError for None.
        question: The name of what is asked: `Q1`, `purpose explain`.
        parameters: What it is asked with: texts, whole numbers, truths, lists of texts; never a person's number.
        pseudonym: Whom it is about, where it is about one person.
        duty: On whose behalf the reading is written: the auditor's unless another is given (ARCHIVIST where sealed
            records are opened, REVIEWER, OVERSEER).

    Raises:
        ConfigError: The sealing key cannot be read.
        UnavailableError: It is not written down; nothing may be answered.
        IntegrityError: The log of readings is not there, or cannot hold it.
    """
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help

    if why is None:
        raise click.UsageError("What this shows is personal: say what you read it for, with --purpose and --case.")
    log = wiring.readings(configuration, duty or wiring.Duty.AUDITOR)
    try:
        position = log.read(
            Reading(
                reader=me(),
                purpose=why.purpose,
                case=why.case,
                question=question,
                parameters=parameters or {},
                pseudonym=pseudonym,
                at=wiring.SystemClock().now(),
            )
        )
    finally:
        log.close()
    yield position
