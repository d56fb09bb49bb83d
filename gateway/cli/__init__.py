"""The command line: one module a command, loaded when it is called, so that `--help` and `check` are quick.

Results to stdout, everything else to stderr, `--json` everywhere, exit codes as in `exits.py`. Commands take names of
files, queues, events and leaves, never a person's number: argument lists are seen by every user of a machine. A
GatewayError that escapes a command becomes a clear message and the right exit code in one place, here.
"""

from __future__ import annotations

from importlib import import_module

import click

from gateway import __version__
from gateway.cli import exits
from gateway.errors import GatewayError

_COMMANDS = {
    "init": ("gateway.cli.init", "Make a new store and log."),
    "serve": ("gateway.cli.serve", "Receive messages."),
    "store": ("gateway.cli.store", "Bring the store to this program's schema; move it to PostgreSQL."),
    "check": ("gateway.cli.check", "Try a payload or a whole message, offline, before it is sent."),
    "queue": ("gateway.cli.queue", "See and drain the queues; judge their dead letters."),
    "consume": ("gateway.cli.consume", "Receive a queue's events, for a declared purpose."),
    "send": ("gateway.cli.send", "Have something sent to partners."),
    "ask": ("gateway.cli.ask", "Have a partner asked."),
    "dispatch": ("gateway.cli.dispatch", "See what is sent and asked; try again, withdraw, settle; pause a partner."),
    "purpose": ("gateway.cli.purpose", "Try a request against purpose and law; have a decision explained."),
    "review": ("gateway.cli.review", "Answer what only a person may decide."),
    "contracts": ("gateway.cli.contracts", "Make the event schemas and the AsyncAPI document."),
    "broker": ("gateway.cli.broker", "Compare RabbitMQ with the configuration."),
    "audit": ("gateway.cli.audit", "Recompute the log; prove a leaf."),
    "witness": ("gateway.cli.witness", "Be a witness of somebody's log."),
    "gallring": ("gateway.cli.gallring", "See what is due, destroy it, and hold what may not be destroyed."),
    "certificates": ("gateway.cli.certificates", "Tell which certificates and revocation lists end when."),
    "law": ("gateway.cli.law", "Check and show the register of law; compare two; try one on what was decided."),
    "config": ("gateway.cli.configuration", "Check the configuration."),
    "pki": ("gateway.cli.pki", "Make a throw-away PKI."),
    "demo": ("gateway.cli.demo.command", "Messages from three partners all the way, and wrong ones refused."),
}


class _Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # as above
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(_COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # as above
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except GatewayError as error:
            from gateway.cli import options, output  # noqa: PLC0415  # rich is slow to import: only for an error

            output.failure(error, as_json=bool(ctx.meta.get(options.JSON)))
            ctx.exit(exits.of(error))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="gateway")
def main() -> None:
    """Försäkringskassans dörr till andra myndigheter: the data exchange gateway.

    Exit codes: 0 done; 1 refused or negative answer; 2 wrong use; 3 wrong configuration; 4 temporarily not possible;
    5 our own records disagree; 6 something is missing.
    """
