"""What every `ports.Outbox` keeps: commit order, whose turn it is, and numbers that are given again at the end only."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import pytest

from gateway.message import Event
from gateway.ports import Journal, Outbox, Pending
from gateway.store.journal import StoredJournal
from gateway.store.outbox import StoredOutbox
from gateway.store.place import Duty
from tests import builders
from tests.builders import event
from tests.memory import MemoryJournal


@dataclass
class Kept:
    journal: Journal
    outbox: Outbox
    messages: int = 0

    def commit(self, *events: Event) -> None:
        """Accept a message with these events."""
        self.messages += 1
        self.journal.accept(replace(builders.ready(f"urn:uuid:{self.messages}"), events=events)).result()


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def kept(request, tmp_path):
    clock = builders.Clock()
    if request.param == "memory":
        journal = MemoryJournal(clock)
        yield Kept(journal, journal.outbox)
        return
    place = builders.store(tmp_path) if request.param == "sqlite" else request.getfixturevalue("stored")
    outbox = StoredOutbox(place.acting(Duty.RELAY), clock=clock)
    journal = StoredJournal(place.acting(Duty.FRONT), clock=clock)
    yield Kept(journal, outbox)
    journal.close()
    outbox.close()


def names(found) -> list[str]:
    return [one.event.id for one in found]


def some(persons: str, prefix: str = "") -> list[Event]:
    return [event(f"{prefix}{person}{n}", partition=person) for n, person in enumerate(persons)]


def test_events_are_pending_in_commit_order_beyond_a_number(kept):
    kept.commit(*some("abc"))
    kept.commit(*some("ab", "second "))
    found = kept.outbox.pending(10)
    assert names(found) == ["a0", "b1", "c2", "second a0", "second b1"]
    assert names(kept.outbox.pending(2, beyond=found[0].number)) == ["b1", "c2"]
    assert kept.outbox.newest() == found[-1].number


def test_an_empty_outbox_has_no_newest_and_nothing_that_overtakes(kept):
    assert (kept.outbox.newest(), list(kept.outbox.pending(10, beyond=0, overtaking=True))) == (0, [])
    kept.commit(event("a"))
    kept.outbox.settle(kept.outbox.pending(1))
    assert (kept.outbox.newest(), list(kept.outbox.pending(10, beyond=0, overtaking=True))) == (0, [])


def test_what_overtakes_has_nothing_earlier_of_its_person_anywhere(kept):
    kept.commit(*some("aab"))
    end = kept.outbox.newest()
    assert names(kept.outbox.pending(10, beyond=0, overtaking=True)) == ["a0", "b2"]
    kept.commit(*some("cabdc", "new "))
    assert names(kept.outbox.pending(10, beyond=end, overtaking=True)) == ["new c0", "new d3"]
    (first,) = kept.outbox.pending(1, beyond=end, overtaking=True)
    assert first.event.id == "new c0"
    assert names(kept.outbox.pending(3, beyond=end, overtaking=True)) == ["new c0"], "it looks at three, and no more"
    assert names(kept.outbox.pending(10, beyond=first.number, overtaking=True)) == ["new d3"]


def test_what_waits_for_an_earlier_event_overtakes_when_that_is_settled_and_not_before(kept):
    kept.commit(*some("ab"))
    end = kept.outbox.newest()
    kept.commit(*some("aa", "new "))
    old = kept.outbox.pending(2)
    kept.outbox.settle(old[1:])
    assert names(kept.outbox.pending(10, beyond=end, overtaking=True)) == []
    kept.outbox.settle(old[:1])
    found = kept.outbox.pending(10, beyond=end, overtaking=True)
    assert names(found) == ["new a0"]
    kept.outbox.settle(found)
    assert names(kept.outbox.pending(10, beyond=end, overtaking=True)) == ["new a1"]


def test_numbers_at_the_end_are_given_again_and_always_above_what_is_left(kept):
    kept.commit(*some("abc"))
    first, _, last = kept.outbox.pending(3)
    kept.outbox.settle([last])
    kept.commit(event("again"))
    assert kept.outbox.newest() == last.number
    assert names(kept.outbox.pending(10)) == ["a0", "b1", "again"]
    kept.outbox.settle([last])  # late, from another process
    assert kept.outbox.newest() == last.number
    kept.outbox.settle([first])
    kept.commit(event("more"))
    assert names(kept.outbox.pending(10)) == ["b1", "again", "more"]


def test_what_overtakes_is_what_a_search_through_everything_would_find(kept):
    chance = random.Random(20)  # noqa: S311  # the same each time
    for number in range(40):
        kept.commit(*some("".join(chance.choices("abcdefgh", k=chance.randrange(1, 6))), f"{number} "))
        every = kept.outbox.pending(1000)
        beyond = chance.choice(every).number
        firsts: dict[str, Pending] = {}
        for one in every:
            firsts.setdefault(one.event.partition, one)
        assert kept.outbox.pending(1000, beyond=beyond, overtaking=True) == [
            one for one in every if one.number > beyond and firsts[one.event.partition] is one
        ]
        kept.outbox.settle(chance.sample(every, k=len(every) // 3))
