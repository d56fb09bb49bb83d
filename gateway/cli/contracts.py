"""`gateway contracts …`: the event schemas and the AsyncAPI document, as FK's own systems read them.

They are made from the contracts, the bases and the queues, and committed in `schemas/events/`, so that a change of any
of those shows as a change of what consumers get. `check` says whether the files still are what would be made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import click

from gateway.cli import exits, options, output

_FOLDER = "events"


@click.group(name="contracts", help="Make the event schemas and the AsyncAPI document.")
def command() -> None:
    """Hold the contract commands."""


_into = click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the files; default `events` in the configuration's schemas.",
)


@command.command("write")
@_into
@options.config
@options.as_json
def write(into: Path | None, config: Path, *, as_json: bool) -> None:
    """Write every file anew, and remove those of kinds that are no more."""
    folder, made = _made(config, into)
    folder.mkdir(parents=True, exist_ok=True)
    changed = _differing(folder, made)
    for name in changed:
        if name in made:
            (folder / name).write_text(made[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    _tell(folder, changed, "written" if changed else "nothing had changed", as_json=as_json)


@command.command("check")
@_into
@options.config
@options.as_json
def check(into: Path | None, config: Path, *, as_json: bool) -> None:
    """Say which files are not what would be made; then the exit code is 1."""
    folder, made = _made(config, into)
    changed = _differing(folder, made)
    _tell(folder, changed, "differs: gateway contracts write" if changed else "as they are made", as_json=as_json)
    click.get_current_context().exit(exits.Exit.REFUSED if changed else exits.Exit.OK)


def _made(config: Path, into: Path | None) -> tuple[Path, dict[str, str]]:
    """Return the folder, and what is to stand in it: file name -> text. Raises ConfigError."""
    from gateway.adapters.registry import Registry  # noqa: PLC0415  # lxml: not needed for --help
    from gateway.config import load  # noqa: PLC0415
    from gateway.events import asyncapi, outcome, schemas  # noqa: PLC0415
    from gateway.events.compose import Own  # noqa: PLC0415
    from gateway.outbound import commands  # noqa: PLC0415
    from gateway.privacy import labels  # noqa: PLC0415
    from gateway.privacy.law import Law  # noqa: PLC0415

    configuration = load(config)
    registry = Registry.load(configuration.gateway.schemas)
    own = Own.of(configuration, registry.outgoing)
    made: dict[str, Mapping[str, schemas.Json]] = {
        schemas.file_name(kind): schema for kind, schema in schemas.build(registry.kinds(), configuration.bases).items()
    }
    made[outcome.FILE] = outcome.schema()
    command = cast("Mapping[str, schemas.Json]", commands.schema())
    made[schemas.file_name("kommando")] = {"$schema": schemas.DIALECT, **command, "title": commands.TYPE}
    law = Law.build(configuration, registry.kinds(), registry.outgoing)
    serves = labels.serving(law.rules)
    made[asyncapi.FILE] = asyncapi.build(configuration.queues, configuration.bases, own, serves=serves)
    texts = {name: json.dumps(value, ensure_ascii=False, indent=2) + "\n" for name, value in made.items()}
    return into or configuration.gateway.schemas / _FOLDER, texts


def _differing(folder: Path, made: Mapping[str, str]) -> list[str]:
    there = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.json"))}
    return sorted(name for name in there.keys() | made.keys() if there.get(name) != made.get(name))


def _tell(folder: Path, changed: list[str], what: str, *, as_json: bool) -> None:
    if as_json:
        output.document({"folder": str(folder), "changed": [*changed]})
        return
    for name in changed or [""]:
        output.results().print(f"{folder / name}: {what}", markup=False, soft_wrap=True)
