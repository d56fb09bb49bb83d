"""What waits for a person, and who answers it: pure forms and rules (standard library only).

A *review* is opened in the transaction that commits what waits. It says what kind of thing it is, where it came from or
goes, and the question: the reasons that nobody but a person may set aside. What is asked about stays sealed where it
is. Which role answers, whether it takes two people and how long it waits is data (`config/law/reviews.toml`).

    open ──answer───────────────▶ answered ──▶ permitted | denied | released | destroyed
      │ ▲                            ▲                (carried out, with its leaf)
     ask  withdraw, or 24 hours      │
      ▼ │                            │
    asked ──approve, by another──────┘

An open or asked review whose time is out has `expired`: that is a no, with its leaf. It is `overtaken` where what
waited ended otherwise, or where something new must be asked first. So nothing passes unless a person of the role has
said so, and nothing that takes two passes by one; time alone lets nothing pass.

Who approves says which answer that is, by its fingerprint: one that was withdrawn meanwhile and answered otherwise is
another. A review whose person has become protected since it was asked is for those who handle protected identities from
that moment (`moved`), and an answer that others asked approval of before then is none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, assert_never

ASK_LASTS = timedelta(hours=24)
"""After which nobody approves any more what another day's colleague wanted (as for dead letters)."""
PROTECTED = "PERSON_PROTECTED"
"""A question beside the reasons of a decision: the person is protected, so its own group answers (OSL 21 kap. 3 §)."""
QUARANTINE = "QUARANTINE"
"""The question of a message with data that may not come this way."""
RELEASED = "MESSAGE_RELEASED"
"""Beside the questions of a record whose message was quarantined and released: it holds what may not come, and only
what a basis names is judged of it, then as later."""
EXPIRED = "REVIEW_EXPIRED"
"""Nobody answered in time. Of a quarantine that is a question of its own: it may only be destroyed then."""


class Kind(StrEnum):
    """What waits."""

    RECORD = "record"
    """One record of a message that came in."""
    ANSWER = "answer"
    """One record of a partner's answer to our question."""
    QUARANTINE = "quarantine"
    """A whole message, refused and sealed apart."""
    DISPATCH = "dispatch"
    """What one of our own systems wants sent or asked."""


class Answer(StrEnum):
    """What a person decides."""

    PERMIT = "permit"
    DENY = "deny"
    RELEASE = "release"
    """Take a quarantined message in, without what may not come."""
    DESTROY = "destroy"
    """Destroy a quarantined message and its key."""


class State(StrEnum):
    """Where a review stands."""

    OPEN = "open"
    ASKED = "asked"
    """One person has answered, and another must agree."""
    ANSWERED = "answered"
    """Answered, and not carried out yet."""
    PERMITTED = "permitted"
    DENIED = "denied"
    RELEASED = "released"
    DESTROYED = "destroyed"
    EXPIRED = "expired"
    OVERTAKEN = "overtaken"


class Action(StrEnum):
    """What is done to a review. The first six are people's, the others are the gateway's."""

    READ = "read"
    """Somebody was shown the content."""
    ANSWER = "answer"
    ASK = "ask"
    """An answer that another person must agree to."""
    APPROVE = "approve"
    WITHDRAW = "withdraw"
    LAPSE = "lapse"
    """The ask was not approved in time."""
    PERMIT = "permit"
    DENY = "deny"
    RELEASE = "release"
    DESTROY = "destroy"
    EXPIRE = "expire"
    OVERTAKE = "overtake"


