"""A log that is verified without us: a folder with an export, or the address of a log or of a mirror.

Nothing here knows a store, a configuration or a driver, and a test holds that: an auditor needs the program, the log's
public key and the files. What `audit.static` asks for by path is a file below the folder, or what an address answers.
"""

from __future__ import annotations

import http.client
import ssl
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import click

from gateway import codes
from gateway.audit import policy, proof, static
from gateway.audit.note import Key
from gateway.cli import output
from gateway.errors import ConfigError, IntegrityError, UnavailableError

LARGEST = 256 * (2 + 65_535)
"""Bytes of a file: a full bundle of the largest entries."""
PATIENCE = 30.0
"""Seconds for a mirror to answer."""
_EVERY = 1 << 20
"""Leaves between two words of progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How an address is reached, where TLS asks who we are: as the gateway itself does."""

    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None
    """Whom to believe, instead of the machine's own authorities."""

    def context(self) -> ssl.SSLContext:
        """Return what TLS goes by. Raises ConfigError."""
        try:
            made = ssl.create_default_context(cafile=self.authority)
            if self.certificate is not None:
                made.load_cert_chain(self.certificate, self.key, password=_no_password)
        except (OSError, ValueError) as error:
            raise ConfigError(f"certificate, key or authority: {_reason(error)}") from None
        return made


class Address:
    """A log at an address: one connection, kept as long as it lasts."""

    def __init__(self, url: str, line: Line) -> None:
        """`url` is the log's prefix, http or https. Raises ConfigError."""
        parts = urlsplit(url)
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host = None
        if not host or parts.query or parts.fragment or parts.username is not None:
            raise ConfigError(f"{url}: not the address of a log, as https://utbyte.example/audit")
        self._prefix = parts.path.rstrip("/")
        self._where = f"{host}:{port}" if port else host
        self._line = (
            http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=line.context())
            if parts.scheme == "https"
            else http.client.HTTPConnection(host, port, timeout=PATIENCE)
        )

    def read(self, path: str) -> bytes | None:
        """Return what is there. Raises UnavailableError, IntegrityError for more than any file of a log has."""
        failure: Exception | None = None
        for _ in range(2):  # a connection that was kept may have been closed by the far side since
            try:
                return self._asked(path)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                failure = error
        raise UnavailableError(codes.STORE_UNAVAILABLE, f"{self._where}: {_reason(failure)}")

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    def _asked(self, path: str) -> bytes | None:
        self._line.request("GET", f"{self._prefix}/{path}", headers={"Accept-Encoding": "identity"})
        answer = self._line.getresponse()
        data = answer.read(LARGEST + 1)
        if len(data) > LARGEST or answer.status != HTTPStatus.OK:
            self.close()
        if answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
            return None
        if answer.status != HTTPStatus.OK:
            raise UnavailableError(codes.STORE_UNAVAILABLE, f"{self._where} answers {path} with {answer.status}")
        return _bounded(path, data)


def folder(root: Path) -> static.Read:
    """Return what reads the files of an export. It raises UnavailableError and IntegrityError as `Address.read`."""

    def read(path: str) -> bytes | None:
        try:
            with (root / path).open("rb") as file:
                return _bounded(path, file.read(LARGEST + 1))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise UnavailableError(codes.STORE_UNAVAILABLE, f"{path}: {_reason(error)}") from None

    return read


@contextmanager
def reading(where: str, line: Line) -> Iterator[static.Read]:
    """Read a folder, or an address for as long as the block lasts. Raises ConfigError for neither."""
    if where.startswith(("http://", "https://")):
        address = Address(where, line)
        try:
            yield address.read
        finally:
            address.close()
    elif Path(where).is_dir():
        yield folder(Path(where))
    else:
        raise ConfigError(f"{where}: neither a folder nor an address")


def key(vkey: str) -> Key:
    """Read a vkey as an option. Raises click.BadParameter."""
    try:
        return Key.parse(vkey)
    except ConfigError as error:
        raise click.BadParameter(error.detail, param_hint="--vkey") from None


def witnesses(written: bytes) -> policy.Policy:
    """Read a policy as an option. Raises click.BadParameter."""
    try:
        return policy.parse(written)
    except ConfigError as error:
        raise click.BadParameter(error.detail, param_hint="--policy") from None


def verified(
    where: str,
    line: Line,
    known: Key,
    *,
    earlier: Sequence[bytes],
    proofs: Sequence[bytes],
    asked: policy.Policy | None = None,
) -> dict[str, output.Json]:
    """Compute a log again from its files, and return what was found whole. Raises IntegrityError, UnavailableError."""
    console = output.progress()

    def passed(leaves: int) -> None:
        if leaves % _EVERY == 0:
            console.print(f"{leaves} leaves", style="dim")

    given = [proof.read(one) for one in proofs]
    with reading(where, line) as read:
        found = static.verify(read, known, earlier=earlier, proofs=given, policy=asked, passed=passed)
    return {
        "origin": found.checkpoint.origin,
        "size": found.checkpoint.size,
        "root": b64encode(found.checkpoint.root).decode(),
        "tiles": found.tiles,
        "earlier": found.earlier,
        "proofs": found.proofs,
        "cosigned": None if asked is None else list(found.cosigned),
        "vkey": str(known),
    }


def _bounded(path: str, data: bytes) -> bytes:
    if len(data) > LARGEST:
        raise IntegrityError(f"{path} is larger than any file of a log")
    return data


def _reason(error: Exception | None) -> str:
    """Say what a person can mend, without what the far side wrote."""
    if isinstance(error, ssl.SSLError):
        return error.reason or "TLS"
    return getattr(error, "strerror", None) or type(error).__name__


def _no_password() -> bytes:
    """Answer OpenSSL, which would else ask at the terminal."""
    return b""
