"""One HTTP answer, whole, in pieces or not at all."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import endings
from gateway.errors import UncertainError
from gateway.transport.answer import LONGEST, Answer
from tests.effort import effort

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OK = b"HTTP/1.1 200 OK\r\n"


def fed(data: bytes, *, limit: int = 100) -> Answer:
    answer = Answer(limit)
    answer.feed(data)
    return answer


def with_retry(value: str) -> Answer:
    return fed(b"HTTP/1.1 503 No\r\nRetry-After: " + value.encode() + b"\r\nContent-Length: 0\r\n\r\n")


class TestAnAnswer:
    @pytest.mark.parametrize(
        ("data", "body"),
        [
            (OK + b"Content-Length: 4\r\n\r\n<a/>", b"<a/>"),
            (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\n<\r\n3\r\na/>\r\n0\r\n\r\n", b"<a/>"),
            (OK + b"transfer-encoding:Chunked\r\n\r\n0\r\n\r\n", b""),
            (
                b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 102 P\r\nContent-Type: a\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n",
                b"",
            ),
            (b"HTTP/1.1 204 No\r\n\r\n", b""),
            (b"HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n", b""),
            (b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\na", b"a"),
            (OK + b"Content-Encoding: identity\r\nContent-Length: 1\r\n\r\na", b"a"),
        ],
    )
    def test_is_whole_when_its_framing_says_so(self, data, body):
        answer = fed(data)
        assert answer.complete
        assert answer.body == body

    @given(st.data())
    @effort(100)
    def test_is_the_same_in_whatever_pieces_it_comes(self, data):
        whole = (
            OK
            + b"Content-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n<a>\r\n4\r\n</a>\r\n0\r\nX: y\r\n\r\n"
        )
        cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=12)))
        answer = Answer(100)
        for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
            assert not answer.complete
            answer.feed(whole[start:end])
        assert (answer.complete, answer.status, answer.body, answer.content_type) == (True, 200, b"<a></a>", "text/xml")
        assert answer.reusable

    def test_keeps_its_own_status_and_headers_whatever_follows(self):
        answer = fed(OK + b"Content-Length: 1\r\n\r\naHTTP/1.1 500 X\r\nContent-Type: b\r\nContent-Length: 1\r\n\r\nc")
        assert (answer.status, answer.body, answer.content_type) == (200, b"a", "")
        assert not answer.reusable

    def test_of_two_media_types_has_none_that_anybody_takes(self):
        assert fed(OK + b"Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n").content_type == "a/b, c/d"

    @pytest.mark.parametrize(
        ("head", "reusable"),
        [
            (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
            (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", False),
            (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
            (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", True),
        ],
    )
    def test_tells_whether_another_may_follow(self, head, reusable):
        assert fed(head).reusable is reusable

    def test_that_the_end_of_the_connection_ends_is_whole_then_and_not_before(self):
        answer = fed(OK + b"\r\n<a/>")
        assert not answer.complete
        answer.end()
        assert (answer.complete, answer.body, answer.reusable) == (True, b"<a/>", False)


class TestNoAnswer:
    @pytest.mark.parametrize(
        "data",
        [
            b"<html>",
            b"\x16\x03\x01",
            b"HTTP/1.1 2OO OK\r\n",
            b"HTTP/1.1 099 OK\r\n\r\n",
            b"HTTP/1.1 101 X\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n",
            OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
            OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            OK + b"Content-Length: -1\r\n\r\n",
            OK + b"Content-Length: 1e1\r\n\r\n",
            OK + b"Content-Length: 99999999999999999999999\r\n\r\n",
            OK + b"Content-Length : 1\r\n\r\n",
            OK + b"X: a\r\n folded\r\n\r\n",
            OK + b"X: a\0b\r\n\r\n",
            OK + b"no header\r\n\r\n",
            OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
            OK + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
            OK + b"Transfer-Encoding: identity\r\n\r\n",
            OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
            OK + b"Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\n",
            OK + b"Content-Encoding: br\r\n\r\n",
        ],
    )
    def test_is_told_without_a_word_of_what_came(self, data):
        with pytest.raises(UncertainError) as caught:
            fed(data)
        assert caught.value.code is endings.LOST
        assert caught.value.detail in {
            "what came is not HTTP",
            "what came is not an answer to a POST",
            "the answer has a transfer coding other than chunked",
            "the answer is compressed, which was not asked for",
        }

    @pytest.mark.parametrize(
        "part", [b"", b"HTTP/1.1", OK, OK + b"Content-Length: 2\r\n\r\na", b"HTTP/1.1 100 C\r\n\r\n"]
    )
    def test_is_what_ends_too_soon(self, part):
        answer = fed(part)
        with pytest.raises(UncertainError) as caught:
            answer.end()
        assert caught.value.code is endings.LOST

    @given(st.binary(max_size=300))
    @effort(300)
    def test_is_the_worst_that_any_bytes_do(self, data):
        answer = Answer(50)
        try:
            answer.feed(data)
            answer.feed(OK + data)
            answer.end()
        except UncertainError:
            return
        assert len(answer.body) <= 50

    @given(st.lists(st.sampled_from([
        b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 C\r\n", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n",
        b"Content-Encoding: gzip\r\n", b"Connection: close\r\n", b"\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n", b"abc",
    ]), max_size=12))  # fmt: skip
    @effort(300)
    def test_is_the_worst_that_any_order_of_right_pieces_does(self, pieces):
        answer = Answer(50)
        try:
            for piece in pieces:
                if not answer.complete:
                    answer.feed(piece)
            if not answer.complete:
                answer.end()
        except UncertainError:
            return
        assert answer.complete
        assert 200 <= answer.status < 600


class TestTooLarge:
    @pytest.mark.parametrize(
        "data",
        [
            OK + b"Content-Length: 101\r\n\r\n",
            OK + b"\r\n" + b"a" * 101,
            OK + b"Transfer-Encoding: chunked\r\n\r\n65\r\n" + b"a" * 101,
            b"HTTP/1.1 500 X\r\nContent-Encoding: gzip\r\n\r\n" + b"a" * 101,
        ],
    )
    def test_is_told_at_the_first_byte_beyond_the_limit_or_its_announcement(self, data):
        with pytest.raises(UncertainError) as caught:
            fed(data)
        assert caught.value.code is endings.TOO_LARGE


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("0", 0),
            ("120", 120),
            (" 7 ", 7),
            ("999999999", LONGEST.total_seconds()),
            (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
            (format_datetime((NOW + timedelta(seconds=90)).astimezone(timezone(timedelta(hours=5)))), 90),
            ("Fri, 20 Nov 2026 12:01:30 -0000", 90),
            (format_datetime(NOW - timedelta(days=9), usegmt=True), 0),
            ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST.total_seconds()),
        ],
    )
    def test_is_seconds_or_a_date_and_never_more_than_a_day(self, value, seconds):
        assert with_retry(value).retry_after(NOW) == timedelta(seconds=seconds)

    @pytest.mark.parametrize(
        "value", ["", "soon", "-5", "1.5", "1e9", "9" * 5000, "٣", "32 Foo 2026", "Fri, 99 Nov 2026"]
    )
    def test_that_is_neither_is_none(self, value):
        assert with_retry(value).retry_after(NOW) is None

    def test_that_is_not_there_is_none(self):
        assert fed(OK + b"Content-Length: 0\r\n\r\n").retry_after(NOW) is None

    @given(st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60))
    @effort(300)
    def test_is_harmless_whatever_it_says(self, value):
        wait = with_retry(value.replace("\x7f", "")).retry_after(NOW)
        assert wait is None or timedelta(0) <= wait <= LONGEST
