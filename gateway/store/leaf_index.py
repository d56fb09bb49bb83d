"""Where a leaf stands, by its hash: so that whoever holds a receipt has its proof at once, however long the log is.

An index on the hashes of leaves would touch a random page for every leaf that is written. Here the log is cut into runs
of `RUN` leaves, and a run that is full and signed for is indexed once, beside the way of messages: a row for each value
of the hash's first byte, its *bucket*, with five bytes for every leaf that begins so: the hash's next three bytes, and
the leaf's place in the run. A search reads one bucket of every run. Leaves of the last run, which is not full, are
searched for in its tiles.

Nothing is believed of it. What it finds is looked up in the tile; what it does not find is searched for in the tiles.
So an index that is lost or damaged costs time, never a wrong answer, and its rows may be deleted: the integrator makes
again what is not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from gateway.audit import tiles
from gateway.database import Row, Session
from gateway.errors import IntegrityError

if TYPE_CHECKING:
    from gateway.store.log import Log

RUN = 1 << 14
"""Leaves in a run: a multiple of a tile's, and no more than two bytes can number."""
BUCKETS: Final = 256
_HEAD: Final = 3
"""Bytes of a hash that a bucket keeps: with the first byte, one leaf in four thousand million has the same."""
_PLACE: Final = 2
_EACH: Final = _HEAD + _PLACE


class LeafIndex:
    """Belongs to one thread. Raises the driver's errors: whoever holds the transaction translates them."""

    def __init__(self, session: Session, log: Log) -> None:
        """`session` is of the store."""
        self._session = session
        self._log = log

    def candidates(self, leaf: bytes) -> Iterator[int]:
        """Yield positions at which the leaf of this hash may stand."""
        head = leaf[1 : 1 + _HEAD]
        found = self._session.instr.format("heads")
        rows = self._session.execute(
            f"SELECT run, heads FROM {self._log.index} WHERE bucket = ? AND {found} > 0",  # noqa: S608  # our own name
            (leaf[0], head),
        ).fetchall()
        for run, heads in rows:
            yield from (run * RUN + place for place in _places(bytes(heads), head))

    def whole(self) -> set[int]:
        """Return the runs that are indexed, with every one of their rows. Reads the whole index."""
        rows = self._session.execute(
            f"SELECT run FROM {self._log.index} GROUP BY run HAVING count(*) = ?",  # noqa: S608  # our own name
            (BUCKETS,),
        )
        return {run for (run,) in rows}

    def read(self, run: int) -> list[Row]:
        """Return the rows of a run, made from its tiles. Raises IntegrityError if one is not there, or short."""
        across = RUN // tiles.WIDTH
        rows = self._session.execute(
            f"SELECT hashes FROM {self._log.tiles} WHERE level = 0 AND number >= ? AND number < ? ORDER BY number",  # noqa: S608
            (run * across, (run + 1) * across),
        ).fetchall()
        hashes = b"".join(bytes(one) for (one,) in rows)
        if len(hashes) != RUN * tiles.HASH:
            raise IntegrityError(f"the tiles of leaves {run * RUN} to {(run + 1) * RUN - 1} are not whole")
        return [(bucket, run, bytes(heads)) for bucket, heads in enumerate(_buckets(hashes))]

    def write(self, rows: list[Row]) -> None:
        """Keep the rows of a run; those that are there already stay. Inside `writing`."""
        self._session.insert(self._log.index, "bucket, run, heads", rows, "ON CONFLICT (bucket, run) DO NOTHING")


def _buckets(hashes: bytes) -> list[bytearray]:
    buckets = [bytearray() for _ in range(BUCKETS)]
    for place, at in enumerate(range(0, len(hashes), tiles.HASH)):
        buckets[hashes[at]] += hashes[at + 1 : at + 1 + _HEAD] + place.to_bytes(_PLACE, "big")
    return buckets


def _places(heads: bytes, head: bytes) -> Iterator[int]:
    at = heads.find(head)
    while at >= 0:
        if at % _EACH == 0:
            yield int.from_bytes(heads[at + _HEAD : at + _EACH], "big")
        at = heads.find(head, at + 1)
