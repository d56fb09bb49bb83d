"""Tracebacks in the soak's logs: what a program of ours did not expect is told with its whole way there.

The product tells an error's type and place only, because its text may quote a message. Here are no real persons, and
whoever looks for the cause needs the rest.
"""

from __future__ import annotations

import sys
import traceback

import orjson

from gateway import logs
from gateway.errors import GatewayError


def keep() -> None:
    """From now on tell the traceback of every fault that is not one of our own errors."""
    tell = logs.fault

    def told(error: BaseException) -> None:
        tell(error)
        if not isinstance(error, GatewayError):
            lines = "".join(traceback.format_exception(error)).splitlines()
            said = {"event": "trace", "last": lines[-1], "lines": lines}
            sys.stderr.buffer.write(orjson.dumps(said) + b"\n")
            sys.stderr.buffer.flush()

    logs.fault = told
