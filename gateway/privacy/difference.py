"""Which flows open, close, widen or narrow between two registers of law: computed from the compiled rules.

The text of two registers may differ in everything and let the same pass, or in one letter and let much more pass. So
what is compared is what passes (`flows`), flow by flow and on every pair of days that can make a difference:

    opens     there was no such flow, and there is          widens    asks for less, or binds less, than before
    closes    there was one, and there is none              narrows   asks for more, or binds more

Where terms cannot be compared (one condition went and another came) it widens: whoever reads the difference must look.
That a row has another id, or that a paragraph is cited by another name, is no difference in what may pass.

Beside the flows, two things of a register let something pass: the words that give away what an unknown element holds,
and who answers what is left to a person. Of these what is taken away, or asks fewer people, widens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date, timedelta
from enum import StrEnum
from itertools import product
from typing import NamedTuple

from gateway.config import Configuration
from gateway.config.law import Review
from gateway.privacy import flows
from gateway.privacy.flows import Cell, Group, Standing, Terms
from gateway.privacy.law import Law
from gateway.privacy.rule import Rule


class How(StrEnum):
    """What becomes of a flow."""

    OPENS = "opens"
    WIDENS = "widens"
    NARROWS = "narrows"
    CLOSES = "closes"


WIDER = frozenset({How.OPENS, How.WIDENS})
"""What lets more pass than before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """Days of the event and of the decision, both ends included. `date.min` and `date.max` are no end at all."""

    event_from: date
    event_to: date
    decision_from: date
    decision_to: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of some flows that share all but these lists: one for each combination."""

    how: How
    direction: str
    partner_type: str
    contract: str | None
    kind: str
    fields: frozenset[str]
    purposes: frozenset[str]
    benefits: frozenset[str]
    """`flows.OTHER` for all that are not named beside it, and for no case."""
    channels: frozenset[str]
    roles: frozenset[str]
    days: tuple[Days, ...]
    before: frozenset[Terms]
    after: frozenset[Terms]
    bases: frozenset[str]
    """By which it passed, or passes, on other terms."""

    def differs(self) -> tuple[str, ...]:
        """Return the names of the terms that are not the same before and after: what to look at."""
        return tuple(one.name for one in fields(Terms) if _said(self.before, one.name) != _said(self.after, one.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """A row beside the flows: a word that gives something away, or who answers what is left to a person."""

    how: How
    row: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Everything in which two registers differ in what they let pass."""

    changes: tuple[Change, ...]
    around: tuple[Around, ...]

    @property
    def widens(self) -> bool:
        """Whether anything passes that did not, or on lesser terms."""
        return any(one.how in WIDER for one in self.changes) or any(one.how in WIDER for one in self.around)


class _Shift(NamedTuple):
    """What becomes of one flow."""

    how: How
    before: frozenset[Terms]
    after: frozenset[Terms]
    bases: frozenset[str]


_Lists = tuple[frozenset[str], ...]
"""Fields, purposes, benefits, channels, roles."""


def compare(old: Law, new: Law, *, read_old: Configuration, read_new: Configuration) -> Difference:
    """Return everything in which two registers differ: their laws, and the configurations they were built from."""
    return Difference(changes=between(old, new), around=around(read_old, read_new))


def between(old: Law, new: Law) -> tuple[Change, ...]:
    """Return every flow that is not the same in both, in order of direction, partner and kind."""
    before, after = flows.grouped(old), flows.grouped(new)
    found: list[Change] = []
    for group in sorted(before.keys() | after, key=str):
        found += _together(group, _compared(before.get(group, ()), after.get(group, ())))
    return tuple(found)


def around(old: Configuration, new: Configuration) -> tuple[Around, ...]:
    """Return the words and the reviewers that are not the same in both."""
    return (*_words(old, new), *_reviewers(old, new))


def _compared(mine: tuple[Rule, ...], theirs: tuple[Rule, ...]) -> Mapping[tuple[Cell, _Shift], list[Days]]:
    """Return each cell that changes and how, with the days on which it does so."""
    found: dict[tuple[Cell, _Shift], list[Days]] = {}
    benefits = flows.named(mine + theirs)
    before, after = flows.Granting(mine, benefits), flows.Granting(theirs, benefits)
    events, decisions = flows.spans(mine + theirs, event=True), flows.spans(mine + theirs, event=False)
    for event, decision in product(events, decisions):
        here, there = before.on(event[0], decision[0]), after.on(event[0], decision[0])
        if here == there:
            continue
        days = Days(event_from=event[0], event_to=event[1], decision_from=decision[0], decision_to=decision[1])
        for cell, shift in _shifts(before.standing(here), after.standing(there)):
            found.setdefault((cell, shift), []).append(days)
    return found


