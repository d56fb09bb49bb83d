"""The register has every row that law names (`flows`), each side of every change, and nothing that nobody rests on."""

import re
from datetime import date

import pytest

from gateway.config.law import INWARD, Channel, Direction, Obligation
from gateway.privacy import purposes
from gateway.privacy.rows import relied_on
from tests.unit.privacy.flows import (
    BESIDE,
    CLOSED,
    COMING_IN,
    GOING_OUT,
    NO_BASIS,
    NOT_BROKEN,
    RESTED_ON_BY_NONE,
    WRONGLY_ASKED,
)
from tests.unit.privacy.statute import ROOT, delivered, delivered_law


def bases():
    return delivered().bases


def ours():
    """The bases that no contract carries."""
    return [basis for basis in bases() if basis.contract is None]


def rows():
    """Paragraphs by id, oldest version first."""
    found = {}
    for row in sorted(delivered().lagrum, key=lambda row: row.giltig_fom):
        found[row.id] = (*found.get(row.id, ()), row)
    return found


TABLES = COMING_IN | GOING_OUT | BESIDE


@pytest.mark.parametrize("flow", TABLES)
def test_every_flow_that_the_law_names_has_its_bases(flow):
    missing = set(TABLES[flow]) - {basis.id for basis in bases()}
    assert TABLES[flow]
    assert not missing


def test_every_basis_belongs_to_a_flow_that_the_law_names():
    named = {basis for flow in TABLES.values() for basis in flow}
    assert {basis.id for basis in bases()} == named


def test_an_id_says_which_way_the_information_goes():
    for basis in ours():
        prefix = {
            Direction.INBOUND_ANSWER: "IN-",
            Direction.INBOUND_PUSH: "IN-",
            Direction.FK_QUESTION: "FK-",
            Direction.FK_ANSWER: "UT-",
            Direction.FK_PUSH: "UT-",
            Direction.PARTNER_QUESTION: "FRAGA-",
        }[basis.direction]
        pushed = basis.direction in {Direction.INBOUND_PUSH, Direction.FK_PUSH}
        assert basis.id.startswith(prefix), basis.id
        assert basis.id.endswith("-EGET") == pushed, basis.id


def test_a_flow_without_a_basis_is_in_the_register_by_its_paragraphs():
    assert all(id_ in rows() for ids in NO_BASIS.values() for id_ in ids)


def test_every_paragraph_is_rested_on_or_has_a_reason_to_be_there():
    rested = {id_ for basis in bases() for id_ in relied_on(basis, rows())}
    rested |= set(purposes.LAGRUM.values())
    named = set().union(*RESTED_ON_BY_NONE.values())
    assert set(rows()) - rested == named


def test_every_kind_of_information_is_what_some_basis_is_about():
    assert {row.kind for row in delivered().information} == {basis.kind for basis in ours()}


@pytest.mark.parametrize("id_", sorted({basis.id for basis in ours() if basis.direction is Direction.INBOUND_ANSWER}))
def test_what_is_answered_is_asked_on_the_same_paragraphs_and_conditions(id_):
    """JO 2031-2015: our own question is judged as the answer is."""
    asking = {basis.giltig_fom: basis for basis in bases() if basis.id == "FK-" + id_.removeprefix("IN-")}
    for answer in (basis for basis in bases() if basis.id == id_):
        question = asking[answer.giltig_fom]
        assert question.direction is Direction.FK_QUESTION
        assert question.lagrum == (*answer.lagrum, "OSL-10-2")
        assert set(question.fields) <= set(answer.fields)
        for same in (
            *("partner_types", "kind", "purposes", "benefits", "subject_roles", "any_of", "channels", "triggers"),
            *("consent", "suspicion", "day", "giltig_tom", "verified", "longest_period"),
        ):
            assert getattr(question, same) == getattr(answer, same), same


@pytest.mark.parametrize("id_", sorted({basis.id for basis in ours() if basis.direction is Direction.FK_ANSWER}))
def test_a_partners_question_has_the_limits_of_our_answer(id_):
    asking = {basis.giltig_fom: basis for basis in bases() if basis.id == "FRAGA-" + id_.removeprefix("UT-")}
    for answer in (basis for basis in bases() if basis.id == id_):
        question = asking[answer.giltig_fom]
        assert question.direction is Direction.PARTNER_QUESTION
        assert question.model_copy(update={"id": answer.id, "direction": answer.direction}) == answer


