"""`gateway init`: a new store with an empty, signed log. Once for each installation, and never over an old one."""

from __future__ import annotations

from pathlib import Path

import click

from gateway import wiring
from gateway.cli import options, output
from gateway.config import load


@click.command(name="init")
@options.config
@options.data
@options.as_json
def command(config: Path, data: Path | None, as_json: bool) -> None:  # noqa: FBT001  # click's way
    """Make a new store and log.

    The keys must be there already (`gateway pki demo` makes throw-away ones). A store that exists, or half of one, is
    never overwritten: exit code 5.
    """
    configuration = load(config, data=data)
    made = wiring.create_store(configuration, wiring.SystemClock())
    folder = configuration.gateway.store.path
    if as_json:
        output.document({"store": str(folder), "origin": made.origin, "size": made.size, "root": made.root.hex()})
    else:
        output.results().print(f"{folder}: a new store; the log {made.origin} is empty and signed", markup=False)
