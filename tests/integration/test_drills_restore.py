"""A backup is restored elsewhere: the log proves complete, delivery resumes, and a backup that is too old is refused.

Follows docs/runbooks/aterstalla-inbyggt.md and aterstalla-postgresql.md word for word.
"""

import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from gateway.store.log import LOGS
from ops.cluster import databases, layout, lifecycle
from ops.dev.servers import processes
from tests.integration.installation import Installation, until
from tests.integration.runbook import Runbook


def elsewhere(installation, folder):
    """Return an installation on another machine: the same keys and configuration, no store."""
    shutil.copytree(installation.data, folder, ignore=shutil.ignore_patterns("store", "*.log", "backup*", "seen-*"))
    return Installation(folder, installation.demo, sent=installation.sent)


def outside(installation):
    """Return a folder with a copy of each log's last signed checkpoint, as an auditor keeps one."""
    copies = sorted(installation.data.glob("seen-*"))
    seen = installation.data / f"seen-{len(copies)}"
    seen.mkdir()
    for log in LOGS:
        shutil.copy(installation.data / "store" / log.anchor, seen)
    return seen


class TestEmbedded:
    @pytest.fixture
    def installation(self, tmp_path):
        made = Installation.make(tmp_path / "data")
        made.command("init")
        return made

    def variables(self, installation, new, seen):
        return {
            **new.environment,
            "LAGER": installation.data / "store",
            "KOPIA": installation.data / "backup",
            "NYTT": new.data / "store",
            "UTIFRAN": seen,
            "PYTHON": sys.executable,
        }

    def test_restored_elsewhere_it_proves_complete_and_delivery_resumes(self, installation, tmp_path):
        new = elsewhere(installation, tmp_path / "new")
        messages = installation.messages(6)
        with Runbook("aterstalla-inbyggt") as runbook:
            with installation.serving([]) as (process,):
                assert None not in installation.send(process, messages[:4])
                installation.await_signed(4)
                had = installation.consume()
                assert None not in installation.send(process, messages[4:])
                installation.await_signed(6)
                variables = self.variables(installation, new, outside(installation))
                runbook.run("kopiera", variables)
            shutil.rmtree(installation.data / "store")
            runbook.run("aterstall", variables)
            runbook.run("prova", variables)
        assert new.signed() == 6
        with new.serving([]) as (process,):
            assert None not in new.send(process, messages)  # the receipts of before: `send` compares
            assert None not in new.send(process, new.messages(1))
            came = new.consume()
        assert len(came) == len(set(came)) == 3
        assert not set(came) & set(had)

    def test_a_backup_older_than_what_somebody_saw_signed_is_refused_and_not_served(self, installation, tmp_path):
        new = elsewhere(installation, tmp_path / "new")
        runbook = Runbook("aterstalla-inbyggt")
        with installation.serving([]) as (process,):
            assert None not in installation.send(process, installation.messages(2))
            installation.await_signed(2)
            runbook.run("kopiera", self.variables(installation, new, outside(installation)))
            assert None not in installation.send(process, installation.messages(1))
            installation.await_signed(3)
        variables = self.variables(installation, new, outside(installation))
        runbook.run("aterstall", variables)
        runbook.run("prova", variables, code=5)
        new.command("serve", "--port", "0", code=5)


