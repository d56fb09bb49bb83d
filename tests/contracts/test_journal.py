"""What every `ports.Journal` keeps, with the outbox and the protections it feeds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from gateway import codes
from gateway.errors import ConflictError, UnavailableError
from gateway.message import Protection, SoapVersion
from gateway.ports import Journal, Outbox, Protections
from gateway.store.journal import StoredJournal
from gateway.store.outbox import StoredOutbox
from gateway.store.place import Duty
from gateway.store.protections import StoredProtections
from tests import builders
from tests.memory import MemoryJournal

HIDDEN, NONE = Protection.SEKRETESSMARKERING, Protection.NONE
MORE = Protection.SKYDDAD_FOLKBOKFORING


@dataclass
class Drivers:
    journal: Journal
    outbox: Outbox
    protections: Protections
    clock: builders.Clock


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def drivers(request, tmp_path):
    clock = builders.Clock()
    if request.param == "memory":
        journal = MemoryJournal(clock)
        yield Drivers(journal, journal.outbox, journal.protections, clock)
        return
    place = builders.store(tmp_path) if request.param == "sqlite" else request.getfixturevalue("stored")
    front, relay = place.acting(Duty.FRONT), place.acting(Duty.RELAY)
    protections, outbox = StoredProtections(front), StoredOutbox(relay, clock=clock)
    journal = StoredJournal(front, clock=clock, learned=protections.refresh)
    yield Drivers(journal, outbox, protections, clock)
    journal.close()
    outbox.close()
    protections.close()


def events(drivers: Drivers) -> list[str]:
    return [one.event.id for one in drivers.outbox.pending(100)]


def test_an_accepted_message_tells_what_was_committed(drivers):
    ready = builders.ready(records=3)
    accepted = drivers.journal.accept(ready).result()
    assert accepted.provenance == ready.provenance
    assert accepted.accepted_at == builders.NOON
    assert accepted.outcomes == ready.outcomes
    assert accepted.leaves == builders.hashes(ready)
    assert not accepted.repeated
    assert [one.event for one in drivers.outbox.pending(100)] == list(ready.events)


def test_the_same_message_again_is_the_first_acceptance_again(drivers):
    ready = builders.ready(records=2)
    first = drivers.journal.accept(ready).result()
    drivers.clock.pass_(timedelta(hours=1))
    later = replace(
        builders.ready(records=2),
        provenance=replace(ready.provenance, created=drivers.clock.now(), received_at=drivers.clock.now()),
    )
    again = drivers.journal.accept(later).result()
    assert again == replace(first, repeated=True)
    assert events(drivers) == [event.id for event in ready.events]


def test_the_repeated_answer_speaks_the_soap_version_of_the_repetition(drivers):
    ready = builders.ready()
    drivers.journal.accept(ready).result()
    twelve = replace(ready, provenance=replace(ready.provenance, version=SoapVersion.SOAP_12))
    assert drivers.journal.accept(twelve).result().provenance.version is SoapVersion.SOAP_12


def test_the_same_id_with_other_content_is_a_conflict_and_changes_nothing(drivers):
    first = drivers.journal.accept(builders.ready(content="one")).result()
    with pytest.raises(ConflictError) as caught:
        drivers.journal.accept(builders.ready(content="other", records=2)).result()
    assert caught.value.code is codes.CONFLICT
    again = drivers.journal.accept(builders.ready(content="one")).result()
    assert again == replace(first, repeated=True)
    assert len(events(drivers)) == 1


def test_the_same_id_from_another_sender_is_another_message(drivers):
    one = drivers.journal.accept(builders.ready(partner="skatteverket")).result()
    two = drivers.journal.accept(builders.ready(partner="arbetsgivare")).result()
    three = drivers.journal.accept(builders.ready(partner="arbetsgivare", organisation="5560000000")).result()
    assert [one.repeated, two.repeated, three.repeated] == [False] * 3


def test_events_are_pending_in_commit_order_until_they_are_settled(drivers):
    for n in range(5):
        drivers.journal.accept(builders.ready(f"urn:uuid:{n}")).result()
    expected = [f"skatteverket-urn:uuid:{n}-1" for n in range(5)]
    assert events(drivers) == expected
    first, second, _, fourth, _ = drivers.outbox.pending(100)
    assert [one.event.id for one in drivers.outbox.pending(2)] == expected[:2]
    drivers.outbox.settle([first, fourth])
    assert events(drivers) == [expected[1], expected[2], expected[4]]
    drivers.outbox.settle([fourth, replace(second, number=10**6)])
    drivers.outbox.settle([])
    assert events(drivers) == [expected[1], expected[2], expected[4]]


def test_events_beyond_a_number_are_pending_without_those_before(drivers):
    for n in range(4):
        drivers.journal.accept(builders.ready(f"urn:uuid:{n}")).result()
    numbers = [one.number for one in drivers.outbox.pending(100)]
    assert numbers == sorted(set(numbers))
    assert [one.number for one in drivers.outbox.pending(100, beyond=numbers[1])] == numbers[2:]
    assert [one.number for one in drivers.outbox.pending(1, beyond=numbers[1])] == numbers[2:3]
    assert not drivers.outbox.pending(100, beyond=numbers[-1])


def test_an_event_is_not_settled_by_the_number_of_another(drivers):
    drivers.journal.accept(builders.ready("urn:uuid:1")).result()
    (one,) = drivers.outbox.pending(100)
    drivers.outbox.settle([replace(one, event=builders.ready("urn:uuid:2").events[0])])
    assert events(drivers) == [one.event.id]
    drivers.outbox.settle([one, one])
    assert events(drivers) == []


def test_a_refusal_is_taken_and_leaves_no_event(drivers):
    assert drivers.journal.refuse(builders.refusal()).result() is None
    assert drivers.journal.refuse(builders.refusal(b"<bad/>", quarantined=True)).result() is None
    assert events(drivers) == []


def test_after_close_every_call_is_turned_away(drivers):
    drivers.journal.accept(builders.ready()).result()
    drivers.journal.close()
    drivers.journal.close()
    for call in (
        lambda: drivers.journal.accept(builders.ready("urn:uuid:2")),
        lambda: drivers.journal.refuse(builders.refusal()),
    ):
        with pytest.raises(UnavailableError) as caught:
            call()
        assert caught.value.code is codes.DRAINING


def test_a_person_of_whom_nothing_was_said_is_unknown(drivers):
    assert drivers.protections.status(builders.pseudonym("nobody")) is Protection.UNKNOWN


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        pytest.param([(NONE, 5)], NONE, id="the first statement holds"),
        pytest.param([(HIDDEN, 5), (NONE, 6)], NONE, id="a newer statement lifts"),
        pytest.param([(HIDDEN, 5), (NONE, 4)], HIDDEN, id="an older statement never lifts a newer protection"),
        pytest.param([(HIDDEN, 5), (NONE, 5)], HIDDEN, id="an equally old statement never lowers"),
        pytest.param([(MORE, 5), (HIDDEN, 5)], MORE, id="nor to a lesser protection"),
        pytest.param([(NONE, 5), (HIDDEN, 4)], HIDDEN, id="raising always applies, even when stated before"),
        pytest.param(
            [(NONE, 5), (HIDDEN, 4), (NONE, 5)], HIDDEN, id="and what is as old as what it raised cannot lift"
        ),
        pytest.param([(NONE, 5), (HIDDEN, 4), (NONE, 6)], NONE, id="but what is newer can"),
        pytest.param([(HIDDEN, 0), (NONE, 0)], HIDDEN, id="a statement without time never lowers"),
        pytest.param([(NONE, 0), (HIDDEN, 0)], HIDDEN, id="but raises"),
        pytest.param(
            [(HIDDEN, 5), (HIDDEN, 7), (NONE, 6)], HIDDEN, id="a repeated protection counts from its last time"
        ),
        pytest.param([(HIDDEN, 5), (MORE, 3)], MORE, id="a stronger protection applies however old"),
    ],
)
def test_what_is_known_of_a_protection(drivers, statements, expected):
    for n, (protection, stated_at) in enumerate(statements):
        news = (builders.learned(protection, stated_at),)
        drivers.journal.accept(builders.ready(f"urn:uuid:{n}", learned=news)).result()
    assert drivers.protections.status(builders.pseudonym(builders.NUMBERS[0])) is expected


def test_many_statements_about_one_person_in_one_message_apply_in_order(drivers):
    news = (builders.learned(HIDDEN, 5), builders.learned(NONE, 6), builders.learned(NONE, 4, builders.NUMBERS[1]))
    drivers.journal.accept(builders.ready(learned=news)).result()
    assert drivers.protections.status(builders.pseudonym(builders.NUMBERS[0])) is NONE
    assert drivers.protections.status(builders.pseudonym(builders.NUMBERS[1])) is NONE
