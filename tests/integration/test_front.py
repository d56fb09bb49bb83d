"""The message address over real mutual TLS: what is taken, what is refused, and how each refusal is told."""

import http.client
import socket
import ssl

import pytest
import requests
from lxml import etree

from gateway import wiring
from gateway.message import SoapVersion
from tests import payloads
from tests.integration.stage import FAULT, TYPES, code, everything

VERSIONS = pytest.mark.parametrize("version", SoapVersion, ids=lambda version: version.name)


def post(stand, body, *, version=SoapVersion.SOAP_11, contract="skatteverket/folkbokforing", name=None, **headers):
    session = stand.stage.session(name or contract.partition("/")[0])
    with session:
        return session.post(stand.address(contract), data=body, headers={"Content-Type": TYPES[version], **headers})


def refused(answer, expected, status, version=SoapVersion.SOAP_11):
    """Assert that the answer is a fault with this code, in this SOAP version."""
    root = etree.fromstring(answer.content)
    assert root.findtext(f".//{FAULT}Code") == expected
    assert root.tag == f"{{{version}}}Envelope"
    assert answer.headers["Content-Type"] == TYPES[version]
    assert answer.status_code == status


@VERSIONS
def test_a_signed_message_is_accepted_with_a_signed_receipt(stand, version):
    message = stand.stage.message(version=version, message_id=f"urn:uuid:{version.name}")
    answer = post(stand, message, version=version)
    assert answer.status_code == 200
    root = etree.fromstring(answer.content)
    assert root.tag == f"{{{version}}}Envelope"
    assert root.find(".//{http://www.w3.org/2000/09/xmldsig#}SignatureValue") is not None
    assert root.findtext(".//{*}MessageId") == f"urn:uuid:{version.name}"


def test_the_same_message_again_gets_the_first_receipts_facts(stand):
    message = stand.stage.message()
    first, second = post(stand, message), post(stand, message)
    body = ".//{http://schemas.xmlsoap.org/soap/envelope/}Body/*"
    inner = [etree.tostring(etree.fromstring(answer.content).find(body), method="c14n") for answer in (first, second)]
    assert (first.status_code, second.status_code) == (200, 200)
    assert inner[0] == inner[1]


@VERSIONS
def test_the_same_id_with_other_content_is_a_conflict_that_names_the_id_and_a_reference(stand, version):
    name = f"urn:uuid:conflict-{version.name}"
    assert post(stand, stand.stage.message(version=version, message_id=name), version=version).status_code == 200
    other = stand.stage.message(payloads.folkbokforing(gata="Annan gata 2"), version=version, message_id=name)
    answer = post(stand, other, version=version)
    refused(answer, "GW-CONFLICT-DIGEST", 500 if version is SoapVersion.SOAP_11 else 400, version)
    root = etree.fromstring(answer.content)
    assert root.findtext(f".//{FAULT}MessageId") == name
    assert len(root.findtext(f".//{FAULT}Reference")) == 32


def test_a_refusals_reference_leads_to_its_leaf(stand):
    answer = post(stand, stand.stage.message().replace(b"Testsson", b"Testson"))
    refused(answer, "GW-SIG-DIGEST", 500)
    reference = etree.fromstring(answer.content).findtext(f".//{FAULT}Reference")
    (refusal,) = wiring.views(stand.stage.configuration).refusals(code="GW-SIG-DIGEST", limit=1)
    assert stand.leaf(refusal.position).hex()[:32] == reference


@pytest.mark.parametrize(
    ("content_type", "expected", "version"),
    [
        ("application/json", "GW-HTTP-CONTENT-TYPE", SoapVersion.SOAP_11),
        ("application/json; like=application/soap+xml", "GW-HTTP-CONTENT-TYPE", SoapVersion.SOAP_12),
        (None, "GW-HTTP-CONTENT-TYPE", SoapVersion.SOAP_11),
        ("multipart/related; boundary=x; type=text/xml", "GW-HTTP-MULTIPART", SoapVersion.SOAP_11),
        ('multipart/related; boundary=x; type="application/soap+xml"', "GW-HTTP-MULTIPART", SoapVersion.SOAP_12),
        ("application/xop+xml; type=text/xml", "GW-HTTP-MULTIPART", SoapVersion.SOAP_11),
        ('application/xop+xml; type="application/soap+xml"', "GW-HTTP-MULTIPART", SoapVersion.SOAP_12),
    ],
)
def test_another_content_type_is_refused(stand, content_type, expected, version):
    refused(post(stand, b"<a/>", **{"Content-Type": content_type}), expected, 415, version)


