"""The report says what happened, and passes only when every rule holds and nothing happened that never must."""

from __future__ import annotations

import json
from collections import Counter

from ops.soak.faults import Done
from ops.soak.reconcile import Check
from ops.soak.report import Report
from ops.soak.schedule import Kind, Planned
from tests.unit.soak.books import line


def report(**changes):
    planned = Planned(number=0, kind=Kind.CUT, at=0.0, seconds=0.0, target="link a", first=True, size=0.5)
    made = {
        "command": "make soak MESSAGES=2 SEED=1",
        "checks": [Check("a rule", counted=2)],
        "failures": [],
        "done": [Done(planned=planned, what="a", began=0.0, ended=0.1)],
        "missed": 3,
        "seconds": 2.0,
        "drained": 1.0,
        "ends": [("relay", -9, 2)],
        "notes": ["no full disk"],
    }
    return Report(**(made | changes))


def test_it_passes_only_when_every_rule_holds_and_nothing_failed():
    assert report().passed
    assert not report(failures=["front ended with 5"]).passed
    assert not report(checks=[Check("a rule"), Check("another", wrong=["x"])]).passed


def test_it_shows_faults_numbers_rules_and_how_to_have_it_again():
    made = report(checks=[Check("a rule", counted=2), Check("another", counted=1, wrong=["urn:uuid:7: lost"])])
    made.count([line(1), line(2, sent=Counter({"x": 3}), silent=2, away=Counter({"GW-X": 1}))], 5, (4, 1))
    text = made.show()
    assert "1  network  link cut" in text
    assert "3 found nothing to work on" in text
    assert "urn:uuid:7: lost" in text
    assert "2  times relay ended with -9" in text
    assert "no full disk" in text
    assert text.rstrip().endswith("FAILED: make soak MESSAGES=2 SEED=1")
    assert made.numbers["resends"] == 2
    assert made.numbers["attempts without an answer"] == 2
    assert made.numbers["answered GW-X"] == 1


def test_it_is_written_whole(tmp_path):
    wrong = [f"difference {number}" for number in range(50)]
    made = report(checks=[Check("a rule", counted=50, wrong=wrong)])
    assert "… and 30 more" in made.show()
    made.write(tmp_path / "a" / "soak.json")
    read = json.loads((tmp_path / "a" / "soak.json").read_text())
    assert read["passed"] is False
    assert read["checks"][0]["wrong"] == wrong
    assert read["done"][0]["planned"]["kind"] == "link cut"
