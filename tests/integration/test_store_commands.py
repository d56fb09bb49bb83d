"""`gateway store …` on a whole installation: from the embedded store to PostgreSQL, and everything asked there."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.config import load
from gateway.store.place import SqlitePlace
from gateway.store.steps import REVISION
from tests import builders

pytestmark = pytest.mark.services
CONFIG = Path(__file__).parents[2] / "config" / "gateway.toml"


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    assert run(folder, "pki", "demo", plain=True).exit_code == 0
    assert run(folder, "init").exit_code == 0
    return folder


@pytest.fixture
def served(data, database):
    """The same installation, with a server named."""
    shutil.copy(database.passfile, data / "pgpass")
    os.chmod(data / "pgpass", 0o600)  # noqa: PTH101
    (data / "services.toml").write_text(f'[postgresql]\ndsn = "{database.dsn}"\npassfile = "pgpass"\n')
    return data


def run(data, *words: str, plain: bool = False):
    more = [str(data)] if plain else ["--config", str(CONFIG), "--data", str(data)]
    return CliRunner().invoke(main, [*words, *more])


def test_an_installation_is_moved_and_the_commands_ask_the_server(data, database, request):
    request.getfixturevalue("served")
    copied = run(data, "store", "copy", "--json")
    assert copied.exit_code == 0, copied.output
    report = json.loads(copied.stdout)
    assert (report["size"], report["checkpoints"], report["rows"]["checkpoints"]) == (0, 1, 1)
    verified = run(data, "audit", "verify", "--json")
    assert verified.exit_code == 0, verified.output
    assert json.loads(verified.stdout)["root"]
    kept = SqlitePlace(load(CONFIG, data=data).gateway.store.path)
    assert kept.there()
    assert "The same log" in run(data, "store", "copy").stdout
    assert database.dsn not in copied.output


def test_on_a_server_each_duty_reads_as_its_own_account_and_the_overseer_is_told_of_all(data, request):
    request.getfixturevalue("served")
    assert run(data, "store", "copy").exit_code == 0
    why = ("--purpose", "revision", "--case", "IR 2026/4")
    assert run(data, "purpose", "explain", "7", *why).exit_code == 1  # there is no such leaf; who looked is told
    assert run(data, "audit", "readings", "show", "0", *why).exit_code == 0
    listed = run(data, "audit", "readings", "list", *why, "--json")
    assert listed.exit_code == 0, listed.output
    lines = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [(one["question"], one["account"]) for one in lines] == [
        ("audit readings list", "gateway_overseer"),
        ("audit readings show", "gateway_overseer"),
        ("purpose explain", "gateway_archivist"),
    ]
    assert run(data, "audit", "readings", "verify", "--records", *why).exit_code == 0
    assert run(data, "audit", "anchor").exit_code == 0


def test_a_copy_without_a_server_named_is_wrong_configuration(data):
    told = run(data, "store", "copy")
    assert told.exit_code == 3
    assert "[postgresql]" in told.output


def test_a_copy_over_another_store_is_told_with_its_exit_code(served, database, tmp_path):
    builders.database(database, tmp_path / "another")
    told = run(served, "store", "copy")
    assert told.exit_code == 5
    assert "copy into an empty database" in told.output.replace("\n", " ")


def test_upgrade_and_partition_say_what_they_did(data, database, request):
    assert json.loads(run(data, "store", "upgrade", "--json").stdout) == {"store": "sqlite", "schema": REVISION}
    assert json.loads(run(data, "store", "partition", "--json").stdout) == {"made": 0, "ahead": None}
    request.getfixturevalue("served")
    assert run(data, "store", "copy").exit_code == 0
    assert json.loads(run(data, "store", "upgrade", "--json").stdout) == {"store": "postgresql", "schema": REVISION}
    assert json.loads(run(data, "store", "partition", "--ahead", "4", "--json").stdout) == {"made": 5, "ahead": 4}
    assert "0 made; 4 ahead" in run(data, "store", "partition").stdout


def test_a_server_that_is_away_is_temporary(served):
    text = (served / "services.toml").read_text()
    (served / "services.toml").write_text(_elsewhere(text))
    told = run(served, "store", "partition")
    assert told.exit_code == 4, told.output


def _elsewhere(text: str) -> str:
    return "\n".join(
        'dsn = "host=127.0.0.1 port=1 dbname=gateway"' if line.startswith("dsn") else line for line in text.splitlines()
    )
