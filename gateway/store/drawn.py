"""What is told of the recurring control: what was wanted, drawn and found, and what drawing again showed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.audit import control
from gateway.audit.control import Outcome, Stratum, lot
from gateway.database import Row, instant
from gateway.store.findings import Own

DRAW = "month, seed, given, size, most, length, urns, by, at, due, reading"
"""Columns of a drawing."""
CASE = """
    SELECT c.id, c.month, c.why, c.lot, c.position, c.facts, d.due, m.outcome, m.at,
    (SELECT count(*) FROM trail t WHERE t.position = c.position)
    FROM control_cases c JOIN control_draws d ON d.month = c.month LEFT JOIN control_marks m ON m.case_id = c.id
    AND m.step = (SELECT max(n.step) FROM control_marks n WHERE n.case_id = c.id)
"""
"""A case with what was said of it last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody wants drawn."""

    month: str
    """`2026-10`."""
    seed: bytes
    given: bool
    """Whether a person gave the seed."""
    size: int
    """Leaves of each stratum."""
    most: int
    """Cases of what each question finds."""
    within: timedelta
    """How long the reviewers have."""
    own: Own = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """A drawing as it is kept."""

    month: str
    seed: str
    given: bool
    size: int
    most: int
    length: int
    """Of the log then."""
    urns: Mapping[str, int]
    """How many there were to draw from, by stratum and question."""
    by: str
    at: datetime
    due: datetime
    reading: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What a reviewer found."""

    step: int
    outcome: Outcome
    by: str
    reason: str
    at: datetime
    reading: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What somebody must look at, and whether they have."""

    number: int
    month: str
    why: str
    """A stratum, or a question."""
    lot: str
    position: int | None
    facts: Mapping[str, object]
    due: datetime
    outcome: Outcome | None
    """None: nobody has looked yet."""
    marked: datetime | None
    gone: bool
    """Whether its leaf's trail has been destroyed since."""

    def overdue(self, now: datetime) -> bool:
        """Tell whether somebody should have looked."""
        return self.outcome is None and now > self.due


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What drawing again showed."""

    passed_over: Mapping[str, int]
    """Of each stratum or question: how many should have been drawn, and were not. Nothing honest does that."""
    unfounded: tuple[int, ...]
    """Cases that their lots do not give, or that nothing there gives though nothing has been destroyed."""
    gone: int
    """Cases whose leaves have been destroyed."""
    urns: Mapping[str, int]
    """How many there are to draw from now."""
    redrawn: bool
    """Whether the questions' findings were compared too: they are where nothing of the month has been destroyed or come
    late, for only then do the questions find the same."""

    @property
    def whole(self) -> bool:
        """Tell whether it is what an honest drawing gives."""
        return not any(self.passed_over.values()) and not self.unfounded


def verdict(
    draw_: Draw, kept: Sequence[Case], now: Mapping[str, set[str]], urns: Mapping[str, int], *, redrawn: bool
) -> Verdict:
    """Compare what was drawn with what is drawn `now`, by lots of each stratum and question."""
    passed, unfounded = dict[str, int](), list[int]()
    seed = bytes.fromhex(draw_.seed)
    for why, again in now.items():
        mine = [one for one in kept if one.why == why]
        size = draw_.size if why in set(Stratum) else draw_.most
        over, missing = control.passed_over((one.lot for one in mine), again, size)
        passed[why] = len(over)
        unfounded += [one.number for one in mine if one.lot in missing and (redrawn or not one.gone)]
    unfounded += [
        one.number for one in kept if one.why in set(Stratum) and one.lot != lot(seed, str(one.position))
    ]  # fmt: skip
    return Verdict(
        passed_over=passed,
        unfounded=tuple(sorted(set(unfounded))),
        gone=sum(one.gone for one in kept),
        urns=urns,
        redrawn=redrawn,
    )


def draw(row: Row) -> Draw:
    """Make a drawing of a row of `DRAW`."""
    return Draw(
        month=row[0], seed=row[1], given=bool(row[2]), size=row[3], most=row[4], length=row[5],
        urns=json.loads(row[6]), by=row[7], at=instant(row[8]), due=instant(row[9]), reading=row[10],
    )  # fmt: skip


def case(row: Row) -> Case:
    """Make a case of a row of `CASE`."""
    number, month, why, lot_, position, facts, due, outcome, marked, there = row
    return Case(
        number=number, month=month, why=why, lot=lot_, position=position, facts=json.loads(facts), due=instant(due),
        outcome=None if outcome is None else Outcome(outcome),
        marked=None if marked is None else instant(marked),
        gone=position is not None and not there,
    )  # fmt: skip
