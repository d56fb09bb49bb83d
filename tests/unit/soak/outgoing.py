"""Books of what a small soak sent and asked, in which all is well, to be spoiled one thing at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.cli.demo.farsides.books import Entry
from gateway.cli.demo.persons import PERSONNUMMER
from gateway.outbound import states
from gateway.outbound.states import Happening, State
from ops.soak.abroad import Meant
from ops.soak.disclosed import Books, Kept, Moved, Told, reconcile
from ops.soak.errands import AF, AKASSA, EMPLOYER, NAVET, NEVER, READER, Errand, Fate, Leg, Way
from ops.soak.givers import Given
from ops.soak.reconcile import Handled

ANSWERS, SUMMONS, CONTROL = "svar.aktivitetsstod", "svar.rehabilitering", "svar.kontroll"
_H = Happening
SENT = (_H.COMPOSE, _H.BEGIN)
LIVES: dict[str, tuple[str, Fate, Sequence[Happening]]] = {
    "asked": (NAVET, Fate.ANSWERED, (*SENT, _H.ANSWER)),
    "lost": (AF, Fate.ANSWERED, (*SENT, _H.LOSE, _H.BEGIN, _H.ANSWER)),
    "refused": (EMPLOYER, Fate.REFUSED, (*SENT, _H.REFUSE)),
    "unresolved": (EMPLOYER, Fate.REFUSED, (*SENT, _H.LOSE, _H.BEGIN, _H.REFUSE)),
    "spoilt": (AKASSA, Fate.SPOILT, (*SENT, _H.SPOIL)),
    "read": (READER, Fate.READ, (_H.COMPOSE, _H.DEPOSIT, _H.FETCH, _H.ACKNOWLEDGE)),
    "unread": (NEVER, Fate.UNREAD, (_H.COMPOSE, _H.DEPOSIT, _H.EXPIRE)),
    "denied": (AKASSA, Fate.DENIED, (_H.DENY,)),
}
"""Dispatch -> whose, what becomes of it, and how it came there."""
PROCESSED = {"asked", "lost", "spoilt", "read"}
SEEN = {"asked": 1, "lost": 2, "refused": 1, "unresolved": 1, "spoilt": 1, "read": 1}
EVENTS = {"asked": ("asked-event",), "lost": ("lost-event",)}


def meant(name: str) -> Meant:
    place, fate, _ = LIVES[name]
    errand = Errand(
        name=f"command-{name}",
        asker="rehabilitering",
        verb="send",
        what="summons",
        person=PERSONNUMMER[0],
        legs=(Leg(place=place, fate=fate),),
        ways=(Way.QUEUE,),
    )
    return Meant(dispatch=name, errand=errand, leg=errand.legs[0])


def kept(name: str) -> Kept:
    steps, state = [], State.QUEUED
    for happening in LIVES[name][2]:
        after = states.after(state, happening)
        digest = f"content-{name}" if happening is Happening.COMPOSE else None
        steps.append(Moved(before=state, happening=happening, after=after, digest=digest))
        state = after
    leaves = {"decision": 1} if name == "denied" else {"intent": 1, "end": 1}
    return Kept(
        id=name,
        state=state,
        code=None if state is State.DELIVERED else "GW-OUT",
        attempts=sum(step.happening is Happening.BEGIN for step in steps),
        first_failure=None,
        steps=tuple(steps),
        leaves=Counter(leaves),
        receipt="",
    )


def told(name: str) -> Told:
    one = kept(name)
    return Told(
        event=f"{name}-outcome",
        dispatch=name,
        state=one.state,
        code=one.code,
        attempts=one.attempts,
        first_failure=None,
        events=EVENTS.get(name, ()),
    )


def entry(name: str) -> Entry:
    return Entry(seen=SEEN[name], processed=int(name in PROCESSED), digests=frozenset({f"content-{name}"}))


def handled(event: str) -> Handled:
    return Handled(event=event, queue=ANSWERS, subject="person", digest="", replay_of=None)


def good() -> Books:
    partners: dict[str, dict[str, Entry]] = {NAVET: {}, AF: {}, EMPLOYER: {}, AKASSA: {}, READER: {}}
    for name in SEEN:
        partners[LIVES[name][0]][name] = entry(name)
    events = [one for name in LIVES for one in (*EVENTS.get(name, ()), f"{name}-outcome")]
    return Books(
        meant=[meant(name) for name in LIVES],
        given=[Given(name=f"command-{name}", way=Way.QUEUE, times=1, taken=True) for name in LIVES],
        kept=[kept(name) for name in LIVES],
        partners=partners,
        turned_away=dict.fromkeys(partners, ()) | {AF: ("GW-TIME-FUTURE",)},
        odd=[],
        told=[told(name) for name in LIVES],
        handled=[handled(one) for one in events],
        letters=[],
    )


def spoiled(change: Callable[[Books], Books]) -> dict[str, list[str]]:
    """Return what the rules that fail say, by their names."""
    return {check.name.partition(":")[0]: check.wrong for check in reconcile(change(good())) if not check.holds}


def other(books: Books, name: str, **changes: object) -> Books:
    """Have the store say something else of a dispatch."""
    return replace(books, kept=[replace(one, **changes) if one.id == name else one for one in books.kept])


def seen(books: Books, name: str, place: str | None = None, **changes: object) -> Books:
    """Have a partner say something else of a message."""
    where = place or LIVES[name][0]
    there = books.partners[where]
    made = replace(there.get(name, Entry(seen=1, digests=frozenset({f"content-{name}"}))), **changes)
    return replace(books, partners={**books.partners, where: {**there, name: made}})
