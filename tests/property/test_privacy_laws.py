"""Laws that hold for any register and any record: monotone, narrowing, no default, sticky, reproducible."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import PurposeError
from gateway.events import compose
from gateway.message import Labels, LeafHash, Outcome, Protection, Pseudonym, Withheld
from gateway.privacy import compatibility, labels, purpose
from gateway.privacy.law import Law
from gateway.privacy.purposes import COLLECTING, Purpose
from gateway.swedish import swedish_day
from tests.unit.privacy.statute import (
    CONTRACT,
    FIELDS,
    KINDS,
    OTHER,
    PURPOSES,
    basis,
    configuration,
    lagrum,
    record,
    valid,
)

DAYS = st.dates(date(2024, 1, 1), date(2026, 12, 31))
RANK = {Outcome.DENY: 0, Outcome.REFER: 1, Outcome.PERMIT: 2}
ROWS = (
    lagrum("L-1", "1", giltig_tom=date(2025, 11, 30)),
    lagrum("L-1", "2", giltig_fom=date(2025, 12, 1), test="synnerliga_skal"),
    lagrum("L-2", "1", giltig_fom=date(2025, 1, 1)),
    lagrum("L-3", "1", giltig_fom=date(2025, 1, 1), giltig_tom=date(2025, 12, 31), day="decision"),
    *PURPOSES,
)
LETTABLE = [name for name, spec in FIELDS.items() if spec.category != "halsa"]


@st.composite
def bases(draw):
    forbidden = draw(st.sets(st.sampled_from(["halsa", "kanslig", "brott"])))
    fields = draw(
        st.sets(st.sampled_from([name for name in LETTABLE if FIELDS[name].category not in forbidden]), min_size=1)
    )
    begins = draw(DAYS)
    return {
        "fields": sorted(fields),
        "forbidden": sorted(forbidden),
        "referred": ["fritext", *(["kontakt"] if draw(st.booleans()) else [])],
        "lagrum": sorted(draw(st.sets(st.sampled_from(["L-1", "L-2", "L-3"]), min_size=1))),
        "standing_decision": draw(st.sampled_from([None, "Dnr 1"])),
        "cited": draw(st.sampled_from([None, ["1 §"], ["2 §"]])),
        "benefits": draw(st.sampled_from([None, ["sjukpenning"]])),
        "giltig_fom": begins,
        "giltig_tom": draw(st.none() | st.dates(begins, date(2027, 1, 1))),
    }


registers = st.lists(bases(), max_size=4).map(
    lambda rows: [basis(f"B-{number}", **row) for number, row in enumerate(rows)]
)
values = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=5)
records = st.builds(
    record,
    kind=st.sampled_from(["prov", "prov", "prov", "folkbokforing"]),
    fields=st.dictionaries(st.sampled_from(sorted(FIELDS)), values),
    period_from=DAYS,
    protection=st.none() | st.sampled_from(list(Protection)),
    stated_at=st.sampled_from([0, 20260101000000]),
    related=st.sampled_from([(), (OTHER,)]),
    cited=st.sampled_from([(), ("1 §",), ("1 §", "2 §"), ("",)]),
    extensions=st.sampled_from([(), ("Diagnos",), ("Nytt",), ("Fackforening", "Nytt")]),
)
statuses = st.sampled_from(list(Protection))
moments = DAYS.map(lambda day: datetime(day.year, day.month, day.day, 12, tzinfo=UTC))


def built(bases_):
    return Law.build(configuration(bases=bases_, rows=ROWS), KINDS)


def decide(record_, bases_, moment, status):
    law = built(bases_)
    setting = purpose.Setting(contract=CONTRACT, partner_type="skatteverket", day=swedish_day(moment))
    return purpose.decide(record_, setting, law, lambda _: status)


@given(records, registers.filter(bool), moments, statuses, st.data())
def test_taking_a_basis_away_never_gives_a_better_outcome(record_, register, moment, status, data):
    gone = data.draw(st.integers(0, len(register) - 1))
    before = decide(record_, register, moment, status)
    after = decide(record_, register[:gone] + register[gone + 1 :], moment, status)
    assert RANK[after.outcome] <= RANK[before.outcome]


@given(records, registers, moments, statuses)
def test_what_passes_was_sent_and_is_named_by_the_one_basis_that_decided(record_, register, moment, status):
    decision = decide(record_, register, moment, status)
    if decision.outcome is Outcome.PERMIT:
        named = next(row.fields for row in register if row.id == decision.basis)
        assert decision.fields.items() <= record_.fields.items()
        assert decision.fields.keys() <= set(named)
        assert decision.fields.keys() | {item.field for item in decision.withheld} == record_.fields.keys()
        assert decision.labels == labels.of(next(row for row in register if row.id == decision.basis))
    else:
        assert (decision.fields, decision.withheld, decision.labels) == ({}, (), None)
        assert decision.learned in {None, Protection.SEKRETESSMARKERING, Protection.SKYDDAD_FOLKBOKFORING}
        assert decision.reasons


@given(records, registers, moments, statuses)
def test_a_permission_rests_on_a_basis_and_paragraphs_of_its_own_days(record_, register, moment, status):
    decision = decide(record_, register, moment, status)
    if decision.outcome is not Outcome.PERMIT:
        return
    row = next(row for row in register if row.id == decision.basis)
    assert row.giltig_fom <= moment.date() <= (row.giltig_tom or date.max)
    in_force = {f"{item.id}@{item.version}": item for item in ROWS}
    assert {id_.partition("@")[0] for id_ in decision.lagrum} == {*row.lagrum, "SFB-114-8-3"}
    for id_ in decision.lagrum:
        day = record_.period_from if in_force[id_].day == "event" else moment.date()
        assert in_force[id_].giltig_fom <= day <= (in_force[id_].giltig_tom or date.max)
        assert in_force[id_].test == "none" or row.standing_decision


@given(records, registers, moments)
def test_what_is_told_the_sender_does_not_depend_on_what_we_know_of_the_person(record_, register, moment):
    told = {(d.outcome, purpose.coarse(d)) for d in (decide(record_, register, moment, s) for s in Protection)}
    assert len(told) == 1


@given(records, registers, moments, st.sampled_from([s for s in Protection if s is not Protection.NONE]))
def test_no_locating_field_passes_unless_the_folkbokforing_has_said_no_protection(record_, register, moment, status):
    decision = decide(record_, register, moment, status)
    settled = record_.kind == "folkbokforing" and record_.protection is Protection.NONE
    if not (settled and status is Protection.UNKNOWN):
        assert not {name for name in decision.fields if FIELDS[name].locating}
        assert decision.protection is not Protection.NONE


@given(records, registers, moments, statuses)
def test_leaving_out_a_mandatory_input_never_permits(record_, register, moment, status):
    without_citation = record(**{name: getattr(record_, name) for name in ("kind", "fields", "period_from")})
    judged = decide(without_citation, [row for row in register if row.cited is not None], moment, status)
    assert judged.outcome is Outcome.DENY
    setting = purpose.Setting(contract=CONTRACT, partner_type=None, day=moment.date())
    assert purpose.decide(record_, setting, built(register), lambda _: status).outcome is Outcome.DENY


@given(records, registers, moments, statuses)
def test_the_same_law_and_the_same_input_give_the_same_decision(record_, register, moment, status):
    assert decide(record_, register, moment, status) == decide(record_, register, moment, status)


@given(st.lists(records, max_size=4), registers, moments, statuses)
def test_a_message_is_refused_exactly_when_something_is_forbidden_or_nothing_may_pass(many, register, moment, status):
    single = [decide(one, register, moment, status) for one in many]
    message = valid(*many, at=moment)
    try:
        permitted = purpose.permit(message, built(register), lambda _: status)
    except PurposeError:
        assert any(one.quarantined for one in single) or all(one.outcome is Outcome.DENY for one in single)
    else:
        assert [one.outcome for one in permitted.decisions] == [one.outcome for one in single]
        assert not any(one.quarantined for one in single)
        assert not single or any(one.outcome is not Outcome.DENY for one in single)


label_values = st.builds(
    Labels,
    purposes=st.frozensets(st.sampled_from(["p1", "p2", "p3"])),
    benefits=st.none() | st.frozensets(st.sampled_from(["b1", "b2"])),
    retention=st.sampled_from(["R1", "R2", "R3"]),
    no_onward=st.booleans(),
    collected_for=st.frozensets(st.sampled_from(["p1", "p2", "p3"])),
    processed_for=st.frozensets(st.sampled_from(["p1", "p2", "p3"])),
    bases=st.frozensets(st.sampled_from(["B-1", "B-2"])),
)


@given(label_values, label_values, label_values)
def test_labels_only_ever_narrow_in_whatever_order_data_is_joined(one, two, three):
    joined = labels.intersect(one, two)
    assert joined.purposes <= one.purposes
    assert one.benefits is None or joined.benefits <= one.benefits
    assert joined.no_onward >= one.no_onward
    assert joined.collected_for <= one.collected_for
    assert joined.processed_for <= one.processed_for
    assert joined.bases >= one.bases | two.bases
    assert set(one.retention.split("; ")) <= set(joined.retention.split("; "))
    assert labels.intersect(one, one) == one
    assert labels.intersect(one, two) == labels.intersect(two, one)
    assert labels.intersect(labels.intersect(one, two), three) == labels.intersect(one, labels.intersect(two, three))


PRIMARY = st.sampled_from(sorted(COLLECTING))
SOURCES = built(
    [
        basis("B-1", purposes=["fk:Arendehandlaggning", "fk:Kontroll"]),
        basis("B-2", purposes=["fk:Kontroll"], benefits=["sjukpenning"]),
        basis("B-3", purposes=["fk:UnderlagRattighetSkyldighet"], benefits=["sjukpenning", "sgi"]),
    ]
).rules
sourced = st.builds(
    Labels,
    purposes=st.just(frozenset(COLLECTING)),
    benefits=st.none(),
    retention=st.just("R"),
    no_onward=st.just(True),
    collected_for=st.frozensets(PRIMARY, min_size=1),
    processed_for=st.frozensets(PRIMARY),
    bases=st.frozensets(st.sampled_from(["B-1", "B-2", "B-3", "B-4"]), min_size=1),
)


def may_be_used(labels_, purpose_, benefit, *, health, sensitive):
    return all(
        compatibility.judge(one, purpose_, benefit, health=health, sensitive=sensitive, rules=SOURCES) is None
        for one in labels.provenance(labels_)
    )


@given(
    sourced,
    sourced,
    st.sampled_from(sorted(Purpose)),
    st.sampled_from(["sjukpenning", "sgi", None]),
    st.booleans(),
    st.booleans(),
)
def test_what_joined_data_may_be_used_for_each_part_may_be(  # noqa: PLR0917  # drawn
    one, two, purpose_, benefit, health, sensitive
):
    joined = labels.intersect(one, two)
    if may_be_used(joined, purpose_, benefit, health=health, sensitive=sensitive):
        for part in (one, two):
            assert may_be_used(part, purpose_, benefit, health=health, sensitive=sensitive)


@given(
    label_values, label_values, st.frozensets(st.sampled_from(["p1", "p2"]), min_size=1), st.frozensets(st.just("b1"))
)
def test_a_queue_that_may_have_joined_data_may_have_each_part(one, two, purposes, benefits):
    queue = configuration().queues[0].model_copy(update={"purposes": tuple(purposes), "benefits": tuple(benefits)})
    if labels.may_serve(queue, labels.intersect(one, two)):
        assert labels.may_serve(queue, one)
        assert labels.may_serve(queue, two)


@settings(max_examples=50)
@given(records, registers.filter(bool), moments, statuses)
def test_an_event_holds_what_the_decision_let_pass_and_no_value_that_it_withheld(record_, register, moment, status):
    secret = {name: f"värde-{name}" for name in record_.fields}
    marked = record(
        **{name: getattr(record_, name) for name in ("kind", "period_from", "protection", "cited", "related")},
        fields=secret,
    )
    decision = decide(marked, register, moment, status)
    if decision.outcome is not Outcome.PERMIT:
        return
    queue = (
        configuration()
        .queues[0]
        .model_copy(update={"benefits": ("sjukpenning",), "types": (compose.event_type(marked.kind),)})
    )
    permitted = purpose.permit(valid(marked, at=moment), built(register), lambda _: status)
    routes = compose.Routes.build([queue], register)
    event = compose.event(permitted, decision, pseudonym=Pseudonym("p"), leaf=LeafHash(bytes(32)), routes=routes)
    for name, value in secret.items():
        assert (value.encode() in event.body) == (name in decision.fields)
    assert event.queues == (queue.name,)
    assert all(isinstance(item, Withheld) for item in decision.withheld)


@given(DAYS, st.timedeltas(timedelta(0), timedelta(days=1)))
def test_a_swedish_day_is_the_utc_day_or_the_next(day, within):
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) + within
    assert swedish_day(moment) - moment.date() in {timedelta(0), timedelta(days=1)}
