"""`gateway audit control`: every step is a reading first, nobody is named, and nobody reviews their own doing."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner

from gateway import wiring
from gateway.cli import control, main
from gateway.cli.demo.persons import PERSONNUMMER
from gateway.config import load
from gateway.store.place import Duty
from gateway.store.readings import ReadingViews
from tests.trailing import ANNA, DENIED, IN, NOON, REVIEW, Told
from tests.unit.cli.conftest import CONFIG

WHY = ("--purpose", "kontroll", "--case", "LK 2026-03")
MONTH = ("--month", "2026-03")
SEED = "5a" * 32


def run(installation, *arguments: str, stdin: str = ""):
    where = ("--config", str(CONFIG), "--data", str(installation.data))
    return CliRunner().invoke(main, ["audit", "control", *arguments, *where], input=stdin)


def readings(installation):
    configuration = load(CONFIG, data=installation.data)
    sealer = wiring.sealer(configuration.gateway.keys)
    views = ReadingViews(wiring.place(configuration, Duty.OVERSEER))
    return [(kept.position, kept.opened(sealer)) for kept in views.newest()]


@pytest.fixture
def march(installation):
    """A month that has ended, in the same log."""
    told = Told(wiring.place(load(CONFIG, data=installation.data), Duty.OWNER))
    for number in range(8):
        told.leaf(IN, ANNA, at=NOON + timedelta(minutes=number))
    told.leaf(DENIED, ANNA, at=NOON)
    told.leaf(REVIEW, ANNA, at=NOON, by="eva", second="olle")
    told.close()
    return installation


def drawn(installation, *more: str):
    found = run(installation, "draw", *MONTH, "--size", "3", "--json", *WHY, *more)
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def listed(installation, *more: str):
    return [json.loads(line) for line in run(installation, "list", *MONTH, "--json", *more).stdout.splitlines()]


def test_the_seed_stands_in_the_readers_log_before_anything_is_drawn(march):
    told = drawn(march)
    ((position, reading),) = readings(march)
    assert reading.question == "control draw"
    assert reading.parameters["seed"] == told["seed"]
    assert not told["given"]
    report = json.loads(run(march, "report", *MONTH, "--json").stdout)
    assert (report["reading"], report["seed"], report["cases"]) == (position, told["seed"], len(told["cases"]))


def test_a_seed_that_is_given_is_told_as_given(march):
    told = drawn(march, "--seed", SEED)
    assert (told["seed"], told["given"]) == (SEED, True)
    assert "angivet av den som drog" in run(march, "report", *MONTH).stdout
    assert run(march, "draw", *MONTH, "--seed", "5a", *WHY).exit_code == 2


def test_a_seed_that_nobody_gave_is_another_each_time(march):
    from gateway.wiring import controlling  # noqa: PLC0415

    assert controlling.seed() != controlling.seed()
    assert controlling.seed(bytes) == bytes(32)


def test_a_month_is_drawn_from_once_and_the_second_try_reads_nothing(march):
    drawn(march)
    again = run(march, "draw", *MONTH, "--json", *WHY)
    assert again.exit_code == 1
    assert "stands" in json.loads(again.stdout)["refused"]
    assert len(readings(march)) == 1


def test_a_month_that_is_not_over_is_not_drawn_from(march):
    assert run(march, "draw", "--month", "2099-01", *WHY).exit_code == 1
    assert run(march, "draw", "--month", "2026-13", *WHY).exit_code == 2
    assert readings(march) == []


@pytest.mark.parametrize(
    "arguments",
    [("draw", *MONTH), ("verify", *MONTH), ("show", "1"), ("mark", "1", "--outcome", "brist", "--reason", "x")],
)
def test_what_tells_of_people_says_why(march, arguments):
    assert run(march, *arguments).exit_code == 2


def test_drawing_again_is_a_reading_and_agrees(march):
    drawn(march)
    found = run(march, "verify", *MONTH, "--json", *WHY)
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["whole"]
    assert readings(march)[0][1].question == "control verify"
    assert run(march, "verify", "--month", "2026-02", *WHY).exit_code == 1
    assert "what the seed gives" in run(march, "verify", *MONTH, *WHY).stdout


def test_drawing_that_was_cheated_with_ends_as_records_that_disagree(march):
    drawn(march)
    told = Told(wiring.place(load(CONFIG, data=march.data), Duty.OWNER))
    told.session.execute("DROP TRIGGER control_cases_changed_never")
    told.session.execute("UPDATE control_cases SET position = 0 WHERE why = 'systems'")
    told.close()
    found = run(march, "verify", *MONTH, *WHY)
    assert found.exit_code == 5
    assert "nothing gives it" in found.stdout


def test_the_list_and_the_report_name_nobody_and_are_no_readings(march):
    drawn(march)
    count = len(readings(march))
    shown = [run(march, "list", *MONTH), run(march, "report", *MONTH), run(march, "report", *MONTH, "--html")]
    assert all(one.exit_code == 0 for one in shown)
    said = "".join(one.output for one in shown)
    assert not any(name in said for name in ("eva", "olle", ANNA))
    assert "<h1>Återkommande kontroll 2026-03</h1>" in shown[2].stdout
    assert len(readings(march)) == count


def test_a_case_is_shown_with_whose_doing_it_is_and_what_was_said_of_it(march):
    drawn(march)
    (case,) = [one["case"] for one in listed(march) if one["why"] == "officials"]
    marked = run(march, "mark", str(case), "--outcome", "forklarad", "--reason", "ärendet fanns", *WHY)
    assert marked.exit_code == 0, marked.output
    shown = json.loads(run(march, "show", str(case), "--json", *WHY).stdout)
    assert shown["officials"] == ["eva", "olle"]
    assert (shown["marks"][0]["outcome"], shown["marks"][0]["reason"]) == ("forklarad", "ärendet fanns")
    position, reading = readings(march)[1]
    assert (reading.question, position) == ("control mark", shown["marks"][0]["reading"])
    assert reading.parameters["case"] == case
    assert "ärendet" not in str(reading)
    assert "officials: eva, olle" in run(march, "show", str(case), *WHY).stdout
    assert case not in [one["case"] for one in listed(march, "--left")]
    assert run(march, "show", "999", *WHY).exit_code == 1


def test_nobody_marks_their_own_doing_and_the_refused_try_is_no_reading(march, monkeypatch):
    drawn(march)
    count = len(readings(march))
    (case,) = [one["case"] for one in listed(march) if one["why"] == "officials"]
    monkeypatch.setattr(control, "me", lambda: "olle")
    found = run(march, "mark", str(case), "--outcome", "utan-anmarkning", "--reason", "x", "--json", *WHY)
    assert found.exit_code == 1
    assert "own doing" in json.loads(found.stdout)["refused"]
    assert len(readings(march)) == count


def test_an_outcome_that_is_none_is_refused(march):
    drawn(march)
    assert run(march, "mark", "1", "--outcome", "bra", "--reason", "x", *WHY).exit_code == 2
    assert run(march, "report", *MONTH, "--html", "--json").exit_code == 2
    assert run(march, "report", "--month", "2026-02").exit_code == 1


def test_persons_that_are_too_close_come_by_standard_input_and_stay_nowhere(march):
    number = PERSONNUMMER[0]
    drawn_ = run(march, "draw", *MONTH, "--json", "--own", "-", *WHY, stdin=f"eva {number}\n\n")
    assert drawn_.exit_code == 0, drawn_.output
    (reading,) = [reading for _, reading in readings(march)]
    assert reading.parameters["own"] == ["eva"]
    assert number not in drawn_.output + str(reading)


def test_a_line_that_is_no_number_is_told_by_its_place(march):
    found = run(march, "draw", *MONTH, "--own", "-", *WHY, stdin=f"eva {PERSONNUMMER[0]}\nolle Nisse\n")
    assert found.exit_code == 2
    assert "line 2" in found.output
    assert "Nisse" not in found.output
    assert readings(march) == []
