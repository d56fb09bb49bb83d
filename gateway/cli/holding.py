"""`gateway gallring hold|release|holds`: what may not be destroyed, whatever its rule, until two people let it go.

A person is named by a file, or stdin, never by an argument, and is never shown again. Who runs a command is the user of
the operating system; the second who releases is another.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from gateway.cli import exits, options, output
from gateway.cli.person import me, pseudonym

if TYPE_CHECKING:
    from gateway.config import Configuration
    from gateway.store.holds import Covers, Hold

_NUMBER = click.IntRange(1, 2**63 - 1)

_hold = click.argument("number", metavar="HOLD", type=_NUMBER)
_reason = click.option("--reason", required=True, help="Why; it is written down. Write nothing about a person.")


@click.command("hold")
@click.option("--message", help="The id of one message.")
@click.option("--dispatch", help="The id of one dispatch.")
@click.option("--refusal", type=_NUMBER, help="The number of one refusal.")
@click.option("--person", type=click.File("r"), help="The person whose number is in this file; - is stdin.")
@click.option("--partner", help="All that came from or went to this partner.")
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="Only what came or ended that day or later.")
@click.option("--until", "beyond", type=click.DateTime(["%Y-%m-%d"]), help="Only what came or ended before that day.")
@_reason
@options.config
@options.data
@options.as_json
def hold(  # options, each by its name
    *,
    message: str | None,
    dispatch: str | None,
    refusal: int | None,
    person: TextIO | None,
    partner: str | None,
    first: datetime | None,
    beyond: datetime | None,
    reason: str,
    config: Path,
    data: Path | None,
    as_json: bool,
) -> None:
    """Lay a legal hold: what it covers is not destroyed until two people have let it go. Days are UTC.

    Give one of --message, --dispatch, --refusal, --person and --partner, or a period alone for everything in it.
    """
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.config import load  # noqa: PLC0415
    from gateway.wiring import gallring  # noqa: PLC0415

    named = {"message": message, "dispatch": dispatch, "refusal": refusal, "person": person, "partner": partner}
    given = {kind: value for kind, value in named.items() if value is not None}
    if len(given) > 1 or not (given or first or beyond):
        raise click.UsageError("give one of --message, --dispatch, --refusal, --person, --partner, or a period")
    configuration = load(config, data=data)
    covers = _covers(configuration, given, {"first": _utc(first), "beyond": _utc(beyond)})
    if covers is None:
        _answered("there is no such message or dispatch, or several have the id", "", as_json=as_json)
        return
    stored = gallring.holds(configuration, wiring.SystemClock())
    try:
        done = stored.hold(covers, reason=reason.strip(), by=me())
    finally:
        stored.close()
    _answered(done if isinstance(done, str) else "", f"hold {done} stands", as_json=as_json, number=done)


def _covers(configuration: Configuration, given: Mapping[str, Any], period: Mapping[str, Any]) -> Covers | None:
    """Return what the options name; None where there is no such thing."""
    from gateway.store.holds import Covers, Kind  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.wiring import gallring  # noqa: PLC0415

    name: str
    value: Any
    name, value = next(iter(given.items()), ("period", None))
    match kind := Kind(name):
        case Kind.PERSON:
            return Covers(kind=kind, pseudonym=pseudonym(configuration, value.read()), **period)
        case Kind.PARTNER:
            if value not in configuration.partners:
                raise click.BadParameter(f"one of: {', '.join(configuration.partners)}", param_hint="--partner")
            return Covers(kind=kind, partner=value, **period)
        case Kind.PERIOD:
            return Covers(kind=kind, **period)
        case Kind.REFUSAL:
            return Covers(kind=kind, number=value)
        case Kind.MESSAGE | Kind.DISPATCH:
            number = gallring.numbered(configuration, kind, value)
            return None if number is None else Covers(kind=kind, number=number)


@click.command("release")
@_hold
@click.option("--withdraw", is_flag=True, help="Take back that somebody asked for it.")
@_reason
@options.config
@options.data
@options.as_json
def release(*, number: int, withdraw: bool, reason: str, config: Path, data: Path | None, as_json: bool) -> None:
    """Ask for a hold's release; run by another person, release it."""
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.config import load  # noqa: PLC0415
    from gateway.store.holds import Action  # noqa: PLC0415
    from gateway.wiring import gallring  # noqa: PLC0415

    stored = gallring.holds(load(config, data=data), wiring.SystemClock())
    try:
        found = {one.number: one for one in stored.holds()}.get(number)
        asked = found is not None and found.last is Action.ASK
        action = Action.WITHDRAW if withdraw else Action.RELEASE if asked else Action.ASK
        refused = stored.do(number, action, reason=reason.strip(), by=me())
    finally:
        stored.close()
    said = {
        Action.ASK: "another person may now release it",
        Action.WITHDRAW: "it stands",
        Action.RELEASE: "released",
    }[action]
    _answered(refused, f"hold {number}: {said}", as_json=as_json, number=number)


@click.command("holds")
@click.option("--all", "everything", is_flag=True, help="Released ones too.")
@options.config
@options.data
@options.as_json
def listed(*, everything: bool, config: Path, data: Path | None, as_json: bool) -> None:
    """Show the holds that stand. Whom a hold of a person is about is not shown."""
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.config import load  # noqa: PLC0415
    from gateway.wiring import gallring  # noqa: PLC0415

    stored = gallring.holds(load(config, data=data), wiring.SystemClock())
    try:
        lines = [_line(one) for one in stored.holds(everything=everything)]
    finally:
        stored.close()
    if as_json:
        for line in lines:
            output.document(line)
        return
    columns = ("hold", "kind", "about", "partner", "from", "until", "since", "by", "reason", "last", "last_by")
    rows = [tuple("" if line[column] is None else str(line[column]) for column in columns) for line in lines]
    output.results().print(output.table(f"{len(lines)} holds", columns, rows, right=(0,)))


def _utc(day: datetime | None) -> datetime | None:
    return None if day is None else day.replace(tzinfo=UTC)


def _line(one: Hold) -> dict[str, output.Json]:
    return {
        "hold": one.number,
        "kind": one.kind.value,
        "about": one.about,
        "partner": one.partner,
        "from": None if one.first is None else one.first.date().isoformat(),
        "until": None if one.beyond is None else one.beyond.date().isoformat(),
        "since": one.since.isoformat(timespec="seconds"),
        "by": one.by,
        "reason": one.reason,
        "last": one.last.value,
        "last_by": one.last_by,
    }


def _answered(refused: str, said: str, *, as_json: bool, number: int | str | None = None) -> None:
    if as_json:
        output.document({"hold": number if isinstance(number, int) else None, "refused": refused or None})
    else:
        output.results().print(refused or said, markup=False)
    click.get_current_context().exit(exits.Exit.REFUSED if refused else exits.Exit.OK)


COMMANDS = (hold, release, listed)
