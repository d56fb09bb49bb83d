"""Threads for what would hold up the event loop, and so many that may wait for one: whoever comes then is told so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from gateway import codes
from gateway.errors import UnavailableError

_T = TypeVar("_T")
THREADS: Final = 4


class Pool:
    """A bounded pool. Belongs to one event loop."""

    def __init__(self, name: str, *, bound: int, of: str) -> None:
        """Make it; no thread runs yet.

        Args:
            name: What its threads are called.
            bound: How much may be waited for at once, what runs included.
            of: What that is, for the log.
        """
        self.waiting = 0
        self._bound, self._of = bound, of
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=name)

    async def run(self, work: Callable[[], _T]) -> _T:
        """Return what `work` returns. Raises what it raises, and UnavailableError where too much waits."""
        if self.waiting >= self._bound:
            raise UnavailableError(codes.OVERLOADED, self._of)
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self.waiting -= 1

    def close(self) -> None:
        """Stop it. Nothing may be waited for."""
        self._threads.shutdown(wait=True)