@pytest.mark.parametrize("id_", CLOSED)
def test_a_closed_list_of_law_is_that_list(id_):
    versions = [basis for basis in bases() if basis.id == id_]
    assert versions
    for basis in versions:
        assert set(basis.fields) == CLOSED[id_]


@pytest.mark.parametrize("kind", WRONGLY_ASKED)
def test_what_may_be_asked_for_by_mistake_is_declared_and_passes_nowhere(kind):
    (information,) = (row for row in delivered().information if row.kind == kind)
    assert WRONGLY_ASKED[kind] <= set(information.fields)
    assert not {name for basis in ours() if basis.kind == kind for name in basis.fields} & WRONGLY_ASKED[kind]


@pytest.mark.parametrize("id_", NOT_BROKEN)
def test_secrecy_that_a_rule_does_not_break_is_listed_one_by_one(id_):
    for row in rows()[id_]:
        assert set(row.secrecy_excluded) == NOT_BROKEN[id_]
        assert len(row.secrecy_excluded) == len(NOT_BROKEN[id_])


def test_chapters_that_are_excluded_whole_leave_no_field_out():
    """Lag (2024:307) 2 § excludes OSL 15-20 and 41-43 kap. whole: what a field names of them must be in its list."""
    whole = {str(chapter) for chapter in (*range(15, 21), *range(41, 44))}
    named = {field.secrecy for row in delivered().information for field in row.fields.values() if field.secrecy}
    within = {secrecy for secrecy in named if secrecy.startswith("OSL-") and secrecy.split("-")[1] in whole}
    assert within
    assert within <= set(rows()["L-2024-307-2"][-1].secrecy_excluded)


def test_no_basis_begins_before_its_paragraphs_or_outlives_them():
    for basis in bases():
        for id_ in basis.lagrum:
            versions = rows()[id_]
            assert basis.giltig_fom >= versions[0].giltig_fom, (basis.id, id_)
            last = versions[-1].giltig_tom
            assert last is None or (basis.giltig_tom is not None and basis.giltig_tom <= last), (basis.id, id_)


def test_every_version_of_a_basis_has_its_paragraphs_in_force_on_its_first_and_its_last_day():
    today = date(2026, 3, 2)
    for versions in delivered_law().rules.values():
        for rule in versions:
            for day in (rule.valid_from, min(rule.valid_until, max(today, rule.valid_from))):
                assert rule.paragraphs.by_event.on(day) is not None, (rule.basis, day)
                deciding = today if rule.by_event_day else max(day, date(2024, 2, 15))
                assert rule.paragraphs.by_decision.on(deciding) is not None, (rule.basis, deciding)


def test_what_rests_on_paragraphs_that_go_by_the_event_goes_by_it_too():
    for basis in ours():
        by_event = {id_ for id_ in basis.lagrum if rows()[id_][0].day == "event"}
        assert (basis.day == "event") == bool(by_event), basis.id


def by_id(id_):
    return delivered_law().rules[id_][-1]


def test_income_by_payee_is_read_directly_in_three_kinds_of_case_and_asked_for_in_fifteen_others():
    direct, asked = by_id("FK-SKV-2001-181-2-8C"), by_id("FK-SKV-2001-588-7-4")
    assert direct.channels == {Channel.DIRECT_ACCESS}
    assert Channel.DIRECT_ACCESS not in asked.channels
    assert direct.benefits == {"betalningsskyldighet_underhallsstod", "sgi", "bostadsbidrag"}
    assert len(asked.benefits) == 1 + 11 + 3  # 7 § fourth paragraph 1-3
    assert not direct.benefits & asked.benefits
    assert by_id("IN-SKV-2001-588-7-1").benefits == {
        *("sgi", "alderspensionsavgift", "underhallsstod", "betalningsskyldighet_underhallsstod", "bostadsbidrag"),
        *("sjukforsakringsavgift", "bostadstillagg"),
    }


