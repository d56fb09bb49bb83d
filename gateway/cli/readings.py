"""`gateway audit readings …`: who has read the log, for those who oversee it.

The log of readings is the audit log's like in everything: `verify` computes it again, `proof` writes a C2SP
`.tlog-proof` that anybody can verify. What it says of readers is sealed, and opening that is a reading too: `list` and
`show` take a purpose and a case, and are written down in the same log first. So the overseers are seen by the next one.

On PostgreSQL all this asks as the overseer, who reads nothing else; nobody but the overseer can.
"""

from __future__ import annotations

import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from gateway.audit.reading import Purpose
from gateway.cli import exits, options, output, reading
from gateway.cli.person import pseudonym
from gateway.errors import ConfigError, IntegrityError

if TYPE_CHECKING:
    from gateway.audit.note import Key
    from gateway.audit.reading import Reading
    from gateway.config import Configuration
    from gateway.message import Pseudonym
    from gateway.store.readings import Kept, ReadingViews
    from gateway.trust.sealing import Sealer

_MOST = 10_000
_POSITION = click.IntRange(0, 2**63 - 1)


@click.group(name="readings", help="Who has read the log: list, show, verify, prove.")
def command() -> None:
    """Hold the commands about readings."""


@contextmanager
def _views(configuration: Configuration) -> Iterator[ReadingViews]:
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.store.readings import ReadingViews  # noqa: PLC0415

    yield ReadingViews(wiring.place(configuration, wiring.Duty.OVERSEER))


@contextmanager
def _overseeing(
    config: Path,
    data: Path | None,
    why: reading.Why | None,
    question: str,
    asked: dict[str, int | str | None],
    *,
    about: Pseudonym | None = None,
) -> Iterator[tuple[ReadingViews, Sealer]]:
    """Write down who oversees, and open what is sealed only then."""
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.config import load  # noqa: PLC0415

    configuration = load(config, data=data)
    with (
        reading.released(configuration, why, question, asked, pseudonym=about, duty=wiring.Duty.OVERSEER),
        _views(configuration) as views,
    ):
        yield views, wiring.sealer(configuration.gateway.keys)


@command.command("list")
@click.option("--by", "reader", metavar="USER", help="Only what this user has read.")
@click.option("--for", "wanted", type=click.Choice([one.value for one in Purpose]), help="Only for this purpose.")
@click.option("--in", "in_case", metavar="REFERENCE", help="Only in this case.")
@click.option("--since", type=click.DateTime(), help="Only from this time on (UTC).")
@click.option("--person", type=click.File("r"), help="Only about the person whose number is in this file; - is stdin.")
@click.option("-n", "--limit", type=click.IntRange(1, _MOST), default=50, show_default=True)
@reading.why()
@options.config
@options.data
@options.as_json
def list_(  # options, each by its name
    *,
    reader: str | None,
    wanted: str | None,
    in_case: str | None,
    since: datetime | None,
    person: TextIO | None,
    limit: int,
    why: reading.Why,
    config: Path,
    data: Path | None,
    as_json: bool,
) -> None:
    """Show readings, the newest first; this one is the first of them."""
    from gateway.config import load  # noqa: PLC0415

    about = None if person is None else pseudonym(load(config, data=data), person.read())
    from_ = None if since is None else since.replace(tzinfo=UTC)
    asked: dict[str, int | str | None] = {
        "by": reader, "for": wanted, "in": in_case, "since": None if from_ is None else from_.isoformat(),
        "limit": limit,
    }  # fmt: skip

    def is_asked(one: Reading | None) -> bool:
        if one is None:  # whatever cannot be opened is always told
            return True
        return (
            reader in {None, one.reader}
            and wanted in {None, one.purpose.value}
            and in_case in {None, one.case}
            and about in {None, one.pseudonym}
        )

    lines: list[dict[str, output.Json]] = []
    with _overseeing(config, data, why, "audit readings list", asked, about=about) as (views, sealer):
        for kept in views.newest():
            if len(lines) == limit or (from_ is not None and kept.at < from_):
                break
            said = _opened(kept, sealer)
            if is_asked(said):
                lines.append(_line(kept, said))
    if as_json:
        for line in lines:
            output.document(line)
    else:
        columns = ("reading", "at", "reader", "account", "purpose", "case", "question", "person")
        rows = [tuple(_cell(line[column]) for column in columns) for line in lines]
        output.results().print(output.table(f"{len(lines)} readings", columns, rows, right=(0,)))
    if any(line["reader"] is None for line in lines):
        raise IntegrityError("a reading cannot be opened, or is not the one that its leaf commits to")


