"""Receipts of ours held to the log: does it keep what they promise, and has the partner one for each message?

A receipt is found again by its message id, which several senders may have used, and its digest. Receipts come in
batches, so that a million of them are some hundred searches of one index, and no more than a batch is held in memory.
What has been seen is a bit a message.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gateway.audit import tiles
from gateway.database import Session, instant, written
from gateway.message import LeafHash, Outcome, RecordOutcome
from gateway.store.entries import read_outcomes
from gateway.store.gaps import STRETCH, Gap, Kind
from gateway.store.log import StoredLog
from gateway.trust.acknowledgement import Told

BATCH: Final = 5_000
"""Receipts, or a tenth of as many leaves, that are looked up at once."""
_LEAVES: Final = 10 * BATCH
_FACTS: Final = (
    "id, partner, organisation, message_id, digest, contract, received_at, accepted_at, outcomes, first_leaf, "
    "leaf_count"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A receipt as a partner holds it."""

    place: str
    """The file, and which of its receipts."""
    told: Told


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """Whose receipts they are; None: anybody's."""

    partner: str | None = None
    organisation: str | None = None


class Promises:
    """Compares receipts with one store. Belongs to one thread."""

    def __init__(self, session: Session, whose: Whose) -> None:
        """`session` is of the store, on behalf of the auditor."""
        self._session = session
        self._whose = whose
        self._seen = bytearray()
        self._batch: list[Held] = []
        self._promised = 0
        self.compared = 0

    def add(self, held: Held) -> Iterator[Gap]:
        """Take a receipt, and compare a batch when it is full."""
        self._batch.append(held)
        self._promised += len(held.told.leaves)
        if len(self._batch) >= BATCH or self._promised >= _LEAVES:
            yield from self.compare()

    def compare(self) -> Iterator[Gap]:
        """Compare what was taken and not compared yet."""
        batch, self._batch, self._promised = self._batch, [], 0
        if not batch:
            return
        with self._session.translated(), self._session.reading():
            known = self._known(batch)
            log = StoredLog(self._session)
            size, tree = log.last().size, _Tree(log)
            for held in batch:
                self.compared += 1
                yield from self._one(held, known.get(held.told.message_id, ()), log, tree, size)

    def unclaimed(self, since: datetime, until: datetime) -> Iterator[Gap]:
        """Name the messages accepted from a time to before another of which no receipt was seen."""
        (last,) = self._session.execute("SELECT coalesce(max(id), 0) FROM messages").fetchone()
        sql, values = self._mine("id >= ? AND id < ? AND accepted_at >= ? AND accepted_at < ?")
        for first in range(0, last + 1, STRETCH):
            with self._session.translated(), self._session.reading():
                rows = self._session.execute(
                    f"SELECT id, accepted_at, message_id FROM messages WHERE {sql} ORDER BY id",  # noqa: S608  # our own words
                    (first, first + STRETCH, written(since), written(until), *values),
                ).fetchall()
            for number, at, message_id in rows:
                if not self._claimed(number):
                    yield Gap(kind=Kind.RECEIPT_NONE, number=number, at=at, detail=message_id)

    def _mine(self, sql: str) -> tuple[str, tuple[str, ...]]:
        """Narrow a condition to whose receipts they are."""
        values: tuple[str, ...] = ()
        for name in ("partner", "organisation"):
            if (value := getattr(self._whose, name)) is not None:
                sql, values = f"{sql} AND {name} = ?", (*values, value)
        return sql, values

    def _known(self, batch: Sequence[Held]) -> Mapping[str, list[Any]]:
        """Return the messages of these ids: found in the index of identities, which is gone through once."""
        wanted = sorted({held.told.message_id for held in batch})
        numbers: list[tuple[int]] = []
        for start in range(0, len(wanted), BATCH):
            part = wanted[start : start + BATCH]
            sql, values = self._mine(f"message_id IN ({', '.join('?' * len(part))})")
            found = self._session.execute(f"SELECT id FROM messages WHERE {sql}", (*part, *values))  # noqa: S608
            numbers += [(row[0],) for row in found]
        known: dict[str, list[Any]] = defaultdict(list)
        for row in self._session.listed(f"SELECT {_FACTS} FROM messages WHERE id {{0}}", numbers) if numbers else ():  # noqa: S608
            known[row[3]].append(row)
        return known

    def _one(self, held: Held, rows: Sequence[Any], log: StoredLog, tree: _Tree, size: int) -> Iterator[Gap]:
        told = held.told
        if not rows:
            yield _gap(Kind.RECEIPT_MESSAGE, held, None, told.message_id)
            yield from _lost(held, None, told.leaves, log)
            return
        same = [row for row in rows if row[4] == told.digest]
        if not same:
            for row in rows:
                yield _gap(Kind.RECEIPT_DIGEST, held, row, f"{told.message_id}: the message here has another digest")
            return
        leaves = [self._leaves(row) for row in same]
        # Of several senders with one id and one content, whose leaves it tells of.
        which = next((n for n, here in enumerate(leaves) if tuple(here.values()) == told.leaves), 0)
        row, here = same[which], leaves[which]
        self._claim(row[0])
        if tuple(here.values()) != told.leaves:
            detail = f"{told.message_id}: {len(told.leaves)} leaves are promised, and {len(here)} others are here"
            yield _gap(Kind.RECEIPT_LEAVES, held, row, detail)
            yield from _lost(held, row, [one for one in told.leaves if one not in here.values()], log)
        yield from (_gap(Kind.RECEIPT_FACT, held, row, f"{told.message_id}: {name}") for name in _other(told, row))
        for position, leaf in here.items():
            if position < size and tree.leaf(position) != leaf:
                yield _gap(Kind.RECEIPT_TREE, held, row, f"{told.message_id}: leaf {position}")

    def _leaves(self, row: Any) -> dict[int, LeafHash]:  # noqa: ANN401  # a row is as its columns are
        first, count = row[9], row[10]
        found = self._session.execute(
            "SELECT position, hash FROM leaves WHERE position >= ? AND position < ? AND message = ? ORDER BY position",
            (first, first + count, row[0]),
        )
        return {position: LeafHash(bytes(one)) for position, one in found}

    def _claim(self, number: int) -> None:
        place, bit = divmod(number, 8)
        if place >= len(self._seen):
            self._seen.extend(bytes(place + 1 - len(self._seen)))
        self._seen[place] |= 1 << bit

    def _claimed(self, number: int) -> bool:
        place, bit = divmod(number, 8)
        return place < len(self._seen) and bool(self._seen[place] >> bit & 1)


