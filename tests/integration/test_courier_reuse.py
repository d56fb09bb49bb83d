"""Connections that are used again, those that died meanwhile, and certificates that change while we run."""

import select
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.dispatch import Break, Broken, Reply
from gateway.errors import ConfigError
from gateway.transport.courier import IDLE
from tests import calling
from tests.farside import answering


def lines(courier):
    return list(courier._lines.values())


def arrived(courier) -> None:
    """Wait until the far side's last word on the one idle connection has come here."""
    (line,) = lines(courier)
    (idle,) = line.idle
    waiting = select.poll()
    waiting.register(idle._link, select.POLLIN)
    assert waiting.poll(20_000)


class TestAKeptConnection:
    def test_is_used_again(self, country):
        with country.calling(country.far(answering())) as call:
            assert all(isinstance(call.send(), Reply) for _ in range(5))
            assert (call.far.connections, len(call.far.requests)) == (1, 5)

    @pytest.mark.parametrize("headers", [["Connection: close"], []])
    def test_is_not_kept_where_the_far_side_says_so_or_speaks_http_1_0(self, country, headers):
        def script(line):
            line.request()
            version = b"1.1" if headers else b"1.0"
            line.raw(b"HTTP/" + version + b" 200 OK\r\nContent-Length: 0\r\n")
            line.raw("".join(f"{one}\r\n" for one in [*headers, ""]).encode())
            line.hold()

        with country.calling(country.far(script)) as call:
            assert isinstance(call.send(), Reply)
            assert isinstance(call.send(), Reply)
            assert call.far.connections == 2

    @pytest.mark.parametrize("surplus", [b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n<b>"])
    def test_is_not_kept_where_more_came_than_was_said(self, country, surplus):
        def script(line):
            line.request()
            line.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<a/>" + surplus)
            line.hold()

        with country.calling(country.far(script)) as call:
            for _ in range(2):
                came = call.send()
                assert isinstance(came, Reply)
                assert came.body == b"<a/>"
            assert call.far.connections == 2

    @pytest.mark.parametrize("end", ["finish", "vanish", "reset"])
    def test_that_died_before_a_byte_was_written_is_replaced_by_a_new_one(self, country, end):
        told = threading.Semaphore(0)

        def script(line):
            line.request()
            line.answer()
            told.acquire(timeout=20)
            getattr(line, end)()

        with country.calling(country.far(script)) as call:
            for number in range(1, 4):
                assert isinstance(call.send(), Reply)
                told.release()
                arrived(call.courier)
                assert len(call.far.requests) == number

    def test_whose_first_write_fails_is_replaced_by_a_new_one(self, country):
        def script(line):
            line.request()
            line.answer()
            line.hold()

        with country.calling(country.far(script)) as call:
            call.send()
            (line,) = lines(call.courier)
            (idle,) = line.idle
            socket.socket.shutdown(idle._link, socket.SHUT_WR)  # below TLS, as a dead route does: it still looks well
            assert idle.alive()
            assert isinstance(call.send(), Reply)
            assert (call.far.connections, len(call.far.requests)) == (2, 2)

    def test_on_which_the_far_side_spoke_unasked_is_replaced_by_a_new_one(self, country):
        told = threading.Event()

        def script(line):
            line.request()
            line.answer()
            told.wait(20)
            line.raw(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
            line.hold()

        with country.calling(country.far(script)) as call:
            call.send()
            told.set()
            arrived(call.courier)
            came = call.send()
            assert isinstance(came, Reply)
            assert came.status == 200
            assert call.far.connections == 2

    def test_that_ends_after_the_request_was_read_is_lost_and_not_tried_again(self, country):
        def script(line):
            line.request()
            line.answer()
            line.request()
            line.reset()

        with country.calling(country.far(script)) as call:
            call.send()
            came = call.send()
            assert isinstance(came, Broken)
            assert came.how is Break.LOST
            assert (call.far.connections, len(call.far.requests)) == (1, 2)

    def test_that_ends_before_the_request_was_read_whole_is_lost_too(self, country):
        def script(line):
            line.request()
            line.answer()
            line.some(1)
            line.reset()

        with country.calling(country.far(script)) as call:
            call.send()
            came = call.send(bytes(8 * 1024 * 1024))
            assert isinstance(came, Broken)
            assert came.how is Break.LOST
            assert (call.far.connections, len(call.far.requests)) == (1, 1)

    def test_that_was_idle_for_too_long_is_closed_as_tls_wants_it(self, country):
        with country.calling(country.far(answering())) as call:
            call.send()
            (line,) = lines(call.courier)
            line.idle[0].used -= IDLE
            call.send()
            assert call.far.ended.acquire(timeout=20)
            assert (call.far.connections, call.far.torn) == (2, 0)

    def test_no_more_are_kept_than_the_endpoint_says(self, country):
        all_here = threading.Barrier(5)

        def script(line):
            while line.request() is not None:
                if line.number == 1:
                    all_here.wait(20)
                line.answer()

        with country.calling(country.far(script), concurrent=2) as call, ThreadPoolExecutor(5) as pool:
            came = list(pool.map(lambda _: call.send(), range(5)))
            assert all(isinstance(one, Reply) for one in came)
            (line,) = lines(call.courier)
            assert len(line.idle) == 2

    def test_is_never_used_by_two_at_once(self, country):
        def script(line):
            while (request := line.request()) is not None:
                line.answer(request.rpartition(b"\r\n\r\n")[2])

        with country.calling(country.far(script), concurrent=4) as call, ThreadPoolExecutor(8) as pool:
            bodies = [f"<a>{number}</a>".encode() for number in range(400)]
            came = list(pool.map(call.send, bodies))
            assert [one.body for one in came if isinstance(one, Reply)] == bodies

    def test_is_closed_with_the_courier(self, country):
        with country.calling(country.far(answering())) as call:
            call.send()
            call.courier.close()
            assert call.far.ended.acquire(timeout=20)
            assert call.far.torn == 0

    def test_is_not_shared_with_another_address_of_the_same_server(self, country):
        with country.far(answering()) as far:
            one, other = calling.endpoint(far.address), calling.endpoint(f"{far.address}/x")
            courier = country.courier(one, other)
            assert isinstance(courier.send(calling.signed(), one), Reply)
            assert isinstance(courier.send(calling.signed(), other), Reply)
            courier.close()
            assert far.connections == 2


class TestRenewal:
    @pytest.fixture
    def moved(self, country, tmp_path):
        return country.moved(tmp_path)

    def test_of_nothing_new_keeps_everything(self, moved):
        with moved.calling(moved.far(answering())) as call:
            call.send()
            assert not call.courier.renew()
            call.send()
            assert call.far.connections == 1

    def test_of_our_certificate_shows_the_new_one_and_ends_the_old_connections(self, moved):
        with moved.calling(moved.far(answering())) as call:
            call.send()
            new = moved.authorities.client()
            moved.show(new)
            assert call.courier.renew()
            assert call.far.ended.acquire(timeout=20)
            assert isinstance(call.send(), Reply)
            assert call.far.clients == [moved.client.der, new.der]
            assert call.far.torn == 0
            assert not call.courier.renew()

    def test_while_an_exchange_is_under_way_lets_it_end(self, moved):
        asked, renewed = threading.Event(), threading.Event()

        def script(line):
            while line.request() is not None:
                asked.set()
                renewed.wait(20)
                line.answer()

        with moved.calling(moved.far(script)) as call, ThreadPoolExecutor(1) as pool:
            sending = pool.submit(call.send)
            assert asked.wait(20)
            moved.show(moved.authorities.client())
            assert call.courier.renew()
            renewed.set()
            assert isinstance(sending.result(20), Reply)
            assert call.far.ended.acquire(timeout=20)
            assert call.far.torn == 0
            assert isinstance(call.send(), Reply)
            assert call.far.connections == 2

    def test_of_half_a_pair_is_refused_and_the_old_pair_goes_on(self, moved):
        with moved.calling(moved.far(answering())) as call:
            (moved.folder / "keys" / "client.key").write_bytes(moved.authorities.client().key_pem)
            with pytest.raises(ConfigError, match=r"keys\.client_certificate"):
                call.courier.renew()
            assert isinstance(call.send(), Reply)
            assert call.far.clients == [moved.client.der]

    def test_of_a_file_that_is_gone_is_refused_and_the_old_goes_on(self, moved):
        with moved.calling(moved.far(answering())) as call:
            (moved.folder / "pki" / "intermediates.pem").unlink()
            with pytest.raises(ConfigError, match=r"intermediates\.pem"):
                call.courier.renew()
            assert isinstance(call.send(), Reply)

    def test_of_a_partners_authorities_believes_the_new_and_no_longer_the_old(self, moved):
        credential = moved.authorities.server(calling.PARTNER, under="organisations")
        old, new = moved.far(answering()), moved.far(answering(), credential=credential)
        with old, new:
            to_old, to_new = calling.endpoint(old.address), calling.endpoint(new.address)
            courier = moved.courier(to_old, to_new)
            came = [courier.send(calling.signed(), where) for where in (to_old, to_new)]
            assert [isinstance(one, Reply) for one in came] == [True, False]
            pki = moved.folder / "pki"
            for name in ("agencies.pem", "intermediates.pem"):
                (pki / name).write_bytes((pki / "organisations.pem").read_bytes())
            assert courier.renew()
            came = [courier.send(calling.signed(), where) for where in (to_old, to_new)]
            assert [isinstance(one, Reply) for one in came] == [False, True]
            courier.close()

    def test_of_one_endpoints_authorities_leaves_the_others_connections(self, moved):
        own = moved.folder / "own.pem"
        own.write_bytes((moved.folder / "pki" / "agencies.pem").read_bytes())
        with moved.far(answering()) as far:
            one, other = calling.endpoint(far.address), calling.endpoint(far.address, anchors=(own,))
            courier = moved.courier(one, other)
            courier.send(calling.signed(), one)
            courier.send(calling.signed(), other)
            own.write_bytes(own.read_bytes() + moved.authorities.roots["strangers"].pem)
            assert courier.renew()
            courier.send(calling.signed(), one)
            assert far.connections == 2
            courier.send(calling.signed(), other)
            assert far.connections == 3
            courier.close()

    def test_closes_what_has_been_idle_for_too_long(self, moved):
        with moved.calling(moved.far(answering())) as call:
            call.send()
            (line,) = lines(call.courier)
            line.idle[0].used -= IDLE
            assert not call.courier.renew()
            assert call.far.ended.acquire(timeout=20)
            assert call.far.torn == 0


class TestAnotherConfiguration:
    def test_closes_what_is_for_nobody_any_more(self, country):
        with country.calling(country.far(answering())) as call:
            call.send()
            assert call.courier.reload(country.configuration())
            assert call.far.ended.acquire(timeout=20)

    def test_may_reach_the_sender_before_the_courier(self, country):
        with country.far(answering()) as far:
            courier = country.courier()
            assert isinstance(courier.send(calling.signed(), calling.endpoint(far.address)), Reply)
            courier.close()

    def test_that_cannot_be_read_then_has_certainly_sent_nothing(self, country, tmp_path):
        with country.far(answering()) as far:
            where = calling.endpoint(far.address, anchors=(tmp_path / "none.pem",))
            came = country.courier().send(calling.signed(), where)
            assert isinstance(came, Broken)
            assert came.how is Break.UNTRUSTED
            assert "none.pem" in came.detail
            assert far.connections == 0

    def test_that_is_wrong_leaves_the_old_one(self, country, tmp_path):
        with country.calling(country.far(answering())) as call:
            call.send()
            wrong = country.configuration(calling.endpoint("https://localhost/", anchors=(tmp_path / "none.pem",)))
            with pytest.raises(ConfigError):
                call.courier.reload(wrong)
            assert isinstance(call.send(), Reply)
            assert call.far.connections == 1