@command.command("show")
@click.argument("number", metavar="READING", type=_POSITION)
@reading.why()
@options.config
@options.data
@options.as_json
def show(*, number: int, why: reading.Why, config: Path, data: Path | None, as_json: bool) -> None:
    """Show one reading by its number: who, why, in which case, what was asked with what. Exit code 1: there is none."""
    with _overseeing(config, data, why, "audit readings show", {"reading": number}) as (views, sealer):
        kept = views.at(number)
        line = None if kept is None else {**_line(kept, kept.opened(sealer)), "leaf": kept.hash.hex()}
    if line is None:
        _nothing()
    elif as_json:
        output.document(line)
    else:
        for name, value in line.items():
            output.results().print(f"{name:>12}  {_cell(value)}", markup=False, soft_wrap=True)


@command.command("verify")
@click.option("--records", is_flag=True, help="Open every record too, and compare it with its leaf; is written down.")
@click.option("--vkey", metavar="KEY", help="The public key of the log of readings; without it, as configured.")
@reading.why(always=False)
@options.config
@options.data
@options.as_json
def verify(
    *, records: bool, vkey: str | None, why: reading.Why | None, config: Path, data: Path | None, as_json: bool
) -> None:
    """Compute the whole log of readings again and compare everything: entries, tiles, checkpoints, anchor, records.

    With --records also --purpose and --case. Exit code 5: something disagrees. Stop, and let a person look.
    """
    from gateway import wiring  # noqa: PLC0415
    from gateway.config import load  # noqa: PLC0415
    from gateway.store import guard  # noqa: PLC0415
    from gateway.store.log import READINGS  # noqa: PLC0415

    configuration = load(config, data=data)
    key = wiring.checkpoint_key(configuration) if vkey is None else _key(vkey)
    guard.check(wiring.place(configuration, wiring.Duty.OVERSEER), key, READINGS)
    if records:
        with _overseeing(config, data, why, "audit readings verify", {"records": True}) as (views, sealer):
            report = views.verify(key, sealer)
    else:
        with _views(configuration) as views:
            report = views.verify(key)
    own = READINGS.key(key)
    found: dict[str, output.Json] = {
        "origin": own.name,
        "size": report.size,
        "root": b64encode(report.root).decode(),
        "checkpoints": report.checkpoints,
        "tiles": report.tiles,
        "pending": report.pending,
        "records": "opened" if records else "there",
        "vkey": str(own),
    }
    _told("The log of readings agrees with itself", found, as_json=as_json)


@command.command("export")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@options.config
@options.data
@options.as_json
def export_(folder: Path, config: Path, data: Path | None, *, as_json: bool) -> None:
    """Write the log of readings as static files that anybody can mirror, and bring them up to date the next time.

    The files commit to readings and tell none. `gateway audit verify FOLDER --vkey …` verifies them, by the vkey told
    here. Exit code 5: what is in FOLDER is not the beginning of this log.
    """
    from gateway import wiring  # noqa: PLC0415
    from gateway.config import load  # noqa: PLC0415
    from gateway.store import export  # noqa: PLC0415
    from gateway.store.log import READINGS  # noqa: PLC0415

    configuration = load(config, data=data)
    key, place = wiring.checkpoint_key(configuration), wiring.place(configuration, wiring.Duty.OVERSEER)
    shown = wiring.witnessed_readings(configuration, place, key).shown
    made = export.export(place, folder, key, log=READINGS, shown=shown)
    found: dict[str, output.Json] = {
        "origin": made.checkpoint.origin,
        "before": made.before,
        "size": made.checkpoint.size,
        "root": b64encode(made.checkpoint.root).decode(),
        "files": made.files,
        "vkey": str(READINGS.key(key)),
    }
    _told("Exported: the folder holds the log of readings up to its last checkpoint", found, as_json=as_json)


