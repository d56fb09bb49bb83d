"""A stop finishes what is in flight, tells the others to come back, and a drain that takes too long says nothing."""

import threading
from concurrent.futures import Future
from datetime import timedelta

import pytest

from gateway import codes, logs
from gateway.errors import UnavailableError
from tests.integration import stage as stages
from tests.integration.stage import code, everything, one

HEAD = (
    b"POST /soap/skatteverket/folkbokforing HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n"
)


@pytest.fixture
def own(tmp_path):
    return stages.make(tmp_path, drain_timeout=timedelta(seconds=1))


class Held:
    """A journal that answers when it is told to: the moment between taking and having committed."""

    def __init__(self, journal):
        self.journal = journal
        self.entered = threading.Event()
        self.go = threading.Event()

    def accept(self, ready):
        held = Future()

        def later():
            self.go.wait(10)
            held.set_result(self.journal.accept(ready).result())

        self.thread = threading.Thread(target=later)
        self.thread.start()
        self.entered.set()
        return held

    def keep(self, sign):
        self.journal.keep(sign)


class Broken:
    """A journal that cannot write."""

    def accept(self, _ready):
        raise UnavailableError(codes.STORE_UNAVAILABLE)

    def refuse(self, _refusal):
        failed = Future()
        failed.set_exception(UnavailableError(codes.STORE_UNAVAILABLE))
        return failed


def stopping(stand):
    """Begin to stop; return the thread that waits for the end."""
    thread = threading.Thread(target=stand.server.stop)
    thread.start()
    while not stand.intake.front.draining:
        pass
    return thread


def test_a_request_in_flight_is_finished_and_answered(own):
    with own.running() as stand, stand.connected() as connection:
        held = stand.intake.front._journal = Held(stand.intake.journal)
        message = own.message()
        connection.sendall(HEAD % len(message) + message)
        assert held.entered.wait(5)
        stop = stopping(stand)
        held.go.set()
        head, _ = one(connection)
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in head
        stop.join()
        held.thread.join()


def test_a_new_request_on_a_kept_connection_is_told_to_come_back(own):
    with own.running() as stand, stand.connected() as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert one(connection)[0].startswith(b"HTTP/1.1 200 ")
        stop = stopping(stand)
        message = own.message()
        connection.sendall(HEAD % len(message) + message)
        head, body = one(connection)
        stop.join()
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after" in head
    assert code(body) == "GW-UNAVAILABLE-DRAINING"


def test_a_new_connection_is_not_taken(own):
    with own.running() as stand:
        stopping(stand).join()
        with pytest.raises(ConnectionRefusedError), stand.connected():
            pass


def test_an_idle_connection_does_not_hold_up_the_stop(own):
    with own.running() as stand, stand.connected() as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert one(connection)[0].startswith(b"HTTP/1.1 200 ")
        stopping(stand).join()


def test_a_request_that_outlasts_the_drain_is_answered_nothing_and_resending_gives_its_receipt(own):
    message = own.message()
    with own.running() as stand, stand.connected() as connection:
        held = stand.intake.front._journal = Held(stand.intake.journal)
        connection.sendall(HEAD % len(message) + message)
        assert held.entered.wait(5)
        stopping(stand).join()
        assert everything(connection) == b""
        held.go.set()
        held.thread.join()
    with own.running() as stand, stand.stage.session() as session:
        answer = session.post(stand.address(), data=message, headers={"Content-Type": "text/xml"})
        assert answer.status_code == 200


def test_what_cannot_be_committed_is_not_accepted(own):
    with own.running() as stand, stand.stage.session() as session:
        stand.intake.front._journal = Broken()
        answer = session.post(stand.address(), data=own.message(), headers={"Content-Type": "text/xml"})
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert code(answer.content) == "GW-UNAVAILABLE-STORE"


def test_a_refusal_that_cannot_be_committed_is_no_refusal(own):
    with own.running() as stand, stand.stage.session() as session:
        stand.intake.front._journal = Broken()
        answer = session.post(stand.address(), data=b"<a/>", headers={"Content-Type": "text/xml"})
    assert answer.status_code == 503
    assert code(answer.content) == "GW-UNAVAILABLE-STORE"


def test_what_nobody_thought_of_is_a_fault_of_ours_and_says_nothing(own):
    class Odd:
        def accept(self, ready):
            raise LookupError(ready.leaves[0].record)

    with own.running() as stand, stand.stage.session() as session, logs.captured() as stream:
        stand.intake.front._journal = Odd()
        answer = session.post(stand.address(), data=own.message(), headers={"Content-Type": "text/xml"})
    assert answer.status_code == 503
    assert code(answer.content) == "GW-UNAVAILABLE-INTERNAL"
    told = stream.getvalue().decode()
    assert '"error":"LookupError"' in told
    assert "199202232386" not in told + answer.text
