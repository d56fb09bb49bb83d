"""Labels stick, and a join never widens them."""

import pytest

from gateway.config import Queue
from gateway.errors import IntegrityError
from gateway.message import Labels
from gateway.privacy import labels
from tests.unit.privacy.statute import QUEUE, basis


def label(purposes=("fk:Kontroll",), benefits=None, retention="SFB 114:15", *, no_onward=True):
    return Labels(
        purposes=frozenset(purposes),
        benefits=None if benefits is None else frozenset(benefits),
        retention=retention,
        no_onward=no_onward,
    )


def queue(purposes, benefits=()):
    return Queue.model_validate(QUEUE | {"purposes": purposes, "benefits": benefits})


def test_a_basis_gives_its_labels():
    assert labels.of(basis(purposes=["fk:Kontroll"], benefits=["sjukpenning"], no_onward=False)) == label(
        benefits=["sjukpenning"], no_onward=False
    )


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
