"""A private PostgreSQL cluster: Debian's programs, our port, our folder; as durable as a real one.

PostgreSQL refuses to run as root. Where we are root it runs as `postgres`, the account that Debian's package made, and
only its data belongs to that account.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg
from psycopg import sql

from ops.dev.servers import packages, processes, state
from ops.dev.servers.state import DATABASE, ROLES, PostgreSQL

SUPERUSER = "postgres"
START_WITHIN = 30.0
STOP_WITHIN = 10.0
_SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 200
fsync = on
synchronous_commit = on
full_page_writes = on
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
log_lock_waits = on
"""


def start(folder: Path) -> PostgreSQL:
    """Make a cluster in `folder/postgresql` and start it. Raises ServerError."""
    own = folder / "postgresql"
    own.mkdir(mode=0o700)
    user = SUPERUSER if os.getuid() == 0 else None
    if user is not None:
        shutil.chown(own, user, user)
    secret = secrets.token_urlsafe(24)
    _pgpass(folder / "secrets" / "pgpass-superuser", {SUPERUSER: secret})
    _initialise(own, secret, user)
    port = processes.free_ports(1)[0]
    with (own / "data" / "postgresql.conf").open("a") as settings:
        settings.write(_SETTINGS.format(port=port))
    running = _run(own, port, user)
    try:
        _populate(folder, running)
    except BaseException:
        kill(running)
        raise
    return running


def _initialise(own: Path, secret: str, user: str | None) -> None:
    programs = packages.postgresql()
    assert programs is not None, "provide() was called"  # noqa: S101
    passfile = own / "password"
    passfile.touch(mode=0o600)
    passfile.write_text(secret)
    if user is not None:
        shutil.chown(passfile, user)
    done = subprocess.run(
        [
            programs / "initdb", "--pgdata", own / "data", "--username", SUPERUSER, "--pwfile", passfile,
            "--auth", "scram-sha-256", "--data-checksums", "--encoding", "UTF8", "--locale", "C.UTF-8",
        ],
        env=_environment(), cwd=own, capture_output=True, text=True, check=False,
        user=user, group=user, extra_groups=processes.no_groups(user),
    )  # fmt: skip
    passfile.unlink()
    if done.returncode != 0:
        reach = f" Can {user} reach {own}?" if user else ""
        raise processes.ServerError(f"initdb failed.{reach}\n{done.stdout[-1000:]}{done.stderr[-1000:]}")


def again(folder: Path, old: PostgreSQL) -> PostgreSQL:
    """Start the same cluster again: the same port, the same data."""
    # Where nobody waits for orphans the killed server keeps its number, and the new one would take it for alive.
    (folder / "postgresql" / "data" / "postmaster.pid").unlink(missing_ok=True)
    return _run(folder / "postgresql", old.port, old.user)


def _run(own: Path, port: int, user: str | None) -> PostgreSQL:
    programs = packages.postgresql()
    assert programs is not None, "provide() was called"  # noqa: S101
    log = own / "server.log"
    process = processes.start(
        [programs / "postgres", "-D", own / "data"],
        pidfile=own / "pid", log=log, environment=_environment(), cwd=own, user=user,
    )  # fmt: skip
    secret = own.parent / "secrets" / "pgpass-superuser"
    try:
        processes.ready(lambda: _answers(secret, port), process, log, name="PostgreSQL", within=START_WITHIN)
    except BaseException:
        process.end(signal.SIGKILL, within=5)
        raise
    return PostgreSQL(port=port, superuser=SUPERUSER, process=process, user=user)


def stop(cluster: PostgreSQL, *, within: float = STOP_WITHIN) -> None:
    """Stop the cluster in order: clients are thrown out (SIGINT, "fast")."""
    resume(cluster)
    cluster.process.end(signal.SIGINT, within=within)


def kill(cluster: PostgreSQL) -> None:
    """End it as a power failure does, with all that serve its clients."""
    cluster.process.send(signal.SIGSTOP)  # so that it starts no others meanwhile
    for process in (*processes.children(cluster.process), cluster.process):
        process.end(signal.SIGKILL, within=10)


def pause(cluster: PostgreSQL) -> None:
    """Let it and those that serve its clients stand still."""
    cluster.process.send(signal.SIGSTOP)
    for process in processes.children(cluster.process):
        process.send(signal.SIGSTOP)


def resume(cluster: PostgreSQL) -> None:
    """Let them go on."""
    for process in (*processes.children(cluster.process), cluster.process):
        process.send(signal.SIGCONT)


def hasten(folder: Path) -> None:
    """Let it wait for no disk from now on: what is committed outlives a kill of the server, but not of the machine.

    Nor does it vacuum: a test's database is gone before that pays, and with a thousand of them it never rested.
    """
    running = state.read(folder).postgresql
    assert running is not None, "it was started"  # noqa: S101
    with connect(folder, running.port) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("ALTER SYSTEM SET autovacuum = off")
        connection.execute("SELECT pg_reload_conf()")


def connect(folder: Path, port: int, *, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
    """Return an autocommit connection as superuser."""
    return psycopg.connect(
        host="127.0.0.1", port=port, dbname=database, user=SUPERUSER, connect_timeout=5, autocommit=True,
        passfile=str(folder / "secrets" / "pgpass-superuser"),
    )  # fmt: skip


def create_database(
    connection: psycopg.Connection[tuple[object, ...]], name: str, *, template: str = "template0"
) -> None:
    """Make a database that belongs to `gateway_owner`, empty or as `template` is; only our roles may connect."""
    made, owner = sql.Identifier(name), sql.Identifier("gateway_owner")
    (durable,) = connection.execute("SHOW fsync").fetchone() or ("on",)
    # Copied through the log a database costs twice to four times as much; copied as files it waits for the disk.
    strategy = sql.SQL("wal_log" if durable == "on" else "file_copy")
    create = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY {}")
    connection.execute(create.format(made, owner, sql.Identifier(template), strategy))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(made))
    roles = sql.SQL(", ").join(sql.Identifier(f"gateway_{duty}") for duty in ROLES)
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(made, roles))


def _answers(passfile: Path, port: int) -> bool:
    try:
        connect(passfile.parent.parent, port).close()
    except psycopg.OperationalError:
        return False
    return True


def _populate(folder: Path, cluster: PostgreSQL) -> None:
    with connect(folder, cluster.port) as connection:
        complete(folder, connection)
        create_database(connection, DATABASE)


def complete(folder: Path, connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Make the roles that are not there: all in a new cluster, in one that runs those that are new in this checkout."""
    connection.execute("SELECT pg_advisory_lock(2)")  # several tests may find the same one missing
    try:
        known = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}
        passwords = {name: secrets.token_urlsafe(24) for name in map("gateway_{}".format, ROLES) if name not in known}
        if passwords:
            _pgpass(folder / "secrets" / "pgpass", passwords)
        for role, password in passwords.items():
            kept = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
            make = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
            connection.execute(make.format(sql.Identifier(role), sql.Literal(kept.decode())))
    finally:
        connection.execute("SELECT pg_advisory_unlock(2)")


def _pgpass(path: Path, passwords: dict[str, str]) -> None:
    """Write passwords into a file that others may be reading: those of other roles stay."""
    old = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in old if line.split(":")[3] not in passwords]
    lines = [*kept, *(f"*:*:*:{role}:{password}" for role, password in passwords.items())]
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text("".join(f"{line}\n" for line in lines))
    new.replace(path)


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "TZ": "UTC"}
