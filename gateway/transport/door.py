"""A listener beside the front's, for few who are named one by one (`config.doors`): `auditing.py`, `usage.py`.

One request:

1. Nothing is taken while the server drains, or over the limit of connections.
2. The fingerprint of the certificate tells who asks; a stranger is counted and told so. Each has a pace.
3. What is asked is read within limits, and answered in a bounded pool of threads.
4. What fails is problem details (RFC 9457) that say who must act and quote nothing of what was asked. The log is told
   its code. Whatever nobody thought of becomes GW-UNAVAILABLE-INTERNAL and a log line of its type and place.

Whether the process turns its loop, `/health/live` tells whoever TLS lets in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Generic, NamedTuple, Self

from starlette.applications import Starlette
from starlette.routing import Route

from gateway import codes, inquiries, logs
from gateway.codes import Code
from gateway.config import Listen
from gateway.config.doors import C, Client, Door
from gateway.errors import ContractError, GatewayError, IntegrityError, MalformedError, UnavailableError, UntrustedError
from gateway.logs import Happened
from gateway.soap.fault import HTTP
from gateway.transport import body, problem
from gateway.transport.desk import give
from gateway.transport.health import Live
from gateway.transport.pace import Pace, PaceError
from gateway.transport.pool import Pool
from gateway.transport.reply import Receive, Reply, Scope, Send
from gateway.transport.strangers import Strangers

_QUEUED: Final = 32
"""Questions that may wait for the pool."""
JSON: Final = "application/json"


class Words(NamedTuple):
    """What is told of one failure; empty where the code's own words are right."""

    english: str = ""
    swedish: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms(Generic[C]):
    """Who may ask, and how often; a reload makes new ones and swaps them whole."""

    clients: Mapping[str, C]
    """By the fingerprint of the certificate."""
    rate: int
    """Questions in a minute for each."""
    body_timeout: float
    """Seconds."""

    @classmethod
    def of(cls, door: Door[C], front: Listen) -> Self:
        """Take them from the configuration; times are the front's."""
        return cls(clients=door.by_certificate(), rate=door.rate, body_timeout=front.body_timeout.total_seconds())


Answering = Callable[[C, Scope, Receive], Awaitable[Reply | None]]
"""Answers one request of somebody who is let in; None where there is nobody left to answer. Raises GatewayError."""


