"""uvicorn is pinned, and this holds what we build on against it: a new version that changes it fails here first."""

import asyncio
import inspect
import ssl
from importlib.metadata import version

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.transport import protocol, server
from gateway.transport.protocol import Connection


def test_it_is_the_version_this_was_built_against():
    assert version("uvicorn") == "0.54.0"


def test_everything_overridden_is_there_to_be_overridden():
    ours = {name for name, value in vars(Connection).items() if inspect.isfunction(value)}
    theirs = {name for name, value in vars(HttpToolsProtocol).items() if inspect.isfunction(value)}
    assert ours & theirs == {
        "connection_made",
        "connection_lost",
        "data_received",
        "on_message_begin",
        "on_url",
        "on_header",
        "on_headers_complete",
        "on_message_complete",
        "shutdown",
        "pause_writing",
        "resume_writing",
        "send_400_response",
        "_start_asgi_task",
    }
    for name in ours & theirs:
        mine = list(inspect.signature(getattr(Connection, name)).parameters)
        assert mine == list(inspect.signature(getattr(HttpToolsProtocol, name)).parameters), name


def test_every_attribute_we_read_is_set():
    made = inspect.getsource(HttpToolsProtocol.__init__)
    for name in ("cycle", "transport", "connections", "loop", "scope", "parser", "pipeline"):
        assert f"self.{name}" in made
    made = inspect.getsource(RequestResponseCycle.__init__)
    for name in (
        "response_complete",
        "response_started",
        "keep_alive",
        "disconnected",
        "transport",
        "more_body",
        "message_event",
    ):
        assert f"self.{name}" in made


def test_the_server_has_the_steps_we_replace():
    for name in ("startup", "shutdown", "capture_signals"):
        assert getattr(server.Server, name) is not getattr(uvicorn.Server, name)
    started = inspect.getsource(uvicorn.Server.startup)
    assert "self.lifespan.startup()" in started
    assert "config.http_protocol_class(" in started
    assert "self.started = True" in started
    assert "self.servers" in inspect.getsource(uvicorn.Server.shutdown)


def test_the_parser_turns_our_refusal_into_its_own_error():
    """Headers over the limit raise in a callback; uvicorn answers whatever the parser raises with a 400."""

    class Refusing:
        def on_header(self, _name, _value):
            raise AssertionError

    parser = httptools.HttpRequestParser(Refusing())
    try:
        parser.feed_data(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    except httptools.HttpParserError:
        return
    raise AssertionError("the parser swallowed it")


def test_without_tls_there_is_no_peer():
    assert protocol._extensions(None)["tls"]["client_cert_der"] is None


def test_the_certificate_is_the_one_that_tls_verified():
    class Tls:
        def cipher(self):
            return ("TLS_AES_256_GCM_SHA384", "TLSv1.3", 256)

        def getpeercert(self, *, binary_form):
            assert binary_form
            return b"der"

        def version(self):
            return "TLSv1.3"

    assert protocol._extensions(Tls())["tls"] == {
        "client_cert_der": b"der",
        "tls_version": "TLSv1.3",
        "cipher_suite": "TLS_AES_256_GCM_SHA384",
    }


def test_uvloop_bounds_handshakes_where_we_ask_it_to():
    """Its create_server refuses names it does not know; ours must be known."""
    import uvloop  # noqa: PLC0415  # only this test needs the loop by name

    async def listen():
        made = await asyncio.get_running_loop().create_server(
            asyncio.Protocol,
            "127.0.0.1",
            0,
            ssl=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
            ssl_handshake_timeout=1.0,
            ssl_shutdown_timeout=1.0,
        )
        made.close()

    uvloop.run(listen())
