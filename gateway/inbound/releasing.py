"""What people decided of what came in, carried out: from what waits and their answer, all that is committed with it.

Pure, as the path is; the bytes come out of their seal, and nothing else about the message is believed but what was
written down when it came.

1. Open the seal; the bytes are those whose digest was kept (of a quarantined message: whose hash is in the log).
2. Read them as they were read when they came: what was signed, by its contract. Signer and freshness were judged then.
3. Judge again by the law of now. What people answered is set aside and nothing else: a basis that has ended meanwhile
   denies, a person who is protected since is withheld or asked about anew, another question is another review.
4. Compose: the event, and the leaf that says who decided what in which role, by which paragraph and why.

A quarantined message that is released is walked as if it came now, less what may not come: that is not read into any
form (`purpose.lawful`). Its bytes move under the message's own seal; destroyed, they and their key are gone. In both
the refusal's own record is sealed anew, because its leaf stays.

What could not be released, or was not answered in time, stays sealed and is asked about again, to be destroyed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol, assert_never

from gateway import review
from gateway.audit import leaf
from gateway.audit import review as log
from gateway.dispatch import Queued
from gateway.errors import IntegrityError, RejectedError
from gateway.events import compose
from gateway.inbound import path, reading
from gateway.inbound.reading import Waiting
from gateway.message import (
    Decision,
    Event,
    Leaf,
    Learned,
    Outcome,
    Permitted,
    Person,
    Ready,
    Sealed,
    Valid,
)
from gateway.privacy import protected, purpose, referral
from gateway.review import Action, Answer, Answered, Kind, Opening, Said, State
from gateway.trust import pseudonym

_GONE: Final = review.EXPIRED


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One review settled, and all that is committed with it. Made here, pure, and written by `store`."""

    review: int
    follows: int
    action: Action
    after: State
    at: datetime
    leaf: Leaf = field(repr=False)
    sealed: Sealed = field(repr=False)
    """The leaf's hidden record."""
    events: tuple[Event, ...] = field(default=(), repr=False)
    learned: tuple[Learned, ...] = field(default=(), repr=False)
    opens: tuple[Opening, ...] = ()
    """What must be asked now, of the same, and about the same persons: the store knows them."""
    ready: Ready | None = field(default=None, repr=False)
    """A released message: accepted in this transaction, unless the same is accepted already."""
    rest: Sealed | None = field(default=None, repr=False)
    """The refusal's record under a new key; the quarantined bytes and their key are destroyed."""


class Releases(Protocol):
    """The store's side. Raises UnavailableError, and then nothing is done."""

    def answered(self, *, limit: int) -> Sequence[Waiting]:
        """Return what people have answered and is not carried out, the oldest first."""
        ...

    def expired(self, at: datetime, *, limit: int) -> Sequence[Waiting]:
        """Return what nobody has answered in time."""
        ...

    def write(self, done: Done) -> bool:
        """Commit it. False where another came in between. Raises ConflictError: another message has that id."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the way out knows of partners' answers to our questions."""

    read: Callable[[Waiting, path.Judging], tuple[Valid, Queued]]
    """Reads an answer again, and what it answers. Raises IntegrityError, RejectedError."""
    serves: Callable[[Queued, compose.Routes, Decision], None]
    """Holds the asker's queue to the labels. Raises RejectedError where it may not serve them any more."""


def settle(waiting: Waiting, rules: path.Judging, at: datetime, answers: Answers) -> Done:
    """Carry out what people answered; or, where they did not in time, the no that it is.

    Raises:
        IntegrityError: what waits is not what was committed.
        UnavailableError: we cannot judge for now.
    """
    said = waiting.said
    if said is None:
        return expire(waiting, rules, at)
    if waiting.sealed is None:  # destroyed since (gallring): there is nothing left to decide
        return _done(waiting, Action.OVERTAKE, rules, at)
    match said.answer:
        case Answer.PERMIT:
            return _permitted(waiting, said, rules, at, answers)
        case Answer.DENY:
            person = _whose(waiting, rules)
            return _done(waiting, Action.DENY, rules, at, person=person)
        case Answer.RELEASE:
            return _released(waiting, said, rules, at)
        case Answer.DESTROY:
            return _done(waiting, Action.DESTROY, rules, at, rest=_rest(waiting, rules))
        case _:
            assert_never(said.answer)


