"""Persons under another name."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError
from gateway.message import NumberKind, Person
from gateway.trust.pseudonym import Named, Pseudonyms

KEY = bytes(range(32))


def person(number, kind=NumberKind.PERSONNUMMER, *, valid=True):
    return Person(number=number, kind=kind, check_digit_valid=valid)


def test_a_pseudonym_is_the_first_half_of_an_hmac_under_the_key_with_a_domain():
    expected = hmac.new(KEY, b"gateway/person/1\x00" + b"194106279161", "sha256").hexdigest()[:32]
    assert Pseudonyms(KEY).of(person("194106279161")) == expected


def test_a_person_has_one_pseudonym_whatever_kind_the_number_was_taken_for():
    names = Pseudonyms(KEY)
    kinds = {names.of(person("194106279161", kind, valid=valid)) for kind in NumberKind for valid in (True, False)}
    assert len(kinds) == 1


def test_another_key_gives_other_pseudonyms():
    other = Pseudonyms(bytes(32))
    assert other.of(person("194106279161")) != Pseudonyms(KEY).of(person("194106279161"))


@given(st.text(), st.text())
def test_two_numbers_never_share_a_pseudonym_and_none_shows_its_number(one, two):
    names = Pseudonyms(KEY)
    first, second = names.of(person(one)), names.of(person(two))
    assert (first == second) is (one == two)
    assert len(first) == 32
    assert set(first) <= set("0123456789abcdef")
    assert len(one) < 8 or one not in first


@pytest.mark.parametrize("length", [0, 16, 31])
def test_a_short_key_is_refused_at_start(length):
    with pytest.raises(ConfigError, match=f"{length} bytes"):
        Pseudonyms(bytes(length))


def test_a_longer_key_is_taken():
    assert Pseudonyms(bytes(64)).of(person("194106279161"))


def test_the_key_is_not_shown():
    assert KEY.hex() not in repr(Pseudonyms(KEY))
    assert repr(KEY) not in repr(Pseudonyms(KEY))


def test_within_a_message_everybody_has_the_name_they_have_anywhere():
    named = Named(Pseudonyms(KEY))
    for _ in range(2):
        for number in ("189001019802", "194106279161"):
            assert named.of(person(number)) == Pseudonyms(KEY).of(person(number))
