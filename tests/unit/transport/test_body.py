"""Headers are judged before a byte of the body is read, and the body is counted while it is."""

import asyncio

import pytest

from gateway import codes
from gateway.errors import MalformedError
from gateway.message import SoapVersion
from gateway.transport import body

SOAP_11 = (b"content-type", b"text/xml; charset=utf-8")


def chunks(*parts, end=True):
    """Return an ASGI `receive` that gives the parts, then ends the body or waits forever."""
    waiting = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    if end:
        waiting[-1]["more_body"] = False

    async def receive():
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    return receive


def read(receive, *, limit=100, seconds=5.0):
    return asyncio.run(body.read(receive, limit=limit, seconds=seconds))


@pytest.mark.parametrize(
    ("content_type", "version"),
    [
        (b"text/xml", SoapVersion.SOAP_11),
        (b"Text/XML; charset=ISO-8859-1", SoapVersion.SOAP_11),
        (b'application/soap+xml; charset=utf-8; action="urn:x"', SoapVersion.SOAP_12),
        (b"  application/soap+xml ;charset=utf-8", SoapVersion.SOAP_12),
    ],
)
def test_the_content_type_tells_the_soap_version(content_type, version):
    head = body.head([(b"content-type", content_type)], limit=100)
    assert head.version is version
    assert head.content_type == content_type.decode()


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([], codes.CONTENT_TYPE),
        ([(b"content-type", b"")], codes.CONTENT_TYPE),
        ([(b"content-type", b"application/json")], codes.CONTENT_TYPE),
        ([(b"content-type", b"application/xml")], codes.CONTENT_TYPE),
        ([(b"content-type", b"text/xml, application/soap+xml")], codes.CONTENT_TYPE),
        ([(b"content-type", b"text/xml\xff/x")], codes.CONTENT_TYPE),
        ([SOAP_11, (b"content-type", b"application/soap+xml")], codes.CONTENT_TYPE),
        ([(b"content-type", b'multipart/related; type="application/xop+xml"; boundary=x')], codes.MULTIPART),
        ([(b"content-type", b"multipart/form-data; boundary=x")], codes.MULTIPART),
        ([(b"content-type", b"application/xop+xml; type=text/xml")], codes.MULTIPART),
        ([SOAP_11, (b"content-encoding", b"gzip")], codes.CONTENT_ENCODING),
        ([SOAP_11, (b"content-encoding", b"identity, gzip")], codes.CONTENT_ENCODING),
        ([SOAP_11, (b"transfer-encoding", b"gzip, chunked")], codes.CONTENT_ENCODING),
        ([SOAP_11, (b"content-length", b"101")], codes.TOO_LARGE),
        ([SOAP_11, (b"content-length", b"0")], codes.EMPTY),
    ],
)
def test_a_wrong_header_is_refused(headers, code):
    with pytest.raises(MalformedError) as caught:
        body.head(headers, limit=100)
    assert caught.value.code is code


def test_a_body_of_exactly_the_limit_is_taken():
    assert body.head([SOAP_11, (b"content-length", b"100")], limit=100).version is SoapVersion.SOAP_11
    assert read(chunks(b"x" * 60, b"x" * 40)) == b"x" * 100


def test_identity_is_no_encoding():
    assert body.head([SOAP_11, (b"content-encoding", b" Identity")], limit=100).version is SoapVersion.SOAP_11
    assert body.head([SOAP_11, (b"transfer-encoding", b" Chunked")], limit=100).version is SoapVersion.SOAP_11


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ([], SoapVersion.SOAP_11),
        ([SOAP_11], SoapVersion.SOAP_11),
        ([(b"content-type", b"Application/SOAP+XML")], SoapVersion.SOAP_12),
        ([(b"content-type", b'multipart/related; start-info="application/soap+xml"')], SoapVersion.SOAP_12),
        ([(b"content-type", b"nonsense")], SoapVersion.SOAP_11),
    ],
)
def test_a_fault_speaks_the_version_the_sender_asked_in(headers, version):
    assert body.asked(headers) is version


def test_a_body_in_pieces_is_put_together():
    assert read(chunks(b"ab", b"", b"cd", b"")) == b"abcd"


def test_a_body_over_the_limit_is_cut_off_while_it_is_read():
    receive = chunks(b"x" * 60, b"x" * 41, end=False)
    with pytest.raises(MalformedError) as caught:
        read(receive)
    assert caught.value.code is codes.TOO_LARGE


def test_an_empty_body_is_refused():
    with pytest.raises(MalformedError) as caught:
        read(chunks(b"", b""))
    assert caught.value.code is codes.EMPTY


def test_a_body_that_is_not_whole_in_time_is_cut_off_whatever_trickles():
    async def trickle():
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"x", "more_body": True}

    with pytest.raises(MalformedError) as caught:
        read(trickle, limit=10_000, seconds=0.1)
    assert caught.value.code is codes.SLOW


def test_a_sender_that_goes_away_has_no_body():
    async def gone():
        return {"type": "http.disconnect"}

    assert read(gone) is None


def test_discarding_ends_with_the_body_with_the_sender_or_with_patience(monkeypatch):
    monkeypatch.setattr(body, "LINGER", 0.05)
    taken = []

    async def flood():
        taken.append(1)
        return {"type": "http.request", "body": b"x" * 1024 * 1024, "more_body": True}

    asyncio.run(body.discard(chunks(b"x", b"y")))
    asyncio.run(body.discard(chunks(b"x", end=False)))
    asyncio.run(body.discard(flood))
    assert len(taken) == 8
