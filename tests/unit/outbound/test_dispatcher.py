"""The dispatcher: one at a time, fair to every partner, patient with slow ones, and brief with its operator."""

import threading
from dataclasses import replace
from datetime import time, timedelta

import pytest

from gateway import codes, endings
from gateway.dispatch import Break
from gateway.errors import ConfigError, IntegrityError, UnavailableError
from gateway.outbound import pacing
from gateway.outbound.dispatcher import ASIDE
from gateway.outbound.states import Happening, State
from gateway.partners import Maintenance
from tests.unit.outbound.scripted import SILENT, YES, Way, World, partner, told

__all__ = ["told"]
pytestmark = pytest.mark.usefixtures("told")
S, H = State, Happening
BUSY, AWAY, LOST = Way(False, "busy"), Way(False, Break.UNREACHABLE), Way(False, Break.LOST)
PATIENCE = 10.0
"""Seconds to wait for a thread to do what it must."""


def happened(world: World, dispatch: str) -> list[Happening]:
    return [step.happening for step in world.store.timelines[dispatch]]


class TestADispatch:
    def test_walks_from_queued_to_delivered(self):
        world = World()
        dispatch = world.queue()
        world.run()
        assert happened(world, dispatch) == [H.COMPOSE, H.BEGIN, H.ANSWER]
        world.check()

    def test_waits_for_its_pause_and_goes_again_under_the_same_id(self):
        world = World(partner("a", first_pause=100, longest_pause=100))
        dispatch = world.queue()
        world.far.script["a"] = [BUSY, AWAY]
        world.still()
        assert happened(world, dispatch) == [H.COMPOSE, H.BEGIN, H.POSTPONE]
        due = world.store.held[dispatch].due
        assert timedelta(seconds=50) <= due - world.store.timelines[dispatch][-1].at <= timedelta(seconds=100)
        world.clock.at = due - timedelta(seconds=1)
        assert world.dispatcher.step() == 0
        world.clock.at = due
        assert world.dispatcher.step() == 1
        world.run()
        assert world.state(dispatch) is S.DELIVERED
        assert world.store.held[dispatch].first_failure == endings.BUSY.name
        assert world.store.held[dispatch].attempts == 3
        world.check()

    def test_that_was_processed_before_the_connection_broke_is_processed_once(self):
        world = World()
        dispatch = world.queue()
        world.far.script["a"] = [SILENT, SILENT, BUSY, Way(True, "fault")]
        world.run()
        assert world.state(dispatch) is S.DELIVERED
        assert list(world.far.processed) == [dispatch]
        assert len(world.far.attempts) == 5
        world.check()

    def test_that_the_partner_makes_wait_is_not_tried_before_and_nobody_else_is_sent_there(self):
        world = World()
        first, second = world.queue(), world.queue()
        world.far.script["a"] = [Way(False, "busy", timedelta(minutes=20))]
        world.workers = 1
        world.open()
        world.still()
        at = world.clock.at
        assert world.store.held[first].due >= at + timedelta(minutes=20)
        assert world.state(second) is S.COMPOSED
        world.clock.at = at + timedelta(minutes=20)
        world.run()
        assert [world.state(one) for one in (first, second)] == [S.DELIVERED, S.DELIVERED]

    @pytest.mark.parametrize(
        ("way", "state", "code"),
        [
            (BUSY, S.EXPIRED, endings.EXPIRED),
            (LOST, S.UNRESOLVED, endings.UNRESOLVED),
            (AWAY, S.EXPIRED, endings.EXPIRED),
        ],
    )
    def test_expires_and_says_whether_it_may_have_happened(self, way, state, code):
        world = World()
        dispatch = world.queue()
        world.far.always["a"] = way
        world.run()
        assert world.state(dispatch) is state
        assert world.store.timelines[dispatch][-1].code == code.name
        world.check()

    def test_that_expired_before_it_was_judged_ends_without_a_leaf(self):
        world = World()
        dispatch = world.queue()
        world.clock.at += timedelta(days=1)
        world.run()
        assert happened(world, dispatch) == [H.EXPIRE]
        assert not world.store.log
        world.check()

    def test_that_expires_while_it_waits_for_its_turn_is_not_begun(self):
        world = World()
        dispatch = world.queue()
        world.bring(dispatch, S.COMPOSED)
        (job,) = world.dispatcher.look()
        world.clock.at += timedelta(days=1)
        world.dispatcher.do(job)
        assert happened(world, dispatch) == [H.COMPOSE, H.EXPIRE]

    def test_for_a_mailbox_waits_there_until_it_was_unread_too_long(self):
        world = World(partner("post", mailbox=True))
        dispatch = world.queue("post", life=timedelta(days=60))
        world.still()
        assert happened(world, dispatch) == [H.COMPOSE, H.DEPOSIT]
        assert world.store.held[dispatch].contents.keys() == {"command", "payload", "envelope"}
        world.clock.at += timedelta(days=5)
        world.still()
        assert world.store.timelines[dispatch][-1].code == endings.UNREAD.name
        world.check()

    def test_that_is_denied_ends_and_one_that_is_referred_waits_for_a_person(self, told):
        world = World()
        world.walk.judged = H.DENY
        denied = world.queue()
        world.still()
        world.walk.judged = H.REFER
        referred = world.queue()
        world.still()
        assert (world.state(denied), world.state(referred)) == (S.DENIED, S.REFERRED)
        assert world.dispatcher.step() == 0
        assert not world.far.attempts
        assert [one["state"] for one in told() if one["event"] == "dispatch.ended"] == ["denied", "referred"]
        world.check()


