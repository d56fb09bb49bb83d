"""`services.toml`: how a gateway reaches the private servers, an account for each duty, TLS where there is any."""

from __future__ import annotations

from pathlib import Path

from ops.dev.servers.state import ACCOUNTS, DATABASE, VIRTUAL_HOST, State

_POSTGRESQL = """\
[postgresql]
dsn = "host=127.0.0.1 port={port} dbname={database}"
passfile = "{secrets}/pgpass"
"""
_RABBITMQ = """\
[rabbitmq]
hosts = ["127.0.0.1:{amqps}"]
virtual_host = "{virtual_host}"
authority = "{pki}/authority.pem"
server_name = "localhost"
management = "https://127.0.0.1:{management_tls}"
"""
_EXTERNAL = """
[rabbitmq.accounts.{duty}]
certificate = "{pki}/gw-{duty}.pem"
key = "{pki}/gw-{duty}.key"
"""
_PLAIN = """
[rabbitmq.accounts.{duty}]
user = "gw-{duty}"
password_file = "{secrets}/gw-{duty}.password"
"""


def text(folder: Path, now: State, *, database: str = DATABASE, virtual_host: str = VIRTUAL_HOST) -> str:
    """Return the tables for the servers that run. The management interface takes passwords only."""
    pki, secrets = folder / "pki", folder / "secrets"
    parts = []
    if now.postgresql is not None:
        parts.append(_POSTGRESQL.format(port=now.postgresql.port, database=database, secrets=secrets))
    if now.rabbitmq is not None:
        node = now.rabbitmq
        table = _RABBITMQ.format(
            amqps=node.amqps, management_tls=node.management_tls, virtual_host=virtual_host, pki=pki
        )
        forms = ((_PLAIN if duty == "monitor" else _EXTERNAL, duty) for duty in ACCOUNTS)
        parts.append(table + "".join(form.format(duty=duty, pki=pki, secrets=secrets) for form, duty in forms))
    return "\n".join(parts)


def write(folder: Path, now: State) -> None:
    """Write `services.toml`."""
    (folder / "services.toml").write_text(text(folder, now))
