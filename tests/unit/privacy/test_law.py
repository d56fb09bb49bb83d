"""The delivered register: what `config/law/` says of what comes in, and days as Sweden counts them."""

import dataclasses
from datetime import UTC, date, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from gateway.config.law import SENT
from gateway.message import Outcome
from gateway.privacy import labels, register
from gateway.privacy.law import Law
from gateway.privacy.purposes import COLLECTING, LAGRUM, Benefit, Purpose
from gateway.privacy.reasons import Reason
from gateway.swedish import swedish_day
from tests.unit.privacy import statute
from tests.unit.privacy.statute import (
    PURPOSES,
    TODAY,
    UNPROTECTED,
    agreed,
    basis,
    configuration,
    delivered,
    delivered_law,
    information,
    kinds,
    lagrum,
    law,
    record,
)
from tests.unit.privacy.test_purpose import judged

AGI = "skatteverket/arbetsgivardeklaration"
AF = "arbetsformedlingen/ersattningsstod"
SJUK = "arbetsgivare/sjukanmalan"


def absence(day):
    fields = {"period": "2025-01", "franvaroDatum": day.isoformat(), "franvaroTyp": "FORALDRAPENNING"}
    return record(kind="franvaro", fields=fields, period_from=day)


def answer(day, cited="110 kap. 31 § socialförsäkringsbalken", **more):
    return record(
        kind="ersattningsbeslut", fields={"statuskod": 0, "fornamn": "x"}, period_from=day, cited=(cited,), **more
    )


def at(record_, contract, **more):
    return judged(record_, delivered_law(), contract=contract, partner=contract.partition("/")[0], **more)


def test_absence_may_come_from_the_period_the_law_begins_with_and_not_before():
    before, after = at(absence(date(2024, 12, 31)), AGI), at(absence(date(2025, 1, 1)), AGI)
    assert (before.outcome, before.reasons) == (Outcome.DENY, (Reason.LAGRUM_NOT_IN_FORCE,))
    assert after.outcome is Outcome.PERMIT
    assert "L-2024-1300-1@2024:1300" in after.lagrum


def test_absence_is_locked_to_the_control_of_two_benefits():
    label = at(absence(date(2025, 1, 1)), AGI).labels
    assert label.purposes == {"fk:Kontroll"}
    assert label.benefits == {"foraldrapenning", "tillfallig_foraldrapenning"}
    for queue in delivered().queues:
        assert labels.may_serve(queue, label) == (queue.name == "kontroll.foraldrapenning")


def test_absence_cannot_serve_a_case_on_sjukpenning_even_when_joined_with_income_that_can():
    income = record(kind="inkomst", fields={"period": "2026-01"}, period_from=date(2026, 1, 1))
    joined = labels.intersect(at(absence(date(2025, 1, 1)), AGI).labels, at(income, AGI).labels)
    assert "sjukpenning" not in joined.benefits
    assert joined.purposes == {"fk:Kontroll"}


def test_the_same_answer_on_either_side_of_the_new_law_has_two_results():
    before, after = at(answer(date(2025, 11, 30)), AF), at(answer(date(2025, 12, 1)), AF)
    assert (before.outcome, before.basis) == (Outcome.PERMIT, "AF-ALLMAN-01")
    assert "SFB-110-31@2012:935" in before.lagrum
    assert (after.outcome, after.reasons) == (Outcome.REFER, (Reason.BALANCING_TEST_OPEN,))
    assert "SFB-110-31@2025:937" in after.lagrum


@pytest.mark.parametrize("day", [date(2025, 11, 30), date(2025, 12, 1)])
def test_an_answer_in_a_case_on_aktivitetsstod_rests_on_its_own_duty_on_both_sides(day):
    decision = at(answer(day, "9 kap. 1 § förordningen (2017:819)"), AF)
    assert (decision.outcome, decision.basis) == (Outcome.PERMIT, "AF-ERSATTNING-01")
    assert decision.labels.benefits == {"aktivitetsstod", "etableringsersattning", "utvecklingsersattning"}


def test_the_general_duty_gives_fewer_fields_than_the_special_one():
    assert "fornamn" not in at(answer(date(2025, 11, 30)), AF).fields
    assert "fornamn" in at(answer(date(2025, 11, 30), "9 kap. 1 § förordning (2017:819)"), AF).fields


@pytest.mark.parametrize("cited", ["", "Marknadsföring", "11 kap. 11 a § socialtjänstlagen (2001:453)"])
def test_an_answer_to_a_question_with_another_purpose_is_denied(cited):
    decision = at(answer(date(2025, 11, 30), cited), AF)
    assert (decision.outcome, decision.reasons) == (Outcome.DENY, (Reason.CITED_BASIS_MISMATCH,))


