"""Servers that nobody here wrote: the standard library's, and uvicorn with our own front behind it."""

import http.server
import ssl
import threading
from contextlib import contextmanager

import pytest
from lxml import etree

from gateway.dispatch import Reply
from gateway.transport.courier import HttpCourier
from tests import calling
from tests.builders import Clock
from tests.farside import served


@contextmanager
def library(country, version, *, length):
    """Run `http.server`, which closes its connections without a word of TLS; yields its port and what it read."""
    read = []

    class Answering(http.server.BaseHTTPRequestHandler):
        protocol_version = version

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            read.append(body)
            self.send_response(200)
            self.send_header("Content-Type", "text/xml")
            if length:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    context = served(country.server, [country.authorities.roots["agencies"]])
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port, read
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(("version", "length"), [("HTTP/1.0", False), ("HTTP/1.0", True), ("HTTP/1.1", True)], ids=str)
def test_the_standard_librarys_server_is_understood(country, version, length):
    with library(country, version, length=length) as (port, read):
        where = calling.endpoint(f"https://localhost:{port}/")
        courier = country.courier(where)
        bodies = [b"<a/>", b"<b>" + b"x" * 500_000 + b"</b>", b"<c/>"]
        came = [courier.send(calling.signed(body), where) for body in bodies]
        courier.close()
    assert [one.body for one in came if isinstance(one, Reply)] == bodies
    assert read == bodies


def test_our_own_front_takes_a_partners_message_from_it_and_its_connection_is_kept(stand, country):
    """The courier plays a partner: its certificate, its message, and the receipt that it gets."""
    folder = stand.stage.data
    where = calling.endpoint(stand.address(), anchors=(folder / "pki" / "server-ca.pem",))
    read = country.configuration(where)
    keys = read.gateway.keys.model_copy(
        update={
            "client": folder / "clients" / "skatteverket" / "tls.key",
            "client_certificate": folder / "clients" / "skatteverket" / "tls.pem",
        }
    )
    gateway = read.gateway.model_copy(update={"keys": keys})
    courier = HttpCourier(
        read.model_copy(update={"gateway": gateway}), country.bodies, judge=calling.anybody, clock=Clock(calling.AT)
    )
    for _ in range(3):
        came = courier.send(calling.signed(stand.stage.message()), where)
        assert isinstance(came, Reply), came
        assert came.status == 200
        assert etree.fromstring(came.body).find(".//{urn:forsakringskassan:utbyte:receipt:1}Receipt") is not None
        assert came.peer == ssl.PEM_cert_to_DER_cert((folder / "keys" / "server.pem").read_text())
    (line,) = courier._lines.values()
    assert len(line.idle) == 1
    courier.close()
