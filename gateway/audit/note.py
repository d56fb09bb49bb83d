"""A text with signatures that anyone can check with one line of key (C2SP signed-note).

    This is an example message.
                                                      <- an empty line
    — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tn…      <- em dash, key name, base64(key id || signature)

The signature covers the text with its last newline, not the empty line. A key is written as a *vkey*:
`<name>+<key id, 8 hex>+<base64 of type and public key>`, and its id is the first four bytes of
SHA-256(name || 0x0A || type || public key). We sign with Ed25519 (type 0x01), which every verifier reads.

Signatures by keys we do not know are ignored; a wrong one by a key we know makes the whole note worthless. What kind of
signature a key's are, the key knows (`Verifier`): witnesses' are in `cosignature`.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

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


class Verifier(Protocol):
    """A public key with a name, of any type of signature."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def public(self) -> bytes: ...  # noqa: D102
    @property
    def id(self) -> bytes:
        """The four bytes that announce the key in a signature line."""
        ...

    def check(self, text: str, signature: bytes) -> None:
        """Prove that the key signed `text`. Raises IntegrityError."""
        ...


@dataclass(frozen=True, slots=True)
class Key:
    """A public Ed25519 key with a name, as verifiers hold it."""

    name: str
    public: bytes
    """32 bytes."""

    @property
    def id(self) -> bytes:
        """Return the four bytes that announce the key in a signature line."""
        return key_id(self.name, ED25519, self.public)

    def __str__(self) -> str:
        """Return the vkey."""
        return vkey(self.name, ED25519, self.public)

    @classmethod
    def parse(cls, written: str) -> Key:
        """Read a vkey. Raises ConfigError: keys come from people who configure verifiers."""
        return cls(*named(written, ED25519, "Ed25519 key"))

    def check(self, text: str, signature: bytes) -> None:
        """Prove that the key signed `text`. Raises IntegrityError."""
        proven(self, text.encode(), signature)


def key_id(name: str, kind: bytes, public: bytes) -> bytes:
    """Return the four bytes that announce a key; `kind` is the byte of its type of signature."""
    return sha256(name.encode() + b"\n" + kind + public).digest()[:_ID]


def vkey(name: str, kind: bytes, public: bytes) -> str:
    """Write a key as verifiers are given it."""
    return f"{name}+{key_id(name, kind, public).hex()}+{b64encode(kind + public).decode()}"


def named(written: str, kind: bytes, what: str) -> tuple[str, bytes]:
    """Return name and public key of a vkey whose type of signature is `kind`. Raises ConfigError, naming `what`."""
    name, _, rest = written.strip().partition("+")
    stated, _, encoded = rest.partition("+")
    try:
        data = b64decode(encoded, validate=True)
    except ValueError:
        raise ConfigError("the verifier key is not <name>+<id>+<base64>") from None
    if not _NAME.fullmatch(name) or data[:1] != kind or len(data) != 1 + _PUBLIC:
        raise ConfigError(f"the verifier key is not a named {what}")
    if stated != key_id(name, kind, data[1:]).hex():
        raise ConfigError(f"the verifier key {name} does not have the id it says")
    return name, data[1:]


def proven(key: Verifier, message: bytes, signature: bytes) -> None:
    """Prove that a key made an Ed25519 signature. Raises IntegrityError."""
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise IntegrityError(f"the note's signature by {key.name} is wrong") from None


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

    def named(self, name: str) -> Signer:
        """Return the same key by another name: of another log. Raises ConfigError."""
        return Signer(name, self._private)

    def sign(self, text: str) -> bytes:
        """Return the note: `text`, an empty line and our signature. Raises IntegrityError if it can be no note."""
        _well_formed(text)
        return f"{text}\n{line(self.key, self._private.sign(text.encode()))}".encode()


def line(key: Verifier, signature: bytes) -> str:
    """Return a signature line, with its newline."""
    return f"— {key.name} {b64encode(key.id + signature).decode()}\n"


def verify(note: bytes, keys: Sequence[Verifier]) -> str:
    """Return the text of a note that at least one of `keys` signed, and that none of them signed wrongly.

    Raises IntegrityError.
    """
    text, signed = signatures(note, keys)
    if not signed:
        raise IntegrityError("the note is not signed by any key we know")
    return text


def signatures(note: bytes, keys: Sequence[Verifier]) -> tuple[str, list[tuple[Verifier, bytes]]]:
    """Return a note's text, and which of `keys` signed it with what; nobody may have. Of strangers nothing is told.

    Raises IntegrityError where one of `keys` signed wrongly.
    """
    text, lines = _cut(note)
    known = {(key.name, key.id): key for key in keys}
    signed = []
    for name, encoded in lines:
        signature = _decode(encoded)
        key = known.get((name, signature[:_ID]))
        if key is not None:
            key.check(text, signature[_ID:])
            signed.append((key, signature[_ID:]))
    return text, signed


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
        data = b""
    if b64encode(data).decode() != encoded:  # one way to write it: bits that nothing is made of are zero
        raise IntegrityError("a signature line is not base64")
    if len(data) <= _ID:
        raise IntegrityError("a signature line has no signature")
    return data


def _well_formed(text: str) -> None:
    if not text.endswith("\n") or _CONTROL.search(text):
        raise IntegrityError("a note's text must end with a newline and have no other control characters")