_S, _A = State, Action
TRANSITIONS: Mapping[tuple[State, Action], State] = {
    (_S.OPEN, _A.READ): _S.OPEN,
    (_S.OPEN, _A.ANSWER): _S.ANSWERED,
    (_S.OPEN, _A.ASK): _S.ASKED,
    (_S.OPEN, _A.EXPIRE): _S.EXPIRED,
    (_S.OPEN, _A.OVERTAKE): _S.OVERTAKEN,
    (_S.ASKED, _A.READ): _S.ASKED,
    (_S.ASKED, _A.APPROVE): _S.ANSWERED,
    (_S.ASKED, _A.WITHDRAW): _S.OPEN,
    (_S.ASKED, _A.LAPSE): _S.OPEN,
    (_S.ASKED, _A.EXPIRE): _S.EXPIRED,
    (_S.ASKED, _A.OVERTAKE): _S.OVERTAKEN,
    (_S.ANSWERED, _A.PERMIT): _S.PERMITTED,
    (_S.ANSWERED, _A.DENY): _S.DENIED,
    (_S.ANSWERED, _A.RELEASE): _S.RELEASED,
    (_S.ANSWERED, _A.DESTROY): _S.DESTROYED,
    (_S.ANSWERED, _A.OVERTAKE): _S.OVERTAKEN,
}
"""Everything that may happen. What is not here is refused."""
FINAL = frozenset(State) - {state for state, _ in TRANSITIONS}
"""Nothing happens to these any more."""
WAITING = frozenset({State.OPEN, State.ASKED})
"""A person must do something."""
UNSETTLED = frozenset({State.OPEN, State.ASKED, State.ANSWERED})
ENDS: Mapping[Answer, frozenset[Action]] = {
    Answer.PERMIT: frozenset({Action.PERMIT, Action.DENY, Action.OVERTAKE}),
    Answer.DENY: frozenset({Action.DENY, Action.OVERTAKE}),
    Answer.RELEASE: frozenset({Action.RELEASE, Action.OVERTAKE}),
    Answer.DESTROY: frozenset({Action.DESTROY, Action.OVERTAKE}),
}
"""What may come of an answer: a yes may be a no after all, for the law of now is asked again; a no is never a yes."""


def answers(kind: Kind) -> frozenset[Answer]:
    """Return what may be answered."""
    match kind:
        case Kind.QUARANTINE:
            return frozenset({Answer.RELEASE, Answer.DESTROY})
        case Kind.RECORD | Kind.ANSWER | Kind.DISPATCH:
            return frozenset({Answer.PERMIT, Answer.DENY})
        case _:
            assert_never(kind)


class Concerned(NamedTuple):
    """Somebody whom what waits is about: forgotten with the review's end."""

    record: int
    """The record's position; 0 where it is no record."""
    person: str
    """The pseudonym."""
    own: bool
    """Whether the record is that person's; else it names him or her."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A review to be opened with what is committed. Made by `privacy.referral`."""

    kind: Kind
    leaf: int
    """Which of the leaves committed with it says that it waits, from 0."""
    record: int | None
    """The record's position in its message; None where the whole of it waits."""
    partner: str
    """Where it came from, or goes."""
    organisation: str
    """Empty where nobody knows it."""
    contract: str
    information: str
    """The information type; empty for a whole message."""
    basis: str | None
    lagrum: tuple[str, ...]
    """`id@version` of what it was judged by."""
    policy: str
    """Hex SHA-256 of the law that could not decide."""
    reasons: tuple[str, ...]
    """The question, by its codes."""
    role: str
    """Who answers."""
    four_eyes: bool
    """A yes takes two people."""
    balancing: bool
    """A yes names the written balancing of interests (`record_balancing_note`)."""
    laws: tuple[str, ...]
    """Why that role, and those two: ids of paragraphs."""
    opened_at: datetime
    expires_at: datetime
    persons: tuple[Concerned, ...] = field(default=(), repr=False)
    """Everybody it is about: whether one of them is protected is asked whenever somebody looks or answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What people answered, as it is carried out and goes into the log."""

    answer: Answer
    by: str
    """Who answered first."""
    second: str | None
    """Who agreed, where it took two."""
    reason: str
    note: str | None
    """The reference of a written balancing."""
    fields: frozenset[str] | None
    """What may pass; None: all that may by law."""
    at: datetime
    role: str = ""
    """As whom; another role than the review's where that had moved (`Standing.moved`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Questions that people have said yes to: set aside when it is judged again. Nothing else is."""

    reasons: frozenset[str] = frozenset()
    fields: frozenset[str] | None = None
    """What may pass; None: all that may by law."""
    basis: str | None = None
    """The basis that they were asked about: by another, nothing has been answered."""
    lagrum: tuple[str, ...] | None = None
    """Its paragraphs then, `id@version`: by another text nothing has been answered either. None: whatever they are."""

    def passes(self, field: str) -> bool:
        """Tell whether a field may pass, as far as people have said."""
        return self.fields is None or field in self.fields

    def also(self, other: Answered) -> Answered:
        """Return both together: more questions answered, and only fields that pass by both."""
        if self.fields is None or other.fields is None:
            fields = other.fields if self.fields is None else self.fields
        else:
            fields = self.fields & other.fields
        return Answered(reasons=self.reasons | other.reasons, fields=fields, basis=other.basis, lagrum=other.lagrum)