@pytest.mark.services
class TestPostgreSQL:
    @pytest.fixture
    def cluster(self):
        # Not pytest's folder: the servers may run as another account, which must be able to enter.
        folder = Path(tempfile.mkdtemp(prefix="gateway-drill-"))
        lifecycle.start(folder, (), only=layout.DATABASES)
        try:
            yield folder
        finally:
            stop_restored(folder)
            lifecycle.stop(folder)

    def variables(self, cluster, installation, port):
        primary = f"host=127.0.0.1 port={lifecycle.node_of(cluster, 'db1').ports['sql']}"
        backup = databases.own_folder(cluster, "backup")
        databases.own_folder(cluster, "backup/wal")
        return {
            **databases.surroundings(),
            **installation.environment,
            "PATH": f"{databases.surroundings()['PATH']}:{installation.environment['PATH']}",
            "PGPASSFILE": cluster / "db1" / "pgpass",
            "PRIMAR": f"{primary} user=gateway_replica",
            "PRIMAR_DUMP": f"{primary} user=postgres dbname=gateway",
            "KOPIA": backup,
            "NY_DATA": databases.own_folder(cluster, "new") / "data",
            "NY_HOST": "127.0.0.1",
            "NY_PORT": str(port),
        }

    def test_restored_elsewhere_it_proves_complete_and_an_older_dump_is_refused(self, cluster, tmp_path):
        installation = Installation.make(tmp_path / "data", services=(cluster / "services.toml").read_text())
        installation.command("init")
        (port,) = processes.free_ports(1)
        variables = self.variables(cluster, installation, port)
        superuser = {**variables, "PGPASSFILE": cluster / "secrets" / "pgpass-superuser", "KOPIA": installation.data}
        messages = installation.messages(6)
        with Runbook("aterstalla-postgresql") as runbook:
            runbook.run("slot", variables)
            stream = runbook.begin("strom", variables, cluster / "stream.log")
            try:
                with installation.serving(["front"], ["relay"], ["integrator"]) as (front, *_):
                    assert None not in installation.send(front, messages[:3])
                    installation.await_signed(3)
                    runbook.run("baskopia", variables)
                    runbook.run("dump", superuser)
                    assert None not in installation.send(front, messages[3:])
                    installation.await_signed(6)
                    received(cluster)
                lose(cluster)
            finally:
                stream.send_signal(signal.SIGINT)
                stream.wait(20)
            seen = outside(installation)
            new = elsewhere(installation, tmp_path / "new")
            (new.data / "store").mkdir()
            shutil.copy(installation.data / "store" / "queues.db", new.data / "store")
            runbook.run("aterstall", variables)
            self.point(new, port)
            here = {**variables, **new.environment, "PATH": variables["PATH"], "UTIFRAN": seen}
            runbook.run("prova", here)
            self.check(new, messages)
            newest = outside(new)
            with databases.connect(cluster, layout.Node(name="new", ports={"sql": port})) as connection:
                connection.execute("ALTER DATABASE gateway RENAME TO restored")
            runbook.run("aterstall-dump", superuser)
            runbook.run("prova", {**here, "UTIFRAN": newest}, code=5)

    def point(self, new, port):
        """Let an installation's services.toml name another server."""
        text = (new.data / "services.toml").read_text().splitlines()
        dsn = f'dsn = "host=127.0.0.1 port={port} dbname=gateway"'
        (new.data / "services.toml").write_text(
            "\n".join(dsn if line.startswith("dsn") else line for line in text) + "\n"
        )

    def check(self, new, messages):
        """Everything is there, goes out once, and goes on."""
        with new.serving(["front"], ["relay"], ["integrator"]) as (front, *_):
            assert None not in new.send(front, messages)
            assert None not in new.send(front, new.messages(1))
            came = new.consume()
            new.await_signed(7)
        assert len(came) == len(set(came)) == 7


def received(cluster):
    """Wait until the stream's receiver has on its disk what the primary has."""
    asked = "SELECT flush_lsn >= pg_current_wal_lsn() FROM pg_stat_replication WHERE application_name = 'kopior'"
    with databases.connect(cluster, lifecycle.node_of(cluster, "db1")) as connection:
        until(lambda: connection.execute(asked).fetchone() == (True,), "the stream is received")


def lose(cluster):
    """Lose both servers with their disks."""
    for name in layout.DATABASES:
        lifecycle.down(cluster, name, kill=True)
        shutil.rmtree(cluster / name / "data")


def stop_restored(folder):
    pid = processes.read_pid(folder / "new" / "data" / "postmaster.pid")
    found = None if pid is None else processes.Process.of(pid)
    if found is not None:
        found.end(signal.SIGINT, within=10)
