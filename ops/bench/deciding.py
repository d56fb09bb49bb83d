"""What a decision costs: a typical request against a register of ten thousand bases, and a record on the way in.

The requests name bases spread over the whole register, one after another, so that nothing is warm by luck. The same is
measured with ten bases: the ratio tells that a basis is looked up and not searched for. CPU time of this thread, the
best of several rounds: the machine is shared.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace

from gateway.message import Outcome
from gateway.privacy import engine, purpose
from gateway.privacy.law import Law
from ops.bench.report import Report
from tests.unit.privacy import laid, statute

BASES, FEW = 10_000, 10
REQUESTS, ROUNDS = 2_000, 15
LIMIT = 50
"""Microseconds that a typical decision may take."""


def measure(report: Report) -> None:
    """Measure `engine.decide` and `purpose.decide`; `ratio` is against ten bases, and against the limit."""
    few = _deciding(_register(FEW))
    many = _deciding(_register(BASES))
    report.add(f"decide: {FEW} bases", few, "µs CPU", few / LIMIT)
    report.add(f"decide: {BASES:,} bases", many, "µs CPU", many / LIMIT)
    report.add("decide: many against few", many / few, "times", many / few)
    report.add("way in: one record", _record(), "µs CPU")


def _register(count: int) -> Law:
    return laid.law(*(laid.basis(f"B-{number}") for number in range(count)))


def _deciding(law: Law) -> float:
    asked = laid.request(environment="prod")
    step = max(1, len(law.rules) // REQUESTS)
    requests = [replace(asked, basis=f"B-{number * step % len(law.rules)}") for number in range(REQUESTS)]

    def decide() -> None:
        for request in requests:
            if engine.decide(request, law, laid.AT).outcome is not Outcome.PERMIT:
                sys.exit("the benchmark's own request was not permitted")

    return _best(decide)


def _record() -> float:
    law, record = statute.law(statute.basis()), statute.record()
    setting = purpose.Setting(contract=statute.CONTRACT, partner_type="skatteverket", day=laid.DAY)

    def decide() -> None:
        for _ in range(REQUESTS):
            if purpose.decide(record, setting, law, statute.UNPROTECTED).outcome is not Outcome.PERMIT:
                sys.exit("the benchmark's own record was not permitted")

    return _best(decide)


def _best(work: Callable[[], None]) -> float:
    """Return microseconds of CPU a decision, in the best round."""
    spent = []
    for _ in range(ROUNDS):
        start = time.thread_time()
        work()
        spent.append(time.thread_time() - start)
    return min(spent) / REQUESTS * 1e6


if __name__ == "__main__":
    alone = Report()
    measure(alone)
    alone.show()
