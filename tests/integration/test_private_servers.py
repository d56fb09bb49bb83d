"""The private servers: what tests get of them, what they survive, and that nothing is left."""

from __future__ import annotations

import resource
import ssl
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pika
import psycopg
import pytest
from pika.credentials import ExternalCredentials, PlainCredentials

from gateway.config import Queue
from gateway.trust.issuing import AUTHORITY, KeyKind, Profile, issue
from ops.dev.servers import lifecycle, postgresql, state
from ops.dev.servers.processes import ServerError, listening
from tests.services import Found, own

pytestmark = pytest.mark.services

QUEUES = (Queue(name="handlaggning.inkomst", types=("t",), purposes=("p",), partitions=2, delivery_limit=3),)


def connected(settings, found, account, *, tls=True, certificate=True):
    options = None
    if tls:
        context = ssl.create_default_context(cafile=settings.authority)
        if certificate:
            pki = found.folder / "pki"
            context.load_cert_chain(pki / f"{account}.pem", pki / f"{account}.key")
        options = pika.SSLOptions(context, "localhost")
    credentials = ExternalCredentials() if certificate and tls else PlainCredentials(account, found.password(account))
    port = found.rabbitmq.amqps if tls else found.rabbitmq.amqp
    return pika.BlockingConnection(
        pika.ConnectionParameters("127.0.0.1", port, settings.virtual_host, credentials, ssl_options=options)
    )


def login(found, database, role, name=None):
    passfile = found.folder / "secrets" / "pgpass"
    return psycopg.connect(f"{database.dsn} user={role} passfile={passfile}", connect_timeout=5)


@pytest.mark.parametrize(("tls", "certificate"), [(True, True), (True, False), (False, False)])
def test_an_account_logs_in_by_certificate_or_by_password(servers, virtual_host, tls, certificate):
    settings = virtual_host(QUEUES)
    with connected(settings, servers, "gw-consumer", tls=tls, certificate=certificate) as connection:
        method = connection.channel().queue_declare("gw.q.handlaggning.inkomst.01", passive=True).method
        assert method.message_count == 0


def test_no_guest_comes_in(servers, virtual_host):
    settings = virtual_host(QUEUES)
    parameters = pika.ConnectionParameters(
        "127.0.0.1", servers.rabbitmq.amqp, settings.virtual_host, PlainCredentials("guest", "guest")
    )
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        pika.BlockingConnection(parameters)


def test_an_unknown_authoritys_certificate_does_not_come_in(servers, virtual_host, tmp_path):
    settings = virtual_host(QUEUES)
    now = datetime.now(UTC)
    stranger = issue(issue(None, AUTHORITY, now=now), Profile(common_name="gw-consumer", kind=KeyKind.P256), now=now)
    (tmp_path / "s.pem").write_bytes(stranger.chain_pem)
    (tmp_path / "s.key").write_bytes(stranger.key_pem)
    context = ssl.create_default_context(cafile=settings.authority)
    context.load_cert_chain(tmp_path / "s.pem", tmp_path / "s.key")
    with pytest.raises((pika.exceptions.AMQPConnectionError, ssl.SSLError)):
        pika.BlockingConnection(
            pika.ConnectionParameters(
                "127.0.0.1", servers.rabbitmq.amqps, settings.virtual_host, ExternalCredentials(),
                ssl_options=pika.SSLOptions(context, "localhost"), connection_attempts=1,
            )
        )  # fmt: skip


def test_a_virtual_host_has_the_topology_and_is_gone_afterwards(servers):
    with servers.virtual_host(QUEUES) as settings:
        found = servers.management.call("GET", "queues", settings.virtual_host)
        assert {queue["name"] for queue in found} == {
            "gw.q.handlaggning.inkomst.00", "gw.q.handlaggning.inkomst.01", "gw.dlq",
        }  # fmt: skip
        assert {queue["type"] for queue in found} == {"quorum"}
    assert settings.virtual_host not in {one["name"] for one in servers.management.call("GET", "vhosts")}


def test_a_database_is_empty_and_afterwards_nobody_is_connected(servers):
    with servers.database() as database, login(servers, database, "gateway_owner") as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
        connection.execute("CREATE TABLE mine (id bigint)")
        name = connection.info.dbname
        connection.commit()
        left = login(servers, database, "gateway_owner")
    with pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 1")
    with servers.superuser() as connection:
        assert connection.execute("SELECT 1 FROM pg_stat_activity WHERE datname = %s", (name,)).fetchone() is None


def test_a_server_is_durable_and_databases_that_tests_left_are_swept(own_postgresql):
    with own_postgresql.database(), own_postgresql.superuser() as connection:
        for name in ("data_checksums", "fsync", "synchronous_commit", "full_page_writes"):
            assert connection.execute(f"SHOW {name}").fetchone() == ("on",)
    own_postgresql.sweep()
    with own_postgresql.superuser() as connection:
        tests = "SELECT count(*) FROM pg_database WHERE datname ~ '^test_'"
        assert connection.execute(tests).fetchone() == (1,)
        own_postgresql.sweep(older=-1)
        assert connection.execute(tests).fetchone() == (0,)