def _shifts(before: Standing, after: Standing) -> Iterator[tuple[Cell, _Shift]]:
    nothing: frozenset[tuple[Terms, str]] = frozenset()
    for cell in before.keys() | after:
        here, there = before.get(cell, nothing), after.get(cell, nothing)
        old, new = frozenset(terms for terms, _ in here), frozenset(terms for terms, _ in there)
        how = _how(old, new)
        if how is not None:
            yield cell, _Shift(how, old, new, frozenset(basis for _, basis in here ^ there))


def _how(old: frozenset[Terms], new: frozenset[Terms]) -> How | None:
    """Say what becomes of a flow; None where it stays what it is."""
    if not old or not new:
        return None if old == new else How.CLOSES if old else How.OPENS
    less = all(any(mine.covers(theirs) for mine in old) for theirs in new)
    more = all(any(theirs.covers(mine) for theirs in new) for mine in old)
    if less:
        return None if more else How.NARROWS
    return How.WIDENS


def _together(group: Group, cells: Mapping[tuple[Cell, _Shift], list[Days]]) -> list[Change]:
    """Put flows that change alike together: first their days, then one list after another."""
    direction, partner_type, contract, kind = group
    alike: dict[tuple[_Shift, tuple[Days, ...]], list[_Lists]] = {}
    for (cell, shift), days in cells.items():
        alike.setdefault((shift, _joined(days)), []).append(tuple(frozenset({part}) for part in cell))
    found = [
        Change(
            how=shift.how, direction=direction, partner_type=partner_type, contract=contract, kind=kind,
            fields=names, purposes=purposes, benefits=benefits, channels=channels, roles=roles,
            days=days, before=shift.before, after=shift.after, bases=shift.bases,
        )
        for (shift, days), lists in alike.items()
        for names, purposes, benefits, channels, roles in _blocks(lists)
    ]  # fmt: skip
    order = list(How)
    return sorted(
        found, key=lambda one: (order.index(one.how), sorted(one.fields), sorted(one.purposes), str(one.days))
    )


def _blocks(lists: list[_Lists]) -> list[_Lists]:
    """Merge combinations that differ in one list alone, list by list: they say the same in fewer rows."""
    for place in range(5):
        merged: dict[_Lists, frozenset[str]] = {}
        for one in lists:
            rest = (*one[:place], *one[place + 1 :])
            merged[rest] = merged.get(rest, frozenset()) | one[place]
        lists = [(*rest[:place], values, *rest[place:]) for rest, values in merged.items()]
    return lists


def _joined(days: list[Days]) -> tuple[Days, ...]:
    """Put stretches of days together that meet: first of the decision, then of the event."""
    by_decision = [((one.event_from, one.event_to), one.decision_from, one.decision_to) for one in days]
    by_event = [((from_, to), *event) for event, from_, to in _met(by_decision)]
    return tuple(
        Days(event_from=from_, event_to=to, decision_from=decision[0], decision_to=decision[1])
        for decision, from_, to in _met(by_event)
    )


def _met(stretches: list[tuple[flows.Span, date, date]]) -> list[tuple[flows.Span, date, date]]:
    """Join stretches of one key where one begins on the day after the other ends."""
    joined: list[tuple[flows.Span, date, date]] = []
    for key, first, last in sorted(stretches):
        before = joined[-1] if joined else None
        if before is not None and before[0] == key and before[2] + timedelta(days=1) == first:
            joined[-1] = (key, before[1], last)
        else:
            joined.append((key, first, last))
    return joined


def _said(terms: frozenset[Terms], name: str) -> set[object]:
    return {getattr(one, name) for one in terms}


def _words(old: Configuration, new: Configuration) -> Iterator[Around]:
    for word in sorted(old.categories.keys() | new.categories):
        before, after = old.categories.get(word), new.categories.get(word)
        if before != after:
            how = How.NARROWS if before is None else How.WIDENS
            yield Around(how=how, row=f"word {word}", before=before or "", after=after or "")


def _reviewers(old: Configuration, new: Configuration) -> Iterator[Around]:
    """Yield the questions that others answer. Without a row the strictest answer holds: a row can only ask for less."""
    before, after = ({row.reason: row for row in one.reviews} for one in (old, new))
    for reason in sorted(before.keys() | after):
        mine, theirs = before.get(reason), after.get(reason)
        if _asks(mine) != _asks(theirs):
            how = How.NARROWS if theirs is None else How.WIDENS if mine is None else _asked(mine, theirs)
            yield Around(how=how, row=f"review {reason}", before=_asks(mine), after=_asks(theirs))


def _asked(mine: Review, theirs: Review) -> How:
    fewer = mine.four_eyes > theirs.four_eyes or mine.balancing > theirs.balancing
    return How.WIDENS if fewer or mine.role != theirs.role or theirs.days > mine.days else How.NARROWS


def _asks(row: Review | None) -> str:
    if row is None:
        return ""
    return (
        f"{row.role}, {'two people' if row.four_eyes else 'one person'}, {'balancing, ' * row.balancing}{row.days} days"
    )
