"""`gateway purpose`: what people try a request with. Exit codes, both languages, files of strangers, and the log."""

from __future__ import annotations

import json
import re
import shutil
import tomllib

import jsonschema
import pytest
from click.testing import CliRunner

from gateway import wiring
from gateway.cli import exits, main
from gateway.cli.demo.persons import PERSONNUMMER
from gateway.config import load
from gateway.config.law import Direction
from gateway.privacy import reading
from gateway.store.views import Entry
from tests.unit.cli.conftest import CONFIG

DAY = "2026-03-02"


def run(*arguments: str, given: str | bytes | None = None):
    return CliRunner().invoke(main, ["purpose", *arguments], input=given)


@pytest.fixture(scope="module")
def example() -> dict:
    return json.loads(run("example", "fk_question", "--json", "--at", DAY, "--config", str(CONFIG)).stdout)


def decide(request: object, *options: str):
    given = request if isinstance(request, str | bytes) else json.dumps(request)
    return run("decide", "-", "--at", DAY, "--config", str(CONFIG), *options, given=given)


@pytest.mark.parametrize("direction", Direction)
def test_an_example_of_every_direction_is_permitted_as_it_is_written(direction):
    written = run("example", direction.value, "--at", DAY, "--config", str(CONFIG))
    assert written.exit_code == 0
    jsonschema.validate(tomllib.loads(written.stdout), reading.schema(), jsonschema.Draft202012Validator)
    result = decide(written.stdout, "--json")
    assert (result.exit_code, json.loads(result.stdout)["decision"]) == (0, "PERMIT")


def test_toml_and_json_examples_say_the_same(example):
    assert tomllib.loads(run("example", "fk_question", "--at", DAY, "--config", str(CONFIG)).stdout) == example


def test_an_example_by_default_is_of_today():
    written = run("example", "fk_push", "--config", str(CONFIG)).stdout
    assert run("decide", "-", "--config", str(CONFIG), given=written).exit_code == 0


def test_a_day_before_every_basis_has_no_example():
    result = run("example", "fk_question", "--at", "2001-01-01", "--config", str(CONFIG))
    assert result.exit_code == exits.Exit.REFUSED
    assert "nothing of that to permit" in result.stderr


def test_an_example_may_be_on_a_basis_that_only_a_person_may_answer_for():
    written = run("example", "UT-MYNDIGHET-10-15A", "--at", DAY, "--config", str(CONFIG))
    assert written.exit_code == 0
    assert "left to a person" in written.stderr
    assert tomllib.loads(written.stdout)["basisId"] == "UT-MYNDIGHET-10-15A"


def test_what_is_neither_a_direction_nor_a_basis_has_no_example():
    result = run("example", "INGEN-01", "--config", str(CONFIG))
    assert result.exit_code == exits.Exit.USAGE
    assert "inbound_push, inbound_answer" in result.stderr


@pytest.mark.parametrize(
    ("change", "exit_code", "decision"),
    [
        ({}, 0, "PERMIT"),
        ({"auditReady": False}, 1, "DENY"),
        ({"sidStatus": "unknown"}, 1, "REFER"),
        ({"purpose": None}, 1, "DENY"),
        ({"eventDate": "i fredags"}, 1, "DENY"),
    ],
)
def test_only_a_permission_exits_with_zero(example, change, exit_code, decision):
    result = decide(example | change, "--json")
    assert (result.exit_code, json.loads(result.stdout)["decision"]) == (exit_code, decision)


def test_both_languages_by_default_and_one_if_asked_for(example):
    both, english = decide(example), decide(example | {"trigger": "own_initiative"}, "--lang", "en")
    assert (both.exit_code, english.exit_code) == (0, 1)
    assert both.stdout.startswith("Tillåtet. ")
    assert "\nPermitted. " in both.stdout
    assert english.stdout.startswith("Denied. ")
    assert "Nekat" not in english.stdout
    assert f"The basis {example['basisId']} is for: direction fk_question; partner " in english.stdout


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"purpose": "fk:Kontroll", "ändamal": "x"}, "unknown key ändamal; accepted: requestId, direction"),
        ('{"a": 1, "a": 2}', "twice"),
        ("[1]", "unknown key (a key that is no name); accepted: requestId"),
        ("[1, 2]", "not TOML"),
        ("just words", "not TOML"),
        (b"\xff", "not UTF-8"),
        ("", "not JSON"),
    ],
)
def test_what_cannot_be_read_as_a_request_is_the_writers_to_mend(given, told):
    result = decide(given)
    assert result.exit_code == exits.Exit.CONFIGURATION
    assert told in result.stderr
    assert "Traceback" not in result.stderr
    as_json = decide(given, "--json")
    assert told in json.loads(as_json.stdout)["error"]["detail"]


@pytest.mark.parametrize(
    "options", [["nowhere.toml"], ["-", "--at", "igår"], ["-", "--at", "1066-10-14"], ["-", "--lang", "fi"]]
)
def test_a_wrong_use_is_told_as_one(options):
    assert run("decide", *options, "--config", str(CONFIG), given="").exit_code == exits.Exit.USAGE


def test_the_day_decides_which_law_it_is_decided_by(example):
    told = json.loads(
        run("decide", "-", "--at", "2010-01-01", "--json", "--config", str(CONFIG), given=json.dumps(example)).stdout
    )
    assert (told["decision"], told["reasonCodes"]) == ("DENY", ["BASIS_NOT_YET_VALID"])


