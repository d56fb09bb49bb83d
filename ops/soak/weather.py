"""Follows the plan for as long as messages flow: each fault in a thread of its own, so that they overlap."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from ops.soak import faults
from ops.soak.faults import Done
from ops.soak.fleet import Fleet
from ops.soak.schedule import Planned


class Storm:
    """Everything that goes wrong, from `begin` to `end`."""

    def __init__(self, plan: Iterator[Planned], fleet: Fleet) -> None:
        """Nothing happens before `begin`."""
        self._plan, self._fleet = plan, fleet
        self._healed = threading.Event()
        self._began = 0.0
        self._thread = threading.Thread(target=self._run, name="storm", daemon=True)
        self._running: list[threading.Thread] = []
        self._lock = threading.Lock()
        self.done: list[Done] = []
        self.missed: list[Planned] = []
        """Planned, but there was nothing to do it to."""
        self.planned: list[Planned] = []

    @property
    def begun(self) -> bool:
        """Whether `begin` was called."""
        return self._thread.ident is not None

    def begin(self) -> None:
        """Let it begin."""
        self._began = time.monotonic()
        self._thread.start()

    def end(self) -> None:
        """Undo everything that lasts, and wait until that is done."""
        self._healed.set()
        if not self.begun:
            return
        self._thread.join()
        for one in self._running:
            one.join()
        for link in self._fleet.links.values():
            link.heal()

    def elapsed(self) -> float:
        """Return the seconds since it began."""
        return time.monotonic() - self._began

    def _run(self) -> None:
        for planned in self._plan:
            if self._healed.wait(max(0.0, planned.at - self.elapsed())):
                return
            self.planned.append(planned)
            one = threading.Thread(target=self._one, args=(planned,), name=planned.kind.value, daemon=True)
            self._running.append(one)
            one.start()

    def _one(self, planned: Planned) -> None:
        try:
            done = faults.inject(planned, self._fleet, self._healed, self.elapsed)
        except Exception as error:  # noqa: BLE001  # whatever it is, the soak is not one any more
            self._fleet.fail(f"the fault itself failed: {planned.kind}, {planned.target}: {error!r}")
            return
        with self._lock:
            if done is None:
                self.missed.append(planned)
            else:
                self.done.append(done)
