"""What the sender writes down of each message, one JSON line each: its half of the reconciliation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from ops.soak.traffic import CLIENTS, Contract, Intent, Kind


@dataclass(slots=True, kw_only=True)
class Line:
    """One message, and all that came of it."""

    number: int
    kind: Kind
    contract: Contract
    persons: tuple[int, ...]
    message_id: str
    of: int | None
    began: float = 0.0
    """When its first byte was sent, on the sender's own steady clock."""
    ended: float = 0.0
    """When its final answer was read."""
    sent: Counter[str] = field(default_factory=Counter)
    """SHA-256 of the bytes -> how often they were sent: signed anew they are others."""
    silent: int = 0
    """Attempts without an answer: nobody knows what became of each."""
    away: Counter[str] = field(default_factory=Counter)
    """Codes of answers that say: come back."""
    untimely: list[str] = field(default_factory=list)
    """References of refusals for its time, after which it was signed anew under the same id."""
    code: str | None = None
    """Of the final refusal."""
    reference: str | None = None
    """Which the refusal quotes: the first half of its leaf's hash."""
    receipts: list[tuple[str, str, str, tuple[str, ...]]] = field(default_factory=list)
    """Message id, digest, outcomes and leaves (hex), of each receipt whose signature held."""
    odd: list[str] = field(default_factory=list)
    """Answers that were neither receipt nor fault of the gateway's."""
    signed_at: str = ""
    body: tuple[int, int] = (0, 0)
    """Where its first bytes are in `sent.bin`: offset and length; of wrong ones none are kept."""

    @classmethod
    def of_intent(cls, intent: Intent) -> Line:
        """Begin a line."""
        return cls(
            number=intent.number,
            kind=intent.kind,
            contract=intent.contract,
            persons=intent.persons,
            message_id=intent.message_id,
            of=intent.of,
        )

    @property
    def client(self) -> str:
        """Who sends it."""
        return CLIENTS[self.contract][0]

    @property
    def attempts(self) -> int:
        """How often it was sent."""
        return sum(self.sent.values())

    def write(self) -> bytes:
        """Return the line."""
        return orjson.dumps(self, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)


def read(path: Path) -> Iterator[Line]:
    """Yield the lines of a file."""
    with path.open("rb") as file:
        for text in file:
            row = orjson.loads(text)
            row |= {
                "kind": Kind(row["kind"]),
                "contract": Contract(row["contract"]),
                "persons": tuple(row["persons"]),
                "sent": Counter(row["sent"]),
                "away": Counter(row["away"]),
                "receipts": [(a, b, c, tuple(d)) for a, b, c, d in row["receipts"]],
                "body": tuple(row["body"]),
            }
            yield Line(**row)