class TestTheLease:
    def test_who_has_none_looks_at_nothing(self):
        world = World()
        world.queue()
        world.leading = False
        assert world.dispatcher.step() == 0
        assert not world.points

    def test_who_has_lost_it_begins_nothing(self):
        world = World()
        dispatch = world.queue()
        world.bring(dispatch, S.COMPOSED)
        (job,) = world.dispatcher.look()
        world.leading = False
        world.dispatcher.do(job)
        assert happened(world, dispatch) == [H.COMPOSE]
        assert not world.far.attempts
        world.leading = True
        world.run()
        assert world.state(dispatch) is S.DELIVERED

    def test_of_two_dispatchers_that_both_think_they_are_the_one_one_begins(self):
        world = World()
        dispatch = world.queue()
        world.bring(dispatch, S.COMPOSED)
        first = world.dispatcher
        (mine,) = first.look()
        world.open()
        (theirs,) = world.dispatcher.look()
        world.clock.at += timedelta(microseconds=1)
        first.do(mine)
        world.clock.at += timedelta(microseconds=1)
        world.dispatcher.do(theirs)
        assert happened(world, dispatch) == [H.COMPOSE, H.BEGIN, H.ANSWER]
        world.check()

    def test_a_successor_loses_what_is_under_way_and_the_late_answer_is_not_a_second_outcome(self):
        world = World()
        dispatch = world.queue()
        world.bring(dispatch, S.COMPOSED)

        def succeeded() -> Way:
            world.open()
            world.dispatcher.look()
            return YES

        world.far.script["a"] = [succeeded]
        world.dispatcher.step()
        assert world.state(dispatch) is S.UNCERTAIN
        world.run()
        assert happened(world, dispatch) == [H.COMPOSE, H.BEGIN, H.LOSE, H.BEGIN, H.ANSWER]
        world.check()

    def test_its_own_attempts_are_not_lost_when_the_lease_comes_back(self):
        world = World()
        dispatch = world.queue()
        world.bring(dispatch, S.COMPOSED)

        def away_for_a_while() -> Way:
            world.leading = False
            world.dispatcher.look()
            world.leading = True
            world.dispatcher.look()
            return YES

        world.far.script["a"] = [away_for_a_while]
        world.dispatcher.step()
        assert happened(world, dispatch) == [H.COMPOSE, H.BEGIN, H.ANSWER]


