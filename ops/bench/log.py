"""`make bench-log`: a log of ten million leaves. What appending costs as it grows, what a proof costs, and what memory.

Synthetic leaves, each a real entry of a random commitment, go into a SQLite store as the journal writes them, without
the messages that they would tell of. Then:

1. The integrator itself takes them in, 20,000 a checkpoint, and indexes them: CPU time and wall time per million
   leaves. `ratio` is the last million over the first: the cost of a leaf does not depend on how many there are.
2. Inclusion proofs of leaves at random, each with nothing held from the one before; consistency proofs likewise; and
   the search for a leaf by its hash.
3. Export to static files, and both verifiers over the whole export, each in a process of its own for its memory.

Some ten minutes, and 6 GB of disk: not part of `make bench`. Fewer leaves: `python -m ops.bench.log 1000000`.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit import note, tree
from gateway.database import Turn
from gateway.store import create, export
from gateway.store.integrator import Integrator
from gateway.store.log import StoredLog
from gateway.store.place import SqlitePlace
from ops.bench.report import Report

LEAVES = 10_000_000
MILLION = 1_000_000
ROWS = 50_000
"""In one transaction."""
ASKED = 500
"""Proofs."""
LIMIT = 10.0
"""Milliseconds that a proof may take."""
ENTRY = b'{"commitment":"%s","kind":"decision","policy":"' + b"a" * 64 + b'","v":1}'
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
MEASURED = """
import runpy, sys
program = sys.argv.pop(1)
try:
    runpy.run_module(program, run_name="__main__", alter_sys=True)
finally:
    sys.stderr.write(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
"""Runs a module, and tells the most memory that the process had."""


class Clock:
    """Stands still, so that the lease never ends."""

    def now(self) -> datetime:
        """Return always the same."""
        return AT


def measure(report: Report, leaves: int) -> None:
    signer = note.Signer("bench.example/log", Ed25519PrivateKey.from_private_bytes(b"\x07" * 32))
    with tempfile.TemporaryDirectory() as made:
        place = SqlitePlace(Path(made) / "store")
        place.folder.mkdir()
        create.create(place, signer=signer, at=AT)
        _fill(place, leaves)
        _integrate(report, place, signer, leaves)
        _prove(report, place, leaves)
        _verify(report, place, signer.key, Path(made) / "export")


def _fill(place: SqlitePlace, leaves: int) -> None:
    chance, session = random.Random(leaves), place.open()  # noqa: S311  # the same every time
    for first in range(0, leaves, ROWS):
        rows = []
        for position in range(first, min(first + ROWS, leaves)):
            entry = ENTRY % chance.randbytes(32).hex().encode()
            rows.append((position, tree.leaf_hash(entry), entry))
        with session.writing(Turn.JOURNAL):
            session.insert("leaves", "position, hash, entry", rows)
    session.close()


def _integrate(report: Report, place: SqlitePlace, signer: note.Signer, leaves: int) -> None:
    integrator = Integrator(place, signer=signer, clock=Clock(), holder="bench", ttl=timedelta(days=1))
    cpu, wall, part = [], [], min(MILLION, leaves // 2)
    for target in range(part, leaves + 1, part):
        started, used = time.perf_counter(), time.process_time()
        while (grown := integrator.step()) is not None and grown.size < target:
            continue
        cpu.append((time.process_time() - used) / part * 1e6)
        wall.append((time.perf_counter() - started) / part * 1e6)
    integrator.stop()
    report.add(f"integrate: a leaf, the first {part:,}", cpu[0], "µs CPU")
    report.add(f"integrate: a leaf, the last of {leaves:,}", cpu[-1], "µs CPU", cpu[-1] / cpu[0])
    report.add("integrate: the same, wall time", wall[-1], "µs", wall[-1] / wall[0])
    report.add("integrate: the most memory of the process", _memory(), "MB")


def _prove(report: Report, place: SqlitePlace, leaves: int) -> None:
    chance, session = random.Random(1), place.open()  # noqa: S311  # the same every time
    log = StoredLog(session)
    last = log.last()

    def include(index: int) -> None:
        path = tree.inclusion(index, last.size, log.nodes())
        tree.verify_inclusion(log.leaves(index, 1)[0][1], index, last.size, path, last.root)

    def extend(index: int) -> None:
        tree.consistency(index + 1, last.size, log.nodes())

    def search(index: int) -> None:
        log.position(log.leaves(index, 1)[0][1])

    for name, work, count in (
        ("an inclusion proof, read and verified", include, ASKED),
        ("a consistency proof", extend, ASKED),
        ("a leaf found by its hash", search, ASKED),
    ):
        cpu, wall = [], []
        for _ in range(count):
            index = chance.randrange(leaves)
            started, used = time.perf_counter(), time.thread_time()
            work(index)
            cpu.append((time.thread_time() - used) * 1000)
            wall.append((time.perf_counter() - started) * 1000)
        report.add(f"{name}: median", statistics.median(wall), "ms", statistics.median(wall) / LIMIT)
        report.add(f"{name}: 99 %", sorted(cpu)[count * 99 // 100], "ms CPU", sorted(cpu)[count * 99 // 100] / LIMIT)
    session.close()


def _verify(report: Report, place: SqlitePlace, key: note.Key, folder: Path) -> None:
    started = time.perf_counter()
    made = export.export(place, folder, key)
    report.add(f"export: {made.files:,} files", time.perf_counter() - started, "s")
    for name, program in (("verify", "gateway.cli"), ("naive verifier", "gateway.audit.naive")):
        words = ["audit", "verify", str(folder)] if name == "verify" else [str(folder)]
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, program, *words, "--vkey", str(key)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        report.add(f"{name}: the whole export", time.perf_counter() - started, "s")
        report.add(f"{name}: the most memory of the process", int(done.stderr.split()[-2]) / 1024, "MB")


def _memory() -> float:
    """Return the most that this process has held, in MB; the kernel's figure for a child would have its parent's."""
    return (
        int(
            next(
                line
                for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
                if line.startswith("VmHWM")
            ).split()[1]
        )
        / 1024
    )


if __name__ == "__main__":
    found = Report()
    measure(found, int(sys.argv[1]) if len(sys.argv) > 1 else LEAVES)
    found.show()
    found.write(ROOT / "build" / "bench-log.json")
