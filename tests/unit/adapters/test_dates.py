import pytest

from gateway import codes
from gateway.adapters import dates
from gateway.errors import ContractError


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2016-11-18", "2016-11-18"),
        ("2016-11-18+01:00", "2016-11-18"),
        ("2016-11-18-05:00", "2016-11-18"),
        ("2016-11-18Z", "2016-11-18"),
        (" 2016-11-18\n", "2016-11-18"),
    ],
)
def test_a_day_keeps_its_calendar_day_whatever_its_zone(written: str, day: str) -> None:
    assert dates.day(written, "here").isoformat() == day


@pytest.mark.parametrize(
    "written", ["-0044-03-15", "12016-11-18", "0000-01-01", "2016-11-18x", "20161118", "2016-W46-5"]
)
def test_a_day_that_no_case_can_have_is_refused_without_its_value(written: str) -> None:
    with pytest.raises(ContractError) as caught:
        dates.day(written, "Fraga/From")
    assert caught.value.code is codes.CONTRACT_CONTENT
    assert caught.value.detail == "Fraga/From: not a day of the years 1-9999"


def test_a_period_is_its_months_first_day_and_is_written_as_a_month() -> None:
    month = dates.month("202101", "here")
    assert month.isoformat() == "2021-01-01"
    assert dates.reduced(month) == "2021-01"


@pytest.mark.parametrize("written", ["202113", "202100", "000001"])
def test_a_period_that_is_no_month_is_refused(written: str) -> None:
    with pytest.raises(ContractError, match="not a month"):
        dates.month(written, "here")


@pytest.mark.parametrize(
    ("written", "date"),
    [
        ("20030217", "2003-02-17"),
        ("+20030217", "2003-02-17"),
        ("0020030217", "2003-02-17"),
        ("20030200", "2003-02"),
        ("20030000", "2003"),
        ("0", None),
        ("00000000", None),
        ("-0", None),
    ],
)
def test_an_incomplete_date_has_the_precision_it_was_given(written: str, date: str | None) -> None:
    assert dates.incomplete(written) == date


@pytest.mark.parametrize(("written", "kept"), [("20230231", "20230231"), ("20031301", "20031301"), ("203", "00000203")])
def test_an_incomplete_date_of_no_calendar_stays_as_written(written: str, kept: str) -> None:
    assert dates.incomplete(written) == kept


def test_a_number_with_thousands_of_zeros_is_refused_and_does_not_escape_as_another_error() -> None:
    with pytest.raises(ContractError, match="too long"):
        dates.incomplete("0" * 5000 + "1")


def test_a_moment_is_the_same_number() -> None:
    assert dates.moment("20260109143000", "here") == 20260109143000


@pytest.mark.parametrize("written", ["99999999999999", "20261301000000", "0", "-1", "202601091430000", "20260109"])
def test_a_moment_that_is_none_is_refused(written: str) -> None:
    with pytest.raises(ContractError, match="not a moment"):
        dates.moment(written, "here")
