"""`gateway audit reconcile`: does everything add up, here and at the partners? Every gap by name.

Without more it holds the store to itself. With `--receipts` it holds the log to our own signed receipts, as a partner
has kept them: no one here can have changed those. With `--answers` it opens the partners' receipts to what we sent,
which are kept under seal, and verifies them again.

Gaps go out as they are found, a line each, and none is kept: a million of them need no more memory than one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli import asking, exits, options, output, reading

if TYPE_CHECKING:
    from gateway.audit.reading import Parameter
    from gateway.config import Configuration
    from gateway.database import Session
    from gateway.message import Fingerprint
    from gateway.store.gaps import Gap
    from gateway.store.promises import Promises

_EVERY = 10_000
"""Receipts between two words of progress."""
_PLACE = click.Path(path_type=Path, exists=True)


@dataclass(slots=True)
class _Told:
    """What has gone out so far."""

    as_json: bool
    checked: dict[str, int] = field(default_factory=dict)
    gaps: Counter[str] = field(default_factory=Counter)
    grave: int = 0

    def tell(self, found: Iterable[Gap]) -> None:
        """Write each gap as it comes."""
        console = None if self.as_json else output.results()
        for gap in found:
            self.gaps[gap.kind.value] += 1
            self.grave += gap.grave
            if console is None:
                output.document({
                    "gap": gap.kind.value, "grave": gap.grave, "number": gap.number, "at": gap.at, "detail": gap.detail,
                })  # fmt: skip
                continue
            told = "  ".join(str(one) for one in (gap.kind, gap.number, gap.at, gap.detail) if one not in {None, ""})
            console.print(told, style="bold red" if gap.grave else "yellow", markup=False, soft_wrap=True)

    def passed(self, what: str, number: int, of: int) -> None:
        """Say how it goes on."""
        self.checked[what] = of
        output.progress().print(f"{what}: {number} of {of}", style="dim", markup=False)

    def end(self) -> exits.Exit:
        """Sum up."""
        code = exits.Exit.INTEGRITY if self.grave else exits.Exit.GAP if self.gaps else exits.Exit.OK
        if self.as_json:
            output.document({
                "whole": not self.gaps, "grave": self.grave, "gaps": dict(self.gaps), "checked": self.checked,
            })  # fmt: skip
            return code
        console = output.results()
        if not self.gaps:
            console.print("Everything adds up", style="bold green", markup=False)
        for kind, count in sorted(self.gaps.items()):
            console.print(f"{count:>9}  {kind}", style="bold red" if self.grave else "yellow", markup=False)
        return code


@click.command("reconcile")
@click.option("--hours", type=click.IntRange(0, 87_600), default=24, show_default=True, help="How long is on its way.")
@click.option("--receipts", type=_PLACE, help="Our receipts as a partner keeps them: a folder, or one file of many.")
@click.option("--answers", is_flag=True, help="Verify the partners' receipts to what we sent, too; opens seals.")
@click.option("--partner", help="Whose receipts they are, or whose answers.")
@click.option("--organisation", metavar="NUMBER", help="Which of a class of partners.")
@click.option("--from", "since", type=asking.Moment(), help="The folder is complete from this time")
@click.option("--until", type=asking.Moment(), help="to before this one: name what the partner has no receipt of.")
@click.option(
    "--certificate", "certificates", type=click.Path(path_type=Path, exists=True, dir_okay=False), multiple=True,
    help="A certificate that has signed receipts, and is in the configuration no more.",
)  # fmt: skip
@reading.why()
@options.config
@options.data
@options.as_json
def command(  # options
    *,
    hours: int,
    receipts: Path | None,
    answers: bool,
    partner: str | None,
    organisation: str | None,
    since: datetime | None,
    until: datetime | None,
    certificates: tuple[Path, ...],
    why: reading.Why,
    config: Path,
    data: Path | None,
    as_json: bool,
) -> None:
    """Name every gap: in the log, in what it tells of, and between it and the receipts that partners hold.

    With --json each gap is a line, and the last line sums up.

    Exit code 6: something is missing that somebody must look after. 5: what was kept is gone or changed, or a receipt
    of ours promises what the log has not: stop, and let a person look.
    """
    from gateway.config import load  # noqa: PLC0415  # not needed for --help

    _fit(receipts, partner, organisation, since, until, answers=answers)
    configuration = load(config, data=data)
    told = _Told(as_json=as_json)
    given = {"partner": partner, "organisation": organisation, "receipts": receipts and receipts.name}
    asked: dict[str, Parameter] = {"hours": hours, **{name: str(one) for name, one in given.items() if one is not None}}
    if receipts is not None:
        ours = _ours(configuration, certificates)
    with _store(configuration, why, asked) as session:
        _within(session, hours, told)
        if receipts is not None:
            from gateway.store.promises import Promises, Whose  # noqa: PLC0415  # drivers: not needed for --help

            promises = Promises(session, Whose(partner=partner, organisation=organisation))
            told.tell(_compared(configuration, promises, receipts, ours, told))
            if since is not None and until is not None:
                told.tell(promises.unclaimed(since, until))
    if answers:
        _answered(configuration, why, asked, told, partner, (since, until))
    click.get_current_context().exit(told.end())


def _fit(
    receipts: Path | None,
    partner: str | None,
    organisation: str | None,
    since: datetime | None,
    until: datetime | None,
    *,
    answers: bool,
) -> None:
    """Refuse options that would be taken for more than they are."""
    if (since is None) != (until is None):
        raise click.UsageError("--from and --until go together.")
    if since is not None and partner is None:
        raise click.UsageError("--from and --until need --partner: nobody has all receipts but their own.")
    if receipts is None and not answers and (partner or organisation or since):
        raise click.UsageError("--partner, --organisation, --from and --until are for --receipts or --answers.")


@contextmanager
def _store(configuration: Configuration, why: reading.Why, asked: dict[str, Parameter]) -> Iterator[Session]:
    """Write the reading down, then open the store as the auditor."""
    from gateway import wiring  # noqa: PLC0415  # drivers

    with reading.released(configuration, why, "audit reconcile", asked):
        session = wiring.place(configuration, wiring.Duty.AUDITOR).open()
        try:
            yield session
        finally:
            session.close()


def _within(session: Session, hours: int, told: _Told) -> None:
    """Hold the store to itself."""
    from gateway import wiring  # noqa: PLC0415  # drivers
    from gateway.store import reconciling  # noqa: PLC0415
    from gateway.store.questions import whole  # noqa: PLC0415

    with session.translated(), session.reading():
        whole(session)
    now = wiring.SystemClock().now()
    told.tell(reconciling.gone_through(session, now=now, hours=hours, passed=told.passed))


def _ours(configuration: Configuration, more: Sequence[Path]) -> frozenset[Fingerprint]:
    """Return the certificates that sign receipts, or have. Raises ConfigError."""
    from gateway.trust import promised  # noqa: PLC0415  # not needed for --help

    keys = configuration.gateway.keys
    following = (keys.receipt_next, keys.receipt_rsa_next)
    files = [
        *(keys.receipt_certificate, keys.receipt_rsa_certificate),
        *(None if one is None else one.certificate for one in following),
        *more,
    ]
    return frozenset(promised.certificate(path) for path in files if path is not None)


def _compared(
    configuration: Configuration, promises: Promises, place: Path, ours: frozenset[Fingerprint], told: _Told
) -> Iterator[Gap]:
    """Read every receipt, and compare it."""
    from gateway.errors import GatewayError, UntrustedError  # noqa: PLC0415  # not needed for --help
    from gateway.store.gaps import Gap, Kind  # noqa: PLC0415
    from gateway.store.promises import Held  # noqa: PLC0415
    from gateway.trust import promised  # noqa: PLC0415

    limits, count = configuration.gateway.limits, 0
    for name, data in _read(place, limits.body):
        count += 1
        try:
            held = Held(place=name, told=promised.read(data, ours, limits))
        except GatewayError as error:
            kind = Kind.RECEIPT_FOREIGN if isinstance(error, UntrustedError) else Kind.RECEIPT_UNREADABLE
            detail = f"{name}: {error.code.name} {error.detail}".rstrip()
            yield Gap(kind=kind, number=None, detail=detail)
            continue
        yield from promises.add(held)
        if count % _EVERY == 0:
            told.passed("receipts", count, count)
    yield from promises.compare()
    told.passed("receipts", count, count)


def _read(place: Path, most: int) -> Iterator[tuple[str, bytes]]:
    """Yield each envelope, and where it stands. Raises UnavailableError where a file cannot be read."""
    from gateway import codes  # noqa: PLC0415  # not needed for --help
    from gateway.errors import UnavailableError  # noqa: PLC0415
    from gateway.trust import promised  # noqa: PLC0415

    files = [place] if place.is_file() else (one for one in sorted(place.rglob("*")) if one.is_file())
    for path in files:
        name = path.name if path == place else str(path.relative_to(place))
        try:
            with path.open("rb") as file:
                for number, data in enumerate(promised.envelopes(file, most), start=1):
                    yield f"{name}:{number}", data
        except OSError as error:
            raise UnavailableError(codes.STORE_UNAVAILABLE, f"{name}: {error.strerror}") from None


def _answered(  # noqa: PLR0917  # what is verified, and for whom
    configuration: Configuration,
    why: reading.Why,
    asked: dict[str, Parameter],
    told: _Told,
    partner: str | None,
    between: tuple[datetime | None, datetime | None],
) -> None:
    """Verify the receipts that partners gave us, as the archivist."""
    from gateway import wiring  # noqa: PLC0415  # drivers
    from gateway.wiring import answered  # noqa: PLC0415

    with reading.released(configuration, why, "audit reconcile --answers", asked, duty=wiring.Duty.ARCHIVIST):
        told.tell(answered.verified(configuration, partner=partner, between=between, passed=told.passed))
