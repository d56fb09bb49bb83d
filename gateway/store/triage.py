"""What people may do to a dead letter: pure rules, kept by `dead_letters.py`.

    open ──retry──▶ replayed      its event goes out again, to the one queue where it died
      │ ▲
     ask  withdraw, or 24 hours
      ▼ │
    asked ──approve──▶ discarded  by another person than who asked

Replayed or discarded, a letter keeps its facts, and loses its body and whose it is: the event has gone on, or is not to
be kept. What stays names no person.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.logs import redacted
from gateway.review import fingerprint

ASK_LASTS = timedelta(hours=24)
"""After which nobody approves any more what another day's colleague wanted gone."""
LONGEST = 200
"""Characters of a reason: a class of failure, or why somebody did something. Not a story about a person."""


class State(StrEnum):
    """Where a letter stands."""

    OPEN = "open"
    ASKED = "asked"
    """Somebody asked to discard it."""
    REPLAYED = "replayed"
    DISCARDED = "discarded"


class Action(StrEnum):
    """What is done to a letter."""

    READ = "read"
    """Somebody was shown the body."""
    RETRY = "retry"
    ASK = "ask"
    APPROVE = "approve"
    WITHDRAW = "withdraw"
    LAPSE = "lapse"
    """The ask was not answered in time."""


TRANSITIONS: Mapping[tuple[State, Action], State] = {
    (State.OPEN, Action.READ): State.OPEN,
    (State.OPEN, Action.RETRY): State.REPLAYED,
    (State.OPEN, Action.ASK): State.ASKED,
    (State.ASKED, Action.READ): State.ASKED,
    (State.ASKED, Action.WITHDRAW): State.OPEN,
    (State.ASKED, Action.LAPSE): State.OPEN,
    (State.ASKED, Action.APPROVE): State.DISCARDED,
}
"""Everything that may happen. What is not here is refused."""
JUDGED = frozenset({State.REPLAYED, State.DISCARDED})
"""Where nothing happens any more, and the body is gone."""
REASONED = frozenset({Action.READ, Action.RETRY, Action.ASK})
"""What is not done without saying why; for READ that is the purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a letter is, as it is found."""

    state: State
    asked_by: str | None
    asked_at: datetime | None
    """Both None unless it is ASKED."""
    asked: str | None = None
    """The fingerprint of that ask (`asked`)."""

    def lapsed(self, now: datetime) -> bool:
        """Tell whether it was asked for too long ago."""
        return self.state is State.ASKED and self.asked_at is not None and now >= self.asked_at + ASK_LASTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of judging one letter."""

    letter: int
    state: State | None
    """Where it stands now; None where there is no such letter."""
    refused: str = ""
    """Why nothing was done; empty where it was."""


def asked(by: str, role: str, reason: str, at: str) -> str:
    """Return what names an ask: all letters of one ask have the same."""
    return fingerprint(by, role, reason, at)


def after(standing: Standing, action: Action, by: str, seen: Collection[str] = ()) -> State | str:
    """Return the state that the action leads to, or why it is refused. An ask that lapsed must be OPEN by now.

    `seen`: the asks that whoever approves has seen. One that was withdrawn and asked anew is another.
    """
    following = TRANSITIONS.get((standing.state, action))
    if following is None:
        return _no(standing.state, action)
    if action is Action.APPROVE and standing.asked_by == by:
        return "who asked to discard it may not approve it: another person must"
    if action is Action.APPROVE and standing.asked not in seen:
        return "the ask is not the one you name: look at it again, and approve that if you agree"
    return following


def _no(state: State, action: Action) -> str:
    if state in JUDGED:
        return f"it is {state.value} already"
    match action:
        case Action.APPROVE | Action.WITHDRAW | Action.LAPSE:
            return "nobody asks to discard it, or the ask has lapsed"
        case _:
            return "somebody asked to discard it: withdraw that first"


def unfit(reason: str) -> str:
    """Tell what is wrong with a reason; empty where nothing is."""
    text = reason.strip()
    if not text:
        return "a reason is needed"
    if len(text) > LONGEST:
        return f"a reason has at most {LONGEST} characters"
    if not text.isprintable():
        return "a reason is one line of text"
    if redacted(text) != text:
        return (
            "a reason names no person: this holds what looks like a person's number, an address or a piece of an event"
        )
    return ""


def plain(text: str, longest: int = LONGEST) -> str:
    """Return text from outside as it may be stored: one printable line, not too long."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:longest])


def group_of(queue: str, kind: str, reason: str) -> str:
    """Return what letters that failed alike have in common: 16 hexadecimal digits."""
    alike = " ".join(_PARTICULAR.sub("#", reason.casefold()).split())
    return hashlib.sha256(f"{queue}\0{kind}\0{alike}".encode()).hexdigest()[:16]


_PARTICULAR = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]*\d[0-9a-f]*\b|\d+")
"""Ids, hashes and numbers: what differs between two failures of one kind."""
