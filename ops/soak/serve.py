"""`gateway serve` with a clock that somebody else can shift: by the seconds that stand in a file.

    python -m ops.soak.serve FILE OPTIONS…

The product knows nothing of it. The clock that its wiring would make is exchanged before it starts, and again in each
worker, which begins by importing this module under another name.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway import wiring
from gateway.cli import main
from ops.soak import traces

_LOOK = 0.05
"""Seconds between two looks at the file."""


class ShiftedClock:
    """The machine's time, and what stands in the file."""

    file = Path()
    _shift = timedelta(0)
    _due = 0.0

    def now(self) -> datetime:
        """Return it, aware, in UTC."""
        cls = type(self)
        if time.monotonic() >= cls._due:
            cls._shift = timedelta(seconds=float(cls.file.read_text()))
            cls._due = time.monotonic() + _LOOK
        return datetime.now(UTC) + cls._shift


def _exchange() -> None:
    ShiftedClock.file = Path(sys.argv[1])
    wiring.SystemClock = ShiftedClock  # type: ignore[misc,assignment]  # this module is for that
    traces.keep()


if __name__ in {"__main__", "__mp_main__"}:
    _exchange()
if __name__ == "__main__":
    main(["serve", *sys.argv[2:]], prog_name="gateway")
