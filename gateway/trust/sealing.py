"""Evidence and hidden records under seal, so that they can be destroyed without touching the log (GDPR art. 17 and 32).

Each message has a data key of its own, and only that is under the key-encryption key. Destroying `wrapped_key` is
gallring: it is 60 bytes, and everything else about the message is noise without it, in backups too.

All is AES-256-GCM (NIST SP 800-38D), and what is sealed is bound to its place: nothing can be moved without a trace.

    what             key                 nonce                associated data
    data key         key-encryption      12 random bytes      "gateway/data-key/1", key id
    evidence         data key            0                    "gateway/evidence/1", every leaf hash
    record n         data key            n, from 1            "gateway/record/1", n, its leaf hash

Counters serve as nonces under the data key because it is used for one message only (section 8.2.1). Under the
key-encryption key they are random: it is to be changed before 2^32 messages (section 8.3).

When it is changed the former one still opens what it sealed, for as long as that is kept: every seal says by which key
it was made. Nothing new is sealed under a former key. One that is taken away makes everything under it noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import ConfigError, IntegrityError
from gateway.message import Leaf, LeafHash, Sealed

KEY = 32
"""Bytes of either key: AES-256."""
_NONCE = 12
_LENGTH = 1
"""Bytes before a salt that say how long it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What was sealed. Made by `Sealer.open`."""

    evidence: bytes = field(repr=False)
    records: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    """Salt and hidden record per leaf, in the leaves' order; both empty where they have been destroyed by rule."""


class Sealer:
    """Seals under one key-encryption key, and opens under that and its predecessors. Shared between threads."""

    __slots__ = ("_keys", "_random", "key_id")

    def __init__(
        self, key_id: str, key: bytes, random: Callable[[int], bytes], *, former: Mapping[str, bytes] | None = None
    ) -> None:
        """Take the key-encryption key, 32 bytes, its name, and where randomness comes from.

        Args:
            key_id: Its name.
            key: The one that seals.
            random: Where randomness comes from.
            former: Keys that sealed before it, by their names: they open, and seal no more.

        Raises:
            ConfigError: a key has another length.
        """
        keys = {name: ("keys.sealing_former", one) for name, one in (former or {}).items()}
        keys[key_id] = ("keys.sealing", key)
        for setting, one in keys.values():
            if len(one) != KEY:
                raise ConfigError(f"{setting}: holds {len(one)} bytes; {KEY} are needed")
        self.key_id = key_id
        self._keys = {name: AESGCM(one) for name, (_, one) in keys.items()}
        self._random = random

    def seal(self, evidence: bytes, leaves: Sequence[Leaf]) -> Sealed:
        """Seal a message's exact bytes, and salt and hidden record of each of its leaves, under a fresh data key."""
        fresh = self._random(KEY + _NONCE)
        key, nonce = fresh[:KEY], fresh[KEY:]
        aead = AESGCM(key)
        first = bytes(_NONCE)
        hashes = [leaf.hash for leaf in leaves]
        return Sealed(
            key_id=self.key_id,
            wrapped_key=nonce + self._keys[self.key_id].encrypt(nonce, key, _wrapping(self.key_id)),
            evidence=first + aead.encrypt(first, evidence, _whole(hashes)) if evidence else b"",
            records=tuple(
                _record(aead, number, leaf, with_evidence=bool(evidence)) for number, leaf in enumerate(leaves, start=1)
            ),
        )

    def open(self, sealed: Sealed, leaves: Sequence[LeafHash]) -> Opened:
        """Open what was sealed for these leaves, in this order.

        Args:
            sealed: as it was stored.
            leaves: the hashes that the log holds for the message: what is opened is proven to be theirs.

        Raises:
            IntegrityError: a key that is not here, a destroyed data key, or anything changed, moved, missing or added.
        """
        wrapping = self._keys.get(sealed.key_id)
        if wrapping is None:
            raise IntegrityError(
                f"sealed under key {sealed.key_id}, and here are {', '.join(sorted(self._keys))}: "
                "name the key that sealed it in keys.sealing_former"
            )
        if not sealed.wrapped_key:
            raise IntegrityError("the data key has been destroyed")
        if len(sealed.records) != len(leaves):
            raise IntegrityError(f"{len(sealed.records)} sealed records for {len(leaves)} leaves")
        key = _opened(wrapping, sealed.wrapped_key, _wrapping(sealed.key_id), "data key")
        if len(key) != KEY:
            raise IntegrityError("the data key has a wrong length")
        aead = AESGCM(key)
        # A refusal that was not quarantined has none. Its records were sealed as such, so blanking shows.
        beside = bool(sealed.evidence) or sealed.emptied
        evidence = _opened(aead, sealed.evidence, _whole(leaves), "evidence") if sealed.evidence else b""
        records = (
            _opened(aead, record, _one(number, leaf, with_evidence=beside), f"record {number}")
            if record or not sealed.emptied
            else b"\0"
            for number, (record, leaf) in enumerate(zip(sealed.records, leaves, strict=True), start=1)
        )
        return Opened(evidence=evidence, records=tuple(_split(record) for record in records))


def _wrapping(key_id: str) -> bytes:
    return b"gateway/data-key/1\0" + key_id.encode()


def _record(aead: AESGCM, number: int, leaf: Leaf, *, with_evidence: bool) -> bytes:
    nonce = number.to_bytes(_NONCE, "big")
    content = len(leaf.salt).to_bytes(_LENGTH, "big") + leaf.salt + leaf.record
    return nonce + aead.encrypt(nonce, content, _one(number, leaf.hash, with_evidence=with_evidence))


def _split(content: bytes) -> tuple[bytes, bytes]:
    end = _LENGTH + content[0]
    return content[_LENGTH:end], content[end:]


def _whole(leaves: Sequence[LeafHash]) -> bytes:
    return b"gateway/evidence/1\0" + b"".join(leaves)


def _one(number: int, leaf: LeafHash, *, with_evidence: bool) -> bytes:
    return b"gateway/record/1\0" + number.to_bytes(4, "big") + bytes([with_evidence]) + leaf


def _opened(aead: AESGCM, sealed: bytes, bound: bytes, what: str) -> bytes:
    try:
        return aead.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound)
    except (InvalidTag, ValueError):
        raise IntegrityError(f"the seal of the {what} is broken") from None
