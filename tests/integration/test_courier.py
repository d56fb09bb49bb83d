"""What the courier sends and what it makes of what comes back; every way to fail, with and without the request read."""

import logging
import select
import socket
import threading
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest

from gateway import logs
from gateway.dispatch import Break, Broken, Reply
from gateway.errors import IntegrityError
from gateway.message import PartnerId, SoapVersion
from gateway.transport import connection, tls
from gateway.transport.answer import Answer
from tests import calling
from tests.calling import ENVELOPE
from tests.farside import answering

HTML = b"<html><body>Personen 189001019802 saknas</body></html>"


def headers(request: bytes) -> dict[str, str]:
    lines = request.partition(b"\r\n\r\n")[0].decode("ascii").split("\r\n")[1:]
    return dict(line.split(": ", 1) for line in lines)


def broken(came: Reply | Broken, how: Break) -> str:
    assert isinstance(came, Broken), came
    assert came.how is how, came
    return came.detail


@contextmanager
def taking_nobody():
    """Listen, with a queue that is full; yields the address."""
    with socket.socket() as full, ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            end = waiting.enter_context(socket.socket())
            end.setblocking(False)
            end.connect_ex(full.getsockname())
        yield full.getsockname()


class TestWhatIsSent:
    def test_soap_1_1_has_its_media_type_and_the_soap_action_of_the_wsdl(self, country):
        with country.calling(country.far(answering())) as call:
            call.send()
            (request,) = call.far.requests
        assert request.startswith(b"POST /tjanst/v1 HTTP/1.1\r\n")
        assert request.endswith(b"\r\n\r\n" + ENVELOPE)
        assert headers(request) == {
            "Host": f"localhost:{call.far.port}",
            "Accept": "text/xml",
            "Accept-Encoding": "identity",
            "Content-Type": "text/xml; charset=utf-8",
            "Content-Length": str(len(ENVELOPE)),
            "User-Agent": "forsakringskassan-utbyte",
            "SOAPAction": '""',
        }

    def test_soap_1_2_has_its_media_type_and_no_soap_action(self, country):
        with country.calling(country.far(answering())) as call:
            call.send(version=SoapVersion.SOAP_12, content_type="application/soap+xml; charset=utf-8")
            sent = headers(call.far.requests[0])
        assert sent["Content-Type"] == "application/soap+xml; charset=utf-8"
        assert sent["Accept"] == "application/soap+xml"
        assert "SOAPAction" not in sent

    @pytest.mark.parametrize(
        ("version", "kind", "expected"),
        [
            (SoapVersion.SOAP_11, "text/xml", {"SOAPAction": '"urn:a"', "Content-Type": "text/xml"}),
            (SoapVersion.SOAP_12, "application/soap+xml", {"Content-Type": 'application/soap+xml; action="urn:a"'}),
            (SoapVersion.SOAP_12, 'a/b; action="urn:b"', {"Content-Type": 'a/b; action="urn:b"'}),
        ],
    )
    def test_an_action_of_the_wsdl_is_where_its_version_wants_it(self, country, version, kind, expected):
        courier = country.courier(calling.endpoint("https://localhost/"))
        (line,) = courier._lines.values()
        sent = headers(line.head(calling.signed(version=version, content_type=kind), "urn:a"))
        assert expected.items() <= sent.items()
        assert ("SOAPAction" in sent) == (version is SoapVersion.SOAP_11)

    def test_what_would_break_a_header_is_never_sent(self, country):
        with country.calling(country.far(answering())) as call:
            with pytest.raises(IntegrityError):
                call.send(content_type="text/xml\r\nX-Other: 1")
            assert call.far.connections == 0

    def test_a_partner_that_is_not_configured_is_our_own_fault(self, country):
        with country.calling(country.far(answering())) as call:
            with pytest.raises(IntegrityError):
                call.send(partner=PartnerId("okand"))
            assert call.far.connections == 0

    def test_proxies_of_the_environment_are_not_asked(self, country, monkeypatch):
        for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        with country.calling(country.far(answering())) as call:
            assert isinstance(call.send(), Reply)


