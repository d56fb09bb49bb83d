"""A far side: a partner's server that speaks the real protocol over a real socket, and follows a script.

    door = Door(data, organisation, schemas)
    with FarSide(door, keys, script=("slow", "wrong_signature")) as side:
        …                                   an endpoint at `side.address`
        side.books.of(dispatch_id)          how often it came, and how often it was processed

A script names acts (`table.ACTS`), one an attempt; after its end the far side is right. Messages with a script of their
own (`plan`) follow that; all others follow the far side's. What TLS is greeted with is decided before any message is
known, so acts about it can only stand in the far side's own script.
"""

from __future__ import annotations

import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Self

from gateway import codes
from gateway.cli.demo.clients import signing_key
from gateway.cli.demo.farsides import line, replies
from gateway.cli.demo.farsides.books import Books
from gateway.cli.demo.farsides.call import Call
from gateway.cli.demo.farsides.door import Asked, Door
from gateway.cli.demo.farsides.keys import Keys
from gateway.cli.demo.farsides.line import Line, Listening, Welcome
from gateway.cli.demo.farsides.replies import Register
from gateway.cli.demo.farsides.table import ACTS, Act, Greeting
from gateway.errors import ConfigError, GatewayError
from gateway.message import SoapVersion
from gateway.soap import names

RIGHT = ACTS["right"]
_UNTIMELY = frozenset({codes.TIME_STALE, codes.TIME_FUTURE})
PATH = "/mottagning/v1"


class FarSide:
    """Listens from `with` to its end; its port is known before. Its ledger may be read at any time."""

    def __init__(
        self,
        door: Door,
        keys: Keys,
        *,
        other: Keys,
        script: Iterable[str] = (),
        register: Register | None = None,
        path: str = PATH,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Open the port; nobody is let in yet.

        Args:
            door: Reads what comes.
            keys: Whose far side it is.
            other: Another partner's, for when it shows or signs with those.
            script: Names of acts, for whoever has no script of its own.
            register: Whom the partner knows.
            path: Of its address.
            now: UTC.
        """
        self.keys = keys
        self.books = Books()
        self._others = other
        self._door = door
        self._register = register or Register()
        self._path = path
        self._now = now
        self._lock = threading.Lock()
        self._script = deque(_acts(script))
        self._plans: dict[str, deque[Act]] = {}
        self._contexts: dict[Greeting, ssl.SSLContext] = {}
        self._key, self._other = signing_key(keys.sign), signing_key(other.sign)
        self._listening = Listening(self._greet)
        self._outside = self._listening.port

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._listening.port

    @property
    def address(self) -> str:
        """Where it is reached."""
        return f"https://localhost:{self._outside}{self._path}"

    def behind(self, port: int) -> None:
        """Be reached by another port: something stands in between."""
        self._outside = port

    def plan(self, message_id: str, script: Iterable[str]) -> None:
        """Give a message a script of its own. Raises ConfigError where that cannot be followed."""
        acts = _acts(script)
        if any(act.greeting is not Greeting.RIGHT for act in acts):
            raise ConfigError("what TLS is greeted with cannot depend on the message")
        with self._lock:
            self._plans[message_id] = deque(acts)

    def __enter__(self) -> Self:
        """Let people in."""
        self._listening.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End everything."""
        self._listening.close()

    # --- connections --------------------------------------------------------------------------------------------------

    def _greet(self) -> Welcome | None:
        """Choose what the next connection is greeted with; the act is kept for what comes on it."""
        with self._lock:
            act = self._script.popleft() if self._greets_next() else None
            greeting = Greeting.RIGHT if act is None else act.greeting
            return None if greeting is Greeting.NONE else (self._context(greeting), partial(self._talk, greeted=act))

    def _greets_next(self) -> bool:
        return bool(self._script) and self._script[0].greeting is not Greeting.RIGHT

    def _context(self, greeting: Greeting) -> ssl.SSLContext:
        if greeting not in self._contexts:
            shown = {Greeting.ELSEWHERE: self.keys.elsewhere, Greeting.OTHER: self._others.server}
            credential = shown.get(greeting, self.keys.server)
            self._contexts[greeting] = line.context(credential, [self.keys.believes])
        return self._contexts[greeting]

    def _talk(self, on: Line, *, greeted: Act | None) -> None:
        """Take what comes on one connection, one message after another."""
        while (request := on.request()) is not None:
            if not self._one(on, *request, greeted):
                return
            greeted = None

    # --- messages -----------------------------------------------------------------------------------------------------

    def _one(self, on: Line, head: bytes, body: bytes, greeted: Act | None) -> bool:
        """Do with one message what the script says; return whether another may follow on the connection."""
        at = self._now()
        try:
            asked = self._door.read(body, _content_type(head), certificate=on.peer, address=self.address, at=at)
        except GatewayError as error:
            self.books.refuse(error.code.name)
            on.write(_refused(error))
            return False
        self.books.see(asked.relation, asked.provenance.digest)
        act = greeted or self._next(asked.relation)
        payload = self._answer(asked, act, at)
        with self._lock:
            last = greeted is not None or self._greets_next()
        act.does(Call(line=on, asked=asked, payload=payload, key=self._key, other=self._other, at=at, last=last))
        return not last

    def _next(self, message: str) -> Act:
        with self._lock:
            plan = self._plans.get(message, self._script)
            return plan.popleft() if plan else RIGHT

    def _answer(self, asked: Asked, act: Act, at: datetime) -> str:
        """Return what is rightly answered; where the act says so, having processed the message, once."""

        def honest() -> str:
            return replies.honest(asked, self._register, at)

        if act.processes:
            return self.books.process(asked.relation, honest)
        return self.books.of(asked.relation).answer or honest()


def _acts(script: Iterable[str]) -> list[Act]:
    """Return the acts of a script. Raises ConfigError."""
    names = list(script)
    for name in names:
        if name not in ACTS:
            raise ConfigError(f"{name}: accepted are {', '.join(ACTS)}")
    return [ACTS[name] for name in names]


def _content_type(head: bytes) -> str:
    for header in head.split(b"\r\n")[1:]:
        name, _, value = header.partition(b":")
        if name.strip().lower() == b"content-type":
            return value.strip().decode("latin-1")
    return ""


def _refused(error: GatewayError) -> bytes:
    """Return what a stranger is told: nothing, but that a message is not of this time (WSS 1.1.1 section 12)."""
    said = f'xmlns:w="{names.WSSE}">w:MessageExpired' if error.code in _UNTIMELY else ">s:Client"
    body = (
        f'<s:Envelope xmlns:s="{SoapVersion.SOAP_11}"><s:Body><s:Fault><faultcode {said}</faultcode>'
        "<faultstring>Meddelandet togs inte emot.</faultstring></s:Fault></s:Body></s:Envelope>"
    ).encode()
    head = (
        "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/xml; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