class TestFairness:
    def test_a_dead_partner_with_a_long_line_holds_up_nobody(self):
        world = World(partner("dead", breaker_failures=3), partner("b"))
        world.far.always["dead"] = AWAY
        for _ in range(200):
            world.bring(world.queue("dead"), S.COMPOSED)
        late = world.queue("b")
        world.bring(late, S.COMPOSED)
        world.dispatcher.step()
        assert world.state(late) is S.DELIVERED
        world.still()
        began = sum(H.BEGIN in happened(world, one) for one in world.store.held)
        assert began <= 1 + 3 + 1, "the circuit opened"

    def test_a_slow_partner_takes_no_more_than_its_own_places(self):
        world = World(partner("slow", concurrent=3), partner("b"), workers=8)
        gate = threading.Event()
        world.far.always["slow"] = lambda: YES if gate.wait(PATIENCE) else LOST
        slow = [world.queue("slow") for _ in range(20)]
        world.dispatcher.start()
        quick = [world.queue("b") for _ in range(20)]
        try:
            wait_for(lambda: all(world.state(one) is S.DELIVERED for one in quick))
            wait_for(lambda: world.far.most.get("slow now") == 3)
            assert sum(world.state(one) is S.DELIVERED for one in slow) == 0
            gate.set()
            wait_for(lambda: all(world.state(one) is S.DELIVERED for one in slow))
        finally:
            gate.set()
            world.dispatcher.stop(PATIENCE)
        assert world.far.most["slow"] == 3
        assert world.far.most["b"] <= 2
        world.check()

    def test_slow_partners_together_leave_the_last_places_to_whoever_has_nobody_under_way(self):
        slow = [partner(f"slow{n}", concurrent=4) for n in range(2)]
        world = World(*slow, partner("b"), workers=8)
        gate = threading.Event()
        for one in slow:
            world.far.always[one.id] = lambda: YES if gate.wait(PATIENCE) else LOST
            for _ in range(10):
                world.bring(world.queue(one.id), S.COMPOSED)
        world.dispatcher.start()
        try:
            wait_for(lambda: world.far.under_way == 6)
            quick = world.queue("b")
            wait_for(lambda: world.state(quick) is S.DELIVERED)
        finally:
            gate.set()
            world.dispatcher.stop(PATIENCE)

    def test_of_one_partner_the_oldest_goes_first(self):
        world = World(partner("a", concurrent=1))
        all_ = [world.queue() for _ in range(6)]
        world.run()
        assert [id_ for _, id_, _ in world.far.attempts] == all_

    def test_of_a_paused_partner_nothing_goes_until_it_is_resumed_but_time_runs_out(self):
        world = World(partner("a"), partner("b"))
        kept, gone, other = world.queue(), world.queue(life=timedelta(minutes=1)), world.queue("b")
        world.store.paused.add("a")
        world.run(rounds=2)
        assert [world.state(one) for one in (kept, gone, other)] == [S.QUEUED, S.EXPIRED, S.DELIVERED]
        world.store.paused.clear()
        world.run()
        assert world.state(kept) is S.DELIVERED

    def test_no_more_at_once_than_there_are_workers(self):
        world = World(*(partner(f"p{n}", concurrent=5) for n in range(5)), workers=4)
        ready = threading.Barrier(4)
        for n in range(5):
            world.far.always[f"p{n}"] = lambda: _together(ready)
        all_ = [world.queue(f"p{n % 5}") for n in range(20)]
        world.dispatcher.start()
        try:
            wait_for(lambda: all(world.state(one) is S.DELIVERED for one in all_))
        finally:
            world.dispatcher.stop(PATIENCE)
        assert world.far.most["all"] <= 4


def _together(ready: threading.Barrier) -> Way:
    try:
        ready.wait(0.2)
    except threading.BrokenBarrierError:
        ready.reset()
    return YES


def wait_for(what) -> None:
    """Wait for what threads must bring about; the clock of the world stands still."""
    ticking = threading.Event()
    for _ in range(int(PATIENCE / 0.01)):
        if what():
            return
        ticking.wait(0.01)
    message = "it did not happen"
    raise AssertionError(message)


