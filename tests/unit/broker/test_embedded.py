"""Beyond what `tests/contracts/test_broker.py` holds every broker to: durability, dead letters, what operators see."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from time import monotonic

import pytest

from gateway.broker import schedule
from gateway.broker.embedded import LEASE, LOOK, REASON, EmbeddedBroker
from gateway.config import Queue
from gateway.errors import ConfigError, IntegrityError, UnavailableError
from gateway.message import Replay
from gateway.ports import Publication
from gateway.sqlite import DRIVER, File
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


def publish(broker, events) -> list[Publication]:
    return list(broker.submit(events).result(0))


def kill(broker, name: str = "a", reason: str = "broken") -> None:
    """Let the one event on the second queue die."""
    for _ in range(3):
        (delivery,) = broker.take(SECOND, limit=1)
        assert delivery.event == name
        broker.reject(delivery, reason=reason)


def depth(broker, queue: str):
    return next(one for one in broker.depths() if one.queue == queue)


def test_everything_is_still_there_after_opening_again(path, clock, broker):
    publish(broker, [event("a"), event("b"), event("c", partition="q")])
    (delivery, _) = broker.take(FIRST, limit=2)
    broker.close()
    again = EmbeddedBroker(path, builders.QUEUES, clock=clock)
    assert again.loan(FIRST, delivery.tag) == delivery
    assert [(one.event, one.state) for one in again.peek(FIRST)] == [("a", "lent"), ("b", "waiting"), ("c", "lent")]
    assert list(again.ack([delivery])) == [True]
    assert [one.event for one in again.take(FIRST, limit=9)] == ["b"]
    again.close()


def test_the_delivery_limit_counts_redeliveries_as_rabbitmq_does(broker):
    publish(broker, [event("a", queues=(SECOND,))])
    attempts = []
    while deliveries := broker.take(SECOND, limit=1):
        attempts.append(deliveries[0].attempt)
        broker.reject(deliveries[0], reason="broken")
    assert attempts == [1, 2, 3]
    assert builders.QUEUES[1].delivery_limit == 2


def test_a_dead_letter_has_reason_and_time_and_the_whole_event(broker, clock):
    publish(broker, [event("a", queues=(SECOND,), body=b"whole")])
    clock.pass_(timedelta(minutes=5))
    kill(broker, reason="no such case")
    (letter,) = broker.take_dead(limit=9)
    assert (letter.queue, letter.event, letter.type, letter.body) == (SECOND, "a", "inkomst", b"whole")
    assert (letter.reason, letter.attempts, letter.replay_of) == ("no such case", 3, None)
    assert (letter.since, letter.at) == (builders.NOON, clock.now())


def test_a_consumer_that_dies_with_an_event_every_time_kills_it(broker, clock):
    publish(broker, [event("a", queues=(SECOND,))])
    for _ in range(3):
        assert len(broker.take(SECOND, limit=1)) == 1
        clock.pass_(LEASE)
    assert broker.take(SECOND, limit=1) == []
    assert broker.take_dead(limit=1)[0].reason == "lease_ended"


def test_a_reason_that_names_a_person_is_not_kept(broker):
    publish(broker, [event("a", queues=(SECOND,)), event("b", queues=(SECOND,))])
    kill(broker, "a", reason=f"no case for {builders.NUMBERS[0]}")
    kill(broker, "b", reason="x" * 1000)
    first, second = broker.take_dead(limit=9)
    assert first.reason == "no case for [redacted]"
    assert second.reason == "x" * REASON


def test_a_dead_letter_published_again_by_a_relay_stays_dead(broker):
    publish(broker, [event("a", queues=(SECOND,))])
    kill(broker)
    assert publish(broker, [event("a", queues=(SECOND,))]) == [Publication.CONFIRMED]
    assert broker.take(SECOND, limit=1) == []


def test_a_dead_letter_is_lent_to_one_until_it_is_acknowledged_or_its_loan_ends(broker, clock):
    publish(broker, [event("a", queues=(SECOND,))])
    kill(broker)
    (letter,) = broker.take_dead(limit=9)
    clock.pass_(LEASE - timedelta(seconds=1))
    assert broker.take_dead(limit=9) == []
    clock.pass_(timedelta(seconds=1))
    assert broker.take_dead(limit=9) == [letter]
    assert depth(broker, SECOND).dead == 1
    broker.bury([letter])
    clock.pass_(LEASE)
    assert broker.take_dead(limit=9) == []
    assert depth(broker, SECOND).dead == 0


def test_burying_takes_tag_and_event(broker, clock):
    """A tag of another file, restored or made anew, must not bury somebody else's letter."""
    publish(broker, [event("a", queues=(SECOND,))])
    kill(broker)
    (letter,) = broker.take_dead(limit=9)
    broker.bury([replace(letter, event="other"), replace(letter, tag=99)])
    clock.pass_(LEASE)
    assert broker.take_dead(limit=9) == [letter]


