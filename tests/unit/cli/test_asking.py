"""`gateway audit ask`, `questions` and `trail`: persons never as arguments, and nothing before it is written down."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from gateway import wiring
from gateway.cli import main
from gateway.cli.demo.persons import PERSONNUMMER
from gateway.config import load
from gateway.sqlite import File
from gateway.store.place import DATABASE, Duty
from gateway.store.readings import ReadingViews
from tests.unit.cli.conftest import CONFIG

WHY = ("--purpose", "kontroll", "--case", "K 2026/17")


def ask(installation, *arguments: str, stdin: str = ""):
    where = ("--config", str(CONFIG), "--data", str(installation.data))
    return CliRunner().invoke(main, ["audit", *arguments, *where], input=stdin)


def readings(installation):
    configuration = load(CONFIG, data=installation.data)
    views = ReadingViews(wiring.place(configuration, Duty.OVERSEER))
    sealer = wiring.sealer(configuration.gateway.keys)
    return [kept.opened(sealer) for kept in views.newest()]


def test_the_questions_are_told_with_what_they_do_not_tell():
    shown = CliRunner().invoke(main, ["audit", "questions"])
    assert shown.exit_code == 0
    assert shown.stdout.count("Säger inte:") == 20
    told = json.loads(CliRunner().invoke(main, ["audit", "questions", "--json"]).stdout)
    assert [one["question"] for one in told] == [f"Q{n}" for n in range(1, 21)]
    assert CliRunner().invoke(main, ["audit", "ask", "Q21"]).exit_code == 2


@pytest.mark.parametrize("number", range(1, 21))
def test_every_question_has_help(number):
    shown = CliRunner().invoke(main, ["audit", "ask", f"Q{number}", "--help"])
    assert shown.exit_code == 0
    assert "--purpose" in shown.stdout


def test_a_person_is_asked_about_by_standard_input_and_by_pseudonym_from_there(installation):
    found = ask(installation, "ask", "Q1", "--person", "-", "--json", *WHY, stdin=f"{PERSONNUMMER[0]}\n")
    assert found.exit_code == 0, found.output
    answer = json.loads(found.stdout)
    assert [(row["partner"], row["direction"]) for row in answer["rows"]] == [("skatteverket", "in")]
    assert answer["more"] is None
    (reading,) = readings(installation)
    assert (reading.question, reading.case, reading.purpose) == ("Q1", "K 2026/17", "kontroll")
    assert reading.pseudonym is not None
    assert PERSONNUMMER[0] not in found.output + str(reading)
    other = ask(installation, "ask", "Q1", "--person", "-", "--json", *WHY, stdin="19121212-1212\n")
    assert json.loads(other.stdout)["rows"] == []


def test_a_line_that_is_no_number_is_told_by_its_place_and_nothing_is_written_down(installation):
    found = ask(
        installation, "ask", "Q4", "--official", "anna", "--person", "-", *WHY, stdin=f"{PERSONNUMMER[0]}\nNisse\n"
    )
    assert found.exit_code == 2
    assert "line 2" in found.output
    assert "Nisse" not in found.output
    assert readings(installation) == []


@pytest.mark.parametrize("why", [(), ("--purpose", "kontroll"), ("--case", "K 1")])
def test_nothing_is_answered_without_purpose_and_case(installation, why):
    found = ask(installation, "ask", "Q9", *why)
    assert found.exit_code == 2
    assert found.stdout == ""
    assert readings(installation) == []


def test_pages_go_on_where_the_last_one_ended(installation):
    whole = json.loads(
        ask(installation, "ask", "Q16", "--since", "2020-01-01", "--until", "2100-01-01", "--json", *WHY).stdout
    )
    assert len(whole["rows"]) >= 3
    rows, after = [], ()
    while True:
        page = json.loads(
            ask(
                installation,
                "ask",
                "Q16",
                "--since",
                "2020-01-01",
                "--until",
                "2100-01-01",
                "-n",
                "1",
                "--json",
                *after,
                *WHY,
            ).stdout
        )
        rows += page["rows"]
        if page["more"] is None:
            break
        after = ("--after", page["more"])
    assert rows == whole["rows"]
    assert ask(installation, "ask", "Q9", "--after", "wrong", *WHY).exit_code == 2


def test_for_people_there_is_a_table_and_what_it_does_not_tell(installation):
    found = ask(installation, "ask", "Q9", "-n", "1", *WHY)
    assert found.exit_code == 0, found.output
    assert "Flöden per grund" in found.stdout
    assert "Säger inte" in found.stderr
    assert "--after" in found.stderr


def test_the_readers_log_is_asked_by_its_own_question_which_is_in_it(installation):
    assert ask(installation, "ask", "Q9", *WHY).exit_code == 0
    assert ask(installation, "ask", "Q1", "--person", "-", *WHY, stdin=PERSONNUMMER[1]).exit_code == 0
    found = ask(installation, "ask", "Q17", "--json", *WHY)
    assert found.exit_code == 0, found.output
    rows = json.loads(found.stdout)["rows"]
    assert [row["question"] for row in rows] == ["Q17", "Q1", "Q9"]
    about = ask(
        installation, "ask", "Q17", "--person", "-", "--of-question", "Q1", "--json", *WHY, stdin=PERSONNUMMER[1]
    )
    assert [row["question"] for row in json.loads(about.stdout)["rows"]] == ["Q1"]
    nobody = ask(installation, "ask", "Q17", "--of-reader", "nobody", "--json", *WHY)
    assert json.loads(nobody.stdout)["rows"] == []


def test_an_upgraded_store_says_loudly_that_its_trail_is_not_whole(installation):
    file = File(load(CONFIG, data=installation.data).gateway.store.path / DATABASE)
    (last,) = file.execute("SELECT max(position) FROM leaves").fetchone()
    file.execute("DELETE FROM trail")
    file.insert("trail_gaps", "first, last, filled_at", [(0, last, None)])
    refused = ask(installation, "ask", "Q9", *WHY)
    assert refused.exit_code == 4
    assert "gateway audit trail rebuild" in refused.output
    checked = ask(installation, "trail", "check", "--json", *WHY)
    assert checked.exit_code == 5
    assert json.loads(checked.stdout)["missing"] == list(range(last + 1))
    made = ask(installation, "trail", "rebuild", "--json", *WHY)
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["made"] == last + 1
    checked = ask(installation, "trail", "check", *WHY)
    assert checked.exit_code == 0, checked.output
    assert ask(installation, "ask", "Q9", *WHY).exit_code == 0
    file.close()
