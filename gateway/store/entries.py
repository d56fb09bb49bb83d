"""The rows of a group of messages, and the statements that write them inside the journal's transaction.

1. Number: where messages, leaves, events go on. The turn is held, so nobody else numbers now.
2. Look up: which messages came before. The turn makes the answer true until the commit, so no insert can collide.
3. Compose rows: for a new message all of them; for a repeated one none, its answer is the first acceptance.
4. Insert, a statement or a few per table, parents before children.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

import orjson

from gateway import codes
from gateway.database import Row, Session, instant, written
from gateway.errors import ConflictError
from gateway.message import (
    Accepted,
    ContractId,
    Digest,
    Fingerprint,
    LeafHash,
    MessageId,
    OrganisationNumber,
    Outcome,
    PartnerId,
    Provenance,
    Ready,
    RecordOutcome,
    Refusal,
    SoapVersion,
)
from gateway.store import waiting
from gateway.store.rows import LEARN, LEARNED, LEAVES, NUMBERS, OUTBOX, RECORDS, Added, Into, insert

_NUMBERS = f"""
    SELECT {NUMBERS}, (SELECT coalesce(max(id), 0) FROM messages) + 1, (SELECT coalesce(max(id), 0) FROM refusals) + 1
"""  # noqa: S608
FACTS = (
    "partner, organisation, message_id, digest, contract, soap, action, signer, created, received_at, accepted_at, "
    "policy, outcomes, first_leaf, leaf_count"
)
_REFUSED = "id, partner, contract, code, step, detail, at, quarantined, position, key_id, wrapped_key"
_KNOWN = f"""
    WITH wanted (p, o, m) AS (VALUES {{values}})
    SELECT {FACTS}, id FROM wanted {{join}} messages ON partner = p AND organisation = o AND message_id = m
