"""Where an installation's own servers are: `services.toml` in its `data` folder. Absent, everything is embedded.

Each table that is there puts a server in the place of an embedded driver: `[postgresql]` that of the SQLite store,
`[rabbitmq]` that of the queues' file. Accounts are one per duty, so that no process may do more than its own. Secrets
are paths to files, relative to `data`, never values.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from gateway.errors import ConfigError


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _seconds(value: object) -> object:
    return timedelta(seconds=value) if isinstance(value, int | float) else value


Seconds = Annotated[timedelta, BeforeValidator(_seconds)]


class Roles(_Model):
    """Who connects to PostgreSQL for which duty."""

    owner: str = "gateway_owner"
    """Migrations, partitions, moving an installation in. Not used while serving."""
    front: str = "gateway_front"
    relay: str = "gateway_relay"
    integrator: str = "gateway_integrator"
    dispatcher: str = "gateway_dispatcher"
    reviewer: str = "gateway_reviewer"
    """People who answer what waits for them."""
    releaser: str = "gateway_releaser"
    """Carries out what they answered."""
    operator: str = "gateway_operator"
    auditor: str = "gateway_auditor"
    archivist: str = "gateway_archivist"
    """Opens what is sealed, for evidence, registerutdrag and replay; each reading is logged first."""
    overseer: str = "gateway_overseer"
    """Reads who has read the log: a third group, neither operators nor auditors."""
    gallring: str = "gateway_gallring"
    """Destroys what is to be destroyed (SFB 114 kap. 15 §), and nothing else."""


class PostgreSQL(_Model):
    """The store on PostgreSQL."""

    dsn: str
    """libpq keywords without user and password: several hosts may be named; `target_session_attrs=read-write` is added.
    """
    passfile: Path | None = None
    """libpq's own password file. None where certificates (`sslcert`, `sslkey` in `dsn`) or peer login are used."""
    roles: Roles = Roles()
    connect_timeout: Seconds = Field(default=timedelta(seconds=5), ge=timedelta(seconds=1))
    lock_timeout: Seconds = Field(default=timedelta(seconds=5), ge=timedelta(milliseconds=100))
    statement_timeout: Seconds = Field(default=timedelta(seconds=15), ge=timedelta(seconds=1))
    """For those who serve, and for each statement of an auditors' question; whoever verifies the log has no limit."""
    idle_timeout: Seconds = Field(default=timedelta(seconds=15), ge=timedelta(seconds=1))
    """`idle_in_transaction_session_timeout`: a transaction whose process hangs must not hold the turn."""

    @field_validator("dsn")
    @classmethod
    def _no_secret(cls, dsn: str) -> str:
        for word in ("password=", "user=", "passfile="):
            if word in dsn.replace(" ", ""):
                raise ConfigError(f"services.toml: postgresql.dsn: {word} has no place here: see roles and passfile")
        return dsn


Login = Literal["publisher", "consumer", "collector", "monitor", "asker"]
"""What a connection to RabbitMQ is for."""


class Account(_Model):
    """How one duty logs in to RabbitMQ: by certificate (EXTERNAL), else by name and password file (PLAIN)."""

    certificate: Path | None = None
    key: Path | None = None
    user: str | None = None
    password_file: Path | None = None

    @property
    def one_way(self) -> bool:
        """Whether exactly one way is given, whole."""
        external = (self.certificate is not None, self.key is not None)
        plain = (self.user is not None, self.password_file is not None)
        return {external, plain} == {(True, True), (False, False)}


class Accounts(_Model):
    """Least privilege: see `ops/rabbitmq/definitions.json`. A machine has those that its duties need."""

    publisher: Account | None = None
    """Writes to the exchange, reads nothing."""
    consumer: Account | None = None
    """Reads queues, writes dead letters."""
    collector: Account | None = None
    """Reads dead letters."""
    asker: Account | None = None
    """Gives commands: writes to their exchange, reads nothing. For our own systems; the gateway needs none."""
    monitor: Account | None = None
    """Sees the broker through its management interface, for `gateway broker check` and `queue list`."""

    @model_validator(mode="after")
    def _each_one_way(self) -> Accounts:
        for duty in type(self).model_fields:
            account = getattr(self, duty)
            if account is not None and not account.one_way:
                raise ConfigError(
                    f"services.toml: rabbitmq.accounts.{duty}: give certificate and key, or user and password_file"
                )
        return self

    def of(self, duty: Login) -> Account:
        """Return the account of a duty. Raises ConfigError where this machine has none."""
        account: Account | None = getattr(self, duty)
        if account is None:
            raise ConfigError(f"services.toml: rabbitmq.accounts.{duty}: is not there, and this process needs it")
        return account


class RabbitMQ(_Model):
    """The queues on RabbitMQ."""

    hosts: tuple[str, ...] = Field(min_length=1)
    """`host:port`, tried in order of chance."""
    virtual_host: str = "gateway"
    authority: Path | None = None
    """CA certificates that the brokers' certificates must be under. None: no TLS, only for loopback."""
    server_name: str | None = None
    """The name that the brokers' certificates must have, where it is not the host's."""
    management: str | None = None
    """Address of the management interface: `https://mq1:15671`."""
    accounts: Accounts
    window: int = Field(default=512, ge=1, le=10_000)
    """Most messages published and not confirmed yet."""
    prefetch: int = Field(default=100, ge=1, le=300)
    """Most events in a consumer's hand at once, over all its partitions; all of them must be done in 15 minutes."""
    heartbeat: Annotated[int, Field(ge=10, le=300)] = 30
    """Seconds. Never 0: half-open connections would never be noticed."""
    blocked_timeout: Seconds = Field(default=timedelta(seconds=60), ge=timedelta(seconds=1))
    """How long the broker may refuse to read (memory or disk alarm) before the connection is given up."""
    connect_timeout: Seconds = Field(default=timedelta(seconds=5), ge=timedelta(seconds=1))
    close_timeout: Seconds = Field(default=timedelta(seconds=5), ge=timedelta(seconds=1))


class Services(_Model):
    """`data/services.toml`."""

    postgresql: PostgreSQL | None = None
    rabbitmq: RabbitMQ | None = None

    @property
    def store(self) -> Literal["sqlite", "postgresql"]:
        """Which store this installation has."""
        return "sqlite" if self.postgresql is None else "postgresql"

    @property
    def broker(self) -> Literal["embedded", "rabbitmq"]:
        """Which broker this installation has."""
        return "embedded" if self.rabbitmq is None else "rabbitmq"


PATHS: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("postgresql",): ("passfile",),
    ("rabbitmq",): ("authority",),
    **{("rabbitmq", "accounts", duty): ("certificate", "key", "password_file") for duty in get_args(Login)},
}
"""Which values are paths, by table: relative to `data`."""
