"""The rules of gallring: what the file refuses, which rule holds, and when something is due."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from gateway.config import load
from gateway.config.retention import ANY, COUNTED, DataClass, read
from gateway.errors import ConfigError
from gateway.privacy.retention import Retention, later
from tests import retaining
from tests.retaining import rule

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
GOOD = """
[[rule]]
id = "R-1"
data = "evidence"
retention = "SFB 114:15"
months = 24
after = "accepted"
lagrum = ["SFB-114-15"]
beslut = "RA-MS 2026:1"
author = "anna"
approved_by = ["bo", "cecilia"]
verified = true
giltig_fom = 2026-01-01
"""


def reading(tmp_path, text: str):
    path = tmp_path / "retention.toml"
    path.write_text(text)
    return read(path)


def test_the_delivered_rules_are_read_and_cover_every_class_of_data_and_none_is_verified():
    rules = read(ROOT / "config" / "retention.toml")
    assert {one.data for one in rules if one.retention == ANY} == set(DataClass)
    assert not [one.key for one in rules if one.verified], "no RA-MS decision has been read"


def test_the_delivered_rules_have_an_answer_for_every_basis_of_the_register():
    configuration = load(ROOT / "config" / "gateway.toml")
    made = Retention(configuration.retention, configuration.bases, day=date(2026, 11, 20), lenient=True)
    for data in DataClass:
        for basis in configuration.bases:
            assert made.due(data, NOON, bases=(basis.id,)) is not None, (data, basis.id)
        assert made.due(data, NOON, bases=(None,)) is not None


def test_a_good_rule_is_read(tmp_path):
    (one,) = reading(tmp_path, GOOD)
    assert (one.id, one.data, one.months, one.key) == ("R-1", DataClass.EVIDENCE, 24, "rule R-1@2026-01-01")


WRONG = {
    "an unknown key": ("months = 24", "month = 24", "accepted keys"),
    "counted from something else": ('after = "accepted"', 'after = "ended"', "counted from accepted"),
    "neither class nor bases": ('retention = "SFB 114:15"\n', "", "either retention"),
    "both": ("months", 'bases = ["A"]\nmonths', "either retention"),
    "the author approves": ('["bo", "cecilia"]', '["bo", "anna"]', "another person"),
    "one approver": ('["bo", "cecilia"]', '["bo", "bo"]', "2 approvers"),
    "verified by no decision": ('"RA-MS 2026:1"', '" "', "names the decision"),
    "ends before it begins": ("2026-01-01", "2026-01-01\ngiltig_tom = 2025-12-31", "before giltig_fom"),
    "no paragraph": ('["SFB-114-15"]', "[]", "lagrum"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_rule_is_refused_with_its_file_row_and_remedy(tmp_path, name):
    old, new, said = WRONG[name]
    assert old in GOOD
    with pytest.raises(ConfigError, match=r"retention\.toml: \[\[rule\]\] 1 \(R-1@2026-01-01\)") as caught:
        reading(tmp_path, GOOD.replace(old, new, 1))
    assert said in caught.value.detail


def test_two_rules_for_the_same_on_one_day_are_refused_and_one_after_the_other_is_not(tmp_path):
    with pytest.raises(ConfigError, match="end the older"):
        reading(tmp_path, GOOD + GOOD.replace("R-1", "R-2"))
    before = GOOD.replace("2026-01-01", "2020-01-01\ngiltig_tom = 2025-12-31")
    assert len(reading(tmp_path, before + GOOD)) == 2


def test_a_record_is_never_kept_shorter_than_the_bytes_its_person_stands_in(tmp_path):
    record = GOOD.replace("R-1", "R-2").replace("evidence", "record")
    assert len(reading(tmp_path, GOOD + record)) == 2
    with pytest.raises(ConfigError, match="at least 24"):
        reading(tmp_path, GOOD + record.replace("24", "23"))


def bases(*ids: str, retention: str = "SFB 114:15"):
    configuration = load(ROOT / "config" / "gateway.toml")
    one = next(basis for basis in configuration.bases if basis.contract is not None)
    return [one.model_copy(update={"id": name, "retention": retention, "contract": "p/c"}) for name in ids]


def test_a_rule_that_names_the_basis_goes_before_its_class_and_that_before_the_rest():
    named, classed, rest = rule(bases=("A",), months=1), rule(retention="K", months=2), rule(months=3)
    made = Retention((rest, classed, named), bases("A", "B", retention="K"), day=date(2026, 1, 1), lenient=False)
    for basis, months in (("A", 1), ("B", 2), ("C", 3), (None, 3)):
        assert made.due(DataClass.EVIDENCE, NOON, bases=(basis,)).rule.months == months


def test_of_several_bases_the_longest_holds_and_of_an_unknown_one_the_contracts_longest():
    rules = (rule(bases=("A",), months=1), rule(bases=("B",), months=9), rule(months=3))
    made = Retention(rules, bases("A", "B"), day=date(2026, 1, 1), lenient=False)
    assert made.due(DataClass.EVIDENCE, NOON, bases=("A", "B")).rule.months == 9
    assert made.due(DataClass.EVIDENCE, NOON, bases=("A", None)).rule.months == 3
    assert made.due(DataClass.EVIDENCE, NOON, contract="p/c").rule.months == 9
    assert made.due(DataClass.EVIDENCE, NOON, contract="another/one").rule.months == 3


def test_where_one_of_several_has_no_rule_nothing_is_due():
    made = Retention((rule(bases=("A",)),), bases("A", "B"), day=date(2026, 1, 1), lenient=False)
    assert made.due(DataClass.EVIDENCE, NOON, bases=("A",)) is not None
    assert made.due(DataClass.EVIDENCE, NOON, bases=("A", "B")) is None
    assert made.due(DataClass.RECORD, NOON, bases=("A",)) is None


def test_the_day_of_the_run_picks_the_version():
    old, new = rule(giltig_tom=date(2025, 12, 31)), rule(months=1, giltig_fom=date(2026, 1, 1))
    for day, months in ((date(2025, 12, 31), retaining.MONTHS), (date(2026, 1, 1), 1)):
        made = Retention((old, new), (), day=day, lenient=False)
        assert made.due(DataClass.EVIDENCE, NOON).rule.months == months


@pytest.mark.parametrize(
    ("months", "then"),
    [(0, (2026, 1, 31)), (1, (2026, 2, 28)), (25, (2028, 2, 29)), (11, (2026, 12, 31)), (12, (2027, 1, 31))],
)
def test_months_are_the_calendars_and_the_last_day_where_a_month_has_no_such(months, then):
    assert later(NOON, months) == datetime(*then, 12, tzinfo=UTC)


def test_every_class_is_counted_from_something():
    assert set(COUNTED) == set(DataClass)
