"""`gateway certificates`: everything that ends by itself, and when.

Certificates and revocation lists are read from the files that the configuration names; nobody is asked. A list is in
use while it is fresh and renewed by whoever fetches it, so a list with little time left is a fetcher that stands still.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli import exits, options, output

if TYPE_CHECKING:
    from gateway.trust.certificates import Found

_DAY = 86400


@click.command(name="certificates")
@options.config
@options.data
@click.option("--within", type=click.IntRange(min=0), metavar="DAYS", help="Only what ends within so many days.")
@options.as_json
def command(config: Path, data: Path | None, within: int | None, *, as_json: bool) -> None:
    """Tell every certificate and revocation list that matters, the first to end first.

    With --within the exit code is 1 where something ends within so many days, has ended, or cannot be read.
    """
    from gateway.config import load  # noqa: PLC0415  # pydantic: not needed for --help
    from gateway.trust.certificates import inventory  # noqa: PLC0415

    now = datetime.now(UTC)
    found = [one for one in inventory(load(config, data=data)) if within is None or _days(one, now) < within]
    if as_json:
        output.document([_document(one, now) for one in found])
    elif found:
        columns = ("Ends", "Days", "Of", "Use", "Subject", "Issuer", "File")
        output.results().print(output.table("Certificates", columns, [_row(one, now) for one in found], right=(1,)))
    else:
        output.results().print(f"Nothing ends within {within} days", style="bold green")
    click.get_current_context().exit(exits.Exit.REFUSED if found and within is not None else exits.Exit.OK)


def _days(one: Found, now: datetime) -> float:
    """Return the days left; of what cannot be read, less than any number."""
    return float("-inf") if one.ends is None else (one.ends - now).total_seconds() / _DAY


def _row(one: Found, now: datetime) -> tuple[str, ...]:
    if one.ends is None:
        return "unknown", "", ", ".join(one.owners), one.use, one.fault, "", str(one.file)
    ends = f"{one.ends:%Y-%m-%d %H:%M}Z"
    return ends, f"{int(_days(one, now) // 1)}", ", ".join(one.owners), one.use, one.subject, one.issuer, str(one.file)


def _document(one: Found, now: datetime) -> dict[str, output.Json]:
    return {
        "ends": None if one.ends is None else one.ends.isoformat().replace("+00:00", "Z"),
        "days": None if one.ends is None else int(_days(one, now) // 1),
        "owners": list(one.owners),
        "use": one.use.value,
        "subject": one.subject,
        "issuer": one.issuer,
        "fingerprint": one.fingerprint,
        "file": str(one.file),
        "fault": one.fault or None,
    }
