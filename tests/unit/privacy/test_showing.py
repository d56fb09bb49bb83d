"""What a person who is to decide sees: of whoever is protected nothing that tells who or where, unless they must."""

from __future__ import annotations

import pytest

from gateway.message import Category, FieldSpec, NumberKind, Person, Protection
from gateway.privacy import showing

P = Protection
ME = Person(number="199202232386", kind=NumberKind.PERSONNUMMER, check_digit_valid=True)
KIN = Person(number="199205143028", kind=NumberKind.PERSONNUMMER, check_digit_valid=True)
SPECS = {
    "namn": FieldSpec(category=Category.IDENTITET),
    "telefon": FieldSpec(category=Category.KONTAKT),
    "arbetsgivare": FieldSpec(category=Category.ARBETE, locating=True),
    "relationer": FieldSpec(category=Category.FAMILJ),
    "fritext": FieldSpec(category=Category.FRITEXT),
    "belopp": FieldSpec(category=Category.EKONOMI),
}
FIELDS = {**dict.fromkeys(SPECS, "x"), "okant": "x"}
MARKS = [P.SEKRETESSMARKERING, P.SKYDDAD_FOLKBOKFORING]


def seen(own, kin=P.NONE, *, entitled=False):
    known = {ME.number: own, KIN.number: kin}
    return showing.seen(ME, (KIN,), FIELDS, known=lambda one: known[one.number], specs=SPECS, entitled=entitled)


@pytest.mark.parametrize(
    ("own", "kin", "reason"),
    [
        *((mark, P.NONE, "PROTECTED_IDENTITY") for mark in MARKS),
        *((P.NONE, mark, "PROTECTED_RELATED") for mark in MARKS),
        (P.UNKNOWN, P.SEKRETESSMARKERING, "PROTECTION_UNKNOWN"),
    ],
)
def test_of_whoever_is_protected_or_named_with_somebody_who_is_only_what_tells_nothing_is_shown(own, kin, reason):
    found = seen(own, kin)
    assert found.person is None
    assert found.fields == {"belopp": "x"}
    assert {one.field for one in found.withheld} == FIELDS.keys() - {"belopp"}
    assert {one.reason for one in found.withheld} == {reason}


def test_of_whom_nothing_is_known_what_locates_is_not_shown():
    found = seen(P.UNKNOWN)
    assert found.person == ME
    assert {one.field for one in found.withheld} == {"arbetsgivare", "okant"}


@pytest.mark.parametrize("kin", [P.NONE, P.UNKNOWN])
def test_of_whom_it_is_known_that_nobody_is_protected_all_is_shown(kin):
    found = seen(P.NONE, kin)
    assert (found.person, found.fields, found.withheld) == (ME, FIELDS, ())


@pytest.mark.parametrize("own", list(P))
def test_those_who_handle_protected_identities_see_all(own):
    found = seen(own, P.SEKRETESSMARKERING, entitled=True)
    assert (found.person, found.fields) == (ME, FIELDS)


def test_where_nobody_wrote_down_whom_a_record_names_they_are_taken_for_protected():
    known = showing.known_of({(1, True): P.NONE}, 1, ME)
    assert (known(ME), known(KIN)) == (P.NONE, P.SEKRETESSMARKERING)
    known = showing.known_of({(1, True): P.NONE, (1, False): P.NONE, (2, False): P.SEKRETESSMARKERING}, 1, ME)
    assert known(KIN) is P.NONE
    assert showing.known_of({}, 1, ME)(ME) is P.UNKNOWN
