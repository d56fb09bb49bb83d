"""The power goes at every point of a step: no leaf lost, and no checkpoint that anybody saw is ever contradicted."""

from __future__ import annotations

import pytest

from gateway.audit import checkpoint, tree
from gateway.store import guard
from gateway.store.lease import TTL
from gateway.store.log import StoredLog
from gateway.store.views import Views
from tests import builders
from tests.integration.killed import Axe, Child

KEY = builders.signer().key
STEPS = 4


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def store(request, tmp_path):
    if request.param == "sqlite":
        return builders.store(tmp_path)
    return request.getfixturevalue("stored")


def work(store, faults):
    """Accept and integrate in turns, and tell of every checkpoint, as a witness would hear of it."""

    def run(tell) -> None:
        clock = builders.Clock()
        journal = builders.journal(store, clock)
        integrator = builders.integrator(store, clock, faults=faults)
        for n in range(STEPS):
            journal.accept(builders.ready(f"urn:uuid:{n}", records=100 + n)).result()
            integrator.step()
            tell(store.anchor.read_bytes())
        journal.close()
        integrator.stop()

    return run


@pytest.mark.parametrize("nth", [1, 3])
@pytest.mark.parametrize("point", ["sign", "tiles", "commit", "committed", "anchored"])
def test_killed_at_a_point_the_next_integrator_goes_on_and_contradicts_nothing(store, point, nth):
    ended = Child(work(store, Axe(point, nth))).end()
    assert ended.killed
    assert len(ended.told) == nth - 1
    # 1. What is there is served, though the anchor may be behind.
    served = guard.check(store, KEY)
    # 2. Another process goes on, once the lease of the dead one has run out.
    clock = builders.Clock()
    clock.pass_(TTL)
    last = builders.integrate(store, clock) or served
    assert checkpoint.verify(store.anchor.read_bytes(), KEY) == last
    # 3. The whole log verifies, with every leaf that was promised.
    views = Views(store)
    report = views.verify_log(KEY)
    assert (report.size, report.pending) == (sum(100 + n for n in range(nth)), 0)
    # 4. Every checkpoint that was seen is a beginning of this log.
    file = store.open()
    nodes = StoredLog(file).nodes()
    for seen in [served, *(checkpoint.verify(one, KEY) for one in ended.told)]:
        path = tree.consistency(seen.size, last.size, nodes)
        tree.verify_consistency(seen.size, last.size, seen.root, last.root, path)
    file.close()


def test_a_child_that_nobody_kills_signs_for_everything(store):
    ended = Child(work(store, Axe("never"))).end()
    assert (ended.killed, len(ended.told)) == (False, STEPS)
    assert Views(store).verify_log(KEY).size == sum(100 + n for n in range(STEPS))
