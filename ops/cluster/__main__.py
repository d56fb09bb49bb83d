"""`ops/cluster/cluster`: the example cluster, privately, started, stopped and broken."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from gateway import config
from ops.cluster import layout, lifecycle
from ops.cluster.layout import BROKERS, DATABASES
from ops.dev.servers.processes import ServerError

ROOT = Path(__file__).parents[2]
_FAILED = 1


def main(arguments: list[str]) -> int:
    """Do what was asked; 1 and a sentence on standard error where that cannot be."""
    asked = _parser().parse_args(arguments)
    try:
        return _do(asked, asked.folder.absolute())
    except ServerError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return _FAILED


def _do(asked: argparse.Namespace, folder: Path) -> int:
    match asked.command:
        case "start":
            begun = time.monotonic()
            lifecycle.start(folder, config.load(asked.config).queues)
            print(f"{folder}/services.toml ({time.monotonic() - begun:.1f} s)")
        case "stop":
            lifecycle.stop(folder)
        case "status":
            cluster = layout.read(folder)
            nodes = cluster.nodes.values() if cluster else ()
            for node in nodes:
                print(f"{node.name}: {'running' if node.alive else 'down'} {dict(node.ports)}")
            return 0 if nodes and all(node.alive for node in nodes) else _FAILED
        case "down":
            lifecycle.down(folder, asked.node, kill=asked.kill)
        case _:
            lifecycle.up(folder, *asked.nodes)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ops/cluster/cluster", description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "gateway-cluster", help="where it lives"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    start = commands.add_parser("start", help="make and start all five nodes; wait until they are one cluster")
    start.add_argument(
        "--config", type=Path, default=ROOT / "config" / "gateway.toml", help="the gateway's, for its queues"
    )
    commands.add_parser("stop", help="stop them and remove the folder")
    commands.add_parser("status", help="say what runs; exit code 0 if all does")
    down = commands.add_parser("down", help="stop one node and keep its data")
    down.add_argument("--kill", action="store_true", help="as a power failure does")
    down.add_argument("node", choices=(*BROKERS, *DATABASES))
    up = commands.add_parser("up", help="start nodes that are down; brokers that make a majority together")
    up.add_argument("nodes", nargs="+", choices=(*BROKERS, *DATABASES))
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