@command.command("anchor")
@click.option("--first", is_flag=True, help="This machine has no anchor yet: begin with the log as it is now.")
@click.option("--vkey", metavar="KEY", help="The public key of the log of readings; without it, as configured.")
@options.config
@options.data
@options.as_json
def anchor_(*, first: bool, vkey: str | None, config: Path, data: Path | None, as_json: bool) -> None:
    """Keep this machine's own copy of its last signed checkpoint, for a machine of the overseers' own.

    Where the audit log is guarded too, `gateway audit anchor` keeps both. Exit code 5: it is not the log that this
    machine knew.
    """
    from gateway import wiring  # noqa: PLC0415
    from gateway.config import load  # noqa: PLC0415
    from gateway.store import guard  # noqa: PLC0415
    from gateway.store.log import READINGS  # noqa: PLC0415

    configuration = load(config, data=data)
    place = wiring.place(configuration, wiring.Duty.OVERSEER)
    key = wiring.checkpoint_key(configuration) if vkey is None else _key(vkey)
    signed = (guard.join if first else guard.renew)(place, key, READINGS)
    found: dict[str, output.Json] = {
        "origin": signed.origin,
        "size": signed.size,
        "root": b64encode(signed.root).decode(),
        "anchor": str(READINGS.anchored(place)),
    }
    _told(
        "Kept: compare size and root with another machine's" if first else "Kept: the log goes on",
        found,
        as_json=as_json,
    )


@command.command("proof")
@click.argument("number", metavar="READING", type=_POSITION)
@options.config
@options.data
@options.as_json
def proof_(*, number: int, config: Path, data: Path | None, as_json: bool) -> None:
    """Write the .tlog-proof of a reading by its number.

    Exit code 1: there is no such reading. 4: there is, but no checkpoint covers it yet; ask again in a moment.
    """
    from gateway.audit import proof  # noqa: PLC0415
    from gateway.config import load  # noqa: PLC0415

    with _views(load(config, data=data)) as views:
        proven, kept = views.proof(number), views.at(number)
    if proven is None or kept is None:
        _nothing()
    elif as_json:
        output.document({"leaf": kept.hash.hex(), "index": proven.index, "proof": proof.write(proven).decode()})
    else:
        sys.stdout.write(proof.write(proven).decode())


def _key(vkey: str) -> Key:
    """Return the audit log's key, of which that of the log of readings is the same by its own name."""
    from gateway.audit.note import Key  # noqa: PLC0415
    from gateway.audit.reading import SUFFIX  # noqa: PLC0415

    try:
        own = Key.parse(vkey)
    except ConfigError as error:
        raise click.BadParameter(error.detail, param_hint="--vkey") from None
    if not own.name.endswith(SUFFIX):
        raise click.BadParameter(f"is of {own.name}, and a log of readings ends in {SUFFIX}", param_hint="--vkey")
    return Key(own.name.removesuffix(SUFFIX), own.public)


def _told(title: str, found: dict[str, output.Json], *, as_json: bool) -> None:
    if as_json:
        output.document(found)
        return
    console = output.results()
    console.print(title, style="bold green", markup=False)
    for name, value in found.items():
        console.print(f"{name:>12}  {value}", markup=False, soft_wrap=True)


def _nothing() -> None:
    output.progress().print("there is no such reading", style="bold red")
    click.get_current_context().exit(exits.Exit.REFUSED)


def _opened(kept: Kept, sealer: Sealer) -> Reading | None:
    try:
        return kept.opened(sealer)
    except IntegrityError:
        return None


def _line(kept: Kept, said: Reading | None) -> dict[str, output.Json]:
    told: dict[str, output.Json] = {"reading": kept.position, "at": kept.at.isoformat(timespec="seconds")}
    names = ("reader", "purpose", "case", "question", "person", "parameters")
    if said is None:
        return {**told, **dict.fromkeys(names), "account": kept.account or None}
    values = (said.reader, said.purpose.value, said.case, said.question, said.pseudonym, said.parameters)
    return {**told, **dict(zip(names, values, strict=True)), "account": kept.account or None}


def _cell(value: output.Json) -> str:
    return "-" if value is None else str(value)
