"""The latest signed checkpoint, kept once more outside the database.

A database restored from yesterday's copy is whole and consistent in itself; only something beside it can tell that it
was longer. The file is replaced whole after every checkpoint. It is a C2SP note, so anyone may fetch it and keep it:
the more copies elsewhere, the harder to shorten the log unseen. A copy on the same disk guards against mistakes, not
against whoever restores both.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from gateway.errors import IntegrityError
from gateway.sqlite import translated


def read(path: Path) -> bytes:
    """Return the signed note. Raises IntegrityError if it is not there."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise IntegrityError(f"{path.name} is not there: how long the log was cannot be told; restore it") from None


def write(path: Path, signed: bytes) -> None:
    """Replace the note: at every moment, and after any crash, there is a whole one. Raises UnavailableError."""
    with translated():
        # Several processes of one machine may write it, each under a name of its own until it is whole.
        new = path.with_suffix(f"{path.suffix}.{os.getpid()}-{threading.get_native_id()}.new")
        with new.open("wb") as file:
            file.write(signed)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