class TestWhatComesBack:
    def test_is_told_as_it_is(self, country):
        script = answering(HTML, status=500, headers=["Retry-After: 120", "Set-Cookie: a=b"])
        with country.calling(country.far(script)) as call:
            came = call.send()
        assert isinstance(came, Reply)
        assert (came.status, came.body, came.content_type) == (500, HTML, "text/xml; charset=utf-8")
        assert came.retry_after == timedelta(seconds=120)
        assert came.at == calling.AT
        assert came.peer == country.server.der

    def test_a_cookie_is_not_sent_again(self, country):
        with country.calling(country.far(answering(headers=["Set-Cookie: a=b"]))) as call:
            call.send()
            call.send()
            assert all(b"cookie" not in request.lower() for request in call.far.requests)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_an_answer_and_is_not_followed(self, country, status):
        with country.far(answering()) as other:
            script = answering(status=status, headers=[f"Location: {other.address}"])
            with country.calling(country.far(script)) as call:
                came = call.send()
            assert isinstance(came, Reply)
            assert came.status == status
            assert other.connections == 0

    def test_an_interim_answer_is_passed_over(self, country):
        def script(line):
            line.request()
            line.raw(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
            line.answer()

        with country.calling(country.far(script)) as call:
            came = call.send()
        assert isinstance(came, Reply)
        assert (came.status, came.body) == (200, b"<a/>")

    @pytest.mark.parametrize("end", ["finish", "vanish"])
    def test_without_length_the_end_of_the_connection_ends_the_body(self, country, end):
        def script(line):
            line.request()
            line.raw(b"HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\n\r\n<a>")
            line.raw(b"</a>")
            getattr(line, end)()

        with country.calling(country.far(script)) as call:
            came = call.send()
        assert isinstance(came, Reply)
        assert came.body == b"<a></a>"

    def test_chunks_are_put_together(self, country):
        def script(line):
            line.request()
            line.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for part in (b"3\r\n<a>\r\n", b"4;x=y\r\n</a>\r\n", b"0\r\nX-Trailer: 1\r\n\r\n"):
                line.raw(part)
            line.hold()

        with country.calling(country.far(script)) as call:
            came = call.send()
        assert isinstance(came, Reply)
        assert came.body == b"<a></a>"

    def test_an_answer_before_the_request_was_read_is_an_answer(self, country):
        def script(line):
            line.some(1)
            line.answer(status=413)
            line.hold()

        with country.calling(country.far(script)) as call:
            came = call.send(bytes(64 * 1024 * 1024))
            assert not call.far.requests
        assert isinstance(came, Reply)
        assert came.status == 413

    def test_a_connection_on_which_an_answer_came_too_soon_is_not_used_again(self, country):
        def script(line):
            line.some(1)
            line.answer(status=413)
            line.hold()

        with country.calling(country.far(script)) as call:
            call.send(bytes(64 * 1024 * 1024))
            call.send(bytes(64 * 1024 * 1024))
            assert call.far.connections == 2

    def test_an_answer_that_came_before_the_line_broke_is_an_answer(self, country):
        told = threading.Event()

        def script(line):
            line.some(1)
            told.wait(20)
            line.answer(status=413)
            line.vanish()  # with bytes unread: what follows the answer is RST

        context = tls.calling(country.read.gateway.keys, [country.folder / "pki" / "agencies.pem"])
        with country.far(script) as far:
            dialled = connection.dial("localhost", far.port, context, timeout=20)
            answer = Answer(4096)
            ours = connection._Exchange(dialled._link, bytes(8 * 1024 * 1024), answer)
            assert not ours.step()
            told.set()
            broken_line = select.poll()
            broken_line.register(dialled._link, 0)
            assert broken_line.poll(20_000)
            assert ours.step()
            dialled.drop()
        assert answer.status == 413
        assert not ours.written


class TestCertainlyNothingWasSent:
    def test_a_name_that_nobody_knows(self, country):
        where = calling.endpoint("https://no.such.host.invalid/tjanst")
        came = country.courier(where).send(calling.signed(), where)
        assert broken(came, Break.UNREACHABLE) == "name: the host's name is not known"

    def test_a_resolver_that_is_silent_is_left_after_the_connect_timeout(self, country):
        with country.far(answering()) as far:
            where = calling.endpoint("https://localhost:9/tjanst", connect_timeout=0.2)

            def silent(host, port):
                far.closing.wait(20)
                return []

            came = country.courier(where, resolve=silent).send(calling.signed(), where)
        assert broken(came, Break.UNREACHABLE) == "name: took too long"

    def test_a_host_without_addresses(self, country):
        where = calling.endpoint("https://localhost:9/tjanst")
        came = country.courier(where, resolve=lambda *_: []).send(calling.signed(), where)
        assert broken(came, Break.UNREACHABLE) == "the host has no address"

    def test_a_port_where_nobody_listens(self, country):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))  # and does not listen
            where = calling.endpoint(f"https://127.0.0.1:{closed.getsockname()[1]}/tjanst")
            came = country.courier(where).send(calling.signed(), where)
        assert broken(came, Break.UNREACHABLE) == "ECONNREFUSED"

    def test_an_address_that_takes_no_connection_in_time(self, country):
        with taking_nobody() as address:
            where = calling.endpoint(f"https://127.0.0.1:{address[1]}/tjanst", connect_timeout=0.3)
            came = country.courier(where).send(calling.signed(), where)
        assert broken(came, Break.UNREACHABLE) == "took too long"

    def test_an_address_that_takes_no_connection_leaves_time_for_the_next(self, country):
        with country.far(answering()) as far, taking_nobody() as address:
            where = calling.endpoint(far.address, connect_timeout=3)

            def two(host, port):
                return [(socket.AF_INET, address), (socket.AF_INET, ("127.0.0.1", port))]

            courier = country.courier(where, resolve=two)
            assert isinstance(courier.send(calling.signed(), where), Reply)
            courier.close()

    def test_the_second_address_is_tried_when_the_first_does_not_answer(self, country):
        with country.far(answering()) as far:
            where = calling.endpoint(far.address)

            def two(host, port):
                return [(socket.AF_INET, ("127.0.0.1", 9)), *connection.resolve(host, port)]

            courier = country.courier(where, resolve=two)
            assert isinstance(courier.send(calling.signed(), where), Reply)
            courier.close()

    def test_a_far_side_that_is_silent_in_the_handshake(self, country):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            where = calling.endpoint(f"https://127.0.0.1:{silent.getsockname()[1]}/tjanst", connect_timeout=0.3)
            came = country.courier(where).send(calling.signed(), where)
        assert broken(came, Break.UNREACHABLE) == "TLS: took too long"


