"""What came in and waits for a person: nothing passes unasked, and what is answered is carried out once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.database import Turn
from gateway.errors import IntegrityError
from gateway.message import Category
from gateway.privacy.law import Law
from gateway.review import Action, Answer, Kind, State
from gateway.store.place import SqlitePlace
from tests import payloads
from tests.reviewing import Desk
from tests.world import CrashError, event_of

SJUK, AF, AGI = "arbetsgivare/sjukanmalan", "arbetsformedlingen/ersattningsstod", "skatteverket/arbetsgivardeklaration"
PERMIT, DENY, RELEASE, DESTROY = Answer.PERMIT, Answer.DENY, Answer.RELEASE, Answer.DESTROY


@pytest.fixture
def desk(world):
    made = Desk(world)
    yield made
    made.close()


def free_text(world, **more):
    payload = payloads.sjukanmalan(
        signer=world.scene.signer("arbetsgivare"), more="<fritext>Ring mig på måndag</fritext>"
    )
    return world.send(SJUK, payload, **more)


def forbidden(world, **more):
    more_ = '<x:sjukdom xmlns:x="urn:x">F32</x:sjukdom>'
    payload = payloads.sjukanmalan(signer=world.scene.signer("arbetsgivare"), more=more_)
    return world.send(SJUK, payload, **more)


def pending(world):
    return [event_of(event.body) for event in world.pending()]


def test_a_referred_record_opens_a_review_with_its_question_and_nothing_of_the_person(world, desk):
    answer = free_text(world)
    review = desk.one()
    assert (review.kind, review.state, review.record) == (Kind.RECORD, State.OPEN, 1)
    assert review.reasons == ("FREE_TEXT",)
    assert (review.partner, review.contract, review.information) == ("arbetsgivare", SJUK, "sjukanmalan")
    assert review.organisation == answer.accepted.provenance.organisation
    assert review.expires_at > review.opened_at
    said = repr(review)
    for name in world.ledger.names:
        assert name not in said
    assert desk.settle() == 0
    assert pending(world) == []


def test_a_permit_puts_the_event_out_once_with_the_leaf_that_says_who_decided(world, desk):
    answer = free_text(world)
    review = desk.one()
    assert desk.answer(review.id, PERMIT).state is State.ANSWERED
    assert pending(world) == [], "the answer is not carried out by whoever gave it"
    assert desk.settle() == 1
    assert desk.settle() == 0
    (event,) = pending(world)
    assert event["data"]["fields"].keys() >= {"forstaSjukdag"}
    assert "Ring mig" not in str(event), "the basis names no free text: a yes does not widen it"
    assert desk.reviews.review(review.id).state is State.PERMITTED
    told = desk.leaf(review.id)
    assert (told["by"], told["second"], told["role"]) == ("anna", "bo", review.role)
    assert (told["state"], told["outcome"], told["reason"]) == ("permitted", "PERMIT", "uppgifterna behövs i ärendet")
    assert "forstaSjukdag" in told["granted"]
    assert told["reference"] == answer.accepted.provenance.message_id
    world.resend(answer)
    assert desk.open() == []
    assert len(pending(world)) == 1
    world.integrate()
    world.views.verify_log(world.signer.key)


def test_what_cannot_be_carried_out_stops_no_other_and_is_tried_again(world):
    broken = [ValueError("one review's own")]

    def faults(point: str) -> None:
        if point == "leaves" and broken:
            raise broken.pop()

    desk = Desk(world, faults=faults)
    free_text(world)
    free_text(world)
    first, second = sorted(one.id for one in desk.open())
    for number in (first, second):
        desk.answer(number, PERMIT)
    with pytest.raises(ValueError, match="own"):
        desk.settle()
    assert [desk.reviews.review(one).state for one in (first, second)] == [State.ANSWERED, State.PERMITTED]
    assert desk.settle() == 1
    assert len(pending(world)) == 2
    desk.close()


def test_a_denial_is_a_leaf_and_no_event(world, desk):
    free_text(world)
    review = desk.one()
    assert desk.answer(review.id, DENY).state is State.ANSWERED, "a no takes one person"
    assert desk.settle() == 1
    assert pending(world) == []
    told = desk.leaf(review.id)
    assert (told["state"], told["answer"], told["outcome"]) == ("denied", "deny", None)
    assert told["person"]["number"] in world.ledger.names


def test_only_the_fields_that_the_person_let_pass_go_out(world, desk):
    free_text(world)
    desk.answer(desk.one().id, PERMIT, fields=("forstaSjukdag",))
    assert desk.settle() == 1
    (event,) = pending(world)
    assert set(event["data"]["fields"]) == {"forstaSjukdag"}
    assert {"field": "sjuklonePeriodSlut", "reason": "FIELD_NOT_RELEASED"} in event["data"]["withheld"]


def test_what_nobody_answered_in_time_is_a_no_with_its_leaf(world, desk):
    free_text(world)
    review = desk.one()
    desk.do(review.id, Action.ANSWER, answer=PERMIT)
    world.travel(days=15)
    assert desk.do(review.id, Action.APPROVE, by="bo").refused
    assert desk.settle() == 1
    assert desk.settle() == 0
    assert pending(world) == []
    assert desk.reviews.review(review.id).state is State.EXPIRED
    assert desk.leaf(review.id)["state"] == "expired"
    assert desk.leaf(review.id)["by"] is None


def test_a_quarantined_message_takes_two_people_and_is_taken_in_without_what_may_not_come(world, desk):
    answer = forbidden(world)
    assert answer.code == "GW-PURPOSE-QUARANTINED"
    review = desk.one()
    assert (review.kind, review.four_eyes) == (Kind.QUARANTINE, True)
    assert desk.do(review.id, Action.ANSWER, answer=RELEASE).state is State.ASKED
    assert "another person" in desk.do(review.id, Action.APPROVE, by="anna").refused
    assert desk.settle() == 0
    assert desk.do(review.id, Action.APPROVE, by="bo").state is State.ANSWERED
    assert desk.settle() == 1
    (event,) = pending(world)
    assert "F32" not in str(event)
    assert len(world.views.messages()) == 1
    assert world.views.counts()["quarantine"] == 0
    world.integrate()
    world.views.verify_log(world.signer.key)


def test_a_record_of_a_released_message_may_be_permitted_still_without_what_may_not_come(world, desk):
    syfte, lag = "Handläggning av ärende enligt socialförsäkringsbalken", "110 kap. 31 § socialförsäkringsbalken"
    more = '<x:sjukdom xmlns:x="urn:x">F32</x:sjukdom>'
    world.send(AF, payloads.ersattningsstod(syfte=syfte, lag=lag, more=more))
    desk.answer(desk.one().id, RELEASE)
    assert desk.settle() == 1
    assert pending(world) == []
    review = desk.one()
    assert (review.kind, review.reasons) == (Kind.RECORD, ("BALANCING_TEST_OPEN", "MESSAGE_RELEASED"))
    desk.answer(review.id, PERMIT)
    assert desk.settle() == 1
    assert desk.reviews.review(review.id).state is State.PERMITTED
    (event,) = pending(world)
    assert "beslut" in event["data"]["fields"]
    assert "F32" not in str(event)


def test_a_message_that_was_resent_before_it_was_released_is_taken_in_once(world, desk):
    first = forbidden(world)
    world.resend(first)
    one, two = desk.open()
    for review in (one, two):
        desk.answer(review.id, RELEASE)
    assert desk.settle() == 2
    assert len(pending(world)) == 1
    assert len(world.views.messages()) == 1


def test_a_message_that_is_resent_after_it_was_released_gets_its_receipt_and_no_new_quarantine(world, desk):
    first = forbidden(world)
    desk.answer(desk.one().id, RELEASE)
    assert desk.settle() == 1
    again = world.resend(first)
    assert again.accepted.repeated
    assert again.receipt is not None
    assert desk.open() == []
    assert (len(pending(world)), world.views.counts()["quarantine"]) == (1, 0)


def test_destroyed_is_gone_from_the_file_and_the_leaf_stays(world, desk):
    forbidden(world)
    review = desk.one()
    desk.answer(review.id, DESTROY)
    session = SqlitePlace(world.store).open()
    (sealed,) = session.execute("SELECT sealed FROM quarantine").fetchone()
    (wrapped,) = session.execute("SELECT wrapped_key FROM refusals").fetchone()
    session.close()
    assert desk.settle() == 1
    raw = b"".join(file.read_bytes() for file in sorted(world.store.glob("gateway.db*")))
    assert bytes(sealed)[100:200] not in raw
    assert bytes(wrapped) not in raw
    assert pending(world) == []
    assert desk.leaf(review.id)["state"] == "destroyed"
    (refusal,) = world.views.refusals()
    assert world.rules.sealer.open(world.views.sealed_refusal(refusal.number), [world.views.at(refusal.position).hash])
    world.integrate()
    world.views.verify_log(world.signer.key)


def test_a_quarantine_that_expired_can_only_be_destroyed(world, desk):
    forbidden(world)
    world.travel(days=40)
    assert desk.settle() == 1
    review = desk.one()
    assert "REVIEW_EXPIRED" in review.reasons
    assert "destroyed" in desk.do(review.id, Action.ANSWER, answer=RELEASE).refused
    desk.answer(review.id, DESTROY)
    assert desk.settle() == 1
    assert world.views.counts()["quarantine"] == 0


# --- the law of now ---------------------------------------------------------------------------------------------------

FOLK = "skatteverket/folkbokforing"
MARKED = payloads.folkbokforing(marking="<Sekretessmarkering>J</Sekretessmarkering>")


def by_other_law(world, **changes):
    """The register as it is now: bases of employers' notices are changed."""
    configuration = world.configuration.model_copy(
        update={
            "bases": tuple(
                basis.model_copy(update=changes) if basis.contract == SJUK else basis
                for basis in world.configuration.bases
            )
        }
    )
    contracts = world.rules.contracts
    law = Law.build(configuration, contracts.kinds(), contracts.outgoing)
    world.rules = replace(world.rules, law=law)


