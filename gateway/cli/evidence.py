"""`gateway audit evidence`: a package that proves itself, of a message, a dispatch, a person, a case or some leaves.

It is written as a plain ZIP, as a folder, or as an ASiC-E container that our key has signed, by what its name ends in.
What is opened for it is a reading: it is written down, with purpose and case, before anything is. A package about a
person or a case holds the records that are about them and no others'; messages in original, which may tell of more
people, come with `--originals`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from gateway.audit.reading import Parameter
from gateway.cli import exits, instructions, options, output, reading
from gateway.cli.person import me, pseudonym
from gateway.dispatch import DispatchId
from gateway.message import MessageId, Pseudonym

if TYPE_CHECKING:
    from gateway.config import Configuration
    from gateway.store.dispatch_views import DispatchViews

_MOST = 10_000
"""Leaves in one package: some 100 MB, and minutes."""
_CONTAINER = ".asice"
_ARCHIVE = ".zip"


class Span(click.ParamType[range]):
    """`FIRST-LAST`, both with."""

    name = "span"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> range:
        """Return the positions."""
        if isinstance(value, range):
            return value
        first, _, last = value.partition("-")
        if not first.isdecimal() or not (last or first).isdecimal() or int(last or first) < int(first):
            self.fail("not FIRST-LAST, two numbers of leaves", param, ctx)
        return range(int(first), int(last or first) + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What one of the options names."""

    words: str
    parameters: Mapping[str, Parameter]
    pseudonym: Pseudonym | None = None
    case: str | None = None
    """Keyed hash."""
    message: str | None = None
    dispatch: str | None = None
    span: range | None = None

    @property
    def others(self) -> bool:
        """Whether its messages may tell of people whom nobody asked about."""
        return self.pseudonym is not None or self.case is not None


@click.command("evidence")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--message-id", metavar="ID", help="Of the accepted messages with this id.")
@click.option("--dispatch", type=instructions.Id(), help="Of what we sent or asked under this id.")
@click.option("--person", type=click.File("r"), help="Of the person whose number is in this file; - is stdin.")
@click.option("--of-case", metavar="REFERENCE", help="Of what went out in this case of ours.")
@click.option("--leaves", type=Span(), help="Of these leaves: FIRST-LAST.")
@click.option("--originals/--no-originals", default=None, help="With messages in original; without for person, case.")
@reading.why()
@options.config
@options.data
@options.as_json
def command(  # options, each by its name
    *,
    out: Path,
    message_id: str | None,
    dispatch: str | None,
    person: TextIO | None,
    of_case: str | None,
    leaves: range | None,
    originals: bool | None,
    why: reading.Why,
    config: Path,
    data: Path | None,
    as_json: bool,
) -> None:
    """Write a package of evidence to OUT: a folder, or a file called .zip or .asice (signed).

    Whoever gets it proves it with Python alone; README.sv.md in it says how.
    Exit code 1: the log has no such leaf. 4: it has, but no checkpoint covers it yet; ask again in a moment.
    """
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.audit import evidence  # noqa: PLC0415
    from gateway.config import load  # noqa: PLC0415
    from gateway.wiring import evidence as gathering  # noqa: PLC0415
    from gateway.wiring.unsealing import unsealing  # noqa: PLC0415

    if out.exists():
        raise click.BadParameter("is there already", param_hint="OUT")
    configuration = load(config, data=data)
    wanted = _wanted(configuration, message_id, dispatch, person, of_case, leaves)
    whole = not wanted.others if originals is None else originals
    asked = {**wanted.parameters, "originals": whole}
    with (
        reading.released(
            configuration, why, "audit evidence", asked, pseudonym=wanted.pseudonym, duty=wiring.Duty.ARCHIVIST
        ),
        unsealing(configuration) as (views, opened),
    ):
        positions = _positions(views, wanted)
        if not positions:
            output.progress().print("the log has no such leaf", style="bold red")
            click.get_current_context().exit(exits.Exit.REFUSED)
        now = wiring.SystemClock().now()
        by = f"{me()}, {why.purpose.value}, ärende {why.case}"
        request = gathering.Asked(words=wanted.words, leaves=positions, originals=whole, by=by, at=now)
        made = gathering.package(configuration, request, views, opened, wiring.checkpoint_key(configuration))
        files = evidence.files(made)
        _write(configuration, out, files)
    told: dict[str, output.Json] = {
        "out": str(out),
        "leaves": len(made.leaves),
        "files": len(files),
        "destroyed": sum(one.why_not != "" for one in made.leaves),
        "vkey": made.keys[0],
    }
    if as_json:
        output.document(told)
        return
    output.results().print(f"{out}: {told['leaves']} leaves in {told['files']} files; README.sv.md says how to verify")


