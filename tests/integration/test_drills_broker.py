"""The broker is gone with everything on it, and is built again from nothing.

Follows docs/runbooks/brokern-fran-noll.md word for word on a RabbitMQ of its own.
"""

import shutil
import sqlite3
from pathlib import Path

import pytest

from gateway import consumer
from ops.dev.servers import rabbitmq, settings, state
from ops.dev.servers.packages import RABBITMQ
from tests.integration.installation import PURPOSE, QUEUE, Installation
from tests.integration.runbook import Runbook

pytestmark = pytest.mark.services


@pytest.fixture
def installation(own_rabbitmq, tmp_path):
    configured = Installation.make(tmp_path / "data").stage().configuration
    with own_rabbitmq.virtual_host(configured.queues) as reached:
        text = settings.text(own_rabbitmq.folder, state.read(own_rabbitmq.folder), virtual_host=reached.virtual_host)
        made = Installation.make(tmp_path / "own", services=text)
        made.command("init")
        yield made


@pytest.fixture
def database(tmp_path):
    made = sqlite3.connect(tmp_path / "consumer.db")
    made.execute(consumer.CREATE)
    yield made
    made.close()


def handled(installation, database, count):
    """Receive until so many events have come; return every id that came, and those that were new to this consumer."""
    came, new = [], []
    configuration = installation.stage().configuration
    with consumer.connect(configuration, queue=QUEUE, purpose=PURPOSE) as inbox:
        for event in inbox.events(stop=lambda: len(set(came)) >= count, idle=45.0):
            came.append(event.id)
            with event.handling(database) as first:
                if first:
                    new.append(event.id)
    return came, new


def surroundings(own, installation):
    node = own.rabbitmq
    ports = {name: getattr(node, name) for name in rabbitmq._PORTS}
    broker = rabbitmq._environment(own.folder / "rabbitmq", ports)
    services = installation.stage().configuration.services.rabbitmq
    return {
        **installation.environment,
        **broker,
        "PATH": f"{installation.environment['PATH']}:{broker['PATH']}",
        "RABBITMQCTL": RABBITMQ / "rabbitmqctl",  # of the private node: Debian's wrapper would change the account
        "DEFINITIONER": installation.data / "definitions.json",
        "VHOST": services.virtual_host,
    }


def test_what_was_not_confirmed_is_delivered_and_what_the_consumer_had_is_recognised(
    own_rabbitmq, installation, database
):
    environment = surroundings(own_rabbitmq, installation)
    store = installation.data / "store" / "gateway.db"
    with installation.serving(["front"], ["integrator"]) as (front, _):
        assert None not in installation.send(front, installation.messages(3))
        installation.await_signed(3)
    before = Path(shutil.copy(store, installation.data / "before.db"))
    with installation.serving(["relay"]):
        came, known = handled(installation, database, 3)
    assert len(came) == len(set(came)) == len(known) == 3
    # As if the relay had died after the broker's confirmation and before it wrote it down.
    shutil.copy(before, store)
    own_rabbitmq.management.call("DELETE", "vhosts", environment["VHOST"])
    with (
        Runbook("brokern-fran-noll") as runbook,
        installation.serving(["front"], ["relay"], ["integrator"]) as (front, *_),
    ):
        assert None not in installation.send(front, installation.messages(3))
        runbook.run("skapa", environment)
        runbook.run("rattigheter", environment)
        runbook.run("prova", environment)
        came, new = handled(installation, database, 6)
        assert set(known) < set(came)
        assert len(set(came)) == 6
        assert set(new) == set(came) - set(known)
        assert len(new) == 3
        installation.await_signed(6)
    assert installation.signed() == 6
