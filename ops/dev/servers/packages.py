"""Debian's packages of the two servers: found, or installed where we may, without starting anything.

Installing a server on Debian starts it. We deny that with `policy-rc.d`, which is put back as it was, and where systemd
runs the new units are disabled too: what we install must not be running after the next start of the machine either.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ops.dev.servers.processes import ServerError, free_ports

RABBITMQ = Path("/usr/lib/rabbitmq/bin")
"""Not `/usr/sbin`: the programs there change to the system's own account and folder."""
_POSTGRESQL = Path("/usr/lib/postgresql")
_POLICY = Path("/usr/sbin/policy-rc.d")
_DENIED = 101
_UNITS = {
    "rabbitmq-server": ("rabbitmq-server.service", "epmd.socket", "epmd.service"),
    "postgresql-15": ("postgresql",),
}


def postgresql(installed: Path = _POSTGRESQL) -> Path | None:
    """Return the folder of the newest PostgreSQL's programs."""
    found = [path for path in installed.glob("*/bin") if (path / "initdb").exists() and path.parent.name.isdigit()]
    return max(found, key=lambda path: int(path.parent.name), default=None)


def missing(names: Sequence[str]) -> list[str]:
    """Return the packages that are needed for these servers and not there."""
    found = []
    if "rabbitmq" in names and not (RABBITMQ / "rabbitmq-server").exists():
        found.append("rabbitmq-server")
    if "postgresql" in names and postgresql() is None:
        found.append("postgresql-15")
    return found


def provide(names: Sequence[str]) -> None:
    """Install what is missing. Raises ServerError, naming it, where we may not or cannot."""
    wanted = missing(names)
    if not wanted:
        return
    install(wanted, allowed=os.getuid() == 0 and shutil.which("apt-get") is not None)
    left = missing(names)
    if left:
        raise ServerError(f"could not be installed: {', '.join(left)}")


def install(wanted: Sequence[str], *, allowed: bool) -> None:
    """Install Debian packages without starting anything. Raises ServerError where that is not allowed."""
    if not allowed:
        raise ServerError(f"not installed: {', '.join(wanted)}. As root: apt-get install {' '.join(wanted)}")
    print(f"installing {', '.join(wanted)}", flush=True)
    with nothing_starts(_POLICY):
        _install(wanted)


def _install(wanted: Sequence[str]) -> None:
    registry = str(free_ports(1)[0])
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "ERL_EPMD_PORT": registry}
    install = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *wanted]
    if subprocess.run(install, env=environment, check=False, capture_output=True).returncode != 0:
        subprocess.run(["apt-get", "update", "-qq"], env=environment, check=False, capture_output=True)
        done = subprocess.run(install, env=environment, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            print(done.stdout[-2000:], done.stderr[-2000:], sep="\n", flush=True)
    # RabbitMQ's installation runs Erlang, which leaves its registry of nodes behind: on the port we chose.
    if shutil.which("epmd") is not None:
        subprocess.run(["epmd", "-kill"], env=environment, check=False, capture_output=True)
    if Path("/run/systemd/system").is_dir():
        units = [unit for package in wanted for unit in _UNITS[package]]
        subprocess.run(["systemctl", "disable", "--quiet", *units], check=False, capture_output=True)


@contextmanager
def nothing_starts(policy: Path) -> Iterator[None]:
    """Deny every start of a service, and put back what was there; also after a run that was killed meanwhile."""
    saved = policy.with_name(f"{policy.name}.before-gateway")
    if os.path.lexists(policy) and not os.path.lexists(saved):
        policy.rename(saved)
    policy.write_text(f"#!/bin/sh\nexit {_DENIED}\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()
        if os.path.lexists(saved):
            saved.rename(policy)
