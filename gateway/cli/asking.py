"""`gateway audit questions` and `gateway audit ask Q…`: the auditors' twenty questions.

Whoever asks says what for and in which case, and that is written down in the readers' own log before anything is
answered (`reading`). Persons, cases and consents come in a file or on standard input, one a line, never as an argument;
they are turned into keyed hashes here and go no further. An answer comes in pages: `--after` takes the mark that the
page before ended with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from zoneinfo import ZoneInfo

import click

from gateway.cli import options, output, reading

if TYPE_CHECKING:
    from gateway.audit.reading import Parameter as Told
    from gateway.config import Configuration
    from gateway.database import Session
    from gateway.store.questions import Answer, Page, Parameter, Question

_SWEDEN = ZoneInfo("Europe/Stockholm")
_LARGEST = 1000
_SUBJECTS = {"person": "--person", "case": "--cases", "consent": "--consent"}
Given = dict[str, Any]


class Moment(click.ParamType[datetime]):
    """A time, aware: without a zone it is Swedish, without a time of day it is the day's first moment."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:  # noqa: ANN401  # click's
        """Read what was written."""
        if isinstance(value, datetime):
            return value
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail("is no time: 2026-11-26, or 2026-11-26T08:30", param, ctx)
        return at if at.tzinfo else at.replace(tzinfo=_SWEDEN)


