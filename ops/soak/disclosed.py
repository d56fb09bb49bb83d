"""What was commanded against what became of it: pure, and every rule of it can fail (`tests/unit/soak`).

The same seed gives the same table. Four books that know nothing of each other are laid side by side: what was meant
(from the seed alone), the store with its log, the partners' own, and what the askers were told. A dispatch that is
`unresolved` is accounted for: only where its partner refused it after an attempt that may have happened.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.audit.leaf import Kind
from gateway.cli.demo.farsides.books import Entry
from gateway.outbound import states
from gateway.outbound.states import Happening, State
from ops.soak.abroad import Meant
from ops.soak.errands import ENDS, Fate
from ops.soak.givers import Given
from ops.soak.reconcile import Check, Handled, Letter


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One step of a timeline."""

    before: State
    happening: Happening
    after: State
    code: str | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A dispatch, as the store has it."""

    id: str
    state: State
    code: str | None
    attempts: int
    first_failure: str | None
    steps: tuple[Moved, ...]
    leaves: Counter[str]
    """Of the log, by kind."""
    receipt: str
    """What is wrong with the sealed answer, or that there is none; empty where the partner's signature holds on it."""

    def did(self, happening: Happening) -> bool:
        """Tell whether this ever happened to it."""
        return any(step.happening is happening for step in self.steps)

    @property
    def content(self) -> str | None:
        """Digest of what was permitted, if anything was."""
        return next((step.digest for step in self.steps if step.happening is Happening.COMPOSE), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An outcome, as a consumer of the asker's queue handled it."""

    event: str
    dispatch: str
    state: str
    code: str | None
    attempts: int
    first_failure: str | None
    events: tuple[str, ...]
    """Ids of the answer's events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Everything that is known in the end of what went out."""

    meant: Sequence[Meant]
    given: Sequence[Given]
    kept: Sequence[Kept]
    partners: Mapping[str, Mapping[str, Entry]]
    """Place -> message id -> what the partner has of it."""
    turned_away: Mapping[str, Sequence[str]]
    """Place -> codes of what its door refused."""
    odd: Sequence[str]
    """Answers to the one that asks its mailbox, which must not be."""
    told: Sequence[Told]
    handled: Sequence[Handled]
    """On the askers' queues, in the order of handling."""
    letters: Sequence[Letter]
    """On the askers' queues and that of commands."""


def reconcile(books: Books) -> list[Check]:
    """Apply every rule."""
    return [rule(books) for rule in _RULES]


def _places(books: Books) -> dict[str, list[tuple[str, Entry]]]:
    """Return what partners have, by message id."""
    found: dict[str, list[tuple[str, Entry]]] = defaultdict(list)
    for place, entries in books.partners.items():
        for name, entry in entries.items():
            found[name].append((place, entry))
    return found


def _taken(books: Books) -> Check:
    check = Check("every command: given, and kept once, one dispatch a recipient")
    kept = Counter(one.id for one in books.kept)
    taken = {one.name for one in books.given if one.taken and not one.odd}
    for meant in books.meant:
        check.counted += 1
        if meant.errand.name not in taken:
            check.wrong.append(f"{meant.errand.name}: was never taken")
        if (times := kept.pop(meant.dispatch, 0)) != 1:
            check.wrong.append(f"{meant.errand.name}: {meant.dispatch} is kept {times} times")
    check.wrong += [f"{name}: nobody commanded it" for name in kept]
    check.wrong += [f"{one.name} by {one.way}: {text}" for one in books.given for text in one.odd]
    return check


def _ended(books: Books) -> Check:
    check = Check("every dispatch: ended, and as it must; unresolved only where nobody can know")
    kept = {one.id: one for one in books.kept}
    for meant in books.meant:
        if (one := kept.get(meant.dispatch)) is None:
            continue
        check.counted += 1
        if one.state not in ENDS[meant.leg.fate]:
            check.wrong.append(f"{one.id} ({meant.errand.what}, {meant.leg.fate}): is {one.state}, {one.code}")
        elif one.state is State.UNRESOLVED and not (one.code and one.did(Happening.LOSE) and one.did(Happening.REFUSE)):
            check.wrong.append(f"{one.id}: is unresolved without a reason")
    return check


def _timelines(books: Books) -> Check:
    check = Check("every timeline: step by step by the table of states, to where the dispatch stands")
    for one in books.kept:
        stands = State.QUEUED
        check.counted += 1
        for step in one.steps:
            allowed = states.TRANSITIONS.get((step.before, step.happening))
            if step.before is not stands or step.after is not allowed:
                check.wrong.append(f"{one.id}: {step.happening} from {step.before} to {step.after}")
            stands = step.after
        if stands is not one.state:
            check.wrong.append(f"{one.id}: is {one.state}, and its timeline ends with {stands}")
    return check


def _outcomes(books: Books) -> Check:
    check = Check("every asker: told exactly once of each dispatch, and how it ended")
    told: dict[str, list[Told]] = defaultdict(list)
    for outcome in books.told:
        told[outcome.dispatch].append(outcome)
    for one in books.kept:
        check.counted += 1
        found = told.pop(one.id, [])
        if len(found) != 1:
            check.wrong.append(f"{one.id}: {len(found)} outcomes")
            continue
        said = (found[0].state, found[0].code, found[0].attempts, found[0].first_failure)
        if said != (one.state, one.code, one.attempts, one.first_failure):
            check.wrong.append(f"{one.id}: its asker was told {said}")
    check.wrong += [f"{name}: an outcome of nothing" for name in told]
    return check


def _answers(books: Books) -> Check:
    check = Check("every event of an answer: handled once, and before the outcome that names it")
    places: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(books.handled):
        places[one.event].append(place)
    died = {one.event for one in books.letters}
    outcomes = {outcome.event for outcome in books.told}
    named: set[str] = set()
    for outcome in books.told:
        for event in outcome.events:
            check.counted += 1
            named.add(event)
            found = places.get(event, [])
            if len(found) != 1:
                check.wrong.append(f"{event}: handled {len(found)} times")
            elif died.isdisjoint({event, outcome.event}) and found[0] > places[outcome.event][0]:
                check.wrong.append(f"{event}: handled after its outcome")
    check.wrong += [f"{event}: handled, and no outcome names it" for event in places if event not in named | outcomes]
    return check


def _once(books: Books) -> Check:
    check = Check("every message that a partner processed: once, at one partner, with one content")
    meant: dict[str, str] = {one.dispatch: one.leg.place for one in books.meant}
    for name, found in _places(books).items():
        check.counted += sum(entry.processed for _, entry in found)
        where = [place for place, _ in found]
        if where != [meant.get(name)]:
            check.wrong.append(f"{name}: came to {', '.join(where)}")
        for _, entry in found:
            if entry.processed > 1 or len(entry.digests) != 1:
                check.wrong.append(f"{name}: processed {entry.processed} times, {len(entry.digests)} contents")
    return check


def _agreed(books: Books) -> Check:
    check = Check("every end: what is delivered was processed by the partner, what is refused was not")
    found = _places(books)
    for one in books.kept:
        check.counted += 1
        processed = sum(entry.processed for _, entry in found.get(one.id, []))
        if one.state in {State.DELIVERED, State.UNUSABLE} and not processed:
            check.wrong.append(f"{one.id}: is {one.state}, and no partner has processed it")
        if one.state in {State.REFUSED, *states.UNDISCLOSED} and processed:
            check.wrong.append(f"{one.id}: is {one.state}, and a partner has processed it")
    return check


def _contents(books: Books) -> Check:
    check = Check("every content that came to a partner: the one that was permitted")
    kept = {one.id: one for one in books.kept}
    for name, found in _places(books).items():
        for place, entry in found:
            check.counted += 1
            one = kept.get(name)
            if one is None or one.content is None or entry.digests != {one.content}:
                check.wrong.append(f"{name}: came to {place} with what was not permitted")
    return check


def _denied(books: Books) -> Check:
    check = Check("everything that the law stops: decided, never meant for anybody, never seen by anybody")
    kept, found = {one.id: one for one in books.kept}, _places(books)
    for meant in books.meant:
        if meant.leg.fate is not Fate.DENIED or meant.dispatch not in kept:
            continue
        check.counted += 1
        one = kept[meant.dispatch]
        if one.content is not None or one.attempts or one.did(Happening.DEPOSIT) or one.leaves != {Kind.DECISION: 1}:
            check.wrong.append(f"{one.id} ({meant.errand.what}): went further than a decision")
        if one.id in found:
            check.wrong.append(f"{one.id} ({meant.errand.what}): came to {found[one.id][0][0]}")
    return check


def _receipts(books: Books) -> Check:
    check = Check("everything delivered: the partner's own signature holds on its receipt or answer")
    for one in books.kept:
        if one.state is State.DELIVERED:
            check.counted += 1
            if one.receipt:
                check.wrong.append(f"{one.id}: {one.receipt}")
    return check


def _intents(books: Books) -> Check:
    check = Check("every intent to disclose: one end; and no end without an intent")
    for one in books.kept:
        intents, ends = one.leaves[Kind.INTENT], one.leaves[Kind.END]
        check.counted += intents
        if (intents, ends) not in {(0, 0), (1, 1)} or intents != (one.content is not None):
            check.wrong.append(f"{one.id}: {intents} intents, {ends} ends")
    return check


def _doors(books: Books) -> Check:
    check = Check("every message of ours: let in by its partner, but for its time; every mailbox's answer right")
    timely = {"GW-TIME-STALE", "GW-TIME-FUTURE"}
    for place, codes in books.turned_away.items():
        check.counted += len(books.partners[place])
        check.wrong += [f"{place}: refused at the door with {code}" for code in codes if code not in timely]
    check.wrong += [f"mailbox: {text}" for text in books.odd]
    return check


_RULES: tuple[Callable[[Books], Check], ...] = (
    _taken, _ended, _timelines, _outcomes, _answers, _once, _agreed, _contents, _denied, _receipts, _intents, _doors,
)  # fmt: skip


def numbers(books: Books, fetched: Mapping[str, int]) -> dict[str, int]:
    """Return what the report tells of what went out; `fetched` is by way."""
    steps = Counter(step.happening for one in books.kept for step in one.steps)
    ends = Counter(str(one.state) for one in books.kept)
    seen = [entry for entries in books.partners.values() for entry in entries.values()]
    return {
        "commands": len({one.name for one in books.given}),
        "commands given again, nobody knowing": sum(one.times - 1 for one in books.given),
        "dispatches": len(books.kept),
        "attempts at partners": sum(one.attempts for one in books.kept),
        "attempts that may have happened": steps[Happening.LOSE],
        "attempts that certainly did not": steps[Happening.POSTPONE],
        "messages that came to a partner again": sum(entry.seen - 1 for entry in seen),
        **{f"dispatches {state}": count for state, count in sorted(ends.items())},
        **{f"fetched by {way}": count for way, count in sorted(fetched.items())},
    }
