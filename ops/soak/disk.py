"""A small disk of its own for the store, which can be full: a tmpfs, where we are root and may mount one.

Anywhere else a full disk cannot be had without filling the machine's, and the soak says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


class Disk:
    """A file system of so many bytes."""

    def __init__(self, folder: Path, size: int) -> None:
        """Mount it at `folder`. Raises OSError where that is not allowed."""
        self.folder = folder
        folder.mkdir(mode=0o711)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0711", "soak", folder],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            folder.rmdir()
            raise OSError(done.stderr.strip())

    def move(self, path: Path) -> None:
        """Move a folder onto it, and leave a link in its place; owner and mode stay."""
        owner = path.stat()
        shutil.copytree(path, self.folder / path.name, symlinks=True, copy_function=_copied)
        for found in (self.folder / path.name, *(self.folder / path.name).rglob("*")):
            os.chown(found, owner.st_uid, owner.st_gid)
        shutil.rmtree(path)
        path.symlink_to(self.folder / path.name)

    def fill(self) -> int:
        """Take what is free, and what others give back meanwhile is theirs; return how many bytes that was."""
        taken = 0
        with (self.folder / "ballast").open("wb") as file:
            while free := self._left():
                try:
                    os.posix_fallocate(file.fileno(), taken, free)
                except OSError:  # somebody took some of it between the look and the deed
                    continue
                taken += free
        return taken

    def _left(self) -> int:
        about = os.statvfs(self.folder)
        return about.f_bavail * about.f_frsize

    def free(self) -> None:
        """Give it back."""
        (self.folder / "ballast").unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount it: what is on it is gone."""
        subprocess.run(["umount", "--lazy", self.folder], capture_output=True, check=False)
        self.folder.rmdir()


def _copied(source: str, target: str) -> str:
    return str(shutil.copy2(source, target))
