"""What every store keeps of what waits for people: opened with it, answered by the rules, settled once and whole."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from gateway.database import Turn
from gateway.errors import ConflictError, UnavailableError
from gateway.outbound.states import Happening
from gateway.review import Action, Answer, Kind, State
from gateway.store import guard
from gateway.store.dispatches import StoredDispatches
from gateway.store.held import read as reading
from gateway.store.outbox import StoredOutbox
from gateway.store.place import Duty, Place
from gateway.store.releases import StoredReleases
from gateway.store.reviews import StoredReviews
from gateway.store.views import Views
from tests import builders, reviewing, steps
from tests.builders import NOON

KEY = builders.signer().key
A, H = Action, Happening
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
NEWS = (builders.learned(builders.Protection.SEKRETESSMARKERING, 1),)


@dataclass
class Kept:
    """A store, each part of it opened on behalf of the duty that has it."""

    place: Place
    clock: builders.Clock
    faults: Callable[[str], None] = lambda _point: None

    def __post_init__(self) -> None:
        self.journal = builders.journal(self.place.acting(Duty.FRONT), self.clock)
        self.people = StoredReviews(
            self.place.acting(Duty.REVIEWER), clock=self.clock, protecting=reviewing.PROTECTING, account="gw"
        )
        self.releases = StoredReleases(self.place.acting(Duty.RELEASER), faults=self._fault)
        self.dispatches = StoredDispatches(self.place.acting(Duty.DISPATCHER), clock=self.clock)
        self.outbox = StoredOutbox(self.place.acting(Duty.RELAY), clock=self.clock)

    def _fault(self, point: str) -> None:
        self.faults(point)

    def close(self) -> None:
        for one in (self.journal, self.people, self.releases, self.dispatches, self.outbox):
            one.close()

    def do(self, number: int, action: Action, **more):
        return reviewing.done_by(self.people, number, reviewing.act(action, self.clock.now(), **more))

    def answer(self, number: int, answer: Answer) -> None:
        verdict = self.do(number, A.ANSWER, answer=answer)
        if verdict.state is State.ASKED:
            verdict = self.do(number, A.APPROVE, by="bo")
        assert verdict.state is State.ANSWERED, verdict.refused

    def state(self, number: int) -> State:
        return self.people.review(number).state

    def events(self) -> list[str]:
        return [one.event.id for one in self.outbox.pending(100)]

    def count(self, table: str) -> int:
        session = self.place.open()
        try:
            return session.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608  # our own name
        finally:
            session.close()

    def whole(self) -> None:
        """The log is proven, every leaf told of once."""
        builders.integrate(self.place.acting(Duty.INTEGRATOR), self.clock)
        guard.check(self.place.acting(Duty.FRONT), KEY)
        views = Views(self.place.acting(Duty.OPERATOR))
        views.verify_log(KEY)
        views.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def kept(request, tmp_path):
    place = builders.store(tmp_path) if request.param == "sqlite" else request.getfixturevalue("stored")
    made = Kept(place, builders.Clock())
    yield made
    made.close()


# --- opened -----------------------------------------------------------------------------------------------------------


def test_what_waits_and_its_review_are_committed_together_and_a_repeated_message_opens_none(kept):
    ready = reviewing.waits()
    kept.journal.accept(ready).result()
    assert kept.journal.accept(ready).result().repeated
    (review,) = kept.people.reviews()
    assert (review.kind, review.state, review.record, review.reasons) == (Kind.RECORD, State.OPEN, 1, ("FREE_TEXT",))
    assert (review.partner, review.role, review.leaf) == ("arbetsgivare", "informationsagare", 0)
    assert (review.opened_at, review.expires_at) == (NOON, NOON + timedelta(days=14))
    (count,) = kept.people.counts()
    assert (count.role, count.kind, count.count, count.oldest) == ("informationsagare", Kind.RECORD, 1, NOON)
    kept.whole()


def test_each_review_is_about_the_leaf_that_says_that_it_waits(kept):
    kept.journal.accept(builders.ready("urn:uuid:0", records=3)).result()
    both = (reviewing.opening(leaf=0, record=1), reviewing.opening(leaf=2, record=3))
    kept.journal.accept(replace(builders.ready("urn:uuid:1", records=3), events=(), reviews=both)).result()
    assert [(one.record, one.leaf) for one in kept.people.reviews()] == [(1, 3), (3, 5)]


def test_what_is_quarantined_waits_for_two_people(kept):
    kept.journal.refuse(reviewing.apart()).result()
    (review,) = kept.people.reviews()
    assert (review.kind, review.refusal, review.message) == (Kind.QUARANTINE, 1, None)
    assert kept.do(review.id, A.ANSWER, answer=Answer.RELEASE).state is State.ASKED
    assert kept.releases.answered(limit=9) == []


# --- answered ---------------------------------------------------------------------------------------------------------


def test_an_answer_is_a_step_with_who_role_and_reason_and_nothing_is_carried_out_by_it(kept):
    kept.journal.accept(reviewing.waits()).result()
    assert kept.do(1, A.READ, reason="pröva").state is State.OPEN
    assert kept.do(1, A.ANSWER, answer=Answer.PERMIT, fields=("a", "b")).state is State.ANSWERED
    read, answered = kept.people.history(1)
    assert (read.action, read.by, read.reason) == (A.READ, "anna", "pröva")
    assert (answered.action, answered.by, answered.role, answered.account) == (
        A.ANSWER,
        "anna",
        "informationsagare",
        "gw",
    )
    assert (answered.answer, answered.fields, answered.note) == (Answer.PERMIT, ("a", "b"), "avvägning 2026-17")
    assert kept.events() == []
    (waiting,) = kept.releases.answered(limit=9)
    assert (waiting.number, waiting.record, waiting.said.by) == (1, 1, "anna")
    assert waiting.said.fields == {"a", "b"}
    assert waiting.sealed.evidence == b"sealed evidence"
    assert waiting.provenance.message_id == "urn:uuid:1"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"roles": ("jurist",)}, "not of that role"),
        ({"by": " "}, "somebody must answer"),
        ({"reason": ""}, "a reason is needed"),
        ({"reason": "gäller 198001019876"}, "names no person"),
        ({"answer": Answer.RELEASE}, "answered by"),
        ({"fields": ("a b",)}, "fields are named"),
        ({"note": "möte med anna@example.se"}, "names no person"),
    ],
)
def test_what_is_no_proper_answer_is_refused_and_not_written(kept, more, why):
    kept.journal.accept(reviewing.waits()).result()
    verdict = kept.do(1, A.ANSWER, **{"answer": Answer.PERMIT, **more})
    assert why in verdict.refused
    assert kept.state(1) is State.OPEN
    assert kept.people.history(1) == []


def test_who_asked_does_not_approve_and_a_lapsed_ask_is_open_again(kept):
    kept.journal.accept(reviewing.waits(four_eyes=True)).result()
    assert kept.do(1, A.ANSWER, answer=Answer.PERMIT).state is State.ASKED
    assert "another person must" in kept.do(1, A.APPROVE).refused
    kept.clock.pass_(DAY)
    assert kept.state(1) is State.OPEN
    assert "lapsed" in kept.do(1, A.APPROVE, by="bo").refused
    assert kept.do(1, A.ANSWER, answer=Answer.DENY, by="bo").state is State.ANSWERED, "a no takes one"
    assert [one.action for one in kept.people.history(1)] == [A.ASK, A.LAPSE, A.ANSWER]


def test_of_many_who_answer_at_once_one_has_answered(kept):
    kept.journal.accept(reviewing.waits()).result()
    barrier = threading.Barrier(6)

    def answer(number: int) -> bool:
        barrier.wait(10)
        return not kept.do(1, A.ANSWER, answer=Answer.PERMIT, by=f"person {number}").refused

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(answer, range(6))) == [False] * 5 + [True]
    assert len(kept.people.history(1)) == 1


def test_what_takes_a_written_balancing_names_it(kept):
    kept.journal.accept(reviewing.waits(balancing=True)).result()
    assert "balancing" in kept.do(1, A.ANSWER, answer=Answer.PERMIT, note=None).refused
    assert kept.do(1, A.ANSWER, answer=Answer.PERMIT, note="avvägning 2026-17").state is State.ANSWERED


# --- settled ----------------------------------------------------------------------------------------------------------


def test_a_permit_commits_leaf_event_and_step_together_and_once(kept):
    kept.journal.accept(reviewing.waits()).result()
    kept.answer(1, Answer.PERMIT)
    (waiting,) = kept.releases.answered(limit=9)
    done = reviewing.done(waiting, A.PERMIT, events=(builders.event("e1"),), learned=NEWS)
    assert kept.releases.write(done)
    assert not kept.releases.write(done), "settled already"
    assert kept.events() == ["e1"]
    assert kept.state(1) is State.PERMITTED
    assert kept.people.review(1).outcome == 1
    assert kept.count("leaves") == kept.count("records") == 2
    assert kept.count("protections") == 1
    assert kept.releases.answered(limit=9) == []
    assert "already" in kept.do(1, A.ANSWER, answer=Answer.DENY).refused
    kept.whole()


def test_what_is_answered_and_not_carried_out_is_counted_until_it_is(kept):
    kept.journal.accept(reviewing.waits()).result()
    front, later = Views(kept.place.acting(Duty.FRONT)), NOON + timedelta(seconds=90)
    assert front.unsettled(later) == {}
    kept.answer(1, Answer.PERMIT)
    assert front.unsettled(later) == {"record": (1, 90.0)}
    assert front.reviewed(later) == {}, "no person must do anything"
    (waiting,) = kept.releases.answered(limit=9)
    assert kept.releases.write(reviewing.done(waiting, A.DENY))
    assert front.unsettled(later) == {}
    front.close()


@pytest.mark.parametrize("point", ["leaves", "records", "outbox", "review_steps", "commit"])
def test_what_fails_before_the_commit_has_not_happened(kept, point):
    kept.journal.accept(reviewing.waits()).result()
    kept.answer(1, Answer.PERMIT)
    (waiting,) = kept.releases.answered(limit=9)
    done = reviewing.done(waiting, A.PERMIT, events=(builders.event("e1"),))

    def fail(here: str) -> None:
        if here == point:
            raise UnavailableError(builders.codes.STORE_UNAVAILABLE)

    kept.faults = fail
    with pytest.raises(UnavailableError):
        kept.releases.write(done)
    kept.faults = lambda _point: None
    assert (kept.state(1), kept.events(), kept.count("leaves")) == (State.ANSWERED, [], 1)
    assert kept.releases.write(done)
    assert (kept.state(1), kept.events()) == (State.PERMITTED, ["e1"])


def test_an_answer_between_look_and_settling_wins(kept):
    """Nobody had answered when its time was looked at; somebody has when it is written."""
    kept.journal.accept(reviewing.waits()).result()
    (waiting,) = kept.releases.expired(NOON + 14 * DAY, limit=9)
    kept.answer(1, Answer.PERMIT)
    assert not kept.releases.write(reviewing.done(waiting, A.EXPIRE))
    assert kept.state(1) is State.ANSWERED


def test_only_what_is_over_has_expired(kept):
    kept.journal.accept(reviewing.waits()).result()
    at = NOON + 14 * DAY
    assert kept.releases.expired(at - timedelta(microseconds=1), limit=9) == []
    (waiting,) = kept.releases.expired(at, limit=9)
    assert waiting.said is None
    assert kept.releases.write(reviewing.done(waiting, A.EXPIRE, at))
    assert kept.state(1) is State.EXPIRED
    assert kept.releases.expired(at, limit=9) == []


def test_a_released_message_is_accepted_and_its_bytes_leave_the_quarantine(kept):
    kept.journal.refuse(reviewing.apart()).result()
    kept.answer(1, Answer.RELEASE)
    (waiting,) = kept.releases.answered(limit=9)
    assert waiting.sealed.evidence == b"sealed quarantine"
    rest = replace(steps.sealed("rest", 1), evidence=b"")
    ready = builders.ready("urn:uuid:9")
    assert kept.releases.write(reviewing.done(waiting, A.RELEASE, ready=ready, rest=rest))
    assert kept.state(1) is State.RELEASED
    assert (kept.count("messages"), kept.count("evidence"), kept.count("quarantine")) == (1, 1, 0)
    assert len(kept.events()) == 1
    assert kept.journal.accept(ready).result().repeated, "resent, it is the same message"
    kept.whole()


def test_the_same_message_released_twice_is_there_once_and_another_of_its_id_conflicts(kept):
    for body in (b"<one/>", b"<two/>", b"<three/>"):
        kept.journal.refuse(reviewing.apart(body)).result()
    for number in (1, 2, 3):
        kept.answer(number, Answer.RELEASE)
    first, second, third = kept.releases.answered(limit=9)
    rest = replace(steps.sealed("rest", 1), evidence=b"")
    ready = builders.ready("urn:uuid:9")
    assert kept.releases.write(reviewing.done(first, A.RELEASE, ready=ready, rest=rest))
    assert kept.releases.write(reviewing.done(second, A.RELEASE, ready=ready, rest=rest))
    assert len(kept.events()) == kept.count("messages") == 1
    other = builders.ready("urn:uuid:9", content="other")
    with pytest.raises(ConflictError):
        kept.releases.write(reviewing.done(third, A.RELEASE, ready=other, rest=rest))
    assert (kept.state(3), kept.count("quarantine")) == (State.ANSWERED, 1)
    kept.whole()


def test_destroyed_the_bytes_are_gone_and_the_refusals_record_stays_under_a_new_key(kept):
    kept.journal.refuse(reviewing.apart()).result()
    kept.answer(1, Answer.DESTROY)
    (waiting,) = kept.releases.answered(limit=9)
    rest = replace(steps.sealed("rest", 1), evidence=b"")
    assert kept.releases.write(reviewing.done(waiting, A.DESTROY, rest=rest))
    assert kept.count("quarantine") == 0
    views = Views(kept.place)
    sealed = views.sealed_refusal(1)
    views.close()
    assert (sealed.evidence, sealed.wrapped_key, sealed.records) == (b"", rest.wrapped_key, rest.records)
    kept.whole()


def test_what_must_be_asked_anew_is_another_review_about_the_leaf_that_says_so(kept):
    kept.journal.accept(reviewing.waits()).result()
    kept.answer(1, Answer.PERMIT)
    (waiting,) = kept.releases.answered(limit=9)
    anew = reviewing.opening(reasons=("PERSON_PROTECTED", "FREE_TEXT"), role="skyddade-personuppgifter")
    assert kept.releases.write(reviewing.done(waiting, A.OVERTAKE, opens=(anew,)))
    assert kept.state(1) is State.OVERTAKEN
    (second,) = kept.people.reviews()
    assert (second.id, second.message, second.leaf) == (2, 1, 1)
    assert second.reasons == ("PERSON_PROTECTED", "FREE_TEXT")


# --- what goes out ----------------------------------------------------------------------------------------------------


def referred(kept):
    kept.dispatches.take(*steps.parts(steps.command("c1")))
    (held,) = kept.dispatches.due(NOON, limit=9, busy=[])
    step = steps.step(held, H.REFER, **steps.whole("referred", 1, None), opens=(reviewing.opening(Kind.DISPATCH),))
    assert kept.dispatches.write(replace(step, due=NOON + MINUTE))
    return kept.dispatches.get(held.id)


def test_a_dispatch_waits_with_its_review_until_that_is_over(kept):
    held = referred(kept)
    (review,) = kept.people.reviews(dispatch=held.id)
    assert (review.kind, review.dispatch) == (Kind.DISPATCH, held.id)
    assert (held.asked.number, held.asked.reasons, held.asked.said) == (review.id, ("FREE_TEXT",), None)
    assert kept.dispatches.due(NOON + MINUTE - timedelta(seconds=1), limit=9, busy=[]) == []
    assert [one.id for one in kept.dispatches.due(NOON + MINUTE, limit=9, busy=[])] == [held.id]


def test_an_answer_is_an_instruction_and_is_settled_by_the_step_that_carries_it_out(kept):
    held = referred(kept)
    kept.answer(1, Answer.PERMIT)
    ((wanted, stands),) = kept.dispatches.instructed(limit=9, busy=[])
    assert (wanted.happening, wanted.by, stands.asked.said.answer) == (H.PERMIT, "anna", Answer.PERMIT)
    settles = (1, A.PERMIT, State.PERMITTED)
    step = steps.step(stands, H.PERMIT, by=wanted.by, reason=wanted.reason, settles=settles)
    assert kept.dispatches.write(step)
    assert kept.dispatches.write(step), "the same step again: its commit may have had no answer"
    assert kept.dispatches.instructed(limit=9, busy=[]) == []
    assert kept.state(1) is State.PERMITTED
    (again,) = kept.dispatches.due(NOON, limit=9, busy=[])
    assert again.asked is None
    assert (again.answered.reasons, again.answered.basis) == ({"FREE_TEXT"}, "IN-AG-01")
    assert held.answered.reasons == frozenset()
    kept.whole()


def test_a_step_that_a_persons_answer_has_overtaken_is_not_written(kept):
    held = referred(kept)
    kept.answer(1, Answer.DENY)
    late = steps.step(held, H.EXPIRE, settles=(1, A.EXPIRE, State.EXPIRED))
    assert not kept.dispatches.write(late)
    assert kept.state(1) is State.ANSWERED


# --- whatever the program ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("state = 'permitted', step = step + 1", "nothing passes that nobody has answered"),
        ("state = 'answered', answer = 'permit', step = step + 1", "what takes two people is not answered by one"),
        ("reasons = ''", "never changed"),
        ("role = 'operator'", "never changed"),
        ("state = 'asked'", "never elsewhere than its steps say"),
    ],
)
def test_the_database_itself_refuses(kept, change, said):
    kept.journal.accept(reviewing.waits(four_eyes=True)).result()
    session = kept.place.open()
    try:
        with pytest.raises(Exception, match=said), session.writing(Turn.DISPATCHES):
            session.execute(f"UPDATE reviews SET {change} WHERE id = 1")  # noqa: S608  # a test's own
    finally:
        session.close()


def test_steps_are_never_changed_and_what_has_ended_is_never_answered_again(kept):
    kept.journal.accept(reviewing.waits()).result()
    kept.answer(1, Answer.DENY)
    (waiting,) = kept.releases.answered(limit=9)
    assert kept.releases.write(reviewing.done(waiting, A.DENY))
    session = kept.place.open()
    try:
        for sql in (
            "UPDATE review_steps SET by = 'bo'",
            "DELETE FROM review_steps",
            "DELETE FROM reviews",
            "UPDATE reviews SET state = 'open', step = step + 1",
        ):
            with pytest.raises(Exception, match="never"), session.writing(Turn.DISPATCHES):
                session.execute(sql)
    finally:
        session.close()


def test_what_lies_in_a_mailbox_is_judged_by_what_people_answered_too(kept):
    held = referred(kept)
    kept.answer(1, Answer.PERMIT)
    ((_, stands),) = kept.dispatches.instructed(limit=9, busy=[])
    assert kept.dispatches.write(steps.step(stands, H.PERMIT, settles=(1, A.PERMIT, State.PERMITTED)))
    for happening in (H.COMPOSE, H.DEPOSIT):
        assert kept.dispatches.write(steps.step(kept.dispatches.get(held.id), happening))
    session = kept.place.acting(Duty.FRONT).open()
    try:
        with session.reading():
            (lies,) = reading(session, [held.number], names=("envelope",))
    finally:
        session.close()
    assert lies.answered.reasons == {"FREE_TEXT"}
