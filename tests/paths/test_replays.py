"""What people let pass is in the log with what they answered, so that it can be judged again by another register."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from gateway.audit import leaf
from gateway.cli import recorded
from gateway.message import Outcome
from gateway.privacy import explain, replaying
from gateway.review import Answer, State
from gateway.store import judged
from gateway.store.dispatch_views import DispatchViews
from gateway.store.place import SqlitePlace
from tests.paths.test_reviews import DENY, PERMIT, RELEASE, forbidden, free_text
from tests.reviewing import Desk


@pytest.fixture
def desk(world):
    made = Desk(world)
    yield made
    made.close()


def decisions(world):
    """Return every decision of the log, opened."""
    since = world.clock.now() - timedelta(days=30)
    return list(judged.since(SqlitePlace(world.store), since, world.rules.sealer.open))


def settled(world, desk, answer: Answer, **more):
    """Return what is decided after what waits has been answered and carried out."""
    review = desk.one()
    desk.answer(review.id, answer, **more)
    assert desk.settle() == 1
    return decisions(world)


def test_a_yes_is_read_from_the_log_and_replayed(world, desk):
    free_text(world)
    waits, passed = settled(world, desk, PERMIT)
    assert (waits.record["outcome"], passed.record["kind"]) == ("REFER", "review")
    found = replaying.replay(passed.record, world.rules.law, world.rules.law)
    assert (found.then.outcome, found.differs()) == (Outcome.PERMIT, ())
    assert found.answered.reasons == {"FREE_TEXT"}
    assert replaying.replay(waits.record, world.rules.law, world.rules.law).answered.reasons == frozenset()


def test_a_register_that_no_longer_lets_it_pass_is_told_of_it(world, desk):
    free_text(world)
    *_, passed = settled(world, desk, PERMIT)
    law = world.rules.law
    without = {
        one: tuple(replace(rule, partner_types=frozenset()) for rule in rules) for one, rules in law.rules.items()
    }
    kinds = {
        key: replace(kind, rules=tuple(replace(rule, partner_types=frozenset()) for rule in kind.rules))
        for key, kind in law.kinds.items()
    }
    found = replaying.replay(passed.record, law, replace(law, rules=without, kinds=kinds))
    assert (found.then.outcome, found.now.outcome) == (Outcome.PERMIT, Outcome.DENY)
    assert found.answered.reasons == {"FREE_TEXT"}


def test_a_persons_no_is_no_decision_of_the_law(world, desk):
    free_text(world)
    (waits,) = settled(world, desk, DENY)
    assert waits.record["outcome"] == "REFER"


def test_a_message_that_was_let_out_of_quarantine_is_replayed(world, desk):
    forbidden(world)
    released, refused = settled(world, desk, RELEASE)
    assert released.record["judged"]["released"]
    found = replaying.replay(released.record, world.rules.law, world.rules.law)
    assert (found.then.outcome, found.differs()) == (Outcome.PERMIT, ())
    assert (refused.record, refused.missing) == (None, judged.WHOLE)


def test_what_came_of_a_review_is_explained_and_a_no_is_not(world, desk):
    free_text(world)
    settled(world, desk, PERMIT)
    free_text(world, message_id="urn:uuid:another")
    settled(world, desk, DENY)
    views = DispatchViews(SqlitePlace(world.store))
    reviews = [n for n in range(views.length()) if orjson.loads(views.at(n).entry)["kind"] == leaf.Kind.REVIEW]
    yes, no = (recorded.answer(views, world.rules.sealer, number) for number in reviews)
    views.close()
    assert yes is not None
    assert explain.paragraphs(yes, "sv")[0].startswith("Tillåtet. Fält som får passera: ")
    assert no is None
    assert [desk.reviews.review(number).state for number in (1, 2)] == [State.PERMITTED, State.DENIED]
