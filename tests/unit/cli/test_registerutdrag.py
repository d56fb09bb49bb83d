"""`gateway audit registerutdrag`: one person's own, written down first, and the person's number in no form of it."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.cli.demo.persons import PERSONNUMMER
from tests.unit.cli.conftest import CONFIG
from tests.unit.cli.test_asking import readings

WHY = ("--purpose", "registerutdrag", "--case", "R 2026/4")
STRANGER = "191212121212"


def ask(installation, *arguments: str, stdin: str = PERSONNUMMER[0], why=WHY):
    where = ("--config", str(CONFIG), "--data", str(installation.data))
    return CliRunner().invoke(main, ["audit", "registerutdrag", *arguments, *why, *where], input=stdin)


def test_a_person_is_told_who_sent_what_and_why_and_the_reading_is_written_down(installation):
    found = ask(installation, "--json")
    assert found.exit_code == 0, found.output
    answer = json.loads(found.stdout)
    (entry,) = answer["poster"]
    assert (entry["motpart"], entry["organisationsnummer"], entry["riktning"]) == ("Skatteverket", "2021005448", "in")
    assert entry["andamal"]
    assert entry["lagrum"]
    assert answer["ärende"] == "R 2026/4"
    (reading,) = readings(installation)
    assert (reading.question, reading.purpose, reading.case) == ("audit registerutdrag", "registerutdrag", "R 2026/4")
    assert reading.pseudonym is not None


@pytest.mark.parametrize("shape", [(), ("--text",), ("--html",), ("--json",)])
def test_no_form_has_a_persons_number_nor_anybody_else_of_the_message(installation, shape):
    found = ask(installation, *shape)
    assert found.exit_code == 0, found.output
    assert "Skatteverket" in found.stdout
    for number in PERSONNUMMER:
        assert number not in found.output
        assert number[2:] not in found.output
    assert found.stdout.startswith("<!DOCTYPE html>") == (shape == ("--html",))


def test_somebody_whom_the_log_does_not_know_is_told_that_nothing_is_there(installation):
    assert json.loads(ask(installation, "--json", stdin=STRANGER).stdout)["poster"] == []
    (reading,) = readings(installation)
    assert reading.pseudonym is not None


def test_a_period_is_asked_for_in_swedish_days(installation):
    assert json.loads(ask(installation, "--json", "--until", "2020-01-01").stdout)["poster"] == []
    assert len(json.loads(ask(installation, "--json", "--since", "2020-01-01").stdout)["poster"]) == 1
    for wrong in (
        ("--since", "2026-01-02", "--until", "2026-01-01"),
        ("--since", "0001-01-01"),
        ("--until", "9999-12-31"),
    ):
        assert ask(installation, *wrong).exit_code == 2


@pytest.mark.parametrize("why", [(), ("--purpose", "registerutdrag"), ("--case", "R 1"), ("--purpose", "nyfikenhet")])
def test_nothing_is_told_without_purpose_and_case(installation, why):
    found = ask(installation, why=why)
    assert (found.exit_code, found.stdout) == (2, "")
    assert readings(installation) == []


def test_what_is_no_number_is_not_quoted_and_nothing_is_written_down(installation):
    found = ask(installation, stdin="Nisse Hult")
    assert found.exit_code == 2
    assert "Nisse" not in found.output
    assert readings(installation) == []