def _wanted(  # noqa: PLR0917  # one of them is given
    configuration: Configuration,
    message_id: str | None,
    dispatch: str | None,
    person: TextIO | None,
    case: str | None,
    span: range | None,
) -> _Wanted:
    """Return what is asked for. Raises click.UsageError unless it is one thing."""
    from gateway import wiring  # noqa: PLC0415

    if [message_id, dispatch, person, case, span].count(None) != 4:  # noqa: PLR2004  # all but one
        raise click.UsageError("Give --message-id, --dispatch, --person, --of-case or --leaves: one of them.")
    if message_id is not None:
        return _Wanted(words=f"meddelandet {message_id}", parameters={"message": message_id}, message=message_id)
    if dispatch is not None:
        return _Wanted(words=f"utskicket {dispatch}", parameters={"dispatch": dispatch}, dispatch=dispatch)
    if span is not None:
        words = f"löv {span.start}-{span.stop - 1}"
        return _Wanted(words=words, parameters={"first": span.start, "last": span.stop - 1}, span=span)
    names = wiring.pseudonyms(configuration.gateway.keys)
    if case is not None:
        return _Wanted(words="ett ärende", parameters={"of_case": names.case(case)}, case=names.case(case))
    about = pseudonym(configuration, person.read() if person is not None else "")
    return _Wanted(words="en person", parameters={}, pseudonym=about)


def _positions(views: DispatchViews, wanted: _Wanted) -> Sequence[int]:
    """Return the leaves, growing. Raises click.UsageError where they are more than a package takes."""
    if wanted.pseudonym is not None:
        found = [one.position for one in views.history(wanted.pseudonym)]
    elif wanted.case is not None:
        found = list(views.of_case(wanted.case))
    elif wanted.dispatch is not None:
        found = [one.position for one in views.dispatch_leaves(DispatchId(wanted.dispatch))]
    elif wanted.message is not None:
        numbers = views.numbers(MessageId(wanted.message))
        found = [leaf.position for number in numbers for leaf in views.leaves(number)]
    else:
        span = wanted.span or range(0)
        found = list(range(span.start, min(span.stop, views.length(), span.start + _MOST + 1)))
    if len(found) > _MOST:
        raise click.UsageError(f"That is more than {_MOST} leaves: ask for them in several packages, with --leaves.")
    return sorted(found)


def _write(configuration: Configuration, out: Path, files: Mapping[str, bytes]) -> None:
    from gateway import wiring  # noqa: PLC0415
    from gateway.trust import asice  # noqa: PLC0415
    from gateway.trust.keys import Signers  # noqa: PLC0415

    if out.suffix == _CONTAINER:
        signers = Signers.build(configuration.gateway.keys, configuration.partners)
        _put(out, asice.packed(files, key=signers.p256, at=wiring.SystemClock().now()))
    elif out.suffix == _ARCHIVE:
        _put(out, asice.zipped(files))
    else:
        out.mkdir(mode=0o700, parents=True)
        for name, content in files.items():
            (out / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _put(out / name, content)


def _put(path: Path, content: bytes) -> None:
    """Write a file that is nobody else's to read: what is in it was sealed."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
