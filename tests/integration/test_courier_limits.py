"""Time and size: no far side holds a worker longer, or fills more memory, than its endpoint says."""

import time

import pytest

from gateway.dispatch import Break, Broken, Reply
from gateway.transport.answer import HEAD

LIMIT = 4096
SOON = 8.0
"""Seconds in which every limit here has ended the attempt, on a machine that is busy with others."""
PAUSE = 0.02


def trickling(head: bytes, piece: bytes):
    def script(line):
        line.request()
        line.raw(head)
        while not line.hold(PAUSE):
            line.raw(piece)

    return script


def flooding(head: bytes, piece: bytes):
    def script(line):
        line.request()
        line.raw(head)
        while True:  # until the connection is closed
            line.raw(piece)

    return script


def lost(call, *envelope) -> Broken:
    began = time.monotonic()
    came = call.send(*envelope)
    assert time.monotonic() - began < SOON
    assert isinstance(came, Broken), came
    return came


OK = b"HTTP/1.1 200 OK\r\n"
TRICKLES = {
    "status line": (b"HTTP/1.1 200 ", b"O"),
    "headers": (OK, b"X: y\r\n"),
    "one header": (OK + b"X-Long: ", b"y"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body with length": (OK + b"Content-Length: 4000\r\n\r\n", b"a"),
    "body without length": (OK + b"\r\n", b"a"),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    "trailers": (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", b"X: y\r\n"),
    "empty lines": (b"", b"\r\n"),
}


class TestTime:
    @pytest.mark.parametrize("what", TRICKLES)
    def test_what_trickles_is_ended_by_the_time_for_all(self, country, what):
        with country.calling(country.far(trickling(*TRICKLES[what])), total_timeout=0.6) as call:
            came = lost(call)
            assert (came.how, came.detail) == (Break.LOST, "no answer within 0.6 s")
            assert len(call.far.requests) == 1

    @pytest.mark.parametrize("said", [b"", OK, OK + b"Content-Length: 10\r\n\r\nab"])
    def test_silence_is_ended_by_the_time_for_silence(self, country, said):
        def script(line):
            line.request()
            line.raw(said)
            line.hold()

        with country.calling(country.far(script), read_timeout=0.3) as call:
            came = lost(call)
            assert (came.how, came.detail) == (Break.LOST, "0.3 s of silence")
            assert len(call.far.requests) == 1

    def test_a_far_side_that_does_not_read_is_silent_too(self, country):
        def script(line):
            line.some(1)
            line.hold()

        with country.calling(country.far(script), read_timeout=0.3) as call:
            came = lost(call, bytes(64 * 1024 * 1024))
            assert (came.how, came.detail) == (Break.LOST, "0.3 s of silence")
            assert not call.far.requests

    def test_a_far_side_that_reads_slowly_is_ended_by_the_time_for_all(self, country):
        def script(line):
            size = 1
            while not line.hold(PAUSE):
                line.some(size := size + 65536)

        with country.calling(country.far(script), total_timeout=0.6) as call:
            came = lost(call, bytes(256 * 1024 * 1024))
            assert (came.how, came.detail) == (Break.LOST, "no answer within 0.6 s")

    def test_slow_but_within_the_limits_is_an_answer(self, country):
        def script(line):
            line.request()
            line.raw(OK + b"Content-Length: 9\r\n\r\n")
            for byte in b"<a></a>\r\n":
                line.hold(PAUSE)
                line.raw(bytes([byte]))
            line.hold()

        with country.calling(country.far(script), read_timeout=3, total_timeout=8) as call:
            came = call.send()
        assert isinstance(came, Reply)
        assert came.body == b"<a></a>\r\n"


FLOODS = {
    "length over the limit": (OK + b"Content-Length: 4097\r\n\r\n", b"a" * 4097),
    "body without length": (OK + b"\r\n", b"a" * 1000),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"3e8\r\n" + b"a" * 1000 + b"\r\n"),
    "one chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", b"a" * 1000),
    "compressed": (b"HTTP/1.1 500 X\r\nContent-Encoding: gzip\r\n\r\n", b"\0" * 1000),
}
ENDLESS = {
    "headers": (OK, b"X: y\r\n" * 100),
    "one header": (OK + b"X-Long: ", b"y" * 1000),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "chunk extension": (OK + b"Transfer-Encoding: chunked\r\n\r\n1;", b"y" * 1000),
    "trailers": (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", b"X: y\r\n" * 100),
    "reason": (b"HTTP/1.1 200 ", b"O" * 1000),
    "empty lines": (b"", b"\r\n" * 1000),
}


class TestSize:
    @pytest.mark.parametrize("what", FLOODS)
    def test_a_body_over_the_limit_is_cut_off(self, country, what):
        with country.calling(country.far(flooding(*FLOODS[what])), answer_limit=LIMIT) as call:
            came = lost(call)
            assert (came.how, came.detail) == (Break.TOO_LARGE, f"more than {LIMIT} bytes")

    @pytest.mark.parametrize("what", ENDLESS)
    def test_what_is_no_body_and_has_no_end_is_cut_off(self, country, what):
        with country.calling(country.far(flooding(*ENDLESS[what])), answer_limit=LIMIT) as call:
            came = lost(call)
            assert (came.how, came.detail) == (Break.LOST, f"more than {HEAD} bytes of headers")

    @pytest.mark.parametrize("chunked", [False, True])
    def test_a_body_of_just_the_limit_passes(self, country, chunked):
        def script(line):
            line.request()
            if chunked:
                line.raw(OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * LIMIT + b"0\r\n\r\n")
            else:
                line.answer(b"a" * LIMIT)
            line.hold()

        with country.calling(country.far(script), answer_limit=LIMIT) as call:
            came = call.send()
        assert isinstance(came, Reply)
        assert came.body == b"a" * LIMIT

    def test_a_request_of_many_records_arrives_whole(self, country):
        def script(line):
            line.request()
            line.answer()
            line.hold()

        envelope = bytes(range(256)) * 16384
        with country.calling(country.far(script)) as call:
            assert isinstance(call.send(envelope), Reply)
            assert call.far.requests[0].endswith(b"\r\n\r\n" + envelope)
