"""A wrong row is refused at start, with its name and what would be accepted."""

from datetime import date

import pytest

from gateway.errors import ConfigError
from gateway.message import ContractId
from gateway.privacy.law import Law
from tests.unit.privacy import statute
from tests.unit.privacy.statute import CONTRACT, FIELDS, KINDS, PURPOSES, QUEUE, basis, configuration, lagrum


def refused(*bases, rows=None, kinds=KINDS, **more):
    with pytest.raises(ConfigError) as caught:
        Law.build(configuration(bases=bases, rows=(*(rows or [lagrum()]), *PURPOSES), **more), kinds)
    return caught.value.detail


def test_a_basis_approved_by_its_author_is_refused():
    assert refused(basis(author="Eva", approved_by=["Ola", "eva "])) == (
        "basis B-1: approved_by: the author may not approve"
    )


def test_a_basis_approved_twice_by_the_same_person_is_refused():
    assert "at least two different people" in refused(basis(approved_by=["Ola", "OLA"]))


def test_a_basis_with_one_approver_is_not_even_well_formed():
    with pytest.raises(ValueError, match="approved_by"):
        basis(approved_by=["Ola"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"purposes": ["fk:Ovrigt"]}, "purposes: unknown fk:Ovrigt; accepted: fk:Arendehandlaggning, fk:Information"),
        ({"purposes": ["fk:UtlamnandeForfattning"]}, "purposes: unknown fk:UtlamnandeForfattning; accepted: fk:Aren"),
        ({"purposes": ["fk:AnnatForenligt"]}, "purposes: unknown fk:AnnatForenligt"),
        ({"benefits": ["sjukpening"]}, "benefits: unknown sjukpening; accepted: aktivitetsersattning,"),
        ({"lagrum": ["L-9"]}, "lagrum: unknown L-9; accepted: L-1, SFB-114-8-1"),
        ({"contract": "skatteverket/annat"}, f"contract: no partner has skatteverket/annat; accepted: {CONTRACT}"),
        ({"kind": "annat"}, "kind: unknown annat; accepted: folkbokforing, prov"),
        ({"fields": ["belop"]}, "fields: unknown belop; accepted: adress, arbetsgivare, belopp"),
        ({"partner_type": "arbetsgivare"}, "partner_type: unknown arbetsgivare; accepted: skatteverket"),
        ({"giltig_tom": date(2020, 1, 1)}, "giltig_tom: is before giltig_fom"),
        (
            {"fields": ["diagnos"], "forbidden": ["halsa"]},
            "fields: diagnos is of the category halsa, which the basis f",
        ),
        ({"fields": ["fritext"], "referred": []}, "referred: fritext is free text and must be left to a person"),
        ({"fields": ["diagnos"], "purposes": ["fk:Kontroll"]}, "purposes: diagnos is health data: SFB 114 kap. 11 §"),
        (
            {"fields": ["medlem"], "purposes": ["fk:Arendehandlaggning", "fk:Kontroll"]},
            "purposes: medlem is sensitive: SFB 114 kap. 11 §",
        ),
        ({"purposes": ["fk:Statistik"]}, "purposes: fk:Statistik rests on SFB-114-8-7, which must be a lagrum"),
    ],
)
def test_a_wrong_basis_is_refused_by_name_with_what_is_accepted(change, told):
    assert refused(basis(**change)).startswith(f"basis B-1: {told}")


def test_a_contract_that_nobody_has_implemented_is_refused():
    assert "contract: unknown" in refused(basis(), kinds={ContractId("skatteverket/annat"): {"prov": FIELDS}})


def test_health_and_sensitive_data_may_be_collected_for_the_purposes_that_may_have_them():
    Law.build(configuration(bases=[basis(fields=["diagnos", "medlem"])], rows=[lagrum(), *PURPOSES]), KINDS)


def test_two_bases_of_one_name_are_refused():
    assert refused(basis(), basis()) == "basis B-1: id: is used twice"


def test_a_purpose_must_rest_on_a_paragraph_that_is_a_purpose():
    rows = [lagrum(), lagrum("SFB-114-8-3", kind="obligation")]
    with pytest.raises(ConfigError, match="must be a lagrum of kind purpose"):
        Law.build(configuration(rows=rows), KINDS)


def test_two_versions_in_force_on_one_day_are_refused():
    overlapping = [lagrum(giltig_tom=date(2025, 6, 30)), lagrum(version="2", giltig_fom=date(2025, 6, 30))]
    assert refused(basis(), rows=overlapping) == "lagrum L-1@1: giltig_tom: overlaps version 2"
    assert "overlaps" in refused(basis(), rows=[lagrum(), lagrum(version="2", giltig_fom=date(2030, 1, 1))])


def test_versions_that_follow_each_other_are_accepted_in_any_order():
    rows = [lagrum(version="2", giltig_fom=date(2025, 7, 1)), lagrum(giltig_tom=date(2025, 6, 30)), *PURPOSES]
    Law.build(configuration(rows=rows), KINDS)


def test_a_version_that_ends_before_it_begins_is_refused():
    assert "giltig_tom: is before giltig_fom" in refused(basis(), rows=[lagrum(giltig_tom=date(2019, 1, 1))])


def test_versions_must_agree_on_the_day_that_picks_them():
    rows = [lagrum(giltig_tom=date(2025, 6, 30)), lagrum(version="2", giltig_fom=date(2025, 7, 1), day="decision")]
    assert refused(basis(), rows=rows) == (
        "lagrum L-1@2: day: differs between versions of the same lagrum; accepted: event"
    )


def test_secrecy_cannot_be_broken_by_a_paragraph_that_is_not_there():
    assert "secrecy_break: unknown OSL-10-28" in refused(basis(), rows=[lagrum(secrecy_break="OSL-10-28")])


def test_only_skatteverket_states_what_the_folkbokforing_says():
    wrong = statute.delivered().partners["arbetsformedlingen"].model_copy(update={"contracts": (CONTRACT,)})
    own = configuration(
        bases=[basis(kind="folkbokforing", partner_type="arbetsformedlingen")], rows=[lagrum(), *PURPOSES]
    )
    with pytest.raises(ConfigError, match="the folkbokföring has one source; accepted: skatteverket"):
        Law.build(own.model_copy(update={"partners": {wrong.id: wrong}}), KINDS)


def test_production_rests_on_no_paragraph_that_nobody_has_read():
    unread = [lagrum(verified=False)]
    assert refused(basis(), rows=unread, environment="production") == (
        "lagrum L-1@1: verified: is false, and basis B-1 rests on it: not in production"
    )
    Law.build(configuration(rows=[*unread, *PURPOSES]), KINDS)
    Law.build(
        configuration(rows=[lagrum(), lagrum("UNUSED", verified=False), *PURPOSES], environment="production"), KINDS
    )


@pytest.mark.parametrize(("key", "value"), [("purposes", ["fk:Alla"]), ("benefits", ["allt"])])
def test_a_queue_serves_purposes_and_benefits_that_exist(key, value):
    queue = statute.config.Queue.model_validate(QUEUE | {key: value})
    assert refused(basis(), queues=[queue]).startswith(f"queue prov: {key}: unknown {value[0]}; accepted: ")
