"""The fault proxy against a real echo server: each fault happens when told, and not before or after."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time

import pytest

from ops.soak.proxy import Proxy, Side

SOON = 5.0
NEVER = 0.2
"""Seconds in which nothing may come: long for loopback, short for a test."""


def seeded(number):
    return random.Random(number)  # noqa: S311  # the same each time


class Echo:
    """Sends back what it gets, and finishes when the client has."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.ends: list[str] = []
        self.ended = threading.Semaphore(0)
        self.thread = threading.Thread(target=self._accept)
        self.thread.start()

    def _accept(self):
        threads = []
        with contextlib.suppress(OSError):
            while True:
                one, _ = self.listener.accept()
                threads.append(threading.Thread(target=self._serve, args=(one,)))
                threads[-1].start()
        for thread in threads:
            thread.join()

    def _serve(self, one):
        with one:
            one.settimeout(SOON * 2)
            try:
                while data := one.recv(65536):
                    one.sendall(data)
                end = "finished"
                one.shutdown(socket.SHUT_WR)
            except ConnectionError:
                end = "reset"
            except TimeoutError:
                end = "silence"
            except OSError:
                end = "gone"
            self.ends.append(end)
            self.ended.release()

    def next_end(self):
        assert self.ended.acquire(timeout=SOON)
        return self.ends[-1]

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


@pytest.fixture
def echo():
    made = Echo()
    yield made
    made.close()


@pytest.fixture
def proxy(echo):
    with Proxy(echo.address, chance=seeded(1)) as made:
        yield made


@pytest.fixture
def connect(proxy):
    with contextlib.ExitStack() as stack:

        def connected():
            client = stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port), timeout=SOON))
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return client

        yield connected


def read(client, count):
    data = b""
    while len(data) < count:
        more = client.recv(count - len(data))
        assert more, "the other end finished"
        data += more
    return data


def says(client, text=b"hello"):
    client.sendall(text)
    assert read(client, len(text)) == text


def silent(client):
    client.settimeout(NEVER)
    with pytest.raises(TimeoutError):
        client.recv(1)
    client.settimeout(SOON)


def test_what_is_withheld_from_the_client_comes_late_and_what_it_says_comes_through(proxy, connect, echo):
    client = connect()
    says(client)
    proxy.withhold(Side.CLIENT)
    before = proxy.passed(Side.SERVER)
    client.sendall(b"held")
    silent(client)
    assert proxy.passed(Side.SERVER) == before + 4
    proxy.heal()
    assert read(client, 4) == b"held"


def test_what_is_withheld_from_the_server_reaches_it_only_when_healed(proxy, connect, echo):
    client = connect()
    says(client)
    proxy.withhold(Side.SERVER)
    before = proxy.passed(Side.SERVER)
    client.sendall(b"held")
    silent(client)
    assert proxy.passed(Side.SERVER) == before
    proxy.heal()
    assert read(client, 4) == b"held"


def test_what_is_withheld_is_lost_with_its_connection(proxy, connect, echo):
    client = connect()
    says(client)
    proxy.withhold(Side.CLIENT)
    client.sendall(b"unheard")
    silent(client)
    proxy.reset()
    proxy.heal()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    says(connect())


def test_what_has_passed_is_counted_when_its_connection_is_no_more(proxy, connect, echo):
    with connect() as client:
        says(client)
    echo.next_end()
    says(connect(), b"more")
    assert proxy.passed(Side.SERVER) == len(b"hello") + len(b"more")


def test_a_good_network_passes_everything_both_ways(proxy, connect, echo):
    client = connect()
    content = seeded(2).randbytes(3_000_000)
    sender = threading.Thread(target=client.sendall, args=(content,))
    sender.start()
    assert read(client, len(content)) == content
    sender.join()
    (connection,) = proxy.connections
    assert connection.passed(Side.SERVER) == connection.passed(Side.CLIENT) == len(content)
    client.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b""
    assert echo.next_end() == "finished"


def test_latency_holds_back_and_keeps_the_order_until_healed(proxy, connect):
    client = connect()
    says(client)
    proxy.slow(0.1, jitter=0.1)
    begun = time.monotonic()
    for number in range(20):
        client.sendall(bytes([number]) * 100)
    assert read(client, 2000) == b"".join(bytes([number]) * 100 for number in range(20))
    assert 0.2 <= time.monotonic() - begun < 1.5, "each way once, not for each piece"
    proxy.heal()
    begun = time.monotonic()
    says(client)
    assert time.monotonic() - begun < 0.1


def test_healing_lets_go_what_latency_holds(proxy, connect):
    client = connect()
    says(client)
    proxy.slow(60)
    client.sendall(b"held")
    silent(client)
    proxy.heal()
    assert read(client, 4) == b"held"


def test_a_throttled_connection_takes_its_time_and_a_healed_one_does_not(proxy, connect):
    client = connect()
    proxy.throttle(100_000)
    begun = time.monotonic()
    says(client, b"x" * 40_000)
    assert 0.35 <= time.monotonic() - begun < 3
    proxy.heal()
    begun = time.monotonic()
    says(client, b"x" * 40_000)
    assert time.monotonic() - begun < 0.3


