"""Starting, stopping and breaking the private cluster.

Brokers and databases start side by side; of the brokers all three at once, as they find each other while starting.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from gateway.config import Queue
from ops.cluster import brokers, databases, layout
from ops.cluster.layout import BROKERS, DATABASES, Cluster, Node
from ops.dev.servers import packages, processes
from ops.dev.servers.processes import Process, ServerError

_SERVICES = """\
[postgresql]
dsn = "{dsn}"
passfile = "{folder}/secrets/pgpass"

[rabbitmq]
hosts = [{hosts}]
authority = "{folder}/pki/authority.pem"
server_name = "localhost"
management = "https://127.0.0.1:{management}"
"""
_BY_CERTIFICATE = """
[rabbitmq.accounts.{duty}]
certificate = "{folder}/pki/gw-{duty}.pem"
key = "{folder}/pki/gw-{duty}.key"
"""
_MONITOR = """
[rabbitmq.accounts.monitor]
user = "gw-monitor"
password_file = "{folder}/secrets/gw-monitor.password"
"""


def start(folder: Path, queues: Sequence[Queue], *, only: Sequence[str] = (*BROKERS, *DATABASES)) -> Cluster:
    """Make and start a new cluster in a folder that is empty or absent. Raises ServerError; nothing is then left."""
    if layout.read(folder) is not None:
        raise ServerError(f"{folder} has a cluster: stop it first")
    with_brokers, with_databases = set(BROKERS) <= set(only), set(DATABASES) <= set(only)
    packages.provide([*(["rabbitmq"] if with_brokers else []), *(["postgresql"] if with_databases else [])])
    for name in ("pki", "secrets"):
        (folder / name).mkdir(mode=0o700, parents=True)
    folder.chmod(0o711)  # the databases' account passes through, and sees nothing
    cluster = _new(only)
    try:
        with ThreadPoolExecutor(2) as pool:
            kinds: list[Callable[[Path, Cluster, Sequence[Queue]], Cluster]] = []
            kinds += [_start_brokers] if with_brokers else []
            kinds += [_start_databases] if with_databases else []
            for made in [pool.submit(kind, folder, cluster, queues) for kind in kinds]:
                done = made.result()
                registry = done.registry or cluster.registry
                started = {name: node for name, node in done.nodes.items() if node.process is not None}
                cluster = replace(cluster, registry=registry, nodes={**cluster.nodes, **started})
    except BaseException:
        _end(folder, cluster)
        raise
    layout.write(folder, cluster)
    _describe(folder, cluster)
    return cluster


def _new(only: Sequence[str]) -> Cluster:
    wanted = {name: brokers.PORTS for name in BROKERS if name in only} | {
        name: ("sql",) for name in DATABASES if name in only
    }
    ports = iter(processes.free_ports(sum(map(len, wanted.values())) + 1))
    return Cluster(
        epmd=next(ports),
        nodes={name: Node(name=name, ports={use: next(ports) for use in uses}) for name, uses in wanted.items()},
    )


def _start_brokers(folder: Path, cluster: Cluster, queues: Sequence[Queue]) -> Cluster:
    brokers.prepare(folder, cluster, queues)
    cluster = replace(cluster, registry=brokers.registry(folder, cluster))
    shells = {name: brokers.launch(folder, cluster, name) for name in BROKERS}
    for name, shell in shells.items():
        process = brokers.await_ready(folder, cluster, name, shell)
        cluster = cluster.with_node(replace(cluster.nodes[name], process=process))
    brokers.form(folder, cluster)
    return cluster


def _start_databases(folder: Path, cluster: Cluster, _queues: Sequence[Queue]) -> Cluster:
    first, second = (cluster.nodes[name] for name in DATABASES)
    process = databases.make_primary(folder, first)
    second = replace(second, process=databases.make_replica(folder, first, second))
    # The replica follows: from now on every commit is on both.
    databases.stop(replace(first, process=process))
    first = replace(first, process=databases.launch(folder, first))
    await_replica(folder, first, second.name)
    return cluster.with_node(first).with_node(second)


def await_replica(folder: Path, primary: Node, name: str) -> None:
    """Wait until a replica follows synchronously. Raises ServerError."""
    asked = "SELECT count(*) FROM pg_stat_replication WHERE application_name = %s AND sync_state IN ('sync', 'quorum')"
    with databases.connect(folder, primary) as connection:
        if not processes.waited(lambda: connection.execute(asked, (name,)).fetchone() == (1,), within=30):
            raise ServerError(f"{name} does not follow {primary.name}")


def _describe(folder: Path, cluster: Cluster) -> None:
    mine = [cluster.nodes[name] for name in BROKERS if name in cluster.nodes]
    parts = []
    text = _SERVICES.format(
        folder=folder,
        dsn=databases.dsn(cluster.nodes) if DATABASES[0] in cluster.nodes else "",
        hosts=", ".join(f'"127.0.0.1:{node.ports["amqps"]}"' for node in mine),
        management=mine[0].ports["management"] if mine else 0,
    )
    sql, amqp = text.split("\n\n", 1)
    if DATABASES[0] in cluster.nodes:
        parts.append(sql + "\n")
    if mine:
        parts.append(amqp)
        parts += [_BY_CERTIFICATE.format(folder=folder, duty=duty) for duty in ("publisher", "consumer", "collector")]
        parts.append(_MONITOR.format(folder=folder))
    (folder / "services.toml").write_text("\n".join(parts))


def down(folder: Path, name: str, *, kill: bool = False) -> None:
    """Stop one node, in order or as a power failure does; its data stays for `up`."""
    node = node_of(folder, name)
    if kill:
        (brokers.kill if name in BROKERS else databases.kill)(node)
    elif name in BROKERS:
        brokers.stop(folder, node)
    else:
        databases.stop(node)


def up(folder: Path, *names: str) -> None:
    """Start nodes again: the same ports, the same data. Waits until each answers.

    Of brokers that are down, start as many as make a majority at once: one alone waits for the others' tables, and
    those that live have paused until they see a majority.
    """
    cluster = _read(folder)
    down = [name for name in names if not node_of(folder, name).alive]
    launched = {name: brokers.launch(folder, cluster, name) for name in down if name in BROKERS}
    for name in down:
        if name in BROKERS:
            process = brokers.await_ready(folder, cluster, name, launched[name])
        else:
            # Whoever died is not always buried yet, and PostgreSQL takes a number that is still there for a living one.
            (folder / name / "data" / "postmaster.pid").unlink(missing_ok=True)
            process = databases.launch(folder, node_of(folder, name))
        cluster = cluster.with_node(replace(node_of(folder, name), process=process))
        layout.write(folder, cluster)


def node_of(folder: Path, name: str) -> Node:
    """Return a node. Raises ServerError where there is none of that name."""
    cluster = _read(folder)
    if name not in cluster.nodes:
        raise ServerError(f"no {name} in {folder}: there are {', '.join(cluster.nodes)}")
    return cluster.nodes[name]


def _read(folder: Path) -> Cluster:
    cluster = layout.read(folder)
    if cluster is None:
        raise ServerError(f"no cluster in {folder}: ops/cluster/cluster start")
    return cluster


def stop(folder: Path) -> None:
    """Stop everything and remove the folder."""
    cluster = layout.read(folder)
    if cluster is not None:
        _end(folder, cluster)


def _end(folder: Path, cluster: Cluster) -> None:
    def one(node: Node) -> None:
        if node.name in BROKERS:
            brokers.stop(folder, node)
        else:
            databases.kill(_found(folder, node))

    with ThreadPoolExecutor(len(cluster.nodes)) as pool:
        list(pool.map(one, cluster.nodes.values()))
    pid = processes.read_pid(folder / "epmd.pid")
    registry = cluster.registry or (None if pid is None else Process.of(pid))
    if registry is not None:
        registry.end(signal.SIGKILL, within=5)
    shutil.rmtree(folder, ignore_errors=True)


def _found(folder: Path, node: Node) -> Node:
    pid = processes.read_pid(folder / node.name / "pid")
    return node if node.process or pid is None else replace(node, process=Process.of(pid))
