"""The power goes at every point around the commit: no receipt without a durable message, no message twice."""

from __future__ import annotations

import pytest

from gateway.message import Accepted
from gateway.store import guard
from gateway.store.views import Views
from tests import builders
from tests.integration.killed import Axe, Child

KEY = builders.signer().key
MESSAGES = 12
POINTS = (
    "begin",
    "messages",
    "evidence",
    "leaves",
    "records",
    "flows",
    "trail",
    "refusals",
    "quarantine",
    "outbox",
    "protections",
)
AROUND = ("commit", "committed", "answer")
NEWS = (builders.learned(builders.Protection.SEKRETESSMARKERING, 1),)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def store(request, tmp_path):
    if request.param == "sqlite":
        return builders.store(tmp_path)
    return request.getfixturevalue("stored")


def message(n: int):
    return builders.ready(f"urn:uuid:{n:02}", records=n % 3 + 1, learned=NEWS)


def work(store, faults, group: int):
    """Accept everything, some of it together, and tell of each acceptance as a receipt would."""

    def run(tell) -> None:
        journal = builders.journal(store, builders.Clock(), group=group, faults=faults)
        for first in range(0, MESSAGES, group):
            futures = [journal.accept(message(n)) for n in range(first, min(first + group, MESSAGES))]
            refused = journal.refuse(builders.refusal(b"<%d/>" % first, quarantined=True))
            for future in futures:
                tell(future.result())
            refused.result()
        journal.close()

    return run


def durable(store) -> dict[str, object]:
    """What is there after the crash, found whole."""
    guard.check(store, KEY)
    builders.integrate(store, builders.Clock())
    views = Views(store)
    views.verify_log(KEY)
    found = views.messages(limit=1000)
    for one in found:
        sealed = views.sealed_message(one.number)
        assert sealed is not None
        assert len(sealed.records) == one.leaf_count == one.undelivered
    for one in views.refusals():
        assert views.sealed_refusal(one.number).evidence == b"sealed quarantine"
    return {one.message_id: one for one in found}


def check(store, receipts: list[Accepted]) -> None:
    before = durable(store)
    # 1. No receipt without a durable message, and it says what is in the log.
    views = Views(store)
    for receipt in receipts:
        kept = before[receipt.provenance.message_id]
        assert [leaf.hash for leaf in views.leaves(kept.number)] == list(receipt.leaves)
        assert (kept.accepted_at, kept.outcomes) == (receipt.accepted_at, receipt.outcomes)
    # 2. Everybody resends, for nobody knows what became of the rest; some had been accepted all the same.
    journal = builders.journal(store, builders.Clock())
    for n in range(MESSAGES):
        again = journal.accept(message(n)).result()
        assert again.repeated == (again.provenance.message_id in before)
        assert again.leaves == builders.hashes(message(n))
    journal.close()
    # 3. No message twice, no leaf lost, every event once.
    after = durable(store)
    assert sorted(after) == [f"urn:uuid:{n:02}" for n in range(MESSAGES)]
    events = sum(one.undelivered for one in after.values())
    assert events == Views(store).counts()["outbox"] == sum(n % 3 + 1 for n in range(MESSAGES))


@pytest.mark.parametrize(("nth", "group"), [(1, 1), (2, 5)])
@pytest.mark.parametrize("point", [*POINTS, *AROUND])
def test_killed_at_a_point_nothing_receipted_is_lost_and_nothing_is_there_twice(store, point, nth, group):
    ended = Child(work(store, Axe(point, nth), group)).end()
    assert ended.killed
    assert len(ended.told) < MESSAGES
    check(store, ended.told)


@pytest.mark.parametrize("point", AROUND)
def test_killed_around_the_commit_the_message_is_there_exactly_if_the_commit_was_over(store, point):
    ended = Child(work(store, Axe(point), 1)).end()
    assert (ended.killed, ended.told) == (True, [])
    assert list(durable(store)) == ([] if point == "commit" else ["urn:uuid:00"])
    check(store, [])


@pytest.mark.parametrize("heard", [1, 4, 9])
def test_killed_from_outside_between_two_receipts_nothing_is_lost(store, heard):
    child = Child(work(store, lambda _point: None, 3))
    for count, _ in enumerate(child.hear(), start=1):
        if count == heard:
            child.kill()
    ended = child.end()
    assert len(ended.told) >= heard
    check(store, ended.told)


def test_a_child_that_nobody_kills_receipts_everything(store):
    ended = Child(work(store, Axe("never"), 4)).end()
    assert (ended.killed, len(ended.told)) == (False, MESSAGES)
    check(store, ended.told)
