"""What the path judges by, and the secrets it needs: built from a configuration, or refused with file and key."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from gateway.adapters.registry import Registry
from gateway.audit import note
from gateway.config import Configuration, Keys
from gateway.errors import ConfigError
from gateway.events.compose import Routes
from gateway.inbound.path import Rules
from gateway.ports import Protections
from gateway.privacy.law import Law
from gateway.trust.chain import Trust
from gateway.trust.pseudonym import Pseudonyms
from gateway.trust.receipt import Signers
from gateway.trust.sealing import Sealer

Random = Callable[[int], bytes]


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        """Return it, aware, in UTC."""
        return datetime.now(UTC)


def secret(path: Path, key: str) -> bytes:
    """Read a private file. Raises ConfigError where it cannot be read, or everybody may."""
    try:
        if path.stat().st_mode & stat.S_IRWXO:
            raise ConfigError(f"{key}: {path}: every user of this machine may use it; chmod o= {path}")
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{key}: {path}: cannot be read: {error.strerror}") from None


def checkpoint_signer(configuration: Configuration) -> note.Signer:
    """Return what signs checkpoints. Raises ConfigError."""
    gateway = configuration.gateway
    return note.Signer.from_pem(gateway.audit.origin, secret(gateway.keys.checkpoint, "keys.checkpoint"))


def checkpoint_key(configuration: Configuration) -> note.Key:
    """Return what checkpoints are verified with; the private key is not needed where `audit.vkey` is given.

    Raises ConfigError.
    """
    audit = configuration.gateway.audit
    if not audit.vkey:
        return checkpoint_signer(configuration).key
    key = note.Key.parse(audit.vkey)
    if key.name != audit.origin:
        raise ConfigError(f"audit.vkey: is of {key.name}, and audit.origin is {audit.origin}")
    return key


def sealer(keys: Keys, random: Random = os.urandom) -> Sealer:
    """Return what seals evidence; the key's own hash tells which key it was. Raises ConfigError."""
    key = secret(keys.sealing, "keys.sealing")
    return Sealer(hashlib.sha256(b"gateway/sealing-key-id\0" + key).hexdigest()[:16], key, random)


def rules(configuration: Configuration, protections: Protections, *, random: Random = os.urandom) -> Rules:
    """Build all that the path judges by. Raises ConfigError, which names file and key."""
    gateway, keys = configuration.gateway, configuration.gateway.keys
    for key in ("receipt", "receipt_rsa"):
        path = getattr(keys, key)
        if path is not None:
            secret(path, f"keys.{key}")
    contracts = Registry.load(gateway.schemas)
    for partner in configuration.partners.values():
        for contract in partner.contracts:
            if contract not in contracts:
                raise ConfigError(f"partner {partner.id}: contracts: {contract}: accepted are {', '.join(contracts)}")
    return Rules(
        limits=gateway.limits,
        trust=Trust.build(configuration.partners),
        contracts=contracts,
        law=Law.build(configuration, contracts.kinds()),
        routes=Routes.build(configuration.queues, configuration.bases),
        protections=protections,
        pseudonyms=Pseudonyms(secret(keys.pseudonym, "keys.pseudonym")),
        sealer=sealer(keys, random),
        signers=Signers.build(keys, configuration.partners),
        random=random,
    )
