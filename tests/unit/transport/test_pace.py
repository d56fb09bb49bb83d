"""How often each may ask."""

from __future__ import annotations

import pytest

from gateway.transport.pace import Pace


class Seconds:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize("minute", [1, 2, 60, 1000])
def test_as_many_as_in_a_minute_may_come_at_once_and_no_more(minute):
    pace = Pace(minute, clock=Seconds())
    assert [pace.wait("anna") for _ in range(minute)] == [0] * minute
    assert pace.wait("anna") > 0
    assert pace.wait("bo") == 0


@pytest.mark.parametrize("minute", [1, 7, 60, 90])
def test_who_waits_as_long_as_was_told_may_ask_once_and_who_does_not_may_not(minute):
    clock = Seconds()
    pace = Pace(minute, clock=clock)
    while not (told := pace.wait("anna")):
        pass
    clock.now += 60 / minute * 0.9
    assert pace.wait("anna") > 0
    clock.now += told
    assert pace.wait("anna") == 0


def test_asking_in_vain_costs_nothing_and_a_long_rest_gives_no_more_than_a_minute():
    clock = Seconds()
    pace = Pace(2, clock=clock)
    assert [pace.wait("anna") for _ in range(5)][:2] == [0, 0]
    clock.now += 3600
    assert [pace.wait("anna") > 0 for _ in range(3)] == [False, False, True]