def test_an_employers_notice_tells_whom_when_and_whom_to_ask_and_rests_on_notice_and_inquiry():
    fields = {
        "arbetsgivare": "5560269986",
        "forstaSjukdag": "2026-02-01",
        "sjuklonePeriodSlut": "2026-02-14",
        "kontaktperson": ({"namn": "x"},),
    }
    decision = at(record(kind="sjukanmalan", fields=fields), SJUK, status=UNPROTECTED)
    assert decision.fields.keys() == fields.keys()
    assert {"L-1991-1047-12@2011:1073", "SFB-110-14@2010:110"} <= set(decision.lagrum)


def test_an_employer_that_sends_a_diagnosis_or_writes_freely_is_stopped_or_waits():
    assert at(record(kind="sjukanmalan", fields={}, extensions=("Diagnoskod",)), SJUK).quarantined
    assert at(record(kind="sjukanmalan", fields={"fritext": "x"}), SJUK).reasons == (Reason.FREE_TEXT,)


def test_tax_deducted_and_workplace_are_not_needed_to_compute_a_benefit():
    fields = {"kontantErsattningUlagAG": 28500, "avdrPrelSkatt": 9300, "arbetsplatsensOrt": "x"}
    assert at(record(kind="inkomst", fields=fields), AGI, status=UNPROTECTED).fields == {
        "kontantErsattningUlagAG": 28500
    }


def test_every_kind_of_every_contract_has_a_basis_that_holds_today():
    law = delivered_law()
    rules = [rule for versions in law.rules.values() for rule in versions if rule.valid_until == date.max]
    lets_out = {(rule.contract, rule.kind) for rule in rules if rule.direction in SENT}
    for contract, by_kind in kinds().items():
        for kind in by_kind:
            lets_in = any(rule.valid_until == date.max for rule in law.kinds[contract, kind].rules)
            assert lets_in != ((contract, kind) in lets_out), (contract, kind)


def test_no_basis_lets_special_categories_in():
    for row in delivered().bases:
        if not (row.inward and row.carried):
            continue
        specs = kinds()[row.contract][row.kind]
        assert not {specs[field].category for field in row.fields} & {
            "halsa",
            "kanslig",
            "brott",
            "fritext",
        }


def test_what_rests_on_memory_or_on_a_secondary_source_says_so():
    unread = {f"{row.id}@{row.version}" for row in delivered().lagrum if not row.verified}
    assert {"L-2001-182-1-4@2018:229", "L-2001-182-2-8@2015:902", "SFB-110-31@2025:937"} <= unread
    assert not any(row.id.startswith("SFB-114") for row in delivered().lagrum if not row.verified)


def test_the_delivered_register_loads_in_production_and_says_what_it_leaves_to_a_person():
    production = delivered().model_copy(
        update={"gateway": delivered().gateway.model_copy(update={"environment": "production"})}
    )
    law = Law.build(production, kinds(), agreed().outgoing)
    assert law.environment == "production"
    told = register.unread(production)
    assert "lagrum SFB-110-31@2025:937" in told["AF-ALLMAN-01"]
    assert "basis FK-NAVET-01@2024-02-15" in told["FK-NAVET-01"]
    assert "SKV-AGI-FRANVARO-01" not in told


def test_the_version_of_a_basis_that_counts_is_that_of_its_own_day():
    before, after = date(2025, 11, 30), date(2025, 12, 1)
    for day in ("event", "decision"):
        own = law(
            basis(day=day, giltig_tom=before, fields=["belopp", "period"]),
            basis(day=day, giltig_fom=after, fields=["belopp"]),
        )
        event, decision = (before, after) if day == "event" else (after, before)
        assert own.version("B-1", event, decision).fields == {"belopp", "period"}
        assert own.version("B-1", decision, event).fields == {"belopp"}
        assert own.version("B-1", date(2020, 1, 1), date(2020, 1, 1)) is None
        assert own.version("B-2", before, before) is None
        assert [rule.by_event_day for rule in own.rules["B-1"]] == [day == "event"] * 2


def test_a_version_by_the_day_of_the_event_is_none_where_that_day_is_not_known():
    assert law(basis(day="event")).version("B-1", None, TODAY.date()) is None
    assert law(basis()).version("B-1", None, TODAY.date()).basis == "B-1"


def test_both_ends_of_a_version_count():
    own = law(basis(giltig_fom=date(2025, 1, 1), giltig_tom=date(2025, 12, 31)))
    held = [
        own.version("B-1", None, day) is not None
        for day in (date(2024, 12, 31), date(2025, 1, 1), date(2025, 12, 31), date(2026, 1, 1))
    ]
    assert held == [False, True, True, False]


