"""What people are asked of a dispatch, and the leaf of what they answered.

A dispatch that waits has one review at a time, and whatever ends its waiting ends that: a person's yes or no, time, or
whoever takes it back. The leaf is written in the same step. A yes lets the dispatch be judged again; only a question
that nobody has answered can then stop it for people once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from gateway.audit import leaf, review
from gateway.dispatch import Queued
from gateway.message import Decision, Leaf, Outcome, Permitted
from gateway.outbound.ports import Asked, Held
from gateway.outbound.rules import Rules
from gateway.outbound.states import Happening
from gateway.privacy import referral
from gateway.review import TRANSITIONS, Action, Answer, Kind, Opening, State


def opening(queued: Queued, decision: Decision, held: Held, rules: Rules, at: datetime) -> Opening:
    """Return the review of a dispatch that the law leaves to a person: what is not answered, or not any more."""
    origin = referral.Origin(
        partner=queued.recipient.partner,
        organisation=rules.named(queued) or "",
        contract=queued.command.contract,
        information=decision.kind,
        basis=decision.basis,
        lagrum=decision.lagrum,
        policy=rules.law.policy,
    )
    questions = referral.left(held.answered, decision)
    persons = referral.concerned(0, queued.command.person, (), rules.pseudonyms.of)
    return rules.referrals.opening(Kind.DISPATCH, questions, origin, at, until=held.expires, persons=persons)


def of_answer(permitted: Permitted, rules: Rules, at: datetime) -> Iterator[Opening]:
    """Yield what a person is asked of each record of an answer that is REFERred."""
    source = permitted.provenance
    origin = referral.Origin(
        partner=source.partner, organisation=source.organisation, contract=source.contract, policy=permitted.policy
    )
    for place, decision in enumerate(permitted.decisions, start=1):  # the first leaf is the dispatch's own
        if decision.outcome is Outcome.REFER:
            origin_ = referral.of_record(decision, origin)
            questions = referral.questions(decision)
            persons = referral.concerned(decision.record, decision.person, decision.related, rules.pseudonyms.of)
            yield rules.referrals.opening(
                Kind.ANSWER, questions, origin_, at, leaf=place, record=decision.record, persons=persons
            )


def settling(asked: Asked, happening: Happening) -> tuple[Action, State]:
    """Return what a transition of the dispatch does to its review, and where that stands then."""
    said = asked.said
    match happening:
        case Happening.PERMIT:
            action = Action.PERMIT
        case Happening.DENY if said is not None and said.answer is Answer.DENY:
            action = Action.DENY
        case Happening.DENY | Happening.EXPIRE if said is None:
            action = Action.EXPIRE
        case _:
            action = Action.OVERTAKE
    return action, TRANSITIONS[State.OPEN if said is None else State.ANSWERED, action]


def leaf_of(queued: Queued, asked: Asked, state: State, rules: Rules, at: datetime) -> Leaf:
    """Make the leaf of what became of a dispatch's review."""
    outcome = review.Outcome(
        number=asked.number,
        kind=Kind.DISPATCH,
        state=state,
        asked=asked.reasons,
        role=asked.role if asked.said is None else asked.said.role or asked.role,
        laws=asked.laws,
        said=asked.said,
        partner=queued.recipient.partner,
        organisation=rules.named(queued) or "",
        contract=queued.command.contract,
        record=None,
        reference=queued.dispatch,
        about=asked.leaf,
        at=at,
    )
    person = queued.command.person
    return review.settled(
        outcome,
        person=person,
        policy=rules.law.policy,
        pseudonym=rules.pseudonyms.of(person),
        salt=rules.random(leaf.SALT),
    )
