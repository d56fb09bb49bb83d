"""The consumer kit on real queues, embedded and RabbitMQ: in order, each once, whoever dies when, for a purpose."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from gateway import consumer
from gateway.broker import schedule
from gateway.broker.embedded import DATABASE, EmbeddedBroker
from gateway.config import Configuration, Queue, load
from gateway.consumer import Inbox, PoisonError
from gateway.errors import ConfigError, UnavailableError
from gateway.message import Event, Replay
from gateway.ports import DeadLetter, Publication
from gateway.services import RabbitMQ
from gateway.wiring import Broker, SystemClock
from tests.integration.killed import Child
from tests.unit.consumer.letters import PURPOSE, event

CONFIG = Path(__file__).parents[2] / "config" / "gateway.toml"
QUEUE = "handlaggning.inkomst"
LEASE = timedelta(seconds=1)
QUIET = 1.5
"""Seconds: longer than a lease, so that what a killed consumer had comes again within."""
LONG = 30.0


class TroubleError(Exception):
    pass


class NoSuchCaseError(PoisonError):
    pass


class Installation:
    """An installation's queues, on either broker, and a consumer's own database."""

    def __init__(self, folder: Path, virtual_host: Callable[[Sequence[Queue]], RabbitMQ] | None) -> None:
        self.data = folder / "data"
        self.data.mkdir()
        self.own = folder / "own.db"
        if virtual_host is not None:
            self._settle(virtual_host(load(CONFIG, data=self.data).queues))
        self.configuration: Configuration = load(CONFIG, data=self.data)
        self.rabbitmq = virtual_host is not None
        if not self.rabbitmq:
            self.file.parent.mkdir(parents=True)
            schedule.create(self.file)
        with sqlite3.connect(self.own) as database:
            database.execute(consumer.CREATE)
            database.execute("CREATE TABLE work (person TEXT, n INTEGER)")
        database.close()

    @property
    def file(self) -> Path:
        return self.configuration.gateway.store.path / DATABASE

    def _settle(self, found: RabbitMQ) -> None:
        told = json.loads(found.model_dump_json(include={"hosts", "virtual_host", "authority", "server_name"}))
        lines = ["[rabbitmq]", *(f"{key} = {json.dumps(value)}" for key, value in told.items())]
        for duty, account in json.loads(found.accounts.model_dump_json()).items():
            lines += [f"[rabbitmq.accounts.{duty}]"]
            lines += [f"{key} = {json.dumps(value)}" for key, value in account.items() if value is not None]
        (self.data / "services.toml").write_text("\n".join(lines) + "\n")

    def publish(self, *events: Event) -> None:
        """Put events on the queue, one after the other: of one person two may not be on their way at once."""
        broker = Broker(self.configuration, clock=SystemClock())
        publisher = broker.publisher()
        deadline = time.monotonic() + LONG
        try:
            for one in events:
                while publisher.submit([one]).result(LONG) != [Publication.CONFIRMED]:
                    assert time.monotonic() < deadline, "the broker confirms nothing"
                    time.sleep(0.05)
        finally:
            broker.close()

    def inbox(self, **more) -> Inbox:
        if self.rabbitmq:
            return consumer.connect(self.configuration, queue=QUEUE, purpose=PURPOSE, **more)
        # As `connect` does, with a lease that a test can wait for.
        (queue,) = [one for one in self.configuration.queues if one.name == QUEUE]
        broker = EmbeddedBroker(self.file, self.configuration.queues, clock=SystemClock(), lease=LEASE)
        return Inbox(broker.consumer(QUEUE), queue, purpose=PURPOSE, closing=broker.close, **more)

    def consume(self, database: sqlite3.Connection, handle: Callable = lambda _one: None) -> list[bool]:
        """Work on everything that comes until it has been quiet; return for each event whether it was new."""
        found = []
        with self.inbox() as inbox:
            for one in inbox.events(idle=QUIET):
                with one.handling(database) as new:
                    found.append(new)
                    if new:
                        work = (one.subject, one.data["fields"]["n"])
                        database.execute("INSERT INTO work VALUES (?, ?)", work)
                        handle(one)
        return found

    def work(self) -> dict[str, list[int]]:
        """Return what was done, for each person in the order it was done."""
        done: dict[str, list[int]] = {}
        with sqlite3.connect(self.own) as database:
            for person, number in database.execute("SELECT person, n FROM work ORDER BY rowid"):
                done.setdefault(person, []).append(number)
        database.close()
        return done

    def dead(self) -> list[DeadLetter]:
        broker = Broker(self.configuration, clock=SystemClock())
        try:
            letters = broker.dead_letters()
            found = [*letters.take(limit=100, wait=QUIET)]
            letters.ack(found)
            return found
        finally:
            broker.close()


@pytest.fixture(params=["embedded", pytest.param("rabbitmq", marks=pytest.mark.services)])
def installation(request, tmp_path) -> Installation:
    return Installation(tmp_path, request.getfixturevalue("virtual_host") if request.param == "rabbitmq" else None)


@pytest.fixture
def sqlite(installation) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(installation.own)
    yield connection
    connection.close()


def persons(count: int, of: int) -> list[Event]:
    return [event(n, person=n % of) for n in range(count)]


def test_every_event_is_worked_on_once_and_one_persons_in_order(installation, sqlite):
    installation.publish(*persons(40, of=4))
    assert installation.consume(sqlite) == [True] * 40
    assert sorted(installation.work().values()) == [[n for n in range(40) if n % 4 == one] for one in range(4)]


def test_an_event_that_was_published_twice_is_worked_on_once(installation, sqlite):
    installation.publish(event(1), event(2), event(1), event(1), event(2))
    found = installation.consume(sqlite)
    assert found.count(True) == 2
    assert found.count(False) == (3 if installation.rabbitmq else 0)  # the embedded broker knows its ids
    assert list(installation.work().values()) == [[1, 2]]


def test_an_event_that_fails_holds_its_person_in_order_and_nobody_else(installation, sqlite):
    installation.publish(event(1), event(2), event(3), event(4, person=1))
    seen = []

    def fail_once(one):
        seen.append(one.data["fields"]["n"])
        if seen.count(1) == 1 and seen[-1] == 1:
            raise TroubleError

    installation.consume(sqlite, fail_once)
    assert [n for n in seen if n != 4] == [1, 1, 2, 3]
    assert seen.index(4) < seen.index(2)
    assert sorted(installation.work().values()) == [[1, 2, 3], [4]]
    assert installation.dead() == []


class Killed(sqlite3.Connection):
    """Its process is killed when it commits for the second time: before, or after."""

    moment = ""
    left = 2

    def commit(self) -> None:
        self.left -= 1
        if not self.left and self.moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        super().commit()
        if not self.left and self.moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("moment", ["within", "before", "after", "never"])
def test_a_consumer_that_is_killed_has_done_each_event_once_when_the_next_one_is_through(installation, moment):
    installation.publish(*persons(6, of=2))

    def life(tell):
        database = sqlite3.connect(installation.own, factory=Killed)
        database.moment = moment

        def handle(_one):
            tell("begun")
            if moment == "within" and database.left == 1:
                os.kill(os.getpid(), signal.SIGKILL)

        tell(installation.consume(database, handle))

    ended = Child(life).end()
    assert ended.killed == (moment != "never")
    database = sqlite3.connect(installation.own)
    again = installation.consume(database)
    database.close()
    assert sorted(installation.work().values()) == [[0, 2, 4], [1, 3, 5]]
    # Committed and not acknowledged: known, and not done again. On RabbitMQ an acknowledgement may still have been on
    # its way when the process died.
    known = again.count(False)
    assert known == (moment == "after") or (installation.rabbitmq and moment != "never" and 1 <= known <= 2)
    assert installation.dead() == []


def test_poison_becomes_a_dead_letter_at_once_and_the_person_goes_on(installation, sqlite):
    installation.publish(event(1), event(2))

    def handle(one):
        if one.data["fields"]["n"] == 1:
            raise NoSuchCaseError

    installation.consume(sqlite, handle)
    assert list(installation.work().values()) == [[2]]
    (letter,) = installation.dead()
    assert (letter.event, letter.queue, letter.reason, letter.attempts) == (event(1).id, QUEUE, "NoSuchCaseError", 1)
    assert letter.body == event(1).body


def test_an_event_whose_labels_do_not_allow_the_purpose_becomes_a_dead_letter_unseen(installation, sqlite):
    installation.publish(event(1, purposes="fk:Kontroll"), event(2))
    assert installation.consume(sqlite) == [True]
    assert list(installation.work().values()) == [[2]]
    (letter,) = installation.dead()
    assert (letter.event, letter.reason) == (event(1).id, "purpose")


def test_a_dead_letter_that_is_sent_again_is_worked_on_only_if_it_never_was(installation, sqlite):
    installation.publish(event(1))
    assert installation.consume(sqlite) == [True]
    replays = [replace(event(n), replay=Replay(letter=n, reason="rättat")) for n in (1, 2)]
    installation.publish(*replays)
    assert installation.consume(sqlite) == [False, True]
    assert list(installation.work().values()) == [[1, 2]]


def test_a_purpose_that_the_queue_does_not_serve_is_refused_and_nothing_is_taken(installation, sqlite):
    installation.publish(event(1))
    with pytest.raises(ConfigError, match="accepted: fk:UnderlagRattighetSkyldighet, fk:Arendehandlaggning"):
        consumer.connect(installation.configuration, queue=QUEUE, purpose="fk:Kontroll")
    assert installation.consume(sqlite) == [True]


def test_the_command_writes_what_there_is_and_acknowledges_it(installation):
    sent = persons(5, of=2)
    installation.publish(*sent)
    words = ["consume", QUEUE, "--purpose", PURPOSE, "--config", str(CONFIG), "--data", str(installation.data)]
    done = subprocess.run([sys.executable, "-m", "gateway.cli", *words], capture_output=True, check=False, timeout=LONG)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == sorted(one.body for one in sent)
    again = subprocess.run(
        [sys.executable, "-m", "gateway.cli", *words], capture_output=True, check=False, timeout=LONG
    )
    assert (again.returncode, again.stdout) == (0, b"")


@pytest.fixture
def own(servers, database) -> Iterator[Callable[..., psycopg.Connection]]:
    """Connections to a PostgreSQL database that is a consumer's own."""
    with ExitStack() as stack:

        def connected(**more) -> psycopg.Connection:
            where = f"{database.dsn} user={database.roles.owner} passfile={database.passfile}"
            return stack.enter_context(contextlib.closing(psycopg.connect(where, **more)))

        first = connected()
        first.execute(consumer.CREATE)
        first.execute("CREATE TABLE work (n INTEGER)")
        first.commit()
        yield connected


