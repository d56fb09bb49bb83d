"""`pki demo`, `init` and `config check`: from an empty folder to an installation, and what is wrong on the way."""

import json
import shutil

import pytest
from click.testing import CliRunner

from gateway.cli import main
from tests.unit.cli.conftest import CONFIG, ROOT


def run(*arguments: str):
    return CliRunner().invoke(main, arguments)


def test_a_pki_and_a_store_are_made_from_nothing_and_never_over_another(tmp_path):
    data = str(tmp_path / "data")
    made = run("pki", "demo", data, "--json")
    assert made.exit_code == 0, made.stderr
    assert "keys/checkpoint.key" in json.loads(made.stdout)["files"]
    key = tmp_path / "data" / "keys" / "sealing.key"
    assert key.stat().st_mode & 0o077 == 0
    before = key.read_bytes()
    assert run("pki", "demo", data).exit_code == 3
    assert key.read_bytes() == before

    common = ("--config", str(CONFIG), "--data", data)
    assert run("init", *common, "--json").exit_code == 0
    assert run("init", *common).exit_code == 5
    checked = run("config", "check", *common, "--json")
    assert checked.exit_code == 0, checked.stderr
    assert json.loads(checked.stdout)["store"] == "there"


def test_a_right_configuration_tells_what_it_holds(original):
    result = original.run("config", "check", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["partners"] == ["akassa", "arbetsformedlingen", "arbetsgivare", "kommun", "region", "skatteverket"]
    assert len(found["contracts"]) == 5
    assert len(found["policy"]) == 64
    assert "AG-SJUKANMALAN-01" in found["bases"]
    (told,) = [line for line in found["warnings"] if "LAW_UNVERIFIED" in line]
    assert told.startswith("LAW_UNVERIFIED: outside demo and test a person decides by ")
    waiting = told.rpartition(": ")[2].split(", ")
    assert f" {len(waiting)} of {len(set(found['bases']))} bases (gateway law check " in told
    assert "FK-NAVET-01" in waiting
    assert "SKV-AGI-FRANVARO-01" not in waiting
    text = original.run("config", "check")
    assert text.exit_code == 0
    assert "The configuration is right" in text.stdout


@pytest.mark.parametrize(
    "name",
    [
        "keys/server.key",
        "keys/server.pem",
        "keys/receipt.key",
        "keys/receipt.pem",
        "keys/sealing.key",
        "keys/pseudonym.key",
        "keys/checkpoint.key",
        "pki/agencies.pem",
        "pki/organisations.crl",
    ],
)
def test_a_missing_or_broken_file_is_named_and_exits_3(installation, name):
    path = installation.data / name
    path.write_bytes(b"not this")
    broken = installation.run("config", "check")
    path.unlink()
    missing = installation.run("config", "check")
    for result in (broken, missing):
        assert result.exit_code == 3, result.stdout
        assert path.name in result.stderr or path.stem in result.stderr


@pytest.fixture
def project(tmp_path):
    for folder in ("config", "schemas"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "change", "named"),
    [
        ("gateway.toml", ("port = 8443", "porn = 8443"), "listen.porn"),
        ("gateway.toml", ("port = 8443", "port = 99999"), "listen.port"),
        ("queues.toml", ('name = "kontroll.inkomst"', 'name = "Kontroll"'), "name"),
        ("queues.toml", ("inkomst.v1", "inkomst.v2"), "inkomst.v2"),
        ("law/bases/skatteverket.toml", ('"fk:Kontroll"', '"fk:Nyfikenhet"'), "fk:Nyfikenhet"),
        ("law/bases/arbetsgivare.toml", ('"forstaSjukdag"', '"diagnos"'), "diagnos"),
        ("law/lagrum/sfb.toml", ("[[lagrum]]", "[[lagrumm]]"), "lagrumm"),
        ("partners/skatteverket.toml", ('id = "skatteverket"', 'id = "skv"'), "id"),
    ],
    ids=["unknown key", "port", "queue name", "event type", "purpose", "field", "table", "partner id"],
)
def test_a_wrong_key_is_named_with_its_file_and_exits_3(project, original, file, change, named):
    path = project / "config" / file
    path.write_text(path.read_text(encoding="utf-8").replace(*change), encoding="utf-8")
    result = run("config", "check", "--config", str(project / "config" / "gateway.toml"), "--data", str(original.data))
    assert result.exit_code == 3
    assert named in result.stderr


def test_a_schema_that_is_none_is_named_and_exits_3(project, original):
    (project / "schemas" / "arbetsgivare" / "anmalan.xsd").write_text("<x/>", encoding="utf-8")
    result = run("config", "check", "--config", str(project / "config" / "gateway.toml"), "--data", str(original.data))
    assert result.exit_code == 3
    assert "sjukanmalan.xsd" in result.stderr
