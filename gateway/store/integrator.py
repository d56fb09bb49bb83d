"""Takes committed leaves of a log into its tree, and signs a checkpoint about every second when it has grown.

One integrator of a log at a time, by lease. A step:

1. Hold the lease.
2. Take up the tree at the last checkpoint, if another process or an error has moved us from it: the stored tiles must
   give the root that was signed. We may hold the lease no more, and its holder go on just then: so the anchor is read
   before the store, and the store at one moment.
3. Read the leaves after it. They are immutable and without gaps, so this needs no lock.
4. Append them, and fill tiles.
5. Sign. Nobody has seen this checkpoint yet: should we die here, the next one is longer, never another of this size
   with other leaves, for the leaves are durable already.
6. In one short transaction: still the holder, still at the same last checkpoint; then tiles and checkpoint.
7. Write the anchor. Should we die before, the next step finds it shorter and writes it.
8. Index runs of leaves that have become full (`leaf_index`): also those that an earlier step did not come to.

Start and recovery are the same step. When stored things disagree it stops for good: a person must look.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

from gateway.audit import checkpoint, note, tiles, tree
from gateway.database import Turn, written
from gateway.errors import GatewayError, IntegrityError, UnavailableError
from gateway.ports import Clock
from gateway.store import anchor, leaf_index
from gateway.store.leaf_index import LeafIndex
from gateway.store.lease import TTL, Lease, held
from gateway.store.log import AUDIT, Log, Signed, StoredLog, check
from gateway.store.place import Place

LEASE = AUDIT.lease
BATCH = 20_000
"""Most leaves in one checkpoint: some tenths of a second of work, and a transaction of under a megabyte."""


RUNS = 2
"""Most runs of leaves that a step indexes: more than a batch fills, so that an older log is indexed too, by and by."""


class _Edge:
    """The growing side of the tree: the frontier, and the tiles that are not full."""

    def __init__(self, last: Signed, log: StoredLog) -> None:
        self.frontier = tree.Frontier.of(last.size, log.nodes())
        if self.frontier.root() != last.root:
            raise IntegrityError(f"the stored tree does not have the root signed for {last.size} leaves")
        self._open: list[bytearray] = []
        size = last.size
        while size:
            number, width = divmod(size, tiles.WIDTH)
            filled = log.tile(len(self._open), number) if width else b""
            if len(filled) != width * tiles.HASH:
                raise IntegrityError(f"tile {len(self._open)}/{number} is not of {width} hashes")
            self._open.append(bytearray(filled))
            size = number

    def append(self, hashes: list[bytes]) -> list[tuple[int, int, bytes]]:
        """Add leaves, and return (level, number, hashes) of every tile that changed."""
        full: list[tuple[int, int, bytes]] = []
        touched = set()
        for leaf in hashes:
            index = self.frontier.size
            for level, node in enumerate(self.frontier.append(leaf)[:: tiles.HEIGHT]):
                if level == len(self._open):
                    self._open.append(bytearray())
                tile = self._open[level]
                tile += node
                touched.add(level)
                if len(tile) == tiles.WIDTH * tiles.HASH:
                    full.append((level, index >> (tiles.HEIGHT * (level + 1)), bytes(tile)))
                    tile.clear()
        part = [
            (level, self.frontier.size >> (tiles.HEIGHT * (level + 1)), bytes(self._open[level]))
            for level in sorted(touched)
            if self._open[level]
        ]
        return full + part


class Integrator:
    """`start` makes a thread of it; `step` does one round, for tests and for `gateway audit`."""

    def __init__(  # noqa: PLR0913  # settings, each by its name
        self,
        place: Place,
        *,
        log: Log = AUDIT,
        signer: note.Signer,
        clock: Clock,
        holder: str,
        interval: timedelta = timedelta(seconds=1),
        ttl: timedelta = TTL,
        alarm: Callable[[GatewayError], None] = lambda _error: None,
        faults: Callable[[str], None] = lambda _point: None,
    ) -> None:
        """Open the store.

        Args:
            place: The store. Raises IntegrityError if none is there.
            log: Which of its logs.
            signer: `[keys] checkpoint`, by the name of `[audit] origin`.
            clock: Gives the checkpoints' times, and tells when leases end.
            holder: Names this process and no other.
            interval: Between checkpoints.
            ttl: Of the lease.
            alarm: Told every error of the thread; after an IntegrityError the thread has ended.
            faults: Told each point of a step (`anchor`, `last`, `sign`, `tiles`, `commit`, `committed`, `anchored`,
                `index`, `run`); tests fail there.
        """
        self._session = place.open()
        self._which = log
        self._anchor = log.anchored(place)
        self._log = StoredLog(self._session, log)
        self._index = LeafIndex(self._session, log)
        self._indexed: set[int] | None = None
        """Runs that have an index; as good as the edge, and None until it is asked for."""
        self._lease = Lease(place, log.lease, holder=holder, clock=clock, ttl=ttl, turn=Turn.LOG)
        self._holder = holder
        self._signer = log.signer(signer)
        self._clock = clock
        self._interval = interval.total_seconds()
        self._alarm = alarm
        self._fault = faults
        self._edge: _Edge | None = None
        self._more = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=log.lease, daemon=True)

    def start(self) -> None:
        """Go on stepping in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after a last step, give the lease back and close the connections."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        try:
            self._lease.release()
        except UnavailableError as error:
            self._alarm(error)
        self._lease.close()
        self._session.close()

    def step(self) -> checkpoint.Checkpoint | None:
        """Integrate up to `BATCH` leaves; None if there is nothing new, or another process is the integrator.

        Raises:
            IntegrityError: Stored things disagree. Nothing was changed; a person must look.
            UnavailableError: The disk did not take it. The next step begins anew.
        """
        try:
            with self._session.translated():
                grown = self._step()
                if self._edge is not None:
                    self._index_runs(self._edge.frontier.size)
                return grown
        except BaseException:
            self._edge = None  # whatever was half done in memory: take it up again from the store
            raise

    def _step(self) -> checkpoint.Checkpoint | None:
        # 1. The lease.
        if not self._lease.hold():
            self._edge = None
            return None
        # 2. The tree at the last checkpoint.
        last = self._log.last()
        if self._edge is None or self._edge.frontier.size != last.size:
            last, self._edge = self._take_up()
            self._indexed = None
        # 3. Leaves after it.
        leaves = self._log.leaves(last.size, BATCH)
        self._more = len(leaves) == BATCH
        if not leaves:
            return None
        # 4. Into the tree.
        for expected, (position, stored, entry) in enumerate(leaves, start=last.size):
            check(expected, position, stored, entry)
        changed = self._edge.append([stored for _, stored, _ in leaves])
        # 5. Sign.
        self._fault("sign")
        frontier = self._edge.frontier
        grown = checkpoint.Checkpoint(origin=self._signer.key.name, size=frontier.size, root=frontier.root())
        signed = checkpoint.sign(grown, self._signer)
        # 6. Commit.
        if not self._commit(last, grown, signed, changed):
            self._edge = None
            return None
        self._fault("committed")
        # 7. The anchor.
        self._write_anchor(signed)
        self._fault("anchored")
        return grown

    def _take_up(self) -> tuple[Signed, _Edge]:
        anchored = checkpoint.verify(anchor.read(self._anchor), self._signer.key)
        self._fault("anchor")
        with self._session.reading():
            last = self._log.last()
            self._fault("last")
            found = checkpoint.verify(last.note, self._signer.key)
            if (found.size, found.root) != (last.size, last.root):
                raise IntegrityError(f"the checkpoint stored for {last.size} leaves is one for {found.size}")
            edge = _Edge(last, self._log)
            self._agree(anchored, last)
        if anchored.size < last.size:  # after a crash
            self._write_anchor(last.note)
        return last, edge

    def _agree(self, anchored: checkpoint.Checkpoint, last: Signed) -> None:
        if anchored.size > last.size:  # a server has lost commits
            raise IntegrityError(f"the {self._which.name} was signed at {anchored.size} leaves and has {last.size}")
        if tree.root(anchored.size, self._log.nodes()) != anchored.root:
            raise IntegrityError(f"the stored tree does not have the root signed for {anchored.size} leaves")

    def _write_anchor(self, signed: bytes) -> None:
        anchor.write(self._anchor, signed)

    def _commit(
        self, last: Signed, grown: checkpoint.Checkpoint, signed: bytes, changed: list[tuple[int, int, bytes]]
    ) -> bool:
        """Write tiles and checkpoint, unless another process has gone on meanwhile."""
        with self._session.writing(Turn.LOG):
            if not held(self._session, self._which.lease, self._holder) or self._log.last().size != last.size:
                return False
            self._session.insert(
                self._which.tiles,
                "level, number, hashes",
                changed,
                "ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes",
            )
            self._fault("tiles")
            self._session.insert(
                self._which.checkpoints,
                "size, root, note, at",
                [(grown.size, grown.root, signed, written(self._clock.now()))],
            )
            self._fault("commit")
        return True

    def _index_runs(self, size: int) -> None:
        """Index runs that are full, of a tree of `size` leaves that is committed, unless we hold the lease no more."""
        full = size // leaf_index.RUN
        if not full:
            return
        if self._indexed is None:
            self._indexed = self._index.whole()
        if len(self._indexed) >= full:
            return
        for run in [one for one in range(full) if one not in self._indexed][:RUNS]:
            rows = self._index.read(run)
            self._fault("index")
            with self._session.writing(Turn.LOG):
                if not held(self._session, self._which.lease, self._holder):
                    return
                self._index.write(rows)
                self._fault("run")
            self._indexed.add(run)

    def _run(self) -> None:
        stopping = False
        while not stopping:
            stopping = self._stopping.wait(self._interval)
            try:
                while self.step() is not None and self._more:
                    continue
            except IntegrityError as error:
                self._alarm(error)
                return
            except GatewayError as error:
                self._alarm(error)
