"""A dispatch that only a person may let go: whole walks on the real store, by the real path and law."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

import orjson
import pytest

from gateway import endings
from gateway.inbound.path import Judging
from gateway.message import Protection
from gateway.outbound.states import Happening, State
from gateway.review import Action, Answer, Kind
from gateway.review import State as Stands
from gateway.store.gallring import destroy
from gateway.store.instructions import StoredInstructions
from gateway.store.outbox import StoredOutbox
from gateway.store.releases import StoredReleases
from gateway.store.reviews import StoredReviews
from gateway.wiring.releasing import Releaser
from tests import payloads, sending
from tests.reviewing import PROTECTING, act, done_by
from tests.unit.outbound.scripted import told
from tests.unit.outbound.test_walk import QUESTION, SUMMONS, Way, given
from tests.unit.outbound.test_walk import way as way  # noqa: PLC0414  # a fixture
from tests.world import CrashError

__all__ = ["told", "way"]
pytestmark = pytest.mark.usefixtures("told")
S, H = State, Happening
TEXT = {**sending.MEETING, "meddelande": "fri text"}


class Desk:
    def __init__(self, way: Way) -> None:
        self.way = way
        self.reviews = StoredReviews(way.place, clock=way.clock, protecting=PROTECTING)

    def open(self):
        return list(self.reviews.reviews())

    def do(self, number, action, **more):
        return done_by(self.reviews, number, act(action, self.way.clock.now(), **more))

    def answer(self, number, answer, **more):
        verdict = self.do(number, Action.ANSWER, answer=answer, by="anna", **more)
        return self.do(number, Action.APPROVE, by="bo") if verdict.state is Stands.ASKED else verdict


@pytest.fixture
def desk(way):
    made = Desk(way)
    yield made
    made.reviews.close()


def waiting(way, desk, *, fields=TEXT, protection=Protection.SEKRETESSMARKERING):
    way.scene.known.protection = protection
    dispatch = given(way, SUMMONS, fields=fields)
    way.run(rounds=1)
    assert way.happened(dispatch) == [H.REFER]
    (review,) = desk.open()
    return dispatch, review


def leaves(way, dispatch):
    found = []
    for step in way.views.sealed(dispatch):
        hashes = [one.hash for one in step.leaves]
        found += [orjson.loads(record) for _, record in way.scene.rules.sealer.open(step.sealed, hashes).records]
    return found


def test_a_referred_dispatch_opens_a_review_that_names_what_is_asked_and_not_the_person(way, desk):
    dispatch, review = waiting(way, desk)
    assert (review.kind, review.dispatch, review.state) == (Kind.DISPATCH, dispatch, Stands.OPEN)
    assert "FREE_TEXT" in review.reasons
    assert "PERSON_PROTECTED" in review.reasons, "its own question, for its own group"
    assert review.expires_at <= way.views.dispatch(dispatch).expires
    assert sending.person().number not in repr(review)


def test_what_people_permit_is_judged_again_and_goes(way, desk):
    dispatch, review = waiting(way, desk)
    desk.answer(review.id, Answer.PERMIT)
    way.run(rounds=1)
    assert way.happened(dispatch) == [H.REFER, H.PERMIT, H.COMPOSE, H.BEGIN, H.ANSWER]
    assert "fri text" in way.post.sent[0].composed.payload.decode()
    assert desk.reviews.review(review.id).state is Stands.PERMITTED
    (said,) = [one for one in leaves(way, dispatch) if one["kind"] == "review"]
    assert (said["by"], said["second"], said["state"], said["role"]) == ("anna", "bo", "permitted", review.role)
    assert said["reference"] == dispatch
    assert desk.open() == []


def test_what_people_deny_ends_with_its_leaf_and_its_asker_is_told(way, desk):
    dispatch, review = waiting(way, desk)
    desk.answer(review.id, Answer.DENY)
    way.run(rounds=1)
    assert way.happened(dispatch) == [H.REFER, H.DENY]
    assert way.views.dispatch(dispatch).state is S.DENIED
    assert way.events()[-1]["data"]["code"] == endings.REVIEW_DENIED.name
    (said,) = [one for one in leaves(way, dispatch) if one["kind"] == "review"]
    assert (said["state"], said["answer"]) == ("denied", "deny")
    assert not way.post.sent


def test_a_review_that_nobody_answered_in_time_is_a_no(way, desk):
    dispatch, review = waiting(way, desk)
    way.clock.at = review.expires_at - timedelta(seconds=1)
    assert way.dispatcher.step() == 0
    way.clock.at = review.expires_at
    way.run(rounds=1)
    assert way.happened(dispatch)[-1] in {H.DENY, H.EXPIRE}
    assert desk.reviews.review(review.id).state is Stands.EXPIRED
    (said,) = [one for one in leaves(way, dispatch) if one["kind"] == "review"]
    assert said["state"] == "expired"
    assert not way.post.sent
    assert desk.do(review.id, Action.ANSWER, answer=Answer.PERMIT).refused


def test_one_person_of_two_lets_nothing_go(way, desk):
    dispatch, review = waiting(way, desk)
    assert review.four_eyes
    assert desk.do(review.id, Action.ANSWER, answer=Answer.PERMIT, by="anna").state is Stands.ASKED
    assert desk.do(review.id, Action.APPROVE, by="anna").refused
    way.run()
    assert H.PERMIT not in way.happened(dispatch)
    assert not way.post.sent


def test_a_person_who_is_protected_since_the_answer_is_asked_about_anew(way, desk):
    """Free text was let go of somebody who was not known to be protected; before it goes, a marking arrives."""
    way.scene.known.protection = Protection.UNKNOWN
    dispatch = given(way, SUMMONS, fields=TEXT)
    way.run(rounds=1)
    (review,) = desk.open()
    assert "PERSON_PROTECTED" not in review.reasons
    desk.answer(review.id, Answer.PERMIT)
    way.scene.known.protection = Protection.SEKRETESSMARKERING
    way.run(rounds=1)
    assert way.happened(dispatch) == [H.REFER, H.PERMIT, H.REFER]
    (second,) = desk.open()
    assert {"PERSON_PROTECTED", "FREE_TEXT"} <= set(second.reasons), "what was answered before that is asked anew"
    assert not way.post.sent
    desk.answer(second.id, Answer.PERMIT)
    way.run(rounds=1)
    assert way.happened(dispatch)[-2:] == [H.BEGIN, H.ANSWER]


def test_the_answer_holds_at_every_attempt_and_a_new_reason_stops_it(way, desk):
    dispatch, review = waiting(way, desk, protection=Protection.UNKNOWN)
    desk.answer(review.id, Answer.PERMIT)
    way.post.script = [way.post.away, way.post.away]
    way.run(rounds=1)
    assert way.views.dispatch(dispatch).state is S.WAITING
    way.clock.at += timedelta(minutes=20)
    way.run(rounds=1)
    assert H.WITHDRAW not in way.happened(dispatch), "the same question is not asked twice"
    way.scene.known.protection = Protection.SKYDDAD_FOLKBOKFORING
    way.run()
    assert way.happened(dispatch)[-1] is H.WITHDRAW
    assert len(way.post.sent) == 2


def test_what_its_asker_withdraws_overtakes_the_review(way, desk):
    dispatch, review = waiting(way, desk)
    way.ask(dispatch, H.WITHDRAW)
    way.run(rounds=1)
    assert way.views.dispatch(dispatch).state is S.WITHDRAWN
    assert desk.reviews.review(review.id).state is Stands.OVERTAKEN
    assert desk.do(review.id, Action.ANSWER, answer=Answer.PERMIT).refused


def test_nobody_permits_a_dispatch_but_by_a_review(way, desk):
    dispatch, _ = waiting(way, desk)
    asking = StoredInstructions(way.place, clock=way.clock)
    for happening in (H.PERMIT, H.DENY):
        assert asking.ask(dispatch, happening, by="anna", reason="brådskar").refused
    asking.close()


@pytest.mark.parametrize("answer", [Answer.PERMIT, Answer.DENY])
@pytest.mark.parametrize("side", ["", "!"])
def test_killed_around_the_answers_step_it_is_carried_out_once(way, desk, answer, side):
    dispatch, review = waiting(way, desk)
    desk.answer(review.id, answer)
    happening = H.PERMIT if answer is Answer.PERMIT else H.DENY
    way.crash_at = f"{happening}{side}"
    with pytest.raises(CrashError):
        way.run(rounds=1)
    way.open()
    way.run(rounds=1)
    assert way.happened(dispatch).count(happening) == 1
    assert len([one for one in leaves(way, dispatch) if one["kind"] == "review"]) == 1
    assert len(way.post.sent) == (answer is Answer.PERMIT)


# --- a record of an answer --------------------------------------------------------------------------------------------

GENERAL = {"syfte": payloads.SYFTE_ALLMAN, "lag": payloads.LAGPARAGRAF_ALLMAN, "first": "2025-12-01"}
"""An answer on a paragraph that weighs interests: a person decides."""


def releaser(way, place_faults=lambda _point: None):
    releases = StoredReleases(way.place, faults=place_faults)
    rules = way.scene.rules
    judging = Judging(
        **{one.name: getattr(rules, one.name) for one in fields(Judging)},
    )
    queues = {asker.id: rules.queues[asker.queue] for asker in rules.askers.values()}
    return Releaser(releases, lambda: judging, lambda: queues, lease=lambda: True, clock=way.clock), releases


def answered(way):
    """We ask, and what the partner answers must be weighed by a person."""
    way.post.script = [lambda signed: way.scene.answer(signed, sending.af_answer(signed, **GENERAL))]
    dispatch = given(way, QUESTION)
    way.run(rounds=1)
    return dispatch


def test_a_record_of_an_answer_that_waits_is_a_review_and_a_yes_puts_it_on_the_askers_queue(way, desk):
    dispatch = answered(way)
    assert way.happened(dispatch)[-1] is H.ANSWER
    (review,) = desk.open()
    assert (review.kind, review.dispatch, review.record) == (Kind.ANSWER, dispatch, 1)
    assert "BALANCING_TEST_OPEN" in review.reasons
    before = len(way.events())
    desk.answer(review.id, Answer.PERMIT)
    released, releases = releaser(way)
    assert released.step() == 1
    assert released.step() == 0
    releases.close()
    event = way.events()[-1]
    assert len(way.events()) == before + 1
    assert event["type"].endswith(".ersattningsbeslut.v1")
    assert event["commandid"]
    assert desk.reviews.review(review.id).state is Stands.PERMITTED
    outbox = StoredOutbox(way.place, clock=way.clock)
    queues = outbox.pending(100)[-1].event.queues
    outbox.close()
    assert queues == (way.scene.rules.askers[way.scene.question().command.asker].queue,)


def test_a_denied_record_of_an_answer_stays_sealed(way, desk):
    answered(way)
    (review,) = desk.open()
    before = way.events()
    desk.answer(review.id, Answer.DENY)
    released, releases = releaser(way)
    assert released.step() == 1
    releases.close()
    assert way.events() == before
    assert desk.reviews.review(review.id).state is Stands.DENIED


def test_what_was_destroyed_meanwhile_cannot_be_decided_and_stops_nobody(way, desk):
    dispatch = answered(way)
    (review,) = desk.open()
    desk.answer(review.id, Answer.PERMIT)
    outbox = StoredOutbox(way.place, clock=way.clock)
    outbox.settle(outbox.pending(100))
    outbox.close()
    assert destroy(way.place, dispatch) == ""
    released, releases = releaser(way)
    assert released.step() == 1
    releases.close()
    assert desk.reviews.review(review.id).state is Stands.OVERTAKEN
