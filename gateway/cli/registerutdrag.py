"""`gateway audit registerutdrag`: one person's disclosures, for that person (GDPR art. 15).

The person's number comes on standard input or in a file, becomes a pseudonym here and goes no further; it is in none
of the forms that are written, so whoever sends the extract puts it with the letter. The reading is written down first.
What the register holds back is not in the extract; standard error tells the official that there is such, by which row,
for what the law then asks of an official (lag (2018:218) 5 kap. 1 §).
"""

from __future__ import annotations

import sys
from datetime import MAXYEAR, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from gateway.cli import options, output, reading
from gateway.cli.asking import Moment
from gateway.cli.person import pseudonym

if TYPE_CHECKING:
    from gateway.config import Configuration
    from gateway.message import Pseudonym
    from gateway.privacy.extract import Extract

_EARLIEST = 1900
_HELP = "The file that holds the person's number; - is standard input."


@click.command("registerutdrag")
@click.option("--person", type=click.File("r"), default="-", show_default=True, help=_HELP)
@click.option("--since", type=Moment(), help="From this time; without it from the beginning.")
@click.option("--until", type=Moment(), help="Before this time; without it until now.")
@click.option("--html", "shape", flag_value="html", help="Write an accessible page to stdout.")
@click.option("--text", "shape", flag_value="text", default=True, help="Write plain text (the default).")
@reading.why()
@options.config
@options.data
@options.as_json
def command(  # options, each by its name
    *,
    person: TextIO,
    since: datetime | None,
    until: datetime | None,
    shape: str | None,
    why: reading.Why,
    config: Path,
    data: Path | None,
    as_json: bool,
) -> None:
    """Write what one person is told of who has got what about them: kinds of data, never values; in Swedish.

    What must not be told yet, by a row of law/registerutdrag.toml, is left out; stderr says that there is such.
    """
    from gateway.config import load  # noqa: PLC0415  # not needed for --help
    from gateway.privacy import extract_page  # noqa: PLC0415

    if since is not None and until is not None and until <= since:
        raise click.BadParameter("is not after --since", param_hint="--until")
    if any(at is not None and not _EARLIEST <= at.year < MAXYEAR for at in (since, until)):
        raise click.BadParameter("is no time that the log tells of", param_hint="--since, --until")
    configuration = load(config, data=data)
    about = pseudonym(configuration, person.read())
    told = {name: at.isoformat() for name, at in (("since", since), ("until", until)) if at is not None}
    with reading.released(configuration, why, "audit registerutdrag", told, pseudonym=about):
        made = _extract(configuration, about, since, until)
    if as_json:
        output.document(extract_page.document(made, case=why.case))
    elif shape == "html":
        sys.stdout.write(extract_page.page(made, case=why.case))
    else:
        sys.stdout.write(extract_page.text(made, case=why.case))
    for rule, count in sorted(made.held.items()):
        words = f"{count} held back by {rule}: not in the extract. Judge what the person is told of that."
        output.progress().print(words, style="bold", markup=False)


def _extract(configuration: Configuration, about: Pseudonym, since: datetime | None, until: datetime | None) -> Extract:
    from gateway import wiring  # noqa: PLC0415  # drivers
    from gateway.wiring.extracting import extracted  # noqa: PLC0415

    session = wiring.place(configuration, wiring.Duty.AUDITOR).open()
    try:
        with session.translated(), session.reading():
            now = wiring.SystemClock().now()
            return extracted(session, configuration, about, now=now, since=since, until=until)
    finally:
        session.close()
