"""The recurring control: opened on behalf of the auditor, with the system's randomness for its seeds."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from gateway.audit.control import SEED, Outcome, Stratum
from gateway.audit.control_page import STRATA, Line, Report
from gateway.config import Configuration
from gateway.ports import Clock
from gateway.store.control import Control
from gateway.store.drawn import Case, Draw
from gateway.store.findings import RULES
from gateway.store.place import Duty
from gateway.store.questions import QUESTIONS
from gateway.wiring.drivers import place
from gateway.wiring.rules import Random


def control(configuration: Configuration, clock: Clock) -> Control:
    """Open it. Raises IntegrityError, UnavailableError."""
    return Control(place(configuration, Duty.AUDITOR), clock=clock)


def seed(random: Random = os.urandom) -> bytes:
    """Return a seed that nobody chose."""
    return random(SEED)


def report(stored: Control, month: str, now: datetime) -> Report | None:
    """Return what came of a month; None where it was not drawn from. Raises UnavailableError."""
    draw = {one.month: one for one in stored.months()}.get(month)
    if draw is None:
        return None
    cases = stored.cases(month)
    reviewers, again = stored.said(month)
    return Report(
        month=month, made=now, drawn=draw.at, due=draw.due, seed=draw.seed, given=draw.given, size=draw.size,
        most=draw.most, length=draw.length, reading=draw.reading,
        lines=[_line(why, draw, cases) for why in (*Stratum, *RULES)],
        outcomes=Counter[Outcome](one.outcome for one in cases if one.outcome is not None),
        overdue=[one.number for one in cases if one.overdue(now)],
        left=sum(one.outcome is None for one in cases),
        again=again,
        gone=sum(one.gone for one in cases),
        reviewers=reviewers,
    )  # fmt: skip


def _line(why: str, draw: Draw, cases: Sequence[Case]) -> Line:
    mine = [one for one in cases if one.why == why]
    title = STRATA.get(why) or f"{why}: {QUESTIONS[why].title}"
    reviewed = sum(one.outcome is not None for one in mine)
    return Line(why=str(why), title=title, there=draw.urns.get(why, 0), drawn=len(mine), reviewed=reviewed)
