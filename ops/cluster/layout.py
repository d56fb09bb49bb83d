"""The folder of a private cluster, and the files for real machines that it is made from.

    cluster.json      nodes, ports, processes
    services.toml     how a gateway reaches them, in the form of `gateway/services.py`
    environment       the same for the programs that runbooks use (`. environment`)
    pki/ secrets/     as in `ops/dev/servers`
    mq1/ mq2/ mq3/    RabbitMQ
    db1/ db2/         PostgreSQL

The settings of each node are the example's with some replaced: what names a machine, a port or a file. `replaced`
refuses a name that the example does not have, so the private cluster cannot drift from the one that is described.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ops.dev.servers.processes import Process, ServerError

HERE = Path(__file__).parent
BROKERS = ("mq1", "mq2", "mq3")
DATABASES = ("db1", "db2")
FILE = "cluster.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One server of the cluster."""

    name: str
    ports: Mapping[str, int]
    process: Process | None = None

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.alive


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """All of it."""

    epmd: int
    """Port of the registry of nodes that the brokers share."""
    registry: Process | None = None
    nodes: Mapping[str, Node] = field(default_factory=dict)

    def with_node(self, node: Node) -> Cluster:
        """Return the same with another state of one node."""
        return Cluster(epmd=self.epmd, registry=self.registry, nodes={**self.nodes, node.name: node})


def replaced(example: str, changes: Mapping[str, str]) -> str:
    """Return an example's `name = value` lines with other values. Raises ServerError for a name it does not have."""
    text = example
    for name, value in changes.items():
        line = re.compile(rf"^{re.escape(name)} = .*$", re.MULTILINE)
        if len(line.findall(text)) != 1:
            raise ServerError(f"the example has not exactly one {name}")
        text = line.sub(f"{name} = {value}".replace("\\", r"\\"), text)
    return text


def write(folder: Path, cluster: Cluster) -> None:
    """Write `cluster.json` whole or not at all."""
    new = folder / f"{FILE}.new"
    new.write_text(json.dumps(asdict(cluster), indent=2) + "\n")
    new.replace(folder / FILE)


def read(folder: Path) -> Cluster | None:
    """Return what was written last, None where there is no cluster."""
    try:
        table = json.loads((folder / FILE).read_text())
    except FileNotFoundError:
        return None
    return Cluster(
        epmd=table["epmd"],
        registry=_process(table["registry"]),
        nodes={
            name: Node(name=name, ports=node["ports"], process=_process(node["process"]))
            for name, node in table["nodes"].items()
        },
    )


def _process(table: dict[str, Any] | None) -> Process | None:
    return None if table is None else Process(**table)
