"""What the gateway judges by, built from the repository's own configuration and schemas, with keys of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from gateway import config
from gateway.adapters import registry
from gateway.events import compose
from gateway.inbound.path import Rules
from gateway.message import Protection, Pseudonym
from gateway.ports import Protections
from gateway.privacy import law
from gateway.trust import chain, keys, pseudonym, sealing
from gateway.trust.issuing import SIGNER, Issued, KeyKind, Profile, issue
from gateway.trust.signing import SigningKey

ROOT = Path(__file__).resolve().parents[1]
SEALING = bytes(range(32))
PSEUDONYM = bytes(range(32, 64))
KEY_ID = "test"


class Nobody:
    """Knows nothing of anybody's protected identity."""

    def status(self, person: Pseudonym) -> Protection:
        del person
        return Protection.UNKNOWN


def configuration(data: Path) -> config.Configuration:
    """Read the repository's configuration; anchors and revocation lists are those below `data`."""
    return config.load(ROOT / "config" / "gateway.toml", data=data)


def contracts() -> registry.Registry:
    return registry.Registry.load(ROOT / "schemas")


def receipt_credential(now: datetime, kind: KeyKind = KeyKind.P256) -> Issued:
    profile = Profile(
        common_name="Kvittens", kind=kind, key_usage=SIGNER.key_usage, extended_key_usage=None, not_after=None
    )
    return issue(None, profile, now=now)


def signers(credential: Issued) -> keys.Signers:
    return keys.Signers(p256=SigningKey(key=credential.key, certificate=credential.der))


def build(
    read: config.Configuration,
    *,
    random: Callable[[int], bytes],
    receipts: keys.Signers,
    protections: Protections | None = None,
    agreed: registry.Registry | None = None,
    judged_by: law.Law | None = None,
) -> Rules:
    """Put the rules together as `wiring` does, without any driver."""
    agreed = agreed or contracts()
    return Rules(
        limits=read.gateway.limits,
        trust=chain.Trust.build(read.partners),
        contracts=agreed,
        law=judged_by or law.Law.build(read, agreed.kinds(), agreed.outgoing),
        routes=compose.Routes.build(read.queues, read.bases, compose.Own.of(read, agreed.outgoing)),
        protections=protections or Nobody(),
        pseudonyms=pseudonym.Pseudonyms(PSEUDONYM),
        sealer=sealing.Sealer(KEY_ID, SEALING, random),
        signers=receipts,
        random=random,
    )
