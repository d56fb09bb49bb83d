"""The partners' programs: a plain HTTP client and a zeep client, each over mutual TLS with its own certificates.

zeep builds its client from the WSDL that the gateway serves at the address itself, and our signer is its `wsse` plugin:
what a partner's developer would do. The plain client posts an envelope as it stands, which is what it takes to send
wrong ones. Whichever sent it, an answer is judged by the very bytes that came back.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
import zeep
from lxml import etree
from zeep.exceptions import Fault
from zeep.transports import Transport

from gateway import codes
from gateway.cli.demo.payloads import Arguments
from gateway.errors import UncertainError
from gateway.message import ContractId, SoapVersion
from gateway.trust.issuing import Issued
from gateway.trust.pki import Client
from gateway.trust.signing import SigningKey, sign, sign_element

TIMEOUT = 30.0
"""Seconds for one answer: long, for a machine that does other things too."""
LIFETIME = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    body: bytes = field(repr=False)


def signing_key(issued: Issued) -> SigningKey:
    """Return what signs a message."""
    return SigningKey(key=issued.key, certificate=issued.der)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A signed message, ready to be sent, and sent again."""

    contract: ContractId
    body: bytes = field(repr=False)
    message_id: str


def envelope(
    contract: ContractId,
    payload: str,
    signer: SigningKey,
    *,
    message_id: str | None = None,
    at: datetime | None = None,
) -> Envelope:
    """Sign a payload in exclusive canonical form; `at` is when the message says it was made, now by default."""
    created = at or datetime.now(UTC)
    name = message_id or f"urn:uuid:{uuid.uuid4()}"
    body = sign(
        payload,
        key=signer,
        version=SoapVersion.SOAP_11,
        created=created,
        expires=created + LIFETIME,
        message_id=name,
    )
    return Envelope(contract=contract, body=body, message_id=name)


class Wsse:
    """zeep's `wsse` plugin: the fixed signature profile over the envelope that zeep has built and addressed.

    zeep adds wsa:Action, To and a MessageID of its own where the WSDL names an action; all of them are signed.
    """

    def __init__(self, signer: SigningKey) -> None:
        """`signer` is the partner's own key and certificate."""
        self._signer = signer

    def apply(self, made: etree._Element, headers: dict[str, str]) -> tuple[etree._Element, dict[str, str]]:
        """Sign what is about to be sent."""
        now = datetime.now(UTC)
        sign_element(made, key=self._signer, created=now, expires=now + LIFETIME)
        return made, headers

    def verify(self, made: etree._Element) -> None:
        """Leave the answer alone here: it is verified by its exact bytes, for both kinds of clients."""


class _Kept(Transport):
    """zeep's transport, keeping the exact bytes of the last answer."""

    last: Answer | None = None

    def post(self, address: str, message: bytes | str, headers: Mapping[str, str]) -> requests.Response:
        response: requests.Response = super().post(address, message, headers)  # type: ignore[no-untyped-call]  # zeep has no types
        self.last = Answer(status=response.status_code, body=response.content)
        return response


class Partner:
    """One partner's connection: one TLS session, kept alive, and its own signing key."""

    def __init__(self, material: Client, folder: Path, address: str, authority: Path) -> None:
        """`folder` is the client's own; `authority` vouches for the gateway's TLS certificate."""
        self.name = material.name
        self.material = material
        self.signer = signing_key(material.sign)
        self._address = address
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(authority)
        self._session.cert = (str(folder / "tls.pem"), str(folder / "tls.key"))
        self._programs: dict[ContractId, tuple[zeep.Client, _Kept]] = {}

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def url(self, contract: ContractId) -> str:
        """Return a contract's address."""
        return f"{self._address}/soap/{contract}"

    def post(self, message: Envelope, *, contract: ContractId | None = None) -> Answer:
        """Send an envelope, to its own contract's address or to another."""
        return self.raw(contract or message.contract, message.body)

    def raw(self, contract: ContractId, body: bytes) -> Answer:
        """Send bytes, whatever they are."""
        response = self._session.post(
            self.url(contract),
            data=body,
            headers={"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'},
            timeout=TIMEOUT,
        )
        return Answer(status=response.status_code, body=response.content)

    def call(self, contract: ContractId, arguments: Arguments) -> Answer:
        """Let zeep build, sign and send a message, by the WSDL that the gateway serves."""
        program, transport = self._program(contract)
        operation = _only_operation(program)
        with suppress(Fault):  # a SOAP fault is an answer too, and is read from its bytes
            operation(**arguments)
        if transport.last is None:
            raise UncertainError(codes.INTERNAL, "zeep returned without having sent anything")
        return transport.last

    def _program(self, contract: ContractId) -> tuple[zeep.Client, _Kept]:
        known = self._programs.get(contract)
        if known is None:
            transport = _Kept(  # type: ignore[no-untyped-call]  # zeep has no types
                session=self._session, timeout=TIMEOUT, operation_timeout=TIMEOUT
            )
            wsdl = f"{self.url(contract)}?wsdl"
            program = zeep.Client(  # type: ignore[no-untyped-call]  # as above
                wsdl, transport=transport, wsse=Wsse(self.signer)
            )
            known = self._programs[contract] = (program, transport)
        return known


def _only_operation(program: zeep.Client) -> Any:  # noqa: ANN401  # zeep's proxies have no types
    (name,) = (name for name in dir(program.service) if not name.startswith("_"))
    return program.service[name]
