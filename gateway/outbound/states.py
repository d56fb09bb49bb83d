"""The life of a dispatch, as a table: what may happen in each state, and what state then follows. Nothing else may.

Uncertain is a state. An attempt whose message may have arrived is never called failed: it is resolved by sending the
same id again, which a partner that had it knows, or by a person who asked the partner. What happens to the second
attempt does not tell what happened to the first: after `uncertain`, no connection is still uncertain, and a refusal is
not known to be about the first. So only a verified answer ends it, or a person.

    queued       ours; nothing is decided
    referred     waits for a person (`gateway.review`); never released by itself
    composed     permitted, content fixed, and the intent to disclose is in the log
    sending      an attempt has begun; found at start, it means that we died in it
    waiting      has certainly not happened; another attempt is due
    uncertain    may have happened; the same id is due again
    resending    an attempt after uncertain
    deposited    waits in the partner's mailbox
    fetched      the partner has it, and has not acknowledged

Final: `delivered`, `denied`, `withdrawn`, `expired` (nothing was disclosed), `refused`, `unusable`. `unresolved` is
final for the machine: time is out, and only a person can say what became of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from gateway.errors import IntegrityError


class State(StrEnum):
    """Where a dispatch is."""

    QUEUED = "queued"
    REFERRED = "referred"
    COMPOSED = "composed"
    SENDING = "sending"
    WAITING = "waiting"
    UNCERTAIN = "uncertain"
    RESENDING = "resending"
    DEPOSITED = "deposited"
    FETCHED = "fetched"
    UNRESOLVED = "unresolved"
    DELIVERED = "delivered"
    DENIED = "denied"
    REFUSED = "refused"
    UNUSABLE = "unusable"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class Happening(StrEnum):
    """What happens to a dispatch."""

    COMPOSE = "compose"
    """Permitted and composed: committed with the leaf of the intent."""
    REFER = "refer"
    PERMIT = "permit"
    """A person has answered yes: it is judged again, with what was answered set aside."""
    DENY = "deny"
    """By the law, by a person, or because nobody answered in time."""
    BEGIN = "begin"
    """An attempt begins: committed before a byte leaves."""
    DEPOSIT = "deposit"
    """Signed, sealed and laid in the mailbox."""
    FETCH = "fetch"
    ACKNOWLEDGE = "acknowledge"
    ANSWER = "answer"
    """A verified receipt or answer."""
    REFUSE = "refuse"
    """The far side's final no."""
    SPOIL = "spoil"
    """A verified answer that breaks its contract, or that we may not receive."""
    POSTPONE = "postpone"
    """This attempt has certainly not happened."""
    LOSE = "lose"
    """This attempt may have happened."""
    EXPIRE = "expire"
    WITHDRAW = "withdraw"
    """By whoever asked, or an operator."""
    CONFIRM = "confirm"
    """A person has asked the partner: it has it."""
    DISPROVE = "disprove"
    """A person has asked the partner: it does not have it."""


_S, _H = State, Happening
TRANSITIONS: dict[tuple[State, Happening], State] = {
    (_S.QUEUED, _H.COMPOSE): _S.COMPOSED,
    (_S.QUEUED, _H.REFER): _S.REFERRED,
    (_S.QUEUED, _H.DENY): _S.DENIED,
    (_S.QUEUED, _H.EXPIRE): _S.EXPIRED,
    (_S.QUEUED, _H.WITHDRAW): _S.WITHDRAWN,
    (_S.REFERRED, _H.PERMIT): _S.QUEUED,
    (_S.REFERRED, _H.DENY): _S.DENIED,
    (_S.REFERRED, _H.EXPIRE): _S.EXPIRED,
    (_S.REFERRED, _H.WITHDRAW): _S.WITHDRAWN,
    (_S.COMPOSED, _H.BEGIN): _S.SENDING,
    (_S.COMPOSED, _H.DEPOSIT): _S.DEPOSITED,
    (_S.COMPOSED, _H.EXPIRE): _S.EXPIRED,
    (_S.COMPOSED, _H.WITHDRAW): _S.WITHDRAWN,
    (_S.SENDING, _H.ANSWER): _S.DELIVERED,
    (_S.SENDING, _H.REFUSE): _S.REFUSED,
    (_S.SENDING, _H.SPOIL): _S.UNUSABLE,
    (_S.SENDING, _H.POSTPONE): _S.WAITING,
    (_S.SENDING, _H.LOSE): _S.UNCERTAIN,
    (_S.WAITING, _H.BEGIN): _S.SENDING,
    (_S.WAITING, _H.EXPIRE): _S.EXPIRED,
    (_S.WAITING, _H.WITHDRAW): _S.WITHDRAWN,
    (_S.UNCERTAIN, _H.BEGIN): _S.RESENDING,
    (_S.UNCERTAIN, _H.EXPIRE): _S.UNRESOLVED,
    (_S.UNCERTAIN, _H.CONFIRM): _S.DELIVERED,
    (_S.UNCERTAIN, _H.DISPROVE): _S.WAITING,
    (_S.RESENDING, _H.ANSWER): _S.DELIVERED,
    (_S.RESENDING, _H.SPOIL): _S.UNUSABLE,
    (_S.RESENDING, _H.REFUSE): _S.UNRESOLVED,
    (_S.RESENDING, _H.POSTPONE): _S.UNCERTAIN,
    (_S.RESENDING, _H.LOSE): _S.UNCERTAIN,
    (_S.UNRESOLVED, _H.CONFIRM): _S.DELIVERED,
    (_S.UNRESOLVED, _H.DISPROVE): _S.EXPIRED,
    (_S.DEPOSITED, _H.FETCH): _S.FETCHED,
    (_S.DEPOSITED, _H.EXPIRE): _S.EXPIRED,
    (_S.DEPOSITED, _H.WITHDRAW): _S.WITHDRAWN,
    (_S.FETCHED, _H.FETCH): _S.FETCHED,
    (_S.FETCHED, _H.ACKNOWLEDGE): _S.DELIVERED,
    (_S.FETCHED, _H.EXPIRE): _S.UNRESOLVED,
}
"""The whole of it."""

BEGIN = State.QUEUED
FINAL = frozenset(State) - {state for state, _ in TRANSITIONS}
"""Nothing happens to these any more."""
DUE = frozenset({State.QUEUED, State.COMPOSED, State.WAITING, State.UNCERTAIN})
"""What a dispatcher looks for."""
UNSENT = frozenset({State.COMPOSED, State.WAITING})
"""Permitted some time ago, and certainly not with anybody yet: judged once more before it goes."""
IN_FLIGHT = frozenset({State.SENDING, State.RESENDING})
"""Found at start, the attempt is lost: it may have happened."""
ENDED = FINAL | {State.UNRESOLVED}
"""Whoever asked is told."""
UNDISCLOSED = frozenset({State.DENIED, State.EXPIRED, State.WITHDRAWN})
"""Ends in which the recipient has certainly got nothing."""


def after(state: State, happening: Happening) -> State:
    """Return the state that follows. Raises IntegrityError where this may not happen in this state."""
    follows = TRANSITIONS.get((state, happening))
    if follows is None:
        raise IntegrityError(f"a dispatch that is {state} cannot {happening}")
    return follows


def drawn() -> Iterator[str]:
    """Yield the table as a Mermaid state diagram, for the guides."""
    yield "stateDiagram-v2"
    yield f"    [*] --> {BEGIN}"
    for (state, happening), follows in TRANSITIONS.items():
        yield f"    {state} --> {follows}: {happening}"
    for state in State:
        if state in FINAL:
            yield f"    {state} --> [*]"
