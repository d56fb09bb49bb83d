"""Three private RabbitMQ nodes from `rabbitmq/`: one registry (epmd), own ports, started side by side.

Real machines have one node each, called `rabbit@mq1`; here all are on one machine, so they are `mq1@localhost`. As on
real machines `form` then imports the definitions, when all three are there.
"""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.broker.rabbitmq import topology
from gateway.config import Queue
from ops.cluster.layout import BROKERS, HERE, Cluster, Node, replaced
from ops.dev.servers import certificates, nodes, processes
from ops.dev.servers.state import VIRTUAL_HOST

PORTS = ("amqps", "management", "prometheus", "distribution")
START_WITHIN = 120.0
STOP_WITHIN = 30.0
MONITOR = "gw-monitor"


def prepare(folder: Path, cluster: Cluster, queues: Sequence[Queue]) -> None:
    """Write everything that the nodes need: certificates, the shared cookie, settings, definitions."""
    certificates.make(folder / "pki")
    nodes.cookie(folder / "home")
    for name in BROKERS:
        own = folder / name
        own.mkdir(mode=0o700)
        (own / "enabled_plugins").write_text((HERE / "rabbitmq" / "enabled_plugins").read_text())
        (own / "rabbitmq.conf").write_text(settings(folder, cluster.nodes[name]))
    password = secrets.token_urlsafe(24)
    _private(folder / "secrets" / f"{MONITOR}.password", password)
    made = topology.definitions(queues, VIRTUAL_HOST, passwords={MONITOR: password}, random=secrets.token_bytes)
    _private(folder / "definitions.json", json.dumps(made, indent=2))


def settings(folder: Path, node: Node) -> str:
    """Return a node's rabbitmq.conf: the example's, with this machine's addresses and files."""
    pki = folder / "pki"
    tls = {"cacertfile": "authority.pem", "certfile": "rabbitmq.pem", "keyfile": "rabbitmq.key"}
    changes = {
        "listeners.ssl.default": f"127.0.0.1:{node.ports['amqps']}",
        "management.ssl.port": str(node.ports["management"]),
        **{f"cluster_formation.classic_config.nodes.{n}": nodename(name) for n, name in enumerate(BROKERS, 1)},
        **{f"{part}.{key}": str(pki / file) for part in ("ssl_options", "management.ssl") for key, file in tls.items()},
        "disk_free_limit.relative": "0.01",
        "vm_memory_high_watermark.relative": "0.2",
    }
    own = (
        "management.ssl.ip = 127.0.0.1\n"
        f"prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = {node.ports['prometheus']}\n"
        # The first node need not ask five seconds long for a cluster that cannot be there: all three are new.
        "cluster_formation.discovery_retry_limit = 2\n"
        "log.console = false\n"
    )
    return replaced((HERE / "rabbitmq" / "rabbitmq.conf").read_text(), changes) + own


def nodename(name: str) -> str:
    """Return how a node is called in its cluster."""
    return f"{name}@localhost"


def registry(folder: Path, cluster: Cluster) -> processes.Process:
    """Start the registry that the nodes share."""
    return nodes.registry(folder, environment(folder, cluster, BROKERS[0]))


def launch(folder: Path, cluster: Cluster, name: str) -> processes.Process:
    """Start a node's programs and return the shell that is the first of them; `await_ready` waits for the node."""
    return nodes.launch(folder / name, environment(folder, cluster, name))


def await_ready(folder: Path, cluster: Cluster, name: str, shell: processes.Process) -> processes.Process:
    """Wait until a node takes clients; return its process. Raises ServerError.

    RabbitMQ 3.10 ends where it asks another node for its feature flags before that one has read its own. So a node that
    says so is started once more: by then the other has.
    """
    own = folder / name
    port, log = cluster.nodes[name].ports["amqps"], own / "start.log"
    try:
        processes.ready(lambda: processes.listening(port), shell, log, name=name, within=START_WITHIN)
    except processes.ServerError:
        if shell.alive or b"incompatible_feature_flags" not in log.read_bytes():
            raise
        shell = launch(folder, cluster, name)
        processes.ready(lambda: processes.listening(port), shell, log, name=name, within=START_WITHIN)
    return nodes.started(own, name)


def form(folder: Path, cluster: Cluster) -> None:
    """Import the definitions, by the script that real machines use. Raises ServerError."""
    done = subprocess.run(
        [HERE / "rabbitmq" / "form", folder / "definitions.json"],
        env=environment(folder, cluster, BROKERS[0]), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise processes.ServerError(f"form: {done.stdout[-500:]}{done.stderr[-1000:]}")


def stop(folder: Path, node: Node) -> None:
    """Stop a node in order; one that is still starting, too."""
    for process in (node.process, nodes.machine(folder / node.name)):
        if process is not None and process.alive:
            process.end(signal.SIGTERM, within=STOP_WITHIN)


def kill(node: Node) -> None:
    """End a node as a power failure does."""
    if node.process is not None:
        node.process.end(signal.SIGKILL, within=10)


def environment(folder: Path, cluster: Cluster, name: str) -> Mapping[str, str]:
    """Return what a node's programs need, and what `rabbitmqctl` needs to speak with it."""
    return nodes.environment(
        folder / name,
        home=folder / "home",
        name=nodename(name),
        registry=cluster.epmd,
        distribution=cluster.nodes[name].ports["distribution"],
        # Three nodes share few processors: those that have nothing to do must not spin.
        scheduling="+S 1:1 +sbwt none",
    )


def _private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
