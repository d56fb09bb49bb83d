"""What every `outbound.ports.Dispatches` keeps: commands once, one step after another, and nothing due forgotten."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from gateway import endings
from gateway.errors import ConflictError, IntegrityError
from gateway.message import PartnerId, Protection, Pseudonym
from gateway.outbound import states
from gateway.outbound.ports import Dispatches, Held, Lane
from gateway.outbound.states import Happening, State
from gateway.store.dispatches import StoredDispatches
from gateway.store.instructions import StoredInstructions
from gateway.store.outbox import StoredOutbox
from gateway.store.place import Duty, Place
from gateway.store.protections import StoredProtections
from tests import builders, steps
from tests.builders import NOON, NUMBERS
from tests.dispatches import MemoryDispatches

H, S = Happening, State
MINUTE = timedelta(minutes=1)
AF, SKV = "arbetsformedlingen", "skatteverket"


@dataclass
class Kept:
    dispatches: Dispatches
    clock: builders.Clock
    pause: Callable[[str], object]
    resume: Callable[[str], object]
    hashes: Callable[[], list[bytes]]
    """Of the log, in order."""
    events: Callable[[], list[str]]
    protection: Callable[[Pseudonym], Protection]
    close: Callable[[], object] = lambda: None

    def take(self, *names: str, **more) -> None:
        for name in names:
            self.dispatches.take(*steps.parts(steps.command(name, **more)))

    def due(self, at=None, *, limit: int = 1000, busy: Sequence[str] = (), shut: Sequence[Lane] = ()) -> list[Held]:
        return list(self.dispatches.due(at or self.clock.now(), limit=limit, busy=busy, shut=shut))

    def one(self) -> Held:
        (found,) = self.due()
        return found

    def walk(self, held: Held, *happenings: Happening, **more) -> Held:
        """Write steps one after another; return the dispatch as it would be read."""
        for happening in happenings:
            step = steps.step(held, happening, self.clock.now(), **more)
            assert self.dispatches.write(step), happening
            held = replace(held, step=held.step + 1, state=step.after, due=step.due or held.due)
            if happening is H.COMPOSE:
                held = replace(held, intent=(0, step.leaves[0]))
        return held


def memory(clock: builders.Clock) -> Kept:
    made = MemoryDispatches()
    return Kept(
        dispatches=made,
        clock=clock,
        pause=lambda partner: made.paused.add(PartnerId(partner)),
        resume=lambda partner: made.paused.discard(PartnerId(partner)),
        hashes=lambda: [leaf.hash for leaf in made.log],
        events=lambda: [event.id for event in made.outbox],
        protection=lambda person: {one.person: one.protection for one in made.learned}.get(person, Protection.UNKNOWN),
    )


def stored(place: Place, clock: builders.Clock) -> Kept:
    dispatcher, operator = place.acting(Duty.DISPATCHER), place.acting(Duty.OPERATOR)
    protections = StoredProtections(dispatcher)
    made = StoredDispatches(dispatcher, clock=clock, learned=protections.refresh)
    asked = StoredInstructions(operator, clock=clock)
    outbox = StoredOutbox(place.acting(Duty.RELAY), clock=clock)

    def hashes() -> list[bytes]:
        session = place.open()
        found = [bytes(one) for (one,) in session.execute("SELECT hash FROM leaves ORDER BY position")]
        session.close()
        return found

    return Kept(
        dispatches=made,
        clock=clock,
        pause=lambda partner: asked.pause(PartnerId(partner), by="anna", reason="fel adress"),
        resume=lambda partner: asked.resume(PartnerId(partner), by="anna", reason="ny adress"),
        hashes=hashes,
        events=lambda: [one.event.id for one in outbox.pending(10_000)],
        protection=protections.status,
        close=lambda: [one.close() for one in (made, asked, outbox, protections)],
    )


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def kept(request, tmp_path):
    clock = builders.Clock()
    match request.param:
        case "memory":
            made = memory(clock)
        case "sqlite":
            made = stored(builders.store(tmp_path), clock)
        case _:
            made = stored(request.getfixturevalue("stored"), clock)
    yield made
    made.close()


def names(found: Sequence[Held]) -> list[str]:
    return [one.command for one in found]


# --- commands ---------------------------------------------------------------------------------------------------------


def test_a_command_becomes_one_dispatch_a_recipient_and_all_is_due_with_its_own_sealed_command(kept):
    recipients = [steps.recipient(1, partner=AF), steps.recipient(2, partner="arbetsgivare", organisation="5560000001")]
    made = steps.command("c1", recipients=recipients)
    whole, queued, sealed, digest = steps.parts(made)
    taken = kept.dispatches.take(whole, queued, sealed, digest)
    assert (taken.command, taken.repeated) == ("c1", False)
    assert taken.dispatches == tuple(one.dispatch for one in queued)
    first, second = kept.due()
    assert (first.id, second.id) == taken.dispatches
    assert first.number < second.number
    assert (second.command, second.asker, second.contract) == ("c1", steps.ASKER, steps.CONTRACT)
    assert (second.partner, second.organisation, second.position) == ("arbetsgivare", "5560000001", 2)
    assert first.organisation is None
    assert (second.state, second.step, second.attempts, second.first_failure) == (S.QUEUED, 0, 0, None)
    assert (second.due, second.expires, second.intent) == (NOON, made.expires, None)
    assert [dict(one.contents) for one in (first, second)] == [{"command": one} for one in sealed]


def test_a_command_to_many_is_taken_whole(kept):
    many = [steps.recipient(n, partner="arbetsgivare", organisation=f"55600000{n:02}") for n in range(1, 21)]
    made = steps.parts(steps.command("c1", recipients=many))
    taken = kept.dispatches.take(*made)
    assert [one.id for one in kept.due()] == list(taken.dispatches)
    assert [dict(one.contents) for one in kept.due()] == [{"command": one} for one in made[2]]
    assert kept.dispatches.take(*made) == replace(taken, repeated=True)


def test_the_same_command_again_is_the_first_one_and_nothing_more_is_due(kept):
    made = steps.parts(steps.command("c1", AF, SKV))
    first = kept.dispatches.take(*made)
    kept.clock.pass_(MINUTE)
    assert kept.dispatches.take(*made) == replace(first, repeated=True)
    assert len(kept.due()) == 2


def test_a_command_that_has_ended_is_still_the_same_when_it_comes_again(kept):
    made = steps.parts(steps.command("c1"))
    first = kept.dispatches.take(*made)
    kept.walk(kept.one(), H.COMPOSE, H.BEGIN, H.ANSWER)
    assert kept.dispatches.take(*made) == replace(first, repeated=True)
    assert kept.due() == []


def test_the_same_id_with_another_digest_is_a_conflict_and_changes_nothing(kept):
    first = kept.dispatches.take(*steps.parts(steps.command("c1")))
    with pytest.raises(ConflictError) as caught:
        kept.dispatches.take(*steps.parts(steps.command("c1", AF, SKV), content="other"))
    assert caught.value.code is endings.COMMAND_CONFLICT
    assert [one.id for one in kept.due()] == list(first.dispatches)


def test_the_same_id_of_another_asker_is_another_command(kept):
    one = kept.dispatches.take(*steps.parts(steps.command("c1")))
    two = kept.dispatches.take(*steps.parts(steps.command("c1", asker="kontroll")))
    assert not two.repeated
    assert one.dispatches != two.dispatches
    assert sorted(held.asker for held in kept.due()) == ["kontroll", steps.ASKER]


def test_of_many_who_take_the_same_command_at_once_one_is_first(kept):
    made = steps.parts(steps.command("c1", AF, SKV))
    with ThreadPoolExecutor(6) as pool:
        taken = list(pool.map(lambda _: kept.dispatches.take(*made), range(12)))
    assert sorted(one.repeated for one in taken) == [False] + [True] * 11
    assert len({one.dispatches for one in taken}) == 1
    assert len(kept.due()) == 2


# --- what is due ------------------------------------------------------------------------------------------------------


def test_what_is_due_comes_the_longest_overdue_first_and_no_more_than_asked_for(kept):
    for name in ("c1", "c2", "c3"):
        kept.take(name)
        kept.clock.pass_(MINUTE)
    assert names(kept.due()) == ["c1", "c2", "c3"]
    assert names(kept.due(limit=2)) == ["c1", "c2"]
    kept.walk(kept.due()[0], H.COMPOSE)
    assert names(kept.due()) == ["c2", "c3", "c1"]


def test_what_is_busy_is_left_out_and_takes_nobodys_place(kept):
    kept.take("c1", "c2", "c3")
    first, second, third = kept.due()
    assert names(kept.due(limit=1, busy=[first.id])) == ["c2"]
    assert kept.due(limit=9, busy={first.id, second.id, third.id}) == []


def test_what_waits_is_due_when_its_time_has_come_and_not_before(kept):
    kept.take("c1")
    kept.walk(kept.one(), H.COMPOSE, H.BEGIN, H.POSTPONE)
    later = NOON + timedelta(minutes=5)
    assert kept.due(later - timedelta(microseconds=1)) == []
    (found,) = kept.due(later)
    assert (found.state, found.due, found.attempts) == (S.WAITING, later, 1)


def test_nothing_of_a_paused_partner_is_due_until_it_goes_on_and_others_are(kept):
    kept.take("c1", "c2", life=timedelta(days=1))
    kept.dispatches.take(*steps.parts(steps.command("c3", SKV)))
    kept.walk(kept.due()[0], H.COMPOSE)
    kept.pause(AF)
    assert names(kept.due()) == ["c3"]
    kept.resume(AF)
    assert sorted(names(kept.due())) == ["c1", "c2", "c3"]


def test_in_a_shut_lane_only_what_is_queued_is_due_and_other_lanes_are_open(kept):
    employers = [steps.recipient(n, partner="arbetsgivare", organisation=f"556000000{n}") for n in (1, 2)]
    kept.take("c1", recipients=employers)
    first, second = kept.due()
    assert len(kept.due(shut=[steps.lane(first), steps.lane(second)])) == 2
    kept.walk(first, H.COMPOSE)
    kept.walk(second, H.COMPOSE)
    assert [one.organisation for one in kept.due(shut=[steps.lane(first)])] == ["5560000002"]
    assert len(kept.due(shut=[steps.lane(first)._replace(organisation=None)])) == 2
    assert len(kept.due(shut=[steps.lane(first)._replace(contract="another/one")])) == 2
    assert kept.due(shut=[steps.lane(first), steps.lane(second)]) == []


def test_a_lane_without_organisation_is_shut_too(kept):
    kept.take("c1")
    held = kept.walk(kept.one(), H.COMPOSE)
    assert kept.due(shut=[steps.lane(held)]) == []
    assert len(kept.due()) == 1


EXPIRES = {
    S.QUEUED: (),
    S.REFERRED: (H.REFER,),
    S.COMPOSED: (H.COMPOSE,),
    S.WAITING: (H.COMPOSE, H.BEGIN, H.POSTPONE),
    S.UNCERTAIN: (H.COMPOSE, H.BEGIN, H.LOSE),
    S.DEPOSITED: (H.COMPOSE, H.DEPOSIT),
    S.FETCHED: (H.COMPOSE, H.DEPOSIT, H.FETCH),
}
STAYS = {
    S.SENDING: (H.COMPOSE, H.BEGIN),
    S.RESENDING: (H.COMPOSE, H.BEGIN, H.LOSE, H.BEGIN),
    S.UNRESOLVED: (H.COMPOSE, H.BEGIN, H.LOSE, H.EXPIRE),
    S.DELIVERED: (H.COMPOSE, H.BEGIN, H.ANSWER),
    S.DENIED: (H.DENY,),
    S.REFUSED: (H.COMPOSE, H.BEGIN, H.REFUSE),
    S.UNUSABLE: (H.COMPOSE, H.BEGIN, H.SPOIL),
    S.EXPIRED: (H.EXPIRE,),
    S.WITHDRAWN: (H.WITHDRAW,),
}


def test_every_state_is_told_of_below():
    assert EXPIRES.keys() | STAYS.keys() == set(State)
    assert EXPIRES.keys() == {before for before, happening in states.TRANSITIONS if happening is H.EXPIRE}


@pytest.mark.parametrize("state", EXPIRES)
def test_what_has_expired_is_due_whatever_its_state_pause_and_lane(kept, state):
    kept.take("c1")
    held = kept.walk(kept.one(), *EXPIRES[state])
    kept.pause(AF)
    expired = held.expires
    (found,) = kept.due(expired, shut=[steps.lane(held)])
    assert (found.state, found.id) == (state, held.id)
    assert kept.due(expired, busy=[held.id]) == []


@pytest.mark.parametrize("state", STAYS)
def test_what_is_in_flight_or_has_ended_is_never_due(kept, state):
    kept.take("c1")
    held = kept.walk(kept.one(), *STAYS[state])
    assert held.state is state
    assert kept.due(held.expires + timedelta(days=1)) == []


@pytest.mark.parametrize("fetched", [False, True])
def test_what_lies_in_a_mailbox_is_due_when_it_has_lain_there_long_enough_and_no_pause_holds_it(kept, fetched):
    kept.take("c1")
    held = kept.walk(kept.one(), H.COMPOSE, H.DEPOSIT)
    if fetched:
        kept.clock.pass_(MINUTE)
        held = kept.walk(held, H.FETCH)
    kept.pause(AF)
    until = NOON + timedelta(minutes=30)
    assert kept.due(until - timedelta(microseconds=1)) == []
    assert len(kept.due(until, shut=[steps.lane(held)])) == 1


def test_what_is_due_later_than_it_expires_is_due_when_it_expires(kept):
    kept.take("c1")
    late = NOON + timedelta(days=2)
    held = kept.walk(kept.one(), H.COMPOSE, H.BEGIN)
    assert kept.dispatches.write(steps.step(held, H.POSTPONE, due=late))
    assert len(kept.due(held.expires)) == 1


# --- steps ------------------------------------------------------------------------------------------------------------


def test_a_composed_dispatch_has_its_payload_and_its_intent_in_the_log(kept):
    kept.take("c1")
    held = kept.one()
    step = steps.step(held, H.COMPOSE)
    assert kept.dispatches.write(step)
    found = kept.one()
    assert (found.state, found.step) == (S.COMPOSED, held.step + 1)
    assert dict(found.contents) == {**held.contents, "payload": step.records}
    position, leaf = found.intent
    assert (position, leaf.entry, leaf.hash) == (0, step.leaves[0].entry, step.leaves[0].hash)
    assert (leaf.salt, leaf.record) == (b"", b"")
    assert kept.hashes() == [step.leaves[0].hash]
    assert kept.events() == []


def test_a_deposited_dispatch_has_its_envelope(kept):
    kept.take("c1")
    held = kept.walk(kept.one(), H.COMPOSE)
    step = steps.step(held, H.DEPOSIT)
    assert kept.dispatches.write(step)
    (found,) = kept.due(step.due)
    assert found.contents["envelope"] == step.records
    assert set(found.contents) == {"command", "payload", "envelope"}


def test_an_answer_brings_its_leaves_in_order_its_events_and_what_was_learned(kept):
    kept.take("c1")
    held = kept.walk(kept.one(), H.COMPOSE, H.BEGIN)
    person = builders.pseudonym(NUMBERS[1])
    news = (builders.learned(Protection.SEKRETESSMARKERING, 1, NUMBERS[1]),)
    events = (builders.event("answer 1", partition=person), builders.event("outcome", partition=person))
    step = steps.step(held, H.ANSWER, events=events, learned=news)
    before = kept.hashes()
    assert kept.dispatches.write(step)
    assert kept.hashes() == [*before, *(leaf.hash for leaf in step.leaves)]
    assert kept.events() == ["answer 1", "outcome"]
    assert kept.protection(person) is Protection.SEKRETESSMARKERING
    assert kept.due(held.expires) == []


def test_every_end_leaves_its_event_for_the_asker(kept):
    for number, way in enumerate(STAYS.values()):
        kept.dispatches.take(*steps.parts(steps.command(f"c{number}")))
        kept.walk(kept.one(), *way)
    assert len(kept.events()) == len(STAYS) - len(states.IN_FLIGHT)


def test_a_step_that_does_not_follow_is_not_written_and_neither_is_anything_of_it(kept):
    kept.take("c1")
    held = kept.one()
    kept.walk(held, H.COMPOSE)
    late = steps.step(held, H.WITHDRAW, by="anna", reason="ärendet är avslutat", events=(builders.event("late"),))
    assert not kept.dispatches.write(late)
    ahead = replace(steps.made(held.id, 5, S.WAITING, H.EXPIRE, has_intent=True), events=(builders.event("ahead"),))
    assert not kept.dispatches.write(ahead)
    assert (len(kept.hashes()), kept.events(), kept.one().state) == (1, [], S.COMPOSED)


def test_a_transition_that_is_not_in_the_table_is_refused(kept):
    kept.take("c1")
    held = kept.one()
    wrong = replace(steps.step(held, H.COMPOSE), after=S.DELIVERED)
    with pytest.raises(IntegrityError):
        kept.dispatches.write(wrong)
    with pytest.raises(IntegrityError):
        kept.dispatches.write(replace(steps.step(held, H.COMPOSE), happening=H.ANSWER))
    assert (kept.hashes(), kept.one().state) == ([], S.QUEUED)


def test_attempts_are_counted_and_the_first_failure_stands(kept):
    kept.take("c1", life=timedelta(days=1))
    held = kept.one()
    for happening in (H.COMPOSE, H.BEGIN):
        held = kept.walk(held, happening)
    held = kept.walk(held, H.POSTPONE, code="GW-FAR-UNREACHABLE")
    kept.clock.pass_(timedelta(minutes=10))
    assert (kept.one().attempts, kept.one().first_failure) == (1, "GW-FAR-UNREACHABLE")
    held = kept.walk(held, H.BEGIN)
    held = kept.walk(held, H.LOSE, code="GW-FAR-LOST")
    kept.clock.pass_(timedelta(minutes=10))
    assert (kept.one().attempts, kept.one().first_failure) == (2, "GW-FAR-UNREACHABLE")


def test_what_was_in_flight_is_found_and_nothing_else(kept):
    kept.take("c1", "c2", "c3", "c4")
    first, second, third, _ = kept.due()
    assert list(kept.dispatches.interrupted()) == []
    kept.walk(first, H.COMPOSE, H.BEGIN)
    kept.walk(second, H.COMPOSE, H.BEGIN, H.LOSE, H.BEGIN)
    kept.walk(third, H.COMPOSE, H.BEGIN, H.ANSWER)
    found = sorted(kept.dispatches.interrupted(), key=lambda one: one.number)
    assert [(one.command, one.state) for one in found] == [("c1", S.SENDING), ("c2", S.RESENDING)]
    assert all({"command", "payload"} <= set(one.contents) and one.intent for one in found)


def test_of_many_who_write_the_next_step_at_once_one_does(kept):
    kept.take("c1")
    held = kept.walk(kept.one(), H.COMPOSE, H.BEGIN, H.POSTPONE)
    barrier = threading.Barrier(6)

    def write(number: int) -> bool:
        barrier.wait(10)
        events = (builders.event(f"event {number}"),)
        return kept.dispatches.write(steps.step(held, H.WITHDRAW, by=f"person {number}", events=events))

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(write, range(6))) == [False] * 5 + [True]
    assert len(kept.events()) == 1
    assert len(kept.hashes()) == 2


def test_many_dispatches_are_walked_at_once_without_gaps_or_doubles(kept):
    kept.take(*(f"c{n}" for n in range(24)))
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda held: kept.walk(held, H.COMPOSE, H.BEGIN, H.ANSWER), kept.due()))
    assert len(set(kept.hashes())) == len(kept.hashes()) == 24 * 4
    assert len(set(kept.events())) == len(kept.events()) == 24
    assert kept.due(NOON + timedelta(days=9)) == []


# --- as in memory -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_any_walk_looks_as_it_does_in_memory(kept, seed):
    """The model is small enough to be believed; every question is asked of both after every step."""
    chance, model = random.Random(seed), memory(kept.clock)  # noqa: S311  # the same each time
    partners = (AF, SKV, "arbetsgivare")
    for n in range(12):
        organisation = f"556000000{n % 2}" if n % 3 == 2 else None
        to = [steps.recipient(1, partner=partners[n % 3], organisation=organisation)]
        made = steps.parts(steps.command(f"c{n}", recipients=to, life=timedelta(minutes=chance.randrange(20, 200))))
        assert kept.dispatches.take(*made) == model.dispatches.take(*made)
    stands = {held.id: held for held in kept.due()}
    paused: set[str] = set()
    for _ in range(70):
        held = chance.choice(list(stands.values()))
        if possible := [happening for before, happening in states.TRANSITIONS if before is held.state]:
            step = steps.step(held, chance.choice(possible), kept.clock.now())
            step = replace(step, follows=step.follows + chance.choice((0, 0, 0, 1)))
            assert kept.dispatches.write(step) == model.dispatches.write(step)
            stands[held.id] = replace(model.dispatches.held[held.id])
        kept.clock.pass_(chance.choice((timedelta(0), MINUTE, 3 * MINUTE)))
        partner = chance.choice(partners)
        switch = "resume" if partner in paused else "pause"
        paused ^= {partner}
        getattr(kept, switch)(partner)
        getattr(model, switch)(partner)
        shut = [steps.lane(one) for one in chance.sample(list(stands.values()), 2)]
        asked = {"busy": chance.sample(sorted(stands), 2), "shut": shut}
        assert [told(one) for one in by_number(kept.due(**asked))] == [
            told(one) for one in by_number(model.due(**asked))
        ]
    assert kept.hashes() == model.hashes()
    assert kept.events() == model.events()
    assert [told(one) for one in by_number(kept.dispatches.interrupted())] == [
        told(one) for one in by_number(model.dispatches.interrupted())
    ]


def by_number(found: Sequence[Held]) -> list[Held]:
    return sorted(found, key=lambda one: one.number)


def told(held: Held) -> tuple[object, ...]:
    intent = None if held.intent is None else (held.intent[0], held.intent[1].hash)
    return (
        held.id, held.number, held.command, held.partner, held.organisation, held.state, held.step, held.attempts,
        held.expires, held.first_failure, dict(held.contents), intent,
    )  # fmt: skip
