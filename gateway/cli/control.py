"""`gateway audit control …`: the recurring control of who had what, month by month (SFB 114 kap. 13 §).

    draw     once for each month: so many by lot, and what the auditors' questions find
    verify   draw again from the seed, and compare
    list     the cases of a month, and which wait          show    one case, with what was said of it
    mark     say what a case showed, and why               report  what came of a month

Drawing, verifying, showing and marking are readings: they take a purpose and a case, and are written down first in the
readers' own log. `list` and `report` tell of nobody, and are not. Who marks is the user of the operating system, and
nobody marks what was their own doing. A mark is never changed: who thinks again marks again.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

import click

from gateway.audit.control import LARGEST, Outcome, period, seeded
from gateway.cli import exits, options, output, reading
from gateway.cli.person import me, pseudonym
from gateway.errors import IntegrityError

if TYPE_CHECKING:
    from gateway.audit.control_page import Report
    from gateway.audit.reading import Parameter
    from gateway.config import Configuration
    from gateway.store.control import Control
    from gateway.store.drawn import Case, Verdict
    from gateway.store.findings import Own

_NUMBER = click.argument("number", metavar="CASE", type=click.IntRange(1, 2**63 - 1))
_COUNT = click.IntRange(1, LARGEST)


@click.group(name="control", help="The recurring control: draw cases of a month, review them, report.")
def command() -> None:
    """Hold the commands."""


def _month(_context: click.Context, _parameter: click.Parameter, month: str) -> str:
    try:
        period(month)
    except IntegrityError as error:
        raise click.BadParameter(str(error)) from None
    return month


def _seed(_context: click.Context, _parameter: click.Parameter, written: str | None) -> bytes | None:
    try:
        return None if written is None else seeded(written)
    except IntegrityError:
        raise click.BadParameter("a seed is 64 hexadecimal digits") from None


_of_month = click.option("--month", required=True, metavar="YYYY-MM", callback=_month, help="Which month, in Sweden.")
_own = click.option(
    "--own",
    type=click.File("r"),
    help="A list of whose data is too close to whom: an official and a personnummer on each line; - is stdin. "
    "Their doings about those persons become cases.",
)


@contextmanager
def _opened(configuration: Configuration) -> Iterator[Control]:
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.wiring import controlling  # noqa: PLC0415

    stored = controlling.control(configuration, wiring.SystemClock())
    try:
        yield stored
    finally:
        stored.close()


@command.command("draw")
@_of_month
@click.option("--size", type=_COUNT, default=20, show_default=True, help="By lot, of what officials and systems did.")
@click.option("--most", type=_COUNT, default=20, show_default=True, help="Of what each question finds.")
@click.option("--seed", "given", callback=_seed, metavar="HEX", help="Instead of a random one; it is told as given.")
@click.option("--days", type=click.IntRange(1, 366), default=30, show_default=True, help="To review it in.")
@_own
@reading.why()
@options.config
@options.data
@options.as_json
def draw(  # options, each by its name
    *,
    month: str,
    size: int,
    most: int,
    given: bytes | None,
    days: int,
    own: TextIO | None,
    why: reading.Why,
    config: Path,
    data: Path | None,
    as_json: bool,
) -> None:
    """Draw the cases of a month that has ended. It is done once: what is drawn stands."""
    from gateway.config import load  # noqa: PLC0415  # not needed for --help
    from gateway.store.drawn import Wanted  # noqa: PLC0415  # as above
    from gateway.wiring import controlling  # noqa: PLC0415

    configuration = load(config, data=data)
    wanted = Wanted(
        month=month, seed=given or controlling.seed(), given=given is not None, size=size, most=most,
        within=timedelta(days=days), own=_theirs(configuration, own),
    )  # fmt: skip
    told: dict[str, Parameter] = {
        "month": month,
        "seed": wanted.seed.hex(),
        "size": size,
        "most": most,
        "own": sorted(wanted.own),
    }
    with _opened(configuration) as stored:
        drawn: Sequence[int] | str = stored.refused(wanted)
        if not drawn:
            with reading.released(configuration, why, "control draw", told) as position:
                drawn = stored.draw(wanted, by=me(), reading=position)
    if isinstance(drawn, str):
        _refused(drawn, as_json=as_json)
    if as_json:
        output.document({"month": month, "seed": wanted.seed.hex(), "given": wanted.given, "cases": drawn})
        return
    output.results().print(f"{len(drawn)} cases of {month}, by the seed {wanted.seed.hex()}", markup=False)


def _theirs(configuration: Configuration, own: TextIO | None) -> Own:
    """Return whose persons are whose. What cannot be read is told by its line, never quoted."""
    theirs = defaultdict(list)
    for number, line in enumerate(own or (), start=1):
        if not line.strip():
            continue
        official, _, person = line.strip().partition(" ")
        try:
            theirs[official].append(pseudonym(configuration, person.strip()))
        except click.BadParameter:
            raise click.BadParameter(
                f"line {number} is no official and personnummer of twelve digits", param_hint="--own"
            ) from None
    return dict(theirs)


@command.command("verify")
@_of_month
@_own
@reading.why()
@options.config
@options.data
@options.as_json
def verify(*, month: str, own: TextIO | None, why: reading.Why, config: Path, data: Path | None, as_json: bool) -> None:
    """Draw a month again from its seed, and compare. 0: it is what the seed gives; 5: it is not."""
    from gateway.config import load  # noqa: PLC0415  # not needed for --help

    configuration = load(config, data=data)
    theirs = None if own is None else _theirs(configuration, own)
    with (
        reading.released(configuration, why, "control verify", {"month": month, "own": sorted(theirs or ())}),
        _opened(configuration) as stored,
    ):
        verdict = stored.verify(month, own=theirs)
    if verdict is None:
        _refused("the month is not drawn from", as_json=as_json)
    _compared(month, verdict, as_json=as_json)
    click.get_current_context().exit(exits.Exit.OK if verdict.whole else exits.Exit.INTEGRITY)


def _compared(month: str, verdict: Verdict, *, as_json: bool) -> None:
    over = {why: count for why, count in verdict.passed_over.items() if count}
    if as_json:
        output.document({
            "month": month, "whole": verdict.whole, "passed_over": over, "unfounded": list(verdict.unfounded),
            "gone": verdict.gone, "there": dict(verdict.urns), "redrawn": verdict.redrawn,
        })  # fmt: skip
        return
    console = output.results()
    console.print(f"{month}: {'what the seed gives' if verdict.whole else 'NOT what the seed gives'}", markup=False)
    for why, count in over.items():
        console.print(f"  {why}: {count} passed over", markup=False)
    for number in verdict.unfounded:
        console.print(f"  case {number}: nothing gives it", markup=False)
    if verdict.gone:
        console.print(f"  {verdict.gone} cases are about what has been destroyed since", markup=False)
    if not verdict.redrawn:
        console.print("  the questions were not asked again: the month has lost or gained leaves", markup=False)


@command.command("list")
@_of_month
@click.option("--left", is_flag=True, help="Only those that nobody has looked at.")
@options.config
@options.data
@options.as_json
def listed(*, month: str, left: bool, config: Path, data: Path | None, as_json: bool) -> None:
    """List the cases of a month, without whom they are about and whose doing they are."""
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.config import load  # noqa: PLC0415

    now = wiring.SystemClock().now()
    with _opened(load(config, data=data)) as stored:
        cases = [one for one in stored.cases(month) if not left or one.outcome is None]
    if as_json:
        for one in cases:
            output.document({
                "case": one.number, "why": one.why, "position": one.position, "outcome": one.outcome,
                "due": one.due.isoformat(), "overdue": one.overdue(now), "gone": one.gone,
            })  # fmt: skip
        return
    rows = [(str(one.number), one.why, _state(one), one.due.date().isoformat(), _late(one, now)) for one in cases]
    columns = ("case", "why", "outcome", "due", "")
    output.results().print(output.table(f"{len(cases)} cases of {month}", columns, rows, right=(0,)))


def _state(case: Case) -> str:
    return "" if case.outcome is None else case.outcome.value


def _late(case: Case, now: datetime) -> str:
    return "overdue" if case.overdue(now) else ""


@command.command("show")
@_NUMBER
@reading.why()
@options.config
@options.data
@options.as_json
def show(*, number: int, why: reading.Why, config: Path, data: Path | None, as_json: bool) -> None:
    """Show a case: what the trail told when it was drawn, whose doing it is, and what was said of it."""
    from gateway.config import load  # noqa: PLC0415  # not needed for --help

    configuration = load(config, data=data)
    with (
        reading.released(configuration, why, "control show", {"case": number}),
        _opened(configuration) as stored,
    ):
        case, officials, marks = stored.case(number), stored.officials(number), stored.marks(number)
    if case is None:
        _refused("there is no such case", as_json=as_json)
    facts: dict[str, output.Json] = {name: str(value) for name, value in case.facts.items()}
    told: dict[str, output.Json] = {
        "case": case.number, "month": case.month, "why": case.why, "position": case.position, "gone": case.gone,
        "due": case.due.isoformat(), "facts": facts, "officials": list(officials),
        "marks": [
            {"outcome": one.outcome, "by": one.by, "reason": one.reason, "at": one.at.isoformat(),
             "reading": one.reading} for one in marks
        ],
    }  # fmt: skip
    if as_json:
        output.document(told)
        return
    console = output.results()
    console.print(f"case {number} of {case.month}, by {case.why}", style="bold", markup=False)
    for name, value in facts.items():
        console.print(f"  {name}: {value}", markup=False)
    console.print(f"  leaf: {'destroyed' if case.gone else case.position}", markup=False)
    console.print(f"  officials: {', '.join(officials) or 'none: systems'}", markup=False)
    for one in marks:
        console.print(f"  {one.at.isoformat(timespec='seconds')} {one.by}: {one.outcome} ({one.reason})", markup=False)


@command.command("mark")
@_NUMBER
@click.option("--outcome", required=True, type=click.Choice([one.value for one in Outcome]), help="What it showed.")
@click.option("--reason", required=True, help="Why you say so; it is written down. Write nothing about a person.")
@reading.why()
@options.config
@options.data
@options.as_json
def mark(
    *, number: int, outcome: str, reason: str, why: reading.Why, config: Path, data: Path | None, as_json: bool
) -> None:
    """Say what a case showed, and why. The last mark counts; all of them stay."""
    from gateway.config import load  # noqa: PLC0415  # not needed for --help

    configuration = load(config, data=data)
    told: dict[str, Parameter] = {
        "case": number,
        "outcome": outcome,
        "reason": hashlib.sha256(reason.strip().encode()).hexdigest(),
    }
    with _opened(configuration) as stored:
        refused = stored.unmarkable(number, reason=reason, by=me())
        if not refused:
            with reading.released(configuration, why, "control mark", told) as position:
                refused = stored.mark(number, Outcome(outcome), reason=reason, by=me(), reading=position)
    if refused:
        _refused(refused, as_json=as_json)
    if as_json:
        output.document({"case": number, "outcome": outcome})
    else:
        output.results().print(f"case {number}: {outcome}", markup=False)


@command.command("report")
@_of_month
@click.option("--html", is_flag=True, help="As a page, to stdout.")
@options.config
@options.data
@options.as_json
def reported(*, month: str, html: bool, config: Path, data: Path | None, as_json: bool) -> None:
    """Tell what came of a month: what was drawn, looked at and found, and what is overdue. It names nobody."""
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.audit import control_page  # noqa: PLC0415
    from gateway.config import load  # noqa: PLC0415
    from gateway.wiring import controlling  # noqa: PLC0415

    if html and as_json:
        raise click.UsageError("give --html or --json")
    with _opened(load(config, data=data)) as stored:
        report = controlling.report(stored, month, wiring.SystemClock().now())
    if report is None:
        _refused("the month is not drawn from", as_json=as_json)
    if as_json:
        output.document(_document(report))
    else:
        click.echo(control_page.page(report) if html else control_page.text(report))


def _document(report: Report) -> output.Json:
    return {
        "month": report.month, "drawn": report.drawn.isoformat(), "due": report.due.isoformat(), "seed": report.seed,
        "given": report.given, "size": report.size, "most": report.most, "length": report.length,
        "reading": report.reading, "cases": report.cases, "left": report.left, "again": report.again,
        "gone": report.gone, "reviewers": report.reviewers, "overdue": list(report.overdue),
        "outcomes": {one.value: report.outcomes.get(one, 0) for one in Outcome},
        "drawn_from": [
            {"why": one.why, "there": one.there, "drawn": one.drawn, "reviewed": one.reviewed} for one in report.lines
        ],
    }  # fmt: skip


def _refused(why: str, *, as_json: bool) -> NoReturn:
    """Tell why, and end with that."""
    if as_json:
        output.document({"refused": why})
    else:
        output.results().print(why, markup=False)
    click.get_current_context().exit(exits.Exit.REFUSED)
