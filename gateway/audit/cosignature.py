"""What a witness says of a checkpoint: when it saw it, and that it adds to all it saw before (C2SP tlog-cosignature).

    — witness.example/w1 jWbPPwAAAABkGFDL…       a signature line of the checkpoint's note, by a key of type 0x04

The line holds a time of 8 bytes, big-endian seconds since 1970, and an Ed25519 signature over

    cosignature/v1
    time 1679315147
    <the checkpoint's whole text>

So the same note carries the log's own signature and those of its witnesses, and whoever does not know a witness passes
over its line. The message does not name the witness: one key must not serve two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.audit import note
from gateway.errors import ConfigError, IntegrityError

COSIGNATURE: Final = b"\x04"
"""Signature type of cosignature/v1."""
_TIME: Final = 8
_SIGNATURE: Final = 64
_LATEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Key:
    """A witness's public Ed25519 key with its name."""

    name: str
    public: bytes
    """32 bytes."""

    @property
    def id(self) -> bytes:
        """Return the four bytes that announce the key in a signature line."""
        return note.key_id(self.name, COSIGNATURE, self.public)

    def __str__(self) -> str:
        """Return the vkey."""
        return note.vkey(self.name, COSIGNATURE, self.public)

    @classmethod
    def parse(cls, written: str) -> Key:
        """Read a vkey. Raises ConfigError: keys come from people who configure verifiers."""
        return cls(*note.named(written, COSIGNATURE, "witness key (Ed25519 cosignature/v1, type 0x04)"))

    def check(self, text: str, signature: bytes) -> None:
        """Prove that the witness signed `text` at the time it says. Raises IntegrityError."""
        if len(signature) != _TIME + _SIGNATURE or time(signature) > _LATEST:
            raise IntegrityError(f"the cosignature by {self.name} is not a time and an Ed25519 signature")
        note.proven(self, _message(text, time(signature)), signature[_TIME:])


class Signer:
    """A witness's private key with its name."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        """`name` is the witness's: an address without scheme. Raises ConfigError where it can be no key's name."""
        self.key = Key(name, private.public_key().public_bytes_raw())
        Key.parse(str(self.key))
        self._private = private

    @classmethod
    def from_pem(cls, name: str, pem: bytes) -> Signer:
        """Read the private key. Raises ConfigError if it is not an unencrypted Ed25519 key in PEM."""
        try:
            private = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            private = None
        if not isinstance(private, Ed25519PrivateKey):
            raise ConfigError("the witness's key is not an unencrypted Ed25519 key in PEM")
        return cls(name, private)

    def cosign(self, text: str, at: int) -> str:
        """Return the signature line over a checkpoint's text; `at` in seconds since 1970."""
        signature = self._private.sign(_message(text, at))
        return note.line(self.key, at.to_bytes(_TIME, "big") + signature)


def time(signature: bytes) -> int:
    """Return when a cosignature was made, in seconds since 1970, as it says itself."""
    return int.from_bytes(signature[:_TIME], "big")


def verify(signed: bytes, keys: Sequence[Key]) -> dict[Key, int]:
    """Return which of `keys` cosigned a checkpoint, and when last. Raises IntegrityError where one did so wrongly."""
    found: dict[Key, int] = {}
    for key, signature in note.signatures(signed, keys)[1]:
        if isinstance(key, Key):
            found[key] = max(time(signature), found.get(key, 0))
    return found


def _message(text: str, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{text}".encode()
