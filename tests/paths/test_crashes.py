"""The power goes or the disk fails at every point the drivers name: nothing receipted is lost, nothing comes twice."""

from __future__ import annotations

import pytest

from gateway.errors import UnavailableError
from tests import payloads
from tests.world import CrashError

AGI = "skatteverket/arbetsgivardeklaration"
FOLK = "skatteverket/folkbokforing"
BEFORE = ("begin", "messages", "evidence", "leaves", "records", "flows", "trail", "outbox", "protections", "commit")
AFTER = ("committed", "answer")


def _reached(world, point):
    """A point that no driver came to would prove nothing."""
    return world._crash_at is None and world._fail_at is None


@pytest.mark.parametrize("point", BEFORE)
def test_a_crash_before_the_commit_leaves_nothing_and_resending_succeeds(world, point):
    world.crash_at(point)
    lost = world.send(FOLK)
    assert _reached(world, point)
    assert lost.accepted is None
    world.restart()
    assert world.views.counts()["messages"] == 0
    world.check()
    assert not world.resend(lost).accepted.repeated
    assert len(world.pending()) == 1


@pytest.mark.parametrize("point", AFTER)
def test_a_crash_after_the_commit_keeps_all_and_resending_gives_the_receipt(world, point):
    world.crash_at(point)
    lost = world.send(FOLK)
    assert _reached(world, point)
    assert lost.accepted is None
    world.restart()
    assert world.views.counts()["messages"] == 1
    world.check()
    assert world.resend(lost).accepted.repeated
    assert len(world.pending()) == 1


@pytest.mark.parametrize("point", BEFORE)
def test_a_failing_disk_before_the_commit_refuses_and_resending_succeeds(world, point):
    world.fail_at(point)
    failed = world.send(FOLK)
    assert _reached(world, point)
    assert failed.code == "GW-UNAVAILABLE-STORE"
    assert failed.error.code.resend
    assert world.views.counts()["messages"] == 0
    assert not world.resend(failed).accepted.repeated


@pytest.mark.parametrize("point", AFTER)
def test_a_fault_after_the_commit_is_told_as_unavailable_and_resending_gives_the_receipt(world, point):
    world.fail_at(point)
    failed = world.send(FOLK)
    assert _reached(world, point)
    assert isinstance(failed.error, UnavailableError)
    world.check()
    assert world.resend(failed).accepted.repeated


@pytest.mark.parametrize("point", ["begin", "leaves", "commit", "committed"])
def test_a_crash_while_a_refusal_is_written_leaves_it_whole_or_not_at_all(world, point):
    world.crash_at(point)
    world.send(FOLK, "<x/>")
    assert _reached(world, point)
    world.restart()
    assert world.views.counts()["leaves"] == (1 if point == "committed" else 0)
    world.check()


@pytest.mark.parametrize("point", ["publish", "published", "settled"])
def test_a_crash_of_the_relay_gives_every_event_once(world, point):
    for _ in range(3):
        world.send(AGI, payloads.arbetsgivardeklaration(payloads.income(), payloads.absence()))
    world.crash_at(point)
    with pytest.raises(CrashError):
        world.relay()
    world.check()
    world.restart()
    world.relay()
    assert world.pending() == []
    events = world.consume()
    assert len(events) == 3 * 3  # an income goes to two queues, an absence to one
    world.check()


@pytest.mark.parametrize("point", ["sign", "tiles", "commit", "committed", "anchored"])
def test_a_crash_of_the_integrator_never_signs_two_logs(world, point):
    first = world.send(FOLK)
    world.integrate()
    promised = world.views.checkpoint()
    world.send(FOLK)
    world.crash_at(point)
    with pytest.raises(CrashError):
        world.integrate()
    world.restart()
    world.send(FOLK)
    world.integrate()
    assert world.views.checkpoint() != promised
    assert world.views.verify_log(world.signer.key).pending == 0
    assert world.views.proof(first.accepted.leaves[0]) is not None


def test_a_consumer_that_dies_gets_the_event_again_and_it_stays_one(world):
    world.send(FOLK)
    world.relay()
    (lent,) = world.broker.take("handlaggning.folkbokforing", limit=10)
    assert world.broker.take("handlaggning.folkbokforing", limit=10) == []
    world.restart()
    world.travel(minutes=5)
    (again,) = world.broker.take("handlaggning.folkbokforing", limit=10)
    assert (again.event, again.body, again.attempt) == (lent.event, lent.body, 2)
    assert world.broker.ack([lent]) == [False]
    assert world.broker.ack([again]) == [True]
    world.ledger.consumed.append((again.queue, again.event, again.body))
