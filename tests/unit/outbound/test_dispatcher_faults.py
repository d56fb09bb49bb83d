"""The dispatcher dies, or the store fails, just before and just after every write; then it starts again.

Whatever is done to it: one id and one content on all attempts, an intent before the first byte, never two outcomes, one
end, and never "nothing was disclosed" of what a partner processed.
"""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import codes
from gateway.dispatch import Break
from gateway.errors import UnavailableError
from gateway.outbound import states
from gateway.outbound.states import ENDED, IN_FLIGHT, TRANSITIONS, Happening, State
from tests.effort import effort
from tests.unit.outbound.scripted import ENDS, LIFE, SILENT, WAYS, YES, Way, World, told
from tests.world import CrashError

__all__ = ["told"]
pytestmark = pytest.mark.usefixtures("told")
S, H = State, Happening
BY_OTHERS = {H.PERMIT, H.WITHDRAW, H.CONFIRM, H.DISPROVE, H.FETCH, H.ACKNOWLEDGE}
"""What people and partners do; the dispatcher does all else."""
OURS = [arrow for arrow in TRANSITIONS if arrow[1] not in BY_OTHERS]
THEIRS = [arrow for arrow in TRANSITIONS if arrow[1] in BY_OTHERS]
SIDES = ("", "!")
"""Just before the write, and just after it."""


def prepared(state: State, happening: Happening, *, processed: bool) -> tuple[World, str]:
    """Return a world in which a dispatcher, once it looks, does this to a dispatch in this state."""
    world = World()
    mailbox = happening is H.DEPOSIT or state in {S.DEPOSITED, S.FETCHED}
    dispatch = world.queue("post" if mailbox else "a")
    if happening in {H.REFER, H.DENY}:
        world.walk.judged = happening
    before = {S.SENDING: S.WAITING, S.RESENDING: S.UNCERTAIN}.get(state, state)
    world.bring(dispatch, before)
    if before is S.UNCERTAIN and processed:
        world.far.processed[dispatch] = digest_of(world, dispatch)
    if state in IN_FLIGHT:
        way = ENDS[happening]
        world.far.script["a"] = [Way(processed if happening is H.LOSE else way.processed, way.says)]
    if happening is H.EXPIRE:
        world.clock.at += LIFE
    return world, dispatch


def digest_of(world: World, dispatch: str) -> str:
    (composed,) = [one for one in world.store.timelines[dispatch] if one.happening is H.COMPOSE]
    return composed.digest


@pytest.mark.parametrize("processed", [True, False], ids=["processed", "lost"])
@pytest.mark.parametrize("side", SIDES, ids=["before", "after"])
@pytest.mark.parametrize(("state", "happening"), OURS, ids=[f"{s}-{h}" for s, h in OURS])
class TestEveryArrowOfTheDispatchers:
    def test_killed_there_it_goes_on_as_if_nothing_was(self, state, happening, side, processed):
        world, dispatch = prepared(state, happening, processed=processed)
        already = len(world.store.timelines[dispatch])
        world.crash(f"{happening}{side}")
        happened = [(one.before, one.happening) for one in world.store.timelines[dispatch][already:]]
        assert ((state, happening) in happened) == bool(side)
        self.finished(world, dispatch, happening)

    def test_where_the_store_fails_it_goes_on_as_if_nothing_was(self, state, happening, side, processed):
        world, dispatch = prepared(state, happening, processed=processed)
        world.faults[f"{happening}{side}"] = UnavailableError(codes.STORE_UNAVAILABLE)
        world.still()
        assert not world.faults, "nobody came there"
        assert [error.code for error in world.alarms] == [codes.STORE_UNAVAILABLE]
        self.finished(world, dispatch, happening)

    def finished(self, world: World, dispatch: str, happening: Happening) -> None:
        world.walk.judged = H.COMPOSE if happening is H.COMPOSE else world.walk.judged
        world.run()
        if happening is H.DEPOSIT:
            assert world.state(dispatch) is S.EXPIRED, "unread"
        elif happening is H.REFER:
            assert world.state(dispatch) in {S.EXPIRED, S.REFERRED}
        else:
            assert world.state(dispatch) in ENDED
        assert not world.store.interrupted()
        world.check()


@pytest.mark.parametrize("answers", [0, 1, 2])
def test_what_was_claimed_by_a_look_in_which_the_store_fails_is_claimed_by_the_next(answers):
    world = World()
    dispatches = [world.queue("a") for _ in range(2)]
    due, asked = world.store.due, []

    def failing(at, **terms):
        asked.append(at)
        if len(asked) == answers + 1:
            raise UnavailableError(codes.STORE_UNAVAILABLE)
        return due(at, **terms)

    world.store.due = failing
    for _ in range(4):
        try:
            world.dispatcher.step()
        except UnavailableError:
            continue
    world.run()
    assert len(asked) > answers, "it never failed"
    assert [world.state(one) for one in dispatches] == [S.DELIVERED] * 2
    world.check()