class Known:
    id, queue, replay_of = "a", QUEUE, None


@pytest.mark.services
def test_in_postgresql_work_and_mark_are_one_too(own):
    one, other = own(), own()
    assert consumer.once(one, Known)
    one.execute("INSERT INTO work VALUES (1)")
    one.rollback()
    assert consumer.once(one, Known)
    one.execute("INSERT INTO work VALUES (1)")
    one.commit()
    assert not consumer.once(other, Known)
    assert other.execute("SELECT n FROM work").fetchall() == [(1,)]


@pytest.mark.services
def test_in_postgresql_a_second_consumer_at_the_same_moment_cannot_mark_it_too(own):
    one, other = own(), own()
    other.execute("SET lock_timeout = '200ms'")
    other.commit()
    assert consumer.once(one, Known)
    with pytest.raises(psycopg.errors.LockNotAvailable):
        consumer.once(other, Known)
    other.rollback()
    one.commit()
    assert not consumer.once(other, Known)


@pytest.mark.services
def test_a_postgresql_connection_that_commits_by_itself_is_refused_outside_a_transaction(own):
    connection = own(autocommit=True)
    with pytest.raises(ConfigError, match="autocommit"):
        consumer.once(connection, Known)
    with connection.transaction():
        assert consumer.once(connection, Known)
    with connection.transaction():
        assert not consumer.once(connection, Known)
        consumer.forget(connection, older=datetime.now(UTC) + timedelta(days=1))
        assert consumer.once(connection, Known)