def expire(waiting: Waiting, rules: path.Judging, at: datetime) -> Done:
    """Settle what nobody answered in time: a no, and of a quarantined message one more question."""
    again: tuple[Opening, ...] = ()
    if waiting.kind is Kind.QUARANTINE and waiting.sealed is not None:
        again = (_again(waiting, rules, at),)
    return _done(waiting, Action.EXPIRE, rules, at, person=_whose(waiting, rules), opens=again)


def conflicting(waiting: Waiting, rules: path.Judging, at: datetime) -> Done:
    """Settle a release that cannot be: another message with that id has been accepted since."""
    return _done(waiting, Action.OVERTAKE, rules, at, left=(_GONE,), opens=(_again(waiting, rules, at),))


# --- a record ---------------------------------------------------------------------------------------------------------


def _permitted(waiting: Waiting, said: Said, rules: path.Judging, at: datetime, answers: Answers) -> Done:
    asked: Queued | None = None
    # 1. and 2.
    try:
        if waiting.kind is Kind.ANSWER:
            valid, asked = answers.read(waiting, rules)
        else:
            valid = reading.record(waiting, rules)
    except RejectedError as error:  # the contract is no more, or another: what was sent cannot be read by it
        return _done(waiting, Action.DENY, rules, at, person=_whose(waiting, rules), left=(error.code.name,))
    # 3.
    named = pseudonym.Named(rules.pseudonyms)
    permitted = purpose.again(
        valid,
        rules.law,
        rules.known(named),
        at=at,
        record=waiting.record,
        answered=Answered(
            reasons=_answered(waiting, said), fields=said.fields, basis=waiting.basis, lagrum=waiting.lagrum
        ),
        asked=None if asked is None else asked.command,
    )
    (decision,) = permitted.decisions
    learned = path.learned(decision, named.of(decision.person))
    # 4.
    match decision.outcome:
        case Outcome.PERMIT:
            return _passed(waiting, permitted, rules, at, learned=learned, asked=asked, answers=answers)
        case Outcome.DENY:
            return _done(waiting, Action.DENY, rules, at, person=decision.person, decision=decision, learned=learned)
        case Outcome.REFER:
            return _asked_anew(waiting, decision, rules, at, learned)
        case _:
            assert_never(decision.outcome)


def _passed(  # noqa: PLR0913  # the record, what was decided of it, and where it goes
    waiting: Waiting,
    permitted: Permitted,
    rules: path.Judging,
    at: datetime,
    *,
    learned: tuple[Learned, ...],
    asked: Queued | None,
    answers: Answers,
) -> Done:
    (decision,) = permitted.decisions
    routes = rules.routes
    if asked is not None:
        try:
            routes = routes.answering(asked.command.asker)
            answers.serves(asked, routes, decision)
        except (RejectedError, IntegrityError):  # the asker is no more, or its queue may not have it any more
            return _done(waiting, Action.DENY, rules, at, person=decision.person, decision=decision)
    entry = _leaf(waiting, State.PERMITTED, rules, at, person=decision.person, decision=decision)
    person = rules.pseudonyms.of(decision.person)
    related = tuple([rules.pseudonyms.of(one) for one in decision.related])
    event = compose.event(
        permitted, decision, pseudonym=person, leaf=entry.hash, routes=routes, asked=asked, related=related
    )
    return Done(
        review=waiting.number,
        follows=waiting.step,
        action=Action.PERMIT,
        after=State.PERMITTED,
        at=at,
        leaf=entry,
        sealed=rules.sealer.seal(b"", [entry]),
        events=(event,),
        learned=learned,
    )


def _answered(waiting: Waiting, said: Said) -> frozenset[str]:
    """Return the questions that a yes answers: what was asked, and of a protected person where the review had moved.

    Then another role than the one that was first asked has answered it, knowing that, and by two people.
    """
    moved = said.role not in {"", waiting.role} and said.second is not None
    return frozenset((*waiting.reasons, *((review.PROTECTED,) if moved else ())))


def _asked_anew(
    waiting: Waiting, decision: Decision, rules: path.Judging, at: datetime, learned: tuple[Learned, ...]
) -> Done:
    """Ask what is new, with what was asked before: whoever answers that answers for all of it."""
    asked = tuple(dict.fromkeys((*referral.questions(decision), *waiting.reasons)))
    opening = rules.referrals.opening(
        waiting.kind, asked, referral.of_record(decision, _origin(waiting, rules)), at, record=waiting.record
    )
    return _done(
        waiting,
        Action.OVERTAKE,
        rules,
        at,
        person=decision.person,
        decision=decision,
        left=asked,
        opens=(opening,),
        learned=learned,
    )


