"""What waits for people, and what they decided, moves with the store and goes on where it was."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.review import Action, Answer, State
from gateway.store import copy as copying
from gateway.store.place import Duty, PostgresPlace
from gateway.store.releases import StoredReleases
from gateway.store.reviews import StoredReviews
from tests import builders, reviewing

pytestmark = pytest.mark.services


def test_reviews_move_with_the_store_and_are_answered_and_carried_out_there(database, tmp_path):
    clock, source = builders.Clock(), builders.store(tmp_path / "store")
    journal = builders.journal(source, clock)
    for number in (1, 2):
        journal.accept(reviewing.waits(f"urn:uuid:{number}", four_eyes=number == 1)).result()
    journal.close()
    reviews, releases = StoredReviews(source, clock=clock, protecting=reviewing.PROTECTING), StoredReleases(source)
    assert (
        reviewing.done_by(reviews, 1, reviewing.act(Action.ANSWER, clock.now(), answer=Answer.PERMIT)).state
        is State.ASKED
    )
    assert (
        reviewing.done_by(reviews, 2, reviewing.act(Action.ANSWER, clock.now(), answer=Answer.DENY)).state
        is State.ANSWERED
    )
    (waiting,) = releases.answered(limit=9)
    assert releases.write(reviewing.done(waiting, Action.DENY))
    before = list(reviews.reviews(waiting=False)), list(reviews.history(1)), list(reviews.history(2))
    reviews.close()
    releases.close()
    builders.integrate(source, clock)
    clock.pass_(timedelta(hours=1))
    target = PostgresPlace(settings=database, duty=Duty.OWNER, folder=source.folder, width=200)
    report = copying.copy(source, target, key=builders.signer().key, clock=clock)
    assert (report.rows["reviews"], report.rows["review_steps"]) == (2, 3)
    reviews = StoredReviews(target.acting(Duty.REVIEWER), clock=clock, protecting=reviewing.PROTECTING)
    releases = StoredReleases(target.acting(Duty.RELEASER))
    assert (list(reviews.reviews(waiting=False)), list(reviews.history(1)), list(reviews.history(2))) == before
    assert reviewing.done_by(reviews, 1, reviewing.act(Action.APPROVE, clock.now(), by="bo")).state is State.ANSWERED
    (waiting,) = releases.answered(limit=9)
    assert releases.write(reviewing.done(waiting, Action.PERMIT, events=(builders.event("e"),)))
    assert reviews.review(1).state is State.PERMITTED
    reviews.close()
    releases.close()
