"""Whatever people do and whenever: a REFER never releases by itself, and what takes two never passes by one."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gateway.review import Action, Answer, State
from gateway.store.outbox import StoredOutbox
from gateway.store.releases import StoredReleases
from gateway.store.reviews import StoredReviews
from tests import builders, reviewing
from tests.effort import effort

A, S = Action, State
WHO = ("anna", "bo", "cia")
ROLE, OTHER = "informationsagare", "jurist"
HAS = {"anna": (ROLE,), "bo": (ROLE, OTHER), "cia": (OTHER,)}
"""Cia is of another role: whatever she does, nothing comes of it."""

people = st.tuples(
    st.sampled_from((A.READ, A.ANSWER, A.APPROVE, A.WITHDRAW)),
    st.sampled_from(WHO),
    st.sampled_from((Answer.PERMIT, Answer.DENY)),
)
time = st.sampled_from((timedelta(hours=1), timedelta(hours=23), timedelta(days=3), timedelta(days=20)))
history = st.lists(st.one_of(people, time, st.just("settle")), max_size=14)


@given(history=history, four_eyes=st.booleans())
@effort(60)
def test_nothing_passes_that_people_of_the_role_have_not_said_yes_to(history, four_eyes):
    with tempfile.TemporaryDirectory() as folder:
        place, clock = builders.store(Path(folder)), builders.Clock()
        journal = builders.journal(place, clock)
        journal.accept(reviewing.waits(four_eyes=four_eyes)).result()
        journal.close()
        reviews, releases = StoredReviews(place, clock=clock, protecting=reviewing.PROTECTING), StoredReleases(place)
        try:
            for happening in (*history, "settle"):
                _happens(happening, reviews, releases, clock)
            _hold(place, reviews, clock, four_eyes=four_eyes)
        finally:
            reviews.close()
            releases.close()


def _happens(happening, reviews, releases, clock):
    if isinstance(happening, timedelta):
        clock.pass_(happening)
    elif happening == "settle":
        for waiting in (*releases.answered(limit=9), *releases.expired(clock.now(), limit=9)):
            said = waiting.said
            action = A.EXPIRE if said is None else A(said.answer.value)
            events = (builders.event("e"),) if action is A.PERMIT else ()
            assert releases.write(reviewing.done(waiting, action, clock.now(), events=events))
    else:
        action, by, answer = happening
        reviewing.done_by(reviews, 1, reviewing.act(action, clock.now(), by=by, roles=HAS[by], answer=answer))


def _hold(place, reviews, clock, *, four_eyes):
    line = reviews.history(1)
    outbox = StoredOutbox(place, clock=clock)
    passed = len(outbox.pending(9))
    outbox.close()
    (review,) = reviews.reviews(waiting=False)
    assert passed == (review.state is S.PERMITTED)
    assert all(HAS[step.by].count(ROLE) for step in line if step.by), "only the role has done anything"
    ends = [step for step in line if step.after is S.ANSWERED]
    assert len(ends) <= 1
    if passed:
        (end,) = ends
        assert end.answer is Answer.PERMIT
        assert end.at < review.expires_at
        if four_eyes:
            ask = [step for step in line if step.action is A.ASK][-1]
            assert end.action is A.APPROVE
            assert ask.by != end.by
            assert end.at < ask.at + timedelta(hours=24)
