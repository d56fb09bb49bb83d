"""Results go to stdout and everything else to stderr, so that a pipe holds results only.

With `--json` a result is one JSON document (or one a line, where a command says so). Without it, text for people: rich
leaves colours out where NO_COLOR is set or where the stream is no terminal. A table in a pipe is never cut to a width.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from gateway.errors import GatewayError

Json = Mapping[str, "Json"] | Sequence["Json"] | str | int | float | bool | None

_PIPE_WIDTH = 200
"""Characters: wide enough for every table here, so that a log file holds whole rows."""


def results() -> Console:
    """Return the console for results."""
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False, soft_wrap=False)


def progress() -> Console:
    """Return the console for everything that is not a result."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else _PIPE_WIDTH, highlight=False)


def asks() -> bool:
    """Tell whether somebody is there to be asked."""
    return sys.stdin.isatty()


def document(value: Json) -> None:
    """Write one JSON document on one line of stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> Group:
    """Return a table under its title; `right` holds the numbers, from 0, of columns that are aligned right."""
    made = Table(header_style="dim", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for number, column in enumerate(columns):
        made.add_column(column, justify="right" if number in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    # Not the table's own title: that would be wrapped to the table's width.
    return Group(Text(title, style="bold"), made)


def failure(error: GatewayError, *, as_json: bool) -> None:
    """Tell stderr what is wrong and who must act; with `--json` tell stdout too."""
    if as_json:
        document({"error": {"code": error.code.name, "detail": error.detail, "resend": error.code.resend}})
    console = progress()
    # The code's own text speaks to a partner; whoever runs a command is told what is wrong here, where we know it.
    console.print(f"{error.code.name}: {error.detail or error.code.english}", style="bold red", markup=False)
