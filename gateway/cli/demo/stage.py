"""Where it is played: a PKI and a store of their own in a folder, and the real `gateway serve` in its own process.

The configuration is the one that was delivered; only its `data` folder is another, and the addresses of the partners
that are called (`country`). The server chooses its port and says so in the first line of its log, which is read here to
the end: it must never hold a person's number.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import orjson

from gateway import codes, wiring
from gateway.audit.note import Key
from gateway.cli.demo.country import Country, reader
from gateway.config import Configuration, load
from gateway.errors import ConfigError, UnavailableError
from gateway.trust import pki
from gateway.trust.issuing import Issued

_START = 60.0
"""Seconds: a start takes one or two, and a machine may be busy."""
_STOP = 40.0
"""Seconds: more than the server's own drain."""
_TOLD = 5
"""Lines of the server's log that an error quotes."""


class Server:
    """`gateway serve` as a child process, and its log."""

    def __init__(self, config: Path, data: Path) -> None:
        """Start it. Nothing is waited for until `address`."""
        self.lines: list[bytes] = []
        self._started = threading.Event()
        self._address: str | None = None
        self._process = subprocess.Popen(  # noqa: S603  # our own program, by its full path
            [sys.executable, "-m", "gateway.cli", "serve", "--config", config, "--data", data, "--port", "0"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self._reader = threading.Thread(target=self._read, name="demo-log", daemon=True)
        self._reader.start()

    def address(self) -> str:
        """Return `https://host:port` once it receives. Raises UnavailableError if it does not start."""
        if not self._started.wait(_START) or self._address is None:
            tail = b" | ".join(self.lines[-_TOLD:]).decode(errors="replace")
            raise UnavailableError(codes.INTERNAL, f"gateway serve did not start: {tail}")
        return f"https://{self._address}"

    def stop(self) -> int:
        """Have it drain and stop; return its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            self._reader.join(_STOP)
            if self._process.stderr is not None:
                self._process.stderr.close()

    def _read(self) -> None:
        for line in self._process.stderr or ():
            self.lines.append(line)
            if self._address is None and b'"server.started"' in line:
                self._address = orjson.loads(line)["address"]
                self._started.set()
        self._started.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything that was set up."""

    configuration: Configuration
    data: Path
    demo: pki.Demo
    revoked: Issued
    """A signing certificate of Skatteverket's that is on the revocation list."""
    server: Server
    address: str
    country: Country
    """Whom the gateway calls."""

    @property
    def key(self) -> Key:
        """The log's public key, from the PKI and not from the server."""
        return Key(self.configuration.gateway.audit.origin, self.demo.checkpoint.public_key().public_bytes_raw())


@contextmanager
def staged(config: Path, folder: Path, *, now: datetime) -> Iterator[Stage]:
    """Set up below `folder`, serve, and take it down in the end.

    Raises:
        ConfigError: the configuration is wrong, or is no configuration for trying things out.
        UnavailableError: the server does not start.
    """
    data = folder / "data"
    delivered = load(config, data=data)
    if delivered.gateway.environment == "production":
        raise ConfigError(f"{config}: environment: production is not for demonstrations")
    demo, revoked = _pki(now)
    pki.write(demo, data)
    country = Country(delivered, data, demo, now=now)
    with country.open():
        written = country.write(config, delivered, folder / "config")
        configuration = load(written, data=data)
        wiring.create_store(configuration, wiring.SystemClock())
        server = Server(written, data)
        try:
            yield Stage(
                configuration=configuration,
                data=data,
                demo=demo,
                revoked=revoked,
                server=server,
                address=server.address(),
                country=country,
            )
        finally:
            server.stop()


def _pki(now: datetime) -> tuple[pki.Demo, Issued]:
    """Make a PKI in which Skatteverket has a second signing certificate, revoked, and one more employer connects."""
    demo = pki.build(now=now)
    joined = reader(demo, now=now)
    profile = replace(
        pki.SIGNER,
        common_name="Skatteverket signering, gammal",
        organisation="Skatteverket",
        serial_numbers=("162021005448",),
    )
    revoked = pki.issue(demo.agencies, profile, now=now)
    lists = pki.crl(demo.agencies_root, now=now) + pki.crl(demo.agencies, now=now, revoked=[revoked.certificate])
    return replace(demo, agencies_crl=lists, clients={**demo.clients, joined.name: joined}), revoked
