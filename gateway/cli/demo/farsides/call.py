"""One message in a far side's hands, and the ways to answer it: signed, as a fault, or as anything at all."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus

from gateway.cli.demo.farsides.door import Asked
from gateway.cli.demo.farsides.line import Line
from gateway.codes import Code
from gateway.message import SoapVersion
from gateway.soap import fault
from gateway.trust.receipt import LIFETIME
from gateway.trust.signing import SigningKey, sign


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One message in a far side's hands."""

    line: Line
    asked: Asked
    payload: str = field(repr=False)
    """What is rightly answered."""
    key: SigningKey = field(repr=False)
    other: SigningKey = field(repr=False)
    """Another partner's, true and trusted."""
    at: datetime
    last: bool
    """The connection ends with the answer."""

    def answer(self, payload: str | None = None, *, status: int = HTTPStatus.OK, **changes: object) -> None:
        """Answer signed, rightly unless the changes say otherwise."""
        self.reply(self.envelope(payload, **changes), status=status)

    def envelope(self, payload: str | None = None, **changes: object) -> bytes:
        """Return a signed answer; the changes are of what `trust.signing.sign` takes."""
        right: dict[str, object] = {
            "key": self.key,
            "version": self.asked.provenance.version,
            "created": self.at,
            "expires": self.at + LIFETIME,
            "message_id": uuid.uuid4().urn,
            "action": self.asked.reply,
            "relates_to": self.asked.relation,
        }
        return sign(self.payload if payload is None else payload, **(right | changes))  # type: ignore[arg-type]

    def fault(self, code: str, detail: str = "", *, status: int = HTTPStatus.INTERNAL_SERVER_ERROR) -> None:
        """Answer with a SOAP 1.1 fault, unsigned as nearly all are."""
        inside = f"<detail>{detail}</detail>" if detail else ""
        body = (
            f'<s:Envelope xmlns:s="{SoapVersion.SOAP_11}"><s:Body><s:Fault><faultcode>s:{code}</faultcode>'
            f"<faultstring>Det gick inte.</faultstring>{inside}</s:Fault></s:Body></s:Envelope>"
        )
        self.reply(body.encode(), status=status)

    def ours(self, code: Code, *, status: int = HTTPStatus.INTERNAL_SERVER_ERROR) -> None:
        """Answer with a fault in the format of `schemas/fault.xsd`."""
        told = fault.fault(code, version=self.asked.provenance.version, message_id=self.asked.relation, reference=None)
        self.reply(told.body, status=status)

    def reply(self, body: bytes, *, status: int = HTTPStatus.OK, kind: str = "", headers: tuple[str, ...] = ()) -> None:
        """Answer with a body as it is."""
        self.line.write(self.head(len(body), status=status, kind=kind, headers=headers) + body)

    def head(self, length: int, *, status: int = HTTPStatus.OK, kind: str = "", headers: tuple[str, ...] = ()) -> bytes:
        """Return the head of an answer."""
        lines = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            f"Content-Type: {kind or fault.MEDIA[self.asked.provenance.version]}",
            f"Content-Length: {length}",
            *headers,
            *(["Connection: close"] if self.last else []),
        ]
        return "\r\n".join([*lines, "", ""]).encode()
