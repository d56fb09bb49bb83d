"""The power goes at every point around an answer and its carrying out: nothing passes twice, or is half settled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.review import Action, Answer, State
from gateway.store import guard
from gateway.store.outbox import StoredOutbox
from gateway.store.place import Duty
from gateway.store.releases import StoredReleases
from gateway.store.reviews import StoredReviews
from gateway.store.views import Views
from tests import builders, reviewing, steps
from tests.integration.killed import Axe, Child

KEY = builders.signer().key
REST = replace(steps.sealed("rest", 1), evidence=b"")
NEWS = (builders.learned(builders.Protection.SEKRETESSMARKERING, 1),)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def store(request, tmp_path):
    """Two records and a quarantined message wait."""
    made = builders.store(tmp_path) if request.param == "sqlite" else request.getfixturevalue("stored")
    journal = builders.journal(made.acting(Duty.FRONT), builders.Clock())
    for number in (1, 2):
        journal.accept(reviewing.waits(f"urn:uuid:{number}")).result()
    journal.refuse(reviewing.apart()).result()
    journal.close()
    return made


def people(store, faults=lambda _point: None) -> StoredReviews:
    return StoredReviews(
        store.acting(Duty.REVIEWER), clock=builders.Clock(), protecting=reviewing.PROTECTING, faults=faults
    )


def answer(store, faults):
    """Answer all three, and tell of each as a person would be told."""

    def run(tell) -> None:
        reviews, at = people(store, faults), builders.NOON
        for number, said in ((1, Answer.PERMIT), (2, Answer.DENY), (3, Answer.RELEASE)):
            verdict = reviewing.done_by(reviews, number, reviewing.act(Action.ANSWER, at, answer=said))
            tell((number, verdict.state))
            if verdict.state is State.ASKED:
                tell((number, reviewing.done_by(reviews, number, reviewing.act(Action.APPROVE, at, by="bo")).state))
        reviews.close()

    return run


def settled(waiting):
    match waiting.said.answer:
        case Answer.PERMIT:
            event = builders.event("permitted")
            return reviewing.done(waiting, Action.PERMIT, events=(event,), learned=NEWS)
        case Answer.DENY:
            return reviewing.done(waiting, Action.DENY)
        case _:
            return reviewing.done(waiting, Action.RELEASE, ready=builders.ready("urn:uuid:9"), rest=REST)


def settle(store, faults):
    """Carry out what is answered, and tell of each."""

    def run(tell) -> None:
        releases = StoredReleases(store.acting(Duty.RELEASER), faults=faults)
        for waiting in releases.answered(limit=9):
            assert releases.write(settled(waiting))
            tell(waiting.number)
        releases.close()

    return run


def whole(store) -> Views:
    """The store, found whole: its log verifies, and every review stands where its steps say."""
    guard.check(store, KEY)
    builders.integrate(store, builders.Clock())
    views = Views(store)
    views.verify_log(KEY)
    reviews = people(store)
    for one in reviews.reviews(waiting=False):
        line = reviews.history(one.id)
        assert one.state is (line[-1].after if line else State.OPEN)
        assert (one.outcome is not None) == (one.state in {State.PERMITTED, State.DENIED, State.RELEASED})
    reviews.close()
    return views


@pytest.mark.parametrize("nth", [1, 3])
@pytest.mark.parametrize("point", ["review_steps", "commit", "committed"])
def test_killed_while_answering_what_was_told_is_there_and_nothing_has_passed(store, point, nth):
    ended = Child(answer(store, Axe(point, nth))).end()
    assert ended.killed
    views = whole(store)
    reviews = people(store)
    for number, state in dict(ended.told).items():
        assert reviews.review(number).state is state
    written = sum(len(reviews.history(one.id)) for one in reviews.reviews(waiting=False))
    assert written == len(ended.told) + (point == "committed")
    reviews.close()
    assert views.counts()["leaves"] == 3
    views.close()


POINTS = ("emptied", "messages", "evidence", "leaves", "records", "outbox", "review_steps", "commit", "committed")


@pytest.mark.parametrize("point", POINTS)
def test_killed_while_carrying_out_each_answer_is_carried_out_once(store, point):
    assert not Child(answer(store, lambda _point: None)).end().killed
    ended = Child(settle(store, Axe(point))).end()
    assert ended.killed
    views = whole(store)
    reviews = people(store)
    done = {one.id for one in reviews.reviews(waiting=False) if one.outcome is not None}
    reviews.close()
    views.close()
    assert done >= set(ended.told)
    assert len(done) == len(ended.told) + (point == "committed")
    # Whoever comes after finds what is left.
    again = Child(settle(store, lambda _point: None)).end()
    assert not again.killed
    assert sorted([*done, *again.told]) == [1, 2, 3]
    views = whole(store)
    counts = views.counts()
    assert (counts["leaves"], counts["messages"], counts["quarantine"], counts["protections"]) == (7, 3, 0, 1)
    views.close()
    outbox = StoredOutbox(store.acting(Duty.RELAY), clock=builders.Clock())
    assert len({one.event.id for one in outbox.pending(99)}) == len(outbox.pending(99)) == 2
    outbox.close()
