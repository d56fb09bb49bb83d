"""The gateway dies while a partner holds its message, and another takes over: the partner processes it once.

The real `gateway serve` is killed as a power failure kills it, after the far side has the message and before it has
answered; both when the partner had processed it and when it had not.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson

from gateway import consumer, wiring
from gateway.cli.demo import errands
from gateway.cli.demo.stage import Server, Stage, staged
from gateway.consumer import asking
from gateway.dispatch import DispatchId
from gateway.outbound import commands, states
from gateway.outbound.states import State
from gateway.store.dispatch_views import DispatchViews, Happened
from tests.abroad import ROOT
from tests.builders import NUMBERS
from tests.integration.installation import until

ASKER = "handlaggning.aktivitetsstod"
EXPECTED = [("compose", None), ("begin", None), ("lose", "GW-FAR-LOST"), ("begin", None), ("answer", None)]


def given(stage: Stage, name: str, script: Sequence[str]) -> DispatchId:
    """Have Navet asked; it follows the script."""
    now = datetime.now(UTC)
    data = errands.navet(NUMBERS[0], now)
    (queued,) = commands.queue(commands.reread(asking.composed(ASKER, name, data, now)))
    stage.country.side("skatteverket").plan(queued.dispatch, script)
    with consumer.commands(stage.configuration, asker=ASKER) as mouth:
        mouth.give(name, data)
    return queued.dispatch


def settled(views: DispatchViews, dispatches: Sequence[DispatchId]) -> bool:
    found = [views.dispatch(one) for one in dispatches]
    signed = views.unsigned(datetime.now(UTC))[0] == 0
    return signed and all(one is not None and one.state in states.ENDED for one in found)


def happenings(timeline: Sequence[Happened]) -> list[tuple[str, str | None]]:
    return [(one.happening.value, one.code) for one in timeline]


def test_a_gateway_that_is_killed_in_an_attempt_sends_the_same_id_again_and_it_is_processed_once(tmp_path: Path):
    with staged(ROOT / "config" / "gateway.toml", tmp_path, now=datetime.now(UTC)) as stage:
        views = DispatchViews(wiring.place(stage.configuration, wiring.Duty.OPERATOR))
        books = stage.country.side("skatteverket").books
        both = given(stage, "k-had", ["slow"]), given(stage, "k-had-not", ["slow_unprocessed"])
        until(lambda: all(books.of(one).seen for one in both), "the far side has both")
        stage.server._process.kill()
        assert stage.server.stop() != 0
        assert all(one.state in states.IN_FLIGHT for one in map(views.dispatch, both) if one is not None)
        assert [books.of(one).processed for one in both] == [1, 0]
        server = Server(tmp_path / "config" / "gateway.toml", stage.data)
        try:
            server.address()
            until(lambda: settled(views, both), "both have ended", within=60)
            for one in both:
                found, entry = views.dispatch(one), books.of(one)
                assert found is not None
                assert (found.state, found.attempts, found.first_failure) == (State.DELIVERED, 2, "GW-FAR-LOST")
                assert (entry.processed, entry.seen, len(entry.digests)) == (1, 2, 1)
                assert happenings(views.timeline(one)) == EXPECTED
                kinds = [orjson.loads(leaf.entry)["kind"] for leaf in views.dispatch_leaves(one)]
                assert sorted(kinds) == ["decision", "end", "intent"]
            views.verify_log(stage.key)
        finally:
            server.stop()
            views.close()
