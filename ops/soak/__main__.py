"""`make soak`: send, let everything go wrong at random, heal, and prove that nothing was lost and nothing doubled.

1. Private servers, a gateway in its roles, consumers, and a bad network between them (`fleet`).
2. The sender begins (`sender`, `traffic`). When everybody is known, the storm begins (`schedule`, `faults`, `weather`),
   and our own systems give commands (`errands`, `givers`) to partners that misbehave (`abroad`), or that have a mailbox
   (`reader`).
3. When every message has its final answer the storm ends, and all comes to rest (`rest`).
4. The books are opened and laid side by side, of what came in (`observe`, `reconcile`) and of what went out (`outward`,
   `disclosed`), and the result is printed (`report`).

Exit code 0 only if every rule holds; 1 otherwise; 2 where the soak itself could not be made.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from gateway import logs
from gateway.errors import GatewayError
from ops.dev.servers.processes import ServerError
from ops.dev.servers.state import ROOT
from ops.soak import disclosed, errands, faults, observe, outward, reconcile, rest, schedule
from ops.soak.fleet import ASKER, Fleet, Wanted
from ops.soak.givers import Givers, Terms
from ops.soak.reader import Reader
from ops.soak.report import Report
from ops.soak.schedule import Kind, Pace
from ops.soak.traffic import WARM
from ops.soak.units import Unit
from ops.soak.weather import Storm

_STALLED = 240.0
"""Seconds without one more final answer: longer than any fault, so something hangs."""
_LOOK = 0.1
_EACH = 20
"""One command to so many messages."""
_PACES = {"full": Pace(), "quick": schedule.QUICK}


def main(arguments: Sequence[str]) -> int:
    """Soak; return the exit code."""
    asked = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    seed = secrets.randbelow(10**6) if asked.seed is None else asked.seed
    wanted = Wanted(
        store=asked.store,
        broker=asked.broker,
        messages=asked.messages,
        commands=asked.messages // _EACH if asked.commands is None else asked.commands,
        seed=seed,
        poison=asked.poison,
        flaky=asked.flaky,
    )
    given = f"MESSAGES={wanted.messages} COMMANDS={wanted.commands}"
    command = f"make soak {given} SEED={seed} STORE={wanted.store} BROKER={wanted.broker}"
    print(f"seed {seed}: {command}", flush=True)
    try:
        with Fleet(wanted) as fleet:
            with logs.captured() as said:  # what the askers' kit tells, in a log of its own as the others'
                try:
                    report = _soaked(fleet, asked, command)
                finally:
                    (fleet.folder / "askers.log").write_bytes(said.getvalue())
            report.write(asked.report)
            print(report.show(), flush=True)
            if not report.passed or asked.keep:
                _keep(fleet.folder, asked.report.with_suffix(""))
    except (ServerError, GatewayError, OSError) as error:
        print(f"the soak could not be made: {error!r}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: everything is stopped", file=sys.stderr)
        return 2
    return 0 if report.passed else 1


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _soaked(fleet: Fleet, asked: argparse.Namespace, command: str) -> Report:
    pace = _PACES[asked.pace] if asked.gap is None else replace(_PACES[asked.pace], gap=tuple(asked.gap))
    if fleet.undisked:
        print(f"NO FULL DISK IN THIS SOAK: no file system can be mounted here: {fleet.undisked}", flush=True)
    kinds = [kind for kind in faults.possible(fleet) if asked.only is None or kind.name in asked.only]
    storm = Storm(schedule.plan(fleet.wanted.seed, kinds, sorted(fleet.links), pace), fleet)
    out = _Out.of(fleet)
    fleet.start()
    try:
        began = time.monotonic()
        _send(fleet, storm, out, asked)
        answered = time.monotonic()
        storm.end()
        out.givers.join()
        left = rest.settle(fleet)
        rested = time.monotonic()
    finally:
        storm.end()
        out.close()
        fleet.stop()
    report = _reported(fleet, storm, command, (answered - began, rested - answered))
    if not fleet.failures:  # cut short: what is on its way is in nobody's books yet
        _reconcile(report, fleet, out, left)
    return report


@dataclass(frozen=True, slots=True)
class _Out:
    """Those who take part in what goes out."""

    givers: Givers
    reader: Reader

    @classmethod
    def of(cls, fleet: Fleet) -> _Out:
        wanted = list(errands.drawn(fleet.wanted.commands, fleet.wanted.seed))

        def share() -> float:
            return (_done(fleet.folder) - WARM) / max(1, fleet.wanted.messages)

        terms = Terms(
            config=fleet.config,
            data=fleet.folder / ASKER,
            organisations=fleet.abroad.organisations,
            share=share,
            failed=fleet.fail,
        )
        port = fleet.links["reader-front"].port
        return cls(Givers(wanted, terms), Reader(fleet.abroad.demo, fleet.folder / "data", port, fleet.abroad.reader))

    def start(self) -> None:
        self.givers.start()
        self.reader.start()

    def close(self) -> None:
        self.givers.stop()
        self.reader.stop()


def _send(fleet: Fleet, storm: Storm, out: _Out, asked: argparse.Namespace) -> None:
    """Run the sender to its end; storm and commands begin when the first messages are through."""
    where: list[str | Path] = [fleet.folder, str(fleet.links["sender-front"].port), str(fleet.wanted.messages)]
    how = [str(fleet.wanted.seed), str(asked.rate), str(asked.workers)]
    sender = subprocess.Popen([sys.executable, "-m", "ops.soak.sender", *where, *how], cwd=ROOT)
    total, done = WARM + fleet.wanted.messages, 0
    changed = shown = time.monotonic()
    try:
        while sender.poll() is None and not fleet.failed.wait(_LOOK):
            now, before, done = time.monotonic(), done, _done(fleet.folder)
            changed = now if done != before else changed
            if done >= WARM and before < WARM:
                out.start()
                if not asked.calm:
                    storm.begin()
            if now - shown >= asked.tell:
                shown = now
                print(f"  {done} of {total} messages done, {len(storm.done)} faults", flush=True)
            if now - changed > _STALLED:
                fleet.fail(f"no message got its final answer for {_STALLED:.0f} s; {done} of {total} are done")
    finally:
        sender.terminate()
        sender.wait()
    if sender.returncode and not fleet.failures:
        fleet.fail(f"the sender ended with {sender.returncode}")


def _done(folder: Path) -> int:
    try:
        return int((folder / "sent").read_text())
    except FileNotFoundError:
        return 0


def _reported(fleet: Fleet, storm: Storm, command: str, seconds: tuple[float, float]) -> Report:
    notes = [f"no full disk: {fleet.undisked}"] if fleet.undisked else []
    return Report(
        command=command,
        checks=[],
        failures=fleet.failures,
        done=sorted(storm.done, key=lambda one: one.began),
        missed=len(storm.missed),
        seconds=seconds[0],
        drained=seconds[1],
        ends=[(name, code, times) for name, unit in fleet.units.items() for code, times in sorted(unit.ends.items())],
        notes=[*notes, *(note for unit in fleet.units.values() for note in _grievances(unit))],
    )


def _reconcile(report: Report, fleet: Fleet, out: _Out, left: Mapping[str, int]) -> None:
    """Open the books, lay them side by side, and report what comes of it."""
    try:
        books = observe.books(fleet, left, out.reader.sent)
        sent = _sent(fleet, out)
    except Exception as error:  # noqa: BLE001  # a book that cannot be read is a finding
        fleet.failures.append(f"the books cannot be read: {error!r}")
        return
    report.checks = [*reconcile.reconcile(books), *disclosed.reconcile(sent)]
    report.count(books.lines, len(books.handled), observe.redelivered(fleet.handled))
    report.tell(disclosed.numbers(sent, out.reader.fetched))


def _sent(fleet: Fleet, out: _Out) -> disclosed.Books:
    """Open the books of what went out."""
    answering = observe.answers(fleet)
    handled = [one for one in observe.handled(fleet.handled) if one.queue in answering]
    letters = [one for one in observe.letters(fleet) if one.queue in answering]
    return outward.books(fleet, out.givers.given, out.reader, handled, letters)


def _grievances(unit: Unit) -> list[str]:
    """Return what a process' log tells of that is no ordinary trouble."""
    return [
        f"{unit.name}: {count} times {text}"
        for text, count in sorted(
            unit.told("fault", "integrity", "library", "trace").items(), key=lambda pair: -pair[1]
        )
    ]