"""  # noqa: S608


class _Known(NamedTuple):
    """A message that came before, in this store or earlier in this group."""

    digest: str
    accepted: Accepted


@dataclass(slots=True)
class Rows(Added):
    """What a transaction will insert."""

    message: int = field(kw_only=True)
    refusal: int = field(kw_only=True)
    messages: list[Row] = field(default_factory=list)
    evidence: list[Row] = field(default_factory=list)
    refusals: list[Row] = field(default_factory=list)
    quarantine: list[Row] = field(default_factory=list)
    waiting: list[waiting.Waits] = field(default_factory=list)
    """For people."""


class Group:
    """The messages and refusals of one transaction. Made, filled and written while holding the turn."""

    def __init__(self, session: Session, at: datetime, sources: Sequence[Provenance]) -> None:
        """`at` is the acceptance time of all; `sources` are of the messages that it will be called with."""
        self._session = session
        self._at = at
        self._written = written(at)
        *numbers, message, refusal = self._session.execute(_NUMBERS).fetchone()
        self.rows = Rows(*numbers, message=message, refusal=refusal)
        self._known = {_identity(accepted.provenance): (digest, accepted) for digest, accepted in self._before(sources)}

    def accept(self, ready: Ready) -> Accepted:
        """Compose the rows of a message, or answer it as it was answered before. Raises ConflictError."""
        provenance = ready.provenance
        identity = _identity(provenance)
        known = self._known.get(identity)
        if known is not None:
            return _again(ready, *known)
        leaves = tuple(leaf.hash for leaf in ready.leaves)
        accepted = Accepted(
            provenance=provenance,
            accepted_at=self._at,
            outcomes=ready.outcomes,
            leaves=leaves,
            repeated=False,
            number=self.rows.message,
        )
        self._message(ready)
        self._known[identity] = (provenance.digest, accepted)
        return accepted

    def refuse(self, refusal: Refusal) -> Accepted | None:
        """Compose the rows of a refusal; of what people have let in before, none: it is answered as it was."""
        source = refusal.provenance
        known = None if source is None else self._known.get(_identity(source))
        if source is not None and known is not None and known[0] == source.digest:
            return _repeated(source, known[1])
        rows, error, sealed = self.rows, refusal.error, refusal.sealed
        number, rows.refusal = rows.refusal, rows.refusal + 1
        rows.refusals.append((
            number, refusal.partner, refusal.contract, error.code.name, error.code.step.value, error.detail,
            written(refusal.at), refusal.quarantined, rows.position, sealed.key_id, sealed.wrapped_key,
        ))  # fmt: skip
        if refusal.quarantined:
            rows.quarantine.append((number, sealed.evidence))
        if refusal.review is not None:
            rows.waiting.append(waiting.Waits(refusal.review, rows.position, refusal=number))
        rows.log((refusal.leaf,), sealed.records, refusal=number)
        return None

    def write(self, fault: Callable[[str], None]) -> None:
        """Insert everything; `fault` is told what has been written."""
        rows = self.rows
        parts = (
            Into("messages", f"id, {FACTS}", rows.messages),
            Into("evidence", "message, key_id, wrapped_key, sealed", rows.evidence),
            Into("leaves", LEAVES, rows.leaves),
            Into("records", RECORDS, rows.records),
            *rows.traced(),
            Into("refusals", _REFUSED, rows.refusals),
            Into("quarantine", "refusal, sealed", rows.quarantine),
            Into("outbox", OUTBOX, rows.outbox),
            Into("protections", LEARNED, rows.learned, LEARN),
            *waiting.opened(self._session, rows.waiting),
        )
        insert(self._session, parts, fault)

    def _message(self, ready: Ready) -> None:
        rows, source, sealed = self.rows, ready.provenance, ready.sealed
        number, rows.message = rows.message, rows.message + 1
        outcomes = orjson.dumps([(one.position, one.outcome, one.code) for one in ready.outcomes]).decode()
        rows.messages.append((
            number, source.partner, source.organisation, source.message_id, source.digest, source.contract,
            source.version.value, source.action, source.signer, written(source.created), written(source.received_at),
            self._written, ready.policy, outcomes, rows.position, len(ready.leaves),
        ))  # fmt: skip
        rows.evidence.append((number, sealed.key_id, sealed.wrapped_key, sealed.evidence))
        rows.waiting += [waiting.Waits(one, rows.position + one.leaf, message=number) for one in ready.reviews]
        rows.log(ready.leaves, sealed.records, message=number)
        rows.send(ready.events, message=number)
        rows.learn(ready.learned)

    def _before(self, sources: Sequence[Provenance]) -> list[_Known]:
        """Return those messages of the group that the store has already."""
        identities = [_identity(source) for source in sources]
        rows = self._session.match(_KNOWN, identities)
        return [_Known(row[3], replace(read_accepted(self._session, row), repeated=True)) for row in rows]


def read_accepted(session: Session, row: Row) -> Accepted:
    """Build a first acceptance again from its row: `FACTS`, then its number."""
    first, count = row[13], row[14]
    hashes = session.execute(
        "SELECT hash FROM leaves WHERE position >= ? AND position < ? ORDER BY position", (first, first + count)
    )
    return Accepted(
        provenance=read_provenance(row),
        accepted_at=instant(row[10]),
        outcomes=read_outcomes(row[12]),
        leaves=tuple(LeafHash(bytes(one)) for (one,) in hashes),
        repeated=False,
        number=row[15],
    )


def read_provenance(row: Row) -> Provenance:
    """Read the first columns of `messages` after its number: what was proven of a message when it came."""
    return Provenance(
        partner=PartnerId(row[0]),
        organisation=OrganisationNumber(row[1]),
        message_id=MessageId(row[2]),
        digest=Digest(row[3]),
        contract=ContractId(row[4]),
        version=SoapVersion(row[5]),
        action=row[6],
        signer=Fingerprint(row[7]),
        created=instant(row[8]),
        received_at=instant(row[9]),
    )


def read_outcomes(text: str) -> tuple[RecordOutcome, ...]:
    """Read the column `messages.outcomes`."""
    return tuple(
        RecordOutcome(position=position, outcome=Outcome(outcome), code=code)
        for position, outcome, code in orjson.loads(text)
    )


def _again(ready: Ready, digest: str, first: Accepted) -> Accepted:
    if digest != ready.provenance.digest:
        raise ConflictError(codes.CONFLICT, "the digest is not the first one's")
    return _repeated(ready.provenance, first)


def _repeated(source: Provenance, first: Accepted) -> Accepted:
    # The facts are the first acceptance's; only the answer's SOAP version is the one spoken now.
    return replace(first, provenance=replace(first.provenance, version=source.version), repeated=True)


def _identity(provenance: Provenance) -> tuple[str, str, str]:
    """Return what names a message: the sender's own id, unique per sender (design: partner and organisation)."""
    return provenance.partner, provenance.organisation, provenance.message_id
