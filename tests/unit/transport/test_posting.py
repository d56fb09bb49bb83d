"""One question to somebody outside: bounded in time and bytes, whoever answers and however."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import closing
from datetime import UTC, datetime

import pytest

from gateway.errors import ConfigError, PostponedError
from gateway.transport.posting import LARGEST, Link
from gateway.trust import issuing

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"


class Far:
    """Takes connections one after the other, and does with each what it is told."""

    def __init__(self, *turns, context: ssl.SSLContext | None = None) -> None:
        self.heard: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._turns, self._context = turns, context
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()
        self._thread.join(10)

    def _run(self) -> None:
        for turn in self._turns:
            try:
                line = self._listening.accept()[0]
            except OSError:
                return
            with closing(line):
                try:
                    line = self._context.wrap_socket(line, server_side=True) if self._context else line
                    turn(self, line)
                except OSError:
                    continue
                finally:
                    line.close()

    def hear(self, line: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data or len(data.partition(b"\r\n\r\n")[2]) < 4:
            part = line.recv(4096)
            if not part:
                raise OSError
            data += part
        self.heard.append(data)


def answers(far: Far, line: socket.socket) -> None:
    while True:
        far.hear(line)
        line.sendall(ANSWER)


def answers_once(far: Far, line: socket.socket) -> None:
    far.hear(line)
    line.sendall(ANSWER)


def link(far: Far, path: str = "", **more) -> Link:
    return Link(f"http://127.0.0.1:{far.port}{path}", timeout=5, **more)


def ask(one: Link, path: str = "/ask"):
    try:
        return one.post(path, b"body", "text/plain")
    finally:
        one.close()


def test_it_asks_below_the_address_or_at_it():
    with Far(*[answers_once] * 5) as far:
        for base, path in (("", "/ask"), ("/a/", "/ask"), ("/a", "/ask"), ("/tsr/", ""), ("", "")):
            assert ask(link(far, base), path).body == b"hi"
    assert [one.split(b" ")[1] for one in far.heard] == [b"/ask", b"/a/ask", b"/a/ask", b"/tsr/", b"/"]


def test_a_connection_is_kept_and_one_that_was_closed_meanwhile_is_opened_again():
    with Far(answers, answers_once, answers_once) as far:
        one = link(far)
        assert [one.post("/ask", b"body", "text/plain").status for _ in range(3)] == [200] * 3
        one._kept.sock.shutdown(socket.SHUT_RDWR)
        assert one.post("/ask", b"body", "text/plain").status == 200
        assert one.post("/ask", b"body", "text/plain").status == 200  # the far side has closed it
        one.close()
    assert len(far.heard) == 5


@pytest.mark.parametrize("way", ["silence", "half a head", "half a body", "garbage", "an end", "too much"])
def test_whatever_is_no_answer_is_postponed(way):
    done = threading.Event()
    said = {
        "silence": b"",
        "half a head": b"HTTP/1.1 200 OK\r\nX",
        "half a body": ANSWER[:-1],
        "garbage": b"\x16\x03\x01\r\n\r\n",
        "an end": b"",
        "too much": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * (LARGEST + 1),
    }[way]

    def turn(far: Far, line: socket.socket) -> None:
        far.hear(line)
        line.sendall(said)
        if way in {"silence", "half a head", "half a body"}:
            done.wait(20)

    with Far(turn) as far:
        one = Link(f"http://127.0.0.1:{far.port}", timeout=0.3)
        with pytest.raises(PostponedError):
            ask(one)
        done.set()


@pytest.mark.parametrize("where", ["head", "body"])
def test_an_answer_that_trickles_is_cut_when_the_time_is_out(where):
    def turn(far: Far, line: socket.socket) -> None:
        far.hear(line)
        line.sendall(b"HTTP/1.1 200 OK\r\n" + (b"Content-Length: 9999\r\n\r\n" if where == "body" else b"X: "))
        while True:
            line.sendall(b"x")
            time.sleep(0.02)

    with Far(turn) as far:
        one, begun = Link(f"http://127.0.0.1:{far.port}", timeout=0.3), time.monotonic()
        with pytest.raises(PostponedError):
            ask(one)
        assert time.monotonic() - begun < 5


def test_nobody_there_is_postponed_and_says_why():
    with Far() as far:
        port = far.port
    with pytest.raises(PostponedError, match="refused"):
        ask(Link(f"http://127.0.0.1:{port}", timeout=5))


@pytest.mark.parametrize(
    "url",
    ["", "x", "ftp://a", "http://", "http://a:0", "http://a:x", "http://a/?q", "http://a/#f", "http://u:p@a/", "//a"],
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(ConfigError, match="is not an address"):
        Link(url, timeout=1)


def test_https_is_believed_by_the_given_authorities_alone(tmp_path):
    now = datetime.now(UTC)
    root = issuing.issue(None, issuing.AUTHORITY, now=now)
    other = issuing.issue(None, issuing.AUTHORITY, now=now)
    profile = issuing.Profile(
        common_name="witness",
        kind=issuing.KeyKind.P256,
        extended_key_usage=(issuing.SERVER_AUTH,),
        names=("127.0.0.1",),
    )
    server = issuing.issue(root, profile, now=now)
    for name, data in (("chain", server.chain_pem), ("key", server.key_pem), ("root", root.pem), ("other", other.pem)):
        (tmp_path / name).write_bytes(data)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "chain", tmp_path / "key")
    with Far(answers_once, answers_once, context=context) as far:
        url = f"https://127.0.0.1:{far.port}"
        assert ask(Link(url, timeout=5, anchors=tmp_path / "root")).body == b"hi"
        with pytest.raises(PostponedError, match="certificate"):
            ask(Link(url, timeout=5, anchors=tmp_path / "other"))
    with pytest.raises(ConfigError, match="not a file of certificates"):
        Link(url, timeout=5, anchors=tmp_path / "key")
