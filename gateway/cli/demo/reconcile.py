"""Does everything add up? One line a rule; a number that came from what was sent against one that was seen.

The rules:

1. Every message has exactly one answer: accepted, repeated or refused; unless TLS turned its sender away.
2. Every message came out as it should: the numbers, and each refusal's code.
3. Every acceptance has a receipt whose signature holds, and a repetition has the first receipt's facts.
4. Every permitted record is one event, on every queue that may serve it and on no other; none is dead, none waits.
5. Protected identity: no event of a protected person tells where the person is.
6. Every decision and every refusal is one leaf; every leaf promised in a receipt is proven under a signed checkpoint,
   and the whole log recomputes to it.
7. No person's number stands in the server's log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """The numbers of one run: once as they must be, once as they were seen."""

    sent: int
    accepted: int
    repeated: int
    refused: Mapping[str, int]
    """Code -> messages."""
    turned_away: int
    """Connections that TLS refused: no message was read."""
    astray: int
    """Messages whose own outcome or code was another than it must be."""
    receipts: int
    """Receipts whose signature held and which quote what was sent."""
    same_facts: int
    """Repetitions whose receipt has the first one's message id, digest and leaves."""
    events: Mapping[str, int]
    """Queue -> events."""
    event_ids: int
    """Distinct events over all queues."""
    undelivered: int
    """Events left in the outbox, lent out or dead after the queues were drained."""
    protected: int
    """Distinct events about protected persons."""
    located: int
    """Of those, events that hold a locating field."""
    leaves: int
    """Leaves under the checkpoint."""
    promised: int
    """Distinct leaf hashes in receipts."""
    proven: int
    """Of those, proven under the checkpoint."""
    checkpoints: int
    """Checkpoints whose signature held and whose root was recomputed from the log's entries."""
    exposed: int
    """Person numbers found in the server's log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One comparison."""

    name: str
    expected: int
    seen: int

    @property
    def holds(self) -> bool:
        """True where the two numbers are the same."""
        return self.expected == self.seen


_PLAIN = {
    "sent": "messages sent",
    "accepted": "accepted",
    "repeated": "repeated: the first receipt again",
    "turned_away": "turned away by TLS",
    "astray": "messages with another outcome than theirs",
    "receipts": "receipts with a true signature",
    "same_facts": "repetitions with the first receipt's facts",
    "event_ids": "distinct events = permitted records",
    "undelivered": "events left behind (outbox, lent, dead letters)",
    "protected": "events about protected persons",
    "located": "of those, with a locating field",
    "leaves": "audit leaves = decisions + refusals + the register and the queues that they went by",
    "promised": "leaves promised in receipts",
    "proven": "of those, proven under the checkpoint",
    "checkpoints": "checkpoint: signature and recomputed root agree",
    "exposed": "person numbers in the server's log",
}


def reconcile(expected: Count, seen: Count) -> tuple[Rule, ...]:
    """Compare number by number. Every rule must hold."""
    rules = [
        Rule(
            name="sent = accepted + repeated + refused + turned away",
            expected=seen.sent,
            seen=seen.accepted + seen.repeated + sum(seen.refused.values()) + seen.turned_away,
        )
    ]
    rules += [Rule(name=text, expected=getattr(expected, key), seen=getattr(seen, key)) for key, text in _PLAIN.items()]
    rules += _each("refused with", expected.refused, seen.refused)
    rules += _each("events on", expected.events, seen.events)
    return tuple(rules)


def _each(name: str, expected: Mapping[str, int], seen: Mapping[str, int]) -> list[Rule]:
    keys = sorted(expected.keys() | seen.keys())
    return [Rule(name=f"{name} {key}", expected=expected.get(key, 0), seen=seen.get(key, 0)) for key in keys]
