"""Who sends slowly, or nothing at all, is cut off; who takes the usual time is not."""

import socket
import time
from datetime import timedelta

import pytest

from tests.integration.stage import code, everything, one

HEADER, BODY, IDLE = 0.4, 0.6, 1.0
HEAD = (
    b"POST /soap/skatteverket/folkbokforing HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n"
)


@pytest.fixture(scope="module")
def quick(stage):
    tuned = stage.tuned(
        header_timeout=timedelta(seconds=HEADER),
        body_timeout=timedelta(seconds=BODY),
        idle_timeout=timedelta(seconds=IDLE),
        concurrent_connections=3,
    )
    with tuned.running() as running:
        yield running


def until_closed(connection):
    """Return what came, and after how many seconds the other side closed."""
    started = time.monotonic()
    answer = everything(connection)
    return answer.partition(b"\r\n\r\n"), time.monotonic() - started


def test_a_connection_that_says_nothing_is_closed_without_a_word(quick):
    with quick.connected() as connection:
        (head, _, body), seconds = until_closed(connection)
    assert (head, body) == (b"", b"")
    assert HEADER / 2 < seconds < HEADER + 2


def test_a_handshake_that_stalls_is_cut_off(quick):
    with socket.create_connection((quick.server.host, quick.server.port), timeout=10) as plain:
        started = time.monotonic()
        assert plain.recv(1) == b""
        assert HEADER / 2 < time.monotonic() - started < HEADER + 2


def test_headers_that_do_not_end_are_cut_off_with_a_fault(quick):
    with quick.connected() as connection:
        connection.sendall(b"POST /soap/skatteverket/folkbokforing HTTP/1.1\r\nHost: x\r\n")
        (head, _, body), seconds = until_closed(connection)
    assert head.startswith(b"HTTP/1.1 408 ")
    assert code(body) == "GW-HTTP-SLOW"
    assert seconds < HEADER + 2


def test_headers_that_trickle_are_cut_off_however_steadily_they_come(quick):
    with quick.connected() as connection:
        connection.sendall(b"POST /soap/skatteverket/folkbokforing HTTP/1.1\r\n")
        started = time.monotonic()
        connection.settimeout(HEADER / 8)
        answer = b""
        while time.monotonic() - started < HEADER + 2:
            try:
                connection.sendall(b"X-Slow: 1\r\n")
                if not (part := connection.recv(65536)):
                    break
                answer += part
            except TimeoutError:
                continue
            except OSError:
                break
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_blank_lines_do_not_keep_a_connection(quick):
    with quick.connected() as connection:
        started = time.monotonic()
        connection.settimeout(HEADER / 8)
        while time.monotonic() - started < HEADER + 2:
            try:
                connection.sendall(b"\r\n")
                if not connection.recv(65536):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        assert time.monotonic() - started < HEADER + 1


def test_a_body_that_does_not_end_is_cut_off_with_a_fault(quick):
    with quick.connected() as connection:
        connection.sendall(HEAD % 1000 + b"<a>")
        (head, _, body), seconds = until_closed(connection)
    assert head.startswith(b"HTTP/1.1 408 ")
    assert code(body) == "GW-HTTP-SLOW"
    assert BODY / 2 < seconds < BODY + 4


def test_the_rest_of_a_refused_body_does_not_keep_a_connection(quick):
    with quick.connected() as connection:
        connection.sendall(b"POST /soap/x/y HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        (head, _, body), seconds = until_closed(connection)
    assert head.startswith(b"HTTP/1.1 404 ")
    assert code(body) == "GW-HTTP-PATH"
    assert seconds < 5


def test_an_idle_connection_is_kept_for_its_time_and_then_closed(quick):
    with quick.connected() as connection:
        for _ in range(2):
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            assert one(connection)[0].startswith(b"HTTP/1.1 200 ")
            time.sleep(HEADER * 1.5)  # longer than a header may take, shorter than a connection may be idle
        _, seconds = until_closed(connection)
        assert seconds < IDLE + 2


def test_a_body_in_two_pieces_within_its_time_is_taken(quick):
    message = quick.stage.message()
    with quick.connected() as connection:
        connection.sendall(HEAD % len(message) + message[:100])
        time.sleep(BODY / 3)
        connection.sendall(message[100:])
        assert one(connection)[0].startswith(b"HTTP/1.1 200 ")


def test_connections_over_the_limit_are_told_to_come_back(quick):
    with quick.connected() as first, quick.connected() as second, quick.connected() as third, quick.connected() as last:
        request = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
        for connection in (first, second, third):
            connection.sendall(request)
            assert one(connection)[0].startswith(b"HTTP/1.1 200 ")
        message = quick.stage.message()
        last.sendall(HEAD % len(message) + message)
        (head, _, body), _ = until_closed(last)
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 5" in head
    assert code(body) == "GW-UNAVAILABLE-OVERLOADED"


def test_pipelined_requests_are_answered_in_order(quick):
    with quick.connected() as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n" * 2 + b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = everything(connection)
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"404"]


def test_an_upgrade_is_refused_and_what_follows_is_no_request(quick):
    with quick.connected() as connection:
        connection.sendall(
            b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nrest"
        )
        answer = everything(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 400 ") == 1
    assert b"HTTP/1.1 200" not in answer