class TestAnEndpoint:
    def test_rests_after_failures_in_a_row_and_one_attempt_decides(self, told):
        world = World(partner("a", concurrent=1, breaker_failures=3, breaker_rest=600, first_pause=1, longest_pause=1))
        all_ = [world.queue() for _ in range(10)]
        world.far.always["a"] = AWAY
        world.still()
        assert sum(world.store.held[one].attempts for one in all_) == 3
        world.clock.at += timedelta(seconds=599)
        world.still()
        assert sum(world.store.held[one].attempts for one in all_) == 3
        world.clock.at += timedelta(seconds=1)
        world.still()
        assert sum(world.store.held[one].attempts for one in all_) == 4
        world.far.always["a"] = YES
        world.run()
        assert all(world.state(one) is S.DELIVERED for one in all_)
        said = [one["event"] for one in told() if one["event"].startswith("partner.")]
        assert said == ["partner.failing", "partner.resting", "partner.resting", "partner.well"]
        world.check()

    def test_one_poisonous_message_does_not_keep_the_others_from_being_the_probe(self):
        world = World(partner("a", concurrent=1, breaker_failures=1, breaker_rest=60))
        poison, others = world.queue(), [world.queue() for _ in range(5)]

        def fault_for_the_first() -> Way:
            return Way(False, "fault") if world.dispatcher._busy == {poison} else YES

        world.far.always["a"] = fault_for_the_first
        world.run()
        assert world.state(poison) is S.UNRESOLVED
        assert all(world.state(one) is S.DELIVERED for one in others)

    def test_in_maintenance_is_left_alone_and_what_is_queued_is_judged_meanwhile(self):
        noon = Maintenance(begins=time(12, 30), ends=time(14))  # 11:30 to 13:00 UTC
        world = World(partner("a", maintenance=(noon,)))
        dispatch = world.queue()
        world.still()
        assert world.state(dispatch) is S.COMPOSED
        world.clock.at = pacing.closed([noon], world.clock.at)
        world.still()
        assert world.state(dispatch) is S.DELIVERED

    def test_that_is_gone_from_the_settings_is_told_of_once_and_its_dispatches_wait_for_new_settings(self):
        world = World(partner("a"), partner("b"))
        lost, other = [world.queue() for _ in range(3)], world.queue("b")
        bare = dict(world.partners) | {"a": world.partners["a"].model_copy(update={"endpoint": ()})}
        world.dispatcher.renew(world.walk, bare)
        for _ in range(5):
            world.dispatcher.step()
        assert [world.state(one) for one in lost] == [S.COMPOSED] * 3
        assert world.state(other) is S.DELIVERED
        assert [type(one) for one in world.alarms] == [ConfigError]
        world.dispatcher.renew(world.walk, world.partners)
        world.run()
        assert all(world.state(one) is S.DELIVERED for one in lost)

    def test_that_is_gone_does_not_stand_before_the_others_however_much_waits_for_it(self):
        world = World(partner("a"), partner("b"))
        for _ in range(5 * world.workers):
            world.bring(world.queue(), S.COMPOSED)
        other = world.queue("b")
        world.bring(other, S.COMPOSED)
        world.dispatcher.renew(world.walk, {"b": world.partners["b"]})
        assert [job.held.id for job in world.dispatcher.look()] == [other]

    def test_with_new_settings_keeps_what_is_known_of_it(self):
        world = World(partner("a", breaker_failures=1, breaker_rest=3600, concurrent=1))
        world.far.always["a"] = AWAY
        dispatch = world.queue()
        world.still()
        world.dispatcher.renew(world.walk, world.partners)
        world.run(rounds=5)
        assert world.store.held[dispatch].attempts == 1


class TestTroubles:
    def test_many_failed_attempts_of_one_kind_are_one_line_to_the_operator(self, told):
        world = World(partner("a", breaker_failures=1000))
        for _ in range(5):
            world.queue()
        world.far.always["a"] = AWAY
        world.run(rounds=10)
        lines = [one for one in told() if one["event"] == "partner.failing"]
        assert [one["code"] for one in lines] == [endings.UNREACHABLE.name]
        assert not world.alarms
        world.far.always["a"] = YES
        world.run(rounds=10)
        world.far.always["a"] = AWAY
        world.queue()
        world.still()
        assert len([one for one in told() if one["event"] == "partner.failing"]) == 2

    def test_a_store_that_is_away_is_told_of_once(self):
        world = World()
        world.queue()
        world.store.due = _away
        world.dispatcher.start()
        try:
            wait_for(lambda: world.alarms)
            wait_for(lambda: not world.dispatcher._leading)
        finally:
            world.dispatcher.stop(PATIENCE)
        assert [one.code for one in world.alarms] == [codes.STORE_UNAVAILABLE]

    @pytest.mark.parametrize("error", [ZeroDivisionError(), ConfigError("keys.client: gone")])
    def test_a_dispatch_that_we_cannot_even_judge_is_put_aside_and_told_of_once(self, error):
        world = World()
        broken = world.queue()
        world.walk.fails = error
        for _ in range(3):
            world.still()
        assert world.state(broken) is S.QUEUED
        assert len(world.alarms) == 1
        world.walk.fails = None
        assert world.dispatcher.step() in {0, 1}
        world.clock.at += ASIDE
        world.run()
        assert world.state(broken) is S.DELIVERED
        world.check()

    def test_a_trouble_of_ours_that_was_over_and_comes_again_is_told_again(self):
        world = World()
        for _ in range(2):
            dispatch = world.queue()
            world.walk.fails = ConfigError("keys.client: gone")
            world.still()
            world.walk.fails = None
            world.clock.at += ASIDE
            world.still()
            assert world.state(dispatch) is S.DELIVERED
        assert len(world.alarms) == 2

    def test_an_answer_that_we_cannot_judge_may_have_happened(self):
        world = World()
        dispatch = world.queue()
        world.far.script["a"] = [Way(True, "crash us")]
        world.still()
        assert happened(world, dispatch) == [H.COMPOSE, H.BEGIN, H.LOSE]
        assert [one.code for one in world.alarms] == [codes.INTERNAL]
        world.run()
        assert world.state(dispatch) is S.DELIVERED
        world.check()

    def test_where_our_records_disagree_nothing_more_is_begun(self):
        world = World()
        world.queue()
        world.walk.fails = IntegrityError("the seal is broken")
        world.dispatcher.step()
        world.walk.fails = None
        world.queue()
        assert world.dispatcher.step() == 0
        assert [type(one) for one in world.alarms] == [IntegrityError]


