"""How often each may ask."""

from __future__ import annotations

import pytest

from gateway.transport.pace import Pace, PaceError


class Seconds:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def wait(pace, name, minute):
    """Take a token; return 0, or how long to wait."""
    try:
        pace.take(name, minute)
    except PaceError as error:
        return error.seconds
    return 0


@pytest.mark.parametrize("minute", [1, 2, 60, 1000])
def test_as_many_as_in_a_minute_may_come_at_once_and_no_more(minute):
    pace = Pace(Seconds())
    assert [wait(pace, "anna", minute) for _ in range(minute)] == [0] * minute
    assert wait(pace, "anna", minute) > 0
    assert wait(pace, "bo", minute) == 0


@pytest.mark.parametrize("minute", [1, 7, 60, 90])
def test_who_waits_as_long_as_was_told_may_ask_once_and_who_does_not_may_not(minute):
    clock = Seconds()
    pace = Pace(clock)
    while not (told := wait(pace, "anna", minute)):
        pass
    clock.now += 60 / minute * 0.9
    assert wait(pace, "anna", minute) > 0
    clock.now += told
    assert wait(pace, "anna", minute) == 0


def test_asking_in_vain_costs_nothing_and_a_long_rest_gives_no_more_than_a_minute():
    clock = Seconds()
    pace = Pace(clock)
    assert [wait(pace, "anna", 2) for _ in range(5)][:2] == [0, 0]
    clock.now += 3600
    assert [wait(pace, "anna", 2) > 0 for _ in range(3)] == [False, False, True]


def test_another_pace_holds_from_the_next_asking():
    clock = Seconds()
    pace = Pace(clock)
    assert [wait(pace, "anna", 60) for _ in range(60)] == [0] * 60
    assert wait(pace, "anna", 60) == 1
    assert wait(pace, "anna", 1) == 60
    assert wait(pace, "bo", 60) == 0
    assert wait(pace, "bo", 1) == 0
    assert wait(pace, "bo", 1) > 0
