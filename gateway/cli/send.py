"""`gateway send FILE` and `gateway ask FILE`: have something sent to partners, or asked of one, by hand.

FILE holds the `data` of a command (`schemas/events/kommando.v1.json`) as JSON or TOML; `-` is stdin. It is about a
person, so it is never an argument. The command is read by the rules of every other way in, kept in the store, and
carried out by the gateway that runs. Its id makes it one: the same id with the same content is never done twice.
"""

from __future__ import annotations

import sys
import time
import tomllib
import uuid
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli import exits, options, output

if TYPE_CHECKING:
    from gateway.config import Configuration
    from gateway.dispatch import DispatchId
    from gateway.store.dispatch_views import Dispatch

_LOOK = 0.25
"""Seconds between two looks at what becomes of it."""


def made(name: str, text: str) -> click.Command:
    """Return `gateway send` or `gateway ask`, by name."""

    @click.command(name, help=text)
    @click.argument("file", type=click.File("rb"))
    @click.option("--as", "asker", required=True, help="On whose behalf: one of config/askers.toml.")
    @click.option("--id", "command", help="The command's id; a new one if not given. Holds nothing about a person.")
    @click.option("--wait", type=click.FloatRange(0), default=0.0, help="Wait so many seconds for the outcome.")
    @options.config
    @options.data
    @options.as_json
    def commanded(
        *,
        file: Any,  # noqa: ANN401  # click's own type
        asker: str,
        command: str | None,
        wait: float,
        config: Path,
        data: Path | None,
        as_json: bool,
    ) -> None:
        from gateway.config import load  # noqa: PLC0415  # pydantic: not needed for --help

        configuration = load(config, data=data)
        given = _read(file.name, file.read())
        dispatches, repeated = _taken(configuration, name, asker, command or str(uuid.uuid4()), given)
        found = _awaited(configuration, dispatches, wait)
        _shown(found, repeated=repeated, as_json=as_json)
        click.get_current_context().exit(_exit(found, waited=wait > 0))

    return commanded


def _read(name: str, content: bytes) -> dict[str, Any]:
    """Return the command's data. What is wrong is told by place, never by value."""
    import orjson  # noqa: PLC0415  # not needed for --help

    from gateway import endings  # noqa: PLC0415  # as above
    from gateway.errors import ContractError  # noqa: PLC0415  # as above

    try:
        found = tomllib.loads(content.decode()) if name.endswith(".toml") else orjson.loads(content)
    except (ValueError, UnicodeDecodeError):
        raise ContractError(endings.COMMAND_FORMAT, f"{name}: is neither JSON nor (as .toml) TOML") from None
    if not isinstance(found, dict):
        raise ContractError(endings.COMMAND_FORMAT, f"{name}: is no object")
    plain: dict[str, Any] = _plain(found)
    return plain


def _plain(value: Any) -> Any:  # noqa: ANN401  # what TOML and JSON hold
    """Write TOML's own days and times as JSON has them."""
    match value:
        case dict():
            return {name: _plain(inner) for name, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case datetime() | date():
            return value.isoformat()
        case _:
            return value


def _taken(
    configuration: Configuration, interaction: str, asker: str, command: str, data: dict[str, Any]
) -> tuple[Sequence[DispatchId], bool]:
    from gateway import endings, wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.adapters.registry import Registry  # noqa: PLC0415  # as above
    from gateway.consumer.asking import composed  # noqa: PLC0415  # as above
    from gateway.errors import ContractError  # noqa: PLC0415  # as above
    from gateway.outbound import commands  # noqa: PLC0415  # as above
    from gateway.outbound.commands import Agreed  # noqa: PLC0415  # as above
    from gateway.store.dispatches import StoredDispatches  # noqa: PLC0415  # as above

    clock = wiring.SystemClock()
    body = composed(asker, command, data, clock.now())
    outgoing = Registry.load(configuration.gateway.schemas).outgoing
    agreed = Agreed(askers=configuration.askers, partners=configuration.partners, outgoing=outgoing)
    read, digest = commands.read(body, agreed)
    going = outgoing[read.contract]
    if going.interaction != interaction:
        raise ContractError(endings.COMMAND_FORMAT, f"data.contract: {read.contract}: use gateway {going.interaction}")
    queued = commands.queue(read)
    seal = wiring.sealer(configuration.gateway.keys)
    store = StoredDispatches(wiring.place(configuration, wiring.Duty.OPERATOR), clock=clock)
    try:
        taken = store.take(read, queued, [seal.seal(body, []) for _ in queued], digest)
    finally:
        store.close()
    return taken.dispatches, taken.repeated


def _awaited(configuration: Configuration, dispatches: Sequence[DispatchId], wait: float) -> list[Dispatch]:
    """Return how each stands, when all have ended or `wait` seconds are over."""
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.outbound import states  # noqa: PLC0415  # as above
    from gateway.store.dispatch_views import DispatchViews  # noqa: PLC0415  # as above

    views = DispatchViews(wiring.place(configuration, wiring.Duty.OPERATOR))
    until = time.monotonic() + wait
    try:
        while True:
            found = [one for one in map(views.dispatch, dispatches) if one is not None]
            if all(one.state in states.ENDED for one in found) or time.monotonic() >= until:
                return found
            time.sleep(_LOOK)
    finally:
        views.close()


def _shown(found: Sequence[Dispatch], *, repeated: bool, as_json: bool) -> None:
    if as_json:
        output.document([
            {
                "command": one.command,
                "dispatch": one.id,
                "partner": one.partner,
                "organisation": one.organisation,
                "state": one.state.value,
                "code": one.code,
                "partner_code": one.partner_code,
                "attempts": one.attempts,
                "repeated": repeated,
            }
            for one in found
        ])  # fmt: skip
        return
    rows = [
        [one.id, one.partner, one.organisation or "", one.state.value, one.code or "", str(one.attempts)]
        for one in found
    ]
    title = f"{found[0].command if found else ''}{' (came before)' if repeated else ''}"
    output.results().print(
        output.table(title, ["dispatch", "partner", "organisation", "state", "code", "attempts"], rows, right=[5])
    )


def _exit(found: Sequence[Dispatch], *, waited: bool) -> exits.Exit:
    from gateway.outbound.states import ENDED, State  # noqa: PLC0415  # not needed for --help

    if any(one.state in ENDED and one.state is not State.DELIVERED for one in found):
        return exits.Exit.REFUSED
    if waited and any(one.state not in ENDED for one in found):
        sys.stderr.write("not ended yet: gateway dispatch show tells how it goes on\n")
        return exits.Exit.UNAVAILABLE
    return exits.Exit.OK


command = made("send", "Have something sent: FILE holds the command's data (JSON, or TOML by its name; - is stdin).")
