"""`gateway broker …`: whether RabbitMQ has what the configuration needs, and what to give it.

The gateway declares nothing itself: its accounts may not. `definitions` writes what an administrator imports, `check`
says what differs afterwards and how to mend it. Nothing here changes the broker.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli import exits, options, output
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from gateway.broker.rabbitmq.check import Report
    from gateway.config import Configuration


@click.group(name="broker", help="Compare RabbitMQ with the configuration.")
def command() -> None:
    """Hold the broker commands."""


def _loaded(config: Path, data: Path | None) -> Configuration:
    from gateway.config import load  # noqa: PLC0415  # pydantic: not needed for --help

    return load(config, data=data)


@command.command("check")
@options.config
@options.data
@options.as_json
def check(config: Path, data: Path | None, *, as_json: bool) -> None:
    """Say what differs between the broker and the definitions, and how to mend it. Something does: exit code 1."""
    from gateway.broker.rabbitmq import check as checking  # noqa: PLC0415  # drivers: not needed for --help

    configuration = _loaded(config, data)
    settings = configuration.services.rabbitmq
    if settings is None:
        raise ConfigError(f"{configuration.gateway.data / 'services.toml'}: [rabbitmq]: is not there: nothing to check")
    report = checking.check(settings, configuration.queues)
    if as_json:
        output.document(
            {
                "right": not report.differences,
                "differences": [{"what": one.what, "found": one.found, "mend": one.mend} for one in report.differences],
                "unseen": report.unseen,
            }
        )
    else:
        _show(report)
    click.get_current_context().exit(exits.Exit.REFUSED if report.differences else exits.Exit.OK)


def _show(report: Report) -> None:
    console = output.results()
    if report.differences:
        console.print(f"{len(report.differences)} differences", style="bold red")
    else:
        console.print("The broker has what the configuration needs", style="bold green")
    for one in report.differences:
        console.print(f"{one.what}\n    found  {one.found}\n    mend   {one.mend}", markup=False, soft_wrap=True)
    for text in report.unseen:
        console.print(f"not seen: {text}", style="yellow", markup=False, soft_wrap=True)


@command.command("definitions")
@click.option("--vhost", help="The virtual host, instead of the configuration's own (gateway where there is none).")
@click.option("--no-accounts", is_flag=True, help="Without accounts and permissions: those that are there stay.")
@options.config
@options.data
@options.as_json
def definitions(
    vhost: str | None,
    config: Path,
    data: Path | None,
    *,
    no_accounts: bool,
    as_json: bool,  # noqa: ARG001  # always JSON
) -> None:
    """Write what the broker must have, as JSON for `rabbitmqctl import_definitions`.

    The accounts in it have no password: they log in by certificate (EXTERNAL). Importing them takes the password from
    an account that has one; `rabbitmqctl change_password` gives it back, `--no-accounts` leaves it alone.
    """
    from gateway.broker.rabbitmq import topology  # noqa: PLC0415  # drivers: not needed for --help

    configuration = _loaded(config, data)
    settings = configuration.services.rabbitmq
    name = vhost or (settings.virtual_host if settings else "gateway")
    made = topology.definitions(configuration.queues, name)
    if no_accounts:
        made = {key: value for key, value in made.items() if key not in {"users", "permissions"}}
    click.echo(topology.document(made), nl=False)
