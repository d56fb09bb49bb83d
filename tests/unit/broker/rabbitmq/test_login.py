"""How a duty reaches the brokers: every wait has a limit, and nothing crosses a network in the clear."""

from __future__ import annotations

import ssl

import pytest
from pika.credentials import ExternalCredentials, PlainCredentials

from gateway.broker.rabbitmq import login
from gateway.errors import ConfigError
from gateway.services import Account, Accounts, RabbitMQ
from ops.dev.servers import certificates


@pytest.fixture
def plain(tmp_path):
    path = tmp_path / "password"
    path.write_text("secret\n")
    return Account(user="gw-publisher", password_file=path)


def settings(account: Account, **more) -> RabbitMQ:
    accounts = Accounts(publisher=account, consumer=account, collector=account)
    return RabbitMQ(**{"hosts": ("127.0.0.1:5672",), "accounts": accounts, **more})


def test_no_wait_is_without_a_limit(plain):
    (made,) = login.parameters(settings(plain), plain, "gw-publisher")
    assert made.heartbeat == 30  # never 0: a half-open connection would never be noticed; never 5: closed when idle
    assert made.blocked_connection_timeout == 60
    assert (made.socket_timeout, made.stack_timeout) == (5, 15)
    assert set(made.tcp_options) == {"TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT"}
    assert made.connection_attempts == 1  # going on is the link's business
    assert made.client_properties == {"connection_name": "gw-publisher"}


@pytest.mark.parametrize("seconds", [0, 5, 9, 301])
def test_a_heartbeat_that_is_none_or_too_short_is_not_taken(plain, seconds):
    with pytest.raises(ValueError, match="heartbeat"):
        settings(plain, heartbeat=seconds)


def test_a_password_is_read_without_its_line_end(plain):
    (made,) = login.parameters(settings(plain), plain, "n")
    assert made.credentials == PlainCredentials("gw-publisher", "secret")


@pytest.mark.parametrize("host", ["127.0.0.1:5672", "localhost:5672", "[::1]:5672", "127.0.0.1"])
def test_without_tls_loopback_is_taken(plain, host):
    (made,) = login.parameters(settings(plain, hosts=(host,)), plain, "n")
    assert made.ssl_options is None
    assert made.port == 5672
    assert "[" not in made.host


@pytest.mark.parametrize("host", ["mq1:5672", "10.0.0.1:5672", "[fe80::1]:5672", "localhost.example:1"])
def test_without_tls_no_other_host_is_taken(plain, host):
    with pytest.raises(ConfigError, match="authority"):
        login.parameters(settings(plain, hosts=("127.0.0.1:5672", host)), plain, "n")


@pytest.mark.parametrize("host", ["mq1:", ":5671", "mq1:port"])
def test_what_is_no_address_is_not_taken(plain, host):
    with pytest.raises(ConfigError, match="host:port"):
        login.parameters(settings(plain, hosts=(host,)), plain, "n")


def test_a_certificate_without_an_authority_is_not_taken(tmp_path):
    account = Account(certificate=tmp_path / "c", key=tmp_path / "k")
    with pytest.raises(ConfigError, match="authority"):
        login.parameters(settings(account), account, "n")


def test_files_that_are_not_there_are_named_and_nothing_in_them_is(tmp_path, plain):
    gone = Account(user="u", password_file=tmp_path / "gone")
    with pytest.raises(ConfigError, match="gone"):
        login.parameters(settings(gone), gone, "n")
    with pytest.raises(ConfigError, match=r"authority\.pem: is not"):
        login.parameters(settings(plain, authority=tmp_path / "authority.pem"), plain, "n")
    (tmp_path / "secret.pem").write_text("hunter2")
    with pytest.raises(ConfigError) as caught:
        login.parameters(settings(plain, authority=tmp_path / "secret.pem"), plain, "n")
    assert "hunter2" not in caught.value.detail


def test_a_certificate_logs_in_by_external_under_tls_that_judges_the_broker(tmp_path):
    certificates.make(tmp_path)
    account = Account(certificate=tmp_path / "gw-publisher.pem", key=tmp_path / "gw-publisher.key")
    whole = settings(account, authority=tmp_path / "authority.pem", hosts=("mq1", "mq2:5673"))
    first, second = login.parameters(whole, account, "n")
    assert (first.host, first.port, second.host, second.port) == ("mq1", 5671, "mq2", 5673)
    assert isinstance(first.credentials, ExternalCredentials)
    assert first.ssl_options.context.verify_mode is ssl.CERT_REQUIRED
    assert first.ssl_options.context.check_hostname
    assert first.ssl_options.context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert (first.ssl_options.server_hostname, second.ssl_options.server_hostname) == ("mq1", "mq2")
    (named,) = login.parameters(whole.model_copy(update={"hosts": ("mq1",), "server_name": "broker"}), account, "n")
    assert named.ssl_options.server_hostname == "broker"


def test_a_key_that_is_another_certificates_is_not_taken(tmp_path):
    certificates.make(tmp_path)
    account = Account(certificate=tmp_path / "gw-publisher.pem", key=tmp_path / "gw-consumer.key")
    with pytest.raises(ConfigError, match=r"gw-publisher\.pem"):
        login.parameters(settings(account, authority=tmp_path / "authority.pem"), account, "n")
