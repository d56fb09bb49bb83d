"""Every way in which a far side may misbehave, through store, dispatcher and courier, against what the table foretells.

One installation sends all of it side by side; then each row is held to the table. What a partner has processed is its
own books' word, never the gateway's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest

from gateway.cli.demo import farsides
from gateway.cli.demo.farsides import ACTS, foresee
from gateway.outbound.states import Happening, State
from tests.abroad import AF, MOTE, NAVET, Abroad, Sent, greets
from tests.builders import NUMBERS

ANSWERED = {NAVET: None, AF: "0", MOTE: None}
"""The partner's own code in a right answer."""
ROWS = [
    (contract, name)
    for contract in (MOTE, NAVET, AF)
    for name, act in ACTS.items()
    if act.suits(contract) and not (contract != MOTE and greets([name]))
]
"""What is about TLS needs a far side for each dispatch, and an agency has one."""


@dataclass
class Played:
    sent: Sent
    ids: dict[tuple[str, str], str]


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> Iterator[Played]:
    abroad = Abroad(tmp_path_factory.mktemp("abroad"))
    ids = {(contract, name): abroad.send(contract, name) for contract, name in ROWS}
    with abroad.sending() as sent:
        sent.settle()
        yield Played(sent, ids)


@pytest.mark.parametrize(("contract", "name"), ROWS)
def test_the_gateway_makes_of_it_what_the_table_says(played, contract, name):
    act, dispatch = ACTS[name], played.ids[contract, name]
    foreseen = foresee([name], answered=ANSWERED[contract])
    found = played.sent.of(dispatch)
    assert (found.state, found.attempts, found.code) == (foreseen.state, foreseen.attempts, foreseen.code)
    assert found.first_failure == foreseen.first_failure
    assert found.partner_code == foreseen.partner_code
    first = next(one for one in played.sent.timeline(dispatch) if one.before is State.SENDING)
    code = act.code.name if act.code else None
    assert (first.happening, first.code) == (act.happening, code)
    if act.happening is not Happening.ANSWER:
        assert first.partner_code == act.partner_code


@pytest.mark.parametrize(("contract", "name"), ROWS)
def test_the_partner_has_processed_it_once_or_never_as_its_own_books_say(played, contract, name):
    foreseen, entry = foresee([name]), played.sent.entry(played.ids[contract, name])
    assert (entry.processed, entry.seen) == (foreseen.processed, foreseen.seen)
    assert len(entry.digests) == 1 or not entry.seen


@pytest.mark.parametrize(("contract", "name"), ROWS)
def test_its_intent_and_its_end_are_in_the_log_and_its_asker_is_told_once(played, contract, name):
    foreseen, dispatch = foresee([name]), played.ids[contract, name]
    kinds = Counter(one["kind"] for one in played.sent.leaves(dispatch))
    assert (kinds["intent"], kinds["end"]) == (1, 1), kinds
    (told,) = played.sent.outcomes(dispatch)
    assert (told["state"], told["code"], told["attempts"]) == (foreseen.state, foreseen.code, foreseen.attempts)
    assert told["firstFailure"] == foreseen.first_failure
    assert told["partial"] == (name in {"partial", "waits"})


def test_the_timeline_of_every_dispatch_follows_the_table_of_states_step_by_step(played):
    for dispatch in played.ids.values():
        steps = played.sent.timeline(dispatch)
        assert [one.step for one in steps] == list(range(1, len(steps) + 1))
        assert steps[0].before is State.QUEUED
        assert all(one.after is other.before for one, other in pairwise(steps))


def test_the_whole_log_computes_to_its_signed_checkpoint_and_nothing_was_amiss(played):
    assert played.sent.verified() > 2 * len(ROWS)
    assert played.sent.alarms == []


def test_nobody_else_was_let_in_and_no_envelope_of_ours_was_refused_at_the_door(played):
    assert [side.books.refused for side in played.sent.abroad.sides if side.books.refused] == []


def test_what_the_partners_processed_is_what_we_call_delivered_or_may_have_been(played):
    """Delivered, unusable and unresolved may be processed; what is refused at once never is."""
    processed = {name for side in played.sent.abroad.sides for name in side.books.processed()}
    assert processed <= set(played.ids.values()), "something was processed under an id that is none of ours"
    states = {dispatch: played.sent.of(dispatch).state for dispatch in played.ids.values()}
    assert {one for one, state in states.items() if state is State.DELIVERED} <= processed
    assert processed.isdisjoint(one for one, state in states.items() if state is State.REFUSED)


def test_no_person_stands_in_what_the_askers_are_told(played):
    told = [played.sent.outcomes(dispatch) for dispatch in played.ids.values()]
    assert not [number for number in NUMBERS if number in str(told)]


def test_the_table_in_the_docstring_is_the_table_that_is_driven():
    lines = [re.split(r"\s{2,}", line.strip()) for line in (farsides.__doc__ or "").splitlines()]
    written = {line[0]: tuple(line[1:]) for line in lines if line[0] in ACTS and len(line) > 2}
    told = {}
    for name, act in ACTS.items():
        if name.endswith("_unprocessed"):
            continue
        both = f"{name}_unprocessed" in ACTS
        processed = "both" if both else "yes" if act.processes else "no"
        told[name] = (act.what, processed, act.happening.value, act.code.name if act.code else "-")
    assert written == told


def test_whatever_may_have_happened_is_tried_both_ways():
    for name, act in ACTS.items():
        if act.happening is Happening.LOSE and not name.endswith("_unprocessed"):
            assert act.processes
            assert not ACTS[f"{name}_unprocessed"].processes
