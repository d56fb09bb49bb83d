"""What opens, closes, widens and narrows between two registers: by what passes, never by how it is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.law import Review
from gateway.message import Category
from gateway.privacy import difference, flows
from gateway.privacy.difference import WIDER, How
from gateway.privacy.flows import OTHER
from gateway.privacy.law import Law
from tests.effort import effort
from tests.unit.privacy.statute import (
    KINDS,
    PURPOSES,
    basis,
    configuration,
    delivered,
    delivered_law,
    lagrum,
    law,
)

ENDLESS = date.min, date.max


def changed(old, new, *, rows=None):
    return difference.between(law(*old, rows=rows), law(*new, rows=rows))


def one(old, new):
    (change,) = changed(old, new)
    return change


def test_the_same_register_is_no_difference_however_its_rows_are_called():
    assert changed([basis()], [basis()]) == ()
    assert changed([basis("B-1")], [basis("B-2")]) == ()


def test_a_field_that_may_pass_now_opens_and_nothing_else_is_told():
    change = one([basis(fields=["belopp"])], [basis(fields=["belopp", "period"])])
    assert (change.how, change.fields, change.before) == (How.OPENS, {"period"}, frozenset())
    assert (change.direction, change.partner_type, change.kind) == ("inbound_push", "skatteverket", "prov")
    assert (change.purposes, change.channels, change.roles) == (
        {"fk:Arendehandlaggning"},
        {"message"},
        {"forsakrad"},
    )
    assert change.benefits == {OTHER}
    assert change.bases == {"B-1"}


def test_a_flow_that_was_taken_away_closes():
    change = one([basis(), basis("B-2", fields=["adress"])], [basis()])
    assert (change.how, change.fields, change.after) == (How.CLOSES, {"adress"}, frozenset())


def test_a_flow_that_another_basis_keeps_open_does_not_close():
    assert changed([basis(), basis("B-2", fields=["belopp"])], [basis()]) == ()


@pytest.mark.parametrize(
    ("changes", "term"),
    [
        ({"suspicion": True}, "suspicion"),
        ({"cited": ["1 §"]}, "cited"),
        ({"forbidden": ["halsa"]}, "forbidden"),
        ({"triggers": ["own_initiative"]}, "triggers"),
        ({"verified": False}, "decided"),
        ({"referred": ["fritext", "arbete", "ekonomi", "arende"]}, "decided"),
    ],
)
def test_a_condition_that_comes_narrows_and_the_same_condition_that_goes_widens(changes, term):
    plain, strict = (
        basis(fields=["belopp"], triggers=["own_initiative", "continuous"]),
        basis(**{"fields": ["belopp"], "triggers": ["own_initiative", "continuous"], **changes}),
    )
    (narrowed,) = changed([plain], [strict])
    (widened,) = changed([strict], [plain])
    assert (narrowed.how, narrowed.differs()) == (How.NARROWS, (term,))
    assert (widened.how, widened.differs()) == (How.WIDENS, (term,))


@pytest.mark.parametrize(
    ("old", "new", "how"),
    [
        ({"benefits": ["sjukpenning"]}, {"benefits": ["sjukpenning", "sgi"]}, How.OPENS),
        ({"benefits": ["sjukpenning", "sgi"]}, {"benefits": ["sjukpenning"]}, How.CLOSES),
        ({"benefits": ["sjukpenning"]}, {}, How.OPENS),
        ({"purposes": ["fk:Arendehandlaggning"]}, {"purposes": ["fk:Arendehandlaggning", "fk:Kontroll"]}, How.OPENS),
        ({"channels": ["message"]}, {"channels": ["message", "batch"]}, How.OPENS),
        ({"subject_roles": ["forsakrad"]}, {"subject_roles": ["forsakrad", "annan_fysisk"]}, How.OPENS),
        ({"retention": "SFB 114:15"}, {"retention": "RA-MS 1"}, How.WIDENS),
        ({"no_onward": True}, {"no_onward": False}, How.WIDENS),
        ({"obligations": ["four_eyes"]}, {}, How.WIDENS),
        ({}, {"obligations": ["four_eyes"]}, How.NARROWS),
        ({"cited": ["1 §"]}, {"cited": ["2 §"]}, How.WIDENS),
    ],
)
def test_each_part_of_a_flow_is_compared(old, new, how):
    assert [change.how for change in changed([basis(fields=["belopp"], **old)], [basis(fields=["belopp"], **new)])] == [
        how
    ]


def test_what_is_locked_to_a_benefit_opens_for_that_one_and_no_other():
    less, more = (basis(fields=["belopp"], benefits=which) for which in (["sjukpenning"], ["sjukpenning", "sgi"]))
    change = one([less], [more])
    assert change.benefits == {"sgi"}


def test_alternatives_are_each_a_flow_of_their_own():
    alternatives = [{"benefits": ["sjukpenning"], "subject_roles": ["forsakrad"]}, {"suspicion": True}]
    roles = {"subject_roles": ["forsakrad", "annan_fysisk"]}
    found = changed([basis(any_of=[alternatives[0]], **roles)], [basis(any_of=alternatives, **roles)])
    assert {change.how for change in found} == {How.OPENS}
    assert all({terms.suspicion for terms in change.after} == {True} for change in found)
    assert ("sjukpenning", "forsakrad") not in {
        (benefit, role) for change in found for benefit in change.benefits for role in change.roles
    }


def test_a_change_is_told_with_the_days_of_the_decision_on_which_it_is_one():
    change = one(
        [basis(fields=["belopp"], giltig_tom=date(2025, 12, 31))],
        [basis(fields=["belopp"], giltig_tom=date(2026, 6, 30))],
    )
    (days,) = change.days
    assert (days.decision_from, days.decision_to) == (date(2026, 1, 1), date(2026, 6, 30))
    assert (days.event_from, days.event_to) == (date(2020, 1, 1), date.max)


def test_a_paragraph_that_begins_earlier_opens_for_events_that_were_before_even_where_the_basis_is_younger():
    bases = [basis(fields=["belopp"], giltig_fom=date(2024, 3, 1))]
    old = law(*bases, rows=[lagrum(giltig_fom=date(2022, 1, 1))])
    new = law(*bases, rows=[lagrum(giltig_fom=date(2020, 1, 1))])
    (change,) = difference.between(old, new)
    (days,) = change.days
    assert change.how is How.OPENS
    assert (days.event_from, days.event_to) == (date(2020, 1, 1), date(2021, 12, 31))
    assert days.decision_from == date(2024, 3, 1)


def test_a_weighing_that_the_law_begins_to_ask_for_narrows_from_its_day():
    bases = [basis(fields=["belopp"])]
    later = (
        lagrum(giltig_tom=date(2025, 11, 30)),
        lagrum(version="2", giltig_fom=date(2025, 12, 1), test="synnerliga_skal"),
    )
    (change,) = (one for one in difference.between(law(*bases), law(*bases, rows=later)) if "decided" in one.differs())
    (days,) = change.days
    assert (change.how, days.event_from) == (How.NARROWS, date(2025, 12, 1))


def test_law_that_somebody_has_read_at_last_widens():
    (change,) = difference.between(
        law(basis(fields=["belopp"]), rows=[lagrum(verified=False)]), law(basis(fields=["belopp"]))
    )
    assert (change.how, change.differs()) == (How.WIDENS, ("decided",))


def test_a_word_that_is_taken_away_widens_and_one_that_comes_narrows():
    old = configuration()
    fewer = old.model_copy(update={"categories": {"diagnos": Category.HALSA}})
    assert {one.how for one in difference.around(old, fewer)} == {How.WIDENS}
    assert {one.how for one in difference.around(fewer, old)} == {How.NARROWS}
    assert difference.around(old, old) == ()


def review(**changes):
    row = {
        "reason": "FREE_TEXT", "role": "jurist", "four_eyes": True, "balancing": False, "days": 7,
        "lagrum": ["L-1"], "question_sv": "Får det lämnas?", "question_en": "May it go?",
    }  # fmt: skip
    return Review.model_validate(row | changes)


@pytest.mark.parametrize(
    ("old", "new", "how"),
    [
        ([review()], [review(four_eyes=False)], How.WIDENS),
        ([review(four_eyes=False)], [review()], How.NARROWS),
        ([review()], [review(role="handlaggare")], How.WIDENS),
        ([review()], [review(days=30)], How.WIDENS),
        ([review()], [review(days=1)], How.NARROWS),
        ([review()], [review(balancing=True)], How.NARROWS),
        ([], [review()], How.WIDENS),
        ([review()], [], How.NARROWS),
    ],
)
def test_who_answers_is_part_of_what_passes(old, new, how):
    before, after = (configuration().model_copy(update={"reviews": tuple(rows)}) for rows in (old, new))
    assert [one.how for one in difference.around(before, after)] == [how]


def test_the_delivered_register_is_itself_and_closes_whole():
    some = replace(delivered_law(), rules=dict(list(delivered_law().rules.items())[:12]))
    nothing = replace(delivered_law(), rules={})
    assert difference.between(delivered_law(), delivered_law()) == ()
    assert {change.how for change in difference.between(some, nothing)} == {How.CLOSES}
    opened = difference.compare(nothing, some, read_old=delivered(), read_new=delivered())
    assert opened.widens
    assert {id_ for change in opened.changes for id_ in change.bases} == set(some.rules)


DAYS = st.dates(date(2024, 1, 1), date(2026, 12, 31))
ROWS = (lagrum("L-1"), lagrum("L-2", giltig_fom=date(2025, 1, 1), day="decision"), *PURPOSES)
bases = st.builds(
    basis,
    st.sampled_from(["B-1", "B-2"]),
    fields=st.lists(st.sampled_from(["belopp", "period", "adress"]), min_size=1, max_size=2, unique=True),
    purposes=st.lists(st.sampled_from(["fk:Arendehandlaggning", "fk:Kontroll"]), min_size=1, unique=True),
    benefits=st.sampled_from([None, ["sjukpenning"], ["sjukpenning", "sgi"]]),
    lagrum=st.sampled_from([["L-1"], ["L-2"], ["L-1", "L-2"]]),
    suspicion=st.booleans(),
    verified=st.booleans(),
    giltig_fom=DAYS,
)
registers = st.lists(bases, max_size=2, unique_by=lambda row: row.id).map(
    lambda rows: Law.build(configuration(bases=rows, rows=ROWS), KINDS)
)


def told(changes):
    """Every single flow and day that the changes speak of, with how."""
    return {
        (one.direction, one.partner_type, one.kind, cell, days): one.how
        for one in changes
        for cell in {
            (field, purpose, benefit, channel, role)
            for field in one.fields
            for purpose in one.purposes
            for benefit in one.benefits
            for channel in one.channels
            for role in one.roles
        }
        for days in one.days
    }


@effort(15)
@given(registers, registers)
def test_what_one_way_opens_the_other_way_closes(old, new):
    back = {
        How.OPENS: {How.CLOSES},
        How.CLOSES: {How.OPENS},
        How.NARROWS: {How.WIDENS},
        How.WIDENS: {How.NARROWS, How.WIDENS},
    }
    forth, reverse = told(difference.between(old, new)), told(difference.between(new, old))
    assert forth.keys() == reverse.keys()
    assert all(reverse[key] in back[how] for key, how in forth.items())


def standing(rules, event, decision, benefits):
    granting = flows.Granting(rules, benefits)
    return granting.standing(granting.on(event, decision))


@effort(15)
@given(registers, registers, DAYS, DAYS)
def test_on_every_day_the_difference_says_what_the_two_registers_themselves_say(old, new, event, decision):
    benefits = flows.named([rule for law_ in (old, new) for versions in law_.rules.values() for rule in versions])
    here, there = (
        {
            (group, cell): frozenset(terms for terms, _ in said)
            for group, rules in flows.grouped(law_).items()
            for cell, said in standing(rules, event, decision, benefits).items()
        }
        for law_ in (old, new)
    )
    wider = set()
    for one in difference.between(old, new):
        on = [
            d for d in one.days if d.event_from <= event <= d.event_to and d.decision_from <= decision <= d.decision_to
        ]
        if on and one.how in WIDER:
            wider |= {(one.kind, *cell) for cell in {key[3] for key in told([replace(one, days=(on[0],))])}}
    for (group, cell), terms in there.items():
        before = here.get((group, cell), frozenset())
        covered = all(any(mine.covers(theirs) for mine in before) for theirs in terms)
        assert ((group[3], *cell) in wider) is not covered


def test_a_large_register_is_compared_in_seconds():
    many = [basis(f"B-{n}", giltig_fom=date(2024, 3, 1) + timedelta(days=n % 5)) for n in range(200)]
    other = [*many[:-1], basis("B-199", fields=["adress"], giltig_fom=date(2024, 3, 1))]
    (opened,) = difference.between(law(*many), law(*other))
    assert (opened.how, opened.fields) == (How.OPENS, {"adress"})