def test_a_decision_that_was_written_is_explained(example, tmp_path):
    file = tmp_path / "beslut.json"
    file.write_text(decide(example | {"auditReady": False}, "--json").stdout)
    for place, given in ((str(file), None), ("-", file.read_text())):
        result = run("explain", place, "--lang", "sv", "--config", str(CONFIG), given=given)
        assert result.exit_code == 0
        assert result.stdout.startswith("Nekat. Loggen har inte bekräftat")
        assert "Grind 0 (loggen) stoppade." in result.stdout
    told = json.loads(run("explain", str(file), "--json", "--config", str(CONFIG)).stdout)
    assert set(told) == {"sv", "en"}
    assert told["en"][0].startswith("Denied. The log has not confirmed")


@pytest.mark.parametrize("given", ["{}", '{"decision": "YES", "reasonCodes": []}', "[]", "{"])
def test_what_is_no_decision_is_not_explained(given):
    result = run("explain", "-", "--config", str(CONFIG), given=given)
    assert result.exit_code == exits.Exit.CONFIGURATION


def test_a_file_that_is_not_there_is_a_wrong_use():
    result = run("explain", "nowhere.json", "--config", str(CONFIG))
    assert result.exit_code == exits.Exit.USAGE
    assert "no such file, and no number of a leaf" in result.stderr


def test_a_proof_bound_by_the_fingerprint_carries_its_request_and_no_other(example):
    mark = run("fingerprint", "-", given=json.dumps(example)).stdout.strip()
    bound = example | {"caseProof": example["caseProof"] | {"requestHash": mark}}
    assert run("fingerprint", "-", given=json.dumps(bound)).stdout.strip() == mark
    assert decide(bound).exit_code == 0
    other = decide(bound | {"requestId": "en-annan"}, "--json")
    assert json.loads(other.stdout)["reasonCodes"] == ["PROOF_OTHER_REQUEST"]


def test_the_schema_is_the_one_that_requests_are_read_by():
    assert json.loads(run("schema").stdout) == json.loads(json.dumps(reading.schema()))


# --- The log's own decisions ----------------------------------------------------------------------------------------


WHY = ("--purpose", "kontroll", "--case", "GR 2026/12")


def test_a_leaf_is_opened_for_nobody_who_does_not_say_why(original):
    (number, *_) = [entry.position for entry in entries(original) if entry.message is not None]
    for less in ((), WHY[:2], WHY[2:], ("--purpose", "nyfikenhet", *WHY[2:])):
        result = original.run("purpose", "explain", str(number), *less)
        assert (result.exit_code, result.stdout) == (exits.Exit.USAGE, "")


def test_an_answer_that_decide_wrote_is_explained_without_saying_why(example):
    answer = decide(example, "--json").stdout
    result = run("explain", "-", "--config", str(CONFIG), given=answer)
    assert result.exit_code == 0, result.stderr


def entries(installation) -> list[Entry]:
    """Every leaf of the log."""
    views = wiring.views(load(CONFIG, data=installation.data))
    try:
        return [entry for number in range(views.length()) if (entry := views.at(number)) is not None]
    finally:
        views.close()


def test_a_leaf_of_the_log_is_opened_and_explained(original):
    decisions = [entry.position for entry in entries(original) if entry.message is not None]
    assert len(decisions) == 3
    for number in decisions:
        result = original.run("purpose", "explain", str(number), "--lang", "sv", *WHY)
        assert result.exit_code == 0, result.stderr
        assert result.stdout.startswith("Tillåtet. Fält som får passera: ")
        assert "grunden SKV-AGI-" in result.stdout
        assert re.search(r"registerversion [0-9a-f]{64}", result.stdout)
        assert not any(person in result.stdout for person in PERSONNUMMER)


def test_a_leaf_without_a_decision_is_told_as_such(original):
    others = [entry.position for entry in entries(original) if entry.message is None]
    assert others
    for number in (*others, len(entries(original)), 999_999):
        result = original.run("purpose", "explain", str(number), *WHY)
        assert result.exit_code == exits.Exit.REFUSED
        assert "no decision at that number" in result.stderr


def test_a_leaf_is_not_opened_with_another_installations_key(installation):
    (number, *_) = [entry.position for entry in entries(installation) if entry.message is not None]
    key = installation.data / "keys" / "sealing.key"
    key.write_bytes(bytes(len(key.read_bytes())))
    result = installation.run("purpose", "explain", str(number), *WHY)
    assert result.exit_code == exits.Exit.INTEGRITY
    assert "sealed under key" in result.stderr


def test_to_decide_needs_no_key_and_no_store(tmp_path, example, monkeypatch):
    config = shutil.copytree(CONFIG.parent, tmp_path / "config") / "gateway.toml"
    config.write_text(re.sub(r"^data = .*$", f'data = "{tmp_path}/intet"', CONFIG.read_text(), flags=re.MULTILINE))
    shutil.copytree(CONFIG.parents[1] / "schemas", tmp_path / "schemas")
    monkeypatch.chdir(tmp_path)
    result = run("decide", "-", "--at", DAY, "--config", str(config), given=json.dumps(example))
    assert result.exit_code == 0, result.stderr
    assert not (tmp_path / "intet").exists()
