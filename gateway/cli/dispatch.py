"""`gateway dispatch …`: where what we send and ask stands, how it came there, and what people may do about it.

What people want done is in `instructions.py`. Nothing here shows what a dispatch says.

DISPATCH is its id (`urn:uuid:…`), or the digits that a log line calls `reference`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli import exits, instructions, options, output

if TYPE_CHECKING:
    from rich.console import Group

    from gateway.config import Configuration
    from gateway.dispatch import DispatchId
    from gateway.partners import Endpoint, Partner
    from gateway.store.dispatch_views import Dispatch, DispatchViews, Ended

_MOST = 10_000
_STATES = (
    "queued", "referred", "composed", "sending", "waiting", "uncertain", "resending", "deposited", "fetched",
    "unresolved", "delivered", "denied", "refused", "unusable", "expired", "withdrawn",
)  # fmt: skip
"""As in `outbound.states`, which --help must not wait for; a test holds the two together."""


@click.group(name="dispatch", help="See what is sent and asked; try again, withdraw, settle; pause a partner.")
def command() -> None:
    """Hold the dispatch commands."""


for _one in instructions.COMMANDS:
    command.add_command(_one)


@command.command("list")
@click.option("--partner", help="Only those for this partner.")
@click.option("--asker", help="Only those of this system of ours.")
@click.option("--command", "wanted", help="Only those of this command.")
@click.option("--state", type=click.Choice(_STATES), help="Only those that stand here.")
@click.option("-n", "--limit", type=click.IntRange(1, _MOST), default=50, show_default=True)
@options.config
@options.data
@options.as_json
def list_(
    *,
    partner: str | None,
    asker: str | None,
    wanted: str | None,
    state: str | None,
    limit: int,
    config: Path,
    data: Path | None,
    as_json: bool,
) -> None:
    """Show dispatches, the newest first."""
    from gateway.dispatch import AskerId, CommandId  # noqa: PLC0415  # not needed for --help
    from gateway.message import PartnerId  # noqa: PLC0415
    from gateway.outbound.states import State  # noqa: PLC0415

    with instructions.opened(config, data) as (_, views):
        found = views.dispatches(
            partner=None if partner is None else PartnerId(partner),
            asker=None if asker is None else AskerId(asker),
            command=None if wanted is None else CommandId(wanted),
            state=None if state is None else State(state),
            limit=limit,
        )
    lines = [_line(one) for one in found]
    if as_json:
        for line in lines:
            output.document(line)
        return
    columns = ("dispatch", "command", "partner", "contract", "state", "attempts", "code", "first_failure", "due")
    output.results().print(_table(f"{len(lines)} dispatches", columns, lines, right=(5,)))


@command.command("show")
@click.argument("dispatch", metavar="DISPATCH", type=instructions.Id())
@options.config
@options.data
@options.as_json
def show(*, dispatch: str, config: Path, data: Path | None, as_json: bool) -> None:
    """Show one dispatch: where it stands, what happened to it, what people wanted, and how its partner fares."""
    from gateway.dispatch import DispatchId  # noqa: PLC0415  # not needed for --help

    with instructions.opened(config, data) as (configuration, views):
        one = views.dispatch(DispatchId(dispatch))
        if one is None:
            output.progress().print(f"there is no dispatch {dispatch}")
            click.get_current_context().exit(exits.Exit.REFUSED)
        told = {**_line(one), "meaning": _meaning(one), **_reached(configuration, views, one)}
        timeline = _timeline(views, one.id)
        wanted = _asked(views, one.id)
    if as_json:
        output.document({**told, "timeline": timeline, "instructions": wanted})
        return
    console = output.results()
    for key, value in told.items():
        console.print(f"{key:14} {_cell(value)}", markup=False)
    columns: tuple[str, ...] = ("step", "at", "happening", "after", "code", "partner_code", "due", "by", "reason")
    console.print(_table("What happened", columns, timeline, right=(0,)))
    if wanted:
        columns = ("at", "happening", "by", "reason", "refused", "settled_at")
        console.print(_table("What people wanted", columns, wanted))


@command.command("partners")
@options.config
@options.data
@options.as_json
def partners(*, config: Path, data: Path | None, as_json: bool) -> None:
    """Show every partner: what waits for it, who paused it, and how each of its endpoints fares."""
    now = datetime.now(UTC)
    with instructions.opened(config, data) as (configuration, views):
        counts, paused = views.dispatch_counts(), {one.partner: one for one in views.paused()}
        overdue, since = views.overdue(now)
        lines: list[dict[str, output.Json]] = [
            {
                "partner": partner.id,
                "states": {state.value: count for state, count in sorted(counts.get(partner.id, {}).items())},
                "paused": (
                    {"by": pause.by, "reason": pause.reason, "since": _at(pause.at)}
                    if (pause := paused.get(partner.id))
                    else None
                ),
                "mailbox": partner.mailbox is not None,
                "endpoints": [_endpoint(one, partner, views.attempts(partner.id), now) for one in partner.endpoint],
            }
            for partner in configuration.partners.values()
            if partner.endpoint or partner.mailbox or partner.id in counts
        ]
    if as_json:
        output.document({"partners": lines, "overdue": overdue, "overdue_since": _at(since)})
        return
    output.results().print(_partner_table(lines))
    # Far over the dispatcher's own half second of idling.
    if since is not None and (now - since).total_seconds() > _STANDING:
        output.progress().print(f"{overdue} dispatches are overdue, the first since {_at(since)}", style="bold red")


_STANDING = 60


def _partner_table(lines: Sequence[dict[str, output.Json]]) -> Group:
    from gateway.outbound.states import ENDED, State  # noqa: PLC0415  # not needed for --help

    rows = []
    for line in lines:
        states: dict[str, int] = line["states"]  # type: ignore[assignment]  # made above
        pause: dict[str, str] | None = line["paused"]  # type: ignore[assignment]  # as above
        endpoints: list[dict[str, str | None]] = line["endpoints"]  # type: ignore[assignment]  # as above
        open_ = {state: count for state, count in states.items() if State(state) not in ENDED}
        rows.append(
            (
                str(line["partner"]),
                ", ".join(f"{count} {state}" for state, count in open_.items()) or "-",
                str(states.get("unresolved", 0) or "-"),
                f"by {pause['by']}: {pause['reason']}" if pause else "-",
                "\n".join(f"{one['address']}: {_fares(one)}" for one in endpoints)
                or ("mailbox" if line["mailbox"] else "-"),
            )
        )
    return output.table("Partners", ("partner", "open", "unresolved", "paused", "way"), rows, right=(2,))


def _fares(endpoint: dict[str, str | None]) -> str:
    said = [str(endpoint["circuit"])]
    if endpoint["rests_until"]:
        said.append(f"until {endpoint['rests_until']}")
    if endpoint["maintenance_until"]:
        said.append(f"in maintenance until {endpoint['maintenance_until']}")
    if endpoint["code"]:
        said.append(str(endpoint["code"]))
    return ", ".join(said)


@command.command("states")
def states_() -> None:
    """Write the page that explains every state (`docs/states.md`), drawn from the table that the program keeps."""
    from gateway.outbound import guide  # noqa: PLC0415  # not needed for --help

    click.echo(guide.page(), nl=False)


def _line(one: Dispatch) -> dict[str, output.Json]:
    return {
        "dispatch": one.id,
        "command": one.command,
        "asker": one.asker,
        "partner": one.partner,
        "organisation": one.organisation,
        "contract": one.contract,
        "state": one.state.value,
        "attempts": one.attempts,
        "code": one.code,
        "partner_code": one.partner_code,
        "first_failure": one.first_failure,
        "taken_at": _at(one.taken_at),
        "changed_at": _at(one.changed_at),
        "due": _at(one.due),
        "expires": _at(one.expires),
    }


def _meaning(one: Dispatch) -> str:
    from gateway.outbound import guide  # noqa: PLC0415  # not needed for --help

    return guide.SWEDISH[one.state]


def _reached(configuration: Configuration, views: DispatchViews, one: Dispatch) -> dict[str, output.Json]:
    """Return how the endpoint fares that it goes to, and who paused its partner."""
    from gateway.message import ContractId, OrganisationNumber  # noqa: PLC0415  # not needed for --help
    from gateway.partners import Endpoint  # noqa: PLC0415

    partner = configuration.partners.get(one.partner)
    organisation = None if one.organisation is None else OrganisationNumber(one.organisation)
    way = None if partner is None else partner.reached(ContractId(one.contract), organisation)
    told: dict[str, output.Json] = {"way": None if way is None else "mailbox"}
    if partner is not None and isinstance(way, Endpoint):
        fares = _endpoint(way, partner, views.attempts(one.partner), datetime.now(UTC))
        told = {"way": fares.pop("address"), **fares}
    pause = next((one_ for one_ in views.paused() if one_.partner == one.partner), None)
    return {**told, "paused": None if pause is None else f"by {pause.by}: {pause.reason}"}


def _endpoint(endpoint: Endpoint, partner: Partner, attempts: Sequence[Ended], now: datetime) -> dict[str, output.Json]:
    from gateway.message import ContractId, OrganisationNumber  # noqa: PLC0415  # not needed for --help
    from gateway.outbound import pacing  # noqa: PLC0415

    def here(one: Ended) -> bool:
        organisation = None if one.organisation is None else OrganisationNumber(one.organisation)
        way = partner.reached(ContractId(one.contract), organisation)
        return getattr(way, "address", None) == endpoint.address

    mine = [one for one in attempts if here(one)]
    circuit = pacing.Circuit.told((one.happening, one.at) for one in mine)
    return {
        "address": endpoint.address,
        "circuit": circuit.stands(endpoint, now).value,
        "rests_until": _at(circuit.rests_until(endpoint)),
        "maintenance_until": _at(pacing.closed(endpoint.maintenance, now)),
        "failures": circuit.failures,
        "last_attempt": _at(mine[-1].at) if mine else None,
        "code": mine[-1].code if mine and circuit.failures else None,
    }


def _timeline(views: DispatchViews, dispatch: DispatchId) -> list[dict[str, output.Json]]:
    return [
        {
            "step": step.step,
            "at": _at(step.at),
            "happening": step.happening.value,
            "before": step.before.value,
            "after": step.after.value,
            "code": step.code,
            "partner_code": step.partner_code,
            "due": _at(step.due),
            "by": step.by,
            "reason": step.reason,
            "leaves": list(step.leaves),
        }
        for step in views.timeline(dispatch)
    ]


def _asked(views: DispatchViews, dispatch: DispatchId) -> list[dict[str, output.Json]]:
    return [
        {
            "at": _at(one.at),
            "happening": one.happening.value,
            "by": one.by,
            "role": one.role or None,
            "reason": one.reason,
            "step": one.step,
            "refused": one.refused,
            "settled_at": _at(one.settled_at),
        }
        for one in views.instructions(dispatch=dispatch)
    ]


def _at(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")


def _cell(value: output.Json) -> str:
    return "-" if value is None else str(value)


def _table(
    title: str, columns: Sequence[str], lines: Sequence[dict[str, output.Json]], *, right: Sequence[int] = ()
) -> Group:
    rows = [tuple(_cell(line[column]) for column in columns) for line in lines]
    return output.table(title, columns, rows, right=right)
