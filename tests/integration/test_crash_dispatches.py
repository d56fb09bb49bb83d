"""The power goes at every point around the commits of the way out: no command lost or doubled, no step half written."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.outbound.ports import Step, Taken
from gateway.outbound.states import Happening, State
from gateway.store import guard
from gateway.store.dispatch_views import DispatchViews
from gateway.store.dispatches import StoredDispatches
from gateway.store.place import Duty
from tests import builders, steps
from tests.integration.killed import Axe, Child

KEY = builders.signer().key
H, S = Happening, State
NEWS = (builders.learned(builders.Protection.SEKRETESSMARKERING, 1),)
COMMANDS = 5
WAY = (H.COMPOSE, H.BEGIN, H.LOSE, H.BEGIN, H.ANSWER)
MADE = [steps.parts(steps.command(f"c{n}", "arbetsformedlingen", "skatteverket")) for n in range(COMMANDS)]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def store(request, tmp_path):
    if request.param == "sqlite":
        return builders.store(tmp_path)
    return request.getfixturevalue("stored")


def opened(store, faults=lambda _point: None) -> StoredDispatches:
    return StoredDispatches(store.acting(Duty.DISPATCHER), clock=builders.Clock(), faults=faults)


def take(store, faults):
    """Take every command, and tell of each as an asker would be told."""

    def run(tell) -> None:
        dispatches = opened(store, faults)
        for made in MADE:
            tell(dispatches.take(*made))
        dispatches.close()

    return run


def way(dispatch: str) -> list[Step]:
    """Every step of one dispatch, the same however often it is made."""
    found, state, composed = [], S.QUEUED, False
    for number, happening in enumerate(WAY):
        more = {"learned": NEWS} if happening is H.ANSWER else {}
        found.append(steps.made(dispatch, number, state, happening, has_intent=composed, **more))
        state, composed = found[-1].after, True
    return found


def walk(store, faults):
    """Walk two dispatches to their ends, and tell of every step that is written."""

    def run(tell) -> None:
        dispatches = opened(store, faults)
        for queued in MADE[0][1]:
            for step in way(queued.dispatch):
                assert dispatches.write(step)
                tell((step.dispatch, step.follows))
        dispatches.close()

    return run


def whole(store) -> DispatchViews:
    """The store, found whole: its log verifies, and every dispatch stands where its timeline says."""
    guard.check(store, KEY)
    builders.integrate(store, builders.Clock())
    views = DispatchViews(store)
    views.verify_log(KEY)
    for one in views.dispatches(limit=100):
        line = views.timeline(one.id)
        assert [step.step for step in line] == list(range(1, one.step + 1))
        assert one.state is (line[-1].after if line else S.QUEUED)
        sealed = {step.step: step for step in views.sealed(one.id)}
        assert sealed[0].name == "command"
        for step in line:
            assert len(step.leaves) == (len(sealed[step.step].sealed.records) if step.step in sealed else 0)
    return views


@pytest.mark.parametrize("nth", [1, 3])
@pytest.mark.parametrize("point", ["commands", "dispatches", "contents", "commit", "committed"])
def test_killed_while_taking_no_command_that_was_told_is_lost_and_none_is_there_twice(store, point, nth):
    ended = Child(take(store, Axe(point, nth))).end()
    assert ended.killed
    assert len(ended.told) == nth - 1
    views = whole(store)
    there = {one.command for one in views.dispatches(limit=100)}
    assert there == {f"c{n}" for n in range(nth if point == "committed" else nth - 1)}
    assert len(views.dispatches(limit=100)) == 2 * len(there)
    views.close()
    dispatches = opened(store)
    again = [dispatches.take(*made) for made in MADE]
    assert [one.repeated for one in again] == [one.command in there for one in again]
    assert [replaced(one) for one in again[: len(ended.told)]] == [replaced(one) for one in ended.told]
    due = dispatches.due(builders.NOON, limit=100, busy=[])
    assert sorted(one.id for one in due) == sorted(one.dispatch for made in MADE for one in made[1])
    dispatches.close()


def replaced(taken: Taken) -> tuple[object, ...]:
    return taken.command, taken.dispatches


POINTS = (
    "dispatches",
    "timeline",
    "leaves",
    "records",
    "flows",
    "trail",
    "contents",
    "outbox",
    "protections",
    "commit",
    "committed",
)


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("point", POINTS)
def test_killed_while_writing_every_step_that_was_told_is_there_and_the_rest_is_written_once(store, point, nth):
    dispatches = opened(store)
    dispatches.take(*MADE[0])
    dispatches.close()
    ended = Child(walk(store, Axe(point, nth))).end()
    assert ended.killed
    views = whole(store)
    there = {(one.id, step.step - 1) for one in views.dispatches() for step in views.timeline(one.id)}
    assert there >= set(ended.told)
    assert len(there) == len(ended.told) + (point == "committed")
    views.close()
    # Whoever comes after does not know what became of the last: it writes all again, and each is there once.
    dispatches = opened(store)
    for queued in MADE[0][1]:
        for step in way(queued.dispatch)[max(0, dispatches.get(queued.dispatch).step - 1) :]:
            assert dispatches.write(step)
    dispatches.close()
    views = whole(store)
    assert [one.state for one in views.dispatches()] == [S.DELIVERED] * 2
    assert (views.counts()["leaves"], views.counts()["outbox"], views.counts()["protections"]) == (8, 2, 1)
    views.close()


@pytest.mark.parametrize("heard", [1, 4, 7])
def test_killed_from_outside_nothing_that_was_told_is_lost(store, heard):
    dispatches = opened(store)
    dispatches.take(*MADE[0])
    dispatches.close()
    child = Child(walk(store, lambda _point: None))
    for count, _ in enumerate(child.hear(), start=1):
        if count == heard:
            child.kill()
    ended = child.end()
    views = whole(store)
    there = {(one.id, step.step - 1) for one in views.dispatches() for step in views.timeline(one.id)}
    assert there >= set(ended.told)
    views.close()


def test_what_dies_in_flight_is_found_in_flight(store):
    dispatches = opened(store)
    dispatches.take(*MADE[0])
    dispatches.close()
    ended = Child(walk(store, Axe("timeline", 3))).end()
    assert ended.killed
    dispatches = opened(store)
    (held,) = dispatches.interrupted()
    assert (held.state, held.attempts, held.step) == (S.SENDING, 1, 2)
    dispatches.close()


def test_of_two_processes_that_write_the_same_steps_each_step_is_written_once(store):
    dispatches = opened(store)
    dispatches.take(*MADE[0])

    def race(number: int):
        def run(tell) -> None:
            mine = opened(store)
            for queued in MADE[0][1]:
                for step in way(queued.dispatch):
                    told = replace(step, by=f"process {number}")
                    tell((step.dispatch, step.follows, mine.write(told)))
            mine.close()

        return run

    children = [Child(race(number)) for number in range(3)]
    told = [one for child in children for one in child.end().told]
    won = [one[:2] for one in told if one[2]]
    assert sorted(won) == sorted((queued.dispatch, n) for queued in MADE[0][1] for n in range(len(WAY)))
    views = whole(store)
    assert (views.counts()["leaves"], views.counts()["outbox"]) == (8, 2)
    views.close()
    dispatches.close()