def test_direct_access_is_only_where_the_law_gives_it():
    direct = {basis.id for basis in ours() if Channel.DIRECT_ACCESS in basis.channels}
    assert direct == {
        *("IN-SKV-2001-181-2-8C", "FK-SKV-2001-181-2-8C", "IN-AF-2002-623-16", "FK-AF-2002-623-16"),
        *(f"{way}-MV-2016-30-12{control}" for way in ("IN", "FK") for control in ("", "-KONTROLL")),
        *(f"{way}-PM-2024-14-4" for way in ("UT", "FRAGA")),
        *(f"{way}-REHAB-2024-14-5" for way in ("UT", "FRAGA")),
        *(f"{way}-ENSKILD-2024-14-6" for way in ("UT", "FRAGA")),
    }


def test_direct_access_at_arbetsformedlingen_gives_neither_address_nor_telephone():
    assert not by_id("IN-AF-2002-623-16").fields & {"adress", "telefon"}
    assert by_id("IN-AF-2002-623-12").fields >= {"adress", "telefon"}


def test_obligations_that_the_law_lays_on_a_flow_are_on_its_bases():
    with_obligation = {
        obligation: {basis.id for basis in bases() if obligation in basis.obligations} for obligation in Obligation
    }
    assert with_obligation[Obligation.NOTIFY_DECIDER_2008_206] == set(GOING_OUT["notifying others, 2008:206"])
    assert with_obligation[Obligation.MARK_CHANGED_VALUE] == {
        *COMING_IN["AGI by direktåtkomst, 2001:181 2:8 c"],
        *COMING_IN["AGI on request, 2001:588 7 § fourth"],
        *COMING_IN["changed values, 2001:588 8 n §"],
    }
    assert with_obligation[Obligation.FORBEHALL_10_13] == {
        *GOING_OUT["employers after a sickness check, 1991:1047 11 §"],
        *GOING_OUT["coordination, SFB 110:39 1"],
    }
    assert with_obligation[Obligation.HIDE_FROM_TRANSPARENCY_UNTIL] == {
        *GOING_OUT["contact data, 2025:170 4 §"],
        *GOING_OUT["all that crime fighting needs, 2025:170 5 §"],
        *GOING_OUT["suspected benefit crime, 2007:612 6 §"],
        *GOING_OUT["Utbetalningsmyndigheten on a named person, 2023:456 9 §"],
    }


def test_nobody_who_decides_no_benefit_is_notified_that_one_is_wrong():
    """Lag (2008:206) 1 and 3 §§."""
    notified = {
        partner
        for basis in bases()
        if basis.id in GOING_OUT["notifying others, 2008:206"]
        for partner in basis.partner_types
    }
    assert notified == {"akassa", "arbetsformedlingen", "csn", "kommun", "migrationsverket", "pensionsmyndigheten"}


SAYS_WHY = re.compile(
    r"läst|avgjor|antag|verifierad|bestämmer en jurist|[Nn]ot (?:been )?(?:read|verified)|was not |lawyer"
)


def test_a_row_that_nobody_has_verified_says_what_is_not():
    """In the comment above it, or in one that stands by itself before it in the file."""
    said_in_the_row_above = 'id = "L-2001-182-2-8"'
    silent = []
    for path in sorted((ROOT / "config/law").glob("*/*.toml")):
        said = ""
        for part in path.read_text(encoding="utf-8").split("\n\n"):
            lines = part.strip().splitlines()
            comment = " ".join(line for line in lines if line.startswith("#"))
            if all(line.startswith("#") for line in lines):
                said += comment
            elif "verified = false" in lines and not SAYS_WHY.search(comment + said):
                silent.append(next(line for line in lines if line.startswith("id")))
    assert silent == [said_in_the_row_above]


def test_a_basis_that_weighs_has_no_standing_decision_that_nobody_has_made():
    for basis in ours():
        assert basis.standing_decision is None, basis.id


def test_what_comes_in_about_health_never_serves_control_alone():
    """SFB 114 kap. 11 §: what was never processed for 8 § 1-3 may not serve 4-7."""
    for basis in ours():
        if basis.direction not in INWARD:
            continue
        (information,) = (row for row in delivered().information if row.kind == basis.kind)
        if any(information.fields[name].category == "halsa" for name in basis.fields):
            assert purposes.HEALTH.intersection(basis.purposes), basis.id