def test_a_basis_that_has_ended_since_the_question_was_asked_still_stops_it(world, desk):
    free_text(world)
    review = desk.one()
    desk.answer(review.id, PERMIT)
    by_other_law(world, giltig_tom=world.clock.now().date() - timedelta(days=1))
    assert desk.settle() == 1
    assert pending(world) == []
    told = desk.leaf(review.id)
    assert (told["state"], told["answer"], told["outcome"]) == ("denied", "permit", "DENY")
    assert told["reasons"] == ["BASIS_EXPIRED"]
    assert desk.reviews.review(review.id).state is State.DENIED


def test_an_answer_about_one_text_of_a_paragraph_does_not_hold_for_the_next(world, desk):
    free_text(world)
    first = desk.one()
    desk.answer(first.id, PERMIT)
    configuration = world.configuration
    lagrum = tuple(row.model_copy(update={"version": f"{row.version}9"}) for row in configuration.lagrum)
    contracts = world.rules.contracts
    law = Law.build(configuration.model_copy(update={"lagrum": lagrum}), contracts.kinds(), contracts.outgoing)
    world.rules = replace(world.rules, law=law)
    assert desk.settle() == 1
    assert pending(world) == []
    assert desk.reviews.review(first.id).state is State.OVERTAKEN
    second = desk.one()
    assert (second.reasons, second.basis) == (first.reasons, first.basis)
    assert set(second.lagrum).isdisjoint(first.lagrum)
    desk.answer(second.id, PERMIT)
    assert desk.settle() == 1
    assert len(pending(world)) == 1