class Desk(Generic[C]):
    """Answers at a door. One for each event loop."""

    accepted: str
    """The media type of a body."""
    limit: int
    """Bytes of a body."""
    nowhere: Words
    """What is told at an address that is none."""

    def __init__(self, terms: Terms[C]) -> None:
        """Make what answers."""
        self.terms = terms
        self.draining = False
        self.pool = Pool("ask", bound=_QUEUED, of="questions")
        self._pace = Pace()
        self._strangers = Strangers()

    def routes(self) -> Sequence[Route]:
        """Return the endpoints at their addresses, each made by `at`."""
        raise NotImplementedError

    def words(self, code: Code, detail: str) -> Words:  # noqa: ARG002  # for a door that tells more
        """Return what is told of a failure: the own words of a code that messages have too speak of messages."""
        ours = {
            codes.PATH: self.nowhere,
            codes.CONTENT_TYPE: Words(f"Send {self.accepted}.", f"Sänd {self.accepted}."),
            codes.TOO_LARGE: Words(f"At most {self.limit} bytes.", f"Högst {self.limit} byte."),
        }
        return ours.get(code) or _OTHERWISE.get(code, Words())

    def close(self) -> None:
        """Stop the pool. No request may be running."""
        self.pool.close()

    def app(self) -> Starlette:
        """Put the endpoints at their addresses."""
        made = Starlette(routes=[*self.routes(), Route("/health/live", endpoint=Live())])
        made.router.redirect_slashes = False
        made.router.default = _Endpoint(self, ("GET", "POST"), _nowhere)
        return made

    def at(self, address: str, answer: Answering[C], *methods: str) -> Route:
        """Return an endpoint that takes these methods."""
        return Route(address, endpoint=_Endpoint(self, methods, answer))

    def admitted(self, scope: Scope, methods: Sequence[str]) -> C:
        """Return who asks, by one of the address's methods.

        Raises UntrustedError, MalformedError, UnavailableError, and PaceError where it is too often.
        """
        if self.draining:
            raise UnavailableError(codes.DRAINING)
        if scope["extensions"].get("gateway.crowded"):
            raise UnavailableError(codes.OVERLOADED, "connections")
        der = scope["extensions"]["tls"]["client_cert_der"]
        client = None if der is None else self.terms.clients.get(hashlib.sha256(der).hexdigest())
        if client is None:
            self._strangers.add(inquiries.READER_UNKNOWN)
            raise UntrustedError(inquiries.READER_UNKNOWN)
        self._pace.take(client.id, self.terms.rate)
        if scope["method"] not in methods:
            raise MalformedError(codes.METHOD)
        return client

    async def read(self, scope: Scope, receive: Receive) -> bytes | None:
        """Return the body; None where whoever asked went away. Raises MalformedError."""
        body.media(scope["headers"], limit=self.limit, accepted=self.accepted)
        whole = await body.read(receive, limit=self.limit, seconds=self.terms.body_timeout)
        scope["gateway.read"] = True
        return whole

    def failed(self, error: GatewayError, methods: Sequence[str], *, close: bool) -> Reply:
        """Return what is told of a failure, and tell the log of it."""
        told(error)
        code, retry, words = error.code, 0, self.words(error.code, error.detail)
        match error:
            case PaceError():
                status, retry = HTTPStatus.TOO_MANY_REQUESTS, error.seconds
            case UntrustedError():
                status = HTTPStatus.FORBIDDEN
            case MalformedError() | ContractError():
                status = HTTPStatus(HTTP.get(code, HTTPStatus.BAD_REQUEST))
            case _:
                status, words = HTTPStatus.SERVICE_UNAVAILABLE, _OURS
        return problem.told(
            code, status, allow=", ".join(methods), title=words.english, detail=words.swedish, retry=retry, close=close
        )

    def refused(self, code: Code) -> Reply:
        """Return what is answered to what never became a request."""
        words, status = self.words(code, ""), HTTPStatus(HTTP.get(code, HTTPStatus.BAD_REQUEST))
        return problem.told(code, status, title=words.english, detail=words.swedish, close=True)


@dataclass(frozen=True, slots=True)
class _Endpoint(Generic[C]):
    """One address. Answers (ASGI); nothing but cancellation escapes."""

    desk: Desk[C]
    methods: Sequence[str]
    answer: Answering[C]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        try:
            answer = await self.answer(self.desk.admitted(scope, self.methods), scope, receive)
        except GatewayError as error:
            # A body that is not read must not be taken for the next request.
            unread = scope["method"] != "GET" and not scope.get("gateway.read")
            answer = self.desk.failed(error, self.methods, close=unread)
        except Exception as error:  # noqa: BLE001  # the last resort: whoever asks always gets an answer
            logs.fault(error)
            answer = self.desk.failed(UnavailableError(codes.INTERNAL), self.methods, close=True)
        if answer is not None:
            await give(answer, receive, send)


async def _nowhere(_client: Client, _scope: Scope, _receive: Receive) -> Reply | None:
    raise MalformedError(codes.PATH)


_OTHERWISE: Final[Mapping[Code, Words]] = {
    codes.METHOD: Words("The address takes another method: see Allow.", "Adressen tar en annan metod: se Allow."),
    codes.CONTENT_ENCODING: Words("Send without Content-Encoding.", "Sänd utan Content-Encoding."),
    codes.EMPTY: Words("The body is empty.", "Kroppen är tom."),
    codes.SLOW: Words("The question came too slowly.", "Frågan kom för långsamt."),
}
_OURS: Final = Words(
    "The log cannot answer now, and nothing was let out. Ask again.",
    "Loggen kan inte svara just nu, och inget har lämnats ut. Fråga igen.",
)


def answered(content: bytes) -> Reply:
    """Return an answer: JSON."""
    return Reply(status=200, content_type=JSON, body=content)


def told(error: GatewayError) -> None:
    """Tell the log of a failure: its code, never what was asked. Strangers are counted elsewhere."""
    if isinstance(error, IntegrityError):
        logs.integrity(error)
    elif error.code is not inquiries.READER_UNKNOWN:
        logs.tell(Happened.QUESTION_REFUSED, code=error.code.name, step=error.code.step.value)
