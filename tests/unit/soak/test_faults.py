"""What is lost is lost when there is something to lose, and not before: a real link, and a consumers' database."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import SimpleNamespace

import pytest
from pysqlite3 import dbapi2 as sqlite

from ops.soak import consumer, faults
from ops.soak.proxy import Proxy
from ops.soak.schedule import LOST, Kind, Planned
from tests.unit.ops.test_proxy import NEVER, SOON, Echo, read, says


@pytest.fixture
def fleet(tmp_path):
    echo = Echo()
    consumer.create(tmp_path / "handled.db")
    with Proxy(echo.address) as link:
        yield SimpleNamespace(links=dict.fromkeys(LOST.values(), link), locks={}, handled=tmp_path / "handled.db")
    echo.close()


@pytest.fixture
def client(fleet):
    with connected(fleet) as one:
        says(one)
        yield one


def connected(fleet):
    link = next(iter(fleet.links.values()))
    return socket.create_connection(("127.0.0.1", link.port), timeout=SOON)


class Injected:
    """One fault, done in a thread of its own."""

    def __init__(self, kind, fleet):
        planned = Planned(number=0, kind=kind, at=0.0, seconds=0.0, target=f"link {LOST[kind]}", first=True, size=0.0)
        self.healed, self.done = threading.Event(), []
        self.thread = threading.Thread(
            target=lambda: self.done.append(faults.inject(planned, fleet, self.healed, lambda: 0.0))
        )
        self.thread.start()

    def lasts(self):
        self.thread.join(NEVER)
        return self.thread.is_alive()

    def ended(self):
        self.thread.join(SOON)
        assert not self.thread.is_alive()
        return self.done[0]


def handle(fleet):
    with contextlib.closing(sqlite.connect(str(fleet.handled))) as connection, connection:
        connection.execute(
            "INSERT INTO handled (event, queue, subject, digest, attempt, process) VALUES ('e', 'q', 's', 'd', 1, 1)"
        )


def test_an_answer_is_lost_when_something_was_asked(fleet, client):
    fault = Injected(Kind.ANSWERS_LOST, fleet)
    assert fault.lasts()
    client.sendall(b"asked")
    assert fault.ended().what == "sender-front"
    with pytest.raises(ConnectionResetError):
        read(client, 5)
    with connected(fleet) as another:
        says(another)


def test_an_acknowledgement_is_lost_when_an_event_was_handled(fleet, client):
    fault = Injected(Kind.ACKNOWLEDGEMENTS_LOST, fleet)
    assert fault.lasts()
    client.sendall(b"acknowledged")
    assert fault.lasts(), "what a consumer says is no event handled: it may be a heartbeat"
    handle(fleet)
    assert fault.ended().what == "consumer-broker"
    with pytest.raises(ConnectionResetError):
        read(client, 1)


@pytest.mark.parametrize("kind", LOST)
def test_where_nothing_was_there_to_lose_nothing_happened(kind, fleet, client):
    fault = Injected(kind, fleet)
    assert fault.lasts()
    fault.healed.set()
    assert fault.ended() is None
    says(client)


@pytest.mark.parametrize("first", [True, False])
def test_what_waits_for_its_target_till_the_end_happens_only_if_it_is_its_groups_first(first, fleet, client):
    name = LOST[Kind.ANSWERS_LOST]
    planned = Planned(number=0, kind=Kind.RESET, at=0.0, seconds=NEVER, target=f"link {name}", first=first, size=0.0)
    healed, done = threading.Event(), []
    with fleet.locks.setdefault(planned.target, threading.Lock()):
        waits = threading.Thread(target=lambda: done.append(faults.inject(planned, fleet, healed, lambda: 0.0)))
        waits.start()
        healed.set()
    waits.join(SOON)
    assert not waits.is_alive()
    assert [one is not None for one in done] == [first]
    if first:
        with pytest.raises(ConnectionResetError):
            read(client, 1)
    else:
        says(client)
