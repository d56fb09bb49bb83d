"""`gateway review …`: what only a person may decide, seen and answered.

Who answers is the user of the operating system that runs the command, in the roles that the groups of that user give
(`[reviewers]` in gateway.toml). An answer is written down with its reason and carried out by the gateway that runs, so
that the leaf, the event and the news to whoever asked are committed with it. What waits is personal data: it is shown
for a purpose to those who may answer, and that is written down.

Who approves what another has answered says which answer that is: its fingerprint, which `show` prints. At a terminal
the answer is shown and the fingerprint is its own. So nobody approves what was withdrawn meanwhile for something else.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli import exits, options, output, reading
from gateway.cli.person import me, roles

if TYPE_CHECKING:
    from gateway.config import Configuration
    from gateway.store.reviews import Review, StoredReviews
    from gateway.wiring.content import Shown

_NUMBER = click.IntRange(1, 2**63 - 1)
_MOST = 10_000
_LOOK = 0.1
_KINDS = ("record", "answer", "quarantine", "dispatch")
"""As in `gateway.review`, which --help must not wait for; a test holds the two together."""

_numbers = click.argument("numbers", metavar="REVIEW...", nargs=-1, required=True, type=_NUMBER)
_reason = click.option("--reason", required=True, help="Why; it is written down. Write nothing about a person.")
_wait = click.option(
    "--wait", type=click.FloatRange(0), default=5.0, show_default=True, help="Seconds to wait until it is carried out."
)


@click.group(name="review", help="Answer what only a person may decide.")
def command() -> None:
    """Hold the review commands."""


@contextmanager
def _opened(
    config: Path, data: Path | None, *, answering: bool = False
) -> Iterator[tuple[Configuration, StoredReviews]]:
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.config import load  # noqa: PLC0415

    configuration = load(config, data=data)
    reviews = wiring.reviews(
        configuration, wiring.SystemClock(), wiring.Duty.REVIEWER if answering else wiring.Duty.OPERATOR
    )
    try:
        yield configuration, reviews
    finally:
        reviews.close()


@command.command("list")
@click.option("--role", help="Only what this role answers.")
@click.option("--mine", is_flag=True, help="Only what you may answer.")
@click.option("--kind", type=click.Choice(_KINDS), help="Only these.")
@click.option("--all", "everything", is_flag=True, help="What is answered and what has ended too.")
@click.option("-n", "--limit", type=click.IntRange(1, _MOST), default=50, show_default=True)
@options.config
@options.data
@options.as_json
def list_(  # options
    *,
    role: str | None,
    mine: bool,
    kind: str | None,
    everything: bool,
    limit: int,
    config: Path,
    data: Path | None,
    as_json: bool,
) -> None:
    """Show what waits, what is over first first."""
    from gateway.review import Kind  # noqa: PLC0415  # not needed for --help

    wanted = None if kind is None else Kind(kind)
    with _opened(config, data) as (configuration, reviews):
        found = reviews.reviews(waiting=not everything, role=role, kind=wanted, limit=limit)
        if mine:
            have = roles(me(), configuration.gateway.reviewers)
            found = [one for one in found if one.role in have]
    if as_json:
        for one in found:
            output.document(_line(one))
        return
    columns = ("review", "kind", "role", "reasons", "partner", "contract", "opened_at", "expires_at", "state")
    rows = [tuple(_cell(_line(one), column) for column in columns) for one in found]
    output.results().print(output.table(f"{len(found)} reviews", columns, rows, right=(0,)))


@command.command("show")
@click.argument("number", metavar="REVIEW", type=_NUMBER)
@click.option("--content", is_flag=True, help="Show what waits; needs --purpose and the role; is written down.")
@click.option("--purpose", help="What you look for; it is written down. Write nothing about a person.")
@options.config
@options.data
@options.as_json
def show(*, number: int, content: bool, purpose: str | None, config: Path, data: Path | None, as_json: bool) -> None:
    """Show one review: the question, where it came from or goes, and what was done to it."""
    if content and not purpose:
        raise click.UsageError("--content needs --purpose")
    with _opened(config, data, answering=content) as (configuration, reviews):
        one = reviews.review(number)
        if one is None:
            output.progress().print(f"there is no review {number}")
            click.get_current_context().exit(exits.Exit.REFUSED)
        told = {**_line(one), **_asked(configuration, one)}
        if content:
            told["content"] = [_readable(each) for each in _content(configuration, reviews, one, purpose or "")]
        told["history"] = _history(reviews, number)
    if as_json:
        output.document(told)
        return
    console = output.results()
    for key, value in told.items():
        if not isinstance(value, list) or key in {"questions", "laws", "lagrum"}:
            console.print(f"{key:14} {_text(value)}", markup=False)
    for each in told.get("content") or ():  # type: ignore[union-attr]  # a list, as it was made
        console.print(_text(each), markup=False)
    columns = ("at", "action", "by", "role", "answer", "fields", "reason", "note")
    rows = [tuple(_cell(step, column) for column in columns) for step in told["history"]]  # type: ignore[union-attr]  # as above
    console.print(output.table("What was done", columns, rows))


def _content(configuration: Configuration, reviews: StoredReviews, one: Review, purpose: str) -> Sequence[Shown]:
    """Return what waits, once it is written down who looks and why."""
    from gateway.audit.reading import Purpose  # noqa: PLC0415  # not needed for --help
    from gateway.review import Act, Action  # noqa: PLC0415
    from gateway.wiring import Duty  # noqa: PLC0415
    from gateway.wiring.content import content  # noqa: PLC0415

    by = me()
    act = Act(
        action=Action.READ,
        by=by,
        roles=roles(by, configuration.gateway.reviewers),
        at=one.opened_at,
        reason=_fit(purpose, "--purpose"),
    )
    verdict = reviews.do(one.id, act)
    if verdict.refused:
        output.progress().print(f"review {one.id}: {verdict.refused}", markup=False)
        click.get_current_context().exit(exits.Exit.REFUSED)
    # The step tells those who answer and operate; what is opened under seal stands in the log of readings too.
    why = reading.Why(purpose=Purpose.GRANSKNING, case=f"review {one.id}")
    asked: dict[str, int | str | None] = {"review": one.id, "role": one.role, "reason": act.reason}
    with reading.released(configuration, why, "review show", asked, duty=Duty.REVIEWER):
        return content(configuration, one, act.roles)


def _answering(name: str, done: str, text: str, *, permits: bool = False) -> click.Command:
    """Return a command that answers."""

    @_numbers
    @_reason
    @_wait
    @options.config
    @options.data
    @options.as_json
    def answered(  # options
        *,
        numbers: tuple[int, ...],
        reason: str,
        wait: float,
        config: Path,
        data: Path | None,
        as_json: bool,
        fields: str | None = None,
        balancing: str | None = None,
    ) -> None:
        from gateway.review import Action, Answer  # noqa: PLC0415  # not needed for --help

        said = _fit(reason, "--reason")
        note = None if balancing is None else _fit(balancing, "--balancing")
        passing = None if fields is None else frozenset(one.strip() for one in fields.split(",") if one.strip())
        if passing is not None and not passing:
            raise click.BadParameter("names no field", param_hint="--fields")
        with _opened(config, data, answering=True) as (configuration, reviews):
            lines = _acted(
                configuration, reviews, numbers, wait,
                action=Action.ANSWER, answer=Answer(name), reason=said, note=note, fields=passing,
            )  # fmt: skip
        _told(lines, done, as_json=as_json)

    made = answered
    if permits:
        made = click.option("--balancing", help="Reference of the written balancing, where the question wants one.")(
            made
        )
        made = click.option("--fields", help="Only these fields pass: names, separated by commas.")(made)
    return click.command(name, help=f"{text}\n\nRefused: the exit code is 1; not yet carried out: 4.")(made)


@command.command("approve")
@_numbers
@click.option(
    "--answer",
    "answers",
    multiple=True,
    metavar="FINGERPRINT",
    help="The answer that you have seen, as `show` prints it; one for each REVIEW. At a terminal you are asked.",
)
@_wait
@options.config
@options.data
@options.as_json
def approve(  # options
    *, numbers: tuple[int, ...], answers: tuple[str, ...], wait: float, config: Path, data: Path | None, as_json: bool
) -> None:
    """Agree to what another person has answered. Refused: the exit code is 1; not yet carried out: 4."""
    from gateway.review import Action  # noqa: PLC0415  # not needed for --help

    with _opened(config, data, answering=True) as (configuration, reviews):
        if not answers:
            numbers, answers = _agreed(reviews, numbers)
        lines = _acted(configuration, reviews, numbers, wait, action=Action.APPROVE, seen=answers)
    _told(lines, "approved", as_json=as_json)


def _agreed(reviews: StoredReviews, numbers: Sequence[int]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Show each answer that waits; return the reviews without those not agreed to, and the others' fingerprints."""
    if not output.asks():
        raise click.UsageError("--answer FINGERPRINT is needed: `gateway review show REVIEW` prints it")
    left, seen = [], []
    for number in dict.fromkeys(numbers):
        one = reviews.review(number)
        if one is None or one.asked is None or one.fingerprint is None:
            left.append(number)  # to be refused, with the reason
            continue
        said = one.asked
        fields = "all that may by law" if said.fields is None else ", ".join(said.fields)
        lines = (
            f"review {number}: {said.by} as {said.role} answered {said.answer}",
            f"  at: {said.at.isoformat(timespec='seconds')}",
            f"  fields: {fields}",
            f"  reason: {said.reason}",
            *((f"  balancing: {said.note}",) if said.note else ()),
        )
        for line in lines:
            output.progress().print(line, markup=False)
        if click.confirm("Do you agree?", err=True):
            left.append(number)
            seen.append(one.fingerprint)
    if not left:
        raise click.Abort
    return tuple(left), tuple(seen)


