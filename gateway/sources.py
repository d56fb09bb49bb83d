"""Where a secret is: in a file, among the credentials that systemd hands over, or on a token.

    keys/receipt.key            a file, relative to the `data` folder
    credential:receipt.key      a file in $CREDENTIALS_DIRECTORY (systemd.exec(5), LoadCredential=)
    pkcs11:token=utbyte;object=receipt?module-path=/usr/lib/hsm/module.so&pin-source=credential:hsm.pin
                                a private key that signs where it is (RFC 7512)

A credential is a file like any other once systemd has put it there. Of RFC 7512 only what is needed to find one key is
accepted, so that a URI never has an attribute which nobody heeds: of `slot-id` none can say whose it is tomorrow, and
`pin-value` would put a secret into the configuration.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, unquote_to_bytes

from gateway.errors import ConfigError

TOKEN: Final = "pkcs11:"  # noqa: S105  # a scheme
CREDENTIAL: Final = "credential:"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""A credential's: no folder, nothing hidden."""
_PATH: Final = ("token", "serial", "object", "id", "type")
_QUERY: Final = ("module-path", "pin-source")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A private key on a PKCS#11 token."""

    module: Path
    """The token's library."""
    token: str | None
    """Its label; this or the serial number."""
    serial: str | None
    label: str | None
    """The key's; this or the id."""
    id: bytes | None
    pin: Path | None = field(default=None, repr=False)
    """A file with the user's PIN; None where the token asks for none."""

    def __str__(self) -> str:
        """Name the key for an operator."""
        return f"key {self.label or (self.id or b'').hex()} on token {self.token or self.serial}"


def located(value: str, folder: Path, key: str) -> Path | Token:
    """Return where a secret is, as its reference says.

    Args:
        value: The reference, as the module's text lays out.
        folder: What files are relative to.
        key: Names the setting in errors.

    Raises:
        ConfigError: it is a URI that names no key, or a credential without a proper name.
    """
    if value.startswith(TOKEN):
        return _token(value.removeprefix(TOKEN), folder, key)
    if value.startswith(CREDENTIAL):
        return _credential(value.removeprefix(CREDENTIAL), key)
    return (folder / value).resolve()


def _credential(name: str, key: str) -> Path:
    """Return the file; outside a service, where systemd hands over none, a name that says so when it is read."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{key}: {CREDENTIAL}NAME: letters, digits and ._- only")
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(folder, name) if folder else Path(f"{CREDENTIAL}{name}")


def _token(rest: str, folder: Path, key: str) -> Token:
    path, _, query = rest.partition("?")
    if "pin-value" in query or "pin-value" in path:
        raise ConfigError(f"{key}: pin-value: a PIN is never in the configuration; pin-source=FILE has it")
    of, how = _attributes(path, ";", _PATH, key), _attributes(query, "&", _QUERY, key)
    module = Path(unquote(how.get("module-path", "")))
    if not module.is_absolute():
        raise ConfigError(f"{key}: {TOKEN}…?module-path=/…: is needed, absolute")
    if of.get("type", "private") != "private":
        raise ConfigError(f"{key}: type: only a private key signs")
    if not (of.get("token") or of.get("serial")) or not (of.get("object") or of.get("id")):
        raise ConfigError(f"{key}: {TOKEN}: needs token= or serial=, and object= or id=")
    pin = how.get("pin-source")
    return Token(
        module=module,
        token=_text(of.get("token")),
        serial=_text(of.get("serial")),
        label=_text(of.get("object")),
        id=unquote_to_bytes(of["id"]) if "id" in of else None,
        pin=None if pin is None else _file(unquote(pin), folder, f"{key}: pin-source"),
    )


def _file(value: str, folder: Path, key: str) -> Path:
    found = located(value.removeprefix("file:"), folder, key)
    if isinstance(found, Token):
        raise ConfigError(f"{key}: is a file or a credential")
    return found


def _attributes(part: str, separator: str, accepted: tuple[str, ...], key: str) -> Mapping[str, str]:
    """Take one part of the URI apart (RFC 7512 section 2.3): no attribute twice, and none that is not heeded."""
    found: dict[str, str] = {}
    for one in part.split(separator) if part else []:
        name, _, value = one.partition("=")
        if name not in accepted or name in found:
            raise ConfigError(f"{key}: {TOKEN}: {name}: accepted once each here: {', '.join(accepted)}")
        found[name] = value
    return found


def _text(value: str | None) -> str | None:
    return None if value is None else unquote(value)