@pytest.mark.services
def test_events_from_rabbitmq_are_handled_once_in_postgresql(tmp_path, virtual_host, own):
    installation, connection = Installation(tmp_path, virtual_host), own()
    installation.publish(*persons(6, of=2), event(0), event(1, person=1))
    found = []
    with installation.inbox() as inbox:
        for one in inbox.events(idle=QUIET):
            with one.handling(connection) as new:
                found.append(new)
                if new:
                    connection.execute("INSERT INTO work VALUES (%s)", (one.data["fields"]["n"],))
    assert (found.count(True), found.count(False)) == (6, 2)
    assert sorted(connection.execute("SELECT n FROM work").fetchall()) == [(n,) for n in range(6)]


@pytest.mark.services
def test_a_broker_that_cannot_be_reached_is_told_when_connecting(tmp_path, virtual_host, monkeypatch):
    found = Installation(tmp_path, virtual_host)
    services = found.configuration.services
    away = services.model_copy(update={"rabbitmq": services.rabbitmq.model_copy(update={"hosts": ("127.0.0.1:1",)})})
    monkeypatch.setattr("gateway.consumer.inbox.PATIENCE", 0.5)
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1"):
        consumer.connect(found.configuration.model_copy(update={"services": away}), queue=QUEUE, purpose=PURPOSE)


@pytest.mark.services
def test_a_queue_that_the_broker_does_not_have_is_an_operators_to_mend(tmp_path, virtual_host):
    found = Installation(tmp_path, lambda queues: virtual_host([one for one in queues if one.name != QUEUE]))
    with pytest.raises(ConfigError, match="gateway broker check"):
        consumer.connect(found.configuration, queue=QUEUE, purpose=PURPOSE)
