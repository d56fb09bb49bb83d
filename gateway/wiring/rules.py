"""What the path judges by, and the secrets it needs: built from a configuration, or refused with file and key."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from gateway.adapters.registry import Registry
from gateway.audit import note, policy
from gateway.audit.policy import Policy
from gateway.config import Configuration, Keys, Witnesses
from gateway.errors import ConfigError
from gateway.events.compose import Own, Routes
from gateway.inbound.path import Judging, Rules
from gateway.message import Category
from gateway.outbound.rules import Rules as Outward
from gateway.ports import Protections
from gateway.privacy import labels
from gateway.privacy.law import Law
from gateway.privacy.referral import Referrals
from gateway.trust.chain import Trust
from gateway.trust.files import secret
from gateway.trust.keys import Signers
from gateway.trust.pseudonym import Pseudonyms
from gateway.trust.sealing import Sealer

Random = Callable[[int], bytes]


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        """Return it, aware, in UTC."""
        return datetime.now(UTC)


def each(*steps: Callable[[], object]) -> None:
    """Take every step, whatever becomes of the others. Raises ConfigError of all that were refused."""
    refused = []
    for step in steps:
        try:
            step()
        except ConfigError as error:
            refused.append(error.detail)
    if refused:
        raise ConfigError("; ".join(refused))


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


def agreed(settings: Witnesses, key: note.Key) -> Policy | None:
    """Return the policy that is configured for a log; None where nobody witnesses. Raises ConfigError.

    `key` is the log's: a policy that names logs must name it.
    """
    if settings.policy is None:
        return None
    try:
        found = policy.parse(settings.policy.read_bytes())
    except OSError as error:
        raise ConfigError(f"audit.witnesses.policy: {settings.policy}: {error.strerror}") from None
    except ConfigError as error:
        raise ConfigError(f"audit.witnesses.policy: {settings.policy}: {error.detail}") from None
    if found.logs and not any(log.key.public == key.public for log in found.logs):
        raise ConfigError(f"audit.witnesses.policy: {settings.policy}: no line of log has our key, {key}")
    if not found.met({one.key for one in found.witnesses.values() if one.url}):
        raise ConfigError(
            f"audit.witnesses.policy: {settings.policy}: too few witnesses have an address for the quorum"
        )
    return found


def sealer(keys: Keys, random: Random = os.urandom) -> Sealer:
    """Return what seals evidence; a key's own hash tells which key it was. Raises ConfigError."""
    key = secret(keys.sealing, "keys.sealing")
    former = {sealing_key_id(one): one for one in (secret(path, "keys.sealing_former") for path in keys.sealing_former)}
    return Sealer(sealing_key_id(key), key, random, former=former)


def pseudonyms(keys: Keys) -> Pseudonyms:
    """Return what names persons in logs and queues. Raises ConfigError."""
    return Pseudonyms(secret(keys.pseudonym, "keys.pseudonym"))


def sealing_key_id(key: bytes) -> str:
    """Return the name of a key that seals, by which each seal says who made it: 16 hex digits."""
    return hashlib.sha256(b"gateway/sealing-key-id\0" + key).hexdigest()[:16]


def judging(configuration: Configuration, protections: Protections, *, random: Random = os.urandom) -> Judging:
    """Build what a message is judged by whose sender is proven: no key that signs is read. Raises ConfigError."""
    gateway, keys = configuration.gateway, configuration.gateway.keys
    contracts = Registry.load(gateway.schemas)
    for partner in configuration.partners.values():
        contracts.agree(partner)
    law = Law.build(configuration, contracts.kinds(), contracts.outgoing)
    own = Own.of(configuration, contracts.outgoing)
    return Judging(
        limits=gateway.limits,
        contracts=contracts,
        law=law,
        routes=Routes.build(configuration.queues, configuration.bases, own, serves=labels.serving(law.rules)),
        protections=protections,
        pseudonyms=pseudonyms(keys),
        sealer=sealer(keys, random),
        random=random,
        referrals=Referrals(configuration.reviews),
    )


def hiding(configuration: Configuration) -> Mapping[str, frozenset[str]]:
    """Return kind of information -> its fields that tell, or may tell, where a person is, whatever contract it came by.

    Free text may: a date and a place in it are enough.
    """
    found: dict[str, set[str]] = {}
    for kinds in Registry.load(configuration.gateway.schemas).kinds().values():
        for kind, specs in kinds.items():
            found.setdefault(kind, set()).update(
                name for name, spec in specs.items() if spec.locating or spec.category is Category.FRITEXT
            )
    return {kind: frozenset(names) for kind, names in found.items()}


def rules(configuration: Configuration, protections: Protections, *, random: Random = os.urandom) -> Rules:
    """Build all that the path judges by. Raises ConfigError, which names file and key."""
    judged = judging(configuration, protections, random=random)
    return Rules(
        **{one.name: getattr(judged, one.name) for one in dataclasses.fields(judged)},
        trust=Trust.build(configuration.partners),
        signers=Signers.build(configuration.gateway.keys, configuration.partners),
    )


def outward(configuration: Configuration, protections: Protections, *, random: Random = os.urandom) -> Outward:
    """Build all that the way out judges by: what comes back is judged as what comes in. Raises ConfigError."""
    return beside(configuration, rules(configuration, protections, random=random))


def beside(configuration: Configuration, inward: Rules) -> Outward:
    """Return what the way out judges by, of the same rules as the way in."""
    return Outward(
        organisation=configuration.gateway.organisation,
        limits=inward.limits,
        trust=inward.trust,
        contracts=inward.contracts,
        law=inward.law,
        partners=configuration.partners,
        askers=configuration.askers,
        queues={queue.name: queue for queue in configuration.queues},
        routes=inward.routes,
        protections=inward.protections,
        pseudonyms=inward.pseudonyms,
        sealer=inward.sealer,
        signers=inward.signers,
        random=inward.random,
        referrals=inward.referrals,
    )