def test_a_person_who_is_protected_since_is_asked_about_anew_and_then_withheld(world, desk):
    free_text(world)
    first = desk.one()
    desk.answer(first.id, PERMIT)
    world.send(FOLK, MARKED)
    known = pending(world)
    assert desk.settle() == 1
    assert pending(world) == known, "an answer about somebody who was not known to be protected does not hold"
    assert desk.reviews.review(first.id).state is State.OVERTAKEN
    second = desk.one()
    assert set(second.reasons) == {"FREE_TEXT", "PERSON_PROTECTED"}
    assert desk.leaf(first.id)["left"] == ["FREE_TEXT", "PERSON_PROTECTED"]
    desk.answer(second.id, PERMIT)
    assert desk.settle() == 1
    event = pending(world)[-1]
    assert event["data"]["kind"] == "sjukanmalan"
    assert event["protection"] == "sekretessmarkering"
    assert "arbetsgivare" not in event["data"]["fields"], "a yes reveals nothing that protection withholds"


def test_a_question_that_nobody_was_asked_is_not_answered_by_another(world, desk):
    free_text(world)
    first = desk.one()
    desk.answer(first.id, PERMIT)
    by_other_law(world, referred=(Category.FRITEXT, Category.ARBETE), forbidden=())
    assert desk.settle() == 1
    state = desk.reviews.review(first.id).state
    if state is State.OVERTAKEN:
        assert "REFERRED_CATEGORY" in desk.one().reasons
        assert pending(world) == []
    else:
        pytest.fail(f"it is {state}")


def test_sealed_bytes_that_were_changed_are_nobodys_message(world, desk):
    free_text(world)
    desk.answer(desk.one().id, PERMIT)
    session = SqlitePlace(world.store).open()
    (sealed,) = session.execute("SELECT sealed FROM evidence").fetchone()
    changed = bytes(sealed[:-1]) + bytes([sealed[-1] ^ 1])
    with session.writing(Turn.JOURNAL):
        session.execute("UPDATE evidence SET sealed = ?", (changed,))
    with pytest.raises(IntegrityError, match="seal"):
        desk.settle()
    with session.writing(Turn.JOURNAL):
        session.execute("UPDATE evidence SET sealed = ?", (sealed,))
    session.close()
    assert desk.settle() == 1


POINTS = ("leaves", "records", "outbox", "review_steps", "commit", "committed")


@pytest.mark.parametrize("point", POINTS)
def test_killed_while_it_is_carried_out_the_event_goes_out_once(world, point):
    free_text(world)

    def fault(here):
        if here == point:
            raise CrashError(point)

    desk = Desk(world, faults=fault)
    desk.answer(desk.one().id, PERMIT)
    with pytest.raises(CrashError):
        desk.settle()
    desk.close()
    desk = Desk(world)
    assert desk.settle() == (point != "committed")
    assert len(pending(world)) == 1
    desk.close()