class _Tree:
    """The tree's leaves, a tile at a time: neighbours share one."""

    def __init__(self, log: StoredLog) -> None:
        self._log = log
        self._number = -1
        self._hashes: Sequence[bytes] = ()

    def leaf(self, position: int) -> bytes:
        """Return what the tree has at a position that it covers. Raises IntegrityError where a tile is gone."""
        number, at = divmod(position, tiles.WIDTH)
        if number != self._number:
            self._number, self._hashes = number, tiles.split(self._log.tile(0, number))
        return self._hashes[at] if at < len(self._hashes) else b""


def _lost(held: Held, row: Any, leaves: Sequence[LeafHash], log: StoredLog) -> Iterator[Gap]:  # noqa: ANN401
    """Name the leaves that a receipt promises and the log has nowhere: the gravest that there is."""
    for leaf in leaves:
        if log.position(leaf) is None:
            yield _gap(Kind.RECEIPT_LEAF, held, row, f"{held.told.message_id}: leaf {leaf.hex()}")


def _gap(kind: Kind, held: Held, row: Any, detail: str) -> Gap:  # noqa: ANN401
    number, at = (None, None) if row is None else (row[0], row[7])
    return Gap(kind=kind, number=number, at=at, detail=f"{held.place}: {detail}")


def _other(told: Told, row: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield what a receipt says otherwise than the store."""
    outcomes: Sequence[RecordOutcome] = read_outcomes(row[8])
    if told.contract != row[5]:
        yield "Contract"
    if told.received_at != _millis(row[6]):
        yield "ReceivedAt"
    if told.accepted_at != _millis(row[7]):
        yield "AcceptedAt"
    if told.outcomes != tuple(outcomes):
        yield "Outcomes"
    if told.whole != all(one.outcome is Outcome.PERMIT for one in outcomes):
        yield "Decision"


def _millis(text: str) -> datetime:
    """Return a time as a receipt tells it: in milliseconds."""
    at = instant(text)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
