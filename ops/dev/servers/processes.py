"""Starting servers that outlive us, and ending exactly those again.

A server is known by its process id *and* the moment the kernel started it: a number that was given to another program
meanwhile is never signalled. Servers are started through `setsid --fork`, so that they are nobody's children and a
closed terminal does not end them.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_STEP = 0.05
_LOWEST = 20_000
_TAIL = 25


class ServerError(Exception):
    """A server did not do what it was told; the text says what its log says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One running program."""

    pid: int
    started: int
    """Clock ticks since the machine started (`/proc/<pid>/stat`, field 22)."""

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """Return the process that has this number now, or None."""
        found = _stat(pid)
        return None if found is None else cls(pid=pid, started=found[1])

    @property
    def alive(self) -> bool:
        """Whether it runs. A process that ended and was not waited for does not."""
        found = _stat(self.pid)
        return found is not None and found[1] == self.started and found[0] not in "ZX"

    def send(self, number: signal.Signals) -> None:
        """Signal it, if it is still the same."""
        if self.alive:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def end(self, number: signal.Signals, *, within: float) -> bool:
        """Ask it to end with a signal, and kill it after so many seconds. Return whether it ended by itself."""
        self.send(number)
        self.send(signal.SIGCONT)
        if waited(lambda: not self.alive, within=within):
            return True
        self.send(signal.SIGKILL)
        if not waited(lambda: not self.alive, within=10):
            raise ServerError(f"process {self.pid} does not die")
        return False


def _stat(pid: int) -> tuple[str, int] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return fields[0], int(fields[19])


def children(process: Process) -> list[Process]:
    """Return the processes that this one has started and that run now."""
    try:
        text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    except OSError:
        return []
    return [found for pid in text.split() if (found := Process.of(int(pid))) is not None]


def start(  # noqa: PLR0913  # what makes a process
    command: Sequence[str | Path],
    *,
    pidfile: Path,
    log: Path,
    environment: Mapping[str, str],
    cwd: Path,
    user: str | None = None,
) -> Process:
    """Start a program that outlives us; its output goes to `log`. `user`: as whom, where we are root."""
    pidfile.unlink(missing_ok=True)
    with log.open("ab") as output:
        subprocess.run(
            ["setsid", "--fork", "sh", "-c", 'echo $$ >"$0"; exec "$@"', pidfile, *command],
            check=True,
            env=dict(environment),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            user=user,
            group=user,
            extra_groups=no_groups(user),
        )
    if not waited(lambda: read_pid(pidfile) is not None, within=10):
        raise ServerError(f"{command[0]} did not start\n{tail(log)}")
    found = read_pid(pidfile)
    process = None if found is None else Process.of(found)
    if process is None:
        raise ServerError(f"{command[0]} ended at once\n{tail(log)}")
    return process


def no_groups(user: str | None) -> list[str] | None:
    """Return what takes our own groups from a program that runs as `user`; only root may take them."""
    return None if user is None else []


def read_pid(pidfile: Path) -> int | None:
    """Return the number that stands first in a file, or None while there is none."""
    try:
        return int(pidfile.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def waited(done: Callable[[], bool], *, within: float) -> bool:
    """Look until it is done, for so many seconds; return whether it is."""
    end = time.monotonic() + within
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(_STEP)
    return True


def ready(answers: Callable[[], bool], process: Process, log: Path, *, name: str, within: float) -> None:
    """Wait until a server answers. Raises ServerError with the end of its log if it ends or takes too long."""
    if waited(lambda: answers() or not process.alive, within=within) and process.alive:
        return
    what = "does not answer" if process.alive else "ended while it was starting"
    raise ServerError(f"{name} {what}\n{tail(log)}")


def tail(log: Path) -> str:
    """Return the last lines of a log file."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "(no log)"
    return "\n".join(lines[-_TAIL:])


def free_ports(count: int) -> list[int]:
    """Return free loopback ports from below those that the kernel gives to clients: they stay free for a restart."""
    highest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    choices = range(min(_LOWEST, highest - 10_000), highest)
    found: list[int] = []
    while len(found) < count:
        port = random.SystemRandom().choice(choices)
        if port not in found and not listening(port) and _bindable(port):
            found.append(port)
    return found


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def listening(port: int) -> bool:
    """Whether somebody answers on a loopback port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
