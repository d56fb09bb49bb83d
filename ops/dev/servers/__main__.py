"""`ops/dev/services`: start, stop and disturb the private servers."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from ops.dev.servers import lifecycle, postgresql, state
from ops.dev.servers.lifecycle import NAMES
from ops.dev.servers.processes import ServerError

_FAILED = 1
_INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """Do what was asked; 1 and a sentence on standard error where that cannot be."""
    asked = _parser().parse_args(arguments)
    folder = asked.folder.absolute() if asked.folder else state.default_folder()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        return _do(asked, folder)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except ServerError as error:
        print(f"services: {error}", file=sys.stderr)
        return _FAILED


def _do(asked: argparse.Namespace, folder: Path) -> int:
    names = (asked.only,) if asked.only else NAMES
    match asked.command:
        case "start":
            _start(folder, names)
        case "stop":
            lifecycle.stop(folder, names)
        case "status":
            return _status(folder, names)
        case "run":
            return _run(folder, names, asked.program, quick=asked.quick)
        case "restart" | "down":
            getattr(lifecycle, asked.command)(folder, asked.server, kill=asked.kill)
        case _:
            getattr(lifecycle, asked.command)(folder, asked.server)
    return 0


def _start(folder: Path, names: tuple[lifecycle.Name, ...]) -> tuple[lifecycle.Name, ...]:
    begun = time.monotonic()
    started = lifecycle.start(folder, names)
    for name in names:
        print(f"{name}: {'started' if name in started else 'already running'}", flush=True)
    print(f"{folder} ({time.monotonic() - begun:.1f} s)", flush=True)
    return started


def _status(folder: Path, names: tuple[lifecycle.Name, ...]) -> int:
    now, up = state.read(folder), lifecycle.running(folder)
    for name in names:
        server = getattr(now, name)
        print(f"{name}: {f'running, process {server.process.pid}' if name in up else 'not running'}")
    print(folder)
    return 0 if set(names) <= set(up) else _FAILED


def _run(folder: Path, names: tuple[lifecycle.Name, ...], program: list[str], *, quick: bool) -> int:
    """Run a program with the servers, and stop those that were not running before."""
    started: tuple[lifecycle.Name, ...] = ()
    try:
        started = _start(folder, names)
        if quick and "postgresql" in started:
            postgresql.hasten(folder)
        return subprocess.run(program, env=os.environ | {"GATEWAY_SERVICES": str(folder)}, check=False).returncode
    finally:
        if started:
            lifecycle.stop(folder, started)
            print(f"{', '.join(started)}: stopped", flush=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ops/dev/services", description=__doc__)
    parser.add_argument("--folder", type=Path, help="where they live (default: one for this checkout and user)")
    parser.add_argument("--only", choices=NAMES, help="one of the two")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, told in (
        ("start", "start what does not run; wait until both answer"),
        ("stop", "stop them and remove the folder"),
        ("status", "say what runs; exit code 0 if all does"),
    ):
        one = commands.add_parser(name, help=told)
        one.add_argument("--only", choices=NAMES, default=argparse.SUPPRESS)
        one.add_argument("--folder", type=Path, default=argparse.SUPPRESS)
    run = commands.add_parser("run", help="run a program with them; stop what this started")
    run.add_argument("--quick", action="store_true", help="PostgreSQL waits for no disk: for what is thrown away")
    run.add_argument("program", nargs=argparse.REMAINDER)
    for name, told in (
        ("restart", "stop one and start it again: same ports, same data"),
        ("down", "stop one and keep its data"),
        ("up", "start one that is down"),
        ("pause", "let one stand still"),
        ("resume", "let it go on"),
    ):
        one = commands.add_parser(name, help=told)
        one.add_argument("server", choices=NAMES)
        if name in {"restart", "down"}:
            one.add_argument("--kill", action="store_true", help="as a power failure does")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
