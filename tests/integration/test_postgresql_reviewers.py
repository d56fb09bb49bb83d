"""Who answers cannot carry out, who carries out cannot answer, neither reads what does not wait: on the real server."""

from __future__ import annotations

import psycopg
import pytest

from gateway.database import Turn, written
from gateway.errors import UnavailableError
from gateway.review import Action, Answer, State
from gateway.store.place import Duty
from gateway.store.reviews import StoredReviews
from tests import builders, reviewing

pytestmark = pytest.mark.services


@pytest.fixture
def store(stored):
    """A message that waits and one that does not; one that is quarantined."""
    journal = builders.journal(stored.acting(Duty.FRONT), builders.Clock())
    journal.accept(reviewing.waits("urn:uuid:1", four_eyes=True)).result()
    journal.accept(builders.ready("urn:uuid:2")).result()
    journal.refuse(reviewing.apart()).result()
    journal.refuse(builders.refusal(b"<two/>", quarantined=True)).result()
    journal.close()
    return stored


def may(store, duty: Duty, statement: str) -> bool:
    """Try a statement as a duty; it is undone."""

    class Undone(Exception):  # noqa: N818  # no error
        pass

    def done() -> None:
        raise Undone

    session = store.acting(duty).open()
    try:
        with session.writing(Turn.DISPATCHES):
            session.execute(statement)
            done()
    except Undone:
        return True
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable):
        return False
    finally:
        session.close()


def do(store, duty: Duty, action: Action, **more):
    reviews = StoredReviews(store.acting(duty), clock=builders.Clock(), protecting=reviewing.PROTECTING)
    try:
        return reviewing.done_by(reviews, 1, reviewing.act(action, builders.NOON, **more))
    finally:
        reviews.close()


def test_a_reviewer_answers(store):
    assert do(store, Duty.REVIEWER, Action.ANSWER, answer=Answer.PERMIT).state is State.ASKED
    assert do(store, Duty.REVIEWER, Action.APPROVE, by="bo").state is State.ANSWERED


@pytest.mark.parametrize("duty", [Duty.OPERATOR, Duty.RELEASER, Duty.DISPATCHER, Duty.FRONT, Duty.RELAY, Duty.AUDITOR])
def test_nobody_else_does(store, duty):
    with pytest.raises(UnavailableError, match=r"InsufficientPrivilege|UndefinedTable|UndefinedColumn"):
        do(store, duty, Action.ANSWER, answer=Answer.PERMIT)


ADDS = {
    "leaf": "INSERT INTO leaves (position, hash, entry) VALUES (99, '\\x00', '\\x00')",
    "event": "INSERT INTO outbox (id, message, event, type, partition, queues, body) VALUES (9,0,'e','t','p','q','')",
    "key": "UPDATE reviews SET wrapped_key = '\\x00' WHERE id = 1",
    "quarantine": "DELETE FROM quarantine",
    "empty": "SELECT gateway_empty_quarantine(1, 'k', '\\x00', '\\x00')",
}


@pytest.mark.parametrize("what", ADDS)
def test_a_reviewer_carries_nothing_out(store, what):
    assert not may(store, Duty.REVIEWER, ADDS[what])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE reviews SET answer = 'permit' WHERE id = 1",
        "UPDATE reviews SET fields = 'a' WHERE id = 1",
        "UPDATE reviews SET role = 'jurist' WHERE id = 1",
        "DELETE FROM quarantine",
        "UPDATE refusals SET wrapped_key = NULL",
        "SELECT sealed FROM evidence",
        "SELECT sealed FROM quarantine",
        "SELECT sealed FROM records",
        "SELECT sealed FROM contents",
    ],
)
def test_the_releaser_answers_nothing_and_reads_nothing_but_what_waits(store, statement):
    assert not may(store, Duty.RELEASER, statement)


@pytest.mark.parametrize("duty", [Duty.REVIEWER, Duty.RELEASER])
def test_they_read_what_waits_and_no_other(store, duty):
    session = store.acting(duty).open()
    try:
        assert session.execute("SELECT message FROM review_evidence").fetchall() == [(1,)]
        assert session.execute("SELECT refusal FROM review_quarantine").fetchall() == [(1,)]
        assert len(session.execute("SELECT position FROM review_records").fetchall()) == 2
    finally:
        session.close()


BY_ANOTHER = {
    "the releaser approves": (Duty.RELEASER, "UPDATE reviews SET state = 'answered', step = 2 WHERE id = 1"),
    "the dispatcher approves": (Duty.DISPATCHER, "UPDATE reviews SET state = 'answered', step = 2 WHERE id = 1"),
    "a reviewer expires": (Duty.REVIEWER, "UPDATE reviews SET state = 'expired', step = 2 WHERE id = 1"),
    "the releaser says who approved": (Duty.RELEASER, "approve"),
    "a reviewer says what was carried out": (Duty.REVIEWER, "permit"),
}


@pytest.mark.parametrize("what", BY_ANOTHER)
def test_neither_does_the_others_part_of_moving_a_review(store, what):
    duty, statement = BY_ANOTHER[what]
    assert do(store, Duty.REVIEWER, Action.ANSWER, answer=Answer.PERMIT).state is State.ASKED
    if not statement.startswith("UPDATE"):
        statement = (
            "INSERT INTO review_steps (review, step, action, after, by, role, account, reason, at) "  # noqa: S608
            f"VALUES (1, 2, '{statement}', 'answered', 'bo', 'jurist', '', '', '{written(builders.NOON)}')"
        )
    with pytest.raises(psycopg.errors.RestrictViolation, match=r"who (carries out|answers)"):
        may(store, duty, statement)


def test_what_a_dispatch_waits_for_is_not_ordered_by_an_operator_nor_anything_else_by_a_reviewer(store):
    for duty, happening in ((Duty.OPERATOR, "permit"), (Duty.REVIEWER, "withdraw")):
        order = (
            "INSERT INTO instructions (id, dispatch, happening, by, role, reason, at) "  # noqa: S608
            f"VALUES (1, 1, '{happening}', 'bo', '', 'brådskar', '{written(builders.NOON)}')"
        )
        with pytest.raises(psycopg.errors.RestrictViolation, match="reviewer"):
            may(store, duty, order)


def test_quarantined_bytes_are_destroyed_only_when_two_people_have_said_so(store):
    session = store.acting(Duty.RELEASER).open()
    try:
        with pytest.raises(psycopg.errors.RaiseException, match="nobody has answered"), session.writing(Turn.JOURNAL):
            session.execute("SELECT gateway_empty_quarantine(1, 'k', '\\x00', '\\x00')")
    finally:
        session.close()
    owner = store.open()
    assert owner.execute("SELECT count(*) FROM quarantine").fetchone() == (2,)
    owner.close()


@pytest.mark.parametrize("duty", [Duty.OPERATOR, Duty.AUDITOR])
def test_operators_and_auditors_see_reviews_and_no_key(store, duty):
    reviews = StoredReviews(store.acting(duty), clock=builders.Clock(), protecting=reviewing.PROTECTING)
    assert len(reviews.reviews()) == 2
    assert reviews.history(1) == []
    assert {one.role for one in reviews.counts()} == {"informationsagare", "dataskyddsombud"}
    reviews.close()
    assert not may(store, duty, "SELECT wrapped_key FROM public.reviews")
