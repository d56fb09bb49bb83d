"""The recurring control: drawn once, drawn again to the same, reviewed by others; on both databases, as the auditor."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from gateway.audit.control import Outcome, Stratum
from gateway.database import Turn
from gateway.errors import UnavailableError
from gateway.store.control import SETTLED, Control
from gateway.store.drawn import Wanted
from gateway.store.findings import RULES
from gateway.store.place import Duty
from tests import builders
from tests.trailing import ANNA, BO, CARL, DENIED, IN, NOON, REVIEW, Told

MONTH = "2026-03"
AFTER = datetime(2026, 4, 2, tzinfo=UTC)
SEED = bytes(range(32))
TABLES = ("control_draws", "control_cases", "control_officials", "control_marks")


both = pytest.mark.parametrize(
    "store", ["sqlite", pytest.param("postgresql", marks=pytest.mark.services)], indirect=True
)
"""What depends on the database, or on the auditor's permissions. The rest is the program's."""


@pytest.fixture
def store(request, tmp_path):
    there = getattr(request, "param", "sqlite")
    return builders.store(tmp_path) if there == "sqlite" else request.getfixturevalue("stored")


@pytest.fixture
def clock():
    made = builders.Clock()
    made.at = AFTER
    return made


@pytest.fixture
def told(store):
    made = Told(store)
    for number in range(40):
        made.leaf(IN, ANNA, at=NOON + timedelta(minutes=number))
    for number in range(12):
        made.end(made.intent(BO, at=NOON + timedelta(hours=number)))
    made.leaf(DENIED, CARL, at=NOON)
    made.leaf(REVIEW, CARL, at=NOON + timedelta(minutes=3), by="eva", second="olle")
    made.leaf(IN, ANNA, at=NOON - timedelta(days=20))
    made.leaf(IN, ANNA, at=NOON + timedelta(days=30))
    yield made
    made.close()


@pytest.fixture
def control(told, clock):
    made = Control(told.place.acting(Duty.AUDITOR), clock=clock)
    yield made
    made.close()


def wanted(**more) -> Wanted:
    values = {"month": MONTH, "seed": SEED, "given": False, "size": 5, "most": 4, "within": timedelta(days=30)}
    return Wanted(**{**values, **more})


def drawn(control, **more):
    numbers = control.draw(wanted(**more), by="kim", reading=3)
    assert not isinstance(numbers, str), numbers
    return control.cases(MONTH)


def by(cases, why):
    return [one for one in cases if one.why == why]


@both
def test_a_month_gives_so_many_of_each_stratum_and_what_the_questions_find(control):
    cases = drawn(control)
    assert {one.why for one in cases} == {"officials", "systems", "Q3", "Q5", "Q12"}
    assert len(by(cases, Stratum.SYSTEMS)) == 5
    (review,) = by(cases, Stratum.OFFICIALS)
    assert control.officials(review.number) == ["eva", "olle"]
    (draw,) = control.months()
    assert (draw.by, draw.reading, draw.given, draw.seed) == ("kim", 3, False, SEED.hex())
    assert draw.urns["systems"] == 40 + 12 + 1
    assert draw.urns["officials"] == 1
    assert draw.due == AFTER + timedelta(days=30)
    assert {name for name in draw.urns if name.startswith("Q")} == set(RULES)


def test_nothing_of_another_month_is_drawn(control, told):
    cases = drawn(control, size=1000)
    inside = {row[0] for row in told.session.execute(
        "SELECT position FROM trail WHERE at >= '2026-03-01' AND at < '2026-03-31'").fetchall()}  # fmt: skip
    assert {one.position for one in by(cases, "systems")} < inside
    assert len(by(cases, "systems")) == 53


def test_the_same_seed_draws_the_same_and_another_draws_another(told, clock, tmp_path_factory):
    other = builders.store(tmp_path_factory.mktemp("other"))
    again = Told(other)
    for number in range(54):
        again.leaf(IN, ANNA, at=NOON + timedelta(minutes=number))
    found = []
    for seed in (SEED, bytes(32)):
        copy = Control(other, clock=clock)
        urns, chosen = copy._drawn(wanted(seed=seed), 54)
        found.append([one.position for _, one in chosen])
        assert urns["systems"] == 54
        assert copy._drawn(wanted(seed=seed), 54) == (urns, chosen)
        copy.close()
    again.close()
    assert found[0] != found[1]


def test_nobody_is_told_of_by_what_is_kept(control, told):
    cases = drawn(control)
    rows = [row for table in TABLES for row in told.session.execute(f"SELECT * FROM {table}").fetchall()]  # noqa: S608
    assert len(rows) > 8
    assert not any(whose in str(rows) for whose in (ANNA, BO, CARL))
    assert all("person" not in one.facts and "by" not in one.facts for one in cases)


def test_a_finding_stands_at_its_leaf(control, told):
    cases = drawn(control)
    (often,) = by(cases, "Q5")
    (last,) = told.session.execute(
        "SELECT max(t.position) FROM trail t JOIN flows f ON f.id = t.flow WHERE f.kind = 'intent'"
    ).fetchone()
    assert often.position == last
    assert often.facts["times"] == 12
    (through,) = by(cases, "Q12")
    assert control.officials(through.number) == ["eva", "olle"]
    (stopped,) = by(cases, "Q3")
    assert stopped.facts["reasons"] == "CASE_MISSING"


def test_an_official_s_doings_about_their_own_are_cases_where_a_list_is_given(control):
    cases = drawn(control, own={"eva": (CARL,), "olle": (BO,)})
    (own,) = by(cases, "Q4")
    assert "eva" in control.officials(own.number)
    assert control.verify(MONTH, own={"eva": (CARL,), "olle": (BO,)}).whole
    assert not control.verify(MONTH, own={}).whole


def test_of_more_than_people_can_look_through_lots_decide(control, told):
    for number in range(9):
        told.leaf(DENIED, CARL, at=NOON + timedelta(hours=number))
    cases = drawn(control, most=4)
    assert len(by(cases, "Q3")) == 4
    assert control.months()[0].urns["Q3"] == 10
    assert control.verify(MONTH).whole


@both
def test_a_month_is_drawn_from_once(control):
    cases = drawn(control)
    assert "stands" in control.draw(wanted(seed=bytes(32)), by="kim", reading=4)
    assert control.cases(MONTH) == cases
    assert len(control.months()) == 1


def test_two_who_draw_at_once_draw_once(told, clock, control):
    other = Control(told.place.acting(Duty.AUDITOR), clock=clock)
    first = other._drawn

    def overtaken(*arguments):
        found = first(*arguments)
        assert not isinstance(control.draw(wanted(), by="eva", reading=1), str)
        return found

    other._drawn = overtaken
    try:
        assert "stands" in other.draw(wanted(seed=bytes(32)), by="kim", reading=2)
    finally:
        other.close()
    assert [one.by for one in control.months()] == ["eva"]


@pytest.mark.parametrize(("ago", "drawn_"), [(timedelta(seconds=1), False), (timedelta(0), True)])
def test_a_month_is_drawn_from_when_it_has_been_over_for_an_hour(control, clock, ago, drawn_):
    clock.at = datetime(2026, 3, 31, 22, tzinfo=UTC) + SETTLED - ago
    refused = control.draw(wanted(), by="kim", reading=0)
    assert isinstance(refused, str) is not drawn_
    assert len(control.months()) == drawn_


@pytest.mark.parametrize("more", [{"size": 0}, {"size": 1001}, {"most": 1001}, {"most": -1}])
def test_a_drawing_has_a_size(control, more):
    assert "1 to 1000" in control.draw(wanted(**more), by="kim", reading=0)
    assert control.months() == []


@pytest.mark.parametrize("point", ["draw", "cases", "commit"])
def test_a_drawing_that_fails_has_drawn_nothing(told, clock, point):
    def fail(at):
        if at == point:
            raise ZeroDivisionError

    failing = Control(told.place.acting(Duty.AUDITOR), clock=clock, faults=fail)
    try:
        with pytest.raises(ZeroDivisionError):
            failing.draw(wanted(), by="kim", reading=0)
        assert failing.months() == []
        assert failing.cases(MONTH) == []
        failing._fault = lambda _point: None
        assert not isinstance(failing.draw(wanted(), by="kim", reading=1), str)
    finally:
        failing.close()


def test_a_trail_that_is_not_whole_is_not_drawn_from(control, told):
    told.row("trail_gaps", first=0, last=7, filled_at=None)
    with pytest.raises(UnavailableError):
        control.draw(wanted(), by="kim", reading=0)
    assert control.months() == []


# Verifying


@both
def test_drawing_again_gives_what_was_drawn(control):
    drawn(control)
    verdict = control.verify(MONTH)
    assert verdict.whole
    assert verdict.redrawn
    assert verdict.gone == 0
    assert control.verify("2026-02") is None


def test_what_comes_later_is_not_drawn_from_and_hides_no_fault(control, told):
    drawn(control)
    told.leaf(IN, ANNA, at=NOON)
    verdict = control.verify(MONTH)
    assert verdict.whole
    assert not verdict.redrawn


def gallra(told, position):
    with told.session.writing(Turn.JOURNAL):
        told.session.execute("DELETE FROM trail WHERE position = ?", (position,))
        told.session.execute("DELETE FROM records WHERE position = ?", (position,))


def test_what_is_destroyed_leaves_the_case_and_the_drawing_stands(control, told):
    cases = drawn(control)
    case = by(cases, "systems")[2]
    gallra(told, case.position)
    found = control.case(case.number)
    assert found.gone
    assert found.facts == case.facts
    verdict = control.verify(MONTH)
    assert (verdict.whole, verdict.redrawn) == (True, False)
    assert verdict.gone == sum(one.position == case.position for one in cases)


def test_the_questions_are_not_asked_again_when_a_leaf_that_is_never_drawn_is_destroyed(control, told):
    drawn(control)
    sql = "SELECT max(t.position) FROM trail t JOIN flows f ON f.id = t.flow WHERE f.kind = 'end'"
    gallra(told, told.session.execute(sql).fetchone()[0])
    verdict = control.verify(MONTH)
    assert (verdict.whole, verdict.redrawn) == (True, False)


def forged(told, *statements):
    """Change what is kept, as only somebody with the file in hand can."""
    builders.forge(told.session, *statements)


@pytest.mark.parametrize("destroyed", [False, True], ids=["whole", "and leaves destroyed"])
def test_a_case_that_was_taken_away_is_missed(control, told, destroyed):
    cases = by(drawn(control), "systems")
    forged(told, f"DELETE FROM control_cases WHERE id = {cases[1].number}")  # noqa: S608
    if destroyed:
        gallra(told, cases[3].position)
    verdict = control.verify(MONTH)
    assert not verdict.whole
    assert verdict.passed_over["systems"] >= 1


def test_a_case_that_was_put_in_is_found(control, told):
    case = by(drawn(control), "systems")[0]
    forged(told, f"UPDATE control_cases SET position = 1 WHERE id = {case.number}")  # noqa: S608
    verdict = control.verify(MONTH)
    assert verdict.unfounded == (case.number,)


def test_a_finding_that_was_taken_away_is_missed(control, told):
    (case,) = by(drawn(control), "Q5")
    forged(told, f"DELETE FROM control_cases WHERE id = {case.number}")  # noqa: S608
    assert control.verify(MONTH).passed_over["Q5"] == 1


def test_another_seed_than_the_one_kept_does_not_fit(control, told):
    drawn(control)
    forged(told, f"UPDATE control_draws SET seed = '{'00' * 32}'")  # noqa: S608
    assert not control.verify(MONTH).whole


# Marking


def test_what_a_reviewer_found_is_kept_with_who_and_why(control, clock):
    (case, *_) = drawn(control)
    clock.at += timedelta(days=1)
    assert not control.mark(case.number, Outcome.BRIST, reason="rutinen saknas", by="siv", reading=8)
    found = control.case(case.number)
    assert (found.outcome, found.marked) == (Outcome.BRIST, clock.at)
    (mark,) = control.marks(case.number)
    assert (mark.by, mark.reason, mark.reading, mark.step) == ("siv", "rutinen saknas", 8, 1)


@both
def test_who_thinks_again_marks_again_and_both_stay(control):
    (case, *_) = drawn(control)
    control.mark(case.number, Outcome.BRIST, reason="rutinen saknas", by="siv", reading=8)
    control.mark(case.number, Outcome.FORKLARAD, reason="rutinen fanns", by="ulf", reading=9)
    assert [one.outcome for one in control.marks(case.number)] == [Outcome.BRIST, Outcome.FORKLARAD]
    assert control.case(case.number).outcome is Outcome.FORKLARAD
    assert control.said(MONTH) == (2, 1)


@pytest.mark.parametrize("official", ["eva", "olle"])
def test_nobody_reviews_their_own_doing(control, official):
    (case,) = by(drawn(control), "officials")
    refused = control.mark(case.number, Outcome.UTAN_ANMARKNING, reason="i sin ordning", by=official, reading=0)
    assert "own doing" in refused
    assert control.marks(case.number) == []
    assert not control.mark(case.number, Outcome.UTAN_ANMARKNING, reason="i sin ordning", by="siv", reading=0)


@both
def test_not_even_a_program_that_does_not_ask_reviews_its_own(control, told):
    (case,) = by(drawn(control), "officials")
    session = told.place.acting(Duty.AUDITOR).open()
    sql = (
        'INSERT INTO control_marks (case_id, step, outcome, "by", reason, at, reading) '
        "VALUES (?, 1, 'forklarad', ?, 'x', '2026', 0)"
    )
    try:
        with pytest.raises(Exception, match="own doing"), session.writing(Turn.CONTROL):
            session.execute(sql, (case.number, "eva"))
        with session.writing(Turn.CONTROL):
            session.execute(sql, (case.number, "siv"))
    finally:
        session.close()


@pytest.mark.parametrize("reason", ["", "   ", "två\nrader", "x" * 2000, f"gäller {builders.NUMBERS[0]}"])
def test_a_mark_has_a_reason_that_names_nobody(control, reason):
    (case, *_) = drawn(control)
    assert control.mark(case.number, Outcome.FORKLARAD, reason=reason, by="siv", reading=0)
    assert control.marks(case.number) == []


def test_a_case_that_is_not_there_is_not_marked(control):
    drawn(control)
    assert "no such" in control.mark(999, Outcome.FORKLARAD, reason="x", by="siv", reading=0)


def test_a_mark_that_fails_is_none(told, clock, control):
    (case, *_) = drawn(control)

    def fail(_point):
        raise ZeroDivisionError

    control._fault = fail
    with pytest.raises(ZeroDivisionError):
        control.mark(case.number, Outcome.FORKLARAD, reason="x", by="siv", reading=0)
    control._fault = lambda _point: None
    assert control.marks(case.number) == []
    assert not control.mark(case.number, Outcome.FORKLARAD, reason="x", by="siv", reading=0)


@pytest.mark.parametrize(("days", "marked", "late"), [(30, False, False), (31, False, True), (31, True, False)])
def test_a_case_is_overdue_when_its_time_is_out_and_nobody_has_looked(control, clock, days, marked, late):
    (case, *_) = drawn(control)
    if marked:
        control.mark(case.number, Outcome.UTAN_ANMARKNING, reason="x", by="siv", reading=0)
    assert control.case(case.number).overdue(AFTER + timedelta(days=days)) is late


# Who may


@both
def test_nothing_of_it_is_ever_changed(control, told):
    (case, *_) = by(drawn(control), "officials")
    control.mark(case.number, Outcome.BRIST, reason="x", by="siv", reading=0)
    column = {"control_draws": "seed = 'x'", "control_cases": "lot = 'x'", "control_officials": "official = 'x'"}
    for table in TABLES:
        (before,) = told.session.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
        assert before > 0
        for what in (f"UPDATE {table} SET {column.get(table, 'step = 9')}", f"DELETE FROM {table}"):  # noqa: S608
            with pytest.raises(Exception, match=re.escape(table)), told.session.writing(Turn.CONTROL):
                told.session.execute(what)
        assert told.session.execute(f"SELECT count(*) FROM {table}").fetchone() == (before,)  # noqa: S608
