"""A text with signatures that anyone can check with one line of key (C2SP signed-note).

    This is an example message.
                                                      <- an empty line
    — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tn…      <- em dash, key name, base64(key id || signature)

The signature covers the text with its last newline, not the empty line. A key is written as a *vkey*:
`<name>+<key id, 8 hex>+<base64 of type and public key>`, and its id is the first four bytes of
SHA-256(name || 0x0A || type || public key). We sign with Ed25519 (type 0x01), which every verifier reads.

Signatures by keys we do not know are ignored; a wrong one by a key we know makes the whole note worthless.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.errors import ConfigError, IntegrityError

ED25519 = b"\x01"
"""Signature type of signed-note."""
LARGEST = 1_000_000
"""Bytes of a note, as in golang.org/x/mod/sumdb/note."""
MOST = 100
"""Signatures on a note: more is an attack on whoever checks them (signed-note asks for at least 16)."""
_ID = 4
_PUBLIC = 32
_SIGNATURE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})\n")
_NAME = re.compile(r"[^\s+]+")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True, slots=True)
class Key:
    """A public Ed25519 key with a name, as verifiers hold it."""

    name: str
    public: bytes
    """32 bytes."""

    @property
    def id(self) -> bytes:
        """Return the four bytes that announce the key in a signature line."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:_ID]

    def __str__(self) -> str:
        """Return the vkey."""
        return f"{self.name}+{self.id.hex()}+{b64encode(ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, vkey: str) -> Key:
        """Read a vkey. Raises ConfigError: keys come from people who configure verifiers."""
        name, _, rest = vkey.strip().partition("+")
        written, _, encoded = rest.partition("+")
        try:
            data = b64decode(encoded, validate=True)
        except ValueError:
            raise ConfigError("the verifier key is not <name>+<id>+<base64>") from None
        if not _NAME.fullmatch(name) or data[:1] != ED25519 or len(data) != 1 + _PUBLIC:
            raise ConfigError("the verifier key is not a named Ed25519 key")
        key = cls(name, data[1:])
        if written != key.id.hex():
            raise ConfigError(f"the verifier key {name} does not have the id it says")
        return key


class Signer:
    """A private Ed25519 key with a name."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        """`name` is the checkpoint's origin: no white space, no plus sign."""
        if not _NAME.fullmatch(name):
            raise ConfigError("a key name may not have white space or a plus sign")
        self.key = Key(name, private.public_key().public_bytes_raw())
        self._private = private

    @classmethod
    def from_pem(cls, name: str, pem: bytes) -> Signer:
        """Read the private key. Raises ConfigError if it is not an unencrypted Ed25519 key in PEM."""
        try:
            private = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ConfigError("keys.checkpoint: is not an unencrypted private key in PEM") from None
        if not isinstance(private, Ed25519PrivateKey):
            raise ConfigError("keys.checkpoint: must be an Ed25519 key")
        return cls(name, private)

    def sign(self, text: str) -> bytes:
        """Return the note: `text`, an empty line and our signature. Raises IntegrityError if it can be no note."""
        _well_formed(text)
        signature = b64encode(self.key.id + self._private.sign(text.encode())).decode()
        return f"{text}\n— {self.key.name} {signature}\n".encode()


def verify(note: bytes, keys: Sequence[Key]) -> str:
    """Return the text of a note that at least one of `keys` signed, and that none of them signed wrongly.

    Raises IntegrityError.
    """
    text, lines = _cut(note)
    known = {(key.name, key.id): key for key in keys}
    good = 0
    for name, encoded in lines:
        signature = _decode(encoded)
        key = known.get((name, signature[:_ID]))
        if key is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature[_ID:], text.encode())
        except (InvalidSignature, ValueError):
            raise IntegrityError(f"the note's signature by {name} is wrong") from None
        good += 1
    if not good:
        raise IntegrityError("the note is not signed by any key we know")
    return text


def _cut(note: bytes) -> tuple[str, list[tuple[str, str]]]:
    """Return text and (key name, base64) per signature line."""
    if len(note) > LARGEST:
        raise IntegrityError(f"a note of {len(note)} bytes is larger than {LARGEST}")
    try:
        whole = note.decode()
    except UnicodeDecodeError:
        raise IntegrityError("the note is not UTF-8") from None
    at = whole.rfind("\n\n")
    if at < 0:
        raise IntegrityError("the note has no signatures")
    text, rest = whole[: at + 1], whole[at + 2 :]
    _well_formed(text)
    lines = rest.splitlines(keepends=True)
    matches = [_SIGNATURE.fullmatch(line) for line in lines]
    if not lines or len(lines) > MOST or not all(matches):
        raise IntegrityError("the note's signature lines are malformed")
    return text, [(match[1], match[2]) for match in matches if match]


def _decode(encoded: str) -> bytes:
    try:
        data = b64decode(encoded, validate=True)
    except ValueError:
        raise IntegrityError("a signature line is not base64") from None
    if len(data) <= _ID:
        raise IntegrityError("a signature line has no signature")
    return data


def _well_formed(text: str) -> None:
    if not text.endswith("\n") or _CONTROL.search(text):
        raise IntegrityError("a note's text must end with a newline and have no other control characters")
