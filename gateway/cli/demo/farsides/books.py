"""What a partner remembers: each message id that it has seen, how often, and how often it has *processed* it.

A partner that keeps its books processes a message once, however often it comes: the same id again gets the first answer
again. That is what the gateway relies on when it sends the same id after an attempt that may have arrived.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One message id."""

    seen: int = 0
    """How often it came, proven to be Försäkringskassan's."""
    processed: int = 0
    """How often something was done about it."""
    digests: frozenset[str] = frozenset()
    """Of every content that came under this id: there must be one."""
    answer: str | None = field(default=None, repr=False)
    """What was said when it was processed."""


class Books:
    """Shared between threads."""

    def __init__(self) -> None:
        """Nothing has come."""
        self._door = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self.refused: list[str] = []
        """Codes of what was not proven to be Försäkringskassan's, or broke its contract."""

    def see(self, message_id: str, digest: str) -> Entry:
        """Write down that it came."""
        with self._door:
            entry = self._entries.get(message_id, Entry())
            entry = replace(entry, seen=entry.seen + 1, digests=entry.digests | {digest})
            self._entries[message_id] = entry
            return entry

    def process(self, message_id: str, answer: Callable[[], str]) -> str:
        """Do what it asks for, unless that has been done; return what is answered, the same every time."""
        with self._door:
            entry = self._entries.get(message_id, Entry())
            if entry.answer is None:
                entry = replace(entry, processed=entry.processed + 1, answer=answer())
                self._entries[message_id] = entry
            return entry.answer or ""

    def refuse(self, code: str) -> None:
        """Write down that something was refused at the door."""
        with self._door:
            self.refused.append(code)

    def of(self, message_id: str) -> Entry:
        """Return what is known of a message id."""
        with self._door:
            return self._entries.get(message_id, Entry())

    def entries(self) -> dict[str, Entry]:
        """Return what is known of every message id that came."""
        with self._door:
            return dict(self._entries)

    def processed(self) -> dict[str, int]:
        """Return how often each was processed, of those that were."""
        with self._door:
            return {name: entry.processed for name, entry in self._entries.items() if entry.processed}
