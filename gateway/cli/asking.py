"""`gateway audit questions` and `gateway audit ask Q…`: the auditors' twenty questions.

Whoever asks says what for and in which case, and that is written down in the readers' own log before anything is
answered (`reading`). Persons, cases and consents come in a file or on standard input, one a line, never as an argument;
they are turned into keyed hashes here and go no further. An answer comes in pages: `--after` takes the mark that the
page before ended with.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from gateway.cli import options, output, reading

if TYPE_CHECKING:
    from gateway.config import Configuration
    from gateway.database import Session
    from gateway.store.questions import Parameter, Question
    from gateway.wiring.asking import Asking

_LARGEST = 1000
_SUBJECTS = {"person": "--person", "case": "--cases", "consent": "--consent"}
Given = dict[str, Any]


class Moment(click.ParamType[datetime]):
    """A time, aware: without a zone it is Swedish, without a time of day it is the day's first moment."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:  # noqa: ANN401  # click's
        """Read what was written."""
        from gateway.store.questions import WrongQuestion  # noqa: PLC0415  # drivers: not needed for --help
        from gateway.wiring.asking import moment  # noqa: PLC0415  # as above

        try:
            return moment("it", value)
        except WrongQuestion as error:
            self.fail(str(error), param, ctx)


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
    from gateway.store.questions import QUESTIONS, described  # noqa: PLC0415  # as above

    if as_json:
        output.document([described.described(one) for one in QUESTIONS.values()])
        return
    console = output.results()
    for one in QUESTIONS.values():
        console.print(f"{one.id}  {one.title}", style="bold", markup=False, soft_wrap=True)
        console.print(f"    {one.tells}", markup=False, soft_wrap=True)
        console.print(f"    Säger inte: {one.silent}", style="dim", markup=False, soft_wrap=True)


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
    from gateway.wiring.asking import asking  # noqa: PLC0415  # as above

    configuration = load(config, data=data)
    given = {name: value for name, value in given.items() if value not in {None, ()}}
    lines = () if about is None else about.read().splitlines()
    limit, after = paging
    try:
        page = Page(limit=limit, after=None if after is None else marked(after))
        asked = asking(configuration, question, given, lines, page)
        with _released(configuration, asked, why) as session:
            _answer(session, configuration, asked, as_json=as_json)
    except WrongQuestion as error:
        raise click.UsageError(str(error)) from None


@contextmanager
def _released(configuration: Configuration, asked: Asking, why: reading.Why) -> Iterator[Session]:
    """Write the reading down, then open the store on behalf of whoever may ask."""
    from gateway import wiring  # noqa: PLC0415  # drivers

    told, whose = asked.told()
    duty = asked.question.duty
    with reading.released(configuration, why, asked.question.id, told, pseudonym=whose, duty=duty):
        session = wiring.place(configuration, duty).open()
        try:
            with session.translated(), session.reading():
                yield session
        finally:
            session.close()


def _answer(session: Session, configuration: Configuration, asked: Asking, *, as_json: bool) -> None:
    from gateway import wiring  # noqa: PLC0415  # drivers
    from gateway.store.questions import described, mark  # noqa: PLC0415
    from gateway.wiring.asking import answered  # noqa: PLC0415

    began, question = time.perf_counter(), asked.question
    answer = answered(session, asked, now=wiring.SystemClock().now(), sealer=wiring.sealer(configuration.gateway.keys))
    seconds = time.perf_counter() - began
    more = None if answer.more is None else mark(answer.more)
    if as_json:
        output.document(described.answered(question, answer, more=more, seconds=seconds))
        return
    written = [["" if value is None else str(value) for value in row] for row in answer.rows]
    output.results().print(output.table(f"{question.id}  {question.title}", question.columns, written))
    console = output.progress()
    console.print(f"Säger inte: {question.silent}", style="dim", markup=False, soft_wrap=True)
    if more is not None:
        console.print(f"Det finns mer: --after {more}", markup=False, soft_wrap=True)
