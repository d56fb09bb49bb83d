from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway import codes
from gateway.errors import ConflictError, IntegrityError, UnavailableError
from gateway.sqlite import OperationalError
from gateway.store.journal import StoredJournal
from gateway.store.place import SqlitePlace
from gateway.store.views import Views
from tests import builders

KEY = builders.signer().key
POINTS = ("begin", "messages", "evidence", "leaves", "records", "outbox", "protections", "commit")
"""Where nothing has happened yet."""


class Gate:
    """Holds the writer inside its transaction until the test has put everything in line."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, point: str) -> None:
        if point == "begin":
            self.reached.set()
            assert self.opened.wait(10)


class Failing:
    """Raises once, at one point."""

    def __init__(self, point: str, error: Exception | None = None) -> None:
        self.point, self.error, self.groups = point, error or OperationalError("database or disk is full"), 0

    def __call__(self, point: str) -> None:
        self.groups += point == "begin"
        if point == self.point:
            self.point = ""
            raise self.error


@pytest.fixture
def gated(store, clock):
    """A journal, and a function that commits everything in one group."""
    gate = Gate()
    journal = builders.journal(store, clock, faults=gate, group=10)

    def together(*forms):
        futures = [(journal.refuse if hasattr(form, "error") else journal.accept)(form) for form in forms]
        assert gate.reached.wait(10)
        gate.opened.set()
        return futures

    yield together
    gate.opened.set()
    journal.close()


def whole(store) -> dict[str, int]:
    """Every count, when the log and its owners agree."""
    views = Views(store)
    builders.integrate(store, builders.Clock())
    views.verify_log(KEY)
    return dict(views.counts())


def test_everything_of_a_message_is_written_and_can_be_read(store, clock):
    journal = builders.journal(store, clock)
    ready = builders.ready(records=2)
    journal.accept(ready).result()
    journal.close()
    views = Views(store)
    (message,) = views.messages()
    source = ready.provenance
    assert (message.partner, message.organisation, message.message_id, message.digest, message.contract) == (
        source.partner,
        source.organisation,
        source.message_id,
        source.digest,
        source.contract,
    )
    assert (message.signer, message.created, message.received_at) == (source.signer, source.created, source.received_at)
    assert (message.accepted_at, message.policy, message.outcomes) == (builders.NOON, builders.POLICY, ready.outcomes)
    assert (message.leaf_count, message.undelivered) == (2, 2)
    assert views.sealed_message(message.number) == ready.sealed
    leaves = views.leaves(message.number)
    assert [(one.hash, one.entry) for one in leaves] == [(leaf.hash, leaf.entry) for leaf in ready.leaves]
    assert [one.hash for one in views.history(builders.pseudonym(builders.NUMBERS[1]))] == [ready.leaves[0].hash]


def test_a_quarantined_refusal_keeps_its_sealed_bytes_apart_and_another_keeps_none(store, clock):
    journal = builders.journal(store, clock)
    bad, wrong = builders.refusal(b"<bad/>", quarantined=True), builders.refusal(b"<wrong/>")
    journal.refuse(bad).result()
    journal.refuse(wrong).result()
    journal.close()
    views = Views(store)
    second, first = views.refusals()
    assert (first.code, first.step, first.quarantined) == ("GW-PURPOSE-QUARANTINED", "purpose", True)
    assert (second.code, second.detail, second.quarantined, second.at) == (
        "GW-CONTRACT-SCHEMA",
        "line 1",
        False,
        builders.NOON,
    )
    assert views.sealed_refusal(first.number) == bad.sealed
    assert views.sealed_refusal(second.number) == wrong.sealed
    assert whole(store)["quarantine"] == 1


def test_a_group_is_one_transaction_with_one_time_and_leaves_without_gaps(store, gated):
    readies = [builders.ready(f"urn:uuid:{n}", records=n % 3 + 1) for n in range(8)]
    futures = gated(*readies, builders.refusal())
    accepted = [future.result() for future in futures[:-1]]
    assert futures[-1].result() is None
    assert [one.leaves for one in accepted] == [builders.hashes(one) for one in readies]
    counts = whole(store)
    assert (counts["messages"], counts["refusals"], counts["leaves"]) == (8, 1, 1 + sum(n % 3 + 1 for n in range(8)))


def test_two_copies_in_one_group_are_one_message(store, gated):
    first, second, third = (future.result() for future in gated(*[builders.ready(records=2)] * 3))
    assert not first.repeated
    assert second == third == replace(first, repeated=True)
    assert (whole(store)["messages"], whole(store)["leaves"], whole(store)["outbox"]) == (1, 2, 2)


def test_a_conflict_inside_a_group_fails_alone(store, gated):
    one, conflict, other = gated(builders.ready(content="a"), builders.ready(content="b"), builders.ready("urn:uuid:2"))
    with pytest.raises(ConflictError):
        conflict.result()
    assert (one.result().repeated, other.result().repeated) == (False, False)
    assert whole(store)["messages"] == 2


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param({"action": "\ud800"}, id="text that is no Unicode"),
        pytest.param({"action": object()}, id="a value no column holds"),
        pytest.param({"contract": None}, id="a fact that may not be missing"),
    ],
)
def test_a_message_that_cannot_be_stored_does_not_fail_its_neighbours(store, gated, spoil):
    good = builders.ready("urn:uuid:bad")
    bad = replace(good, provenance=replace(good.provenance, **spoil))
    before, spoilt, after, refused = gated(
        builders.ready("urn:uuid:1"), bad, builders.ready("urn:uuid:2"), builders.refusal()
    )
    with pytest.raises(UnavailableError) as caught:
        spoilt.result()
    assert caught.value.code is codes.INTERNAL
    assert (before.result().repeated, after.result().repeated, refused.result()) == (False, False, None)
    counts = whole(store)
    assert (counts["messages"], counts["refusals"], counts["leaves"]) == (2, 1, 3)


@pytest.mark.parametrize("point", POINTS)
def test_fails_and_does_not(store, clock, point):
    """An error before the commit: nothing is there, the sender may resend, and the writer goes on."""
    failing = Failing(point)
    journal = builders.journal(store, clock, faults=failing)
    news = (builders.learned(builders.Protection.NONE, 1),)
    with pytest.raises(UnavailableError) as caught:
        journal.accept(builders.ready(learned=news)).result()
    assert caught.value.code is codes.STORE_UNAVAILABLE
    assert whole(store) | {"checkpoints": 0} == dict.fromkeys(whole(store), 0)
    assert not journal.accept(builders.ready(learned=news)).result().repeated
    journal.close()
    assert (whole(store)["messages"], whole(store)["outbox"]) == (1, 1)


@pytest.mark.parametrize("point", ["committed", "answer"])
def test_fails_but_persists(store, clock, point):
    """An error after the commit: the sender hears that it failed, resends, and gets the first acceptance."""
    failing = Failing(point)
    journal = builders.journal(store, clock, faults=failing)
    ready = builders.ready()
    with pytest.raises(UnavailableError):
        journal.accept(ready).result()
    again = journal.accept(ready).result()
    assert again.repeated
    assert again.leaves == builders.hashes(ready)
    with pytest.raises(ConflictError):
        journal.accept(builders.ready(content="other")).result()
    journal.close()
    assert (whole(store)["messages"], whole(store)["outbox"]) == (1, 1)


@pytest.mark.parametrize("point", ["refusals", "quarantine", "commit"])
def test_a_refusal_that_could_not_be_written_is_told_and_is_not_there(store, clock, point):
    journal = builders.journal(store, clock, faults=Failing(point))
    with pytest.raises(UnavailableError):
        journal.refuse(builders.refusal(quarantined=True)).result()
    assert journal.refuse(builders.refusal(quarantined=True)).result() is None
    journal.close()
    assert (whole(store)["refusals"], whole(store)["leaves"]) == (1, 1)


def test_a_full_disk_is_told_and_the_journal_goes_on_when_there_is_room(store, clock):
    journal = builders.journal(store, clock)
    journal.accept(builders.ready("urn:uuid:1")).result()
    connection = journal._session.connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(UnavailableError) as caught:
        journal.accept(builders.ready("urn:uuid:2", evidence=b"x" * 100_000)).result()
    assert (caught.value.code, caught.value.detail) == (codes.STORE_UNAVAILABLE, "SQLITE_FULL")
    connection.execute("PRAGMA max_page_count=1000000")
    assert not journal.accept(builders.ready("urn:uuid:2")).result().repeated
    journal.close()
    assert whole(store)["messages"] == 2


def test_a_full_line_turns_away_at_once_and_loses_nobody(store, clock):
    gate = Gate()
    journal = builders.journal(store, clock, faults=gate, backlog=2, group=1)
    futures = [journal.accept(builders.ready("urn:uuid:0"))]
    assert gate.reached.wait(10)
    futures += [journal.accept(builders.ready(f"urn:uuid:{n}")) for n in (1, 2)]
    for call in (lambda: journal.accept(builders.ready("urn:uuid:3")), lambda: journal.refuse(builders.refusal())):
        with pytest.raises(UnavailableError) as caught:
            call()
        assert caught.value.code is codes.OVERLOADED
    assert journal.waiting() == 2
    gate.opened.set()
    assert [future.result().repeated for future in futures] == [False] * 3
    journal.close()
    assert whole(store)["messages"] == 3


def test_it_tells_for_how_long_a_group_has_been_written(store, clock):
    gate = Gate()
    journal = builders.journal(store, clock, faults=gate)
    assert journal.stuck() == 0
    future = journal.accept(builders.ready())
    assert gate.reached.wait(10)
    first = journal.stuck()
    assert 0 < first < journal.stuck()
    gate.opened.set()
    future.result()
    journal.close()
    assert journal.stuck() == 0


def test_closing_commits_what_is_in_line(store, clock):
    gate = Gate()
    journal = builders.journal(store, clock, faults=gate, group=3)
    futures = [journal.accept(builders.ready(f"urn:uuid:{n}")) for n in range(10)]
    closing = threading.Thread(target=journal.close)
    closing.start()
    gate.opened.set()
    closing.join(10)
    assert [future.done() and future.result().repeated for future in futures] == [False] * 10
    assert whole(store)["messages"] == 10


def test_a_message_nobody_waits_for_any_more_is_not_committed(store, clock):
    gate = Gate()
    journal = builders.journal(store, clock, faults=gate)
    first = journal.accept(builders.ready("urn:uuid:1"))
    assert gate.reached.wait(10)
    given_up = journal.accept(builders.ready("urn:uuid:2"))
    assert given_up.cancel()
    gate.opened.set()
    assert not first.result().repeated
    journal.close()
    assert whole(store)["messages"] == 1


def test_protections_are_known_before_the_message_is_answered_and_the_relay_is_pushed(store, clock):
    told = []
    journal = builders.journal(
        store,
        clock,
        learned=lambda: told.append("learned"),
        committed=lambda: told.append("committed"),
        faults=lambda point: told.append(point) if point == "answer" else None,
    )
    journal.accept(builders.ready(learned=(builders.learned(builders.Protection.NONE, 1),))).result()
    journal.refuse(builders.refusal()).result()
    journal.close()
    assert told == ["learned", "answer", "committed", "answer"]


def test_an_error_in_what_is_told_fails_nobody_twice(store, clock):
    def broken() -> None:
        raise RuntimeError

    journal = builders.journal(store, clock, committed=broken)
    assert not journal.accept(builders.ready("urn:uuid:1")).result().repeated
    assert not journal.accept(builders.ready("urn:uuid:2")).result().repeated
    journal.close()


def test_many_threads_and_two_writers_on_one_file_lose_and_double_nothing(store, clock):
    journals = [builders.journal(store, clock, group=8) for _ in range(2)]
    readies = [builders.ready(f"urn:uuid:{n % 40}") for n in range(120)]
    with ThreadPoolExecutor(8) as pool:
        futures = list(pool.map(lambda pair: journals[pair[0] % 2].accept(pair[1]), enumerate(readies)))
        accepted = [future.result(30) for future in futures]
    for journal in journals:
        journal.close()
    assert sum(not one.repeated for one in accepted) == 40
    counts = whole(store)
    assert (counts["messages"], counts["leaves"], counts["outbox"]) == (40, 40, 40)


def test_a_journal_opens_no_store_that_is_not_there(tmp_path, clock):
    with pytest.raises(IntegrityError):
        StoredJournal(SqlitePlace(tmp_path), clock=clock)


def test_a_message_that_comes_alone_waits_for_no_company(store, clock):
    pauses = []
    journal = builders.journal(store, clock, gather=timedelta(seconds=1), pause=pauses.append)
    for number in range(3):
        journal.accept(builders.ready(f"urn:uuid:{number}")).result(10)
    journal.close()
    assert pauses == []


def test_after_a_crowd_the_writer_waits_for_company_and_commits_it_together(store, clock):
    gate, later, begun = Gate(), [], []

    def pause(seconds):
        assert seconds == 0.002
        later.append(journal.accept(builders.ready("urn:uuid:late")))

    def told(point):
        begun.append(point)
        gate(point)

    journal = builders.journal(store, clock, gather=timedelta(milliseconds=2), pause=pause, faults=told)
    crowd = [journal.accept(builders.ready(f"urn:uuid:{number}")) for number in range(3)]
    assert gate.reached.wait(10)
    gate.opened.set()
    for future in crowd:
        future.result(10)
    journal.accept(builders.ready("urn:uuid:next")).result(10)
    assert later[0].result(10).repeated is False
    journal.close()
    assert begun.count("begin") == 2
    assert whole(store)["messages"] == 5


@pytest.mark.parametrize(("name", "error"), [("SQLITE_CORRUPT", IntegrityError), ("SQLITE_FULL", UnavailableError)])
def test_a_damaged_file_is_not_called_temporary_and_a_full_disk_is(store, clock, name, error):
    broken = OperationalError("as SQLite says it")
    broken.sqlite_errorname = name
    journal = builders.journal(store, clock, faults=Failing("commit", broken))
    with pytest.raises(error, match=name):
        journal.accept(builders.ready()).result(10)
    journal.close()
    assert whole(store)["messages"] == 0
