"""The example cluster for real: every role confined as its unit says, and nodes that die under it.

The private cluster is made from the very files that real machines get; what differs is addresses and paths.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from gateway.config import load
from ops.cluster import brokers, databases, layout, lifecycle
from ops.dev.servers.processes import ServerError
from tests.integration.installation import Installation, filters, until
from tests.integration.stage import ROOT

ADDRESSES = re.compile(r"listeners\.|\.port|\.ip$|file$|nodes\.\d$|^port$|^listen_addresses$|^unix_socket|^ssl$")
"""What may differ: where a node listens, where its files are, how the nodes are called."""
TUNED = {"disk_free_limit.relative", "vm_memory_high_watermark.relative", "cluster_formation.discovery_retry_limit",
         "log.console"}  # fmt: skip
"""And what three nodes on one small machine need."""


@pytest.fixture(scope="module")
def cluster():
    # Not pytest's folder: the databases may run as another account, which must be able to enter.
    folder = Path(tempfile.mkdtemp(prefix="gateway-cluster-"))
    lifecycle.start(folder, load(ROOT / "config" / "gateway.toml").queues)
    try:
        yield folder
    finally:
        lifecycle.stop(folder)


@pytest.fixture(scope="module")
def installation(cluster, tmp_path_factory):
    services = (cluster / "services.toml").read_text()
    made = Installation.make(tmp_path_factory.mktemp("cluster") / "data", services=services, confined=True)
    made.command("init")
    return made


def control(cluster, node, *words):
    environment = dict(brokers.environment(cluster, layout.read(cluster), node))
    done = subprocess.run(
        ["rabbitmqctl", "--quiet", *words], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def pairs(text):
    return dict(re.findall(r"^([a-z_.0-9]+) = (.*)$", text, re.MULTILINE))


class TestFiles:
    def test_a_private_broker_differs_from_the_example_by_addresses_alone(self, tmp_path):
        node = layout.Node(name="mq1", ports=dict.fromkeys(brokers.PORTS, 1))
        example = pairs((ROOT / "ops" / "cluster" / "rabbitmq" / "rabbitmq.conf").read_text())
        private = pairs(brokers.settings(tmp_path, node))
        changed = {key for key in example | private if example.get(key) != private.get(key)}
        assert {key for key in changed if not ADDRESSES.search(key)} == TUNED

    def test_a_private_database_differs_from_the_example_by_addresses_alone(self):
        node = layout.Node(name="db1", ports={"sql": 1})
        example = pairs((ROOT / "ops" / "cluster" / "postgresql" / "cluster.conf").read_text())
        private = pairs(databases.settings(node))
        changed = {key for key in example | private if example.get(key) != private.get(key)}
        assert all(ADDRESSES.search(key) for key in changed)
        assert "synchronous_standby_names" in private

    def test_a_setting_that_the_example_does_not_have_cannot_be_replaced(self):
        with pytest.raises(ServerError, match="not exactly one"):
            layout.replaced("a = 1\n", {"b": "2"})


def healthy(installation, process):
    """Ask as the image's health check does."""
    client, command = installation.data / "clients" / "skatteverket" / "tls.pem", installation.data / "cmdline"
    command.write_text("python\0gateway\0serve\0")
    environment = {
        **installation.environment,
        "GATEWAY_HEALTH_COMMAND": str(command),
        "GATEWAY_HEALTH_ADDRESS": str(process.told("server.started")["address"]),
        "GATEWAY_HEALTH_CERTIFICATE": str(client),
        "GATEWAY_HEALTH_AUTHORITY": str(installation.data / "pki" / "server-ca.pem"),
    }
    script = ROOT / "ops" / "container" / "healthcheck"
    return subprocess.run([sys.executable, script], env=environment, capture_output=True, check=False).returncode == 0


def test_confined_as_its_unit_says_an_embedded_gateway_works_and_its_image_calls_it_healthy(tmp_path):
    installation = Installation.make(tmp_path / "data", confined=True)
    installation.command("init")
    with installation.serving([]) as (process,):
        assert None not in installation.send(process, installation.messages(2))
        assert healthy(installation, process)
        assert len(installation.consume()) == 2
    assert not healthy(installation, process)


@pytest.mark.services
class TestCluster:
    def test_every_queue_has_a_member_on_every_node(self, cluster):
        said = control(cluster, "mq2", "list_queues", "-p", "gateway", "name", "type", "members", "--no-table-headers")
        rows = [line.split("\t") for line in said.splitlines()]
        queues = load(ROOT / "config" / "gateway.toml").queues
        assert len(rows) == sum(queue.partitions for queue in queues) + 1
        for name, kind, members in rows:
            assert (kind, len(members.split(","))) == ("quorum", 3), name

    def test_the_account_of_every_new_node_is_gone(self, cluster):
        assert "guest" not in control(cluster, "mq1", "list_users")

    def test_the_broker_is_what_the_configuration_needs(self, installation):
        assert "has what the configuration needs" in installation.command("broker", "check")

    def test_confined_as_their_units_say_the_roles_work_while_nodes_die_and_come_back(self, cluster, installation):
        assert filters() == "@system-service ~@privileged ~@resources"
        with installation.serving(["front"], ["relay"], ["integrator"]) as (front, relay, _):
            status = Path(f"/proc/{front.program.pid}/status").read_text()
            assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
            assert re.search(r"^Seccomp:\s+2$", status, re.MULTILINE)
            assert None not in installation.send(front, installation.messages(5))
            relay.told("broker.ready")
            events = installation.consume()
            # One of three: delivery goes on.
            lifecycle.down(cluster, "mq1", kill=True)
            assert None not in installation.send(front, installation.messages(5))
            until(lambda: events.extend(installation.consume()) or len(set(events)) == 10, "ten events", within=60)
            # Two of three: the last one pauses; we receive all the same, and the outbox keeps it.
            lifecycle.down(cluster, "mq2", kill=True)
            assert None not in installation.send(front, installation.messages(5))
            lifecycle.up(cluster, "mq1", "mq2")
            until(lambda: events.extend(installation.consume()) or len(set(events)) == 15, "fifteen events", within=90)
            installation.await_signed(15)
        assert installation.signed() == len(installation.sent) == 15
