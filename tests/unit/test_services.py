"""`data/services.toml`: which servers stand in for the embedded drivers."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import config, services
from gateway.errors import ConfigError
from tests.unit.test_config import ROOT

POSTGRESQL = """
[postgresql]
dsn = "host=db1,db2 dbname=gateway sslmode=verify-full"
passfile = "secrets/pgpass"
"""
ACCOUNT = '{ certificate = "secrets/mq.pem", key = "secrets/mq.key" }'
RABBITMQ = f"""
[rabbitmq]
hosts = ["mq1:5671", "mq2:5671"]
authority = "secrets/ca.pem"
[rabbitmq.accounts]
publisher = {ACCOUNT}
consumer = {ACCOUNT}
collector = {{ user = "gw-collector", password_file = "secrets/collector" }}
"""


def loaded(data: Path, text: str) -> config.Configuration:
    (data / "services.toml").write_text(text)
    return config.load(ROOT / "config" / "gateway.toml", data=data)


def refused(data: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(data, text)
    return caught.value.detail


def test_without_the_file_everything_is_embedded(tmp_path):
    found = config.load(ROOT / "config" / "gateway.toml", data=tmp_path).services
    assert (found.store, found.broker) == ("sqlite", "embedded")


def test_each_table_puts_one_server_in_the_place_of_one_driver(tmp_path):
    found = loaded(tmp_path, POSTGRESQL).services
    assert (found.store, found.broker) == ("postgresql", "embedded")
    found = loaded(tmp_path, RABBITMQ).services
    assert (found.store, found.broker) == ("sqlite", "rabbitmq")


def test_paths_are_relative_to_the_data_folder(tmp_path):
    found = loaded(tmp_path, POSTGRESQL + RABBITMQ).services
    assert found.postgresql.passfile == tmp_path / "secrets/pgpass"
    assert found.rabbitmq.authority == tmp_path / "secrets/ca.pem"
    assert found.rabbitmq.accounts.publisher.key == tmp_path / "secrets/mq.key"
    assert found.rabbitmq.accounts.collector.password_file == tmp_path / "secrets/collector"


@pytest.mark.parametrize("word", ["password=secret", "user=somebody", "passfile=/x"])
def test_the_connection_string_holds_neither_secret_nor_user(tmp_path, word):
    told = refused(tmp_path, POSTGRESQL.replace("dbname=gateway", f"dbname=gateway {word}"))
    assert "services.toml: postgresql.dsn" in told
    assert "secret" not in told.replace("no_secret", "")


@pytest.mark.parametrize(
    "account",
    [
        "{ }",
        '{ user = "x" }',
        '{ certificate = "c" }',
        '{ certificate = "c", key = "k", user = "x", password_file = "p" }',
    ],
)
def test_an_account_logs_in_in_exactly_one_way(tmp_path, account):
    told = refused(tmp_path, RABBITMQ.replace(f"publisher = {ACCOUNT}", f"publisher = {account}"))
    assert "rabbitmq.accounts.publisher" in told
    assert "certificate and key, or user and password_file" in told


def test_a_misspelt_key_is_told_with_the_accepted_ones(tmp_path):
    told = refused(tmp_path, POSTGRESQL.replace("passfile", "pasfile"))
    assert "postgresql.pasfile" in told
    assert "passfile" in told.partition("accepted keys")[2]


def test_a_heartbeat_of_nought_is_refused(tmp_path):
    """Half-open connections would never be noticed."""
    assert "heartbeat" in refused(tmp_path, RABBITMQ.replace("authority", "heartbeat = 0\nauthority"))


def test_the_example_is_the_manual_every_key_with_its_default(tmp_path):
    text = (ROOT / "config" / "services.example.toml").read_text(encoding="utf-8")
    read = loaded(tmp_path, text).services
    assert read.postgresql.roles == services.Roles()
    for model, given in ((services.PostgreSQL, read.postgresql), (services.RabbitMQ, read.rabbitmq)):
        for key, field in model.model_fields.items():
            assert f"\n{key} = " in text or f".{key}]" in text, key
            if field.default is not None and not field.is_required():
                assert getattr(given, key) == field.default, key
    for key in services.Accounts.model_fields:
        assert f"\n{key} = {{" in text
