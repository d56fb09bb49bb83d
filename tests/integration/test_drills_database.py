"""The database's primary dies, or its replica does: nothing that was receipted is lost, and nothing is restarted.

Follows docs/runbooks/databasen-tar-over.md word for word on a private primary with its replica.
"""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ops.cluster import databases, layout, lifecycle
from tests.integration.installation import Installation, until
from tests.integration.runbook import Runbook
from tests.integration.stage import ROOT

pytestmark = pytest.mark.services


@pytest.fixture
def cluster():
    # Not pytest's folder: the servers may run as another account, which must be able to enter.
    folder = Path(tempfile.mkdtemp(prefix="gateway-drill-"))
    lifecycle.start(folder, (), only=layout.DATABASES)
    try:
        yield folder
    finally:
        lifecycle.stop(folder)


@pytest.fixture
def installation(cluster, tmp_path):
    services = (cluster / "services.toml").read_text()
    made = Installation.make(tmp_path / "data", services=services)
    made.command("init")
    return made


def surroundings(cluster, installation):
    old, new = (lifecycle.node_of(cluster, name) for name in layout.DATABASES)
    return {
        **databases.surroundings(),
        **installation.environment,
        "PGPASSFILE": cluster / "secrets" / "pgpass-superuser",
        "NY_HOST": "127.0.0.1",
        "NY_PORT": str(new.ports["sql"]),
        "GAMMAL_DATA": cluster / old.name / "data",
        "GAMMAL_NAMN": old.name,
    }


def test_the_replica_takes_over_and_every_receipted_message_is_there(cluster, installation):
    messages = installation.messages(12)
    environment = surroundings(cluster, installation)
    with (
        Runbook("databasen-tar-over") as runbook,
        installation.serving(["front"], ["relay"], ["integrator"]) as (front, _relay, _integrator),
    ):
        assert None not in installation.send(front, messages[:6])
        lifecycle.down(cluster, "db1", kill=True)
        assert installation.send(front, messages[6:8]) == [None, None]
        assert runbook.run("kontrollera", environment).startswith("t|")
        runbook.run("ta-over", environment)
        until(lambda: None not in installation.send(front, messages), "the front finds the new primary")
        assert len(installation.sent) == 12
        installation.await_signed(12)
        runbook.run("prova", environment)
        events = installation.consume()
        assert len(events) == len(set(events)) == 12
        replace(cluster, runbook, environment)
        assert None not in installation.send(front, installation.messages(2))
        installation.await_signed(14)
    assert installation.signed() == 14


def replace(cluster, runbook, environment):
    """Make the former primary a replica of the new one."""
    script = cluster / "db1" / "replica"
    script.write_text((ROOT / "ops" / "cluster" / "postgresql" / "replica").read_text())
    script.chmod(0o755)
    own = {**environment, "REPLIK": script, "PGPASSFILE": cluster / "db1" / "pgpass", "REPLICA_TLS": "sslmode=disable"}
    runbook.run("ny-replik", own)
    databases.configure(cluster / "db1", lifecycle.node_of(cluster, "db1"))
    lifecycle.up(cluster, "db1")
    assert "streaming" in runbook.run("krav-bada", environment)
    lifecycle.await_replica(cluster, lifecycle.node_of(cluster, "db2"), "db1")


def test_without_its_replica_nothing_is_receipted_not_even_when_it_is_sent_again(cluster, installation):
    first, second = installation.messages(2)
    with installation.serving(["front"], ["relay"], ["integrator"]) as (front, *_):
        assert None not in installation.send(front, [first])
        lifecycle.down(cluster, "db2", kill=True)
        # Committed on the primary for all we know, and on one disk: a receipt would promise more.
        assert installation.send(front, [second], patience=3) == [None]
        assert installation.send(front, [second], patience=3) == [None]
        lifecycle.up(cluster, "db2")
        until(lambda: None not in installation.send(front, [second]), "the replica follows again")
        installation.await_signed(2)
    assert len(installation.sent) == 2


def test_a_commit_whose_wait_for_the_replica_was_cut_short_is_receipted_only_when_the_replica_has_it(
    cluster, installation
):
    (message,) = installation.messages(1)
    primary = lifecycle.node_of(cluster, "db1")
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'gateway front'"
    with installation.serving(["front"], ["integrator"]) as (front, _), ThreadPoolExecutor(1) as pool:
        lifecycle.down(cluster, "db2", kill=True)
        answer = pool.submit(installation.send, front, [message])
        with databases.connect(cluster, primary, database="gateway") as connection:
            until(lambda: connection.execute(waiting).fetchall(), "the commit waits for the replica")
            connection.execute(f"SELECT pg_cancel_backend(pid) FROM ({waiting}) AS w")  # noqa: S608  # our own words  # noqa: S608
            assert answer.result() == [None]
            # It is on the primary's disk, and whoever asks again finds it there.
            assert connection.execute("SELECT count(*) FROM messages").fetchone() == (1,)
        assert installation.send(front, [message], patience=3) == [None]
        lifecycle.up(cluster, "db2")
        until(lambda: None not in installation.send(front, [message]), "the replica has it")
        installation.await_signed(1)