NOTHING = Answered()
OTHER = "the answer that waits is not the one you name: look at it again, and approve that if you agree"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a review is, as it is found."""

    kind: Kind
    state: State
    role: str
    four_eyes: bool
    balancing: bool
    reasons: tuple[str, ...]
    expires_at: datetime
    asked_by: str | None
    asked_at: datetime | None
    """Both None unless it is ASKED."""
    asked: str | None = None
    """The fingerprint of that answer (`fingerprint`)."""
    asked_role: str | None = None
    """As whom it was answered."""

    def lapsed(self, now: datetime) -> bool:
        """Tell whether it was asked too long ago."""
        return self.state is State.ASKED and self.asked_at is not None and now >= self.asked_at + ASK_LASTS

    def moved(self, role: str) -> Standing:
        """Return it as it stands once its person is protected: for those who handle that, and a yes takes two."""
        return replace(self, role=role, four_eyes=True)

    def two(self, answer: Answer) -> bool:
        """Tell whether this answer takes two people: a no to a record or a dispatch lets nothing pass."""
        return self.kind is Kind.QUARANTINE or (self.four_eyes and answer is Answer.PERMIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What somebody wants to do."""

    action: Action
    """READ, ANSWER (which becomes ASK where it takes two), APPROVE or WITHDRAW."""
    by: str
    roles: Collection[str]
    """Those that the person has."""
    at: datetime
    answer: Answer | None = None
    reason: str = ""
    note: str | None = None
    fields: frozenset[str] | None = None
    seen: Collection[str] = ()
    """Fingerprints of the answers that whoever APPROVEs has seen."""


def fingerprint(*said: str | int | None) -> str:
    """Return what names one answer that waits for approval: 16 hexadecimal digits of everything it says."""
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def after(standing: Standing, act: Act) -> tuple[Action, State] | str:
    """Return what is then written and the state it leads to, or why it is refused.

    An ask that lapsed must be OPEN by now. Who asked may withdraw, and so may any other of the role.
    """
    action = act.action
    if action is Action.ANSWER and act.answer is not None and standing.two(act.answer):
        action = Action.ASK
    following = TRANSITIONS.get((standing.state, action))
    wrong = _no(standing, act, following)
    if wrong or following is None:
        return wrong
    return action, following


def _no(standing: Standing, act: Act, following: State | None) -> str:
    if standing.role not in act.roles:
        return f"it is for {standing.role} to answer, and {act.by or 'nobody'} is not of that role"
    if standing.state not in WAITING:
        return f"it is {standing.state} already"
    if act.at >= standing.expires_at:
        return "its time is out: it counts as a no"
    if following is None:
        return _unasked(standing, act)
    return _unfit(standing, act) if act.action is Action.ANSWER else _unseen(standing, act)


def _unseen(standing: Standing, act: Act) -> str:
    if act.action is not Action.APPROVE:
        return ""
    if standing.asked_by == act.by:
        return "who answered it may not approve the answer: another person must"
    if standing.asked_role not in {None, standing.role}:
        return (
            f"{standing.asked_role} answered it before anybody knew that the person is protected: withdraw that, and "
            f"{standing.role} answers anew"
        )
    if standing.asked is None or standing.asked not in act.seen:
        return OTHER
    return ""


def _unasked(standing: Standing, act: Act) -> str:
    if act.action in {Action.APPROVE, Action.WITHDRAW}:
        return "nobody has answered it, or the answer has lapsed"
    return f"{standing.asked_by} has answered it: approve that, or withdraw it first"


def _unfit(standing: Standing, act: Act) -> str:
    if act.answer is None or act.answer not in answers(standing.kind):
        fit = " or ".join(sorted(answers(standing.kind)))
        return f"a {standing.kind} is answered by {fit}"
    if act.answer is Answer.RELEASE and EXPIRED in standing.reasons:
        return "its time to be released is out: it may be destroyed"
    if standing.balancing and act.answer is Answer.PERMIT and not (act.note or "").strip():
        return "the balancing of interests is written down, and the answer names it"
    return ""
