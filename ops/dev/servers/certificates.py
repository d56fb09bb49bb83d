"""The broker's certificate and one for each account, under an authority whose key is never written."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from gateway.trust.issuing import AUTHORITY, CLIENT_AUTH, SERVER_AUTH, Issued, KeyKind, Profile, issue
from ops.dev.servers.state import ACCOUNTS


def make(folder: Path) -> None:
    """Write `authority.pem`, `rabbitmq.{pem,key}` and `gw-<duty>.{pem,key}`; the account is the commonName."""
    now = datetime.now(UTC)
    authority = issue(None, AUTHORITY, now=now)
    (folder / "authority.pem").write_bytes(authority.pem)
    names = ("localhost", "127.0.0.1")
    broker = Profile(
        common_name="localhost", kind=KeyKind.P256, extended_key_usage=(SERVER_AUTH, CLIENT_AUTH), names=names
    )
    _write(folder / "rabbitmq", issue(authority, broker, now=now))
    for duty in ACCOUNTS:
        name = f"gw-{duty}"
        _write(folder / name, issue(authority, Profile(common_name=name, kind=KeyKind.P256), now=now))


def _write(path: Path, issued: Issued) -> None:
    path.with_suffix(".pem").write_bytes(issued.chain_pem)
    key = path.with_suffix(".key")
    key.touch(mode=0o600)
    key.write_bytes(issued.key_pem)