@pytest.mark.parametrize("point", ["send", "sent"])
@pytest.mark.parametrize("processed", [True, False], ids=["processed", "lost"])
@pytest.mark.parametrize("state", [S.COMPOSED, S.WAITING, S.UNCERTAIN])
def test_killed_around_the_wire_the_attempt_may_have_happened_and_the_same_id_goes_again(state, processed, point):
    world = World()
    dispatch = world.queue()
    world.bring(dispatch, state)
    world.far.script["a"] = [Way(processed, "yes")] if point == "sent" else []
    world.crash(point)
    assert world.state(dispatch) in IN_FLIGHT
    world.dispatcher.look()
    assert world.state(dispatch) is S.UNCERTAIN
    world.run()
    assert world.state(dispatch) is S.DELIVERED
    assert len({digest for _, _, digest in world.far.attempts}) == 1
    world.check()


@pytest.mark.parametrize("side", SIDES, ids=["before", "after"])
@pytest.mark.parametrize(("state", "happening"), THEIRS, ids=[f"{s}-{h}" for s, h in THEIRS])
def test_what_others_do_while_the_dispatcher_is_at_it_happens_once_or_not_at_all(state, happening, side):
    world = World()
    dispatch = world.queue("post" if state in {S.DEPOSITED, S.FETCHED} else "a")
    world.bring(dispatch, state)
    jobs = world.dispatcher.look() if not side else []
    done = world.act(dispatch, happening)
    jobs = jobs or world.dispatcher.look()
    assert done
    for job in jobs:
        world.dispatcher.do(job)
    timeline = world.store.timelines[dispatch]
    assert timeline[len(WAYS[state])].happening is happening
    world.run()
    world.check()
    if happening is H.WITHDRAW:
        assert world.state(dispatch) is S.WITHDRAWN
        assert not world.far.attempts


@pytest.mark.parametrize("side", SIDES, ids=["before", "after"])
def test_the_loss_of_an_interrupted_attempt_is_itself_interrupted(side):
    world = World()
    dispatch = world.queue()
    world.bring(dispatch, S.SENDING)
    world.crash(f"{H.LOSE}{side}")
    world.run()
    assert world.state(dispatch) is S.DELIVERED
    assert [one.happening for one in world.store.timelines[dispatch]].count(H.LOSE) == 1
    world.check()


def test_an_answer_is_not_thrown_away_while_the_store_is_away():
    world = World()
    dispatch = world.queue()
    for _ in range(3):
        world.dispatcher.step()
        if world.state(dispatch) is S.COMPOSED:
            break
    away = iter([UnavailableError(codes.STORE_UNAVAILABLE)] * 3)

    def fault(point: str) -> None:
        if point == H.ANSWER and (error := next(away, None)):
            raise error

    world.dispatcher._worker._fault = fault
    world.dispatcher.step()
    assert world.state(dispatch) is S.DELIVERED
    assert len(world.far.attempts) == 1
    assert len(world.alarms) == 1
    world.check()


def test_a_begin_that_was_written_although_it_failed_is_taken_back_as_certainly_not_sent():
    world = World()
    dispatch = world.queue()
    world.bring(dispatch, S.COMPOSED)
    world.faults[f"{H.BEGIN}!"] = UnavailableError(codes.STORE_UNAVAILABLE)
    world.dispatcher.step()
    assert world.state(dispatch) is S.WAITING
    assert not world.far.attempts
    assert world.act(dispatch, H.WITHDRAW)
    world.check()


def test_a_begin_that_failed_and_was_not_written_leaves_no_trace():
    world = World()
    dispatch = world.queue()
    world.bring(dispatch, S.COMPOSED)
    world.faults[H.BEGIN] = UnavailableError(codes.STORE_UNAVAILABLE)
    world.dispatcher.step()
    assert world.state(dispatch) is S.COMPOSED
    assert not world.far.attempts


_SAYS = st.sampled_from(["yes", "no", "bad", "busy", "fault", "crash us", *Break])


@st.composite
def ways(draw):
    """Any way: but who was never reached has processed nothing, and a verified yes is of what was processed."""
    says = draw(_SAYS)
    processed = says in {"yes", "bad"} or (
        says in {"fault", "crash us", Break.LOST, Break.TOO_LARGE} and draw(st.booleans())
    )
    return Way(processed, says, draw(st.none() | st.timedeltas(timedelta(0), timedelta(hours=3))))


POINTS = [*Happening, *(f"{one}!" for one in Happening), "send", "sent"]


@given(
    st.lists(ways(), max_size=12),
    st.lists(st.tuples(st.sampled_from(POINTS), st.booleans()), max_size=8),
    st.integers(1, 5),
    st.integers(0, 2**16),
)
@effort(150)
def test_any_mixture_of_crashes_failures_and_answers_keeps_every_promise(script, faults, count, seed):
    world = World(seed=seed)
    for n in range(count):
        world.queue("post" if n == 3 else "a", life=timedelta(hours=n + 1))
    world.far.script["a"] = list(script)
    for point, dies in faults:
        world.faults[point] = CrashError() if dies else UnavailableError(codes.STORE_UNAVAILABLE)
        try:
            world.run(rounds=3)
        except CrashError:
            world.open()
    world.faults.clear()
    world.run()
    assert all(one.state in ENDED for one in world.store.held.values())
    world.check()


def test_every_arrow_is_tried():
    assert set(OURS) | set(THEIRS) == set(TRANSITIONS)
    assert set(WAYS) == set(State) - states.FINAL
    assert {YES.says, SILENT.says} == {"yes", Break.LOST}