@command.command("withdraw")
@_numbers
@options.config
@options.data
@options.as_json
def withdraw(*, numbers: tuple[int, ...], config: Path, data: Path | None, as_json: bool) -> None:
    """Take back an answer that waits for another person's: one's own, or another's whom one will not agree with."""
    from gateway.review import Action  # noqa: PLC0415  # not needed for --help

    with _opened(config, data, answering=True) as (configuration, reviews):
        lines = _acted(configuration, reviews, numbers, 0.0, action=Action.WITHDRAW)
    _told(lines, "open again", as_json=as_json)


for _one in (
    _answering("permit", "permitted", "Let records or dispatches pass, as far as the law of now does.", permits=True),
    _answering("deny", "denied", "Let records or dispatches not pass."),
    _answering("release", "released", "Take quarantined messages in, without what may not come. Takes two people."),
    _answering("destroy", "destroyed", "Destroy quarantined messages and their keys for good. Takes two people."),
):
    command.add_command(_one)


def _acted(  # what is done, and how
    configuration: Configuration, reviews: StoredReviews, numbers: Sequence[int], wait: float, **what: object
) -> list[dict[str, output.Json]]:
    """Do it with each, and wait until what is answered is carried out."""
    from gateway import wiring  # noqa: PLC0415  # not needed for --help
    from gateway.review import Act, State  # noqa: PLC0415

    by = me()
    have = roles(by, configuration.gateway.reviewers)
    now = wiring.SystemClock().now()
    act = Act(by=by, roles=have, at=now, **what)  # type: ignore[arg-type]  # `Act`'s own
    verdicts = [reviews.do(one, act) for one in dict.fromkeys(numbers)]
    until = time.monotonic() + wait
    lines: list[dict[str, output.Json]] = []
    while True:
        lines = []
        for verdict in verdicts:
            now_ = None if verdict.refused else reviews.review(verdict.review)
            state = verdict.state if now_ is None else now_.state
            lines.append(
                {
                    "review": verdict.review,
                    "state": None if state is None else state.value,
                    "refused": verdict.refused or None,
                }
            )
        if not any(line["state"] == State.ANSWERED and not line["refused"] for line in lines):
            return lines
        if time.monotonic() >= until:
            return lines
        time.sleep(_LOOK)