class _Questions(click.Group):
    """The questions as commands, made when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        from gateway.store.questions import QUESTIONS  # noqa: PLC0415  # drivers: not needed for other commands' --help

        return list(QUESTIONS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        from gateway.store.questions import QUESTIONS  # noqa: PLC0415  # as above

        question = QUESTIONS.get(cmd_name.upper())
        return None if question is None else _command(question)


@click.group(cls=_Questions, name="ask", help="Ask one of the auditors' questions: Q1 to Q20.")
def command() -> None:
    """Hold the questions."""


@click.command("questions")
@options.as_json
def questions(*, as_json: bool) -> None:
    """Tell which questions there are, what each tells, and what it does not."""
    from gateway.store.questions import QUESTIONS  # noqa: PLC0415  # as above

    if as_json:
        output.document([_described(one) for one in QUESTIONS.values()])
        return
    console = output.results()
    for one in QUESTIONS.values():
        console.print(f"{one.id}  {one.title}", style="bold", markup=False, soft_wrap=True)
        console.print(f"    {one.tells}", markup=False, soft_wrap=True)
        console.print(f"    Säger inte: {one.silent}", style="dim", markup=False, soft_wrap=True)


def _described(question: Question) -> dict[str, output.Json]:
    return {
        "question": question.id,
        "title": question.title,
        "tells": question.tells,
        "silent": question.silent,
        "parameters": [
            {"name": one.name, "help": one.help, "shape": one.shape.value, "required": one.required}
            for one in question.parameters
        ],
        "about": None if question.about is None else question.about.subject.value,
        "columns": list(question.columns),
    }


def _command(question: Question) -> click.Command:
    """Return the command of a question, with an option for each of its parameters."""

    def run(  # options that every question has
        *,
        why: reading.Why,
        limit: int,
        after: str | None,
        config: Path,
        data: Path | None,
        as_json: bool,
        **given: Any,  # noqa: ANN401
    ) -> None:
        about = given.pop("about", None)
        _run(question, given, about, (limit, after), why, config, data, as_json=as_json)

    run.__doc__ = f"{question.title}. {question.tells}\n\nSäger inte: {question.silent}"
    made = options.as_json(options.data(options.config(reading.why()(run))))
    made = click.option("--after", metavar="MARK", help="Fortsätt efter märket som förra sidan slutade med.")(made)
    made = click.option("-n", "--limit", type=click.IntRange(1, _LARGEST), default=100, show_default=True)(made)
    for one in reversed(question.parameters):
        made = _option(one)(made)
    if question.about is not None:
        flag = _SUBJECTS[question.about.subject.value]
        help_ = f"{question.about.help} Filens namn; - är standard in."
        made = click.option(flag, "about", type=click.File("r"), required=question.about.required, help=help_)(made)
    return click.command(question.id)(made)


def _option(one: Parameter) -> Any:  # noqa: ANN401  # click's decorator
    from gateway.store.questions import Shape  # noqa: PLC0415  # as above

    flag = f"--{one.name.replace('_', '-')}"
    several = one.shape is Shape.NAMES
    kinds: dict[str, Any] = {Shape.WHOLE: click.IntRange(0, 2**31 - 1), Shape.MOMENT: Moment()}
    # What is not given is the question's own default.
    return click.option(
        flag, one.name, type=kinds.get(one.shape, str), required=one.required, multiple=several, help=one.help,
        default=None, show_default=None if one.default is None else str(one.default),
    )  # fmt: skip


def _run(  # noqa: PLR0917  # what every question has
    question: Question,
    given: Given,
    about: TextIO | None,
    paging: tuple[int, str | None],
    why: reading.Why,
    config: Path,
    data: Path | None,
    *,
    as_json: bool,
) -> None:
    from gateway.config import load  # noqa: PLC0415  # not needed for --help
    from gateway.store.questions import Page, WrongQuestion, marked  # noqa: PLC0415  # as above

    configuration = load(config, data=data)
    given = {name: value for name, value in given.items() if value not in {None, ()}}
    if question.id == "Q9" and "ends" not in given:
        given["ends"] = tuple(_ends(configuration))
    subjects = () if about is None else tuple(_keyed(configuration, question, about))
    limit, after = paging
    try:
        page = Page(limit=limit, after=None if after is None else marked(after))
        with _released(configuration, question, given, subjects, why) as session:
            answer = _answer(session, configuration, question, given, subjects, page)
    except WrongQuestion as error:
        raise click.UsageError(str(error)) from None
    _show(question, answer, as_json=as_json)


@contextmanager
def _released(
    configuration: Configuration, question: Question, given: Given, subjects: Sequence[str], why: reading.Why
) -> Iterator[Session]:
    """Write the reading down, then open the store on behalf of whoever may ask."""
    from gateway import wiring  # noqa: PLC0415  # drivers
    from gateway.message import Pseudonym  # noqa: PLC0415

    about = None if question.about is None else question.about.subject.value
    told: dict[str, Told] = {name: _said(value) for name, value in given.items() if name != "ends"}
    one = Pseudonym(subjects[0]) if about == "person" and len(subjects) == 1 else None
    if subjects and one is None:
        told[about or ""] = list(subjects) if len(subjects) <= _FEW else len(subjects)
    with reading.released(configuration, why, question.id, told, pseudonym=one, duty=question.duty):
        session = wiring.place(configuration, question.duty).open()
        try:
            with session.translated(), session.reading():
                yield session
        finally:
            session.close()


_FEW = 100
"""Persons or cases that a reading names each by its hash; of more it tells how many."""


def _said(value: object) -> Told:
    match value:
        case datetime():
            return value.isoformat()
        case tuple() | list():
            return [str(one) for one in value]
        case int():
            return value
        case _:
            return str(value)


def _answer(  # noqa: PLR0917  # an asking
    session: Session,
    configuration: Configuration,
    question: Question,
    given: Given,
    subjects: Sequence[str],
    page: Page,
) -> Answer:
    """Ask, and ask on while a page has nothing and is not the last."""
    from gateway import wiring  # noqa: PLC0415  # drivers
    from gateway.store.questions import Page as Part  # noqa: PLC0415
    from gateway.store.questions import ask  # noqa: PLC0415

    sealer = wiring.sealer(configuration.gateway.keys) if question.duty is wiring.Duty.OVERSEER else None
    now = wiring.SystemClock().now()
    while True:
        answer = ask(session, question, given, page=page, now=now, subjects=subjects, sealer=sealer)
        if answer.rows or answer.more is None:
            return answer
        page = Part(limit=page.limit, after=answer.more)


def _ends(configuration: Configuration) -> Iterator[str]:
    """Yield the last day of each basis that has one, as the register has it today."""
    last: dict[str, Any] = {}
    for basis in configuration.bases:
        if basis.id not in last or last[basis.id].giltig_fom < basis.giltig_fom:
            last[basis.id] = basis
    for name, basis in sorted(last.items()):
        if basis.giltig_tom is not None:
            yield f"{name}={basis.giltig_tom.isoformat()}"


def _keyed(configuration: Configuration, question: Question, about: TextIO) -> Iterator[str]:
    """Yield the keyed hash of each line: only those go further."""
    from gateway import wiring  # noqa: PLC0415  # drivers
    from gateway.adapters import persons  # noqa: PLC0415
    from gateway.message import NumberKind  # noqa: PLC0415

    names = wiring.pseudonyms(configuration.gateway.keys)
    subject = question.about.subject.value if question.about else ""
    for number, line in enumerate(about.read().splitlines(), start=1):
        text = line.strip()
        if not text:
            continue
        if subject == "case":
            yield names.case(text)
        elif subject == "consent":
            yield names.consent(text)
        else:
            person = persons.read(text)
            if person.kind is NumberKind.OTHER:
                raise click.BadParameter(f"line {number} is no number of twelve digits", param_hint="--person")
            yield names.of(person)


def _show(question: Question, answer: Answer, *, as_json: bool) -> None:
    from gateway.store.questions import mark  # noqa: PLC0415

    more = None if answer.more is None else mark(answer.more)
    if as_json:
        rows: list[Mapping[str, output.Json]] = [dict(zip(question.columns, row, strict=True)) for row in answer.rows]
        output.document({"question": question.id, "title": question.title, "rows": rows, "more": more})
        return
    written = [["" if value is None else str(value) for value in row] for row in answer.rows]
    output.results().print(output.table(f"{question.id}  {question.title}", question.columns, written))
    console = output.progress()
    console.print(f"Säger inte: {question.silent}", style="dim", markup=False, soft_wrap=True)
    if more is not None:
        console.print(f"Det finns mer: --after {more}", markup=False, soft_wrap=True)
