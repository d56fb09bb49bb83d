"""`gateway witness …`: be a witness of somebody's log (C2SP tlog-witness). For those who oversee, on their own machine.

Nothing of the gateway is needed there: no configuration, no store, no account. The witness has a folder with its key
and its memory, and answers one request. docs/auditor.md tells how one is set up.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.cli import exits, options, output
from gateway.errors import ConfigError, IntegrityError

folder = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="GATEWAY_WITNESS",
    required=True,
    help="Where key and memory are.",
)


@click.group(name="witness", help="Be a witness of somebody's log.")
def command() -> None:
    """Hold the witness commands."""


@command.command("init")
@click.option("--name", required=True, help="The witness's name: an address without scheme, as revision.example/w1.")
@folder
@options.as_json
def init(name: str, folder: Path, *, as_json: bool) -> None:
    """Make a key and an empty memory. Tell the vkey to those who run the log: it goes into their policy."""
    from gateway.witness.state import Folder  # noqa: PLC0415  # not needed for --help

    state = Folder(folder).make(name)
    if as_json:
        output.document({"vkey": str(state.key)})
    else:
        output.results().print(str(state.key), markup=False, soft_wrap=True)


@command.command("add")
@click.argument("vkey", metavar="LOG_VKEY")
@folder
@options.as_json
def add(vkey: str, folder: Path, *, as_json: bool) -> None:
    """Know a log from now on, by the key it signs with; or another key of one that is known.

    May be run while the witness serves. The first checkpoint that is then asked for is believed as it comes: compare
    its size and root (gateway witness show) with what the log's own people tell.
    """
    from gateway.audit.note import Key  # noqa: PLC0415
    from gateway.witness.state import Folder  # noqa: PLC0415

    try:
        key = Key.parse(vkey)
    except ConfigError as error:
        raise click.BadParameter(error.detail, param_hint="LOG_VKEY") from None
    known = Folder(folder).add(key)
    if as_json:
        output.document({"origin": key.name, "keys": [str(one) for one in known.keys], "size": known.size})
    else:
        output.results().print(f"{key.name} is known, from {known.size} leaves on", markup=False, soft_wrap=True)


@command.command("show")
@folder
@options.as_json
def show(folder: Path, *, as_json: bool) -> None:
    """Tell the witness's vkey, and of each log the last checkpoint that was cosigned."""
    from base64 import b64encode  # noqa: PLC0415

    from gateway.witness.state import Folder  # noqa: PLC0415

    state = Folder(folder).read()
    rows = [
        (origin, known.size, b64encode(known.root).decode(), len(known.keys)) for origin, known in state.logs.items()
    ]
    if as_json:
        logs: list[output.Json] = [
            {"origin": origin, "size": size, "root": root, "keys": keys} for origin, size, root, keys in rows
        ]
        output.document({"vkey": str(state.key), "logs": logs})
        return
    table = [[origin, str(size), root, str(keys)] for origin, size, root, keys in rows]
    output.results().print(output.table(str(state.key), ["log", "leaves", "root", "keys"], table, right=[1, 3]))


@command.command("serve")
@folder
@click.option("--listen", default="127.0.0.1:8447", show_default=True, metavar="HOST:PORT", help="0: any free port.")
def serve(folder: Path, listen: str) -> None:
    """Answer add-checkpoint until SIGTERM or SIGINT. The first line of the log tells the address.

    Exit code 5: what was cosigned cannot be told any more; a person must look.
    """
    import asyncio  # noqa: PLC0415
    from contextlib import closing  # noqa: PLC0415

    from gateway import logs  # noqa: PLC0415
    from gateway.witness import server  # noqa: PLC0415
    from gateway.witness.add import Witness  # noqa: PLC0415
    from gateway.witness.state import Folder  # noqa: PLC0415

    logs.configure()
    state = Folder(folder).read()
    witness = Witness(Folder(folder), now=lambda: datetime.now(UTC))
    failed: list[IntegrityError] = []

    async def run() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)

        def alarm(error: IntegrityError) -> None:
            failed.append(error)
            stop.set()

        with closing(server.bind(*_address(listen))) as bound:
            host, port = bound.getsockname()[:2]
            at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            logs.tell(
                logs.Happened.WITNESS_STARTED,
                witness=state.key.name, address=at, logs=len(state.logs), process=os.getpid(),
            )  # fmt: skip
            await server.Server(witness, alarm=alarm).serve(bound, stop)

    asyncio.run(run())
    logs.tell(logs.Happened.SERVER_STOPPED, process=os.getpid())
    sys.exit(exits.of(failed[0]) if failed else exits.Exit.OK)


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        raise click.BadParameter("is HOST:PORT", param_hint="--listen")
    return host.strip("[]"), int(port)
