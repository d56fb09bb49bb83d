"""`gateway audit trail …`: hold the trail to the sealed records, or make that of a log that is older than it.

Both open every record, as the store's owner, and show none; whoever does it is written down first.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli import exits, options, output, reading

if TYPE_CHECKING:
    from gateway.config import Configuration
    from gateway.store.tracing import Report

_SHOWN = 20
"""Positions that are told of each kind."""


@click.group(name="trail", help="Hold what auditors ask to the sealed records; make it again.")
def command() -> None:
    """Hold the commands about the trail."""


@command.command("check")
@reading.why()
@options.config
@options.data
@options.as_json
def check(*, why: reading.Why, config: Path, data: Path | None, as_json: bool) -> None:
    """Open every record and compare its trail with it.

    Exit code 5: a trail is missing, says something else than its record, or has outlived it.
    """
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.config import load  # noqa: PLC0415
    from gateway.store import tracing  # noqa: PLC0415

    configuration = load(config, data=data)
    with reading.released(configuration, why, "audit trail check", duty=wiring.Duty.ARCHIVIST):
        keys = configuration.gateway.keys
        place = wiring.place(configuration, wiring.Duty.OWNER)
        report = tracing.check(place, wiring.sealer(keys).open, wiring.pseudonyms(keys))
    _show(
        "Every trail says what its record says" if report.whole else "The trail is not whole", report, as_json=as_json
    )
    if not report.whole:
        click.get_current_context().exit(exits.Exit.INTEGRITY)


@command.command("rebuild")
@reading.why()
@options.config
@options.data
@options.as_json
def rebuild(*, why: reading.Why, config: Path, data: Path | None, as_json: bool) -> None:
    """Make the trail of every leaf that is older than it. May be stopped, and begun again; the gateway may run."""
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.config import load  # noqa: PLC0415

    configuration = load(config, data=data)
    with reading.released(configuration, why, "audit trail rebuild", duty=wiring.Duty.ARCHIVIST):
        report = _rebuilt(configuration)
    _show("The trail is whole", report, as_json=as_json)


def _rebuilt(configuration: Configuration) -> Report:
    from gateway import wiring  # noqa: PLC0415  # drivers
    from gateway.store import tracing  # noqa: PLC0415

    keys, console = configuration.gateway.keys, output.progress()
    return tracing.rebuild(
        wiring.place(configuration, wiring.Duty.OWNER),
        wiring.sealer(keys).open,
        wiring.pseudonyms(keys),
        wiring.SystemClock(),
        told=lambda leaves: console.print(f"{leaves} leaves", end="\r"),
    )


def _show(title: str, report: Report, *, as_json: bool) -> None:
    found: dict[str, output.Json] = {
        "leaves": report.leaves,
        "made": report.made,
        "destroyed": report.destroyed,
        "unopened": report.unopened,
        "missing": report.missing,
        "differing": report.differing,
        "surplus": report.surplus,
    }
    if as_json:
        output.document(found)
        return
    console = output.results()
    console.print(title, style="bold green" if report.whole else "bold red", markup=False)
    for name, value in found.items():
        some = value if isinstance(value, int) else ", ".join(str(one) for one in list(value or ())[:_SHOWN])  # type: ignore[arg-type]
        console.print(f"{name:>12}  {some}", markup=False, soft_wrap=True)
