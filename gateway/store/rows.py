"""The rows that every transaction with leaves adds: leaves, sealed records and trail, events, learned protections.

They are numbered where the store goes on; the turn `JOURNAL` is held, so nobody else numbers now. Whose they are (a
message, a refusal, a dispatch) the caller says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.database import Row, Session
from gateway.errors import IntegrityError
from gateway.message import Event, Leaf, Learned, Protection, Pseudonym
from gateway.store import trails

RANK = {
    Protection.NONE: 0,
    Protection.UNKNOWN: 1,
    Protection.SEKRETESSMARKERING: 2,
    Protection.SKYDDAD_FOLKBOKFORING: 3,
}
"""How much a status hides. UNKNOWN hides like a protection, but any statement of one is worth more."""
NUMBERS = """
    (SELECT coalesce(max(position), -1) FROM leaves) + 1, (SELECT coalesce(max(id), 0) FROM outbox) + 1,
    (SELECT coalesce(max(revision), 0) FROM protections) + 1
"""
"""What selects the first three fields of `Added`."""
LEAVES = "position, hash, entry, message, refusal"
RECORDS = "position, pseudonym, sealed"
OUTBOX = "id, message, event, type, partition, queues, body, related"
LEARNED = "person, protection, rank, stated_at, revision"
LEARN = """
    ON CONFLICT (person) DO UPDATE SET protection = excluded.protection, rank = excluded.rank,
        stated_at = CASE WHEN excluded.stated_at > protections.stated_at THEN excluded.stated_at
            ELSE protections.stated_at END,
        revision = excluded.revision
    WHERE excluded.rank > protections.rank OR excluded.stated_at > protections.stated_at
"""
"""More protection always applies; less, only when it was stated later (OSL 22 kap. 1 §: the marking stands until it is
lifted). A late older statement may raise, and then keeps the later time: nothing as old lifts it again."""


@dataclass(slots=True)
class Added:
    """What a transaction will insert, and where each table goes on."""

    position: int
    event: int
    revision: int
    leaves: list[Row] = field(default_factory=list)
    """As `LEAVES`."""
    records: list[Row] = field(default_factory=list)
    outbox: list[Row] = field(default_factory=list)
    """As `OUTBOX`."""
    learned: list[Row] = field(default_factory=list)
    flows: dict[int, Row] = field(default_factory=dict)
    trail: list[Row] = field(default_factory=list)

    def log(
        self,
        leaves: Sequence[Leaf],
        sealed: Sequence[bytes],
        *,
        message: int | None = None,
        refusal: int | None = None,
    ) -> None:
        """Add leaves, each with its sealed record and its trail."""
        position = self.position
        for leaf, record in zip(leaves, sealed, strict=True):
            if leaf.trail is None:
                raise IntegrityError("a leaf that is new in the log has no trail")
            self.leaves.append((position, leaf.hash, leaf.entry, message, refusal))
            self.records.append((position, leaf.pseudonym, record))
            number = leaf.trail.flow.number
            if number not in self.flows:
                self.flows[number] = trails.flow_row(leaf.trail.flow)
            self.trail.append(trails.row(position, leaf.trail))
            position += 1
        self.position = position

    def traced(self) -> tuple[Into, Into]:
        """Return what is told of the leaves: after them, as they are its parents."""
        return (
            Into("flows", trails.FLOW, list(self.flows.values()), trails.KNOWN),
            Into("trail", trails.TRAIL, self.trail),
        )

    def send(self, events: Sequence[Event], *, message: int) -> None:
        """Add events to the outbox."""
        for event in events:
            self.outbox.append((
                self.event, message, event.id, event.type, event.partition, " ".join(event.queues), event.body,
                written_persons(event.related),
            ))  # fmt: skip
            self.event += 1

    def learn(self, learned: Sequence[Learned]) -> None:
        """Add what is now known of protected identity."""
        for one in learned:
            rank = RANK[one.protection]
            self.learned.append((one.person, one.protection.value, rank, one.stated_at, self.revision))
            self.revision += 1


def written_persons(persons: Sequence[Pseudonym] | None) -> str | None:
    """Return whom an event names beside its person, as a row has it; None where nobody knows."""
    return None if persons is None else " ".join(persons)


def read_persons(text: str | None) -> tuple[Pseudonym, ...] | None:
    """Return them out of a row."""
    return None if text is None else tuple(Pseudonym(one) for one in text.split())


class Into(NamedTuple):
    """Rows for one table."""

    table: str
    columns: str
    rows: Sequence[Row]
    then: str = ""


def insert(session: Session, parts: Iterable[Into], fault: Callable[[str], None]) -> None:
    """Insert a statement or a few per table, parents before children; `fault` is told what has been written."""
    for table, columns, rows, then in parts:
        if rows:
            session.insert(table, columns, rows, then)
            fault(table)
