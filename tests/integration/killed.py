"""A child process that the power leaves at a given point: forked, so that it starts in no time, and killed for real."""

from __future__ import annotations

import os
import pickle
import signal
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass


class Axe:
    """A `faults` hook: kills its own process when a point is come to for the n-th time."""

    def __init__(self, point: str, nth: int = 1) -> None:
        self._point, self._left = point, nth

    def __call__(self, point: str) -> None:
        if point == self._point:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Ended:
    """What became of the child."""

    told: list[object]
    """What it told before it ended, in order: what the world outside saw."""
    killed: bool


class Child:
    """`work(tell)` in a process of its own; what it tells can be read one by one, or all at the end."""

    def __init__(self, work: Callable[[Callable[[object], None]], None]) -> None:
        self._pipe, writing = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            self._be(work, writing)
        os.close(writing)
        self._told: list[object] = []

    def hear(self) -> Iterator[object]:
        """Yield what it tells until it ends."""
        with os.fdopen(os.dup(self._pipe), "rb", buffering=0) as pipe:
            while len(head := pipe.read(4)) == 4:
                (length,) = struct.unpack(">I", head)
                data = b""
                while len(data) < length and (part := pipe.read(length - len(data))):
                    data += part
                if len(data) == length:
                    self._told.append(pickle.loads(data))  # noqa: S301  # our own child's
                    yield self._told[-1]

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)

    def end(self) -> Ended:
        """Hear it out and wait for it."""
        for _ in self.hear():
            pass
        os.close(self._pipe)
        _, status = os.waitpid(self._pid, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        assert killed or os.waitstatus_to_exitcode(status) == 0, "the child failed by itself"
        return Ended(self._told, killed)

    @staticmethod
    def _be(work: Callable[[Callable[[object], None]], None], writing: int) -> None:
        code = 1
        try:

            def tell(what: object) -> None:
                data = pickle.dumps(what)
                os.write(writing, struct.pack(">I", len(data)) + data)

            work(tell)
            code = 0
        finally:
            os._exit(code)