def _away(*_: object, **__: object) -> None:
    raise UnavailableError(codes.STORE_UNAVAILABLE)


class TestWhatPeopleWant:
    def ask(self, world: World, dispatch: str, happening: Happening):
        return world.store.ask(dispatch, happening, by="anna", reason="asked the partner", at=world.clock.at)

    @pytest.mark.parametrize(
        ("state", "happening", "after", "code"),
        [
            (S.QUEUED, H.WITHDRAW, S.WITHDRAWN, endings.WITHDRAWN),
            (S.REFERRED, H.WITHDRAW, S.WITHDRAWN, endings.WITHDRAWN),
            (S.WAITING, H.WITHDRAW, S.WITHDRAWN, endings.WITHDRAWN),
            (S.UNCERTAIN, H.CONFIRM, S.DELIVERED, None),
            (S.UNRESOLVED, H.CONFIRM, S.DELIVERED, None),
            (S.UNRESOLVED, H.DISPROVE, S.EXPIRED, endings.EXPIRED),
        ],
    )
    def test_is_done_before_anything_else_and_says_who_and_why(self, state, happening, after, code):
        world = World()
        dispatch = world.queue()
        world.bring(dispatch, state)
        self.ask(world, dispatch, happening)
        world.still()
        step = world.store.timelines[dispatch][-1]
        assert (step.after, step.by, step.reason) == (after, "anna", "asked the partner")
        assert step.code == (code and code.name)
        assert not world.store.wanted
        assert not world.far.attempts
        world.check()

    def test_a_disproved_attempt_has_not_happened_and_another_is_made(self):
        world = World()
        dispatch = world.queue()
        world.bring(dispatch, S.UNCERTAIN)
        self.ask(world, dispatch, H.DISPROVE)
        world.run()
        assert happened(world, dispatch)[-3:] == [H.DISPROVE, H.BEGIN, H.ANSWER]

    def test_another_attempt_now_goes_before_it_is_due_and_through_an_open_circuit(self):
        world = World(partner("a", breaker_failures=1, breaker_rest=3600, first_pause=3600, longest_pause=3600))
        world.far.script["a"] = [AWAY]
        dispatch, other = world.queue(), world.queue()
        world.still()
        assert world.state(dispatch) is S.WAITING
        self.ask(world, dispatch, H.BEGIN)
        world.dispatcher.step()
        step = world.store.timelines[dispatch][-2]
        assert (step.happening, step.by, world.state(dispatch)) == (H.BEGIN, "anna", S.DELIVERED)
        world.still()
        assert world.state(other) is S.DELIVERED, "the circuit is closed again"
        world.check()

    def test_another_attempt_now_keeps_to_the_places(self):
        world = World(partner("a", concurrent=1))
        first, second = world.queue(), world.queue()
        for one in (first, second):
            world.bring(one, S.WAITING)
            self.ask(world, one, H.BEGIN)
        jobs = world.dispatcher.look()
        assert [job.held.id for job in jobs] == [first]
        world.dispatcher.do(jobs[0])
        world.still()
        assert [world.state(one) for one in (first, second)] == [S.DELIVERED, S.DELIVERED]

    @pytest.mark.parametrize("happening", [H.WITHDRAW, H.CONFIRM, H.DISPROVE, H.BEGIN])
    def test_what_cannot_be_done_any_more_is_refused_and_says_why(self, happening):
        world = World()
        dispatch = world.queue()
        world.run()
        asked = self.ask(world, dispatch, happening)
        world.still()
        assert world.store.refused == {asked.number: f"a dispatch that is delivered cannot {happening}"}
        assert world.state(dispatch) is S.DELIVERED

    def test_another_attempt_is_refused_where_there_is_only_a_mailbox(self):
        world = World(partner("post", mailbox=True))
        dispatch = world.queue("post")
        world.bring(dispatch, S.COMPOSED)
        self.ask(world, dispatch, H.BEGIN)
        world.still()
        assert list(world.store.refused.values()) == ["the partner has no endpoint for it"]
        assert world.state(dispatch) is S.DEPOSITED

    def test_another_attempt_of_what_has_expired_is_not_begun(self):
        world = World()
        dispatch = world.queue()
        world.bring(dispatch, S.WAITING)
        self.ask(world, dispatch, H.BEGIN)
        world.clock.at += timedelta(days=1)
        world.still()
        assert world.state(dispatch) is S.EXPIRED
        assert list(world.store.refused.values()) == ["a dispatch that is expired cannot begin"]

    def test_an_instruction_waits_while_an_attempt_is_under_way(self):
        world = World()
        dispatch = world.queue()
        world.bring(dispatch, S.COMPOSED)

        def meanwhile() -> Way:
            self.ask(world, dispatch, H.WITHDRAW)
            assert world.dispatcher.look() == []
            return YES

        world.far.script["a"] = [meanwhile]
        world.still()
        assert world.state(dispatch) is S.DELIVERED
        assert len(world.store.refused) == 1


