"""What every `ports.DeadLetters` and every `ports.Registrar` keeps, and so: no letter lost, none doubled."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.message import EventId, Pseudonym, Replay
from gateway.ports import DeadLetter
from gateway.store.dead_letters import StoredDeadLetters
from gateway.store.place import Duty
from tests import builders
from tests.builders import FIRST, SECOND, event
from tests.contracts.brokers import LONG, Subject, given
from tests.memory import MemoryRegistrar


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def registrar(request, tmp_path, clock):
    if request.param == "memory":
        yield MemoryRegistrar()
        return
    place = builders.store(tmp_path / "store") if request.param == "sqlite" else request.getfixturevalue("stored")
    stored = StoredDeadLetters(place.acting(Duty.RELAY), clock=clock)
    yield stored
    stored.close()


def die(broker: Subject, name: str, *, queue: str = FIRST, reason: str = "no_such_case", **more) -> None:
    """Publish an event and let its consumer give it up."""
    broker.publish([event(name, queues=(queue,), **more)])
    consumer = broker.consumer(queue)
    (delivery,) = given(consumer, 1)
    assert consumer.reject(delivery, reason=reason, again=False)
    consumer.close()


def taken(broker: Subject, source, count: int) -> list[DeadLetter]:
    found: list[DeadLetter] = []
    while len(found) < count and (more := source.take(limit=count - len(found), wait=LONG)):
        found += more
    assert not source.take(limit=9, wait=broker.patience)
    return found


def test_a_letter_is_the_whole_event_with_where_and_why_it_died(broker):
    die(broker, "a", partition="p7", body=b"exact \x00 bytes", kind="franvaro")
    (letter,) = taken(broker, broker.dead_letters(), 1)
    assert (letter.queue, letter.event, letter.type, letter.partition) == (FIRST, "a", "franvaro", "p7")
    assert (letter.reason, letter.attempts, letter.body) == ("no_such_case", 1, b"exact \x00 bytes")
    assert letter.replay_of is None
    assert letter.since <= letter.at


def test_past_the_delivery_limit_the_last_reason_is_told_and_every_attempt_counted(broker):
    broker.publish([event("a", queues=(SECOND,))])
    consumer = broker.consumer(SECOND)
    for reason in ("first", "second", "third"):
        (delivery,) = given(consumer, 1)
        consumer.reject(delivery, reason=reason)
    (letter,) = taken(broker, broker.dead_letters(), 1)
    assert (letter.queue, letter.reason, letter.attempts) == (SECOND, "third", 3)


def test_a_replay_that_dies_names_the_letter_it_was(broker):
    die(broker, "a", replay=Replay(letter=7, reason="mended"))
    (letter,) = taken(broker, broker.dead_letters(), 1)
    assert (letter.event, letter.replay_of) == ("a", 7)


def test_letters_of_all_queues_come_no_more_at_once_than_asked_for(broker):
    for n in range(3):
        die(broker, f"a{n}")
        die(broker, f"b{n}", queue=SECOND)
    source, seen = broker.dead_letters(), []
    while len(seen) < 6 and (more := source.take(limit=4, wait=LONG)):
        assert len(more) <= 4
        seen += [one.event for one in more]
    assert sorted(seen) == ["a0", "a1", "a2", "b0", "b1", "b2"]


def test_what_is_acknowledged_is_gone_and_the_rest_comes_again(broker):
    for name in ("a", "b"):
        die(broker, name)
    source = broker.dead_letters()
    first, second = taken(broker, source, 2)
    source.ack([first])
    source.close()
    again = broker.dead_letters()
    assert [one.event for one in taken(broker, again, 1)] == [second.event]
    again.ack([])
    again.close()
    last = broker.dead_letters()
    last.ack(taken(broker, last, 1))
    last.close()
    assert taken(broker, broker.dead_letters(), 0) == []


def letter(name: str, **more) -> DeadLetter:
    return DeadLetter(
        **{
            "tag": 1,
            "queue": FIRST,
            "event": EventId(name),
            "type": "inkomst",
            "partition": Pseudonym("p"),
            "attempts": 3,
            "reason": "no_such_case",
            "since": builders.NOON - timedelta(hours=1),
            "at": builders.NOON,
            "replay_of": None,
            "body": b"body of " + name.encode(),
            **more,
        }
    )


def test_a_letter_is_recorded_once_however_often_and_by_whatever_tag_it_comes(registrar):
    assert registrar.record([letter("a"), letter("b")]) == 2
    assert registrar.record([letter("a"), letter("c"), letter("c", tag=9)]) == 1
    assert registrar.record([replace(letter("a"), reason="another", attempts=9)]) == 0
    assert registrar.record([]) == 0


def test_the_same_event_is_another_letter_on_another_queue_and_as_another_letters_replay(registrar):
    assert registrar.record([letter("a")]) == 1
    assert registrar.record([letter("a", queue=SECOND)]) == 1
    assert registrar.record([letter("a", replay_of=1)]) == 1
    assert registrar.record([letter("a", replay_of=2), letter("a", replay_of=1)]) == 1
