"""A whole gateway on loopback, with a throw-away PKI and partners that have real certificates."""

from __future__ import annotations

import re
import socket
import ssl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests
from lxml import etree

from gateway import config, wiring
from gateway.config import Configuration
from gateway.message import SoapVersion
from gateway.sqlite import File
from gateway.store.log import StoredLog
from gateway.store.place import DATABASE
from gateway.transport.server import Running
from gateway.trust import pki
from gateway.trust.issuing import KeyKind
from gateway.trust.signing import SigningKey, sign
from tests import payloads

ROOT = Path(__file__).resolve().parents[2]
FAULT = "{urn:forsakringskassan:utbyte:fault:1}"
TYPES = {SoapVersion.SOAP_11: "text/xml; charset=utf-8", SoapVersion.SOAP_12: "application/soap+xml; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Stage:
    """Configuration and keys; nothing runs yet."""

    configuration: Configuration
    demo: pki.Demo
    data: Path

    def tuned(self, table: str = "listen", **settings: object) -> Stage:
        """Return the same with other settings in one table of `gateway.toml`."""
        gateway = self.configuration.gateway
        changed = gateway.model_copy(update={table: getattr(gateway, table).model_copy(update=settings)})
        return Stage(self.configuration.model_copy(update={"gateway": changed}), self.demo, self.data)

    @contextmanager
    def running(self) -> Iterator[Stand]:
        """Run it, in this process."""
        with wiring.running(self.configuration) as (server, intake, background):
            yield Stand(self, server, intake, background)

    def credential(self, name: str) -> tuple[str, str]:
        folder = self.data / "clients" / name
        return str(folder / "tls.pem"), str(folder / "tls.key")

    def session(self, name: str = "skatteverket") -> requests.Session:
        """Return a client that believes our server and shows a partner's certificate."""
        made = requests.Session()
        made.trust_env = False
        made.verify = str(self.data / "pki" / "server-ca.pem")
        made.cert = self.credential(name)
        return made

    def context(self, name: str | None = "skatteverket") -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=str(self.data / "pki" / "server-ca.pem"))
        if name is not None:
            made.load_cert_chain(*self.credential(name))
        return made

    def message(
        self,
        payload: str | None = None,
        *,
        name: str = "skatteverket",
        version: SoapVersion = SoapVersion.SOAP_11,
        message_id: str | None = None,
    ) -> bytes:
        """Return a signed message."""
        material = self.demo.clients[name].sign
        now = datetime.now(UTC)
        exact = etree.tostring(etree.fromstring(payload or payloads.folkbokforing()), method="c14n", exclusive=True)
        return sign(
            exact.decode(),
            key=SigningKey(key=material.key, certificate=material.der),
            version=version,
            created=now,
            expires=now + timedelta(minutes=5),
            message_id=message_id or f"urn:uuid:{uuid.uuid4()}",
        )


@dataclass(frozen=True, slots=True)
class Stand:
    """A gateway that runs."""

    stage: Stage
    server: Running
    intake: wiring.Intake
    background: wiring.Background

    def address(self, contract: str = "skatteverket/folkbokforing") -> str:
        return f"{self.server.origin}/soap/{contract}"

    def leaf(self, position: int) -> bytes:
        """Return the hash of one leaf, as it is stored."""
        file = File(self.stage.configuration.gateway.store.path / DATABASE)
        try:
            return StoredLog(file).leaves(position, 1)[0][1]
        finally:
            file.close()

    @contextmanager
    def connected(self, name: str | None = "skatteverket") -> Iterator[ssl.SSLSocket]:
        """Open a TLS connection, to send bytes on that no client library would."""
        with (
            socket.create_connection((self.server.host, self.server.port), timeout=10) as plain,
            self.stage.context(name).wrap_socket(plain, server_hostname="127.0.0.1") as secure,
        ):
            yield secure


def make(folder: Path, **listen: object) -> Stage:
    """Make PKI, configuration and store below `folder`."""
    demo = pki.make(folder, now=datetime.now(UTC), kind=KeyKind.P256)
    read = config.load(ROOT / "config" / "gateway.toml", data=folder)
    stage = Stage(read, demo, folder).tuned(port=0, **listen)
    wiring.create_store(stage.configuration, wiring.SystemClock())
    return stage


def code(answer: bytes) -> str | None:
    """Return the code of a SOAP fault, None where the answer is none."""
    return etree.fromstring(answer).findtext(f".//{FAULT}Code")


def one(connection: ssl.SSLSocket) -> tuple[bytes, bytes]:
    """Read one answer: head and body."""
    got = b""
    while True:
        head, found, body = got.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        if found and length and len(body) >= int(length[1]):
            return head, body
        part = connection.recv(65536)
        if not part:
            return head, body
        got += part


def everything(connection: ssl.SSLSocket) -> bytes:
    """Read until the other side closes."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except (ConnectionResetError, ssl.SSLEOFError):
        pass
    return b"".join(parts)
