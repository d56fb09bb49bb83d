"""`gateway queue dead|retry|discard|approve|withdraw`: what becomes of events that their consumers could not take.

Dead letters are judged in the store, whichever broker they came from. Who judges is the user of the operating system
that runs the command, and it is written down with the reason. A retry needs a reason; to discard needs another person
too. Bodies are personal data: they are shown for a purpose that the queue serves, and that is written down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli import exits, options, output
from gateway.cli.person import me

if TYPE_CHECKING:
    from gateway.config import Configuration
    from gateway.store.dead_letters import Letter, Shown, StoredDeadLetters
    from gateway.store.triage import Verdict

_LETTER = click.IntRange(1, 2**63 - 1)
_MOST = 10_000
_STATES = ("open", "asked", "replayed", "discarded")

_numbers = click.argument("numbers", metavar="LETTER...", nargs=-1, required=True, type=_LETTER)
_reason = click.option("--reason", required=True, help="Why; it is written down. Write nothing about a person.")


def waiting(letters: StoredDeadLetters) -> Mapping[str, int]:
    """Return how many letters of each queue somebody must judge. Raises UnavailableError."""
    from gateway.store.triage import JUDGED  # noqa: PLC0415  # not needed for --help

    found: Counter[str] = Counter()
    for (queue, state), count in letters.counts().items():
        found[queue] += count if state not in JUDGED else 0
    return found


@contextmanager
def _opened(config: Path, data: Path | None) -> Iterator[tuple[Configuration, StoredDeadLetters]]:
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help
    from gateway.config import load  # noqa: PLC0415

    configuration = load(config, data=data)
    letters = wiring.dead_letters(configuration, wiring.SystemClock())
    try:
        yield configuration, letters
    finally:
        letters.close()


def _fit(reason: str) -> str:
    from gateway.store.triage import unfit  # noqa: PLC0415  # not needed for --help

    if wrong := unfit(reason):
        raise click.BadParameter(wrong, param_hint="--reason")
    return reason.strip()


@click.command("dead")
@click.argument("number", metavar="[LETTER]", required=False, type=_LETTER)
@click.option("--queue", help="Only letters that died there.")
@click.option("--state", type=click.Choice([*_STATES, "all"]), default="open", show_default=True)
@click.option("--group", help="Only letters of this group.")
@click.option("--groups", is_flag=True, help="Show open letters by what they failed of.")
@click.option("-n", "--limit", type=click.IntRange(1, _MOST), default=50, show_default=True)
@click.option("--bodies", "show", is_flag=True, help="Show the events themselves; needs --purpose; is written down.")
@click.option("--purpose", help="What you look for: one of the purposes the queue serves.")
@options.config
@options.data
@options.as_json
def dead(
    *,
    number: int | None,
    queue: str | None,
    state: str,
    group: str | None,
    groups: bool,
    limit: int,
    show: bool,
    purpose: str | None,
    config: Path,
    data: Path | None,
    as_json: bool,
) -> None:
    """Show dead letters, the newest first; LETTER alone with what was done to it."""
    from gateway.store.triage import State  # noqa: PLC0415  # not needed for --help

    with _opened(config, data) as (configuration, letters):
        if groups:
            _groups(letters, queue, as_json=as_json)
            return
        if number is not None:
            alone = letters.letter(number)
            found = [] if alone is None else [alone]
        else:
            wanted = None if state == "all" else State(state)
            found = list(letters.letters(queue=queue, state=wanted, group=group, limit=limit))
        bodies: Mapping[int, bytes] = {}
        if show:
            asked = _purpose(configuration, found, purpose)
            shown = _shielded(configuration)
            bodies = letters.read([one.id for one in found], purpose=asked, by=me(), shown=shown) if found else {}
        lines = [_line(one, bodies if show else None) for one in found]
        if number is not None:
            lines = [{**line, "history": _history(letters, number)} for line in lines]
    _shown(lines, as_json=as_json or show or number is not None)
    if number is not None and not found:
        output.progress().print(f"there is no letter {number}")
        click.get_current_context().exit(exits.Exit.REFUSED)


def _purpose(configuration: Configuration, found: Sequence[Letter], purpose: str | None) -> str:
    """Return the purpose, if every letter's queue serves it."""
    serves = {queue.name: queue.purposes for queue in configuration.queues}
    for name in sorted({one.queue for one in found}):
        if purpose not in serves.get(name, ()):
            wanted = ", ".join(serves.get(name, ())) or "none: it is not configured"
            raise click.UsageError(f"--bodies needs --purpose, one that {name} serves: {wanted}")
    return purpose or ""


