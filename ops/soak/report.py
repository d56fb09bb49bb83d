"""What is printed in the end, and written for those who come later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from ops.soak.faults import Done
from ops.soak.lines import Line
from ops.soak.reconcile import Check
from ops.soak.schedule import Kind, group

_SHOWN = 20
"""Differences of one rule that are printed; the file has them all."""


@dataclass(slots=True, kw_only=True)
class Report:
    """One soak."""

    command: str
    """How to have it again."""
    checks: Sequence[Check]
    failures: Sequence[str]
    done: Sequence[Done]
    missed: int
    seconds: float
    """From the first message to the last answer."""
    drained: float
    """Seconds from the last answer to empty queues."""
    ends: Sequence[tuple[str, int, int]]
    """Process, exit code, how often."""
    notes: Sequence[str]
    numbers: dict[str, int] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """True where every rule holds and nothing happened that never must."""
        return not self.failures and all(check.holds for check in self.checks)

    def count(self, lines: Sequence[Line], handled: int, again: tuple[int, int]) -> None:
        """Take the numbers from the sender's and the consumers' books."""
        away: Counter[str] = Counter()
        for line in lines:
            away.update(line.away)
        self.numbers = {
            "messages": len(lines),
            "attempts": sum(line.attempts for line in lines),
            "resends": sum(line.attempts - (2 if len(line.receipts) > 1 else 1) for line in lines),
            "attempts without an answer": sum(line.silent for line in lines),
            "signed anew, refused for their time": sum(len(line.untimely) for line in lines),
            **{f"answered {code}": count for code, count in sorted(away.items())},
            "events handled": handled,
            "redeliveries": again[0],
            "redeliveries of handled events": again[1],
        }

    def tell(self, numbers: Mapping[str, int]) -> None:
        """Add numbers, below those that are there."""
        self.numbers |= numbers

    def show(self) -> str:
        """Return the text."""
        kinds = Counter(one.planned.kind for one in self.done)
        rows = [f"  {kinds[kind]:>6}  {group(kind):<8} {kind}" for kind in Kind if kinds[kind]]
        sent = self.numbers.get("messages", 0)
        return "\n".join(
            [
                "",
                f"Faults that happened: {len(self.done)} ({self.missed} found nothing to work on)",
                *rows,
                "",
                "Numbers",
                *(f"  {value:>9}  {name}" for name, value in self.numbers.items()),
                (
                    f"  {sent / self.seconds if self.seconds else 0:>9.1f}  messages a second, {self.seconds:.0f} s; "
                    f"then {self.drained:.0f} s until all was at rest"
                ),
                *(f"  {times:>9}  times {name} ended with {code}" for name, code, times in self.ends),
                *(f"  {note}" for note in self.notes),
                "",
                "Reconciliation",
                *(f"  {'holds' if one.holds else 'FAILS':<6} {one.counted:>9}  {one.name}" for one in self.checks),
                *(f"      {text}" for one in self.checks for text in _some(one.wrong)),
                *(f"  FAILED  {text}" for text in self.failures),
                "",
                f"{'PASSED' if self.passed else 'FAILED'}: {self.command}",
            ]
        )

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(asdict(self) | {"passed": self.passed}, option=orjson.OPT_INDENT_2))


def _some(wrong: Sequence[str]) -> list[str]:
    more = [f"… and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
    return [*wrong[:_SHOWN], *more]
