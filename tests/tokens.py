"""A real token: SoftHSM2, in this process or behind a daemon of its own that can be killed.

    box = Box.make(folder)
    source = box.key("receipt", private_key)      a key on the token, as the configuration would name it
    with box.daemon() as daemon:                  the same token over p11-kit's socket
        daemon.source("receipt"); daemon.kill(); daemon.start()

SoftHSM reads its environment once, when a process first opens it: one box a process.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.sources import Token
from gateway.trust.issuing import PrivateKey

SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
LABEL, PIN = "utbyte", "271828"
_WITHIN = 20.0


def tool(name: str) -> str:
    """Return a program's path; fail where it is not installed."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/local/bin")
    assert found, f"{name} is not installed: ops/dev/tools"
    return found


@dataclass(frozen=True)
class Box:
    """A token on disk."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Box:
        """Make an empty token, and have this process find it."""
        (folder / "tokens").mkdir()
        (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
        os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
        made = cls(folder)
        made.pin.write_text(f"{PIN}\n")
        made.pin.chmod(0o600)
        made.util("--init-token", "--free", "--label", LABEL, "--so-pin", "314159")
        return made

    @property
    def pin(self) -> Path:
        """The file with the PIN."""
        return self.folder / "pin"

    def util(self, *arguments: str) -> None:
        """Run SoftHSM's own tool."""
        words = [tool("softhsm2-util"), *arguments, "--pin", PIN]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr + done.stdout

    def key(self, label: str, key: PrivateKey) -> Token:
        """Put a key on the token; its id is made of the label."""
        file = self.folder / f"{label}.pem"
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.util("--import", str(file), "--token", LABEL, "--label", label, "--id", label.encode().hex())
        file.unlink()
        return self.source(label)

    def source(self, label: str, **changes: object) -> Token:
        """Name a key on it."""
        usual = {"module": SOFTHSM, "token": LABEL, "serial": None, "label": label, "id": None, "pin": self.pin}
        return Token(**(usual | changes))  # type: ignore[arg-type]

    @contextmanager
    def daemon(self) -> Iterator[Daemon]:
        """Serve the token from a process of its own."""
        made = Daemon(self)
        made.start()
        os.environ["P11_KIT_SERVER_ADDRESS"] = f"unix:path={made.socket}"
        try:
            yield made
        finally:
            made.kill()


class Daemon:
    """A process that lends the token over a socket, as a network token's daemon does."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self.socket = box.folder / "daemon"
        self._process: subprocess.Popen[bytes] | None = None

    def source(self, label: str) -> Token:
        """Name a key on it."""
        (client,) = Path("/usr/lib").glob("*/pkcs11/p11-kit-client.so")
        return self._box.source(label, module=client)

    def start(self) -> None:
        """Start it, and wait until it listens."""
        words = [tool("p11-kit"), "server", "--provider", str(SOFTHSM), "--foreground", "--name", str(self.socket)]
        self._process = subprocess.Popen(
            [*words, f"pkcs11:token={LABEL}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        end = time.monotonic() + _WITHIN
        while not self._listens():
            assert self._process.poll() is None, "the daemon ended"
            assert time.monotonic() < end, "the daemon does not listen"
            time.sleep(0.02)

    def _listens(self) -> bool:
        """Say whether it takes a connection: its socket is there a moment before that."""
        with socket.socket(socket.AF_UNIX) as asking:
            return asking.connect_ex(str(self.socket)) == 0

    def stop(self) -> None:
        """Let it stand still: it neither answers nor hangs up."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it, with all that it serves."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(_WITHIN)
            self._process = None
        self.socket.unlink(missing_ok=True)