def test_a_kind_that_no_contract_carries_is_compiled_from_what_information_says_of_it():
    row = information(
        konto="ekonomi",
        adress={"category": "kontakt", "locating": True},
        journal={"category": "halsa", "secrecy": "OSL-25-1"},
        religion="kanslig",
        anteckning="fritext",
    )
    whole = configuration(
        bases=[basis(contract=None, kind="konton", fields=["konto"], forbidden=["halsa"])],
        rows=[lagrum(secrecy_excluded=["OSL-25-1"]), *PURPOSES],
        information=[row],
    )
    (rule,) = Law.build(whole, statute.KINDS).rules["B-1"]
    assert rule.contract is None
    assert rule.declared == {"konto", "adress", "journal", "religion", "anteckning"}
    assert (rule.fields, rule.locating, rule.free_text) == ({"konto"}, {"adress"}, {"anteckning"})
    assert (rule.forbidden_fields, rule.health_fields, rule.sensitive_fields) == (
        {"journal"},
        {"journal"},
        {"religion"},
    )
    assert rule.special_fields == {"journal", "religion"}
    assert rule.secrecy == {"journal": "OSL-25-1"}
    assert rule.paragraphs.by_event.on(TODAY.date()).excluded == {"OSL-25-1"}


@pytest.mark.parametrize("verified", [True, False])
def test_what_is_in_force_tells_whether_anybody_has_read_it(verified):
    rows = [lagrum(giltig_tom=date(2025, 6, 30)), lagrum(version="2", giltig_fom=date(2025, 7, 1), verified=verified)]
    (rule,) = law(basis(), rows=rows).rules["B-1"]
    assert not rule.paragraphs.by_event.on(date(2025, 6, 30)).unread
    assert rule.paragraphs.by_event.on(date(2025, 7, 1)).unread is not verified
    assert rule.paragraphs.by_event.through(date(2025, 6, 30), date(2025, 7, 1)).unread is not verified
    assert not rule.paragraphs.by_event.through(date(2025, 6, 1), date(2025, 6, 30)).unread


def test_the_secrecy_that_any_paragraph_does_not_break_adds_up():
    rows = [
        lagrum(secrecy_break="L-2", secrecy_excluded=["OSL-25-1"]),
        lagrum("L-2", secrecy_excluded=["OSL-24-8", "OSL-25-1"]),
    ]
    (rule,) = law(basis(), rows=rows).rules["B-1"]
    assert rule.paragraphs.by_event.on(date(2025, 7, 1)).excluded == {"OSL-25-1", "OSL-24-8"}


def test_what_is_in_force_together_is_what_both_days_say_put_together():
    every = {id(rule.paragraphs): rule.paragraphs for versions in delivered_law().rules.values() for rule in versions}
    asked = 0
    for paragraphs in every.values():
        turns = [*paragraphs.by_event.starts[1:], date(2026, 1, 1)]
        days = [*turns, *(day - timedelta(days=1) for day in turns)]
        for first, last in product(days, repeat=2):
            for today in (*days, *paragraphs.by_decision.starts):
                by_event, by_decision = paragraphs.by_event.through(first, last), paragraphs.by_decision.on(today)
                both = None if by_event is None or by_decision is None else by_event.also(by_decision)
                assert paragraphs.on(first, last, today) == both
                asked += both is not None
    assert asked > 1_000


def test_bases_that_rely_on_the_same_paragraphs_share_what_is_known_of_them():
    first, second, third = (rules[0].paragraphs for rules in law(
        basis("B-1"), basis("B-2", fields=["belopp"]), basis("B-3", purposes=["fk:Kontroll"])
    ).rules.values())  # fmt: skip
    assert first is second
    assert third is not first
    assert third.on(date.max, date.max, TODAY.date()).versions[-1].startswith("SFB-114-8-4@")


def test_every_purpose_names_the_paragraph_it_rests_on():
    assert LAGRUM.keys() == set(Purpose)
    assert len(set(LAGRUM.values())) == len(Purpose)
    assert {LAGRUM[purpose] for purpose in COLLECTING} <= {row.id for row in delivered().lagrum}
    assert len(COLLECTING) == 7


def test_benefits_are_written_as_names():
    assert all(benefit.isascii() and benefit == benefit.lower() for benefit in Benefit)


def test_the_law_is_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        delivered_law().policy = "0"


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2025, 11, 30, 22, 59, 59, tzinfo=UTC), date(2025, 11, 30)),
        (datetime(2025, 11, 30, 23, 0, 0, tzinfo=UTC), date(2025, 12, 1)),
        (datetime(2026, 6, 30, 21, 59, 59, tzinfo=UTC), date(2026, 6, 30)),
        (datetime(2026, 6, 30, 22, 0, 0, tzinfo=UTC), date(2026, 7, 1)),
    ],
)
def test_a_day_begins_at_midnight_in_sweden(moment, day):
    assert swedish_day(moment) == day


def test_summer_time_is_what_the_time_zone_database_says():
    try:
        stockholm = ZoneInfo("Europe/Stockholm")
    except ZoneInfoNotFoundError:  # a machine without zone data: the rule is still tested above
        pytest.skip("no time zone data on this machine")
    moment = datetime(1997, 1, 1, 0, 30, tzinfo=UTC)
    while moment.year < 2037:
        assert swedish_day(moment) == moment.astimezone(stockholm).date(), moment
        moment += timedelta(hours=11)
