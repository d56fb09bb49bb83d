"""`gateway purpose decide|explain|example|fingerprint|schema`: may this pass, and why not?

`decide` asks the very engine that judges messages, by the register that is configured; no key, no store, nothing sent.
`explain` says a decision in plain Swedish and English: one that `decide` wrote, or one of the log's, whose sealed
record is opened with the installation's own key and held against its leaf. Both are for Försäkringskassan's people. A
partner is told `coarse` and no more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli import exits, options, output, reading
from gateway.swedish import swedish_day

if TYPE_CHECKING:
    from gateway.privacy.explain import Language

_YEARS = range(2000, 2100)
"""No law here is older, and none is known of later."""
_LEAF = re.compile(r"\d{1,15}")
_STYLE = {"PERMIT": "bold green", "DENY": "bold red", "REFER": "bold yellow"}


def _at(_context: click.Context, _parameter: click.Parameter, written: str | None) -> datetime:
    """Return noon of a day, or now: what counts is the day in Sweden."""
    if written is None:
        return datetime.now(UTC)
    try:
        day = date.fromisoformat(written)
    except ValueError:
        raise click.BadParameter("a day, YYYY-MM-DD") from None
    if day.year not in _YEARS:
        raise click.BadParameter(f"a year from {_YEARS[0]} to {_YEARS[-1]}")
    return datetime.combine(day, time(12), UTC)


_day = click.option("--at", metavar="DATE", callback=_at, help="Decide as on this day, YYYY-MM-DD; today by default.")
_lang = click.option("--lang", type=click.Choice(["sv", "en"]), help="Only Swedish, or only English; both by default.")


@click.group(name="purpose", help="Try a request against purpose and law; have a decision explained.")
def command() -> None:
    """Hold the purpose commands."""


@command.command("decide")
@click.argument("request", metavar="REQUEST", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@_day
@_lang
@options.config
@options.as_json
def decide(request: str, at: datetime, lang: Language | None, config: Path, *, as_json: bool) -> None:
    """Decide REQUEST, a file of JSON or TOML (- is standard input): PERMIT, DENY or REFER, and why.

    `gateway purpose example` writes one to start from, `gateway purpose schema` what it may hold. Nothing is logged,
    looked up or sent. Exit codes: 0 PERMIT; 1 DENY, or REFER (a person decides); 2 wrong use; 3 no request that can be
    read, or wrong configuration.
    """
    from gateway.cli.offline import Desk  # noqa: PLC0415  # schemas: not needed for --help
    from gateway.privacy import answers, engine, reading  # noqa: PLC0415

    table, name = _table(request), _name(request)
    reading.read(table, source=name)  # what is no request is told before anything is loaded
    law = Desk.open(config).law
    asked = reading.read(table, law.words, source=name)
    rule = engine.named(law, asked.basis, asked.event, swedish_day(at))
    answer = answers.answer(engine.decide(asked, law, at), asked, rule)
    if as_json:
        output.document(answer)
    else:
        _show(answer, lang)
    if answer["decision"] != "PERMIT":
        click.get_current_context().exit(exits.Exit.REFUSED)


@command.command("explain")
@click.argument("decision", metavar="DECISION")
@_lang
@reading.why(always=False)
@options.config
@options.data
@options.as_json
def explain(  # options, each by its name
    *, decision: str, lang: Language | None, why: reading.Why | None, config: Path, data: Path | None, as_json: bool
) -> None:
    """Explain DECISION: the JSON that `decide --json` wrote (a file, or -), or the number of a leaf in the log.

    For a leaf its sealed record is opened, so the store and the sealing key must be there, and --purpose and --case:
    who reads it and why is written down first. Nothing of it is shown but what the explanation says. Exit codes: 1 the
    log has no decision at that number; 2 no purpose or case; 3 the file is no decision; 5 the record is not the one
    that the log commits to.
    """
    from gateway.privacy import explain as explaining  # noqa: PLC0415  # not needed for --help

    if decision == "-" or Path(decision).is_file():
        answer = _table(decision)
    elif _LEAF.fullmatch(decision):
        answer = _recorded(int(decision), why, config, data)
    else:
        raise click.BadParameter("no such file, and no number of a leaf", param_hint="DECISION")
    if as_json:
        chosen = explaining.LANGUAGES if lang is None else (lang,)
        output.document({language: explaining.paragraphs(answer, language) for language in chosen})
        return
    _show(answer, lang)


def _table(file: str) -> Mapping[str, Any]:
    """Read a file of JSON or TOML. Raises ConfigError: it is something else."""
    from gateway.privacy import tables  # noqa: PLC0415

    with click.open_file(file, "rb") as opened:
        return tables.parse(opened.read(tables.LARGEST + 1), _name(file))


def _name(file: str) -> str:
    return "standard input" if file == "-" else file


def _recorded(position: int, why: reading.Why | None, config: Path, data: Path | None) -> Mapping[str, Any]:
    """Open a leaf's record, once who reads it is written down, and tell its decision in the answer's names."""
    from gateway import wiring  # noqa: PLC0415  # drivers: only where a store is asked
    from gateway.cli import recorded  # noqa: PLC0415
    from gateway.config import load  # noqa: PLC0415

    configuration = load(config, data=data)
    sealer = wiring.sealer(configuration.gateway.keys)
    asked = {"leaf": position}
    written = reading.released(configuration, why, "purpose explain", asked, duty=wiring.Duty.ARCHIVIST)
    with written, recorded.opened(configuration) as views:
        answer = recorded.answer(views, sealer, position)
    if answer is None:
        output.progress().print("the log has no decision at that number", style="bold red")
        click.get_current_context().exit(exits.Exit.REFUSED)
    return answer


def _show(answer: Mapping[str, Any], lang: Language | None) -> None:
    """Write an explanation for people: the first paragraph of each language stands out."""
    from gateway.privacy import explain as explaining  # noqa: PLC0415

    console = output.results()
    for language in explaining.LANGUAGES if lang is None else (lang,):
        first, *rest = explaining.paragraphs(answer, language)
        console.print(first, style=_STYLE.get(str(answer["decision"]), "bold"), markup=False, soft_wrap=True)
        for paragraph in rest:
            console.print(paragraph, markup=False, soft_wrap=True)
        if lang is None and language != explaining.LANGUAGES[-1]:
            console.print()


@command.command("example")
@click.argument("what", metavar="DIRECTION|BASIS")
@_day
@options.config
@options.as_json
def example(what: str, at: datetime, config: Path, *, as_json: bool) -> None:
    """Write a whole request to start from: TOML, or with --json JSON.

    DIRECTION is inbound_push, inbound_answer, partner_question, fk_question, fk_answer or fk_push: the request is one
    that the register permits. BASIS is one of the register's: the request is on that very basis, and may be left to a
    person. It is made from the register's own row, about one of Skatteverket's test numbers. Change what you want to
    try and give it to `gateway purpose decide`. Exit code 1: there is none on that day.
    """
    from gateway.cli.offline import Desk  # noqa: PLC0415
    from gateway.config.law import Direction  # noqa: PLC0415
    from gateway.message import Outcome  # noqa: PLC0415
    from gateway.privacy import examples  # noqa: PLC0415

    law = Desk.open(config).law
    directions = [direction.value for direction in Direction]
    if what not in directions and what not in law.rules:
        raise click.BadParameter(f"neither a basis of the register nor one of {', '.join(directions)}")
    found = examples.permitted(law, Direction(what), at) if what in directions else examples.by(law, what, at)
    if found is None:
        output.progress().print("the register has nothing of that to permit on that day", style="bold red")
        click.get_current_context().exit(exits.Exit.REFUSED)
    if examples.outcome(found, law, at) is not Outcome.PERMIT:
        output.progress().print("what is asked on this basis is left to a person", style="bold yellow")
    if as_json:
        output.document(dict(found))
        return
    for line in _toml(found):
        click.echo(line)


def _toml(table: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Write a table of texts, truth values, numbers, lists and tables; a text in JSON is a text in TOML too."""
    inner = {name: value for name, value in table.items() if isinstance(value, Mapping)}
    for name, value in table.items():
        if name not in inner:
            yield f"{name} = {json.dumps(value, ensure_ascii=False)}"
    for name, value in inner.items():
        yield ""
        yield f"[{path}{name}]"
        yield from _toml(value, f"{path}{name}.")


@command.command("fingerprint")
@click.argument("request", metavar="REQUEST", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
def fingerprint(request: str) -> None:
    """Write REQUEST's fingerprint: what its case proof may be bound to, as caseProof.requestHash.

    It is the same whatever the proof says, and another if anything is asked otherwise. It is made over a person's
    number: handle it as the request itself.
    """
    from gateway.privacy import reading  # noqa: PLC0415  # not needed for --help

    click.echo(reading.fingerprint(reading.read(_table(request), source=_name(request))))


@command.command("schema")
def schema() -> None:
    """Write the JSON Schema (draft 2020-12) of a request."""
    from gateway.privacy import reading  # noqa: PLC0415

    click.echo(json.dumps(reading.schema(), ensure_ascii=False, indent=2))
