"""A private RabbitMQ node: Debian's programs, our ports, our folder, our own registry of nodes.

`load_definitions` makes the accounts before the first client can connect, and no `guest`. Accounts log in by client
certificate (EXTERNAL, its commonName) or by password; an administrator with a random password is for tests.
"""

from __future__ import annotations

import http.client
import json
import secrets
import signal
import socket
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.broker.rabbitmq import topology
from gateway.config import Queue
from ops.dev.servers import certificates, nodes, processes
from ops.dev.servers.management import Management, ManagementError
from ops.dev.servers.packages import RABBITMQ
from ops.dev.servers.state import ROOT, VIRTUAL_HOST, RabbitMQ

ADMIN = "admin"
EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}
"""What the administrator may do on a virtual host."""
START_WITHIN = 90.0
STOP_WITHIN = 20.0
_PLUGINS = "[rabbitmq_management,rabbitmq_auth_mechanism_ssl,rabbitmq_prometheus]."
_PORTS = ("amqp", "amqps", "management", "management_tls", "prometheus", "distribution", "epmd")
_SETTINGS = """\
listeners.tcp.default = 127.0.0.1:{amqp}
listeners.ssl.default = 127.0.0.1:{amqps}
ssl_options.cacertfile = {pki}/authority.pem
ssl_options.certfile = {pki}/rabbitmq.pem
ssl_options.keyfile = {pki}/rabbitmq.key
ssl_options.versions.1 = tlsv1.3
ssl_options.versions.2 = tlsv1.2
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = false
ssl_cert_login_from = common_name
auth_mechanisms.1 = EXTERNAL
auth_mechanisms.2 = PLAIN
management.tcp.ip = 127.0.0.1
management.tcp.port = {management}
management.ssl.ip = 127.0.0.1
management.ssl.port = {management_tls}
management.ssl.cacertfile = {pki}/authority.pem
management.ssl.certfile = {pki}/rabbitmq.pem
management.ssl.keyfile = {pki}/rabbitmq.key
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = {prometheus}
load_definitions = {own}/definitions.json
collect_statistics_interval = 1000
disk_free_limit.absolute = 200MB
vm_memory_high_watermark.relative = 0.4
log.console = false
log.file.level = info
"""


def start(folder: Path) -> RabbitMQ:
    """Make a node in `folder/rabbitmq` and start it. Raises ServerError."""
    own = folder / "rabbitmq"
    own.mkdir(mode=0o700, parents=True)
    certificates.make(folder / "pki")
    ports = dict(zip(_PORTS, processes.free_ports(len(_PORTS)), strict=True))
    nodes.cookie(own / "home")
    (own / "enabled_plugins").write_text(_PLUGINS)
    (own / "rabbitmq.conf").write_text(_SETTINGS.format(pki=folder / "pki", own=own, **ports))
    definitions = own / "definitions.json"
    definitions.touch(mode=0o600)
    definitions.write_text(json.dumps(_definitions(folder / "secrets")))
    return _run(folder, ports)


def again(folder: Path, old: RabbitMQ) -> RabbitMQ:
    """Start the same node again: the same ports, the same data."""
    return _run(folder, {name: getattr(old, name) for name in _PORTS})


def _run(folder: Path, ports: dict[str, int]) -> RabbitMQ:
    own = folder / "rabbitmq"
    environment, log = _environment(own, ports), own / "start.log"
    registry = nodes.registry(own, environment)
    shell = nodes.launch(own, environment)
    password = (folder / "secrets" / f"{ADMIN}.password").read_text()
    management = Management(port=ports["management"], user=ADMIN, password=password, timeout=2)
    try:
        processes.ready(
            lambda: _answers(management) and _greets(ports["amqp"]), shell, log, name="RabbitMQ", within=START_WITHIN
        )
        return RabbitMQ(admin=ADMIN, process=nodes.started(own, "RabbitMQ"), registry=registry, **ports)
    except BaseException:
        _kill_all(own, shell, registry)
        raise


def _kill_all(own: Path, *started: processes.Process) -> None:
    machine = nodes.machine(own)
    for process in (*started, *(() if machine is None else (machine,))):
        process.end(signal.SIGKILL, within=5)


def stop(node: RabbitMQ, *, within: float = STOP_WITHIN) -> None:
    """Stop the node in order, within so many seconds, and its registry."""
    node.process.end(signal.SIGTERM, within=within)
    node.registry.end(signal.SIGKILL, within=5)


def kill(node: RabbitMQ) -> None:
    """End it as a power failure does: nothing is flushed, nobody is told."""
    node.process.end(signal.SIGKILL, within=10)
    node.registry.end(signal.SIGKILL, within=5)


def pause(node: RabbitMQ) -> None:
    """Let it stand still: connections stay open and nobody answers."""
    node.process.send(signal.SIGSTOP)


def resume(node: RabbitMQ) -> None:
    """Let it go on."""
    node.process.send(signal.SIGCONT)


_CONTROLLED = 240
"""Seconds: it starts a machine of its own, and on a host with ten times more to do than it can has taken a minute."""


def control(folder: Path, node: RabbitMQ, *arguments: str) -> str:
    """Run `rabbitmqctl` against the node and return what it printed; some two seconds.

    Alarms, for one, can be had in no other way: `set_vm_memory_high_watermark`, `set_disk_free_limit`.
    """
    own = folder / "rabbitmq"
    ports = {name: getattr(node, name) for name in _PORTS}
    done = subprocess.run(
        [RABBITMQ / "rabbitmqctl", "--quiet", *arguments],
        env=_environment(own, ports), cwd=own, capture_output=True, text=True, check=False, timeout=_CONTROLLED,
    )  # fmt: skip
    if done.returncode != 0:
        raise processes.ServerError(f"rabbitmqctl {arguments[0]}: {done.stderr[-500:]}")
    return done.stdout


def _answers(management: Management) -> bool:
    try:
        management.call("GET", "vhosts", VIRTUAL_HOST)
    except (OSError, http.client.HTTPException, ManagementError):
        return False
    return True


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as client:
            client.sendall(b"AMQP\x00\x00\x09\x01")
            return client.recv(1) == b"\x01"
    except OSError:
        return False


def _definitions(folder: Path) -> dict[str, object]:
    """Return what `topology` says of a virtual host with the queues of `config/`, and an administrator."""
    passwords = {}
    for name in (*topology.PERMISSIONS, ADMIN):
        passwords[name] = secrets.token_urlsafe(24)
        path = folder / f"{name}.password"
        path.touch(mode=0o600)
        path.write_text(passwords[name])
    table = tomllib.loads((ROOT / "config" / "queues.toml").read_text(encoding="utf-8"))
    queues = [Queue.model_validate(row) for row in table["queue"]]
    made: dict[str, Any] = topology.definitions(queues, VIRTUAL_HOST, passwords=passwords, random=secrets.token_bytes)
    admin = made["users"][0] | {
        "name": ADMIN,
        "password_hash": topology.password_hash(passwords[ADMIN], secrets.token_bytes(4)),
        "tags": ["administrator"],
    }
    made["users"].append(admin)
    made["permissions"].append({"user": ADMIN, "vhost": VIRTUAL_HOST, **EVERYTHING})
    return made


def _environment(own: Path, ports: Mapping[str, int]) -> Mapping[str, str]:
    return {
        **nodes.environment(
            own,
            home=own / "home",
            name="gateway@localhost",
            registry=ports["epmd"],
            distribution=ports["distribution"],
        ),
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(ports["amqp"]),
    }