def _shielded(configuration: Configuration) -> Shown:
    """Return what makes of a body what may be shown of it."""
    from gateway import wiring  # noqa: PLC0415  # contracts: not needed for --help
    from gateway.events import shielding  # noqa: PLC0415

    hiding = wiring.hiding(configuration)
    return lambda body, own, beside: shielding.shown(body, own, beside, hiding)


def _line(one: Letter, bodies: Mapping[int, bytes] | None) -> dict[str, output.Json]:
    line: dict[str, output.Json] = {
        "letter": one.id,
        "queue": one.queue,
        "event": one.event,
        "type": one.type,
        "attempts": one.attempts,
        "reason": one.reason,
        "at": one.at.isoformat(timespec="seconds"),
        "group": one.group,
        "replay_of": one.replay_of,
        "state": one.state.value,
        "asked_by": one.asked_by,
        "asked_reason": one.asked_reason,
        "fingerprint": one.fingerprint,
    }
    if bodies is not None:
        line["body"] = _readable(bodies[one.id]) if one.id in bodies else None
    return line


def _readable(body: bytes) -> output.Json:
    """Return the event as JSON; as text where it is none, for nobody promised what a broker gave up."""
    import orjson  # noqa: PLC0415  # not needed for --help

    try:
        read: output.Json = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode(errors="replace")
    return read


def _history(letters: StoredDeadLetters, number: int) -> list[output.Json]:
    return [
        {
            "action": step.action.value,
            "by": step.by,
            "role": step.role or None,
            "reason": step.reason,
            "at": step.at.isoformat(timespec="seconds"),
        }
        for step in letters.history(number)
    ]


def _shown(lines: Sequence[Mapping[str, output.Json]], *, as_json: bool) -> None:
    if as_json:
        for line in lines:
            output.document(line)
        return
    columns = ("letter", "queue", "event", "type", "attempts", "reason", "at", "state")
    rows = [tuple(_cell(line, column) for column in columns) for line in lines]
    output.results().print(output.table(f"{len(lines)} dead letters", columns, rows, right=(0, 4)))


def _cell(line: Mapping[str, output.Json], column: str) -> str:
    text = str(line[column])
    return f"{text} by {line['asked_by']}" if column == "state" and line["asked_by"] else text


def _groups(letters: StoredDeadLetters, queue: str | None, *, as_json: bool) -> None:
    found = letters.groups(queue=queue)
    lines: list[dict[str, output.Json]] = [
        {
            "group": one.group,
            "queue": one.queue,
            "type": one.type,
            "count": one.count,
            "first": one.first.isoformat(timespec="seconds"),
            "last": one.last.isoformat(timespec="seconds"),
            "example": one.example,
            "reason": one.reason,
        }
        for one in found
    ]
    if as_json:
        for line in lines:
            output.document(line)
        return
    columns = ("group", "queue", "type", "count", "first", "last", "example", "reason")
    rows = [tuple(str(line[column]) for column in columns) for line in lines]
    output.results().print(output.table(f"{len(lines)} groups of open dead letters", columns, rows, right=(3, 6)))


@click.command("retry")
@click.argument("numbers", metavar="LETTER...", nargs=-1, type=_LETTER)
@click.option("--group", help="Every open letter of this group (see `queue dead --groups`), in place of LETTER.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent again, and do nothing.")
@_reason
@options.config
@options.data
@options.as_json
def retry(
    *,
    numbers: tuple[int, ...],
    group: str | None,
    dry_run: bool,
    reason: str,
    config: Path,
    data: Path | None,
    as_json: bool,
) -> None:
    """Send dead letters again, each to the queue where it died, as a new message that says so.

    The event keeps its id, so a consumer that had it after all sees that. It goes with the relay, behind what is in the
    outbox already. One that could not be sent: the exit code is 1.
    """
    from gateway.store.triage import State  # noqa: PLC0415  # not needed for --help

    said = _fit(reason)
    if bool(numbers) == (group is not None):
        raise click.UsageError("give LETTER... or --group")
    with _opened(config, data) as (configuration, letters):
        if group is not None:
            numbers = tuple(one.id for one in letters.letters(group=group, state=State.OPEN, limit=_MOST))
        if dry_run:
            verdicts = _foreseen(configuration, letters, numbers)
        else:
            verdicts = list(letters.retry(numbers, reason=said, by=me()))
    if group is not None and len(numbers) == _MOST:
        output.progress().print(f"{_MOST} at a time: there may be more of this group")
    _judged(verdicts, "would be sent again" if dry_run else "goes out again", as_json=as_json, dry_run=dry_run)