def test_a_replay_goes_behind_the_persons_other_events_and_says_what_it_is(broker):
    publish(broker, [event("a", queues=(SECOND,)), event("later", queues=(SECOND,))])
    kill(broker)
    publish(broker, [event("a", queues=(SECOND,), replay=Replay(letter=4, reason="case 7 was opened"))])
    assert [one.event for one in broker.peek(SECOND)] == ["later", "a"]
    (later,) = broker.take(SECOND, limit=5)
    broker.ack([later])
    (again,) = broker.take(SECOND, limit=5)
    assert (again.event, again.attempt) == ("a", 1)
    assert again.headers == {"x-gw-replay-of": "4", "x-gw-replay-reason": "case 7 was opened"}
    assert broker.loan(SECOND, again.tag) == again
    assert broker.reject(again, reason="still broken", again=False)
    assert [(one.event, one.replay_of) for one in broker.take_dead(limit=9)] == [("a", None), ("a", 4)]


def test_who_waits_is_given_what_another_puts_there_and_waits_no_longer(path, clock, broker):
    consumer = broker.consumer(FIRST)
    other = EmbeddedBroker(path, builders.QUEUES, clock=clock)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(consumer.take, limit=1, wait=60)
        assert consumer.take(limit=1) == []
        publish(other, [event("a")])
        assert [one.event for one in waiting.result(10)] == ["a"]
    other.close()


def test_who_waits_in_vain_is_given_nothing_in_time(broker):
    began = monotonic()
    assert broker.consumer(FIRST).take(limit=1, wait=2 * LOOK) == []
    assert broker.dead_letters().take(limit=1, wait=2 * LOOK) == []
    assert monotonic() - began >= 4 * LOOK


@pytest.mark.parametrize("role", [lambda broker: broker.consumer(FIRST), lambda broker: broker.dead_letters()])
def test_closing_ends_a_wait_and_what_is_closed_lends_nothing(broker, role):
    view = role(broker)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(view.take, limit=1, wait=60)
        view.close()
        if waiting.exception(10) is None:  # else it was closed before it began to wait
            assert waiting.result() == []
    view.close()
    with pytest.raises(UnavailableError):
        view.take(limit=1)


def test_a_view_that_closes_leaves_the_broker_open(broker):
    publish(broker, [event("a"), event("dies", queues=(SECOND,))])
    kill(broker, "dies")
    one, dead = broker.consumer(FIRST), broker.dead_letters()
    assert len(one.take(limit=1)) == len(dead.take(limit=1)) == 1
    one.close()
    dead.close()
    assert len(broker.consumer(FIRST).take(limit=1)) == len(broker.dead_letters().take(limit=1)) == 1


def test_an_acknowledgement_frees_only_the_persons_next_event(broker):
    publish(broker, [event(name, partition=name[0]) for name in ("a1", "a2", "a3", "b1", "b2")])
    first = {one.event: one for one in broker.take(FIRST, limit=9)}
    assert set(first) == {"a1", "b1"}
    assert list(broker.ack([first["a1"], first["a1"], first["b1"]])) == [True, False, True]
    assert [one.event for one in broker.take(FIRST, limit=9)] == ["a2", "b2"]


