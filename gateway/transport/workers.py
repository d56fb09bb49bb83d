"""Several processes on one socket: the parent binds it once, and keeps as many workers as it was told to.

A worker is a fresh interpreter (spawn), which builds everything from the configuration's path: nothing but the socket
is shared, and the kernel hands each new connection to whichever worker is waiting. What the parent promises:

1. `run` returns 0 only if every worker drained and ended with 0 after SIGTERM or SIGINT.
2. A worker that dies is replaced; the others go on. Those that die young are replaced ever more slowly.
3. A worker that cannot start, because its configuration is wrong or its records disagree, ends them all with its exit
   code: it would fail the same way every time.
4. SIGHUP is passed on, and what the parent does itself hears of it too. Workers never outlive the parent: each holds
   one end of a pipe, and stops when the other is gone.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType

from gateway import logs
from gateway.logs import Happened

Work = Callable[..., None]
"""A module's function of the bound socket, the pipe to say READY on and to watch, and then `arguments`."""

READY = b"ready"
FINAL = frozenset({3, 5})
"""Exit codes that another try would only repeat: configuration, integrity."""
YOUNG = 5.0
"""Seconds: who dies younger was probably never well."""
FIRST, SLOWEST = 0.1, 30.0
"""Seconds before a young one is replaced: doubled for each in a row, up to the second."""
_BEYOND = 5.0
"""Seconds that a worker may take to stop beyond its drain timeout."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(slots=True, kw_only=True)
class _Worker:
    process: SpawnProcess
    pipe: Connection
    born: float
    ready: bool = False


@dataclass(slots=True, kw_only=True)
class Workers:
    """The parent's side."""

    work: Work
    arguments: tuple[str, ...]
    bound: socket.socket
    count: int
    drain: float
    """Seconds."""
    on_ready: Callable[[], None] = lambda: None
    """Called once, when all have begun to serve."""
    on_reload: Callable[[], None] = lambda: None
    """Called in the main thread at each SIGHUP, once the workers have it. Raises nothing."""
    _here: list[_Worker] = field(default_factory=list)
    _signals: list[int] = field(default_factory=list)
    _owed: list[float] = field(default_factory=list)
    """When the places of the dead are filled."""
    _deaths: int = 0
    """Young ones, in a row."""
    _began: bool = False
    _exit: int = 0
    _wake: int | None = None

    @property
    def processes(self) -> Sequence[int]:
        """The ids of the workers that run now."""
        return [worker.process.pid for worker in self._here if worker.process.pid is not None]

    def run(self) -> int:
        """Start them, keep them, and stop them when told. Only in the main thread. Returns the exit code."""
        with self._woken() as woken:
            for _ in range(self.count):
                self._start()
            while not self._told_to_stop():
                self._wait(woken)
                self._tend()
            self._stop()
        return self._exit

    def _start(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=self.work, args=(self.bound, theirs, *self.arguments), name="gateway-worker")
        process.start()
        theirs.close()
        self._here.append(_Worker(process=process, pipe=ours, born=time.monotonic()))

    def _wait(self, woken: int) -> None:
        pipes = [worker.pipe for worker in self._here if not worker.ready]
        timeout = max(0.0, min(self._owed) - time.monotonic()) if self._owed else None
        wait([woken, *pipes, *(worker.process.sentinel for worker in self._here)], timeout)
        with contextlib.suppress(BlockingIOError):
            os.read(woken, 1024)

    def _tend(self) -> None:
        for worker in self._here:
            with contextlib.suppress(EOFError, OSError):
                if not worker.ready and worker.pipe.poll():
                    worker.ready = worker.pipe.recv_bytes() == READY
        if sum(worker.ready for worker in self._here) == self.count and not self._began:
            self._began = True
            self.on_ready()
        for worker in [worker for worker in self._here if worker.process.exitcode is not None]:
            self._bury(worker)
        now = time.monotonic()
        for due in [due for due in self._owed if due <= now]:
            self._owed.remove(due)
            self._start()

    def _bury(self, worker: _Worker) -> None:
        code = worker.process.exitcode or 0
        logs.tell(Happened.WORKER_ENDED, process=worker.process.pid, exit=code)
        self._here.remove(worker)
        worker.pipe.close()
        if not worker.ready and code in FINAL:
            self._exit = code
            return
        now = time.monotonic()
        young = now - worker.born < YOUNG
        self._deaths = self._deaths + 1 if young else 0
        self._owed.append(now + min(FIRST * 2 ** min(self._deaths, 16), SLOWEST) if young else now)

    def _told_to_stop(self) -> bool:
        for number in self._signals:
            if number == signal.SIGHUP:
                self._pass_on(signal.SIGHUP)
                self.on_reload()
        stop = any(number != signal.SIGHUP for number in self._signals)
        self._signals.clear()
        return stop or self._exit != 0

    def _stop(self) -> None:
        self._pass_on(signal.SIGTERM)
        end = time.monotonic() + self.drain + _BEYOND
        for worker in self._here:
            worker.process.join(max(0.0, end - time.monotonic()))
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join()
            code = worker.process.exitcode or 0
            # One that was still being born had no handler for the signal yet, and nothing to drain.
            self._exit = self._exit or (0 if code == -signal.SIGTERM and not worker.ready else abs(code))
            worker.pipe.close()
        self._here.clear()

    def _pass_on(self, number: signal.Signals) -> None:
        for worker in self._here:
            if worker.process.pid is not None and worker.process.exitcode is None:
                os.kill(worker.process.pid, number)

    def end(self, code: int) -> None:
        """Stop them all, and return `code` from `run`. From any thread."""
        self._exit = code
        if self._wake is not None:
            os.write(self._wake, b".")

    @contextlib.contextmanager
    def _woken(self) -> Iterator[int]:
        """Turn signals into bytes on a pipe, so that waiting for processes and for signals is one wait."""
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

        def note(number: int, _frame: FrameType | None) -> None:
            self._signals.append(number)
            os.write(writing, b".")

        self._wake = writing

        before = {number: signal.signal(number, note) for number in _SIGNALS}
        try:
            yield reading
        finally:
            self._wake = None
            for number, former in before.items():
                signal.signal(number, former)
            os.close(reading)
            os.close(writing)