def _foreseen(configuration: Configuration, letters: StoredDeadLetters, numbers: Sequence[int]) -> list[Verdict]:
    """Return what `retry` would say, without doing it."""
    from gateway.store import triage  # noqa: PLC0415  # not needed for --help

    known = {queue.name for queue in configuration.queues}
    verdicts = []
    for number in sorted(set(numbers)):
        one = letters.letter(number)
        if one is None:
            verdicts.append(triage.Verdict(letter=number, state=None, refused="there is no such letter"))
            continue
        standing = triage.Standing(state=one.state, asked_by=one.asked_by, asked_at=one.asked_at)
        after = triage.after(standing, triage.Action.RETRY, me())
        why = "" if isinstance(after, triage.State) else after
        if one.queue not in known:
            why = f"queue {one.queue} is not configured"
        verdicts.append(triage.Verdict(letter=number, state=one.state, refused=why))
    return verdicts


@click.command("discard")
@_numbers
@_reason
@options.config
@options.data
@options.as_json
def discard(*, numbers: tuple[int, ...], reason: str, config: Path, data: Path | None, as_json: bool) -> None:
    """Ask another person to discard dead letters: their events are destroyed, the facts stay.

    The ask stands for 24 hours.
    """
    said = _fit(reason)
    with _opened(config, data) as (_, letters):
        verdicts = letters.ask_discard(numbers, reason=said, by=me())
    _judged(verdicts, "another person may now approve it", as_json=as_json)


@click.command("approve")
@_numbers
@click.option(
    "--ask",
    "asks",
    multiple=True,
    metavar="FINGERPRINT",
    help="The ask that you have seen, as `queue dead LETTER` prints it; letters of one ask share it. "
    "At a terminal you are asked.",
)
@options.config
@options.data
@options.as_json
def approve(*, numbers: tuple[int, ...], asks: tuple[str, ...], config: Path, data: Path | None, as_json: bool) -> None:
    """Discard dead letters that another person asked to discard. Their events are destroyed for good."""
    with _opened(config, data) as (_, letters):
        seen = asks or _agreed(letters, numbers)
        verdicts = letters.approve_discard(numbers, by=me(), seen=seen)
    _judged(verdicts, "discarded", as_json=as_json)


def _agreed(letters: StoredDeadLetters, numbers: Sequence[int]) -> tuple[str, ...]:
    """Show each ask that waits, and return those that are agreed to at the terminal."""
    if not output.asks():
        raise click.UsageError("--ask FINGERPRINT is needed: `gateway queue dead LETTER` prints it")
    found = [letters.letter(number) for number in dict.fromkeys(numbers)]
    asked = {one.fingerprint: one for one in found if one is not None and one.fingerprint is not None}
    for fingerprint, one in asked.items():
        same = [each.id for each in found if each is not None and each.fingerprint == fingerprint]
        which = ", ".join(map(str, same))
        output.progress().print(f"{one.asked_by} asks to discard {which}: {one.asked_reason}", markup=False)
        if not click.confirm("Do you agree?", err=True):
            raise click.Abort
    return tuple(filter(None, asked))


@click.command("withdraw")
@_numbers
@options.config
@options.data
@options.as_json
def withdraw(*, numbers: tuple[int, ...], config: Path, data: Path | None, as_json: bool) -> None:
    """Take back an ask to discard; the letters are open again."""
    with _opened(config, data) as (_, letters):
        verdicts = letters.withdraw(numbers, by=me())
    _judged(verdicts, "open again", as_json=as_json)


def _judged(verdicts: Sequence[Verdict], done: str, *, as_json: bool, dry_run: bool = False) -> None:
    """Tell what came of each letter. Any that was refused, or none at all: the exit code is 1."""
    if as_json:
        output.document(
            [
                {
                    "letter": one.letter,
                    "state": one.state.value if one.state else None,
                    "refused": one.refused or None,
                    **({"dry_run": True} if dry_run else {}),
                }
                for one in verdicts
            ]
        )
    else:
        for one in verdicts:
            if one.refused or not dry_run:
                output.results().print(f"letter {one.letter}: {one.refused or done}", markup=False)
        count = sum(not one.refused for one in verdicts)
        output.results().print(f"{count} {'letter' if count == 1 else 'letters'}: {done}")
    ok = bool(verdicts) and not any(one.refused for one in verdicts)
    click.get_current_context().exit(exits.Exit.OK if ok else exits.Exit.REFUSED)


COMMANDS = (dead, retry, discard, approve, withdraw)
