"""`gateway dispatch retry|withdraw|confirm|disprove|pause|resume`: what people may do about what is sent and asked.

Nobody changes a dispatch by hand. What is wanted is written down with who and why, and the dispatcher that runs carries
it out by a step like any other, so that the leaf and the news to whoever asked are committed with it. Who asks is the
user of the operating system.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from gateway.cli import exits, options, output
from gateway.cli.person import me

if TYPE_CHECKING:
    from gateway.config import Configuration
    from gateway.dispatch import DispatchId
    from gateway.outbound.states import Happening
    from gateway.store.dispatch_views import DispatchViews
    from gateway.store.instructions import StoredInstructions, Verdict

_LOOK = 0.1
"""Seconds between two looks at whether it is done."""


class Id(click.ParamType[str]):
    """A dispatch's id, however it is written."""

    name = "dispatch"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return it as the store has it; otherwise the command is used wrongly."""
        try:
            return UUID(value).urn
        except ValueError:
            self.fail("is no id of a dispatch: urn:uuid:…, or 32 hexadecimal digits", param, ctx)


_dispatches = click.argument("dispatches", metavar="DISPATCH...", nargs=-1, required=True, type=Id())
_partner = click.argument("partner", metavar="PARTNER")
_reason = click.option("--reason", required=True, help="Why; it is written down. Write nothing about a person.")
_wait = click.option(
    "--wait", type=click.FloatRange(0), default=5.0, show_default=True, help="Seconds to wait until it is done."
)


@contextmanager
def opened(config: Path, data: Path | None) -> Iterator[tuple[Configuration, DispatchViews]]:
    """Open what can be asked of the way out."""
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.config import load  # noqa: PLC0415
    from gateway.store.dispatch_views import DispatchViews  # noqa: PLC0415

    configuration = load(config, data=data)
    views = DispatchViews(wiring.place(configuration, wiring.Duty.OPERATOR))
    try:
        yield configuration, views
    finally:
        views.close()


@contextmanager
def _instructions(configuration: Configuration) -> Iterator[StoredInstructions]:
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.store.instructions import StoredInstructions  # noqa: PLC0415

    postgresql = configuration.services.postgresql
    opened = StoredInstructions(
        wiring.place(configuration, wiring.Duty.OPERATOR),
        clock=wiring.SystemClock(),
        role="" if postgresql is None else postgresql.roles.operator,
    )
    try:
        yield opened
    finally:
        opened.close()


def _doing(name: str, happening: str, done: str, text: str) -> click.Command:
    """Return a command that has something done with dispatches."""

    @click.command(name, help=f"{text}\n\nOne that could not be: the exit code is 1; not yet done: 4.")
    @_dispatches
    @_reason
    @_wait
    @options.config
    @options.data
    @options.as_json
    def asked(
        *, dispatches: tuple[str, ...], reason: str, wait: float, config: Path, data: Path | None, as_json: bool
    ) -> None:
        from gateway.outbound.states import Happening  # noqa: PLC0415  # not needed for --help

        said = _fit(reason)
        with opened(config, data) as (configuration, views):
            with _instructions(configuration) as instructions:
                verdicts = _ask(instructions, dispatches, Happening(happening), said)
            lines = _awaited(views, verdicts, wait)
        _told(lines, done, as_json=as_json)

    return asked


def _ask(
    instructions: StoredInstructions, dispatches: Sequence[str], happening: Happening, reason: str
) -> list[tuple[DispatchId, Verdict]]:
    from gateway.dispatch import DispatchId  # noqa: PLC0415  # not needed for --help

    wanted = [DispatchId(one) for one in dict.fromkeys(dispatches)]
    return [(one, instructions.ask(one, happening, by=me(), reason=reason)) for one in wanted]


def _awaited(
    views: DispatchViews, verdicts: Sequence[tuple[DispatchId, Verdict]], wait: float
) -> list[dict[str, output.Json]]:
    """Return what came of each, when all are settled or `wait` seconds are over."""
    until = time.monotonic() + wait
    while True:
        lines = [_settled(views, dispatch, verdict) for dispatch, verdict in verdicts]
        if all(line["settled"] for line in lines) or time.monotonic() >= until:
            return lines
        time.sleep(_LOOK)


def _settled(views: DispatchViews, dispatch: DispatchId, verdict: Verdict) -> dict[str, output.Json]:
    line: dict[str, output.Json] = {
        "dispatch": dispatch,
        "state": None if verdict.state is None else verdict.state.value,
    }
    if verdict.refused:
        return {**line, "refused": verdict.refused, "settled": True}
    last = views.instructions(dispatch=dispatch, limit=1)[0]
    now = views.dispatch(dispatch)
    return {
        **line,
        "state": None if now is None else now.state.value,
        "refused": last.refused,
        "settled": last.settled_at is not None,
    }


def _told(lines: Sequence[dict[str, output.Json]], done: str, *, as_json: bool) -> None:
    if as_json:
        output.document(list(lines))
    else:
        for line in lines:
            said = line["refused"] or (
                f"{done}; it is {line['state']}" if line["settled"] else "asked for; the dispatcher has not done it yet"
            )
            output.results().print(f"{line['dispatch']}: {said}", markup=False)
    refused, waiting = any(line["refused"] for line in lines), any(not line["settled"] for line in lines)
    code = exits.Exit.REFUSED if refused else exits.Exit.UNAVAILABLE if waiting else exits.Exit.OK
    click.get_current_context().exit(code)


def _switching(
    name: str, done: str, text: str, act: Callable[[StoredInstructions], Callable[..., str]]
) -> click.Command:
    """Return a command that stops or starts the sending to a partner."""

    @click.command(name, help=text)
    @_partner
    @_reason
    @options.config
    @options.data
    @options.as_json
    def switched(*, partner: str, reason: str, config: Path, data: Path | None, as_json: bool) -> None:
        from gateway.config import load  # noqa: PLC0415  # pydantic: not needed for --help
        from gateway.message import PartnerId  # noqa: PLC0415

        said = _fit(reason)
        configuration = load(config, data=data)
        if PartnerId(partner) not in configuration.partners:
            raise click.BadParameter(f"there are: {', '.join(configuration.partners)}", param_hint="PARTNER")
        with _instructions(configuration) as instructions:
            refused = act(instructions)(PartnerId(partner), by=me(), reason=said)
        if as_json:
            output.document({"partner": partner, "refused": refused or None})
        else:
            output.results().print(f"{partner}: {refused or done}", markup=False)
        click.get_current_context().exit(exits.Exit.REFUSED if refused else exits.Exit.OK)

    return switched


def _fit(reason: str) -> str:
    from gateway.store.triage import unfit  # noqa: PLC0415  # not needed for --help

    if wrong := unfit(reason):
        raise click.BadParameter(wrong, param_hint="--reason")
    return reason.strip()


COMMANDS = (
    _doing("retry", "begin", "tried", "Make another attempt now, whatever pause or circuit there is."),
    _doing("withdraw", "withdraw", "withdrawn", "Take dispatches back, before an attempt may have happened."),
    _doing("confirm", "confirm", "settled", "Say, having asked the partner, that it has what was uncertain."),
    _doing(
        "disprove", "disprove", "settled", "Say, having asked the partner, that it does not have what was uncertain."
    ),
    _switching(
        "pause",
        "nothing is sent; what is under way goes on, and what expires is told",
        "Send nothing to PARTNER until it is resumed.",
        lambda instructions: instructions.pause,
    ),
    _switching("resume", "sending goes on", "Let sending to PARTNER go on.", lambda instructions: instructions.resume),
)
