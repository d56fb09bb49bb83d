"""Strangers are counted, not logged one by one: whoever holds a certificate must not be able to fill our disks."""

from __future__ import annotations

import time

from gateway import codes, logs
from gateway.logs import Happened

INTERVAL = 60.0
"""Seconds between two lines at least."""


class Strangers:
    """How many peers were turned away since the start. Belongs to one event loop."""

    def __init__(self) -> None:
        self.count = 0
        self._told = float("-inf")

    def add(self, code: codes.Code) -> None:
        """Count one; tell of the sum at most once in a while."""
        self.count += 1
        now = time.monotonic()
        if now - self._told >= INTERVAL:
            self._told = now
            logs.tell(Happened.PEER_UNKNOWN, count=self.count, code=code.name)
