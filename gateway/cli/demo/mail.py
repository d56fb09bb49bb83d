"""A partner without an address of its own: it asks its mailbox what waits, fetches it and acknowledges, both ways.

    REST          GET, GET and PUT below `/api/v1/mailbox`: TLS tells who asks, only the acknowledgement is signed
    signed SOAP   `POST /soap/<partner>/brevlada`: every request is signed

As in `answers`, what comes back is judged without any of the gateway's own verification: the list's detached signature
(RFC 7515 appendix F), the envelope's, and that of whatever is answered by SOAP.
"""

from __future__ import annotations

import hashlib
import uuid
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import orjson
import requests
from cryptography import x509
from lxml import etree

from gateway.cli.demo import answers
from gateway.cli.demo.answers import WrongAnswerError
from gateway.cli.demo.clients import LIFETIME, TIMEOUT
from gateway.message import SoapVersion
from gateway.trust.signing import SigningKey, sign

NAMESPACE = "urn:forsakringskassan:utbyte:brevlada:1"
_SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
_NS, _WSA = f"{{{NAMESPACE}}}", "{http://www.w3.org/2005/08/addressing}"
_MEDIA = "text/xml; charset=utf-8"
_URN = "urn:uuid:"


class Way(StrEnum):
    """How a mailbox is asked."""

    REST = "REST"
    SOAP = "signed SOAP"


class TurnedAwayError(WrongAnswerError):
    """The gateway gave nothing, and said why."""

    def __init__(self, code: str) -> None:
        """`code` is the gateway's own."""
        super().__init__(code)
        self.said = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What was fetched, its signature proven."""

    id: str
    digest: str
    """Hex SHA-256 of what stands inside Body, in exclusive canonical form."""


class Mailbox:
    """One partner's way to its mailbox."""

    def __init__(
        self,
        partner: str,
        session: requests.Session,
        origin: str,
        *,
        signer: SigningKey,
        certificate: x509.Certificate,
        sent: Callable[[bytes], None] = lambda _content: None,
        timeout: float = TIMEOUT,
    ) -> None:
        """Nothing is asked yet.

        Args:
            partner: Whose mailbox, as the gateway's configuration calls it.
            session: Over mutual TLS, as the partner.
            origin: Of the gateway: `https://host:port`.
            signer: The partner's own key.
            certificate: The one that the gateway's answers must be signed with.
            sent: Told the content of each request before it is sent; empty for GET.
            timeout: Seconds for one answer.
        """
        self._partner = partner
        self._session = session
        self._origin = origin
        self._signer = signer
        self._certificate = certificate
        self._sent = sent
        self._timeout = timeout

    def waiting(self, way: Way) -> list[str]:
        """Return the ids of what waits, at most a page of them.

        Raises, as everything here: requests.RequestException, nobody knows; TurnedAwayError; WrongAnswerError.
        """
        if way is Way.SOAP:
            return [one.text or "" for one in self._asked(f'<ListMessages xmlns="{NAMESPACE}"/>').iter(f"{_NS}Id")]
        answer = self._rest("GET", "")
        self._signed_beside(answer)
        return [_URN + one["id"] for one in orjson.loads(answer.content)["messages"]]

    def fetch(self, way: Way, name: str) -> Letter:
        """Return what was fetched."""
        if way is Way.SOAP:
            found = self._asked(f'<FetchMessage xmlns="{NAMESPACE}"><Id>{name}</Id></FetchMessage>')
            content = b64decode(found.findtext(f"{_NS}Envelope", ""))
        else:
            content = self._rest("GET", f"/{name.removeprefix(_URN)}").content
        root = answers.verified(content, self._certificate)
        if root[0].findtext(f"{_WSA}MessageID") != name:
            raise WrongAnswerError("another message was fetched")
        return Letter(id=name, digest=_digest(root))

    def acknowledge(self, way: Way, letter: Letter) -> None:
        """Say that it was read: the partner's receipt, signed whichever way it goes."""
        payload = (
            f'<AcknowledgeMessage xmlns="{NAMESPACE}"><Id>{letter.id}</Id>'
            f'<Digest algorithm="{_SHA256}">{letter.digest}</Digest></AcknowledgeMessage>'
        )
        if way is Way.SOAP:
            told = self._asked(payload)
        else:
            body, message = self._signed(payload)
            answer = self._rest("PUT", f"/{letter.id.removeprefix(_URN)}/acknowledgement", body)
            told = self._answered(answer.content, message)
        if told.findtext(f"{_NS}Id") != letter.id:
            raise WrongAnswerError("another message was acknowledged")

    def _asked(self, payload: str) -> etree._Element:
        """Ask by signed SOAP; return what is inside the answer's Body."""
        body, message = self._signed(payload)
        self._sent(body)
        answer = self._session.post(
            f"{self._origin}/soap/{self._partner}/brevlada",
            data=body,
            headers={"Content-Type": _MEDIA, "SOAPAction": '""'},
            timeout=self._timeout,
        )
        return self._answered(answer.content, message)

    def _signed(self, payload: str) -> tuple[bytes, str]:
        now, message = datetime.now(UTC), uuid.uuid4().urn
        exact = etree.tostring(etree.fromstring(payload), method="c14n", exclusive=True).decode()
        body = sign(
            exact,
            key=self._signer,
            version=SoapVersion.SOAP_11,
            created=now,
            expires=now + LIFETIME,
            message_id=message,
        )
        return body, message

    def _answered(self, content: bytes, message: str) -> etree._Element:
        if (code := answers.fault(content)) is not None:
            raise TurnedAwayError(code)
        root = answers.verified(content, self._certificate)
        if root[0].findtext(f"{_WSA}RelatesTo") != message:
            raise WrongAnswerError("the answer is about another request")
        inside: etree._Element = root[-1][0]
        return inside

    def _rest(self, method: str, path: str, body: bytes | None = None) -> requests.Response:
        self._sent(body or b"")
        answer = self._session.request(
            method,
            f"{self._origin}/api/v1/mailbox{path}",
            data=body,
            headers={} if body is None else {"Content-Type": _MEDIA},
            timeout=self._timeout,
        )
        if answer.status_code != requests.codes.ok:
            raise TurnedAwayError(_problem(answer))
        return answer

    def _signed_beside(self, answer: requests.Response) -> None:
        """Hold the list to its detached signature: the bytes that came, under our known certificate."""
        try:
            head, nothing, value = answer.headers.get("x-jws-signature", "").split(".")
            signed = f"{head}.{urlsafe_b64encode(answer.content).decode().rstrip('=')}".encode()
            answers.check(self._certificate, urlsafe_b64decode(value + "=" * (-len(value) % 4)), signed)
        except ValueError:
            raise WrongAnswerError("the list is not signed") from None
        if nothing:
            raise WrongAnswerError("the list's signature is not a detached one")


def _digest(root: etree._Element) -> str:
    return hashlib.sha256(etree.tostring(root[-1][0], method="c14n", exclusive=True)).hexdigest()


def _problem(answer: requests.Response) -> str:
    try:
        return str(orjson.loads(answer.content)["code"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise WrongAnswerError(f"HTTP {answer.status_code} without a code") from None
