"""A private PostgreSQL primary and its replica from `postgresql/`: as on two machines, on two ports of loopback.

The gateway's roles and its empty database are made on the primary; the replica is made by the script `replica`, from
the stream. PostgreSQL refuses to run as root: where we are root it runs as Debian's `postgres`.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from ops.cluster.layout import DATABASES, HERE, Node, replaced
from ops.dev.servers import packages, processes
from ops.dev.servers.state import DATABASE, ROLES

SUPERUSER = "postgres"
REPLICA = "gateway_replica"
START_WITHIN = 30.0
STOP_WITHIN = 15.0


def user() -> str | None:
    """Return as whom the servers run, None for ourselves."""
    return SUPERUSER if os.getuid() == 0 else None


def programs() -> Path:
    """Return the folder of PostgreSQL's programs."""
    found = packages.postgresql()
    if found is None:
        raise processes.ServerError("not installed: postgresql-15")
    return found


def settings(node: Node) -> str:
    """Return a node's settings: the example's, with this machine's address and without TLS."""
    changes = {"listen_addresses": "'127.0.0.1'", "port": str(node.ports["sql"]), "ssl": "off"}
    return replaced((HERE / "postgresql" / "cluster.conf").read_text(), changes) + "unix_socket_directories = ''\n"


def access() -> str:
    """Return pg_hba.conf: the example's rules on loopback."""
    example = (HERE / "postgresql" / "pg_hba.conf").read_text()
    return example.replace("hostssl", "host   ").replace("10.0.0.0/24", "127.0.0.1/32") + (
        "host      all          postgres         127.0.0.1/32  scram-sha-256\n"
    )


def make_primary(folder: Path, node: Node) -> processes.Process:
    """Make and start the first server, with roles and an empty database."""
    passwords = {name: secrets.token_urlsafe(24) for name in (SUPERUSER, REPLICA, *(f"gateway_{r}" for r in ROLES))}
    _passfile(folder / "secrets" / "pgpass", {n: p for n, p in passwords.items() if n.startswith("gateway_")}, None)
    _passfile(folder / "secrets" / "pgpass-superuser", passwords, None)
    own = own_folder(folder, node.name)
    _passfile(own / "pgpass", {REPLICA: passwords[REPLICA]}, user())
    initialise(own / "data", passwords[SUPERUSER])
    configure(own, node)
    # Nobody follows yet: with a standby named, the first commit would wait for ever.
    process = launch(folder, node, "-c", "synchronous_standby_names=")
    _populate(folder, node, passwords)
    return process


def initialise(data: Path, password: str) -> None:
    """Make a server's data folder."""
    secret = data.with_name("initial-password")
    _write(secret, password, user())
    run(
        "initdb", "--pgdata", data, "--username", SUPERUSER, "--pwfile", secret, "--auth", "scram-sha-256",
        "--data-checksums", "--encoding", "UTF8", "--locale", "C.UTF-8", cwd=data.parent,
    )  # fmt: skip
    secret.unlink()


def configure(own: Path, node: Node) -> None:
    """Give a server the example's settings and rules."""
    _write(own / "data" / "cluster.conf", settings(node), user())
    _write(own / "data" / "pg_hba.conf", access(), user())
    main = own / "data" / "postgresql.conf"
    if "include 'cluster.conf'" not in main.read_text():
        with main.open("a") as text:
            text.write("include 'cluster.conf'\n")


def make_replica(folder: Path, primary: Node, node: Node) -> processes.Process:
    """Make a replica by the script that real machines use, and start it."""
    own = own_folder(folder, node.name)
    if not (own / "pgpass").exists():
        shutil.copyfile(folder / primary.name / "pgpass", own / "pgpass")
        _owned(own / "pgpass", 0o600)
    environment = {**surroundings(), "PGPASSFILE": str(own / "pgpass"), "REPLICA_TLS": "sslmode=disable"}
    script = HERE / "postgresql" / "replica"
    command = ["sh", "-s", "127.0.0.1", str(primary.ports["sql"]), node.name, str(own / "data")]  # the server's account
    done = subprocess.run(  # may be unable to read our files: it gets the script as input
        command, input=script.read_text(), env=environment, cwd=own, capture_output=True, text=True, check=False,
        user=user(), group=user(), extra_groups=processes.no_groups(user()),
    )  # fmt: skip
    if done.returncode != 0:
        raise processes.ServerError(f"replica: {done.stderr[-1000:]}")
    configure(own, node)
    return launch(folder, node)


