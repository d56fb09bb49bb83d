"""`gateway law …`: the register of law for those who write it, approve it and audit it.

`check` reads it as a start does. `show` tells one row, or gives a register that was judged by back, byte for byte.
`diff` says what passes in one register and not in the other, so that a change can be stopped before it is merged;
`replay` what it would have meant for what was decided; `unused` what nobody has used. `record` is the record of
processing that GDPR art. 30 asks for. All of it is computed from what decisions are made by; nothing here judges.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli import exits, options, output, reading

if TYPE_CHECKING:
    from gateway.cli.lawbooks import Book
    from gateway.privacy.difference import Difference
    from gateway.store.judged import Judged

_SOON = 90
"""Days before a basis ends at which it is told: a new version takes its author, two approvers and a release."""
_POLICY = re.compile(r"[0-9a-f]{64}")
_FOLDER = click.Path(path_type=Path, file_okay=False)
_TOLD = 50
"""Differing decisions that a person is shown; `--json` has them all."""


@click.group(name="law", help="Check and show the register of law; compare two; try one on what was decided.")
def command() -> None:
    """Hold the commands about law."""


def _since(_context: click.Context, _parameter: click.Parameter, written: str) -> datetime:
    """Read a day, or a moment with its zone."""
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        raise click.BadParameter("a day, YYYY-MM-DD, or a moment with its zone") from None
    if found.tzinfo is not None:
        return found.astimezone(UTC)
    if "T" in written or " " in written.strip():
        raise click.BadParameter("a moment needs its zone: 2026-01-31T12:00+01:00")
    return datetime.combine(found.date(), time(), UTC)


since = click.option("--since", metavar="T", required=True, callback=_since, help="A day, or a moment with its zone.")


@command.command("check")
@click.option("--law", "folder", type=_FOLDER, help="Another folder of law.")
@click.option("--ends-within", type=click.IntRange(0), default=_SOON, show_default=True, metavar="DAYS",
              help="Tell of bases that end within so many days.")  # fmt: skip
@options.config
@options.as_json
def check(folder: Path | None, ends_within: int, config: Path, *, as_json: bool) -> None:
    """Read the register as a start does; tell what no rule refuses and somebody should know.

    Exit code 3: it is refused; the message names file, row and what to do.
    """
    from gateway.cli import lawbooks  # noqa: PLC0415  # pydantic, lxml: not needed for --help

    book = lawbooks.of_folder(config, folder)
    today = datetime.now(UTC).date()
    notes = {
        "unverified": lawbooks.unverified(book),
        "ending": lawbooks.ending(book, today, today + timedelta(days=ends_within)),
        "unserved": lawbooks.unserved(book),
    }
    found: dict[str, output.Json] = {
        "policy": book.configuration.policy,
        "lagrum": len(book.configuration.lagrum),
        "bases": len(book.configuration.bases),
    }
    if as_json:
        output.document({**found, **notes})
        return
    console = output.results()
    console.print("The register of law is right", style="bold green")
    for name, value in found.items():
        console.print(f"{name:>12}  {value}", markup=False)
    for name, what in _NOTES.items():
        for row in notes[name]:
            console.print(f"{'note':>12}  {row}: {what}", style="yellow", markup=False, soft_wrap=True)


_NOTES = {
    "unverified": "is not verified: outside demo and test it only refers",
    "ending": "a new version is needed if the flow is to go on",
    "unserved": "no queue serves what it lets in",
}


@command.command("show")
@click.argument("name", metavar="ID[@VERSION]|HASH")
@click.option("--files", type=click.Path(path_type=Path, file_okay=False), help="Write the register's files here.")
@options.config
@options.data
@options.as_json
def show(name: str, files: Path | None, config: Path, data: Path | None, *, as_json: bool) -> None:
    """Show a paragraph or a basis in full, or a register that was judged by, by its hash.

    With a hash and --files its files are written out again, byte for byte, and held to the hash. Exit code 1: there is
    no such row, or no register of that hash was judged by.
    """
    if not _POLICY.fullmatch(name):
        if files is not None:
            raise click.UsageError("--files needs the hash of a register")
        _show_rows(name, config, as_json=as_json)
        return
    from gateway.cli import lawbooks  # noqa: PLC0415
    from gateway.config import load  # noqa: PLC0415

    law = lawbooks.kept(load(config, data=data), name)
    if law is None:
        output.progress().print("no register of this hash was judged by here", style="bold red")
        click.get_current_context().exit(exits.Exit.REFUSED)
    if files is not None:
        _write(law, files)
    named = {one: len(content) for one, content in sorted(law.items())}
    if as_json:
        output.document({"policy": name, "files": named, "written": None if files is None else str(files)})
        return
    rows = [[one, str(size)] for one, size in named.items()]
    output.results().print(output.table(f"Register {name}", ["file", "bytes"], rows, right=[1]))


def _write(law: Mapping[str, bytes], folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise click.UsageError(f"{folder} is not empty: nothing is written over")
    for name, content in law.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _show_rows(name: str, config: Path, *, as_json: bool) -> None:
    from gateway.cli import lawbooks  # noqa: PLC0415

    rows = lawbooks.rows(lawbooks.of_folder(config, None), name)
    if not rows:
        output.progress().print(f"the register has no row {name}", style="bold red", markup=False)
        click.get_current_context().exit(exits.Exit.REFUSED)
    if as_json:
        output.document([row.told for row in rows] if len(rows) > 1 else rows[0].told)
        return
    console = output.results()
    for row in rows:
        console.print(row.title, style="bold", markup=False)
        for term, value in row.swedish:
            console.print(f"{term:>24}  {value}", markup=False, soft_wrap=True)


@command.command("diff")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@options.config
@options.data
@options.as_json
def diff(old: str, new: str, config: Path, data: Path | None, *, as_json: bool) -> None:
    """Tell which flows open, close, widen or narrow from OLD to NEW: each a folder, or the hash of a register.

    Exit code 1: something opens or widens. So a pipeline stops a change that lets more pass until somebody has approved
    it.
    """
    from gateway.cli import lawbooks  # noqa: PLC0415
    from gateway.privacy import difference  # noqa: PLC0415

    before, after = (lawbooks.named(config, data, one) for one in (old, new))
    found = difference.compare(before.law, after.law, read_old=before.configuration, read_new=after.configuration)
    if as_json:
        output.document(lawbooks.difference_told(found, before, after))
    else:
        _show_difference(found)
    click.get_current_context().exit(exits.Exit.REFUSED if found.widens else exits.Exit.OK)


def _show_difference(found: Difference) -> None:
    from gateway.cli import lawbooks  # noqa: PLC0415

    console = output.results()
    rows = [*lawbooks.difference_rows(found)]
    if not rows:
        console.print("The same flows are open in both", style="bold green")
        return
    heads = ["", "flow", "fields", "for", "days", "by", "differs in"]
    console.print(output.table("What passes, from the old to the new", heads, rows))
    if found.widens:
        console.print("Something opens or widens: it needs approval", style="bold red")


@command.command("replay")
@since
@click.option("--law", "folder", type=_FOLDER, help="The register to try; default: as configured.")
@reading.why()
@options.config
@options.data
@options.as_json
def replay(  # options, each by its name
    *, since: datetime, folder: Path | None, why: reading.Why, config: Path, data: Path | None, as_json: bool
) -> None:
    """Judge recorded decisions again under a new register: which would be different, and how.

    Needs the store as its archivist and the sealing key, and who reads it and why is written down first. Only names of
    fields are read, never a value. What people had said yes to is an input as any other, and a difference names it.
    What a record does not tell is not guessed: such decisions are counted, with the reason. Exit code 1: something
    would be different.
    """
    from gateway.cli import lawbooks  # noqa: PLC0415

    tried = lawbooks.of_folder(config, folder, data=data)
    asked = {"since": since.isoformat(), "law": tried.configuration.policy}
    with reading.released(tried.configuration, why, "law replay", asked, duty=lawbooks.ARCHIVIST):
        found = lawbooks.replayed(tried, lawbooks.judged(tried.configuration, since))
    if as_json:
        for one in found.differing:
            output.document(one)
        output.document(found.summary)
    else:
        _show_replay(found)
    click.get_current_context().exit(exits.Exit.REFUSED if found.differing else exits.Exit.OK)


def _show_replay(found: Any) -> None:  # noqa: ANN401  # lawbooks.Replay: not imported for --help
    console = output.results()
    heads = ["leaf", "at", "basis", "then", "now", "differs in", "why", "people had said yes to"]
    rows = [
        [str(one["leaf"]), one["at"], one["then"]["basis"] or "", one["then"]["outcome"], one["now"]["outcome"],
         " ".join(one["differs"]), " ".join(one["now"]["reasons"]),
         " ".join(one["answered"]["reasons"]) if one["answered"] else ""]
        for one in found.differing[:_TOLD]
    ]  # fmt: skip
    if rows:
        console.print(output.table("Would be different", heads, rows, right=[0]))
    if len(found.differing) > len(rows):
        console.print(f"and {len(found.differing) - len(rows)} more: --json has them all", markup=False)
    for name, count in found.summary["counts"].items():
        console.print(f"{count:>8}  {name}", markup=False)
    for why, count in found.summary["not replayed"].items():
        console.print(f"{count:>8}  cannot be replayed: {why}", style="yellow", markup=False, soft_wrap=True)


@command.command("record")
@click.option(
    "--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Write the page here; - is stdout."
)
@options.config
@options.as_json
def record(page: Path | None, config: Path, *, as_json: bool) -> None:
    """Make the record of processing (registerförteckning, GDPR art. 30): a page in Swedish, or JSON-LD with --json."""
    from gateway.cli import lawbooks  # noqa: PLC0415

    if as_json and page is not None:
        raise click.UsageError("--html or --json: one of them")
    book, today = lawbooks.of_folder(config, None), datetime.now(UTC).date()
    if as_json:
        output.document(lawbooks.linked(book, today))
    elif page is None or str(page) == "-":
        sys.stdout.write(lawbooks.page(book, today))
    else:
        page.write_text(lawbooks.page(book, today), encoding="utf-8")
        output.results().print(f"{page}: written", markup=False)


@command.command("unused")
@since
@reading.why()
@options.config
@options.data
@options.as_json
def unused(*, since: datetime, why: reading.Why, config: Path, data: Path | None, as_json: bool) -> None:
    """Tell which bases no recorded decision has used, and which decisions used a basis that the register does not have.

    Needs the store as its archivist and the sealing key, and who reads it and why is written down first. Exit code 1: a
    flow was used whose basis is not, or not any more, in the register, or whose register was never put on record.
    """
    from gateway.cli import lawbooks  # noqa: PLC0415

    book = lawbooks.of_folder(config, None, data=data)
    asked = {"since": since.isoformat()}
    with reading.released(book.configuration, why, "law unused", asked, duty=lawbooks.ARCHIVIST):
        decisions = lawbooks.judged(book.configuration, since)
        used, unknown, unread = _used(book, decisions, lawbooks.taken(book.configuration))
    never = [id_ for id_ in book.law.rules if id_ not in used]
    found: dict[str, output.Json] = {
        "since": since.isoformat(), "policy": book.configuration.policy, "never used": never,
        "used": dict(used), "not in the register": dict(unknown), "not told": unread,
    }  # fmt: skip
    if as_json:
        output.document(found)
    else:
        console = output.results()
        rows = [[id_, "never used", ""] for id_ in never]
        rows += [[id_, "used, and not in the register", str(count)] for id_, count in unknown.items()]
        console.print(output.table(f"Since {since.date()}", ["basis", "", "decisions"], rows, right=[2]))
        console.print(f"{unread} decisions whose record does not tell a basis", markup=False)
    click.get_current_context().exit(exits.Exit.REFUSED if unknown else exits.Exit.OK)


def _used(book: Book, found: Iterator[Judged], taken: frozenset[str]) -> tuple[Counter[str], Counter[str], int]:
    """Count decisions by basis: those of the register, those of none, and those that do not tell."""
    used, unknown, unread = Counter[str](), Counter[str](), 0
    for one in found:
        basis = None if one.record is None else one.record.get("basis")
        if basis is None:
            unread += 1
        elif basis in book.law.rules and one.policy in taken:
            used[basis] += 1
        else:
            unknown[basis if basis not in book.law.rules else f"{basis} (register {one.policy} never taken)"] += 1
    return used, unknown, unread
