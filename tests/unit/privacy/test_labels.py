"""Labels stick, and a join never widens them."""

from dataclasses import replace

import pytest

from gateway.config import Queue
from gateway.errors import IntegrityError
from gateway.message import Labels
from gateway.privacy import labels
from tests.unit.privacy.statute import QUEUE, basis, law


def label(purposes=("fk:Kontroll",), benefits=None, retention="SFB 114:15", *, no_onward=True):
    return Labels(
        purposes=frozenset(purposes),
        benefits=None if benefits is None else frozenset(benefits),
        retention=retention,
        no_onward=no_onward,
    )


def queue(purposes, benefits=()):
    return Queue.model_validate(QUEUE | {"purposes": purposes, "benefits": benefits})


def test_a_basis_gives_its_labels_and_is_where_the_data_comes_from():
    made = labels.of(basis(purposes=["fk:Kontroll"], benefits=["sjukpenning"], no_onward=False))
    for_ = frozenset({"fk:Kontroll"})
    assert made == replace(
        label(benefits=["sjukpenning"], no_onward=False),
        collected_for=for_,
        processed_for=for_,
        bases=frozenset({"B-1"}),
    )


def test_joined_data_comes_from_all_its_bases_and_was_processed_for_what_all_its_parts_were():
    case = labels.of(basis("CASE", purposes=["fk:Arendehandlaggning", "fk:Kontroll"]))
    control = labels.of(basis("CONTROL", purposes=["fk:Kontroll"]))
    joined = labels.intersect(case, control)
    assert joined.processed_for == joined.collected_for == {"fk:Kontroll"}  # never case material
    assert joined.bases == {"CASE", "CONTROL"}
    assert [one.basis for one in labels.provenance(joined)] == ["CASE", "CONTROL"]


def test_data_that_was_handled_for_a_purpose_was_processed_for_it_and_nothing_is_opened_by_that():
    one = labels.of(basis(purposes=["fk:Arendehandlaggning", "fk:Kontroll"]))
    fresh = replace(one, processed_for=frozenset())
    handled = labels.processed(fresh, "fk:Arendehandlaggning")
    assert handled == replace(fresh, processed_for=frozenset({"fk:Arendehandlaggning"}))
    with pytest.raises(IntegrityError, match="do not allow"):
        labels.processed(one, "fk:Statistik")


def test_a_copy_for_statistics_alone_is_one_and_the_same_data_with_other_purposes_is_not():
    statistics = replace(label(), collected_for=frozenset({"fk:Statistik"}), bases=frozenset({"B"}))
    both = replace(statistics, collected_for=frozenset({"fk:Statistik", "fk:Arendehandlaggning"}))
    assert [one.collected_for for one in labels.provenance(statistics)] == ["fk:Statistik"]
    assert [one.collected_for for one in labels.provenance(both)] == ["fk:Arendehandlaggning"]


def test_an_event_of_an_earlier_version_does_not_tell_where_its_data_comes_from():
    one = labels.read({"purposes": "fk:Kontroll", "retention": "R", "noonward": True})
    assert (one.collected_for, one.processed_for, one.bases) == (frozenset(), frozenset(), frozenset())


@pytest.mark.parametrize("name", ["collectedfor", "everprocessedfor", "basis"])
def test_provenance_that_is_no_text_is_no_label(name):
    with pytest.raises(IntegrityError, match=name):
        labels.read({"purposes": "fk:Kontroll", "retention": "R", "noonward": True, name: 1})


def serves(purposes, benefits, *bases):
    law_ = law(*bases)
    return [labels.serving(law_.rules)(queue(purposes, benefits), one) for one in bases]


@pytest.mark.parametrize(
    ("purposes", "fields", "collected", "may"),
    [
        (["fk:Kontroll"], ["diagnos"], ["fk:Arendehandlaggning", "fk:Kontroll"], True),
        (["fk:Kontroll"], ["medlem"], ["fk:UnderlagRattighetSkyldighet", "fk:Arendehandlaggning"], False),
        (["fk:Arendehandlaggning"], ["medlem"], ["fk:UnderlagRattighetSkyldighet", "fk:Arendehandlaggning"], True),
        (["fk:Kontroll"], ["belopp"], ["fk:Kontroll"], True),
        (["fk:Arendehandlaggning"], ["belopp"], ["fk:Kontroll"], False),
    ],
)
def test_a_queue_gets_what_each_of_its_purposes_is_compatible_with(purposes, fields, collected, may):
    assert serves(purposes, [], basis(fields=fields, purposes=collected)) == [may]


