"""`gateway gallring …`: what is due by which rule, destroyed; what was; and what may not be (`holding`).

`run` acts under the same lease as a gateway that destroys
by itself. Nothing here shows whose anything is. Rules are data (`config/retention.toml`); a rule that rests on no
decision that was read destroys nothing outside demo and test, whoever runs this.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway import codes
from gateway.cli import exits, holding, options, output
from gateway.cli.person import me

if TYPE_CHECKING:
    from gateway.config import Configuration
    from gateway.privacy.retention import Retention
    from gateway.store.destruction import Destruction, Tally

_MOST = 10_000


@click.group(name="gallring", help="See what is due, destroy it, and hold what may not be destroyed.")
def command() -> None:
    """Hold the commands of gallring."""


@command.command("due")
@options.config
@options.data
@options.as_json
def due(config: Path, data: Path | None, *, as_json: bool) -> None:
    """Show what each rule has come to: how many are due, how many something holds, since when.

    Exit code 1: something is due by a rule that is not verified, and is not destroyed here.
    """
    from gateway.config import load  # noqa: PLC0415  # drivers: not needed for --help

    configuration = load(config, data=data)
    with _destruction(configuration) as made:
        tallies = made.due(_rules(configuration))
    _tallied(tallies, as_json=as_json)
    refused = any(one.ripe and not one.destroys for one in tallies)
    click.get_current_context().exit(exits.Exit.REFUSED if refused else exits.Exit.OK)


@command.command("run")
@click.option("--dry-run", is_flag=True, help="Say what would be destroyed, and destroy nothing.")
@options.config
@options.data
@options.as_json
def run(config: Path, data: Path | None, *, dry_run: bool, as_json: bool) -> None:
    """Destroy everything that is due and that nothing holds. May be stopped at any point, and run again.

    On an embedded store the files are then made anew, some seconds a gigabyte in which everybody waits. Exit code 1: a
    rule is not verified; 4: another process destroys just now, or something deleted lingers beside the files.
    """
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.config import load  # noqa: PLC0415
    from gateway.wiring import gallring  # noqa: PLC0415

    configuration = load(config, data=data)
    if dry_run:
        with _destruction(configuration) as made:
            tallies = made.due(_rules(configuration))
        _tallied(tallies, as_json=as_json)
        return
    with _leased(configuration) as (made, going):
        before = made.due(_rules(configuration))
        done, clean = gallring.run(configuration, made, clock=wiring.SystemClock(), going=going)
        made.look(_rules(configuration))
    refused = {one.rule.key: one.ripe for one in before if one.ripe and not one.destroys}
    if as_json:
        output.document({"destroyed": _named(done), "refused": _named(refused), "lingers": not clean, "by": me()})
    else:
        for rule, count in _named(done).items():
            output.results().print(f"{rule}: {count} destroyed", markup=False)
        for rule, count in _named(refused).items():
            output.results().print(f"{rule}: {count} due and NOT destroyed: the rule is not verified", markup=False)
        output.results().print(f"{sum(done.values())} destroyed", markup=False)
        if not clean:
            output.progress().print("somebody reads the store: run `gateway gallring scrub` when it is quiet")
    code = exits.Exit.REFUSED if refused else exits.Exit.OK if clean else exits.Exit.UNAVAILABLE
    click.get_current_context().exit(code)


@command.command("history")
@click.option("-n", "--limit", type=click.IntRange(1, _MOST), default=50, show_default=True)
@options.config
@options.data
@options.as_json
def history(limit: int, config: Path, data: Path | None, *, as_json: bool) -> None:
    """Show what was destroyed, the newest first: by which rule, how many, and the leaf that tells of it."""
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.config import load  # noqa: PLC0415
    from gateway.store import destroyed  # noqa: PLC0415

    configuration = load(config, data=data)
    found = destroyed.history(wiring.place(configuration, wiring.Duty.OPERATOR), limit=limit)
    lines: list[dict[str, output.Json]] = [
        {
            "gallring": one.number,
            "rule": one.rule,
            "data": one.data,
            "count": one.count,
            "at": one.at.isoformat(timespec="seconds"),
            "by": one.by,
            "leaf": one.position,
            "gone": [list(stretch) for stretch in one.gone],
        }
        for one in found
    ]
    _listed(f"{len(lines)} destructions", lines, as_json=as_json)


@command.command("scrub")
@click.option("--full", is_flag=True, help="On PostgreSQL: make the tables anew; everybody waits.")
@options.config
@options.data
@options.as_json
def scrubbed(config: Path, data: Path | None, *, full: bool, as_json: bool) -> None:
    """Have what was deleted gone from the files too. On PostgreSQL as the owner.

    Exit code 4: somebody reads just now, and the log beside a file may still hold it; try again.
    """
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.config import load  # noqa: PLC0415
    from gateway.store import scrub  # noqa: PLC0415
    from gateway.store.place import PostgresPlace  # noqa: PLC0415
    from gateway.wiring import gallring  # noqa: PLC0415

    configuration = load(config, data=data)
    clean = scrub.files(gallring.files(configuration))
    place = wiring.place(configuration, wiring.Duty.OWNER)
    if isinstance(place, PostgresPlace):
        scrub.tables(place, full=full)
    if as_json:
        output.document({"clean": clean})
    else:
        output.results().print("done" if clean else "somebody reads the store: try again", markup=False)
    click.get_current_context().exit(exits.Exit.OK if clean else exits.Exit.UNAVAILABLE)


@command.command("check")
@options.config
@options.data
@options.as_json
def checked(config: Path, data: Path | None, *, as_json: bool) -> None:
    """Compare what is not there any more with what was destroyed by a rule. As the owner.

    Exit code 5: something sealed is gone, or emptied, that no rule and nobody's decision has destroyed.
    """
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.config import load  # noqa: PLC0415
    from gateway.store import destroyed  # noqa: PLC0415

    configuration = load(config, data=data)
    found = destroyed.unexplained(wiring.place(configuration, wiring.Duty.OWNER))
    if as_json:
        output.document({"unexplained": dict(found)})
    else:
        for what, count in found.items():
            output.results().print(f"{what}: {count} gone without a rule", markup=False)
        if not found:
            output.results().print("whatever is gone was destroyed by a rule, or by a decision", markup=False)
    click.get_current_context().exit(exits.Exit.INTEGRITY if found else exits.Exit.OK)


@command.command("prune")
def prune() -> None:
    """Refuse to drop old leaves from the log: its minimum index is 0, as no written policy says otherwise.

    C2SP tlog-tiles lets a log be pruned from its beginning only under a written retention policy. A leaf names nobody,
    and with its record destroyed it says nothing about anybody; so there is no need, and no such policy here.
    """
    output.progress().print("the log's minimum index is 0: no written policy lets a leaf be dropped; nothing is done")
    click.get_current_context().exit(exits.Exit.REFUSED)


@contextmanager
def _destruction(configuration: Configuration, holder: str | None = None) -> Iterator[Destruction]:
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.wiring import gallring  # noqa: PLC0415
    from gateway.wiring.governing import process  # noqa: PLC0415

    made = gallring.destruction(configuration, clock=wiring.SystemClock(), holder=holder, by=f"{me()} {process()}")
    try:
        yield made
    finally:
        made.close()


@contextmanager
def _leased(configuration: Configuration) -> Iterator[tuple[Destruction, Callable[[], bool]]]:
    """Hold the lease of whoever destroys, or refuse."""
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.errors import UnavailableError  # noqa: PLC0415
    from gateway.wiring import gallring  # noqa: PLC0415
    from gateway.wiring.governing import process  # noqa: PLC0415
    from gateway.wiring.sending import given_back  # noqa: PLC0415

    holder = f"{process()}:{os.urandom(8).hex()}"
    with ExitStack() as closing:
        lease = gallring.leased(configuration, wiring.SystemClock(), holder)
        closing.callback(given_back, lease)
        if not lease.hold():
            raise UnavailableError(
                codes.STORE_UNAVAILABLE, "another process destroys just now: try again when it is done"
            )
        yield closing.enter_context(_destruction(configuration, holder)), lease.hold


def _rules(configuration: Configuration) -> Retention:
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.swedish import swedish_day  # noqa: PLC0415
    from gateway.wiring import gallring  # noqa: PLC0415

    return gallring.retention(configuration, swedish_day(wiring.SystemClock().now()))


def _named(counts: Mapping[str, int]) -> dict[str, int]:
    return {key.removeprefix("rule "): count for key, count in counts.items()}


def _tallied(tallies: Sequence[Tally], *, as_json: bool) -> None:
    lines: list[dict[str, output.Json]] = [
        {
            "rule": one.rule.key.removeprefix("rule "),
            "data": one.rule.data.value,
            "months": one.rule.months,
            "due": one.ripe,
            "held": dict(one.held),
            "oldest": None if one.oldest is None else one.oldest.isoformat(timespec="seconds"),
            "destroys": one.destroys,
        }
        for one in tallies
    ]
    if as_json:
        for line in lines:
            output.document(line)
        return
    rows = [
        (
            str(line["rule"]), str(line["data"]), str(line["months"]), str(line["due"]),
            ", ".join(f"{reason} {count}" for reason, count in sorted(one.held.items())),
            str(line["oldest"] or ""), "" if one.destroys else "REFUSED: not verified",
        )
        for line, one in zip(lines, tallies, strict=True)
    ]  # fmt: skip
    columns = ("rule", "data", "months", "due", "held", "oldest due", "")
    output.results().print(output.table("What the rules have come to", columns, rows, right=(2, 3)))


def _listed(title: str, lines: Sequence[Mapping[str, output.Json]], *, as_json: bool) -> None:
    if as_json:
        for line in lines:
            output.document(line)
        return
    columns = tuple(lines[0]) if lines else ("",)
    rows = [tuple("" if line[column] is None else str(line[column]) for column in columns) for line in lines]
    output.results().print(output.table(title, columns, rows))


for _command in holding.COMMANDS:
    command.add_command(_command)
