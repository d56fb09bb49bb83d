"""Beyond what `tests/contracts/test_broker.py` holds every broker to: durability, dead letters, what operators see."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from gateway.broker import schedule
from gateway.broker.embedded import LEASE, EmbeddedBroker
from gateway.config import Queue
from gateway.errors import ConfigError, IntegrityError
from gateway.ports import Publication
from gateway.sqlite import File
from tests import builders
from tests.builders import FIRST, SECOND, event


@pytest.fixture
def clock():
    return builders.Clock()


@pytest.fixture
def path(tmp_path):
    return builders.queues(tmp_path)


@pytest.fixture
def broker(path, clock):
    opened = EmbeddedBroker(path, builders.QUEUES, clock=clock)
    yield opened
    opened.close()


def kill(broker, name: str = "a", reason: str = "broken") -> None:
    """Let the one event on the second queue die."""
    for _ in range(3):
        (delivery,) = broker.take(SECOND, limit=1)
        assert delivery.event == name
        broker.reject(delivery, reason=reason)


def depth(broker, queue: str):
    return next(one for one in broker.depths() if one.queue == queue)


def test_everything_is_still_there_after_opening_again(path, clock, broker):
    broker.publish([event("a"), event("b"), event("c", partition="q")])
    (delivery, _) = broker.take(FIRST, limit=2)
    broker.close()
    again = EmbeddedBroker(path, builders.QUEUES, clock=clock)
    assert again.loan(FIRST, delivery.tag) == delivery
    assert [(one.event, one.state) for one in again.peek(FIRST)] == [("a", "lent"), ("b", "waiting"), ("c", "lent")]
    assert again.ack(delivery)
    assert [one.event for one in again.take(FIRST, limit=9)] == ["b"]
    again.close()


def test_the_delivery_limit_counts_redeliveries_as_rabbitmq_does(broker):
    broker.publish([event("a", queues=(SECOND,))])
    attempts = []
    while deliveries := broker.take(SECOND, limit=1):
        attempts.append(deliveries[0].attempt)
        broker.reject(deliveries[0], reason="broken")
    assert attempts == [1, 2, 3]
    assert builders.QUEUES[1].delivery_limit == 2


def test_a_dead_letter_has_reason_and_time_and_the_whole_event(broker, clock):
    broker.publish([event("a", queues=(SECOND,), body=b"whole")])
    clock.pass_(timedelta(minutes=5))
    kill(broker, reason="no such case")
    (letter,) = broker.dead(SECOND)
    assert (letter.queue, letter.event, letter.type, letter.body) == (SECOND, "a", "inkomst", b"whole")
    assert (letter.reason, letter.attempts, letter.replayed_at) == ("no such case", 3, None)
    assert (letter.since, letter.at) == (builders.NOON, clock.now())
    assert broker.dead(FIRST) == []


def test_a_consumer_that_dies_with_an_event_every_time_kills_it(broker, clock):
    broker.publish([event("a", queues=(SECOND,))])
    for _ in range(3):
        assert len(broker.take(SECOND, limit=1)) == 1
        clock.pass_(LEASE)
    assert broker.take(SECOND, limit=1) == []
    assert broker.dead(SECOND)[0].reason == "the lease ended without an answer"


def test_a_dead_letter_published_again_by_a_relay_stays_dead(broker):
    broker.publish([event("a", queues=(SECOND,))])
    kill(broker)
    assert list(broker.publish([event("a", queues=(SECOND,))])) == [Publication.CONFIRMED]
    assert broker.take(SECOND, limit=1) == []


def test_a_dead_letter_sent_again_is_a_new_delivery_that_says_so(broker, clock):
    broker.publish([event("a", queues=(SECOND,)), event("later", queues=(SECOND,))])
    kill(broker)
    (letter,) = broker.dead(SECOND)
    clock.pass_(timedelta(hours=1))
    tag = broker.retry(letter.id, reason="case 7 was opened")
    assert [one.event for one in broker.peek(SECOND)] == ["later", "a"]
    (later,) = broker.take(SECOND, limit=5)
    broker.ack(later)
    (again,) = broker.take(SECOND, limit=5)
    assert (again.tag, again.event, again.attempt, again.body) == (tag, "a", 1, letter.body)
    assert again.headers == {"x-gw-replay-of": str(letter.id), "x-gw-replay-reason": "case 7 was opened"}
    assert broker.loan(SECOND, tag) == again
    assert broker.dead(SECOND)[0].replayed_at == clock.now()
    assert depth(broker, SECOND).dead == 0
    assert broker.ack(again)


def test_a_dead_letter_is_sent_again_once(broker):
    broker.publish([event("a", queues=(SECOND,))])
    kill(broker)
    (letter,) = broker.dead(SECOND)
    broker.retry(letter.id, reason="once")
    for wrong in (letter.id, 99):
        with pytest.raises(ConfigError):
            broker.retry(wrong, reason="twice")
    kill(broker, reason="again")
    assert [one.reason for one in broker.dead(SECOND)] == ["again", "broken"]


def test_an_acknowledgement_frees_only_the_persons_next_event(broker):
    broker.publish([event(name, partition=name[0]) for name in ("a1", "a2", "a3", "b1", "b2")])
    first = {one.event: one for one in broker.take(FIRST, limit=9)}
    assert set(first) == {"a1", "b1"}
    assert list(broker.ack_all([first["a1"], first["a1"], first["b1"]])) == [True, False, True]
    assert [one.event for one in broker.take(FIRST, limit=9)] == ["a2", "b2"]


def test_looking_lends_nothing(broker):
    broker.publish([event("a"), event("b")])
    (first, second) = broker.peek(FIRST)
    assert (first.event, first.state, first.attempt, first.since) == ("a", "ready", 0, builders.NOON)
    assert (second.state, second.lease_ends, second.body) == ("waiting", None, b'{"id":"b"}')
    assert len(broker.peek(FIRST, limit=1)) == 1
    assert broker.take(FIRST, limit=1)[0].attempt == 1
    assert broker.loan(FIRST, second.tag) is None


def test_every_queue_tells_how_it_stands(broker, clock):
    assert [(one.queue, one.ready, one.oldest, one.declared) for one in broker.depths()] == [
        (SECOND, 0, None, True),
        (FIRST, 0, None, True),
    ]
    broker.publish([event("a"), event("b"), event("dies", queues=(SECOND,))])
    clock.pass_(timedelta(minutes=1))
    broker.publish([event("c", partition="q")])
    kill(broker, "dies")
    broker.take(FIRST, limit=1)
    one = depth(broker, FIRST)
    assert (one.ready, one.waiting, one.lent, one.dead, one.oldest) == (1, 1, 1, 0, builders.NOON)
    assert (depth(broker, SECOND).dead, depth(broker, SECOND).oldest) == (1, None)


def test_a_queue_no_longer_configured_keeps_its_events_and_is_given_no_more(path, clock, broker):
    broker.publish([event("a", queues=(SECOND,))])
    other = EmbeddedBroker(path, builders.QUEUES[:1], clock=clock)
    assert not depth(other, SECOND).declared
    assert list(other.publish([event("b", queues=(SECOND,))])) == [Publication.RETURNED]
    assert [one.event for one in other.take(SECOND, limit=9)] == ["a"]
    other.close()


def test_a_changed_delivery_limit_holds_from_the_next_start(path, clock, broker):
    broker.publish([event("a", queues=(SECOND,))])
    broker.close()
    changed = (Queue(name=SECOND, types=("franvaro",), purposes=("handlaggning",), delivery_limit=1),)
    other = EmbeddedBroker(path, changed, clock=clock)
    for _ in range(2):
        other.reject(other.take(SECOND, limit=1)[0], reason="broken")
    assert other.take(SECOND, limit=1) == []
    other.close()


def test_a_queue_that_is_not_is_told_with_those_that_are(broker):
    for call in (broker.peek, broker.dead, lambda name: broker.take(name, limit=1), lambda name: broker.loan(name, 1)):
        with pytest.raises(ConfigError, match=r"queue nope: is not one of sjukpenning\.franvaro, sjukpenning\.inkomst"):
            call("nope")


def test_a_disk_that_does_not_answer_makes_every_publication_unknown(path, broker):
    file = File(path)
    file.connection.execute("ALTER TABLE published RENAME TO elsewhere")
    events = [event("a"), event("lost", queues=("no.such",))]
    assert list(broker.publish(events)) == [Publication.UNKNOWN] * 2
    file.connection.execute("ALTER TABLE elsewhere RENAME TO published")
    assert list(broker.publish(events)) == [Publication.CONFIRMED, Publication.RETURNED]
    assert [one.event for one in broker.take(FIRST, limit=9)] == ["a"]
    file.close()


def test_what_was_published_is_remembered_for_days_and_then_forgotten(path, clock, broker):
    broker.publish([event("a")])
    clock.pass_(schedule.REMEMBERED)
    broker.publish([event("b")])
    file = File(path)
    assert file.connection.execute("SELECT event FROM published ORDER BY event").fetchall() == [("a",), ("b",)]
    clock.pass_(timedelta(days=1))
    broker.publish([event("c")])
    assert file.connection.execute("SELECT event FROM published ORDER BY event").fetchall() == [("b",), ("c",)]
    file.close()


def test_two_brokers_on_one_file_lend_every_event_once(path, clock, broker):
    other = EmbeddedBroker(path, builders.QUEUES, clock=clock)
    broker.publish([event(str(n), partition=str(n)) for n in range(100)])
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(one.take, FIRST, limit=7) for one in (broker, other) * 10]
        lent = [delivery.event for call in calls for delivery in call.result()]
    assert sorted(lent) == sorted(str(n) for n in range(100))
    other.close()


def test_a_file_that_is_not_there_is_not_made(tmp_path, clock):
    with pytest.raises(IntegrityError):
        EmbeddedBroker(tmp_path / "queues.db", builders.QUEUES, clock=clock)


def test_a_file_of_another_make_is_refused(path, clock):
    file = File(path)
    file.connection.execute("PRAGMA user_version=99")
    file.close()
    with pytest.raises(IntegrityError, match="version 99"):
        EmbeddedBroker(path, builders.QUEUES, clock=clock)


def test_a_file_of_queues_is_never_overwritten(path):
    with pytest.raises(IntegrityError, match="never overwritten"):
        schedule.create(path)
