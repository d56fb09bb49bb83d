"""`gateway store …`: the store's schema, its partitions on PostgreSQL, and the move there from the embedded store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli import options, output
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from gateway.config import Configuration
    from gateway.store.place import Place


@click.group(name="store", help="Bring the store to this program's schema; move it to PostgreSQL.")
def command() -> None:
    """Hold the store commands."""


@command.command("upgrade")
@options.config
@options.data
@options.as_json
def upgrade(config: Path, data: Path | None, *, as_json: bool) -> None:
    """Bring the schema to what this program knows, and on PostgreSQL give every role its permissions again.

    A store that is older than the log of readings is given that, empty and signed, for which the checkpoint key must be
    there. Stop the gateway first. It may be run again; what is there already stays as it is.
    """
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.store import steps  # noqa: PLC0415
    from gateway.store.place import Duty, placed  # noqa: PLC0415

    configuration = _load(config, data)
    place = placed(configuration.services, configuration.gateway.store.path, Duty.OWNER)
    wiring.upgraded(configuration, place, wiring.SystemClock())
    behind = _behind(place)
    if as_json:
        more: dict[str, output.Json] = {} if behind is None else {"trail": behind}
        output.document({"store": configuration.services.store, "schema": steps.REVISION, **more})
    else:
        output.results().print(f"the store has schema {steps.REVISION}", markup=False)
    if behind is not None:
        output.progress().print(behind, style="bold yellow", markup=False, soft_wrap=True)


def _behind(place: Place) -> str | None:
    """Say which leaves auditors cannot be answered about yet."""
    from gateway.store import tracing  # noqa: PLC0415

    session = place.open()
    try:
        with session.translated():
            gap = tracing.gap(session)
    finally:
        session.close()
    return None if gap is None else f"{tracing.told(gap)}, and auditors are answered nothing before: {tracing.MEND}"


@command.command("partition")
@click.option("--ahead", type=click.IntRange(1, 100), default=2, show_default=True, help="How many to have ahead.")
@options.config
@options.data
@options.as_json
def partition(config: Path, data: Path | None, *, ahead: int, as_json: bool) -> None:
    """Make the partitions ahead into which PostgreSQL will put the next messages.

    A running gateway does it every day by itself. On an embedded store there is nothing to do.
    """
    from gateway.store import partitions  # noqa: PLC0415
    from gateway.store.place import Duty, placed  # noqa: PLC0415

    configuration = _load(config, data)
    place = placed(configuration.services, configuration.gateway.store.path, Duty.INTEGRATOR)
    made, now = partitions.keep(place, wanted=ahead), partitions.ahead(place)
    if as_json:
        output.document({"made": made, "ahead": now})
    elif now is None:
        output.results().print("an embedded store has no partitions", markup=False)
    else:
        output.results().print(f"{made} made; {now} ahead", markup=False)


@command.command("copy")
@options.config
@options.data
@options.as_json
def copy(config: Path, data: Path | None, *, as_json: bool) -> None:
    """Move the embedded store in [store] path into the PostgreSQL that services.toml names, and prove it the same.

    Stop the gateway first. An interrupted copy goes on where it stopped. The embedded store is only read, and is kept.
    Exit code 5: the database holds something else, or what is there is not what was copied.
    """
    from gateway import wiring  # noqa: PLC0415
    from gateway.store import copy as copying  # noqa: PLC0415
    from gateway.store.place import Duty, PostgresPlace, SqlitePlace  # noqa: PLC0415

    configuration = _load(config, data)
    gateway, settings = configuration.gateway, configuration.services.postgresql
    if settings is None:
        raise ConfigError(f"{gateway.data / 'services.toml'}: [postgresql]: not there; it says where to copy to")
    progress = output.progress()
    source = SqlitePlace(gateway.store.path)
    wiring.upgraded(configuration, source, wiring.SystemClock())
    report = copying.copy(
        source,
        PostgresPlace(settings=settings, duty=Duty.OWNER, folder=gateway.store.path),
        key=wiring.checkpoint_key(configuration),
        clock=wiring.SystemClock(),
        told=lambda table, rows: progress.print(f"{table}: {rows}", markup=False),
    )
    if as_json:
        output.document({
            "origin": report.last.origin, "size": report.last.size, "root": report.last.root.hex(),
            "checkpoints": report.checkpoints, "rows": dict(report.rows),
        })  # fmt: skip
        return
    console = output.results()
    console.print(output.table("Copied, and every row compared", ["table", "rows"],
        [[name, str(count)] for name, count in report.rows.items()], right=[1]))  # fmt: skip
    console.print(
        f"The same log: {report.last.size} leaves, computed again against {report.checkpoints} signed checkpoints; "
        f"root {report.last.root.hex()}",
        markup=False,
    )


def _load(config: Path, data: Path | None) -> Configuration:
    from gateway.config import load  # noqa: PLC0415

    return load(config, data=data)