def test_looking_lends_nothing(broker):
    publish(broker, [event("a"), event("b")])
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
    publish(broker, [event("a"), event("b"), event("dies", queues=(SECOND,))])
    clock.pass_(timedelta(minutes=1))
    publish(broker, [event("c", partition="q")])
    kill(broker, "dies")
    broker.take(FIRST, limit=1)
    one = depth(broker, FIRST)
    assert (one.ready, one.unacked, one.dead, one.oldest) == (2, 1, 0, builders.NOON)
    assert (depth(broker, SECOND).dead, depth(broker, SECOND).oldest) == (1, None)
    assert one.consumers is None


def test_a_queue_no_longer_configured_keeps_its_events_and_is_given_no_more(path, clock, broker):
    publish(broker, [event("a", queues=(SECOND,))])
    other = EmbeddedBroker(path, builders.QUEUES[:1], clock=clock)
    assert not depth(other, SECOND).declared
    assert publish(other, [event("b", queues=(SECOND,))]) == [Publication.RETURNED]
    assert [one.event for one in other.take(SECOND, limit=9)] == ["a"]
    other.close()


def test_a_changed_delivery_limit_holds_from_the_next_start(path, clock, broker):
    publish(broker, [event("a", queues=(SECOND,))])
    broker.close()
    changed = (Queue(name=SECOND, types=("franvaro",), purposes=("handlaggning",), delivery_limit=1),)
    other = EmbeddedBroker(path, changed, clock=clock)
    for _ in range(2):
        other.reject(other.take(SECOND, limit=1)[0], reason="broken")
    assert other.take(SECOND, limit=1) == []
    other.close()


def test_a_queue_that_is_not_is_told_with_those_that_are(broker):
    for call in (
        broker.peek,
        broker.consumer,
        lambda name: broker.take(name, limit=1),
        lambda name: broker.loan(name, 1),
    ):
        with pytest.raises(ConfigError, match=r"queue nope: is not one of sjukpenning\.franvaro, sjukpenning\.inkomst"):
            call("nope")


def test_a_disk_that_does_not_answer_makes_every_publication_unknown(path, broker):
    file = File(path)
    file.connection.execute("ALTER TABLE published RENAME TO elsewhere")
    events = [event("a"), event("lost", queues=("no.such",))]
    assert publish(broker, events) == [Publication.UNKNOWN] * 2
    file.connection.execute("ALTER TABLE elsewhere RENAME TO published")
    assert publish(broker, events) == [Publication.CONFIRMED, Publication.RETURNED]
    assert [one.event for one in broker.take(FIRST, limit=9)] == ["a"]
    file.close()


def test_a_damaged_file_is_told_and_never_called_unknown(path, clock):
    def damaged(_point: str) -> None:
        error = DRIVER.DatabaseError("database disk image is malformed")
        error.sqlite_errorname = "SQLITE_CORRUPT"
        raise error

    broken = EmbeddedBroker(path, builders.QUEUES, clock=clock, faults=damaged)
    with pytest.raises(IntegrityError, match="damaged"):
        broken.submit([event("a")]).result(0)
    broken.close()


def test_a_broker_that_is_closed_answers_unknown(broker):
    broker.close()
    assert publish(broker, [event("a")]) == [Publication.UNKNOWN]


def test_what_was_published_is_remembered_for_days_and_then_forgotten(path, clock, broker):
    publish(broker, [event("a")])
    clock.pass_(schedule.REMEMBERED)
    publish(broker, [event("b")])
    file = File(path)
    assert file.connection.execute("SELECT event FROM published ORDER BY event").fetchall() == [("a",), ("b",)]
    clock.pass_(timedelta(days=1))
    publish(broker, [event("c")])
    assert file.connection.execute("SELECT event FROM published ORDER BY event").fetchall() == [("b",), ("c",)]
    file.close()


