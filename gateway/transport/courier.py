"""The way to partners: bodies from their WSDL (`bodies`), and one HTTP exchange at a time over mutual TLS.

1. An idle connection of the endpoint is taken, if it is well. If it proves dead before anything was sent, the next is.
2. Else a new one is made, within `connect_timeout`. Whose certificate is at the other end is judged either way, as a
   partner's is that calls us: revoked, or another organisation's, gets nothing. Until here it is certain that nothing
   has happened.
3. The request is written and the answer read (`connection`, `answer`), within `read_timeout` of silence and
   `total_timeout` in all. From here on only an answer tells what happened.
4. The connection is kept for the next exchange, if both sides may.

Every endpoint has a TLS context of its own, with its partner's authorities: no partner can answer for another. Nothing
of the surroundings is heeded: no proxies, no system certificates, no redirects, no cookies. Nothing is logged here: an
address may be secret, and bodies are about persons.

Certificates are changed by changing the files: `renew` reads what has changed, and what was made with the old ones ends
when its exchange does.
"""

from __future__ import annotations

import hashlib
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gateway import endings
from gateway.config import Configuration, Keys
from gateway.dispatch import Break, Broken, Reply, Signed
from gateway.errors import (
    ConfigError,
    DeliveryError,
    IntegrityError,
    PostponedError,
    UnavailableError,
    UntrustedError,
)
from gateway.message import ContractId, PartnerId, SoapVersion
from gateway.partners import Endpoint, Partner
from gateway.ports import Clock
from gateway.transport import connection, tls
from gateway.transport.answer import Answer
from gateway.transport.bodies import Bodies
from gateway.transport.connection import Connection, Resolve

IDLE: Final = 15.0
"""Seconds that a connection is kept unused. Far sides end idle ones after 5 to 75 s; what they end while a request is
on its way is lost, and this keeps the chance of it small."""
_HEADER: Final = re.compile(r"[\x20-\x7e]+", re.ASCII)
_BREAKS: Final = {
    endings.UNREACHABLE: Break.UNREACHABLE,
    endings.UNTRUSTED: Break.UNTRUSTED,
    endings.LOST: Break.LOST,
    endings.TOO_LARGE: Break.TOO_LARGE,
}
_ACCEPTED: Final = {SoapVersion.SOAP_11: "text/xml", SoapVersion.SOAP_12: "application/soap+xml"}
Judge = Callable[[bytes, Signed, Endpoint, datetime], None]
_Place = tuple[PartnerId, str, tuple[Path, ...]]
"""Partner, address, and the endpoint's own authorities: what connections may be shared by."""


