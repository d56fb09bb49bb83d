"""Is it alive, and may it be sent messages? For the machine that watches us, with a client certificate of its own.

`/health/live` answers while the event loop turns. `/health/ready` answers 200 only if messages can be accepted and
proven now, else 503; the body names what is wrong, by name, without secrets:

    journal      the store can be written
    log          every leaf promised is in a signed checkpoint within the maximum merge delay
    readings     so is every reading of the log, in the log of readings
    revocation   every revocation list that a partner requires is fresh
    draining     false; true while the server stops
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

import orjson

from gateway import logs
from gateway.transport import reply
from gateway.transport.front import Front
from gateway.transport.reply import Receive, Reply, Scope, Send

Checks = Callable[[], Mapping[str, bool]]
"""May read files; is called in a thread."""

FRESH = 1.0
"""Seconds that an answer is good for: a watcher in a hurry must not load the store."""


class Live:
    """The process turns its loop."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI
        """Answer 200 (ASGI)."""
        await reply.send(_json(200, {"live": True}), send)


class Ready:
    """Messages can be accepted and proven now."""

    def __init__(self, front: Front, checks: Checks) -> None:
        self._front = front
        self._checks = checks
        self._known: Mapping[str, bool] = {}
        self._at = float("-inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI
        """Answer 200 or 503 (ASGI)."""
        if time.monotonic() - self._at > FRESH:
            try:
                self._known = await asyncio.to_thread(self._checks)
            except Exception as error:  # noqa: BLE001  # a check that breaks is a check that fails
                logs.fault(error)
                self._known = {"checks": False}
            self._at = time.monotonic()
        ready = all(self._known.values()) and not self._front.draining
        state = {"ready": ready, "checks": dict(self._known), "draining": self._front.draining}
        await reply.send(_json(200 if ready else 503, state), send)


def _json(status: int, value: object) -> Reply:
    return Reply(status=status, content_type="application/json", body=orjson.dumps(value))
