"""The power goes while a partner fetches and acknowledges: nothing unwritten is given, and nothing ends twice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.outbound import mailbox
from gateway.outbound.ports import Box
from gateway.outbound.states import Happening, State
from gateway.store import guard
from gateway.store.dispatch_views import DispatchViews
from gateway.store.dispatches import StoredDispatches
from gateway.store.mailbox import StoredMailboxes
from gateway.store.place import Duty
from tests import builders, steps
from tests.builders import NOON
from tests.integration.killed import Axe, Child

H = Happening
BOX = Box("arbetsgivare", "5560269986")
KEY = builders.signer().key
FETCHING = ("dispatches", "timeline", "commit", "committed")
ENDING = ("dispatches", "timeline", "leaves", "records", "flows", "trail", "contents", "outbox", "commit", "committed")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def store(request, tmp_path):
    return builders.store(tmp_path) if request.param == "sqlite" else request.getfixturevalue("stored")


def laid(store, *happenings: Happening):
    """Lay one message; return it, and its digest."""
    dispatches = StoredDispatches(store.acting(Duty.DISPATCHER), clock=builders.Clock())
    to = steps.recipient(partner=BOX.partner, organisation=BOX.organisation)
    made = steps.parts(steps.command(recipients=[to], life=timedelta(days=9)))
    dispatches.take(*made)
    held, digest = dispatches.get(made[1][0].dispatch), ""
    for happening in (H.COMPOSE, H.DEPOSIT, *happenings):
        step = steps.step(held, happening)
        assert dispatches.write(step)
        digest, held = digest or step.digest, dispatches.get(held.id)
    dispatches.close()
    return held, digest


def fetch(mailboxes: StoredMailboxes, dispatch: str):
    return mailboxes.fetch([BOX], dispatch, NOON, lambda held: mailbox.fetch(held, NOON))


def acknowledge(mailboxes: StoredMailboxes, dispatch: str, digest: str):
    return mailboxes.acknowledge(
        [BOX], dispatch, digest, lambda held: steps.step(held, H.ACKNOWLEDGE, content="answer", due=NOON)
    )


def killed(store, point: str, ask) -> list[object]:
    """Ask, and die at a point; return what was answered before."""

    def run(tell) -> None:
        tell(ask(StoredMailboxes(store.acting(Duty.FRONT), clock=builders.Clock(), faults=Axe(point))))

    ended = Child(run).end()
    assert ended.killed, "nobody came there"
    return ended.told


def whole(store) -> None:
    guard.check(store, KEY)
    builders.integrate(store, builders.Clock())
    views = DispatchViews(store)
    views.verify_log(KEY)
    views.close()


@pytest.mark.parametrize("point", FETCHING)
def test_killed_while_fetching_it_is_fetched_again(store, point):
    held, _ = laid(store)
    assert killed(store, point, lambda one: bool(fetch(one, held.id))) == []
    mailboxes = StoredMailboxes(store.acting(Duty.FRONT), clock=builders.Clock())
    assert fetch(mailboxes, held.id).contents["envelope"] == held.contents["envelope"]
    mailboxes.close()
    views = DispatchViews(store)
    happened = [one.happening for one in views.timeline(held.id)][2:]
    views.close()
    assert happened == [H.FETCH] * (2 if point == "committed" else 1)
    whole(store)


@pytest.mark.parametrize("point", ENDING)
def test_killed_while_acknowledging_it_is_acknowledged_once_and_told_once(store, point):
    held, digest = laid(store, H.FETCH)
    assert killed(store, point, lambda one: bool(acknowledge(one, held.id, digest))) == []
    dispatches = StoredDispatches(store.acting(Duty.DISPATCHER), clock=builders.Clock())
    assert dispatches.get(held.id).state is (State.DELIVERED if point == "committed" else State.FETCHED)
    dispatches.close()
    mailboxes = StoredMailboxes(store.acting(Duty.FRONT), clock=builders.Clock())
    answers = [acknowledge(mailboxes, held.id, digest) for _ in range(2)]
    mailboxes.close()
    assert answers[0] == answers[1]
    views = DispatchViews(store)
    assert [one.happening for one in views.timeline(held.id)][3:] == [H.ACKNOWLEDGE]
    assert views.counts()["outbox"] == 1
    assert views.dispatch_leaves(held.id)[-1].hash == answers[0].leaf
    views.close()
    whole(store)
