"""The auditors' questions, each on a log whose answer is known: it finds what it should, and not what it should not.

On SQLite, and on PostgreSQL as the auditor.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway import inquiries
from gateway.errors import ContractError, UnavailableError
from gateway.store import questions
from gateway.store.place import Duty, PostgresPlace
from gateway.store.questions import QUESTIONS, Page, Shape, WrongQuestion, patterns
from tests import builders
from tests.trailing import ANNA, BO, CARL, DENIED, IN, NOON, OUT, REVIEW, Told

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def told(request, tmp_path):
    place = builders.store(tmp_path) if request.param == "sqlite" else request.getfixturevalue("stored")
    made = Told(place)
    yield made
    made.close()


def references(rows):
    return [row["reference"] for row in rows]


def test_there_are_twenty_questions_and_each_says_what_it_does_not_tell():
    assert list(QUESTIONS) == [f"Q{n}" for n in range(1, 21)]
    for one in QUESTIONS.values():
        assert one.title
        assert one.tells.endswith((".", ")."))
        assert len(one.silent) > 20


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
COUNTED = ENDLESS.replace("FROM n)", "FROM n WHERE i < 1000000)")


def hurried(told):
    """The store as the auditor has it, and a session there whose questions may take a fifth of a second."""
    place = told.place.acting(Duty.AUDITOR)
    if isinstance(place, PostgresPlace):
        fast = place.settings.model_copy(update={"statement_timeout": timedelta(seconds=0.2)})
        return replace(place, settings=fast).open()
    session = place.open()
    session.patience = 0.2
    return session


def asked(session, question, **more):
    with session.translated(), session.reading():
        return questions.ask(session, question, {}, page=Page(), now=NOON, **more).rows


def test_a_question_that_takes_too_long_is_given_up_and_the_next_one_is_answered(told):
    told.intent(ANNA, reference="ut")
    session, q1 = hurried(told), QUESTIONS["Q1"]
    endless = replace(q1, answer=lambda asked: asked.session.execute(ENDLESS).fetchall())
    for _ in range(2):
        with pytest.raises(ContractError) as refused:
            asked(session, endless, subjects=[ANNA])
        assert refused.value.code is inquiries.QUESTION_LONG
        assert "shorter period" in str(refused.value)
        assert len(asked(session, q1, subjects=[ANNA])) == 1
    session.close()


def test_what_is_no_question_may_take_its_time(told):
    session = hurried(told)
    asked(session, QUESTIONS["Q13"])
    with session.translated():
        with session.reading():
            assert session.execute(COUNTED).fetchone() == (1_000_000,)
        assert session.execute(COUNTED).fetchone() == (1_000_000,)
    session.close()


def test_q1_finds_what_went_out_and_came_in_about_one_person_and_nobody_else(told):
    sent = told.intent(ANNA, reference="ut", at=NOON + HOUR)
    told.end(sent, released="yes", at=NOON + HOUR)
    told.intent(ANNA, reference="pågår", at=NOON + 2 * HOUR)
    told.leaf(IN, ANNA, reference="in", organisation="2021005448")
    told.leaf(REVIEW, ANNA, reference="avgjort", at=NOON + 3 * HOUR)
    told.leaf(DENIED, ANNA, reference="nekat")
    told.leaf(replace(IN, outcome="REFER", granted=()), ANNA, reference="väntar")
    told.intent(BO, reference="bo")
    rows = told.ask("Q1", subjects=[ANNA])
    assert references(rows) == ["in", "ut", "pågår", "avgjort"]
    assert [row["released"] for row in rows] == [None, "yes", None, None]
    assert rows[1] | {"at": ""} == {
        "at": "", "direction": "out", "partner": "arbetsgivare", "organisation": "5560269986",
        "contract": "arbetsgivare/mote", "information": "kallelse", "granted": "tid",
        "purposes": "fk:Arendehandlaggning", "lagrum": "SFB-30-10@1", "basis": "UT-1", "released": "yes",
        "reference": "ut",
    }  # fmt: skip
    assert references(told.ask("Q1", subjects=[ANNA], direction="out")) == ["ut", "pågår"]
    assert references(told.ask("Q1", subjects=[ANNA], since=NOON + 2 * HOUR)) == ["pågår", "avgjort"]
    assert references(told.ask("Q1", subjects=[ANNA], until=NOON + HOUR)) == ["in"]
    assert told.ask("Q1", subjects=[CARL]) == []


def test_q2_tells_all_that_an_official_or_a_system_did(told):
    waits = told.leaf(replace(IN, outcome="REFER"), ANNA)
    answered = told.leaf(REVIEW, ANNA, by="anna", second="bo", at=NOON + HOUR, reference="avgjort")
    told.review(1, waits, state="permitted", outcome=answered)
    told.act(1, "anna", at=NOON + MINUTE)
    told.act(1, "carl", at=NOON + MINUTE, step=2)
    told.intent(BO, reference="ut")
    assert [(row["source"], row["what"], row["person"]) for row in told.ask("Q2", official="anna")] == [
        ("review", "read", ANNA),
        ("trail", "review permit", ANNA),
    ]
    assert [row["source"] for row in told.ask("Q2", official="bo")] == ["agreed"]
    assert told.ask("Q2", official="nobody") == []
    assert [(row["about"], row["person"]) for row in told.ask("Q2", asker="rehab")] == [("ut", BO)]
    assert told.ask("Q2", asker="other") == []
    for given in ({}, {"official": "anna", "asker": "rehab"}):
        with pytest.raises(WrongQuestion):
            told.ask("Q2", **given)


def test_q3_names_accesses_whose_case_is_not_open(told):
    told.intent(ANNA, case="1" * 32, reference="öppet")
    told.intent(ANNA, case="2" * 32, reference="stängt")
    told.leaf(DENIED, BO, reference="stoppat", at=NOON + HOUR)
    told.leaf(replace(DENIED, reasons=("CONSENT_MISSING",)), BO, reference="annat")
    assert references(told.ask("Q3", subjects=["1" * 32])) == ["stängt"]
    assert references(told.ask("Q3", subjects=["1" * 32, "2" * 32])) == []
    assert references(told.ask("Q3")) == ["stoppat"]
    assert references(told.ask("Q3", asker="other")) == []


def test_q4_finds_an_officials_dealings_with_the_persons_that_are_named(told):
    mine = told.leaf(replace(IN, outcome="REFER"), ANNA)
    other = told.leaf(replace(IN, outcome="REFER"), CARL)
    told.review(1, mine)
    told.review(2, other)
    told.act(1, "anna")
    told.act(2, "anna")
    told.intent(BO, reference="ut")
    assert [row["person"] for row in told.ask("Q4", official="anna", subjects=[ANNA, BO])] == [ANNA]
    assert told.ask("Q4", official="bo", subjects=[ANNA]) == []
    assert [row["person"] for row in told.ask("Q4", asker="rehab", subjects=[ANNA, BO])] == [BO]
    assert told.ask("Q4", asker="rehab", subjects=[CARL]) == []


def test_q5_finds_who_was_asked_about_again_and_again(told):
    for n in range(5):
        told.intent(ANNA, at=NOON + n * HOUR, case=str(n % 2) * 32)
    for _ in range(3):
        told.intent(BO)
    told.leaf(IN, BO)
    told.leaf(IN, BO)
    rows = told.ask("Q5", least=4)
    assert [(row["person"], row["asker"], row["times"], row["cases"]) for row in rows] == [(ANNA, "rehab", 5, 2)]
    assert [row["person"] for row in told.ask("Q5", least=3)] == [ANNA, BO]
    assert told.ask("Q5", least=3, asker="other") == []
    assert [row["person"] for row in told.ask("Q5", least=3, until=NOON + HOUR)] == [BO]


def test_q5_finds_the_same_where_they_are_too_many_to_be_named(told, monkeypatch):
    for person in (ANNA, BO):
        for _ in range(3):
            told.intent(person)
    told.intent(CARL)
    few = told.ask("Q5", least=2)
    monkeypatch.setattr(patterns, "_FEW", 1)
    assert told.ask("Q5", least=2) == few
    assert [row["person"] for row in few] == [BO, ANNA]
    assert told.ask("Q5", least=4) == []


def test_q6_tells_what_was_done_at_night_and_at_weekends_in_swedish_time(told):
    waits = told.leaf(replace(IN, outcome="REFER"), ANNA)
    told.review(1, waits)
    moments = {
        "dagtid": datetime(2026, 3, 10, 10, tzinfo=UTC),
        "17.30 sommartid": datetime(2026, 7, 7, 15, 30, tzinfo=UTC),
        "18.30 sommartid": datetime(2026, 7, 7, 16, 30, tzinfo=UTC),
        "natt": datetime(2026, 3, 10, 2, tzinfo=UTC),
        "lördag": datetime(2026, 3, 14, 10, tzinfo=UTC),
    }
    for step, (name, at) in enumerate(moments.items(), start=1):
        told.act(1, name, at=at, step=step)
        told.intent(BO, at=at, reference=name)
    assert [row["by"] for row in told.ask("Q6")] == ["natt", "lördag", "18.30 sommartid"]
    assert [row["about"] for row in told.ask("Q6", asker="rehab")] == ["natt", "lördag", "18.30 sommartid"]
    assert [row["by"] for row in told.ask("Q6", official="natt")] == ["natt"]
    assert told.ask("Q6", official="dagtid") == []
    assert [row["by"] for row in told.ask("Q6", official="dagtid", hours="00:00-00:00", since=NOON - DAY)] == ["dagtid"]
    with pytest.raises(WrongQuestion):
        told.ask("Q6", hours="dygnet runt")


def test_q7_finds_a_no_that_became_a_yes_with_another_purpose_or_case(told):
    told.leaf(DENIED, ANNA, case="1" * 32)
    told.intent(ANNA, at=NOON + 10 * MINUTE, case="2" * 32, reference="annat ärende")
    told.leaf(DENIED, BO, case="1" * 32)
    told.intent(BO, at=NOON + 10 * MINUTE, case="1" * 32, reference="samma")
    told.intent(BO, at=NOON + 3 * HOUR, case="1" * 32, flow=replace(OUT, purposes=("fk:Kontroll",)), reference="sent")
    told.intent(CARL, at=NOON + MINUTE, case="3" * 32)
    rows = told.ask("Q7")
    assert [(row["person"], row["other_case"], row["reference"]) for row in rows] == [(ANNA, 1, "annat ärende")]
    assert sorted(row["reference"] for row in told.ask("Q7", minutes=240)) == ["annat ärende", "sent"]
    assert told.ask("Q7", minutes=5) == []


def test_q8_counts_what_passed_and_names_what_was_not_needed(told):
    told.leaf(IN, ANNA)
    told.leaf(replace(IN, policy="q" * 64), BO)
    told.leaf(replace(IN, granted=("belopp",), withheld=("adress=FIELD_NOT_IN_BASIS",)), BO)
    told.leaf(DENIED, BO)
    rows = told.ask("Q8", needed=["period"])
    assert [(row["uses"], row["granted"], row["withheld"], row["beyond"]) for row in rows] == [
        (2, "belopp period", "", "belopp"),
        (1, "belopp", "adress=FIELD_NOT_IN_BASIS", "belopp"),
    ]
    assert [row["beyond"] for row in told.ask("Q8")] == [None, None]
    assert told.ask("Q8", partner="other") == []


def test_q9_counts_flows_by_basis_and_those_after_its_last_day(told):
    for day in range(3):
        told.leaf(IN, ANNA, at=NOON + day * DAY)
    told.intent(ANNA)
    told.leaf(replace(IN, outcome="DENY"), ANNA)
    rows = {row["basis"]: row for row in told.ask("Q9", ends=["IN-1=2026-03-11"])}
    assert (rows["IN-1"]["uses"], rows["IN-1"]["late"]) == (3, 1)
    assert (rows["UT-1"]["uses"], rows["UT-1"]["late"]) == (1, 0)
    assert [row["basis"] for row in told.ask("Q9", ends=["IN-1=2026-03-11"], late=1)] == ["IN-1"]
    assert told.ask("Q9", ends=["IN-1=2026-03-12"], late=1) == []
    with pytest.raises(WrongQuestion):
        told.ask("Q9", ends=["IN-1"])


def test_q10_tells_who_decided_and_where_the_balancing_is_missing(told):
    leaf = told.leaf(replace(IN, outcome="REFER"), ANNA)
    with_note = told.leaf(REVIEW, ANNA, by="anna", second="bo", at=NOON + HOUR)
    without = told.leaf(replace(REVIEW, noted=False), ANNA, by="anna", at=NOON + HOUR)
    told.review(1, leaf, state="permitted", outcome=with_note, balancing=True)
    told.review(2, leaf, state="permitted", outcome=without, balancing=True)
    told.review(3, leaf)
    rows = told.ask("Q10")
    assert [(row["review"], row["by"], row["second"], row["noted"]) for row in rows] == [
        (1, "anna", "bo", True),
        (2, "anna", None, False),
        (3, None, None, None),
    ]
    assert [row["review"] for row in told.ask("Q10", missing=1)] == [2]
    assert [row["review"] for row in told.ask("Q10", state="open")] == [3]
    assert told.ask("Q10", role="other") == []


def test_q11_tells_what_was_told_of_protected_persons_all_the_same(told):
    told.leaf(replace(IN, protection="sekretessmarkering"), ANNA, reference="skyddad")
    told.leaf(replace(IN, protection="sekretessmarkering", granted=()), ANNA, reference="inget")
    told.leaf(replace(IN, protection="okand"), BO, reference="okänd")
    told.leaf(IN, CARL, reference="öppen")
    told.leaf(replace(DENIED, protection="sekretessmarkering"), ANNA, reference="nekad")
    assert references(told.ask("Q11")) == ["skyddad"]
    assert sorted(references(told.ask("Q11", unknown=1))) == ["okänd", "skyddad"]


def test_q12_tells_what_people_let_through(told):
    told.leaf(REVIEW, ANNA, by="anna", reference="ja")
    told.leaf(replace(REVIEW, state="denied", answer="deny"), ANNA, by="anna", reference="nej")
    sent = told.intent(BO)
    told.end(sent, by="carl", reference="uppgjort")
    told.end(told.intent(BO), reference="av sig självt")
    assert references(told.ask("Q12")) == ["ja", "uppgjort"]


def test_q14_finds_nothing_in_a_whole_log(told):
    for number in (1, 2, 3):
        told.message(number, at=NOON + number * MINUTE, leaves=(ANNA, BO))
    told.end(told.intent(ANNA, state="delivered"))
    assert told.ask("Q14") == []


def test_q14_names_every_gap(told):
    told.message(1, at=NOON + HOUR)
    told.message(3, at=NOON, leaves=(ANNA,))
    unowned = told.leaf(IN, BO)
    told.intent(ANNA, state="sending")
    told.row("refusals", id=2, partner="p", contract="c", code="X", step="s", detail="", at="2026", quarantined=False,
        position=0, key_id="k")  # fmt: skip
    found = {(row["gap"], row["number"]) for row in told.ask("Q14", limit=1)}
    assert found == {
        ("message missing", 2), ("clock went back", 3), ("leaf unowned", unowned), ("refusals missing", 1),
        ("leaf missing of refusal", 2), ("intent without end", 1),
    }  # fmt: skip
    assert {row["gap"] for row in told.ask("Q14", hours=24 * 60)} == {gap for gap, _ in found} - {"intent without end"}


def test_q14_names_a_trail_that_is_gone_before_its_record(told):
    told.message(1)
    told.message(2)
    told.session.execute("DELETE FROM trail WHERE position = 1")
    assert [(row["gap"], row["number"]) for row in told.ask("Q14")] == [("trail missing", 1)]
    told.session.execute("DELETE FROM records WHERE position = 1")
    assert told.ask("Q14") == []


def test_q15_tells_what_was_destroyed_and_what_is_late(told):
    position = told.leaf(IN)
    at = "2026-03-10T12:00:00.000000Z"
    told.row("gallring_due", rule="R-2@2025-01-01", data="record", destroys=True, ripe=4, held=1, oldest=at, at=at)
    told.row("gallring_due", rule="R-3@2025-01-01", data="review", destroys=True, ripe=0, held=0, oldest=None, at=at)
    told.row("gallringar", id=1, rule="R-1@2025-01-01", data="evidence", count=9, by="process", at=at,
        position=position, key_id="k", wrapped_key=b"w")  # fmt: skip
    rows = told.ask("Q15", limit=1)
    assert [(row["what"], row["rule"], row["count"], row["held"]) for row in rows] == [
        ("due", "R-2@2025-01-01", 4, 1),
        ("done", "R-1@2025-01-01", 9, None),
    ]
    assert [row["what"] for row in told.ask("Q15", of_class="evidence")] == ["done"]


def test_q16_tells_everything_of_a_time_and_a_place(told):
    told.message(1, at=NOON, leaves=(ANNA,), signer="e")
    told.message(2, at=NOON + HOUR, leaves=(BO,), signer="f")
    told.intent(CARL, at=NOON + HOUR)
    period = {"since": NOON, "until": NOON + 2 * HOUR}
    assert [row["person"] for row in told.ask("Q16", **period)] == [ANNA, BO, CARL]
    assert [row["person"] for row in told.ask("Q16", **period, signer="f" * 64)] == [BO]
    assert [row["person"] for row in told.ask("Q16", **period, asker="rehab")] == [CARL]
    assert [row["person"] for row in told.ask("Q16", since=NOON, until=NOON + MINUTE)] == [ANNA]
    with pytest.raises(WrongQuestion, match="needs since"):
        told.ask("Q16", until=NOON)


def test_q18_has_what_reached_somebody_and_no_official(told):
    told.end(told.intent(ANNA, reference="nått"), released="unknown")
    told.end(told.intent(ANNA, reference="stoppat"), released="no")
    told.leaf(IN, ANNA)
    rows = told.ask("Q18", subjects=[ANNA])
    assert [(row["direction"], row["released"]) for row in rows] == [("out", "unknown"), ("in", None)]
    assert not {"by", "second", "asker"} & set(QUESTIONS["Q18"].columns)
    assert told.ask("Q18", subjects=[BO]) == []


def test_q19_finds_what_rested_on_a_consent_that_had_ended(told):
    consented = replace(OUT, consented=True)
    more = {"flow": consented, "consent": "1" * 32, "consent_until": "2026-03-10"}
    told.intent(ANNA, at=NOON, reference="gällde", **more)
    told.intent(ANNA, at=NOON + DAY, reference="gått ut", **more)
    told.intent(ANNA, at=NOON + DAY, reference="annat", **{**more, "consent": "2" * 32, "consent_until": "2027-01-01"})
    told.intent(ANNA, at=NOON + DAY, reference="utan")
    assert references(told.ask("Q19")) == ["gått ut"]
    assert references(told.ask("Q19", subjects=["2" * 32], withdrawn=NOON)) == ["annat"]
    assert references(told.ask("Q19", subjects=["1" * 32], withdrawn=NOON)) == ["gällde", "gått ut"]
    assert told.ask("Q19", subjects=["2" * 32], withdrawn=NOON + 2 * DAY) == []
    with pytest.raises(WrongQuestion):
        told.ask("Q19", subjects=["1" * 32])


def test_q20_finds_who_takes_many_in_a_short_time(told):
    for n in range(5):
        told.intent(ANNA, at=NOON + n * MINUTE)
    for n in range(5):
        told.leaf(IN, BO, at=NOON + n * HOUR)
    rows = told.ask("Q20", least=4)
    assert [(row["who"], row["span"], row["times"]) for row in rows] == [("rehab", "2026-03-10T12", 5)]
    assert {row["who"] for row in told.ask("Q20", least=4, per="day")} == {"rehab", "skatteverket skatteverket/agi"}
    assert told.ask("Q20", least=6) == []
    with pytest.raises(WrongQuestion):
        told.ask("Q20", per="year")


@pytest.mark.parametrize("stretch", [1, 3, 7])
def test_q20_counts_the_same_in_stretches(told, monkeypatch, stretch):
    for n in range(20):
        told.intent(ANNA, at=NOON + n * 17 * MINUTE)
        told.leaf(IN, BO, at=NOON + n * 5 * HOUR)
    whole = {per: told.ask("Q20", least=2, per=per) for per in ("hour", "day")}
    assert all(whole.values())
    monkeypatch.setattr(patterns, "STRETCH", stretch)
    for per, rows in whole.items():
        assert told.ask("Q20", least=2, per=per) == rows
        assert told.ask("Q20", least=2, per=per, limit=1) == rows


# Pages.


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_put_together_are_the_whole_and_nothing_twice(told, limit):
    for n in range(7):
        told.intent(ANNA, at=NOON + (n // 3) * HOUR, reference=str(n), case="1" * 32)  # several at the same moment
        told.leaf(DENIED, ANNA, at=NOON + (n // 3) * HOUR, case="2" * 32)
    for name, given in (
        ("Q1", {"subjects": [ANNA]}), ("Q2", {"asker": "rehab"}), ("Q3", {"subjects": ["9" * 32]}), ("Q7", {}),
        ("Q9", {}), ("Q16", {"since": NOON, "until": NOON + DAY}), ("Q18", {"subjects": [ANNA]}), ("Q20", {"least": 1}),
        ("Q5", {"least": 1}), ("Q6", {"asker": "rehab", "hours": "00:00-00:00"}), ("Q8", {}),
    ):  # fmt: skip
        whole = told.ask(name, **given)
        assert told.ask(name, limit=limit, **given) == whole, name
        assert whole, name


def test_what_comes_meanwhile_moves_no_row_of_a_page_that_is_to_come(told):
    for n in range(4):
        told.intent(ANNA, at=NOON + n * HOUR, reference=str(n))
    first = told.page("Q1", page=Page(limit=2), subjects=[ANNA])
    told.intent(ANNA, at=NOON, reference="sen")
    second = told.page("Q1", page=Page(limit=2, after=first.more), subjects=[ANNA])
    assert [row[-1] for row in (*first.rows, *second.rows)] == ["0", "1", "2", "3"]


def test_a_mark_that_no_answer_ended_with_is_not_taken(told):
    for wrong in ("", "!", "W10", "e30", "åäö"):
        with pytest.raises(WrongQuestion):
            questions.marked(wrong)
    for limit in (0, 1001):
        with pytest.raises(WrongQuestion):
            told.page("Q9", page=Page(limit=limit))


# What is given.


def test_a_question_takes_what_it_names_and_nothing_else(told):
    with pytest.raises(WrongQuestion, match="has no colour"):
        told.ask("Q9", colour="red")
    with pytest.raises(WrongQuestion, match="least is not a whole"):
        told.ask("Q5", least="many")
    with pytest.raises(WrongQuestion, match="since is not a moment"):
        told.ask("Q9", since=datetime(2026, 1, 1))  # noqa: DTZ001  # without a zone: nobody knows when
    with pytest.raises(WrongQuestion, match="needs a person"):
        told.ask("Q1")
    with pytest.raises(WrongQuestion, match="takes one"):
        told.ask("Q1", subjects=[ANNA, BO])
    with pytest.raises(WrongQuestion, match="about nobody"):
        told.ask("Q9", subjects=[ANNA])


def test_every_parameter_of_every_question_is_used(told):
    values = {Shape.TEXT: "x", Shape.WHOLE: 1, Shape.MOMENT: NOON, Shape.NAMES: ["X=2026-01-01"]}
    odd = {("Q6", "hours"): "08:00-17:00", ("Q20", "per"): "day"}
    told.message(1)
    told.intent(ANNA)
    for name, question in QUESTIONS.items():
        if name == "Q17":
            continue  # of the readings: in its own test
        subjects = [ANNA] if question.about is not None else []
        needed = {one.name: values[one.shape] for one in question.parameters if one.required}
        for one in question.parameters:
            given = {**needed, one.name: odd.get((name, one.name), values[one.shape])}
            if name in {"Q2", "Q4"} and one.name not in {"official", "asker"}:
                given["official"] = "x"
            if name == "Q19":
                given["withdrawn"] = NOON
            told.ask(name, subjects=subjects, **given)


# A trail that is not whole.


def test_nothing_is_answered_before_the_trail_is_whole(told):
    told.message(1)
    told.row("trail_gaps", first=0, last=7, filled_at=None)
    for name, question in QUESTIONS.items():
        if name == "Q17":
            continue
        with pytest.raises(UnavailableError, match="leaves 0 to 7 are older than the trail"):
            told.ask(name, subjects=[ANNA] if question.about else [])
    told.session.execute("UPDATE trail_gaps SET filled_at = '2026-03-10T12:00:00.000000Z'")
    assert [row["partner"] for row in told.ask("Q1", subjects=[ANNA])] == ["skatteverket"]