@VERSIONS
def test_a_compressed_body_is_refused(stand, version):
    answer = post(stand, b"\x1f\x8b", version=version, **{"Content-Encoding": "gzip"})
    refused(answer, "GW-HTTP-CONTENT-ENCODING", 415, version)


@VERSIONS
def test_an_unsupported_charset_is_refused(stand, version):
    content_type = TYPES[version].replace("utf-8", "ebcdic-cp-se")
    answer = post(stand, b"<a/>", version=version, **{"Content-Type": content_type})
    refused(answer, "GW-XML-ENCODING", 500 if version is SoapVersion.SOAP_11 else 400, version)


@VERSIONS
def test_an_empty_body_is_refused(stand, version):
    refused(post(stand, b"", version=version), "GW-HTTP-EMPTY", 400, version)


@VERSIONS
def test_an_empty_chunked_body_is_refused(stand, version):
    refused(post(stand, iter([]), version=version), "GW-HTTP-EMPTY", 400, version)


@VERSIONS
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_another_method_is_refused_and_told_the_right_ones(stand, version, method):
    with stand.stage.session() as session:
        answer = session.request(method, stand.address(), headers={"Content-Type": TYPES[version]})
    refused(answer, "GW-HTTP-METHOD", 405, version)
    assert answer.headers["Allow"] == "GET, POST"


@VERSIONS
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/soap",
        "/soap/skatteverket",
        "/soap/skatteverket/annat",
        "/soap/skatteverket/folkbokforing/",
        "/soap/skatteverket/../skatteverket/folkbokforing/x",
        "/soap//folkbokforing",
        "/health",
        "/%00",
    ],
)
def test_another_path_is_refused(stand, version, path):
    with stand.stage.session() as session:
        answer = session.post(stand.server.origin + path, data=b"<a/>", headers={"Content-Type": TYPES[version]})
    refused(answer, "GW-HTTP-PATH", 404, version)


@VERSIONS
def test_a_body_over_the_contracts_limit_is_refused_by_its_length_before_it_is_read(stand, version):
    limit = stand.stage.configuration.gateway.limits.body
    refused(post(stand, b" " * (limit + 1), version=version), "GW-HTTP-TOO-LARGE", 413, version)


