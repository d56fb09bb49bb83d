"""The power goes at every point around a reading: written and perhaps not answered, never answered and not written."""

from __future__ import annotations

import pytest

from gateway.audit import checkpoint
from gateway.store import guard
from gateway.store.lease import TTL
from gateway.store.log import READINGS
from gateway.store.place import Duty
from gateway.store.readings import ReadingViews
from tests import builders
from tests.integration.killed import Axe, Child

KEY = builders.signer().key
OWN = READINGS.key(KEY)
QUESTIONS = ("Q1", "Q2", "Q3", "Q4")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def store(request, tmp_path):
    return builders.store(tmp_path) if request.param == "sqlite" else request.getfixturevalue("stored")


def answered(store, faults):
    """Read, and answer each question when its reading is written down, and not before."""

    def run(tell) -> None:
        log = builders.readings(store.acting(Duty.AUDITOR), faults=faults)
        for one in QUESTIONS:
            log.read(builders.reading(one))
            tell(one)
        log.close()

    return run


@pytest.mark.parametrize("nth", [1, 3])
@pytest.mark.parametrize("point", ["leaf", "commit", "committed"])
def test_killed_at_a_point_nothing_was_answered_that_is_not_written_down(store, point, nth):
    ended = Child(answered(store, Axe(point, nth))).end()
    assert ended.killed
    assert ended.told == list(QUESTIONS[: nth - 1])
    views = ReadingViews(store.acting(Duty.OVERSEER))
    written = [one.opened(builders.SEALER).question for one in views.newest()][::-1]
    assert written == list(QUESTIONS[: nth if point == "committed" else nth - 1])
    # The next goes on without a gap, and the whole log verifies.
    log = builders.readings(store.acting(Duty.ARCHIVIST))
    assert log.read(builders.reading("after")) == len(written)
    log.close()
    builders.integrate(store.acting(Duty.INTEGRATOR), builders.Clock(), READINGS)
    assert views.verify(KEY, builders.SEALER).size == len(written) + 1


def work(store, faults):
    """Read and integrate in turns, and tell of every checkpoint."""

    def run(tell) -> None:
        clock = builders.Clock()
        log = builders.readings(store.acting(Duty.AUDITOR))
        integrator = builders.integrator(store.acting(Duty.INTEGRATOR), clock, log=READINGS, faults=faults)
        for one in QUESTIONS:
            log.read(builders.reading(one))
            integrator.step()
            tell(READINGS.anchored(store).read_bytes())

    return run


@pytest.mark.parametrize("nth", [1, 3])
@pytest.mark.parametrize("point", ["sign", "tiles", "commit", "committed", "anchored"])
def test_killed_while_readings_are_signed_for_the_next_integrator_goes_on(store, point, nth):
    ended = Child(work(store, Axe(point, nth))).end()
    assert (ended.killed, len(ended.told)) == (True, nth - 1)
    guard.check_all(store, KEY)
    clock = builders.Clock()
    clock.pass_(TTL)
    builders.integrate(store.acting(Duty.INTEGRATOR), clock, READINGS)
    views = ReadingViews(store.acting(Duty.OVERSEER))
    last = checkpoint.verify(views.checkpoint(), OWN)
    assert checkpoint.verify(READINGS.anchored(store).read_bytes(), OWN) == last
    assert (last.size, views.verify(KEY).pending) == (nth, 0)
    assert [checkpoint.verify(one, OWN).size for one in ended.told] == list(range(1, nth))


def test_a_reader_that_nobody_kills_is_answered_everything(store):
    ended = Child(answered(store, Axe("never"))).end()
    assert (ended.killed, ended.told) == (False, list(QUESTIONS))
