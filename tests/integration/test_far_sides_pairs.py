"""Two misbehaviours after each other on one dispatch, for every pair of a representative dozen.

The second failure must never mask the first: what may have happened stays so until a verified answer, and what a
partner has processed it has processed once, whatever the two did to each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product

import pytest

from gateway.cli.demo.farsides import ACTS, foresee
from gateway.outbound import states
from gateway.outbound.states import Happening, State
from tests.abroad import MOTE, Abroad, Sent

DOZEN = (
    "slow",
    "dropped",
    "reset_unprocessed",
    "wrong_signature",
    "stale_unprocessed",
    "other_message",
    "other_organisation",
    "garbage_unprocessed",
    "busy",
    "not_for_this_host",
    "client_fault",
    "breaks_schema",
    "partial",
)
"""Of each way to fail one, and of what may have happened both ways."""
FINAL = ("client_fault", "breaks_schema", "partial")
"""After these there is no second attempt, whatever would have come: one pair of each is enough."""
PAIRS = [(one, other) for one, other in product(DOZEN, DOZEN) if one not in FINAL or other == "dropped"]


@dataclass
class Played:
    sent: Sent
    ids: dict[tuple[str, str], str]


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> Iterator[Played]:
    abroad = Abroad(tmp_path_factory.mktemp("pairs"), workers=24)
    ids = {pair: abroad.send(MOTE, *pair) for pair in PAIRS}
    with abroad.sending() as sent:
        sent.settle()
        yield Played(sent, ids)


@pytest.mark.parametrize("pair", PAIRS, ids="-then-".join)
def test_it_ends_as_the_two_foretell_and_is_processed_once_or_never(played, pair):
    dispatch, foreseen = played.ids[pair], foresee(pair)
    found, entry = played.sent.of(dispatch), played.sent.entry(dispatch)
    assert (found.state, found.attempts, found.code) == (foreseen.state, foreseen.attempts, foreseen.code)
    assert (found.first_failure, found.partner_code) == (foreseen.first_failure, foreseen.partner_code)
    assert (entry.processed, entry.seen) == (foreseen.processed, foreseen.seen)
    assert len(entry.digests) <= 1, "the content changed between attempts"
    kinds = Counter(one["kind"] for one in played.sent.leaves(dispatch))
    assert (kinds["intent"], kinds["end"]) == (1, 1)
    (told,) = played.sent.outcomes(dispatch)
    assert (told["state"], told["code"]) == (foreseen.state, foreseen.code)


@pytest.mark.parametrize("pair", PAIRS, ids="-then-".join)
def test_every_step_is_an_arrow_of_the_table_and_uncertain_is_left_only_by_proof_or_a_refusal(played, pair):
    steps = played.sent.timeline(played.ids[pair])
    for one in steps:
        assert states.TRANSITIONS[one.before, one.happening] is one.after
    for one, other in pairwise(steps):
        assert one.after is other.before
        assert one.at <= other.at
    lost = [number for number, one in enumerate(steps) if one.happening is Happening.LOSE]
    if lost:
        later = {one.after for one in steps[lost[0] :]}
        assert later <= {State.UNCERTAIN, State.RESENDING, State.DELIVERED, State.UNUSABLE, State.UNRESOLVED}


def test_every_arrow_that_an_attempt_can_take_was_taken(played):
    taken = {(one.before, one.happening) for dispatch in played.ids.values() for one in played.sent.timeline(dispatch)}
    attempts = {arrow for arrow in states.TRANSITIONS if arrow[0] in states.IN_FLIGHT}
    assert attempts <= taken


def test_what_was_said_of_the_first_failure_is_never_said_of_the_second(played):
    for first, second in PAIRS:
        found = played.sent.of(played.ids[first, second])
        if (code := ACTS[first].code) is not None:
            assert found.first_failure == code.name


def test_the_whole_log_computes_to_its_signed_checkpoint_and_nothing_was_amiss(played):
    assert played.sent.verified() == 2 * len(PAIRS)
    assert played.sent.alarms == []
    assert [side.books.refused for side in played.sent.abroad.sides if side.books.refused] == []
    processed = [books for side in played.sent.abroad.sides for books in side.books.processed().items()]
    assert {count for _, count in processed} == {1}
    assert {name for name, _ in processed} <= set(played.ids.values())
