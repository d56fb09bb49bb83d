"""The way out only ever narrows: taking anything away permits nothing more, and what goes is what a basis names."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache

from hypothesis import given
from hypothesis import strategies as st

from gateway.dispatch import Case, Consent, Period, Permitted
from gateway.message import Outcome, Protection
from gateway.privacy import disclosure, labels
from gateway.privacy.reasons import Reason
from tests.effort import effort
from tests.unit.privacy import going
from tests.unit.privacy.going import MESSAGE, QUESTION, WORDS

RANK = {Outcome.DENY: 0, Outcome.REFER: 1, Outcome.PERMIT: 2}
FIRST, LAST = date(2025, 1, 1), date(2026, 6, 30)
DAYS = st.dates(FIRST, LAST)
ROWS = tuple(
    row.model_copy(update={"forfattning": f"lagen (2020:{number}) om prov"}) if row.id.startswith("L-") else row
    for number, row in enumerate(going.ROWS, start=1)
)


@st.composite
def bases(draw):
    asks = draw(st.booleans())
    forbidden = draw(st.sets(st.sampled_from(["halsa", "kanslig", "brott"])))
    free = sorted(name for name, spec in WORDS.items() if spec.category not in forbidden)
    fields = sorted(draw(st.sets(st.sampled_from(free), min_size=1)))
    decided = draw(st.sampled_from([None, "Dnr 1"]))
    return {
        "direction": "fk_question" if asks else "fk_push",
        "contract": QUESTION if asks else MESSAGE,
        "kind": "fraga" if asks else "brev",
        "fields": fields,
        "forbidden": sorted(forbidden),
        "referred": draw(st.sampled_from([[], ["fritext"]])) if decided else ["fritext"],
        "lagrum": sorted(draw(st.sets(st.sampled_from(["L-1", "L-2", "L-2", "L-3"]), min_size=1))),
        "standing_decision": decided,
        "benefits": draw(st.sampled_from([None, ["sjukpenning"]])),
        "giltig_fom": draw(st.sampled_from([FIRST, date(2026, 1, 1)])),
        "giltig_tom": draw(st.sampled_from([None, date(2026, 5, 31)])),
        "required": sorted(draw(st.sets(st.sampled_from(fields), max_size=1))),
        "longest_period": draw(st.sampled_from([None, 31])),
        "consent": draw(st.booleans()),
        "suspicion": draw(st.booleans()),
    }


registers = st.lists(bases(), min_size=1, max_size=2).map(
    lambda rows: [going.basis(f"OUT-{number}", **row) for number, row in enumerate(rows, start=1)]
)
values = st.sampled_from(["Något", "Något", "x", 1, False, "", " ", None])


@st.composite
def periods(draw):
    first = draw(DAYS)
    return Period(first=first, last=first + timedelta(days=draw(st.sampled_from([0, 1, 30, 31, 400]))))


consents = st.builds(
    Consent,
    reference=st.just("S-1"),
    recipients=st.sampled_from([frozenset({"skatteverket"}), frozenset({"region"})]),
    until=st.dates(FIRST, date(2027, 1, 1)),
)
SPOILERS = {
    "purpose": st.sampled_from(["fk:UtlamnandeForfattning", "fk:Kontroll", "fk:Ovrigt", ""]),
    "contract": st.sampled_from([QUESTION, MESSAGE]),
    "case": st.builds(
        Case,
        reference=st.sampled_from(["A-1", ""]),
        benefit=st.sampled_from(["sjukpenning", "bostadsbidrag", ""]),
        period=periods(),
    ),
    "period": st.none() | periods(),
    "consent": st.none() | consents,
    "suspicion": st.just(None),
    "named": st.sampled_from(["OUT-2", "OUT-9"]),
    "fields": st.dictionaries(st.sampled_from(sorted(WORDS)), values, max_size=3),
}
"""What may be wrong with a command that would else fit its basis."""


@st.composite
def scenes(draw):
    """Draw a command that fits the first basis but for at most two things, the register, a moment and a status."""
    register = draw(registers)
    row = register[0]
    first = draw(st.dates(FIRST, date(2026, 5, 1)))
    held = {name: draw(values) for name in draw(st.sets(st.sampled_from(sorted(WORDS))))}
    fitting = {
        "contract": row.contract,
        "case": Case(reference="A-1", benefit="sjukpenning", period=Period(first=FIRST, last=LAST)),
        "period": Period(first=first, last=first + timedelta(days=draw(st.sampled_from([0, 1, 30])))),
        "consent": Consent(reference="S-1", recipients=frozenset({"skatteverket"}), until=LAST),
        "suspicion": "PM-1",
        "fields": held,
        "own": dict.fromkeys(row.required or row.fields[:1], "Något"),
    }
    wrong = {name: draw(SPOILERS[name]) for name in draw(st.sets(st.sampled_from(sorted(SPOILERS)), max_size=2))}
    moment = going.noon(draw(st.dates(row.giltig_fom, row.giltig_tom or LAST) | DAYS))
    return going.command(**(fitting | wrong)), register, moment, draw(st.sampled_from(list(Protection)))


@lru_cache(maxsize=64)
def built(register):
    return going.law(*register, rows=ROWS)


def judged(
    command, register, moment, status, *, partner_type="skatteverket"
) -> tuple[Outcome, Permitted | None, tuple[str, ...]]:
    law = built(tuple(register))
    try:
        permitted = going.permit(command, law, status=status, at=moment, partner_type=partner_type)
    except disclosure.Stopped as stopped:
        return stopped.decision.outcome, None, stopped.decision.reasons
    return Outcome.PERMIT, permitted, permitted.decision.reasons


def rank(*inputs, **more):
    return RANK[judged(*inputs, **more)[0]]


@effort(40)
@given(scenes(), st.data())
def test_taking_a_basis_away_never_permits_more(scene, data):
    command, register, moment, status = scene
    gone = data.draw(st.integers(0, len(register) - 1))
    left = register[:gone] + register[gone + 1 :]
    assert rank(command, left, moment, status) <= rank(command, register, moment, status)


@effort(60)
@given(scenes(), st.sampled_from(["consent", "suspicion"]))
def test_taking_consent_or_suspicion_away_never_permits_more(scene, what):
    command, register, moment, status = scene
    before = rank(command, register, moment, status)
    assert rank(replace(command, **{what: None}), register, moment, status) <= before


@effort(40)
@given(scenes(), st.data())
def test_taking_a_field_away_from_the_basis_lets_no_other_field_out(scene, data):
    command, register, moment, status = scene
    row = register[0]
    gone = data.draw(st.sampled_from(row.fields))
    if row.fields == (gone,) or gone in row.required:
        return
    less = [row.model_copy(update={"fields": tuple(name for name in row.fields if name != gone)})]
    _, before, _ = judged(command, [row], moment, status)
    _, after, _ = judged(command, less, moment, status)
    if after is not None and before is not None:
        assert after.decision.fields.items() <= before.decision.fields.items()
    if after is not None:
        assert gone not in after.decision.fields


@effort(60)
@given(scenes())
def test_what_goes_was_given_and_is_named_by_the_basis_that_was_named(scene):
    command, register, moment, status = scene
    outcome, permitted, reasons = judged(command, register, moment, status)
    if permitted is None:
        assert reasons
        assert outcome is not Outcome.PERMIT
        return
    decision, (recipient,) = permitted.decision, command.recipients
    row = next(row for row in register if row.id == recipient.basis)
    asked = {**command.fields, **recipient.fields}
    assert decision.fields.items() <= asked.items()
    assert decision.fields.keys() <= set(row.fields)
    assert decision.fields.keys().isdisjoint(item.field for item in decision.withheld)
    assert decision.fields.keys() | {item.field for item in decision.withheld} == asked.keys()
    assert not {WORDS[name].category for name in decision.fields} & set(row.forbidden)
    assert decision.labels == labels.of(row)
    assert permitted.citation.purpose == row.purpose_text


@effort(60)
@given(scenes())
def test_a_permission_keeps_every_condition_of_its_basis(scene):
    command, register, moment, status = scene
    _, permitted, _ = judged(command, register, moment, status)
    if permitted is None:
        return
    row = next(row for row in register if row.id == permitted.decision.basis)
    case, period = command.case, command.period
    assert command.contract == row.contract
    assert command.purpose in row.purposes
    assert case.reference
    assert row.benefits is None or case.benefit in row.benefits
    assert row.giltig_fom <= moment.date() <= (row.giltig_tom or date.max)
    assert not row.suspicion or command.suspicion
    if row.consent:
        assert "skatteverket" in command.consent.recipients
        assert command.consent.until >= moment.date()
    if period is not None:
        assert case.period.first <= period.first <= period.last <= case.period.last
    if row.longest_period is not None:
        assert (period.last - period.first).days < row.longest_period
    in_force = {f"{item.id}@{item.version}": item for item in ROWS}
    assert row.standing_decision or all(in_force[id_].test == "none" for id_ in permitted.decision.lagrum)


@effort(60)
@given(scenes())
def test_nothing_that_locates_goes_about_whoever_may_be_protected(scene):
    command, register, moment, status = scene
    _, permitted, _ = judged(command, register, moment, status)
    if permitted is None or status is Protection.NONE:
        return
    said = {name for name, value in permitted.decision.fields.items() if isinstance(value, str) and value.isalnum()}
    assert not {name for name in permitted.decision.fields if WORDS[name].locating}
    assert "fritext" not in said


@effort(40)
@given(scenes())
def test_who_is_protected_gets_no_more_out_than_who_is_not(scene):
    command, register, moment, _ = scene
    _, open_, _ = judged(command, register, moment, Protection.NONE)
    for status in Protection:
        _, hidden, _ = judged(command, register, moment, status)
        if hidden is not None:
            assert open_ is not None
            assert hidden.decision.fields.items() <= open_.decision.fields.items()
            assert hidden.citation == open_.citation


@effort(60)
@given(scenes())
def test_the_unknown_are_treated_as_the_protected(scene):
    command, register, moment, _ = scene
    unknown, protected = (
        judged(command, register, moment, status) for status in (Protection.UNKNOWN, Protection.SEKRETESSMARKERING)
    )
    assert unknown[0] is protected[0]
    if unknown[1] is not None:
        assert unknown[1].decision.fields == protected[1].decision.fields


@effort(60)
@given(scenes())
def test_leaving_out_a_mandatory_input_denies(scene):
    command, register, moment, status = scene
    (recipient,) = command.recipients
    case = command.case
    without = (
        replace(command, asker=""),
        replace(command, purpose=""),
        replace(command, case=replace(case, reference="")),
        replace(command, case=replace(case, benefit="")),
        replace(command, fields={}, recipients=(replace(recipient, fields={}),)),
        replace(command, recipients=(replace(recipient, basis=""),)),
    )
    for less in without:
        assert judged(less, register, moment, status)[0] is Outcome.DENY
    assert judged(command, register, moment, status, partner_type="")[0] is Outcome.DENY


@effort(60)
@given(scenes(), st.integers(1, 500))
def test_asking_about_a_longer_time_never_permits_more(scene, more):
    command, register, moment, status = scene
    if command.period is None:
        return
    longer = Period(first=command.period.first, last=command.period.last + timedelta(days=more))
    assert rank(replace(command, period=longer), register, moment, status) <= rank(command, register, moment, status)


@effort(60)
@given(scenes())
def test_the_same_law_and_the_same_command_give_the_same_decision(scene):
    command, register, moment, status = scene
    one, other = (judged(command, register, moment, status) for _ in range(2))
    assert one == other


@effort(60)
@given(scenes())
def test_a_stop_has_reasons_of_the_list_and_nothing_else(scene):
    command, register, moment, status = scene
    outcome, permitted, reasons = judged(command, register, moment, status)
    assert set(reasons) <= set(Reason)
    assert (permitted is None) == (outcome is not Outcome.PERMIT)


def test_the_scenes_are_permitted_referred_and_denied_for_many_reasons():
    """The laws above would hold of a gate that denies everything: here is that it does not."""
    outcomes: Counter[Outcome] = Counter()
    told: Counter[str] = Counter()

    @effort(300)
    @given(scenes())
    def count(scene):
        outcome, _, reasons = judged(*scene)
        outcomes[outcome] += 1
        told.update(reasons)

    count()
    assert outcomes[Outcome.PERMIT] > 20
    assert outcomes[Outcome.REFER]
    assert len(told) > 10
