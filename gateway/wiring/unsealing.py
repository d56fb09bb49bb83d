"""Leaves opened: the record that each commits to, and the exact bytes that it tells of.

For those who have said why, before anything is opened (`cli.reading`). What is opened is proven to be what the log's
entry commits to; what cannot be opened because it is destroyed is None, and what cannot for another reason is an error.
Whoever opens holds the sealing key, and the database as its archivist.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from gateway.audit import leaf
from gateway.config import Configuration
from gateway.message import Sealed
from gateway.store.dispatch_views import DispatchViews
from gateway.store.place import Duty
from gateway.store.views import Entry
from gateway.trust.sealing import Sealer
from gateway.wiring.drivers import place
from gateway.wiring.rules import sealer


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsealed:
    """One leaf."""

    entry: Entry
    salt: bytes | None = field(repr=False)
    record: bytes | None = field(repr=False)
    """Both None after gallring."""
    original: str | None
    """The name of what it tells of, in `Unsealing.originals`; None where that is kept nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seal:
    """What is sealed under one key."""

    sealed: Sealed
    entries: Sequence[Entry]
    """The leaves whose records are in it."""
    original: str
    file: str
    """What the evidence is called."""


class Unsealing:
    """Belongs to one thread. What was opened is kept, so that a message with many leaves is opened once."""

    def __init__(self, views: DispatchViews, sealer: Sealer) -> None:
        """Take the store, as somebody who may read what is sealed, and the key."""
        self._views = views
        self._sealer = sealer
        self._known: dict[int, Unsealed] = {}
        self._originals: dict[str, dict[str, bytes]] = {}

    def leaf(self, position: int) -> Unsealed | None:
        """Return a leaf opened; None where the log has none of this number.

        Raises IntegrityError: a seal is broken, the key is not here, or a record is not what its entry commits to.
        """
        if position not in self._known:
            entry = self._views.at(position)
            if entry is None:
                return None
            for seal in self._seals(entry):
                self._open(seal)
            if position not in self._known and (apart := self._views.sealed_apart(position)) is not None:
                self._open(_Seal(sealed=apart, entries=[entry], original="", file=""))
            self._known.setdefault(position, Unsealed(entry=entry, salt=None, record=None, original=None))
        return self._known[position]

    @property
    def originals(self) -> Mapping[str, Mapping[str, bytes]]:
        """Return the exact bytes that the leaves opened so far tell of: name -> file -> bytes."""
        return self._originals

    def _open(self, seal: _Seal) -> None:
        opened = self._sealer.open(seal.sealed, [one.hash for one in seal.entries])
        if opened.evidence and seal.file:
            self._originals.setdefault(seal.original, {})[seal.file] = opened.evidence
        original = seal.original or None
        for entry, (salt, record) in zip(seal.entries, opened.records, strict=True):
            if not record:  # destroyed, while others under the same key are not
                self._known[entry.position] = Unsealed(entry=entry, salt=None, record=None, original=original)
                continue
            leaf.check(entry.entry, salt=salt, record=record)
            self._known[entry.position] = Unsealed(entry=entry, salt=salt, record=record, original=original)

    def _seals(self, entry: Entry) -> Iterator[_Seal]:
        """Return what is sealed with a leaf, and with what else happened to the same dispatch."""
        views = self._views
        if entry.message is not None:
            sealed, leaves = views.sealed_message(entry.message), views.leaves(entry.message)
            yield from _seal(sealed, leaves, f"message-{entry.message}", "message.xml")
        elif entry.refusal is not None:
            sealed, leaves = views.sealed_refusal(entry.refusal), views.refused_leaves(entry.refusal)
            yield from _seal(sealed, leaves, f"refusal-{entry.refusal}", "message.xml")
        elif entry.dispatch is not None and (dispatch := views.of_number(entry.dispatch)) is not None:
            for step in views.sealed(dispatch):
                file = f"{step.step:03}-{step.name}{_ENDINGS.get(step.name, '.bin')}" if step.name else ""
                yield from _seal(step.sealed, step.leaves, f"dispatch-{entry.dispatch}", file)


_ENDINGS = {"command": ".json", "payload": ".json", "envelope": ".xml", "answer": ".xml"}


def _seal(sealed: Sealed | None, entries: Sequence[Entry], original: str, file: str) -> Iterator[_Seal]:
    if sealed is not None:
        yield _Seal(sealed=sealed, entries=entries, original=original, file=file)


@contextmanager
def unsealing(configuration: Configuration) -> Iterator[tuple[DispatchViews, Unsealing]]:
    """Open the store as its archivist. Raises ConfigError where the sealing key cannot be read, IntegrityError."""
    key = sealer(configuration.gateway.keys)
    views = DispatchViews(place(configuration, Duty.ARCHIVIST))
    try:
        yield views, Unsealing(views, key)
    finally:
        views.close()
