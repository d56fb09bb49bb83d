"""What waits for a person, out of its seal: read as it was read when it came, and believed no further than that.

The bytes are those whose digest was kept (of a quarantined message, whose hash is in the log). What was signed is
read again from them, by its contract. Who signed, and that it was fresh, was judged then, by the clock and the lists
of then.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import orjson

from gateway.adapters import registry
from gateway.audit import leaf
from gateway.config import Limits
from gateway.errors import IntegrityError
from gateway.message import (
    ContractId,
    Fingerprint,
    LeafHash,
    OrganisationNumber,
    PartnerId,
    Provenance,
    Sealed,
    Valid,
)
from gateway.review import Kind, Said, State
from gateway.soap import envelope
from gateway.trust import peer, sealing, signature


class Reads(Protocol):
    """What a kept message is read by: `path.Judging` has it, and so has whoever only looks."""

    @property
    def limits(self) -> Limits: ...  # noqa: D102
    @property
    def contracts(self) -> registry.Registry: ...  # noqa: D102
    @property
    def sealer(self) -> sealing.Sealer: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A review that is to be carried out, or whose time is out, with what it is about."""

    number: int
    step: int
    """The last of its steps; what is written must follow on it."""
    kind: Kind
    state: State
    record: int | None
    partner: str
    organisation: str
    contract: str
    basis: str | None
    lagrum: tuple[str, ...]
    """What it was judged by when it was asked: `id@version`."""
    reasons: tuple[str, ...]
    role: str
    laws: tuple[str, ...]
    said: Said | None
    """None where nobody answered in time."""
    about: LeafHash
    reference: str
    """The message's id; of a refusal the hash of its leaf; of an answer the id of the dispatch that asked."""
    provenance: Provenance | None
    """Of an accepted message."""
    leaves: tuple[tuple[bytes, LeafHash], ...] = field(repr=False)
    """Entry and hash of each leaf that the seal is bound to, in order."""
    sealed: Sealed | None = field(repr=False)
    """None where it is gone."""
    command: Sealed | None = field(default=None, repr=False)
    """Of the question, where a record of its answer waits."""


def record(waiting: Waiting, by: Reads) -> Valid:
    """Read an accepted message again.

    Raises:
        IntegrityError: these are not the bytes that were accepted.
        RejectedError: its contract does not take it any more.
    """
    source = waiting.provenance
    if source is None:
        raise IntegrityError(f"review {waiting.number}: its message is gone")
    admitted = peer.kept(
        opened(waiting, by.sealer)[0],
        contract=source.contract,
        partner=source.partner,
        organisation=source.organisation,
        peer=source.signer,
        at=source.received_at,
    )
    verified = signature.reread(envelope.reopen(admitted, by.limits))
    found = verified.provenance
    if (found.digest, found.message_id, found.signer) != (source.digest, source.message_id, source.signer):
        raise IntegrityError(f"review {waiting.number}: the sealed message is not the one that was accepted")
    return registry.validate(verified, by.contracts)


def message(waiting: Waiting, by: Reads) -> Valid:
    """Read a quarantined message again: who sent it is what was written when it came.

    Raises:
        IntegrityError: these are not the bytes that came.
        RejectedError: its contract does not take it any more.
    """
    body, ((_, hidden),) = opened(waiting, by.sealer)
    said = orjson.loads(hidden)
    if said["bytes"] != hashlib.sha256(body).hexdigest():
        raise IntegrityError(f"review {waiting.number}: the sealed bytes are not those that came")
    admitted = peer.kept(
        body,
        contract=ContractId(said["address"]),
        partner=PartnerId(said["partner"]),
        organisation=OrganisationNumber(said["organisation"]),
        peer=Fingerprint(said["peer"]),
        at=datetime.fromisoformat(said["received"]),
    )
    return registry.validate(signature.reread(envelope.reopen(admitted, by.limits)), by.contracts)


def opened(waiting: Waiting, sealer: sealing.Sealer) -> tuple[bytes, tuple[tuple[bytes, bytes], ...]]:
    """Open the seal: the bytes, and salt and record of each leaf, proven to be the log's. Raises IntegrityError."""
    if waiting.sealed is None:
        raise IntegrityError(f"review {waiting.number}: what waits is gone")
    found = sealer.open(waiting.sealed, [hash_ for _, hash_ in waiting.leaves])
    for (entry, _), (salt, record) in zip(waiting.leaves, found.records, strict=True):
        leaf.check(entry, salt=salt, record=record)
    return found.evidence, found.records