def test_a_server_that_is_hastened_waits_for_no_disk(own_postgresql):
    postgresql.hasten(own_postgresql.folder)
    with own_postgresql.superuser() as connection:
        names = ("fsync", "autovacuum", "synchronous_commit")
        found = [connection.execute(f"SHOW {name}").fetchone() for name in names]
        postgresql.create_database(connection, "hasty")
        connection.execute("ALTER SYSTEM RESET ALL")
        connection.execute("SELECT pg_reload_conf()")
    assert found == [("off",), ("off",), ("on",)]
    with own_postgresql.superuser("hasty") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_roles_other_than_the_owner_make_nothing(servers, database):
    for duty in set(state.ROLES) - {"owner"}:
        with login(servers, database, f"gateway_{duty}") as connection:
            for statement in ("CREATE TABLE public.mine (id bigint)", "CREATE TEMP TABLE mine (id bigint)"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
                connection.rollback()


@pytest.mark.parametrize("kill", [False, True])
def test_postgresql_is_the_same_after_a_restart(own_postgresql, kill):
    with own_postgresql.database() as database:
        with login(own_postgresql, database, "gateway_owner") as connection:
            connection.execute("CREATE TABLE kept (id bigint)")
            connection.execute("INSERT INTO kept VALUES (7)")
        before = own_postgresql.postgresql
        lifecycle.restart(own_postgresql.disturbed(), "postgresql", kill=kill)
        assert own_postgresql.postgresql.port == before.port
        assert own_postgresql.postgresql.process != before.process
        with login(own_postgresql, database, "gateway_owner") as connection:
            assert connection.execute("SELECT id FROM kept").fetchall() == [(7,)]


def test_rabbitmq_is_the_same_after_it_was_killed(own_rabbitmq):
    with own_rabbitmq.virtual_host(QUEUES) as settings:
        with connected(settings, own_rabbitmq, "gw-publisher") as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            properties = pika.BasicProperties(delivery_mode=2)
            channel.basic_publish("gw.in", "handlaggning.inkomst.00", b"kept", properties, mandatory=True)
        before = own_rabbitmq.rabbitmq
        lifecycle.restart(own_rabbitmq.disturbed(), "rabbitmq", kill=True)
        assert own_rabbitmq.rabbitmq.amqps == before.amqps
        with connected(settings, own_rabbitmq, "gw-consumer") as connection:
            arriving = connection.channel().consume("gw.q.handlaggning.inkomst.00", inactivity_timeout=10)
            assert next(arriving)[2] == b"kept"


def test_a_paused_postgresql_answers_nobody_and_a_resumed_one_goes_on(own_postgresql):
    folder = own_postgresql.disturbed()
    with own_postgresql.database() as database, login(own_postgresql, database, "gateway_owner") as connection:
        lifecycle.pause(folder, "postgresql")
        try:
            with pytest.raises(psycopg.OperationalError):
                login(own_postgresql, database, "gateway_owner").close()
        finally:
            lifecycle.resume(folder, "postgresql")
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_servers_of_all_are_not_disturbed(servers):
    with pytest.raises(pytest.fail.Exception, match="own_rabbitmq"):
        servers.disturbed()


def test_start_leaves_alone_what_runs(own_postgresql):
    before = own_postgresql.postgresql
    assert lifecycle.start(own_postgresql.folder, ("postgresql",)) == ()
    assert own_postgresql.postgresql == before


def test_stop_leaves_nothing():
    with own("postgresql") as found:
        cluster = found.postgresql
        assert listening(cluster.port)
    assert not found.folder.exists()
    assert not found.folder.with_name(found.folder.name + ".lock").exists()
    assert not cluster.process.alive
    assert not listening(cluster.port)


def test_where_no_server_runs_a_test_fails_and_says_what_to_do(tmp_path):
    with pytest.raises(pytest.fail.Exception, match=r"rabbitmq does not run in .*: ops/dev/services start"):
        _ = Found(folder=tmp_path).management


@pytest.fixture
def small_files():
    """No file may become larger than 64 KiB, ours and our children's: a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_start_that_fails_says_why_and_leaves_nothing(own_postgresql, small_files):
    folder = own_postgresql.folder.with_name(own_postgresql.folder.name + "-b")
    with pytest.raises(ServerError, match="File too large"):
        lifecycle.start(folder, ("postgresql",))
    assert not folder.exists()
    assert not folder.with_name(f"{folder.name}.lock").exists()


def test_a_server_that_does_not_come_up_again_shows_its_log_and_keeps_its_data(own_postgresql):
    folder = own_postgresql.disturbed()
    settings = folder / "postgresql" / "data" / "postgresql.conf"
    good = settings.read_text()
    lifecycle.down(folder, "postgresql")
    settings.write_text(good + "nonsense = 1\n")
    with pytest.raises(ServerError, match="nonsense"):
        lifecycle.up(folder, "postgresql")
    settings.write_text(good)
    lifecycle.up(folder, "postgresql")
    own_postgresql.superuser("gateway").close()


def test_a_folder_of_somebody_else_is_refused(tmp_path):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(ServerError, match="give another"):
        lifecycle.start(folder, ("postgresql",))


def test_what_a_killed_test_left_is_stopped_by_the_next():
    script = (
        "import time; from tests.services import own\n"
        "with own('postgresql') as found: print(found.folder, flush=True); time.sleep(60)"
    )
    killed = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=state.ROOT)
    folder = Path(killed.stdout.readline().strip())
    killed.kill()
    killed.communicate()
    left = state.read(folder).postgresql
    assert left.process.alive
    with own("postgresql"):
        assert not left.process.alive
        assert not folder.exists()
