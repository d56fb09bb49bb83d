"""`gateway audit witnesses` and `gateway audit stamps …`: what others have signed for.

A time stamp is proven again with the authority's certificates and nothing else: from the store, or from files on a
machine that has neither store nor configuration. `openssl ts -verify` does the same.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from gateway.cli import exits, options, output
from gateway.errors import ConfigError, IntegrityError

if TYPE_CHECKING:
    from gateway.audit.stamp import Stamp


@click.command("witnesses")
@options.config
@options.data
@options.as_json
def witnesses(config: Path, data: Path | None, *, as_json: bool) -> None:
    """Tell how far each witness has come, and prove every cosignature that is kept.

    Exit code 1: the newest checkpoint lacks the quorum, for longer than it may. 5: a cosignature is not its own.
    """
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.config import load  # noqa: PLC0415

    configuration = load(config, data=data)
    found = wiring.witnessed(configuration, wiring.Duty.AUDITOR)
    count, standing = found.check(), found.standing(wiring.SystemClock().now())
    if standing is None:
        raise ConfigError("audit.witnesses.policy: not there: nobody witnesses this log")
    waiting = standing.waiting.total_seconds()
    if as_json:
        output.document({
            "size": standing.size, "witnessed": standing.witnessed, "waiting_seconds": waiting,
            "cosignatures": count, "last": dict(standing.last),
        })  # fmt: skip
    else:
        rows = [[name, str(size), str(standing.size - size)] for name, size in standing.last.items()]
        title = f"{count} cosignatures, each its witness's own; the quorum is at {standing.witnessed or 0} leaves"
        output.results().print(output.table(title, ["witness", "leaves", "behind"], rows, right=[1, 2]))
    if standing.waiting > configuration.gateway.audit.witnesses.maximum_absence:
        output.progress().print(f"the quorum is missing for {waiting:.0f} s", style="bold red")
        click.get_current_context().exit(exits.Exit.REFUSED)


@click.group("stamps", help="See and prove the time stamps of each day's last checkpoint.")
def stamps() -> None:
    """Hold the commands about time stamps."""


@stamps.command("list")
@options.config
@options.data
@options.as_json
def list_(config: Path, data: Path | None, *, as_json: bool) -> None:
    """Tell which days are stamped; with --json one a line, with checkpoint and token as they are."""
    from gateway import wiring  # noqa: PLC0415
    from gateway.config import load  # noqa: PLC0415

    found = wiring.witnessed(load(config, data=data), wiring.Duty.AUDITOR).stamps()
    if as_json:
        for one in found:
            output.document({
                "day": one.day.isoformat(), "size": one.size, "time": one.time.isoformat(),
                "checkpoint": one.note.decode(), "token": b64encode(one.token).decode(),
            })  # fmt: skip
        return
    rows = [[one.day.isoformat(), str(one.size), one.time.isoformat()] for one in found]
    output.results().print(output.table("Stamped", ["day", "leaves", "at"], rows, right=[1]))


@stamps.command("verify")
@click.option("--token", type=click.File("rb"), help="One answer of an authority (DER); needs the next two.")
@click.option("--checkpoint", type=click.File("rb"), help="The checkpoint that it is a stamp of, as the log signed it.")
@click.option("--authority", type=click.File("rb"), help="Certificates (PEM) to believe; without it, as configured.")
@options.config
@options.data
@options.as_json
def verify(
    token: BinaryIO | None,
    checkpoint: BinaryIO | None,
    authority: BinaryIO | None,
    config: Path,
    data: Path | None,
    *,
    as_json: bool,
) -> None:
    """Prove every time stamp that is kept; or one, from files, with neither store nor configuration.

    Exit code 5: one is not believed.
    """
    from gateway.audit import stamp  # noqa: PLC0415

    if token is not None:
        if checkpoint is None or authority is None:
            raise click.UsageError("--token needs --checkpoint and --authority")
        proven = stamp.verify(token.read(), _signed(checkpoint.read()), stamp.anchors(authority.read()))
        _tell([("", proven)], as_json=as_json)
        return
    from gateway import wiring  # noqa: PLC0415
    from gateway.config import load  # noqa: PLC0415
    from gateway.wiring import stamping  # noqa: PLC0415

    configuration = load(config, data=data)
    settings = configuration.gateway.audit.stamps
    believed = stamping.believed(settings) if authority is None else stamp.anchors(authority.read())
    found = []
    for one in wiring.witnessed(configuration, wiring.Duty.AUDITOR).stamps():
        try:
            found.append((one.day.isoformat(), stamp.verify(one.token, one.note, believed)))
        except IntegrityError as error:
            raise IntegrityError(f"{one.day}: {error.detail}") from None
    _tell(found, as_json=as_json)


def _signed(note: bytes) -> bytes:
    """Return a checkpoint with the log's own signature alone, which is what is stamped: the first line of them."""
    text, gap, lines = note.rpartition(b"\n\n")
    return text + gap + lines.partition(b"\n")[0] + b"\n"


def _tell(found: Sequence[tuple[str, Stamp]], *, as_json: bool) -> None:
    if as_json:
        for day, one in found:
            output.document({"day": day, "time": one.time.isoformat(), "serial": one.serial, "policy": one.policy})
        return
    rows = [[day, one.time.isoformat(), one.policy] for day, one in found]
    output.results().print(output.table(f"{len(rows)} time stamps proven", ["day", "at", "policy"], rows))
