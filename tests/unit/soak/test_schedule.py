"""The plan of faults: the same for a seed, every kind in it, and no two on one target at once."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import islice, pairwise

import pytest

from ops.soak import schedule
from ops.soak.schedule import GROUPS, Group, Kind, Pace

LINKS = ["front-database", "relay-broker", "sender-front"]


DECK = len(Kind)
ENDLESS = replace(schedule.QUICK, most=None)


def planned(seed=1, count=DECK, kinds=tuple(Kind), pace=ENDLESS):
    return list(islice(schedule.plan(seed, kinds, LINKS, pace), count))


def test_one_seed_gives_one_plan_and_another_seed_another():
    assert planned(5, 100) == planned(5, 100)
    assert planned(5, 100) != planned(6, 100)


@pytest.mark.parametrize("seed", range(20))
def test_a_deck_has_every_kind_once_and_begins_with_one_of_each_group(seed):
    found = [one.kind for one in planned(seed)]
    assert Counter(found) == Counter(Kind)
    assert {schedule.group(kind) for kind in found[: len(Group)]} == set(Group)


@pytest.mark.parametrize("seed", range(20))
def test_answers_and_acknowledgements_are_lost_before_anything_else_can_stop_them(seed):
    assert {one.kind for one in planned(seed, 2)} == schedule.LOST.keys()


@pytest.mark.parametrize("seed", range(20))
def test_what_stops_a_server_is_the_last_of_the_first_of_each_group(seed):
    found = planned(seed, 3 * DECK)
    opening, rest = found[: len(Group)], found[len(Group) :]
    assert schedule.group(opening[-1].kind) is Group.SERVER
    assert all(one.first for one in opening)
    assert not any(one.first for one in rest)


@pytest.mark.parametrize("seed", range(20))
def test_a_quick_plan_ends_and_every_group_has_had_its_turn(seed):
    found = list(schedule.plan(seed, list(Kind), LINKS, schedule.QUICK))
    assert len(found) == schedule.QUICK.most
    assert {schedule.group(one.kind) for one in found} == set(Group)


def test_every_kind_has_a_group():
    assert sorted(kind for kinds in GROUPS.values() for kind in kinds) == sorted(Kind)
    assert {schedule.group(kind) for kind in Kind} == set(Group)


@pytest.mark.parametrize("seed", range(20))
def test_what_works_on_one_target_never_overlaps_by_plan(seed):
    ends = defaultdict(float)
    before = 0.0
    for one in planned(seed, 300, pace=Pace(gap=(0.1, 1.0))):
        assert one.at >= ends[one.target]
        assert one.at >= before
        ends[one.target], before = round(one.at + one.seconds, 2), one.at


def test_others_overlap():
    found = planned(1, 300, pace=Pace(gap=(0.1, 1.0)))
    assert any(later.at < one.at + one.seconds for one, later in pairwise(found))


def test_what_lasts_has_a_length_within_the_pace_and_what_does_not_has_none():
    pace = Pace(seconds=(1.0, 2.0), long=(20.0, 30.0), share=0.5)
    for one in planned(3, 400, pace=pace):
        momentary = one.kind.name.endswith(("_KILL", "_DRAIN")) and schedule.group(one.kind) is Group.PROCESS
        if momentary or one.kind in schedule.LOST:
            assert one.seconds == 0
        elif one.kind in {Kind.CUT, Kind.RESET, Kind.HALF_CLOSE}:
            assert 0.4 <= one.seconds <= 1.2
        else:
            assert 1.0 <= one.seconds <= 2.0 or 20.0 <= one.seconds <= 30.0


def test_only_what_is_possible_is_planned():
    some = [Kind.CUT, Kind.FRONT_KILL]
    assert {one.kind for one in planned(1, 50, kinds=some)} == set(some)


def test_every_link_and_every_clock_has_its_turn():
    targets = {one.target for one in planned(1, 1000)}
    assert targets >= {*(f"link {name}" for name in LINKS), *(f"clock {name}" for name in schedule.CLOCKS)}