def _told(lines: Sequence[dict[str, output.Json]], done: str, *, as_json: bool) -> None:
    if as_json:
        output.document(list(lines))
    else:
        for line in lines:
            output.results().print(f"review {line['review']}: {_said(line, done)}", markup=False)
    refused = any(line["refused"] or line["state"] in _OTHERWISE.get(done, ()) for line in lines)
    waiting = any(line["state"] == "answered" for line in lines)
    code = exits.Exit.REFUSED if refused else exits.Exit.UNAVAILABLE if waiting else exits.Exit.OK
    click.get_current_context().exit(code)


_OTHERWISE = {
    "permitted": {"denied", "overtaken"},
    "released": {"overtaken"},
    "approved": {"denied", "overtaken"},
}
"""What a yes came to where it let nothing pass."""


def _said(line: dict[str, output.Json], done: str) -> str:
    match line["refused"], line["state"]:
        case str() as refused, _:
            return refused
        case _, str() as state if state in _OTHERWISE.get(done, ()):
            return f"the answer is carried out, and lets nothing pass by the law of now; it is {state}"
        case _, "answered":
            return "answered; the gateway has not carried it out yet"
        case _, "asked":
            return "answered; another person of the role must approve it"
        case _, state:
            return f"{done}; it is {state}"


def _fit(text: str, hint: str) -> str:
    from gateway.store.triage import unfit  # noqa: PLC0415  # not needed for --help

    if wrong := unfit(text):
        raise click.BadParameter(wrong, param_hint=hint)
    return text.strip()


