"""`gateway pki demo DIR`: a throw-away PKI for trying things out. Never for production."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.cli import options, output


@click.group(name="pki", help="Make a throw-away PKI.")
def command() -> None:
    """Hold the PKI commands."""


@command.command("demo")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@options.as_json
def demo(folder: Path, *, as_json: bool) -> None:
    """Write a whole demonstration PKI below DIR: authorities, our keys, and partners' certificates.

    Keys that are there already are never overwritten: then the exit code is 3.
    """
    from gateway.trust import pki  # noqa: PLC0415  # cryptography: not needed for --help

    made = pki.make(folder, now=datetime.now(UTC))
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    if as_json:
        output.document({"folder": str(folder), "clients": sorted(made.clients), "files": files})
        return
    rows = [(client.name, client.organisation, f"clients/{client.name}/") for client in made.clients.values()]
    console = output.results()
    console.print(output.table(f"Throw-away PKI in {folder}", ["client", "organisation", "files"], rows))
    console.print(f"{len(files)} files. The authorities' own keys were not written: this PKI cannot grow.")