def _whose(waiting: Waiting, rules: path.Judging) -> Person | None:
    """Return whose record it is, out of the record of the leaf that says that it waits; None for a whole message."""
    if waiting.kind is Kind.QUARANTINE or waiting.sealed is None:
        return None
    _, records = reading.opened(waiting, rules.sealer)
    place = next(n for n, (_, hash_) in enumerate(waiting.leaves) if hash_ == waiting.about)
    return leaf.whose(records[place][1])


# --- a quarantined message --------------------------------------------------------------------------------------------


def _released(waiting: Waiting, said: Said, rules: path.Judging, at: datetime) -> Done:
    try:
        valid = reading.message(waiting, rules)
        if review.PROTECTED not in _answered(waiting, said) and protected.anybody(
            valid.records, rules.known(pseudonym.Named(rules.pseudonyms))
        ):
            return _protected_since(waiting, rules, at)
        ready = path.released(valid, rules, at)
    except RejectedError as error:
        left = (error.code.name,)
        return _done(waiting, Action.OVERTAKE, rules, at, left=left, opens=(_again(waiting, rules, at),))
    return _done(waiting, Action.RELEASE, rules, at, ready=ready, rest=_rest(waiting, rules))


def _protected_since(waiting: Waiting, rules: path.Judging, at: datetime) -> Done:
    """Ask anew, of those who handle protected identities: what was answered before anybody knew does not hold."""
    asked = (review.PROTECTED, *waiting.reasons)
    opening = rules.referrals.opening(Kind.QUARANTINE, asked, _origin(waiting, rules), at)
    return _done(waiting, Action.OVERTAKE, rules, at, left=asked, opens=(opening,))


def _rest(waiting: Waiting, rules: path.Judging) -> Sealed:
    """Seal the refusal's record anew, without the bytes."""
    _, ((salt, record),) = reading.opened(waiting, rules.sealer)
    ((entry, _),) = waiting.leaves
    return rules.sealer.seal(b"", [leaf.opened(entry, salt=salt, record=record, pseudonym=None)])


def _again(waiting: Waiting, rules: path.Judging, at: datetime) -> Opening:
    """Ask what becomes of bytes that cannot be released any more: they may be destroyed."""
    reasons = tuple(dict.fromkeys((_GONE, *waiting.reasons)))
    return rules.referrals.opening(Kind.QUARANTINE, reasons, _origin(waiting, rules), at)


# --- both -------------------------------------------------------------------------------------------------------------


def _origin(waiting: Waiting, rules: path.Judging) -> referral.Origin:
    return referral.Origin(
        partner=waiting.partner,
        organisation=waiting.organisation,
        contract=waiting.contract,
        policy=rules.law.policy,
    )


def _done(  # noqa: PLR0913  # all that may be committed with it
    waiting: Waiting,
    action: Action,
    rules: path.Judging,
    at: datetime,
    *,
    person: Person | None = None,
    decision: Decision | None = None,
    left: tuple[str, ...] = (),
    opens: tuple[Opening, ...] = (),
    learned: tuple[Learned, ...] = (),
    ready: Ready | None = None,
    rest: Sealed | None = None,
) -> Done:
    after = review.TRANSITIONS[waiting.state, action]
    entry = _leaf(waiting, after, rules, at, person=person, decision=decision, left=left)
    return Done(
        review=waiting.number,
        follows=waiting.step,
        action=action,
        after=after,
        at=at,
        leaf=entry,
        sealed=rules.sealer.seal(b"", [entry]),
        opens=opens,
        learned=learned,
        ready=ready,
        rest=rest,
    )


def _leaf(  # noqa: PLR0913  # each is a fact of the leaf
    waiting: Waiting,
    state: State,
    rules: path.Judging,
    at: datetime,
    *,
    person: Person | None,
    decision: Decision | None = None,
    left: tuple[str, ...] = (),
) -> Leaf:
    outcome = log.Outcome(
        number=waiting.number,
        kind=waiting.kind,
        state=state,
        asked=waiting.reasons,
        role=waiting.role if waiting.said is None else waiting.said.role or waiting.role,
        laws=waiting.laws,
        said=waiting.said,
        partner=waiting.partner,
        organisation=waiting.organisation,
        contract=waiting.contract,
        record=waiting.record,
        reference=waiting.reference,
        about=waiting.about,
        at=at,
        decision=decision,
        left=left,
    )
    return log.settled(
        outcome,
        person=person,
        policy=rules.law.policy,
        pseudonym=None if person is None else rules.pseudonyms.of(person),
        salt=rules.random(leaf.SALT),
    )