class HttpCourier:
    """Implements `outbound.ports.Courier`."""

    def __init__(
        self,
        configuration: Configuration,
        bodies: Bodies,
        *,
        judge: Judge,
        clock: Clock,
        resolve: Resolve = connection.resolve,
    ) -> None:
        """Read the certificates for every endpoint; nobody is called yet. Raises ConfigError.

        `judge` raises UntrustedError or UnavailableError unless a certificate (DER) is of the recipient of a message.
        """
        self._judge = judge
        self._configuration = configuration
        self._bodies = bodies
        self._clock = clock
        self._resolve = resolve
        self._lock = threading.Lock()
        self._lines: Mapping[_Place, _Line] = {}
        self.renew()

    def body(self, contract: ContractId, arguments: Mapping[str, object]) -> bytes:
        """Return the one child of `soap:Body` (`Bodies.body`). Raises IntegrityError."""
        return self._bodies.body(contract, arguments)

    def send(self, signed: Signed, endpoint: Endpoint) -> Reply | Broken:
        """Make one attempt. Raises only where we are wrong ourselves: IntegrityError, and nothing was sent."""
        queued = signed.composed.queued
        action = self._bodies.soap_action(queued.command.contract)
        try:
            line = self._line(queued.recipient.partner, endpoint)
            request = line.head(signed, action) + signed.envelope
            return self._reply(*_exchanged(line, request, endpoint, partial(self._judged, signed, endpoint)))
        except ConfigError as error:  # files that were well at the start
            return Broken(how=Break.UNTRUSTED, detail=error.detail, at=self._clock.now())
        except DeliveryError as error:
            return Broken(how=_BREAKS[error.code], detail=error.detail, at=self._clock.now())

    def _judged(self, signed: Signed, endpoint: Endpoint, peer: bytes) -> None:
        """Raise PostponedError unless this is who is to have it."""
        try:
            self._judge(peer, signed, endpoint, self._clock.now())
        except (UntrustedError, UnavailableError) as error:
            raise PostponedError(endings.UNTRUSTED, f"{error.code.name} {error.detail}".rstrip()) from None

    def renew(self) -> bool:
        """Read our certificate and the partners' authorities again where a file has changed; tell whether one had.

        Raises ConfigError, and the old ones stay: a certificate whose key has not been changed yet, for one.
        """
        return self.reload(self._configuration)

    def reload(self, configuration: Configuration) -> bool:
        """Go on with the keys and partners of another configuration. Raises ConfigError, and the old ones stay."""
        keys = configuration.gateway.keys
        with self._lock:
            old, new = self._lines, dict[_Place, _Line]()
            for partner in configuration.partners.values():
                for endpoint in partner.endpoint:
                    place = _place(partner.id, endpoint)
                    new[place] = self._made(keys, partner, endpoint, old.get(place))
            self._configuration, self._lines = configuration, new
        gone = [line for place, line in old.items() if new.get(place) is not line]
        for line in gone:
            line.close()
        for line in new.values():
            line.prune()
        return bool(gone)

    def close(self) -> None:
        """Close idle connections; the others are closed when their exchange ends."""
        with self._lock:
            for line in self._lines.values():
                line.close()

    def _line(self, partner: PartnerId, endpoint: Endpoint) -> _Line:
        place = _place(partner, endpoint)
        line = self._lines.get(place)
        if line is not None:
            return line
        # The dispatcher's configuration is newer than ours; `reload` is on its way.
        known = self._configuration.partners.get(partner)
        if known is None:
            raise IntegrityError(f"there is no partner {partner}")
        with self._lock:
            line = self._made(self._configuration.gateway.keys, known, endpoint, self._lines.get(place))
            self._lines = {**self._lines, place: line}
            return line

    def _made(self, keys: Keys, partner: Partner, endpoint: Endpoint, former: _Line | None) -> _Line:
        """Return a line with what the files hold now: the former, if they hold the same."""
        authorities = endpoint.anchors or tls.authorities(partner)
        material = _material(keys, authorities)
        if former is not None and former.material == material:
            return former
        context = tls.calling(keys, authorities)
        return _Line.to(endpoint.address, context=context, material=material, resolve=self._resolve)

    def _reply(self, answer: Answer, peer: bytes) -> Reply:
        now = self._clock.now()
        return Reply(
            status=answer.status,
            content_type=answer.content_type,
            body=answer.body,
            peer=peer,
            at=now,
            retry_after=answer.retry_after(now),
        )