def launch(folder: Path, node: Node, *options: str) -> processes.Process:
    """Start a server that was made, and wait until it answers."""
    own = folder / node.name
    log = own / "server.log"
    process = processes.start(
        [programs() / "postgres", "-D", own / "data", *options],
        pidfile=own / "pid", log=log, environment=surroundings(), cwd=own, user=user(),
    )  # fmt: skip
    try:
        processes.ready(lambda: _answers(folder, node), process, log, name=node.name, within=START_WITHIN)
    except BaseException:
        process.end(signal.SIGKILL, within=5)
        raise
    return process


def stop(node: Node) -> None:
    """Stop a server in order; its clients are thrown out."""
    if node.process is not None:
        node.process.end(signal.SIGINT, within=STOP_WITHIN)


def kill(node: Node) -> None:
    """End a server and all that serve its clients, as a power failure does."""
    if node.process is None:
        return
    node.process.send(signal.SIGSTOP)  # so that it starts no others meanwhile
    for process in (*processes.children(node.process), node.process):
        process.end(signal.SIGKILL, within=10)


def connect(folder: Path, node: Node, *, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
    """Return an autocommit connection as superuser."""
    return psycopg.connect(
        host="127.0.0.1", port=node.ports["sql"], dbname=database, user=SUPERUSER, connect_timeout=5, autocommit=True,
        passfile=str(folder / "secrets" / "pgpass-superuser"),
    )  # fmt: skip


def surroundings() -> Mapping[str, str]:
    """Return the environment of PostgreSQL's programs."""
    return {"PATH": f"{programs()}:{os.environ.get('PATH', os.defpath)}", "LANG": "C.UTF-8", "TZ": "UTC"}


def run(name: str, *arguments: str | Path, cwd: Path) -> None:
    """Run one of PostgreSQL's programs as the servers' account. Raises ServerError."""
    done = subprocess.run(
        [programs() / name, *arguments], env=dict(surroundings()), cwd=cwd, capture_output=True, text=True, check=False,
        user=user(), group=user(), extra_groups=processes.no_groups(user()),
    )  # fmt: skip
    if done.returncode != 0:
        raise processes.ServerError(f"{name}: {done.stdout[-500:]}{done.stderr[-1000:]}")


def own_folder(folder: Path, name: str) -> Path:
    """Return a server's folder, made if it is not there, in the hands of the servers' account."""
    own = folder / name
    own.mkdir(mode=0o700, exist_ok=True)
    _owned(own, 0o700)
    return own


def _answers(folder: Path, node: Node) -> bool:
    try:
        connect(folder, node).close()
    except psycopg.OperationalError:
        return False
    return True


def _populate(folder: Path, node: Node, passwords: Mapping[str, str]) -> None:
    with connect(folder, node) as connection:
        make_roles(connection)
        connection.execute(f"CREATE ROLE {REPLICA} LOGIN REPLICATION")
        give_passwords(connection, passwords)
        create_database(connection, DATABASE)


def make_roles(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Make the gateway's roles by the script that real machines use."""
    connection.execute((HERE.parent / "postgresql" / "roles.sql").read_bytes())


def give_passwords(connection: psycopg.Connection[tuple[object, ...]], passwords: Mapping[str, str]) -> None:
    """Give roles their passwords; the server gets only what it keeps."""
    for role, password in passwords.items():
        kept = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(kept)))


def create_database(connection: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    """Make an empty database that belongs to `gateway_owner`."""
    made = "CREATE DATABASE {} OWNER gateway_owner ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0"
    connection.execute(sql.SQL(made).format(sql.Identifier(name)))


def dsn(nodes: Mapping[str, Node]) -> str:
    """Return libpq's keywords that name both servers."""
    ports = ",".join(str(nodes[name].ports["sql"]) for name in DATABASES)
    return f"host=127.0.0.1,127.0.0.1 port={ports} dbname={DATABASE}"


def _passfile(path: Path, passwords: Mapping[str, str], owner: str | None) -> None:
    _write(path, "".join(f"*:*:*:{role}:{password}\n" for role, password in passwords.items()), owner)


def _write(path: Path, text: str, owner: str | None) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
    if owner is not None:
        _owned(path, 0o600)


def _owned(path: Path, mode: int) -> None:
    path.chmod(mode)
    if (owner := user()) is not None:
        shutil.chown(path, owner, owner)
