"""The power goes at every point of a destruction and of a hold: it has happened whole or not at all, and goes on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.store import destroyed, guard
from gateway.store.dispatch_views import DispatchViews
from gateway.store.holds import Action, Covers, Kind
from gateway.store.outbox import StoredOutbox
from gateway.store.place import Duty
from tests import builders, retaining
from tests.integration.killed import Axe, Child

KEY = builders.signer().key
POINTS = ("leaves", "records", "flows", "trail", "gallringar", "destroyed", "commit", "committed")
HOLDING = ("leaves", "records", "trail", "hold_steps", "commit", "committed")
LATER = timedelta(days=800)
MESSAGES = 5


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def store(request, tmp_path):
    """Five messages, delivered."""
    made = builders.store(tmp_path) if request.param == "sqlite" else request.getfixturevalue("stored")
    clock = builders.Clock()
    journal = builders.journal(made.acting(Duty.FRONT), clock)
    for number in range(MESSAGES):
        journal.accept(builders.ready(f"urn:uuid:{number}")).result()
    journal.close()
    outbox = StoredOutbox(made.acting(Duty.RELAY), clock=clock)
    outbox.settle(outbox.pending(100))
    outbox.close()
    return made


def clock() -> builders.Clock:
    made = builders.Clock()
    made.pass_(LATER)
    return made


def run(store, faults=lambda _point: None) -> dict[str, int]:
    made = retaining.destruction(store, clock(), batch=2, faults=faults)
    try:
        return {key.split()[1].split("@")[0]: count for key, count in made.run(retaining.retention()).items()}
    finally:
        made.close()


def whole(store) -> None:
    guard.check(store, KEY)
    builders.integrate(store.acting(Duty.INTEGRATOR), clock())
    views = DispatchViews(store)
    assert views.verify_log(KEY).pending == 0
    views.close()
    assert destroyed.unexplained(store) == {}


@pytest.mark.parametrize("nth", [1, 2, 4])
@pytest.mark.parametrize("point", POINTS)
def test_killed_anywhere_it_goes_on_and_everything_is_destroyed_once(store, point, nth):
    ended = Child(lambda _tell: run(store, Axe(point, nth))).end()
    assert ended.killed, "nobody came there"
    before = destroyed.history(store, limit=99)
    assert len(before) == nth - (point != "committed")
    whole(store)
    run(store)
    history = destroyed.history(store, limit=99)
    for data in ("evidence", "record"):
        gone = sorted(
            number
            for one in history if one.data == data
            for first, last in one.gone
            for number in range(first, last + 1)
        )  # fmt: skip
        assert len(gone) == len(set(gone)) == MESSAGES
    whole(store)


@pytest.mark.parametrize("point", HOLDING)
def test_killed_while_a_hold_is_laid_it_stands_or_was_never_there(store, point):
    def lay(_tell) -> None:
        holds = retaining.holds(store, clock(), Axe(point))
        holds.hold(Covers(kind=Kind.MESSAGE, number=1), reason="tvist", by="anna")

    assert Child(lay).end().killed
    holds = retaining.holds(store, clock())
    stands = bool(holds.holds())
    holds.close()
    assert stands == (point == "committed")
    assert run(store)["R-evidence"] == MESSAGES - stands
    whole(store)


@pytest.mark.parametrize("point", HOLDING)
def test_killed_while_a_hold_is_released_it_stands_or_is_released_and_forgotten(store, point):
    person = builders.pseudonym(builders.NUMBERS[1])
    holds = retaining.holds(store, clock())
    holds.hold(Covers(kind=Kind.PERSON, pseudonym=person), reason="tvist", by="anna")
    holds.do(1, Action.ASK, reason="avslutad", by="anna")
    holds.close()

    def let_go(_tell) -> None:
        made = retaining.holds(store, clock(), Axe(point))
        made.do(1, Action.RELEASE, reason="avslutad", by="bo")

    assert Child(let_go).end().killed
    session = store.open()
    kept = session.execute("SELECT pseudonym FROM holds").fetchall()[0][0]
    session.close()
    assert kept == (None if point == "committed" else person)
    assert run(store).get("R-evidence", 0) == (MESSAGES if point == "committed" else 0)
    whole(store)