@dataclass(slots=True, kw_only=True)
class _Line:
    """An endpoint's address, how it is called, and the connections that are idle."""

    host: str
    port: int
    authority: str
    target: str
    context: ssl.SSLContext
    material: bytes
    resolve: Resolve
    closed: bool = False
    idle: list[Connection] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def to(cls, address: str, *, context: ssl.SSLContext, material: bytes, resolve: Resolve) -> _Line:
        """Take an address apart. Raises ConfigError."""
        try:
            parts = urlsplit(address)
            host, port = parts.hostname or "", parts.port or 443
            host.encode("idna")
        except ValueError:
            host, port = "", 0
        if not host or host.startswith(".") or port == 0:
            raise ConfigError(f"[[endpoint]] address: {address}: names no host, or no port")
        return cls(
            host=host,
            port=port,
            authority=parts.netloc,
            target=parts.path or "/",
            context=context,
            material=material,
            resolve=resolve,
        )

    def head(self, signed: Signed, action: str) -> bytes:
        """Return the request's head. `action` is the WSDL's: SOAP 1.1 section 6.1.1; RFC 3902 section 5."""
        version, kind = signed.composed.version, signed.content_type
        headers = {
            "Host": self.authority,
            "Accept": _ACCEPTED[version],
            "Accept-Encoding": "identity",
            "Content-Type": kind,
            "Content-Length": str(len(signed.envelope)),
            "User-Agent": "forsakringskassan-utbyte",
        }
        if version is SoapVersion.SOAP_11:
            headers["SOAPAction"] = f'"{action}"'
        elif action and "action=" not in kind:
            headers["Content-Type"] = f'{kind}; action="{action}"'
        for name, value in headers.items():
            if not _HEADER.fullmatch(value):
                raise IntegrityError(f"{name}: holds what no header may: control characters or other than ASCII")
        written = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST {self.target} HTTP/1.1\r\n{written}\r\n".encode("ascii")

    def take(self) -> Connection | None:
        """Return an idle connection that is well, the last used first."""
        while True:
            with self.lock:
                if not self.idle:
                    return None
                taken = self.idle.pop()
            if time.monotonic() - taken.used < IDLE and taken.alive():
                return taken
            taken.close()

    def dial(self, seconds: float) -> Connection:
        """Return a new connection. Raises PostponedError."""
        return connection.dial(self.host, self.port, self.context, timeout=seconds, resolve=self.resolve)

    def give(self, connection: Connection, *, most: int) -> None:
        """Keep a connection, if there is room for it."""
        with self.lock:
            if not self.closed and len(self.idle) < most:
                self.idle.append(connection)
                return
        connection.close()

    def prune(self) -> None:
        """Close what has been idle for too long."""
        with self.lock:
            now = time.monotonic()
            old = [one for one in self.idle if now - one.used >= IDLE]
            self.idle = [one for one in self.idle if one not in old]
        for one in old:
            one.close()

    def close(self) -> None:
        """Close what is idle; what is in use is closed when it is given back."""
        with self.lock:
            self.closed = True
            idle, self.idle = self.idle, []
        for one in idle:
            one.close()


def _exchanged(line: _Line, request: bytes, endpoint: Endpoint, judge: Callable[[bytes], None]) -> tuple[Answer, bytes]:
    """Return the answer to a request, and the far side's certificate. Raises PostponedError, UncertainError."""
    while (idle := line.take()) is not None:
        try:
            return _exchange(line, idle, request, endpoint, judge)
        except PostponedError:  # it had died, or is not theirs any more, and nothing was sent
            continue
    return _exchange(line, line.dial(endpoint.connect_timeout.total_seconds()), request, endpoint, judge)


def _exchange(
    line: _Line, on: Connection, request: bytes, endpoint: Endpoint, judge: Callable[[bytes], None]
) -> tuple[Answer, bytes]:
    answer = Answer(endpoint.answer_limit)
    silence, total = endpoint.read_timeout.total_seconds(), endpoint.total_timeout.total_seconds()
    try:
        judge(on.peer)
        kept = on.exchange(request, answer, silence=silence, total=total)
    except BaseException:
        on.drop()
        raise
    if kept:
        line.give(on, most=endpoint.concurrent)
    else:
        on.close()
    return answer, on.peer


def _place(partner: PartnerId, endpoint: Endpoint) -> _Place:
    return partner, endpoint.address, endpoint.anchors


def _material(keys: Keys, authorities: tuple[Path, ...]) -> bytes:
    """Return a digest of all that a context is made of. Raises ConfigError."""
    whole = hashlib.sha256()
    for path in (keys.client_certificate, keys.client, *authorities):
        if path is not None:
            try:
                whole.update(hashlib.sha256(path.read_bytes()).digest())
            except OSError as error:
                raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    return whole.digest()
