"""What the programs' exit codes mean: here and nowhere else.

0  done, or a positive answer         3  the configuration is wrong: a person must edit a file
1  refused, or a negative answer      4  temporarily not possible: the same command may be tried again
2  wrong use of the command           5  our own records disagree: stop, and let a person look
6  something is missing: somebody must look after it

A usage error is click's own and is 2 already; everything that this project raises goes through `of`.
"""

from __future__ import annotations

from enum import IntEnum

from gateway.errors import ConfigError, GatewayError, IntegrityError, UnavailableError, UncertainError


class Exit(IntEnum):
    """The exit codes of every command."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    CONFIGURATION = 3
    UNAVAILABLE = 4
    INTEGRITY = 5
    GAP = 6


def of(error: GatewayError) -> Exit:
    """Return the exit code that tells the caller who must act."""
    match error:
        case ConfigError():
            return Exit.CONFIGURATION
        case UnavailableError() | UncertainError():
            return Exit.UNAVAILABLE
        case IntegrityError():
            return Exit.INTEGRITY
        case _:
            return Exit.REFUSED