def _keep(folder: Path, target: Path) -> None:
    """Keep logs and books beside the report; the bytes that were sent are too large."""
    target.mkdir(parents=True, exist_ok=True)
    for path in (*folder.glob("*.log"), *folder.glob("*.jsonl"), *folder.glob("handled.db*")):
        shutil.copy2(path, target / path.name)
    for name in ("rabbitmq/log/gateway@localhost.log", "postgresql/server.log"):
        if (path := folder / "services" / name).is_file():
            shutil.copy2(path, target / path.name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ops.soak", description=__doc__)
    parser.add_argument("--messages", type=int, default=5_000, help="how many, beside one for each person")
    parser.add_argument("--commands", type=int, help=f"how many; one to {_EACH} messages by default")
    parser.add_argument("--seed", type=int, help="of traffic and faults; chance by default, and printed")
    parser.add_argument("--store", choices=["postgresql", "sqlite"], default="postgresql")
    parser.add_argument("--broker", choices=["rabbitmq", "embedded"], default="rabbitmq")
    parser.add_argument("--rate", type=float, default=0.0, help="messages a second at most; 0: no limit")
    parser.add_argument("--workers", type=int, default=16, help="messages on their way at once")
    parser.add_argument("--pace", choices=list(_PACES), default="full", help="of the faults")
    parser.add_argument("--gap", type=float, nargs=2, help="seconds between two faults: least and most")
    parser.add_argument("--only", choices=[kind.name for kind in Kind], nargs="+", help="only these faults")
    parser.add_argument("--calm", action="store_true", help="no faults at all")
    parser.add_argument("--poison", type=int, default=200, help="one event in so many can never be handled")
    parser.add_argument("--flaky", type=int, default=100, help="one event in so many fails twice first")
    parser.add_argument("--tell", type=float, default=10.0, help="seconds between two lines of progress")
    parser.add_argument("--keep", action="store_true", help="keep logs and books even when all is well")
    parser.add_argument("--report", type=Path, default=ROOT / "build" / "soak.json")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