def test_a_queue_whose_labels_would_do_gets_nothing_that_another_version_of_the_basis_had_locked():
    rule = law(basis(purposes=["fk:Arendehandlaggning"])).rules["B-1"][0]
    open_ = basis(purposes=["fk:Arendehandlaggning"])
    both = {"B-1": (replace(rule, benefits=frozenset({"sjukpenning"})), rule)}
    assert labels.serving({"B-1": (rule,)})(queue(["fk:Arendehandlaggning"]), open_)
    assert not labels.serving(both)(queue(["fk:Arendehandlaggning"]), open_)
    assert labels.serving(both)(queue(["fk:Arendehandlaggning"], ["sjukpenning"]), open_)


def test_what_comes_from_a_basis_that_the_register_does_not_have_goes_nowhere():
    assert not labels.serving({})(queue(["fk:Arendehandlaggning"]), basis())


def test_joined_data_may_serve_only_what_both_parts_may():
    one = label(["fk:Kontroll", "fk:Arendehandlaggning"], ["sjukpenning", "foraldrapenning"], no_onward=False)
    other = label(["fk:Kontroll", "fk:Statistik"], ["foraldrapenning"], "RA-MS 1")
    joined = labels.intersect(one, other)
    assert joined == label(["fk:Kontroll"], ["foraldrapenning"], "RA-MS 1; SFB 114:15")


def test_a_lock_to_benefits_survives_a_join_with_data_that_has_none():
    assert labels.intersect(label(benefits=["sjukpenning"]), label()).benefits == {"sjukpenning"}
    assert labels.intersect(label(), label(benefits=["sjukpenning"])).benefits == {"sjukpenning"}
    assert labels.intersect(label(), label()).benefits is None


@pytest.mark.parametrize(
    ("purposes", "benefits", "data", "may"),
    [
        (["fk:Kontroll"], [], label(["fk:Kontroll", "fk:Statistik"]), True),
        (["fk:Kontroll", "fk:Statistik"], [], label(["fk:Kontroll"]), False),
        (["fk:Kontroll"], [], label(benefits=["foraldrapenning"]), False),
        (["fk:Kontroll"], ["foraldrapenning"], label(benefits=["foraldrapenning", "sjukpenning"]), True),
        (["fk:Kontroll"], ["foraldrapenning", "sjukpenning"], label(benefits=["foraldrapenning"]), False),
        (["fk:Kontroll"], ["sjukpenning"], label(), True),
        (["fk:Kontroll"], ["sjukpenning"], label(benefits=[]), False),
        (["fk:Kontroll"], [], label([]), False),
    ],
)
def test_a_queue_gets_only_what_all_its_purposes_and_benefits_may_have(purposes, benefits, data, may):
    assert labels.may_serve(queue(purposes, benefits), data) is may


@pytest.mark.parametrize("benefits", [None, frozenset({"sjukpenning", "sgi"})])
def test_labels_are_read_back_as_an_event_carries_them(benefits):
    one = labels.read(
        {
            "purposes": "fk:Arendehandlaggning fk:Kontroll",
            "retention": "SFB 114:15; SFB 114:16",
            "noonward": False,
            **({} if benefits is None else {"benefits": " ".join(sorted(benefits))}),
        }
    )
    assert one.purposes == {"fk:Arendehandlaggning", "fk:Kontroll"}
    assert (one.benefits, one.retention, one.no_onward) == (benefits, "SFB 114:15; SFB 114:16", False)


@pytest.mark.parametrize("change", [{"purposes": None}, {"retention": None}, {"noonward": "false"}, {"benefits": 1}])
def test_labels_that_are_not_all_there_are_no_labels(change):
    whole = {"purposes": "fk:Kontroll", "retention": "SFB 114:15", "noonward": True}
    with pytest.raises(IntegrityError, match="an event"):
        labels.read(whole | change)
