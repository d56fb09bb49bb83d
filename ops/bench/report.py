"""Rows of a benchmark: printed as a table, and written to `build/bench.json` for whoever compares runs."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table


def machine() -> str:
    """Say what ran this, without naming the machine."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    return f"{os.cpu_count()} x {model}, Python {platform.python_version()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement. `ratio` is against what its name says, in the same run; None where nothing is compared."""

    name: str
    value: float
    unit: str
    ratio: float | None = None
    machine: str = field(default_factory=machine)


@dataclass(slots=True)
class Report:
    """The rows of one run."""

    rows: list[Row] = field(default_factory=list)

    def add(self, name: str, value: float, unit: str, ratio: float | None = None) -> None:
        """Take in one measurement."""
        self.rows.append(Row(name=name, value=round(value, 3), unit=unit, ratio=ratio and round(ratio, 3)))

    def show(self) -> None:
        """Print the table."""
        table = Table("what", "value", "unit", "ratio", title=machine())
        for row in self.rows:
            table.add_row(row.name, f"{row.value:,.1f}", row.unit, "" if row.ratio is None else f"{row.ratio:.2f}")
        Console().print(table)

    def write(self, path: Path) -> None:
        """Write every row as JSON."""
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps([asdict(row) for row in self.rows], indent=1) + "\n", encoding="utf-8")