@VERSIONS
def test_a_chunked_body_over_the_limit_is_cut_off_while_it_is_read(stand, version):
    limit = stand.stage.configuration.gateway.limits.body
    chunks = (b" " * 65536 for _ in range(limit // 65536 + 2))
    refused(post(stand, chunks, version=version), "GW-HTTP-TOO-LARGE", 413, version)


def test_a_contract_may_have_a_limit_of_its_own(stand):
    answer = post(stand, b" " * 131073, contract="arbetsgivare/sjukanmalan", name="arbetsgivare-a")
    refused(answer, "GW-HTTP-TOO-LARGE", 413)
    answer = post(stand, b" " * 2_000_000, contract="skatteverket/arbetsgivardeklaration")
    refused(answer, "GW-XML-SYNTAX", 500)


def test_a_body_of_exactly_the_limit_is_read(stand):
    limit = stand.stage.configuration.gateway.limits.body
    message = stand.stage.message()
    assert post(stand, message + b" " * (limit - len(message))).status_code == 200


def test_a_large_message_is_prepared_beside_the_loop(stand):
    posts = [payloads.post(number) for number in payloads.PERSONS] * 40
    message = stand.stage.message(payloads.folkbokforing(*posts))
    assert len(message) > 64 * 1024
    assert post(stand, message).status_code == 200


def test_a_client_without_a_certificate_is_not_let_in(stand):
    with stand.stage.session() as session:
        session.cert = None
        with pytest.raises(requests.exceptions.ConnectionError):
            session.get(f"{stand.server.origin}/health/live")


def test_a_client_under_an_unknown_authority_is_not_let_in(stand):
    with stand.stage.session("stranger") as session, pytest.raises(requests.exceptions.ConnectionError):
        session.get(f"{stand.server.origin}/health/live")


def test_tls_1_1_is_not_spoken(stand):
    context = stand.stage.context()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    connection = http.client.HTTPSConnection(stand.server.host, stand.server.port, context=context, timeout=5)
    with pytest.raises(ssl.SSLError):
        connection.connect()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_tls_1_2_and_1_3_are_spoken(stand, version):
    context = stand.stage.context()
    context.minimum_version = context.maximum_version = version
    connection = http.client.HTTPSConnection(stand.server.host, stand.server.port, context=context, timeout=5)
    connection.request("GET", "/health/live")
    assert connection.getresponse().status == 200
    connection.close()


def test_a_partner_at_anothers_address_is_told_so_and_leaves_no_trace_in_the_log(stand):
    before = len(wiring.views(stand.stage.configuration).refusals(limit=100_000))
    refused(post(stand, b"<a/>", name="arbetsformedlingen"), "GW-PEER-CONTRACT", 403)
    assert len(wiring.views(stand.stage.configuration).refusals(limit=100_000)) == before


def test_a_client_certificate_in_a_header_is_nothing(stand):
    der = stand.stage.demo.clients["skatteverket"].tls.der
    answer = post(stand, stand.stage.message(), name="arbetsformedlingen", **{"Client-Cert": f":{der.hex()}:"})
    refused(answer, "GW-PEER-CONTRACT", 403)


def test_a_resumed_session_still_shows_the_certificate(stand):
    context = stand.stage.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    answers = []
    session = None
    for _ in range(2):
        connection = http.client.HTTPSConnection(stand.server.host, stand.server.port, context=context, timeout=5)
        connection.sock = context.wrap_socket(
            socket.create_connection((stand.server.host, stand.server.port)),
            server_hostname="127.0.0.1",
            session=session,
        )
        session = connection.sock.session
        connection.request(
            "POST", "/soap/skatteverket/folkbokforing", stand.stage.message(), {"Content-Type": "text/xml"}
        )
        answers.append((connection.sock.session_reused, connection.getresponse().status))
        connection.close()
    assert answers == [(False, 200), (True, 200)]


def test_a_typed_fault_of_the_contract_stands_in_the_detail(stand):
    payload = '<s:SkickaAnmalanFranArbetsgivare xmlns:s="urn:shs:emottagning:SkickaAnmalanFranArbetsgivare:1"/>'
    message = stand.stage.message(payload, name="arbetsgivare-a")
    answer = post(stand, message, contract="arbetsgivare/sjukanmalan", name="arbetsgivare-a")
    refused(answer, "GW-CONTRACT-SCHEMA", 500)
    typed = "{urn:shs:emottagning:SkickaAnmalanFranArbetsgivare:1}XmlValidationError"
    assert etree.fromstring(answer.content).find(f".//detail/{typed}") is not None


def test_a_kept_connection_carries_many_messages(stand):
    with stand.stage.session() as session:
        answers = [
            session.post(stand.address(), data=stand.stage.message(), headers={"Content-Type": "text/xml"})
            for _ in range(5)
        ]
        assert [answer.status_code for answer in answers] == [200] * 5
        assert "connection" not in {name.lower() for name in answers[-1].headers}


POST = b"POST /soap/skatteverket/folkbokforing HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\n"
UPGRADE = POST + b"Connection: Upgrade\r\nUpgrade: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"POST /soap/skatteverket/folkbokforing HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /x HTTP/1.1\r\nContent-Length: +1\r\n\r\na",
        b"POST /x HTTP/1.1\r\nContent-Length: 99999999999999999999999999\r\n\r\na",
        b"GET http://[ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        UPGRADE + b"Content-Length: 37\r\n\r\nGET /health/live HTTP/1.1\r\nHost: a\r\n\r\n",
        CHUNKED + b"3\r\nabc\r\nZZ\r\n",
        CHUNKED + b"fffffffffffffffff\r\n",
    ],
    ids=[
        "no-http", "two-lengths", "length-and-chunked", "plus", "overflow", "address", "byte", "headers", "upgrade",
        "chunk", "chunk-size",
    ],
)  # fmt: skip
def test_what_is_no_http_gets_a_soap_fault_too(stand, request_):
    with stand.connected() as connection:
        connection.sendall(request_)
        answer = everything(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert code(body) == "GW-HTTP-SYNTAX"


@pytest.mark.parametrize("junk", [b"JUNK\r\n\r\n", CHUNKED + b"3\r\nabc\r\nZZ\r\n"], ids=["no-http", "broken-chunk"])
@pytest.mark.parametrize("count", [1, 3])
def test_whole_messages_get_their_answers_though_junk_follows_them(stand, count, junk):
    message = stand.stage.message()
    length = str(len(message)).encode()
    whole = POST + b"Content-Length: " + length + b"\r\n\r\n" + message
    with stand.connected() as connection:
        connection.sendall(whole * count + junk)
        answer = everything(connection)
    assert [part[:6] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200 OK"] * count


def test_the_server_does_not_tell_what_it_is_made_of(stand):
    answer = post(stand, b"<a/>")
    assert "server" not in {name.lower() for name in answer.headers}
    assert answer.headers["Cache-Control"] == "no-store"
