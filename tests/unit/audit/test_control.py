"""What the recurring control draws is a function of the seed, and of nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.audit import control_page
from gateway.audit.control import Lowest, Outcome, lot, passed_over, period, seeded
from gateway.audit.control_page import Line, Report
from gateway.errors import IntegrityError

SEED = bytes(range(32))


def drawn(names, size, seed=SEED):
    urn = Lowest[int](size)
    for name in names:
        urn.add(lot(seed, str(name)), name)
    return urn.drawn()


def test_what_is_drawn_does_not_depend_on_the_order_it_is_seen_in():
    assert drawn(range(500), 7) == drawn(reversed(range(500)), 7)
    assert len(drawn(range(500), 7)) == 7


def test_what_is_drawn_is_the_lowest_lots_in_order():
    everything = sorted((lot(SEED, str(one)), one) for one in range(500))
    assert drawn(range(500), 7) == everything[:7]
    assert drawn(range(3), 7) == sorted((lot(SEED, str(one)), one) for one in range(3))


def test_another_seed_draws_other_leaves():
    assert {one for _, one in drawn(range(500), 20)} != {one for _, one in drawn(range(500), 20, bytes(32))}


def test_every_leaf_is_drawn_about_as_often_as_another():
    counts = [0] * 20
    for number in range(2000):
        for _, one in drawn(range(20), 5, number.to_bytes(32)):
            counts[one] += 1
    assert min(counts) > 400
    assert max(counts) < 600


def test_what_is_taken_away_changes_nothing_for_what_is_left():
    first = drawn(range(500), 10)
    left = set(range(500)) - {first[3][1], first[7][1]}
    again = drawn(left, 10)
    over, missing = passed_over((one for one, _ in first), (one for one, _ in again), 10)
    assert over == set()
    assert missing == {first[3][0], first[7][0]}


def test_a_lot_that_was_passed_over_is_found():
    honest = [one for one, _ in drawn(range(500), 11)]
    chosen = [*honest[:4], *honest[5:]]  # the fifth was left out, and the eleventh taken instead
    over, missing = passed_over(chosen, honest[:10], 10)
    assert over == {honest[4]}
    assert missing == {honest[10]}


def test_where_all_there_were_fitted_none_may_be_left_out():
    few = [one for one, _ in drawn(range(4), 10)]
    assert passed_over(few[:3], few, 10) == ({few[3]}, set())
    assert passed_over([], few, 10) == (set(few), set())
    assert passed_over(few, few, 10) == (set(), set())


def test_a_month_is_sweden_s():
    assert period("2026-10") == (datetime(2026, 9, 30, 22, tzinfo=UTC), datetime(2026, 10, 31, 23, tzinfo=UTC))
    assert period("2026-12")[1] == period("2027-01")[0] == datetime(2026, 12, 31, 23, tzinfo=UTC)


@pytest.mark.parametrize("month", ["2026-13", "2026-00", "2026-1", "26-10", "2026-10-01", ""])
def test_what_is_no_month_is_refused(month):
    with pytest.raises(IntegrityError, match="like 2026-10"):
        period(month)


@pytest.mark.parametrize("written", ["", "00", "zz" * 32, "00" * 33])
def test_what_is_no_seed_is_refused(written):
    with pytest.raises(IntegrityError, match="64 hexadecimal"):
        seeded(written)
    assert seeded("0f" * 32) == b"\x0f" * 32


REPORT = Report(
    month="2026-10", made=datetime(2026, 12, 5, tzinfo=UTC), drawn=datetime(2026, 11, 2, tzinfo=UTC),
    due=datetime(2026, 12, 2, tzinfo=UTC), seed="ab" * 32, given=False, size=20, most=10, length=4711, reading=17,
    lines=(Line(why="systems", title="Lottade <system>", there=900, drawn=20, reviewed=18),),
    outcomes={Outcome.BRIST: 2, Outcome.UTAN_ANMARKNING: 16}, overdue=(7, 9), left=2, again=1, gone=3, reviewers=2,
)  # fmt: skip


@pytest.mark.parametrize("told", [control_page.text, control_page.page])
def test_the_report_tells_the_seed_what_was_found_and_what_is_overdue(told):
    said = told(REPORT)
    assert "ab" * 32 in said
    assert "slumpat av systemet" in said
    assert "18 av 2 personer" in said
    assert "7, 9" in said
    assert all(words in said for words in control_page.OUTCOMES.values())
    assert "angivet av den som drog" in told(replace(REPORT, given=True))
    assert "inga" in told(replace(REPORT, overdue=()))


def test_the_page_is_one_whole_file_and_escapes_what_it_is_given():
    said = control_page.page(REPORT)
    assert said.startswith('<!DOCTYPE html>\n<html lang="sv">')
    assert "Lottade &lt;system&gt;" in said
    assert "<script" not in said
    assert "http" not in said
    assert said.count("<caption>") == said.count("<table>") == 3
    assert said.count("<th ") == said.count("scope=")
