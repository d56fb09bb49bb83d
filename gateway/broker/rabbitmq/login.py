"""How a duty reaches the brokers: pika's parameters for each host, from `services.RabbitMQ` and one `Account`.

Certificates log in by EXTERNAL, others by name and password (PLAIN). Without an `authority` there is no TLS, and then
only loopback is taken: a password and a person's data do not cross a network in the clear.

Every limit has a value here, because pika's own default for several of them is to wait for ever: `heartbeat` finds
half-open connections, TCP keepalive finds them under it, `blocked_connection_timeout` ends a memory or disk alarm,
`socket_timeout` and `stack_timeout` bound connecting (the blocked timeout does not).
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence

import pika
from pika.credentials import ExternalCredentials, PlainCredentials

from gateway.errors import ConfigError
from gateway.services import Account, RabbitMQ

_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""Seconds, seconds, times: a peer that is gone is noticed in a minute even while nothing is sent."""
_STACK = 3
"""How many times `connect_timeout` the whole of TCP, TLS and AMQP log-in may take."""
_PORT, _TLS_PORT = 5672, 5671


def parameters(settings: RabbitMQ, account: Account, name: str) -> tuple[pika.ConnectionParameters, ...]:
    """Return how to connect to each host as this account; `name` is what operators see on the broker.

    Raises:
        ConfigError: a file cannot be read, certificates do not fit, or there is no TLS to a host that is not loopback.
    """
    context = _context(settings, account)
    credentials = _credentials(account)
    made = []
    for text in settings.hosts:
        host, port = _address(text, tls=context is not None)
        if context is None and not _loopback(host):
            raise ConfigError(f"services.toml: rabbitmq.hosts: {text}: not loopback, so rabbitmq.authority is needed")
        made.append(
            pika.ConnectionParameters(
                host=host,
                port=port,
                virtual_host=settings.virtual_host,
                credentials=credentials,
                heartbeat=settings.heartbeat,
                blocked_connection_timeout=settings.blocked_timeout.total_seconds(),
                socket_timeout=settings.connect_timeout.total_seconds(),
                stack_timeout=_STACK * settings.connect_timeout.total_seconds(),
                connection_attempts=1,
                ssl_options=context and pika.SSLOptions(context, settings.server_name or host),
                tcp_options=_KEEPALIVE,
                client_properties={"connection_name": name},
            )
        )
    return tuple(made)


def _address(text: str, *, tls: bool) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(_TLS_PORT if tls else _PORT)
    if not port.isdecimal() or not host:
        raise ConfigError(f"services.toml: rabbitmq.hosts: {text}: is not host:port")
    return host.strip("[]"), int(port)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _context(settings: RabbitMQ, account: Account) -> ssl.SSLContext | None:
    if settings.authority is None:
        if account.certificate is not None:
            raise ConfigError("services.toml: rabbitmq.authority: is needed where an account logs in by certificate")
        return None
    try:
        context = ssl.create_default_context(cafile=str(settings.authority))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{settings.authority}: is not a file of CA certificates: {_said(error)}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if account.certificate is not None and account.key is not None:
        try:
            context.load_cert_chain(account.certificate, account.key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"{account.certificate}, {account.key}: not a certificate and its key: {_said(error)}"
            ) from None
    return context


def _credentials(account: Account) -> ExternalCredentials | PlainCredentials:
    if account.user is None or account.password_file is None:
        return ExternalCredentials()
    try:
        password = account.password_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{account.password_file}: cannot be read: {_said(error)}") from None
    return PlainCredentials(account.user, password)


def _said(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


def hosts(made: Sequence[pika.ConnectionParameters]) -> str:
    """Return the addresses, for a message to an operator."""
    return ", ".join(f"{one.host}:{one.port}" for one in made)
