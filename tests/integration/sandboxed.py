"""Runs a program as a unit would have it run: no capabilities, only its system calls, no memory both written and run.

    python sandboxed.py '@system-service ~@privileged ~@resources' PROGRAM ARGUMENTS…

What each set holds is systemd's own word (`systemd-analyze syscall-filter`); the kernel does the refusing. Refused
calls get EPERM, as with `SystemCallErrorNumber=EPERM`. systemd always allows `@default`, and so does this.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Sequence

_ALLOW, _EPERM = 0x7FFF0000, 0x00050001
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_SET_MDWE = 24, 38, 65
_LAST_CAPABILITY = 63


def calls(names: Sequence[str]) -> set[str]:
    """Return the system calls in these sets; those after `~` are taken away."""
    found: set[str] = set(_expanded("@default"))
    for name in names:
        if name.startswith("~"):
            found -= _expanded(name[1:])
        else:
            found |= _expanded(name)
    return found


def _expanded(name: str) -> set[str]:
    if not name.startswith("@"):
        return {name}
    said = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager", name], capture_output=True, text=True, check=True
    )
    found: set[str] = set()
    for line in said.stdout.splitlines()[1:]:
        word = line.strip()
        if word and not word.startswith("#"):
            found |= _expanded(word)
    return found


def confine(allowed: set[str]) -> None:
    """Confine this process and all that it starts, for good. Raises OSError where the kernel does not take it."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(_LAST_CAPABILITY + 1):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # one that this kernel does not know is not there
    _done(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _done(libc.prctl(_PR_SET_MDWE, 1, 0, 0, 0))
    seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(_EPERM))
    for name in sorted(allowed):
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # below: of another architecture
            _done(seccomp.seccomp_rule_add(context, _ALLOW, number, 0))
    _done(seccomp.seccomp_load(context))


def _done(code: int) -> None:
    if code != 0:
        raise OSError(ctypes.get_errno() or -code, "the kernel does not confine")


if __name__ == "__main__":
    confine(calls(sys.argv[1].split()))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606  # what the test names