def _line(one: Review) -> dict[str, output.Json]:
    return {
        "review": one.id,
        "kind": one.kind.value,
        "state": one.state.value,
        "role": one.role,
        "four_eyes": one.four_eyes or one.kind.value == "quarantine",
        "balancing": one.balancing,
        "reasons": list(one.reasons),
        "partner": one.partner,
        "organisation": one.organisation or None,
        "contract": one.contract,
        "information": one.information or None,
        "message": one.message,
        "record": one.record,
        "refusal": one.refusal,
        "dispatch": one.dispatch,
        "basis": one.basis,
        "lagrum": list(one.lagrum),
        "laws": list(one.laws),
        "policy": one.policy,
        "opened_at": one.opened_at.isoformat(timespec="seconds"),
        "expires_at": one.expires_at.isoformat(timespec="seconds"),
        "answer": None if one.answer is None else one.answer.value,
        "fields": None if one.fields is None else list(one.fields),
        "asked_by": one.asked_by,
        "fingerprint": one.fingerprint,
        "leaf": one.leaf,
        "outcome": one.outcome,
    }


def _asked(configuration: Configuration, one: Review) -> dict[str, output.Json]:
    """Return the questions in words."""
    rows = {row.reason: row for row in configuration.reviews}
    return {
        "questions": [rows[reason].question_sv for reason in one.reasons if reason in rows] or list(one.reasons),
    }


def _readable(one: Shown) -> dict[str, output.Json]:
    return {
        "record": one.record,
        "information": one.information,
        "person": None if one.person is None else one.person.number,
        "fields": dict(one.fields),
        "forbidden": list(one.forbidden),
        "withheld": [{"field": each.field, "reason": each.reason} for each in one.withheld],
    }


def _history(reviews: StoredReviews, number: int) -> list[output.Json]:
    return [
        {
            "at": step.at.isoformat(timespec="seconds"),
            "action": step.action.value,
            "after": step.after.value,
            "by": step.by or None,
            "role": step.role or None,
            "account": step.account or None,
            "answer": None if step.answer is None else step.answer.value,
            "fields": None if step.fields is None else list(step.fields),
            "reason": step.reason or None,
            "note": step.note,
        }
        for step in reviews.history(number)
    ]


def _cell(line: output.Json, column: str) -> str:
    value = line.get(column) if isinstance(line, dict) else None
    text = _text(value)
    asked = line.get("asked_by") if isinstance(line, dict) else None
    return f"{text} by {asked}" if column == "state" and asked else text


def _text(value: output.Json) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(_text(one) for one in value)
        case dict():
            return "; ".join(f"{key}: {_text(one)}" for key, one in value.items())
        case _:
            return str(value)
