"""`gateway contracts`: the files are written when something changed, and a difference is an exit code."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from gateway.cli import main

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "config" / "gateway.toml"


def run(*arguments: str):
    return CliRunner().invoke(main, ["contracts", *arguments, "--config", str(CONFIG)])


def test_what_is_committed_is_what_is_made():
    result = run("check")
    assert result.exit_code == 0, result.stdout


def test_writing_makes_every_file_and_a_second_time_changes_nothing(tmp_path):
    first = run("write", "--into", str(tmp_path), "--json")
    assert first.exit_code == 0
    names = {path.name for path in (ROOT / "schemas" / "events").glob("*.json")}
    assert set(json.loads(first.stdout)["changed"]) == names
    for name in names:
        assert (tmp_path / name).read_bytes() == (ROOT / "schemas" / "events" / name).read_bytes()
    second = run("write", "--into", str(tmp_path), "--json")
    assert json.loads(second.stdout)["changed"] == []


def test_a_file_that_was_changed_is_missing_or_is_too_many_is_told_and_mended(tmp_path):
    run("write", "--into", str(tmp_path))
    (tmp_path / "inkomst.v1.json").write_text("{}")
    (tmp_path / "franvaro.v1.json").unlink()
    (tmp_path / "gammal.v1.json").write_text("{}")
    result = run("check", "--into", str(tmp_path))
    assert result.exit_code == 1
    for name in ("inkomst", "franvaro", "gammal"):
        assert f"{name}.v1.json" in result.stdout
    assert "sjukanmalan" not in result.stdout
    assert run("write", "--into", str(tmp_path)).exit_code == 0
    assert run("check", "--into", str(tmp_path)).exit_code == 0
    assert not (tmp_path / "gammal.v1.json").exists()
