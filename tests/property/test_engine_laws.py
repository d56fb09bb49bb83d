"""The engine only ever narrows, fills nothing in, and answers the same to the same: for any register and request."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from functools import lru_cache

from hypothesis import given
from hypothesis import strategies as st

from gateway.config.law import Channel, Direction, SubjectRole, Trigger
from gateway.message import Category, Outcome, Protection
from gateway.privacy import engine
from gateway.privacy.gates import GATES
from gateway.privacy.purposes import Purpose
from gateway.privacy.reasons import Reason
from gateway.privacy.request import Cited, Selection
from tests.effort import effort
from tests.unit.privacy import laid, statute
from tests.unit.privacy.going import noon

RANK = {Outcome.DENY: 0, Outcome.REFER: 1, Outcome.PERMIT: 2}
FIRST, LAST = date(2025, 1, 1), date(2026, 12, 31)
DAYS = st.dates(FIRST, LAST)
WORDS = dict(laid.KINDS[0].fields)
NAMES = sorted(WORDS)
LETTABLE = [name for name in NAMES if name not in {"medlem", "bilaga"}]
ROWS = (
    *laid.ROWS,
    statute.lagrum("SFB-114-8-2", "2024:13", kind="purpose", day="decision", giltig_fom=date(2024, 2, 15)),
)
ON_BENEFIT = {"benefits": ["bostadsbidrag"]}


@st.composite
def bases(draw):
    """Draw a basis for asking about accounts; most of the requests below fit it."""
    fields = draw(st.sets(st.sampled_from(LETTABLE), min_size=1)) | draw(st.sampled_from([set(), set(), {"bilaga"}]))
    banned = {"halsa", "kanslig", "brott"} - {WORDS[name].category for name in fields}
    benefits = draw(st.sampled_from([None, ["bostadsbidrag"], ["sjukpenning"]]))
    conditions = [{"suspicion": True}] if benefits == ["sjukpenning"] else [{"suspicion": True}, ON_BENEFIT]
    return {
        "fields": sorted(fields),
        "forbidden": sorted(draw(st.sets(st.sampled_from(sorted(banned))))) if banned else [],
        "referred": draw(st.sampled_from([["fritext"], ["fritext", "kontakt"]])),
        "required": sorted(draw(st.sets(st.sampled_from(sorted(fields)), max_size=1))),
        "lagrum": ["L-1", *draw(st.sampled_from([[], [], ["L-2"], ["L-3"], ["L-4"]]))],
        "standing_decision": draw(st.sampled_from([None, "Dnr 1"])),
        "benefits": benefits,
        "any_of": draw(st.sampled_from([[], [], conditions])),
        "consent": draw(st.booleans()),
        "suspicion": draw(st.booleans()),
        "subject_roles": draw(st.sampled_from([["forsakrad"], ["forsakrad", "annan_fysisk"]])),
        "longest_period": draw(st.sampled_from([None, 31])),
        "giltig_fom": draw(st.sampled_from([date(2024, 3, 1), date(2026, 1, 1)])),
        "giltig_tom": draw(st.sampled_from([None, date(2026, 5, 31)])),
        "day": draw(st.sampled_from(["event", "decision"])),
        "verified": draw(st.sampled_from([True, True, False])),
    }


registers = st.lists(bases(), min_size=1, max_size=3).map(
    lambda rows: tuple(laid.basis(f"B-{number}", **row) for number, row in enumerate(rows, start=1))
)
SPOILERS = {
    "direction": st.sampled_from(list(Direction)),
    "channel": st.sampled_from(list(Channel)),
    "partner": st.sampled_from([laid.party(type="arbetsgivare"), laid.party(proved=None), laid.party(proved="1")]),
    "actor": st.sampled_from([laid.actor(automated=True), laid.actor(relation="own"), laid.actor(relation="relative")]),
    "purpose": st.sampled_from([*Purpose, "övrigt"]),
    "lagrum": st.sampled_from([Cited(id="L-1", version="1"), Cited(id="L-2", version="1"), Cited(id="X", version="1")]),
    "basis": st.sampled_from(["B-1", "B-2", "B-9"]),
    "case": st.sampled_from(["A-2", "-"]),
    "proof": st.sampled_from([laid.proof(open=False), laid.proof(case="A-2"), laid.proof(request="0" * 64)]),
    "benefit": st.sampled_from(["sjukpenning", "forskoleavgift"]),
    "subject": st.sampled_from(["198202252386", "189001119800"]),
    "subject_role": st.sampled_from(list(SubjectRole)),
    "event": DAYS,
    "period": st.builds(laid.period, DAYS, DAYS),
    "fields": st.sets(st.sampled_from([*NAMES, "skonummer"])).map(frozenset),
    "trigger": st.sampled_from(list(Trigger)),
    "provenance": st.lists(
        st.builds(
            laid.origin,
            collected_for=st.sampled_from(["fk:Arendehandlaggning", "fk:Kontroll", "statistik"]),
            basis=st.sampled_from(["B-1", "B-2", "B-9"]),
            gallras=st.none() | DAYS,
        ),
        max_size=2,
    ).map(tuple),
    "protection": st.sampled_from(list(Protection)),
    "environment": st.sampled_from(["prod", "test"]),
    "audit_ready": st.just(False),
    "suspicion": st.just(None),
    "consent": st.sampled_from([None, laid.consent(until=FIRST), laid.consent(scope=frozenset({"region"}))]),
    "selection": st.builds(
        Selection, by=st.sets(st.sampled_from([*NAMES, "x"])).map(frozenset), subjects=st.integers(0, 3)
    ),
    "use": st.sampled_from(["decision_proposal", "triage"]),
    "recent_subjects": st.sampled_from([100, 101]),
    "given": st.sampled_from([{}, {"halsa": Category.HALSA}]),
}
"""What may be wrong with a request that else fits the first basis."""


@st.composite
def scenes(draw):
    """Draw a request with at most two things wrong, a register and a moment."""
    register = draw(registers)
    row = register[0]
    event = draw(st.dates(date(2026, 1, 1), date(2026, 5, 1)))
    fitting = {
        "event": event,
        "period": laid.period(event, event),
        "fields": frozenset({*row.fields[:2], *row.required}),
        "suspicion": "PM-1",
        "consent": laid.consent(until=LAST),
    }
    names = draw(st.lists(st.sampled_from([*sorted(SPOILERS), "", "", "", "", "", ""]), min_size=2, max_size=2))
    wrong = {name: draw(SPOILERS[name]) for name in sorted(set(names)) if name}
    return laid.request(**(fitting | wrong)), register, noon(draw(st.dates(date(2026, 1, 1), date(2026, 5, 31))))


@lru_cache(maxsize=64)
def built(register, environment="test"):
    return laid.law(*register, rows=ROWS, environment=environment) if register else replace(laid.LAW, rules={})


def judged(request, register, moment, **more):
    return engine.decide(request, built(tuple(register), **more), moment)


@effort(40)
@given(scenes(), st.data())
def test_taking_a_basis_away_never_permits_more(scene, data):
    request, register, moment = scene
    gone = data.draw(st.integers(0, len(register) - 1))
    less = judged(request, register[:gone] + register[gone + 1 :], moment)
    before = judged(request, register, moment)
    assert RANK[less.outcome] <= RANK[before.outcome]
    assert less.granted <= before.granted


@effort(40)
@given(scenes())
def test_what_passes_was_asked_for_and_is_named_by_the_basis_that_was_named(scene):
    request, register, moment = scene
    verdict = judged(request, register, moment)
    if verdict.outcome is not Outcome.PERMIT:
        assert verdict.granted == frozenset()
        assert verdict.reasons
        return
    (row,) = (row for row in register if row.id == request.basis)
    assert verdict.granted
    assert verdict.granted <= request.fields & frozenset(row.fields)
    assert verdict.granted | verdict.withheld.keys() == request.fields
    assert not verdict.granted & verdict.withheld.keys()
    assert not {WORDS[name].category for name in verdict.granted} & set(row.forbidden)


@effort(40)
@given(scenes(), st.data())
def test_leaving_any_mandatory_input_out_denies(scene, data):
    request, register, moment = scene
    missing = data.draw(st.sampled_from(sorted(engine._MANDATORY)))
    verdict = judged(replace(request, **{missing: None}), register, moment)
    assert verdict.outcome is Outcome.DENY
    assert verdict.missing == (engine._MANDATORY[missing],)


@effort(40)
@given(scenes(), st.sampled_from(["suspicion", "consent"]))
def test_leaving_out_what_a_basis_may_want_never_permits_more(scene, what):
    request, register, moment = scene
    before = judged(request, register, moment)
    assert RANK[judged(replace(request, **{what: None}), register, moment).outcome] <= RANK[before.outcome]


@effort(40)
@given(scenes(), st.sampled_from(NAMES))
def test_asking_for_less_grants_nothing_more(scene, gone):
    request, register, moment = scene
    less = judged(replace(request, fields=request.fields - {gone}), register, moment)
    assert less.granted <= request.fields - {gone}
    before = judged(request, register, moment)
    if before.outcome is Outcome.PERMIT:
        assert less.granted <= before.granted


@effort(40)
@given(scenes())
def test_who_is_protected_is_told_of_no_more_than_who_is_not(scene):
    request, register, moment = scene
    open_ = judged(replace(request, protection=Protection.NONE), register, moment)
    for status in Protection:
        hidden = judged(replace(request, protection=status), register, moment)
        assert RANK[hidden.outcome] <= RANK[open_.outcome]
        assert hidden.granted <= open_.granted
        if status is not Protection.NONE:
            assert not {name for name in hidden.granted if WORDS[name].locating or WORDS[name].category == "fritext"}
        if status is Protection.UNKNOWN and request.direction in {Direction.FK_QUESTION, Direction.FK_PUSH}:
            assert hidden.outcome is not Outcome.PERMIT


@effort(30)
@given(scenes())
def test_the_same_law_request_and_day_give_the_same_verdict(scene):
    assert judged(*scene) == judged(*scene)


@effort(30)
@given(scenes())
def test_a_referral_is_not_released_by_asking_again(scene):
    assert len({judged(*scene).outcome for _ in range(3)}) == 1


@effort(40)
@given(scenes())
def test_every_gate_is_accounted_for_up_to_the_one_that_denied(scene):
    verdict = judged(*scene)
    names = [f"{gate.number} {gate.name}" for gate in GATES]
    said = {judged_.gate: judged_ for judged_ in verdict.gates}
    denied = [judged_ for judged_ in verdict.gates if judged_.result == "deny"]
    if verdict.outcome is Outcome.DENY:
        last = names.index(denied[0].gate)
        assert list(said)[: last + 1] == names[: last + 1]
        assert set(list(said)[last + 1 :]) <= {"8 category"}
    else:
        assert list(said) == names
        assert not denied
    assert (verdict.outcome is Outcome.REFER) == (
        not denied and any(judged_.result == "refer" for judged_ in verdict.gates)
    )
    assert set(verdict.reasons) <= set(Reason)


@effort(30)
@given(scenes())
def test_law_that_nobody_has_read_permits_nothing_for_real(scene):
    request, register, moment = scene
    real = judged(replace(request, environment="prod"), register, moment, environment="production")
    if real.outcome is Outcome.PERMIT:
        (row,) = (row for row in register if row.id == request.basis)
        assert row.verified
        assert "L-4" not in row.lagrum


@effort(40)
@given(scenes())
def test_a_permission_keeps_every_condition_of_its_basis(scene):
    request, register, moment = scene
    verdict = judged(request, register, moment)
    if verdict.outcome is not Outcome.PERMIT:
        return
    (row,) = (row for row in register if row.id == request.basis)
    day = request.event if row.day == "event" else moment.date()
    assert row.giltig_fom <= day <= (row.giltig_tom or date.max)
    assert row.direction is request.direction
    assert request.purpose in row.purposes
    assert request.subject_role in row.subject_roles
    assert row.benefits is None or request.benefit in row.benefits
    assert request.partner.type in row.partner_types
    assert request.partner.proved == request.partner.organisation
    assert not row.suspicion or request.suspicion
    assert not row.consent or request.consent.until >= moment.date()
    assert request.proof.open
    assert (request.proof.case, request.proof.subject) == (request.case, request.subject)
    assert request.period.within(request.proof.period)
    assert row.longest_period is None or (request.period.last - request.period.first).days < row.longest_period
    assert frozenset(row.required) <= request.fields
    assert f"{request.lagrum.id}@{request.lagrum.version}" in verdict.lagrum
    assert row.standing_decision or "L-2" not in row.lagrum
    assert not any(one.collected_for == "statistik" for one in request.provenance)


def test_the_scenes_are_permitted_referred_and_denied_for_many_reasons():
    """The laws above would hold of an engine that denies everything: here is that it does not."""
    outcomes: Counter[Outcome] = Counter()
    told: Counter[str] = Counter()

    @effort(500)
    @given(scenes())
    def count(scene):
        verdict = judged(*scene)
        outcomes[verdict.outcome] += 1
        told.update(verdict.reasons)

    count()
    assert outcomes[Outcome.PERMIT] > 20
    assert outcomes[Outcome.REFER] > 20
    assert len(told) > 20
