"""What people ask of the way out is written down once, carried out by a step, or refused; a pause has its history."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.errors import UnavailableError
from gateway.message import PartnerId
from gateway.outbound import states
from gateway.outbound.states import Happening, State
from gateway.sqlite import OperationalError
from gateway.store.dispatch_views import DispatchViews
from gateway.store.dispatches import ASKED, StoredDispatches
from gateway.store.instructions import StoredInstructions
from tests import builders, steps
from tests.builders import NOON

H, S = Happening, State
AF = PartnerId("arbetsformedlingen")
WAYS = {
    S.QUEUED: (),
    S.REFERRED: (H.REFER,),
    S.COMPOSED: (H.COMPOSE,),
    S.SENDING: (H.COMPOSE, H.BEGIN),
    S.WAITING: (H.COMPOSE, H.BEGIN, H.POSTPONE),
    S.UNCERTAIN: (H.COMPOSE, H.BEGIN, H.LOSE),
    S.RESENDING: (H.COMPOSE, H.BEGIN, H.LOSE, H.BEGIN),
    S.DEPOSITED: (H.COMPOSE, H.DEPOSIT),
    S.FETCHED: (H.COMPOSE, H.DEPOSIT, H.FETCH),
    S.UNRESOLVED: (H.COMPOSE, H.BEGIN, H.LOSE, H.EXPIRE),
    S.DELIVERED: (H.COMPOSE, H.BEGIN, H.ANSWER),
    S.DENIED: (H.DENY,),
    S.REFUSED: (H.COMPOSE, H.BEGIN, H.REFUSE),
    S.UNUSABLE: (H.COMPOSE, H.BEGIN, H.SPOIL),
    S.EXPIRED: (H.EXPIRE,),
    S.WITHDRAWN: (H.WITHDRAW,),
}


@pytest.fixture
def dispatches(store, clock):
    opened = StoredDispatches(store, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def asked(store, clock):
    opened = StoredInstructions(store, clock=clock, role="gateway_operator")
    yield opened
    opened.close()


@pytest.fixture
def views(store):
    opened = DispatchViews(store)
    yield opened
    opened.close()


def brought(dispatches, state: State, name: str = "c1"):
    made = steps.parts(steps.command(name))
    dispatches.take(*made)
    held = dispatches.get(made[1][0].dispatch)
    for happening in WAYS[state]:
        assert dispatches.write(steps.step(held, happening))
        held = dispatches.get(held.id)
    assert held.state is state
    return held


def ask(asked, held, happening: Happening, **more):
    return asked.ask(held.id, happening, **{"by": "anna", "reason": "de har fått den", **more})


@pytest.mark.parametrize("state", WAYS)
@pytest.mark.parametrize("happening", sorted(ASKED))
def test_only_what_the_table_has_may_be_asked_for(dispatches, asked, views, state, happening):
    held = brought(dispatches, state)
    verdict = ask(asked, held, happening)
    possible = (state, happening) in states.TRANSITIONS
    assert (verdict.state, verdict.refused == "") == (state, possible)
    assert len(views.instructions()) == possible
    if state in states.IN_FLIGHT:
        assert verdict.refused == "an attempt is under way: ask again when it has ended"


def test_every_state_is_told_of_above():
    assert set(WAYS) == set(State)


@pytest.mark.parametrize("happening", sorted(set(Happening) - ASKED))
def test_what_only_the_gateway_does_nobody_may_ask_for(dispatches, asked, happening):
    held = brought(dispatches, S.UNCERTAIN)
    assert ask(asked, held, happening).refused == f"nobody may ask for {happening}"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"by": " "}, "somebody must answer for it"),
        ({"reason": ""}, "a reason is needed"),
        ({"reason": "19 890101 9802" * 40}, "at most"),
        ({"reason": f"gäller {builders.NUMBERS[0]}"}, "a reason names no person"),
        ({"reason": "två\nrader"}, "one line"),
    ],
)
def test_whoever_asks_answers_for_it_and_names_nobody(dispatches, asked, views, more, told):
    held = brought(dispatches, S.UNCERTAIN)
    assert told in ask(asked, held, H.CONFIRM, **more).refused
    assert told in asked.pause(AF, **{"by": "anna", "reason": "fel", **more})
    assert (views.instructions(), views.pauses()) == ([], [])


def test_of_a_dispatch_that_is_not_there_nothing_is_asked(asked):
    verdict = asked.ask("urn:uuid:nobody", H.CONFIRM, by="anna", reason="x")
    assert (verdict.state, verdict.refused) == (None, "there is no such dispatch")


def test_what_is_asked_for_is_given_to_the_dispatcher_and_settled_by_the_step_that_does_it(
    dispatches, asked, views, clock
):
    held = brought(dispatches, S.UNCERTAIN)
    assert not ask(asked, held, H.CONFIRM).refused
    ((instruction, found),) = dispatches.instructed(limit=9, busy=[])
    assert (instruction.happening, instruction.by, instruction.reason) == (H.CONFIRM, "anna", "de har fått den")
    assert (instruction.dispatch, instruction.at, found) == (held.id, NOON, dispatches.get(held.id))
    clock.pass_(timedelta(minutes=1))
    step = steps.step(found, H.CONFIRM, clock.now(), by=instruction.by, reason=instruction.reason)
    assert dispatches.write(step)
    assert dispatches.instructed(limit=9, busy=[]) == []
    (done,) = views.instructions(dispatch=held.id)
    assert (done.step, done.refused, done.settled_at) == (step.follows + 1, None, clock.now())
    assert done.role == "gateway_operator"
    assert views.timeline(held.id)[-1].by == "anna"
    assert views.instructions(unsettled=True) == []


def test_what_is_in_flight_or_busy_is_not_given_and_is_given_afterwards(dispatches, asked):
    held = brought(dispatches, S.WAITING)
    other = brought(dispatches, S.WAITING, "c2")
    assert not ask(asked, held, H.WITHDRAW).refused
    assert not ask(asked, other, H.WITHDRAW).refused
    assert [one.dispatch for one, _ in dispatches.instructed(limit=1, busy=[held.id])] == [other.id]
    assert dispatches.write(steps.step(held, H.BEGIN))
    assert [one.dispatch for one, _ in dispatches.instructed(limit=9, busy=[])] == [other.id]
    assert dispatches.write(steps.step(dispatches.get(held.id), H.POSTPONE))
    assert [one.dispatch for one, _ in dispatches.instructed(limit=9, busy=[])] == [held.id, other.id]


def test_an_attempt_settles_that_somebody_wanted_one_whoever_began_it(dispatches, asked, views):
    held = brought(dispatches, S.WAITING)
    assert not ask(asked, held, H.BEGIN).refused
    assert dispatches.write(steps.step(held, H.BEGIN))
    (done,) = views.instructions()
    assert done.step == held.step + 1


def test_a_step_that_is_not_written_settles_nothing(dispatches, asked):
    held = brought(dispatches, S.WAITING)
    assert not ask(asked, held, H.WITHDRAW).refused
    late = replace(steps.step(held, H.WITHDRAW, by="anna"), follows=held.step + 3)
    assert not dispatches.write(late)
    assert len(dispatches.instructed(limit=9, busy=[])) == 1


def test_what_cannot_be_done_any_more_is_refused_once_and_that_is_told(dispatches, asked, views):
    held = brought(dispatches, S.WAITING)
    assert not ask(asked, held, H.WITHDRAW).refused
    for happening in (H.BEGIN, H.ANSWER):
        assert dispatches.write(steps.step(dispatches.get(held.id), happening))
    ((instruction, found),) = dispatches.instructed(limit=9, busy=[])
    assert found.state is S.DELIVERED
    dispatches.refuse(instruction, reason="den är redan levererad", at=NOON)
    dispatches.refuse(instruction, reason="en gång till", at=NOON + timedelta(hours=1))
    (done,) = views.instructions()
    assert (done.step, done.refused, done.settled_at) == (None, "den är redan levererad", NOON)
    assert dispatches.instructed(limit=9, busy=[]) == []


def test_one_thing_at_a_time_is_wanted_of_a_dispatch(dispatches, asked, views):
    held = brought(dispatches, S.UNCERTAIN)
    assert not ask(asked, held, H.CONFIRM).refused
    told = "anna has asked for confirm already, and it is not carried out yet"
    assert ask(asked, held, H.DISPROVE, by="bo").refused == told
    assert len(views.instructions()) == 1


@pytest.mark.parametrize("point", ["instructions", "pauses", "commit"])
def test_what_fails_is_not_written_down_and_may_be_asked_for_again(dispatches, store, clock, views, point):
    failing = [point]

    def fault(reached: str) -> None:
        if failing and reached == failing[0]:
            failing.clear()
            raise OperationalError("database or disk is full")

    asked = StoredInstructions(store, clock=clock, faults=fault)
    held = brought(dispatches, S.WAITING)
    calls = [lambda: ask(asked, held, H.WITHDRAW), lambda: asked.pause(AF, by="anna", reason="fel adress")]
    failed = 0
    for call in calls:
        try:
            call()
        except UnavailableError:
            failed += 1
            call()
    assert failed == 1
    assert (len(views.instructions()), len(views.pauses())) == (1, 1)
    asked.close()


def test_what_persists_although_it_failed_is_told_when_it_is_asked_for_again(dispatches, store, clock, views):
    def fault(reached: str) -> None:
        if reached == "committed":
            raise OperationalError("the line went dead")

    asked = StoredInstructions(store, clock=clock, faults=fault)
    held = brought(dispatches, S.WAITING)
    with pytest.raises(UnavailableError):
        ask(asked, held, H.WITHDRAW)
    assert "already" in ask(asked, held, H.WITHDRAW).refused
    with pytest.raises(UnavailableError):
        asked.pause(AF, by="anna", reason="fel")
    assert asked.pause(AF, by="anna", reason="fel") == f"{AF} is paused already"
    assert (len(views.instructions()), len(views.pauses())) == (1, 1)
    asked.close()


def test_a_pause_holds_until_somebody_lets_it_go_on_and_all_of_it_stays(asked, views, clock, dispatches):
    brought(dispatches, S.QUEUED)
    assert asked.resume(AF, by="bo", reason="x") == f"{AF} is not paused"
    assert asked.pause(AF, by="anna", reason="fel adress") == ""
    assert asked.pause(AF, by="bo", reason="igen") == f"{AF} is paused already"
    assert asked.pause(PartnerId("skatteverket"), by="bo", reason="underhåll") == ""
    assert [(one.partner, one.by) for one in views.paused()] == [(AF, "anna"), ("skatteverket", "bo")]
    assert dispatches.due(NOON, limit=9, busy=[]) == []
    clock.pass_(timedelta(hours=1))
    assert asked.resume(AF, by="bo", reason="ny adress") == ""
    assert [one.partner for one in views.paused()] == ["skatteverket"]
    assert [(one.paused, one.by, one.reason, one.at) for one in views.pauses(partner=AF)] == [
        (False, "bo", "ny adress", NOON + timedelta(hours=1)),
        (True, "anna", "fel adress", NOON),
    ]
    assert views.pauses(limit=1)[0].role == "gateway_operator"
    assert len(dispatches.due(NOON + timedelta(minutes=1), limit=9, busy=[])) == 1


# --- views ------------------------------------------------------------------------------------------------------------


def test_dispatches_are_listed_newest_first_and_by_what_is_looked_for(dispatches, views):
    first = brought(dispatches, S.WAITING)
    dispatches.take(*steps.parts(steps.command("c2", "skatteverket", asker="kontroll")))
    assert [one.command for one in views.dispatches()] == ["c2", "c1"]
    assert [one.command for one in views.dispatches(limit=1)] == ["c2"]
    for wanted in ({"command": "c1"}, {"asker": steps.ASKER}, {"partner": AF}, {"state": S.WAITING}):
        assert [one.id for one in views.dispatches(**wanted)] == [first.id]
    assert views.dispatches(partner=AF, state=S.QUEUED) == []
    assert views.dispatch("urn:uuid:nobody") is None


def test_a_dispatch_tells_where_it_stands_and_why(dispatches, views, clock):
    held = brought(dispatches, S.WAITING)
    one = views.dispatch(held.id)
    assert (one.number, one.command, one.asker, one.contract) == (1, "c1", steps.ASKER, steps.CONTRACT)
    assert (one.partner, one.organisation, one.position, one.state) == (AF, None, 1, S.WAITING)
    assert (one.step, one.attempts, one.code, one.first_failure) == (3, 1, "GW-FAR-POSTPONE", "GW-FAR-POSTPONE")
    assert (one.taken_at, one.changed_at, one.due) == (NOON, NOON, held.due)
    assert (one.expires, one.intent) == (held.expires, 0)


def test_a_timeline_tells_everything_that_happened_and_where_its_leaves_are(dispatches, views):
    held = brought(dispatches, S.WAITING)
    step = steps.step(held, H.WITHDRAW, by="anna", reason="ärendet är avslutat")
    assert dispatches.write(replace(step, partner_code="E17"))
    told = views.timeline(held.id)
    assert [(one.step, one.happening, one.before, one.after) for one in told] == [
        (1, H.COMPOSE, S.QUEUED, S.COMPOSED),
        (2, H.BEGIN, S.COMPOSED, S.SENDING),
        (3, H.POSTPONE, S.SENDING, S.WAITING),
        (4, H.WITHDRAW, S.WAITING, S.WITHDRAWN),
    ]
    assert [one.leaves for one in told] == [range(1), range(0), range(0), range(1, 2)]
    assert (told[2].due, told[2].code) == (held.due, "GW-FAR-POSTPONE")
    assert (told[3].by, told[3].reason, told[3].partner_code) == ("anna", "ärendet är avslutat", "E17")
    assert told[0].digest is not None
    assert views.timeline("urn:uuid:nobody") == []


def test_dispatches_are_counted_by_partner_and_state(dispatches, views):
    for number, state in enumerate((S.WAITING, S.WAITING, S.DELIVERED)):
        brought(dispatches, state, f"c{number}")
    dispatches.take(*steps.parts(steps.command("c9", "skatteverket")))
    assert views.dispatch_counts() == {AF: {S.WAITING: 2, S.DELIVERED: 1}, "skatteverket": {S.QUEUED: 1}}


def test_what_nobody_looks_at_in_time_is_told(dispatches, views):
    brought(dispatches, S.DELIVERED, "c1")
    assert views.overdue(NOON + timedelta(days=9)) == (0, None)
    dispatches.take(*steps.parts(steps.command("c2")))
    brought(dispatches, S.WAITING, "c3")
    assert views.overdue(NOON) == (0, None)
    assert views.overdue(NOON + timedelta(seconds=1)) == (1, NOON)
    assert views.overdue(NOON + timedelta(hours=1))[0] == 2