def reset(line):
    line.reset()


def vanish(line):
    line.vanish()


def finish(line):
    line.finish()


def garbage(line):
    line.raw(b"SSH-2.0-OpenSSH_9.2\r\n")
    line.hold()


def half_a_head(line):
    line.raw(b"HTTP/1.1 200 OK\r\nContent-Ty")
    line.finish()


def half_a_body(line):
    line.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<a>")
    line.finish()


def half_a_chunk(line):
    line.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n<a>")
    line.reset()


def two_lengths(line):
    line.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n<a/>")
    line.hold()


def length_beside_chunks(line):
    line.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n<a/>\r\n0\r\n\r\n")
    line.hold()


def another_protocol(line):
    line.raw(b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n")
    line.hold()


def compressed(line):
    line.answer(b"\x1f\x8b\x08", headers=["Content-Encoding: gzip"])
    line.hold()


def compressed_in_transfer(line):
    line.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\n\x1f\x8b\x08\r\n0\r\n\r\n")
    line.hold()


def a_page(line):
    line.answer(HTML)


ENDS = (
    reset,
    vanish,
    finish,
    garbage,
    half_a_head,
    half_a_body,
    half_a_chunk,
    two_lengths,
    length_beside_chunks,
    another_protocol,
    compressed,
    compressed_in_transfer,
)


class TestPerhaps:
    """The same end, after the far side read the request and before: nobody here can tell one from the other."""

    @pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
    def test_it_was_processed_and_is_lost(self, country, end):
        def script(line):
            line.request()
            end(line)

        with country.calling(country.far(script)) as call:
            broken(call.send(), Break.LOST)
            assert len(call.far.requests) == 1

    @pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
    def test_it_was_not_processed_and_is_lost(self, country, end):
        def script(line):
            line.some(1)  # of a request of several records
            end(line)

        with country.calling(country.far(script)) as call:
            broken(call.send(bytes(8 * 1024 * 1024)), Break.LOST)
            assert not call.far.requests

    def test_compressed_where_the_status_is_the_answer_keeps_the_status(self, country):
        script = answering(b"\x1f\x8b\x08", status=503, headers=["Content-Encoding: gzip", "Retry-After: 7"])
        with country.calling(country.far(script)) as call:
            came = call.send()
        assert isinstance(came, Reply)
        assert (came.status, came.body, came.retry_after) == (503, b"", timedelta(seconds=7))


class TestNothingIsTold:
    @pytest.mark.parametrize("end", [*ENDS, a_page], ids=lambda end: end.__name__)
    def test_no_body_header_or_address_reaches_a_log_or_a_detail(self, country, end, caplog):
        caplog.set_level(logging.DEBUG)

        def script(line):
            line.request()
            end(line)

        secret = "189001019802"
        with country.calling(country.far(script)) as call, logs.captured() as lines:
            came = call.send(f"<a>{secret}</a>".encode())
        told = caplog.text + lines.getvalue().decode() + repr(came)
        assert secret not in told
        assert "tjanst" not in told
        assert str(call.far.port) not in told