def test_a_black_hole_swallows_in_the_middle_and_gives_back_when_healed(proxy, connect):
    client = connect()
    says(client)
    before = proxy.connections[0].passed(Side.SERVER)
    proxy.black_hole()
    client.sendall(b"into the dark")
    silent(client)
    assert proxy.connections[0].passed(Side.SERVER) == before
    proxy.heal()
    assert read(client, 13) == b"into the dark"


def test_not_a_byte_passes_a_black_hole_though_much_is_on_its_way(proxy, connect):
    client = connect()
    client.settimeout(None)
    content = seeded(3).randbytes(8_000_000)
    sender = threading.Thread(target=client.sendall, args=(content,))
    sender.start()
    got = read(client, 100_000)
    proxy.black_hole()
    passed = proxy.connections[0].passed(Side.CLIENT)
    rest = passed - len(got)
    got += read(client, rest)
    client.settimeout(NEVER)
    with pytest.raises(TimeoutError):
        client.recv(1)
    client.settimeout(SOON)
    assert proxy.connections[0].passed(Side.CLIENT) == passed
    proxy.heal()
    assert got + read(client, len(content) - len(got)) == content
    sender.join()


def test_a_black_hole_accepts_and_does_not_connect(proxy, connect):
    proxy.black_hole()
    client = connect()
    client.sendall(b"anybody?")
    silent(client)
    proxy.heal()
    assert read(client, 8) == b"anybody?"


def test_a_black_hole_hides_that_the_other_end_closed(proxy, connect, echo):
    client = connect()
    says(client)
    proxy.black_hole()
    client.close()
    assert not echo.ended.acquire(timeout=NEVER), "the server holds a half-open socket"
    proxy.heal()
    assert echo.next_end() == "finished"


def test_a_cut_is_seen_as_an_end_by_both(proxy, connect, echo):
    client = connect()
    says(client)
    proxy.cut()
    assert client.recv(1) == b""
    assert echo.next_end() == "finished"
    says(connect())


def test_a_cut_in_the_middle_of_much_is_no_reset_for_the_reader(proxy, connect):
    client = connect()
    client.sendall(b"x" * 500_000)
    read(client, 1000)
    proxy.cut()
    got = 1
    while got:
        got = len(client.recv(65536))


def test_a_reset_is_seen_as_one_by_both(proxy, connect, echo):
    client = connect()
    says(client)
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert echo.next_end() == "reset"
    says(connect())


def test_a_half_close_towards_the_client_leaves_the_other_direction(proxy, connect):
    client = connect()
    says(client)
    proxy.half_close(Side.CLIENT)
    assert client.recv(1) == b""
    (connection,) = proxy.connections
    before = connection.passed(Side.SERVER)
    client.sendall(b"still here")
    end = time.monotonic() + SOON
    while connection.passed(Side.SERVER) < before + 10:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert connection.alive


def test_a_half_close_towards_the_server_is_answered(proxy, connect, echo):
    client = connect()
    says(client)
    proxy.half_close(Side.SERVER)
    assert echo.next_end() == "finished"
    assert client.recv(1) == b"", "the echo finished too, and that direction still passes"


def test_who_is_refused_is_let_in_when_healed_and_others_go_on(proxy, connect):
    client = connect()
    says(client)
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        connect()
    says(client)
    port = proxy.port
    proxy.heal()
    assert proxy.port == port
    says(connect())


def test_one_connection_can_be_told_by_itself(proxy, connect):
    first, second = connect(), connect()
    says(first)
    says(second)
    older, newer = proxy.connections
    older.black_hole()
    first.sendall(b"dark")
    silent(first)
    says(second)
    newer.reset()
    with pytest.raises(ConnectionResetError):
        second.recv(1)
    older.heal()
    assert read(first, 4) == b"dark"


def test_a_fault_holds_for_connections_that_come(proxy, connect):
    proxy.slow(0.15)
    begun = time.monotonic()
    says(connect())
    assert time.monotonic() - begun >= 0.3


def test_a_reset_by_the_client_reaches_the_server(proxy, connect, echo):
    client = connect()
    says(client)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    client.close()
    assert echo.next_end() == "reset"


def test_a_target_that_is_away_resets_the_client_and_is_found_when_back(echo):
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    with taken, Proxy(taken.getsockname()) as proxy:
        with socket.socket() as client:
            client.settimeout(SOON)
            with pytest.raises(ConnectionResetError):
                client.connect(("127.0.0.1", proxy.port)) or client.recv(1)
        proxy.target = echo.address
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=SOON) as client:
            says(client)


def test_nothing_is_left_of_a_closed_proxy(echo):
    with contextlib.ExitStack() as stack:
        with Proxy(echo.address) as proxy:
            clients = [
                stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port), timeout=SOON)) for _ in range(5)
            ]
            says(clients[0])
            proxy.black_hole()
        assert [client.recv(1) for client in clients] == [b""] * 5
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", proxy.port), timeout=SOON)
        assert "proxy" not in {thread.name for thread in threading.enumerate()}
