from datetime import date

import pytest

from gateway.adapters import persons
from gateway.message import NumberKind

FULL_WIDTH = "".join(chr(0xFEE0 + ord(digit)) for digit in "198001022394")
P, S, OTHER = NumberKind.PERSONNUMMER, NumberKind.SAMORDNINGSNUMMER, NumberKind.OTHER


@pytest.mark.parametrize(
    "written",
    [
        "198001022394",
        " 198001022394\n",
        "+198001022394",
        "0000198001022394",
        "+00198001022394",
        "19800102-2394",
    ],
)
def test_every_form_of_twelve_digits_is_the_same_person(written: str) -> None:
    person = persons.read(written)
    assert (person.number, person.kind, person.check_digit_valid) == ("198001022394", P, True)


@pytest.mark.parametrize("written", ["8001022394", "800102-2394"])
def test_ten_digits_get_the_latest_century_in_which_the_person_was_born(written: str) -> None:
    assert persons.read(written, on=date(2026, 1, 15)).number == "198001022394"


def test_ten_digits_of_a_child_are_of_this_century() -> None:
    assert persons.read("080925-2380", on=date(2026, 1, 15)).number == "200809252380"


def test_ten_digits_are_of_the_century_before_when_the_day_had_not_come() -> None:
    assert persons.read("080925-2380", on=date(2008, 9, 25)).number.startswith("2008")
    assert persons.read("080925-2380", on=date(2008, 9, 24)).number.startswith("1908")


def test_a_plus_means_the_year_of_a_hundredth_birthday_or_later() -> None:
    assert persons.read("900101+9802", on=date(2026, 1, 15)).number == "189001019802"
    assert persons.read("900101+9802", on=date(1990, 1, 1)).number == "189001019802"
    assert persons.read("900101-9802", on=date(1990, 1, 1)).number.startswith("1990")
    assert persons.read("900101-9802", on=date(1989, 12, 31)).number == "189001019802"


def test_ten_digits_without_a_day_to_judge_by_stay_as_written() -> None:
    person = persons.read("8001022394")
    assert (person.number, person.kind, person.check_digit_valid) == ("8001022394", OTHER, False)


@pytest.mark.parametrize(
    ("written", "sekel", "number"),
    [("8001022394", "19", "198001022394"), ("809252380", "20", "200809252380")],
)
def test_ten_digits_beside_a_century_may_have_lost_their_zeros(written: str, sekel: str, number: str) -> None:
    person = persons.read(written, sekel=sekel)
    assert (person.number, person.kind, person.check_digit_valid) == (number, P, True)


@pytest.mark.parametrize("written", ["196000872389", "19600087-2389"])
def test_a_day_of_birth_over_sixty_is_a_samordningsnummer(written: str) -> None:
    person = persons.read(written)
    assert (person.number, person.kind, person.check_digit_valid) == ("196000872389", S, True)


def test_a_samordningsnummer_may_have_ten_digits() -> None:
    assert persons.read("600087-2389", on=date(2026, 1, 15)).number == "196000872389"


@pytest.mark.parametrize(("written", "kind"), [("196000602389", S), ("196002912389", OTHER), ("196013612389", OTHER)])
def test_a_samordningsnummer_may_be_of_an_unknown_day_but_not_of_an_impossible_one(
    written: str, kind: NumberKind
) -> None:
    assert persons.read(written).kind is kind


def test_a_failed_check_digit_is_flagged_not_refused() -> None:
    person = persons.read("199001011234")
    assert (person.number, person.kind, person.check_digit_valid) == ("199001011234", P, False)


@pytest.mark.parametrize("written", ["198002302397", "198013012397", "198000002397"])
def test_a_day_of_birth_that_no_calendar_has_is_another_kind_of_number(written: str) -> None:
    person = persons.read(written)
    assert (person.number, person.kind) == (written, OTHER)


def test_a_time_of_birth_with_four_zeros_is_no_personnummer_and_has_no_check_digit() -> None:
    person = persons.read("197502020000")
    assert (person.number, person.kind, person.check_digit_valid) == ("197502020000", OTHER, False)


@pytest.mark.parametrize(
    ("written", "number"),
    [("19800102T123", "19800102T123"), ("19800102-t123", "19800102T123"), ("800102-R123", "19800102R123")],
)
def test_an_interim_number_goes_on_as_another_kind(written: str, number: str) -> None:
    person = persons.read(written, on=date(2026, 1, 15))
    assert (person.number, person.kind, person.check_digit_valid) == (number, OTHER, False)


@pytest.mark.parametrize("written", ["GD1234567", "TP-99", "0", "-198001022394", "178001022394", "", FULL_WIDTH])
def test_a_number_of_no_known_form_stays_as_written(written: str) -> None:
    person = persons.read(written)
    assert (person.number, person.kind, person.check_digit_valid) == (written, OTHER, False)


@pytest.mark.parametrize(
    ("written", "organisation"),
    [("165560269986", True), ("161212345678", False), ("198001022394", False), ("5560269986", False)],
)
def test_sixteen_and_an_organisation_number_is_no_person(written: str, organisation: bool) -> None:  # noqa: FBT001
    assert persons.is_organisation(written) is organisation