def test_two_brokers_on_one_file_lend_every_event_once(path, clock, broker):
    other = EmbeddedBroker(path, builders.QUEUES, clock=clock)
    publish(broker, [event(str(n), partition=str(n)) for n in range(100)])
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


_VERSION_1 = """
CREATE TABLE queues (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, delivery_limit INTEGER NOT NULL);
CREATE TABLE published (
    queue INTEGER NOT NULL REFERENCES queues, event TEXT NOT NULL, day TEXT NOT NULL,
    PRIMARY KEY (queue, event)
) WITHOUT ROWID;
CREATE INDEX ix_published_day ON published (day);
CREATE TABLE deliveries (
    tag INTEGER PRIMARY KEY AUTOINCREMENT, queue INTEGER NOT NULL REFERENCES queues, event TEXT NOT NULL,
    type TEXT NOT NULL, partition TEXT NOT NULL, body BLOB NOT NULL, state TEXT NOT NULL, since TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0, lease_ends TEXT, replay_of INTEGER, replay_reason TEXT
);
CREATE INDEX ix_deliveries_state ON deliveries (queue, state, tag);
CREATE INDEX ix_deliveries_partition ON deliveries (queue, partition, tag);
CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT, queue INTEGER NOT NULL REFERENCES queues, event TEXT NOT NULL,
    type TEXT NOT NULL, partition TEXT NOT NULL, body BLOB NOT NULL, attempts INTEGER NOT NULL, reason TEXT NOT NULL,
    since TEXT NOT NULL, at TEXT NOT NULL, replayed_at TEXT
);
CREATE INDEX ix_dead_letters_queue ON dead_letters (queue, id);
INSERT INTO queues VALUES (1, 'sjukpenning.inkomst', 8);
INSERT INTO published VALUES (1, 'ready', '2026-11-20'), (1, 'acknowledged', '2026-11-20'), (1, 'dead', '2026-11-20');
INSERT INTO deliveries (queue, event, type, partition, body, state, since)
    VALUES (1, 'ready', 'inkomst', 'p', x'01', 'ready', '2026-11-20T12:00:00.000000Z');
INSERT INTO dead_letters (queue, event, type, partition, body, attempts, reason, since, at, replayed_at) VALUES
    (1, 'dead', 'inkomst', 'p', x'02', 9, 'r', '2026-11-20T11:00:00.000000Z', '2026-11-20T12:00:00.000000Z', NULL),
    (1, 'sent', 'inkomst', 'p', x'02', 9, 'r', '2026-11-20T11:00:00.000000Z', '2026-11-20T12:00:00.000000Z',
     '2026-11-20T12:00:00.000000Z');
PRAGMA user_version=1
"""


def shape(file: File) -> set[tuple[str, ...]]:
    rows = file.connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {(kind, name, " ".join(sql.replace('"', "").split())) for kind, name, sql in rows}


def test_a_file_of_version_1_is_brought_here_whole(tmp_path, path, clock):
    (tmp_path / "old").mkdir()
    old = File(tmp_path / "old" / "queues.db", create=True)
    old.connection.executescript(_VERSION_1)
    new = File(path)
    broker = EmbeddedBroker(tmp_path / "old" / "queues.db", builders.QUEUES, clock=clock)
    assert shape(old) == shape(new)
    old.close()
    new.close()
    assert publish(broker, [event(name) for name in ("ready", "acknowledged", "dead")]) == [Publication.CONFIRMED] * 3
    assert [one.event for one in broker.peek(FIRST)] == ["ready"]
    assert [(one.event, one.attempts, one.body) for one in broker.take_dead(limit=9)] == [("dead", 9, b"\x02")]
    broker.close()
    EmbeddedBroker(tmp_path / "old" / "queues.db", builders.QUEUES, clock=clock).close()