class TestStopping:
    def test_an_attempt_under_way_gets_its_time(self):
        world = World()
        dispatch = world.queue()
        reached, go = threading.Event(), threading.Event()
        world.far.script["a"] = [lambda: (reached.set(), go.wait(PATIENCE), YES)[-1]]
        world.dispatcher.start()
        assert reached.wait(PATIENCE)
        stopping = threading.Thread(target=world.dispatcher.stop, args=(PATIENCE,))
        stopping.start()
        go.set()
        stopping.join(PATIENCE)
        assert not stopping.is_alive()
        assert world.state(dispatch) is S.DELIVERED

    def test_after_the_deadline_it_stays_in_flight_and_is_lost_at_the_next_start(self):
        world = World()
        dispatch = world.queue()
        reached, go = threading.Event(), threading.Event()
        world.far.script["a"] = [lambda: (reached.set(), go.wait(PATIENCE), YES)[-1]]
        world.dispatcher.start()
        assert reached.wait(PATIENCE)
        former = world.dispatcher
        former.stop(0.05)
        assert world.state(dispatch) is S.SENDING
        world.open()
        world.run()
        assert happened(world, dispatch) == [H.COMPOSE, H.BEGIN, H.LOSE, H.BEGIN, H.ANSWER]
        go.set()
        for thread in former._pool:
            thread.join(PATIENCE)
        assert happened(world, dispatch).count(H.ANSWER) == 1
        world.check()

    def test_nothing_new_is_begun_after_stop_and_stop_without_start_is_nothing(self):
        world = World()
        world.queue()
        world.dispatcher.stop(0.0)
        assert world.dispatcher.step() == 0

    def test_a_store_that_is_away_does_not_keep_us_from_stopping(self):
        world = World()
        dispatch = world.queue()
        reached = threading.Event()

        def fault(point: str) -> None:
            if point == H.ANSWER:
                reached.set()
                raise UnavailableError(codes.STORE_UNAVAILABLE)

        world.dispatcher._worker._fault = fault
        world.dispatcher.start()
        assert reached.wait(PATIENCE)
        world.dispatcher.stop(0.1)
        assert world.state(dispatch) is S.SENDING
        for thread in world.dispatcher._pool:
            thread.join(PATIENCE)
            assert not thread.is_alive()

    def test_who_is_woken_looks_at_once(self):
        world = World()
        world.dispatcher.start()
        try:
            wait_for(lambda: world.dispatcher._leading)
            dispatch = world.queue()
            world.dispatcher.wake()
            wait_for(lambda: world.state(dispatch) is S.DELIVERED)
        finally:
            world.dispatcher.stop(PATIENCE)
        assert world.dispatcher.silent() < PATIENCE


def test_a_log_line_names_the_dispatch_by_its_digits_and_nothing_of_its_content(told):
    world = World()
    dispatch = world.queue()
    world.run()
    (line,) = [one for one in told() if one["event"] == "dispatch.attempted"]
    assert line["reference"] == dispatch.removeprefix("urn:uuid:").replace("-", "")
    assert line["attempt"] == 1
    assert replace(world.store.held[dispatch]).state.value == line["state"] == "delivered"
