"""What every private RabbitMQ node needs: the shared cookie, the registry of nodes, the programs and their process.

A node has a folder of its own with `rabbitmq.conf` and `enabled_plugins`; `data`, `log` and process ids come to lie
there. Only loopback is listened on.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from ops.dev.servers import processes
from ops.dev.servers.packages import RABBITMQ


def cookie(home: Path) -> None:
    """Make the home folder of nodes that may speak with each other."""
    home.mkdir(mode=0o700, parents=True)
    file = home / ".erlang.cookie"
    file.write_text(secrets.token_hex(20))
    file.chmod(0o400)


def environment(  # noqa: PLR0913  # settings, each by its name
    own: Path, *, home: Path, name: str, registry: int, distribution: int, scheduling: str = ""
) -> Mapping[str, str]:
    """Return what a node's programs need, and what `rabbitmqctl` needs to speak with it.

    Args:
        own: The node's folder.
        home: Where the cookie is.
        name: The node's.
        registry: Port of the registry.
        distribution: Port on which nodes speak with each other.
        scheduling: More arguments for the machine.
    """
    return {
        "PATH": f"{RABBITMQ}:{os.environ.get('PATH', os.defpath)}",
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "ERL_EPMD_PORT": str(registry),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_CRASH_DUMP": str(own / "erl_crash.dump"),
        "RABBITMQ_NODENAME": name,
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_BASE": str(own),
        "RABBITMQ_MNESIA_BASE": str(own / "data"),
        "RABBITMQ_LOG_BASE": str(own / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(own / "enabled_plugins"),
        "RABBITMQ_CONFIG_FILE": str(own / "rabbitmq.conf"),
        "RABBITMQ_PID_FILE": str(own / "pid"),
        "RABBITMQ_CONF_ENV_FILE": str(own / "none"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-kernel inet_dist_use_interface {{127,0,0,1}} {scheduling}".strip(),
    }


def registry(folder: Path, surroundings: Mapping[str, str]) -> processes.Process:
    """Start the registry of nodes (epmd)."""
    return processes.start(
        ["epmd"], pidfile=folder / "epmd.pid", log=folder / "epmd.log", environment=surroundings, cwd=folder
    )


def launch(own: Path, surroundings: Mapping[str, str]) -> processes.Process:
    """Start a node's programs and return the shell that is the first of them; its words are in `start.log`."""
    (own / "pid").unlink(missing_ok=True)
    return processes.start(
        [RABBITMQ / "rabbitmq-server"],
        pidfile=own / "shell.pid", log=own / "start.log", environment=surroundings, cwd=own,
    )  # fmt: skip


def machine(own: Path) -> processes.Process | None:
    """Return the process that is the node; None before it has written its id, and when it has ended."""
    pid = processes.read_pid(own / "pid")
    return None if pid is None else processes.Process.of(pid)


def started(own: Path, name: str) -> processes.Process:
    """Return the process of a node that answers. Raises ServerError."""
    process = machine(own)
    if process is None:
        raise processes.ServerError(f"{name} wrote no process id\n{processes.tail(own / 'start.log')}")
    return process
