"""Who answers for a command: the user of the operating system that runs it."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping


def me() -> str:
    """Return who runs this process."""
    return person(os.getuid(), os.environ)


def person(uid: int, environment: Mapping[str, str]) -> str:
    """Return the name of a user; behind sudo, of who called it.

    Only root may say that somebody else called it: to anybody else SUDO_USER is just a variable.
    """
    behind = environment.get("SUDO_USER", "")
    try:
        if uid == 0 and behind:
            return pwd.getpwnam(behind).pw_name
    except KeyError:
        pass  # no user of this machine: root itself answers
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
