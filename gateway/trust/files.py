"""Files that trust rests on: secrets that only we may read, and whether a file is still the one that was read."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from gateway.errors import ConfigError
from gateway.sources import CREDENTIAL

Stamp = tuple[int, int, int] | None
"""When a file was changed, its size and its inode; None where there is none."""


def secret(path: Path, key: str) -> bytes:
    """Read a private file. Raises ConfigError where it cannot be read, or everybody may; `key` names the setting."""
    try:
        if path.stat().st_mode & stat.S_IRWXO:
            raise ConfigError(f"{key}: {path}: every user of this machine may use it; chmod o= {path}")
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{key}: {path}: cannot be read: {_reason(path, error)}") from None


def stamps(paths: Iterable[Path]) -> Mapping[Path, Stamp]:
    """Return how the files stand. To be asked before they are read: a change meanwhile is then seen the next time."""
    return {path: _stamp(path) for path in paths}


def same(known: Mapping[Path, Stamp]) -> bool:
    """Tell whether every file still stands as it did."""
    return all(_stamp(path) == stamp for path, stamp in known.items())


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _reason(path: Path, error: OSError) -> str:
    if str(path).startswith(CREDENTIAL):
        return "systemd has handed this process no credentials (LoadCredential=)"
    return error.strerror or type(error).__name__
