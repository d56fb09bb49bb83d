"""What is commanded in a soak: the same for a seed, all of it in a short run, and each fate such that it must come."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from gateway.cli.demo.errands import MOTE
from gateway.cli.demo.farsides import ACTS, foresee
from gateway.outbound.states import Happening, State
from ops.soak import errands
from ops.soak.errands import ENDS, NEVER, READER, STUBBORN, Fate, Way, drawn

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
PLACES = {
    errands.NAVET: ("skatteverket", None),
    errands.AF: ("arbetsformedlingen", None),
    errands.EMPLOYER: ("arbetsgivare", "5566778899"),
    errands.READER: ("arbetsgivare", "5560269986"),
    errands.NEVER: ("kommun", "2120000027"),
    errands.AKASSA: ("akassa", "8020000014"),
}


def test_a_seed_gives_the_same_commands_and_another_gives_others():
    assert list(drawn(200, 1)) == list(drawn(200, 1))
    assert list(drawn(200, 1)) != list(drawn(200, 2))
    assert list(drawn(200, 1))[:50] == list(drawn(50, 1))


@pytest.mark.parametrize("seed", range(20))
def test_the_first_few_have_every_fate_every_way_and_both_ways_at_once(seed):
    few = list(drawn(5, seed))
    assert {leg.fate for one in few for leg in one.legs} == set(Fate)
    assert {one.ways for one in few} >= {(Way.QUEUE,), (Way.CLI,), tuple(Way)}
    assert {leg.place for one in few for leg in one.legs} >= set(PLACES)


def test_every_sort_of_command_is_there_and_every_way():
    many = list(drawn(500, 3))
    assert len({one.what for one in many}) == 7
    assert Counter(way for one in many for way in one.ways).keys() == set(Way)
    assert {len(one.legs) for one in many} == {1, 2, 3, 4}
    assert {name for one in many for leg in one.legs for name in leg.script} > set(errands.doubtful(MOTE))


def test_every_command_is_read_as_one_and_its_dispatches_do_not_depend_on_when_it_is_given():
    ids = set()
    for one in drawn(200, 4):
        found = one.dispatches(NOW, PLACES)
        assert found == one.dispatches(NOW + timedelta(hours=3), PLACES)
        assert len(found) == len(one.legs)
        ids.update(found)
    assert len(ids) == sum(len(one.legs) for one in drawn(200, 4))


def test_what_a_far_side_does_leads_to_its_fate_and_to_no_other():
    for leg in (leg for one in drawn(500, 5) for leg in one.legs):
        if leg.place in {READER, NEVER} or leg.fate is Fate.DENIED:
            assert leg.script == ()
            continue
        assert foresee(leg.script).state in ENDS[leg.fate], leg


def test_a_far_side_that_refuses_does_so_whatever_was_lost_before():
    stubborn = {Fate.REFUSED: Happening.REFUSE, Fate.SPOILT: Happening.SPOIL}
    for leg in (leg for one in drawn(500, 6) for leg in one.legs if leg.fate in stubborn):
        last, times = next((name, len(list(same))) for name, same in itertools.groupby(reversed(leg.script)))
        assert ACTS[last].happening is stubborn[leg.fate]
        assert times >= STUBBORN


def test_every_end_is_one_that_is_final_or_unresolved():
    assert State.UNRESOLVED in ENDS[Fate.REFUSED]
    assert {end for fate, ends in ENDS.items() for end in ends if fate is not Fate.REFUSED}.isdisjoint(
        {State.UNRESOLVED, State.REFUSED}
    )
